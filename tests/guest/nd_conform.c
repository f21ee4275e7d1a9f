// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * nd_conform.c - the disconnect scheme through IND2Connector, memory windows
 * through IND2QueuePair, shared receive queues, and completion queues that are
 * resized, in a guest
 *
 * Both ends are in this process, connected through the device.  What NDSPI has
 * beside NDK is the subject: NotifyDisconnect as a request, its cancelling, and
 * the flush behind the indication; requests that a process posts by itself for
 * objects that the kernel made.
 *
 * usage: nd_conform ADDRESS      one of the device's, see nd_info
 *
 * On Linux a refusal comes at once, on Windows in the completion: both are taken.
 *
 * One line a case; the last is "N passed, N failed".
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "nd_vrdma.h"
#include "ndstatus.h"
#include "ndutil.h"
#include "tool.h"
#include "tool_os.h"

#define TIMEOUT_S 20.0
#define BYTES 4096

const char *tool_name = "nd_conform";

static IND2Adapter *adapter;
static HANDLE file;
static struct sockaddr_storage address;
static ULONG address_len;
static int passed, failed;
static const char *why;		/* the running case failed: first reason */
static char why_text[256];

#define EXPECT(got, want)                                                      \
	do {                                                                   \
		HRESULT got_ = (got), want_ = (want);                          \
		if (got_ != want_ && !why) {                                   \
			snprintf(why_text, sizeof(why_text),                   \
				 "line %d: %s: %s, not %s", __LINE__, #got,    \
				 say(got_, 0), say(want_, 1));                 \
			why = why_text;                                        \
		}                                                              \
	} while (0)

static const char *say(HRESULT hr, int which)
{
	static char text[2][64];

	snprintf(text[which], sizeof(text[0]), "%s", tool_status(hr));
	return text[which];
}

/* --- one side ------------------------------------------------------------------ */

struct side {
	IND2CompletionQueue *cq;
	IND2QueuePair *qp;
	IND2MemoryRegion *mr;
	IND2Connector *conn;
	OVERLAPPED request, notify, disconnect;
	char memory[BYTES];
};

static struct side a, b;
static IND2Listener *listener;

static HRESULT result(void *obj, OVERLAPPED *ov)
{
	IND2Overlapped *o = obj;

	return o->lpVtbl->GetOverlappedResult(o, ov, FALSE);
}

/* What a call that returned `first` came to, within bounds */
static HRESULT ended(void *obj, OVERLAPPED *ov, HRESULT first)
{
	double end = tool_now() + TIMEOUT_S;
	HRESULT hr = first;

	while (hr == ND_PENDING && tool_now() < end) {
		hr = result(obj, ov);
		if (hr == ND_PENDING)
			tool_sleep_on(file, 1);
	}
	return hr;
}

static HRESULT start_disconnect(struct side *s)
{
	return s->conn->lpVtbl->Disconnect(s->conn, &s->disconnect);
}

static HRESULT start_notify(struct side *s)
{
	return s->conn->lpVtbl->NotifyDisconnect(s->conn, &s->notify);
}

static HRESULT end_disconnect(struct side *s, HRESULT first)
{
	return ended(s->conn, &s->disconnect, first);
}

static HRESULT end_notify(struct side *s)
{
	return ended(s->conn, &s->notify, ND_PENDING);
}

static HRESULT receive(struct side *s)
{
	ND2_SGE sge = { .Buffer = s->memory, .BufferLength = 64,
			.MemoryRegionToken =
				s->mr->lpVtbl->GetLocalToken(s->mr) };

	return s->qp->lpVtbl->Receive(s->qp, s, &sge, 1);
}

/* Status of the next completion; ND_PENDING: none came */
static HRESULT next(struct side *s, double seconds)
{
	double end = tool_now() + seconds;
	ND2_RESULT r;

	do {
		if (s->cq->lpVtbl->GetResults(s->cq, &r, 1))
			return r.Status;
	} while (tool_now() < end);
	return ND_PENDING;
}

