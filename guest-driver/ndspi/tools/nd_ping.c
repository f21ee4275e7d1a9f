/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-or-later */
/*
 * nd_ping - moves data between two RDMA adapters and disconnects gracefully
 *
 * This file: connecting, and the order of things.
 */
#include <ctype.h>
#include <endian.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "ping.h"
#include "tool_os.h"

const char *tool_name = "nd_ping";

#define READ_LIMIT 16u

static void on_signal(int sig)
{
	(void)sig;
	atomic_store(&ping_stop, true);
}

/* -------------------------------------------------------------- private data */

/* only what can stand between quotes on a line */
static const char *printable(const uint8_t *text, ULONG n)
{
	static __thread char out[VIRTIO_RDMA_MAX_PRIVATE + 1];
	ULONG i;

	for (i = 0; i < n && i < VIRTIO_RDMA_MAX_PRIVATE; i++)
		out[i] = isprint(text[i]) && text[i] != '"' ? (char)text[i] :
							      '.';
	out[i] = 0;
	return out;
}

static void wish_swap(struct ping_wish *w)
{
	w->magic = htole32(w->magic);
	w->size = htole64(w->size);
	w->count = htole32(w->count);
	w->seed = htole32(w->seed);
	w->hold_ms = htole32(w->hold_ms);
	w->depth = htole16(w->depth);
}

static bool put_private(uint8_t *buf, ULONG max, const void *head, ULONG n,
			const char *text, ULONG *len)
{
	size_t t = strlen(text);

	if (n + t > max) {
		tool_error("-P: this adapter carries %u bytes of text, "
			   "not %zu", max > n ? (unsigned)(max - n) : 0u, t);
		return false;
	}
	memcpy(buf, head, n);
	memcpy(buf + n, text, t);
	*len = n + (ULONG)t;
	return true;
}

static bool get_private(struct ping *p, uint8_t *buf, ULONG *len)
{
	HRESULT hr;

	*len = VIRTIO_RDMA_MAX_PRIVATE;
	hr = p->connector->lpVtbl->GetPrivateData(p->connector, buf, len);
	if (hr != ND_SUCCESS)
		return tool_status_error("GetPrivateData", hr,
					 "the peer may have gone already");
	return true;
}

static void get_addresses(struct ping *p, struct sockaddr_storage *local,
			  struct sockaddr_storage *peer)
{
	ULONG a = sizeof(*local), b = sizeof(*peer);

	memset(local, 0, sizeof(*local));
	memset(peer, 0, sizeof(*peer));
	p->connector->lpVtbl->GetLocalAddress(p->connector, (void *)local, &a);
	p->connector->lpVtbl->GetPeerAddress(p->connector, (void *)peer, &b);
}

struct limits {
	ULONG in;
	ULONG out;
};

/* A provider need not tell once the connection stands: then what it said
 * before holds */
static void get_limits(struct ping *p, struct limits *l)
{
	ULONG in, out;

	if (p->connector->lpVtbl->GetReadLimits(p->connector, &in, &out) ==
	    ND_SUCCESS)
		*l = (struct limits){ in, out };
}

static void event_connected(struct ping *p, struct limits *l,
			    const uint8_t *text, ULONG n)
{
	struct sockaddr_storage local, peer;

	get_addresses(p, &local, &peer);
	get_limits(p, l);
	tool_event("connected local=%s peer=%s private=\"%s\" "
		   "inbound_reads=%u outbound_reads=%u",
		   tool_ip_port(&local), tool_ip_port(&peer),
		   printable(text, n), (unsigned)l->in, (unsigned)l->out);
}

/* ------------------------------------------------------------------- helpers */

static bool make_connector(struct ping *p)
{
	HRESULT hr = p->adapter->lpVtbl->CreateConnector(
		p->adapter, &IID_IND2Connector, p->file,
		(VOID **)&p->connector);

	if (hr != ND_SUCCESS)
		return tool_status_error("CreateConnector", hr,
					 "nd_info tells how many there may be");
	return true;
}

