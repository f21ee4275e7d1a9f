/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test_data_watch.c - queue pairs that the worker looks at without a bell
 */
#include "data_rig.h"
#include "vrdma_ring.h"
#include "watch.h"

#define LONG_US 60000000u	/* a worker that spins throughout a test */

static struct rig r;

static void setup_awake(void)
{
	rig_start(&r, LONG_US);
	rig_connect(&r);
}

static void setup_sleepy(void)
{
	rig_start(&r, 0);
	rig_connect(&r);
}

static void teardown(void)
{
	rig_end(&r);
}

static bool is_watched(struct rig_guest *x)
{
	return rig_load(&rig_qp_record(x)->watched) == VIRTIO_RDMA_QP_WATCHED;
}

static bool sleeps(struct rig_guest *x)
{
	struct virtio_rdma_context_page *p = (void *)(x->mem + RIG_CONTEXT);

	return rig_load(&p->worker) == VIRTIO_RDMA_WORKER_ASLEEP;
}

/* By the rule for drivers: full barrier, then a look */
static void tell_if_needed(struct rig_guest *x)
{
	vrdma_full_fence();
	if (!vrdma_qp_is_watched(rig_qp_record(x)))
		rig_kick(&r, x);
}

static void put_tail(uint32_t *p, uint32_t v)
{
	__atomic_store_n(p, v, __ATOMIC_RELEASE);
}

static void put_recv(struct rig_guest *x, uint64_t id)
{
	struct virtio_rdma_recv_wqe w = { .wr_id = id };

	memcpy(rig_rq_entry(x), &w, sizeof(w));
	put_tail(&rig_qp_record(x)->rq_tail, ++x->rq_tail);
}

static void put_send(struct rig_guest *x, uint64_t id)
{
	struct virtio_rdma_send_wqe w = { .wr_id = id,
					  .opcode = VIRTIO_RDMA_OP_SEND };

	memcpy(rig_sq_entry(x), &w, sizeof(w));
	put_tail(&rig_qp_record(x)->sq_tail, ++x->sq_tail);
}

/* Both have rung once */
static void ring_both(void)
{
	rig_recv(&r, &r.b, 100, 0, 64);
	rig_post(&r, &r.a, 101, VIRTIO_RDMA_OP_SEND, 0, 0, 64, 0, 0);
	rig_expect(&r, &r.b, 100, VIRTIO_RDMA_WC_SUCCESS);
	rig_expect(&r, &r.a, 101, VIRTIO_RDMA_WC_SUCCESS);
}

START_TEST(test_no_bell)
{
	ck_assert(!is_watched(&r.a));
	ring_both();
	rig_until(&r, is_watched(&r.a) && is_watched(&r.b));
	for (uint32_t i = 0; i < 100; i++) {
		/* either side first */
		if (i % 2)
			put_send(&r.a, i);
		put_recv(&r.b, i);
		if (!(i % 2))
			put_send(&r.a, i);
		rig_expect(&r, &r.b, i, VIRTIO_RDMA_WC_SUCCESS);
		rig_expect(&r, &r.a, i, VIRTIO_RDMA_WC_SUCCESS);
	}
}
END_TEST

/* A worker that sleeps watches nobody */
START_TEST(test_sleep)
{
	ring_both();
	rig_until(&r, sleeps(&r.a));
	ck_assert(!is_watched(&r.a) && !is_watched(&r.b));
}
END_TEST

#define BATCH 8

/* With a worker that sleeps at once, watching ends all the time, and posts come
 * at any moment of that */
START_TEST(test_nothing_lost)
{
	for (uint32_t i = 0; i < 40000; i += BATCH) {
		for (uint32_t k = i; k < i + BATCH; k++) {
			put_recv(&r.b, k);
			tell_if_needed(&r.b);
			put_send(&r.a, k);
			tell_if_needed(&r.a);
		}
		for (uint32_t k = i; k < i + BATCH; k++) {
			rig_expect(&r, &r.b, k, VIRTIO_RDMA_WC_SUCCESS);
			rig_expect(&r, &r.a, k, VIRTIO_RDMA_WC_SUCCESS);
		}
	}
}
END_TEST

/* A guest's nonsense is found without a bell, too */
START_TEST(test_nonsense)
{
	ring_both();
	rig_until(&r, is_watched(&r.a));
	put_tail(&rig_qp_record(&r.a)->sq_tail, r.a.sq_tail + RIG_DEPTH + 1);
	rig_until(&r, rig_load(&rig_qp_record(&r.a)->state) ==
			      VIRTIO_RDMA_QP_ERROR);
	rig_until(&r, !is_watched(&r.a));
}
END_TEST