static HRESULT new_connector(struct side *s)
{
	return adapter->lpVtbl->CreateConnector(adapter, &IID_IND2Connector,
						file, (VOID **)&s->conn);
}

static void open_side(struct side *s)
{
	OVERLAPPED ov = { 0 };
	HRESULT hr;

	memset(s, 0, sizeof(*s));
	hr = adapter->lpVtbl->CreateCompletionQueue(
		adapter, &IID_IND2CompletionQueue, file, 16, 0, 0,
		(VOID **)&s->cq);
	EXPECT(hr, ND_SUCCESS);
	hr = adapter->lpVtbl->CreateQueuePair(
		adapter, &IID_IND2QueuePair, (IUnknown *)s->cq,
		(IUnknown *)s->cq, s, 4, 4, 1, 1, 0, (VOID **)&s->qp);
	EXPECT(hr, ND_SUCCESS);
	hr = adapter->lpVtbl->CreateMemoryRegion(
		adapter, &IID_IND2MemoryRegion, file, (VOID **)&s->mr);
	EXPECT(hr, ND_SUCCESS);
	hr = s->mr->lpVtbl->Register(s->mr, s->memory, BYTES,
				     ND_MR_FLAG_ALLOW_LOCAL_WRITE, &ov);
	EXPECT(ended(s->mr, &ov, hr), ND_SUCCESS);
	EXPECT(new_connector(s), ND_SUCCESS);
}

#define RELEASE(x)                                                             \
	do {                                                                   \
		if (x)                                                         \
			(x)->lpVtbl->Release(x);                               \
		(x) = NULL;                                                    \
	} while (0)

static void close_side(struct side *s)
{
	OVERLAPPED ov = { 0 };

	RELEASE(s->conn);
	RELEASE(s->qp);
	if (s->mr)
		ended(s->mr, &ov, s->mr->lpVtbl->Deregister(s->mr, &ov));
	RELEASE(s->mr);
	RELEASE(s->cq);
}

static void connect_them(void)
{
	struct sockaddr_storage to = address;
	OVERLAPPED get = { 0 };
	ULONG len = sizeof(to);
	HRESULT con, acc, hr;

	hr = adapter->lpVtbl->CreateListener(adapter, &IID_IND2Listener, file,
					     (VOID **)&listener);
	EXPECT(hr, ND_SUCCESS);
	EXPECT(listener->lpVtbl->Bind(listener, (struct sockaddr *)&address,
				      address_len), ND_SUCCESS);
	EXPECT(listener->lpVtbl->Listen(listener, 4), ND_SUCCESS);
	EXPECT(listener->lpVtbl->GetLocalAddress(
		       listener, (struct sockaddr *)&to, &len), ND_SUCCESS);
	hr = listener->lpVtbl->GetConnectionRequest(
		listener, (IUnknown *)b.conn, &get);
	EXPECT(a.conn->lpVtbl->Bind(a.conn, (struct sockaddr *)&address,
				    address_len), ND_SUCCESS);
	con = a.conn->lpVtbl->Connect(a.conn, (IUnknown *)a.qp,
				      (struct sockaddr *)&to, len, 1, 1, NULL,
				      0, &a.request);
	EXPECT(ended(listener, &get, hr), ND_SUCCESS);
	acc = b.conn->lpVtbl->Accept(b.conn, (IUnknown *)b.qp, 1, 1, NULL, 0,
				     &b.request);
	EXPECT(ended(a.conn, &a.request, con), ND_SUCCESS);
	con = a.conn->lpVtbl->CompleteConnect(a.conn, &a.request);
	EXPECT(ended(a.conn, &a.request, con), ND_SUCCESS);
	EXPECT(ended(b.conn, &b.request, acc), ND_SUCCESS);
}

/* --- cases ------------------------------------------------------------------------ */

