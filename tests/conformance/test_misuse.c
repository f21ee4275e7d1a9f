// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * test_misuse.c - calls at the wrong time, twice, at once, inside callbacks:
 * the documented status each time, a close never fails, and its completion is
 * the object's last callback
 */
#include <pthread.h>
#include <string.h>

#include "fixture.h"

/* --- Disconnect where there is nothing to disconnect ------------------------------ */

static NTSTATUS disconnect(struct ep *e)
{
	struct op op;

	return op_wait(&op, ep_disconnect_start(e, &op));
}

START_TEST(before_there_is_a_connection)
{
	struct ep a, b;
	struct listener l;
	struct op con, acc;
	NTSTATUS cs, as;

	ep_init(&a, fx.g[0], NULL);
	ep_init(&b, fx.g[1], NULL);
	listener_start(&l, b.adapter, sa_v4(1, 0));
	a.conn = nd_connector(a.adapter);
	assert_status(disconnect(&a), STATUS_CONNECTION_INVALID);
	cs = ep_connect_start(&a, l.addr, NULL, &con);
	b.conn = listener_next(&l);
	assert_status(disconnect(&a), STATUS_CONNECTION_INVALID); /* connecting */
	assert_status(disconnect(&b), STATUS_CONNECTION_INVALID); /* incoming */
	as = ep_accept_start(&b, b.conn, NULL, &acc);
	assert_status(disconnect(&b), STATUS_CONNECTION_INVALID); /* accepting */
	assert_status(op_wait(&con, cs), STATUS_SUCCESS);
	assert_status(disconnect(&a), STATUS_CONNECTION_INVALID); /* replied */
	/* and it did no harm */
	assert_status(ep_complete(&a), STATUS_SUCCESS);
	assert_status(op_wait(&acc, as), STATUS_SUCCESS);
	ep_disconnect_both(&a, &b);
	assert_status(disconnect(&a), STATUS_CONNECTION_INVALID);
	nd_close(b.conn);
	b.conn = NULL;
	listener_stop(&l);
	ep_fini(&a);
	ep_fini(&b);
}
END_TEST

struct caller {
	struct ep *e;
	struct op op;
	NTSTATUS st;
	pthread_barrier_t *start;
};

static void *call(void *arg)
{
	struct caller *c = arg;

	pthread_barrier_wait(c->start);
	c->st = ep_disconnect_start(c->e, &c->op);
	return NULL;
}

START_TEST(twice_at_once)
{
	for (int round = 0; round < 20; round++) {
		pthread_barrier_t start;
		struct caller c[2];
		pthread_t t[2];
		struct pair p;
		int one;

		pair_open(&p, 0, 1, NULL);
		pthread_barrier_init(&start, NULL, 2);
		for (int i = 0; i < 2; i++) {
			c[i] = (struct caller){ .e = &p.a, .start = &start };
			pthread_create(&t[i], NULL, call, &c[i]);
		}
		for (int i = 0; i < 2; i++)
			pthread_join(t[i], NULL);
		pthread_barrier_destroy(&start);
		one = c[0].st == STATUS_PENDING ? 0 : 1;
		assert_status(c[one].st, STATUS_PENDING);
		assert_status(c[!one].st, STATUS_INVALID_DEVICE_STATE);
		assert_status(disconnect(&p.b), STATUS_SUCCESS);
		assert_status(op_wait(&c[one].op, c[one].st), STATUS_SUCCESS);
		pair_close(&p);
	}
}
END_TEST

/* --- a used queue pair, a used connector ---------------------------------------------- */

/* Another connector of e's adapter tries with e's queue pair */
static NTSTATUS second_connect(struct ep *e, struct sa to)
{
	NDK_CONNECTOR *own = e->conn;
	struct op op;
	NTSTATUS st;

	e->conn = NULL;
	st = op_wait(&op, ep_connect_start(e, to, NULL, &op));
	nd_close(e->conn);
	e->conn = own;
	return st;
}