/* hr: what the call answered */
static bool finish_call(struct ping *p, void *obj, OVERLAPPED *ov,
			const char *what, const char *mend, HRESULT hr)
{
	if (hr == ND_PENDING &&
	    !ping_wait(p, obj, ov, p->o->timeout, what, &hr)) {
		/* ov is on a stack: it must not outlive the request */
		IND2Overlapped *o = obj;

		o->lpVtbl->CancelOverlappedRequests(o);
		ping_wait(p, obj, ov, p->o->timeout, NULL, &hr);
		return false;
	}
	if (hr != ND_SUCCESS)
		return tool_status_error(what, hr, mend);
	return true;
}

static enum ping_rc say_bye(struct ping *p)
{
	struct ping_msg m = { .type = MSG_BYE };
	bool good = true;
	enum ping_rc rc;

	if (p->client)
		return ping_ask(p, MSG_BYE, 0, 0, MSG_BYE, &good);
	rc = ping_hear(p, MSG_BYE, &m);
	m = (struct ping_msg){ .type = MSG_BYE, .good = 1 };
	if (rc == PING_OK)
		rc = ping_say(p, &m);
	if (rc == PING_OK)
		rc = ping_wait_sends(p, 0);
	/* a client that has the answer disconnects, and the flush of our
	 * receives may be seen together with the end of that send */
	return rc == PING_LOST && !p->sends ? PING_OK : rc;
}

/* Connected: talk, part, count */
static int converse(struct ping *p)
{
	enum ping_rc rc = ping_start_notify(p);

	if (rc == PING_OK)
		rc = ping_hello(p);
	if (rc == PING_OK)
		rc = p->client ? ping_drive(p) : ping_serve(p);
	if (rc == PING_OK)
		rc = say_bye(p);
	return ping_end(p, rc);
}

/* -------------------------------------------------------------------- client */

static void make_wish(struct ping *p)
{
	const struct options *o = p->o;

	p->wish = (struct ping_wish){
		.magic = PING_MAGIC,
		.op = (uint8_t)o->op,
		.test = (uint8_t)o->test,
		.who = (uint8_t)o->who,
		.keep = o->keep,
		.size = o->size,
		.count = o->count,
		.seed = (uint32_t)time(NULL) ^ (uint32_t)getpid() << 16,
		.hold_ms = o->hold_ms,
		.depth = (uint16_t)o->depth,
	};
	p->who = o->who;
}

static bool start_connect(struct ping *p, const struct sockaddr_storage *local,
			  ULONG cb)
{
	struct sockaddr_storage dest = p->o->addr;
	uint8_t priv[VIRTIO_RDMA_MAX_PRIVATE];
	struct ping_wish w = p->wish;
	OVERLAPPED ov = { 0 };
	ULONG len;
	HRESULT hr;

	wish_swap(&w);
	if (!put_private(priv, p->info.MaxCallerData, &w, sizeof(w),
			 p->o->text, &len))
		return false;
	hr = p->connector->lpVtbl->Bind(p->connector, (const void *)local, cb);
	if (hr != ND_SUCCESS)
		return tool_status_error("Bind", hr,
					 "is -a an address of this adapter?");
	tool_set_port(&dest, p->o->port);
	hr = p->connector->lpVtbl->Connect(p->connector, (IUnknown *)p->qp,
					   (const void *)&dest,
					   p->o->addr_cb, READ_LIMIT,
					   READ_LIMIT, priv, len, &ov);
	return finish_call(p, p->connector, &ov, "Connect",
			   "does nd_ping -s run there, on that port?", hr);
}

static bool complete_connect(struct ping *p)
{
	uint8_t priv[VIRTIO_RDMA_MAX_PRIVATE];
	struct limits limits = { 0 };
	OVERLAPPED ov = { 0 };
	ULONG len;

	if (!get_private(p, priv, &len))
		return false;
	get_limits(p, &limits);
	if (len < sizeof(uint32_t) || memcmp(priv, &(uint32_t){
			htole32(PING_MAGIC) }, sizeof(uint32_t)))
		return tool_error("the peer's private data is not of an nd_ping "
				  "server");
	if (!finish_call(p, p->connector, &ov, "CompleteConnect",
			 "the peer may have given up",
			 p->connector->lpVtbl->CompleteConnect(p->connector,
							       &ov)))
		return false;
	event_connected(p, &limits, priv + sizeof(uint32_t),
			len - (ULONG)sizeof(uint32_t));
	return true;
}

