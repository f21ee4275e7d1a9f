/* SPDX-License-Identifier: GPL-2.0-or-later */
/* test_ports.c - which end points are taken */
#include <check.h>
#include <errno.h>
#include <stdlib.h>

#include "../../qemu-device/model/addr.h"
#include "../../qemu-device/model/ports.h"

static struct ports ports;

static void setup(void)
{
	ports_init(&ports);
}

static struct be_addr at(const char *ip, uint16_t port)
{
	struct be_addr a;

	ck_assert_int_eq(addr_parse(ip, &a), 0);
	a.port = port;
	return a;
}

static int take(const char *ip, uint16_t port, struct endpoint **out)
{
	struct be_addr a = at(ip, port);

	return ports_take(&ports, &a, out);
}

static const struct {
	const char *first;
	uint16_t first_port;
	const char *second;
	uint16_t second_port;
	int expect;
} pairs[] = {
	{"10.0.0.1", 7, "10.0.0.1", 7, -EADDRINUSE},
	{"10.0.0.1", 7, "10.0.0.1", 8, 0},
	{"10.0.0.1", 7, "10.0.0.1", 7 + PORTS_BUCKETS, 0},
	{"10.0.0.1", 7, "10.0.0.2", 7, 0},
	{"0.0.0.0", 7, "10.0.0.2", 7, -EADDRINUSE},
	{"10.0.0.2", 7, "0.0.0.0", 7, -EADDRINUSE},
	{"0.0.0.0", 7, "0.0.0.0", 7, -EADDRINUSE},
	{"0.0.0.0", 7, "10.0.0.2", 8, 0},
	/* the families are two worlds */
	{"0.0.0.0", 7, "fd00::1", 7, 0},
	{"::", 7, "10.0.0.1", 7, 0},
	{"::", 7, "fd00::1", 7, -EADDRINUSE},
	{"fd00::1", 7, "fd00::2", 7, 0},
};

START_TEST(conflicts)
{
	struct endpoint *a = NULL;
	struct endpoint *b = NULL;

	ck_assert_int_eq(take(pairs[_i].first, pairs[_i].first_port, &a), 0);
	ck_assert_int_eq(take(pairs[_i].second, pairs[_i].second_port, &b),
			 pairs[_i].expect);
	endpoint_put(a);
	/* whatever stood in the way is gone */
	if (!b)
		ck_assert_int_eq(
			take(pairs[_i].second, pairs[_i].second_port, &b), 0);
	endpoint_put(b);
	ck_assert_uint_eq(ports.count, 0);
}
END_TEST

START_TEST(last_reference_frees)
{
	struct endpoint *e;
	struct endpoint *other;

	ck_assert_int_eq(take("10.0.0.1", 7, &e), 0);
	endpoint_get(e);
	endpoint_get(e);
	endpoint_put(e);
	endpoint_put(e);
	ck_assert_int_eq(take("10.0.0.1", 7, &other), -EADDRINUSE);
	endpoint_put(e);
	ck_assert_int_eq(take("10.0.0.1", 7, &other), 0);
	endpoint_put(other);
	endpoint_put(NULL);
}
END_TEST

START_TEST(ephemeral_range)
{
	uint32_t n = PORTS_EPHEMERAL_LAST - PORTS_EPHEMERAL_FIRST + 1;
	struct endpoint **e = calloc(n, sizeof(*e));
	uint8_t *seen = calloc(1, 65536);
	struct endpoint *more;
	uint16_t port;

	for (uint32_t i = 0; i < n; i++) {
		ck_assert_int_eq(take("10.0.0.1", 0, &e[i]), 0);
		port = e[i]->addr.port;
		ck_assert_uint_ge(port, PORTS_EPHEMERAL_FIRST);
		ck_assert(!seen[port]);
		seen[port] = 1;
	}
	ck_assert_int_eq(take("10.0.0.1", 0, &more), -EADDRNOTAVAIL);
	/* another address has ports of its own */
	ck_assert_int_eq(take("10.0.0.2", 0, &more), 0);
	endpoint_put(more);
	/* the only one that comes free is the one that is found */
	port = e[1234]->addr.port;
	endpoint_put(e[1234]);
	ck_assert_int_eq(take("10.0.0.1", 0, &e[1234]), 0);
	ck_assert_uint_eq(e[1234]->addr.port, port);
	for (uint32_t i = 0; i < n; i++)
		endpoint_put(e[i]);
	ck_assert_uint_eq(ports.count, 0);
	free(seen);
	free(e);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("ports");
	TCase *t = tcase_create("all");
	SRunner *r;
	int failed;

	tcase_add_checked_fixture(t, setup, NULL);
	tcase_add_loop_test(t, conflicts, 0,
			    (int)(sizeof(pairs) / sizeof(pairs[0])));
	tcase_add_test(t, last_reference_frees);
	tcase_add_test(t, ephemeral_range);
	suite_add_tcase(s, t);
	r = srunner_create(s);
	srunner_run_all(r, CK_NORMAL);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
