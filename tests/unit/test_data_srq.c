/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test_data_srq.c - shared receive queues: who gets a receive, how it ends, and
 * what a queue pair's end, a wrong entry or a wrong tail does to the others
 *
 * Guest b has one shared queue and ENDS queue pairs on it; guest a has as many
 * that are connected to them.
 */
#define RIG_DEPTH	64u
#define RIG_CQ_DEPTH	256u
#define RIG_STRIDE	512u
#define RIG_INLINE	256u
#define RIG_SGE		15u
#include "data_rig.h"
#include "suite.h"

#define ENDS		6u
#define SRQ_SLOT	200u
#define SRQ_DEPTH	64u
#define SRQ_STRIDE	64u
#define SRQ_SGE		3u
#define SRQ		0x500000u	/* in guest memory: record page, ring */
#define SRQ_SIZE	0x10000u
#define EXTRA_QPS	0x700000u
#define QP_SIZE		0x20000u
#define S(s)		VIRTIO_RDMA_S_##s
#define WC(s)		VIRTIO_RDMA_WC_##s

/* One queue pair beyond those of the rig */
struct end {
	struct rig_guest *x;
	uint32_t slot, at, qp, sq_tail;
	struct be_conn conn;
};

static struct rig r;
static struct end a[ENDS], b[ENDS];
static struct local_pipe *pipes[ENDS];
static uint32_t srq, srq_at, srq_depth, srq_tail;

/* ---------------------------------------------------------------- building */

static struct virtio_rdma_srq_record *record(void)
{
	return (void *)(r.b.mem + srq_at);
}

static void srq_request(struct virtio_rdma_cmd_create_srq *q)
{
	q->pd = r.b.pd;
	q->context = r.b.context;
	q->slot = SRQ_SLOT;
	q->depth = SRQ_DEPTH;
	q->stride = SRQ_STRIDE;
	q->max_sge = SRQ_SGE;
	q->ring_offset = 4096;
	q->cookie = 0x5c00c1e;
	q->buffer = rig_pages(&r.b, SRQ,
			      1 + SRQ_DEPTH * SRQ_STRIDE / 4096, 12, 1);
}

static void srq_make(uint32_t threshold)
{
	struct command cmd = { 0 };
	struct rig_answer ans;

	srq_request(&cmd.req.create_srq);
	cmd.req.create_srq.threshold = threshold;
	ans = rig_command(&r, &r.b, cmd_create_srq, &cmd);
	ck_assert_uint_eq(ans.status, S(OK));
	srq = ans.handle;
	srq_at = SRQ;
	srq_depth = SRQ_DEPTH;
	srq_tail = 0;
}

static void end_request(const struct end *e, uint32_t with_srq,
			struct virtio_rdma_cmd_create_qp *q)
{
	rig_qp_request(e->x, q);
	q->slot = e->slot;
	q->buffer = rig_pages(e->x, e->at, q->buffer.page_count, 12, 1);
	if (!with_srq)
		return;
	q->srq = with_srq;
	q->rq_depth = q->rq_offset = 0;
	q->rq_stride = q->max_recv_sge = 0;
	q->buffer = rig_pages(e->x, e->at, 1 + RIG_DEPTH * RIG_STRIDE / 4096,
			      12, 1);
}

static void end_make(struct end *e, struct rig_guest *x, uint32_t i,
		     uint32_t with_srq)
{
	struct command cmd = { 0 };
	struct rig_answer ans;

	*e = (struct end){ .x = x, .slot = 100 + i,
			   .at = EXTRA_QPS + i * QP_SIZE };
	end_request(e, with_srq, &cmd.req.create_qp);
	ans = rig_command(&r, x, cmd_create_qp, &cmd);
	ck_assert_uint_eq(ans.status, S(OK));
	e->qp = ans.handle;
}

static struct vr_qp *end_qp(const struct end *e)
{
	return handle_get(&e->x->g.qps, e->qp);
}

static void end_connect(struct end *e, struct local_pipe *pipe,
			unsigned int side)
{
	struct vr_qp *qp;

	e->conn.pipe = pipe;
	e->conn.side = side;
	ck_assert_uint_eq(qp_reserve(&e->x->g, e->qp,
				     (struct connector *)(void *)e->x, &qp),
			  S(OK));
	qp_connect(qp, &rig_backend, &e->conn);
}

static void end_close(struct end *e)
{
	struct vr_qp *qp = end_qp(e);

	if (!qp)
		return;
	ck_assert(qp_stop_now(qp));
	qp_release(qp);
}

static void start(uint32_t threshold)
{
	rig_features = VIRTIO_RDMA_FEATURE(SRQ);
	rig_start(&r, 50);
	r.a.g.data.rnr_timeout_ms = 0;
	r.b.g.data.rnr_timeout_ms = 0;
	srq_make(threshold);
	for (uint32_t i = 0; i < ENDS; i++) {
		end_make(&a[i], &r.a, i, 0);
		end_make(&b[i], &r.b, i, srq);
		pipes[i] = local_pipe_new();
		ck_assert_ptr_nonnull(pipes[i]);
		end_connect(&a[i], pipes[i], 0);
		end_connect(&b[i], pipes[i], 1);
	}
}

static void setup(void)
{
	start(0);
}

static void teardown(void)
{
	for (uint32_t i = 0; i < ENDS; i++) {
		end_close(&a[i]);
		end_close(&b[i]);
	}
	rig_end(&r);
	for (uint32_t i = 0; i < ENDS; i++) {
		local_pipe_put(pipes[i]);
		local_pipe_put(pipes[i]);
	}
}

