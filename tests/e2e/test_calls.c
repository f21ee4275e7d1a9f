// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * test_calls.c - connectors and listeners: each call in each state, private data
 * and read limits to their bounds, addresses
 */
#include <string.h>

#include "fixture.h"

static NTSTATUS connect_with(struct ep *a, const struct sa *from, struct sa to,
			     const void *data, ULONG len, struct op *op)
{
	op_init(op);
	return a->conn->Dispatch->NdkConnect(
		a->conn, a->qp, from ? &from->sa : NULL, from ? from->len : 0,
		&to.sa, to.len, 4, 4, data, len, op_ended, op);
}

/* Ends what pair_open() and those like it began, from any state */
static void over(struct pair *p)
{
	if (p->b.conn) {
		pair_close(p);
		return;
	}
	ep_fini(&p->a);
	listener_stop(&p->l);
	ep_fini(&p->b);
}

static void open_both(struct pair *p)
{
	ep_init(&p->a, fx.g[0], NULL);
	ep_init(&p->b, fx.g[1], NULL);
	listener_start(&p->l, p->b.adapter, sa_v4(1, 0));
	p->a.conn = nd_connector(p->a.adapter);
}

/* --- each call in each state --------------------------------------------------- */

enum stage {
	IDLE,
	ASKED,
	ANSWERED,
	ESTABLISHED,
	A_ENDS,
	OVER,
	STAGES
};

/* What the tables of docs/states.md have beside CONNECTION_INVALID, which is what
 * a call that cannot be made gets; DATA can be had from then on */
enum {
	CONNECT = 1,
	COMPLETE = 2,
	ACCEPT = 4,
	REJECT = 8,
	DATA = 16,
	END = 32
};
static const struct {
	int a, b; /* may be called */
} may[STAGES] = {
	[IDLE] = { CONNECT, 0 },
	[ASKED] = { 0, ACCEPT | REJECT | DATA },
	[ANSWERED] = { COMPLETE | REJECT | DATA, DATA },
	[ESTABLISHED] = { DATA | END, DATA | END },
	[A_ENDS] = { DATA, DATA | END },
	[OVER] = { DATA, DATA },
};

struct scene {
	struct pair p;
	struct op con, acc, dis;
	NTSTATUS cs, as, ds;
};

static void reach(struct scene *s, enum stage stage)
{
	struct op op;

	open_both(&s->p);
	if (stage == IDLE)
		return;
	s->cs = ep_connect_start(&s->p.a, s->p.l.addr, "?", &s->con);
	s->p.b.conn = listener_next(&s->p.l);
	if (stage == ASKED)
		return;
	s->as = ep_accept_start(&s->p.b, s->p.b.conn, "!", &s->acc);
	assert_status(op_wait(&s->con, s->cs), STATUS_SUCCESS);
	if (stage == ANSWERED)
		return;
	assert_status(ep_complete(&s->p.a), STATUS_SUCCESS);
	assert_status(op_wait(&s->acc, s->as), STATUS_SUCCESS);
	if (stage == ESTABLISHED)
		return;
	s->ds = ep_disconnect_start(&s->p.a, &s->dis);
	ck_assert(wait_count(&s->p.b.indications, 1, TEST_TIMEOUT_MS));
	if (stage == A_ENDS)
		return;
	assert_status(op_wait(&op, ep_disconnect_start(&s->p.b, &op)),
		      STATUS_SUCCESS);
	assert_status(op_wait(&s->dis, s->ds), STATUS_SUCCESS);
}

/* Makes every call that is not in `allowed`, and asks for the data */
static void try_all(struct ep *e, struct sa to, int allowed, NTSTATUS no_end)
{
	const NDK_CONNECTOR_DISPATCH *d = e->conn->Dispatch;
	NDK_CONNECTOR *c = e->conn;
	const NTSTATUS no = STATUS_CONNECTION_INVALID;
	ULONG len = 0;
	struct op op;

	assert_status(d->NdkGetConnectionData(c, NULL, NULL, NULL, &len),
		      allowed & DATA ? STATUS_SUCCESS : no);
	if (!(allowed & CONNECT))
		assert_status(connect_with(e, NULL, to, NULL, 0, &op), no);
	if (!(allowed & COMPLETE)) {
		assert_status(ep_complete(e), no);
		op_init(&op);
		assert_status(d->NdkCompleteConnect(c, NULL, NULL, op_ended,
						    &op),
			      no);
	}
	if (!(allowed & ACCEPT)) {
		assert_status(ep_accept_start(e, c, NULL, &op), no);
		op_init(&op);
		assert_status(d->NdkAccept(c, e->qp, 1, 1, NULL, 0, NULL, NULL,
					   op_ended, &op),
			      no);
	}
	if (!(allowed & REJECT))
		assert_status(d->NdkReject(c, NULL, 0), no);
	if (!(allowed & END))
		assert_status(op_wait(&op, ep_disconnect_start(e, &op)),
			      no_end);
}

