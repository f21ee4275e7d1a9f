/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-or-later */
/*
 * request.c - requests that end later: each is an IRP
 *
 * DOC: Who ends an IRP
 *
 * The value of "overlapped" is the IRP, marked pending.  From vrl_req_new() on
 * it has a cancel routine.  Whoever takes that away, in vrl_req_complete() or
 * vrl_req_drop(), under the cancel spin lock, may end the IRP; the routine itself
 * only notes the wish and leaves the rest to a work item, because cancelling
 * takes the file's lock.  The work finds the request done, or ends it the way
 * the object's own CANCEL does, but for this request alone.
 *
 * A dropped request's IRP belongs to the dispatcher again.
 */
#include "uconn.h"

struct vrw_req {
	struct vrl_req req;
	struct kref ref;
	struct vrw_handle *handle;	/* reference, or NULL: nobody waits */
	struct list_head node;		/* in handle->requests; slock */
	IRP *irp;			/* slock; NULL: ended, dropped, nobody's */
	struct work_struct cancel;
};

static struct vrw_req *to_wreq(struct vrl_req *req)
{
	return container_of(req, struct vrw_req, req);
}

static void wreq_free(struct kref *ref)
{
	struct vrw_req *w = container_of(ref, struct vrw_req, ref);

	if (w->req.target)
		vrl_obj_put(w->req.target);
	vrl_obj_put(w->req.obj);
	if (w->handle)
		vrw_handle_put(w->handle);
	kfree(w);
}

/* --- cancelling ------------------------------------------------------------- */

static bool is_done(struct vrw_req *w)
{
	struct vrl_file *f = w->req.obj->file;
	bool done;

	spin_lock_irq(&f->slock);
	done = !w->irp;
	spin_unlock_irq(&f->slock);
	return done;
}

/* It waits in a list of its object: take it out, if nobody did before */
static bool unlink_pending(struct vrw_req *w)
{
	struct vrl_file *f = w->req.obj->file;
	bool was;

	spin_lock_irq(&f->slock);
	was = !list_empty(&w->req.node);
	list_del_init(&w->req.node);
	spin_unlock_irq(&f->slock);
	return was;
}

/* file->lock held */
static void cancel_one(struct vrw_req *w)
{
	struct vrl_obj *obj = w->req.obj;

	if (w->req.target) {
		vrl_listener_forget(to_conn(w->req.target));
	} else if (unlink_pending(w)) {
		vrl_req_complete(&w->req, STATUS_CANCELLED);
	} else if (obj->type == VRL_CONNECTOR && !obj->closed &&
		   to_conn(obj)->ndk) {
		/* the request under way takes the connection with it */
		vrdma_connector_cancel(to_conn(obj)->ndk);
	}
}

static void cancel_work(struct work_struct *work)
{
	struct vrw_req *w = container_of(work, struct vrw_req, cancel);
	struct vrl_file *f = w->req.obj->file;

	mutex_lock(&f->lock);
	if (!is_done(w))
		cancel_one(w);
	mutex_unlock(&f->lock);
	kref_put(&w->ref, wreq_free);
}

/* any context; a reference goes with the work */
static void cancel_later(struct vrw_req *w)
{
	kref_get(&w->ref);
	if (!queue_work(vrl_teardown_wq, &w->cancel))
		kref_put(&w->ref, wreq_free);
}

static VOID NTAPI cancel_routine(DEVICE_OBJECT *device, IRP *irp)
{
	struct vrw_req *w = irp->Tail.Overlay.DriverContext[0];

	(void)device;
	cancel_later(w);
	IoReleaseCancelSpinLock(irp->CancelIrql);
}

void vrw_requests_cancel(struct vrw_handle *h)
{
	struct vrl_file *f = h->space->file;
	struct vrw_req *w;
	unsigned long flags;

	spin_lock_irqsave(&f->slock, flags);
	list_for_each_entry(w, &h->requests, node)
		cancel_later(w);
	spin_unlock_irqrestore(&f->slock, flags);
}

/* The IRP is the caller's from here on, if it gets one */
static IRP *take_irp(struct vrw_req *w)
{
	struct vrl_file *f = w->req.obj->file;
	unsigned long flags;
	KIRQL irql;
	IRP *irp;

	spin_lock_irqsave(&f->slock, flags);
	irp = w->irp;
	w->irp = NULL;
	list_del_init(&w->node);
	spin_unlock_irqrestore(&f->slock, flags);
	if (!irp)
		return NULL;
	IoAcquireCancelSpinLock(&irql);
	IoSetCancelRoutine(irp, NULL);
	IoReleaseCancelSpinLock(irql);
	return irp;
}

static void set_cancel_routine(struct vrw_req *w)
{
	IRP *irp = w->irp;
	KIRQL irql;

	irp->Tail.Overlay.DriverContext[0] = w;
	IoAcquireCancelSpinLock(&irql);
	IoSetCancelRoutine(irp, cancel_routine);
	if (irp->Cancel && IoSetCancelRoutine(irp, NULL))
		cancel_later(w);	/* was cancelled before */
	IoReleaseCancelSpinLock(irql);
}

/* --- making ------------------------------------------------------------------- */

static bool take_room(struct vrl_file *f)
{
	bool room;

	spin_lock_irq(&f->slock);
	room = f->requests < VRL_MAX_REQUESTS;
	f->requests += room;
	spin_unlock_irq(&f->slock);
	return room;
}

static void give_room(struct vrl_file *f)
{
	unsigned long flags;

	spin_lock_irqsave(&f->slock, flags);
	f->requests--;
	spin_unlock_irqrestore(&f->slock, flags);
}

static void tie_to_irp(struct vrw_req *w, IRP *irp)
{
	struct vrl_file *f = w->req.obj->file;
	struct vrw_handle *h =
		IoGetCurrentIrpStackLocation(irp)->FileObject->FsContext;

	kref_get(&h->ref);
	w->handle = h;
	w->irp = irp;
	spin_lock_irq(&f->slock);
	list_add_tail(&w->node, &h->requests);
	spin_unlock_irq(&f->slock);
	set_cancel_routine(w);
	if (READ_ONCE(h->clean))
		cancel_later(w);	/* CLEANUP may have missed it */
}

struct vrl_req *vrl_req_new(struct vrl_obj *obj, u64 overlapped)
{
	struct vrl_file *f = obj->file;
	struct vrw_req *w;

	if (!take_room(f))
		return NULL;
	w = kzalloc(sizeof(*w), GFP_KERNEL);
	if (!w) {
		give_room(f);
		return NULL;
	}
	kref_init(&w->ref);
	INIT_LIST_HEAD(&w->req.node);
	INIT_LIST_HEAD(&w->node);
	INIT_WORK(&w->cancel, cancel_work);
	kref_get(&obj->ref);
	w->req.obj = obj;
	if (overlapped != VRW_NO_IRP)
		tie_to_irp(w, (IRP *)(ULONG_PTR)overlapped);
	return &w->req;
}

/* --- ending --------------------------------------------------------------------- */

void vrl_req_drop(struct vrl_req *req)
{
	struct vrw_req *w = to_wreq(req);

	take_irp(w);
	give_room(req->obj->file);
	kref_put(&w->ref, wreq_free);
}

void vrl_req_complete(struct vrl_req *req, NTSTATUS status)
{
	struct vrw_req *w = to_wreq(req);
	IRP *irp = take_irp(w);

	give_room(req->obj->file);
	kref_put(&w->ref, wreq_free);
	if (irp)
		vrw_irp_end(irp, status, 0);
}
