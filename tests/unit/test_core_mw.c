/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test_core_mw.c - memory windows in the core: objects, ring entries, tokens,
 * and regions that are closed before the windows bound to them
 */
#include "core_fake.h"

#define VA	0x5800ull
#define LENGTH	0x1000u
#define BOTH	(VIRTIO_RDMA_FEATURE(MW) | VIRTIO_RDMA_FEATURE(SEND_INVALIDATE))

struct rig {
	NDK_ADAPTER *a;
	NDK_PD *pd;
	NDK_CQ *cq;
	NDK_QP *qp;
	NDK_MR *mr;
	NDK_MW *mw;
	struct vrdma_qp_layout l;
	struct virtio_rdma_qp_record *rec;
};

static const uint64_t mr_pages[] = { 0x1000, 0x2000 };

static NDK_MR *make_mr(NDK_PD *pd, ULONG flags)
{
	MDL mdl = { .va = VA, .length = LENGTH, .pages = mr_pages };
	struct call c = { 0 };
	NDK_MR *mr = NULL;

	ck_assert_int_eq(pd->Dispatch->NdkCreateMr(pd, FALSE, on_create, &c,
						   &mr), STATUS_SUCCESS);
	ck_assert_int_eq(mr->Dispatch->NdkRegisterMr(mr, &mdl, LENGTH, flags,
						     on_request, &c),
			 STATUS_PENDING);
	fake_run();
	ck_assert_int_eq(c.status, STATUS_SUCCESS);
	return mr;
}

static NDK_MW *make_mw(NDK_PD *pd)
{
	struct call c = { 0 };

	ck_assert_int_eq(pd->Dispatch->NdkCreateMw(pd, on_create, &c, NULL),
			 STATUS_PENDING);
	fake_run();
	ck_assert_int_eq(c.calls, 1);
	ck_assert_int_eq(c.status, STATUS_SUCCESS);
	ck_assert_int_eq(c.object->ObjectType, NdkObjectTypeMw);
	return (NDK_MW *)(void *)c.object;
}

static void rig_open(struct rig *r)
{
	fake_start_with(BOTH);
	r->a = open_adapter(0);
	r->pd = make_pd(r->a);
	r->cq = make_cq(r->a, 8, NULL, NULL);
	r->qp = make_qp(r->pd, r->cq, 4);
	r->mr = make_mr(r->pd, NDK_MR_FLAG_ALLOW_LOCAL_WRITE);
	r->mw = make_mw(r->pd);
	vrdma_qp_layout(r->qp, &r->l);
	r->rec = r->l.buffer->va;
	r->rec->state = vr_to_le32(VIRTIO_RDMA_QP_CONNECTED);
}

static void rig_close(struct rig *r)
{
	if (r->qp)
		close_now(r->qp);
	if (r->mw)
		close_now(r->mw);
	if (r->mr)
		close_now(r->mr);
	close_now(r->cq);
	close_now(r->pd);
	vrdma_close_adapter(r->a);
	fake_end();
}

static struct virtio_rdma_send_wqe *sq_at(struct rig *r, uint32_t n)
{
	return (void *)((uint8_t *)r->l.buffer->va + r->l.sq_offset +
			n % r->l.sq_depth * r->l.sq_stride);
}

static UINT32 token_of(const struct rig *r)
{
	return r->mw->Dispatch->NdkGetRemoteTokenFromMw(r->mw);
}

static NTSTATUS bind(struct rig *r, ULONG flags)
{
	return r->qp->Dispatch->NdkBind(r->qp, (void *)0x5a, r->mr, r->mw,
					(void *)VA, LENGTH, flags);
}

/* ------------------------------------------------------------------ features */

