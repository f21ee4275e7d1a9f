// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * test_verbs_data.c - requests of the verbs backend: how they end, and how a
 * queue pair comes to rest
 */
#include <errno.h>
#include <poll.h>

#include "verbs_rig.h"

#define WINDOW 8u

static struct rig_pair pair(void)
{
	rig_start_both();
	return rig_pair(WINDOW);
}

static struct vrb_worker *worker(unsigned int host)
{
	return &vrb_of(rig.host[host].be)->w;
}

/* --------------------------------------------------------- how requests end */

static const struct {
	enum ibv_wc_status from;
	enum virtio_rdma_wc_status to;
} statuses[] = {
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
	/* of kinds of queue pairs that are not ours, and the rest */
	{ IBV_WC_LOC_EEC_OP_ERR, VIRTIO_RDMA_WC_INTERNAL },
	{ IBV_WC_LOC_RDD_VIOL_ERR, VIRTIO_RDMA_WC_INTERNAL },
	{ IBV_WC_REM_INV_RD_REQ_ERR, VIRTIO_RDMA_WC_INTERNAL },
	{ IBV_WC_INV_EECN_ERR, VIRTIO_RDMA_WC_INTERNAL },
	{ IBV_WC_INV_EEC_STATE_ERR, VIRTIO_RDMA_WC_INTERNAL },
	{ IBV_WC_GENERAL_ERR, VIRTIO_RDMA_WC_INTERNAL },
	{ IBV_WC_FATAL_ERR, VIRTIO_RDMA_WC_INTERNAL },
};

/* The first that fails is told, those behind it are the model's again */
START_TEST(a_failure_is_told_once)
{
	struct rig_pair p = pair();

	for (unsigned int i = 0; i < 4; i++)
		rig_post(p.a->qp, VIRTIO_RDMA_OP_SEND, 0, 100, 0);
	rig_settle();
	fv_break_request(fv_newest_qp(0), statuses[_i].from);
	rig_settle();
	rig_assert_ended(&p.a->qp->sq, 0, statuses[_i].to);
	ck_assert_uint_eq(p.a->qp->sq.taken, 4);
	ck_assert(p.a->qp->stopped);
}
END_TEST

#define STATUSES ((int)(sizeof(statuses) / sizeof(statuses[0])))

START_TEST(the_peer_protects_its_memory)
{
	struct rig_pair p = pair();

	rig_post(p.a->qp, VIRTIO_RDMA_OP_WRITE, 0, 100, 0x1000);
	rig_post(p.a->qp, VIRTIO_RDMA_OP_WRITE, 0, 101,
		 RIG_PAGES * RIG_PAGE - 100);
	rig_post(p.a->qp, VIRTIO_RDMA_OP_WRITE, 0, 100, 0x1000);
	rig_settle();
	ck_assert_int_eq(p.a->qp->sq.wr[0].status, VIRTIO_RDMA_WC_SUCCESS);
	rig_assert_ended(&p.a->qp->sq, 1, VIRTIO_RDMA_WC_REMOTE_ACCESS);
	/* and the device gave the peer's queue pair up */
	ck_assert_uint_eq(p.b->aborted, 1);
	ck_assert_int_eq(p.b->reason, VIRTIO_RDMA_R_RESET);
}
END_TEST

START_TEST(a_receive_that_is_too_short)
{
	struct rig_pair p = pair();

	rig_post_receive(p.b->qp, 0, 99);
	rig_post(p.a->qp, VIRTIO_RDMA_OP_SEND, 0, 100, 0);
	rig_settle();
	rig_assert_ended(&p.b->qp->rq, 0, VIRTIO_RDMA_WC_LOCAL_LENGTH);
	rig_assert_ended(&p.a->qp->sq, 0, VIRTIO_RDMA_WC_REMOTE_REQUEST);
}
END_TEST

