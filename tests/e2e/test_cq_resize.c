// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * test_cq_resize.c - completion queues that change their depth: no completion is
 * lost, doubled or out of order, and no callback is missed
 */
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>

#include "fixture.h"
#include "transport.h"

static NTSTATUS resize_start(struct ep *e, ULONG depth, struct op *op)
{
	op_init(op);
	return e->cq->Dispatch->NdkResizeCq(e->cq, depth, op_ended, op);
}

static NTSTATUS resize(struct ep *e, ULONG depth)
{
	struct op op;

	return op_wait(&op, resize_start(e, depth, &op));
}

/* n writes from a to b, numbered from first, all ended, none polled for; behind them
 * comes a message */
static void write_some(struct pair *p, uint64_t first, uint64_t n)
{
	for (uint64_t i = first; i < first + n; i++)
		assert_status(ep_post_write(&p->a, i, 0, 64, &p->b, 0, 0),
			      STATUS_SUCCESS);
	assert_status(ep_post_recv(&p->b, 0, 0, 64), STATUS_SUCCESS);
	assert_status(ep_post_send(&p->a, 0, 0, 64, NDK_OP_FLAG_SILENT_SUCCESS),
		      STATUS_SUCCESS);
	assert_status(ep_next(&p->b).Status, STATUS_SUCCESS);
	for (int ms = 0; tguest_sends_left(p->a.qp); ms++) {
		ck_assert_int_lt(ms, TEST_TIMEOUT_MS);
		poll(NULL, 0, 1);
	}
}

static void expect_in_order(struct ep *e, uint64_t first, uint64_t n)
{
	for (uint64_t i = first; i < first + n; i++) {
		NDK_RESULT_EX r = ep_next(e);

		assert_status(r.Status, STATUS_SUCCESS);
		ck_assert_ptr_eq(r.RequestContext, ID(i));
	}
	ck_assert(ep_idle(e));
}

/* --- what the call says ------------------------------------------------------ */

START_TEST(statuses)
{
	struct ep_opts o = {.cq_depth = 64};
	NDK_ADAPTER_INFO info;
	struct pair p;

	pair_open(&p, 0, 1, &o);
	info = nd_info(p.a.adapter);
	ck_assert(info.AdapterFlags & NDK_ADAPTER_FLAG_CQ_RESIZE_SUPPORTED);
	assert_status(resize(&p.a, 0), STATUS_INVALID_PARAMETER);
	assert_status(resize(&p.a, info.MaxCqDepth + 1),
		      STATUS_INVALID_PARAMETER);
	assert_status(resize(&p.a, 0xffffffff), STATUS_INVALID_PARAMETER);
	assert_status(p.a.cq->Dispatch->NdkResizeCq(p.a.cq, 16, NULL, NULL),
		      STATUS_INVALID_PARAMETER);
	assert_status(resize(&p.a, 64), STATUS_SUCCESS);
	assert_status(resize(&p.a, info.MaxCqDepth), STATUS_SUCCESS);
	assert_status(resize(&p.a, 1), STATUS_SUCCESS);
	for (uint64_t i = 0; i < 5; i++) {
		write_some(&p, i, 1);
		expect_in_order(&p.a, i, 1);
	}
	ep_disconnect_both(&p.a, &p.b);
	pair_close(&p);
}
END_TEST

/* A driver that does not know of it, and flags that say so */
START_TEST(not_negotiated)
{
	NDK_ADAPTER_INFO info;
	struct ep e;

	fe_leave_out(tguest_fe(fx.g[0]), VIRTIO_RDMA_FEATURE(CQ_RESIZE));
	tguest_reset(fx.g[0]);
	ck_assert(tguest_wait_recoveries(fx.g[0], 1));
	ep_init(&e, fx.g[0], NULL);
	info = nd_info(e.adapter);
	ck_assert(!(info.AdapterFlags & NDK_ADAPTER_FLAG_CQ_RESIZE_SUPPORTED));
	assert_status(resize(&e, 32), STATUS_NOT_SUPPORTED);
	ep_fini(&e);
}
END_TEST

