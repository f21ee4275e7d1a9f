// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * test_verbs_srq.c - shared receive queues of the verbs backend: who is told of
 * which receive, and what becomes of them when their queue pair ends
 */
#include <errno.h>

#include "verbs_rig.h"

#define WINDOW 8u

/* Two connections whose passive queue pairs share the receives of one queue */
struct scene {
	struct rig_srq *srq;
	struct rig_pair p, q;
};

static struct be_qp *shared_qp(void)
{
	struct be_qp *qp = rig_qp(1, WINDOW);

	qp->attr.srq = &rig.srqs->srq;	/* the newest */
	return qp;
}

static struct rig_pair shared_pair(void)
{
	return rig_pair_of(rig_qp(0, WINDOW), shared_qp());
}

static struct scene two(void)
{
	struct scene s;

	rig_start_both();
	s.srq = rig_srq(1, WINDOW);
	s.p = shared_pair();
	s.q = shared_pair();
	return s;
}

static struct scene one(void)
{
	struct scene s = { 0 };

	rig_start_both();
	s.srq = rig_srq(1, WINDOW);
	s.p = shared_pair();
	return s;
}

static void post_receives(struct scene *s, unsigned int n)
{
	for (unsigned int i = 0; i < n; i++)
		rig_srq_post(s->srq, 0x1000ull * (s->srq->posted % 256), 4096);
	rig_settle();
}

/* The n-th byte value, so that each message is another */
static void say(struct rig_pair *p, unsigned int value)
{
	memset(rig.host[0].mem + 0x100000 + 0x1000 * value, (int)value + 1, 100);
	rig_post(p->a->qp, VIRTIO_RDMA_OP_SEND, 0x100000 + 0x1000 * value, 100,
		 0);
}

static void assert_bytes(const struct scene *s, uint32_t n, unsigned int value)
{
	const uint8_t *mem = rig.host[1].mem + 0x1000 * (n % 256);

	ck_assert_uint_eq(s->srq->wr[n].received, 100);
	for (unsigned int i = 0; i < 100; i++)
		ck_assert_uint_eq(mem[i], value + 1);
}

static struct ibv_qp *ibv_of(const struct rig_conn *c)
{
	return c->conn->qp;
}

/* ---------------------------------------------------------------- who has which */

START_TEST(in_the_order_of_the_messages)
{
	struct scene s = two();
	struct be_qp *const user[] = { s.p.b->qp, s.p.b->qp, s.q.b->qp,
				       s.p.b->qp, s.q.b->qp, s.q.b->qp };
	uint32_t order[2] = { 0, 0 };

	post_receives(&s, 6);
	for (unsigned int i = 0; i < 6; i++) {
		say(user[i] == s.p.b->qp ? &s.p : &s.q, i);
		rig_settle();
	}
	for (unsigned int i = 0; i < 6; i++) {
		rig_assert_shared(s.srq, i, user[i],
				  order[user[i] == s.q.b->qp]++,
				  VIRTIO_RDMA_WC_SUCCESS);
		assert_bytes(&s, i, i);
	}
	rig_part(&s.p);
	rig_part(&s.q);
}
END_TEST

/* A message that finds none waits; more are posted than the device may have */
START_TEST(more_than_the_window)
{
	struct scene s = one();

	say(&s.p, 0);
	rig_settle();
	ck_assert_uint_eq(s.p.a->qp->sq.ended, 0);
	post_receives(&s, 3 * WINDOW);
	ck_assert_uint_eq(s.p.a->qp->sq.ended, 1);
	ck_assert_uint_eq(fv_shared_receives(1), WINDOW);
	ck_assert_uint_eq(s.srq->taken, WINDOW + 1);
	for (unsigned int i = 1; i < 3 * WINDOW; i++) {
		say(&s.p, i);
		rig_settle();
		assert_bytes(&s, i, i);
	}
	ck_assert_uint_eq(s.srq->ended, 3 * WINDOW);
	ck_assert_uint_eq(fv_shared_receives(1), 0);
	rig_part(&s.p);
}
END_TEST

