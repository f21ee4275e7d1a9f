// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * test_connect.c - adapter, listen, connect, accept, reject, connection data
 */
#include <string.h>

#include "fixture.h"

START_TEST(adapter_tells_what_the_device_gives)
{
	NDK_ADAPTER *a = nd_open(fx.g[0]);
	NDK_ADAPTER_INFO info;
	ULONG size = 0;
	struct virtio_rdma_addr addr[VIRTIO_RDMA_MAX_ADDRESSES];
	const uint8_t own[] = DAEMON_IPV4(0);

	assert_status(a->Dispatch->NdkQueryAdapterInfo(a, NULL, &size),
		      STATUS_BUFFER_TOO_SMALL);
	ck_assert_uint_eq(size, sizeof(info));
	assert_status(a->Dispatch->NdkQueryAdapterInfo(a, &info, &size),
		      STATUS_SUCCESS);
	ck_assert_uint_ge(info.MaxCallerData, 52);
	ck_assert_uint_ge(info.MaxCqDepth, 1024);
	ck_assert_uint_ge(info.MaxRegistrationSize, 1u << 30);
	ck_assert_uint_eq(vrdma_core_addresses(tguest_core(fx.g[0]), addr, 16),
			  2);
	ck_assert_mem_eq(addr[0].ip, own, sizeof(own));
	vrdma_close_adapter(a);
}
END_TEST

START_TEST(version_negotiation)
{
	static const struct {
		NDK_VERSION ask;
		uint32_t want;
	} row[] = {
		{ { 2, 1 }, (uint32_t)STATUS_SUCCESS },
		{ { 2, 0 }, (uint32_t)STATUS_SUCCESS },
		{ { 2, 2 }, (uint32_t)NDIS_STATUS_BAD_VERSION },
		{ { 3, 0 }, (uint32_t)NDIS_STATUS_BAD_VERSION },
	};
	NDK_ADAPTER *a;

	for (size_t i = 0; i < sizeof(row) / sizeof(row[0]); i++) {
		NTSTATUS st = vrdma_open_adapter(tguest_core(fx.g[0]),
						 row[i].ask, 0, &a);

		assert_status(st, row[i].want);
		if (st == STATUS_SUCCESS) {
			ck_assert_uint_eq(a->Header.Version.Minor,
					  VRDMA_NDK_MINOR);
			vrdma_close_adapter(a);
		}
	}
}
END_TEST

static void check_private(NDK_CONNECTOR *c, const char *want)
{
	char buf[VIRTIO_RDMA_MAX_PRIVATE];
	ULONG len = 0;

	assert_status(c->Dispatch->NdkGetConnectionData(c, NULL, NULL, NULL,
							&len), STATUS_SUCCESS);
	ck_assert_uint_eq(len, strlen(want));
	len = sizeof(buf);
	assert_status(c->Dispatch->NdkGetConnectionData(c, NULL, NULL, buf,
							&len), STATUS_SUCCESS);
	ck_assert_uint_eq(len, strlen(want));
	ck_assert_mem_eq(buf, want, len);
	if (!len)
		return;
	len--;
	assert_status(c->Dispatch->NdkGetConnectionData(c, NULL, NULL, buf,
							&len),
		      STATUS_BUFFER_TOO_SMALL);
	ck_assert_uint_eq(len, strlen(want));
}

static void check_data(NDK_CONNECTOR *c, const char *want)
{
	ULONG in = 0, out = 0, len = 0;

	check_private(c, want);
	assert_status(c->Dispatch->NdkGetConnectionData(c, &in, &out, NULL,
							&len), STATUS_SUCCESS);
	ck_assert_uint_gt(in, 0);
	ck_assert_uint_gt(out, 0);
}

