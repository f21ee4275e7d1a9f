// SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-or-later
/*
 * uconn.c - connectors of a process
 *
 * DOC: NDSPI on top of NDK
 *
 * The connection machine is the core's.  Here is only what NDSPI has and NDK
 * does not: NotifyDisconnect, which waits for the indication as a request that
 * may be made, and cancelled, any number of times; Bind; a connector that is
 * made before the request it is to take.  The state below exists for
 * NotifyDisconnect alone.
 *
 *	state	NotifyDisconnect says
 *	NEW	CONNECTION_INVALID: never connected
 *	OPENING	pends (a consumer may call it without waiting for its
 *		CompleteConnect); CONNECTION_INVALID when that fails
 *	UP	pends; SUCCESS when the indication came already
 *	CLOSING	CONNECTION_DISCONNECTED: this side called Disconnect
 *	OVER	the same, or CONNECTION_INVALID when it never was UP
 */
#include <linux/slab.h>

#include "uconn.h"

/* which state may follow which */
static const u8 conn_next[] = {
	[CONN_NEW] = BIT(CONN_OPENING) | BIT(CONN_OVER),
	[CONN_OPENING] = BIT(CONN_UP) | BIT(CONN_CLOSING) | BIT(CONN_OVER) |
			 BIT(CONN_NEW),
	[CONN_UP] = BIT(CONN_CLOSING) | BIT(CONN_OVER),
	[CONN_CLOSING] = BIT(CONN_OVER),
	[CONN_OVER] = 0,
};

/* The only writer of c->state.  false: not from where it stands */
static bool set_state(struct vrl_conn *c, enum conn_state next)
{
	lockdep_assert_held(&c->obj.file->slock);
	if (!(conn_next[c->state] & BIT(next)))
		return false;
	c->state = next;
	c->was_up |= next == CONN_UP;
	return true;
}

static bool set_state_unlocked(struct vrl_conn *c, enum conn_state next)
{
	unsigned long flags;
	bool ok;

	spin_lock_irqsave(&c->obj.file->slock, flags);
	ok = set_state(c, next);
	spin_unlock_irqrestore(&c->obj.file->slock, flags);
	return ok;
}

/* --- callbacks -------------------------------------------------------------------- */

static void disconnect_event(void *ctx, ULONG reason)
{
	struct vrl_conn *c = ctx;
	unsigned long flags;

	spin_lock_irqsave(&c->obj.file->slock, flags);
	c->indicated = true;
	c->reason = reason;
	spin_unlock_irqrestore(&c->obj.file->slock, flags);
	vrl_req_complete_all(&c->obj, STATUS_SUCCESS);
}

/* CompleteConnect or Accept ended */
static void opened(void *ctx, NTSTATUS status)
{
	struct vrl_req *req = ctx;
	struct vrl_conn *c = to_conn(req->obj);

	if (status == STATUS_SUCCESS) {
		set_state_unlocked(c, CONN_UP);
	} else {
		set_state_unlocked(c, CONN_OVER);
		vrl_req_complete_all(&c->obj, STATUS_CONNECTION_INVALID);
	}
	vrl_req_complete(req, status);
}

static void disconnected(void *ctx, NTSTATUS status)
{
	struct vrl_req *req = ctx;

	set_state_unlocked(to_conn(req->obj), CONN_OVER);
	vrl_req_complete(req, status);
}

/* --- object --------------------------------------------------------------------------- */

static void conn_close(struct vrl_obj *obj)
{
	struct vrl_conn *c = to_conn(obj);

	vrl_listener_forget(c);
	vrl_req_complete_all(obj, STATUS_CANCELLED);
	vrl_obj_close_ndk(obj, c->ndk);
}

/* NotifyDisconnect is cancelled without a trace; the rest ends the connection */
static void conn_cancel(struct vrl_obj *obj)
{
	struct vrl_conn *c = to_conn(obj);

	vrl_req_complete_all(obj, STATUS_CANCELLED);
	if (c->ndk)
		vrdma_connector_cancel(c->ndk);
}

/* The core indicated what was connected; a Notify may have come a moment later */
static void conn_lost(struct vrl_obj *obj)
{
	vrl_req_complete_all(obj, STATUS_DEVICE_REMOVED);
}

static void conn_free(struct vrl_obj *obj)
{
	kfree(to_conn(obj));
}

static const struct vrl_obj_ops conn_ops = {
	.close = conn_close,
	.cancel = conn_cancel,
	.lost = conn_lost,
	.free = conn_free,
};

