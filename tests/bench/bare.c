// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * bare.c - the bare ring: the floor of what rings and a copying thread can do
 *
 * DOC: The client's half is the driver's own (vrdma_ring.h): an entry of 64 bytes
 * written field by field with one element, the tail in the record, a completion
 * of 32 bytes with its phase.  The other half is a thread that believes every
 * word: it looks at the tail, copies from address to address, writes completion
 * and head.  No token is looked up, no range checked, nobody rings and nobody
 * sleeps.
 *
 *	bare SIZE	" p50 p99 p999 mean" in us from the post to the last byte,
 *			rate in M/s with a completion for each write, silent with
 *			one in 64, bw in GB/s
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "measure.h"
#include "vrdma_ring.h"

#define DEPTH	 128
#define STRIDE	 64
#define OFFSET	 128		/* of the rings, behind their records */
#define SILENT	 64
#define BATCH	 16		/* of either half, before it looks again */
#define MIN_TRIPS 100
#define MAX_TRIPS 500000

struct entry {
	struct virtio_rdma_send_wqe wqe;
	struct virtio_rdma_sge sge;
};
_Static_assert(sizeof(struct entry) <= STRIDE, "one element fits");

struct bare {
	uint8_t *sq, *cq;		/* a record, then the ring */
	uint8_t *source, *target;
	uint32_t size;
	struct vrdma_wq wq;
	struct vrdma_cqring done;
	bool quit;			/* atomic */
};

/* What guest memory is made of: pages of 4 KiB that two processes share */
static void *shared(size_t size)
{
	void *p = mmap(NULL, size, PROT_READ | PROT_WRITE,
		       MAP_SHARED | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);

	if (p == MAP_FAILED) {
		perror("mmap");
		exit(1);
	}
	return p;
}

/* --- the device's half -------------------------------------------------------- */

static void complete(struct virtio_rdma_cqe *ring, uint32_t n,
		     const struct entry *e)
{
	struct virtio_rdma_cqe *c = &ring[n % (2 * DEPTH)];
	uint8_t phase = n & (2 * DEPTH) ? 0 : VIRTIO_RDMA_CQE_PHASE;

	c->wr_id = e->wqe.wr_id;
	c->qp_context = vr_to_le64(1);
	c->qp = c->length = c->token = vr_to_le32(0);
	c->wqe_index = vr_to_le16((uint16_t)n);
	c->opcode = e->wqe.opcode;
	__atomic_store_n(&c->status, phase, __ATOMIC_RELEASE);
}

static const struct entry *entry_at(const struct bare *b, uint32_t n)
{
	return (const void *)(b->sq + OFFSET + n % DEPTH * STRIDE);
}

static void copy(const struct entry *e)
{
	memcpy((void *)(uintptr_t)vr_from_le64(e->wqe.remote_addr),
	       (const void *)(uintptr_t)vr_from_le64(e->sge.addr),
	       vr_from_le32(e->sge.length));
}

static bool wants_completion(const struct entry *e)
{
	return !(vr_from_le16(e->wqe.flags) & VIRTIO_RDMA_WR_SILENT);
}

/* All copies before all completions: who looks for those takes their lines away */
static void *serve(void *arg)
{
	struct bare *b = arg;
	struct virtio_rdma_qp_record *rec = (void *)b->sq;
	struct virtio_rdma_cqe *ring = (void *)(b->cq + OFFSET);
	uint32_t head = 0, completions = 0;

	measure_pin(0, 1);
	while (!__atomic_load_n(&b->quit, __ATOMIC_RELAXED)) {
		uint32_t end = vrdma_observe32(&rec->sq_tail);

		if (head == end)
			continue;
		if (end - head > BATCH)
			end = head + BATCH;
		for (uint32_t n = head; n != end; n++)
			copy(entry_at(b, n));
		for (; head != end; head++)
			if (wants_completion(entry_at(b, head)))
				complete(ring, completions++, entry_at(b, head));
		vrdma_publish32(&rec->sq_head, head);
	}
	return NULL;
}

/* --- the driver's half -------------------------------------------------------- */

