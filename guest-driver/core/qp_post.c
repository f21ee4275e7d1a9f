/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-or-later */
/*
 * qp_post.c - posting work requests
 *
 * DOC: No lock, but where a queue looks full.  Each queue has one poster (NDK's
 * serialization rule).  The only other party that may come in between is the loss
 * of the device:
 *
 *	poster				vrdma_core_device_lost()
 *	publish the tail		set qp->lost
 *	fence				fence (the lock)
 *	read qp->lost			read the tail, complete all below it
 *
 * One of the two sees the other, so every request posted has its completion,
 * and the flush runs under the lock, so it has only one.
 */
#include "vrc.h"

#define DATA_FLAGS	(NDK_OP_FLAG_SILENT_SUCCESS | NDK_OP_FLAG_READ_FENCE | \
			 NDK_OP_FLAG_DEFER)

/* Of a BIND or FAST_REGISTER; any entry has room for it */
#define BEHIND		(VIRTIO_RDMA_MIN_STRIDE - \
			 sizeof(struct virtio_rdma_send_wqe))
_Static_assert(BEHIND == sizeof(struct virtio_rdma_bind), "bind");
_Static_assert(BEHIND == sizeof(struct virtio_rdma_fast_register), "fast");

struct request {
	PVOID context;
	const NDK_SGE *sgl;
	ULONG n;
	ULONG flags;
	uint8_t opcode;
	ULONG allowed;			/* flags */
	uint32_t max_sge;
	UINT64 remote_addr;
	UINT32 remote_token;
	const void *behind;		/* BEHIND bytes for the entry, or NULL */
};

static struct vrc_qp *to_qp(NDK_QP *ndk)
{
	return (struct vrc_qp *)(void *)ndk;
}

/* --- the bell -------------------------------------------------------------------- */

/* A full fence is behind the tail: after_post() */
static void ring(struct vrc_qp *qp)
{
	struct vrdma_core *c = qp->obj.core;

	if (vrdma_qp_is_watched(qp->buffer.va))
		return;
	if (vrdma_ring_bell(qp->ctx_page, qp->slot))
		c->ops->queue_kick(c->os, qp->obj.owner->wake_queue);
}

static void after_post(struct vrc_qp *qp, enum vrc_dir dir, bool defer)
{
	vrdma_full_fence();
	if (__atomic_load_n(&qp->lost, __ATOMIC_RELAXED)) {
		vrc_qp_flush_lost(qp);
		return;
	}
	qp->deferred[dir] = defer;
	if (!defer)
		ring(qp);
}

/* A posting that fails must still start what was deferred before it */
static NTSTATUS fail(struct vrc_qp *qp, enum vrc_dir dir, NTSTATUS status)
{
	if (qp->deferred[dir]) {
		qp->deferred[dir] = false;
		ring(qp);
	}
	return status;
}

/* The entry to fill next, or NULL: the queue is full */
static void *next_entry(struct vrc_qp *qp, enum vrc_dir dir)
{
	void *entry = vrdma_wq_next(&qp->wq[dir]);

	if (entry)
		return entry;
	vrc_lock(qp->obj.core);
	entry = vrdma_wq_next_behind(&qp->wq[dir], &qp->cq[dir]->first->poll);
	vrc_unlock(qp->obj.core);
	return entry;
}

/* --- elements -------------------------------------------------------------------------- */

static uint64_t sge_address(const NDK_SGE *s)
{
	if (s->MemoryRegionToken == VIRTIO_RDMA_TOKEN_PRIVILEGED)
		return (uint64_t)s->LogicalAddress.QuadPart;
	return (uintptr_t)s->VirtualAddress;
}

static void put_sgl(void *to, const NDK_SGE *sgl, ULONG n)
{
	struct virtio_rdma_sge *out = to;
	ULONG i;

	for (i = 0; i < n; i++) {
		out[i].addr = vr_to_le64(sge_address(&sgl[i]));
		out[i].length = vr_to_le32(sgl[i].Length);
		out[i].token = vr_to_le32(sgl[i].MemoryRegionToken);
	}
}