/* Memory that went since the check: only a message of nothing fits */
START_TEST(memory_that_went)
{
	static struct rig_mr gone;
	struct scene s = one();

	rig_srq_post(s.srq, 0, 100);
	s.srq->wr[0].mr = &gone;
	rig_settle();
	say(&s.p, 0);
	rig_settle();
	rig_assert_shared(s.srq, 0, s.p.b->qp, 0, VIRTIO_RDMA_WC_LOCAL_LENGTH);
	ck_assert(s.p.b->qp->stopped);
	rig_assert_ended(&s.p.a->qp->sq, 0, VIRTIO_RDMA_WC_REMOTE_REQUEST);
}
END_TEST

/* One that fails takes nothing from the others */
START_TEST(one_breaks_the_other_goes_on)
{
	struct scene s = two();

	post_receives(&s, 3);
	rig_post(s.p.a->qp, VIRTIO_RDMA_OP_SEND, 0, 5000, 0);	/* too long */
	rig_settle();
	rig_assert_shared(s.srq, 0, s.p.b->qp, 0, VIRTIO_RDMA_WC_LOCAL_LENGTH);
	ck_assert(s.p.b->qp->stopped);
	say(&s.q, 1);
	say(&s.q, 2);
	rig_settle();
	rig_assert_shared(s.srq, 1, s.q.b->qp, 0, VIRTIO_RDMA_WC_SUCCESS);
	rig_assert_shared(s.srq, 2, s.q.b->qp, 1, VIRTIO_RDMA_WC_SUCCESS);
	rig_part(&s.q);
}
END_TEST

/* ------------------------------------------------- before it was attached */

/* RTU is late, data is not */
static struct rig_pair unattached(void)
{
	struct rig_pair p = rig_half_pair(rig_qp(0, WINDOW), shared_qp());

	fv_cm_cut = true;
	ck_assert_int_eq(rig_complete(p.a), 0);
	rig_settle();
	ck_assert_uint_eq(p.b->established, 0);
	return p;
}

static void hear_rtu(void)
{
	fv_cm_cut = false;
	rig_settle();
}

START_TEST(told_when_it_is_attached)
{
	struct scene s = one();

	s.q = unattached();
	post_receives(&s, 5);
	say(&s.q, 0);
	rig_settle();
	say(&s.p, 1);
	rig_settle();
	say(&s.q, 2);
	rig_settle();
	ck_assert_uint_eq(s.srq->ended, 1);
	rig_assert_shared(s.srq, 1, s.p.b->qp, 0, VIRTIO_RDMA_WC_SUCCESS);
	hear_rtu();
	rig_attach(s.q.b);
	rig_assert_shared(s.srq, 0, s.q.b->qp, 0, VIRTIO_RDMA_WC_SUCCESS);
	rig_assert_shared(s.srq, 2, s.q.b->qp, 1, VIRTIO_RDMA_WC_SUCCESS);
	say(&s.q, 3);
	rig_settle();
	rig_assert_shared(s.srq, 3, s.q.b->qp, 2, VIRTIO_RDMA_WC_SUCCESS);
	for (unsigned int i = 0; i < 4; i++)
		assert_bytes(&s, i, i);
	rig_part(&s.p);
	rig_part(&s.q);
}
END_TEST

/* ...or never was: what its messages used is there for others */
START_TEST(given_back_when_it_never_is)
{
	struct scene s = one();

	s.q = unattached();
	post_receives(&s, 3);
	say(&s.q, 0);
	say(&s.q, 1);
	rig_settle();
	ck_assert_uint_eq(fv_shared_receives(1), 1);
	if (_i)		/* its messages are not even polled */
		rig.host[1].worker_off = true;
	say(&s.q, 2);
	rig_settle();
	fv_cm_cut = false;
	rig_abort(s.q.b);
	rig_settle();
	rig.host[1].worker_off = false;
	rig_settle();
	ck_assert_uint_eq(s.srq->ended, 0);
	ck_assert_uint_eq(fv_shared_receives(1), 3);
	for (unsigned int i = 3; i < 6; i++)
		say(&s.p, i);
	rig_settle();
	ck_assert_uint_eq(s.srq->ended, 3);
	for (unsigned int i = 0; i < 3; i++)
		ck_assert_ptr_eq(s.srq->wr[i].user, s.p.b->qp);
	rig_part(&s.p);
}
END_TEST

