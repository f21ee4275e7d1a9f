// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * test_srq.c - shared receive queues: a server with one of them and several
 * connections
 *
 * The clients are guest 0's but for the last, which is the server's own guest
 * (1) and so outlives guest 0.
 */
#include <stdlib.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>

#include "fixture.h"
#include "transport.h"

#define CLIENTS	5
#define LAST	(CLIENTS - 1)
#define SLOTS	64		/* receive buffers */
#define SIZE	512u		/* of each */

struct message {
	uint32_t client, number;
	uint8_t fill[56];
};

static struct server {
	struct ep base;			/* adapter, domain, CQ, memory */
	NDK_SRQ *srq;
	struct listener l;
	struct ep end[CLIENTS];
	_Atomic uint32_t notes, errors;
} srv;

static struct ep owner[2];		/* of the clients' memory, by guest */
static struct ep client[CLIENTS];
static uint32_t sent[CLIENTS];

/* --- a server and its clients ----------------------------------------------------- */

static void on_srq(PVOID ctx, NTSTATUS status)
{
	struct server *s = ctx;

	if (status == STATUS_SUCCESS)
		s->notes++;
	else
		s->errors++;
}

static int guest_of(int i)
{
	return i == LAST;
}

static void end_open(int i)
{
	struct ep_opts o = { .share = &srv.base, .srq = srv.srq };
	struct ep_opts c = { .share = &owner[guest_of(i)] };

	ep_init(&srv.end[i], fx.g[1], &o);
	ep_init(&client[i], fx.g[guest_of(i)], &c);
	ep_connect(&client[i], &srv.end[i], &srv.l, NULL, NULL);
	sent[i] = 0;
}

static void open_all(uint32_t depth, uint32_t threshold)
{
	struct ep_opts o = { .cq_depth = 1024, .mem = SLOTS * SIZE };

	memset(&srv, 0, sizeof(srv));
	ep_init(&srv.base, fx.g[1], &o);
	ep_init(&owner[0], fx.g[0], &o);
	ep_init(&owner[1], fx.g[1], &o);
	srv.srq = nd_srq(srv.base.pd, depth, threshold, on_srq, &srv);
	listener_start(&srv.l, srv.base.adapter, sa_v4(1, 0));
	for (int i = 0; i < CLIENTS; i++)
		end_open(i);
}

static void end_close(int i)
{
	ep_fini(&client[i]);
	ep_fini(&srv.end[i]);
}

static void close_all(void)
{
	struct op op;
	NTSTATUS st;

	op_init(&op);
	st = nd_close_start(srv.l.obj, &op);
	for (int i = 0; i < CLIENTS; i++)
		end_close(i);
	assert_status(op_wait(&op, st), STATUS_SUCCESS);
	nd_close(srv.srq);
	ep_fini(&owner[0]);
	ep_fini(&owner[1]);
	ep_fini(&srv.base);
}

static NTSTATUS try_recv(uint32_t slot)
{
	NDK_SGE s = ep_sge(&srv.base, slot * SIZE, SIZE);

	return srv.srq->Dispatch->NdkSrqReceive(srv.srq, ID(slot), &s, 1);
}

static void recv_into(uint32_t slot)
{
	assert_status(try_recv(slot), STATUS_SUCCESS);
}

/* Client i says something that names it, from a place of its own.  False: its
 * send queue is full.  Over a wire a Send that was heard keeps its place until
 * the sender knows, and that may take receives for those behind it: so who has
 * to post them must not wait here. */
static bool try_say(int i)
{
	struct ep *e = &client[i];
	size_t at = ((size_t)i * 8 + sent[i] % 8) * sizeof(struct message);
	struct message *m = (void *)(e->mem.va + at);
	NTSTATUS st;

	m->client = (uint32_t)i;
	m->number = sent[i];
	memset(m->fill, (int)(m->client * 31 + m->number), sizeof(m->fill));
	st = ep_post_send(e, m->number, at, sizeof(*m),
			  NDK_OP_FLAG_SILENT_SUCCESS);
	if (st == STATUS_INSUFFICIENT_RESOURCES)
		return false;
	assert_status(st, STATUS_SUCCESS);
	sent[i]++;
	return true;
}

/* There is a place soon: what is behind the heard ones has its receives */
static void say(int i)
{
	bool said = try_say(i);

	for (int ms = 0; !said && ms < TEST_TIMEOUT_MS; ms++) {
		poll(NULL, 0, 1);
		said = try_say(i);
	}
	ck_assert(said);
}

