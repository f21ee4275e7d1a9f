/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test_ndspi_connector.c - IND2Connector and IND2Listener: two ends from Bind to
 * Disconnect
 *
 * On the fake each has a device of its own; on a real one (nd_fake.h) they share
 * it.
 */
#include <arpa/inet.h>
#include <check.h>
#include <poll.h>
#include <string.h>

#include "nd_fake.h"
#include "nd_vrdma.h"
#include "ndutil.h"

/* What a test leaves pending is the library's until the teardown */
struct end {
	IND2Adapter *a;
	HANDLE file;
	IND2CompletionQueue *cq;
	IND2QueuePair *qp;
	IND2Connector *c;
	OVERLAPPED ov, told;
};
static struct end client, server;
static IND2Listener *listener;
static uint16_t port; /* the listener's */
static ND2_ADAPTER_INFO info;

static void end_open(struct end *e, unsigned device)
{
	struct sockaddr_in sa = fake_v4(device, 0);

	memset(e, 0, sizeof(*e));
	ck_assert_int_eq(NdOpenAdapter(&IID_IND2Adapter, (void *)&sa,
				       sizeof(sa), (VOID **)&e->a), ND_SUCCESS);
	ck_assert_int_eq(e->a->lpVtbl->CreateOverlappedFile(e->a, &e->file),
			 ND_SUCCESS);
	ck_assert_int_eq(e->a->lpVtbl->CreateCompletionQueue(
				 e->a, &IID_IND2CompletionQueue, e->file, 8, 0,
				 0, (VOID **)&e->cq), ND_SUCCESS);
	ck_assert_int_eq(e->a->lpVtbl->CreateQueuePair(
				 e->a, &IID_IND2QueuePair, (IUnknown *)e->cq,
				 (IUnknown *)e->cq, e, 4, 4, 1, 1, 0,
				 (VOID **)&e->qp), ND_SUCCESS);
	ck_assert_int_eq(e->a->lpVtbl->CreateConnector(
				 e->a, &IID_IND2Connector, e->file,
				 (VOID **)&e->c), ND_SUCCESS);
}

static void end_close(struct end *e)
{
	if (e->c)
		ck_assert_uint_eq(e->c->lpVtbl->Release(e->c), 0);
	ck_assert_uint_eq(e->qp->lpVtbl->Release(e->qp), 0);
	ck_assert_uint_eq(e->cq->lpVtbl->Release(e->cq), 0);
	ck_assert_uint_eq(e->a->lpVtbl->Release(e->a), 0);
	CloseHandle(e->file);
}

static void setup(void)
{
	ULONG cb = sizeof(info);

	fake_install();
	ck_assert_int_eq(NdStartup(), ND_SUCCESS);
	end_open(&client, 0);
	end_open(&server, 1);
	info.InfoVersion = ND_VERSION_2;
	ck_assert_int_eq(client.a->lpVtbl->Query(client.a, &info, &cb),
			 ND_SUCCESS);
	ck_assert_int_eq(server.a->lpVtbl->CreateListener(
				 server.a, &IID_IND2Listener, server.file,
				 (VOID **)&listener), ND_SUCCESS);
}

static void teardown(void)
{
	if (listener)
		ck_assert_uint_eq(listener->lpVtbl->Release(listener), 0);
	end_close(&client);
	end_close(&server);
	ck_assert_int_eq(NdCleanup(), ND_SUCCESS);
	fake_remove();
}

static HRESULT result(struct end *e, OVERLAPPED *ov)
{
	return e->c->lpVtbl->GetOverlappedResult(e->c, ov, FALSE);
}

/* How it ends, within bounds.  Of any object of the same file */
static HRESULT ended(struct end *e, OVERLAPPED *ov)
{
	HRESULT hr;

	for (int ms = 0; ms < FAKE_TIMEOUT_MS; ms++) {
		hr = e->cq->lpVtbl->GetOverlappedResult(e->cq, ov, FALSE);
		if (hr != ND_PENDING)
			return hr;
		poll(NULL, 0, 1);
	}
	return ND_PENDING;
}

/* One result, within bounds */
static bool taken(struct end *e, ND2_RESULT *r)
{
	for (int ms = 0; ms < FAKE_TIMEOUT_MS; ms++) {
		if (e->cq->lpVtbl->GetResults(e->cq, r, 1))
			return true;
		poll(NULL, 0, 1);
	}
	return false;
}

