/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * srq.c - shared receive queues
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "guest.h"
#include "qp.h"
#include "srq.h"
#include "worker.h"

/* ------------------------------------------------------------------ worker */

static uint32_t queued(const struct vr_srq *srq)
{
	return srq->tail - srq->taken;
}

void srq_fail(struct vr_srq *srq, const char *why)
{
	struct list_head *pos;

	srq->dead = true;
	glog(srq->guest, VL_WARN,
	     "srq[%u]: %s: it is dead, with its queue pairs",
	     handle_index(srq->handle), why);
	list_for_each(pos, &srq->qps)
		qp_fail(container_of(pos, struct vr_qp, on_srq),
			VIRTIO_RDMA_R_LOCAL_ERROR);
	loop_post_work(srq->guest->loop, &srq->error_work);
}

/* A tail that went back, or ahead of what the ring can hold */
static void srq_die(struct vr_srq *srq, uint32_t tail)
{
	char why[96];

	snprintf(why, sizeof(why), "tail %u with %u taken and depth %u", tail,
		 srq->taken, srq->ring.depth);
	srq_fail(srq, why);
}

static bool tail_fits(const struct vr_srq *srq, const struct srq_ring *ring,
		      uint32_t tail)
{
	return tail - srq->taken <= ring->depth &&
	       tail - srq->taken >= queued(srq);
}

static uint32_t load_tail(const struct srq_ring *ring)
{
	return vr_from_le32(atomic_load_explicit(ring->tail_le,
						 memory_order_acquire));
}

static bool read_tail(struct vr_srq *srq)
{
	uint32_t tail;

	if (srq->dead)
		return false;
	tail = load_tail(&srq->ring);
	if (!tail_fits(srq, &srq->ring, tail)) {
		srq_die(srq, tail);
		return false;
	}
	srq->tail = tail;
	return true;
}

/* Those that no message has used: a fabric may have some of them */
static uint32_t left(const struct vr_srq *srq)
{
	return queued(srq) + srq_lent(srq);
}

/* Once per arm */
void srq_check_limit(struct vr_srq *srq)
{
	if (!srq->armed || left(srq) >= srq->threshold)
		return;
	/* more may have been posted since the tail was last read */
	if (!read_tail(srq) || left(srq) >= srq->threshold)
		return;
	srq->armed = false;
	loop_post_work(srq->guest->loop, &srq->limit_work);
}

/* Who was offered one and came too late is among the first again */
static void wait_for_one(struct vr_srq *srq, struct vr_qp *qp)
{
	struct list_head *pos;

	if (!qp->ticket) {
		qp->ticket = ++srq->tickets;
		list_add_tail(&qp->hungry, &srq->hungry);
		return;
	}
	list_for_each(pos, &srq->hungry) {
		if (container_of(pos, struct vr_qp, hungry)->ticket > qp->ticket)
			break;
	}
	list_add_tail(&qp->hungry, pos);	/* before it, or at the end */
}

bool srq_has_entry(struct vr_srq *srq)
{
	return queued(srq) || (read_tail(srq) && queued(srq));
}

bool srq_ready(struct vr_qp *qp)
{
	struct vr_srq *srq = qp->srq;

	if (srq_has_entry(srq))
		return true;
	if (!srq->dead && list_empty(&qp->hungry))
		wait_for_one(srq, qp);
	return false;
}

const uint8_t *srq_entry(const struct vr_srq *srq)
{
	/* strides are powers of two: an entry lies in one page */
	return gmem_pages_at(&srq->ring.pages, srq->ring.offset +
			     (uint64_t)(srq->taken & (srq->ring.depth - 1)) *
			     srq->stride);
}

/* The driver may post as many as the depth has and are not outstanding: one that
 * is lent is outstanding until a message used it, though its entry was copied */
void srq_show_head(struct vr_srq *srq)
{
	atomic_store_explicit(srq->ring.head_le,
			      vr_to_le32(srq->taken - srq_lent(srq)),
			      memory_order_release);
}

