/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test_core_connector.c - the connector as the consumer sees it: states,
 * statuses, the indication, private data; listeners
 */
#include "core_fake.h"

/* --- the state table --------------------------------------------------------- */

#define N VRC_CONN_STATES
#define I VRC_CONN_IDLE
#define C VRC_CONN_CONNECTING
#define R VRC_CONN_REPLIED
#define M VRC_CONN_COMPLETING
#define P VRC_CONN_INCOMING
#define A VRC_CONN_ACCEPTING
#define E VRC_CONN_ESTABLISHED
#define D VRC_CONN_INDICATED
#define G VRC_CONN_DISCONNECTING
#define O VRC_CONN_OVER
#define X VRC_CONN_CLOSING

/* Written from the rules beside the enum: pairs that may follow each other */
static const uint8_t allowed[][2] = {
	{ I, C }, { I, O },
	{ C, R }, { C, I }, { C, O },
	{ R, M }, { R, O },
	{ M, E }, { M, O },
	{ P, A }, { P, O },
	{ A, E }, { A, P }, { A, O },
	{ E, D }, { E, G },
	{ D, G },
	{ G, O },
	{ I, X }, { C, X }, { R, X }, { M, X }, { P, X }, { A, X },
	{ E, X }, { D, X }, { G, X }, { O, X },
};

START_TEST(all_pairs)
{
	bool table[N][N] = { { false } };
	static struct vrdma_core core;	/* for its counters */
	struct vrc_connector conn;
	size_t i;
	int from, to;

	for (i = 0; i < sizeof(allowed) / 2; i++)
		table[allowed[i][0]][allowed[i][1]] = true;
	for (from = 0; from < N; from++) {
		ck_assert_str_ne(vrc_conn_name((enum vrc_conn_state)from), "?");
		for (to = 0; to < N; to++) {
			memset(&conn, 0, sizeof(conn));
			conn.obj.core = &core;
			conn.state = (enum vrc_conn_state)from;
			ck_assert_msg(vrc_conn_set_locked(
					      &conn, (enum vrc_conn_state)to) ==
					      table[from][to],
				      "%s -> %s",
				      vrc_conn_name((enum vrc_conn_state)from),
				      vrc_conn_name((enum vrc_conn_state)to));
			ck_assert_int_eq(conn.state, table[from][to] ? to : from);
		}
	}
}
END_TEST

#undef N
#undef I
#undef C
#undef R
#undef M
#undef P
#undef A
#undef E
#undef D
#undef G
#undef O
#undef X

/* --- a rig ------------------------------------------------------------------------ */

struct rig {
	NDK_ADAPTER *a;
	NDK_PD *pd;
	NDK_CQ *cq;
	NDK_QP *qp;
	NDK_CONNECTOR *conn;
	struct call req, ev, disc, close;
};

static struct nd_sockaddr_in dest = { .family = ND_AF_INET,
				      .port = { 0x12, 0x34 },
				      .addr = { 10, 0, 0, 2 } };

static void rig_open(struct rig *r)
{
	memset(r, 0, sizeof(*r));
	fake_start();
	r->a = open_adapter(0);
	r->pd = make_pd(r->a);
	r->cq = make_cq(r->a, 16, NULL, NULL);
	r->qp = make_qp(r->pd, r->cq, 4);
	r->conn = make_connector(r->a);
}

static void rig_close(struct rig *r)
{
	if (r->conn)
		close_now(r->conn);
	close_now(r->qp);
	close_now(r->cq);
	close_now(r->pd);
	vrdma_close_adapter(r->a);
	fake_end();
}

static NTSTATUS start_connect(struct rig *r)
{
	return r->conn->Dispatch->NdkConnect(r->conn, r->qp, NULL, 0,
					     (void *)&dest, sizeof(dest), 16,
					     16, "abc", 3, on_request, &r->req);
}

static NTSTATUS start_complete(struct rig *r)
{
	return r->conn->Dispatch->NdkCompleteConnectEx(
		r->conn, on_event_ex, &r->ev, on_request, &r->req);
}

static NTSTATUS start_accept(struct rig *r)
{
	return r->conn->Dispatch->NdkAcceptEx(r->conn, r->qp, 7, 8, "xy", 2,
					      on_event_ex, &r->ev, on_request,
					      &r->req);
}

