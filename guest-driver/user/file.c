// SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-or-later
/*
 * file.c - an open file, its table of objects, and its end
 *
 * DOC: The end of a process must not wait for the device
 *
 * release() only marks the file dead and queues the teardown.  That closes
 * connectors and listeners, then queue pairs, other queues, windows and regions,
 * all without waiting, and then the adapter, which waits for all of them;
 * every wait in there is bounded by the deadlines of the device and ends when
 * the device is lost.  Pages stay pinned until their region is closed.
 */
#include <linux/slab.h>

#include "vrlf.h"

static void file_free(struct work_struct *work)
{
	struct vrl_file *f = container_of(work, struct vrl_file, teardown);

	xa_destroy(&f->objs);
	vrl_dev_put(f->dev);
	kfree(f);
}

/* The last reference may go in a callback; freeing a device may sleep */
static void file_last(struct kref *ref)
{
	struct vrl_file *f = container_of(ref, struct vrl_file, ref);

	INIT_WORK(&f->teardown, file_free);
	queue_work(vrl_teardown_wq, &f->teardown);
}

void vrl_file_get(struct vrl_file *f)
{
	kref_get(&f->ref);
}

void vrl_file_put(struct vrl_file *f)
{
	kref_put(&f->ref, file_last);
}

struct vrl_file *vrl_file_new(struct vrl_dev *dev)
{
	struct vrl_file *f = kzalloc(sizeof(*f), GFP_KERNEL_ACCOUNT);

	if (!f)
		return NULL;
	kref_init(&f->ref);
	mutex_init(&f->lock);
	spin_lock_init(&f->slock);
	INIT_LIST_HEAD(&f->node);
	INIT_LIST_HEAD(&f->events);
	init_waitqueue_head(&f->wait);
	xa_init_flags(&f->objs, XA_FLAGS_ALLOC1);
	vrl_dev_get(dev);
	f->dev = dev;
	return f;
}

static NTSTATUS create_pd(struct vrl_file *f, NDK_ADAPTER *adapter)
{
	struct vrl_sync *s = vrl_sync_new();

	if (!s)
		return STATUS_INSUFFICIENT_RESOURCES;
	return vrl_sync_wait(s, adapter->Dispatch->NdkCreatePd(
					adapter, vrl_sync_created, s, &f->pd),
			     &f->pd);
}

NTSTATUS vrl_file_open(struct vrl_file *f)
{
	NDK_VERSION version = { VRDMA_NDK_MAJOR, VRDMA_NDK_MINOR };
	NDK_ADAPTER *adapter;
	NTSTATUS status;

	lockdep_assert_held(&f->lock);
	status = vrdma_open_adapter(f->dev->core, version, VRDMA_ADAPTER_USER,
				    &adapter);
	if (status == NDIS_STATUS_ADAPTER_NOT_READY)
		return STATUS_DEVICE_NOT_READY;
	if (status != STATUS_SUCCESS)
		return status;
	status = create_pd(f, adapter);
	if (status != STATUS_SUCCESS) {
		vrdma_close_adapter(adapter);
		return status;
	}
	vrdma_adapter_context(adapter, &f->context);
	smp_store_release(&f->adapter, adapter);	/* KICK takes no lock */
	return STATUS_SUCCESS;
}

/* --- objects -------------------------------------------------------------------- */

void vrl_obj_init(struct vrl_obj *obj, struct vrl_file *f, enum vrl_type type,
		  const struct vrl_obj_ops *ops)
{
	kref_init(&obj->ref);
	vrl_file_get(f);
	obj->file = f;
	obj->type = type;
	obj->ops = ops;
	obj->id = 0;
	obj->closed = false;
	INIT_LIST_HEAD(&obj->pending);
}

static void obj_last(struct kref *ref)
{
	struct vrl_obj *obj = container_of(ref, struct vrl_obj, ref);
	struct vrl_file *f = obj->file;

	obj->ops->free(obj);
	vrl_file_put(f);
}

void vrl_obj_put(struct vrl_obj *obj)
{
	kref_put(&obj->ref, obj_last);
}

static void close_done(void *obj)
{
	vrl_obj_put(obj);
}

void vrl_obj_close_ndk(struct vrl_obj *obj, void *ndk)
{
	if (!ndk || vrl_ndk_close(ndk, close_done, obj) != STATUS_PENDING)
		vrl_obj_put(obj);
}

void vrl_obj_no_op(struct vrl_obj *obj)
{
}

bool vrl_obj_publish(struct vrl_obj *obj)
{
	struct vrl_file *f = obj->file;

	lockdep_assert_held(&f->lock);
	return xa_alloc_cyclic(&f->objs, &obj->id, obj,
			       XA_LIMIT(1, VRL_MAX_OBJECTS), &f->next_id,
			       GFP_KERNEL_ACCOUNT) >= 0;
}

struct vrl_obj *vrl_obj_find(struct vrl_file *f, u32 id, enum vrl_type type)
{
	struct vrl_obj *obj;

	lockdep_assert_held(&f->lock);
	obj = id ? xa_load(&f->objs, id) : NULL;
	if (!obj || (type && obj->type != type))
		return NULL;
	return obj;
}

void vrl_obj_close(struct vrl_obj *obj)
{
	lockdep_assert_held(&obj->file->lock);
	if (WARN_ON_ONCE(obj->closed))
		return;
	obj->closed = true;
	if (obj->id)
		xa_erase(&obj->file->objs, obj->id);
	obj->ops->close(obj);
}

/* --- the end ---------------------------------------------------------------------- */

static void close_all(struct vrl_file *f, enum vrl_type type)
{
	struct vrl_obj *obj;
	unsigned long id;

	xa_for_each(&f->objs, id, obj)
		if (obj->type == type)
			vrl_obj_close(obj);
}

static void teardown(struct work_struct *work)
{
	static const enum vrl_type order[] = {
		VRL_CONNECTOR, VRL_LISTENER, VRL_QP, VRL_SRQ, VRL_CQ, VRL_MW,
		VRL_MR,
	};
	struct vrl_file *f = container_of(work, struct vrl_file, teardown);
	unsigned int i;

	mutex_lock(&f->lock);
	for (i = 0; i < ARRAY_SIZE(order); i++)
		close_all(f, order[i]);
	if (f->pd)
		vrl_ndk_discard(f->pd);
	mutex_unlock(&f->lock);
	if (f->adapter)
		vrdma_close_adapter(f->adapter);
	vrl_file_put(f);
}

static void drop_events(struct vrl_file *f)
{
	struct vrl_req *req, *tmp;
	LIST_HEAD(events);

	spin_lock_irq(&f->slock);
	f->dead = true;
	list_splice_init(&f->events, &events);
	spin_unlock_irq(&f->slock);
	list_for_each_entry_safe(req, tmp, &events, node) {
		list_del_init(&req->node);
		vrl_req_drop(req);
	}
}

void vrl_file_close(struct vrl_file *f)
{
	drop_events(f);
	INIT_WORK(&f->teardown, teardown);
	queue_work(vrl_teardown_wq, &f->teardown);
}
