// SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-or-later
/*
 * connect.c - the order of things: open, connect or listen, talk, part
 */
#include <linux/ctype.h>
#include <linux/random.h>
#include <linux/slab.h>

#include "ping.h"

#define READ_LIMIT	16
#define MAX_INCOMING	64

struct incoming {
	struct list_head node;
	NDK_CONNECTOR *conn;
};

struct private {
	ULONG len, in, out;
	u8 data[VIRTIO_RDMA_MAX_PRIVATE + 1];
};

/* --- private data and addresses ------------------------------------------------------------ */

/* only what can stand between quotes on a line */
static const char *printable(struct private *d, size_t skip)
{
	ULONG i;

	for (i = min_t(ULONG, skip, d->len); i < d->len; i++)
		if (!isprint(d->data[i]) || d->data[i] == '"')
			d->data[i] = '.';
	d->data[d->len] = 0;
	return (const char *)d->data + min_t(ULONG, skip, d->len);
}

static bool get_private(struct ping *p, struct private *d)
{
	NTSTATUS st;

	d->len = VIRTIO_RDMA_MAX_PRIVATE;
	st = p->conn->Dispatch->NdkGetConnectionData(p->conn, &d->in, &d->out,
						     d->data, &d->len);
	if (st != STATUS_SUCCESS)
		return run_status_error(p->run, "NdkGetConnectionData", st,
					"the peer may have gone already");
	d->len = min_t(ULONG, d->len, VIRTIO_RDMA_MAX_PRIVATE);
	return true;
}

static bool put_private(struct ping *p, struct private *d, const void *head,
			size_t n, ULONG max)
{
	size_t t = strlen(p->o->text);

	if (n + t > max || n + t > VIRTIO_RDMA_MAX_PRIVATE)
		return run_error(p->run, "-P: this adapter carries %d bytes of text",
				 max > n ? (int)(max - n) : 0);
	memcpy(d->data, head, n);
	memcpy(d->data + n, p->o->text, t);
	d->len = n + t;
	return true;
}

static const char *addr_text(const union ping_addr *a, char *buf, size_t len,
			     bool with_port)
{
	u16 port = a->in.port[0] << 8 | a->in.port[1];
	bool v6 = a->sa.family == ND_AF_INET6;
	int n;

	if (v6)
		n = scnprintf(buf, len, with_port ? "[%pI6c]" : "%pI6c",
			      a->in6.addr);
	else
		n = scnprintf(buf, len, "%pI4", a->in.addr);
	if (with_port)
		scnprintf(buf + n, len - n, ":%u", port);
	return buf;
}

static void tell_connected(struct ping *p, struct private *d, size_t skip)
{
	union ping_addr local = { 0 }, peer = { 0 };
	ULONG a = sizeof(local), b = sizeof(peer);
	char lt[64], pt[64];

	p->conn->Dispatch->NdkGetLocalAddress(p->conn, &local.sa, &a);
	p->conn->Dispatch->NdkGetPeerAddress(p->conn, &peer.sa, &b);
	run_event(p->run, "connected local=%s peer=%s private=\"%s\" inbound_reads=%u outbound_reads=%u",
		  addr_text(&local, lt, sizeof(lt), true),
		  addr_text(&peer, pt, sizeof(pt), true), printable(d, skip),
		  d->in, d->out);
}

/* Own address: -a, or the adapter's first of the wanted family (0: any) */
static bool own_address(struct run *run, u16 family, u16 port,
			union ping_addr *out)
{
	struct virtio_rdma_addr a[VIRTIO_RDMA_MAX_ADDRESSES];
	u32 n, i;

