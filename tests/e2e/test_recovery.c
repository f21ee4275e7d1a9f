// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * test_recovery.c - a guest dies, vrdmad dies, a VM pauses
 */
#include <string.h>

#include "fixture.h"
#include "transport.h"

START_TEST(peer_guest_is_killed)
{
	struct pair p;
	struct op oa;
	NTSTATUS sa;

	pair_open(&p, 0, 1, NULL);
	tguest_kill(fx.g[1]);
	ck_assert(wait_count(&p.a.indications, 1, TEST_TIMEOUT_MS));
	ck_assert(ep_was_told(&p.a, VIRTIO_RDMA_R_PEER_GONE));
	sa = ep_disconnect_start(&p.a, &oa);
	assert_status(op_wait(&oa, sa), ep_end_of(&p.a, VIRTIO_RDMA_R_PEER_GONE,
						  STATUS_CONNECTION_ABORTED));
	ck_assert_uint_eq(p.a.indications, 1);
	/* B's own objects learned it from their lost device, and close */
	ck_assert_uint_eq(p.b.reason, VIRTIO_RDMA_R_DEVICE_RESET);
	pair_close(&p);
	tguest_stop(fx.g[1]);
	/* a new guest takes the place; A's device works on */
	fx.g[1] = tguest_start(test_backend()->daemon(1)->socket[1], FX_MEM);
	ck_assert_ptr_nonnull(fx.g[1]);
	pair_open(&p, 0, 1, NULL);
	ep_disconnect_both(&p.a, &p.b);
	pair_close(&p);
}
END_TEST

START_TEST(peer_dies_while_our_disconnect_pends)
{
	struct pair p;
	struct op oa;
	NTSTATUS sa;

	pair_open(&p, 0, 1, NULL);
	sa = ep_disconnect_start(&p.a, &oa);
	ck_assert(wait_count(&p.b.indications, 1, TEST_TIMEOUT_MS));
	tguest_kill(fx.g[1]);
	/* the end of a dead peer may look like its answer */
	assert_status(op_wait(&oa, sa), test_backend()->tells_aborts
						? STATUS_CONNECTION_ABORTED
						: STATUS_SUCCESS);
	pair_close(&p);
}
END_TEST

START_TEST(other_connections_live_on)
{
	struct pair dying, living;

	pair_open(&dying, 0, 1, NULL);
	pair_open(&living, 0, 0, NULL);
	tguest_kill(fx.g[1]);
	ck_assert(wait_count(&dying.a.indications, 1, TEST_TIMEOUT_MS));
	mem_fill(&living.a.mem, 3);
	assert_status(ep_post_write(&living.a, 1, 0, 65536, &living.b, 0, 0),
		      STATUS_SUCCESS);
	assert_status(ep_next(&living.a).Status, STATUS_SUCCESS);
	ck_assert_int_eq(mem_check(living.b.mem.va, 65536, 3, 0), -1);
	ck_assert_uint_eq(living.a.indications + living.b.indications, 0);
	ep_disconnect_both(&living.a, &living.b);
	pair_close(&living);
	pair_close(&dying);
}
END_TEST

/* A device reset without a death: what the peer is told is the same */
START_TEST(guest_resets_its_device)
{
	struct pair p;

	pair_open(&p, 0, 1, NULL);
	tguest_reset(fx.g[1]);
	ck_assert(wait_count(&p.a.indications, 1, TEST_TIMEOUT_MS));
	ck_assert(ep_was_told(&p.a, VIRTIO_RDMA_R_PEER_GONE));
	ck_assert(tguest_wait_recoveries(fx.g[1], 1));
	pair_close(&p);
	pair_open(&p, 0, 1, NULL);
	ep_disconnect_both(&p.a, &p.b);
	pair_close(&p);
}
END_TEST

static void post_some(struct ep *e, uint32_t n, uint64_t first)
{
	for (uint32_t i = 0; i < n; i++)
		assert_status(ep_post_recv(e, first + i, 0, 64), STATUS_SUCCESS);
}

/* Every outstanding request ends once */
static void expect_cancelled(struct ep *e, uint32_t n, uint64_t first)
{
	uint64_t seen = 0;

	for (uint32_t i = 0; i < n; i++) {
		NDK_RESULT_EX r = ep_next(e);
		uint64_t bit = 1ull << ((uintptr_t)r.RequestContext - first);

		assert_status(r.Status, STATUS_CANCELLED);
		ck_assert(!(seen & bit));
		seen |= bit;
	}
	ck_assert_uint_eq(seen, (1ull << n) - 1);
	ck_assert(ep_idle(e));
}