static bool local_for_peer(const struct options *o,
			   struct sockaddr_storage *local, ULONG *cb)
{
	HRESULT hr;

	if (o->have_local) {
		*local = o->local;
		*cb = o->local_cb;
		return true;
	}
	*cb = sizeof(*local);
	memset(local, 0, sizeof(*local));
	hr = NdResolveAddress((const void *)&o->addr, o->addr_cb,
			      (void *)local, cb);
	if (hr != ND_SUCCESS)
		return tool_status_error("find an adapter for the peer", hr,
					 "has an adapter here an address of "
					 "that family? nd_info tells");
	return true;
}

static int run_client(const struct options *o)
{
	struct ping p = { .o = o, .client = true,
			  .file = INVALID_HANDLE_VALUE };
	struct sockaddr_storage local;
	int rc = EXIT_FAILED;
	ULONG cb;

	make_wish(&p);
	if (local_for_peer(o, &local, &cb) &&
	    ping_open(&p, (void *)&local, cb) && ping_prepare(&p) &&
	    make_connector(&p) && start_connect(&p, &local, cb) &&
	    complete_connect(&p))
		rc = converse(&p);
	ping_release(&p);
	ping_close(&p);
	return rc;
}

/* -------------------------------------------------------------------- server */

/* The wish comes from the network */
static bool take_wish(struct ping *p, const uint8_t *priv, ULONG len)
{
	struct ping_wish *w = &p->wish;

	if (len < sizeof(*w))
		return false;
	memcpy(w, priv, sizeof(*w));
	wish_swap(w); /* its own inverse */
	p->who = p->o->who_given ? p->o->who : (enum ping_who)w->who;
	return w->magic == PING_MAGIC && w->op < OP_COUNT &&
	       w->test < TEST_COUNT && w->who < WHO_COUNT && w->depth &&
	       w->depth <= PING_MAX_DEPTH && w->size <= 1ull << 32 && w->count;
}

static bool get_request(struct ping *p, IND2Listener *listener)
{
	struct sockaddr_storage local, peer;
	uint8_t priv[VIRTIO_RDMA_MAX_PRIVATE];
	OVERLAPPED ov = { 0 };
	ULONG len;

	if (!make_connector(p) ||
	    !finish_call(p, listener, &ov, "wait for a connection",
			 "is the device gone?",
			 listener->lpVtbl->GetConnectionRequest(
				 listener, (IUnknown *)p->connector, &ov)) ||
	    !get_private(p, priv, &len))
		return false;
	get_addresses(p, &local, &peer);
	if (!take_wish(p, priv, len)) {
		p->connector->lpVtbl->Reject(p->connector, NULL, 0);
		return tool_error("%s connected but is no nd_ping client: "
				  "rejected", tool_ip_port(&peer));
	}
	tool_event("connect-request peer=%s private=\"%s\"",
		   tool_ip_port(&peer),
		   printable(priv + sizeof(p->wish),
			     len - (ULONG)sizeof(p->wish)));
	return true;
}

static bool accept_request(struct ping *p, const char *text, ULONG text_len)
{
	const uint32_t mark = htole32(PING_MAGIC);
	uint8_t priv[VIRTIO_RDMA_MAX_PRIVATE];
	struct limits limits = { 0 };
	OVERLAPPED ov = { 0 };
	ULONG len;

	get_limits(p, &limits);
	if (!put_private(priv, p->info.MaxCalleeData, &mark, sizeof(mark),
			 p->o->text, &len) ||
	    !finish_call(p, p->connector, &ov, "Accept",
			 "the client may have given up",
			 p->connector->lpVtbl->Accept(p->connector,
						      (IUnknown *)p->qp,
						      READ_LIMIT, READ_LIMIT,
						      priv, len, &ov)))
		return false;
	event_connected(p, &limits, (const uint8_t *)text, text_len);
	return true;
}