/* --- requests of one end --------------------------------------------------------- */

/* At a port of its own choice: another test's may still be in use */
static void listen_up(void)
{
	struct sockaddr_in sa = fake_v4(1, 0);
	ULONG cb = sizeof(sa);

	ck_assert_int_eq(listener->lpVtbl->Bind(listener, (void *)&sa,
						sizeof(sa)), ND_SUCCESS);
	ck_assert_int_eq(listener->lpVtbl->Listen(listener, 0), ND_SUCCESS);
	ck_assert_int_eq(listener->lpVtbl->GetLocalAddress(listener,
							   (void *)&sa, &cb),
			 ND_SUCCESS);
	port = ntohs(sa.sin_port);
}

static HRESULT connect_to(uint16_t to, const char *says, ULONG cb)
{
	struct sockaddr_in sa = fake_v4(1, to);

	return client.c->lpVtbl->Connect(client.c, (IUnknown *)client.qp,
					 (void *)&sa, sizeof(sa), 3, 5, says,
					 cb, &client.ov);
}

static HRESULT accept_it(const char *says, ULONG cb)
{
	return server.c->lpVtbl->Accept(server.c, (IUnknown *)server.qp, 7, 8,
					says, cb, &server.ov);
}

/* The server has the client's request in its connector */
static void be_asked(const char *says)
{
	listen_up();
	ck_assert_int_eq(listener->lpVtbl->GetConnectionRequest(
				 listener, (IUnknown *)server.c, &server.ov),
			 ND_PENDING);
	ck_assert_int_eq(result(&server, &server.ov), ND_PENDING);
	ck_assert_int_eq(connect_to(port, says, (ULONG)strlen(says)),
			 ND_PENDING);
	ck_assert_int_eq(ended(&server, &server.ov), ND_SUCCESS);
	ck_assert_int_eq(listener->lpVtbl->GetOverlappedResult(
				 listener, &server.ov, FALSE), ND_SUCCESS);
	ck_assert_int_eq(result(&client, &client.ov), ND_PENDING);
}

static void establish(void)
{
	be_asked("hello");
	ck_assert_int_eq(accept_it("welcome", 7), ND_PENDING);
	ck_assert_int_eq(ended(&client, &client.ov), ND_SUCCESS);
	ck_assert_int_eq(result(&server, &server.ov), ND_PENDING);
	ck_assert_int_eq(client.c->lpVtbl->CompleteConnect(client.c,
							   &client.ov),
			 ND_PENDING);
	ck_assert_int_eq(ended(&client, &client.ov), ND_SUCCESS);
	ck_assert_int_eq(ended(&server, &server.ov), ND_SUCCESS);
}

static HRESULT private_data(struct end *e, VOID *p, ULONG *cb)
{
	return e->c->lpVtbl->GetPrivateData(e->c, p, cb);
}

static HRESULT notify(struct end *e)
{
	return e->c->lpVtbl->NotifyDisconnect(e->c, &e->told);
}

static HRESULT disconnect(struct end *e)
{
	return e->c->lpVtbl->Disconnect(e->c, &e->ov);
}

/* --- before there is a connection -------------------------------------------------- */

START_TEST(never_connected)
{
	struct sockaddr_in sa;
	ULONG cb = sizeof(sa), in, out;

	ck_assert_int_eq(client.c->lpVtbl->GetReadLimits(client.c, &in, &out),
			 ND_CONNECTION_INVALID);
	ck_assert_int_eq(private_data(&client, NULL, &cb),
			 ND_CONNECTION_INVALID);
	ck_assert_int_eq(client.c->lpVtbl->GetLocalAddress(client.c,
							   (void *)&sa, &cb),
			 ND_CONNECTION_INVALID);
	ck_assert_int_eq(client.c->lpVtbl->GetPeerAddress(client.c,
							  (void *)&sa, &cb),
			 ND_CONNECTION_INVALID);
	ck_assert_int_eq(client.c->lpVtbl->CompleteConnect(client.c,
							   &client.ov),
			 ND_CONNECTION_INVALID);
	ck_assert_int_eq(accept_it(NULL, 0), ND_CONNECTION_INVALID);
	ck_assert_int_eq(client.c->lpVtbl->Reject(client.c, NULL, 0),
			 ND_CONNECTION_INVALID);
	ck_assert_int_eq(notify(&client), ND_CONNECTION_INVALID);
	ck_assert_int_eq(disconnect(&client), ND_CONNECTION_INVALID);
	/* there is nothing to cancel, and that is no error */
	ck_assert_int_eq(client.c->lpVtbl->CancelOverlappedRequests(client.c),
			 ND_SUCCESS);
}
END_TEST