static void connect_with_data(struct sa addr, const char *ping,
			      const char *pong)
{
	struct ep a, b;
	struct listener l;
	struct op con, acc;
	NTSTATUS cs, as;
	NDK_CONNECTOR *in;

	ep_init(&a, fx.g[0], NULL);
	ep_init(&b, fx.g[1], NULL);
	listener_start(&l, b.adapter, addr);
	ck_assert_uint_ne(sa_port(&l.addr), 0);
	cs = ep_connect_start(&a, l.addr, ping, &con);
	in = listener_next(&l);
	check_data(in, ping);
	as = ep_accept_start(&b, in, pong, &acc);
	assert_status(op_wait(&con, cs), STATUS_SUCCESS);
	check_data(a.conn, pong);
	assert_status(ep_complete(&a), STATUS_SUCCESS);
	assert_status(op_wait(&acc, as), STATUS_SUCCESS);

	struct sa peer = { .len = sizeof(peer.in6) };

	assert_status(a.conn->Dispatch->NdkGetPeerAddress(a.conn, &peer.sa,
							  &peer.len),
		      STATUS_SUCCESS);
	ck_assert_uint_eq(sa_port(&peer), sa_port(&l.addr));
	ep_disconnect_both(&a, &b);
	nd_close(a.conn);
	nd_close(b.conn);
	a.conn = b.conn = NULL;
	listener_stop(&l);
	ep_fini(&a);
	ep_fini(&b);
}

START_TEST(private_data_arrives_exact)
{
	connect_with_data(sa_v4(1, 0), "hello from A", "and B answers");
	connect_with_data(sa_v4(1, 4000), "", "");
	connect_with_data(sa_v6(1, 0), "x", "six six six");
}
END_TEST

static struct sa local_of(NDK_CONNECTOR *c)
{
	struct sa a = { .len = 0 };

	assert_status(c->Dispatch->NdkGetLocalAddress(c, NULL, &a.len),
		      STATUS_BUFFER_TOO_SMALL);
	assert_status(c->Dispatch->NdkGetLocalAddress(c, &a.sa, &a.len),
		      STATUS_SUCCESS);
	return a;
}

static struct sa peer_of(NDK_CONNECTOR *c)
{
	struct sa a = { .len = 0 };

	assert_status(c->Dispatch->NdkGetPeerAddress(c, NULL, &a.len),
		      STATUS_BUFFER_TOO_SMALL);
	assert_status(c->Dispatch->NdkGetPeerAddress(c, &a.sa, &a.len),
		      STATUS_SUCCESS);
	return a;
}

static void assert_same(struct sa a, struct sa b)
{
	ck_assert_uint_eq(a.len, b.len);
	ck_assert_mem_eq(&a.sa, &b.sa, a.len);
}

/* What one side calls its own the other calls its peer's, port included, from
 * when each knows of the other until both have disconnected */
START_TEST(addresses_of_both_sides)
{
	struct sa at = _i ? sa_v6(1, 0) : sa_v4(1, 0), a_at, none;
	struct sa from = _i ? sa_v6(0, 0) : sa_v4(0, 0);
	NDK_CONNECTOR *in;
	struct op con, acc;
	struct listener l;
	struct ep a, b;
	NTSTATUS cs, as;

	ep_init(&a, fx.g[0], NULL);
	ep_init(&b, fx.g[1], NULL);
	listener_start(&l, b.adapter, at);
	a.conn = nd_connector(a.adapter);
	none.len = sizeof(none.in6);
	assert_status(a.conn->Dispatch->NdkGetLocalAddress(a.conn, &none.sa,
							   &none.len),
		      STATUS_CONNECTION_INVALID);
	cs = ep_connect_start(&a, l.addr, NULL, &con);
	in = listener_next(&l);
	assert_same(local_of(in), l.addr);
	a_at = peer_of(in);
	as = ep_accept_start(&b, in, NULL, &acc);
	assert_status(op_wait(&con, cs), STATUS_SUCCESS);
	assert_same(local_of(a.conn), a_at);
	assert_same(peer_of(a.conn), l.addr);
	assert_status(ep_complete(&a), STATUS_SUCCESS);
	assert_status(op_wait(&acc, as), STATUS_SUCCESS);
	ep_disconnect_both(&a, &b);
	assert_same(local_of(a.conn), peer_of(b.conn));
	assert_same(local_of(b.conn), peer_of(a.conn));
	/* A's own address, at a port that the device picked */
	ck_assert_uint_ne(sa_port(&a_at), 0);
	from.in.sin_port = a_at.in.sin_port;
	assert_same(a_at, from);
	nd_close(b.conn);
	b.conn = NULL;
	listener_stop(&l);
	ep_fini(&a);
	ep_fini(&b);
}
END_TEST

