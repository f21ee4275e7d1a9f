/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * pattern.h - bytes that tell where they belong
 *
 * Both sides of a connection make them, so content is checked without a copy of
 * what was sent.
 */
#ifndef TESTS_PATTERN_H
#define TESTS_PATTERN_H

#include <stddef.h>
#include <stdint.h>

static inline uint8_t pattern_byte(size_t i, uint32_t seed)
{
	uint64_t x = (i / 8 + 1) * 0x9e3779b97f4a7c15ull + seed;

	x ^= x >> 29;
	return (uint8_t)(x >> (8 * (i % 8)));
}

static inline void pattern_fill(void *p, size_t len, uint32_t seed)
{
	uint8_t *b = p;

	for (size_t i = 0; i < len; i++)
		b[i] = pattern_byte(i, seed);
}

/* -1: all as pattern_fill() writes it from start on, else the offset of the
 * first wrong byte */
static inline int64_t pattern_check(const void *p, size_t len, uint32_t seed,
				    size_t start)
{
	const uint8_t *b = p;

	for (size_t i = 0; i < len; i++)
		if (b[i] != pattern_byte(start + i, seed))
			return (int64_t)i;
	return -1;
}

#endif /* TESTS_PATTERN_H */
