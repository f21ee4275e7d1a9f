// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * counts.c - what a write of 64 bytes costs in a process that has so many workers
 *
 * DOC: For callgrind, which counts instructions and simulates caches, whatever the
 * machine has: what happens in served() is counted.  Each worker has two guests and
 * is run by hand, one behind the other, as each would by a CPU of its own: what is
 * counted is what a worker does because there are others.  That two CPUs take lines
 * from each other it cannot see.
 *
 *	counts WORKERS		requests served
 */
#include <stdio.h>
#include <stdlib.h>

#include <check.h>

#include "give_up.h"

#define RIG_MEM	   (20u << 20)
#define RIG_DEPTH  64u
#define RIG_CQ_DEPTH 256u
#define RIG_STRIDE 64u
#define RIG_INLINE 0u
#define RIG_SGE	   1u
#include "../unit/data_rig.h"

#define MAX_WORKERS 64
#define SIZE	    64u
#define BATCH	    16u		/* posted before the worker looks */
#define BATCHES	    256u
#define FIRST	    64u		/* batches that are not counted */

static void post_batch(struct rig *r)
{
	struct rig_guest *x = &r->a;

	for (uint32_t i = 0; i < BATCH; i++) {
		const struct virtio_rdma_send_wqe w = {
			.wr_id = i, .opcode = VIRTIO_RDMA_OP_WRITE, .num_sge = 1,
			.remote_addr = rig_data(0), .remote_token = r->b.remote,
		};
		const struct virtio_rdma_sge s = { rig_data(0), SIZE, x->local };

		memcpy(rig_sq_entry(x), &w, sizeof(w));
		memcpy(rig_sq_entry(x) + sizeof(w), &s, sizeof(s));
		x->sq_tail++;
	}
	__atomic_store_n(&rig_qp_record(x)->sq_tail, x->sq_tail,
			 __ATOMIC_RELEASE);
	rig_bell(r, x);
}

/* The worker's part */
static void __attribute__((noinline)) serve(struct rig *r)
{
	do
		worker_step(r->worker);
	while (rig_load(&rig_qp_record(&r->a)->sq_head) != r->a.sq_tail);
}

/* Counted, by its name */
void __attribute__((noinline)) served(struct rig *r);
void served(struct rig *r)
{
	serve(r);
	__asm__ volatile("" ::: "memory");	/* no tail call */
}

static void take_batch(struct rig *r)
{
	struct virtio_rdma_cqe c;

	for (uint32_t i = 0; i < BATCH; i++) {
		ck_assert(rig_poll(&r->a, RIG_CQ_DEPTH, &c));
		ck_assert_uint_eq(c.status, VIRTIO_RDMA_WC_SUCCESS);
	}
	rig_took(&r->a);
}

static void run(struct rig *r, uint32_t batches, void (*serving)(struct rig *))
{
	while (batches--) {
		post_batch(r);
		serving(r);
		take_batch(r);
	}
}

int main(int argc, char **argv)
{
	int n = argc == 2 ? atoi(argv[1]) : 0;
	struct rig *r;

	if (n < 1 || n > MAX_WORKERS) {
		fprintf(stderr, "usage: counts WORKERS\nWORKERS: 1..%d\n",
			MAX_WORKERS);
		return 2;
	}
	r = calloc((size_t)n, sizeof(*r));
	if (!r)
		return EXIT_FAILURE;
	rig_by_hand = true;
	for (int i = 0; i < n; i++) {
		rig_start(&r[i], 0);
		rig_connect(&r[i]);
	}
	for (int i = 0; i < n; i++) {
		run(&r[i], FIRST, serve);
		run(&r[i], BATCHES, served);
	}
	printf("counts %d requests=%u\n", n, (uint32_t)n * BATCHES * BATCH);
	for (int i = 0; i < n; i++)
		rig_end(&r[i]);
	free(r);
	return EXIT_SUCCESS;
}
