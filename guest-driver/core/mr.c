/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-or-later */
/*
 * mr.c - memory regions; those for fast registration have more in frmr.c
 *
 * DOC: IDLE -> REGISTERING -> REGISTERED -> DEREGISTERING -> IDLE.  The object
 * has no counterpart on the device; a registration has, and that is the
 * object's handle.  A region closed while registered is deregistered first;
 * as long as windows are bound to it the device refuses that, and the close
 * stays pending until they are closed (a window is a region's successor).
 */
#include "vrc.h"

#define ACCESS_MASK	(VIRTIO_RDMA_ACCESS_LOCAL_WRITE | \
			 VIRTIO_RDMA_ACCESS_REMOTE_READ | \
			 VIRTIO_RDMA_ACCESS_REMOTE_WRITE)

static struct vrc_mr *to_mr(NDK_MR *ndk)
{
	return (struct vrc_mr *)(void *)ndk;
}

static void mr_release(struct vrc_obj *obj, bool let_go)
{
	struct vrc_mr *mr = VRC_CONTAINER(obj, struct vrc_mr, obj);

	if (!let_go && mr->kept)
		*mr->kept = true;
	vrc_pages_free(obj->core, &mr->pages);
	if (let_go && mr->tables.va)
		obj->core->ops->dma_free(obj->core->os, &mr->tables);
	vrc_free(obj->core, mr);
}

static bool mr_refused(struct vrc_obj *obj, uint32_t wire)
{
	struct vrc_mr *mr = VRC_CONTAINER(obj, struct vrc_mr, obj);

	if (wire != VIRTIO_RDMA_S_BUSY)
		return false;
	vrc_lock(obj->core);
	vrc_list_add_tail(&mr->pd->busy, &mr->busy_link);
	vrc_unlock(obj->core);
	return true;
}

static const struct vrc_obj_class mr_class = {
	.type = NdkObjectTypeMr,
	.name = "mr",
	.destroy = VIRTIO_RDMA_CMD_DEREGISTER_MR,
	.refused = mr_refused,
	.release = mr_release,
};

/* --- registration ----------------------------------------------------------------- */

static void fill_register(struct vrc_cmd *cmd, void *req)
{
	struct vrc_mr *mr = VRC_CONTAINER(cmd, struct vrc_mr, cmd);
	struct virtio_rdma_cmd_register_mr *r = req;

	r->pd = vr_to_le32(mr->pd->obj.handle);
	r->access = vr_to_le32(mr->access);
	r->addr = vr_to_le64(mr->addr);
	r->length = vr_to_le64(mr->length);
	r->pages = mr->pages.wire;
}

/* The token that peers use goes to *remote: its owner is not the same for both
 * kinds of region */
void vrc_mr_registered(struct vrc_mr *mr, uint32_t wire,
		       const struct virtio_rdma_rsp_register_mr *r,
		       uint32_t *remote)
{
	struct vrc_request req = mr->req;

	if (wire == VIRTIO_RDMA_S_OK && !r->hdr.handle)
		wire = VIRTIO_RDMA_S_INTERNAL_ERROR;
	vrc_lock(mr->obj.core);
	mr->state = VRC_MR_IDLE;
	if (wire == VIRTIO_RDMA_S_OK) {
		mr->state = VRC_MR_REGISTERED;
		mr->obj.handle = vr_from_le32(r->hdr.handle);
		mr->local_token = vr_from_le32(r->local_token);
		*remote = vr_from_le32(r->remote_token);
	}
	vrc_unlock(mr->obj.core);
	vrc_request_done(&mr->obj, &req, vrdma_status_from_wire(wire));
}

static void register_done(struct vrc_cmd *cmd, uint32_t wire, const void *rsp)
{
	struct vrc_mr *mr = VRC_CONTAINER(cmd, struct vrc_mr, cmd);

	vrc_pages_free(mr->obj.core, &mr->pages);
	vrc_mr_registered(mr, wire, rsp, &mr->remote_token);
}

