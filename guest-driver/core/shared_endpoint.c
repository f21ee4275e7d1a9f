/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-or-later */
/*
 * shared_endpoint.c - NDK shared endpoints
 *
 * DOC: The device counts: an endpoint keeps its (address, port) pair for itself
 * and for each connector that came from it.  Here it is an antecedent of those
 * connectors, so its close waits for theirs.
 */
#include "vrc.h"

static struct vrc_shared_endpoint *endpoint_of(struct vrc_obj *obj)
{
	return VRC_CONTAINER(obj, struct vrc_shared_endpoint, obj);
}

bool vrc_shared_offered(const struct vrc_adapter *a)
{
	return a->features & VIRTIO_RDMA_FEATURE(SHARED_ENDPOINT);
}

static NTSTATUS get_local(NDK_SHARED_ENDPOINT *ndk, SOCKADDR *sa, ULONG *len)
{
	struct vrc_shared_endpoint *e =
		(struct vrc_shared_endpoint *)(void *)ndk;

	return vrdma_addr_to_sockaddr(&e->addr, sa, len);
}

static bool endpoint_created(struct vrc_obj *obj, bool ok, const void *rsp)
{
	const struct virtio_rdma_rsp_create_endpoint *r = rsp;

	if (ok)
		endpoint_of(obj)->addr = r->addr;
	return ok;
}

static void endpoint_release(struct vrc_obj *obj, bool let_go)
{
	(void)let_go;
	vrc_free(obj->core, endpoint_of(obj));
}

static const struct vrc_obj_class endpoint_class = {
	.type = NdkObjectTypeSharedEndpoint,
	.name = "shared endpoint",
	.destroy = VIRTIO_RDMA_CMD_CLOSE_ENDPOINT,
	.created = endpoint_created,
	.release = endpoint_release,
};

static const NDK_SHARED_ENDPOINT_DISPATCH endpoint_dispatch = {
	.NdkCloseSharedEndpoint = vrc_obj_close,
	.NdkQueryExtension = vrc_query_extension,
	.NdkGetLocalAddress = get_local,
};

static void fill_create(struct vrc_cmd *cmd, void *req)
{
	struct vrc_shared_endpoint *e =
		VRC_CONTAINER(cmd, struct vrc_shared_endpoint, obj.cmd);
	struct virtio_rdma_cmd_create_endpoint *r = req;

	r->addr = e->addr;
}

NTSTATUS vrc_create_shared_endpoint(NDK_ADAPTER *ndk, const SOCKADDR *sa,
				    ULONG len, NDK_FN_CREATE_COMPLETION *cc,
				    PVOID ctx, NDK_SHARED_ENDPOINT **out)
{
	struct vrc_adapter *a = (struct vrc_adapter *)(void *)ndk;
	struct vrc_shared_endpoint *e;
	struct virtio_rdma_addr addr;
	NTSTATUS st;

	(void)out; /* always by completion */
	if (!vrc_shared_offered(a))
		return STATUS_NOT_SUPPORTED;
	if (!cc)
		return STATUS_INVALID_PARAMETER;
	st = vrdma_addr_from_sockaddr(&addr, sa, len);
	if (st != STATUS_SUCCESS)
		return st;
	if (!vrc_obj_usable(&a->obj))
		return STATUS_DEVICE_REMOVED;
	e = vrc_alloc(a->obj.core, sizeof(*e));
	if (!e)
		return STATUS_INSUFFICIENT_RESOURCES;
	e->addr = addr;
	vrc_obj_init(&e->obj, a->obj.core, a, &endpoint_class);
	e->obj.ndk.shared_endpoint.Dispatch = &endpoint_dispatch;
	vrc_obj_parent(&e->obj, &a->obj);
	return vrc_obj_create(&e->obj, VIRTIO_RDMA_CMD_CREATE_ENDPOINT,
			      fill_create, cc, ctx);
}
