/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test_data_frmr.c - fast-register regions: accesses that are in the middle when
 * the memory is taken away, and when other memory comes
 */
#include <errno.h>

#include "data_rig.h"
#include "frmr.h"

static struct rig r;

/* Guest b has the region, guest a is the peer */
static void setup(void)
{
	rig_features = VIRTIO_RDMA_FEATURES;
	rig_pd_flags = VIRTIO_RDMA_PD_PRIVILEGED;
	rig_start(&r, 50);
	rig_connect(&r);
	for (int i = 0; i < 100; i++)
		memset(r.b.mem + RIG_DATA + i * 4096, i, 4096);
}

static void teardown(void)
{
	rig_end(&r);
}

#define OK	 VIRTIO_RDMA_WC_SUCCESS
#define ALL	 7u
#define PAGES	 4u
#define ADDR	 0x5000000100ull
#define LENGTH	 (PAGES * 4096 - 0x100)

struct region {
	uint32_t handle, token;
	uint64_t *table, table_gpa;
};

static struct region create(uint32_t flags)
{
	struct command cmd = { 0 };
	struct rig_answer a;
	struct region f;

	cmd.req.create_frmr.pd = r.b.pd;
	cmd.req.create_frmr.max_pages = PAGES;
	cmd.req.create_frmr.flags = flags;
	a = rig_command(&r, &r.b, cmd_create_frmr, &cmd);
	ck_assert_uint_eq(a.status, VIRTIO_RDMA_S_OK);
	f.handle = a.handle;
	f.token = cmd.rsp.register_mr.remote_token;
	f.table = rig_table(&r.b, &f.table_gpa);
	return f;
}

/* The pages from number first of the data on, in reverse */
static uint32_t access_of = ALL;

static void post_fast(uint64_t id, struct region *f, uint32_t first)
{
	struct virtio_rdma_fast_register body = {
		.addr = ADDR, .length = LENGTH, .table = f->table_gpa,
		.mr = f->handle, .access = access_of,
	};
	struct virtio_rdma_send_wqe e = {
		.wr_id = id, .opcode = VIRTIO_RDMA_OP_FAST_REGISTER,
	};

	for (uint32_t i = 0; i < PAGES; i++)
		f->table[i] = r.b.gpa + RIG_DATA +
			      (uint64_t)(first + PAGES - 1 - i) * 4096;
	f->token = (f->token & ~0xffu) | ((f->token + 1) & 0xff);
	e.remote_token = f->token;
	rig_post_raw(&r, &r.b, &e, &body, sizeof(body));
}

static void fast(struct region *f, uint32_t first, uint8_t want)
{
	post_fast(70, f, first);
	rig_expect(&r, &r.b, 70, want);
}

static void invalidate(const struct region *f)
{
	struct virtio_rdma_send_wqe e = {
		.wr_id = 71, .opcode = VIRTIO_RDMA_OP_INVALIDATE,
		.remote_token = f->token,
	};

	rig_post_raw(&r, &r.b, &e, NULL, 0);
	rig_expect(&r, &r.b, 71, OK);
}

static enum virtio_rdma_status deregister(const struct region *f)
{
	return rig_simple(&r, &r.b, cmd_deregister_mr, f->handle).status;
}

/* --- as a wire's receive path does it: a first piece, and later the rest ---------- */

static struct region open_region;
static struct be_sg *sg[3];
static int got;
static void *at;

static void begin(void *arg)
{
	size_t len;

	ck_assert_uint_eq(be_remote_sg(&rig_qp(&r.b)->be, open_region.token,
				       ADDR, LENGTH,
				       VIRTIO_RDMA_ACCESS_REMOTE_WRITE, arg), OK);
	got = be_sg_next(*(struct be_sg **)arg, 16, &at, &len);
}

static void go_on(void *arg)
{
	size_t len;

	got = be_sg_next(*(struct be_sg **)arg, 16, &at, &len);
}

static void end(void *arg)
{
	be_sg_put(*(struct be_sg **)arg);
}

/* Which of the data's pages it was: each is full of its number */
static uint8_t page_at(void)
{
	return *(const uint8_t *)at;
}

static void by_the_peer(void *arg)
{
	ck_assert_uint_eq(mr_invalidate(rig_qp(&r.b), open_region.token, true),
			  *(enum virtio_rdma_wc_status *)arg);
}