/* Memory that is not registered any more ends its request in its turn */
START_TEST(memory_that_went)
{
	static struct rig_mr gone;
	struct rig_pair p = pair();

	fv_data_cut = true;
	rig_post(p.a->qp, VIRTIO_RDMA_OP_WRITE, 0, 100, 0x1000);
	rig_post(p.a->qp, VIRTIO_RDMA_OP_WRITE, 0, 100, 0x1000);
	rig_post(p.a->qp, VIRTIO_RDMA_OP_WRITE, 0, 100, 0x1000);
	p.a->qp->sq.wr[1].mr = &gone;
	rig_settle();
	ck_assert_uint_eq(p.a->qp->sq.ended, 0);
	ck_assert(!p.a->qp->failing);
	fv_data_cut = false;
	rig_settle();
	ck_assert_int_eq(p.a->qp->sq.wr[0].status, VIRTIO_RDMA_WC_SUCCESS);
	rig_assert_ended(&p.a->qp->sq, 1, VIRTIO_RDMA_WC_LOCAL_PROTECTION);
	ck_assert(p.a->qp->stopped);

	rig_post_receive(p.b->qp, 0, 100);
	p.b->qp->rq.wr[0].mr = &gone;
	rig_settle();
	rig_assert_ended(&p.b->qp->rq, 0, VIRTIO_RDMA_WC_LOCAL_PROTECTION);
	ck_assert(p.b->qp->stopped);
}
END_TEST

START_TEST(bytes_in_the_request)
{
	struct rig_pair p = pair();

	rig_post_receive(p.b->qp, 0x1000, 100);
	rig_post_inline(p.a->qp, "in the request itself", 22);
	rig_settle();
	rig_assert_ended(&p.a->qp->sq, 0, VIRTIO_RDMA_WC_SUCCESS);
	ck_assert_uint_eq(p.b->qp->rq.wr[0].received, 22);
	ck_assert_str_eq((char *)rig.host[1].mem + 0x1000,
			 "in the request itself");
}
END_TEST

START_TEST(nothing_at_all)
{
	struct rig_pair p = pair();

	rig_post_receive(p.b->qp, 0, 0);
	rig_post(p.a->qp, VIRTIO_RDMA_OP_SEND, 0, 0, 0);
	rig_post(p.a->qp, VIRTIO_RDMA_OP_WRITE, 0, 0, 0);
	rig_settle();
	rig_assert_ended(&p.a->qp->sq, 1, VIRTIO_RDMA_WC_SUCCESS);
	rig_assert_ended(&p.b->qp->rq, 0, VIRTIO_RDMA_WC_SUCCESS);
}
END_TEST

/* The device refuses the nth of a batch: what was posted is counted, what was
 * not is the model's again, and nothing waits for it */
START_TEST(a_post_is_refused)
{
	struct rig_pair p = pair();
	bool send = _i < 4;

	for (unsigned int i = 0; i < 4; i++)
		if (send)
			rig_post(p.a->qp, VIRTIO_RDMA_OP_SEND, 0, 10, 0);
		else
			rig_post_receive(p.a->qp, 0, 10);
	fv_fail(send ? FV_ibv_post_send : FV_ibv_post_recv,
		(unsigned int)_i % 4 + 1, ENOMEM);
	rig_settle();
	ck_assert(fv_failed());
	ck_assert_uint_eq(p.a->qp->fails, 1);
	ck_assert_int_eq(p.a->qp->reason, VIRTIO_RDMA_R_LOCAL_ERROR);
	ck_assert_uint_eq(p.a->qp->sq.ended + p.a->qp->rq.ended, 0);
	ck_assert(p.a->qp->stopped);	/* without its deadline */
	ck_assert(rig_warned("a request was refused"));
}
END_TEST

/* ...and one behind them, that was not even tried, is not counted among them */
START_TEST(a_post_is_refused_before_a_bad_one)
{
	static struct rig_mr gone;
	struct rig_pair p = pair();

	fv_data_cut = true;
	rig_post(p.a->qp, VIRTIO_RDMA_OP_WRITE, 0, 10, 0);
	rig_settle();
	rig_post(p.a->qp, VIRTIO_RDMA_OP_WRITE, 0, 10, 0);
	rig_post(p.a->qp, VIRTIO_RDMA_OP_WRITE, 0, 10, 0);
	p.a->qp->sq.wr[2].mr = &gone;
	fv_fail(FV_ibv_post_send, 1, ENOMEM);
	rig_settle();
	ck_assert_uint_eq(p.a->qp->sq.taken, 3);
	ck_assert_uint_eq(p.a->qp->fails, 1);
	ck_assert(p.a->qp->stopped);
	ck_assert(!rig_warned("were not flushed"));
}
END_TEST

