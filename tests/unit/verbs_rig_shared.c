/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * verbs_rig_shared.c - what several queue pairs have together: shared receive
 * queues, and windows, whose tokens are all queue pairs' to end
 *
 * DOC: As the model does it.  It asserts that a shared receive is told once, to
 * a queue pair that uses the queue, with a failure only where that is news; and
 * that each bind is made true once.
 */
#include <errno.h>

#include "verbs_rig.h"

/* ------------------------------------------------------- shared receive queues */

int rig_srq_create(unsigned int host, uint32_t window, struct rig_srq **out)
{
	struct rig_host *h = &rig.host[host];
	struct rig_srq *s = rig_alloc(sizeof(*s));
	int ret;

	s->host = host;
	s->srq.pd = h->pd;
	s->srq.window = window;
	s->srq.max_sge = 4;
	ret = h->be->srq_create(h->be, &s->srq);
	if (ret) {
		ck_assert_msg(ret == -ENOMEM || ret == -ENODEV,
			      "a shared queue's answer is %d", ret);
		ck_assert_ptr_null(s->srq.priv);
		free(s);
		return ret;
	}
	s->wr = rig_alloc(RIG_WRS * sizeof(*s->wr));
	s->next = rig.srqs;
	rig.srqs = s;
	*out = s;
	return 0;
}

struct rig_srq *rig_srq(unsigned int host, uint32_t window)
{
	struct rig_srq *s = NULL;

	ck_assert_int_eq(rig_srq_create(host, window, &s), 0);
	return s;
}

void rig_srq_destroy(struct rig_srq *s)
{
	struct rig_host *h = &rig.host[s->host];

	s->woken = false;	/* its bell was taken down */
	h->be->srq_destroy(h->be, &s->srq);
	ck_assert_ptr_null(s->srq.priv);
}

void rig_srq_post(struct rig_srq *s, uint64_t off, uint64_t length)
{
	ck_assert_uint_lt(s->posted, RIG_WRS);
	rig_fill_wr(&s->wr[s->posted++], s->host, off, length);
	s->woken = true;
}

struct be_wr *be_srq_next(struct be_srq *srq)
{
	struct rig_srq *s = (struct rig_srq *)(void *)srq;

	if (s->taken == s->posted || s->taken - s->ended == srq->window)
		return NULL;
	return &s->wr[s->taken++].wr;
}

void be_srq_complete(struct be_qp *qp, struct be_srq *srq, struct be_wr *wr,
		     enum virtio_rdma_wc_status status, uint32_t length,
		     bool solicited)
{
	struct rig_srq *s = (struct rig_srq *)(void *)srq;
	struct rig_wr *w = (struct rig_wr *)(void *)wr;

	(void)solicited;
	rig_assert_live(qp);
	ck_assert_ptr_eq(qp->attr.srq, srq);
	ck_assert(w >= s->wr && w < s->wr + s->taken);
	ck_assert_msg(!w->ended, "a shared receive ended twice");
	w->ended = true;
	w->status = status;
	w->received = length;
	w->user = qp;
	w->order = qp->shared_ended++;
	s->ended++;
	if (qp->stopping) {
		ck_assert_msg(!status || status == VIRTIO_RDMA_WC_CANCELLED,
			      "%d, of one that is being stopped", status);
		return;
	}
	ck_assert_msg(!qp->failing, "a receive ended behind what failed");
	if (status) {
		ck_assert_msg(be_qp_open(qp), "a failure that is nobody's news");
		qp->failing = true;
	}
}

void rig_assert_shared(const struct rig_srq *s, uint32_t n,
		       const struct be_qp *qp, uint32_t order,
		       enum virtio_rdma_wc_status want)
{
	ck_assert_msg(s->wr[n].ended, "receive %u has not ended", n);
	ck_assert_ptr_eq(s->wr[n].user, qp);
	ck_assert_uint_eq(s->wr[n].order, order);
	ck_assert_int_eq(s->wr[n].status, want);
}

/* --------------------------------------------------------------------- windows */

static void mw_done(struct be_mw *mw, int err)
{
	struct rig_mw *m = (struct rig_mw *)(void *)mw;

	ck_assert_msg(!err || err == -ENOMEM || err == -ENODEV,
		      "a window's answer is %d", err);
	m->answers++;
	m->err = err;
}

struct rig_mw *rig_mw_create(unsigned int host)
{
	struct rig_host *h = &rig.host[host];
	struct rig_mw *m = rig_alloc(sizeof(*m));

	m->host = host;
	m->mw.pd = h->pd;
	m->mw.done = mw_done;
	m->next = rig.mws;
	rig.mws = m;
	h->be->mw_create(h->be, &m->mw);
	return m;
}

