/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test_ndspi_window.c - IND2MemoryWindow, Bind, Invalidate, and the send with
 * invalidate that NDSPI lacks
 */
#include <check.h>
#include <string.h>

#include "nd_fake.h"
#include "nd_vrdma.h"
#include "ndstatus.h"
#include "vrdma_ring.h"

#define BOTH (ND_OP_FLAG_ALLOW_READ | ND_OP_FLAG_ALLOW_WRITE)

static IND2Adapter *a;
static IND2CompletionQueue *cq;
static IND2QueuePair *qp;
static IND2MemoryRegion *mr;
static IND2MemoryWindow *mw;
static IVrdmaQueuePair *extra;
static HANDLE file;
static uint8_t data[4096];

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

static HRESULT wait_for(IND2MemoryRegion *r, HRESULT hr, OVERLAPPED *ov)
{
	return hr == ND_PENDING ?
		       r->lpVtbl->GetOverlappedResult(r, ov, TRUE) : hr;
}

static HRESULT do_register(IND2MemoryRegion *r, VOID *at, SIZE_T cb,
			   ULONG flags)
{
	OVERLAPPED ov = { 0 };

	return wait_for(r, r->lpVtbl->Register(r, at, cb, flags, &ov), &ov);
}

static HRESULT do_deregister(IND2MemoryRegion *r)
{
	OVERLAPPED ov = { 0 };

	return wait_for(r, r->lpVtbl->Deregister(r, &ov), &ov);
}

static IND2MemoryRegion *region(IND2Adapter *of)
{
	IND2MemoryRegion *r = NULL;

	ck_assert_int_eq(of->lpVtbl->CreateMemoryRegion(
				 of, &IID_IND2MemoryRegion, file, (VOID **)&r),
			 ND_SUCCESS);
	return r;
}

static IND2MemoryWindow *window(IND2Adapter *of)
{
	IND2MemoryWindow *w = NULL;

	ck_assert_int_eq(of->lpVtbl->CreateMemoryWindow(
				 of, &IID_IND2MemoryWindow, (VOID **)&w),
			 ND_SUCCESS);
	return w;
}

static void setup(void)
{
	fake_install();
	a = adapter(0);
	a->lpVtbl->CreateOverlappedFile(a, &file);
	ck_assert_int_eq(a->lpVtbl->CreateCompletionQueue(
				 a, &IID_IND2CompletionQueue, file, 16, 0, 0,
				 (VOID **)&cq), ND_SUCCESS);
	ck_assert_int_eq(a->lpVtbl->CreateQueuePair(
				 a, &IID_IND2QueuePair, (IUnknown *)cq,
				 (IUnknown *)cq, NULL, 3, 5, 2, 3, 100,
				 (VOID **)&qp), ND_SUCCESS);
	ck_assert_int_eq(qp->lpVtbl->QueryInterface(qp, &IID_IVrdmaQueuePair,
						    (VOID **)&extra), S_OK);
	mr = region(a);
	mw = window(a);
	ck_assert_int_eq(do_register(mr, data, sizeof(data),
				     ND_MR_FLAG_ALLOW_LOCAL_WRITE), ND_SUCCESS);
	fake_qp_record()->state = VIRTIO_RDMA_QP_CONNECTED;
	fake_context()->worker = VIRTIO_RDMA_WORKER_AWAKE;
}

static void teardown(void)
{
	if (mw)
		ck_assert_uint_eq(mw->lpVtbl->Release(mw), 0);
	mr->lpVtbl->Release(mr);
	extra->lpVtbl->Release(extra);
	ck_assert_uint_eq(qp->lpVtbl->Release(qp), 0);
	cq->lpVtbl->Release(cq);
	a->lpVtbl->Release(a);
	CloseHandle(file);
	fake_remove();
}

static const struct virtio_rdma_send_wqe *entry(unsigned i)
{
	struct vrdma_uapi_create_qp l = fake_qp_layout();

	return (void *)((uint8_t *)fake_qp_buffer() + l.send_offset +
			i % l.send_depth * l.send_stride);
}

static UINT32 token(void)
{
	return mw->lpVtbl->GetRemoteToken(mw);
}

static HRESULT bind_part(SIZE_T at, SIZE_T cb, ULONG flags)
{
	return qp->lpVtbl->Bind(qp, (VOID *)9, (IUnknown *)mr, (IUnknown *)mw,
				data + at, cb, flags);
}

