/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * cm_world.h - the world around connection management, for its unit tests
 *
 * DOC: The real connectors, listeners, ports and (where a test wants it) the
 * real local transport, with nothing else of the model: queue pairs, the loop,
 * the queues to the guest are recorders, driven by the test.  Time stands
 * still; a deadline expires when the test says so; messages are delivered when
 * the test says so.  Included by one file of each test program.
 */
#ifndef VRDMA_TEST_CM_WORLD_H
#define VRDMA_TEST_CM_WORLD_H

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../host-backend/local/local.h"
#include "../../host-backend/local/local_data.h"
#include "../../qemu-device/model/addr.h"
#include "../../qemu-device/model/connector_int.h"
#include "../../qemu-device/model/listener.h"
#include "../../qemu-device/model/place.h"
#include "../../qemu-device/model/qp.h"
#include "../../qemu-device/model/shared_ep.h"

static const char *const world_status_name[VIRTIO_RDMA_S_COUNT] = {
	"OK",
	"UNKNOWN_COMMAND",
	"INVALID_PARAMETER",
	"INVALID_HANDLE",
	"NO_RESOURCES",
	"NOT_SUPPORTED",
	"INVALID_STATE",
	"BUSY",
	"ACCESS_VIOLATION",
	"BUFFER_SIZE",
	"ADDRESS_IN_USE",
	"INVALID_ADDRESS",
	"TOO_MANY_ADDRESSES",
	"NETWORK_UNREACHABLE",
	"HOST_UNREACHABLE",
	"CONNECTION_REFUSED",
	"CONNECTION_ABORTED",
	"CONNECTION_INVALID",
	"CONNECTION_ACTIVE",
	"TIMED_OUT",
	"CANCELLED",
	"INTERNAL_ERROR",
	"CONNECTION_EXISTS",
};

static const char *const world_reason_name[VIRTIO_RDMA_R_COUNT] = {
	"NONE",	     "GRACEFUL",    "RESET",	     "TIMED_OUT",
	"PEER_GONE", "LOCAL_ERROR", "ADMINISTRATOR", "DEVICE_RESET",
};

#define WORLD_QPS    32
#define WORLD_POSTS  256
#define WORLD_EVENTS 64

struct world_qp {
	struct vr_qp qp; /* first */
	bool reserved;
	bool connected;
	bool released;
	bool detached;
	bool stopped;
	void (*done)(void *cm);
	void *cm;
};

struct world_post {
	void (*fn)(void *arg);
	void *arg;
};

static struct {
	struct model model;
	struct guest guest[2];
	struct guest_conf conf[2];
	struct world_qp qp[WORLD_QPS];
	struct world_post post[WORLD_POSTS];
	unsigned int post_first, post_count;

	/* answers and events since the last look, in words */
	char said[512];
	enum virtio_rdma_status status;
	uint32_t handle;
	struct command answer; /* a copy */
	unsigned int answers;
	unsigned int commands_out; /* not yet answered */
	struct virtio_rdma_event event[WORLD_EVENTS];
	struct guest *event_guest[WORLD_EVENTS];
	unsigned int events;
	unsigned int dropped; /* guest_drop_events() */
	unsigned int pipes;
	unsigned int placed; /* place_connected() */
	unsigned int attached; /* qp_connect() */
} world;

static void world_say(const char *sep, const char *what)
{
	size_t n = strlen(world.said);

	snprintf(world.said + n, sizeof(world.said) - n, "%s%s%s", n ? " " : "",
		 sep, what);
}

/* ---------------------------------------------------------------- recorders */

void command_done(struct command *cmd, enum virtio_rdma_status status,
		  uint32_t handle)
{
	world.status = status;
	world.handle = handle;
	world.answer = *cmd;
	world.answers++;
	world.commands_out--;
	world_say("", world_status_name[status]);
	free(cmd);
}

void guest_post_event(struct guest *g, const struct virtio_rdma_event *ev)
{
	ck_assert_uint_lt(world.events, WORLD_EVENTS);
	world.event[world.events] = *ev;
	world.event_guest[world.events++] = g;
	world_say("!", ev->type == VIRTIO_RDMA_EV_CONNECT_REQUEST
			       ? "REQUEST"
			       : world_reason_name[ev->reason]);
}

