// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * test_verbs_window.c - memory windows of the verbs backend, and send with
 * invalidate: what a window gives, until when, and that model and device agree
 */
#include <errno.h>

#include "verbs_rig.h"

#define WINDOW 8u
#define READ_WRITE (VIRTIO_RDMA_ACCESS_REMOTE_READ | \
		    VIRTIO_RDMA_ACCESS_REMOTE_WRITE)
#define KEYS 0xffu			/* of a token: the guest's choice */

static struct rig_pair pair(void)
{
	rig_start_both();
	return rig_pair(WINDOW);
}

/* A token of the window, another with each n */
static uint32_t token_of(const struct rig_mw *m, uint32_t n)
{
	return (m->mw.key & ~KEYS) | ((m->mw.key + n) & KEYS);
}

static void write_to(struct rig_pair *p, uint32_t token, uint64_t off,
		     uint64_t length)
{
	struct rig_queue *q = &p->a->qp->sq;

	rig_post(p->a->qp, VIRTIO_RDMA_OP_WRITE, 0, length, off);
	q->wr[q->posted - 1].wr.remote_token = token;
	rig_settle();
}

/* b binds m, to [0x1000, 0x2000) */
static uint32_t bind_it(struct rig_pair *p, struct rig_mw *m, uint32_t n)
{
	const uint32_t before = p->b->qp->sq.ended;

	rig_post_bind(p->b->qp, m, token_of(m, n), 0x1000, 0x1000, READ_WRITE);
	rig_settle();
	rig_assert_ended(&p->b->qp->sq, before, VIRTIO_RDMA_WC_SUCCESS);
	ck_assert_uint_eq(m->token, token_of(m, n));
	ck_assert(fv_window_is_bound(1, token_of(m, n)));
	return token_of(m, n);
}

/* What the model says is what the device does, or no region could be taken back
 * when the model says that it can */
static void assert_agree(const struct rig_mw *m, uint32_t token)
{
	ck_assert_int_eq(m->token == token, fv_window_is_bound(1, token));
}

/* ----------------------------------------------------------- what it gives */

START_TEST(as_it_was_bound)
{
	struct rig_pair p = pair();
	struct rig_mw *m = rig_mw(1);
	uint32_t token = bind_it(&p, m, 1);

	memset(rig.host[0].mem, 0x5a, 100);
	write_to(&p, token, 0x1000, 100);
	write_to(&p, token, 0x1f9c, 100);
	rig_assert_ended(&p.a->qp->sq, 1, VIRTIO_RDMA_WC_SUCCESS);
	ck_assert_uint_eq(rig.host[1].mem[0x1000], 0x5a);
	ck_assert_uint_eq(rig.host[1].mem[0x1fff], 0x5a);
	write_to(&p, token, _i ? 0xfff : 0x1f9d, 100);
	rig_assert_ended(&p.a->qp->sq, 2, VIRTIO_RDMA_WC_REMOTE_ACCESS);
}
END_TEST

/* Each right is the one that was asked for */
START_TEST(rights)
{
	const uint32_t access = _i ? VIRTIO_RDMA_ACCESS_REMOTE_READ :
				     VIRTIO_RDMA_ACCESS_REMOTE_WRITE;
	struct rig_pair p = pair();
	struct rig_mw *m = rig_mw(1);
	struct rig_queue *sq = &p.a->qp->sq;

	rig_post_bind(p.b->qp, m, token_of(m, 1), 0x1000, 0x1000, access);
	rig_settle();
	for (unsigned int i = 0; i < 2; i++) {
		bool read = (bool)_i != (bool)i;

		rig_post(p.a->qp, read ? VIRTIO_RDMA_OP_READ :
					 VIRTIO_RDMA_OP_WRITE, 0, 100, 0x1000);
		sq->wr[i].wr.remote_token = token_of(m, 1);
		rig_settle();
	}
	ck_assert_int_eq(sq->wr[0].status, VIRTIO_RDMA_WC_SUCCESS);
	rig_assert_ended(sq, 1, VIRTIO_RDMA_WC_REMOTE_ACCESS);
}
END_TEST

