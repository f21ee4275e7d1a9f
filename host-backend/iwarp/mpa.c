/* SPDX-License-Identifier: GPL-2.0-or-later */
/* mpa.c - MPA Request and Reply frames to bytes and back */
#include <errno.h>
#include <string.h>

#include "mpa.h"
#include "wire_bytes.h"

#define KEY_LENGTH 16

static const char key_request[KEY_LENGTH + 1] = "MPA ID Req Frame";
static const char key_reply[KEY_LENGTH + 1] = "MPA ID Rep Frame";

enum {
	FLAG_MARKERS = 0x80,
	FLAG_CRC = 0x40,
	FLAG_REJECT = 0x20,
	FLAG_ENHANCED = 0x10,
	FLAG_LARGE = 0x08,
};

/* Of the two halves of the enhanced block */
#define BIT_A	   0x8000u	/* IRD half: peer to peer */
#define BIT_B	   0x4000u	/*           zero-length FULPDU */
#define BIT_C	   0x8000u	/* ORD half: zero-length Write */
#define BIT_D	   0x4000u	/*           zero-length Read */
#define DEPTH_MASK 0x3fffu

static uint8_t flags_of(const struct mpa_frame *f)
{
	return (uint8_t)((f->markers ? FLAG_MARKERS : 0) |
			 (f->crc ? FLAG_CRC : 0) |
			 (f->reject ? FLAG_REJECT : 0) |
			 (f->enhanced ? FLAG_ENHANCED : 0) |
			 (f->large ? FLAG_LARGE : 0));
}

static void put_enhanced(const struct mpa_frame *f, uint8_t *out)
{
	put16(out, (uint16_t)((f->peer_to_peer ? BIT_A : 0) |
			      (f->rtr_send ? BIT_B : 0) |
			      (f->ird & DEPTH_MASK)));
	put16(out + 2, (uint16_t)((f->rtr_write ? BIT_C : 0) |
				  (f->rtr_read ? BIT_D : 0) |
				  (f->ord & DEPTH_MASK)));
}

size_t mpa_encode(const struct mpa_frame *f, uint8_t out[MPA_MAX_FRAME])
{
	size_t block = f->enhanced ? MPA_ENHANCED : 0;

	memcpy(out, f->reply ? key_reply : key_request, KEY_LENGTH);
	out[16] = flags_of(f);
	out[17] = f->revision;
	put16(out + 18, (uint16_t)(block + f->length));
	if (f->enhanced)
		put_enhanced(f, out + MPA_HEAD);
	memcpy(out + MPA_HEAD + block, f->data, f->length);
	return MPA_HEAD + block + f->length;
}

int mpa_decode_head(const uint8_t head[MPA_HEAD], bool reply,
		    struct mpa_frame *out)
{
	uint8_t flags = head[16];
	uint16_t length = get16(head + 18);

	memset(out, 0, sizeof(*out));
	if (memcmp(head, reply ? key_reply : key_request, KEY_LENGTH) != 0)
		return -EPROTO;
	out->reply = reply;
	out->markers = flags & FLAG_MARKERS;
	out->crc = flags & FLAG_CRC;
	out->reject = reply && flags & FLAG_REJECT;
	out->enhanced = flags & FLAG_ENHANCED;
	out->large = flags & FLAG_LARGE;
	out->revision = head[17];
	if (out->revision < 1 || out->revision > 2 || length > MPA_MAX_LENGTH)
		return -EPROTO;
	if (out->enhanced && (out->revision < 2 || length < MPA_ENHANCED))
		return -EPROTO;
	return length;
}

static void get_enhanced(const uint8_t *in, struct mpa_frame *out)
{
	uint16_t ird = get16(in), ord = get16(in + 2);

	out->ird = ird & DEPTH_MASK;
	out->ord = ord & DEPTH_MASK;
	out->peer_to_peer = ird & BIT_A;
	if (!out->peer_to_peer)
		return;		/* the other flags mean nothing then */
	out->rtr_send = ird & BIT_B;
	out->rtr_write = ord & BIT_C;
	out->rtr_read = ord & BIT_D;
}

int mpa_decode_rest(const uint8_t *rest, size_t len, struct mpa_frame *out)
{
	size_t block = out->enhanced ? MPA_ENHANCED : 0;

	if (len < block || len > MPA_MAX_LENGTH)
		return -EPROTO;
	if (out->enhanced)
		get_enhanced(rest, out);
	out->length = (uint16_t)(len - block);
	memcpy(out->data, rest + block, out->length);
	return 0;
}
