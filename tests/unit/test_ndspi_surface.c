/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test_ndspi_surface.c - every interface: its table, identity and counts; release
 * in any order; several queues in one completion queue; what is not offered
 */
#include <arpa/inet.h>
#include <check.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>

#include "nd_fake.h"
#include "nd_vrdma.h"
#include "ndutil.h"

static HANDLE file;
static IND2Provider *provider;
static IND2Adapter *adapter;
static IND2CompletionQueue *cq;
static IND2SharedReceiveQueue *srq;
static IND2MemoryRegion *mr;
static IND2MemoryWindow *mw;
static IND2QueuePair *qp, *qp_srq;
static IND2Connector *connector;
static IND2Listener *listener;

static void setup(void)
{
	const IND2AdapterVtbl *v;

	fake_install();
	ck_assert_int_eq(DllGetClassObject(NULL, &IID_IND2Provider,
					   (VOID **)&provider), S_OK);
	ck_assert_int_eq(provider->lpVtbl->OpenAdapter(
				 provider, &IID_IND2Adapter,
				 ND_VRDMA_ADAPTER_ID(0), (VOID **)&adapter),
			 ND_SUCCESS);
	v = adapter->lpVtbl;
	ck_assert_int_eq(v->CreateOverlappedFile(adapter, &file), ND_SUCCESS);
	ck_assert_int_eq(v->CreateCompletionQueue(
				 adapter, &IID_IND2CompletionQueue, file, 32, 2,
				 6, (VOID **)&cq), ND_SUCCESS);
	ck_assert_int_eq(v->CreateSharedReceiveQueue(
				 adapter, &IID_IND2SharedReceiveQueue, file, 4,
				 1, 0, 0, 0, (VOID **)&srq), ND_SUCCESS);
	ck_assert_int_eq(v->CreateMemoryRegion(adapter, &IID_IND2MemoryRegion,
					       file, (VOID **)&mr), ND_SUCCESS);
	ck_assert_int_eq(v->CreateMemoryWindow(adapter, &IID_IND2MemoryWindow,
					       (VOID **)&mw), ND_SUCCESS);
	ck_assert_int_eq(v->CreateQueuePairWithSrq(
				 adapter, &IID_IND2QueuePair, (IUnknown *)cq,
				 (IUnknown *)cq, (IUnknown *)srq, (VOID *)0xb,
				 4, 1, 0, (VOID **)&qp_srq), ND_SUCCESS);
	ck_assert_int_eq(v->CreateQueuePair(
				 adapter, &IID_IND2QueuePair, (IUnknown *)cq,
				 (IUnknown *)cq, (VOID *)0xa, 4, 4, 1, 1, 0,
				 (VOID **)&qp), ND_SUCCESS);
	ck_assert_int_eq(v->CreateConnector(adapter, &IID_IND2Connector, file,
					    (VOID **)&connector), ND_SUCCESS);
	ck_assert_int_eq(v->CreateListener(adapter, &IID_IND2Listener, file,
					   (VOID **)&listener), ND_SUCCESS);
}

static void drop(void *object)
{
	IUnknown *u = object;

	if (u)
		u->lpVtbl->Release(u);
}

static void teardown(void)
{
	void *all[] = { listener, connector, qp, qp_srq, mw, mr, srq, cq,
			adapter, provider };

	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++)
		drop(all[i]);
	ck_assert_int_eq(DllCanUnloadNow(), S_OK);
	if (file != INVALID_HANDLE_VALUE)
		CloseHandle(file);
	fake_remove();
}

/* --- identity ------------------------------------------------------------------- */

static const IID *const iids[] = {
	&IID_IND2Provider,	  &IID_IND2Adapter,
	&IID_IND2Overlapped,	  &IID_IND2CompletionQueue,
	&IID_IND2SharedReceiveQueue, &IID_IND2MemoryWindow,
	&IID_IND2MemoryRegion,	  &IID_IND2QueuePair,
	&IID_IND2Connector,	  &IID_IND2Listener,
	&IID_IVrdmaAdapter,	  &IID_IVrdmaConnector,
	&IID_IVrdmaQueuePair,
};
#define IIDS (sizeof(iids) / sizeof(iids[0]))