/* -------------------------------------------------------------- the drivers */

static void bell(struct rig_guest *x, uint32_t slot)
{
	struct virtio_rdma_context_page *p = (void *)(x->mem + RIG_CONTEXT);

	__atomic_fetch_or(&p->work[slot / 64], 1ull << (slot % 64),
			  __ATOMIC_SEQ_CST);
	__atomic_fetch_or(&p->summary[0], 1ull << (slot / 64),
			  __ATOMIC_SEQ_CST);
	if (__atomic_load_n(&p->worker, __ATOMIC_SEQ_CST))
		worker_call(r.worker, rig_wake, NULL);
}

static uint8_t *entry(uint32_t at, uint32_t depth, uint32_t count)
{
	return r.b.mem + at + 4096 + count % depth * SRQ_STRIDE;
}

/* Writes an entry and leaves the tail to post_all() */
static void put(uint64_t id, uint64_t off, uint32_t len, uint32_t token)
{
	const struct virtio_rdma_recv_wqe w = { .wr_id = id, .num_sge = 1 };
	const struct virtio_rdma_sge s = { rig_data(off), len, token };
	uint8_t *e = entry(srq_at, srq_depth, srq_tail++);

	memcpy(e, &w, sizeof(w));
	memcpy(e + sizeof(w), &s, sizeof(s));
}

static void post_all(void)
{
	__atomic_store_n(&record()->tail, srq_tail, __ATOMIC_RELEASE);
	bell(&r.b, SRQ_SLOT);
}

static void post(uint64_t id)
{
	put(id, id * 4096, 4096, r.b.local);
	post_all();
}

/* End i of a sends len bytes that begin at off */
static void send(uint32_t i, uint64_t id, uint64_t off, uint32_t len)
{
	struct end *e = &a[i];
	const struct virtio_rdma_send_wqe w = {
		.wr_id = id, .opcode = VIRTIO_RDMA_OP_SEND, .num_sge = 1,
	};
	const struct virtio_rdma_sge s = { rig_data(off), len, r.a.local };
	uint8_t *at = r.a.mem + e->at + 4096 +
		      e->sq_tail % RIG_DEPTH * RIG_STRIDE;
	struct virtio_rdma_qp_record *rec = (void *)(r.a.mem + e->at);

	memcpy(at, &w, sizeof(w));
	memcpy(at + sizeof(w), &s, sizeof(s));
	__atomic_store_n(&rec->sq_tail, ++e->sq_tail, __ATOMIC_RELEASE);
	bell(&r.a, e->slot);
}

/* The next completion of x, whoever's it is; nothing in 5 s is a failure */
static struct virtio_rdma_cqe next(struct rig_guest *x)
{
	uint64_t end = loop_now_ns() + 5000000000ull;
	struct virtio_rdma_cqe c = { 0 };

	while (!rig_poll(x, RIG_CQ_DEPTH, &c)) {
		ck_assert_msg(loop_now_ns() < end, "no completion in 5 s");
		loop_run_once(r.loop, 0);
	}
	rig_took(x);
	return c;
}

/* End i of b received */
static void expect_recv(uint32_t i, uint64_t id, uint8_t status)
{
	struct virtio_rdma_cqe c = next(&r.b);

	ck_assert_uint_eq(c.wr_id, id);
	ck_assert_uint_eq(c.status, status);
	ck_assert_uint_eq(c.qp, b[i].qp);
	ck_assert_uint_eq(c.opcode, VIRTIO_RDMA_OP_RECEIVE);
}

static void expect_sent(uint32_t i, uint64_t id, uint8_t status)
{
	struct virtio_rdma_cqe c = next(&r.a);

	ck_assert_uint_eq(c.wr_id, id);
	ck_assert_uint_eq(c.status, status);
	ck_assert_uint_eq(c.qp, a[i].qp);
}

static void expect_nothing(void)
{
	struct virtio_rdma_cqe c;

	rig_settle(&r);
	ck_assert(!rig_poll(&r.b, RIG_CQ_DEPTH, &c));
	ck_assert(!rig_poll(&r.a, RIG_CQ_DEPTH, &c));
}

static struct rig_answer modify(uint32_t depth, uint32_t at, uint32_t threshold)
{
	struct command cmd = { .handle = srq };

	cmd.req.modify_srq.depth = depth;
	cmd.req.modify_srq.threshold = threshold;
	if (depth) {
		cmd.req.modify_srq.ring_offset = 4096;
		cmd.req.modify_srq.buffer =
			rig_pages(&r.b, at, 1 + (depth * SRQ_STRIDE + 4095) /
					      4096, 12, 1);
	}
	return rig_command(&r, &r.b, cmd_modify_srq, &cmd);
}

/* ------------------------------------------------------------- who gets it */

/* In the order in which they were posted, to whoever needs one; the completion
 * says whose it became, the place is free as soon as it was taken */