/* Nobody says why; and when the cause is in the same batch, it is the answer */
START_TEST(flushed_by_the_device)
{
	struct rig_pair p = pair();

	rig_post(p.a->qp, VIRTIO_RDMA_OP_SEND, 0, 10, 0);
	rig_post_receive(p.a->qp, 0, 10);
	rig_settle();
	rig.host[0].worker_off = true;
	fv_flush = FV_FLUSH_NOW;
	if (_i) {
		/* a receive is flushed before the send that failed is told */
		fv_flush = FV_FLUSH_LOST;
		fv_break_request(fv_newest_qp(0), IBV_WC_REM_OP_ERR);
	} else {
		fv_qp_silent_error(fv_newest_qp(0));
	}
	rig.host[0].worker_off = false;
	rig_settle();
	if (_i) {
		rig_assert_ended(&p.a->qp->sq, 0,
				 VIRTIO_RDMA_WC_REMOTE_OPERATION);
		ck_assert_uint_eq(p.a->qp->fails, 0);
	} else {
		ck_assert_uint_eq(p.a->qp->fails, 1);
		ck_assert_int_eq(p.a->qp->reason, VIRTIO_RDMA_R_RESET);
		ck_assert_uint_eq(p.a->qp->sq.ended, 0);
		ck_assert(p.a->qp->stopped);
	}
}
END_TEST

/* --------------------------------------------------- before the indication */

/* What the worker finds in the completion queue at DISCONNECTED is before it */
START_TEST(receives_are_before_the_indication)
{
	struct rig_pair p = pair();

	rig_post_receive(p.b->qp, 0, 100);
	rig_settle();
	rig.host[1].worker_off = true;
	rig_post(p.a->qp, VIRTIO_RDMA_OP_SEND, 0, 100, 0);
	rig_settle();
	ck_assert_int_eq(rig_disconnect(p.a), 0);
	rig_settle();
	ck_assert_uint_eq(p.b->disconnected, 0);
	ck_assert_uint_eq(p.b->qp->rq.ended, 0);
	rig.host[1].worker_off = false;
	rig_settle();
	ck_assert_uint_eq(p.b->disconnected, 1);
	ck_assert_uint_eq(p.b->received, 1);
}
END_TEST

/* ...and so is a failure, which then is the end */
START_TEST(a_failure_is_before_the_indication)
{
	struct rig_pair p = pair();

	rig_post(p.b->qp, VIRTIO_RDMA_OP_SEND, 0, 100, 0);
	rig_settle();
	rig.host[1].worker_off = true;
	fv_break_request(fv_newest_qp(1), IBV_WC_REM_OP_ERR);
	ck_assert_int_eq(rig_disconnect(p.a), 0);
	rig_settle();
	rig.host[1].worker_off = false;
	rig_settle();
	rig_assert_ended(&p.b->qp->sq, 0, VIRTIO_RDMA_WC_REMOTE_OPERATION);
	ck_assert_uint_eq(p.b->disconnected, 0);
	ck_assert(p.b->qp->stopped);
}
END_TEST

/* The connection's end, told in between: the barrier is still on its way */
START_TEST(ended_under_the_barrier)
{
	struct rig_pair p = pair();

	rig_end(p.a);
	ck_assert_uint_eq(p.b->disconnected, 1);
	p = rig_pair(WINDOW);
	rig_stop(p.b->qp);
	rig_settle();
	rig.host[1].worker_off = true;
	ck_assert_int_eq(rig_disconnect(p.a), 0);
	rig_settle();
	rig_abort(p.b);
	rig_settle();
	rig.host[1].worker_off = false;
	rig_settle();
	ck_assert_uint_eq(p.b->disconnected, 0);
}
END_TEST

/* After the peer's disconnect a failure is no news: the consumer decides */
START_TEST(a_failure_behind_the_indication)
{
	struct rig_pair p = pair();

	rig_post(p.b->qp, VIRTIO_RDMA_OP_SEND, 0, 100, 0);
	rig_settle();
	ck_assert_int_eq(rig_disconnect(p.a), 0);
	rig_settle();
	ck_assert_uint_eq(p.b->disconnected, 1);
	fv_expire(fv_newest_qp(1));
	rig_settle();
	ck_assert_uint_eq(p.b->qp->sq.ended, 0);
	ck_assert_uint_eq(p.b->qp->fails, 0);
	ck_assert_int_eq(rig_disconnect(p.b), 0);
	rig_stop(p.b->qp);
	rig_settle();
	ck_assert(p.b->qp->stopped);
	ck_assert_uint_eq(p.a->disconnected, 1);
}
END_TEST

