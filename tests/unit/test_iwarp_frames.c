// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * test_iwarp_frames.c - the codecs of the iWARP backend against reference
 * frames: those of RFC 5044, and frames that Linux siw took and sent
 */
#include <check.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "crc32c.h"
#include "iw.h"
#include "mpa.h"
#include "rdmap.h"

static size_t unhex(const char *text, uint8_t *out, size_t max)
{
	size_t n = 0;

	while (*text) {
		char two[3] = {text[0], text[1], 0};

		if (*text == ' ') {
			text++;
			continue;
		}
		ck_assert_uint_lt(n, max);
		out[n++] = (uint8_t)strtoul(two, NULL, 16);
		text += 2;
	}
	return n;
}

/* ------------------------------------------------------------------- CRC32C */

static uint32_t crc(const void *p, size_t len)
{
	return ~crc32c_update(CRC32C_INIT, p, len);
}

START_TEST(crc_vectors)
{
	uint8_t zero[32] = {0}, ones[32], up[32], wire[4];

	memset(ones, 0xff, sizeof(ones));
	for (int i = 0; i < 32; i++)
		up[i] = (uint8_t)i;
	/* RFC 3720 B.4 */
	ck_assert_uint_eq(crc(zero, 32), 0x8a9136aau);
	ck_assert_uint_eq(crc(ones, 32), 0x62a8ab43u);
	ck_assert_uint_eq(crc(up, 32), 0x46dd794eu);
	ck_assert_uint_eq(crc("123456789", 9), 0xe3069283u);
	crc32c_store(crc32c_update(CRC32C_INIT, zero, 32), wire);
	ck_assert_mem_eq(wire, "\xaa\x36\x91\x8a", 4);
	ck_assert_uint_eq(crc32c_load(wire),
			  crc32c_update(CRC32C_INIT, zero, 32));
}
END_TEST

/* Every length and alignment up to some lines of cache, whole and in two */
START_TEST(crc_ways_agree)
{
	uint8_t data[512];
	uint32_t x = 1;

	for (size_t i = 0; i < sizeof(data); i++) {
		x = x * 1103515245u + 12345u;
		data[i] = (uint8_t)(x >> 16);
	}
	for (size_t off = 0; off < 16; off++) {
		for (size_t len = 0; len + off <= sizeof(data); len++) {
			uint32_t t = crc32c_table(CRC32C_INIT, data + off, len);
			uint32_t half = crc32c_fast(CRC32C_INIT, data + off,
						    len / 3);

			ck_assert_uint_eq(t, crc32c_fast(CRC32C_INIT,
							 data + off, len));
			ck_assert_uint_eq(t, crc32c_table(half,
							  data + off + len / 3,
							  len - len / 3));
		}
	}
}
END_TEST

/* RFC 5044 4.4, figure 5: with a marker, which the CRC covers */
START_TEST(crc_of_the_rfc)
{
	uint8_t f[64];
	size_t n = unhex("00000000 002a 4143 00000000 00000000 00000001 "
			 "00000000 000000000000000000000000000000000000000000"
			 "000000 52239983", f, sizeof(f));

	ck_assert_uint_eq(crc32c_update(CRC32C_INIT, f, n - 4),
			  crc32c_load(f + n - 4));
}
END_TEST

/* ---------------------------------------------------------------------- MPA */

static const struct {
	const char *bytes;
	struct mpa_frame f;
} mpa_frames[] = {
	{ "4d504120494420526571204672616d65 50 02 0007 8010 c010 616263",
	  { .revision = 2, .crc = true, .enhanced = true, .peer_to_peer = true,
	    .rtr_write = true, .rtr_read = true, .ird = 16, .ord = 16,
	    .length = 3, .data = "abc" } },
	{ "4d504120494420526570204672616d65 50 02 0004 8010 8010",
	  { .reply = true, .revision = 2, .crc = true, .enhanced = true,
	    .peer_to_peer = true, .rtr_write = true, .ird = 16, .ord = 16 } },
	{ "4d504120494420526570204672616d65 70 02 0004 0010 0010",
	  { .reply = true, .revision = 2, .crc = true, .reject = true,
	    .enhanced = true, .ird = 16, .ord = 16 } },
	/* siw as initiator */
	{ "4d504120494420526571204672616d65 10 02 0004 0004 0004",
	  { .revision = 2, .enhanced = true, .ird = 4, .ord = 4 } },
	/* revision 1 */
	{ "4d504120494420526571204672616d65 40 01 0002 6869",
	  { .revision = 1, .crc = true, .length = 2, .data = "hi" } },
	{ "4d504120494420526570204672616d65 c8 01 0000",
	  { .reply = true, .revision = 1, .crc = true, .markers = true,
	    .large = true } },
};
#define MPA_FRAMES (int)(sizeof(mpa_frames) / sizeof(mpa_frames[0]))

