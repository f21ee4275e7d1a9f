/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-or-later */
/*
 * adapter.c - IND2Adapter: what the device offers, and making objects
 */
#include <sched.h>
#include <stdlib.h>
#include <string.h>

#include "nd_int.h"

/* From this size on a registration costs less than a copy: an advice */
#define LARGE_REQUEST 65536u

ND_UNKNOWN_IMPL(adapter, IND2Adapter)

static struct nd_adapter *self_adapter(IND2Adapter *self)
{
	return (struct nd_adapter *)self;
}

void nd_spin_wait(void)
{
	sched_yield();
}

/* --------------------------------------------------------------- questions */

static HRESULT adapter_CreateOverlappedFile(IND2Adapter *self, HANDLE *file)
{
	if (!file)
		return ND_INVALID_PARAMETER;
	*file = INVALID_HANDLE_VALUE;
	return nd_file_handle(self_adapter(self)->file, file);
}

static void fill_info(const struct nd_adapter *a, ND2_ADAPTER_INFO *i)
{
	const struct virtio_rdma_config *c = &a->config;

	*i = (ND2_ADAPTER_INFO){
		.InfoVersion = ND_VERSION_2,
		.VendorId = (UINT16)vr_from_le32(c->vendor_id),
		.DeviceId = (UINT16)vr_from_le32(c->device_id),
		.AdapterId = ND_VRDMA_ADAPTER_ID(a->number),
		.MaxRegistrationSize = (SIZE_T)vr_from_le64(c->max_mr_size),
		.MaxWindowSize = c->max_mw ?
				 (SIZE_T)vr_from_le64(c->max_mr_size) : 0,
		.MaxInitiatorSge = vr_from_le32(c->max_send_sge),
		.MaxReceiveSge = vr_from_le32(c->max_recv_sge),
		.MaxReadSge = vr_from_le32(c->max_read_sge),
		.MaxTransferLength = vr_from_le32(c->max_transfer),
		.MaxInlineDataSize = vr_from_le32(c->max_inline),
		.MaxInboundReadLimit = vr_from_le32(c->max_inbound_reads),
		.MaxOutboundReadLimit = vr_from_le32(c->max_outbound_reads),
		.MaxReceiveQueueDepth = vr_from_le32(c->max_recv_depth),
		.MaxInitiatorQueueDepth = vr_from_le32(c->max_send_depth),
		.MaxSharedReceiveQueueDepth = vr_from_le32(c->max_srq_depth),
		.MaxCompletionQueueDepth = vr_from_le32(c->max_cq_depth),
		.InlineRequestThreshold = vr_from_le32(c->max_inline),
		.LargeRequestThreshold = LARGE_REQUEST,
		.MaxCallerData = vr_from_le32(c->max_caller_data),
		.MaxCalleeData = vr_from_le32(c->max_callee_data),
		.AdapterFlags = vr_from_le32(c->adapter_flags) &
				(ND_ADAPTER_FLAG_IN_ORDER_DMA_SUPPORTED |
				 ND_ADAPTER_FLAG_CQ_INTERRUPT_MODERATION_SUPPORTED |
				 ND_ADAPTER_FLAG_CQ_RESIZE_SUPPORTED |
				 ND_ADAPTER_FLAG_MULTI_ENGINE_SUPPORTED |
				 ND_ADAPTER_FLAG_LOOPBACK_CONNECTIONS_SUPPORTED),
	};
}

static HRESULT adapter_Query(IND2Adapter *self, ND2_ADAPTER_INFO *info,
			     ULONG *cb)
{
	ULONG have;

	if (!cb)
		return ND_INVALID_PARAMETER;
	have = *cb;
	*cb = sizeof(*info);
	if (!info || have < sizeof(*info))
		return ND_BUFFER_OVERFLOW;
	/* documents say 1, every program of Microsoft's says ND_VERSION_2 */
	if (info->InfoVersion != 1 && info->InfoVersion != ND_VERSION_2)
		return ND_INVALID_PARAMETER;
	fill_info(self_adapter(self), info);
	return ND_SUCCESS;
}

static HRESULT adapter_QueryAddressList(IND2Adapter *self,
					SOCKET_ADDRESS_LIST *list, ULONG *cb)
{
	const struct vrdma_uapi_open *info = &self_adapter(self)->file->info;

	return nd_addr_list(info->address, info->address_count, list, cb);
}

/* ----------------------------------------------------------------- objects */