static NTSTATUS start_disconnect(struct rig *r)
{
	return r->conn->Dispatch->NdkDisconnect(r->conn, on_request, &r->disc);
}

static NTSTATUS ended(struct call *c, int calls)
{
	fake_run();
	ck_assert_int_eq(c->calls, calls);
	return c->status;
}

static void establish(struct rig *r)
{
	ck_assert_int_eq(start_connect(r), STATUS_PENDING);
	ck_assert_int_eq(ended(&r->req, 1), STATUS_SUCCESS);
	ck_assert_int_eq(start_complete(r), STATUS_PENDING);
	ck_assert_int_eq(ended(&r->req, 2), STATUS_SUCCESS);
}

static void peer_left(struct rig *r, uint32_t reason)
{
	struct vrc_obj *o = obj_of(r->conn);
	struct virtio_rdma_event ev = {
		.type = vr_to_le16(VIRTIO_RDMA_EV_DISCONNECTED),
		.handle = vr_to_le32(o->handle),
		.cookie = vr_to_le64(o->cookie),
		.reason = vr_to_le32(reason),
	};

	fake_event(&ev);
}

/* --- active side -------------------------------------------------------------------- */

START_TEST(active)
{
	struct virtio_rdma_cmd_connect *cmd =
		(void *)fake.last[VIRTIO_RDMA_CMD_CONNECT];
	struct nd_sockaddr_in sa;
	ULONG in = 0, out = 0, len;
	char data[8] = "";
	struct rig r;

	rig_open(&r);
	len = 0;
	ck_assert_int_eq(r.conn->Dispatch->NdkGetConnectionData(r.conn, &in,
								&out, NULL, &len),
			 STATUS_CONNECTION_INVALID);
	ck_assert_int_eq(start_complete(&r), STATUS_CONNECTION_INVALID);
	ck_assert_int_eq(start_disconnect(&r), STATUS_CONNECTION_INVALID);
	ck_assert_int_eq(start_accept(&r), STATUS_CONNECTION_INVALID);
	ck_assert_int_eq(r.conn->Dispatch->NdkReject(r.conn, NULL, 0),
			 STATUS_CONNECTION_INVALID);
	ck_assert_int_eq(start_connect(&r), STATUS_PENDING);
	ck_assert_int_eq(start_connect(&r), STATUS_CONNECTION_INVALID);
	ck_assert_int_eq(ended(&r.req, 1), STATUS_SUCCESS);
	ck_assert_uint_eq(vr_from_le16(cmd->peer.port), 0x1234);
	ck_assert_uint_eq(cmd->peer.family, VIRTIO_RDMA_AF_INET);
	ck_assert_uint_eq(cmd->local.family, VIRTIO_RDMA_AF_NONE);
	ck_assert_uint_eq(vr_from_le32(cmd->inbound_reads), 16);

	/* size, part, all */
	len = 0;
	ck_assert_int_eq(r.conn->Dispatch->NdkGetConnectionData(r.conn, &in,
								&out, NULL, &len),
			 STATUS_SUCCESS);
	ck_assert_uint_eq(len, 5);
	ck_assert_uint_eq(in, 3);
	ck_assert_uint_eq(out, 4);
	ck_assert_int_eq(r.conn->Dispatch->NdkGetConnectionData(r.conn, NULL,
								NULL, NULL, &len),
			 STATUS_INVALID_PARAMETER);
	len = 2;
	ck_assert_int_eq(r.conn->Dispatch->NdkGetConnectionData(r.conn, NULL,
								NULL, data, &len),
			 STATUS_BUFFER_TOO_SMALL);
	ck_assert_uint_eq(len, 5);
	ck_assert_str_eq(data, "he");
	len = sizeof(data);
	ck_assert_int_eq(r.conn->Dispatch->NdkGetConnectionData(r.conn, NULL,
								NULL, data, &len),
			 STATUS_SUCCESS);
	ck_assert_uint_eq(len, 5);
	ck_assert_str_eq(data, "hello");
	len = 4;
	ck_assert_int_eq(r.conn->Dispatch->NdkGetPeerAddress(r.conn,
							     (void *)&sa, &len),
			 STATUS_BUFFER_TOO_SMALL);
	ck_assert_uint_eq(len, sizeof(sa));
	ck_assert_int_eq(r.conn->Dispatch->NdkGetPeerAddress(r.conn,
							     (void *)&sa, &len),
			 STATUS_SUCCESS);
	ck_assert_mem_eq(&sa, &dest, sizeof(sa));

	ck_assert_int_eq(start_complete(&r), STATUS_PENDING);
	ck_assert_int_eq(ended(&r.req, 2), STATUS_SUCCESS);
	ck_assert_int_eq(start_disconnect(&r), STATUS_PENDING);
	ck_assert_int_eq(start_disconnect(&r), STATUS_INVALID_DEVICE_STATE);
	ck_assert_int_eq(ended(&r.disc, 1), STATUS_SUCCESS);
	/* over for good (D8, D9) */
	ck_assert_int_eq(start_disconnect(&r), STATUS_CONNECTION_INVALID);
	ck_assert_int_eq(start_connect(&r), STATUS_CONNECTION_INVALID);
	rig_close(&r);
}
END_TEST

