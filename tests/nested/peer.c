// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * peer.c - the other side of a connection, and not ours
 *
 * DOC: A plain program on librdmacm, as many are written: its queue pair belongs
 * to the manager's identifier, it answers what it is told to answer and as late
 * as it is told.  It is steered: a line on stdin is a command, a line on stdout
 * is an event, so a test can wait for the one before it says the other.  One
 * thread, one connection at a time.  It ends when stdin does, so that it does
 * not outlive who started it.
 *
 * Message number n of a connection, in either direction and counted from 0, has
 * the bytes of pattern n (tests/lib/pattern.h).
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <netdb.h>
#include <poll.h>
#include <rdma/rdma_cma.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "pattern.h"

#define RESOLVE_MS  5000
#define READS	    8	/* each way, at a time */
#define SLOTS	    16	/* sends, and writes of a storm, at a time */
#define SEND_DEPTH  64
#define CQ_DEPTH    2048
#define MAX_RECV    1024
#define MAX_PRIVATE 196 /* what the manager has room for, at most */
#define LINE	    256
#define NEVER	    (-1)

static const char usage[] =
	"usage: peer -s -a ADDRESS [-p PORT] [OPTION]...\n"
	"       peer -c -a ADDRESS -p PORT [-l ADDRESS] [OPTION]...\n"
	"\n"
	"The other side of an RDMA connection, for tests. Commands on stdin, events\n"
	"on stdout, a line each; ends with stdin.\n"
	"\n"
	"  -s, -c      server: one connection after another; client: one\n"
	"  -a ADDRESS  IPv4 or IPv6, to listen on or to connect to\n"
	"  -l ADDRESS  client: its own\n"
	"  -p PORT     server: 0 (default) is any, see `listening`\n"
	"  -n N        client: so many connections, one after another\n"
	"  -d TEXT     private data of the request, accept or reject\n"
	"  -x          reject; as client: the peer's accept\n"
	"  -o WHEN     answer a disconnect: now (default), never, or after so many ms\n"
	"  -r N        receives (default 16), posted again when they completed\n"
	"  -k          not posted again\n"
	"  -b BYTES    of each receive and the longest message (default 4096)\n"
	"  -m BYTES    memory for the other's reads and writes (default 1 MiB)\n"
	"  -q          no line for messages that are right\n"
	"  -h          this text\n"
	"\n"
	"commands; ADDR and KEY are the other's memory, hexadecimal:\n"
	"  send LEN COUNT            messages; `sent COUNT`\n"
	"  write ADDR KEY LEN SEED   pattern SEED to there; `written LEN`\n"
	"  read ADDR KEY LEN SEED    `read LEN ok` or `read LEN bad AT`\n"
	"  storm ADDR KEY LEN        writes until one fails; `storm ended STATUS`\n"
	"  fill LEN SEED             own memory; `filled LEN`\n"
	"  check LEN SEED            own memory; `check LEN ok` or `... bad AT`\n"
	"  count                     `counted MESSAGES BAD`\n"
	"  disconnect                or the answer to one\n"
	"  quit\n"
	"\n"
	"other events:\n"
	"  listening PORT | request | private LEN TEXT | buffer ADDR KEY LEN\n"
	"  established | received NUMBER LEN ok | rejected STATUS | refused\n"
	"  unreachable STATUS | disconnected | answered | closed\n"
	"  failed WHAT STATUS | error TEXT\n"
	"\n"
	"exit status: 0 as told, 1 the connection or a call failed, 2 usage\n";

enum kind {
	K_RECV,
	K_SEND,
	K_WRITE,
	K_READ,
	K_STORM,
};
static const char *const kind_name[] = {
	[K_RECV] = "receive", [K_SEND] = "send",   [K_WRITE] = "write",
	[K_READ] = "read",    [K_STORM] = "storm",
};

struct options {
	bool server, client, reject, keep, quiet;
	const char *address, *local, *port, *data;
	int answer_ms; /* or NEVER */
	unsigned int receives, connections;
	size_t message, memory;
};

/* One-sided requests answer with what they were asked for */
struct one_sided {
	uint64_t addr;
	uint32_t key, length, seed;
};

static struct {
	struct options o;
	struct rdma_event_channel *channel;
	struct rdma_cm_id *listener;