/* Only the queue pair's own peer gets in */
START_TEST(on_one_queue_pair)
{
	struct rig_pair p = pair(), q = rig_pair(WINDOW);
	uint32_t token = bind_it(&p, rig_mw(1), 1);

	write_to(&q, token, 0x1000, 100);
	rig_assert_ended(&q.a->qp->sq, 0, VIRTIO_RDMA_WC_REMOTE_ACCESS);
	write_to(&p, token, 0x1000, 100);
	rig_assert_ended(&p.a->qp->sq, 0, VIRTIO_RDMA_WC_SUCCESS);
	rig_part(&p);
}
END_TEST

/* ------------------------------------------------------------ until when */

START_TEST(bound_again)
{
	struct rig_pair p = pair();
	struct rig_mw *m = rig_mw(1);
	uint32_t token = bind_it(&p, m, 1);

	rig_post_invalidate(p.b->qp, token);
	rig_settle();
	rig_assert_ended(&p.b->qp->sq, 1, VIRTIO_RDMA_WC_SUCCESS);
	ck_assert_uint_eq(m->token, 0);
	assert_agree(m, token);
	write_to(&p, bind_it(&p, m, 2), 0x1000, 100);
	rig_assert_ended(&p.a->qp->sq, 0, VIRTIO_RDMA_WC_SUCCESS);
	write_to(&p, token, 0x1000, 100);
	rig_assert_ended(&p.a->qp->sq, 1, VIRTIO_RDMA_WC_REMOTE_ACCESS);
}
END_TEST

/* In one batch with what comes before and behind: the order of the queue */
START_TEST(in_the_order_of_the_queue)
{
	struct rig_pair p = pair();
	struct rig_mw *m = rig_mw(1);

	for (unsigned int i = 0; i < 3; i++) {
		rig_post_bind(p.b->qp, m, token_of(m, i + 1), 0, 100,
			      READ_WRITE);
		rig_post_invalidate(p.b->qp, token_of(m, i + 1));
	}
	rig_settle();
	rig_assert_ended(&p.b->qp->sq, 5, VIRTIO_RDMA_WC_SUCCESS);
	ck_assert(!p.b->qp->failing);
	rig_part(&p);
}
END_TEST

/* By the peer, with its message, in a queue of its own or a shared one */
START_TEST(invalidated_by_the_peer)
{
	struct rig_pair p;
	struct rig_wr *w;
	struct rig_mw *m;
	uint32_t token;

	rig.share = _i;
	p = pair();
	m = rig_mw(1);
	token = bind_it(&p, m, 1);
	rig_post_receive(p.b->qp, 0, 100);
	rig_post_receive(p.b->qp, 0, 100);
	rig_post_send_invalidate(p.a->qp, 0, 100, token);
	rig_settle();
	w = _i ? &rig.host[1].srq->wr[0] : &p.b->qp->rq.wr[0];
	ck_assert(w->ended);
	ck_assert_int_eq(w->status, VIRTIO_RDMA_WC_SUCCESS);
	ck_assert_int_eq(w->wr.opcode, VIRTIO_RDMA_OP_RECEIVE_INVALIDATE);
	ck_assert_uint_eq(w->wr.remote_token, token);
	ck_assert_uint_eq(m->token, 0);
	assert_agree(m, token);
	rig_assert_ended(&p.a->qp->sq, 0, VIRTIO_RDMA_WC_SUCCESS);
	bind_it(&p, m, 2);
	/* a token that is none any more is the sender's fault */
	rig_post_send_invalidate(p.a->qp, 0, 100, token);
	rig_settle();
	rig_assert_ended(&p.a->qp->sq, 1, VIRTIO_RDMA_WC_REMOTE_REQUEST);
	ck_assert(p.b->qp->stopped);
}
END_TEST

/* The model has taken the window out of it: it is not told of a success */
START_TEST(the_model_knows_no_such_token)
{
	struct rig_pair p;
	struct rig_wr *w;
	struct rig_mw *m;
	uint32_t token;

	rig.share = _i;
	p = pair();
	m = rig_mw(1);
	token = bind_it(&p, m, 1);
	m->token = 0;
	rig_post_receive(p.b->qp, 0, 100);
	rig_post_send_invalidate(p.a->qp, 0, 100, token);
	rig_settle();
	w = _i ? &rig.host[1].srq->wr[0] : &p.b->qp->rq.wr[0];
	ck_assert(w->ended);
	ck_assert_int_eq(w->status, VIRTIO_RDMA_WC_LOCAL_PROTECTION);
	ck_assert(p.b->qp->stopped);
}
END_TEST