START_TEST(connect_arguments)
{
	char big[57] = "";
	struct rig r;

	rig_open(&r);
	ck_assert_int_eq(r.conn->Dispatch->NdkConnect(
				 r.conn, r.qp, NULL, 0, (void *)&dest,
				 sizeof(dest), 1, 1, big, 57, on_request, &r.req),
			 STATUS_INVALID_BUFFER_SIZE);
	ck_assert_int_eq(r.conn->Dispatch->NdkConnect(
				 r.conn, r.qp, NULL, 0, (void *)&dest, 8, 1, 1,
				 NULL, 0, on_request, &r.req),
			 STATUS_INVALID_ADDRESS);
	ck_assert_int_eq(r.conn->Dispatch->NdkConnect(
				 r.conn, r.qp, NULL, 0, NULL, 0, 1, 1, NULL, 0,
				 on_request, &r.req),
			 STATUS_INVALID_ADDRESS);
	/* it stays usable */
	ck_assert_int_eq(start_connect(&r), STATUS_PENDING);
	ck_assert_int_eq(ended(&r.req, 1), STATUS_SUCCESS);
	rig_close(&r);
}
END_TEST

/* Refused, with the Reject's data; tried again with success */
START_TEST(retry)
{
	struct rig r;
	ULONG len = 0;

	rig_open(&r);
	fake.status[VIRTIO_RDMA_CMD_CONNECT] = VIRTIO_RDMA_S_CONNECTION_REFUSED;
	ck_assert_int_eq(start_connect(&r), STATUS_PENDING);
	ck_assert_int_eq(ended(&r.req, 1), STATUS_CONNECTION_REFUSED);
	ck_assert_int_eq(vrdma_connector_private_length(r.conn, &len),
			 STATUS_SUCCESS);
	ck_assert_uint_eq(len, 5);
	/* the queue pair is free again: its close does not wait */
	close_now(r.qp);
	r.qp = make_qp(r.pd, r.cq, 4);
	fake.status[VIRTIO_RDMA_CMD_CONNECT] = VIRTIO_RDMA_S_OK;
	r.req.calls = 0;
	establish(&r);
	rig_close(&r);
}
END_TEST

START_TEST(complete_fails)
{
	static const struct {
		uint32_t wire;
		NTSTATUS nt;
	} rows[] = {
		{ VIRTIO_RDMA_S_TIMED_OUT, STATUS_IO_TIMEOUT },
		{ VIRTIO_RDMA_S_CONNECTION_ABORTED, STATUS_CONNECTION_ABORTED },
	};
	struct rig r;

	rig_open(&r);
	start_connect(&r);
	fake_run();
	fake.status[VIRTIO_RDMA_CMD_COMPLETE_CONNECT] = rows[_i].wire;
	ck_assert_int_eq(start_complete(&r), STATUS_PENDING);
	ck_assert_int_eq(ended(&r.req, 2), rows[_i].nt);
	ck_assert_int_eq(start_disconnect(&r), STATUS_CONNECTION_INVALID);
	ck_assert_int_eq(start_complete(&r), STATUS_CONNECTION_INVALID);
	rig_close(&r);
}
END_TEST

