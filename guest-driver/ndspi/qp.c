/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-or-later */
/*
 * qp.c - IND2QueuePair: posting into the mapped rings
 *
 * DOC: No system call unless the device's worker sleeps.
 *
 * What can be said at once is said at once, as NetworkDirect documents it; an
 * inline error makes no completion and leaves the connection alone.
 *
 * A queue pair in the error state takes requests and cancels them.  If the
 * device itself is gone nobody would, so in that state (the slow path anyway)
 * the kernel is asked, and the request taken back if it was never looked at.
 */
#include <stdlib.h>
#include <string.h>

#include "nd_int.h"

#define SGE_AT_SEND sizeof(struct virtio_rdma_send_wqe)
#define SGE_AT_RECV sizeof(struct virtio_rdma_recv_wqe)
#define BIND_SIZE   sizeof(struct virtio_rdma_bind)

ND_UNKNOWN_IMPL(qp, IND2QueuePair)

static struct nd_qp *self_qp(IND2QueuePair *self)
{
	return (struct nd_qp *)self;
}

static uint32_t qp_state(const struct nd_qp *qp)
{
	return vrdma_observe32(&qp->record->state);
}

static HRESULT flush(struct nd_qp *qp)
{
	struct vrdma_uapi_object arg = { .id = qp->own.id };

	return nd_call(qp->own.file, VRDMA_IOC_FLUSH, &arg);
}

static HRESULT qp_Flush(IND2QueuePair *self)
{
	return flush(self_qp(self));
}

/* ----------------------------------------------------------------- posting */

struct post {
	VOID *context;
	const ND2_SGE *sge;
	ULONG num_sge;
	uint64_t remote_addr;
	uint32_t remote_token;
	ULONG flags;
	const struct virtio_rdma_bind *bind;	/* or NULL */
};

/* what differs between the initiator requests */
struct kind {
	uint8_t opcode;
	ULONG allowed;
	HRESULT bad_flags;
};

static const struct kind kind_send = {
	VIRTIO_RDMA_OP_SEND,
	ND_OP_FLAG_SILENT_SUCCESS | ND_OP_FLAG_READ_FENCE |
		ND_OP_FLAG_SEND_AND_SOLICIT_EVENT | ND_OP_FLAG_INLINE,
	ND_INVALID_PARAMETER_4,
};
static const struct kind kind_write = {
	VIRTIO_RDMA_OP_WRITE,
	ND_OP_FLAG_SILENT_SUCCESS | ND_OP_FLAG_READ_FENCE | ND_OP_FLAG_INLINE,
	ND_INVALID_PARAMETER_6,
};
static const struct kind kind_read = {
	VIRTIO_RDMA_OP_READ,
	ND_OP_FLAG_SILENT_SUCCESS | ND_OP_FLAG_READ_FENCE,
	ND_INVALID_PARAMETER_6,
};

static const struct kind kind_send_invalidate = {
	VIRTIO_RDMA_OP_SEND_INVALIDATE,
	ND_OP_FLAG_SILENT_SUCCESS | ND_OP_FLAG_READ_FENCE |
		ND_OP_FLAG_SEND_AND_SOLICIT_EVENT | ND_OP_FLAG_INLINE,
	ND_INVALID_PARAMETER_4,
};
static const struct kind kind_bind = {
	VIRTIO_RDMA_OP_BIND,
	ND_OP_FLAG_SILENT_SUCCESS | ND_OP_FLAG_READ_FENCE |
		ND_OP_FLAG_ALLOW_READ | ND_OP_FLAG_ALLOW_WRITE,
	ND_INVALID_PARAMETER_6,
};
static const struct kind kind_invalidate = {
	VIRTIO_RDMA_OP_INVALIDATE,
	ND_OP_FLAG_SILENT_SUCCESS | ND_OP_FLAG_READ_FENCE,
	ND_INVALID_PARAMETER_3,
};

static uint16_t wire_flags(ULONG flags)
{
	return (uint16_t)((flags & ND_OP_FLAG_SILENT_SUCCESS ?
				   VIRTIO_RDMA_WR_SILENT : 0) |
			  (flags & ND_OP_FLAG_READ_FENCE ?
				   VIRTIO_RDMA_WR_READ_FENCE : 0) |
			  (flags & ND_OP_FLAG_SEND_AND_SOLICIT_EVENT ?
				   VIRTIO_RDMA_WR_SOLICIT : 0) |
			  (flags & ND_OP_FLAG_INLINE ?
				   VIRTIO_RDMA_WR_INLINE : 0));
}

