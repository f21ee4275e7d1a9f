/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * nd_fake_srq.c - the fake device's shared receive queues
 */
#include "nd_fake_int.h"

#define RECORD sizeof(struct virtio_rdma_srq_record)
#define MAX_DEPTH 512

static struct virtio_rdma_srq_record *record(struct object *srq)
{
	return srq->buffer;
}

static uint32_t queued(struct object *srq)
{
	return vrdma_observe32(&record(srq)->tail) - record(srq)->head;
}

static void *entry_in(void *buffer, uint32_t depth, uint32_t count)
{
	return (uint8_t *)buffer + RECORD + (count & (depth - 1)) * STRIDE;
}

static void *new_ring(struct object *srq, uint32_t depth)
{
	srq->depth = fk_power_of_two(depth);
	srq->size = (RECORD + srq->depth * STRIDE + PAGE - 1) / PAGE * PAGE;
	srq->buffer = aligned_alloc(PAGE, srq->size);
	ck_assert_ptr_nonnull(srq->buffer);
	return memset(srq->buffer, 0, srq->size);
}

/* ------------------------------------------------------------------ calls */

uint32_t fk_create_srq(struct file *f, struct vrdma_uapi_create_srq *a)
{
	struct object *srq;

	if (!(fake_features & VIRTIO_RDMA_FEATURE(SRQ)))
		return (uint32_t)ND_NOT_SUPPORTED;
	ck_assert(a->depth && a->depth <= MAX_DEPTH);
	srq = fk_make(f, SRQ);
	new_ring(srq, a->depth);
	srq->threshold = a->threshold;
	a->id = srq->id;
	a->slot = srq->id;
	a->depth = srq->depth;
	a->ring_offset = RECORD;
	a->stride = STRIDE;
	a->buffer_offset = (uint64_t)srq->id << 32;
	a->buffer_size = srq->size;
	return 0;
}

static void report_if_low(struct object *srq)
{
	if (queued(srq) < srq->threshold)
		fk_end_notifies(srq, 0);
}

/* The old ring is gone at once: who still writes there is found out */
static void move(struct object *srq, uint32_t depth)
{
	struct virtio_rdma_srq_record *old = srq->buffer, *new;
	uint32_t old_depth = srq->depth;

	new = new_ring(srq, depth);
	for (uint32_t i = old->head; i != old->tail; i++)
		memcpy(entry_in(new, srq->depth, i),
		       entry_in(old, old_depth, i), STRIDE);
	new->head = old->head;
	new->tail = old->tail;
	memset(old, 0xdd, RECORD + old_depth * STRIDE);
	free(old);
}

uint32_t fk_modify_srq(struct file *f, struct vrdma_uapi_modify_srq *a)
{
	struct object *srq = fk_find(f, a->id, SRQ);

	ck_assert_ptr_nonnull(srq);
	ck_assert_uint_eq(a->reserved, 0);
	if (a->depth > MAX_DEPTH)
		return (uint32_t)ND_INVALID_PARAMETER;
	if (a->depth && a->depth < queued(srq))
		return (uint32_t)ND_BUFFER_OVERFLOW;
	if (a->depth && fk_power_of_two(a->depth) != srq->depth)
		move(srq, a->depth);
	if (a->threshold)
		srq->threshold = a->threshold;
	report_if_low(srq);
	a->depth = srq->depth;
	a->ring_offset = RECORD;
	a->buffer_size = srq->size;
	return 0;
}

uint32_t fk_srq_notify(struct file *f, struct vrdma_uapi_request *a)
{
	struct object *srq = fk_find(f, a->id, SRQ);

	ck_assert_ptr_nonnull(srq);
	ck_assert_uint_lt(srq->notifies, MAX_PENDING);
	srq->notify[srq->notifies++] = fk.last_overlapped = a->overlapped;
	report_if_low(srq);
	return ND_PENDING;
}

/* ----------------------------------------------------------------- device */

struct virtio_rdma_recv_wqe *fk_srq_next(struct object *srq)
{
	return queued(srq) ? entry_in(srq->buffer, srq->depth,
				      record(srq)->head) : NULL;
}

void fk_srq_took(struct object *srq)
{
	vrdma_publish32(&record(srq)->head, record(srq)->head + 1);
	report_if_low(srq);
}

/* --------------------------------------------------------- for single tests */

struct virtio_rdma_srq_record *fake_srq_record(void)
{
	return fk_newest(SRQ)->buffer;
}

void *fake_srq_entry(uint32_t count)
{
	struct object *srq = fk_newest(SRQ);

	return entry_in(srq->buffer, srq->depth, count);
}

uint32_t fake_srq_depth(void)
{
	return fk_newest(SRQ)->depth;
}

uint32_t fake_srq_slot(void)
{
	return fk_newest(SRQ)->id;
}

void fake_srq_take(void)
{
	pthread_mutex_lock(&fk.lock);
	fk_srq_took(fk_newest(SRQ));
	pthread_mutex_unlock(&fk.lock);
}

void fake_report_srq(uint32_t status)
{
	fk_end_notifies(fk_newest(SRQ), status);
}