/* One message: whole, from whom the queue pair says, the next of that one */
static int hear_next(uint32_t heard[CLIENTS], uint32_t *slot)
{
	NDK_RESULT_EX r = ep_next(&srv.base);
	const struct message *m;
	int i;

	assert_status(r.Status, STATUS_SUCCESS);
	ck_assert_int_eq(r.Type, NdkOperationTypeReceive);
	ck_assert_uint_eq(r.BytesTransferred, sizeof(*m));
	*slot = (uint32_t)(uintptr_t)r.RequestContext;
	ck_assert_uint_lt(*slot, SLOTS);
	m = (const void *)(srv.base.mem.va + *slot * SIZE);
	i = (int)((struct ep *)r.QPContext - srv.end);
	ck_assert_int_eq((int)m->client, i);
	ck_assert_uint_eq(m->number, heard[i]);
	heard[i]++;
	ck_assert(mem_is(m->fill, sizeof(m->fill),
			 (uint8_t)(m->client * 31 + m->number)));
	return i;
}

static bool all_heard(const uint32_t heard[CLIENTS])
{
	return !memcmp(heard, sent, sizeof(sent));
}

/* --- data --------------------------------------------------------------------------- */

/* Receives in the order posted to whoever needs one */
START_TEST(spread)
{
	static const int order[] = { 0, 4, 4, 1, 3, 0, 2, 4, 1, 1, 0 };
	uint32_t heard[CLIENTS] = { 0 }, slot;

	open_all(32, 0);
	for (uint32_t i = 0; i < sizeof(order) / sizeof(order[0]); i++)
		recv_into(i);
	for (uint32_t i = 0; i < sizeof(order) / sizeof(order[0]); i++) {
		say(order[i]);
		ck_assert_int_eq(hear_next(heard, &slot), order[i]);
		ck_assert_uint_eq(slot, i);
	}
	close_all();
}
END_TEST

/* Any number of senders against few receives: every message once, by content,
 * in its sender's order, and every receive once */
START_TEST(many)
{
	enum { ALL = 20000, POSTED = 12 };
	uint32_t heard[CLIENTS] = { 0 }, slot, done = 0;
	unsigned int seed = 5;

	open_all(POSTED, 0);
	for (uint32_t i = 0; i < POSTED; i++)
		recv_into(i);
	while (done < ALL) {
		int i = rand_r(&seed) % CLIENTS;

		/* a send's place is used again after eight more */
		if (sent[i] - heard[i] < 8)
			try_say(i);
		if (rand_r(&seed) % 2 && !all_heard(heard)) {
			hear_next(heard, &slot);
			done++;
			recv_into(slot);
		}
	}
	close_all();
}
END_TEST

/* Everybody waits; one receive at a time serves everybody in the end */
START_TEST(starved)
{
	uint32_t heard[CLIENTS] = { 0 }, slot;

	open_all(4, 0);
	for (int n = 0; n < 20; n++) {
		for (int i = 0; i < CLIENTS; i++)
			say(i);
		for (int i = 0; i < CLIENTS; i++) {
			recv_into(0);
			hear_next(heard, &slot);
		}
		for (int i = 0; i < CLIENTS; i++)
			ck_assert_uint_eq(heard[i], (uint32_t)n + 1);
	}
	close_all();
}
END_TEST

/* No more than the depth is posted; what was taken makes room */
START_TEST(depth)
{
	uint32_t heard[CLIENTS] = { 0 }, slot;

	open_all(5, 0);
	for (uint32_t i = 0; i < 5; i++)
		recv_into(i);
	assert_status(try_recv(9), STATUS_INSUFFICIENT_RESOURCES);
	say(2);
	hear_next(heard, &slot);
	recv_into(9);
	assert_status(try_recv(9), STATUS_INSUFFICIENT_RESOURCES);
	close_all();
}
END_TEST

