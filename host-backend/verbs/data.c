/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * data.c - requests to the device, and its completions
 *
 * DOC: Every request is signalled, and each queue keeps in order what is with
 * the device: counting is what proves that nothing is outstanding, since the
 * last resort of others, a marker posted in ERROR, is never completed by some
 * devices.  The first request that fails is completed with its status.  Those
 * behind it come back flushed, are counted and not completed: they are the
 * model's again, which ends them cancelled.
 *
 * A completion finds its connection by slot and generation in wr_id, so one
 * that is left over from a queue pair that was cut short finds nobody.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "vrb.h"

#define FIRST_CQ_SIZE	1024
#define POLL_BATCH	32
#define POST_BATCH	16
#define ACK_BATCH	64
#define DRAIN_MS	2000	/* in ERROR: a device that takes longer is cut */
#define NS_PER_MS	1000000u

#define TAG_SLOT_BITS	24

/* ------------------------------------------------------------------- states */

static const uint8_t data_next[DATA_STATE_COUNT] = {
	[DATA_APART] = 1u << DATA_OPEN,
	[DATA_OPEN] = 1u << DATA_ERRING,
	[DATA_ERRING] = 1u << DATA_DRAINING,
	[DATA_DRAINING] = 1u << DATA_LEAVING,
	[DATA_LEAVING] = 1u << DATA_APART,
};

static void data_set_state(struct be_conn *c, enum data_state to)
{
	if (data_next[c->data_state] & 1u << to)
		c->data_state = to;
	else
		be_log(BE_ERROR, "%s: queue pair: %d -> %d is no transition",
		       c->vrb->name, c->data_state, to);
}

/* -------------------------------------------------------------------- slots */

static bool slot_take(struct vrb_worker *w, struct be_conn *c)
{
	uint32_t i = w->first_free;

	c->slot = i;
	if (i == w->slots)
		return false;
	w->first_free = w->next_free[i];
	w->slot[i] = c;
	c->tag = (uint64_t)(w->generation[i] & 0x7fffffff) << TAG_SLOT_BITS | i;
	return true;
}

static void slot_give(struct vrb_worker *w, struct be_conn *c)
{
	if (c->slot == w->slots)
		return;		/* it found none */
	w->slot[c->slot] = NULL;
	w->generation[c->slot]++;
	w->next_free[c->slot] = w->first_free;
	w->first_free = c->slot;
}

static struct be_conn *by_wr_id(const struct vrb_worker *w, uint64_t wr_id)
{
	uint32_t i = wr_id & ((1u << TAG_SLOT_BITS) - 1);
	struct be_conn *c = i < w->slots ? w->slot[i] : NULL;

	return c && c->tag == (wr_id & ~TAG_RECV) ? c : NULL;
}

/* -------------------------------------------------------------------- fifos */

static uint32_t fifo_used(const struct wr_fifo *f)
{
	return f->put - f->got;
}

static struct fifo_entry *fifo_first(struct wr_fifo *f)
{
	return &f->entry[f->got & (f->size - 1)];
}

/* What was never posted is the newest, and the model's again */
static void drop_bad(struct wr_fifo *f)
{
	while (fifo_used(f) && f->entry[(f->put - 1) & (f->size - 1)].bad)
		f->put--;
	f->dead = true;
}

static void fifo_put(struct wr_fifo *f, struct be_wr *wr,
				   uint8_t bad)
{
	struct fifo_entry *e = &f->entry[f->put++ & (f->size - 1)];

	e->wr = wr;
	e->bad = bad;
}

/* --------------------------------------------------------------- completions */

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
	{ IBV_WC_RETRY_EXC_ERR, VIRTIO_RDMA_WC_TIMED_OUT },
	{ IBV_WC_RNR_RETRY_EXC_ERR, VIRTIO_RDMA_WC_TIMED_OUT },
	{ IBV_WC_RESP_TIMEOUT_ERR, VIRTIO_RDMA_WC_TIMED_OUT },
	{ IBV_WC_REM_ABORT_ERR, VIRTIO_RDMA_WC_ABORTED },
};