enum way { BY_INVALIDATE, BY_PEER, BY_DEREGISTER, WAYS };

START_TEST(taken_in_the_middle)
{
	enum virtio_rdma_wc_status want = OK;

	open_region = create(VIRTIO_RDMA_FRMR_REMOTE);
	fast(&open_region, 8, OK);
	worker_call(r.worker, begin, &sg[0]);
	ck_assert_int_eq(got, 1);
	ck_assert_uint_eq(page_at(), 11);
	if (_i == BY_INVALIDATE)
		invalidate(&open_region);
	else if (_i == BY_PEER)
		worker_call(r.worker, by_the_peer, &want);
	else
		ck_assert_uint_eq(deregister(&open_region), VIRTIO_RDMA_S_OK);
	worker_call(r.worker, go_on, &sg[0]);
	ck_assert_int_eq(got, -EACCES);
	worker_call(r.worker, end, &sg[0]);
	ck_assert_uint_eq(rig_qp(&r.b)->remote_free, UINT32_MAX);
}
END_TEST

/* What began before finds no memory, whatever the region has now; and when two
 * hang on, there is no place for a third */
START_TEST(other_memory_comes)
{
	open_region = create(VIRTIO_RDMA_FRMR_REMOTE);
	fast(&open_region, 8, OK);
	worker_call(r.worker, begin, &sg[0]);
	invalidate(&open_region);
	fast(&open_region, 20, OK);
	worker_call(r.worker, go_on, &sg[0]);
	ck_assert_int_eq(got, -EACCES);
	worker_call(r.worker, begin, &sg[1]);
	ck_assert_int_eq(got, 1);
	ck_assert_uint_eq(page_at(), 23);
	invalidate(&open_region);
	if (_i) {
		worker_call(r.worker, end, &sg[0]);
		fast(&open_region, 40, OK);
		worker_call(r.worker, go_on, &sg[1]);
		ck_assert_int_eq(got, -EACCES);
		worker_call(r.worker, begin, &sg[2]);
		ck_assert_uint_eq(page_at(), 43);
		worker_call(r.worker, end, &sg[2]);
	} else {
		fast(&open_region, 40, VIRTIO_RDMA_WC_LOCAL_PROTECTION);
		worker_call(r.worker, end, &sg[0]);
	}
	worker_call(r.worker, end, &sg[1]);
}
END_TEST

/* A region that gives peers no right: they cannot take it away either */
START_TEST(not_the_peers)
{
	enum virtio_rdma_wc_status want = VIRTIO_RDMA_WC_LOCAL_PROTECTION;

	open_region = create(0);
	access_of = VIRTIO_RDMA_ACCESS_LOCAL_WRITE;
	fast(&open_region, 8, OK);
	worker_call(r.worker, by_the_peer, &want);
	invalidate(&open_region);
	access_of = VIRTIO_RDMA_ACCESS_REMOTE_READ;
	fast(&open_region, 8, VIRTIO_RDMA_WC_LOCAL_PROTECTION);
}
END_TEST

/* The queue pair breaks with registrations in its ring: they hold nothing */
START_TEST(flushed)
{
	struct vr_qp *qp = rig_qp(&r.b);

	open_region = create(VIRTIO_RDMA_FRMR_REMOTE);
	fast(&open_region, 8, OK);
	fast(&open_region, 8, VIRTIO_RDMA_WC_LOCAL_PROTECTION);
	for (int i = 0; i < 5; i++)
		post_fast(80 + (uint64_t)i, &open_region, 8);
	for (int i = 0; i < 5; i++)
		rig_expect(&r, &r.b, 80 + (uint64_t)i,
			   VIRTIO_RDMA_WC_CANCELLED);
	ck_assert(qp->remote_free == UINT32_MAX);
	ck_assert_uint_eq(deregister(&open_region), VIRTIO_RDMA_S_OK);
	ck_assert_uint_eq(deregister(&open_region),
			  VIRTIO_RDMA_S_INVALID_HANDLE);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("data_frmr");
	TCase *t = tcase_create("regions");
	SRunner *sr;
	int failed;

	tcase_set_timeout(t, 30);
	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_loop_test(t, taken_in_the_middle, 0, WAYS);
	tcase_add_loop_test(t, other_memory_comes, 0, 2);
	tcase_add_test(t, not_the_peers);
	tcase_add_test(t, flushed);
	suite_add_tcase(s, t);
	sr = srunner_create(s);
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
