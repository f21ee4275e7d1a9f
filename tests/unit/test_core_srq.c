/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test_core_srq.c - shared receive queues of the guest core: commands, posting,
 * notifications, changes of depth and threshold, loss
 */
#include "core_fake.h"

#define DEPTH	5u		/* asked for; the ring has 8 */

static const NDK_SGE sge[4] = {
	{ .VirtualAddress = (void *)0x1111, .Length = 10, .MemoryRegionToken = 21 },
	{ .LogicalAddress = { 0x2222 }, .Length = 20,
	  .MemoryRegionToken = VIRTIO_RDMA_TOKEN_PRIVILEGED },
};

struct notes {
	int calls;
	NTSTATUS status;
};

static struct rig {
	NDK_ADAPTER *a;
	NDK_PD *pd;
	NDK_CQ *cq;
	NDK_SRQ *srq;
	struct notes n;
} r;

static VOID on_srq(PVOID ctx, NTSTATUS status)
{
	struct notes *n = ctx;

	ck_assert_msg(!fake.locked, "callback with the lock held");
	n->calls++;
	n->status = status;
}

static NDK_SRQ *make_srq(uint32_t depth, uint32_t threshold)
{
	struct call c = { 0 };

	ck_assert_int_eq(r.pd->Dispatch->NdkCreateSrq(
				 r.pd, depth, 2, threshold, on_srq, &r.n, NULL,
				 on_create, &c, NULL),
			 STATUS_PENDING);
	fake_run();
	ck_assert_int_eq(c.status, STATUS_SUCCESS);
	ck_assert_int_eq(c.object->ObjectType, NdkObjectTypeSrq);
	return (NDK_SRQ *)(void *)c.object;
}

static NDK_QP *make_qp_with_srq(void)
{
	struct call c = { 0 };

	ck_assert_int_eq(r.pd->Dispatch->NdkCreateQpWithSrq(
				 r.pd, r.cq, r.cq, r.srq, (void *)0x78, 3, 2,
				 64, on_create, &c, NULL),
			 STATUS_PENDING);
	fake_run();
	ck_assert_int_eq(c.status, STATUS_SUCCESS);
	return (NDK_QP *)(void *)c.object;
}

static void setup(void)
{
	memset(&r, 0, sizeof(r));
	fake_start_with(VIRTIO_RDMA_FEATURE(SRQ));
	r.a = open_adapter(0);
	r.pd = make_pd(r.a);
	r.cq = make_cq(r.a, 16, NULL, NULL);
	r.srq = make_srq(DEPTH, 2);
}

static void teardown(void)
{
	if (r.srq)
		close_now(r.srq);
	close_now(r.cq);
	close_now(r.pd);
	vrdma_close_adapter(r.a);
	fake_end();
}

static struct vrdma_srq_layout layout(void)
{
	struct vrdma_srq_layout l;

	vrdma_srq_layout(r.srq, &l);
	return l;
}

static struct virtio_rdma_srq_record *record(void)
{
	return layout().buffer->va;
}

static struct virtio_rdma_recv_wqe *entry(const struct vrdma_srq_layout *l,
					  uint32_t n)
{
	return (void *)((uint8_t *)l->buffer->va + l->ring_offset +
			n % l->depth * l->stride);
}

static NTSTATUS post(uintptr_t id)
{
	return r.srq->Dispatch->NdkSrqReceive(r.srq, (void *)id, sge, 2);
}

static void take(uint32_t head)
{
	vrdma_publish32(&record()->head, head);
}

static NTSTATUS modify(uint32_t depth, uint32_t threshold, struct call *c)
{
	memset(c, 0, sizeof(*c));
	return r.srq->Dispatch->NdkModifySrq(r.srq, depth, threshold,
					     on_request, c);
}

static void event(uint16_t type, NDK_SRQ *srq)
{
	struct vrc_obj *obj = obj_of(srq);
	struct virtio_rdma_event ev = {
		.type = vr_to_le16(type), .handle = vr_to_le32(obj->handle),
		.cookie = vr_to_le64(obj->cookie),
	};

	fake_event(&ev);
}

