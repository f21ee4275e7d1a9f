// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * guests.c - what the path through two vrdmad makes of the wire between them
 *
 * DOC: Both guests are this process, each with a vrdmad of its own
 * (VRDMA_BACKEND=iwarp, its options in VRDMA_FABRIC), so what is measured beside
 * programs on the same wire is rings, worker and backend, without an emulated
 * CPU in between.
 *
 * A guest brings CPUs of its own.  This one has none where the machine has but
 * two: who waits for a message looks and gives the CPU away between looks, who
 * keeps a queue full looks now and then.
 */
#include <sched.h>
#include <stdio.h>
#include <unistd.h>

#include "fixture.h"
#include "measure.h"

#define DEPTH	 64
#define BOUND_NS 10000000000ull
#define NAP_US	 50		/* a small part of what DEPTH messages take */

static struct measure m;

/* Check tells its parent of each assertion that holds, which takes longer than
 * what is measured */
static void must(bool ok, const char *what)
{
	if (!ok)
		ck_abort_msg("%s", what);
}

static uint32_t reap(struct ep *e)
{
	NDK_RESULT_EX r[16];
	ULONG n = e->cq->Dispatch->NdkGetCqResultsEx(e->cq, r, 16);

	for (ULONG i = 0; i < n; i++)
		must(r[i].Status == STATUS_SUCCESS, "a write failed");
	return n;
}

/* The queue kept full */
static double bandwidth(struct pair *p)
{
	uint64_t posted = 0, ended = 0, start = now_ns();
	uint64_t stop = start + measure_ns();
	bool on = true;

	while (on || ended < posted) {
		uint32_t n;

		while (on && ep_post_write(&p->a, posted, 0, m.size, &p->b, 0,
					   0) == STATUS_SUCCESS)
			posted++;
		n = reap(&p->a);
		ended += n;
		if (!n)
			usleep(NAP_US);
		on = on && now_ns() < stop;
	}
	return (double)m.size * (double)ended * 1000 /
	       (double)(now_ns() - start);
}

/* One way; the other side sees the last byte change */
static void hop(struct ep *from, struct ep *to, uint8_t mark)
{
	volatile uint8_t *last = to->mem.va + 2 * m.size - 1;
	uint64_t give_up = now_ns() + BOUND_NS;

	from->mem.va[m.size - 1] = mark;
	must(ep_post_write(from, 1, 0, m.size, to, m.size, 0) == STATUS_SUCCESS,
	     "a write was not taken");
	while (*last != mark) {
		sched_yield();
		must(now_ns() < give_up, "a write did not arrive");
	}
}

/* Completions are taken when they are there: nobody waits for them */
static double latency(struct pair *p)
{
	static uint64_t v[MEASURE_MAX_TRIPS];
	uint64_t start = now_ns();
	size_t n = 0, ended[2] = {0};

	while (n < MEASURE_MAX_TRIPS && now_ns() - start < measure_ns()) {
		uint64_t begin = now_ns();

		hop(&p->a, &p->b, (uint8_t)(n + 1));
		hop(&p->b, &p->a, (uint8_t)(n + 1));
		v[n++] = now_ns() - begin;
		do {
			ended[0] += reap(&p->a);
			ended[1] += reap(&p->b);
		} while (n - ended[0] > DEPTH / 2 || n - ended[1] > DEPTH / 2);
	}
	while (ended[0] < n || ended[1] < n) {
		ended[0] += reap(&p->a);
		ended[1] += reap(&p->b);
		sched_yield();
	}
	return median(v, n) / 2000;
}

static void bench(void)
{
	struct daemon_opts o = { .guests = 2, .guest_section = FX_SMALL };
	struct ep_opts big = {
		.depth = DEPTH, .mem = 2 * m.size, .cq_depth = 4 * DEPTH,
	};
	struct pair p;

	fx_start(&o, FX_MEM);
	pair_open(&p, 0, 1, &big);
	measure_print(&m, measure_is(&m, "latency") ? latency(&p)
						    : bandwidth(&p));
	ep_disconnect_both(&p.a, &p.b);
	pair_close(&p);
	fx_teardown();
}

int main(int argc, char **argv)
{
	if (!measure_args(argc, argv, "bandwidth latency ", &m))
		return 2;
	return run_plain("guests", bench);
}
