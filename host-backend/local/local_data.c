/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * local_data.c - bytes between two queue pairs of this process
 *
 * DOC: The requesting side does all the work: it takes its request, finds the
 * memory at the other end, copies once from guest to guest, and completes
 * both.  Requests of one queue run one after the other, so each is complete
 * before the next begins and a read fence needs nothing.
 */
#include <stdlib.h>

#include "local_data.h"
#include "vrdma_plant.h"

/* One turn.  Long enough that a turn's cost is not seen, short enough that
 * the other queue pairs wait for at most some hundred microseconds. */
#define TURN_BYTES	(1u << 20)
#define TURN_REQUESTS	64

static uint64_t turn_bytes = TURN_BYTES;
static unsigned int turn_requests = TURN_REQUESTS;

void local_data_set_turn(uint64_t bytes, unsigned int requests)
{
	turn_bytes = bytes;
	turn_requests = requests;
}

enum step {
	STEP_DONE,	/* the request ended */
	STEP_MORE,	/* its bytes are not all copied */
	STEP_WAIT,	/* something else must happen first */
};

struct turn {
	struct local_end *me;
	struct local_end *peer;
	uint64_t budget;
};

struct local_pipe *local_pipe_new(void)
{
	struct local_pipe *p = calloc(1, sizeof(*p));

	if (p)
		atomic_init(&p->refs, 2);
	return p;
}

void local_pipe_put(struct local_pipe *p)
{
	if (atomic_fetch_sub_explicit(&p->refs, 1, memory_order_acq_rel) == 1)
		free(p);
}

static void put_remote(struct local_end *e)
{
	if (e->remote)
		be_sg_put(e->remote);
	e->remote = NULL;
}

static void stop_waiting(struct local_end *me)
{
	me->waiting = false;
	me->deadline = 0;
}

static enum step finish(struct local_end *me, enum virtio_rdma_wc_status status)
{
	struct be_wr *wr = me->wr;

	put_remote(me);
	me->wr = NULL;
	me->rwr = NULL;
	stop_waiting(me);
	be_sq_complete(me->qp, wr, status);
	return STEP_DONE;
}

/* The peer cannot take the request now.  After the deadline it never will. */
static enum step wait_for_peer(struct local_end *me)
{
	uint32_t ms = be_qp_rnr_timeout_ms(me->qp);
	uint64_t now;

	me->waiting = true;
	if (!ms)
		return STEP_WAIT;
	now = be_now();
	if (!me->deadline)
		me->deadline = now + (uint64_t)ms * 1000000u;
	if (now >= me->deadline)
		return finish(me, VIRTIO_RDMA_WC_TIMED_OUT);
	be_qp_wake_at(me->qp, me->deadline);
	return STEP_WAIT;
}

/* The message is all there; the last it does is end the use of a token */
static enum step finish_send(struct turn *t)
{
	struct local_end *me = t->me;
	bool solicited = me->wr->flags & VIRTIO_RDMA_WR_SOLICIT;
	enum virtio_rdma_wc_status s = VIRTIO_RDMA_WC_SUCCESS;

	if (me->wr->opcode == VIRTIO_RDMA_OP_SEND_INVALIDATE)
		s = be_rq_invalidate(t->peer->qp, me->rwr,
				     me->wr->remote_token);
	if (s) {
		be_rq_complete(t->peer->qp, me->rwr, s, 0, false);
		return finish(me, VIRTIO_RDMA_WC_REMOTE_ACCESS);
	}
	/* The receiver's completion first: a sender that sees its own and
	 * tells the receiver by another way must not be ahead of it. */
	be_rq_complete(t->peer->qp, me->rwr, VIRTIO_RDMA_WC_SUCCESS,
		       (uint32_t)me->wr->length, solicited);
	return finish(me, VIRTIO_RDMA_WC_SUCCESS);
}

static enum step send_failed(struct turn *t, bool receiver_bad)
{
	struct local_end *me = t->me;

	if (receiver_bad) {
		be_rq_complete(t->peer->qp, me->rwr,
			       VIRTIO_RDMA_WC_LOCAL_PROTECTION, 0, false);
		return finish(me, VIRTIO_RDMA_WC_REMOTE_OPERATION);
	}
	/* the receive it half filled is cancelled with the peer's queues */
	be_qp_fail(t->peer->qp, VIRTIO_RDMA_R_RESET);
	return finish(me, VIRTIO_RDMA_WC_LOCAL_PROTECTION);
}

static enum step send_begin(struct turn *t)
{
	struct local_end *me = t->me;

	me->rwr = be_rq_next(t->peer->qp);
	if (!me->rwr)
		return wait_for_peer(me);
	stop_waiting(me);
	if (me->wr->length <= me->rwr->length)
		return STEP_MORE;
	be_rq_complete(t->peer->qp, me->rwr, VIRTIO_RDMA_WC_LOCAL_LENGTH, 0,
		       false);
	return finish(me, VIRTIO_RDMA_WC_REMOTE_REQUEST);
}

static enum step step_send(struct turn *t)
{
	struct local_end *me = t->me;
	bool dst_bad = false;
	int64_t n;

