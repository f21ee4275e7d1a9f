/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * pd.c - protection domains.  Control thread only.
 *
 * The worker compares pointers to a domain and looks into one for what stays
 * while a queue pair can name it.  A domain of a fabric goes when the fabric
 * has given back all that was registered in it.
 */
#include <errno.h>
#include <stdlib.h>

#include "guest.h"
#include "mr.h"

static void pd_free(struct vr_pd *pd)
{
	if (pd->be)
		pd->guest->fabric->pd_destroy(pd->be);
	free(pd->physical);
	free(pd);
}

void pd_get(struct vr_pd *pd)
{
	pd->refs++;
}

void pd_put(struct vr_pd *pd)
{
	if (!--pd->refs)
		pd_free(pd);
}

struct vr_pd *pd_find(const struct guest *g, uint32_t handle)
{
	struct vr_pd *pd = handle_get(&g->pds, handle);

	return pd && !pd->cmd ? pd : NULL;
}

/* A region without an end, whose addresses are the guest's physical ones */
static int add_physical(struct vr_pd *pd)
{
	struct vr_mr *mr;

	if (!(pd->flags & VIRTIO_RDMA_PD_PRIVILEGED))
		return 0;
	mr = mr_new(pd->guest, pd);
	if (!mr)
		return -ENOMEM;
	mr->physical = true;
	mr->length = UINT64_MAX;
	mr->access = VIRTIO_RDMA_ACCESS_LOCAL_WRITE;
	pd->physical = mr;
	return 0;
}

/* A fabric whose device is gone leaves the local path */
static int add_fabric(struct vr_pd *pd)
{
	struct backend *fabric = pd->guest->fabric;
	int ret;

	if (!fabric || !fabric->pd_create)
		return 0;
	ret = fabric->pd_create(fabric, &pd->be);
	return ret == -ENODEV ? 0 : ret;
}

static struct vr_pd *pd_new(struct guest *g, uint32_t flags)
{
	struct vr_pd *pd = calloc(1, sizeof(*pd));

	if (!pd)
		return NULL;
	pd->guest = g;
	pd->flags = flags;
	pd->refs = 1;
	list_init(&pd->memory);
	if (add_physical(pd) || add_fabric(pd) ||
	    handle_alloc(&g->pds, pd, &pd->handle)) {
		pd_put(pd);
		return NULL;
	}
	return pd;
}

static void pd_remove(struct vr_pd *pd)
{
	handle_free(&pd->guest->pds, pd->handle);
	physical_end(pd);
	pd_put(pd);
}

void cmd_create_pd(struct command *cmd)
{
	const struct virtio_rdma_cmd_create_pd *req = &cmd->req.create_pd;
	uint32_t flags = vr_from_le32(req->flags);
	struct vr_pd *pd;

	if (req->reserved || flags & ~VIRTIO_RDMA_PD_PRIVILEGED) {
		command_done(cmd, VIRTIO_RDMA_S_INVALID_PARAMETER, 0);
		return;
	}
	pd = pd_new(cmd->guest, flags);
	if (!pd) {
		command_done(cmd, VIRTIO_RDMA_S_NO_RESOURCES, 0);
		return;
	}
	pd->cmd = cmd;
	if (pd->physical && pd->be)
		physical_sync(pd);
	else
		pd_memory_ready(pd, 0);
}

void pd_memory_ready(struct vr_pd *pd, int err)
{
	struct command *cmd = pd->cmd;

	pd->cmd = NULL;
	if (!cmd)
		return; /* a change of memory later on */
	if (err) {
		pd_remove(pd);
		command_done(cmd, VIRTIO_RDMA_S_NO_RESOURCES, 0);
		return;
	}
	command_done(cmd, VIRTIO_RDMA_S_OK, pd->handle);
}

void cmd_destroy_pd(struct command *cmd)
{
	struct vr_pd *pd = pd_find(cmd->guest, cmd->handle);
	enum virtio_rdma_status status = VIRTIO_RDMA_S_OK;

	if (!pd)
		status = VIRTIO_RDMA_S_INVALID_HANDLE;
	else if (pd->users)
		status = VIRTIO_RDMA_S_BUSY;
	else
		pd_remove(pd);
	command_done(cmd, status, 0);
}

void pd_reset_all(struct guest *g)
{
	uint32_t pos = 0;
	struct vr_pd *pd;

	while ((pd = handle_next(&g->pds, &pos))) {
		struct command *cmd = pd->cmd;

		pd->cmd = NULL;
		pd_remove(pd);
		if (cmd) /* it waited for memory; answered to nobody */
			command_done(cmd, VIRTIO_RDMA_S_CANCELLED, 0);
	}
}

void pd_map_changed(struct guest *g)
{
	uint32_t pos = 0;
	struct vr_pd *pd;

	while ((pd = handle_next(&g->pds, &pos)))
		if (pd->physical && pd->be)
			physical_sync(pd);
}