START_TEST(test_spread)
{
	static const uint8_t order[] = { 0, 3, 3, 1, 0, 5, 2, 4 };
	struct virtio_rdma_cqe c;

	for (uint32_t i = 0; i < sizeof(order); i++)
		put(i + 1, i * 4096, 4096, r.b.local);
	post_all();
	for (uint32_t i = 0; i < sizeof(order); i++) {
		memset(r.a.mem + RIG_DATA, (int)i + 1, 100);
		send(order[i], 50 + i, 0, 100);
		c = next(&r.b);
		ck_assert_uint_eq(c.wr_id, i + 1);
		ck_assert_uint_eq(c.status, WC(SUCCESS));
		ck_assert_uint_eq(c.qp, b[order[i]].qp);
		ck_assert_uint_eq(c.length, 100);
		ck_assert_uint_eq(c.wqe_index, i);
		expect_sent(order[i], 50 + i, WC(SUCCESS));
		ck_assert_mem_eq(r.b.mem + RIG_DATA + i * 4096,
				 r.a.mem + RIG_DATA, 100);
		ck_assert_uint_eq(rig_load(&record()->head), i + 1);
	}
	/* the queue pair counts what it took, too */
	rig_until(&r, rig_load(&((struct virtio_rdma_qp_record *)(void *)
				 (r.b.mem + b[3].at))->rq_head) == 2);
}
END_TEST

/* Many laps of the ring, every sender busy: each message once, by content */
START_TEST(test_laps)
{
	uint32_t sent[ENDS] = { 0 }, got[ENDS] = { 0 }, posted = 0, done = 0;
	const uint32_t each = 100, all = each * ENDS;
	struct virtio_rdma_cqe c;

	for (uint32_t i = 0; i < ENDS; i++)
		memset(r.a.mem + RIG_DATA + i * 4096, 'a' + (int)i, 4096);
	while (done < all) {
		while (posted - done < 20 && posted < all)
			post(posted++ % 40);
		for (uint32_t i = 0; i < ENDS; i++)
			if (sent[i] < each && sent[i] - got[i] < 4)
				send(i, sent[i]++, i * 4096, 64 + i);
		if (!rig_poll(&r.b, RIG_CQ_DEPTH, &c))
			continue;
		rig_took(&r.b);
		ck_assert_uint_eq(c.status, WC(SUCCESS));
		ck_assert_uint_eq(c.wqe_index, (uint16_t)c.wqe_index);
		for (uint32_t i = 0; i < ENDS; i++) {
			if (c.qp != b[i].qp)
				continue;
			got[i]++;
			ck_assert_uint_eq(c.length, 64 + i);
			ck_assert_mem_eq(r.b.mem + RIG_DATA + c.wr_id * 4096,
					 r.a.mem + RIG_DATA + i * 4096, 64 + i);
		}
		done++;
		while (rig_poll(&r.a, RIG_CQ_DEPTH, &c)) {
			ck_assert_uint_eq(c.status, WC(SUCCESS));
			rig_took(&r.a);
		}
	}
	for (uint32_t i = 0; i < ENDS; i++)
		ck_assert_uint_eq(got[i], each);
}
END_TEST

/* All wait.  Each receive serves one, and the one that waited longest. */
START_TEST(test_hungry_in_order)
{
	for (uint32_t i = 0; i < ENDS; i++) {
		send(ENDS - 1 - i, i, 0, 8);
		rig_settle(&r);
	}
	for (uint32_t i = 0; i < ENDS; i++) {
		post(i);
		expect_recv(ENDS - 1 - i, i, WC(SUCCESS));
		expect_sent(ENDS - 1 - i, i, WC(SUCCESS));
		expect_nothing();
	}
}
END_TEST

/* One bell for many receives, and more receives than there are takers */
START_TEST(test_hungry_all_at_once)
{
	uint32_t seen = 0;

	for (uint32_t i = 0; i < ENDS; i++)
		send(i, i, 0, 8);
	rig_settle(&r);
	for (uint32_t i = 0; i < ENDS + 2; i++)
		put(i, 0, 64, r.b.local);
	post_all();
	for (uint32_t i = 0; i < ENDS; i++)
		seen |= 1u << next(&r.b).wr_id;
	ck_assert_uint_eq(seen, (1u << ENDS) - 1);
	send(0, 9, 0, 8);
	expect_recv(0, ENDS, WC(SUCCESS));
}
END_TEST

/* Who was offered a receive and does not take it keeps nobody waiting: its
 * sender is gone (0), its guest's peer is paused (1), it was told that its peer
 * disconnected (2), it was destroyed (3) */
START_TEST(test_not_taken)
{
	send(0, 1, 0, 8);
	rig_settle(&r);
	switch (_i) {
	case 0:
		ck_assert(qp_stop_now(end_qp(&a[0])));
		break;
	case 1:
		guest_data_pause(&r.a.g, true);
		break;
	case 2:
		qp_detach_peer(end_qp(&b[0]));
		break;
	default:
		end_close(&b[0]);
		ck_assert_uint_eq(rig_simple(&r, &r.b, cmd_destroy_qp,
					     b[0].qp).status, S(OK));
		break;
	}
	if (_i == 1) {
		/* the other one's sender is of a guest that runs */
		struct local_pipe *pipe = local_pipe_new();

		rig_connect_side(&r.b, pipe, 0);
		end_close(&b[1]);
		ck_assert_uint_eq(rig_simple(&r, &r.b, cmd_destroy_qp,
					     b[1].qp).status, S(OK));
		end_make(&b[1], &r.b, 1, srq);
		end_connect(&b[1], pipe, 1);
		r.a.conn.pipe = pipe;	/* for rig_end() */
		rig_post(&r, &r.b, 7, VIRTIO_RDMA_OP_SEND, 0, 0, 8, 0, 0);
		rig_settle(&r);
		post(3);
		expect_recv(1, 3, WC(SUCCESS));
		ck_assert_uint_eq(next(&r.b).wr_id, 7);
		guest_data_pause(&r.a.g, false);
		post(4);
		expect_recv(0, 4, WC(SUCCESS));
		return;
	}
	send(1, 2, 0, 8);
	rig_settle(&r);
	post(3);
	expect_recv(1, 3, WC(SUCCESS));
}
END_TEST

