// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * test_data_cq.c - completion queues of the device: another ring, and events that
 * wait for more
 *
 * The test is the worker, and has the clock.
 */
#include "data_rig.h"

#define US	1000ull
#define OTHER	(RIG_CQ + 0x100000u)	/* where another ring is */

static struct rig r;
static uint64_t clock_ns;

static uint64_t test_clock(void)
{
	return clock_ns;
}

static void start(void)
{
	rig_by_hand = true;
	rig_features = VIRTIO_RDMA_FEATURES;
	clock_ns = 123456789;
	loop_set_clock(test_clock);
	rig_start(&r, 0);
}

static void end(void)
{
	rig_end(&r);
}

static struct vr_cq *the_cq(void)
{
	return handle_get(&r.a.g.cqs, r.a.cq);
}

static struct virtio_rdma_cq_record *rec(void)
{
	return rig_cq_record(&r.a);
}

static struct virtio_rdma_cq_record *other_rec(void)
{
	return (void *)(r.a.mem + OTHER);
}

static struct virtio_rdma_cqe *entry(uint32_t at, uint32_t i)
{
	return (struct virtio_rdma_cqe *)(void *)(r.a.mem + at + 4096) + i;
}

/* n entries in one batch */
static void complete(uint32_t n, uint8_t status)
{
	static uint64_t id;

	for (; n; n--) {
		const struct cq_entry e = { .wr_id = id++, .opcode = 1,
					    .status = status };

		cq_write(the_cq(), &e);
	}
	worker_notify_cqs(r.worker);
	rig_settle(&r);
}

static void pass_time(uint64_t ns)
{
	clock_ns += ns;
	worker_step(r.worker);
	rig_settle(&r);
}

static void moderate(uint32_t interval, uint32_t count)
{
	rec()->interval = interval;
	rec()->count = count;
}

static void arm(uint32_t kind)
{
	rec()->arm = kind;
}

/* --------------------------------------------------------------- moderation */

START_TEST(not_asked_for)
{
	static const struct {
		uint32_t interval, count;
	} none[] = { { 0, 0 }, { 0, 8 }, { 1000, 0 }, { 1000, 1 } };

	moderate(none[_i].interval, none[_i].count);
	arm(VIRTIO_RDMA_ARM_ANY);
	complete(1, 0);
	ck_assert_uint_eq(r.a.cq_events, 1);
	ck_assert_uint_eq(rec()->arm, VIRTIO_RDMA_ARM_NONE);
	pass_time(2000000 * US);
	ck_assert_uint_eq(r.a.cq_events, 1);
}
END_TEST

START_TEST(not_negotiated)
{
	the_cq()->moderates = false;	/* as CREATE_CQ has it then */
	moderate(1000, 8);
	arm(VIRTIO_RDMA_ARM_ANY);
	complete(1, 0);
	ck_assert_uint_eq(r.a.cq_events, 1);
}
END_TEST

/* The number of entries that is asked for, in any batches */
START_TEST(count_reached)
{
	static const uint32_t batch[][4] = {
		{ 1, 1, 1, 1 }, { 3, 1 }, { 1, 3 }, { 1, 10 }, { 2, 1, 1 },
	};

	moderate(1000, 4);
	complete(2, 0);		/* not armed: these are nobody's */
	arm(VIRTIO_RDMA_ARM_ANY);
	for (int i = 0, sum = 0; i < 4 && batch[_i][i]; i++) {
		ck_assert_uint_eq(r.a.cq_events, 0);
		complete(batch[_i][i], 0);
		sum += (int)batch[_i][i];
		if (sum < 4)
			ck_assert_uint_eq(rec()->arm, VIRTIO_RDMA_ARM_HELD);
	}
	ck_assert_uint_eq(r.a.cq_events, 1);
	ck_assert_uint_eq(rec()->arm, VIRTIO_RDMA_ARM_NONE);
	pass_time(2000 * US);
	ck_assert_uint_eq(r.a.cq_events, 1);
}
END_TEST

