/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-or-later */
/*
 * events.c - the event queue and the completion-event queues
 *
 * DOC: Buffers circulate: each is copied out, given back, and then acted on.
 * What an event names (listener, connector, CQ, SRQ) is looked up by cookie and
 * compared by handle; an event that fits nothing is dropped, because its object
 * may have been closed while it was on its way.
 */
#include "vrc.h"

#define EVENT_BUFFERS	64
#define CEQ_BUFFERS	128

static uint32_t per_page(uint32_t size)
{
	return VIRTIO_RDMA_PAGE_SIZE / size;
}

static uint32_t event_pages(void)
{
	uint32_t n = per_page(sizeof(struct virtio_rdma_event));

	return (EVENT_BUFFERS + n - 1) / n;
}

/* No buffer crosses a page */
static void *buffer_at(uint8_t *mem, uint32_t index, uint32_t size)
{
	return mem + (size_t)(index / per_page(size)) * VIRTIO_RDMA_PAGE_SIZE +
	       index % per_page(size) * size;
}

static void lay_out(struct vrdma_core *c)
{
	uint8_t *mem = c->event_dma.va;
	struct vrc_evbuf *b = c->evbufs;
	uint32_t i, q;

	for (i = 0; i < EVENT_BUFFERS; i++, b++) {
		b->size = sizeof(struct virtio_rdma_event);
		b->va = buffer_at(mem, i, b->size);
		b->queue = VIRTIO_RDMA_VQ_EVENT;
	}
	mem += (size_t)event_pages() * VIRTIO_RDMA_PAGE_SIZE;
	for (q = 0; q < c->num_ceq; q++) {
		for (i = 0; i < CEQ_BUFFERS; i++, b++) {
			b->size = sizeof(struct virtio_rdma_cq_event);
			b->va = buffer_at(mem, i, b->size);
			b->queue = VIRTIO_RDMA_VQ_CEQ(q);
		}
		mem += VIRTIO_RDMA_PAGE_SIZE;
	}
}

int vrc_events_init(struct vrdma_core *c)
{
	c->num_evbufs = EVENT_BUFFERS + CEQ_BUFFERS * c->num_ceq;
	c->evbufs = vrc_alloc(c, sizeof(*c->evbufs) * c->num_evbufs);
	c->gates = vrc_alloc(c, sizeof(*c->gates) * (2 + c->num_ceq));
	if (!c->evbufs || !c->gates ||
	    c->ops->dma_alloc(c->os, event_pages() + c->num_ceq,
			      &c->event_dma)) {
		vrc_free(c, c->gates);
		vrc_free(c, c->evbufs);
		return -VRC_ENOMEM;
	}
	lay_out(c);
	c->has_buffers = true;
	return 0;
}

void vrc_events_fini(struct vrdma_core *c)
{
	if (!c->has_buffers)
		return;
	c->ops->dma_free(c->os, &c->event_dma);
	vrc_free(c, c->gates);
	vrc_free(c, c->evbufs);
	c->has_buffers = false;
}

/* lock held.  A ring too small for all of them works with fewer. */
static void post(struct vrdma_core *c, struct vrc_evbuf *b)
{
	struct vrdma_buf out = { .va = b->va, .length = 0 };
	struct vrdma_buf in = { .va = b->va, .length = b->size };

	memset(b->va, 0, b->size);
	(void)c->ops->queue_add(c->os, b->queue, &out, &in, b);
}

void vrc_events_post(struct vrdma_core *c)
{
	uint32_t i;

	vrc_lock(c);
	for (i = 0; i < c->num_evbufs; i++)
		post(c, &c->evbufs[i]);
	for (i = VIRTIO_RDMA_VQ_EVENT; i < 2 + c->num_ceq; i++)
		c->ops->queue_kick(c->os, i);
	vrc_unlock(c);
}

/* --- what the events mean ------------------------------------------------------ */

static void stray(struct vrdma_core *c, const char *what, uint32_t handle)
{
	vrc_log_limited(c, VRDMA_LOG_DEBUG, "%s event for 0x%x: object gone",
			what, handle);
}

static void on_connect_request(struct vrdma_core *c,
			       const struct virtio_rdma_event *ev)
{
	struct vrc_obj *obj = vrc_id_get(c, vr_from_le64(ev->cookie),
					 NdkObjectTypeListener);

	if (!obj) {
		stray(c, "connect-request", vr_from_le32(ev->listener));
		vrc_orphan(c, vr_from_le32(ev->handle));
		return;
	}
	vrc_listener_request(VRC_CONTAINER(obj, struct vrc_listener, obj), ev);
	vrc_obj_put(obj);
}

/* An object may still lack its handle: the event overtook the answer */
static bool names(const struct vrc_obj *obj, uint32_t handle)
{
	return !obj->handle || obj->handle == handle;
}

