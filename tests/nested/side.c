// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * side.c - a side that is ours: a guest's core on a vrdmad with an RDMA device
 *
 * The guest is this process (tests/lib/os_user.h): NDK calls above, a real vrdmad
 * below, whose fabric is the device that the command line names.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <getopt.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "fixture.h"
#include "talk.h"

#define DEPTH 64
#define READS 8
#define MAX_LISTENERS 2
#define TICK_MS 5	/* how often completions are looked for */

static struct {
	const char *device;
	int number;			/* of the guest, hence its addresses */
	unsigned int disconnect_ms;
	struct daemon daemon;
	struct tguest *guest;
	struct ep ep;
	bool has_ep;
	struct listener listener[MAX_LISTENERS];
	int listeners;
	NDK_CONNECTOR *waiting;		/* request, neither accepted nor rejected */
} me = { .device = "rxe0", .disconnect_ms = 5000 };

/* --- words ---------------------------------------------------------------------- */

static const char *status_name(NTSTATUS status)
{
	static const struct {
		NTSTATUS status;
		const char *name;
	} names[] = {
		{ STATUS_SUCCESS, "SUCCESS" },
		{ STATUS_CANCELLED, "CANCELLED" },
		{ STATUS_IO_TIMEOUT, "IO_TIMEOUT" },
		{ STATUS_TIMEOUT, "TIMEOUT" },
		{ STATUS_CONNECTION_ABORTED, "CONNECTION_ABORTED" },
		{ STATUS_CONNECTION_DISCONNECTED, "CONNECTION_DISCONNECTED" },
		{ STATUS_CONNECTION_REFUSED, "CONNECTION_REFUSED" },
		{ STATUS_CONNECTION_INVALID, "CONNECTION_INVALID" },
		{ STATUS_NETWORK_UNREACHABLE, "NETWORK_UNREACHABLE" },
		{ STATUS_HOST_UNREACHABLE, "HOST_UNREACHABLE" },
		{ STATUS_ACCESS_VIOLATION, "ACCESS_VIOLATION" },
		{ STATUS_DEVICE_REMOVED, "DEVICE_REMOVED" },
		{ STATUS_INVALID_DEVICE_STATE, "INVALID_DEVICE_STATE" },
	};
	static __thread char other[16];

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (names[i].status == status)
			return names[i].name;
	snprintf(other, sizeof(other), "%#x", (unsigned int)status);
	return other;
}

static const char *reason_name(ULONG reason)
{
	static const char *const names[VIRTIO_RDMA_R_COUNT] = {
		[VIRTIO_RDMA_R_NONE] = "none",
		[VIRTIO_RDMA_R_GRACEFUL] = "graceful",
		[VIRTIO_RDMA_R_RESET] = "reset",
		[VIRTIO_RDMA_R_TIMED_OUT] = "timed-out",
		[VIRTIO_RDMA_R_PEER_GONE] = "peer-gone",
		[VIRTIO_RDMA_R_LOCAL_ERROR] = "local-error",
		[VIRTIO_RDMA_R_ADMINISTRATOR] = "administrator",
		[VIRTIO_RDMA_R_DEVICE_RESET] = "device-reset",
	};

	return reason < VIRTIO_RDMA_R_COUNT ? names[reason] : "?";
}

static struct sa address(const char *text, const char *port)
{
	uint16_t p = htons((uint16_t)number(port));
	struct sa a = { .len = sizeof(a.in) };

	if (inet_pton(AF_INET, text, &a.in.sin_addr) == 1) {
		a.in.sin_family = AF_INET;
		a.in.sin_port = p;
		return a;
	}
	a.len = sizeof(a.in6);
	a.in6.sin6_family = AF_INET6;
	a.in6.sin6_port = p;
	if (inet_pton(AF_INET6, text, &a.in6.sin6_addr) != 1)
		give_up("what=\"%s is no address\"", text);
	return a;
}

/* Private data that came with the last message of the peer */
static void say_private(const char *what, NDK_CONNECTOR *c)
{
	ULONG in = 0, out = 0, len = 256;
	char data[256], text[256];
	NTSTATUS st = c->Dispatch->NdkGetConnectionData(c, &in, &out, data, &len);

	if (st)
		say("%s data=%s", what, status_name(st));
	else
		say("%s length=%u private=\"%s\" inbound_reads=%u outbound_reads=%u",
		    what, len, shown(data, len, text), in, out);
}

/* --- callbacks, in the core's threads -------------------------------------------- */

