// SPDX-License-Identifier: GPL-2.0-or-later
/* test_control.c - the checks that every command shares */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "control.h"
#include "guest.h"

/* Sizes written down a second time, from the table in docs/protocol.md; the
 * handle of the request has to be zero where the command creates */
/* clang-format off */
static const struct {
	uint16_t opcode;
	uint32_t req, rsp;
	bool creates;
} want[] = {
	{ VIRTIO_RDMA_CMD_QUERY_ADDRESSES, 8, 400, true },
	{ VIRTIO_RDMA_CMD_CREATE_CONTEXT, 24, 8, true },
	{ VIRTIO_RDMA_CMD_DESTROY_CONTEXT, 8, 8, false },
	{ VIRTIO_RDMA_CMD_CREATE_PD, 16, 8, true },
	{ VIRTIO_RDMA_CMD_DESTROY_PD, 8, 8, false },
	{ VIRTIO_RDMA_CMD_CREATE_CQ, 48, 8, true },
	{ VIRTIO_RDMA_CMD_DESTROY_CQ, 8, 8, false },
	{ VIRTIO_RDMA_CMD_REGISTER_MR, 48, 16, true },
	{ VIRTIO_RDMA_CMD_DEREGISTER_MR, 8, 8, false },
	{ VIRTIO_RDMA_CMD_CREATE_MW, 16, 16, true },
	{ VIRTIO_RDMA_CMD_DESTROY_MW, 8, 8, false },
	{ VIRTIO_RDMA_CMD_CREATE_QP, 88, 8, true },
	{ VIRTIO_RDMA_CMD_DESTROY_QP, 8, 8, false },
	{ VIRTIO_RDMA_CMD_FLUSH_QP, 8, 8, false },
	{ VIRTIO_RDMA_CMD_LISTEN, 48, 32, true },
	{ VIRTIO_RDMA_CMD_CLOSE_LISTENER, 8, 8, false },
	{ VIRTIO_RDMA_CMD_CONTROL_LISTENER, 16, 8, false },
	{ VIRTIO_RDMA_CMD_CREATE_CONNECTOR, 16, 8, true },
	{ VIRTIO_RDMA_CMD_CONNECT, 592, 584, false },
	{ VIRTIO_RDMA_CMD_COMPLETE_CONNECT, 8, 8, false },
	{ VIRTIO_RDMA_CMD_ACCEPT, 552, 536, false },
	{ VIRTIO_RDMA_CMD_REJECT, 528, 8, false },
	{ VIRTIO_RDMA_CMD_DISCONNECT, 8, 8, false },
	{ VIRTIO_RDMA_CMD_CLOSE_CONNECTOR, 8, 8, false },
	{ VIRTIO_RDMA_CMD_CREATE_SRQ, 64, 8, true },
	{ VIRTIO_RDMA_CMD_MODIFY_SRQ, 40, 8, false },
	{ VIRTIO_RDMA_CMD_DESTROY_SRQ, 8, 8, false },
	{ VIRTIO_RDMA_CMD_CREATE_FRMR, 24, 16, true },
	{ VIRTIO_RDMA_CMD_RESIZE_CQ, 32, 8, false },
	{ VIRTIO_RDMA_CMD_CREATE_ENDPOINT, 32, 32, true },
	{ VIRTIO_RDMA_CMD_CLOSE_ENDPOINT, 8, 8, false },
};
/* clang-format on */

#define COUNT ((int)(sizeof(want) / sizeof(want[0])))

static struct guest guest = {.features = VIRTIO_RDMA_FEATURES};
static struct command cmd;

static void begin(uint16_t opcode, uint32_t handle)
{
	memset(&cmd, 0, sizeof(cmd));
	cmd.guest = &guest;
	cmd.opcode = opcode;
	cmd.handle = handle;
	cmd.req.hdr.opcode = vr_to_le16(opcode);
	cmd.req.hdr.handle = vr_to_le32(handle);
}

