/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test_core_pagelist.c - page lists walked as a device walks them; buffers in
 * pieces; logical address maps; rounding
 */
#include "core_fake.h"

#define MAGIC	0x100000000ull

static uint64_t nth_page(const void *source, uint64_t index)
{
	(void)source;
	return MAGIC + index * 4096;
}

/* As docs/protocol.md has it: all but the last table of a level are full */
static uint64_t walk(const struct virtio_rdma_page_list *l, uint64_t index)
{
	uint64_t at = vr_from_le64(l->root);
	int level;

	for (level = l->levels - 1; level >= 0; level--) {
		const vr_le64 *table = (const vr_le64 *)(uintptr_t)at;
		uint64_t slot = index >> (9 * level) & 511;

		ck_assert_uint_eq(at & 4095, 0);
		at = vr_from_le64(table[slot]);
	}
	return at;
}

static const struct {
	uint64_t count;
	int levels;
	uint32_t tables;
} shapes[] = {
	{ 1, 0, 0 },
	{ 2, 1, 1 },
	{ 511, 1, 1 },
	{ 512, 1, 1 },
	{ 513, 2, 3 },
	{ 512 * 3, 2, 4 },
	{ 512 * 512, 2, 513 },
	{ 512 * 512 + 1, 3, 513 + 1 + 2 },
	{ 512 * 512 * 2 + 5, 3, 1025 + 3 + 1 },
};

START_TEST(walked)
{
	uint64_t count = shapes[_i].count, i, step;
	struct vrc_pages p;

	fake_start();
	ck_assert_int_eq(vrc_pages_build(fake.core, &p, nth_page, NULL, count),
			 0);
	ck_assert_int_eq(p.wire.levels, shapes[_i].levels);
	ck_assert_uint_eq(vr_from_le32(p.wire.page_count), count);
	ck_assert_int_eq(p.wire.page_shift, 12);
	ck_assert_uint_eq(p.has_tables ? p.tables.count : 0, shapes[_i].tables);
	step = count > 5000 ? 511 : 1;
	for (i = 0; i < count; i += step)
		ck_assert_uint_eq(walk(&p.wire, i), MAGIC + i * 4096);
	ck_assert_uint_eq(walk(&p.wire, count - 1), MAGIC + (count - 1) * 4096);
	vrc_pages_free(fake.core, &p);
	fake_end();
}
END_TEST

START_TEST(refused)
{
	struct vrc_pages p;

	fake_start();
	ck_assert_int_lt(vrc_pages_build(fake.core, &p, nth_page, NULL, 0), 0);
	ck_assert_int_lt(vrc_pages_build(fake.core, &p, nth_page, NULL,
					 512ull * 512 * 512 + 1), 0);
	fake.fail_alloc_after = 0;
	ck_assert_int_eq(vrc_pages_build(fake.core, &p, nth_page, NULL, 2),
			 -12);
	fake_end();
}
END_TEST

static const uint64_t pages_a[] = { 0x1000, 0x9000 };
static const uint64_t pages_b[] = { 0x5000, 0x3000, 0x7000 };

/* va 0x10800: 0x1800 bytes to a page end, then 2.5 pages */
static MDL tail = { .va = 0x12000, .length = 0x2800, .pages = pages_b };
static MDL head = { .next = &tail, .va = 0x10800, .length = 0x1800,
		    .pages = pages_a };

START_TEST(chain)
{
	static const uint64_t want[] = { 0x1000, 0x9000, 0x5000, 0x3000, 0x7000 };
	struct vrc_mdl_cursor cur = { .mdl = &head };
	uint64_t i;

	ck_assert_uint_eq(vrc_mdl_pages(&head, 0x4000), 5);
	for (i = 0; i < 5; i++)
		ck_assert_uint_eq(vrc_mdl_page(&cur, i), want[i]);
	/* fewer bytes than the chain has */
	ck_assert_uint_eq(vrc_mdl_pages(&head, 0x800), 1);
	ck_assert_uint_eq(vrc_mdl_pages(&head, 0x801), 2);
	ck_assert_uint_eq(vrc_mdl_pages(&head, 0x1800), 2);
	ck_assert_uint_eq(vrc_mdl_pages(&head, 0x1801), 3);
}
END_TEST

