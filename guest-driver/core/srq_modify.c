/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-or-later */
/*
 * srq_modify.c - a shared receive queue gets another depth, or another threshold
 *
 * DOC: Another depth may be another ring.  It is filled with what is queued and
 * posted to before the device hears of it, so posting goes on while the command
 * is in work; until its answer no more may be queued than both rings can hold.
 * If the device refuses, what was posted meanwhile goes to the old ring, which
 * still has the rest.
 *
 *	here				device
 *	fill the new ring, post there	takes from the old ring
 *	MODIFY_SRQ
 *					takes from the new ring, by its own count
 *	free the old ring
 *
 * Changes of the threshold alone may overtake each other; each has a structure
 * of its own.
 */
#include "vrc.h"

#define RECORD_SIZE	((uint32_t)sizeof(struct virtio_rdma_srq_record))

struct change {
	struct vrc_cmd cmd;
	struct vrc_srq *srq;
	struct vrc_request req;
	uint32_t threshold;
	uint32_t depth;			/* asked for, 0: not */
	bool moves;			/* to another ring */
	struct vrc_srq_ring other;	/* not the queue's: the new one, then the
					 * old one until the answer */
	struct vrc_pages pages;		/* of the new one */
	uint32_t moved_at;		/* tail when posting began to go there */
};

static struct vrc_srq *to_srq(NDK_SRQ *ndk)
{
	return (struct vrc_srq *)(void *)ndk;
}

/* --- rings ------------------------------------------------------------------------------ */

int vrc_srq_ring_alloc(const struct vrc_srq *srq, uint32_t depth,
		       struct vrc_srq_ring *out, struct vrc_pages *pages)
{
	struct vrdma_core *c = srq->obj.core;
	uint32_t bytes;

	out->depth = vrc_roundup_pow2(depth);
	out->offset = vrc_align(RECORD_SIZE, srq->stride);
	bytes = out->offset + out->depth * srq->stride;
	if (c->ops->dma_alloc(c->os, (bytes + VIRTIO_RDMA_PAGE_SIZE - 1) >>
					     VIRTIO_RDMA_PAGE_SHIFT,
			      &out->buffer))
		return -VRC_ENOMEM;
	return vrc_pages_of_dma(c, pages, &out->buffer);
}

void vrc_srq_ring_free(struct vrdma_core *c, struct vrc_srq_ring *ring)
{
	if (ring->buffer.va)
		c->ops->dma_free(c->os, &ring->buffer);
}

static struct virtio_rdma_srq_record *record_of(const struct vrc_srq_ring *ring)
{
	return ring->buffer.va;
}

static uint8_t *entry_at(const struct vrc_srq *srq,
			 const struct vrc_srq_ring *ring, uint32_t count)
{
	return (uint8_t *)ring->buffer.va + ring->offset +
	       (size_t)(count & (ring->depth - 1)) * srq->stride;
}

static void copy_entries(const struct vrc_srq *srq,
			 const struct vrc_srq_ring *to,
			 const struct vrc_srq_ring *from, uint32_t first,
			 uint32_t end)
{
	for (; first != end; first++)
		memcpy(entry_at(srq, to, first), entry_at(srq, from, first),
		       srq->stride);
}

/* --- moving: srq->post_lock held ---------------------------------------------------------- */

/* A process's counts are what it wrote there: any number */
static uint32_t tail_of(const struct vrc_srq *srq)
{
	return srq->user ? vrdma_observe32(&record_of(&srq->ring)->tail) :
			   srq->wq.tail;
}

static uint32_t head_of(const struct vrc_srq *srq)
{
	return vrdma_observe32(&record_of(&srq->ring)->head);
}

static void use_ring(struct vrc_srq *srq, const struct vrc_srq_ring *ring,
		     uint32_t tail)
{
	uint32_t limit = srq->wq.limit;

	srq->ring = *ring;
	vrdma_srq_init(&srq->wq, ring->buffer.va, ring->offset, ring->depth,
		       srq->stride, limit);
	srq->wq.tail = tail;
	vrdma_publish32(&record_of(ring)->tail, tail);
}

/* Posting goes to the new ring from here on */
static void move(struct vrc_srq *srq, struct change *ch)
{
	struct vrc_srq_ring fresh = ch->other;
	uint32_t head = head_of(srq), tail = tail_of(srq);

	if (tail - head > srq->ring.depth)
		head = tail;
	copy_entries(srq, &fresh, &srq->ring, head, tail);
	vrdma_publish32(&record_of(&fresh)->head, head);
	ch->other = srq->ring;
	ch->moved_at = tail;
	use_ring(srq, &fresh, tail);
}

/* The device stays with the old ring */
static void move_back(struct vrc_srq *srq, struct change *ch)
{
	struct vrc_srq_ring old = ch->other;
	uint32_t tail = tail_of(srq);

	if (tail - ch->moved_at > old.depth)
		tail = ch->moved_at;
	copy_entries(srq, &old, &srq->ring, ch->moved_at, tail);
	ch->other = srq->ring;
	use_ring(srq, &old, tail);
}

/* --- one change of the depth at a time ------------------------------------------------------ */

/* From here until end_depth() the ring is this change's to exchange, and no
 * more is queued than was allowed before and will be */
static NTSTATUS claim(struct vrc_srq *srq, struct change *ch)
{
	uint32_t queued = tail_of(srq) - head_of(srq);

	if (srq->moving)
		return STATUS_DEVICE_BUSY;
	if (queued > srq->ring.depth)	/* a process's mistake */
		return STATUS_INVALID_PARAMETER;
	if (queued > ch->depth)
		return STATUS_BUFFER_OVERFLOW;
	srq->moving = true;
	srq->old_limit = srq->wq.limit;
	srq->wq.limit = vrc_min(srq->wq.limit, ch->depth);
	ch->moves = vrc_roundup_pow2(ch->depth) != srq->ring.depth;
	return STATUS_SUCCESS;
}

