// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * test_iwarp_setup.c - how a connection over iWARP begins, with a peer that
 * says anything: MPA frames whole and broken, the first frame, who may speak
 */
#include <poll.h>
#include <string.h>

#include "iwscene.h"

static struct iwscene s;

#define REQ "4d504120494420526571204672616d65 "
#define REP "4d504120494420526570204672616d65 "

/* --- the Request ------------------------------------------------------------------ */

/* What is no Request is answered with nothing but the end, and nobody is told */
static const char *const no_requests[] = {
	"4d504120494420526570204672616d65 58 02 0004 8011 c011",
	"00000000000000000000000000000000 00 00 0000",
	REQ "58 03 0004 8011 c011", REQ "58 00 0004 8011 c011",
	REQ "58 02 0201 8011 c011", REQ "58 02 ffff 8011 c011",
	REQ "58 01 0004 8011 c011", REQ "58 02 0003 8011 c0",
	"474554202f20485454502f312e310d0a 0d0a 0d0a",
};

START_TEST(no_request)
{
	iwscene_listen(&s, NULL);
	iwscene_request(&s, no_requests[_i]);
	iwpeer_expect_reset(&s.p);
	/* the listener is well */
	iwpeer_close(&s.p);
	iwscene_request(&s, NULL);
	nd_close(listener_next(&s.l));
	iwpeer_expect_hex(&s.p, REP "70 02 0004 0000 0000");
	iwpeer_expect_eof(&s.p);
	iwscene_close(&s);
}
END_TEST

/* Something behind a Request, before its Reply, is nobody's FPDU */
START_TEST(bytes_behind_the_request)
{
	iwscene_listen(&s, NULL);
	iwscene_request(&s, REQ "58 02 0004 8011 c011 000e");
	iwpeer_expect_reset(&s.p);
	iwscene_close(&s);
}
END_TEST

/* As siw answers it */
START_TEST(markers_are_refused)
{
	iwscene_listen(&s, NULL);
	iwscene_request(&s, REQ "d0 02 0004 8011 c011");
	iwpeer_expect_hex(&s.p, REP "70 02 0004 0000 0000");
	iwpeer_expect_eof(&s.p);
	iwscene_close(&s);
}
END_TEST

START_TEST(request_byte_by_byte)
{
	static const uint8_t key[] = "MPA ID Req Frame";
	const uint8_t rest[] = {0x58, 2, 0, 4, 0x80, 0x11, 0xc0, 0x11};

	iwscene_listen(&s, NULL);
	iwpeer_connect(&s.p, 1, sa_port(&s.l.addr));
	for (int i = 0; i < 16; i++)
		iwpeer_send(&s.p, &key[i], 1);
	for (size_t i = 0; i < sizeof(rest); i++)
		iwpeer_send(&s.p, &rest[i], 1);
	iwscene_accept(&s);
	iwpeer_expect_hex(&s.p, REP "58 02 0004 8009 c009");
	iwpeer_rtr(&s.p);
	assert_status(op_wait(&s.op, s.st), STATUS_SUCCESS);
	iwscene_end(&s);
	iwscene_close(&s);
}
END_TEST

/* T_req: nobody holds a place by saying nothing, or half of it */
START_TEST(request_that_never_ends)
{
	iwscene_listen(&s, NULL);
	iwpeer_connect(&s.p, 1, sa_port(&s.l.addr));
	if (_i)
		iwpeer_hex(&s.p, REQ "58 02 0004 80");
	iwpeer_expect_eof(&s.p);
	iwscene_close(&s);
}
END_TEST

/* Hundreds that say nothing do not keep an honest one out for good */
START_TEST(silent_crowd)
{
	enum { N = 200 };
	static struct iwpeer crowd[N];

	iwscene_listen(&s, NULL);
	for (int i = 0; i < N; i++)
		iwpeer_connect(&crowd[i], 1, sa_port(&s.l.addr));
	iwscene_request(&s, NULL);
	iwscene_accept(&s);
	iwpeer_expect_hex(&s.p, REP "58 02 0004 8009 c009");
	iwpeer_rtr(&s.p);
	assert_status(op_wait(&s.op, s.st), STATUS_SUCCESS);
	for (int i = 0; i < N; i++)
		iwpeer_close(&crowd[i]);
	iwscene_end(&s);
	iwscene_close(&s);
}
END_TEST

