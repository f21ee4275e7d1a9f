/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * data_complete.c - completions of the device
 */
#include "data.h"

static struct be_conn *by_wr_id(const struct vrb_worker *w, uint64_t wr_id)
{
	uint32_t i = wr_id & ((1u << TAG_SLOT_BITS) - 1);
	struct be_conn *c = i < w->slots ? w->slot[i] : NULL;

	return c && c->tag == (wr_id & ~TAG_RECV) ? c : NULL;
}

/* ------------------------------------------------------------- how one ended */

static const struct {
	enum ibv_wc_status from;
	enum virtio_rdma_wc_status to;
} wc_statuses[] = {
	{ IBV_WC_SUCCESS, VIRTIO_RDMA_WC_SUCCESS },
	{ IBV_WC_WR_FLUSH_ERR, VIRTIO_RDMA_WC_CANCELLED },
	{ IBV_WC_LOC_LEN_ERR, VIRTIO_RDMA_WC_LOCAL_LENGTH },
	{ IBV_WC_LOC_QP_OP_ERR, VIRTIO_RDMA_WC_LOCAL_REQUEST },
	{ IBV_WC_LOC_PROT_ERR, VIRTIO_RDMA_WC_LOCAL_PROTECTION },
	{ IBV_WC_LOC_ACCESS_ERR, VIRTIO_RDMA_WC_LOCAL_PROTECTION },
	{ IBV_WC_MW_BIND_ERR, VIRTIO_RDMA_WC_LOCAL_PROTECTION },
	{ IBV_WC_REM_INV_REQ_ERR, VIRTIO_RDMA_WC_REMOTE_REQUEST },
	{ IBV_WC_REM_ACCESS_ERR, VIRTIO_RDMA_WC_REMOTE_ACCESS },
	{ IBV_WC_REM_OP_ERR, VIRTIO_RDMA_WC_REMOTE_OPERATION },
	{ IBV_WC_BAD_RESP_ERR, VIRTIO_RDMA_WC_REMOTE_OPERATION },
	{ IBV_WC_RETRY_EXC_ERR, VIRTIO_RDMA_WC_TIMED_OUT },
	{ IBV_WC_RNR_RETRY_EXC_ERR, VIRTIO_RDMA_WC_TIMED_OUT },
	{ IBV_WC_RESP_TIMEOUT_ERR, VIRTIO_RDMA_WC_TIMED_OUT },
	{ IBV_WC_REM_ABORT_ERR, VIRTIO_RDMA_WC_ABORTED },
};

enum virtio_rdma_wc_status data_status(enum ibv_wc_status from)
{
	const size_t n = sizeof(wc_statuses) / sizeof(wc_statuses[0]);

	for (size_t i = 0; i < n; i++)
		if (wc_statuses[i].from == from)
			return wc_statuses[i].to;
	return VIRTIO_RDMA_WC_INTERNAL;
}

/* A receive that we posted is well formed, so one that cannot be used is too short
 * for its message.  rxe says that of a shared one in this way. */
enum virtio_rdma_wc_status data_receive_status(enum ibv_wc_status from)
{
	return from == IBV_WC_LOC_QP_OP_ERR ? VIRTIO_RDMA_WC_LOCAL_LENGTH
					    : data_status(from);
}

/* What the device did with a window, the model does after it.  A status that is
 * not SUCCESS is the two of them at odds, and ends the queue pair. */
static enum virtio_rdma_wc_status apply(struct be_conn *c,
					const struct be_wr *wr)
{
	if (wr->opcode != VIRTIO_RDMA_OP_BIND &&
	    wr->opcode != VIRTIO_RDMA_OP_INVALIDATE)
		return VIRTIO_RDMA_WC_SUCCESS;
	return be_sq_apply(c->model_qp, wr);
}

