/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test_core_post.c - ring entries as posted, statuses of posting, completions
 * as polled
 */
#include "core_fake.h"

struct rig {
	NDK_ADAPTER *a;
	NDK_PD *pd;
	NDK_CQ *cq;
	NDK_QP *qp;
	struct vrdma_qp_layout l;
	struct vrdma_cq_layout cl;
	struct virtio_rdma_qp_record *rec;
	struct vrdma_context_info ctx;
};

static void rig_open(struct rig *r)
{
	fake_start();
	r->a = open_adapter(0);
	r->pd = make_pd(r->a);
	r->cq = make_cq(r->a, 5, NULL, NULL);
	r->qp = make_qp(r->pd, r->cq, 3);
	vrdma_qp_layout(r->qp, &r->l);
	vrdma_cq_layout(r->cq, &r->cl);
	vrdma_adapter_context(r->a, &r->ctx);
	r->rec = r->l.buffer->va;
	r->rec->state = vr_to_le32(VIRTIO_RDMA_QP_CONNECTED);
}

static void rig_close(struct rig *r)
{
	close_now(r->qp);
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

static const NDK_SGE sge[5] = {
	{ .VirtualAddress = (void *)0x1111, .Length = 10, .MemoryRegionToken = 21 },
	{ .LogicalAddress = { 0x2222 }, .Length = 20,
	  .MemoryRegionToken = VIRTIO_RDMA_TOKEN_PRIVILEGED },
};

START_TEST(layout)
{
	struct virtio_rdma_cmd_create_qp *cmd =
		(void *)fake.last[VIRTIO_RDMA_CMD_CREATE_QP];
	struct rig r;

	rig_open(&r);
	/* rounded up for the device, not for the consumer */
	ck_assert_uint_eq(r.l.sq_depth, 4);
	ck_assert_uint_eq(r.l.sq_limit, 3);
	ck_assert_uint_eq(r.cl.depth, 8);
	/* 32 + max(4 * 16, 64) */
	ck_assert_uint_eq(r.l.sq_stride, 128);
	ck_assert_uint_eq(r.l.rq_stride, 64);
	ck_assert_uint_eq(r.l.sq_offset % r.l.sq_stride, 0);
	ck_assert_uint_ge(r.l.sq_offset, sizeof(*r.rec));
	ck_assert_uint_ge(r.l.rq_offset,
			  r.l.sq_offset + r.l.sq_depth * r.l.sq_stride);
	ck_assert_uint_le(r.l.rq_offset + r.l.rq_depth * r.l.rq_stride,
			  r.l.buffer->count * 4096);
	ck_assert_uint_eq(vr_from_le32(cmd->sq_depth), 4);
	ck_assert_uint_eq(vr_from_le16(cmd->sq_stride), 128);
	ck_assert_uint_eq(vr_from_le16(cmd->max_send_sge), 4);
	ck_assert_uint_eq(vr_from_le32(cmd->max_inline), 64);
	ck_assert_uint_eq(vr_from_le64(cmd->qp_context), 0x77);
	ck_assert_uint_eq(vr_from_le32(cmd->context),
			  ((struct vrc_obj *)(void *)r.a)->handle);
	rig_close(&r);
}
END_TEST

START_TEST(entry)
{
	struct virtio_rdma_send_wqe *w;
	struct virtio_rdma_sge *s;
	struct rig r;

	rig_open(&r);
	ck_assert_int_eq(r.qp->Dispatch->NdkWrite(
				 r.qp, (void *)0x5a, sge, 2,
				 0x123456789abcull, 0x99,
				 NDK_OP_FLAG_SILENT_SUCCESS |
					 NDK_OP_FLAG_READ_FENCE),
			 STATUS_SUCCESS);
	w = sq_at(&r, 0);
	s = (void *)(w + 1);
	ck_assert_uint_eq(vr_from_le64(w->wr_id), 0x5a);
	ck_assert_uint_eq(w->opcode, VIRTIO_RDMA_OP_WRITE);
	ck_assert_uint_eq(w->num_sge, 2);
	ck_assert_uint_eq(vr_from_le16(w->flags),
			  VIRTIO_RDMA_WR_SILENT | VIRTIO_RDMA_WR_READ_FENCE);
	ck_assert_uint_eq(vr_from_le64(w->remote_addr), 0x123456789abcull);
	ck_assert_uint_eq(vr_from_le32(w->remote_token), 0x99);
	ck_assert_uint_eq(vr_from_le64(s[0].addr), 0x1111);
	ck_assert_uint_eq(vr_from_le64(s[1].addr), 0x2222);
	ck_assert_uint_eq(vr_from_le32(s[1].length), 20);
	ck_assert_uint_eq(vr_from_le32(r.rec->sq_tail), 1);

	ck_assert_int_eq(r.qp->Dispatch->NdkSend(
				 r.qp, NULL, sge, 1,
				 NDK_OP_FLAG_SEND_AND_SOLICIT_EVENT),
			 STATUS_SUCCESS);
	w = sq_at(&r, 1);
	ck_assert_uint_eq(w->opcode, VIRTIO_RDMA_OP_SEND);
	ck_assert_uint_eq(vr_from_le16(w->flags), VIRTIO_RDMA_WR_SOLICIT);
	ck_assert_uint_eq(w->remote_addr, 0);
	rig_close(&r);
}
END_TEST

START_TEST(inline_data)
{
	char a[40], b[40], c[25];
	NDK_SGE in[3] = {
		{ .VirtualAddress = a, .Length = 40, .MemoryRegionToken = 1 },
		{ .VirtualAddress = b, .Length = 24 },
		{ .VirtualAddress = c, .Length = 0 },
	};
	struct virtio_rdma_send_wqe *w;
	struct rig r;

	memset(a, 'a', sizeof(a));
	memset(b, 'b', sizeof(b));
	rig_open(&r);
	ck_assert_int_eq(r.qp->Dispatch->NdkSend(r.qp, NULL, in, 3,
						 NDK_OP_FLAG_INLINE),
			 STATUS_SUCCESS);
	w = sq_at(&r, 0);
	ck_assert_uint_eq(vr_from_le32(w->inline_length), 64);
	ck_assert_uint_eq(w->num_sge, 0);
	ck_assert_mem_eq(w + 1, a, 40);
	ck_assert_mem_eq((uint8_t *)(w + 1) + 40, b, 24);
	/* a byte more than the queue pair takes; lengths that would wrap */
	in[2].Length = 1;
	ck_assert_int_eq(r.qp->Dispatch->NdkSend(r.qp, NULL, in, 3,
						 NDK_OP_FLAG_INLINE),
			 STATUS_INVALID_PARAMETER);
	in[2].Length = 0xffffffff;
	ck_assert_int_eq(r.qp->Dispatch->NdkSend(r.qp, NULL, in, 3,
						 NDK_OP_FLAG_INLINE),
			 STATUS_INVALID_PARAMETER);
	ck_assert_uint_eq(vr_from_le32(r.rec->sq_tail), 1);
	rig_close(&r);
}
END_TEST

START_TEST(refusals)
{
	const NDK_QP_DISPATCH *d;
	struct rig r;
	int i;

	rig_open(&r);
	d = r.qp->Dispatch;
	r.rec->state = vr_to_le32(VIRTIO_RDMA_QP_INIT);
	ck_assert_int_eq(d->NdkSend(r.qp, NULL, sge, 1, 0),
			 STATUS_CONNECTION_INVALID);
	ck_assert_int_eq(d->NdkRead(r.qp, NULL, sge, 1, 0, 0, 0),
			 STATUS_CONNECTION_INVALID);
	ck_assert_int_eq(d->NdkReceive(r.qp, NULL, sge, 1), STATUS_SUCCESS);
	r.rec->state = vr_to_le32(VIRTIO_RDMA_QP_CONNECTED);
	ck_assert_int_eq(d->NdkSend(r.qp, NULL, sge, 5, 0),
			 STATUS_INVALID_PARAMETER);
	ck_assert_int_eq(d->NdkRead(r.qp, NULL, sge, 3, 0, 0, 0),
			 STATUS_INVALID_PARAMETER);
	ck_assert_int_eq(d->NdkReceive(r.qp, NULL, sge, 3),
			 STATUS_INVALID_PARAMETER);
	ck_assert_int_eq(d->NdkSend(r.qp, NULL, NULL, 1, 0),
			 STATUS_INVALID_PARAMETER);
	ck_assert_int_eq(d->NdkRead(r.qp, NULL, sge, 1, 0, 0,
				    NDK_OP_FLAG_INLINE),
			 STATUS_INVALID_PARAMETER);
	ck_assert_int_eq(d->NdkSend(r.qp, NULL, sge, 1, 0x80000000),
			 STATUS_INVALID_PARAMETER);
	ck_assert_int_eq(d->NdkBind(r.qp, NULL, NULL, NULL, NULL, 1, 0),
			 STATUS_NOT_SUPPORTED);
	ck_assert_int_eq(d->NdkSendAndInvalidate(r.qp, NULL, sge, 1, 0, 1),
			 STATUS_NOT_SUPPORTED);
	ck_assert_uint_eq(vr_from_le32(r.rec->sq_tail), 0);
	/* as many as asked for, though the ring has room for one more */
	for (i = 0; i < 3; i++)
		ck_assert_int_eq(d->NdkSend(r.qp, NULL, sge, 1, 0),
				 STATUS_SUCCESS);
	ck_assert_int_eq(d->NdkSend(r.qp, NULL, sge, 1, 0),
			 STATUS_INSUFFICIENT_RESOURCES);
	r.rec->sq_head = vr_to_le32(1);
	ck_assert_int_eq(d->NdkSend(r.qp, NULL, sge, 1, 0), STATUS_SUCCESS);
	/* in its error state a queue pair takes posts */
	r.rec->state = vr_to_le32(VIRTIO_RDMA_QP_ERROR);
	r.rec->sq_head = vr_to_le32(4);
	ck_assert_int_eq(d->NdkSend(r.qp, NULL, sge, 1, 0), STATUS_SUCCESS);
	rig_close(&r);
}
END_TEST

START_TEST(bell)
{
	struct virtio_rdma_context_page *page;
	const NDK_QP_DISPATCH *d;
	struct rig r;
	uint64_t bit;

	rig_open(&r);
	d = r.qp->Dispatch;
	page = r.ctx.page->va;
	bit = 1ull << (r.l.slot % 64);
	ck_assert_uint_ge(r.ctx.wake_queue, 3);
	d->NdkSend(r.qp, NULL, sge, 1, 0);
	ck_assert_uint_eq(vr_from_le64(page->work[r.l.slot / 64]), bit);
	ck_assert_uint_eq(vr_from_le64(page->summary[0]), 1);
	ck_assert_uint_eq(fake.q[r.ctx.wake_queue].kicks, 0);
	page->worker = vr_to_le32(VIRTIO_RDMA_WORKER_ASLEEP);
	d->NdkReceive(r.qp, NULL, sge, 1);
	ck_assert_uint_eq(fake.q[r.ctx.wake_queue].kicks, 1);
	/* a deferred one rings no bell, a failure behind it does */
	page->work[r.l.slot / 64] = 0;
	d->NdkSend(r.qp, NULL, sge, 1, NDK_OP_FLAG_DEFER);
	ck_assert_uint_eq(page->work[r.l.slot / 64], 0);
	ck_assert_uint_eq(vr_from_le32(r.rec->sq_tail), 2);
	ck_assert_int_eq(d->NdkSend(r.qp, NULL, sge, 5, 0),
			 STATUS_INVALID_PARAMETER);
	ck_assert_uint_eq(vr_from_le64(page->work[r.l.slot / 64]), bit);
	ck_assert_uint_eq(fake.q[r.ctx.wake_queue].kicks, 2);
	rig_close(&r);
}
END_TEST

static void complete(struct rig *r, uint32_t pos,
		     const struct virtio_rdma_cqe *e)
{
	struct virtio_rdma_cqe *ring =
		(void *)((uint8_t *)r->cl.buffer->va + r->cl.ring_offset);
	struct virtio_rdma_cqe *to = &ring[pos % r->cl.depth];

	*to = *e;
	to->status |= pos & r->cl.depth ? 0 : VIRTIO_RDMA_CQE_PHASE;
}

START_TEST(results)
{
	static const struct {
		uint8_t opcode, status;
		uint32_t type, bytes;
		NTSTATUS want;
	} rows[] = {
		{ VIRTIO_RDMA_OP_SEND, 0, NdkOperationTypeSend, 0, 0 },
		{ VIRTIO_RDMA_OP_WRITE, 5, NdkOperationTypeWrite, 0,
		  STATUS_ACCESS_VIOLATION },
		{ VIRTIO_RDMA_OP_READ, 1, NdkOperationTypeRead, 0,
		  STATUS_CANCELLED },
		{ VIRTIO_RDMA_OP_RECEIVE, 0, NdkOperationTypeReceive, 77, 0 },
		{ VIRTIO_RDMA_OP_RECEIVE_INVALIDATE, 0,
		  NdkOperationTypeReceiveAndInvalidate, 77, 0 },
		{ 99, 100, 0, 77, STATUS_INTERNAL_ERROR },
	};
	struct virtio_rdma_cq_record *rec;
	NDK_RESULT_EX ex;
	NDK_RESULT plain;
	struct rig r;
	uint32_t pos = 0;
	size_t i, lap;

	rig_open(&r);
	rec = r.cl.buffer->va;
	for (lap = 0; lap < 5; lap++) {
		for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++, pos++) {
			struct virtio_rdma_cqe e = {
				.wr_id = vr_to_le64(0x1000 + pos),
				.qp_context = vr_to_le64(0x77),
				.length = vr_to_le32(77),
				.token = vr_to_le32(0xabc),
				.opcode = rows[i].opcode,
				.status = rows[i].status,
			};

			ck_assert_uint_eq(r.cq->Dispatch->NdkGetCqResults(
						  r.cq, &plain, 1), 0);
			complete(&r, pos, &e);
			memset(&ex, 0xff, sizeof(ex));
			memset(&plain, 0xff, sizeof(plain));
			if (pos % 2) {
				ck_assert_uint_eq(
					r.cq->Dispatch->NdkGetCqResults(
						r.cq, &plain, 1), 1);
				ck_assert_int_eq(plain.Status, rows[i].want);
				ck_assert_uint_eq(plain.BytesTransferred,
						  rows[i].bytes);
				continue;
			}
			ck_assert_uint_eq(r.cq->Dispatch->NdkGetCqResultsEx(
						  r.cq, &ex, 1), 1);
			ck_assert_int_eq(ex.Status, rows[i].want);
			ck_assert_uint_eq(ex.Type, rows[i].type);
			ck_assert_uint_eq(ex.BytesTransferred, rows[i].bytes);
			ck_assert_uint_eq(ex.ProviderErrorCode, rows[i].status);
			ck_assert_ptr_eq(ex.QPContext, (void *)0x77);
			ck_assert_ptr_eq(ex.RequestContext,
					 (void *)(uintptr_t)(0x1000 + pos));
			if (rows[i].opcode == VIRTIO_RDMA_OP_RECEIVE_INVALIDATE)
				ck_assert_uint_eq(ex.TypeSpecificCompletionOutput,
						  0xabc);
		}
	}
	ck_assert_uint_eq(vr_from_le32(rec->head), pos);
	rig_close(&r);
}
END_TEST

