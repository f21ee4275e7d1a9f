// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * test_endpoints.c - shared endpoints: several connections from one address and
 * port, who may have it, and until when
 */
#include <string.h>
#include <unistd.h>

#include "fixture.h"
#include "transport.h"

static NTSTATUS shared_try(NDK_ADAPTER *a, struct sa at,
			   NDK_SHARED_ENDPOINT **out)
{
	struct op op;
	NTSTATUS st;

	op_init(&op);
	st = op_wait(&op, a->Dispatch->NdkCreateSharedEndpoint(
				  a, &at.sa, at.len, op_created, &op, out));
	if (op.object)
		*out = (NDK_SHARED_ENDPOINT *)op.object;
	return st;
}

static NDK_SHARED_ENDPOINT *shared(NDK_ADAPTER *a, struct sa at)
{
	NDK_SHARED_ENDPOINT *ep = NULL;

	assert_status(shared_try(a, at, &ep), STATUS_SUCCESS);
	return ep;
}

static struct sa address_of(NDK_SHARED_ENDPOINT *ep)
{
	struct sa sa = { .len = sizeof(sa.in6) };

	assert_status(ep->Dispatch->NdkGetLocalAddress(ep, &sa.sa, &sa.len),
		      STATUS_SUCCESS);
	return sa;
}

static NTSTATUS connect_start(struct ep *a, NDK_SHARED_ENDPOINT *ep,
			      struct sa to, struct op *op)
{
	op_init(op);
	if (!a->conn)
		a->conn = nd_connector(a->adapter);
	return a->conn->Dispatch->NdkConnectWithSharedEndpoint(
		a->conn, a->qp, ep, &to.sa, to.len, 8, 8, NULL, 0, op_ended,
		op);
}

static NTSTATUS connect_try(struct ep *a, NDK_SHARED_ENDPOINT *ep, struct sa to)
{
	struct op op;

	return op_wait(&op, connect_start(a, ep, to, &op));
}

/* a to b, from ep, through l */
static void join(struct ep *a, struct ep *b, NDK_SHARED_ENDPOINT *ep,
		 struct listener *l)
{
	NDK_CONNECTOR *in;
	struct op con, acc;
	NTSTATUS cs, as;

	cs = connect_start(a, ep, l->addr, &con);
	in = listener_next(l);
	as = ep_accept_start(b, in, NULL, &acc);
	assert_status(op_wait(&con, cs), STATUS_SUCCESS);
	assert_status(ep_complete(a), STATUS_SUCCESS);
	assert_status(op_wait(&acc, as), STATUS_SUCCESS);
}

static void check_address(NTSTATUS (*get)(NDK_CONNECTOR *, SOCKADDR *, ULONG *),
			  NDK_CONNECTOR *conn, struct sa want)
{
	struct sa sa = { .len = sizeof(sa.in6) };

	assert_status(get(conn, &sa.sa, &sa.len), STATUS_SUCCESS);
	ck_assert_uint_eq(sa.len, want.len);
	ck_assert_mem_eq(&sa.sa, &want.sa, want.len);
}

#define N 3

/* One side with several queue pairs, and as many listeners on the other */
struct scene {
	struct ep a[N], b[N];
	struct listener l[N];
	NDK_SHARED_ENDPOINT *ep;
};

static void scene_open(struct scene *s, struct sa at)
{
	struct ep_opts of_a = { .share = &s->a[0] };
	struct ep_opts of_b = { .share = &s->b[0] };

	for (int i = 0; i < N; i++) {
		ep_init(&s->a[i], fx.g[0], i ? &of_a : NULL);
		ep_init(&s->b[i], fx.g[1], i ? &of_b : NULL);
		listener_start(&s->l[i], s->b[0].adapter,
			       at.in.sin_family == AF_INET6 ? sa_v6(1, 0)
							    : sa_v4(1, 0));
	}
	s->ep = shared(s->a[0].adapter, at);
}