START_TEST(daemon_is_killed_and_comes_back)
{
	struct pair p;
	struct op oa;
	NTSTATUS sa;

	pair_open(&p, 0, 1, NULL);
	post_some(&p.a, 8, 100);
	post_some(&p.b, 4, 200);
	sa = ep_disconnect_start(&p.a, &oa);
	assert_status(sa, STATUS_PENDING);
	test_daemons_kill();
	/* ends with a status though nobody is there */
	assert_status(op_wait(&oa, sa), STATUS_DEVICE_REMOVED);
	ck_assert(wait_count(&p.b.indications, 1, TEST_TIMEOUT_MS));
	expect_cancelled(&p.a, 8, 100);
	expect_cancelled(&p.b, 4, 200);
	ck_assert(test_daemons_restart());
	ck_assert(tguest_wait_recoveries(fx.g[0], 1));
	ck_assert(tguest_wait_recoveries(fx.g[1], 1));
	/* the old objects fail and close */
	assert_status(op_wait(&oa, ep_disconnect_start(&p.b, &oa)),
		      STATUS_DEVICE_REMOVED);
	pair_close(&p);
	pair_open(&p, 0, 1, NULL);
	mem_fill(&p.a.mem, 9);
	assert_status(ep_post_write(&p.a, 1, 0, 65536, &p.b, 0, 0),
		      STATUS_SUCCESS);
	assert_status(ep_next(&p.a).Status, STATUS_SUCCESS);
	ck_assert_int_eq(mem_check(p.b.mem.va, 65536, 9, 0), -1);
	ep_disconnect_both(&p.a, &p.b);
	pair_close(&p);
}
END_TEST

START_TEST(daemon_is_killed_under_traffic)
{
	enum { ROUNDS = 5, DEPTH = 32 };
	struct ep_opts o = { .depth = DEPTH, .mem = 1u << 20 };

	for (uint32_t round = 0; round < ROUNDS; round++) {
		struct pair p;
		uint32_t posted = 0, ended = 0;

		pair_open(&p, 0, 1, &o);
		while (ended < 200) {
			NDK_RESULT_EX r;

			if (posted - ended < DEPTH &&
			    ep_post_write(&p.a, posted, 0, 1u << 20, &p.b, 0,
					  0) == STATUS_SUCCESS)
				posted++;
			if (p.a.cq->Dispatch->NdkGetCqResultsEx(p.a.cq, &r, 1)) {
				ck_assert_ptr_eq(r.RequestContext, ID(ended));
				ended++;
			}
		}
		test_daemons_kill();
		ck_assert(wait_count(&p.a.indications, 1, TEST_TIMEOUT_MS));
		while (ended < posted)
			ck_assert_ptr_eq(ep_next(&p.a).RequestContext,
					 ID(ended++));
		ck_assert(ep_idle(&p.a));
		ck_assert(test_daemons_restart());
		ck_assert(tguest_wait_recoveries(fx.g[0], round + 1));
		ck_assert(tguest_wait_recoveries(fx.g[1], round + 1));
		pair_close(&p);
	}
}
END_TEST

/* VM stop and cont: the queues go and come, the connection stays */
START_TEST(pause_and_resume)
{
	struct pair p;

	pair_open(&p, 0, 1, NULL);
	fe_pause(tguest_fe(fx.g[0]));
	ck_assert_int_eq(fe_resume(tguest_fe(fx.g[0])), 0);
	ck_assert_uint_eq(p.a.indications + p.b.indications, 0);
	mem_fill(&p.a.mem, 4);
	assert_status(ep_post_write(&p.a, 1, 0, 4096, &p.b, 0, 0),
		      STATUS_SUCCESS);
	assert_status(ep_next(&p.a).Status, STATUS_SUCCESS);
	ck_assert_int_eq(mem_check(p.b.mem.va, 4096, 4, 0), -1);
	ep_disconnect_both(&p.a, &p.b);
	pair_close(&p);
}
END_TEST

START_TEST(clean_shutdown_under_load)
{
	struct pair p;

	pair_open(&p, 0, 1, NULL);
	post_some(&p.a, 8, 0);
	ck_assert(test_daemons_stop());
	expect_cancelled(&p.a, 8, 0);
	pair_close(&p);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("recovery");
	TCase *tc = add_case(s, "death", 90);

	tcase_add_checked_fixture(tc, fx_setup, fx_teardown);
	tcase_add_test(tc, peer_guest_is_killed);
	tcase_add_test(tc, peer_dies_while_our_disconnect_pends);
	tcase_add_test(tc, other_connections_live_on);
	tcase_add_test(tc, daemon_is_killed_and_comes_back);
	tcase_add_test(tc, daemon_is_killed_under_traffic);
	tcase_add_test(tc, pause_and_resume);
	tcase_add_test(tc, clean_shutdown_under_load);
	tcase_add_test(tc, guest_resets_its_device);
	return run_suite(s);
}