/* --- creation ----------------------------------------------------------------- */

START_TEST(create)
{
	struct virtio_rdma_cmd_create_srq *cmd =
		(void *)fake.last[VIRTIO_RDMA_CMD_CREATE_SRQ];
	struct vrdma_srq_layout l = layout();
	NDK_ADAPTER_INFO info;
	ULONG size = sizeof(info);

	ck_assert_uint_eq(vr_from_le32(cmd->pd), obj_of(r.pd)->handle);
	ck_assert_uint_eq(vr_from_le32(cmd->context), obj_of(r.a)->handle);
	ck_assert_uint_eq(vr_from_le32(cmd->depth), 8);
	ck_assert_uint_eq(vr_from_le16(cmd->stride), 64);
	ck_assert_uint_eq(vr_from_le16(cmd->max_sge), 2);
	ck_assert_uint_eq(vr_from_le32(cmd->threshold), 2);
	ck_assert_uint_eq(vr_from_le32(cmd->ring_offset), l.ring_offset);
	ck_assert_uint_eq(vr_from_le32(cmd->slot), l.slot);
	ck_assert_uint_ge(l.ring_offset, sizeof(struct virtio_rdma_srq_record));
	ck_assert_uint_le(l.ring_offset + l.depth * l.stride,
			  l.buffer->count * 4096);
	ck_assert_uint_eq(l.depth, 8);
	ck_assert_uint_eq(l.handle, obj_of(r.srq)->handle);
	ck_assert_int_eq(r.a->Dispatch->NdkQueryAdapterInfo(r.a, &info, &size),
			 STATUS_SUCCESS);
	ck_assert_uint_eq(info.MaxSrqDepth, 256);	/* a power of two */
}
END_TEST

START_TEST(create_limits)
{
	static const struct {
		uint32_t depth, sge;
	} bad[] = { { 0, 1 }, { 257, 1 }, { 0xffffffff, 1 }, { 4, 5 } };
	const NDK_PD_DISPATCH *d = r.pd->Dispatch;
	struct call c = { 0 };
	NDK_EXTENSION_INTERFACE ext;
	NDK_VERSION v = { 1, 0 };
	GUID id = { 0 };

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		ck_assert_int_eq(d->NdkCreateSrq(r.pd, bad[i].depth,
						 bad[i].sge, 0, NULL, NULL,
						 NULL, on_create, &c, NULL),
				 STATUS_INVALID_PARAMETER);
	ck_assert_int_eq(d->NdkCreateSrq(r.pd, 4, 1, 0, NULL, NULL, NULL, NULL,
					 NULL, NULL), STATUS_INVALID_PARAMETER);
	fake.status[VIRTIO_RDMA_CMD_CREATE_SRQ] = VIRTIO_RDMA_S_NO_RESOURCES;
	ck_assert_int_eq(d->NdkCreateSrq(r.pd, 4, 1, 0, NULL, NULL, NULL,
					 on_create, &c, NULL), STATUS_PENDING);
	fake_run();
	ck_assert_int_eq(c.calls, 1);
	ck_assert_int_eq(c.status, STATUS_INSUFFICIENT_RESOURCES);
	ck_assert_int_eq(r.srq->Dispatch->NdkQueryExtension(&r.srq->Header, &id,
							    v, &ext),
			 STATUS_NOT_SUPPORTED);
	for (int i = 0; i < 2; i++) {	/* the structure, the ring */
		fake.fail_alloc_after = i;
		ck_assert_int_eq(d->NdkCreateSrq(r.pd, 4, 1, 0, NULL, NULL,
						 NULL, on_create, &c, NULL),
				 STATUS_INSUFFICIENT_RESOURCES);
	}
	fake.fail_alloc_after = -1;
}
END_TEST

