/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * fixture.h - a fresh vrdmad and two guests for every test
 */
#ifndef TESTS_FIXTURE_H
#define TESTS_FIXTURE_H

#include "ndk_util.h"
#include "vrdmad.h"

#define FX_MEM (64u << 20)	/* guest memory, unless a test asks for more */

/* Small tables: vrdmad starts and ends faster, above all under a sanitizer */
#define FX_SMALL \
	"max-qp = 2048\nmax-cq = 2048\nmax-mr = 2048\nmax-mw = 2048\n" \
	"max-connector = 2048\n"
/* And few queues, for tests that start a guest for each row of a table */
#define FX_FEW_QUEUES "num-ceq = 1\nnum-wakeq = 2\n"

struct fixture {
	struct daemon daemon;
	struct tguest *g[DAEMON_MAX_GUESTS];	/* of further ones than two those
						 * that fx_new_guest() started */
	size_t mem;			/* of a guest */
};
extern struct fixture fx;

/* Check's setup and teardown: every test in a process of its own */
void fx_setup(void);
void fx_teardown(void);
/* For tests with needs of their own, instead of fx_setup() */
void fx_start(const struct daemon_opts *opts, size_t mem);

/* A machine in guest i's place, the old one being switched off */
void fx_new_guest(int i);

/* A connected pair between guest i and guest j, and its end */
struct pair {
	struct ep a, b;
	struct listener l;
};
void pair_open(struct pair *p, int i, int j, const struct ep_opts *o);
void pair_close(struct pair *p);

/* main() of a test program */
int run_suite(Suite *s);
/* main() of a program that is not a list of tests and wants its assertions */
int run_plain(const char *name, void (*fn)(void));
TCase *add_case(Suite *s, const char *name, int timeout_s);

#endif /* TESTS_FIXTURE_H */
