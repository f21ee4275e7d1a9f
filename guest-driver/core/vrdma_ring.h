/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-or-later */
/*
 * vrdma_ring.h - posting to and polling the rings in shared memory
 *
 * DOC: Used twice, by the miniport core and by the user-mode library, so the
 * ordering rules of docs/protocol.md are written down in code only here.
 * No locks: one poster per queue, one poller per CQ (the consumer's promise,
 * or its wrapper's lock).
 */
#ifndef VRDMA_RING_H
#define VRDMA_RING_H

#include "virtio_rdma.h"

#ifdef __KERNEL__
#include <linux/types.h>
#include <linux/string.h>
#else
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#endif

/* --- barriers, named by use ------------------------------------------- */

/*
 * pair D: a store before it and a load behind it (work bit and worker, arm and
 * completion, tail and state, tail and watched) on both sides.  ThreadSanitizer does not know
 * fences; there a read-modify-write, which is a full barrier too, stands in.
 */
static inline void vrdma_full_fence(void)
{
#ifdef __SANITIZE_THREAD__
	static uint32_t any;

	__atomic_fetch_add(&any, 0, __ATOMIC_SEQ_CST);
#else
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
#endif
}

/* pair R: the entry is in memory before the tail that announces it */
static inline void vrdma_publish32(vr_le32 *p, uint32_t v)
{
	__atomic_store_n(p, vr_to_le32(v), __ATOMIC_RELEASE);
}

static inline uint32_t vrdma_observe32(const vr_le32 *p)
{
	return vr_from_le32(__atomic_load_n(p, __ATOMIC_ACQUIRE));
}

/* --- context page ------------------------------------------------------ */

/*
 * Tell the worker that a queue pair's ring has work.  True: the worker sleeps,
 * notify the context's wake-up queue.  The two atomic ORs are full barriers on
 * every CPU the ABI names; the fence keeps the load of worker behind them.
 */
static inline bool vrdma_ring_bell(struct virtio_rdma_context_page *ctx,
				   uint32_t slot)
{
	uint32_t w = slot / 64;

	__atomic_fetch_or(&ctx->work[w], vr_to_le64(1ull << (slot % 64)),
			  __ATOMIC_SEQ_CST);
	__atomic_fetch_or(&ctx->summary[w / 64], vr_to_le64(1ull << (w % 64)),
			  __ATOMIC_SEQ_CST);
	vrdma_full_fence();
	return vr_from_le32(__atomic_load_n(&ctx->worker, __ATOMIC_RELAXED)) ==
	       VIRTIO_RDMA_WORKER_ASLEEP;
}

/*
 * Behind a tail's store and a full fence: the worker looks at this queue pair by
 * itself, so no bell is needed.
 */
static inline bool
vrdma_qp_is_watched(const struct virtio_rdma_qp_record *rec)
{
	return vr_from_le32(__atomic_load_n(&rec->watched, __ATOMIC_RELAXED)) ==
	       VIRTIO_RDMA_QP_WATCHED;
}

/* --- work queues -------------------------------------------------------- */

/* One direction of a queue pair, or a shared receive queue: the poster's private
 * view of it */
struct vrdma_wq {
	uint8_t *ring;
	vr_le32 *tail_p;		/* in the record, ours */
	const vr_le32 *head_p;		/* in the record, the device's */
	uint32_t tail;			/* entries ever posted */
	uint32_t head;			/* as it was read last: a read costs the
					 * line that the device writes to */
	uint32_t depth;			/* power of two */
	uint32_t stride;
	uint32_t limit;			/* depth the consumer asked for */
	bool receive;
	uint32_t qp;			/* handle, as in completions; whoever has it
					 * from the device puts it here */
};

static inline void vrdma_sq_init(struct vrdma_wq *q, void *buffer,
				 uint32_t offset, uint32_t depth,
				 uint32_t stride, uint32_t limit)
{
	struct virtio_rdma_qp_record *rec = buffer;

	*q = (struct vrdma_wq){
		.ring = (uint8_t *)buffer + offset, .tail_p = &rec->sq_tail,
		.head_p = &rec->sq_head, .depth = depth, .stride = stride,
		.limit = limit,
	};
}

