/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test_core_status.c - the status maps: every value, and values of no version
 */
#include <check.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "vrdma_core.h"

/* Written from the reference tables, not from the code */
static const struct {
	uint32_t wire;
	uint32_t nt;
} wire_rows[] = {
	{ VIRTIO_RDMA_S_OK, 0 },
	{ VIRTIO_RDMA_S_UNKNOWN_COMMAND, 0xC00000BB },
	{ VIRTIO_RDMA_S_INVALID_PARAMETER, 0xC000000D },
	{ VIRTIO_RDMA_S_INVALID_HANDLE, 0xC0000008 },
	{ VIRTIO_RDMA_S_NO_RESOURCES, 0xC000009A },
	{ VIRTIO_RDMA_S_NOT_SUPPORTED, 0xC00000BB },
	{ VIRTIO_RDMA_S_INVALID_STATE, 0xC0000184 },
	{ VIRTIO_RDMA_S_BUSY, 0x80000011 },
	{ VIRTIO_RDMA_S_ACCESS_VIOLATION, 0xC0000005 },
	{ VIRTIO_RDMA_S_BUFFER_SIZE, 0xC0000206 },
	{ VIRTIO_RDMA_S_ADDRESS_IN_USE, 0xC0000043 },
	{ VIRTIO_RDMA_S_INVALID_ADDRESS, 0xC0000141 },
	{ VIRTIO_RDMA_S_TOO_MANY_ADDRESSES, 0xC0000209 },
	{ VIRTIO_RDMA_S_NETWORK_UNREACHABLE, 0xC000023C },
	{ VIRTIO_RDMA_S_HOST_UNREACHABLE, 0xC000023D },
	{ VIRTIO_RDMA_S_CONNECTION_REFUSED, 0xC0000236 },
	{ VIRTIO_RDMA_S_CONNECTION_ABORTED, 0xC0000241 },
	{ VIRTIO_RDMA_S_CONNECTION_INVALID, 0xC000023A },
	{ VIRTIO_RDMA_S_CONNECTION_ACTIVE, 0xC000023B },
	{ VIRTIO_RDMA_S_TIMED_OUT, 0xC00000B5 },
	{ VIRTIO_RDMA_S_CANCELLED, 0xC0000120 },
	{ VIRTIO_RDMA_S_INTERNAL_ERROR, 0xC00000E5 },
	{ VIRTIO_RDMA_S_CONNECTION_EXISTS, 0xC000020A },
};

static const struct {
	uint32_t wc;
	uint32_t nt;
} wc_rows[] = {
	{ VIRTIO_RDMA_WC_SUCCESS, 0 },
	{ VIRTIO_RDMA_WC_CANCELLED, 0xC0000120 },
	{ VIRTIO_RDMA_WC_LOCAL_LENGTH, 0xC000003C },
	{ VIRTIO_RDMA_WC_LOCAL_PROTECTION, 0xC0000005 },
	{ VIRTIO_RDMA_WC_LOCAL_REQUEST, 0xC00000E5 },
	{ VIRTIO_RDMA_WC_REMOTE_ACCESS, 0xC0000005 },
	{ VIRTIO_RDMA_WC_REMOTE_REQUEST, 0xC000003E },
	{ VIRTIO_RDMA_WC_REMOTE_OPERATION, 0xC000003E },
	{ VIRTIO_RDMA_WC_TIMED_OUT, 0xC00000B5 },
	{ VIRTIO_RDMA_WC_ABORTED, 0xC0000240 },
	{ VIRTIO_RDMA_WC_INTERNAL, 0xC00000E5 },
};

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

START_TEST(wire_table)
{
	size_t i;

	ck_assert_uint_eq(COUNT(wire_rows), VIRTIO_RDMA_S_COUNT);
	for (i = 0; i < COUNT(wire_rows); i++) {
		ck_assert_uint_eq(wire_rows[i].wire, i);
		ck_assert_uint_eq((uint32_t)vrdma_status_from_wire(
					  wire_rows[i].wire),
				  wire_rows[i].nt);
	}
}
END_TEST

START_TEST(wc_table)
{
	size_t i;

	ck_assert_uint_eq(COUNT(wc_rows), VIRTIO_RDMA_WC_COUNT);
	for (i = 0; i < COUNT(wc_rows); i++) {
		ck_assert_uint_eq(wc_rows[i].wc, i);
		ck_assert_uint_eq((uint32_t)vrdma_status_from_wc(wc_rows[i].wc),
				  wc_rows[i].nt);
	}
}
END_TEST

/* --- docs/protocol.md says the same ------------------------------------------------ */

/* Rows of "| value | NAME | ... STATUS_xxx HEX |" below the heading */
static int documented(const char *heading, NTSTATUS (*map)(uint32_t))
{
	const char *slash = strrchr(__FILE__, '/');
	char path[512], line[1024];
	bool in_table = false;
	uint32_t next = 0;
	FILE *f;

	snprintf(path, sizeof(path), "%.*s/../../docs/protocol.md",
		 (int)(slash - __FILE__), __FILE__);
	f = fopen(path, "r");
	ck_assert_msg(f != NULL, "there is no %s", path);
	while (fgets(line, sizeof(line), f)) {
		const char *nt = strstr(line, "STATUS_");
		uint32_t value, hex;

		if (!strncmp(line, heading, strlen(heading)))
			in_table = true;
		else if (line[0] != '|' && next)
			break;
		if (!in_table || !nt || sscanf(line, "| %u |", &value) != 1)
			continue;
		ck_assert_uint_eq(value, next++);
		ck_assert_msg(sscanf(nt, "%*s %x", &hex) == 1 &&
			      hex == (uint32_t)map(value),
			      "not 0x%08x: %s", (uint32_t)map(value), line);
	}
	fclose(f);
	return (int)next;
}

START_TEST(as_documented)
{
	ck_assert_int_eq(documented("| value | status | NTSTATUS",
				    vrdma_status_from_wire),
			 VIRTIO_RDMA_S_COUNT);
	ck_assert_int_eq(documented("| value | status | meaning | NTSTATUS",
				    vrdma_status_from_wc),
			 VIRTIO_RDMA_WC_COUNT);
}
END_TEST

/* A failure never looks like a success, whatever the device says */
START_TEST(total)
{
	uint32_t bit, v;

	for (bit = 0; bit < 32; bit++) {
		for (v = (1u << bit) - 1; v != (1u << bit) + 2; v++) {
			if (v && v < 0x10000) {
				ck_assert(!NT_SUCCESS(vrdma_status_from_wire(v)));
				ck_assert(!NT_SUCCESS(vrdma_status_from_wc(v)));
			}
			if (v >= VIRTIO_RDMA_WC_COUNT)
				ck_assert_int_eq(vrdma_status_from_wc(v),
						 STATUS_INTERNAL_ERROR);
		}
	}
}
END_TEST

int main(void)
{
	Suite *s = suite_create("core-status");
	TCase *tc = tcase_create("maps");
	SRunner *sr;
	int failed;

	tcase_add_test(tc, wire_table);
	tcase_add_test(tc, wc_table);
	tcase_add_test(tc, as_documented);
	tcase_add_test(tc, total);
	suite_add_tcase(s, tc);
	sr = srunner_create(s);
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
