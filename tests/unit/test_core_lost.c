/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test_core_lost.c - the device dies: every request, command, connection and
 * arm ends, once
 *
 * DOC: The test plays the device up to a chosen point (some requests ended,
 * some ended with their completion written but the head not yet stored) and
 * then loses it.
 */
#include "core_fake.h"

struct rig {
	NDK_ADAPTER *a;
	NDK_PD *pd;
	NDK_CQ *cq;
	NDK_QP *qp;
	struct call notify;
	uint32_t cq_pos;
};

static VOID on_cq(PVOID ctx, NTSTATUS status)
{
	struct rig *r = ctx;

	ck_assert(!fake.locked);
	r->notify.calls++;
	r->notify.status = status;
}

static void rig_open(struct rig *r, uint32_t cq_depth, uint32_t depth)
{
	memset(r, 0, sizeof(*r));
	fake_start();
	r->a = open_adapter(0);
	r->pd = make_pd(r->a);
	r->cq = make_cq(r->a, cq_depth, on_cq, r);
	r->qp = make_qp(r->pd, r->cq, depth);
}

static void rig_close(struct rig *r)
{
	close_now(r->qp);
	close_now(r->cq);
	close_now(r->pd);
	vrdma_close_adapter(r->a);
	fake_end();
}

static struct virtio_rdma_qp_record *record(NDK_QP *qp)
{
	struct vrdma_qp_layout l;

	vrdma_qp_layout(qp, &l);
	return l.buffer->va;
}

static void connect_qp(NDK_QP *qp)
{
	record(qp)->state = vr_to_le32(VIRTIO_RDMA_QP_CONNECTED);
}

static NTSTATUS send_one(NDK_QP *qp, uintptr_t id, ULONG flags)
{
	NDK_SGE sge = { .VirtualAddress = (void *)0x1000, .Length = 64,
			.MemoryRegionToken = 9 };

	return qp->Dispatch->NdkSend(qp, (void *)id, &sge, 1, flags);
}

static NTSTATUS receive_one(NDK_QP *qp, uintptr_t id)
{
	return qp->Dispatch->NdkReceive(qp, (void *)id, NULL, 0);
}

/* The device ends send request n: completion, and its head if it got so far */
static void device_ends(struct rig *r, uint32_t n, uint64_t id, bool silent,
			bool store_head)
{
	struct vrdma_cq_layout cl;
	struct vrdma_qp_layout ql;

	vrdma_cq_layout(r->cq, &cl);
	vrdma_qp_layout(r->qp, &ql);
	if (!silent) {
		struct virtio_rdma_cqe *ring =
			(void *)((uint8_t *)cl.buffer->va + cl.ring_offset);
		struct virtio_rdma_cqe *e = &ring[r->cq_pos & (cl.depth - 1)];

		e->wr_id = vr_to_le64(id);
		e->qp = vr_to_le32(ql.handle);
		e->wqe_index = vr_to_le16((uint16_t)n);
		e->opcode = VIRTIO_RDMA_OP_SEND;
		e->status = r->cq_pos & cl.depth ? 0 : VIRTIO_RDMA_CQE_PHASE;
		r->cq_pos++;
	}
	if (store_head)
		record(r->qp)->sq_head = vr_to_le32(n + 1);
}

/* Poll it all: how often each id came, and how often cancelled */
static uint32_t drain(struct rig *r, int seen[], int cancelled[], int max)
{
	NDK_RESULT res[4];
	uint32_t total = 0;
	ULONG n, i;

	while ((n = r->cq->Dispatch->NdkGetCqResults(r->cq, res, 4))) {
		for (i = 0; i < n; i++) {
			int id = (int)(uintptr_t)res[i].RequestContext;

			ck_assert_int_lt(id, max);
			seen[id]++;
			if (res[i].Status == STATUS_CANCELLED) {
				cancelled[id]++;
				ck_assert_ptr_eq(res[i].QPContext,
						 (void *)0x77);
			}
		}
		total += n;
	}
	return total;
}