/* --- the Reply -------------------------------------------------------------------- */

/* Request, and what comes back when the guest accepts (reads 8/8) */
static const struct {
	const char *request, *reply;
	bool crc;
} replies[] = {
	/* another vrdmad */
	{ REQ "58 02 0004 8011 c011", REP "58 02 0004 8009 c009", true },
	/* CRC if either asks; 0x08 only if asked; one RTR only */
	{ REQ "10 02 0004 8010 8010", REP "50 02 0004 8009 8009", true },
	{ REQ "10 02 0004 8010 4010", REP "50 02 0004 8009 4009", true },
	/* none offered that we know: the one that always works */
	{ REQ "50 02 0004 c010 0010", REP "50 02 0004 8009 8009", true },
	/* fewer reads than the guest has */
	{ REQ "50 02 0004 8002 c003", REP "50 02 0004 8004 c002", true },
	/* "do not negotiate" */
	{ REQ "50 02 0004 bfff ffff", REP "50 02 0004 8009 c009", true },
};
#define REPLIES (int)(sizeof(replies) / sizeof(replies[0]))

START_TEST(reply)
{
	iwscene_listen(&s, NULL);
	iwscene_request(&s, replies[_i].request);
	iwscene_accept(&s);
	iwpeer_expect_hex(&s.p, replies[_i].reply);
	iwpeer_rtr(&s.p);
	assert_status(op_wait(&s.op, s.st), STATUS_SUCCESS);
	iwscene_end(&s);
	iwscene_close(&s);
}
END_TEST

START_TEST(reject_with_data)
{
	NDK_CONNECTOR *in;

	iwscene_listen(&s, NULL);
	iwscene_request(&s, REQ "50 02 0007 8011 c011 616263");
	in = listener_next(&s.l);
	assert_status(in->Dispatch->NdkReject(in, "no", 2), STATUS_SUCCESS);
	iwpeer_expect_hex(&s.p, REP "70 02 0006 0000 0000 6e6f");
	iwpeer_expect_eof(&s.p);
	nd_close(in);
	iwscene_close(&s);
}
END_TEST

START_TEST(peer_gives_up_before_the_reply)
{
	iwscene_listen(&s, NULL);
	iwscene_request(&s, NULL);
	s.e.conn = listener_next(&s.l);
	if (_i)
		iwpeer_finish(&s.p);
	else
		iwpeer_reset(&s.p);
	/* now, or when the Reply finds nobody */
	s.st = ep_accept_start(&s.e, s.e.conn, NULL, &s.op);
	assert_status(op_wait(&s.op, s.st), STATUS_CONNECTION_ABORTED);
	iwscene_close(&s);
}
END_TEST

/* --- the first frame ----------------------------------------------------------------- */

static void replied(const char *request, const char *reply_hex)
{
	iwscene_listen(&s, NULL);
	iwscene_request(&s, request);
	iwscene_accept(&s);
	iwpeer_expect_hex(&s.p, reply_hex);
}

/* Until it comes the guest is silent and Accept pends; in pieces it is no
 * other than whole */
START_TEST(first_frame_byte_by_byte)
{
	uint8_t head[48], b[128];
	size_t n;

	replied(REQ "58 02 0004 8011 c011", REP "58 02 0004 8009 c009");
	n = _i ? iwpeer_read_request(head, 1, 7, 0, 0, 0)
	       : iwpeer_tagged(head, 0xc140, 1, 0);
	n = iwpeer_seal(&s.p, b, head, n, NULL, 0);
	for (size_t i = 0; i < n; i++) {
		if (i == n / 2)
			ck_assert(!op_wait_ms(&s.op, 20));
		iwpeer_send(&s.p, &b[i], 1);
	}
	assert_status(op_wait(&s.op, s.st), STATUS_SUCCESS);
	if (_i) {	/* a Read of nothing has an answer of nothing */
		ck_assert_uint_eq(iwpeer_next(&s.p, b, sizeof(b)), 16);
		ck_assert_mem_eq(b + 2, "\xc1\x42\0\0\0\7\0\0\0\0\0\0\0\0", 14);
	}
	iwscene_end(&s);
	iwscene_close(&s);
}
END_TEST

