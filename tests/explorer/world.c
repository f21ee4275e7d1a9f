// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * world.c - two guests with their drivers and the queues in between
 *
 * DOC: In place of the virtqueues and the session: a list of chains each way.
 * The functions that the model calls for them (vq.h) are here.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "addr.h"
#include "be_control.h"
#include "connector.h"
#include "control.h"
#include "explorer.h"
#include "fabric.h"
#include "local.h"
#include "local_data.h"
#include "loop.h"

struct world world;

struct vq_answer {
	struct command cmd; /* first */
	struct chain chain;
	uint32_t epoch;
};

/* ------------------------------------------------------------------- chains */

bool fifo_empty(const struct fifo *f)
{
	return f->head == f->tail;
}

void fifo_put(struct fifo *f, const struct chain *c)
{
	if (f->tail - f->head == RING) {
		fprintf(stderr, "explorer: a queue is full\n");
		abort();
	}
	f->e[f->tail++ % RING] = *c;
}

bool fifo_get(struct fifo *f, struct chain *c)
{
	if (fifo_empty(f))
		return false;
	*c = f->e[f->head++ % RING];
	return true;
}

void queues_clear(struct side *s)
{
	for (uint32_t i = 0; i < QUEUES; i++) {
		s->q[i].posted.head = s->q[i].posted.tail;
		s->q[i].used.head = s->q[i].used.tail;
	}
}

static struct side *side_of(const struct guest *g)
{
	return world.side[0].guest == g ? &world.side[0] : &world.side[1];
}

/* ----------------------------------------------------------------- commands */

void device_take_command(struct side *s)
{
	struct vq_answer *a;
	struct chain c;

	if (!fifo_get(&s->q[VIRTIO_RDMA_VQ_CONTROL].posted, &c))
		return;
	a = calloc(1, sizeof(*a));
	a->cmd.guest = s->guest;
	a->cmd.answer = a;
	a->chain = c;
	a->epoch = s->guest->epoch;
	list_init(&a->cmd.link);
	memcpy(a->cmd.req.bytes, c.out,
	       c.out_len < COMMAND_MAX_REQ ? c.out_len : COMMAND_MAX_REQ);
	a->cmd.opcode = vr_from_le16(a->cmd.req.hdr.opcode);
	a->cmd.handle = vr_from_le32(a->cmd.req.hdr.handle);
	s->commands++;
	trace("    %s handle 0x%x", command_row(a->cmd.opcode)->name,
	      a->cmd.handle);
	command_dispatch(&a->cmd, c.out_len, c.in_len);
}

void command_done(struct command *cmd, enum virtio_rdma_status status,
		  uint32_t handle)
{
	struct vq_answer *a = cmd->answer;
	struct side *s = side_of(cmd->guest);
	const struct command_row *row = command_row(cmd->opcode);
	uint32_t len = sizeof(struct virtio_rdma_rsp);

	s->commands--;
	trace("    device %c answers %s with status %d", 'A' + s->index,
	      row->name, (int)status);
	if (a->epoch == s->guest->epoch) {
		cmd->rsp.hdr.status = vr_to_le32(status);
		cmd->rsp.hdr.handle = vr_to_le32(handle);
		if (status == VIRTIO_RDMA_S_OK ||
		    status == VIRTIO_RDMA_S_CONNECTION_REFUSED)
			len = row->rsp_size;
		memcpy(a->chain.in, &cmd->rsp, len);
		a->chain.in_len = len;
		fifo_put(&s->q[VIRTIO_RDMA_VQ_CONTROL].used, &a->chain);
	}
	free(a);
}

/* ------------------------------------------------------------------- events */

static void send_event(struct side *s, uint32_t queue, const void *ev,
		       uint32_t len)
{
	struct chain c;

	if (!fifo_get(&s->q[queue].posted, &c)) {
		/* after a reset there is no driver to hear it */
		return;
	}
	memcpy(c.in, ev, len);
	c.in_len = len;
	fifo_put(&s->q[queue].used, &c);
}

