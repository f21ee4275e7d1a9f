/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * cq_resize.c - a completion queue gets another ring
 *
 * DOC: The worker goes over to the new ring between two of its steps.  What it
 * wrote stays in the old one, where the driver takes it before it turns to the
 * new one, so nothing is copied, lost or out of order.  It says so in the old
 * record, whose tail is final then.
 *
 * The arm goes along.  The driver raises it in the old record and then looks
 * whether the ring has moved; the worker says that it has and then takes the arm
 * from there.  So either the worker finds the arm, or the driver finds that it has
 * to raise it in the new record.  An arm that was raised with entries in the old
 * ring is served at once: the driver has found them, or is about to, and cannot
 * take it back from where it is on its way.
 */
#include "cq.h"
#include "guest.h"
#include "worker.h"

#define RAISES_AT_ONCE	8	/* a driver raises the word once at a time */

struct resize {
	struct vr_cq *cq;
	struct cq_ring ring;		/* the new one, then the one to free */
	enum virtio_rdma_status status;
};

/* As the driver does it: the greater of the two */
static void raise_arm(_Atomic uint32_t *arm_le, uint32_t arm)
{
	uint32_t old_le = atomic_load(arm_le);

	for (int i = 0; i < RAISES_AT_ONCE && vr_from_le32(old_le) < arm; i++)
		if (atomic_compare_exchange_strong(arm_le, &old_le,
						   vr_to_le32(arm)))
			return;
}

static void carry_arm(struct vr_cq *cq, const struct cq_ring *old, uint32_t tail)
{
	uint32_t arm = vr_from_le32(atomic_exchange(
			       old->arm_le, vr_to_le32(VIRTIO_RDMA_ARM_NONE)));
	uint32_t head = vr_from_le32(atomic_load(old->head_le));

	if (head != tail && cq_arm_matches(arm, CQ_FRESH_ANY |
						CQ_FRESH_SOLICITED))
		cq_send_event(cq);
	else if (arm <= VIRTIO_RDMA_ARM_HELD)
		raise_arm(cq->ring.arm_le, arm);
}

static void move(struct vr_cq *cq, struct resize *r)
{
	struct cq_ring old = cq->ring;
	uint32_t tail = cq->tail;

	atomic_store_explicit(old.tail_le, vr_to_le32(tail),
			      memory_order_relaxed);
	cq_hold_moved(cq);
	cq->ring = r->ring;
	cq->tail = cq->head = cq->seen = 0;
	atomic_store(old.moved_le, vr_to_le32(1));
	carry_arm(cq, &old, tail);
	r->ring = old;
}

static void resize_in_worker(void *arg)
{
	struct resize *r = arg;

	r->status = VIRTIO_RDMA_S_INVALID_STATE;
	if (r->cq->dead)
		return;
	r->status = VIRTIO_RDMA_S_OK;
	move(r->cq, r);
}

void cmd_resize_cq(struct command *cmd)
{
	const struct virtio_rdma_cmd_resize_cq *req = &cmd->req.resize_cq;
	uint32_t depth = vr_from_le32(req->depth);
	uint32_t offset = vr_from_le32(req->ring_offset);
	struct guest *g = cmd->guest;
	struct resize r = { 0 };

	r.status = VIRTIO_RDMA_S_INVALID_HANDLE;
	r.cq = handle_get(&g->cqs, cmd->handle);
	if (!r.cq)
		goto out;
	r.status = VIRTIO_RDMA_S_INVALID_PARAMETER;
	if (!cq_ring_ok(g->conf, depth, offset, &req->buffer))
		goto out;
	r.status = cq_ring_map(g, &r.ring, depth, offset, &req->buffer);
	if (r.status)
		goto out;
	worker_call(r.cq->worker, resize_in_worker, &r);
	gmem_pages_put(&r.ring.pages);
out:
	command_done(cmd, r.status, 0);
}