HRESULT nd_owner_create(struct nd_adapter *a, HANDLE handle,
			unsigned long code, size_t size,
			const struct nd_class *cls, const void *vtbl,
			struct nd_owner **out)
{
	struct vrdma_uapi_create arg = { 0 };
	HRESULT hr = nd_handle_check(handle);
	struct nd_owner *owner;

	if (hr != ND_SUCCESS)
		return hr;
	owner = calloc(1, size);
	if (!owner)
		return ND_NO_MEMORY;
	hr = nd_call(a->file, code, &arg);
	if (hr != ND_SUCCESS) {
		free(owner);
		return hr;
	}
	owner->file = a->file;
	owner->id = arg.id;
	owner->handle = handle;
	nd_object_init(&owner->obj, cls, vtbl, &a->obj);
	*out = owner;
	return ND_SUCCESS;
}

/* The query weeds out other types, the comparison other classes that answer to
 * the same interface, and objects of another adapter. */
struct nd_owner *nd_owner_cast(IUnknown *unknown, const struct nd_class *cls,
			       struct nd_file *file)
{
	struct nd_owner *owner;
	VOID *p = NULL;

	if (!unknown)
		return NULL;
	if (FAILED(unknown->lpVtbl->QueryInterface(
		    unknown, cls->interfaces[0].iid, &p)) || !p)
		return NULL;
	unknown->lpVtbl->Release(unknown);
	owner = p;
	return owner->obj.cls == cls && owner->file == file ? owner : NULL;
}

static HRESULT adapter_CreateCompletionQueue(IND2Adapter *self, REFIID iid,
					     HANDLE file, ULONG depth,
					     USHORT group, KAFFINITY affinity,
					     VOID **cq)
{
	if (!cq)
		return E_POINTER;
	*cq = NULL;
	return nd_cq_create(self_adapter(self), iid, file, depth, group,
			    affinity, cq);
}

static HRESULT adapter_CreateMemoryRegion(IND2Adapter *self, REFIID iid,
					  HANDLE file, VOID **mr)
{
	if (!mr)
		return E_POINTER;
	*mr = NULL;
	return nd_mr_create(self_adapter(self), iid, file, mr);
}

static HRESULT adapter_CreateMemoryWindow(IND2Adapter *self, REFIID iid,
					  VOID **mw)
{
	if (!mw)
		return E_POINTER;
	*mw = NULL;
	return nd_mw_create(self_adapter(self), iid, mw);
}

static HRESULT adapter_CreateSharedReceiveQueue(IND2Adapter *self, REFIID iid,
						HANDLE file, ULONG depth,
						ULONG max_sge, ULONG threshold,
						USHORT group,
						KAFFINITY affinity, VOID **srq)
{
	const struct nd_srq_wish wish = {
		.handle = file,
		.depth = depth,
		.max_sge = max_sge,
		.threshold = threshold,
		.group = group,
		.affinity = affinity,
	};

	if (!srq)
		return E_POINTER;
	*srq = NULL;
	return nd_srq_create(self_adapter(self), iid, &wish, srq);
}

static HRESULT adapter_CreateQueuePair(IND2Adapter *self, REFIID iid,
				       IUnknown *receive_cq,
				       IUnknown *initiator_cq, VOID *context,
				       ULONG receive_depth,
				       ULONG initiator_depth,
				       ULONG max_receive_sge,
				       ULONG max_initiator_sge,
				       ULONG inline_size, VOID **qp)
{
	const struct nd_qp_wish wish = {
		.recv_cq = receive_cq,
		.send_cq = initiator_cq,
		.context = context,
		.recv_depth = receive_depth,
		.send_depth = initiator_depth,
		.max_recv_sge = max_receive_sge,
		.max_send_sge = max_initiator_sge,
		.inline_size = inline_size,
	};

	if (!qp)
		return E_POINTER;
	*qp = NULL;
	return nd_qp_create(self_adapter(self), iid, &wish, qp);
}

static HRESULT adapter_CreateQueuePairWithSrq(
	IND2Adapter *self, REFIID iid, IUnknown *receive_cq,
	IUnknown *initiator_cq, IUnknown *srq, VOID *context,
	ULONG initiator_depth, ULONG max_initiator_sge, ULONG inline_size,
	VOID **qp)
{
	const struct nd_qp_wish wish = {
		.recv_cq = receive_cq,
		.send_cq = initiator_cq,
		.srq = srq,
		.shared = true,
		.context = context,
		.send_depth = initiator_depth,
		.max_send_sge = max_initiator_sge,
		.inline_size = inline_size,
	};

	if (!qp)
		return E_POINTER;
	*qp = NULL;
	return nd_qp_create(self_adapter(self), iid, &wish, qp);
}

