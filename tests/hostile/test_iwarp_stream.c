// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * test_iwarp_stream.c - an open connection over iWARP and a peer that sends
 * anything: each wrong header and length has its Terminate and its completion,
 * each cut its end, and what is right works in any pieces
 */
#include <poll.h>
#include <stdlib.h>
#include <string.h>

#include "iwscene.h"

static struct iwscene s;

static uint64_t va(size_t off)
{
	return (uintptr_t)s.e.mem.va + off;
}

/* --- wrong frames ---------------------------------------------------------------- */

/* Guest memory is one page here, all rights */
#define SIZE 4096u

static void send_tagged(uint16_t control, uint32_t stag, uint64_t to,
			uint32_t len)
{
	static uint8_t zero[2 * SIZE];
	uint8_t head[16];

	iwpeer_fpdu(&s.p, head, iwpeer_tagged(head, control, stag, to), zero,
		    len);
}

static void send_untagged(uint16_t control, uint32_t qn, uint32_t msn,
			  uint32_t mo, uint32_t len)
{
	static uint8_t zero[2 * SIZE];
	uint8_t head[20];

	iwpeer_fpdu(&s.p, head, iwpeer_untagged(head, control, qn, msn, mo),
		    zero, len);
}

static void send_read(uint32_t msn, uint32_t size, uint32_t stag, uint64_t to)
{
	uint8_t head[48];

	iwpeer_fpdu(&s.p, head, iwpeer_read_request(head, msn, 5, size, stag,
						    to), NULL, 0);
}

static void bad_length_0(void) { iwpeer_hex(&s.p, "0000 c140"); }
static void bad_length_13(void) { iwpeer_hex(&s.p, "000d c140"); }
static void bad_length_17(void) { iwpeer_hex(&s.p, "0011 4143"); }
static void bad_crc(void)
{
	iwpeer_hex(&s.p, "000e c140 00000001 0000000000000000 ebd34c5e");
}
static void bad_ddp_tagged(void) { send_tagged(0xc340, 1, 0, 0); }
static void bad_ddp_untagged(void) { send_untagged(0x4043, 0, 1, 0, 8); }
static void bad_rdmap(void) { send_tagged(0xc180, 1, 0, 0); }
static void bad_opcode(void) { send_untagged(0x4148, 0, 1, 0, 8); }
static void bad_t(void) { send_untagged(0x4140, 0, 1, 0, 8); }
static void bad_qn(void) { send_untagged(0x4143, 1, 1, 0, 8); }
static void bad_msn(void) { send_untagged(0x4143, 0, 2, 0, 8); }
static void bad_msn_0(void) { send_untagged(0x4143, 0, 0, 0, 8); }
static void bad_mo(void) { send_untagged(0x4143, 0, 1, 4, 8); }
static void bad_second_mo(void)
{
	send_untagged(0x0143, 0, 1, 0, 8);
	send_untagged(0x4143, 0, 1, 4, 8);
}
static void bad_second_opcode(void)
{
	send_untagged(0x0143, 0, 1, 0, 8);
	send_untagged(0x4145, 0, 1, 8, 8);
}
static void bad_second_msn(void)
{
	send_untagged(0x0143, 0, 1, 0, 8);
	send_untagged(0x4143, 0, 2, 0, 8);
}
static void bad_stag(void)
{
	send_tagged(0xc140, s.e.mem.remote ^ 0x100000, va(0), 8);
}
static void bad_key(void)
{
	send_tagged(0xc140, s.e.mem.remote ^ 1, va(0), 8);
}
static void bad_below(void)
{
	send_tagged(0xc140, s.e.mem.remote, va(0) - 1, 8);
}
static void bad_above(void)
{
	send_tagged(0xc140, s.e.mem.remote, va(SIZE - 7), 8);
}
static void bad_wrap(void)
{
	send_tagged(0xc140, s.e.mem.remote, UINT64_MAX - 6, 8);
}
static void bad_read_stag(void)
{
	send_read(1, 8, s.e.mem.remote ^ 0x100000, va(0));
}
static void bad_read_above(void)
{
	send_read(1, 9, s.e.mem.remote, va(SIZE - 8));
}
static void bad_read_huge(void)
{
	send_read(1, UINT32_MAX, s.e.mem.remote, va(0));
}
static void bad_read_wrap(void)
{
	send_read(1, 9, s.e.mem.remote, UINT64_MAX - 7);
}
static void bad_read_msn(void) { send_read(2, 8, s.e.mem.remote, va(0)); }
static void bad_response(void) { send_tagged(0xc142, 5, 0, 8); }
static void bad_terminate(void) { send_untagged(0x4147, 2, 1, 0, 3); }

