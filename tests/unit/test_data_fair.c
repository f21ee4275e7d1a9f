/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test_data_fair.c - no guest gets the worker for itself: what one may make it
 * do in a turn is bounded, and what waits costs nothing
 */
#define RIG_DEPTH	512u
#define RIG_CQ_DEPTH	2048u
#define RIG_STRIDE	512u
#define RIG_INLINE	256u
#define RIG_SGE		15u
#include "data_rig.h"
#include "suite.h"

#define MOST_A_STEP	256	/* flushed entries, doorbells */
#define WORDS		(VIRTIO_RDMA_MAX_SLOTS / 64)

static struct rig r;

/* The worker without its thread: a step is what one guest gets at a time */
static void setup_by_hand(void)
{
	const struct worker_conf conf = { .poll_us = 0 };

	memset(&r, 0, sizeof(r));
	vlog_set_level(VL_ERROR);
	ck_assert_int_eq(loop_create(&r.loop), 0);
	ck_assert_int_eq(worker_create(&conf, r.loop, &r.worker), 0);
	rig_guest_start(&r, &r.a, "vm0", 0x100000);
	rig_guest_start(&r, &r.b, "vm1", 0x40000000);
	rig_objects(&r, &r.a);
	rig_objects(&r, &r.b);
}

static void teardown(void)
{
	rig_end(&r);
}

static struct virtio_rdma_context_page *page(struct rig_guest *x)
{
	return (void *)(x->mem + RIG_CONTEXT);
}

/* --------------------------------------------------------------- waiting */

/* Both send, nobody receives: they wait, and so does the worker */
START_TEST(test_both_wait)
{
	rig_start(&r, 50);
	r.a.g.data.rnr_timeout_ms = 0;
	r.b.g.data.rnr_timeout_ms = 0;
	rig_connect(&r);
	rig_post(&r, &r.a, 1, VIRTIO_RDMA_OP_SEND, 0, 0, 64, 0, 0);
	rig_post(&r, &r.b, 2, VIRTIO_RDMA_OP_SEND, 0, 0, 64, 0, 0);
	rig_settle(&r);
	rig_until(&r, rig_load(&page(&r.a)->worker) ==
			      VIRTIO_RDMA_WORKER_ASLEEP);
	rig_recv(&r, &r.a, 3, 0, 64);
	rig_expect(&r, &r.a, 3, VIRTIO_RDMA_WC_SUCCESS);
	rig_expect(&r, &r.b, 2, VIRTIO_RDMA_WC_SUCCESS);
	rig_recv(&r, &r.b, 4, 0, 64);
	rig_expect(&r, &r.b, 4, VIRTIO_RDMA_WC_SUCCESS);
	rig_expect(&r, &r.a, 1, VIRTIO_RDMA_WC_SUCCESS);
}
END_TEST

/* ---------------------------------------------------------------- flushes */

static void post_quietly(struct rig_guest *x, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++) {
		struct virtio_rdma_send_wqe *w = (void *)rig_sq_entry(x);

		w->wr_id = x->sq_tail++;
		w->opcode = VIRTIO_RDMA_OP_SEND;
	}
	__atomic_store_n(&rig_qp_record(x)->sq_tail, x->sq_tail,
			 __ATOMIC_RELEASE);
}

static void expect_flushed(struct rig_guest *x, uint32_t n)
{
	struct virtio_rdma_cqe c;

	for (uint32_t i = 0; i < n; i++) {
		ck_assert(rig_poll(x, RIG_CQ_DEPTH, &c));
		ck_assert_uint_eq(c.wr_id, i);
		ck_assert_uint_eq(c.status, VIRTIO_RDMA_WC_CANCELLED);
	}
	ck_assert(!rig_poll(x, RIG_CQ_DEPTH, &c));
}

