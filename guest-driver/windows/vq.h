/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-or-later */
/*
 * vq.h - the driver's side of a split virtqueue (virtio 1.2 section 2.7)
 *
 * DOC: Memory and notification are the bottom's.  What the device writes is not
 * trusted further than it must be: an id that is not outstanding breaks the queue,
 * which then says nothing any more.
 */
#ifndef VRW_VQ_H
#define VRW_VQ_H

#include "vrl.h"

#define VRW_VQ_SIZE	256u

struct vrw_vq_desc {
	uint64_t addr;
	uint32_t len;
	uint16_t flags;
	uint16_t next;
};

struct vrw_vq_ring {
	struct vrw_vq_desc desc[VRW_VQ_SIZE];
	uint16_t avail_flags;
	uint16_t avail_idx;
	uint16_t avail[VRW_VQ_SIZE];
	uint16_t used_event;
	uint16_t pad;
	_Alignas(4) uint16_t used_flags;
	uint16_t used_idx;
	struct {
		uint32_t id;
		uint32_t len;
	} used[VRW_VQ_SIZE];
	uint16_t avail_event;
};

struct vrw_vq {
	spinlock_t lock;		/* leaf */
	/* under lock */
	struct vrw_vq_ring *ring;	/* NULL: the device is down */
	bool broken;
	uint16_t free_head;
	uint16_t num_free;
	uint16_t last_used;
	uint16_t chain[VRW_VQ_SIZE];	/* next descriptor, our own copy */
	uint8_t length[VRW_VQ_SIZE];	/* of the chain that begins here; 0: none */
	void *cookie[VRW_VQ_SIZE];
};

/* Physical address of memory that the bottom gave */
typedef uint64_t vrw_phys_fn(void *ctx, const void *va);

void vrw_vq_init(struct vrw_vq *vq);
/* A fresh queue in zeroed memory, or none */
void vrw_vq_set(struct vrw_vq *vq, struct vrw_vq_ring *ring);
/* 0 or -ENOSPC */
int vrw_vq_add(struct vrw_vq *vq, const struct vrdma_buf *out,
	       const struct vrdma_buf *in, void *cookie, vrw_phys_fn *phys,
	       void *ctx);
void *vrw_vq_get(struct vrw_vq *vq, uint32_t *written);

#endif /* VRW_VQ_H */
