// SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-or-later
/*
 * ucq.c - completion queues and queue pairs of a process
 *
 * DOC: The kernel makes them and maps their rings; posting, polling and arming
 * are the process' own.  A CQ_NOTIFY only waits here for the device's report.
 */
#include <linux/log2.h>
#include <linux/slab.h>

#include "vrlf.h"

struct vrl_cq {
	struct vrl_obj obj;
	NDK_CQ *ndk;
	struct vrdma_cq_layout layout;	/* file->lock */
	bool moving;			/* file->lock: nobody waits any more for a
					 * change of the ring that is under way */
	NTSTATUS broken;		/* slock: overrun or fatal, else SUCCESS */
};

struct vrl_qp {
	struct vrl_obj obj;
	NDK_QP *ndk;
	struct vrdma_qp_layout layout;
};

static struct vrl_cq *to_cq(struct vrl_obj *obj)
{
	return container_of(obj, struct vrl_cq, obj);
}

static struct vrl_qp *to_qp(struct vrl_obj *obj)
{
	return container_of(obj, struct vrl_qp, obj);
}

NDK_CQ *vrl_cq_ndk(struct vrl_obj *obj)
{
	return to_cq(obj)->ndk;
}

NDK_QP *vrl_qp_ndk(struct vrl_obj *obj)
{
	return to_qp(obj)->ndk;
}

const struct vrdma_dma *vrl_cq_buffer(struct vrl_obj *obj)
{
	return to_cq(obj)->moving ? NULL : to_cq(obj)->layout.buffer;
}

const struct vrdma_dma *vrl_qp_buffer(struct vrl_obj *obj)
{
	return to_qp(obj)->layout.buffer;
}

/* --- completion queue ---------------------------------------------------------- */

static void cq_close(struct vrl_obj *obj)
{
	vrl_req_complete_all(obj, STATUS_CANCELLED);
	vrl_obj_close_ndk(obj, to_cq(obj)->ndk);
}

static void cq_cancel(struct vrl_obj *obj)
{
	vrdma_cq_disarm(to_cq(obj)->ndk);
	vrl_req_complete_all(obj, STATUS_CANCELLED);
}

/* A Notify made but not armed when the device went has nobody else to end it */
static void cq_lost(struct vrl_obj *obj)
{
	vrl_req_complete_all(obj, STATUS_DEVICE_REMOVED);
}

static void cq_free(struct vrl_obj *obj)
{
	kfree(to_cq(obj));
}

static const struct vrl_obj_ops cq_ops = {
	.close = cq_close,
	.cancel = cq_cancel,
	.lost = cq_lost,
	.free = cq_free,
};

/* One report completes every Notify that waits */
static void cq_notification(void *ctx, NTSTATUS status)
{
	struct vrl_cq *cq = ctx;
	unsigned long flags;

	if (status != STATUS_SUCCESS) {
		spin_lock_irqsave(&cq->obj.file->slock, flags);
		cq->broken = status;
		spin_unlock_irqrestore(&cq->obj.file->slock, flags);
	}
	vrl_req_complete_all(&cq->obj, status);
}

static NTSTATUS cq_make(struct vrl_cq *cq, u32 depth)
{
	struct vrdma_cq_params params = {
		.depth = depth, .flags = VRDMA_CQ_USER,
		.notify = cq_notification, .notify_context = cq,
	};
	struct vrl_sync *s = vrl_sync_new();

	if (!s)
		return STATUS_INSUFFICIENT_RESOURCES;
	return vrl_sync_wait(s, vrdma_create_cq_ex(cq->obj.file->adapter,
						   &params, vrl_sync_created, s,
						   &cq->ndk),
			     &cq->ndk);
}

int vrl_ioc_create_cq(struct vrl_file *f, void *arg)
{
	struct vrdma_uapi_create_cq *a = arg;
	struct vrl_cq *cq = kzalloc(sizeof(*cq), GFP_KERNEL_ACCOUNT);
	NTSTATUS status = STATUS_INSUFFICIENT_RESOURCES;

	if (!cq)
		goto out;
	vrl_obj_init(&cq->obj, f, VRL_CQ, &cq_ops);
	status = cq_make(cq, a->depth);
	if (status != STATUS_SUCCESS)
		goto fail;
	if (!vrl_obj_publish(&cq->obj)) {
		status = STATUS_INSUFFICIENT_RESOURCES;
		goto fail;
	}
	vrdma_cq_layout(cq->ndk, &cq->layout);
	a->id = cq->obj.id;
	a->depth = cq->layout.depth;
	a->ring_offset = cq->layout.ring_offset;
	a->buffer_offset = vrl_mmap_offset(&cq->obj);
	a->buffer_size = (u64)cq->layout.buffer->count * PAGE_SIZE;
	goto out;
fail:
	vrl_obj_close(&cq->obj);
out:
	a->status = status;
	return 0;
}

/* A killed process leaves while the ring changes hands: it is not mapped any more
 * after that */
static NTSTATUS cq_resize(struct vrl_cq *cq, u32 depth)
{
	struct vrl_sync *s = vrl_sync_new();
	NTSTATUS status;

	if (!s)
		return STATUS_INSUFFICIENT_RESOURCES;
	cq->moving = true;
	status = vrl_sync_wait(s, cq->ndk->Dispatch->NdkResizeCq(cq->ndk, depth,
								 vrl_sync_done, s),
			       NULL);
	if (status == STATUS_CANCELLED)
		return status;
	cq->moving = false;
	vrdma_cq_layout(cq->ndk, &cq->layout);
	return status;
}