START_TEST(mpa_reference)
{
	const struct mpa_frame *want = &mpa_frames[_i].f;
	uint8_t bytes[MPA_MAX_FRAME], again[MPA_MAX_FRAME];
	size_t n = unhex(mpa_frames[_i].bytes, bytes, sizeof(bytes));
	struct mpa_frame got;

	ck_assert_uint_eq(mpa_encode(want, again), n);
	ck_assert_mem_eq(again, bytes, n);
	ck_assert_int_eq(mpa_decode_head(bytes, want->reply, &got),
			 (int)n - MPA_HEAD);
	ck_assert_int_eq(mpa_decode_rest(bytes + MPA_HEAD, n - MPA_HEAD, &got),
			 0);
	ck_assert_mem_eq(&got, want, sizeof(got));
	/* one is not the other */
	ck_assert_int_eq(mpa_decode_head(bytes, !want->reply, &got), -EPROTO);
}
END_TEST

/* Offset and value that spoil the first reference frame */
static const struct {
	size_t at;
	uint8_t value;
} mpa_flaws[] = {
	{ 0, 'm' }, { 15, 'E' }, { 8, 0 },
	{ 17, 0 }, { 17, 3 }, { 17, 255 },
	{ 17, 1 },		/* S with revision 1 */
	{ 18, 2 }, { 18, 255 },	/* more than 512 */
	{ 19, 3 }, { 19, 0 },	/* S without its block */
};
#define MPA_FLAWS (int)(sizeof(mpa_flaws) / sizeof(mpa_flaws[0]))

START_TEST(mpa_malformed)
{
	uint8_t bytes[MPA_MAX_FRAME];
	struct mpa_frame got;

	unhex(mpa_frames[0].bytes, bytes, sizeof(bytes));
	bytes[mpa_flaws[_i].at] = mpa_flaws[_i].value;
	ck_assert_int_eq(mpa_decode_head(bytes, false, &got), -EPROTO);
}
END_TEST

/* 508 bytes are what MPA leaves a consumer */
START_TEST(mpa_longest)
{
	struct mpa_frame f = { .revision = 2, .enhanced = true,
			       .length = MPA_MAX_PRIVATE }, got;
	uint8_t bytes[MPA_MAX_FRAME];

	memset(f.data, 7, MPA_MAX_PRIVATE);
	ck_assert_uint_eq(mpa_encode(&f, bytes), MPA_MAX_FRAME);
	ck_assert_int_eq(mpa_decode_head(bytes, false, &got), MPA_MAX_LENGTH);
	ck_assert_int_eq(mpa_decode_rest(bytes + MPA_HEAD, MPA_MAX_LENGTH,
					 &got), 0);
	ck_assert_mem_eq(&got, &f, sizeof(got));
}
END_TEST

/* Without A the other flags are 0 and ignored (RFC 6581 9) */
START_TEST(mpa_flags_without_peer_to_peer)
{
	uint8_t bytes[MPA_MAX_FRAME];
	struct mpa_frame got;

	unhex("4d504120494420526571204672616d65 10 02 0004 4003 c003", bytes,
	      sizeof(bytes));
	ck_assert_int_eq(mpa_decode_head(bytes, false, &got), 4);
	ck_assert_int_eq(mpa_decode_rest(bytes + MPA_HEAD, 4, &got), 0);
	ck_assert(!got.peer_to_peer && !got.rtr_send && !got.rtr_write &&
		  !got.rtr_read);
	ck_assert_uint_eq(got.ird, 3);
	ck_assert_uint_eq(got.ord, 3);
}
END_TEST

/* -------------------------------------------------------------------- FPDUs */

