// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * test_scheme.c - the NetworkDirect disconnect scheme, rules D1 to D10
 */
#include <string.h>

#include "fixture.h"
#include "transport.h"

static bool pending(struct op *op)
{
	return !op_wait_ms(op, 100);
}

/* D2: completes by the peer's own act, not by an acknowledgement.  D4: one
 * indication, for the side that did not call first */
START_TEST(pends_until_the_peer_disconnects)
{
	struct pair p;
	struct op oa, ob;
	NTSTATUS sa, sb;

	pair_open(&p, 0, 1, NULL);
	sa = ep_disconnect_start(&p.a, &oa);
	assert_status(sa, STATUS_PENDING);
	ck_assert(wait_count(&p.b.indications, 1, TEST_TIMEOUT_MS));
	ck_assert_uint_eq(p.b.reason, VIRTIO_RDMA_R_GRACEFUL);
	ck_assert(pending(&oa));
	sb = ep_disconnect_start(&p.b, &ob);
	assert_status(op_wait(&ob, sb), STATUS_SUCCESS);
	assert_status(op_wait(&oa, sa), STATUS_SUCCESS);
	ck_assert_uint_eq(p.b.indications, 1);
	ck_assert_uint_eq(p.a.indications, 0);	/* D5 */
	pair_close(&p);
	ck_assert_uint_eq(p.b.indications, 1);
}
END_TEST

START_TEST(crossing_both_succeed)
{
	struct pair p;

	for (int i = 0; i < 50; i++) {
		pair_open(&p, 0, 1, NULL);
		ep_disconnect_both(&p.a, &p.b);
		ck_assert_uint_le(p.a.indications, 1);	/* D6 */
		ck_assert_uint_le(p.b.indications, 1);
		pair_close(&p);
	}
}
END_TEST

START_TEST(deadline_fails_it)
{
	struct pair p;
	struct op oa, ob;
	NTSTATUS sa, sb;

	pair_open(&p, 0, 1, NULL);
	sa = ep_disconnect_start(&p.a, &oa);
	assert_status(op_wait(&oa, sa), STATUS_IO_TIMEOUT);
	ck_assert_uint_eq(p.b.indications, 1);
	/* D9: over, for B too */
	sb = ep_disconnect_start(&p.b, &ob);
	op_wait(&ob, sb);
	assert_status(op_wait(&oa, ep_disconnect_start(&p.a, &oa)),
		      STATUS_CONNECTION_INVALID);
	pair_close(&p);
}
END_TEST

START_TEST(peer_closes_instead)
{
	struct pair p;
	struct op oa;
	NTSTATUS sa;

	pair_open(&p, 0, 1, NULL);
	sa = ep_disconnect_start(&p.a, &oa);
	nd_close(p.b.conn);
	p.b.conn = NULL;
	assert_status(op_wait(&oa, sa), STATUS_SUCCESS);
	listener_stop(&p.l);
	ep_fini(&p.a);
	ep_fini(&p.b);
}
END_TEST

START_TEST(close_while_connected_is_an_abort)
{
	struct pair p;
	struct op ob;
	NTSTATUS sb;

	pair_open(&p, 0, 1, NULL);
	nd_close(p.a.conn);
	p.a.conn = NULL;
	ck_assert(wait_count(&p.b.indications, 1, TEST_TIMEOUT_MS));
	ck_assert(ep_was_told(&p.b, VIRTIO_RDMA_R_RESET));
	sb = ep_disconnect_start(&p.b, &ob);
	assert_status(op_wait(&ob, sb), ep_end_of(&p.b, VIRTIO_RDMA_R_RESET,
						  STATUS_CONNECTION_ABORTED));
	ck_assert_uint_eq(p.b.indications, 1);
	ck_assert_uint_eq(p.a.indications, 0);
	nd_close(p.b.conn);
	p.b.conn = NULL;
	listener_stop(&p.l);
	ep_fini(&p.a);
	ep_fini(&p.b);
}
END_TEST

START_TEST(never_connected)
{
	struct ep e;
	struct op op;

	ep_init(&e, fx.g[0], NULL);
	e.conn = nd_connector(e.adapter);
	assert_status(op_wait(&op, ep_disconnect_start(&e, &op)),
		      STATUS_CONNECTION_INVALID);
	ep_fini(&e);
}
END_TEST