	/* the connection; id is NULL when there is none */
	struct rdma_cm_id *id;
	struct ibv_pd *pd;
	struct ibv_comp_channel *comp;
	struct ibv_cq *cq;
	struct ibv_qp *qp;
	struct ibv_mr *memory_mr, *recv_mr, *send_mr;
	uint8_t *memory, *recv, *send;
	bool established;
	bool said, heard;    /* disconnect */
	int64_t answer_at;   /* ms, or NEVER */
	uint32_t received, bad;
	uint32_t messages;   /* sent or on their way */
	uint32_t to_send, send_length, sending, ordered;
	struct one_sided asked;
	bool asked_busy;
	struct one_sided storm;
	bool storming;
	uint32_t storm_out;
	enum ibv_wc_status storm_status;
} p;

/* ------------------------------------------------------------- what it says */

static void __attribute__((format(printf, 1, 2))) say(const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	vprintf(format, ap);
	va_end(ap);
	putchar('\n');
	fflush(stdout);
}

static void __attribute__((noreturn, format(printf, 1, 2)))
die(const char *format, ...)
{
	va_list ap;

	fflush(stdout);
	fputs("peer: ", stderr);
	va_start(ap, format);
	vfprintf(stderr, format, ap);
	va_end(ap);
	fputc('\n', stderr);
	exit(EXIT_FAILURE);
}

static void __attribute__((noreturn)) die_errno(const char *what)
{
	die("%s: %s", what, strerror(errno));
}

static void *must(void *pointer, const char *what)
{
	if (!pointer)
		die_errno(what);
	return pointer;
}

static int64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static void say_private(const uint8_t *data, unsigned int length)
{
	printf("private %u ", length);
	for (unsigned int i = 0; i < length; i++)
		if (data[i] >= ' ' && data[i] <= '~' && data[i] != '\\')
			putchar(data[i]);
		else
			printf("\\x%02x", data[i]);
	putchar('\n');
	fflush(stdout);
}

/* ----------------------------------------------------------------- requests */

static uint64_t wr_id(enum kind kind, uint32_t index)
{
	return (uint64_t)kind << 32 | index;
}

static void post_recv(uint32_t slot)
{
	struct ibv_sge sge = {
		.addr = (uintptr_t)(p.recv + slot * p.o.message),
		.length = (uint32_t)p.o.message,
		.lkey = p.recv_mr->lkey,
	};
	struct ibv_recv_wr wr = { .wr_id = wr_id(K_RECV, slot),
				  .sg_list = &sge, .num_sge = 1 }, *bad;

	if (ibv_post_recv(p.qp, &wr, &bad))
		say("failed receive post");
}

/* False: the queue pair takes none */
static bool post(enum kind kind, uint32_t slot, enum ibv_wr_opcode opcode,
		 struct ibv_sge *sge, const struct one_sided *to)
{
	struct ibv_send_wr wr = { .wr_id = wr_id(kind, slot), .sg_list = sge,
				  .num_sge = 1, .opcode = opcode,
				  .send_flags = IBV_SEND_SIGNALED }, *bad;

	if (to) {
		wr.wr.rdma.remote_addr = to->addr;
		wr.wr.rdma.rkey = to->key;
	}
	return ibv_post_send(p.qp, &wr, &bad) == 0;
}

/* Each message has a slot of its own, so its bytes stay until it was sent */
static void pump_sends(void)
{
	while (p.to_send && p.sending < SLOTS) {
		uint32_t slot = p.messages % SLOTS;
		struct ibv_sge sge = {
			.addr = (uintptr_t)(p.send + slot * p.o.message),
			.length = p.send_length,
			.lkey = p.send_mr->lkey,
		};

		pattern_fill(p.send + slot * p.o.message, p.send_length,
			     p.messages);
		if (!post(K_SEND, slot, IBV_WR_SEND, &sge, NULL)) {
			say("failed send post");
			p.to_send = 0;
			return;
		}
		p.messages++;
		p.sending++;
		p.to_send--;
	}
}

static struct ibv_sge memory_sge(uint32_t length)
{
	return (struct ibv_sge){ .addr = (uintptr_t)p.memory, .length = length,
				 .lkey = p.memory_mr->lkey };
}

static void pump_storm(void)
{
	while (p.storming && p.storm_out < SLOTS) {
		struct ibv_sge sge = memory_sge(p.storm.length);

		if (!post(K_STORM, 0, IBV_WR_RDMA_WRITE, &sge, &p.storm)) {
			p.storming = false;
			p.storm_status = IBV_WC_GENERAL_ERR;
			return;
		}
		p.storm_out++;
	}
}