/* The new depth is what the device goes by, either way */
START_TEST(depth_counts)
{
	struct ep_opts o = {.depth = 64, .cq_depth = 8};
	struct pair p;

	pair_open(&p, 0, 1, &o);
	assert_status(resize(&p.a, 32), STATUS_SUCCESS);
	write_some(&p, 0, 32);
	expect_in_order(&p.a, 0, 32);
	assert_status(resize(&p.a, 4), STATUS_SUCCESS);
	write_some(&p, 32, 4);
	ep_arm(&p.a, NDK_CQ_NOTIFY_ERRORS);
	assert_status(ep_post_write(&p.a, 36, 0, 64, &p.b, 0, 0),
		      STATUS_SUCCESS);
	ck_assert(wait_count(&p.a.cq_events, 1, TEST_TIMEOUT_MS));
	assert_status(p.a.cq_status, STATUS_BUFFER_OVERFLOW);
	expect_in_order(&p.a, 32, 4);
	/* it is dead: no depth helps */
	assert_status(resize(&p.a, 64), STATUS_INVALID_DEVICE_STATE);
	pair_close(&p);
}
END_TEST

/* --- completions ---------------------------------------------------------------- */

/* Nobody polls while it is resized again and again, to less than is queued, too */
START_TEST(rings_in_a_row)
{
	static const ULONG depths[] = {16, 4, 128, 2, 8, 64};
	const uint64_t each = 5, rows = sizeof(depths) / sizeof(depths[0]);
	struct ep_opts o = {.depth = 64, .cq_depth = 64};
	uint64_t n = 0;
	struct pair p;

	pair_open(&p, 0, 1, &o);
	for (uint64_t i = 0; i < rows; i++) {
		uint64_t fit = depths[i] < each ? depths[i] : each;

		assert_status(resize(&p.a, depths[i]), STATUS_SUCCESS);
		write_some(&p, n, _i ? fit : 0);	/* or empty rings */
		n += _i ? fit : 0;
	}
	expect_in_order(&p.a, 0, n);
	write_some(&p, n, 60);
	expect_in_order(&p.a, n, 60);
	ep_disconnect_both(&p.a, &p.b);
	pair_close(&p);
}
END_TEST

struct resizer {
	pthread_t thread;
	struct ep *e;
	atomic_bool stop;
	_Atomic uint32_t done;
	NTSTATUS wrong;
};

static void *resize_on(void *arg)
{
	static const ULONG depths[] = {128, 512, 130, 1024, 127, 300};
	struct resizer *r = arg;

	while (!r->stop) {
		NTSTATUS st = resize(r->e, depths[r->done % 6]);

		if (st != STATUS_SUCCESS)
			r->wrong = st;
		r->done++;
	}
	return NULL;
}

/* One thread resizes without pause; another sleeps until the callback, polls the
 * queue empty and arms it again.  Each arm has its callback, and each message is
 * told once, in order */
