// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * fe_vq.c - the driver's side of split virtqueues (virtio 1.2 section 2.7)
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "fe_internal.h"

#define RING_PAGES ((uint32_t)((sizeof(struct fe_ring) + FE_PAGE - 1) / FE_PAGE))

/* A virtqueue lies in one piece of guest physical memory, so it is taken from
 * the top of the high region, out of the shuffled pages' reach. */
static void *ring_memory(struct fe *fe, uint32_t index)
{
	const struct fe_region *r = &fe->region[1];

	return r->va + r->size - (uint64_t)(index + 1) * RING_PAGES * FE_PAGE;
}

static void reserve_ring_pages(struct fe *fe)
{
	uint32_t total = (uint32_t)(fe->mem_size / FE_PAGE);
	uint32_t first = (total - FE_MAX_QUEUES * RING_PAGES) / fe->unit_pages;
	uint32_t kept = 0;

	for (uint32_t i = 0; i < fe->num_free; i++)
		if (fe->free_unit[i] < first)
			fe->free_unit[kept++] = fe->free_unit[i];
	fe->num_free = kept;
}

int fe_vq_init(struct fe *fe, uint32_t index)
{
	struct fe_vq *vq = &fe->vq[index];

	if (index == 0)
		reserve_ring_pages(fe);
	vq->ring = ring_memory(fe, index);
	vq->kick_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	vq->call_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	if (vq->kick_fd < 0 || vq->call_fd < 0)
		return -errno;
	return 0;	/* cleared when it is known to be used */
}

void fe_vq_fini(struct fe *fe, uint32_t index)
{
	close(fe->vq[index].kick_fd);
	close(fe->vq[index].call_fd);
}

/* A fresh queue, as a driver makes it after a reset */
void fe_vq_clear(struct fe_vq *vq)
{
	memset(vq->ring, 0, sizeof(*vq->ring));
	memset(vq->cookie, 0, sizeof(vq->cookie));
	for (uint16_t i = 0; i < FE_RING_SIZE; i++)
		vq->ring->desc[i].next = (uint16_t)(i + 1);
	vq->free_head = 0;
	vq->num_free = FE_RING_SIZE;
	vq->last_used = 0;
}

static uint16_t put_desc(struct fe *fe, struct fe_vq *vq,
			 const struct fe_buf *b, uint16_t flags)
{
	uint16_t i = vq->free_head;
	struct fe_ring_desc *d = &vq->ring->desc[i];

	vq->free_head = d->next;
	vq->num_free--;
	d->addr = fe_gpa(fe, b->va);
	d->len = b->length;
	d->flags = flags;
	return i;
}

static void publish(struct fe_vq *vq, uint16_t head)
{
	struct fe_ring *r = vq->ring;

	r->avail[r->avail_idx % FE_RING_SIZE] = head;
	__atomic_store_n(&r->avail_idx, (uint16_t)(r->avail_idx + 1),
			 __ATOMIC_RELEASE);
}

int fe_add(struct fe *fe, uint32_t queue, const struct fe_buf *out,
	   const struct fe_buf *in, void *cookie)
{
	struct fe_vq *vq = &fe->vq[queue];
	bool has_out = out && out->length, has_in = in && in->length;
	uint16_t head;

	pthread_mutex_lock(&fe->vq_lock);
	if (vq->num_free < 2) {
		pthread_mutex_unlock(&fe->vq_lock);
		return -ENOSPC;
	}
	if (has_out && has_in) {
		head = put_desc(fe, vq, out, FE_DESC_NEXT);
		vq->ring->desc[head].next = put_desc(fe, vq, in, FE_DESC_WRITE);
	} else if (has_out) {
		head = put_desc(fe, vq, out, 0);
	} else {
		head = put_desc(fe, vq, in, FE_DESC_WRITE);
	}
	vq->cookie[head] = cookie;
	publish(vq, head);
	pthread_mutex_unlock(&fe->vq_lock);
	return 0;
}

void fe_add_raw(struct fe *fe, uint32_t queue, const struct fe_desc *chain,
		uint32_t n, uint16_t head)
{
	struct fe_vq *vq = &fe->vq[queue];

	pthread_mutex_lock(&fe->vq_lock);
	for (uint32_t i = 0; i < n; i++)
		vq->ring->desc[i] = (struct fe_ring_desc){
			chain[i].addr, chain[i].len, chain[i].flags,
			chain[i].next };
	publish(vq, head);
	pthread_mutex_unlock(&fe->vq_lock);
}

static void release_chain(struct fe_vq *vq, uint16_t head)
{
	uint16_t last = head, n = 1;

	while (vq->ring->desc[last].flags & FE_DESC_NEXT) {
		last = vq->ring->desc[last].next;
		n++;
	}
	vq->ring->desc[last].next = vq->free_head;
	vq->free_head = head;
	vq->num_free = (uint16_t)(vq->num_free + n);
}

void *fe_get(struct fe *fe, uint32_t queue, uint32_t *written)
{
	struct fe_vq *vq = &fe->vq[queue];
	struct fe_used_elem e;
	void *cookie = NULL;

	pthread_mutex_lock(&fe->vq_lock);
	if (__atomic_load_n(&vq->ring->used_idx, __ATOMIC_ACQUIRE) !=
	    vq->last_used) {
		e = vq->ring->used[vq->last_used++ % FE_RING_SIZE];
		cookie = vq->cookie[e.id % FE_RING_SIZE];
		vq->cookie[e.id % FE_RING_SIZE] = NULL;
		if (written)
			*written = e.len;
		release_chain(vq, (uint16_t)e.id);
	}
	pthread_mutex_unlock(&fe->vq_lock);
	return cookie;
}

void fe_kick(struct fe *fe, uint32_t queue)
{
	uint64_t one = 1;

	if (write(fe->vq[queue].kick_fd, &one, sizeof(one)) < 0)
		return;		/* counter full: a kick is pending already */
}