/* -------------------------------------------------------------- completions */

static void say_check(const char *what, const void *bytes, uint32_t length,
		      uint32_t seed)
{
	int64_t at = pattern_check(bytes, length, seed, 0);

	if (at < 0)
		say("%s %u ok", what, length);
	else
		say("%s %u bad %" PRId64, what, length, at);
}

static void recv_done(const struct ibv_wc *wc)
{
	uint32_t slot = (uint32_t)wc->wr_id, number = p.received++;
	int64_t at = pattern_check(p.recv + slot * p.o.message, wc->byte_len,
				   number, 0);

	p.bad += at >= 0;
	if (at >= 0)
		say("received %u %u bad %" PRId64, number, wc->byte_len, at);
	else if (!p.o.quiet)
		say("received %u %u ok", number, wc->byte_len);
	if (!p.o.keep)
		post_recv(slot);
}

static void send_done(const struct ibv_wc *wc)
{
	(void)wc;
	p.sending--;
	pump_sends();
	if (!p.sending && !p.to_send)
		say("sent %u", p.ordered);
}

static void write_done(const struct ibv_wc *wc)
{
	(void)wc;
	p.asked_busy = false;
	say("written %u", p.asked.length);
}

static void read_done(const struct ibv_wc *wc)
{
	(void)wc;
	p.asked_busy = false;
	say_check("read", p.memory, p.asked.length, p.asked.seed);
}

static void storm_done(const struct ibv_wc *wc)
{
	(void)wc;
	p.storm_out--;
	pump_storm();
}

static void (*const done[])(const struct ibv_wc *wc) = {
	[K_RECV] = recv_done, [K_SEND] = send_done,   [K_WRITE] = write_done,
	[K_READ] = read_done, [K_STORM] = storm_done,
};

/* The first failure of a storm is what ended it, the rest is flushed */
static void storm_failed(const struct ibv_wc *wc)
{
	if (p.storming)
		p.storm_status = wc->status;
	p.storming = false;
	p.storm_out--;
}

static void failed(enum kind kind, const struct ibv_wc *wc)
{
	switch (kind) {
	case K_STORM:
		storm_failed(wc);
		return;
	case K_RECV:
		if (wc->status == IBV_WC_WR_FLUSH_ERR)
			return;
		break;
	case K_SEND:
		p.sending--;
		p.to_send = 0;
		break;
	default:
		p.asked_busy = false;
	}
	say("failed %s %s", kind_name[kind], ibv_wc_status_str(wc->status));
}

static void poll_cq(void)
{
	bool storm_was = p.storm_out > 0;
	struct ibv_wc wc;

	while (ibv_poll_cq(p.cq, 1, &wc) == 1) {
		/* the opcode of a failed one means nothing */
		enum kind kind = wc.wr_id >> 32;

		if (wc.status)
			failed(kind, &wc);
		else
			done[kind](&wc);
	}
	if (storm_was && !p.storm_out)
		say("storm ended %s", ibv_wc_status_str(p.storm_status));
}

static void on_completions(void)
{
	struct ibv_cq *cq;
	void *context;

	while (!ibv_get_cq_event(p.comp, &cq, &context))
		ibv_ack_cq_events(cq, 1);
	ibv_req_notify_cq(p.cq, 0);
	poll_cq();
}

/* ----------------------------------------------------- life of a connection */

static void set_nonblocking(int fd)
{
	if (fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK))
		die_errno("O_NONBLOCK");
}

static uint8_t *make_memory(size_t size, struct ibv_mr **mr, int access)
{
	uint8_t *memory = NULL;

	if (posix_memalign((void **)&memory, 4096, size))
		die("no memory: %zu bytes", size);
	memset(memory, 0, size);
	*mr = must(ibv_reg_mr(p.pd, memory, size, access), "ibv_reg_mr");
	return memory;
}

/* As everybody does it, but for one that rejects an accept: the manager would
 * answer an accept by itself if it had the queue pair */
static void make_qp(void)
{
	struct ibv_qp_init_attr attr = {
		.send_cq = p.cq, .recv_cq = p.cq, .qp_type = IBV_QPT_RC,
		.cap = { .max_send_wr = SEND_DEPTH,
			 .max_recv_wr = p.o.receives ? p.o.receives : 1,
			 .max_send_sge = 1, .max_recv_sge = 1 },
	};

	if (p.o.client && p.o.reject) {
		p.qp = must(ibv_create_qp(p.pd, &attr), "ibv_create_qp");
		return;
	}
	if (rdma_create_qp(p.id, p.pd, &attr))
		die_errno("rdma_create_qp");
	p.qp = p.id->qp;
}

