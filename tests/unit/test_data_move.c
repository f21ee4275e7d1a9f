/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test_data_move.c - guests change workers, with requests in flight, timers that
 * run, and rings that are left alone; and who is placed where
 */
#include <pthread.h>
#include <sys/eventfd.h>

#include "data_rig.h"
#include "place.h"
#include "session.h"
#include "vrdma_ring.h"
#include "suite.h"

#define WORKERS		2u
#define WRITES		4000u
#define SHORT_US	20u		/* workers that spin, and sleep at times */

static struct rig r;
static struct worker *second;

/* The session's: guest a's driver has one wake-up queue, when it has a session */
static int kick_fd = -1;

void session_set_kicks(struct session *s, struct worker *w, bool mine)
{
	(void)s;
	worker_set_kick(w, kick_fd, mine);
}

static void second_worker(uint32_t poll_us)
{
	const struct worker_conf conf = { .poll_us = poll_us };

	ck_assert_int_eq(worker_start(&conf, r.loop, &second), 0);
	r.model.worker[0] = r.worker;
	r.model.worker[1] = second;
	r.model.worker_count = WORKERS;
	r.model.guest[0] = &r.a.g;
	r.model.guest[1] = &r.b.g;
	r.b.g.index = 1;
	r.model.guest_count = 2;
}

static void start(uint32_t poll_us)
{
	rig_start(&r, poll_us);
	second_worker(poll_us);
	rig_connect(&r);
}

static void setup_sleepy(void)
{
	rig_features = VIRTIO_RDMA_FEATURE(CQ_MODERATION);
	start(0);
}

static void setup_awake(void)
{
	rig_features = VIRTIO_RDMA_FEATURE(CQ_MODERATION);
	start(SHORT_US);
}

/* Whoever has them, the rig's own worker ends them */
static void teardown(void)
{
	if (r.a.g.data.worker != r.worker)
		move_guests(&r.model, 3, r.worker);
	rig_end(&r);
	worker_stop(second);
}

static void move_both(void)
{
	struct worker *to = r.a.g.data.worker == second ? r.worker : second;

	move_guests(&r.model, 3, to);
	ck_assert_ptr_eq(r.a.g.data.worker, to);
	ck_assert_ptr_eq(r.b.g.data.worker, to);
}

/* ------------------------------------------------------------ under traffic */

/* A driver in a thread of its own, which kicks by a descriptor as one does */
struct driver {
	pthread_t thread;
	atomic_uint done;
	uint32_t posted;
	uint64_t kicks;
};

static void post_write(struct driver *d, uint32_t i)
{
	struct virtio_rdma_send_wqe *w = (void *)rig_sq_entry(&r.a);
	const struct virtio_rdma_sge s = { rig_data(i % 1024 * 64), 64,
					   r.a.local };
	struct virtio_rdma_context_page *p = (void *)(r.a.mem + RIG_CONTEXT);
	const uint64_t one = 1;

	*w = (struct virtio_rdma_send_wqe){
		.wr_id = i, .opcode = VIRTIO_RDMA_OP_WRITE, .num_sge = 1,
		.remote_addr = rig_data(i % 1024 * 64),
		.remote_token = r.b.remote,
	};
	memcpy(w + 1, &s, sizeof(s));
	__atomic_store_n(&rig_qp_record(&r.a)->sq_tail, ++r.a.sq_tail,
			 __ATOMIC_RELEASE);
	vrdma_full_fence();
	if (vrdma_qp_is_watched(rig_qp_record(&r.a)))
		return;
	rig_bell(&r, &r.a);
	if (!__atomic_load_n(&p->worker, __ATOMIC_SEQ_CST))
		return;
	d->kicks++;
	ck_assert_int_eq(write(kick_fd, &one, sizeof(one)), sizeof(one));
}

