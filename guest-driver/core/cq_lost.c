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

static struct virtio_rdma_cqe *entry_at(struct vrc_cq *cq, uint32_t pos)
{
	struct virtio_rdma_cqe *ring =
		(void *)((uint8_t *)cq->buffer.va +
			 sizeof(struct virtio_rdma_cq_record));

	return &ring[pos & (cq->depth - 1)];
}

static uint8_t phase_of(const struct vrc_cq *cq, uint32_t pos)
{
	return pos & cq->depth ? 0 : VIRTIO_RDMA_CQE_PHASE;
}

static uint32_t consumer_pos(const struct vrc_cq *cq)
{
	const struct virtio_rdma_cq_record *rec = cq->buffer.va;

	return vrdma_observe32(&rec->head);
}

/* Entries from the consumer's position on that are of their lap */
uint32_t vrc_cq_end(struct vrc_cq *cq)
{
	uint32_t head = consumer_pos(cq), n;

	for (n = 0; n < cq->depth; n++) {
		uint8_t status = __atomic_load_n(&entry_at(cq, head + n)->status,
						 __ATOMIC_ACQUIRE);

		if ((status & VIRTIO_RDMA_CQE_PHASE) != phase_of(cq, head + n))
			break;
	}
	return head + n;
}

/*
 * Lock held.  age: how many places before the end it is.  One from before the
 * queue pair was born is that of another, which had the same handle: handles
 * come again, if only rarely.
 */
static void note_seen(struct vrc_cq *cq, const struct virtio_rdma_cqe *e,
		      uint32_t age)
{
	enum vrc_dir dir = e->opcode >= VIRTIO_RDMA_OP_RECEIVE ? VRC_RQ : VRC_SQ;
	struct vrc_qp *qp = vrc_qp_find_locked(cq->obj.core,
					       vr_from_le32(e->qp));

	if (!qp || qp->cq[dir] != cq || qp->lost ||
	    cq->produce_pos - qp->born[dir] < age)
		return;
	qp->seen[dir].any = true;
	qp->seen[dir].index = vr_from_le16(e->wqe_index);
	qp->seen[dir].wr_id = vr_from_le64(e->wr_id);
}

void vrc_cq_lost(struct vrc_cq *cq)
{
	struct vrdma_core *c = cq->obj.core;
	uint32_t i;

	vrc_lock(c);
	if (!cq->produce) {
		cq->produce_pos = vrc_cq_end(cq);
		cq->produce = true;
		/* oldest first, so that the newest is what stays noted; an
		 * opcode of zero was never written */
		for (i = cq->depth; i; i--) {
			struct virtio_rdma_cqe e =
				*entry_at(cq, cq->produce_pos - i);

			if (e.opcode)
				note_seen(cq, &e, i);
		}
	}
	vrc_unlock(c);
}

/* False: the ring is full, which the consumer's sizing should have prevented */
bool vrc_cq_produce_locked(struct vrc_cq *cq, const struct virtio_rdma_cqe *e)
{
	struct virtio_rdma_cq_record *rec = cq->buffer.va;
	struct virtio_rdma_cqe *to = entry_at(cq, cq->produce_pos);

	if (cq->produce_pos - consumer_pos(cq) >= cq->depth) {
		cq->error = STATUS_BUFFER_OVERFLOW;
		return false;
	}
	memcpy(to, e, offsetof(struct virtio_rdma_cqe, status));
	__atomic_store_n(&to->status,
			 (uint8_t)(e->status | phase_of(cq, cq->produce_pos)),
			 __ATOMIC_RELEASE);
	cq->produce_pos++;
	vrdma_publish32(&rec->tail, cq->produce_pos);
	return true;
}

/* Cancelled completions were written: serve the arm as the device would */
void vrc_cq_produced_locked(struct vrc_cq *cq)
{
	struct virtio_rdma_cq_record *rec = cq->buffer.va;
	uint32_t arm;

	vrdma_full_fence();
	arm = vr_from_le32(__atomic_load_n(&rec->arm, __ATOMIC_RELAXED));
	/* a failed completion counts as solicited */
	if (arm < VIRTIO_RDMA_ARM_SOLICITED && cq->error == STATUS_SUCCESS)
		return;
	arm = vr_from_le32(__atomic_exchange_n(&rec->arm,
					       vr_to_le32(VIRTIO_RDMA_ARM_NONE),
					       __ATOMIC_SEQ_CST));
	if (arm != VIRTIO_RDMA_ARM_NONE)
		vrc_cq_notify_soon_locked(cq, STATUS_SUCCESS);
}

/*
 * Every armed CQ gets its callback: SUCCESS when there is something to poll,
 * else INTERNAL_ERROR, which is NDK's word for a CQ that will give nothing
 * more.
 */
void vrc_cq_lost_notify(struct vrc_cq *cq)
{
	struct virtio_rdma_cq_record *rec = cq->buffer.va;
	vr_le32 none = vr_to_le32(VIRTIO_RDMA_ARM_NONE);
	NTSTATUS status;

	if (__atomic_exchange_n(&rec->arm, none, __ATOMIC_SEQ_CST) == none)
		return;
	vrc_lock(cq->obj.core);
	status = cq->error;
	if (status == STATUS_SUCCESS && cq->produce_pos == consumer_pos(cq))
		status = STATUS_INTERNAL_ERROR;
	vrc_unlock(cq->obj.core);
	vrc_cq_notify(cq, status);
}
