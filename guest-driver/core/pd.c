/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-or-later */
/*
 * pd.c - protection domains
 */
#include "vrc.h"

static struct vrc_pd *to_pd(NDK_PD *ndk)
{
	return (struct vrc_pd *)(void *)ndk;
}

static void pd_release(struct vrc_obj *obj, bool let_go)
{
	(void)let_go;
	vrc_free(obj->core, VRC_CONTAINER(obj, struct vrc_pd, obj));
}

static const struct vrc_obj_class pd_class = {
	.type = NdkObjectTypePd,
	.name = "pd",
	.destroy = VIRTIO_RDMA_CMD_DESTROY_PD,
	.release = pd_release,
};

/*
 * A window is gone, or the device is: regions that were closed with windows
 * bound to them try to go again.  The device answers a refusal before it
 * destroys the window that was the cause, so none is put on the list too late.
 */
void vrc_pd_retry(struct vrc_pd *pd)
{
	struct vrdma_core *c = pd->obj.core;
	struct vrc_list tried;

	vrc_list_init(&tried);
	vrc_lock(c);
	vrc_list_move(&pd->busy, &tried);
	while (!vrc_list_empty(&tried)) {
		struct vrc_mr *mr = VRC_CONTAINER(tried.next, struct vrc_mr,
						  busy_link);

		vrc_list_del(&mr->busy_link);
		vrc_unlock(c);
		vrc_obj_destroy(&mr->obj);
		vrc_lock(c);
	}
	vrc_unlock(c);
}

/* Token 0, which no region has, where there is no right to the real one */
static VOID get_privileged_token(NDK_PD *ndk, UINT32 *token)
{
	*token = to_pd(ndk)->privileged ? VIRTIO_RDMA_TOKEN_PRIVILEGED : 0;
}

static const NDK_PD_DISPATCH pd_dispatch = {
	.NdkClosePd = vrc_obj_close,
	.NdkQueryExtension = vrc_query_extension,
	.NdkCreateMr = vrc_create_mr,
	.NdkCreateMw = vrc_create_mw,
	.NdkCreateSrq = vrc_create_srq,
	.NdkCreateQp = vrc_create_qp,
	.NdkCreateQpWithSrq = vrc_create_qp_with_srq,
	.NdkGetPrivilegedMemoryRegionToken = get_privileged_token,
};

static void fill_create(struct vrc_cmd *cmd, void *req)
{
	struct vrc_pd *pd = VRC_CONTAINER(cmd, struct vrc_pd, obj.cmd);
	struct virtio_rdma_cmd_create_pd *r = req;

	r->flags = vr_to_le32(pd->privileged ? VIRTIO_RDMA_PD_PRIVILEGED : 0);
}

NTSTATUS vrc_create_pd(NDK_ADAPTER *ndk, NDK_FN_CREATE_COMPLETION *cc,
		       PVOID ctx, NDK_PD **out)
{
	struct vrc_adapter *a = (struct vrc_adapter *)(void *)ndk;
	struct vrdma_core *c = a->obj.core;
	struct vrc_pd *pd;

	(void)out;	/* always by completion */
	if (!cc)
		return STATUS_INVALID_PARAMETER;
	if (!vrc_obj_usable(&a->obj))
		return STATUS_DEVICE_REMOVED;
	pd = vrc_alloc(c, sizeof(*pd));
	if (!pd)
		return STATUS_INSUFFICIENT_RESOURCES;
	pd->privileged = !(a->flags & VRDMA_ADAPTER_USER);
	vrc_list_init(&pd->busy);
	vrc_obj_init(&pd->obj, c, a, &pd_class);
	pd->obj.ndk.pd.Dispatch = &pd_dispatch;
	vrc_obj_parent(&pd->obj, &a->obj);
	return vrc_obj_create(&pd->obj, VIRTIO_RDMA_CMD_CREATE_PD, fill_create,
			      cc, ctx);
}
