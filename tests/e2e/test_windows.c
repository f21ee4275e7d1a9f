// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * test_windows.c - memory windows and send with invalidate, guest to guest
 */
#include <string.h>

#include "fixture.h"
#include "transport.h"

#define READABLE NDK_OP_FLAG_ALLOW_REMOTE_READ
#define WRITABLE NDK_OP_FLAG_ALLOW_REMOTE_WRITE
#define OFF	4096u		/* of the window in B's memory */
#define LEN	8192u

struct windows {
	struct pair p;		/* B has the window, A is the peer */
	NDK_MW *mw;
};

static void open_with(struct windows *w, const struct ep_opts *o)
{
	pair_open(&w->p, 0, 1, o);
	w->mw = nd_mw(w->p.b.pd);
	mem_fill(&w->p.a.mem, 1);
}

static void close_all(struct windows *w)
{
	nd_close(w->mw);
	if (w->p.b.conn) {
		pair_close(&w->p);
		return;
	}
	ep_fini(&w->p.a);
	listener_stop(&w->p.l);
	ep_fini(&w->p.b);
}

static UINT32 token_of(const struct windows *w)
{
	return w->mw->Dispatch->NdkGetRemoteTokenFromMw(w->mw);
}

static NTSTATUS post_bind(struct windows *w, uint64_t id, size_t off,
			  size_t len, ULONG flags)
{
	struct ep *b = &w->p.b;

	return b->qp->Dispatch->NdkBind(b->qp, ID(id), b->mem.mr, w->mw,
					b->mem.va + off, len, flags);
}

static void expect(struct ep *e, uint64_t id, NDK_OPERATION_TYPE type,
		   NTSTATUS status)
{
	NDK_RESULT_EX r = ep_next(e);

	ck_assert_ptr_eq(r.RequestContext, ID(id));
	ck_assert_int_eq(r.Type, type);
	assert_status(r.Status, status);
	ck_assert_uint_eq(r.BytesTransferred, 0);
}

static void bind_all(struct windows *w, ULONG flags)
{
	assert_status(post_bind(w, 71, OFF, LEN, flags), STATUS_SUCCESS);
	expect(&w->p.b, 71, NdkOperationTypeBind, STATUS_SUCCESS);
}

static NTSTATUS post_invalidate(struct ep *e, NDK_MW *mw, uint64_t id)
{
	return e->qp->Dispatch->NdkInvalidate(e->qp, ID(id), &mw->Header, 0);
}

static void invalidate(struct windows *w)
{
	assert_status(post_invalidate(&w->p.b, w->mw, 72), STATUS_SUCCESS);
	expect(&w->p.b, 72, NdkOperationTypeInvalidate, STATUS_SUCCESS);
}

static NTSTATUS post_access(struct ep *from, struct ep *to, bool write,
			    size_t off, uint32_t len, UINT32 token)
{
	NDK_SGE s = ep_sge(from, off, len);
	uint64_t addr = (uintptr_t)to->mem.va + off;

	return write ? from->qp->Dispatch->NdkWrite(from->qp, ID(73), &s, 1,
						    addr, token, 0) :
		       from->qp->Dispatch->NdkRead(from->qp, ID(73), &s, 1,
						   addr, token, 0);
}

/* A's access to the same offset of B's memory as of its own */
static void use(struct windows *w, bool write, size_t off, uint32_t len,
		   UINT32 token, NTSTATUS want)
{
	struct ep *a = &w->p.a;

	assert_status(post_access(a, &w->p.b, write, off, len, token),
		      STATUS_SUCCESS);
	expect(a, 73, write ? NdkOperationTypeWrite : NdkOperationTypeRead,
	       want);
}

static NTSTATUS send_invalidate(struct ep *e, uint64_t id, uint32_t len,
				UINT32 token, ULONG flags)
{
	NDK_SGE s = ep_sge(e, 0, len);

	return e->qp->Dispatch->NdkSendAndInvalidate(e->qp, ID(id), &s, 1,
						     flags, token);
}

/* ------------------------------------------------------------- what it gives */

