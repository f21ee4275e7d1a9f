// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * test_shared.c - what the guest or the front end shares with vrdmad and may
 * use against it: descriptor tables, file descriptions, what a turn costs
 */
#include <fcntl.h>
#include <poll.h>
#include <string.h>
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

int main(void)
{
	Suite *s = suite_create("shared");
	TCase *tc = add_case(s, "guest", 60);

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, indirect_tables);
	tcase_add_test(tc, kick_that_blocks);
	return run_suite(s);
}