	if (run->o.which[0] && ping_addr_parse(run->o.which, port, out))
		return true;
	n = vrdma_ndk_addresses(run->adapter, a, ARRAY_SIZE(a));
	for (i = 0; i < n && i < ARRAY_SIZE(a); i++) {
		bool v6 = a[i].family == VIRTIO_RDMA_AF_INET6;

		if (family && family != (v6 ? ND_AF_INET6 : ND_AF_INET))
			continue;
		memset(out, 0, sizeof(*out));
		out->sa.family = v6 ? ND_AF_INET6 : ND_AF_INET;
		memcpy(v6 ? out->in6.addr : out->in.addr, a[i].ip, v6 ? 16 : 4);
		out->in.port[0] = port >> 8;
		out->in.port[1] = port & 0xff;
		return true;
	}
	return run_error(run, "the adapter has no address of that family; -a ADDRESS chooses one");
}

/* --- client --------------------------------------------------------------------------------- */

static void make_wish(struct ping *p)
{
	const struct options *o = p->o;

	p->wish = (struct ping_wish){
		.magic = PING_MAGIC, .op = o->op, .test = o->test,
		.who = o->who, .keep = o->keep, .size = o->size,
		.count = o->count, .seed = get_random_u32(),
		.hold_ms = o->hold_ms, .depth = o->depth,
	};
	p->who = o->who;
}

static bool ended(struct ping *p, const char *what, NTSTATUS st,
		  const char *mend)
{
	return st == STATUS_SUCCESS || run_status_error(p->run, what, st, mend);
}

/* -e: where it connects from */
static bool make_shared(struct ping *p, const union ping_addr *at)
{
	NDK_ADAPTER *a = p->run->adapter;
	struct call *c = call_new(p->run);
	NTSTATUS st = a->Dispatch->NdkCreateSharedEndpoint(
		a, &at->sa, ping_addr_len(at), call_created, c, &p->shared);

	return ended(p, "NdkCreateSharedEndpoint",
		     call_wait(c, st, p->o->timeout_ms, &p->shared),
		     "does the adapter have any?");
}

static NTSTATUS start_connect(struct ping *p, const union ping_addr *src,
			      const struct private *d, struct call *c)
{
	const union ping_addr *to = &p->o->peer;

	if (p->shared)
		return p->conn->Dispatch->NdkConnectWithSharedEndpoint(
			p->conn, p->qp, p->shared, &to->sa, ping_addr_len(to),
			READ_LIMIT, READ_LIMIT, d->data, d->len, call_done, c);
	return p->conn->Dispatch->NdkConnect(p->conn, p->qp, &src->sa,
					     ping_addr_len(src), &to->sa,
					     ping_addr_len(to), READ_LIMIT,
					     READ_LIMIT, d->data, d->len,
					     call_done, c);
}

static bool connect(struct ping *p)
{
	union ping_addr src;
	struct private d;
	struct call *c;
	NTSTATUS st;

	if (!own_address(p->run, p->o->peer.sa.family, 0, &src) ||
	    !put_private(p, &d, &p->wish, sizeof(p->wish),
			 p->run->info.MaxCallerData) ||
	    (p->o->shared && !make_shared(p, &src)))
		return false;
	c = call_new(p->run);
	st = start_connect(p, &src, &d, c);
	return ended(p, "NdkConnect", call_wait(c, st, p->o->timeout_ms, NULL),
		     "does ndk_ping -s run there, on that port?");
}

static bool complete_connect(struct ping *p)
{
	const u32 mark = PING_MAGIC;
	struct private d;
	struct call *c;
	NTSTATUS st;

	if (!get_private(p, &d))
		return false;
	if (d.len < sizeof(mark) || memcmp(d.data, &mark, sizeof(mark)))
		return run_error(p->run, "the peer's private data is not of an ndk_ping server");
	c = call_new(p->run);
	st = p->conn->Dispatch->NdkCompleteConnectEx(p->conn, disconnect_event,
						     p, call_done, c);
	if (!ended(p, "NdkCompleteConnect",
		   call_wait(c, st, p->o->timeout_ms, NULL),
		   "the peer may have given up"))
		return false;
	tell_connected(p, &d, sizeof(mark));
	return true;
}

