/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test_ndspi_overlapped.c - overlapped requests: Notify and its races, waiting
 * in several threads, the pollable handle, cancelling, a device that goes
 */
#include <check.h>
#include <poll.h>
#include <pthread.h>
#include <string.h>

#include "nd_fake.h"
#include "nd_vrdma.h"
#include "ndutil.h"
#include "vrdma_ring.h"

/* What a test leaves pending is ended by its teardown: the OVERLAPPEDs of the
 * tests are static, as they belong to the library until then. */
static IND2Adapter *a;
static IND2CompletionQueue *cq;
static HANDLE file;

static void setup(void)
{
	IND2Provider *p;

	fake_install();
	DllGetClassObject(NULL, &IID_IND2Provider, (VOID **)&p);
	ck_assert_int_eq(p->lpVtbl->OpenAdapter(p, &IID_IND2Adapter,
						ND_VRDMA_ADAPTER_ID(0),
						(VOID **)&a), ND_SUCCESS);
	p->lpVtbl->Release(p);
	ck_assert_int_eq(a->lpVtbl->CreateOverlappedFile(a, &file), ND_SUCCESS);
	ck_assert_int_eq(a->lpVtbl->CreateCompletionQueue(
				 a, &IID_IND2CompletionQueue, file, 8, 0, 0,
				 (VOID **)&cq), ND_SUCCESS);
}

static void teardown(void)
{
	cq->lpVtbl->Release(cq);
	a->lpVtbl->Release(a);
	CloseHandle(file);
	fake_remove();
}

static HRESULT notify(ULONG type, OVERLAPPED *ov)
{
	return cq->lpVtbl->Notify(cq, type, ov);
}

static HRESULT result(OVERLAPPED *ov)
{
	return cq->lpVtbl->GetOverlappedResult(cq, ov, FALSE);
}

static bool readable(void)
{
	struct pollfd p = { .fd = file, .events = POLLIN };

	return poll(&p, 1, 0) == 1;
}

static void one_completion(void)
{
	fake_complete(1, VIRTIO_RDMA_OP_SEND, 0, 0);
}

static ULONG take_all(void)
{
	ND2_RESULT r[8];

	return cq->lpVtbl->GetResults(cq, r, 8);
}

/* ------------------------------------------------------------------- notify */

START_TEST(event_later)
{
	static OVERLAPPED ov;

	ck_assert(!readable());
	ck_assert_int_eq(notify(ND_CQ_NOTIFY_ANY, &ov), ND_PENDING);
	ck_assert_uint_eq(fake_cq_record()->arm, VIRTIO_RDMA_ARM_ANY);
	ck_assert_int_eq(result(&ov), ND_PENDING);
	ck_assert(!readable());
	one_completion();
	ck_assert(readable());
	ck_assert_int_eq(result(&ov), ND_SUCCESS);
	ck_assert(!readable());
	ck_assert_int_eq(result(&ov), ND_SUCCESS); /* asking again is harmless */
	ck_assert_uint_eq(fake_cq_record()->arm, VIRTIO_RDMA_ARM_NONE);
}
END_TEST

/* The completion came between GetResults and Notify */
START_TEST(there_already)
{
	static OVERLAPPED ov;

	one_completion();
	ck_assert_int_eq(notify(ND_CQ_NOTIFY_ANY, &ov), ND_PENDING);
	ck_assert(readable());
	ck_assert_int_eq(result(&ov), ND_SUCCESS);
	ck_assert_uint_eq(fake_cq_record()->arm, VIRTIO_RDMA_ARM_NONE);
	/* the kernel still has the request: the next Notify needs no second */
	ck_assert_uint_eq(fake_notify_requests(), 1);
	ck_assert_uint_eq(take_all(), 1);
	ck_assert_int_eq(notify(ND_CQ_NOTIFY_ANY, &ov), ND_PENDING);
	ck_assert_uint_eq(fake_notify_requests(), 1);
	ck_assert_int_eq(result(&ov), ND_PENDING);
	one_completion();
	ck_assert_int_eq(result(&ov), ND_SUCCESS);
}
END_TEST

