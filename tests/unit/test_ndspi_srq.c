/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test_ndspi_srq.c - IND2SharedReceiveQueue, and queue pairs that receive from
 * one
 */
#include <check.h>
#include <pthread.h>
#include <sched.h>
#include <string.h>

#include "nd_fake.h"
#include "nd_vrdma.h"
#include "ndstatus.h"
#include "vrdma_ring.h"

#define DEPTH 3

static IND2Adapter *a;
static IND2CompletionQueue *cq;
static IND2SharedReceiveQueue *srq;
static HANDLE file;
static uint8_t data[2][256];
static const ND2_SGE two[3] = { { data[0], 100, 7 }, { data[1], 28, 9 } };

static IND2Adapter *adapter(unsigned number)
{
	IND2Adapter *out = NULL;
	IND2Provider *p;

	DllGetClassObject(NULL, &IID_IND2Provider, (VOID **)&p);
	ck_assert_int_eq(p->lpVtbl->OpenAdapter(p, &IID_IND2Adapter,
						ND_VRDMA_ADAPTER_ID(number),
						(VOID **)&out), ND_SUCCESS);
	p->lpVtbl->Release(p);
	return out;
}

static HRESULT create(IND2Adapter *of, ULONG depth, ULONG sge, ULONG threshold,
		      IND2SharedReceiveQueue **out)
{
	return of->lpVtbl->CreateSharedReceiveQueue(
		of, &IID_IND2SharedReceiveQueue, file, depth, sge, threshold, 3,
		5, (VOID **)out);
}

static void setup(void)
{
	fake_install();
	a = adapter(0);
	a->lpVtbl->CreateOverlappedFile(a, &file);
	ck_assert_int_eq(a->lpVtbl->CreateCompletionQueue(
				 a, &IID_IND2CompletionQueue, file, 16, 0, 0,
				 (VOID **)&cq), ND_SUCCESS);
	ck_assert_int_eq(create(a, DEPTH, 2, 2, &srq), ND_SUCCESS);
	fake_context()->worker = VIRTIO_RDMA_WORKER_AWAKE;
}

static void teardown(void)
{
	if (srq)
		srq->lpVtbl->Release(srq);
	cq->lpVtbl->Release(cq);
	a->lpVtbl->Release(a);
	CloseHandle(file);
	fake_remove();
}

static HRESULT receive(uintptr_t id)
{
	return srq->lpVtbl->Receive(srq, (VOID *)id, two, 1);
}

static HRESULT modify(ULONG depth, ULONG threshold)
{
	return srq->lpVtbl->Modify(srq, depth, threshold);
}

static HRESULT notify(OVERLAPPED *ov)
{
	return srq->lpVtbl->Notify(srq, ov);
}

static HRESULT result(OVERLAPPED *ov)
{
	return srq->lpVtbl->GetOverlappedResult(srq, ov, FALSE);
}

static uint64_t id_at(uint32_t count)
{
	return ((struct virtio_rdma_recv_wqe *)fake_srq_entry(count))->wr_id;
}

/* ---------------------------------------------------------------- creation */

START_TEST(offered)
{
	ND2_ADAPTER_INFO i = { .InfoVersion = ND_VERSION_2 };
	ULONG cb = sizeof(i);
	IND2Adapter *plain;
	IND2SharedReceiveQueue *none = srq;
	VOID *qp = &none;

	ck_assert_int_eq(a->lpVtbl->Query(a, &i, &cb), ND_SUCCESS);
	ck_assert_uint_eq(i.MaxSharedReceiveQueueDepth, 512);
	fake_features = 0;
	plain = adapter(1);
	ck_assert_int_eq(plain->lpVtbl->Query(plain, &i, &cb), ND_SUCCESS);
	ck_assert_uint_eq(i.MaxSharedReceiveQueueDepth, 0);
	ck_assert_int_eq(create(plain, 1, 1, 0, &none), ND_NOT_SUPPORTED);
	ck_assert_ptr_null(none);
	ck_assert_int_eq(plain->lpVtbl->CreateQueuePairWithSrq(
				 plain, &IID_IND2QueuePair, NULL, NULL, NULL,
				 NULL, 1, 1, 0, &qp), ND_NOT_SUPPORTED);
	ck_assert_ptr_null(qp);
	plain->lpVtbl->Release(plain);
}
END_TEST