/* In order, each once, each fine */
static void take(struct driver *d, uint32_t want)
{
	uint64_t end = loop_now_ns() + 20000000000ull;
	struct virtio_rdma_cqe c;

	while (!rig_poll(&r.a, RIG_CQ_DEPTH, &c)) {
		ck_assert_msg(loop_now_ns() < end, "no completion %u in 20 s",
			      want);
		sched_yield();
	}
	rig_took(&r.a);
	ck_assert_uint_eq(c.wr_id, want);
	ck_assert_uint_eq(c.status, VIRTIO_RDMA_WC_SUCCESS);
	atomic_store(&d->done, want + 1);
}

static void *drive(void *arg)
{
	struct driver *d = arg;

	for (uint32_t i = 0; i < WRITES; i++) {
		/* some alone, so that workers sleep, and some in rows */
		uint32_t window = i / 256 % 2 ? 1 : 16;

		for (; d->posted < WRITES && d->posted < i + window; d->posted++)
			post_write(d, d->posted);
		take(d, i);
	}
	return NULL;
}

static void drive_and_move(void)
{
	struct driver d = { .posted = 0 };
	uint32_t moves = 0;

	kick_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	ck_assert_int_ge(kick_fd, 0);
	ck_assert_int_eq(place_add_kick(&r.a.g, kick_fd), 0);
	r.a.g.session = (struct session *)(void *)&kick_fd;
	for (uint32_t i = 0; i < 1024 * 64; i++)
		r.a.mem[RIG_DATA + i] = (uint8_t)(i * 7 + i / 256);
	ck_assert_int_eq(pthread_create(&d.thread, NULL, drive, &d), 0);
	while (atomic_load(&d.done) < WRITES) {
		move_both();
		moves++;
	}
	pthread_join(d.thread, NULL);
	ck_assert_int_eq(memcmp(r.a.mem + RIG_DATA, r.b.mem + RIG_DATA,
				1024 * 64), 0);
	ck_assert_uint_gt(moves, 10);
	place_del_kick(&r.a.g, kick_fd);
	r.a.g.session = NULL;
	close(kick_fd);
}

START_TEST(test_traffic)
{
	drive_and_move();
}
END_TEST

/* ------------------------------------------------------------------- timers */

/* Nobody but the deadline ends it, and it runs with whoever has the guest */
START_TEST(test_deadline)
{
	rig_post(&r, &r.a, 1, VIRTIO_RDMA_OP_SEND, 0, 0, 64, 0, 0);
	rig_settle(&r);
	move_both();
	rig_expect(&r, &r.a, 1, VIRTIO_RDMA_WC_TIMED_OUT);
}
END_TEST

static void write_once(uint64_t id)
{
	rig_post(&r, &r.a, id, VIRTIO_RDMA_OP_WRITE, 0, 0, 64, rig_data(0),
		 r.b.remote);
}

/* A held event comes when its interval is over, by a wheel of either kind */
START_TEST(test_held_event)
{
	struct virtio_rdma_cq_record *rec = rig_cq_record(&r.a);

	rec->interval = _i ? 20000 : 4000;
	rec->count = 100;
	__atomic_store_n(&rec->arm, VIRTIO_RDMA_ARM_ANY, __ATOMIC_SEQ_CST);
	write_once(1);
	rig_expect(&r, &r.a, 1, VIRTIO_RDMA_WC_SUCCESS);
	move_both();
	rig_until(&r, r.a.cq_events == 1);
	ck_assert_uint_eq(rig_load(&rec->arm), VIRTIO_RDMA_ARM_NONE);
}
END_TEST

/* ------------------------------------------------------------- paused, dead */

/* What was posted while the rings were left alone is served by the other one */
START_TEST(test_paused)
{
	struct virtio_rdma_cqe c;

	write_once(1);
	rig_expect(&r, &r.a, 1, VIRTIO_RDMA_WC_SUCCESS);
	guest_data_pause(&r.a.g, true);
	write_once(2);
	move_both();
	rig_settle(&r);
	worker_call(r.a.g.data.worker, rig_wake, NULL);
	ck_assert(!rig_poll(&r.a, RIG_CQ_DEPTH, &c));
	guest_data_pause(&r.a.g, false);
	rig_expect(&r, &r.a, 2, VIRTIO_RDMA_WC_SUCCESS);
}
END_TEST

