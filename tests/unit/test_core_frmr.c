/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test_core_frmr.c - fast-register regions: creation, entries as posted, the page
 * lists that they name, tokens
 */
#include "core_fake.h"

struct rig {
	NDK_ADAPTER *a;
	NDK_PD *pd;
	NDK_CQ *cq;
	NDK_QP *qp;
	NDK_MR *mr;
	struct vrdma_qp_layout l;
	struct virtio_rdma_qp_record *rec;
};

static NDK_MR *make_mr(struct rig *r)
{
	NDK_MR *mr = NULL;
	struct call c = { 0 };

	ck_assert_int_eq(r->pd->Dispatch->NdkCreateMr(r->pd, TRUE, on_create,
						      &c, &mr),
			 STATUS_SUCCESS);
	return mr;
}

static NTSTATUS initialize(NDK_MR *mr, ULONG pages, BOOLEAN remote)
{
	struct call c = { 0 };
	NTSTATUS st = mr->Dispatch->NdkInitializeFastRegisterMr(
		mr, pages, remote, on_request, &c);

	fake_run();
	ck_assert_int_eq(c.calls, st == STATUS_PENDING);
	return c.calls ? c.status : st;
}

static void connect_qp(struct rig *r)
{
	vrdma_qp_layout(r->qp, &r->l);
	r->rec = r->l.buffer->va;
	r->rec->state = vr_to_le32(VIRTIO_RDMA_QP_CONNECTED);
}

static void rig_open_with(struct rig *r, uint32_t features)
{
	fake_start_with(features);
	r->a = open_adapter(0);
	r->pd = make_pd(r->a);
	r->cq = make_cq(r->a, 64, NULL, NULL);
	r->qp = make_qp(r->pd, r->cq, 16);
	r->mr = make_mr(r);
	ck_assert_int_eq(initialize(r->mr, 4, TRUE), STATUS_SUCCESS);
	connect_qp(r);
}

static void rig_open(struct rig *r)
{
	rig_open_with(r, VIRTIO_RDMA_FEATURES);
}

static void rig_close(struct rig *r)
{
	if (r->mr)
		close_now(r->mr);
	if (r->qp)
		close_now(r->qp);
	close_now(r->cq);
	close_now(r->pd);
	vrdma_close_adapter(r->a);
	fake_end();
}

static const NDK_LOGICAL_ADDRESS pages[4] = {
	{ 0x5000 }, { 0x9000 }, { 0x6000 }, { 0x123456789000 },
};

#define VA 0x70000100

static NTSTATUS post(struct rig *r, ULONG flags)
{
	return r->qp->Dispatch->NdkFastRegister(r->qp, (void *)0x11, r->mr, 4,
						pages, 0x100, 0x3e00,
						(void *)VA, flags);
}

static struct virtio_rdma_send_wqe *entry(struct rig *r, uint32_t n)
{
	return (void *)((uint8_t *)r->l.buffer->va + r->l.sq_offset +
			n % r->l.sq_depth * r->l.sq_stride);
}

static const vr_le64 *table_of(struct rig *r, uint32_t n)
{
	const struct virtio_rdma_fast_register *f = (void *)(entry(r, n) + 1);

	return (const vr_le64 *)(uintptr_t)vr_from_le64(f->table);
}

/* The device has executed so many */
static void executed(struct rig *r, uint32_t n)
{
	r->rec->sq_head = vr_to_le32(n);
}

static UINT32 remote_of(NDK_MR *mr)
{
	return mr->Dispatch->NdkGetRemoteTokenFromMr(mr);
}

/* --- creation ---------------------------------------------------------------- */

