/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * data_rig.h - the data path without a session: for the tests of its pieces
 *
 * The test plays the control thread and both guests' drivers: it runs the
 * command handlers on structures that it fills itself, rings doorbells in the
 * guests' memory and reads completions there.  The worker is the real one.
 * command_done() and the like are the rig's, so the virtqueues stay out.
 */
#ifndef DATA_RIG_H
#define DATA_RIG_H

#include <check.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "../../host-backend/local/local_data.h"
#include "cq.h"
#include "guest.h"
#include "loop.h"
#include "mr.h"
#include "mw.h"
#include "qp.h"
#include "srq.h"
#include "worker.h"

#ifndef RIG_MEM
#define RIG_MEM		(64u << 20)
#endif
#ifndef RIG_DEPTH	/* a program may want others, of one page at least */
#define RIG_DEPTH	64u
#define RIG_CQ_DEPTH	256u
#define RIG_STRIDE	512u
#define RIG_INLINE	256u
#define RIG_SGE		15u
#endif
#define RIG_WINDOWS	8u
#ifndef RIG_QUEUES	/* how many there may be */
#define RIG_QUEUES	8u
#define RIG_REGIONS	1024u
#endif
/* offsets in a guest's memory */
#define RIG_CONTEXT	0x0u
#define RIG_TABLES	0x10000u	/* page lists, bumped */
#define RIG_CQ		0x400000u
#define RIG_QP		0x600000u
#define RIG_DATA	0x1000000u	/* to the end */

struct be_conn {
	struct local_pipe *pipe;
	unsigned int side;
};

struct rig_guest {
	struct guest g;
	struct guest_conf conf;
	uint64_t gpa;
	uint8_t *mem;
	int fd;
	uint32_t tables;		/* next free byte of the tables */
	uint32_t context, pd, cq, qp;
	uint32_t local, remote;		/* tokens of [RIG_DATA, end) */
	uint32_t sq_tail, rq_tail, cq_head;
	struct be_conn conn;
	uint32_t qp_failures;
	enum virtio_rdma_reason qp_reason;
	uint32_t stops;
	uint32_t cq_events, cq_errors;
	uint32_t srq_limits, srq_errors;
};

struct rig {
	struct model model;
	struct loop *loop;
	struct worker *worker;
	struct rig_guest a, b;
};

/* The worker is no thread but runs when the test says so; set before rig_start() */
static bool rig_by_hand;
/* What both drivers negotiated; likewise */
static uint32_t rig_features;
/* VIRTIO_RDMA_PD_xxx of both guests' domain; likewise */
static uint32_t rig_pd_flags;

struct rig_answer {
	enum virtio_rdma_status status;
	uint32_t handle;
	bool done;
};

/* --------------------------------------------- what the model calls upwards */

static inline struct rig_guest *rig_of(struct guest *g)
{
	return container_of(g, struct rig_guest, g);
}

void command_done(struct command *cmd, enum virtio_rdma_status status,
		  uint32_t handle)
{
	struct rig_answer *a = cmd->priv;

	a->status = status;
	a->handle = handle;
	ck_assert(!a->done);
	a->done = true;
}

void guest_post_event(struct guest *g, const struct virtio_rdma_event *ev)
{
	switch (ev->type) {
	case VIRTIO_RDMA_EV_CQ_ERROR:
		rig_of(g)->cq_errors++;
		break;
	case VIRTIO_RDMA_EV_SRQ_LIMIT:
		ck_assert_uint_eq(ev->cookie, 0x5c00c1e);
		rig_of(g)->srq_limits++;
		break;
	case VIRTIO_RDMA_EV_SRQ_ERROR:
		ck_assert_uint_eq(ev->cookie, 0x5c00c1e);
		rig_of(g)->srq_errors++;
		break;
	default:
		ck_abort_msg("event %u", ev->type);
	}
}

void guest_post_cq_event(struct guest *g, uint32_t ceq, uint64_t cookie,
			 uint32_t cq_handle)
{
	(void)ceq;
	ck_assert_uint_eq(cookie, 0xc00c1e);
	ck_assert_uint_eq(cq_handle, rig_of(g)->cq);
	rig_of(g)->cq_events++;
}

