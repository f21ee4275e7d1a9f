// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * peer.c - side B that is not ours: plain librdmacm and libibverbs
 *
 * It shares nothing with the backend under test, not even a habit: the queue pair
 * belongs to the connection manager's identifier, as in rping, so the kernel sends
 * RTU by itself and librdmacm flushes before a DREQ.  Private data is raw.
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

#define MEMORY (4u << 20)
#define DEPTH 64
#define ACCESS \
	(IBV_ACCESS_LOCAL_WRITE | IBV_ACCESS_REMOTE_READ | IBV_ACCESS_REMOTE_WRITE)
#define RESOLVE_MS 5000

static struct {
	struct rdma_event_channel *channel;
	struct rdma_cm_id *listener;
	struct rdma_cm_id *waiting;	/* request, neither accepted nor rejected */
	struct rdma_cm_id *id;		/* the connection */
	struct ibv_pd *pd;
	struct ibv_cq *cq;
	struct ibv_comp_channel *completions;
	struct ibv_mr *mr;
	uint8_t *memory;
	const char *text;		/* goes out with the connect */
	char text_buf[256];
	/* a write that is posted again whenever it completes */
	bool streaming;
	struct ibv_send_wr stream;
	struct ibv_sge stream_sge;
	uint64_t streamed;
} me;

static void check(int failed, const char *what)
{
	if (failed)
		give_up("what=\"%s: %s\"", what, strerror(errno));
}

/* --- objects ------------------------------------------------------------------ */

/* On the device of the first identifier that has one; kept from then on */
static void make_parents(struct ibv_context *device)
{
	if (me.pd)
		return;
	me.pd = ibv_alloc_pd(device);
	check(!me.pd, "ibv_alloc_pd");
	me.completions = ibv_create_comp_channel(device);
	check(!me.completions, "ibv_create_comp_channel");
	me.cq = ibv_create_cq(device, 4 * DEPTH, NULL, me.completions, 0);
	check(!me.cq, "ibv_create_cq");
	check(ibv_req_notify_cq(me.cq, 0), "ibv_req_notify_cq");
	check(posix_memalign((void **)&me.memory, 4096, MEMORY), "memory");
	memset(me.memory, 0, MEMORY);
	me.mr = ibv_reg_mr(me.pd, me.memory, MEMORY, ACCESS);
	check(!me.mr, "ibv_reg_mr");
}

static void make_qp(struct rdma_cm_id *id)
{
	struct ibv_qp_init_attr attr = {
		.send_cq = NULL, .qp_type = IBV_QPT_RC,
		.cap = { .max_send_wr = DEPTH, .max_recv_wr = DEPTH,
			 .max_send_sge = 1, .max_recv_sge = 1 },
	};

	make_parents(id->verbs);
	attr.send_cq = attr.recv_cq = me.cq;
	check(rdma_create_qp(id, me.pd, &attr), "rdma_create_qp");
	say("region addr=%#llx key=%#x size=%u qp=%#x",
	    (unsigned long long)(uintptr_t)me.memory, me.mr->rkey, MEMORY,
	    id->qp->qp_num);
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

	(void)n;
	me.listener = new_id();
	check(rdma_bind_addr(me.listener, info->ai_src_addr), "rdma_bind_addr");
	check(rdma_listen(me.listener, 8), "rdma_listen");
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
	me.streaming = false;
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
	me.streaming = false;
	me.id = NULL;
	if (id->qp)
		rdma_destroy_qp(id);
	check(rdma_destroy_id(id), "rdma_destroy_id");
	say("closed");
}

/* --- verbs: data --------------------------------------------------------------------- */

static struct ibv_sge piece(const char *offset, const char *len)
{
	uint64_t at = number(offset), size = number(len);

	if (at > MEMORY || size > MEMORY - at)
		give_up("what=\"beyond the memory of %u bytes\"", MEMORY);
	return (struct ibv_sge){ .addr = (uintptr_t)me.memory + at,
				 .length = (uint32_t)size, .lkey = me.mr->lkey };
}

static void do_fill(char **word, int n)
{
	(void)n;
	pattern_fill(me.memory, MEMORY, (uint32_t)number(word[0]));
	say("filled");
}

static void do_check(char **word, int n)
{
	struct ibv_sge s = piece(word[1], word[2]);
	int64_t bad = pattern_check((void *)(uintptr_t)s.addr, s.length,
				    (uint32_t)number(word[0]), number(word[1]));

	(void)n;
	if (bad < 0)
		say("checked ok=yes");
	else
		say("checked ok=no at=%lld", (long long)bad);
}

/* What a work request is, in its id: a failed completion has no opcode */
enum { OP_RECV, OP_SEND, OP_WRITE, OP_READ, OP_STREAM };
static const char *const op_name[] = { "recv", "send", "write", "read" };
static const enum ibv_wr_opcode op_code[] = {
	[OP_SEND] = IBV_WR_SEND, [OP_WRITE] = IBV_WR_RDMA_WRITE,
	[OP_READ] = IBV_WR_RDMA_READ,
};