START_TEST(write_and_read_through)
{
	NDK_ADAPTER_INFO info;
	struct windows w;
	struct ep *a, *b;

	open_with(&w, NULL);
	a = &w.p.a;
	b = &w.p.b;
	info = nd_info(b->adapter);
	ck_assert_uint_eq(info.MaxWindowSize, info.MaxRegistrationSize);
	bind_all(&w, READABLE | WRITABLE);
	use(&w, true, OFF, LEN, token_of(&w), STATUS_SUCCESS);
	ck_assert_int_eq(mem_check(b->mem.va + OFF, LEN, 1, OFF), -1);
	ck_assert(mem_is(b->mem.va, OFF, 0));
	ck_assert(mem_is(b->mem.va + OFF + LEN, b->mem.size - OFF - LEN, 0));
	memset(a->mem.va + OFF, 0, LEN);
	use(&w, false, OFF, LEN, token_of(&w), STATUS_SUCCESS);
	ck_assert_int_eq(mem_check(a->mem.va + OFF, LEN, 1, OFF), -1);
	ck_assert(ep_idle(b));
	ep_disconnect_both(a, b);
	close_all(&w);
}
END_TEST

/* Asks for more than was given: both sides' connection ends, nothing is read
 * or written */
START_TEST(more_than_was_given)
{
	static const struct {
		ULONG flags;
		bool write;
		size_t off;
		uint32_t len;
	} t[] = {
		{ READABLE | WRITABLE, true, OFF - 1, 2 },
		{ READABLE | WRITABLE, true, OFF + LEN - 1, 2 },
		{ READABLE | WRITABLE, false, OFF + LEN, 1 },
		{ READABLE | WRITABLE, false, 0, OFF },
		{ READABLE, true, OFF, 1 },
		{ WRITABLE, false, OFF, 1 },
	};
	struct windows w;

	open_with(&w, NULL);
	memset(w.p.b.mem.va, 0x77, w.p.b.mem.size);
	bind_all(&w, t[_i].flags);
	use(&w, t[_i].write, t[_i].off, t[_i].len, token_of(&w),
	       STATUS_ACCESS_VIOLATION);
	ck_assert(wait_count(&w.p.b.indications, 1, TEST_TIMEOUT_MS));
	ck_assert_uint_eq(w.p.b.reason, VIRTIO_RDMA_R_RESET);
	ck_assert(wait_count(&w.p.a.indications, 1, TEST_TIMEOUT_MS));
	ck_assert_uint_eq(w.p.a.reason, VIRTIO_RDMA_R_LOCAL_ERROR);
	ck_assert(mem_is(w.p.b.mem.va, w.p.b.mem.size, 0x77));
	if (!t[_i].write)
		ck_assert_int_eq(mem_check(w.p.a.mem.va, w.p.a.mem.size, 1, 0),
				 -1);
	close_all(&w);
}
END_TEST

/* A second connection between the same consumers: B's queue pair has the
 * window's domain, and is not the one it is bound on */
START_TEST(another_queue_pair)
{
	struct windows w;
	struct ep a2, b2;
	struct ep_opts oa = { 0 }, ob = { 0 };

	open_with(&w, NULL);
	oa.share = &w.p.a;
	ob.share = &w.p.b;
	ep_init(&a2, fx.g[0], &oa);
	ep_init(&b2, fx.g[1], &ob);
	ep_connect(&a2, &b2, &w.p.l, NULL, NULL);
	bind_all(&w, READABLE | WRITABLE);
	if (_i == 0) {		/* the peer there uses it */
		assert_status(post_access(&a2, &b2, true, OFF, 64,
					  token_of(&w)), STATUS_SUCCESS);
		expect(&a2, 73, NdkOperationTypeWrite, STATUS_ACCESS_VIOLATION);
	} else if (_i == 1) {	/* this side invalidates there */
		assert_status(post_invalidate(&b2, w.mw, 74), STATUS_SUCCESS);
		expect(&b2, 74, NdkOperationTypeInvalidate,
		       STATUS_ACCESS_VIOLATION);
	} else {		/* the peer there invalidates it */
		NDK_RESULT_EX r;

		assert_status(ep_post_recv(&b2, 75, 0, 64), STATUS_SUCCESS);
		assert_status(send_invalidate(&a2, 76, 8, token_of(&w), 0),
			      STATUS_SUCCESS);
		r = ep_next(&b2);
		assert_status(r.Status, STATUS_ACCESS_VIOLATION);
		ck_assert_int_eq(r.Type, NdkOperationTypeReceive);
		expect(&a2, 76, NdkOperationTypeSend, STATUS_ACCESS_VIOLATION);
	}
	/* the connection that it belongs to has lost nothing */
	use(&w, true, OFF, LEN, token_of(&w), STATUS_SUCCESS);
	ck_assert_int_eq(mem_check(w.p.b.mem.va + OFF, LEN, 1, OFF), -1);
	ep_disconnect_both(&w.p.a, &w.p.b);
	ep_fini(&a2);
	ep_fini(&b2);
	close_all(&w);
}
END_TEST

