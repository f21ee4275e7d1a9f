// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * test_data_work.c - the device's work for a creation, however many objects there
 * are: counted, as many as a guest may have
 */
#define RIG_QUEUES	16640u
#define RIG_REGIONS	65600u
#include "data_rig.h"
#include "work.h"

static struct rig r;

static void setup(void)
{
	rig_by_hand = true;
	rig_start(&r, 0);
	r.a.g.gmem_account.max = 1u << 24;
}

static void teardown(void)
{
	rig_end(&r);
}

static struct virtio_rdma_page_list page(void)
{
	return (struct virtio_rdma_page_list){
		.root = r.a.gpa + RIG_DATA, .page_count = 1, .page_shift = 12,
	};
}

static void run(struct work *w, void (*fn)(struct command *),
		struct command *cmd)
{
	struct rig_answer a = { 0 };

	cmd->guest = &r.a.g;
	cmd->priv = &a;
	work_begin();
	fn(cmd);
	work_end(w);
	if (!a.done || a.status)
		ck_abort_msg("%s %u: status %d", w->what, w->at, a.status);
}

static void loop(void)
{
	while (loop_run_once(r.loop, 0) > 0)
		;
}

START_TEST(completion_queues)
{
	struct work w = { .what = "CREATE_CQ", .n = 16384 };

	for (uint32_t i = 0; i < w.n; i++) {
		struct command cmd = { 0 };

		cmd.req.create_cq.depth = 1;
		cmd.req.create_cq.ring_offset = 128;
		cmd.req.create_cq.cookie = 0xc00c1e;
		cmd.req.create_cq.buffer = page();
		run(&w, cmd_create_cq, &cmd);
	}
	work_expect_level(&w);
}
END_TEST

static void qp_request(struct virtio_rdma_cmd_create_qp *q, uint32_t slot)
{
	rig_qp_request(&r.a, q);
	r.a.tables = RIG_TABLES;	/* what it took is not used */
	q->slot = slot;
	q->sq_depth = q->rq_depth = 1;
	q->sq_stride = q->rq_stride = 64;
	q->max_send_sge = q->max_recv_sge = 1;
	q->max_inline = 0;
	q->sq_offset = 128;
	q->rq_offset = 192;
	q->buffer = page();
}

/* One of the slots is the rig's */
START_TEST(queue_pairs)
{
	struct work w = { .what = "CREATE_QP", .n = 16383 };

	for (uint32_t i = 0; i < w.n; i++) {
		struct command cmd = { 0 };

		qp_request(&cmd.req.create_qp, i + (i >= 70));
		run(&w, cmd_create_qp, &cmd);
		loop();
	}
	work_expect_level(&w);
}
END_TEST

START_TEST(regions)
{
	struct work w = { .what = "REGISTER_MR", .n = 65536 };

	for (uint32_t i = 0; i < w.n; i++) {
		struct command cmd = { 0 };

		cmd.req.register_mr.pd = r.a.pd;
		cmd.req.register_mr.addr = 0x10000;
		cmd.req.register_mr.length = 4096;
		cmd.req.register_mr.access = 7;
		cmd.req.register_mr.pages = page();
		run(&w, cmd_register_mr, &cmd);
	}
	work_expect_level(&w);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("work of the device");
	TCase *c = tcase_create("work");
	SRunner *sr;
	int failed;

	tcase_add_checked_fixture(c, setup, teardown);
	tcase_set_timeout(c, 120);
	tcase_add_test(c, completion_queues);
	tcase_add_test(c, queue_pairs);
	tcase_add_test(c, regions);
	suite_add_tcase(s, c);
	sr = srunner_create(s);
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
