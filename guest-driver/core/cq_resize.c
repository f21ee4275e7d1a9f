/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-or-later */
/*
 * cq_resize.c - a completion queue gets another depth
 *
 * DOC: Another depth is another ring, and nothing is copied:
 *
 *	here				device
 *	chain the new ring to the last
 *	RESIZE_CQ
 *					old record: moved; writes to the new ring
 *	poll the old ring until it is
 *	empty, then the new one
 *	free the old ring
 *
 * The record tells the poller that the device has moved, not the command's answer,
 * so polling needs no lock, and completions keep their order.  The rings that are
 * not polled empty yet form a chain, of any length.  A process polls its rings by
 * itself: here such a queue has the old ring until the answer.
 *
 * If the device refuses, the new ring is taken off the chain again.
 */
#include "vrc.h"

struct resize {
	struct vrc_cmd cmd;
	struct vrc_cq *cq;
	struct vrc_request req;
	struct vrc_cq_ring *ring;	/* the new one */
	struct vrc_pages pages;
};

static struct vrc_cq_ring *ring_of(struct vrdma_cqring *poll)
{
	return poll ? VRC_CONTAINER(poll, struct vrc_cq_ring, poll) : NULL;
}

struct vrc_cq_ring *vrc_cq_next(const struct vrc_cq_ring *r)
{
	return ring_of(vrdma_cqring_next(&r->poll));
}

/* --- polling on --------------------------------------------------------------------------- */

bool vrc_cq_advance(struct vrc_cq *cq)
{
	struct vrdma_core *c = cq->obj.core;
	struct vrc_cq_ring *old, *next;
	bool over;

	vrc_lock(c);
	old = cq->first;
	next = vrc_cq_next(old);
	/* what the core writes to in the lost device's place is not left */
	over = next && old != cq->produce && !vrdma_cqring_ready(&old->poll);
	if (over)
		cq->first = next;
	vrc_unlock(c);
	if (over)
		vrc_cq_ring_free(c, old, true);
	return over;
}

/* --- the chain: core's lock held ------------------------------------------------------------ */

static void chain(struct vrc_cq *cq, struct vrc_cq_ring *ring)
{
	const struct virtio_rdma_cq_record *from = cq->last->poll.rec;
	struct virtio_rdma_cq_record *to = ring->poll.rec;

	to->interval = __atomic_load_n(&from->interval, __ATOMIC_RELAXED);
	to->count = __atomic_load_n(&from->count, __ATOMIC_RELAXED);
	ring->number = cq->last->number + 1;
	__atomic_store_n(&cq->last->poll.next, &ring->poll, __ATOMIC_RELEASE);
	cq->last = ring;
}

/*
 * False: the poller may be there already, as the record says that the device has
 * moved.  After a refusal that is a word of a broken device or, of a process's
 * queue, of a process, which does not count: the device writes to the old ring.
 */
static bool unchain(struct vrc_cq *cq, struct vrc_cq_ring *ring, bool lost)
{
	struct vrc_cq_ring *at = cq->first;

	while (at != ring && at->poll.next != &ring->poll)
		at = ring_of(at->poll.next);
	if (at == ring || ((lost || !cq->user) && vrc_cq_next(at)))
		return false;
	__atomic_store_n(&at->poll.next, NULL, __ATOMIC_RELEASE);
	cq->last = at;
	return true;
}

/* The process has mapped the rings before; what it has of them is its own */
static struct vrc_cq_ring *leave_old_ones(struct vrc_cq *cq)
{
	struct vrc_cq_ring *old = cq->first;

	if (!cq->user || old == cq->last || cq->produce == old)
		return NULL;
	cq->first = cq->last;
	return old;
}

/* --- the command ---------------------------------------------------------------------------- */

static void fill_resize(struct vrc_cmd *cmd, void *req)
{
	struct resize *rs = VRC_CONTAINER(cmd, struct resize, cmd);
	struct virtio_rdma_cmd_resize_cq *r = req;

	r->depth = vr_to_le32(rs->ring->poll.depth);
	r->ring_offset = vr_to_le32(VRC_CQ_RING_OFFSET);
	r->buffer = rs->pages.wire;
}

static void resize_free(struct vrdma_core *c, struct resize *rs)
{
	vrc_pages_free(c, &rs->pages);
	vrc_free(c, rs);
}

/* What a broken device answers says nothing about what it did: then the ring that
 * is given up is left to it */
