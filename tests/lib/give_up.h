/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * give_up.h - Check's assertions without Check: behind <check.h>, before what uses
 * them
 *
 * DOC: Check writes a record of each one that holds, for its parent.  That is too
 * much where there are some for each of a hundred million events, and counts where
 * instructions are counted.
 */
#ifndef TESTS_GIVE_UP_H
#define TESTS_GIVE_UP_H

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static void __attribute__((noreturn)) give_up(const char *file, int line,
					      const char *what)
{
	fprintf(stderr, "%s:%d: not so: %s\n", file, line, what);
	_exit(EXIT_FAILURE);
}

#undef ck_assert_msg
#define ck_assert_msg(cond, ...) \
	((cond) ? (void)0 : give_up(__FILE__, __LINE__, #cond))
#undef ck_abort_msg
#define ck_abort_msg(...) give_up(__FILE__, __LINE__, "reached")

#endif /* TESTS_GIVE_UP_H */
