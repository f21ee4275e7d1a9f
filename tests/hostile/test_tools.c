// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * test_tools.c - what nd_info and nd_ping say to wrong arguments (2) and where
 * no device is (1): one line
 */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "fixture.h"
#include "run.h"

static const struct {
	const char *tool;
	const char *const args[8];
	const char *says;
} wrong[] = {
	{"nd_info", {"extra"}, "'extra'"},
	{"nd_info", {"-Z"}, "'-Z'"},
	{"nd_info", {"-d"}, "'-d'"},
	{"nd_info", {"-d", "x"}, "-d x: give a device number"},
	{"nd_info", {"-d", "64"}, "-d 64: give a device number"},
	{"nd_info", {"-a", "x"}, "-a x: give an IPv4 or IPv6"},
	{"nd_info", {"-d", "0", "-a", "10.0.0.1"}, "one of -d N and -a"},
	{"nd_ping", {NULL}, "give -s or -c"},
	{"nd_ping", {"-s", "-c", "10.0.0.1"}, "give -s or -c"},
	{"nd_ping", {"-Z"}, "-Z: no such option"},
	{"nd_ping", {"-s", "extra"}, "extra: no such argument"},
	{"nd_ping", {"-s", "-p"}, "-p: needs a value"},
	{"nd_ping", {"-s", "-p", "65536"}, "-p 65536: give a number"},
	{"nd_ping", {"-s", "-p", "-1"}, "-p -1: give a number"},
	{"nd_ping", {"-s", "-n", "x"}, "-n x: give a number"},
	{"nd_ping", {"-c", "10.0.0"}, "-c 10.0.0: give an IPv4"},
	{"nd_ping", {"-s", "-a", "here"}, "-a here: give an IPv4"},
	{"nd_ping", {"-c", "10.0.0.1", "-m", "x"}, "-m x: give send"},
	{"nd_ping", {"-c", "10.0.0.1", "-t", "x"}, "-t x: give"},
	{"nd_ping", {"-c", "10.0.0.1", "-w", "x"}, "-w x: give"},
	{"nd_ping", {"-c", "10.0.0.1", "-D", "x"}, "-D x: give"},
	{"nd_ping", {"-c", "10.0.0.1", "-D", "hold=x"}, "-D hold=x: give"},
	{"nd_ping", {"-c", "10.0.0.1", "-S", "1X"}, "-S 1X: give"},
	{"nd_ping", {"-c", "10.0.0.1", "-S", "99999G"}, "-S 99999G: give"},
	{"nd_ping", {"-c", "10.0.0.1", "-q", "257"}, "-q 257: give"},
	{"nd_ping", {"-c", "10.0.0.1", "-q", "0"}, "-q 0: give"},
	{"nd_ping", {"-c", "10.0.0.1", "-T", "0"}, "-T 0: give"},
};
#define WRONG (int)(sizeof(wrong) / sizeof(wrong[0]))

static void expect_line(const struct ran *r, const char *tool, const char *says)
{
	ck_assert_msg(r->err_lines == 1, "not one line: %s", r->err);
	ck_assert_msg(!strncmp(r->err, tool, strlen(tool)), "%s", r->err);
	ck_assert_msg(strstr(r->err, says), "'%s' is not in: %s", says, r->err);
}

START_TEST(wrong_arguments)
{
	struct ran r;

	run_tool(&r, wrong[_i].tool, wrong[_i].args);
	ck_assert_msg(r.status == 2, "exit status %d: %s", r.status, r.err);
	expect_line(&r, wrong[_i].tool, wrong[_i].says);
	ck_assert_str_eq(r.out, "");
}
END_TEST

START_TEST(private_data_too_long)
{
	static char text[2000];
	const char *const args[] = {"-s", "-P", text, NULL};
	struct ran r;

	memset(text, 'x', sizeof(text) - 1);
	run_tool(&r, "nd_ping", args);
	ck_assert_int_eq(r.status, 2);
	expect_line(&r, "nd_ping", "-P: at most");
}
END_TEST

static const struct {
	const char *tool;
	const char *const args[8];
} alone[] = {
	{"nd_info", {NULL}},
	{"nd_info", {"-d", "63"}},
	{"nd_info", {"-a", "10.255.255.1"}},
	{"nd_info", {"-a", "fd00:ffff::1"}},
	{"nd_ping", {"-s"}},
	{"nd_ping", {"-s", "-a", "10.255.255.1"}},
	{"nd_ping", {"-c", "10.255.255.1"}},
	{"nd_ping", {"-c", "fd00:ffff::1"}},
};

START_TEST(no_device)
{
	struct ran r;

	if (!access("/dev/vrdma0", F_OK))
		return; /* there is one here: not this test's place */
	run_tool(&r, alone[_i].tool, alone[_i].args);
	ck_assert_msg(r.status == 1, "exit status %d: %s", r.status, r.err);
	expect_line(&r, alone[_i].tool, ": ");
}
END_TEST

START_TEST(help_teaches)
{
	const char *const args[] = {"-h", NULL};
	const char *tool = _i ? "nd_ping" : "nd_info";
	struct ran r;

	run_tool(&r, tool, args);
	ck_assert_int_eq(r.status, 0);
	ck_assert_str_eq(r.err, "");
	ck_assert_ptr_nonnull(strstr(r.out, "usage: nd_"));
	ck_assert_ptr_nonnull(strstr(r.out, "Exit status: "));
}
END_TEST

int main(void)
{
	Suite *s = suite_create("tools");
	TCase *tc = add_case(s, "words", 60);

	tcase_add_loop_test(tc, wrong_arguments, 0, WRONG);
	tcase_add_test(tc, private_data_too_long);
	tcase_add_loop_test(tc, no_device, 0,
			    (int)(sizeof(alone) / sizeof(alone[0])));
	tcase_add_loop_test(tc, help_teaches, 0, 2);
	return run_suite(s);
}
