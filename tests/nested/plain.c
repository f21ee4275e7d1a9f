// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * plain.c - a side that is not ours: plain librdmacm
 *
 * It shares nothing with the backend under test, not even a habit: the queue pair
 * belongs to the connection manager's identifier, as in rping, so the kernel sends
 * RTU by itself and librdmacm flushes before a DREQ.  Private data is raw.  No data
 * goes over the connections.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <poll.h>
#include <rdma/rdma_cma.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "talk.h"

#define RESOLVE_MS 5000

static struct {
	struct rdma_event_channel *channel;
	struct rdma_cm_id *waiting;	/* request, neither accepted nor rejected */
	struct rdma_cm_id *id;		/* the connection */
	const char *text;		/* goes out with the connect */
	char text_buf[256];
} me;

static void check(int failed, const char *what)
{
	if (failed)
		give_up("what=\"%s: %s\"", what, strerror(errno));
}

/* --- objects ------------------------------------------------------------------ */

/* Domain and completion queues are librdmacm's own */
static void make_qp(struct rdma_cm_id *id)
{
	struct ibv_qp_init_attr attr = {
		.qp_type = IBV_QPT_RC,
		.cap = { .max_send_wr = 1, .max_recv_wr = 1,
			 .max_send_sge = 1, .max_recv_sge = 1 },
	};

	check(rdma_create_qp(id, NULL, &attr), "rdma_create_qp");
}

static struct rdma_addrinfo *resolve(const char *addr, const char *port, int flags)
{
	struct rdma_addrinfo hints = { .ai_flags = flags | RAI_NUMERICHOST,
				       .ai_port_space = RDMA_PS_TCP };
	struct rdma_addrinfo *info;

	check(rdma_getaddrinfo(addr, port, &hints, &info), "rdma_getaddrinfo");
	return info;
}

static struct rdma_cm_id *new_id(void)
{
	struct rdma_cm_id *id;

	check(rdma_create_id(me.channel, &id, NULL, RDMA_PS_TCP),
	      "rdma_create_id");
	return id;
}

/* --- verbs: connections ----------------------------------------------------------- */

static void do_listen(char **word, int n)
{
	struct rdma_addrinfo *info = resolve(word[0], word[1], RAI_PASSIVE);

	struct rdma_cm_id *id = new_id();	/* until the end */

	(void)n;
	check(rdma_bind_addr(id, info->ai_src_addr), "rdma_bind_addr");
	check(rdma_listen(id, 8), "rdma_listen");
	rdma_freeaddrinfo(info);
	say("listening");
}

static void do_connect(char **word, int n)
{
	struct rdma_addrinfo *to = resolve(word[1], word[2], 0);
	struct rdma_addrinfo *from = resolve(word[0], NULL, RAI_PASSIVE);

	snprintf(me.text_buf, sizeof(me.text_buf), "%s", word_or(word, n, 3, ""));
	me.text = me.text_buf;
	me.id = new_id();
	check(rdma_resolve_addr(me.id, from->ai_src_addr, to->ai_dst_addr,
				RESOLVE_MS), "rdma_resolve_addr");
	rdma_freeaddrinfo(from);
	rdma_freeaddrinfo(to);
}

static struct rdma_conn_param parameters(const char *text)
{
	return (struct rdma_conn_param){
		.private_data = text, .private_data_len = (uint8_t)strlen(text),
		.responder_resources = 8, .initiator_depth = 8,
		.retry_count = 7, .rnr_retry_count = 7,
	};
}

static struct rdma_cm_id *take_request(void)
{
	struct rdma_cm_id *id = me.waiting;

	if (!id)
		give_up("what=\"no request waits\"");
	me.waiting = NULL;
	return id;
}

static void do_accept(char **word, int n)
{
	struct rdma_conn_param p = parameters(word_or(word, n, 0, ""));

	me.id = take_request();
	make_qp(me.id);
	check(rdma_accept(me.id, &p), "rdma_accept");
}

static void do_reject(char **word, int n)
{
	struct rdma_cm_id *id = take_request();
	const char *text = word_or(word, n, 0, "");

	check(rdma_reject(id, text, (uint8_t)strlen(text)), "rdma_reject");
	check(rdma_destroy_id(id), "rdma_destroy_id");
	say("rejected-it");
}

static struct rdma_cm_id *connection(void)
{
	if (!me.id)
		give_up("what=\"there is no connection\"");
	return me.id;
}

static void do_disconnect(char **word, int n)
{
	(void)word;
	(void)n;
	/* EINVAL: it is over already, from the other side and answered */
	if (rdma_disconnect(connection()) && errno != EINVAL)
		check(1, "rdma_disconnect");
	say("disconnect-called");
}

