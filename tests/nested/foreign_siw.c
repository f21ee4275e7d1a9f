// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * foreign_siw.c - tests whose A is on our iWARP and whose B is on siw
 */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "foreign.h"

void siw_setup(void)
{
	foreign_setup(10000, 5000);
}

TCase *siw_case(Suite *s, const char *name, int seconds)
{
	TCase *tc = add_case(s, name, seconds);

	tcase_add_checked_fixture(tc, siw_setup, fx_teardown);
	return tc;
}

void siw_needed(void)
{
	if (access("/sys/class/infiniband/siw1", F_OK)) {
		fprintf(stderr, "no siw1: tests/nested/siw.py puts it on the "
			"cable, in the machine of scripts/nested.py\n");
		exit(2);
	}
	setenv("VRDMA_BACKEND", "iwarp", 1);
	setenv("VRDMA_NET", "here", 1);
}
