/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * nd_pair.h - two ends in one process, through NDSPI
 *
 * DOC: In a guest both are on its device, in user space each is in a guest of its
 * own.  Each has an adapter, a queue pair on a completion queue of its own, a
 * connector, and 64 KiB of registered memory that its peer may reach.
 */
#ifndef ND_PAIR_H
#define ND_PAIR_H

#include <check.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>

#include "nd_fake.h"
#include "nd_vrdma.h"
#include "ndutil.h"
#include "pattern.h"
#include "suite.h"

#define DEPTH  8u
#define SGES   3u
#define INLINE 64u
#define BYTES  65536u

struct end {
	IND2Adapter *adapter;
	HANDLE file;
	IND2CompletionQueue *cq;
	IND2QueuePair *qp;
	IND2Connector *c;
	IND2MemoryRegion *mr;
	OVERLAPPED ov;
	uint8_t *memory;
	UINT32 local, remote; /* tokens */
};

static ND2_ADAPTER_INFO info; /* A's */
static struct end a, b;

#define ok(hr) ck_assert_int_eq((hr), ND_SUCCESS)

/* --- what takes time ------------------------------------------------------ */

/* How a request ends whose call returned first.  Of any object of the end's */
static inline HRESULT ended(struct end *e, OVERLAPPED *ov, HRESULT first)
{
	HRESULT hr = first;

	for (int ms = 0; hr == ND_PENDING && ms < FAKE_TIMEOUT_MS; ms++) {
		hr = e->cq->lpVtbl->GetOverlappedResult(e->cq, ov, FALSE);
		if (hr == ND_PENDING)
			poll(NULL, 0, 1);
	}
	return hr;
}

static inline bool pends(struct end *e, OVERLAPPED *ov)
{
	return e->cq->lpVtbl->GetOverlappedResult(e->cq, ov, FALSE) ==
	       ND_PENDING;
}

static inline ND2_RESULT next(struct end *e)
{
	ND2_RESULT r;

	for (int ms = 0; ms < FAKE_TIMEOUT_MS; ms++) {
		for (int spin = 0; spin < 100; spin++)
			if (e->cq->lpVtbl->GetResults(e->cq, &r, 1))
				return r;
		poll(NULL, 0, 1);
	}
	ck_abort_msg("no completion");
	return r;
}

static inline bool idle(struct end *e)
{
	ND2_RESULT r;

	return !e->cq->lpVtbl->GetResults(e->cq, &r, 1);
}

static inline void expect(struct end *e, uintptr_t id, ND2_REQUEST_TYPE type,
			  HRESULT status)
{
	ND2_RESULT r = next(e);

	ck_assert_uint_eq((uintptr_t)r.RequestContext, id);
	ck_assert_ptr_eq(r.QueuePairContext, e);
	ck_assert_int_eq(r.RequestType, type);
	ck_assert_int_eq(r.Status, status);
}

/* --- fixture -------------------------------------------------------------- */

static inline HRESULT enroll(struct end *e, IND2MemoryRegion *mr, const void *p,
			     SIZE_T n, ULONG flags)
{
	OVERLAPPED ov = { 0 };

	return ended(e, &ov, mr->lpVtbl->Register(mr, p, n, flags, &ov));
}

static inline HRESULT unroll(struct end *e, IND2MemoryRegion *mr)
{
	OVERLAPPED ov = { 0 };

	return ended(e, &ov, mr->lpVtbl->Deregister(mr, &ov));
}

static inline IND2MemoryRegion *region(struct end *e)
{
	IND2MemoryRegion *mr = NULL;

	ok(e->adapter->lpVtbl->CreateMemoryRegion(
		e->adapter, &IID_IND2MemoryRegion, e->file, (VOID **)&mr));
	return mr;
}

static inline IND2CompletionQueue *queue(struct end *e, ULONG depth)
{
	IND2CompletionQueue *cq = NULL;

	ok(e->adapter->lpVtbl->CreateCompletionQueue(
		e->adapter, &IID_IND2CompletionQueue, e->file, depth, 0, 0,
		(VOID **)&cq));
	return cq;
}

static inline void new_qp(struct end *e)
{
	ok(e->adapter->lpVtbl->CreateQueuePair(
		e->adapter, &IID_IND2QueuePair, (IUnknown *)e->cq,
		(IUnknown *)e->cq, e, DEPTH, DEPTH, SGES, SGES, INLINE,
		(VOID **)&e->qp));
}

static inline void open_adapter(struct end *e, unsigned device)
{
	struct sockaddr_in sa = fake_v4(device, 0);

	memset(e, 0, sizeof(*e));
	ok(NdOpenAdapter(&IID_IND2Adapter, (void *)&sa, sizeof(sa),
			 (VOID **)&e->adapter));
	ok(e->adapter->lpVtbl->CreateOverlappedFile(e->adapter, &e->file));
}

static inline void end_open(struct end *e, unsigned device, ULONG cq_depth)
{
	open_adapter(e, device);
	e->cq = queue(e, cq_depth);
	new_qp(e);
	ok(e->adapter->lpVtbl->CreateConnector(
		e->adapter, &IID_IND2Connector, e->file, (VOID **)&e->c));
	e->mr = region(e);
	e->memory = aligned_alloc(4096, BYTES);
	memset(e->memory, 0, BYTES);
	ok(enroll(e, e->mr, e->memory, BYTES,
		  ND_MR_FLAG_ALLOW_REMOTE_READ |
			  ND_MR_FLAG_ALLOW_REMOTE_WRITE));
	e->local = e->mr->lpVtbl->GetLocalToken(e->mr);
	e->remote = e->mr->lpVtbl->GetRemoteToken(e->mr);
}

