// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * nd_irp.c - overlapped requests as Windows programs make them
 *
 * usage: nd_irp ADDRESS         one of the device's
 *        nd_irp ADDRESS hold    listens at port 7000 with requests pending, says
 *                               "holding" and stays: to be killed
 *        nd_irp ADDRESS again   port 7000 is free, or becomes so
 *
 * Completion ports and events, any status and any thread, cancelling one request
 * and all, closing a file under its requests, a disconnect with a thousand requests
 * out, connections in a loop from several threads.  One line a case; the last is "N
 * passed, N failed".
 */
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "nd_vrdma.h"
#include "ndstatus.h"
#include "ndutil.h"
#include "tool.h"

#define WAIT_MS		20000
#define HELD_PORT	7000

const char *tool_name = "nd_irp";

static IND2Adapter *adapter;
static struct sockaddr_storage address;
static ULONG address_len;
static int passed, failed;
static volatile LONG failures;
static char why[256];

static void fail(int line, const char *what, HRESULT got, HRESULT want)
{
	if (InterlockedIncrement(&failures) == 1)
		snprintf(why, sizeof(why), "line %d: %s: %08x, not %08x", line,
			 what, (unsigned)got, (unsigned)want);
}

#define EXPECT(got, want)						\
	do {								\
		HRESULT got_ = (HRESULT)(got), want_ = (HRESULT)(want);	\
		if (got_ != want_)					\
			fail(__LINE__, #got, got_, want_);		\
	} while (0)

#define RELEASE(x)				\
	do {					\
		if (x)				\
			(x)->lpVtbl->Release(x);\
		(x) = NULL;			\
	} while (0)

/* --- a file with its port ------------------------------------------------------------ */

struct file {
	HANDLE handle;
	HANDLE port;
};

#define KEY 0x5eed

static struct file open_file(void)
{
	struct file f = { 0 };

	EXPECT(adapter->lpVtbl->CreateOverlappedFile(adapter, &f.handle),
	       ND_SUCCESS);
	f.port = CreateIoCompletionPort(f.handle, NULL, KEY, 0);
	EXPECT(f.port != NULL, true);
	return f;
}

static void close_file(struct file *f)
{
	CloseHandle(f->handle);
	CloseHandle(f->port);
}

/* The next packet's request, or NULL; *ok: what the call returned */
static OVERLAPPED *packet(struct file *f, DWORD ms, BOOL *ok)
{
	OVERLAPPED *ov = NULL;
	ULONG_PTR key = 0;
	DWORD bytes = 0;
	BOOL r = GetQueuedCompletionStatus(f->port, &bytes, &key, &ov, ms);

	if (ok)
		*ok = r;
	if (ov)
		EXPECT(key, KEY);
	return ov;
}

static HRESULT result(void *obj, OVERLAPPED *ov, BOOL wait)
{
	IND2Overlapped *o = obj;

	return o->lpVtbl->GetOverlappedResult(o, ov, wait);
}

/* The packet of this request and no other, and what it says */
static HRESULT ends(struct file *f, void *obj, OVERLAPPED *ov, HRESULT first)
{
	BOOL ok;

	EXPECT(first, ND_PENDING);
	if (first != ND_PENDING)
		return first;
	EXPECT(packet(f, WAIT_MS, &ok) == ov, true);
	EXPECT(ok, !FAILED((HRESULT)ov->Internal));
	return result(obj, ov, FALSE);
}

static IND2Connector *new_connector(struct file *f)
{
	IND2Connector *c = NULL;

	EXPECT(adapter->lpVtbl->CreateConnector(adapter, &IID_IND2Connector,
						f->handle, (VOID **)&c),
	       ND_SUCCESS);
	return c;
}

static struct sockaddr_storage at_port(uint16_t port)
{
	struct sockaddr_storage a = address;

	tool_set_port(&a, port);
	return a;
}

static HRESULT listen_at(struct file *f, uint16_t port, IND2Listener **out,
			 struct sockaddr_storage *where)
{
	struct sockaddr_storage a = at_port(port);
	ULONG cb = sizeof(*where);
	IND2Listener *l = NULL;
	HRESULT hr;

	hr = adapter->lpVtbl->CreateListener(adapter, &IID_IND2Listener,
					     f->handle, (VOID **)&l);
	if (hr == ND_SUCCESS)
		hr = l->lpVtbl->Bind(l, (struct sockaddr *)&a, address_len);
	if (hr == ND_SUCCESS)
		hr = l->lpVtbl->Listen(l, 0);
	if (hr == ND_SUCCESS)
		hr = l->lpVtbl->GetLocalAddress(l, (struct sockaddr *)where,
						&cb);
	if (hr != ND_SUCCESS)
		RELEASE(l);
	*out = l;
	return hr;
}

/* --- statuses ------------------------------------------------------------------------ */

/* Failures at once come by the port as well: a program has one road only */
static void refusals_by_the_port(void)
{
	struct file f = open_file();
	IND2Connector *c = new_connector(&f);
	OVERLAPPED ov = { 0 };

	EXPECT(ends(&f, c, &ov, c->lpVtbl->NotifyDisconnect(c, &ov)),
	       ND_CONNECTION_INVALID);
	EXPECT(ends(&f, c, &ov, c->lpVtbl->Disconnect(c, &ov)),
	       ND_CONNECTION_INVALID);
	EXPECT(ends(&f, c, &ov, c->lpVtbl->CompleteConnect(c, &ov)),
	       ND_CONNECTION_INVALID);
	RELEASE(c);
	close_file(&f);
}

static void by_an_event_alone(void)
{
	struct file f = open_file();
	IND2Connector *c = new_connector(&f);
	HANDLE event = CreateEventA(NULL, TRUE, FALSE, NULL);
	OVERLAPPED ov = { .hEvent = (HANDLE)((ULONG_PTR)event | 1) };

	EXPECT(c->lpVtbl->NotifyDisconnect(c, &ov), ND_PENDING);
	EXPECT(WaitForSingleObject(event, WAIT_MS), WAIT_OBJECT_0);
	EXPECT(result(c, &ov, FALSE), ND_CONNECTION_INVALID);
	EXPECT(packet(&f, 0, NULL) == NULL, true);
	/* and with the plain handle: both */
	ov.hEvent = event;
	ResetEvent(event);
	EXPECT(c->lpVtbl->NotifyDisconnect(c, &ov), ND_PENDING);
	EXPECT(WaitForSingleObject(event, WAIT_MS), WAIT_OBJECT_0);
	EXPECT(packet(&f, WAIT_MS, NULL) == &ov, true);
	CloseHandle(event);
	RELEASE(c);
	close_file(&f);
}

/* --- requests that wait ---------------------------------------------------------------- */

#define MANY 100

struct crowd {
	struct file f;
	IND2Listener *l;
	struct sockaddr_storage where;
	IND2Connector *c[MANY];
	OVERLAPPED ov[MANY];
};

static void crowd_wait(struct crowd *w)
{
	int i;

	memset(w, 0, sizeof(*w));
	w->f = open_file();
	EXPECT(listen_at(&w->f, 0, &w->l, &w->where), ND_SUCCESS);
	for (i = 0; w->l && i < MANY; i++) {
		w->c[i] = new_connector(&w->f);
		EXPECT(w->l->lpVtbl->GetConnectionRequest(
			       w->l, (IUnknown *)w->c[i], &w->ov[i]),
		       ND_PENDING);
	}
}

static void crowd_go(struct crowd *w)
{
	int i;

	for (i = 0; i < MANY; i++)
		RELEASE(w->c[i]);
	RELEASE(w->l);
}

/* How many packets are there, each a request's own, cancelled, once */
static int cancelled_packets(struct crowd *w, DWORD ms)
{
	bool seen[MANY] = { 0 };
	OVERLAPPED *ov;
	int n = 0;

	while (n < MANY && (ov = packet(&w->f, ms, NULL))) {
		ptrdiff_t i = ov - w->ov;

		EXPECT(i >= 0 && i < MANY && !seen[i], true);
		if (i < 0 || i >= MANY)
			break;
		seen[i] = true;
		EXPECT(ov->Internal, ND_CANCELED);
		n++;
	}
	return n;
}

static void cancel_one(void)
{
	static struct crowd w;
	int i = MANY / 2;

	crowd_wait(&w);
	EXPECT(CancelIoEx(w.f.handle, &w.ov[i]), TRUE);
	EXPECT(packet(&w.f, WAIT_MS, NULL) == &w.ov[i], true);
	EXPECT(result(w.l, &w.ov[i], FALSE), ND_CANCELED);
	EXPECT(packet(&w.f, 50, NULL) == NULL, true);
	/* its connector is free for another */
	EXPECT(w.l->lpVtbl->GetConnectionRequest(w.l, (IUnknown *)w.c[i],
						 &w.ov[i]), ND_PENDING);
	EXPECT(CancelIoEx(w.f.handle, NULL), TRUE);
	EXPECT(cancelled_packets(&w, WAIT_MS), MANY);
	crowd_go(&w);
	close_file(&w.f);
}

/* All packets are in the port when the call returns */
static void cancel_all(void)
{
	static struct crowd w;

	crowd_wait(&w);
	EXPECT(w.l->lpVtbl->CancelOverlappedRequests(w.l), ND_SUCCESS);
	EXPECT(cancelled_packets(&w, 0), MANY);
	EXPECT(w.l->lpVtbl->CancelOverlappedRequests(w.l), ND_SUCCESS);
	crowd_go(&w);
	close_file(&w.f);
}

static void released_under_requests(void)
{
	static struct crowd w;

	crowd_wait(&w);
	RELEASE(w.l);
	EXPECT(cancelled_packets(&w, WAIT_MS), MANY);
	crowd_go(&w);
	close_file(&w.f);
}

static void closed_under_requests(void)
{
	static struct crowd w;

	crowd_wait(&w);
	CloseHandle(w.f.handle);
	EXPECT(cancelled_packets(&w, WAIT_MS), MANY);
	crowd_go(&w);
	CloseHandle(w.f.port);
}

struct issue {
	IND2Connector *c;
	OVERLAPPED ov;
};

static DWORD WINAPI issue_and_go(void *arg)
{
	struct issue *i = arg;

	return (DWORD)i->c->lpVtbl->NotifyDisconnect(i->c, &i->ov);
}

/* The thread that made a request may be gone when it ends */
static void from_a_thread_that_ended(void)
{
	struct file f = open_file();
	struct issue i = { .c = new_connector(&f) };
	HANDLE t = CreateThread(NULL, 0, issue_and_go, &i, 0, NULL);

	WaitForSingleObject(t, WAIT_MS);
	CloseHandle(t);
	EXPECT(packet(&f, WAIT_MS, NULL) == &i.ov, true);
	EXPECT(result(i.c, &i.ov, TRUE), ND_CONNECTION_INVALID);
	RELEASE(i.c);
	close_file(&f);
}

/* --- connections ------------------------------------------------------------------------ */

struct end {
	struct file f;
	IND2CompletionQueue *cq;
	IND2QueuePair *qp;
	IND2MemoryRegion *mr;
	IND2Connector *c;
	OVERLAPPED ov, notify, disconnect;
	uint8_t *memory;
};

#define MEMORY 4096

static void end_open(struct end *e, ULONG depth)
{
	OVERLAPPED ov = { 0 };

	memset(e, 0, sizeof(*e));
	e->f = open_file();
	e->memory = VirtualAlloc(NULL, MEMORY, MEM_COMMIT, PAGE_READWRITE);
	EXPECT(adapter->lpVtbl->CreateCompletionQueue(
		       adapter, &IID_IND2CompletionQueue, e->f.handle,
		       2 * depth, 0, 0, (VOID **)&e->cq), ND_SUCCESS);
	EXPECT(adapter->lpVtbl->CreateQueuePair(
		       adapter, &IID_IND2QueuePair, (IUnknown *)e->cq,
		       (IUnknown *)e->cq, e, depth, depth, 1, 1, 0,
		       (VOID **)&e->qp), ND_SUCCESS);
	EXPECT(adapter->lpVtbl->CreateMemoryRegion(
		       adapter, &IID_IND2MemoryRegion, e->f.handle,
		       (VOID **)&e->mr), ND_SUCCESS);
	EXPECT(ends(&e->f, e->mr, &ov,
		    e->mr->lpVtbl->Register(e->mr, e->memory, MEMORY,
					    ND_MR_FLAG_ALLOW_LOCAL_WRITE, &ov)),
	       ND_SUCCESS);
	e->c = new_connector(&e->f);
}

static void end_close(struct end *e)
{
	OVERLAPPED ov = { 0 };

	RELEASE(e->c);
	RELEASE(e->qp);
	RELEASE(e->cq);
	EXPECT(ends(&e->f, e->mr, &ov, e->mr->lpVtbl->Deregister(e->mr, &ov)),
	       ND_SUCCESS);
	RELEASE(e->mr);
	VirtualFree(e->memory, 0, MEM_RELEASE);
	close_file(&e->f);
}

/* a connects to b, whose request l takes */
static void join(struct end *a, struct end *b, IND2Listener *l, struct file *lf,
		 struct sockaddr_storage *where)
{
	struct sockaddr_storage any = at_port(0);
	OVERLAPPED take = { 0 };

	EXPECT(a->c->lpVtbl->Bind(a->c, (struct sockaddr *)&any, address_len),
	       ND_SUCCESS);
	EXPECT(l->lpVtbl->GetConnectionRequest(l, (IUnknown *)b->c, &take),
	       ND_PENDING);
	EXPECT(a->c->lpVtbl->Connect(a->c, (IUnknown *)a->qp,
				     (struct sockaddr *)where, address_len, 0, 0,
				     NULL, 0, &a->ov), ND_PENDING);
	EXPECT(ends(lf, l, &take, ND_PENDING), ND_SUCCESS);
	EXPECT(b->c->lpVtbl->Accept(b->c, (IUnknown *)b->qp, 0, 0, NULL, 0,
				    &b->ov), ND_PENDING);
	EXPECT(ends(&a->f, a->c, &a->ov, ND_PENDING), ND_SUCCESS);
	EXPECT(ends(&a->f, a->c, &a->ov,
		    a->c->lpVtbl->CompleteConnect(a->c, &a->ov)), ND_SUCCESS);
	EXPECT(ends(&b->f, b->c, &b->ov, ND_PENDING), ND_SUCCESS);
}

static void part(struct end *a, struct end *b)
{
	HRESULT da, db;

	EXPECT(b->c->lpVtbl->NotifyDisconnect(b->c, &b->notify), ND_PENDING);
	da = a->c->lpVtbl->Disconnect(a->c, &a->disconnect);
	EXPECT(ends(&b->f, b->c, &b->notify, ND_PENDING), ND_SUCCESS);
	db = b->c->lpVtbl->Disconnect(b->c, &b->disconnect);
	EXPECT(ends(&b->f, b->c, &b->disconnect, db), ND_SUCCESS);
	EXPECT(ends(&a->f, a->c, &a->disconnect, da), ND_SUCCESS);
}

static void refused(void)
{
	struct sockaddr_storage nobody = at_port(1), any = at_port(0);
	struct end a;

	end_open(&a, 4);
	EXPECT(a.c->lpVtbl->Bind(a.c, (struct sockaddr *)&any, address_len),
	       ND_SUCCESS);
	EXPECT(ends(&a.f, a.c, &a.ov,
		    a.c->lpVtbl->Connect(a.c, (IUnknown *)a.qp,
					 (struct sockaddr *)&nobody,
					 address_len, 0, 0, NULL, 0, &a.ov)),
	       ND_CONNECTION_REFUSED);
	end_close(&a);
}

#define OUTSTANDING 500u			/* at each end, a thousand in all */

static void post_receives(struct end *e)
{
	ND2_SGE sge = { .Buffer = e->memory, .BufferLength = 64,
			.MemoryRegionToken =
				e->mr->lpVtbl->GetLocalToken(e->mr) };
	ULONG i;

	for (i = 0; i < OUTSTANDING; i++)
		EXPECT(e->qp->lpVtbl->Receive(e->qp, (VOID *)(uintptr_t)i, &sge,
					      1), ND_SUCCESS);
}

/* Each request back once, in order, cancelled */
static void all_come_back(struct end *e)
{
	double limit = tool_now() + WAIT_MS / 1e3;
	ND2_RESULT r;
	ULONG n = 0;

	while (n < OUTSTANDING && tool_now() < limit) {
		if (!e->cq->lpVtbl->GetResults(e->cq, &r, 1))
			continue;
		EXPECT(r.Status, ND_CANCELED);
		EXPECT((uintptr_t)r.RequestContext, n);
		n++;
	}
	EXPECT(n, OUTSTANDING);
	EXPECT(e->cq->lpVtbl->GetResults(e->cq, &r, 1), 0);
}

static void disconnect_under_a_thousand(void)
{
	static struct end a, b;
	struct sockaddr_storage where;
	struct file lf = open_file();
	OVERLAPPED armed = { 0 };
	IND2Listener *l;

	EXPECT(listen_at(&lf, 0, &l, &where), ND_SUCCESS);
	end_open(&a, OUTSTANDING);
	end_open(&b, OUTSTANDING);
	join(&a, &b, l, &lf, &where);
	post_receives(&a);
	post_receives(&b);
	part(&a, &b);
	all_come_back(&a);
	all_come_back(&b);
	/* a Notify that nothing will end: with the queue */
	EXPECT(a.cq->lpVtbl->Notify(a.cq, ND_CQ_NOTIFY_ERRORS, &armed),
	       ND_PENDING);
	EXPECT(a.cq->lpVtbl->CancelOverlappedRequests(a.cq), ND_SUCCESS);
	EXPECT(ends(&a.f, a.cq, &armed, ND_PENDING), ND_CANCELED);
	end_close(&a);
	end_close(&b);
	RELEASE(l);
	close_file(&lf);
}

/* Notify by the port: a completion that was there before, and one that comes */
static void completions_by_the_port(void)
{
	static struct end a, b;
	struct sockaddr_storage where;
	struct file lf = open_file();
	OVERLAPPED armed = { 0 };
	IND2Listener *l;
	ND2_SGE sge = { 0 };
	ND2_RESULT r;

	EXPECT(listen_at(&lf, 0, &l, &where), ND_SUCCESS);
	end_open(&a, 4);
	end_open(&b, 4);
	join(&a, &b, l, &lf, &where);
	sge = (ND2_SGE){ b.memory, 64, b.mr->lpVtbl->GetLocalToken(b.mr) };
	EXPECT(b.qp->lpVtbl->Receive(b.qp, NULL, &sge, 1), ND_SUCCESS);
	EXPECT(b.qp->lpVtbl->Receive(b.qp, NULL, &sge, 1), ND_SUCCESS);
	EXPECT(b.cq->lpVtbl->Notify(b.cq, ND_CQ_NOTIFY_ANY, &armed),
	       ND_PENDING);
	sge = (ND2_SGE){ a.memory, 64, a.mr->lpVtbl->GetLocalToken(a.mr) };
	EXPECT(a.qp->lpVtbl->Send(a.qp, NULL, &sge, 1, 0), ND_SUCCESS);
	EXPECT(ends(&b.f, b.cq, &armed, ND_PENDING), ND_SUCCESS);
	/* it is still there: ANY is content with it */
	EXPECT(ends(&b.f, b.cq, &armed,
		    b.cq->lpVtbl->Notify(b.cq, ND_CQ_NOTIFY_ANY, &armed)),
	       ND_SUCCESS);
	EXPECT(b.cq->lpVtbl->GetResults(b.cq, &r, 1), 1);
	EXPECT(r.Status, ND_SUCCESS);
	EXPECT(r.BytesTransferred, 64);
	EXPECT(b.cq->lpVtbl->Notify(b.cq, ND_CQ_NOTIFY_SOLICITED, &armed),
	       ND_PENDING);
	EXPECT(a.qp->lpVtbl->Send(a.qp, NULL, &sge, 1,
				  ND_OP_FLAG_SEND_AND_SOLICIT_EVENT),
	       ND_SUCCESS);
	EXPECT(ends(&b.f, b.cq, &armed, ND_PENDING), ND_SUCCESS);
	part(&a, &b);
	end_close(&a);
	end_close(&b);
	RELEASE(l);
	close_file(&lf);
}

#define THREADS 4
#define ROUNDS	250			/* of each */

static DWORD WINAPI rounds(void *arg)
{
	struct sockaddr_storage where;
	struct file lf = open_file();
	IND2Listener *l;
	struct end *e = calloc(2, sizeof(*e));
	int i;

	(void)arg;
	EXPECT(listen_at(&lf, 0, &l, &where), ND_SUCCESS);
	for (i = 0; l && e && i < ROUNDS && !failures; i++) {
		end_open(&e[0], 2);
		end_open(&e[1], 2);
		join(&e[0], &e[1], l, &lf, &where);
		part(&e[0], &e[1]);
		end_close(&e[0]);
		end_close(&e[1]);
	}
	RELEASE(l);
	close_file(&lf);
	free(e);
	return 0;
}

static void a_thousand_connections(void)
{
	HANDLE t[THREADS];
	int i;

	for (i = 0; i < THREADS; i++)
		t[i] = CreateThread(NULL, 0, rounds, NULL, 0, NULL);
	for (i = 0; i < THREADS; i++) {
		WaitForSingleObject(t[i], INFINITE);
		CloseHandle(t[i]);
	}
}

static void unload(void)
{
	EXPECT(DllCanUnloadNow(), S_FALSE);
	RELEASE(adapter);
	NdCleanup();
	EXPECT(DllCanUnloadNow(), S_OK);
}

/* --- main --------------------------------------------------------------------------------- */

static const struct {
	const char *name;
	void (*fn)(void);
} cases[] = {
	{ "refusals-by-the-port", refusals_by_the_port },
	{ "by-an-event-alone", by_an_event_alone },
	{ "from-a-thread-that-ended", from_a_thread_that_ended },
	{ "cancel-one", cancel_one },
	{ "cancel-all", cancel_all },
	{ "released-under-requests", released_under_requests },
	{ "closed-under-requests", closed_under_requests },
	{ "refused", refused },
	{ "completions-by-the-port", completions_by_the_port },
	{ "disconnect-under-a-thousand", disconnect_under_a_thousand },
	{ "a-thousand-connections", a_thousand_connections },
	{ "unload", unload },
};

static void run_case(size_t i)
{
	failures = 0;
	cases[i].fn();
	if (failures)
		failed++;
	else
		passed++;
	printf("%s %s%s%s\n", failures ? "FAIL" : "ok  ", cases[i].name,
	       failures ? ": " : "", failures ? why : "");
	fflush(stdout);
}

static int hold(void)
{
	static struct crowd w;
	struct sockaddr_storage where;
	IND2Listener *held;

	crowd_wait(&w);
	EXPECT(listen_at(&w.f, HELD_PORT, &held, &where), ND_SUCCESS);
	puts(failures ? why : "holding");
	fflush(stdout);
	Sleep(INFINITE);
	return 0;
}

/* The driver takes a dead process' objects away in its own time */
static int again(void)
{
	double limit = tool_now() + WAIT_MS / 1e3;
	struct file f = open_file();
	struct sockaddr_storage where;
	IND2Listener *l;
	HRESULT hr;

	while ((hr = listen_at(&f, HELD_PORT, &l, &where)) ==
		       ND_SHARING_VIOLATION && tool_now() < limit)
		SwitchToThread();
	RELEASE(l);
	printf("again: %08x\n", (unsigned)hr);
	return hr == ND_SUCCESS ? 0 : 1;
}

int main(int argc, char **argv)
{
	size_t i;

	if (argc < 2 || !tool_parse_addr(argv[1], &address, &address_len))
		return EXIT_USAGE;
	if (NdStartup() != ND_SUCCESS ||
	    NdOpenV2Adapter((struct sockaddr *)&address, address_len,
			    &adapter) != ND_SUCCESS) {
		puts("no adapter has that address");
		return EXIT_FAILED;
	}
	if (argc > 2)
		return strcmp(argv[2], "hold") ? again() : hold();
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		run_case(i);
	printf("%d passed, %d failed\n", passed, failed);
	return failed ? EXIT_FAILED : EXIT_OK;
}