static void on_disconnected(struct vrdma_core *c,
			    const struct virtio_rdma_event *ev)
{
	uint32_t handle = vr_from_le32(ev->handle);
	struct vrc_obj *obj = vrc_id_get(c, vr_from_le64(ev->cookie),
					 NdkObjectTypeConnector);

	if (!obj) {
		stray(c, "disconnected", handle);
		return;
	}
	if (names(obj, handle))
		vrc_conn_disconnected(
			VRC_CONTAINER(obj, struct vrc_connector, obj),
			vr_from_le32(ev->reason));
	else
		stray(c, "disconnected", handle);
	vrc_obj_put(obj);
}

static void on_cq_error(struct vrdma_core *c,
			const struct virtio_rdma_event *ev)
{
	uint32_t handle = vr_from_le32(ev->handle);
	struct vrc_obj *obj = vrc_id_get(c, vr_from_le64(ev->cookie),
					 NdkObjectTypeCq);

	if (!obj) {
		stray(c, "cq-error", handle);
		return;
	}
	if (names(obj, handle)) {
		vrc_lock(c);
		c->counters.cq_errors++;
		vrc_unlock(c);
		vrc_cq_failed(VRC_CONTAINER(obj, struct vrc_cq, obj),
			      STATUS_BUFFER_OVERFLOW);
	}
	vrc_obj_put(obj);
}

/* Of a shared receive queue: fewer receives than its threshold, or its end */
static void on_srq(struct vrdma_core *c, const struct virtio_rdma_event *ev)
{
	bool error = vr_from_le16(ev->type) == VIRTIO_RDMA_EV_SRQ_ERROR;
	uint32_t handle = vr_from_le32(ev->handle);
	struct vrc_obj *obj = vrc_id_get(c, vr_from_le64(ev->cookie),
					 NdkObjectTypeSrq);

	if (!obj) {
		stray(c, "srq", handle);
		return;
	}
	if (names(obj, handle))
		vrc_srq_notify(VRC_CONTAINER(obj, struct vrc_srq, obj),
			       error ? STATUS_INTERNAL_ERROR : STATUS_SUCCESS);
	vrc_obj_put(obj);
}

static void on_completion(struct vrdma_core *c,
			  const struct virtio_rdma_cq_event *ev)
{
	struct vrc_obj *obj = vrc_id_get(c, vr_from_le64(ev->cookie),
					 NdkObjectTypeCq);

	if (!obj) {
		stray(c, "completion", vr_from_le32(ev->cq));
		return;
	}
	if (names(obj, vr_from_le32(ev->cq)))
		vrc_cq_event(VRC_CONTAINER(obj, struct vrc_cq, obj));
	vrc_obj_put(obj);
}

typedef void event_fn(struct vrdma_core *, const struct virtio_rdma_event *);

static event_fn *const event_table[] = {
	[VIRTIO_RDMA_EV_CONNECT_REQUEST]	= on_connect_request,
	[VIRTIO_RDMA_EV_DISCONNECTED]		= on_disconnected,
	[VIRTIO_RDMA_EV_CQ_ERROR]		= on_cq_error,
	[VIRTIO_RDMA_EV_SRQ_LIMIT]		= on_srq,
	[VIRTIO_RDMA_EV_SRQ_ERROR]		= on_srq,
};

union event_copy {
	struct virtio_rdma_event ev;
	struct virtio_rdma_cq_event cq;
};

static void dispatch(struct vrdma_core *c, uint32_t queue,
		     const union event_copy *e)
{
	uint16_t type = vr_from_le16(e->ev.type);

	if (queue != VIRTIO_RDMA_VQ_EVENT)
		on_completion(c, &e->cq);
	else if (type < VRC_ARRAY_SIZE(event_table) && event_table[type])
		event_table[type](c, &e->ev);
	else
		vrc_log_limited(c, VRDMA_LOG_WARN,
				"event of unknown type %u ignored", type);
}

/* True: an event was taken and its buffer given back */
static bool take_event(struct vrdma_core *c, uint32_t queue,
		       union event_copy *copy, bool *whole)
{
	uint32_t written = 0;
	struct vrc_evbuf *b;

	vrc_lock(c);
	b = c->alive ? c->ops->queue_get(c->os, queue, &written) : NULL;
	if (b) {
		memcpy(copy, b->va, b->size);
		*whole = written >= b->size;
		post(c, b);
		c->ops->queue_kick(c->os, queue);
	}
	vrc_unlock(c);
	return b;
}

void vrc_event_queue(struct vrdma_core *c, uint32_t queue)
{
	union event_copy copy;
	bool whole;

	while (take_event(c, queue, &copy, &whole)) {
		if (whole)
			dispatch(c, queue, &copy);
		else
			vrc_log_limited(c, VRDMA_LOG_WARN,
					"short event on queue %u ignored",
					queue);
	}
}
