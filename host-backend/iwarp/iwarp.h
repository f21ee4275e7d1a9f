/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * iwarp.h - connections between processes and hosts: iWARP over TCP
 */
#ifndef IWARP_H
#define IWARP_H

#include "../backend.h"

/* rest: what follows "iwarp" in the name: nothing, or ":OPTION=VALUE,...".
 * NULL: err has one line on what is wrong with it and how to mend it. */
struct backend *iwarp_create(const char *name, const char *rest, char *err,
			     size_t err_size);
/* After shutdown(), or instead of start() */
void iwarp_destroy(struct backend *be);

#endif /* IWARP_H */