START_TEST(created)
{
	struct virtio_rdma_cmd_create_frmr *cmd =
		(void *)fake.last[VIRTIO_RDMA_CMD_CREATE_FRMR];
	NDK_ADAPTER_INFO info;
	ULONG size = sizeof(info);
	struct rig r;

	rig_open(&r);
	ck_assert_int_eq(r.a->Dispatch->NdkQueryAdapterInfo(r.a, &info, &size),
			 STATUS_SUCCESS);
	ck_assert_uint_eq(info.FRMRPageCount, 8);
	ck_assert_uint_eq(vr_from_le32(cmd->pd), obj_of(r.pd)->handle);
	ck_assert_uint_eq(vr_from_le32(cmd->max_pages), 4);
	ck_assert_uint_eq(vr_from_le32(cmd->flags), VIRTIO_RDMA_FRMR_REMOTE);
	ck_assert_uint_eq(r.mr->Dispatch->NdkGetLocalTokenFromMr(r.mr),
			  obj_of(r.mr)->handle);
	rig_close(&r);
	ck_assert_uint_eq(fake.seen[VIRTIO_RDMA_CMD_DEREGISTER_MR], 1);
}
END_TEST

/* Each failure leaves it as it was, and then it can be made all the same */
START_TEST(creation_fails)
{
	struct call c = { 0 };
	struct rig r;
	NDK_MR *mr;

	rig_open(&r);
	mr = make_mr(&r);
	ck_assert_int_eq(initialize(mr, 0, FALSE), STATUS_INVALID_PARAMETER);
	ck_assert_int_eq(initialize(mr, 9, FALSE), STATUS_IMPLEMENTATION_LIMIT);
	ck_assert_int_eq(mr->Dispatch->NdkInitializeFastRegisterMr(
				 mr, 1, FALSE, NULL, NULL),
			 STATUS_INVALID_PARAMETER);
	fake.fail_alloc_after = 0;
	ck_assert_int_eq(initialize(mr, 1, FALSE),
			 STATUS_INSUFFICIENT_RESOURCES);
	fake.status[VIRTIO_RDMA_CMD_CREATE_FRMR] = VIRTIO_RDMA_S_NO_RESOURCES;
	ck_assert_int_eq(initialize(mr, 1, FALSE),
			 STATUS_INSUFFICIENT_RESOURCES);
	fake.status[VIRTIO_RDMA_CMD_CREATE_FRMR] = VIRTIO_RDMA_S_OK;
	ck_assert_int_eq(initialize(mr, 1, FALSE), STATUS_SUCCESS);
	ck_assert_int_eq(initialize(mr, 1, FALSE), STATUS_INVALID_DEVICE_STATE);
	ck_assert_uint_eq(remote_of(mr), 0);
	close_now(mr);
	/* closed while the command is under way */
	mr = make_mr(&r);
	ck_assert_int_eq(mr->Dispatch->NdkInitializeFastRegisterMr(
				 mr, 1, FALSE, on_request, &c), STATUS_PENDING);
	close_now(mr);
	ck_assert_int_eq(c.calls, 1);
	ck_assert_uint_eq(fake.seen[VIRTIO_RDMA_CMD_DEREGISTER_MR], 2);
	/* and one that never was: the device hears nothing */
	close_now(make_mr(&r));
	ck_assert_uint_eq(fake.seen[VIRTIO_RDMA_CMD_DEREGISTER_MR], 2);
	rig_close(&r);
}
END_TEST

/* Two kinds of regions, and neither does what the other does; nor has a process
 * the right */