START_TEST(twice)
{
	struct pair p;
	struct op first, second;
	NTSTATUS st;

	pair_open(&p, 0, 1, NULL);
	st = ep_disconnect_start(&p.a, &first);
	assert_status(op_wait(&second, ep_disconnect_start(&p.a, &second)),
		      STATUS_INVALID_DEVICE_STATE);
	ck_assert(pending(&first));
	nd_close(p.b.conn);
	p.b.conn = NULL;
	assert_status(op_wait(&first, st), STATUS_SUCCESS);
	assert_status(op_wait(&second, ep_disconnect_start(&p.a, &second)),
		      STATUS_CONNECTION_INVALID);
	listener_stop(&p.l);
	ep_fini(&p.a);
	ep_fini(&p.b);
}
END_TEST

/* D8: neither queue pair nor connector is used again */
START_TEST(nothing_is_reused)
{
	struct pair p;
	struct op op;
	NTSTATUS st;

	pair_open(&p, 0, 1, NULL);
	ep_disconnect_both(&p.a, &p.b);
	st = op_wait(&op, ep_connect_start(&p.a, p.l.addr, NULL, &op));
	ck_assert_uint_ne((uint32_t)st, STATUS_SUCCESS);
	nd_close(p.a.conn);
	p.a.conn = NULL;
	st = op_wait(&op, ep_connect_start(&p.a, p.l.addr, NULL, &op));
	ck_assert_uint_ne((uint32_t)st, STATUS_SUCCESS);
	pair_close(&p);
}
END_TEST

/* Outstanding work of the one who disconnects ends cancelled, each once, and
 * is in the CQ before the Disconnect completes; what is posted later too */
START_TEST(own_work_is_cancelled_before_completion)
{
	struct pair p;
	struct op oa, ob;
	NTSTATUS sa, sb;
	bool seen[12] = { false };

	pair_open(&p, 0, 1, NULL);
	for (uint64_t i = 0; i < 8; i++)
		assert_status(ep_post_recv(&p.a, i, 0, 64), STATUS_SUCCESS);
	sa = ep_disconnect_start(&p.a, &oa);
	sb = ep_disconnect_start(&p.b, &ob);
	assert_status(op_wait(&oa, sa), STATUS_SUCCESS);
	for (int i = 0; i < 8; i++) {
		NDK_RESULT_EX r;

		/* no waiting: they are there */
		ck_assert_uint_eq(p.a.cq->Dispatch->NdkGetCqResultsEx(p.a.cq,
								      &r, 1), 1);
		assert_status(r.Status, STATUS_CANCELLED);
		ck_assert(!seen[(uintptr_t)r.RequestContext]);
		seen[(uintptr_t)r.RequestContext] = true;
	}
	ck_assert(ep_idle(&p.a));
	assert_status(op_wait(&ob, sb), STATUS_SUCCESS);
	assert_status(ep_post_recv(&p.a, 9, 0, 64), STATUS_SUCCESS);
	assert_status(ep_post_send(&p.a, 10, 0, 64, 0), STATUS_SUCCESS);
	for (int i = 0; i < 2; i++)
		assert_status(ep_next(&p.a).Status, STATUS_CANCELLED);
	ck_assert(ep_idle(&p.a));
	pair_close(&p);
}
END_TEST

/* NDKPI: a peer's disconnect leaves our requests alone until we act */
START_TEST(ndk_policy_keeps_the_receives)
{
	NDK_RESULT_EX r;
	struct pair p;
	struct op oa, ob;
	NTSTATUS sa, sb;

	pair_open(&p, 0, 1, NULL);
	assert_status(ep_post_recv(&p.b, 5, 0, 64), STATUS_SUCCESS);
	sa = ep_disconnect_start(&p.a, &oa);
	ck_assert(wait_count(&p.b.indications, 1, TEST_TIMEOUT_MS));
	ck_assert(ep_idle(&p.b));
	sb = ep_disconnect_start(&p.b, &ob);
	assert_status(op_wait(&ob, sb), STATUS_SUCCESS);
	/* no waiting: it is there */
	ck_assert_uint_eq(p.b.cq->Dispatch->NdkGetCqResultsEx(p.b.cq, &r, 1), 1);
	assert_status(r.Status, STATUS_CANCELLED);
	assert_status(op_wait(&oa, sa), STATUS_SUCCESS);
	pair_close(&p);
}
END_TEST

/* NDSPI: indicate, then flush */
START_TEST(ndspi_policy_flushes_after_the_indication)
{
	struct ep_opts o = { .qp_flags = VRDMA_QP_FLUSH_ON_PEER_DISCONNECT };
	struct pair p;
	struct op oa, ob;
	NTSTATUS sa, sb;

	pair_open(&p, 0, 1, &o);
	assert_status(ep_post_recv(&p.b, 5, 0, 64), STATUS_SUCCESS);
	sa = ep_disconnect_start(&p.a, &oa);
	assert_status(ep_next(&p.b).Status, STATUS_CANCELLED);
	ck_assert(wait_count(&p.b.indications, 1, TEST_TIMEOUT_MS));
	sb = ep_disconnect_start(&p.b, &ob);
	assert_status(op_wait(&ob, sb), STATUS_SUCCESS);
	assert_status(op_wait(&oa, sa), STATUS_SUCCESS);
	pair_close(&p);
}
END_TEST