/* ------------------------------------------------------------------ patience */

START_TEST(a_silent_peer)
{
	struct rig_pair p = pair();
	struct be_qp *a = p.a->qp;

	a->rnr_ms = 100;
	fv_data_cut = _i;
	for (unsigned int i = 0; i < 3; i++)
		rig_post(a, _i ? VIRTIO_RDMA_OP_WRITE : VIRTIO_RDMA_OP_SEND, 0,
			 10, 0);
	rig_settle();
	rig_advance(99);
	rig_settle();
	ck_assert_uint_eq(a->sq.ended, 0);
	rig_advance(1);
	rig_settle();
	rig_assert_ended(&a->sq, 0, VIRTIO_RDMA_WC_TIMED_OUT);
	ck_assert(a->stopped);
}
END_TEST

START_TEST(patience_begins_again)
{
	struct rig_pair p = pair();
	struct be_qp *a = p.a->qp;

	a->rnr_ms = 100;
	rig_post(a, VIRTIO_RDMA_OP_SEND, 0, 10, 0);
	rig_post(a, VIRTIO_RDMA_OP_SEND, 0, 10, 0);
	rig_settle();
	rig_advance(60);
	rig_post_receive(p.b->qp, 0, 10);
	rig_settle();
	rig_assert_ended(&a->sq, 0, VIRTIO_RDMA_WC_SUCCESS);
	rig_advance(99);
	rig_settle();
	ck_assert_uint_eq(a->sq.ended, 1);
	rig_advance(1);
	rig_settle();
	rig_assert_ended(&a->sq, 1, VIRTIO_RDMA_WC_TIMED_OUT);
	/* a queue that was empty counts from its next request */
	p = rig_pair(WINDOW);
	a = p.a->qp;
	a->rnr_ms = 100;
	rig_advance(5000);
	rig_post(a, VIRTIO_RDMA_OP_SEND, 0, 10, 0);
	rig_settle();
	rig_advance(99);
	rig_settle();
	ck_assert_uint_eq(a->sq.ended, 0);
}
END_TEST

START_TEST(patience_without_end)
{
	struct rig_pair p = pair();

	p.a->qp->rnr_ms = 0;
	rig_post(p.a->qp, VIRTIO_RDMA_OP_SEND, 0, 10, 0);
	rig_settle();
	rig_advance(1000000);
	rig_settle();
	ck_assert_uint_eq(p.a->qp->sq.ended, 0);
}
END_TEST

/* A peer that sends, and never has a receive, is no progress */
START_TEST(a_peer_that_only_talks)
{
	struct rig_pair p = pair();
	struct be_qp *a = p.a->qp;

	a->rnr_ms = 100;
	rig_post(a, VIRTIO_RDMA_OP_SEND, 0, 10, 0);
	for (unsigned int i = 0; i < 5 && !a->sq.ended; i++) {
		rig_post_receive(a, 0, 10);
		rig_post(p.b->qp, VIRTIO_RDMA_OP_SEND, 0, 10, 0);
		rig_settle();
		rig_advance(40);
	}
	rig_settle();
	rig_assert_ended(&a->sq, 0, VIRTIO_RDMA_WC_TIMED_OUT);
}
END_TEST

/* ------------------------------------------------------------------- the rest */

static void leave_outstanding(struct rig_pair *p)
{
	for (unsigned int i = 0; i < 5; i++)
		rig_post_receive(p->a->qp, 0, 100);
	for (unsigned int i = 0; i < 3; i++)
		rig_post(p->a->qp, VIRTIO_RDMA_OP_SEND, 0, 100, 0);
	rig_settle();
	ck_assert_uint_eq(p->a->qp->rq.taken, 5);
	ck_assert_uint_eq(p->a->qp->sq.taken, 3);
}

START_TEST(completions_are_lost)
{
	struct rig_pair p = pair();

	leave_outstanding(&p);
	fv_flush = FV_FLUSH_LOST;
	ck_assert_int_eq(rig_disconnect(p.a), 0);
	rig_stop(p.a->qp);
	rig_settle();
	rig_advance(1999);
	rig_settle();
	ck_assert(!p.a->qp->stopped);
	ck_assert(fv_qp_lives(0, p.a->qp->qpn));
	rig_advance(1);
	rig_settle();
	ck_assert(p.a->qp->stopped);
	ck_assert(rig_warned("3 sends and 5 receives were not flushed"));
	ck_assert_int_eq(rig_disconnect(p.b), 0);
	rig_settle();
	ck_assert_uint_eq(p.a->disconnected, 1);
}
END_TEST