START_TEST(disconnect_fails)
{
	static const struct {
		uint32_t wire;
		NTSTATUS nt;
	} rows[] = {
		{ VIRTIO_RDMA_S_TIMED_OUT, STATUS_IO_TIMEOUT },
		{ VIRTIO_RDMA_S_CONNECTION_ABORTED, STATUS_CONNECTION_ABORTED },
		{ VIRTIO_RDMA_S_CONNECTION_INVALID, STATUS_CONNECTION_INVALID },
	};
	struct rig r;

	rig_open(&r);
	establish(&r);
	fake.status[VIRTIO_RDMA_CMD_DISCONNECT] = rows[_i].wire;
	ck_assert_int_eq(start_disconnect(&r), STATUS_PENDING);
	ck_assert_int_eq(ended(&r.disc, 1), rows[_i].nt);
	ck_assert_int_eq(start_disconnect(&r), STATUS_CONNECTION_INVALID);
	rig_close(&r);
}
END_TEST

/* --- the indication -------------------------------------------------------------------- */

START_TEST(indicated_once)
{
	struct rig r;

	rig_open(&r);
	establish(&r);
	peer_left(&r, VIRTIO_RDMA_R_GRACEFUL);
	ck_assert_int_eq(r.ev.calls, 1);
	ck_assert_int_eq(r.ev.status, VIRTIO_RDMA_R_GRACEFUL);
	peer_left(&r, VIRTIO_RDMA_R_RESET);
	ck_assert_int_eq(r.ev.calls, 1);
	ck_assert_int_eq(start_disconnect(&r), STATUS_PENDING);
	ck_assert_int_eq(ended(&r.disc, 1), STATUS_SUCCESS);
	ck_assert_int_eq(r.ev.calls, 1);
	rig_close(&r);
}
END_TEST

/* D4: not when the consumer has called Disconnect */
START_TEST(crossing)
{
	struct rig r;

	rig_open(&r);
	establish(&r);
	fake.hold[VIRTIO_RDMA_CMD_DISCONNECT] = true;
	ck_assert_int_eq(start_disconnect(&r), STATUS_PENDING);
	fake_run();
	peer_left(&r, VIRTIO_RDMA_R_GRACEFUL);
	ck_assert_int_eq(r.ev.calls, 0);
	fake_release(VIRTIO_RDMA_CMD_DISCONNECT, VIRTIO_RDMA_S_OK);
	ck_assert_int_eq(r.disc.calls, 1);
	ck_assert_int_eq(r.disc.status, STATUS_SUCCESS);
	ck_assert_int_eq(r.ev.calls, 0);
	rig_close(&r);
}
END_TEST

/* The event comes in another queue than the answer, and may be first */
START_TEST(early)
{
	uint32_t wire = _i ? VIRTIO_RDMA_S_CONNECTION_ABORTED : VIRTIO_RDMA_S_OK;
	struct rig r;

	rig_open(&r);
	start_connect(&r);
	fake_run();
	fake.hold[VIRTIO_RDMA_CMD_COMPLETE_CONNECT] = true;
	ck_assert_int_eq(start_complete(&r), STATUS_PENDING);
	peer_left(&r, VIRTIO_RDMA_R_RESET);
	ck_assert_int_eq(r.ev.calls, 0);
	fake_release(VIRTIO_RDMA_CMD_COMPLETE_CONNECT, wire);
	ck_assert_int_eq(r.req.calls, 2);
	/* a connection that never was is not ended */
	ck_assert_int_eq(r.ev.calls, _i ? 0 : 1);
	rig_close(&r);
}
END_TEST

START_TEST(none_after_close)
{
	struct vrc_obj *o;
	struct virtio_rdma_event ev;
	struct rig r;

	rig_open(&r);
	establish(&r);
	o = obj_of(r.conn);
	ev = (struct virtio_rdma_event){
		.type = vr_to_le16(VIRTIO_RDMA_EV_DISCONNECTED),
		.handle = vr_to_le32(o->handle),
		.cookie = vr_to_le64(o->cookie),
	};
	fake.hold[VIRTIO_RDMA_CMD_CLOSE_CONNECTOR] = true;
	ck_assert_int_eq(vrc_obj_close(&r.conn->Header, on_close, &r.close),
			 STATUS_PENDING);
	fake_run();
	fake_event(&ev);
	ck_assert_int_eq(r.ev.calls, 0);
	ck_assert_int_eq(r.close.calls, 0);
	fake_release(VIRTIO_RDMA_CMD_CLOSE_CONNECTOR, VIRTIO_RDMA_S_OK);
	ck_assert_int_eq(r.close.calls, 1);
	fake_event(&ev);	/* stale by now */
	ck_assert_int_eq(r.ev.calls, 0);
	r.conn = NULL;
	rig_close(&r);
}
END_TEST