static uint8_t long_data[600];

START_TEST(arguments)
{
	struct sockaddr_in sa;
	IUnknown *qp = (IUnknown *)client.qp, *foreign = (IUnknown *)server.qp;
	const IND2ConnectorVtbl *v = client.c->lpVtbl;
	OVERLAPPED *ov = &client.ov;

	listen_up();
	sa = fake_v4(1, port);
	ck_assert_int_eq(v->Bind(client.c, (void *)&sa, 3), ND_INVALID_ADDRESS);
	ck_assert_int_eq(v->Connect(client.c, qp, (void *)&sa, 3, 0, 0, NULL, 0,
				    ov), ND_INVALID_ADDRESS);
	ck_assert_int_eq(v->Connect(client.c, qp, (void *)&sa, sizeof(sa), 0, 0,
				    NULL, 0, NULL), ND_INVALID_PARAMETER);
	/* a queue pair of another adapter, or none at all */
	ck_assert_int_eq(v->Connect(client.c, foreign, (void *)&sa, sizeof(sa),
				    0, 0, NULL, 0, ov), ND_INVALID_PARAMETER_1);
	ck_assert_int_eq(v->Connect(client.c, NULL, (void *)&sa, sizeof(sa), 0,
				    0, NULL, 0, ov), ND_INVALID_PARAMETER_1);
	/* the limits of the two ends, in bytes */
	ck_assert_int_eq(connect_to(port, (char *)long_data,
				    info.MaxCallerData + 1),
			 ND_INVALID_BUFFER_SIZE);
	ck_assert_int_eq(connect_to(port, NULL, 1), ND_ACCESS_VIOLATION);
	ck_assert_int_eq(accept_it((char *)long_data, info.MaxCalleeData + 1),
			 ND_INVALID_BUFFER_SIZE);
	ck_assert_int_eq(accept_it(NULL, 1), ND_ACCESS_VIOLATION);
	ck_assert_int_eq(v->Reject(client.c, long_data, info.MaxCalleeData + 1),
			 ND_INVALID_BUFFER_SIZE);
	ck_assert_int_eq(v->CompleteConnect(client.c, NULL),
			 ND_INVALID_PARAMETER);
	ck_assert_int_eq(v->NotifyDisconnect(client.c, NULL),
			 ND_INVALID_PARAMETER);
	ck_assert_int_eq(v->Disconnect(client.c, NULL), ND_INVALID_PARAMETER);
	/* it stays as good as new */
	ck_assert_int_eq(connect_to(port, (char *)long_data,
				    info.MaxCallerData),
			 ND_PENDING);
}
END_TEST

START_TEST(bound_once)
{
	struct sockaddr_in sa = fake_v4(0, 1234);

	ck_assert_int_eq(client.c->lpVtbl->Bind(client.c, (void *)&sa,
						sizeof(sa)), ND_SUCCESS);
	ck_assert_int_eq(client.c->lpVtbl->Bind(client.c, (void *)&sa,
						sizeof(sa)),
			 ND_X_ADDRESS_ALREADY_ASSOCIATED);
}
END_TEST

/* --- listener ------------------------------------------------------------------------ */