/* The queue goes with what was kept of it */
START_TEST(the_queue_goes_with_early_ones)
{
	struct scene s = one();

	rig_end(s.p.a);
	rig_end(s.p.b);
	s.q = unattached();
	post_receives(&s, 3);
	say(&s.q, 0);
	rig_settle();
	fv_cm_cut = false;
	rig_abort(s.q.b);
	if (_i)
		rig_settle();
	rig_srq_destroy(s.srq);
	rig_settle();
	ck_assert_uint_eq(s.srq->ended, 0);
	/* another in its slot has nothing to do with it */
	s.srq = rig_srq(1, WINDOW);
	s.p = shared_pair();
	post_receives(&s, 1);
	say(&s.p, 0);
	rig_settle();
	rig_assert_shared(s.srq, 0, s.p.b->qp, 0, VIRTIO_RDMA_WC_SUCCESS);
	rig_part(&s.p);
}
END_TEST

/* As unattached(), while a helper is held */
static struct rig_pair unattached_meanwhile(void)
{
	struct be_private none = rig_private(0);
	struct rig_pair p;

	p.a = rig_connect(rig_qp(0, WINDOW), &none);
	rig_run_dry();
	p.b = rig.host[1].newest;
	ck_assert_int_eq(rig_accept(p.b, shared_qp(), &none), 0);
	rig_run_dry();
	fv_cm_cut = true;
	ck_assert_int_eq(rig_complete(p.a), 0);
	return p;
}

/* The device gives the number of one that was never attached to the next, before
 * the first is forgotten: each has its own messages */
START_TEST(a_number_of_two)
{
	struct scene s = one();
	uint32_t qpn;
	uint64_t then;

	s.q = unattached();
	qpn = ibv_of(s.q.b)->qp_num;
	post_receives(&s, 4);
	say(&s.q, 0);
	rig_settle();
	rig.host[1].worker_off = true;
	say(&s.q, 1);
	rig_settle();
	fv_cm_cut = false;
	fv_hold(FV_rdma_destroy_id, true);
	rig_abort(s.q.b);
	fv_await_held(FV_rdma_destroy_id);
	for (then = vrb_now_ns(); vrb_now_ns() < then + 5000;)
		;	/* it has rested */
	fv_set_next_qpn(1, qpn);
	rig.host[1].worker_off = false;
	s.q = unattached_meanwhile();
	ck_assert_uint_eq(ibv_of(s.q.b)->qp_num, qpn);
	say(&s.q, 2);
	rig_run_dry();
	ck_assert_uint_eq(fv_shared_receives(1), 1);
	fv_hold(FV_rdma_destroy_id, false);
	rig_settle();
	ck_assert_uint_eq(fv_shared_receives(1), 3);
	hear_rtu();
	rig_attach(s.q.b);
	ck_assert_uint_eq(s.srq->ended, 1);
	rig_assert_shared(s.srq, 2, s.q.b->qp, 0, VIRTIO_RDMA_WC_SUCCESS);
	assert_bytes(&s, 2, 2);
	rig_part(&s.p);
	rig_part(&s.q);
}
END_TEST

/* A failure that came early is one when it is told */
START_TEST(failed_before_it_was_attached)
{
	struct scene s = one();

	s.q = unattached();
	post_receives(&s, 2);
	say(&s.q, 0);
	rig_post(s.q.a->qp, VIRTIO_RDMA_OP_SEND, 0, 5000, 0);
	rig_settle();
	hear_rtu();
	rig_attach(s.q.b);
	rig_settle();
	rig_assert_shared(s.srq, 0, s.q.b->qp, 0, VIRTIO_RDMA_WC_SUCCESS);
	rig_assert_shared(s.srq, 1, s.q.b->qp, 1, VIRTIO_RDMA_WC_LOCAL_LENGTH);
	ck_assert(s.q.b->qp->stopped);
	rig_part(&s.p);
}
END_TEST

/* No message, no receive, no word of the manager: the device's last event came
 * before there was anybody whom it could be told */
