// SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-or-later
/*
 * usrq.c - shared receive queues of a process
 *
 * DOC: The kernel makes them and maps their rings; the process posts by itself.
 *
 * A SRQ_NOTIFY waits here for the device's report.  It is put on the list
 * before the queue is armed, so that no report misses it.  Arming is a command;
 * one is under way at a time, and whoever comes meanwhile is armed for behind
 * it, because its report may have been before.
 */
#include <linux/slab.h>

#include "vrlf.h"

struct vrl_srq {
	struct vrl_obj obj;
	NDK_SRQ *ndk;
	struct vrdma_srq_layout layout;	/* file->lock */
	bool moving;			/* file->lock: nobody waits any more for a
					 * change of the ring that is under way */
	/* slock */
	u32 threshold;
	NTSTATUS broken;		/* fatal, else SUCCESS */
	bool arming;			/* a command is under way */
	bool again;			/* and another one has to follow */
};

static struct vrl_srq *to_srq(struct vrl_obj *obj)
{
	return container_of(obj, struct vrl_srq, obj);
}

NDK_SRQ *vrl_srq_ndk(struct vrl_obj *obj)
{
	return to_srq(obj)->ndk;
}

const struct vrdma_dma *vrl_srq_buffer(struct vrl_obj *obj)
{
	return to_srq(obj)->moving ? NULL : to_srq(obj)->layout.buffer;
}

/* --- the object's end ---------------------------------------------------------- */

static void srq_close(struct vrl_obj *obj)
{
	vrl_req_complete_all(obj, STATUS_CANCELLED);
	vrl_obj_close_ndk(obj, to_srq(obj)->ndk);
}

/* It stays armed; a report with nobody waiting is dropped */
static void srq_cancel(struct vrl_obj *obj)
{
	vrl_req_complete_all(obj, STATUS_CANCELLED);
}

static void srq_lost(struct vrl_obj *obj)
{
	vrl_req_complete_all(obj, STATUS_DEVICE_REMOVED);
}

static void srq_free(struct vrl_obj *obj)
{
	kfree(to_srq(obj));
}

static const struct vrl_obj_ops srq_ops = {
	.close = srq_close,
	.cancel = srq_cancel,
	.lost = srq_lost,
	.free = srq_free,
};

/* --- notifications ------------------------------------------------------------- */

/* One report completes every Notify that waits */
static void srq_notification(void *ctx, NTSTATUS status)
{
	struct vrl_srq *srq = ctx;
	unsigned long flags;

	if (status != STATUS_SUCCESS) {
		/* to the core they are one */
		if (vrdma_adapter_lost(srq->obj.file->adapter))
			status = STATUS_DEVICE_REMOVED;
		spin_lock_irqsave(&srq->obj.file->slock, flags);
		srq->broken = status;
		spin_unlock_irqrestore(&srq->obj.file->slock, flags);
	}
	vrl_req_complete_all(&srq->obj, status);
}

/* The threshold to arm for; 0: no (more) arming */
static u32 next_arm(struct vrl_srq *srq, bool first)
{
	unsigned long flags;
	u32 threshold = 0;

	spin_lock_irqsave(&srq->obj.file->slock, flags);
	if (first && srq->arming) {
		srq->again = true;
	} else {
		if (first || srq->again)
			threshold = srq->threshold;
		srq->arming = threshold;
		srq->again = false;
	}
	spin_unlock_irqrestore(&srq->obj.file->slock, flags);
	return threshold;
}

static void arm_done(void *ctx, NTSTATUS status);

/* A reference of the command's own: the process may free the queue meanwhile.
 * SUCCESS or a failure that came at once is as good as one that came later. */
static void send_arm(struct vrl_srq *srq, u32 threshold)
{
	NTSTATUS status;

	kref_get(&srq->obj.ref);
	status = srq->ndk->Dispatch->NdkModifySrq(srq->ndk, 0, threshold,
						  arm_done, srq);
	if (status != STATUS_PENDING)
		arm_done(srq, status);
}

static void arm_done(void *ctx, NTSTATUS status)
{
	struct vrl_srq *srq = ctx;
	u32 threshold;

	if (status != STATUS_SUCCESS)
		vrl_req_complete_all(&srq->obj, status);
	threshold = next_arm(srq, false);
	if (threshold)
		send_arm(srq, threshold);
	vrl_obj_put(&srq->obj);
}

static void arm(struct vrl_srq *srq)
{
	u32 threshold = next_arm(srq, true);

	if (threshold)
		send_arm(srq, threshold);
}