/* A refused call does nothing: the connection goes on to its end, as asked */
START_TEST(each_call_in_each_state)
{
	const NTSTATUS no = STATUS_CONNECTION_INVALID;
	enum stage stage = (enum stage)_i;
	struct scene s;
	struct op op;

	reach(&s, stage);
	/* a second Disconnect has a status of its own */
	try_all(&s.p.a, s.p.l.addr, may[stage].a,
		stage == A_ENDS ? STATUS_INVALID_DEVICE_STATE : no);
	if (s.p.b.conn)
		try_all(&s.p.b, s.p.l.addr, may[stage].b, no);
	if (stage == ASKED) {
		s.as = ep_accept_start(&s.p.b, s.p.b.conn, NULL, &s.acc);
		assert_status(op_wait(&s.con, s.cs), STATUS_SUCCESS);
	}
	if (stage == ASKED || stage == ANSWERED) {
		assert_status(ep_complete(&s.p.a), STATUS_SUCCESS);
		assert_status(op_wait(&s.acc, s.as), STATUS_SUCCESS);
	}
	if (stage >= ASKED && stage <= ESTABLISHED)
		ep_disconnect_both(&s.p.a, &s.p.b);
	if (stage == A_ENDS) {
		assert_status(op_wait(&op, ep_disconnect_start(&s.p.b, &op)),
			      STATUS_SUCCESS);
		assert_status(op_wait(&s.dis, s.ds), STATUS_SUCCESS);
	}
	over(&s.p);
}
END_TEST

/* --- private data ------------------------------------------------------------------ */

static void check_data(NDK_CONNECTOR *c, const uint8_t *want, ULONG len)
{
	uint8_t got[VIRTIO_RDMA_MAX_PRIVATE];
	ULONG room = len ? len - 1 : 0;

	if (len) { /* as much as there is room for, and how much there is */
		memset(got, 0, sizeof(got));
		assert_status(c->Dispatch->NdkGetConnectionData(c, NULL, NULL,
								got, &room),
			      STATUS_BUFFER_TOO_SMALL);
		ck_assert_uint_eq(room, len);
		ck_assert_mem_eq(got, want, len - 1);
	}
	room = sizeof(got);
	assert_status(c->Dispatch->NdkGetConnectionData(c, NULL, NULL, got,
							&room),
		      STATUS_SUCCESS);
	ck_assert_uint_eq(room, len);
	ck_assert_mem_eq(got, want, len);
	room = 5;
	assert_status(c->Dispatch->NdkGetConnectionData(c, NULL, NULL, NULL,
							&room),
		      STATUS_INVALID_PARAMETER);
}

/* All that the adapter says is possible, each way, and not one byte more */
START_TEST(private_data_to_the_limit)
{
	static uint8_t text[VIRTIO_RDMA_MAX_PRIVATE + 1];
	NDK_ADAPTER_INFO info;
	struct op con, acc;
	NDK_CONNECTOR *in;
	struct pair p;
	NTSTATUS cs, as;

	for (size_t i = 0; i < sizeof(text); i++)
		text[i] = (uint8_t)(i * 7 + 1);
	open_both(&p);
	info = nd_info(p.a.adapter);
	assert_status(connect_with(&p.a, NULL, p.l.addr, text,
				   info.MaxCallerData + 1, &con),
		      STATUS_INVALID_BUFFER_SIZE);
	assert_status(connect_with(&p.a, NULL, p.l.addr, NULL, 1, &con),
		      STATUS_INVALID_PARAMETER);
	cs = connect_with(&p.a, NULL, p.l.addr, text, info.MaxCallerData, &con);
	in = listener_next(&p.l);
	check_data(in, text, info.MaxCallerData);
	assert_status(in->Dispatch->NdkReject(in, text, info.MaxCalleeData + 1),
		      STATUS_INVALID_BUFFER_SIZE);
	op_init(&acc);
	assert_status(in->Dispatch->NdkAccept(in, p.b.qp, 1, 1, text,
					      info.MaxCalleeData + 1, NULL,
					      NULL, op_ended, &acc),
		      STATUS_INVALID_BUFFER_SIZE);
	op_init(&acc);
	as = in->Dispatch->NdkAccept(in, p.b.qp, 1, 1, text + 1,
				     info.MaxCalleeData, NULL, NULL, op_ended,
				     &acc);
	p.b.conn = in;
	assert_status(op_wait(&con, cs), STATUS_SUCCESS);
	check_data(p.a.conn, text + 1, info.MaxCalleeData);
	assert_status(ep_complete(&p.a), STATUS_SUCCESS);
	assert_status(op_wait(&acc, as), STATUS_SUCCESS);
	ep_disconnect_both(&p.a, &p.b);
	/* still what the peer said */
	check_data(p.a.conn, text + 1, info.MaxCalleeData);
	check_data(p.b.conn, text, info.MaxCallerData);
	over(&p);
}
END_TEST