/*
 * 8 requests; ended: how many the device completed; behind: of those, how many
 * completions were in the ring before the head was stored; polled: how many
 * the consumer had taken.
 */
static void flush_case(int ended, int behind, int polled)
{
	int seen[8] = { 0 }, cancelled[8] = { 0 }, i;
	struct rig r;
	NDK_RESULT res;

	rig_open(&r, 64, 8);
	connect_qp(r.qp);
	for (i = 0; i < 8; i++)
		ck_assert_int_eq(send_one(r.qp, (uintptr_t)i, 0),
				 STATUS_SUCCESS);
	for (i = 0; i < ended; i++)
		device_ends(&r, (uint32_t)i, (uint64_t)i, false,
			    i < ended - behind);
	for (i = 0; i < polled; i++) {
		ck_assert_uint_eq(r.cq->Dispatch->NdkGetCqResults(r.cq, &res, 1),
				  1);
		seen[(uintptr_t)res.RequestContext]++;
	}
	fake_lose();
	drain(&r, seen, cancelled, 8);
	for (i = 0; i < 8; i++) {
		ck_assert_msg(seen[i] == 1, "request %d completed %d times (ended %d behind %d polled %d)",
			      i, seen[i], ended, behind, polled);
		ck_assert_int_eq(cancelled[i], i >= ended);
	}
	rig_close(&r);
}

START_TEST(flushed_once)
{
	int ended, behind, polled;

	for (ended = 0; ended <= 8; ended++)
		for (behind = 0; behind <= ended; behind++)
			for (polled = 0; polled <= ended; polled++)
				flush_case(ended, behind, polled);
}
END_TEST

/* Many laps: indices and phases wrap, old completions stay in the ring */
START_TEST(flushed_after_laps)
{
	int seen[8] = { 0 }, cancelled[8] = { 0 };
	struct rig r;
	uint32_t n;

	rig_open(&r, 16, 4);
	connect_qp(r.qp);
	for (n = 0; n < 70000; n++) {
		NDK_RESULT res;

		ck_assert_int_eq(send_one(r.qp, 5, 0), STATUS_SUCCESS);
		device_ends(&r, n, 5, false, true);
		ck_assert_uint_eq(r.cq->Dispatch->NdkGetCqResults(r.cq, &res, 1),
				  1);
	}
	for (n = 0; n < 3; n++)
		send_one(r.qp, n, 0);
	fake_lose();
	ck_assert_uint_eq(drain(&r, seen, cancelled, 8), 3);
	for (n = 0; n < 3; n++)
		ck_assert_int_eq(cancelled[n], 1);
	rig_close(&r);
}
END_TEST

/* Silent successes never show; an old completion with the same low half of
 * the index must not be taken for a new one's */
START_TEST(silent_alias)
{
	int seen[8] = { 0 }, cancelled[8] = { 0 };
	struct rig r;
	uint32_t n;

	rig_open(&r, 16, 4);
	connect_qp(r.qp);
	send_one(r.qp, 6, 0);
	device_ends(&r, 0, 6, false, true);
	ck_assert_uint_eq(drain(&r, seen, cancelled, 8), 1);
	for (n = 1; n < 65536; n++) {
		send_one(r.qp, 1, NDK_OP_FLAG_SILENT_SUCCESS);
		device_ends(&r, n, 1, true, true);
	}
	send_one(r.qp, 2, 0);	/* index 65536: low half 0 again */
	fake_lose();
	ck_assert_uint_eq(drain(&r, seen, cancelled, 8), 1);
	ck_assert_int_eq(cancelled[2], 1);
	rig_close(&r);
}
END_TEST

/* A handle that comes again: what a queue pair of the past completed must not
 * be taken for its successor's, whose first request has the same index and id */
