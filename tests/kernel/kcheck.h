/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * kcheck.h - as much of Check as the tests use, for tests in a kernel
 *
 * DOC: Each test runs in a thread of its own.  There is no way back out of one
 * whose assertion failed: it says why and stays where it is for good, with all it
 * holds, and so does the module; the next test has objects of its own.  An
 * assertion that fails in a callback, which is another's thread, is noted and
 * fails the test when it ends.
 */
#ifndef TESTS_KERNEL_KCHECK_H
#define TESTS_KERNEL_KCHECK_H

#include <linux/compiler.h>
#include <linux/string.h>
#include <linux/types.h>

typedef struct kc_suite Suite;
typedef struct kc_case TCase;
typedef void kc_test(int i);
typedef void kc_fixture(void);

Suite *suite_create(const char *name);
TCase *kc_case_add(Suite *s, const char *name, int timeout_s);
void tcase_add_checked_fixture(TCase *tc, kc_fixture *before,
			       kc_fixture *after);
void kc_test_add(TCase *tc, const char *name, kc_test *fn, int from, int to);
/* Runs and frees it: 0, or not all passed */
int kc_run(Suite *s);

#define START_TEST(name)	static void name##_fn(int _i __maybe_unused)
#define END_TEST
#define tcase_add_test(tc, name) kc_test_add(tc, #name, name##_fn, 0, 1)
#define tcase_add_loop_test(tc, name, from, to) \
	kc_test_add(tc, #name, name##_fn, from, to)

/* main() of a program: the build calls it ndk_suite_<name> */
int main(void);

/* Does not return to a test */
__printf(3, 4) void kc_fail(const char *file, int line, const char *fmt, ...);

#define ck_abort_msg(...)	kc_fail(__FILE__, __LINE__, __VA_ARGS__)
#define ck_assert_msg(cond, ...)				\
	do {							\
		if (!(cond))					\
			ck_abort_msg(__VA_ARGS__);		\
	} while (0)
#define ck_assert(cond)		ck_assert_msg(cond, "%s", #cond)

#define KC_COMPARE(type, fmt, a, op, b, text)				\
	do {								\
		const type a_ = (type)(a), b_ = (type)(b);		\
									\
		ck_assert_msg(a_ op b_, "not " fmt " " #op " " fmt ": %s",	\
			      a_, b_, text);				\
	} while (0)
#define KC_INT(a, op, b)	KC_COMPARE(s64, "%lld", a, op, b, #a)
#define KC_UINT(a, op, b)	KC_COMPARE(u64, "0x%llx", a, op, b, #a)
#define KC_PTR(a, op, b) \
	KC_COMPARE(u64, "0x%llx", (uintptr_t)(a), op, (uintptr_t)(b), #a)

#define ck_assert_int_eq(a, b)	KC_INT(a, ==, b)
#define ck_assert_int_ne(a, b)	KC_INT(a, !=, b)
#define ck_assert_int_lt(a, b)	KC_INT(a, <, b)
#define ck_assert_int_le(a, b)	KC_INT(a, <=, b)
#define ck_assert_int_gt(a, b)	KC_INT(a, >, b)
#define ck_assert_int_ge(a, b)	KC_INT(a, >=, b)
#define ck_assert_uint_eq(a, b)	KC_UINT(a, ==, b)
#define ck_assert_uint_ne(a, b)	KC_UINT(a, !=, b)
#define ck_assert_uint_lt(a, b)	KC_UINT(a, <, b)
#define ck_assert_uint_le(a, b)	KC_UINT(a, <=, b)
#define ck_assert_uint_gt(a, b)	KC_UINT(a, >, b)
#define ck_assert_uint_ge(a, b)	KC_UINT(a, >=, b)
#define ck_assert_ptr_eq(a, b)	KC_PTR(a, ==, b)
#define ck_assert_ptr_ne(a, b)	KC_PTR(a, !=, b)
#define ck_assert_ptr_null(a)	KC_PTR(a, ==, NULL)
#define ck_assert_ptr_nonnull(a) KC_PTR(a, !=, NULL)
#define ck_assert_mem_eq(a, b, n) \
	ck_assert_msg(!memcmp(a, b, n), "%s and %s differ", #a, #b)
#define ck_assert_str_eq(a, b)	\
	ck_assert_msg(!strcmp(a, b), "%s is \"%s\", not %s", #a, a, #b)

#endif /* TESTS_KERNEL_KCHECK_H */
