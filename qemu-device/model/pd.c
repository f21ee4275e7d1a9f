/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * pd.c - protection domains.  Control thread only.
 *
 * The worker compares pointers to a domain and never looks into one but for
 * flags, which stay; a domain outlives whatever can name it.
 */
#include <stdlib.h>

#include "guest.h"
#include "mr.h"

void cmd_create_pd(struct command *cmd)
{
	const struct virtio_rdma_cmd_create_pd *req = &cmd->req.create_pd;
	struct guest *g = cmd->guest;
	struct vr_pd *pd;

	if (req->reserved ||
	    vr_from_le32(req->flags) & ~VIRTIO_RDMA_PD_PRIVILEGED) {
		command_done(cmd, VIRTIO_RDMA_S_INVALID_PARAMETER, 0);
		return;
	}
	pd = calloc(1, sizeof(*pd));
	if (!pd || handle_alloc(&g->pds, pd, &pd->handle)) {
		free(pd);
		command_done(cmd, VIRTIO_RDMA_S_NO_RESOURCES, 0);
		return;
	}
	pd->guest = g;
	pd->flags = vr_from_le32(req->flags);
	command_done(cmd, VIRTIO_RDMA_S_OK, pd->handle);
}

void cmd_destroy_pd(struct command *cmd)
{
	struct guest *g = cmd->guest;
	struct vr_pd *pd = handle_get(&g->pds, cmd->handle);
	enum virtio_rdma_status status = VIRTIO_RDMA_S_OK;

	if (!pd) {
		status = VIRTIO_RDMA_S_INVALID_HANDLE;
	} else if (pd->users) {
		status = VIRTIO_RDMA_S_BUSY;
	} else {
		handle_free(&g->pds, cmd->handle);
		free(pd);
	}
	command_done(cmd, status, 0);
}

void pd_reset_all(struct guest *g)
{
	uint32_t pos = 0;
	struct vr_pd *pd;

	while ((pd = handle_next(&g->pds, &pos))) {
		handle_free(&g->pds, pd->handle);
		free(pd);
	}
}
