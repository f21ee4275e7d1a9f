/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-or-later */
/*
 * mr.c - IND2MemoryRegion
 */
#include <stdlib.h>

#include "nd_int.h"

#define MR_FLAGS                                                               \
	(ND_MR_FLAG_ALLOW_REMOTE_WRITE | ND_MR_FLAG_ALLOW_REMOTE_READ |        \
	 ND_MR_FLAG_RDMA_READ_SINK)

ND_OVERLAPPED_IMPL(mr, IND2MemoryRegion)

/* Only one Register can be under way, and the kernel refuses all others: their
 * wishes are not taken down */
static void take_wish(struct nd_mr *mr, const struct vrdma_uapi_register *a)
{
	pthread_mutex_lock(&mr->own.file->lock);
	if (!mr->own.pending)
		mr->wish = (struct nd_range){ a->address, a->length, a->flags };
	pthread_mutex_unlock(&mr->own.file->lock);
}

static void register_ended(struct nd_owner *owner, HRESULT status,
			   const uint64_t data[2])
{
	struct nd_mr *mr = (struct nd_mr *)owner;

	if (status != ND_SUCCESS)
		return;
	mr->local_token = (uint32_t)data[0];
	mr->remote_token = (uint32_t)data[1];
	mr->range = mr->wish;
}

static void deregister_ended(struct nd_owner *owner, HRESULT status,
			     const uint64_t data[2])
{
	struct nd_mr *mr = (struct nd_mr *)owner;

	(void)data;
	if (status == ND_SUCCESS)
		mr->range = (struct nd_range){ 0 };
}

static HRESULT mr_Register(IND2MemoryRegion *self, const VOID *buffer,
			   SIZE_T cb, ULONG flags, OVERLAPPED *ov)
{
	struct nd_mr *mr = (struct nd_mr *)self;
	struct vrdma_uapi_register arg = {
		.id = mr->own.id,
		.address = (uintptr_t)buffer,
		.length = cb,
		/* pages are always pinned, there is nothing to leave out */
		.flags = flags & ~ND_MR_FLAG_DO_NOT_SECURE_VM,
	};

	if (!ov || !buffer || arg.flags & ~(ULONG)MR_FLAGS)
		return ND_INVALID_PARAMETER;
	if (!cb)
		return ND_INVALID_BUFFER_SIZE;
	if (cb > vr_from_le64(nd_adapter_of(&mr->own)->config.max_mr_size))
		return ND_INVALID_PARAMETER;
	take_wish(mr, &arg);
	return nd_start(&mr->own, VRDMA_IOC_REGISTER, &arg, &arg.overlapped,
			ov, register_ended);
}

static HRESULT mr_Deregister(IND2MemoryRegion *self, OVERLAPPED *ov)
{
	struct nd_mr *mr = (struct nd_mr *)self;
	struct vrdma_uapi_request arg = { .id = mr->own.id };

	if (!ov)
		return ND_INVALID_PARAMETER;
	return nd_start(&mr->own, VRDMA_IOC_DEREGISTER, &arg, &arg.overlapped,
			ov, deregister_ended);
}

static UINT32 mr_GetLocalToken(IND2MemoryRegion *self)
{
	nd_mr_settle((struct nd_mr *)self);
	return ((struct nd_mr *)self)->local_token;
}

static UINT32 mr_GetRemoteToken(IND2MemoryRegion *self)
{
	nd_mr_settle((struct nd_mr *)self);
	return ((struct nd_mr *)self)->remote_token;
}

static const IND2MemoryRegionVtbl mr_vtbl = {
	ND_OVERLAPPED_SLOTS(mr),
	.Register = mr_Register,
	.Deregister = mr_Deregister,
	.GetLocalToken = mr_GetLocalToken,
	.GetRemoteToken = mr_GetRemoteToken,
};

static void mr_destroy(struct nd_object *obj)
{
	nd_owner_free((struct nd_owner *)obj);
	free(obj);
}

static const struct nd_interface mr_interfaces[] = {
	{ &IID_IND2MemoryRegion, 0 },
	{ &IID_IND2Overlapped, 0 },
	{ &IID_IUnknown, 0 },
	{ NULL, 0 },
};

const struct nd_class nd_mr_class = {
	.name = "mr",
	.interfaces = mr_interfaces,
	.destroy = mr_destroy,
};

static uint32_t window_access(ULONG flags)
{
	return (flags & ND_OP_FLAG_ALLOW_READ ?
			VIRTIO_RDMA_ACCESS_REMOTE_READ : 0) |
	       (flags & ND_OP_FLAG_ALLOW_WRITE ?
			VIRTIO_RDMA_ACCESS_REMOTE_WRITE : 0);
}

HRESULT nd_mr_part(struct nd_mr *mr, const VOID *buffer, SIZE_T cb,
		   ULONG flags, struct virtio_rdma_bind *out)
{
	const struct nd_range *r = &mr->range;
	uint32_t access = window_access(flags);
	uint64_t at = (uintptr_t)buffer;

	nd_mr_settle(mr);
	if (!r->length)
		return ND_INVALID_PARAMETER_2;
	if (!cb)
		return ND_INVALID_PARAMETER_5;
	if (!access)
		return ND_INVALID_PARAMETER_6;
	if (!nd_range_within(at - r->address, cb, r->length) ||
	    (flags & ND_OP_FLAG_ALLOW_WRITE &&
	     !(r->flags & ND_MR_FLAG_ALLOW_LOCAL_WRITE)))
		return ND_ACCESS_VIOLATION;
	*out = (struct virtio_rdma_bind){
		.addr = vr_to_le64(at),
		.length = vr_to_le64(cb),
		.token = vr_to_le32(mr->local_token),
		.access = vr_to_le32(access),
	};
	return ND_SUCCESS;
}

HRESULT nd_mr_create(struct nd_adapter *a, REFIID iid, HANDLE h, VOID **out)
{
	struct nd_owner *mr;
	HRESULT hr = nd_owner_create(a, h, VRDMA_IOC_CREATE_MR,
				     sizeof(struct nd_mr), &nd_mr_class,
				     &mr_vtbl,
				     &mr);

	return hr == ND_SUCCESS ? nd_object_hand_out(&mr->obj, iid, out) : hr;
}
