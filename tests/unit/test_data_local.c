/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test_data_local.c - two guests, one process: what each request does to memory
 * and how it ends on both sides
 */
#include "data_rig.h"
#include "suite.h"

static struct rig r;

static void setup(void)
{
	rig_start(&r, 50);
	rig_connect(&r);
}

static void teardown(void)
{
	rig_end(&r);
}

static uint8_t *data(struct rig_guest *x, uint64_t off)
{
	return x->mem + RIG_DATA + off;
}

static void fill(struct rig_guest *x, uint64_t off, size_t len, uint32_t seed)
{
	for (size_t i = 0; i < len; i++)
		data(x, off)[i] = (uint8_t)((seed + i) * 2654435761u >> 13);
}

#define SEND VIRTIO_RDMA_OP_SEND
#define WRITE VIRTIO_RDMA_OP_WRITE
#define READ VIRTIO_RDMA_OP_READ

START_TEST(test_send)
{
	struct virtio_rdma_cqe c;

	fill(&r.a, 0, 5000, 1);
	rig_recv(&r, &r.b, 7, 100, 6000);
	rig_post(&r, &r.a, 8, SEND, 0, 0, 5000, 0, 0);
	c = rig_expect(&r, &r.b, 7, VIRTIO_RDMA_WC_SUCCESS);
	ck_assert_uint_eq(c.length, 5000);
	ck_assert_uint_eq(c.opcode, VIRTIO_RDMA_OP_RECEIVE);
	c = rig_expect(&r, &r.a, 8, VIRTIO_RDMA_WC_SUCCESS);
	ck_assert_uint_eq(c.opcode, SEND);
	ck_assert_mem_eq(data(&r.b, 100), data(&r.a, 0), 5000);
	ck_assert_uint_eq(data(&r.b, 5100)[0], 0);
	rig_until(&r, rig_load(&rig_qp_record(&r.a)->sq_head) == 1);
	rig_until(&r, rig_load(&rig_qp_record(&r.b)->rq_head) == 1);
}
END_TEST

START_TEST(test_write_read)
{
	const size_t len = 3u << 20;	/* more than one turn */

	fill(&r.a, 0, len, 2);
	rig_post(&r, &r.a, 1, WRITE, 0, 0, len, rig_data(33), r.b.remote);
	rig_expect(&r, &r.a, 1, VIRTIO_RDMA_WC_SUCCESS);
	ck_assert_mem_eq(data(&r.b, 33), data(&r.a, 0), len);
	rig_post(&r, &r.a, 2, READ, 0, 8u << 20, len, rig_data(33), r.b.remote);
	rig_expect(&r, &r.a, 2, VIRTIO_RDMA_WC_SUCCESS);
	ck_assert_mem_eq(data(&r.a, 8u << 20), data(&r.a, 0), len);
}
END_TEST

START_TEST(test_zero_length)
{
	struct virtio_rdma_cqe c;
	const struct virtio_rdma_send_wqe w = { .wr_id = 2, .opcode = SEND };

	/* nothing is touched: tokens are not looked at */
	rig_post(&r, &r.a, 1, WRITE, 0, 0, 0, 12345, 777);
	rig_expect(&r, &r.a, 1, VIRTIO_RDMA_WC_SUCCESS);
	rig_recv(&r, &r.b, 9, 0, 0);
	rig_post_raw(&r, &r.a, &w, NULL, 0);
	c = rig_expect(&r, &r.b, 9, VIRTIO_RDMA_WC_SUCCESS);
	ck_assert_uint_eq(c.length, 0);
	rig_expect(&r, &r.a, 2, VIRTIO_RDMA_WC_SUCCESS);
}
END_TEST

START_TEST(test_inline)
{
	struct virtio_rdma_send_wqe w = {
		.wr_id = 3, .opcode = WRITE, .flags = VIRTIO_RDMA_WR_INLINE,
		.inline_length = 200, .remote_addr = rig_data(0),
	};
	uint8_t bytes[200];

	w.remote_token = r.b.remote;
	memset(bytes, 0x5a, sizeof(bytes));
	rig_post_raw(&r, &r.a, &w, bytes, sizeof(bytes));
	rig_expect(&r, &r.a, 3, VIRTIO_RDMA_WC_SUCCESS);
	ck_assert_mem_eq(data(&r.b, 0), bytes, sizeof(bytes));
	ck_assert_uint_eq(data(&r.b, 200)[0], 0);
}
END_TEST

