// SPDX-License-Identifier: GPL-2.0-or-later
/* test_gmem.c - maps of guest memory, and page lists */
#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <fcntl.h>
#include <unistd.h>

#include "gmem.h"
#include "suite.h"

#define PAGE	  4096ull
#define MIB	  (1ull << 20)
/* Two regions: RAM at 0, more RAM above 4 GiB, with a hole between */
#define LOW_SIZE  (8 * MIB)
#define HIGH_GPA  (1ull << 32)
#define HIGH_SIZE (4 * MIB)

static int low_fd, high_fd;
static struct gmem_map *map;

static int make_memfd(uint64_t size, bool seal)
{
	int fd = memfd_create("test", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(ftruncate(fd, (off_t)size), 0);
	if (seal)
		ck_assert_int_eq(fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK), 0);
	return fd;
}

static int add(uint64_t gpa, uint64_t size, uint64_t off, int fd, bool unsealed)
{
	struct gmem_region_desc d = {gpa, size, off, fd};
	struct gmem_map *next;
	int ret = gmem_map_add(map, &d, unsealed, &next);

	if (!ret) {
		gmem_map_put(map);
		map = next;
	}
	return ret;
}

static void setup(void)
{
	map = NULL;
	low_fd = make_memfd(LOW_SIZE, true);
	high_fd = make_memfd(HIGH_SIZE, true);
	ck_assert_int_eq(add(HIGH_GPA, HIGH_SIZE, 0, high_fd, false), 0);
	ck_assert_int_eq(add(0, LOW_SIZE, 0, low_fd, false), 0);
}

static void teardown(void)
{
	gmem_map_put(map);
	close(low_fd);
	close(high_fd);
}

START_TEST(range_never_adds)
{
	ck_assert(range_within(0, 0, 0));
	ck_assert(range_within(4, 4, 8));
	ck_assert(!range_within(4, 5, 8));
	ck_assert(!range_within(9, 0, 8));
	ck_assert(!range_within(UINT64_MAX, 2, UINT64_MAX));
	ck_assert(!range_within(1, UINT64_MAX, UINT64_MAX));
	ck_assert(range_within(1, UINT64_MAX - 1, UINT64_MAX));
}
END_TEST

/* What a front end may not describe; each row alone is wrong */
/* clang-format off */
static const struct {
	uint64_t gpa, size, off;
	int want;
} bad_regions[] = {
	{ 16 * MIB, 0, 0, -EINVAL },
	{ 16 * MIB, PAGE + 1, 0, -EINVAL },
	{ 16 * MIB + 1, PAGE, 0, -EINVAL },
	{ 16 * MIB, PAGE, 12, -EINVAL },
	{ 16 * MIB, LOW_SIZE + PAGE, 0, -EINVAL },	/* longer than the file */
	{ 16 * MIB, LOW_SIZE, PAGE, -EINVAL },
	{ LOW_SIZE - PAGE, PAGE, 0, -EINVAL },		/* overlaps the low one */
	{ 0, PAGE, 0, -EINVAL },
	{ HIGH_GPA - PAGE, 2 * PAGE, 0, -EINVAL },	/* runs into the high one */
	{ ~0ull - PAGE + 1, 2 * PAGE, 0, -EINVAL },	/* wraps */
	{ 16 * MIB, PAGE, ~0ull - PAGE + 1, -EINVAL },
};
/* clang-format on */

START_TEST(bad_region_is_refused)
{
	struct gmem_map *before = map;

	ck_assert_int_eq(add(bad_regions[_i].gpa, bad_regions[_i].size,
			     bad_regions[_i].off, low_fd, false),
			 bad_regions[_i].want);
	ck_assert_ptr_eq(map, before);
}
END_TEST

START_TEST(unsealed_only_when_allowed)
{
	int fd = make_memfd(MIB, false);

	ck_assert_int_eq(add(16 * MIB, MIB, 0, fd, false), -EPERM);
	ck_assert_int_eq(add(16 * MIB, MIB, 0, fd, true), 0);
	ck_assert_ptr_nonnull(gmem_translate(map, 16 * MIB, MIB, NULL));
	close(fd);
}
END_TEST