/* A message longer than its receive breaks that connection and no other */
START_TEST(too_long)
{
	uint32_t heard[CLIENTS] = { 0 }, slot;
	NDK_SGE s;
	NDK_RESULT_EX r;

	open_all(8, 0);
	s = ep_sge(&srv.base, 0, 10);
	assert_status(srv.srq->Dispatch->NdkSrqReceive(srv.srq, ID(3), &s, 1),
		      STATUS_SUCCESS);
	recv_into(1);
	say(0);
	r = ep_next(&srv.base);
	ck_assert_ptr_eq(r.QPContext, &srv.end[0]);
	ck_assert_ptr_eq(r.RequestContext, ID(3));
	assert_status(r.Status, STATUS_DATA_OVERRUN);
	ck_assert(wait_count(&srv.end[0].indications, 1, TEST_TIMEOUT_MS));
	say(1);
	ck_assert_int_eq(hear_next(heard, &slot), 1);
	ck_assert_uint_eq(srv.end[1].indications, 0);
	close_all();
}
END_TEST

/* --- threshold, changes ---------------------------------------------------------------- */

static NTSTATUS modify(uint32_t d, uint32_t threshold)
{
	struct op op;

	op_init(&op);
	return op_wait(&op, srv.srq->Dispatch->NdkModifySrq(
				    srv.srq, d, threshold, op_ended, &op));
}

/* After it, what the device had to say before has been heard: each command goes
 * once through its loop and once through the front end's */
static void settle(void)
{
	for (int i = 0; i < 2; i++)
		nd_close(nd_pd(srv.base.adapter));
}

START_TEST(threshold)
{
	uint32_t heard[CLIENTS] = { 0 }, slot;

	open_all(16, 2);
	for (uint32_t i = 0; i < 4; i++)
		recv_into(i);
	for (int i = 0; i < 2; i++) {	/* 3, 2 are left */
		say(i);
		hear_next(heard, &slot);
	}
	settle();
	ck_assert_uint_eq(srv.notes, 0);
	say(3);				/* 1 */
	hear_next(heard, &slot);
	ck_assert(wait_count(&srv.notes, 1, TEST_TIMEOUT_MS));
	say(4);				/* 0, and not armed */
	hear_next(heard, &slot);
	for (uint32_t i = 0; i < 4; i++)
		recv_into(i);
	settle();
	ck_assert_uint_eq(srv.notes, 1);
	/* armed anew: for less than there is, then for more */
	assert_status(modify(0, 4), STATUS_SUCCESS);
	settle();
	ck_assert_uint_eq(srv.notes, 1);
	assert_status(modify(0, 5), STATUS_SUCCESS);
	ck_assert(wait_count(&srv.notes, 2, TEST_TIMEOUT_MS));
	say(0);
	hear_next(heard, &slot);
	settle();
	ck_assert_uint_eq(srv.notes, 2);
	ck_assert_uint_eq(srv.errors, 0);
	close_all();
}
END_TEST

/* While a change is in work the new ring does not know what was taken from the
 * old one: room comes with its end at the latest */
static void recv_when_possible(uint32_t slot)
{
	NTSTATUS st = try_recv(slot);

	for (int ms = 0; st == STATUS_INSUFFICIENT_RESOURCES &&
	     ms < TEST_TIMEOUT_MS; ms++) {
		poll(NULL, 0, 1);
		st = try_recv(slot);
	}
	assert_status(st, STATUS_SUCCESS);
}

/* The depth changes while everybody talks */
START_TEST(resized_under_traffic)
{
	static const uint32_t depths[] = { 40, 8, 100, 9, 16, 60 };
	uint32_t heard[CLIENTS] = { 0 }, slot, posted = 0, done = 0;
	unsigned int seed = 9;

	open_all(16, 0);
	for (uint32_t n = 0; n < sizeof(depths) / sizeof(depths[0]); n++) {
		struct op op;
		NTSTATUS st;

		for (uint32_t k = 0; k < 500; k++) {
			int i = rand_r(&seed) % CLIENTS;

			if (sent[i] - heard[i] < 8)
				try_say(i);
			while (posted - done < 8 &&
			       try_recv(posted % SLOTS) == STATUS_SUCCESS)
				posted++;
			if (rand_r(&seed) % 2 && !all_heard(heard)) {
				hear_next(heard, &slot);
				done++;
			}
		}
		op_init(&op);
		st = srv.srq->Dispatch->NdkModifySrq(srv.srq, depths[n], 0,
						     op_ended, &op);
		/* not waited for before there was more to do */
		if (posted - done < 8 &&
		    try_recv(posted % SLOTS) == STATUS_SUCCESS)
			posted++;
		if (sent[0] - heard[0] < 8)
			try_say(0);
		while (sent[0] != heard[0]) {
			hear_next(heard, &slot);
			if (++done == posted) {
				recv_when_possible(posted % SLOTS);
				posted++;
			}
		}
		assert_status(op_wait(&op, st), STATUS_SUCCESS);
	}
	assert_status(modify(16385, 0), STATUS_INVALID_PARAMETER);
	ck_assert_uint_eq(srv.errors, 0);
	close_all();
}
END_TEST

