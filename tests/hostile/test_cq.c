// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * test_cq.c - completion queues of a driver without manners: resized into
 * nonsense, with records that change under the device's hands
 */
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>

#include "fixture.h"
#include "raw.h"
#include "vrdma_ring.h"

static struct raw ra, rb;
static struct raw_qp qa, qb;
static struct raw_mr ma, mb;

static void objects(void)
{
	raw_qp_make(&ra, &qa);
	raw_qp_make(&rb, &qb);
	raw_mr_make(&ra, qa.pd, 5, &ma);
	raw_mr_make(&rb, qb.pd, 7, &mb);
	raw_connect(&ra, &qa, &rb, &qb, 1);
}

static void setup(void)
{
	struct daemon_opts o = { .guests = 2,
		.guest_section = "disconnect-timeout-ms = 1000\n"
				 "rnr-timeout-ms = 500\n"
				 FX_FEW_QUEUES FX_SMALL };

	ck_assert(daemon_start(&fx.daemon, &o));
	raw_start(&ra, fx.daemon.socket[0]);
	raw_start(&rb, fx.daemon.socket[1]);
	objects();
}

static void teardown(void)
{
	raw_stop(&ra);
	raw_stop(&rb);
	ck_assert_int_eq(daemon_stop(&fx.daemon), 0);
	daemon_cleanup(&fx.daemon);
}

static struct virtio_rdma_cmd_resize_cq request(uint64_t gpa)
{
	return (struct virtio_rdma_cmd_resize_cq){
		.hdr.opcode = vr_to_le16(VIRTIO_RDMA_CMD_RESIZE_CQ),
		.hdr.handle = vr_to_le32(qa.cq),
		.depth = vr_to_le32(RAW_CQ_DEPTH),
		.ring_offset = vr_to_le32(128),
		.buffer = { .root = vr_to_le64(gpa),
			    .page_count = vr_to_le32(1),
			    .page_shift = VIRTIO_RDMA_PAGE_SHIFT },
	};
}

static void post_write(uint32_t i)
{
	struct virtio_rdma_send_wqe *w = raw_sqe(&qa, i);
	struct virtio_rdma_sge *sge = (void *)(w + 1);

	memset(w, 0, 128);
	w->wr_id = vr_to_le64(i);
	w->opcode = VIRTIO_RDMA_OP_WRITE;
	w->num_sge = 1;
	w->remote_addr = vr_to_le64(mb.addr);
	w->remote_token = vr_to_le32(mb.remote);
	*sge = (struct virtio_rdma_sge){ vr_to_le64(ma.addr), vr_to_le32(64),
					 vr_to_le32(ma.local) };
	raw_ring(&ra, &qa, i + 1, 0);
}

/* Both guests are served */
static void alive(void)
{
	raw_create_pd(&ra);
	raw_create_pd(&rb);
}

/* Refused, with the queue as it was */
START_TEST(wrong_request)
{
	uint64_t gpa;
	uint8_t *buf = raw_page(&ra, &gpa);
	struct virtio_rdma_cmd_resize_cq c = request(gpa);
	uint32_t want = VIRTIO_RDMA_S_INVALID_PARAMETER;

	switch (_i) {
	case 0: c.depth = 0; break;
	case 1: c.depth = vr_to_le32(65); break;
	case 2: c.depth = vr_to_le32(0x80000000); break;
	case 3: c.ring_offset = vr_to_le32(0xffffffe0); break;
	case 4: c.ring_offset = vr_to_le32(129); break;
	case 5: c.buffer.page_count = vr_to_le32(0xffffffff); break;
	case 6: c.buffer.levels = 3; c.buffer.page_count = vr_to_le32(2); break;
	case 7: c.buffer.levels = 200; break;
	case 8: c.buffer.root = vr_to_le64(gpa + 8); break;
	case 9:
		c.buffer.root = vr_to_le64(fe_gpa_end(ra.fe));
		want = VIRTIO_RDMA_S_ACCESS_VIOLATION;
		break;
	case 10:
		c.hdr.handle = vr_to_le32(qa.qp);
		want = VIRTIO_RDMA_S_INVALID_HANDLE;
		break;
	case 11:
		c.hdr.handle = 0;
		want = VIRTIO_RDMA_S_INVALID_HANDLE;
		break;
	case 12:	/* one that is no more */
		c.hdr.handle = vr_to_le32(raw_create_cq(&ra, &buf));
		raw_simple(&ra, VIRTIO_RDMA_CMD_DESTROY_CQ,
			   vr_from_le32(c.hdr.handle));
		want = VIRTIO_RDMA_S_INVALID_HANDLE;
		break;
	}
	ck_assert_uint_eq(raw_cmd(&ra, &c, sizeof(c)), want);
	post_write(0);
	ck_assert_uint_eq(raw_cqe(&qa).status, VIRTIO_RDMA_WC_SUCCESS);
	alive();
}
END_TEST

/* Onto the buffer that it has; onto the queue pair's; onto the context page */
START_TEST(on_top_of_others)
{
	const void *where[] = { qa.cq_buf, qa.qp_buf, qa.ctx_page, ma.va };
	struct virtio_rdma_cmd_resize_cq c = request(fe_gpa(ra.fe, where[_i]));

	ck_assert_uint_eq(raw_cmd(&ra, &c, sizeof(c)), VIRTIO_RDMA_S_OK);
	for (uint32_t i = 0; i < 8; i++)
		post_write(i);
	alive();
	ck_assert_uint_eq(raw_cmd(&ra, &c, sizeof(c)), VIRTIO_RDMA_S_OK);
	alive();
}
END_TEST