void guest_drop_events(struct guest *g, uint32_t handle, enum events_of type)
{
	(void)g;
	(void)handle;
	ck_assert_int_eq(type, EVENTS_OF_CONNECTOR);
	world.dropped++;
}

struct guest *guest_by_addr(const struct model *m, const struct be_addr *a)
{
	for (uint32_t i = 0; i < m->guest_count; i++)
		for (uint32_t j = 0; j < m->guest[i]->conf->naddr; j++)
			if (addr_ip_equal(a, &m->guest[i]->conf->addr[j]))
				return m->guest[i];
	return NULL;
}

/* ----------------------------------------------------------------- workers
 */

/* Before the queue pair is connected... */
void place_connected(struct guest *g, struct guest *peer)
{
	ck_assert(!peer || peer == world.model.guest[peer->index]);
	g->connections++;
	world.placed++;
}

/* ...and after it was stopped, once for each */
void place_disconnected(struct guest *g, struct guest *peer)
{
	ck_assert(!peer || peer == world.model.guest[peer->index]);
	ck_assert_uint_ne(g->connections, 0);
	g->connections--;
}

/* --------------------------------------------------------------- queue pairs
 */

static struct world_qp *world_qp(uint32_t handle)
{
	return handle && handle <= WORLD_QPS ? &world.qp[handle - 1] : NULL;
}

enum virtio_rdma_status qp_reserve(struct guest *g, uint32_t handle,
				   struct connector *cm, struct vr_qp **out)
{
	struct world_qp *q = world_qp(handle);

	(void)g;
	if (!q)
		return VIRTIO_RDMA_S_INVALID_HANDLE;
	if (q->reserved || q->connected)
		return VIRTIO_RDMA_S_CONNECTION_ACTIVE;
	q->reserved = true;
	q->qp.connector = cm;
	*out = &q->qp;
	return VIRTIO_RDMA_S_OK;
}

void qp_release(struct vr_qp *qp)
{
	struct world_qp *q = (struct world_qp *)qp;

	ck_assert(q->reserved);
	ck_assert_msg(!q->connected || q->stopped, "released while in use");
	q->reserved = false;
	q->released = true;
	q->done = NULL;
}

void qp_connect(struct vr_qp *qp, const struct backend *be,
		struct be_conn *conn)
{
	struct world_qp *q = (struct world_qp *)qp;

	(void)be;
	ck_assert(q->reserved && !q->connected && conn);
	ck_assert_uint_eq(world.placed, ++world.attached);
	q->connected = true;
}

void qp_stop(struct vr_qp *qp, void (*done)(void *cm), void *cm)
{
	struct world_qp *q = (struct world_qp *)qp;

	ck_assert(q->connected);
	if (!done)
		return;
	ck_assert(!q->done);
	q->done = done;
	q->cm = cm;
}

void qp_stop_cancel(struct vr_qp *qp, void *cm)
{
	struct world_qp *q = (struct world_qp *)qp;

	if (q->cm == cm)
		q->done = NULL;
}

bool qp_stop_now(struct vr_qp *qp)
{
	((struct world_qp *)qp)->stopped = true;
	return true;
}

void qp_detach_peer(struct vr_qp *qp)
{
	((struct world_qp *)qp)->detached = true;
}

uint32_t qp_flags(const struct vr_qp *qp)
{
	return qp->flags;
}

/* The queue pair came to rest: the answer to qp_stop(), if one waits */
static inline bool world_qp_rest(struct world_qp *q)
{
	void (*done)(void *cm) = q->done;

	q->stopped = true;
	q->done = NULL;
	if (done)
		done(q->cm);
	return done;
}

/* ------------------------------------------------------ the transport's data
 */

struct local_pipe *local_pipe_new(void)
{
	struct local_pipe *p = calloc(1, sizeof(*p));

	p->refs = 2;
	world.pipes++;
	return p;
}

void local_pipe_put(struct local_pipe *p)
{
	if (--p->refs)
		return;
	world.pipes--;
	free(p);
}

void local_data_attach(struct local_pipe *p, unsigned int side,
		       struct be_qp *qp)
{
	p->end[side].qp = qp;
}

