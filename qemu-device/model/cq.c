/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * cq.c - completion queues: entries, arms, creation and end
 */
#include <stdlib.h>

#include "cq.h"
#include "guest.h"
#include "qp.h"
#include "worker.h"

/* ------------------------------------------------------------------ worker */

bool cq_arm_matches(uint32_t arm, uint32_t fresh)
{
	switch (arm) {
	case VIRTIO_RDMA_ARM_SOLICITED:
		return fresh & CQ_FRESH_SOLICITED;
	case VIRTIO_RDMA_ARM_ANY:
		return fresh & CQ_FRESH_ANY;
	default:	/* NONE, ERRORS, and what a guest should not write */
		return false;
	}
}

static void fail_users(struct list_head *head, bool senders)
{
	struct list_head *pos;

	list_for_each(pos, head) {
		struct vr_qp *qp = senders ?
			container_of(pos, struct vr_qp, on_send_cq) :
			container_of(pos, struct vr_qp, on_recv_cq);

		qp_fail(qp, VIRTIO_RDMA_R_LOCAL_ERROR);
	}
}

/* Overrun.  The guest took too little, or its head makes no sense. */
static void cq_die(struct vr_cq *cq)
{
	cq->dead = true;
	glog(cq->guest, VL_WARN,
	     "cq[%u]: overrun: %u written, %u taken, depth %u: it is dead, with its queue pairs",
	     handle_index(cq->handle), cq->tail, cq->head, cq->ring.depth);
	/* a held arm stays in its word: the driver finds it there */
	cq_hold_end(cq);
	fail_users(&cq->senders, true);
	fail_users(&cq->receivers, false);
	loop_post_work(worker_loop(cq->worker), &cq->error_work);
}

static bool cq_has_room(struct vr_cq *cq)
{
	if (cq->tail - cq->head < cq->ring.depth)
		return true;
	cq->head = vr_from_le32(atomic_load_explicit(cq->ring.head_le,
						     memory_order_acquire));
	return cq->tail - cq->head < cq->ring.depth;
}

/*
 * An entry as four words; the last carries the phase and goes last (release),
 * so a driver that sees it (acquire) sees the others.  Composed by shifts: a
 * struct virtio_rdma_cqe that is filled and read back in other sizes stalls.
 */
#define WORD_AT(field)	(offsetof(struct virtio_rdma_cqe, field) / 8)
#define SHIFT_OF(field)	(offsetof(struct virtio_rdma_cqe, field) % 8 * 8)

static void store_entry(struct vr_cq *cq, const struct cq_entry *e)
{
	const struct cq_ring *ring = &cq->ring;
	_Atomic uint64_t *to = gmem_pages_at(&ring->pages, ring->offset +
			(uint64_t)(cq->tail & (ring->depth - 1)) *
			sizeof(struct virtio_rdma_cqe));
	bool odd_lap = cq->tail & ring->depth;
	uint8_t status = e->status | (odd_lap ? 0 : VIRTIO_RDMA_CQE_PHASE);
	uint64_t third = (uint64_t)e->qp << SHIFT_OF(qp) |
			 (uint64_t)e->length << SHIFT_OF(length);
	uint64_t last = (uint64_t)e->token << SHIFT_OF(token) |
			(uint64_t)e->wqe_index << SHIFT_OF(wqe_index) |
			(uint64_t)e->opcode << SHIFT_OF(opcode) |
			(uint64_t)status << SHIFT_OF(status);

	atomic_store_explicit(&to[WORD_AT(wr_id)], vr_to_le64(e->wr_id),
			      memory_order_relaxed);
	atomic_store_explicit(&to[WORD_AT(qp_context)], e->qp_context,
			      memory_order_relaxed);
	atomic_store_explicit(&to[WORD_AT(qp)], vr_to_le64(third),
			      memory_order_relaxed);
	atomic_store_explicit(&to[WORD_AT(status)], vr_to_le64(last),
			      memory_order_release);
}