/* The completion comes while the kernel is asked: before the arming */
START_TEST(before_the_arming)
{
	static OVERLAPPED ov;

	fake_in_notify = one_completion;
	ck_assert_int_eq(notify(ND_CQ_NOTIFY_ANY, &ov), ND_PENDING);
	ck_assert_int_eq(result(&ov), ND_SUCCESS);
}
END_TEST

START_TEST(one_event_ends_all)
{
	static OVERLAPPED ov[5];
	int i;

	for (i = 0; i < 5; i++)
		ck_assert_int_eq(notify(ND_CQ_NOTIFY_ANY, &ov[i]), ND_PENDING);
	ck_assert_uint_eq(fake_notify_requests(), 1);
	one_completion();
	for (i = 0; i < 5; i++) {
		ck_assert(readable()); /* until the last has been asked for */
		ck_assert_int_eq(result(&ov[i]), ND_SUCCESS);
	}
	ck_assert(!readable());
}
END_TEST

START_TEST(stronger_kind_wins)
{
	static OVERLAPPED a1, b, c;

	ck_assert_int_eq(notify(ND_CQ_NOTIFY_SOLICITED, &a1), ND_PENDING);
	ck_assert_uint_eq(fake_cq_record()->arm, VIRTIO_RDMA_ARM_SOLICITED);
	ck_assert_int_eq(notify(ND_CQ_NOTIFY_ANY, &b), ND_PENDING);
	ck_assert_uint_eq(fake_cq_record()->arm, VIRTIO_RDMA_ARM_ANY);
	ck_assert_int_eq(notify(ND_CQ_NOTIFY_ERRORS, &c), ND_PENDING);
	ck_assert_uint_eq(fake_cq_record()->arm, VIRTIO_RDMA_ARM_ANY);
	ck_assert_int_eq(notify(3, &c), ND_INVALID_PARAMETER_1);
	ck_assert_int_eq(notify(ND_CQ_NOTIFY_ANY, NULL),
			 ND_INVALID_PARAMETER_2);
}
END_TEST

/* A completion satisfies one solicited event, and is not waited for twice */
START_TEST(solicited_once)
{
	static OVERLAPPED ov;

	one_completion();
	ck_assert_int_eq(notify(ND_CQ_NOTIFY_SOLICITED, &ov), ND_PENDING);
	ck_assert_int_eq(result(&ov), ND_SUCCESS);
	ck_assert_int_eq(notify(ND_CQ_NOTIFY_SOLICITED, &ov), ND_PENDING);
	ck_assert_int_eq(result(&ov), ND_PENDING);
	one_completion();
	ck_assert_int_eq(result(&ov), ND_SUCCESS);
	ck_assert_uint_eq(take_all(), 2);
}
END_TEST

START_TEST(errors_kind_ignores_completions)
{
	static OVERLAPPED ov;

	one_completion();
	ck_assert_int_eq(notify(ND_CQ_NOTIFY_ERRORS, &ov), ND_PENDING);
	ck_assert_int_eq(result(&ov), ND_PENDING);
	fake_report_cq((uint32_t)ND_BUFFER_OVERFLOW);
	ck_assert_int_eq(result(&ov), ND_BUFFER_OVERFLOW);
	/* the CQ is dead, it says so at once from now on */
	ck_assert_int_eq(notify(ND_CQ_NOTIFY_ANY, &ov), ND_BUFFER_OVERFLOW);
	ck_assert(!readable());
}
END_TEST

START_TEST(refused_by_the_kernel)
{
	static OVERLAPPED ov;

	fake_fail_status = (uint32_t)ND_INSUFFICIENT_RESOURCES;
	ck_assert_int_eq(notify(ND_CQ_NOTIFY_ANY, &ov),
			 ND_INSUFFICIENT_RESOURCES);
	ck_assert(!readable());
	ck_assert_int_eq(notify(ND_CQ_NOTIFY_ANY, &ov), ND_PENDING);
	ck_assert_uint_eq(fake_notify_requests(), 1);
}
END_TEST

