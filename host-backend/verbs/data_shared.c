/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * data_shared.c - completions of shared receives, and those that wait
 *
 * DOC: Whose a receive was is in its completion, by the number of the queue
 * pair.  Some cannot be told at once: see struct kept.
 */
#include <stdlib.h>

#include "data.h"

/* ------------------------------------------------------------- by their numbers */

static struct be_conn **bucket(struct vrb_worker *w, uint32_t qpn)
{
	return &w->by_qpn[qpn % QPN_BUCKETS];
}

static struct be_conn *by_qpn(struct vrb_worker *w, uint32_t qpn)
{
	struct be_conn *c = *bucket(w, qpn);

	while (c && c->qpn != qpn)
		c = c->next_by_qpn;
	return c;
}

/* ------------------------------------------------------------- those that wait */

/*
 * Completions of shared receives that cannot be told now.  There are never more
 * than receives.  The device may give a number to another as soon as its queue
 * pair is destroyed, so whose they are is noted as they are found.
 *
 * A passive queue pair hears its peer from REP on and is attached at RTU, and
 * data may overtake the RTU.  What comes before is told when the queue pair is
 * attached, or its receive is given to others when that never happens, so a peer
 * that sends and goes takes nothing from them.
 *
 * What a queue pair had taken and was flushed is not the cause of its end, and
 * no failure is news from the peer's disconnect on: it waits for stop().
 */
struct kept {
	struct kept *next;
	const struct be_conn *conn;
	struct ibv_wc wc;
};

static void keep(struct vrb_worker *w, const struct be_conn *c,
		 const struct ibv_wc *wc)
{
	struct kept **at = &w->kept, *e = malloc(sizeof(*e));

	if (!e)
		abort();	/* a message that was acknowledged */
	while (*at)
		at = &(*at)->next;
	*e = (struct kept){NULL, c, *wc};
	*at = e;
}

/* Takes those of one queue pair out, in order */
static struct kept *take_kept(struct vrb_worker *w, const struct be_conn *c)
{
	struct kept *mine = NULL, **last = &mine, **at = &w->kept;

	while (*at) {
		struct kept *e = *at;

		if (e->conn != c) {
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

static bool must_wait(struct be_conn *c, const struct ibv_wc *wc)
{
	if (c->data_state != DATA_OPEN)
		return c->data_state == DATA_APART;
	if (wc->status == IBV_WC_WR_FLUSH_ERR) {
		data_note_flushed(c, &c->rq);
		return true;
	}
	return c->failed || (wc->status && !be_qp_open(c->model_qp));
}

/* A message used it, or the queue pair that had taken it died: then it ends
 * cancelled */
void shared_handle(struct vrb_worker *w, const struct ibv_wc *wc)
{
	struct be_conn *c = by_qpn(w, wc->qp_num);
	enum virtio_rdma_wc_status status = data_receive_status(wc->status);
	struct be_srq *srq;
	struct be_wr *wr;

	if (!c) {
		srq_repost(w, wc->wr_id);	/* late, of one that is gone */
		return;
	}
	if (must_wait(c, wc)) {
		keep(w, c, wc);
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

void shared_tell(struct vrb_worker *w, struct be_conn *c)
{
	struct kept *e = take_kept(w, c), *next;

	for (; e; e = next) {
		next = e->next;
		shared_handle(w, &e->wc);
		free(e);
	}
}

/* ------------------------------------------------- from the control thread */

/* What is in the completion queue now is of others that had the number */
static void enter(void *arg)
{
	struct be_conn *c = arg;
	struct vrb_worker *w = &c->vrb->w;

	data_poll_all(w);
	c->next_by_qpn = *bucket(w, c->qpn);
	*bucket(w, c->qpn) = c;
}

void shared_enter(struct be_conn *c)
{
	data_call(c->vrb, enter, c);
}

static void leave(struct vrb_worker *w, const struct be_conn *c)
{
	struct be_conn **at = bucket(w, c->qpn);

	while (*at && *at != c)
		at = &(*at)->next_by_qpn;
	if (*at)
		*at = c->next_by_qpn;
}

static void forget_in_worker(struct slow_job *job)
{
	struct be_conn *c = be_container(job, struct be_conn, forget);
	struct vrb_worker *w = &c->vrb->w;
	struct kept *e, *next;

	data_poll_all(w);
	leave(w, c);
	for (e = take_kept(w, c); e; e = next) {
		next = e->next;
		srq_repost(w, e->wc.wr_id);
		free(e);
	}
	be_post(data_errand_back, c);
}

void shared_forget(struct be_conn *c)
{
	c->errands++;
	c->forget.done = forget_in_worker;
	data_mail(c->vrb, &c->forget);
}

void shared_stop(struct vrb_worker *w)
{
	while (w->kept) {
		struct kept *e = w->kept;

		w->kept = e->next;
		free(e);
	}
}