START_TEST(create_refused)
{
	IND2SharedReceiveQueue *none = srq;
	VOID *p = &none;

	ck_assert_int_eq(create(a, 0, 1, 0, &none), ND_INVALID_PARAMETER_3);
	ck_assert_int_eq(create(a, 513, 1, 0, &none), ND_INVALID_PARAMETER_3);
	ck_assert_int_eq(create(a, 512, 4, 0, &none), ND_INVALID_PARAMETER_4);
	ck_assert_int_eq(create(a, 1, 1, 0, NULL), E_POINTER);
	ck_assert_int_eq(a->lpVtbl->CreateSharedReceiveQueue(
				 a, &IID_IND2SharedReceiveQueue,
				 INVALID_HANDLE_VALUE, 1, 1, 0, 0, 0, &p),
			 ND_INVALID_HANDLE);
	ck_assert_int_eq(a->lpVtbl->CreateSharedReceiveQueue(
				 a, &IID_IND2QueuePair, file, 1, 1, 0, 0, 0,
				 &p), E_NOINTERFACE);
	fake_fail_status = (uint32_t)ND_INSUFFICIENT_RESOURCES;
	ck_assert_int_eq(create(a, 1, 1, 0, &none), ND_INSUFFICIENT_RESOURCES);
	fake_fail_maps = 1;
	ck_assert_int_eq(create(a, 1, 1, 0, &none), ND_INSUFFICIENT_RESOURCES);
	ck_assert_ptr_null(none);
	ck_assert_ptr_null(p);
}
END_TEST

START_TEST(identity)
{
	IUnknown *unknown = NULL;
	VOID *p = NULL;
	USHORT group;
	KAFFINITY affinity;

	ck_assert_int_eq(srq->lpVtbl->QueryInterface(srq, &IID_IND2Overlapped,
						     &p), S_OK);
	ck_assert_ptr_eq(p, srq);
	srq->lpVtbl->Release(srq);
	ck_assert_int_eq(srq->lpVtbl->QueryInterface(srq, &IID_IUnknown,
						     (VOID **)&unknown), S_OK);
	ck_assert_ptr_eq(unknown, srq);
	srq->lpVtbl->Release(srq);
	ck_assert_int_eq(srq->lpVtbl->QueryInterface(
				 srq, &IID_IND2CompletionQueue, &p),
			 E_NOINTERFACE);
	ck_assert_int_eq(srq->lpVtbl->GetNotifyAffinity(srq, &group, NULL),
			 ND_INVALID_PARAMETER);
	ck_assert_int_eq(srq->lpVtbl->GetNotifyAffinity(srq, NULL, &affinity),
			 ND_INVALID_PARAMETER);
	ck_assert_int_eq(srq->lpVtbl->GetNotifyAffinity(srq, &group, &affinity),
			 ND_SUCCESS);
	ck_assert_uint_eq(group, 3);
	ck_assert_uint_eq(affinity, 5);
}
END_TEST

/* ----------------------------------------------------------------- receives */

START_TEST(entry)
{
	const struct virtio_rdma_recv_wqe *w = fake_srq_entry(0);
	const struct virtio_rdma_sge *sge = (const void *)(w + 1);
	uint32_t slot = fake_srq_slot();

	ck_assert_int_eq(srq->lpVtbl->Receive(srq, (VOID *)0x77, two, 2),
			 ND_SUCCESS);
	ck_assert_uint_eq(fake_srq_record()->tail, 1);
	ck_assert_uint_eq(w->wr_id, 0x77);
	ck_assert_uint_eq(w->num_sge, 2);
	ck_assert_uint_eq(sge[0].addr, (uintptr_t)data[0]);
	ck_assert_uint_eq(sge[0].length, 100);
	ck_assert_uint_eq(sge[0].token, 7);
	ck_assert_uint_eq(sge[1].addr, (uintptr_t)data[1]);
	ck_assert_uint_eq(sge[1].length, 28);
	ck_assert_uint_eq(sge[1].token, 9);
	ck_assert_uint_eq(fake_context()->work[slot / 64], 1ull << slot % 64);
	ck_assert_uint_eq(fake_kicks, 0);
	fake_context()->worker = VIRTIO_RDMA_WORKER_ASLEEP;
	ck_assert_int_eq(srq->lpVtbl->Receive(srq, NULL, NULL, 0), ND_SUCCESS);
	ck_assert_uint_eq(fake_kicks, 1);
}
END_TEST

