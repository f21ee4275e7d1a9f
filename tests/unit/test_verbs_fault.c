// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * test_verbs_fault.c - each call of the libraries fails once, wherever it comes
 *
 * DOC: One scenario, from the start of two backends to their end, goes as far
 * as it can.  It is run with the first call of a function failing, then with
 * the second, and so on, until one run has fewer calls than that.  What is
 * asserted is in the rig: each upcall and request ends once, nothing hangs,
 * nothing is left behind; and here: the errors are the documented ones, and a
 * run without a fault does everything.
 */
#include <errno.h>

#include "verbs_rig.h"

struct outcome {
	bool started, listened, connected, accepted, established, moved, parted;
};

static bool is_one_of(int err, const int *list, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (list[i] == err)
			return true;
	return false;
}

#define ASSERT_DOCUMENTED(err, ...)                                            \
	do {                                                                   \
		const int list[] = { 0, __VA_ARGS__ };                         \
		ck_assert_msg(is_one_of(err, list, sizeof(list) / sizeof(int)),\
			      "%d is no error of this call", err);             \
	} while (0)

/* ----------------------------------------------------------------- scenario */

static bool begin(unsigned int host)
{
	int err = rig_start(host);

	ck_assert_int_le(err, 0);
	if (err)
		return false;
	err = rig_start_memory(host);
	ASSERT_DOCUMENTED(err, -ENOMEM, -EINVAL, -ENODEV);
	return !err;
}

static uint32_t received(const struct be_qp *qp)
{
	return qp->rq.ended + qp->shared_ended;
}

/* A window of b's, until a's message ends it */
static bool lend(struct rig_conn *a, struct rig_conn *b)
{
	struct rig_mw *m = rig_mw_create(1);
	struct rig_queue *sq = &a->qp->sq;
	uint32_t token;

	rig_settle();
	ASSERT_DOCUMENTED(m->err, -ENOMEM, -ENODEV);
	if (m->err)
		return false;
	token = m->mw.key ^ 1;
	rig_post_bind(b->qp, m, token, 0x10000, 4096,
		      VIRTIO_RDMA_ACCESS_REMOTE_WRITE);
	rig_post_receive(b->qp, 0, 4096);
	rig_settle();
	rig_post(a->qp, VIRTIO_RDMA_OP_WRITE, 0x8000, 2000, 0x10000);
	sq->wr[sq->posted - 1].wr.remote_token = token;
	rig_post_send_invalidate(a->qp, 0x8000, 2000, token);
	rig_settle();
	return sq->ended == 8 && b->qp->sq.ended == 7 && received(b->qp) == 4;
}

static void data(struct rig_conn *a, struct rig_conn *b, struct outcome *o)
{
	for (unsigned int i = 0; i < 3; i++) {
		rig_post_receive(b->qp, 0x1000 * i, 4096);
		rig_post_receive(a->qp, 0x1000 * i, 4096);
	}
	for (unsigned int i = 0; i < 3; i++) {
		rig_post(a->qp, VIRTIO_RDMA_OP_SEND, 0x8000, 2000, 0);
		rig_post(b->qp, VIRTIO_RDMA_OP_SEND, 0x8000, 1000, 0);
		rig_post(a->qp, VIRTIO_RDMA_OP_WRITE, 0x8000, 2000, 0x10000);
		rig_post(b->qp, VIRTIO_RDMA_OP_READ, 0x8000, 2000, 0x10000);
	}
	rig_settle();
	o->moved = a->qp->sq.ended == 6 && b->qp->sq.ended == 6 &&
		   received(a->qp) == 3 && received(b->qp) == 3 &&
		   (!rig.share || lend(a, b));
	if (o->moved)
		ck_assert(!a->qp->failing && !b->qp->failing);
}