int vrl_ioc_resize_cq(struct vrl_file *f, void *arg)
{
	struct vrdma_uapi_resize_cq *a = arg;
	struct vrl_obj *obj = vrl_obj_find(f, a->id, VRL_CQ);
	struct vrl_cq *cq;

	a->status = STATUS_INVALID_HANDLE;
	if (!obj)
		return 0;
	cq = to_cq(obj);
	a->status = STATUS_DEVICE_BUSY;
	if (cq->moving)
		return 0;
	a->status = cq_resize(cq, a->depth);
	if (cq->moving)
		return 0;
	a->depth = cq->layout.depth;
	a->ring_offset = cq->layout.ring_offset;
	a->buffer_size = (u64)cq->layout.buffer->count * PAGE_SIZE;
	return 0;
}

static NTSTATUS notify_status(struct vrl_obj *obj)
{
	return to_cq(obj)->broken ?: STATUS_PENDING;
}

int vrl_ioc_cq_notify(struct vrl_file *f, void *arg)
{
	return vrl_req_wait(f, arg, VRL_CQ, notify_status);
}

/* --- queue pair ------------------------------------------------------------------- */

static void qp_close(struct vrl_obj *obj)
{
	vrl_obj_close_ndk(obj, to_qp(obj)->ndk);
}

static void qp_free(struct vrl_obj *obj)
{
	kfree(to_qp(obj));
}

static const struct vrl_obj_ops qp_ops = {
	.close = qp_close,
	.cancel = vrl_obj_no_op,
	.lost = vrl_obj_no_op,
	.free = qp_free,
};

static NTSTATUS qp_make(struct vrl_qp *qp, const struct vrdma_uapi_create_qp *a,
			NDK_CQ *recv, NDK_CQ *send, NDK_SRQ *srq)
{
	struct vrdma_qp_params params = {
		.receive_cq = recv, .initiator_cq = send, .srq = srq,
		.qp_context = a->qp_context,
		.flags = VRDMA_QP_USER | VRDMA_QP_FLUSH_ON_PEER_DISCONNECT,
		.receive_depth = a->recv_depth,
		.initiator_depth = a->send_depth,
		.max_receive_sge = a->max_recv_sge,
		.max_initiator_sge = a->max_send_sge,
		.inline_size = a->max_inline,
	};
	struct vrl_sync *s = vrl_sync_new();

	if (!s)
		return STATUS_INSUFFICIENT_RESOURCES;
	return vrl_sync_wait(s, vrdma_create_qp_ex(qp->obj.file->pd, &params,
						   vrl_sync_created, s,
						   &qp->ndk),
			     &qp->ndk);
}

static void qp_answer(const struct vrl_qp *qp, struct vrdma_uapi_create_qp *a)
{
	const struct vrdma_qp_layout *l = &qp->layout;

	a->id = qp->obj.id;
	a->handle = l->handle;
	a->slot = l->slot;
	a->send_depth = l->sq_depth;
	a->recv_depth = l->rq_depth;
	a->send_offset = l->sq_offset;
	a->recv_offset = l->rq_offset;
	a->send_stride = l->sq_stride;
	a->recv_stride = l->rq_stride;
	a->buffer_offset = vrl_mmap_offset(&qp->obj);
	a->buffer_size = (u64)l->buffer->count * PAGE_SIZE;
}

int vrl_ioc_create_qp(struct vrl_file *f, void *arg)
{
	struct vrdma_uapi_create_qp *a = arg;
	struct vrl_obj *recv = vrl_obj_find(f, a->recv_cq, VRL_CQ);
	struct vrl_obj *send = vrl_obj_find(f, a->send_cq, VRL_CQ);
	struct vrl_obj *srq = vrl_obj_find(f, a->srq, VRL_SRQ);
	NTSTATUS status = STATUS_INVALID_HANDLE;
	struct vrl_qp *qp;

	if (a->handle)
		return -EINVAL;
	if (!recv || !send || (a->srq && !srq))
		goto out;
	status = STATUS_INSUFFICIENT_RESOURCES;
	qp = kzalloc(sizeof(*qp), GFP_KERNEL_ACCOUNT);
	if (!qp)
		goto out;
	vrl_obj_init(&qp->obj, f, VRL_QP, &qp_ops);
	status = qp_make(qp, a, vrl_cq_ndk(recv), vrl_cq_ndk(send),
			 srq ? vrl_srq_ndk(srq) : NULL);
	if (status != STATUS_SUCCESS)
		goto fail;
	if (!vrl_obj_publish(&qp->obj)) {
		status = STATUS_INSUFFICIENT_RESOURCES;
		goto fail;
	}
	vrdma_qp_layout(qp->ndk, &qp->layout);
	qp_answer(qp, a);
	goto out;
fail:
	vrl_obj_close(&qp->obj);
out:
	a->status = status;
	return 0;
}

int vrl_ioc_flush(struct vrl_file *f, void *arg)
{
	struct vrdma_uapi_object *a = arg;
	struct vrl_obj *obj = vrl_obj_find(f, a->id, VRL_QP);

	a->status = STATUS_INVALID_HANDLE;
	if (!obj)
		return 0;
	to_qp(obj)->ndk->Dispatch->NdkFlush(to_qp(obj)->ndk);
	a->status = STATUS_SUCCESS;
	return 0;
}