static const struct {
	const char *bytes;	/* the whole FPDU */
	struct rdmap_header h;
	const char *payload;
} fpdus[] = {
	/* ready to receive, and the kick */
	{ "000e c140 00000001 0000000000000000 ebd34c5f",
	  { .opcode = RDMAP_WRITE, .tagged = true, .last = true, .stag = 1 },
	  "" },
	{ "002e 4141 00000000 00000001 00000001 00000000 00000001 "
	  "0000000000000000 00000000 00000001 0000000000000000 27dbd7e7",
	  { .opcode = RDMAP_READ_REQUEST, .last = true, .qn = 1, .msn = 1,
	    .read = { .sink_stag = 1, .source_stag = 1 } }, "" },
	{ "001e 4143 00000000 00000000 00000001 00000000 "
	  "68656c6c6f2d697761727021 cfd19dc6",
	  { .opcode = RDMAP_SEND, .last = true, .msn = 1 }, "hello-iwarp!" },
	{ "0013 4143 00000000 00000000 00000001 00000000 5a 000000 13cd73e4",
	  { .opcode = RDMAP_SEND, .last = true, .msn = 1 }, "Z" },
	{ "0012 4144 11223344 00000000 00000002 00000000 42dbd731",
	  { .opcode = RDMAP_SEND_INV, .last = true, .msn = 2,
	    .stag = 0x11223344 }, "" },
	{ "0016 c140 a02f6700 00007ff4d83fe000 5752495454454e21 c9c5f1b0",
	  { .opcode = RDMAP_WRITE, .tagged = true, .last = true,
	    .stag = 0xa02f6700, .to = 0x7ff4d83fe000 }, "WRITTEN!" },
	{ "002e 4141 00000000 00000001 00000001 00000000 11223344 "
	  "0000000000007000 00000020 a02f6700 00007ff4d83fe000 eef30c86",
	  { .opcode = RDMAP_READ_REQUEST, .last = true, .qn = 1, .msn = 1,
	    .read = { 0x11223344, 0x7000, 32, 0xa02f6700, 0x7ff4d83fe000 } },
	  "" },
	{ "0016 c142 11223344 0000000000007000 5752495454454e21 729f4d9d",
	  { .opcode = RDMAP_READ_RESPONSE, .tagged = true, .last = true,
	    .stag = 0x11223344, .to = 0x7000 }, "WRITTEN!" },
};
#define FPDUS (int)(sizeof(fpdus) / sizeof(fpdus[0]))

START_TEST(fpdu_reference)
{
	const char *payload = fpdus[_i].payload;
	uint8_t bytes[128], again[128];
	size_t n = unhex(fpdus[_i].bytes, bytes, sizeof(bytes)), size;
	struct rdmap_header want = fpdus[_i].h, got;
	struct rdmap_error e;

	want.payload = (uint32_t)strlen(payload);
	size = rdmap_encode(&want, again);
	memcpy(again + size, payload, want.payload);
	ck_assert_uint_eq(iw_frame_seal(again, size + want.payload, true), n);
	ck_assert_mem_eq(again, bytes, n);

	ck_assert_uint_eq(rdmap_header_size(bytes), size);
	ck_assert(rdmap_decode(bytes, &got, &e));
	want.ulpdu = (uint16_t)(size - 2 + want.payload);
	ck_assert_mem_eq(&got, &want, sizeof(got));
}
END_TEST

START_TEST(ready_to_receive)
{
	uint8_t bytes[128], again[IW_MAX_FRAME];
	size_t n = unhex(fpdus[0].bytes, bytes, sizeof(bytes));

	ck_assert_uint_eq(iw_frame_write(again, true), n);
	ck_assert_mem_eq(again, bytes, n);
	n = unhex(fpdus[1].bytes, bytes, sizeof(bytes));
	ck_assert_uint_eq(iw_frame_read(again, 1, 1, true), n);
	ck_assert_mem_eq(again, bytes, n);
	/* without CRC the field is there, and 0 */
	ck_assert_uint_eq(iw_frame_read(again, 1, 1, false), n);
	ck_assert_mem_eq(again + n - 4, "\0\0\0\0", 4);
}
END_TEST