void guest_drop_events(struct guest *g, uint32_t handle, enum events_of type)
{
	(void)g;
	(void)handle;
	(void)type;
}

/* The rig lends a queue pair to its own guest structure as "connector" */
void connector_qp_failed(struct connector *cm, enum virtio_rdma_reason reason)
{
	struct rig_guest *r = (struct rig_guest *)(void *)cm;

	r->qp_failures++;
	r->qp_reason = reason;
}

/* ---------------------------------------------------------------- transport */

static void rig_attach(struct be_conn *c, struct be_qp *qp)
{
	local_data_attach(c->pipe, c->side, qp);
}

static bool rig_run(struct be_conn *c)
{
	return local_data_run(c->pipe, c->side);
}

static void rig_stop(struct be_conn *c)
{
	local_data_stop(c->pipe, c->side);
}

static void rig_absent(struct be_conn *c)
{
	local_data_absent(c->pipe, c->side);
}

static const struct backend rig_backend = {
	.name = "rig",
	.attach = rig_attach,
	.absent = rig_absent,
	.run = rig_run,
	.stop = rig_stop,
};

/* ----------------------------------------------------------------- commands */

/* Runs a handler to its end */
static inline struct rig_answer rig_command(struct rig *r, struct rig_guest *x,
					    void (*fn)(struct command *),
					    struct command *cmd)
{
	struct rig_answer a = { 0 };

	cmd->guest = &x->g;
	cmd->priv = &a;
	fn(cmd);
	for (int i = 0; i < 5000 && !a.done; i++)
		loop_run_once(r->loop, 1);
	ck_assert_msg(a.done, "the command was not answered in 5 s");
	return a;
}

static inline struct rig_answer rig_simple(struct rig *r, struct rig_guest *x,
					   void (*fn)(struct command *),
					   uint32_t handle)
{
	struct command cmd = { .handle = handle };

	return rig_command(r, x, fn, &cmd);
}

static inline uint64_t *rig_table(struct rig_guest *x, uint64_t *gpa)
{
	uint32_t at = x->tables;

	x->tables += VIRTIO_RDMA_PAGE_SIZE;
	ck_assert_uint_le(x->tables, RIG_CQ);
	*gpa = x->gpa + at;
	return (uint64_t *)(void *)(x->mem + at);
}

/* A list of count pages of 1 << shift bytes from off; step -1: backwards,
 * so that no two lie together */
static inline struct virtio_rdma_page_list
rig_pages(struct rig_guest *x, uint64_t off, uint32_t count, uint8_t shift,
	  int step)
{
	struct virtio_rdma_page_list l = {
		.page_count = count,
		.page_shift = shift,
	};
	uint64_t top_gpa, leaf_gpa, *top, *leaf = NULL;

	if (count == 1) {
		l.root = x->gpa + off;
		return l;
	}
	top = rig_table(x, &top_gpa);
	l.levels = count > VIRTIO_RDMA_TABLE_ENTRIES ? 2 : 1;
	l.root = top_gpa;
	for (uint32_t i = 0; i < count; i++) {
		uint32_t page = step > 0 ? i : count - 1 - i;

		if (i % VIRTIO_RDMA_TABLE_ENTRIES == 0) {
			leaf = l.levels == 1 ? top : rig_table(x, &leaf_gpa);
			if (l.levels == 2)
				top[i / VIRTIO_RDMA_TABLE_ENTRIES] = leaf_gpa;
		}
		leaf[i % VIRTIO_RDMA_TABLE_ENTRIES] =
			x->gpa + off + ((uint64_t)page << shift);
	}
	return l;
}

