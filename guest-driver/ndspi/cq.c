/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-or-later */
/*
 * cq.c - IND2CompletionQueue
 *
 * DOC: ND_CQ_NOTIFY_ANY is content with any completion in the ring, however old;
 * ND_CQ_NOTIFY_SOLICITED wants one that no earlier event has covered, because
 * the ring does not tell which completions were solicited.
 *
 * DOC: Resize
 *
 * The kernel answers when the device writes to another ring, which is then mapped
 * and polled when the old one is empty; see vrdma_ring.h.  A Notify waits
 * meanwhile; GetResults does not.
 */
#include <stdlib.h>

#include "nd_int.h"

ND_OVERLAPPED_IMPL(cq, IND2CompletionQueue)

static struct nd_cq *self_cq(IND2CompletionQueue *self)
{
	return (struct nd_cq *)self;
}

/* ------------------------------------------------------------------- rings */

static struct nd_cq_ring *ring_of(struct vrdma_cqring *poll)
{
	return (struct nd_cq_ring *)(void *)poll;	/* its first member */
}

static void free_ring(struct nd_cq *cq, struct nd_cq_ring *r)
{
	nd_file_unmap(cq->own.file, r->buffer, r->size);
	free(r);
}

static HRESULT map_ring(struct nd_cq *cq, uint32_t depth, uint32_t ring_offset,
			uint64_t size, struct nd_cq_ring **out)
{
	uint64_t bytes = (uint64_t)depth * sizeof(struct virtio_rdma_cqe);
	struct nd_cq_ring *r;

	if (!depth || depth & (depth - 1) ||
	    !nd_range_within(ring_offset, bytes, size) ||
	    ring_offset < sizeof(struct virtio_rdma_cq_record))
		return ND_INTERNAL_ERROR;
	r = malloc(sizeof(*r));
	if (!r)
		return ND_NO_MEMORY;
	r->buffer = nd_file_map(cq->own.file, cq->offset, size);
	if (!r->buffer) {
		free(r);
		return ND_INSUFFICIENT_RESOURCES;
	}
	r->size = size;
	vrdma_cqring_init(&r->poll, r->buffer, ring_offset, depth);
	*out = r;
	return ND_SUCCESS;
}

/* ring_lock held.  The ring that the device moved to, if that was not mapped yet */
static HRESULT map_owed(struct nd_cq *cq)
{
	const struct vrdma_uapi_resize_cq *o = &cq->owed;
	struct nd_cq_ring *r;
	HRESULT hr;

	if (!o->buffer_size)
		return ND_SUCCESS;
	hr = map_ring(cq, o->depth, o->ring_offset, o->buffer_size, &r);
	if (hr != ND_SUCCESS)
		return hr;
	cq->last->poll.next = &r->poll;
	cq->last = r;
	cq->owed.buffer_size = 0;
	return ND_SUCCESS;
}

/* ring_lock held.  True: there is another ring to poll */
static bool advance(struct nd_cq *cq)
{
	struct nd_cq_ring *old = cq->first;

	map_owed(cq);
	if (!vrdma_cqring_over(&old->poll))
		return false;
	cq->first = ring_of(old->poll.next);
	free_ring(cq, old);
	return true;
}

/* ring_lock held */
static bool take(struct nd_cq *cq, struct virtio_rdma_cqe *e)
{
	do {
		if (vrdma_cqring_take(&cq->first->poll, e))
			return true;
	} while ((cq->first != cq->last || cq->owed.buffer_size) && advance(cq));
	return false;
}

/* ----------------------------------------------------------------- results */

static ND2_REQUEST_TYPE request_type(uint8_t opcode)
{
	switch (opcode) {
	case VIRTIO_RDMA_OP_SEND:
	case VIRTIO_RDMA_OP_SEND_INVALIDATE:
		return Nd2RequestTypeSend;
	case VIRTIO_RDMA_OP_WRITE:
		return Nd2RequestTypeWrite;
	case VIRTIO_RDMA_OP_READ:
		return Nd2RequestTypeRead;
	case VIRTIO_RDMA_OP_BIND:
		return Nd2RequestTypeBind;
	case VIRTIO_RDMA_OP_INVALIDATE:
		return Nd2RequestTypeInvalidate;
	default:
		return Nd2RequestTypeReceive;
	}
}

