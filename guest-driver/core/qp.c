/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-or-later */
/*
 * qp.c - queue pairs: creation, flush, close
 *
 * DOC: One buffer holds the record, the send ring and the receive ring, each
 * ring at a multiple of its stride.  Depths are rounded up to powers of two for
 * the device; the consumer still gets no more than it asked for.  With a shared
 * receive queue there is no receive ring.
 */
#include "vrc.h"

static struct vrc_qp *to_qp(NDK_QP *ndk)
{
	return (struct vrc_qp *)(void *)ndk;
}

static struct vrc_qp *qp_of(struct vrc_obj *obj)
{
	return VRC_CONTAINER(obj, struct vrc_qp, obj);
}

/* --- the device's handle to the object -------------------------------------------- */

static struct vrc_list *bucket(struct vrdma_core *c, uint32_t handle)
{
	return &c->qp_hash[(handle ^ handle >> 20) % VRC_QP_BUCKETS];
}

struct vrc_qp *vrc_qp_find_locked(struct vrdma_core *c, uint32_t handle)
{
	struct vrc_list *head = bucket(c, handle), *l;

	for (l = head->next; l != head; l = l->next) {
		struct vrc_qp *qp = VRC_CONTAINER(l, struct vrc_qp, hash_link);

		if (qp->obj.handle == handle && qp->obj.epoch == c->epoch)
			return qp;
	}
	return NULL;
}

/* --- flush --------------------------------------------------------------------------- */

static void flush_done(struct vrc_cmd *cmd, uint32_t wire, const void *rsp)
{
	struct vrc_qp *qp = VRC_CONTAINER(cmd, struct vrc_qp, flush);

	(void)rsp;
	if (wire != VIRTIO_RDMA_S_OK && wire != VRC_S_DEVICE_LOST)
		vrc_log_limited(qp->obj.core, VRDMA_LOG_WARN,
				"qp[0x%x]: flush failed (status %u)",
				cmd->handle, wire);
	vrc_obj_put(&qp->obj);
}

/* A flush leaves the queue pair in its error state for good, so one under way
 * covers whatever is posted meanwhile */
static bool submit_flush(struct vrc_qp *qp)
{
	struct vrdma_core *c = qp->obj.core;
	bool lost;

	vrc_lock(c);
	lost = vrc_obj_lost_locked(&qp->obj);
	if (!lost && qp->flush.state == VRC_CMD_IDLE) {
		qp->obj.holds++;
		vrc_cmd_submit_locked(c, qp->obj.epoch, &qp->flush,
				      VIRTIO_RDMA_CMD_FLUSH_QP,
				      qp->obj.handle);
	}
	vrc_unlock(c);
	return !lost;
}

VOID vrc_qp_flush(NDK_QP *ndk)
{
	struct vrc_qp *qp = to_qp(ndk);

	if (!submit_flush(qp))
		vrc_qp_flush_lost(qp);
}

static bool has_outstanding(const struct vrc_qp *qp)
{
	const struct virtio_rdma_qp_record *rec = qp->buffer.va;

	if (vrdma_observe32(&rec->sq_tail) != vrdma_observe32(&rec->sq_head))
		return true;
	/* what it took from a shared queue the device ends with it */
	return !qp->srq && vrdma_observe32(&rec->rq_tail) !=
				   vrdma_observe32(&rec->rq_head);
}

/* NdkCloseQp ends only when every request has completed */
static void qp_on_close(struct vrc_obj *obj)
{
	struct vrc_qp *qp = qp_of(obj);

	if (!has_outstanding(qp))
		return;
	if (!submit_flush(qp))
		vrc_qp_flush_lost(qp);
}

/* --- creation ---------------------------------------------------------------------------- */

static bool qp_created(struct vrc_obj *obj, bool ok, const void *rsp)
{
	struct vrc_qp *qp = qp_of(obj);

	(void)rsp;
	vrc_pages_free(obj->core, &qp->pages);
	if (ok) {
		qp->wq[VRC_SQ].qp = qp->wq[VRC_RQ].qp = obj->handle;
		qp->born[VRC_SQ] = vrc_cq_end(qp->cq[VRC_SQ]);
		qp->born[VRC_RQ] = vrc_cq_end(qp->cq[VRC_RQ]);
		vrc_lock(obj->core);
		vrc_list_add_tail(bucket(obj->core, obj->handle),
				  &qp->hash_link);
		vrc_unlock(obj->core);
	}
	return ok;
}

