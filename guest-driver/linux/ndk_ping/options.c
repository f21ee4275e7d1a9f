// SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-or-later
/*
 * options.c - ndk_ping's arguments, one a line, the same as nd_ping's
 */
#include <linux/inet.h>
#include <linux/kernel.h>
#include <linux/string.h>

#include "ping.h"

#define USAGE	2	/* exit status */

const char *const ping_op_names[OP_COUNT] = { "send", "write", "read" };
static const char *const test_names[TEST_COUNT] = { "verify", "bw", "lat" };
static const char *const who_names[WHO_COUNT] = { "client", "server", "both" };
static const char *const wait_names[] = { "poll", "wait" };

ULONG ping_addr_len(const union ping_addr *a)
{
	return a->sa.family == ND_AF_INET6 ? sizeof(a->in6) : sizeof(a->in);
}

bool ping_addr_parse(const char *text, u16 port, union ping_addr *out)
{
	memset(out, 0, sizeof(*out));
	if (in4_pton(text, -1, out->in.addr, -1, NULL)) {
		out->in.family = ND_AF_INET;
	} else if (in6_pton(text, -1, out->in6.addr, -1, NULL)) {
		out->in6.family = ND_AF_INET6;
	} else {
		return false;
	}
	/* the port lies alike in both */
	out->in.port[0] = port >> 8;
	out->in.port[1] = port & 0xff;
	return true;
}

static bool number(struct run *run, char opt, const char *text, u64 min,
		   u64 max, u64 *out)
{
	char *end;

	*out = memparse(text, &end);
	if (end != text && !*end && *out >= min && *out <= max)
		return true;
	return run_error(run, "-%c %s: give a number from %llu to %llu", opt,
			 text, min, max);
}

static bool number32(struct run *run, char opt, const char *text, u32 min,
		     u32 max, u32 *out)
{
	u64 v;

	if (!number(run, opt, text, min, max, &v))
		return false;
	*out = v;
	return true;
}

static bool one_of(struct run *run, char opt, const char *text,
		   const char *const *table, int n, u32 *out)
{
	int i = match_string(table, n, text);

	if (i < 0)
		return run_error(run, "-%c %s: not known; -h tells what is", opt,
				 text);
	*out = i;
	return true;
}

static bool take_text(struct run *run, char opt, const char *text, char *out,
		      size_t size)
{
	if (strscpy(out, text, size) >= 0)
		return true;
	return run_error(run, "-%c: longer than %zu bytes", opt, size - 1);
}

static bool take_who(struct run *run, struct options *o, const char *text)
{
	u32 who;
	u64 v;

	o->who_given = true;
	if (!strncmp(text, "hold=", 5)) {
		if (!number(run, 'D', text + 5, 0, 3600, &v))
			return false;
		o->who = WHO_CLIENT;
		o->hold_ms = v * MSEC_PER_SEC;
		return true;
	}
	if (!one_of(run, 'D', text, who_names, WHO_COUNT, &who))
		return false;
	o->who = who;
	return true;
}

static bool take_peer(struct run *run, struct options *o, const char *text)
{
	if (ping_addr_parse(text, 0, &o->peer))
		return true;
	return run_error(run, "-c %s: give an IPv4 or IPv6 address", text);
}

static bool take(struct run *run, struct options *o, char opt, const char *arg)
{
	u32 v = 0;

	switch (opt) {
	case 'c':
		return take_peer(run, o, arg);
	case 'a':
		return take_text(run, opt, arg, o->which, sizeof(o->which));
	case 'P':
		return take_text(run, opt, arg, o->text, sizeof(o->text));
	case 'H':
		return take_text(run, opt, arg, o->hold_file,
				 sizeof(o->hold_file));
	case 'D':
		return take_who(run, o, arg);
	case 'm':
		if (!one_of(run, opt, arg, ping_op_names, OP_COUNT, &v))
			return false;
		o->op = v;
		return true;
	case 't':
		if (!one_of(run, opt, arg, test_names, TEST_COUNT, &v))
			return false;
		o->test = v;
		return true;
	case 'w':
		if (!one_of(run, opt, arg, wait_names, 2, &v))
			return false;
		o->wait = v;
		return true;
	case 'p':
		if (!number32(run, opt, arg, 0, 65535, &v))
			return false;
		o->port = v;
		return true;
	case 'T':
		if (!number32(run, opt, arg, 1, 86400, &v))
			return false;
		o->timeout_ms = v * MSEC_PER_SEC;
		return true;
	case 'n':
		return number32(run, opt, arg, 1, 1000000, &o->connections);
	case 'C':
		return number32(run, opt, arg, 1, U32_MAX, &o->count);
	case 'q':
		return number32(run, opt, arg, 1, PING_MAX_DEPTH, &o->depth);
	case 'S':
		return number(run, opt, arg, 0, MAX_MEMORY / 2, &o->size);
	default:
		return run_error(run, "-%c: no such option; -h tells", opt);
	}
}

/* true: it was one */
static bool take_flag(struct options *o, char opt)
{
	switch (opt) {
	case 's':
		o->server = true;
		return true;
	case 'L':
		o->late = true;
		return true;
	case 'e':
		o->shared = true;
		return true;
	case 'K':
		o->keep = true;
		return true;
	case 'v':
		o->verbose = true;
		return true;
	default:
		return false;
	}
}

static const struct options defaults = {
	.port = 18515, .connections = 1, .size = 65536, .count = 16,
	.depth = 16, .timeout_ms = 30000,
};

static bool consistent(struct run *run, struct options *o)
{
	if (o->server == (o->peer.sa.family != 0))
		return run_error(run, "give -s or -c ADDRESS, one of them");
	if (o->keep) {
		o->op = OP_WRITE;
		o->test = TEST_VERIFY;
	}
	/* the port of -c is known only now */
	o->peer.in.port[0] = o->port >> 8;
	o->peer.in.port[1] = o->port & 0xff;
	return true;
}

static char *pop_arg(char **at, const char *end)
{
	return *at < end ? strsep(at, "\n") : NULL;
}

/* "-x", "-xVALUE" or "-x" and VALUE on the next line */
int ping_options(struct run *run, char *args, size_t len, struct options *o)
{
	const char *end = args + len;
	char *at = args, *arg, *value;

	*o = defaults;
	while (at && (arg = pop_arg(&at, end))) {
		if (!*arg && (!at || at >= end))
			break;		/* after the last newline */
		if (arg[0] != '-' || !arg[1]) {
			run_error(run, "%s: no such argument; -h tells", arg);
			return USAGE;
		}
		if (!arg[2] && take_flag(o, arg[1]))
			continue;
		value = arg[2] ? arg + 2 : at ? pop_arg(&at, end) : NULL;
		if (!value) {
			run_error(run, "-%c: needs a value; -h tells", arg[1]);
			return USAGE;
		}
		if (!take(run, o, arg[1], value))
			return USAGE;
	}
	return consistent(run, o) ? 0 : USAGE;
}