static void never_connected(void)
{
	EXPECT(end_disconnect(&a, start_disconnect(&a)), ND_CONNECTION_INVALID);
	EXPECT(ended(a.conn, &a.notify, start_notify(&a)),
	       ND_CONNECTION_INVALID);
	EXPECT(ended(a.conn, &a.request,
		     a.conn->lpVtbl->CompleteConnect(a.conn, &a.request)),
	       ND_CONNECTION_INVALID);
}

/* A pends until B calls; what waits for an indication at A ends; B is told and
 * flushed without doing anything */
static void pends_until_the_peer(void)
{
	HRESULT da, db;

	connect_them();
	EXPECT(receive(&a), ND_SUCCESS);
	EXPECT(receive(&b), ND_SUCCESS);
	EXPECT(start_notify(&a), ND_PENDING);
	EXPECT(start_notify(&b), ND_PENDING);
	da = start_disconnect(&a);
	EXPECT(da, ND_PENDING);
	EXPECT(end_notify(&a), ND_X_CONNECTION_DISCONNECTED);
	EXPECT(end_notify(&b), ND_SUCCESS);
	EXPECT(next(&b, TIMEOUT_S), ND_CANCELED);
	EXPECT(next(&a, TIMEOUT_S), ND_CANCELED);
	EXPECT(result(a.conn, &a.disconnect), ND_PENDING);
	EXPECT(ended(a.conn, &a.notify, start_notify(&a)),
	       ND_X_CONNECTION_DISCONNECTED);
	/* told already: says so, each time */
	EXPECT(ended(b.conn, &b.notify, start_notify(&b)), ND_SUCCESS);
	db = start_disconnect(&b);
	EXPECT(end_disconnect(&b, db), ND_SUCCESS);
	EXPECT(end_disconnect(&a, da), ND_SUCCESS);
	EXPECT(next(&a, 0), ND_PENDING);
	EXPECT(next(&b, 0), ND_PENDING);
}

static void disconnect_twice(void)
{
	OVERLAPPED second = { 0 };
	HRESULT da, db;

	connect_them();
	da = start_disconnect(&a);
	EXPECT(da, ND_PENDING);
	EXPECT(ended(a.conn, &second,
		     a.conn->lpVtbl->Disconnect(a.conn, &second)),
	       ND_INVALID_DEVICE_STATE);
	db = start_disconnect(&b);
	EXPECT(end_disconnect(&b, db), ND_SUCCESS);
	EXPECT(end_disconnect(&a, da), ND_SUCCESS);
	EXPECT(end_disconnect(&a, start_disconnect(&a)), ND_CONNECTION_INVALID);
	/* D8, and posts end cancelled */
	EXPECT(ended(a.conn, &a.request,
		     a.conn->lpVtbl->Connect(a.conn, (IUnknown *)a.qp,
					     (struct sockaddr *)&address,
					     address_len, 1, 1, NULL, 0,
					     &a.request)),
	       ND_CONNECTION_INVALID);
	EXPECT(a.conn->lpVtbl->Bind(a.conn, (struct sockaddr *)&address,
				    address_len),
	       ND_X_ADDRESS_ALREADY_ASSOCIATED);
	EXPECT(receive(&a), ND_SUCCESS);
	EXPECT(next(&a, TIMEOUT_S), ND_CANCELED);
}

static void crossing(void)
{
	HRESULT da, db;

	connect_them();
	da = start_disconnect(&a);
	db = start_disconnect(&b);
	EXPECT(end_disconnect(&a, da), ND_SUCCESS);
	EXPECT(end_disconnect(&b, db), ND_SUCCESS);
}