START_TEST(not_offered)
{
	NDK_ADAPTER_INFO info;
	ULONG size = sizeof(info);
	const NDK_QP_DISPATCH *d;
	NDK_SGE sge = { .VirtualAddress = (void *)VA, .Length = 8 };
	NDK_ADAPTER *a;
	NDK_QP *qp;
	NDK_PD *pd;
	NDK_CQ *cq;
	struct vrdma_qp_layout l;
	struct call c = { 0 };

	fake_start();
	a = open_adapter(0);
	/* a device that announces them to a driver that did not take them */
	ck_assert_int_eq(a->Dispatch->NdkQueryAdapterInfo(a, &info, &size),
			 STATUS_SUCCESS);
	ck_assert_uint_eq(info.MaxWindowSize, 0);
	pd = make_pd(a);
	ck_assert_int_eq(pd->Dispatch->NdkCreateMw(pd, on_create, &c, NULL),
			 STATUS_NOT_SUPPORTED);
	cq = make_cq(a, 8, NULL, NULL);
	qp = make_qp(pd, cq, 4);
	vrdma_qp_layout(qp, &l);
	((struct virtio_rdma_qp_record *)l.buffer->va)->state =
		vr_to_le32(VIRTIO_RDMA_QP_CONNECTED);
	d = qp->Dispatch;
	ck_assert_int_eq(d->NdkBind(qp, NULL, NULL, NULL, NULL, 1,
				    NDK_OP_FLAG_ALLOW_REMOTE_READ),
			 STATUS_NOT_SUPPORTED);
	ck_assert_int_eq(d->NdkInvalidate(qp, NULL, NULL, 0),
			 STATUS_NOT_SUPPORTED);
	ck_assert_int_eq(d->NdkSendAndInvalidate(qp, NULL, &sge, 1, 0, 9),
			 STATUS_NOT_SUPPORTED);
	close_now(qp);
	close_now(cq);
	close_now(pd);
	vrdma_close_adapter(a);
	fake_end();
}
END_TEST

START_TEST(offered)
{
	NDK_ADAPTER_INFO info;
	ULONG size = sizeof(info);
	struct rig r;

	rig_open(&r);
	ck_assert_int_eq(r.a->Dispatch->NdkQueryAdapterInfo(r.a, &info, &size),
			 STATUS_SUCCESS);
	ck_assert_uint_eq(info.MaxWindowSize, info.MaxRegistrationSize);
	rig_close(&r);
}
END_TEST

START_TEST(creation)
{
	struct virtio_rdma_cmd_create_mw *cmd =
		(void *)fake.last[VIRTIO_RDMA_CMD_CREATE_MW];
	struct vrdma_mw_layout l;
	struct call c = { 0 };
	struct rig r;

	rig_open(&r);
	ck_assert_uint_eq(vr_from_le32(cmd->pd), obj_of(r.pd)->handle);
	vrdma_mw_layout(r.mw, &l);
	ck_assert_uint_eq(l.handle, obj_of(r.mw)->handle);
	ck_assert_uint_eq(l.token, token_of(&r));
	ck_assert_int_eq(r.pd->Dispatch->NdkCreateMw(r.pd, NULL, NULL, NULL),
			 STATUS_INVALID_PARAMETER);
	fake.status[VIRTIO_RDMA_CMD_CREATE_MW] = VIRTIO_RDMA_S_NO_RESOURCES;
	ck_assert_int_eq(r.pd->Dispatch->NdkCreateMw(r.pd, on_create, &c, NULL),
			 STATUS_PENDING);
	fake_run();
	ck_assert_int_eq(c.status, STATUS_INSUFFICIENT_RESOURCES);
	ck_assert_ptr_null(c.object);
	fake.fail_alloc_after = 0;
	ck_assert_int_eq(r.pd->Dispatch->NdkCreateMw(r.pd, on_create, &c, NULL),
			 STATUS_INSUFFICIENT_RESOURCES);
	fake.fail_alloc_after = -1;
	rig_close(&r);
	ck_assert_uint_eq(fake.seen[VIRTIO_RDMA_CMD_DESTROY_MW], 1);
}
END_TEST

/* ------------------------------------------------------------------- entries */

