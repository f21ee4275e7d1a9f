/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-or-later */
/*
 * cq.c - completion queues: creation, polling, arming, moderation
 */
#include "vrc.h"

struct vrc_cq *vrc_cq_of(NDK_CQ *ndk)
{
	return (struct vrc_cq *)(void *)ndk;
}

/* --- polling ------------------------------------------------------------------ */

static NDK_OPERATION_TYPE type_of(uint8_t opcode)
{
	static const NDK_OPERATION_TYPE types[] = {
		[VIRTIO_RDMA_OP_SEND]		= NdkOperationTypeSend,
		[VIRTIO_RDMA_OP_SEND_INVALIDATE] = NdkOperationTypeSend,
		[VIRTIO_RDMA_OP_WRITE]		= NdkOperationTypeWrite,
		[VIRTIO_RDMA_OP_READ]		= NdkOperationTypeRead,
		[VIRTIO_RDMA_OP_BIND]		= NdkOperationTypeBind,
		[VIRTIO_RDMA_OP_FAST_REGISTER]	= NdkOperationTypeFastRegister,
		[VIRTIO_RDMA_OP_INVALIDATE]	= NdkOperationTypeInvalidate,
		[VIRTIO_RDMA_OP_RECEIVE]	= NdkOperationTypeReceive,
		[VIRTIO_RDMA_OP_RECEIVE_INVALIDATE] =
			NdkOperationTypeReceiveAndInvalidate,
	};

	return opcode < VRC_ARRAY_SIZE(types) ? types[opcode] :
						(NDK_OPERATION_TYPE)0;
}

static PVOID to_pointer(vr_le64 v)
{
	return (PVOID)(uintptr_t)vr_from_le64(v);
}

/* A NDK_RESULT_EX begins with the fields of a NDK_RESULT */
static void to_result(NDK_RESULT *r, const struct virtio_rdma_cqe *e)
{
	bool receive = e->opcode >= VIRTIO_RDMA_OP_RECEIVE;

	r->Status = vrdma_status_from_wc(e->status);
	r->BytesTransferred = receive ? vr_from_le32(e->length) : 0;
	r->QPContext = to_pointer(e->qp_context);
	r->RequestContext = to_pointer(e->wr_id);
}

static void to_result_ex(NDK_RESULT_EX *r, const struct virtio_rdma_cqe *e)
{
	NDK_RESULT base;

	to_result(&base, e);
	r->Status = base.Status;
	r->BytesTransferred = base.BytesTransferred;
	r->QPContext = base.QPContext;
	r->RequestContext = base.RequestContext;
	r->Type = type_of(e->opcode);
	r->ProviderErrorCode = e->status;
	r->TypeSpecificCompletionOutput =
		e->opcode == VIRTIO_RDMA_OP_RECEIVE_INVALIDATE ?
			vr_from_le32(e->token) : 0;
}

static bool take(struct vrc_cq *cq, struct virtio_rdma_cqe *e)
{
	do {
		if (vrdma_cqring_take(&cq->first->poll, e))
			return true;
	} while (vrdma_cqring_next(&cq->first->poll) && vrc_cq_advance(cq));
	return false;
}

static ULONG get_results(NDK_CQ *ndk, NDK_RESULT results[], ULONG n)
{
	struct vrc_cq *cq = vrc_cq_of(ndk);
	struct virtio_rdma_cqe e;
	ULONG i;

	for (i = 0; i < n && !cq->user && take(cq, &e); i++)
		to_result(&results[i], &e);
	return i;
}

static ULONG get_results_ex(NDK_CQ *ndk, NDK_RESULT_EX results[], ULONG n)
{
	struct vrc_cq *cq = vrc_cq_of(ndk);
	struct virtio_rdma_cqe e;
	ULONG i;

	for (i = 0; i < n && !cq->user && take(cq, &e); i++)
		to_result_ex(&results[i], &e);
	return i;
}

/* --- the callback ----------------------------------------------------------------- */

