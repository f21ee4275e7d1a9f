/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test_ndspi_status.c - user mode and kernel mode say the same of a completion
 *
 * The core's table is compiled in here; the two sets of headers share names, so
 * the library's function is declared by hand.
 */
#include "../../guest-driver/core/status.c"

#include <check.h>

int32_t nd_wc_status(uint8_t status);

START_TEST(agree)
{
	uint32_t i;

	for (i = 0; i < 256; i++)
		ck_assert_uint_eq((uint32_t)nd_wc_status((uint8_t)i),
				  (uint32_t)vrdma_status_from_wc(i));
}
END_TEST

int main(void)
{
	Suite *s = suite_create("ndspi_status");
	TCase *t = tcase_create("status");
	SRunner *r;
	int failed;

	tcase_add_test(t, agree);
	suite_add_tcase(s, t);
	r = srunner_create(s);
	srunner_run_all(r, CK_ENV);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed != 0;
}