static const struct {
	const char *name;
	void (*send)(void);
	uint8_t layer, type, code;
	bool header;		/* of the segment comes back */
} wrong[] = {
	{ "length 0", bad_length_0, 2, 0, 3, false },
	{ "length 13", bad_length_13, 2, 0, 3, false },
	{ "length 17", bad_length_17, 2, 0, 3, false },
	{ "CRC", bad_crc, 2, 0, 2, false },
	{ "DDP version, tagged", bad_ddp_tagged, 1, 1, 4, false },
	{ "DDP version, untagged", bad_ddp_untagged, 1, 2, 6, false },
	{ "RDMAP version", bad_rdmap, 0, 2, 5, false },
	{ "opcode 8", bad_opcode, 0, 2, 6, false },
	{ "Write untagged", bad_t, 0, 2, 6, false },
	{ "QN", bad_qn, 1, 2, 1, true },
	{ "MSN ahead", bad_msn, 1, 2, 3, true },
	{ "MSN 0", bad_msn_0, 1, 2, 3, true },
	{ "MO", bad_mo, 1, 2, 4, true },
	{ "MO of the second segment", bad_second_mo, 1, 2, 4, true },
	{ "opcode of the second segment", bad_second_opcode, 0, 2, 6, false },
	{ "MSN of the second segment", bad_second_msn, 1, 2, 3, true },
	{ "STag", bad_stag, 1, 1, 0, true },
	{ "key of the STag", bad_key, 1, 1, 0, true },
	{ "below the region", bad_below, 1, 1, 1, true },
	{ "above the region", bad_above, 1, 1, 1, true },
	{ "TO wraps", bad_wrap, 1, 1, 3, true },
	{ "Read: STag", bad_read_stag, 0, 1, 0, true },
	{ "Read: above the region", bad_read_above, 0, 1, 1, true },
	{ "Read: 4 GiB", bad_read_huge, 0, 1, 1, true },
	{ "Read: TO wraps", bad_read_wrap, 0, 1, 4, true },
	{ "Read: MSN", bad_read_msn, 1, 2, 3, true },
	{ "answer to nothing", bad_response, 1, 1, 0, true },
	{ "short Terminate", bad_terminate, 0, 2, 255, true },
};
#define WRONG (int)(sizeof(wrong) / sizeof(wrong[0]))

START_TEST(wrong_frame)
{
	struct ep_opts o = { .mem = SIZE };
	uint8_t f[1024];

	iwscene_passive(&s, &o);
	mem_fill(&s.e.mem, 3);
	assert_status(ep_post_recv(&s.e, 1, 0, 64), STATUS_SUCCESS);
	wrong[_i].send();
	ck_assert_uint_ge(iwpeer_next(&s.p, f, sizeof(f)), 24);
	ck_assert_uint_eq(f[3], 0x47);
	ck_assert_msg(f[20] == (wrong[_i].layer << 4 | wrong[_i].type) &&
		      f[21] == wrong[_i].code, "%s: Terminate %x/%x/%02x",
		      wrong[_i].name, f[20] >> 4, f[20] & 0xf, f[21]);
	ck_assert_msg((f[22] & 0xc0) == (wrong[_i].header ? 0xc0 : 0),
		      "%s: flags %02x", wrong[_i].name, f[22]);
	iwpeer_expect_eof(&s.p);
	iwscene_told(&s, VIRTIO_RDMA_R_RESET, STATUS_CONNECTION_ABORTED);
	assert_status(ep_next(&s.e).Status, STATUS_CANCELLED);
	/* nothing of it but the receive's own bytes was touched */
	ck_assert_int_eq(mem_check(s.e.mem.va + 64, SIZE - 64, 3, 64), -1);
	iwscene_close(&s);
}
END_TEST

/* Memory that the peer may read and not write, or not at all */
START_TEST(missing_right)
{
	static const struct {
		uint32_t flags;
		bool read;
	} cases[] = {
		{ NDK_MR_FLAG_ALLOW_REMOTE_READ, false },
		{ NDK_MR_FLAG_ALLOW_REMOTE_WRITE, true },
	};
	struct mem m;

	iwscene_passive(&s, NULL);
	mem_init(&m, fx.g[0], s.e.pd, SIZE, cases[_i].flags);
	if (cases[_i].read)
		send_read(1, 8, m.remote, (uintptr_t)m.va);
	else
		send_tagged(0xc140, m.remote, (uintptr_t)m.va, 8);
	iwscene_expect_terminate(&s, 0, 1, 2);
	iwscene_told(&s, VIRTIO_RDMA_R_RESET, STATUS_CONNECTION_ABORTED);
	mem_fini(&m);
	iwscene_close(&s);
}
END_TEST

/* The answer to a Read of nothing: what came before it is done */
static void fence(uint32_t msn)
{
	uint8_t f[64];

	send_read(msn, 0, 1, 0);
	ck_assert_uint_eq(iwpeer_next(&s.p, f, sizeof(f)), 16);
	ck_assert_uint_eq(f[3], 0x42);
}

/* Zero bytes ask for nothing: no STag is looked at (RFC 5040) */
START_TEST(nothing_is_always_allowed)
{
	iwscene_passive(&s, NULL);
	send_tagged(0xc140, 0xdeadbeef, UINT64_MAX, 0);
	fence(1);
	iwscene_end(&s);
	iwscene_close(&s);
}
END_TEST