/* A cancelled NotifyDisconnect leaves no trace; a cancelled Disconnect ends it */
static void cancelled(void)
{
	HRESULT da, db;

	connect_them();
	EXPECT(start_notify(&a), ND_PENDING);
	EXPECT(a.conn->lpVtbl->CancelOverlappedRequests(a.conn), ND_SUCCESS);
	EXPECT(end_notify(&a), ND_CANCELED);
	EXPECT(start_notify(&b), ND_PENDING);
	EXPECT(receive(&b), ND_SUCCESS);
	EXPECT(next(&b, 0.05), ND_PENDING);	/* it lives */
	da = start_disconnect(&a);
	EXPECT(da, ND_PENDING);
	EXPECT(a.conn->lpVtbl->CancelOverlappedRequests(a.conn), ND_SUCCESS);
	EXPECT(end_disconnect(&a, da), ND_CANCELED);
	EXPECT(end_notify(&b), ND_SUCCESS);
	EXPECT(next(&b, TIMEOUT_S), ND_CANCELED);
	db = start_disconnect(&b);
	EXPECT(end_disconnect(&b, db), ND_SUCCESS);	/* A's word had come */
	EXPECT(end_disconnect(&a, start_disconnect(&a)), ND_CONNECTION_INVALID);
}

/* The last Release of a connected connector is an abrupt end */
static void released(void)
{
	HRESULT da;

	connect_them();
	EXPECT(receive(&a), ND_SUCCESS);
	EXPECT(start_notify(&a), ND_PENDING);
	RELEASE(b.conn);
	EXPECT(end_notify(&a), ND_SUCCESS);
	EXPECT(next(&a, TIMEOUT_S), ND_CANCELED);
	da = start_disconnect(&a);
	EXPECT(end_disconnect(&a, da), ND_CONNECTION_ABORTED);
}

static void released_while_awaited(void)
{
	HRESULT da;

	connect_them();
	da = start_disconnect(&a);
	EXPECT(da, ND_PENDING);
	RELEASE(b.conn);
	EXPECT(end_disconnect(&a, da), ND_SUCCESS);
}

/* --- windows: B has one, A uses it ----------------------------------------------- */

static IND2MemoryWindow *window;

static HRESULT make_window(void)
{
	return adapter->lpVtbl->CreateMemoryWindow(
		adapter, &IID_IND2MemoryWindow, (VOID **)&window);
}

/* Bytes 1024 to 2047 */
static HRESULT bind_window(ULONG flags)
{
	HRESULT hr = b.qp->lpVtbl->Bind(b.qp, &window, (IUnknown *)b.mr,
					(IUnknown *)window, b.memory + 1024,
					1024, flags);

	return hr == ND_SUCCESS ? next(&b, TIMEOUT_S) : hr;
}

static HRESULT invalidate_window(void)
{
	HRESULT hr = b.qp->lpVtbl->Invalidate(b.qp, &window,
					      (IUnknown *)window, 0);

	return hr == ND_SUCCESS ? next(&b, TIMEOUT_S) : hr;
}

static HRESULT write_to_b(size_t at, ULONG len, UINT32 token)
{
	ND2_SGE sge = { .Buffer = a.memory, .BufferLength = len,
			.MemoryRegionToken =
				a.mr->lpVtbl->GetLocalToken(a.mr) };
	HRESULT hr = a.qp->lpVtbl->Write(a.qp, &a, &sge, 1,
					 (uintptr_t)(b.memory + at), token, 0);

	return hr == ND_SUCCESS ? next(&a, TIMEOUT_S) : hr;
}

static HRESULT deregister(struct side *s)
{
	OVERLAPPED ov = { 0 };

	return ended(s->mr, &ov, s->mr->lpVtbl->Deregister(s->mr, &ov));
}

static UINT32 window_token(void)
{
	return window->lpVtbl->GetRemoteToken(window);
}

static void windows_lend_memory(void)
{
	UINT32 old;

	connect_them();
	EXPECT(make_window(), ND_SUCCESS);
	memset(a.memory, 'w', BYTES);
	EXPECT(bind_window(ND_OP_FLAG_ALLOW_WRITE), ND_SUCCESS);
	old = window_token();
	EXPECT(write_to_b(1024, 1024, old), ND_SUCCESS);
	EXPECT(memcmp(b.memory + 1024, a.memory, 1024), 0);
	EXPECT(b.memory[1023] | b.memory[2048], 0);
	EXPECT(deregister(&b), ND_DEVICE_BUSY);
	EXPECT(invalidate_window(), ND_SUCCESS);
	EXPECT(bind_window(ND_OP_FLAG_ALLOW_WRITE), ND_SUCCESS);
	EXPECT(window_token() == old, 0);
	EXPECT(write_to_b(1024, 8, window_token()), ND_SUCCESS);
	EXPECT(write_to_b(1024, 8, old), ND_ACCESS_VIOLATION);
	RELEASE(window);
	EXPECT(deregister(&b), ND_SUCCESS);
}

