/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * qp_run.c - the life of a queue pair in the worker
 *
 * DOC: A queue pair that fails only gets a mark and a place in the worker's
 * list of the dying: failures are found inside backend functions, and a
 * backend must not be stopped from inside.  The worker buries it right after.
 * At rest means: the transport is stopped, both queues are flushed, and only
 * then does anybody hear of it (rule D3).
 */
#include "cq.h"
#include "guest.h"
#include "mr.h"
#include "mw.h"
#include "qp.h"
#include "srq.h"
#include "worker.h"
#include "vrdma_plant.h"

#define FLUSHES_PER_TURN	128	/* of each queue */

static const uint8_t qp_next[QP_STATE_COUNT] = {
	[QP_INIT] = 1u << QP_CONNECTED | 1u << QP_ERROR,
	[QP_CONNECTED] = 1u << QP_STOPPING,
	[QP_STOPPING] = 1u << QP_ERROR,
	[QP_ERROR] = 0,
};

static const char *const qp_state_name[QP_STATE_COUNT] = {
	[QP_INIT] = "INIT",
	[QP_CONNECTED] = "CONNECTED",
	[QP_STOPPING] = "STOPPING",
	[QP_ERROR] = "ERROR",
};

/* The only writer of state */
static bool qp_set_state(struct vr_qp *qp, enum qp_state to)
{
	if (!(qp_next[qp->state] & 1u << to)) {
		glog(qp->guest, VL_ERROR, "qp[%u]: %s -> %s is no transition",
		     handle_index(qp->handle), qp_state_name[qp->state], qp_state_name[to]);
		return false;
	}
	glog(qp->guest, VL_DEBUG, "qp[%u]: %s -> %s",
	     handle_index(qp->handle), qp_state_name[qp->state],
	     qp_state_name[to]);
	qp->state = to;
	return true;
}

static void show_state(struct vr_qp *qp, uint32_t state)
{
	atomic_store_explicit(qp->state_le, vr_to_le32(state),
			      memory_order_release);
}

/* ------------------------------------------------------------------ at rest */

static void answer_stops(struct vr_qp *qp)
{
	while (!list_empty(&qp->waiting_stops)) {
		struct qp_stop_req *r = list_first(&qp->waiting_stops,
						   struct qp_stop_req, waiting);

		list_del(&r->waiting);
		loop_post_work(qp->guest->loop, &r->work);
	}
}

static void at_rest(struct vr_qp *qp)
{
	qp_set_state(qp, QP_ERROR);
	qp->conn = NULL;
	list_del(&qp->run);
	list_del(&qp->dying);
	srq_forget(qp);
	qp->failing = false;
	wheel_clear(worker_wheel(qp->be.worker), &qp->timer);
	if (qp->mute) {
		wr_drop(&qp->sq);
		wr_drop(&qp->rq);
	} else {
		show_state(qp, VIRTIO_RDMA_QP_ERROR);
		if (!PLANTED(11)) {
			wr_flush(qp, &qp->sq);
			wr_flush(qp, &qp->rq);
		}
		/* events of the cancelled entries go ahead of the news */
		worker_notify_cqs(qp->be.worker);
	}
	answer_stops(qp);
	if (qp->broke)
		loop_post_work(qp->guest->loop, &qp->failed_work);
	if (!qp->free_at_rest)
		return;
	mw_forget_qp(qp);	/* bound since it left, see be_sq_apply() */
	loop_post_work(qp->guest->loop, &qp->free_work);
}

void be_qp_stopped(struct be_qp *be)
{
	struct vr_qp *qp = vr_qp_of(be);

	if (qp->state == QP_STOPPING)
		at_rest(qp);
}

static void begin_stop(struct vr_qp *qp)
{
	worker_unwatch(qp->be.worker, qp);
	switch (qp->state) {
	case QP_INIT:
		at_rest(qp);
		return;
	case QP_CONNECTED:
		qp_set_state(qp, QP_STOPPING);
		list_del(&qp->run);
		list_del(&qp->dying);
		qp->backend->stop(qp->conn);
		return;
	case QP_ERROR:
		/* what was posted before is flushed before the answer */
		if (!qp->mute && !PLANTED(15)) {
			wr_flush(qp, &qp->sq);
			wr_flush(qp, &qp->rq);
			worker_notify_cqs(qp->be.worker);
		}
		answer_stops(qp);
		return;
	default:	/* STOPPING: the answer is on its way */
		return;
	}
}

/* ------------------------------------------------------------------ failure */

void qp_fail(struct vr_qp *qp, enum virtio_rdma_reason reason)
{
	if (qp->failing || qp->state == QP_STOPPING || qp->state == QP_ERROR)
		return;
	qp->failing = true;
	qp->broke = true;
	qp->reason = reason;
	show_state(qp, VIRTIO_RDMA_QP_ERROR);
	worker_mourn(qp->be.worker, qp);
}

void be_qp_fail(struct be_qp *be, enum virtio_rdma_reason reason)
{
	qp_fail(vr_qp_of(be), reason);
}

void qp_bury(struct vr_qp *qp)
{
	begin_stop(qp);
}