/* The last byte of a region is its own */
START_TEST(edges_of_a_region)
{
	struct ep_opts o = { .mem = SIZE };

	iwscene_passive(&s, &o);
	memset(s.e.mem.va, 0xee, SIZE);
	send_tagged(0xc140, s.e.mem.remote, va(0), 1);
	send_tagged(0xc140, s.e.mem.remote, va(SIZE - 1), 1);
	send_tagged(0xc140, s.e.mem.remote, va(1), 0);
	fence(1);
	iwscene_end(&s);
	ck_assert_uint_eq(s.e.mem.va[0] + s.e.mem.va[SIZE - 1], 0);
	ck_assert(mem_is(s.e.mem.va + 1, SIZE - 2, 0xee));
	iwscene_close(&s);
}
END_TEST

/* --- lengths against the receive -------------------------------------------------------- */

START_TEST(send_longer_than_the_receive)
{
	NDK_RESULT_EX r;

	iwscene_passive(&s, NULL);
	assert_status(ep_post_recv(&s.e, 1, 0, 63), STATUS_SUCCESS);
	if (_i)		/* too long with its second segment only */
		send_untagged(0x0143, 0, 1, 0, 60);
	send_untagged(0x4143, 0, 1, _i ? 60 : 0, _i ? 4 : 64);
	iwscene_expect_terminate(&s, 1, 2, 5);
	r = ep_next(&s.e);
	assert_status(r.Status, STATUS_DATA_OVERRUN);
	iwscene_told(&s, VIRTIO_RDMA_R_LOCAL_ERROR, STATUS_CONNECTION_ABORTED);
	iwscene_close(&s);
}
END_TEST

/* A Send that shall invalidate what nothing has: wrong for both */
START_TEST(invalidate_of_nothing)
{
	iwscene_passive(&s, NULL);
	assert_status(ep_post_recv(&s.e, 1, 0, 64), STATUS_SUCCESS);
	send_untagged(0x4144, 0, 1, 0, 8);
	iwscene_expect_terminate(&s, 0, 1, 9);
	assert_status(ep_next(&s.e).Status, STATUS_ACCESS_VIOLATION);
	iwscene_told(&s, VIRTIO_RDMA_R_LOCAL_ERROR, STATUS_CONNECTION_ABORTED);
	iwscene_close(&s);
}
END_TEST

/* MO that would wrap a 32-bit sum */
START_TEST(mo_near_the_top)
{
	iwscene_passive(&s, NULL);
	assert_status(ep_post_recv(&s.e, 1, 0, 63), STATUS_SUCCESS);
	send_untagged(0x4143, 0, 1, 0xfffffff0u, 64);
	iwscene_expect_terminate(&s, 1, 2, 4);
	iwscene_told(&s, VIRTIO_RDMA_R_RESET, STATUS_CONNECTION_ABORTED);
	assert_status(ep_next(&s.e).Status, STATUS_CANCELLED);
	iwscene_close(&s);
}
END_TEST

/* Waits for a receive as long as rnr-timeout-ms says */
START_TEST(send_before_its_receive)
{
	NDK_RESULT_EX r;

	iwscene_passive(&s, NULL);
	send_untagged(0x4143, 0, 1, 0, 10);
	iwpeer_expect_silence(&s.p, 50);
	assert_status(ep_post_recv(&s.e, 1, 0, 64), STATUS_SUCCESS);
	r = ep_next(&s.e);
	assert_status(r.Status, STATUS_SUCCESS);
	ck_assert_uint_eq(r.BytesTransferred, 10);
	iwscene_end(&s);
	iwscene_close(&s);
}
END_TEST

/* ...then not */
START_TEST(send_without_a_receive)
{
	iwscene_passive(&s, NULL);
	send_untagged(0x4143, 0, 1, 0, 10);
	iwscene_expect_terminate(&s, 1, 2, 2);
	iwscene_told(&s, VIRTIO_RDMA_R_RESET, STATUS_CONNECTION_ABORTED);
	iwscene_close(&s);
}
END_TEST

/* For a test that is not about the end of patience: a machine may be busy */
static void setup_patient(void)
{
	iwscene_setup_with("rnr-timeout-ms = 20000\n" FX_SMALL FX_FEW_QUEUES);
}

/* A connection whose initiator is as siw: it may have so many Reads out as the
 * Reply tells, which it rounds up */
static void siw_connects(const struct ep_opts *o)
{
	iwscene_listen(&s, o);
	iwscene_request(&s, "4d504120494420526571204672616d65 10 02 0004 "
			    "0080 0080");
	iwscene_accept(&s);
	iwpeer_expect_hex(&s.p, "4d504120494420526570204672616d65 50 02 0004 "
				"0009 0009");
	iwpeer_rtr(&s.p);
	assert_status(op_wait(&s.op, s.st), STATUS_SUCCESS);
}

/* Nine Reads are agreed on, but ten come before one was answered, or 17 of siw:
 * the answers do not fit into the wire, as nobody takes them */
