/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test_core_surface.c - the tables are complete, each object closes through its
 * own, and what is not offered says so and does nothing
 */
#include "core_fake.h"

/* One of everything, the incoming connector too */
struct all {
	NDK_ADAPTER *a;
	NDK_PD *pd;
	NDK_CQ *cq;
	NDK_MR *mr;
	NDK_MW *mw;
	NDK_SRQ *srq;
	NDK_QP *qp;
	NDK_CONNECTOR *conn, *in;
	NDK_LISTENER *l;
	struct call req, ev;
};

static struct nd_sockaddr_in dest = { .family = ND_AF_INET,
				      .port = { 0x12, 0x34 },
				      .addr = { 10, 0, 0, 2 } };

static VOID on_connect(PVOID ctx, NDK_CONNECTOR *conn)
{
	struct all *t = ctx;

	t->in = conn;
}

static void *made(struct call *c, NTSTATUS st)
{
	ck_assert_int_eq(st, STATUS_PENDING);
	fake_run();
	ck_assert_int_eq(c->status, STATUS_SUCCESS);
	return c->object;
}

static void listen_and_be_asked(struct all *t)
{
	struct virtio_rdma_event ev = {
		.type = vr_to_le16(VIRTIO_RDMA_EV_CONNECT_REQUEST),
		.handle = vr_to_le32(500),
		.local = { .family = VIRTIO_RDMA_AF_INET, .ip = { 10, 0, 0, 7 } },
	};
	struct call c = { 0 };

	ck_assert_int_eq(t->a->Dispatch->NdkCreateListener(
				 t->a, on_connect, t, on_create, &c, &t->l),
			 STATUS_SUCCESS);
	made(&c, t->l->Dispatch->NdkListen(t->l, (void *)&dest, sizeof(dest),
					   on_request, &c));
	ev.cookie = vr_to_le64(obj_of(t->l)->cookie);
	ev.listener = vr_to_le32(obj_of(t->l)->handle);
	fake_event(&ev);
	ck_assert_ptr_nonnull(t->in);
}

static void all_open_with(struct all *t, uint32_t features)
{
	struct call c = { 0 };

	memset(t, 0, sizeof(*t));
	fake_start_with(features);
	t->a = open_adapter(0);
	t->pd = make_pd(t->a);
	t->cq = make_cq(t->a, 16, NULL, NULL);
	ck_assert_int_eq(t->pd->Dispatch->NdkCreateMr(t->pd, FALSE, on_create,
						      &c, &t->mr),
			 STATUS_SUCCESS);
	t->mw = made(&c, t->pd->Dispatch->NdkCreateMw(t->pd, on_create, &c,
						      NULL));
	t->srq = made(&c, t->pd->Dispatch->NdkCreateSrq(
				  t->pd, 4, 1, 0, NULL, NULL, NULL, on_create,
				  &c, NULL));
	t->qp = make_qp(t->pd, t->cq, 4);
	t->conn = make_connector(t->a);
	listen_and_be_asked(t);
}

static void all_open(struct all *t)
{
	all_open_with(t, VIRTIO_RDMA_FEATURES);
}

static void close_ended(NTSTATUS st, struct call *c)
{
	fake_run();
	ck_assert_int_eq(c->calls, st == STATUS_PENDING);
	c->calls = 0;
}

/* Each through the close of its own table */
static void all_close(struct all *t)
{
	struct call c = { 0 };
	NTSTATUS st;

	st = t->in->Dispatch->NdkCloseConnector(&t->in->Header, on_close, &c);
	close_ended(st, &c);
	st = t->conn->Dispatch->NdkCloseConnector(&t->conn->Header, on_close, &c);
	close_ended(st, &c);
	st = t->l->Dispatch->NdkCloseListener(&t->l->Header, on_close, &c);
	close_ended(st, &c);
	st = t->qp->Dispatch->NdkCloseQp(&t->qp->Header, on_close, &c);
	close_ended(st, &c);
	st = t->srq->Dispatch->NdkCloseSrq(&t->srq->Header, on_close, &c);
	close_ended(st, &c);
	st = t->mw->Dispatch->NdkCloseMw(&t->mw->Header, on_close, &c);
	close_ended(st, &c);
	st = t->mr->Dispatch->NdkCloseMr(&t->mr->Header, on_close, &c);
	close_ended(st, &c);
	st = t->cq->Dispatch->NdkCloseCq(&t->cq->Header, on_close, &c);
	close_ended(st, &c);
	st = t->pd->Dispatch->NdkClosePd(&t->pd->Header, on_close, &c);
	close_ended(st, &c);
	vrdma_close_adapter(t->a);
	fake_end();
}

