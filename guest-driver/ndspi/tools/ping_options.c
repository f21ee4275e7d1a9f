/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-or-later */
/*
 * ping_options.c - nd_ping's command line
 */
#include <getopt.h>
#include <stdio.h>
#include <string.h>

#include "ping.h"

static const char usage[] =
	"usage: nd_ping -s [-a LOCAL_ADDRESS] [-n CONNECTIONS] [options]\n"
	"       nd_ping -c PEER_ADDRESS [-a LOCAL_ADDRESS] [options]\n"
	"\n"
	"Moves data between two RDMA adapters by NetworkDirect, checks it byte\n"
	"by byte and disconnects gracefully.  Start the server first.\n"
	"\n"
	"Which end\n"
	"  -s            server: listen and serve\n"
	"  -c ADDRESS    client: connect to ADDRESS (IPv4 or IPv6)\n"
	"  -a ADDRESS    use the adapter with this address\n"
	"  -p PORT       port of the server (18515)\n"
	"  -n N          server: end after N connections (1)\n"
	"  -P TEXT       private data to send with the connection\n"
	"\n"
	"What to do; the client decides\n"
	"  -m OP         send, write or read (send)\n"
	"  -t TEST       verify: every byte of every transfer; bw: as fast as it\n"
	"                goes; lat: one at a time, half of a round trip for send,\n"
	"                post to completion for write and read (verify)\n"
	"  -S SIZE       bytes of one transfer, suffix K, M, G (64K)\n"
	"  -C COUNT      transfers (16)\n"
	"  -q DEPTH      transfers under way at once, 1 to 256 (16)\n"
	"  -K            keep writing and checking until SIGTERM or until the\n"
	"                connection ends\n"
	"\n"
	"How, each end for itself\n"
	"  -w poll|wait  poll for completions, or arm the queue and sleep (poll)\n"
	"  -T SECONDS    longest wait for anything (30)\n"
	"  -v            say more\n"
	"\n"
	"The end\n"
	"  -D WHO        who disconnects first: client, server, both; or\n"
	"                hold=SECONDS: the client does, the server answers that\n"
	"                much later (client)\n"
	"  -H FILE       answer the peer's disconnect only once FILE exists\n"
	"  -L            post a send and a receive after the disconnect and tell\n"
	"                how they end\n"
	"\n"
	"Exit status: 0 fine, 1 failed, 2 usage, 3 the connection was lost.\n"
	"\n"
	"  nd_ping -s                              on one machine, then\n"
	"  nd_ping -c 192.0.2.1 -m write -S 64M    on another\n"
	"  nd_ping -c 192.0.2.1 -t lat -S 64 -C 1000\n";

const char *const ping_op_names[OP_COUNT] = { "send", "write", "read" };
static const char *const test_names[TEST_COUNT] = { "verify", "bw", "lat" };
static const char *const who_names[WHO_COUNT] = { "client", "server", "both" };

/* index of text, or -1 */
static int find(const char *const *names, int n, const char *text)
{
	int i;

	for (i = 0; i < n; i++)
		if (!strcmp(names[i], text))
			return i;
	return -1;
}

static bool take_who(struct options *o, const char *text)
{
	uint64_t seconds;
	int i = find(who_names, WHO_COUNT, text);

	o->who_given = true;
	if (i >= 0) {
		o->who = (enum ping_who)i;
		return true;
	}
	if (strncmp(text, "hold=", 5) ||
	    !tool_parse_size(text + 5, 0, 3600, &seconds))
		return tool_error("-D %s: give client, server, both or "
				  "hold=SECONDS", text);
	o->who = WHO_CLIENT;
	o->hold_ms = (uint32_t)seconds * 1000;
	return true;
}

static bool take_op(struct options *o, const char *text)
{
	int i = find(ping_op_names, OP_COUNT, text);

	if (i < 0)
		return tool_error("-m %s: give send, write or read", text);
	o->op = (enum ping_op)i;
	return true;
}

static bool take_test(struct options *o, const char *text)
{
	int i = find(test_names, TEST_COUNT, text);

	if (i < 0)
		return tool_error("-t %s: give verify, bw or lat", text);
	o->test = (enum ping_test)i;
	return true;
}