void srq_advance(struct vr_srq *srq)
{
	srq->taken++;
	srq_show_head(srq);
}

void srq_took(struct vr_qp *qp)
{
	qp->ticket = 0;
	list_del(&qp->hungry);
	srq_advance(qp->srq);
	srq_check_limit(qp->srq);
}

void srq_forget(struct vr_qp *qp)
{
	list_del(&qp->hungry);
}

bool srq_offer(struct vr_srq *srq)
{
	uint32_t n = queued(srq);
	bool any = false;

	/* a paused guest's rings are left alone; it stays in the list */
	if (srq->data->paused)
		return false;
	for (; n && !list_empty(&srq->hungry); n--) {
		struct vr_qp *qp = list_first(&srq->hungry, struct vr_qp,
					      hungry);

		list_del(&qp->hungry);
		qp_make_runnable(qp);
		any = true;
	}
	if (list_empty(&srq->hungry) || !queued(srq))
		list_del(&srq->offering);
	return any;
}

/* The driver posted */
static void look(struct vr_srq *srq)
{
	struct backend *fabric = srq->guest->fabric;

	if (srq->lends) {
		fabric->srq_posted(fabric, &srq->be);
		return;
	}
	if (read_tail(srq) && queued(srq) && !list_empty(&srq->hungry))
		worker_offer(srq->data->worker, srq);
}

static void rung(struct bell *bell)
{
	look(container_of(bell, struct vr_srq, bell));
}

/* ---------------------------------------------------------- control thread */

static void srq_event(struct vr_srq *srq, uint16_t type)
{
	const struct virtio_rdma_event ev = {
		.type = vr_to_le16(type),
		.handle = vr_to_le32(srq->handle),
		.cookie = srq->cookie,
	};

	if (!srq->gone)
		guest_post_event(srq->guest, &ev);
}

static void srq_limit(void *arg)
{
	srq_event(arg, VIRTIO_RDMA_EV_SRQ_LIMIT);
}

static void srq_error(void *arg)
{
	srq_event(arg, VIRTIO_RDMA_EV_SRQ_ERROR);
}

static void srq_free(void *arg)
{
	struct vr_srq *srq = arg;

	gmem_pages_put(&srq->ring.pages);
	free(srq);
}

/* ------------------------------------------------------------------ a ring */

static bool power_of_two(uint32_t v)
{
	return v && !(v & (v - 1));
}

/* It lies behind the record, in a buffer of just the pages that it needs */
static bool ring_ok(const struct guest_conf *c, uint32_t depth,
		    uint32_t stride, uint32_t offset, uint32_t pages)
{
	return power_of_two(depth) && depth <= c->max_srq_depth &&
	       offset >= sizeof(struct virtio_rdma_srq_record) &&
	       offset % stride == 0 &&
	       gmem_count_exact(pages, offset + (uint64_t)depth * stride);
}

static enum virtio_rdma_status
ring_map(struct guest *g, struct srq_ring *ring, uint32_t depth,
	 uint32_t offset, const struct virtio_rdma_page_list *list)
{
	struct virtio_rdma_srq_record *r;
	int ret = gmem_read_page_list(g->map, list,
				      vr_from_le32(list->page_count),
				      GMEM_SHIFT_4K, &g->gmem_account,
				      &ring->pages);

	if (ret)
		return gmem_status(ret);
	ring->depth = depth;
	ring->offset = offset;
	r = gmem_pages_at(&ring->pages, 0);
	ring->tail_le = (const _Atomic uint32_t *)(void *)&r->tail;
	ring->head_le = (_Atomic uint32_t *)(void *)&r->head;
	return VIRTIO_RDMA_S_OK;
}

/* ---------------------------------------------------------------- creation */

