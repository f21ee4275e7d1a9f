/* SPDX-License-Identifier: GPL-2.0-or-later */
/* rdmap_terminate.c - the message that says why a connection ends */
#include <string.h>

#include "rdmap.h"
#include "wire_bytes.h"

#define CONTROL	 4
#define BIT_M	 0x80u	/* the segment length is valid */
#define BIT_D	 0x40u	/* the DDP header follows */
#define BIT_R	 0x20u	/* the Read Request's header follows that */
#define ANY_CODE 0x100

/* Every triple that there is, RFC 5040 4.8 */
static const struct {
	uint8_t layer, type;
	uint16_t code;
	const char *name;
} names[] = {
	{0, 0, ANY_CODE, "RDMA: local catastrophic error"},
	{0, 1, 0x00, "RDMA: invalid STag"},
	{0, 1, 0x01, "RDMA: base or bounds violation"},
	{0, 1, 0x02, "RDMA: access rights violation"},
	{0, 1, 0x03, "RDMA: STag not associated with the stream"},
	{0, 1, 0x04, "RDMA: TO wrap"},
	{0, 1, 0x09, "RDMA: STag cannot be invalidated"},
	{0, 1, 0xff, "RDMA: unspecified protection error"},
	{0, 2, 0x05, "RDMA: invalid RDMAP version"},
	{0, 2, 0x06, "RDMA: unexpected opcode"},
	{0, 2, 0x07, "RDMA: catastrophic error, localized to the stream"},
	{0, 2, 0x08, "RDMA: catastrophic error, global"},
	{0, 2, 0x09, "RDMA: STag cannot be invalidated"},
	{0, 2, 0xff, "RDMA: unspecified operation error"},
	{1, 0, 0x00, "DDP: local catastrophic error"},
	{1, 1, 0x00, "DDP: invalid STag"},
	{1, 1, 0x01, "DDP: base or bounds violation"},
	{1, 1, 0x02, "DDP: STag not associated with the stream"},
	{1, 1, 0x03, "DDP: TO wrap"},
	{1, 1, 0x04, "DDP: invalid version, tagged"},
	{1, 2, 0x01, "DDP: invalid QN"},
	{1, 2, 0x02, "DDP: invalid MSN, no buffer available"},
	{1, 2, 0x03, "DDP: invalid MSN, range"},
	{1, 2, 0x04, "DDP: invalid MO"},
	{1, 2, 0x05, "DDP: message too long for the buffer"},
	{1, 2, 0x06, "DDP: invalid version, untagged"},
	{2, 0, 0x01, "MPA: TCP connection lost"},
	{2, 0, 0x02, "MPA: CRC error"},
	{2, 0, 0x03, "MPA: FPDU start or marker"},
	{2, 0, 0x04, "MPA: invalid request or reply"},
	{2, 0, 0x05, "MPA: local catastrophic error"},
	{2, 0, 0x06, "MPA: insufficient IRD resources"},
	{2, 0, 0x07, "MPA: no matching RTR"},
};

#define NAMES (sizeof(names) / sizeof(names[0]))

static const char *find_name(const struct rdmap_error *e)
{
	for (size_t i = 0; i < NAMES; i++)
		if (names[i].layer == e->layer && names[i].type == e->type &&
		    (names[i].code == ANY_CODE || names[i].code == e->code))
			return names[i].name;
	return NULL;
}

const char *rdmap_error_name(const struct rdmap_error *e)
{
	const char *name = find_name(e);

	return name ? name : "an error that no RFC knows";
}

/* A header that could not be understood is not sent back as one */
static bool header_counts(struct rdmap_error e)
{
	static const struct rdmap_error without[] = {
		{0, 2, 0x05}, {0, 2, 0x06}, {1, 1, 0x04}, {1, 2, 0x06},
	};

	if (e.layer == 2 || (e.layer == 0 && e.type == 0))
		return false;
	for (size_t i = 0; i < sizeof(without) / sizeof(without[0]); i++)
		if (rdmap_error_is(&e, without[i]))
			return false;
	return true;
}

void rdmap_terminate_at(struct rdmap_terminate *t, struct rdmap_error e,
			const uint8_t *p)
{
	size_t size = rdmap_header_size(p);

	memset(t, 0, sizeof(*t));
	t->error = e;
	if (!header_counts(e) || size == RDMAP_FIRST)
		return;
	t->has_header = true;
	t->segment_length = get16(p);
	memcpy(t->header, p + 2,
	       (size == RDMAP_MAX_HEADER ? RDMAP_UNTAGGED : size) - 2);
	if (size != RDMAP_MAX_HEADER || e.layer != 0 || e.type != 1)
		return;
	t->has_read = true;
	memcpy(t->read, p + RDMAP_UNTAGGED, RDMAP_READ);
}

/* Of a DDP header without the MPA length */
static size_t header_size(const uint8_t *header)
{
	return (header[0] & 0x80 ? RDMAP_TAGGED : RDMAP_UNTAGGED) - 2;
}

size_t rdmap_terminate_encode(const struct rdmap_terminate *t,
			      uint8_t out[RDMAP_MAX_TERMINATE])
{
	size_t at = CONTROL, size;

	out[0] = (uint8_t)(t->error.layer << 4 | t->error.type);
	out[1] = t->error.code;
	out[2] = (uint8_t)((t->has_header ? BIT_M | BIT_D : 0) |
			   (t->has_read ? BIT_R : 0));
	out[3] = 0;
	if (t->has_header) {
		put16(out + at, t->segment_length);
		at += 2;
		size = header_size(t->header);
		memcpy(out + at, t->header, size);
		at += size;
	}
	if (t->has_read) {
		memcpy(out + at, t->read, RDMAP_READ);
		at += RDMAP_READ;
	}
	memcpy(out + at, t->extra, t->extra_length);
	return at + t->extra_length;
}

/* What follows the control field, as far as it is there */
static void decode_rest(const uint8_t *p, size_t len, bool ddp, bool read,
			struct rdmap_terminate *out)
{
	size_t size;

	if (ddp) {
		if (len < 3)
			return;
		size = header_size(p + 2);
		if (len - 2 < size)
			return;
		out->segment_length = get16(p);
		memcpy(out->header, p + 2, size);
		out->has_header = true;
		p += 2 + size;
		len -= 2 + size;
	}
	if (read) {
		if (!ddp || len < RDMAP_READ)
			return;
		memcpy(out->read, p, RDMAP_READ);
		out->has_read = true;
		p += RDMAP_READ;
		len -= RDMAP_READ;
	}
	if (len > RDMAP_MAX_EXTRA)
		return;
	out->extra_length = (uint16_t)len;
	memcpy(out->extra, p, len);
}

bool rdmap_terminate_decode(const uint8_t *p, size_t len,
			    struct rdmap_terminate *out)
{
	struct rdmap_error swapped;
	bool ddp, read;

	memset(out, 0, sizeof(*out));
	if (len < CONTROL)
		return false;
	out->error = RDMAP_ERR(p[0] >> 4, p[0] & 0xf, p[1]);
	swapped = RDMAP_ERR(p[0] & 0xf, p[0] >> 4, p[1]);
	ddp = p[2] & BIT_D;
	read = p[2] & BIT_R;
	/* siw on little-endian machines has both fields the other way round */
	if ((!find_name(&out->error) && find_name(&swapped)) ||
	    (!(p[2] & 0xe0) && (p[2] & 0x07))) {
		out->error = swapped;
		ddp = p[2] & 0x02;
		read = p[2] & 0x04;
	}
	decode_rest(p + CONTROL, len - CONTROL, ddp, read, out);
	return true;
}
