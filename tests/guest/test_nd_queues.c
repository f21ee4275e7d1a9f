/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test_nd_queues.c - IND2CompletionQueue, IND2QueuePair, IND2SharedReceiveQueue and
 * IND2Overlapped
 */
#include <pthread.h>

#include "nd_pair.h"

/* --- completion queue ----------------------------------------------------- */

static HRESULT notify(struct end *e, ULONG kind, OVERLAPPED *ov)
{
	return e->cq->lpVtbl->Notify(e->cq, kind, ov);
}

static bool readable(void)
{
	struct pollfd p = { .fd = b.file, .events = POLLIN };

	return poll(&p, 1, 0) == 1;
}

static void message(ULONG flags)
{
	ok(post_recv(&b, 5, 0, 64));
	ok(post_send(&a, 6, 0, 64, flags));
	expect(&a, 6, Nd2RequestTypeSend, ND_SUCCESS);
}

/* One Notify, one event; several wait for the same one */
START_TEST(notify_any)
{
	static OVERLAPPED ov[4];

	connect_them();
	for (int i = 0; i < 4; i++)
		ck_assert_int_eq(notify(&b, ND_CQ_NOTIFY_ANY, &ov[i]),
				 ND_PENDING);
	ck_assert(!readable());
	message(0);
	for (int i = 0; i < 4; i++)
		ok(ended(&b, &ov[i], ND_PENDING));
	ck_assert(!readable());
	expect(&b, 5, Nd2RequestTypeReceive, ND_SUCCESS);
	/* there already */
	message(0);
	ck_assert_int_eq(notify(&b, ND_CQ_NOTIFY_ANY, &ov[0]), ND_PENDING);
	ok(ended(&b, &ov[0], ND_PENDING));
	expect(&b, 5, Nd2RequestTypeReceive, ND_SUCCESS);
	ck_assert_int_eq(notify(&b, 3, &ov[0]), ND_INVALID_PARAMETER_1);
	ck_assert_int_eq(notify(&b, ND_CQ_NOTIFY_ANY, NULL),
			 ND_INVALID_PARAMETER_2);
}
END_TEST

START_TEST(notify_solicited)
{
	static OVERLAPPED ov;

	connect_them();
	ck_assert_int_eq(notify(&b, ND_CQ_NOTIFY_SOLICITED, &ov), ND_PENDING);
	message(0);
	expect(&b, 5, Nd2RequestTypeReceive, ND_SUCCESS);
	ck_assert(pends(&b, &ov));
	message(ND_OP_FLAG_SEND_AND_SOLICIT_EVENT);
	ok(ended(&b, &ov, ND_PENDING));
	expect(&b, 5, Nd2RequestTypeReceive, ND_SUCCESS);
}
END_TEST

START_TEST(notify_cancelled)
{
	static OVERLAPPED ov[2];

	connect_them();
	ck_assert_int_eq(notify(&b, ND_CQ_NOTIFY_ANY, &ov[0]), ND_PENDING);
	ck_assert_int_eq(notify(&b, ND_CQ_NOTIFY_ERRORS, &ov[1]), ND_PENDING);
	ok(b.cq->lpVtbl->CancelOverlappedRequests(b.cq));
	ck_assert_int_eq(ended(&b, &ov[0], ND_PENDING), ND_CANCELED);
	ck_assert_int_eq(ended(&b, &ov[1], ND_PENDING), ND_CANCELED);
	ck_assert_int_eq(notify(&b, ND_CQ_NOTIFY_ANY, &ov[0]), ND_PENDING);
	message(0);
	ok(ended(&b, &ov[0], ND_PENDING));
	expect(&b, 5, Nd2RequestTypeReceive, ND_SUCCESS);
}
END_TEST