int vrl_ioc_create_connector(struct vrl_file *f, void *arg)
{
	struct vrdma_uapi_create *a = arg;
	struct vrl_conn *c = kzalloc(sizeof(*c), GFP_KERNEL_ACCOUNT);

	a->status = STATUS_INSUFFICIENT_RESOURCES;
	if (!c)
		return 0;
	vrl_obj_init(&c->obj, f, VRL_CONNECTOR, &conn_ops);
	if (!vrl_obj_publish(&c->obj)) {
		vrl_obj_close(&c->obj);
		return 0;
	}
	a->id = c->obj.id;
	a->status = STATUS_SUCCESS;
	return 0;
}

/* The NDK object of an active connector is made when it is first needed: one
 * that takes an incoming request gets it from there */
static NTSTATUS make_ndk(struct vrl_conn *c)
{
	NDK_ADAPTER *adapter = c->obj.file->adapter;
	struct vrl_sync *s;

	if (c->ndk)
		return STATUS_SUCCESS;
	if (c->request)
		return STATUS_INVALID_DEVICE_STATE;	/* waits for a request */
	s = vrl_sync_new();
	if (!s)
		return STATUS_INSUFFICIENT_RESOURCES;
	return vrl_sync_wait(s, adapter->Dispatch->NdkCreateConnector(
					adapter, vrl_sync_created, s, &c->ndk),
			     &c->ndk);
}

/* --- ioctls ------------------------------------------------------------------------------ */

/* 0 and the two objects, or a status in *status */
static bool find_conn_qp(struct vrl_file *f, const struct vrdma_uapi_connect *a,
			 struct vrl_conn **c, NDK_QP **qp)
{
	struct vrl_obj *obj = vrl_obj_find(f, a->id, VRL_CONNECTOR);
	struct vrl_obj *q = vrl_obj_find(f, a->qp, VRL_QP);

	if (!obj || !q)
		return false;
	*c = to_conn(obj);
	*qp = vrl_qp_ndk(q);
	return true;
}

static NTSTATUS start_connect(struct vrl_conn *c, NDK_QP *qp,
			      const struct vrdma_uapi_connect *a)
{
	union vrl_sockaddr src, dst;
	ULONG src_len = vrl_addr_to_ndk(&c->bound, &src);
	ULONG dst_len = vrl_addr_to_ndk(&a->addr, &dst);
	struct vrl_req *req;
	NTSTATUS status = make_ndk(c);

	if (status != STATUS_SUCCESS)
		return status;
	req = vrl_req_new(&c->obj, a->overlapped);
	if (!req)
		return STATUS_INSUFFICIENT_RESOURCES;
	status = c->ndk->Dispatch->NdkConnect(
		c->ndk, qp, src_len ? &src.sa : NULL, src_len, &dst.sa, dst_len,
		a->inbound_reads, a->outbound_reads,
		a->priv.length ? a->priv.data : NULL, a->priv.length,
		vrl_req_done, req);
	return vrl_req_started(req, status);
}

int vrl_ioc_connect(struct vrl_file *f, void *arg)
{
	struct vrdma_uapi_connect *a = arg;
	struct vrl_conn *c;
	NDK_QP *qp;

	if (!a->overlapped || a->reserved || !vrl_private_valid(&a->priv) ||
	    !vrl_addr_valid(&a->addr, false))
		return -EINVAL;
	a->status = find_conn_qp(f, a, &c, &qp) ? start_connect(c, qp, a) :
						  STATUS_INVALID_HANDLE;
	return 0;
}

/* A request of one that has begun to connect, or NULL and why in *status */
static struct vrl_req *conn_request(struct vrl_conn *c, u64 overlapped,
				    u32 *status)
{
	*status = STATUS_CONNECTION_INVALID;
	if (!c->ndk)
		return NULL;
	*status = STATUS_INSUFFICIENT_RESOURCES;
	return vrl_req_new(&c->obj, overlapped);
}

/* The same where it is all that the call says */
static struct vrl_req *plain_request(struct vrl_file *f,
				     struct vrdma_uapi_request *a)
{
	struct vrl_obj *obj = vrl_obj_find(f, a->id, VRL_CONNECTOR);

	a->status = STATUS_INVALID_HANDLE;
	return obj ? conn_request(to_conn(obj), a->overlapped, &a->status) :
		     NULL;
}