static void open_connection(void)
{
	p.pd = must(ibv_alloc_pd(p.id->verbs), "ibv_alloc_pd");
	p.comp = must(ibv_create_comp_channel(p.id->verbs),
		      "ibv_create_comp_channel");
	set_nonblocking(p.comp->fd);
	p.cq = must(ibv_create_cq(p.id->verbs, CQ_DEPTH, NULL, p.comp, 0),
		    "ibv_create_cq");
	ibv_req_notify_cq(p.cq, 0);
	p.memory = make_memory(p.o.memory, &p.memory_mr,
			       IBV_ACCESS_LOCAL_WRITE |
			       IBV_ACCESS_REMOTE_READ |
			       IBV_ACCESS_REMOTE_WRITE);
	p.recv = make_memory(p.o.message * (p.o.receives + 1), &p.recv_mr,
			     IBV_ACCESS_LOCAL_WRITE);
	p.send = make_memory(p.o.message * SLOTS, &p.send_mr,
			     IBV_ACCESS_LOCAL_WRITE);
	make_qp();
	for (uint32_t i = 0; p.qp == p.id->qp && i < p.o.receives; i++)
		post_recv(i);
	say("buffer %" PRIxPTR " %x %zu", (uintptr_t)p.memory,
	    p.memory_mr->rkey, p.o.memory);
}

static void close_objects(void)
{
	if (p.id->qp)
		rdma_destroy_qp(p.id);
	else
		ibv_destroy_qp(p.qp);
	ibv_destroy_cq(p.cq);
	ibv_destroy_comp_channel(p.comp);
	ibv_dereg_mr(p.memory_mr);
	ibv_dereg_mr(p.recv_mr);
	ibv_dereg_mr(p.send_mr);
	ibv_dealloc_pd(p.pd);
	free(p.memory);
	free(p.recv);
	free(p.send);
}

static void start_client(void);

/* A client goes when it has had all of its own */
static void close_connection(int status)
{
	if (p.qp) {
		poll_cq();
		if (p.storm_out)
			say("storm ended closed");
		close_objects();
	}
	rdma_destroy_id(p.id);
	p.id = NULL;
	p.qp = NULL;
	p.pd = NULL;
	p.comp = NULL;
	p.established = p.said = p.heard = false;
	p.asked_busy = p.storming = false;
	p.received = p.bad = p.messages = p.to_send = p.sending = 0;
	p.storm_out = 0;
	p.answer_at = NEVER;
	say("closed");
	if (!p.o.client)
		return;
	if (status || !--p.o.connections)
		exit(status);
	start_client();
}

static struct rdma_conn_param conn_param(void)
{
	return (struct rdma_conn_param){
		.private_data = p.o.data,
		.private_data_len = (uint8_t)strlen(p.o.data),
		.responder_resources = READS,
		.initiator_depth = READS,
		.retry_count = 7,
		.rnr_retry_count = 7,
		.qp_num = p.qp ? p.qp->qp_num : 0,
	};
}

static void say_disconnect(const char *event)
{
	if (rdma_disconnect(p.id))
		say("error rdma_disconnect: %s", strerror(errno));
	p.said = true;
	if (event)
		say("%s", event);
	if (p.heard)
		close_connection(EXIT_SUCCESS);
}

/* ------------------------------------------------------------ the manager's */

struct heard {
	struct rdma_cm_id *id;
	int status;
	uint8_t reads_in, reads_out;
};

static uint8_t at_most(uint8_t a, uint8_t b)
{
	return a < b ? a : b;
}

static void on_addr(const struct heard *h)
{
	(void)h;
	if (rdma_resolve_route(p.id, RESOLVE_MS))
		die_errno("rdma_resolve_route");
}

static void on_route(const struct heard *h)
{
	struct rdma_conn_param param;

	(void)h;
	open_connection();
	param = conn_param();
	if (rdma_connect(p.id, &param))
		die_errno("rdma_connect");
}

static void refuse(struct rdma_cm_id *id)
{
	if (rdma_reject(id, p.o.data, (uint8_t)strlen(p.o.data)))
		die_errno("rdma_reject");
	say("refused");
}