/* A device without the feature, or a driver that does not take it */
START_TEST(not_offered)
{
	NDK_ADAPTER_INFO info;
	ULONG size = sizeof(info);
	struct call c = { 0 };

	if (_i == 0)
		fake_start_with(0);
	else
		fake_start_with(VIRTIO_RDMA_FEATURE(SRQ));
	if (_i == 1) {
		fake_lose();
		fake.cfg.max_srq = fake.cfg.max_srq_depth = 0;
		ck_assert_int_eq(vrdma_core_start(fake.core), 0);
	}
	r.a = open_adapter(0);
	r.pd = make_pd(r.a);
	r.cq = make_cq(r.a, 16, NULL, NULL);
	ck_assert_int_eq(r.pd->Dispatch->NdkCreateSrq(
				 r.pd, 4, 1, 0, on_srq, &r.n, NULL, on_create,
				 &c, NULL),
			 STATUS_NOT_SUPPORTED);
	ck_assert_int_eq(r.pd->Dispatch->NdkCreateQpWithSrq(
				 r.pd, r.cq, r.cq, NULL, NULL, 3, 2, 64,
				 on_create, &c, NULL),
			 STATUS_NOT_SUPPORTED);
	ck_assert_int_eq(r.a->Dispatch->NdkQueryAdapterInfo(r.a, &info, &size),
			 STATUS_SUCCESS);
	ck_assert_uint_eq(info.MaxSrqDepth, 0);
	ck_assert_int_eq(c.calls, 0);
	r.srq = NULL;
	teardown();
}
END_TEST

START_TEST(queue_pair)
{
	struct virtio_rdma_cmd_create_qp *cmd =
		(void *)fake.last[VIRTIO_RDMA_CMD_CREATE_QP];
	struct call c = { 0 };
	NDK_PD *other = make_pd(r.a);
	NDK_QP *qp = make_qp_with_srq();
	struct vrdma_qp_layout l;

	vrdma_qp_layout(qp, &l);
	ck_assert_uint_eq(vr_from_le32(cmd->srq), obj_of(r.srq)->handle);
	ck_assert_uint_eq(cmd->rq_depth | cmd->rq_offset, 0);
	ck_assert_uint_eq(cmd->rq_stride | cmd->max_recv_sge, 0);
	ck_assert_uint_eq(l.rq_depth, 0);
	ck_assert_uint_eq(vr_from_le32(cmd->buffer.page_count), 1);
	ck_assert_int_eq(qp->Dispatch->NdkReceive(qp, NULL, sge, 1),
			 STATUS_INVALID_DEVICE_REQUEST);
	ck_assert_int_eq(r.pd->Dispatch->NdkCreateQpWithSrq(
				 r.pd, r.cq, r.cq, NULL, NULL, 3, 2, 64,
				 on_create, &c, NULL),
			 STATUS_INVALID_PARAMETER);
	ck_assert_int_eq(other->Dispatch->NdkCreateQpWithSrq(
				 other, r.cq, r.cq, r.srq, NULL, 3, 2, 64,
				 on_create, &c, NULL),
			 STATUS_INVALID_PARAMETER);
	close_now(qp);
	close_now(other);
}
END_TEST

/* A queue is closed when the last queue pair of it is, and not before */
START_TEST(close_order)
{
	NDK_QP *one = make_qp_with_srq(), *two = make_qp_with_srq();
	struct call c = { 0 };

	ck_assert_int_eq(vrc_obj_close(&r.srq->Header, on_close, &c),
			 STATUS_PENDING);
	fake_run();
	close_now(one);
	ck_assert_int_eq(c.calls, 0);
	ck_assert_uint_eq(fake.seen[VIRTIO_RDMA_CMD_DESTROY_SRQ], 0);
	close_now(two);
	ck_assert_int_eq(c.calls, 1);
	ck_assert_uint_eq(fake.seen[VIRTIO_RDMA_CMD_DESTROY_SRQ], 1);
	r.srq = NULL;
}
END_TEST

/* --- posting ------------------------------------------------------------------ */

