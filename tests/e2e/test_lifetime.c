// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * test_lifetime.c - objects answered, closed and released inside callbacks, and in
 * any order, with work under way
 */
#include <stdlib.h>
#include <string.h>

#include "fixture.h"

/* --- inside the connect event ------------------------------------------------- */

enum answer { ACCEPTS, REJECTS, CLOSES, ANSWERS };

struct door {
	enum answer answer;
	struct ep *e;
	NDK_LISTENER *l;
	struct sa addr;
	struct op op;			/* of the Accept or the close */
	NTSTATUS st;
	_Atomic uint32_t asked;
};

static void on_request(PVOID ctx, NDK_CONNECTOR *conn)
{
	struct door *d = ctx;

	switch (d->answer) {
	case ACCEPTS:
		d->st = ep_accept_start(d->e, conn, "come", &d->op);
		break;
	case REJECTS:
		assert_status(conn->Dispatch->NdkReject(conn, "no", 2),
			      STATUS_SUCCESS);
		d->st = nd_close_start(conn, &d->op);
		break;
	default:
		d->st = nd_close_start(conn, &d->op);
	}
	d->asked++;
}

static void door_open(struct door *d, enum answer answer, struct ep *e)
{
	const NDK_LISTENER_DISPATCH *v;
	struct op op;
	NTSTATUS st;

	memset(d, 0, sizeof(*d));
	d->answer = answer;
	d->e = e;
	op_init(&d->op);
	op_init(&op);
	st = e->adapter->Dispatch->NdkCreateListener(
		e->adapter, on_request, d, op_created, &op, &d->l);
	assert_status(op_wait(&op, st), STATUS_SUCCESS);
	if (st == STATUS_PENDING)
		d->l = (NDK_LISTENER *)op.object;
	v = d->l->Dispatch;
	d->addr = sa_v4(1, 0);
	op_init(&op);
	assert_status(op_wait(&op, v->NdkListen(d->l, &d->addr.sa, d->addr.len,
						op_ended, &op)),
		      STATUS_SUCCESS);
	d->addr.len = sizeof(d->addr.in6);
	assert_status(v->NdkGetLocalAddress(d->l, &d->addr.sa, &d->addr.len),
		      STATUS_SUCCESS);
}

START_TEST(answered_inside_the_event)
{
	struct op con;
	struct ep a, b;
	struct door d;
	NTSTATUS st;

	ep_init(&a, fx.g[0], NULL);
	ep_init(&b, fx.g[1], NULL);
	door_open(&d, (enum answer)_i, &b);
	st = op_wait(&con, ep_connect_start(&a, d.addr, "please", &con));
	ck_assert(wait_count(&d.asked, 1, TEST_TIMEOUT_MS));
	if (_i == ACCEPTS) {
		assert_status(st, STATUS_SUCCESS);
		assert_status(ep_complete(&a), STATUS_SUCCESS);
		assert_status(op_wait(&d.op, d.st), STATUS_SUCCESS);
		ep_disconnect_both(&a, &b);
	} else {
		char said[8];
		ULONG len = sizeof(said);

		assert_status(st, STATUS_CONNECTION_REFUSED);
		op_wait(&d.op, d.st);
		assert_status(a.conn->Dispatch->NdkGetConnectionData(
				      a.conn, NULL, NULL, said, &len),
			      STATUS_SUCCESS);
		ck_assert_uint_eq(len, _i == REJECTS ? 2 : 0);
	}
	ck_assert_uint_eq(d.asked, 1);
	if (b.conn)
		nd_close(b.conn);
	b.conn = NULL;
	nd_close(d.l);
	ep_fini(&a);
	ep_fini(&b);
}
END_TEST

/* --- the older forms, whose event has no reason ---------------------------------- */

static void on_event(PVOID ctx)
{
	(*(_Atomic uint32_t *)ctx)++;
}