START_TEST(handle_comes_again)
{
	int seen[8] = { 0 }, cancelled[8] = { 0 };
	struct rig r;
	uint32_t handle;

	rig_open(&r, 16, 4);
	connect_qp(r.qp);
	handle = obj_of(r.qp)->handle;
	send_one(r.qp, 3, 0);
	device_ends(&r, 0, 3, false, true);
	ck_assert_uint_eq(drain(&r, seen, cancelled, 8), 1);
	close_now(r.qp);
	fake.next_handle = handle - 1;
	r.qp = make_qp(r.pd, r.cq, 4);
	ck_assert_uint_eq(obj_of(r.qp)->handle, handle);
	connect_qp(r.qp);
	send_one(r.qp, 3, NDK_OP_FLAG_SILENT_SUCCESS);
	fake_lose();
	ck_assert_uint_eq(drain(&r, seen, cancelled, 8), 1);
	ck_assert_int_eq(cancelled[3], 1);
	rig_close(&r);
}
END_TEST

START_TEST(receives_and_late_posts)
{
	int seen[16] = { 0 }, cancelled[16] = { 0 };
	struct rig r;
	uint32_t i;

	rig_open(&r, 64, 8);
	for (i = 0; i < 3; i++)	/* legal before connect */
		ck_assert_int_eq(receive_one(r.qp, i), STATUS_SUCCESS);
	ck_assert_int_eq(send_one(r.qp, 9, 0), STATUS_CONNECTION_INVALID);
	connect_qp(r.qp);
	fake_lose();
	/* accepted in the error state, completed as cancelled */
	ck_assert_int_eq(send_one(r.qp, 3, 0), STATUS_SUCCESS);
	ck_assert_int_eq(receive_one(r.qp, 4), STATUS_SUCCESS);
	/* failures are never silent */
	ck_assert_int_eq(send_one(r.qp, 5, NDK_OP_FLAG_SILENT_SUCCESS),
			 STATUS_SUCCESS);
	ck_assert_uint_eq(drain(&r, seen, cancelled, 16), 6);
	for (i = 0; i < 6; i++)
		ck_assert_int_eq(cancelled[i], 1);
	/* more than the depth in all: heads went on */
	for (i = 0; i < 20; i++) {
		ck_assert_int_eq(send_one(r.qp, 6, 0), STATUS_SUCCESS);
		ck_assert_uint_eq(drain(&r, seen, cancelled, 16), 1);
	}
	rig_close(&r);
}
END_TEST

/* --- a process's rings ------------------------------------------------------------- */

