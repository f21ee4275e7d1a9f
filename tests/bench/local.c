// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * local.c - the path between two guests of one vrdmad
 *
 * DOC: Both guests are this process, with the real core in it, and vrdmad is the
 * real one, so what is measured is rings, worker and copy, without an emulated
 * CPU in between.  Prints its arguments and then figures, one line:
 *
 *	OP SIZE QPS MODE [LAYOUT]
 *		OP write, read or send; QPS 1..64; MODE polled: both sides look
 *		all the time; sleeping: the worker sleeps as soon as it has
 *		nothing to do (poll-us = 0) and the consumer waits for the event
 *		that it armed.  LAYOUT of the guest's memory: scattered, each 4 KiB
 *		page elsewhere (default), or contiguous.
 *		p50 p99 p999 mean	us from the post: of a write to the last
 *					byte at the target, of a send to the
 *					receive's completion, of a read to its
 *					own; sleeping: to the event (write, read:
 *					of the own completion)
 *		rate			M/s, each with a completion
 *		silent			M/s, one in 64 has a completion (of large
 *					messages more)
 *		bw			GB/s, of rate
 *		memcpy			GB/s between the same buffers, which lie
 *					in one piece for the caller
 *		pages			GB/s likewise, page by page as the device
 *					sees them
 *	connect		us of connect, accept and complete together: p50...; rate
 *			of connections, each ended by both, in K/s; of disconnects
 *			disconnect=, the median
 *	register 4k|2m	ms= for a region of 1 GiB, the median; its 4 KiB pages
 *			lie anywhere (4k) or in runs of 2 MiB (2m); page_ns= a page
 *	idle QPS	cpu= of vrdmad, percent of one CPU, with so many idle queue
 *			pairs; mean= us of 64 B writes of one more beside them
 */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fixture.h"
#include "local.h"
#include "measure.h"

#define MAX_IDLE   16000
#define OWN_CPU	   0
#define WORKER_CPU 1

static struct local_wish wish;
static void (*body)(const struct local_wish *w);
static char **words;

void local_must(bool ok, const char *what)
{
	if (!ok)
		ck_abort_msg("%s", what);
}

void local_pin(void)
{
	char path[64];
	struct dirent *entry;
	DIR *tasks;

	snprintf(path, sizeof(path), "/proc/%d/task", (int)fx.daemon.pid);
	tasks = opendir(path);
	local_must(tasks != NULL, "vrdmad's threads are not in /proc");
	while ((entry = readdir(tasks)))
		if (entry->d_name[0] != '.')
			measure_pin((int)strtol(entry->d_name, NULL, 10),
				    WORKER_CPU);
	closedir(tasks);
	local_pin_me(false);
}

void local_pin_me(bool to_worker)
{
	measure_pin(0, to_worker ? WORKER_CPU : OWN_CPU);
}

/* Where it is in the list, or -1 */
static int find(const char *const *names, int n, const char *text)
{
	for (int i = 0; i < n; i++)
		if (!strcmp(names[i], text))
			return i;
	return -1;
}

static bool number(const char *text, uint32_t max, uint32_t *out)
{
	char *end;
	unsigned long v = strtoul(text, &end, 10);

	*out = (uint32_t)v;
	return !*end && v >= 1 && v <= max;
}

static bool data_args(int argc, char **argv)
{
	static const char *const ops[] = { "write", "read", "send" };
	static const char *const modes[] = { "polled", "sleeping" };
	static const char *const layouts[] = { "scattered", "contiguous" };
	int op, mode, layout;

	if (argc < 5 || argc > 6)
		return false;
	op = find(ops, LOCAL_OPS, argv[1]);
	mode = find(modes, 2, argv[4]);
	layout = argc == 6 ? find(layouts, 2, argv[5]) : 0;
	wish.op = (enum local_op)op;
	wish.sleeping = mode == 1;
	wish.contiguous = layout == 1;
	body = local_data;
	return op >= 0 && mode >= 0 && layout >= 0 &&
	       number(argv[2], MEASURE_MAX_SIZE, &wish.size) &&
	       number(argv[3], LOCAL_MAX_QPS, &wish.qps);
}

static bool connect_args(int argc, char **argv)
{
	(void)argv;
	body = local_connect;
	return argc == 2;
}

static bool register_args(int argc, char **argv)
{
	static const char *const pages[] = { "4k", "2m" };
	int i = argc == 3 ? find(pages, 2, argv[2]) : -1;

	wish.huge_runs = i == 1;
	body = local_register;
	return i >= 0;
}

static bool idle_args(int argc, char **argv)
{
	body = local_idle;
	return argc == 3 && number(argv[2], MAX_IDLE, &wish.qps);
}

static const struct {
	const char *what;
	bool (*args)(int argc, char **argv);
} table[] = {
	{ "write", data_args },	      { "read", data_args },
	{ "send", data_args },	      { "connect", connect_args },
	{ "register", register_args }, { "idle", idle_args },
};

static bool arguments(int argc, char **argv)
{
	for (size_t i = 0; argc > 1 && i < sizeof(table) / sizeof(table[0]); i++)
		if (!strcmp(table[i].what, argv[1]))
			return table[i].args(argc, argv);
	return false;
}

/* In a line of its own: Check says something before */
static void bench(void)
{
	for (char **word = words; *word; word++)
		printf("%s%s", word == words ? "" : " ", *word);
	fflush(stdout);
	body(&wish);
}

int main(int argc, char **argv)
{
	if (!arguments(argc, argv)) {
		fprintf(stderr,
			"usage: local write|read|send SIZE QPS polled|sleeping "
			"[scattered|contiguous]\n"
			"       local connect\n"
			"       local register 4k|2m\n"
			"       local idle QPS\n"
			"SIZE: bytes, 1..%u; QPS: 1..%d, idle: 1..%d\n",
			MEASURE_MAX_SIZE, LOCAL_MAX_QPS, MAX_IDLE);
		return 2;
	}
	words = argv + 1;
	return run_plain("local", bench);
}
