/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-or-later */
/*
 * string.h - all of libc that the core may use, for the freestanding build
 *
 * DOC: On the include path of `make core-freestanding` only, in place of the
 * system's: a call of anything else then fails to compile.
 */
#ifndef VRDMA_FREESTANDING_STRING_H
#define VRDMA_FREESTANDING_STRING_H

#include <stddef.h>

void *memcpy(void *dst, const void *src, size_t n);
void *memset(void *dst, int c, size_t n);
int memcmp(const void *a, const void *b, size_t n);

#endif