START_TEST(dead_before_it_was_attached)
{
	struct scene s = one();

	s.q = unattached();
	fv_qp_silent_error(ibv_of(s.q.b));
	rig_settle();
	hear_rtu();
	rig_attach(s.q.b);
	rig_settle();
	ck_assert_uint_eq(s.q.b->qp->fails, 1);
	ck_assert_int_eq(s.q.b->qp->reason, VIRTIO_RDMA_R_RESET);
	ck_assert(s.q.b->qp->stopped);
	rig_part(&s.p);
}
END_TEST

/* ------------------------------------------------------------ how one fails */

/* In ERROR by itself, with nothing outstanding: the last event tells */
START_TEST(in_error_by_itself)
{
	struct scene s = two();

	post_receives(&s, 3);
	if (_i)
		fv_begin_message(ibv_of(s.p.b));
	fv_qp_silent_error(ibv_of(s.p.b));
	rig_settle();
	ck_assert_uint_eq(s.p.b->qp->fails, 1);
	ck_assert_int_eq(s.p.b->qp->reason, VIRTIO_RDMA_R_RESET);
	ck_assert(s.p.b->qp->stopped);
	ck_assert_uint_eq(s.srq->ended, (unsigned int)_i);
	if (_i)
		rig_assert_shared(s.srq, 0, s.p.b->qp, 0,
				  VIRTIO_RDMA_WC_CANCELLED);
	say(&s.q, 0);
	rig_settle();
	rig_assert_shared(s.srq, (uint32_t)_i, s.q.b->qp, 0,
			  VIRTIO_RDMA_WC_SUCCESS);
	rig_part(&s.q);
}
END_TEST

/* The request that was the cause is told as the failure, whatever else the
 * worker finds with it: the last event, receives that were flushed before it */
START_TEST(the_cause_is_told)
{
	struct scene s = one();
	struct be_qp *b = s.p.b->qp;

	post_receives(&s, 3);
	rig_post(b, VIRTIO_RDMA_OP_SEND, 0, 100, 0);
	rig_settle();
	rig.host[1].worker_off = true;
	fv_begin_message(ibv_of(s.p.b));
	if (_i) {
		/* the device flushes the receive first */
		fv_break_receive(ibv_of(s.p.b), IBV_WC_WR_FLUSH_ERR);
		rig_run_dry();
	}
	fv_break_request(ibv_of(s.p.b), IBV_WC_REM_OP_ERR);
	rig_settle();
	rig.host[1].worker_off = false;
	rig_settle();
	rig_assert_ended(&b->sq, 0, VIRTIO_RDMA_WC_REMOTE_OPERATION);
	ck_assert_uint_eq(b->fails, 0);
	rig_assert_shared(s.srq, 0, b, 0, VIRTIO_RDMA_WC_CANCELLED);
	ck_assert(b->stopped);
}
END_TEST

/* A message that is too long for its receive, in the words of either device */
START_TEST(too_short)
{
	struct scene s = one();

	post_receives(&s, 1);
	fv_data_cut = true;
	fv_begin_message(ibv_of(s.p.b));
	fv_break_receive(ibv_of(s.p.b), _i ? IBV_WC_LOC_QP_OP_ERR
					   : IBV_WC_LOC_LEN_ERR);
	rig_settle();
	rig_assert_shared(s.srq, 0, s.p.b->qp, 0, VIRTIO_RDMA_WC_LOCAL_LENGTH);
}
END_TEST

/* After the peer's disconnect a failure is no news: the consumer decides when
 * its requests end, those of a shared queue, too */
START_TEST(a_failure_behind_the_indication)
{
	struct scene s = one();
	struct be_qp *b = s.p.b->qp;

	post_receives(&s, 3);
	rig_post(b, VIRTIO_RDMA_OP_WRITE, 0, 100, 0);
	fv_data_cut = true;
	rig_settle();
	fv_begin_message(ibv_of(s.p.b));
	ck_assert_int_eq(rig_disconnect(s.p.a), 0);
	rig_settle();
	ck_assert_uint_eq(s.p.b->disconnected, 1);
	if (_i)
		fv_break_receive(ibv_of(s.p.b), IBV_WC_LOC_PROT_ERR);
	else
		fv_expire(ibv_of(s.p.b));
	rig_settle();
	ck_assert_uint_eq(s.srq->ended, 0);
	ck_assert_uint_eq(b->sq.ended, 0);
	ck_assert_uint_eq(b->fails, 0);
	ck_assert(!b->failing);
	ck_assert_int_eq(rig_disconnect(s.p.b), 0);
	rig_stop(b);
	rig_settle();
	ck_assert(b->stopped);
	rig_assert_shared(s.srq, 0, b, 0, VIRTIO_RDMA_WC_CANCELLED);
	ck_assert_uint_eq(s.p.a->disconnected, 1);
}
END_TEST