/* --- tables ------------------------------------------------------------------------- */

static void no_hole(const void *table, size_t size)
{
	void (*const *slot)(void) = table;

	for (size_t i = 0; i < size / sizeof(slot[0]); i++)
		ck_assert_msg(slot[i] != NULL, "slot %zu is empty", i);
}

static void header(const NDK_OBJECT_HEADER *h, NDK_OBJECT_TYPE type)
{
	ck_assert_int_eq(h->ObjectType, type);
	ck_assert_uint_eq(h->Version.Major, VRDMA_NDK_MAJOR);
	ck_assert_uint_eq(h->Version.Minor, VRDMA_NDK_MINOR);
	for (int i = 0; i < 4; i++)	/* the OS layer's, and empty */
		ck_assert_ptr_null(h->NdkReserved.rf[i]);
}

/* Every function of NDKPI 2.1 is there, even one that is not supported */
START_TEST(every_table)
{
	struct all t;

	all_open(&t);
#define TABLE(object, type) do { \
	no_hole(t.object->Dispatch, sizeof(*t.object->Dispatch)); \
	header(&t.object->Header, type); \
} while (0)
	TABLE(a, NdkObjectTypeAdapter);
	TABLE(pd, NdkObjectTypePd);
	TABLE(cq, NdkObjectTypeCq);
	TABLE(mr, NdkObjectTypeMr);
	TABLE(mw, NdkObjectTypeMw);
	TABLE(srq, NdkObjectTypeSrq);
	TABLE(qp, NdkObjectTypeQp);
	TABLE(conn, NdkObjectTypeConnector);
	TABLE(in, NdkObjectTypeConnector);
	TABLE(l, NdkObjectTypeListener);
#undef TABLE
	all_close(&t);
}
END_TEST

START_TEST(no_extension)
{
	NDK_EXTENSION_INTERFACE out;
	NDK_VERSION v = { 1, 0 };
	NTSTATUS st[9];
	GUID id = { 0 };
	struct all t;

	all_open(&t);
	st[0] = t.a->Dispatch->NdkQueryExtension(&t.a->Header, &id,
						   v, &out);
	st[1] = t.pd->Dispatch->NdkQueryExtension(&t.pd->Header, &id,
						   v, &out);
	st[2] = t.cq->Dispatch->NdkQueryExtension(&t.cq->Header, &id,
						   v, &out);
	st[3] = t.mr->Dispatch->NdkQueryExtension(&t.mr->Header, &id,
						   v, &out);
	st[4] = t.mw->Dispatch->NdkQueryExtension(&t.mw->Header, &id,
						   v, &out);
	st[5] = t.srq->Dispatch->NdkQueryExtension(&t.srq->Header, &id,
						   v, &out);
	st[6] = t.qp->Dispatch->NdkQueryExtension(&t.qp->Header, &id,
						   v, &out);
	st[7] = t.conn->Dispatch->NdkQueryExtension(&t.conn->Header, &id,
						   v, &out);
	st[8] = t.l->Dispatch->NdkQueryExtension(&t.l->Header, &id,
						   v, &out);
	for (int i = 0; i < 9; i++)
		ck_assert_int_eq(st[i], STATUS_NOT_SUPPORTED);
	all_close(&t);
}
END_TEST

START_TEST(each_close)
{
	struct all t;

	all_open(&t);
	all_close(&t);
	ck_assert_uint_eq(fake.seen[VIRTIO_RDMA_CMD_DESTROY_QP], 1);
	ck_assert_uint_eq(fake.seen[VIRTIO_RDMA_CMD_DESTROY_CQ], 1);
	ck_assert_uint_eq(fake.seen[VIRTIO_RDMA_CMD_DESTROY_PD], 1);
	ck_assert_uint_eq(fake.seen[VIRTIO_RDMA_CMD_DESTROY_SRQ], 1);
	ck_assert_uint_eq(fake.seen[VIRTIO_RDMA_CMD_DESTROY_MW], 1);
	ck_assert_uint_eq(fake.seen[VIRTIO_RDMA_CMD_CLOSE_LISTENER], 1);
	ck_assert_uint_eq(fake.seen[VIRTIO_RDMA_CMD_CLOSE_CONNECTOR], 2);
	/* never registered: the device has never heard of it */
	ck_assert_uint_eq(fake.seen[VIRTIO_RDMA_CMD_DEREGISTER_MR], 0);
}
END_TEST

