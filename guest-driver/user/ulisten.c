// SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-or-later
/*
 * ulisten.c - listeners of a process
 *
 * DOC: NDK pushes, NDSPI pulls
 *
 * NDK hands over a connector for each request as it comes; a process asks for
 * the next one and brings the connector to put it in.  Whichever comes first
 * waits here: GET_REQUESTs in obj.pending, arrived requests in the queue, never
 * both.  What exceeds the back log, or is left when the listener goes, is
 * closed, which the peer sees as a rejection.
 */
#include <linux/slab.h>

#include "uconn.h"

#define DEFAULT_BACKLOG		128	/* NDSPI's 0, and the most of any other */

struct arrival {
	struct list_head node;
	NDK_CONNECTOR *ndk;
};

struct vrl_listener {
	struct vrl_obj obj;		/* pending: GET_REQUESTs */
	NDK_LISTENER *ndk;		/* file->lock */
	bool listening;			/* file->lock */
	struct vrdma_uapi_sockaddr bound; /* file->lock */
	/* under slock */
	struct list_head queue;		/* struct arrival */
	u32 queued;
	u32 backlog;
	bool closing;
};

static struct vrl_listener *to_listener(struct vrl_obj *obj)
{
	return container_of(obj, struct vrl_listener, obj);
}

struct vrdma_uapi_sockaddr *vrl_listener_bound(struct vrl_obj *obj)
{
	return &to_listener(obj)->bound;
}

/* slock held: the oldest GET_REQUEST takes this connector */
static struct vrl_req *match(struct vrl_listener *l, NDK_CONNECTOR *ndk)
{
	struct vrl_req *req = list_first_entry_or_null(&l->obj.pending,
						       struct vrl_req, node);
	struct vrl_conn *c;

	if (!req)
		return NULL;
	list_del_init(&req->node);
	c = to_conn(req->target);
	c->ndk = ndk;
	c->request = NULL;
	return req;
}

/* slock held: keep it for a later GET_REQUEST */
static bool enqueue(struct vrl_listener *l, struct arrival *a)
{
	if (l->closing || l->queued >= l->backlog)
		return false;
	list_add_tail(&a->node, &l->queue);
	l->queued++;
	return true;
}

static void connect_event(void *ctx, NDK_CONNECTOR *ndk)
{
	struct vrl_listener *l = ctx;
	struct arrival *a = kmalloc(sizeof(*a), GFP_ATOMIC);
	struct vrl_req *req;
	unsigned long flags;
	bool kept = false;

	spin_lock_irqsave(&l->obj.file->slock, flags);
	req = match(l, ndk);
	if (!req && a) {
		a->ndk = ndk;
		kept = enqueue(l, a);
	}
	spin_unlock_irqrestore(&l->obj.file->slock, flags);
	if (!kept)
		kfree(a);
	if (req)
		vrl_req_complete(req, STATUS_SUCCESS);
	else if (!kept)
		vrl_ndk_discard(ndk);
}

static struct arrival *dequeue(struct vrl_listener *l)
{
	struct arrival *a;
	unsigned long flags;

	spin_lock_irqsave(&l->obj.file->slock, flags);
	a = list_first_entry_or_null(&l->queue, struct arrival, node);
	if (a) {
		list_del(&a->node);
		l->queued--;
	}
	spin_unlock_irqrestore(&l->obj.file->slock, flags);
	return a;
}

/* --- object ---------------------------------------------------------------------- */

static void end_requests(struct vrl_listener *l, NTSTATUS status)
{
	struct vrl_file *f = l->obj.file;
	struct vrl_req *req;

	spin_lock_irq(&f->slock);
	list_for_each_entry(req, &l->obj.pending, node)
		to_conn(req->target)->request = NULL;
	spin_unlock_irq(&f->slock);
	vrl_req_complete_all(&l->obj, status);
}

static void listener_close(struct vrl_obj *obj)
{
	struct vrl_listener *l = to_listener(obj);
	struct arrival *a;

	spin_lock_irq(&obj->file->slock);
	l->closing = true;
	spin_unlock_irq(&obj->file->slock);
	end_requests(l, STATUS_CANCELLED);
	while ((a = dequeue(l))) {
		vrl_ndk_discard(a->ndk);
		kfree(a);
	}
	vrl_obj_close_ndk(obj, l->ndk);
}

static void listener_cancel(struct vrl_obj *obj)
{
	end_requests(to_listener(obj), STATUS_CANCELLED);
}

static void listener_lost(struct vrl_obj *obj)
{
	end_requests(to_listener(obj), STATUS_DEVICE_REMOVED);
}

static void listener_free(struct vrl_obj *obj)
{
	kfree(to_listener(obj));
}

static const struct vrl_obj_ops listener_ops = {
	.close = listener_close,
	.cancel = listener_cancel,
	.lost = listener_lost,
	.free = listener_free,
};

void vrl_listener_forget(struct vrl_conn *c)
{
	struct vrl_file *f = c->obj.file;
	struct vrl_req *req;

	spin_lock_irq(&f->slock);
	req = c->request;
	c->request = NULL;
	if (req)
		list_del_init(&req->node);
	spin_unlock_irq(&f->slock);
	if (req)
		vrl_req_complete(req, STATUS_CANCELLED);
}