/* What a wrong header is answered with; RFC 5040 4.8, 5041 7 */
static const struct {
	const char *head;
	struct rdmap_error e;
} malformed[] = {
	{ "0000 4143", { 2, 0, 3 } },	/* L: 0 */
	{ "000d c140", { 2, 0, 3 } },	/* shorter than a tagged header */
	{ "0011 4143", { 2, 0, 3 } },	/* ...than an untagged one */
	{ "000e c040 00000001 0000000000000000", { 1, 1, 4 } },
	{ "000e c240 00000001 0000000000000000", { 1, 1, 4 } },
	{ "0012 4243 00000000 00000000 00000001 00000000", { 1, 2, 6 } },
	{ "000e c100 00000001 0000000000000000", { 0, 2, 5 } },
	{ "0012 4183 00000000 00000000 00000001 00000000", { 0, 2, 5 } },
	{ "0012 4148 00000000 00000000 00000001 00000000", { 0, 2, 6 } },
	{ "0012 414f 00000000 00000000 00000001 00000000", { 0, 2, 6 } },
	{ "000e c143 00000001 0000000000000000", { 0, 2, 6 } },	/* T, Send */
	{ "0012 4140 00000000 00000000 00000001 00000000", { 0, 2, 6 } },
	{ "0012 4142 00000000 00000000 00000001 00000000", { 0, 2, 6 } },
	{ "0012 4143 00000000 00000001 00000001 00000000", { 1, 2, 1 } },
	{ "0012 4143 00000000 00000003 00000001 00000000", { 1, 2, 1 } },
	{ "002e 4141 00000000 00000000 00000001 00000000", { 1, 2, 1 } },
	{ "0016 4147 00000000 00000000 00000001 00000000", { 1, 2, 1 } },
	{ "002e 4141 00000000 00000001 00000001 00000004", { 1, 2, 4 } },
	{ "002e 0141 00000000 00000001 00000001 00000000", { 1, 2, 5 } },
	{ "002f 4141 00000000 00000001 00000001 00000000", { 1, 2, 5 } },
	{ "002d 4141 00000000 00000001 00000001 00000000", { 0, 2, 255 } },
	{ "0012 4141 00000000 00000001 00000001 00000000", { 0, 2, 255 } },
	{ "0015 4147 00000000 00000002 00000001 00000000", { 0, 2, 255 } },
	{ "0016 0147 00000000 00000002 00000001 00000000", { 1, 2, 5 } },
};
#define MALFORMED (int)(sizeof(malformed) / sizeof(malformed[0]))

START_TEST(fpdu_malformed)
{
	uint8_t bytes[RDMAP_MAX_HEADER] = {0};
	struct rdmap_header h;
	struct rdmap_error e = {9, 9, 9};

	unhex(malformed[_i].head, bytes, sizeof(bytes));
	ck_assert(!rdmap_decode(bytes, &h, &e));
	ck_assert_uint_eq(e.layer, malformed[_i].e.layer);
	ck_assert_uint_eq(e.type, malformed[_i].e.type);
	ck_assert_uint_eq(e.code, malformed[_i].e.code);
}
END_TEST

/* Reserved bits are ignored */
START_TEST(fpdu_reserved_bits)
{
	uint8_t bytes[RDMAP_MAX_HEADER] = {0};
	struct rdmap_header h;
	struct rdmap_error e;

	unhex("000e fd70 00000001 0000000000000000", bytes, sizeof(bytes));
	ck_assert(rdmap_decode(bytes, &h, &e));
	ck_assert_uint_eq(h.opcode, RDMAP_WRITE);
	ck_assert(h.last);
}
END_TEST

/* Every first four bytes: what is said to be needed is enough */
START_TEST(fpdu_any_bytes)
{
	uint32_t ok = 0;

	for (uint32_t l = 0; l < 80; l++) {
		for (uint32_t ctl = 0; ctl < 65536; ctl++) {
			uint8_t head[RDMAP_MAX_HEADER] = {
				0, (uint8_t)l, (uint8_t)(ctl >> 8),
				(uint8_t)ctl};
			struct rdmap_header h;
			struct rdmap_error e;
			size_t size = rdmap_header_size(head);

			if (size > sizeof(head) ||
			    (size != RDMAP_FIRST && size > l + 2))
				ck_abort_msg("L %u, control %04x: %zu", l, ctl,
					     size);
			if (!rdmap_decode(head, &h, &e))
				continue;
			ok++;
			if (h.payload + size != l + 2u)
				ck_abort_msg("L %u, control %04x", l, ctl);
		}
	}
	ck_assert_uint_gt(ok, 1000);
}
END_TEST

