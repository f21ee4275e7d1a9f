/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test_core_endpoint.c - shared endpoints as the consumer sees them: creation,
 * connecting from one, the order of their ends
 */
#include "core_fake.h"

struct rig {
	NDK_ADAPTER *a;
	NDK_PD *pd;
	NDK_CQ *cq;
	NDK_QP *qp;
	NDK_CONNECTOR *conn;
	NDK_SHARED_ENDPOINT *ep;
	struct call req, close;
};

static struct nd_sockaddr_in here = { .family = ND_AF_INET,
				      .port = { 0, 77 },
				      .addr = { 10, 0, 0, 1 } };
static struct nd_sockaddr_in dest = { .family = ND_AF_INET,
				      .port = { 0x12, 0x34 },
				      .addr = { 10, 0, 0, 2 } };

static NTSTATUS create(struct rig *r, struct call *c)
{
	NDK_SHARED_ENDPOINT *out = (void *)&out;
	NTSTATUS st = r->a->Dispatch->NdkCreateSharedEndpoint(
		r->a, (void *)&here, sizeof(here), on_create, c, &out);

	/* delivered by the callback only */
	ck_assert_ptr_eq(out, (void *)&out);
	return st;
}

static void rig_open(struct rig *r)
{
	struct call c = { 0 };

	memset(r, 0, sizeof(*r));
	fake_start_with(VIRTIO_RDMA_FEATURES);
	r->a = open_adapter(0);
	r->pd = make_pd(r->a);
	r->cq = make_cq(r->a, 16, NULL, NULL);
	r->qp = make_qp(r->pd, r->cq, 4);
	r->conn = make_connector(r->a);
	ck_assert_int_eq(create(r, &c), STATUS_PENDING);
	fake_run();
	ck_assert_int_eq(c.status, STATUS_SUCCESS);
	r->ep = (void *)c.object;
}

static void rig_close(struct rig *r)
{
	if (r->conn)
		close_now(r->conn);
	if (r->ep)
		close_now(r->ep);
	close_now(r->qp);
	close_now(r->cq);
	close_now(r->pd);
	vrdma_close_adapter(r->a);
	fake_end();
}

static NTSTATUS connect(struct rig *r)
{
	return r->conn->Dispatch->NdkConnectWithSharedEndpoint(
		r->conn, r->qp, r->ep, (void *)&dest, sizeof(dest), 16, 15,
		"abc", 3, on_request, &r->req);
}

START_TEST(created)
{
	struct virtio_rdma_cmd_create_endpoint *cmd =
		(void *)fake.last[VIRTIO_RDMA_CMD_CREATE_ENDPOINT];
	struct nd_sockaddr_in sa;
	ULONG len = 4;
	struct rig r;

	rig_open(&r);
	ck_assert_uint_eq(cmd->addr.family, VIRTIO_RDMA_AF_INET);
	ck_assert_uint_eq(vr_from_le16(cmd->addr.port), 77);
	ck_assert_uint_eq(cmd->addr.ip[3], 1);
	ck_assert_int_eq(r.ep->Header.ObjectType, NdkObjectTypeSharedEndpoint);
	ck_assert_int_eq(r.ep->Dispatch->NdkGetLocalAddress(r.ep, (void *)&sa,
							    &len),
			 STATUS_BUFFER_TOO_SMALL);
	ck_assert_uint_eq(len, sizeof(sa));
	ck_assert_int_eq(r.ep->Dispatch->NdkGetLocalAddress(r.ep, (void *)&sa,
							    &len),
			 STATUS_SUCCESS);
	ck_assert_mem_eq(&sa, &here, sizeof(sa));
	ck_assert_int_eq(r.ep->Dispatch->NdkQueryExtension(
				 &r.ep->Header, NULL, (NDK_VERSION){ 0 }, NULL),
			 STATUS_NOT_SUPPORTED);
	/* the device's choice */
	close_now(r.ep);
	here.port[1] = 0;
	{
		struct call c = { 0 };

		ck_assert_int_eq(create(&r, &c), STATUS_PENDING);
		fake_run();
		r.ep = (void *)c.object;
	}
	here.port[1] = 77;
	len = sizeof(sa);
	ck_assert_int_eq(r.ep->Dispatch->NdkGetLocalAddress(r.ep, (void *)&sa,
							    &len),
			 STATUS_SUCCESS);
	ck_assert_uint_eq(sa.port[0] << 8 | sa.port[1], 50001);
	rig_close(&r);
}
END_TEST