void guest_post_event(struct guest *g, const struct virtio_rdma_event *ev)
{
	struct side *s = side_of(g);

	if (vr_from_le16(ev->type) == VIRTIO_RDMA_EV_DISCONNECTED) {
		s->event_posted = true;
		if (vr_from_le32(ev->reason) == VIRTIO_RDMA_R_GRACEFUL)
			s->heard_graceful = true;
	}
	trace("    device %c sends event %u, reason %u", 'A' + s->index,
	      vr_from_le16(ev->type), vr_from_le32(ev->reason));
	send_event(s, VIRTIO_RDMA_VQ_EVENT, ev, sizeof(*ev));
}

void guest_post_cq_event(struct guest *g, uint32_t ceq, uint64_t cookie,
			 uint32_t cq_handle)
{
	struct virtio_rdma_cq_event ev = {.cookie = cookie,
					  .cq = vr_to_le32(cq_handle)};

	send_event(side_of(g), VIRTIO_RDMA_VQ_CEQ(ceq), &ev, sizeof(ev));
}

/* Buffers are always there, so no event ever waits in the device */
void guest_drop_events(struct guest *g, uint32_t handle, enum events_of type)
{
	(void)g;
	(void)handle;
	(void)type;
}

void guest_needs_reset(struct guest *g, const char *fmt, ...)
{
	g->broken = true;
	violation(8, "device %c needs a reset: %s", 'A' + side_of(g)->index,
		  fmt);
}

int vq_state_init(struct guest *g)
{
	(void)g;
	return 0;
}

void vq_state_fini(struct guest *g)
{
	(void)g;
}

void vq_reset(struct guest *g)
{
	(void)g;
}

void vq_process(struct guest *g, unsigned int qidx)
{
	(void)g;
	(void)qidx;
}

void driver_hear(struct side *s, uint32_t queue)
{
	s->budget = 1;
	vrdma_core_queue_event(s->core, queue);
	s->budget = 0;
}

/* ------------------------------------------------------------------ running */

static bool settle_once(void)
{
	bool any = false;

	for (int i = 0; i < 2; i++) {
		struct side *s = &world.side[i];

		if (!s->guest || !s->core || s->paused || s->reset)
			continue;
		if (!fifo_empty(&s->q[VIRTIO_RDMA_VQ_CONTROL].posted)) {
			device_take_command(s);
			any = true;
		}
		for (uint32_t q = 0; q < 3; q++) {
			if (fifo_empty(&s->q[q].used) || s->lost || s->killed)
				continue;
			driver_hear(s, q);
			any = true;
		}
		if (s->work) {
			struct vrdma_work *w = s->work;

			s->work = NULL;
			w->fn(w->arg);
			any = true;
		}
	}
	if (loop_has_message(world.model.loop)) {
		loop_run_message(world.model.loop);
		any = true;
	}
	if (worker_has_work(world.model.worker[0])) {
		worker_step(world.model.worker[0]);
		any = true;
	}
	return any;
}

void world_settle(void)
{
	for (int i = 0; i < 20000; i++) {
		if (!settle_once())
			return;
		check_step();
	}
	violation(8, "it never comes to rest");
}

/* -------------------------------------------------------------------- sides */

static uint64_t virtual_clock(void)
{
	return world.now;
}

static void must(bool ok, const char *what)
{
	if (ok)
		return;
	fprintf(stderr, "explorer: cannot set up: %s\n%s", what, trace_text());
	abort();
}

struct made {
	bool done;
	NTSTATUS status;
	void *object;
};

static VOID on_made(PVOID ctx, NTSTATUS status, NDK_OBJECT_HEADER *obj)
{
	struct made *m = ctx;

	*m = (struct made){true, status, obj};
}

static VOID on_request_done(PVOID ctx, NTSTATUS status)
{
	struct made *m = ctx;

	m->done = true;
	m->status = status;
}

static VOID on_refused(PVOID ctx)
{
	(void)ctx;
}