/* ------------------------------------------------------------ until when */

START_TEST(until_invalidated)
{
	struct windows w;
	UINT32 old;

	open_with(&w, NULL);
	bind_all(&w, READABLE | WRITABLE);
	old = token_of(&w);
	use(&w, true, OFF, 64, old, STATUS_SUCCESS);
	invalidate(&w);
	memset(w.p.b.mem.va, 0x77, w.p.b.mem.size);
	use(&w, true, OFF, 64, old, STATUS_ACCESS_VIOLATION);
	ck_assert(mem_is(w.p.b.mem.va, w.p.b.mem.size, 0x77));
	close_all(&w);
}
END_TEST

/* The key comes round: each of the tokens is another one than its neighbours,
 * and only the last one is good */
START_TEST(many_binds)
{
	struct windows w;
	UINT32 old = 0;

	open_with(&w, NULL);
	for (uint32_t i = 0; i < 600; i++) {
		bind_all(&w, READABLE | WRITABLE);
		ck_assert_uint_ne(token_of(&w), old);
		old = token_of(&w);
		use(&w, true, OFF, 256, old, STATUS_SUCCESS);
		invalidate(&w);
	}
	bind_all(&w, READABLE | WRITABLE);
	use(&w, true, OFF, 64, token_of(&w), STATUS_SUCCESS);
	use(&w, true, OFF, 64, old, STATUS_ACCESS_VIOLATION);
	close_all(&w);
}
END_TEST

/* Bound is bound: a second bind is an error, and the first stays as it was
 * until the connection goes with it */
START_TEST(bound_twice)
{
	struct windows w;

	open_with(&w, NULL);
	bind_all(&w, READABLE);
	assert_status(post_bind(&w, 74, OFF, LEN, READABLE), STATUS_SUCCESS);
	expect(&w.p.b, 74, NdkOperationTypeBind, STATUS_ACCESS_VIOLATION);
	ck_assert(wait_count(&w.p.a.indications, 1, TEST_TIMEOUT_MS));
	ck_assert_uint_eq(w.p.a.reason, VIRTIO_RDMA_R_RESET);
	close_all(&w);
}
END_TEST

/* What was on its way when INVALIDATE ended moves no byte more, whether it had
 * ended, was in the middle or had not begun */
START_TEST(invalidated_under_a_write)
{
	const uint32_t big = 16u << 20;
	struct ep_opts o = { .mem = big };
	struct windows w;
	NDK_RESULT_EX r;

	open_with(&w, &o);
	memset(w.p.a.mem.va, 0x11, big);
	assert_status(post_bind(&w, 71, 0, big, WRITABLE), STATUS_SUCCESS);
	expect(&w.p.b, 71, NdkOperationTypeBind, STATUS_SUCCESS);
	assert_status(post_access(&w.p.a, &w.p.b, true, 0, big, token_of(&w)),
		      STATUS_SUCCESS);
	invalidate(&w);
	memset(w.p.a.mem.va, 0xee, big);
	r = ep_next(&w.p.a);
	if (r.Status != STATUS_SUCCESS)
		assert_status(r.Status, STATUS_ACCESS_VIOLATION);
	ck_assert_ptr_null(memchr(w.p.b.mem.va, 0xee, big));
	close_all(&w);
}
END_TEST

