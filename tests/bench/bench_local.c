// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * bench_local.c - the local path against its limits and peers, in one run
 *
 * Prints a table of ratios.  A figure decides nothing here: `make test` does
 * not run this.  The guest is this process, so what is measured is rings,
 * worker and copy, without an emulated CPU in between.
 */
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "fixture.h"

#define SAMPLES 20000

static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static int by_value(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

struct dist {
	double p50, p99, min;
};

static struct dist distribution(uint64_t *v, size_t n)
{
	qsort(v, n, sizeof(*v), by_value);
	return (struct dist){ (double)v[n / 2] / 1000, (double)v[n * 99 / 100] /
			      1000, (double)v[0] / 1000 };
}

static void row(const char *what, const char *unit, double ours,
		const char *peer, double theirs, double ratio, const char *goal)
{
	printf("%-34s %10.3f %-5s | %-26s %10.3f | %6.2fx  goal %s\n", what,
	       ours, unit, peer, theirs, ratio, goal);
	fflush(stdout);
}

/* --- the bare ring: a thread that copies 64 bytes, no checks at all ---------- */

struct bare {
	_Alignas(64) uint64_t tail;
	_Alignas(64) uint64_t head;
	_Alignas(64) uint8_t entry[64][64];
	_Alignas(64) uint8_t out[64][64];
	bool quit;
};

static void *bare_worker(void *arg)
{
	struct bare *b = arg;
	uint64_t head = 0;

	while (!__atomic_load_n(&b->quit, __ATOMIC_RELAXED)) {
		uint64_t tail = __atomic_load_n(&b->tail, __ATOMIC_ACQUIRE);

		while (head != tail) {
			memcpy(b->out[head % 64], b->entry[head % 64], 64);
			__atomic_store_n(&b->head, ++head, __ATOMIC_RELEASE);
		}
	}
	return NULL;
}

static void bare_ring(struct dist *lat, double *rate)
{
	static struct bare b;
	static uint64_t v[SAMPLES];
	pthread_t t;
	uint64_t tail = 0, start;

	pthread_create(&t, NULL, bare_worker, &b);
	for (int i = 0; i < SAMPLES; i++) {
		start = now_ns();
		b.entry[tail % 64][0] = (uint8_t)i;
		__atomic_store_n(&b.tail, ++tail, __ATOMIC_RELEASE);
		while (__atomic_load_n(&b.head, __ATOMIC_ACQUIRE) != tail)
			;
		v[i] = now_ns() - start;
	}
	*lat = distribution(v, SAMPLES);
	start = now_ns();
	for (uint64_t end = tail + 5000000; tail < end;) {
		if (tail - __atomic_load_n(&b.head, __ATOMIC_ACQUIRE) >= 64)
			continue;
		memset(b.entry[tail % 64], (int)tail, 64);
		__atomic_store_n(&b.tail, ++tail, __ATOMIC_RELEASE);
	}
	*rate = 5000000.0 * 1000 / (double)(now_ns() - start);
	__atomic_store_n(&b.quit, true, __ATOMIC_RELAXED);
	pthread_join(t, NULL);
}

/* --- ours ---------------------------------------------------------------------- */

static struct dist write_latency(struct pair *p, uint32_t size)
{
	static uint64_t v[SAMPLES];
	int n = size > 4096 ? SAMPLES / 10 : SAMPLES;
	NDK_RESULT_EX r;

	for (int i = 0; i < n; i++) {
		volatile uint8_t *last = p->b.mem.va + size - 1;
		uint8_t mark = (uint8_t)(i + 1);
		uint64_t start = now_ns();

		p->a.mem.va[size - 1] = mark;
		ep_post_write(&p->a, 1, 0, size, &p->b, 0, 0);
		while (*last != mark)
			;
		v[i] = now_ns() - start;
		while (!p->a.cq->Dispatch->NdkGetCqResultsEx(p->a.cq, &r, 1))
			;
	}
	return distribution(v, (size_t)n);
}

/* n writes with the queue kept full; GB/s or million messages */
static uint64_t stream(struct pair *p, uint32_t size, uint64_t n, uint32_t every)
{
	uint64_t posted = 0, signalled = 0, ended = 0, start = now_ns();
	NDK_RESULT_EX r[16];

	while (ended < n / every) {
		/* no more than the CQ takes: an overrun would end it all */
		while (posted < n && signalled - ended < 256) {
			uint32_t flags = (posted + 1) % every ?
				NDK_OP_FLAG_SILENT_SUCCESS : 0;

			if (ep_post_write(&p->a, posted, 0, size, &p->b, 0,
					  flags) != STATUS_SUCCESS)
				break;
			posted++;
			signalled += !flags;
		}
		ended += p->a.cq->Dispatch->NdkGetCqResultsEx(p->a.cq, r, 16);
	}
	return now_ns() - start;
}

static double memcpy_rate(struct pair *p, uint32_t size, uint64_t n)
{
	uint64_t start = now_ns();

	for (uint64_t i = 0; i < n; i++) {
		memcpy(p->b.mem.va, p->a.mem.va, size);
		__asm__ volatile("" ::: "memory");
	}
	return (double)size * (double)n / (double)(now_ns() - start);
}

static void bandwidth(struct pair *p, uint32_t size, uint64_t n, const char *what)
{
	double best = 0, ratio = 0, ref = 0;

	/* best of five, each beside its own memcpy: one machine, one moment */
	for (int i = 0; i < 5; i++) {
		double peer = memcpy_rate(p, size, n);
		double ours = (double)size * (double)n /
			      (double)stream(p, size, n, 1);

		if (ours / peer > ratio) {
			ratio = ours / peer;
			best = ours;
			ref = peer;
		}
	}
	row(what, "GB/s", best, "memcpy, same buffers", ref, ratio, ">= 0.9x");
}

/* fi_pingpong's 64 B one-way time, 0: not installed or failed */
static double libfabric_us(void)
{
	FILE *f = popen("sh -c 'command -v fi_pingpong >/dev/null || exit 0; "
			"fi_pingpong -p shm -e rdm -I 20000 -S 64 >/dev/null 2>&1 & s=$!; "
			"for i in 1 2 3 4 5; do "
			"timeout 20 fi_pingpong -p shm -e rdm -I 20000 -S 64 127.0.0.1 2>/dev/null && break; "
			"sleep 0.2; done; kill $s 2>/dev/null'", "r");
	char line[256];
	double us = 0;

	while (f && fgets(line, sizeof(line), f)) {
		char *cell[8];
		int n = 0;

		for (char *t = strtok(line, " \t\n"); t && n < 8;
		     t = strtok(NULL, " \t\n"))
			cell[n++] = t;
		if (n >= 7 && !strcmp(cell[0], "64"))
			us = atof(cell[6]);
	}
	if (f)
		pclose(f);
	return us;
}

static double registration_ms_per_gib(void)
{
	enum { PAGES = 262144, ROUNDS = 5 };
	static uint64_t page[PAGES];
	uint64_t base = fe_gpa_end(tguest_fe(fx.g[0])) - (64u << 20), best = ~0ull;
	NDK_ADAPTER *a = nd_open(fx.g[0]);
	NDK_PD *pd = nd_pd(a);
	MDL mdl = { .va = 0x7f0000000000, .length = 1ull << 30, .pages = page };

	for (uint32_t i = 0; i < PAGES; i++)
		page[i] = base + (uint64_t)((i * 7919u) % 16000) * 4096;
	for (int i = 0; i < ROUNDS; i++) {
		struct op op;
		NDK_MR *mr = NULL;
		uint64_t t;
		NTSTATUS st;

		op_init(&op);
		st = pd->Dispatch->NdkCreateMr(pd, FALSE, op_created, &op, &mr);
		if (op_wait(&op, st) == STATUS_SUCCESS && st == STATUS_PENDING)
			mr = (NDK_MR *)op.object;
		op_init(&op);
		t = now_ns();
		st = mr->Dispatch->NdkRegisterMr(mr, &mdl, mdl.length, MEM_ALL,
						 op_ended, &op);
		assert_status(op_wait(&op, st), STATUS_SUCCESS);
		t = now_ns() - t;
		best = t < best ? t : best;
		op_init(&op);
		op_wait(&op, mr->Dispatch->NdkDeregisterMr(mr, op_ended, &op));
		nd_close(mr);
	}
	nd_close(pd);
	vrdma_close_adapter(a);
	return (double)best / 1e6;
}

static double connect_us(void)
{
	enum { ROUNDS = 100 };
	static uint64_t v[ROUNDS];

	for (int i = 0; i < ROUNDS; i++) {
		struct ep a, b;
		struct listener l;
		uint64_t t;

		ep_init(&a, fx.g[0], NULL);
		ep_init(&b, fx.g[1], NULL);
		listener_start(&l, b.adapter, sa_v4(1, 0));
		t = now_ns();
		ep_connect(&a, &b, &l, NULL, NULL);
		v[i] = now_ns() - t;
		ep_disconnect_both(&a, &b);
		nd_close(b.conn);
		b.conn = NULL;
		listener_stop(&l);
		ep_fini(&a);
		ep_fini(&b);
	}
	return distribution(v, ROUNDS).p50;
}

static double cpu_seconds(pid_t pid)
{
	char path[64], stat[512];
	unsigned long utime = 0, stime = 0;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	f = fopen(path, "r");
	if (f && fgets(stat, sizeof(stat), f))
		sscanf(strrchr(stat, ')') + 1,
		       " %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu",
		       &utime, &stime);
	if (f)
		fclose(f);
	return (double)(utime + stime) / (double)sysconf(_SC_CLK_TCK);
}

static void bench(void)
{
	struct daemon_opts o = { .guests = 2 };
	struct ep_opts big = { .depth = 128, .mem = 1u << 20, .cq_depth = 512 };
	struct dist bare, lat;
	double bare_rate, us;
	struct pair p;

	printf("bench: the local path; ours | peer in the same run | ratio\n");
	fx_start(&o, 128u << 20);
	pair_open(&p, 0, 1, &big);
	bare_ring(&bare, &bare_rate);
	lat = write_latency(&p, 64);
	printf("64 B write one way, us: min %.2f p50 %.2f p99 %.2f; bare ring: "
	       "min %.2f p50 %.2f p99 %.2f\n", lat.min, lat.p50, lat.p99,
	       bare.min, bare.p50, bare.p99);
	row("64 B write, one way, p50", "us", lat.p50, "bare ring, p50",
	    bare.p50, lat.p50 / bare.p50, "<= 1.4x");
	us = libfabric_us();
	if (us > 0)
		row("64 B write, one way, p50", "us", lat.p50,
		    "fi_pingpong -p shm", us, lat.p50 / us, "<= 1x");
	else
		printf("fi_pingpong is not installed (package libfabric-bin): not run\n");
	bandwidth(&p, 65536, 20000, "64 KiB write");
	bandwidth(&p, 1u << 20, 2000, "1 MiB write");
	double rate = 4000000.0 * 1000 / (double)stream(&p, 64, 4000000, 64);

	row("64 B messages, one worker", "M/s", rate, "bare ring", bare_rate,
	    rate / bare_rate, ">= 8 M/s");
	double reg = registration_ms_per_gib();

	row("registration, scattered 4 KiB", "ms/GB", reg, "QEMU pvrdma's own docs",
	    500, 500 / reg, "<= 5 ms");
	us = connect_us();
	row("connect, accept, complete, p50", "us", us, "goal", 200, us / 200,
	    "<= 1x");
	ep_disconnect_both(&p.a, &p.b);
	pair_close(&p);
	double before = cpu_seconds(fx.daemon.pid);

	poll(NULL, 0, 1000);
	row("idle for one second", "s CPU", cpu_seconds(fx.daemon.pid) - before,
	    "goal", 0, 0, "0");
	fx_teardown();
}

int main(void)
{
	return run_plain("bench", bench);
}