static bool post(struct bare *b, uint64_t id, uint16_t flags)
{
	struct entry *e = vrdma_wq_next(&b->wq);

	if (!e)
		return false;
	e->wqe.wr_id = vr_to_le64(id);
	e->wqe.opcode = VIRTIO_RDMA_OP_WRITE;
	e->wqe.num_sge = 1;
	e->wqe.flags = vr_to_le16(flags);
	e->wqe.inline_length = vr_to_le32(0);
	e->wqe.remote_addr = vr_to_le64((uintptr_t)b->target);
	e->wqe.remote_token = vr_to_le32(2);
	e->wqe.reserved = vr_to_le32(0);
	e->sge.addr = vr_to_le64((uintptr_t)b->source);
	e->sge.length = vr_to_le32(b->size);
	e->sge.token = vr_to_le32(1);
	vrdma_wq_post(&b->wq);
	return true;
}

static struct dist latency(struct bare *b)
{
	static uint64_t v[MAX_TRIPS];
	volatile uint8_t *last = b->target + b->size - 1;
	uint64_t stop = now_ns() + measure_ns() / 4;
	struct virtio_rdma_cqe e;
	size_t n = 0;

	while (n < MAX_TRIPS && (n < MIN_TRIPS || now_ns() < stop)) {
		uint8_t mark = (uint8_t)(*last + 1);
		uint64_t start = now_ns();

		b->source[b->size - 1] = mark;
		post(b, n, 0);
		while (*last != mark)
			;
		v[n++] = now_ns() - start;
		while (!vrdma_cqring_take(&b->done, &e))
			;
	}
	return distribution(v, n);
}

/* The ring kept full for ns: M/s */
static double stream(struct bare *b, uint32_t every, uint64_t ns)
{
	uint64_t posted = 0, asked = 0, ended = 0, start = now_ns();
	struct virtio_rdma_cqe e;
	bool on = true;

	while (on || posted % every || ended < asked) {
		for (int i = 0; i < BATCH && (on || posted % every) &&
				asked - ended < 2 * DEPTH; i++) {
			bool silent = (posted + 1) % every;

			if (!post(b, posted, silent ? VIRTIO_RDMA_WR_SILENT : 0))
				break;
			posted++;
			asked += !silent;
		}
		while (vrdma_cqring_take(&b->done, &e))
			ended++;
		on = on && now_ns() - start < ns;
	}
	return mega_rate(posted, now_ns() - start);
}

int main(int argc, char **argv)
{
	struct bare b = { .size = argc == 2 ?
				  (uint32_t)strtoul(argv[1], NULL, 10) : 0 };
	struct dist d;
	uint64_t ns = measure_ns() / 4 / MEASURE_SLICES;
	double each[MEASURE_SLICES], silent[MEASURE_SLICES], rate;
	pthread_t t;

	if (!b.size || b.size > MEASURE_MAX_SIZE) {
		fprintf(stderr, "usage: bare SIZE\nSIZE: bytes, 1..%u\n",
			MEASURE_MAX_SIZE);
		return 2;
	}
	b.sq = shared(OFFSET + DEPTH * STRIDE);
	b.cq = shared(OFFSET + 2 * DEPTH * sizeof(struct virtio_rdma_cqe));
	b.source = shared(b.size);
	b.target = shared(b.size);
	vrdma_sq_init(&b.wq, b.sq, OFFSET, DEPTH, STRIDE, DEPTH);
	vrdma_cqring_init(&b.done, b.cq, OFFSET, 2 * DEPTH);
	measure_pin(0, 0);
	if (pthread_create(&t, NULL, serve, &b))
		return 1;
	d = latency(&b);
	for (int i = 0; i < MEASURE_SLICES; i++) {
		each[i] = stream(&b, 1, ns);
		silent[i] = stream(&b, SILENT, ns);
	}
	__atomic_store_n(&b.quit, true, __ATOMIC_RELAXED);
	pthread_join(t, NULL);
	rate = slices_value(each);
	printf("bare %u", b.size);
	dist_print(&d);
	printf(" rate=%.3f silent=%.3f bw=%.3f\n", rate, slices_value(silent),
	       rate * b.size / 1000);
	return 0;
}
