/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * conn.c - the life of a connection and of its hardware queue pair
 *
 * DOC: conn_new() is the only birth and conn_end() the only death.  What is
 * destroyed may block (it waits for events that are being delivered and for
 * the device), so a helper does it, and the structure goes in the control
 * thread behind everything that may still name it there.  An identifier alone
 * is destroyed at once where nothing can block.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "vrb.h"

#define CQ_SPARE	 64	/* stale entries of what was cut short */
#define QPN_TRIES	 8
#define MIN_RNR_TIMER	 12	/* 0.64 ms: a receive comes soon, or not at all */
#define RNR_FOR_EVER	 7
#define RETRIES		 7

uint64_t vrb_now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

/* ------------------------------------------------------------------- states */

static const uint8_t cm_next[CM_STATE_COUNT] = {
	[CM_RESOLVING] = 1u << CM_REQUESTED | 1u << CM_OVER,
	[CM_REQUESTED] = 1u << CM_ACCEPTED | 1u << CM_OVER,
	[CM_ACCEPTED] = 1u << CM_ESTABLISHED | 1u << CM_OVER,
	[CM_ESTABLISHED] = 1u << CM_OVER,
	[CM_OVER] = 1u << CM_OVER, /* said once, whoever says it */
};

void cm_set_state(struct be_conn *c, enum cm_state to)
{
	if (cm_next[c->cm_state] & 1u << to)
		c->cm_state = to;
	else
		be_log(BE_ERROR, "%s: connection: %d -> %d is no transition",
		       c->vrb->name, c->cm_state, to);
}

/* --------------------------------------------------------------------- life */

struct be_conn *conn_new(struct vrb *v, void *cm)
{
	struct be_conn *c = calloc(1, sizeof(*c));

	if (!c)
		return NULL;
	c->vrb = v;
	c->cm = cm;
	c->next = v->conns;
	v->conns = c;
	return c;
}

static void unlink_conn(struct be_conn *c)
{
	struct be_conn **at = &c->vrb->conns;

	while (*at != c)
		at = &(*at)->next;
	*at = c->next;
}

/* When it returns the device does not touch memory because of it any more */
void conn_destroy_qp(struct be_conn *c)
{
	struct ibv_qp *qp = c->qp;
	int ret;

	c->qp = NULL;
	if (!qp)
		return;
	/* before the number is free */
	qpn_rest(&c->vrb->resting, qp->qp_num, vrb_now_ns() + c->rest_ns);
	ret = ibv_destroy_qp(qp);
	if (ret)
		be_log(BE_ERROR, "%s: cannot destroy a queue pair: %s",
		       c->vrb->name, strerror(ret));
}

static struct be_conn *conn_of(struct slow_job *end)
{
	return be_container(end, struct be_conn, end);
}

/* A helper: the queue pair first, so that what the peer hears of the end is
 * true, then the identifier, which says it if nobody has */
static void destroy(struct slow_job *job)
{
	struct be_conn *c = conn_of(job);

	conn_destroy_qp(c);
	if (c->id)
		rdma_destroy_id(c->id);
}

/* Back to the others: also of a queue pair that could not be made, since an
 * accept may be tried again, with another shape */
static void give_room(struct be_conn *c)
{
	c->vrb->w.credits -= c->credits;
	c->credits = 0;
	free(c->sq.entry);
	free(c->rq.entry);
	c->sq.entry = c->rq.entry = NULL;
}

static void free_conn(struct be_conn *c)
{
	struct vrb *v = c->vrb;

	give_room(c);
	unlink_conn(c);
	free(c);
	device_check_gone(v);
}

static void destroyed(struct slow_job *job)
{
	struct be_conn *c = conn_of(job);

	c->ended = true;
	if (c->shared)
		shared_forget(c);
	if (!c->errands)
		free_conn(c);
}

bool conn_errand_back(struct be_conn *c)
{
	c->errands--;
	if (!c->ended)
		return true;
	if (!c->errands)
		free_conn(c);
	return false;
}

void conn_end(struct be_conn *c)
{
	c->cm_state = CM_OVER;
	c->cm = NULL;
	/* The port is free when the guest hears of the end, if it can be: this
	 * thread acknowledges what rdma_destroy_id() waits for */
	if (c->id && !c->qp && !c->vrb->in_event) {
		rdma_destroy_id(c->id);
		c->id = NULL;
	}
	c->end.fn = destroy;
	c->end.done = destroyed;
	slow_run(c->vrb->qp_helper, &c->end);
}

/* --------------------------------------------------------------- queue pair */

static uint32_t pow2_at_least(uint32_t n)
{
	uint32_t p = 1;

	while (p < n)
		p *= 2;
	return p;
}

static int fifo_init(struct wr_fifo *f, uint32_t window)
{
	f->size = pow2_at_least(window);
	f->entry = calloc(f->size, sizeof(*f->entry));
	return f->entry ? 0 : -ENOMEM;
}

/* Room in the completion queue for all that this one may have outstanding */
int cq_take_credits(struct vrb *v, uint32_t wanted, uint32_t *got)
{
	uint32_t need = v->w.credits + wanted + CQ_SPARE, size = v->w.size;
	int ret;

	while (size < need)
		size *= 2;
	if (size > (uint32_t)v->attr.max_cqe)
		size = (uint32_t)v->attr.max_cqe;
	if (size < need) {
		be_log(BE_WARN, "%s: its completion queue is full at %u entries: "
		       "no more connections", v->name, v->w.size);
		return -ENOMEM;
	}
	if (size > v->w.size) {
		ret = ibv_resize_cq(v->w.cq, (int)size);
		if (ret) {
			be_log(BE_WARN, "%s: a completion queue of %u entries: %s; "
			       "no more connections", v->name, size,
			       strerror(ret));
			return -ENOMEM;
		}
		v->w.size = size;
	}
	v->w.credits += wanted;
	*got = wanted;
	return 0;
}