START_TEST(chain_refused)
{
	MDL gap = { .va = 0x13000, .length = 0x1000, .pages = pages_b };
	MDL before_gap = { .next = &gap, .va = 0x10800, .length = 0x1800,
			   .pages = pages_a };
	MDL ragged = { .next = &tail, .va = 0x10800, .length = 0x1000,
		       .pages = pages_a };
	MDL wraps = { .va = UINT64_MAX - 10, .length = 100, .pages = pages_a };

	ck_assert_uint_eq(vrc_mdl_pages(&head, 0x4001), 0);	/* too short */
	ck_assert_uint_eq(vrc_mdl_pages(&head, 0), 0);
	ck_assert_uint_eq(vrc_mdl_pages(NULL, 1), 0);
	ck_assert_uint_eq(vrc_mdl_pages(&before_gap, 0x2000), 0);
	ck_assert_uint_eq(vrc_mdl_pages(&ragged, 0x2000), 0);
	ck_assert_uint_eq(vrc_mdl_pages(&wraps, 100), 0);
}
END_TEST

START_TEST(lam)
{
	union {
		NDK_LOGICAL_ADDRESS_MAPPING lam;
		uint8_t room[sizeof(NDK_LOGICAL_ADDRESS_MAPPING) + 4 * 8];
	} u;
	NDK_LOGICAL_ADDRESS *page;
	NDK_ADAPTER *a;
	ULONG size = 0, fbo = 0;

	fake_start();
	a = open_adapter(0);
	ck_assert_int_eq(a->Dispatch->NdkBuildLAM(a, &head, 0x4000, NULL, NULL,
						  NULL, &size, &fbo),
			 STATUS_BUFFER_TOO_SMALL);
	ck_assert_uint_eq(size, sizeof(u.lam) + 4 * 8);
	ck_assert_int_eq(a->Dispatch->NdkBuildLAM(a, &head, 0x4000, NULL, NULL,
						  &u.lam, &size, &fbo),
			 STATUS_SUCCESS);
	ck_assert_uint_eq(u.lam.AdapterPageCount, 5);
	page = (void *)(u.room + offsetof(NDK_LOGICAL_ADDRESS_MAPPING,
					  AdapterPageArray));
	ck_assert_int_eq(page[4].QuadPart, 0x7000);
	ck_assert_uint_eq(fbo, 0x800);
	a->Dispatch->NdkReleaseLAM(a, &u.lam);
	ck_assert_int_eq(a->Dispatch->NdkBuildLAM(a, &head, 0x4001, NULL, NULL,
						  &u.lam, &size, &fbo),
			 STATUS_INVALID_PARAMETER);
	vrdma_close_adapter(a);
	fake_end();
}
END_TEST

START_TEST(numbers)
{
	ck_assert_uint_eq(vrc_roundup_pow2(0), 1);
	ck_assert_uint_eq(vrc_roundup_pow2(3), 4);
	ck_assert_uint_eq(vrc_roundup_pow2(4), 4);
	ck_assert_uint_eq(vrc_roundup_pow2(0x80000001u), 0);
	ck_assert_uint_eq(vrc_rounddown_pow2(0), 0);
	ck_assert_uint_eq(vrc_rounddown_pow2(1000), 512);
	ck_assert(vrc_range_within(10, 5, 15));
	ck_assert(!vrc_range_within(10, 6, 15));
	ck_assert(!vrc_range_within(UINT64_MAX, 2, UINT64_MAX));
	ck_assert(!vrc_range_within(1, UINT64_MAX, UINT64_MAX));
}
END_TEST

int main(void)
{
	Suite *s = suite_create("core-pagelist");
	TCase *tc = tcase_create("lists");
	SRunner *sr;
	int failed;

	tcase_set_timeout(tc, 30);
	tcase_add_loop_test(tc, walked, 0,
			    (int)(sizeof(shapes) / sizeof(shapes[0])));
	tcase_add_test(tc, refused);
	tcase_add_test(tc, chain);
	tcase_add_test(tc, chain_refused);
	tcase_add_test(tc, lam);
	tcase_add_test(tc, numbers);
	suite_add_tcase(s, tc);
	sr = srunner_create(s);
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