/* --- a queue that is full by its head -------------------------------------- */

/* The device ended an entry and wrote its completion; its head comes later */
struct ended {
	uint8_t opcode;
	uint16_t index;
	uint64_t wr_id;
	bool other_qp, taken;
	bool room;
};

static void poll_all(struct rig *r)
{
	NDK_RESULT res;

	while (r->cq->Dispatch->NdkGetCqResults(r->cq, &res, 1))
		;
}

static NTSTATUS post_one(struct rig *r, bool receive, uintptr_t id)
{
	const NDK_QP_DISPATCH *d = r->qp->Dispatch;

	return receive ? d->NdkReceive(r->qp, (void *)id, NULL, 0)
		       : d->NdkSend(r->qp, (void *)id, sge, 1, 0);
}

static void end_entry(struct rig *r, uint32_t pos, const struct ended *how)
{
	struct virtio_rdma_cqe e = {
		.wr_id = vr_to_le64(how->wr_id),
		.qp = vr_to_le32(r->l.handle + how->other_qp),
		.wqe_index = vr_to_le16(how->index),
		.opcode = how->opcode,
	};

	complete(r, pos, &e);
	if (how->taken)
		poll_all(r);
}

/* Three posted, of ids 0x100 and up */
static const struct ended ended[] = {
	{ VIRTIO_RDMA_OP_SEND, 0, 0x100, false, true, true },
	{ VIRTIO_RDMA_OP_WRITE, 0, 0x100, false, true, true },
	{ VIRTIO_RDMA_OP_RECEIVE, 0, 0x100, false, true, true },
	{ VIRTIO_RDMA_OP_RECEIVE_INVALIDATE, 0, 0x100, false, true, true },
	/* not seen yet; another queue pair's; others of its lap, or of its id */
	{ VIRTIO_RDMA_OP_SEND, 0, 0x100, false, false, false },
	{ VIRTIO_RDMA_OP_RECEIVE, 0, 0x100, false, false, false },
	{ VIRTIO_RDMA_OP_SEND, 0, 0x100, true, true, false },
	{ VIRTIO_RDMA_OP_SEND, 1, 0x101, false, true, false },
	{ VIRTIO_RDMA_OP_SEND, 0, 0x101, false, true, false },
};

