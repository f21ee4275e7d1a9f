// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * test_verbs_removal.c - the device goes, in each state of a connection
 *
 * DOC: Whatever the device does to itself, and in whatever state a connection
 * is then: its consumer hears once, everything of the device is given back
 * (the fake's counts, and the host's hot-unplug waits for no more), and the
 * backend answers as one without a device until its end.
 */
#include <errno.h>

#include "verbs_rig.h"

#define WINDOW 8u

enum state {
	S_IDLE,				/* listener, domain, region */
	S_RESOLVING,			/* active; nothing heard yet */
	S_REQUESTED,
	S_ACCEPTED,
	S_ESTABLISHED,			/* with requests outstanding */
	S_PEER_SAID,			/* DISCONNECTED was told */
	S_SAID,				/* DREQ is out, at rest, no answer */
	S_ERRING,			/* stop(): a helper is at it */
	S_DRAINING,
	S_LEAVING,
	STATES
};

enum cause {
	C_FATAL,
	C_REMOVAL,
	C_FATAL_REMOVAL,
	C_REMOVAL_FATAL,
	C_CQ_ERROR,
	CAUSES
};

static void cause(enum cause how, unsigned int host)
{
	switch (how) {
	case C_FATAL:
		fv_device_fatal(host);
		break;
	case C_REMOVAL:
		fv_device_removal(host);
		break;
	case C_FATAL_REMOVAL:
		fv_device_fatal(host);
		rig_turn();
		fv_device_removal(host);
		break;
	case C_REMOVAL_FATAL:
		fv_device_removal(host);
		rig_turn();
		fv_device_fatal(host);
		break;
	default:
		fv_cq_error(host);
		break;
	}
}

/* --------------------------------------------------------------- the states */

static struct rig_pair pair_with_requests(void)
{
	struct rig_pair p = rig_pair(WINDOW);

	for (unsigned int i = 0; i < 4; i++) {
		rig_post(p.a->qp, VIRTIO_RDMA_OP_SEND, 0, 100, 0);
		rig_post(p.b->qp, VIRTIO_RDMA_OP_SEND, 0, 100, 0);
	}
	rig_settle();
	return p;
}

static struct rig_pair bring(enum state to)
{
	struct be_private none = rig_private(0);
	struct rig_pair p = { NULL, NULL };

	if (to == S_IDLE)
		return p;
	if (to <= S_ACCEPTED) {
		p.a = rig_connect(rig_qp(0, WINDOW), &none);
		if (to == S_RESOLVING)
			return p;
		rig_settle();
		p.b = rig.host[1].newest;
		if (to == S_REQUESTED)
			return p;
		ck_assert_int_eq(rig_accept(p.b, rig_qp(1, WINDOW), &none), 0);
		rig_settle();
		return p;
	}
	return pair_with_requests();
}

static void go_on(enum state to, struct rig_conn *c, struct rig_conn *peer)
{
	if (to == S_PEER_SAID) {
		ck_assert_int_eq(rig_disconnect(peer), 0);
		rig_settle();
		ck_assert_uint_eq(c->disconnected, 1);
	}
	if (to < S_SAID)
		return;
	fv_cm_cut = true;
	ck_assert_int_eq(rig_disconnect(c), 0);
	if (to == S_ERRING)
		fv_hold(FV_ibv_modify_qp, true);
	if (to == S_DRAINING)
		fv_flush = FV_FLUSH_LOST;
	if (to == S_LEAVING)
		fv_hold(FV_ibv_destroy_qp, true);
	rig_stop(c->qp);
	if (to == S_ERRING) {
		fv_await_held(FV_ibv_modify_qp);
	} else if (to == S_LEAVING) {
		/* the worker sees that it has drained when ERROR is told */
		while (c->conn->data_state != DATA_LEAVING)
			if (!rig_turn())
				rig_wait_worker(c->host);
		fv_await_held(FV_ibv_destroy_qp);
	} else {
		rig_settle();
	}
	ck_assert_int_eq(c->qp->stopped, to == S_SAID);
}

/* ------------------------------------------------------------------ the end */

/* The model's part: what broke is stopped and ended, what waits for the peer
 * is ended by its deadline */
static void assert_heard(enum state in, const struct rig_conn *c)
{
	if (in == S_RESOLVING || in == S_REQUESTED || in == S_ACCEPTED)
		ck_assert(c->over);
	if (in == S_ESTABLISHED || in == S_PEER_SAID) {
		ck_assert_uint_eq(c->qp->fails, 1);
		ck_assert_int_eq(c->qp->reason, VIRTIO_RDMA_R_RESET);
		ck_assert_uint_eq(c->qp->sq.ended, 0);
	}
}

static void end_all_of(unsigned int host)
{
	for (struct rig_conn *c = rig.conns; c; c = c->next)
		if (c->host == host)
			rig_end(c);
}