/* _i: who disconnects first; the other one's event comes, once, its own not */
START_TEST(events_without_reason)
{
	_Atomic uint32_t told[2] = {0};
	struct op con, acc, com, dis[2];
	NTSTATUS con_st, acc_st, st;
	struct ep e[2];
	struct listener l;
	int first = _i, other = 1 - _i;

	ep_init(&e[0], fx.g[0], NULL);
	ep_init(&e[1], fx.g[1], NULL);
	listener_start(&l, e[1].adapter, sa_v4(1, 0));
	con_st = ep_connect_start(&e[0], l.addr, NULL, &con);
	e[1].conn = listener_next(&l);
	op_init(&acc);
	acc_st = e[1].conn->Dispatch->NdkAccept(e[1].conn, e[1].qp, 3, 4, "x",
						1, on_event, &told[1], op_ended,
						&acc);
	assert_status(op_wait(&con, con_st), STATUS_SUCCESS);
	op_init(&com);
	assert_status(op_wait(&com, e[0].conn->Dispatch->NdkCompleteConnect(
					    e[0].conn, on_event, &told[0],
					    op_ended, &com)),
		      STATUS_SUCCESS);
	assert_status(op_wait(&acc, acc_st), STATUS_SUCCESS);
	st = ep_disconnect_start(&e[first], &dis[0]);
	ck_assert(wait_count(&told[other], 1, TEST_TIMEOUT_MS));
	assert_status(op_wait(&dis[1], ep_disconnect_start(&e[other], &dis[1])),
		      STATUS_SUCCESS);
	assert_status(op_wait(&dis[0], st), STATUS_SUCCESS);
	nd_close(e[1].conn);
	e[1].conn = NULL;
	listener_stop(&l);
	ep_fini(&e[0]);
	ep_fini(&e[1]);
	ck_assert_uint_eq(told[first], 0);
	ck_assert_uint_eq(told[other], 1);
}
END_TEST

/* --- inside a completion callback -------------------------------------------------- */

struct reaper {
	struct ep *e;
	struct op conn, qp, cq;
	NTSTATUS conn_st, qp_st, cq_st;
	_Atomic uint32_t calls, over;
	bool cq_too;
};

/* A consumer that lets everything go as soon as the first request ended */
static void let_go(PVOID ctx, NTSTATUS status)
{
	struct reaper *r = ctx;
	NDK_RESULT_EX one;

	(void)status;
	r->calls++;
	if (r->calls > 1)
		return;
	while (r->e->cq->Dispatch->NdkGetCqResultsEx(r->e->cq, &one, 1))
		;
	r->qp_st = nd_close_start(r->e->qp, &r->qp);
	if (r->cq_too)
		r->cq_st = nd_close_start(r->e->cq, &r->cq);
	r->conn_st = nd_close_start(r->e->conn, &r->conn);
	r->over++;
}

/* An end whose queue calls let_go() */
static void open_reaper(struct reaper *r, struct ep *e)
{
	struct op op;
	NTSTATUS st;

	r->e = e;
	op_init(&r->conn);
	op_init(&r->qp);
	op_init(&r->cq);
	ep_init(e, fx.g[0], NULL);
	nd_close(e->qp);
	nd_close(e->cq);
	e->cq = nd_cq(e->adapter, 64, let_go, r);
	op_init(&op);
	st = e->pd->Dispatch->NdkCreateQp(e->pd, e->cq, e->cq, e, 16, 16, 4, 4,
					  0, op_created, &op, &e->qp);
	assert_status(op_wait(&op, st), STATUS_SUCCESS);
	if (st == STATUS_PENDING)
		e->qp = (NDK_QP *)op.object;
}

/* Queue pair, connector and, with _i, the queue itself are closed while its
 * callback runs: all end, and it calls no more */