static VOID close_in_event(PVOID ctx, ULONG reason)
{
	struct rig *r = ctx;

	(void)reason;
	r->ev.calls++;
	ck_assert_int_eq(vrc_obj_close(&r->conn->Header, on_close, &r->close),
			 STATUS_PENDING);
	/* the callback that runs is waited for */
	fake_run();
	ck_assert_int_eq(r->close.calls, 0);
}

START_TEST(close_inside_event)
{
	struct rig r;

	rig_open(&r);
	start_connect(&r);
	fake_run();
	r.conn->Dispatch->NdkCompleteConnectEx(r.conn, close_in_event, &r,
					       on_request, &r.req);
	fake_run();
	peer_left(&r, VIRTIO_RDMA_R_GRACEFUL);
	fake_run();
	ck_assert_int_eq(r.ev.calls, 1);
	ck_assert_int_eq(r.close.calls, 1);
	r.conn = NULL;
	rig_close(&r);
}
END_TEST

/* --- close with requests under way ------------------------------------------------------- */

/* The device cancels what is under way, then answers the close */
START_TEST(close_under_way)
{
	static const uint16_t held[] = { VIRTIO_RDMA_CMD_CONNECT,
					 VIRTIO_RDMA_CMD_COMPLETE_CONNECT,
					 VIRTIO_RDMA_CMD_DISCONNECT };
	struct call *c;
	struct call cqp = { 0 };
	struct rig r;
	int want = 1;

	rig_open(&r);
	fake.hold[held[_i]] = true;
	start_connect(&r);
	fake_run();
	if (_i >= 1) {
		start_complete(&r);
		fake_run();
		want = 2;
	}
	c = &r.req;
	if (_i == 2) {
		start_disconnect(&r);
		fake_run();
		c = &r.disc;
		want = 1;
	}
	ck_assert_int_eq(vrc_obj_close(&r.conn->Header, on_close, &r.close),
			 STATUS_PENDING);
	/* the queue pair is the connector's antecedent */
	ck_assert_int_eq(vrc_obj_close(&r.qp->Header, on_close, &cqp),
			 STATUS_PENDING);
	fake_run();
	ck_assert_int_eq(r.close.calls, 0);
	ck_assert_int_eq(cqp.calls, 0);
	fake_release(held[_i], VIRTIO_RDMA_S_CANCELLED);
	ck_assert_int_eq(c->calls, want);
	ck_assert_int_eq(c->status, STATUS_CANCELLED);
	fake_run();
	ck_assert_int_eq(r.close.calls, 1);
	ck_assert_int_eq(cqp.calls, 1);
	ck_assert_int_eq(r.ev.calls, 0);
	close_now(r.cq);
	close_now(r.pd);
	vrdma_close_adapter(r.a);
	fake_end();
}
END_TEST

START_TEST(cancel)
{
	struct rig r;

	rig_open(&r);
	vrdma_connector_cancel(r.conn);	/* nothing under way */
	fake_run();
	ck_assert_uint_eq(fake.seen[VIRTIO_RDMA_CMD_CLOSE_CONNECTOR], 0);
	fake.hold[VIRTIO_RDMA_CMD_CONNECT] = true;
	start_connect(&r);
	fake_run();
	vrdma_connector_cancel(r.conn);
	fake_run();
	fake_release(VIRTIO_RDMA_CMD_CONNECT, VIRTIO_RDMA_S_CANCELLED);
	ck_assert_int_eq(r.req.calls, 1);
	ck_assert_int_eq(r.req.status, STATUS_CANCELLED);
	ck_assert_int_eq(start_connect(&r), STATUS_CONNECTION_INVALID);
	close_now(r.conn);
	/* the device's half was closed once */
	ck_assert_uint_eq(fake.seen[VIRTIO_RDMA_CMD_CLOSE_CONNECTOR], 1);
	r.conn = NULL;
	rig_close(&r);
}
END_TEST

/* --- passive side ----------------------------------------------------------------------------- */