/* A paused guest's receives wait until it goes on */
START_TEST(test_paused)
{
	send(0, 1, 0, 8);
	rig_settle(&r);
	guest_data_pause(&r.b.g, true);
	post(2);
	rig_settle(&r);
	ck_assert_uint_eq(rig_load(&record()->head), 0);
	guest_data_pause(&r.b.g, false);
	expect_recv(0, 2, WC(SUCCESS));
}
END_TEST

/* Nobody posts: the sender hears of it in time, the receiver's side goes on */
START_TEST(test_no_receive)
{
	r.a.g.data.rnr_timeout_ms = 100;
	send(0, 1, 0, 8);
	expect_sent(0, 1, WC(TIMED_OUT));
	send(1, 2, 0, 8);
	post(3);
	expect_recv(1, 3, WC(SUCCESS));
}
END_TEST

/* Offers are made in rounds of as many as there are receives: a receive does
 * not cost a turn of each that waits */
START_TEST(test_offers_are_few)
{
	struct worker_stats before, after;

	/* one by one: the worker takes bells of one look in the slots' order */
	for (uint32_t i = 0; i < ENDS; i++) {
		send(i, i, 0, 8);
		rig_settle(&r);
	}
	for (uint32_t i = 0; i < ENDS; i++) {
		worker_stats(r.worker, &before);
		post(i);
		expect_recv(i, i, WC(SUCCESS));
		expect_sent(i, i, WC(SUCCESS));
		rig_settle(&r);
		worker_stats(r.worker, &after);
		/* the taker's two ends, and one round of offers more */
		ck_assert_uint_le(after.runs - before.runs, 6);
	}
}
END_TEST

/* ------------------------------------------------------- ends of queue pairs */

static void stopped(void *arg)
{
	struct rig_guest *x = arg;

	x->stops++;
}

/* A flush takes nothing out of the shared queue */
START_TEST(test_flush)
{
	post(1);
	ck_assert_uint_eq(rig_simple(&r, &r.b, cmd_flush_qp, b[0].qp).status,
			  S(OK));
	expect_nothing();
	ck_assert_uint_eq(rig_load(&record()->head), 0);
	send(1, 5, 0, 8);
	expect_recv(1, 1, WC(SUCCESS));
}
END_TEST

/* What a queue pair took ends with it, once, and only that */
START_TEST(test_stop_in_the_middle)
{
	put(1, 0, 24u << 20, r.b.local);
	put(2, 24u << 20, 64, r.b.local);
	post_all();
	send(0, 1, 0, 24u << 20);
	rig_until(&r, rig_load(&record()->head) == 1);
	qp_stop(end_qp(&b[0]), stopped, &r.b);
	rig_until(&r, r.b.stops == 1);
	expect_recv(0, 1, WC(CANCELLED));
	send(1, 3, 0, 8);
	expect_recv(1, 2, WC(SUCCESS));
	ck_assert_uint_eq(rig_load(&record()->head), 2);
}
END_TEST

/* The same at a reset: nothing is written any more, and the memory goes */
START_TEST(test_reset_in_the_middle)
{
	struct virtio_rdma_cqe c;

	put(1, 0, 24u << 20, r.b.local);
	put(2, 24u << 20, 64, r.b.local);
	post_all();
	send(0, 1, 0, 24u << 20);
	rig_until(&r, rig_load(&record()->head) == 1);
	for (uint32_t i = 0; i < ENDS; i++)
		end_close(&b[i]);
	qp_reset_all(&r.b.g);
	srq_reset_all(&r.b.g);
	rig_settle(&r);
	ck_assert(!rig_poll(&r.b, RIG_CQ_DEPTH, &c));
	ck_assert_ptr_null(handle_get(&r.b.g.srqs, srq));
}
END_TEST

START_TEST(test_destroy_order)
{
	ck_assert_uint_eq(rig_simple(&r, &r.b, cmd_destroy_srq, srq).status,
			  S(BUSY));
	post(1);
	for (uint32_t i = 0; i < ENDS; i++) {
		end_close(&b[i]);
		ck_assert_uint_eq(rig_simple(&r, &r.b, cmd_destroy_srq,
					     srq).status, S(BUSY));
		ck_assert_uint_eq(rig_simple(&r, &r.b, cmd_destroy_qp,
					     b[i].qp).status, S(OK));
	}
	rig_simple(&r, &r.b, cmd_destroy_qp, r.b.qp);
	rig_simple(&r, &r.b, cmd_deregister_mr, r.b.local);
	ck_assert_uint_eq(rig_simple(&r, &r.b, cmd_destroy_pd, r.b.pd).status,
			  S(BUSY));
	ck_assert_uint_eq(rig_simple(&r, &r.b, cmd_destroy_context,
				     r.b.context).status, S(BUSY));
	ck_assert_uint_eq(rig_simple(&r, &r.b, cmd_destroy_srq, srq).status,
			  S(OK));
	ck_assert_uint_eq(rig_simple(&r, &r.b, cmd_destroy_srq, srq).status,
			  S(INVALID_HANDLE));
	bell(&r.b, SRQ_SLOT);	/* rings at nobody's */
	rig_settle(&r);
	ck_assert_uint_eq(rig_simple(&r, &r.b, cmd_destroy_pd, r.b.pd).status,
			  S(OK));
	ck_assert_uint_eq(rig_simple(&r, &r.b, cmd_destroy_context,
				     r.b.context).status, S(OK));
	expect_nothing();	/* what was left in the ring just goes */
}
END_TEST

