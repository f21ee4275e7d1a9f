// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * raw.c - commands and rings written by hand
 */
#include <poll.h>
#include <string.h>
#include <time.h>

#include "raw.h"
#include "vrdma_ring.h"

#define TIMEOUT_MS 20000

static uint64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

static void on_queue(void *arg, uint32_t queue)
{
	(void)arg;
	(void)queue;	/* answers are polled for */
}

static void on_needs_reset(void *arg)
{
	struct raw *r = arg;

	__atomic_add_fetch(&r->needs_reset, 1, __ATOMIC_RELEASE);
}

static const struct fe_events events = { on_queue, on_needs_reset };

void *raw_page(struct raw *r, uint64_t *gpa)
{
	void *p = fe_pages_alloc(r->fe, 1, gpa);

	ck_assert_ptr_nonnull(p);
	return p;
}

void raw_give_event_buffer(struct raw *r)
{
	struct fe_buf in = { r->ev, sizeof(struct virtio_rdma_event) };

	ck_assert_int_eq(fe_add(r->fe, VIRTIO_RDMA_VQ_EVENT, NULL, &in, r->ev),
			 0);
	fe_kick(r->fe, VIRTIO_RDMA_VQ_EVENT);
}

void raw_start_without(struct raw *r, const char *socket, uint64_t features)
{
	memset(r, 0, sizeof(*r));
	r->fe = fe_new(32u << 20, &events, r);
	ck_assert_ptr_nonnull(r->fe);
	fe_leave_out(r->fe, features);
	ck_assert_int_eq(fe_connect(r->fe, socket), 0);
	ck_assert_int_eq(fe_start(r->fe), 0);
	r->req = raw_page(r, &r->req_gpa);
	r->rsp = raw_page(r, &r->rsp_gpa);
	r->ev = raw_page(r, &r->ev_gpa);
	raw_give_event_buffer(r);
}

void raw_start(struct raw *r, const char *socket)
{
	raw_start_without(r, socket, 0);
}

void raw_stop(struct raw *r)
{
	fe_reset(r->fe);
	fe_free(r->fe);
}

void raw_restart(struct raw *r)
{
	fe_reset(r->fe);
	ck_assert_int_eq(fe_start(r->fe), 0);
	__atomic_store_n(&r->needs_reset, 0, __ATOMIC_RELEASE);
	raw_give_event_buffer(r);
}

bool raw_wait_needs_reset(struct raw *r)
{
	uint64_t end = now_ms() + TIMEOUT_MS;

	while (!__atomic_load_n(&r->needs_reset, __ATOMIC_ACQUIRE)) {
		if (now_ms() > end)
			return false;
		poll(NULL, 0, 1);
	}
	return (fe_read_status(r->fe) & FE_NEEDS_RESET) != 0;
}

/* --- commands ------------------------------------------------------------- */

static void submit(struct raw *r, const void *req, uint32_t len,
		   uint32_t rsp_len)
{
	struct fe_buf out = { r->req, len }, in = { r->rsp, rsp_len };

	memcpy(r->req, req, len);
	memset(r->rsp, 0xa5, 4096);
	ck_assert_int_eq(fe_add(r->fe, VIRTIO_RDMA_VQ_CONTROL, &out, &in,
				r->rsp), 0);
	fe_kick(r->fe, VIRTIO_RDMA_VQ_CONTROL);
}

static uint32_t await(struct raw *r)
{
	uint64_t end = now_ms() + TIMEOUT_MS;
	struct virtio_rdma_rsp rsp;
	uint32_t written = 0;

	while (!fe_get(r->fe, VIRTIO_RDMA_VQ_CONTROL, &written)) {
		ck_assert_msg(now_ms() < end, "a command got no answer");
		poll(NULL, 0, 1);
	}
	ck_assert_uint_ge(written, sizeof(rsp));
	memcpy(&rsp, r->rsp, sizeof(rsp));
	ck_assert_uint_lt(vr_from_le32(rsp.status), VIRTIO_RDMA_S_COUNT);
	return vr_from_le32(rsp.status);
}

uint32_t raw_cmd_room(struct raw *r, const void *req, uint32_t len,
		      uint32_t rsp_len)
{
	submit(r, req, len, rsp_len);
	return await(r);
}

uint32_t raw_cmd(struct raw *r, const void *req, uint32_t len)
{
	return raw_cmd_room(r, req, len, 1024);
}

uint32_t raw_handle(const struct raw *r)
{
	struct virtio_rdma_rsp rsp;

	memcpy(&rsp, r->rsp, sizeof(rsp));
	return vr_from_le32(rsp.handle);
}