static HRESULT adapter_CreateConnector(IND2Adapter *self, REFIID iid,
				       HANDLE file, VOID **connector)
{
	if (!connector)
		return E_POINTER;
	*connector = NULL;
	return nd_connector_create(self_adapter(self), iid, file, connector);
}

static HRESULT adapter_CreateListener(IND2Adapter *self, REFIID iid,
				      HANDLE file, VOID **listener)
{
	if (!listener)
		return E_POINTER;
	*listener = NULL;
	return nd_listener_create(self_adapter(self), iid, file, listener);
}

static const IND2AdapterVtbl adapter_vtbl = {
	ND_UNKNOWN_SLOTS(adapter),
	.CreateOverlappedFile = adapter_CreateOverlappedFile,
	.Query = adapter_Query,
	.QueryAddressList = adapter_QueryAddressList,
	.CreateCompletionQueue = adapter_CreateCompletionQueue,
	.CreateMemoryRegion = adapter_CreateMemoryRegion,
	.CreateMemoryWindow = adapter_CreateMemoryWindow,
	.CreateSharedReceiveQueue = adapter_CreateSharedReceiveQueue,
	.CreateQueuePair = adapter_CreateQueuePair,
	.CreateQueuePairWithSrq = adapter_CreateQueuePairWithSrq,
	.CreateConnector = adapter_CreateConnector,
	.CreateListener = adapter_CreateListener,
};

/* ----------------------------------------------------------- IVrdmaAdapter */

static struct nd_adapter *extra_adapter(IVrdmaAdapter *self)
{
	return nd_container_of(self, struct nd_adapter, extra);
}

static HRESULT extra_QueryInterface(IVrdmaAdapter *self, REFIID iid, VOID **out)
{
	return nd_object_query(&extra_adapter(self)->obj, iid, out);
}

static ULONG extra_AddRef(IVrdmaAdapter *self)
{
	return nd_object_get(&extra_adapter(self)->obj);
}

static ULONG extra_Release(IVrdmaAdapter *self)
{
	return nd_object_put(&extra_adapter(self)->obj);
}

static HRESULT extra_GetConfig(IVrdmaAdapter *self,
			       struct virtio_rdma_config *config)
{
	if (!config)
		return ND_INVALID_PARAMETER;
	*config = extra_adapter(self)->config;
	return ND_SUCCESS;
}

static ULONG extra_GetDeviceNumber(IVrdmaAdapter *self)
{
	return extra_adapter(self)->number;
}

static const IVrdmaAdapterVtbl extra_vtbl = {
	ND_UNKNOWN_SLOTS(extra),
	.GetConfig = extra_GetConfig,
	.GetDeviceNumber = extra_GetDeviceNumber,
};

/* --------------------------------------------------------------- life time */

static const struct nd_interface adapter_interfaces[] = {
	{ &IID_IND2Adapter, 0 },
	{ &IID_IUnknown, 0 },
	{ &IID_IVrdmaAdapter, offsetof(struct nd_adapter, extra) },
	{ NULL, 0 },
};

static void adapter_destroy(struct nd_object *obj)
{
	struct nd_adapter *a = (struct nd_adapter *)obj;

	nd_file_close(a->file);
	pthread_mutex_destroy(&a->link_lock);
	free(a);
}

static const struct nd_class adapter_class = {
	.name = "adapter",
	.interfaces = adapter_interfaces,
	.destroy = adapter_destroy,
};

HRESULT nd_adapter_open(unsigned number, REFIID iid, VOID **out)
{
	struct nd_adapter *a = calloc(1, sizeof(*a));
	HRESULT hr;

	if (!a)
		return ND_NO_MEMORY;
	hr = nd_file_open(number, &a->file);
	if (hr != ND_SUCCESS) {
		free(a);
		return hr;
	}
	a->number = number;
	a->config = a->file->info.config;
	a->extra.lpVtbl = &extra_vtbl;
	pthread_mutex_init(&a->link_lock, NULL);
	nd_object_init(&a->obj, &adapter_class, &adapter_vtbl, NULL);
	return nd_object_hand_out(&a->obj, iid, out);
}