/*
 * CompleteConnect and Accept: OPENING is set before the call, since its
 * completion may come at once.  A call that does not start takes it back,
 * unless the state was not NEW: then it was not touched.
 */
static NTSTATUS end_opening(struct vrl_conn *c, struct vrl_req *req,
			    bool opening, NTSTATUS status)
{
	if (status == STATUS_SUCCESS)
		set_state_unlocked(c, CONN_UP);
	else if (status != STATUS_PENDING && opening)
		set_state_unlocked(c, CONN_NEW);
	return vrl_req_started(req, status);
}

int vrl_ioc_complete_connect(struct vrl_file *f, void *arg)
{
	struct vrdma_uapi_request *a = arg;
	struct vrl_conn *c;
	struct vrl_req *req;
	bool opening;

	if (!a->overlapped)
		return -EINVAL;
	req = plain_request(f, a);
	if (!req)
		return 0;
	c = to_conn(req->obj);
	opening = set_state_unlocked(c, CONN_OPENING);
	a->status = end_opening(c, req, opening,
				c->ndk->Dispatch->NdkCompleteConnectEx(
					c->ndk, disconnect_event, c, opened,
					req));
	return 0;
}

int vrl_ioc_accept(struct vrl_file *f, void *arg)
{
	struct vrdma_uapi_connect *a = arg;
	struct vrl_conn *c;
	struct vrl_req *req;
	NDK_QP *qp;
	bool opening;

	if (!a->overlapped || a->reserved || !vrl_private_valid(&a->priv))
		return -EINVAL;
	a->status = STATUS_INVALID_HANDLE;
	if (!find_conn_qp(f, a, &c, &qp))
		return 0;
	req = conn_request(c, a->overlapped, &a->status);
	if (!req)
		return 0;
	opening = set_state_unlocked(c, CONN_OPENING);
	a->status = end_opening(c, req, opening,
				c->ndk->Dispatch->NdkAcceptEx(
					c->ndk, qp, a->inbound_reads,
					a->outbound_reads,
					a->priv.length ? a->priv.data : NULL,
					a->priv.length, disconnect_event, c,
					opened, req));
	return 0;
}

int vrl_ioc_reject(struct vrl_file *f, void *arg)
{
	struct vrdma_uapi_reject *a = arg;
	struct vrl_obj *obj = vrl_obj_find(f, a->id, VRL_CONNECTOR);
	struct vrl_conn *c;

	if (!vrl_private_valid(&a->priv))
		return -EINVAL;
	a->status = STATUS_INVALID_HANDLE;
	if (!obj)
		return 0;
	c = to_conn(obj);
	a->status = !c->ndk ? STATUS_CONNECTION_INVALID :
			      c->ndk->Dispatch->NdkReject(
				      c->ndk,
				      a->priv.length ? a->priv.data : NULL,
				      a->priv.length);
	return 0;
}

static void get_addresses(struct vrl_conn *c, struct vrdma_uapi_connection *a)
{
	union vrl_sockaddr sa;
	ULONG len = sizeof(sa);

	if (c->ndk && c->ndk->Dispatch->NdkGetLocalAddress(
			      c->ndk, &sa.sa, &len) == STATUS_SUCCESS &&
	    vrl_addr_from_ndk(&sa, len, &a->local)) {
		a->valid |= VRDMA_CONN_LOCAL;
	} else if (c->bound.family != VIRTIO_RDMA_AF_NONE) {
		a->local = c->bound;
		a->valid |= VRDMA_CONN_LOCAL;
	}
	len = sizeof(sa);
	if (c->ndk && c->ndk->Dispatch->NdkGetPeerAddress(
			      c->ndk, &sa.sa, &len) == STATUS_SUCCESS &&
	    vrl_addr_from_ndk(&sa, len, &a->peer))
		a->valid |= VRDMA_CONN_PEER;
}

int vrl_ioc_get_connection(struct vrl_file *f, void *arg)
{
	struct vrdma_uapi_connection *a = arg;
	struct vrl_obj *obj = vrl_obj_find(f, a->id, VRL_CONNECTOR);
	ULONG in, out, len = sizeof(a->priv.data);
	u32 id = a->id;
	struct vrl_conn *c;

	memset(a, 0, sizeof(*a));
	a->id = id;
	a->status = STATUS_INVALID_HANDLE;
	if (!obj)
		return 0;
	c = to_conn(obj);
	a->status = STATUS_SUCCESS;
	a->reason = READ_ONCE(c->reason);
	get_addresses(c, a);
	if (!c->ndk || c->ndk->Dispatch->NdkGetConnectionData(
			       c->ndk, &in, &out, a->priv.data, &len) !=
			       STATUS_SUCCESS)
		return 0;
	a->inbound_reads = in;
	a->outbound_reads = out;
	a->priv.length = len;
	a->valid |= VRDMA_CONN_DATA;
	return 0;
}