START_TEST(receive_refused)
{
	static const ND2_SGE large[2] = { { data[0], 1u << 20, 7 },
					  { data[1], 1, 7 } };

	ck_assert_int_eq(srq->lpVtbl->Receive(srq, NULL, NULL, 1),
			 ND_INVALID_PARAMETER_2);
	ck_assert_int_eq(srq->lpVtbl->Receive(srq, NULL, two, 3),
			 ND_DATA_OVERRUN);
	ck_assert_int_eq(srq->lpVtbl->Receive(srq, NULL, large, 2),
			 ND_BUFFER_OVERFLOW);
	ck_assert_uint_eq(fake_srq_record()->tail, 0);
}
END_TEST

/* As many as were asked for, though the ring has a place more; a place is free
 * when its receive is taken */
START_TEST(full)
{
	ck_assert_uint_eq(fake_srq_depth(), DEPTH + 1);
	for (uintptr_t i = 0; i < 20; i++) {
		while (fake_srq_record()->tail - fake_srq_record()->head <
		       DEPTH)
			ck_assert_int_eq(receive(fake_srq_record()->tail),
					 ND_SUCCESS);
		ck_assert_int_eq(receive(99), ND_NO_MORE_ENTRIES);
		ck_assert_uint_eq(id_at(fake_srq_record()->head), i);
		fake_srq_take();
	}
}
END_TEST

/* ----------------------------------------------------------- queue pairs */

static HRESULT create_qp(IUnknown *rcq, IUnknown *icq, IUnknown *shared,
			 ULONG depth, ULONG sge, ULONG inline_size,
			 IND2QueuePair **out)
{
	return a->lpVtbl->CreateQueuePairWithSrq(a, &IID_IND2QueuePair, rcq,
						 icq, shared, &data, depth, sge,
						 inline_size, (VOID **)out);
}

static IND2QueuePair *queue_pair(void)
{
	IND2QueuePair *qp = NULL;

	ck_assert_int_eq(create_qp((IUnknown *)cq, (IUnknown *)cq,
				   (IUnknown *)srq, 5, 3, 100, &qp),
			 ND_SUCCESS);
	return qp;
}

START_TEST(qp_refused)
{
	IUnknown *c = (IUnknown *)cq, *s = (IUnknown *)srq;
	IND2SharedReceiveQueue *foreign = NULL;
	IND2Adapter *other = adapter(1);
	IND2QueuePair *none = (IND2QueuePair *)a;

	ck_assert_int_eq(create(other, 1, 1, 0, &foreign), ND_SUCCESS);
	ck_assert_int_eq(create_qp(NULL, c, s, 1, 1, 0, &none),
			 ND_INVALID_PARAMETER_2);
	ck_assert_int_eq(create_qp(c, s, s, 1, 1, 0, &none),
			 ND_INVALID_PARAMETER_3);
	ck_assert_int_eq(create_qp(c, c, NULL, 1, 1, 0, &none),
			 ND_INVALID_PARAMETER_4);
	ck_assert_int_eq(create_qp(c, c, c, 1, 1, 0, &none),
			 ND_INVALID_PARAMETER_4);
	ck_assert_int_eq(create_qp(c, c, (IUnknown *)foreign, 1, 1, 0, &none),
			 ND_INVALID_PARAMETER_4);
	ck_assert_int_eq(create_qp(c, c, s, 513, 1, 0, &none),
			 ND_INVALID_PARAMETER_6);
	ck_assert_int_eq(create_qp(c, c, s, 1, 5, 0, &none),
			 ND_INVALID_PARAMETER_7);
	ck_assert_int_eq(create_qp(c, c, s, 1, 1, 201, &none),
			 ND_INVALID_PARAMETER_8);
	ck_assert_int_eq(create_qp(c, c, s, 1, 1, 0, NULL), E_POINTER);
	ck_assert_ptr_null(none);
	foreign->lpVtbl->Release(foreign);
	other->lpVtbl->Release(other);
}
END_TEST