static uint64_t mdl_page(const void *source, uint64_t index)
{
	return vrc_mdl_page((struct vrc_mdl_cursor *)(uintptr_t)source, index);
}

/* Take the object into REGISTERING or DEREGISTERING, with a hold */
NTSTATUS vrc_mr_begin(struct vrc_mr *mr, enum vrc_mr_state from,
		      enum vrc_mr_state to)
{
	NTSTATUS st = STATUS_SUCCESS;

	vrc_lock(mr->obj.core);
	if (!vrc_obj_usable_locked(&mr->obj))
		st = STATUS_DEVICE_REMOVED;
	else if (mr->state != from)
		st = STATUS_INVALID_DEVICE_STATE;
	else {
		mr->state = to;
		mr->obj.holds++;
	}
	vrc_unlock(mr->obj.core);
	return st;
}

/* The command did not get away */
NTSTATUS vrc_mr_undo(struct vrc_mr *mr, enum vrc_mr_state back,
		     NTSTATUS status)
{
	vrc_pages_free(mr->obj.core, &mr->pages);
	vrc_lock(mr->obj.core);
	mr->state = back;
	vrc_unlock(mr->obj.core);
	vrc_obj_put(&mr->obj);
	return status;
}

static NTSTATUS check_register(struct vrc_mr *mr, MDL *mdl, SIZE_T length,
			       ULONG flags, uint64_t *pages)
{
	const struct virtio_rdma_config *cfg = &mr->obj.owner->cfg;

	if (length > vr_from_le64(cfg->max_mr_size) ||
	    (flags & ~(ACCESS_MASK | NDK_MR_FLAG_RDMA_READ_SINK)))
		return STATUS_INVALID_PARAMETER;
	if ((flags & VIRTIO_RDMA_ACCESS_REMOTE_WRITE) &&
	    !(flags & VIRTIO_RDMA_ACCESS_LOCAL_WRITE))
		return STATUS_INVALID_PARAMETER;
	*pages = vrc_mdl_pages(mdl, length);
	return *pages ? STATUS_SUCCESS : STATUS_INVALID_PARAMETER;
}

static NTSTATUS register_mr(NDK_MR *ndk, MDL *mdl, SIZE_T length, ULONG flags,
			    NDK_FN_REQUEST_COMPLETION *rc, PVOID ctx)
{
	struct vrc_mdl_cursor cur = { .mdl = mdl };
	struct vrc_mr *mr = to_mr(ndk);
	uint64_t pages;
	NTSTATUS st;

	if (!rc)
		return STATUS_INVALID_PARAMETER;
	if (mr->fast)
		return STATUS_INVALID_DEVICE_REQUEST;
	st = check_register(mr, mdl, length, flags, &pages);
	if (st == STATUS_SUCCESS)
		st = vrc_mr_begin(mr, VRC_MR_IDLE, VRC_MR_REGISTERING);
	if (st != STATUS_SUCCESS)
		return st;
	if (vrc_pages_build(mr->obj.core, &mr->pages, mdl_page, &cur, pages))
		return vrc_mr_undo(mr, VRC_MR_IDLE, STATUS_INSUFFICIENT_RESOURCES);
	mr->access = flags & ACCESS_MASK;
	mr->addr = vrdma_mdl_va(mdl);
	mr->length = length;
	mr->req = (struct vrc_request){ .cb = rc, .context = ctx };
	vrc_cmd_init(&mr->cmd, fill_register, register_done);
	if (vrc_cmd_submit(mr->obj.core, mr->obj.epoch, &mr->cmd,
			   VIRTIO_RDMA_CMD_REGISTER_MR, 0))
		return vrc_mr_undo(mr, VRC_MR_IDLE, STATUS_DEVICE_REMOVED);
	return STATUS_PENDING;
}

