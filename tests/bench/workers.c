// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * workers.c - what a second worker brings
 *
 * DOC: WORKERS PAIRS prints its arguments and then figures of writes of 64 B, of so
 * many pairs of guests together, by so many workers:
 *
 *	rate	M/s
 *	cpu_ns	CPU time of vrdmad for one
 *	by_cpu	M/s of CPU time of the worker that had most to do: what rate is where
 *		each worker has a CPU that nobody else wants
 *
 * Consumers that look for completions need a CPU each, and then a machine of two
 * has none for a second worker.  So all is posted while the workers sleep, with no
 * bell but for the last of each queue pair, which has the only completion; then the
 * consumer sleeps until all events came, and the workers, which are pinned to a CPU
 * each, have the machine to themselves.
 */
#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "fixture.h"
#include "measure.h"

#define DEPTH	  4096
#define LANES	  8		/* queue pairs of a pair of guests */
#define MAX_PAIRS (DAEMON_MAX_GUESTS / 2)
#define SIZE	  64
#define NAP_US	  1000		/* workers that have nothing to do sleep by then */
#define BOUND_S	  60

static struct couple {
	struct pair first;
	struct ep more[LANES - 1][2];
} couple[MAX_PAIRS];
static uint32_t workers, pairs;
static sem_t told;

static void must(bool ok, const char *what)
{
	if (!ok)
		ck_abort_msg("%s", what);
}

static void on_event(struct ep *e)
{
	(void)e;
	sem_post(&told);
}

static struct ep *lane(struct couple *c, uint32_t i)
{
	return i ? &c->more[i - 1][0] : &c->first.a;
}

static void couple_open(struct couple *c, int at)
{
	struct ep_opts o = {
		.depth = DEPTH, .sge = 1, .mem = LANES * SIZE,
		.cq_depth = 2 * DEPTH, .on_event = on_event,
	};

	pair_open(&c->first, at, at + 1, &o);
	for (uint32_t i = 0; i < LANES - 1; i++) {
		o.share = &c->first.a;
		ep_init(&c->more[i][0], fx.g[at], &o);
		o.share = &c->first.b;
		ep_init(&c->more[i][1], fx.g[at + 1], &o);
		ep_connect(&c->more[i][0], &c->more[i][1], &c->first.l, NULL,
			   NULL);
	}
}

static void couple_close(struct couple *c)
{
	ep_disconnect_both(&c->first.a, &c->first.b);
	for (uint32_t i = 0; i < LANES - 1; i++) {
		ep_disconnect_both(&c->more[i][0], &c->more[i][1]);
		ep_fini(&c->more[i][0]);
		ep_fini(&c->more[i][1]);
	}
	pair_close(&c->first);
}

static void start(void)
{
	static char section[64];
	struct daemon_opts o = {
		.guests = (int)(2 * pairs), .guest_section = FX_SMALL,
		.vrdmad_section = section,
	};

	/* spinning would be counted as work */
	snprintf(section, sizeof(section), "workers = %u\npoll-us = 0\n",
		 workers);
	sem_init(&told, 0, 0);
	fx_start(&o, FX_MEM);
	for (int i = 2; i < o.guests; i++)
		fx_new_guest(i);
	for (uint32_t i = 0; i < pairs; i++)
		couple_open(&couple[i], (int)(2 * i));
}

static void post(struct couple *c, uint32_t i, uint32_t flags)
{
	must(ep_post_write(lane(c, i), i, i * SIZE, SIZE, &c->first.b, i * SIZE,
			   flags) == STATUS_SUCCESS, "a write was not taken");
}

static void for_each_lane(void (*fn)(struct couple *c, uint32_t i))
{
	for (uint32_t p = 0; p < pairs; p++)
		for (uint32_t i = 0; i < LANES; i++)
			fn(&couple[p], i);
}

static void fill(struct couple *c, uint32_t i)
{
	for (uint32_t n = 0; n < DEPTH - 1; n++)
		post(c, i, NDK_OP_FLAG_SILENT_SUCCESS | NDK_OP_FLAG_DEFER);
}

static void ring(struct couple *c, uint32_t i)
{
	post(c, i, 0);
}