void cq_write(struct vr_cq *cq, const struct cq_entry *e)
{
	if (cq->dead)
		return;
	if (!cq_has_room(cq)) {
		cq_die(cq);
		return;
	}
	store_entry(cq, e);
	cq->tail++;
	if (e->solicited || e->status)
		cq->fresh |= CQ_FRESH_SOLICITED;
	if (e->status)
		cq->fresh |= CQ_FRESH_FAILED;
	cq->fresh |= CQ_FRESH_ANY;
	if (list_empty(&cq->touched))
		worker_touch_cq(cq->worker, cq);
}

void cq_send_event(struct vr_cq *cq)
{
	loop_post_work(worker_loop(cq->worker), &cq->event_work);
}

static void look_at_arm(struct vr_cq *cq, uint32_t fresh)
{
	uint32_t arm = vr_from_le32(atomic_load(cq->ring.arm_le));

	if (cq->hold.on && cq_hold_goes_on(cq, arm, fresh))
		return;
	if (!cq_arm_matches(arm, fresh))
		return;
	if (!(fresh & CQ_FRESH_FAILED) && cq_hold_begin(cq, arm))
		return;
	/* If the driver raised it meanwhile, the event serves that, too.  If it
	 * took it back, it saw the entry and has told its consumer. */
	if (atomic_exchange_explicit(cq->ring.arm_le,
				     vr_to_le32(VIRTIO_RDMA_ARM_NONE),
				     memory_order_acq_rel) !=
	    vr_to_le32(VIRTIO_RDMA_ARM_NONE))
		cq_send_event(cq);
}

void cq_notify(struct vr_cq *cq)
{
	uint32_t fresh = cq->fresh;

	cq->fresh = 0;
	if (cq->dead)
		return;
	/* Entries, then a full barrier, then the arm word; the driver arms and
	 * then looks at the ring again: one of the two sees what the other
	 * wrote.  The store is that barrier: a fence is unknown to TSan. */
	atomic_store(cq->ring.tail_le, vr_to_le32(cq->tail));
	look_at_arm(cq, fresh);
	cq->seen = cq->tail;
}

/* ---------------------------------------------------------- control thread */

static void cq_event(void *arg)
{
	struct vr_cq *cq = arg;

	if (!cq->gone)
		guest_post_cq_event(cq->guest, cq->ceq, cq->cookie, cq->handle);
}

static void cq_error(void *arg)
{
	struct vr_cq *cq = arg;
	struct virtio_rdma_event ev = {
		.type = vr_to_le16(VIRTIO_RDMA_EV_CQ_ERROR),
		.handle = vr_to_le32(cq->handle),
		.cookie = cq->cookie,
	};

	if (!cq->gone)
		guest_post_event(cq->guest, &ev);
}

static void cq_free(void *arg)
{
	struct vr_cq *cq = arg;

	gmem_pages_put(&cq->ring.pages);
	free(cq);
}

/* ------------------------------------------------------------------ a ring */

bool cq_ring_ok(const struct guest_conf *c, uint32_t depth, uint32_t offset,
		const struct virtio_rdma_page_list *list)
{
	uint64_t ring = (uint64_t)depth * sizeof(struct virtio_rdma_cqe);

	return depth && !(depth & (depth - 1)) && depth <= c->max_cq_depth &&
	       offset >= sizeof(struct virtio_rdma_cq_record) &&
	       offset % sizeof(struct virtio_rdma_cqe) == 0 &&
	       gmem_count_exact(vr_from_le32(list->page_count), offset + ring);
}

static void map_record(struct cq_ring *ring)
{
	struct virtio_rdma_cq_record *r = gmem_pages_at(&ring->pages, 0);

	ring->head_le = (const _Atomic uint32_t *)(void *)&r->head;
	ring->interval_le = (const _Atomic uint32_t *)(void *)&r->interval;
	ring->count_le = (const _Atomic uint32_t *)(void *)&r->count;
	ring->arm_le = (_Atomic uint32_t *)(void *)&r->arm;
	ring->tail_le = (_Atomic uint32_t *)(void *)&r->tail;
	ring->moved_le = (_Atomic uint32_t *)(void *)&r->moved;
}