/* Bytes of an inline request, or -1 when it is too long for the queue pair */
static int64_t inline_length(const struct vrc_qp *qp, const struct request *r)
{
	uint32_t left = qp->max_inline;
	ULONG i;

	for (i = 0; i < r->n; i++) {
		if (r->sgl[i].Length > left)
			return -1;
		left -= r->sgl[i].Length;
	}
	return qp->max_inline - left;
}

static void put_inline(uint8_t *to, const NDK_SGE *sgl, ULONG n)
{
	ULONG i;

	for (i = 0; i < n; i++) {
		memcpy(to, sgl[i].VirtualAddress, sgl[i].Length);
		to += sgl[i].Length;
	}
}

/* --- initiator requests ------------------------------------------------------------------ */

static uint16_t wire_flags(ULONG flags)
{
	uint16_t w = 0;

	if (flags & NDK_OP_FLAG_SILENT_SUCCESS)
		w |= VIRTIO_RDMA_WR_SILENT;
	if (flags & NDK_OP_FLAG_READ_FENCE)
		w |= VIRTIO_RDMA_WR_READ_FENCE;
	if (flags & NDK_OP_FLAG_SEND_AND_SOLICIT_EVENT)
		w |= VIRTIO_RDMA_WR_SOLICIT;
	if (flags & NDK_OP_FLAG_INLINE)
		w |= VIRTIO_RDMA_WR_INLINE;
	if (flags & NDK_OP_FLAG_RDMA_READ_LOCAL_INVALIDATE)
		w |= VIRTIO_RDMA_WR_LOCAL_INVALIDATE;
	return w;
}

static NTSTATUS check(const struct vrc_qp *qp, const struct request *r,
		      int64_t *inl)
{
	const struct virtio_rdma_qp_record *rec = qp->buffer.va;

	*inl = 0;
	if (qp->user)
		return STATUS_INVALID_DEVICE_REQUEST;
	/* once connected, a queue pair accepts posts for good: in its error
	 * state they complete as cancelled */
	if (vrdma_observe32(&rec->state) == VIRTIO_RDMA_QP_INIT)
		return STATUS_CONNECTION_INVALID;
	if (r->flags & ~r->allowed)
		return STATUS_INVALID_PARAMETER;
	if (r->n && !r->sgl)
		return STATUS_INVALID_PARAMETER;
	if (!(r->flags & NDK_OP_FLAG_INLINE))
		return r->n > r->max_sge ? STATUS_INVALID_PARAMETER :
					   STATUS_SUCCESS;
	*inl = inline_length(qp, r);
	return *inl < 0 ? STATUS_INVALID_PARAMETER : STATUS_SUCCESS;
}

static void build(struct virtio_rdma_send_wqe *w, const struct request *r,
		  uint32_t inl)
{
	bool is_inline = r->flags & NDK_OP_FLAG_INLINE;

	w->wr_id = vr_to_le64((uintptr_t)r->context);
	w->opcode = r->opcode;
	w->num_sge = is_inline ? 0 : (uint8_t)r->n;
	w->flags = vr_to_le16(wire_flags(r->flags));
	w->inline_length = vr_to_le32(inl);
	w->remote_addr = vr_to_le64(r->remote_addr);
	w->remote_token = vr_to_le32(r->remote_token);
	w->reserved = 0;
	if (r->behind)
		memcpy(w + 1, r->behind, BEHIND);
	else if (is_inline)
		put_inline((uint8_t *)(w + 1), r->sgl, r->n);
	else
		put_sgl(w + 1, r->sgl, r->n);
}

static NTSTATUS post(struct vrc_qp *qp, const struct request *r)
{
	struct virtio_rdma_send_wqe *w;
	int64_t inl;
	NTSTATUS st = check(qp, r, &inl);

	if (st != STATUS_SUCCESS)
		return fail(qp, VRC_SQ, st);
	w = next_entry(qp, VRC_SQ);
	if (!w)
		return fail(qp, VRC_SQ, STATUS_INSUFFICIENT_RESOURCES);
	build(w, r, (uint32_t)inl);
	vrdma_wq_post(&qp->wq[VRC_SQ]);
	after_post(qp, VRC_SQ, r->flags & NDK_OP_FLAG_DEFER);
	return STATUS_SUCCESS;
}