/* ---------------------------------------------------------------- Terminate */

START_TEST(terminate_crc)
{
	const struct rdmap_terminate t = {.error = ERR_CRC};
	uint8_t want[64], got[IW_MAX_FRAME];
	size_t n = unhex("0016 4147 00000000 00000002 00000001 00000000 "
			 "20020000 7fe42585", want, sizeof(want));

	ck_assert_uint_eq(iw_frame_terminate(got, &t, true), n);
	ck_assert_mem_eq(got, want, n);
}
END_TEST

START_TEST(terminate_with_header)
{
	uint8_t want[64], got[IW_MAX_FRAME], segment[RDMAP_MAX_HEADER] = {0};
	size_t n = unhex("0026 4147 00000000 00000002 00000001 00000000 "
			 "1101c000 0010 c140 18622d00 00007ff4d84fdff8 "
			 "3420e5b8", want, sizeof(want));
	struct rdmap_terminate t, back;

	unhex("0010 c140 18622d00 00007ff4d84fdff8", segment, sizeof(segment));
	rdmap_terminate_at(&t, ERR_BOUNDS, segment);
	ck_assert_uint_eq(iw_frame_terminate(got, &t, true), n);
	ck_assert_mem_eq(got, want, n);
	ck_assert(rdmap_terminate_decode(want + 20, n - 24, &back));
	ck_assert_mem_eq(&back, &t, sizeof(t));
}
END_TEST

START_TEST(terminate_of_a_read)
{
	uint8_t segment[RDMAP_MAX_HEADER], bytes[RDMAP_MAX_TERMINATE];
	struct rdmap_terminate t, back;
	size_t n;

	unhex("002e 4141 00000000 00000001 00000007 00000000 11223344 "
	      "0000000000007000 00000020 a02f6700 00007ff4d83fe000", segment,
	      sizeof(segment));
	rdmap_terminate_at(&t, ERR_READ_STAG, segment);
	n = rdmap_terminate_encode(&t, bytes);
	ck_assert_uint_eq(n, 4 + 2 + 18 + 28);
	ck_assert_mem_eq(bytes, "\x01\x00\xe0\x00\x00\x2e\x41\x41", 8);
	ck_assert_mem_eq(bytes + 24, segment + 20, 28);
	ck_assert(rdmap_terminate_decode(bytes, n, &back));
	ck_assert_mem_eq(&back, &t, sizeof(t));
}
END_TEST

/* siw on a little-endian machine swaps bits; what it sent in the lab */
static const struct {
	const char *bytes;
	struct rdmap_error e;
} siw_order[] = {
	{ "02020000", { 2, 0, 2 } },
	{ "11000300 000a c140 00000001 0000000000000000", { 1, 1, 0 } },
	{ "21030300 0012 4143 00000000 00000000 00000009 00000000",
	  { 1, 2, 3 } },
	/* means something either way: the RFC's */
	{ "20060000", { 2, 0, 6 } },
	{ "21060000", { 1, 2, 6 } },
	{ "10000700 0000 4141 00000000 00000001 00000001 00000000",
	  { 0, 1, 0 } },
	{ "20070300 0000 4141 00000000 00000001 00000001 00000000",
	  { 0, 2, 7 } },
	{ "02060000", { 0, 2, 6 } },
};
#define SIW_ORDER (int)(sizeof(siw_order) / sizeof(siw_order[0]))

START_TEST(terminate_of_siw)
{
	struct rdmap_terminate t;
	uint8_t bytes[64];
	size_t n = unhex(siw_order[_i].bytes, bytes, sizeof(bytes));

	ck_assert(rdmap_terminate_decode(bytes, n, &t));
	ck_assert_uint_eq(t.error.layer, siw_order[_i].e.layer);
	ck_assert_uint_eq(t.error.type, siw_order[_i].e.type);
	ck_assert_uint_eq(t.error.code, siw_order[_i].e.code);
	ck_assert_int_eq(t.has_header, n > 4);
}
END_TEST