START_TEST(more_reads_than_agreed)
{
	struct ep_opts o = { .mem = 8u << 20 };
	uint8_t f[70000];
	size_t n;

	if (_i)
		siw_connects(&o);
	else
		iwscene_passive(&s, &o);
	for (uint32_t i = 1; i <= (_i ? 17 : 10); i++)
		send_read(i, 8u << 20, s.e.mem.remote, va(0));
	do {
		n = iwpeer_next(&s.p, f, sizeof(f));
	} while (f[3] == 0x42);
	ck_assert_uint_ge(n, 24);
	ck_assert_uint_eq(f[3], 0x47);
	ck_assert_uint_eq(f[20], 0x02);
	ck_assert_uint_eq(f[21], 0x07);
	iwscene_told(&s, VIRTIO_RDMA_R_RESET, STATUS_CONNECTION_ABORTED);
	iwscene_close(&s);
}
END_TEST

START_TEST(as_many_reads_as_siw_has)
{
	uint8_t f[64];

	siw_connects(NULL);
	for (uint32_t i = 1; i <= 16; i++)
		send_read(i, 8, s.e.mem.remote, va(0));
	for (uint32_t i = 1; i <= 16; i++) {
		iwpeer_next(&s.p, f, sizeof(f));
		ck_assert_uint_eq(f[3], 0x42);
	}
	iwscene_end(&s);
	iwscene_close(&s);
}
END_TEST

/* --- what is right, in any pieces ----------------------------------------------------------- */

/* Bytes of a small conversation: a Send of two segments, solicited; a Write; a
 * Read; Sends of lengths that need each pad */
static size_t conversation(uint8_t *b)
{
	uint8_t head[48], data[600];
	size_t n = 0;

	for (size_t i = 0; i < sizeof(data); i++)
		data[i] = (uint8_t)(i * 7);
	n += iwpeer_seal(&s.p, b + n, head,
			 iwpeer_untagged(head, 0x0145, 0, 1, 0), data, 100);
	n += iwpeer_seal(&s.p, b + n, head,
			 iwpeer_tagged(head, 0xc140, s.e.mem.remote, va(1000)),
			 data, 600);
	n += iwpeer_seal(&s.p, b + n, head,
			 iwpeer_untagged(head, 0x4145, 0, 1, 100), data + 100,
			 33);
	n += iwpeer_seal(&s.p, b + n, head,
			 iwpeer_read_request(head, 1, 77, 300, s.e.mem.remote,
					     va(1100)), NULL, 0);
	for (uint32_t i = 0; i < 4; i++)
		n += iwpeer_seal(&s.p, b + n, head,
				 iwpeer_untagged(head, 0x4143, 0, 2 + i, 0),
				 data, i);
	return n;
}

static void check_conversation(void)
{
	uint8_t f[1024];

	for (uint32_t i = 0; i < 5; i++) {
		NDK_RESULT_EX r = ep_next(&s.e);

		assert_status(r.Status, STATUS_SUCCESS);
		ck_assert_ptr_eq(r.RequestContext, ID(i));
		ck_assert_uint_eq(r.BytesTransferred, i ? i - 1 : 133);
	}
	for (size_t i = 0; i < 133; i++)
		ck_assert_uint_eq(s.e.mem.va[i], (uint8_t)(i * 7));
	for (size_t i = 0; i < 600; i++)
		ck_assert_uint_eq(s.e.mem.va[1000 + i], (uint8_t)(i * 7));
	ck_assert_uint_eq(iwpeer_next(&s.p, f, sizeof(f)), 16 + 300);
	ck_assert_uint_eq(iwpeer_get32(f + 4), 77);
	ck_assert_mem_eq(f + 16, s.e.mem.va + 1100, 300);
}

static void post_conversation(void)
{
	for (uint64_t i = 0; i < 5; i++)
		assert_status(ep_post_recv(&s.e, i, i ? 2048 : 0, 200),
			      STATUS_SUCCESS);
}

START_TEST(any_pieces)
{
	static const size_t sizes[] = { 1, 2, 3, 7, 16, 20, 61, 500, 4096 };
	uint8_t b[4096];
	size_t n, piece = sizes[_i];

	iwscene_passive(&s, NULL);
	post_conversation();
	n = conversation(b);
	for (size_t at = 0; at < n; at += piece)
		iwpeer_send(&s.p, b + at, n - at < piece ? n - at : piece);
	check_conversation();
	iwscene_end(&s);
	iwscene_close(&s);
}
END_TEST

