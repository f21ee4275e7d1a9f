// SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-or-later
/*
 * calls.c - what a process asks of any object, or of none
 */
#include "vrlf.h"

static void answer_addresses(struct vrl_file *f, struct vrdma_uapi_open *a)
{
	struct virtio_rdma_addr addr[VIRTIO_RDMA_MAX_ADDRESSES];
	u32 i;

	a->address_count = vrdma_core_addresses(f->dev->core, addr,
						ARRAY_SIZE(addr));
	a->address_count = min_t(u32, a->address_count, ARRAY_SIZE(addr));
	memset(a->address, 0, sizeof(a->address));
	for (i = 0; i < a->address_count; i++)
		vrl_addr_from_wire(&addr[i], &a->address[i]);
}

int vrl_ioc_open(struct vrl_file *f, void *arg)
{
	struct vrdma_uapi_open *a = arg;

	if (f->adapter)
		return -EINVAL;
	if (a->version != VRDMA_UAPI_VERSION) {
		a->status = STATUS_NOT_SUPPORTED;
		return 0;
	}
	a->status = vrl_file_open(f);
	if (a->status != STATUS_SUCCESS)
		return 0;
	a->notify_offset = 0;
	a->notify_value = f->context.wake_queue;
	a->notify_mapped = 0;
	a->features = vrdma_adapter_features(f->adapter);
	vrdma_adapter_config(f->adapter, &a->config);
	answer_addresses(f, a);
	return 0;
}

int vrl_ioc_free(struct vrl_file *f, void *arg)
{
	struct vrdma_uapi_object *a = arg;
	struct vrl_obj *obj = vrl_obj_find(f, a->id, 0);

	a->status = obj ? STATUS_SUCCESS : STATUS_INVALID_HANDLE;
	if (obj)
		vrl_obj_close(obj);
	return 0;
}

int vrl_ioc_cancel(struct vrl_file *f, void *arg)
{
	struct vrdma_uapi_object *a = arg;
	struct vrl_obj *obj = vrl_obj_find(f, a->id, 0);

	a->status = obj ? STATUS_SUCCESS : STATUS_INVALID_HANDLE;
	if (obj)
		obj->ops->cancel(obj);
	return 0;
}

static const struct vrdma_dma *buffer_of(struct vrl_obj *obj)
{
	switch (obj->type) {
	case VRL_CQ:
		return vrl_cq_buffer(obj);
	case VRL_QP:
		return vrl_qp_buffer(obj);
	case VRL_SRQ:
		return vrl_srq_buffer(obj);
	default:
		return NULL;
	}
}

const struct vrdma_dma *vrl_find_buffer(struct vrl_file *f, u64 offset)
{
	u64 id = offset >> VRL_MMAP_SHIFT;
	struct vrl_obj *obj;

	if ((id << VRL_MMAP_SHIFT) != offset || id > VRL_MAX_OBJECTS)
		return NULL;
	obj = vrl_obj_find(f, (u32)id, 0);
	return obj ? buffer_of(obj) : NULL;
}

static void lose_objects(struct vrl_file *f)
{
	struct vrl_obj *obj;
	unsigned long id;

	mutex_lock(&f->lock);
	xa_for_each(&f->objs, id, obj)
		obj->ops->lost(obj);
	mutex_unlock(&f->lock);
}

void vrl_files_device_lost(struct vrl_dev *dev)
{
	struct vrl_file *f;

	mutex_lock(&dev->files_lock);
	list_for_each_entry(f, &dev->files, node)
		lose_objects(f);
	mutex_unlock(&dev->files_lock);
}
