/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * line.h - objects whose fields have their places in cache lines
 *
 * DOC: A request of 64 bytes meets some twenty objects, and behind one of 64 KiB
 * none of them is in the first level cache any more.  So what it needs of the
 * larger ones stands together, and they begin where a line does.
 */
#ifndef VRDMA_LINE_H
#define VRDMA_LINE_H

#include <stdlib.h>
#include <string.h>

#define CACHE_LINE 64u

/* Zeroed, at the beginning of a line, or NULL.  free() */
static inline void *line_alloc(size_t size)
{
	size_t lines = (size + CACHE_LINE - 1) / CACHE_LINE * CACHE_LINE;
	void *p = aligned_alloc(CACHE_LINE, lines);

	return p ? memset(p, 0, lines) : NULL;
}

#endif /* VRDMA_LINE_H */
