// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * ndk_ep.c - one side of a connection with all it needs
 */
#include <poll.h>
#include <sched.h>
#include <string.h>

#include "ndk_util.h"
#include "transport.h"

static void on_cq(PVOID ctx, NTSTATUS status)
{
	struct ep *e = ctx;

	e->cq_status = status;
	e->cq_events++;
	if (e->opts.on_event)
		e->opts.on_event(e);
}

static void on_disconnect(PVOID ctx, ULONG reason)
{
	struct ep *e = ctx;

	e->reason = reason;
	e->indications++;
}

static void make_parents(struct ep *e, const struct ep_opts *o)
{
	e->adapter = nd_open(e->g);
	e->pd = nd_pd(e->adapter);
	e->cq = nd_cq(e->adapter, o->cq_depth, on_cq, e);
	mem_init(&e->mem, e->g, e->pd, o->mem, MEM_ALL);
}

static void share_parents(struct ep *e, const struct ep *with)
{
	e->shares = true;
	e->adapter = with->adapter;
	e->pd = with->pd;
	e->cq = with->cq;
	e->mem = with->mem;
}

static void make_qp(struct ep *e, const struct ep_opts *o)
{
	struct vrdma_qp_params p = {
		.receive_cq = e->cq, .initiator_cq = e->cq, .srq = o->srq,
		.qp_context = (uintptr_t)e, .flags = o->qp_flags,
		.receive_depth = o->srq ? 0 : o->depth,
		.initiator_depth = o->depth,
		.max_receive_sge = o->srq ? 0 : o->sge,
		.max_initiator_sge = o->sge,
		.inline_size = o->inline_size,
	};
	struct op op;
	NTSTATUS st;

	op_init(&op);
	st = vrdma_create_qp_ex(e->pd, &p, op_created, &op, &e->qp);
	assert_status(op_wait(&op, st), STATUS_SUCCESS);
	if (st == STATUS_PENDING)
		e->qp = (NDK_QP *)op.object;
}

void ep_renew(struct ep *e)
{
	if (e->conn)
		nd_close(e->conn);
	nd_close(e->qp);
	e->conn = NULL;
	e->indications = e->reason = 0;
	make_qp(e, &e->opts);
}

void ep_init(struct ep *e, struct tguest *g, const struct ep_opts *opts)
{
	struct ep_opts o = opts ? *opts : (struct ep_opts){ 0 };

	memset(e, 0, sizeof(*e));
	e->g = g;
	if (!o.depth)
		o.depth = 16;
	if (!o.sge)
		o.sge = 4;
	if (!o.mem)
		o.mem = 65536;
	if (!o.cq_depth)
		o.cq_depth = 4 * o.depth;
	e->opts = o;
	if (o.share)
		share_parents(e, o.share);
	else
		make_parents(e, &o);
	make_qp(e, &o);
}

void ep_fini(struct ep *e)
{
	if (e->conn)
		nd_close(e->conn);
	nd_close(e->qp);
	if (e->shares)
		return;
	mem_fini(&e->mem);
	nd_close(e->cq);
	nd_close(e->pd);
	vrdma_close_adapter(e->adapter);
}

/* --- connections ----------------------------------------------------------- */

static ULONG text_len(const char *s)
{
	return s ? (ULONG)strlen(s) : 0;
}

NTSTATUS ep_connect_start(struct ep *a, struct sa to, const char *says,
			  struct op *op)
{
	op_init(op);
	if (!a->conn)
		a->conn = nd_connector(a->adapter);
	return a->conn->Dispatch->NdkConnect(a->conn, a->qp, NULL, 0, &to.sa,
					     to.len, 8, 8, says, text_len(says),
					     op_ended, op);
}

NTSTATUS ep_accept_start(struct ep *b, NDK_CONNECTOR *conn, const char *says,
			 struct op *op)
{
	op_init(op);
	b->conn = conn;
	return conn->Dispatch->NdkAcceptEx(conn, b->qp, 8, 8, says,
					   text_len(says), on_disconnect, b,
					   op_ended, op);
}

NTSTATUS ep_complete(struct ep *a)
{
	struct op op;

	op_init(&op);
	return op_wait(&op, a->conn->Dispatch->NdkCompleteConnectEx(
				    a->conn, on_disconnect, a, op_ended, &op));
}