START_TEST(bind_entry)
{
	static const struct {
		ULONG flags;
		uint32_t access;
		uint16_t wire;
	} t[] = {
		{ NDK_OP_FLAG_ALLOW_REMOTE_READ, VIRTIO_RDMA_ACCESS_REMOTE_READ,
		  0 },
		{ NDK_OP_FLAG_ALLOW_REMOTE_WRITE | NDK_OP_FLAG_SILENT_SUCCESS,
		  VIRTIO_RDMA_ACCESS_REMOTE_WRITE, VIRTIO_RDMA_WR_SILENT },
		{ NDK_OP_FLAG_ALLOW_REMOTE_WRITE | NDK_OP_FLAG_READ_FENCE |
			  NDK_OP_FLAG_ALLOW_REMOTE_READ | NDK_OP_FLAG_DEFER,
		  VIRTIO_RDMA_ACCESS_REMOTE_WRITE |
			  VIRTIO_RDMA_ACCESS_REMOTE_READ,
		  VIRTIO_RDMA_WR_READ_FENCE },
	};
	struct virtio_rdma_send_wqe *w;
	struct virtio_rdma_bind *b;
	UINT32 before;
	struct rig r;

	rig_open(&r);
	memset(sq_at(&r, 0), 0xff, r.l.sq_stride);
	before = token_of(&r);
	ck_assert_int_eq(bind(&r, t[_i].flags), STATUS_SUCCESS);
	w = sq_at(&r, 0);
	b = (void *)(w + 1);
	ck_assert_uint_eq(vr_from_le64(w->wr_id), 0x5a);
	ck_assert_uint_eq(w->opcode, VIRTIO_RDMA_OP_BIND);
	ck_assert_uint_eq(w->num_sge, 0);
	ck_assert_uint_eq(vr_from_le16(w->flags), t[_i].wire);
	ck_assert_uint_eq(w->inline_length | w->remote_addr | w->reserved, 0);
	ck_assert_uint_eq(vr_from_le32(w->remote_token), token_of(&r));
	ck_assert_uint_eq(token_of(&r) >> 8, before >> 8);
	ck_assert_uint_ne(token_of(&r), before);
	ck_assert_uint_eq(vr_from_le64(b->addr), VA);
	ck_assert_uint_eq(vr_from_le64(b->length), LENGTH);
	ck_assert_uint_eq(vr_from_le32(b->mw), obj_of(r.mw)->handle);
	ck_assert_uint_eq(vr_from_le32(b->token),
			  r.mr->Dispatch->NdkGetLocalTokenFromMr(r.mr));
	ck_assert_uint_eq(vr_from_le32(b->access), t[_i].access);
	ck_assert_uint_eq(b->reserved, 0);
	rig_close(&r);
}
END_TEST

/* Each bind another key; a bind that was not posted gives none */
START_TEST(keys)
{
	struct rig r;
	UINT32 first, last;

	rig_open(&r);
	r.rec->sq_head = 0;
	first = token_of(&r);
	ck_assert_uint_eq(first & 0xff, 0xfd);	/* so that it wraps soon */
	last = first;
	for (uint32_t i = 1; i < 256; i++) {
		ck_assert_int_eq(bind(&r, NDK_OP_FLAG_ALLOW_REMOTE_READ),
				 STATUS_SUCCESS);
		ck_assert_uint_eq(token_of(&r) >> 8, first >> 8);
		ck_assert_uint_ne(token_of(&r), last);
		ck_assert_uint_ne(token_of(&r), first);
		last = token_of(&r);
		r.rec->sq_head = vr_to_le32(i);
	}
	for (int i = 0; i < 4; i++)	/* the queue is full */
		ck_assert_int_eq(bind(&r, NDK_OP_FLAG_ALLOW_REMOTE_READ),
				 STATUS_SUCCESS);
	last = token_of(&r);
	ck_assert_int_eq(bind(&r, NDK_OP_FLAG_ALLOW_REMOTE_READ),
			 STATUS_INSUFFICIENT_RESOURCES);
	ck_assert_uint_eq(token_of(&r), last);
	r.rec->sq_head = vr_to_le32(255 + 4);
	rig_close(&r);
}
END_TEST