/* Receives that came before are before the indication of the peer's end */
START_TEST(receives_are_before_the_indication)
{
	struct scene s = one();

	post_receives(&s, 1);
	rig.host[1].worker_off = true;
	say(&s.p, 0);
	rig_settle();
	ck_assert_int_eq(rig_disconnect(s.p.a), 0);
	rig_settle();
	ck_assert_uint_eq(s.p.b->disconnected, 0);
	rig.host[1].worker_off = false;
	rig_settle();
	ck_assert_uint_eq(s.p.b->disconnected, 1);
	ck_assert_uint_eq(s.p.b->received, 1);
}
END_TEST

/* ------------------------------------------------------------------ the end */

/* What it had taken ends with it, the rest is there for others */
START_TEST(stopped_with_a_message_half_received)
{
	struct scene s = two();

	post_receives(&s, 3);
	fv_begin_message(ibv_of(s.p.b));
	rig_stop(s.p.b->qp);
	rig_settle();
	ck_assert(s.p.b->qp->stopped);
	rig_assert_shared(s.srq, 0, s.p.b->qp, 0, VIRTIO_RDMA_WC_CANCELLED);
	ck_assert_uint_eq(s.srq->ended, 1);
	ck_assert_uint_eq(fv_shared_receives(1), 2);
	say(&s.q, 1);
	rig_settle();
	rig_assert_shared(s.srq, 1, s.q.b->qp, 0, VIRTIO_RDMA_WC_SUCCESS);
	rig_part(&s.q);
}
END_TEST

/* A message arrives, and before the worker looks, the queue pair is stopped: it
 * used a receive, and is told */
START_TEST(stopped_with_a_message_unpolled)
{
	struct scene s = one();

	post_receives(&s, 2);
	rig.host[1].worker_off = true;
	say(&s.p, 0);
	rig_settle();
	rig_stop(s.p.b->qp);
	rig_settle();
	rig.host[1].worker_off = false;
	rig_settle();
	ck_assert(s.p.b->qp->stopped);
	rig_assert_shared(s.srq, 0, s.p.b->qp, 0, VIRTIO_RDMA_WC_SUCCESS);
	assert_bytes(&s, 0, 0);
}
END_TEST

/* It is at rest when the device says that it takes no receive any more, or when
 * its time is up */
START_TEST(the_last_event)
{
	struct scene s = one();
	struct be_qp *b = s.p.b->qp;

	post_receives(&s, 1);
	fv_flush = FV_FLUSH_LOST;
	rig_stop(b);
	rig_settle();
	rig_advance(1999);
	rig_settle();
	ck_assert(!b->stopped && fv_qp_lives(1, b->qpn));
	if (_i)
		fv_qp_event(ibv_of(s.p.b), IBV_EVENT_QP_LAST_WQE_REACHED);
	else
		rig_advance(1);
	rig_settle();
	ck_assert(b->stopped);
	ck_assert_int_eq(rig_warned("were not flushed"), !_i);
}
END_TEST

/* It came when the queue pair broke; it does not come a second time */
START_TEST(the_last_event_came_before)
{
	struct scene s = one();
	struct be_qp *b = s.p.b->qp;

	rig_post(b, VIRTIO_RDMA_OP_WRITE, 0, 100, 0);
	fv_data_cut = true;
	rig_settle();
	ck_assert_int_eq(rig_disconnect(s.p.a), 0);
	rig_settle();
	fv_expire(ibv_of(s.p.b));
	rig_settle();
	ck_assert(!b->stopping);
	rig_stop(b);
	rig_settle();
	ck_assert(b->stopped);
}
END_TEST

/* The device flushes what it had taken when its queue pair is no more: the
 * receive is there for others, if their queue still is */