static void drop(struct ep *e)
{
	if (e->conn)
		nd_close(e->conn);
	e->conn = NULL;
}

static void scene_close(struct scene *s)
{
	for (int i = N - 1; i >= 0; i--) {
		drop(&s->a[i]);
		drop(&s->b[i]);
	}
	for (int i = N - 1; i >= 0; i--)
		listener_stop(&s->l[i]);
	if (s->ep)
		nd_close(s->ep);
	for (int i = N - 1; i >= 0; i--) {
		ep_fini(&s->a[i]);
		ep_fini(&s->b[i]);
	}
}

/* --- what it is for ------------------------------------------------------------ */

/* Three connections from one port, each with its own data; both sides see the
 * endpoint's address.  _i: IPv4, IPv6 */
START_TEST(many_peers)
{
	struct scene s;
	struct sa at;

	scene_open(&s, _i ? sa_v6(0, 0) : sa_v4(0, 0));
	at = address_of(s.ep);
	ck_assert_uint_ge(sa_port(&at), 49152);
	for (int i = 0; i < N; i++) {
		join(&s.a[i], &s.b[i], s.ep, &s.l[i]);
		check_address(s.a[i].conn->Dispatch->NdkGetLocalAddress,
			      s.a[i].conn, at);
		check_address(s.b[i].conn->Dispatch->NdkGetPeerAddress,
			      s.b[i].conn, at);
		check_address(s.a[i].conn->Dispatch->NdkGetPeerAddress,
			      s.a[i].conn, s.l[i].addr);
	}
	mem_fill(&s.a[0].mem, 5);
	for (int i = 0; i < N; i++) {
		assert_status(ep_post_write(&s.a[i], (uint64_t)i,
					    (size_t)i * 4096, 4096, &s.b[i],
					    (size_t)i * 4096, 0),
			      STATUS_SUCCESS);
		assert_status(ep_next(&s.a[i]).Status, STATUS_SUCCESS);
	}
	ck_assert_int_eq(mem_check(s.b[0].mem.va, N * 4096, 5, 0), -1);
	/* the end of one is not that of the others */
	ep_disconnect_both(&s.a[1], &s.b[1]);
	assert_status(ep_post_write(&s.a[2], 9, 0, 64, &s.b[2], 0, 0),
		      STATUS_SUCCESS);
	assert_status(ep_next(&s.a[2]).Status, STATUS_SUCCESS);
	ck_assert_uint_eq(s.a[2].indications + s.b[2].indications, 0);
	scene_close(&s);
}
END_TEST

/* The four numbers of a connection name one only */
START_TEST(same_peer_twice)
{
	struct scene s;

	scene_open(&s, sa_v4(0, 0));
	join(&s.a[0], &s.b[0], s.ep, &s.l[0]);
	assert_status(connect_try(&s.a[1], s.ep, s.l[0].addr),
		      STATUS_ADDRESS_ALREADY_EXISTS);
	/* nothing came of it: the same connector, another peer */
	join(&s.a[1], &s.b[1], s.ep, &s.l[1]);
	assert_status(connect_try(&s.a[2], s.ep, s.l[1].addr),
		      STATUS_ADDRESS_ALREADY_EXISTS);
	/* from a port of its own it may */
	ep_connect(&s.a[2], &s.b[2], &s.l[0], NULL, NULL);
	scene_close(&s);
}
END_TEST

/* A connection that is over is none; iWARP's may rest a while in TCP */
START_TEST(same_peer_again)
{
	struct scene s;

	if (!strcmp(test_backend()->name, "iwarp"))
		return;
	scene_open(&s, sa_v4(0, 0));
	for (int i = 0; i < N; i++) {
		join(&s.a[i], &s.b[i], s.ep, &s.l[0]);
		ep_disconnect_both(&s.a[i], &s.b[i]);
	}
	scene_close(&s);
}
END_TEST

