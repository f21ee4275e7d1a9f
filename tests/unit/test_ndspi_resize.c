/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test_ndspi_resize.c - IND2CompletionQueue::Resize
 */
#include <check.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "nd_fake.h"
#include "nd_vrdma.h"
#include "ndstatus.h"
#include "vrdma_ring.h"

#define DEPTH 8

static IND2Adapter *a;
static IND2CompletionQueue *cq;
static HANDLE file;
static uint64_t written;
static _Atomic uint64_t taken;

static void setup(void)
{
	IND2Provider *p;

	fake_install();
	DllGetClassObject(NULL, &IID_IND2Provider, (VOID **)&p);
	ck_assert_int_eq(p->lpVtbl->OpenAdapter(p, &IID_IND2Adapter,
						ND_VRDMA_ADAPTER_ID(0),
						(VOID **)&a), ND_SUCCESS);
	p->lpVtbl->Release(p);
	a->lpVtbl->CreateOverlappedFile(a, &file);
	ck_assert_int_eq(a->lpVtbl->CreateCompletionQueue(
				 a, &IID_IND2CompletionQueue, file, DEPTH, 0, 0,
				 (VOID **)&cq), ND_SUCCESS);
	written = 0;
	taken = 0;
}

static void teardown(void)
{
	cq->lpVtbl->Release(cq);
	a->lpVtbl->Release(a);
	CloseHandle(file);
	ck_assert_uint_eq(fake_old_rings, 0);
	fake_remove();
}

static HRESULT resize(ULONG depth)
{
	return cq->lpVtbl->Resize(cq, depth);
}

static void complete(uint32_t n)
{
	while (n--)
		fake_complete(written++, VIRTIO_RDMA_OP_SEND, 0, 0);
}

/* So many and no more, in order */
static void expect_results(ULONG n)
{
	ND2_RESULT r[64];
	ULONG got = cq->lpVtbl->GetResults(cq, r, 64);

	ck_assert_uint_eq(got, n);
	for (ULONG i = 0; i < got; i++)
		ck_assert_ptr_eq(r[i].RequestContext,
				 (VOID *)(uintptr_t)taken++);
}

static HRESULT notify(ULONG type, OVERLAPPED *ov)
{
	return cq->lpVtbl->Notify(cq, type, ov);
}

static HRESULT result(OVERLAPPED *ov)
{
	return cq->lpVtbl->GetOverlappedResult(cq, ov, FALSE);
}

START_TEST(offered)
{
	ND2_ADAPTER_INFO i = { .InfoVersion = ND_VERSION_2 };
	ULONG cb = sizeof(i);

	ck_assert_int_eq(a->lpVtbl->Query(a, &i, &cb), ND_SUCCESS);
	ck_assert(i.AdapterFlags & ND_ADAPTER_FLAG_CQ_RESIZE_SUPPORTED);
	ck_assert(i.AdapterFlags &
		  ND_ADAPTER_FLAG_CQ_INTERRUPT_MODERATION_SUPPORTED);
}
END_TEST

/* Less than is queued is refused; as much is not */
START_TEST(statuses)
{
	unsigned asked;

	ck_assert_int_eq(resize(0), ND_INVALID_PARAMETER);
	ck_assert_int_eq(resize(4097), ND_INVALID_PARAMETER);
	ck_assert_int_eq(resize(0xffffffff), ND_INVALID_PARAMETER);
	complete(5);
	asked = fake_ioctls;
	ck_assert_int_eq(resize(4), ND_BUFFER_OVERFLOW);
	ck_assert_int_eq(resize(1), ND_BUFFER_OVERFLOW);
	ck_assert_uint_eq(fake_ioctls, asked);
	ck_assert_int_eq(resize(5), ND_SUCCESS);
	complete(1);
	expect_results(6);
	ck_assert_int_eq(resize(1), ND_SUCCESS);
	ck_assert_int_eq(resize(4096), ND_SUCCESS);
	complete(60);
	expect_results(60);
	fake_fail_status = (uint32_t)ND_INSUFFICIENT_RESOURCES;
	ck_assert_int_eq(resize(64), ND_INSUFFICIENT_RESOURCES);
	complete(3);
	expect_results(3);
}
END_TEST

/* What is queued in several rings counts together, and comes in order */
START_TEST(in_order)
{
	complete(3);
	ck_assert_int_eq(resize(16), ND_SUCCESS);
	complete(3);
	ck_assert_int_eq(resize(64), ND_SUCCESS);
	complete(2);
	ck_assert_int_eq(resize(7), ND_BUFFER_OVERFLOW);
	ck_assert_uint_eq(fake_old_rings, 2);
	ck_assert_int_eq(resize(8), ND_SUCCESS);
	ck_assert_uint_eq(fake_old_rings, 3);
	expect_results(8);
	expect_results(0);
	ck_assert_uint_eq(fake_old_rings, 0);
	for (int i = 0; i < 5; i++) {
		complete(7);
		expect_results(7);
	}
}
END_TEST

