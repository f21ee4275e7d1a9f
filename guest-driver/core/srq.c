/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-or-later */
/*
 * srq.c - shared receive queues: creation, posting, notifications, loss
 *
 * DOC: A receive belongs to the ring until a queue pair of it takes it, and to
 * that queue pair from then on: it completes there, once, also when the queue
 * pair is flushed.  What nobody took has no completion.  So when the device is
 * lost nothing is to be completed here: who took what is not known any more,
 * and the consumer has all of it back when the close of the queue completes.
 *
 * Posting takes a lock of the queue's own, which posting to a queue pair does
 * without: NdkModifySrq may move the ring meanwhile (srq_modify.c).
 */
#include "vrc.h"

static struct vrc_srq *to_srq(NDK_SRQ *ndk)
{
	return (struct vrc_srq *)(void *)ndk;
}

static struct vrc_srq *srq_of(struct vrc_obj *obj)
{
	return VRC_CONTAINER(obj, struct vrc_srq, obj);
}

void vrc_srq_lock(struct vrc_srq *srq)
{
	srq->obj.core->ops->lock(srq->obj.core->os, &srq->post_lock);
}

void vrc_srq_unlock(struct vrc_srq *srq)
{
	srq->obj.core->ops->unlock(srq->obj.core->os, &srq->post_lock);
}

/* --- posting -------------------------------------------------------------------------- */

void vrc_srq_ring_bell(struct vrc_srq *srq)
{
	struct vrdma_core *c = srq->obj.core;

	if (vrdma_ring_bell(srq->obj.owner->page.va, srq->slot))
		c->ops->queue_kick(c->os, srq->obj.owner->wake_queue);
}

static NTSTATUS post(struct vrc_srq *srq, PVOID ctx, const NDK_SGE *sgl,
		     ULONG n)
{
	struct virtio_rdma_recv_wqe *w;

	if (srq->lost)
		return STATUS_DEVICE_REMOVED;
	w = vrdma_wq_next(&srq->wq);
	if (!w)
		return STATUS_INSUFFICIENT_RESOURCES;
	vrc_put_receive(w, ctx, sgl, n);
	vrdma_wq_post(&srq->wq);
	return STATUS_SUCCESS;
}

static NTSTATUS srq_receive(NDK_SRQ *ndk, PVOID ctx, const NDK_SGE *sgl,
			    ULONG n)
{
	struct vrc_srq *srq = to_srq(ndk);
	NTSTATUS st;

	if (srq->user)
		return STATUS_INVALID_DEVICE_REQUEST;
	if (n > srq->max_sge || (n && !sgl))
		return STATUS_INVALID_PARAMETER;
	vrc_srq_lock(srq);
	st = post(srq, ctx, sgl, n);
	vrc_srq_unlock(srq);
	if (st == STATUS_SUCCESS)
		vrc_srq_ring_bell(srq);
	return st;
}

/* --- notifications ------------------------------------------------------------------------ */

/*
 * The caller has a hold.  Events of one queue come one after the other, and the
 * loss of the device after them, so there is one callback at a time.  An error
 * is told once, armed or not; nothing comes after it.
 */
void vrc_srq_notify(struct vrc_srq *srq, NTSTATUS status)
{
	bool call;

	vrc_lock(srq->obj.core);
	call = srq->obj.state == VRC_OBJ_OPEN && !srq->failed;
	if (status != STATUS_SUCCESS)
		srq->failed = true;
	vrc_unlock(srq->obj.core);
	if (call && srq->notify)
		srq->notify(srq->notify_context, status);
}

/* Receives that are posted from now on fail, the others are the consumer's
 * again when it closes the queue */
void vrc_srq_lost(struct vrc_srq *srq)
{
	vrc_srq_lock(srq);
	srq->lost = true;
	vrc_srq_unlock(srq);
}

/* --- creation ----------------------------------------------------------------------------- */

static const NDK_SRQ_DISPATCH srq_dispatch = {
	.NdkCloseSrq = vrc_obj_close,
	.NdkQueryExtension = vrc_query_extension,
	.NdkModifySrq = vrc_modify_srq,
	.NdkSrqReceive = srq_receive,
};

static bool srq_created(struct vrc_obj *obj, bool ok, const void *rsp)
{
	(void)rsp;
	vrc_pages_free(obj->core, &srq_of(obj)->pages);
	return ok;
}

static void srq_release(struct vrc_obj *obj, bool let_go)
{
	struct vrc_srq *srq = srq_of(obj);
	struct vrdma_core *c = obj->core;

	vrc_pages_free(c, &srq->pages);
	if (let_go) {	/* else the device may still look at both */
		vrc_slot_put(obj->owner, srq->slot);
		vrc_srq_ring_free(c, &srq->ring);
	}
	c->ops->lock_fini(c->os, &srq->post_lock);
	vrc_free(c, srq);
}

static const struct vrc_obj_class srq_class = {
	.type = NdkObjectTypeSrq,
	.name = "srq",
	.destroy = VIRTIO_RDMA_CMD_DESTROY_SRQ,
	.created = srq_created,
	.release = srq_release,
};