START_TEST(kinds)
{
	static const uint64_t page = 0x1000;
	MDL mdl = { .va = 0x5000, .length = 0x1000, .pages = &page };
	NDK_ADAPTER *user;
	NDK_MR *plain = NULL;
	struct call c = { 0 };
	struct rig r;
	NDK_PD *pd;

	rig_open(&r);
	ck_assert_int_eq(r.mr->Dispatch->NdkRegisterMr(r.mr, &mdl, 0x1000, 1,
						       on_request, &c),
			 STATUS_INVALID_DEVICE_REQUEST);
	ck_assert_int_eq(r.mr->Dispatch->NdkDeregisterMr(r.mr, on_request, &c),
			 STATUS_INVALID_DEVICE_REQUEST);
	r.pd->Dispatch->NdkCreateMr(r.pd, FALSE, on_create, &c, &plain);
	ck_assert_int_eq(initialize(plain, 1, TRUE),
			 STATUS_INVALID_DEVICE_REQUEST);
	ck_assert_int_eq(plain->Dispatch->NdkRegisterMr(plain, &mdl, 0x1000, 1,
							on_request, &c),
			 STATUS_PENDING);
	fake_run();
	ck_assert_int_eq(r.qp->Dispatch->NdkFastRegister(
				 r.qp, NULL, plain, 1, pages, 0, 8,
				 (void *)0x1000, 0), STATUS_INVALID_PARAMETER);
	ck_assert_int_eq(r.qp->Dispatch->NdkInvalidate(
				 r.qp, NULL, &plain->Header, 0),
			 STATUS_INVALID_PARAMETER);
	ck_assert_int_eq(r.qp->Dispatch->NdkInvalidate(r.qp, NULL, NULL, 0),
			 STATUS_INVALID_PARAMETER);
	close_now(plain);
	user = open_adapter(VRDMA_ADAPTER_USER);
	pd = make_pd(user);
	ck_assert_int_eq(pd->Dispatch->NdkCreateMr(pd, TRUE, on_create, &c,
						   &plain),
			 STATUS_NOT_SUPPORTED);
	close_now(pd);
	vrdma_close_adapter(user);
	rig_close(&r);
}
END_TEST

/* --- requests -------------------------------------------------------------------- */

START_TEST(entries)
{
	static const struct {
		ULONG flags;
		uint32_t access;
		uint16_t wire;
	} t[] = {
		{ 0, 0, 0 },
		{ NDK_OP_FLAG_ALLOW_LOCAL_WRITE, 1, 0 },
		{ NDK_OP_FLAG_ALLOW_REMOTE_READ, 2, 0 },
		{ NDK_OP_FLAG_ALLOW_REMOTE_WRITE, 5, 0 },
		{ NDK_OP_FLAG_ALLOW_REMOTE_READ |
		  NDK_OP_FLAG_ALLOW_REMOTE_WRITE | NDK_OP_FLAG_RDMA_READ_SINK,
		  7, 0 },
		{ NDK_OP_FLAG_SILENT_SUCCESS | NDK_OP_FLAG_READ_FENCE, 0,
		  VIRTIO_RDMA_WR_SILENT | VIRTIO_RDMA_WR_READ_FENCE },
	};
	struct virtio_rdma_fast_register *f;
	struct virtio_rdma_send_wqe *w;
	struct rig r;
	UINT32 before;

	rig_open(&r);
	before = remote_of(r.mr);
	ck_assert_int_eq(post(&r, t[_i].flags), STATUS_SUCCESS);
	w = entry(&r, 0);
	f = (void *)(w + 1);
	ck_assert_uint_eq(w->opcode, VIRTIO_RDMA_OP_FAST_REGISTER);
	ck_assert_uint_eq(w->num_sge, 0);
	ck_assert_uint_eq(vr_from_le64(w->wr_id), 0x11);
	ck_assert_uint_eq(vr_from_le16(w->flags), t[_i].wire);
	ck_assert_uint_eq(vr_from_le64(w->remote_addr), 0);
	ck_assert_uint_eq(vr_from_le32(w->inline_length), 0);
	ck_assert_uint_eq(vr_from_le64(f->addr), VA);
	ck_assert_uint_eq(vr_from_le64(f->length), 0x3e00);
	ck_assert_uint_eq(vr_from_le32(f->mr), obj_of(r.mr)->handle);
	ck_assert_uint_eq(vr_from_le32(f->access), t[_i].access);
	for (int i = 0; i < 4; i++)
		ck_assert_uint_eq(vr_from_le64(table_of(&r, 0)[i]),
				  (uint64_t)pages[i].QuadPart);
	/* another key, of the same 256, and known at once */
	ck_assert_uint_eq(remote_of(r.mr), vr_from_le32(w->remote_token));
	ck_assert_uint_ne(remote_of(r.mr), before);
	ck_assert_uint_eq(remote_of(r.mr) >> 8, before >> 8);
	ck_assert_int_eq(r.qp->Dispatch->NdkInvalidate(r.qp, NULL,
						       &r.mr->Header, 0),
			 STATUS_SUCCESS);
	w = entry(&r, 1);
	ck_assert_uint_eq(w->opcode, VIRTIO_RDMA_OP_INVALIDATE);
	ck_assert_uint_eq(vr_from_le32(w->remote_token), remote_of(r.mr));
	rig_close(&r);
}
END_TEST

