/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * data_rest.c - how a queue pair starts, and how it comes to rest
 *
 * DOC: See docs/verbs.md, "Disconnect": a helper moves it to ERROR, what is
 * outstanding is waited for, and a helper destroys it.
 */
#include "data.h"

#define DRAIN_MS	2000	/* in ERROR: a device that takes longer is cut */

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
	shared_tell(&c->vrb->w, c);
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
	data_poll_all(&c->vrb->w);
	slot_give(&c->vrb->w, c);
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

bool data_drain(struct vrb_worker *w)
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
			data_poll_all(w);
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
	fifo_drop_bad(&c->sq);
	fifo_drop_bad(&c->rq);
	if (c->shared)
		shared_tell(&c->vrb->w, c);
	c->job.fn = to_error;
	c->job.done = in_error;
	c->job.back_to_worker = c->vrb;
	slow_run(c->vrb->qp_helper, &c->job);
}

/* -------------------------------------------------------- what breaks them */

/* One that nobody is stopping went to ERROR by itself.  Why may be in the
 * completion queue: that is told, then. */
static void last_in_worker(struct slow_job *job)
{
	struct be_conn *c = be_container(job, struct be_conn, last);

	data_poll_all(&c->vrb->w);
	c->last_wqe = true;
	fail_if_dead(c);
	be_post(data_errand_back, c);
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

void data_fail_ports(struct vrb_worker *w, uint64_t ports)
{
	if (ports)
		data_poll_all(w);	/* that was before */
	for (uint32_t i = 0; ports && i < w->slots; i++) {
		struct be_conn *c = w->slot[i];

		if (!c || c->data_state != DATA_OPEN || c->failed ||
		    !(ports & 1ull << (c->port % 64)))
			continue;
		c->failed = true;
		be_qp_fail(c->model_qp, VIRTIO_RDMA_R_RESET);
	}
}
