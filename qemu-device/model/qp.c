/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * qp.c - queue pairs as the control thread sees them
 */
#include <stdlib.h>

#include "cq.h"
#include "guest.h"
#include "mr.h"
#include "qp.h"
#include "srq.h"
#include "worker.h"

/* ------------------------------------------------------------------ creation */

/* Objects that a queue pair is made of, found by their handles */
struct parts {
	struct vr_pd *pd;
	struct vr_cq *send_cq;
	struct vr_cq *recv_cq;
	struct vr_context *context;
	struct vr_srq *srq;		/* NULL: none */
};

static bool power_of_two(uint32_t v)
{
	return v && !(v & (v - 1));
}

/* One ring: its entry holds what it must, and it lies behind the record.  *end:
 * where it ends in the buffer */
static bool ring_ok(uint32_t depth, uint32_t max_depth, uint32_t stride,
		    uint64_t entry, uint32_t offset, uint64_t *end)
{
	*end = offset + (uint64_t)depth * stride;
	return power_of_two(depth) && depth <= max_depth &&
	       power_of_two(stride) && stride >= VIRTIO_RDMA_MIN_STRIDE &&
	       stride <= VIRTIO_RDMA_MAX_STRIDE && entry <= stride &&
	       offset >= sizeof(struct virtio_rdma_qp_record) &&
	       offset % stride == 0;
}

/* With a shared queue there is none */
static bool recv_ring_ok(const struct guest_conf *c,
			 const struct virtio_rdma_cmd_create_qp *r,
			 uint64_t recv, uint64_t *end)
{
	*end = 0;
	if (r->srq)
		return !r->rq_depth && !r->rq_stride && !r->rq_offset &&
		       !r->max_recv_sge;
	return ring_ok(vr_from_le32(r->rq_depth), c->max_recv_depth,
		       vr_from_le16(r->rq_stride),
		       sizeof(struct virtio_rdma_recv_wqe) + recv,
		       vr_from_le32(r->rq_offset), end);
}

/* Both rings, and a buffer of just the pages that they lie in */
static bool rings_ok(const struct guest_conf *c,
		     const struct virtio_rdma_cmd_create_qp *r,
		     uint64_t send, uint64_t recv)
{
	uint64_t sq_end, rq_end;

	return ring_ok(vr_from_le32(r->sq_depth), c->max_send_depth,
		       vr_from_le16(r->sq_stride),
		       sizeof(struct virtio_rdma_send_wqe) + send,
		       vr_from_le32(r->sq_offset), &sq_end) &&
	       recv_ring_ok(c, r, recv, &rq_end) &&
	       gmem_count_exact(vr_from_le32(r->buffer.page_count),
				sq_end > rq_end ? sq_end : rq_end);
}

static bool create_qp_ok(const struct guest *g,
			 const struct virtio_rdma_cmd_create_qp *r)
{
	const struct guest_conf *c = g->conf;
	uint32_t ssge = vr_from_le16(r->max_send_sge);
	uint32_t rsge = vr_from_le16(r->max_recv_sge);
	uint32_t inl = vr_from_le32(r->max_inline);
	uint64_t send = (uint64_t)ssge * sizeof(struct virtio_rdma_sge);

	if (inl > send)
		send = inl;
	if ((r->srq && !(g->features & VIRTIO_RDMA_FEATURE(SRQ))) ||
	    vr_from_le32(r->flags) & ~VIRTIO_RDMA_QP_FLUSH_ON_PEER_DISCONNECT ||
	    ssge > c->max_send_sge || rsge > c->max_recv_sge ||
	    inl > c->max_inline ||
	    vr_from_le32(r->slot) >= VIRTIO_RDMA_MAX_SLOTS)
		return false;
	return rings_ok(c, r, send,
			(uint64_t)rsge * sizeof(struct virtio_rdma_sge));
}

static bool find_parts(struct guest *g,
		       const struct virtio_rdma_cmd_create_qp *r,
		       struct parts *p)
{
	p->pd = pd_find(g, vr_from_le32(r->pd));
	p->send_cq = handle_get(&g->cqs, vr_from_le32(r->send_cq));
	p->recv_cq = handle_get(&g->cqs, vr_from_le32(r->recv_cq));
	p->context = handle_get(&g->contexts, vr_from_le32(r->context));
	p->srq = r->srq ? handle_get(&g->srqs, vr_from_le32(r->srq)) : NULL;
	return p->pd && p->send_cq && p->recv_cq && p->context &&
	       (p->srq || !r->srq);
}

/* Room for the requests that can be in work.  Not zeroed: a request is set up
 * whole when it is taken, and memory that is never used stays unbacked. */
