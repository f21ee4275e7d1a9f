/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-or-later */
/*
 * connector.c - IND2Connector
 *
 * The state of a connection lives in the kernel, which judges every call; the
 * library only remembers which queue pair was given, because a queue pair that
 * is released under a live connection means an implicit disconnect.
 *
 * The last Release of a connected connector without Disconnect is an abortive
 * close: FREE does it.
 */
#include <stdlib.h>
#include <string.h>

#include "nd_int.h"

ND_OVERLAPPED_IMPL(connector, IND2Connector)

static struct nd_connector *self_connector(IND2Connector *self)
{
	return (struct nd_connector *)self;
}

static HRESULT copy_private(struct vrdma_uapi_private *to, const VOID *data,
			    ULONG cb, uint32_t max)
{
	if (cb > max || cb > sizeof(to->data))
		return ND_INVALID_BUFFER_SIZE;
	if (cb && !data)
		return ND_ACCESS_VIOLATION;
	to->length = (uint16_t)cb;
	if (cb)
		memcpy(to->data, data, cb);
	return ND_SUCCESS;
}

/* --------------------------------------------- link with the queue pair */

static void link_qp(struct nd_connector *c, struct nd_qp *qp)
{
	struct nd_adapter *a = nd_adapter_of(&c->own);

	pthread_mutex_lock(&a->link_lock);
	if (c->qp)
		c->qp->connector = NULL;
	if (qp && qp->connector)
		qp->connector->qp = NULL;
	c->qp = qp;
	if (qp)
		qp->connector = c;
	pthread_mutex_unlock(&a->link_lock);
}

/* The answer does not matter: refused where there is nothing to disconnect */
void nd_connector_abandon(struct nd_connector *c)
{
	struct vrdma_uapi_request arg = { .id = c->own.id };

	nd_start(&c->own, VRDMA_IOC_DISCONNECT, &arg, &arg.overlapped, NULL,
		 NULL);
}

/* ------------------------------------------------------------- connecting */

static HRESULT connector_Bind(IND2Connector *self, const struct sockaddr *addr,
			      ULONG cb)
{
	struct nd_connector *c = self_connector(self);
	struct vrdma_uapi_bind arg = { .id = c->own.id };
	HRESULT hr = nd_addr_from_sockaddr(&arg.addr, addr, cb);

	return hr == ND_SUCCESS ? nd_call(c->own.file, VRDMA_IOC_BIND, &arg) :
				  hr;
}

static HRESULT start_with_qp(struct nd_connector *c, unsigned long code,
			     struct vrdma_uapi_connect *arg, IUnknown *qp,
			     OVERLAPPED *ov)
{
	struct nd_owner *q = nd_owner_cast(qp, &nd_qp_class, c->own.file);
	HRESULT hr;

	if (!q)
		return ND_INVALID_PARAMETER_1;
	arg->id = c->own.id;
	arg->qp = q->id;
	hr = nd_start(&c->own, code, arg, &arg->overlapped, ov, NULL);
	if (hr == ND_PENDING)
		link_qp(c, (struct nd_qp *)q);
	return hr;
}

static HRESULT connector_Connect(IND2Connector *self, IUnknown *qp,
				 const struct sockaddr *dest, ULONG cb_dest,
				 ULONG inbound_reads, ULONG outbound_reads,
				 const VOID *private_data, ULONG cb_private,
				 OVERLAPPED *ov)
{
	struct nd_connector *c = self_connector(self);
	struct vrdma_uapi_connect arg = {
		.inbound_reads = inbound_reads,
		.outbound_reads = outbound_reads,
	};
	uint32_t max =
		vr_from_le32(nd_adapter_of(&c->own)->config.max_caller_data);
	HRESULT hr = nd_addr_from_sockaddr(&arg.addr, dest, cb_dest);

	if (!ov)
		return ND_INVALID_PARAMETER;
	if (hr == ND_SUCCESS)
		hr = copy_private(&arg.priv, private_data, cb_private, max);
	if (hr != ND_SUCCESS)
		return hr;
	return start_with_qp(c, VRDMA_IOC_CONNECT, &arg, qp, ov);
}