START_TEST(user_rings)
{
	struct vrdma_cq_params cp = { .depth = 16, .flags = VRDMA_CQ_USER };
	struct call c = { 0 }, n = { 0 };
	struct vrdma_qp_params qp_p = { 0 };
	struct virtio_rdma_cq_record *crec;
	struct virtio_rdma_qp_record *qrec;
	struct vrdma_cq_layout cl;
	struct vrdma_qp_layout ql;
	struct vrdma_cqring ring;
	struct virtio_rdma_cqe e;
	struct vrdma_wq wq;
	NDK_ADAPTER *a;
	NDK_PD *pd;
	NDK_CQ *cq;
	NDK_QP *qp;
	int i;

	fake_start();
	a = open_adapter(VRDMA_ADAPTER_USER);
	pd = make_pd(a);
	cp.notify = on_request;
	cp.notify_context = &n;
	ck_assert_int_eq(vrdma_create_cq_ex(a, &cp, on_create, &c, NULL),
			 STATUS_PENDING);
	fake_run();
	cq = (NDK_CQ *)(void *)c.object;
	qp_p.receive_cq = qp_p.initiator_cq = cq;
	qp_p.qp_context = 0xabcdef0123456789ull;
	qp_p.flags = VRDMA_QP_USER | VRDMA_QP_FLUSH_ON_PEER_DISCONNECT;
	qp_p.receive_depth = qp_p.initiator_depth = 4;
	qp_p.max_initiator_sge = qp_p.max_receive_sge = 1;
	ck_assert_int_eq(vrdma_create_qp_ex(pd, &qp_p, on_create, &c, NULL),
			 STATUS_PENDING);
	fake_run();
	qp = (NDK_QP *)(void *)c.object;
	ck_assert_uint_eq(((struct virtio_rdma_cmd_create_qp *)(void *)
				   fake.last[VIRTIO_RDMA_CMD_CREATE_QP])->flags,
			  VIRTIO_RDMA_QP_FLUSH_ON_PEER_DISCONNECT);
	ck_assert_int_eq(send_one(qp, 1, 0), STATUS_INVALID_DEVICE_REQUEST);

	vrdma_cq_layout(cq, &cl);
	vrdma_qp_layout(qp, &ql);
	crec = cl.buffer->va;
	qrec = ql.buffer->va;
	vrdma_cqring_init(&ring, cl.buffer->va, cl.ring_offset, cl.depth);
	vrdma_sq_init(&wq, ql.buffer->va, ql.sq_offset, ql.sq_depth,
		      ql.sq_stride, ql.sq_limit);
	qrec->state = vr_to_le32(VIRTIO_RDMA_QP_CONNECTED);
	for (i = 0; i < 2; i++) {
		struct virtio_rdma_send_wqe *w = vrdma_wq_next(&wq);

		w->wr_id = vr_to_le64(0x100000000ull + (uint64_t)i);
		w->opcode = VIRTIO_RDMA_OP_WRITE;
		vrdma_wq_post(&wq);
	}
	crec->arm = vr_to_le32(VIRTIO_RDMA_ARM_ANY);
	fake_lose();
	ck_assert_int_eq(n.calls, 1);
	ck_assert_uint_eq(vr_from_le32(qrec->state), VIRTIO_RDMA_QP_ERROR);
	for (i = 0; i < 2; i++) {
		ck_assert(vrdma_cqring_take(&ring, &e));
		ck_assert_uint_eq(vr_from_le64(e.wr_id),
				  0x100000000ull + (uint64_t)i);
		ck_assert_uint_eq(vr_from_le64(e.qp_context),
				  0xabcdef0123456789ull);
		ck_assert_uint_eq(e.status, VIRTIO_RDMA_WC_CANCELLED);
		ck_assert_uint_eq(e.opcode, VIRTIO_RDMA_OP_WRITE);
	}
	ck_assert(!vrdma_cqring_take(&ring, &e));
	/* a post that the dead device cannot see: the library has it flushed */
	ck_assert_ptr_nonnull(vrdma_wq_next(&wq));
	vrdma_wq_post(&wq);
	qp->Dispatch->NdkFlush(qp);
	ck_assert(vrdma_cqring_take(&ring, &e));
	ck_assert(!vrdma_cqring_take(&ring, &e));
	/* nonsense in the process's own memory hurts nobody else */
	qrec->sq_tail = vr_to_le32(0x80000000u);
	crec->head = vr_to_le32(0x12345678u);
	qp->Dispatch->NdkFlush(qp);
	close_now(qp);
	close_now(cq);
	close_now(pd);
	vrdma_close_adapter(a);
	fake_end();
}
END_TEST

/* --- arms --------------------------------------------------------------------------- */

