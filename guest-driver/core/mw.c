/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-or-later */
/*
 * mw.c - memory windows
 *
 * DOC: The device gives a window its upper 24 bits of token, each Bind another
 * key below them, so that a peer that kept a token of before has none.  What a
 * window is bound to only the device knows: a peer may have invalidated it.
 */
#include "vrc.h"

static struct vrc_mw *to_mw(NDK_MW *ndk)
{
	return (struct vrc_mw *)(void *)ndk;
}

static void mw_release(struct vrc_obj *obj, bool let_go)
{
	struct vrc_mw *mw = VRC_CONTAINER(obj, struct vrc_mw, obj);
	struct vrc_pd *pd = mw->pd;

	(void)let_go;
	vrc_free(obj->core, mw);
	/* the domain is held until this returned */
	vrc_pd_retry(pd);
}

static bool mw_created(struct vrc_obj *obj, bool ok, const void *rsp)
{
	struct vrc_mw *mw = VRC_CONTAINER(obj, struct vrc_mw, obj);
	const struct virtio_rdma_rsp_create_mw *r = rsp;

	if (ok)
		mw->token = vr_from_le32(r->token);
	return ok;
}

static const struct vrc_obj_class mw_class = {
	.type = NdkObjectTypeMw,
	.name = "mw",
	.destroy = VIRTIO_RDMA_CMD_DESTROY_MW,
	.created = mw_created,
	.release = mw_release,
};

uint32_t vrc_next_token(uint32_t token)
{
	return (token & ~VIRTIO_RDMA_TOKEN_KEY) |
	       ((token + 1) & VIRTIO_RDMA_TOKEN_KEY);
}

/* Known as soon as Bind has returned, and whatever becomes of the request */
static UINT32 get_remote_token(NDK_MW *ndk)
{
	return to_mw(ndk)->token;
}

static const NDK_MW_DISPATCH mw_dispatch = {
	.NdkCloseMw = vrc_obj_close,
	.NdkQueryExtension = vrc_query_extension,
	.NdkGetRemoteTokenFromMw = get_remote_token,
};

static void fill_create(struct vrc_cmd *cmd, void *req)
{
	struct vrc_mw *mw = VRC_CONTAINER(cmd, struct vrc_mw, obj.cmd);
	struct virtio_rdma_cmd_create_mw *r = req;

	r->pd = vr_to_le32(mw->pd->obj.handle);
}

NTSTATUS vrc_create_mw(NDK_PD *ndk, NDK_FN_CREATE_COMPLETION *cc, PVOID ctx,
		       NDK_MW **out)
{
	struct vrc_pd *pd = (struct vrc_pd *)(void *)ndk;
	struct vrdma_core *c = pd->obj.core;
	struct vrc_mw *mw;

	(void)out;	/* always by completion */
	if (!(pd->obj.owner->features & VIRTIO_RDMA_FEATURE(MW)))
		return STATUS_NOT_SUPPORTED;
	if (!cc)
		return STATUS_INVALID_PARAMETER;
	if (!vrc_obj_usable(&pd->obj))
		return STATUS_DEVICE_REMOVED;
	mw = vrc_alloc(c, sizeof(*mw));
	if (!mw)
		return STATUS_INSUFFICIENT_RESOURCES;
	mw->pd = pd;
	vrc_obj_init(&mw->obj, c, pd->obj.owner, &mw_class);
	mw->obj.ndk.mw.Dispatch = &mw_dispatch;
	vrc_obj_parent(&mw->obj, &pd->obj.owner->obj);
	vrc_obj_parent(&mw->obj, &pd->obj);
	return vrc_obj_create(&mw->obj, VIRTIO_RDMA_CMD_CREATE_MW, fill_create,
			      cc, ctx);
}

void vrdma_mw_layout(NDK_MW *ndk, struct vrdma_mw_layout *out)
{
	const struct vrc_mw *mw = to_mw(ndk);

	out->handle = mw->obj.handle;
	out->token = mw->token;
}