/* --- while somebody writes there ---------------------------------------------- */

static struct virtio_rdma_cq_record *records[2];
static atomic_bool stop;

static uint64_t rnd(uint64_t *x)
{
	*x ^= *x << 13;
	*x ^= *x >> 7;
	*x ^= *x << 17;
	return *x;
}

static void *scribble(void *arg)
{
	uint64_t x = 88172645463325252ull + (uint64_t)(uintptr_t)arg;

	while (!stop) {
		vr_le32 *w = (void *)records[rnd(&x) % 2];
		/* no head: a wrong one ends the queue, and then all is over */
		static const uint8_t words[] = {
			offsetof(struct virtio_rdma_cq_record, arm),
			offsetof(struct virtio_rdma_cq_record, arm),
			offsetof(struct virtio_rdma_cq_record, interval),
			offsetof(struct virtio_rdma_cq_record, count),
			offsetof(struct virtio_rdma_cq_record, moved),
			offsetof(struct virtio_rdma_cq_record, tail),
		};
		uint32_t v = rnd(&x) % 8 ? (uint32_t)rnd(&x) % 6 :
					   (uint32_t)rnd(&x);

		__atomic_store_n(&w[words[rnd(&x) % 6] / 4], vr_to_le32(v),
				 __ATOMIC_RELAXED);
	}
	return NULL;
}

/* Arms, intervals, marks of all kinds while it is resized back and forth and
 * completions come: the neighbour's commands are answered, and so are these */
START_TEST(records_that_change)
{
	uint64_t gpa[2];
	pthread_t t;

	for (int i = 0; i < 2; i++)
		records[i] = raw_page(&ra, &gpa[i]);
	stop = false;
	ck_assert_int_eq(pthread_create(&t, NULL, scribble,
					(void *)(uintptr_t)_i), 0);
	for (uint32_t n = 0; n < 300; n++) {
		struct virtio_rdma_cmd_resize_cq c = request(gpa[n % 2]);

		ck_assert_uint_eq(raw_cmd(&ra, &c, sizeof(c)), VIRTIO_RDMA_S_OK);
		if (n % 8 == 0)
			post_write(n / 8);
	}
	stop = true;
	pthread_join(t, NULL);
	alive();
}
END_TEST

/* The ring that it is resized to claims to be full, or is dead: that is the end
 * of this queue pair and of no other */
START_TEST(head_is_nonsense)
{
	static const uint32_t heads[] = { 1, 64, 65, 0x80000000, 0xffffffff };
	struct virtio_rdma_cmd_resize_cq c;
	struct virtio_rdma_event ev;
	uint64_t gpa;
	struct virtio_rdma_cq_record *rec = raw_page(&ra, &gpa);

	c = request(gpa);
	c.depth = vr_to_le32(1);
	rec->head = vr_to_le32(heads[_i]);
	ck_assert_uint_eq(raw_cmd(&ra, &c, sizeof(c)), VIRTIO_RDMA_S_OK);
	for (uint32_t i = 0; i < 4; i++)
		post_write(i);
	ev = raw_event(&ra, false);
	if (vr_from_le16(ev.type) != VIRTIO_RDMA_EV_CQ_ERROR)
		ev = raw_event(&ra, false);	/* the connection's end came first */
	ck_assert_uint_eq(vr_from_le16(ev.type), VIRTIO_RDMA_EV_CQ_ERROR);
	ck_assert_uint_eq(raw_cmd(&ra, &c, sizeof(c)),
			  VIRTIO_RDMA_S_INVALID_STATE);
	alive();
}
END_TEST

/* --- moderation ----------------------------------------------------------------- */

/* With events held, the device is reset, or the queues of it go on */
START_TEST(held_at_the_end)
{
	struct virtio_rdma_cq_record *rec = (void *)qa.cq_buf;

	rec->interval = vr_to_le32(0xffffffff);
	rec->count = vr_to_le32(0xffffffff);
	rec->arm = vr_to_le32(VIRTIO_RDMA_ARM_ANY);
	post_write(0);
	ck_assert_uint_eq(raw_cqe(&qa).status, VIRTIO_RDMA_WC_SUCCESS);
	if (_i)
		fe_hangup(ra.fe);
	else
		raw_restart(&ra);
	raw_create_pd(&rb);
	if (!_i) {
		raw_restart(&rb);
		objects();
		post_write(0);
		ck_assert_uint_eq(raw_cqe(&qa).status, VIRTIO_RDMA_WC_SUCCESS);
	}
}
END_TEST

int main(void)
{
	Suite *s = suite_create("hostile completion queues");
	TCase *tc = add_case(s, "cq", 60);

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_loop_test(tc, wrong_request, 0, 13);
	tcase_add_loop_test(tc, on_top_of_others, 0, 4);
	tcase_add_loop_test(tc, records_that_change, 0, 3);
	tcase_add_loop_test(tc, head_is_nonsense, 0, 5);
	tcase_add_loop_test(tc, held_at_the_end, 0, 2);
	return run_suite(s);
}
