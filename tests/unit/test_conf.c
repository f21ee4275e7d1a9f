// SPDX-License-Identifier: GPL-2.0-or-later
/* test_conf.c - the configuration: what it takes, and how it says no */
#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "addr.h"
#include "conf.h"

static struct conf conf;
static char err[CONF_ERR_LEN];
static char path[] = "/tmp/vrdma-conf-XXXXXX";

static int read_text(const char *text)
{
	int fd, ret;

	strcpy(path + strlen(path) - 6, "XXXXXX");
	fd = mkstemp(path);
	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(write(fd, text, strlen(text)), (ssize_t)strlen(text));
	close(fd);
	err[0] = '\0';
	conf_defaults(&conf);
	ret = conf_read(&conf, path, err);
	unlink(path);
	return ret ? ret : conf_check(&conf, err);
}

START_TEST(two_guests)
{
	char a[ADDR_STRLEN];

	ck_assert_int_eq(
		read_text("# a comment\n; another\n\n"
			  "[vrdmad]\npoll-us = 7\nlog-level=warn\nworkers = 3\n"
			  "socket-mode = 660\nsocket-group = 4294967294\n"
			  "[guest a]\r\nsocket = /run/a b.sock\r\naddress = "
			  "10.0.0.1, fd00::1\n"
			  "address=10.0.0.3\nmax-qp = "
			  "0x10\nallow-unsealed-memory = yes\nweight = 5\n"
			  "[guest  b-2.x]\nsocket=/run/b\naddress=10.0.0.2"),
		0);
	ck_assert_str_eq(err, "");
	ck_assert_uint_eq(conf.poll_us, 7);
	ck_assert_uint_eq(conf.workers, 3);
	ck_assert_int_eq(conf.log_level, VL_WARN);
	ck_assert_uint_eq(conf.socket_mode, 0660);
	ck_assert_uint_eq(conf.socket_gid, 4294967294u);
	ck_assert_uint_eq(conf.guest_count, 2);
	ck_assert_str_eq(conf.guest[0].name, "a");
	ck_assert_str_eq(conf.guest[0].socket, "/run/a b.sock");
	ck_assert_uint_eq(conf.guest[0].naddr, 3);
	ck_assert_str_eq(addr_format(&conf.guest[0].addr[1], a), "fd00::1");
	ck_assert_uint_eq(conf.guest[0].max_qp, 16);
	ck_assert(conf.guest[0].allow_unsealed_memory);
	ck_assert_str_eq(conf.guest[1].name, "b-2.x");
	ck_assert_uint_eq(conf.guest[1].max_qp, 16384);
	ck_assert_uint_eq(conf.guest[0].weight, 5);
	ck_assert_uint_eq(conf.guest[1].weight, 1);
	ck_assert(!conf.guest[1].allow_unsealed_memory);
}
END_TEST

#define G "[guest a]\nsocket = /s\naddress = 10.0.0.1\n"