START_TEST(listening)
{
	struct sockaddr_in sa = fake_v4(1, 0), got;
	ULONG cb = sizeof(got);
	IND2Listener *second;
	static OVERLAPPED ov;

	ck_assert_int_eq(listener->lpVtbl->Listen(listener, 0),
			 ND_INVALID_DEVICE_STATE);	/* not bound */
	ck_assert_int_eq(listener->lpVtbl->Bind(listener, (void *)&sa,
						sizeof(sa)), ND_SUCCESS);
	ck_assert_int_eq(listener->lpVtbl->GetLocalAddress(
				 listener, (void *)&got, &cb),
			 ND_INVALID_DEVICE_STATE);	/* not listening */
	ck_assert_int_eq(listener->lpVtbl->Listen(listener, 5), ND_SUCCESS);
	ck_assert_int_eq(listener->lpVtbl->Listen(listener, 5),
			 ND_INVALID_DEVICE_STATE);
	cb = 1;
	ck_assert_int_eq(listener->lpVtbl->GetLocalAddress(
				 listener, (void *)&got, &cb),
			 ND_BUFFER_OVERFLOW);
	ck_assert_uint_eq(cb, sizeof(got));
	ck_assert_int_eq(listener->lpVtbl->GetLocalAddress(
				 listener, (void *)&got, &cb), ND_SUCCESS);
	ck_assert_uint_ge(ntohs(got.sin_port), 49152);	/* it picked one */
	/* nobody else gets that port */
	server.a->lpVtbl->CreateListener(server.a, &IID_IND2Listener,
					 server.file, (VOID **)&second);
	ck_assert_int_eq(second->lpVtbl->Bind(second, (void *)&got,
					      sizeof(got)), ND_SUCCESS);
	ck_assert_int_eq(second->lpVtbl->Listen(second, 0),
			 ND_SHARING_VIOLATION);
	second->lpVtbl->Release(second);
	ck_assert_int_eq(listener->lpVtbl->GetConnectionRequest(
				 listener, (IUnknown *)client.c, &ov),
			 ND_INVALID_PARAMETER_1);	/* not its adapter's */
	ck_assert_int_eq(listener->lpVtbl->GetConnectionRequest(
				 listener, (IUnknown *)server.c, NULL),
			 ND_INVALID_PARAMETER_2);
}
END_TEST

/* Requests that wait end when they are cancelled, or the listener goes */
START_TEST(listener_gives_up)
{
	listen_up();
	ck_assert_int_eq(listener->lpVtbl->GetConnectionRequest(
				 listener, (IUnknown *)server.c, &server.ov),
			 ND_PENDING);
	if (_i) {
		ck_assert_int_eq(listener->lpVtbl->CancelOverlappedRequests(
					 listener), ND_SUCCESS);
	} else {
		ck_assert_uint_eq(listener->lpVtbl->Release(listener), 0);
		listener = NULL;
	}
	ck_assert_int_eq(ended(&server, &server.ov), ND_CANCELED);
}
END_TEST

START_TEST(nobody_listens)
{
	ck_assert_int_eq(connect_to(9, NULL, 0), ND_PENDING);
	ck_assert_int_eq(ended(&client, &client.ov), ND_CONNECTION_REFUSED);
	/* and it may try again */
	listen_up();
	ck_assert_int_eq(connect_to(port, NULL, 0), ND_PENDING);
	ck_assert_int_eq(result(&client, &client.ov), ND_PENDING);
}
END_TEST

/* --- what each end knows of the other -------------------------------------------------- */

START_TEST(private_data_both_ways)
{
	char text[16];
	ULONG cb;

	be_asked("hello");
	/* NULL and 0: how much */
	cb = 0;
	ck_assert_int_eq(private_data(&server, NULL, &cb), ND_BUFFER_OVERFLOW);
	ck_assert_uint_eq(cb, 5);
	/* too small: as much as fits */
	memset(text, '-', sizeof(text));
	cb = 2;
	ck_assert_int_eq(private_data(&server, text, &cb), ND_BUFFER_OVERFLOW);
	ck_assert_uint_eq(cb, 5);
	ck_assert_int_eq(memcmp(text, "he---", 5), 0);
	ck_assert_int_eq(private_data(&server, text, &cb), ND_SUCCESS);
	ck_assert_int_eq(memcmp(text, "hello-", 6), 0);
	cb = sizeof(text);
	ck_assert_int_eq(private_data(&server, text, &cb), ND_SUCCESS);
	ck_assert_uint_eq(cb, 5);
	ck_assert_int_eq(private_data(&server, text, NULL),
			 ND_INVALID_PARAMETER);
	accept_it("welcome", 7);
	ck_assert_int_eq(ended(&client, &client.ov), ND_SUCCESS);
	cb = sizeof(text);
	ck_assert_int_eq(private_data(&client, text, &cb), ND_SUCCESS);
	ck_assert_uint_eq(cb, 7);
	ck_assert_int_eq(memcmp(text, "welcome", 7), 0);
}
END_TEST