START_TEST(creation_fails)
{
	static const struct {
		uint32_t wire;
		NTSTATUS status;
	} t[] = {
		{ VIRTIO_RDMA_S_ADDRESS_IN_USE, STATUS_SHARING_VIOLATION },
		{ VIRTIO_RDMA_S_INVALID_ADDRESS, STATUS_INVALID_ADDRESS },
		{ VIRTIO_RDMA_S_TOO_MANY_ADDRESSES, STATUS_TOO_MANY_ADDRESSES },
		{ VIRTIO_RDMA_S_NO_RESOURCES, STATUS_INSUFFICIENT_RESOURCES },
	};
	NDK_SHARED_ENDPOINT *out;
	struct rig r;

	rig_open(&r);
	for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		struct call c = { 0 };

		fake.status[VIRTIO_RDMA_CMD_CREATE_ENDPOINT] = t[i].wire;
		ck_assert_int_eq(create(&r, &c), STATUS_PENDING);
		fake_run();
		ck_assert_int_eq(c.calls, 1);
		ck_assert_int_eq(c.status, t[i].status);
	}
	ck_assert_int_eq(r.a->Dispatch->NdkCreateSharedEndpoint(
				 r.a, (void *)&here, sizeof(here), NULL, NULL,
				 &out),
			 STATUS_INVALID_PARAMETER);
	ck_assert_int_ne(
		r.a->Dispatch->NdkCreateSharedEndpoint(r.a, (void *)&here, 3,
						       on_create, &r.req, &out),
		STATUS_PENDING);
	fake.fail_alloc_after = 0;
	ck_assert_int_eq(create(&r, &r.req), STATUS_INSUFFICIENT_RESOURCES);
	fake.fail_alloc_after = -1;
	fake_run();
	ck_assert_int_eq(r.req.calls, 0);
	rig_close(&r);
}
END_TEST

START_TEST(connects_from_it)
{
	struct virtio_rdma_cmd_connect *cmd =
		(void *)fake.last[VIRTIO_RDMA_CMD_CONNECT];
	struct rig r;

	rig_open(&r);
	ck_assert_int_eq(connect(&r), STATUS_PENDING);
	ck_assert_int_eq(connect(&r), STATUS_CONNECTION_INVALID);
	fake_run();
	ck_assert_int_eq(r.req.status, STATUS_SUCCESS);
	ck_assert_uint_eq(vr_from_le32(cmd->endpoint), obj_of(r.ep)->handle);
	ck_assert_uint_eq(cmd->local.family, VIRTIO_RDMA_AF_NONE);
	ck_assert_uint_eq(vr_from_le16(cmd->peer.port), 0x1234);
	ck_assert_uint_eq(vr_from_le32(cmd->inbound_reads), 16);
	ck_assert_uint_eq(vr_from_le32(cmd->outbound_reads), 15);
	ck_assert_uint_eq(vr_from_le16(cmd->priv.length), 3);
	rig_close(&r);
}
END_TEST

START_TEST(connect_arguments)
{
	const NDK_CONNECTOR_DISPATCH *d;
	NDK_SHARED_ENDPOINT *kept;
	struct rig r;

	rig_open(&r);
	d = r.conn->Dispatch;
	kept = r.ep;
	r.ep = NULL;
	ck_assert_int_eq(connect(&r), STATUS_INVALID_PARAMETER);
	r.ep = kept;
	ck_assert_int_eq(
		d->NdkConnectWithSharedEndpoint(r.conn, NULL, r.ep,
						(void *)&dest, sizeof(dest), 1,
						1, NULL, 0, on_request, &r.req),
		STATUS_INVALID_PARAMETER);
	ck_assert_int_eq(d->NdkConnectWithSharedEndpoint(
				 r.conn, r.qp, r.ep, (void *)&dest,
				 sizeof(dest), 1, 1, NULL, 0, NULL, NULL),
			 STATUS_INVALID_PARAMETER);
	ck_assert_int_eq(d->NdkConnectWithSharedEndpoint(
				 r.conn, r.qp, r.ep, (void *)&dest,
				 sizeof(dest), 1, 1, &dest, 57, on_request,
				 &r.req),
			 STATUS_INVALID_BUFFER_SIZE);
	ck_assert_int_eq(d->NdkConnectWithSharedEndpoint(r.conn, r.qp, r.ep,
							 NULL, 0, 1, 1, NULL, 0,
							 on_request, &r.req),
			 STATUS_INVALID_ADDRESS);
	fake_run();
	ck_assert_int_eq(r.req.calls, 0);
	rig_close(&r);
}
END_TEST