/* --- ends ----------------------------------------------------------------------------- */

/* One connection disconnects, one is closed, one queue pair is flushed: what is
 * posted stays for the others */
START_TEST(others_go_on)
{
	uint32_t heard[CLIENTS] = { 0 }, slot;

	open_all(16, 0);
	for (uint32_t i = 0; i < 8; i++)
		recv_into(i);
	ep_disconnect_both(&client[0], &srv.end[0]);
	nd_close(client[1].conn);
	client[1].conn = NULL;
	ck_assert(wait_count(&srv.end[1].indications, 1, TEST_TIMEOUT_MS));
	srv.end[2].qp->Dispatch->NdkFlush(srv.end[2].qp);
	settle();
	ck_assert(ep_idle(&srv.base));
	for (uint32_t i = 0; i < 8; i++) {
		say(3 + (int)i % 2);
		ck_assert_int_eq(hear_next(heard, &slot), 3 + (int)i % 2);
		ck_assert_uint_eq(slot, i);
	}
	close_all();
}
END_TEST

static UINT32 bind_window(NDK_MW *mw)
{
	struct mem *m = &srv.base.mem;
	NDK_QP *qp = srv.end[0].qp;
	NDK_RESULT_EX r;

	assert_status(qp->Dispatch->NdkBind(qp, ID(71), m->mr, mw, m->va, SIZE,
					    NDK_OP_FLAG_ALLOW_REMOTE_WRITE),
		      STATUS_SUCCESS);
	r = ep_next(&srv.base);
	assert_status(r.Status, STATUS_SUCCESS);
	ck_assert_int_eq(r.Type, NdkOperationTypeBind);
	return mw->Dispatch->NdkGetRemoteTokenFromMw(mw);
}

static NDK_RESULT_EX give_back(int i, UINT32 token, NTSTATUS want)
{
	NDK_QP *qp = client[i].qp;
	NDK_SGE s = ep_sge(&client[i], 0, 64);
	NDK_RESULT_EX r;

	assert_status(qp->Dispatch->NdkSendAndInvalidate(qp, ID(72), &s, 1, 0,
							 token),
		      STATUS_SUCCESS);
	assert_status(ep_next(&client[i]).Status, want);
	r = ep_next(&srv.base);
	assert_status(r.Status, want);
	ck_assert_ptr_eq(r.QPContext, &srv.end[i]);
	return r;
}

static bool has_windows(NDK_ADAPTER *a)
{
	NDK_ADAPTER_INFO info;

	info = nd_info(a);
	return info.MaxWindowSize;
}

/* A window's queue pair may get its send with invalidate by a shared receive;
 * another one of the same queue may not */
START_TEST(invalidates)
{
	uint32_t heard[CLIENTS] = { 0 }, slot;
	NDK_RESULT_EX r;
	UINT32 token;
	NDK_MW *mw;

	open_all(16, 0);
	/* over verbs: as the host's device has it */
	if (!has_windows(srv.base.adapter)) {
		printf("no windows, no test of invalidation\n");
		close_all();
		return;
	}
	mw = nd_mw(srv.base.pd);
	for (uint32_t i = 0; i < 4; i++)
		recv_into(i);
	token = bind_window(mw);
	r = give_back(0, token, STATUS_SUCCESS);
	ck_assert_int_eq(r.Type, NdkOperationTypeReceiveAndInvalidate);
	ck_assert_uint_eq(r.TypeSpecificCompletionOutput, token);
	ck_assert_ptr_eq(r.RequestContext, ID(0));
	token = bind_window(mw);
	r = give_back(1, token, STATUS_ACCESS_VIOLATION);
	ck_assert_ptr_eq(r.RequestContext, ID(1));
	ck_assert(wait_count(&srv.end[1].indications, 1, TEST_TIMEOUT_MS));
	give_back(0, token, STATUS_SUCCESS);
	say(4);
	ck_assert_int_eq(hear_next(heard, &slot), 4);
	ck_assert_uint_eq(slot, 3);
	nd_close(mw);
	close_all();
}
END_TEST

/* A message that is being written when its connection ends: that receive is
 * cancelled, once, and only that */