static void do_recv(char **word, int n)
{
	struct ibv_sge s = piece(word[0], word[1]);
	struct ibv_recv_wr wr = { .wr_id = OP_RECV, .sg_list = &s, .num_sge = 1 };
	struct ibv_recv_wr *bad;

	(void)n;
	check(ibv_post_recv(connection()->qp, &wr, &bad), "ibv_post_recv");
	say("posted op=recv");
}

static void post(int op, char **word, int n)
{
	struct ibv_sge s = piece(word[0], word[1]);
	struct ibv_send_wr wr = { .wr_id = (uint64_t)op, .sg_list = &s,
				  .num_sge = 1, .opcode = op_code[op],
				  .send_flags = IBV_SEND_SIGNALED };
	struct ibv_send_wr *bad;

	if (n > 3) {
		wr.wr.rdma.remote_addr = number(word[2]);
		wr.wr.rdma.rkey = (uint32_t)number(word[3]);
	}
	check(ibv_post_send(connection()->qp, &wr, &bad), "ibv_post_send");
}

static void do_send(char **word, int n)
{
	(void)n;
	post(OP_SEND, word, 2);
}

static void do_write(char **word, int n)
{
	post(OP_WRITE, word, n);
}

static void do_read(char **word, int n)
{
	post(OP_READ, word, n);
}

static void stream_more(void)
{
	struct ibv_send_wr *bad;

	if (ibv_post_send(me.id->qp, &me.stream, &bad)) {
		me.streaming = false;
		say("stream-over count=%llu", (unsigned long long)me.streamed);
	}
}

static void do_stream(char **word, int n)
{
	(void)n;
	connection();
	me.stream_sge = piece("0", word[0]);
	me.stream = (struct ibv_send_wr){
		.wr_id = OP_STREAM, .sg_list = &me.stream_sge, .num_sge = 1,
		.opcode = IBV_WR_RDMA_WRITE, .send_flags = IBV_SEND_SIGNALED,
		.wr.rdma = { .remote_addr = number(word[1]),
			     .rkey = (uint32_t)number(word[2]) },
	};
	me.streaming = true;
	me.streamed = 0;
	for (int i = 0; i < 8; i++)
		stream_more();
	say("streaming");
}

static const struct talk_verb verbs[] = {
	{ "listen", "ADDR PORT", 2, do_listen, "" },
	{ "connect", "FROM ADDR PORT [TEXT]", 3, do_connect, "" },
	{ "accept", "[TEXT]", 0, do_accept, "the request that waits" },
	{ "reject", "[TEXT]", 0, do_reject, "the request that waits" },
	{ "disconnect", "", 0, do_disconnect, "a DREQ, or a DREP for one" },
	{ "close", "", 0, do_close, "destroys queue pair and identifier" },
	{ "fill", "SEED", 1, do_fill, "all of the memory with a pattern" },
	{ "check", "SEED OFFSET LEN", 3, do_check, "that part of it" },
	{ "recv", "OFFSET LEN", 2, do_recv, "posts a receive" },
	{ "send", "OFFSET LEN", 2, do_send, "" },
	{ "write", "OFFSET LEN ADDR KEY", 4, do_write, "" },
	{ "read", "OFFSET LEN ADDR KEY", 4, do_read, "" },
	{ "stream", "LEN ADDR KEY", 3, do_stream, "writes without end" },
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

static void stream_completion(const struct ibv_wc *wc)
{
	if (!me.streaming)
		return;
	me.streamed++;
	if (wc->status == IBV_WC_SUCCESS) {
		stream_more();
		return;
	}
	me.streaming = false;
	say("stream-over count=%llu status=\"%s\"",
	    (unsigned long long)me.streamed, ibv_wc_status_str(wc->status));
}

static void on_completion(const struct ibv_wc *wc)
{
	if (wc->wr_id == OP_STREAM)
		stream_completion(wc);
	else
		say("done op=%s status=\"%s\" bytes=%u", op_name[wc->wr_id],
		    ibv_wc_status_str(wc->status),
		    wc->status == IBV_WC_SUCCESS ? wc->byte_len : 0);
}

static void read_completions(void)
{
	struct ibv_wc wc;
	struct ibv_cq *cq;
	void *context;

	if (ibv_get_cq_event(me.completions, &cq, &context))
		return;
	ibv_ack_cq_events(cq, 1);
	check(ibv_req_notify_cq(cq, 0), "ibv_req_notify_cq");
	while (ibv_poll_cq(cq, 1, &wc) > 0)
		on_completion(&wc);
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
			{ .fd = me.completions ? me.completions->fd : -1,
			  .events = POLLIN },
		};

		if (poll(fd, 3, -1) < 0 && errno != EINTR)
			check(1, "poll");
		if (fd[1].revents)
			read_events();
		if (fd[2].revents)
			read_completions();
		if (fd[0].revents && !talk_read(verbs, VERBS))
			return 0;
	}
}