static bool refused(NTSTATUS st)
{
	return st == STATUS_CONNECTION_ACTIVE || st == STATUS_CONNECTION_INVALID;
}

START_TEST(nothing_used_connects_again)
{
	struct pair p;
	struct op op;

	pair_open(&p, 0, 1, NULL);
	/* a second connection of a queue pair that has one */
	ck_assert(refused(second_connect(&p.a, p.l.addr)));
	ck_assert_uint_eq(p.a.indications + p.b.indications, 0);
	ep_disconnect_both(&p.a, &p.b);
	ck_assert(refused(second_connect(&p.a, p.l.addr)));
	/* the used connector: every establishing call */
	assert_status(op_wait(&op, ep_connect_start(&p.a, p.l.addr, NULL, &op)),
		      STATUS_CONNECTION_INVALID);
	assert_status(ep_complete(&p.a), STATUS_CONNECTION_INVALID);
	assert_status(op_wait(&op, ep_accept_start(&p.b, p.b.conn, NULL, &op)),
		      STATUS_CONNECTION_INVALID);
	assert_status(p.a.conn->Dispatch->NdkReject(p.a.conn, NULL, 0),
		      STATUS_CONNECTION_INVALID);
	/* the used queue pair: what is posted ends, cancelled */
	assert_status(ep_post_recv(&p.a, 1, 0, 64), STATUS_SUCCESS);
	assert_status(ep_post_send(&p.a, 2, 0, 64, 0), STATUS_SUCCESS);
	assert_status(ep_post_write(&p.a, 3, 0, 64, &p.b, 0, 0),
		      STATUS_SUCCESS);
	assert_status(ep_post_read(&p.a, 4, 0, 64, &p.b, 0, 0), STATUS_SUCCESS);
	for (int i = 0; i < 4; i++)
		assert_status(ep_next(&p.a).Status, STATUS_CANCELLED);
	ck_assert(ep_idle(&p.a));
	pair_close(&p);
}
END_TEST

/* --- silent requests --------------------------------------------------------------------- */

/* Each at most once, and only when it did not succeed; the others exactly once */
START_TEST(silent_requests_at_most_once)
{
	enum { N = 16, SIZE = 1 << 20 };
	struct ep_opts o = { .depth = N, .mem = SIZE };
	bool seen[N] = { false };
	uint32_t loud = 0;
	struct op oa, ob;
	NTSTATUS sa, sb;
	struct pair p;
	NDK_RESULT_EX r;

	pair_open(&p, 0, 1, &o);
	for (uint64_t i = 0; i < N; i++)
		assert_status(ep_post_write(&p.a, i, 0, SIZE, &p.b, 0,
					    i % 2 ? NDK_OP_FLAG_SILENT_SUCCESS :
						    0),
			      STATUS_SUCCESS);
	sa = ep_disconnect_start(&p.a, &oa);
	sb = ep_disconnect_start(&p.b, &ob);
	assert_status(op_wait(&oa, sa), STATUS_SUCCESS);
	while (p.a.cq->Dispatch->NdkGetCqResultsEx(p.a.cq, &r, 1)) {
		uintptr_t id = (uintptr_t)r.RequestContext;

		ck_assert_uint_lt(id, N);
		ck_assert(!seen[id]);
		seen[id] = true;
		loud += id % 2 == 0;
		ck_assert(id % 2 == 0 || r.Status == STATUS_CANCELLED);
	}
	ck_assert_uint_eq(loud, N / 2);
	assert_status(op_wait(&ob, sb), STATUS_SUCCESS);
	ck_assert(ep_idle(&p.a));
	pair_close(&p);
}
END_TEST

/* --- closes inside callbacks --------------------------------------------------------------- */

enum inside {
	CONNECT, COMPLETE, ACCEPT, DISCONNECT, INDICATION, INSIDE_COUNT
};

