// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * test_nd_info.c - nd_info on two adapters, and asked for one that is not there
 */
#define main nd_info_main
int nd_info_main(int argc, char **argv);
#include "../../guest-driver/ndspi/tools/nd_info.c"
#undef main

#include <check.h>
#include <sys/mman.h>
#include <unistd.h>

#include "nd_fake.h"

static int output;

static void setup(void)
{
	fake_install();
	fflush(stdout);
	output = memfd_create("output", 0);
	ck_assert_int_ge(dup2(output, STDOUT_FILENO), 0);
}

static int run(const char *option, const char *value)
{
	char word[3][16] = { "nd_info" };
	char *argv[] = { word[0], word[1], word[2], NULL };

	snprintf(word[1], sizeof(word[1]), "%s", option ? option : "");
	snprintf(word[2], sizeof(word[2]), "%s", value ? value : "");
	argv[option ? 3 : 1] = NULL;
	optind = 0;
	return nd_info_main(option ? 3 : 1, argv);
}

static bool printed(const char *what)
{
	static char text[16384];
	ssize_t n = pread(output, text, sizeof(text) - 1, 0);

	text[n > 0 ? n : 0] = 0;
	return strstr(text, what);
}

START_TEST(of_all)
{
	ck_assert_int_eq(run(NULL, NULL), EXIT_OK);
	ck_assert(printed("10.0.0.1"));
	ck_assert(printed("10.0.0.2"));
	ck_assert(printed("fd00::2"));
}
END_TEST

START_TEST(of_one)
{
	ck_assert_int_eq(run("-a", "10.0.0.2"), EXIT_OK);
	ck_assert_int_eq(run("-d", "1"), EXIT_OK);
	ck_assert(printed("10.0.0.2"));
	ck_assert(!printed("10.0.0.1"));
}
END_TEST

START_TEST(of_none)
{
	ck_assert_int_eq(run("-a", "10.0.0.9"), EXIT_FAILED);
	ck_assert_int_eq(run("-d", "2"), EXIT_FAILED);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("nd_info");
	TCase *t = tcase_create("info");
	SRunner *r;
	int failed;

	tcase_set_timeout(t, 60);
	tcase_add_checked_fixture(t, setup, fake_remove);
	tcase_add_test(t, of_all);
	tcase_add_test(t, of_one);
	tcase_add_test(t, of_none);
	suite_add_tcase(s, t);
	r = srunner_create(s);
	srunner_run_all(r, CK_ENV);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed != 0;
}
