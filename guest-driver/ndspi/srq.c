/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-or-later */
/*
 * srq.c - IND2SharedReceiveQueue
 *
 * DOC: Receive writes into the mapped ring, as a queue pair's does.  It takes a
 * mutex for that: Modify holds it while the device goes over to another ring.
 *
 * Notify is the kernel's, which arms the queue and has all that wait; one
 * report of the device ends them.
 *
 * Who posts here need not look at anything that tells of the device's loss, and
 * what is in the ring then has no completion.  So a ring that is full is a
 * reason to ask the kernel.
 */
#include <stdlib.h>

#include "nd_int.h"

ND_OVERLAPPED_IMPL(srq, IND2SharedReceiveQueue)

static struct nd_srq *self_srq(IND2SharedReceiveQueue *self)
{
	return (struct nd_srq *)self;
}

/* -------------------------------------------------------------------- ring */

/* post_lock held.  After a change of the depth the buffer is another one */
static HRESULT map_ring(struct nd_srq *srq)
{
	uint32_t tail = srq->wq.tail;

	if (srq->buffer)
		return ND_SUCCESS;
	srq->buffer = nd_file_map(srq->own.file, srq->offset, srq->size);
	if (!srq->buffer)
		return ND_INSUFFICIENT_RESOURCES;
	vrdma_srq_init(&srq->wq, srq->buffer, srq->ring.offset, srq->ring.depth,
		       srq->ring.stride, srq->wq.limit);
	srq->wq.tail = tail;
	return ND_SUCCESS;
}

static void unmap_ring(struct nd_srq *srq)
{
	nd_file_unmap(srq->own.file, srq->buffer, srq->size);
	srq->buffer = NULL;
}

static bool ring_ok(const struct nd_srq *srq, ULONG depth)
{
	return depth <= srq->ring.depth &&
	       nd_ring_fits(&srq->ring, nd_receive_size(srq->max_sge),
			    sizeof(struct virtio_rdma_srq_record), srq->size);
}

/* ----------------------------------------------------------------- posting */

static HRESULT modify(struct nd_srq *srq, struct vrdma_uapi_modify_srq *arg)
{
	arg->id = srq->own.id;
	return nd_call(srq->own.file, VRDMA_IOC_MODIFY_SRQ, arg);
}

static HRESULT why_full(struct nd_srq *srq)
{
	struct vrdma_uapi_modify_srq nothing = { 0 };

	return modify(srq, &nothing) == ND_DEVICE_REMOVED ? ND_DEVICE_REMOVED :
							    ND_NO_MORE_ENTRIES;
}

/* post_lock held */
static HRESULT post(struct nd_srq *srq, VOID *context, const ND2_SGE *sge,
		    ULONG n)
{
	HRESULT hr = map_ring(srq);
	void *entry;

	if (hr != ND_SUCCESS)
		return hr;
	entry = vrdma_wq_next(&srq->wq);
	if (!entry)
		return why_full(srq);
	nd_fill_receive(entry, context, sge, n);
	vrdma_wq_post(&srq->wq);
	nd_file_bell(srq->own.file, srq->slot);
	return ND_SUCCESS;
}

static HRESULT srq_Receive(IND2SharedReceiveQueue *self, VOID *context,
			   const ND2_SGE sge[], ULONG num_sge)
{
	struct nd_srq *srq = self_srq(self);
	HRESULT hr = nd_check_sgl(srq->own.file, sge, num_sge, srq->max_sge,
				  srq->max_transfer);

	if (hr != ND_SUCCESS)
		return hr;
	pthread_mutex_lock(&srq->post_lock);
	hr = post(srq, context, sge, num_sge);
	pthread_mutex_unlock(&srq->post_lock);
	return hr;
}

/* ------------------------------------------------------------------ others */

/* post_lock held.  Receive maps the new buffer if that cannot be done now */
static HRESULT change(struct nd_srq *srq, ULONG depth, ULONG threshold)
{
	struct vrdma_uapi_modify_srq arg = { .depth = depth,
					     .threshold = threshold };
	HRESULT hr = modify(srq, &arg);

	if (hr != ND_SUCCESS || !depth)
		return hr;
	unmap_ring(srq);
	srq->ring.offset = arg.ring_offset;
	srq->ring.depth = arg.depth;
	srq->size = arg.buffer_size;
	srq->wq.limit = depth;
	if (!ring_ok(srq, depth)) {
		srq->wq.limit = 0;	/* full for ever */
		return ND_INTERNAL_ERROR;
	}
	map_ring(srq);
	return ND_SUCCESS;
}

static HRESULT srq_Modify(IND2SharedReceiveQueue *self, ULONG depth,
			  ULONG threshold)
{
	struct nd_srq *srq = self_srq(self);
	HRESULT hr;

	pthread_mutex_lock(&srq->post_lock);
	hr = change(srq, depth, threshold);
	pthread_mutex_unlock(&srq->post_lock);
	return hr;
}