/* --- read limits ---------------------------------------------------------------------- */

static void limits_of(NDK_CONNECTOR *c, ULONG *in, ULONG *out)
{
	assert_status(c->Dispatch->NdkGetConnectionData(c, in, out, NULL, NULL),
		      STATUS_SUCCESS);
}

/* For each direction the least of what either side asks for and its device has */
START_TEST(read_limits)
{
	static const ULONG ask[][4] = {
		/* a: in, out; b: in, out */
		{ 4, 4, 4, 4 },
		{ 8, 2, 4, 4 },
		{ 1, 8, 3, 5 },
		{ 0, 8, 8, 0 },
		{ 0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff },
	};
	const ULONG *r = ask[_i];
	ULONG a_in, a_out, b_in, b_out, most_in, most_out;
	NDK_ADAPTER_INFO info;
	struct op con, acc;
	struct pair p;
	NTSTATUS cs, as;

	open_both(&p);
	info = nd_info(p.a.adapter);
	most_in = info.MaxInboundReadLimit;
	most_out = info.MaxOutboundReadLimit;
#define LEAST(a, b, c) \
	((a) < (b) ? (a) < (c) ? (a) : (c) : (b) < (c) ? (b) : (c))
	op_init(&con);
	cs = p.a.conn->Dispatch->NdkConnect(p.a.conn, p.a.qp, NULL, 0,
					    &p.l.addr.sa, p.l.addr.len, r[0],
					    r[1], NULL, 0, op_ended, &con);
	p.b.conn = listener_next(&p.l);
	/* before it answers: what the peer makes possible */
	limits_of(p.b.conn, &b_in, &b_out);
	ck_assert_uint_eq(b_in, LEAST(r[1], most_out, most_in));
	ck_assert_uint_eq(b_out, LEAST(r[0], most_in, most_out));
	op_init(&acc);
	as = p.b.conn->Dispatch->NdkAccept(p.b.conn, p.b.qp, r[2], r[3], NULL,
					   0, NULL, NULL, op_ended, &acc);
	assert_status(op_wait(&con, cs), STATUS_SUCCESS);
	assert_status(ep_complete(&p.a), STATUS_SUCCESS);
	assert_status(op_wait(&acc, as), STATUS_SUCCESS);
	limits_of(p.a.conn, &a_in, &a_out);
	limits_of(p.b.conn, &b_in, &b_out);
	ck_assert_uint_eq(a_in, LEAST(r[0], r[3], most_in));
	ck_assert_uint_eq(a_out, LEAST(r[1], r[2], most_out));
	ck_assert_uint_eq(b_in, a_out);
	ck_assert_uint_eq(b_out, a_in);
	if (a_out) { /* more at a time than the limit: they take turns */
		mem_fill(&p.b.mem, 6);
		for (uint64_t i = 0; i < 16; i++)
			assert_status(ep_post_read(&p.a, i, i * 4096, 4096,
						   &p.b, i * 4096, 0),
				      STATUS_SUCCESS);
		for (uint64_t i = 0; i < 16; i++) {
			NDK_RESULT_EX done = ep_next(&p.a);

			assert_status(done.Status, STATUS_SUCCESS);
			ck_assert_ptr_eq(done.RequestContext, ID(i));
		}
		ck_assert_int_eq(mem_check(p.a.mem.va, 65536, 6, 0), -1);
	}
	ep_disconnect_both(&p.a, &p.b);
	over(&p);
}
END_TEST

/* --- addresses --------------------------------------------------------------------------- */

static struct sa peer_of(NDK_CONNECTOR *c)
{
	struct sa a = { .len = sizeof(a.in6) };

	assert_status(c->Dispatch->NdkGetPeerAddress(c, &a.sa, &a.len),
		      STATUS_SUCCESS);
	return a;
}

/* From where: any address (0), this side's without a port (1), with one (2) */
START_TEST(source_address)
{
	struct sa from = sa_v4(0, _i == 2 ? 6001 : 0), seen;
	struct op con;
	struct pair p;
	NTSTATUS cs;

	if (_i == 0)
		memset(&from.in.sin_addr, 0, sizeof(from.in.sin_addr));
	open_both(&p);
	cs = connect_with(&p.a, &from, p.l.addr, NULL, 0, &con);
	p.b.conn = listener_next(&p.l);
	seen = peer_of(p.b.conn);
	from = sa_v4(0, _i == 2 ? 6001 : sa_port(&seen));
	ck_assert_uint_ne(sa_port(&seen), 0);
	ck_assert_uint_eq(seen.len, from.len);
	ck_assert_mem_eq(&seen.in, &from.in, sizeof(from.in));
	nd_close(p.b.conn);
	p.b.conn = NULL;
	assert_status(op_wait(&con, cs), STATUS_CONNECTION_REFUSED);
	over(&p);
}
END_TEST