/* More than it has room for: who waits for errors hears of it, and it is dead */
START_TEST(overrun)
{
	static OVERLAPPED ov;
	ND2_RESULT r[8];

	a.qp->lpVtbl->Release(a.qp);
	a.cq->lpVtbl->Release(a.cq);
	a.cq = queue(&a, 4);
	new_qp(&a);
	connect_them();
	ck_assert_int_eq(notify(&a, ND_CQ_NOTIFY_ERRORS, &ov), ND_PENDING);
	for (uintptr_t i = 0; i < DEPTH; i++)
		ok(post_write(i, 0, 64, b.memory, b.remote, 0));
	ck_assert_int_eq(ended(&a, &ov, ND_PENDING), ND_BUFFER_OVERFLOW);
	ck_assert_uint_eq(a.cq->lpVtbl->GetResults(a.cq, r, 8), 4);
	for (uintptr_t i = 0; i < 4; i++)
		ck_assert_uint_eq((uintptr_t)r[i].RequestContext, i);
	ck_assert_int_eq(ended(&a, &ov, notify(&a, ND_CQ_NOTIFY_ANY, &ov)),
			 ND_BUFFER_OVERFLOW);
}
END_TEST

/* --- overlapped ----------------------------------------------------------- */

struct waiter {
	pthread_t thread;
	OVERLAPPED ov;
	HRESULT hr;
};

static void *wait_for_it(void *arg)
{
	struct waiter *w = arg;

	w->hr = b.cq->lpVtbl->GetOverlappedResult(b.cq, &w->ov, TRUE);
	return NULL;
}

/* One sleeps in poll, the rest behind it; all are woken, each time */
START_TEST(many_wait)
{
	enum {
		WAITERS = 5,
		ROUNDS = 20
	};
	static struct waiter w[WAITERS];

	connect_them();
	for (int round = 0; round < ROUNDS; round++) {
		for (int i = 0; i < WAITERS; i++) {
			ck_assert_int_eq(notify(&b, ND_CQ_NOTIFY_ANY, &w[i].ov),
					 ND_PENDING);
			ck_assert(!pthread_create(&w[i].thread, NULL,
						  wait_for_it, &w[i]));
		}
		message(0);
		for (int i = 0; i < WAITERS; i++) {
			pthread_join(w[i].thread, NULL);
			ok(w[i].hr);
		}
		expect(&b, 5, Nd2RequestTypeReceive, ND_SUCCESS);
	}
}
END_TEST

/* --- queue pair ----------------------------------------------------------- */

START_TEST(sizes)
{
	static const ULONG size[] = { 0, 1, 63, 64, 65, 4095, 4097, 32768 };
	ULONG n = size[_i];

	connect_them();
	ok(post_recv(&b, 1, 0, n));
	ok(post_send(&a, 2, 3, n, 0));
	expect(&a, 2, Nd2RequestTypeSend, ND_SUCCESS);
	ck_assert_uint_eq(next(&b).BytesTransferred, n);
	ck_assert_int_eq(pattern_check(b.memory, n, 1, 3), -1);
	ok(post_write(3, 0, n, b.memory + 32768, b.remote, 0));
	expect(&a, 3, Nd2RequestTypeWrite, ND_SUCCESS);
	ck_assert_int_eq(pattern_check(b.memory + 32768, n, 1, 0), -1);
	memset(a.memory, 0, n);
	ok(post_read(4, 0, n, b.memory + 32768, b.remote, 0));
	expect(&a, 4, Nd2RequestTypeRead, ND_SUCCESS);
	ck_assert_int_eq(pattern_check(a.memory, n, 1, 0), -1);
	disconnect_them();
	ck_assert(idle(&a));
	ck_assert(idle(&b));
}
END_TEST

START_TEST(several_elements)
{
	ND2_SGE out[3], in[2];

	connect_them();
	out[0] = sge(&a, 100, 5000);
	out[1] = sge(&a, 5100, 1);
	out[2] = sge(&a, 5101, 899);
	in[0] = sge(&b, 0, 17);
	in[1] = sge(&b, 17, 6000);
	ok(b.qp->lpVtbl->Receive(b.qp, (VOID *)1, in, 2));
	ok(a.qp->lpVtbl->Send(a.qp, (VOID *)2, out, 3, 0));
	ck_assert_uint_eq(next(&b).BytesTransferred, 5900);
	expect(&a, 2, Nd2RequestTypeSend, ND_SUCCESS);
	ck_assert_int_eq(pattern_check(b.memory, 5900, 1, 100), -1);
}
END_TEST