static enum virtio_rdma_wc_status wc_status(enum ibv_wc_status from)
{
	const size_t n = sizeof(wc_statuses) / sizeof(wc_statuses[0]);

	for (size_t i = 0; i < n; i++)
		if (wc_statuses[i].from == from)
			return wc_statuses[i].to;
	return VIRTIO_RDMA_WC_INTERNAL;
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

/* The oldest ended so.  Nothing after the first failure is completed. */
static void report_first(struct be_conn *c, struct wr_fifo *f,
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

/* Those that were never posted, when their turn has come */
static void end_bad(struct be_conn *c, struct wr_fifo *f)
{
	while (fifo_used(f) && fifo_first(f)->bad) {
		report_first(c, f, fifo_first(f)->bad, 0);
		f->got++;
	}
}

/* Flushed, and not by us.  The request that was the cause may be told of by a
 * later completion of the same batch. */
static void note_flushed(struct be_conn *c, struct wr_fifo *f)
{
	struct vrb_worker *w = &c->vrb->w;

	f->dead = true;
	if (c->data_state != DATA_OPEN || c->in_flushed)
		return;
	c->in_flushed = true;
	c->next_flushed = w->flushed;
	w->flushed = c;
}

static void blame_flushed(struct vrb_worker *w)
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
		return wc_status(wc->status);
	return be_rq_invalidate(c->model_qp, fifo_first(&c->rq)->wr,
				wc->invalidated_rkey);
}

/* ------------------------------------------------------------ shared receives */

static void poll_all(struct vrb_worker *w);

static struct be_conn **bucket(struct vrb_worker *w, uint32_t qpn)
{
	return &w->by_qpn[qpn % QPN_BUCKETS];
}

static void qpn_enter(struct vrb_worker *w, struct be_conn *c)
{
	c->next_by_qpn = *bucket(w, c->qpn);
	*bucket(w, c->qpn) = c;
}

static void qpn_leave(struct vrb_worker *w, struct be_conn *c)
{
	struct be_conn **at = bucket(w, c->qpn);

	while (*at && *at != c)
		at = &(*at)->next_by_qpn;
	if (*at)
		*at = c->next_by_qpn;
}

static struct be_conn *by_qpn(struct vrb_worker *w, uint32_t qpn)
{
	struct be_conn *c = *bucket(w, qpn);

	while (c && c->qpn != qpn)
		c = c->next_by_qpn;
	return c;
}

/*
 * Completions of shared receives that cannot be told now.  There are never more
 * than receives.
 *
 * A passive queue pair hears its peer from REP on and is attached at RTU, and
 * data may overtake the RTU.  What comes before is told when the queue pair is
 * attached, or its receive is given to others when that never happens, so a peer
 * that sends and goes takes nothing from them.
 *
 * What a queue pair had taken and was flushed is not the cause of its end, and
 * no failure is news from the peer's disconnect on: it waits for stop().
 */
struct early {
	struct early *next;
	struct ibv_wc wc;
};

static void keep_early(struct vrb_worker *w, const struct ibv_wc *wc)
{
	struct early **at = &w->early, *e = malloc(sizeof(*e));

	if (!e)
		abort();	/* a message that was acknowledged */
	while (*at)
		at = &(*at)->next;
	*e = (struct early){NULL, *wc};
	*at = e;
}

/* Takes those of one queue pair out, in order */
static struct early *take_early(struct vrb_worker *w, uint32_t qpn)
{
	struct early *mine = NULL, **last = &mine, **at = &w->early;