static HRESULT srq_Notify(IND2SharedReceiveQueue *self, OVERLAPPED *ov)
{
	struct nd_srq *srq = self_srq(self);
	struct vrdma_uapi_request arg = { .id = srq->own.id };

	if (!ov)
		return ND_INVALID_PARAMETER_1;
	return nd_start(&srq->own, VRDMA_IOC_SRQ_NOTIFY, &arg, &arg.overlapped,
			ov, NULL);
}

static HRESULT srq_GetNotifyAffinity(IND2SharedReceiveQueue *self,
				     USHORT *group, KAFFINITY *affinity)
{
	if (!group || !affinity)
		return ND_INVALID_PARAMETER;
	*group = self_srq(self)->group;
	*affinity = self_srq(self)->affinity;
	return ND_SUCCESS;
}

static const IND2SharedReceiveQueueVtbl srq_vtbl = {
	ND_OVERLAPPED_SLOTS(srq),
	.GetNotifyAffinity = srq_GetNotifyAffinity,
	.Modify = srq_Modify,
	.Notify = srq_Notify,
	.Receive = srq_Receive,
};

/* --------------------------------------------------------------- life time */

static void srq_destroy(struct nd_object *obj)
{
	struct nd_srq *srq = (struct nd_srq *)obj;

	nd_owner_free(&srq->own);
	unmap_ring(srq);
	pthread_mutex_destroy(&srq->post_lock);
	free(srq);
}

static const struct nd_interface srq_interfaces[] = {
	{ &IID_IND2SharedReceiveQueue, 0 },
	{ &IID_IND2Overlapped, 0 },
	{ &IID_IUnknown, 0 },
	{ NULL, 0 },
};

const struct nd_class nd_srq_class = {
	.name = "srq",
	.interfaces = srq_interfaces,
	.destroy = srq_destroy,
};

static HRESULT take_answer(struct nd_srq *srq,
			   const struct vrdma_uapi_create_srq *a, ULONG depth)
{
	srq->own.id = a->id;
	srq->slot = a->slot;
	srq->offset = a->buffer_offset;
	srq->size = a->buffer_size;
	srq->ring = (struct nd_ring){ a->ring_offset, a->depth, a->stride };
	srq->wq.limit = depth;
	if (a->slot >= VIRTIO_RDMA_MAX_SLOTS || !ring_ok(srq, depth))
		return ND_INTERNAL_ERROR;
	return map_ring(srq);
}

static HRESULT srq_setup(struct nd_srq *srq, const struct nd_srq_wish *w)
{
	struct vrdma_uapi_create_srq arg = {
		.depth = w->depth,
		.max_sge = w->max_sge,
		.threshold = w->threshold,
	};
	struct vrdma_uapi_object gone;
	HRESULT hr = nd_call(srq->own.file, VRDMA_IOC_CREATE_SRQ, &arg);

	if (hr != ND_SUCCESS)
		return hr;
	hr = take_answer(srq, &arg, w->depth);
	if (hr == ND_SUCCESS)
		return hr;
	gone = (struct vrdma_uapi_object){ .id = arg.id };
	nd_call(srq->own.file, VRDMA_IOC_FREE, &gone);
	return hr;
}

/* numbered as the arguments of CreateSharedReceiveQueue */
static HRESULT check_wish(const struct virtio_rdma_config *c,
			  const struct nd_srq_wish *w)
{
	HRESULT hr;

	if (!c->max_srq_depth)
		return ND_NOT_SUPPORTED;
	hr = nd_handle_check(w->handle);
	if (hr != ND_SUCCESS)
		return hr;
	if (!w->depth || w->depth > vr_from_le32(c->max_srq_depth))
		return ND_INVALID_PARAMETER_3;
	if (w->max_sge > vr_from_le32(c->max_recv_sge))
		return ND_INVALID_PARAMETER_4;
	return ND_SUCCESS;
}

HRESULT nd_srq_create(struct nd_adapter *a, REFIID iid,
		      const struct nd_srq_wish *w, VOID **out)
{
	HRESULT hr = check_wish(&a->config, w);
	struct nd_srq *srq;

	if (hr != ND_SUCCESS)
		return hr;
	srq = calloc(1, sizeof(*srq));
	if (!srq)
		return ND_NO_MEMORY;
	srq->own.file = a->file;
	srq->own.handle = w->handle;
	srq->group = w->group;
	srq->affinity = w->affinity ? w->affinity : ~(KAFFINITY)0;
	srq->max_sge = w->max_sge;
	srq->max_transfer = vr_from_le32(a->config.max_transfer);
	hr = srq_setup(srq, w);
	if (hr != ND_SUCCESS) {
		free(srq);
		return hr;
	}
	pthread_mutex_init(&srq->post_lock, NULL);
	nd_object_init(&srq->own.obj, &nd_srq_class, &srq_vtbl, &a->obj);
	return nd_object_hand_out(&srq->own.obj, iid, out);
}