START_TEST(room_behind_a_completion)
{
	const struct ended *row = &ended[_i];
	bool receive = row->opcode >= VIRTIO_RDMA_OP_RECEIVE;
	NTSTATUS full = STATUS_INSUFFICIENT_RESOURCES;
	struct rig r;
	uintptr_t id;

	rig_open(&r);
	for (id = 0x100; id < 0x103; id++)
		ck_assert_int_eq(post_one(&r, receive, id), STATUS_SUCCESS);
	ck_assert_int_eq(post_one(&r, receive, id), full);
	end_entry(&r, 0, row);
	ck_assert_int_eq(post_one(&r, receive, id),
			 row->room ? STATUS_SUCCESS : full);
	/* the other direction has room anyway, and a place is given once */
	ck_assert_int_eq(post_one(&r, !receive, 1), STATUS_SUCCESS);
	ck_assert_int_eq(post_one(&r, receive, id), full);
	vrdma_publish32(receive ? &r.rec->rq_head : &r.rec->sq_head, 1);
	ck_assert_int_eq(post_one(&r, receive, id),
			 row->room ? full : STATUS_SUCCESS);
	rig_close(&r);
}
END_TEST

START_TEST(flush)
{
	struct rig r;

	rig_open(&r);
	fake.hold[VIRTIO_RDMA_CMD_FLUSH_QP] = true;
	r.qp->Dispatch->NdkFlush(r.qp);
	r.qp->Dispatch->NdkFlush(r.qp);	/* one under way covers it */
	fake_run();
	ck_assert_uint_eq(fake.q[0].num_posted, 1);
	fake_release(VIRTIO_RDMA_CMD_FLUSH_QP, VIRTIO_RDMA_S_OK);
	/* a close with requests outstanding flushes before it destroys */
	fake.hold[VIRTIO_RDMA_CMD_FLUSH_QP] = false;
	r.qp->Dispatch->NdkSend(r.qp, NULL, sge, 1, 0);
	fake.seen[VIRTIO_RDMA_CMD_FLUSH_QP] = 0;
	rig_close(&r);
	ck_assert_uint_eq(fake.seen[VIRTIO_RDMA_CMD_FLUSH_QP], 1);
}
END_TEST