static void part(struct rig_conn *a, struct rig_conn *b, struct outcome *o)
{
	ASSERT_DOCUMENTED(rig_disconnect(a), -ECONNABORTED);
	if (!a->qp->stopping)
		rig_stop(a->qp);
	rig_settle();
	ASSERT_DOCUMENTED(rig_disconnect(b), -ECONNABORTED);
	if (!b->qp->stopping)
		rig_stop(b->qp);
	rig_settle();
	o->parted = a->disconnected && b->disconnected && a->qp->stopped &&
		    b->qp->stopped;
}

/* The guest of host 1 tries again, once, where the contract says it may */
static int accept_twice(struct rig_conn *b)
{
	struct be_private none = rig_private(0);
	int err = rig_accept(b, rig_qp(1, 8), &none);

	if (err == -ENOMEM)
		err = rig_accept(b, rig_qp(1, 16), &none);
	ASSERT_DOCUMENTED(err, -ECONNABORTED);
	return err;
}

static void converse(struct outcome *o)
{
	struct be_private none = rig_private(5);
	struct rig_conn *a, *b;
	int err;

	a = rig_connect(rig_qp(0, 8), &none);
	ASSERT_DOCUMENTED(a->err, -EHOSTUNREACH, -ENETUNREACH, -EADDRINUSE,
			  -ENOMEM);
	rig_settle();
	b = rig.host[1].newest;
	if (a->err || !b || a->over)
		return;
	o->connected = true;
	if (accept_twice(b)) {
		rig_end(b);
		ck_assert_uint_eq(a->rejected, 1);
		return;
	}
	rig_settle();
	if (!a->accepted) {
		ck_assert(a->over);
		return;
	}
	o->accepted = true;
	err = rig_complete(a);
	ASSERT_DOCUMENTED(err, -ECONNABORTED);
	rig_settle();
	if (err || !b->established) {
		rig_end(a);
		ck_assert(b->over);
		return;
	}
	rig_attach(b);
	rig_settle();
	o->established = true;
	data(a, b, o);
	part(a, b, o);
}

static void scenario(struct outcome *o)
{
	int err;

	memset(o, 0, sizeof(*o));
	o->started = begin(0);
	o->started = begin(1) && o->started;
	if (o->started) {
		err = rig_listen(1, false);
		ASSERT_DOCUMENTED(err, -ENOMEM, -EADDRINUSE, -ENETUNREACH);
		o->listened = !err;
		converse(o);
	}
	rig_down();
}

/* ------------------------------------------------------------------- sweeps */

static const struct {
	enum fv_call call;
	int err;
} plan[] = {
	{ FV_ibv_get_device_list, ENOMEM },
	{ FV_ibv_open_device, EMFILE },
	{ FV_ibv_query_device, EIO },
	{ FV_ibv_query_port, EIO },
	{ FV_ibv_alloc_pd, ENOMEM },
	{ FV_ibv_create_comp_channel, ENOMEM },
	{ FV_ibv_create_cq, ENOMEM },
	{ FV_ibv_create_qp, ENOMEM },
	{ FV_ibv_create_qp, EINVAL },
	{ FV_ibv_modify_qp, ENOMEM },
	{ FV_ibv_modify_qp, EIO },
	{ FV_ibv_reg_mr, ENOMEM },
	{ FV_ibv_reg_mr, EFAULT },
	{ FV_ibv_post_send, ENOMEM },
	{ FV_ibv_post_recv, ENOMEM },
	{ FV_ibv_create_srq, ENOMEM },
	{ FV_ibv_post_srq_recv, ENOMEM },
	{ FV_ibv_alloc_mw, ENOMEM },
	{ FV_rdma_create_event_channel, ENODEV },
	{ FV_rdma_create_id, ENOMEM },
	{ FV_rdma_create_id, EMFILE },
	{ FV_rdma_create_id, EIO },
	{ FV_rdma_bind_addr, ENODEV },
	{ FV_rdma_bind_addr, ENOMEM },
	{ FV_rdma_listen, ENOMEM },
	{ FV_rdma_listen, EADDRINUSE },
	{ FV_rdma_listen, EIO },
	{ FV_rdma_resolve_addr, ENODEV },
	{ FV_rdma_resolve_addr, ENOMEM },
	{ FV_rdma_resolve_route, ENOMEM },
	{ FV_rdma_init_qp_attr, ENOMEM },
	{ FV_rdma_init_qp_attr, EINVAL },
	{ FV_rdma_connect, ENOMEM },
	{ FV_rdma_accept, ENOMEM },
	{ FV_rdma_accept, EINVAL },
	{ FV_rdma_establish, EINVAL },
	{ FV_rdma_disconnect, EINVAL },
	{ FV_rdma_disconnect, ENOMEM },
	{ FV_rdma_get_cm_event, ENOMEM },
	{ FV_mmap, ENOMEM },
	{ FV_eventfd, EMFILE },
	{ FV_epoll_create1, EMFILE },
	{ FV_epoll_ctl, ENOSPC },
	{ FV_fcntl, EBADF },
	{ FV_pthread_create, EAGAIN },
	{ FV_be_watch, ENOMEM },
};