/* It sends by its own ring and has none for receives */
START_TEST(qp_posts)
{
	IND2QueuePair *qp = queue_pair();
	struct vrdma_uapi_create_qp layout = fake_qp_layout();

	ck_assert_uint_eq(layout.recv_depth, 0);
	ck_assert_uint_eq(layout.max_recv_sge, 0);
	ck_assert_int_eq(qp->lpVtbl->Receive(qp, NULL, two, 1),
			 ND_INVALID_DEVICE_REQUEST);
	ck_assert_uint_eq(fake_qp_record()->rq_tail, 0);
	fake_qp_record()->state = VIRTIO_RDMA_QP_CONNECTED;
	ck_assert_int_eq(qp->lpVtbl->Send(qp, NULL, two, 2, 0), ND_SUCCESS);
	ck_assert_uint_eq(fake_qp_record()->sq_tail, 1);
	/* what is in the queue is no affair of a queue pair's flush */
	ck_assert_int_eq(receive(1), ND_SUCCESS);
	ck_assert_int_eq(qp->lpVtbl->Flush(qp), ND_SUCCESS);
	ck_assert_uint_eq(fake_srq_record()->head, 0);
	qp->lpVtbl->Release(qp);
}
END_TEST

/* The fake aborts if the kernel hears of the queue's end before those of its
 * queue pairs */
START_TEST(qp_holds_it)
{
	IND2QueuePair *one = queue_pair(), *other = queue_pair();

	srq->lpVtbl->Release(srq);
	srq = NULL;
	one->lpVtbl->Release(one);
	ck_assert_uint_eq(fake_srq_depth(), DEPTH + 1);
	other->lpVtbl->Release(other);
}
END_TEST

START_TEST(qp_create_fails)
{
	IND2QueuePair *none = (IND2QueuePair *)a;

	fake_fail_status = (uint32_t)ND_INSUFFICIENT_RESOURCES;
	ck_assert_int_eq(create_qp((IUnknown *)cq, (IUnknown *)cq,
				   (IUnknown *)srq, 1, 1, 0, &none),
			 ND_INSUFFICIENT_RESOURCES);
	ck_assert_ptr_null(none);
	ck_assert_uint_eq(srq->lpVtbl->AddRef(srq), 2);
	srq->lpVtbl->Release(srq);
}
END_TEST

/* ------------------------------------------------------------------ Notify */

START_TEST(notify_all)
{
	OVERLAPPED ov[3] = { 0 };

	ck_assert_int_eq(notify(NULL), ND_INVALID_PARAMETER_1);
	for (uintptr_t i = 0; i < DEPTH; i++)
		receive(i);
	for (int i = 0; i < 2; i++)
		ck_assert_int_eq(notify(&ov[i]), ND_PENDING);
	fake_srq_take();
	ck_assert_int_eq(result(&ov[0]), ND_PENDING);
	ck_assert_int_eq(result(&ov[1]), ND_PENDING);
	fake_srq_take();
	ck_assert_int_eq(result(&ov[0]), ND_SUCCESS);
	ck_assert_int_eq(result(&ov[1]), ND_SUCCESS);
	/* still low: said at once */
	ck_assert_int_eq(notify(&ov[2]), ND_PENDING);
	ck_assert_int_eq(result(&ov[2]), ND_SUCCESS);
}
END_TEST