/* -------------------------------------------------------------- bad entries */

/* Each breaks the queue pair that took it and no other */
START_TEST(test_bad_entry)
{
	static const uint8_t want[] = {
		WC(LOCAL_PROTECTION), WC(LOCAL_PROTECTION), WC(LOCAL_REQUEST),
		WC(LOCAL_REQUEST), WC(LOCAL_LENGTH),
	};
	struct virtio_rdma_recv_wqe *w =
		(void *)entry(srq_at, srq_depth, srq_tail);

	put(1, 0, 4096, _i == 0 ? r.b.local ^ 0x100000 : r.b.local);
	if (_i == 1)	/* beyond the region */
		((struct virtio_rdma_sge *)(void *)(w + 1))->length =
			RIG_MEM;
	if (_i == 2)
		w->num_sge = SRQ_SGE + 1;
	if (_i == 3)
		w->reserved[6] = 1;
	if (_i == 4)
		((struct virtio_rdma_sge *)(void *)(w + 1))->length = 99;
	put(2, 4096, 4096, r.b.local);
	post_all();
	send(0, 1, 0, 100);
	expect_recv(0, 1, want[_i]);
	rig_until(&r, r.b.qp_failures == 1);
	ck_assert_uint_eq(r.b.qp_reason, VIRTIO_RDMA_R_LOCAL_ERROR);
	send(1, 2, 0, 100);
	expect_recv(1, 2, WC(SUCCESS));
	ck_assert_uint_eq(r.b.srq_errors, 0);
}
END_TEST

/* A completion queue that dies takes its queue pairs along, not the shared one */
START_TEST(test_cq_overrun)
{
	struct rig_answer ans;
	struct command cmd = { 0 };
	struct vr_cq *cq;

	end_close(&b[0]);
	rig_simple(&r, &r.b, cmd_destroy_qp, b[0].qp);
	cmd.req.create_cq.depth = 16;
	cmd.req.create_cq.ring_offset = 128;
	cmd.req.create_cq.cookie = 0xc00c1e;
	cmd.req.create_cq.buffer = rig_pages(&r.b, 0x5f0000, 1, 12, 1);
	ans = rig_command(&r, &r.b, cmd_create_cq, &cmd);
	ck_assert_uint_eq(ans.status, S(OK));
	memset(&cmd, 0, sizeof(cmd));
	end_request(&b[0], srq, &cmd.req.create_qp);
	cmd.req.create_qp.recv_cq = ans.handle;
	cq = handle_get(&r.b.g.cqs, ans.handle);
	ans = rig_command(&r, &r.b, cmd_create_qp, &cmd);
	ck_assert_uint_eq(ans.status, S(OK));
	b[0].qp = ans.handle;
	end_close(&a[0]);
	rig_simple(&r, &r.a, cmd_destroy_qp, a[0].qp);
	end_make(&a[0], &r.a, 0, 0);
	local_pipe_put(pipes[0]);
	local_pipe_put(pipes[0]);
	pipes[0] = local_pipe_new();
	end_connect(&a[0], pipes[0], 0);
	end_connect(&b[0], pipes[0], 1);
	for (uint32_t i = 0; i < 18; i++)
		put(i, 0, 64, r.b.local);
	post_all();
	for (uint32_t i = 0; i < 17; i++)
		send(0, i, 0, 8);
	rig_until(&r, r.b.cq_errors == 1);
	ck_assert(cq->dead);
	send(1, 3, 0, 8);
	expect_recv(1, 17, WC(SUCCESS));
}
END_TEST

/* A tail that jumps too far, or back: the queue is dead and says so, with every
 * queue pair of it, and nobody else */
START_TEST(test_bad_tail)
{
	static const uint32_t jump[] = {
		SRQ_DEPTH + 2, 0x80000000, 0, 0xffffffff
	};

	post(1);
	send(0, 1, 0, 8);
	expect_recv(0, 1, WC(SUCCESS));
	expect_sent(0, 1, WC(SUCCESS));
	ck_assert_uint_eq(rig_load(&record()->head), 1);
	__atomic_store_n(&record()->tail, jump[_i], __ATOMIC_RELEASE);
	if (_i % 2)
		bell(&r.b, SRQ_SLOT);	/* found when it is written */
	else
		send(1, 2, 0, 8);	/* or when it is needed */
	rig_until(&r, r.b.srq_errors == 1 && r.b.qp_failures == ENDS);
	ck_assert_uint_eq(r.b.qp_reason, VIRTIO_RDMA_R_LOCAL_ERROR);
	bell(&r.b, SRQ_SLOT);
	rig_settle(&r);
	ck_assert_uint_eq(r.b.srq_errors, 1);
	ck_assert_uint_eq(modify(0, 0, 1).status, S(INVALID_STATE));
	ck_assert_uint_eq(r.b.srq_limits, 0);
	/* the rig's own pair has a receive ring of its own */
	rig_connect(&r);
	rig_recv(&r, &r.b, 7, 100, 6000);
	rig_post(&r, &r.a, 8, VIRTIO_RDMA_OP_SEND, 0, 0, 64, 0, 0);
	rig_expect(&r, &r.b, 7, WC(SUCCESS));
	/* a new one is born dead */
	end_close(&b[0]);
	rig_simple(&r, &r.b, cmd_destroy_qp, b[0].qp);
	end_make(&b[0], &r.b, 0, srq);
	rig_until(&r, end_qp(&b[0])->state == QP_ERROR);
}
END_TEST