START_TEST(refusals)
{
	const ULONG rd = NDK_OP_FLAG_ALLOW_REMOTE_READ;
	const ULONG wr = NDK_OP_FLAG_ALLOW_REMOTE_WRITE;
	const NDK_QP_DISPATCH *d;
	NDK_MR *read_only, *idle = NULL, *foreign;
	struct call c = { 0 };
	NDK_PD *other;
	NDK_MW *far;
	struct rig r;
	UINT32 before;

	rig_open(&r);
	d = r.qp->Dispatch;
	before = token_of(&r);
	other = make_pd(r.a);
	foreign = make_mr(other, NDK_MR_FLAG_ALLOW_LOCAL_WRITE);
	far = make_mw(other);
	read_only = make_mr(r.pd, 0);
	ck_assert_int_eq(r.pd->Dispatch->NdkCreateMr(r.pd, FALSE, on_create, &c,
						     &idle), STATUS_SUCCESS);
#define BIND(mr, mw, va, len, flags, want)				\
	ck_assert_int_eq(d->NdkBind(r.qp, NULL, mr, mw,			\
				    (void *)(uintptr_t)(va), len, flags), want)
	/* not connected yet */
	r.rec->state = vr_to_le32(VIRTIO_RDMA_QP_INIT);
	BIND(r.mr, r.mw, VA, LENGTH, rd, STATUS_CONNECTION_INVALID);
	ck_assert_int_eq(d->NdkInvalidate(r.qp, NULL, &r.mw->Header, 0),
			 STATUS_CONNECTION_INVALID);
	r.rec->state = vr_to_le32(VIRTIO_RDMA_QP_CONNECTED);
	/* no right; half of the write right; a flag of other calls */
	BIND(r.mr, r.mw, VA, LENGTH, 0, STATUS_INVALID_PARAMETER);
	BIND(r.mr, r.mw, VA, LENGTH, NDK_OP_FLAG_ALLOW_LOCAL_WRITE,
	     STATUS_INVALID_PARAMETER);
	BIND(r.mr, r.mw, VA, LENGTH, rd | 0x20, STATUS_INVALID_PARAMETER);
	BIND(r.mr, r.mw, VA, LENGTH, rd | NDK_OP_FLAG_INLINE,
	     STATUS_INVALID_PARAMETER);
	BIND(r.mr, r.mw, VA, LENGTH, rd | NDK_OP_FLAG_SEND_AND_SOLICIT_EVENT,
	     STATUS_INVALID_PARAMETER);
	/* objects */
	BIND(NULL, r.mw, VA, LENGTH, rd, STATUS_INVALID_PARAMETER);
	BIND(r.mr, NULL, VA, LENGTH, rd, STATUS_INVALID_PARAMETER);
	BIND(idle, r.mw, VA, LENGTH, rd, STATUS_INVALID_PARAMETER);
	BIND(foreign, r.mw, VA, LENGTH, rd, STATUS_INVALID_PARAMETER);
	BIND(r.mr, far, VA, LENGTH, rd, STATUS_INVALID_PARAMETER);
	/* range and rights */
	BIND(r.mr, r.mw, VA, 0, rd, STATUS_INVALID_PARAMETER);
	BIND(r.mr, r.mw, VA - 1, 2, rd, STATUS_ACCESS_VIOLATION);
	BIND(r.mr, r.mw, VA, LENGTH + 1, rd, STATUS_ACCESS_VIOLATION);
	BIND(r.mr, r.mw, VA + LENGTH, 1, rd, STATUS_ACCESS_VIOLATION);
	BIND(r.mr, r.mw, VA + 1, SIZE_MAX, rd, STATUS_ACCESS_VIOLATION);
	BIND(read_only, r.mw, VA, 1, wr, STATUS_ACCESS_VIOLATION);
	/* never a region that NdkRegisterMr made */
	ck_assert_int_eq(d->NdkInvalidate(r.qp, NULL, &r.mr->Header, 0),
			 STATUS_INVALID_PARAMETER);
	ck_assert_int_eq(d->NdkInvalidate(r.qp, NULL, &r.mw->Header, rd),
			 STATUS_INVALID_PARAMETER);
	ck_assert_uint_eq(vr_from_le32(r.rec->sq_tail), 0);
	ck_assert_uint_eq(token_of(&r), before);
	/* the first and the last byte, read only */
	BIND(read_only, r.mw, VA + LENGTH - 1, 1, rd, STATUS_SUCCESS);
#undef BIND
	close_now(idle);
	close_now(read_only);
	close_now(foreign);
	close_now(far);
	close_now(other);
	rig_close(&r);
}
END_TEST