/* Closes begun in an order of chance: each ends once */
START_TEST(closed_in_any_order)
{
	enum { N = 9 };
	struct call c[N] = { { 0 } };
	uint32_t seed = (uint32_t)_i * 2654435761u + 1;
	void *open[N];
	struct all t;

	all_open(&t);
	memcpy(open, (void *[]){ t.pd, t.cq, t.mr, t.mw, t.srq, t.qp, t.conn,
				 t.in, t.l }, sizeof(open));
	ck_assert_int_eq(t.conn->Dispatch->NdkConnect(
				 t.conn, t.qp, NULL, 0, (void *)&dest,
				 sizeof(dest), 1, 1, NULL, 0, on_request,
				 &t.req), STATUS_PENDING);
	if (_i % 2)
		fake_run();
	for (uint32_t left = N; left; left--) {
		uint32_t k;

		seed = seed * 1103515245u + 12345u;
		k = (seed >> 16) % left;
		if (vrc_obj_close(open[k], on_close, &c[left - 1]) ==
		    STATUS_SUCCESS)
			c[left - 1].calls++;
		open[k] = open[left - 1];
		if (_i % 3)
			fake_run();
	}
	fake_run();
	for (int i = 0; i < N; i++)
		ck_assert_int_eq(c[i].calls, 1);
	ck_assert_int_eq(t.req.calls, 1);
	vrdma_close_adapter(t.a);
	fake_end();
}
END_TEST

/* --- addresses ------------------------------------------------------------------------- */

/* A connector has none before it is connected, or came with a request */
START_TEST(local_address)
{
	struct nd_sockaddr_in sa;
	ULONG len = sizeof(sa);
	struct all t;

	all_open(&t);
	ck_assert_int_eq(t.conn->Dispatch->NdkGetLocalAddress(
				 t.conn, (void *)&sa, &len),
			 STATUS_CONNECTION_INVALID);
	ck_assert_int_eq(t.conn->Dispatch->NdkConnect(
				 t.conn, t.qp, NULL, 0, (void *)&dest,
				 sizeof(dest), 1, 1, NULL, 0, on_request,
				 &t.req), STATUS_PENDING);
	fake_run();
	len = sizeof(sa) - 1;
	ck_assert_int_eq(t.conn->Dispatch->NdkGetLocalAddress(
				 t.conn, (void *)&sa, &len),
			 STATUS_BUFFER_TOO_SMALL);
	ck_assert_uint_eq(len, sizeof(sa));
	ck_assert_int_eq(t.conn->Dispatch->NdkGetLocalAddress(
				 t.conn, (void *)&sa, &len), STATUS_SUCCESS);
	ck_assert_mem_eq(&sa, &dest, sizeof(sa));	/* as the fake answers */
	memset(&sa, 0, sizeof(sa));
	ck_assert_int_eq(t.in->Dispatch->NdkGetLocalAddress(
				 t.in, (void *)&sa, &len), STATUS_SUCCESS);
	ck_assert_uint_eq(sa.addr[3], 7);
	all_close(&t);
}
END_TEST

/* --- what is not offered ------------------------------------------------------------- */

START_TEST(no_shared_endpoint)
{
	NDK_SHARED_ENDPOINT *out = (void *)&out;
	const NDK_CONNECTOR_DISPATCH *d;
	uint32_t before;
	struct call c = { 0 };
	struct all t;

	all_open_with(&t, VIRTIO_RDMA_FEATURES &
			  ~VIRTIO_RDMA_FEATURE(SHARED_ENDPOINT));
	d = t.conn->Dispatch;
	before = vrdma_core_object_count(fake.core);
	ck_assert_int_eq(t.a->Dispatch->NdkCreateSharedEndpoint(
				 t.a, (void *)&dest, sizeof(dest), on_create,
				 &c, &out), STATUS_NOT_SUPPORTED);
	ck_assert_ptr_eq(out, (void *)&out);
	ck_assert_int_eq(d->NdkConnectWithSharedEndpoint(
				 t.conn, t.qp, NULL, (void *)&dest,
				 sizeof(dest), 1, 1, NULL, 0, on_request, &c),
			 STATUS_NOT_SUPPORTED);
	fake_run();
	ck_assert_int_eq(c.calls, 0);
	ck_assert_uint_eq(vrdma_core_object_count(fake.core), before);
	/* the connector is as it was */
	ck_assert_int_eq(d->NdkConnect(t.conn, t.qp, NULL, 0, (void *)&dest,
				       sizeof(dest), 1, 1, NULL, 0, on_request,
				       &c), STATUS_PENDING);
	fake_run();
	ck_assert_int_eq(c.status, STATUS_SUCCESS);
	all_close(&t);
}
END_TEST