struct rig_mw *rig_mw(unsigned int host)
{
	struct rig_mw *m = rig_mw_create(host);

	rig_settle();
	ck_assert_uint_eq(m->answers, 1);
	ck_assert_int_eq(m->err, 0);
	return m;
}

void rig_mw_destroy(struct rig_mw *m)
{
	struct rig_host *h = &rig.host[m->host];

	m->token = 0;
	h->be->mw_destroy(h->be, &m->mw);
}

static struct rig_mw *bound_as(const struct be_qp *qp, uint32_t token)
{
	struct rig_mw *m = rig.mws;

	while (m && (m->qp != qp || m->token != token))
		m = m->next;
	return m;
}

static enum virtio_rdma_wc_status bind_window(struct be_qp *qp,
					      const struct be_wr *wr)
{
	struct rig_mw *m = (struct rig_mw *)(void *)wr->bind->mw;

	if (m->token)
		return VIRTIO_RDMA_WC_LOCAL_PROTECTION;
	m->token = wr->remote_token;
	m->qp = qp;
	return VIRTIO_RDMA_WC_SUCCESS;
}

static enum virtio_rdma_wc_status invalidate(const struct be_qp *qp,
					     uint32_t token)
{
	struct rig_mw *m = bound_as(qp, token);

	if (!m)
		return VIRTIO_RDMA_WC_LOCAL_PROTECTION;
	m->token = 0;
	return VIRTIO_RDMA_WC_SUCCESS;
}

enum virtio_rdma_wc_status be_sq_apply(struct be_qp *qp, const struct be_wr *wr)
{
	struct rig_wr *w = (struct rig_wr *)(uintptr_t)wr;

	rig_assert_live(qp);
	ck_assert_msg(!w->applied, "a request was applied twice");
	w->applied = true;
	return wr->opcode == VIRTIO_RDMA_OP_BIND ? bind_window(qp, wr) :
		invalidate(qp, wr->remote_token);
}

enum virtio_rdma_wc_status be_rq_invalidate(struct be_qp *qp, struct be_wr *wr,
					    uint32_t token)
{
	enum virtio_rdma_wc_status status = invalidate(qp, token);

	rig_assert_live(qp);
	if (status)
		return status;
	wr->opcode = VIRTIO_RDMA_OP_RECEIVE_INVALIDATE;
	wr->remote_token = token;
	return VIRTIO_RDMA_WC_SUCCESS;
}

void rig_post_bind(struct be_qp *qp, struct rig_mw *m, uint32_t token,
		   uint64_t off, uint64_t length, uint32_t access)
{
	struct rig_wr *w = rig_post_to(qp, &qp->sq, 0, 0);

	w->bind = (struct be_bind){
		.mw = &m->mw,
		.mr = &rig.host[qp->host].mr.mr,
		.addr = RIG_VA + off,
		.length = length,
		.access = access,
	};
	w->wr.bind = &w->bind;
	w->wr.opcode = VIRTIO_RDMA_OP_BIND;
	w->wr.remote_token = token;
}

void rig_post_invalidate(struct be_qp *qp, uint32_t token)
{
	struct rig_wr *w = rig_post_to(qp, &qp->sq, 0, 0);

	w->wr.opcode = VIRTIO_RDMA_OP_INVALIDATE;
	w->wr.remote_token = token;
}

void rig_post_send_invalidate(struct be_qp *qp, uint64_t off, uint64_t length,
			      uint32_t token)
{
	struct rig_wr *w = rig_post_to(qp, &qp->sq, off, length);

	w->wr.opcode = VIRTIO_RDMA_OP_SEND_INVALIDATE;
	w->wr.remote_token = token;
}

/* --------------------------------------------------------------------- the end */

void rig_stop_shared(unsigned int host)
{
	for (struct rig_srq *s = rig.srqs; s; s = s->next)
		if (s->host == host && s->srq.priv)
			rig_srq_destroy(s);
	rig.host[host].srq = NULL;
	for (struct rig_mw *m = rig.mws; m; m = m->next)
		if (m->host == host && m->mw.priv) {
			uint32_t answers = m->answers;

			rig_mw_destroy(m);
			rig_settle();
			ck_assert_uint_eq(m->answers, answers + 1);
			m->mw.priv = NULL;
		}
}

void rig_forget_shared(void)
{
	struct rig_srq *s;
	struct rig_mw *m;

	while ((s = rig.srqs)) {
		rig.srqs = s->next;
		free(s->wr);
		free(s);
	}
	while ((m = rig.mws)) {
		rig.mws = m->next;
		free(m);
	}
}