/* Silent success leaves no entry but counts; order is kept over many laps */
START_TEST(test_silent_and_laps)
{
	for (uint32_t i = 0; i < 1000; i++) {
		bool silent = i % 3;

		rig_post(&r, &r.a, i, WRITE,
			 silent ? VIRTIO_RDMA_WR_SILENT : 0, 0, 64,
			 rig_data(0), r.b.remote);
		if (!silent)
			rig_expect(&r, &r.a, i, VIRTIO_RDMA_WC_SUCCESS);
	}
	rig_until(&r, rig_load(&rig_qp_record(&r.a)->sq_head) == 1000);
}
END_TEST

/* A send without a receive waits, and goes on when one is posted */
START_TEST(test_wait_for_receive)
{
	fill(&r.a, 0, 64, 3);
	rig_post(&r, &r.a, 1, SEND, 0, 0, 64, 0, 0);
	rig_settle(&r);
	ck_assert_uint_eq(rig_load(&rig_qp_record(&r.a)->sq_head), 0);
	rig_recv(&r, &r.b, 2, 0, 64);
	rig_expect(&r, &r.b, 2, VIRTIO_RDMA_WC_SUCCESS);
	rig_expect(&r, &r.a, 1, VIRTIO_RDMA_WC_SUCCESS);
	ck_assert_mem_eq(data(&r.b, 0), data(&r.a, 0), 64);
}
END_TEST

/* ... or fails after the deadline, with what is behind it */
START_TEST(test_no_receive)
{
	uint64_t t = loop_now_ns();

	rig_post(&r, &r.a, 1, SEND, 0, 0, 64, 0, 0);
	rig_post(&r, &r.a, 2, SEND, VIRTIO_RDMA_WR_SILENT, 0, 64, 0, 0);
	rig_recv(&r, &r.a, 3, 0, 64);
	rig_expect(&r, &r.a, 1, VIRTIO_RDMA_WC_TIMED_OUT);
	ck_assert_uint_ge(loop_now_ns() - t, 99000000);
	rig_expect(&r, &r.a, 2, VIRTIO_RDMA_WC_CANCELLED);
	rig_expect(&r, &r.a, 3, VIRTIO_RDMA_WC_CANCELLED);
	rig_until(&r, r.a.qp_failures == 1);
	ck_assert_uint_eq(r.a.qp_reason, VIRTIO_RDMA_R_TIMED_OUT);
	ck_assert_uint_eq(rig_load(&rig_qp_record(&r.a)->state),
			  VIRTIO_RDMA_QP_ERROR);
	/* what is posted later is cancelled, too */
	rig_post(&r, &r.a, 4, SEND, 0, 0, 64, 0, 0);
	rig_expect(&r, &r.a, 4, VIRTIO_RDMA_WC_CANCELLED);
}
END_TEST

START_TEST(test_receive_too_short)
{
	rig_recv(&r, &r.b, 1, 0, 63);
	rig_recv(&r, &r.b, 2, 0, 64);
	rig_post(&r, &r.a, 3, SEND, 0, 0, 64, 0, 0);
	rig_expect(&r, &r.b, 1, VIRTIO_RDMA_WC_LOCAL_LENGTH);
	rig_expect(&r, &r.b, 2, VIRTIO_RDMA_WC_CANCELLED);
	rig_expect(&r, &r.a, 3, VIRTIO_RDMA_WC_REMOTE_REQUEST);
	rig_until(&r, r.a.qp_failures == 1 && r.b.qp_failures == 1);
}
END_TEST

START_TEST(test_receive_bad_memory)
{
	rig_recv(&r, &r.b, 1, RIG_MEM, 64);	/* behind the region */
	rig_post(&r, &r.a, 3, SEND, 0, 0, 64, 0, 0);
	rig_expect(&r, &r.b, 1, VIRTIO_RDMA_WC_LOCAL_PROTECTION);
	rig_until(&r, r.b.qp_failures == 1);
	rig_expect(&r, &r.a, 3, VIRTIO_RDMA_WC_TIMED_OUT);
}
END_TEST

