/* SPDX-License-Identifier: GPL-2.0-or-later */
/* rdmap.c - headers of DDP segments and RDMAP messages to bytes and back */
#include <string.h>

#include "rdmap.h"
#include "wire_bytes.h"

#define DDP_TAGGED	0x80u
#define DDP_LAST	0x40u
#define DDP_VERSION	0x03u	/* mask; the version is 1 */
#define RDMAP_VERSION	0xc0u	/* mask */
#define RDMAP_VERSION_1 0x40u
#define OPCODE_MASK	0x0fu

static const struct rule {
	bool tagged;
	uint8_t qn;
	bool whole;		/* one segment, always */
} rules[RDMAP_OPCODE_COUNT] = {
	[RDMAP_WRITE] = {true, 0, false},
	[RDMAP_READ_REQUEST] = {false, RDMAP_QN_READ, true},
	[RDMAP_READ_RESPONSE] = {true, 0, false},
	[RDMAP_SEND] = {false, RDMAP_QN_SEND, false},
	[RDMAP_SEND_INV] = {false, RDMAP_QN_SEND, false},
	[RDMAP_SEND_SE] = {false, RDMAP_QN_SEND, false},
	[RDMAP_SEND_SE_INV] = {false, RDMAP_QN_SEND, false},
	[RDMAP_TERMINATE] = {false, RDMAP_QN_TERMINATE, true},
};

/* ----------------------------------------------------------------- decoding */

/* L of an untagged Read Request that is as long as one is */
#define READ_ULPDU (RDMAP_MAX_HEADER - 2u)

static bool is_tagged(const uint8_t *p)
{
	return p[2] & DDP_TAGGED;
}

static bool is_read_request(const uint8_t *p)
{
	return !is_tagged(p) && (p[3] & OPCODE_MASK) == RDMAP_READ_REQUEST;
}

size_t rdmap_header_size(const uint8_t p[RDMAP_FIRST])
{
	size_t size = is_tagged(p) ? RDMAP_TAGGED : RDMAP_UNTAGGED;
	size_t ulpdu = get16(p);

	if (ulpdu < size - 2)
		return RDMAP_FIRST;	/* no more is needed to see that it is wrong */
	if (is_read_request(p) && ulpdu == READ_ULPDU)
		return RDMAP_MAX_HEADER;
	return size;
}

static bool fail(struct rdmap_error *err, struct rdmap_error e)
{
	*err = e;
	return false;
}

static bool check_versions(const uint8_t *p, struct rdmap_error *err)
{
	if ((p[2] & DDP_VERSION) != 1)
		return fail(err, is_tagged(p) ? ERR_TAGGED_VERSION
					      : ERR_UNTAGGED_VERSION);
	if ((p[3] & RDMAP_VERSION) != RDMAP_VERSION_1)
		return fail(err, ERR_VERSION);
	return true;
}

static void get_read(const uint8_t *p, struct rdmap_header *out)
{
	out->read.sink_stag = get32(p + 20);
	out->read.sink_to = get64(p + 24);
	out->read.size = get32(p + 32);
	out->read.source_stag = get32(p + 36);
	out->read.source_to = get64(p + 40);
}

static bool decode_untagged(const uint8_t *p, struct rdmap_header *out,
			    struct rdmap_error *err)
{
	const struct rule *rule = &rules[out->opcode];

	out->stag = get32(p + 4);
	out->qn = get32(p + 8);
	out->msn = get32(p + 12);
	out->mo = get32(p + 16);
	out->payload = out->ulpdu - (RDMAP_UNTAGGED - 2u);
	if (out->qn != rule->qn)
		return fail(err, ERR_QN);
	if (!rule->whole)
		return true;
	if (out->mo)
		return fail(err, ERR_MO);
	if (!out->last)
		return fail(err, ERR_TOO_LONG);
	if (out->opcode == RDMAP_TERMINATE)
		return out->payload >= 4 || fail(err, ERR_UNSPECIFIED);
	if (out->ulpdu != READ_ULPDU)
		return fail(err, out->ulpdu > READ_ULPDU ? ERR_TOO_LONG
							 : ERR_UNSPECIFIED);
	out->payload = 0;
	get_read(p, out);
	return true;
}

bool rdmap_decode(const uint8_t *p, struct rdmap_header *out,
		  struct rdmap_error *err)
{
	memset(out, 0, sizeof(*out));
	out->ulpdu = get16(p);
	if (rdmap_header_size(p) == RDMAP_FIRST)
		return fail(err, ERR_FRAME);
	if (!check_versions(p, err))
		return false;
	out->tagged = is_tagged(p);
	out->last = p[2] & DDP_LAST;
	out->opcode = p[3] & OPCODE_MASK;
	if (out->opcode >= RDMAP_OPCODE_COUNT ||
	    rules[out->opcode].tagged != out->tagged)
		return fail(err, ERR_OPCODE);
	if (!out->tagged)
		return decode_untagged(p, out, err);
	out->stag = get32(p + 4);
	out->to = get64(p + 8);
	out->payload = out->ulpdu - (RDMAP_TAGGED - 2u);
	return true;
}

/* ----------------------------------------------------------------- encoding */

static void put_read(const struct rdmap_header *h, uint8_t *out)
{
	put32(out + 20, h->read.sink_stag);
	put64(out + 24, h->read.sink_to);
	put32(out + 32, h->read.size);
	put32(out + 36, h->read.source_stag);
	put64(out + 40, h->read.source_to);
}

size_t rdmap_encode(const struct rdmap_header *h, uint8_t out[RDMAP_MAX_HEADER])
{
	const struct rule *rule = &rules[h->opcode];
	size_t size = rule->tagged ? RDMAP_TAGGED : RDMAP_UNTAGGED;

	out[2] = (uint8_t)((rule->tagged ? DDP_TAGGED : 0) |
			   (h->last ? DDP_LAST : 0) | 1);
	out[3] = (uint8_t)(RDMAP_VERSION_1 | h->opcode);
	put32(out + 4, h->stag);
	if (rule->tagged) {
		put64(out + 8, h->to);
	} else {
		put32(out + 8, rule->qn);
		put32(out + 12, h->msn);
		put32(out + 16, h->mo);
	}
	if (h->opcode == RDMAP_READ_REQUEST) {
		put_read(h, out);
		size += RDMAP_READ;
	}
	put16(out, (uint16_t)(size - 2 + h->payload));
	return size;
}