/* One side, whose callback number `when` closes its connector */
struct side {
	struct ep ep;
	enum inside when;
	bool active;
	_Atomic uint32_t calls;		/* of its connector's callbacks */
	_Atomic uint32_t late;		/* behind the close completion */
	_Atomic bool closed;
	_Atomic uint32_t closes;	/* how often close was called */
	NTSTATUS close_st;
	struct op op[INSIDE_COUNT];
};

struct hook {
	struct side *s;
	enum inside which;
};

static void on_closed(PVOID ctx)
{
	struct side *s = ctx;

	s->late += s->closed;
	s->closed = true;
}

static void count_and_close(struct side *s, enum inside which)
{
	s->late += s->closed;
	s->calls++;
	if (!s->active || s->when != which)
		return;
	s->closes++;
	s->close_st = s->ep.conn->Dispatch->NdkCloseConnector(
		&s->ep.conn->Header, on_closed, s);
	/* a callback of this object runs: it cannot be over */
	ck_assert(!s->closed);
}

static void on_request(PVOID ctx, NTSTATUS status)
{
	struct hook *h = ctx;

	count_and_close(h->s, h->which);
	op_ended(&h->s->op[h->which], status);
}

static void on_indication(PVOID ctx, ULONG reason)
{
	struct hook *h = ctx;

	(void)reason;
	count_and_close(h->s, h->which);
	op_ended(&h->s->op[h->which], STATUS_SUCCESS);
}

static bool ended(struct side *s, enum inside which)
{
	return op_wait_ms(&s->op[which], TEST_TIMEOUT_MS);
}

struct scene {
	struct side a, b;
	struct hook ha[INSIDE_COUNT], hb[INSIDE_COUNT];
	struct listener l;
};

static void open_side(struct side *s, struct hook *h, struct tguest *g,
		      enum inside when, bool active)
{
	ep_init(&s->ep, g, NULL);
	s->when = when;
	s->active = active;
	for (int i = 0; i < INSIDE_COUNT; i++) {
		op_init(&s->op[i]);
		h[i] = (struct hook){ s, (enum inside)i };
	}
}

/* False: the side that closes in `when` has done so, there is no next step */
static bool establish(struct scene *s, enum inside when)
{
	struct ep *a = &s->a.ep, *b = &s->b.ep;
	struct sa to = s->l.addr;

	a->conn = nd_connector(a->adapter);
	assert_status(a->conn->Dispatch->NdkConnect(
			      a->conn, a->qp, NULL, 0, &to.sa, to.len, 1, 1,
			      NULL, 0, on_request, &s->ha[CONNECT]),
		      STATUS_PENDING);
	b->conn = listener_next(&s->l);
	assert_status(b->conn->Dispatch->NdkAcceptEx(
			      b->conn, b->qp, 1, 1, NULL, 0, on_indication,
			      &s->hb[INDICATION], on_request, &s->hb[ACCEPT]),
		      STATUS_PENDING);
	ck_assert(ended(&s->a, CONNECT));
	if (when == CONNECT)
		return false;
	assert_status(a->conn->Dispatch->NdkCompleteConnectEx(
			      a->conn, on_indication, &s->ha[INDICATION],
			      on_request, &s->ha[COMPLETE]),
		      STATUS_PENDING);
	ck_assert(ended(&s->a, COMPLETE) && ended(&s->b, ACCEPT));
	return when != COMPLETE && when != ACCEPT;
}

static void end_connection(struct scene *s)
{
	struct ep *a = &s->a.ep, *b = &s->b.ep;

	assert_status(b->conn->Dispatch->NdkDisconnect(b->conn, on_request,
						       &s->hb[DISCONNECT]),
		      STATUS_PENDING);
	if (s->a.when == INDICATION) {	/* A's close is its notification */
		ck_assert(ended(&s->a, INDICATION));
	} else {
		assert_status(a->conn->Dispatch->NdkDisconnect(
				      a->conn, on_request, &s->ha[DISCONNECT]),
			      STATUS_PENDING);
		ck_assert(ended(&s->a, DISCONNECT));
	}
	ck_assert(ended(&s->b, DISCONNECT));
	assert_status(s->b.op[DISCONNECT].status, STATUS_SUCCESS);
}