struct incoming {
	NDK_CONNECTOR *conn;
	int calls;
};

static VOID on_connect(PVOID ctx, NDK_CONNECTOR *conn)
{
	struct incoming *in = ctx;

	ck_assert(!fake.locked);
	in->calls++;
	in->conn = conn;
}

static NDK_LISTENER *make_listener(struct rig *r, struct incoming *in)
{
	NDK_LISTENER *l = NULL;
	struct call c = { 0 };

	ck_assert_int_eq(r->a->Dispatch->NdkCreateListener(
				 r->a, on_connect, in, on_create, &c, &l),
			 STATUS_SUCCESS);
	ck_assert_int_eq(l->Dispatch->NdkListen(l, (void *)&dest, sizeof(dest),
						on_request, &c),
			 STATUS_PENDING);
	ck_assert_int_eq(l->Dispatch->NdkListen(l, (void *)&dest, sizeof(dest),
						on_request, &c),
			 STATUS_INVALID_DEVICE_STATE);
	ck_assert_int_eq(ended(&c, 1), STATUS_SUCCESS);
	return l;
}

static struct virtio_rdma_event request_for(NDK_LISTENER *l, uint32_t handle)
{
	struct virtio_rdma_event ev = {
		.type = vr_to_le16(VIRTIO_RDMA_EV_CONNECT_REQUEST),
		.handle = vr_to_le32(handle),
		.cookie = vr_to_le64(obj_of(l)->cookie),
		.listener = vr_to_le32(obj_of(l)->handle),
		.inbound_reads = vr_to_le32(11),
		.outbound_reads = vr_to_le32(12),
		.priv = { .length = vr_to_le16(3), .data = "qwe" },
	};

	ev.peer.family = VIRTIO_RDMA_AF_INET6;
	ev.peer.ip[15] = 9;
	ev.local.family = VIRTIO_RDMA_AF_INET;
	return ev;
}

START_TEST(passive)
{
	struct virtio_rdma_cmd_accept *cmd =
		(void *)fake.last[VIRTIO_RDMA_CMD_ACCEPT];
	struct incoming in = { 0 };
	struct virtio_rdma_event ev;
	struct nd_sockaddr_in6 sa;
	struct call lclose = { 0 };
	ULONG limit = 0, len = sizeof(sa);
	NDK_LISTENER *l;
	struct rig r;

	rig_open(&r);
	close_now(r.conn);
	l = make_listener(&r, &in);
	ev = request_for(l, 500);
	ev.listener = vr_to_le32(obj_of(l)->handle + 1);
	fake_event(&ev);	/* not this listener's: refused */
	fake_run();
	ck_assert_int_eq(in.calls, 0);
	ck_assert_uint_eq(fake.seen[VIRTIO_RDMA_CMD_CLOSE_CONNECTOR], 2);
	ev = request_for(l, 500);
	fake_event(&ev);
	ck_assert_int_eq(in.calls, 1);
	r.conn = in.conn;
	ck_assert_int_eq(r.conn->Dispatch->NdkGetConnectionData(r.conn, &limit,
								NULL, NULL, NULL),
			 STATUS_SUCCESS);
	ck_assert_uint_eq(limit, 11);
	ck_assert_int_eq(r.conn->Dispatch->NdkGetPeerAddress(r.conn,
							     (void *)&sa, &len),
			 STATUS_SUCCESS);
	ck_assert_uint_eq(sa.family, ND_AF_INET6);
	ck_assert_uint_eq(sa.addr[15], 9);
	/* a mistake that changed nothing may be mended */
	fake.status[VIRTIO_RDMA_CMD_ACCEPT] = VIRTIO_RDMA_S_CONNECTION_ACTIVE;
	ck_assert_int_eq(start_accept(&r), STATUS_PENDING);
	ck_assert_int_eq(ended(&r.req, 1), STATUS_CONNECTION_ACTIVE);
	fake.status[VIRTIO_RDMA_CMD_ACCEPT] = VIRTIO_RDMA_S_OK;
	ck_assert_int_eq(start_accept(&r), STATUS_PENDING);
	ck_assert_int_eq(ended(&r.req, 2), STATUS_SUCCESS);
	ck_assert_uint_eq(vr_from_le64(cmd->cookie), obj_of(r.conn)->cookie);
	ck_assert_uint_eq(vr_from_le32(cmd->hdr.handle), 500);
	peer_left(&r, VIRTIO_RDMA_R_PEER_GONE);
	ck_assert_int_eq(r.ev.calls, 1);
	ck_assert_int_eq(r.ev.status, VIRTIO_RDMA_R_PEER_GONE);
	/* listening ends at once, the listener's close waits for its child */
	ck_assert_int_eq(vrc_obj_close(&l->Header, on_close, &lclose),
			 STATUS_PENDING);
	fake_run();
	ck_assert_uint_eq(fake.seen[VIRTIO_RDMA_CMD_CLOSE_LISTENER], 1);
	ck_assert_int_eq(lclose.calls, 0);
	ev.handle = vr_to_le32(501);
	fake_event(&ev);	/* was on its way: refused */
	fake_run();
	ck_assert_int_eq(in.calls, 1);
	ck_assert_uint_eq(fake.seen[VIRTIO_RDMA_CMD_CLOSE_CONNECTOR], 3);
	close_now(r.conn);
	ck_assert_int_eq(lclose.calls, 1);
	r.conn = NULL;
	rig_close(&r);
}
END_TEST