START_TEST(cancel)
{
	static OVERLAPPED ov[2];

	notify(ND_CQ_NOTIFY_ANY, &ov[0]);
	notify(ND_CQ_NOTIFY_ANY, &ov[1]);
	ck_assert_int_eq(cq->lpVtbl->CancelOverlappedRequests(cq), ND_SUCCESS);
	ck_assert_int_eq(result(&ov[0]), ND_CANCELED);
	ck_assert_int_eq(result(&ov[1]), ND_CANCELED);
	ck_assert_int_eq(notify(ND_CQ_NOTIFY_ANY, &ov[0]), ND_PENDING);
	one_completion();
	ck_assert_int_eq(result(&ov[0]), ND_SUCCESS);
}
END_TEST

/* ------------------------------------------------------------------- memory */

START_TEST(registration)
{
	static uint8_t page[4096];
	IND2MemoryRegion *mr;
	static OVERLAPPED ov;

	a->lpVtbl->CreateMemoryRegion(a, &IID_IND2MemoryRegion, file,
				      (VOID **)&mr);
	ck_assert_int_eq(mr->lpVtbl->Register(mr, page, 0, 1, &ov),
			 ND_INVALID_BUFFER_SIZE);
	ck_assert_int_eq(mr->lpVtbl->Register(mr, NULL, 1, 1, &ov),
			 ND_INVALID_PARAMETER);
	ck_assert_int_eq(mr->lpVtbl->Register(mr, page, 1ull << 31, 1, &ov),
			 ND_INVALID_PARAMETER);
	ck_assert_int_eq(mr->lpVtbl->Register(mr, page, 1, 0x10, &ov),
			 ND_INVALID_PARAMETER);
	ck_assert_int_eq(mr->lpVtbl->Deregister(mr, &ov),
			 ND_INVALID_DEVICE_STATE);
	ck_assert_int_eq(mr->lpVtbl->Register(mr, page, sizeof(page),
					      ND_MR_FLAG_ALLOW_REMOTE_WRITE |
					      ND_MR_FLAG_DO_NOT_SECURE_VM,
					      &ov), ND_PENDING);
	ck_assert_int_eq(mr->lpVtbl->GetOverlappedResult(mr, &ov, TRUE),
			 ND_SUCCESS);
	ck_assert_uint_ne(mr->lpVtbl->GetLocalToken(mr), 0);
	ck_assert_uint_eq(mr->lpVtbl->GetRemoteToken(mr),
			  mr->lpVtbl->GetLocalToken(mr) | 1);
	ck_assert_int_eq(mr->lpVtbl->Deregister(mr, &ov), ND_PENDING);
	ck_assert_int_eq(mr->lpVtbl->GetOverlappedResult(mr, &ov, TRUE),
			 ND_SUCCESS);
	mr->lpVtbl->Release(mr);
}
END_TEST

/* ------------------------------------------------------------------ threads */

struct waiter {
	pthread_t thread;
	OVERLAPPED ov;
	HRESULT hr;
};

static void *wait_for_it(void *arg)
{
	struct waiter *w = arg;

	w->hr = cq->lpVtbl->GetOverlappedResult(cq, &w->ov, TRUE);
	return NULL;
}

#define WAITERS 6

/* One sleeps in poll, the rest behind it; all must be woken, whoever takes the
 * event.  A lost wake-up ends in the time-out of the test. */
START_TEST(many_wait)
{
	static struct waiter w[WAITERS];
	static OVERLAPPED other;
	int i, round;

	for (round = 0; round < 50; round++) {
		for (i = 0; i < WAITERS; i++) {
			ck_assert_int_eq(notify(ND_CQ_NOTIFY_ANY, &w[i].ov),
					 ND_PENDING);
			ck_assert_int_eq(pthread_create(&w[i].thread, NULL,
							wait_for_it, &w[i]),
					 0);
		}
		notify(ND_CQ_NOTIFY_ANY, &other);
		one_completion();
		while (result(&other) == ND_PENDING) /* steals the event */
			;
		for (i = 0; i < WAITERS; i++) {
			pthread_join(w[i].thread, NULL);
			ck_assert_int_eq(w[i].hr, ND_SUCCESS);
		}
		ck_assert_uint_eq(take_all(), 1);
		ck_assert(!readable());
	}
}
END_TEST