START_TEST(limits_and_addresses)
{
	struct sockaddr_in sa;
	ULONG cb = 0, in = 99, out = 99;

	be_asked("x");
	ck_assert_int_eq(server.c->lpVtbl->GetReadLimits(server.c, &in, NULL),
			 ND_SUCCESS);
	ck_assert_uint_eq(in, 5);
	ck_assert_int_eq(server.c->lpVtbl->GetReadLimits(server.c, NULL, &out),
			 ND_SUCCESS);
	ck_assert_uint_eq(out, 3);
	ck_assert_int_eq(server.c->lpVtbl->GetLocalAddress(server.c, NULL,
							   &cb),
			 ND_BUFFER_OVERFLOW);
	ck_assert_uint_eq(cb, sizeof(sa));
	ck_assert_int_eq(server.c->lpVtbl->GetLocalAddress(server.c,
							   (void *)&sa, &cb),
			 ND_SUCCESS);
	ck_assert_uint_eq(ntohs(sa.sin_port), port);
	ck_assert_uint_eq(sa.sin_addr.s_addr, fake_v4(1, 0).sin_addr.s_addr);
	ck_assert_int_eq(accept_it(NULL, 0), ND_PENDING);
	ck_assert_int_eq(ended(&client, &client.ov), ND_SUCCESS);
	cb = sizeof(sa) - 1;
	ck_assert_int_eq(client.c->lpVtbl->GetPeerAddress(client.c,
							  (void *)&sa, &cb),
			 ND_BUFFER_OVERFLOW);
	memset(&sa, 0, sizeof(sa));
	ck_assert_int_eq(client.c->lpVtbl->GetPeerAddress(client.c,
							  (void *)&sa, &cb),
			 ND_SUCCESS);
	ck_assert_uint_eq(ntohs(sa.sin_port), port);
}
END_TEST

START_TEST(rejected_with_data)
{
	char text[16];
	ULONG cb = sizeof(text);

	be_asked("please");
	ck_assert_int_eq(server.c->lpVtbl->Reject(server.c, "no", 2),
			 ND_SUCCESS);
	ck_assert_int_eq(ended(&client, &client.ov), ND_CONNECTION_REFUSED);
	ck_assert_int_eq(private_data(&client, text, &cb), ND_SUCCESS);
	ck_assert_uint_eq(cb, 2);
	ck_assert_int_eq(memcmp(text, "no", 2), 0);
	ck_assert_int_eq(accept_it(NULL, 0), ND_CONNECTION_INVALID);
}
END_TEST

/* The connector of a request that is let go: refused */
START_TEST(released_unanswered)
{
	be_asked("please");
	ck_assert_uint_eq(server.c->lpVtbl->Release(server.c), 0);
	server.c = NULL;
	ck_assert_int_eq(ended(&client, &client.ov), ND_CONNECTION_REFUSED);
}
END_TEST

/* --- the end ---------------------------------------------------------------------------- */

START_TEST(both_disconnect)
{
	IVrdmaConnector *x;
	ULONG reason = 99;

	establish();
	ck_assert_int_eq(notify(&server), ND_PENDING);
	ck_assert_int_eq(result(&server, &server.told), ND_PENDING);
	ck_assert_int_eq(disconnect(&client), ND_PENDING);
	ck_assert_int_eq(result(&client, &client.ov), ND_PENDING);
	ck_assert_int_eq(ended(&server, &server.told), ND_SUCCESS);
	ck_assert_int_eq(server.c->lpVtbl->QueryInterface(
				 server.c, &IID_IVrdmaConnector, (VOID **)&x),
			 S_OK);
	ck_assert_int_eq(x->lpVtbl->GetDisconnectReason(x, NULL),
			 ND_INVALID_PARAMETER);
	ck_assert_int_eq(x->lpVtbl->GetDisconnectReason(x, &reason),
			 ND_SUCCESS);
	ck_assert_uint_eq(reason, VIRTIO_RDMA_R_GRACEFUL);
	x->lpVtbl->Release(x);
	ck_assert_int_eq(disconnect(&server), ND_PENDING);
	ck_assert_int_eq(ended(&client, &client.ov), ND_SUCCESS);
	ck_assert_int_eq(ended(&server, &server.ov), ND_SUCCESS);
	ck_assert_int_eq(disconnect(&server), ND_CONNECTION_INVALID);
}
END_TEST

