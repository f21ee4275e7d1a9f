// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * test_siw_wrong.c - deaths and errors between our iWARP and Linux's siw
 *
 * DOC: As test_siw.c.  What is different from test_foreign.c:
 *
 *	a death of B	its kernel closes for it, with FIN or, where something
 *			was unread, a reset: GRACEFUL or RESET
 *	a death of A	vrdmad's sockets end with a reset: B is told
 *	no receive	siw waits for none: the connection ends with B's Terminate
 *	wrong memory	a Write or Send is over for A when TCP has it: only the
 *			indication tells
 */
#include <inttypes.h>
#include <signal.h>
#include <string.h>

#include "foreign.h"
#include "transport.h"

/* --- deaths ------------------------------------------------------------------------ */

/* siw's kernel closes in one way or the other */
static void dead_is_over(struct scene *s)
{
	struct op op;

	if (s->a.reason != VIRTIO_RDMA_R_GRACEFUL)
		ck_assert_uint_eq(s->a.reason, VIRTIO_RDMA_R_RESET);
	op_wait(&op, ep_disconnect_start(&s->a, &op));
}

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

/* --- main ---------------------------------------------------------------------------- */

int main(void)
{
	Suite *s = suite_create("siw, wrong");
	TCase *tc = siw_case(s, "deaths", 60);

	siw_needed();
	add_death_tests(tc, dead_is_over);
	tcase_add_loop_test(tc, a_killed_with_traffic, 0, 2);
	tc = siw_case(s, "errors", 60);
	tcase_add_loop_test(tc, a_receives_late, 0, 2);
	tcase_add_loop_test(tc, b_has_no_receive, 0, 2);
	tcase_add_loop_test(tc, a_writes_where_it_may_not, 0, 2);
	tcase_add_loop_test(tc, a_reads_where_it_may_not, 0, 2);
	tcase_add_loop_test(tc, b_reaches_where_it_may_not, 0, 2);
	return run_suite(s);
}