void ep_connect(struct ep *a, struct ep *b, struct listener *l,
		const char *a_says, const char *b_says)
{
	struct op con, acc;
	NTSTATUS cs, as;

	cs = ep_connect_start(a, l->addr, a_says, &con);
	as = ep_accept_start(b, listener_next(l), b_says, &acc);
	assert_status(op_wait(&con, cs), STATUS_SUCCESS);
	assert_status(ep_complete(a), STATUS_SUCCESS);
	assert_status(op_wait(&acc, as), STATUS_SUCCESS);
}

NTSTATUS ep_disconnect_start(struct ep *e, struct op *op)
{
	op_init(op);
	return e->conn->Dispatch->NdkDisconnect(e->conn, op_ended, op);
}

void ep_disconnect_both(struct ep *a, struct ep *b)
{
	struct op oa, ob;
	NTSTATUS sa = ep_disconnect_start(a, &oa);
	NTSTATUS sb = ep_disconnect_start(b, &ob);

	assert_status(op_wait(&oa, sa), STATUS_SUCCESS);
	assert_status(op_wait(&ob, sb), STATUS_SUCCESS);
}

/* --- requests ------------------------------------------------------------------ */

void ep_arm(struct ep *e, ULONG kind)
{
	e->cq->Dispatch->NdkArmCq(e->cq, kind);
}

void ep_expect_events(struct ep *e, uint32_t n)
{
	ck_assert(wait_count(&e->cq_events, n, TEST_TIMEOUT_MS));
	ck_assert_uint_eq(e->cq_events, n);
	assert_status(e->cq_status, STATUS_SUCCESS);
}

NDK_RESULT_EX ep_next(struct ep *e)
{
	NDK_RESULT_EX r;
	uint64_t end = tguest_ops()->now_ms(e->g) + TEST_TIMEOUT_MS;

	while (!e->cq->Dispatch->NdkGetCqResultsEx(e->cq, &r, 1)) {
		ck_assert_msg(tguest_ops()->now_ms(e->g) < end,
			      "no completion in %d ms; told %u times, last %u",
			      TEST_TIMEOUT_MS, e->indications, e->reason);
		sched_yield();
	}
	return r;
}

bool ep_was_told(const struct ep *e, uint32_t reason)
{
	bool of_peer = reason == VIRTIO_RDMA_R_RESET ||
		       reason == VIRTIO_RDMA_R_PEER_GONE;

	return e->reason == reason ||
	       (!test_backend()->tells_aborts && of_peer &&
		e->reason == VIRTIO_RDMA_R_GRACEFUL);
}

NTSTATUS ep_end_of(const struct ep *e, uint32_t reason, NTSTATUS want)
{
	bool other = e->indications && e->reason != reason;

	return other ? STATUS_SUCCESS : want;
}

bool ep_idle(struct ep *e)
{
	NDK_RESULT_EX r;

	return !e->cq->Dispatch->NdkGetCqResultsEx(e->cq, &r, 1);
}

NDK_SGE ep_sge(struct ep *e, size_t offset, uint32_t len)
{
	return (NDK_SGE){ .VirtualAddress = e->mem.va + offset, .Length = len,
			  .MemoryRegionToken = e->mem.local };
}

NTSTATUS ep_post_recv(struct ep *e, uint64_t id, size_t offset, uint32_t len)
{
	NDK_SGE s = ep_sge(e, offset, len);

	return e->qp->Dispatch->NdkReceive(e->qp, ID(id), &s, 1);
}

NTSTATUS ep_post_send(struct ep *e, uint64_t id, size_t offset, uint32_t len,
		      uint32_t flags)
{
	NDK_SGE s = ep_sge(e, offset, len);

	return e->qp->Dispatch->NdkSend(e->qp, ID(id), &s, 1, flags);
}

NTSTATUS ep_post_write(struct ep *e, uint64_t id, size_t offset, uint32_t len,
		       struct ep *to, size_t to_offset, uint32_t flags)
{
	NDK_SGE s = ep_sge(e, offset, len);

	return e->qp->Dispatch->NdkWrite(e->qp, ID(id), &s, 1,
					 (uintptr_t)to->mem.va + to_offset,
					 to->mem.remote, flags);
}

NTSTATUS ep_post_read(struct ep *e, uint64_t id, size_t offset, uint32_t len,
		      struct ep *from, size_t from_offset, uint32_t flags)
{
	NDK_SGE s = ep_sge(e, offset, len);

	return e->qp->Dispatch->NdkRead(e->qp, ID(id), &s, 1,
					(uintptr_t)from->mem.va + from_offset,
					from->mem.remote, flags);
}