static NTSTATUS notify_status(struct vrl_obj *obj)
{
	return to_srq(obj)->broken ?: STATUS_PENDING;
}

int vrl_ioc_srq_notify(struct vrl_file *f, void *arg)
{
	struct vrdma_uapi_request *a = arg;
	int err = vrl_req_wait(f, a, VRL_SRQ, notify_status);

	if (!err && a->status == STATUS_PENDING)
		arm(to_srq(vrl_obj_find(f, a->id, VRL_SRQ)));
	return err;
}

/* --- creation and change -------------------------------------------------------- */

static NTSTATUS srq_make(struct vrl_srq *srq,
			 const struct vrdma_uapi_create_srq *a)
{
	struct vrdma_srq_params params = {
		.depth = a->depth, .max_sge = a->max_sge,
		.flags = VRDMA_SRQ_USER,
		.notify = srq_notification, .notify_context = srq,
	};
	struct vrl_sync *s = vrl_sync_new();

	if (!s)
		return STATUS_INSUFFICIENT_RESOURCES;
	return vrl_sync_wait(s, vrdma_create_srq_ex(srq->obj.file->pd, &params,
						    vrl_sync_created, s,
						    &srq->ndk),
			     &srq->ndk);
}

int vrl_ioc_create_srq(struct vrl_file *f, void *arg)
{
	struct vrdma_uapi_create_srq *a = arg;
	struct vrl_srq *srq = kzalloc(sizeof(*srq), GFP_KERNEL_ACCOUNT);
	const struct vrdma_srq_layout *l;

	a->status = STATUS_INSUFFICIENT_RESOURCES;
	if (!srq)
		return 0;
	vrl_obj_init(&srq->obj, f, VRL_SRQ, &srq_ops);
	srq->threshold = a->threshold;
	a->status = srq_make(srq, a);
	if (a->status == STATUS_SUCCESS && !vrl_obj_publish(&srq->obj))
		a->status = STATUS_INSUFFICIENT_RESOURCES;
	if (a->status != STATUS_SUCCESS) {
		vrl_obj_close(&srq->obj);
		return 0;
	}
	vrdma_srq_layout(srq->ndk, &srq->layout);
	l = &srq->layout;
	a->id = srq->obj.id;
	a->depth = l->depth;
	a->slot = l->slot;
	a->ring_offset = l->ring_offset;
	a->stride = l->stride;
	a->buffer_offset = vrl_mmap_offset(&srq->obj);
	a->buffer_size = (u64)l->buffer->count * PAGE_SIZE;
	return 0;
}

/* A killed process leaves while the ring changes hands: it is not mapped any
 * more after that */
static NTSTATUS change_depth(struct vrl_srq *srq, u32 depth)
{
	struct vrl_sync *s = vrl_sync_new();
	NTSTATUS status;

	if (!s)
		return STATUS_INSUFFICIENT_RESOURCES;
	srq->moving = true;
	status = vrl_sync_wait(s, srq->ndk->Dispatch->NdkModifySrq(
					  srq->ndk, depth, 0, vrl_sync_done, s),
			       NULL);
	if (status == STATUS_CANCELLED)
		return status;
	srq->moving = false;
	vrdma_srq_layout(srq->ndk, &srq->layout);
	return status;
}

static void change_threshold(struct vrl_srq *srq, u32 threshold)
{
	struct vrl_file *f = srq->obj.file;
	bool waits;

	spin_lock_irq(&f->slock);
	srq->threshold = threshold;
	waits = !list_empty(&srq->obj.pending);
	spin_unlock_irq(&f->slock);
	if (waits)
		arm(srq);
}

int vrl_ioc_modify_srq(struct vrl_file *f, void *arg)
{
	struct vrdma_uapi_modify_srq *a = arg;
	struct vrl_obj *obj = vrl_obj_find(f, a->id, VRL_SRQ);
	struct vrl_srq *srq;

	if (a->reserved)
		return -EINVAL;
	a->status = STATUS_INVALID_HANDLE;
	if (!obj)
		return 0;
	srq = to_srq(obj);
	a->status = srq->moving ? STATUS_DEVICE_BUSY : STATUS_SUCCESS;
	if (a->status == STATUS_SUCCESS && a->depth)
		a->status = change_depth(srq, a->depth);
	if (a->status != STATUS_SUCCESS)
		return 0;
	if (a->threshold)
		change_threshold(srq, a->threshold);
	a->depth = srq->layout.depth;
	a->ring_offset = srq->layout.ring_offset;
	a->buffer_size = (u64)srq->layout.buffer->count * PAGE_SIZE;
	return 0;
}
