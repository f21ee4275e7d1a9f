/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * transport.h - what the tests ask of the transport between two guests
 *
 * DOC: Takes the place of tests/lib/transport.h.  Both guests are one.  What
 * belongs to the daemon is for tests that do not run here: it fails.
 */
#ifndef TESTS_TRANSPORT_H
#define TESTS_TRANSPORT_H

#include <linux/types.h>

struct test_backend {
	const char *name;
	bool one_daemon;
	bool tells_aborts;
	bool tells_solicited;
	bool limits_pieces;
};
const struct test_backend *test_backend(void);

void test_daemons_kill(void);
bool test_daemons_restart(void);

#endif /* TESTS_TRANSPORT_H */