static bool make_connector(struct ping *p)
{
	NDK_ADAPTER *a = p->run->adapter;
	struct call *c = call_new(p->run);
	NTSTATUS st = a->Dispatch->NdkCreateConnector(a, call_created, c,
						      &p->conn);

	return ended(p, "NdkCreateConnector",
		     call_wait(c, st, p->o->timeout_ms, &p->conn),
		     "the adapter's limits may be reached");
}

/* Connected: talk, part, count */
static int converse(struct ping *p)
{
	enum rc rc = hello(p);

	if (rc == RC_OK)
		rc = p->client ? drive(p) : serve(p);
	return finish(p, rc);
}

static struct ping *ping_new(struct run *run)
{
	struct ping *p = kzalloc(sizeof(*p), GFP_KERNEL | __GFP_NOFAIL);

	p->run = run;
	p->o = &run->o;
	p->client = !run->o.server;
	return p;
}

static int run_client(struct run *run)
{
	struct ping *p = ping_new(run);
	int rc = 1;

	make_wish(p);
	if (ping_prepare(p) && make_connector(p) && connect(p) &&
	    complete_connect(p))
		rc = converse(p);
	ping_release(p);
	kfree(p);
	return rc;
}

/* --- server */

static void discarded(void *ctx)
{
}

static void discard(NDK_CONNECTOR *conn)
{
	conn->Dispatch->NdkCloseConnector(&conn->Header, discarded, NULL);
}

static void connect_event(void *ctx, NDK_CONNECTOR *conn)
{
	struct incoming *in = kmalloc(sizeof(*in), GFP_ATOMIC);
	struct run *run = ctx;
	unsigned long flags;
	bool kept = false;

	spin_lock_irqsave(&run->slock, flags);
	if (in && run->incoming_count < MAX_INCOMING) {
		in->conn = conn;
		list_add_tail(&in->node, &run->incoming);
		run->incoming_count++;
		kept = true;
	}
	spin_unlock_irqrestore(&run->slock, flags);
	if (!kept) {
		kfree(in);
		discard(conn);
	}
	wake_up(&run->wait);
}

static NDK_CONNECTOR *take_incoming(struct run *run)
{
	NDK_CONNECTOR *conn = NULL;
	struct incoming *in;

	spin_lock_irq(&run->slock);
	in = list_first_entry_or_null(&run->incoming, struct incoming, node);
	if (in) {
		list_del(&in->node);
		run->incoming_count--;
		conn = in->conn;
	}
	spin_unlock_irq(&run->slock);
	kfree(in);
	return conn;
}

static bool wait_request(struct ping *p)
{
	struct run *run = p->run;

	wait_event_timeout(run->wait,
			   READ_ONCE(run->incoming_count) ||
				   READ_ONCE(run->abort) || READ_ONCE(run->stop),
			   msecs_to_jiffies(p->o->timeout_ms));
	p->conn = take_incoming(run);
	return p->conn || run_status_error(run, "wait for a connection",
					   STATUS_TIMEOUT,
					   "-T gives more time");
}

/* The wish comes from the network */
static bool take_wish(struct ping *p, const struct private *d)
{
	struct ping_wish *w = &p->wish;

	if (d->len < sizeof(*w))
		return false;
	memcpy(w, d->data, sizeof(*w));
	p->who = p->o->who_given ? p->o->who : (enum ping_who)w->who;
	return w->magic == PING_MAGIC && w->op < OP_COUNT &&
	       w->test < TEST_COUNT && w->who < WHO_COUNT && w->depth &&
	       w->depth <= PING_MAX_DEPTH && w->size <= MAX_MEMORY / 2 &&
	       w->count;
}

static bool take_request(struct ping *p, struct private *d)
{
	union ping_addr peer = { 0 };
	ULONG len = sizeof(peer);
	char text[64];

	if (!wait_request(p) || !get_private(p, d))
		return false;
	p->conn->Dispatch->NdkGetPeerAddress(p->conn, &peer.sa, &len);
	addr_text(&peer, text, sizeof(text), true);
	if (!take_wish(p, d)) {
		p->conn->Dispatch->NdkReject(p->conn, NULL, 0);
		return run_error(p->run, "%s connected but is no ndk_ping client: rejected",
				 text);
	}
	run_event(p->run, "connect-request peer=%s private=\"%s\"", text,
		  printable(d, sizeof(p->wish)));
	return true;
}