static bool queue_init(struct qp_queue *q, uint32_t depth, uint32_t stride,
		       uint32_t offset, uint32_t max_sge, struct vr_cq *cq)
{
	uint32_t segments = max_sge ? max_sge : 1;	/* inline data is one */
	size_t behind = segments * sizeof(struct sg_seg);

	if (behind < sizeof(struct be_bind))
		behind = sizeof(struct be_bind);
	q->depth = depth;
	q->stride = (uint16_t)stride;
	q->offset = offset;
	q->max_sge = (uint16_t)max_sge;
	q->cq = cq;
	q->window = (uint16_t)(depth < QP_WINDOW ? depth : QP_WINDOW);
	q->wr_size = (uint16_t)(sizeof(struct vr_wr) + behind);
	q->wrs = malloc((size_t)q->window * q->wr_size);
	return q->wrs;
}

static void map_record(struct vr_qp *qp)
{
	struct virtio_rdma_qp_record *r = gmem_pages_at(&qp->pages, 0);

	qp->sq.tail_le = (const _Atomic uint32_t *)(void *)&r->sq_tail;
	qp->sq.head_le = (_Atomic uint32_t *)(void *)&r->sq_head;
	qp->rq.tail_le = (const _Atomic uint32_t *)(void *)&r->rq_tail;
	qp->rq.head_le = (_Atomic uint32_t *)(void *)&r->rq_head;
	qp->state_le = (_Atomic uint32_t *)(void *)&r->state;
	qp->watched_le = (_Atomic uint32_t *)(void *)&r->watched;
	atomic_store_explicit(qp->sq.head_le, 0, memory_order_relaxed);
	atomic_store_explicit(qp->rq.head_le, 0, memory_order_relaxed);
	atomic_store_explicit(qp->state_le, vr_to_le32(VIRTIO_RDMA_QP_INIT),
			      memory_order_relaxed);
	atomic_store_explicit(qp->watched_le, 0, memory_order_relaxed);
}

static void qp_free(void *arg)
{
	struct vr_qp *qp = arg;

	list_del(&qp->of_guest);
	gmem_pages_put(&qp->pages);
	free(qp->sq.wrs);
	free(qp->inline_copy);
	free(qp->rq.wrs);
	free(qp->remote);
	free(qp);
}

static void qp_failed(void *arg)
{
	struct vr_qp *qp = arg;

	qp->stopped = true;
	if (qp->connector)
		connector_qp_failed(qp->connector, qp->reason);
}

static void qp_init_links(struct vr_qp *qp)
{
	list_init(&qp->stops);
	list_init(&qp->moving);
	list_init(&qp->of_guest);
	list_init(&qp->run);
	list_init(&qp->dying);
	list_init(&qp->on_send_cq);
	list_init(&qp->on_recv_cq);
	list_init(&qp->on_srq);
	list_init(&qp->hungry);
	list_init(&qp->waiting_stops);
	list_init(&qp->windows);
	wheel_timer_init(&qp->timer);
	loop_work_init(&qp->failed_work, qp_failed, qp);
	loop_work_init(&qp->free_work, qp_free, qp);
}

static bool recv_queue_init(struct vr_qp *qp, const struct parts *p,
			    const struct virtio_rdma_cmd_create_qp *r)
{
	if (p->srq)
		return queue_init(&qp->rq, QP_WINDOW, 0, 0, p->srq->max_sge,
				  p->recv_cq);
	return queue_init(&qp->rq, vr_from_le32(r->rq_depth),
			  vr_from_le16(r->rq_stride),
			  vr_from_le32(r->rq_offset),
			  vr_from_le16(r->max_recv_sge), p->recv_cq);
}

static struct vr_qp *qp_new(struct guest *g, const struct parts *p,
			    const struct virtio_rdma_cmd_create_qp *r)
{
	struct vr_qp *qp = line_alloc(sizeof(*qp));

	if (!qp)
		return NULL;
	qp_init_links(qp);
	qp->be.worker = g->data.worker;
	qp->bell.rung = qp_rung;
	qp->guest = g;
	qp->data = &g->data;
	qp->flags = vr_from_le32(r->flags);
	qp->features = g->features;
	qp->max_inline = vr_from_le32(r->max_inline);
	qp->slot = vr_from_le32(r->slot);
	qp->qp_context = r->qp_context;
	qp->pd = p->pd;
	qp->context = p->context;
	qp->srq = p->srq;
	qp->remote_free = (uint32_t)((1ull << QP_REMOTE_SGS) - 1);
	qp->remote = malloc(QP_REMOTE_SGS * sizeof(*qp->remote));
	if (!qp->remote ||
	    !queue_init(&qp->sq, vr_from_le32(r->sq_depth),
			vr_from_le16(r->sq_stride), vr_from_le32(r->sq_offset),
			vr_from_le16(r->max_send_sge), p->send_cq) ||
	    !recv_queue_init(qp, p, r))
		goto err;
	if (qp->max_inline) {
		qp->inline_copy = malloc((size_t)qp->sq.window *
					 qp->max_inline);
		if (!qp->inline_copy)
			goto err;
	}
	return qp;

err:
	qp_free(qp);
	return NULL;
}