static HRESULT connector_Accept(IND2Connector *self, IUnknown *qp,
				ULONG inbound_reads, ULONG outbound_reads,
				const VOID *private_data, ULONG cb_private,
				OVERLAPPED *ov)
{
	struct nd_connector *c = self_connector(self);
	struct vrdma_uapi_connect arg = {
		.inbound_reads = inbound_reads,
		.outbound_reads = outbound_reads,
	};
	uint32_t max =
		vr_from_le32(nd_adapter_of(&c->own)->config.max_callee_data);
	HRESULT hr = copy_private(&arg.priv, private_data, cb_private, max);

	if (!ov)
		return ND_INVALID_PARAMETER;
	if (hr != ND_SUCCESS)
		return hr;
	return start_with_qp(c, VRDMA_IOC_ACCEPT, &arg, qp, ov);
}

static HRESULT connector_Reject(IND2Connector *self, const VOID *private_data,
				ULONG cb_private)
{
	struct nd_connector *c = self_connector(self);
	struct vrdma_uapi_reject arg = { .id = c->own.id };
	uint32_t max =
		vr_from_le32(nd_adapter_of(&c->own)->config.max_callee_data);
	HRESULT hr = copy_private(&arg.priv, private_data, cb_private, max);

	return hr == ND_SUCCESS ? nd_call(c->own.file, VRDMA_IOC_REJECT, &arg) :
				  hr;
}

/* Those whose only argument is the OVERLAPPED */
static HRESULT plain_request(IND2Connector *self, unsigned long code,
			     OVERLAPPED *ov)
{
	struct nd_connector *c = self_connector(self);
	struct vrdma_uapi_request arg = { .id = c->own.id };

	if (!ov)
		return ND_INVALID_PARAMETER;
	return nd_start(&c->own, code, &arg, &arg.overlapped, ov, NULL);
}

static HRESULT connector_CompleteConnect(IND2Connector *self, OVERLAPPED *ov)
{
	return plain_request(self, VRDMA_IOC_COMPLETE_CONNECT, ov);
}

static HRESULT connector_NotifyDisconnect(IND2Connector *self, OVERLAPPED *ov)
{
	return plain_request(self, VRDMA_IOC_NOTIFY_DISCONNECT, ov);
}

static HRESULT connector_Disconnect(IND2Connector *self, OVERLAPPED *ov)
{
	return plain_request(self, VRDMA_IOC_DISCONNECT, ov);
}

/* --------------------------------------------------------------- questions */

static HRESULT ask(struct nd_connector *c, uint32_t want,
		   struct vrdma_uapi_connection *arg)
{
	HRESULT hr;

	*arg = (struct vrdma_uapi_connection){ .id = c->own.id };
	hr = nd_call(c->own.file, VRDMA_IOC_GET_CONNECTION, arg);
	if (hr == ND_SUCCESS && (arg->valid & want) != want)
		return ND_CONNECTION_INVALID;
	return hr;
}

static HRESULT connector_GetReadLimits(IND2Connector *self, ULONG *inbound,
				       ULONG *outbound)
{
	struct vrdma_uapi_connection arg;
	HRESULT hr = ask(self_connector(self), VRDMA_CONN_DATA, &arg);

	if (hr != ND_SUCCESS)
		return hr;
	if (inbound)
		*inbound = arg.inbound_reads;
	if (outbound)
		*outbound = arg.outbound_reads;
	return ND_SUCCESS;
}

static HRESULT connector_GetPrivateData(IND2Connector *self, VOID *private_data,
					ULONG *cb)
{
	struct vrdma_uapi_connection arg;
	ULONG have, len;
	HRESULT hr;

	if (!cb)
		return ND_INVALID_PARAMETER;
	hr = ask(self_connector(self), VRDMA_CONN_DATA, &arg);
	if (hr != ND_SUCCESS)
		return hr;
	if (arg.priv.length > sizeof(arg.priv.data))
		return ND_INTERNAL_ERROR;
	len = arg.priv.length;
	have = private_data ? *cb : 0;
	*cb = len;
	if (have)
		memcpy(private_data, arg.priv.data, have < len ? have : len);
	return have < len ? ND_BUFFER_OVERFLOW : ND_SUCCESS;
}