static void end_resize(struct vrc_cq *cq, struct resize *rs, uint32_t wire)
{
	struct vrdma_core *c = cq->obj.core;
	struct vrc_cq_ring *gone = NULL;

	vrc_lock(c);
	if (wire != VIRTIO_RDMA_S_OK &&
	    unchain(cq, rs->ring, wire == VRC_S_DEVICE_LOST))
		gone = rs->ring;
	else
		gone = leave_old_ones(cq);
	cq->resizing = false;
	vrc_unlock(c);
	if (gone)
		vrc_cq_ring_free(c, gone, wire != VIRTIO_RDMA_S_INTERNAL_ERROR);
}

static void resize_done(struct vrc_cmd *cmd, uint32_t wire, const void *rsp)
{
	struct resize *rs = VRC_CONTAINER(cmd, struct resize, cmd);
	struct vrc_request req = rs->req;
	struct vrc_cq *cq = rs->cq;

	(void)rsp;
	end_resize(cq, rs, wire);
	resize_free(cq->obj.core, rs);
	vrc_request_done(&cq->obj, &req, vrdma_status_from_wire(wire));
}

/* One at a time; a depth that the ring has already needs none */
static NTSTATUS claim(struct vrc_cq *cq, uint32_t depth)
{
	NTSTATUS st = STATUS_PENDING;

	vrc_lock(cq->obj.core);
	if (!vrc_obj_usable_locked(&cq->obj))
		st = STATUS_DEVICE_REMOVED;
	else if (cq->resizing)
		st = STATUS_INSUFFICIENT_RESOURCES;
	else if (cq->last->poll.depth == depth)
		st = STATUS_SUCCESS;
	else
		cq->resizing = true;
	vrc_unlock(cq->obj.core);
	return st;
}

static void give_up(struct vrc_cq *cq)
{
	vrc_lock(cq->obj.core);
	cq->resizing = false;
	vrc_unlock(cq->obj.core);
}

static struct resize *resize_new(struct vrc_cq *cq, uint32_t depth)
{
	struct vrdma_core *c = cq->obj.core;
	struct resize *rs = vrc_alloc(c, sizeof(*rs));

	if (!rs)
		return NULL;
	rs->cq = cq;
	rs->ring = vrc_cq_ring_new(c, depth, &rs->pages);
	if (!rs->ring) {
		vrc_free(c, rs);
		return NULL;
	}
	vrc_cmd_init(&rs->cmd, fill_resize, resize_done);
	return rs;
}

/* 0: the device has it, or will */
static int submit(struct vrc_cq *cq, struct resize *rs)
{
	struct vrdma_core *c = cq->obj.core;
	int err = -VRC_ENODEV;

	vrc_lock(c);
	if (vrc_obj_usable_locked(&cq->obj)) {
		chain(cq, rs->ring);
		err = vrc_cmd_submit_locked(c, cq->obj.epoch, &rs->cmd,
					    VIRTIO_RDMA_CMD_RESIZE_CQ,
					    cq->obj.handle);
		if (err)
			unchain(cq, rs->ring, false);
		else
			cq->obj.holds++;
	}
	vrc_unlock(c);
	return err;
}

NTSTATUS vrc_resize_cq(NDK_CQ *ndk, ULONG depth, NDK_FN_REQUEST_COMPLETION *rc,
		       PVOID ctx)
{
	struct vrc_cq *cq = vrc_cq_of(ndk);
	const struct vrc_adapter *a = cq->obj.owner;
	uint32_t entries = vrc_roundup_pow2(depth);
	struct vrdma_core *c = cq->obj.core;
	struct resize *rs;
	NTSTATUS st;

	if (!(a->features & VIRTIO_RDMA_FEATURE(CQ_RESIZE)))
		return STATUS_NOT_SUPPORTED;
	if (!rc || !depth || !entries ||
	    entries > VRC_CFG32(&a->cfg, max_cq_depth))
		return STATUS_INVALID_PARAMETER;
	st = claim(cq, entries);
	if (st != STATUS_PENDING)
		return st;
	rs = resize_new(cq, entries);
	if (!rs) {
		give_up(cq);
		return STATUS_INSUFFICIENT_RESOURCES;
	}
	rs->req = (struct vrc_request){ .cb = rc, .context = ctx };
	if (!submit(cq, rs))
		return STATUS_PENDING;
	give_up(cq);
	vrc_cq_ring_free(c, rs->ring, true);
	resize_free(c, rs);
	return STATUS_DEVICE_REMOVED;
}