/* The flag goes to the device that knows it and is ignored before another; what
 * the adapter says of it is the same.  _i: offered */
START_TEST(read_that_takes)
{
	NDK_SGE sge = { .Length = 8, .MemoryRegionToken = 5 };
	NDK_ADAPTER_INFO info;
	ULONG size = sizeof(info);
	struct rig r;

	rig_open_with(&r, _i ? VIRTIO_RDMA_FEATURES :
			       VIRTIO_RDMA_FEATURES &
				       ~VIRTIO_RDMA_FEATURE(READ_INVALIDATE));
	ck_assert_int_eq(r.a->Dispatch->NdkQueryAdapterInfo(r.a, &info, &size),
			 STATUS_SUCCESS);
	ck_assert_uint_eq(info.AdapterFlags, _i ? 0x12 : 0x2);
	ck_assert_int_eq(r.qp->Dispatch->NdkRead(
				 r.qp, NULL, &sge, 1, 0x1000, 7,
				 NDK_OP_FLAG_RDMA_READ_LOCAL_INVALIDATE |
					 NDK_OP_FLAG_READ_FENCE),
			 STATUS_SUCCESS);
	ck_assert_uint_eq(vr_from_le16(entry(&r, 0)->flags),
			  VIRTIO_RDMA_WR_READ_FENCE |
				  (_i ? VIRTIO_RDMA_WR_LOCAL_INVALIDATE : 0));
	/* without an element there is nothing to take */
	ck_assert_int_eq(r.qp->Dispatch->NdkRead(
				 r.qp, NULL, NULL, 0, 0x1000, 7,
				 NDK_OP_FLAG_RDMA_READ_LOCAL_INVALIDATE),
			 _i ? STATUS_INVALID_PARAMETER : STATUS_SUCCESS);
	/* of no other request */
	ck_assert_int_eq(r.qp->Dispatch->NdkWrite(
				 r.qp, NULL, &sge, 1, 0x1000, 7,
				 NDK_OP_FLAG_RDMA_READ_LOCAL_INVALIDATE),
			 STATUS_INVALID_PARAMETER);
	rig_close(&r);
}
END_TEST

/* A list stays as it is until the device has passed the request that names it */
START_TEST(lists_in_turn)
{
	uint32_t posted = 0, lists[VRC_FRMR_TABLES];
	struct rig r;

	rig_open(&r);
	for (; posted < VRC_FRMR_TABLES; posted++) {
		ck_assert_int_eq(post(&r, 0), STATUS_SUCCESS);
		lists[posted] = (uint32_t)(uintptr_t)table_of(&r, posted);
		for (uint32_t i = 0; i < posted; i++)
			ck_assert_uint_ne(lists[i], lists[posted]);
	}
	ck_assert_int_eq(post(&r, 0), STATUS_INSUFFICIENT_RESOURCES);
	ck_assert_uint_eq(vr_from_le32(r.rec->sq_tail), posted);
	executed(&r, 2);	/* the first two */
	ck_assert_int_eq(post(&r, 0), STATUS_SUCCESS);
	ck_assert_int_eq(post(&r, 0), STATUS_SUCCESS);
	ck_assert_int_eq(post(&r, 0), STATUS_INSUFFICIENT_RESOURCES);
	ck_assert_uint_eq((uint32_t)(uintptr_t)table_of(&r, posted), lists[0]);
	/* the queue pair goes: so do its requests */
	close_now(r.qp);
	r.qp = make_qp(r.pd, r.cq, 16);
	connect_qp(&r);
	for (posted = 0; posted < VRC_FRMR_TABLES; posted++)
		ck_assert_int_eq(post(&r, 0), STATUS_SUCCESS);
	ck_assert_int_eq(post(&r, 0), STATUS_INSUFFICIENT_RESOURCES);
	rig_close(&r);
}
END_TEST