NTSTATUS vrc_qp_send(NDK_QP *ndk, PVOID ctx, const NDK_SGE *sgl, ULONG n,
		     ULONG flags)
{
	struct vrc_qp *qp = to_qp(ndk);
	struct request r = {
		.context = ctx, .sgl = sgl, .n = n, .flags = flags,
		.opcode = VIRTIO_RDMA_OP_SEND, .max_sge = qp->max_sge[VRC_SQ],
		.allowed = DATA_FLAGS | NDK_OP_FLAG_INLINE |
			   NDK_OP_FLAG_SEND_AND_SOLICIT_EVENT,
	};

	return post(qp, &r);
}

NTSTATUS vrc_qp_write(NDK_QP *ndk, PVOID ctx, const NDK_SGE *sgl, ULONG n,
		      UINT64 addr, UINT32 token, ULONG flags)
{
	struct vrc_qp *qp = to_qp(ndk);
	struct request r = {
		.context = ctx, .sgl = sgl, .n = n, .flags = flags,
		.opcode = VIRTIO_RDMA_OP_WRITE, .max_sge = qp->max_sge[VRC_SQ],
		.allowed = DATA_FLAGS | NDK_OP_FLAG_INLINE,
		.remote_addr = addr, .remote_token = token,
	};

	return post(qp, &r);
}

static bool offered(const struct vrc_qp *qp, uint32_t feature)
{
	return qp->obj.owner->features & feature;
}

/* READ_LOCAL_INVALIDATE is ignored where the adapter does not advertise it */
static ULONG read_flags(const struct vrc_qp *qp, ULONG flags)
{
	return offered(qp, VIRTIO_RDMA_FEATURE(READ_INVALIDATE)) ?
		       flags :
		       flags & ~(ULONG)NDK_OP_FLAG_RDMA_READ_LOCAL_INVALIDATE;
}

NTSTATUS vrc_qp_read(NDK_QP *ndk, PVOID ctx, const NDK_SGE *sgl, ULONG n,
		     UINT64 addr, UINT32 token, ULONG flags)
{
	struct vrc_qp *qp = to_qp(ndk);
	struct request r = {
		.context = ctx, .sgl = sgl, .n = n,
		.flags = read_flags(qp, flags),
		.opcode = VIRTIO_RDMA_OP_READ, .max_sge = qp->max_read_sge,
		.allowed = DATA_FLAGS | NDK_OP_FLAG_RDMA_READ_LOCAL_INVALIDATE,
		.remote_addr = addr, .remote_token = token,
	};

	/* there is nothing that it could name */
	if ((r.flags & NDK_OP_FLAG_RDMA_READ_LOCAL_INVALIDATE) && !n)
		return fail(qp, VRC_SQ, STATUS_INVALID_PARAMETER);
	return post(qp, &r);
}

/* --- windows ---------------------------------------------------------------------------------- */

#define BIND_FLAGS	(DATA_FLAGS | NDK_OP_FLAG_ALLOW_REMOTE_READ | \
			 NDK_OP_FLAG_ALLOW_REMOTE_WRITE)

/* 0: not a set of rights that a window can have.  The bits of remote write
 * come together. */
static uint32_t window_access(ULONG flags)
{
	ULONG write = flags & NDK_OP_FLAG_ALLOW_REMOTE_WRITE;
	uint32_t access = 0;

	if (write && write != NDK_OP_FLAG_ALLOW_REMOTE_WRITE)
		return 0;
	if (write)
		access |= VIRTIO_RDMA_ACCESS_REMOTE_WRITE;
	if (flags & NDK_OP_FLAG_ALLOW_REMOTE_READ)
		access |= VIRTIO_RDMA_ACCESS_REMOTE_READ;
	return access;
}