START_TEST(posting)
{
	const NDK_SRQ_DISPATCH *d = r.srq->Dispatch;
	struct virtio_rdma_context_page *page;
	struct vrdma_srq_layout l = layout();
	struct vrdma_context_info ctx;
	struct virtio_rdma_sge *s;

	vrdma_adapter_context(r.a, &ctx);
	page = ctx.page->va;
	ck_assert_int_eq(d->NdkSrqReceive(r.srq, NULL, sge, 3),
			 STATUS_INVALID_PARAMETER);
	ck_assert_int_eq(d->NdkSrqReceive(r.srq, NULL, NULL, 1),
			 STATUS_INVALID_PARAMETER);
	ck_assert_int_eq(d->NdkSrqReceive(r.srq, (void *)9, NULL, 0),
			 STATUS_SUCCESS);
	ck_assert_uint_eq(entry(&l, 0)->num_sge, 0);
	for (uint32_t i = 1; i < DEPTH; i++)
		ck_assert_int_eq(post(i), STATUS_SUCCESS);
	/* as many as asked for, though the ring has room */
	ck_assert_int_eq(post(99), STATUS_INSUFFICIENT_RESOURCES);
	ck_assert_uint_eq(vr_from_le32(record()->tail), DEPTH);
	ck_assert_uint_eq(vr_from_le64(page->work[l.slot / 64]),
			  1ull << l.slot % 64);
	s = (void *)(entry(&l, 3) + 1);
	ck_assert_uint_eq(vr_from_le64(entry(&l, 3)->wr_id), 3);
	ck_assert_uint_eq(entry(&l, 3)->num_sge, 2);
	ck_assert_uint_eq(vr_from_le64(s[0].addr), 0x1111);
	ck_assert_uint_eq(vr_from_le64(s[1].addr), 0x2222);
	ck_assert_uint_eq(vr_from_le32(s[1].token), VIRTIO_RDMA_TOKEN_PRIVILEGED);
	/* a place is free again when a queue pair took it */
	take(2);
	for (uint32_t i = 5; i < 7; i++)
		ck_assert_int_eq(post(i), STATUS_SUCCESS);
	ck_assert_int_eq(post(99), STATUS_INSUFFICIENT_RESOURCES);
	take(7);
	for (uint32_t i = 7; i < 12; i++)
		ck_assert_int_eq(post(i), STATUS_SUCCESS);
	ck_assert_uint_eq(vr_from_le64(entry(&l, 11)->wr_id), 11);
}
END_TEST

/* --- notifications ------------------------------------------------------------ */

START_TEST(notified)
{
	NDK_SRQ *other = make_srq(4, 0);

	event(VIRTIO_RDMA_EV_SRQ_LIMIT, r.srq);
	ck_assert_int_eq(r.n.calls, 1);
	ck_assert_int_eq(r.n.status, STATUS_SUCCESS);
	event(VIRTIO_RDMA_EV_SRQ_LIMIT, r.srq);
	ck_assert_int_eq(r.n.calls, 2);
	event(VIRTIO_RDMA_EV_SRQ_ERROR, r.srq);
	ck_assert_int_eq(r.n.calls, 3);
	ck_assert_int_eq(r.n.status, STATUS_INTERNAL_ERROR);
	/* that was its last word */
	event(VIRTIO_RDMA_EV_SRQ_LIMIT, r.srq);
	event(VIRTIO_RDMA_EV_SRQ_ERROR, r.srq);
	ck_assert_int_eq(r.n.calls, 3);
	event(VIRTIO_RDMA_EV_SRQ_LIMIT, other);
	ck_assert_int_eq(r.n.calls, 4);
	close_now(other);
}
END_TEST