/* What was asked for is the context */
static char accepting[] = "accept", completing[] = "complete",
	    disconnecting[] = "disconnect";

static void on_done(PVOID ctx, NTSTATUS status)
{
	say("%s-completed status=%s", (const char *)ctx, status_name(status));
}

static void on_connected(PVOID ctx, NTSTATUS status)
{
	NDK_CONNECTOR *c = ctx;

	if (!status || status == STATUS_CONNECTION_REFUSED)
		say_private("reply", c);
	say("connect-completed status=%s", status_name(status));
}

static void on_indication(PVOID ctx, ULONG reason)
{
	(void)ctx;
	say("indication reason=%s", reason_name(reason));
}

static void done_now(void (*cb)(PVOID, NTSTATUS), PVOID ctx, NTSTATUS status)
{
	if (status != STATUS_PENDING)
		cb(ctx, status);
}

/* --- verbs: connections ------------------------------------------------------------ */

/* The objects of a connection, made when it is needed */
static struct ep *end(void)
{
	static const struct ep_opts opts = { .depth = DEPTH };

	if (!me.has_ep) {
		ep_init(&me.ep, me.guest, &opts);
		me.has_ep = true;
	}
	return &me.ep;
}

static NDK_CONNECTOR *connection(void)
{
	if (!me.has_ep || !me.ep.conn)
		give_up("what=\"there is no connection\"");
	return me.ep.conn;
}

static void do_listen(char **word, int n)
{
	(void)n;
	if (me.listeners == MAX_LISTENERS)
		give_up("what=\"over %d listeners\"", MAX_LISTENERS);
	listener_start(&me.listener[me.listeners++], end()->adapter,
		       address(word[0], word[1]));
	say("listening");
}

static void do_connect(char **word, int n)
{
	const char *text = word_or(word, n, 2, "");
	struct sa to = address(word[0], word[1]);
	struct ep *e = end();

	if (!e->conn)
		e->conn = nd_connector(e->adapter);
	done_now(on_connected, e->conn,
		 e->conn->Dispatch->NdkConnect(e->conn, e->qp, NULL, 0, &to.sa,
					       to.len, READS, READS, text,
					       (ULONG)strlen(text),
					       on_connected, e->conn));
}

static void do_complete(char **word, int n)
{
	NDK_CONNECTOR *c = connection();

	(void)word;
	(void)n;
	done_now(on_done, completing,
		 c->Dispatch->NdkCompleteConnectEx(c, on_indication, NULL,
						   on_done, completing));
}

static NDK_CONNECTOR *take_request(void)
{
	NDK_CONNECTOR *c = me.waiting;

	if (!c)
		give_up("what=\"no request waits\"");
	me.waiting = NULL;
	return c;
}

static void do_accept(char **word, int n)
{
	const char *text = word_or(word, n, 0, "");
	NDK_CONNECTOR *c = take_request();
	struct ep *e = end();

	e->conn = c;
	done_now(on_done, accepting,
		 c->Dispatch->NdkAcceptEx(c, e->qp, READS, READS, text,
					  (ULONG)strlen(text), on_indication,
					  NULL, on_done, accepting));
}

/* Of a request that waits, or of a reply instead of completing */
static void do_reject(char **word, int n)
{
	const char *text = word_or(word, n, 0, "");
	bool passive = me.waiting;
	NDK_CONNECTOR *c = passive ? take_request() : connection();

	say("rejected-it status=%s",
	    status_name(c->Dispatch->NdkReject(c, text, (ULONG)strlen(text))));
	if (passive)
		nd_close(c);
}

static void do_disconnect(char **word, int n)
{
	NDK_CONNECTOR *c = connection();
	NTSTATUS st;

	(void)word;
	(void)n;
	say("disconnect-called");
	st = c->Dispatch->NdkDisconnect(c, on_done, disconnecting);
	done_now(on_done, disconnecting, st);
}

static void do_close(char **word, int n)
{
	(void)word;
	(void)n;
	nd_close(connection());
	me.ep.conn = NULL;
	say("closed");
}

/* Nothing is reused: another queue pair for another connection */
static void do_renew(char **word, int n)
{
	(void)word;
	(void)n;
	ep_renew(end());
	say("renewed");
}

/* --- verbs: data ------------------------------------------------------------------ */

static void do_recv(char **word, int n)
{
	(void)word;
	(void)n;
	say("posted status=%s", status_name(ep_post_recv(end(), 0, 0, 64)));
}

static void do_flush(char **word, int n)
{
	(void)word;
	(void)n;
	end();
	me.ep.qp->Dispatch->NdkFlush(me.ep.qp);
	say("flushed");
}