static void fail_both(void *arg)
{
	(void)arg;
	qp_fail(rig_qp(&r.a), VIRTIO_RDMA_R_LOCAL_ERROR);
	qp_fail(rig_qp(&r.b), VIRTIO_RDMA_R_LOCAL_ERROR);
}

/* Two that died in one step are buried one at a time, here by two workers */
START_TEST(test_dying)
{
	worker_call(r.a.g.data.worker, fail_both, NULL);
	move_both();
	rig_until(&r, r.a.qp_failures == 1 && r.b.qp_failures == 1);
	ck_assert_int_eq(rig_qp(&r.a)->state, QP_ERROR);
	ck_assert_int_eq(rig_qp(&r.b)->state, QP_ERROR);
}
END_TEST

/* ----------------------------------------------------------------- placement */

#define GUESTS	6u

static struct model pm;
static struct guest pg[GUESTS];
static struct guest_conf pc[GUESTS];
static struct backend wire[2] = { { .name = "one" }, { .name = "other" } };

static void place_setup(void)
{
	const struct worker_conf conf = { .poll_us = 0 };

	vlog_set_level(VL_ERROR);
	memset(&pm, 0, sizeof(pm));
	memset(pg, 0, sizeof(pg));
	ck_assert_int_eq(loop_create(&pm.loop), 0);
	for (uint32_t i = 0; i < WORKERS; i++)
		ck_assert_int_eq(worker_create(&conf, pm.loop, &pm.worker[i]), 0);
	pm.worker_count = WORKERS;
}

static void place_teardown(void)
{
	for (uint32_t i = 0; i < pm.guest_count; i++)
		guest_data_fini(&pg[i]);
	for (uint32_t i = 0; i < WORKERS; i++)
		worker_stop(pm.worker[i]);
	loop_destroy(pm.loop);
}

static void add_guest(struct backend *fabric)
{
	uint32_t i = pm.guest_count;
	struct guest *g = &pg[i];

	guest_conf_defaults(&pc[i]);
	pc[i].max_mr = pc[i].max_mw = 8;
	g->conf = &pc[i];
	g->model = &pm;
	g->index = i;
	g->name = "vm";
	g->fabric = fabric;
	ck_assert_int_eq(guest_data_init(g, place_guest(&pm, fabric)), 0);
	pm.guest[pm.guest_count++] = g;
}

static void add_guests(uint32_t n)
{
	while (n--)
		add_guest(NULL);
}

/* By letters: "0110.." is the worker of each */
static void expect_places(const char *want)
{
	char is[GUESTS + 1] = { 0 };

	for (uint32_t i = 0; i < pm.guest_count; i++)
		is[i] = pg[i].data.worker == pm.worker[0] ? '0' : '1';
	ck_assert_str_eq(is, want);
}

/* As the two connectors of a local connection say it */
static void tie(uint32_t a, uint32_t b)
{
	place_connected(&pg[a], &pg[b]);
	ck_assert_ptr_eq(pg[a].data.worker, pg[b].data.worker);
	place_connected(&pg[b], &pg[a]);
	ck_assert_ptr_eq(pg[a].data.worker, pg[b].data.worker);
}

static void untie(uint32_t a, uint32_t b)
{
	place_disconnected(&pg[a], &pg[b]);
	place_disconnected(&pg[b], &pg[a]);
}

START_TEST(test_new_guests)
{
	add_guests(6);
	expect_places("010101");
}
END_TEST

/* N pairs have N workers, whoever begins */
START_TEST(test_pairs_spread)
{
	add_guests(4);
	tie(0, 1);
	expect_places("0001");
	tie(3, 2);
	expect_places("0011");
}
END_TEST

/* A pair that came first is not in the way of one that comes after it is gone */
START_TEST(test_load_goes)
{
	add_guests(4);
	tie(0, 1);
	tie(2, 3);
	expect_places("0011");
	untie(2, 3);
	tie(0, 2);	/* with its pair on worker 0 */
	expect_places("0001");
	untie(0, 2);
	tie(2, 3);
	expect_places("0011");
}
END_TEST