static void on_request(const struct heard *h)
{
	struct rdma_conn_param param;

	if (p.id || p.o.reject) {
		refuse(h->id);
		rdma_destroy_id(h->id);
		return;
	}
	p.id = h->id;
	open_connection();
	param = conn_param();
	param.responder_resources = at_most(READS, h->reads_in);
	param.initiator_depth = at_most(READS, h->reads_out);
	if (rdma_accept(p.id, &param))
		die_errno("rdma_accept");
}

/* Comes only when the queue pair is not the manager's */
static void on_response(const struct heard *h)
{
	refuse(h->id);
	close_connection(EXIT_SUCCESS);
}

static void on_established(const struct heard *h)
{
	(void)h;
	p.established = true;
	say("established");
}

static void on_rejected(const struct heard *h)
{
	say("rejected %d", h->status);
	close_connection(EXIT_FAILURE);
}

static void on_unreachable(const struct heard *h)
{
	say("unreachable %d", h->status);
	close_connection(EXIT_FAILURE);
}

static void on_disconnected(const struct heard *h)
{
	(void)h;
	say("disconnected");
	p.heard = true;
	if (p.said)
		close_connection(EXIT_SUCCESS);
	else if (p.o.answer_ms != NEVER)
		p.answer_at = now_ms() + p.o.answer_ms;
}

static const struct {
	void (*hear)(const struct heard *h);
	bool private; /* comes with such data */
} on[] = {
	[RDMA_CM_EVENT_ADDR_RESOLVED] = { on_addr, false },
	[RDMA_CM_EVENT_ADDR_ERROR] = { on_unreachable, false },
	[RDMA_CM_EVENT_ROUTE_RESOLVED] = { on_route, false },
	[RDMA_CM_EVENT_ROUTE_ERROR] = { on_unreachable, false },
	[RDMA_CM_EVENT_CONNECT_REQUEST] = { on_request, true },
	[RDMA_CM_EVENT_CONNECT_RESPONSE] = { on_response, true },
	[RDMA_CM_EVENT_CONNECT_ERROR] = { on_unreachable, false },
	[RDMA_CM_EVENT_UNREACHABLE] = { on_unreachable, false },
	[RDMA_CM_EVENT_REJECTED] = { on_rejected, true },
	[RDMA_CM_EVENT_ESTABLISHED] = { on_established, true },
	[RDMA_CM_EVENT_DISCONNECTED] = { on_disconnected, false },
};

/* What was heard is copied first: an identifier waits for the acknowledgement
 * of its events when it is destroyed */
static void on_manager(void)
{
	struct rdma_cm_event *ev;

	while (!rdma_get_cm_event(p.channel, &ev)) {
		const struct heard h = {
			.id = ev->id,
			.status = ev->status,
			.reads_in = ev->param.conn.initiator_depth,
			.reads_out = ev->param.conn.responder_resources,
		};
		enum rdma_cm_event_type type = ev->event;
		bool known = (size_t)type < sizeof(on) / sizeof(on[0]) &&
			     on[type].hear;

		if (type == RDMA_CM_EVENT_CONNECT_REQUEST)
			say("request");
		if (known && on[type].private && ev->param.conn.private_data)
			say_private(ev->param.conn.private_data,
				    ev->param.conn.private_data_len);
		rdma_ack_cm_event(ev);
		if (known)
			on[type].hear(&h);
	}
}

/* ----------------------------------------------------------------- commands */

static bool fits(uint32_t length)
{
	if (length <= p.o.memory)
		return true;
	say("error longer than the %zu bytes of -m", p.o.memory);
	return false;
}

static void do_send(const char *args)
{
	if (sscanf(args, "%u %u", &p.send_length, &p.ordered) != 2 ||
	    p.send_length > p.o.message || !p.ordered)
		say("error send LEN COUNT, LEN at most %zu", p.o.message);
	else if (p.to_send || p.sending)
		say("error busy");
	else {
		p.to_send = p.ordered;
		pump_sends();
	}
}

static void one_sided(const char *args, enum kind kind,
		      enum ibv_wr_opcode opcode)
{
	struct one_sided a;
	struct ibv_sge sge;