/* ------------------------------------------------------- odd events, the end */

START_TEST(foreign_events)
{
	static OVERLAPPED ov;
	uint64_t number;

	notify(ND_CQ_NOTIFY_ANY, &ov);
	number = fake_last_overlapped();
	fake_event(0, 0);
	fake_event(12345, 0);
	fake_event(number + (1ull << 32), 0); /* another generation */
	ck_assert_int_eq(result(&ov), ND_PENDING);
	one_completion();
	ck_assert_int_eq(result(&ov), ND_SUCCESS);
	/* the same number again finds nobody, even with a new request there */
	notify(ND_CQ_NOTIFY_ERRORS, &ov);
	fake_event(number, 0);
	ck_assert_int_eq(result(&ov), ND_PENDING);
}
END_TEST

/* Released with requests pending: they end, and late events find nobody */
START_TEST(release_with_pending)
{
	IND2CompletionQueue *other = NULL;
	static OVERLAPPED ov, later;
	uint64_t number;

	a->lpVtbl->CreateCompletionQueue(a, &IID_IND2CompletionQueue, file, 8,
					 0, 0, (VOID **)&other);
	ck_assert_int_eq(other->lpVtbl->Notify(other, ND_CQ_NOTIFY_ANY, &ov),
			 ND_PENDING);
	number = fake_last_overlapped();
	other->lpVtbl->Release(other);
	ck_assert_int_eq((HRESULT)ov.Internal, ND_CANCELED);
	ck_assert_int_eq(result(&ov), ND_CANCELED);
	memset(&ov, 0x5a, sizeof(ov));
	fake_event(number, 0);
	ck_assert_int_eq(notify(ND_CQ_NOTIFY_ANY, &later), ND_PENDING);
	one_completion();
	ck_assert_int_eq(result(&later), ND_SUCCESS); /* took both events */
	ck_assert_uint_eq(ov.Internal & 0xff, 0x5a);
}
END_TEST

START_TEST(lost)
{
	static OVERLAPPED ov;

	notify(ND_CQ_NOTIFY_ANY, &ov);
	fake_lose_device(0);
	ck_assert(readable());
	ck_assert_int_eq(result(&ov), ND_DEVICE_REMOVED);
	ck_assert_int_eq(notify(ND_CQ_NOTIFY_ANY, &ov), ND_DEVICE_REMOVED);
}
END_TEST

/* The module goes: no event, but an end of file */
START_TEST(hang_up)
{
	static struct waiter w;

	notify(ND_CQ_NOTIFY_ANY, &w.ov);
	pthread_create(&w.thread, NULL, wait_for_it, &w);
	fake_hang_up();
	pthread_join(w.thread, NULL);
	ck_assert_int_eq(w.hr, ND_DEVICE_REMOVED);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("ndspi_overlapped");
	TCase *t = tcase_create("overlapped");
	SRunner *r;
	int failed;

	tcase_set_timeout(t, 30);
	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, event_later);
	tcase_add_test(t, there_already);
	tcase_add_test(t, before_the_arming);
	tcase_add_test(t, one_event_ends_all);
	tcase_add_test(t, stronger_kind_wins);
	tcase_add_test(t, solicited_once);
	tcase_add_test(t, errors_kind_ignores_completions);
	tcase_add_test(t, refused_by_the_kernel);
	tcase_add_test(t, cancel);
	tcase_add_test(t, registration);
	tcase_add_test(t, many_wait);
	tcase_add_test(t, foreign_events);
	tcase_add_test(t, release_with_pending);
	tcase_add_test(t, lost);
	tcase_add_test(t, hang_up);
	suite_add_tcase(s, t);
	r = srunner_create(s);
	srunner_run_all(r, CK_ENV);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed != 0;
}
