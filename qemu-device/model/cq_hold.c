/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * cq_hold.c - interrupt moderation: a completion event that waits for more
 *
 * DOC: An arm that is met is not taken but marked HELD, and its event is sent when
 * the driver's count of entries is there, or its interval over, or an entry has
 * failed: whichever is first.  The mark is what the event is due to.  A driver
 * that found the entries by itself takes it back, and then there is no event; one
 * that loses its device finds it in the record.
 *
 * What the driver asks for is read when it is needed, in the record; an interval
 * of more than VIRTIO_RDMA_MAX_MODERATION_US counts as that.
 */
#include "../../host-backend/backend.h"
#include "cq.h"
#include "worker.h"

void cq_hold_init(struct cq_hold *h)
{
	*h = (struct cq_hold){ 0 };
	wheel_timer_init(&h->timer);
}

void cq_hold_end(struct vr_cq *cq)
{
	if (!cq->hold.on)
		return;
	cq->hold.on = false;
	wheel_clear(cq->hold.wheel, &cq->hold.timer);
}

/* If it is still ours to send */
static void release(struct vr_cq *cq)
{
	uint32_t held = vr_to_le32(VIRTIO_RDMA_ARM_HELD);

	cq_hold_end(cq);
	if (atomic_compare_exchange_strong(cq->ring.arm_le, &held,
					   vr_to_le32(VIRTIO_RDMA_ARM_NONE)))
		cq_send_event(cq);
}

void worker_cq_due(struct wheel_timer *t)
{
	release(container_of(t, struct vr_cq, hold.timer));
}

static uint32_t load(const _Atomic uint32_t *word_le)
{
	return vr_from_le32(atomic_load_explicit(word_le, memory_order_relaxed));
}

bool cq_hold_begin(struct vr_cq *cq, uint32_t arm)
{
	uint32_t interval, count, arm_le = vr_to_le32(arm);

	if (!cq->moderates)
		return false;
	interval = load(cq->ring.interval_le);
	count = load(cq->ring.count_le);
	if (!interval || cq->tail - cq->seen >= count)
		return false;
	/* not as it was: taken back, and then there is no event; or raised, and
	 * then it is served at once */
	if (!atomic_compare_exchange_strong(cq->ring.arm_le, &arm_le,
					    vr_to_le32(VIRTIO_RDMA_ARM_HELD)))
		return vr_from_le32(arm_le) == VIRTIO_RDMA_ARM_NONE;
	if (interval > VIRTIO_RDMA_MAX_MODERATION_US)
		interval = VIRTIO_RDMA_MAX_MODERATION_US;
	cq->hold.on = true;
	cq->hold.until = cq->seen + count;
	cq->hold.wheel = worker_set_cq_timer(cq->worker, &cq->hold.timer,
					     interval * 1000ull);
	return true;
}

bool cq_hold_goes_on(struct vr_cq *cq, uint32_t arm, uint32_t fresh)
{
	if (arm != VIRTIO_RDMA_ARM_HELD) {
		cq_hold_end(cq);
		return false;
	}
	/* count may be up to 2^32 - 1: by difference */
	if (fresh & CQ_FRESH_FAILED ||
	    cq->hold.until - cq->seen <= cq->tail - cq->seen)
		release(cq);
	return true;
}

void cq_hold_pause(struct vr_cq *cq)
{
	if (cq->hold.on)
		wheel_clear(cq->hold.wheel, &cq->hold.timer);
}

/* A cleared timer still knows its tick, and a wheel is of one worker but its
 * ticks are everybody's */
void cq_hold_resume(struct vr_cq *cq)
{
	uint64_t now = be_now(), due;

	if (!cq->hold.on)
		return;
	due = cq->hold.timer.tick * cq->hold.wheel->tick_ns;
	cq->hold.wheel = worker_set_cq_timer(cq->worker, &cq->hold.timer,
					     due > now ? due - now : 0);
}

void cq_hold_moved(struct vr_cq *cq)
{
	cq->hold.until -= cq->tail;
}