bool local_data_run(struct local_pipe *p, unsigned int side)
{
	(void)p;
	(void)side;
	return false;
}

void local_data_stop(struct local_pipe *p, unsigned int side)
{
	p->end[side].qp = NULL;
}

void local_data_absent(struct local_pipe *p, unsigned int side)
{
	p->end[side].met = true;
}

/* -------------------------------------------------------------------- loop */

uint64_t loop_now_ns(void)
{
	return 0;
}

void loop_timer_init(struct loop_timer *t, loop_fn *fn, void *arg)
{
	t->fn = fn;
	t->arg = arg;
	t->slot = 0;
}

void loop_timer_set_ms(struct loop *l, struct loop_timer *t, uint64_t ms)
{
	(void)l;
	t->deadline_ns = ms * 1000000u;
	t->slot = 1;
}

void loop_timer_cancel(struct loop *l, struct loop_timer *t)
{
	(void)l;
	t->slot = 0;
}

static inline bool world_expire(struct loop_timer *t)
{
	if (!t->slot)
		return false;
	t->slot = 0;
	t->fn(t->arg);
	return true;
}

void loop_post(struct loop *l, loop_fn *fn, void *arg)
{
	unsigned int at = (world.post_first + world.post_count++) % WORLD_POSTS;

	(void)l;
	ck_assert_uint_le(world.post_count, WORLD_POSTS);
	world.post[at] = (struct world_post){fn, arg};
}

void be_post(void (*fn)(void *arg), void *arg)
{
	loop_post(NULL, fn, arg);
}

static bool world_deliver_one(void)
{
	struct world_post p = world.post[world.post_first];

	if (!world.post_count)
		return false;
	world.post_first = (world.post_first + 1) % WORLD_POSTS;
	world.post_count--;
	p.fn(p.arg);
	return true;
}

static inline void world_deliver(void)
{
	while (world_deliver_one())
		;
}

/* ---------------------------------------------------------------- the guests
 */

static struct be_addr world_addr(const char *ip, uint16_t port)
{
	struct be_addr a;

	ck_assert_int_eq(addr_parse(ip, &a), 0);
	a.port = port;
	return a;
}

static void world_guest(unsigned int i, const char *name, const char *v4,
			const char *v6)
{
	struct guest_conf *conf = &world.conf[i];
	struct guest *g = &world.guest[i];

	conf->local = true;
	conf->naddr = 2;
	conf->addr[0] = world_addr(v4, 0);
	conf->addr[1] = world_addr(v6, 0);
	conf->max_backlog = 4;
	conf->max_connector = 16;
	conf->max_listener = 8;
	conf->max_endpoint = 4;
	conf->max_inbound_reads = 16;
	conf->max_outbound_reads = 16;
	conf->disconnect_timeout_ms = 1000;
	conf->connect_timeout_ms = 1000;
	g->name = name;
	g->conf = conf;
	g->index = i;
	g->model = &world.model;
	log_limit_init(&g->log_limit, 10);
	ck_assert_int_eq(handle_table_init(&g->connectors, 16), 0);
	ck_assert_int_eq(handle_table_init(&g->listeners, 8), 0);
	ck_assert_int_eq(handle_table_init(&g->endpoints, 4), 0);
	g->features = VIRTIO_RDMA_FEATURES;
	ck_assert_int_eq(cm_guest_init(g), 0);
	world.model.guest[i] = g;
}

static void world_setup(void)
{
	vlog_set_level(VL_ERROR);
	memset(&world, 0, sizeof(world));
	world.model.guest_count = 2;
	world_guest(0, "a", "10.0.0.1", "fd00::1");
	world_guest(1, "b", "10.0.0.2", "fd00::2");
	for (unsigned int i = 0; i < WORLD_QPS; i++)
		world.qp[i].qp.handle = i + 1;
	world.model.local = local_backend();
	ck_assert_int_eq(world.model.local->start(world.model.local,
						  &connector_events),
			 0);
}