START_TEST(invalidations)
{
	NDK_SGE sge = { .VirtualAddress = (void *)0x1111, .Length = 10,
			.MemoryRegionToken = 21 };
	const NDK_QP_DISPATCH *d;
	struct virtio_rdma_send_wqe *w;
	struct rig r;
	char text[] = "inline";

	rig_open(&r);
	d = r.qp->Dispatch;
	bind(&r, NDK_OP_FLAG_ALLOW_REMOTE_READ);
	ck_assert_int_eq(d->NdkInvalidate(r.qp, (void *)0x77, &r.mw->Header,
					  NDK_OP_FLAG_SILENT_SUCCESS),
			 STATUS_SUCCESS);
	w = sq_at(&r, 1);
	ck_assert_uint_eq(vr_from_le64(w->wr_id), 0x77);
	ck_assert_uint_eq(w->opcode, VIRTIO_RDMA_OP_INVALIDATE);
	ck_assert_uint_eq(vr_from_le32(w->remote_token), token_of(&r));
	ck_assert_uint_eq(vr_from_le16(w->flags), VIRTIO_RDMA_WR_SILENT);
	ck_assert_uint_eq(w->num_sge | w->inline_length | w->remote_addr, 0);
	ck_assert_int_eq(d->NdkSendAndInvalidate(
				 r.qp, (void *)0x78, &sge, 1,
				 NDK_OP_FLAG_SEND_AND_SOLICIT_EVENT,
				 0xabcdef01), STATUS_SUCCESS);
	w = sq_at(&r, 2);
	ck_assert_uint_eq(w->opcode, VIRTIO_RDMA_OP_SEND_INVALIDATE);
	ck_assert_uint_eq(vr_from_le32(w->remote_token), 0xabcdef01);
	ck_assert_uint_eq(vr_from_le16(w->flags), VIRTIO_RDMA_WR_SOLICIT);
	ck_assert_uint_eq(w->num_sge, 1);
	ck_assert_uint_eq(w->remote_addr, 0);
	sge = (NDK_SGE){ .VirtualAddress = text, .Length = 6 };
	ck_assert_int_eq(d->NdkSendAndInvalidate(r.qp, NULL, &sge, 1,
						 NDK_OP_FLAG_INLINE, 5),
			 STATUS_SUCCESS);
	w = sq_at(&r, 3);
	ck_assert_uint_eq(vr_from_le32(w->inline_length), 6);
	ck_assert_mem_eq(w + 1, text, 6);
	r.rec->sq_head = vr_to_le32(4);
	ck_assert_int_eq(d->NdkSendAndInvalidate(
				 r.qp, NULL, &sge, 1,
				 NDK_OP_FLAG_ALLOW_REMOTE_READ, 5),
			 STATUS_INVALID_PARAMETER);
	rig_close(&r);
}
END_TEST

/* ------------------------------------------------------------- order of ends */

static struct call mr_closed_call;

/* The device says that a window is bound to the region */
static void close_bound_region(struct rig *r)
{
	fake.status[VIRTIO_RDMA_CMD_DEREGISTER_MR] = VIRTIO_RDMA_S_BUSY;
	mr_closed_call = (struct call){ 0 };
	ck_assert_int_eq(vrc_obj_close(&r->mr->Header, on_close,
				       &mr_closed_call), STATUS_PENDING);
	fake_run();
	ck_assert_int_eq(mr_closed_call.calls, 0);
	ck_assert_uint_eq(fake.seen[VIRTIO_RDMA_CMD_DEREGISTER_MR], 1);
	r->mr = NULL;
}

START_TEST(region_waits_for_its_window)
{
	NDK_MW *second;
	struct rig r;

	rig_open(&r);
	second = make_mw(r.pd);
	close_bound_region(&r);
	/* another window's end: the region tries, and waits on */
	close_now(second);
	ck_assert_uint_eq(fake.seen[VIRTIO_RDMA_CMD_DEREGISTER_MR], 2);
	ck_assert_int_eq(mr_closed_call.calls, 0);
	fake.status[VIRTIO_RDMA_CMD_DEREGISTER_MR] = VIRTIO_RDMA_S_OK;
	close_now(r.mw);
	r.mw = NULL;
	ck_assert_uint_eq(fake.seen[VIRTIO_RDMA_CMD_DEREGISTER_MR], 3);
	ck_assert_int_eq(mr_closed_call.calls, 1);
	rig_close(&r);
}
END_TEST

/* Window and domain are closed behind it, all at once; each ends once, the
 * domain last */