/* ...or come when their queue pair is no more, and its slot another's */
START_TEST(completions_are_late)
{
	struct rig_pair p = pair();
	uint64_t tag = p.a->conn->tag;
	uint32_t slot = p.a->conn->slot;

	leave_outstanding(&p);
	fv_flush = FV_FLUSH_HELD;
	rig_end(p.a);
	rig_end(p.b);
	fv_flush = FV_FLUSH_NOW;
	p = rig_pair(WINDOW);
	ck_assert_uint_eq(p.a->conn->slot, slot);
	ck_assert_uint_ne(p.a->conn->tag, tag);
	leave_outstanding(&p);
	ck_assert_uint_eq(fv_release_flushes(), 8);
	rig_settle();
	ck_assert_uint_eq(p.a->qp->rq.ended + p.a->qp->sq.ended, 0);
	ck_assert(!p.a->qp->failing);
	rig_post_receive(p.b->qp, 0, 100);
	rig_settle();
	rig_assert_ended(&p.a->qp->sq, 0, VIRTIO_RDMA_WC_SUCCESS);
	rig_part(&p);
}
END_TEST

/* Nobody will read its completions, so nobody waits for them */
START_TEST(a_mute_one_does_not_drain)
{
	struct rig_pair p = pair();

	leave_outstanding(&p);
	fv_flush = _i ? FV_FLUSH_NOW : FV_FLUSH_LOST;
	p.a->qp->mute = true;
	rig_stop(p.a->qp);
	rig_settle();
	ck_assert(p.a->qp->stopped);
}
END_TEST

/* The worker polls some at a time: all that is left of a queue pair that did
 * not drain is gone when its room is free (the rig looks) */
START_TEST(the_room_of_a_mute_one)
{
	struct backend *be;
	struct rig_pair p;

	rig_start_both();
	p = rig_pair(512);
	for (unsigned int i = 0; i < 512; i++)
		rig_post_receive(p.a->qp, 0, 100);
	rig_settle();
	ck_assert_uint_eq(p.a->qp->rq.taken, 512);
	be = rig.host[0].be;
	rig.host[0].worker_off = true;
	p.a->qp->mute = true;
	rig_stop(p.a->qp);
	rig_settle();
	be->poll(be);	/* in ERROR; it leaves */
	rig_settle();
	ck_assert(!fv_qp_lives(0, p.a->qp->qpn));
	ck_assert_uint_gt(fv_unpolled(0, p.a->qp->qpn), 400);
	be->poll(be);
	ck_assert(p.a->qp->stopped);
}
END_TEST

/* A device that has fewer queue pairs than it makes */
START_TEST(more_queue_pairs_than_slots)
{
	struct rig_pair p, q;

	fv_device.attr.max_qp = 1;
	p = pair();
	q = rig_pair(WINDOW);
	rig_settle();
	ck_assert_uint_eq(q.a->qp->fails, 1);
	ck_assert_int_eq(q.a->qp->reason, VIRTIO_RDMA_R_LOCAL_ERROR);
	rig_end(q.a);
	rig_end(q.b);
	rig_post_receive(p.b->qp, 0, 100);
	rig_post(p.a->qp, VIRTIO_RDMA_OP_SEND, 0, 100, 0);
	rig_settle();
	rig_assert_ended(&p.a->qp->sq, 0, VIRTIO_RDMA_WC_SUCCESS);
	rig_part(&p);
}
END_TEST

/* --------------------------------------------------------- completion queue */

#define ROOM 4096

static void flood(struct rig_pair *p, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++) {
		rig_post_receive(p->a->qp, 0, 10);
		rig_post_receive(p->b->qp, 0, 10);
		rig_post(p->a->qp, VIRTIO_RDMA_OP_WRITE, 0, 10, 0);
		rig_post(p->b->qp, VIRTIO_RDMA_OP_WRITE, 0, 10, 0);
	}
}

/* As many as it has room for, all with all that they may have, and all flushed
 * while the worker looks elsewhere: the fake asserts that it does not overrun */