uint32_t raw_simple(struct raw *r, uint16_t opcode, uint32_t handle)
{
	struct virtio_rdma_cmd c = { .opcode = vr_to_le16(opcode),
				     .handle = vr_to_le32(handle) };

	return raw_cmd(r, &c, sizeof(c));
}

/* --- objects ---------------------------------------------------------------- */

#define CMD(op) { .opcode = vr_to_le16(VIRTIO_RDMA_CMD_##op) }

static struct virtio_rdma_page_list one_page(uint64_t gpa)
{
	return (struct virtio_rdma_page_list){
		.root = vr_to_le64(gpa), .page_count = vr_to_le32(1),
		.page_shift = VIRTIO_RDMA_PAGE_SHIFT,
	};
}

uint32_t raw_create_context(struct raw *r, struct virtio_rdma_context_page **p)
{
	struct virtio_rdma_cmd_create_context c = { .hdr = CMD(CREATE_CONTEXT) };
	uint64_t gpa;

	*p = raw_page(r, &gpa);
	c.page = vr_to_le64(gpa);
	ck_assert_uint_eq(raw_cmd(r, &c, sizeof(c)), VIRTIO_RDMA_S_OK);
	return raw_handle(r);
}

uint32_t raw_create_pd(struct raw *r)
{
	struct virtio_rdma_cmd_create_pd c = { .hdr = CMD(CREATE_PD) };

	ck_assert_uint_eq(raw_cmd(r, &c, sizeof(c)), VIRTIO_RDMA_S_OK);
	return raw_handle(r);
}

uint32_t raw_create_cq(struct raw *r, uint8_t **buf)
{
	struct virtio_rdma_cmd_create_cq c = { .hdr = CMD(CREATE_CQ) };
	uint64_t gpa;

	*buf = raw_page(r, &gpa);
	c.depth = vr_to_le32(RAW_CQ_DEPTH);
	c.ring_offset = vr_to_le32(128);
	c.buffer = one_page(gpa);
	ck_assert_uint_eq(raw_cmd(r, &c, sizeof(c)), VIRTIO_RDMA_S_OK);
	return raw_handle(r);
}

void raw_qp_make(struct raw *r, struct raw_qp *q)
{
	struct virtio_rdma_cmd_create_qp c = { .hdr = CMD(CREATE_QP) };
	uint64_t gpa[2];

	memset(q, 0, sizeof(*q));
	q->context = raw_create_context(r, &q->ctx_page);
	q->pd = raw_create_pd(r);
	q->cq = raw_create_cq(r, &q->cq_buf);
	q->qp_buf = fe_pages_alloc(r->fe, 2, gpa);
	q->slot = 5;
	c.pd = vr_to_le32(q->pd);
	c.send_cq = c.recv_cq = vr_to_le32(q->cq);
	c.context = vr_to_le32(q->context);
	c.slot = vr_to_le32(q->slot);
	c.sq_depth = c.rq_depth = vr_to_le32(RAW_DEPTH);
	c.sq_stride = c.rq_stride = vr_to_le16(128);
	c.max_send_sge = c.max_recv_sge = vr_to_le16(4);
	c.max_inline = vr_to_le32(64);
	c.sq_offset = vr_to_le32(RAW_SQ_OFFSET);
	c.rq_offset = vr_to_le32(RAW_RQ_OFFSET);
	c.qp_context = vr_to_le64(0x1122334455667788ull);
	/* two pages: a table of two addresses */
	uint64_t table_gpa;
	vr_le64 *table = raw_page(r, &table_gpa);

	table[0] = vr_to_le64(gpa[0]);
	table[1] = vr_to_le64(gpa[1]);
	c.buffer = (struct virtio_rdma_page_list){
		.root = vr_to_le64(table_gpa), .page_count = vr_to_le32(2),
		.levels = 1, .page_shift = VIRTIO_RDMA_PAGE_SHIFT,
	};
	q->create = c;
	ck_assert_uint_eq(raw_cmd(r, &c, sizeof(c)), VIRTIO_RDMA_S_OK);
	q->qp = raw_handle(r);
}

