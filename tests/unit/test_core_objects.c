/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test_core_objects.c - creation, close in every order, commands and slots
 */
#include "core_fake.h"

/* --- start ------------------------------------------------------------------- */

START_TEST(bad_config)
{
	static const struct {
		size_t off;
		uint32_t value;
	} rows[] = {
		{ offsetof(struct virtio_rdma_config, abi_version), 2 },
		{ offsetof(struct virtio_rdma_config, abi_version), 0 },
		{ offsetof(struct virtio_rdma_config, num_ceq), 0 },
		{ offsetof(struct virtio_rdma_config, num_ceq), 0xffffffff },
		{ offsetof(struct virtio_rdma_config, max_send_depth), 0 },
		{ offsetof(struct virtio_rdma_config, max_send_depth), 16385 },
		{ offsetof(struct virtio_rdma_config, max_recv_depth), 1u << 31 },
		{ offsetof(struct virtio_rdma_config, max_cq_depth), 262145 },
		{ offsetof(struct virtio_rdma_config, max_send_sge), 17 },
		{ offsetof(struct virtio_rdma_config, max_inline), 257 },
		{ offsetof(struct virtio_rdma_config, max_caller_data), 513 },
		{ offsetof(struct virtio_rdma_config, max_srq_depth), 16385 },
	};
	struct vrdma_core *c;
	size_t i;

	memset(&fake, 0, sizeof(fake));
	fake.fail_alloc_after = -1;
	fake.queue_room = FAKE_CHAINS;
	ck_assert_int_eq(vrdma_core_create(&fake_ops, NULL, &c), 0);
	fake.core = c;
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		fake_config();
		memcpy((uint8_t *)&fake.cfg + rows[i].off, &rows[i].value, 4);
		ck_assert_int_eq(vrdma_core_start(c), -71);
	}
	fake_config();
	ck_assert_int_eq(vrdma_core_start(c), 0);
	ck_assert_int_eq(vrdma_core_start(c), -22);	/* already */
	fake_end();
}
END_TEST

START_TEST(hole_in_ops)
{
	struct vrdma_os_ops ops = fake_ops;
	struct vrdma_core *c;

	ops.relax = NULL;
	ck_assert_int_eq(vrdma_core_create(&ops, NULL, &c), -22);
}
END_TEST

START_TEST(versions)
{
	static const NDK_VERSION good[] = { { 2, 1 }, { 2, 0 } };
	static const NDK_VERSION bad[] = { { 1, 1 }, { 2, 2 }, { 3, 0 } };
	NDK_ADAPTER *a;
	size_t i;

	fake_start();
	for (i = 0; i < 2; i++) {
		ck_assert_int_eq(vrdma_open_adapter(fake.core, good[i], 0, &a),
				 STATUS_SUCCESS);
		/* the highest that the provider has */
		ck_assert_uint_eq(a->Header.Version.Major, 2);
		ck_assert_uint_eq(a->Header.Version.Minor, 1);
		ck_assert_int_eq(a->Header.ObjectType, NdkObjectTypeAdapter);
		vrdma_close_adapter(a);
	}
	for (i = 0; i < 3; i++)
		ck_assert_int_eq(vrdma_open_adapter(fake.core, bad[i], 0, &a),
				 NDIS_STATUS_BAD_VERSION);
	fake.status[VIRTIO_RDMA_CMD_CREATE_CONTEXT] = VIRTIO_RDMA_S_NO_RESOURCES;
	ck_assert_int_eq(vrdma_open_adapter(fake.core, good[0], 0, &a),
			 STATUS_INSUFFICIENT_RESOURCES);
	fake_lose();
	ck_assert_int_eq(vrdma_open_adapter(fake.core, good[0], 0, &a),
			 NDIS_STATUS_ADAPTER_NOT_READY);
	fake_end();
}
END_TEST