START_TEST(all_closed_at_once)
{
	struct call mw = { 0 }, pd = { 0 };
	struct rig r;

	rig_open(&r);
	close_now(r.qp);
	close_bound_region(&r);
	fake.status[VIRTIO_RDMA_CMD_DEREGISTER_MR] = VIRTIO_RDMA_S_OK;
	fake.hold[VIRTIO_RDMA_CMD_DEREGISTER_MR] = true;
	ck_assert_int_eq(vrc_obj_close(&r.pd->Header, on_close, &pd),
			 STATUS_PENDING);
	ck_assert_int_eq(vrc_obj_close(&r.mw->Header, on_close, &mw),
			 STATUS_PENDING);
	fake_run();
	ck_assert_int_eq(mw.calls, 1);
	ck_assert_int_eq(pd.calls, 0);
	ck_assert_int_eq(mr_closed_call.calls, 0);
	fake_release(VIRTIO_RDMA_CMD_DEREGISTER_MR, VIRTIO_RDMA_S_OK);
	fake_run();
	ck_assert_int_eq(mr_closed_call.calls, 1);
	ck_assert_int_eq(pd.calls, 1);
	close_now(r.cq);
	vrdma_close_adapter(r.a);
	fake_end();
}
END_TEST

START_TEST(lost_while_it_waits)
{
	struct rig r;

	rig_open(&r);
	close_bound_region(&r);
	fake_lose();
	ck_assert_int_eq(mr_closed_call.calls, 1);
	close_now(r.qp);
	close_now(r.mw);
	close_now(r.cq);
	close_now(r.pd);
	vrdma_close_adapter(r.a);
	fake_end();
}
END_TEST

START_TEST(memory_kept)
{
	bool kept = false;
	struct rig r;

	rig_open(&r);
	vrdma_mr_kept(r.mr, &kept);
	close_bound_region(&r);
	ck_assert(!kept);
	/* a device that says something else keeps the memory */
	fake.status[VIRTIO_RDMA_CMD_DEREGISTER_MR] =
		VIRTIO_RDMA_S_INTERNAL_ERROR;
	close_now(r.mw);
	r.mw = NULL;
	ck_assert_int_eq(mr_closed_call.calls, 1);
	ck_assert(kept);
	rig_close(&r);
}
END_TEST

START_TEST(memory_not_kept)
{
	bool kept = false;
	struct rig r;

	rig_open(&r);
	vrdma_mr_kept(r.mr, &kept);
	close_now(r.mr);
	r.mr = NULL;
	ck_assert(!kept);
	rig_close(&r);
}
END_TEST

START_TEST(deregister_is_refused)
{
	struct call c = { 0 };
	struct rig r;

	rig_open(&r);
	fake.status[VIRTIO_RDMA_CMD_DEREGISTER_MR] = VIRTIO_RDMA_S_BUSY;
	ck_assert_int_eq(r.mr->Dispatch->NdkDeregisterMr(r.mr, on_request, &c),
			 STATUS_PENDING);
	fake_run();
	ck_assert_int_eq(c.status, STATUS_DEVICE_BUSY);
	/* still registered */
	ck_assert_int_eq(bind(&r, NDK_OP_FLAG_ALLOW_REMOTE_READ),
			 STATUS_SUCCESS);
	fake.status[VIRTIO_RDMA_CMD_DEREGISTER_MR] = VIRTIO_RDMA_S_OK;
	ck_assert_int_eq(r.mr->Dispatch->NdkDeregisterMr(r.mr, on_request, &c),
			 STATUS_PENDING);
	fake_run();
	ck_assert_int_eq(c.status, STATUS_SUCCESS);
	rig_close(&r);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("core-mw");
	TCase *tc = tcase_create("windows");
	SRunner *sr;
	int failed;

	tcase_set_timeout(tc, 30);
	tcase_add_test(tc, not_offered);
	tcase_add_test(tc, offered);
	tcase_add_test(tc, creation);
	tcase_add_loop_test(tc, bind_entry, 0, 3);
	tcase_add_test(tc, keys);
	tcase_add_test(tc, refusals);
	tcase_add_test(tc, invalidations);
	tcase_add_test(tc, region_waits_for_its_window);
	tcase_add_test(tc, all_closed_at_once);
	tcase_add_test(tc, lost_while_it_waits);
	tcase_add_test(tc, memory_kept);
	tcase_add_test(tc, memory_not_kept);
	tcase_add_test(tc, deregister_is_refused);
	suite_add_tcase(s, tc);
	sr = srunner_create(s);
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