	if (sscanf(args, "%" SCNx64 " %x %u %u", &a.addr, &a.key, &a.length,
		   &a.seed) != 4) {
		say("error %s ADDR KEY LEN SEED", kind_name[kind]);
		return;
	}
	if (!fits(a.length))
		return;
	if (p.asked_busy) {
		say("error busy");
		return;
	}
	if (kind == K_WRITE)
		pattern_fill(p.memory, a.length, a.seed);
	p.asked = a;
	sge = memory_sge(a.length);
	p.asked_busy = post(kind, 0, opcode, &sge, &p.asked);
	if (!p.asked_busy)
		say("failed %s post", kind_name[kind]);
}

static void do_write(const char *args)
{
	one_sided(args, K_WRITE, IBV_WR_RDMA_WRITE);
}

static void do_read(const char *args)
{
	one_sided(args, K_READ, IBV_WR_RDMA_READ);
}

static void do_storm(const char *args)
{
	if (sscanf(args, "%" SCNx64 " %x %u", &p.storm.addr, &p.storm.key,
		   &p.storm.length) != 3)
		say("error storm ADDR KEY LEN");
	else if (p.storm_out)
		say("error busy");
	else if (fits(p.storm.length)) {
		p.storming = true;
		say("storm");
		pump_storm();
	}
}

static void do_fill(const char *args)
{
	uint32_t length, seed;

	if (sscanf(args, "%u %u", &length, &seed) != 2)
		say("error fill LEN SEED");
	else if (fits(length)) {
		pattern_fill(p.memory, length, seed);
		say("filled %u", length);
	}
}

static void do_check(const char *args)
{
	uint32_t length, seed;

	if (sscanf(args, "%u %u", &length, &seed) != 2)
		say("error check LEN SEED");
	else if (fits(length))
		say_check("check", p.memory, length, seed);
}

static void do_count(const char *args)
{
	(void)args;
	say("counted %u %u", p.received, p.bad);
}

static void do_disconnect(const char *args)
{
	(void)args;
	p.answer_at = NEVER;
	say_disconnect(p.heard ? "answered" : NULL);
}

static const struct {
	const char *name;
	void (*run)(const char *args);
} commands[] = {
	{ "send", do_send },   { "write", do_write }, { "read", do_read },
	{ "storm", do_storm }, { "fill", do_fill },   { "check", do_check },
	{ "count", do_count }, { "disconnect", do_disconnect },
};

static void command(const char *line)
{
	size_t n = strcspn(line, " ");

	if (!strcmp(line, "quit"))
		exit(EXIT_SUCCESS);
	for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
		if (strlen(commands[i].name) != n ||
		    strncmp(commands[i].name, line, n))
			continue;
		if (p.established)
			commands[i].run(line + n);
		else
			say("error no connection");
		return;
	}
	say("error no such command: %s", line);
}

static void on_stdin(void)
{
	static char line[LINE];
	static size_t used;
	ssize_t n = read(STDIN_FILENO, line + used, sizeof(line) - 1 - used);
	char *end;

	if (n <= 0)
		exit(EXIT_SUCCESS);
	used += (size_t)n;
	line[used] = '\0';
	while ((end = strchr(line, '\n'))) {
		*end++ = '\0';
		command(line);
		used -= (size_t)(end - line);
		memmove(line, end, used + 1);
	}
	if (used == sizeof(line) - 1)
		die("a command of more than %d characters", LINE - 2);
}

/* --------------------------------------------------------------------- main */

static struct addrinfo *resolve(const char *address, const char *port)
{
	const struct addrinfo hints = { .ai_flags = AI_NUMERICHOST |
						    AI_NUMERICSERV,
					.ai_socktype = SOCK_STREAM };
	struct addrinfo *found;
	int ret = getaddrinfo(address, port, &hints, &found);

	if (ret) {
		fprintf(stderr, "peer: address %s, port %s: %s\n", address,
			port, gai_strerror(ret));
		exit(2);
	}
	return found;
}

static void start_server(void)
{
	struct addrinfo *at = resolve(p.o.address, p.o.port);

	if (rdma_create_id(p.channel, &p.listener, NULL, RDMA_PS_TCP))
		die_errno("rdma_create_id");
	if (rdma_bind_addr(p.listener, at->ai_addr))
		die("cannot bind to %s port %s: %s; is it an address of an RDMA "
		    "device, and the port free?", p.o.address, p.o.port,
		    strerror(errno));
	if (rdma_listen(p.listener, 8))
		die_errno("rdma_listen");
	freeaddrinfo(at);
	say("listening %u", ntohs(rdma_get_src_port(p.listener)));
}