/* Everything down; fails if anything is left */
static void world_teardown(void)
{
	for (unsigned int i = 0; i < 2; i++) {
		listener_reset_all(&world.guest[i]);
		shared_ep_reset_all(&world.guest[i]);
		connector_reset_all(&world.guest[i]);
	}
	while (world_deliver_one())
		;
	for (unsigned int i = 0; i < 2; i++) {
		ck_assert_uint_eq(world.guest[i].connectors.used, 0);
		ck_assert_uint_eq(world.guest[i].connections, 0);
		ck_assert_uint_eq(world.guest[i].listeners.used, 0);
		ck_assert_uint_eq(world.guest[i].endpoints.used, 0);
		ck_assert_uint_eq(guest_ports(&world.guest[i])->count, 0);
		cm_guest_fini(&world.guest[i]);
		handle_table_fini(&world.guest[i].connectors);
		handle_table_fini(&world.guest[i].listeners);
		handle_table_fini(&world.guest[i].endpoints);
	}
	ck_assert_uint_eq(world.commands_out, 0);
	ck_assert_uint_eq(world.pipes, 0);
	world.model.local->shutdown(world.model.local);
}

/* Takes what was said since the last look */
static const char *world_said(void)
{
	static char copy[sizeof(world.said)];

	memcpy(copy, world.said, sizeof(copy));
	world.said[0] = 0;
	return copy;
}

#define world_expect(text) ck_assert_str_eq(world_said(), text)

static struct command *world_cmd(struct guest *g, uint32_t handle)
{
	struct command *cmd = calloc(1, sizeof(*cmd));

	cmd->guest = g;
	cmd->handle = handle;
	world.commands_out++;
	return cmd;
}

static void world_private(struct virtio_rdma_private *p, const char *text)
{
	p->length = vr_to_le16((uint16_t)strlen(text));
	memcpy(p->data, text, strlen(text));
}

static uint32_t world_connector(struct guest *g, uint64_t cookie)
{
	struct command *cmd = world_cmd(g, 0);
	size_t said = strlen(world.said);

	cmd->req.create_connector.cookie = cookie;
	cmd_create_connector(cmd);
	ck_assert_uint_eq(world.status, VIRTIO_RDMA_S_OK);
	world.said[said] = 0;
	return world.handle;
}

static void world_connect(struct guest *g, uint32_t handle, uint32_t qp,
			  const char *ip, uint16_t port)
{
	struct command *cmd = world_cmd(g, handle);
	struct be_addr peer = world_addr(ip, port);

	cmd->req.connect.qp = vr_to_le32(qp);
	cmd->req.connect.inbound_reads = vr_to_le32(8);
	cmd->req.connect.outbound_reads = vr_to_le32(4);
	addr_to_abi(&peer, &cmd->req.connect.peer);
	world_private(&cmd->req.connect.priv, "hello");
	cmd_connect(cmd);
}

static void world_accept(struct guest *g, uint32_t handle, uint32_t qp)
{
	struct command *cmd = world_cmd(g, handle);

	cmd->req.accept.qp = vr_to_le32(qp);
	cmd->req.accept.inbound_reads = vr_to_le32(6);
	cmd->req.accept.outbound_reads = vr_to_le32(5);
	cmd->req.accept.cookie = 77;
	world_private(&cmd->req.accept.priv, "welcome");
	cmd_accept(cmd);
}

static void world_reject(struct guest *g, uint32_t handle, const char *why)
{
	struct command *cmd = world_cmd(g, handle);

	world_private(&cmd->req.reject.priv, why);
	cmd_reject(cmd);
}

static void world_plain(void (*fn)(struct command *), struct guest *g,
			uint32_t handle)
{
	fn(world_cmd(g, handle));
}

static uint32_t world_listen(struct guest *g, const char *ip, uint16_t port,
			     uint32_t backlog)
{
	struct command *cmd = world_cmd(g, 0);
	struct be_addr a = world_addr(ip, port);

	addr_to_abi(&a, &cmd->req.listen.addr);
	cmd->req.listen.backlog = vr_to_le32(backlog);
	cmd->req.listen.cookie = 99;
	cmd_listen(cmd);
	return world.handle;
}

static inline struct connector *world_find(struct guest *g, uint32_t handle)
{
	return handle_get(&g->connectors, handle);
}

#endif /* VRDMA_TEST_CM_WORLD_H */