/* ---------------------------------------------------------------- the limit */

/* Once for each arm, when a receive is taken and fewer are left */
START_TEST(test_limit)
{
	for (uint32_t i = 0; i < 4; i++)
		put(i, 0, 64, r.b.local);
	post_all();
	rig_settle(&r);
	ck_assert_uint_eq(r.b.srq_limits, 0);
	send(0, 0, 0, 8);	/* three are left, as many as the threshold */
	expect_recv(0, 0, WC(SUCCESS));
	rig_settle(&r);
	ck_assert_uint_eq(r.b.srq_limits, 0);
	send(1, 0, 0, 8);
	expect_recv(1, 1, WC(SUCCESS));
	rig_until(&r, r.b.srq_limits == 1);
	send(2, 0, 0, 8);	/* not armed any more */
	expect_recv(2, 2, WC(SUCCESS));
	rig_settle(&r);
	ck_assert_uint_eq(r.b.srq_limits, 1);
	/* one is left: armed for that, it waits; armed for two, it is due */
	ck_assert_uint_eq(modify(0, 0, 1).status, S(OK));
	rig_settle(&r);
	ck_assert_uint_eq(r.b.srq_limits, 1);
	ck_assert_uint_eq(modify(0, 0, 0).status, S(OK));
	rig_settle(&r);
	ck_assert_uint_eq(r.b.srq_limits, 1);
	ck_assert_uint_eq(modify(0, 0, 2).status, S(OK));
	rig_until(&r, r.b.srq_limits == 2);
	ck_assert_uint_eq(modify(0, 0, 1).status, S(OK));
	send(3, 0, 0, 8);
	expect_recv(3, 3, WC(SUCCESS));
	rig_until(&r, r.b.srq_limits == 3);
	/* a post that was not rung counts: the tail is read before it fires */
	for (uint32_t i = 0; i < 5; i++)
		put(i, 0, 64, r.b.local);
	__atomic_store_n(&record()->tail, srq_tail, __ATOMIC_RELEASE);
	ck_assert_uint_eq(modify(0, 0, 3).status, S(OK));
	rig_settle(&r);
	ck_assert_uint_eq(r.b.srq_limits, 3);
}
END_TEST

static void setup_limit(void)
{
	start(3);
}

/* ------------------------------------------------------------------- resize */

/* As a driver does it: what is queued goes to the same counts of the new ring */
static void move_to(uint32_t at, uint32_t depth, uint32_t from)
{
	struct virtio_rdma_srq_record *rec = (void *)(r.b.mem + at);

	memset(r.b.mem + at, 0, 4096 + depth * SRQ_STRIDE);
	for (uint32_t i = from; i != srq_tail; i++)
		memcpy(entry(at, depth, i), entry(srq_at, srq_depth, i),
		       SRQ_STRIDE);
	rec->tail = srq_tail;
	srq_at = at;
	srq_depth = depth;
}

START_TEST(test_resize)
{
	/* none is a power of two away from where the counts are by then */
	static const uint32_t depth[] = { 256, 16, 64, 32, 1024 };
	const uint32_t more = 10;
	uint32_t id = 0, done = 0, at = SRQ;

	for (uint32_t n = 0; n < sizeof(depth) / sizeof(depth[0]); n++) {
		for (uint32_t i = 0; i < more; i++)
			put(id++, 0, 64, r.b.local);
		post_all();
		send(0, 1, 0, 8);
		expect_recv(0, done++, WC(SUCCESS));
		at += SRQ_SIZE / 2 * 2;
		move_to(at, depth[n], done - 1);
		ck_assert_uint_eq(modify(depth[n], at, 0).status, S(OK));
		ck_assert_uint_eq(rig_load(&record()->head), done);
		/* the old ring means nothing any more */
		memset(r.b.mem + at - SRQ_SIZE, 0xff, SRQ_SIZE / 2);
		while (done < id) {
			send(done % ENDS, 1, 0, 8);
			expect_recv(done % ENDS, done, WC(SUCCESS));
			done++;
		}
	}
}
END_TEST

/* What was posted to the new ring ahead of the command serves who waits */
START_TEST(test_resize_serves)
{
	send(0, 1, 0, 8);
	rig_settle(&r);
	move_to(SRQ + SRQ_SIZE, 128, 0);
	put(7, 0, 64, r.b.local);
	record()->tail = srq_tail;
	ck_assert_uint_eq(modify(128, srq_at, 0).status, S(OK));
	expect_recv(0, 7, WC(SUCCESS));
}
END_TEST

