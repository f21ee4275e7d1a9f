/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-or-later */
/*
 * qp_lost.c - requests of a queue pair whose device is gone
 *
 * DOC: Exactly once.  An entry has ended when the record's head is past it, or
 * when its completion is in the CQ: the device writes the completion first and
 * the head later, and may have died in between.  Completions of one queue are
 * in order, so the newest one in the ring (noted by vrc_cq_lost()) tells where
 * the device stopped.  It is believed when its index falls among the
 * outstanding entries and its wr_id is that entry's; an index alone could be
 * one of 65536 requests ago, if all in between were silent.
 *
 * Receives from a shared queue are not completed here; see srq.c.
 */
#include "vrc.h"

static vr_le32 *head_of(struct vrc_qp *qp, enum vrc_dir dir)
{
	struct virtio_rdma_qp_record *rec = qp->buffer.va;

	return dir == VRC_SQ ? &rec->sq_head : &rec->rq_head;
}

static uint32_t tail_of(struct vrc_qp *qp, enum vrc_dir dir)
{
	struct virtio_rdma_qp_record *rec = qp->buffer.va;

	return vrdma_observe32(dir == VRC_SQ ? &rec->sq_tail : &rec->rq_tail);
}

/* Both kinds of entries begin with the wr_id */
static const void *entry_at(struct vrc_qp *qp, enum vrc_dir dir, uint32_t count)
{
	return (const uint8_t *)qp->buffer.va + qp->offset[dir] +
	       (size_t)(count & (qp->depth[dir] - 1)) * qp->stride[dir];
}

static vr_le64 wr_id_at(struct vrc_qp *qp, enum vrc_dir dir, uint32_t count)
{
	vr_le64 id;

	memcpy(&id, entry_at(qp, dir, count), sizeof(id));
	return id;
}

/* The first entry that has not ended */
static uint32_t find_ended(struct vrc_qp *qp, enum vrc_dir dir)
{
	uint32_t head = vrdma_observe32(head_of(qp, dir));
	uint32_t tail = tail_of(qp, dir);
	const struct vrc_seen *seen = &qp->seen[dir];
	uint16_t ahead;

	/* a process may have written anything there */
	if (tail - head > qp->depth[dir])
		head = tail - qp->depth[dir];
	ahead = (uint16_t)(seen->index - (uint16_t)head);
	if (!seen->any || ahead >= tail - head ||
	    vr_from_le64(wr_id_at(qp, dir, head + ahead)) != seen->wr_id)
		return head;
	return head + ahead + 1;
}

static uint8_t opcode_at(struct vrc_qp *qp, enum vrc_dir dir, uint32_t count)
{
	const struct virtio_rdma_send_wqe *w = entry_at(qp, dir, count);

	if (dir == VRC_RQ)
		return VIRTIO_RDMA_OP_RECEIVE;
	return w->opcode >= VIRTIO_RDMA_OP_SEND &&
	       w->opcode <= VIRTIO_RDMA_OP_INVALIDATE ? w->opcode :
							VIRTIO_RDMA_OP_SEND;
}

static void cancel_one(struct vrc_qp *qp, enum vrc_dir dir, uint32_t count)
{
	struct virtio_rdma_cqe e = {
		.wr_id = wr_id_at(qp, dir, count),
		.qp_context = vr_to_le64(qp->qp_context),
		.qp = vr_to_le32(qp->obj.handle),
		.wqe_index = vr_to_le16((uint16_t)count),
		.opcode = opcode_at(qp, dir, count),
		.status = VIRTIO_RDMA_WC_CANCELLED,
	};

	vrc_cq_produce_locked(qp->cq[dir], &e);
}

/* True: something was completed */
static bool cancel_all(struct vrc_qp *qp, enum vrc_dir dir)
{
	uint32_t tail = tail_of(qp, dir), at = qp->flushed[dir];

	if (tail - at > qp->depth[dir])
		at = tail - qp->depth[dir];
	if (at == tail)
		return false;
	while (at != tail) {
		cancel_one(qp, dir, at);
		/* each: who sees its completion may post again */
		vrdma_publish32(head_of(qp, dir), ++at);
	}
	qp->flushed[dir] = tail;
	return true;
}

/* The queues that are the queue pair's own */
static int last_dir(const struct vrc_qp *qp)
{
	return qp->srq ? VRC_SQ : VRC_RQ;
}

/* A post, or a process's flush, after the loss.  Any context. */
void vrc_qp_flush_lost(struct vrc_qp *qp)
{
	int d;

	vrc_lock(qp->obj.core);
	for (d = VRC_SQ; qp->lost && d <= last_dir(qp); d++)
		if (cancel_all(qp, (enum vrc_dir)d))
			vrc_cq_produced_locked(qp->cq[d]);
	vrc_unlock(qp->obj.core);
}

void vrc_qp_lost(struct vrc_qp *qp)
{
	struct virtio_rdma_qp_record *rec = qp->buffer.va;
	int d;

	vrc_lock(qp->obj.core);
	if (!qp->lost) {
		/* the process's view, and the kernel poster's */
		vrdma_publish32(&rec->state, VIRTIO_RDMA_QP_ERROR);
		__atomic_store_n(&qp->lost, true, __ATOMIC_RELAXED);
		vrdma_full_fence();
		for (d = VRC_SQ; d <= last_dir(qp); d++) {
			qp->flushed[d] = find_ended(qp, (enum vrc_dir)d);
			cancel_all(qp, (enum vrc_dir)d);
		}
	}
	vrc_unlock(qp->obj.core);
}
