/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * crc32c.c - CRC32C by ISA-L where the build has it, by table otherwise
 *
 * The table way takes eight bytes a step ("slicing by 8"): table k says what a
 * byte does to the sum when k more follow it.
 */
#include <string.h>

#include "crc32c.h"

#ifdef IWARP_ISAL
#include <isa-l/crc.h>
#endif

#define POLYNOMIAL 0x82f63b78u	/* 0x1edc6f41, bits reversed */
#define SLICES	   8

static uint32_t table[SLICES][256];

static __attribute__((constructor)) void make_table(void)
{
	for (uint32_t i = 0; i < 256; i++) {
		uint32_t v = i;

		for (int bit = 0; bit < 8; bit++)
			v = v >> 1 ^ (v & 1 ? POLYNOMIAL : 0);
		table[0][i] = v;
	}
	for (int k = 1; k < SLICES; k++)
		for (int i = 0; i < 256; i++)
			table[k][i] = table[k - 1][i] >> 8 ^
				      table[0][table[k - 1][i] & 0xff];
}

static uint32_t by_byte(uint32_t crc, const uint8_t *p, size_t len)
{
	while (len--)
		crc = crc >> 8 ^ table[0][(crc ^ *p++) & 0xff];
	return crc;
}

uint32_t crc32c_table(uint32_t crc, const void *from, size_t len)
{
	const uint8_t *p = from;

	for (; len >= SLICES; len -= SLICES, p += SLICES) {
		uint32_t low = crc ^ ((uint32_t)p[0] | (uint32_t)p[1] << 8 |
				      (uint32_t)p[2] << 16 |
				      (uint32_t)p[3] << 24);

		crc = table[7][low & 0xff] ^ table[6][low >> 8 & 0xff] ^
		      table[5][low >> 16 & 0xff] ^ table[4][low >> 24] ^
		      table[3][p[4]] ^ table[2][p[5]] ^ table[1][p[6]] ^
		      table[0][p[7]];
	}
	return by_byte(crc, p, len);
}

#ifdef IWARP_ISAL

#define PIECE (1u << 30)	/* its length is an int */

uint32_t crc32c_fast(uint32_t crc, const void *from, size_t len)
{
	uint8_t *p = (uint8_t *)(uintptr_t)from;	/* it does not write */

	for (; len > PIECE; len -= PIECE, p += PIECE)
		crc = crc32_iscsi(p, PIECE, crc);
	return crc32_iscsi(p, (int)len, crc);
}

const char *crc32c_name(void)
{
	return "ISA-L";
}

#else

uint32_t crc32c_fast(uint32_t crc, const void *p, size_t len)
{
	return crc32c_table(crc, p, len);
}

const char *crc32c_name(void)
{
	return "table";
}

#endif

uint32_t crc32c_update(uint32_t crc, const void *p, size_t len)
{
	return crc32c_fast(crc, p, len);
}