static void deregister_done(struct vrc_cmd *cmd, uint32_t wire,
			    const void *rsp)
{
	struct vrc_mr *mr = VRC_CONTAINER(cmd, struct vrc_mr, cmd);
	struct vrc_request req = mr->req;
	bool gone = wire == VIRTIO_RDMA_S_OK || wire == VRC_S_DEVICE_LOST;

	(void)rsp;
	vrc_lock(mr->obj.core);
	mr->state = gone ? VRC_MR_IDLE : VRC_MR_REGISTERED;
	if (gone)
		mr->obj.handle = 0;
	vrc_unlock(mr->obj.core);
	vrc_request_done(&mr->obj, &req, vrdma_status_from_wire(wire));
}

static NTSTATUS deregister_mr(NDK_MR *ndk, NDK_FN_REQUEST_COMPLETION *rc,
			      PVOID ctx)
{
	struct vrc_mr *mr = to_mr(ndk);
	NTSTATUS st;

	if (!rc)
		return STATUS_INVALID_PARAMETER;
	if (mr->fast)	/* closing it is the way */
		return STATUS_INVALID_DEVICE_REQUEST;
	st = vrc_mr_begin(mr, VRC_MR_REGISTERED, VRC_MR_DEREGISTERING);
	if (st != STATUS_SUCCESS)
		return st;
	mr->req = (struct vrc_request){ .cb = rc, .context = ctx };
	vrc_cmd_init(&mr->cmd, NULL, deregister_done);
	if (vrc_cmd_submit(mr->obj.core, mr->obj.epoch, &mr->cmd,
			   VIRTIO_RDMA_CMD_DEREGISTER_MR, mr->obj.handle))
		return vrc_mr_undo(mr, VRC_MR_REGISTERED, STATUS_DEVICE_REMOVED);
	return STATUS_PENDING;
}

/* Of a fast-register region: known as soon as NdkFastRegister has returned */
static UINT32 get_remote_token(NDK_MR *ndk)
{
	const struct vrc_mr *mr = to_mr(ndk);

	if (!mr->fast)
		return mr->remote_token;
	return mr->remote ? mr->fast_token : 0;
}

static UINT32 get_local_token(NDK_MR *ndk)
{
	return to_mr(ndk)->local_token;
}

static const NDK_MR_DISPATCH mr_dispatch = {
	.NdkCloseMr = vrc_obj_close,
	.NdkQueryExtension = vrc_query_extension,
	.NdkRegisterMr = register_mr,
	.NdkDeregisterMr = deregister_mr,
	.NdkInitializeFastRegisterMr = vrc_frmr_initialize,
	.NdkGetRemoteTokenFromMr = get_remote_token,
	.NdkGetLocalTokenFromMr = get_local_token,
};

void vrdma_mr_kept(NDK_MR *ndk, bool *kept)
{
	to_mr(ndk)->kept = kept;
}

/* Inline: the device hears of it when memory is registered */
NTSTATUS vrc_create_mr(NDK_PD *ndk, BOOLEAN fast_register,
		       NDK_FN_CREATE_COMPLETION *cc, PVOID ctx, NDK_MR **out)
{
	struct vrc_pd *pd = (struct vrc_pd *)(void *)ndk;
	struct vrdma_core *c = pd->obj.core;
	struct vrc_mr *mr;

	(void)cc;
	(void)ctx;
	if (fast_register && !vrc_frmr_offered(pd))
		return STATUS_NOT_SUPPORTED;
	if (!vrc_obj_usable(&pd->obj))
		return STATUS_DEVICE_REMOVED;
	mr = vrc_alloc(c, sizeof(*mr));
	if (!mr)
		return STATUS_INSUFFICIENT_RESOURCES;
	mr->pd = pd;
	mr->fast = fast_register;
	vrc_list_init(&mr->busy_link);
	vrc_obj_init(&mr->obj, c, pd->obj.owner, &mr_class);
	mr->obj.ndk.mr.Dispatch = &mr_dispatch;
	vrc_obj_parent(&mr->obj, &pd->obj);
	vrc_obj_parent(&mr->obj, &pd->obj.owner->obj);
	vrc_obj_opened(&mr->obj);
	*out = &mr->obj.ndk.mr;
	return STATUS_SUCCESS;
}