/* Enough at once is not held at all */
START_TEST(count_at_once)
{
	moderate(1000, 4);
	arm(VIRTIO_RDMA_ARM_ANY);
	complete(4, 0);
	ck_assert_uint_eq(r.a.cq_events, 1);
	ck_assert_uint_eq(rec()->arm, VIRTIO_RDMA_ARM_NONE);
}
END_TEST

static const struct {
	uint32_t asked;
	uint64_t us;	/* what it counts as */
	uint64_t tick;
} intervals[] = {
	{ 1, 1, 20 }, { 30, 30, 20 }, { 1000, 1000, 20 }, { 5000, 5000, 20 },
	{ 5001, 5001, 1000 }, { 80000, 80000, 1000 },
	{ 1000000, 1000000, 1000 }, { 1000001, 1000000, 1000 },
	{ 0xffffffff, 1000000, 1000 },
};

/* Not more than a tick early; late only where that is less than a tick */
START_TEST(interval_over)
{
	uint64_t us = intervals[_i].us, tick = intervals[_i].tick;

	moderate(intervals[_i].asked, 0xffffffff);
	arm(VIRTIO_RDMA_ARM_ANY);
	complete(1, 0);
	ck_assert_uint_eq(r.a.cq_events, 0);
	ck_assert_uint_eq(rec()->arm, VIRTIO_RDMA_ARM_HELD);
	ck_assert(!worker_has_work(r.worker));
	if (us > tick) {
		pass_time((us - tick) * US - 1);
		ck_assert_uint_eq(r.a.cq_events, 0);
		/* another one makes it no later */
		complete(1, 0);
		ck_assert_uint_eq(r.a.cq_events, 0);
		clock_ns -= (us - tick) * US - 1;
	}
	clock_ns += us * US + (us <= tick ? tick * US : 0);
	ck_assert(worker_has_work(r.worker));
	pass_time(0);
	ck_assert_uint_eq(r.a.cq_events, 1);
	ck_assert_uint_eq(rec()->arm, VIRTIO_RDMA_ARM_NONE);
	ck_assert(!worker_has_work(r.worker));
}
END_TEST

/* Whether it is the first or comes while one waits */
START_TEST(failure_does_not_wait)
{
	moderate(1000, 100);
	arm(_i & 1 ? VIRTIO_RDMA_ARM_SOLICITED : VIRTIO_RDMA_ARM_ANY);
	if (_i & 2 && !(_i & 1)) {
		complete(1, 0);
		ck_assert_uint_eq(r.a.cq_events, 0);
	}
	complete(1, VIRTIO_RDMA_WC_CANCELLED);
	ck_assert_uint_eq(r.a.cq_events, 1);
	ck_assert_uint_eq(rec()->arm, VIRTIO_RDMA_ARM_NONE);
	pass_time(2000 * US);
	ck_assert_uint_eq(r.a.cq_events, 1);
}
END_TEST

/* The driver found the entries by itself: there is no event; what it arms then
 * waits for new ones, and as long as any */
START_TEST(taken_back)
{
	moderate(1000, 100);
	arm(VIRTIO_RDMA_ARM_ANY);
	complete(1, 0);
	ck_assert_uint_eq(rec()->arm, VIRTIO_RDMA_ARM_HELD);
	arm(_i ? VIRTIO_RDMA_ARM_ANY : VIRTIO_RDMA_ARM_NONE);
	pass_time(2000 * US);
	ck_assert_uint_eq(r.a.cq_events, 0);
	arm(VIRTIO_RDMA_ARM_ANY);
	complete(1, 0);
	pass_time(900 * US);
	ck_assert_uint_eq(r.a.cq_events, 0);
	pass_time(100 * US);
	ck_assert_uint_eq(r.a.cq_events, 1);
}
END_TEST

