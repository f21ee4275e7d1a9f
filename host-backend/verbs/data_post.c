/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * data_post.c - requests to the device
 */
#include <string.h>

#include "data.h"

#define POST_BATCH	16

static void fifo_put(struct wr_fifo *f, struct be_wr *wr, uint8_t bad)
{
	struct fifo_entry *e = &f->entry[f->put++ & (f->size - 1)];

	e->wr = wr;
	e->bad = bad;
}

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
			fifo_drop_bad(&c->sq);
			refused(c, &c->sq, (uint32_t)(wr + n - bad), ret);
		}
	}
	data_end_bad(c, &c->sq);
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
			fifo_drop_bad(&c->rq);
			refused(c, &c->rq, (uint32_t)(wr + n - bad), ret);
		}
	}
	data_end_bad(c, &c->rq);
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
		data_report(c, &c->sq, VIRTIO_RDMA_WC_TIMED_OUT, 0);
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