START_TEST(notify_cancelled)
{
	OVERLAPPED ov[2] = { 0 };

	for (uintptr_t i = 0; i < DEPTH; i++)
		receive(i);
	ck_assert_int_eq(notify(&ov[0]), ND_PENDING);
	ck_assert_int_eq(srq->lpVtbl->CancelOverlappedRequests(srq),
			 ND_SUCCESS);
	ck_assert_int_eq(result(&ov[0]), ND_CANCELED);
	ck_assert_int_eq(notify(&ov[1]), ND_PENDING);
	srq->lpVtbl->Release(srq);
	srq = NULL;
	ck_assert_int_eq((HRESULT)ov[1].Internal, ND_CANCELED);
}
END_TEST

START_TEST(notify_errors)
{
	OVERLAPPED ov = { 0 };

	receive(1);
	receive(2);
	ck_assert_int_eq(notify(&ov), ND_PENDING);
	fake_report_srq((uint32_t)ND_INTERNAL_ERROR);
	ck_assert_int_eq(result(&ov), ND_INTERNAL_ERROR);
	fake_fail_status = (uint32_t)ND_INSUFFICIENT_RESOURCES;
	ck_assert_int_eq(notify(&ov), ND_INSUFFICIENT_RESOURCES);
}
END_TEST

/* A threshold of 0 is none, until Modify gives one to those who wait, too */
START_TEST(notify_later)
{
	OVERLAPPED ov = { 0 };

	srq->lpVtbl->Release(srq);
	ck_assert_int_eq(create(a, DEPTH, 1, 0, &srq), ND_SUCCESS);
	ck_assert_int_eq(notify(&ov), ND_PENDING);
	ck_assert_int_eq(result(&ov), ND_PENDING);
	ck_assert_int_eq(modify(0, 1), ND_SUCCESS);
	ck_assert_int_eq(result(&ov), ND_SUCCESS);
}
END_TEST

/* ------------------------------------------------------------------ Modify */

/* What is queued keeps its place in the order; as many fit as are asked for */
START_TEST(modify_depth)
{
	static const ULONG depth[] = { 4, 3, 9, 100, 12, 512, 3 };
	uint32_t head = 0, tail = 0;

	for (size_t i = 0; i < sizeof(depth) / sizeof(depth[0]); i++) {
		for (; tail - head > 2; head++)
			fake_srq_take();
		ck_assert_int_eq(modify(depth[i], 0), ND_SUCCESS);
		for (uint32_t k = head; k != tail; k++)
			ck_assert_uint_eq(id_at(k), k);
		for (; tail - head < depth[i]; tail++)
			ck_assert_int_eq(receive(tail), ND_SUCCESS);
		ck_assert_int_eq(receive(tail), ND_NO_MORE_ENTRIES);
	}
}
END_TEST

START_TEST(modify_refused)
{
	ck_assert_int_eq(modify(513, 0), ND_INVALID_PARAMETER);
	for (uintptr_t i = 0; i < DEPTH; i++)
		ck_assert_int_eq(receive(i), ND_SUCCESS);
	ck_assert_int_eq(modify(DEPTH - 1, 0), ND_BUFFER_OVERFLOW);
	fake_fail_status = (uint32_t)ND_INSUFFICIENT_RESOURCES;
	ck_assert_int_eq(modify(100, 0), ND_INSUFFICIENT_RESOURCES);
	/* all as before */
	ck_assert_uint_eq(fake_srq_depth(), DEPTH + 1);
	ck_assert_int_eq(receive(9), ND_NO_MORE_ENTRIES);
	fake_srq_take();
	ck_assert_int_eq(receive(3), ND_SUCCESS);
	ck_assert_uint_eq(id_at(3), 3);
	ck_assert_int_eq(modify(0, 0), ND_SUCCESS);
	ck_assert_int_eq(receive(9), ND_NO_MORE_ENTRIES);
}
END_TEST

/* The ring is another one and cannot be mapped: later it can */
START_TEST(modify_unmapped)
{
	receive(0);
	fake_fail_maps = 2;
	ck_assert_int_eq(modify(64, 0), ND_SUCCESS);
	ck_assert_int_eq(receive(1), ND_INSUFFICIENT_RESOURCES);
	ck_assert_int_eq(receive(1), ND_SUCCESS);
	ck_assert_uint_eq(fake_srq_record()->tail, 2);
	ck_assert_uint_eq(id_at(0), 0);
	ck_assert_uint_eq(id_at(1), 1);
}
END_TEST

