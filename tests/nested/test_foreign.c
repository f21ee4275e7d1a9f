// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * test_foreign.c - our side against a peer that is not ours, over a real device
 *
 * DOC: What a plain librdmacm program does to a connection, and what the network
 * does to it: data of connections and rejects, transfers both ways, a peer that
 * answers a disconnect at once, late or never, disconnects first or at the same
 * time, dies, stands still, and packets that are lost.  Runs where
 * tests/nested/link.py has joined rxe0 and rxe1 (make nested).
 */
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "foreign.h"

#define REQ_ROOM 56 /* the manager's: what a request, accept, reject carries */
#define REP_ROOM 196
#define REJ_ROOM 148
#define TRAILER	 4 /* of ours, docs/verbs.md */

static const char *const b_at[] = { B_V4, B_V6 };

/* --- data of connections ------------------------------------------------------- */

/* B sees the text, zeros and, at the end, the trailer with its exact length */
static void hear_ours(struct child *b, const char *text, unsigned int room)
{
	unsigned int length = (unsigned int)strlen(text);
	char want[1024];
	int n = snprintf(want, sizeof(want), "%u %s", room, text);
	const char *said = child_hear(b, "private ");

	for (unsigned int i = length; i < room - TRAILER; i++)
		n += snprintf(want + n, sizeof(want) - (size_t)n, "\\x00");
	snprintf(want + n, sizeof(want) - (size_t)n, "\\xd7\\x01\\x%02x",
		 length >> 8);
	ck_assert_msg(!strncmp(said, want, strlen(want)),
		      "B was told `%s`, not `%s`", said, want);
}

static void fill_text(char *text, size_t length)
{
	memset(text, 'x', length);
	text[length] = '\0';
}

static void exact_to_b(const char *address, const char *ask, const char *answer)
{
	struct scene s;
	struct op op;
	NTSTATUS st;
	struct sa to = scene_server(&s, address, NULL, OPTIONS("-d", answer));

	st = ep_connect_start(&s.a, to, ask, &op);
	hear_ours(&s.b, ask, REQ_ROOM);
	assert_status(op_wait(&op, st), STATUS_SUCCESS);
	check_padded(s.a.conn, answer, REP_ROOM);
	assert_status(ep_complete(&s.a), STATUS_SUCCESS);
	child_hear_line(&s.b, "established");
	scene_disconnect(&s);
	scene_close(&s);
}

START_TEST(private_data_to_b)
{
	char ask[REQ_ROOM - TRAILER + 1], answer[REP_ROOM + 1];

	fill_text(ask, REQ_ROOM - TRAILER);
	fill_text(answer, REP_ROOM);
	exact_to_b(b_at[_i], "hello from A", "and B answers");
	exact_to_b(b_at[_i], "", "");
	exact_to_b(b_at[_i], ask, answer);
}
END_TEST

static void exact_from_b(const char *address, const char *ask,
			 const char *answer)
{
	struct scene s;
	struct op op;
	NTSTATUS st;
	NDK_CONNECTOR *in = scene_client(&s, address, NULL, OPTIONS("-d", ask));

	check_padded(in, ask, REQ_ROOM);
	st = ep_accept_start(&s.a, in, answer, &op);
	assert_status(op_wait(&op, st), STATUS_SUCCESS);
	hear_ours(&s.b, answer, REP_ROOM);
	scene_disconnect(&s);
	scene_close(&s);
}

START_TEST(private_data_from_b)
{
	char ask[REQ_ROOM + 1], answer[REJ_ROOM - TRAILER + 1];

	fill_text(ask, REQ_ROOM);
	fill_text(answer, REJ_ROOM - TRAILER);
	exact_from_b(b_at[_i], "hello from B", "and A answers");
	exact_from_b(b_at[_i], "", "");
	exact_from_b(b_at[_i], ask, answer);
}
END_TEST

/* --- rejects: of a request and of an accept, by either ------------------------- */

START_TEST(b_rejects_the_request)
{
	struct scene s;
	struct op op;
	struct sa to = scene_server(&s, B_V4, NULL,
				    OPTIONS("-x", "-d", "no thanks"));

	assert_status(op_wait(&op, ep_connect_start(&s.a, to, "please", &op)),
		      STATUS_CONNECTION_REFUSED);
	check_padded(s.a.conn, "no thanks", REJ_ROOM);
	child_hear_line(&s.b, "refused");
	scene_close(&s);
}
END_TEST