START_TEST(adapter_info)
{
	NDK_ADAPTER_INFO info;
	NDK_ADAPTER *a;
	ULONG size = 0;

	fake_start();
	fake.cfg.max_send_depth = vr_to_le32(1000);
	fake.cfg.adapter_flags = vr_to_le32(0xffffffff);
	fake_lose();
	ck_assert_int_eq(vrdma_core_start(fake.core), 0);
	a = open_adapter(0);
	ck_assert_int_eq(a->Dispatch->NdkQueryAdapterInfo(a, NULL, &size),
			 STATUS_BUFFER_TOO_SMALL);
	ck_assert_uint_eq(size, sizeof(info));
	ck_assert_int_eq(a->Dispatch->NdkQueryAdapterInfo(a, &info, &size),
			 STATUS_SUCCESS);
	/* rings are powers of two; only flags that the driver makes good on */
	ck_assert_uint_eq(info.MaxInitiatorQueueDepth, 512);
	ck_assert_uint_eq(info.AdapterFlags & NDK_ADAPTER_FLAG_CQ_RESIZE_SUPPORTED,
			  0);
	ck_assert_uint_eq(info.MaxWindowSize, 0);
	ck_assert_uint_eq(info.MaxCallerData, 56);
	vrdma_close_adapter(a);
	fake_end();
}
END_TEST

/* --- creation ------------------------------------------------------------------ */

START_TEST(creation_fails)
{
	static const uint16_t opcodes[] = { VIRTIO_RDMA_CMD_CREATE_PD,
					    VIRTIO_RDMA_CMD_CREATE_CQ,
					    VIRTIO_RDMA_CMD_CREATE_CONNECTOR };
	struct call c = { 0 };
	NDK_ADAPTER *a;
	uint32_t before;
	size_t i;

	fake_start();
	a = open_adapter(0);
	before = vrdma_core_object_count(fake.core);
	for (i = 0; i < 3; i++)
		fake.status[opcodes[i]] = VIRTIO_RDMA_S_NO_RESOURCES;
	ck_assert_int_eq(a->Dispatch->NdkCreatePd(a, on_create, &c, NULL),
			 STATUS_PENDING);
	ck_assert_int_eq(a->Dispatch->NdkCreateCq(a, 8, NULL, NULL, NULL,
						  on_create, &c, NULL),
			 STATUS_PENDING);
	ck_assert_int_eq(a->Dispatch->NdkCreateConnector(a, on_create, &c, NULL),
			 STATUS_PENDING);
	fake_run();
	ck_assert_int_eq(c.calls, 3);
	ck_assert_int_eq(c.status, STATUS_INSUFFICIENT_RESOURCES);
	ck_assert_ptr_null(c.object);
	ck_assert_uint_eq(vrdma_core_object_count(fake.core), before);
	vrdma_close_adapter(a);
	fake_end();
}
END_TEST

START_TEST(no_memory)
{
	NDK_ADAPTER *a;
	NDK_PD *pd;
	NDK_CQ *cq;
	struct call c = { 0 };
	int n;

	fake_start();
	a = open_adapter(0);
	pd = make_pd(a);
	cq = make_cq(a, 8, NULL, NULL);
	/* each allocation of a queue pair in turn */
	for (n = 0; n < 3; n++) {
		NTSTATUS st;

		fake.fail_alloc_after = n;
		st = pd->Dispatch->NdkCreateQp(pd, cq, cq, NULL, 256, 256, 4, 4,
					       0, on_create, &c, NULL);
		ck_assert_int_eq(st, STATUS_INSUFFICIENT_RESOURCES);
		ck_assert_int_eq(fake.fail_alloc_after, -1);
	}
	ck_assert_int_eq(c.calls, 0);
	close_now(cq);
	close_now(pd);
	vrdma_close_adapter(a);
	fake_end();
}
END_TEST