static const struct talk_verb verbs[] = {
	{ "listen", "ADDR PORT", 2, do_listen, "" },
	{ "connect", "ADDR PORT [TEXT]", 2, do_connect, "" },
	{ "complete", "", 0, do_complete, "CompleteConnect" },
	{ "accept", "[TEXT]", 0, do_accept, "the request that waits" },
	{ "reject", "[TEXT]", 0, do_reject, "that, or instead of completing" },
	{ "disconnect", "", 0, do_disconnect, "" },
	{ "close", "", 0, do_close, "the connector" },
	{ "renew", "", 0, do_renew, "another queue pair, for another time" },
	{ "recv", "", 0, do_recv, "posts a receive" },
	{ "flush", "", 0, do_flush, "the queue pair" },
};
#define VERBS (sizeof(verbs) / sizeof(verbs[0]))

/* --- what comes ------------------------------------------------------------------ */

static bool has_request(struct listener *l)
{
	bool has;

	pthread_mutex_lock(&l->lock);
	has = l->head != l->tail;
	pthread_mutex_unlock(&l->lock);
	return has;
}

static void look(void)
{
	NDK_RESULT_EX r;

	if (!me.has_ep)
		return;
	while (me.ep.cq->Dispatch->NdkGetCqResultsEx(me.ep.cq, &r, 1))
		say("done status=%s", status_name(r.Status));
	for (int i = 0; i < me.listeners && !me.waiting; i++) {
		if (!has_request(&me.listener[i]))
			continue;
		me.waiting = listener_next(&me.listener[i]);
		say_private("request", me.waiting);
	}
}

static void start(void)
{
	char own[256], section[256];
	struct daemon_opts o = { .first = me.number, .guests = 1,
				 .guest_section = section };

	snprintf(own, sizeof(own), "fabric = verbs:%s\nlocal = no\n", me.device);
	snprintf(section, sizeof(section),
		 "disconnect-timeout-ms = %u\nrnr-timeout-ms = 2000\n" FX_SMALL,
		 me.disconnect_ms);
	o.own[me.number] = own;
	if (!daemon_start(&me.daemon, &o))
		give_up("what=\"no vrdmad, see above\"");
	me.guest = tguest_start(me.daemon.socket[me.number], 32u << 20);
	if (!me.guest)
		give_up("what=\"no guest, see above\"");
	say("ready log=%s", me.daemon.log);
}

/* All that was made goes as it should, or an assertion says what did not */
static void finish(void)
{
	if (me.waiting)
		nd_close(me.waiting);
	/* a listener ends behind the connections that it took */
	if (me.has_ep && me.ep.conn)
		nd_close(me.ep.conn);
	me.ep.conn = NULL;
	for (int i = 0; i < me.listeners; i++)
		listener_stop(&me.listener[i]);
	if (me.has_ep)
		ep_fini(&me.ep);
	ck_assert_uint_eq(vrdma_core_object_count(tguest_core(me.guest)), 0);
	tguest_stop(me.guest);
	if (daemon_alive(&me.daemon))
		ck_assert_int_eq(daemon_stop(&me.daemon), 0);
	daemon_cleanup(&me.daemon);
	say("gone");
}

static void body(void)
{
	struct pollfd fd = { .fd = STDIN_FILENO, .events = POLLIN };

	start();
	do {
		look();
		if (poll(&fd, 1, TICK_MS) < 0 && errno != EINTR)
			give_up("what=\"poll: %s\"", strerror(errno));
	} while (!fd.revents || talk_read(verbs, VERBS));
	finish();
}

int main(int argc, char **argv)
{
	int c;

	while ((c = getopt(argc, argv, "hd:n:T:")) != -1) {
		switch (c) {
		case 'd':
			me.device = optarg;
			break;
		case 'n':
			me.number = (int)(number(optarg) % DAEMON_MAX_GUESTS);
			break;
		case 'T':
			me.disconnect_ms = (unsigned int)number(optarg);
			break;
		default:
			printf("usage: %s [-d DEVICE] [-n GUEST] [-T MS]\n\n"
			       "One end of connections over vrdmad and an RDMA "
			       "device, told what to do.\nGUEST n has the "
			       "addresses 10.0.0.(n+1) and fd00::(n+1); MS is "
			       "its disconnect-timeout-ms.\n", argv[0]);
			talk_help(verbs, VERBS);
			return c == 'h' ? 0 : 2;
		}
	}
	return run_plain("side", body);
}
