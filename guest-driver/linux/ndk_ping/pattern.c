// SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-or-later
/*
 * pattern.c - contents that tell transfer from transfer and place from place
 */
#include <linux/sched.h>
#include <linux/version.h>
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 12, 0)
#include <linux/unaligned.h>
#else
#include <asm/unaligned.h>
#endif

#include "ping.h"

#define STEP	0x9e3779b97f4a7c15ull
#define CHUNK	(1u << 20)	/* bytes between two offers to the scheduler */

static u64 first_word(u32 seed, u64 index)
{
	return ((u64)seed << 32 | 0x5bd1e995u) ^ (index * 0xbf58476d1ce4e5b9ull);
}

void pattern_fill(void *at, u64 len, u32 seed, u64 index)
{
	u64 word = first_word(seed, index);
	u8 *to = at;
	u64 i;

	for (i = 0; i + 8 <= len; i += 8, word += STEP) {
		put_unaligned_le64(word, to + i);
		if (!(i % CHUNK))
			cond_resched();
	}
	for (; i < len; i++, word >>= 8)
		to[i] = word;
}

bool pattern_check(const void *at, u64 len, u32 seed, u64 index)
{
	u64 word = first_word(seed, index);
	const u8 *from = at;
	u64 i;

	for (i = 0; i + 8 <= len; i += 8, word += STEP) {
		if (get_unaligned_le64(from + i) != word)
			return false;
		if (!(i % CHUNK))
			cond_resched();
	}
	for (; i < len; i++, word >>= 8)
		if (from[i] != (u8)word)
			return false;
	return true;
}