/* Long ones are placed straight from the socket: cut those, too */
START_TEST(long_write_in_pieces)
{
	enum { LEN = 60000 };
	struct ep_opts o = { .mem = 65536 };
	static uint8_t data[LEN], b[LEN + 64];
	uint8_t head[20];
	uint32_t x = 1;
	size_t n;

	iwscene_passive(&s, &o);
	for (size_t i = 0; i < LEN; i++)
		data[i] = (uint8_t)(i ^ i >> 8);
	if (_i) {
		assert_status(ep_post_recv(&s.e, 1, 77, LEN), STATUS_SUCCESS);
		n = iwpeer_untagged(head, 0x4143, 0, 1, 0);
	} else {
		n = iwpeer_tagged(head, 0xc140, s.e.mem.remote, va(77));
	}
	n = iwpeer_seal(&s.p, b, head, n, data, LEN);
	for (size_t at = 0; at < n;) {
		size_t piece;

		x = x * 1103515245u + 12345u;
		piece = 1 + (x >> 16) % 9000;
		if (piece > n - at)
			piece = n - at;
		iwpeer_send(&s.p, b + at, piece);
		at += piece;
		if (x & 0x10000)
			poll(NULL, 0, 1);
	}
	if (_i)
		assert_status(ep_next(&s.e).Status, STATUS_SUCCESS);
	fence(1);
	iwscene_end(&s);
	ck_assert_mem_eq(s.e.mem.va + 77, data, LEN);
	iwscene_close(&s);
}
END_TEST

/* --- ends --- */

/* A FIN behind n bytes of a conversation: good between two FPDUs only */
static bool is_boundary(const uint8_t *b, size_t n)
{
	size_t at = 0;

	while (at < n)
		at += (2 + ((size_t)b[at] << 8 | b[at + 1]) + 3) / 4 * 4 + 4;
	return at == n;
}

static void cut_at(const uint8_t *b, size_t n, bool reset)
{
	bool good = !reset && is_boundary(b, n);

	iwpeer_send(&s.p, b, n);
	if (reset)
		iwpeer_reset(&s.p);
	else
		iwpeer_finish(&s.p);
	iwscene_told(&s, good ? VIRTIO_RDMA_R_GRACEFUL : VIRTIO_RDMA_R_RESET,
		     good ? STATUS_SUCCESS : STATUS_CONNECTION_ABORTED);
}

/* Every byte of the first segment and of the trailer and header behind it */
START_TEST(cut_at_every_byte)
{
	for (int n = _i * 10; n < _i * 10 + 10; n++) {
		uint8_t b[4096];

		iwscene_passive(&s, NULL);
		post_conversation();
		conversation(b);
		cut_at(b, (size_t)n, false);
		for (int i = 0; i < 5; i++)
			(void)ep_next(&s.e);
		ck_assert(ep_idle(&s.e));
		iwscene_close(&s);
	}
}
END_TEST

START_TEST(reset_anywhere)
{
	static const size_t at[] = { 0, 1, 20, 119, 128, 129, 700, 900 };
	uint8_t b[4096];

	iwscene_passive(&s, NULL);
	post_conversation();
	conversation(b);
	cut_at(b, at[_i], true);
	for (int i = 0; i < 5; i++)
		(void)ep_next(&s.e);
	ck_assert(ep_idle(&s.e));
	iwscene_close(&s);
}
END_TEST

/* Any Terminate is the end; what ours says beside tells why */
static const struct {
	uint8_t layer_type, code;
	uint32_t reason;
	NTSTATUS then;
} terminates[] = {
	{ 0x00, 0x00, VIRTIO_RDMA_R_RESET, STATUS_CONNECTION_ABORTED },
	{ 0x20, 0x02, VIRTIO_RDMA_R_RESET, STATUS_CONNECTION_ABORTED },
	{ 0x02, 0x07, VIRTIO_RDMA_R_RESET, STATUS_CONNECTION_ABORTED },
	{ 0xff, 0xff, VIRTIO_RDMA_R_RESET, STATUS_CONNECTION_ABORTED },
	{ 0x00, 0xa2, VIRTIO_RDMA_R_RESET, STATUS_CONNECTION_ABORTED },
	{ 0x00, 0xa3, VIRTIO_RDMA_R_TIMED_OUT, STATUS_IO_TIMEOUT },
	{ 0x00, 0xa4, VIRTIO_RDMA_R_PEER_GONE, STATUS_CONNECTION_ABORTED },
	{ 0x00, 0xa5, VIRTIO_RDMA_R_RESET, STATUS_CONNECTION_ABORTED },
	{ 0x00, 0xa6, VIRTIO_RDMA_R_ADMINISTRATOR, STATUS_CONNECTION_ABORTED },
	{ 0x00, 0xa1, VIRTIO_RDMA_R_RESET, STATUS_CONNECTION_ABORTED },
	/* blames a request of ours: whatever it was, it is done for */
	{ 0x11, 0x00, VIRTIO_RDMA_R_LOCAL_ERROR, STATUS_CONNECTION_ABORTED },
	{ 0x12, 0x02, VIRTIO_RDMA_R_TIMED_OUT, STATUS_IO_TIMEOUT },
};
#define TERMINATES (int)(sizeof(terminates) / sizeof(terminates[0]))

static void terminate_with(uint8_t layer_type, uint8_t code, uint8_t has,
			   const uint8_t *segment, size_t len)
{
	uint8_t head[20], t[64] = { layer_type, code, has, 0 };

	/* its ULPDU length, then its header: as M, D and R say */
	if (len)
		memcpy(t + 4, segment, len);
	iwpeer_fpdu(&s.p, head, iwpeer_untagged(head, 0x4147, 2, 1, 0), t,
		    4 + len);
}