/* At most 2^32 elements of at most 2^32 bytes: no overflow */
static uint64_t sum_length(const ND2_SGE *sge, ULONG n)
{
	uint64_t sum = 0;
	ULONG i;

	for (i = 0; i < n; i++)
		sum += sge[i].BufferLength;
	return sum;
}

static void put_sge(void *at, const ND2_SGE *sge, ULONG n)
{
	struct virtio_rdma_sge *w = at;
	ULONG i;

	for (i = 0; i < n; i++)
		w[i] = (struct virtio_rdma_sge){
			.addr = vr_to_le64((uintptr_t)sge[i].Buffer),
			.length = vr_to_le32(sge[i].BufferLength),
			.token = vr_to_le32(sge[i].MemoryRegionToken),
		};
}

static void put_inline(void *at, const ND2_SGE *sge, ULONG n)
{
	uint8_t *to = at;
	ULONG i;

	for (i = 0; i < n; i++) {
		if (sge[i].BufferLength)
			memcpy(to, sge[i].Buffer, sge[i].BufferLength);
		to += sge[i].BufferLength;
	}
}

HRESULT nd_check_sgl(const struct nd_file *file, const ND2_SGE *sge, ULONG n,
		     uint32_t max_sge, uint64_t max_length)
{
	if (n && !sge)
		return ND_INVALID_PARAMETER_2;
	if (n > max_sge)
		return ND_DATA_OVERRUN;
	if (sum_length(sge, n) > max_length)
		return ND_BUFFER_OVERFLOW;
	return atomic_load_explicit(&file->removed, memory_order_relaxed) ?
		       ND_DEVICE_REMOVED :
		       ND_SUCCESS;
}

static HRESULT check_sgl(const struct nd_qp *qp, const struct post *p,
			 uint32_t max_sge, uint64_t max_length)
{
	return nd_check_sgl(qp->own.file, p->sge, p->num_sge, max_sge,
			    max_length);
}

static HRESULT check_send(const struct nd_qp *qp, const struct kind *k,
			  const struct post *p)
{
	if (p->flags & ~k->allowed)
		return k->bad_flags;
	if (qp_state(qp) == VIRTIO_RDMA_QP_INIT)
		return atomic_load(&qp->own.file->removed) ?
			       ND_DEVICE_REMOVED :
			       ND_CONNECTION_INVALID;
	/* inline data needs no elements in the entry, so their number is free */
	if (p->flags & ND_OP_FLAG_INLINE)
		return check_sgl(qp, p, UINT32_MAX, qp->max_inline);
	return check_sgl(qp, p,
			 k->opcode == VIRTIO_RDMA_OP_READ ? qp->max_read_sge :
							    qp->max_send_sge,
			 qp->max_transfer);
}

static void fill_send(uint8_t *entry, const struct kind *k,
		      const struct post *p)
{
	bool in_entry = p->flags & ND_OP_FLAG_INLINE;
	struct virtio_rdma_send_wqe *w = (void *)entry;

	*w = (struct virtio_rdma_send_wqe){
		.wr_id = vr_to_le64((uintptr_t)p->context),
		.opcode = k->opcode,
		.num_sge = in_entry ? 0 : (uint8_t)p->num_sge,
		.flags = vr_to_le16(wire_flags(p->flags)),
		.inline_length = vr_to_le32(
			in_entry ? (uint32_t)sum_length(p->sge, p->num_sge) :
				   0),
		.remote_addr = vr_to_le64(p->remote_addr),
		.remote_token = vr_to_le32(p->remote_token),
	};
	if (p->bind)
		memcpy(entry + SGE_AT_SEND, p->bind, BIND_SIZE);
	else if (in_entry)
		put_inline(entry + SGE_AT_SEND, p->sge, p->num_sge);
	else
		put_sge(entry + SGE_AT_SEND, p->sge, p->num_sge);
}

void nd_fill_receive(void *entry, VOID *context, const ND2_SGE *sge, ULONG n)
{
	struct virtio_rdma_recv_wqe *w = entry;

	*w = (struct virtio_rdma_recv_wqe){
		.wr_id = vr_to_le64((uintptr_t)context),
		.num_sge = (uint8_t)n,
	};
	put_sge((uint8_t *)entry + SGE_AT_RECV, sge, n);
}