enum virtio_rdma_status cq_ring_map(struct guest *g, struct cq_ring *ring,
				    uint32_t depth, uint32_t offset,
				    const struct virtio_rdma_page_list *list)
{
	int ret = gmem_read_page_list(g->map, list,
				      vr_from_le32(list->page_count),
				      GMEM_SHIFT_4K, &g->gmem_account,
				      &ring->pages);

	if (ret)
		return gmem_status(ret);
	ring->depth = depth;
	ring->offset = offset;
	map_record(ring);
	return VIRTIO_RDMA_S_OK;
}

/* -------------------------------------------------------- creation and end */

static struct vr_cq *cq_new(struct guest *g,
			    const struct virtio_rdma_cmd_create_cq *req)
{
	struct vr_cq *cq = calloc(1, sizeof(*cq));

	if (!cq)
		return NULL;
	cq->guest = g;
	cq->worker = g->data.worker;
	cq->ceq = vr_from_le32(req->ceq);
	cq->cookie = req->cookie;
	cq->moderates = g->features & VIRTIO_RDMA_FEATURE(CQ_MODERATION);
	cq_hold_init(&cq->hold);
	list_init(&cq->touched);
	list_init(&cq->senders);
	list_init(&cq->receivers);
	loop_work_init(&cq->event_work, cq_event, cq);
	loop_work_init(&cq->error_work, cq_error, cq);
	loop_work_init(&cq->free_work, cq_free, cq);
	return cq;
}

static bool create_cq_ok(const struct guest_conf *c,
			 const struct virtio_rdma_cmd_create_cq *req)
{
	return !req->reserved && vr_from_le32(req->ceq) < c->num_ceq &&
	       cq_ring_ok(c, vr_from_le32(req->depth),
			  vr_from_le32(req->ring_offset), &req->buffer);
}

void cmd_create_cq(struct command *cmd)
{
	const struct virtio_rdma_cmd_create_cq *req = &cmd->req.create_cq;
	enum virtio_rdma_status status;
	struct guest *g = cmd->guest;
	struct vr_cq *cq;

	status = VIRTIO_RDMA_S_INVALID_PARAMETER;
	if (!create_cq_ok(g->conf, req))
		goto err;
	status = VIRTIO_RDMA_S_NO_RESOURCES;
	cq = cq_new(g, req);
	if (!cq)
		goto err;
	status = cq_ring_map(g, &cq->ring, vr_from_le32(req->depth),
			     vr_from_le32(req->ring_offset), &req->buffer);
	if (status)
		goto err_free;
	status = VIRTIO_RDMA_S_NO_RESOURCES;
	if (handle_alloc(&g->cqs, cq, &cq->handle))
		goto err_free;
	/* nothing to hand over: the worker meets it with its first queue pair */
	command_done(cmd, VIRTIO_RDMA_S_OK, cq->handle);
	return;

err_free:
	cq_free(cq);
err:
	command_done(cmd, status, 0);
}

static void cq_worker_leave(void *arg)
{
	struct vr_cq *cq = arg;

	list_del(&cq->touched);
	cq_hold_end(cq);
}

static void cq_remove(struct guest *g, struct vr_cq *cq)
{
	handle_free(&g->cqs, cq->handle);
	cq->gone = true;
	worker_call(cq->worker, cq_worker_leave, cq);
	guest_drop_events(g, cq->handle, EVENTS_OF_CQ);
	loop_post_work(g->loop, &cq->free_work);
}

void cmd_destroy_cq(struct command *cmd)
{
	struct vr_cq *cq = handle_get(&cmd->guest->cqs, cmd->handle);

	if (!cq) {
		command_done(cmd, VIRTIO_RDMA_S_INVALID_HANDLE, 0);
		return;
	}
	if (cq->users) {
		command_done(cmd, VIRTIO_RDMA_S_BUSY, 0);
		return;
	}
	cq_remove(cmd->guest, cq);
	command_done(cmd, VIRTIO_RDMA_S_OK, 0);
}

void cq_reset_all(struct guest *g)
{
	uint32_t pos = 0;
	struct vr_cq *cq;

	while ((cq = handle_next(&g->cqs, &pos)))
		cq_remove(g, cq);
}