/* Each request with each set of flags: silent, fence, solicit, inline */
START_TEST(flags)
{
	static const ULONG all[] = {
		ND_OP_FLAG_SILENT_SUCCESS,
		ND_OP_FLAG_READ_FENCE,
		ND_OP_FLAG_SEND_AND_SOLICIT_EVENT,
		ND_OP_FLAG_INLINE,
	};
	static const ND2_REQUEST_TYPE types[] = {
		Nd2RequestTypeSend,
		Nd2RequestTypeWrite,
		Nd2RequestTypeRead,
	};
	static const ULONG no[] = {
		0,
		ND_OP_FLAG_SEND_AND_SOLICIT_EVENT,
		ND_OP_FLAG_SEND_AND_SOLICIT_EVENT | ND_OP_FLAG_INLINE,
	};

	connect_them();
	for (unsigned n = 0; n < 16; n++) {
		ULONG f = 0;
		HRESULT hr;

		for (int i = 0; i < 4; i++)
			f |= n >> i & 1 ? all[i] : 0;
		if (_i == 0)
			ok(post_recv(&b, 5, 0, INLINE));
		hr = _i == 0   ? post_send(&a, 7, n, INLINE, f)
		     : _i == 1 ? post_write(7, n, INLINE, b.memory, b.remote, f)
			       : post_read(7, n, INLINE, b.memory, b.remote, f);
		if (f & no[_i]) {
			ck_assert_int_eq(hr, ND_INVALID_PARAMETER_6);
			continue;
		}
		ok(hr);
		ok(post_write(99, 0, 0, b.memory, b.remote, 0));
		if (!(f & ND_OP_FLAG_SILENT_SUCCESS))
			expect(&a, 7, types[_i], ND_SUCCESS);
		expect(&a, 99, Nd2RequestTypeWrite, ND_SUCCESS);
		if (_i == 0)
			expect(&b, 5, Nd2RequestTypeReceive, ND_SUCCESS);
		if (_i < 2)
			ck_assert_int_eq(pattern_check(b.memory, INLINE, 1, n),
					 -1);
	}
	ck_assert(idle(&a));
}
END_TEST

START_TEST(refused_at_once)
{
	ND2_SGE s[SGES + 1];

	connect_them();
	for (ULONG i = 0; i < SGES + 1; i++)
		s[i] = sge(&a, 64 * i, 64);
	ck_assert_int_eq(a.qp->lpVtbl->Send(a.qp, NULL, s, SGES + 1, 0),
			 ND_DATA_OVERRUN);
	ck_assert_int_eq(a.qp->lpVtbl->Receive(a.qp, NULL, s, SGES + 1),
			 ND_DATA_OVERRUN);
	ck_assert_int_eq(a.qp->lpVtbl->Send(a.qp, NULL, NULL, 1, 0),
			 ND_INVALID_PARAMETER_2);
	ck_assert_int_eq(a.qp->lpVtbl->Send(a.qp, NULL, s, 1,
					    ND_OP_FLAG_ALLOW_READ),
			 ND_INVALID_PARAMETER_4);
	ck_assert_int_eq(a.qp->lpVtbl->Send(a.qp, NULL, s, 2,
					    ND_OP_FLAG_INLINE),
			 ND_BUFFER_OVERFLOW);
	ck_assert(idle(&a));
}
END_TEST

START_TEST(full)
{
	connect_them();
	for (uintptr_t i = 0; i < DEPTH; i++)
		ok(post_send(&a, i, (ULONG)i * 64, 64, 0));
	ck_assert_int_eq(post_send(&a, 9, 0, 64, 0), ND_NO_MORE_ENTRIES);
	for (uintptr_t i = 0; i < DEPTH; i++)
		ok(post_recv(&a, i, 0, 64));
	ck_assert_int_eq(post_recv(&a, 9, 0, 64), ND_NO_MORE_ENTRIES);
	for (uintptr_t i = 0; i < DEPTH; i++)
		ok(post_recv(&b, i, (ULONG)i * 64, 64));
	for (uintptr_t i = 0; i < DEPTH; i++) {
		expect(&b, i, Nd2RequestTypeReceive, ND_SUCCESS);
		expect(&a, i, Nd2RequestTypeSend, ND_SUCCESS);
	}
	ck_assert_int_eq(pattern_check(b.memory, DEPTH * 64, 1, 0), -1);
	ok(a.qp->lpVtbl->Flush(a.qp));
	for (uintptr_t i = 0; i < DEPTH; i++)
		expect(&a, i, Nd2RequestTypeReceive, ND_CANCELED);
	ck_assert(idle(&a));
}
END_TEST

