// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * verbs_bench.c - what the path through the device makes of an RDMA link
 *
 * DOC: The guests are this process, each with a vrdmad of its own and an RDMA
 * device (VRDMA_BACKEND=verbs), so what is measured beside native programs on the
 * same link is rings, worker and backend.  Prints one figure a line; part5.py
 * sets them beside perftest's.
 *
 *	bandwidth SIZE		MB/s of writes, the queue kept full
 *	latency SIZE		us, half a round trip of writes that each side
 *				sees in its memory, the median
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "fixture.h"

#define DEPTH		64
#define SECONDS		5
#define MAX_TRIPS	20000

static const char *what;
static uint32_t size;

static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static uint32_t reap(struct ep *e)
{
	NDK_RESULT_EX r[16];
	ULONG n = e->cq->Dispatch->NdkGetCqResultsEx(e->cq, r, 16);

	for (ULONG i = 0; i < n; i++)
		assert_status(r[i].Status, STATUS_SUCCESS);
	return n;
}

static double bandwidth(struct pair *p)
{
	uint64_t posted = 0, ended = 0, start = now_ns(), stop;

	stop = start + SECONDS * 1000000000ull;
	while (now_ns() < stop || ended < posted) {
		/* the ring is full a little before its entries have ended */
		while (now_ns() < stop &&
		       ep_post_write(&p->a, posted, 0, size, &p->b, 0, 0) ==
			       STATUS_SUCCESS)
			posted++;
		ended += reap(&p->a);
	}
	return (double)size * (double)ended * 1000 / (double)(now_ns() - start);
}

/* One way; the other side sees the last byte change */
static void hop(struct ep *from, struct ep *to, uint8_t mark)
{
	volatile uint8_t *last = to->mem.va + 2 * size - 1;
	uint64_t give_up = now_ns() + 10000000000ull;

	from->mem.va[size - 1] = mark;
	assert_status(ep_post_write(from, 1, 0, size, to, size, 0),
		      STATUS_SUCCESS);
	while (*last != mark)
		ck_assert_msg(now_ns() < give_up, "a write did not arrive");
}

static int by_value(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

static double latency(struct pair *p)
{
	static uint64_t v[MAX_TRIPS];
	uint64_t stop = now_ns() + SECONDS * 1000000000ull;
	size_t n = 0;

	while (n < MAX_TRIPS && now_ns() < stop) {
		uint64_t start = now_ns();

		hop(&p->a, &p->b, (uint8_t)(n + 1));
		hop(&p->b, &p->a, (uint8_t)(n + 1));
		v[n++] = now_ns() - start;
		while (!reap(&p->a))
			;
		while (!reap(&p->b))
			;
	}
	qsort(v, n, sizeof(v[0]), by_value);
	return (double)v[n / 2] / 2000;
}

static void bench(void)
{
	struct daemon_opts o = { .guests = 2, .guest_section = FX_SMALL };
	struct ep_opts big = {
		.depth = DEPTH, .mem = 2 * size, .cq_depth = 4 * DEPTH,
	};
	struct pair p;
	bool rate = !strcmp(what, "bandwidth");

	fx_start(&o, FX_MEM);
	pair_open(&p, 0, 1, &big);
	printf("%s %u %.3f\n", what, size, rate ? bandwidth(&p) : latency(&p));
	ep_disconnect_both(&p.a, &p.b);
	pair_close(&p);
	fx_teardown();
}

int main(int argc, char **argv)
{
	if (argc == 3) {
		what = argv[1];
		size = (uint32_t)strtoul(argv[2], NULL, 10);
	}
	if (!size || size > 1u << 20 ||
	    (strcmp(what, "bandwidth") && strcmp(what, "latency"))) {
		fprintf(stderr, "usage: verbs_bench bandwidth|latency SIZE\n"
			"SIZE: bytes, 1..1048576\n");
		return 2;
	}
	return run_plain("verbs_bench", bench);
}