/* What the device would find, too; said here it costs no connection.  No lock:
 * the consumer leaves a region alone while it binds to it. */
static NTSTATUS check_bind(const struct vrc_qp *qp, const struct vrc_mr *mr,
			   const struct vrc_mw *mw, uint64_t addr,
			   uint64_t length, uint32_t access)
{
	if (!offered(qp, VIRTIO_RDMA_FEATURE(MW)))
		return STATUS_NOT_SUPPORTED;
	if (!mr || !mw || mr->pd != qp->pd || mw->pd != qp->pd || mr->fast ||
	    mr->state != VRC_MR_REGISTERED || !length || !access)
		return STATUS_INVALID_PARAMETER;
	if ((access & VIRTIO_RDMA_ACCESS_REMOTE_WRITE) &&
	    !(mr->access & VIRTIO_RDMA_ACCESS_LOCAL_WRITE))
		return STATUS_ACCESS_VIOLATION;
	return vrc_range_within(addr - mr->addr, length, mr->length) ?
		       STATUS_SUCCESS : STATUS_ACCESS_VIOLATION;
}

NTSTATUS vrc_qp_bind(NDK_QP *ndk, PVOID ctx, NDK_MR *ndk_mr, NDK_MW *ndk_mw,
		     PVOID va, SIZE_T length, ULONG flags)
{
	const struct vrc_mr *mr = (const struct vrc_mr *)(const void *)ndk_mr;
	struct vrc_mw *mw = (struct vrc_mw *)(void *)ndk_mw;
	const uint32_t access = window_access(flags);
	struct vrc_qp *qp = to_qp(ndk);
	struct virtio_rdma_bind b = {
		.addr = vr_to_le64((uintptr_t)va),
		.length = vr_to_le64(length),
		.access = vr_to_le32(access),
	};
	struct request r = {
		.context = ctx, .flags = flags, .opcode = VIRTIO_RDMA_OP_BIND,
		.allowed = BIND_FLAGS, .behind = &b,
	};
	NTSTATUS st = check_bind(qp, mr, mw, (uintptr_t)va, length, access);

	if (st != STATUS_SUCCESS)
		return fail(qp, VRC_SQ, st);
	b.mw = vr_to_le32(mw->obj.handle);
	b.token = vr_to_le32(mr->local_token);
	r.remote_token = vrc_next_token(mw->token);
	st = post(qp, &r);
	if (st == STATUS_SUCCESS)
		mw->token = r.remote_token;
	return st;
}

/* --- fast registration ----------------------------------------------------------- */

#define FAST_FLAGS	(DATA_FLAGS | NDK_OP_FLAG_ALLOW_REMOTE_READ | \
			 NDK_OP_FLAG_ALLOW_REMOTE_WRITE | \
			 NDK_OP_FLAG_RDMA_READ_SINK)

/* Remote write is two bits, of which one is local write: the other alone is
 * nothing.  No need to say which region will be the sink of a Read. */
static bool fast_access(ULONG flags, uint32_t *access)
{
	ULONG write = flags & NDK_OP_FLAG_ALLOW_REMOTE_WRITE;

	*access = 0;
	if (flags & NDK_OP_FLAG_ALLOW_REMOTE_READ)
		*access |= VIRTIO_RDMA_ACCESS_REMOTE_READ;
	if (flags & NDK_OP_FLAG_ALLOW_LOCAL_WRITE)
		*access |= VIRTIO_RDMA_ACCESS_LOCAL_WRITE;
	if (write == NDK_OP_FLAG_ALLOW_REMOTE_WRITE)
		*access |= VIRTIO_RDMA_ACCESS_REMOTE_WRITE;
	return !write || (write & NDK_OP_FLAG_ALLOW_LOCAL_WRITE);
}

/* The consumer's words, as the page of NdkFastRegister has them */
struct fast_args {
	ULONG count;
	const NDK_LOGICAL_ADDRESS *pages;
	ULONG fbo;
	uint64_t length, va;
	uint32_t access;
};