START_TEST(slots)
{
	static uint32_t slot[VIRTIO_RDMA_MAX_SLOTS];
	struct vrc_adapter *a;
	uint32_t i, s;

	fake_start();
	a = (struct vrc_adapter *)(void *)open_adapter(0);
	memset(slot, 0, sizeof(slot));
	for (i = 0; i < VIRTIO_RDMA_MAX_SLOTS; i++) {
		ck_assert_int_eq(vrc_slot_get(a, &s), 0);
		ck_assert_uint_eq(slot[s]++, 0);
	}
	ck_assert_int_eq(vrc_slot_get(a, &s), -28);
	vrc_slot_put(a, 12345);
	ck_assert_int_eq(vrc_slot_get(a, &s), 0);
	ck_assert_uint_eq(s, 12345);
	vrdma_close_adapter(&a->obj.ndk.adapter);
	fake_end();
}
END_TEST

int main(void)
{
	Suite *s = suite_create("core-post");
	TCase *tc = tcase_create("post");
	SRunner *sr;
	int failed;

	tcase_set_timeout(tc, 30);
	tcase_add_test(tc, layout);
	tcase_add_test(tc, entry);
	tcase_add_test(tc, inline_data);
	tcase_add_test(tc, refusals);
	tcase_add_test(tc, bell);
	tcase_add_test(tc, results);
	tcase_add_loop_test(tc, room_behind_a_completion, 0,
			    (int)(sizeof(ended) / sizeof(ended[0])));
	tcase_add_test(tc, flush);
	tcase_add_test(tc, slots);
	suite_add_tcase(s, tc);
	sr = srunner_create(s);
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