static inline struct rig_answer rig_register(struct rig *r, struct rig_guest *x,
					     uint32_t pd, uint64_t addr,
					     uint64_t length, uint32_t access,
					     struct virtio_rdma_page_list pages,
					     uint32_t *remote)
{
	struct command cmd = { 0 };
	struct rig_answer a;

	cmd.req.register_mr.pd = pd;
	cmd.req.register_mr.addr = addr;
	cmd.req.register_mr.length = length;
	cmd.req.register_mr.access = access;
	cmd.req.register_mr.pages = pages;
	a = rig_command(r, x, cmd_register_mr, &cmd);
	if (remote)
		*remote = cmd.rsp.register_mr.remote_token;
	if (!a.status)
		ck_assert_uint_eq(a.handle, cmd.rsp.register_mr.local_token);
	return a;
}

/* The driver's address of a byte of its memory is its offset there */
static inline uint64_t rig_data(uint64_t off)
{
	return RIG_DATA + off;
}

static inline uint32_t rig_new_pd(struct rig *r, struct rig_guest *x,
				  uint32_t flags)
{
	struct command cmd = { 0 };
	struct rig_answer a;

	cmd.req.create_pd.flags = flags;
	a = rig_command(r, x, cmd_create_pd, &cmd);
	ck_assert_uint_eq(a.status, VIRTIO_RDMA_S_OK);
	return a.handle;
}

static inline void rig_cq_request(struct rig_guest *x,
				  struct virtio_rdma_cmd_create_cq *q,
				  uint32_t depth)
{
	q->depth = depth;
	q->ring_offset = 4096;
	q->cookie = 0xc00c1e;
	q->buffer = rig_pages(x, RIG_CQ, 1 + (depth * 32 + 4095) / 4096, 12, 1);
}

static inline void rig_qp_request(struct rig_guest *x,
				  struct virtio_rdma_cmd_create_qp *q)
{
	q->pd = x->pd;
	q->send_cq = x->cq;
	q->recv_cq = x->cq;
	q->context = x->context;
	q->slot = 70;
	q->sq_depth = RIG_DEPTH;
	q->rq_depth = RIG_DEPTH;
	q->sq_stride = RIG_STRIDE;
	q->rq_stride = RIG_STRIDE;
	q->max_send_sge = RIG_SGE;
	q->max_recv_sge = RIG_SGE;
	q->max_inline = RIG_INLINE;
	q->sq_offset = 4096;
	q->rq_offset = 4096 + RIG_DEPTH * RIG_STRIDE;
	q->qp_context = 0x9b9b;
	q->buffer = rig_pages(x, RIG_QP, 1 + 2 * RIG_DEPTH * RIG_STRIDE / 4096,
			      12, 1);
}

/* -------------------------------------------------------------- the driver */

static inline struct virtio_rdma_qp_record *rig_qp_record(struct rig_guest *x)
{
	return (void *)(x->mem + RIG_QP);
}

static inline struct virtio_rdma_cq_record *rig_cq_record(struct rig_guest *x)
{
	return (void *)(x->mem + RIG_CQ);
}

static inline uint32_t rig_load(const uint32_t *p)
{
	return __atomic_load_n(p, __ATOMIC_ACQUIRE);
}

static inline void rig_bell(struct rig *r, struct rig_guest *x)
{
	struct virtio_rdma_context_page *p = (void *)(x->mem + RIG_CONTEXT);
	struct virtio_rdma_context_page *q = p;

	(void)r;
	__atomic_fetch_or(&p->work[70 / 64], 1ull << (70 % 64), __ATOMIC_SEQ_CST);
	__atomic_fetch_or(&q->summary[0], 1ull << (70 / 64), __ATOMIC_SEQ_CST);
}

static inline void rig_wake(void *arg)
{
	(void)arg;
}

/* A kick, if the worker sleeps; any call serves */
static inline void rig_kick(struct rig *r, struct rig_guest *x)
{
	struct virtio_rdma_context_page *p = (void *)(x->mem + RIG_CONTEXT);

	rig_bell(r, x);
	if (__atomic_load_n(&p->worker, __ATOMIC_SEQ_CST))
		worker_call(r->worker, rig_wake, NULL);
}

static inline uint8_t *rig_sq_entry(struct rig_guest *x)
{
	return x->mem + RIG_QP + 4096 + x->sq_tail % RIG_DEPTH * RIG_STRIDE;
}