START_TEST(nobody_listens)
{
	struct ep a;
	struct op op;

	ep_init(&a, fx.g[0], NULL);
	assert_status(op_wait(&op, ep_connect_start(&a, sa_v4(1, 4711), NULL,
						    &op)),
		      STATUS_CONNECTION_REFUSED);
	/* retryable, documented so: the same connector and QP again */
	struct listener l;
	struct ep b;

	ep_init(&b, fx.g[1], NULL);
	listener_start(&l, b.adapter, sa_v4(1, 4711));
	ep_connect(&a, &b, &l, NULL, NULL);
	ep_disconnect_both(&a, &b);
	nd_close(b.conn);
	b.conn = NULL;
	listener_stop(&l);
	ep_fini(&a);
	ep_fini(&b);
}
END_TEST

START_TEST(no_such_host)
{
	struct ep a;
	struct op op;
	NTSTATUS st;

	ep_init(&a, fx.g[0], NULL);
	st = op_wait(&op, ep_connect_start(&a, sa_v4(77, 1), NULL, &op));
	ck_assert(st == STATUS_NETWORK_UNREACHABLE ||
		  st == STATUS_HOST_UNREACHABLE);
	ep_fini(&a);
}
END_TEST

START_TEST(passive_side_rejects_with_data)
{
	struct ep a;
	struct listener l;
	NDK_ADAPTER *b = nd_open(fx.g[1]);
	NDK_CONNECTOR *in;
	struct op op;
	NTSTATUS st;

	ep_init(&a, fx.g[0], NULL);
	listener_start(&l, b, sa_v4(1, 0));
	st = ep_connect_start(&a, l.addr, "please", &op);
	in = listener_next(&l);
	assert_status(in->Dispatch->NdkReject(in, "no", 2), STATUS_SUCCESS);
	assert_status(op_wait(&op, st), STATUS_CONNECTION_REFUSED);
	check_private(a.conn, "no");
	nd_close(in);
	listener_stop(&l);
	ep_fini(&a);
	vrdma_close_adapter(b);
}
END_TEST

START_TEST(active_side_rejects_instead_of_completing)
{
	struct ep a, b;
	struct listener l;
	struct op con, acc;
	NTSTATUS cs, as;

	ep_init(&a, fx.g[0], NULL);
	ep_init(&b, fx.g[1], NULL);
	listener_start(&l, b.adapter, sa_v4(1, 0));
	cs = ep_connect_start(&a, l.addr, NULL, &con);
	as = ep_accept_start(&b, listener_next(&l), NULL, &acc);
	assert_status(op_wait(&con, cs), STATUS_SUCCESS);
	assert_status(a.conn->Dispatch->NdkReject(a.conn, "bye", 3),
		      STATUS_SUCCESS);
	assert_status(op_wait(&acc, as), STATUS_CONNECTION_REFUSED);
	check_private(b.conn, "bye");
	ck_assert_uint_eq(b.indications, 0);
	nd_close(b.conn);
	b.conn = NULL;
	listener_stop(&l);
	ep_fini(&a);
	ep_fini(&b);
}
END_TEST

START_TEST(closing_an_unanswered_connector_rejects)
{
	struct ep a;
	struct listener l;
	NDK_ADAPTER *b = nd_open(fx.g[1]);
	struct op op;
	NTSTATUS st;

	ep_init(&a, fx.g[0], NULL);
	listener_start(&l, b, sa_v4(1, 0));
	st = ep_connect_start(&a, l.addr, NULL, &op);
	nd_close(listener_next(&l));
	assert_status(op_wait(&op, st), STATUS_CONNECTION_REFUSED);
	listener_stop(&l);
	ep_fini(&a);
	vrdma_close_adapter(b);
}
END_TEST