static void assert_is_without_device(unsigned int host)
{
	struct rig_host *h = &rig.host[host];
	struct be_addr to = rig_addr(!host, false, RIG_PORT);
	struct be_addr from = rig_addr(host, false, 0);
	struct be_addr at = rig_addr(host, false, 99);
	struct be_private none = rig_private(0);
	struct rig_mr more = { .host = host };
	struct be_listener *l = NULL;
	struct be_pd *pd = NULL;

	ck_assert(!h->be->busy(h->be));
	ck_assert_int_eq(rig_connect_to(rig_qp(host, 4), &from, &to, &none)->err,
			 -ENETUNREACH);
	ck_assert_int_eq(h->be->pd_create(h->be, &pd), -ENODEV);
	ck_assert_int_eq(h->be->listen(h->be, &at, 1, h, &l), 0);
	h->be->unlisten(l);
	more.mr.addr = RIG_VA;
	more.mr.length = RIG_PAGE;
	rig_register(&more);
	rig_settle();
	ck_assert_uint_eq(more.answers, 1);
	ck_assert_int_eq(more.err, -ENODEV);
	h->be->arm(h->be);
	h->be->poll(h->be);
}

START_TEST(the_device_goes)
{
	const enum state in = (enum state)(_i % STATES);
	enum cause how = (enum cause)(_i / STATES % CAUSES);
	const unsigned int host = (unsigned int)_i / STATES / CAUSES % 2;
	struct rig_conn *c;
	struct rig_pair p;

	rig.share = _i / STATES / CAUSES >= 2;
	rig_start_both();
	p = bring(in);
	c = host ? p.b : p.a;
	if (c)
		go_on(in, c, host ? p.a : p.b);
	/* the manager tells of a removal at identifiers, and here is none */
	if (how == C_REMOVAL && in == S_IDLE && !host)
		how = C_REMOVAL_FATAL;
	cause(how, host);
	rig_run_dry();
	fv_hold(FV_ibv_modify_qp, false);
	fv_hold(FV_ibv_destroy_qp, false);
	rig_settle();
	if (c)
		assert_heard(in, c);
	ck_assert(!c || fv_is_open(host));	/* its consumer is not through */
	end_all_of(host);
	rig_settle();
	ck_assert_msg(!fv_is_open(host), "the device is still held");
	if (how != C_CQ_ERROR)	/* that one is still there */
		ck_assert_msg(!fv_manager_holds(host), "...by the manager");
	ck_assert(rig_warned("nothing of the device is held any more"));
	assert_is_without_device(host);
	/* the other side goes on */
	end_all_of(!host);
	ck_assert(fv_is_open(!host));
	if (how == C_CQ_ERROR)
		rig.errors_expected = true;
}
END_TEST

/* A request comes while the listener is being taken back: nobody is asked */
START_TEST(a_request_at_the_last_moment)
{
	struct be_private none = rig_private(0);
	struct rig_conn *c;

	rig_start_both();
	c = rig_connect(rig_qp(0, WINDOW), &none);
	rig.wire_off = true;
	rig_settle();
	fv_hold(FV_rdma_destroy_id, true);
	fv_device_fatal(1);
	rig_turn();
	ck_assert(rig_warned("the device was removed"));
	fv_await_held(FV_rdma_destroy_id);
	fv_revive(1);	/* so that it comes: it was on its way before */
	ck_assert(fv_step());
	rig_run_dry();
	ck_assert_ptr_null(rig.host[1].newest);
	fv_hold(FV_rdma_destroy_id, false);
	rig_settle();
	ck_assert(!fv_is_open(1));
	rig_end(c);
}
END_TEST

/* Regions whose registration or end is on its way */
START_TEST(regions_on_their_way)
{
	struct rig_host *h = &rig.host[1];	/* that listens: it is told */
	struct rig_mr early = { .host = 1 }, failing = { .host = 1 },
		      late = { .host = 1 };

	rig_start_both();
	early.mr.addr = failing.mr.addr = late.mr.addr = RIG_VA;
	early.mr.length = failing.mr.length = late.mr.length = RIG_PAGE;
	fv_hold(FV_ibv_reg_mr, true);
	rig_register(&early);
	rig_register(&failing);
	rig_register(&late);
	rig_deregister(&late);
	fv_await_held(FV_ibv_reg_mr);
	fv_fail(FV_ibv_reg_mr, 2, EFAULT);
	if (_i)
		fv_device_removal(1);
	else
		fv_port_event(1, IBV_EVENT_DEVICE_FATAL);
	rig_run_dry();
	fv_hold(FV_ibv_reg_mr, false);
	rig_settle();
	ck_assert(!fv_is_open(1));
	ck_assert_uint_eq(early.answers, 1);
	ck_assert_uint_eq(failing.answers, 1);
	ck_assert_int_eq(failing.err, -ENODEV);
	ck_assert_uint_eq(late.answers, 1);
	ck_assert_int_eq(late.err, 0);
	if (!early.err) {
		rig_deregister(&early);
		rig_settle();
		ck_assert_uint_eq(early.answers, 2);
		ck_assert_int_eq(early.err, 0);
	}
	ck_assert(!h->be->busy(h->be));
}
END_TEST