static inline uint8_t *rig_rq_entry(struct rig_guest *x)
{
	return x->mem + RIG_QP + 4096 + RIG_DEPTH * RIG_STRIDE +
	       x->rq_tail % RIG_DEPTH * RIG_STRIDE;
}

static inline void rig_post_raw(struct rig *r, struct rig_guest *x,
				const struct virtio_rdma_send_wqe *w,
				const void *more, size_t len)
{
	memcpy(rig_sq_entry(x), w, sizeof(*w));
	if (len)
		memcpy(rig_sq_entry(x) + sizeof(*w), more, len);
	__atomic_store_n(&rig_qp_record(x)->sq_tail, ++x->sq_tail,
			 __ATOMIC_RELEASE);
	rig_kick(r, x);
}

static inline void rig_post(struct rig *r, struct rig_guest *x, uint64_t id,
			    uint8_t opcode, uint16_t flags, uint64_t off,
			    uint32_t len, uint64_t remote_addr,
			    uint32_t remote_token)
{
	const struct virtio_rdma_send_wqe w = {
		.wr_id = id,
		.opcode = opcode,
		.num_sge = 1,
		.flags = flags,
		.remote_addr = remote_addr,
		.remote_token = remote_token,
	};
	const struct virtio_rdma_sge s = { rig_data(off), len, x->local };

	rig_post_raw(r, x, &w, &s, sizeof(s));
}

static inline void rig_recv(struct rig *r, struct rig_guest *x, uint64_t id,
			    uint64_t off, uint32_t len)
{
	const struct virtio_rdma_recv_wqe w = { .wr_id = id, .num_sge = 1 };
	const struct virtio_rdma_sge s = { rig_data(off), len, x->local };

	memcpy(rig_rq_entry(x), &w, sizeof(w));
	memcpy(rig_rq_entry(x) + sizeof(w), &s, sizeof(s));
	__atomic_store_n(&rig_qp_record(x)->rq_tail, ++x->rq_tail,
			 __ATOMIC_RELEASE);
	rig_kick(r, x);
}

/* The next completion, if there is one.  The head is moved by rig_took(). */
static inline bool rig_poll(struct rig_guest *x, uint32_t depth,
			    struct virtio_rdma_cqe *out)
{
	uint8_t *e = x->mem + RIG_CQ + 4096 + x->cq_head % depth * sizeof(*out);
	uint8_t want = x->cq_head / depth % 2 ? 0 : VIRTIO_RDMA_CQE_PHASE;
	uint64_t last = __atomic_load_n((uint64_t *)(void *)(e + 24),
					__ATOMIC_ACQUIRE);

	if ((last >> 56 & VIRTIO_RDMA_CQE_PHASE) != want)
		return false;
	memcpy(out, e, 24);
	memcpy((uint8_t *)out + 24, &last, 8);
	out->status &= (uint8_t)~VIRTIO_RDMA_CQE_PHASE;
	x->cq_head++;
	return true;
}

static inline void rig_took(struct rig_guest *x)
{
	__atomic_store_n(&rig_cq_record(x)->head, x->cq_head, __ATOMIC_RELEASE);
}

/* Waits, bounded, for a completion and checks whose it is and how it ended */
static inline struct virtio_rdma_cqe rig_expect(struct rig *r,
						struct rig_guest *x,
						uint64_t id, uint8_t status)
{
	struct virtio_rdma_cqe c = { 0 };
	uint64_t end = loop_now_ns() + 5000000000ull;

	while (!rig_poll(x, RIG_CQ_DEPTH, &c)) {
		ck_assert_msg(loop_now_ns() < end, "no completion %llu in 5 s",
			      (unsigned long long)id);
		loop_run_once(r->loop, 0);
	}
	rig_took(x);
	ck_assert_uint_eq(c.wr_id, id);
	ck_assert_uint_eq(c.status, status);
	ck_assert_uint_eq(c.qp, x->qp);
	ck_assert_uint_eq(c.qp_context, 0x9b9b);
	return c;
}