START_TEST(limits)
{
	NDK_ADAPTER *a;
	NDK_PD *pd;
	NDK_CQ *cq;
	struct call c = { 0 };
	static const ULONG bad[][5] = {
		/* rdepth idepth rsge isge inline */
		{ 0, 8, 1, 1, 0 },   { 8, 0, 1, 1, 0 },	{ 257, 8, 1, 1, 0 },
		{ 8, 257, 1, 1, 0 }, { 8, 8, 5, 1, 0 }, { 8, 8, 1, 5, 0 },
		{ 8, 8, 1, 1, 129 }, { 0xffffffff, 8, 1, 1, 0 },
	};
	size_t i;

	fake_start();
	a = open_adapter(0);
	pd = make_pd(a);
	cq = make_cq(a, 8, NULL, NULL);
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		ck_assert_int_eq(pd->Dispatch->NdkCreateQp(
					 pd, cq, cq, NULL, bad[i][0], bad[i][1],
					 bad[i][2], bad[i][3], bad[i][4],
					 on_create, &c, NULL),
				 STATUS_INVALID_PARAMETER);
	ck_assert_int_eq(a->Dispatch->NdkCreateCq(a, 0, NULL, NULL, NULL,
						  on_create, &c, NULL),
			 STATUS_INVALID_PARAMETER);
	ck_assert_int_eq(a->Dispatch->NdkCreateCq(a, 1025, NULL, NULL, NULL,
						  on_create, &c, NULL),
			 STATUS_INVALID_PARAMETER);
	ck_assert_int_eq(c.calls, 0);
	close_now(cq);
	close_now(pd);
	vrdma_close_adapter(a);
	fake_end();
}
END_TEST

/* --- close ---------------------------------------------------------------------- */

START_TEST(antecedents_first)
{
	struct call cpd = { 0 }, ccq = { 0 }, cqp = { 0 };
	NDK_ADAPTER *a;
	NDK_PD *pd;
	NDK_CQ *cq;
	NDK_QP *qp;

	fake_start();
	a = open_adapter(0);
	pd = make_pd(a);
	cq = make_cq(a, 8, NULL, NULL);
	qp = make_qp(pd, cq, 4);
	ck_assert_int_eq(pd->Dispatch->NdkClosePd(&pd->Header, on_close, &cpd),
			 STATUS_PENDING);
	ck_assert_int_eq(cq->Dispatch->NdkCloseCq(&cq->Header, on_close, &ccq),
			 STATUS_PENDING);
	fake_run();
	ck_assert_int_eq(cpd.calls + ccq.calls, 0);
	ck_assert_uint_eq(fake.seen[VIRTIO_RDMA_CMD_DESTROY_CQ], 0);
	fake.hold[VIRTIO_RDMA_CMD_DESTROY_QP] = true;
	ck_assert_int_eq(qp->Dispatch->NdkCloseQp(&qp->Header, on_close, &cqp),
			 STATUS_PENDING);
	fake_run();
	ck_assert_int_eq(cpd.calls + ccq.calls + cqp.calls, 0);
	fake_release(VIRTIO_RDMA_CMD_DESTROY_QP, VIRTIO_RDMA_S_OK);
	ck_assert_int_eq(cqp.calls, 1);
	/* the antecedents' destroy commands left only now */
	ck_assert_int_eq(cpd.calls + ccq.calls, 0);
	fake_run();
	ck_assert_int_eq(cpd.calls, 1);
	ck_assert_int_eq(ccq.calls, 1);
	vrdma_close_adapter(a);
	fake_end();
}
END_TEST

struct order {
	int next;
	struct vrc_obj *cq;
	NDK_CQ *close_inside;
	struct call inner;
};

static VOID qp_closed(PVOID ctx)
{
	struct order *o = ctx;

	/* the antecedent is still there while the callback runs */
	ck_assert_uint_ge(o->cq->holds, 1);
	ck_assert_int_eq(vrc_obj_close(&o->close_inside->Header, on_close,
				       &o->inner),
			 STATUS_PENDING);
	ck_assert_int_eq(o->inner.calls, 0);
	o->next++;
}