START_TEST(test_remote_access)
{
	static const struct {
		int op;
		int64_t off;	/* from the start of the region */
		uint32_t len;
		uint32_t wrong;	/* xor on the token */
	} t[] = {
		{ WRITE, -1, 64, 0 },
		{ WRITE, (int64_t)(RIG_MEM - RIG_DATA) - 63, 64, 0 },
		{ WRITE, (int64_t)(RIG_MEM - RIG_DATA), 1, 0 },
		{ WRITE, -(int64_t)RIG_DATA - 32, 64, 0 },	/* wraps */
		{ READ, -1, 64, 0 },
		{ WRITE, 0, 64, 1u << 20 },
		{ READ, 0, 64, 1 },
		{ READ, 0, 64, 0xffff0000 },
	};

	fill(&r.a, 0, 64, 4);
	rig_recv(&r, &r.b, 2, 0, 64);
	rig_post(&r, &r.a, 1, (uint8_t)t[_i].op, 0, 0, t[_i].len,
		 rig_data((uint64_t)t[_i].off), r.b.remote ^ t[_i].wrong);
	rig_expect(&r, &r.a, 1, VIRTIO_RDMA_WC_REMOTE_ACCESS);
	rig_expect(&r, &r.b, 2, VIRTIO_RDMA_WC_CANCELLED);
	rig_until(&r, r.a.qp_failures == 1 && r.b.qp_failures == 1);
	ck_assert_uint_eq(r.b.qp_reason, VIRTIO_RDMA_R_RESET);
	/* no byte moved */
	for (int i = 0; i < 64; i++)
		ck_assert_uint_eq(data(&r.b, 0)[i], 0);
}
END_TEST

/* The local token does not open the door from outside */
START_TEST(test_local_token_is_not_remote)
{
	rig_post(&r, &r.a, 1, WRITE, 0, 0, 64, rig_data(0), r.b.local);
	rig_expect(&r, &r.a, 1, VIRTIO_RDMA_WC_REMOTE_ACCESS);
}
END_TEST

START_TEST(test_rights)
{
	static const struct {
		uint32_t access;
		int op;
		bool ok;
	} t[] = {
		{ VIRTIO_RDMA_ACCESS_REMOTE_READ, READ, true },
		{ VIRTIO_RDMA_ACCESS_REMOTE_READ, WRITE, false },
		{ VIRTIO_RDMA_ACCESS_REMOTE_WRITE |
		  VIRTIO_RDMA_ACCESS_LOCAL_WRITE, WRITE, true },
		{ VIRTIO_RDMA_ACCESS_REMOTE_WRITE |
		  VIRTIO_RDMA_ACCESS_LOCAL_WRITE, READ, false },
		{ VIRTIO_RDMA_ACCESS_LOCAL_WRITE, READ, false },
		{ 0, WRITE, false },
	};
	uint32_t token;

	rig_register(&r, &r.b, r.b.pd, 0x7000, 4096, t[_i].access,
		     rig_pages(&r.b, RIG_DATA, 1, 12, 1), &token);
	rig_post(&r, &r.a, 1, (uint8_t)t[_i].op, 0, 0, 64, 0x7000, token);
	rig_expect(&r, &r.a, 1, t[_i].ok ? VIRTIO_RDMA_WC_SUCCESS :
					   VIRTIO_RDMA_WC_REMOTE_ACCESS);
}
END_TEST

START_TEST(test_other_domain)
{
	uint32_t pd = rig_new_pd(&r, &r.b, 0), token;
	struct rig_answer m;

	m = rig_register(&r, &r.b, pd, 0x7000, 4096, 7,
			 rig_pages(&r.b, RIG_DATA, 1, 12, 1), &token);
	ck_assert_uint_eq(rig_simple(&r, &r.b, cmd_destroy_pd, pd).status,
			  VIRTIO_RDMA_S_BUSY);
	rig_post(&r, &r.a, 1, WRITE, 0, 0, 64, 0x7000, token);
	rig_expect(&r, &r.a, 1, VIRTIO_RDMA_WC_REMOTE_ACCESS);
	rig_simple(&r, &r.b, cmd_deregister_mr, m.handle);
	ck_assert_uint_eq(rig_simple(&r, &r.b, cmd_destroy_pd, pd).status,
			  VIRTIO_RDMA_S_OK);
}
END_TEST

/* After the answer to DEREGISTER_MR nothing is written any more, even by a
 * request that was at work: it ends with an error. */