/* The same before the interval is over: the new arm's interval begins anew */
START_TEST(armed_anew)
{
	moderate(1000, 100);
	arm(VIRTIO_RDMA_ARM_ANY);
	complete(1, 0);
	pass_time(500 * US);
	arm(VIRTIO_RDMA_ARM_ANY);
	complete(1, 0);
	ck_assert_uint_eq(rec()->arm, VIRTIO_RDMA_ARM_HELD);
	pass_time(600 * US);
	ck_assert_uint_eq(r.a.cq_events, 0);
	pass_time(400 * US);
	ck_assert_uint_eq(r.a.cq_events, 1);
}
END_TEST

/* What the driver says last counts for the next arm */
START_TEST(latest_wins)
{
	moderate(1000, 100);
	moderate(1000, 2);
	arm(VIRTIO_RDMA_ARM_ANY);
	complete(2, 0);
	ck_assert_uint_eq(r.a.cq_events, 1);
	moderate(0, 2);
	arm(VIRTIO_RDMA_ARM_ANY);
	complete(1, 0);
	ck_assert_uint_eq(r.a.cq_events, 2);
}
END_TEST

/* It goes along to another ring, and is not forgotten when the queue goes */
static uint32_t resize(uint32_t depth, uint32_t at);

START_TEST(held_and_resized)
{
	moderate(1000, 4);
	other_rec()->interval = 1000;
	other_rec()->count = 4;
	arm(VIRTIO_RDMA_ARM_ANY);
	complete(3, 0);
	rec()->head = 3;	/* else it would be served at once: see below */
	ck_assert_uint_eq(resize(64, OTHER), VIRTIO_RDMA_S_OK);
	ck_assert_uint_eq(r.a.cq_events, 0);
	ck_assert_uint_eq(other_rec()->arm, VIRTIO_RDMA_ARM_HELD);
	ck_assert_uint_eq(rec()->arm, VIRTIO_RDMA_ARM_NONE);
	if (_i)
		complete(1, 0);
	else
		pass_time(1000 * US);
	ck_assert_uint_eq(r.a.cq_events, 1);
	ck_assert_uint_eq(other_rec()->arm, VIRTIO_RDMA_ARM_NONE);
}
END_TEST

START_TEST(held_and_dead)
{
	moderate(1000, 0xffffffff);
	arm(VIRTIO_RDMA_ARM_ANY);
	complete(RIG_CQ_DEPTH, 0);
	complete(1, 0);
	ck_assert_uint_eq(r.a.cq_errors, 1);
	pass_time(2000 * US);
	/* the driver finds it there, with the error */
	ck_assert_uint_eq(rec()->arm, VIRTIO_RDMA_ARM_HELD);
	ck_assert_uint_eq(r.a.cq_events, 0);
}
END_TEST

START_TEST(held_and_reset)
{
	moderate(1000, 4);
	arm(VIRTIO_RDMA_ARM_ANY);
	complete(1, 0);
	qp_reset_all(&r.a.g);
	cq_reset_all(&r.a.g);
	clock_ns += 2000 * US;
	ck_assert(!worker_has_work(r.worker));	/* no timer is left */
	pass_time(0);
	ck_assert_uint_eq(r.a.cq_events, 0);
}
END_TEST

/* ------------------------------------------------------------- another ring */

static struct rig_answer resize_with(struct virtio_rdma_cmd_resize_cq *q)
{
	struct command cmd = { .handle = r.a.cq };

	cmd.req.resize_cq = *q;
	return rig_command(&r, &r.a, cmd_resize_cq, &cmd);
}

static struct virtio_rdma_cmd_resize_cq request(uint32_t depth, uint32_t at)
{
	return (struct virtio_rdma_cmd_resize_cq){
		.depth = depth, .ring_offset = 4096,
		.buffer = rig_pages(&r.a, at, 1 + (depth * 32 + 4095) / 4096, 12,
				    1),
	};
}