static void terminate(uint8_t layer_type, uint8_t code, const uint8_t *segment,
		      size_t len)
{
	terminate_with(layer_type, code, len ? 0xc0 : 0, segment, len);
}

START_TEST(any_terminate)
{
	iwscene_passive(&s, NULL);
	terminate(terminates[_i].layer_type, terminates[_i].code, NULL, 0);
	iwscene_told(&s, terminates[_i].reason, terminates[_i].then);
	iwpeer_expect_eof(&s.p);
	iwscene_close(&s);
}
END_TEST

/* A consumer that closes has notified one that waits for that */
START_TEST(closed_while_we_disconnect)
{
	struct op op;
	NTSTATUS st;

	iwscene_passive(&s, NULL);
	st = ep_disconnect_start(&s.e, &op);
	iwpeer_expect_eof(&s.p);
	terminate(0x00, _i ? 0xa4 : 0xa2, NULL, 0);
	iwpeer_finish(&s.p);
	assert_status(op_wait(&op, st), _i ? STATUS_CONNECTION_ABORTED
					   : STATUS_SUCCESS);
	ck_assert_uint_eq(s.e.indications, 0);
	iwscene_close(&s);
}
END_TEST

/* D3: what comes after our FIN is read, and goes nowhere */
START_TEST(nothing_is_placed_after_disconnect)
{
	struct ep_opts o = { .mem = 65536 };
	struct op op;
	NTSTATUS st;

	iwscene_passive(&s, &o);
	memset(s.e.mem.va, 0xee, 65536);
	st = ep_disconnect_start(&s.e, &op);
	iwpeer_expect_eof(&s.p);
	for (int i = 0; i < 100; i++)
		send_tagged(0xc140, s.e.mem.remote, va(0), 2 * SIZE);
	send_read(1, 8, s.e.mem.remote, va(0));
	ck_assert(!op_wait_ms(&op, 20));
	iwpeer_finish(&s.p);
	assert_status(op_wait(&op, st), STATUS_SUCCESS);
	ck_assert(mem_is(s.e.mem.va, 65536, 0xee));
	iwscene_close(&s);
}
END_TEST

/* The peer never answers: the deadline ends it, with a reset */
START_TEST(silence_after_disconnect)
{
	struct op op;
	NTSTATUS st;

	iwscene_passive(&s, NULL);
	st = ep_disconnect_start(&s.e, &op);
	iwpeer_expect_eof(&s.p);
	assert_status(op_wait(&op, st), STATUS_IO_TIMEOUT);
	iwscene_close(&s);
}
END_TEST

/* --- the guest's own requests --- */

/* Sends, writes and their order on the wire; done when the peer says so */
START_TEST(a_send_ends_when_it_is_confirmed)
{
	uint8_t f[256], head[16];

	iwscene_active(&s, NULL);
	mem_fill(&s.e.mem, 9);
	assert_status(ep_post_send(&s.e, 1, 0, 50, 0), STATUS_SUCCESS);
	ck_assert_uint_eq(iwpeer_next(&s.p, f, sizeof(f)), 20 + 50);
	ck_assert_mem_eq(f, "\0\x44\x41\x43\0\0\0\0\0\0\0\0\0\0\0\1\0\0\0\0",
			 20);
	ck_assert_mem_eq(f + 20, s.e.mem.va, 50);
	ck_assert_uint_eq(iwpeer_next(&s.p, f, sizeof(f)), 48);
	ck_assert_uint_eq(f[3], 0x41);
	ck_assert_uint_eq(iwpeer_get32(f + 12), 1);	/* MSN */
	ck_assert_uint_eq(iwpeer_get32(f + 32), 0);	/* size */
	poll(NULL, 0, 20);
	ck_assert(ep_idle(&s.e));
	iwpeer_fpdu(&s.p, head, iwpeer_tagged(head, 0xc142,
					      iwpeer_get32(f + 20), 0), NULL, 0);
	assert_status(ep_next(&s.e).Status, STATUS_SUCCESS);
	iwscene_end(&s);
	iwscene_close(&s);
}
END_TEST

/* The guest's Read, answered wrongly */
static const struct {
	const char *name;
	uint32_t stag_xor;
	uint64_t to;
	uint32_t len;
	bool last;
	uint8_t layer, type, code;
} answers[] = {
	{ "STag", 1, 0, 100, true, 1, 1, 0 },
	{ "TO", 0, 1, 99, true, 1, 1, 1 },
	{ "too long", 0, 0, 101, true, 1, 1, 1 },
	{ "last too early", 0, 0, 99, true, 0, 2, 7 },
	{ "last too late", 0, 0, 100, false, 0, 2, 7 },
};