/* Cut anywhere: what is not whole is not there */
START_TEST(terminate_cut)
{
	uint8_t segment[RDMAP_MAX_HEADER], bytes[RDMAP_MAX_TERMINATE];
	struct rdmap_terminate t, back;
	size_t n;

	unhex("002e 4141 00000000 00000001 00000007 00000000 11223344 "
	      "0000000000007000 00000020 a02f6700 00007ff4d83fe000", segment,
	      sizeof(segment));
	rdmap_terminate_at(&t, ERR_READ_BOUNDS, segment);
	n = rdmap_terminate_encode(&t, bytes);
	for (size_t len = 0; len <= n; len++) {
		uint8_t *exact = malloc(len ? len : 1);

		memcpy(exact, bytes, len);
		ck_assert_int_eq(rdmap_terminate_decode(exact, len, &back),
				 len >= 4);
		ck_assert_int_eq(back.has_header, len >= 24);
		ck_assert_int_eq(back.has_read, len == n);
		free(exact);
	}
}
END_TEST

START_TEST(terminate_carries_a_reject)
{
	struct rdmap_terminate t = {
		.error = ERR_CATASTROPHIC(IW_CODE_REJECT),
		.extra_length = 3,
		.extra = "no!",
	}, back;
	uint8_t bytes[RDMAP_MAX_TERMINATE];
	size_t n = rdmap_terminate_encode(&t, bytes);

	ck_assert_uint_eq(n, 7);
	ck_assert(rdmap_terminate_decode(bytes, n, &back));
	ck_assert_mem_eq(&back, &t, sizeof(t));
}
END_TEST

/* ------------------------------------------------------------------- options */

START_TEST(options)
{
	struct iw_opts o;
	char err[200];

	ck_assert_int_eq(iw_opts_parse("", &o, err, sizeof(err)), 0);
	ck_assert(o.crc && o.confirm && o.revision == 2 &&
		  o.large == IW_LARGE_AUTO);
	ck_assert_int_eq(iw_opts_parse(":crc=no,large=never,mpa=1,confirm=no",
				       &o, err, sizeof(err)), 0);
	ck_assert(!o.crc && !o.confirm && o.revision == 1 &&
		  o.large == IW_LARGE_NEVER);
	ck_assert_int_eq(iw_opts_parse(":crc=maybe", &o, err, sizeof(err)),
			 -EINVAL);
	ck_assert_ptr_nonnull(strstr(err, "'crc=maybe'"));
	ck_assert_int_eq(iw_opts_parse("x", &o, err, sizeof(err)), -EINVAL);
	ck_assert_int_eq(iw_opts_parse(":crc=no,,", &o, err, sizeof(err)),
			 -EINVAL);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("iwarp frames");
	TCase *t = tcase_create("frames");
	SRunner *r;
	int failed;

	tcase_set_timeout(t, 60);
	suite_add_tcase(s, t);
	tcase_add_test(t, crc_vectors);
	tcase_add_test(t, crc_ways_agree);
	tcase_add_test(t, crc_of_the_rfc);
	tcase_add_loop_test(t, mpa_reference, 0, MPA_FRAMES);
	tcase_add_loop_test(t, mpa_malformed, 0, MPA_FLAWS);
	tcase_add_test(t, mpa_longest);
	tcase_add_test(t, mpa_flags_without_peer_to_peer);
	tcase_add_loop_test(t, fpdu_reference, 0, FPDUS);
	tcase_add_test(t, ready_to_receive);
	tcase_add_loop_test(t, fpdu_malformed, 0, MALFORMED);
	tcase_add_test(t, fpdu_reserved_bits);
	tcase_add_test(t, fpdu_any_bytes);
	tcase_add_test(t, terminate_crc);
	tcase_add_test(t, terminate_with_header);
	tcase_add_test(t, terminate_of_a_read);
	tcase_add_loop_test(t, terminate_of_siw, 0, SIW_ORDER);
	tcase_add_test(t, terminate_cut);
	tcase_add_test(t, terminate_carries_a_reject);
	tcase_add_test(t, options);
	r = srunner_create(s);
	srunner_run_all(r, CK_ENV);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