static const struct {
	const char *frame;	/* sealed here */
	uint8_t layer, type, code;
} bad_first[] = {
	{ "0000 c140", 2, 0, 3 },
	{ "000e c040 00000001 0000000000000000", 1, 1, 4 },
	{ "000e c180 00000001 0000000000000000", 0, 2, 5 },
	{ "0012 4149 00000000 00000000 00000001 00000000", 0, 2, 6 },
	{ "0012 4143 00000000 00000005 00000001 00000000", 1, 2, 1 },
};
#define BAD_FIRST (int)(sizeof(bad_first) / sizeof(bad_first[0]))

START_TEST(first_frame_is_wrong)
{
	replied(REQ "58 02 0004 8011 c011", REP "58 02 0004 8009 c009");
	iwpeer_hex(&s.p, bad_first[_i].frame);
	iwpeer_hex(&s.p, "00000000 00000000");
	assert_status(op_wait(&s.op, s.st), STATUS_CONNECTION_ABORTED);
	iwscene_expect_terminate(&s, bad_first[_i].layer, bad_first[_i].type,
				 bad_first[_i].code);
	iwscene_close(&s);
}
END_TEST

START_TEST(first_frame_has_a_bad_crc)
{
	replied(REQ "58 02 0004 8011 c011", REP "58 02 0004 8009 c009");
	iwpeer_hex(&s.p, "000e c140 00000001 0000000000000000 ebd34c5e");
	assert_status(op_wait(&s.op, s.st), STATUS_CONNECTION_ABORTED);
	iwscene_expect_terminate(&s, 2, 0, 2);
	iwscene_close(&s);
}
END_TEST

/* Cut at every byte of it: no connection */
START_TEST(first_frame_is_cut)
{
	static const uint8_t rtr[] = {0, 14, 0xc1, 0x40, 0, 0, 0, 1, 0, 0, 0,
				      0, 0, 0, 0, 0, 0xeb, 0xd3, 0x4c, 0x5f};

	replied(REQ "58 02 0004 8011 c011", REP "58 02 0004 8009 c009");
	iwpeer_send(&s.p, rtr, (size_t)_i);
	iwpeer_finish(&s.p);
	assert_status(op_wait(&s.op, s.st), STATUS_CONNECTION_ABORTED);
	iwscene_close(&s);
}
END_TEST

/* A siw initiator promises no frame: silence is as good, and then the guest
 * may speak; not before, which would kill siw */
START_TEST(initiator_that_says_nothing)
{
	uint8_t f[128];

	replied(REQ "10 02 0004 0004 0004", REP "50 02 0004 0005 0004");
	iwpeer_expect_silence(&s.p, 100);
	assert_status(op_wait(&s.op, s.st), STATUS_SUCCESS);
	mem_fill(&s.e.mem, 1);
	assert_status(ep_post_send(&s.e, 1, 0, 8, 0), STATUS_SUCCESS);
	ck_assert_uint_eq(iwpeer_next(&s.p, f, sizeof(f)), 28);
	ck_assert_uint_eq(f[3], 0x43);
	iwscene_close(&s);
}
END_TEST

/* ...or its own first Send, which is delivered */
START_TEST(initiator_that_sends)
{
	uint8_t head[20];
	NDK_RESULT_EX r;

	iwscene_listen(&s, NULL);
	assert_status(ep_post_recv(&s.e, 1, 0, 64), STATUS_SUCCESS);
	iwscene_request(&s, REQ "10 02 0004 0004 0004");
	iwscene_accept(&s);
	iwpeer_expect_hex(&s.p, REP "50 02 0004 0005 0004");
	iwpeer_fpdu(&s.p, head, iwpeer_untagged(head, 0x4143, 0, 1, 0),
		    "hello", 5);
	assert_status(op_wait(&s.op, s.st), STATUS_SUCCESS);
	r = ep_next(&s.e);
	assert_status(r.Status, STATUS_SUCCESS);
	ck_assert_uint_eq(r.BytesTransferred, 5);
	ck_assert_mem_eq(s.e.mem.va, "hello", 5);
	iwscene_end(&s);
	iwscene_close(&s);
}
END_TEST