START_TEST(close_inside_callback)
{
	struct order o = { 0 };
	NDK_ADAPTER *a;
	NDK_PD *pd;
	NDK_QP *qp;

	fake_start();
	a = open_adapter(0);
	pd = make_pd(a);
	o.close_inside = make_cq(a, 8, NULL, NULL);
	o.cq = obj_of(o.close_inside);
	qp = make_qp(pd, o.close_inside, 4);
	ck_assert_int_eq(vrc_obj_close(&qp->Header, qp_closed, &o),
			 STATUS_PENDING);
	fake_run();
	ck_assert_int_eq(o.next, 1);
	ck_assert_int_eq(o.inner.calls, 1);
	close_now(pd);
	vrdma_close_adapter(a);
	fake_end();
}
END_TEST

/* A device that refuses to destroy keeps the memory; the close still ends */
START_TEST(destroy_refused)
{
	NDK_ADAPTER *a;
	struct vrdma_dma left;
	NDK_CQ *cq;
	int dmas;

	fake_start();
	a = open_adapter(0);
	cq = make_cq(a, 8, NULL, NULL);
	left = ((struct vrc_cq *)(void *)cq)->first->buffer;
	dmas = fake.dmas;
	fake.status[VIRTIO_RDMA_CMD_DESTROY_CQ] = VIRTIO_RDMA_S_BUSY;
	close_now(cq);
	ck_assert_int_eq(fake.dmas, dmas);
	vrdma_close_adapter(a);
	f_dma_free(NULL, &left);	/* left to the device, on purpose */
	fake_end();
}
END_TEST

/* --- memory regions ---------------------------------------------------------------- */

static const uint64_t mr_pages[] = { 0x1000, 0x2000 };

START_TEST(mr_life)
{
	MDL mdl = { .va = 0x5800, .length = 0x1000, .pages = mr_pages };
	struct virtio_rdma_cmd_register_mr *cmd =
		(void *)fake.last[VIRTIO_RDMA_CMD_REGISTER_MR];
	struct call c = { 0 };
	NDK_ADAPTER *a;
	NDK_MR *mr = NULL;
	NDK_PD *pd;

	fake_start();
	a = open_adapter(0);
	pd = make_pd(a);
	ck_assert_int_eq(pd->Dispatch->NdkCreateMr(pd, TRUE, on_create, &c, &mr),
			 STATUS_NOT_SUPPORTED);
	ck_assert_int_eq(pd->Dispatch->NdkCreateMr(pd, FALSE, on_create, &c,
						   &mr),
			 STATUS_SUCCESS);
	ck_assert_int_eq(mr->Dispatch->NdkDeregisterMr(mr, on_request, &c),
			 STATUS_INVALID_DEVICE_STATE);
	/* remote write wants local write */
	ck_assert_int_eq(mr->Dispatch->NdkRegisterMr(mr, &mdl, 0x1000, 4,
						     on_request, &c),
			 STATUS_INVALID_PARAMETER);
	ck_assert_int_eq(mr->Dispatch->NdkRegisterMr(mr, &mdl, 0x1001, 1,
						     on_request, &c),
			 STATUS_INVALID_PARAMETER);
	ck_assert_int_eq(mr->Dispatch->NdkRegisterMr(mr, &mdl, 0x1000, 0xd,
						     on_request, &c),
			 STATUS_PENDING);
	ck_assert_int_eq(mr->Dispatch->NdkRegisterMr(mr, &mdl, 0x1000, 1,
						     on_request, &c),
			 STATUS_INVALID_DEVICE_STATE);
	fake_run();
	ck_assert_int_eq(c.calls, 1);
	ck_assert_int_eq(c.status, STATUS_SUCCESS);
	ck_assert_uint_eq(vr_from_le64(cmd->addr), 0x5800);
	ck_assert_uint_eq(vr_from_le32(cmd->access), 5);
	ck_assert_uint_eq(vr_from_le32(cmd->pages.page_count), 2);
	ck_assert_uint_ne(mr->Dispatch->NdkGetLocalTokenFromMr(mr), 0);
	ck_assert_uint_ne(mr->Dispatch->NdkGetRemoteTokenFromMr(mr),
			  mr->Dispatch->NdkGetLocalTokenFromMr(mr));
	ck_assert_int_eq(mr->Dispatch->NdkDeregisterMr(mr, on_request, &c),
			 STATUS_PENDING);
	fake_run();
	ck_assert_int_eq(c.calls, 2);
	ck_assert_uint_eq(fake.seen[VIRTIO_RDMA_CMD_DEREGISTER_MR], 1);
	/* closed while registered: deregistered on the way */
	ck_assert_int_eq(mr->Dispatch->NdkRegisterMr(mr, &mdl, 0x800, 1,
						     on_request, &c),
			 STATUS_PENDING);
	close_now(mr);
	ck_assert_int_eq(c.calls, 3);
	ck_assert_uint_eq(fake.seen[VIRTIO_RDMA_CMD_DEREGISTER_MR], 2);
	close_now(pd);
	vrdma_close_adapter(a);
	fake_end();
}
END_TEST