/* Huge pages that the pool does not have would be a SIGBUS at the first touch */
START_TEST(huge_pages_that_are_not_there)
{
	const uint64_t size = 1ull << 40;
	int fd = memfd_create("huge", MFD_CLOEXEC | MFD_ALLOW_SEALING | MFD_HUGETLB);

	if (fd < 0)
		return;		/* a kernel without them */
	ck_assert_int_eq(ftruncate(fd, (off_t)size), 0);
	ck_assert_int_eq(fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK), 0);
	ck_assert_int_eq(add(1ull << 41, size, 0, fd, false), -ENOMEM);
	close(fd);
}
END_TEST

/* What is at one address for two guests is no multiple of 256 MiB apart here, and
 * lies in its page of 2 MiB as it does there */
START_TEST(equal_addresses_have_other_colours)
{
	enum { GUESTS = 64 };
	const uint64_t colours = 256 * MIB, unit = 2 * MIB, gpa = 7 * unit + PAGE;
	uint64_t at[GUESTS];
	struct gmem_map *guest[GUESTS];
	struct gmem_region_desc d = { gpa, 3 * MIB, PAGE, low_fd };

	for (int i = 0; i < GUESTS; i++) {
		ck_assert_int_eq(gmem_map_add(NULL, &d, false, &guest[i]), 0);
		at[i] = (uintptr_t)gmem_translate(guest[i], gpa, 3 * MIB, NULL);
		ck_assert_uint_ne(at[i], 0);
		ck_assert_uint_eq(at[i] % unit, gpa % unit);
		for (int j = 0; j < i; j++)
			ck_assert_uint_ne(at[i] % colours, at[j] % colours);
	}
	/* and it is the file's page */
	*(uint8_t *)(uintptr_t)at[0] = 0x5a;
	ck_assert_uint_eq(*(uint8_t *)(uintptr_t)at[GUESTS - 1], 0x5a);
	for (int i = 0; i < GUESTS; i++)
		gmem_map_put(guest[i]);
}
END_TEST

/* Lines of /proc/self/maps: nothing is left of what was reserved for a mapping */
static uint64_t mappings_size(void)
{
	unsigned long from, to;
	uint64_t sum = 0;
	char line[512];
	FILE *f = fopen("/proc/self/maps", "re");

	ck_assert_ptr_nonnull(f);
	while (fgets(line, sizeof(line), f))
		if (sscanf(line, "%lx-%lx", &from, &to) == 2)
			sum += to - from;
	fclose(f);
	return sum;
}

START_TEST(nothing_else_stays_mapped)
{
	struct gmem_region_desc d = { 1ull << 40, 2 * MIB, 0, low_fd };
	uint64_t before = mappings_size();
	struct gmem_map *one;

	ck_assert_int_eq(gmem_map_add(NULL, &d, false, &one), 0);
	ck_assert_uint_lt(mappings_size() - before, 4 * MIB);
	gmem_map_put(one);
	ck_assert_uint_lt(mappings_size() - before + MIB, 2 * MIB);
}
END_TEST

START_TEST(translate_within_one_region)
{
	uint8_t *low = gmem_translate(map, 0, 1, NULL);

	ck_assert_ptr_nonnull(low);
	ck_assert_ptr_eq(gmem_translate(map, 5, LOW_SIZE - 5, NULL), low + 5);
	ck_assert_ptr_null(gmem_translate(map, 5, LOW_SIZE - 4, NULL));
	ck_assert_ptr_null(gmem_translate(map, LOW_SIZE, 1, NULL));
	ck_assert_ptr_null(gmem_translate(map, HIGH_GPA - 1, 2, NULL));
	ck_assert_ptr_nonnull(gmem_translate(map, HIGH_GPA, HIGH_SIZE, NULL));
	ck_assert_ptr_null(gmem_translate(map, HIGH_GPA, ~0ull, NULL));
	ck_assert_ptr_null(gmem_translate(map, ~0ull, 1, NULL));
	ck_assert_ptr_null(gmem_translate(map, 0, 0, NULL));
	ck_assert_ptr_null(gmem_translate(NULL, 0, 1, NULL));
}
END_TEST

