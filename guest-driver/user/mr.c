// SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-or-later
/*
 * mr.c - memory regions of a process: pin, register, deregister, unpin
 *
 * DOC: Pages are pinned from before the device learns of them until after it
 * forgot them.  Unpinning may sleep, so completions leave it to a work item, and a
 * Deregister's event follows it: a process that registers again at once finds
 * its limit freed.
 *
 * Pinning happens without the file's lock (it takes mmap_lock, and long); the
 * state keeps everyone else off the region meanwhile.
 */
#include <linux/slab.h>

#include "vrlf.h"

#define ND_MR_FLAG_DO_NOT_SECURE_VM	0x80000000u	/* nothing to do here */

enum mr_state {
	MR_IDLE,		/* Register may begin */
	MR_PINNING,		/* a thread pins, without the lock */
	MR_REGISTERING,		/* the device is asked */
	MR_REGISTERED,
	MR_DEREGISTERING,
};

/* which state may follow which; closing needs no state, obj.closed says it */
static const u8 mr_next[] = {
	[MR_IDLE] = BIT(MR_PINNING),
	[MR_PINNING] = BIT(MR_REGISTERING) | BIT(MR_IDLE),
	[MR_REGISTERING] = BIT(MR_REGISTERED) | BIT(MR_IDLE),
	[MR_REGISTERED] = BIT(MR_DEREGISTERING),
	[MR_DEREGISTERING] = BIT(MR_IDLE) | BIT(MR_REGISTERED),
};

struct vrl_mr {
	struct vrl_obj obj;
	NDK_MR *ndk;
	enum mr_state state;		/* slock */
	struct work_struct work;	/* unpin, then finish the request */
	struct vrl_req *req;		/* the work's */
	NTSTATUS req_status;
	struct work_struct close_work;	/* after the last of work */

	/* the owner of the state */
	struct vrl_pin pin;
	bool leak;			/* closing: pages stay pinned for good */
};

static struct vrl_mr *to_mr(struct vrl_obj *obj)
{
	return container_of(obj, struct vrl_mr, obj);
}

static bool mr_set_state(struct vrl_mr *mr, enum mr_state next)
{
	struct vrl_file *f = mr->obj.file;
	unsigned long flags;
	bool ok;

	spin_lock_irqsave(&f->slock, flags);
	ok = mr_next[mr->state] & BIT(next);
	if (ok)
		mr->state = next;
	spin_unlock_irqrestore(&f->slock, flags);
	return ok;
}

/* --- the end of a registration --------------------------------------------------------- */

static void mr_work(struct work_struct *work)
{
	struct vrl_mr *mr = container_of(work, struct vrl_mr, work);
	struct vrl_req *req = mr->req;
	NTSTATUS status = mr->req_status;

	vrl_unpin(&mr->pin);
	mr->req = NULL;
	mr_set_state(mr, MR_IDLE);
	if (req)
		vrl_req_complete(req, status);
}

static void unpin_later(struct vrl_mr *mr, struct vrl_req *req, NTSTATUS status)
{
	mr->req = req;
	mr->req_status = status;
	queue_work(vrl_teardown_wq, &mr->work);
}

static void mr_registered(void *ctx, NTSTATUS status)
{
	struct vrl_req *req = ctx;
	struct vrl_mr *mr = to_mr(req->obj);

	if (status != STATUS_SUCCESS) {
		unpin_later(mr, req, status);
		return;
	}
	req->event.data[0] =
		mr->ndk->Dispatch->NdkGetLocalTokenFromMr(mr->ndk);
	req->event.data[1] =
		mr->ndk->Dispatch->NdkGetRemoteTokenFromMr(mr->ndk);
	mr_set_state(mr, MR_REGISTERED);
	vrl_req_complete(req, status);
}

/* The device does not touch the pages any more */
static bool let_go(NTSTATUS status)
{
	return status == STATUS_SUCCESS || status == STATUS_DEVICE_REMOVED;
}

static void mr_deregistered(void *ctx, NTSTATUS status)
{
	struct vrl_req *req = ctx;
	struct vrl_mr *mr = to_mr(req->obj);

	if (let_go(status)) {
		unpin_later(mr, req, status);
		return;
	}
	mr_set_state(mr, MR_REGISTERED);
	vrl_req_complete(req, status);
}