/* What is refused leaves token and list alone */
START_TEST(refused)
{
	struct rig r;
	UINT32 token;

	rig_open(&r);
	token = remote_of(r.mr);
	r.rec->state = vr_to_le32(VIRTIO_RDMA_QP_INIT);
	for (int i = 0; i < 2 * VRC_FRMR_TABLES; i++)
		ck_assert_int_eq(post(&r, 0), STATUS_CONNECTION_INVALID);
	r.rec->state = vr_to_le32(VIRTIO_RDMA_QP_CONNECTED);
	ck_assert_int_eq(post(&r, NDK_OP_FLAG_INLINE), STATUS_INVALID_PARAMETER);
	ck_assert_int_eq(post(&r, 0x20), STATUS_INVALID_PARAMETER);
	ck_assert_uint_eq(remote_of(r.mr), token);
	for (int i = 0; i < VRC_FRMR_TABLES; i++)
		ck_assert_int_eq(post(&r, 0), STATUS_SUCCESS);
	rig_close(&r);
}
END_TEST

/* The device goes: what is posted ends cancelled, the region closes */
START_TEST(lost)
{
	NDK_RESULT_EX e[4];
	struct call c = { 0 };
	struct rig r;
	NDK_MR *mr;

	rig_open(&r);
	mr = make_mr(&r);
	fake.hold[VIRTIO_RDMA_CMD_CREATE_FRMR] = true;
	ck_assert_int_eq(mr->Dispatch->NdkInitializeFastRegisterMr(
				 mr, 1, FALSE, on_request, &c), STATUS_PENDING);
	ck_assert_int_eq(post(&r, 0), STATUS_SUCCESS);
	ck_assert_int_eq(r.qp->Dispatch->NdkInvalidate(
				 r.qp, (void *)0x22, &r.mr->Header, 0),
			 STATUS_SUCCESS);
	fake_lose();
	ck_assert_int_eq(c.calls, 1);
	ck_assert_int_eq(c.status, STATUS_DEVICE_REMOVED);
	ck_assert_uint_eq(r.cq->Dispatch->NdkGetCqResultsEx(r.cq, e, 4), 2);
	ck_assert_int_eq(e[0].Status, STATUS_CANCELLED);
	ck_assert_int_eq(e[0].Type, NdkOperationTypeFastRegister);
	ck_assert_ptr_eq(e[0].RequestContext, (void *)0x11);
	ck_assert_int_eq(e[1].Type, NdkOperationTypeInvalidate);
	ck_assert_int_eq(initialize(mr, 1, FALSE), STATUS_DEVICE_REMOVED);
	close_now(mr);
	rig_close(&r);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("core-frmr");
	TCase *tc = tcase_create("fast registration");
	SRunner *sr;
	int failed;

	tcase_set_timeout(tc, 30);
	tcase_add_test(tc, created);
	tcase_add_test(tc, creation_fails);
	tcase_add_test(tc, kinds);
	tcase_add_loop_test(tc, entries, 0, 6);
	tcase_add_loop_test(tc, read_that_takes, 0, 2);
	tcase_add_test(tc, lists_in_turn);
	tcase_add_test(tc, refused);
	tcase_add_test(tc, lost);
	suite_add_tcase(s, tc);
	sr = srunner_create(s);
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