/* One's own Disconnect ends a NotifyDisconnect that waits */
START_TEST(notify_and_own_disconnect)
{
	establish();
	ck_assert_int_eq(notify(&client), ND_PENDING);
	ck_assert_int_eq(disconnect(&client), ND_PENDING);
	ck_assert_int_eq(ended(&client, &client.told),
			 ND_X_CONNECTION_DISCONNECTED);
	ck_assert_int_eq(disconnect(&server), ND_PENDING);
	ck_assert_int_eq(ended(&client, &client.ov), ND_SUCCESS);
}
END_TEST

START_TEST(notify_cancelled)
{
	establish();
	ck_assert_int_eq(notify(&client), ND_PENDING);
	ck_assert_int_eq(client.c->lpVtbl->CancelOverlappedRequests(client.c),
			 ND_SUCCESS);
	ck_assert_int_eq(ended(&client, &client.told), ND_CANCELED);
	/* the connection is as it was */
	ck_assert_int_eq(notify(&client), ND_PENDING);
	ck_assert_int_eq(disconnect(&server), ND_PENDING);
	ck_assert_int_eq(ended(&client, &client.told), ND_SUCCESS);
}
END_TEST

/* The last Release without a Disconnect: the peer is told, work is flushed */
START_TEST(released_while_connected)
{
	static uint8_t byte;
	ND2_SGE sge = { &byte, 1, 1 };
	ND2_RESULT r;

	establish();
	ck_assert_int_eq(notify(&server), ND_PENDING);
	ck_assert_int_eq(server.qp->lpVtbl->Receive(server.qp, &sge, &sge, 1),
			 ND_SUCCESS);
	ck_assert_uint_eq(client.c->lpVtbl->Release(client.c), 0);
	client.c = NULL;
	ck_assert_int_eq(ended(&server, &server.told), ND_SUCCESS);
	ck_assert(taken(&server, &r));
	ck_assert_int_eq(r.Status, ND_CANCELED);
	ck_assert_ptr_eq(r.RequestContext, &sge);
	ck_assert_ptr_eq(r.QueuePairContext, &server);
}
END_TEST

/* The connector outlives its queue pair, and the other way round */
START_TEST(released_in_either_order)
{
	establish();
	if (_i) {
		client.qp->lpVtbl->AddRef(client.qp);
		ck_assert_uint_eq(client.qp->lpVtbl->Release(client.qp), 1);
		ck_assert_uint_eq(client.qp->lpVtbl->Release(client.qp), 0);
		client.a->lpVtbl->CreateQueuePair(
			client.a, &IID_IND2QueuePair, (IUnknown *)client.cq,
			(IUnknown *)client.cq, NULL, 1, 1, 1, 1, 0,
			(VOID **)&client.qp);
		/* an implicit disconnect: the peer hears of it */
		ck_assert_int_eq(notify(&server), ND_PENDING);
		ck_assert_int_eq(ended(&server, &server.told), ND_SUCCESS);
	}
	ck_assert_uint_eq(client.c->lpVtbl->Release(client.c), 0);
	client.c = NULL;
}
END_TEST

int main(void)
{
	Suite *s = suite_create("ndspi_connector");
	TCase *t = tcase_create("connector");
	SRunner *r;
	int failed;

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, never_connected);
	tcase_add_test(t, arguments);
	tcase_add_test(t, bound_once);
	tcase_add_test(t, listening);
	tcase_add_loop_test(t, listener_gives_up, 0, 2);
	tcase_add_test(t, nobody_listens);
	tcase_add_test(t, private_data_both_ways);
	tcase_add_test(t, limits_and_addresses);
	tcase_add_test(t, rejected_with_data);
	tcase_add_test(t, released_unanswered);
	tcase_add_test(t, both_disconnect);
	tcase_add_test(t, notify_and_own_disconnect);
	tcase_add_test(t, notify_cancelled);
	tcase_add_test(t, released_while_connected);
	tcase_add_loop_test(t, released_in_either_order, 0, 2);
	suite_add_tcase(s, t);
	r = srunner_create(s);
	srunner_run_all(r, CK_ENV);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed != 0;
}