/* Asked through a table: what it is, and one more for each answer */
#define ASK(p, iid, out) ((p)->lpVtbl->QueryInterface((p), (iid), (out)))
#define IDENTITY(p, a, b, c) do { \
	IUnknown *me = NULL, *back; \
	ULONG n = (p)->lpVtbl->AddRef(p); \
	ck_assert_uint_eq((p)->lpVtbl->Release(p), n - 1); \
	ck_assert_int_eq(ASK(p, &IID_IUnknown, (VOID **)&me), S_OK); \
	for (size_t k = 0; k < IIDS; k++) { \
		bool mine = iids[k] == (a) || iids[k] == (b) || iids[k] == (c); \
		VOID *got = &n; \
		HRESULT hr = ASK(p, iids[k], &got); \
		ck_assert_int_eq(hr, mine ? S_OK : E_NOINTERFACE); \
		ck_assert(mine == (got != NULL)); \
		if (!mine) \
			continue; \
		back = NULL; \
		ASK((IUnknown *)got, &IID_IUnknown, (VOID **)&back); \
		ck_assert_ptr_eq(back, me); \
		drop(back); \
		drop(got); \
	} \
	ck_assert_int_eq(ASK(p, &IID_IUnknown, NULL), E_POINTER); \
	drop(me); \
	ck_assert_uint_eq((p)->lpVtbl->AddRef(p), n); \
	ck_assert_uint_eq((p)->lpVtbl->Release(p), n - 1); \
} while (0)

START_TEST(identity)
{
	const IID *o = &IID_IND2Overlapped;
	IND2Overlapped *as = NULL;
	IVrdmaAdapter *xa = NULL;
	IVrdmaConnector *xc = NULL;
	IVrdmaQueuePair *xq = NULL;

	IDENTITY(provider, &IID_IND2Provider, NULL, NULL);
	IDENTITY(adapter, &IID_IND2Adapter, &IID_IVrdmaAdapter, NULL);
	IDENTITY(cq, &IID_IND2CompletionQueue, o, NULL);
	IDENTITY(srq, &IID_IND2SharedReceiveQueue, o, NULL);
	IDENTITY(mr, &IID_IND2MemoryRegion, o, NULL);
	IDENTITY(mw, &IID_IND2MemoryWindow, NULL, NULL);
	IDENTITY(qp, &IID_IND2QueuePair, &IID_IVrdmaQueuePair, NULL);
	IDENTITY(connector, &IID_IND2Connector, o, &IID_IVrdmaConnector);
	IDENTITY(listener, &IID_IND2Listener, o, NULL);
	/* and through the second table of those that have one */
	ASK(cq, &IID_IND2Overlapped, (VOID **)&as);
	IDENTITY(as, &IID_IND2CompletionQueue, o, NULL);
	as->lpVtbl->Release(as);
	ASK(adapter, &IID_IVrdmaAdapter, (VOID **)&xa);
	IDENTITY(xa, &IID_IND2Adapter, &IID_IVrdmaAdapter, NULL);
	xa->lpVtbl->Release(xa);
	ASK(connector, &IID_IVrdmaConnector, (VOID **)&xc);
	IDENTITY(xc, &IID_IND2Connector, o, &IID_IVrdmaConnector);
	xc->lpVtbl->Release(xc);
	ASK(qp, &IID_IVrdmaQueuePair, (VOID **)&xq);
	IDENTITY(xq, &IID_IND2QueuePair, &IID_IVrdmaQueuePair, NULL);
	xq->lpVtbl->Release(xq);
}
END_TEST