START_TEST(a_rejects_the_request)
{
	struct scene s;
	NDK_CONNECTOR *in = scene_client(&s, B_V4, NULL, NO_OPTIONS);

	assert_status(in->Dispatch->NdkReject(in, "not you", 7),
		      STATUS_SUCCESS);
	hear_ours(&s.b, "not you", REJ_ROOM);
	child_hear_line(&s.b, "rejected 28");
	ck_assert_int_eq(child_wait(&s.b), 1);
	nd_close(in);
	scene_close(&s);
}
END_TEST

START_TEST(b_rejects_the_accept)
{
	struct scene s;
	struct op op;
	NTSTATUS st;
	NDK_CONNECTOR *in = scene_client(&s, B_V4, NULL,
					 OPTIONS("-x", "-d", "changed my mind"));

	st = ep_accept_start(&s.a, in, "welcome", &op);
	hear_ours(&s.b, "welcome", REP_ROOM);
	assert_status(op_wait(&op, st), STATUS_CONNECTION_REFUSED);
	check_padded(s.a.conn, "changed my mind", REJ_ROOM);
	ck_assert_uint_eq(s.a.indications, 0);
	scene_close(&s);
}
END_TEST

START_TEST(a_rejects_the_accept)
{
	struct scene s;
	struct op op;
	struct sa to = scene_server(&s, B_V4, NULL, NO_OPTIONS);

	assert_status(op_wait(&op, ep_connect_start(&s.a, to, NULL, &op)),
		      STATUS_SUCCESS);
	child_hear(&s.b, "private ");
	assert_status(s.a.conn->Dispatch->NdkReject(s.a.conn, "bye", 3),
		      STATUS_SUCCESS);
	hear_ours(&s.b, "bye", REJ_ROOM);
	child_hear_line(&s.b, "rejected 28");
	scene_close(&s);
}
END_TEST

START_TEST(nobody_listens)
{
	struct scene s;
	struct op op;
	struct sa to = scene_server(&s, b_at[_i], NULL, NO_OPTIONS);

	child_quit(&s.b);
	assert_status(op_wait(&op, ep_connect_start(&s.a, to, NULL, &op)),
		      STATUS_CONNECTION_REFUSED);
	scene_close(&s);
}
END_TEST

/* --- disconnect -------------------------------------------------------------------- */

START_TEST(b_answers_at_once)
{
	struct scene s;

	scene_open(&s, (enum who)_i, NULL, NO_OPTIONS);
	scene_disconnect(&s);
	ck_assert_uint_eq(s.a.indications, 0);
	scene_close(&s);
}
END_TEST

/* Until B's consumer has said it A pends, though B's kernel has the DREQ; and
 * from A's completion on its memory is its own, while B still writes to it */
START_TEST(b_answers_late)
{
	struct ep_opts o = { .mem = MIB };
	struct tally t = { 0 };
	struct scene s;
	struct op op;
	NTSTATUS st;

	scene_open(&s, (enum who)_i, &o, OPTIONS("-o", "never"));
	post_receives(&t, &s.a, 4);
	child_say(&s.b, "storm " A_MEMORY " %u", A_MEMORY_ARGS(&s), MIB);
	child_hear_line(&s.b, "storm");
	st = ep_disconnect_start(&s.a, &op);
	child_hear_line(&s.b, "disconnected");
	ck_assert(!op_wait_ms(&op, 300));
	child_say(&s.b, "disconnect");
	assert_status(op_wait(&op, st), STATUS_SUCCESS);
	memset(s.a.mem.va, 0xee, MIB);
	tally_close(&t, &s.a);
	child_hear(&s.b, "storm ended");
	child_hear_line(&s.b, "closed");
	ck_assert(mem_is(s.a.mem.va, MIB, 0xee));
	ck_assert_uint_eq(s.a.indications, 0);
	scene_close(&s);
}
END_TEST

/* A is done before B has stopped: B's storm goes on against a queue pair that is
 * there no more */
START_TEST(b_writes_on)
{
	struct ep_opts o = { .mem = MIB };
	struct scene s;
	struct op op;
	NTSTATUS st;

	scene_open(&s, (enum who)_i, &o, OPTIONS("-o", "never"));
	child_say(&s.b, "storm " A_MEMORY " %u", A_MEMORY_ARGS(&s), MIB);
	child_hear_line(&s.b, "storm");
	st = ep_disconnect_start(&s.a, &op);
	assert_status(op_wait(&op, st), STATUS_IO_TIMEOUT);
	memset(s.a.mem.va, 0xee, MIB);
	/* by its device's patience, or by that of the one who started it */
	child_hear_line(&s.b, "disconnected");
	child_say(&s.b, "disconnect");
	child_hear(&s.b, "storm ended");
	ck_assert(mem_is(s.a.mem.va, MIB, 0xee));
	scene_close(&s);
}
END_TEST

