/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test_data_wqe.c - ring entries: each mistake with the status it gets, and
 * the elements' walk over memory that does not lie together
 */
#include <errno.h>

#include "data_rig.h"
#include "suite.h"

static struct rig r;

static void setup(void)
{
	rig_start(&r, 50);
	rig_connect(&r);
}

static void setup_apart(void)
{
	rig_start(&r, 50);
}

static void teardown(void)
{
	rig_end(&r);
}

#define SEND VIRTIO_RDMA_OP_SEND
#define WRITE VIRTIO_RDMA_OP_WRITE
#define READ VIRTIO_RDMA_OP_READ
#define INLINE VIRTIO_RDMA_WR_INLINE
#define OK VIRTIO_RDMA_WC_SUCCESS
#define REQUEST VIRTIO_RDMA_WC_LOCAL_REQUEST
#define PROTECTION VIRTIO_RDMA_WC_LOCAL_PROTECTION
#define LENGTH VIRTIO_RDMA_WC_LOCAL_LENGTH
#define DATA_LEN (RIG_MEM - RIG_DATA)

/* The element that follows: start relative to the region, token changed */
struct element {
	int64_t off;
	uint32_t len;
	uint32_t wrong;
};

static const struct send_case {
	struct virtio_rdma_send_wqe w;
	struct element e;
	uint8_t status;
} send_cases[] = {
	/* well-formed, so that the rest fails for its own reason */
	{ { .opcode = WRITE, .num_sge = 1 }, { 0, 64, 0 }, OK },
	{ { .opcode = WRITE, .num_sge = 0 }, { 0, 64, 0 }, OK },
	{ { .opcode = READ, .num_sge = 1, .flags = 3 }, { 0, 64, 0 }, OK },
	{ { .opcode = WRITE, .flags = INLINE, .inline_length = 256 },
	  { 0, 0, 0 }, OK },
	{ { .opcode = WRITE, .num_sge = 1 }, { DATA_LEN - 64, 64, 0 }, OK },
	/* opcodes: none, of features not offered, of completions, unknown */
	{ { .opcode = 0, .num_sge = 1 }, { 0, 64, 0 }, REQUEST },
	{ { .opcode = 2, .num_sge = 1 }, { 0, 64, 0 }, REQUEST },
	{ { .opcode = 5, .num_sge = 1 }, { 0, 64, 0 }, REQUEST },
	{ { .opcode = 6, .num_sge = 1 }, { 0, 64, 0 }, REQUEST },
	{ { .opcode = 7, .num_sge = 1 }, { 0, 64, 0 }, REQUEST },
	{ { .opcode = 16, .num_sge = 1 }, { 0, 64, 0 }, REQUEST },
	{ { .opcode = 255, .num_sge = 1 }, { 0, 64, 0 }, REQUEST },
	/* flags */
	{ { .opcode = WRITE, .num_sge = 1, .flags = 0x10 }, { 0, 64, 0 },
	  REQUEST },
	{ { .opcode = WRITE, .num_sge = 1, .flags = 0x8000 }, { 0, 64, 0 },
	  REQUEST },
	{ { .opcode = WRITE, .num_sge = 1, .flags = VIRTIO_RDMA_WR_SOLICIT },
	  { 0, 64, 0 }, REQUEST },
	{ { .opcode = READ, .flags = INLINE, .inline_length = 8 },
	  { 0, 0, 0 }, REQUEST },
	/* reserved, and fields that the opcode has no use for */
	{ { .opcode = WRITE, .num_sge = 1, .reserved = 1 }, { 0, 64, 0 },
	  REQUEST },
	{ { .opcode = SEND, .num_sge = 1, .remote_addr = 1 }, { 0, 64, 0 },
	  REQUEST },
	{ { .opcode = SEND, .num_sge = 1, .remote_token = 1 }, { 0, 64, 0 },
	  REQUEST },
	/* counts */
	{ { .opcode = WRITE, .num_sge = RIG_SGE + 1 }, { 0, 64, 0 }, REQUEST },
	{ { .opcode = WRITE, .num_sge = 255 }, { 0, 64, 0 }, REQUEST },
	{ { .opcode = WRITE, .num_sge = 1, .inline_length = 1 }, { 0, 64, 0 },
	  REQUEST },
	{ { .opcode = WRITE, .num_sge = 1, .flags = INLINE,
	    .inline_length = 8 }, { 0, 64, 0 }, REQUEST },
	{ { .opcode = WRITE, .flags = INLINE, .inline_length = 257 },
	  { 0, 0, 0 }, REQUEST },
	{ { .opcode = WRITE, .flags = INLINE, .inline_length = 0xffffffff },
	  { 0, 0, 0 }, REQUEST },
	/* elements: token, range, wrap-around */
	{ { .opcode = WRITE, .num_sge = 1 }, { 0, 64, 1u << 20 }, PROTECTION },
	{ { .opcode = WRITE, .num_sge = 1 }, { 0, 64, 1 }, PROTECTION },
	{ { .opcode = WRITE, .num_sge = 1 }, { 0, 64, 0xfffff }, PROTECTION },
	{ { .opcode = WRITE, .num_sge = 1 }, { -1, 64, 0 }, PROTECTION },
	{ { .opcode = WRITE, .num_sge = 1 }, { DATA_LEN - 63, 64, 0 },
	  PROTECTION },
	{ { .opcode = WRITE, .num_sge = 1 }, { DATA_LEN, 1, 0 }, PROTECTION },
	{ { .opcode = WRITE, .num_sge = 1 },
	  { -(int64_t)RIG_DATA - 1, 64, 0 }, PROTECTION },
	{ { .opcode = WRITE, .num_sge = 1 }, { INT64_MIN, 64, 0 }, PROTECTION },
	{ { .opcode = WRITE, .num_sge = 1 }, { 0, 0xffffffff, 0 }, PROTECTION },
	/* an element of no length is nobody's business */
	{ { .opcode = WRITE, .num_sge = 1 }, { INT64_MIN, 0, 77 }, OK },
};

