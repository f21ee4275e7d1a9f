/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * crc32c.h - the checksum of an FPDU (RFC 5044 4.4): CRC32C, stored little-endian
 */
#ifndef IWARP_CRC32C_H
#define IWARP_CRC32C_H

#include <stddef.h>
#include <stdint.h>

#define CRC32C_INIT 0xffffffffu

/* Goes on from crc (CRC32C_INIT at first) over len bytes.  Any thread */
uint32_t crc32c_update(uint32_t crc, const void *p, size_t len);
/* The two ways to do it, for a test that compares them.  crc32c_fast() is the
 * other one again where the build had no ISA-L. */
uint32_t crc32c_table(uint32_t crc, const void *p, size_t len);
uint32_t crc32c_fast(uint32_t crc, const void *p, size_t len);
/* "ISA-L" or "table" */
const char *crc32c_name(void);

/* What goes onto the wire, after the last byte */
static inline void crc32c_store(uint32_t crc, uint8_t out[4])
{
	crc = ~crc;
	for (int i = 0; i < 4; i++)
		out[i] = (uint8_t)(crc >> 8 * i);
}

static inline uint32_t crc32c_load(const uint8_t in[4])
{
	return ~((uint32_t)in[0] | (uint32_t)in[1] << 8 |
		 (uint32_t)in[2] << 16 | (uint32_t)in[3] << 24);
}

#endif /* IWARP_CRC32C_H */