START_TEST(a_full_completion_queue)
{
	struct be_private none = rig_private(0);
	struct rig_pair p[ROOM / 512];
	uint32_t n = 0;
	struct rig_conn *c;

	fv_device.attr.max_cqe = ROOM;
	rig_start_both();
	fv_data_cut = true;
	for (;; n++) {
		c = rig_connect(rig_qp(0, 256), &none);
		rig_settle();
		if (c->over)
			break;
		ck_assert_uint_lt(n, ROOM / 512);
		rig_end(c);
		rig_end(rig.host[1].newest);
		p[n] = rig_pair(256);
		flood(&p[n], 256);
		rig_settle();
	}
	ck_assert_uint_eq(n, ROOM / 512 - 1);	/* and some to spare */
	ck_assert_int_eq(c->err, -ENOMEM);
	ck_assert(rig_warned("completion queue is full at 4096 entries"));
	ck_assert_uint_eq(worker(0)->size, ROOM);
	ck_assert_uint_eq(worker(0)->credits, n * 512);
	for (unsigned int i = 0; i < 2; i++)
		rig.host[i].worker_off = true;
	for (uint32_t i = 0; i < n; i++) {
		rig_stop(p[i].a->qp);
		rig_stop(p[i].b->qp);
	}
	rig_settle();
	for (unsigned int i = 0; i < 2; i++)
		rig.host[i].worker_off = false;
	rig_settle();
	for (uint32_t i = 0; i < n; i++)
		ck_assert(p[i].a->qp->stopped && p[i].b->qp->stopped);
	rig_end(p[0].a);
	rig_end(p[0].b);
	rig_pair(256);
}
END_TEST

START_TEST(a_completion_queue_that_does_not_grow)
{
	struct be_private none = rig_private(0);
	struct rig_conn *a, *b;

	rig_start_both();
	fv_fail(FV_ibv_resize_cq, 1, ENOSYS);
	a = rig_connect(rig_qp(0, 512), &none);
	rig_settle();
	ck_assert(fv_failed());
	ck_assert_uint_eq(a->unreachable, 1);
	ck_assert_int_eq(a->err, -ENOMEM);
	ck_assert(rig_warned("no more connections"));
	a = rig_connect(rig_qp(0, 16), &none);
	rig_settle();
	b = rig.host[1].newest;
	fv_fail(FV_ibv_resize_cq, 1, ENOMEM);
	ck_assert_int_eq(rig_accept(b, rig_qp(1, 512), &none), -ENOMEM);
	ck_assert_int_eq(rig_accept(b, rig_qp(1, 16), &none), 0);
	ck_assert_uint_eq(worker(1)->size, 1024);
	rig_settle();
	ck_assert_uint_eq(a->accepted, 1);
}
END_TEST

static bool is_readable(int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };

	return poll(&p, 1, 0) > 0;
}

/* The worker sleeps: a completion makes its descriptor readable, as often as
 * it is armed, and each event is acknowledged, or the end would hang */
START_TEST(a_worker_that_sleeps)
{
	struct rig_pair p = pair();
	struct backend *be = rig.host[1].be;
	int fd = be->poll_fd(be);

	for (unsigned int i = 0; i < 200; i++) {
		be->arm(be);
		while (be->poll(be))
			;
		rig.host[1].worker_off = true;
		be->arm(be);
		ck_assert(!is_readable(fd));
		rig_post(p.a->qp, VIRTIO_RDMA_OP_SEND, 0, 10, 0);
		rig_post_receive(p.b->qp, 0, 10);
		be->run(p.b->conn);
		rig_settle();
		ck_assert(is_readable(fd));
		rig.host[1].worker_off = false;
		rig_settle();
		ck_assert_uint_eq(p.b->qp->rq.ended, i + 1);
		ck_assert(!is_readable(fd));
	}
	rig_part(&p);
}
END_TEST

/* So does a helper that has done its job */
START_TEST(a_helper_wakes_the_worker)
{
	struct rig_pair p = pair();
	struct backend *be = rig.host[1].be;

	rig.host[1].worker_off = true;
	be->arm(be);
	ck_assert(!is_readable(be->poll_fd(be)));
	rig_stop(p.b->qp);
	rig_settle();
	ck_assert(is_readable(be->poll_fd(be)));
	rig.host[1].worker_off = false;
	rig_settle();
	ck_assert(p.b->qp->stopped);
}
END_TEST

/* -------------------------------------------------------------------- numbers */