START_TEST(test_send_entry)
{
	struct send_case c = send_cases[_i];
	const struct virtio_rdma_sge s = {
		rig_data((uint64_t)c.e.off), c.e.len, r.a.local ^ c.e.wrong,
	};
	uint8_t more[RIG_INLINE] = { 0 };

	c.w.wr_id = 42;
	if (c.w.opcode == WRITE || c.w.opcode == READ) {
		c.w.remote_addr = rig_data(0);
		c.w.remote_token = r.b.remote;
	}
	memcpy(more, &s, sizeof(s));
	rig_post_raw(&r, &r.a, &c.w, more, sizeof(more));
	if (!(c.w.flags & VIRTIO_RDMA_WR_SILENT) || c.status)
		ck_assert_uint_eq(rig_expect(&r, &r.a, 42, c.status).opcode,
				  c.w.opcode);
	rig_until(&r, rig_load(&rig_qp_record(&r.a)->sq_head) == 1);
	rig_settle(&r);
	ck_assert_uint_eq(r.a.qp_failures, c.status != OK);
	ck_assert_uint_eq(r.b.qp_failures, 0);
}
END_TEST

static const struct recv_case {
	struct virtio_rdma_recv_wqe w;
	struct element e;
	uint8_t status;
} recv_cases[] = {
	{ { .num_sge = 1 }, { 0, 64, 0 }, OK },
	{ { .num_sge = RIG_SGE + 1 }, { 0, 64, 0 }, REQUEST },
	{ { .num_sge = 1, .reserved = { 1 } }, { 0, 64, 0 }, REQUEST },
	{ { .num_sge = 1, .reserved = { 0, 0, 0, 0, 0, 0, 1 } }, { 0, 64, 0 },
	  REQUEST },
	{ { .num_sge = 1 }, { -1, 64, 0 }, PROTECTION },
	{ { .num_sge = 1 }, { DATA_LEN - 63, 64, 0 }, PROTECTION },
	{ { .num_sge = 1 }, { 0, 64, 1u << 20 }, PROTECTION },
};

START_TEST(test_recv_entry)
{
	struct recv_case c = recv_cases[_i];
	const struct virtio_rdma_sge s = {
		rig_data((uint64_t)c.e.off), c.e.len, r.a.local ^ c.e.wrong,
	};

	c.w.wr_id = 43;
	memcpy(rig_rq_entry(&r.a), &c.w, sizeof(c.w));
	memcpy(rig_rq_entry(&r.a) + sizeof(c.w), &s, sizeof(s));
	__atomic_store_n(&rig_qp_record(&r.a)->rq_tail, ++r.a.rq_tail,
			 __ATOMIC_RELEASE);
	rig_kick(&r, &r.a);
	rig_post(&r, &r.b, 1, SEND, 0, 0, 64, 0, 0);
	rig_expect(&r, &r.a, 43, c.status);
	if (!c.status)
		rig_expect(&r, &r.b, 1, OK);
}
END_TEST