static inline void vrdma_rq_init(struct vrdma_wq *q, void *buffer,
				 uint32_t offset, uint32_t depth,
				 uint32_t stride, uint32_t limit)
{
	struct virtio_rdma_qp_record *rec = buffer;

	*q = (struct vrdma_wq){
		.ring = (uint8_t *)buffer + offset,
		.tail_p = &rec->rq_tail,
		.head_p = &rec->rq_head,
		.depth = depth,
		.stride = stride,
		.limit = limit,
		.receive = true,
	};
}

/* A shared receive queue: head_p counts what queue pairs took */
static inline void vrdma_srq_init(struct vrdma_wq *q, void *buffer,
				  uint32_t offset, uint32_t depth,
				  uint32_t stride, uint32_t limit)
{
	struct virtio_rdma_srq_record *rec = buffer;

	*q = (struct vrdma_wq){
		.ring = (uint8_t *)buffer + offset, .tail_p = &rec->tail,
		.head_p = &rec->head, .depth = depth, .stride = stride,
		.limit = limit,
	};
}

static inline void *vrdma_wq_entry(const struct vrdma_wq *q, uint32_t count)
{
	return q->ring + (uint64_t)(count & (q->depth - 1)) * q->stride;
}

/* The entry to fill next, or NULL when as many as the consumer asked for are
 * outstanding; but then see vrdma_wq_next_behind() */
static inline void *vrdma_wq_next(struct vrdma_wq *q)
{
	if (q->tail - q->head >= q->limit) {
		q->head = vrdma_observe32(q->head_p);
		if (q->tail - q->head >= q->limit)
			return NULL;
	}
	return vrdma_wq_entry(q, q->tail);
}

static inline void vrdma_wq_post(struct vrdma_wq *q)
{
	vrdma_publish32(q->tail_p, ++q->tail);
}

/* --- completion queue --------------------------------------------------- */

struct vrdma_cqring {
	struct virtio_rdma_cq_record *rec;
	const struct virtio_rdma_cqe *ring;
	uint32_t head;			/* entries ever taken */
	uint32_t depth;			/* power of two */
	struct vrdma_cqring *next;	/* where RESIZE_CQ lets it go on, or NULL;
					 * atomic */
};

static inline void vrdma_cqring_init(struct vrdma_cqring *c, void *buffer,
				     uint32_t offset, uint32_t depth)
{
	*c = (struct vrdma_cqring){
		.rec = buffer,
		.ring = (const struct virtio_rdma_cqe *)
			((uint8_t *)buffer + offset),
		.depth = depth,
	};
}

/* pair C: the device stores the status byte, with its phase, last */
static inline bool vrdma_cqring_ready(const struct vrdma_cqring *c)
{
	const struct virtio_rdma_cqe *e = &c->ring[c->head & (c->depth - 1)];
	uint8_t phase = c->head & c->depth ? 0 : VIRTIO_RDMA_CQE_PHASE;

	return (__atomic_load_n(&e->status, __ATOMIC_ACQUIRE) &
		VIRTIO_RDMA_CQE_PHASE) == phase;
}

static inline bool vrdma_cqring_take(struct vrdma_cqring *c,
				     struct virtio_rdma_cqe *out)
{
	if (!vrdma_cqring_ready(c))
		return false;
	*out = c->ring[c->head & (c->depth - 1)];
	out->status &= (uint8_t)~VIRTIO_RDMA_CQE_PHASE;
	vrdma_publish32(&c->rec->head, ++c->head);
	return true;
}

/*
 * RESIZE_CQ: the device writes to c->next.  What it wrote here before is in the
 * ring by then.
 */
static inline struct vrdma_cqring *
vrdma_cqring_next(const struct vrdma_cqring *c)
{
	struct vrdma_cqring *next = __atomic_load_n(&c->next, __ATOMIC_ACQUIRE);

	return next && vrdma_observe32(&c->rec->moved) ? next : NULL;
}

/* Nothing is left here: it is for the poller to turn to the next */
static inline bool vrdma_cqring_over(const struct vrdma_cqring *c)
{
	return vrdma_cqring_next(c) && !vrdma_cqring_ready(c);
}

/* Something is queued, here or where it goes on */
static inline bool vrdma_cqring_queued(const struct vrdma_cqring *c)
{
	for (; c; c = vrdma_cqring_next(c))
		if (vrdma_cqring_ready(c))
			return true;
	return false;
}

/* What was armed there, and is not any more */
static inline uint32_t vrdma_cqring_take_arm(struct vrdma_cqring *c)
{
	return vr_from_le32(__atomic_exchange_n(
		&c->rec->arm, vr_to_le32(VIRTIO_RDMA_ARM_NONE),
		__ATOMIC_SEQ_CST));
}