START_TEST(under_traffic)
{
	enum { MESSAGES = 4000, WINDOW = 64 };
	struct ep_opts o = {.depth = WINDOW, .cq_depth = 256};
	uint64_t sent = 0, got = 0, done = 0;
	struct resizer r = {0};
	uint32_t arms = 0;
	NDK_RESULT out[16];
	struct pair p;

	pair_open(&p, 0, 1, &o);
	for (uint64_t i = 0; i < WINDOW; i++)
		assert_status(ep_post_recv(&p.b, i, 0, 64), STATUS_SUCCESS);
	r.e = &p.b;
	ck_assert_int_eq(pthread_create(&r.thread, NULL, resize_on, &r), 0);
	while (got < MESSAGES || r.done < 50) {
		ULONG n;

		while (sent - got < WINDOW - sent % 7)
			assert_status(ep_post_send(&p.a, sent++, 0, 64,
						   NDK_OP_FLAG_SEND_AND_SOLICIT_EVENT),
				      STATUS_SUCCESS);
		ck_assert_uint_eq(p.b.cq_events, arms);
		ep_arm(&p.b, arms % 2 ? NDK_CQ_NOTIFY_SOLICITED :
				     NDK_CQ_NOTIFY_ANY);
		arms++;
		ck_assert_msg(wait_count(&p.b.cq_events, arms, TEST_TIMEOUT_MS),
			      "no callback after %lu of %lu, %u resized",
			      (unsigned long)got, (unsigned long)sent, r.done);
		do {
			n = p.b.cq->Dispatch->NdkGetCqResults(p.b.cq, out, 16);
			for (ULONG i = 0; i < n; i++, got++) {
				assert_status(out[i].Status, STATUS_SUCCESS);
				ck_assert_ptr_eq(out[i].RequestContext, ID(got));
				assert_status(ep_post_recv(&p.b, got + WINDOW, 0,
							   64),
					      STATUS_SUCCESS);
			}
		} while (n);
		for (; done < got; done++)
			assert_status(ep_next(&p.a).Status, STATUS_SUCCESS);
	}
	r.stop = true;
	pthread_join(r.thread, NULL);
	assert_status(r.wrong, STATUS_SUCCESS);
	ck_assert_uint_eq(p.b.cq_events, arms);
	pair_close(&p);
}
END_TEST

/* --- arms ----------------------------------------------------------------------- */

/* What was armed before goes along; and there is one callback of it */
START_TEST(arm_goes_along)
{
	static const ULONG kinds[] = {NDK_CQ_NOTIFY_ANY, NDK_CQ_NOTIFY_SOLICITED,
				      NDK_CQ_NOTIFY_ERRORS};
	struct ep_opts o = {.depth = 16, .cq_depth = 4};
	struct pair p;

	pair_open(&p, 0, 1, &o);
	ep_arm(&p.b, kinds[_i]);
	assert_status(resize(&p.b, 8), STATUS_SUCCESS);
	ck_assert_uint_eq(p.b.cq_events, 0);
	for (uint64_t i = 0; i < 9; i++)
		assert_status(ep_post_recv(&p.b, i, 0, 64), STATUS_SUCCESS);
	assert_status(ep_post_send(&p.a, 0, 0, 64,
				   NDK_OP_FLAG_SEND_AND_SOLICIT_EVENT),
		      STATUS_SUCCESS);
	assert_status(ep_next(&p.a).Status, STATUS_SUCCESS);
	if (kinds[_i] == NDK_CQ_NOTIFY_ERRORS) {	/* until it overruns */
		for (uint64_t i = 1; i < 9; i++)
			assert_status(ep_post_send(&p.a, i, 0, 64, 0),
				      STATUS_SUCCESS);
		ck_assert(wait_count(&p.b.cq_events, 1, TEST_TIMEOUT_MS));
		assert_status(p.b.cq_status, STATUS_BUFFER_OVERFLOW);
	} else {
		ep_expect_events(&p.b, 1);
		assert_status(ep_next(&p.b).Status, STATUS_SUCCESS);
		ep_disconnect_both(&p.a, &p.b);
	}
	pair_close(&p);
	ck_assert_uint_eq(p.b.cq_events, 1);
}
END_TEST

/* Armed with something left in the old ring, in the new one, in both */
START_TEST(armed_behind)
{
	struct ep_opts o = {.depth = 16, .cq_depth = 64};
	uint64_t old = _i % 2 ? 3 : 0, new = _i / 2 ? 3 : 0;
	struct pair p;

	pair_open(&p, 0, 1, &o);
	write_some(&p, 0, old);
	assert_status(resize(&p.a, 128), STATUS_SUCCESS);
	write_some(&p, old, new);
	ep_arm(&p.a, NDK_CQ_NOTIFY_ANY);
	if (!old && !new) {
		ck_assert_uint_eq(p.a.cq_events, 0);
		write_some(&p, 0, 1);
		new = 1;
	}
	ep_expect_events(&p.a, 1);
	expect_in_order(&p.a, 0, old + new);
	ep_arm(&p.a, NDK_CQ_NOTIFY_ANY);
	write_some(&p, 10, 1);
	ep_expect_events(&p.a, 2);
	expect_in_order(&p.a, 10, 1);
	ep_disconnect_both(&p.a, &p.b);
	pair_close(&p);
	ck_assert_uint_eq(p.a.cq_events, 2);
}
END_TEST