/* The ring that the device moved to cannot be mapped: it is when it is needed */
START_TEST(mapped_later)
{
	OVERLAPPED ov = { 0 };

	complete(2);
	fake_fail_maps = _i;
	ck_assert_int_eq(resize(32), ND_SUCCESS);
	complete(3);
	if (_i < 3) {
		expect_results(_i == 2 ? 2 : 5);
		if (_i == 2)
			expect_results(3);
		return;
	}
	/* no further change before that, and no Notify is lost */
	ck_assert_int_eq(resize(64), ND_INSUFFICIENT_RESOURCES);
	expect_results(2);
	ck_assert_uint_eq(fake_fail_maps, 0);
	ck_assert_int_eq(notify(ND_CQ_NOTIFY_ANY, &ov), ND_PENDING);
	ck_assert_int_eq(result(&ov), ND_SUCCESS);
	expect_results(3);
}
END_TEST

/* Lost in the middle: what the kernel writes to the ring that was moved to is
 * found */
START_TEST(lost)
{
	complete(1);
	fake_lost_in_resize = true;
	ck_assert_int_eq(resize(32), ND_DEVICE_REMOVED);
	complete(2);
	expect_results(3);
}
END_TEST

/* A Notify from before goes along */
START_TEST(notify_goes_along)
{
	OVERLAPPED ov = { 0 };

	ck_assert_int_eq(notify(_i ? ND_CQ_NOTIFY_SOLICITED : ND_CQ_NOTIFY_ANY,
				&ov), ND_PENDING);
	ck_assert_int_eq(resize(32), ND_SUCCESS);
	ck_assert_int_eq(result(&ov), ND_PENDING);
	complete(1);
	ck_assert_int_eq(result(&ov), ND_SUCCESS);
	expect_results(1);
}
END_TEST

/* ANY is content with what is in any ring; SOLICITED wants what no event has
 * covered */
START_TEST(notify_behind)
{
	OVERLAPPED ov[4] = { { 0 } };

	ck_assert_int_eq(notify(ND_CQ_NOTIFY_ANY, &ov[0]), ND_PENDING);
	complete(2);
	ck_assert_int_eq(result(&ov[0]), ND_SUCCESS);
	ck_assert_int_eq(resize(32), ND_SUCCESS);
	if (_i)
		complete(1);
	ck_assert_int_eq(notify(ND_CQ_NOTIFY_SOLICITED, &ov[1]), ND_PENDING);
	ck_assert_int_eq(result(&ov[1]), _i ? ND_SUCCESS : ND_PENDING);
	ck_assert_int_eq(notify(ND_CQ_NOTIFY_ANY, &ov[2]), ND_PENDING);
	ck_assert_int_eq(result(&ov[2]), ND_SUCCESS);
	ck_assert_int_eq(result(&ov[1]), ND_SUCCESS);
	expect_results(_i ? 3 : 2);
	/* the new one is the only one now */
	ck_assert_int_eq(notify(ND_CQ_NOTIFY_ANY, &ov[3]), ND_PENDING);
	ck_assert_int_eq(result(&ov[3]), ND_PENDING);
	complete(1);
	ck_assert_int_eq(result(&ov[3]), ND_SUCCESS);
	expect_results(1);
}
END_TEST

static _Atomic bool stop;

static void *poll_on(void *arg)
{
	while (!stop || taken < 2000) {
		ND2_RESULT r[16];
		ULONG got = cq->lpVtbl->GetResults(cq, r, 16);

		for (ULONG i = 0; i < got; i++)
			if (r[i].RequestContext != (VOID *)(uintptr_t)taken++)
				return arg;
	}
	return NULL;
}

/* One thread polls, the device writes, another resizes */
START_TEST(while_polled)
{
	static const ULONG depths[] = { 64, 128, 256, 100 };
	pthread_t poller;
	void *wrong;

	ck_assert_int_eq(resize(256), ND_SUCCESS);
	stop = false;
	ck_assert_int_eq(pthread_create(&poller, NULL, poll_on, &stop), 0);
	for (int i = 0; i < 200; i++) {
		HRESULT hr = resize(depths[i % 4]);

		ck_assert(hr == ND_SUCCESS || hr == ND_BUFFER_OVERFLOW);
		complete(10);
		while (written - taken > 40)
			;
	}
	stop = true;
	pthread_join(poller, &wrong);
	ck_assert_ptr_null(wrong);
	ck_assert_uint_eq(taken, written);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("ndspi-resize");
	TCase *t = tcase_create("resize");
	SRunner *sr;
	int failed;

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_set_timeout(t, 60);
	tcase_add_test(t, offered);
	tcase_add_test(t, statuses);
	tcase_add_test(t, in_order);
	tcase_add_loop_test(t, mapped_later, 1, 4);
	tcase_add_test(t, lost);
	tcase_add_loop_test(t, notify_goes_along, 0, 2);
	tcase_add_loop_test(t, notify_behind, 0, 2);
	tcase_add_test(t, while_polled);
	suite_add_tcase(s, t);
	sr = srunner_create(s);
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