START_TEST(arms)
{
	static const struct {
		ULONG type;
		int posted;
		NTSTATUS want;
	} rows[] = {
		{ NDK_CQ_NOTIFY_ANY, 1, STATUS_SUCCESS },
		{ NDK_CQ_NOTIFY_SOLICITED, 1, STATUS_SUCCESS },
		{ NDK_CQ_NOTIFY_ANY, 0, STATUS_INTERNAL_ERROR },
		{ NDK_CQ_NOTIFY_ERRORS, 0, STATUS_INTERNAL_ERROR },
	};
	int seen[4] = { 0 }, cancelled[4] = { 0 };
	struct rig r;

	rig_open(&r, 16, 4);
	connect_qp(r.qp);
	if (rows[_i].posted)
		send_one(r.qp, 1, 0);
	r.cq->Dispatch->NdkArmCq(r.cq, rows[_i].type);
	ck_assert_int_eq(r.notify.calls, 0);
	fake_lose();
	ck_assert_int_eq(r.notify.calls, 1);
	ck_assert_int_eq(r.notify.status, rows[_i].want);
	drain(&r, seen, cancelled, 4);
	/* armed again on the dead device: the next flush fires it, once */
	r.cq->Dispatch->NdkArmCq(r.cq, NDK_CQ_NOTIFY_ANY);
	ck_assert_int_eq(r.notify.calls, 1);
	send_one(r.qp, 1, 0);
	send_one(r.qp, 2, 0);
	fake_run();
	ck_assert_int_eq(r.notify.calls, 2);
	rig_close(&r);
}
END_TEST

/* An overrun: told once, to an arm that was or comes */
START_TEST(cq_error)
{
	struct virtio_rdma_event ev = { .type = vr_to_le16(VIRTIO_RDMA_EV_CQ_ERROR) };
	struct rig r;

	rig_open(&r, 16, 4);
	ev.cookie = vr_to_le64(obj_of(r.cq)->cookie);
	ev.handle = vr_to_le32(obj_of(r.cq)->handle + 1);
	r.cq->Dispatch->NdkArmCq(r.cq, NDK_CQ_NOTIFY_ERRORS);
	fake_event(&ev);	/* another CQ's */
	ck_assert_int_eq(r.notify.calls, 0);
	ev.handle = vr_to_le32(obj_of(r.cq)->handle);
	fake_event(&ev);
	ck_assert_int_eq(r.notify.calls, 1);
	ck_assert_int_eq(r.notify.status, STATUS_BUFFER_OVERFLOW);
	r.cq->Dispatch->NdkArmCq(r.cq, NDK_CQ_NOTIFY_ANY);
	ck_assert_int_eq(r.notify.calls, 1);	/* never inside the call */
	fake_run();
	ck_assert_int_eq(r.notify.calls, 2);
	ck_assert_int_eq(r.notify.status, STATUS_BUFFER_OVERFLOW);
	rig_close(&r);
}
END_TEST

/* Arm when completions wait already; arms dominate; stale cookies */
START_TEST(live_arm)
{
	struct virtio_rdma_cq_record *rec;
	int seen[4] = { 0 }, cancelled[4] = { 0 };
	struct vrdma_cq_layout cl;
	struct rig r;
	uint64_t cookie;

	rig_open(&r, 16, 4);
	vrdma_cq_layout(r.cq, &cl);
	rec = cl.buffer->va;
	connect_qp(r.qp);
	r.cq->Dispatch->NdkArmCq(r.cq, NDK_CQ_NOTIFY_ANY);
	r.cq->Dispatch->NdkArmCq(r.cq, NDK_CQ_NOTIFY_ERRORS);
	ck_assert_uint_eq(vr_from_le32(rec->arm), VIRTIO_RDMA_ARM_ANY);
	rec->arm = 0;	/* the device takes it */
	cookie = obj_of(r.cq)->cookie;
	fake_cq_event(cookie, obj_of(r.cq)->handle);
	ck_assert_int_eq(r.notify.calls, 1);
	fake_cq_event(cookie + (1ull << 32), obj_of(r.cq)->handle);
	fake_cq_event(cookie + 1000, obj_of(r.cq)->handle);
	fake_cq_event(0, 0);
	ck_assert_int_eq(r.notify.calls, 1);
	send_one(r.qp, 1, 0);
	device_ends(&r, 0, 1, false, true);
	r.cq->Dispatch->NdkArmCq(r.cq, NDK_CQ_NOTIFY_SOLICITED);
	fake_run();
	ck_assert_int_eq(r.notify.calls, 2);
	drain(&r, seen, cancelled, 4);
	rig_close(&r);
}
END_TEST

