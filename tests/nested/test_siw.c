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
 *
 * Deaths and errors: test_siw_wrong.c.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "foreign.h"
#include "pattern.h"

#define MOST	  248	/* of private data */
#define CONNECTED 1000	/* connections in a row that A begins */
#define ACCEPTED  200	/* and that B does */
#define STALL_MS  1000	/* longer is one */
#define SLOW	  3	/* and times VRDMA_PATIENCE where that is set */

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
	uint64_t most = STALL_MS;

	if (patience)
		most *= SLOW * strtoul(patience, NULL, 10);
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

static void add_connecting(Suite *s)
{
	TCase *tc = siw_case(s, "connecting", 60);

	tcase_add_loop_test(tc, private_data_to_b, 0, 2);
	tcase_add_loop_test(tc, private_data_from_b, 0, 2);
	tcase_add_test(tc, b_rejects_the_request);
	tcase_add_test(tc, a_rejects_the_request);
	tcase_add_test(tc, a_rejects_the_accept);
	tcase_add_loop_test(tc, nobody_listens, 0, 2);
}

static void add_ends(Suite *s)
{
	TCase *tc = siw_case(s, "ends", 60);

	tcase_add_loop_test(tc, a_disconnects, 0, 2);
	tcase_add_test(tc, crossing);
	tcase_add_loop_test(tc, b_disconnects_first, 0, 2);
	tcase_add_loop_test(tc, data_then_disconnect, 0, 2);
}

static void add_rows(Suite *s)
{
	TCase *tc = siw_case(s, "in a row", 200);

	tcase_add_test(tc, a_connects_in_a_row);
	tcase_add_test(tc, b_connects_in_a_row);
}

int main(void)
{
	Suite *s = suite_create("siw");

	siw_needed();
	add_connecting(s);
	add_transfer_tests(s, siw_setup);
	add_ends(s);
	add_rping_tests(s);
	add_rows(s);
	return run_suite(s);
}
