// SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-or-later
/*
 * pending.c - requests that wait at their object, and how a request began
 *
 * DOC: What a request is, and how its end reaches the process, is the kernel's
 * shell's (request.c there).
 */
#include "vrlf.h"

NTSTATUS vrl_req_started(struct vrl_req *req, NTSTATUS status)
{
	if (status != STATUS_PENDING)
		vrl_req_drop(req);
	return status;
}

void vrl_req_done(void *req, NTSTATUS status)
{
	vrl_req_complete(req, status);
}

int vrl_req_wait(struct vrl_file *f, struct vrdma_uapi_request *a,
		 enum vrl_type type, NTSTATUS (*status)(struct vrl_obj *obj))
{
	struct vrl_obj *obj = vrl_obj_find(f, a->id, type);
	struct vrl_req *req;

	if (!a->overlapped)
		return -EINVAL;
	a->status = STATUS_INVALID_HANDLE;
	if (!obj)
		return 0;
	a->status = STATUS_INSUFFICIENT_RESOURCES;
	req = vrl_req_new(obj, a->overlapped);
	if (!req)
		return 0;
	spin_lock_irq(&f->slock);
	a->status = status(obj);
	if (a->status == STATUS_PENDING)
		list_add_tail(&req->node, &obj->pending);
	spin_unlock_irq(&f->slock);
	/* once queued it may have ended already: only the other case drops it */
	if (a->status != STATUS_PENDING)
		vrl_req_drop(req);
	return 0;
}

static struct vrl_req *take_pending(struct vrl_obj *obj)
{
	struct vrl_file *f = obj->file;
	struct vrl_req *req;
	unsigned long flags;

	spin_lock_irqsave(&f->slock, flags);
	req = list_first_entry_or_null(&obj->pending, struct vrl_req, node);
	if (req)
		list_del_init(&req->node);
	spin_unlock_irqrestore(&f->slock, flags);
	return req;
}

void vrl_req_complete_all(struct vrl_obj *obj, NTSTATUS status)
{
	struct vrl_req *req;

	while ((req = take_pending(obj)))
		vrl_req_complete(req, status);
}
