// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * test_uapi.c - the tests of vrdma_uapi, which makes wrong system calls, each as one
 *
 * Not the one of RLIMIT_MEMLOCK, which wants a process of its own: test_death.c.
 */
#include "fixture.h"
#include "userdev.h"

int vrdma_uapi_main(int argc, char **argv);

static const char *const tests[] = {
	"codes",    "read-only-argument", "reserved",  "ids",
	"windows",  "limits",		  "mmap",      "scribble",
	"srq",	    "register",		  "connector", "listener",
	"nonsense", "many-requests",
};
#define TESTS (sizeof(tests) / sizeof(tests[0]))

START_TEST(answers)
{
	char word[4][32] = { "vrdma_uapi", "1", "/dev/vrdma1" };
	char *argv[] = { word[0], word[1], word[2], word[3], NULL };

	snprintf(word[3], sizeof(word[3]), "%s", tests[_i]);
	ck_assert_int_eq(vrdma_uapi_main(4, argv), 0);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("uapi");
	TCase *tc = add_case(s, "wrong calls", 60);

	tcase_add_checked_fixture(tc, userdev_setup, userdev_teardown);
	tcase_add_loop_test(tc, answers, 0, TESTS);
	return run_suite(s);
}