START_TEST(test_deregister_under_request)
{
	const uint32_t len = 40u << 20;	/* many turns */
	bool target = _i;
	uint8_t before;

	rig_post(&r, &r.a, 1, WRITE, 0, 0, len, rig_data(0), r.b.remote);
	if (target)
		rig_simple(&r, &r.b, cmd_deregister_mr, r.b.local);
	else
		rig_simple(&r, &r.a, cmd_deregister_mr, r.a.local);
	before = __atomic_load_n(data(&r.b, len - 1), __ATOMIC_RELAXED);
	__atomic_store_n(data(&r.a, len - 1), before ^ 0xff, __ATOMIC_RELAXED);
	rig_expect(&r, &r.a, 1, target ? VIRTIO_RDMA_WC_REMOTE_ACCESS :
					 VIRTIO_RDMA_WC_LOCAL_PROTECTION);
	ck_assert_uint_eq(*data(&r.b, len - 1), before);
	rig_settle(&r);
}
END_TEST

static void stopped(void *arg)
{
	struct rig_guest *x = arg;

	x->stops++;
}

/* D3: when stop answers, the cancelled entries are there and the peer's
 * requests wait without failing once the peer's disconnect is known */
START_TEST(test_stop)
{
	struct virtio_rdma_cqe c;

	rig_recv(&r, &r.a, 10, 0, 64);
	rig_recv(&r, &r.a, 11, 0, 64);
	rig_settle(&r);
	qp_stop(rig_qp(&r.a), stopped, &r.a);
	ck_assert_uint_eq(r.a.stops, 0);
	rig_until(&r, r.a.stops == 1);
	for (uint64_t id = 10; id < 12; id++) {
		ck_assert(rig_poll(&r.a, RIG_CQ_DEPTH, &c));
		ck_assert_uint_eq(c.wr_id, id);
		ck_assert_uint_eq(c.status, VIRTIO_RDMA_WC_CANCELLED);
	}
	ck_assert_uint_eq(r.a.qp_failures, 0);
	qp_detach_peer(rig_qp(&r.b));
	rig_post(&r, &r.b, 20, WRITE, 0, 0, 64, rig_data(0), r.a.remote);
	/* longer than the deadline for receives, which must not matter now */
	for (uint64_t end = loop_now_ns() + 200000000; loop_now_ns() < end;)
		loop_run_once(r.loop, 10);
	ck_assert(!rig_poll(&r.b, RIG_CQ_DEPTH, &c));
	ck_assert_uint_eq(rig_load(&rig_qp_record(&r.b)->state),
			  VIRTIO_RDMA_QP_CONNECTED);
	/* twice is as good as once, and each caller hears */
	qp_stop(rig_qp(&r.b), stopped, &r.b);
	qp_stop(rig_qp(&r.b), stopped, &r.b);
	rig_expect(&r, &r.b, 20, VIRTIO_RDMA_WC_CANCELLED);
	rig_until(&r, r.b.stops == 2);
}
END_TEST

/* A request in the middle of its bytes when the peer goes */
START_TEST(test_stop_in_the_middle)
{
	rig_recv(&r, &r.b, 5, 0, 40u << 20);
	rig_post(&r, &r.a, 1, _i ? SEND : WRITE, 0, 0, 40u << 20,
		 _i ? 0 : rig_data(0), _i ? 0 : r.b.remote);
	qp_stop(rig_qp(&r.b), stopped, &r.b);
	rig_until(&r, r.b.stops == 1);
	rig_expect(&r, &r.b, 5, VIRTIO_RDMA_WC_CANCELLED);
	rig_expect(&r, &r.a, 1, VIRTIO_RDMA_WC_TIMED_OUT);
}
END_TEST

START_TEST(test_flush_and_reuse)
{
	struct vr_qp *qp;

	rig_recv(&r, &r.a, 1, 0, 64);
	ck_assert_uint_eq(rig_simple(&r, &r.a, cmd_flush_qp, r.a.qp).status,
			  VIRTIO_RDMA_S_OK);
	rig_expect(&r, &r.a, 1, VIRTIO_RDMA_WC_CANCELLED);
	ck_assert_uint_eq(rig_simple(&r, &r.a, cmd_destroy_qp, r.a.qp).status,
			  VIRTIO_RDMA_S_BUSY);
	qp_release(rig_qp(&r.a));
	ck_assert_uint_eq(qp_reserve(&r.a.g, r.a.qp, NULL, &qp),
			  VIRTIO_RDMA_S_CONNECTION_ACTIVE);
	ck_assert_uint_eq(rig_simple(&r, &r.a, cmd_destroy_qp, r.a.qp).status,
			  VIRTIO_RDMA_S_OK);
	ck_assert_uint_eq(rig_simple(&r, &r.a, cmd_destroy_qp, r.a.qp).status,
			  VIRTIO_RDMA_S_INVALID_HANDLE);
	ck_assert_uint_eq(qp_reserve(&r.a.g, r.a.qp, NULL, &qp),
			  VIRTIO_RDMA_S_INVALID_HANDLE);
}
END_TEST