/* An event that was on its way when the queue was closed, or fits nothing */
START_TEST(stray)
{
	struct virtio_rdma_event ev = {
		.type = vr_to_le16(VIRTIO_RDMA_EV_SRQ_LIMIT),
		.handle = vr_to_le32(obj_of(r.srq)->handle),
		.cookie = vr_to_le64(obj_of(r.srq)->cookie),
	};
	NDK_QP *qp = make_qp_with_srq();
	struct call c = { 0 };

	/* closing: no callback any more, though it is still there */
	ck_assert_int_eq(vrc_obj_close(&r.srq->Header, on_close, &c),
			 STATUS_PENDING);
	fake_event(&ev);
	ck_assert_int_eq(r.n.calls, 0);
	close_now(qp);
	ck_assert_int_eq(c.calls, 1);
	fake_event(&ev);
	r.srq = make_srq(DEPTH, 0);
	fake_event(&ev);	/* the place's, not this one's */
	ev.cookie = vr_to_le64(obj_of(r.srq)->cookie);
	ev.handle = vr_to_le32(obj_of(r.srq)->handle + 1);
	fake_event(&ev);
	ck_assert_int_eq(r.n.calls, 0);
}
END_TEST

/* --- changes ------------------------------------------------------------------ */

START_TEST(threshold)
{
	struct virtio_rdma_cmd_modify_srq *cmd =
		(void *)fake.last[VIRTIO_RDMA_CMD_MODIFY_SRQ];
	struct call c, d;

	ck_assert_int_eq(modify(0, 0, &c), STATUS_SUCCESS);
	ck_assert_uint_eq(fake.q[0].num_posted, 0);
	ck_assert_int_eq(modify(0, 7, &c), STATUS_PENDING);
	fake_run();
	ck_assert_int_eq(c.calls, 1);
	ck_assert_int_eq(c.status, STATUS_SUCCESS);
	ck_assert_uint_eq(vr_from_le32(cmd->threshold), 7);
	ck_assert_uint_eq(cmd->depth | cmd->ring_offset, 0);
	ck_assert_uint_eq(cmd->buffer.root | cmd->buffer.page_count, 0);
	/* any number at a time */
	ck_assert_int_eq(modify(0, 8, &c), STATUS_PENDING);
	ck_assert_int_eq(modify(0, 9, &d), STATUS_PENDING);
	fake_run();
	ck_assert_int_eq(c.calls + d.calls, 2);
	fake.status[VIRTIO_RDMA_CMD_MODIFY_SRQ] = VIRTIO_RDMA_S_INVALID_STATE;
	ck_assert_int_eq(modify(0, 9, &d), STATUS_PENDING);
	fake_run();
	ck_assert_int_eq(d.status, STATUS_INVALID_DEVICE_STATE);
	ck_assert_int_eq(r.srq->Dispatch->NdkModifySrq(r.srq, 0, 1, NULL, NULL),
			 STATUS_INVALID_PARAMETER);
	fake.fail_alloc_after = 0;
	ck_assert_int_eq(modify(0, 9, &d), STATUS_INSUFFICIENT_RESOURCES);
	fake.fail_alloc_after = -1;
}
END_TEST

/* Entries first..tail are where their counts say, by content */
static void check_entries(uint32_t first, uint32_t tail)
{
	struct vrdma_srq_layout l = layout();

	ck_assert_uint_eq(vr_from_le32(record()->tail), tail);
	for (; first != tail; first++) {
		ck_assert_uint_eq(vr_from_le64(entry(&l, first)->wr_id), first);
		ck_assert_uint_eq(entry(&l, first)->num_sge, 2);
	}
}

/* To a larger ring with entries queued, posted to while the command is in work,
 * and back to a smaller one */