START_TEST(refused_and_again)
{
	struct scene s;
	NDK_CONNECTOR *in;
	struct op op;
	NTSTATUS st;

	scene_open(&s, sa_v4(0, 0));
	assert_status(connect_try(&s.a[0], s.ep, sa_v4(1, 4711)),
		      STATUS_CONNECTION_REFUSED);
	st = connect_start(&s.a[0], s.ep, s.l[0].addr, &op);
	in = listener_next(&s.l[0]);
	assert_status(in->Dispatch->NdkReject(in, "no", 2), STATUS_SUCCESS);
	nd_close(in);
	assert_status(op_wait(&op, st), STATUS_CONNECTION_REFUSED);
	join(&s.a[0], &s.b[0], s.ep, &s.l[1]);
	scene_close(&s);
}
END_TEST

/* --- whose it is --------------------------------------------------------------------- */

START_TEST(taken_once)
{
	NDK_ADAPTER *a = nd_open(fx.g[0]);
	NDK_SHARED_ENDPOINT *ep, *other = NULL;
	struct listener l;
	struct sa any = sa_v4(0, 5002), five = sa_v4(0, 5000);
	struct sa second = sa_v4(0, 5002), far = sa_v4(1, 4711);
	struct op op;
	struct ep e;

	ep = shared(a, sa_v4(0, 5000));
	assert_status(shared_try(a, sa_v4(0, 5000), &other),
		      STATUS_SHARING_VIOLATION);
	assert_status(listener_try(&l, a, sa_v4(0, 5000)),
		      STATUS_SHARING_VIOLATION);
	/* the other guest's, where there is one */
	assert_status(shared_try(a, sa_v4(fx.g[0] == fx.g[1] ? 77 : 1, 5001),
				 &other),
		      STATUS_INVALID_ADDRESS);
	/* for a connection of its own, too */
	ep_init(&e, fx.g[0], NULL);
	e.conn = nd_connector(e.adapter);
	op_init(&op);
	assert_status(op_wait(&op,
			      e.conn->Dispatch->NdkConnect(
				      e.conn, e.qp, &five.sa, five.len, &far.sa,
				      far.len, 1, 1, NULL, 0, op_ended, &op)),
		      STATUS_SHARING_VIOLATION);
	ep_fini(&e);
	nd_close(ep);
	listener_start(&l, a, sa_v4(0, 5000));
	assert_status(shared_try(a, sa_v4(0, 5000), &other),
		      STATUS_SHARING_VIOLATION);
	listener_stop(&l);
	ck_assert_ptr_null(other);
	/* the wildcard: the adapter's first of that family */
	memset(&any.in.sin_addr, 0, sizeof(any.in.sin_addr));
	ep = shared(a, any);
	any = address_of(ep);
	ck_assert_mem_eq(&any.in, &second.in, sizeof(any.in));
	nd_close(ep);
	vrdma_close_adapter(a);
}
END_TEST

/* Its close waits for its connectors, and they keep the port */
START_TEST(closed_first)
{
	NDK_SHARED_ENDPOINT *other = NULL;
	struct listener l;
	struct scene s;
	struct op op;
	NTSTATUS st;

	scene_open(&s, sa_v4(0, 5000));
	join(&s.a[0], &s.b[0], s.ep, &s.l[0]);
	join(&s.a[1], &s.b[1], s.ep, &s.l[1]);
	op_init(&op);
	st = s.ep->Dispatch->NdkCloseSharedEndpoint(&s.ep->Header, op_closed,
						    &op);
	assert_status(st, STATUS_PENDING);
	assert_status(shared_try(s.a[0].adapter, sa_v4(0, 5000), &other),
		      STATUS_SHARING_VIOLATION);
	/* they go on */
	assert_status(ep_post_write(&s.a[0], 1, 0, 64, &s.b[0], 0, 0),
		      STATUS_SUCCESS);
	assert_status(ep_next(&s.a[0]).Status, STATUS_SUCCESS);
	drop(&s.a[0]);
	ck_assert(!op.done);
	assert_status(shared_try(s.a[0].adapter, sa_v4(0, 5000), &other),
		      STATUS_SHARING_VIOLATION);
	drop(&s.a[1]);
	op_wait(&op, st);
	s.ep = NULL;
	listener_start(&l, s.a[0].adapter, sa_v4(0, 5000));
	listener_stop(&l);
	scene_close(&s);
}
END_TEST