static void qp_release(struct vrc_obj *obj, bool let_go)
{
	struct vrc_qp *qp = qp_of(obj);

	vrc_lock(obj->core);
	vrc_list_del(&qp->hash_link);
	vrc_unlock(obj->core);
	vrc_pages_free(obj->core, &qp->pages);
	if (let_go) {	/* else the device may still look at both */
		vrc_slot_put(obj->owner, qp->slot);
		if (qp->buffer.va)
			obj->core->ops->dma_free(obj->core->os, &qp->buffer);
	}
	vrc_free(obj->core, qp);
}

static const struct vrc_obj_class qp_class = {
	.type = NdkObjectTypeQp,
	.name = "qp",
	.destroy = VIRTIO_RDMA_CMD_DESTROY_QP,
	.on_close = qp_on_close,
	.created = qp_created,
	.release = qp_release,
};

static void fill_create(struct vrc_cmd *cmd, void *req)
{
	struct vrc_qp *qp = VRC_CONTAINER(cmd, struct vrc_qp, obj.cmd);
	struct virtio_rdma_cmd_create_qp *r = req;

	r->pd = vr_to_le32(qp->pd->obj.handle);
	r->send_cq = vr_to_le32(qp->cq[VRC_SQ]->obj.handle);
	r->recv_cq = vr_to_le32(qp->cq[VRC_RQ]->obj.handle);
	r->context = vr_to_le32(qp->obj.owner->obj.handle);
	r->slot = vr_to_le32(qp->slot);
	if (qp->flags & VRDMA_QP_FLUSH_ON_PEER_DISCONNECT)
		r->flags = vr_to_le32(VIRTIO_RDMA_QP_FLUSH_ON_PEER_DISCONNECT);
	r->sq_depth = vr_to_le32(qp->depth[VRC_SQ]);
	r->rq_depth = vr_to_le32(qp->depth[VRC_RQ]);
	r->sq_stride = vr_to_le16((uint16_t)qp->stride[VRC_SQ]);
	r->rq_stride = vr_to_le16((uint16_t)qp->stride[VRC_RQ]);
	r->max_send_sge = vr_to_le16((uint16_t)qp->max_sge[VRC_SQ]);
	r->max_recv_sge = vr_to_le16((uint16_t)qp->max_sge[VRC_RQ]);
	r->max_inline = vr_to_le32(qp->max_inline);
	r->sq_offset = vr_to_le32(qp->offset[VRC_SQ]);
	r->rq_offset = vr_to_le32(qp->offset[VRC_RQ]);
	if (qp->srq)
		r->srq = vr_to_le32(qp->srq->obj.handle);
	r->qp_context = vr_to_le64(qp->qp_context);
	r->buffer = qp->pages.wire;
}

uint32_t vrc_stride_for(uint32_t header, uint32_t sge, uint32_t inline_size)
{
	uint32_t body = sge * (uint32_t)sizeof(struct virtio_rdma_sge);
	uint32_t stride;

	if (inline_size > body)
		body = inline_size;
	stride = vrc_roundup_pow2(header + body);
	return stride < VIRTIO_RDMA_MIN_STRIDE ? VIRTIO_RDMA_MIN_STRIDE : stride;
}

/* Where the rings are; the sizes were checked, so nothing wraps */
static uint32_t lay_out(struct vrc_qp *qp)
{
	uint32_t at = sizeof(struct virtio_rdma_qp_record);
	int d;

	for (d = VRC_SQ; d <= VRC_RQ && qp->depth[d]; d++) {
		qp->offset[d] = vrc_align(at, qp->stride[d]);
		at = qp->offset[d] + qp->depth[d] * qp->stride[d];
	}
	return (at + VIRTIO_RDMA_PAGE_SIZE - 1) >> VIRTIO_RDMA_PAGE_SHIFT;
}

static bool recv_in_limits(const struct virtio_rdma_config *cfg,
			   const struct vrdma_qp_params *p)
{
	uint32_t rq = vrc_roundup_pow2(p->receive_depth);

	if (p->srq)
		return !p->receive_depth && !p->max_receive_sge;
	return p->receive_depth && rq &&
	       rq <= VRC_CFG32(cfg, max_recv_depth) &&
	       p->max_receive_sge <= VRC_CFG32(cfg, max_recv_sge);
}

