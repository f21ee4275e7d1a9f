// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * transport.c - the transports that tests can run over
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "transport.h"
#include "fixture.h"

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

/* --- all of them ---------------------------------------------------------------- */

static const struct test_backend backends[] = {
	{ "local", true, local_start, local_daemon, local_stop },
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
