/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-or-later */
/*
 * vq.c - the driver's side of a split virtqueue
 */
#include "vq.h"

#define DESC_NEXT	1
#define DESC_WRITE	2

void vrw_vq_init(struct vrw_vq *vq)
{
	memset(vq, 0, sizeof(*vq));
	spin_lock_init(&vq->lock);
}

void vrw_vq_set(struct vrw_vq *vq, struct vrw_vq_ring *ring)
{
	unsigned long flags;
	uint16_t i;

	spin_lock_irqsave(&vq->lock, flags);
	vq->ring = ring;
	vq->broken = false;
	vq->free_head = 0;
	vq->num_free = VRW_VQ_SIZE;
	vq->last_used = 0;
	for (i = 0; i < VRW_VQ_SIZE; i++)
		vq->chain[i] = (uint16_t)(i + 1);
	memset(vq->length, 0, sizeof(vq->length));
	memset(vq->cookie, 0, sizeof(vq->cookie));
	spin_unlock_irqrestore(&vq->lock, flags);
}

/* lock held, two are free */
static uint16_t put(struct vrw_vq *vq, uint64_t addr, uint32_t len,
		    uint16_t flags)
{
	uint16_t i = vq->free_head;

	vq->free_head = vq->chain[i];
	vq->num_free--;
	vq->ring->desc[i] = (struct vrw_vq_desc){
		.addr = addr, .len = len, .flags = flags,
		.next = vq->chain[i],
	};
	return i;
}

static void publish(struct vrw_vq *vq, uint16_t head)
{
	struct vrw_vq_ring *r = vq->ring;

	r->avail[r->avail_idx % VRW_VQ_SIZE] = head;
	__atomic_store_n(&r->avail_idx, (uint16_t)(r->avail_idx + 1),
			 __ATOMIC_RELEASE);
}

int vrw_vq_add(struct vrw_vq *vq, const struct vrdma_buf *out,
	       const struct vrdma_buf *in, void *cookie, vrw_phys_fn *phys,
	       void *ctx)
{
	bool has_out = out && out->length, has_in = in && in->length;
	unsigned long flags;
	int err = -ENOSPC;
	uint16_t head;

	spin_lock_irqsave(&vq->lock, flags);
	if (vq->ring && !vq->broken && vq->num_free >= 2 &&
	    (has_out || has_in)) {
		/* free descriptors are linked: the second is the first's next */
		head = has_out ? put(vq, phys(ctx, out->va), out->length,
				     has_in ? DESC_NEXT : 0) :
				 put(vq, phys(ctx, in->va), in->length,
				     DESC_WRITE);
		if (has_out && has_in)
			put(vq, phys(ctx, in->va), in->length, DESC_WRITE);
		vq->length[head] = has_out && has_in ? 2 : 1;
		vq->cookie[head] = cookie;
		publish(vq, head);
		err = 0;
	}
	spin_unlock_irqrestore(&vq->lock, flags);
	return err;
}

static void release(struct vrw_vq *vq, uint16_t head)
{
	uint16_t last = vq->length[head] == 2 ? vq->chain[head] : head;

	vq->chain[last] = vq->free_head;
	vq->free_head = head;
	vq->num_free = (uint16_t)(vq->num_free + vq->length[head]);
	vq->length[head] = 0;
}

static void *take(struct vrw_vq *vq, uint32_t *written)
{
	uint16_t at = vq->last_used;
	uint32_t id;

	if (!vq->ring || vq->broken ||
	    __atomic_load_n(&vq->ring->used_idx, __ATOMIC_ACQUIRE) == at)
		return NULL;
	id = READ_ONCE(vq->ring->used[at % VRW_VQ_SIZE].id);
	if (written)
		*written = vq->ring->used[at % VRW_VQ_SIZE].len;
	if (id >= VRW_VQ_SIZE || !vq->length[id]) {
		vq->broken = true;
		return NULL;
	}
	vq->last_used++;
	release(vq, (uint16_t)id);
	return vq->cookie[id];
}

void *vrw_vq_get(struct vrw_vq *vq, uint32_t *written)
{
	unsigned long flags;
	void *cookie;

	spin_lock_irqsave(&vq->lock, flags);
	cookie = take(vq, written);
	spin_unlock_irqrestore(&vq->lock, flags);
	return cookie;
}