/* --------------------------------------------------------------------- work */

/* Posts to a queue pair in error are ended in turns, too */
static bool flushes(const struct vr_qp *qp)
{
	return qp->state == QP_ERROR && !qp->mute;
}

void qp_make_runnable(struct vr_qp *qp)
{
	/* a transport that is stopping may need turns to come to rest */
	if (qp_is_open(qp) || qp->state == QP_STOPPING || flushes(qp))
		worker_enqueue(qp->be.worker, qp->data, qp);
}

void qp_look(struct vr_qp *qp)
{
	if (qp_takes_posts(qp))
		wr_look(qp);
	qp_make_runnable(qp);
}

void qp_rung(struct bell *bell)
{
	struct vr_qp *qp = container_of(bell, struct vr_qp, bell);

	qp_look(qp);
	if (qp_takes_posts(qp))
		worker_watch(qp->be.worker, qp);
}

static bool flush_turn(struct vr_qp *qp)
{
	bool more = !PLANTED(15) &&
		    wr_flush_some(qp, &qp->sq, FLUSHES_PER_TURN);

	return wr_flush_some(qp, &qp->rq, FLUSHES_PER_TURN) || more;
}

bool qp_run(struct vr_qp *qp)
{
	if (flushes(qp))
		return flush_turn(qp);
	if (!qp_is_open(qp) && qp->state != QP_STOPPING)
		return false;
	return qp->backend->run(qp->conn);
}

void be_qp_wake(struct be_qp *be)
{
	qp_make_runnable(vr_qp_of(be));
}

void be_qp_wake_at(struct be_qp *be, uint64_t deadline_ns)
{
	struct vr_qp *qp = vr_qp_of(be);

	if (qp_is_open(qp) || qp->state == QP_STOPPING)
		wheel_set(worker_wheel(be->worker), &qp->timer, deadline_ns);
}

bool be_qp_open(const struct be_qp *be)
{
	return qp_is_open(vr_qp_of_const(be));
}

bool be_qp_mute(const struct be_qp *be)
{
	return vr_qp_of_const(be)->mute;
}

uint32_t be_qp_rnr_timeout_ms(struct be_qp *be)
{
	return vr_qp_of(be)->data->rnr_timeout_ms;
}

/* ---------------------------------------- what the control thread asks for */

void qp_worker_join(void *arg)
{
	struct qp_join_args *a = arg;
	struct vr_qp *qp = a->qp;

	bell_hang(&a->hook);
	list_add_tail(&qp->on_send_cq, &qp->sq.cq->senders);
	list_add_tail(&qp->on_recv_cq, &qp->rq.cq->receivers);
	if (qp->srq)
		list_add_tail(&qp->on_srq, &qp->srq->qps);
	if (qp->sq.cq->dead || qp->rq.cq->dead || (qp->srq && qp->srq->dead))
		qp_fail(qp, VIRTIO_RDMA_R_LOCAL_ERROR);
}

void qp_worker_connect(void *arg)
{
	struct qp_connect_args *a = arg;
	struct vr_qp *qp = a->qp;

	if (qp->state != QP_INIT || qp->failing) {
		/* The transport hears of it all the same: its other end must
		 * not take a queue pair that is gone for one still to come. */
		a->backend->absent(a->conn);
		return;
	}
	qp->backend = a->backend;
	qp->conn = a->conn;
	qp_set_state(qp, QP_CONNECTED);
	show_state(qp, VIRTIO_RDMA_QP_CONNECTED);
	qp->backend->attach(qp->conn, &qp->be);
	qp_make_runnable(qp);
}

void qp_worker_stop(void *arg)
{
	struct qp_stop_req *r = arg;

	list_add_tail(&r->waiting, &r->qp->waiting_stops);
	begin_stop(r->qp);
}

void qp_worker_halt(void *arg)
{
	begin_stop(arg);
}

void qp_worker_mute(void *arg)
{
	struct qp_mute_args *a = arg;

	a->qp->mute = true;
	a->qp->broke = false;
	begin_stop(a->qp);
	a->at_rest = a->qp->state == QP_ERROR;
}

bool qp_worker_is_at_rest(void *arg)
{
	const struct vr_qp *qp = arg;

	return qp->state == QP_ERROR;
}

void qp_worker_detach_peer(void *arg)
{
	struct vr_qp *qp = arg;

	worker_unwatch(qp->be.worker, qp);
	qp->detached = true;
	list_del(&qp->run);
	srq_forget(qp);
	wheel_clear(worker_wheel(qp->be.worker), &qp->timer);
}

void qp_worker_leave(void *arg)
{
	struct vr_qp *qp = arg;

	bell_take_down(qp->context, qp->slot);
	list_del(&qp->run);
	list_del(&qp->on_send_cq);
	list_del(&qp->on_recv_cq);
	mw_forget_qp(qp);
	list_del(&qp->on_srq);
	srq_forget(qp);
	qp->mute = true;
	qp->broke = false;
	qp->free_at_rest = true;
	if (qp->state == QP_ERROR)
		loop_post_work(qp->guest->loop, &qp->free_work);
	else
		begin_stop(qp);
}