START_TEST(privileged)
{
	struct virtio_rdma_cmd_create_pd *cmd =
		(void *)fake.last[VIRTIO_RDMA_CMD_CREATE_PD];
	uint32_t flags[2] = { 0, VRDMA_ADAPTER_USER };
	UINT32 token = 7;
	int i;

	fake_start();
	for (i = 0; i < 2; i++) {
		NDK_ADAPTER *a = open_adapter(flags[i]);
		NDK_PD *pd = make_pd(a);

		pd->Dispatch->NdkGetPrivilegedMemoryRegionToken(pd, &token);
		ck_assert_uint_eq(token, i ? 0 : VIRTIO_RDMA_TOKEN_PRIVILEGED);
		ck_assert_uint_eq(vr_from_le32(cmd->flags),
				  i ? 0 : VIRTIO_RDMA_PD_PRIVILEGED);
		close_now(pd);
		vrdma_close_adapter(a);
	}
	fake_end();
}
END_TEST

/* --- slots ----------------------------------------------------------------------------- */

#define MANY	300

static struct nd_sockaddr_in dest = { .family = ND_AF_INET,
				      .port = { 0x12, 0x34 },
				      .addr = { 10, 0, 0, 2 } };

START_TEST(connects_starve_nobody)
{
	static NDK_CONNECTOR *conn[MANY];
	static NDK_QP *qp[MANY];
	static struct call c[MANY];
	NDK_ADAPTER *a;
	NDK_PD *pd;
	NDK_CQ *cq;
	int i, done = 0;

	fake_start();
	memset(c, 0, sizeof(c));
	a = open_adapter(0);
	pd = make_pd(a);
	cq = make_cq(a, 1024, NULL, NULL);
	fake.hold[VIRTIO_RDMA_CMD_CONNECT] = true;
	for (i = 0; i < MANY; i++) {
		conn[i] = make_connector(a);
		qp[i] = make_qp(pd, cq, 1);
		ck_assert_int_eq(conn[i]->Dispatch->NdkConnect(
					 conn[i], qp[i], NULL, 0,
					 (void *)&dest, sizeof(dest), 1, 1,
					 NULL, 0, on_request, &c[i]),
				 STATUS_PENDING);
	}
	fake_run();
	/* more than the class has slots; and creating went on meanwhile */
	ck_assert_uint_lt(fake.q[0].num_posted, MANY);
	ck_assert_uint_gt(fake.q[0].num_posted, 16);
	/* one that waits in the line is closed: cancelled, no command of it */
	close_now(conn[MANY - 1]);
	ck_assert_int_eq(c[MANY - 1].calls, 1);
	ck_assert_int_eq(c[MANY - 1].status, STATUS_CANCELLED);
	/* answers let the rest through, each exactly once */
	fake.hold[VIRTIO_RDMA_CMD_CONNECT] = false;
	fake.status[VIRTIO_RDMA_CMD_CONNECT] = VIRTIO_RDMA_S_TIMED_OUT;
	fake_run();
	for (i = 0; i < MANY - 1; i++) {
		done += c[i].calls;
		ck_assert_int_eq(c[i].status, STATUS_IO_TIMEOUT);
	}
	ck_assert_int_eq(done, MANY - 1);
	ck_assert_uint_eq(fake.seen[VIRTIO_RDMA_CMD_CONNECT], MANY - 1);
	for (i = 0; i < MANY; i++) {
		if (i < MANY - 1)
			close_now(conn[i]);
		close_now(qp[i]);
	}
	close_now(cq);
	close_now(pd);
	vrdma_close_adapter(a);
	fake_end();
}
END_TEST

