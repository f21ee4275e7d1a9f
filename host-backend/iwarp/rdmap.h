/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * rdmap.h - headers of DDP segments and RDMAP messages, and Terminate
 *
 * DOC: RFC 5040 and 5041 in the frame of RFC 5044.  Pure: bytes in, a checked
 * structure out, and back.  Offsets count from the FPDU's first byte:
 *
 *	 0  2  ULPDU length L: all that follows but pad and CRC
 *	 2  1  DDP control: T 0x80, last 0x40, version 1
 *	 3  1  RDMAP control: version 1 in 0xc0, opcode in 0x0f
 *
 *	tagged			untagged
 *	 4  4  STag		 4  4  STag to invalidate, or 0
 *	 8  8  TO		 8  4  QN: 0 Send, 1 Read Request, 2 Terminate
 *	16  n  payload		12  4  MSN, from 1
 *				16  4  MO
 *				20  n  payload; of a Read Request:
 *					20  4  sink STag
 *					24  8  sink TO
 *					32  4  size
 *					36  4  source STag
 *					40  8  source TO
 *
 * then 0 to 3 bytes that make it a multiple of four, then the CRC.
 */
#ifndef IWARP_RDMAP_H
#define IWARP_RDMAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum rdmap_opcode {
	RDMAP_WRITE,
	RDMAP_READ_REQUEST,
	RDMAP_READ_RESPONSE,
	RDMAP_SEND,
	RDMAP_SEND_INV,
	RDMAP_SEND_SE,
	RDMAP_SEND_SE_INV,
	RDMAP_TERMINATE,
	RDMAP_OPCODE_COUNT
};

enum rdmap_queue { RDMAP_QN_SEND, RDMAP_QN_READ, RDMAP_QN_TERMINATE };

#define RDMAP_TAGGED	   16	/* header bytes, with the length */
#define RDMAP_UNTAGGED	   20
#define RDMAP_READ	   28	/* payload of a Read Request */
#define RDMAP_MAX_HEADER   (RDMAP_UNTAGGED + RDMAP_READ)
#define RDMAP_FIRST	   4	/* these say how long the header is */
#define RDMAP_CRC	   4
#define RDMAP_MAX_TRAILER  (3 + RDMAP_CRC)
#define RDMAP_MAX_ULPDU	   65535u
/* What any header leaves for payload in an FPDU of the largest size */
#define RDMAP_MAX_PAYLOAD  (RDMAP_MAX_ULPDU - (RDMAP_UNTAGGED - 2))

/* A triple of RFC 5040 4.8; layer 0 RDMA, 1 DDP, 2 MPA */
struct rdmap_error {
	uint8_t layer;
	uint8_t type;
	uint8_t code;
};

#define RDMAP_ERR(l, t, c) ((struct rdmap_error){l, t, c})
#define ERR_CATASTROPHIC(code)	RDMAP_ERR(0, 0, code)	/* any code will do */
#define ERR_READ_STAG		RDMAP_ERR(0, 1, 0x00)
#define ERR_READ_BOUNDS		RDMAP_ERR(0, 1, 0x01)
#define ERR_VERSION		RDMAP_ERR(0, 2, 0x05)
#define ERR_OPCODE		RDMAP_ERR(0, 2, 0x06)
#define ERR_STREAM		RDMAP_ERR(0, 2, 0x07)
#define ERR_INVALIDATE		RDMAP_ERR(0, 1, 0x09)
#define ERR_UNSPECIFIED		RDMAP_ERR(0, 2, 0xff)
#define ERR_DDP_LOCAL		RDMAP_ERR(1, 0, 0x00)
#define ERR_STAG		RDMAP_ERR(1, 1, 0x00)
#define ERR_BOUNDS		RDMAP_ERR(1, 1, 0x01)
#define ERR_TO_WRAP		RDMAP_ERR(1, 1, 0x03)
#define ERR_TAGGED_VERSION	RDMAP_ERR(1, 1, 0x04)
#define ERR_QN			RDMAP_ERR(1, 2, 0x01)
#define ERR_NO_BUFFER		RDMAP_ERR(1, 2, 0x02)
#define ERR_MSN			RDMAP_ERR(1, 2, 0x03)
#define ERR_MO			RDMAP_ERR(1, 2, 0x04)
#define ERR_TOO_LONG		RDMAP_ERR(1, 2, 0x05)
#define ERR_UNTAGGED_VERSION	RDMAP_ERR(1, 2, 0x06)
#define ERR_CRC			RDMAP_ERR(2, 0, 0x02)
#define ERR_FRAME		RDMAP_ERR(2, 0, 0x03)
#define ERR_IRD			RDMAP_ERR(2, 0, 0x06)
#define ERR_RTR			RDMAP_ERR(2, 0, 0x07)