/* Somebody else of the host has the port */
START_TEST(taken_on_the_host)
{
	struct sa at = sa_v4(0, 5000);
	NDK_SHARED_ENDPOINT *ep = NULL;
	NDK_ADAPTER *a;
	int fd;

	if (strcmp(test_backend()->name, "iwarp"))
		return;
	a = nd_open(fx.g[0]);
	fd = socket(AF_INET, SOCK_STREAM, 0);
	ck_assert_int_eq(bind(fd, (void *)&at.in, sizeof(at.in)), 0);
	ck_assert_int_eq(listen(fd, 1), 0);
	assert_status(shared_try(a, at, &ep), STATUS_SHARING_VIOLATION);
	close(fd);
	nd_close(shared(a, at));
	vrdma_close_adapter(a);
}
END_TEST

/* --- the device is reset ------------------------------------------------------------- */

START_TEST(guest_is_switched_off)
{
	struct scene s;
	NDK_SHARED_ENDPOINT *ep;
	NDK_ADAPTER *a;

	scene_open(&s, sa_v4(0, 5000));
	join(&s.a[0], &s.b[0], s.ep, &s.l[0]);
	s.a[1].conn = nd_connector(s.a[1].adapter);
	tguest_kill(fx.g[0]);
	assert_status(connect_try(&s.a[1], s.ep, s.l[1].addr),
		      STATUS_DEVICE_REMOVED);
	scene_close(&s);
	fx_new_guest(0);
	a = nd_open(fx.g[0]);
	ep = shared(a, sa_v4(0, 5000));
	nd_close(ep);
	vrdma_close_adapter(a);
}
END_TEST

/* --- not offered --------------------------------------------------------------------- */

static void without(void)
{
	struct daemon_opts o = {
		.guests = 2,
		.guest_section = "max-endpoint = 0\n" FX_SMALL,
	};

	fx_start(&o, FX_MEM);
}

START_TEST(none_are_offered)
{
	NDK_SHARED_ENDPOINT *ep = NULL;
	struct pair p;
	struct op op;

	pair_open(&p, 0, 1, NULL);
	assert_status(shared_try(p.a.adapter, sa_v4(0, 0), &ep),
		      STATUS_NOT_SUPPORTED);
	ck_assert_ptr_null(ep);
	assert_status(p.a.conn->Dispatch->NdkConnectWithSharedEndpoint(
			      p.a.conn, p.a.qp, NULL, &p.l.addr.sa,
			      p.l.addr.len, 1, 1, NULL, 0, op_ended, &op),
		      STATUS_NOT_SUPPORTED);
	ep_disconnect_both(&p.a, &p.b);
	pair_close(&p);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("endpoints");
	TCase *tc = add_case(s, "shared", 60);

	tcase_add_checked_fixture(tc, fx_setup, fx_teardown);
	tcase_add_loop_test(tc, many_peers, 0, 2);
	tcase_add_test(tc, same_peer_twice);
	tcase_add_test(tc, same_peer_again);
	tcase_add_test(tc, refused_and_again);
	tcase_add_test(tc, taken_once);
	tcase_add_test(tc, closed_first);
	tcase_add_test(tc, taken_on_the_host);
	tcase_add_test(tc, guest_is_switched_off);
	tc = add_case(s, "not offered", 60);
	tcase_add_checked_fixture(tc, without, fx_teardown);
	tcase_add_test(tc, none_are_offered);
	return run_suite(s);
}