START_TEST(copies_span_neighbours)
{
	char out[8] = "", in[8] = "1234567";

	ck_assert_int_eq(add(LOW_SIZE, MIB, 0, high_fd, false), 0);
	ck_assert_int_eq(gmem_copy_out(map, LOW_SIZE - 3, in, 8), 0);
	ck_assert_int_eq(gmem_copy_in(map, out, LOW_SIZE - 3, 8), 0);
	ck_assert_str_eq(out, in);
	ck_assert_int_eq(gmem_copy_in(map, out, HIGH_GPA + HIGH_SIZE - 4, 8),
			 -EFAULT);
	ck_assert_int_eq(gmem_copy_out(map, HIGH_GPA - 4, in, 8), -EFAULT);
}
END_TEST

/* Registered memory outlives the map that it was made from */
START_TEST(pages_outlive_the_map)
{
	struct virtio_rdma_page_list l = {
		.root = vr_to_le64(HIGH_GPA),
		.page_count = vr_to_le32(1),
		.page_shift = 12,
	};
	struct gmem_pages p;
	struct gmem_map *next;

	ck_assert_int_eq(
		gmem_read_page_list(map, &l, 1, GMEM_SHIFT_4K, NULL, &p), 0);
	ck_assert_int_eq(gmem_map_remove(map, HIGH_GPA, HIGH_SIZE, &next), 0);
	gmem_map_put(map);
	map = next;
	ck_assert_ptr_null(gmem_translate(map, HIGH_GPA, 1, NULL));
	memset(gmem_pages_at(&p, 0), 0x5a, PAGE);
	gmem_pages_put(&p);
	ck_assert_int_eq(gmem_map_remove(map, HIGH_GPA, HIGH_SIZE, &next),
			 -ENOENT);
	ck_assert_int_eq(gmem_map_remove(map, 0, PAGE, &next), -ENOENT);
}
END_TEST

/* ------------------------------------------------------------- page lists */

static void put64(uint64_t gpa, uint64_t v)
{
	vr_le64 le = vr_to_le64(v);

	ck_assert_int_eq(gmem_copy_out(map, gpa, &le, sizeof(le)), 0);
}

/* Pages of the list in page order, all in the low region: every second page
 * from the end, so that no two lie together.  Tables from table_gpa on. */
static uint64_t page_of(uint32_t i)
{
	return LOW_SIZE - PAGE - (uint64_t)(i % 512) * 2 * PAGE;
}

static uint64_t build(uint32_t count, unsigned int levels, uint64_t *next_table)
{
	uint64_t table = *next_table;

	if (levels == 0)
		return page_of(0);
	*next_table += PAGE;
	if (levels == 1) {
		for (uint32_t i = 0; i < count; i++)
			put64(table + 8 * i, page_of(i));
		return table;
	}
	for (uint32_t i = 0; i * 512 < count; i++) {
		uint32_t left = count - i * 512;
		uint64_t sub = *next_table;

		ck_assert_int_eq(levels, 2);
		*next_table += PAGE;
		for (uint32_t j = 0; j < left && j < 512; j++)
			put64(sub + 8 * j, page_of(i * 512 + j));
		put64(table + 8 * i, sub);
	}
	return table;
}

static const struct {
	uint32_t count;
	unsigned int levels;
} good_lists[] = {
	{1, 0}, {1, 1},	  {2, 1},   {511, 1},  {512, 1},
	{1, 2}, {512, 2}, {513, 2}, {1024, 2}, {5000, 2},
};

START_TEST(list_is_read)
{
	uint32_t count = good_lists[_i].count;
	uint64_t tables = PAGE;
	struct gmem_account acc = {.max = 5000};
	struct virtio_rdma_page_list l = {.page_shift = 12};
	struct gmem_pages p;
	uint8_t *low = gmem_translate(map, 0, 1, NULL);

	l.levels = (uint8_t)good_lists[_i].levels;
	l.page_count = vr_to_le32(count);
	l.root = vr_to_le64(build(count, l.levels, &tables));
	ck_assert_int_eq(
		gmem_read_page_list(map, &l, count, GMEM_SHIFT_4K, &acc, &p),
		0);
	ck_assert_uint_eq(gmem_pages_size(&p), count * PAGE);
	ck_assert_uint_eq(acc.used, count);
	for (uint32_t i = 0; i < count; i++)
		ck_assert_ptr_eq(gmem_pages_at(&p, i * PAGE + 7),
				 low + page_of(i) + 7);
	gmem_pages_put(&p);
	ck_assert_uint_eq(acc.used, 0);
}
END_TEST