START_TEST(no_fast_register)
{
	const NDK_LOGICAL_ADDRESS page = { 0x1000 };
	NDK_ADAPTER_INFO info;
	ULONG size = sizeof(info);
	NDK_MR *mr = (void *)&mr;
	struct call c = { 0 };
	struct all t;

	all_open_with(&t, VIRTIO_RDMA_FEATURES &
			  ~VIRTIO_RDMA_FEATURE(FAST_REGISTER));
	ck_assert_int_eq(t.a->Dispatch->NdkQueryAdapterInfo(t.a, &info, &size),
			 STATUS_SUCCESS);
	ck_assert_uint_eq(info.FRMRPageCount, 0);
	ck_assert_int_eq(t.pd->Dispatch->NdkCreateMr(t.pd, TRUE, on_create, &c,
						     &mr),
			 STATUS_NOT_SUPPORTED);
	ck_assert_ptr_eq(mr, (void *)&mr);
	ck_assert_int_eq(t.mr->Dispatch->NdkInitializeFastRegisterMr(
				 t.mr, 1, TRUE, on_request, &c),
			 STATUS_NOT_SUPPORTED);
	((struct virtio_rdma_qp_record *)
		((struct vrc_qp *)(void *)t.qp)->buffer.va)->state =
			vr_to_le32(VIRTIO_RDMA_QP_CONNECTED);
	ck_assert_int_eq(t.qp->Dispatch->NdkFastRegister(
				 t.qp, NULL, t.mr, 1, &page, 0, 4096,
				 (void *)0x1000, 0), STATUS_NOT_SUPPORTED);
	fake_run();
	ck_assert_int_eq(c.calls, 0);
	all_close(&t);
}
END_TEST

/* --- the older forms of Accept and CompleteConnect ------------------------------------- */

static VOID on_event(PVOID ctx)
{
	struct call *c = ctx;

	ck_assert_msg(!fake.locked, "callback with the lock held");
	c->calls++;
}

static void peer_leaves(NDK_CONNECTOR *conn)
{
	struct virtio_rdma_event ev = {
		.type = vr_to_le16(VIRTIO_RDMA_EV_DISCONNECTED),
		.handle = vr_to_le32(obj_of(conn)->handle),
		.cookie = vr_to_le64(obj_of(conn)->cookie),
		.reason = vr_to_le32(VIRTIO_RDMA_R_GRACEFUL),
	};

	fake_event(&ev);
}

/* _i: an event callback is optional */
START_TEST(accept_without_reason)
{
	struct all t;

	all_open(&t);
	ck_assert_int_eq(t.in->Dispatch->NdkAccept(
				 t.in, t.qp, 1, 2, "yes", 3,
				 _i ? on_event : NULL, &t.ev, on_request,
				 &t.req), STATUS_PENDING);
	fake_run();
	ck_assert_int_eq(t.req.calls, 1);
	ck_assert_int_eq(t.req.status, STATUS_SUCCESS);
	peer_leaves(t.in);
	peer_leaves(t.in);
	ck_assert_int_eq(t.ev.calls, _i);
	all_close(&t);
}
END_TEST

START_TEST(complete_without_reason)
{
	struct all t;

	all_open(&t);
	ck_assert_int_eq(t.conn->Dispatch->NdkConnect(
				 t.conn, t.qp, NULL, 0, (void *)&dest,
				 sizeof(dest), 1, 1, NULL, 0, on_request,
				 &t.req), STATUS_PENDING);
	fake_run();
	ck_assert_int_eq(t.conn->Dispatch->NdkCompleteConnect(
				 t.conn, _i ? on_event : NULL, &t.ev,
				 on_request, &t.req), STATUS_PENDING);
	fake_run();
	ck_assert_int_eq(t.req.calls, 2);
	ck_assert_int_eq(t.req.status, STATUS_SUCCESS);
	peer_leaves(t.conn);
	peer_leaves(t.conn);
	ck_assert_int_eq(t.ev.calls, _i);
	all_close(&t);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("core-surface");
	TCase *tc = tcase_create("surface");
	SRunner *sr;
	int failed;

	tcase_set_timeout(tc, 30);
	tcase_add_test(tc, every_table);
	tcase_add_test(tc, no_extension);
	tcase_add_test(tc, each_close);
	tcase_add_loop_test(tc, closed_in_any_order, 0, 100);
	tcase_add_test(tc, local_address);
	tcase_add_test(tc, no_shared_endpoint);
	tcase_add_test(tc, no_fast_register);
	tcase_add_loop_test(tc, accept_without_reason, 0, 2);
	tcase_add_loop_test(tc, complete_without_reason, 0, 2);
	suite_add_tcase(s, tc);
	sr = srunner_create(s);
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