START_TEST(destroyed_while_it_is_bound)
{
	struct rig_pair p = pair();
	struct rig_mw *m = rig_mw(1);
	uint32_t token = bind_it(&p, m, 1);

	rig_mw_destroy(m);
	rig_settle();
	ck_assert_uint_eq(m->answers, 2);
	m->mw.priv = NULL;
	write_to(&p, token, 0x1000, 100);
	rig_assert_ended(&p.a->qp->sq, 0, VIRTIO_RDMA_WC_REMOTE_ACCESS);
	/* and its region is free (the fake looks) */
}
END_TEST

/* Its queue pair is gone: it gives nothing, and keeps its region */
START_TEST(its_queue_pair_goes)
{
	struct rig_pair p = pair(), q = rig_pair(WINDOW);
	struct rig_mw *m = rig_mw(1);
	uint32_t token = bind_it(&p, m, 1);

	rig_part(&p);
	assert_agree(m, token);
	write_to(&q, token, 0x1000, 100);
	rig_assert_ended(&q.a->qp->sq, 0, VIRTIO_RDMA_WC_REMOTE_ACCESS);
}
END_TEST

/* ------------------------------------------------------------- what fails */

START_TEST(bound_twice)
{
	struct rig_pair p = pair();
	struct rig_mw *m = rig_mw(1);
	uint32_t token = bind_it(&p, m, 1);

	rig_post_bind(p.b->qp, m, token_of(m, 2), 0, 100, READ_WRITE);
	rig_settle();
	rig_assert_ended(&p.b->qp->sq, 1, VIRTIO_RDMA_WC_LOCAL_PROTECTION);
	ck_assert(p.b->qp->stopped);
	assert_agree(m, token);
}
END_TEST

START_TEST(no_such_token)
{
	struct rig_pair p = pair();
	struct rig_mw *m = rig_mw(1);

	rig_post_invalidate(p.b->qp, token_of(m, 1));
	rig_settle();
	rig_assert_ended(&p.b->qp->sq, 0, VIRTIO_RDMA_WC_LOCAL_REQUEST);
	ck_assert(p.b->qp->stopped);
}
END_TEST

/* The device did it and the model says no: the two are at odds */
START_TEST(the_model_says_no)
{
	struct rig_pair p = pair();
	struct rig_mw *m = rig_mw(1);

	m->token = 1;
	rig_post_bind(p.b->qp, m, token_of(m, 1), 0, 100, READ_WRITE);
	rig_settle();
	rig_assert_ended(&p.b->qp->sq, 0, VIRTIO_RDMA_WC_LOCAL_PROTECTION);
	ck_assert(p.b->qp->stopped);
}
END_TEST

/* What the device does not have: the request ends in its turn */
START_TEST(nothing_to_bind)
{
	struct rig_mw none = { .host = 1 };
	static struct rig_mr gone;
	struct rig_pair p = pair();
	struct rig_mw *m = rig_mw(1);

	fv_data_cut = true;
	rig_post(p.b->qp, VIRTIO_RDMA_OP_WRITE, 0, 100, 0);
	rig_post_bind(p.b->qp, _i ? &none : m, 0x100, 0, 100, READ_WRITE);
	if (!_i)
		p.b->qp->sq.wr[1].bind.mr = &gone.mr;
	rig_settle();
	ck_assert_uint_eq(p.b->qp->sq.ended, 0);
	fv_data_cut = false;
	rig_settle();
	ck_assert_int_eq(p.b->qp->sq.wr[0].status, VIRTIO_RDMA_WC_SUCCESS);
	rig_assert_ended(&p.b->qp->sq, 1, VIRTIO_RDMA_WC_LOCAL_PROTECTION);
}
END_TEST

/* The device does all that is posted, the worker looks when it is being stopped */
static void stop_unpolled(struct be_qp *qp)
{
	rig.wire_off = true;
	rig_settle();
	rig.host[1].worker_off = true;
	rig.wire_off = false;
	rig_settle();
	rig_stop(qp);
	rig.host[1].worker_off = false;
}