START_TEST(test_too_long)
{
	struct virtio_rdma_send_wqe w = {
		.wr_id = 1, .opcode = WRITE, .num_sge = 2,
		.remote_addr = rig_data(0),
	};
	struct virtio_rdma_sge s[2] = {
		{ rig_data(0), 4096, r.a.local }, { rig_data(0), 1, r.a.local },
	};

	w.remote_token = r.b.remote;
	r.a.g.data.max_transfer = 4096;
	rig_post_raw(&r, &r.a, &w, s, sizeof(s));
	rig_expect(&r, &r.a, 1, LENGTH);
}
END_TEST

/* A failing entry ends behind those before it, once, and closes the queue */
START_TEST(test_order_of_failure)
{
	struct virtio_rdma_send_wqe bad = { .wr_id = 3, .opcode = 99 };

	rig_post(&r, &r.a, 1, SEND, 0, 0, 64, 0, 0);	/* waits for a receive */
	rig_post(&r, &r.a, 2, SEND, 0, 0, 64, 0, 0);
	rig_post_raw(&r, &r.a, &bad, NULL, 0);
	rig_post(&r, &r.a, 4, SEND, 0, 0, 64, 0, 0);
	rig_settle(&r);
	rig_recv(&r, &r.b, 11, 0, 64);
	rig_recv(&r, &r.b, 12, 0, 64);
	rig_recv(&r, &r.b, 13, 0, 64);
	rig_expect(&r, &r.a, 1, OK);
	rig_expect(&r, &r.a, 2, OK);
	rig_expect(&r, &r.a, 3, REQUEST);
	rig_expect(&r, &r.a, 4, VIRTIO_RDMA_WC_CANCELLED);
	rig_expect(&r, &r.b, 11, OK);
	rig_expect(&r, &r.b, 12, OK);
}
END_TEST

START_TEST(test_read_needs_local_write)
{
	struct virtio_rdma_send_wqe w = {
		.wr_id = 1, .opcode = _i ? WRITE : READ, .num_sge = 1,
		.remote_addr = rig_data(0),
	};
	struct virtio_rdma_sge s = { 0x5000, 64, 0 };
	struct rig_answer m;

	w.remote_token = r.b.remote;
	m = rig_register(&r, &r.a, r.a.pd, 0x5000, 64, 0,
			 rig_pages(&r.a, RIG_DATA, 1, 12, 1), NULL);
	s.token = m.handle;
	rig_post_raw(&r, &r.a, &w, &s, sizeof(s));
	rig_expect(&r, &r.a, 1, _i ? OK : PROTECTION);
}
END_TEST

START_TEST(test_read_sge_limit)
{
	struct virtio_rdma_send_wqe w = {
		.wr_id = 1, .opcode = READ, .num_sge = 2,
		.remote_addr = rig_data(0),
	};
	struct virtio_rdma_sge s[2] = {
		{ rig_data(0), 8, r.a.local }, { rig_data(64), 8, r.a.local },
	};

	w.remote_token = r.b.remote;
	r.a.g.data.max_read_sge = 1 + _i;
	rig_post_raw(&r, &r.a, &w, s, sizeof(s));
	rig_expect(&r, &r.a, 1, _i ? OK : REQUEST);
}
END_TEST