static bool in_limits(const struct virtio_rdma_config *cfg,
		      const struct vrdma_qp_params *p)
{
	uint32_t sq = vrc_roundup_pow2(p->initiator_depth);

	return p->initiator_depth && sq && recv_in_limits(cfg, p) &&
	       sq <= VRC_CFG32(cfg, max_send_depth) &&
	       p->max_initiator_sge <= VRC_CFG32(cfg, max_send_sge) &&
	       p->inline_size <= VRC_CFG32(cfg, max_inline);
}

static void set_shape(struct vrc_qp *qp, const struct vrdma_qp_params *p)
{
	qp->limit[VRC_SQ] = p->initiator_depth;
	qp->depth[VRC_SQ] = vrc_roundup_pow2(p->initiator_depth);
	qp->max_sge[VRC_SQ] = p->max_initiator_sge;
	qp->max_inline = p->inline_size;
	qp->max_read_sge = vrc_min(p->max_initiator_sge,
				   VRC_CFG32(&qp->obj.owner->cfg, max_read_sge));
	qp->stride[VRC_SQ] = vrc_stride_for(sizeof(struct virtio_rdma_send_wqe),
					    p->max_initiator_sge,
					    p->inline_size);
	if (qp->srq)
		return;
	qp->limit[VRC_RQ] = p->receive_depth;
	qp->depth[VRC_RQ] = vrc_roundup_pow2(p->receive_depth);
	qp->max_sge[VRC_RQ] = p->max_receive_sge;
	qp->stride[VRC_RQ] = vrc_stride_for(sizeof(struct virtio_rdma_recv_wqe),
					    p->max_receive_sge, 0);
}

static int qp_memory(struct vrc_qp *qp)
{
	struct vrdma_core *c = qp->obj.core;
	uint32_t pages = lay_out(qp);

	if (c->ops->dma_alloc(c->os, pages, &qp->buffer))
		return -VRC_ENOMEM;
	vrdma_sq_init(&qp->wq[VRC_SQ], qp->buffer.va, qp->offset[VRC_SQ],
		      qp->depth[VRC_SQ], qp->stride[VRC_SQ], qp->limit[VRC_SQ]);
	if (!qp->srq)
		vrdma_rq_init(&qp->wq[VRC_RQ], qp->buffer.va,
			      qp->offset[VRC_RQ], qp->depth[VRC_RQ],
			      qp->stride[VRC_RQ], qp->limit[VRC_RQ]);
	return vrc_pages_of_dma(c, &qp->pages, &qp->buffer);
}

static struct vrc_qp *qp_alloc(struct vrc_pd *pd,
			       const struct vrdma_qp_params *p, uint32_t slot)
{
	struct vrdma_core *c = pd->obj.core;
	struct vrc_qp *qp = vrc_alloc(c, sizeof(*qp));

	if (!qp)
		return NULL;
	qp->user = p->flags & VRDMA_QP_USER;
	qp->flags = p->flags;
	qp->qp_context = p->qp_context;
	qp->slot = slot;
	qp->pd = pd;
	qp->cq[VRC_SQ] = (struct vrc_cq *)(void *)p->initiator_cq;
	qp->cq[VRC_RQ] = (struct vrc_cq *)(void *)p->receive_cq;
	qp->srq = (struct vrc_srq *)(void *)p->srq;
	qp->ctx_page = pd->obj.owner->page.va;
	vrc_list_init(&qp->hash_link);
	vrc_cmd_init(&qp->flush, NULL, flush_done);
	vrc_obj_init(&qp->obj, c, pd->obj.owner, &qp_class);
	qp->obj.ndk.qp.Dispatch = &vrc_qp_dispatch;
	vrc_obj_parent(&qp->obj, &pd->obj.owner->obj);
	vrc_obj_parent(&qp->obj, &pd->obj);
	vrc_obj_parent(&qp->obj, &qp->cq[VRC_SQ]->obj);
	vrc_obj_parent(&qp->obj, &qp->cq[VRC_RQ]->obj);
	if (qp->srq)
		vrc_obj_parent(&qp->obj, &qp->srq->obj);
	set_shape(qp, p);
	return qp;
}

/* A CQ of another adapter has no meaning to this one's context */
static bool cq_fits(struct vrc_pd *pd, NDK_CQ *ndk)
{
	struct vrc_cq *cq = (struct vrc_cq *)(void *)ndk;

	return cq && cq->obj.owner == pd->obj.owner;
}

