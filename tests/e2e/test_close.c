// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * test_close.c - things that end in the middle of others: connectors closed in
 * each state, listeners with requests, memory under a transfer, vrdmad
 */
#include <poll.h>
#include <string.h>

#include "fixture.h"
#include "transport.h"

enum stage {
	CONNECTING, /* A's Connect pends, B has the request */
	REPLIED,    /* B's Accept pends, A's Connect succeeded */
	CONNECTED,
	A_DISCONNECTS, /* A's Disconnect pends, B was told */
	DISCONNECTED,
};

struct run {
	struct pair p;
	struct op con, acc, dis;
	NTSTATUS con_st, acc_st, dis_st;
	enum stage stage;
};

static void reach(struct run *r, enum stage stage)
{
	struct op op;

	r->stage = stage;
	ep_init(&r->p.a, fx.g[0], NULL);
	ep_init(&r->p.b, fx.g[1], NULL);
	listener_start(&r->p.l, r->p.b.adapter, sa_v4(1, 0));
	r->con_st = ep_connect_start(&r->p.a, r->p.l.addr, NULL, &r->con);
	r->p.b.conn = listener_next(&r->p.l);
	if (stage == CONNECTING)
		return;
	r->acc_st = ep_accept_start(&r->p.b, r->p.b.conn, NULL, &r->acc);
	assert_status(op_wait(&r->con, r->con_st), STATUS_SUCCESS);
	if (stage == REPLIED)
		return;
	assert_status(ep_complete(&r->p.a), STATUS_SUCCESS);
	assert_status(op_wait(&r->acc, r->acc_st), STATUS_SUCCESS);
	if (stage == CONNECTED)
		return;
	r->dis_st = ep_disconnect_start(&r->p.a, &r->dis);
	ck_assert(wait_count(&r->p.b.indications, 1, TEST_TIMEOUT_MS));
	if (stage == A_DISCONNECTS)
		return;
	assert_status(op_wait(&op, ep_disconnect_start(&r->p.b, &op)),
		      STATUS_SUCCESS);
	assert_status(op_wait(&r->dis, r->dis_st), STATUS_SUCCESS);
}

/* --- connectors ------------------------------------------------------ */

#define NOTHING ((NTSTATUS)1)	   /* no request */
#define NOBODY	VIRTIO_RDMA_R_NONE /* no indication */
static const struct {
	enum stage stage;
	bool b_closes;
	NTSTATUS pending; /* the request under way, whoever made it */
	NTSTATUS next;	  /* what the other side's next step gets */
	uint32_t told;	  /* reason of the other side's indication */
} rows[] = {
	{CONNECTING, false, STATUS_CANCELLED, STATUS_CONNECTION_ABORTED,
	 NOBODY},
	{CONNECTING, true, STATUS_CONNECTION_REFUSED, NOTHING, NOBODY},
	{REPLIED, false, STATUS_CONNECTION_REFUSED, NOTHING, NOBODY},
	{REPLIED, true, STATUS_CANCELLED, STATUS_CONNECTION_ABORTED, NOBODY},
	{CONNECTED, false, NOTHING, STATUS_CONNECTION_ABORTED,
	 VIRTIO_RDMA_R_RESET},
	{CONNECTED, true, NOTHING, STATUS_CONNECTION_ABORTED,
	 VIRTIO_RDMA_R_RESET},
	/* B has A's notification: the first word counts */
	{A_DISCONNECTS, false, STATUS_CANCELLED, STATUS_SUCCESS,
	 VIRTIO_RDMA_R_GRACEFUL},
	{A_DISCONNECTS, true, STATUS_SUCCESS, NOTHING, NOBODY},
	{DISCONNECTED, false, NOTHING, STATUS_CONNECTION_INVALID,
	 VIRTIO_RDMA_R_GRACEFUL},
	{DISCONNECTED, true, NOTHING, STATUS_CONNECTION_INVALID, NOBODY},
};
#define ROWS (int)(sizeof(rows) / sizeof(rows[0]))

static NTSTATUS pending_of(struct run *r)
{
	if (r->stage == CONNECTING)
		return op_wait(&r->con, r->con_st);
	if (r->stage == REPLIED)
		return op_wait(&r->acc, r->acc_st);
	return op_wait(&r->dis, r->dis_st);
}

static NTSTATUS next_of(struct run *r, struct ep *other)
{
	struct op op;

	if (r->stage == CONNECTING)
		return op_wait(&op,
			       ep_accept_start(other, other->conn, NULL, &op));
	if (r->stage == REPLIED)
		return ep_complete(other);
	return op_wait(&op, ep_disconnect_start(other, &op));
}

/* A's CompleteConnect and the word that B is gone cross, where the wire has no answer
 * to the former: then the latter is an end like any other */
static bool may_cross(int row)
{
	return rows[row].stage == REPLIED && rows[row].b_closes &&
	       !test_backend()->tells_aborts;
}