/*
 * NDK calls the close completion after those of all requests, but their work
 * may still be on its way.  A thread that pins just now unpins by itself when
 * it finds the object closed.
 */
static void mr_close_work(struct work_struct *work)
{
	struct vrl_mr *mr = container_of(work, struct vrl_mr, close_work);

	flush_work(&mr->work);
	if (mr->leak) {
		vrl_warn(mr->obj.file->dev, "mr: the device keeps %lu pages, so do we\n",
			 mr->pin.count);
		vrl_pin_keep(&mr->pin);
	} else if (mr_set_state(mr, MR_DEREGISTERING)) {
		vrl_unpin(&mr->pin);
	}
	vrl_obj_put(&mr->obj);
}

static void mr_closed(void *ctx)
{
	struct vrl_mr *mr = ctx;

	queue_work(vrl_teardown_wq, &mr->close_work);
}

/* Deregisters too; it may take until the windows that are bound to it are gone */
static void mr_close(struct vrl_obj *obj)
{
	struct vrl_mr *mr = to_mr(obj);

	if (!mr->ndk) {
		vrl_obj_put(obj);
		return;
	}
	vrdma_mr_kept(mr->ndk, &mr->leak);
	if (vrl_ndk_close(mr->ndk, mr_closed, mr) != STATUS_PENDING)
		mr_closed(mr);
}

const struct vrl_pin *vrl_mr_registered(struct vrl_obj *obj, NDK_MR **ndk,
					bool *busy)
{
	struct vrl_mr *mr = to_mr(obj);
	struct vrl_file *f = obj->file;
	enum mr_state state;

	spin_lock_irq(&f->slock);
	state = mr->state;
	spin_unlock_irq(&f->slock);
	*busy = state != MR_IDLE && state != MR_REGISTERED;
	*ndk = mr->ndk;
	return state == MR_REGISTERED ? &mr->pin : NULL;
}

static void mr_free(struct vrl_obj *obj)
{
	kfree(to_mr(obj));
}

static const struct vrl_obj_ops mr_ops = {
	.close = mr_close,
	.cancel = vrl_obj_no_op,	/* the device answers soon in any case */
	.lost = vrl_obj_no_op,
	.free = mr_free,
};

/* --- ioctls -------------------------------------------------------------------------- */

static NTSTATUS mr_make(struct vrl_mr *mr)
{
	NDK_PD *pd = mr->obj.file->pd;
	struct vrl_sync *s = vrl_sync_new();

	if (!s)
		return STATUS_INSUFFICIENT_RESOURCES;
	return vrl_sync_wait(s, pd->Dispatch->NdkCreateMr(pd, FALSE,
							  vrl_sync_created, s,
							  &mr->ndk),
			     &mr->ndk);
}

int vrl_ioc_create_mr(struct vrl_file *f, void *arg)
{
	struct vrdma_uapi_create *a = arg;
	struct vrl_mr *mr = kzalloc(sizeof(*mr), GFP_KERNEL_ACCOUNT);

	a->status = STATUS_INSUFFICIENT_RESOURCES;
	if (!mr)
		return 0;
	vrl_obj_init(&mr->obj, f, VRL_MR, &mr_ops);
	INIT_WORK(&mr->work, mr_work);
	INIT_WORK(&mr->close_work, mr_close_work);
	a->status = mr_make(mr);
	if (a->status == STATUS_SUCCESS && !vrl_obj_publish(&mr->obj))
		a->status = STATUS_INSUFFICIENT_RESOURCES;
	if (a->status != STATUS_SUCCESS)
		vrl_obj_close(&mr->obj);
	else
		a->id = mr->obj.id;
	return 0;
}

static NTSTATUS check_register(struct vrl_file *f,
			       const struct vrdma_uapi_register *a)
{
	const u32 known = NDK_MR_FLAG_ALLOW_REMOTE_WRITE |
			  NDK_MR_FLAG_ALLOW_REMOTE_READ |
			  NDK_MR_FLAG_RDMA_READ_SINK |
			  ND_MR_FLAG_DO_NOT_SECURE_VM;
	struct virtio_rdma_config cfg;

	if (a->flags & ~known)
		return STATUS_INVALID_PARAMETER;
	if (!a->length)
		return STATUS_INVALID_BUFFER_SIZE;
	if (!a->address || a->length > U64_MAX - a->address)
		return STATUS_ACCESS_VIOLATION;
	vrdma_adapter_config(f->adapter, &cfg);
	if (a->length > vr_from_le64(cfg.max_mr_size) || a->length > UINTPTR_MAX / 2)
		return STATUS_INVALID_PARAMETER;
	return STATUS_SUCCESS;
}