#define PLANNED ((int)(sizeof(plan) / sizeof(plan[0])))

static bool is_whole(const struct outcome *o)
{
	return o->started && o->listened && o->connected && o->accepted &&
	       o->established && o->moved && o->parted;
}

/* Those of a shared queue are instead of the queue pair's own */
static bool is_made(enum fv_call call)
{
	if (call == FV_ibv_create_srq || call == FV_ibv_post_srq_recv ||
	    call == FV_ibv_alloc_mw)
		return rig.share;
	return call != FV_mmap && (call != FV_ibv_post_recv || !rig.share);
}

START_TEST(each_call_fails)
{
	const enum fv_call call = plan[_i % PLANNED].call;
	struct outcome o;
	unsigned int nth = 0;
	bool hit;

	rig.errors_expected = true;	/* a start that fails says why */
	rig.share = _i >= PLANNED;
	do {
		ck_assert_uint_lt(++nth, 200);
		fv_fail(call, nth, plan[_i % PLANNED].err);
		scenario(&o);
		hit = fv_failed();
	} while (hit);
	/* the plan names calls that are made, and a run without fault is whole */
	ck_assert_msg(nth > 1 || !is_made(call), "%s is never called",
		      fv_call_name[call]);
	ck_assert_msg(is_whole(&o), "%s: without a fault, not everything",
		      fv_call_name[call]);
}
END_TEST

/* ------------------------------------------------------- no memory, in person
 * Not a sweep: where a structure of some bytes is what a promise hangs on, the
 * backend gives up instead.
 */

START_TEST(no_memory_to_start)
{
	unsigned int nth = 0;
	int err;

	do {
		ck_assert_uint_lt(++nth, 20);
		fv_fail(FV_calloc, nth, ENOMEM);
		err = rig_start(0);
		if (err)
			ck_assert(err == -ENOMEM || nth == 1);
	} while (fv_failed());
	ck_assert_int_eq(err, 0);
	ck_assert_uint_gt(nth, 5);
}
END_TEST

START_TEST(no_memory_for_an_object)
{
	struct rig_host *h = &rig.host[1];
	struct be_addr at = rig_addr(1, false, 9);
	struct be_private none = rig_private(0);
	struct be_listener *l = NULL;
	struct be_pd *pd = NULL;
	struct rig_conn *c;

	rig_start_both();
	fv_fail(FV_calloc, 1, ENOMEM);
	ck_assert_int_eq(h->be->pd_create(h->be, &pd), -ENOMEM);
	fv_fail(FV_calloc, 1, ENOMEM);
	ck_assert_int_eq(h->be->listen(h->be, &at, 1, h, &l), -ENOMEM);
	fv_fail(FV_calloc, 1, ENOMEM);
	ck_assert_int_eq(rig_connect(rig_qp(0, 8), &none)->err, -ENOMEM);
	/* an incoming one is refused */
	c = rig_connect(rig_qp(0, 8), &none);
	fv_fail(FV_calloc, 3, ENOMEM);	/* behind those of its two queues */
	rig_settle();
	ck_assert(fv_failed());
	ck_assert_ptr_null(h->newest);
	ck_assert_uint_eq(c->rejected, 1);
	ck_assert_uint_eq(c->priv.length, 0);
}
END_TEST