/* The queue's lock is held.  The entry to fill next, or NULL: the queue is full */
static void *next_entry(struct vrdma_wq *q, struct nd_cq *cq)
{
	void *entry = vrdma_wq_next(q);

	if (entry)
		return entry;
	nd_spin_lock(&cq->ring_lock);
	entry = vrdma_wq_next_behind(q, &cq->first->poll);
	nd_spin_unlock(&cq->ring_lock);
	return entry;
}

/* The queue's lock is held and its entry filled */
static HRESULT publish(struct nd_qp *qp, struct vrdma_wq *q)
{
	vrdma_wq_post(q);
	vrdma_full_fence();	/* what is read below, is read behind the tail */
	if (!vrdma_qp_is_watched(qp->record))
		nd_file_bell(qp->own.file, qp->slot);
	if (qp_state(qp) != VIRTIO_RDMA_QP_ERROR)
		return ND_SUCCESS;
	if (flush(qp) != ND_DEVICE_REMOVED ||
	    vrdma_observe32(q->head_p) == q->tail)
		return ND_SUCCESS;
	vrdma_publish32(q->tail_p, --q->tail);
	return ND_DEVICE_REMOVED;
}

static HRESULT post_send(struct nd_qp *qp, const struct kind *k,
			 const struct post *p)
{
	HRESULT hr = check_send(qp, k, p);
	uint8_t *entry;

	if (hr != ND_SUCCESS)
		return hr;
	nd_spin_lock(&qp->send_lock);
	entry = next_entry(&qp->sq, qp->send_cq);
	if (entry) {
		fill_send(entry, k, p);
		hr = publish(qp, &qp->sq);
	} else {
		hr = ND_NO_MORE_ENTRIES;
	}
	nd_spin_unlock(&qp->send_lock);
	return hr;
}

static HRESULT qp_Receive(IND2QueuePair *self, VOID *context,
			  const ND2_SGE sge[], ULONG num_sge)
{
	const struct post p = { .context = context, .sge = sge,
				.num_sge = num_sge };
	struct nd_qp *qp = self_qp(self);
	HRESULT hr = check_sgl(qp, &p, qp->max_recv_sge, qp->max_transfer);
	uint8_t *entry;

	if (qp->srq)
		return ND_INVALID_DEVICE_REQUEST;
	if (hr != ND_SUCCESS)
		return hr;
	nd_spin_lock(&qp->recv_lock);
	entry = next_entry(&qp->rq, qp->recv_cq);
	if (entry) {
		nd_fill_receive(entry, context, sge, num_sge);
		hr = publish(qp, &qp->rq);
	} else {
		hr = ND_NO_MORE_ENTRIES;
	}
	nd_spin_unlock(&qp->recv_lock);
	return hr;
}

static HRESULT qp_Send(IND2QueuePair *self, VOID *context, const ND2_SGE sge[],
		       ULONG num_sge, ULONG flags)
{
	const struct post p = { .context = context, .sge = sge,
				.num_sge = num_sge, .flags = flags };

	return post_send(self_qp(self), &kind_send, &p);
}

static HRESULT qp_Read(IND2QueuePair *self, VOID *context, const ND2_SGE sge[],
		       ULONG num_sge, UINT64 remote_address,
		       UINT32 remote_token, ULONG flags)
{
	const struct post p = { .context = context, .sge = sge,
				.num_sge = num_sge, .flags = flags,
				.remote_addr = remote_address,
				.remote_token = remote_token };

	return post_send(self_qp(self), &kind_read, &p);
}

static HRESULT qp_Write(IND2QueuePair *self, VOID *context,
			const ND2_SGE sge[], ULONG num_sge,
			UINT64 remote_address, UINT32 remote_token, ULONG flags)
{
	const struct post p = { .context = context, .sge = sge,
				.num_sge = num_sge, .flags = flags,
				.remote_addr = remote_address,
				.remote_token = remote_token };

	return post_send(self_qp(self), &kind_write, &p);
}

/* Another one than that of the time before, of the 256 that the window has */
static uint32_t next_token(struct nd_mw *mw)
{
	uint32_t token = atomic_load_explicit(&mw->token, memory_order_relaxed);

	return (token & ~VIRTIO_RDMA_TOKEN_KEY) |
	       ((token + 1) & VIRTIO_RDMA_TOKEN_KEY);
}

static struct nd_mw *to_mw(const struct nd_qp *qp, IUnknown *mw)
{
	return (struct nd_mw *)nd_owner_cast(mw, &nd_mw_class, qp->own.file);
}