/* Hands the queue pair to the worker */
static enum virtio_rdma_status qp_join(struct vr_qp *qp)
{
	struct qp_join_args args = { .qp = qp };

	if (!bell_hook_init(&args.hook, qp->context, qp->slot, &qp->bell))
		return VIRTIO_RDMA_S_NO_RESOURCES;
	qp->pd->users++;
	qp->sq.cq->users++;
	qp->rq.cq->users++;
	if (qp->srq)
		qp->srq->users++;
	worker_call(qp->be.worker, qp_worker_join, &args);
	bell_hook_fini(&args.hook);
	list_add_tail(&qp->of_guest, &qp->data->qps);
	return VIRTIO_RDMA_S_OK;
}

static enum virtio_rdma_status qp_create(struct guest *g,
				const struct virtio_rdma_cmd_create_qp *r,
				struct vr_qp **out)
{
	enum virtio_rdma_status status = VIRTIO_RDMA_S_NO_RESOURCES;
	struct parts p;
	struct vr_qp *qp;
	int ret;

	if (!create_qp_ok(g, r))
		return VIRTIO_RDMA_S_INVALID_PARAMETER;
	if (!find_parts(g, r, &p))
		return VIRTIO_RDMA_S_INVALID_HANDLE;
	if (p.srq && p.srq->pd != p.pd)
		return VIRTIO_RDMA_S_INVALID_PARAMETER;
	if (context_slot_taken(p.context, vr_from_le32(r->slot)))
		return VIRTIO_RDMA_S_BUSY;
	qp = qp_new(g, &p, r);
	if (!qp)
		return status;
	ret = gmem_read_page_list(g->map, &r->buffer,
				  vr_from_le32(r->buffer.page_count),
				  GMEM_SHIFT_4K, &g->gmem_account, &qp->pages);
	if (ret) {
		status = gmem_status(ret);
		goto err_free;
	}
	map_record(qp);
	if (handle_alloc(&g->qps, qp, &qp->handle))
		goto err_free;
	status = qp_join(qp);
	if (status)
		goto err_handle;
	*out = qp;
	return VIRTIO_RDMA_S_OK;

err_handle:
	handle_free(&g->qps, qp->handle);
err_free:
	qp_free(qp);
	return status;
}

void cmd_create_qp(struct command *cmd)
{
	enum virtio_rdma_status status;
	struct vr_qp *qp = NULL;

	status = qp_create(cmd->guest, &cmd->req.create_qp, &qp);
	command_done(cmd, status, qp ? qp->handle : 0);
}

/* ----------------------------------------------------------------- the end */

/* The structure goes when the transport is at rest and what is on its way to
 * this thread has arrived */
static void qp_remove(struct guest *g, struct vr_qp *qp)
{
	handle_free(&g->qps, qp->handle);
	qp_release(qp);
	context_give_slot(qp->context, qp->slot);
	qp->pd->users--;
	qp->sq.cq->users--;
	qp->rq.cq->users--;
	if (qp->srq)
		qp->srq->users--;
	worker_call(qp->be.worker, qp_worker_leave, qp);
}

void cmd_destroy_qp(struct command *cmd)
{
	struct vr_qp *qp = handle_get(&cmd->guest->qps, cmd->handle);

	if (!qp) {
		command_done(cmd, VIRTIO_RDMA_S_INVALID_HANDLE, 0);
		return;
	}
	if (qp->connector) {
		command_done(cmd, VIRTIO_RDMA_S_BUSY, 0);
		return;
	}
	/* what was posted has its completion, though no doorbell was heard */
	qp_stop(qp, NULL, NULL);
	qp_remove(cmd->guest, qp);
	command_done(cmd, VIRTIO_RDMA_S_OK, 0);
}

void qp_reset_all(struct guest *g)
{
	uint32_t pos = 0;
	struct vr_qp *qp;

	while ((qp = handle_next(&g->qps, &pos)))
		qp_remove(g, qp);
}

/* -------------------------------------------------------------------- stop */