static void fill_create(struct vrc_cmd *cmd, void *req)
{
	struct vrc_srq *srq = VRC_CONTAINER(cmd, struct vrc_srq, obj.cmd);
	struct virtio_rdma_cmd_create_srq *r = req;

	r->pd = vr_to_le32(srq->pd->obj.handle);
	r->context = vr_to_le32(srq->obj.owner->obj.handle);
	r->slot = vr_to_le32(srq->slot);
	r->depth = vr_to_le32(srq->ring.depth);
	r->stride = vr_to_le16((uint16_t)srq->stride);
	r->max_sge = vr_to_le16((uint16_t)srq->max_sge);
	r->ring_offset = vr_to_le32(srq->ring.offset);
	r->threshold = vr_to_le32(srq->threshold);
	r->cookie = vr_to_le64(srq->obj.cookie);
	r->buffer = srq->pages.wire;
}

static struct vrc_srq *srq_alloc(struct vrc_pd *pd,
				 const struct vrdma_srq_params *p,
				 uint32_t slot)
{
	struct vrdma_core *c = pd->obj.core;
	struct vrc_srq *srq = vrc_alloc(c, sizeof(*srq));

	if (!srq)
		return NULL;
	srq->user = p->flags & VRDMA_SRQ_USER;
	srq->pd = pd;
	srq->slot = slot;
	srq->max_sge = p->max_sge;
	srq->stride = vrc_stride_for(sizeof(struct virtio_rdma_recv_wqe),
				     p->max_sge, 0);
	srq->threshold = p->threshold;
	srq->notify = p->notify;
	srq->notify_context = p->notify_context;
	c->ops->lock_init(c->os, &srq->post_lock);
	vrc_obj_init(&srq->obj, c, pd->obj.owner, &srq_class);
	srq->obj.ndk.srq.Dispatch = &srq_dispatch;
	vrc_obj_parent(&srq->obj, &pd->obj.owner->obj);
	vrc_obj_parent(&srq->obj, &pd->obj);
	return srq;
}

static bool srq_memory(struct vrc_srq *srq, uint32_t depth)
{
	if (vrc_id_new(srq->obj.core, &srq->obj) ||
	    vrc_srq_ring_alloc(srq, depth, &srq->ring, &srq->pages))
		return false;
	vrdma_srq_init(&srq->wq, srq->ring.buffer.va, srq->ring.offset,
		       srq->ring.depth, srq->stride, depth);
	return true;
}

bool vrc_srq_depth_ok(const struct virtio_rdma_config *cfg, uint32_t depth)
{
	uint32_t entries = vrc_roundup_pow2(depth);

	return entries && entries <= VRC_CFG32(cfg, max_srq_depth);
}

NTSTATUS vrdma_create_srq_ex(NDK_PD *ndk, const struct vrdma_srq_params *p,
			     NDK_FN_CREATE_COMPLETION *cc, PVOID ctx,
			     NDK_SRQ **out)
{
	struct vrc_pd *pd = (struct vrc_pd *)(void *)ndk;
	const struct virtio_rdma_config *cfg = &pd->obj.owner->cfg;
	struct vrc_srq *srq;
	uint32_t slot;

	(void)out;	/* always by completion */
	if (!vrc_srq_offered(cfg))
		return STATUS_NOT_SUPPORTED;
	if (!cc || !p->depth || !vrc_srq_depth_ok(cfg, p->depth) ||
	    p->max_sge > VRC_CFG32(cfg, max_recv_sge))
		return STATUS_INVALID_PARAMETER;
	if (!vrc_obj_usable(&pd->obj))
		return STATUS_DEVICE_REMOVED;
	if (vrc_slot_get(pd->obj.owner, &slot))
		return STATUS_INSUFFICIENT_RESOURCES;
	srq = srq_alloc(pd, p, slot);
	if (!srq) {
		vrc_slot_put(pd->obj.owner, slot);
		return STATUS_INSUFFICIENT_RESOURCES;
	}
	if (!srq_memory(srq, p->depth)) {
		vrc_obj_abandon(&srq->obj);
		return STATUS_INSUFFICIENT_RESOURCES;
	}
	return vrc_obj_create(&srq->obj, VIRTIO_RDMA_CMD_CREATE_SRQ,
			      fill_create, cc, ctx);
}

NTSTATUS vrc_create_srq(NDK_PD *pd, ULONG depth, ULONG sge, ULONG threshold,
			NDK_FN_SRQ_NOTIFICATION_CALLBACK *notify,
			PVOID notify_context, GROUP_AFFINITY *affinity,
			NDK_FN_CREATE_COMPLETION *cc, PVOID ctx, NDK_SRQ **out)
{
	struct vrdma_srq_params p = {
		.depth = depth, .max_sge = sge, .threshold = threshold,
		.notify = notify, .notify_context = notify_context,
	};

	(void)affinity;		/* a wish; there is one event queue */
	return vrdma_create_srq_ex(pd, &p, cc, ctx, out);
}

void vrdma_srq_layout(NDK_SRQ *ndk, struct vrdma_srq_layout *out)
{
	struct vrc_srq *srq = to_srq(ndk);

	*out = (struct vrdma_srq_layout){
		.buffer = &srq->ring.buffer, .ring_offset = srq->ring.offset,
		.depth = srq->ring.depth, .stride = srq->stride,
		.slot = srq->slot, .handle = srq->obj.handle,
	};
}