/* --- ioctls -------------------------------------------------------------------------- */

static NTSTATUS listener_make(struct vrl_listener *l)
{
	NDK_ADAPTER *adapter = l->obj.file->adapter;
	struct vrl_sync *s = vrl_sync_new();

	if (!s)
		return STATUS_INSUFFICIENT_RESOURCES;
	return vrl_sync_wait(s, adapter->Dispatch->NdkCreateListener(
					adapter, connect_event, l,
					vrl_sync_created, s, &l->ndk),
			     &l->ndk);
}

int vrl_ioc_create_listener(struct vrl_file *f, void *arg)
{
	struct vrdma_uapi_create *a = arg;
	struct vrl_listener *l = kzalloc(sizeof(*l), GFP_KERNEL_ACCOUNT);

	a->status = STATUS_INSUFFICIENT_RESOURCES;
	if (!l)
		return 0;
	vrl_obj_init(&l->obj, f, VRL_LISTENER, &listener_ops);
	INIT_LIST_HEAD(&l->queue);
	a->status = listener_make(l);
	if (a->status == STATUS_SUCCESS && !vrl_obj_publish(&l->obj))
		a->status = STATUS_INSUFFICIENT_RESOURCES;
	if (a->status != STATUS_SUCCESS)
		vrl_obj_close(&l->obj);
	else
		a->id = l->obj.id;
	return 0;
}

static NTSTATUS start_listen(struct vrl_listener *l, u32 backlog)
{
	union vrl_sockaddr sa;
	ULONG len = vrl_addr_to_ndk(&l->bound, &sa);
	struct vrl_sync *s = vrl_sync_new();

	if (!s)
		return STATUS_INSUFFICIENT_RESOURCES;
	/* requests may arrive before the call returns */
	l->backlog = backlog ? min_t(u32, backlog, DEFAULT_BACKLOG) :
			       DEFAULT_BACKLOG;
	return vrl_sync_wait(s, vrdma_listen_ex(l->ndk, &sa.sa, len, backlog,
						vrl_sync_done, s),
			     NULL);
}

int vrl_ioc_listen(struct vrl_file *f, void *arg)
{
	struct vrdma_uapi_bind *a = arg;
	struct vrl_obj *obj = vrl_obj_find(f, a->id, VRL_LISTENER);
	struct vrl_listener *l;
	union vrl_sockaddr sa;
	ULONG len = sizeof(sa);

	if (a->reserved)
		return -EINVAL;
	a->status = STATUS_INVALID_HANDLE;
	if (!obj)
		return 0;
	l = to_listener(obj);
	if (l->bound.family == VIRTIO_RDMA_AF_NONE)
		a->status = STATUS_ADDRESS_NOT_ASSOCIATED;
	else if (l->listening)
		a->status = STATUS_INVALID_DEVICE_STATE;
	else
		a->status = start_listen(l, a->backlog);
	if (a->status != STATUS_SUCCESS)
		return 0;
	l->listening = true;
	if (l->ndk->Dispatch->NdkGetLocalAddress(l->ndk, &sa.sa, &len) ==
	    STATUS_SUCCESS)
		vrl_addr_from_ndk(&sa, len, &l->bound);
	a->addr = l->bound;
	return 0;
}

/* Queue the request, or take what waits already.  Both under one slock, or an
 * arrival in between would wait for the next GET_REQUEST. */
static void pull(struct vrl_listener *l, struct vrl_conn *c, struct vrl_req *req)
{
	struct vrl_file *f = l->obj.file;
	struct arrival *a;

	spin_lock_irq(&f->slock);
	a = list_first_entry_or_null(&l->queue, struct arrival, node);
	if (a) {
		list_del(&a->node);
		l->queued--;
		c->ndk = a->ndk;
	} else {
		c->request = req;
		list_add_tail(&req->node, &l->obj.pending);
	}
	spin_unlock_irq(&f->slock);
	if (!a)
		return;
	kfree(a);
	vrl_req_complete(req, STATUS_SUCCESS);
}

int vrl_ioc_get_request(struct vrl_file *f, void *arg)
{
	struct vrdma_uapi_get_request *a = arg;
	struct vrl_obj *l = vrl_obj_find(f, a->listener, VRL_LISTENER);
	struct vrl_obj *c = vrl_obj_find(f, a->connector, VRL_CONNECTOR);
	struct vrl_req *req;

	if (a->reserved || !a->overlapped)
		return -EINVAL;
	a->status = STATUS_INVALID_HANDLE;
	if (!l || !c)
		return 0;
	a->status = STATUS_INVALID_DEVICE_STATE;
	if (!to_listener(l)->listening || to_conn(c)->ndk ||
	    to_conn(c)->request)
		return 0;
	a->status = STATUS_INSUFFICIENT_RESOURCES;
	req = vrl_req_new(l, a->overlapped);
	if (!req)
		return 0;
	kref_get(&c->ref);
	req->target = c;
	a->status = STATUS_PENDING;
	pull(to_listener(l), to_conn(c), req);
	return 0;
}