START_TEST(depth)
{
	struct virtio_rdma_cmd_modify_srq *cmd =
		(void *)fake.last[VIRTIO_RDMA_CMD_MODIFY_SRQ];
	uint32_t posted = 0;
	struct call c, d;

	while (posted < 11) {
		ck_assert_int_eq(post(posted++), STATUS_SUCCESS);
		take(posted > 4 ? posted - 4 : 0);
	}
	fake.hold[VIRTIO_RDMA_CMD_MODIFY_SRQ] = true;
	ck_assert_int_eq(modify(20, 3, &c), STATUS_PENDING);
	ck_assert_uint_eq(layout().depth, 32);
	check_entries(7, 11);
	ck_assert_uint_eq(vr_from_le32(record()->head), 7);
	ck_assert_int_eq(modify(40, 0, &d), STATUS_DEVICE_BUSY);
	/* no more than both could take */
	ck_assert_int_eq(post(posted++), STATUS_SUCCESS);
	ck_assert_int_eq(post(posted), STATUS_INSUFFICIENT_RESOURCES);
	fake_run();
	ck_assert_int_eq(c.calls, 0);
	fake.hold[VIRTIO_RDMA_CMD_MODIFY_SRQ] = false;
	fake_run();
	ck_assert_int_eq(c.calls, 1);
	ck_assert_int_eq(c.status, STATUS_SUCCESS);
	ck_assert_uint_eq(vr_from_le32(cmd->depth), 32);
	ck_assert_uint_eq(vr_from_le32(cmd->threshold), 3);
	ck_assert_uint_eq(vr_from_le32(cmd->ring_offset), layout().ring_offset);
	ck_assert_uint_eq(vr_from_le32(cmd->buffer.page_count),
			  layout().buffer->count);
	while (posted - 7 < 20)
		ck_assert_int_eq(post(posted++), STATUS_SUCCESS);
	ck_assert_int_eq(post(posted), STATUS_INSUFFICIENT_RESOURCES);
	check_entries(7, posted);
	/* smaller than what is queued */
	ck_assert_int_eq(modify(19, 0, &c), STATUS_BUFFER_OVERFLOW);
	ck_assert_int_eq(modify(257, 0, &c), STATUS_INVALID_PARAMETER);
	/* only the limit: the ring is the same, the device has no part in it */
	ck_assert_int_eq(modify(25, 0, &c), STATUS_SUCCESS);
	ck_assert_int_eq(post(posted++), STATUS_SUCCESS);
	take(posted - 1);
	fake.hold[VIRTIO_RDMA_CMD_MODIFY_SRQ] = true;
	ck_assert_int_eq(modify(2, 0, &c), STATUS_PENDING);
	ck_assert_int_eq(post(posted++), STATUS_SUCCESS);
	ck_assert_int_eq(post(posted), STATUS_INSUFFICIENT_RESOURCES);
	fake.hold[VIRTIO_RDMA_CMD_MODIFY_SRQ] = false;
	fake_run();
	ck_assert_int_eq(c.status, STATUS_SUCCESS);
	ck_assert_uint_eq(layout().depth, 2);
	check_entries(posted - 2, posted);
	ck_assert_int_eq(post(posted), STATUS_INSUFFICIENT_RESOURCES);
}
END_TEST

/* The device refuses: the old ring goes on, with what was posted meanwhile */
START_TEST(depth_refused)
{
	struct vrdma_dma before = *layout().buffer;
	struct call c;

	for (uint32_t i = 0; i < 3; i++)
		ck_assert_int_eq(post(i), STATUS_SUCCESS);
	fake.hold[VIRTIO_RDMA_CMD_MODIFY_SRQ] = true;
	ck_assert_int_eq(modify(100, 0, &c), STATUS_PENDING);
	ck_assert_ptr_ne(layout().buffer->va, before.va);
	ck_assert_int_eq(post(3), STATUS_SUCCESS);
	/* the device takes from the old one all the while */
	vrdma_publish32(&((struct virtio_rdma_srq_record *)before.va)->head, 1);
	fake_release(VIRTIO_RDMA_CMD_MODIFY_SRQ, VIRTIO_RDMA_S_NO_RESOURCES);
	ck_assert_int_eq(c.status, STATUS_INSUFFICIENT_RESOURCES);
	ck_assert_ptr_eq(layout().buffer->va, before.va);
	ck_assert_uint_eq(vr_from_le32(record()->head), 1);
	check_entries(1, 4);
	ck_assert_int_eq(post(4), STATUS_SUCCESS);
	ck_assert_int_eq(post(5), STATUS_SUCCESS);
	ck_assert_int_eq(post(6), STATUS_INSUFFICIENT_RESOURCES);
	check_entries(1, 6);
	/* no memory for a ring, or for its page list */
	for (int i = 1; i < 3; i++) {
		fake.fail_alloc_after = i;
		ck_assert_int_eq(modify(200, 0, &c),
				 STATUS_INSUFFICIENT_RESOURCES);
	}
	fake.fail_alloc_after = -1;
	check_entries(1, 6);
	fake.hold[VIRTIO_RDMA_CMD_MODIFY_SRQ] = false;
	ck_assert_int_eq(modify(200, 0, &c), STATUS_PENDING);
	fake_run();
	ck_assert_int_eq(c.status, STATUS_SUCCESS);
	check_entries(1, 6);
}
END_TEST