void raw_qp_beside(struct raw *r, struct raw_qp *q, const struct raw_qp *with,
		   uint32_t slot, uint32_t srq)
{
	struct virtio_rdma_cmd_create_qp c = with->create;
	uint64_t gpa, table_gpa[2];
	vr_le64 *table;

	*q = *with;
	q->cq_head = 0;
	q->cq = raw_create_cq(r, &q->cq_buf);
	q->slot = slot;
	c.send_cq = c.recv_cq = vr_to_le32(q->cq);
	c.slot = vr_to_le32(slot);
	c.srq = vr_to_le32(srq);
	if (srq) {
		q->qp_buf = raw_page(r, &gpa);
		c.rq_depth = c.rq_offset = 0;
		c.rq_stride = c.max_recv_sge = 0;
		c.buffer = one_page(gpa);
	} else {
		q->qp_buf = fe_pages_alloc(r->fe, 2, table_gpa);
		table = raw_page(r, &gpa);
		table[0] = vr_to_le64(table_gpa[0]);
		table[1] = vr_to_le64(table_gpa[1]);
		c.buffer.root = vr_to_le64(gpa);
	}
	q->create = c;
	ck_assert_uint_eq(raw_cmd(r, &c, sizeof(c)), VIRTIO_RDMA_S_OK);
	q->qp = raw_handle(r);
}

void raw_srq_make(struct raw *r, struct raw_srq *s, const struct raw_qp *with,
		  uint32_t slot)
{
	struct virtio_rdma_cmd_create_srq c = { .hdr = CMD(CREATE_SRQ) };
	uint64_t gpa;

	s->buf = raw_page(r, &gpa);
	s->slot = slot;
	s->ctx_page = with->ctx_page;
	c.pd = vr_to_le32(with->pd);
	c.context = vr_to_le32(with->context);
	c.slot = vr_to_le32(slot);
	c.depth = vr_to_le32(RAW_DEPTH);
	c.stride = vr_to_le16(128);
	c.max_sge = vr_to_le16(4);
	c.ring_offset = vr_to_le32(RAW_SRQ_OFFSET);
	c.cookie = vr_to_le64(0x5c5c5c5c5c5c5c5cull);
	c.buffer = one_page(gpa);
	s->create = c;
	ck_assert_uint_eq(raw_cmd(r, &c, sizeof(c)), VIRTIO_RDMA_S_OK);
	s->handle = raw_handle(r);
}

void raw_mr_make(struct raw *r, uint32_t pd, uint32_t access, struct raw_mr *m)
{
	struct virtio_rdma_cmd_register_mr c = { .hdr = CMD(REGISTER_MR) };
	struct virtio_rdma_rsp_register_mr rsp;
	uint64_t gpa;

	m->va = raw_page(r, &gpa);
	m->addr = 0x400000;
	c.pd = vr_to_le32(pd);
	c.access = vr_to_le32(access);
	c.addr = vr_to_le64(m->addr);
	c.length = vr_to_le64(4096);
	c.pages = one_page(gpa);
	ck_assert_uint_eq(raw_cmd(r, &c, sizeof(c)), VIRTIO_RDMA_S_OK);
	memcpy(&rsp, r->rsp, sizeof(rsp));
	m->handle = vr_from_le32(rsp.hdr.handle);
	m->local = vr_from_le32(rsp.local_token);
	m->remote = vr_from_le32(rsp.remote_token);
}

void raw_mw_make(struct raw *r, uint32_t pd, struct raw_mw *w)
{
	struct virtio_rdma_cmd_create_mw c = { .hdr = CMD(CREATE_MW) };
	struct virtio_rdma_rsp_create_mw rsp;

	c.pd = vr_to_le32(pd);
	ck_assert_uint_eq(raw_cmd(r, &c, sizeof(c)), VIRTIO_RDMA_S_OK);
	memcpy(&rsp, r->rsp, sizeof(rsp));
	w->handle = vr_from_le32(rsp.hdr.handle);
	w->token = vr_from_le32(rsp.token);
}

/* --- rings ------------------------------------------------------------------- */

struct virtio_rdma_send_wqe *raw_sqe(struct raw_qp *q, uint32_t i)
{
	return (void *)(q->qp_buf + RAW_SQ_OFFSET + (i % RAW_DEPTH) * 128);
}

struct virtio_rdma_recv_wqe *raw_rqe(struct raw_qp *q, uint32_t i)
{
	return (void *)(q->qp_buf + RAW_RQ_OFFSET + (i % RAW_DEPTH) * 128);
}

static void ring_bell(struct raw *r, struct virtio_rdma_context_page *page,
		      uint32_t slot)
{
	struct virtio_rdma_config cfg;

	vrdma_ring_bell(page, slot);
	/* a kick too many is normal (security rule 8) */
	ck_assert_int_eq(fe_read_config(r->fe, &cfg), 0);
	fe_kick(r->fe, VIRTIO_RDMA_VQ_WAKE(vr_from_le16(cfg.num_ceq), 0));
}