/* A queue pair in error that is fed on and on takes turns like any other */
START_TEST(test_flush_in_turns)
{
	uint32_t head = 0, next, steps = 0;

	rig_simple(&r, &r.a, cmd_flush_qp, r.a.qp);
	post_quietly(&r.a, RIG_DEPTH);
	rig_bell(&r, &r.a);
	while (head != RIG_DEPTH) {
		ck_assert(worker_has_work(r.worker));
		worker_step(r.worker);
		next = rig_load(&rig_qp_record(&r.a)->sq_head);
		ck_assert_uint_le(next - head, MOST_A_STEP);
		head = next;
		ck_assert_uint_lt(++steps, 1000);
	}
	expect_flushed(&r.a, RIG_DEPTH);
}
END_TEST

/* FLUSH_QP speaks of what was posted before it, rung or not */
START_TEST(test_flush_again)
{
	rig_simple(&r, &r.a, cmd_flush_qp, r.a.qp);
	post_quietly(&r.a, 300);
	rig_simple(&r, &r.a, cmd_flush_qp, r.a.qp);
	expect_flushed(&r.a, 300);
}
END_TEST

/* It may be destroyed while it waits for a turn */
START_TEST(test_destroy_between_turns)
{
	rig_simple(&r, &r.a, cmd_flush_qp, r.a.qp);
	post_quietly(&r.a, RIG_DEPTH);
	rig_bell(&r, &r.a);
	worker_step(r.worker);
	ck_assert_uint_eq(rig_simple(&r, &r.a, cmd_destroy_qp, r.a.qp).status,
			  VIRTIO_RDMA_S_OK);
	worker_step(r.worker);
	rig_settle(&r);
	worker_step(r.worker);
	ck_assert(!worker_has_work(r.worker));
}
END_TEST

/* ------------------------------------------------------------------ lists */

/* A list is as long as its object needs: what is read is bounded by what is
 * asked for, not by what the account allows */
START_TEST(test_lists_are_exact)
{
	struct command cmd = { 0 };

	rig_cq_request(&r.a, &cmd.req.create_cq, 64);
	cmd.req.create_cq.buffer = rig_pages(&r.a, RIG_CQ, 3, 12, 1);
	ck_assert_uint_eq(rig_command(&r, &r.a, cmd_create_cq, &cmd).status,
			  VIRTIO_RDMA_S_INVALID_PARAMETER);
	memset(&cmd, 0, sizeof(cmd));
	rig_qp_request(&r.a, &cmd.req.create_qp);
	cmd.req.create_qp.slot = 3;
	cmd.req.create_qp.buffer = rig_pages(
		&r.a, RIG_QP, 2 + 2 * RIG_DEPTH * RIG_STRIDE / 4096, 12, 1);
	ck_assert_uint_eq(rig_command(&r, &r.a, cmd_create_qp, &cmd).status,
			  VIRTIO_RDMA_S_INVALID_PARAMETER);
}
END_TEST

/* ------------------------------------------------------------------ bells */

static void ring_everything(struct rig_guest *x)
{
	for (uint32_t i = 0; i < WORDS; i++)
		__atomic_store_n(&page(x)->work[i], ~0ull, __ATOMIC_SEQ_CST);
	for (uint32_t i = 0; i < 4; i++)
		__atomic_store_n(&page(x)->summary[i], ~0ull, __ATOMIC_SEQ_CST);
}

static uint32_t words_left(struct rig_guest *x)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < WORDS; i++)
		n += __atomic_load_n(&page(x)->work[i], __ATOMIC_SEQ_CST) != 0;
	return n;
}

/* More bells than a guest may have looked at in a step: the rest is met later,
 * and the neighbour's bell at once */
START_TEST(test_bells_in_turns)
{
	uint32_t left = WORDS, next, steps = 0;

	rig_connect(&r);
	ring_everything(&r.a);
	rig_recv(&r, &r.a, 1, 0, 64);
	rig_post(&r, &r.b, 2, VIRTIO_RDMA_OP_WRITE, 0, 0, 64, rig_data(0),
		 r.a.remote);
	worker_step(r.worker);
	ck_assert_uint_eq(words_left(&r.b), 0);
	while (worker_has_work(r.worker)) {
		next = words_left(&r.a);
		ck_assert_uint_le(left - next, MOST_A_STEP / 2);
		left = next;
		worker_step(r.worker);
		ck_assert_uint_lt(++steps, 1000);
	}
	ck_assert_uint_eq(words_left(&r.a), 0);
	rig_expect(&r, &r.b, 2, VIRTIO_RDMA_WC_SUCCESS);
}
END_TEST