/* A tail that jumps too far, or back: the queue pair dies, nobody else */
START_TEST(test_bad_tail)
{
	static const uint32_t jump[] = { RIG_DEPTH + 1, 0x80000000, 0xffffffff };

	rig_recv(&r, &r.a, 1, 0, 64);
	rig_recv(&r, &r.b, 2, 0, 64);
	rig_settle(&r);
	__atomic_store_n(&rig_qp_record(&r.a)->sq_tail, jump[_i],
			 __ATOMIC_RELEASE);
	rig_kick(&r, &r.a);
	rig_expect(&r, &r.a, 1, VIRTIO_RDMA_WC_CANCELLED);
	rig_until(&r, r.a.qp_failures == 1);
	ck_assert_uint_eq(r.b.qp_failures, 0);
	/* the receive queue's is looked at although nobody sends */
	__atomic_store_n(&rig_qp_record(&r.b)->rq_tail, 1 + jump[_i],
			 __ATOMIC_RELEASE);
	rig_kick(&r, &r.b);
	rig_until(&r, r.b.qp_failures == 1);
}
END_TEST

/* Garbage in work bits and slots that nobody has */
START_TEST(test_wild_doorbells)
{
	struct virtio_rdma_context_page *p = (void *)(r.a.mem + RIG_CONTEXT);

	for (int i = 0; i < 256; i++)
		__atomic_store_n(&p->work[i], ~0ull, __ATOMIC_RELAXED);
	for (int i = 0; i < 4; i++)
		__atomic_store_n(&p->summary[i], ~0ull, __ATOMIC_RELEASE);
	rig_kick(&r, &r.a);
	rig_settle(&r);
	rig_post(&r, &r.a, 1, WRITE, 0, 0, 64, rig_data(0), r.b.remote);
	rig_expect(&r, &r.a, 1, VIRTIO_RDMA_WC_SUCCESS);
}
END_TEST

START_TEST(test_cq_overrun)
{
	for (uint32_t i = 0; i < RIG_CQ_DEPTH + 1; i++) {
		rig_post(&r, &r.a, i, WRITE, 0, 0, 8, rig_data(0), r.b.remote);
		rig_until(&r, rig_load(&rig_qp_record(&r.a)->sq_head) == i + 1);
	}
	rig_until(&r, r.a.cq_errors == 1 && r.a.qp_failures == 1);
	ck_assert_uint_eq(r.b.qp_failures, 0);
	/* entries written before are whole */
	for (uint32_t i = 0; i < RIG_CQ_DEPTH; i++) {
		struct virtio_rdma_cqe c;

		ck_assert(rig_poll(&r.a, RIG_CQ_DEPTH, &c));
		ck_assert_uint_eq(c.wr_id, i);
	}
}
END_TEST

START_TEST(test_arm)
{
	static const struct {
		uint32_t arm;
		uint16_t flags;
		bool event;
	} t[] = {
		{ VIRTIO_RDMA_ARM_NONE, VIRTIO_RDMA_WR_SOLICIT, false },
		{ VIRTIO_RDMA_ARM_ERRORS, VIRTIO_RDMA_WR_SOLICIT, false },
		{ VIRTIO_RDMA_ARM_SOLICITED, 0, false },
		{ VIRTIO_RDMA_ARM_SOLICITED, VIRTIO_RDMA_WR_SOLICIT, true },
		{ VIRTIO_RDMA_ARM_ANY, 0, true },
		{ VIRTIO_RDMA_ARM_ANY, VIRTIO_RDMA_WR_SOLICIT, true },
		{ 77, VIRTIO_RDMA_WR_SOLICIT, false },
	};
	uint32_t *arm = &rig_cq_record(&r.b)->arm;

	for (uint64_t i = 0; i < 2; i++)
		rig_recv(&r, &r.b, i, 0, 64);
	__atomic_store_n(arm, t[_i].arm, __ATOMIC_SEQ_CST);
	for (uint64_t i = 0; i < 2; i++) {
		rig_post(&r, &r.a, i, SEND, t[_i].flags, 0, 64, 0, 0);
		rig_expect(&r, &r.b, i, VIRTIO_RDMA_WC_SUCCESS);
		rig_expect(&r, &r.a, i, VIRTIO_RDMA_WC_SUCCESS);
		rig_settle(&r);
		/* one event for one arm */
		ck_assert_uint_eq(r.b.cq_events, t[_i].event);
		ck_assert_uint_eq(rig_load(arm),
				  t[_i].event ? VIRTIO_RDMA_ARM_NONE :
						t[_i].arm);
	}
}
END_TEST