static uint32_t resize(uint32_t depth, uint32_t at)
{
	struct virtio_rdma_cmd_resize_cq q = request(depth, at);

	return resize_with(&q).status;
}

/* The old ring is left as it is, and says so; the new one begins at 0 */
START_TEST(moves)
{
	uint64_t used = atomic_load(&r.a.g.gmem_account.used);
	uint32_t last = RIG_CQ_DEPTH - 1;

	complete(last, 0);
	ck_assert_uint_eq(rec()->moved, 0);
	ck_assert_uint_eq(resize(64, OTHER), VIRTIO_RDMA_S_OK);
	ck_assert_uint_eq(rec()->moved, 1);
	ck_assert_uint_eq(rec()->tail, last);
	ck_assert_uint_eq(other_rec()->moved, 0);
	ck_assert_uint_lt(atomic_load(&r.a.g.gmem_account.used), used);
	complete(64, 0);
	ck_assert_uint_eq(other_rec()->tail, 64);
	ck_assert_uint_eq(entry(RIG_CQ, last)->status, 0);
	for (uint32_t i = 0; i < 64; i++)
		ck_assert_uint_eq(entry(OTHER, i)->status,
				  VIRTIO_RDMA_CQE_PHASE);
	/* by its own depth and the new record's head */
	other_rec()->head = 64;
	complete(1, 0);
	ck_assert_uint_eq(entry(OTHER, 0)->status, 0);
	ck_assert_uint_eq(r.a.cq_errors, 0);
	complete(64, 0);
	ck_assert_uint_eq(r.a.cq_errors, 1);
	ck_assert_uint_eq(resize(128, OTHER + 0x100000),
			  VIRTIO_RDMA_S_INVALID_STATE);
}
END_TEST

/* An arm goes along if all was taken; with entries left it is served */
START_TEST(arm_at_the_move)
{
	static const struct {
		uint32_t arm, left, events, then;
	} t[] = {
		{ VIRTIO_RDMA_ARM_ANY, 0, 0, VIRTIO_RDMA_ARM_ANY },
		{ VIRTIO_RDMA_ARM_SOLICITED, 0, 0, VIRTIO_RDMA_ARM_SOLICITED },
		{ VIRTIO_RDMA_ARM_ERRORS, 0, 0, VIRTIO_RDMA_ARM_ERRORS },
		{ VIRTIO_RDMA_ARM_ANY, 1, 1, VIRTIO_RDMA_ARM_NONE },
		{ VIRTIO_RDMA_ARM_SOLICITED, 1, 1, VIRTIO_RDMA_ARM_NONE },
		{ VIRTIO_RDMA_ARM_ERRORS, 1, 0, VIRTIO_RDMA_ARM_ERRORS },
		{ VIRTIO_RDMA_ARM_NONE, 1, 0, VIRTIO_RDMA_ARM_NONE },
		{ 5, 0, 0, VIRTIO_RDMA_ARM_NONE },		/* nonsense */
		{ 0xffffffff, 1, 0, VIRTIO_RDMA_ARM_NONE },
	};

	complete(5, 0);
	rec()->head = 5 - t[_i].left;
	arm(t[_i].arm);
	ck_assert_uint_eq(resize(64, OTHER), VIRTIO_RDMA_S_OK);
	rig_settle(&r);
	ck_assert_uint_eq(r.a.cq_events, t[_i].events);
	ck_assert_uint_eq(rec()->arm, VIRTIO_RDMA_ARM_NONE);
	ck_assert_uint_eq(other_rec()->arm, t[_i].then);
}
END_TEST

/* One that the driver raised in the new record before dominates as ever */
START_TEST(arms_merge_at_the_move)
{
	other_rec()->arm = _i ? VIRTIO_RDMA_ARM_SOLICITED : VIRTIO_RDMA_ARM_ANY;
	arm(_i ? VIRTIO_RDMA_ARM_ANY : VIRTIO_RDMA_ARM_SOLICITED);
	ck_assert_uint_eq(resize(64, OTHER), VIRTIO_RDMA_S_OK);
	ck_assert_uint_eq(other_rec()->arm, VIRTIO_RDMA_ARM_ANY);
}
END_TEST

