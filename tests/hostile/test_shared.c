// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * test_shared.c - what the guest or the front end shares with vrdmad and may
 * use against it: descriptor tables, file descriptions, what a turn costs
 */
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "evil.h"
#include "fixture.h"
#include "raw.h"

static struct raw bad, good;

static void setup(void)
{
	struct daemon_opts o = { .guests = 3,
		.guest_section = "num-ceq = 1\nnum-wakeq = 2\n" };

	ck_assert(daemon_start(&fx.daemon, &o));
	raw_start(&good, fx.daemon.socket[1]);
}

static void teardown(void)
{
	ck_assert(daemon_alive(&fx.daemon));
	raw_create_pd(&good);
	raw_stop(&good);
	ck_assert_int_eq(daemon_stop(&fx.daemon), 0);
	daemon_cleanup(&fx.daemon);
}

/* --- descriptors -------------------------------------------------------------- */

/* A right request in an indirect table is one like any other; a table in a
 * table is not */
START_TEST(indirect_tables)
{
	struct virtio_rdma_cmd_create_pd c = {
		.hdr.opcode = vr_to_le16(VIRTIO_RDMA_CMD_CREATE_PD) };
	struct fe_desc d = { 0, 32, FE_DESC_INDIRECT, 0 };
	struct fe_ring_entry {
		uint64_t addr;
		uint32_t len;
		uint16_t flags, next;
	} *table;
	struct virtio_rdma_rsp rsp;

	raw_start(&bad, fx.daemon.socket[0]);
	table = raw_page(&bad, &d.addr);
	memcpy(bad.req, &c, sizeof(c));
	memset(bad.rsp, 0xa5, sizeof(rsp));
	table[0] = (struct fe_ring_entry){ bad.req_gpa, sizeof(c), FE_DESC_NEXT, 1 };
	table[1] = (struct fe_ring_entry){ bad.rsp_gpa, 8, FE_DESC_WRITE, 0 };
	fe_add_raw(bad.fe, VIRTIO_RDMA_VQ_CONTROL, &d, 1, 0);
	fe_kick(bad.fe, VIRTIO_RDMA_VQ_CONTROL);
	for (int i = 0; i < 5000 && bad.rsp[4] == 0xa5; i++)
		poll(NULL, 0, 1);
	memcpy(&rsp, bad.rsp, sizeof(rsp));
	ck_assert_uint_eq(vr_from_le32(rsp.status), VIRTIO_RDMA_S_OK);
	ck_assert_uint_ne(vr_from_le32(rsp.handle), 0);
	raw_restart(&bad);
	table[1].flags = FE_DESC_WRITE | FE_DESC_INDIRECT;
	fe_add_raw(bad.fe, VIRTIO_RDMA_VQ_CONTROL, &d, 1, 0);
	fe_kick(bad.fe, VIRTIO_RDMA_VQ_CONTROL);
	ck_assert(raw_wait_needs_reset(&bad));
	raw_stop(&bad);
}
END_TEST

/* --- file descriptions --------------------------------------------------------- */

/* One eventfd for two queues, made to block after vrdmad had made it not to:
 * whoever reads it second would wait for ever */
START_TEST(kick_that_blocks)
{
	uint64_t one = 1;
	struct evil e;

	evil_open(&e, fx.daemon.socket[0]);
	ck_assert(evil_features(&e));
	ck_assert(evil_memory(&e));
	for (uint32_t q = 0; q < 3; q++) {
		ck_assert(evil_ring(&e, q));
		ck_assert(evil_kick(&e, q));
	}
	ck_assert_int_eq(fcntl(e.event_fd, F_SETFL, 0), 0);
	for (int i = 0; i < 100; i++) {
		ck_assert_int_eq(write(e.event_fd, &one, 8), 8);
		ck_assert(evil_alive(&e));
	}
	evil_close(&e);
}
END_TEST

/* --- turns ---------------------------------------------------------------------- */

#ifdef __SANITIZE_THREAD__
#define FLOOD	32	/* a request takes ten times as long */
#else
#define FLOOD	192
#endif

/* The dearest request: as many pages as a region may have, all one page but the
 * last, which is not there */
static void dear_request(struct virtio_rdma_cmd_register_mr *c)
{
	uint64_t root_gpa, mid_gpa[2], leaf_gpa[2], *root, *mid[2], *leaf[2];

	root = raw_page(&bad, &root_gpa);
	for (int i = 0; i < 2; i++) {
		mid[i] = raw_page(&bad, &mid_gpa[i]);
		leaf[i] = raw_page(&bad, &leaf_gpa[i]);
	}
	for (int i = 0; i < 512; i++) {
		leaf[0][i] = leaf[1][i] = bad.ev_gpa;
		mid[0][i] = mid[1][i] = leaf_gpa[0];
	}
	leaf[1][511] = fe_gpa_end(bad.fe);
	mid[1][511] = leaf_gpa[1];
	for (int i = 0; i < 4; i++)
		root[i] = mid_gpa[i == 3];
	*c = (struct virtio_rdma_cmd_register_mr){
		.hdr.opcode = vr_to_le16(VIRTIO_RDMA_CMD_REGISTER_MR),
		.pd = vr_to_le32(raw_create_pd(&bad)),
		.length = vr_to_le64(4096ull << 20),
		.pages = { .root = root_gpa, .page_count = vr_to_le32(1u << 20),
			   .levels = 3, .page_shift = VIRTIO_RDMA_PAGE_SHIFT },
	};
}

static uint64_t now_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

static void drain(uint32_t n)
{
	uint64_t end = now_us() + 50000000;

	while (n) {
		if (fe_get(bad.fe, VIRTIO_RDMA_VQ_CONTROL, NULL))
			n--;
		else
			poll(NULL, 0, 1);
		ck_assert_msg(now_us() < end, "%u commands got no answer", n);
	}
}

/* A queue full of dear requests; a neighbour's cheap one is not far behind */
START_TEST(dear_requests_take_turns)
{
	struct virtio_rdma_cmd_register_mr c;
	struct fe_buf out, in;
	uint64_t start, mine, all;

	raw_start(&bad, fx.daemon.socket[0]);
	dear_request(&c);
	ck_assert_uint_eq(raw_cmd(&bad, &c, sizeof(c)),
			  VIRTIO_RDMA_S_ACCESS_VIOLATION);
	memcpy(bad.req, &c, sizeof(c));
	out = (struct fe_buf){ bad.req, sizeof(c) };
	in = (struct fe_buf){ bad.rsp, 16 };
	for (int i = 0; i < FLOOD; i++)
		ck_assert_int_eq(fe_add(bad.fe, VIRTIO_RDMA_VQ_CONTROL, &out,
					&in, bad.rsp), 0);
	start = now_us();
	fe_kick(bad.fe, VIRTIO_RDMA_VQ_CONTROL);
	drain(1);
	raw_create_pd(&good);
	mine = now_us() - start;
	drain(FLOOD - 1);
	all = now_us() - start;
	ck_assert_msg(mine < all / 8, "%lu us of %lu",
		      (unsigned long)mine, (unsigned long)all);
	raw_stop(&bad);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("shared");
	TCase *tc = add_case(s, "guest", 60);

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, indirect_tables);
	tcase_add_test(tc, kick_that_blocks);
	tcase_add_test(tc, dear_requests_take_turns);
	return run_suite(s);
}