static bool create_srq_ok(const struct guest_conf *c,
			  const struct virtio_rdma_cmd_create_srq *r)
{
	uint32_t sge = vr_from_le16(r->max_sge);
	uint32_t stride = vr_from_le16(r->stride);

	return !r->reserved && sge <= c->max_recv_sge &&
	       power_of_two(stride) && stride >= VIRTIO_RDMA_MIN_STRIDE &&
	       stride <= VIRTIO_RDMA_MAX_STRIDE &&
	       sizeof(struct virtio_rdma_recv_wqe) +
			       sge * sizeof(struct virtio_rdma_sge) <= stride &&
	       vr_from_le32(r->slot) < VIRTIO_RDMA_MAX_SLOTS &&
	       ring_ok(c, vr_from_le32(r->depth), stride,
		       vr_from_le32(r->ring_offset),
		       vr_from_le32(r->buffer.page_count));
}

static struct vr_srq *srq_new(struct guest *g, struct vr_pd *pd,
			      struct vr_context *context,
			      const struct virtio_rdma_cmd_create_srq *r)
{
	struct vr_srq *srq = calloc(1, sizeof(*srq));

	if (!srq)
		return NULL;
	srq->bell.rung = rung;
	srq->guest = g;
	srq->data = &g->data;
	srq->slot = vr_from_le32(r->slot);
	srq->stride = vr_from_le16(r->stride);
	srq->max_sge = vr_from_le16(r->max_sge);
	srq->cookie = r->cookie;
	srq->pd = pd;
	srq->context = context;
	srq->threshold = vr_from_le32(r->threshold);
	srq->armed = srq->threshold;
	list_init(&srq->qps);
	list_init(&srq->hungry);
	list_init(&srq->offering);
	loop_work_init(&srq->limit_work, srq_limit, srq);
	loop_work_init(&srq->error_work, srq_error, srq);
	loop_work_init(&srq->free_work, srq_free, srq);
	return srq;
}

static void join(void *hook)
{
	bell_hang(hook);
}

static enum virtio_rdma_status srq_create(struct guest *g,
				const struct virtio_rdma_cmd_create_srq *r,
				struct vr_srq **out)
{
	enum virtio_rdma_status status;
	struct vr_context *context;
	struct vr_srq *srq;
	struct bell_hook h;
	struct vr_pd *pd;

	if (!create_srq_ok(g->conf, r))
		return VIRTIO_RDMA_S_INVALID_PARAMETER;
	pd = pd_find(g, vr_from_le32(r->pd));
	context = handle_get(&g->contexts, vr_from_le32(r->context));
	if (!pd || !context)
		return VIRTIO_RDMA_S_INVALID_HANDLE;
	if (context_slot_taken(context, vr_from_le32(r->slot)))
		return VIRTIO_RDMA_S_BUSY;
	srq = srq_new(g, pd, context, r);
	if (!srq)
		return VIRTIO_RDMA_S_NO_RESOURCES;
	status = ring_map(g, &srq->ring, vr_from_le32(r->depth),
			  vr_from_le32(r->ring_offset), &r->buffer);
	if (status)
		goto err_free;
	status = VIRTIO_RDMA_S_NO_RESOURCES;
	if (handle_alloc(&g->srqs, srq, &srq->handle))
		goto err_free;
	atomic_store_explicit(srq->ring.head_le, 0, memory_order_relaxed);
	if (!bell_hook_init(&h, context, srq->slot, &srq->bell))
		goto err_handle;
	if (srq_lend(srq))
		goto err_bell;
	worker_call(g->data.worker, join, &h);
	bell_hook_fini(&h);
	pd->users++;
	*out = srq;
	return VIRTIO_RDMA_S_OK;

err_bell:
	context_give_slot(context, srq->slot);
	bell_hook_fini(&h);
err_handle:
	handle_free(&g->srqs, srq->handle);
err_free:
	srq_free(srq);
	return status;
}

void cmd_create_srq(struct command *cmd)
{
	enum virtio_rdma_status status;
	struct vr_srq *srq = NULL;

	status = srq_create(cmd->guest, &cmd->req.create_srq, &srq);
	command_done(cmd, status, srq ? srq->handle : 0);
}

/* ------------------------------------------------------------------ change */

struct modify {
	struct vr_srq *srq;
	struct srq_ring ring;		/* depth 0: none; then the one to free */
	uint32_t threshold;
	enum virtio_rdma_status status;
};