START_TEST(no_memory_for_the_queues)
{
	struct be_private none = rig_private(0);
	struct rig_conn *a, *b;

	rig_start_both();
	for (unsigned int nth = 1; nth <= 2; nth++) {
		a = rig_connect(rig_qp(0, 8), &none);
		fv_fail(FV_calloc, nth, ENOMEM);
		rig_settle();
		ck_assert(fv_failed());
		ck_assert_uint_eq(a->unreachable, 1);
		ck_assert_int_eq(a->err, -ENOMEM);
	}
	a = rig_connect(rig_qp(0, 8), &none);
	rig_settle();
	b = rig.host[1].newest;
	for (unsigned int nth = 1; nth <= 2; nth++) {
		fv_fail(FV_calloc, nth, ENOMEM);
		ck_assert_int_eq(rig_accept(b, rig_qp(1, 8), &none), -ENOMEM);
		ck_assert(fv_failed());
	}
	/* the request still waits for an answer */
	ck_assert_int_eq(rig_accept(b, rig_qp(1, 16), &none), 0);
	rig_settle();
	ck_assert_uint_eq(a->accepted, 1);
}
END_TEST

/* What a refused accept took is given back */
START_TEST(an_accept_that_is_tried_again)
{
	struct vrb *v;
	struct be_private none = rig_private(0);
	struct rig_conn *a, *b;

	rig_start_both();
	v = vrb_of(rig.host[1].be);
	a = rig_connect(rig_qp(0, 8), &none);
	rig_settle();
	b = rig.host[1].newest;
	for (unsigned int i = 0; i < 5; i++) {
		fv_fail(FV_ibv_create_qp, 1, ENOMEM);
		ck_assert_int_eq(rig_accept(b, rig_qp(1, 8), &none), -ENOMEM);
		ck_assert_uint_eq(v->w.credits, 0);
	}
	ck_assert(rig_warned("cannot create a queue pair: Cannot allocate"));
	ck_assert_int_eq(rig_accept(b, rig_qp(1, 16), &none), 0);
	ck_assert_uint_eq(v->w.credits, 32);
	rig_settle();
	ck_assert_uint_eq(a->accepted, 1);
	rig_end(a);
	rig_end(b);
	ck_assert_uint_eq(v->w.credits, 0);
}
END_TEST

START_TEST(errors_are_told_with_a_way_out)
{
	char err[256];

	ck_assert_ptr_null(verbs_backend("x", "fake7", err, sizeof(err)));
	ck_assert_ptr_nonnull(strstr(err, "no such RDMA device"));
	ck_assert_ptr_nonnull(strstr(err, "ibv_devices"));
	fv_fail(FV_ibv_open_device, 1, EACCES);
	ck_assert_ptr_null(verbs_backend("x", "fake0", err, sizeof(err)));
	ck_assert_ptr_nonnull(strstr(err, "/dev/infiniband"));
	ck_assert_ptr_nonnull(strstr(err, "Permission denied"));
	fv_fail(FV_rdma_create_event_channel, 1, ENOENT);
	rig.errors_expected = true;
	ck_assert_int_eq(rig_start(0), -ENOENT);
	ck_assert(rig_warned("load the module rdma_ucm"));
}
END_TEST

int main(void)
{
	const struct rig_test tests[] = {
		{ "each", each_call_fails, 2 * PLANNED },
		{ "start", no_memory_to_start, 1 },
		{ "object", no_memory_for_an_object, 1 },
		{ "queues", no_memory_for_the_queues, 1 },
		{ "again", an_accept_that_is_tried_again, 1 },
		{ "words", errors_are_told_with_a_way_out, 1 },
	};

	return rig_run_tests("verbs_fault", tests,
			     sizeof(tests) / sizeof(tests[0]));
}