/* The caller has a hold.  One callback of a CQ at a time (NDK serialization
 * rule): a second event that comes meanwhile is delivered by the first's
 * thread. */
void vrc_cq_notify(struct vrc_cq *cq, NTSTATUS status)
{
	struct vrdma_core *c = cq->obj.core;
	bool more;

	vrc_lock(c);
	more = cq->obj.state == VRC_OBJ_OPEN;
	if (cq->notifying) {
		cq->notify_again = true;
		cq->notify_status = status;
		more = false;
	}
	if (more)
		cq->notifying = true;
	vrc_unlock(c);
	while (more) {
		if (cq->notify)
			cq->notify(cq->notify_context, status);
		vrc_lock(c);
		more = cq->notify_again && cq->obj.state == VRC_OBJ_OPEN;
		cq->notify_again = false;
		cq->notifying = more;
		status = cq->notify_status;
		vrc_unlock(c);
	}
}

static void notify_task(struct vrc_task *t)
{
	struct vrc_cq *cq = VRC_CONTAINER(t, struct vrc_cq, task);
	NTSTATUS status;

	vrc_lock(cq->obj.core);
	status = cq->error;
	vrc_unlock(cq->obj.core);
	vrc_cq_notify(cq, status);
	vrc_obj_put(&cq->obj);
}

/* For places where calling the consumer is not allowed: inside its own call */
void vrc_cq_notify_soon_locked(struct vrc_cq *cq, NTSTATUS status)
{
	if (status != STATUS_SUCCESS)
		cq->error = status;
	if (vrc_task_queue_locked(cq->obj.core, &cq->task))
		cq->obj.holds++;
}

void vrc_cq_event(struct vrc_cq *cq)
{
	vrc_cq_notify(cq, STATUS_SUCCESS);
}

void vrc_cq_failed(struct vrc_cq *cq, NTSTATUS status)
{
	bool armed;

	vrc_lock(cq->obj.core);
	cq->error = status;
	armed = vrdma_cqring_disarm(&cq->first->poll);
	vrc_unlock(cq->obj.core);
	if (armed)
		vrc_cq_notify(cq, status);
}

/* --- arming --------------------------------------------------------------------------- */

static uint32_t arm_kind(ULONG type)
{
	switch (type) {
	case NDK_CQ_NOTIFY_ANY:
		return VIRTIO_RDMA_ARM_ANY;
	case NDK_CQ_NOTIFY_SOLICITED:
		return VIRTIO_RDMA_ARM_SOLICITED;
	default:
		return VIRTIO_RDMA_ARM_ERRORS;
	}
}

/*
 * True: signal at once, the arm is taken back.  A completion that waits in the
 * ring does not say whether it was solicited; when there is one, a solicited
 * arm fires too, since missing one would be worse than firing once too often.
 */
static bool arm_fires(struct vrdma_cqring *ring, uint32_t kind)
{
	if (vrdma_cqring_arm(ring, kind))
		return true;
	return kind == VIRTIO_RDMA_ARM_SOLICITED &&
	       vrdma_cqring_queued(ring) && vrdma_cqring_disarm(ring);
}

static VOID arm_cq(NDK_CQ *ndk, ULONG type)
{
	struct vrc_cq *cq = vrc_cq_of(ndk);
	struct vrdma_cqring *ring;
	bool fires;

	vrc_lock(cq->obj.core);
	ring = &cq->first->poll;
	if (cq->user)	/* the process keeps the head, in the record */
		ring->head = vrdma_observe32(&ring->rec->head);
	fires = arm_fires(ring, arm_kind(type));
	if (cq->error != STATUS_SUCCESS && vrdma_cqring_disarm(ring))
		fires = true;
	if (fires)
		vrc_cq_notify_soon_locked(cq, STATUS_SUCCESS);
	vrc_unlock(cq->obj.core);
}

void vrdma_cq_disarm(NDK_CQ *ndk)
{
	struct vrc_cq *cq = vrc_cq_of(ndk);

	vrc_lock(cq->obj.core);
	vrdma_cqring_disarm(&cq->first->poll);
	vrc_unlock(cq->obj.core);
}

