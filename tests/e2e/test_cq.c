// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * test_cq.c - completion queues at work: what an arm waits for, an overrun, one
 * queue for many, polling and callbacks mixed
 */
#include <sched.h>
#include <string.h>

#include "fixture.h"
#include "transport.h"

/* One message from a to b, seen to have ended on both sides */
static void message(struct pair *p, uint64_t id, uint32_t flags)
{
	assert_status(ep_post_recv(&p->b, id, 0, 64), STATUS_SUCCESS);
	assert_status(ep_post_send(&p->a, id, 0, 64, flags), STATUS_SUCCESS);
	assert_status(ep_next(&p->a).Status, STATUS_SUCCESS);
	assert_status(ep_next(&p->b).Status, STATUS_SUCCESS);
}

/* --- what an arm waits for --------------------------------------------------- */

/* An arm for ANY next to one for SOLICITED, in either order, or one for ERRORS:
 * one callback for the two, at the next completion of any kind */
START_TEST(arms_merge)
{
	static const ULONG rows[][2] = {
		{NDK_CQ_NOTIFY_SOLICITED, NDK_CQ_NOTIFY_ANY},
		{NDK_CQ_NOTIFY_ANY, NDK_CQ_NOTIFY_SOLICITED},
		{NDK_CQ_NOTIFY_ERRORS, NDK_CQ_NOTIFY_ANY},
		{NDK_CQ_NOTIFY_ANY, NDK_CQ_NOTIFY_ERRORS},
	};
	struct pair p;

	pair_open(&p, 0, 1, NULL);
	ep_arm(&p.b, rows[_i][0]);
	ep_arm(&p.b, rows[_i][1]);
	message(&p, 1, 0);
	ep_expect_events(&p.b, 1);
	message(&p, 2, NDK_OP_FLAG_SEND_AND_SOLICIT_EVENT);
	message(&p, 3, 0);
	/* a third arm, content at once, comes behind whatever was wrong */
	ep_arm(&p.b, NDK_CQ_NOTIFY_ANY);
	message(&p, 4, 0);
	ep_expect_events(&p.b, 2);
	ep_disconnect_both(&p.a, &p.b);
	ck_assert_uint_eq(p.b.cq_events, 2);
	pair_close(&p);
}
END_TEST

/* ERRORS and SOLICITED: the stronger waits for a solicited one */
START_TEST(solicited_beats_errors)
{
	struct pair p;

	pair_open(&p, 0, 1, NULL);
	ep_arm(&p.b, _i ? NDK_CQ_NOTIFY_SOLICITED : NDK_CQ_NOTIFY_ERRORS);
	ep_arm(&p.b, _i ? NDK_CQ_NOTIFY_ERRORS : NDK_CQ_NOTIFY_SOLICITED);
	if (test_backend()->tells_solicited) {
		message(&p, 1, 0);
		message(&p, 2, 0);
		ck_assert_uint_eq(p.b.cq_events, 0);
	}
	message(&p, 3, NDK_OP_FLAG_SEND_AND_SOLICIT_EVENT);
	ep_expect_events(&p.b, 1);
	ep_disconnect_both(&p.a, &p.b);
	pair_close(&p);
}
END_TEST

/* A completion that failed satisfies SOLICITED, and never ERRORS, which is for
 * the queue's own end */
START_TEST(failed_completion)
{
	struct pair p;

	pair_open(&p, 0, 1, NULL);
	ep_arm(&p.b, _i ? NDK_CQ_NOTIFY_SOLICITED : NDK_CQ_NOTIFY_ERRORS);
	assert_status(ep_post_recv(&p.b, 1, 0, 64), STATUS_SUCCESS);
	p.b.qp->Dispatch->NdkFlush(p.b.qp);
	assert_status(ep_next(&p.b).Status, STATUS_CANCELLED);
	if (_i)
		ep_expect_events(&p.b, 1);
	else
		ck_assert_uint_eq(p.b.cq_events, 0);
	pair_close(&p);
	ck_assert_uint_eq(p.b.cq_events, _i);
}
END_TEST

/* --- overrun --------------------------------------------------------------------- */

/* More completions than it has room for: each kind of arm is told, once; the
 * queue pair dies with it; what is in it can be taken */