/* A wrong request changes nothing, and leaves nothing behind */
START_TEST(refused)
{
	uint64_t used = atomic_load(&r.a.g.gmem_account.used);
	struct virtio_rdma_cmd_resize_cq q = request(64, OTHER);
	uint32_t want = VIRTIO_RDMA_S_INVALID_PARAMETER;

	switch (_i) {
	case 0: q.depth = 0; break;
	case 1: q.depth = 48; break;
	case 2: q.depth = 2 * VIRTIO_RDMA_MAX_CQ_DEPTH; break;
	case 3: q.depth = 1u << 31; break;
	case 4: q.ring_offset = 64; break;
	case 5: q.ring_offset = 4100; break;
	case 6: q.ring_offset = 0xffffffe0; break;
	case 7: q.buffer.page_count++; break;
	case 8: q.buffer.page_count = 0; break;
	case 9: q.buffer.page_shift = 21; break;
	case 10: q.buffer.reserved = 1; break;
	case 11:
		q.buffer.root = 0x9000000000;
		want = VIRTIO_RDMA_S_ACCESS_VIOLATION;
		break;
	case 12:
		r.a.g.gmem_account.max = used + 1;
		want = VIRTIO_RDMA_S_NO_RESOURCES;
		break;
	}
	ck_assert_uint_eq(resize_with(&q).status, want);
	ck_assert_uint_eq(atomic_load(&r.a.g.gmem_account.used), used);
	ck_assert_uint_eq(rec()->moved, 0);
	complete(1, 0);
	ck_assert_uint_eq(entry(RIG_CQ, 0)->status, VIRTIO_RDMA_CQE_PHASE);
}
END_TEST

START_TEST(wrong_handle)
{
	uint32_t cq = r.a.cq;

	r.a.cq = r.a.qp;
	ck_assert_uint_eq(resize(64, OTHER), VIRTIO_RDMA_S_INVALID_HANDLE);
	r.a.cq = cq ^ 0x100000;
	ck_assert_uint_eq(resize(64, OTHER), VIRTIO_RDMA_S_INVALID_HANDLE);
	r.a.cq = cq;
}
END_TEST

int main(void)
{
	Suite *s = suite_create("completion queues");
	TCase *c = tcase_create("moderation"), *m = tcase_create("resize");
	SRunner *sr;
	int failed;

	tcase_add_checked_fixture(c, start, end);
	tcase_set_timeout(c, 30);
	tcase_add_loop_test(c, not_asked_for, 0, 4);
	tcase_add_test(c, not_negotiated);
	tcase_add_loop_test(c, count_reached, 0, 5);
	tcase_add_test(c, count_at_once);
	tcase_add_loop_test(c, interval_over, 0, 9);
	tcase_add_loop_test(c, failure_does_not_wait, 0, 4);
	tcase_add_loop_test(c, taken_back, 0, 2);
	tcase_add_test(c, armed_anew);
	tcase_add_test(c, latest_wins);
	tcase_add_loop_test(c, held_and_resized, 0, 2);
	tcase_add_test(c, held_and_dead);
	tcase_add_test(c, held_and_reset);
	tcase_add_checked_fixture(m, start, end);
	tcase_set_timeout(m, 30);
	tcase_add_test(m, moves);
	tcase_add_loop_test(m, arm_at_the_move, 0, 9);
	tcase_add_loop_test(m, arms_merge_at_the_move, 0, 2);
	tcase_add_loop_test(m, refused, 0, 13);
	tcase_add_test(m, wrong_handle);
	suite_add_tcase(s, c);
	suite_add_tcase(s, m);
	sr = srunner_create(s);
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