static bool accept_request(struct ping *p, struct private *theirs)
{
	const u32 mark = PING_MAGIC;
	struct private d;
	struct call *c;
	NTSTATUS st;

	if (!put_private(p, &d, &mark, sizeof(mark), p->run->info.MaxCalleeData))
		return false;
	c = call_new(p->run);
	st = p->conn->Dispatch->NdkAcceptEx(p->conn, p->qp, READ_LIMIT,
					    READ_LIMIT, d.data, d.len,
					    disconnect_event, p, call_done, c);
	if (!ended(p, "NdkAccept", call_wait(c, st, p->o->timeout_ms, NULL),
		   "the client may have given up"))
		return false;
	tell_connected(p, theirs, sizeof(p->wish));
	return true;
}

static int serve_one(struct run *run)
{
	struct ping *p = ping_new(run);
	struct private d;
	int rc = 1;

	if (take_request(p, &d) && ping_prepare(p) && accept_request(p, &d))
		rc = converse(p);
	ping_release(p);
	kfree(p);
	return rc;
}

static bool listen(struct run *run)
{
	NDK_ADAPTER *a = run->adapter;
	union ping_addr at;
	ULONG len = sizeof(at);
	struct call *c;
	char text[64];
	NTSTATUS st;

	if (!own_address(run, 0, run->o.port, &at))
		return false;
	c = call_new(run);
	st = a->Dispatch->NdkCreateListener(a, connect_event, run, call_created,
					    c, &run->listener);
	st = call_wait(c, st, run->o.timeout_ms, &run->listener);
	if (st == STATUS_SUCCESS) {
		c = call_new(run);
		st = run->listener->Dispatch->NdkListen(run->listener, &at.sa,
							ping_addr_len(&at),
							call_done, c);
		st = call_wait(c, st, run->o.timeout_ms, NULL);
	}
	if (st != STATUS_SUCCESS)
		return run_status_error(run, "listen", st,
					"is the port taken? -p gives another");
	run->listener->Dispatch->NdkGetLocalAddress(run->listener, &at.sa, &len);
	run_event(run, "listening addr=%s port=%u",
		  addr_text(&at, text, sizeof(text), false),
		  at.in.port[0] << 8 | at.in.port[1]);
	return true;
}

static int run_server(struct run *run)
{
	NDK_CONNECTOR *conn;
	int rc = 1;
	u32 i;

	if (listen(run))
		rc = 0;
	for (i = 0; !rc && i < run->o.connections && !READ_ONCE(run->stop); i++)
		rc = serve_one(run);
	close_object(run, run->listener);
	while ((conn = take_incoming(run)))
		discard(conn);
	return rc;
}

/* --- run */

/* The adapter that has the address of -a; without it the first device */
static bool open_adapter(struct run *run)
{
	NDK_VERSION version = { 2, 1 };
	ULONG size = sizeof(run->info);
	NTSTATUS st = vrdma_ndk_open_adapter(
		run->o.which[0] ? run->o.which : NULL, version, &run->adapter);

	if (st != STATUS_SUCCESS) {
		run->adapter = NULL;
		return run_status_error(run, "open the adapter", st,
					"is there a device (ls /dev/vrdma*) with that address?");
	}
	st = run->adapter->Dispatch->NdkQueryAdapterInfo(run->adapter,
							 &run->info, &size);
	return st == STATUS_SUCCESS ||
	       run_status_error(run, "NdkQueryAdapterInfo", st, "see dmesg");
}

int run_main(struct run *run)
{
	int rc = 1;

	if (open_adapter(run))
		rc = run->o.server ? run_server(run) : run_client(run);
	if (run->adapter)
		vrdma_ndk_close_adapter(run->adapter);
	if (!rc)
		run_event(run, "done");
	return rc;
}