static void do_close(char **word, int n)
{
	struct rdma_cm_id *id = connection();

	(void)word;
	(void)n;
	me.id = NULL;
	if (id->qp)
		rdma_destroy_qp(id);
	check(rdma_destroy_id(id), "rdma_destroy_id");
	say("closed");
}

static void do_renew(char **word, int n)
{
	if (me.id)
		do_close(word, n);
	say("renewed");
}

static const struct talk_verb verbs[] = {
	{ "listen", "ADDR PORT", 2, do_listen, "" },
	{ "connect", "FROM ADDR PORT [TEXT]", 3, do_connect, "" },
	{ "accept", "[TEXT]", 0, do_accept, "the request that waits" },
	{ "reject", "[TEXT]", 0, do_reject, "the request that waits" },
	{ "disconnect", "", 0, do_disconnect, "a DREQ, or a DREP for one" },
	{ "close", "", 0, do_close, "destroys queue pair and identifier" },
	{ "renew", "", 0, do_renew, "closes what is left, if anything" },
};
#define VERBS (sizeof(verbs) / sizeof(verbs[0]))

/* --- events -------------------------------------------------------------------------- */

static void say_private(const char *what, const struct rdma_cm_event *e)
{
	const struct rdma_conn_param *p = &e->param.conn;
	char text[256];

	say("%s status=%d length=%u private=\"%s\"", what, e->status,
	    p->private_data_len,
	    shown(p->private_data, p->private_data_len, text));
}

static void on_route(struct rdma_cm_id *id)
{
	struct rdma_conn_param p = parameters(me.text);

	make_qp(id);
	check(rdma_connect(id, &p), "rdma_connect");
}

static void on_request(struct rdma_cm_event *e)
{
	char peer[INET6_ADDRSTRLEN] = "?";

	getnameinfo(rdma_get_peer_addr(e->id), sizeof(struct sockaddr_in6), peer,
		    sizeof(peer), NULL, 0, NI_NUMERICHOST);
	if (me.waiting)
		give_up("what=\"a second request, the first still waits\"");
	me.waiting = e->id;
	say("from peer=%s", peer);
	say_private("request", e);
}

static void on_event(struct rdma_cm_event *e)
{
	switch (e->event) {
	case RDMA_CM_EVENT_ADDR_RESOLVED:
		check(rdma_resolve_route(e->id, RESOLVE_MS), "rdma_resolve_route");
		break;
	case RDMA_CM_EVENT_ROUTE_RESOLVED:
		on_route(e->id);
		break;
	case RDMA_CM_EVENT_CONNECT_REQUEST:
		on_request(e);
		break;
	case RDMA_CM_EVENT_ESTABLISHED:
		say_private("established", e);
		break;
	case RDMA_CM_EVENT_REJECTED:
		say_private("rejected", e);
		break;
	case RDMA_CM_EVENT_DISCONNECTED:
		say("disconnected status=%d", e->status);
		break;
	default:
		say("%s status=%d", rdma_event_str(e->event), e->status);
	}
}

static void read_events(void)
{
	struct rdma_cm_event *e, copy;
	uint8_t data[256];

	while (!rdma_get_cm_event(me.channel, &e)) {
		/* acknowledged first: a destroyed identifier waits for that */
		copy = *e;
		if (copy.param.conn.private_data) {
			memcpy(data, copy.param.conn.private_data,
			       copy.param.conn.private_data_len);
			copy.param.conn.private_data = data;
		}
		rdma_ack_cm_event(e);
		on_event(&copy);
	}
}

int main(int argc, char **argv)
{
	if (argc != 1) {
		printf("usage: %s\n\nOne end of RDMA connections, told what to do.\n",
		       argv[0]);
		talk_help(verbs, VERBS);
		return strcmp(argv[1], "-h") ? 2 : 0;
	}
	me.channel = rdma_create_event_channel();
	check(!me.channel, "rdma_create_event_channel");
	check(fcntl(me.channel->fd, F_SETFL, O_NONBLOCK), "fcntl");
	say("ready");
	for (;;) {
		struct pollfd fd[] = {
			{ .fd = STDIN_FILENO, .events = POLLIN },
			{ .fd = me.channel->fd, .events = POLLIN },
		};

		if (poll(fd, 2, -1) < 0 && errno != EINTR)
			check(1, "poll");
		if (fd[1].revents)
			read_events();
		if (fd[0].revents && !talk_read(verbs, VERBS))
			return 0;
	}
}