/* --- moderation --------------------------------------------------------------------------- */

static void set_moderation(struct vrdma_cqring *ring, uint32_t interval,
			   uint32_t count)
{
	__atomic_store_n(&ring->rec->interval, vr_to_le32(interval),
			 __ATOMIC_RELAXED);
	__atomic_store_n(&ring->rec->count, vr_to_le32(count),
			 __ATOMIC_RELAXED);
}

/* The device reads it when it is about to send an event; so also in a ring that it
 * has not moved to yet */
static NTSTATUS control_moderation(NDK_CQ *ndk, ULONG interval, ULONG count)
{
	struct vrc_cq *cq = vrc_cq_of(ndk);
	NTSTATUS st = STATUS_SUCCESS;
	struct vrdma_cqring *ring;

	if (!(cq->obj.owner->features & VIRTIO_RDMA_FEATURE(CQ_MODERATION)))
		return STATUS_NOT_SUPPORTED;
	vrc_lock(cq->obj.core);
	/* no event would ever come */
	if (interval == MAXULONG && count > cq->last->poll.depth)
		st = STATUS_INVALID_PARAMETER_MIX;
	for (ring = &cq->first->poll; st == STATUS_SUCCESS && ring;
	     ring = ring->next)
		set_moderation(ring, interval, count);
	vrc_unlock(cq->obj.core);
	return st;
}

/* --- creation ----------------------------------------------------------------------------- */

static const NDK_CQ_DISPATCH cq_dispatch = {
	.NdkCloseCq = vrc_obj_close,
	.NdkQueryExtension = vrc_query_extension,
	.NdkResizeCq = vrc_resize_cq,
	.NdkArmCq = arm_cq,
	.NdkGetCqResults = get_results,
	.NdkControlCqInterruptModeration = control_moderation,
	.NdkGetCqResultsEx = get_results_ex,
};

static bool cq_created(struct vrc_obj *obj, bool ok, const void *rsp)
{
	(void)rsp;
	/* the device has copied the tables, or never saw them */
	vrc_pages_free(obj->core, &VRC_CONTAINER(obj, struct vrc_cq, obj)->pages);
	return ok;
}

static void cq_release(struct vrc_obj *obj, bool let_go)
{
	struct vrc_cq *cq = VRC_CONTAINER(obj, struct vrc_cq, obj);
	struct vrdma_cqring *ring = cq->first ? &cq->first->poll : NULL, *next;

	vrc_pages_free(obj->core, &cq->pages);
	for (; ring; ring = next) {
		next = ring->next;
		vrc_cq_ring_free(obj->core,
				 VRC_CONTAINER(ring, struct vrc_cq_ring, poll),
				 let_go);
	}
	vrc_free(obj->core, cq);
}

static const struct vrc_obj_class cq_class = {
	.type = NdkObjectTypeCq,
	.name = "cq",
	.destroy = VIRTIO_RDMA_CMD_DESTROY_CQ,
	.created = cq_created,
	.release = cq_release,
};

static void fill_create(struct vrc_cmd *cmd, void *req)
{
	struct vrc_cq *cq = VRC_CONTAINER(cmd, struct vrc_cq, obj.cmd);
	struct virtio_rdma_cmd_create_cq *r = req;

	r->depth = vr_to_le32(cq->first->poll.depth);
	r->ceq = vr_to_le32(cq->ceq);
	r->ring_offset = vr_to_le32(VRC_CQ_RING_OFFSET);
	r->cookie = vr_to_le64(cq->obj.cookie);
	r->buffer = cq->pages.wire;
}

static uint32_t pages_for(uint32_t depth)
{
	uint32_t bytes = VRC_CQ_RING_OFFSET +
			 depth * (uint32_t)sizeof(struct virtio_rdma_cqe);

	return (bytes + VIRTIO_RDMA_PAGE_SIZE - 1) >> VIRTIO_RDMA_PAGE_SHIFT;
}