START_TEST(bind_entry)
{
	const struct virtio_rdma_send_wqe *w = entry(0);
	const struct virtio_rdma_bind *b = (const void *)(w + 1);
	UINT32 before = token();

	ck_assert_int_eq(bind_part(16, 100, ND_OP_FLAG_ALLOW_READ |
				   ND_OP_FLAG_SILENT_SUCCESS |
				   ND_OP_FLAG_READ_FENCE), ND_SUCCESS);
	ck_assert_uint_eq(w->wr_id, 9);
	ck_assert_uint_eq(w->opcode, VIRTIO_RDMA_OP_BIND);
	ck_assert_uint_eq(w->flags, VIRTIO_RDMA_WR_SILENT |
				    VIRTIO_RDMA_WR_READ_FENCE);
	ck_assert_uint_eq(w->num_sge | w->inline_length | w->remote_addr |
			  w->reserved, 0);
	ck_assert_uint_eq(w->remote_token, token());
	ck_assert_uint_ne(token(), before);
	ck_assert_uint_eq(token() >> 8, before >> 8);
	ck_assert_uint_eq(b->addr, (uintptr_t)data + 16);
	ck_assert_uint_eq(b->length, 100);
	ck_assert_uint_eq(b->mw & 0x100000, 0x100000);
	ck_assert_uint_eq(b->token, mr->lpVtbl->GetLocalToken(mr));
	ck_assert_uint_eq(b->access, VIRTIO_RDMA_ACCESS_REMOTE_READ);
	ck_assert_uint_eq(b->reserved, 0);
	ck_assert_int_eq(bind_part(0, sizeof(data), BOTH), ND_SUCCESS);
	b = (const void *)(entry(1) + 1);
	ck_assert_uint_eq(b->access, VIRTIO_RDMA_ACCESS_REMOTE_READ |
				     VIRTIO_RDMA_ACCESS_REMOTE_WRITE);
}
END_TEST

/* 256 of them, and only what was posted counts */
START_TEST(keys)
{
	UINT32 first = token(), last = first;

	for (uint32_t i = 1; i < 256; i++) {
		ck_assert_int_eq(bind_part(0, 1, BOTH), ND_SUCCESS);
		ck_assert_uint_ne(token(), last);
		ck_assert_uint_ne(token(), first);
		ck_assert_uint_eq(token() >> 8, first >> 8);
		last = token();
		vrdma_publish32(&fake_qp_record()->sq_head, i);
	}
	vrdma_publish32(&fake_qp_record()->sq_head, 250);
	ck_assert_int_eq(bind_part(0, 1, BOTH), ND_NO_MORE_ENTRIES);
	ck_assert_uint_eq(token(), last);
	vrdma_publish32(&fake_qp_record()->sq_head, 255);
	ck_assert_int_eq(bind_part(0, 1, BOTH), ND_SUCCESS);
	ck_assert_uint_eq(token(), first);
}
END_TEST

START_TEST(refusals)
{
	IND2Adapter *other = adapter(1);
	IND2MemoryRegion *idle = region(a), *foreign = region(other);
	IND2MemoryWindow *far = window(other);
	UINT32 before = token();

#define BIND(r, w, at, cb, flags, want)					\
	ck_assert_int_eq(qp->lpVtbl->Bind(qp, NULL, (IUnknown *)(r),	\
					  (IUnknown *)(w), at, cb, flags), want)
	BIND(NULL, mw, data, 1, BOTH, ND_INVALID_PARAMETER_2);
	BIND(mw, mw, data, 1, BOTH, ND_INVALID_PARAMETER_2);
	BIND(foreign, mw, data, 1, BOTH, ND_INVALID_PARAMETER_2);
	BIND(idle, mw, data, 1, BOTH, ND_INVALID_PARAMETER_2);
	BIND(mr, NULL, data, 1, BOTH, ND_INVALID_PARAMETER_3);
	BIND(mr, mr, data, 1, BOTH, ND_INVALID_PARAMETER_3);
	BIND(mr, far, data, 1, BOTH, ND_INVALID_PARAMETER_3);
	BIND(mr, mw, data, 0, BOTH, ND_INVALID_PARAMETER_5);
	BIND(mr, mw, data, 1, 0, ND_INVALID_PARAMETER_6);
	BIND(mr, mw, data, 1, BOTH | ND_OP_FLAG_INLINE, ND_INVALID_PARAMETER_6);
	BIND(mr, mw, data, 1, BOTH | ND_OP_FLAG_SEND_AND_SOLICIT_EVENT,
	     ND_INVALID_PARAMETER_6);
	BIND(mr, mw, data - 1, 2, BOTH, ND_ACCESS_VIOLATION);
	BIND(mr, mw, data, sizeof(data) + 1, BOTH, ND_ACCESS_VIOLATION);
	BIND(mr, mw, data + sizeof(data), 1, BOTH, ND_ACCESS_VIOLATION);
	BIND(mr, mw, data + 1, SIZE_MAX, BOTH, ND_ACCESS_VIOLATION);
	ck_assert_int_eq(do_register(idle, data, 64, 0), ND_SUCCESS);
	BIND(idle, mw, data, 1, BOTH, ND_ACCESS_VIOLATION);
	fake_qp_record()->state = VIRTIO_RDMA_QP_INIT;
	BIND(mr, mw, data, 1, BOTH, ND_CONNECTION_INVALID);
	ck_assert_int_eq(qp->lpVtbl->Invalidate(qp, NULL, (IUnknown *)mw, 0),
			 ND_CONNECTION_INVALID);
	fake_qp_record()->state = VIRTIO_RDMA_QP_CONNECTED;
	ck_assert_int_eq(qp->lpVtbl->Invalidate(qp, NULL, (IUnknown *)mr, 0),
			 ND_INVALID_PARAMETER_2);
	ck_assert_int_eq(qp->lpVtbl->Invalidate(qp, NULL, NULL, 0),
			 ND_INVALID_PARAMETER_2);
	ck_assert_int_eq(qp->lpVtbl->Invalidate(qp, NULL, (IUnknown *)mw,
						ND_OP_FLAG_ALLOW_READ),
			 ND_INVALID_PARAMETER_3);
	ck_assert_uint_eq(token(), before);
	ck_assert_uint_eq(fake_qp_record()->sq_tail, 0);
	/* reading needs no right of the region's */
	BIND(idle, mw, data + 63, 1, ND_OP_FLAG_ALLOW_READ, ND_SUCCESS);
#undef BIND
	idle->lpVtbl->Release(idle);
	foreign->lpVtbl->Release(foreign);
	far->lpVtbl->Release(far);
	other->lpVtbl->Release(other);
}
END_TEST

