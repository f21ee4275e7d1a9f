/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test_nd_memory.c - IND2Adapter, IND2MemoryRegion and IND2MemoryWindow
 */
#include "nd_pair.h"

/* --- adapter -------------------------------------------------------------- */

START_TEST(adapter_limits)
{
	VOID *p = &p;
	ULONG cb = sizeof(info);

	ck_assert_uint_ge(info.MaxCompletionQueueDepth, 1024);
	ck_assert_uint_ge(info.MaxRegistrationSize, 1u << 30);
	ck_assert_uint_ge(info.MaxCallerData, 52);
	ck_assert_uint_eq(info.AdapterFlags & 0x10000, 0x10000);
	info.InfoVersion = 77;
	ck_assert_int_eq(a.adapter->lpVtbl->Query(a.adapter, &info, &cb),
			 ND_INVALID_PARAMETER);
	ck_assert_int_eq(a.adapter->lpVtbl->CreateCompletionQueue(
				 a.adapter, &IID_IND2CompletionQueue, a.file,
				 info.MaxCompletionQueueDepth + 1, 0, 0, &p),
			 ND_INVALID_PARAMETER_3);
	ck_assert_int_eq(a.adapter->lpVtbl->CreateMemoryRegion(
				 a.adapter, &IID_IND2MemoryRegion,
				 INVALID_HANDLE_VALUE, &p),
			 ND_INVALID_HANDLE);
	ck_assert_ptr_null(p);
	ok(a.adapter->lpVtbl->CreateCompletionQueue(
		a.adapter, &IID_IND2CompletionQueue, a.file,
		info.MaxCompletionQueueDepth, 0, 0, &p));
	((IUnknown *)p)->lpVtbl->Release(p);
}
END_TEST

static HRESULT make_qp(ULONG rd, ULONG id, ULONG rs, ULONG is, ULONG inl)
{
	IND2QueuePair *qp = NULL;
	HRESULT hr = a.adapter->lpVtbl->CreateQueuePair(
		a.adapter, &IID_IND2QueuePair, (IUnknown *)a.cq, (IUnknown *)a.cq,
		NULL, rd, id, rs, is, inl, (VOID **)&qp);

	if (qp)
		qp->lpVtbl->Release(qp);
	return hr;
}

START_TEST(queue_pair_limits)
{
	const ULONG rd = info.MaxReceiveQueueDepth,
		    id = info.MaxInitiatorQueueDepth, rs = info.MaxReceiveSge,
		    is = info.MaxInitiatorSge, inl = info.MaxInlineDataSize;

	ok(make_qp(rd, id, rs, is, inl));
	ck_assert_int_eq(make_qp(rd + 1, id, rs, is, inl),
			 ND_INVALID_PARAMETER_5);
	ck_assert_int_eq(make_qp(rd, id + 1, rs, is, inl),
			 ND_INVALID_PARAMETER_6);
	ck_assert_int_eq(make_qp(rd, id, rs + 1, is, inl),
			 ND_INVALID_PARAMETER_7);
	ck_assert_int_eq(make_qp(rd, id, rs, is + 1, inl),
			 ND_INVALID_PARAMETER_8);
	ck_assert_int_eq(make_qp(rd, id, rs, is, inl + 1),
			 ND_INVALID_PARAMETER_9);
}
END_TEST

/* --- memory region -------------------------------------------------------- */

static const struct {
	ULONG flags;
	bool reads, writes; /* the peer may */
} rights[] = {
	{ 0, false, false },
	{ ND_MR_FLAG_ALLOW_LOCAL_WRITE, false, false },
	{ ND_MR_FLAG_ALLOW_REMOTE_READ, true, false },
	{ ND_MR_FLAG_ALLOW_REMOTE_WRITE, false, true },
	{ ND_MR_FLAG_ALLOW_REMOTE_READ | ND_MR_FLAG_ALLOW_REMOTE_WRITE, true,
	  true },
};
enum {
	RIGHTS = sizeof(rights) / sizeof(rights[0])
};

START_TEST(rights_of_a_region)
{
	bool writes = _i >= RIGHTS;
	int row = _i % RIGHTS;
	bool may = writes ? rights[row].writes : rights[row].reads;
	static uint8_t page[3 * 4096];
	uint8_t *p = page + 1000; /* over the borders of pages */
	IND2MemoryRegion *mr = region(&b);

	connect_them();
	memset(page, 0x11, sizeof(page));
	ok(enroll(&b, mr, p, 4096, rights[row].flags));
	ck_assert_int_eq(
		writes ? write_to(p, 4096, mr->lpVtbl->GetRemoteToken(mr))
		       : read_from(p, 4096, mr->lpVtbl->GetRemoteToken(mr)),
		may ? ND_SUCCESS : ND_ACCESS_VIOLATION);
	if (writes && may)
		ck_assert_int_eq(pattern_check(p, 4096, 1, 0), -1);
	else
		for (int i = 0; i < 4096; i += 64)
			if (p[i] != 0x11)
				ck_abort_msg("byte %d", i);
	ck_assert_uint_eq(p[-1], 0x11);
	ck_assert_uint_eq(p[4096], 0x11);
	ok(unroll(&b, mr));
	mr->lpVtbl->Release(mr);
}
END_TEST