/* A number that has rested; those that have not are set aside meanwhile */
static struct ibv_qp *create_rested(struct vrb *v, struct ibv_pd *pd,
				    struct ibv_qp_init_attr *init)
{
	struct ibv_qp *aside[QPN_TRIES], *qp = NULL;
	unsigned int n = 0;
	bool more = true;

	while (more && n < QPN_TRIES) {
		struct ibv_qp_init_attr copy = *init; /* it is written to */

		qp = ibv_create_qp(pd, &copy);
		more = qp && qpn_is_resting(&v->resting, qp->qp_num,
					    vrb_now_ns());
		if (more)
			aside[n++] = qp;
	}
	if (more)
		be_log(BE_WARN, "%s: cannot create a queue pair: the device has "
		       "only numbers that rest", v->name);
	else if (!qp)
		be_log(BE_WARN, "%s: cannot create a queue pair: %s", v->name,
		       strerror(errno));
	while (n)
		ibv_destroy_qp(aside[--n]);
	return more ? NULL : qp;
}

static int to_init(struct be_conn *c)
{
	struct ibv_qp_attr attr = {.qp_state = IBV_QPS_INIT};
	int mask = 0;

	if (rdma_init_qp_attr(c->id, &attr, &mask))
		return -errno;
	/* Access is checked by region; atomics are not ours to offer, though
	 * the manager proposes them once there are reads */
	attr.qp_access_flags = IBV_ACCESS_REMOTE_WRITE | IBV_ACCESS_REMOTE_READ;
	return -ibv_modify_qp(c->qp, &attr, mask);
}

/* What a queue pair of this shape needs; -ENOMEM */
static int take_room(struct be_conn *c, const struct be_qp_attr *want)
{
	c->shared = want->srq;
	if (fifo_init(&c->sq, want->sq_window) ||
	    fifo_init(&c->rq, c->shared ? 1 : want->rq_window))
		return -ENOMEM;
	return cq_take_credits(c->vrb,
			       c->sq.size + (c->shared ? 0 : c->rq.size),
			       &c->credits);
}

int conn_create_qp(struct be_conn *c, struct be_qp *qp)
{
	struct vrb *v = c->vrb;
	struct be_qp_attr want;
	struct ibv_qp_init_attr init;

	be_qp_attr(qp, &want);
	if (v->gone || !want.pd || !want.pd->pd)
		return -ENODEV;
	if (take_room(c, &want)) {
		give_room(c);
		return -ENOMEM;
	}
	init = (struct ibv_qp_init_attr){
		.qp_context = c,
		.send_cq = v->w.cq,
		.recv_cq = v->w.cq,
		.srq = c->shared ? srq_ibv(want.srq) : NULL,
		.qp_type = IBV_QPT_RC,
		.cap = {
			.max_send_wr = c->sq.size,
			.max_recv_wr = c->shared ? 0 : c->rq.size,
			.max_send_sge = want.send_sge ? want.send_sge : 1,
			.max_recv_sge = want.recv_sge ? want.recv_sge : 1,
			.max_inline_data = want.inline_data,
		},
	};
	c->qp = create_rested(v, want.pd->pd, &init);
	if (!c->qp) {
		give_room(c);
		return -ENOMEM;
	}
	c->port = c->id->port_num;
	c->qpn = c->qp->qp_num;
	if (c->shared)
		shared_enter(c);
	return to_init(c);
}

static int to_rtr(struct be_conn *c, const struct be_read_limits *limits)
{
	struct ibv_qp_attr attr = {.qp_state = IBV_QPS_RTR};
	int mask = 0;

	if (rdma_init_qp_attr(c->id, &attr, &mask))
		return -errno;
	attr.max_dest_rd_atomic = (uint8_t)limits->inbound;
	attr.min_rnr_timer = MIN_RNR_TIMER;
	return -ibv_modify_qp(c->qp, &attr,
			      mask | IBV_QP_MAX_DEST_RD_ATOMIC |
				      IBV_QP_MIN_RNR_TIMER);
}

/*
 * A receiver without a receive is asked again and again: six times, which is
 * the most that is not for ever, is over in milliseconds, and a guest that was
 * not scheduled is no error.  The end of patience is rnr-timeout-ms, kept in
 * data_post.c.
 */
static int to_rts(struct be_conn *c, const struct be_read_limits *limits)
{
	struct ibv_qp_attr attr = {.qp_state = IBV_QPS_RTS};
	int mask = 0;

	if (rdma_init_qp_attr(c->id, &attr, &mask))
		return -errno;
	attr.max_rd_atomic = (uint8_t)limits->outbound;
	attr.rnr_retry = RNR_FOR_EVER;
	attr.retry_cnt = RETRIES;
	/* as long as a packet may be under way, by the path's own estimate */
	c->rest_ns = 4096ull << attr.timeout;
	return -ibv_modify_qp(c->qp, &attr,
			      mask | IBV_QP_MAX_QP_RD_ATOMIC |
				      IBV_QP_RNR_RETRY | IBV_QP_RETRY_CNT);
}

int conn_connect_qp(struct be_conn *c, const struct be_read_limits *limits)
{
	int ret = to_rtr(c, limits);

	return ret ? ret : to_rts(c, limits);
}