START_TEST(b_answers_after_a_second)
{
	struct scene s;
	struct op op;
	NTSTATUS st;

	scene_open(&s, A_CONNECTS, NULL, OPTIONS("-o", "1000"));
	st = ep_disconnect_start(&s.a, &op);
	assert_status(st, STATUS_PENDING);
	child_hear_line(&s.b, "disconnected");
	assert_status(op_wait(&op, st), STATUS_SUCCESS);
	child_hear_line(&s.b, "answered");
	scene_close(&s);
}
END_TEST

START_TEST(b_never_answers)
{
	struct tally t = { 0 };
	struct scene s;
	struct op op;
	NTSTATUS st;

	scene_open(&s, (enum who)_i, NULL, OPTIONS("-o", "never"));
	post_receives(&t, &s.a, 4);
	st = ep_disconnect_start(&s.a, &op);
	child_hear_line(&s.b, "disconnected");
	assert_status(op_wait(&op, st), STATUS_IO_TIMEOUT);
	tally_close(&t, &s.a);
	/* D9: it is over, whatever B says later */
	child_say(&s.b, "disconnect");
	child_hear_line(&s.b, "answered");
	child_hear_line(&s.b, "closed");
	assert_status(op_wait(&op, ep_disconnect_start(&s.a, &op)),
		      STATUS_CONNECTION_INVALID);
	ck_assert_uint_eq(s.a.indications, 0);
	scene_close(&s);
}
END_TEST

/* At the same time, as far as two processes can */
START_TEST(crossing)
{
	struct scene s;
	struct op op;
	NTSTATUS st;

	for (int i = 0; i < 10; i++) {
		scene_open(&s, i % 2 ? A_CONNECTS : B_CONNECTS, NULL,
			   NO_OPTIONS);
		child_say(&s.b, "disconnect");
		st = ep_disconnect_start(&s.a, &op);
		assert_status(op_wait(&op, st), STATUS_SUCCESS);
		child_hear_line(&s.b, "closed");
		ck_assert_uint_le(s.a.indications, 1);
		scene_close(&s);
	}
}
END_TEST

START_TEST(b_disconnects_first)
{
	struct tally t = { 0 };
	struct scene s;
	struct op op;

	scene_open(&s, (enum who)_i, NULL, NO_OPTIONS);
	post_receives(&t, &s.a, 4);
	child_say(&s.b, "disconnect");
	ck_assert(wait_count(&s.a.indications, 1, TEST_TIMEOUT_MS));
	ck_assert_uint_eq(s.a.reason, VIRTIO_RDMA_R_GRACEFUL);
	ck_assert(ep_idle(&s.a)); /* NDK: until A acts */
	assert_status(op_wait(&op, ep_disconnect_start(&s.a, &op)),
		      STATUS_SUCCESS);
	tally_close(&t, &s.a);
	assert_status(t.failure, STATUS_CANCELLED);
	child_hear_line(&s.b, "disconnected");
	child_hear_line(&s.b, "closed");
	ck_assert_uint_eq(s.a.indications, 1);
	scene_close(&s);
}
END_TEST

/* The kernel says DREQ for a dead process: to A it has disconnected */
static void dead_is_graceful(struct scene *s)
{
	struct op op;

	ck_assert_uint_eq(s->a.reason, VIRTIO_RDMA_R_GRACEFUL);
	assert_status(op_wait(&op, ep_disconnect_start(&s->a, &op)),
		      STATUS_SUCCESS);
}

/* Its kernel goes on acknowledging: what ends A's requests is that nobody posts
 * receives any more */