/* Two groups that have connections: the smaller goes, whole */
START_TEST(test_groups_join)
{
	add_guests(5);
	tie(0, 2);
	tie(1, 3);
	tie(1, 4);
	expect_places("01011");
	tie(0, 1);
	expect_places("11111");
	untie(0, 1);
	/* no reason to part them until one of them connects anew */
	expect_places("11111");
	untie(0, 2);
	tie(2, 0);
	expect_places("01011");
}
END_TEST

/* One end is gone, the other not yet: they stay bound */
START_TEST(test_half_a_tie)
{
	add_guests(3);
	tie(0, 1);
	place_disconnected(&pg[0], &pg[1]);
	place_connected(&pg[2], NULL);
	tie(2, 0);
	ck_assert_ptr_eq(pg[2].data.worker, pg[1].data.worker);
}
END_TEST

static void add_wire(uint32_t i, uint32_t w)
{
	pm.fabric[pm.fabric_count++] = (struct fabric){
		.be = &wire[i], .worker = pm.worker[w],
	};
}

/* Guests of one device are where it is, and go with it */
START_TEST(test_shared_device)
{
	add_wire(0, 1);
	add_guest(&wire[0]);
	add_guest(NULL);
	add_guest(&wire[0]);
	expect_places("101");
	place_connected(&pg[1], NULL);
	expect_places("101");
	place_connected(&pg[1], NULL);
	tie(1, 2);
	expect_places("000");
	ck_assert_ptr_eq(pm.fabric[0].worker, pm.worker[0]);
}
END_TEST

/* The first connection over the wire takes a guest from where it is crowded */
START_TEST(test_over_the_wire)
{
	add_wire(0, 0);
	add_wire(1, 0);
	add_guest(&wire[0]);
	add_guest(&wire[1]);
	expect_places("00");
	place_connected(&pg[0], NULL);
	expect_places("10");
	place_connected(&pg[1], NULL);
	expect_places("10");
	ck_assert_ptr_eq(pm.fabric[0].worker, pm.worker[1]);
	ck_assert_ptr_eq(pm.fabric[1].worker, pm.worker[0]);
}
END_TEST

/* A guest that connects to itself is bound to nobody */
START_TEST(test_with_itself)
{
	add_guests(2);
	tie(1, 1);
	expect_places("01");
	untie(1, 1);
	ck_assert_uint_eq(pg[1].connections, 0);
}
END_TEST

static Suite *suite(void)
{
	Suite *s = suite_create("move");
	TCase *c = tcase_create("sleepy");

	tcase_set_timeout(c, 60);
	tcase_add_checked_fixture(c, setup_sleepy, teardown);
	tcase_add_test(c, test_traffic);
	tcase_add_test(c, test_deadline);
	tcase_add_loop_test(c, test_held_event, 0, 2);
	tcase_add_test(c, test_paused);
	tcase_add_test(c, test_dying);
	suite_add_tcase(s, c);
	c = tcase_create("awake");
	tcase_set_timeout(c, 60);
	tcase_add_checked_fixture(c, setup_awake, teardown);
	tcase_add_test(c, test_traffic);
	tcase_add_test(c, test_deadline);
	tcase_add_loop_test(c, test_held_event, 0, 2);
	tcase_add_test(c, test_paused);
	tcase_add_test(c, test_dying);
	suite_add_tcase(s, c);
	c = tcase_create("place");
	tcase_add_checked_fixture(c, place_setup, place_teardown);
	tcase_add_test(c, test_new_guests);
	tcase_add_test(c, test_pairs_spread);
	tcase_add_test(c, test_load_goes);
	tcase_add_test(c, test_groups_join);
	tcase_add_test(c, test_half_a_tie);
	tcase_add_test(c, test_shared_device);
	tcase_add_test(c, test_over_the_wire);
	tcase_add_test(c, test_with_itself);
	suite_add_tcase(s, c);
	return s;
}

int main(void)
{
	return suite_run(suite());
}
