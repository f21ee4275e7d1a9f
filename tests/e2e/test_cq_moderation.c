// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * test_cq_moderation.c - interrupt moderation: a callback may come later, never
 * too early and never not at all.  How late it is at most is the unit test's,
 * which has the clock.
 */
#include "fixture.h"
#include "transport.h"

static NTSTATUS moderate(struct ep *e, ULONG interval_us, ULONG count)
{
	return e->cq->Dispatch->NdkControlCqInterruptModeration(
		e->cq, interval_us, count);
}

static void message(struct pair *p, uint64_t id)
{
	assert_status(ep_post_recv(&p->b, id, 0, 64), STATUS_SUCCESS);
	assert_status(ep_post_send(&p->a, id, 0, 64, 0), STATUS_SUCCESS);
	assert_status(ep_next(&p->a).Status, STATUS_SUCCESS);
}

START_TEST(statuses)
{
	static const struct {
		ULONG interval, count;
		NTSTATUS status;
	} t[] = {
		{0, 0, STATUS_SUCCESS},
		{100, 0, STATUS_SUCCESS},
		{0, 100, STATUS_SUCCESS},
		{100, 1, STATUS_SUCCESS},
		{100, 16, STATUS_SUCCESS},
		{100, 17, STATUS_SUCCESS},	/* deeper than the queue */
		{100, MAXULONG, STATUS_SUCCESS},
		{MAXULONG, 16, STATUS_SUCCESS},
		{MAXULONG, 17, STATUS_INVALID_PARAMETER_MIX},
		{MAXULONG, MAXULONG, STATUS_INVALID_PARAMETER_MIX},
		{MAXULONG - 1, MAXULONG, STATUS_SUCCESS},
		{MAXULONG, 0, STATUS_SUCCESS},
	};
	struct ep_opts o = {.cq_depth = 16};
	NDK_ADAPTER_INFO info;
	struct ep e;

	ep_init(&e, fx.g[0], &o);
	info = nd_info(e.adapter);
	ck_assert(info.AdapterFlags &
		  NDK_ADAPTER_FLAG_CQ_INTERRUPT_MODERATION_SUPPORTED);
	for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++)
		assert_status(moderate(&e, t[i].interval, t[i].count),
			      t[i].status);
	ep_fini(&e);
}
END_TEST

START_TEST(not_negotiated)
{
	NDK_ADAPTER_INFO info;
	struct ep e;

	fe_leave_out(tguest_fe(fx.g[0]), VIRTIO_RDMA_FEATURE(CQ_MODERATION));
	tguest_reset(fx.g[0]);
	ck_assert(tguest_wait_recoveries(fx.g[0], 1));
	ep_init(&e, fx.g[0], NULL);
	info = nd_info(e.adapter);
	ck_assert(!(info.AdapterFlags &
		    NDK_ADAPTER_FLAG_CQ_INTERRUPT_MODERATION_SUPPORTED));
	assert_status(moderate(&e, 10, 4), STATUS_NOT_SUPPORTED);
	ep_fini(&e);
}
END_TEST

/* With nothing else to come it waits for the interval, and then it comes: to a
 * daemon that is asleep, too */
START_TEST(not_before_the_interval)
{
	static const ULONG us[] = {400, 30000, 300000};
	struct pair p;
	uint64_t from;

	pair_open(&p, 0, 1, NULL);
	assert_status(moderate(&p.b, us[_i], 1000), STATUS_SUCCESS);
	for (uint32_t i = 0; i < 3; i++) {
		ep_arm(&p.b, NDK_CQ_NOTIFY_ANY);
		from = tguest_ops()->now_ms(p.b.g);
		message(&p, i);
		ep_expect_events(&p.b, i + 1);
		/* now_ms() is a millisecond coarse, the timer is, too */
		ck_assert_uint_ge(tguest_ops()->now_ms(p.b.g) - from + 2,
				  us[_i] / 1000);
		assert_status(ep_next(&p.b).Status, STATUS_SUCCESS);
	}
	ep_disconnect_both(&p.a, &p.b);
	pair_close(&p);
	ck_assert_uint_eq(p.b.cq_events, 3);
}
END_TEST

/* Sleep until the callback, poll empty, arm: with every mixture of interval and
 * count it goes on, one callback for each arm */