/* A failed completion counts as solicited */
START_TEST(test_arm_failure)
{
	__atomic_store_n(&rig_cq_record(&r.a)->arm, VIRTIO_RDMA_ARM_SOLICITED,
			 __ATOMIC_SEQ_CST);
	rig_post(&r, &r.a, 1, WRITE, 0, 0, 64, rig_data(0), 0x123);
	rig_expect(&r, &r.a, 1, VIRTIO_RDMA_WC_REMOTE_ACCESS);
	rig_until(&r, r.a.cq_events == 1);
}
END_TEST

/* The worker sleeps when there is nothing to do, and a post wakes it */
START_TEST(test_sleep)
{
	struct virtio_rdma_context_page *p = (void *)(r.a.mem + RIG_CONTEXT);
	struct worker_stats before, after;

	for (uint64_t i = 0; i < 20; i++) {
		rig_until(&r, rig_load(&p->worker) == VIRTIO_RDMA_WORKER_ASLEEP);
		worker_stats(r.worker, &before);
		rig_until(&r, (worker_stats(r.worker, &after),
			       after.passes == before.passes));
		rig_post(&r, &r.a, i, WRITE, 0, 0, 64, rig_data(0), r.b.remote);
		rig_expect(&r, &r.a, i, VIRTIO_RDMA_WC_SUCCESS);
	}
	worker_stats(r.worker, &after);
	ck_assert_uint_ge(after.sleeps, 20);
}
END_TEST

START_TEST(test_pause)
{
	guest_data_pause(&r.a.g, true);
	rig_post(&r, &r.a, 1, WRITE, 0, 0, 64, rig_data(0), r.b.remote);
	rig_settle(&r);
	ck_assert_uint_eq(rig_load(&rig_qp_record(&r.a)->sq_head), 0);
	guest_data_pause(&r.a.g, false);
	rig_expect(&r, &r.a, 1, VIRTIO_RDMA_WC_SUCCESS);
}
END_TEST

static Suite *suite(void)
{
	Suite *s = suite_create("local data path");
	TCase *c = tcase_create("local");

	tcase_add_checked_fixture(c, setup, teardown);
	tcase_set_timeout(c, 60);
	tcase_add_test(c, test_send);
	tcase_add_test(c, test_write_read);
	tcase_add_test(c, test_zero_length);
	tcase_add_test(c, test_inline);
	tcase_add_test(c, test_silent_and_laps);
	tcase_add_test(c, test_wait_for_receive);
	tcase_add_test(c, test_no_receive);
	tcase_add_test(c, test_receive_too_short);
	tcase_add_test(c, test_receive_bad_memory);
	tcase_add_loop_test(c, test_remote_access, 0, 8);
	tcase_add_test(c, test_local_token_is_not_remote);
	tcase_add_loop_test(c, test_rights, 0, 6);
	tcase_add_test(c, test_other_domain);
	tcase_add_loop_test(c, test_deregister_under_request, 0, 2);
	tcase_add_test(c, test_stop);
	tcase_add_loop_test(c, test_stop_in_the_middle, 0, 2);
	tcase_add_test(c, test_flush_and_reuse);
	tcase_add_loop_test(c, test_bad_tail, 0, 3);
	tcase_add_test(c, test_wild_doorbells);
	tcase_add_test(c, test_cq_overrun);
	tcase_add_loop_test(c, test_arm, 0, 7);
	tcase_add_test(c, test_arm_failure);
	tcase_add_test(c, test_sleep);
	tcase_add_test(c, test_pause);
	suite_add_tcase(s, c);
	return s;
}

int main(void)
{
	return suite_run(suite());
}