	if (!me->rwr) {
		enum step s = send_begin(t);

		if (s != STEP_MORE)
			return s;
	}
	n = be_sg_copy(me->rwr->sg, me->wr->sg, t->budget, &dst_bad);
	if (n < 0)
		return send_failed(t, dst_bad);
	t->budget -= (uint64_t)n;
	if (be_sg_left(me->wr->sg))
		return STEP_MORE;
	return finish_send(t);
}

/* A wrong token ends the connection for both (reference: RFC 5040 8.1.1) */
static enum step remote_failed(struct turn *t)
{
	be_qp_fail(t->peer->qp, VIRTIO_RDMA_R_RESET);
	return finish(t->me, VIRTIO_RDMA_WC_REMOTE_ACCESS);
}

static enum step remote_begin(struct turn *t, uint32_t access)
{
	struct local_end *me = t->me;
	enum virtio_rdma_wc_status s;

	s = be_remote_sg(t->peer->qp, me->wr->remote_token,
			 me->wr->remote_addr, me->wr->length, access,
			 &me->remote);
	if (s == VIRTIO_RDMA_WC_ABORTED)
		return wait_for_peer(me);
	if (s)
		return remote_failed(t);
	stop_waiting(me);
	return STEP_MORE;
}

static enum step step_remote(struct turn *t, bool is_read)
{
	struct local_end *me = t->me;
	struct be_sg *dst, *src;
	bool dst_bad = false;
	int64_t n;

	if (!me->remote) {
		enum step s = remote_begin(t, is_read ?
					   VIRTIO_RDMA_ACCESS_REMOTE_READ :
					   VIRTIO_RDMA_ACCESS_REMOTE_WRITE);

		if (s != STEP_MORE)
			return s;
	}
	dst = is_read ? me->wr->sg : me->remote;
	src = is_read ? me->remote : me->wr->sg;
	n = be_sg_copy(dst, src, t->budget, &dst_bad);
	if (n < 0) {
		if (dst_bad != is_read)
			return remote_failed(t);
		be_qp_fail(t->peer->qp, VIRTIO_RDMA_R_RESET);
		return finish(me, VIRTIO_RDMA_WC_LOCAL_PROTECTION);
	}
	t->budget -= (uint64_t)n;
	if (be_sg_left(me->remote))
		return STEP_MORE;
	return finish(me, VIRTIO_RDMA_WC_SUCCESS);
}

static enum step step(struct turn *t)
{
	struct local_end *me = t->me;

	if (!me->wr) {
		me->wr = be_sq_next(me->qp);
		if (!me->wr)
			return STEP_WAIT;
	}
	if (be_wr_is_local(me->wr))
		return finish(me, be_sq_apply(me->qp, me->wr));
	if (!t->peer->qp && !((PLANTED(12) || PLANTED(21)) && me->remote))
		return wait_for_peer(me);
	switch (me->wr->opcode) {
	case VIRTIO_RDMA_OP_SEND:
	case VIRTIO_RDMA_OP_SEND_INVALIDATE:
		return step_send(t);
	case VIRTIO_RDMA_OP_WRITE:
		return step_remote(t, false);
	case VIRTIO_RDMA_OP_READ:
		return step_remote(t, true);
	default:
		/* the model lets no other one through */
		return finish(me, VIRTIO_RDMA_WC_INTERNAL);
	}
}

void local_data_attach(struct local_pipe *p, unsigned int side,
		       struct be_qp *qp)
{
	struct local_end *peer = &p->end[!side];

	p->end[side].qp = qp;
	p->end[side].met = true;
	if (peer->qp)
		be_qp_wake(peer->qp);
}

void local_data_absent(struct local_pipe *p, unsigned int side)
{
	struct local_end *peer = &p->end[!side];

	p->end[side].met = true;
	if (peer->qp)
		be_qp_wake(peer->qp);
}

bool local_data_run(struct local_pipe *p, unsigned int side)
{
	struct turn t = { &p->end[side], &p->end[!side], turn_bytes };

	if (!t.me->qp)
		return false;
	/* What woke us may be a receive that the peer waits for.  Without one
	 * it is left alone: two that both wait would wake each other for ever. */
	if (t.peer->waiting && t.peer->qp && be_rq_ready(t.me->qp))
		be_qp_wake(t.peer->qp);
	/* not there yet: it waits without a deadline, in the ring */
	if (!t.peer->met)
		return false;
	for (unsigned int i = 0; i < turn_requests && t.budget; i++) {
		if (step(&t) == STEP_WAIT)
			return false;
	}
	return true;
}

void local_data_stop(struct local_pipe *p, unsigned int side)
{
	struct local_end *me = &p->end[side], *peer = &p->end[!side];
	struct be_qp *qp = me->qp;

	/* what the peer had in work here is not touched again */
	if (!(PLANTED(12) && peer->wr &&
	      peer->wr->opcode == VIRTIO_RDMA_OP_WRITE) &&
	    !(PLANTED(21) && peer->wr &&
	      peer->wr->opcode == VIRTIO_RDMA_OP_READ))
		put_remote(peer);
	peer->rwr = NULL;
	put_remote(me);
	me->wr = NULL;
	me->rwr = NULL;
	me->qp = NULL;
	if (peer->wr && peer->qp)
		be_qp_wake(peer->qp);
	if (qp)
		be_qp_stopped(qp);
}