/* The driver has copied what is queued; from here on the new ring counts */
static bool change_ring(struct vr_srq *srq, struct srq_ring *ring)
{
	struct srq_ring old = srq->ring;

	if (!tail_fits(srq, ring, load_tail(ring)))
		return false;
	srq->ring = *ring;
	*ring = old;
	srq_show_head(srq);
	return true;
}

static void modify_in_worker(void *arg)
{
	struct modify *m = arg;
	struct vr_srq *srq = m->srq;

	m->status = VIRTIO_RDMA_S_INVALID_STATE;
	if (srq->dead)
		return;
	m->status = VIRTIO_RDMA_S_INVALID_PARAMETER;
	if (m->ring.depth && !change_ring(srq, &m->ring))
		return;
	m->status = VIRTIO_RDMA_S_OK;
	look(srq);
	if (m->threshold) {
		srq->threshold = m->threshold;
		srq->armed = true;
		srq_check_limit(srq);
	}
}

static bool modify_srq_ok(const struct guest_conf *c, const struct vr_srq *srq,
			  const struct virtio_rdma_cmd_modify_srq *r)
{
	static const struct virtio_rdma_page_list none;

	if (r->reserved)
		return false;
	if (!r->depth)
		return !r->ring_offset &&
		       !memcmp(&r->buffer, &none, sizeof(none));
	return ring_ok(c, vr_from_le32(r->depth), srq->stride,
		       vr_from_le32(r->ring_offset),
		       vr_from_le32(r->buffer.page_count));
}

void cmd_modify_srq(struct command *cmd)
{
	const struct virtio_rdma_cmd_modify_srq *r = &cmd->req.modify_srq;
	struct modify m = { .threshold = vr_from_le32(r->threshold) };
	struct guest *g = cmd->guest;

	m.srq = handle_get(&g->srqs, cmd->handle);
	if (!m.srq) {
		m.status = VIRTIO_RDMA_S_INVALID_HANDLE;
		goto out;
	}
	m.status = VIRTIO_RDMA_S_INVALID_PARAMETER;
	if (!modify_srq_ok(g->conf, m.srq, r))
		goto out;
	if (r->depth) {
		m.status = ring_map(g, &m.ring, vr_from_le32(r->depth),
				    vr_from_le32(r->ring_offset), &r->buffer);
		if (m.status)
			goto out;
	}
	worker_call(g->data.worker, modify_in_worker, &m);
	gmem_pages_put(&m.ring.pages);
out:
	command_done(cmd, m.status, 0);
}

/* ----------------------------------------------------------------- the end */

static void leave(void *arg)
{
	struct vr_srq *srq = arg;

	bell_take_down(srq->context, srq->slot);
	list_del(&srq->offering);
}

static void srq_remove(struct guest *g, struct vr_srq *srq)
{
	handle_free(&g->srqs, srq->handle);
	srq->gone = true;
	srq->pd->users--;
	worker_call(g->data.worker, leave, srq);
	srq_reclaim(srq);
	context_give_slot(srq->context, srq->slot);
	guest_drop_events(g, srq->handle, EVENTS_OF_SRQ);
	loop_post_work(g->loop, &srq->free_work);
}

void cmd_destroy_srq(struct command *cmd)
{
	struct vr_srq *srq = handle_get(&cmd->guest->srqs, cmd->handle);

	if (!srq) {
		command_done(cmd, VIRTIO_RDMA_S_INVALID_HANDLE, 0);
		return;
	}
	if (srq->users) {
		command_done(cmd, VIRTIO_RDMA_S_BUSY, 0);
		return;
	}
	srq_remove(cmd->guest, srq);
	command_done(cmd, VIRTIO_RDMA_S_OK, 0);
}

void srq_reset_all(struct guest *g)
{
	uint32_t pos = 0;
	struct vr_srq *srq;

	while ((srq = handle_next(&g->srqs, &pos)))
		srq_remove(g, srq);
}