static HRESULT qp_Bind(IND2QueuePair *self, VOID *context, IUnknown *mr,
		       IUnknown *mw, const VOID *buffer, SIZE_T cb, ULONG flags)
{
	struct nd_qp *qp = self_qp(self);
	struct nd_mr *region = (struct nd_mr *)nd_owner_cast(mr, &nd_mr_class,
							     qp->own.file);
	struct nd_mw *window = to_mw(qp, mw);
	struct virtio_rdma_bind b;
	struct post p = { .context = context, .flags = flags, .bind = &b };
	HRESULT hr;

	if (!region)
		return ND_INVALID_PARAMETER_2;
	if (!window)
		return ND_INVALID_PARAMETER_3;
	hr = nd_mr_part(region, buffer, cb, flags, &b);
	if (hr != ND_SUCCESS)
		return hr;
	b.mw = vr_to_le32(window->handle);
	p.remote_token = next_token(window);
	hr = post_send(qp, &kind_bind, &p);
	if (hr == ND_SUCCESS)
		atomic_store_explicit(&window->token, p.remote_token,
				      memory_order_relaxed);
	return hr;
}

static HRESULT qp_Invalidate(IND2QueuePair *self, VOID *context, IUnknown *mw,
			     ULONG flags)
{
	struct nd_qp *qp = self_qp(self);
	struct nd_mw *window = to_mw(qp, mw);
	struct post p = { .context = context, .flags = flags };

	if (!window)
		return ND_INVALID_PARAMETER_2;
	p.remote_token = atomic_load_explicit(&window->token,
					      memory_order_relaxed);
	return post_send(qp, &kind_invalidate, &p);
}

static const IND2QueuePairVtbl qp_vtbl = {
	ND_UNKNOWN_SLOTS(qp),
	.Flush = qp_Flush,
	.Send = qp_Send,
	.Receive = qp_Receive,
	.Bind = qp_Bind,
	.Invalidate = qp_Invalidate,
	.Read = qp_Read,
	.Write = qp_Write,
};

/* --------------------------------------------------------- IVrdmaQueuePair */

static struct nd_qp *extra_qp(IVrdmaQueuePair *self)
{
	return nd_container_of(self, struct nd_qp, extra);
}

static HRESULT extra_QueryInterface(IVrdmaQueuePair *self, REFIID iid,
				    VOID **out)
{
	return nd_object_query(&extra_qp(self)->own.obj, iid, out);
}

static ULONG extra_AddRef(IVrdmaQueuePair *self)
{
	return nd_object_get(&extra_qp(self)->own.obj);
}

static ULONG extra_Release(IVrdmaQueuePair *self)
{
	return nd_object_put(&extra_qp(self)->own.obj);
}

static HRESULT extra_SendAndInvalidate(IVrdmaQueuePair *self, VOID *context,
				       const ND2_SGE sge[], ULONG num_sge,
				       ULONG flags, UINT32 remote_token)
{
	const struct post p = { .context = context, .sge = sge,
				.num_sge = num_sge, .flags = flags,
				.remote_token = remote_token };
	struct nd_qp *qp = extra_qp(self);

	if (!(qp->own.file->info.features &
	      VIRTIO_RDMA_FEATURE(SEND_INVALIDATE)))
		return ND_NOT_SUPPORTED;
	return post_send(qp, &kind_send_invalidate, &p);
}

static const IVrdmaQueuePairVtbl extra_vtbl = {
	ND_UNKNOWN_SLOTS(extra),
	.SendAndInvalidate = extra_SendAndInvalidate,
};

/* --------------------------------------------------------------- life time */

static void unlink_connector(struct nd_qp *qp)
{
	struct nd_adapter *a = nd_adapter_of(&qp->own);

	pthread_mutex_lock(&a->link_lock);
	if (qp->connector) {
		qp->connector->qp = NULL;
		nd_connector_abandon(qp->connector);
	}
	pthread_mutex_unlock(&a->link_lock);
}

static void qp_destroy(struct nd_object *obj)
{
	struct nd_qp *qp = (struct nd_qp *)obj;

	unlink_connector(qp);
	nd_owner_free(&qp->own);
	nd_file_unmap(qp->own.file, qp->buffer, qp->size);
	nd_object_put(&qp->recv_cq->own.obj);
	nd_object_put(&qp->send_cq->own.obj);
	if (qp->srq)
		nd_object_put(&qp->srq->own.obj);
	free(qp);
}