static void stop_answered(void *arg)
{
	struct qp_stop_req *r = arg;

	list_del(&r->link);
	if (r->done)
		r->done(r->arg);
	free(r);
}

void qp_stop(struct vr_qp *qp, void (*done)(void *arg), void *arg)
{
	struct qp_stop_req *r;

	qp->stopped = true;
	if (!done) {
		worker_call(qp->be.worker, qp_worker_halt, qp);
		return;
	}
	r = calloc(1, sizeof(*r));
	if (!r)
		abort();	/* a stop that is not reported would hang a guest */
	r->qp = qp;
	r->done = done;
	r->arg = arg;
	list_init(&r->waiting);
	list_add_tail(&r->link, &qp->stops);
	loop_work_init(&r->work, stop_answered, r);
	worker_call(qp->be.worker, qp_worker_stop, r);
}

void qp_stop_cancel(struct vr_qp *qp, void *arg)
{
	struct list_head *pos;

	list_for_each(pos, &qp->stops) {
		struct qp_stop_req *r = container_of(pos, struct qp_stop_req,
						     link);

		if (r->arg == arg)
			r->done = NULL;
	}
}

bool qp_stop_now(struct vr_qp *qp)
{
	struct qp_mute_args args = { .qp = qp };

	qp->stopped = true;
	worker_call(qp->be.worker, qp_worker_mute, &args);
	return args.at_rest;
}

void qp_halt_all(struct guest *g)
{
	struct list_head moving, *pos, *tmp;
	uint32_t at = 0;
	struct vr_qp *qp;

	/* all first, so that they come to rest side by side */
	list_init(&moving);
	while ((qp = handle_next(&g->qps, &at)))
		if (!qp_stop_now(qp))
			list_add_tail(&qp->moving, &moving);
	list_for_each_safe(pos, tmp, &moving) {
		qp = container_of(pos, struct vr_qp, moving);
		worker_call_until(qp->be.worker, qp_worker_is_at_rest, qp);
		list_del(&qp->moving);
	}
}

static void flushed(void *arg)
{
	command_done(arg, VIRTIO_RDMA_S_OK, 0);
}

void cmd_flush_qp(struct command *cmd)
{
	struct vr_qp *qp = handle_get(&cmd->guest->qps, cmd->handle);

	if (!qp) {
		command_done(cmd, VIRTIO_RDMA_S_INVALID_HANDLE, 0);
		return;
	}
	qp_stop(qp, flushed, cmd);
}

/* --------------------------------------------------------------- connector */

enum virtio_rdma_status qp_reserve(struct guest *g, uint32_t handle,
				   struct connector *cm, struct vr_qp **out)
{
	struct vr_qp *qp = handle_get(&g->qps, handle);

	if (!qp)
		return VIRTIO_RDMA_S_INVALID_HANDLE;
	if (qp->connector || qp->used)
		return VIRTIO_RDMA_S_CONNECTION_ACTIVE;
	if (qp->stopped)
		return VIRTIO_RDMA_S_INVALID_STATE;
	qp->connector = cm;
	*out = qp;
	return VIRTIO_RDMA_S_OK;
}

void qp_connect(struct vr_qp *qp, const struct backend *be,
		struct be_conn *conn)
{
	struct qp_connect_args args = { qp, be, conn };

	qp->used = true;
	worker_call(qp->be.worker, qp_worker_connect, &args);
}

void qp_detach_peer(struct vr_qp *qp)
{
	worker_call(qp->be.worker, qp_worker_detach_peer, qp);
}

/* A FLUSH_QP that waits keeps its answer; the connector's own do not */
void qp_release(struct vr_qp *qp)
{
	struct list_head *pos;

	qp->connector = NULL;
	list_for_each(pos, &qp->stops) {
		struct qp_stop_req *r = container_of(pos, struct qp_stop_req,
						     link);

		if (r->done != flushed)
			r->done = NULL;
	}
}

void be_qp_attr(const struct be_qp *be, struct be_qp_attr *out)
{
	const struct vr_qp *qp = vr_qp_of_const(be);

	*out = (struct be_qp_attr){
		.pd = qp->pd->be,
		.srq = qp->srq && qp->srq->lends ? &qp->srq->be : NULL,
		.sq_window = qp->sq.window,
		.rq_window = qp->rq.window,
		.send_sge = qp->sq.max_sge,
		.recv_sge = qp->rq.max_sge,
		.inline_data = qp->max_inline,
	};
}

uint32_t qp_handle(const struct vr_qp *qp)
{
	return qp->handle;
}

uint32_t qp_flags(const struct vr_qp *qp)
{
	return qp->flags;
}
