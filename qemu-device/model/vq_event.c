/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * vq_event.c - events to the driver
 *
 * DOC: An event that finds no buffer waits here.  A buffer is taken from a
 * queue only when there is an event for it, so a stop or a reset of the queue
 * finds none in our hands.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "vq_int.h"

enum push { PUSHED, NO_BUFFER, BROKEN };

/* One event into one buffer */
static enum push push_event(struct guest *g, unsigned int qidx, const void *ev,
			    uint32_t len)
{
	VuVirtq *vq = session_queue(g->session, qidx);
	struct vq_answer a = {.room = 0};
	struct vq_chain c;
	bool ok;

	if (!vq || g->broken || !vq_has_buffer(g, vq, qidx))
		return g->broken ? BROKEN : NO_BUFFER;
	if (vq_pop(g, vq, qidx, &c))
		return BROKEN;
	ok = c.out_num == 0 && vq_hold(g, &a, &c) == 0 && a.room >= len;
	if (ok) {
		VuVirtqElement elem = {.index = c.index};

		vq_copy_out(&a, ev, len);
		vu_queue_push(session_dev(g->session), vq, &elem, len);
	}
	vq_drop_segs(&a);
	if (!ok) {
		guest_needs_reset(g, "queue %u: a buffer that no event fits in",
				  qidx);
		return BROKEN;
	}
	return PUSHED;
}

static void notify(struct guest *g, unsigned int qidx)
{
	VuVirtq *vq = session_queue(g->session, qidx);

	if (vq)
		vu_queue_notify(session_dev(g->session), vq);
}

/* ------------------------------------------------------------------ events */

static struct pending_event *event_of(struct list_head *l)
{
	return container_of(l, struct pending_event, link);
}

static uint64_t *bit_of(uint64_t *bits, uint32_t handle, uint64_t *bit)
{
	uint32_t i = handle_index(handle);

	*bit = 1ull << (i % 64);
	return &bits[i / 64];
}

static bool is_limit(const struct virtio_rdma_event *ev)
{
	return vr_from_le16(ev->type) == VIRTIO_RDMA_EV_SRQ_LIMIT;
}

static void event_free(struct vq_state *v, struct pending_event *p)
{
	uint64_t bit, *word;

	if (is_limit(&p->ev)) {
		word = bit_of(v->srq_waiting, vr_from_le32(p->ev.handle), &bit);
		*word &= ~bit;
	}
	list_del(&p->link);
	v->event_count--;
	free(p);
}

void vq_flush_events(struct guest *g)
{
	struct vq_state *v = g->vq;
	struct list_head *pos, *tmp;
	bool any = false;

	list_for_each_safe(pos, tmp, &v->events)
	{
		struct pending_event *p = event_of(pos);

		if (push_event(g, VIRTIO_RDMA_VQ_EVENT, &p->ev,
			       sizeof(p->ev)) != PUSHED)
			break;
		event_free(v, p);
		any = true;
	}
	if (any)
		notify(g, VIRTIO_RDMA_VQ_EVENT);
}

/* Each connector has at most a request and an end, each CQ one error, each SRQ
 * one and its limit */
static uint32_t most_events(const struct guest *g)
{
	return 2 * g->conf->max_connector + g->conf->max_cq +
	       2 * g->conf->max_srq;
}

/* An SRQ_LIMIT that waits says what another one would */
static bool said_already(struct vq_state *v, const struct virtio_rdma_event *ev)
{
	uint64_t bit, *word;
	bool already;

	if (!is_limit(ev))
		return false;
	word = bit_of(v->srq_waiting, vr_from_le32(ev->handle), &bit);
	already = *word & bit;
	*word |= bit;
	return already;
}

void guest_post_event(struct guest *g, const struct virtio_rdma_event *ev)
{
	struct vq_state *v = g->vq;
	struct pending_event *p;

	if (g->broken)
		return;
	if (v->event_count == most_events(g)) {
		guest_needs_reset(g, "%u events wait for buffers",
				  v->event_count);
		return;
	}
	p = malloc(sizeof(*p));
	if (!p) {
		guest_needs_reset(g, "no memory for an event");
		return;
	}
	if (said_already(v, ev)) {
		free(p);
		return;
	}
	p->ev = *ev;
	list_add_tail(&p->link, &v->events);
	v->event_count++;
	vq_flush_events(g);
}

/* ------------------------------------------------------- completion events */

static struct pending_cq_event *cq_event_of(struct list_head *l)
{
	return container_of(l, struct pending_cq_event, link);
}

static void cq_event_free(struct vq_state *v, struct pending_cq_event *p)
{
	uint64_t bit, *word = bit_of(v->cq_waiting, vr_from_le32(p->ev.cq), &bit);

	*word &= ~bit;
	list_del(&p->link);
	free(p);
}