START_TEST(accept_fails)
{
	struct incoming in = { 0 };
	struct virtio_rdma_event ev;
	NDK_LISTENER *l;
	struct rig r;

	rig_open(&r);
	close_now(r.conn);
	l = make_listener(&r, &in);
	ev = request_for(l, 600);
	fake_event(&ev);
	r.conn = in.conn;
	fake.status[VIRTIO_RDMA_CMD_ACCEPT] = VIRTIO_RDMA_S_TIMED_OUT;
	ck_assert_int_eq(start_accept(&r), STATUS_PENDING);
	ck_assert_int_eq(ended(&r.req, 1), STATUS_IO_TIMEOUT);
	ck_assert_int_eq(start_accept(&r), STATUS_CONNECTION_INVALID);
	close_now(r.conn);
	r.conn = NULL;
	close_now(l);
	rig_close(&r);
}
END_TEST

/* Reject is synchronous; a close behind it lets its data go out first */
START_TEST(reject)
{
	struct incoming in = { 0 };
	struct virtio_rdma_event ev;
	NDK_LISTENER *l;
	struct rig r;

	rig_open(&r);
	close_now(r.conn);
	l = make_listener(&r, &in);
	ev = request_for(l, 700);
	fake_event(&ev);
	r.conn = in.conn;
	fake.hold[VIRTIO_RDMA_CMD_REJECT] = true;
	ck_assert_int_eq(r.conn->Dispatch->NdkReject(r.conn, "no", 2),
			 STATUS_SUCCESS);
	ck_assert_int_eq(r.conn->Dispatch->NdkReject(r.conn, "no", 2),
			 STATUS_CONNECTION_INVALID);
	ck_assert_int_eq(start_accept(&r), STATUS_CONNECTION_INVALID);
	ck_assert_int_eq(vrc_obj_close(&r.conn->Header, on_close, &r.close),
			 STATUS_PENDING);
	fake_run();
	/* one close so far: the unused connector's above */
	ck_assert_uint_eq(fake.seen[VIRTIO_RDMA_CMD_CLOSE_CONNECTOR], 1);
	fake_release(VIRTIO_RDMA_CMD_REJECT, VIRTIO_RDMA_S_OK);
	fake_run();
	ck_assert_uint_eq(fake.seen[VIRTIO_RDMA_CMD_CLOSE_CONNECTOR], 2);
	ck_assert_int_eq(r.close.calls, 1);
	r.conn = NULL;
	close_now(l);
	rig_close(&r);
}
END_TEST

START_TEST(no_memory_for_incoming)
{
	struct incoming in = { 0 };
	struct virtio_rdma_event ev;
	NDK_LISTENER *l;
	struct rig r;
	int i;

	rig_open(&r);
	l = make_listener(&r, &in);
	fake.hold[VIRTIO_RDMA_CMD_CLOSE_CONNECTOR] = true;
	for (i = 0; i < 70; i++) {	/* more than can be remembered */
		fake.fail_alloc_after = 0;
		ev = request_for(l, 800 + (uint32_t)i);
		fake_event(&ev);
	}
	fake.hold[VIRTIO_RDMA_CMD_CLOSE_CONNECTOR] = false;
	fake_run();
	ck_assert_int_eq(in.calls, 0);
	ck_assert_uint_ge(fake.seen[VIRTIO_RDMA_CMD_CLOSE_CONNECTOR], 64);
	close_now(l);
	rig_close(&r);
}
END_TEST

