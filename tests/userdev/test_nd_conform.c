// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * test_nd_conform.c - each case of nd_conform as a test, both ends in one guest
 */
#define main nd_conform_main
int nd_conform_main(int argc, char **argv);
#include "../guest/nd_conform.c"
#undef main

#include <check.h>

#include "nd_fake.h"

static void setup(void)
{
	struct sockaddr_in sa = fake_v4(0, 0);

	fake_install();
	memcpy(&address, &sa, sizeof(sa));
	address_len = sizeof(sa);
	ck_assert(open_all());
}

static void teardown(void)
{
	close_all();
	fake_remove();
}

START_TEST(conforms)
{
	run_case((size_t)_i);
	ck_assert_msg(passed == 1 && !failed, "%s", why_text);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("nd_conform");
	TCase *t = tcase_create("cases");
	SRunner *r;
	int bad;

	tcase_set_timeout(t, 60);
	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_loop_test(t, conforms, 0, CASES);
	suite_add_tcase(s, t);
	r = srunner_create(s);
	srunner_run_all(r, CK_ENV);
	bad = srunner_ntests_failed(r);
	srunner_free(r);
	return bad != 0;
}