/* Takes the region for this thread; a reference goes with MR_PINNING */
static NTSTATUS begin_register(struct vrl_file *f, struct vrl_mr **mr_out,
			       const struct vrdma_uapi_register *a)
{
	NTSTATUS status = STATUS_INVALID_HANDLE;
	struct vrl_obj *obj;

	mutex_lock(&f->lock);
	if (!f->adapter || vrdma_adapter_lost(f->adapter)) {
		status = STATUS_DEVICE_REMOVED;
		goto out;
	}
	obj = vrl_obj_find(f, a->id, VRL_MR);
	if (!obj)
		goto out;
	status = check_register(f, a);
	if (status != STATUS_SUCCESS)
		goto out;
	status = STATUS_INVALID_DEVICE_STATE;
	if (!mr_set_state(to_mr(obj), MR_PINNING))
		goto out;
	kref_get(&obj->ref);
	*mr_out = to_mr(obj);
	status = STATUS_SUCCESS;
out:
	mutex_unlock(&f->lock);
	return status;
}

static NTSTATUS finish_register(struct vrl_file *f, struct vrl_mr *mr,
				const struct vrdma_uapi_register *a)
{
	NTSTATUS status = STATUS_CANCELLED;
	struct vrl_req *req;

	mutex_lock(&f->lock);
	if (mr->obj.closed)
		goto out;
	status = STATUS_INSUFFICIENT_RESOURCES;
	req = vrl_req_new(&mr->obj, a->overlapped);
	if (!req)
		goto out;
	mr_set_state(mr, MR_REGISTERING);
	status = mr->ndk->Dispatch->NdkRegisterMr(
		mr->ndk, vrl_pin_mdl(&mr->pin), a->length,
		a->flags & ~ND_MR_FLAG_DO_NOT_SECURE_VM, mr_registered, req);
	if (status == STATUS_SUCCESS) {
		/* the event is what brings the tokens */
		mr_registered(req, status);
		status = STATUS_PENDING;
	} else {
		vrl_req_started(req, status);
	}
out:
	mutex_unlock(&f->lock);
	return status;
}

int vrl_ioc_register(struct vrl_file *f, void *arg)
{
	struct vrdma_uapi_register *a = arg;
	struct vrl_mr *mr;

	if (a->reserved || !a->overlapped)
		return -EINVAL;
	a->status = begin_register(f, &mr, a);
	if (a->status != STATUS_SUCCESS)
		return 0;
	a->status = vrl_pin(f, &mr->pin, a->address, a->length, a->flags);
	if (a->status == STATUS_SUCCESS) {
		a->status = finish_register(f, mr, a);
		if (a->status != STATUS_PENDING)
			vrl_unpin(&mr->pin);
	}
	if (a->status != STATUS_PENDING)
		mr_set_state(mr, MR_IDLE);
	vrl_obj_put(&mr->obj);
	return 0;
}

int vrl_ioc_deregister(struct vrl_file *f, void *arg)
{
	struct vrdma_uapi_request *a = arg;
	struct vrl_obj *obj = vrl_obj_find(f, a->id, VRL_MR);
	struct vrl_req *req;
	NTSTATUS status;
	struct vrl_mr *mr;

	if (!a->overlapped)
		return -EINVAL;
	a->status = STATUS_INVALID_HANDLE;
	if (!obj)
		return 0;
	mr = to_mr(obj);
	a->status = STATUS_INSUFFICIENT_RESOURCES;
	req = vrl_req_new(obj, a->overlapped);
	if (!req)
		return 0;
	a->status = STATUS_INVALID_DEVICE_STATE;
	if (!mr_set_state(mr, MR_DEREGISTERING)) {
		vrl_req_drop(req);
		return 0;
	}
	status = mr->ndk->Dispatch->NdkDeregisterMr(mr->ndk, mr_deregistered,
						    req);
	if (status != STATUS_PENDING)
		mr_deregistered(req, status);
	a->status = STATUS_PENDING;
	return 0;
}
