// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * test_siw.c - our user-space iWARP against Linux's siw
 *
 * DOC: A is a guest of a vrdmad with `fabric = iwarp`; B is a plain librdmacm
 * program or rping on siw1.  Runs where tests/nested/siw.py has put siw1 on the
 * cable (make nested).  The scenes are those of test_foreign.c; what is different:
 *
 *	private data	as long as it is, up to 248 bytes of it (siw's 256, less
 *			the enhanced block and what its arithmetic wraps at)
 *	a reject of	only A's: B's kernel has no way to say one.  B has been
 *	an accept	told of an established connection by then, or never is
 *	a disconnect	B's kernel answers FIN by FIN at once, whatever B's
 *			program does: A's Disconnect never waits for that
 *	a death of B	its kernel closes for it, with FIN or, where something
 *			was unread, a reset: GRACEFUL or RESET
 *	no receive	siw waits for none: the connection ends with B's Terminate
 *	a death of A	vrdmad's sockets end with a reset: B is told
 */
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "foreign.h"
#include "pattern.h"
#include "transport.h"

#define MOST	  248	/* of private data */
#define CONNECTED 1000	/* connections in a row that A begins */
#define ACCEPTED  200	/* and that B does */
#define STALL_MS  1000	/* longer is one, times VRDMA_PATIENCE */

static const char *const b_at[] = { B_V4, B_V6 };

/* --- data of connections ------------------------------------------------------- */

static void hear_private(struct child *b, const char *text)
{
	/* of none nothing is said */
	if (*text)
		child_hear_line(b, "private %zu %s", strlen(text), text);
}

static void fill_text(char *text, size_t length)
{
	memset(text, 'x', length);
	text[length] = '\0';
}

static void check_private(NDK_CONNECTOR *c, const char *text)
{
	check_padded(c, text, (uint32_t)strlen(text));
}

static void exact_to_b(const char *address, const char *ask, const char *answer)
{
	struct scene s;
	struct op op;
	NTSTATUS st;
	struct sa to = scene_server(&s, address, NULL, OPTIONS("-d", answer));

	st = ep_connect_start(&s.a, to, ask, &op);
	hear_private(&s.b, ask);
	assert_status(op_wait(&op, st), STATUS_SUCCESS);
	check_private(s.a.conn, answer);
	assert_status(ep_complete(&s.a), STATUS_SUCCESS);
	child_hear_line(&s.b, "established");
	scene_disconnect(&s);
	scene_close(&s);
}

START_TEST(private_data_to_b)
{
	char ask[MOST + 1], answer[196 + 1];

	fill_text(ask, MOST);
	fill_text(answer, 196); /* peer's own limit */
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

	check_private(in, ask);
	st = ep_accept_start(&s.a, in, answer, &op);
	hear_private(&s.b, answer);
	child_hear_line(&s.b, "established");
	assert_status(op_wait(&op, st), STATUS_SUCCESS);
	scene_disconnect(&s);
	scene_close(&s);
}

START_TEST(private_data_from_b)
{
	char ask[196 + 1], answer[MOST + 1];

	fill_text(ask, 196);
	fill_text(answer, MOST);
	exact_from_b(b_at[_i], "hello from B", "and A answers");
	exact_from_b(b_at[_i], "", "");
	exact_from_b(b_at[_i], ask, answer);
}
END_TEST

/* --- rejects -------------------------------------------------------------------- */