static void end_depth(struct vrc_srq *srq, const struct change *ch, bool ok)
{
	vrc_srq_lock(srq);
	srq->wq.limit = ok ? ch->depth : srq->old_limit;
	srq->moving = false;
	vrc_srq_unlock(srq);
}

static NTSTATUS begin_depth(struct vrc_srq *srq, struct change *ch)
{
	NTSTATUS st;

	vrc_srq_lock(srq);
	st = claim(srq, ch);
	vrc_srq_unlock(srq);
	if (st != STATUS_SUCCESS || !ch->moves)
		return st;
	if (vrc_srq_ring_alloc(srq, ch->depth, &ch->other, &ch->pages)) {
		end_depth(srq, ch, false);
		return STATUS_INSUFFICIENT_RESOURCES;
	}
	vrc_srq_lock(srq);
	move(srq, ch);
	vrc_srq_unlock(srq);
	return STATUS_SUCCESS;
}

static void undo_depth(struct vrc_srq *srq, struct change *ch)
{
	if (ch->moves) {
		vrc_srq_lock(srq);
		move_back(srq, ch);
		vrc_srq_unlock(srq);
		vrc_srq_ring_bell(srq);
	}
	end_depth(srq, ch, false);
}

/* --- the command ------------------------------------------------------------------------ */

static void fill_modify(struct vrc_cmd *cmd, void *req)
{
	struct change *ch = VRC_CONTAINER(cmd, struct change, cmd);
	struct virtio_rdma_cmd_modify_srq *r = req;

	r->threshold = vr_to_le32(ch->threshold);
	if (!ch->moves)
		return;
	r->depth = vr_to_le32(ch->srq->ring.depth);
	r->ring_offset = vr_to_le32(ch->srq->ring.offset);
	r->buffer = ch->pages.wire;
}

/* let_go false: the device may still look at the other ring */
static void change_free(struct vrdma_core *c, struct change *ch, bool let_go)
{
	vrc_pages_free(c, &ch->pages);
	if (let_go)
		vrc_srq_ring_free(c, &ch->other);
	vrc_free(c, ch);
}

static void modify_done(struct vrc_cmd *cmd, uint32_t wire, const void *rsp)
{
	struct change *ch = VRC_CONTAINER(cmd, struct change, cmd);
	/* a lost device looks at neither ring */
	bool ok = wire == VIRTIO_RDMA_S_OK || wire == VRC_S_DEVICE_LOST;
	struct vrc_srq *srq = ch->srq;
	struct vrc_request req = ch->req;

	(void)rsp;
	if (ch->depth && ok)
		end_depth(srq, ch, true);
	else if (ch->depth)
		undo_depth(srq, ch);
	/* what a broken device answers says nothing about what it did */
	change_free(srq->obj.core, ch, wire != VIRTIO_RDMA_S_INTERNAL_ERROR);
	vrc_request_done(&srq->obj, &req, vrdma_status_from_wire(wire));
}

/* 0: the device has it, or will */
static int submit(struct vrc_srq *srq, struct change *ch)
{
	struct vrdma_core *c = srq->obj.core;
	int err = -VRC_ENODEV;

	vrc_lock(c);
	if (vrc_obj_usable_locked(&srq->obj))
		err = vrc_cmd_submit_locked(c, srq->obj.epoch, &ch->cmd,
					    VIRTIO_RDMA_CMD_MODIFY_SRQ,
					    srq->obj.handle);
	if (!err)
		srq->obj.holds++;
	vrc_unlock(c);
	return err;
}

static NTSTATUS start(struct vrc_srq *srq, struct change *ch)
{
	struct vrdma_core *c = srq->obj.core;
	NTSTATUS st = ch->depth ? begin_depth(srq, ch) : STATUS_SUCCESS;

	if (st == STATUS_SUCCESS && !ch->moves && !ch->threshold) {
		/* nothing of it concerns the device */
		end_depth(srq, ch, true);
	} else if (st == STATUS_SUCCESS) {
		if (!submit(srq, ch))
			return STATUS_PENDING;
		st = STATUS_DEVICE_REMOVED;
		if (ch->depth)
			undo_depth(srq, ch);
	}
	change_free(c, ch, true);
	return st;
}

NTSTATUS vrc_modify_srq(NDK_SRQ *ndk, ULONG depth, ULONG threshold,
			NDK_FN_REQUEST_COMPLETION *rc, PVOID ctx)
{
	struct vrc_srq *srq = to_srq(ndk);
	struct change *ch;

	if (!rc || (depth && !vrc_srq_depth_ok(&srq->obj.owner->cfg, depth)))
		return STATUS_INVALID_PARAMETER;
	if (!vrc_obj_usable(&srq->obj))
		return STATUS_DEVICE_REMOVED;
	if (!depth && !threshold)
		return STATUS_SUCCESS;
	ch = vrc_alloc(srq->obj.core, sizeof(*ch));
	if (!ch)
		return STATUS_INSUFFICIENT_RESOURCES;
	vrc_cmd_init(&ch->cmd, fill_modify, modify_done);
	ch->srq = srq;
	ch->req = (struct vrc_request){ .cb = rc, .context = ctx };
	ch->threshold = threshold;
	ch->depth = depth;
	return start(srq, ch);
}