/* D3: after the completion no byte moves, the peer's one-sided ones included */
START_TEST(no_byte_moves_after_completion)
{
	struct ep_opts o = { .mem = 8u << 20, .depth = 16 };
	struct pair p;
	struct op oa, ob;
	NTSTATUS sa, sb;

	pair_open(&p, 0, 1, &o);
	mem_fill(&p.b.mem, 1);
	for (uint64_t i = 0; i < 16; i++)
		assert_status(ep_post_write(&p.b, i, 0, 8u << 20, &p.a, 0, 0),
			      STATUS_SUCCESS);
	sa = ep_disconnect_start(&p.a, &oa);
	sb = ep_disconnect_start(&p.b, &ob);
	assert_status(op_wait(&oa, sa), STATUS_SUCCESS);
	memset(p.a.mem.va, 0xee, p.a.mem.size);
	assert_status(op_wait(&ob, sb), STATUS_SUCCESS);
	for (int i = 0; i < 16; i++)	/* each once: done or cancelled */
		(void)ep_next(&p.b);
	ck_assert(ep_idle(&p.b));
	ck_assert(mem_is(p.a.mem.va, p.a.mem.size, 0xee));
	pair_close(&p);
}
END_TEST

START_TEST(port_is_free_after_full_close)
{
	struct pair p;
	struct listener again;
	struct op op;
	NTSTATUS st;

	pair_open(&p, 0, 1, NULL);
	op_init(&op);
	st = nd_close_start(p.l.obj, &op);
	assert_status(listener_try(&again, p.b.adapter, p.l.addr),
		      STATUS_SHARING_VIOLATION);
	ep_disconnect_both(&p.a, &p.b);
	nd_close(p.b.conn);
	p.b.conn = NULL;
	assert_status(op_wait(&op, st), STATUS_SUCCESS);
	listener_start(&again, p.b.adapter, p.l.addr);
	listener_stop(&again);
	ep_fini(&p.a);
	ep_fini(&p.b);
}
END_TEST

/* The close ends what pends, first; B has A's notification all the same */
START_TEST(close_with_disconnect_pending)
{
	struct op close_op, oa, ob;
	NTSTATUS sa, sc;
	struct pair p;

	pair_open(&p, 0, 1, NULL);
	sa = ep_disconnect_start(&p.a, &oa);
	op_init(&close_op);
	sc = nd_close_start(p.a.conn, &close_op);
	assert_status(sc, STATUS_PENDING);
	p.a.conn = NULL;
	assert_status(op_wait(&close_op, sc), STATUS_SUCCESS);
	ck_assert(oa.done);
	assert_status(op_wait(&oa, sa), STATUS_CANCELLED);
	ck_assert(wait_count(&p.b.indications, 1, TEST_TIMEOUT_MS));
	ck_assert_uint_eq(p.b.indications, 1);
	assert_status(op_wait(&ob, ep_disconnect_start(&p.b, &ob)),
		      p.b.reason == VIRTIO_RDMA_R_GRACEFUL ?
			      STATUS_SUCCESS : STATUS_CONNECTION_ABORTED);
	ck_assert_uint_eq(p.a.indications, 0);
	nd_close(p.b.conn);
	p.b.conn = NULL;
	listener_stop(&p.l);
	ep_fini(&p.a);
	ep_fini(&p.b);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("scheme");
	TCase *tc = add_case(s, "scheme", 60);

	tcase_add_checked_fixture(tc, fx_setup, fx_teardown);
	tcase_add_test(tc, pends_until_the_peer_disconnects);
	tcase_add_test(tc, crossing_both_succeed);
	tcase_add_test(tc, deadline_fails_it);
	tcase_add_test(tc, peer_closes_instead);
	tcase_add_test(tc, close_while_connected_is_an_abort);
	tcase_add_test(tc, never_connected);
	tcase_add_test(tc, twice);
	tcase_add_test(tc, nothing_is_reused);
	tcase_add_test(tc, own_work_is_cancelled_before_completion);
	tcase_add_test(tc, ndk_policy_keeps_the_receives);
	tcase_add_test(tc, ndspi_policy_flushes_after_the_indication);
	tcase_add_test(tc, no_byte_moves_after_completion);
	tcase_add_test(tc, port_is_free_after_full_close);
	tcase_add_test(tc, close_with_disconnect_pending);
	return run_suite(s);
}
