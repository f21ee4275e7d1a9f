/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-or-later */
/*
 * listener.c - IND2Listener
 *
 * The kernel interface binds and listens in one call, NetworkDirect in two:
 * Bind keeps the address, Listen hands it over.
 */
#include <stdlib.h>

#include "nd_int.h"

struct listener {
	struct nd_owner own;
	/* file->lock */
	struct vrdma_uapi_sockaddr addr;
	bool bound;
	bool listening;
};

ND_OVERLAPPED_IMPL(listener, IND2Listener)

static struct listener *self_listener(IND2Listener *self)
{
	return (struct listener *)self;
}

static HRESULT listener_Bind(IND2Listener *self, const struct sockaddr *addr,
			     ULONG cb)
{
	struct listener *l = self_listener(self);
	struct vrdma_uapi_bind arg = { .id = l->own.id };
	HRESULT hr = nd_addr_from_sockaddr(&arg.addr, addr, cb);

	if (hr == ND_SUCCESS)
		hr = nd_call(l->own.file, VRDMA_IOC_BIND, &arg);
	if (hr != ND_SUCCESS)
		return hr;
	pthread_mutex_lock(&l->own.file->lock);
	l->addr = arg.addr;
	l->bound = true;
	pthread_mutex_unlock(&l->own.file->lock);
	return ND_SUCCESS;
}

static HRESULT listener_Listen(IND2Listener *self, ULONG backlog)
{
	struct listener *l = self_listener(self);
	struct nd_file *file = l->own.file;
	struct vrdma_uapi_bind arg = { .id = l->own.id,
				       .backlog = backlog };
	HRESULT hr = ND_SUCCESS;

	pthread_mutex_lock(&file->lock);
	if (!l->bound || l->listening)
		hr = ND_INVALID_DEVICE_STATE;
	arg.addr = l->addr;
	pthread_mutex_unlock(&file->lock);
	if (hr == ND_SUCCESS)
		hr = nd_call(file, VRDMA_IOC_LISTEN, &arg);
	if (hr != ND_SUCCESS)
		return hr;
	pthread_mutex_lock(&file->lock);
	l->addr = arg.addr;
	l->listening = true;
	pthread_mutex_unlock(&file->lock);
	return ND_SUCCESS;
}

static HRESULT listener_GetLocalAddress(IND2Listener *self,
					struct sockaddr *addr, ULONG *cb)
{
	struct listener *l = self_listener(self);
	struct vrdma_uapi_sockaddr a;
	bool listening;

	pthread_mutex_lock(&l->own.file->lock);
	listening = l->listening;
	a = l->addr;
	pthread_mutex_unlock(&l->own.file->lock);
	return listening ? nd_addr_copy_out(&a, addr, cb) :
			   ND_INVALID_DEVICE_STATE;
}

static HRESULT listener_GetConnectionRequest(IND2Listener *self,
					     IUnknown *connector,
					     OVERLAPPED *ov)
{
	struct listener *l = self_listener(self);
	struct nd_owner *c = nd_owner_cast(connector, &nd_connector_class,
					   l->own.file);
	struct vrdma_uapi_get_request arg = { .listener = l->own.id };

	if (!c)
		return ND_INVALID_PARAMETER_1;
	if (!ov)
		return ND_INVALID_PARAMETER_2;
	arg.connector = c->id;
	return nd_start(&l->own, VRDMA_IOC_GET_REQUEST, &arg,
			&arg.overlapped, ov, NULL);
}

static const IND2ListenerVtbl listener_vtbl = {
	ND_OVERLAPPED_SLOTS(listener),
	.Bind = listener_Bind,
	.Listen = listener_Listen,
	.GetLocalAddress = listener_GetLocalAddress,
	.GetConnectionRequest = listener_GetConnectionRequest,
};

static void listener_destroy(struct nd_object *obj)
{
	nd_owner_free((struct nd_owner *)obj);
	free(obj);
}

static const struct nd_interface listener_interfaces[] = {
	{ &IID_IND2Listener, 0 },
	{ &IID_IND2Overlapped, 0 },
	{ &IID_IUnknown, 0 },
	{ NULL, 0 },
};

static const struct nd_class listener_class = {
	.name = "listener",
	.interfaces = listener_interfaces,
	.destroy = listener_destroy,
};

HRESULT nd_listener_create(struct nd_adapter *a, REFIID iid, HANDLE h,
			   VOID **out)
{
	struct nd_owner *l;
	HRESULT hr = nd_owner_create(a, h, VRDMA_IOC_CREATE_LISTENER,
				     sizeof(struct listener), &listener_class,
				     &listener_vtbl, &l);

	return hr == ND_SUCCESS ? nd_object_hand_out(&l->obj, iid, out) : hr;
}