START_TEST(connector_in_each_state)
{
	struct run r;
	struct ep *one, *other;
	struct listener again;

	reach(&r, rows[_i].stage);
	one = rows[_i].b_closes ? &r.p.b : &r.p.a;
	other = rows[_i].b_closes ? &r.p.a : &r.p.b;
	nd_close(one->conn);
	one->conn = NULL;
	if (rows[_i].pending != NOTHING)
		assert_status(pending_of(&r), rows[_i].pending);
	if (rows[_i].told != NOBODY) {
		ck_assert(wait_count(&other->indications, 1, TEST_TIMEOUT_MS));
		ck_assert(ep_was_told(other, rows[_i].told));
	}
	if (may_cross(_i))
		next_of(&r, other);
	else if (rows[_i].next != NOTHING)
		assert_status(next_of(&r, other),
			      ep_end_of(other, rows[_i].told, rows[_i].next));
	if (other->conn)
		nd_close(other->conn);
	other->conn = NULL;
	if (!may_cross(_i))
		ck_assert_uint_eq(other->indications, rows[_i].told != NOBODY);
	ck_assert_uint_le(other->indications, 1);
	ck_assert_uint_eq(one->indications,
			  rows[_i].b_closes && rows[_i].stage >= A_DISCONNECTS);
	/* nothing holds the address any more */
	listener_stop(&r.p.l);
	listener_start(&again, r.p.b.adapter, r.p.l.addr);
	listener_stop(&again);
	ep_fini(&r.p.a);
	ep_fini(&r.p.b);
}
END_TEST

/* --- vrdmad ---------------------------------------------------------- */

START_TEST(daemon_in_each_state)
{
	struct run r;

	reach(&r, (enum stage)_i);
	test_daemons_kill();
	if (_i != CONNECTED && _i != DISCONNECTED)
		assert_status(pending_of(&r), STATUS_DEVICE_REMOVED);
	if (_i == CONNECTED) {
		ck_assert(wait_count(&r.p.a.indications, 1, TEST_TIMEOUT_MS));
		ck_assert(wait_count(&r.p.b.indications, 1, TEST_TIMEOUT_MS));
		ck_assert_uint_eq(r.p.a.reason, VIRTIO_RDMA_R_DEVICE_RESET);
		ck_assert_uint_eq(r.p.b.reason, VIRTIO_RDMA_R_DEVICE_RESET);
	}
	ck_assert(test_daemons_restart());
	ck_assert(tguest_wait_recoveries(fx.g[0], 1));
	ck_assert(tguest_wait_recoveries(fx.g[1], 1));
	ck_assert_uint_eq(r.p.a.indications, _i == CONNECTED);
	ck_assert_uint_eq(r.p.b.indications, _i >= CONNECTED);
	if (_i == REPLIED)
		assert_status(ep_complete(&r.p.a), STATUS_DEVICE_REMOVED);
	pair_close(&r.p);
	reach(&r, DISCONNECTED); /* the device works again */
	pair_close(&r.p);
}
END_TEST

/* --- listeners ------------------------------------------------------- */

enum { REQUESTS = 20 };

struct requests {
	struct ep b;
	struct ep a[REQUESTS];
	struct op op[REQUESTS];
	NTSTATUS st[REQUESTS];
	struct listener l;
};

static void requests_start(struct requests *q)
{
	struct ep_opts o = {.mem = 4096, .depth = 4};

	ep_init(&q->b, fx.g[1], &o);
	listener_start(&q->l, q->b.adapter, sa_v4(1, 0));
	for (int i = 0; i < REQUESTS; i++) {
		ep_init(&q->a[i], fx.g[0], &o);
		q->st[i] =
			ep_connect_start(&q->a[i], q->l.addr, NULL, &q->op[i]);
	}
}

static void requests_end(struct requests *q)
{
	for (int i = 0; i < REQUESTS; i++)
		ep_fini(&q->a[i]);
	ep_fini(&q->b);
}

/* Announced ones can still be taken or refused; nobody new comes in */
START_TEST(listener_with_announced_requests)
{
	static struct requests q;
	NDK_CONNECTOR *in[REQUESTS];
	struct op close_op, acc, late;
	NTSTATUS close_st, acc_st;
	struct ep extra;

	requests_start(&q);
	for (int i = 0; i < REQUESTS; i++)
		in[i] = listener_next(&q.l);
	op_init(&close_op);
	close_st = nd_close_start(q.l.obj, &close_op);
	assert_status(close_st, STATUS_PENDING);
	ep_init(&extra, fx.g[0], NULL);
	assert_status(
		op_wait(&late, ep_connect_start(&extra, q.l.addr, NULL, &late)),
		STATUS_CONNECTION_REFUSED);
	ep_fini(&extra);
	acc_st = ep_accept_start(&q.b, in[0], NULL, &acc);
	assert_status(op_wait(&q.op[0], q.st[0]), STATUS_SUCCESS);
	assert_status(ep_complete(&q.a[0]), STATUS_SUCCESS);
	assert_status(op_wait(&acc, acc_st), STATUS_SUCCESS);
	for (int i = 1; i < REQUESTS; i++) {
		nd_close(in[i]);
		assert_status(op_wait(&q.op[i], q.st[i]),
			      STATUS_CONNECTION_REFUSED);
	}
	ck_assert(!op_wait_ms(&close_op, 50)); /* one is still there */
	ep_disconnect_both(&q.a[0], &q.b);
	nd_close(q.b.conn);
	q.b.conn = NULL;
	assert_status(op_wait(&close_op, close_st), STATUS_SUCCESS);
	requests_end(&q);
}
END_TEST