/* What was posted when watching ended with the connection is flushed */
START_TEST(test_flushed)
{
	ring_both();
	rig_until(&r, is_watched(&r.b));
	put_recv(&r.b, 1);
	rig_simple(&r, &r.b, cmd_flush_qp, r.b.qp);
	rig_expect(&r, &r.b, 1, VIRTIO_RDMA_WC_CANCELLED);
	ck_assert(!is_watched(&r.b));
}
END_TEST

static void unwatch(void *qp)
{
	worker_unwatch(r.worker, qp);
}

/* A paused guest's rings are left alone, and looked at when they go on */
START_TEST(test_paused)
{
	ring_both();
	rig_until(&r, is_watched(&r.a) && is_watched(&r.b));
	guest_data_pause(&r.a.g, true);
	put_recv(&r.b, 1);
	put_send(&r.a, 2);
	if (_i)		/* watching ends meanwhile */
		worker_call(r.worker, unwatch, rig_qp(&r.a));
	rig_settle(&r);
	ck_assert_uint_eq(rig_load(&rig_qp_record(&r.a)->sq_head), 1);
	guest_data_pause(&r.a.g, false);
	rig_expect(&r, &r.b, 1, VIRTIO_RDMA_WC_SUCCESS);
	rig_expect(&r, &r.a, 2, VIRTIO_RDMA_WC_SUCCESS);
}
END_TEST

/* ------------------------------------------------------------------ places */

#define QPS (WATCH_QPS + 2)

/* Queue pairs to which nobody posts */
struct idle_qps {
	struct vr_qp qp[QPS];
	struct guest_data data;
	_Atomic uint32_t zero;
	_Atomic uint32_t watched[QPS];
};

static void idle_qps_init(struct idle_qps *q)
{
	memset(q, 0, sizeof(*q));
	for (int i = 0; i < QPS; i++) {
		q->qp[i].data = &q->data;
		q->qp[i].sq.tail_le = q->qp[i].rq.tail_le = &q->zero;
		q->qp[i].watched_le = &q->watched[i];
	}
}

static uint32_t number_watched(const struct idle_qps *q)
{
	uint32_t n = 0;

	for (int i = 0; i < QPS; i++)
		n += q->watched[i];
	return n;
}

START_TEST(test_places)
{
	static struct idle_qps q;
	struct watch w = { 0 };
	uint64_t pass = 1;

	idle_qps_init(&q);
	for (int i = 0; i < WATCH_QPS; i++)
		watch_add(&w, &q.qp[i], pass++);
	ck_assert_uint_eq(number_watched(&q), WATCH_QPS);
	/* all are in use, and one of them is no news */
	watch_add(&w, &q.qp[WATCH_QPS], pass);
	watch_add(&w, &q.qp[0], pass);
	ck_assert_uint_eq(q.watched[WATCH_QPS], 0);
	ck_assert_uint_eq(w.count, WATCH_QPS);
	/* after a while the one that was used longest ago gives way */
	pass += 1u << 20;
	watch_add(&w, &q.qp[WATCH_QPS], pass);
	ck_assert_uint_eq(q.watched[WATCH_QPS], VIRTIO_RDMA_QP_WATCHED);
	ck_assert_uint_eq(q.watched[0], 0);
	watch_del(&w, &q.qp[5]);
	watch_del(&w, &q.qp[5]);
	ck_assert_uint_eq(number_watched(&q), WATCH_QPS - 1);
	ck_assert(!watch_look(&w, pass));
	ck_assert(!watch_end(&w));
	ck_assert_uint_eq(number_watched(&q), 0);
	ck_assert_uint_eq(w.count, 0);
}
END_TEST

static Suite *watch_suite(void)
{
	Suite *s = suite_create("watch");
	TCase *tc = tcase_create("awake");

	tcase_add_checked_fixture(tc, setup_awake, teardown);
	tcase_add_test(tc, test_no_bell);
	tcase_add_test(tc, test_nonsense);
	tcase_add_test(tc, test_flushed);
	tcase_add_loop_test(tc, test_paused, 0, 2);
	suite_add_tcase(s, tc);
	tc = tcase_create("sleepy");
	tcase_add_checked_fixture(tc, setup_sleepy, teardown);
	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, test_sleep);
	tcase_add_test(tc, test_nothing_lost);
	suite_add_tcase(s, tc);
	tc = tcase_create("places");
	tcase_add_test(tc, test_places);
	suite_add_tcase(s, tc);
	return s;
}

int main(void)
{
	SRunner *sr = srunner_create(watch_suite());
	int failed;

	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? 1 : 0;
}