START_TEST(three_levels)
{
	struct virtio_rdma_page_list l = {
		.root = vr_to_le64(PAGE),
		.page_count = vr_to_le32(2),
		.levels = 3,
		.page_shift = 12,
	};
	struct gmem_pages p;

	put64(PAGE, 2 * PAGE);
	put64(2 * PAGE, 3 * PAGE);
	put64(3 * PAGE, 40 * PAGE);
	put64(3 * PAGE + 8, 20 * PAGE);
	ck_assert_int_eq(
		gmem_read_page_list(map, &l, 2, GMEM_SHIFT_4K, NULL, &p), 0);
	ck_assert_ptr_eq(gmem_pages_at(&p, PAGE),
			 gmem_translate(map, 20 * PAGE, 1, NULL));
	gmem_pages_put(&p);
}
END_TEST

START_TEST(list_together_is_linear)
{
	struct virtio_rdma_page_list l = {
		.root = vr_to_le64(PAGE),
		.page_count = vr_to_le32(3),
		.levels = 1,
		.page_shift = 12,
	};
	struct gmem_pages p;

	for (uint64_t i = 0; i < 3; i++)
		put64(PAGE + 8 * i, (10 + i) * PAGE);
	ck_assert_int_eq(
		gmem_read_page_list(map, &l, 3, GMEM_SHIFT_4K, NULL, &p), 0);
	ck_assert_ptr_eq(p.linear, gmem_translate(map, 10 * PAGE, 1, NULL));
	ck_assert_uint_eq(p.region_count, 1);
	gmem_pages_put(&p);
}
END_TEST

/* The tables are not looked at again: a guest that changes them later changes
 * nothing */
START_TEST(tables_are_copied)
{
	struct virtio_rdma_page_list l = {
		.root = vr_to_le64(PAGE),
		.page_count = vr_to_le32(2),
		.levels = 1,
		.page_shift = 12,
	};
	struct gmem_pages p;

	put64(PAGE, 20 * PAGE);
	put64(PAGE + 8, 40 * PAGE);
	ck_assert_int_eq(
		gmem_read_page_list(map, &l, 2, GMEM_SHIFT_4K, NULL, &p), 0);
	put64(PAGE, HIGH_GPA * 2);
	put64(PAGE + 8, HIGH_GPA * 2);
	ck_assert_ptr_eq(gmem_pages_at(&p, PAGE),
			 gmem_translate(map, 40 * PAGE, 1, NULL));
	gmem_pages_put(&p);
}
END_TEST

START_TEST(large_pages)
{
	struct virtio_rdma_page_list l = {
		.root = vr_to_le64(2 * MIB),
		.page_count = vr_to_le32(1),
		.page_shift = 21,
	};
	struct gmem_pages p;

	ck_assert_int_eq(
		gmem_read_page_list(map, &l, 1, GMEM_SHIFT_4K, NULL, &p),
		-EINVAL);
	ck_assert_int_eq(
		gmem_read_page_list(map, &l, 1, GMEM_SHIFT_2M, NULL, &p), 0);
	ck_assert_uint_eq(gmem_pages_size(&p), 2 * MIB);
	gmem_pages_put(&p);
	l.root = vr_to_le64(3 * MIB);
	ck_assert_int_eq(
		gmem_read_page_list(map, &l, 1, GMEM_SHIFT_2M, NULL, &p),
		-EINVAL);
	l.root = vr_to_le64(LOW_SIZE);
	ck_assert_int_eq(
		gmem_read_page_list(map, &l, 1, GMEM_SHIFT_2M, NULL, &p),
		-EFAULT);
}
END_TEST