/* --- commands and connections -------------------------------------------------------------- */

static struct nd_sockaddr_in dest = { .family = ND_AF_INET,
				      .port = { 0x12, 0x34 },
				      .addr = { 10, 0, 0, 2 } };

START_TEST(commands_end)
{
	struct call create = { 0 }, connect = { 0 }, reg = { 0 }, close = { 0 };
	MDL mdl = { .va = 0, .length = 4096,
		    .pages = (const uint64_t[]){ 0x1000 } };
	struct call c = { 0 };
	NDK_CONNECTOR *conn;
	struct rig r;
	NDK_MR *mr;

	rig_open(&r, 16, 4);
	conn = make_connector(r.a);
	r.pd->Dispatch->NdkCreateMr(r.pd, FALSE, on_create, &c, &mr);
	fake.hold[VIRTIO_RDMA_CMD_CREATE_PD] = true;
	fake.hold[VIRTIO_RDMA_CMD_CONNECT] = true;
	fake.hold[VIRTIO_RDMA_CMD_REGISTER_MR] = true;
	fake.hold[VIRTIO_RDMA_CMD_CLOSE_CONNECTOR] = true;
	r.a->Dispatch->NdkCreatePd(r.a, on_create, &create, NULL);
	conn->Dispatch->NdkConnect(conn, r.qp, NULL, 0, (void *)&dest,
				   sizeof(dest), 1, 1, NULL, 0, on_request,
				   &connect);
	mr->Dispatch->NdkRegisterMr(mr, &mdl, 4096, 1, on_request, &reg);
	ck_assert_int_eq(vrc_obj_close(&conn->Header, on_close, &close),
			 STATUS_PENDING);
	fake_run();
	fake_lose();
	ck_assert_int_eq(create.calls, 1);
	ck_assert_int_eq(create.status, STATUS_DEVICE_REMOVED);
	ck_assert_int_eq(connect.calls, 1);
	ck_assert_int_eq(connect.status, STATUS_DEVICE_REMOVED);
	ck_assert_int_eq(reg.calls, 1);
	ck_assert_int_eq(reg.status, STATUS_DEVICE_REMOVED);
	ck_assert_int_eq(close.calls, 1);
	/* the old epoch fails and closes, also beside a new one */
	ck_assert_int_eq(vrdma_core_start(fake.core), 0);
	ck_assert(vrdma_adapter_lost(r.a));
	ck_assert_int_eq(r.a->Dispatch->NdkCreatePd(r.a, on_create, &c, NULL),
			 STATUS_DEVICE_REMOVED);
	ck_assert_int_eq(mr->Dispatch->NdkRegisterMr(mr, &mdl, 4096, 1,
						     on_request, &c),
			 STATUS_DEVICE_REMOVED);
	ck_assert_int_eq(vrc_obj_close(&mr->Header, on_close, &c),
			 STATUS_SUCCESS);
	memset(fake.hold, 0, sizeof(fake.hold));
	vrdma_close_adapter(open_adapter(0));
	ck_assert_uint_eq(fake.seen[VIRTIO_RDMA_CMD_DESTROY_CONTEXT], 1);
	rig_close(&r);
}
END_TEST

static NDK_CONNECTOR *established(struct rig *r, struct call *ev)
{
	NDK_CONNECTOR *conn = make_connector(r->a);
	struct call c = { 0 };

	conn->Dispatch->NdkConnect(conn, r->qp, NULL, 0, (void *)&dest,
				   sizeof(dest), 1, 1, NULL, 0, on_request, &c);
	fake_run();
	ck_assert_int_eq(c.status, STATUS_SUCCESS);
	ck_assert_int_eq(conn->Dispatch->NdkCompleteConnectEx(
				 conn, on_event_ex, ev, on_request, &c),
			 STATUS_PENDING);
	fake_run();
	ck_assert_int_eq(c.calls, 2);
	connect_qp(r->qp);
	return conn;
}