static bool take_wait(struct options *o, const char *text)
{
	if (strcmp(text, "poll") && strcmp(text, "wait"))
		return tool_error("-w %s: give poll or wait", text);
	o->wait = text[0] == 'w';
	return true;
}

static bool number(char opt, const char *text, uint64_t min, uint64_t max,
		   uint64_t *out)
{
	if (tool_parse_size(text, min, max, out))
		return true;
	return tool_error("-%c %s: give a number from %llu to %llu", opt, text,
			  (unsigned long long)min, (unsigned long long)max);
}

static bool address(char opt, const char *text, struct sockaddr_storage *addr,
		    ULONG *cb)
{
	if (tool_parse_addr(text, addr, cb))
		return true;
	return tool_error("-%c %s: give an IPv4 or IPv6 address", opt, text);
}

static bool take_number(int opt, struct options *o, const char *text)
{
	uint64_t v;

	switch (opt) {
	case 'p':
		if (!number('p', text, 0, 65535, &v))
			return false;
		o->port = (uint16_t)v;
		return true;
	case 'n':
		if (!number('n', text, 1, 1000000, &v))
			return false;
		o->connections = (uint32_t)v;
		return true;
	case 'S':
		return number('S', text, 0, 1ull << 32, &o->size);
	case 'C':
		if (!number('C', text, 1, UINT32_MAX, &v))
			return false;
		o->count = (uint32_t)v;
		return true;
	case 'q':
		if (!number('q', text, 1, PING_MAX_DEPTH, &v))
			return false;
		o->depth = (uint32_t)v;
		return true;
	default: /* 'T' */
		if (!number('T', text, 1, 86400, &v))
			return false;
		o->timeout = (double)v;
		return true;
	}
}

/* false: wrong, and said */
static bool take(int opt, struct options *o, const char *arg, unsigned *ends)
{
	switch (opt) {
	case 's':
		o->server = true;
		++*ends;
		return true;
	case 'c':
		++*ends;
		o->have_addr = true;
		return address('c', arg, &o->addr, &o->addr_cb);
	case 'a':
		o->have_local = true;
		return address('a', arg, &o->local, &o->local_cb);
	case 'P':
		o->text = arg;
		return true;
	case 'm':
		return take_op(o, arg);
	case 't':
		return take_test(o, arg);
	case 'w':
		return take_wait(o, arg);
	case 'D':
		return take_who(o, arg);
	case 'H':
		o->hold_file = arg;
		return true;
	case 'L':
		o->late = true;
		return true;
	case 'K':
		o->keep = true;
		return true;
	case 'v':
		o->verbose = true;
		return true;
	case '?':
		return tool_error("-%c: no such option; nd_ping -h lists them",
				  optopt);
	case ':':
		return tool_error("-%c: needs a value; nd_ping -h tells which",
				  optopt);
	default:
		return take_number(opt, o, arg);
	}
}

static const struct options defaults = {
	.port = 18515,
	.connections = 1,
	.text = "",
	.size = 65536,
	.count = 16,
	.depth = 16,
	.timeout = 30,
};

static bool consistent(struct options *o, unsigned ends)
{
	if (ends != 1)
		return tool_error("give -s or -c ADDRESS, one of them; "
				  "nd_ping -h tells more");
	if (strlen(o->text) > VIRTIO_RDMA_MAX_PRIVATE)
		return tool_error("-P: at most %d bytes",
				  VIRTIO_RDMA_MAX_PRIVATE);
	if (o->keep) {
		o->op = OP_WRITE;
		o->test = TEST_VERIFY;
	}
	return true;
}

int ping_options(int argc, char **argv, struct options *o)
{
	unsigned ends = 0;
	int opt;

	*o = defaults;
	opterr = 0;
	while ((opt = getopt(argc, argv,
			     ":sc:a:p:n:P:m:t:S:C:q:w:T:D:H:LKvh")) != -1) {
		if (opt == 'h') {
			fputs(usage, stdout);
			return EXIT_OK;
		}
		if (!take(opt, o, optarg, &ends))
			return EXIT_USAGE;
	}
	if (optind != argc) {
		tool_error("%s: no such argument; nd_ping -h tells more",
			   argv[optind]);
		return EXIT_USAGE;
	}
	return consistent(o, ends) ? -1 : EXIT_USAGE;
}