/* b has no patience any more; then its peer has a receive, and the device goes
 * on until it is in ERROR */
static void time_out(struct rig_pair *p)
{
	rig_settle();
	fv_hold(FV_ibv_modify_qp, true);
	rig_advance(100);
	rig_run_dry();
	fv_await_held(FV_ibv_modify_qp);
	rig_post_receive(p->a->qp, 0, 10);
	rig_run_dry();
	fv_hold(FV_ibv_modify_qp, false);
}

/* The device has done it, and its consumer is not told: the queue pair is being
 * stopped, or what came before was given up.  The model hears of it. */
START_TEST(done_and_not_told)
{
	struct rig_pair p = pair();
	struct rig_mw *m = rig_mw(1), *n = rig_mw(1);
	struct be_qp *b = p.b->qp;
	uint32_t token = bind_it(&p, m, 1);

	b->rnr_ms = 100;
	if (_i)
		rig_post(b, VIRTIO_RDMA_OP_SEND, 0, 10, 0);
	rig_post_bind(b, n, token_of(n, 1), 0x1000, 100, READ_WRITE);
	rig_post_invalidate(b, token);
	if (_i)
		time_out(&p);
	else
		stop_unpolled(b);
	rig_settle();
	ck_assert(b->stopped);
	assert_agree(m, token);
	assert_agree(n, token_of(n, 1));
	ck_assert_uint_eq(n->token, token_of(n, 1));
	ck_assert_uint_eq(b->sq.ended, 1u + (unsigned int)_i);
}
END_TEST

START_TEST(no_window)
{
	struct rig_mw *m;

	rig_start_both();
	fv_fail(FV_ibv_alloc_mw, 1, ENOMEM);
	m = rig_mw_create(1);
	rig_settle();
	ck_assert(fv_failed());
	ck_assert_uint_eq(m->answers, 1);
	ck_assert_int_eq(m->err, -ENOMEM);
	ck_assert_ptr_null(m->mw.priv);
	ck_assert(rig_warned("cannot create a memory window"));
	rig_mw(1);
}
END_TEST

/* Taken back before it was answered: one answer, to that */
START_TEST(taken_back_at_once)
{
	struct rig_mw *m;

	rig_start_both();
	fv_hold(FV_ibv_alloc_mw, true);
	if (_i)
		fv_fail(FV_ibv_alloc_mw, 1, ENOMEM);
	m = rig_mw_create(1);
	fv_await_held(FV_ibv_alloc_mw);
	rig_mw_destroy(m);
	rig_run_dry();
	ck_assert_uint_eq(m->answers, 0);
	fv_hold(FV_ibv_alloc_mw, false);
	rig_settle();
	ck_assert_uint_eq(m->answers, 1);
	ck_assert_int_eq(m->err, 0);
	m->mw.priv = NULL;
}
END_TEST

/* A device that lacks them: a guest is not offered what it cannot have */
START_TEST(what_a_device_lacks)
{
	const uint32_t all = VIRTIO_RDMA_FEATURE(MW) |
			     VIRTIO_RDMA_FEATURE(SRQ) |
			     VIRTIO_RDMA_FEATURE(SEND_INVALIDATE);
	const uint32_t lacks[] = {
		VIRTIO_RDMA_FEATURE(MW),
		VIRTIO_RDMA_FEATURE(SRQ),
		VIRTIO_RDMA_FEATURE(SEND_INVALIDATE),
		VIRTIO_RDMA_FEATURE(MW) | VIRTIO_RDMA_FEATURE(SEND_INVALIDATE),
		0,
	};
	const struct backend *be;

	if (_i == 0)
		fv_device.attr.max_mw = 0;
	if (_i == 1)
		fv_device.attr.max_srq = 0;
	if (_i == 2)
		fv_device.attr.device_cap_flags = IBV_DEVICE_MEM_WINDOW_TYPE_2A;
	if (_i == 3)	/* rxe says that it has all of them */
		fv_device.attr.vendor_id = 0xffffff;
	rig_start_both();
	be = rig.host[1].be;
	ck_assert_uint_eq(be->features & all,
			  all & ~lacks[_i]);
	ck_assert_int_eq(!be->srq_create, _i == 1);
	ck_assert_int_eq(fv_newest_region(1).access & IBV_ACCESS_MW_BIND,
			 lacks[_i] & VIRTIO_RDMA_FEATURE(MW) ?
				 0 : IBV_ACCESS_MW_BIND);
}
END_TEST