/* A new ring that cannot hold what is queued changes nothing */
START_TEST(test_resize_refused)
{
	for (uint32_t i = 0; i < 20; i++)
		put(i, 0, 64, r.b.local);
	post_all();
	rig_settle(&r);
	((struct virtio_rdma_srq_record *)(void *)
	 (r.b.mem + SRQ + SRQ_SIZE))->tail = 20;
	ck_assert_uint_eq(modify(16, SRQ + SRQ_SIZE, 30).status,
			  S(INVALID_PARAMETER));
	ck_assert_uint_eq(r.b.srq_limits, 0);
	/* nor one whose tail went back */
	((struct virtio_rdma_srq_record *)(void *)
	 (r.b.mem + SRQ + SRQ_SIZE))->tail = 19;
	ck_assert_uint_eq(modify(256, SRQ + SRQ_SIZE, 0).status,
			  S(INVALID_PARAMETER));
	for (uint32_t i = 0; i < 20; i++) {
		send(i % ENDS, 1, 0, 8);
		expect_recv(i % ENDS, i, WC(SUCCESS));
	}
	ck_assert_uint_eq(r.b.srq_errors, 0);
}
END_TEST

/* ----------------------------------------------------------------- commands */

#define FIELD(type, f, v, s) { offsetof(struct virtio_rdma_cmd_##type, f), \
	sizeof(((struct virtio_rdma_cmd_##type *)0)->f), v, S(s) }

struct field {
	size_t offset, size;
	uint32_t value;
	enum virtio_rdma_status status;
};

static const struct field create_fields[] = {
	FIELD(create_srq, slot, 201, OK),
	FIELD(create_srq, max_sge, 0, OK),
	FIELD(create_srq, threshold, 0xffffffff, OK),
	FIELD(create_srq, slot, SRQ_SLOT, BUSY),
	FIELD(create_srq, slot, 70, BUSY),
	FIELD(create_srq, slot, VIRTIO_RDMA_MAX_SLOTS, INVALID_PARAMETER),
	FIELD(create_srq, slot, 0xffffffff, INVALID_PARAMETER),
	FIELD(create_srq, pd, 0, INVALID_HANDLE),
	FIELD(create_srq, context, 0x100001, INVALID_HANDLE),
	FIELD(create_srq, depth, 0, INVALID_PARAMETER),
	FIELD(create_srq, depth, 63, INVALID_PARAMETER),
	FIELD(create_srq, depth, 128, INVALID_PARAMETER),	/* too long */
	FIELD(create_srq, depth, 8192, INVALID_PARAMETER),
	FIELD(create_srq, depth, 1u << 31, INVALID_PARAMETER),
	FIELD(create_srq, stride, 0, INVALID_PARAMETER),
	FIELD(create_srq, stride, 32, INVALID_PARAMETER),
	FIELD(create_srq, stride, 96, INVALID_PARAMETER),
	FIELD(create_srq, stride, 1024, INVALID_PARAMETER),
	FIELD(create_srq, max_sge, SRQ_SGE + 1, INVALID_PARAMETER),
	FIELD(create_srq, max_sge, 0xffff, INVALID_PARAMETER),
	FIELD(create_srq, ring_offset, 0, INVALID_PARAMETER),
	FIELD(create_srq, ring_offset, 64, INVALID_PARAMETER),
	FIELD(create_srq, ring_offset, 4096 + 32, INVALID_PARAMETER),
	FIELD(create_srq, ring_offset, 0xffffffc0, INVALID_PARAMETER),
	FIELD(create_srq, reserved, 1, INVALID_PARAMETER),
	FIELD(create_srq, buffer.root, 0x7000, ACCESS_VIOLATION),
	FIELD(create_srq, buffer.page_count, 3, INVALID_PARAMETER),
	FIELD(create_srq, buffer.page_shift, 21, INVALID_PARAMETER),
};
#define CREATE_FIELDS (int)(sizeof(create_fields) / sizeof(create_fields[0]))

START_TEST(test_create)
{
	const struct field *f = &create_fields[_i];
	struct virtio_rdma_cmd_create_srq *q;
	struct command cmd = { 0 };
	struct rig_answer ans;
	uint64_t used = atomic_load(&r.b.g.gmem_account.used);

	q = &cmd.req.create_srq;
	srq_request(q);
	q->slot = f->offset == offsetof(struct virtio_rdma_cmd_create_srq,
					slot) ? SRQ_SLOT : 201;
	memcpy((uint8_t *)q + f->offset, &f->value, f->size);
	ans = rig_command(&r, &r.b, cmd_create_srq, &cmd);
	ck_assert_uint_eq(ans.status, f->status);
	if (!ans.status)
		rig_simple(&r, &r.b, cmd_destroy_srq, ans.handle);
	rig_settle(&r);
	ck_assert_uint_eq(atomic_load(&r.b.g.gmem_account.used), used);
}
END_TEST

static const struct field modify_fields[] = {
	FIELD(modify_srq, threshold, 5, OK),
	FIELD(modify_srq, depth, 0, INVALID_PARAMETER),	/* with a buffer */
	FIELD(modify_srq, depth, 100, INVALID_PARAMETER),
	FIELD(modify_srq, depth, 8192, INVALID_PARAMETER),
	FIELD(modify_srq, ring_offset, 0, INVALID_PARAMETER),
	FIELD(modify_srq, ring_offset, 4096 + 8, INVALID_PARAMETER),
	FIELD(modify_srq, reserved, 1, INVALID_PARAMETER),
	FIELD(modify_srq, buffer.root, 0x7000, ACCESS_VIOLATION),
	FIELD(modify_srq, buffer.page_count, 1, INVALID_PARAMETER),
};
#define MODIFY_FIELDS (int)(sizeof(modify_fields) / sizeof(modify_fields[0]))

START_TEST(test_modify)
{
	const struct field *f = &modify_fields[_i];
	struct command cmd = { .handle = srq };
	struct virtio_rdma_cmd_modify_srq *q = &cmd.req.modify_srq;

	q->depth = 128;
	q->ring_offset = 4096;
	q->buffer = rig_pages(&r.b, SRQ + SRQ_SIZE, 3, 12, 1);
	memcpy((uint8_t *)q + f->offset, &f->value, f->size);
	ck_assert_uint_eq(rig_command(&r, &r.b, cmd_modify_srq, &cmd).status,
			  f->status);
}
END_TEST

START_TEST(test_modify_handle)
{
	struct command cmd = { .handle = srq ^ 0x100000 };

	ck_assert_uint_eq(rig_command(&r, &r.b, cmd_modify_srq, &cmd).status,
			  S(INVALID_HANDLE));
	memset(&cmd, 0, sizeof(cmd));
	cmd.handle = srq;
	cmd.req.modify_srq.ring_offset = 4096;	/* without a depth */
	ck_assert_uint_eq(rig_command(&r, &r.b, cmd_modify_srq, &cmd).status,
			  S(INVALID_PARAMETER));
}
END_TEST

static const struct field qp_fields[] = {
	FIELD(create_qp, slot, 90, OK),
	FIELD(create_qp, srq, 0x00100001, INVALID_HANDLE),
	FIELD(create_qp, srq, 0xffffffff, INVALID_HANDLE),
	FIELD(create_qp, srq, 0, INVALID_PARAMETER),
	FIELD(create_qp, rq_depth, 64, INVALID_PARAMETER),
	FIELD(create_qp, rq_stride, 64, INVALID_PARAMETER),
	FIELD(create_qp, rq_offset, 4096, INVALID_PARAMETER),
	FIELD(create_qp, max_recv_sge, 1, INVALID_PARAMETER),
	FIELD(create_qp, slot, SRQ_SLOT, BUSY),
};
#define QP_FIELDS (int)(sizeof(qp_fields) / sizeof(qp_fields[0]))

START_TEST(test_create_qp)
{
	const struct field *f = &qp_fields[_i];
	struct command cmd = { 0 };
	struct end e = { .x = &r.b, .slot = 90, .at = RIG_QP };

	end_request(&e, srq, &cmd.req.create_qp);
	memcpy((uint8_t *)&cmd.req.create_qp + f->offset, &f->value, f->size);
	ck_assert_uint_eq(rig_command(&r, &r.b, cmd_create_qp, &cmd).status,
			  f->status);
}
END_TEST

/* Another domain's queue pair, and one of a driver without the feature */
START_TEST(test_create_qp_others)
{
	struct command cmd = { 0 };
	struct end e = { .x = &r.b, .slot = 90, .at = RIG_QP };

	end_request(&e, srq, &cmd.req.create_qp);
	cmd.req.create_qp.pd = rig_new_pd(&r, &r.b, 0);
	ck_assert_uint_eq(rig_command(&r, &r.b, cmd_create_qp, &cmd).status,
			  S(INVALID_PARAMETER));
	r.b.g.features &= ~VIRTIO_RDMA_FEATURE(SRQ);
	cmd.req.create_qp.pd = r.b.pd;
	ck_assert_uint_eq(rig_command(&r, &r.b, cmd_create_qp, &cmd).status,
			  S(INVALID_PARAMETER));
}
END_TEST

static TCase *add(Suite *s, const char *name, void (*begin)(void))
{
	TCase *c = tcase_create(name);

	tcase_add_checked_fixture(c, begin, teardown);
	tcase_set_timeout(c, 60);
	suite_add_tcase(s, c);
	return c;
}

static Suite *suite(void)
{
	Suite *s = suite_create("shared receive queues");
	TCase *c = add(s, "who gets it", setup);

	tcase_add_test(c, test_spread);
	tcase_add_test(c, test_laps);
	tcase_add_test(c, test_hungry_in_order);
	tcase_add_test(c, test_hungry_all_at_once);
	tcase_add_loop_test(c, test_not_taken, 0, 4);
	tcase_add_test(c, test_paused);
	tcase_add_test(c, test_no_receive);
	tcase_add_test(c, test_offers_are_few);
	c = add(s, "ends", setup);
	tcase_add_test(c, test_flush);
	tcase_add_test(c, test_stop_in_the_middle);
	tcase_add_test(c, test_reset_in_the_middle);
	tcase_add_test(c, test_destroy_order);
	c = add(s, "wrong", setup);
	tcase_add_loop_test(c, test_bad_entry, 0, 5);
	tcase_add_test(c, test_cq_overrun);
	tcase_add_loop_test(c, test_bad_tail, 0, 4);
	c = add(s, "limit", setup_limit);
	tcase_add_test(c, test_limit);
	c = add(s, "resize", setup);
	tcase_add_test(c, test_resize);
	tcase_add_test(c, test_resize_serves);
	tcase_add_test(c, test_resize_refused);
	c = add(s, "commands", setup);
	tcase_add_loop_test(c, test_create, 0, CREATE_FIELDS);
	tcase_add_loop_test(c, test_modify, 0, MODIFY_FIELDS);
	tcase_add_test(c, test_modify_handle);
	tcase_add_loop_test(c, test_create_qp, 0, QP_FIELDS);
	tcase_add_test(c, test_create_qp_others);
	return s;
}

int main(void)
{
	return suite_run(suite());
}