/* -------------------------------------------------------- the peer ends it */

START_TEST(send_and_invalidate)
{
	bool plain = _i;	/* NdkGetCqResults, which cannot tell of it */
	struct windows w;
	struct ep *a, *b;
	NDK_RESULT_EX r = { 0 };
	UINT32 old;

	open_with(&w, NULL);
	a = &w.p.a;
	b = &w.p.b;
	bind_all(&w, READABLE | WRITABLE);
	old = token_of(&w);
	assert_status(ep_post_recv(b, 5, 0, 256), STATUS_SUCCESS);
	assert_status(send_invalidate(a, 6, 100, old,
				      NDK_OP_FLAG_SEND_AND_SOLICIT_EVENT),
		      STATUS_SUCCESS);
	expect(a, 6, NdkOperationTypeSend, STATUS_SUCCESS);
	if (plain) {
		NDK_RESULT one;

		/* the receiver's comes before the sender's */
		ck_assert_uint_eq(b->cq->Dispatch->NdkGetCqResults(b->cq, &one,
								   1), 1);
		assert_status(one.Status, STATUS_SUCCESS);
		ck_assert_uint_eq(one.BytesTransferred, 100);
	} else {
		r = ep_next(b);
		assert_status(r.Status, STATUS_SUCCESS);
		ck_assert_int_eq(r.Type, NdkOperationTypeReceiveAndInvalidate);
		ck_assert_uint_eq(r.BytesTransferred, 100);
		ck_assert_uint_eq(r.TypeSpecificCompletionOutput, old);
	}
	ck_assert_int_eq(mem_check(b->mem.va, 100, 1, 0), -1);
	/* free for the next; the old token is nobody's */
	bind_all(&w, READABLE | WRITABLE);
	use(&w, true, OFF, 64, token_of(&w), STATUS_SUCCESS);
	use(&w, true, OFF, 64, old, STATUS_ACCESS_VIOLATION);
	close_all(&w);
}
END_TEST

/* 0: a region's token, 1: one that was invalidated, 2: made up */
START_TEST(send_and_invalidate_wrong)
{
	struct windows w;
	UINT32 token;
	NDK_RESULT_EX r;

	open_with(&w, NULL);
	bind_all(&w, READABLE | WRITABLE);
	token = _i == 0 ? w.p.b.mem.remote : _i == 1 ? token_of(&w) :
						       token_of(&w) ^ 0x8000;
	if (_i == 1)
		invalidate(&w);
	assert_status(ep_post_recv(&w.p.b, 5, 0, 256), STATUS_SUCCESS);
	assert_status(send_invalidate(&w.p.a, 6, 100, token, 0),
		      STATUS_SUCCESS);
	r = ep_next(&w.p.b);
	assert_status(r.Status, STATUS_ACCESS_VIOLATION);
	ck_assert_int_eq(r.Type, NdkOperationTypeReceive);
	expect(&w.p.a, 6, NdkOperationTypeSend, STATUS_ACCESS_VIOLATION);
	ck_assert(wait_count(&w.p.a.indications, 1, TEST_TIMEOUT_MS));
	ck_assert(wait_count(&w.p.b.indications, 1, TEST_TIMEOUT_MS));
	close_all(&w);
}
END_TEST

/* Both sides at once: one of them does it, the other one's try is an error */
START_TEST(both_invalidate)
{
	struct windows w;
	NDK_RESULT_EX r[2];
	int good = 0;

	open_with(&w, NULL);
	bind_all(&w, READABLE | WRITABLE);
	assert_status(ep_post_recv(&w.p.b, 5, 0, 256), STATUS_SUCCESS);
	assert_status(send_invalidate(&w.p.a, 6, 8, token_of(&w), 0),
		      STATUS_SUCCESS);
	assert_status(post_invalidate(&w.p.b, w.mw, 7), STATUS_SUCCESS);
	for (int i = 0; i < 2; i++) {
		r[i] = ep_next(&w.p.b);
		if (r[i].Status == STATUS_SUCCESS)
			good++;
		else if (r[i].Status != STATUS_CANCELLED)
			assert_status(r[i].Status, STATUS_ACCESS_VIOLATION);
	}
	ck_assert_int_eq(good, 1);
	ck_assert(wait_count(&w.p.a.indications, 1, TEST_TIMEOUT_MS));
	close_all(&w);
}
END_TEST