START_TEST(flushed_too_late)
{
	struct scene s = one();

	post_receives(&s, 2);
	fv_begin_message(ibv_of(s.p.b));
	fv_flush = FV_FLUSH_HELD;
	rig_end(s.p.b);
	fv_flush = FV_FLUSH_NOW;
	if (_i) {
		rig_srq_destroy(s.srq);
		s.srq = rig_srq(1, WINDOW);
		post_receives(&s, 2);
	}
	ck_assert_uint_eq(fv_release_flushes(), 1);
	rig_settle();
	ck_assert_uint_eq(fv_shared_receives(1), 2);
	ck_assert_uint_eq(s.srq->ended, 0);
}
END_TEST

START_TEST(a_mute_one)
{
	struct scene s = one();

	post_receives(&s, 2);
	fv_begin_message(ibv_of(s.p.b));
	fv_flush = _i ? FV_FLUSH_NOW : FV_FLUSH_LOST;
	s.p.b->qp->mute = true;
	rig_stop(s.p.b->qp);
	rig_settle();
	ck_assert(s.p.b->qp->stopped);
	ck_assert_uint_eq(fv_shared_receives(1), 1);
}
END_TEST

/* The queue ends when nobody uses it, with receives that nobody used */
START_TEST(the_end_of_the_queue)
{
	struct scene s = two();
	struct vrb *v = vrb_of(rig.host[1].be);

	post_receives(&s, 2 * WINDOW);
	say(&s.p, 0);
	rig_settle();
	rig_part(&s.p);
	rig_part(&s.q);
	ck_assert_uint_eq(v->w.credits, WINDOW);
	rig_srq_destroy(s.srq);
	ck_assert_uint_eq(v->w.credits, 0);
	ck_assert_uint_eq(s.srq->ended, 1);
}
END_TEST

/* Behind a queue pair whose destruction is on its way */
START_TEST(the_queue_ends_behind_its_queue_pairs)
{
	struct scene s = one();

	rig_stop(s.p.b->qp);
	rig_settle();
	rig_abort(s.p.b);
	s.p = unattached();
	rig_abort(s.p.b);
	rig_srq_destroy(s.srq);	/* the fake looks */
}
END_TEST

/* ---------------------------------------------------------------- failing calls */

START_TEST(no_queue)
{
	static const struct {
		enum fv_call call;
		unsigned int nths;
		const char *says;
	} rows[] = {
		{ FV_ibv_create_srq, 1, "cannot create a shared receive queue" },
		{ FV_ibv_resize_cq, 1, "no more connections" },
		{ FV_calloc, 5, NULL },
	};
	struct vrb *v;
	struct rig_srq *s;

	rig_start_both();
	v = vrb_of(rig.host[1].be);
	for (unsigned int nth = 1; nth <= rows[_i].nths; nth++) {
		fv_fail(rows[_i].call, nth, ENOMEM);
		ck_assert_int_eq(rig_srq_create(1, 1000, &s), -ENOMEM);
		ck_assert(fv_failed());
		ck_assert(!rows[_i].says || rig_warned(rows[_i].says));
		ck_assert_uint_eq(v->w.credits, 0);
	}
	/* all that was taken was given back: one works, and is the first */
	s = rig_srq(1, 1000);
	ck_assert_ptr_nonnull(v->w.srq[0]);
	rig_srq_destroy(s);
	ck_assert_ptr_null(v->w.srq[0]);
}
END_TEST

START_TEST(no_slot)
{
	struct rig_srq *s, *more;
	struct vrb *v;

	rig_start_both();
	v = vrb_of(rig.host[1].be);
	for (unsigned int i = 0; i < SRQ_SLOTS; i++)
		v->srq_used[i] = i != 77;
	s = rig_srq(1, 1);
	ck_assert_int_eq(rig_srq_create(1, 1, &more), -ENOMEM);
	ck_assert(rig_warned("4096 shared receive queues are all"));
	rig_srq_destroy(s);
	rig_srq(1, 1);
}
END_TEST