static NTSTATUS check_fast(const struct vrc_qp *qp, const struct vrc_mr *mr,
			   const struct fast_args *a)
{
	const uint32_t remote = VIRTIO_RDMA_ACCESS_REMOTE_READ |
				VIRTIO_RDMA_ACCESS_REMOTE_WRITE;
	ULONG i;

	if (!vrc_frmr_offered(qp->pd))
		return STATUS_NOT_SUPPORTED;
	if (!mr || !mr->fast || mr->pd != qp->pd ||
	    mr->state != VRC_MR_REGISTERED || !a->pages || !a->count ||
	    a->count > mr->max_pages || !a->length ||
	    a->fbo >= VIRTIO_RDMA_PAGE_SIZE ||
	    (a->va & (VIRTIO_RDMA_PAGE_SIZE - 1)) != a->fbo ||
	    !vrc_range_within(a->fbo, a->length,
			      (uint64_t)a->count << VIRTIO_RDMA_PAGE_SHIFT))
		return STATUS_INVALID_PARAMETER;
	for (i = 0; i < a->count; i++)
		if (a->pages[i].QuadPart & (VIRTIO_RDMA_PAGE_SIZE - 1))
			return STATUS_INVALID_PARAMETER;
	return a->access & remote && !mr->remote ? STATUS_ACCESS_VIOLATION :
						   STATUS_SUCCESS;
}

static NTSTATUS post_fast(struct vrc_qp *qp, struct vrc_mr *mr,
			  const struct fast_args *a, ULONG flags, PVOID ctx)
{
	struct virtio_rdma_fast_register f = {
		.addr = vr_to_le64(a->va), .length = vr_to_le64(a->length),
		.mr = vr_to_le32(mr->obj.handle),
		.access = vr_to_le32(a->access),
	};
	struct request r = {
		.context = ctx, .flags = flags, .allowed = FAST_FLAGS,
		.opcode = VIRTIO_RDMA_OP_FAST_REGISTER, .behind = &f,
		.remote_token = vrc_next_token(mr->fast_token),
	};
	uint32_t count = qp->wq[VRC_SQ].tail, at;
	vr_le64 *table = vrc_frmr_table(mr, &at);
	NTSTATUS st;
	ULONG i;

	if (!table)
		return fail(qp, VRC_SQ, STATUS_INSUFFICIENT_RESOURCES);
	for (i = 0; i < a->count; i++)
		table[i] = vr_to_le64((uint64_t)a->pages[i].QuadPart);
	f.table = vr_to_le64(mr->tables.pages[at]);
	st = post(qp, &r);
	if (st == STATUS_SUCCESS) {
		mr->fast_token = r.remote_token;
		mr->table[at].qp = qp->obj.handle;
		mr->table[at].count = count;
	}
	return st;
}

NTSTATUS vrc_qp_fast_register(NDK_QP *ndk, PVOID ctx, NDK_MR *ndk_mr,
			      ULONG count, const NDK_LOGICAL_ADDRESS *pages,
			      ULONG fbo, SIZE_T length, PVOID va, ULONG flags)
{
	struct vrc_mr *mr = (struct vrc_mr *)(void *)ndk_mr;
	struct vrc_qp *qp = to_qp(ndk);
	struct fast_args a = {
		.count = count, .pages = pages, .fbo = fbo, .length = length,
		.va = (uintptr_t)va,
	};
	bool sense = fast_access(flags, &a.access);
	NTSTATUS st = check_fast(qp, mr, &a);

	if (st == STATUS_SUCCESS && !sense)
		st = STATUS_INVALID_PARAMETER;
	if (st != STATUS_SUCCESS)
		return fail(qp, VRC_SQ, st);
	return post_fast(qp, mr, &a, flags, ctx);
}

/* --- Invalidate ------------------------------------------------------------------ */

/* Whose memory can be taken away; 0: not that of a region which was registered
 * by NdkRegisterMr */
