/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-or-later */
/*
 * cq_lost.c - a completion queue whose device is gone
 *
 * DOC: The core takes the device's place as the writer of the ring.  It finds
 * where the device stopped by the phase bits, notes for each queue pair the
 * newest completion that is in the ring, and appends cancelled completions.
 * All under the core's lock; the consumer polls on, lock-free.
 *
 * A user-mode ring is the process's own memory: what it puts there can
 * confuse its own completions, and nothing else.
 */
#include "vrc.h"

static struct virtio_rdma_cqe *entry_at(const struct vrc_cq_ring *r,
					uint32_t pos)
{
	struct virtio_rdma_cqe *ring =
		(void *)((uint8_t *)r->buffer.va + VRC_CQ_RING_OFFSET);

	return &ring[pos & (r->poll.depth - 1)];
}

static uint8_t phase_of(const struct vrc_cq_ring *r, uint32_t pos)
{
	return pos & r->poll.depth ? 0 : VIRTIO_RDMA_CQE_PHASE;
}

static uint32_t consumer_pos(const struct vrc_cq_ring *r)
{
	return vrdma_observe32(&r->poll.rec->head);
}

/* The ring that the device writes to */
static struct vrc_cq_ring *newest_locked(struct vrc_cq *cq)
{
	struct vrc_cq_ring *r = cq->first, *next;

	while ((next = vrc_cq_next(r)))
		r = next;
	return r;
}

/* Where the device's word, which may be late by some, is if it makes sense; else
 * the consumer's position */
static uint32_t known_end(const struct vrc_cq_ring *r, uint32_t head)
{
	uint32_t tail = vrdma_observe32(&r->poll.rec->tail);

	return tail - head <= r->poll.depth ? tail : head;
}

/* Entries from the consumer's position on that are of their lap */
static uint32_t end_of(const struct vrc_cq_ring *r)
{
	uint32_t head = consumer_pos(r), pos = known_end(r, head);

	for (; pos - head < r->poll.depth; pos++) {
		uint8_t status = __atomic_load_n(&entry_at(r, pos)->status,
						 __ATOMIC_ACQUIRE);

		if ((status & VIRTIO_RDMA_CQE_PHASE) != phase_of(r, pos))
			break;
	}
	return pos;
}

struct vrc_cq_place vrc_cq_end(struct vrc_cq *cq)
{
	const struct vrc_cq_ring *r;
	struct vrc_cq_place end;

	vrc_lock(cq->obj.core);
	r = newest_locked(cq);
	end = (struct vrc_cq_place){ .ring = r->number, .pos = end_of(r) };
	vrc_unlock(cq->obj.core);
	return end;
}

/*
 * Lock held.  age: how many places before the end it is.  One from before the
 * queue pair was born is that of another, which had the same handle: handles
 * come again, if only rarely.
 */
static bool before_birth(const struct vrc_cq *cq, struct vrc_cq_place born,
			 uint32_t age)
{
	return born.ring == cq->produce->number &&
	       cq->produce_pos - born.pos < age;
}

static void note_seen(struct vrc_cq *cq, const struct virtio_rdma_cqe *e,
		      uint32_t age)
{
	enum vrc_dir dir = e->opcode >= VIRTIO_RDMA_OP_RECEIVE ? VRC_RQ : VRC_SQ;
	struct vrc_qp *qp = vrc_qp_find_locked(cq->obj.core,
					       vr_from_le32(e->qp));

	if (!qp || qp->cq[dir] != cq || qp->lost ||
	    before_birth(cq, qp->born[dir], age))
		return;
	qp->seen[dir].any = true;
	qp->seen[dir].index = vr_from_le16(e->wqe_index);
	qp->seen[dir].wr_id = vr_from_le64(e->wr_id);
}

/* The device may have moved to another ring, and left the arm behind */
static void carry_arm(struct vrc_cq *cq)
{
	struct vrc_cq_ring *r = cq->first, *next;

	for (; (next = vrc_cq_next(r)); r = next)
		vrdma_cqring_raise_arm(&next->poll,
				       vrdma_cqring_take_arm(&r->poll));
}

/* The ring where it stopped tells of all that counts: a queue pair's record was
 * up to date whenever the device went from one ring to another. */
void vrc_cq_lost(struct vrc_cq *cq)
{
	struct vrdma_core *c = cq->obj.core;
	uint32_t i;

	vrc_lock(c);
	if (!cq->produce) {
		carry_arm(cq);
		cq->produce = newest_locked(cq);
		cq->produce_pos = end_of(cq->produce);
		/* oldest first, so that the newest is what stays noted; an
		 * opcode of zero was never written */
		for (i = cq->produce->poll.depth; i; i--) {
			struct virtio_rdma_cqe e =
				*entry_at(cq->produce, cq->produce_pos - i);

			if (e.opcode)
				note_seen(cq, &e, i);
		}
	}
	vrc_unlock(c);
}

/* False: the ring is full, which the consumer's sizing should have prevented */
bool vrc_cq_produce_locked(struct vrc_cq *cq, const struct virtio_rdma_cqe *e)
{
	struct vrc_cq_ring *r = cq->produce;
	struct virtio_rdma_cqe *to = entry_at(r, cq->produce_pos);

	if (cq->produce_pos - consumer_pos(r) >= r->poll.depth) {
		cq->error = STATUS_BUFFER_OVERFLOW;
		return false;
	}
	memcpy(to, e, offsetof(struct virtio_rdma_cqe, status));
	__atomic_store_n(&to->status,
			 (uint8_t)(e->status | phase_of(r, cq->produce_pos)),
			 __ATOMIC_RELEASE);
	cq->produce_pos++;
	vrdma_publish32(&r->poll.rec->tail, cq->produce_pos);
	return true;
}

/* Cancelled completions were written: serve the arm as the device would */
void vrc_cq_produced_locked(struct vrc_cq *cq)
{
	struct vrdma_cqring *ring = &cq->produce->poll;
	uint32_t arm;

	vrdma_full_fence();
	arm = vr_from_le32(__atomic_load_n(&ring->rec->arm, __ATOMIC_RELAXED));
	/* a failed completion counts as solicited */
	if (arm < VIRTIO_RDMA_ARM_SOLICITED && cq->error == STATUS_SUCCESS)
		return;
	if (vrdma_cqring_take_arm(ring) != VIRTIO_RDMA_ARM_NONE)
		vrc_cq_notify_soon_locked(cq, STATUS_SUCCESS);
}

/*
 * Every armed CQ gets its callback: SUCCESS when there is something to poll,
 * else INTERNAL_ERROR, which is NDK's word for a CQ that will give nothing
 * more.
 */
void vrc_cq_lost_notify(struct vrc_cq *cq)
{
	NTSTATUS status;
	bool armed;

	vrc_cq_lost(cq);	/* one that was being created a moment ago */
	vrc_lock(cq->obj.core);
	armed = vrdma_cqring_take_arm(&cq->produce->poll) !=
		VIRTIO_RDMA_ARM_NONE;
	status = cq->error;
	if (status == STATUS_SUCCESS && cq->first == cq->produce &&
	    cq->produce_pos == consumer_pos(cq->produce))
		status = STATUS_INTERNAL_ERROR;
	vrc_unlock(cq->obj.core);
	if (armed)
		vrc_cq_notify(cq, status);
}