/* A second context of the same guest is not starved by the first */
START_TEST(test_contexts_take_turns)
{
	struct virtio_rdma_context_page *second =
		(void *)(r.a.mem + RIG_CONTEXT + 4096);
	struct command cmd = { 0 };
	uint32_t steps = 0;

	cmd.req.create_context.page = r.a.gpa + RIG_CONTEXT + 4096;
	ck_assert_uint_eq(rig_command(&r, &r.a, cmd_create_context, &cmd).status,
			  VIRTIO_RDMA_S_OK);
	second->work[0] = 1;
	second->summary[0] = 1;
	while (__atomic_load_n(&second->work[0], __ATOMIC_SEQ_CST)) {
		ring_everything(&r.a);
		worker_step(r.worker);
		ck_assert_uint_lt(++steps, 10);
	}
}
END_TEST

/* ------------------------------------------------------------------ deaths */

#define FAMILY	6

static struct vr_qp *family[FAMILY];

static void make_family(void)
{
	for (uint32_t i = 0; i < FAMILY; i++) {
		struct command cmd = { 0 };
		struct rig_answer a;

		rig_qp_request(&r.a, &cmd.req.create_qp);
		cmd.req.create_qp.slot = i;
		a = rig_command(&r, &r.a, cmd_create_qp, &cmd);
		ck_assert_uint_eq(a.status, VIRTIO_RDMA_S_OK);
		family[i] = handle_get(&r.a.g.qps, a.handle);
	}
}

static uint32_t dead(void)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < FAMILY; i++)
		n += family[i]->state == QP_ERROR;
	return n;
}

/* Each queue pair of a dead completion queue has its whole rings flushed, so
 * they go one by one, with others' turns in between */
START_TEST(test_deaths_in_turns)
{
	uint32_t before, steps = 0;

	make_family();
	/* what is never taken fills the completion queue */
	for (uint32_t i = 0; i <= RIG_CQ_DEPTH / RIG_DEPTH; i++) {
		post_quietly(&r.a, i ? RIG_DEPTH : 0);
		rig_simple(&r, &r.a, cmd_flush_qp, r.a.qp);
	}
	post_quietly(&r.a, 1);
	rig_simple(&r, &r.a, cmd_flush_qp, r.a.qp);
	before = dead();
	ck_assert_uint_lt(before, FAMILY);
	while (dead() != FAMILY) {
		ck_assert(worker_has_work(r.worker));
		worker_step(r.worker);
		ck_assert_uint_le(dead() - before, 2);
		before = dead();
		ck_assert_uint_lt(++steps, 100);
	}
	for (uint32_t i = 0; i < FAMILY; i++)
		rig_simple(&r, &r.a, cmd_destroy_qp, family[i]->handle);
}
END_TEST

static Suite *suite(void)
{
	Suite *s = suite_create("data_fair");
	TCase *c = tcase_create("thread");

	tcase_add_checked_fixture(c, NULL, teardown);
	tcase_add_test(c, test_both_wait);
	tcase_set_timeout(c, 60);
	suite_add_tcase(s, c);
	c = tcase_create("by hand");
	tcase_set_timeout(c, 60);
	tcase_add_checked_fixture(c, setup_by_hand, teardown);
	tcase_add_test(c, test_flush_in_turns);
	tcase_add_test(c, test_flush_again);
	tcase_add_test(c, test_destroy_between_turns);
	tcase_add_test(c, test_lists_are_exact);
	tcase_add_test(c, test_bells_in_turns);
	tcase_add_test(c, test_contexts_take_turns);
	tcase_add_test(c, test_deaths_in_turns);
	suite_add_tcase(s, c);
	return s;
}

int main(void)
{
	return suite_run(suite());
}