/* ------------------------------------------------------------------ the end */

static NTSTATUS deregister(NDK_MR *mr)
{
	struct op op;

	op_init(&op);
	return op_wait(&op, mr->Dispatch->NdkDeregisterMr(mr, op_ended, &op));
}

START_TEST(regions_stay_while_windows_are_bound)
{
	struct windows w;
	NDK_MR *mr;

	open_with(&w, NULL);
	mr = w.p.b.mem.mr;
	bind_all(&w, READABLE | WRITABLE);
	assert_status(deregister(mr), STATUS_DEVICE_BUSY);
	use(&w, true, OFF, 64, token_of(&w), STATUS_SUCCESS);
	if (_i == 0) {
		invalidate(&w);
	} else {	/* of no use to anybody, and bound */
		ep_disconnect_both(&w.p.a, &w.p.b);
		assert_status(deregister(mr), STATUS_DEVICE_BUSY);
		ep_renew(&w.p.b);
		assert_status(deregister(mr), STATUS_DEVICE_BUSY);
		nd_close(w.mw);
	}
	assert_status(deregister(mr), STATUS_SUCCESS);
	if (_i == 0)
		ep_disconnect_both(&w.p.a, &w.p.b);
	else
		w.mw = nd_mw(w.p.b.pd);
	close_all(&w);
}
END_TEST

/* A window is a region's successor: the region's close ends after the window's */
START_TEST(region_closed_first)
{
	struct windows w;
	struct op op;
	UINT32 token;
	NTSTATUS st;

	open_with(&w, NULL);
	bind_all(&w, READABLE | WRITABLE);
	token = token_of(&w);
	op_init(&op);
	st = nd_close_start(w.p.b.mem.mr, &op);
	assert_status(st, STATUS_PENDING);
	/* the device has refused by the time that it serves the next command */
	nd_close(nd_mw(w.p.b.pd));
	use(&w, true, OFF, 64, token, STATUS_SUCCESS);
	ck_assert(!op_wait_ms(&op, 0));
	nd_close(w.mw);
	assert_status(op_wait(&op, st), STATUS_SUCCESS);
	use(&w, true, OFF, 64, token, STATUS_ACCESS_VIOLATION);
	w.mw = nd_mw(w.p.b.pd);
	tguest_ops()->dma_free(fx.g[1], &w.p.b.mem.dma);
	mem_init(&w.p.b.mem, fx.g[1], w.p.b.pd, 4096, MEM_ALL);
	close_all(&w);
}
END_TEST

/* A window of before is of no use to the next connection */
START_TEST(next_connection)
{
	struct windows w;
	UINT32 old;

	open_with(&w, NULL);
	bind_all(&w, READABLE | WRITABLE);
	old = token_of(&w);
	ep_disconnect_both(&w.p.a, &w.p.b);
	ep_renew(&w.p.a);
	ep_renew(&w.p.b);
	ep_connect(&w.p.a, &w.p.b, &w.p.l, NULL, NULL);
	use(&w, true, OFF, 64, old, STATUS_ACCESS_VIOLATION);
	close_all(&w);
}
END_TEST

START_TEST(device_is_reset)
{
	struct windows w;

	open_with(&w, NULL);
	bind_all(&w, READABLE | WRITABLE);
	tguest_reset(fx.g[1]);
	ck_assert(tguest_wait_recoveries(fx.g[1], 1));
	/* objects of before: no use, but they close */
	assert_status(w.p.b.pd->Dispatch->NdkCreateMw(w.p.b.pd, op_created,
						      NULL, NULL),
		      STATUS_DEVICE_REMOVED);
	close_all(&w);
	open_with(&w, NULL);
	bind_all(&w, READABLE | WRITABLE);
	use(&w, true, OFF, LEN, token_of(&w), STATUS_SUCCESS);
	ep_disconnect_both(&w.p.a, &w.p.b);
	close_all(&w);
}
END_TEST