/* The same for the queue.  True: something was */
static inline bool vrdma_cqring_disarm(struct vrdma_cqring *c)
{
	bool any = false;

	for (; c; c = vrdma_cqring_next(c))
		any |= vrdma_cqring_take_arm(c) != VIRTIO_RDMA_ARM_NONE;
	return any;
}

/* A stronger arm dominates a weaker one, and one that is held all */
static inline void vrdma_cqring_raise_arm(struct vrdma_cqring *c, uint32_t kind)
{
	vr_le32 old = __atomic_load_n(&c->rec->arm, __ATOMIC_RELAXED);

	while (vr_from_le32(old) < kind &&
	       !__atomic_compare_exchange_n(&c->rec->arm, &old,
					    vr_to_le32(kind), false,
					    __ATOMIC_SEQ_CST,
					    __ATOMIC_RELAXED))
		;
	vrdma_full_fence();
}

/*
 * Arm, then look again: returns true when a completion that may have raced
 * with the arming is there *and* the arm was taken back, so that the caller
 * signals by itself; false: the device will, or did, send an event.
 *
 * A ring that has moved is armed where the queue goes on.  If it moved while it
 * was being armed, whoever takes the arm from there sees to it: the device takes
 * it along, or serves it if something is left there.
 */
static inline bool vrdma_cqring_arm(struct vrdma_cqring *c, uint32_t kind)
{
	struct vrdma_cqring *at = c, *next;
	uint32_t left = kind;

	if (kind == VIRTIO_RDMA_ARM_ANY && vrdma_cqring_next(c) &&
	    vrdma_cqring_ready(c)) {
		vrdma_cqring_disarm(c);
		return true;
	}
	vrdma_cqring_raise_arm(at, left);
	for (; (next = vrdma_cqring_next(at)); at = next) {
		left = vrdma_cqring_take_arm(at);
		if (left == VIRTIO_RDMA_ARM_NONE)
			break;
		vrdma_cqring_raise_arm(next, left);
	}
	if (kind != VIRTIO_RDMA_ARM_ANY || !vrdma_cqring_queued(c))
		return false;
	return vrdma_cqring_disarm(c);
}

/* --- a queue that looks full ---------------------------------------------- */

/* The completion is that of the entry of this count.  Its index is the low half of
 * a count: when all in between were silent it may be from a lap of 65536 before,
 * hence the wr_id. */
static inline bool vrdma_cqe_ends(const struct virtio_rdma_cqe *e,
				  const struct vrdma_wq *q, uint32_t count)
{
	vr_le64 wr_id;

	memcpy(&wr_id, vrdma_wq_entry(q, count), sizeof(wr_id));
	return vr_from_le32(e->qp) == q->qp && e->wr_id == wr_id &&
	       (e->opcode >= VIRTIO_RDMA_OP_RECEIVE) == q->receive &&
	       vr_from_le16(e->wqe_index) == (uint16_t)count;
}

/* The newest completion in the ring was taken, and is that one */
static inline bool vrdma_cqring_newest_ends(const struct vrdma_cqring *c,
					    const struct vrdma_wq *q,
					    uint32_t count)
{
	struct vrdma_cqring look = {
		.rec = c->rec,
		.ring = c->ring,
		.depth = c->depth,
		.head = vrdma_observe32(&c->rec->head),
	};
	struct virtio_rdma_cqe e = c->ring[(look.head - 1) & (c->depth - 1)];

	/* nothing came behind it, so it was not written over while it was read */
	return !vrdma_cqring_ready(&look) && vrdma_cqe_ends(&e, q, count);
}

/*
 * The device stores a completion, and then the head that counts its entry.  Who took
 * the completion may post at once, before the head is there.  Nothing else comes
 * in between, so then it is the newest in the ring; if another is, the head is
 * there by now.
 *
 * c: where completions of q go.  It must not be freed meanwhile: whoever turns to
 * the next ring has to wait.  NULL: the queue is full.
 */
static inline void *vrdma_wq_next_behind(struct vrdma_wq *q,
					 const struct vrdma_cqring *c)
{
	uint32_t head = vrdma_observe32(q->head_p);

	if (q->tail - head == q->limit && vrdma_cqring_newest_ends(c, q, head))
		return vrdma_wq_entry(q, q->tail);
	return vrdma_wq_next(q);
}

#endif /* VRDMA_RING_H */