/* The device refuses the nth of a batch: those before it are used */
START_TEST(a_post_is_refused)
{
	const unsigned int before = (unsigned int)_i;
	struct scene s = one();

	rig.errors_expected = true;
	fv_fail(FV_ibv_post_srq_recv, before + 1, ENOMEM);
	post_receives(&s, 4);
	ck_assert(fv_failed());
	ck_assert(rig_warned("a shared receive was refused"));
	ck_assert_uint_eq(fv_shared_receives(1), before);
	for (unsigned int i = 0; i < before; i++)
		say(&s.p, i);
	rig_settle();
	ck_assert_uint_eq(s.srq->ended, before);
	rig_part(&s.p);
}
END_TEST

/* ...or the one that is given back to it */
START_TEST(a_repost_is_refused)
{
	struct scene s = one();

	s.q = unattached();
	post_receives(&s, 1);
	say(&s.q, 0);
	rig_settle();
	rig.errors_expected = true;
	fv_cm_cut = false;
	fv_fail(FV_ibv_post_srq_recv, 1, ENOMEM);
	rig_abort(s.q.b);
	rig_settle();
	ck_assert(fv_failed());
	ck_assert_uint_eq(fv_shared_receives(1), 0);
	post_receives(&s, 1);
	say(&s.p, 1);
	rig_settle();
	rig_assert_shared(s.srq, 1, s.p.b->qp, 0, VIRTIO_RDMA_WC_SUCCESS);
	rig_part(&s.p);
}
END_TEST

/* ------------------------------------------------------------------- removal */

static struct rig_srq *guest_posts_to;

static void post_as_it_is_destroyed(void)
{
	fv_await_held(FV_ibv_destroy_srq);
	rig_srq_post(guest_posts_to, 0, 100);
	rig_run_workers();	/* the fake looks */
	fv_hold(FV_ibv_destroy_srq, false);
}

/* Control waits for the worker first, and then for the helper */
static void at_the_second_wait(void)
{
	fv_hold(FV_ibv_destroy_srq, true);
	rig.while_waiting = post_as_it_is_destroyed;
}

/* The guest posts on: nothing goes to a queue that the device is losing */
START_TEST(posts_as_the_device_goes)
{
	struct scene s;

	rig_start_both();
	s.srq = rig_srq(1, WINDOW);
	guest_posts_to = s.srq;
	post_receives(&s, 1);
	fv_device_fatal(1);
	rig.while_waiting = at_the_second_wait;
	rig_settle();
	ck_assert_ptr_null(rig.while_waiting);
	ck_assert(!fv_is_open(1));
	post_receives(&s, 1);
	ck_assert_uint_eq(s.srq->ended, 0);
	ck_assert_int_eq(rig_srq_create(1, WINDOW, &s.srq), -ENODEV);
}
END_TEST

int main(void)
{
	const struct rig_test tests[] = {
		{ "order", in_the_order_of_the_messages, 1 },
		{ "window", more_than_the_window, 1 },
		{ "went", memory_that_went, 1 },
		{ "breaks", one_breaks_the_other_goes_on, 1 },
		{ "early", told_when_it_is_attached, 1 },
		{ "never", given_back_when_it_never_is, 2 },
		{ "number", a_number_of_two, 1 },
		{ "early queue", the_queue_goes_with_early_ones, 2 },
		{ "early failure", failed_before_it_was_attached, 1 },
		{ "dead", dead_before_it_was_attached, 1 },
		{ "error", in_error_by_itself, 2 },
		{ "cause", the_cause_is_told, 2 },
		{ "behind", a_failure_behind_the_indication, 2 },
		{ "too short", too_short, 2 },
		{ "before", receives_are_before_the_indication, 1 },
		{ "half", stopped_with_a_message_half_received, 1 },
		{ "unpolled", stopped_with_a_message_unpolled, 1 },
		{ "last", the_last_event, 2 },
		{ "last before", the_last_event_came_before, 1 },
		{ "too late", flushed_too_late, 2 },
		{ "mute", a_mute_one, 2 },
		{ "end", the_end_of_the_queue, 1 },
		{ "end behind", the_queue_ends_behind_its_queue_pairs, 1 },
		{ "no queue", no_queue, 3 },
		{ "slots", no_slot, 1 },
		{ "refused", a_post_is_refused, 4 },
		{ "repost", a_repost_is_refused, 1 },
		{ "removal", posts_as_the_device_goes, 1 },
	};

	return rig_run_tests("verbs_srq", tests,
			     sizeof(tests) / sizeof(tests[0]));
}