/* Requests of the new kinds end once, too, when nobody is left to execute */
START_TEST(daemon_is_killed)
{
	enum { N = 12 };
	struct windows w;
	uint32_t ended = 0;

	open_with(&w, NULL);
	for (uint64_t i = 0; i < N; i += 2) {
		assert_status(post_bind(&w, i, OFF, LEN, READABLE),
			      STATUS_SUCCESS);
		assert_status(post_invalidate(&w.p.b, w.mw, i + 1),
			      STATUS_SUCCESS);
	}
	test_daemons_kill();
	ck_assert(wait_count(&w.p.b.indications, 1, TEST_TIMEOUT_MS));
	for (; ended < N; ended++) {
		NDK_RESULT_EX r = ep_next(&w.p.b);

		ck_assert_ptr_eq(r.RequestContext, ID(ended));
		ck_assert_int_eq(r.Type, ended % 2 ?
				 NdkOperationTypeInvalidate :
				 NdkOperationTypeBind);
	}
	ck_assert(ep_idle(&w.p.b));
	close_all(&w);
	ck_assert(test_daemons_restart());
	ck_assert(tguest_wait_recoveries(fx.g[0], 1));
	ck_assert(tguest_wait_recoveries(fx.g[1], 1));
}
END_TEST

/* ---------------------------------------------------------------- no windows */

static void none_setup(void)
{
	struct daemon_opts o = { .guests = 2,
		.guest_section = "max-mw = 0\n" FX_FEW_QUEUES };

	fx_start(&o, FX_MEM);
}

START_TEST(none_are_offered)
{
	NDK_ADAPTER_INFO info;
	struct pair p;
	struct op op;

	pair_open(&p, 0, 1, NULL);
	info = nd_info(p.b.adapter);
	ck_assert_uint_eq(info.MaxWindowSize, 0);
	op_init(&op);
	assert_status(p.b.pd->Dispatch->NdkCreateMw(p.b.pd, op_created, &op,
						    NULL),
		      STATUS_NOT_SUPPORTED);
	/* there is nothing that could be invalidated */
	assert_status(ep_post_recv(&p.b, 1, 0, 64), STATUS_SUCCESS);
	assert_status(send_invalidate(&p.a, 2, 8, p.b.mem.remote, 0),
		      STATUS_SUCCESS);
	assert_status(ep_next(&p.b).Status, STATUS_ACCESS_VIOLATION);
	assert_status(ep_next(&p.a).Status, STATUS_ACCESS_VIOLATION);
	pair_close(&p);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("windows");
	TCase *tc = add_case(s, "windows", 60);

	tcase_add_checked_fixture(tc, fx_setup, fx_teardown);
	tcase_add_test(tc, write_and_read_through);
	tcase_add_loop_test(tc, more_than_was_given, 0, 6);
	tcase_add_loop_test(tc, another_queue_pair, 0, 3);
	tcase_add_test(tc, until_invalidated);
	tcase_add_test(tc, many_binds);
	tcase_add_test(tc, bound_twice);
	tcase_add_loop_test(tc, send_and_invalidate, 0, 2);
	tcase_add_loop_test(tc, send_and_invalidate_wrong, 0, 3);
	tcase_add_test(tc, both_invalidate);
	tcase_add_loop_test(tc, regions_stay_while_windows_are_bound, 0, 2);
	tcase_add_test(tc, region_closed_first);
	tcase_add_test(tc, next_connection);
	tcase_add_test(tc, device_is_reset);
	tcase_add_test(tc, daemon_is_killed);
	/* writes to what is being sent: its CRC may be wrong */
	tc = add_case(s, "under a write", 60);
	tcase_add_checked_fixture(tc, fx_setup, fx_teardown);
	tcase_add_test(tc, invalidated_under_a_write);
	tc = add_case(s, "none", 60);
	tcase_add_checked_fixture(tc, none_setup, fx_teardown);
	tcase_add_test(tc, none_are_offered);
	return run_suite(s);
}