/* --- ends -------------------------------------------------------------------------- */

/* Closed with the command on its way: its completion comes first */
START_TEST(closed_meanwhile)
{
	struct op op, closed;
	NTSTATUS st, cst;
	NDK_ADAPTER *a;
	NDK_CQ *cq;

	a = nd_open(fx.g[0]);
	cq = nd_cq(a, 16, NULL, NULL);
	op_init(&op);
	st = cq->Dispatch->NdkResizeCq(cq, 64, op_ended, &op);
	op_init(&closed);
	cst = nd_close_start(cq, &closed);
	assert_status(op_wait(&op, st), STATUS_SUCCESS);
	assert_status(op_wait(&closed, cst), STATUS_SUCCESS);
	vrdma_close_adapter(a);
}
END_TEST

/* The daemon dies with completions in several rings and receives posted: each
 * ends once.  _i: with a resize that it may not have seen */
START_TEST(device_lost)
{
	enum { POSTED = 16, HEARD = 9 };
	struct ep_opts o = {.depth = POSTED, .cq_depth = 64};
	struct pair p;
	struct op op;
	NTSTATUS st;

	pair_open(&p, 0, 1, &o);
	for (uint64_t i = 0; i < POSTED; i++)
		assert_status(ep_post_recv(&p.b, i, 0, 64), STATUS_SUCCESS);
	for (uint64_t i = 0; i < HEARD; i++) {
		if (i % 4 == 2)
			assert_status(resize(&p.b, i < 4 ? 32 : 128),
				      STATUS_SUCCESS);
		assert_status(ep_post_send(&p.a, i, 0, 64, 0), STATUS_SUCCESS);
		assert_status(ep_next(&p.a).Status, STATUS_SUCCESS);
	}
	ep_arm(&p.b, NDK_CQ_NOTIFY_ERRORS);
	st = _i ? resize_start(&p.b, 256, &op) : STATUS_SUCCESS;
	test_daemons_kill();
	for (uint64_t i = 0; i < POSTED; i++) {
		NDK_RESULT_EX r = ep_next(&p.b);

		assert_status(r.Status, i < HEARD ? STATUS_SUCCESS :
						    STATUS_CANCELLED);
		ck_assert_ptr_eq(r.RequestContext, ID(i));
	}
	ck_assert(ep_idle(&p.b));
	ck_assert(wait_count(&p.b.cq_events, 1, TEST_TIMEOUT_MS));
	if (_i && st == STATUS_PENDING) {
		st = op_wait(&op, st);
		ck_assert(st == STATUS_SUCCESS || st == STATUS_DEVICE_REMOVED);
	}
	assert_status(resize(&p.b, 512), STATUS_DEVICE_REMOVED);
	pair_close(&p);
	ck_assert_uint_eq(p.b.cq_events, 1);
	ck_assert(test_daemons_restart());
	ck_assert(tguest_wait_recoveries(fx.g[0], 1));
	ck_assert(tguest_wait_recoveries(fx.g[1], 1));
}
END_TEST

int main(void)
{
	Suite *s = suite_create("cq resize");
	TCase *tc = add_case(s, "resize", 60);

	tcase_add_checked_fixture(tc, fx_setup, fx_teardown);
	tcase_add_test(tc, statuses);
	tcase_add_test(tc, not_negotiated);
	tcase_add_test(tc, depth_counts);
	tcase_add_loop_test(tc, rings_in_a_row, 0, 2);
	tcase_add_test(tc, under_traffic);
	tcase_add_loop_test(tc, arm_goes_along, 0, 3);
	tcase_add_loop_test(tc, armed_behind, 0, 4);
	tcase_add_test(tc, closed_meanwhile);
	tcase_add_loop_test(tc, device_lost, 0, 2);
	return run_suite(s);
}