/* The region as it is now, not as it was or as somebody wanted it */
START_TEST(registered_anew)
{
	static uint8_t more[64];

	ck_assert_int_eq(do_register(mr, more, sizeof(more),
				     ND_MR_FLAG_ALLOW_LOCAL_WRITE),
			 ND_INVALID_DEVICE_STATE);
	ck_assert_int_eq(bind_part(0, sizeof(data), BOTH), ND_SUCCESS);
	ck_assert_int_eq(do_deregister(mr), ND_SUCCESS);
	ck_assert_int_eq(bind_part(0, 1, BOTH), ND_INVALID_PARAMETER_2);
	ck_assert_int_eq(do_register(mr, more, sizeof(more), 0), ND_SUCCESS);
	ck_assert_int_eq(bind_part(0, 1, ND_OP_FLAG_ALLOW_READ),
			 ND_ACCESS_VIOLATION);
	ck_assert_int_eq(qp->lpVtbl->Bind(qp, NULL, (IUnknown *)mr,
					  (IUnknown *)mw, more, 64,
					  ND_OP_FLAG_ALLOW_READ), ND_SUCCESS);
}
END_TEST

START_TEST(busy_region)
{
	fake_fail_status = (uint32_t)ND_DEVICE_BUSY;
	ck_assert_int_eq(do_deregister(mr), ND_DEVICE_BUSY);
	ck_assert_int_eq(bind_part(0, 1, BOTH), ND_SUCCESS);
}
END_TEST

START_TEST(invalidations)
{
	const ND2_SGE sge = { data, 100, 7 };
	const struct virtio_rdma_send_wqe *w = entry(1);

	ck_assert_int_eq(bind_part(0, 1, BOTH), ND_SUCCESS);
	ck_assert_int_eq(qp->lpVtbl->Invalidate(qp, (VOID *)3, (IUnknown *)mw,
						ND_OP_FLAG_READ_FENCE),
			 ND_SUCCESS);
	ck_assert_uint_eq(w->wr_id, 3);
	ck_assert_uint_eq(w->opcode, VIRTIO_RDMA_OP_INVALIDATE);
	ck_assert_uint_eq(w->remote_token, token());
	ck_assert_uint_eq(w->flags, VIRTIO_RDMA_WR_READ_FENCE);
	ck_assert_uint_eq(w->num_sge | w->inline_length | w->remote_addr, 0);
	w = entry(2);
	ck_assert_int_eq(extra->lpVtbl->SendAndInvalidate(
				 extra, (VOID *)4, &sge, 1,
				 ND_OP_FLAG_SEND_AND_SOLICIT_EVENT, 0xabcdef01),
			 ND_SUCCESS);
	ck_assert_uint_eq(w->wr_id, 4);
	ck_assert_uint_eq(w->opcode, VIRTIO_RDMA_OP_SEND_INVALIDATE);
	ck_assert_uint_eq(w->remote_token, 0xabcdef01);
	ck_assert_uint_eq(w->num_sge, 1);
	ck_assert_uint_eq(w->flags, VIRTIO_RDMA_WR_SOLICIT);
	ck_assert_int_eq(extra->lpVtbl->SendAndInvalidate(
				 extra, NULL, &sge, 1, ND_OP_FLAG_ALLOW_READ, 1),
			 ND_INVALID_PARAMETER_4);
	ck_assert_int_eq(extra->lpVtbl->SendAndInvalidate(
				 extra, NULL, &sge, 5, 0, 1), ND_DATA_OVERRUN);
}
END_TEST