static HRESULT connector_GetLocalAddress(IND2Connector *self,
					 struct sockaddr *addr, ULONG *cb)
{
	struct vrdma_uapi_connection arg;
	HRESULT hr = ask(self_connector(self), VRDMA_CONN_LOCAL, &arg);

	return hr == ND_SUCCESS ? nd_addr_copy_out(&arg.local, addr, cb) : hr;
}

static HRESULT connector_GetPeerAddress(IND2Connector *self,
					struct sockaddr *addr, ULONG *cb)
{
	struct vrdma_uapi_connection arg;
	HRESULT hr = ask(self_connector(self), VRDMA_CONN_PEER, &arg);

	return hr == ND_SUCCESS ? nd_addr_copy_out(&arg.peer, addr, cb) : hr;
}

static const IND2ConnectorVtbl connector_vtbl = {
	ND_OVERLAPPED_SLOTS(connector),
	.Bind = connector_Bind,
	.Connect = connector_Connect,
	.CompleteConnect = connector_CompleteConnect,
	.Accept = connector_Accept,
	.Reject = connector_Reject,
	.GetReadLimits = connector_GetReadLimits,
	.GetPrivateData = connector_GetPrivateData,
	.GetLocalAddress = connector_GetLocalAddress,
	.GetPeerAddress = connector_GetPeerAddress,
	.NotifyDisconnect = connector_NotifyDisconnect,
	.Disconnect = connector_Disconnect,
};

/* --------------------------------------------------------- IVrdmaConnector */

static struct nd_connector *extra_connector(IVrdmaConnector *self)
{
	return nd_container_of(self, struct nd_connector, extra);
}

static HRESULT extra_QueryInterface(IVrdmaConnector *self, REFIID iid,
				    VOID **out)
{
	return nd_object_query(&extra_connector(self)->own.obj, iid, out);
}

static ULONG extra_AddRef(IVrdmaConnector *self)
{
	return nd_object_get(&extra_connector(self)->own.obj);
}

static ULONG extra_Release(IVrdmaConnector *self)
{
	return nd_object_put(&extra_connector(self)->own.obj);
}

static HRESULT extra_GetDisconnectReason(IVrdmaConnector *self, ULONG *reason)
{
	struct vrdma_uapi_connection arg;
	HRESULT hr;

	if (!reason)
		return ND_INVALID_PARAMETER;
	hr = ask(extra_connector(self), 0, &arg);
	if (hr == ND_SUCCESS)
		*reason = arg.reason;
	return hr;
}

static const IVrdmaConnectorVtbl extra_vtbl = {
	ND_UNKNOWN_SLOTS(extra),
	.GetDisconnectReason = extra_GetDisconnectReason,
};

/* --------------------------------------------------------------- life time */

static void connector_destroy(struct nd_object *obj)
{
	struct nd_connector *c = (struct nd_connector *)obj;

	link_qp(c, NULL);
	nd_owner_free(&c->own);
	free(c);
}

static const struct nd_interface connector_interfaces[] = {
	{ &IID_IND2Connector, 0 },
	{ &IID_IND2Overlapped, 0 },
	{ &IID_IUnknown, 0 },
	{ &IID_IVrdmaConnector, offsetof(struct nd_connector, extra) },
	{ NULL, 0 },
};

const struct nd_class nd_connector_class = {
	.name = "connector",
	.interfaces = connector_interfaces,
	.destroy = connector_destroy,
};

HRESULT nd_connector_create(struct nd_adapter *a, REFIID iid, HANDLE h,
			    VOID **out)
{
	struct nd_owner *c;
	HRESULT hr = nd_owner_create(a, h, VRDMA_IOC_CREATE_CONNECTOR,
				     sizeof(struct nd_connector),
				     &nd_connector_class, &connector_vtbl, &c);

	if (hr != ND_SUCCESS)
		return hr;
	((struct nd_connector *)c)->extra.lpVtbl = &extra_vtbl;
	return nd_object_hand_out(&c->obj, iid, out);
}
