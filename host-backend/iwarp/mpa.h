/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * mpa.h - the frames that begin a connection: MPA Request and Reply
 *
 * DOC: RFC 5044 7.1 and the enhanced block of RFC 6581 9.  Pure: bytes in, a
 * checked structure out, and back.
 *
 *	 0  16  key: "MPA ID Req Frame" or "MPA ID Rep Frame"
 *	16   1  flags
 *	17   1  revision: 1, or 2
 *	18   2  length of what follows
 *	20   4  enhanced block, with flag S: A|B|IRD(14), C|D|ORD(14)
 *	        private data
 */
#ifndef IWARP_MPA_H
#define IWARP_MPA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MPA_HEAD	 20
#define MPA_MAX_LENGTH	 512	/* RFC 5044 7.1.1 */
#define MPA_ENHANCED	 4
#define MPA_MAX_PRIVATE	 (MPA_MAX_LENGTH - MPA_ENHANCED)
#define MPA_MAX_FRAME	 (MPA_HEAD + MPA_MAX_LENGTH)
#define MPA_NO_DEPTH	 0x3fff	/* IRD or ORD: not negotiated */

struct mpa_frame {
	bool reply;
	uint8_t revision;
	bool markers;		/* wanted in what is sent to the sender */
	bool crc;
	bool reject;		/* replies only */
	bool large;		/* 0x08: FPDUs beyond the segment size are fine.  In
				 * no RFC; siw's, and ours */
	bool enhanced;		/* the fields of the next block mean something */

	bool peer_to_peer;	/* the initiator sends a ready-to-receive frame... */
	bool rtr_send;		/* ...of one of these kinds: zero-length FULPDU */
	bool rtr_write;
	bool rtr_read;
	uint16_t ird;
	uint16_t ord;

	uint16_t length;	/* private data of the consumer */
	uint8_t data[MPA_MAX_LENGTH];
};

/* The whole frame; how many bytes */
size_t mpa_encode(const struct mpa_frame *f, uint8_t out[MPA_MAX_FRAME]);
/* The first MPA_HEAD bytes.  How many follow, or -EPROTO; out is filled as far
 * as they go. */
int mpa_decode_head(const uint8_t head[MPA_HEAD], bool reply,
		    struct mpa_frame *out);
/* Those that follow, as many as were asked for.  0 or -EPROTO */
int mpa_decode_rest(const uint8_t *rest, size_t len, struct mpa_frame *out);

#endif /* IWARP_MPA_H */