START_TEST(taken_is_cancelled)
{
	enum { BIG = 24u << 20 };
	struct ep_opts o = { .mem = BIG };
	struct ep_opts b = { .mem = BIG + 4096 };
	struct ep src, dst, end;
	struct op op;
	NDK_SRQ *srq;
	NDK_SGE s;
	NDK_RESULT_EX r;
	NTSTATUS st;

	ep_init(&src, fx.g[0], &o);
	ep_init(&dst, fx.g[1], &b);
	srq = nd_srq(dst.pd, 4, 2, on_srq, &srv);
	srv.notes = 0;
	ep_init(&end, fx.g[1], &(struct ep_opts){ .share = &dst, .srq = srq });
	listener_start(&srv.l, dst.adapter, sa_v4(1, 0));
	ep_connect(&src, &end, &srv.l, NULL, NULL);
	s = ep_sge(&dst, 0, BIG);
	assert_status(srq->Dispatch->NdkSrqReceive(srq, ID(1), &s, 1),
		      STATUS_SUCCESS);
	s = ep_sge(&dst, BIG, 4096);
	assert_status(srq->Dispatch->NdkSrqReceive(srq, ID(2), &s, 1),
		      STATUS_SUCCESS);
	assert_status(ep_post_send(&src, 5, 0, BIG, 0), STATUS_SUCCESS);
	/* taken: that is what the limit says */
	ck_assert(wait_count(&srv.notes, 1, TEST_TIMEOUT_MS));
	st = ep_disconnect_start(&end, &op);
	r = ep_next(&dst);
	ck_assert_ptr_eq(r.RequestContext, ID(1));
	ck_assert(r.Status == STATUS_CANCELLED || r.Status == STATUS_SUCCESS);
	nd_close(src.conn);
	src.conn = NULL;
	op_wait(&op, st);
	ck_assert(ep_idle(&dst));
	op_init(&op);
	st = nd_close_start(srv.l.obj, &op);
	ep_fini(&end);
	op_wait(&op, st);
	nd_close(srq);
	ck_assert(ep_idle(&dst));
	ep_fini(&src);
	ep_fini(&dst);
}
END_TEST

/* A close waits for the last queue pair */
START_TEST(close_order)
{
	struct op srq, lst;
	NTSTATUS st, ls;

	open_all(16, 0);
	recv_into(0);
	op_init(&srq);
	st = nd_close_start(srv.srq, &srq);
	op_init(&lst);
	ls = nd_close_start(srv.l.obj, &lst);
	for (int i = 0; i < CLIENTS; i++) {
		ck_assert(!op_wait_ms(&srq, 0));
		end_close(i);
	}
	assert_status(op_wait(&srq, st), STATUS_SUCCESS);
	assert_status(op_wait(&lst, ls), STATUS_SUCCESS);
	ck_assert(ep_idle(&srv.base));
	ep_fini(&owner[0]);
	ep_fini(&owner[1]);
	ep_fini(&srv.base);
}
END_TEST

/* --- deaths ----------------------------------------------------------------------------- */

/* The peers' guest dies in the middle of its messages */
START_TEST(peers_die)
{
	uint32_t heard[CLIENTS] = { 0 }, slot, got = 0;
	NDK_RESULT_EX r;

	open_all(64, 0);
	for (uint32_t i = 0; i < 40; i++)
		recv_into(i);
	for (int n = 0; n < 8; n++)
		for (int i = 0; i < LAST; i++)
			say(i);
	tguest_kill(fx.g[0]);
	for (int i = 0; i < LAST; i++)
		ck_assert(wait_count(&srv.end[i].indications, 1,
				     TEST_TIMEOUT_MS));
	ck_assert_uint_eq(srv.end[LAST].indications, 0);
	/* what came has come whole, or was cancelled under the message */
	while (srv.base.cq->Dispatch->NdkGetCqResultsEx(srv.base.cq, &r, 1)) {
		ck_assert(r.Status == STATUS_SUCCESS ||
			  r.Status == STATUS_CANCELLED);
		got++;
	}
	ck_assert_uint_le(got, 32);
	/* the rest is there for who lives */
	for (; got < 40; got++) {
		say(LAST);
		ck_assert_int_eq(hear_next(heard, &slot), LAST);
	}
	ck_assert_uint_eq(srv.errors, 0);
	close_all();
}
END_TEST

/* The device is lost under the server: the queue says so, once; receives have
 * no completion, and every close ends.  reset (0) and death of vrdmad (1) */