void vrc_cq_ring_free(struct vrdma_core *c, struct vrc_cq_ring *r, bool let_go)
{
	if (let_go && r->buffer.va)
		c->ops->dma_free(c->os, &r->buffer);
	vrc_free(c, r);
}

struct vrc_cq_ring *vrc_cq_ring_new(struct vrdma_core *c, uint32_t depth,
				    struct vrc_pages *pages)
{
	struct vrc_cq_ring *r = vrc_alloc(c, sizeof(*r));

	if (!r)
		return NULL;
	if (c->ops->dma_alloc(c->os, pages_for(depth), &r->buffer) ||
	    vrc_pages_of_dma(c, pages, &r->buffer)) {
		vrc_cq_ring_free(c, r, true);
		return NULL;
	}
	vrdma_cqring_init(&r->poll, r->buffer.va, VRC_CQ_RING_OFFSET, depth);
	return r;
}

static bool cq_memory(struct vrc_cq *cq, uint32_t depth)
{
	struct vrdma_core *c = cq->obj.core;

	if (vrc_id_new(c, &cq->obj))
		return false;
	cq->first = cq->last = vrc_cq_ring_new(c, depth, &cq->pages);
	return cq->first;
}

NTSTATUS vrdma_create_cq_ex(NDK_ADAPTER *ndk, const struct vrdma_cq_params *p,
			    NDK_FN_CREATE_COMPLETION *cc, PVOID ctx,
			    NDK_CQ **out)
{
	struct vrc_adapter *a = (struct vrc_adapter *)(void *)ndk;
	uint32_t depth = vrc_roundup_pow2(p->depth);
	struct vrdma_core *c = a->obj.core;
	struct vrc_cq *cq;

	(void)out;
	if (!cc || !p->depth || !depth ||
	    depth > VRC_CFG32(&a->cfg, max_cq_depth))
		return STATUS_INVALID_PARAMETER;
	if (!vrc_obj_usable(&a->obj))
		return STATUS_DEVICE_REMOVED;
	cq = vrc_alloc(c, sizeof(*cq));
	if (!cq)
		return STATUS_INSUFFICIENT_RESOURCES;
	cq->user = p->flags & VRDMA_CQ_USER;
	cq->notify = p->notify;
	cq->notify_context = p->notify_context;
	vrc_task_init(&cq->task, notify_task);
	vrc_obj_init(&cq->obj, c, a, &cq_class);
	cq->obj.ndk.cq.Dispatch = &cq_dispatch;
	vrc_obj_parent(&cq->obj, &a->obj);
	vrc_lock(c);
	cq->ceq = c->next_ceq++ % c->num_ceq;
	vrc_unlock(c);
	if (!cq_memory(cq, depth)) {
		vrc_obj_abandon(&cq->obj);
		return STATUS_INSUFFICIENT_RESOURCES;
	}
	return vrc_obj_create(&cq->obj, VIRTIO_RDMA_CMD_CREATE_CQ, fill_create,
			      cc, ctx);
}

NTSTATUS vrc_create_cq(NDK_ADAPTER *ndk, ULONG depth,
		       NDK_FN_CQ_NOTIFICATION_CALLBACK *notify,
		       PVOID notify_context, GROUP_AFFINITY *affinity,
		       NDK_FN_CREATE_COMPLETION *cc, PVOID ctx, NDK_CQ **out)
{
	struct vrdma_cq_params p = {
		.depth = depth, .notify = notify,
		.notify_context = notify_context,
	};

	(void)affinity;		/* a wish; the queues are given round robin */
	return vrdma_create_cq_ex(ndk, &p, cc, ctx, out);
}

void vrdma_cq_layout(NDK_CQ *ndk, struct vrdma_cq_layout *out)
{
	struct vrc_cq *cq = vrc_cq_of(ndk);

	vrc_lock(cq->obj.core);
	out->buffer = &cq->last->buffer;
	out->ring_offset = VRC_CQ_RING_OFFSET;
	out->depth = cq->last->poll.depth;
	vrc_unlock(cq->obj.core);
	out->handle = cq->obj.handle;
}