/* Its receives are checked against its domain, which is the queue pair's */
static bool srq_fits(struct vrc_pd *pd, NDK_SRQ *ndk)
{
	struct vrc_srq *srq = (struct vrc_srq *)(void *)ndk;

	return !srq || srq->pd == pd;
}

NTSTATUS vrdma_create_qp_ex(NDK_PD *ndk, const struct vrdma_qp_params *p,
			    NDK_FN_CREATE_COMPLETION *cc, PVOID ctx,
			    NDK_QP **out)
{
	struct vrc_pd *pd = (struct vrc_pd *)(void *)ndk;
	struct vrc_qp *qp;
	uint32_t slot;

	(void)out;
	if (!cc || !cq_fits(pd, p->receive_cq) ||
	    !cq_fits(pd, p->initiator_cq) || !srq_fits(pd, p->srq) ||
	    !in_limits(&pd->obj.owner->cfg, p))
		return STATUS_INVALID_PARAMETER;
	if (!vrc_obj_usable(&pd->obj))
		return STATUS_DEVICE_REMOVED;
	if (vrc_slot_get(pd->obj.owner, &slot))
		return STATUS_INSUFFICIENT_RESOURCES;
	qp = qp_alloc(pd, p, slot);
	if (!qp) {
		vrc_slot_put(pd->obj.owner, slot);
		return STATUS_INSUFFICIENT_RESOURCES;
	}
	if (qp_memory(qp)) {
		vrc_obj_abandon(&qp->obj);
		return STATUS_INSUFFICIENT_RESOURCES;
	}
	return vrc_obj_create(&qp->obj, VIRTIO_RDMA_CMD_CREATE_QP, fill_create,
			      cc, ctx);
}

NTSTATUS vrc_create_qp(NDK_PD *pd, NDK_CQ *rcq, NDK_CQ *icq, PVOID qp_context,
		       ULONG rdepth, ULONG idepth, ULONG rsge, ULONG isge,
		       ULONG inline_size, NDK_FN_CREATE_COMPLETION *cc,
		       PVOID ctx, NDK_QP **out)
{
	struct vrdma_qp_params p = {
		.receive_cq = rcq, .initiator_cq = icq,
		.qp_context = (uintptr_t)qp_context,
		.receive_depth = rdepth, .initiator_depth = idepth,
		.max_receive_sge = rsge, .max_initiator_sge = isge,
		.inline_size = inline_size,
	};

	return vrdma_create_qp_ex(pd, &p, cc, ctx, out);
}

NTSTATUS vrc_create_qp_with_srq(NDK_PD *pd, NDK_CQ *rcq, NDK_CQ *icq,
				NDK_SRQ *srq, PVOID qp_context, ULONG depth,
				ULONG sge, ULONG inline_size,
				NDK_FN_CREATE_COMPLETION *cc, PVOID ctx,
				NDK_QP **out)
{
	const struct vrc_pd *owner = (const struct vrc_pd *)(const void *)pd;
	struct vrdma_qp_params p = {
		.receive_cq = rcq, .initiator_cq = icq, .srq = srq,
		.qp_context = (uintptr_t)qp_context,
		.initiator_depth = depth, .max_initiator_sge = sge,
		.inline_size = inline_size,
	};

	if (!vrc_srq_offered(&owner->obj.owner->cfg))
		return STATUS_NOT_SUPPORTED;
	if (!srq)
		return STATUS_INVALID_PARAMETER;
	return vrdma_create_qp_ex(pd, &p, cc, ctx, out);
}

void vrdma_qp_layout(NDK_QP *ndk, struct vrdma_qp_layout *out)
{
	struct vrc_qp *qp = to_qp(ndk);

	*out = (struct vrdma_qp_layout){
		.buffer = &qp->buffer,
		.sq_offset = qp->offset[VRC_SQ], .sq_depth = qp->depth[VRC_SQ],
		.sq_stride = qp->stride[VRC_SQ], .sq_limit = qp->limit[VRC_SQ],
		.rq_offset = qp->offset[VRC_RQ], .rq_depth = qp->depth[VRC_RQ],
		.rq_stride = qp->stride[VRC_RQ], .rq_limit = qp->limit[VRC_RQ],
		.slot = qp->slot, .handle = qp->obj.handle,
	};
}