/* MPA revision 1: the same revision back, no block, and no confirmation */
START_TEST(revision_1)
{
	uint8_t f[128];

	replied(REQ "40 01 0002 6869", REP "40 01 0000");
	iwpeer_rtr(&s.p);
	assert_status(op_wait(&s.op, s.st), STATUS_SUCCESS);
	assert_status(ep_post_send(&s.e, 1, 0, 8, 0), STATUS_SUCCESS);
	ck_assert_uint_eq(iwpeer_next(&s.p, f, sizeof(f)), 28);
	assert_status(ep_next(&s.e).Status, STATUS_SUCCESS);
	iwscene_end(&s);
	iwscene_close(&s);
}
END_TEST

/* --- the guest connects ------------------------------------------------------------------ */

static void check_private(const char *want, size_t len)
{
	char buf[VIRTIO_RDMA_MAX_PRIVATE];
	ULONG n = sizeof(buf);

	assert_status(s.e.conn->Dispatch->NdkGetConnectionData(
			      s.e.conn, NULL, NULL, buf, &n), STATUS_SUCCESS);
	ck_assert_uint_eq(n, len);
	ck_assert_mem_eq(buf, want, len);
}

START_TEST(reply_with_data)
{
	iwscene_connect(&s, NULL);
	iwscene_reply(&s, REP "58 02 0007 8009 c009 796573");
	assert_status(op_wait(&s.op, s.st), STATUS_SUCCESS);
	check_private("yes", 3);
	/* nothing goes out before CompleteConnect */
	iwpeer_expect_silence(&s.p, 20);
	assert_status(ep_complete(&s.e), STATUS_SUCCESS);
	iwpeer_expect_hex(&s.p, "000e c140 00000001 0000000000000000 ebd34c5f");
	iwscene_end(&s);
	iwscene_close(&s);
}
END_TEST

START_TEST(reply_that_rejects)
{
	iwscene_connect(&s, NULL);
	iwscene_reply(&s, REP "70 02 0006 0000 0000 6e6f");
	assert_status(op_wait(&s.op, s.st), STATUS_CONNECTION_REFUSED);
	check_private("no", 2);
	iwpeer_expect_eof(&s.p);
	iwscene_close(&s);
}
END_TEST

/* What is no Reply to our Request is the end */
static const char *const no_replies[] = {
	"4d504120494420526571204672616d65 58 02 0004 8009 c009",
	REP "58 01 0000", REP "48 02 0000", REP "d8 02 0004 8009 c009",
	REP "58 02 0201 8009 c009", REP "58 02 0004 0009 c009",
};
#define NO_REPLIES (int)(sizeof(no_replies) / sizeof(no_replies[0]))

START_TEST(no_reply)
{
	iwscene_connect(&s, NULL);
	iwscene_reply(&s, no_replies[_i]);
	assert_status(op_wait(&s.op, s.st), STATUS_CONNECTION_REFUSED);
	iwpeer_expect_reset(&s.p);
	iwscene_close(&s);
}
END_TEST

static const struct {
	const char *reply;
	uint8_t code;
} no_agreements[] = {
	{ REP "50 02 0004 8009 8010", 6 },	/* more reads than we take */
	{ REP "50 02 0004 8009 0009", 7 },	/* no ready-to-receive */
};

START_TEST(no_agreement)
{
	iwscene_connect(&s, NULL);
	iwscene_reply(&s, no_agreements[_i].reply);
	assert_status(op_wait(&s.op, s.st), STATUS_CONNECTION_REFUSED);
	iwscene_expect_terminate(&s, 2, 0, no_agreements[_i].code);
	iwscene_close(&s);
}
END_TEST

START_TEST(reply_never_comes)
{
	iwscene_connect(&s, NULL);
	if (_i == 0)
		iwpeer_finish(&s.p);
	else if (_i == 1)
		iwpeer_reset(&s.p);
	assert_status(op_wait(&s.op, s.st), _i < 2 ? STATUS_CONNECTION_REFUSED
						   : STATUS_IO_TIMEOUT);
	iwscene_close(&s);
}
END_TEST