/* What the library adds to an adapter: the device as it describes itself */
START_TEST(device_of_the_adapter)
{
	ND2_ADAPTER_INFO info = { .InfoVersion = ND_VERSION_2 };
	struct virtio_rdma_config config;
	ULONG size = sizeof(info);
	IVrdmaAdapter *x = NULL;

	ASK(adapter, &IID_IVrdmaAdapter, (VOID **)&x);
	ck_assert_uint_eq(x->lpVtbl->GetDeviceNumber(x), 0);
	ck_assert_int_eq(x->lpVtbl->GetConfig(x, NULL), ND_INVALID_PARAMETER);
	memset(&config, 0, sizeof(config));
	ck_assert_int_eq(x->lpVtbl->GetConfig(x, &config), ND_SUCCESS);
	ck_assert_int_eq(adapter->lpVtbl->Query(adapter, &info, &size),
			 ND_SUCCESS);
	ck_assert_uint_eq(vr_from_le32(config.max_cq_depth),
			  info.MaxCompletionQueueDepth);
	x->lpVtbl->Release(x);
}
END_TEST

/* Nothing pends: nothing to cancel, and no request of that OVERLAPPED */
START_TEST(nothing_pending)
{
	static OVERLAPPED never;
	IND2Overlapped *as = NULL;

#define NOTHING(p) do { \
	ck_assert_int_eq((p)->lpVtbl->CancelOverlappedRequests(p), \
			 ND_SUCCESS); \
	ck_assert_int_eq((p)->lpVtbl->GetOverlappedResult((p), &never, FALSE), \
			 ND_SUCCESS); \
	ck_assert_int_eq((p)->lpVtbl->GetOverlappedResult((p), NULL, TRUE), \
			 ND_INVALID_PARAMETER_1); \
} while (0)
	NOTHING(cq);
	NOTHING(srq);
	NOTHING(connector);
	NOTHING(listener);
	ck_assert_int_eq(mr->lpVtbl->CancelOverlappedRequests(mr), ND_SUCCESS);
	ck_assert_int_eq(mr->lpVtbl->GetOverlappedResult(mr, &never, FALSE),
			 ND_SUCCESS);
	ASK(connector, &IID_IND2Overlapped, (VOID **)&as);
	NOTHING(as);
	as->lpVtbl->Release(as);
#undef NOTHING
}
END_TEST

/* Whatever order: a child holds what it needs, and nothing is left */
START_TEST(released_in_any_order)
{
	void **all[] = { (void **)&listener, (void **)&connector, (void **)&qp,
			 (void **)&qp_srq, (void **)&mw, (void **)&mr,
			 (void **)&srq, (void **)&cq, (void **)&adapter,
			 (void **)&provider };
	uint32_t seed = (uint32_t)_i * 2654435761u + 7;
	HANDLE handle = file;

	for (uint32_t left = 10; left; left--) {
		uint32_t k;

		seed = seed * 1103515245u + 12345u;
		k = (seed >> 16) % left;
		drop(*all[k]);
		*all[k] = NULL;
		all[k] = all[left - 1];
		if (left == 1 + (uint32_t)_i % 10) {	/* the file too */
			CloseHandle(handle);
			file = INVALID_HANDLE_VALUE;
		}
	}
}
END_TEST

/* --- completion queue --------------------------------------------------------------- */

static uint8_t byte;
static const ND2_SGE sge = { &byte, 1, 1 };

static void connected(void)
{
	fake_qp_record()->state = VIRTIO_RDMA_QP_CONNECTED;	/* qp's */
	fake_context()->worker = VIRTIO_RDMA_WORKER_AWAKE;
}

/* Requests of two queue pairs, both directions, in one queue: each is told with
 * its kind, its own context and its queue pair's, in the order of each queue */
