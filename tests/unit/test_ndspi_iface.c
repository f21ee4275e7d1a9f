/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test_ndspi_iface.c - interfaces: order of the tables, identifiers, reference
 * counts, addresses, limits
 */
#include <arpa/inet.h>
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "nd_fake.h"
#include "nd_vrdma.h"
#include "ndutil.h"

/* the n-th slot of the table, counted as the documents list the methods */
#define SLOT(T, n, method)                                       \
	ck_assert_uint_eq(offsetof(T##Vtbl, method),             \
			  (n) * sizeof(void (*)(void)))
#define SLOTS(T, n) ck_assert_uint_eq(sizeof(T##Vtbl), (n) * sizeof(void (*)(void)))
#define SLOTS_UNKNOWN(T)              \
	SLOT(T, 0, QueryInterface);   \
	SLOT(T, 1, AddRef);           \
	SLOT(T, 2, Release)
#define SLOTS_OVERLAPPED(T)                   \
	SLOTS_UNKNOWN(T);                     \
	SLOT(T, 3, CancelOverlappedRequests); \
	SLOT(T, 4, GetOverlappedResult)

START_TEST(order_of_provider_and_adapter)
{
	SLOTS_UNKNOWN(IND2Provider);
	SLOT(IND2Provider, 3, QueryAddressList);
	SLOT(IND2Provider, 4, ResolveAddress);
	SLOT(IND2Provider, 5, OpenAdapter);
	SLOTS(IND2Provider, 6);
	SLOTS_UNKNOWN(IND2Adapter);
	SLOT(IND2Adapter, 3, CreateOverlappedFile);
	SLOT(IND2Adapter, 4, Query);
	SLOT(IND2Adapter, 5, QueryAddressList);
	SLOT(IND2Adapter, 6, CreateCompletionQueue);
	SLOT(IND2Adapter, 7, CreateMemoryRegion);
	SLOT(IND2Adapter, 8, CreateMemoryWindow);
	SLOT(IND2Adapter, 9, CreateSharedReceiveQueue);
	SLOT(IND2Adapter, 10, CreateQueuePair);
	SLOT(IND2Adapter, 11, CreateQueuePairWithSrq);
	SLOT(IND2Adapter, 12, CreateConnector);
	SLOT(IND2Adapter, 13, CreateListener);
	SLOTS(IND2Adapter, 14);
}
END_TEST

START_TEST(order_of_queues_and_memory)
{
	SLOTS_OVERLAPPED(IND2Overlapped);
	SLOTS(IND2Overlapped, 5);
	SLOTS_OVERLAPPED(IND2CompletionQueue);
	SLOT(IND2CompletionQueue, 5, GetNotifyAffinity);
	SLOT(IND2CompletionQueue, 6, Resize);
	SLOT(IND2CompletionQueue, 7, Notify);
	SLOT(IND2CompletionQueue, 8, GetResults);
	SLOTS_OVERLAPPED(IND2SharedReceiveQueue);
	SLOT(IND2SharedReceiveQueue, 5, GetNotifyAffinity);
	SLOT(IND2SharedReceiveQueue, 6, Modify);
	SLOT(IND2SharedReceiveQueue, 7, Notify);
	SLOT(IND2SharedReceiveQueue, 8, Receive);
	SLOTS_UNKNOWN(IND2MemoryWindow);
	SLOT(IND2MemoryWindow, 3, GetRemoteToken);
	SLOTS(IND2MemoryWindow, 4);
	SLOTS_OVERLAPPED(IND2MemoryRegion);
	SLOT(IND2MemoryRegion, 5, Register);
	SLOT(IND2MemoryRegion, 6, Deregister);
	SLOT(IND2MemoryRegion, 7, GetLocalToken);
	SLOT(IND2MemoryRegion, 8, GetRemoteToken);
	SLOTS_UNKNOWN(IND2QueuePair);
	SLOT(IND2QueuePair, 3, Flush);
	SLOT(IND2QueuePair, 4, Send);
	SLOT(IND2QueuePair, 5, Receive);
	SLOT(IND2QueuePair, 6, Bind);
	SLOT(IND2QueuePair, 7, Invalidate);
	SLOT(IND2QueuePair, 8, Read);
	SLOT(IND2QueuePair, 9, Write);
	SLOTS(IND2QueuePair, 10);
}
END_TEST

START_TEST(order_of_connector_and_listener)
{
	SLOTS_OVERLAPPED(IND2Connector);
	SLOT(IND2Connector, 5, Bind);
	SLOT(IND2Connector, 6, Connect);
	SLOT(IND2Connector, 7, CompleteConnect);
	SLOT(IND2Connector, 8, Accept);
	SLOT(IND2Connector, 9, Reject);
	SLOT(IND2Connector, 10, GetReadLimits);
	SLOT(IND2Connector, 11, GetPrivateData);
	SLOT(IND2Connector, 12, GetLocalAddress);
	SLOT(IND2Connector, 13, GetPeerAddress);
	SLOT(IND2Connector, 14, NotifyDisconnect);
	SLOT(IND2Connector, 15, Disconnect);
	SLOTS(IND2Connector, 16);
	SLOTS_OVERLAPPED(IND2Listener);
	SLOT(IND2Listener, 5, Bind);
	SLOT(IND2Listener, 6, Listen);
	SLOT(IND2Listener, 7, GetLocalAddress);
	SLOT(IND2Listener, 8, GetConnectionRequest);
	SLOTS(IND2Listener, 9);
}
END_TEST

START_TEST(structures)
{
	ck_assert_uint_eq(sizeof(ND2_ADAPTER_INFO), 96);
	ck_assert_uint_eq(offsetof(ND2_ADAPTER_INFO, AdapterId), 8);
	ck_assert_uint_eq(offsetof(ND2_ADAPTER_INFO, MaxInitiatorSge), 32);
	ck_assert_uint_eq(offsetof(ND2_ADAPTER_INFO, AdapterFlags), 92);
	ck_assert_uint_eq(sizeof(ND2_RESULT), 32);
	ck_assert_uint_eq(offsetof(ND2_RESULT, RequestType), 24);
	ck_assert_uint_eq(sizeof(ND2_SGE), 16);
}
END_TEST

static const struct {
	const IID *iid;
	const char *text;
} iids[] = {
	{ &IID_IUnknown, "00000000-0000-0000-C000-000000000046" },
	{ &IID_IClassFactory, "00000001-0000-0000-C000-000000000046" },
	{ &IID_IND2Provider, "49EAE6C1-76C4-46D0-8003-5C2EAA2C9A8E" },
	{ &IID_IND2Adapter, "D89C798C-4823-4D69-846C-DFDCCFF9E5F3" },
	{ &IID_IND2Overlapped, "ABF72719-B016-4A40-A6F7-622791A7044C" },
	{ &IID_IND2CompletionQueue, "20CC445E-64A0-4CBB-AA75-F6A7251FDA9E" },
	{ &IID_IND2SharedReceiveQueue, "AABD67DC-459A-4DB1-826B-56CFCC278883" },
	{ &IID_IND2MemoryWindow, "070FE1F5-0AB5-4361-88DB-974BA704D4B9" },
	{ &IID_IND2MemoryRegion, "55DFEA2F-BC56-4982-8A45-0301BE46C413" },
	{ &IID_IND2QueuePair, "EEF2F332-B75D-4063-BCE3-3A0BAD2D02CE" },
	{ &IID_IND2Connector, "7DD615C4-6B4C-4866-950C-F3B1D25A5302" },
	{ &IID_IND2Listener, "65D23D83-3A57-4E02-86A4-350165C2D130" },
};

START_TEST(identifiers)
{
	const IID *g = iids[_i].iid;
	char text[40];

	snprintf(text, sizeof(text),
		 "%08X-%04X-%04X-%02X%02X-%02X%02X%02X%02X%02X%02X", g->Data1,
		 g->Data2, g->Data3, g->Data4[0], g->Data4[1], g->Data4[2],
		 g->Data4[3], g->Data4[4], g->Data4[5], g->Data4[6],
		 g->Data4[7]);
	ck_assert_str_eq(text, iids[_i].text);
}
END_TEST

/* ---------------------------------------------------------------- provider */

static IND2Provider *provider(void)
{
	IND2Provider *p = NULL;

	ck_assert_int_eq(DllGetClassObject(&IID_IUnknown, &IID_IND2Provider,
					   (VOID **)&p), S_OK);
	ck_assert_ptr_nonnull(p);
	return p;
}

static IND2Adapter *adapter(unsigned n)
{
	IND2Provider *p = provider();
	IND2Adapter *a = NULL;

	ck_assert_int_eq(p->lpVtbl->OpenAdapter(p, &IID_IND2Adapter,
						ND_VRDMA_ADAPTER_ID(n),
						(VOID **)&a), ND_SUCCESS);
	ck_assert_uint_eq(p->lpVtbl->Release(p), 0);
	return a;
}

static struct sockaddr_in v4(const char *ip, uint16_t port)
{
	struct sockaddr_in a = { .sin_family = AF_INET,
				 .sin_port = htons(port) };

	ck_assert_int_eq(inet_pton(AF_INET, ip, &a.sin_addr), 1);
	return a;
}

START_TEST(two_ways_in)
{
	IND2Provider *a = provider(), *b = NULL;
	IClassFactory *f = NULL;
	VOID *none = &f;

	ck_assert_int_eq(DllCanUnloadNow(), S_FALSE);
	ck_assert_uint_eq(a->lpVtbl->Release(a), 0);
	ck_assert_int_eq(DllCanUnloadNow(), S_OK);
	ck_assert_int_eq(DllGetClassObject(NULL, &IID_IClassFactory,
					   (VOID **)&f), S_OK);
	ck_assert_int_eq(f->lpVtbl->CreateInstance(f, (IUnknown *)f,
						   &IID_IND2Provider, &none),
			 CLASS_E_NOAGGREGATION);
	ck_assert_int_eq(f->lpVtbl->CreateInstance(f, NULL, &IID_IND2Adapter,
						   &none), E_NOINTERFACE);
	ck_assert_ptr_null(none);
	ck_assert_int_eq(f->lpVtbl->CreateInstance(f, NULL, &IID_IND2Provider,
						   (VOID **)&b), S_OK);
	b->lpVtbl->Release(b);
	ck_assert_int_eq(DllGetClassObject(NULL, &IID_IND2QueuePair, &none),
			 E_NOINTERFACE);
	ck_assert_int_eq(DllCanUnloadNow(), S_OK);
}
END_TEST

START_TEST(address_list)
{
	IND2Provider *p = provider();
	SOCKET_ADDRESS_LIST *list;
	char text[INET6_ADDRSTRLEN];
	ULONG cb = 0, small;

	ck_assert_int_eq(p->lpVtbl->QueryAddressList(p, NULL, &cb),
			 ND_BUFFER_OVERFLOW);
	list = malloc(cb);
	memset(list, 0x5a, cb);
	small = cb - 1;
	ck_assert_int_eq(p->lpVtbl->QueryAddressList(p, list, &small),
			 ND_BUFFER_OVERFLOW);
	ck_assert_uint_eq(small, cb);
	ck_assert_int_eq(list->iAddressCount, 0x5a5a5a5a); /* untouched */
	ck_assert_int_eq(p->lpVtbl->QueryAddressList(p, list, &cb), ND_SUCCESS);
	ck_assert_int_eq(list->iAddressCount, 2 * FAKE_DEVICES);
	inet_ntop(AF_INET6,
		  &((struct sockaddr_in6 *)list->Address[3].lpSockaddr)->sin6_addr,
		  text, sizeof(text));
	ck_assert_str_eq(text, "fd00::2");
	free(list);
	p->lpVtbl->Release(p);
}
END_TEST

START_TEST(resolve)
{
	struct sockaddr_in here = v4("10.0.0.2", 99), away = v4("10.0.0.9", 0);
	IND2Provider *p = provider();
	UINT64 id = 0;
	VOID *a;

	ck_assert_int_eq(p->lpVtbl->ResolveAddress(p, (void *)&here,
						   sizeof(here), &id),
			 ND_SUCCESS);
	ck_assert_uint_eq(id, ND_VRDMA_ADAPTER_ID(1));
	ck_assert_int_eq(p->lpVtbl->ResolveAddress(p, (void *)&away,
						   sizeof(away), &id),
			 ND_INVALID_ADDRESS);
	ck_assert_int_eq(p->lpVtbl->ResolveAddress(p, (void *)&here, 7, &id),
			 ND_INVALID_ADDRESS);
	ck_assert_int_eq(p->lpVtbl->OpenAdapter(p, &IID_IND2Adapter, 0, &a),
			 ND_INVALID_PARAMETER);
	ck_assert_int_eq(p->lpVtbl->OpenAdapter(p, &IID_IND2Adapter,
						ND_VRDMA_ADAPTER_ID(7), &a),
			 ND_INVALID_PARAMETER);
	ck_assert_ptr_null(a);
	p->lpVtbl->Release(p);
}
END_TEST

START_TEST(helpers)
{
	struct sockaddr_in remote = v4("10.0.0.3", 5), local;
	struct sockaddr_in6 six = { .sin6_family = AF_INET6 };
	ULONG cb = sizeof(local), cb6 = 0;
	IND2Adapter *a = NULL;

	ck_assert_int_eq(NdCheckAddress((void *)&remote, sizeof(remote)),
			 ND_DEVICE_NOT_READY);
	ck_assert_int_eq(NdCleanup(), ND_DEVICE_NOT_READY);
	ck_assert_int_eq(NdStartup(), ND_SUCCESS);
	ck_assert_int_eq(NdCheckAddress((void *)&remote, sizeof(remote)),
			 ND_INVALID_ADDRESS);
	/* .2 shares 31 bits with .3, .1 only 30 */
	ck_assert_int_eq(NdResolveAddress((void *)&remote, sizeof(remote),
					  (void *)&local, &cb), ND_SUCCESS);
	ck_assert_uint_eq(ntohl(local.sin_addr.s_addr), 0x0a000002);
	ck_assert_int_eq(NdResolveAddress((void *)&six, sizeof(six), NULL,
					  &cb6), ND_BUFFER_OVERFLOW);
	ck_assert_uint_eq(cb6, sizeof(six));
	ck_assert_int_eq(NdOpenV2Adapter((void *)&local, sizeof(local), &a),
			 ND_SUCCESS);
	ck_assert_uint_eq(a->lpVtbl->Release(a), 0);
	ck_assert_int_eq(NdCleanup(), ND_SUCCESS);
	ck_assert_int_eq(DllCanUnloadNow(), S_OK);
}
END_TEST

/* ----------------------------------------------------------------- adapter */

START_TEST(adapter_info)
{
	IND2Adapter *a = adapter(0);
	ND2_ADAPTER_INFO i = { .InfoVersion = ND_VERSION_2 };
	ULONG cb = sizeof(i) - 1;

	ck_assert_int_eq(a->lpVtbl->Query(a, &i, &cb), ND_BUFFER_OVERFLOW);
	ck_assert_uint_eq(cb, sizeof(i));
	ck_assert_int_eq(a->lpVtbl->Query(a, &i, &cb), ND_SUCCESS);
	ck_assert_uint_eq(i.VendorId, 0x1af4);
	ck_assert_uint_eq(i.AdapterId, ND_VRDMA_ADAPTER_ID(0));
	ck_assert_uint_eq(i.MaxRegistrationSize, 1ull << 30);
	ck_assert_uint_eq(i.MaxReadSge, 2);
	ck_assert_uint_eq(i.MaxCalleeData, 100);
	ck_assert_uint_eq(i.AdapterFlags, 0x10105);
	i.InfoVersion = 1;
	ck_assert_int_eq(a->lpVtbl->Query(a, &i, &cb), ND_SUCCESS);
	i.InfoVersion = 3;
	ck_assert_int_eq(a->lpVtbl->Query(a, &i, &cb), ND_INVALID_PARAMETER);
	a->lpVtbl->Release(a);
}
END_TEST

START_TEST(query_interface)
{
	IND2Adapter *a = adapter(1), *back = NULL;
	IVrdmaAdapter *x = NULL;
	VOID *none = a;

	ck_assert_int_eq(a->lpVtbl->QueryInterface(a, &IID_IND2Listener, &none),
			 E_NOINTERFACE);
	ck_assert_ptr_null(none);
	ck_assert_int_eq(a->lpVtbl->QueryInterface(a, &IID_IND2Adapter, NULL),
			 E_POINTER);
	ck_assert_int_eq(a->lpVtbl->QueryInterface(a, &IID_IVrdmaAdapter,
						   (VOID **)&x), S_OK);
	ck_assert_uint_eq(x->lpVtbl->GetDeviceNumber(x), 1);
	/* COM: from any interface to any other, one identity, one count */
	ck_assert_int_eq(x->lpVtbl->QueryInterface(x, &IID_IUnknown,
						   (VOID **)&back), S_OK);
	ck_assert_ptr_eq(back, a);
	ck_assert_uint_eq(a->lpVtbl->AddRef(a), 4);
	ck_assert_uint_eq(x->lpVtbl->Release(x), 3);
	ck_assert_uint_eq(a->lpVtbl->Release(a), 2);
	ck_assert_uint_eq(a->lpVtbl->Release(a), 1);
	ck_assert_uint_eq(a->lpVtbl->Release(a), 0);
}
END_TEST

/* ----------------------------------------------------------------- objects */

struct kit {
	IND2Adapter *a;
	HANDLE file;
	IND2CompletionQueue *cq;
};

static struct kit kit(void)
{
	struct kit k = { .a = adapter(0) };

	ck_assert_int_eq(k.a->lpVtbl->CreateOverlappedFile(k.a, &k.file),
			 ND_SUCCESS);
	ck_assert_int_eq(k.a->lpVtbl->CreateCompletionQueue(
				 k.a, &IID_IND2CompletionQueue, k.file, 10, 0,
				 0, (VOID **)&k.cq), ND_SUCCESS);
	return k;
}

static HRESULT make_qp(struct kit *k, IUnknown *r, IUnknown *i, ULONG rd,
		       ULONG id, ULONG rs, ULONG is, ULONG inl, VOID **qp)
{
	return k->a->lpVtbl->CreateQueuePair(k->a, &IID_IND2QueuePair, r, i,
					     NULL, rd, id, rs, is, inl, qp);
}

START_TEST(queue_pair_limits)
{
	struct kit k = kit();
	IUnknown *cq = (IUnknown *)k.cq, *no = (IUnknown *)k.a;
	VOID *qp = &k;

	ck_assert_int_eq(make_qp(&k, no, cq, 1, 1, 1, 1, 0, &qp),
			 ND_INVALID_PARAMETER_2);
	ck_assert_ptr_null(qp);
	ck_assert_int_eq(make_qp(&k, cq, NULL, 1, 1, 1, 1, 0, &qp),
			 ND_INVALID_PARAMETER_3);
	ck_assert_int_eq(make_qp(&k, cq, cq, 513, 1, 1, 1, 0, &qp),
			 ND_INVALID_PARAMETER_5);
	ck_assert_int_eq(make_qp(&k, cq, cq, 1, 513, 1, 1, 0, &qp),
			 ND_INVALID_PARAMETER_6);
	ck_assert_int_eq(make_qp(&k, cq, cq, 1, 1, 4, 1, 0, &qp),
			 ND_INVALID_PARAMETER_7);
	ck_assert_int_eq(make_qp(&k, cq, cq, 1, 1, 1, 5, 0, &qp),
			 ND_INVALID_PARAMETER_8);
	ck_assert_int_eq(make_qp(&k, cq, cq, 1, 1, 1, 1, 201, &qp),
			 ND_INVALID_PARAMETER_9);
	k.cq->lpVtbl->Release(k.cq);
	k.a->lpVtbl->Release(k.a);
	CloseHandle(k.file);
}
END_TEST

START_TEST(create_errors)
{
	struct kit k = kit();
	VOID *p = &k;

	ck_assert_int_eq(k.a->lpVtbl->CreateCompletionQueue(
				 k.a, &IID_IND2CompletionQueue, k.file, 4097, 0,
				 0, &p), ND_INVALID_PARAMETER_3);
	ck_assert_int_eq(k.a->lpVtbl->CreateMemoryRegion(
				 k.a, &IID_IND2MemoryRegion,
				 INVALID_HANDLE_VALUE, &p), ND_INVALID_HANDLE);
	ck_assert_int_eq(k.a->lpVtbl->CreateMemoryRegion(
				 k.a, &IID_IND2Connector, k.file, &p),
			 E_NOINTERFACE);
	fake_fail_status = (uint32_t)ND_INSUFFICIENT_RESOURCES;
	ck_assert_int_eq(k.a->lpVtbl->CreateListener(k.a, &IID_IND2Listener,
						     k.file, &p),
			 ND_INSUFFICIENT_RESOURCES);
	ck_assert_ptr_null(p);
	k.cq->lpVtbl->Release(k.cq);
	k.a->lpVtbl->Release(k.a);
	CloseHandle(k.file);
}
END_TEST

/* The adapter's file lives until its last child went, in whatever order */
START_TEST(child_holds_parent)
{
	struct kit k = kit();
	IND2QueuePair *qp = NULL;
	IUnknown *cq = (IUnknown *)k.cq;

	ck_assert_int_eq(make_qp(&k, cq, cq, 1, 1, 1, 1, 0, (VOID **)&qp),
			 ND_SUCCESS);
	ck_assert_uint_gt(k.a->lpVtbl->Release(k.a), 0);
	ck_assert_uint_gt(k.cq->lpVtbl->Release(k.cq), 0);
	ck_assert_int_eq(DllCanUnloadNow(), S_FALSE);
	ck_assert_int_eq(qp->lpVtbl->Flush(qp), ND_SUCCESS);
	ck_assert_uint_eq(qp->lpVtbl->Release(qp), 0);
	ck_assert_int_eq(DllCanUnloadNow(), S_OK);
	fake_remove(); /* the file is closed */
	CloseHandle(k.file);
}
END_TEST

START_TEST(status_names)
{
	ck_assert_str_eq(NdStatusName(ND_SUCCESS), "SUCCESS");
	ck_assert_str_eq(NdStatusName(ND_IO_TIMEOUT), "IO_TIMEOUT");
	ck_assert_str_eq(NdStatusName(ND_CANCELED), "CANCELLED");
	ck_assert_ptr_null(NdStatusName((HRESULT)0xdeadbeef));
}
END_TEST

int main(void)
{
	Suite *s = suite_create("ndspi_iface");
	TCase *t = tcase_create("tables"), *u = tcase_create("objects");
	SRunner *r;
	int failed;

	tcase_add_test(t, order_of_provider_and_adapter);
	tcase_add_test(t, order_of_queues_and_memory);
	tcase_add_test(t, order_of_connector_and_listener);
	tcase_add_test(t, structures);
	tcase_add_loop_test(t, identifiers, 0,
			    sizeof(iids) / sizeof(iids[0]));
	tcase_add_test(t, status_names);
	tcase_add_checked_fixture(u, fake_install, fake_remove);
	tcase_add_test(u, two_ways_in);
	tcase_add_test(u, address_list);
	tcase_add_test(u, resolve);
	tcase_add_test(u, helpers);
	tcase_add_test(u, adapter_info);
	tcase_add_test(u, query_interface);
	tcase_add_test(u, queue_pair_limits);
	tcase_add_test(u, create_errors);
	tcase_add_test(u, child_holds_parent);
	suite_add_tcase(s, t);
	suite_add_tcase(s, u);
	r = srunner_create(s);
	srunner_run_all(r, CK_ENV);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed != 0;
}
