/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * page_copy.c - the copy of one page, or of a part of it
 */
#include <stdbool.h>
#include <string.h>

#include "page_copy.h"

#if defined(__x86_64__)

#define BLOCK	128u		/* two lines */
#define SHORT	512u		/* of less, memmove() is as fast */

typedef long long vec __attribute__((vector_size(32), aligned(1), may_alias));

/* All in, then all out: so the loads need not wait for the stores */
static inline __attribute__((always_inline, target("avx2")))
void copy_block(uint8_t *to, const uint8_t *from)
{
	const vec *in = (const vec *)(const void *)from;
	vec *out = (vec *)(void *)to;
	vec a = in[0], b = in[1], c = in[2], d = in[3];

	out[0] = a;
	out[1] = b;
	out[2] = c;
	out[3] = d;
}

static __attribute__((target("avx2")))
uint64_t copy_blocks(uint8_t *to, const uint8_t *from, uint64_t n)
{
	uint64_t at;

	for (at = 0; n - at >= BLOCK; at += BLOCK)
		copy_block(to + at, from + at);
	return at;
}

static __attribute__((target("avx2")))
uint64_t copy_blocks_ahead(uint8_t *to, const uint8_t *from, uint64_t n,
			   const uint8_t *to_next, const uint8_t *from_next)
{
	uint64_t at;

	/* one line of each for two that are copied: the first half of the next
	 * page, behind which the CPU goes on by itself */
	for (at = 0; n - at >= BLOCK; at += BLOCK) {
		__builtin_prefetch(from_next + at / 2);
		__builtin_prefetch(to_next + at / 2, 1);
		copy_block(to + at, from + at);
	}
	return at;
}

/* Not for what overlaps: block by block, forwards, is right for half of that */
static bool is_plain(const uint8_t *to, const uint8_t *from, uint64_t n)
{
	uintptr_t above = (uintptr_t)to - (uintptr_t)from;

	return n >= SHORT && above >= n && -above >= n &&
	       __builtin_cpu_supports("avx2");
}

/* What is left behind the blocks, of a whole page nothing */
static inline void copy_rest(uint8_t *to, const uint8_t *from, uint64_t n,
			     uint64_t done)
{
	if (n != done)
		memmove(to + done, from + done, n - done);
}

void page_copy(uint8_t *to, const uint8_t *from, uint64_t n)
{
	copy_rest(to, from, n,
		  is_plain(to, from, n) ? copy_blocks(to, from, n) : 0);
}

void page_copy_ahead(uint8_t *to, const uint8_t *from, uint64_t n,
		     const uint8_t *to_next, const uint8_t *from_next)
{
	uint64_t done = 0;

	if (is_plain(to, from, n))
		done = copy_blocks_ahead(to, from, n, to_next, from_next);
	copy_rest(to, from, n, done);
}

#else

void page_copy(uint8_t *to, const uint8_t *from, uint64_t n)
{
	memmove(to, from, n);
}

void page_copy_ahead(uint8_t *to, const uint8_t *from, uint64_t n,
		     const uint8_t *to_next, const uint8_t *from_next)
{
	(void)to_next;
	(void)from_next;
	memmove(to, from, n);
}

#endif