START_TEST(mixed_queues)
{
	static const ND2_REQUEST_TYPE want[] = {
		Nd2RequestTypeSend, Nd2RequestTypeWrite, Nd2RequestTypeRead,
		Nd2RequestTypeReceive, Nd2RequestTypeReceive,
		Nd2RequestTypeReceive,
	};
	const IND2QueuePairVtbl *v = qp->lpVtbl;
	IND2QueuePair *second = NULL;
	ND2_RESULT r[8];

	connected();
	ck_assert_int_eq(v->Send(qp, (VOID *)0, &sge, 1, 0), ND_SUCCESS);
	ck_assert_int_eq(v->Receive(qp, (VOID *)3, &sge, 1), ND_SUCCESS);
	ck_assert_int_eq(v->Write(qp, (VOID *)1, &sge, 1, 5, 6, 0),
			 ND_SUCCESS);
	ck_assert_int_eq(v->Read(qp, (VOID *)2, &sge, 1, 5, 6, 0), ND_SUCCESS);
	ck_assert_int_eq(v->Receive(qp, (VOID *)4, &sge, 1), ND_SUCCESS);
	ck_assert_int_eq(adapter->lpVtbl->CreateQueuePair(
				 adapter, &IID_IND2QueuePair, (IUnknown *)cq,
				 (IUnknown *)cq, (VOID *)0xc, 4, 4, 1, 1, 0,
				 (VOID **)&second), ND_SUCCESS);
	ck_assert_int_eq(v->Receive(second, (VOID *)5, &sge, 1), ND_SUCCESS);
	ck_assert_uint_eq(cq->lpVtbl->GetResults(cq, r, 8), 0);
	ck_assert_int_eq(v->Flush(qp), ND_SUCCESS);
	ck_assert_int_eq(v->Flush(second), ND_SUCCESS);
	/* in pieces of any size */
	ck_assert_uint_eq(cq->lpVtbl->GetResults(cq, r, 0), 0);
	ck_assert_uint_eq(cq->lpVtbl->GetResults(cq, r, 1), 1);
	ck_assert_uint_eq(cq->lpVtbl->GetResults(cq, r + 1, 7), 5);
	for (uintptr_t i = 0; i < 6; i++) {
		ck_assert_int_eq(r[i].Status, ND_CANCELED);
		ck_assert_int_eq(r[i].RequestType, want[i]);
		ck_assert_uint_eq((uintptr_t)r[i].RequestContext, i);
		ck_assert_uint_eq((uintptr_t)r[i].QueuePairContext,
				  i < 5 ? 0xa : 0xc);
		ck_assert_uint_eq(r[i].BytesTransferred, 0);
	}
	drop(second);
}
END_TEST

/* Never connected: receives may be posted, and Flush gives them back */
START_TEST(flush_unconnected)
{
	ND2_RESULT r[4];
	ULONG n = 0;

	ck_assert_int_eq(qp->lpVtbl->Flush(qp), ND_SUCCESS);
	ck_assert_uint_eq(cq->lpVtbl->GetResults(cq, r, 4), 0);
	drop(qp);
	adapter->lpVtbl->CreateQueuePair(adapter, &IID_IND2QueuePair,
					 (IUnknown *)cq, (IUnknown *)cq,
					 (VOID *)0xa, 4, 4, 1, 1, 0,
					 (VOID **)&qp);
	ck_assert_int_eq(qp->lpVtbl->Send(qp, NULL, &sge, 1, 0),
			 ND_CONNECTION_INVALID);
	ck_assert_int_eq(qp->lpVtbl->Receive(qp, (VOID *)7, &sge, 1),
			 ND_SUCCESS);
	ck_assert_int_eq(qp->lpVtbl->Flush(qp), ND_SUCCESS);
	for (int ms = 0; !n && ms < FAKE_TIMEOUT_MS; ms++) {
		n = cq->lpVtbl->GetResults(cq, r, 4);
		if (!n)
			poll(NULL, 0, 1);
	}
	ck_assert_uint_eq(n, 1);
	ck_assert_int_eq(r[0].Status, ND_CANCELED);
	ck_assert_int_eq(r[0].RequestType, Nd2RequestTypeReceive);
	ck_assert_ptr_eq(r[0].RequestContext, (VOID *)7);
}
END_TEST