static inline bool rdmap_error_is(const struct rdmap_error *a,
				  struct rdmap_error b)
{
	return a->layer == b.layer && a->type == b.type && a->code == b.code;
}

struct rdmap_header {
	uint8_t opcode;		/* enum rdmap_opcode */
	bool tagged;		/* by opcode */
	bool last;
	uint16_t ulpdu;		/* L; decoded only, encode makes it of payload */
	uint32_t payload;	/* bytes; 0 for a Read Request */
	uint32_t stag;		/* tagged; untagged: to invalidate */
	uint64_t to;		/* tagged */
	uint32_t qn, msn, mo;	/* untagged */
	struct {
		uint32_t sink_stag;
		uint64_t sink_to;
		uint32_t size;
		uint32_t source_stag;
		uint64_t source_to;
	} read;
};

/* How many bytes must be there before rdmap_decode(); p has RDMAP_FIRST */
size_t rdmap_header_size(const uint8_t p[RDMAP_FIRST]);
/* The checks that need no state: lengths, versions, opcode, T, QN.  False: the
 * error to answer with.  Safe on any bytes; reads rdmap_header_size(). */
bool rdmap_decode(const uint8_t *p, struct rdmap_header *out,
		  struct rdmap_error *err);
/* Header bytes */
size_t rdmap_encode(const struct rdmap_header *h, uint8_t out[RDMAP_MAX_HEADER]);

/* Bytes between payload and CRC of an FPDU whose ULPDU is so long */
static inline uint32_t rdmap_pad(uint32_t ulpdu)
{
	return -(ulpdu + 2u) & 3u;
}

/* ----------------------------------------------------------------- Terminate */

#define RDMAP_MAX_EXTRA 512u	/* what a peer of our own says beside */

struct rdmap_terminate {
	struct rdmap_error error;
	/* of the segment that caused it; header is without the MPA length */
	bool has_header;
	bool has_read;
	uint16_t segment_length;
	uint8_t header[RDMAP_UNTAGGED - 2];
	uint8_t read[RDMAP_READ];
	/* no RFC has it: bytes behind, see docs/iwarp.md */
	uint16_t extra_length;
	uint8_t extra[RDMAP_MAX_EXTRA];
};

#define RDMAP_MAX_TERMINATE (4 + 2 + 18 + RDMAP_READ + RDMAP_MAX_EXTRA)

/* For an error at the segment that begins with p (its whole header) */
void rdmap_terminate_at(struct rdmap_terminate *t, struct rdmap_error e,
			const uint8_t *p);
/* The payload of the message, and its size */
size_t rdmap_terminate_encode(const struct rdmap_terminate *t,
			      uint8_t out[RDMAP_MAX_TERMINATE]);
/* Knows siw's order of bits, too.  False: not even a whole control field */
bool rdmap_terminate_decode(const uint8_t *p, size_t len,
			    struct rdmap_terminate *out);
/* What RFC 5040 calls it, for the log */
const char *rdmap_error_name(const struct rdmap_error *e);

#endif /* IWARP_RDMAP_H */