static const struct nd_interface qp_interfaces[] = {
	{ &IID_IND2QueuePair, 0 },
	{ &IID_IUnknown, 0 },
	{ &IID_IVrdmaQueuePair, offsetof(struct nd_qp, extra) },
	{ NULL, 0 },
};

const struct nd_class nd_qp_class = {
	.name = "qp",
	.interfaces = qp_interfaces,
	.destroy = qp_destroy,
};

bool nd_ring_fits(const struct nd_ring *r, uint64_t entry, uint64_t record,
		  uint64_t size)
{
	return r->depth && !(r->depth & (r->depth - 1)) && r->stride >= entry &&
	       r->stride % 8 == 0 && r->offset % 8 == 0 && r->offset >= record &&
	       nd_range_within(r->offset, (uint64_t)r->depth * r->stride, size);
}

uint64_t nd_receive_size(uint32_t max_sge)
{
	return SGE_AT_RECV + max_sge * sizeof(struct virtio_rdma_sge);
}

static uint64_t send_entry_size(const struct nd_qp *qp)
{
	uint64_t list = qp->max_send_sge * sizeof(struct virtio_rdma_sge);
	uint64_t data = list > qp->max_inline ? list : qp->max_inline;

	return SGE_AT_SEND + (data > BIND_SIZE ? data : BIND_SIZE);
}

/* The device's answer is looked at before the rings are */
static bool layout_ok(const struct nd_qp *qp,
		      const struct vrdma_uapi_create_qp *a,
		      const struct nd_qp_wish *w)
{
	const struct nd_ring send = { a->send_offset, a->send_depth,
				      a->send_stride };
	const struct nd_ring recv = { a->recv_offset, a->recv_depth,
				      a->recv_stride };
	uint64_t record = sizeof(struct virtio_rdma_qp_record);

	if (a->slot >= VIRTIO_RDMA_MAX_SLOTS || w->send_depth > a->send_depth ||
	    !nd_ring_fits(&send, send_entry_size(qp), record, a->buffer_size))
		return false;
	return qp->srq || (w->recv_depth <= a->recv_depth &&
			   nd_ring_fits(&recv, nd_receive_size(qp->max_recv_sge),
					record, a->buffer_size));
}

static HRESULT map_rings(struct nd_qp *qp, const struct vrdma_uapi_create_qp *a,
			 const struct nd_qp_wish *w)
{
	if (!layout_ok(qp, a, w))
		return ND_INTERNAL_ERROR;
	qp->buffer = nd_file_map(qp->own.file, a->buffer_offset,
				 a->buffer_size);
	if (!qp->buffer)
		return ND_INSUFFICIENT_RESOURCES;
	qp->size = a->buffer_size;
	qp->slot = a->slot;
	qp->record = qp->buffer;
	vrdma_sq_init(&qp->sq, qp->buffer, a->send_offset, a->send_depth,
		      a->send_stride, w->send_depth);
	if (!qp->srq)
		vrdma_rq_init(&qp->rq, qp->buffer, a->recv_offset,
			      a->recv_depth, a->recv_stride, w->recv_depth);
	qp->sq.qp = qp->rq.qp = a->handle;
	return ND_SUCCESS;
}

/* A queue of no entries is legal for a consumer, not for a ring */
static uint32_t at_least_one(uint32_t n)
{
	return n ? n : 1;
}

static HRESULT qp_setup(struct nd_qp *qp, const struct nd_qp_wish *w)
{
	struct vrdma_uapi_create_qp arg = {
		.recv_cq = qp->recv_cq->own.id,
		.send_cq = qp->send_cq->own.id,
		.srq = qp->srq ? qp->srq->own.id : 0,
		.recv_depth = qp->srq ? 0 : at_least_one(w->recv_depth),
		.send_depth = at_least_one(w->send_depth),
		.max_recv_sge = qp->srq ? 0 : at_least_one(w->max_recv_sge),
		.max_send_sge = at_least_one(w->max_send_sge),
		.max_inline = w->inline_size,
		.qp_context = (uintptr_t)w->context,
	};
	struct vrdma_uapi_object gone;
	HRESULT hr = nd_call(qp->own.file, VRDMA_IOC_CREATE_QP, &arg);

	if (hr != ND_SUCCESS)
		return hr;
	qp->own.id = arg.id;
	hr = map_rings(qp, &arg, w);
	if (hr == ND_SUCCESS)
		return hr;
	gone = (struct vrdma_uapi_object){ .id = arg.id };
	nd_call(qp->own.file, VRDMA_IOC_FREE, &gone);
	return hr;
}