/* clang-format off */
static const struct {
	const char *what;
	uint64_t root;
	uint32_t count, expected;
	uint8_t levels, shift;
	uint16_t reserved;
	int want;
} bad_lists[] = {
	{ "reserved", 0, 1, 1, 0, 12, 1, -EINVAL },
	{ "levels", PAGE, 1, 1, 4, 12, 0, -EINVAL },
	{ "shift", 0, 1, 1, 0, 13, 0, -EINVAL },
	{ "shift 0", 0, 1, 1, 0, 0, 0, -EINVAL },
	{ "empty", 0, 0, 0, 0, 12, 0, -EINVAL },
	{ "count differs", 0, 2, 1, 1, 12, 0, -EINVAL },
	{ "more than fits, 0", 0, 2, 2, 0, 12, 0, -EINVAL },
	{ "more than fits, 1", PAGE, 513, 513, 1, 12, 0, -EINVAL },
	{ "page not aligned", 8, 1, 1, 0, 12, 0, -EINVAL },
	{ "table not aligned", PAGE + 8, 1, 1, 1, 12, 0, -EINVAL },
	{ "page outside", LOW_SIZE, 1, 1, 0, 12, 0, -EFAULT },
	{ "table outside", LOW_SIZE, 1, 1, 1, 12, 0, -EFAULT },
	{ "page at the end of all", ~0ull & ~(PAGE - 1), 1, 1, 0, 12, 0, -EFAULT },
	{ "second page outside", PAGE, 2, 2, 1, 12, 0, -EFAULT },
	{ "second table outside", 2 * PAGE, 513, 513, 2, 12, 0, -EFAULT },
	{ "more than the account", PAGE, 600, 600, 2, 12, 0, -ENOMEM },
};
/* clang-format on */

START_TEST(bad_list_is_refused)
{
	struct gmem_account acc = {.max = 550};
	struct virtio_rdma_page_list l = {
		.root = vr_to_le64(bad_lists[_i].root),
		.page_count = vr_to_le32(bad_lists[_i].count),
		.levels = bad_lists[_i].levels,
		.page_shift = bad_lists[_i].shift,
		.reserved = vr_to_le16(bad_lists[_i].reserved),
	};
	struct gmem_pages p;

	put64(PAGE, 20 * PAGE);
	put64(PAGE + 8, LOW_SIZE); /* just outside */
	put64(2 * PAGE, 3 * PAGE);
	put64(2 * PAGE + 8, LOW_SIZE + PAGE);
	for (uint64_t i = 0; i < 512; i++)
		put64(3 * PAGE + 8 * i, 20 * PAGE);
	ck_assert_msg(gmem_read_page_list(map, &l, bad_lists[_i].expected,
					  GMEM_SHIFT_4K, &acc,
					  &p) == bad_lists[_i].want,
		      "%s", bad_lists[_i].what);
	ck_assert_uint_eq(acc.used, 0);
	ck_assert_ptr_null(p.page);
}
END_TEST

#define COUNT(a) ((int)(sizeof(a) / sizeof((a)[0])))

static Suite *suite(void)
{
	Suite *s = suite_create("gmem");
	TCase *t = tcase_create("maps");

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, range_never_adds);
	tcase_add_loop_test(t, bad_region_is_refused, 0, COUNT(bad_regions));
	tcase_add_test(t, unsealed_only_when_allowed);
	tcase_add_test(t, huge_pages_that_are_not_there);
	tcase_add_test(t, equal_addresses_have_other_colours);
	tcase_add_test(t, nothing_else_stays_mapped);
	tcase_add_test(t, translate_within_one_region);
	tcase_add_test(t, copies_span_neighbours);
	suite_add_tcase(s, t);
	t = tcase_create("page lists");
	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, pages_outlive_the_map);
	tcase_add_loop_test(t, list_is_read, 0, COUNT(good_lists));
	tcase_add_test(t, three_levels);
	tcase_add_test(t, list_together_is_linear);
	tcase_add_test(t, tables_are_copied);
	tcase_add_test(t, large_pages);
	tcase_add_loop_test(t, bad_list_is_refused, 0, COUNT(bad_lists));
	suite_add_tcase(s, t);
	return s;
}

int main(void)
{
	return suite_run(suite());
}