static uint32_t token_of(const NDK_OBJECT_HEADER *object)
{
	const struct vrc_mr *mr = (const struct vrc_mr *)(const void *)object;
	const struct vrc_mw *mw = (const struct vrc_mw *)(const void *)object;

	if (!object)
		return 0;
	if (object->ObjectType == NdkObjectTypeMw)
		return mw->token;
	return object->ObjectType == NdkObjectTypeMr && mr->fast ?
		       mr->fast_token : 0;
}

NTSTATUS vrc_qp_invalidate(NDK_QP *ndk, PVOID ctx, NDK_OBJECT_HEADER *object,
			   ULONG flags)
{
	struct vrc_qp *qp = to_qp(ndk);
	struct request r = {
		.context = ctx, .flags = flags,
		.opcode = VIRTIO_RDMA_OP_INVALIDATE, .allowed = DATA_FLAGS,
		.remote_token = token_of(object),
	};

	if (!offered(qp, VIRTIO_RDMA_FEATURE(MW) |
			 VIRTIO_RDMA_FEATURE(FAST_REGISTER)))
		return fail(qp, VRC_SQ, STATUS_NOT_SUPPORTED);
	if (!r.remote_token)
		return fail(qp, VRC_SQ, STATUS_INVALID_PARAMETER);
	return post(qp, &r);
}

NTSTATUS vrc_qp_send_and_invalidate(NDK_QP *ndk, PVOID ctx, const NDK_SGE *sgl,
				    ULONG n, ULONG flags, UINT32 token)
{
	struct vrc_qp *qp = to_qp(ndk);
	struct request r = {
		.context = ctx, .sgl = sgl, .n = n, .flags = flags,
		.opcode = VIRTIO_RDMA_OP_SEND_INVALIDATE,
		.max_sge = qp->max_sge[VRC_SQ],
		.allowed = DATA_FLAGS | NDK_OP_FLAG_INLINE |
			   NDK_OP_FLAG_SEND_AND_SOLICIT_EVENT,
		.remote_token = token,
	};

	if (!offered(qp, VIRTIO_RDMA_FEATURE(SEND_INVALIDATE)))
		return fail(qp, VRC_SQ, STATUS_NOT_SUPPORTED);
	return post(qp, &r);
}

/* --- receives --------------------------------------------------------------------------------- */

/* Fills an entry for it, of a queue pair's ring or of a shared one */
void vrc_put_receive(struct virtio_rdma_recv_wqe *w, PVOID ctx,
		     const NDK_SGE *sgl, ULONG n)
{
	memset(w, 0, sizeof(*w));
	w->wr_id = vr_to_le64((uintptr_t)ctx);
	w->num_sge = (uint8_t)n;
	put_sgl(w + 1, sgl, n);
}

NTSTATUS vrc_qp_receive(NDK_QP *ndk, PVOID ctx, const NDK_SGE *sgl, ULONG n)
{
	struct vrc_qp *qp = to_qp(ndk);
	struct virtio_rdma_recv_wqe *w;

	if (qp->user || qp->srq)
		return STATUS_INVALID_DEVICE_REQUEST;
	if (n > qp->max_sge[VRC_RQ] || (n && !sgl))
		return STATUS_INVALID_PARAMETER;
	w = next_entry(qp, VRC_RQ);
	if (!w)
		return STATUS_INSUFFICIENT_RESOURCES;
	vrc_put_receive(w, ctx, sgl, n);
	vrdma_wq_post(&qp->wq[VRC_RQ]);
	after_post(qp, VRC_RQ, false);
	return STATUS_SUCCESS;
}

const NDK_QP_DISPATCH vrc_qp_dispatch = {
	.NdkCloseQp = vrc_obj_close,
	.NdkQueryExtension = vrc_query_extension,
	.NdkFlush = vrc_qp_flush,
	.NdkSend = vrc_qp_send,
	.NdkReceive = vrc_qp_receive,
	.NdkBind = vrc_qp_bind,
	.NdkFastRegister = vrc_qp_fast_register,
	.NdkInvalidate = vrc_qp_invalidate,
	.NdkRead = vrc_qp_read,
	.NdkWrite = vrc_qp_write,
	.NdkSendAndInvalidate = vrc_qp_send_and_invalidate,
};