START_TEST(overrun)
{
	static const ULONG kinds[] = {NDK_CQ_NOTIFY_ERRORS, NDK_CQ_NOTIFY_ANY,
				      NDK_CQ_NOTIFY_SOLICITED};
	struct ep_opts o = {.depth = 16, .cq_depth = 4};
	struct pair p;
	NDK_RESULT r[8];

	pair_open(&p, 0, 1, &o);
	if (kinds[_i] != NDK_CQ_NOTIFY_ANY)
		ep_arm(&p.a, kinds[_i]);
	for (uint64_t i = 0; i < 8; i++)
		assert_status(ep_post_write(&p.a, i, 0, 64, &p.b, 0, 0),
			      STATUS_SUCCESS);
	ck_assert(wait_count(&p.a.indications, 1, TEST_TIMEOUT_MS));
	ck_assert_uint_eq(p.a.reason, VIRTIO_RDMA_R_LOCAL_ERROR);
	ck_assert(wait_count(&p.b.indications, 1, TEST_TIMEOUT_MS));
	if (kinds[_i] == NDK_CQ_NOTIFY_ANY) /* first heard of afterwards */
		ep_arm(&p.a, kinds[_i]);
	ck_assert(wait_count(&p.a.cq_events, 1, TEST_TIMEOUT_MS));
	if (kinds[_i] != NDK_CQ_NOTIFY_ANY)
		assert_status(p.a.cq_status, STATUS_BUFFER_OVERFLOW);
	ck_assert_uint_eq(p.a.cq->Dispatch->NdkGetCqResults(p.a.cq, r, 8), 4);
	for (uintptr_t i = 0; i < 4; i++) {
		assert_status(r[i].Status, STATUS_SUCCESS);
		ck_assert_uint_eq((uintptr_t)r[i].RequestContext, i);
	}
	/* dead for good: the next arm says so */
	ep_arm(&p.a, NDK_CQ_NOTIFY_ERRORS);
	ck_assert(wait_count(&p.a.cq_events, 2, TEST_TIMEOUT_MS));
	assert_status(p.a.cq_status, STATUS_BUFFER_OVERFLOW);
	pair_close(&p);
	ck_assert_uint_eq(p.a.cq_events, 2);
}
END_TEST

/* A queue pair deeper than its queue does no harm while the consumer takes in
 * time */
START_TEST(queue_pair_deeper_than_its_queue)
{
	struct ep_opts o = {.depth = 64, .cq_depth = 8};
	struct pair p;

	pair_open(&p, 0, 1, &o);
	for (uint64_t i = 0; i < 512; i++) {
		assert_status(ep_post_write(&p.a, i, 0, 64, &p.b, 0, 0),
			      STATUS_SUCCESS);
		if (i < 7)
			continue;
		ck_assert_ptr_eq(ep_next(&p.a).RequestContext, ID(i - 7));
	}
	for (uint64_t i = 505; i < 512; i++)
		ck_assert_ptr_eq(ep_next(&p.a).RequestContext, ID(i));
	ep_disconnect_both(&p.a, &p.b);
	ck_assert(ep_idle(&p.a));
	pair_close(&p);
}
END_TEST

/* --- one queue for many -------------------------------------------------------------- */

/* Both ends of several connections in one queue: sends, receives, writes, each
 * told with its own queue pair and in the order of its queue */
START_TEST(one_queue_for_all)
{
	enum { PAIRS = 8, ROUNDS = 20 };
	struct ep_opts o = {.depth = 64, .cq_depth = 4096};
	static struct ep all, a[PAIRS], b[PAIRS];
	uint64_t next[PAIRS][3] = {{0}};
	struct listener l;

	ep_init(&all, fx.g[0], &o);
	o.share = &all;
	listener_start(&l, all.adapter, sa_v4(0, 0));
	for (int i = 0; i < PAIRS; i++) {
		ep_init(&a[i], fx.g[0], &o);
		ep_init(&b[i], fx.g[0], &o);
		ep_connect(&a[i], &b[i], &l, NULL, NULL);
	}
	for (uint64_t n = 0; n < ROUNDS; n++)
		for (int i = 0; i < PAIRS; i++) {
			assert_status(ep_post_recv(&b[i], n, 64, 64),
				      STATUS_SUCCESS);
			assert_status(ep_post_send(&a[i], n, 0, 64, 0),
				      STATUS_SUCCESS);
			assert_status(ep_post_write(&b[i], n, 0, 64, &a[i], 128,
						    0),
				      STATUS_SUCCESS);
		}
	for (int k = 0; k < PAIRS * ROUNDS * 3; k++) {
		NDK_RESULT_EX r = ep_next(&all);
		struct ep *e = r.QPContext;
		bool at_a = e >= a && e < a + PAIRS;
		int i = (int)(at_a ? e - a : e - b);
		int kind = at_a ? 0 : r.Type == NdkOperationTypeWrite ? 1 : 2;

		ck_assert_int_ge(i, 0);
		ck_assert_int_lt(i, PAIRS);
		assert_status(r.Status, STATUS_SUCCESS);
		ck_assert_int_eq(r.Type, kind == 0   ? NdkOperationTypeSend
					 : kind == 1 ? NdkOperationTypeWrite
						     : NdkOperationTypeReceive);
		ck_assert_uint_eq(r.BytesTransferred, kind == 2 ? 64 : 0);
		ck_assert_ptr_eq(r.RequestContext, ID(next[i][kind]++));
	}
	ck_assert(ep_idle(&all));
	for (int i = 0; i < PAIRS; i++) {
		ep_disconnect_both(&a[i], &b[i]);
		ep_fini(&a[i]);
		ep_fini(&b[i]);
	}
	listener_stop(&l);
	ep_fini(&all);
}
END_TEST