/* Elements of odd lengths over pages in reverse order, both sides */
START_TEST(test_scattered)
{
	enum { PAGES = 16, N = 7 };
	const uint64_t base = 0xffff800000000123;	/* offset in the page */
	const uint64_t room = PAGES * 4096 - 0x123;
	struct virtio_rdma_page_list la = rig_pages(&r.a, RIG_DATA, PAGES, 12, -1);
	struct virtio_rdma_page_list lb = rig_pages(&r.b, RIG_DATA, PAGES, 12, -1);
	static const uint32_t len[N] = { 1, 4095, 8193, 0, 3, 20000, 5 };
	struct virtio_rdma_sge s[N];
	struct virtio_rdma_send_wqe w = {
		.wr_id = 1, .opcode = WRITE, .num_sge = N,
		.remote_addr = base + 7,
	};
	uint8_t sent[PAGES * 4096], *flat = sent;
	struct rig_answer m;
	uint64_t at = 0;

	m = rig_register(&r, &r.a, r.a.pd, base, room, 1, la, NULL);
	rig_register(&r, &r.b, r.b.pd, base, room, 7, lb, &w.remote_token);
	for (uint32_t i = 0; i < PAGES * 4096; i++)
		r.a.mem[RIG_DATA + i] = (uint8_t)(i * 2654435761u >> 11);
	for (int i = 0; i < N; i++) {
		s[i].addr = base + at;
		s[i].length = len[i];
		s[i].token = m.handle;
		/* what the address means: page p of the list is 15 - p */
		for (uint32_t k = 0; k < len[i]; k++) {
			uint64_t o = 0x123 + at + k;

			*flat++ = r.a.mem[RIG_DATA +
					  (PAGES - 1 - o / 4096) * 4096 +
					  o % 4096];
		}
		at += len[i] + 11;
	}
	rig_post_raw(&r, &r.a, &w, s, sizeof(s));
	rig_expect(&r, &r.a, 1, OK);
	for (uint64_t k = 0; k < (uint64_t)(flat - sent); k++) {
		uint64_t o = 0x123 + 7 + k;

		ck_assert_uint_eq(r.b.mem[RIG_DATA + (PAGES - 1 - o / 4096) *
					  4096 + o % 4096], sent[k]);
	}
	ck_assert_uint_eq(r.b.mem[RIG_DATA + (PAGES - 1) * 4096 + 0x123 + 6], 0);
}
END_TEST

/* be_sg_next(): pieces as asked for, joined where pages lie together */
START_TEST(test_sg_next)
{
	struct sg_seg seg[2];
	struct be_sg sg = { .seg = seg };
	struct vr_mr mr = { .length = 16384, .first = 100 };
	uint8_t *page[5], *mem = r.a.mem;
	uint8_t inl[3];
	size_t len;
	void *p;

	page[0] = mem;
	page[1] = mem + 4096;
	page[2] = mem + 32768;
	page[3] = mem + 36864;
	page[4] = mem + 40960;
	mr.pages.page = page;
	mr.pages.page_shift = 12;
	mr.pages.count = 5;
	mr.users = 1;
	sg_reset(&sg);
	sg_add_bytes(&sg, inl, sizeof(inl));
	sg_add(&sg, &mr, 10, 12000);
	ck_assert_uint_eq(be_sg_left(&sg), 12003);
	ck_assert_int_eq(be_sg_next(&sg, 100, &p, &len), 1);
	ck_assert_ptr_eq(p, inl);
	ck_assert_uint_eq(len, 3);
	ck_assert_int_eq(be_sg_next(&sg, 1000, &p, &len), 1);
	ck_assert_ptr_eq(p, mem + 110);
	ck_assert_uint_eq(len, 1000);
	ck_assert_int_eq(be_sg_next(&sg, SIZE_MAX, &p, &len), 1);
	ck_assert_ptr_eq(p, mem + 1110);
	ck_assert_uint_eq(len, 8192 - 1110);
	ck_assert_int_eq(be_sg_next(&sg, SIZE_MAX, &p, &len), 1);
	ck_assert_ptr_eq(p, mem + 32768);
	ck_assert_uint_eq(len, 12000 - (8192 - 110));
	ck_assert_uint_eq(be_sg_left(&sg), 0);
	ck_assert_int_eq(be_sg_next(&sg, 1, &p, &len), 0);
	sg_put_all(&sg);
	ck_assert_uint_eq(mr.users, 0);

	sg_add(&sg, &mr, 0, 100);
	mr.users = 1;
	mr.dead = true;
	ck_assert_int_eq(be_sg_next(&sg, 1, &p, &len), -EACCES);
}
END_TEST

/*
 * A transport that holds several requests at a time, as one with a wire does,
 * played by hand from inside the worker
 */
static struct be_qp *held_qp;

static void held_attach(struct be_conn *c, struct be_qp *qp)
{
	(void)c;
	held_qp = qp;
}

static bool held_run(struct be_conn *c)
{
	(void)c;
	return false;
}