#define MANY 5000

static void *post_many(void *arg)
{
	for (uintptr_t i = 0; i < MANY; i++) {
		HRESULT hr;

		while ((hr = receive(i)) == ND_NO_MORE_ENTRIES)
			sched_yield();
		ck_assert_int_eq(hr, ND_SUCCESS);
	}
	return arg;
}

/* Nothing is lost, doubled or overtaken by a thread that posts meanwhile */
START_TEST(modify_under_posts)
{
	static const ULONG depth[] = { 100, 8, 64, 9 };
	pthread_t thread;
	uint64_t next = 0;

	ck_assert_int_eq(modify(8, 0), ND_SUCCESS);
	ck_assert_int_eq(pthread_create(&thread, NULL, post_many, NULL), 0);
	for (unsigned i = 0; next < MANY; i++) {
		HRESULT hr = modify(depth[i % 4], 0);

		ck_assert(hr == ND_SUCCESS || hr == ND_BUFFER_OVERFLOW);
		for (int k = 0; k < 7; k++) {
			struct virtio_rdma_srq_record *r = fake_srq_record();

			if (vrdma_observe32(&r->tail) == r->head)
				break;
			ck_assert_uint_eq(id_at(r->head), next++);
			fake_srq_take();
		}
	}
	pthread_join(thread, NULL);
}
END_TEST

/* -------------------------------------------------------------------- loss */

/* Nobody waits and nobody told: what fits is taken, then the kernel is asked */
START_TEST(lost_unheard)
{
	receive(1);
	fake_lose_device(0);
	ck_assert_int_eq(receive(2), ND_SUCCESS);
	ck_assert_int_eq(receive(3), ND_SUCCESS);
	ck_assert_int_eq(receive(4), ND_DEVICE_REMOVED);
	fake_srq_record()->head++;
	ck_assert_int_eq(receive(5), ND_DEVICE_REMOVED);
}
END_TEST

START_TEST(lost_heard)
{
	OVERLAPPED ov = { 0 };

	receive(1);
	receive(2);
	ck_assert_int_eq(notify(&ov), ND_PENDING);
	fake_lose_device(0);
	ck_assert_int_eq(result(&ov), ND_DEVICE_REMOVED);
	ck_assert_int_eq(receive(3), ND_DEVICE_REMOVED);
	ck_assert_uint_eq(fake_srq_record()->tail, 2);
	ck_assert_int_eq(notify(&ov), ND_DEVICE_REMOVED);
	ck_assert_int_eq(modify(9, 0), ND_DEVICE_REMOVED);
	ck_assert_int_eq(modify(0, 1), ND_DEVICE_REMOVED);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("ndspi_srq");
	TCase *t = tcase_create("shared receive queues");
	SRunner *r;
	int failed;

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_set_timeout(t, 60);
	tcase_add_test(t, offered);
	tcase_add_test(t, create_refused);
	tcase_add_test(t, identity);
	tcase_add_test(t, entry);
	tcase_add_test(t, receive_refused);
	tcase_add_test(t, full);
	tcase_add_test(t, qp_refused);
	tcase_add_test(t, qp_posts);
	tcase_add_test(t, qp_holds_it);
	tcase_add_test(t, qp_create_fails);
	tcase_add_test(t, notify_all);
	tcase_add_test(t, notify_cancelled);
	tcase_add_test(t, notify_errors);
	tcase_add_test(t, notify_later);
	tcase_add_test(t, modify_depth);
	tcase_add_test(t, modify_refused);
	tcase_add_test(t, modify_unmapped);
	tcase_add_test(t, modify_under_posts);
	tcase_add_test(t, lost_unheard);
	tcase_add_test(t, lost_heard);
	suite_add_tcase(s, t);
	r = srunner_create(s);
	srunner_run_all(r, CK_ENV);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed != 0;
}