START_TEST(wrong_addresses)
{
	struct sa foreign = sa_v4(77, 0), bad = sa_v4(0, 0);
	struct ep stranger;
	struct pair p;
	struct op op;

	open_both(&p);
	assert_status(op_wait(&op, connect_with(&p.a, &foreign, p.l.addr, NULL,
						0, &op)),
		      STATUS_INVALID_ADDRESS);
	bad.in.sin_family = 77;
	assert_status(connect_with(&p.a, &bad, p.l.addr, NULL, 0, &op),
		      STATUS_INVALID_ADDRESS);
	assert_status(connect_with(&p.a, NULL, bad, NULL, 0, &op),
		      STATUS_INVALID_ADDRESS);
	bad = p.l.addr;
	bad.len = 7;
	assert_status(connect_with(&p.a, NULL, bad, NULL, 0, &op),
		      STATUS_INVALID_ADDRESS);
	/* another adapter's queue pair */
	ep_init(&stranger, fx.g[0], NULL);
	stranger.conn = p.a.conn;
	assert_status(ep_connect_start(&stranger, p.l.addr, NULL, &op),
		      STATUS_INVALID_PARAMETER);
	stranger.conn = NULL;
	ep_fini(&stranger);
	/* it is as good as new */
	ep_connect(&p.a, &p.b, &p.l, NULL, NULL);
	ep_disconnect_both(&p.a, &p.b);
	over(&p);
}
END_TEST

/* --- listeners ----------------------------------------------------------------------------- */

static NTSTATUS listen_at(struct listener *l, struct sa at)
{
	struct op op;

	op_init(&op);
	return op_wait(&op, l->obj->Dispatch->NdkListen(l->obj, &at.sa, at.len,
							op_ended, &op));
}

START_TEST(states_of_a_listener)
{
	NDK_ADAPTER *a = nd_open(fx.g[0]);
	struct sa at = sa_v4(0, 0), where = { .len = sizeof(where.in6) };
	struct listener l;

	listener_create(&l, a);
	assert_status(l.obj->Dispatch->NdkGetLocalAddress(l.obj, &where.sa,
							  &where.len),
		      STATUS_INVALID_DEVICE_STATE);
	at.len = 3;
	assert_status(listen_at(&l, at), STATUS_INVALID_ADDRESS);
	assert_status(listen_at(&l, sa_v4(77, 5000)), STATUS_INVALID_ADDRESS);
	/* a failure has begun nothing */
	assert_status(listen_at(&l, sa_v4(0, 0)), STATUS_SUCCESS);
	assert_status(listen_at(&l, sa_v4(0, 0)), STATUS_INVALID_DEVICE_STATE);
	where.len = 2;
	assert_status(l.obj->Dispatch->NdkGetLocalAddress(l.obj, &where.sa,
							  &where.len),
		      STATUS_BUFFER_TOO_SMALL);
	ck_assert_uint_eq(where.len, sizeof(where.in));
	assert_status(l.obj->Dispatch->NdkGetLocalAddress(l.obj, &where.sa,
							  &where.len),
		      STATUS_SUCCESS);
	ck_assert_uint_ne(sa_port(&where), 0);
	listener_stop(&l);
	vrdma_close_adapter(a);
}
END_TEST

/* One that picks its port never picks another's */
START_TEST(ephemeral_ports)
{
	enum {
		N = 50
	};
	static struct listener l[N];
	NDK_ADAPTER *a = nd_open(fx.g[0]);

	for (int i = 0; i < N; i++) {
		listener_start(&l[i], a, sa_v4(0, 0));
		for (int k = 0; k < i; k++)
			ck_assert_uint_ne(sa_port(&l[i].addr),
					  sa_port(&l[k].addr));
	}
	for (int i = 0; i < N; i++)
		listener_stop(&l[i]);
	vrdma_close_adapter(a);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("calls");
	TCase *tc = add_case(s, "calls", 60);

	tcase_add_checked_fixture(tc, fx_setup, fx_teardown);
	tcase_add_loop_test(tc, each_call_in_each_state, 0, STAGES);
	tcase_add_test(tc, private_data_to_the_limit);
	tcase_add_loop_test(tc, read_limits, 0, 5);
	tcase_add_loop_test(tc, source_address, 0, 3);
	tcase_add_test(tc, wrong_addresses);
	tcase_add_test(tc, states_of_a_listener);
	tcase_add_test(tc, ephemeral_ports);
	return run_suite(s);
}