/* --- polling and callbacks mixed ------------------------------------------------------ */

/* Sleep until told, take what is there, arm, look once more: nothing is lost
 * however the messages fall, and no arm calls twice */
START_TEST(sleep_and_poll)
{
	enum { MESSAGES = 3000 };
	struct ep_opts o = {.depth = 64, .cq_depth = 128};
	uint32_t arms = 0, got = 0;
	uint64_t sent = 0, done = 0;
	NDK_RESULT r[16];
	struct pair p;

	pair_open(&p, 0, 1, &o);
	for (uint64_t i = 0; i < 64; i++)
		assert_status(ep_post_recv(&p.b, i, 0, 64), STATUS_SUCCESS);
	while (got < MESSAGES) {
		ULONG n;

		while (sent < MESSAGES && sent - got < 64 - sent % 7)
			assert_status(ep_post_send(&p.a, sent++, 0, 64, 0),
				      STATUS_SUCCESS);
		ck_assert_uint_eq(p.b.cq_events, arms);
		ep_arm(&p.b, NDK_CQ_NOTIFY_ANY);
		arms++;
		ck_assert_msg(wait_count(&p.b.cq_events, arms, TEST_TIMEOUT_MS),
			      "no callback, %u of %d taken", got, MESSAGES);
		do {
			n = p.b.cq->Dispatch->NdkGetCqResults(p.b.cq, r, 16);
			for (ULONG i = 0; i < n; i++) {
				assert_status(r[i].Status, STATUS_SUCCESS);
				assert_status(ep_post_recv(&p.b, 0, 0, 64),
					      STATUS_SUCCESS);
			}
			got += n;
		} while (n);
		while (done < got) {	/* their ends are on their way */
			assert_status(ep_next(&p.a).Status, STATUS_SUCCESS);
			done++;
		}
	}
	ep_disconnect_both(&p.a, &p.b);
	ck_assert_uint_eq(p.b.cq_events, arms);
	pair_close(&p);
}
END_TEST

/* Deferred requests start with the one that is not, or with a failure */
START_TEST(deferred)
{
	struct pair p;

	pair_open(&p, 0, 1, NULL);
	for (uint64_t i = 0; i < 4; i++)
		assert_status(ep_post_write(&p.a, i, 0, 64, &p.b, 0,
					    NDK_OP_FLAG_DEFER),
			      STATUS_SUCCESS);
	if (_i)
		assert_status(ep_post_write(&p.a, 4, 0, 64, &p.b, 0, 0),
			      STATUS_SUCCESS);
	else /* no such flag: nothing is posted, what came before is */
		assert_status(ep_post_write(&p.a, 4, 0, 64, &p.b, 0, 0x8000),
			      STATUS_INVALID_PARAMETER);
	for (uint64_t i = 0; i < 4 + (uint64_t)_i; i++)
		ck_assert_ptr_eq(ep_next(&p.a).RequestContext, ID(i));
	ep_disconnect_both(&p.a, &p.b);
	ck_assert(ep_idle(&p.a));
	pair_close(&p);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("cq");
	TCase *tc = add_case(s, "arms", 60);

	tcase_add_checked_fixture(tc, fx_setup, fx_teardown);
	tcase_add_loop_test(tc, arms_merge, 0, 4);
	tcase_add_loop_test(tc, solicited_beats_errors, 0, 2);
	tcase_add_loop_test(tc, failed_completion, 0, 2);
	tc = add_case(s, "queues", 60);
	tcase_add_checked_fixture(tc, fx_setup, fx_teardown);
	tcase_add_loop_test(tc, overrun, 0, 3);
	tcase_add_test(tc, queue_pair_deeper_than_its_queue);
	tcase_add_test(tc, one_queue_for_all);
	tcase_add_test(tc, sleep_and_poll);
	tcase_add_loop_test(tc, deferred, 0, 2);
	return run_suite(s);
}
