// SPDX-License-Identifier: GPL-2.0-or-later
/* test_handle.c - handles: stale, foreign and made-up ones are misses */
#include <check.h>
#include <errno.h>
#include <stdlib.h>

#include "handle.h"

static struct handle_table t;
static int objects[8];

static void teardown(void)
{
	handle_table_fini(&t);
}

START_TEST(limits)
{
	ck_assert_int_eq(handle_table_init(&t, 0), -EINVAL);
	ck_assert_int_eq(handle_table_init(&t, HANDLE_MAX + 1), -EINVAL);
	ck_assert_int_eq(handle_table_init(&t, 1), 0);
}
END_TEST

START_TEST(no_small_number_is_a_handle)
{
	uint32_t h[4];

	ck_assert_int_eq(handle_table_init(&t, 4), 0);
	for (int i = 0; i < 4; i++) {
		ck_assert_int_eq(handle_alloc(&t, &objects[i], &h[i]), 0);
		ck_assert_uint_ge(h[i], HANDLE_MAX);
		ck_assert_ptr_eq(handle_get(&t, h[i]), &objects[i]);
	}
	for (uint32_t i = 0; i < 64; i++)
		ck_assert_ptr_null(handle_get(&t, i));
	/* right generation, index that the table does not have */
	ck_assert_ptr_null(handle_get(&t, h[0] + 4));
	ck_assert_ptr_null(handle_get(&t, UINT32_MAX));
}
END_TEST

START_TEST(full_then_free_again)
{
	uint32_t h[3], extra;

	ck_assert_int_eq(handle_table_init(&t, 2), 0);
	ck_assert_int_eq(handle_alloc(&t, &objects[0], &h[0]), 0);
	ck_assert_int_eq(handle_alloc(&t, &objects[1], &h[1]), 0);
	ck_assert_int_eq(handle_alloc(&t, &objects[2], &extra), -ENOSPC);
	ck_assert_ptr_eq(handle_free(&t, h[1]), &objects[1]);
	ck_assert_int_eq(handle_alloc(&t, &objects[2], &h[2]), 0);
	ck_assert_ptr_eq(handle_get(&t, h[2]), &objects[2]);
	ck_assert_ptr_eq(handle_free(&t, h[0]), &objects[0]);
	ck_assert_ptr_eq(handle_free(&t, h[2]), &objects[2]);
	ck_assert_uint_eq(t.used, 0);
}
END_TEST

/* One slot, so each handle reuses the index of the one before */
START_TEST(a_handle_just_given_back_is_stale)
{
	uint32_t h, old = 0;

	ck_assert_int_eq(handle_table_init(&t, 1), 0);
	for (int i = 0; i < 20000; i++) {
		ck_assert_int_eq(handle_alloc(&t, &objects[0], &h), 0);
		ck_assert_uint_ne(h, old);
		ck_assert_ptr_null(handle_get(&t, old));
		ck_assert_ptr_null(handle_free(&t, old));
		ck_assert_ptr_eq(handle_free(&t, h), &objects[0]);
		ck_assert_ptr_null(handle_free(&t, h));
		old = h;
	}
}
END_TEST

START_TEST(walk_may_free)
{
	uint32_t h[8], pos = 0;
	int n = 0;

	ck_assert_int_eq(handle_table_init(&t, 8), 0);
	for (int i = 0; i < 8; i++)
		ck_assert_int_eq(handle_alloc(&t, &objects[i], &h[i]), 0);
	handle_free(&t, h[3]);
	for (int *o; (o = handle_next(&t, &pos)); n++) {
		ck_assert_ptr_ne(o, &objects[3]);
		handle_free(&t, h[o - objects]);
	}
	ck_assert_int_eq(n, 7);
	ck_assert_uint_eq(t.used, 0);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("handle");
	TCase *tc = tcase_create("handle");
	SRunner *r;
	int failed;

	tcase_add_checked_fixture(tc, NULL, teardown);
	tcase_add_test(tc, limits);
	tcase_add_test(tc, no_small_number_is_a_handle);
	tcase_add_test(tc, full_then_free_again);
	tcase_add_test(tc, a_handle_just_given_back_is_stale);
	tcase_add_test(tc, walk_may_free);
	suite_add_tcase(s, tc);
	r = srunner_create(s);
	srunner_run_all(r, CK_NORMAL);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