void raw_ring(struct raw *r, struct raw_qp *q, uint32_t sq_tail,
	      uint32_t rq_tail)
{
	struct virtio_rdma_qp_record *rec = (void *)q->qp_buf;

	vrdma_publish32(&rec->rq_tail, rq_tail);
	vrdma_publish32(&rec->sq_tail, sq_tail);
	ring_bell(r, q->ctx_page, q->slot);
}

struct virtio_rdma_recv_wqe *raw_srqe(struct raw_srq *s, uint32_t i)
{
	return (void *)(s->buf + RAW_SRQ_OFFSET + (i % RAW_DEPTH) * 128);
}

void raw_srq_ring(struct raw *r, struct raw_srq *s, uint32_t tail)
{
	struct virtio_rdma_srq_record *rec = (void *)s->buf;

	vrdma_publish32(&rec->tail, tail);
	ring_bell(r, s->ctx_page, s->slot);
}

struct virtio_rdma_cqe raw_cqe(struct raw_qp *q)
{
	uint64_t end = now_ms() + TIMEOUT_MS;
	struct virtio_rdma_cqe e;
	struct vrdma_cqring c;

	vrdma_cqring_init(&c, q->cq_buf, 128, RAW_CQ_DEPTH);
	c.head = q->cq_head;
	while (!vrdma_cqring_take(&c, &e)) {
		ck_assert_msg(now_ms() < end, "no completion");
		poll(NULL, 0, 1);
	}
	q->cq_head = c.head;
	return e;
}

/* --- a connection --------------------------------------------------------------- */

struct virtio_rdma_event raw_event(struct raw *r, bool keep)
{
	uint64_t end = now_ms() + TIMEOUT_MS;
	struct virtio_rdma_event ev;

	while (!fe_get(r->fe, VIRTIO_RDMA_VQ_EVENT, NULL)) {
		ck_assert_msg(now_ms() < end, "no event");
		poll(NULL, 0, 1);
	}
	memcpy(&ev, r->ev, sizeof(ev));
	if (!keep)
		raw_give_event_buffer(r);
	return ev;
}

static uint32_t await_request(struct raw *r)
{
	struct virtio_rdma_event ev = raw_event(r, false);

	ck_assert_uint_eq(vr_from_le16(ev.type), VIRTIO_RDMA_EV_CONNECT_REQUEST);
	return vr_from_le32(ev.handle);
}

uint32_t raw_connect_from(struct raw *ra, struct raw_qp *qa, struct raw *rb,
			  struct raw_qp *qb, int guest_b, uint32_t endpoint)
{
	struct virtio_rdma_addr addr = { .family = VIRTIO_RDMA_AF_INET,
		.ip = { 10, 0, 0, (uint8_t)(1 + guest_b) } };
	struct virtio_rdma_cmd_listen l = { .hdr = CMD(LISTEN), .addr = addr };
	struct virtio_rdma_cmd_create_connector k = { .hdr =
						      CMD(CREATE_CONNECTOR) };
	struct virtio_rdma_cmd_connect c = { .hdr = CMD(CONNECT) };
	struct virtio_rdma_cmd_accept a = { .hdr = CMD(ACCEPT) };
	struct virtio_rdma_rsp_listen lr;

	ck_assert_uint_eq(raw_cmd(rb, &l, sizeof(l)), VIRTIO_RDMA_S_OK);
	memcpy(&lr, rb->rsp, sizeof(lr));
	ck_assert_uint_eq(raw_cmd(ra, &k, sizeof(k)), VIRTIO_RDMA_S_OK);
	c.hdr.handle = vr_to_le32(raw_handle(ra));
	c.qp = vr_to_le32(qa->qp);
	c.endpoint = vr_to_le32(endpoint);
	c.inbound_reads = c.outbound_reads = vr_to_le32(4);
	c.peer = lr.addr;
	submit(ra, &c, sizeof(c), 1024);
	a.hdr.handle = vr_to_le32(await_request(rb));
	a.qp = vr_to_le32(qb->qp);
	a.inbound_reads = a.outbound_reads = vr_to_le32(4);
	submit(rb, &a, sizeof(a), 1024);
	ck_assert_uint_eq(await(ra), VIRTIO_RDMA_S_OK);
	ck_assert_uint_eq(raw_simple(ra, VIRTIO_RDMA_CMD_COMPLETE_CONNECT,
				     vr_from_le32(c.hdr.handle)),
			  VIRTIO_RDMA_S_OK);
	ck_assert_uint_eq(await(rb), VIRTIO_RDMA_S_OK);
	return vr_from_le32(c.hdr.handle);
}

void raw_connect(struct raw *ra, struct raw_qp *qa, struct raw *rb,
		 struct raw_qp *qb, int guest_b)
{
	raw_connect_from(ra, qa, rb, qb, guest_b, 0);
}