/* slock held.  PENDING: to be queued */
static NTSTATUS notify_status(struct vrl_obj *obj)
{
	const struct vrl_conn *c = to_conn(obj);

	switch (c->state) {
	case CONN_OPENING:
	case CONN_UP:
		return c->indicated ? STATUS_SUCCESS : STATUS_PENDING;
	case CONN_CLOSING:
		return STATUS_CONNECTION_DISCONNECTED;
	case CONN_OVER:
		return c->was_up ? STATUS_CONNECTION_DISCONNECTED :
				   STATUS_CONNECTION_INVALID;
	default:
		return STATUS_CONNECTION_INVALID;
	}
}

int vrl_ioc_notify_disconnect(struct vrl_file *f, void *arg)
{
	return vrl_req_wait(f, arg, VRL_CONNECTOR, notify_status);
}

/*
 * A Disconnect that began, or ended at once, ends the waiting NotifyDisconnects
 * as Microsoft's filter does.  An indication that arrives in between completes
 * them with success instead: D6 allows it.
 */
int vrl_ioc_disconnect(struct vrl_file *f, void *arg)
{
	struct vrdma_uapi_request *a = arg;
	struct vrl_conn *c;
	struct vrl_req *req;
	NTSTATUS status;

	if (!a->overlapped)
		return -EINVAL;
	req = plain_request(f, a);
	if (!req)
		return 0;
	c = to_conn(req->obj);
	status = c->ndk->Dispatch->NdkDisconnect(c->ndk, disconnected, req);
	if (status == STATUS_PENDING)
		set_state_unlocked(c, CONN_CLOSING);
	else if (status == STATUS_SUCCESS || status == STATUS_IO_TIMEOUT)
		set_state_unlocked(c, CONN_OVER);
	if (status == STATUS_PENDING || status == STATUS_SUCCESS ||
	    status == STATUS_IO_TIMEOUT)
		vrl_req_complete_all(&c->obj, STATUS_CONNECTION_DISCONNECTED);
	a->status = vrl_req_started(req, status);
	return 0;
}

/* --- bind, of a connector and of a listener ------------------------------------------------ */

/* Port and conflicts are decided where the address is used; that it is one of
 * ours is known now */
static bool is_local(struct vrl_file *f, const struct vrdma_uapi_sockaddr *want)
{
	static const u8 any[16];
	struct virtio_rdma_addr a[VIRTIO_RDMA_MAX_ADDRESSES];
	u32 i, n = vrdma_core_addresses(f->dev->core, a, ARRAY_SIZE(a));

	if (!memcmp(want->ip, any, sizeof(any)))
		return true;
	for (i = 0; i < n && i < ARRAY_SIZE(a); i++)
		if (a[i].family == want->family &&
		    !memcmp(a[i].ip, want->ip, sizeof(a[i].ip)))
			return true;
	return false;
}

int vrl_ioc_bind(struct vrl_file *f, void *arg)
{
	struct vrdma_uapi_bind *a = arg;
	struct vrl_obj *obj = vrl_obj_find(f, a->id, 0);
	struct vrdma_uapi_sockaddr *bound;

	if (a->reserved || !vrl_addr_valid(&a->addr, false))
		return -EINVAL;
	a->status = STATUS_INVALID_HANDLE;
	if (!obj || (obj->type != VRL_CONNECTOR && obj->type != VRL_LISTENER))
		return 0;
	if (a->addr.family == VIRTIO_RDMA_AF_INET)
		memset(a->addr.ip + 4, 0, sizeof(a->addr.ip) - 4);
	bound = obj->type == VRL_CONNECTOR ? &to_conn(obj)->bound :
					     vrl_listener_bound(obj);
	if (bound->family != VIRTIO_RDMA_AF_NONE)
		a->status = STATUS_ADDRESS_ALREADY_ASSOCIATED;
	else if (!is_local(f, &a->addr))
		a->status = STATUS_INVALID_ADDRESS;
	else
		a->status = STATUS_SUCCESS;
	if (a->status == STATUS_SUCCESS)
		*bound = a->addr;
	return 0;
}