static void to_result(const struct virtio_rdma_cqe *e, ND2_RESULT *r)
{
	r->Status = nd_wc_status(e->status);
	r->RequestType = request_type(e->opcode);
	r->BytesTransferred = r->RequestType == Nd2RequestTypeReceive ?
				      vr_from_le32(e->length) :
				      0;
	r->QueuePairContext = (VOID *)(uintptr_t)vr_from_le64(e->qp_context);
	r->RequestContext = (VOID *)(uintptr_t)vr_from_le64(e->wr_id);
}

static ULONG cq_GetResults(IND2CompletionQueue *self, ND2_RESULT results[],
			   ULONG n)
{
	struct nd_cq *cq = self_cq(self);
	struct virtio_rdma_cqe e;
	ULONG i;

	nd_spin_lock(&cq->ring_lock);
	for (i = 0; i < n && take(cq, &e); i++)
		to_result(&e, &results[i]);
	cq->taken += i;
	nd_spin_unlock(&cq->ring_lock);
	return i;
}

/* ------------------------------------------------------------------ notify */

/* Entries in a ring, of which so many are known */
static uint32_t entries_in(const struct vrdma_cqring *ring, uint32_t known)
{
	struct vrdma_cqring look = *ring;

	for (look.head += known; look.head - ring->head < look.depth; look.head++)
		if (!vrdma_cqring_ready(&look))
			break;
	return look.head - ring->head;
}

/* ring_lock held */
static uint32_t queued(const struct nd_cq *cq)
{
	const struct vrdma_cqring *ring = &cq->first->poll;
	uint32_t known = cq->signalled - cq->taken, n;

	/* counted before, or taken since, or in one of several rings */
	if (known >= ring->depth || cq->first != cq->last)
		known = 0;
	n = entries_in(ring, known);
	while ((ring = vrdma_cqring_next(ring)))
		n += entries_in(ring, 0);
	return n;
}

uint32_t nd_cq_ring_end(const struct nd_cq *cq)
{
	return cq->taken + queued(cq);
}

bool nd_cq_arm(struct nd_cq *cq, uint8_t kind, uint32_t *end)
{
	bool now;

	nd_spin_lock(&cq->ring_lock);
	map_owed(cq);
	now = vrdma_cqring_arm(&cq->first->poll, kind);
	*end = nd_cq_ring_end(cq);
	if (kind == VIRTIO_RDMA_ARM_SOLICITED && *end != cq->taken &&
	    *end != cq->signalled)
		now = vrdma_cqring_disarm(&cq->first->poll);
	nd_spin_unlock(&cq->ring_lock);
	return now;
}

static const uint8_t arm_kind[] = {
	[ND_CQ_NOTIFY_ERRORS] = VIRTIO_RDMA_ARM_ERRORS,
	[ND_CQ_NOTIFY_ANY] = VIRTIO_RDMA_ARM_ANY,
	[ND_CQ_NOTIFY_SOLICITED] = VIRTIO_RDMA_ARM_SOLICITED,
};

static HRESULT cq_Notify(IND2CompletionQueue *self, ULONG type, OVERLAPPED *ov)
{
	struct nd_cq *cq = self_cq(self);

	if (type >= sizeof(arm_kind))
		return ND_INVALID_PARAMETER_1;
	if (!ov)
		return ND_INVALID_PARAMETER_2;
	return nd_cq_notify(cq, arm_kind[type], ov);
}

/* ------------------------------------------------------------------ others */

static HRESULT cq_GetNotifyAffinity(IND2CompletionQueue *self, USHORT *group,
				    KAFFINITY *affinity)
{
	if (!group || !affinity)
		return ND_INVALID_PARAMETER;
	*group = self_cq(self)->group;
	*affinity = self_cq(self)->affinity;
	return ND_SUCCESS;
}

/* ------------------------------------------------------------------ resize */

static HRESULT may_resize(struct nd_cq *cq, ULONG depth)
{
	HRESULT hr;

	if (!cq->max_depth)
		return ND_NOT_SUPPORTED;
	if (!depth || depth > cq->max_depth)
		return ND_INVALID_PARAMETER;
	nd_spin_lock(&cq->ring_lock);
	hr = map_owed(cq);
	if (hr == ND_SUCCESS && queued(cq) > depth)
		hr = ND_BUFFER_OVERFLOW;
	nd_spin_unlock(&cq->ring_lock);
	return hr;
}

/* notify_lock held.  Whatever the status says: where the device has moved, that
 * is to be polled */
