/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * page_copy.h - the copy of one page, or of a part of it
 *
 * DOC: The C library's memmove() is made for any length.  At 4 KiB its choice among
 * loops shows, and where a page goes to mostly has the offset in its page that it
 * comes from, which makes it copy backwards, against what the CPU fetches ahead.  A
 * plain loop has a tenth more (docs/bench.md).
 */
#ifndef VRDMA_PAGE_COPY_H
#define VRDMA_PAGE_COPY_H

#include <stdint.h>

/* n: a page or less.  They may overlap. */
void page_copy(uint8_t *to, const uint8_t *from, uint64_t n);
/* The same, and meanwhile the beginning of what is copied next is fetched */
void page_copy_ahead(uint8_t *to, const uint8_t *from, uint64_t n,
		     const uint8_t *to_next, const uint8_t *from_next);

#endif /* VRDMA_PAGE_COPY_H */