/* The peer hangs up between Connect and CompleteConnect */
START_TEST(gone_before_complete)
{
	iwscene_connect(&s, NULL);
	iwscene_reply(&s, REP "58 02 0004 8009 c009");
	assert_status(op_wait(&s.op, s.st), STATUS_SUCCESS);
	if (_i)
		iwpeer_finish(&s.p);
	else
		iwpeer_reset(&s.p);
	assert_status(ep_complete(&s.e), STATUS_CONNECTION_ABORTED);
	iwscene_close(&s);
}
END_TEST

/* Chelsio's way: ready to receive is a Read, and its answer is expected */
START_TEST(ready_by_read)
{
	uint8_t head[16];

	iwscene_connect(&s, NULL);
	iwscene_reply(&s, REP "50 02 0004 8009 4009");
	assert_status(op_wait(&s.op, s.st), STATUS_SUCCESS);
	assert_status(ep_complete(&s.e), STATUS_SUCCESS);
	iwpeer_expect_hex(&s.p, "002e 4141 00000000 00000001 00000001 00000000 "
			  "00000001 0000000000000000 00000000 00000001 "
			  "0000000000000000 27dbd7e7");
	iwpeer_fpdu(&s.p, head, iwpeer_tagged(head, 0xc142, 1, 0), NULL, 0);
	iwscene_end(&s);
	iwscene_close(&s);
}
END_TEST

/* A siw responder may sleep over our first frame: three more wake it, and a
 * word of its own ends that */
static const char kick[] = "000e c140 00000001 0000000000000000 ebd34c5f";

START_TEST(kicks)
{
	iwscene_connect(&s, NULL);
	iwscene_reply(&s, REP "50 02 0004 8009 8009");
	assert_status(op_wait(&s.op, s.st), STATUS_SUCCESS);
	assert_status(ep_complete(&s.e), STATUS_SUCCESS);
	iwpeer_expect_hex(&s.p, kick);
	iwpeer_expect_hex(&s.p, kick);
	if (_i)
		iwpeer_rtr(&s.p);
	if (!_i) {
		iwpeer_expect_hex(&s.p, kick);
		iwpeer_expect_hex(&s.p, kick);
	}
	iwpeer_expect_silence(&s.p, 700);
	iwscene_end(&s);
	iwscene_close(&s);
}
END_TEST

/* The active consumer rejects: a Terminate says it, with its words */
START_TEST(active_reject)
{
	uint8_t f[64];

	iwscene_connect(&s, NULL);
	iwscene_reply(&s, REP "58 02 0004 8009 c009");
	assert_status(op_wait(&s.op, s.st), STATUS_SUCCESS);
	assert_status(s.e.conn->Dispatch->NdkReject(s.e.conn, "bye", 3),
		      STATUS_SUCCESS);
	ck_assert_uint_eq(iwpeer_next(&s.p, f, sizeof(f)), 27);
	ck_assert_mem_eq(f + 20, "\x00\xb0\x00\x00" "bye", 7);
	iwpeer_expect_eof(&s.p);
	iwscene_close(&s);
}
END_TEST

/* Its kernel does not outlive a connection that ends before that frame: it does
 * not wait for CompleteConnect, which may never come, and the end has one more
 * before it and no Terminate */
START_TEST(siw_need_not_wait)
{
	iwscene_connect(&s, NULL);
	iwscene_reply(&s, REP "58 02 0004 8009 8009");
	iwpeer_expect_hex(&s.p, kick);
	assert_status(op_wait(&s.op, s.st), STATUS_SUCCESS);
	iwpeer_rtr(&s.p);
	assert_status(ep_complete(&s.e), STATUS_SUCCESS);
	iwscene_end(&s);
	iwscene_close(&s);
}
END_TEST

START_TEST(siw_is_spared)
{
	iwscene_connect(&s, NULL);
	iwscene_reply(&s, REP "58 02 0004 8009 8009");
	iwpeer_expect_hex(&s.p, kick);
	assert_status(op_wait(&s.op, s.st), STATUS_SUCCESS);
	if (_i) {
		assert_status(s.e.conn->Dispatch->NdkReject(s.e.conn, "bye", 3),
			      STATUS_SUCCESS);
		iwpeer_expect_hex(&s.p, kick);
		iwpeer_expect_eof(&s.p);
	} else {
		nd_close(s.e.conn);
		s.e.conn = NULL;
		iwpeer_expect_hex(&s.p, kick);
		iwpeer_expect_eof(&s.p);
	}
	iwscene_close(&s);
}
END_TEST