START_TEST(not_offered)
{
	ND2_ADAPTER_INFO i = { .InfoVersion = ND_VERSION_2 };
	ULONG cb = sizeof(i);
	IND2Adapter *plain;
	VOID *none = &i;

	ck_assert_int_eq(a->lpVtbl->Query(a, &i, &cb), ND_SUCCESS);
	ck_assert_uint_eq(i.MaxWindowSize, i.MaxRegistrationSize);
	fake_features = 0;
	plain = adapter(1);
	ck_assert_int_eq(plain->lpVtbl->Query(plain, &i, &cb), ND_SUCCESS);
	ck_assert_uint_eq(i.MaxWindowSize, 0);
	ck_assert_int_eq(plain->lpVtbl->CreateMemoryWindow(
				 plain, &IID_IND2MemoryWindow, &none),
			 ND_NOT_SUPPORTED);
	ck_assert_ptr_null(none);
	plain->lpVtbl->Release(plain);
}
END_TEST

START_TEST(no_send_and_invalidate)
{
	const ND2_SGE sge = { data, 100, 7 };

	mw->lpVtbl->Release(mw);
	mw = NULL;
	mr->lpVtbl->Release(mr);
	extra->lpVtbl->Release(extra);
	qp->lpVtbl->Release(qp);
	cq->lpVtbl->Release(cq);
	a->lpVtbl->Release(a);
	CloseHandle(file);
	fake_remove();
	fake_install();
	fake_features = VIRTIO_RDMA_FEATURE(MW);
	a = adapter(0);
	a->lpVtbl->CreateOverlappedFile(a, &file);
	a->lpVtbl->CreateCompletionQueue(a, &IID_IND2CompletionQueue, file, 16,
					 0, 0, (VOID **)&cq);
	a->lpVtbl->CreateQueuePair(a, &IID_IND2QueuePair, (IUnknown *)cq,
				   (IUnknown *)cq, NULL, 3, 5, 2, 3, 100,
				   (VOID **)&qp);
	qp->lpVtbl->QueryInterface(qp, &IID_IVrdmaQueuePair, (VOID **)&extra);
	mr = region(a);
	fake_qp_record()->state = VIRTIO_RDMA_QP_CONNECTED;
	ck_assert_int_eq(extra->lpVtbl->SendAndInvalidate(extra, NULL, &sge, 1,
							  0, 1),
			 ND_NOT_SUPPORTED);
	ck_assert_uint_eq(fake_qp_record()->sq_tail, 0);
}
END_TEST

/* From any interface to any other, one identity, one count */
START_TEST(identity)
{
	IND2QueuePair *back = NULL;
	IUnknown *unknown = NULL;
	VOID *none = a;

	ck_assert_int_eq(extra->lpVtbl->QueryInterface(
				 extra, &IID_IND2QueuePair, (VOID **)&back),
			 S_OK);
	ck_assert_ptr_eq(back, qp);
	ck_assert_uint_eq(back->lpVtbl->Release(back), 2);
	ck_assert_int_eq(mw->lpVtbl->QueryInterface(mw, &IID_IUnknown,
						    (VOID **)&unknown), S_OK);
	ck_assert_ptr_eq(unknown, mw);
	unknown->lpVtbl->Release(unknown);
	ck_assert_int_eq(mw->lpVtbl->QueryInterface(mw, &IID_IND2MemoryRegion,
						    &none), E_NOINTERFACE);
	fake_fail_status = (uint32_t)ND_INSUFFICIENT_RESOURCES;
	ck_assert_int_eq(a->lpVtbl->CreateMemoryWindow(
				 a, &IID_IND2MemoryWindow, &none),
			 ND_INSUFFICIENT_RESOURCES);
	ck_assert_ptr_null(none);
	ck_assert_int_eq(a->lpVtbl->CreateMemoryWindow(
				 a, &IID_IND2MemoryWindow, NULL), E_POINTER);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("ndspi_window");
	TCase *t = tcase_create("windows");
	SRunner *r;
	int failed;

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, bind_entry);
	tcase_add_test(t, keys);
	tcase_add_test(t, refusals);
	tcase_add_test(t, registered_anew);
	tcase_add_test(t, busy_region);
	tcase_add_test(t, invalidations);
	tcase_add_test(t, not_offered);
	tcase_add_test(t, no_send_and_invalidate);
	tcase_add_test(t, identity);
	suite_add_tcase(s, t);
	r = srunner_create(s);
	srunner_run_all(r, CK_ENV);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed != 0;
}