START_TEST(b_rejects_the_request)
{
	struct scene s;
	struct op op;
	struct sa to = scene_server(&s, B_V4, NULL,
				    OPTIONS("-x", "-d", "no thanks"));

	assert_status(op_wait(&op, ep_connect_start(&s.a, to, "please", &op)),
		      STATUS_CONNECTION_REFUSED);
	check_private(s.a.conn, "no thanks");
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
	hear_private(&s.b, "not you");
	child_hear(&s.b, "rejected ");
	ck_assert_int_eq(child_wait(&s.b), 1);
	nd_close(in);
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
	child_hear(&s.b, "buffer ");
	assert_status(s.a.conn->Dispatch->NdkReject(s.a.conn, "bye", 3),
		      STATUS_SUCCESS);
	child_hear_line(&s.b, "closed");
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

/* --- disconnect ------------------------------------------------------------------ */

START_TEST(a_disconnects)
{
	struct tally t = { 0 };
	struct scene s;
	struct op op;

	/* B's program does nothing at all about it */
	scene_open(&s, (enum who)_i, NULL, OPTIONS("-o", "never"));
	post_receives(&t, &s.a, 4);
	assert_status(op_wait(&op, ep_disconnect_start(&s.a, &op)),
		      STATUS_SUCCESS);
	tally_close(&t, &s.a);
	assert_status(t.failure, STATUS_CANCELLED);
	ck_assert_uint_eq(s.a.indications, 0);
	child_hear_line(&s.b, "disconnected");
	scene_close(&s);
}
END_TEST

START_TEST(crossing)
{
	struct scene s;
	struct op op;
	NTSTATUS st;

	for (int i = 0; i < 20; i++) {
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
	child_hear_line(&s.b, "closed");
	ck_assert_uint_eq(s.a.indications, 1);
	scene_close(&s);
}
END_TEST

/* What A's writes had done before the disconnect, B has */
START_TEST(data_then_disconnect)
{
	struct ep_opts o = { .mem = MIB };
	struct scene s;
	struct op op;

	scene_open(&s, (enum who)_i, &o, OPTIONS("-o", "never"));
	for (uint32_t i = 0; i < 8; i++) {
		mem_fill(&s.a.mem, i);
		assert_status(scene_write(&s, i, MIB), STATUS_SUCCESS);
		expect(&s.a, i, 0);
	}
	assert_status(op_wait(&op, ep_disconnect_start(&s.a, &op)),
		      STATUS_SUCCESS);
	child_hear_line(&s.b, "disconnected");
	child_say(&s.b, "check %u 7", MIB);
	child_hear_line(&s.b, "check %u ok", MIB);
	scene_close(&s);
}
END_TEST

/* --- deaths ------------------------------------------------------------------------ */

static void b_is_killed(struct scene *s, struct tally *t, bool with_traffic)
{
	struct op op;

	child_signal(&s->b, SIGKILL);
	if (with_traffic)
		traffic(t, s, UINT32_MAX, post_write);
	ck_assert_int_eq(child_wait(&s->b), 128 + SIGKILL);
	ck_assert(wait_count(&s->a.indications, 1, TEST_TIMEOUT_MS));
	if (!with_traffic)
		ck_assert_uint_eq(s->a.reason, VIRTIO_RDMA_R_GRACEFUL);
	else if (s->a.reason != VIRTIO_RDMA_R_GRACEFUL)
		ck_assert_uint_eq(s->a.reason, VIRTIO_RDMA_R_RESET);
	op_wait(&op, ep_disconnect_start(&s->a, &op));
	tally_close(t, &s->a);
	ck_assert(ep_idle(&s->a));
	ck_assert_uint_eq(s->a.indications, 1);
	scene_close(s);
}

START_TEST(b_killed_when_idle)
{
	struct tally t = { 0 };
	struct scene s;

	scene_open(&s, (enum who)_i, NULL, NO_OPTIONS);
	post_receives(&t, &s.a, 4);
	b_is_killed(&s, &t, false);
}
END_TEST

START_TEST(b_killed_with_traffic)
{
	struct ep_opts o = { .mem = MIB };
	struct tally t = { 0 };
	struct scene s;

	scene_open(&s, (enum who)_i, &o, NO_OPTIONS);
	post_receives(&t, &s.a, 4);
	child_say(&s.b, "storm " A_MEMORY " %u", A_MEMORY_ARGS(&s), 65536);
	child_hear_line(&s.b, "storm");
	traffic(&t, &s, 100, post_write);
	assert_status(t.failure, STATUS_SUCCESS);
	b_is_killed(&s, &t, true);
}
END_TEST

/* vrdmad dies; the machine stays, and gets a new one */
START_TEST(a_killed_with_traffic)
{
	struct ep_opts o = { .mem = MIB };
	struct scene s;

	scene_open(&s, (enum who)_i, &o, NO_OPTIONS);
	child_say(&s.b, "storm " A_MEMORY " %u", A_MEMORY_ARGS(&s), 65536);
	child_hear_line(&s.b, "storm");
	daemon_kill(test_backend()->daemon(0));
	child_hear(&s.b, "storm ended");
	child_hear_line(&s.b, "closed");
	ck_assert(wait_count(&s.a.indications, 1, TEST_TIMEOUT_MS));
	ck_assert(daemon_restart(test_backend()->daemon(0)));
	scene_close(&s);
}
END_TEST

/* --- receives that are not there -------------------------------------------------------- */

/* Ours waits for one, as RDMA networks do */
START_TEST(a_receives_late)
{
	struct scene s;
	struct op op;

	scene_open(&s, (enum who)_i, NULL, NO_OPTIONS);
	child_say(&s.b, "send 1000 3");
	op_init(&op);
	ck_assert(!op_wait_ms(&op, 300)); /* nothing ends: it is only time */
	memset(s.a.mem.va, 0xee, 4096);
	for (uint32_t i = 0; i < 3; i++) {
		assert_status(ep_post_recv(&s.a, i, 0, 4096), STATUS_SUCCESS);
		expect(&s.a, i, 1000);
		ck_assert_int_eq(mem_check(s.a.mem.va, 1000, i, 0), -1);
	}
	child_hear_line(&s.b, "sent 3");
	scene_disconnect(&s);
	scene_close(&s);
}
END_TEST

/* With siw a Send or Write ends when TCP has it: what was wrong with it only the
 * indication tells */
static void a_is_told(struct scene *s, NTSTATUS status, uint32_t reason)
{
	struct op op;

	assert_status(ep_next(&s->a).Status, status);
	ck_assert(wait_count(&s->a.indications, 1, TEST_TIMEOUT_MS));
	ck_assert_uint_eq(s->a.reason, reason);
	child_hear_line(&s->b, "closed");
	op_wait(&op, ep_disconnect_start(&s->a, &op));
	ck_assert_uint_eq(s->a.indications, 1);
	scene_close(s);
}

/* siw does not */
START_TEST(b_has_no_receive)
{
	struct scene s;

	scene_open(&s, (enum who)_i, NULL, OPTIONS("-r", "0"));
	assert_status(ep_post_send(&s.a, 1, 0, 64, 0), STATUS_SUCCESS);
	a_is_told(&s, STATUS_SUCCESS, VIRTIO_RDMA_R_TIMED_OUT);
}
END_TEST

/* --- memory of others -------------------------------------------------------------------- */

START_TEST(a_writes_where_it_may_not)
{
	struct scene s;

	scene_open(&s, (enum who)_i, NULL, NO_OPTIONS);
	s.b_addr += _i ? MIB : 0; /* behind the end, or with another key */
	s.b_key ^= _i ? 0 : 0x100;
	assert_status(scene_write(&s, 1, 64), STATUS_SUCCESS);
	a_is_told(&s, STATUS_SUCCESS, VIRTIO_RDMA_R_LOCAL_ERROR);
}
END_TEST

START_TEST(a_reads_where_it_may_not)
{
	struct scene s;

	scene_open(&s, (enum who)_i, NULL, NO_OPTIONS);
	s.b_addr += _i ? MIB : 0;
	s.b_key ^= _i ? 0 : 0x100;
	assert_status(scene_read(&s, 1, 64), STATUS_SUCCESS);
	a_is_told(&s, STATUS_ACCESS_VIOLATION, VIRTIO_RDMA_R_LOCAL_ERROR);
}
END_TEST

static const char *const forbidden[] = { "write", "read" };

START_TEST(b_reaches_where_it_may_not)
{
	struct scene s;
	struct op op;

	scene_open(&s, B_CONNECTS, NULL, NO_OPTIONS);
	mem_fill(&s.a.mem, 1);
	child_say(&s.b, "%s %" PRIxPTR " %x 64 2", forbidden[_i],
		  (uintptr_t)s.a.mem.va + s.a.mem.size - 32, s.a.mem.remote);
	ck_assert(wait_count(&s.a.indications, 1, TEST_TIMEOUT_MS));
	ck_assert_uint_eq(s.a.reason, VIRTIO_RDMA_R_RESET);
	ck_assert_int_eq(mem_check(s.a.mem.va, s.a.mem.size, 1, 0), -1);
	child_hear_line(&s.b, "closed");
	op_wait(&op, ep_disconnect_start(&s.a, &op));
	scene_close(&s);
}
END_TEST

/* --- connections in a row ------------------------------------------------------------- */

/* The longest step of any of them */
static uint64_t longest;

static uint64_t now(const struct scene *s)
{
	return tguest_ops()->now_ms(s->a.g);
}

/* siw's silence lasts until something else arrives, which is what is looked for;
 * an emulated machine is slow by itself */
static void step_ended(const struct scene *s, uint64_t began, const char *what,
		       uint32_t n)
{
	const char *patience = getenv("VRDMA_PATIENCE");
	uint64_t took = now(s) - began;
	uint64_t most = STALL_MS * (patience ? strtoul(patience, NULL, 10) : 1);

	if (took > longest)
		longest = took;
	ck_assert_msg(took <= most, "connection %u: %s took %" PRIu64 " ms", n,
		      what, took);
}

static void report(const char *who, uint32_t n)
{
	printf("in a row: %u connections that %s began, the longest step took "
	       "%" PRIu64 " ms\n", n, who, longest);
	fflush(stdout);
}

/* A message each way, and who disconnects first takes turns */
static void use_and_end(struct scene *s, uint32_t n)
{
	uint64_t began = now(s);
	struct op op;

	assert_status(ep_post_recv(&s->a, 1, 64, 64), STATUS_SUCCESS);
	pattern_fill(s->a.mem.va, 64, 0);
	assert_status(ep_post_send(&s->a, 2, 0, 64, 0), STATUS_SUCCESS);
	child_say(&s->b, "send 64 1");
	for (int i = 0; i < 2; i++)
		assert_status(ep_next(&s->a).Status, STATUS_SUCCESS);
	ck_assert_int_eq(mem_check(s->a.mem.va + 64, 64, 0, 0), -1);
	child_hear_line(&s->b, "received 0 64 ok");
	step_ended(s, began, "a message each way", n);
	began = now(s);
	if (n % 2) {
		child_say(&s->b, "disconnect");
		ck_assert(wait_count(&s->a.indications, 1, TEST_TIMEOUT_MS));
		ck_assert_uint_eq(s->a.reason, VIRTIO_RDMA_R_GRACEFUL);
	}
	assert_status(op_wait(&op, ep_disconnect_start(&s->a, &op)),
		      STATUS_SUCCESS);
	child_hear_line(&s->b, "closed");
	step_ended(s, began, "its end", n);
	nd_close(s->a.conn);
	s->a.conn = NULL;
	s->a.indications = 0;
	ep_renew(&s->a);
}

static const struct ep_opts few = { .depth = 4, .mem = 4096 };
#define SMALL "-r", "2", "-b", "64", "-m", "4096"

START_TEST(a_connects_in_a_row)
{
	struct scene s;
	struct op op;
	struct sa to = scene_server(&s, B_V4, &few, OPTIONS(SMALL));

	longest = 0;
	for (uint32_t i = 0; i < CONNECTED; i++) {
		uint64_t began = now(&s);
		NTSTATUS st = ep_connect_start(&s.a, to, NULL, &op);

		assert_status(op_wait(&op, st), STATUS_SUCCESS);
		assert_status(ep_complete(&s.a), STATUS_SUCCESS);
		child_hear_line(&s.b, "established");
		step_ended(&s, began, "its beginning", i);
		use_and_end(&s, i);
	}
	report("A", CONNECTED);
	scene_close(&s);
}
END_TEST

START_TEST(b_connects_in_a_row)
{
	char n[8];
	struct scene s;
	struct op op;
	NDK_CONNECTOR *in;

	longest = 0;
	snprintf(n, sizeof(n), "%u", ACCEPTED);
	in = scene_client(&s, B_V4, &few, OPTIONS(SMALL, "-n", n));
	for (uint32_t i = 0; i < ACCEPTED; i++) {
		uint64_t began = now(&s);
		NTSTATUS st = ep_accept_start(&s.a, in, NULL, &op);

		assert_status(op_wait(&op, st), STATUS_SUCCESS);
		child_hear_line(&s.b, "established");
		step_ended(&s, began, "its beginning", i);
		use_and_end(&s, i);
		if (i + 1 < ACCEPTED)
			in = listener_next(&s.l);
	}
	report("B", ACCEPTED);
	ck_assert_int_eq(child_wait(&s.b), 0);
	scene_close(&s);
}
END_TEST

/* --- main ---------------------------------------------------------------------------- */

static void usual(void)
{
	foreign_setup(10000, 5000);
}

static TCase *with(Suite *s, const char *name, int seconds)
{
	TCase *tc = add_case(s, name, seconds);

	tcase_add_checked_fixture(tc, usual, fx_teardown);
	return tc;
}

static void add_connecting(Suite *s)
{
	TCase *tc = with(s, "connecting", 60);

	tcase_add_loop_test(tc, private_data_to_b, 0, 2);
	tcase_add_loop_test(tc, private_data_from_b, 0, 2);
	tcase_add_test(tc, b_rejects_the_request);
	tcase_add_test(tc, a_rejects_the_request);
	tcase_add_test(tc, a_rejects_the_accept);
	tcase_add_loop_test(tc, nobody_listens, 0, 2);
}

static void add_ends(Suite *s)
{
	TCase *tc = with(s, "ends", 60);

	tcase_add_loop_test(tc, a_disconnects, 0, 2);
	tcase_add_test(tc, crossing);
	tcase_add_loop_test(tc, b_disconnects_first, 0, 2);
	tcase_add_loop_test(tc, data_then_disconnect, 0, 2);
	tc = with(s, "deaths", 60);
	tcase_add_loop_test(tc, b_killed_when_idle, 0, 2);
	tcase_add_loop_test(tc, b_killed_with_traffic, 0, 2);
	tcase_add_loop_test(tc, a_killed_with_traffic, 0, 2);
}

static void add_errors(Suite *s)
{
	TCase *tc = with(s, "errors", 60);

	tcase_add_loop_test(tc, a_receives_late, 0, 2);
	tcase_add_loop_test(tc, b_has_no_receive, 0, 2);
	tcase_add_loop_test(tc, a_writes_where_it_may_not, 0, 2);
	tcase_add_loop_test(tc, a_reads_where_it_may_not, 0, 2);
	tcase_add_loop_test(tc, b_reaches_where_it_may_not, 0, 2);
}

static void add_rows(Suite *s)
{
	TCase *tc = with(s, "in a row", 200);

	tcase_add_test(tc, a_connects_in_a_row);
	tcase_add_test(tc, b_connects_in_a_row);
}

int main(void)
{
	Suite *s = suite_create("siw");

	if (access("/sys/class/infiniband/siw1", F_OK)) {
		fprintf(stderr, "test_siw: no siw1: tests/nested/siw.py puts it on "
			"the cable, in the machine of scripts/nested.py\n");
		return 2;
	}
	setenv("VRDMA_BACKEND", "iwarp", 1);
	setenv("VRDMA_NET", "here", 1);
	add_connecting(s);
	add_transfer_tests(s, usual);
	add_ends(s);
	add_errors(s);
	add_rping_tests(s);
	add_rows(s);
	return run_suite(s);
}