START_TEST(listener)
{
	struct virtio_rdma_cmd_control_listener *cmd =
		(void *)fake.last[VIRTIO_RDMA_CMD_CONTROL_LISTENER];
	struct incoming in = { 0 };
	struct call c = { 0 };
	struct nd_sockaddr_in sa;
	ULONG len = sizeof(sa);
	NDK_LISTENER *l = NULL;
	struct rig r;

	rig_open(&r);
	r.a->Dispatch->NdkCreateListener(r.a, on_connect, &in, on_create, &c, &l);
	ck_assert_int_eq(l->Dispatch->NdkGetLocalAddress(l, (void *)&sa, &len),
			 STATUS_INVALID_DEVICE_STATE);
	fake.status[VIRTIO_RDMA_CMD_LISTEN] = VIRTIO_RDMA_S_ADDRESS_IN_USE;
	l->Dispatch->NdkListen(l, (void *)&dest, sizeof(dest), on_request, &c);
	ck_assert_int_eq(ended(&c, 1), STATUS_SHARING_VIOLATION);
	/* a wish before it listens is kept */
	l->Dispatch->NdkControlConnectEvents(l, TRUE);
	fake.status[VIRTIO_RDMA_CMD_LISTEN] = VIRTIO_RDMA_S_OK;
	ck_assert_int_eq(vrdma_listen_ex(l, (void *)&dest, sizeof(dest), 5,
					 on_request, &c),
			 STATUS_PENDING);
	ck_assert_int_eq(ended(&c, 2), STATUS_SUCCESS);
	ck_assert_uint_eq(fake.seen[VIRTIO_RDMA_CMD_CONTROL_LISTENER], 1);
	ck_assert_uint_eq(vr_from_le32(cmd->pause), 1);
	ck_assert_int_eq(l->Dispatch->NdkGetLocalAddress(l, (void *)&sa, &len),
			 STATUS_SUCCESS);
	/* the latest of several wishes wins */
	fake.hold[VIRTIO_RDMA_CMD_CONTROL_LISTENER] = true;
	l->Dispatch->NdkControlConnectEvents(l, FALSE);
	l->Dispatch->NdkControlConnectEvents(l, TRUE);
	fake.hold[VIRTIO_RDMA_CMD_CONTROL_LISTENER] = false;
	fake_run();
	ck_assert_uint_eq(vr_from_le32(cmd->pause), 1);
	/* closed while LISTEN is under way */
	close_now(l);
	r.a->Dispatch->NdkCreateListener(r.a, on_connect, &in, on_create, &c, &l);
	l->Dispatch->NdkListen(l, (void *)&dest, sizeof(dest), on_request, &c);
	close_now(l);
	ck_assert_uint_eq(fake.seen[VIRTIO_RDMA_CMD_CLOSE_LISTENER], 2);
	rig_close(&r);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("core-connector");
	TCase *tc = tcase_create("connector");
	SRunner *sr;
	int failed;

	tcase_set_timeout(tc, 30);
	tcase_add_test(tc, all_pairs);
	tcase_add_test(tc, active);
	tcase_add_test(tc, connect_arguments);
	tcase_add_test(tc, retry);
	tcase_add_loop_test(tc, complete_fails, 0, 2);
	tcase_add_loop_test(tc, disconnect_fails, 0, 3);
	tcase_add_test(tc, indicated_once);
	tcase_add_test(tc, crossing);
	tcase_add_loop_test(tc, early, 0, 2);
	tcase_add_test(tc, none_after_close);
	tcase_add_test(tc, close_inside_event);
	tcase_add_loop_test(tc, close_under_way, 0, 3);
	tcase_add_test(tc, cancel);
	tcase_add_test(tc, passive);
	tcase_add_test(tc, accept_fails);
	tcase_add_test(tc, reject);
	tcase_add_test(tc, no_memory_for_incoming);
	tcase_add_test(tc, listener);
	suite_add_tcase(s, tc);
	sr = srunner_create(s);
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