/* Each is wrong in one place; the message names the line and says this */
/* clang-format off */
static const struct { const char *text, *line, *says; } bad[] = {
	{ "", "", "no guest is configured" },
	{ "[vrdmad]\npoll-us = 1\n", "", "no guest is configured" },
	{ "poll-us = 1\n", ":1:", "before the first section" },
	{ "[vrdmad]\nnonsense\n", ":2:", "neither [section] nor key" },
	{ "[vrdmad\n", ":1:", "neither [section] nor key" },
	{ "[host]\nsocket = /s\n", ":2:", "unknown section" },
	{ "[guest]\nsocket = /s\n", ":2:", "unknown section" },
	{ "[guest a/b]\nsocket = /s\n", ":2:", "no name" },
	{ "[guest abcdefghijklmnopqrstuvwxyzabcdefg]\nmax-qp = 1\n", ":2:",
	  "no name" },
	{ G "[guest b]\nsocket = /t\n[guest a]\nmax-qp = 1\n", ":7:",
	  "there already" },
	{ G "[guest a]\nsocket = /t\n", ":5:", "one socket per guest" },
	{ "[vrdmad]\nsocket = /s\n", ":2:", "[guest NAME] section" },
	{ G "poll-us = 1\n", ":4:", "[vrdmad] section" },
	{ G "max-qq = 1\n", ":4:", "unknown key" },
	{ G "max-qp = \n", ":4:", "not a number" },
	{ G "max-qp = 12x\n", ":4:", "not a number" },
	{ G "max-qp = -1\n", ":4:", "not a number" },
	{ G "max-qp = 0\n", ":4:", "out of range" },
	{ G "max-qp = 99999999999999999999999\n", ":4:", "out of range" },
	{ G "max-qp = 1048577\n", ":4:", "out of range" },
	{ G "max-send-depth = 48\n", ":4:", "power of two" },
	{ G "disconnect-timeout-ms = 0\n", ":4:", "out of range" },
	{ G "allow-unsealed-memory = maybe\n", ":4:", "yes or no" },
	{ "[vrdmad]\nworkers = 0\n", ":2:", "from 1 to 64" },
	{ "[vrdmad]\nworkers = 65\n", ":2:", "out of range" },
	{ "[vrdmad]\nworkers = two\n", ":2:", "not a number" },
	{ G "workers = 2\n", ":4:", "[vrdmad] section" },
	{ G "weight = 0\n", ":4:", "from 1 to 64" },
	{ G "weight = 65\n", ":4:", "out of range" },
	{ "[vrdmad]\nweight = 2\n", ":2:", "[guest NAME] section" },
	{ "[vrdmad]\nlog-level = loud\n", ":2:", "error, warn, info or debug" },
	{ "[vrdmad]\nsocket-mode = 0669\n", ":2:", "octal permissions" },
	{ "[vrdmad]\nsocket-mode = 0066\n", ":2:", "from 0600 to 0777" },
	{ "[vrdmad]\nsocket-mode = 02660\n", ":2:", "from 0600 to 0777" },
	{ "[vrdmad]\nsocket-mode =\n", ":2:", "octal permissions" },
	{ "[vrdmad]\nsocket-group = no such\n", ":2:", "no such group" },
	{ "[vrdmad]\nsocket-group = 4294967295\n", ":2:", "no such group" },
	{ "[vrdmad]\nsocket-group = -1\n", ":2:", "no such group" },
	{ G "socket-mode = 0660\n", ":4:", "[vrdmad] section" },
	{ G "socket = /t\n", ":4:", "one socket per guest" },
	{ "[guest a]\nsocket =\n", ":2:", "give a path" },
	{ "[guest a]\naddress = 10.0.0\n", ":2:", "not an IPv4" },
	{ "[guest a]\naddress = 10.0.0.1/24\n", ":2:", "not an IPv4" },
	{ "[guest a]\naddress = ,\n", ":2:", "empty" },
	{ "[guest a]\naddress = 0.0.0.0\n", ":2:", "unspecified" },
	{ "[guest a]\naddress = ::\n", ":2:", "unspecified" },
	{ G "address = 10.0.0.1\n", ":4:", "given twice" },
	{ "[guest a]\nsocket = /s\n", "", "has no address" },
	{ G "[guest b]\nsocket = /s\naddress = 10.0.0.2\n", "", "same socket /s" },
	{ G "[guest b]\nsocket = /t\naddress = 10.0.0.1\n", "",
	  "same address 10.0.0.1" },
	{ G "max-send-sge = 4\n", "", "max-read-sge" },
};
/* clang-format on */

START_TEST(mistakes_are_named)
{
	ck_assert_int_eq(read_text(bad[_i].text), -EINVAL);
	ck_assert_msg(strstr(err, bad[_i].line) && strstr(err, bad[_i].says),
		      "'%s' lacks '%s' or '%s'", err, bad[_i].line,
		      bad[_i].says);
	if (bad[_i].line[0])
		ck_assert_msg(strstr(err, path), "%s", err);
	ck_assert_msg(!strchr(err, '\n'), "more than one line: %s", err);
}
END_TEST