/* A device without it: not advertised, refused, and nothing lost */
START_TEST(no_resize)
{
	ND2_ADAPTER_INFO info = { .InfoVersion = ND_VERSION_2 };
	ULONG size = sizeof(info);
	IND2CompletionQueue *plain;
	KAFFINITY affinity = 0;
	USHORT group = 0;
	IND2Adapter *other;
	HANDLE its_file;
	ND2_RESULT r;

	fake_features = 0;
	ck_assert_int_eq(provider->lpVtbl->OpenAdapter(
				 provider, &IID_IND2Adapter,
				 ND_VRDMA_ADAPTER_ID(1), (VOID **)&other),
			 ND_SUCCESS);
	ck_assert_int_eq(other->lpVtbl->Query(other, &info, &size), ND_SUCCESS);
	ck_assert_uint_eq(info.AdapterFlags &
			  (ND_ADAPTER_FLAG_CQ_RESIZE_SUPPORTED |
			   ND_ADAPTER_FLAG_CQ_INTERRUPT_MODERATION_SUPPORTED),
			  0);
	other->lpVtbl->CreateOverlappedFile(other, &its_file);
	ck_assert_int_eq(other->lpVtbl->CreateCompletionQueue(
				 other, &IID_IND2CompletionQueue, its_file, 8, 0,
				 0, (VOID **)&plain), ND_SUCCESS);
	fake_complete(1, VIRTIO_RDMA_OP_SEND, 0, 0);
	ck_assert_int_eq(plain->lpVtbl->Resize(plain, 64), ND_NOT_SUPPORTED);
	ck_assert_int_eq(plain->lpVtbl->Resize(plain, 1), ND_NOT_SUPPORTED);
	ck_assert_uint_eq(plain->lpVtbl->GetResults(plain, &r, 1), 1);
	plain->lpVtbl->Release(plain);
	other->lpVtbl->Release(other);
	CloseHandle(its_file);
	ck_assert_int_eq(cq->lpVtbl->GetNotifyAffinity(cq, &group, &affinity),
			 ND_SUCCESS);
	ck_assert_uint_eq(group, 2);
	ck_assert_uint_eq(affinity, 6);
}
END_TEST

/* --- addresses ----------------------------------------------------------------------- */

static struct sockaddr_in v4(const char *ip)
{
	struct sockaddr_in a = { .sin_family = AF_INET };

	ck_assert_int_eq(inet_pton(AF_INET, ip, &a.sin_addr), 1);
	return a;
}

/* Each adapter its own; all of them through the helper, less what is excluded */
START_TEST(address_lists)
{
	SOCKET_ADDRESS_LIST *list;
	ULONG cb = 0, all = 0, none = 0;

	ck_assert_int_eq(adapter->lpVtbl->QueryAddressList(adapter, NULL, &cb),
			 ND_BUFFER_OVERFLOW);
	list = malloc(cb);
	ck_assert_int_eq(adapter->lpVtbl->QueryAddressList(adapter, list, &cb),
			 ND_SUCCESS);
	ck_assert_int_eq(list->iAddressCount, 2);
	ck_assert_int_eq(list->Address[0].lpSockaddr->sa_family, AF_INET);
	ck_assert_int_eq(list->Address[1].lpSockaddr->sa_family, AF_INET6);
	free(list);
	ck_assert_int_eq(NdQueryAddressList(0, NULL, &all),
			 ND_DEVICE_NOT_READY);
	ck_assert_int_eq(NdStartup(), ND_SUCCESS);
	NdFlushProviders();
	ck_assert_int_eq(NdQueryAddressList(ND_QUERY_EXCLUDE_NDv1_ADDRESSES,
					    NULL, &all), ND_BUFFER_OVERFLOW);
	ck_assert_uint_ge(all, cb);
	list = malloc(all);
	ck_assert_int_eq(NdQueryAddressList(0, list, &all), ND_SUCCESS);
	ck_assert_int_eq(list->iAddressCount,
			 2 * (int)fake_devices);
	/* even an empty list wants to be asked with room for it */
	ck_assert_int_eq(NdQueryAddressList(ND_QUERY_EXCLUDE_NDv2_ADDRESSES,
					    NULL, &none), ND_BUFFER_OVERFLOW);
	ck_assert_uint_gt(none, 0);
	ck_assert_int_eq(NdQueryAddressList(ND_QUERY_EXCLUDE_NDv2_ADDRESSES,
					    list, &none), ND_SUCCESS);
	ck_assert_int_eq(list->iAddressCount, 0);
	free(list);
	ck_assert_int_eq(NdCleanup(), ND_SUCCESS);
}
END_TEST