/* What the client said is asked for while it may be: before Accept */
static int serve_one(struct ping *p, IND2Listener *listener)
{
	uint8_t priv[VIRTIO_RDMA_MAX_PRIVATE];
	int rc = EXIT_FAILED;
	ULONG len;

	if (get_request(p, listener) && get_private(p, priv, &len) &&
	    ping_prepare(p) &&
	    accept_request(p, (char *)priv + sizeof(p->wish),
			   len - (ULONG)sizeof(p->wish)))
		rc = converse(p);
	ping_release(p);
	return rc;
}

static IND2Listener *listen_at(struct ping *p,
			       const struct sockaddr_storage *local, ULONG cb)
{
	struct sockaddr_storage at;
	IND2Listener *l = NULL;
	ULONG n = sizeof(at);
	HRESULT hr = p->adapter->lpVtbl->CreateListener(
		p->adapter, &IID_IND2Listener, p->file, (VOID **)&l);

	if (hr == ND_SUCCESS)
		hr = l->lpVtbl->Bind(l, (const void *)local, cb);
	if (hr == ND_SUCCESS)
		hr = l->lpVtbl->Listen(l, 0);
	if (hr == ND_SUCCESS)
		hr = l->lpVtbl->GetLocalAddress(l, (void *)&at, &n);
	if (hr == ND_SUCCESS) {
		tool_event("listening addr=%s port=%u", tool_ip(&at),
			   tool_port(&at));
		return l;
	}
	tool_status_error("listen", hr, "is the port taken? -p gives another");
	if (l)
		l->lpVtbl->Release(l);
	return NULL;
}

static bool server_address(const struct options *o,
			   struct sockaddr_storage *local, ULONG *cb)
{
	SOCKET_ADDRESS_LIST *list;

	if (o->have_local) {
		*local = o->local;
		*cb = o->local_cb;
	} else {
		list = tool_addresses();
		if (!list)
			return false;
		*cb = (ULONG)list->Address[0].iSockaddrLength;
		memcpy(local, list->Address[0].lpSockaddr, *cb);
		free(list);
	}
	tool_set_port(local, o->port);
	return true;
}

static int serve_all(const struct options *o, struct ping *listening,
		     IND2Listener *l)
{
	int rc = EXIT_OK;
	uint32_t i;

	for (i = 0; i < o->connections; i++) {
		struct ping p = { .o = o, .adapter = listening->adapter,
				  .file = listening->file,
				  .info = listening->info };
		int one = serve_one(&p, l);

		if (rc == EXIT_OK)
			rc = one;
		if (one == EXIT_FAILED)
			break;
	}
	return rc;
}

static int run_server(const struct options *o)
{
	struct ping p = { .o = o, .file = INVALID_HANDLE_VALUE };
	struct sockaddr_storage local = { 0 };
	IND2Listener *l = NULL;
	int rc = EXIT_FAILED;
	ULONG cb;

	if (server_address(o, &local, &cb) &&
	    ping_open(&p, (void *)&local, cb))
		l = listen_at(&p, &local, cb);
	if (l) {
		rc = serve_all(o, &p, l);
		l->lpVtbl->Release(l);
	}
	ping_close(&p);
	return rc;
}

int main(int argc, char **argv)
{
	struct options o;
	int rc = ping_options(argc, argv, &o);

	if (rc >= 0)
		return rc;
	setvbuf(stdout, NULL, _IOLBF, 0);
	if (o.keep)
		tool_on_stop(on_signal);
	if (NdStartup() != ND_SUCCESS) {
		tool_error("no memory");
		return EXIT_FAILED;
	}
	rc = o.server ? run_server(&o) : run_client(&o);
	NdCleanup();
	if (rc == EXIT_OK)
		tool_event("done");
	return rc;
}
