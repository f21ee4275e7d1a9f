// SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-or-later
/*
 * request.c - requests that end later, and the events that say so
 *
 * DOC: A request is allocated when it is made and becomes its own event, so
 * that completing never needs memory and each request ends exactly once.
 */
#include <linux/poll.h>
#include <linux/slab.h>
#include <linux/uaccess.h>

#include "vrlf.h"

struct vrl_req *vrl_req_new(struct vrl_obj *obj, u64 overlapped)
{
	struct vrl_file *f = obj->file;
	struct vrl_req *req;
	bool room;

	spin_lock_irq(&f->slock);
	room = f->requests < VRL_MAX_REQUESTS;
	f->requests += room;
	spin_unlock_irq(&f->slock);
	if (!room)
		return NULL;
	req = kzalloc(sizeof(*req), GFP_KERNEL_ACCOUNT);
	if (!req) {
		spin_lock_irq(&f->slock);
		f->requests--;
		spin_unlock_irq(&f->slock);
		return NULL;
	}
	INIT_LIST_HEAD(&req->node);
	kref_get(&obj->ref);
	req->obj = obj;
	req->event.overlapped = overlapped;
	req->event.id = obj->id;
	req->event.status = STATUS_PENDING;
	return req;
}

/* Let go of what the request holds.  The file outlives this: the caller has a
 * reference of its own, or holds one by the object it works on. */
static void req_put_objects(struct vrl_req *req)
{
	if (req->target)
		vrl_obj_put(req->target);
	vrl_obj_put(req->obj);
}

void vrl_req_drop(struct vrl_req *req)
{
	struct vrl_file *f = req->obj->file;
	unsigned long flags;

	spin_lock_irqsave(&f->slock, flags);
	f->requests--;
	spin_unlock_irqrestore(&f->slock, flags);
	req_put_objects(req);
	kfree(req);
}

/*
 * The event keeps its request's objects until it is read: dropping them here
 * could free the file whose lock is held.
 */
static void complete_locked(struct vrl_req *req, NTSTATUS status)
{
	struct vrl_file *f = req->obj->file;

	lockdep_assert_held(&f->slock);
	req->event.status = status;
	list_move_tail(&req->node, &f->events);
	wake_up_poll(&f->wait, EPOLLIN | EPOLLRDNORM);
}

void vrl_req_complete(struct vrl_req *req, NTSTATUS status)
{
	struct vrl_file *f = req->obj->file;
	unsigned long flags;
	bool dead;

	spin_lock_irqsave(&f->slock, flags);
	dead = f->dead;
	if (!dead)
		complete_locked(req, status);
	else
		list_del_init(&req->node);
	spin_unlock_irqrestore(&f->slock, flags);
	if (dead)
		vrl_req_drop(req);
}

/* --- events to the process ------------------------------------------------------- */

bool vrl_events_wait(struct vrl_file *f)
{
	bool any;

	spin_lock_irq(&f->slock);
	any = !list_empty(&f->events);
	spin_unlock_irq(&f->slock);
	return any;
}

static struct vrl_req *take_event(struct vrl_file *f)
{
	struct vrl_req *req;

	spin_lock_irq(&f->slock);
	req = list_first_entry_or_null(&f->events, struct vrl_req, node);
	if (req)
		list_del_init(&req->node);
	spin_unlock_irq(&f->slock);
	return req;
}

static void untake_event(struct vrl_file *f, struct vrl_req *req)
{
	spin_lock_irq(&f->slock);
	list_add(&req->node, &f->events);
	spin_unlock_irq(&f->slock);
}

ssize_t vrl_events_read(struct vrl_file *f, char __user *buf, size_t count,
			bool nonblock)
{
	size_t done = 0;
	struct vrl_req *req;
	int err;

	if (count < sizeof(req->event))
		return -EINVAL;
	while (count - done >= sizeof(req->event)) {
		req = take_event(f);
		if (req) {
			if (copy_to_user(buf + done, &req->event,
					 sizeof(req->event))) {
				untake_event(f, req);
				return done ?: -EFAULT;
			}
			done += sizeof(req->event);
			vrl_req_drop(req);
			continue;
		}
		if (done)
			break;
		if (nonblock)
			return -EAGAIN;
		err = wait_event_interruptible(f->wait, vrl_events_wait(f));
		if (err)
			return err;
	}
	return done;
}