START_TEST(too_many)
{
	char text[8192] = "";

	for (int i = 0; i <= VIRTIO_RDMA_MAX_ADDRESSES; i++)
		sprintf(text + strlen(text),
			i ? "address = 10.0.0.%d\n"
			  : "[guest a]\naddress = 10.0.0.%d\n",
			i + 1);
	ck_assert_int_eq(read_text(text), -EINVAL);
	ck_assert_ptr_nonnull(strstr(err, "at most"));

	text[0] = '\0';
	for (int i = 0; i <= CONF_MAX_GUESTS; i++)
		sprintf(text + strlen(text), "[guest g%d]\nmax-qp = 1\n", i);
	ck_assert_int_eq(read_text(text), -EINVAL);
	ck_assert_ptr_nonnull(strstr(err, "second vrdmad"));

	memset(text, 'x', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	ck_assert_int_eq(read_text(text), -EINVAL);
	ck_assert_ptr_nonnull(strstr(err, "longer than"));
}
END_TEST

/* By name; and without the keys the umask and the folder decide */
START_TEST(groups_and_defaults)
{
	ck_assert_int_eq(read_text("[vrdmad]\nsocket-group = root\n" G), 0);
	ck_assert_uint_eq(conf.socket_gid, 0);
	ck_assert_uint_eq(conf.socket_mode, CONF_UMASK);
	ck_assert_int_eq(read_text(G), 0);
	ck_assert_uint_eq(conf.socket_gid, CONF_NO_GID);
	ck_assert(conf_key_is_global("socket-group"));
	ck_assert(!conf_key_is_global("socket"));
	ck_assert(!conf_key_is_global("no-such"));
}
END_TEST

START_TEST(no_file)
{
	conf_defaults(&conf);
	ck_assert_int_eq(conf_read(&conf, "/nonexistent/conf", err), -ENOENT);
	ck_assert_ptr_nonnull(strstr(err, "/nonexistent/conf"));
	ck_assert_int_lt(conf_read(&conf, "/tmp", err), 0);
}
END_TEST

/* ------------------------------------------------------------- addresses */

START_TEST(abi_addresses)
{
	struct virtio_rdma_addr a = {.family = VIRTIO_RDMA_AF_INET,
				     .port = vr_to_le16(7),
				     .ip = {10, 0, 0, 1}},
				back;
	struct be_addr b;
	char text[ADDR_STRLEN];

	ck_assert_int_eq(addr_from_abi(&a, false, &b), 0);
	ck_assert_str_eq(addr_format(&b, text), "10.0.0.1:7");
	addr_to_abi(&b, &back);
	ck_assert_mem_eq(&a, &back, sizeof(a));

	a.ip[4] = 1; /* not part of an IPv4 address */
	ck_assert_int_eq(addr_from_abi(&a, false, &b), -EINVAL);
	a.ip[4] = 0;
	a.reserved = 1;
	ck_assert_int_eq(addr_from_abi(&a, false, &b), -EINVAL);
	a.reserved = 0;
	a.scope_id = vr_to_le32(1);
	ck_assert_int_eq(addr_from_abi(&a, false, &b), -EINVAL);
	a.family = VIRTIO_RDMA_AF_INET6;
	ck_assert_int_eq(addr_from_abi(&a, false, &b), 0);
	a.family = 5;
	ck_assert_int_eq(addr_from_abi(&a, false, &b), -EINVAL);

	memset(&a, 0, sizeof(a));
	ck_assert_int_eq(addr_from_abi(&a, false, &b), -EINVAL);
	ck_assert_int_eq(addr_from_abi(&a, true, &b), 0);
	a.port = vr_to_le16(1);
	ck_assert_int_eq(addr_from_abi(&a, true, &b), -EINVAL);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("conf");
	TCase *t = tcase_create("conf");
	SRunner *r;
	int failed;

	tcase_add_test(t, two_guests);
	tcase_add_loop_test(t, mistakes_are_named, 0,
			    (int)(sizeof(bad) / sizeof(bad[0])));
	tcase_add_test(t, too_many);
	tcase_add_test(t, groups_and_defaults);
	tcase_add_test(t, no_file);
	tcase_add_test(t, abi_addresses);
	suite_add_tcase(s, t);
	r = srunner_create(s);
	srunner_run_all(r, CK_NORMAL);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