/* An endpoint is an antecedent of what connected from it */
START_TEST(closed_before_its_connector)
{
	struct rig r;

	rig_open(&r);
	ck_assert_int_eq(connect(&r), STATUS_PENDING);
	fake_run();
	ck_assert_int_eq(r.ep->Dispatch->NdkCloseSharedEndpoint(
				 &r.ep->Header, on_close, &r.close),
			 STATUS_PENDING);
	fake_run();
	ck_assert_int_eq(r.close.calls, 0);
	ck_assert_uint_eq(fake.seen[VIRTIO_RDMA_CMD_CLOSE_ENDPOINT], 0);
	close_now(r.conn);
	r.conn = NULL;
	fake_run();
	ck_assert_int_eq(r.close.calls, 1);
	ck_assert_uint_eq(fake.seen[VIRTIO_RDMA_CMD_CLOSE_ENDPOINT], 1);
	r.ep = NULL;
	rig_close(&r);
}
END_TEST

/* One that is closing serves no new connection; an attempt that failed is no
 * successor */
START_TEST(refused_and_again)
{
	NDK_CONNECTOR *other;
	struct rig r;

	rig_open(&r);
	fake.status[VIRTIO_RDMA_CMD_CONNECT] = VIRTIO_RDMA_S_CONNECTION_EXISTS;
	ck_assert_int_eq(connect(&r), STATUS_PENDING);
	fake_run();
	ck_assert_int_eq(r.req.status, STATUS_ADDRESS_ALREADY_EXISTS);
	fake.status[VIRTIO_RDMA_CMD_CONNECT] = VIRTIO_RDMA_S_OK;
	ck_assert_int_eq(connect(&r), STATUS_PENDING);
	fake_run();
	ck_assert_int_eq(r.req.status, STATUS_SUCCESS);
	ck_assert_int_eq(r.ep->Dispatch->NdkCloseSharedEndpoint(
				 &r.ep->Header, on_close, &r.close),
			 STATUS_PENDING);
	other = r.conn;
	r.conn = make_connector(r.a);
	ck_assert_int_eq(connect(&r), STATUS_INVALID_PARAMETER);
	close_now(other);
	fake_run();
	ck_assert_int_eq(r.close.calls, 1);
	r.ep = NULL;
	rig_close(&r);
}
END_TEST

START_TEST(failed_attempt_lets_go)
{
	struct rig r;

	rig_open(&r);
	fake.status[VIRTIO_RDMA_CMD_CONNECT] = VIRTIO_RDMA_S_CONNECTION_REFUSED;
	ck_assert_int_eq(connect(&r), STATUS_PENDING);
	fake_run();
	ck_assert_int_eq(r.req.status, STATUS_CONNECTION_REFUSED);
	close_now(r.ep); /* waits for nobody */
	r.ep = NULL;
	rig_close(&r);
}
END_TEST

START_TEST(device_lost)
{
	struct nd_sockaddr_in sa;
	ULONG len = sizeof(sa);
	struct call c = { 0 };
	struct rig r;

	rig_open(&r);
	fake.hold[VIRTIO_RDMA_CMD_CREATE_ENDPOINT] = true;
	ck_assert_int_eq(create(&r, &c), STATUS_PENDING);
	fake_run();
	ck_assert_int_eq(c.calls, 0);
	fake_lose();
	ck_assert_int_eq(c.calls, 1);
	ck_assert_int_eq(c.status, STATUS_DEVICE_REMOVED);
	ck_assert_int_eq(create(&r, &c), STATUS_DEVICE_REMOVED);
	ck_assert_int_eq(connect(&r), STATUS_DEVICE_REMOVED);
	ck_assert_int_eq(r.ep->Dispatch->NdkGetLocalAddress(r.ep, (void *)&sa,
							    &len),
			 STATUS_SUCCESS);
	rig_close(&r);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("core-endpoint");
	TCase *tc = tcase_create("shared endpoint");
	SRunner *sr;
	int failed;

	tcase_set_timeout(tc, 30);
	tcase_add_test(tc, created);
	tcase_add_test(tc, creation_fails);
	tcase_add_test(tc, connects_from_it);
	tcase_add_test(tc, connect_arguments);
	tcase_add_test(tc, closed_before_its_connector);
	tcase_add_test(tc, refused_and_again);
	tcase_add_test(tc, failed_attempt_lets_go);
	tcase_add_test(tc, device_lost);
	suite_add_tcase(s, tc);
	sr = srunner_create(s);
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