START_TEST(addresses_are_used_once)
{
	NDK_ADAPTER *a = nd_open(fx.g[0]);
	bool alone = fx.g[0] == fx.g[1];
	struct listener l, m;

	listener_start(&l, a, sa_v4(0, 5000));
	assert_status(listener_try(&m, a, sa_v4(0, 5000)),
		      STATUS_SHARING_VIOLATION);
	/* the other one's, where there is one */
	assert_status(listener_try(&m, a, sa_v4(alone ? 77 : 1, 5001)),
		      STATUS_INVALID_ADDRESS);
	listener_stop(&l);
	listener_start(&l, a, sa_v4(0, 5000));
	listener_stop(&l);
	vrdma_close_adapter(a);
}
END_TEST

START_TEST(paused_listener_refuses)
{
	struct ep a, b;
	struct listener l;
	struct op op;

	ep_init(&a, fx.g[0], NULL);
	ep_init(&b, fx.g[1], NULL);
	listener_start(&l, b.adapter, sa_v4(1, 0));
	l.obj->Dispatch->NdkControlConnectEvents(l.obj, TRUE);
	/* a void call: what follows on the same control queue comes after it */
	nd_close(nd_connector(b.adapter));
	assert_status(op_wait(&op, ep_connect_start(&a, l.addr, NULL, &op)),
		      STATUS_CONNECTION_REFUSED);
	l.obj->Dispatch->NdkControlConnectEvents(l.obj, FALSE);
	nd_close(nd_connector(b.adapter));
	ep_connect(&a, &b, &l, NULL, NULL);
	ep_disconnect_both(&a, &b);
	nd_close(b.conn);
	b.conn = NULL;
	listener_stop(&l);
	ep_fini(&a);
	ep_fini(&b);
}
END_TEST

START_TEST(loopback_inside_one_guest)
{
	struct pair p;

	pair_open(&p, 0, 0, NULL);
	ep_disconnect_both(&p.a, &p.b);
	pair_close(&p);
}
END_TEST

START_TEST(many_connections_at_once)
{
	enum { N = 200 };
	static struct pair p[N];
	struct ep_opts o = { .mem = 4096, .depth = 4 };

	for (int i = 0; i < N; i++)
		pair_open(&p[i], 0, 1, &o);
	for (int i = 0; i < N; i++) {
		mem_fill(&p[i].a.mem, (uint32_t)i);
		assert_status(ep_post_write(&p[i].a, 1, 0, 4096, &p[i].b, 0, 0),
			      STATUS_SUCCESS);
	}
	for (int i = 0; i < N; i++) {
		assert_status(ep_next(&p[i].a).Status, STATUS_SUCCESS);
		ck_assert_int_eq(mem_check(p[i].b.mem.va, 4096, (uint32_t)i, 0),
				 -1);
		ep_disconnect_both(&p[i].a, &p[i].b);
		pair_close(&p[i]);
	}
}
END_TEST

int main(void)
{
	Suite *s = suite_create("connect");
	TCase *tc = add_case(s, "connect", 60);

	tcase_add_checked_fixture(tc, fx_setup, fx_teardown);
	tcase_add_test(tc, adapter_tells_what_the_device_gives);
	tcase_add_test(tc, version_negotiation);
	tcase_add_test(tc, private_data_arrives_exact);
	tcase_add_loop_test(tc, addresses_of_both_sides, 0, 2);
	tcase_add_test(tc, nobody_listens);
	tcase_add_test(tc, no_such_host);
	tcase_add_test(tc, passive_side_rejects_with_data);
	tcase_add_test(tc, active_side_rejects_instead_of_completing);
	tcase_add_test(tc, closing_an_unanswered_connector_rejects);
	tcase_add_test(tc, addresses_are_used_once);
	tcase_add_test(tc, paused_listener_refuses);
	tcase_add_test(tc, loopback_inside_one_guest);
	tcase_add_test(tc, many_connections_at_once);
	return run_suite(s);
}
