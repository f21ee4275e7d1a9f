// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * fixture.c - a fresh vrdmad and two guests for every test
 */
#include <stdlib.h>

#include "transport.h"
#include "fixture.h"
#include "suite.h"

struct fixture fx;

void fx_start(const struct daemon_opts *opts, size_t mem)
{
	fx.mem = mem;
	ck_assert(test_backend()->start(opts));
	for (int i = 0; i < 2 && i < opts->guests; i++)
		fx_new_guest(i);
}

void fx_new_guest(int i)
{
	if (fx.g[i])
		tguest_stop(fx.g[i]);
	fx.g[i] = tguest_start(test_backend()->daemon(i)->socket[i], fx.mem);
	ck_assert_ptr_nonnull(fx.g[i]);
}

void fx_setup(void)
{
	struct daemon_opts o = {
		.guests = 2,
		.guest_section = "disconnect-timeout-ms = 2000\n"
				 "rnr-timeout-ms = 2000\n" FX_SMALL,
	};

	fx_start(&o, FX_MEM);
}

/* A test that passed has given everything back, the daemon too */
void fx_teardown(void)
{
	for (int i = 0; i < DAEMON_MAX_GUESTS; i++) {
		if (!fx.g[i])
			continue;
		ck_assert_uint_eq(vrdma_core_object_count(tguest_core(fx.g[i])),
				  0);
		tguest_stop(fx.g[i]);
		fx.g[i] = NULL;
	}
	ck_assert(test_backend()->stop());
}

int run_suite(Suite *s)
{
	return suite_run(s);
}

TCase *add_case(Suite *s, const char *name, int timeout_s)
{
	TCase *tc = tcase_create(name);

	tcase_set_timeout(tc, timeout_s);
	suite_add_tcase(s, tc);
	return tc;
}

static void (*plain_body)(void);

START_TEST(plain)
{
	plain_body();
}
END_TEST

int run_plain(const char *name, void (*fn)(void))
{
	Suite *s = suite_create(name);
	SRunner *r;
	int failed;

	plain_body = fn;
	tcase_add_test(add_case(s, name, 0), plain);
	r = srunner_create(s);
	srunner_set_fork_status(r, CK_NOFORK);
	srunner_run_all(r, CK_MINIMAL);
	failed = srunner_ntests_failed(r);
	if (failed)
		srunner_print(r, CK_NORMAL);
	srunner_free(r);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