START_TEST(never_lost)
{
	static const ULONG t[][2] = {
		{200, 4}, {1, 1000}, {50, 2}, {2000, 64}, {MAXULONG, 8},
		{100, MAXULONG},
	};
	enum { MESSAGES = 1500, WINDOW = 64 };
	struct ep_opts o = {.depth = WINDOW, .cq_depth = 128};
	uint64_t sent = 0, got = 0, done = 0;
	uint32_t arms = 0;
	NDK_RESULT r[16];
	struct pair p;

	pair_open(&p, 0, 1, &o);
	assert_status(moderate(&p.b, t[_i][0], t[_i][1]), STATUS_SUCCESS);
	for (uint64_t i = 0; i < WINDOW; i++)
		assert_status(ep_post_recv(&p.b, i, 0, 64), STATUS_SUCCESS);
	while (got < MESSAGES) {
		ULONG n;

		while (sent - got < WINDOW)
			assert_status(ep_post_send(&p.a, sent++, 0, 64, 0),
				      STATUS_SUCCESS);
		ep_arm(&p.b, NDK_CQ_NOTIFY_ANY);
		arms++;
		ck_assert(wait_count(&p.b.cq_events, arms, TEST_TIMEOUT_MS));
		do {
			n = p.b.cq->Dispatch->NdkGetCqResults(p.b.cq, r, 16);
			for (ULONG i = 0; i < n; i++, got++) {
				assert_status(r[i].Status, STATUS_SUCCESS);
				ck_assert_ptr_eq(r[i].RequestContext, ID(got));
				assert_status(ep_post_recv(&p.b, got + WINDOW, 0,
							   64),
					      STATUS_SUCCESS);
			}
		} while (n);
		for (; done < got; done++)
			assert_status(ep_next(&p.a).Status, STATUS_SUCCESS);
	}
	ck_assert_uint_eq(p.b.cq_events, arms);
	pair_close(&p);
}
END_TEST

/* Whose completion failed is told without delay; the daemon would hold it for a
 * second, and the others for as long as the test */
START_TEST(flush_is_told)
{
	struct pair p;

	pair_open(&p, 0, 1, NULL);
	assert_status(moderate(&p.b, MAXULONG - 1, MAXULONG), STATUS_SUCCESS);
	for (uint32_t i = 1; i <= 20; i++) {
		ep_arm(&p.b, NDK_CQ_NOTIFY_SOLICITED);
		assert_status(ep_post_recv(&p.b, i, 0, 64), STATUS_SUCCESS);
		p.b.qp->Dispatch->NdkFlush(p.b.qp);
		ep_expect_events(&p.b, i);
		assert_status(ep_next(&p.b).Status, STATUS_CANCELLED);
	}
	pair_close(&p);
}
END_TEST

/* The device dies while it holds an event: the consumer is told all the same */
START_TEST(device_lost)
{
	struct pair p;

	pair_open(&p, 0, 1, NULL);
	assert_status(moderate(&p.b, MAXULONG - 1, MAXULONG), STATUS_SUCCESS);
	ep_arm(&p.b, NDK_CQ_NOTIFY_ANY);
	message(&p, 1);
	test_daemons_kill();
	ck_assert(wait_count(&p.b.cq_events, 1, TEST_TIMEOUT_MS));
	assert_status(p.b.cq_status, STATUS_SUCCESS);
	assert_status(ep_next(&p.b).Status, STATUS_SUCCESS);
	pair_close(&p);
	ck_assert_uint_eq(p.b.cq_events, 1);
	ck_assert(test_daemons_restart());
	ck_assert(tguest_wait_recoveries(fx.g[0], 1));
	ck_assert(tguest_wait_recoveries(fx.g[1], 1));
}
END_TEST

int main(void)
{
	Suite *s = suite_create("cq moderation");
	TCase *tc = add_case(s, "moderation", 60);

	tcase_add_checked_fixture(tc, fx_setup, fx_teardown);
	tcase_add_test(tc, statuses);
	tcase_add_test(tc, not_negotiated);
	tcase_add_loop_test(tc, not_before_the_interval, 0, 3);
	tcase_add_loop_test(tc, never_lost, 0, 6);
	tcase_add_test(tc, flush_is_told);
	tcase_add_test(tc, device_lost);
	return run_suite(s);
}