START_TEST(device_lost)
{
	NDK_RESULT_EX r;

	open_all(64, 0);
	for (uint32_t i = 0; i < 8; i++)
		recv_into(i);
	say(LAST);
	assert_status(ep_next(&srv.base).Status, STATUS_SUCCESS);
	if (_i == 0) {
		tguest_reset(fx.g[1]);
	} else {
		test_daemons_kill();
		ck_assert(test_daemons_restart());
		ck_assert(tguest_wait_recoveries(fx.g[0], 1));
	}
	ck_assert(tguest_wait_recoveries(fx.g[1], 1));
	ck_assert(wait_count(&srv.errors, 1, TEST_TIMEOUT_MS));
	for (int i = 0; i < CLIENTS; i++)
		ck_assert_uint_eq(srv.end[i].indications, 1);
	assert_status(try_recv(9), STATUS_DEVICE_REMOVED);
	assert_status(modify(0, 3), STATUS_DEVICE_REMOVED);
	assert_status(modify(32, 0), STATUS_DEVICE_REMOVED);
	while (srv.base.cq->Dispatch->NdkGetCqResultsEx(srv.base.cq, &r, 1))
		ck_assert_msg(r.Type != NdkOperationTypeReceive,
			      "a shared receive completed");
	close_all();
	ck_assert_uint_eq(srv.errors, 1);
	open_all(16, 0);
	recv_into(0);
	say(0);
	assert_status(ep_next(&srv.base).Status, STATUS_SUCCESS);
	close_all();
}
END_TEST

/* --- not offered ------------------------------------------------------------------------ */

static void expect_none(void)
{
	NDK_ADAPTER *a = nd_open(fx.g[0]);
	NDK_PD *pd = nd_pd(a);
	NDK_ADAPTER_INFO info;
	struct op op;

	op_init(&op);
	info = nd_info(a);
	ck_assert_uint_eq(info.MaxSrqDepth, 0);
	assert_status(pd->Dispatch->NdkCreateSrq(pd, 4, 1, 0, NULL, NULL, NULL,
						 op_created, &op, NULL),
		      STATUS_NOT_SUPPORTED);
	nd_close(pd);
	vrdma_close_adapter(a);
}

/* By the operator */
START_TEST(not_configured)
{
	struct daemon_opts o = { .guests = 1,
				 .guest_section = FX_SMALL "max-srq = 0\n" };

	fx_start(&o, FX_MEM);
	ck_assert_uint_eq(fe_device_features(tguest_fe(fx.g[0])) &
			  VIRTIO_RDMA_FEATURE(SRQ), 0);
	expect_none();
	fx_teardown();
}
END_TEST

/* Not taken by the driver, and taken after a reset */
START_TEST(not_negotiated)
{
	NDK_ADAPTER *a;
	NDK_PD *pd;

	fe_leave_out(tguest_fe(fx.g[0]), VIRTIO_RDMA_FEATURE(SRQ));
	tguest_reset(fx.g[0]);
	ck_assert(tguest_wait_recoveries(fx.g[0], 1));
	expect_none();
	fe_leave_out(tguest_fe(fx.g[0]), 0);
	tguest_reset(fx.g[0]);
	ck_assert(tguest_wait_recoveries(fx.g[0], 2));
	a = nd_open(fx.g[0]);
	pd = nd_pd(a);
	nd_close(nd_srq(pd, 4, 0, NULL, NULL));
	nd_close(pd);
	vrdma_close_adapter(a);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("shared receive queues");
	TCase *tc = add_case(s, "shared", 90), *plain;

	tcase_add_checked_fixture(tc, fx_setup, fx_teardown);
	tcase_add_test(tc, spread);
	tcase_add_test(tc, many);
	tcase_add_test(tc, starved);
	tcase_add_test(tc, depth);
	tcase_add_test(tc, too_long);
	tcase_add_test(tc, threshold);
	tcase_add_test(tc, resized_under_traffic);
	tcase_add_test(tc, others_go_on);
	tcase_add_test(tc, invalidates);
	tcase_add_test(tc, taken_is_cancelled);
	tcase_add_test(tc, close_order);
	tcase_add_test(tc, peers_die);
	tcase_add_loop_test(tc, device_lost, 0, 2);
	tcase_add_test(tc, not_negotiated);
	plain = add_case(s, "not offered", 60);
	tcase_add_test(plain, not_configured);
	return run_suite(s);
}
