/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * transport.h - which transport the two guests of a test are joined by
 *
 * DOC: VRDMA_BACKEND names it; every test that uses fixture.h runs over it.  The
 * hooks put guests and daemons into struct fixture.  "local": both guests are
 * served by one vrdmad.  A transport between hosts has a vrdmad for each.
 */
#ifndef TESTS_TRANSPORT_H
#define TESTS_TRANSPORT_H

#include <stdbool.h>

struct daemon_opts;
struct daemon;

struct test_backend {
	const char *name;
	/* The death of one guest's vrdmad is the death of the other's */
	bool one_daemon;
	/* The peer can tell an abort from a disconnect: see docs/verbs.md */
	bool tells_aborts;
	/* Its device says which messages asked for an event; else all do */
	bool tells_solicited;
	/* Each scattered page is a mapping of the host's: it has a limit */
	bool limits_pieces;
	/* False: stderr says why */
	bool (*start)(const struct daemon_opts *opts);
	/* The vrdmad that serves guest i */
	struct daemon *(*daemon)(int guest);
	/* Stops what runs, removes what start() made; false: one of them did not
	 * end with status 0 */
	bool (*stop)(void);
};

/* All of them, as if their host had died, and came back */
void test_daemons_kill(void);
bool test_daemons_restart(void);
/* SIGTERM; true: each ended with status 0 */
bool test_daemons_stop(void);

/* Exits with status 2 when VRDMA_BACKEND names none */
const struct test_backend *test_backend(void);

#endif /* TESTS_TRANSPORT_H */