static VOID disconnected(PVOID ctx, NTSTATUS status)
{
	struct rig *r = ctx;
	NDK_RESULT res;

	/* what was flushed is in the CQ before the Disconnect ends */
	ck_assert_int_eq(status, STATUS_DEVICE_REMOVED);
	ck_assert_uint_eq(r->cq->Dispatch->NdkGetCqResults(r->cq, &res, 1), 1);
	ck_assert_int_eq(res.Status, STATUS_CANCELLED);
	r->notify.calls += 100;
}

START_TEST(flushed_before_disconnect)
{
	struct call ev = { 0 };
	NDK_CONNECTOR *conn;
	struct rig r;

	rig_open(&r, 16, 4);
	conn = established(&r, &ev);
	send_one(r.qp, 1, 0);
	fake.hold[VIRTIO_RDMA_CMD_DISCONNECT] = true;
	conn->Dispatch->NdkDisconnect(conn, disconnected, &r);
	fake_run();
	fake_lose();
	ck_assert_int_eq(r.notify.calls, 100);
	/* the next device's death is nothing to objects of this one */
	r.cq->Dispatch->NdkArmCq(r.cq, NDK_CQ_NOTIFY_ANY);
	fake_run();
	ck_assert_int_eq(vrdma_core_start(fake.core), 0);
	fake_lose();
	ck_assert_int_eq(r.notify.calls, 100);
	close_now(conn);
	rig_close(&r);
}
END_TEST

START_TEST(connections_end)
{
	struct call ev = { 0 }, ev2 = { 0 }, disc = { 0 };
	NDK_CONNECTOR *conn, *other;
	struct rig r;
	NDK_QP *qp2;

	rig_open(&r, 64, 8);
	conn = established(&r, &ev);
	qp2 = r.qp;
	r.qp = make_qp(r.pd, r.cq, 8);
	other = established(&r, &ev2);
	fake.hold[VIRTIO_RDMA_CMD_DISCONNECT] = true;
	ck_assert_int_eq(other->Dispatch->NdkDisconnect(other, on_request, &disc),
			 STATUS_PENDING);
	fake_run();
	fake_lose();
	ck_assert_int_eq(ev.calls, 1);
	ck_assert_int_eq(ev.status, VIRTIO_RDMA_R_DEVICE_RESET);
	/* one that was disconnecting learns it from its own request (D4) */
	ck_assert_int_eq(ev2.calls, 0);
	ck_assert_int_eq(disc.calls, 1);
	ck_assert_int_eq(disc.status, STATUS_DEVICE_REMOVED);
	fake_lose();	/* harmless */
	ck_assert_int_eq(ev.calls, 1);
	/* no second indication from the death of the next device either */
	ck_assert_int_eq(vrdma_core_start(fake.core), 0);
	fake_lose();
	ck_assert_int_eq(ev.calls, 1);
	close_now(conn);
	close_now(other);
	close_now(qp2);
	rig_close(&r);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("core-lost");
	TCase *tc = tcase_create("lost");
	SRunner *sr;
	int failed;

	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, flushed_once);
	tcase_add_test(tc, flushed_after_laps);
	tcase_add_test(tc, silent_alias);
	tcase_add_test(tc, handle_comes_again);
	tcase_add_test(tc, receives_and_late_posts);
	tcase_add_test(tc, user_rings);
	tcase_add_loop_test(tc, arms, 0, 4);
	tcase_add_test(tc, cq_error);
	tcase_add_test(tc, live_arm);
	tcase_add_test(tc, commands_end);
	tcase_add_test(tc, flushed_before_disconnect);
	tcase_add_test(tc, connections_end);
	suite_add_tcase(s, tc);
	sr = srunner_create(s);
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