START_TEST(check_and_resolve)
{
	struct sockaddr_in mine = fake_v4(0, 0), far = v4("203.0.113.5"), at;
	struct sockaddr_in6 six = { .sin6_family = AF_INET6 };
	ULONG cb = sizeof(at);
	VOID *a = &cb;

	/* outside of NdStartup and NdCleanup */
	ck_assert_int_eq(NdCheckAddress((void *)&mine, sizeof(mine)),
			 ND_DEVICE_NOT_READY);
	ck_assert_int_eq(NdResolveAddress((void *)&mine, sizeof(mine),
					  (void *)&at, &cb),
			 ND_DEVICE_NOT_READY);
	ck_assert_int_eq(NdOpenAdapter(&IID_IND2Adapter, (void *)&mine,
				       sizeof(mine), &a), ND_DEVICE_NOT_READY);
	ck_assert_int_eq(NdStartup(), ND_SUCCESS);
	ck_assert_int_eq(NdCheckAddress((void *)&mine, sizeof(mine)),
			 ND_SUCCESS);
	ck_assert_int_eq(NdCheckAddress((void *)&mine, 4), ND_INVALID_ADDRESS);
	ck_assert_int_eq(NdCheckAddress((void *)&far, sizeof(far)),
			 ND_INVALID_ADDRESS);
	ck_assert_int_eq(NdCheckAddress((void *)&six, sizeof(six)),
			 ND_INVALID_ADDRESS);
	ck_assert_int_eq(NdResolveAddress((void *)&mine, sizeof(mine),
					  (void *)&at, &cb), ND_SUCCESS);
	ck_assert_uint_eq(at.sin_addr.s_addr, mine.sin_addr.s_addr);
	ck_assert_int_eq(NdResolveAddress((void *)&far, 3, (void *)&at, &cb),
			 ND_INVALID_ADDRESS);
	ck_assert_int_eq(NdOpenAdapter(&IID_IND2Adapter, (void *)&far,
				       sizeof(far), &a), ND_INVALID_ADDRESS);
	ck_assert_int_eq(NdOpenAdapter(&IID_IND2Listener, (void *)&mine,
				       sizeof(mine), &a), E_NOINTERFACE);
	ck_assert_ptr_null(a);
	ck_assert_int_eq(NdCleanup(), ND_SUCCESS);
}
END_TEST

/* One handle is one file: closed once */
START_TEST(overlapped_file)
{
	HANDLE other = INVALID_HANDLE_VALUE;

	ck_assert_int_eq(adapter->lpVtbl->CreateOverlappedFile(adapter, NULL),
			 ND_INVALID_PARAMETER);
	ck_assert_int_eq(adapter->lpVtbl->CreateOverlappedFile(adapter,
							       &other),
			 ND_SUCCESS);
	ck_assert_int_ne(other, file);
	ck_assert(CloseHandle(other));
	ck_assert(!CloseHandle(INVALID_HANDLE_VALUE));
}
END_TEST

int main(void)
{
	Suite *s = suite_create("ndspi_surface");
	TCase *t = tcase_create("surface");
	SRunner *r;
	int failed;

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, identity);
	tcase_add_test(t, device_of_the_adapter);
	tcase_add_test(t, nothing_pending);
	tcase_add_loop_test(t, released_in_any_order, 0, fake_real ? 25 : 100);
	tcase_add_test(t, flush_unconnected);
	if (!fake_real) { /* these write to the rings */
		tcase_add_test(t, mixed_queues);
		tcase_add_test(t, no_resize);
	}
	tcase_add_test(t, address_lists);
	tcase_add_test(t, check_and_resolve);
	tcase_add_test(t, overlapped_file);
	suite_add_tcase(s, t);
	r = srunner_create(s);
	srunner_run_all(r, CK_ENV);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed != 0;
}