static VOID on_connect_event(PVOID ctx, NDK_CONNECTOR *c)
{
	struct side *s = ctx;

	if (s->conn) {
		/* its peer tried again; it has one and wants no other */
		s->refused = true;
		if (ndk_close(c, on_refused, NULL) == STATUS_SUCCESS)
			on_refused(NULL);
		return;
	}
	s->conn = c;
	s->state = C_INCOMING;
}

static VOID on_cq_event(PVOID ctx, NTSTATUS status)
{
	struct side *s = ctx;

	if (status != STATUS_SUCCESS && !s->lost)
		violation(7, "the CQ of %c failed", 'A' + s->index);
	consumer_poll(s);
}

static void guest_memory(struct side *s)
{
	struct gmem_region_desc d = {.size = MEM_PAGES * 4096u};
	struct gmem_map *map;

	s->fd = memfd_create("explorer", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	must(s->fd >= 0 && !ftruncate(s->fd, (off_t)d.size) &&
		     !fcntl(s->fd, F_ADD_SEALS, F_SEAL_SHRINK),
	     "memory");
	s->mem = mmap(NULL, d.size, PROT_READ | PROT_WRITE, MAP_SHARED, s->fd,
		      0);
	must(s->mem != MAP_FAILED, "memory");
	d.fd = s->fd;
	must(!gmem_map_add(NULL, &d, false, &map), "the memory map");
	guest_set_map(s->guest, map);
}

static void make_objects(struct side *s)
{
	NDK_VERSION v = {VRDMA_NDK_MAJOR, VRDMA_NDK_MINOR};
	struct made m = {0};
	MDL mdl;

	must(!vrdma_core_start(s->core), "the driver");
	must(!vrdma_open_adapter(s->core, v, 0, &s->adapter), "adapter");
	s->adapter->Dispatch->NdkCreatePd(s->adapter, on_made, &m, NULL);
	world_settle();
	s->pd = m.object;
	must(s->pd, "PD");
	m.object = NULL;
	s->adapter->Dispatch->NdkCreateCq(s->adapter, 64, on_cq_event, s, NULL,
					  on_made, &m, NULL);
	world_settle();
	s->cq = m.object;
	must(s->cq, "CQ");
	m.object = NULL;
	s->pd->Dispatch->NdkCreateMr(s->pd, FALSE, on_made, &m, &s->mr);
	world_settle();
	if (m.object)
		s->mr = m.object;
	must(s->mr, "MR");
	must(!os_ops.dma_alloc(s, 1, &s->data_dma), "data");
	s->data = s->data_dma.va;
	mdl = (MDL){.va = (uintptr_t)s->data, .length = DATA_SIZE,
		    .pages = s->data_dma.pages};
	m.done = false;
	s->mr->Dispatch->NdkRegisterMr(s->mr, &mdl, DATA_SIZE,
				       NDK_MR_FLAG_ALLOW_LOCAL_WRITE |
				       NDK_MR_FLAG_ALLOW_REMOTE_READ |
				       NDK_MR_FLAG_ALLOW_REMOTE_WRITE,
				       on_request_done, &m);
	world_settle();
	must(m.done && m.status == STATUS_SUCCESS, "registration");
	s->local_token = s->mr->Dispatch->NdkGetLocalTokenFromMr(s->mr);
	s->remote_token = s->mr->Dispatch->NdkGetRemoteTokenFromMr(s->mr);
}

/* The transport is a static of the model and remembers the listeners of a
 * world that was given up, so each world has addresses of its own */
static uint16_t worlds;

const uint8_t *listen_address(void)
{
	static uint8_t sa[16] = {2, 0, 4, 210, 10, 0, 0, 2};

	sa[5] = (uint8_t)(worlds >> 8);
	sa[6] = (uint8_t)worlds;
	return sa;
}

static void make_listener(struct side *s)
{
	struct made m = {0};

	must(!s->adapter->Dispatch->NdkCreateListener(s->adapter,
						      on_connect_event, s,
						      on_made, &m,
						      &s->listener),
	     "listener");
	s->listener->Dispatch->NdkListen(s->listener, (const void *)listen_address(),
					 16, on_request_done, &m);
	world_settle();
	must(m.done && m.status == STATUS_SUCCESS, "listening");
}

void side_start(struct side *s)
{
	s->lost = s->killed = s->reset = s->dirty = false;
	make_objects(s);
	if (s->index == 1)
		make_listener(s);
}

static VOID on_closed(PVOID ctx)
{
	*(bool *)ctx = true;
}

static void close_now(void *object)
{
	bool done = false;

	if (!object)
		return;
	if (ndk_close(object, on_closed, &done) == STATUS_SUCCESS)
		return;
	world_settle();
	must(done, "an object that does not close");
}

/* Closes everything between the orders; the core stays */
void side_end(struct side *s)
{
	bool done = false;

	close_now(s->listener);
	if (s->mr->Dispatch->NdkDeregisterMr(s->mr, on_request_done,
					     &(struct made){0}) ==
	    STATUS_PENDING)
		world_settle();
	(void)done;
	close_now(s->mr);
	close_now(s->cq);
	close_now(s->pd);
	vrdma_close_adapter(s->adapter);
	if (s->data_dma.va)
		os_ops.dma_free(s, &s->data_dma);
	s->listener = NULL;
	s->adapter = NULL;
}

static void guest_conf_small(struct side *s)
{
	struct guest_conf *c = &s->conf;
	char ip[32];

	guest_conf_defaults(c);
	snprintf(ip, sizeof(ip), "10.%u.%u.%d", worlds >> 8, worlds & 255,
		 s->index + 1);
	snprintf(c->name, sizeof(c->name), "vm%c", 'A' + s->index);
	c->naddr = 1;
	must(!addr_parse(ip, &c->addr[0]), "address");
	c->num_ceq = 1;
	c->num_wakeq = 1;
	c->max_context = c->max_pd = c->max_cq = c->max_mr = c->max_qp = 8;
	c->max_connector = c->max_listener = 8;
	c->disconnect_timeout_ms = c->connect_timeout_ms = TIMEOUT_MS;
	/* a request waits for its peer as long as the connection lasts */
	c->rnr_timeout_ms = 0;
}

static void side_new(struct side *s, int index)
{
	s->index = index;
	guest_conf_small(s);
	must(!guest_create(&world.model, &s->conf, &s->guest), "guest");
	world.model.guest[index] = s->guest;
	world.model.guest_count = (uint32_t)index + 1;
	guest_set_paused(s->guest, false);
	guest_set_features(s->guest, guest_offered_features(s->guest));
	guest_memory(s);
	must(!vrdma_core_create(&os_ops, s, &s->core), "core");
}

void world_start(void)
{
	static const struct worker_conf wc = {0};

	loop_set_clock(virtual_clock);
	local_data_set_turn(64, 1);
	world.now = 1000000000u;
	must(!loop_create(&world.model.loop), "loop");
	must(!worker_create(&wc, world.model.loop, &world.model.worker[0]),
	     "worker");
	world.model.worker_count = 1;
	be_control_set_loop(world.model.loop);
	must(!fabric_start_local(&world.model), "connection management");
	for (int i = 0; i < 2; i++)
		side_new(&world.side[i], i);
	for (int i = 0; i < 2; i++)
		side_start(&world.side[i]);
	world.local_live = local_live_count();
}

/* After a violation nothing is trusted and nothing taken down */
static void start_over(void)
{
	for (int i = 0; i < 2; i++) {
		munmap(world.side[i].mem, MEM_PAGES * 4096u);
		close(world.side[i].fd);
	}
	memset(&world, 0, sizeof(world));
	worlds++;
	world_start();
}

void world_mend(void)
{
	if (world.failed) {
		start_over();
		return;
	}
	world.side[0].sealed = world.side[1].sealed = false;
	for (int i = 0; i < 2; i++) {
		struct side *s = &world.side[i];

		if (!s->dirty)
			continue;
		if (!s->lost) {		/* killed: the device is reset already */
			s->lost = true;
			vrdma_core_device_lost(s->core);
		}
		side_end(s);
		side_start(s);
	}
	world.local_live = local_live_count();
}
