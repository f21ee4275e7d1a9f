/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-or-later */
/*
 * cq.c - IND2CompletionQueue
 *
 * DOC: ND_CQ_NOTIFY_ANY is content with any completion in the ring, however old;
 * ND_CQ_NOTIFY_SOLICITED wants one that no earlier event has covered, because
 * the ring does not tell which completions were solicited.
 */
#include <stdlib.h>

#include "nd_int.h"

ND_OVERLAPPED_IMPL(cq, IND2CompletionQueue)

static struct nd_cq *self_cq(IND2CompletionQueue *self)
{
	return (struct nd_cq *)self;
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
	for (i = 0; i < n && vrdma_cqring_take(&cq->ring, &e); i++)
		to_result(&e, &results[i]);
	nd_spin_unlock(&cq->ring_lock);
	return i;
}

/* ------------------------------------------------------------------ notify */

uint32_t nd_cq_ring_end(const struct nd_cq *cq)
{
	struct vrdma_cqring look = cq->ring;
	int32_t ahead = (int32_t)(cq->signalled - look.head);

	if (ahead > 0 && (uint32_t)ahead < look.depth)
		look.head = cq->signalled;
	while (look.head - cq->ring.head < look.depth &&
	       vrdma_cqring_ready(&look))
		look.head++;
	return look.head;
}

/* true: the arm was there and is not any more */
static bool disarm(struct nd_cq *cq)
{
	return __atomic_exchange_n(&cq->ring.rec->arm,
				   vr_to_le32(VIRTIO_RDMA_ARM_NONE),
				   __ATOMIC_SEQ_CST) !=
	       vr_to_le32(VIRTIO_RDMA_ARM_NONE);
}

bool nd_cq_arm(struct nd_cq *cq, uint8_t kind, uint32_t *end)
{
	bool now;

	nd_spin_lock(&cq->ring_lock);
	now = vrdma_cqring_arm(&cq->ring, kind);
	*end = nd_cq_ring_end(cq);
	if (kind == VIRTIO_RDMA_ARM_SOLICITED && *end != cq->ring.head &&
	    *end != cq->signalled)
		now = disarm(cq);
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

static HRESULT cq_Resize(IND2CompletionQueue *self, ULONG depth)
{
	(void)self;
	(void)depth;
	return ND_NOT_SUPPORTED;
}

static const IND2CompletionQueueVtbl cq_vtbl = {
	ND_OVERLAPPED_SLOTS(cq),
	.GetNotifyAffinity = cq_GetNotifyAffinity,
	.Resize = cq_Resize,
	.Notify = cq_Notify,
	.GetResults = cq_GetResults,
};

/* --------------------------------------------------------------- life time */

static void cq_destroy(struct nd_object *obj)
{
	struct nd_cq *cq = (struct nd_cq *)obj;

	nd_owner_free(&cq->own);
	nd_cq_notify_end(cq);
	nd_file_unmap(cq->own.file, cq->buffer, cq->size);
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

static HRESULT map_ring(struct nd_cq *cq, const struct vrdma_uapi_create_cq *a)
{
	uint64_t bytes = (uint64_t)a->depth * sizeof(struct virtio_rdma_cqe);

	if (!a->depth || a->depth & (a->depth - 1) ||
	    !nd_range_within(a->ring_offset, bytes, a->buffer_size) ||
	    a->ring_offset < sizeof(struct virtio_rdma_cq_record))
		return ND_INTERNAL_ERROR;
	cq->buffer = nd_file_map(cq->own.file, a->buffer_offset,
				 a->buffer_size);
	if (!cq->buffer)
		return ND_INSUFFICIENT_RESOURCES;
	cq->size = a->buffer_size;
	vrdma_cqring_init(&cq->ring, cq->buffer, a->ring_offset, a->depth);
	return ND_SUCCESS;
}

static HRESULT cq_setup(struct nd_cq *cq, struct nd_adapter *a, ULONG depth)
{
	struct vrdma_uapi_create_cq arg = { .depth = depth };
	struct vrdma_uapi_object gone;
	HRESULT hr = nd_call(a->file, VRDMA_IOC_CREATE_CQ, &arg);

	if (hr != ND_SUCCESS)
		return hr;
	cq->own.file = a->file;
	cq->own.id = arg.id;
	hr = map_ring(cq, &arg);
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
	hr = cq_setup(cq, a, depth);
	if (hr != ND_SUCCESS) {
		free(cq);
		return hr;
	}
	pthread_mutex_init(&cq->notify_lock, NULL);
	nd_object_init(&cq->own.obj, &nd_cq_class, &cq_vtbl, &a->obj);
	return nd_object_hand_out(&cq->own.obj, iid, out);
}