/* numbered as the arguments of CreateQueuePair */
static HRESULT check_own(const struct virtio_rdma_config *c,
			 const struct nd_qp_wish *w)
{
	if (w->recv_depth > vr_from_le32(c->max_recv_depth))
		return ND_INVALID_PARAMETER_5;
	if (w->send_depth > vr_from_le32(c->max_send_depth))
		return ND_INVALID_PARAMETER_6;
	if (w->max_recv_sge > vr_from_le32(c->max_recv_sge))
		return ND_INVALID_PARAMETER_7;
	if (w->max_send_sge > vr_from_le32(c->max_send_sge))
		return ND_INVALID_PARAMETER_8;
	if (w->inline_size > vr_from_le32(c->max_inline))
		return ND_INVALID_PARAMETER_9;
	return ND_SUCCESS;
}

/* numbered as the arguments of CreateQueuePairWithSrq */
static HRESULT check_shared(const struct nd_adapter *a,
			    const struct nd_qp_wish *w)
{
	const struct virtio_rdma_config *c = &a->config;

	if (!nd_owner_cast(w->srq, &nd_srq_class, a->file))
		return ND_INVALID_PARAMETER_4;
	if (w->send_depth > vr_from_le32(c->max_send_depth))
		return ND_INVALID_PARAMETER_6;
	if (w->max_send_sge > vr_from_le32(c->max_send_sge))
		return ND_INVALID_PARAMETER_7;
	if (w->inline_size > vr_from_le32(c->max_inline))
		return ND_INVALID_PARAMETER_8;
	return ND_SUCCESS;
}

static HRESULT check_wish(const struct nd_adapter *a,
			  const struct nd_qp_wish *w)
{
	if (w->shared && !a->config.max_srq_depth)
		return ND_NOT_SUPPORTED;
	if (!nd_owner_cast(w->recv_cq, &nd_cq_class, a->file))
		return ND_INVALID_PARAMETER_2;
	if (!nd_owner_cast(w->send_cq, &nd_cq_class, a->file))
		return ND_INVALID_PARAMETER_3;
	return w->shared ? check_shared(a, w) : check_own(&a->config, w);
}

static uint32_t smaller(uint32_t a, uint32_t b)
{
	return a < b ? a : b;
}

static void take_wish(struct nd_qp *qp, struct nd_adapter *a,
		      const struct nd_qp_wish *w)
{
	qp->own.file = a->file;
	qp->recv_cq = (struct nd_cq *)nd_owner_cast(w->recv_cq, &nd_cq_class,
						    a->file);
	qp->send_cq = (struct nd_cq *)nd_owner_cast(w->send_cq, &nd_cq_class,
						    a->file);
	if (w->shared)
		qp->srq = (struct nd_srq *)nd_owner_cast(
			w->srq, &nd_srq_class, a->file);
	qp->max_recv_sge = w->max_recv_sge;
	qp->max_send_sge = w->max_send_sge;
	qp->max_read_sge = smaller(w->max_send_sge,
				   vr_from_le32(a->config.max_read_sge));
	qp->max_inline = w->inline_size;
	qp->max_transfer = vr_from_le32(a->config.max_transfer);
}

HRESULT nd_qp_create(struct nd_adapter *a, REFIID iid,
		     const struct nd_qp_wish *wish, VOID **out)
{
	HRESULT hr = check_wish(a, wish);
	struct nd_qp *qp;

	if (hr != ND_SUCCESS)
		return hr;
	qp = calloc(1, sizeof(*qp));
	if (!qp)
		return ND_NO_MEMORY;
	take_wish(qp, a, wish);
	hr = qp_setup(qp, wish);
	if (hr != ND_SUCCESS) {
		free(qp);
		return hr;
	}
	qp->extra.lpVtbl = &extra_vtbl;
	nd_object_get(&qp->recv_cq->own.obj);
	nd_object_get(&qp->send_cq->own.obj);
	if (qp->srq)
		nd_object_get(&qp->srq->own.obj);
	nd_object_init(&qp->own.obj, &nd_qp_class, &qp_vtbl, &a->obj);
	return nd_object_hand_out(&qp->own.obj, iid, out);
}