/* ------------------------------------------------------- what a device breaks */

static const enum ibv_event_type breaks[] = {
	IBV_EVENT_QP_FATAL, IBV_EVENT_QP_REQ_ERR, IBV_EVENT_QP_ACCESS_ERR,
};

#define BREAKS ((int)(sizeof(breaks) / sizeof(breaks[0])))

/* ...of one queue pair: its connection ends, the next to it does not notice */
START_TEST(a_queue_pair_breaks)
{
	const enum state in = (enum state)(S_ACCEPTED + _i / BREAKS);
	struct rig_pair other, p;
	struct rig_conn *c;

	rig_start_both();
	other = rig_pair(WINDOW);
	p = bring(in);
	c = p.b;
	go_on(in, c, p.a);
	if (in == S_SAID)
		return;		/* there is none any more */
	fv_qp_event(fv_newest_qp(1), breaks[_i % BREAKS]);
	rig_run_dry();
	fv_hold(FV_ibv_modify_qp, false);
	fv_hold(FV_ibv_destroy_qp, false);
	rig_settle();
	if (in == S_LEAVING)
		ck_assert_uint_le(c->aborted, 1); /* it went with its events */
	else
		ck_assert_uint_eq(c->aborted, 1);
	rig_end(c);
	rig_end(p.a);
	fv_cm_cut = false;
	fv_flush = FV_FLUSH_NOW;
	rig_post_receive(other.b->qp, 0, 10);
	rig_post(other.a->qp, VIRTIO_RDMA_OP_SEND, 0, 10, 0);
	rig_settle();
	rig_assert_ended(&other.a->qp->sq, 0, VIRTIO_RDMA_WC_SUCCESS);
	rig_part(&other);
}
END_TEST

/* ...of one port: all its connections end, new ones may be made */
START_TEST(a_port_goes_down)
{
	const enum state in = (enum state)(_i % STATES);
	const unsigned int host = (unsigned int)_i / STATES % 2;
	struct rig_conn *c;
	struct rig_pair p;

	rig.share = _i / STATES >= 2;
	rig_start_both();
	p = bring(in);
	c = host ? p.b : p.a;
	if (c)
		go_on(in, c, host ? p.a : p.b);
	fv_port_event(host, IBV_EVENT_PORT_ERR);
	rig_run_dry();
	fv_hold(FV_ibv_modify_qp, false);
	fv_hold(FV_ibv_destroy_qp, false);
	rig_settle();
	ck_assert(rig_warned("port 1 is down"));
	if (in == S_ESTABLISHED) {
		ck_assert_uint_eq(c->qp->fails, 1);
		ck_assert_int_eq(c->qp->reason, VIRTIO_RDMA_R_RESET);
		ck_assert(c->qp->stopped);
	}
	if (in == S_ACCEPTED)
		ck_assert_uint_eq(c->aborted, 1);
	end_all_of(0);
	end_all_of(1);
	fv_cm_cut = false;
	fv_flush = FV_FLUSH_NOW;
	fv_port_event(host, IBV_EVENT_PORT_ACTIVE);
	p = rig_pair(WINDOW);
	rig_part(&p);
	ck_assert(fv_is_open(host));
}
END_TEST

/* What came before the port went is before the failure */
START_TEST(messages_before_the_port)
{
	struct rig_pair p;

	rig.share = _i;
	rig_start_both();
	p = rig_pair(WINDOW);
	rig_post_receive(p.b->qp, 0, 100);
	rig_settle();
	rig.host[1].worker_off = true;
	rig_post(p.a->qp, VIRTIO_RDMA_OP_SEND, 0, 100, 0);
	rig_settle();
	fv_port_event(1, IBV_EVENT_PORT_ERR);
	rig_settle();
	rig.host[1].worker_off = false;
	rig_settle();
	ck_assert_uint_eq(p.b->qp->fails, 1);
	ck_assert_uint_eq(p.b->qp->rq.ended + p.b->qp->shared_ended, 1);
	if (_i)
		rig_assert_shared(rig.host[1].srq, 0, p.b->qp, 0,
				  VIRTIO_RDMA_WC_SUCCESS);
	else
		rig_assert_ended(&p.b->qp->rq, 0, VIRTIO_RDMA_WC_SUCCESS);
}
END_TEST

int main(void)
{
	const struct rig_test tests[] = {
		{ "device", the_device_goes, STATES * CAUSES * 4 },
		{ "moment", a_request_at_the_last_moment, 1 },
		{ "regions", regions_on_their_way, 2 },
		{ "queue pair", a_queue_pair_breaks,
		  BREAKS * (STATES - S_ACCEPTED) },
		{ "port", a_port_goes_down, STATES * 4 },
		{ "port before", messages_before_the_port, 2 },
	};

	return rig_run_tests("verbs_removal", tests,
			     sizeof(tests) / sizeof(tests[0]));
}