START_TEST(a_number_rests)
{
	struct rig_pair p;
	uint32_t qpn;

	fv_device.timeout = 31;		/* two hours and a half */
	p = pair();
	qpn = p.a->qp->qpn;
	rig_part(&p);
	fv_set_next_qpn(0, qpn);
	p = rig_pair(WINDOW);
	ck_assert_uint_eq(p.a->qp->qpn, qpn + 1);
	ck_assert_uint_eq(fv_live_qps(), 2);
}
END_TEST

START_TEST(a_number_that_has_rested)
{
	struct rig_pair p;
	uint64_t then;
	uint32_t qpn;

	fv_device.timeout = 0;		/* 4 us */
	p = pair();
	qpn = p.a->qp->qpn;
	rig_part(&p);
	for (then = vrb_now_ns(); vrb_now_ns() < then + 5000;)
		;
	fv_set_next_qpn(0, qpn);
	p = rig_pair(WINDOW);
	ck_assert_uint_eq(p.a->qp->qpn, qpn);
}
END_TEST

/* One that never was connected has nothing under way */
START_TEST(a_number_that_was_not_used)
{
	struct be_private none = rig_private(0);
	struct rig_conn *c;
	struct rig_pair p;
	uint32_t qpn;

	fv_device.timeout = 31;
	rig_start_both();
	c = rig_connect(rig_qp(0, WINDOW), &none);
	rig_settle();
	qpn = fv_newest_qp(0)->qp_num;
	rig_abort(c);
	rig_settle();
	fv_set_next_qpn(0, qpn);
	p = rig_pair(WINDOW);
	ck_assert_uint_eq(p.a->qp->qpn, qpn);
}
END_TEST

START_TEST(only_numbers_that_rest)
{
	struct be_private none = rig_private(0);
	struct rig_conn *c;
	struct rig_pair p;
	uint32_t first = 0;

	fv_device.timeout = 31;
	rig_start_both();
	for (unsigned int i = 0; i < 8; i++) {
		p = rig_pair(WINDOW);
		first = first ? first : p.a->qp->qpn;
		ck_assert_uint_eq(p.a->qp->qpn, first + i);
		rig_part(&p);
	}
	fv_set_next_qpn(0, first);
	c = rig_connect(rig_qp(0, WINDOW), &none);
	rig_settle();
	ck_assert_uint_eq(c->unreachable, 1);
	ck_assert_int_eq(c->err, -ENOMEM);
	ck_assert(rig_warned("rest"));
	rig_end(c);
	ck_assert_uint_eq(fv_live_qps(), 0);
	p = rig_pair(WINDOW);	/* the device has gone on */
}
END_TEST

int main(void)
{
	const struct rig_test tests[] = {
		{ "status", a_failure_is_told_once, STATUSES },
		{ "protect", the_peer_protects_its_memory, 1 },
		{ "short", a_receive_that_is_too_short, 1 },
		{ "went", memory_that_went, 1 },
		{ "inline", bytes_in_the_request, 1 },
		{ "empty", nothing_at_all, 1 },
		{ "refused", a_post_is_refused, 8 },
		{ "refused bad", a_post_is_refused_before_a_bad_one, 1 },
		{ "flushed", flushed_by_the_device, 2 },
		{ "before", receives_are_before_the_indication, 1 },
		{ "failure", a_failure_is_before_the_indication, 1 },
		{ "barrier", ended_under_the_barrier, 1 },
		{ "behind", a_failure_behind_the_indication, 1 },
		{ "silent", a_silent_peer, 2 },
		{ "again", patience_begins_again, 1 },
		{ "endless", patience_without_end, 1 },
		{ "talks", a_peer_that_only_talks, 1 },
		{ "lost", completions_are_lost, 1 },
		{ "late", completions_are_late, 1 },
		{ "mute", a_mute_one_does_not_drain, 2 },
		{ "room", the_room_of_a_mute_one, 1 },
		{ "slots", more_queue_pairs_than_slots, 1 },
		{ "full", a_full_completion_queue, 1 },
		{ "grow", a_completion_queue_that_does_not_grow, 1 },
		{ "sleep", a_worker_that_sleeps, 1 },
		{ "wake", a_helper_wakes_the_worker, 1 },
		{ "rests", a_number_rests, 1 },
		{ "rested", a_number_that_has_rested, 1 },
		{ "unused", a_number_that_was_not_used, 1 },
		{ "all rest", only_numbers_that_rest, 1 },
	};

	return rig_run_tests("verbs_data", tests,
			     sizeof(tests) / sizeof(tests[0]));
}