START_TEST(all_closed_inside_a_completion)
{
	enum { POSTED = 12 };
	static struct reaper r;
	struct pair p;

	memset(&r, 0, sizeof(r));
	r.cq_too = _i;
	open_reaper(&r, &p.a);
	ep_init(&p.b, fx.g[1], NULL);
	listener_start(&p.l, p.b.adapter, sa_v4(1, 0));
	ep_connect(&p.a, &p.b, &p.l, NULL, NULL);
	for (uint64_t i = 0; i < POSTED; i++) {
		assert_status(ep_post_recv(&p.a, i, 0, 64), STATUS_SUCCESS);
		if (i == 1)
			p.a.cq->Dispatch->NdkArmCq(p.a.cq, NDK_CQ_NOTIFY_ANY);
	}
	assert_status(ep_post_send(&p.b, 1, 0, 64, 0), STATUS_SUCCESS);
	assert_status(ep_next(&p.b).Status, STATUS_SUCCESS);
	ck_assert(wait_count(&r.over, 1, TEST_TIMEOUT_MS));
	ck_assert(wait_count(&p.b.indications, 1, TEST_TIMEOUT_MS));
	assert_status(op_wait(&r.conn, r.conn_st), STATUS_SUCCESS);
	assert_status(op_wait(&r.qp, r.qp_st), STATUS_SUCCESS);
	if (r.cq_too)
		assert_status(op_wait(&r.cq, r.cq_st), STATUS_SUCCESS);
	else
		nd_close(p.a.cq);
	ck_assert_uint_eq(r.calls, 1);
	mem_fini(&p.a.mem);
	nd_close(p.a.pd);
	vrdma_close_adapter(p.a.adapter);
	nd_close(p.b.conn);
	p.b.conn = NULL;
	listener_stop(&p.l);
	ep_fini(&p.b);
}
END_TEST

/* --- any order ------------------------------------------------------------------------ */

/* Objects of both ends of a connection under traffic are closed in an order of
 * chance, with nothing waited for in between: each ends once */
START_TEST(closed_in_any_order)
{
	enum { EACH = 5, N = 2 * EACH + 1 };
	uint32_t seed = (uint32_t)_i * 2654435761u + 3;
	struct op op[N];
	NTSTATUS st[N];
	void *open[N];
	struct pair p;

	pair_open(&p, 0, 1, NULL);
	for (uint64_t i = 0; i < 8; i++) {
		assert_status(ep_post_recv(&p.b, i, 0, 64), STATUS_SUCCESS);
		assert_status(ep_post_write(&p.a, i, 0, 32768, &p.b, 0, 0),
			      STATUS_SUCCESS);
		assert_status(ep_post_read(&p.b, i, 0, 32768, &p.a, 0, 0),
			      STATUS_SUCCESS);
	}
	memcpy(open, ((void *[]){p.a.conn, p.a.qp, p.a.cq, p.a.pd, p.a.mem.mr,
				 p.b.conn, p.b.qp, p.b.cq, p.b.pd, p.b.mem.mr,
				 p.l.obj}), sizeof(open));
	for (uint32_t left = N; left; left--) {
		uint32_t k;

		seed = seed * 1103515245u + 12345u;
		k = (seed >> 16) % left;
		op_init(&op[left - 1]);
		st[left - 1] = nd_close_start(open[k], &op[left - 1]);
		open[k] = open[left - 1];
	}
	for (int i = 0; i < N; i++)
		assert_status(op_wait(&op[i], st[i]), STATUS_SUCCESS);
	tguest_ops()->dma_free(p.a.g, &p.a.mem.dma);
	tguest_ops()->dma_free(p.b.g, &p.b.mem.dma);
	vrdma_close_adapter(p.a.adapter);
	vrdma_close_adapter(p.b.adapter);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("lifetime");
	TCase *tc = add_case(s, "callbacks", 60);

	tcase_add_checked_fixture(tc, fx_setup, fx_teardown);
	tcase_add_loop_test(tc, answered_inside_the_event, 0, ANSWERS);
	tcase_add_loop_test(tc, events_without_reason, 0, 2);
	tcase_add_loop_test(tc, all_closed_inside_a_completion, 0, 2);
	tc = add_case(s, "order", 60);
	tcase_add_checked_fixture(tc, fx_setup, fx_teardown);
	tcase_add_loop_test(tc, closed_in_any_order, 0, 20);
	return run_suite(s);
}