static void complete(struct be_conn *c, struct wr_fifo *f, struct be_wr *wr,
		     enum virtio_rdma_wc_status status, uint32_t length)
{
	/* The device does not say whether the sender asked for an event: a
	 * consumer that waits for such a receive is woken by each */
	if (f == &c->rq)
		be_rq_complete(c->model_qp, wr, status, length, true);
	else
		be_sq_complete(c->model_qp, wr, status);
}

void data_report(struct be_conn *c, struct wr_fifo *f,
			 enum virtio_rdma_wc_status status, uint32_t length)
{
	struct be_wr *wr = fifo_first(f)->wr;

	/* also of one that is not completed any more: the device has done it */
	if (status == VIRTIO_RDMA_WC_SUCCESS && f == &c->sq)
		status = apply(c, wr);
	if (f->dead)
		return;
	if (status == VIRTIO_RDMA_WC_SUCCESS) {
		complete(c, f, wr, status, length);
		return;
	}
	f->dead = true;
	/* From the peer's disconnect on a failure is no news, and its consumer
	 * decides when the requests end */
	if (c->failed || !be_qp_open(c->model_qp))
		return;
	c->failed = true;
	complete(c, f, wr, status, length);
}

void data_end_bad(struct be_conn *c, struct wr_fifo *f)
{
	while (fifo_used(f) && fifo_first(f)->bad) {
		data_report(c, f, fifo_first(f)->bad, 0);
		f->got++;
	}
}

void data_note_flushed(struct be_conn *c, struct wr_fifo *f)
{
	struct vrb_worker *w = &c->vrb->w;

	f->dead = true;
	if (c->data_state != DATA_OPEN || c->in_flushed)
		return;
	c->in_flushed = true;
	c->next_flushed = w->flushed;
	w->flushed = c;
}

void data_blame_flushed(struct vrb_worker *w)
{
	while (w->flushed) {
		struct be_conn *c = w->flushed;

		w->flushed = c->next_flushed;
		c->in_flushed = false;
		if (c->failed || c->data_state != DATA_OPEN)
			continue;
		c->failed = true;
		if (be_qp_open(c->model_qp))
			be_qp_fail(c->model_qp, VIRTIO_RDMA_R_RESET);
	}
}

/* The peer's message ended a token of ours; the device has done it */
static enum virtio_rdma_wc_status invalidated(struct be_conn *c,
					      const struct ibv_wc *wc)
{
	if (wc->status || !(wc->wc_flags & IBV_WC_WITH_INV) || c->rq.dead)
		return data_receive_status(wc->status);
	return be_rq_invalidate(c->model_qp, fifo_first(&c->rq)->wr,
				wc->invalidated_rkey);
}

void data_complete(struct vrb_worker *w, const struct ibv_wc *wc)
{
	struct be_conn *c;
	struct wr_fifo *f;

	if (wc->wr_id & TAG_SRQ) {
		shared_handle(w, wc);
		return;
	}
	c = by_wr_id(w, wc->wr_id);
	if (!c)
		return;
	f = wc->wr_id & TAG_RECV ? &c->rq : &c->sq;
	if (!fifo_used(f)) {
		be_log(BE_ERROR, "%s: a completion that nobody waits for",
		       c->vrb->name);
		return;
	}
	/* what the peer sends is not progress of what we send */
	if (f == &c->sq)
		c->progress_ns = be_now();
	if (wc->status == IBV_WC_WR_FLUSH_ERR)
		data_note_flushed(c, f);
	else if (f == &c->rq)
		data_report(c, f, invalidated(c, wc), wc->byte_len);
	else
		data_report(c, f, data_status(wc->status), 0);
	f->got++;
	data_end_bad(c, f);
	if (c->data_state == DATA_OPEN)
		be_qp_wake(c->model_qp);
}

void data_poll_all(struct vrb_worker *w)
{
	struct ibv_wc wc[POLL_BATCH];
	int n;

	do {
		n = w->cq ? ibv_poll_cq(w->cq, POLL_BATCH, wc) : 0;
		for (int i = 0; i < n; i++)
			data_complete(w, &wc[i]);
	} while (n == POLL_BATCH);
	data_blame_flushed(w);
}