static HRESULT resize(struct nd_cq *cq, ULONG depth)
{
	struct vrdma_uapi_resize_cq arg = { .id = cq->own.id, .depth = depth };
	HRESULT hr = nd_call(cq->own.file, VRDMA_IOC_RESIZE_CQ, &arg);

	nd_spin_lock(&cq->ring_lock);
	if (vrdma_observe32(&cq->last->poll.rec->moved)) {
		cq->owed = arg;
		map_owed(cq);	/* or when it is needed */
	}
	nd_spin_unlock(&cq->ring_lock);
	return hr;
}

static HRESULT cq_Resize(IND2CompletionQueue *self, ULONG depth)
{
	struct nd_cq *cq = self_cq(self);
	HRESULT hr;

	pthread_mutex_lock(&cq->notify_lock);
	hr = may_resize(cq, depth);
	if (hr == ND_SUCCESS)
		hr = resize(cq, depth);
	pthread_mutex_unlock(&cq->notify_lock);
	return hr;
}

static const IND2CompletionQueueVtbl cq_vtbl = {
	ND_OVERLAPPED_SLOTS(cq),
	.GetNotifyAffinity = cq_GetNotifyAffinity,
	.Resize = cq_Resize,
	.Notify = cq_Notify,
	.GetResults = cq_GetResults,
};

/* --------------------------------------------------------------- life time */

static void free_rings(struct nd_cq *cq)
{
	struct nd_cq_ring *r = cq->first, *next;

	for (; r; r = next) {
		next = ring_of(r->poll.next);
		free_ring(cq, r);
	}
}

static void cq_destroy(struct nd_object *obj)
{
	struct nd_cq *cq = (struct nd_cq *)obj;

	nd_owner_free(&cq->own);
	nd_cq_notify_end(cq);
	free_rings(cq);
	pthread_mutex_destroy(&cq->notify_lock);
	free(cq);
}

static const struct nd_interface cq_interfaces[] = {
	{ &IID_IND2CompletionQueue, 0 },
	{ &IID_IND2Overlapped, 0 },
	{ &IID_IUnknown, 0 },
	{ NULL, 0 },
};

const struct nd_class nd_cq_class = {
	.name = "cq",
	.interfaces = cq_interfaces,
	.destroy = cq_destroy,
};

static HRESULT cq_setup(struct nd_cq *cq, struct nd_adapter *a, ULONG depth)
{
	struct vrdma_uapi_create_cq arg = { .depth = depth };
	struct vrdma_uapi_object gone;
	HRESULT hr = nd_call(a->file, VRDMA_IOC_CREATE_CQ, &arg);

	if (hr != ND_SUCCESS)
		return hr;
	cq->own.file = a->file;
	cq->own.id = arg.id;
	cq->offset = arg.buffer_offset;
	hr = map_ring(cq, arg.depth, arg.ring_offset, arg.buffer_size,
		      &cq->first);
	cq->last = cq->first;
	if (hr == ND_SUCCESS)
		return hr;
	gone = (struct vrdma_uapi_object){ .id = arg.id };
	nd_call(a->file, VRDMA_IOC_FREE, &gone);
	return hr;
}

HRESULT nd_cq_create(struct nd_adapter *a, REFIID iid, HANDLE handle,
		     ULONG depth, USHORT group, KAFFINITY affinity, VOID **out)
{
	HRESULT hr = nd_handle_check(handle);
	struct nd_cq *cq;

	if (hr != ND_SUCCESS)
		return hr;
	if (!depth || depth > vr_from_le32(a->config.max_cq_depth))
		return ND_INVALID_PARAMETER_3;
	cq = calloc(1, sizeof(*cq));
	if (!cq)
		return ND_NO_MEMORY;
	cq->own.handle = handle;
	cq->group = group;
	cq->affinity = affinity ? affinity : ~(KAFFINITY)0;
	if (vr_from_le32(a->config.adapter_flags) &
	    ND_ADAPTER_FLAG_CQ_RESIZE_SUPPORTED)
		cq->max_depth = vr_from_le32(a->config.max_cq_depth);
	hr = cq_setup(cq, a, depth);
	if (hr != ND_SUCCESS) {
		free(cq);
		return hr;
	}
	pthread_mutex_init(&cq->notify_lock, NULL);
	nd_object_init(&cq->own.obj, &nd_cq_class, &cq_vtbl, &a->obj);
	return nd_object_hand_out(&cq->own.obj, iid, out);
}