static inline void end_close(struct end *e)
{
	e->c->lpVtbl->Release(e->c);
	e->qp->lpVtbl->Release(e->qp);
	unroll(e, e->mr);
	e->mr->lpVtbl->Release(e->mr);
	e->cq->lpVtbl->Release(e->cq);
	e->adapter->lpVtbl->Release(e->adapter);
	CloseHandle(e->file);
	free(e->memory);
}

static inline void setup(void)
{
	ULONG cb = sizeof(info);

	fake_install();
	ok(NdStartup());
	end_open(&a, 0, 4 * DEPTH);
	end_open(&b, 1, 4 * DEPTH);
	info.InfoVersion = ND_VERSION_2;
	ok(a.adapter->lpVtbl->Query(a.adapter, &info, &cb));
}

static inline void teardown(void)
{
	end_close(&b);
	end_close(&a);
	ok(NdCleanup());
	fake_remove();
}

static inline void connect_them(void)
{
	struct sockaddr_in sa = fake_v4(1, 0);
	ULONG cb = sizeof(sa);
	IND2Listener *l = NULL;
	HRESULT get, con, acc;
	OVERLAPPED asked;

	ok(b.adapter->lpVtbl->CreateListener(b.adapter, &IID_IND2Listener,
					     b.file, (VOID **)&l));
	ok(l->lpVtbl->Bind(l, (void *)&sa, sizeof(sa)));
	ok(l->lpVtbl->Listen(l, 1));
	ok(l->lpVtbl->GetLocalAddress(l, (void *)&sa, &cb));
	get = l->lpVtbl->GetConnectionRequest(l, (IUnknown *)b.c, &asked);
	con = a.c->lpVtbl->Connect(a.c, (IUnknown *)a.qp, (void *)&sa,
				   sizeof(sa), 4, 4, NULL, 0, &a.ov);
	ok(ended(&b, &asked, get));
	acc = b.c->lpVtbl->Accept(b.c, (IUnknown *)b.qp, 4, 4, NULL, 0, &b.ov);
	ok(ended(&a, &a.ov, con));
	ok(ended(&a, &a.ov, a.c->lpVtbl->CompleteConnect(a.c, &a.ov)));
	ok(ended(&b, &b.ov, acc));
	l->lpVtbl->Release(l);
	pattern_fill(a.memory, BYTES, 1);
}

static inline void disconnect_them(void)
{
	HRESULT da = a.c->lpVtbl->Disconnect(a.c, &a.ov);
	HRESULT db = b.c->lpVtbl->Disconnect(b.c, &b.ov);

	ok(ended(&a, &a.ov, da));
	ok(ended(&b, &b.ov, db));
}

/* --- requests ------------------------------------------------------------- */

static inline ND2_SGE sge(struct end *e, ULONG at, ULONG len)
{
	return (ND2_SGE){ .Buffer = e->memory + at,
			  .BufferLength = len,
			  .MemoryRegionToken = e->local };
}

static inline HRESULT post_send(struct end *e, uintptr_t id, ULONG at,
				ULONG len, ULONG flags)
{
	ND2_SGE s = sge(e, at, len);

	return e->qp->lpVtbl->Send(e->qp, (VOID *)id, &s, 1, flags);
}

static inline HRESULT post_recv(struct end *e, uintptr_t id, ULONG at,
				ULONG len)
{
	ND2_SGE s = sge(e, at, len);

	return e->qp->lpVtbl->Receive(e->qp, (VOID *)id, &s, 1);
}

static inline HRESULT post_write(uintptr_t id, ULONG at, ULONG len,
				 const void *to, UINT32 token, ULONG flags)
{
	ND2_SGE s = sge(&a, at, len);

	return a.qp->lpVtbl->Write(a.qp, (VOID *)id, &s, 1, (uintptr_t)to,
				   token, flags);
}

static inline HRESULT post_read(uintptr_t id, ULONG at, ULONG len,
				const void *from, UINT32 token, ULONG flags)
{
	ND2_SGE s = sge(&a, at, len);

	return a.qp->lpVtbl->Read(a.qp, (VOID *)id, &s, 1, (uintptr_t)from,
				  token, flags);
}

static inline HRESULT write_to(const void *to, ULONG len, UINT32 token)
{
	ok(post_write(1, 0, len, to, token, 0));
	return next(&a).Status;
}

static inline HRESULT read_from(const void *from, ULONG len, UINT32 token)
{
	ok(post_read(2, 32768, len, from, token, 0));
	return next(&a).Status;
}

/* --- main() ------------------------------------------------------------------- */

static inline TCase *suite_case(Suite *s, const char *name)
{
	TCase *t = tcase_create(name);

	tcase_set_timeout(t, 60);
	tcase_add_checked_fixture(t, setup, teardown);
	suite_add_tcase(s, t);
	return t;
}

static inline int run_suite(Suite *s)
{
	return suite_run(s);
}

#endif /* ND_PAIR_H */