static bool wait_flag(const _Atomic bool *flag)
{
	for (int ms = 0; ms < TEST_TIMEOUT_MS && !*flag; ms++) {
		struct timespec t = { 0, 1000000 };

		nanosleep(&t, NULL);
	}
	return *flag;
}

static void close_side(struct side *s)
{
	uint32_t calls;

	if (s->closes) {
		ck_assert_uint_eq(s->closes, 1);
		assert_status(s->close_st, STATUS_PENDING);
		ck_assert(wait_flag(&s->closed));
		s->ep.conn = NULL;
	}
	calls = s->calls;
	ep_fini(&s->ep);
	ck_assert_uint_eq(s->late, 0);
	ck_assert(!s->closes || s->calls == calls);
}

START_TEST(close_inside_a_callback)
{
	enum inside when = (enum inside)_i;
	static struct scene s;

	memset(&s, 0, sizeof(s));
	open_side(&s.a, s.ha, fx.g[0], when, when != ACCEPT);
	open_side(&s.b, s.hb, fx.g[1], when, when == ACCEPT);
	listener_start(&s.l, s.b.ep.adapter, sa_v4(1, 0));
	if (establish(&s, when))
		end_connection(&s);
	ck_assert_uint_eq(s.a.closes + s.b.closes, 1);
	close_side(&s.a);
	if (s.b.ep.conn && !s.b.closes) {
		nd_close(s.b.ep.conn);
		s.b.ep.conn = NULL;
	}
	if (s.b.closes)
		ck_assert(wait_flag(&s.b.closed));
	listener_stop(&s.l);
	close_side(&s.b);
}
END_TEST

/* --- NdkCloseQp ------------------------------------------------------------------------------- */

/* Its connector holds it: pending until that is closed, its work flushed */
START_TEST(close_of_a_connected_queue_pair)
{
	struct op qp_op;
	struct pair p;
	NTSTATUS st;

	pair_open(&p, 0, 1, NULL);
	assert_status(ep_post_recv(&p.a, 7, 0, 64), STATUS_SUCCESS);
	op_init(&qp_op);
	st = nd_close_start(p.a.qp, &qp_op);
	assert_status(st, STATUS_PENDING);
	assert_status(ep_next(&p.a).Status, STATUS_CANCELLED);
	ck_assert(!op_wait_ms(&qp_op, 50));
	if (_i) {
		/* its flush broke nothing of the scheme */
		struct op oa, ob;
		NTSTATUS sa = ep_disconnect_start(&p.a, &oa);
		NTSTATUS sb = ep_disconnect_start(&p.b, &ob);

		op_wait(&oa, sa);
		op_wait(&ob, sb);
		ck_assert(!op_wait_ms(&qp_op, 50));
	}
	nd_close(p.a.conn);
	p.a.conn = NULL;
	assert_status(op_wait(&qp_op, st), STATUS_SUCCESS);
	if (!_i)
		ck_assert(wait_count(&p.b.indications, 1, TEST_TIMEOUT_MS));
	nd_close(p.b.conn);
	p.b.conn = NULL;
	listener_stop(&p.l);
	mem_fini(&p.a.mem);
	nd_close(p.a.cq);
	nd_close(p.a.pd);
	vrdma_close_adapter(p.a.adapter);
	ep_fini(&p.b);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("misuse");
	TCase *tc = add_case(s, "misuse", 60);

	tcase_add_checked_fixture(tc, fx_setup, fx_teardown);
	tcase_add_test(tc, before_there_is_a_connection);
	tcase_add_test(tc, twice_at_once);
	tcase_add_test(tc, nothing_used_connects_again);
	tcase_add_test(tc, silent_requests_at_most_once);
	tcase_add_loop_test(tc, close_inside_a_callback, 0, INSIDE_COUNT);
	tcase_add_loop_test(tc, close_of_a_connected_queue_pair, 0, 2);
	return run_suite(s);
}