static void windows_have_borders(void)
{
	connect_them();
	EXPECT(make_window(), ND_SUCCESS);
	EXPECT(bind_window(ND_OP_FLAG_ALLOW_WRITE), ND_SUCCESS);
	EXPECT(write_to_b(2047, 2, window_token()), ND_ACCESS_VIOLATION);
	EXPECT(b.memory[2047], 0);
	RELEASE(window);
}

static void windows_given_back(void)
{
	ND2_SGE sge = { .Buffer = a.memory, .BufferLength = 8,
			.MemoryRegionToken =
				a.mr->lpVtbl->GetLocalToken(a.mr) };
	IVrdmaQueuePair *extra = NULL;

	connect_them();
	EXPECT(make_window(), ND_SUCCESS);
	EXPECT(bind_window(ND_OP_FLAG_ALLOW_WRITE), ND_SUCCESS);
	EXPECT(receive(&b), ND_SUCCESS);
	EXPECT(a.qp->lpVtbl->QueryInterface(a.qp, &IID_IVrdmaQueuePair,
					    (VOID **)&extra), S_OK);
	EXPECT(extra->lpVtbl->SendAndInvalidate(extra, &a, &sge, 1, 0,
						window_token()), ND_SUCCESS);
	EXPECT(next(&b, TIMEOUT_S), ND_SUCCESS);
	EXPECT(next(&a, TIMEOUT_S), ND_SUCCESS);
	RELEASE(extra);
	/* what is given back holds nothing, and is nothing to invalidate */
	EXPECT(deregister(&b), ND_SUCCESS);
	EXPECT(invalidate_window(), ND_ACCESS_VIOLATION);
	RELEASE(window);
}

/* The region first, while the window is bound: no call waits, and all is gone
 * when the window is (the module unloads afterwards) */
static void windows_outlive_regions(void)
{
	connect_them();
	EXPECT(make_window(), ND_SUCCESS);
	EXPECT(bind_window(ND_OP_FLAG_ALLOW_WRITE), ND_SUCCESS);
	RELEASE(b.mr);
	EXPECT(write_to_b(1024, 8, window_token()), ND_SUCCESS);
	RELEASE(window);
}

/* --- one receive queue for both -------------------------------------------------- */

static IND2SharedReceiveQueue *shared;

static HRESULT new_shared_qp(struct side *s)
{
	RELEASE(s->qp);
	return adapter->lpVtbl->CreateQueuePairWithSrq(
		adapter, &IID_IND2QueuePair, (IUnknown *)s->cq,
		(IUnknown *)s->cq, (IUnknown *)shared, s, 4, 1, 0,
		(VOID **)&s->qp);
}

/* 64 bytes into A's memory */
static HRESULT receive_shared(ULONG at)
{
	ND2_SGE sge = { .Buffer = a.memory + at, .BufferLength = 64,
			.MemoryRegionToken =
				a.mr->lpVtbl->GetLocalToken(a.mr) };

	return shared->lpVtbl->Receive(shared, a.memory + at, &sge, 1);
}

static HRESULT send_from(struct side *s, struct side *to)
{
	ND2_SGE sge = { .Buffer = s->memory + 2048, .BufferLength = 64,
			.MemoryRegionToken =
				s->mr->lpVtbl->GetLocalToken(s->mr) };
	HRESULT hr = s->qp->lpVtbl->Send(s->qp, s, &sge, 1, 0);

	if (hr == ND_SUCCESS)
		hr = next(s, TIMEOUT_S);
	return hr == ND_SUCCESS ? next(to, TIMEOUT_S) : hr;
}