START_TEST(wrong_answer)
{
	static uint8_t data[128];
	uint8_t f[256], head[16];

	iwscene_active(&s, NULL);
	/* some token and address of the peer's: those of our own will do */
	assert_status(ep_post_read(&s.e, 1, 0, 100, &s.e, 0, 0),
		      STATUS_SUCCESS);
	ck_assert_uint_eq(iwpeer_next(&s.p, f, sizeof(f)), 48);
	ck_assert_uint_eq(iwpeer_get32(f + 32), 100);
	ck_assert_uint_eq(iwpeer_get32(f + 36), s.e.mem.remote);
	ck_assert_uint_eq(iwpeer_get64(f + 40), va(0));
	iwpeer_fpdu(&s.p, head,
		    iwpeer_tagged(head, answers[_i].last ? 0xc142 : 0x8142,
				  iwpeer_get32(f + 20) ^ answers[_i].stag_xor,
				  answers[_i].to), data, answers[_i].len);
	iwscene_expect_terminate(&s, answers[_i].layer, answers[_i].type,
				 answers[_i].code);
	assert_status(ep_next(&s.e).Status, STATUS_CANCELLED);
	iwscene_told(&s, VIRTIO_RDMA_R_RESET, STATUS_CONNECTION_ABORTED);
	iwscene_close(&s);
}
END_TEST

/* The peer blames the second of three requests: it ends so, the one before it
 * well, the one behind it cancelled */
enum op_kind { A_SEND, A_WRITE, A_READ };
static const struct {
	enum op_kind kind;
	uint8_t layer_type, code;
	bool as_siw; /* bits swapped, and a wrong MSN */
	NTSTATUS status;
	uint32_t reason;
} blames[] = {
	{ A_WRITE, 0x11, 0x00, false, STATUS_ACCESS_VIOLATION,
	  VIRTIO_RDMA_R_LOCAL_ERROR },
	{ A_WRITE, 0x11, 0x01, false, STATUS_ACCESS_VIOLATION,
	  VIRTIO_RDMA_R_LOCAL_ERROR },
	{ A_WRITE, 0x01, 0x02, false, STATUS_ACCESS_VIOLATION,
	  VIRTIO_RDMA_R_LOCAL_ERROR },
	{ A_SEND, 0x12, 0x05, false, STATUS_DATA_ERROR,
	  VIRTIO_RDMA_R_LOCAL_ERROR },
	{ A_SEND, 0x12, 0x02, false, STATUS_IO_TIMEOUT,
	  VIRTIO_RDMA_R_TIMED_OUT },
	{ A_READ, 0x01, 0x00, false, STATUS_ACCESS_VIOLATION,
	  VIRTIO_RDMA_R_LOCAL_ERROR },
	{ A_READ, 0x10, 0x00, true, STATUS_ACCESS_VIOLATION,
	  VIRTIO_RDMA_R_LOCAL_ERROR },
	{ A_READ, 0x10, 0x01, true, STATUS_ACCESS_VIOLATION,
	  VIRTIO_RDMA_R_LOCAL_ERROR },
};
#define BLAMES (int)(sizeof(blames) / sizeof(blames[0]))

static void post_kind(enum op_kind kind, uint64_t id, size_t off)
{
	if (kind == A_SEND)
		assert_status(ep_post_send(&s.e, id, off, 40, 0),
			      STATUS_SUCCESS);
	else if (kind == A_WRITE)
		assert_status(ep_post_write(&s.e, id, off, 40, &s.e, off, 0),
			      STATUS_SUCCESS);
	else
		assert_status(ep_post_read(&s.e, id, off, 40, &s.e, off, 0),
			      STATUS_SUCCESS);
}

START_TEST(blamed_request)
{
	static const uint8_t opcodes[] = { 0x43, 0x40, 0x41 };
	uint8_t f[256], meant[64] = { 0 };
	enum op_kind kind = blames[_i].kind;
	int seen = 0;

	iwscene_active(&s, NULL);
	/* another kind before and behind, so that only one can be meant */
	post_kind(kind == A_SEND ? A_WRITE : A_SEND, 1, 0);
	post_kind(kind, 2, 100);
	post_kind(kind == A_SEND ? A_WRITE : A_SEND, 3, 200);
	while (seen < 3) {
		size_t n = iwpeer_next(&s.p, f, sizeof(f));

		if (f[3] == 0x41 && !iwpeer_get32(f + 32))
			continue;	/* asks for a confirmation */
		if (f[3] == opcodes[kind])
			memcpy(meant, f, n < 48 ? n : 48);
		seen++;
	}
	meant[15] ^= blames[_i].as_siw ? 0x40 : 0;
	terminate_with(blames[_i].layer_type, blames[_i].code,
		       blames[_i].as_siw ? 0x07 : 0xc0, meant,
		       blames[_i].as_siw ? 48 : meant[2] & 0x80 ? 16 : 20);
	assert_status(ep_next(&s.e).Status, STATUS_SUCCESS);
	assert_status(ep_next(&s.e).Status, blames[_i].status);
	assert_status(ep_next(&s.e).Status, STATUS_CANCELLED);
	iwscene_told(&s, blames[_i].reason,
		     blames[_i].reason == VIRTIO_RDMA_R_TIMED_OUT ?
			     STATUS_IO_TIMEOUT : STATUS_CONNECTION_ABORTED);
	iwscene_close(&s);
}
END_TEST