static void start_client(void)
{
	struct addrinfo *to = resolve(p.o.address, p.o.port);
	struct addrinfo *from = p.o.local ? resolve(p.o.local, "0") : NULL;

	if (rdma_create_id(p.channel, &p.id, NULL, RDMA_PS_TCP))
		die_errno("rdma_create_id");
	if (rdma_resolve_addr(p.id, from ? from->ai_addr : NULL, to->ai_addr,
			      RESOLVE_MS))
		die_errno("rdma_resolve_addr");
	freeaddrinfo(to);
	if (from)
		freeaddrinfo(from);
}

static void loop(void)
{
	struct pollfd fds[3] = {
		{ .fd = STDIN_FILENO, .events = POLLIN },
		{ .fd = p.channel->fd, .events = POLLIN },
		{ .events = POLLIN },
	};

	for (;;) {
		int64_t wait = -1;

		fds[2].fd = p.comp ? p.comp->fd : -1;
		if (p.answer_at != NEVER)
			wait = p.answer_at - now_ms();
		if (p.answer_at != NEVER && wait <= 0) {
			do_disconnect("");
			continue;
		}
		if (poll(fds, 3, (int)wait) < 0 && errno != EINTR)
			die_errno("poll");
		/* data first: what came before a disconnect is told before */
		if (p.comp && fds[2].revents)
			on_completions();
		if (fds[1].revents)
			on_manager();
		if (fds[0].revents)
			on_stdin();
	}
}

static void __attribute__((noreturn)) bad_usage(const char *why)
{
	fprintf(stderr, "peer: %s; see peer -h\n", why);
	exit(2);
}

static unsigned long number(const char *text, unsigned long max)
{
	char *end;
	unsigned long n;

	errno = 0;
	n = strtoul(text, &end, 10);
	if (errno || end == text || *end || *text == '-' || n > max) {
		fprintf(stderr, "peer: %s: not a number from 0 to %lu; "
			"see peer -h\n", text, max);
		exit(2);
	}
	return n;
}

static int when(const char *text)
{
	if (!strcmp(text, "now"))
		return 0;
	if (!strcmp(text, "never"))
		return NEVER;
	return (int)number(text, 3600000);
}

static void check_options(const struct options *o)
{
	if (o->server == o->client)
		bad_usage("either -s or -c");
	if (!o->address)
		bad_usage("-a ADDRESS is missing");
	if (o->client && !o->port)
		bad_usage("-p PORT is missing");
	if (strlen(o->data) > MAX_PRIVATE)
		bad_usage("-d: at most 196 bytes");
	if (!o->message || !o->memory || !o->connections)
		bad_usage("-b, -m and -n: at least 1");
}

static void options(int argc, char **argv)
{
	struct options o = { .data = "", .receives = 16, .message = 4096,
			     .memory = 1 << 20, .connections = 1 };
	int c;

	while ((c = getopt(argc, argv, "sca:l:p:n:d:xo:r:kb:m:qh")) != -1)
		switch (c) {
		case 's': o.server = true; break;
		case 'c': o.client = true; break;
		case 'a': o.address = optarg; break;
		case 'l': o.local = optarg; break;
		case 'p': o.port = optarg; break;
		case 'n': o.connections = (unsigned int)number(optarg, 1000000); break;
		case 'd': o.data = optarg; break;
		case 'x': o.reject = true; break;
		case 'o': o.answer_ms = when(optarg); break;
		case 'r': o.receives = (unsigned int)number(optarg, MAX_RECV); break;
		case 'k': o.keep = true; break;
		case 'b': o.message = number(optarg, 1 << 24); break;
		case 'm': o.memory = number(optarg, 1 << 30); break;
		case 'q': o.quiet = true; break;
		case 'h': fputs(usage, stdout); exit(EXIT_SUCCESS);
		default: bad_usage("wrong options");
		}
	if (optind != argc)
		bad_usage("there are no arguments beside options");
	check_options(&o);
	if (!o.port)
		o.port = "0";
	p.o = o;
}

int main(int argc, char **argv)
{
	options(argc, argv);
	p.answer_at = NEVER;
	p.channel = rdma_create_event_channel();
	if (!p.channel)
		die("no connection manager: %s; it needs an RDMA device, the "
		    "module rdma_ucm and /dev/infiniband/rdma_cm",
		    strerror(errno));
	set_nonblocking(p.channel->fd);
	if (p.o.server)
		start_server();
	else
		start_client();
	loop();
}