#define rig_until(r, cond)						\
	do {								\
		uint64_t end_ = loop_now_ns() + 5000000000ull;		\
		while (!(cond)) {					\
			ck_assert_msg(loop_now_ns() < end_,		\
				      "not within 5 s: %s", #cond);	\
			loop_run_once((r)->loop, 1);			\
		}							\
	} while (0)

/* Everything that was rung before is served when this returns */
static inline void rig_settle(struct rig *r)
{
	/* the second call comes after a whole pass */
	worker_call(r->worker, rig_wake, NULL);
	worker_call(r->worker, rig_wake, NULL);
	while (loop_run_once(r->loop, 0) > 0)
		;
}

/* ------------------------------------------------------------ start and end */

static inline void rig_tables(struct guest *g)
{
	ck_assert_int_eq(handle_table_init(&g->contexts, 8), 0);
	ck_assert_int_eq(handle_table_init(&g->pds, 8), 0);
	ck_assert_int_eq(handle_table_init(&g->cqs, RIG_QUEUES), 0);
	ck_assert_int_eq(handle_table_init(&g->mrs, RIG_REGIONS), 0);
	ck_assert_int_eq(handle_table_init(&g->mws, RIG_WINDOWS), 0);
	ck_assert_int_eq(handle_table_init(&g->qps, RIG_QUEUES), 0);
	ck_assert_int_eq(token_table_init(&g->claims, RIG_REGIONS + RIG_WINDOWS),
			 0);
	ck_assert_int_eq(handle_table_init(&g->srqs, 8), 0);
}

static inline void rig_map(struct rig_guest *x, uint64_t gpa, size_t size)
{
	struct gmem_region_desc d = { .gpa = gpa, .size = size };

	x->gpa = gpa;
	x->fd = memfd_create("rig", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	ck_assert_int_ge(x->fd, 0);
	ck_assert_int_eq(ftruncate(x->fd, (off_t)size), 0);
	ck_assert_int_eq(fcntl(x->fd, F_ADD_SEALS, F_SEAL_SHRINK), 0);
	x->mem = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, x->fd, 0);
	ck_assert_ptr_ne(x->mem, MAP_FAILED);
	d.fd = x->fd;
	ck_assert_int_eq(gmem_map_add(NULL, &d, false, &x->g.map), 0);
	guest_data_set_map(&x->g, x->g.map);
}

static inline void rig_guest_start(struct rig *r, struct rig_guest *x,
				   const char *name, uint64_t gpa)
{
	guest_conf_defaults(&x->conf);
	x->conf.max_mr = RIG_REGIONS;
	x->conf.max_mw = RIG_WINDOWS;
	x->g.features = rig_features;
	x->conf.rnr_timeout_ms = 100;
	x->g.name = name;
	x->g.conf = &x->conf;
	x->g.model = &r->model;
	x->g.loop = r->loop;
	x->g.gmem_account.max = 1u << 20;
	log_limit_init(&x->g.log_limit, 10);
	rig_tables(&x->g);
	ck_assert_int_eq(guest_data_init(&x->g, r->worker), 0);
	rig_map(x, gpa, RIG_MEM);
	x->tables = RIG_TABLES;
}

/* Context, domain, a region over the data, CQ and queue pair */
static inline void rig_objects(struct rig *r, struct rig_guest *x)
{
	const uint64_t len = RIG_MEM - RIG_DATA;
	struct command cmd = { 0 };
	struct rig_answer a;

	cmd.req.create_context.page = x->gpa + RIG_CONTEXT;
	a = rig_command(r, x, cmd_create_context, &cmd);
	ck_assert_uint_eq(a.status, VIRTIO_RDMA_S_OK);
	x->context = a.handle;
	x->pd = rig_new_pd(r, x, rig_pd_flags);
	a = rig_register(r, x, x->pd, RIG_DATA, len, 7,
			 rig_pages(x, RIG_DATA, (uint32_t)(len >> 12), 12, 1),
			 &x->remote);
	ck_assert_uint_eq(a.status, VIRTIO_RDMA_S_OK);
	x->local = a.handle;
	memset(&cmd, 0, sizeof(cmd));
	rig_cq_request(x, &cmd.req.create_cq, RIG_CQ_DEPTH);
	a = rig_command(r, x, cmd_create_cq, &cmd);
	ck_assert_uint_eq(a.status, VIRTIO_RDMA_S_OK);
	x->cq = a.handle;
	memset(&cmd, 0, sizeof(cmd));
	rig_qp_request(x, &cmd.req.create_qp);
	a = rig_command(r, x, cmd_create_qp, &cmd);
	ck_assert_uint_eq(a.status, VIRTIO_RDMA_S_OK);
	x->qp = a.handle;
}

static inline struct vr_qp *rig_qp(struct rig_guest *x)
{
	return handle_get(&x->g.qps, x->qp);
}

static inline void rig_connect_side(struct rig_guest *x,
				    struct local_pipe *pipe, unsigned int side)
{
	struct vr_qp *qp;

	ck_assert_uint_eq(qp_reserve(&x->g, x->qp, (struct connector *)(void *)x,
				     &qp), VIRTIO_RDMA_S_OK);
	x->conn.pipe = pipe;
	x->conn.side = side;
	qp_connect(qp, &rig_backend, &x->conn);
}

static inline void rig_start(struct rig *r, uint32_t poll_us)
{
	const struct worker_conf conf = { .poll_us = poll_us };

	memset(r, 0, sizeof(*r));
	vlog_set_level(VL_ERROR);
	ck_assert_int_eq(loop_create(&r->loop), 0);
	ck_assert_int_eq((rig_by_hand ? worker_create : worker_start)(
				 &conf, r->loop, &r->worker), 0);
	rig_guest_start(r, &r->a, "vm0", 0x100000);
	rig_guest_start(r, &r->b, "vm1", 0x40000000);
	rig_objects(r, &r->a);
	rig_objects(r, &r->b);
}

static inline void rig_connect(struct rig *r)
{
	struct local_pipe *pipe = local_pipe_new();

	ck_assert_ptr_nonnull(pipe);
	rig_connect_side(&r->a, pipe, 0);
	rig_connect_side(&r->b, pipe, 1);
}

static inline void rig_guest_end(struct rig *r, struct rig_guest *x)
{
	struct guest *g = &x->g;
	struct vr_qp *qp = rig_qp(x);

	if (qp && qp->connector) {
		ck_assert(qp_stop_now(qp));
		qp_release(qp);
	}
	qp_reset_all(g);
	srq_reset_all(g);
	cq_reset_all(g);
	mw_reset_all(g);
	mr_reset_all(g);
	pd_reset_all(g);
	context_reset_all(g);
	rig_settle(r);
	handle_table_fini(&g->contexts);
	handle_table_fini(&g->pds);
	handle_table_fini(&g->cqs);
	handle_table_fini(&g->mrs);
	handle_table_fini(&g->mws);
	ck_assert_uint_eq(g->claims.used, 0);
	ck_assert_uint_eq(g->data.tokens.used, 0);
	token_table_fini(&g->claims);
	handle_table_fini(&g->qps);
	handle_table_fini(&g->srqs);
}

static inline void rig_guest_free(struct rig_guest *x)
{
	ck_assert_uint_eq(atomic_load(&x->g.gmem_account.used), 0);
	guest_data_fini(&x->g);
	gmem_map_put(x->g.map);
	munmap(x->mem, RIG_MEM);
	close(x->fd);
}

static inline void rig_end(struct rig *r)
{
	struct local_pipe *pipe = r->a.conn.pipe;

	rig_guest_end(r, &r->a);
	rig_guest_end(r, &r->b);
	rig_guest_free(&r->a);
	rig_guest_free(&r->b);
	worker_stop(r->worker);
	loop_destroy(r->loop);
	if (pipe) {
		local_pipe_put(pipe);
		local_pipe_put(pipe);
	}
}

#endif /* DATA_RIG_H */