	while (*at) {
		struct early *e = *at;

		if (e->wc.qp_num != qpn) {
			at = &e->next;
			continue;
		}
		*at = e->next;
		e->next = NULL;
		*last = e;
		last = &e->next;
	}
	return mine;
}

static bool waits_for_stop(struct be_conn *c, const struct ibv_wc *wc)
{
	if (c->data_state != DATA_OPEN)
		return false;
	if (wc->status == IBV_WC_WR_FLUSH_ERR) {
		note_flushed(c, &c->rq);
		return true;
	}
	return c->failed || (wc->status && !be_qp_open(c->model_qp));
}

/* A message used it, or the queue pair that had taken it died: then it ends
 * cancelled */
static void handle_shared(struct vrb_worker *w, const struct ibv_wc *wc)
{
	struct be_conn *c = by_qpn(w, wc->qp_num);
	enum virtio_rdma_wc_status status = wc_status(wc->status);
	struct be_srq *srq;
	struct be_wr *wr;

	if (!c || waits_for_stop(c, wc)) {
		keep_early(w, wc);
		return;
	}
	wr = srq_take(w, wc->wr_id, &srq);
	if (!wr)
		return;
	if (!status && wc->wc_flags & IBV_WC_WITH_INV)
		status = be_rq_invalidate(c->model_qp, wr,
					  wc->invalidated_rkey);
	if (status && c->data_state == DATA_OPEN)
		c->failed = true;
	else if (status)
		status = VIRTIO_RDMA_WC_CANCELLED;
	be_srq_complete(c->model_qp, srq, wr, status, wc->byte_len, true);
	vrb_srq_posted(&c->vrb->be, srq);
}

static void tell_early(struct vrb_worker *w, uint32_t qpn)
{
	struct early *e = take_early(w, qpn), *next;

	for (; e; e = next) {
		next = e->next;
		handle_shared(w, &e->wc);
		free(e);
	}
}

static void errand_back(void *arg)
{
	conn_errand_back(arg);
}

static void forget_in_worker(struct slow_job *job)
{
	struct be_conn *c = be_container(job, struct be_conn, forget);
	struct vrb_worker *w = &c->vrb->w;
	struct early *e, *next;

	poll_all(w);
	for (e = take_early(w, c->qpn); e; e = next) {
		next = e->next;
		srq_repost(w, e->wc.wr_id);
		free(e);
	}
	be_post(errand_back, c);
}

void data_forget_early(struct be_conn *c)
{
	c->errands++;
	c->forget.done = forget_in_worker;
	data_mail(c->vrb, &c->forget);
}

static void handle_wc(struct vrb_worker *w, const struct ibv_wc *wc)
{
	struct be_conn *c;
	struct wr_fifo *f;

	if (wc->wr_id & TAG_SRQ) {
		handle_shared(w, wc);
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
		note_flushed(c, f);
	else if (f == &c->rq)
		report_first(c, f, invalidated(c, wc), wc->byte_len);
	else
		report_first(c, f, wc_status(wc->status), 0);
	f->got++;
	end_bad(c, f);
	if (c->data_state == DATA_OPEN)
		be_qp_wake(c->model_qp);
}

/* Everything that is in the completion queue now */
static void poll_all(struct vrb_worker *w)
{
	struct ibv_wc wc[POLL_BATCH];
	int n;

	do {
		n = w->cq ? ibv_poll_cq(w->cq, POLL_BATCH, wc) : 0;
		for (int i = 0; i < n; i++)
			handle_wc(w, &wc[i]);
	} while (n == POLL_BATCH);
	blame_flushed(w);
}

/* --------------------------------------------------------------------- posts */

int data_gather(struct be_wr *wr, struct ibv_sge *sge, bool *bytes)
{
	struct be_key key;
	int n = 0, ret;

	*bytes = false;
	while ((ret = be_sg_key(wr->sg, &key)) == 1) {
		if (n == VIRTIO_RDMA_MAX_SGE)
			return -EACCES;
		sge[n].addr = key.addr;
		sge[n].length = (uint32_t)key.length;
		sge[n].lkey = key.key;
		*bytes = *bytes || key.is_bytes;
		n++;
	}
	return ret < 0 ? ret : n;
}

/* What an opcode has beside its elements */
static void fill_nothing(const struct be_wr *wr, struct ibv_send_wr *out)
{
	(void)wr;
	(void)out;
}

static void fill_remote(const struct be_wr *wr, struct ibv_send_wr *out)
{
	out->wr.rdma.remote_addr = wr->remote_addr;
	out->wr.rdma.rkey = wr->remote_token;
}

static void fill_invalidate(const struct be_wr *wr, struct ibv_send_wr *out)
{
	out->invalidate_rkey = wr->remote_token;
}

static const struct {
	uint32_t from;
	unsigned int to;
} window_rights[] = {
	{ VIRTIO_RDMA_ACCESS_REMOTE_READ, IBV_ACCESS_REMOTE_READ },
	{ VIRTIO_RDMA_ACCESS_REMOTE_WRITE, IBV_ACCESS_REMOTE_WRITE },
};

static void fill_bind(const struct be_wr *wr, struct ibv_send_wr *out)
{
	const struct be_bind *b = wr->bind;
	unsigned int rights = 0;

	for (size_t i = 0; i < sizeof(window_rights) / sizeof(window_rights[0]);
	     i++)
		if (b->access & window_rights[i].from)
			rights |= window_rights[i].to;
	out->bind_mw.mw = window_ibv(b->mw);
	out->bind_mw.rkey = wr->remote_token;
	out->bind_mw.bind_info = (struct ibv_mw_bind_info){
		.mr = memory_mr(b->mr),
		.addr = b->addr,
		.length = b->length,
		.mw_access_flags = rights,
	};
}

static const struct {
	void (*fill)(const struct be_wr *wr, struct ibv_send_wr *out);
	enum ibv_wr_opcode opcode;
} ops[] = {
	[VIRTIO_RDMA_OP_SEND] = { fill_nothing, IBV_WR_SEND },
	[VIRTIO_RDMA_OP_SEND_INVALIDATE] = { fill_invalidate,
					     IBV_WR_SEND_WITH_INV },
	[VIRTIO_RDMA_OP_WRITE] = { fill_remote, IBV_WR_RDMA_WRITE },
	[VIRTIO_RDMA_OP_READ] = { fill_remote, IBV_WR_RDMA_READ },
	[VIRTIO_RDMA_OP_BIND] = { fill_bind, IBV_WR_BIND_MW },
	[VIRTIO_RDMA_OP_INVALIDATE] = { fill_invalidate, IBV_WR_LOCAL_INV },
};

/* A window or region that the device has no more, and a bind of it */
static bool is_lost(const struct be_wr *wr)
{
	return wr->opcode == VIRTIO_RDMA_OP_BIND &&
	       (!window_ibv(wr->bind->mw) || !memory_mr(wr->bind->mr));
}

static const struct {
	uint16_t from;
	unsigned int to;
} send_flags[] = {
	{ VIRTIO_RDMA_WR_READ_FENCE, IBV_SEND_FENCE },
	{ VIRTIO_RDMA_WR_SOLICIT, IBV_SEND_SOLICITED },
};

/* wr as the device wants it; a wc_status when it cannot be */
static uint8_t make_send(const struct be_conn *c, struct be_wr *wr,
			 struct ibv_send_wr *out, struct ibv_sge *sge)
{
	bool bytes;
	int n = data_gather(wr, sge, &bytes);

	if (n < 0 || is_lost(wr))
		return VIRTIO_RDMA_WC_LOCAL_PROTECTION;
	if (wr->opcode >= sizeof(ops) / sizeof(ops[0]) || !ops[wr->opcode].fill)
		return VIRTIO_RDMA_WC_INTERNAL; /* the model lets none through */
	*out = (struct ibv_send_wr){
		.wr_id = c->tag,
		.sg_list = sge,
		.num_sge = n,
		.opcode = ops[wr->opcode].opcode,
		.send_flags = IBV_SEND_SIGNALED | (bytes ? IBV_SEND_INLINE : 0),
	};
	for (size_t i = 0; i < sizeof(send_flags) / sizeof(send_flags[0]); i++)
		if (wr->flags & send_flags[i].from)
			out->send_flags |= send_flags[i].to;
	ops[wr->opcode].fill(wr, out);
	return VIRTIO_RDMA_WC_SUCCESS;
}

/* Windows are as deep as the device's queues: a refusal is its death.  What was
 * not posted is the model's again. */
static void refused(struct be_conn *c, struct wr_fifo *f, uint32_t unposted,
		    int err)
{
	f->put -= unposted;
	f->dead = true;
	be_log(BE_WARN, "%s: a request was refused: %s", c->vrb->name,
	       strerror(err));
	if (c->failed)
		return;
	c->failed = true;
	be_qp_fail(c->model_qp, VIRTIO_RDMA_R_LOCAL_ERROR);
}

/* Takes up to POST_BATCH and posts them with one call; false: there are no more */
static bool post_sends(struct be_conn *c)
{
	struct ibv_sge sge[POST_BATCH][VIRTIO_RDMA_MAX_SGE];
	struct ibv_send_wr wr[POST_BATCH], *bad = NULL;
	unsigned int n = 0;
	struct be_wr *be;
	int ret;

	while (n < POST_BATCH && !c->sq.dead &&
	       (be = be_sq_next(c->model_qp))) {
		uint8_t status = make_send(c, be, &wr[n], sge[n]);

		fifo_put(&c->sq, be, status);
		if (status)
			break;	/* nothing goes behind it */
		if (n)
			wr[n - 1].next = &wr[n];
		wr[n++].next = NULL;
	}
	if (n) {
		if (fifo_used(&c->sq) == n)
			c->progress_ns = be_now();
		ret = ibv_post_send(c->qp, wr, &bad);
		if (ret) {
			drop_bad(&c->sq);
			refused(c, &c->sq, (uint32_t)(wr + n - bad), ret);
		}
	}
	end_bad(c, &c->sq);
	return n == POST_BATCH && !c->failed;
}

static bool post_receives(struct be_conn *c)
{
	struct ibv_sge sge[POST_BATCH][VIRTIO_RDMA_MAX_SGE];
	struct ibv_recv_wr wr[POST_BATCH], *bad = NULL;
	unsigned int n = 0;
	struct be_wr *be;
	bool bytes;
	int count, ret;

	while (n < POST_BATCH && !c->rq.dead &&
	       (be = be_rq_next(c->model_qp))) {
		count = data_gather(be, sge[n], &bytes);
		fifo_put(&c->rq, be,
			 count < 0 ? VIRTIO_RDMA_WC_LOCAL_PROTECTION : 0);
		if (count < 0)
			break;
		wr[n] = (struct ibv_recv_wr){
			.wr_id = c->tag | TAG_RECV,
			.sg_list = sge[n],
			.num_sge = count,
		};
		if (n)
			wr[n - 1].next = &wr[n];
		n++;
	}
	if (n) {
		ret = ibv_post_recv(c->qp, wr, &bad);
		if (ret) {
			drop_bad(&c->rq);
			refused(c, &c->rq, (uint32_t)(wr + n - bad), ret);
		}
	}
	end_bad(c, &c->rq);
	return n == POST_BATCH && !c->failed;
}

/* The device would wait for a silent peer, or one without a receive, for ever */
static void watch_progress(struct be_conn *c)
{
	uint64_t limit = (uint64_t)be_qp_rnr_timeout_ms(c->model_qp) * NS_PER_MS;
	uint64_t end;

	if (!limit || !fifo_used(&c->sq) || c->failed)
		return;
	end = c->progress_ns + limit;
	if (be_now() >= end) {
		/* reported, but outstanding still, and counted when it ends */
		report_first(c, &c->sq, VIRTIO_RDMA_WC_TIMED_OUT, 0);
		return;
	}
	/* one that is set comes earlier: the end only moves away */
	if (c->timer_ns > be_now())
		return;
	c->timer_ns = end;
	be_qp_wake_at(c->model_qp, end);
}

bool vrb_run(struct be_conn *c)
{
	bool more;

	if (c->data_state != DATA_OPEN || c->failed)
		return false;
	more = !c->shared && post_receives(c);
	if (post_sends(c))
		more = true;
	watch_progress(c);
	return more;
}

/* ---------------------------------------------------------- attach and stop */

/* It takes no shared receive any more, and nobody has said why */
static void fail_if_dead(struct be_conn *c)
{
	if (!c->last_wqe || c->data_state != DATA_OPEN || c->failed)
		return;
	c->failed = true;
	if (be_qp_open(c->model_qp))
		be_qp_fail(c->model_qp, VIRTIO_RDMA_R_RESET);
}

void vrb_attach(struct be_conn *c, struct be_qp *qp)
{
	c->model_qp = qp;
	data_set_state(c, DATA_OPEN);
	/* there are as many slots as the device said that it has queue pairs, but
	 * MAX_SLOTS at most */
	if (!slot_take(&c->vrb->w, c)) {
		c->failed = true;
		be_qp_fail(qp, VIRTIO_RDMA_R_LOCAL_ERROR);
	}
	if (!c->shared)
		return;
	qpn_enter(&c->vrb->w, c);
	tell_early(&c->vrb->w, c->qpn);
	fail_if_dead(c);
}

/* Its queue pair goes with the connection */
void vrb_absent(struct be_conn *c)
{
	(void)c;
}

static struct be_conn *conn_of(struct slow_job *job)
{
	return be_container(job, struct be_conn, job);
}

static void destroy_qp(struct slow_job *job)
{
	conn_destroy_qp(conn_of(job));
}

static void at_rest(struct slow_job *job)
{
	struct be_conn *c = conn_of(job);
	struct be_qp *qp = c->model_qp;

	/* what it left in the completion queue goes before its room there does */
	poll_all(&c->vrb->w);
	slot_give(&c->vrb->w, c);
	qpn_leave(&c->vrb->w, c);
	data_set_state(c, DATA_APART);
	c->model_qp = NULL;
	be_qp_stopped(qp);
}

/* Of a shared queue, what was taken is not counted here: the device says when it
 * was the last, and its completion is in the queue by then */
static bool is_drained(const struct be_conn *c)
{
	if (be_qp_mute(c->model_qp))
		return true;
	return !fifo_used(&c->sq) && !fifo_used(&c->rq) &&
	       (!c->shared || c->last_wqe);
}

static void leave(struct be_conn *c)
{
	data_set_state(c, DATA_LEAVING);
	c->job.fn = destroy_qp;
	c->job.done = at_rest;
	slow_run(c->vrb->qp_helper, &c->job);
}

/* Those whose queues are empty, or whose time is up, leave */
static bool drain(struct vrb_worker *w)
{
	struct be_conn **at = &w->draining;
	bool found = false;

	while (*at) {
		struct be_conn *c = *at;
		bool late = be_now() >= c->drain_until_ns;

		if (!is_drained(c) && !late) {
			at = &c->next_draining;
			continue;
		}
		if (late && !is_drained(c))
			be_log(BE_WARN, "%s: %u sends and %u receives were not "
			       "flushed in %u ms; the queue pair is destroyed "
			       "with them", c->vrb->name, fifo_used(&c->sq),
			       fifo_used(&c->rq), DRAIN_MS);
		*at = c->next_draining;
		if (c->shared)
			poll_all(w);
		leave(c);
		found = true;
	}
	return found;
}

static void to_error(struct slow_job *job)
{
	struct ibv_qp_attr attr = {.qp_state = IBV_QPS_ERR};

	ibv_modify_qp(conn_of(job)->qp, &attr, IBV_QP_STATE);
}

static void in_error(struct slow_job *job)
{
	struct be_conn *c = conn_of(job);
	struct vrb_worker *w = &c->vrb->w;

	data_set_state(c, DATA_DRAINING);
	c->drain_until_ns = be_now() + (uint64_t)DRAIN_MS * NS_PER_MS;
	c->next_draining = w->draining;
	w->draining = c;
	be_qp_wake_at(c->model_qp, c->drain_until_ns);
}

void vrb_stop(struct be_conn *c)
{
	data_set_state(c, DATA_ERRING);
	drop_bad(&c->sq);
	drop_bad(&c->rq);
	if (c->shared)
		tell_early(&c->vrb->w, c->qpn);
	c->job.fn = to_error;
	c->job.done = in_error;
	c->job.back_to_worker = c->vrb;
	slow_run(c->vrb->qp_helper, &c->job);
}

/* --------------------------------------------------------------------- polls */

static void wake_worker(struct vrb_worker *w)
{
	const uint64_t one = 1;

	atomic_store(&w->has_mail, true);
	if (write(w->mail_fd, &one, sizeof(one)) < 0)
		return;		/* EAGAIN: it is readable already */
}

void data_mail(struct vrb *v, struct slow_job *job)
{
	struct vrb_worker *w = &v->w;

	job->next = NULL;
	pthread_mutex_lock(&w->lock);
	*w->last_mail = job;
	w->last_mail = &job->next;
	pthread_mutex_unlock(&w->lock);
	wake_worker(w);
}

static struct slow_job *take_mail(struct vrb_worker *w)
{
	struct slow_job *mail;
	uint64_t count;

	atomic_store(&w->has_mail, false);
	if (read(w->mail_fd, &count, sizeof(count)) < 0 && errno != EAGAIN)
		return NULL;
	pthread_mutex_lock(&w->lock);
	mail = w->mail;
	w->mail = NULL;
	w->last_mail = &w->mail;
	pthread_mutex_unlock(&w->lock);
	return mail;
}

void data_lose_ports(struct vrb *v, uint64_t ports)
{
	atomic_fetch_or(&v->w.lost_ports, ports);
	wake_worker(&v->w);
}

/* One that nobody is stopping went to ERROR by itself.  Why may be in the
 * completion queue: that is told, then. */
static void last_in_worker(struct slow_job *job)
{
	struct be_conn *c = be_container(job, struct be_conn, last);

	poll_all(&c->vrb->w);
	c->last_wqe = true;
	fail_if_dead(c);
	be_post(errand_back, c);
}

void data_last_wqe(struct be_conn *c)
{
	if (c->last_sent)
		return;
	c->last_sent = true;
	c->errands++;
	c->last.done = last_in_worker;
	data_mail(c->vrb, &c->last);
}

static void lose_ports(struct vrb_worker *w, uint64_t ports)
{
	if (ports)
		poll_all(w);	/* that was before */
	for (uint32_t i = 0; ports && i < w->slots; i++) {
		struct be_conn *c = w->slot[i];

		if (!c || c->data_state != DATA_OPEN || c->failed ||
		    !(ports & 1ull << (c->port % 64)))
			continue;
		c->failed = true;
		be_qp_fail(c->model_qp, VIRTIO_RDMA_R_RESET);
	}
}

static bool read_mail(struct vrb_worker *w)
{
	struct slow_job *job, *next;

	if (!atomic_load_explicit(&w->has_mail, memory_order_acquire))
		return false;
	for (job = take_mail(w); job; job = next) {
		next = job->next;
		job->done(job);
	}
	lose_ports(w, atomic_exchange(&w->lost_ports, 0));
	return true;
}

static void ack_events(struct vrb_worker *w)
{
	if (w->events_unacked)
		ibv_ack_cq_events(w->cq, w->events_unacked);
	w->events_unacked = 0;
}

/* Takes what woke us, so that the descriptor is quiet again */
static void drain_channel(struct vrb_worker *w)
{
	struct ibv_cq *cq;
	void *context;

	while (!ibv_get_cq_event(w->channel, &cq, &context))
		w->events_unacked++;
	if (w->events_unacked >= ACK_BATCH)
		ack_events(w);
	w->armed = false;
}

bool vrb_poll(struct backend *be)
{
	struct vrb_worker *w = &vrb_of(be)->w;
	struct ibv_wc wc[POLL_BATCH];
	bool found = read_mail(w);
	int n;

	if (!w->cq)
		return found;
	if (w->armed)
		drain_channel(w);
	n = ibv_poll_cq(w->cq, POLL_BATCH, wc);
	for (int i = 0; i < n; i++)
		handle_wc(w, &wc[i]);
	if (w->flushed)
		blame_flushed(w);
	if (w->draining && drain(w))
		found = true;
	return found || n > 0;
}

void vrb_arm(struct backend *be)
{
	struct vrb_worker *w = &vrb_of(be)->w;

	if (!w->cq)
		return;
	w->armed = true;
	ibv_req_notify_cq(w->cq, 0);
}

int vrb_poll_fd(const struct backend *be)
{
	return ((const struct vrb *)be)->w.epoll;
}

/* ------------------------------------------------------------- start and end */

static int watch(int epoll, int fd)
{
	struct epoll_event ev = {.events = EPOLLIN};

	return epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &ev) ? -errno : 0;
}

static int open_slots(struct vrb_worker *w, uint32_t slots)
{
	w->slots = slots;
	w->slot = calloc(slots, sizeof(*w->slot));
	w->generation = calloc(slots, sizeof(*w->generation));
	w->next_free = calloc(slots, sizeof(*w->next_free));
	if (!w->slot || !w->generation || !w->next_free)
		return -ENOMEM;
	for (uint32_t i = 0; i < slots; i++)
		w->next_free[i] = i + 1;
	return 0;
}

static int open_cq(struct vrb *v)
{
	struct vrb_worker *w = &v->w;

	w->size = FIRST_CQ_SIZE;
	if (w->size > (uint32_t)v->attr.max_cqe)
		w->size = (uint32_t)v->attr.max_cqe;
	w->channel = ibv_create_comp_channel(v->ctx);
	if (!w->channel)
		return -errno;
	if (set_nonblocking(w->channel->fd))
		return -errno;
	w->cq = ibv_create_cq(v->ctx, (int)w->size, NULL, w->channel, 0);
	return w->cq ? 0 : -errno;
}

int data_start(struct vrb *v)
{
	struct vrb_worker *w = &v->w;
	int ret;

	pthread_mutex_init(&w->lock, NULL);
	w->last_mail = &w->mail;
	w->mail_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (w->mail_fd < 0)
		return -errno;
	w->epoll = epoll_create1(EPOLL_CLOEXEC);
	if (w->epoll < 0)
		return -errno;
	ret = open_slots(w, v->be.limits.qp);
	if (!ret)
		ret = open_cq(v);
	if (!ret)
		ret = watch(w->epoll, w->mail_fd);
	if (!ret)
		ret = watch(w->epoll, w->channel->fd);
	return ret;
}

static void close_cq(struct vrb_worker *w)
{
	if (w->cq) {
		ack_events(w);
		ibv_destroy_cq(w->cq);
	}
	w->cq = NULL;
	if (w->channel)
		ibv_destroy_comp_channel(w->channel);
	w->channel = NULL;
}

/* be_post() keeps the order in which the worker speaks */
static void pass_barrier(struct slow_job *job)
{
	struct be_conn *c = be_container(job, struct be_conn, barrier);

	poll_all(&c->vrb->w);
	be_post(c->after_barrier, c);
}

void data_barrier(struct be_conn *c, void (*done)(void *c))
{
	c->errands++;
	c->after_barrier = done;
	c->barrier.done = pass_barrier;
	data_mail(c->vrb, &c->barrier);
}

static void cq_closed(void *arg)
{
	struct vrb *v = arg;

	v->cq_closed(v);
}

/* In the worker, which would poll it */
static void close_cq_job(struct slow_job *job)
{
	struct vrb *v = be_container(job, struct vrb, closing);

	close_cq(&v->w);
	be_post(cq_closed, v);
}

void data_close_cq(struct vrb *v, void (*done)(struct vrb *v))
{
	v->cq_closed = done;
	v->closing.done = close_cq_job;
	data_mail(v, &v->closing);
}

void data_stop(struct vrb *v)
{
	struct vrb_worker *w = &v->w;

	close_cq(w);
	if (w->mail_fd >= 0)
		close(w->mail_fd);
	if (w->epoll >= 0)
		close(w->epoll);
	while (w->early) {
		struct early *e = w->early;

		w->early = e->next;
		free(e);
	}
	free(w->slot);
	free(w->generation);
	free(w->next_free);
	pthread_mutex_destroy(&w->lock);
}