START_TEST(exact_sizes)
{
	uint32_t req = want[_i].req, rsp = want[_i].rsp;

	begin(want[_i].opcode, want[_i].creates ? 0 : 0x100000);
	ck_assert_int_eq(command_check(&cmd, req, rsp), VIRTIO_RDMA_S_OK);
	ck_assert_int_eq(command_check(&cmd, req, rsp + 100), VIRTIO_RDMA_S_OK);
	ck_assert_int_eq(command_check(&cmd, req - 1, rsp),
			 VIRTIO_RDMA_S_INVALID_PARAMETER);
	ck_assert_int_eq(command_check(&cmd, req + 1, rsp),
			 VIRTIO_RDMA_S_INVALID_PARAMETER);
	ck_assert_int_eq(command_check(&cmd, (size_t)req + (1ull << 32), rsp),
			 VIRTIO_RDMA_S_INVALID_PARAMETER);
	ck_assert_int_eq(command_check(&cmd, req, rsp - 1),
			 VIRTIO_RDMA_S_INVALID_PARAMETER);
	ck_assert_int_eq(command_check(&cmd, 0, rsp),
			 VIRTIO_RDMA_S_INVALID_PARAMETER);
}
END_TEST

START_TEST(header)
{
	begin(want[_i].opcode, want[_i].creates ? 0x100000 : 0);
	ck_assert_int_eq(command_check(&cmd, want[_i].req, want[_i].rsp),
			 want[_i].creates
				 ? VIRTIO_RDMA_S_INVALID_PARAMETER
				 : VIRTIO_RDMA_S_OK); /* whose handle it is, its
							 owner sees */
	begin(want[_i].opcode, 0);
	cmd.req.hdr.reserved = vr_to_le16(0x8000);
	ck_assert_int_eq(command_check(&cmd, want[_i].req, want[_i].rsp),
			 VIRTIO_RDMA_S_INVALID_PARAMETER);
}
END_TEST

START_TEST(unknown)
{
	static const uint16_t none[] = {0, VIRTIO_RDMA_CMD_COUNT, 0x100,
					0xffff};
	int rows = 0;

	for (int i = 0; i < 4; i++) {
		begin(none[i], 0);
		ck_assert_ptr_null(command_row(none[i]));
		ck_assert_int_eq(command_check(&cmd, 8, 8),
				 VIRTIO_RDMA_S_UNKNOWN_COMMAND);
	}
	for (uint32_t op = 0; op < VIRTIO_RDMA_CMD_COUNT; op++)
		rows += command_row(op) != NULL;
	ck_assert_int_eq(COUNT, rows);
}
END_TEST

/* Exactly those commands are unknown that belong to what was left out */
START_TEST(features)
{
	static const uint32_t masks[] = {
		0, VIRTIO_RDMA_FEATURE(SRQ), ~VIRTIO_RDMA_FEATURE(SRQ)
	};

	for (size_t i = 0; i < sizeof(masks) / sizeof(masks[0]); i++) {
		bool known = !(command_feature(want[_i].opcode) & ~masks[i]);

		begin(want[_i].opcode, 0);
		guest.features = masks[i];
		ck_assert_int_eq(command_check(&cmd, want[_i].req, want[_i].rsp),
				 known ? VIRTIO_RDMA_S_OK
				       : VIRTIO_RDMA_S_UNKNOWN_COMMAND);
	}
}
END_TEST

START_TEST(feature_of_each)
{
	ck_assert_uint_eq(command_feature(VIRTIO_RDMA_CMD_CREATE_QP), 0);
	ck_assert_uint_eq(command_feature(VIRTIO_RDMA_CMD_CREATE_SRQ),
			  VIRTIO_RDMA_FEATURE(SRQ));
	ck_assert_uint_eq(command_feature(VIRTIO_RDMA_CMD_MODIFY_SRQ),
			  VIRTIO_RDMA_FEATURE(SRQ));
	ck_assert_uint_eq(command_feature(VIRTIO_RDMA_CMD_DESTROY_SRQ),
			  VIRTIO_RDMA_FEATURE(SRQ));
	ck_assert_uint_eq(command_feature(VIRTIO_RDMA_CMD_CREATE_ENDPOINT),
			  VIRTIO_RDMA_FEATURE(SHARED_ENDPOINT));
	ck_assert_uint_eq(command_feature(VIRTIO_RDMA_CMD_CLOSE_ENDPOINT),
			  VIRTIO_RDMA_FEATURE(SHARED_ENDPOINT));
}
END_TEST

int main(void)
{
	Suite *s = suite_create("control");
	TCase *t = tcase_create("control");
	SRunner *r;
	int failed;

	tcase_add_loop_test(t, exact_sizes, 0, COUNT);
	tcase_add_loop_test(t, header, 0, COUNT);
	tcase_add_test(t, unknown);
	tcase_add_loop_test(t, features, 0, COUNT);
	tcase_add_test(t, feature_of_each);
	suite_add_tcase(s, t);
	r = srunner_create(s);
	srunner_run_all(r, CK_NORMAL);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
