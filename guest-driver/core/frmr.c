/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-or-later */
/*
 * frmr.c - fast-register regions
 *
 * DOC: Made by NdkInitializeFastRegisterMr, given memory by NdkFastRegister in
 * the order of a queue pair's requests, emptied by NdkInvalidate.  What memory
 * it has at a moment only the device knows: a peer may have invalidated it.
 * Each NdkFastRegister gives it another key below the upper 24 bits of its
 * remote token.
 *
 * The list of pages is copied into a page of the region's own, which is free
 * again when the queue pair's head has passed the request that named it, or the
 * queue pair is gone.  That is asked under the core's lock, by its handle.
 */
#include "vrc.h"

static struct vrc_mr *to_mr(NDK_MR *ndk)
{
	return (struct vrc_mr *)(void *)ndk;
}

/* Pages are named by bus addresses, to which a process has no right */
bool vrc_frmr_offered(const struct vrc_pd *pd)
{
	return pd->privileged && VRC_CFG32(&pd->obj.owner->cfg, max_frmr_pages);
}

/* --- NdkInitializeFastRegisterMr ------------------------------------------------------- */

static void fill_create(struct vrc_cmd *cmd, void *req)
{
	struct vrc_mr *mr = VRC_CONTAINER(cmd, struct vrc_mr, cmd);
	struct virtio_rdma_cmd_create_frmr *r = req;

	r->pd = vr_to_le32(mr->pd->obj.handle);
	r->max_pages = vr_to_le32(mr->max_pages);
	r->flags = vr_to_le32(mr->remote ? VIRTIO_RDMA_FRMR_REMOTE : 0);
}

static void create_done(struct vrc_cmd *cmd, uint32_t wire, const void *rsp)
{
	struct vrc_mr *mr = VRC_CONTAINER(cmd, struct vrc_mr, cmd);

	vrc_mr_registered(mr, wire, rsp, &mr->fast_token);
}

/* One attempt may fail and the next succeed: they share the tables */
static bool tables_ready(struct vrc_mr *mr)
{
	struct vrdma_core *c = mr->obj.core;

	return mr->tables.va ||
	       !c->ops->dma_alloc(c->os, VRC_FRMR_TABLES, &mr->tables);
}

NTSTATUS vrc_frmr_initialize(NDK_MR *ndk, ULONG pages, BOOLEAN remote,
			     NDK_FN_REQUEST_COMPLETION *rc, PVOID ctx)
{
	struct vrc_mr *mr = to_mr(ndk);
	NTSTATUS st;

	if (!mr->fast)
		return vrc_frmr_offered(mr->pd) ? STATUS_INVALID_DEVICE_REQUEST :
						  STATUS_NOT_SUPPORTED;
	if (!rc || !pages)
		return STATUS_INVALID_PARAMETER;
	if (pages > VRC_CFG32(&mr->obj.owner->cfg, max_frmr_pages))
		return STATUS_IMPLEMENTATION_LIMIT;
	st = vrc_mr_begin(mr, VRC_MR_IDLE, VRC_MR_REGISTERING);
	if (st != STATUS_SUCCESS)
		return st;
	if (!tables_ready(mr))
		return vrc_mr_undo(mr, VRC_MR_IDLE,
				   STATUS_INSUFFICIENT_RESOURCES);
	mr->max_pages = pages;
	mr->remote = remote;
	mr->req = (struct vrc_request){ .cb = rc, .context = ctx };
	vrc_cmd_init(&mr->cmd, fill_create, create_done);
	if (vrc_cmd_submit(mr->obj.core, mr->obj.epoch, &mr->cmd,
			   VIRTIO_RDMA_CMD_CREATE_FRMR, 0))
		return vrc_mr_undo(mr, VRC_MR_IDLE, STATUS_DEVICE_REMOVED);
	return STATUS_PENDING;
}

/* --- page lists ---------------------------------------------------------------------------- */

/* Has the device had its last look at the table? */
static bool is_free(struct vrdma_core *c, const struct vrc_frmr_table *t)
{
	const struct virtio_rdma_qp_record *rec;
	struct vrc_qp *qp;

	if (!t->qp)
		return true;
	qp = vrc_qp_find_locked(c, t->qp);
	if (!qp)
		return true;
	rec = qp->buffer.va;
	return (int32_t)(vrdma_observe32(&rec->sq_head) - t->count) > 0;
}

/* A page to write the list into, or NULL: all are in use */
void *vrc_frmr_table(struct vrc_mr *mr, uint32_t *index)
{
	struct vrdma_core *c = mr->obj.core;
	uint32_t i;

	vrc_lock(c);
	for (i = 0; i < VRC_FRMR_TABLES && !is_free(c, &mr->table[i]); i++)
		;
	vrc_unlock(c);
	if (i == VRC_FRMR_TABLES)
		return NULL;
	*index = i;
	return (uint8_t *)mr->tables.va + (size_t)i * VIRTIO_RDMA_PAGE_SIZE;
}