START_TEST(states_of_a_region)
{
	static uint8_t page[4096];
	IND2MemoryRegion *mr = region(&b);
	OVERLAPPED ov;

	ck_assert_int_eq(unroll(&b, mr), ND_INVALID_DEVICE_STATE);
	ck_assert_int_eq(enroll(&b, mr, page, 0, 1), ND_INVALID_BUFFER_SIZE);
	ck_assert_int_eq(enroll(&b, mr, NULL, 1, 1), ND_INVALID_PARAMETER);
	ck_assert_int_eq(enroll(&b, mr, page, 1, 0x10), ND_INVALID_PARAMETER);
	ck_assert_int_eq(mr->lpVtbl->Register(mr, page, 1, 1, NULL),
			 ND_INVALID_PARAMETER);
	/* nothing is there */
	ck_assert_int_eq(enroll(&b, mr, (void *)4096, 4096, 1),
			 ND_ACCESS_VIOLATION);
	ok(enroll(&b, mr, page, sizeof(page), 1));
	ck_assert_int_eq(enroll(&b, mr, page, sizeof(page), 1),
			 ND_INVALID_DEVICE_STATE);
	ok(unroll(&b, mr));
	/* one OVERLAPPED for one after the other */
	for (int i = 0; i < 20; i++) {
		ok(ended(&b, &ov, mr->lpVtbl->Register(mr, page, 4096, 1, &ov)));
		ok(ended(&b, &ov, mr->lpVtbl->Deregister(mr, &ov)));
	}
	ok(enroll(&b, mr, page, sizeof(page), 1));
	mr->lpVtbl->Release(mr); /* as it is */
}
END_TEST

START_TEST(old_token)
{
	static uint8_t page[4096];
	IND2MemoryRegion *mr = region(&b);
	UINT32 old;

	connect_them();
	ok(enroll(&b, mr, page, sizeof(page), ND_MR_FLAG_ALLOW_REMOTE_WRITE));
	old = mr->lpVtbl->GetRemoteToken(mr);
	ok(write_to(page, 64, old));
	ok(unroll(&b, mr));
	if (_i)
		ok(enroll(&b, mr, page, sizeof(page),
			  ND_MR_FLAG_ALLOW_REMOTE_WRITE));
	memset(page, 0, sizeof(page));
	ck_assert_int_eq(write_to(page, 64, old), ND_ACCESS_VIOLATION);
	ck_assert_uint_eq(page[0], 0);
	mr->lpVtbl->Release(mr);
}
END_TEST

/* --- window --------------------------------------------------------------- */

/* What it gives is what the peer may: read (0), write (1) */
START_TEST(rights_of_a_window)
{
	IND2MemoryWindow *mw = NULL;
	ULONG f = _i ? ND_OP_FLAG_ALLOW_WRITE : ND_OP_FLAG_ALLOW_READ;
	UINT32 token;

	connect_them();
	ok(b.adapter->lpVtbl->CreateMemoryWindow(b.adapter, &IID_IND2MemoryWindow,
					       (VOID **)&mw));
	ck_assert_int_eq(b.qp->lpVtbl->Bind(b.qp, NULL, (IUnknown *)b.mr,
					    (IUnknown *)mw, b.memory, BYTES + 1,
					    f),
			 ND_ACCESS_VIOLATION);
	ok(b.qp->lpVtbl->Bind(b.qp, (VOID *)3, (IUnknown *)b.mr, (IUnknown *)mw,
			      b.memory + 100, 1000, f));
	expect(&b, 3, Nd2RequestTypeBind, ND_SUCCESS);
	token = mw->lpVtbl->GetRemoteToken(mw);
	ok(_i ? write_to(b.memory + 100, 1000, token)
	      : read_from(b.memory + 100, 1000, token));
	ck_assert_int_eq(unroll(&b, b.mr), ND_DEVICE_BUSY);
	ck_assert_int_eq(_i ? read_from(b.memory + 100, 1, token)
			    : write_to(b.memory + 100, 1, token),
			 ND_ACCESS_VIOLATION);
	mw->lpVtbl->Release(mw);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("ndspi_memory");
	TCase *t = suite_case(s, "adapter");

	tcase_add_test(t, adapter_limits);
	tcase_add_test(t, queue_pair_limits);
	t = suite_case(s, "region");
	tcase_add_loop_test(t, rights_of_a_region, 0, 2 * RIGHTS);
	tcase_add_test(t, states_of_a_region);
	tcase_add_loop_test(t, old_token, 0, 2);
	t = suite_case(s, "window");
	tcase_add_loop_test(t, rights_of_a_window, 0, 2);
	return run_suite(s);
}