/* What is behind a failure is cancelled, and its message is not heard */
START_TEST(behind_a_failure)
{
	connect_them();
	ok(post_write(0, 0, 64, b.memory, b.remote, 0));
	ok(post_write(1, 0, 64, b.memory, b.remote ^ 0x00100000, 0));
	for (uintptr_t i = 2; i < 6; i++)
		ok(post_write(i, 0, 64, b.memory + 64, b.remote, 0));
	expect(&a, 0, Nd2RequestTypeWrite, ND_SUCCESS);
	expect(&a, 1, Nd2RequestTypeWrite, ND_ACCESS_VIOLATION);
	for (uintptr_t i = 2; i < 6; i++)
		expect(&a, i, Nd2RequestTypeWrite, ND_CANCELED);
	ck_assert_uint_eq(b.memory[64], 0);
	ok(post_recv(&a, 6, 0, 64));
	expect(&a, 6, Nd2RequestTypeReceive, ND_CANCELED);
	ck_assert(idle(&a));
}
END_TEST

START_TEST(unconnected)
{
	ck_assert_int_eq(post_send(&a, 1, 0, 64, 0), ND_CONNECTION_INVALID);
	ok(post_recv(&a, 2, 0, 64));
	ck_assert(idle(&a));
	ok(a.qp->lpVtbl->Flush(a.qp));
	expect(&a, 2, Nd2RequestTypeReceive, ND_CANCELED);
}
END_TEST

/* --- shared receive queue ------------------------------------------------- */

START_TEST(shared_notify)
{
	IND2SharedReceiveQueue *srq = NULL;
	static OVERLAPPED ov;
	ND2_SGE s = sge(&b, 0, 64);

	ok(b.adapter->lpVtbl->CreateSharedReceiveQueue(
		b.adapter, &IID_IND2SharedReceiveQueue, b.file, 4, 1, 2, 0, 0,
		(VOID **)&srq));
	b.qp->lpVtbl->Release(b.qp);
	ok(b.adapter->lpVtbl->CreateQueuePairWithSrq(
		b.adapter, &IID_IND2QueuePair, (IUnknown *)b.cq, (IUnknown *)b.cq,
		(IUnknown *)srq, &b, 4, 1, 0, (VOID **)&b.qp));
	connect_them();
	for (uintptr_t i = 0; i < 4; i++)
		ok(srq->lpVtbl->Receive(srq, (VOID *)i, &s, 1));
	ck_assert_int_eq(srq->lpVtbl->Receive(srq, NULL, &s, 1),
			 ND_NO_MORE_ENTRIES);
	ck_assert_int_eq(srq->lpVtbl->Notify(srq, &ov), ND_PENDING);
	ok(srq->lpVtbl->CancelOverlappedRequests(srq));
	ck_assert_int_eq(ended(&b, &ov, ND_PENDING), ND_CANCELED);
	ck_assert_int_eq(srq->lpVtbl->Notify(srq, &ov), ND_PENDING);
	for (uintptr_t i = 0; i < 3; i++) {
		ok(post_send(&a, i, 0, 64, 0));
		expect(&a, i, Nd2RequestTypeSend, ND_SUCCESS);
		expect(&b, i, Nd2RequestTypeReceive, ND_SUCCESS);
	}
	ok(ended(&b, &ov, ND_PENDING));
	srq->lpVtbl->Release(srq);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("ndspi_queues");
	TCase *t = suite_case(s, "completion queue");

	tcase_add_test(t, notify_any);
	tcase_add_test(t, notify_solicited);
	tcase_add_test(t, notify_cancelled);
	tcase_add_test(t, overrun);
	t = suite_case(s, "overlapped");
	tcase_add_test(t, many_wait);
	t = suite_case(s, "queue pair");
	tcase_add_loop_test(t, sizes, 0, 8);
	tcase_add_test(t, several_elements);
	tcase_add_loop_test(t, flags, 0, 3);
	tcase_add_test(t, refused_at_once);
	tcase_add_test(t, full);
	tcase_add_test(t, behind_a_failure);
	tcase_add_test(t, unconnected);
	t = suite_case(s, "shared receive queue");
	tcase_add_test(t, shared_notify);
	return run_suite(s);
}
