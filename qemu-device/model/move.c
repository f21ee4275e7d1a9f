/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * move.c - guests change workers
 *
 * DOC: What a worker has of a guest is places in its lists: contexts, watched
 * queue pairs, turns, timers, the dying, shared queues that have something to
 * offer.  The tables and the objects themselves are the guest's.  So the one
 * worker takes them off its lists, by a worker_call(), then nobody's they are
 * noted to be the other's, and it puts them on its own, by another.
 *
 * Between the two calls the context pages say AWAKE: who posts sets a bit and does
 * not kick, and the new worker's next pass finds it.  Backends are not polled in
 * between; their descriptors are edge-triggered and asked anew when they are
 * turned on, and so are kicks.  Nothing here can fail.
 */
#include "cq.h"
#include "mr.h"
#include "place.h"
#include "qp.h"
#include "session.h"
#include "srq.h"
#include "timer_wheel.h"
#include "watch.h"
#include "worker.h"

struct move {
	struct model *model;
	uint64_t guests;
	struct worker *from;
	struct worker *to;
	/* what does not show where it was */
	struct list_head timers;	/* vr_qp.timer.link */
	struct list_head dying;		/* vr_qp.dying */
	struct list_head offering;	/* vr_srq.offering */
};

static void for_each_guest(struct move *m,
			   void (*fn)(struct move *m, struct guest *g))
{
	for (uint64_t left = m->guests; left; left &= left - 1)
		fn(m, m->model->guest[__builtin_ctzll(left)]);
}

static void set_aside(struct list_head *link, struct list_head *list)
{
	if (!list_empty(link))
		list_move_tail(link, list);
}

/* ------------------------------------------------------------ the old worker */

static void qps_leave(struct move *m, struct guest_data *d)
{
	struct list_head *pos;

	list_for_each(pos, &d->qps) {
		struct vr_qp *qp = container_of(pos, struct vr_qp, of_guest);

		worker_unwatch(m->from, qp);
		wheel_take(worker_wheel(m->from), &qp->timer, &m->timers);
		set_aside(&qp->dying, &m->dying);
	}
}

static void guest_leaves(struct move *m, struct guest *g)
{
	struct vr_context *ctx;
	struct vr_srq *srq;
	struct vr_cq *cq;
	uint32_t pos = 0;

	while ((ctx = handle_next(&g->contexts, &pos)))
		worker_del_context(m->from, ctx);
	qps_leave(m, &g->data);
	for (pos = 0; (srq = handle_next(&g->srqs, &pos));)
		set_aside(&srq->offering, &m->offering);
	for (pos = 0; (cq = handle_next(&g->cqs, &pos));)
		cq_hold_pause(cq);
	/* last: whoever was watched may have been given a turn just now */
	list_del(&g->data.runnable);
}

static void leave(void *arg)
{
	for_each_guest(arg, guest_leaves);
}

/* ------------------------------------------------------------ nobody's, then */

static void change_hands(struct move *m, struct guest *g)
{
	struct list_head *pos;
	struct vr_cq *cq;
	uint32_t at = 0;

	g->data.worker = m->to;
	g->data.bell_round = 0;
	list_for_each(pos, &g->data.qps)
		container_of(pos, struct vr_qp, of_guest)->be.worker = m->to;
	while ((cq = handle_next(&g->cqs, &at)))
		cq->worker = m->to;
}

/* ------------------------------------------------------------ the new worker */

static void guest_joins(struct move *m, struct guest *g)
{
	struct guest_data *d = &g->data;
	struct vr_context *ctx;
	struct vr_cq *cq;
	uint32_t pos = 0;

	while ((ctx = handle_next(&g->contexts, &pos)))
		worker_add_context(m->to, ctx);
	for (pos = 0; (cq = handle_next(&g->cqs, &pos));)
		cq_hold_resume(cq);
	if (!list_empty(&d->run))
		worker_enqueue(m->to, d, list_first(&d->run, struct vr_qp, run));
}

static void join(void *arg)
{
	struct move *m = arg;
	struct list_head *pos, *tmp;

	for_each_guest(m, guest_joins);
	wheel_give(worker_wheel(m->to), &m->timers);
	list_for_each_safe(pos, tmp, &m->dying) {
		list_del(pos);
		worker_mourn(m->to, container_of(pos, struct vr_qp, dying));
	}
	list_for_each_safe(pos, tmp, &m->offering) {
		list_del(pos);
		worker_offer(m->to, container_of(pos, struct vr_srq, offering));
	}
}

/* ---------------------------------------------------------- control thread */

static void kicks_join(struct move *m, struct guest *g)
{
	if (g->session)
		session_set_kicks(g->session, m->to, true);
}

static void kicks_leave(struct move *m, struct guest *g)
{
	if (g->session)
		session_set_kicks(g->session, m->from, false);
}

static bool serves(const struct move *m, const struct backend *be)
{
	for (uint64_t left = m->guests; left; left &= left - 1)
		if (m->model->guest[__builtin_ctzll(left)]->fabric == be)
			return true;
	return false;
}

/* All guests of a fabric are in the group, so it goes with any of them */
static void for_each_fabric(struct move *m,
			    void (*fn)(struct move *m, struct fabric *f))
{
	for (uint32_t i = 0; i < m->model->fabric_count; i++)
		if (serves(m, m->model->fabric[i].be))
			fn(m, &m->model->fabric[i]);
}

static void fabric_leaves(struct move *m, struct fabric *f)
{
	worker_end_polls(m->from, f->be);
	f->worker = m->to;
}

static void fabric_joins(struct move *m, struct fabric *f)
{
	worker_begin_polls(m->to, f->be);
}

void move_guests(struct model *model, uint64_t guests, struct worker *to)
{
	struct guest *first = model->guest[__builtin_ctzll(guests)];
	struct move m = {
		.model = model,
		.guests = guests,
		.from = first->data.worker,
		.to = to,
	};

	list_init(&m.timers);
	list_init(&m.dying);
	list_init(&m.offering);
	for_each_fabric(&m, fabric_leaves);
	worker_call(m.from, leave, &m);
	for_each_guest(&m, change_hands);
	for_each_guest(&m, kicks_join);
	worker_call(to, join, &m);
	for_each_fabric(&m, fabric_joins);
	for_each_guest(&m, kicks_leave);
}