/* The guest is gone */
START_TEST(siw_is_spared_by_a_reset)
{
	iwscene_connect(&s, NULL);
	iwscene_reply(&s, REP "58 02 0004 8009 8009");
	iwpeer_expect_hex(&s.p, kick);
	assert_status(op_wait(&s.op, s.st), STATUS_SUCCESS);
	tguest_kill(s.e.g);
	iwpeer_expect_hex(&s.p, kick);
	iwpeer_expect_reset(&s.p);
	iwscene_close(&s);
}
END_TEST

/* And when it is over right behind CompleteConnect */
START_TEST(siw_is_spared_once_open)
{
	iwscene_connect(&s, NULL);
	iwscene_reply(&s, REP "58 02 0004 8009 8009");
	iwpeer_expect_hex(&s.p, kick);
	assert_status(op_wait(&s.op, s.st), STATUS_SUCCESS);
	assert_status(ep_complete(&s.e), STATUS_SUCCESS);
	nd_close(s.e.conn);
	s.e.conn = NULL;
	iwpeer_expect_hex(&s.p, kick);
	iwscene_expect_terminate(&s, 0, 0, 0xa2);
	iwscene_close(&s);
}
END_TEST

static void setup_short(void)
{
	iwscene_setup_with("connect-timeout-ms = 300\n" FX_SMALL FX_FEW_QUEUES);
}

int main(void)
{
	Suite *suite = suite_create("iwarp setup");
	TCase *tc = add_case(suite, "passive", 60);

	tcase_add_checked_fixture(tc, iwscene_setup, iwscene_teardown);
	tcase_add_loop_test(tc, no_request, 0,
			    (int)(sizeof(no_requests) / sizeof(no_requests[0])));
	tcase_add_test(tc, bytes_behind_the_request);
	tcase_add_test(tc, markers_are_refused);
	tcase_add_test(tc, request_byte_by_byte);
	tcase_add_loop_test(tc, request_that_never_ends, 0, 2);
	tcase_add_test(tc, silent_crowd);
	tcase_add_loop_test(tc, reply, 0, REPLIES);
	tcase_add_test(tc, reject_with_data);
	tcase_add_loop_test(tc, peer_gives_up_before_the_reply, 0, 2);
	tcase_add_loop_test(tc, first_frame_byte_by_byte, 0, 2);
	tcase_add_loop_test(tc, first_frame_is_wrong, 0, BAD_FIRST);
	tcase_add_test(tc, first_frame_has_a_bad_crc);
	tcase_add_loop_test(tc, first_frame_is_cut, 0, 20);
	tcase_add_test(tc, initiator_that_says_nothing);
	tcase_add_test(tc, initiator_that_sends);
	tcase_add_test(tc, revision_1);
	tc = add_case(suite, "active", 60);
	tcase_add_checked_fixture(tc, iwscene_setup, iwscene_teardown);
	tcase_add_test(tc, reply_with_data);
	tcase_add_test(tc, reply_that_rejects);
	tcase_add_loop_test(tc, no_reply, 0, NO_REPLIES);
	tcase_add_loop_test(tc, no_agreement, 0, 2);
	tcase_add_loop_test(tc, gone_before_complete, 0, 2);
	tcase_add_test(tc, ready_by_read);
	tcase_add_test(tc, siw_need_not_wait);
	tcase_add_loop_test(tc, siw_is_spared, 0, 2);
	tcase_add_test(tc, siw_is_spared_by_a_reset);
	tcase_add_test(tc, siw_is_spared_once_open);
	tcase_add_loop_test(tc, kicks, 0, 2);
	tcase_add_test(tc, active_reject);
	tc = add_case(suite, "deadline", 60);
	tcase_add_checked_fixture(tc, setup_short, iwscene_teardown);
	tcase_add_loop_test(tc, reply_never_comes, 0, 3);
	return run_suite(suite);
}