START_TEST(b_stands_still)
{
	struct tally t = { 0 };
	struct scene s;
	struct op op;

	scene_open(&s, (enum who)_i, NULL, OPTIONS("-q"));
	traffic(&t, &s, 100, post_message);
	assert_status(t.failure, STATUS_SUCCESS);
	child_signal(&s.b, SIGSTOP);
	traffic(&t, &s, UINT32_MAX, post_message);
	assert_status(t.failure, STATUS_IO_TIMEOUT);
	ck_assert(wait_count(&s.a.indications, 1, TEST_TIMEOUT_MS));
	ck_assert_uint_eq(s.a.reason, VIRTIO_RDMA_R_TIMED_OUT);
	assert_status(op_wait(&op, ep_disconnect_start(&s.a, &op)),
		      STATUS_IO_TIMEOUT);
	tally_close(&t, &s.a);
	ck_assert_uint_eq(s.a.indications, 1);
	child_signal(&s.b, SIGCONT);
	child_hear_line(&s.b, "disconnected");
	child_hear_line(&s.b, "closed");
	scene_close(&s);
}
END_TEST

/* --- packets that are lost ------------------------------------------------------------ */

static void whole_new_connection(void)
{
	static const uint32_t length[] = { 4096 };
	struct scene s;

	scene_open(&s, A_CONNECTS, NULL, NO_OPTIONS);
	messages_to_b(&s, length, 1);
	messages_from_b(&s, length, 1);
	scene_disconnect(&s);
	scene_close(&s);
}

START_TEST(nothing_comes_back)
{
	struct tally t = { 0 };
	struct scene s;
	struct op op;

	scene_open(&s, (enum who)_i, NULL, NO_OPTIONS);
	post_receives(&t, &s.a, 4);
	packets_drop(0, 100);
	assert_status(ep_post_send(&s.a, tally_id(&t), 0, 64, 0),
		      STATUS_SUCCESS);
	ck_assert(wait_count(&s.a.indications, 1, TEST_TIMEOUT_MS));
	ck_assert_uint_eq(s.a.reason, VIRTIO_RDMA_R_TIMED_OUT);
	assert_status(op_wait(&op, ep_disconnect_start(&s.a, &op)),
		      STATUS_IO_TIMEOUT);
	tally_close(&t, &s.a);
	assert_status(t.failure, STATUS_IO_TIMEOUT);
	ck_assert_uint_gt(packets_dropped(), 0);
	ck_assert(packets_pass());
	scene_close(&s);
	whole_new_connection();
}
END_TEST

START_TEST(no_answer_comes_back)
{
	struct tally t = { 0 };
	struct scene s;
	struct op op;

	scene_open(&s, (enum who)_i, NULL, NO_OPTIONS);
	post_receives(&t, &s.a, 4);
	packets_drop(0, 100);
	assert_status(op_wait(&op, ep_disconnect_start(&s.a, &op)),
		      STATUS_IO_TIMEOUT);
	tally_close(&t, &s.a);
	ck_assert_uint_gt(packets_dropped(), 0);
	ck_assert(packets_pass());
	ck_assert_uint_eq(s.a.indications, 0);
	scene_close(&s);
	whole_new_connection();
}
END_TEST

/* Neither DREQ arrives until both are said: a crossing that is none by chance */
START_TEST(crossing_on_the_wire)
{
	struct scene s;
	struct op op;
	NTSTATUS st;

	scene_open(&s, (enum who)_i, NULL, OPTIONS("-o", "never"));
	packets_drop(0, 100);
	packets_drop(1, 100);
	st = ep_disconnect_start(&s.a, &op);
	child_say(&s.b, "disconnect");
	child_say(&s.b, "count");
	child_hear_line(&s.b, "counted 0 0");
	ck_assert(!op_wait_ms(&op, 100));
	ck_assert_uint_gt(packets_dropped(), 0);
	ck_assert(packets_pass());
	assert_status(op_wait(&op, st), STATUS_SUCCESS);
	child_hear_line(&s.b, "disconnected");
	child_hear_line(&s.b, "closed");
	ck_assert_uint_le(s.a.indications, 1);
	scene_close(&s);
}
END_TEST

/* A device says once that a packet is missing, and a retransmission that is lost
 * costs half a second: hence the sizes */
static const struct {
	int data, answers; /* of 100 are lost */
	uint32_t length;
} lossy[] = {
	{ 20, 0, MIB },
	{ 0, 20, 4 * MIB },
	{ 20, 20, MIB / 4 },
};
#define LOSSY ((int)(sizeof(lossy) / sizeof(lossy[0])))

static void post_chunks(struct scene *s, uint32_t length, uint32_t chunk)
{
	for (uint32_t at = 0; at < length; at += chunk) {
		NDK_SGE sge = ep_sge(&s->a, at, chunk);

		assert_status(s->a.qp->Dispatch->NdkWrite(
				      s->a.qp, ID(at), &sge, 1, s->b_addr + at,
				      s->b_key, 0), STATUS_SUCCESS);
	}
}