static void share(void)
{
	HRESULT hr = adapter->lpVtbl->CreateSharedReceiveQueue(
		adapter, &IID_IND2SharedReceiveQueue, file, 4, 1, 2, 0, 0,
		(VOID **)&shared);

	EXPECT(hr, ND_SUCCESS);
	EXPECT(new_shared_qp(&a), ND_SUCCESS);
	EXPECT(new_shared_qp(&b), ND_SUCCESS);
	EXPECT(receive(&a), ND_INVALID_DEVICE_REQUEST);
	connect_them();
}

/* In the order in which they were posted, whoever needs them; one end leaves
 * alone what nobody took */
static void shared_receives(void)
{
	OVERLAPPED low = { 0 };
	HRESULT da;

	share();
	memset(a.memory + 2048, 'a', 64);
	memset(b.memory + 2048, 'b', 64);
	for (ULONG i = 0; i < 4; i++)
		EXPECT(receive_shared(64 * i), ND_SUCCESS);
	EXPECT(receive_shared(0), ND_NO_MORE_ENTRIES);
	EXPECT(shared->lpVtbl->Notify(shared, &low), ND_PENDING);
	EXPECT(send_from(&a, &b), ND_SUCCESS);
	EXPECT(send_from(&b, &a), ND_SUCCESS);
	EXPECT(result(shared, &low), ND_PENDING);
	EXPECT(send_from(&a, &b), ND_SUCCESS);
	EXPECT(ended(shared, &low, ND_PENDING), ND_SUCCESS);
	EXPECT(memcmp(a.memory, a.memory + 2048, 64), 0);
	EXPECT(memcmp(a.memory + 64, b.memory + 2048, 64), 0);
	EXPECT(memcmp(a.memory + 128, a.memory + 2048, 64), 0);
	EXPECT(start_notify(&a), ND_PENDING);
	RELEASE(b.conn);
	EXPECT(end_notify(&a), ND_SUCCESS);
	da = start_disconnect(&a);
	EXPECT(end_disconnect(&a, da), ND_CONNECTION_ABORTED);
	EXPECT(next(&a, 0.05), ND_PENDING);
	EXPECT(next(&b, 0), ND_PENDING);
	RELEASE(shared);	/* the queue pairs hold it */
}

static void shared_and_resized(void)
{
	OVERLAPPED low = { 0 };

	share();
	memset(a.memory + 2048, 'r', 64);
	EXPECT(receive_shared(0), ND_SUCCESS);
	EXPECT(shared->lpVtbl->Modify(shared, 16, 0), ND_SUCCESS);
	for (ULONG i = 1; i < 16; i++)
		EXPECT(receive_shared(64 * i), ND_SUCCESS);
	EXPECT(receive_shared(0), ND_NO_MORE_ENTRIES);
	EXPECT(shared->lpVtbl->Modify(shared, 8, 0), ND_BUFFER_OVERFLOW);
	for (ULONG i = 0; i < 16; i++) {
		EXPECT(send_from(&a, &b), ND_SUCCESS);
		EXPECT(memcmp(a.memory + 64 * i, a.memory + 2048, 64), 0);
	}
	EXPECT(shared->lpVtbl->Notify(shared, &low), ND_PENDING);
	EXPECT(ended(shared, &low, ND_PENDING), ND_SUCCESS);	/* at once */
	EXPECT(shared->lpVtbl->Modify(shared, 2, 0), ND_SUCCESS);
	EXPECT(receive_shared(1024), ND_SUCCESS);
	EXPECT(send_from(&b, &a), ND_SUCCESS);
	RELEASE(shared);
}

static HRESULT say_to_a(void)
{
	ND2_SGE sge = { .Buffer = b.memory + 2048, .BufferLength = 64,
			.MemoryRegionToken =
				b.mr->lpVtbl->GetLocalToken(b.mr) };
	HRESULT hr = b.qp->lpVtbl->Send(b.qp, &b, &sge, 1, 0);

	return hr == ND_SUCCESS ? next(&b, TIMEOUT_S) : hr;
}