static uint32_t take_all(void)
{
	NDK_RESULT_EX r[LANES];
	uint32_t all = 0;
	ULONG n;

	for (uint32_t p = 0; p < pairs; p++) {
		NDK_CQ *cq = couple[p].first.a.cq;

		while ((n = cq->Dispatch->NdkGetCqResultsEx(cq, r, LANES)))
			for (; n; all++)
				must(r[--n].Status == STATUS_SUCCESS,
				     "a write failed");
		cq->Dispatch->NdkArmCq(cq, NDK_CQ_NOTIFY_ANY);
	}
	return all;
}

static void wait_told(void)
{
	struct timespec t;

	clock_gettime(CLOCK_REALTIME, &t);
	t.tv_sec += BOUND_S;
	while (sem_timedwait(&told, &t))
		must(errno == EINTR, "no event came");
}

/* ------------------------------------------------------------ vrdmad's threads */

struct cpu_time {
	uint64_t all, most;		/* ns, of the thread that has most */
};

static FILE *thread_file(const char *tid, const char *name)
{
	char path[128];
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/task/%.20s/%s",
		 (int)fx.daemon.pid, tid, name);
	f = fopen(path, "r");
	must(f, "a thread of vrdmad is not in /proc");
	return f;
}

static void for_each_thread(void (*fn)(const char *tid, void *arg), void *arg)
{
	struct dirent *entry;
	char path[64];
	DIR *tasks;

	snprintf(path, sizeof(path), "/proc/%d/task", (int)fx.daemon.pid);
	tasks = opendir(path);
	must(tasks, "vrdmad's threads are not in /proc");
	while ((entry = readdir(tasks)))
		if (entry->d_name[0] != '.')
			fn(entry->d_name, arg);
	closedir(tasks);
}

static void add_time(const char *tid, void *arg)
{
	struct cpu_time *t = arg;
	FILE *f = thread_file(tid, "schedstat");
	uint64_t ns = 0;

	must(fscanf(f, "%" SCNu64, &ns) == 1, "no CPU time of a thread");
	fclose(f);
	t->all += ns;
	if (ns > t->most)
		t->most = ns;
}

static struct cpu_time cpu_time(void)
{
	struct cpu_time t = { 0 };

	for_each_thread(add_time, &t);
	return t;
}

/* The scheduler leaves two that are woken by one thread on one CPU for longer than a
 * round takes */
static void pin_worker(const char *tid, void *arg)
{
	FILE *f = thread_file(tid, "comm");
	char name[32] = "";
	int *n = arg;

	must(fgets(name, sizeof(name), f) != NULL, "a thread has no name");
	fclose(f);
	if (!strcmp(name, "vrdma-worker\n"))
		measure_pin((int)strtol(tid, NULL, 10), (*n)++);
}

/* -------------------------------------------------------------------- measuring */

static double one_round(void)
{
	uint32_t left = pairs * LANES;
	uint64_t begin;

	nanosleep(&(struct timespec){ 0, NAP_US * 1000 }, NULL);
	for_each_lane(fill);
	begin = now_ns();
	for_each_lane(ring);
	while ((left -= take_all()))
		wait_told();
	return mega_rate((uint64_t)pairs * LANES * DEPTH, now_ns() - begin);
}

static void body(void)
{
	uint64_t done = (uint64_t)pairs * LANES * DEPTH * MEASURE_SLICES;
	double v[MEASURE_SLICES];
	struct cpu_time begin, end;
	int pinned = 0;

	start();
	for_each_thread(pin_worker, &pinned);
	(void)one_round();
	begin = cpu_time();
	for (int i = 0; i < MEASURE_SLICES; i++)
		v[i] = one_round();
	end = cpu_time();
	printf("%u %u rate=%.3f cpu_ns=%.1f by_cpu=%.3f\n", workers,
	       pairs, slices_value(v),
	       (double)(end.all - begin.all) / (double)done,
	       mega_rate(done, end.most - begin.most));
	for (uint32_t i = 0; i < pairs; i++)
		couple_close(&couple[i]);
	fx_teardown();
}

static bool number(const char *text, uint32_t max, uint32_t *out)
{
	char *end;
	unsigned long v = strtoul(text, &end, 10);

	*out = (uint32_t)v;
	return !*end && v >= 1 && v <= max;
}

int main(int argc, char **argv)
{
	if (argc != 3 || !number(argv[1], 64, &workers) ||
	    !number(argv[2], MAX_PAIRS, &pairs)) {
		fprintf(stderr, "usage: workers WORKERS PAIRS\n");
		return 2;
	}
	return run_plain("workers", body);
}