/* Closed with the command in work: the close waits for it */
START_TEST(depth_closed)
{
	struct call c, d = { 0 };

	fake.hold[VIRTIO_RDMA_CMD_MODIFY_SRQ] = true;
	ck_assert_int_eq(modify(100, 0, &c), STATUS_PENDING);
	ck_assert_int_eq(vrc_obj_close(&r.srq->Header, on_close, &d),
			 STATUS_PENDING);
	fake_run();
	ck_assert_int_eq(d.calls, 0);
	fake_release(VIRTIO_RDMA_CMD_MODIFY_SRQ, VIRTIO_RDMA_S_OK);
	fake_run();
	ck_assert_int_eq(c.calls, 1);
	ck_assert_int_eq(d.calls, 1);
	r.srq = NULL;
}
END_TEST

/* --- a process's -------------------------------------------------------------- */

static void make_user_srq(void)
{
	struct vrdma_srq_params p = {
		.depth = 6, .max_sge = 1, .flags = VRDMA_SRQ_USER,
		.notify = on_srq, .notify_context = &r.n,
	};
	struct call c = { 0 };

	close_now(r.srq);
	ck_assert_int_eq(vrdma_create_srq_ex(r.pd, &p, on_create, &c, NULL),
			 STATUS_PENDING);
	fake_run();
	r.srq = (NDK_SRQ *)(void *)c.object;
}

/* The process posts by itself; the core only moves what is there */
START_TEST(user)
{
	struct vrdma_srq_layout l;
	struct vrdma_wq q;
	struct call c;

	make_user_srq();
	ck_assert_int_eq(post(1), STATUS_INVALID_DEVICE_REQUEST);
	l = layout();
	vrdma_srq_init(&q, l.buffer->va, l.ring_offset, l.depth, l.stride, 6);
	for (uint32_t i = 0; i < 5; i++) {
		struct virtio_rdma_recv_wqe *w = vrdma_wq_next(&q);

		w->wr_id = vr_to_le64(i);
		w->num_sge = 2;
		vrdma_wq_post(&q);
	}
	take(2);
	ck_assert_int_eq(modify(2, 0, &c), STATUS_BUFFER_OVERFLOW);
	ck_assert_int_eq(modify(50, 0, &c), STATUS_PENDING);
	fake_run();
	ck_assert_int_eq(c.status, STATUS_SUCCESS);
	ck_assert_uint_eq(layout().depth, 64);
	check_entries(2, 5);
}
END_TEST

/* What it may have written into its record costs no more than itself */
START_TEST(user_nonsense)
{
	static const struct {
		uint32_t head, tail;
	} rows[] = {
		{ 0, 9 }, { 0, 0x80000000 }, { 1, 0 }, { 0xffffffff, 0xfffffff0 },
	};
	struct call c;

	make_user_srq();
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		record()->head = vr_to_le32(rows[i].head);
		record()->tail = vr_to_le32(rows[i].tail);
		ck_assert_int_eq(modify(50, 0, &c), STATUS_INVALID_PARAMETER);
	}
	/* and while the command is in work */
	record()->head = record()->tail = 0;
	fake.hold[VIRTIO_RDMA_CMD_MODIFY_SRQ] = true;
	ck_assert_int_eq(modify(50, 0, &c), STATUS_PENDING);
	record()->tail = vr_to_le32(0x7fffffff);
	fake_release(VIRTIO_RDMA_CMD_MODIFY_SRQ, VIRTIO_RDMA_S_NO_RESOURCES);
	ck_assert_int_eq(c.status, STATUS_INSUFFICIENT_RESOURCES);
	ck_assert_uint_eq(vr_from_le32(record()->tail), 0);
}
END_TEST