static void held_stop(struct be_conn *c)
{
	(void)c;
	be_qp_stopped(held_qp);
}

static const struct backend held = {
	.name = "held",
	.attach = held_attach,
	.run = held_run,
	.stop = held_stop,
};

static void held_connect(void)
{
	struct vr_qp *qp;

	ck_assert_uint_eq(qp_reserve(&r.a.g, r.a.qp,
				     (struct connector *)(void *)&r.a, &qp), 0);
	qp_connect(qp, &held, NULL);
	for (uint64_t i = 0; i < 40; i++)
		rig_post(&r, &r.a, i, SEND, 0, 0, 64, 0, 0);
	rig_settle(&r);
}

static struct be_wr *taken[RIG_DEPTH];
static uint32_t taken_count;

static void take_all(void *arg)
{
	(void)arg;
	while ((taken[taken_count] = be_sq_next(held_qp)))
		taken_count++;
}

static void complete_two(void *arg)
{
	(void)arg;
	be_sq_complete(held_qp, taken[0], OK);
	be_sq_complete(held_qp, taken[1], OK);
}

static void complete_third_first(void *arg)
{
	(void)arg;
	be_sq_complete(held_qp, taken[3], OK);
}

START_TEST(test_window)
{
	taken_count = 0;
	held_connect();
	worker_call(r.worker, take_all, NULL);
	ck_assert_uint_eq(taken_count, QP_WINDOW);
	worker_call(r.worker, complete_two, NULL);
	worker_call(r.worker, take_all, NULL);
	ck_assert_uint_eq(taken_count, QP_WINDOW + 2);
	/* a transport's mistake: everything still ends once */
	worker_call(r.worker, complete_third_first, NULL);
	for (uint64_t i = 0; i < 40; i++)
		rig_expect(&r, &r.a, i, i < 2 ? OK : VIRTIO_RDMA_WC_CANCELLED);
	rig_until(&r, r.a.qp_failures == 1);
}
END_TEST

static void tail_goes_back(void *arg)
{
	(void)arg;
	for (int i = 0; i < 2; i++)
		be_sq_complete(held_qp, taken[i], OK);
	take_all(NULL);
	__atomic_store_n(&rig_qp_record(&r.a)->sq_tail, 30, __ATOMIC_RELEASE);
	for (int i = 2; i < 20; i++)
		be_sq_complete(held_qp, taken[i], OK);
	taken_count = 0;
	take_all(NULL);
	/* all 40 that were posted were taken, and nothing else */
	ck_assert_uint_eq(taken_count, 6);
	ck_assert(!qp_is_open(vr_qp_of(held_qp)));
}

/* Entries were withdrawn that the transport holds already */
START_TEST(test_tail_goes_back)
{
	taken_count = 0;
	held_connect();
	worker_call(r.worker, take_all, NULL);
	worker_call(r.worker, tail_goes_back, NULL);
	for (uint64_t i = 0; i < 40; i++)
		rig_expect(&r, &r.a, i, i < 20 ? OK : VIRTIO_RDMA_WC_CANCELLED);
	rig_until(&r, r.a.qp_failures == 1);
}
END_TEST

static Suite *suite(void)
{
	Suite *s = suite_create("ring entries");
	TCase *c = tcase_create("wqe"), *w = tcase_create("window");

	tcase_add_checked_fixture(c, setup, teardown);
	tcase_set_timeout(c, 60);
	tcase_add_loop_test(c, test_send_entry, 0,
			    sizeof(send_cases) / sizeof(send_cases[0]));
	tcase_add_loop_test(c, test_recv_entry, 0,
			    sizeof(recv_cases) / sizeof(recv_cases[0]));
	tcase_add_test(c, test_too_long);
	tcase_add_test(c, test_order_of_failure);
	tcase_add_loop_test(c, test_read_needs_local_write, 0, 2);
	tcase_add_loop_test(c, test_read_sge_limit, 0, 2);
	tcase_add_test(c, test_scattered);
	tcase_add_test(c, test_sg_next);
	suite_add_tcase(s, c);
	tcase_add_checked_fixture(w, setup_apart, teardown);
	tcase_set_timeout(w, 60);
	tcase_add_test(w, test_window);
	tcase_add_test(w, test_tail_goes_back);
	suite_add_tcase(s, w);
	return s;
}

int main(void)
{
	return suite_run(suite());
}