/* The close races the requests: each ends, wherever it is caught */
START_TEST(listener_with_requests_on_their_way)
{
	static struct requests q;
	struct op close_op;
	NTSTATUS close_st;
	int done = 0;

	requests_start(&q);
	op_init(&close_op);
	close_st = nd_close_start(q.l.obj, &close_op);
	for (int ms = 0; done < REQUESTS && ms < TEST_TIMEOUT_MS; ms++) {
		pthread_mutex_lock(&q.l.lock);
		bool any = q.l.head != q.l.tail;

		pthread_mutex_unlock(&q.l.lock);
		if (any)
			nd_close(listener_next(&q.l));
		else if (op_wait_ms(&q.op[done], 1))
			done++;
	}
	for (int i = 0; i < REQUESTS; i++)
		assert_status(op_wait(&q.op[i], q.st[i]),
			      STATUS_CONNECTION_REFUSED);
	assert_status(op_wait(&close_op, close_st), STATUS_SUCCESS);
	requests_end(&q);
}
END_TEST

/* --- memory ---------------------------------------------------------- */

static void deregister(struct mem *m)
{
	struct op op;

	op_init(&op);
	assert_status(op_wait(&op, m->mr->Dispatch->NdkDeregisterMr(
					   m->mr, op_ended, &op)),
		      STATUS_SUCCESS);
}

/* B's region goes (0), or A's own (1), while 16 transfers of 4 MiB are on.
 * When Deregister has completed, not one byte of it is touched */
START_TEST(region_under_a_transfer)
{
	enum { DEPTH = 16, SIZE = 4 << 20 };
	struct ep_opts o = {.mem = SIZE, .depth = DEPTH};
	struct pair p;
	struct mem *m = _i ? &p.a.mem : &p.b.mem;
	NTSTATUS first_bad = STATUS_SUCCESS;
	struct op op;

	pair_open(&p, 0, 1, &o);
	mem_fill(&p.b.mem, 1);
	for (uint64_t i = 0; i < DEPTH; i++) /* into the one that goes */
		assert_status(_i ? ep_post_read(&p.a, i, 0, SIZE, &p.b, 0, 0)
				 : ep_post_write(&p.a, i, 0, SIZE, &p.b, 0, 0),
			      STATUS_SUCCESS);
	assert_status(ep_next(&p.a).Status, STATUS_SUCCESS);
	deregister(m);
	memset(m->va, 0xee, SIZE);
	for (uint64_t i = 1; i < DEPTH; i++) {
		NDK_RESULT_EX r = ep_next(&p.a);

		ck_assert_ptr_eq(r.RequestContext, ID(i));
		if (first_bad != STATUS_SUCCESS)
			assert_status(r.Status, STATUS_CANCELLED);
		else
			first_bad = r.Status;
	}
	ck_assert(ep_idle(&p.a));
	ck_assert(mem_is(m->va, SIZE, 0xee));
	/* all could have been done before: then the next finds it gone */
	if (first_bad == STATUS_SUCCESS) {
		assert_status(ep_post_write(&p.a, 99, 0, 64, &p.b, 0, 0),
			      STATUS_SUCCESS);
		first_bad = ep_next(&p.a).Status;
	}
	assert_status(first_bad, STATUS_ACCESS_VIOLATION);
	ck_assert(wait_count(&p.b.indications, 1, TEST_TIMEOUT_MS));
	ck_assert_uint_ne(
		(uint32_t)op_wait(&op, ep_disconnect_start(&p.a, &op)),
		STATUS_SUCCESS);
	pair_close(&p);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("close");
	TCase *tc = add_case(s, "close", 60);

	tcase_add_checked_fixture(tc, fx_setup, fx_teardown);
	tcase_add_loop_test(tc, connector_in_each_state, 0, ROWS);
	tcase_add_loop_test(tc, daemon_in_each_state, CONNECTING,
			    DISCONNECTED + 1);
	tcase_add_test(tc, listener_with_announced_requests);
	tcase_add_loop_test(tc, listener_with_requests_on_their_way, 0, 5);
	tcase_add_loop_test(tc, region_under_a_transfer, 0, 2);
	return run_suite(s);
}