void vq_flush_cq_events(struct guest *g, unsigned int ceq)
{
	struct vq_state *v = g->vq;
	unsigned int qidx = VIRTIO_RDMA_VQ_CEQ(ceq);
	struct list_head *pos, *tmp;
	bool any = false;

	list_for_each_safe(pos, tmp, &v->ceq[ceq])
	{
		struct pending_cq_event *p = cq_event_of(pos);

		if (push_event(g, qidx, &p->ev, sizeof(p->ev)) != PUSHED)
			break;
		cq_event_free(v, p);
		any = true;
	}
	if (any)
		notify(g, qidx);
}

void guest_post_cq_event(struct guest *g, uint32_t ceq, uint64_t cookie,
			 uint32_t cq_handle)
{
	struct vq_state *v = g->vq;
	struct pending_cq_event *p;
	uint64_t bit, *word;

	if (g->broken || ceq >= g->conf->num_ceq ||
	    handle_index(cq_handle) >= g->conf->max_cq)
		return;
	word = bit_of(v->cq_waiting, cq_handle, &bit);
	if (*word & bit)
		return; /* the one that waits says the same */
	p = malloc(sizeof(*p));
	if (!p) {
		guest_needs_reset(g, "no memory for an event");
		return;
	}
	p->ev = (struct virtio_rdma_cq_event){.cookie = cookie,
					      .cq = vr_to_le32(cq_handle)};
	*word |= bit;
	list_add_tail(&p->link, &v->ceq[ceq]);
	vq_flush_cq_events(g, ceq);
}

/* ------------------------------------------------------------------ forget */

static void drop_cq_event(struct guest *g, uint32_t handle)
{
	struct vq_state *v = g->vq;
	struct list_head *pos, *tmp;
	uint64_t bit, *word;

	if (handle_index(handle) >= g->conf->max_cq)
		return;
	word = bit_of(v->cq_waiting, handle, &bit);
	for (uint32_t i = 0; i < g->conf->num_ceq && (*word & bit); i++) {
		list_for_each_safe(pos, tmp, &v->ceq[i])
		{
			struct pending_cq_event *p = cq_event_of(pos);

			if (vr_from_le32(p->ev.cq) == handle)
				cq_event_free(v, p);
		}
	}
}

static enum events_of owner_of(const struct virtio_rdma_event *ev)
{
	switch (vr_from_le16(ev->type)) {
	case VIRTIO_RDMA_EV_CQ_ERROR:
		return EVENTS_OF_CQ;
	case VIRTIO_RDMA_EV_SRQ_LIMIT:
	case VIRTIO_RDMA_EV_SRQ_ERROR:
		return EVENTS_OF_SRQ;
	default:
		return EVENTS_OF_CONNECTOR;
	}
}

void guest_drop_events(struct guest *g, uint32_t handle, enum events_of type)
{
	struct vq_state *v = g->vq;
	struct list_head *pos, *tmp;

	list_for_each_safe(pos, tmp, &v->events)
	{
		struct pending_event *p = event_of(pos);

		if (owner_of(&p->ev) == type &&
		    vr_from_le32(p->ev.handle) == handle)
			event_free(v, p);
	}
	if (type == EVENTS_OF_CQ)
		drop_cq_event(g, handle);
}

/* -------------------------------------------------------------- life cycle */

int vq_events_init(struct guest *g, struct vq_state *v)
{
	list_init(&v->events);
	v->cq_waiting = calloc((g->conf->max_cq + 63) / 64, sizeof(uint64_t));
	v->srq_waiting = calloc(g->conf->max_srq / 64 + 1, sizeof(uint64_t));
	v->ceq = calloc(g->conf->num_ceq, sizeof(*v->ceq));
	if (!v->cq_waiting || !v->srq_waiting || !v->ceq) {
		free(v->cq_waiting);
		free(v->srq_waiting);
		free(v->ceq);
		return -ENOMEM;
	}
	for (uint32_t i = 0; i < g->conf->num_ceq; i++)
		list_init(&v->ceq[i]);
	return 0;
}

void vq_events_reset(struct guest *g, struct vq_state *v)
{
	struct list_head *pos, *tmp;

	list_for_each_safe(pos, tmp, &v->events) event_free(v, event_of(pos));
	for (uint32_t i = 0; i < g->conf->num_ceq; i++)
		list_for_each_safe(pos, tmp, &v->ceq[i])
			cq_event_free(v, cq_event_of(pos));
}

void vq_events_fini(struct guest *g, struct vq_state *v)
{
	vq_events_reset(g, v);
	free(v->cq_waiting);
	free(v->srq_waiting);
	free(v->ceq);
}