START_TEST(a_fifth_is_lost)
{
	const uint32_t length = lossy[_i].length, chunk = 16384;
	struct ep_opts o = { .mem = length, .depth = length / chunk };
	struct scene s;

	scene_open(&s, A_CONNECTS, &o, OPTIONS("-m", "4194304"));
	packets_drop(1, lossy[_i].data);
	packets_drop(0, lossy[_i].answers);
	mem_fill(&s.a.mem, 1);
	post_chunks(&s, length, chunk);
	for (uint32_t at = 0; at < length; at += chunk)
		expect(&s.a, at, 0);
	child_say(&s.b, "check %u 1", length);
	child_hear_line(&s.b, "check %u ok", length);
	ck_assert_uint_gt(packets_dropped(), 0);
	ck_assert(packets_pass());
	scene_disconnect(&s);
	scene_close(&s);
}
END_TEST

/* --- main ---------------------------------------------------------------------------- */

static void usual(void)
{
	foreign_setup(10000, 5000);
}

static void impatient(void)
{
	foreign_setup(1500, 1500);
}

static void patient(void)
{
	foreign_setup(60000, 120000);
}

static TCase *with(Suite *s, const char *name, void (*setup)(void))
{
	TCase *tc = add_case(s, name, 120);

	tcase_add_checked_fixture(tc, setup, fx_teardown);
	return tc;
}

static void add_connecting(Suite *s)
{
	TCase *tc = with(s, "connecting", usual);

	tcase_add_loop_test(tc, private_data_to_b, 0, 2);
	tcase_add_loop_test(tc, private_data_from_b, 0, 2);
	tcase_add_test(tc, b_rejects_the_request);
	tcase_add_test(tc, a_rejects_the_request);
	tcase_add_test(tc, b_rejects_the_accept);
	tcase_add_test(tc, a_rejects_the_accept);
	tcase_add_loop_test(tc, nobody_listens, 0, 2);
}

static void add_disconnects(Suite *s)
{
	TCase *tc = with(s, "disconnect", usual);

	tcase_add_loop_test(tc, b_answers_at_once, 0, 2);
	tcase_add_loop_test(tc, b_answers_late, 0, 2);
	tcase_add_test(tc, b_answers_after_a_second);
	tcase_add_test(tc, crossing);
	tcase_add_loop_test(tc, b_disconnects_first, 0, 2);
	add_death_tests(tc, dead_is_graceful);
	tc = with(s, "disconnect, impatient", impatient);
	tcase_add_loop_test(tc, b_never_answers, 0, 2);
	tcase_add_loop_test(tc, b_writes_on, 0, 2);
	tcase_add_loop_test(tc, b_stands_still, 0, 2);
}

static void add_losses(Suite *s)
{
	TCase *tc = with(s, "lost packets", impatient);

	tcase_add_loop_test(tc, nothing_comes_back, 0, 2);
	tcase_add_loop_test(tc, no_answer_comes_back, 0, 2);
	tc = with(s, "lost packets, patient", patient);
	tcase_add_loop_test(tc, crossing_on_the_wire, 0, 2);
	tcase_add_loop_test(tc, a_fifth_is_lost, 0, LOSSY);
}

static bool there(const char *path, int mode, const char *why)
{
	if (!access(path, mode))
		return true;
	fprintf(stderr, "test_foreign: no %s: %s\n", path, why);
	return false;
}

static bool is_possible(void)
{
	static const char joined[] =
		"rxe0 and rxe1 are joined by tests/nested/link.py, in the "
		"machine of scripts/nested.py";
	bool ok = there("/sys/class/infiniband/rxe0", F_OK, joined) &&
		  there("/sys/class/infiniband/rxe1", F_OK, joined) &&
		  there("/usr/sbin/nft", X_OK, "package nftables") &&
		  there("/usr/bin/rping", X_OK, "package rdmacm-utils");

	if (!geteuid())
		return ok;
	fprintf(stderr, "test_foreign: it drops packets: run it as root\n");
	return false;
}

int main(void)
{
	Suite *s = suite_create("foreign");
	int status;

	if (!is_possible())
		return 2;
	setenv("VRDMA_BACKEND", "verbs", 1);
	add_connecting(s);
	add_transfer_tests(s, usual);
	add_disconnects(s);
	add_losses(s);
	add_rping_tests(s);
	status = run_suite(s);
	packets_pass();
	return status;
}