/* A virtqueue smaller than the slots: commands wait and none is lost */
START_TEST(full_virtqueue)
{
	static struct call c[20];
	NDK_ADAPTER *a;
	int i;

	fake_start();
	memset(c, 0, sizeof(c));
	a = open_adapter(0);
	fake.queue_room = 3;
	fake.hold[VIRTIO_RDMA_CMD_CREATE_PD] = true;
	for (i = 0; i < 20; i++)
		ck_assert_int_eq(a->Dispatch->NdkCreatePd(a, on_create, &c[i],
							  NULL),
				 STATUS_PENDING);
	ck_assert_uint_eq(fake.q[0].num_posted, 3);
	fake.hold[VIRTIO_RDMA_CMD_CREATE_PD] = false;
	fake_run();
	for (i = 0; i < 20; i++) {
		ck_assert_int_eq(c[i].calls, 1);
		close_now(c[i].object);
	}
	vrdma_close_adapter(a);
	fake_end();
}
END_TEST

/* Answers that lie about their length or status */
START_TEST(bad_answers)
{
	struct call c = { 0 };
	struct fake_chain ch;
	NDK_ADAPTER *a;
	int i;

	fake_start();
	a = open_adapter(0);
	fake.hold[VIRTIO_RDMA_CMD_CREATE_PD] = true;
	for (i = 0; i < 3; i++) {
		a->Dispatch->NdkCreatePd(a, on_create, &c, NULL);
		ch = fake_take(0, 0);
		memset(ch.rsp, 0, ch.rsp_size);
		/* too short to say anything; a status of no version; success
		 * without a handle */
		*(uint32_t *)(void *)ch.rsp =
			(const uint32_t[]){ VIRTIO_RDMA_S_NO_RESOURCES,
					    0xdeadbeef, 0 }[i];
		fake_use(0, ch, i ? ch.rsp_size : 3);
		fake_deliver();
		ck_assert_int_eq(c.calls, i + 1);
		ck_assert_int_eq(c.status, STATUS_INTERNAL_ERROR);
	}
	vrdma_close_adapter(a);
	fake_end();
}
END_TEST

int main(void)
{
	Suite *s = suite_create("core-objects");
	TCase *tc = tcase_create("objects");
	SRunner *sr;
	int failed;

	tcase_set_timeout(tc, 30);
	tcase_add_test(tc, bad_config);
	tcase_add_test(tc, hole_in_ops);
	tcase_add_test(tc, versions);
	tcase_add_test(tc, adapter_info);
	tcase_add_test(tc, creation_fails);
	tcase_add_test(tc, no_memory);
	tcase_add_test(tc, limits);
	tcase_add_test(tc, antecedents_first);
	tcase_add_test(tc, close_inside_callback);
	tcase_add_test(tc, destroy_refused);
	tcase_add_test(tc, mr_life);
	tcase_add_test(tc, privileged);
	tcase_add_test(tc, connects_starve_nobody);
	tcase_add_test(tc, full_virtqueue);
	tcase_add_test(tc, bad_answers);
	suite_add_tcase(s, tc);
	sr = srunner_create(s);
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