/* --- loss --------------------------------------------------------------------- */

/* Once, with or without a callback armed: INTERNAL_ERROR.  Receives have no
 * completion, their memory comes back with the close. */
START_TEST(lost)
{
	NDK_QP *qp = make_qp_with_srq();
	NDK_RESULT res;
	struct call c;

	ck_assert_int_eq(post(1), STATUS_SUCCESS);
	ck_assert_int_eq(post(2), STATUS_SUCCESS);
	take(1);
	fake_lose();
	ck_assert_int_eq(r.n.calls, 1);
	ck_assert_int_eq(r.n.status, STATUS_INTERNAL_ERROR);
	ck_assert_uint_eq(r.cq->Dispatch->NdkGetCqResults(r.cq, &res, 1), 0);
	ck_assert_int_eq(post(3), STATUS_DEVICE_REMOVED);
	ck_assert_int_eq(modify(0, 1, &c), STATUS_DEVICE_REMOVED);
	ck_assert_int_eq(modify(50, 0, &c), STATUS_DEVICE_REMOVED);
	/* its own queue has what it always had */
	qp->Dispatch->NdkFlush(qp);
	ck_assert_uint_eq(r.cq->Dispatch->NdkGetCqResults(r.cq, &res, 1), 0);
	close_now(qp);
	fake_lose();
	ck_assert_int_eq(r.n.calls, 1);
}
END_TEST

START_TEST(lost_after_error)
{
	event(VIRTIO_RDMA_EV_SRQ_ERROR, r.srq);
	fake_lose();
	ck_assert_int_eq(r.n.calls, 1);
}
END_TEST

/* With commands in work */
START_TEST(lost_in_work)
{
	struct call made = { 0 }, c, d;

	fake.hold[VIRTIO_RDMA_CMD_MODIFY_SRQ] = true;
	fake.hold[VIRTIO_RDMA_CMD_CREATE_SRQ] = true;
	ck_assert_int_eq(post(0), STATUS_SUCCESS);
	ck_assert_int_eq(modify(100, 0, &c), STATUS_PENDING);
	ck_assert_int_eq(modify(0, 2, &d), STATUS_PENDING);
	ck_assert_int_eq(r.pd->Dispatch->NdkCreateSrq(
				 r.pd, 4, 1, 0, on_srq, &r.n, NULL, on_create,
				 &made, NULL), STATUS_PENDING);
	fake_lose();
	ck_assert_int_eq(c.calls, 1);
	ck_assert_int_eq(c.status, STATUS_DEVICE_REMOVED);
	ck_assert_int_eq(d.status, STATUS_DEVICE_REMOVED);
	ck_assert_int_eq(made.status, STATUS_DEVICE_REMOVED);
	ck_assert_int_eq(r.n.calls, 1);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("core shared receive queues");
	TCase *t = tcase_create("all"), *plain = tcase_create("not offered");
	SRunner *sr;
	int failed;

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, create);
	tcase_add_test(t, create_limits);
	tcase_add_test(t, queue_pair);
	tcase_add_test(t, close_order);
	tcase_add_test(t, posting);
	tcase_add_test(t, notified);
	tcase_add_test(t, stray);
	tcase_add_test(t, threshold);
	tcase_add_test(t, depth);
	tcase_add_test(t, depth_refused);
	tcase_add_test(t, depth_closed);
	tcase_add_test(t, user);
	tcase_add_test(t, user_nonsense);
	tcase_add_test(t, lost);
	tcase_add_test(t, lost_after_error);
	tcase_add_test(t, lost_in_work);
	tcase_add_loop_test(plain, not_offered, 0, 2);
	suite_add_tcase(s, t);
	suite_add_tcase(s, plain);
	sr = srunner_create(s);
	srunner_run_all(sr, CK_NORMAL);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