/* ------------------------------------------------------------------- removal */

/* With bound ones, one on its way, one that fails, one on its way back */
START_TEST(the_device_goes)
{
	struct rig_mw *bound, *early, *failing, *late;
	struct rig_pair p = pair();

	bound = rig_mw(1);
	bind_it(&p, bound, 1);
	fv_hold(FV_ibv_alloc_mw, true);
	early = rig_mw_create(1);
	failing = rig_mw_create(1);
	late = rig_mw_create(1);
	rig_mw_destroy(late);
	fv_await_held(FV_ibv_alloc_mw);
	fv_fail(FV_ibv_alloc_mw, 2, ENOMEM);
	fv_device_fatal(1);
	rig_run_dry();
	if (_i)
		fv_revive(1);	/* as if they had been there in time */
	fv_hold(FV_ibv_alloc_mw, false);
	rig_settle();
	ck_assert_uint_eq(p.b->qp->fails, 1);
	rig_end(p.b);
	rig_settle();
	ck_assert(!fv_is_open(1));
	ck_assert_uint_eq(early->answers, 1);
	ck_assert_int_eq(early->err, _i ? 0 : -ENODEV);
	ck_assert_uint_eq(failing->answers, 1);
	ck_assert_int_eq(failing->err, -ENODEV);
	ck_assert_uint_eq(late->answers, 1);
	late->mw.priv = NULL;
	rig_settle();
	early = rig_mw_create(1);
	rig_settle();
	ck_assert_int_eq(early->err, -ENODEV);
	rig_end(p.a);
}
END_TEST

static void nop(void *arg)
{
	(void)arg;
}

/* It was made, and lost, before its answer: what the model is told is one that
 * was, with a token of its own */
START_TEST(lost_before_it_was_answered)
{
	struct rig_mr r = { .host = 1 };
	struct rig_mw *m;

	rig_start_both();
	fv_hold(FV_ibv_alloc_mw, true);
	m = rig_mw_create(1);
	r.mr.addr = RIG_VA;
	r.mr.length = RIG_PAGE;
	rig_register(&r);
	fv_await_held(FV_ibv_alloc_mw);
	fv_device_fatal(1);
	rig_run_dry();
	fv_revive(1);
	fv_hold(FV_ibv_alloc_mw, false);
	slow_call(vrb_of(rig.host[1].be)->mr_helper, nop, NULL);
	rig_settle();
	ck_assert_uint_eq(m->answers, 1);
	ck_assert_int_eq(m->err, 0);
	ck_assert_uint_ne(m->mw.key, 0);
	ck_assert_uint_eq(r.answers, 1);
	ck_assert_int_eq(r.err, 0);
	ck_assert_uint_ne(r.mr.remote_key, 0);
	ck_assert_uint_ne(r.mr.local_key, 0);
	rig_deregister(&r);
	rig_settle();
}
END_TEST

int main(void)
{
	const struct rig_test tests[] = {
		{ "bound", as_it_was_bound, 2 },
		{ "rights", rights, 2 },
		{ "one", on_one_queue_pair, 1 },
		{ "again", bound_again, 1 },
		{ "order", in_the_order_of_the_queue, 1 },
		{ "peer", invalidated_by_the_peer, 2 },
		{ "token", the_model_knows_no_such_token, 2 },
		{ "destroyed", destroyed_while_it_is_bound, 1 },
		{ "gone", its_queue_pair_goes, 1 },
		{ "twice", bound_twice, 1 },
		{ "no token", no_such_token, 1 },
		{ "model", the_model_says_no, 1 },
		{ "nothing", nothing_to_bind, 2 },
		{ "not told", done_and_not_told, 2 },
		{ "no window", no_window, 1 },
		{ "early", taken_back_at_once, 2 },
		{ "lacks", what_a_device_lacks, 5 },
		{ "removal", the_device_goes, 2 },
		{ "lost", lost_before_it_was_answered, 1 },
	};

	return rig_run_tests("verbs_window", tests,
			     sizeof(tests) / sizeof(tests[0]));
}