/* With completions queued and a Notify pending, more and fewer */
static void completions_resized(void)
{
	IND2CompletionQueue *cq = a.cq;
	OVERLAPPED ov = { 0 };

	connect_them();
	EXPECT(cq->lpVtbl->Resize(cq, 0), ND_INVALID_PARAMETER);
	EXPECT(cq->lpVtbl->Resize(cq, ~0u), ND_INVALID_PARAMETER);
	for (ULONG depth = 1024; depth >= 2 && !why; depth /= 8) {
		for (int i = 0; i < 2; i++) {
			EXPECT(receive(&a), ND_SUCCESS);
			EXPECT(say_to_a(), ND_SUCCESS);
		}
		EXPECT(cq->lpVtbl->Resize(cq, depth), ND_SUCCESS);
		EXPECT(next(&a, TIMEOUT_S), ND_SUCCESS);
		EXPECT(next(&a, TIMEOUT_S), ND_SUCCESS);
		EXPECT(next(&a, 0), ND_PENDING);
		EXPECT(cq->lpVtbl->Notify(cq, ND_CQ_NOTIFY_ANY, &ov),
		       ND_PENDING);
		EXPECT(cq->lpVtbl->Resize(cq, 2 * depth), ND_SUCCESS);
		EXPECT(result(cq, &ov), ND_PENDING);
		EXPECT(receive(&a), ND_SUCCESS);
		EXPECT(say_to_a(), ND_SUCCESS);
		EXPECT(ended(cq, &ov, ND_PENDING), ND_SUCCESS);
		EXPECT(next(&a, TIMEOUT_S), ND_SUCCESS);
	}
}

static const struct {
	const char *name;
	void (*run)(void);
} cases[] = {
	{ "never-connected", never_connected },
	{ "pends-until-the-peer", pends_until_the_peer },
	{ "disconnect-twice", disconnect_twice },
	{ "crossing", crossing },
	{ "cancelled", cancelled },
	{ "released", released },
	{ "released-while-awaited", released_while_awaited },
	{ "windows-lend-memory", windows_lend_memory },
	{ "windows-have-borders", windows_have_borders },
	{ "windows-given-back", windows_given_back },
	{ "windows-outlive-regions", windows_outlive_regions },
	{ "shared-receives", shared_receives },
	{ "shared-and-resized", shared_and_resized },
	{ "completions-resized", completions_resized },
};
#define CASES (sizeof(cases) / sizeof(cases[0]))

static void run_case(size_t i)
{
	why = NULL;
	open_side(&a);
	open_side(&b);
	if (!why)
		cases[i].run();
	close_side(&a);
	close_side(&b);
	RELEASE(listener);
	passed += !why;
	failed += !!why;
	printf("%s %s%s%s\n", why ? "FAIL" : "ok  ", cases[i].name,
	       why ? ": " : "", why ? why : "");
	fflush(stdout);
}

static bool open_all(void)
{
	return NdStartup() == ND_SUCCESS &&
	       NdOpenV2Adapter((struct sockaddr *)&address, address_len,
			       &adapter) == ND_SUCCESS &&
	       adapter->lpVtbl->CreateOverlappedFile(adapter, &file) ==
		       ND_SUCCESS;
}

static void close_all(void)
{
	adapter->lpVtbl->Release(adapter);
	CloseHandle(file);
	NdCleanup();
}

int main(int argc, char **argv)
{
	if (argc != 2 || !tool_parse_addr(argv[1], &address, &address_len)) {
		fputs("usage: nd_conform ADDRESS\n", stderr);
		return EXIT_USAGE;
	}
	if (!open_all()) {
		tool_error("no adapter has %s; nd_info tells which there are",
			   argv[1]);
		return EXIT_FAILED;
	}
	for (size_t i = 0; i < CASES; i++)
		run_case(i);
	close_all();
	printf("%d passed, %d failed\n", passed, failed);
	return failed ? EXIT_FAILED : EXIT_OK;
}