/* siw answers a Read of no length with as many bytes as it sent last, so none is
 * sent to what may be siw: its requests end when TCP has them */
START_TEST(nothing_confirms_with_siw)
{
	uint8_t f[128];

	if (_i) {
		iwscene_connect(&s, NULL);
		iwscene_reply(&s, "4d504120494420526570204672616d65 58 02 0004 "
				  "8009 8009");
		assert_status(op_wait(&s.op, s.st), STATUS_SUCCESS);
		assert_status(ep_complete(&s.e), STATUS_SUCCESS);
		iwpeer_expect_hex(&s.p, "000e c140 00000001 0000000000000000 "
					"ebd34c5f");
		iwpeer_rtr(&s.p);
	} else {
		siw_connects(NULL);
	}
	post_kind(A_SEND, 1, 0);
	post_kind(A_WRITE, 2, 100);
	assert_status(ep_next(&s.e).Status, STATUS_SUCCESS);
	assert_status(ep_next(&s.e).Status, STATUS_SUCCESS);
	iwpeer_next(&s.p, f, sizeof(f));
	ck_assert_uint_eq(f[3], 0x43);
	iwpeer_next(&s.p, f, sizeof(f));
	ck_assert_uint_eq(f[3], 0x40);
	iwpeer_expect_silence(&s.p, 100);
	iwscene_end(&s);
	iwscene_close(&s);
}
END_TEST

/* The consumer closes: the peer hears which kind of end it was */
START_TEST(close_is_a_terminate)
{
	uint8_t f[64];

	iwscene_passive(&s, NULL);
	nd_close(s.e.conn);
	s.e.conn = NULL;
	ck_assert_uint_eq(iwpeer_next(&s.p, f, sizeof(f)), 24);
	ck_assert_mem_eq(f + 20, "\x00\xa2\x00\x00", 4);
	iwpeer_expect_eof(&s.p);
	iwscene_close(&s);
}
END_TEST

/* A killed vrdmad is a reset, never a notification */
START_TEST(death_is_a_reset)
{
	iwscene_passive(&s, NULL);
	daemon_kill(&fx.daemon);
	iwpeer_expect_reset(&s.p);
	ck_assert(wait_count(&s.e.indications, 1, TEST_TIMEOUT_MS));
	ck_assert(daemon_restart(&fx.daemon));
	ck_assert(tguest_wait_recoveries(fx.g[0], 1));
	iwscene_close(&s);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("iwarp stream");
	TCase *tc = add_case(suite, "wrong", 60);

	tcase_add_checked_fixture(tc, iwscene_setup, iwscene_teardown);
	tcase_add_loop_test(tc, wrong_frame, 0, WRONG);
	tcase_add_loop_test(tc, missing_right, 0, 2);
	tcase_add_test(tc, nothing_is_always_allowed);
	tcase_add_test(tc, edges_of_a_region);
	tcase_add_loop_test(tc, send_longer_than_the_receive, 0, 2);
	tcase_add_test(tc, invalidate_of_nothing);
	tcase_add_test(tc, mo_near_the_top);
	tcase_add_test(tc, send_without_a_receive);
	tcase_add_loop_test(tc, more_reads_than_agreed, 0, 2);
	tcase_add_test(tc, as_many_reads_as_siw_has);
	tc = add_case(suite, "patient", 60);
	tcase_add_checked_fixture(tc, setup_patient, iwscene_teardown);
	tcase_add_test(tc, send_before_its_receive);
	tc = add_case(suite, "pieces", 60);
	tcase_add_checked_fixture(tc, iwscene_setup, iwscene_teardown);
	tcase_add_loop_test(tc, any_pieces, 0, 9);
	tcase_add_loop_test(tc, long_write_in_pieces, 0, 2);
	tc = add_case(suite, "ends", 60);
	tcase_add_checked_fixture(tc, iwscene_setup, iwscene_teardown);
	tcase_add_loop_test(tc, cut_at_every_byte, 0, 16);
	tcase_add_loop_test(tc, reset_anywhere, 0, 8);
	tcase_add_loop_test(tc, any_terminate, 0, TERMINATES);
	tcase_add_loop_test(tc, closed_while_we_disconnect, 0, 2);
	tcase_add_test(tc, nothing_is_placed_after_disconnect);
	tcase_add_test(tc, silence_after_disconnect);
	tc = add_case(suite, "requests", 60);
	tcase_add_checked_fixture(tc, iwscene_setup, iwscene_teardown);
	tcase_add_test(tc, a_send_ends_when_it_is_confirmed);
	tcase_add_loop_test(tc, wrong_answer, 0,
			    (int)(sizeof(answers) / sizeof(answers[0])));
	tcase_add_loop_test(tc, blamed_request, 0, BLAMES);
	tcase_add_loop_test(tc, nothing_confirms_with_siw, 0, 2);
	tcase_add_test(tc, close_is_a_terminate);
	tcase_add_test(tc, death_is_a_reset);
	return run_suite(suite);
}
