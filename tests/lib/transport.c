// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * transport.c - the transports that tests can run over
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fixture.h"
#include "netns.h"
#include "transport.h"

/* --- local: two guests of one vrdmad ------------------------------------------ */

static bool local_start(const struct daemon_opts *opts)
{
	return daemon_start(&fx.daemon, opts);
}

static struct daemon *local_daemon(int guest)
{
	(void)guest;
	return &fx.daemon;
}

static bool local_stop(void)
{
	bool ok = !daemon_alive(&fx.daemon) || !daemon_stop(&fx.daemon);

	daemon_cleanup(&fx.daemon);
	return ok;
}

/* --- a vrdmad for each guest --------------------------------------------------- */

static struct daemon second;

/* o->own is written to: lines[i] come first in guest i's section */
static bool two_start(const struct daemon_opts *opts, const char *const lines[2])
{
	static char own[2][1024];
	struct daemon_opts o = *opts;

	for (int i = 0; i < 2; i++) {
		snprintf(own[i], sizeof(own[i]), "%s%s", lines[i],
			 opts->own[i] ? opts->own[i] : "");
		o.own[i] = own[i];
	}
	for (int i = 2; i < opts->guests; i++)
		o.own[i] = own[1];
	if (opts->guests < 2)
		return daemon_start(&fx.daemon, &o);
	/* any further ones are neighbours of the second */
	o.guests = 1;
	if (!daemon_start(&fx.daemon, &o))
		return false;
	o.first = 1;
	o.guests = opts->guests - 1;
	return daemon_start(&second, &o);
}

static struct daemon *two_daemon(int guest)
{
	return guest ? &second : &fx.daemon;
}

static bool stop_one(struct daemon *d)
{
	bool ok = !daemon_alive(d) || !daemon_stop(d);

	daemon_cleanup(d);
	return ok;
}

static bool two_stop(void)
{
	bool ok = stop_one(&fx.daemon);

	return (!second.guests || stop_one(&second)) && ok;
}

/* --- iwarp: TCP between them ----------------------------------------------------- */

static const char *setting(const char *name, const char *otherwise)
{
	const char *value = getenv(name);

	return value && value[0] ? value : otherwise;
}

/* VRDMA_FABRIC has other options than the default's.  VRDMA_NET=here: no network
 * of the test's own, this one has the guests' addresses */
static bool iwarp_start(const struct daemon_opts *opts)
{
	bool here = !strcmp(setting("VRDMA_NET", "own"), "here");
	char line[256];

	snprintf(line, sizeof(line), "fabric = %s\n",
		 setting("VRDMA_FABRIC", "iwarp"));
	return (here || netns_enter()) &&
	       two_start(opts, (const char *const[2]){line, line});
}

/* --- verbs: an RDMA device for each --------------------------------------------- */

/* The devices are there, with the guests' addresses, and a way between them */
static bool verbs_start(const struct daemon_opts *opts)
{
	char a[256], b[256];

	snprintf(a, sizeof(a), "fabric = verbs:%s\nlocal = no\n",
		 setting("VRDMA_VERBS_A", "rxe0"));
	snprintf(b, sizeof(b), "fabric = verbs:%s\nlocal = no\n",
		 setting("VRDMA_VERBS_B", "rxe1"));
	return two_start(opts, (const char *const[2]){a, b});
}

/* --- all of them ---------------------------------------------------------------- */

static const struct test_backend backends[] = {
	{ .name = "local",
	  .one_daemon = true,
	  .tells_aborts = true,
	  .tells_solicited = true,
	  .start = local_start,
	  .daemon = local_daemon,
	  .stop = local_stop },
	{ .name = "iwarp",
	  .tells_aborts = true,
	  .tells_solicited = true,
	  .start = iwarp_start,
	  .daemon = two_daemon,
	  .stop = two_stop },
	{ .name = "verbs",
	  .limits_pieces = true,
	  .start = verbs_start,
	  .daemon = two_daemon,
	  .stop = two_stop },
};

const struct test_backend *test_backend(void)
{
	const size_t n = sizeof(backends) / sizeof(backends[0]);
	const char *name = getenv("VRDMA_BACKEND");

	if (!name || !name[0])
		return &backends[0];
	for (size_t i = 0; i < n; i++)
		if (!strcmp(name, backends[i].name))
			return &backends[i];
	fprintf(stderr, "VRDMA_BACKEND=%s: there is no such backend; use one of:",
		name);
	for (size_t i = 0; i < n; i++)
		fprintf(stderr, " %s", backends[i].name);
	fputc('\n', stderr);
	exit(2);
}

static int daemons(void)
{
	return test_backend()->one_daemon ? 1 : 2;
}

void test_daemons_kill(void)
{
	/* at once: none of them sees another one go */
	for (int i = 0; i < daemons(); i++)
		if (daemon_alive(test_backend()->daemon(i)))
			kill(test_backend()->daemon(i)->pid, SIGSTOP);
	for (int i = 0; i < daemons(); i++)
		daemon_kill(test_backend()->daemon(i));
}

bool test_daemons_restart(void)
{
	bool ok = true;

	for (int i = 0; i < daemons() && ok; i++)
		ok = daemon_restart(test_backend()->daemon(i));
	return ok;
}

bool test_daemons_stop(void)
{
	bool ok = true;

	for (int i = 0; i < daemons(); i++)
		ok = !daemon_stop(test_backend()->daemon(i)) && ok;
	return ok;
}
