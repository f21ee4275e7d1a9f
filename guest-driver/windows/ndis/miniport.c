/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-or-later */
/*
 * miniport.c - registration with NDIS, and an adapter's life
 */
#include "miniport.h"

static NDIS_HANDLE driver_handle;
static const struct vrn_device_ops *device_ops;

/* --- initialize: steps, each undone by those before it ---------------------------------- */

static NDIS_STATUS set_registration(struct vrn_adapter *a)
{
	NDIS_MINIPORT_ADAPTER_REGISTRATION_ATTRIBUTES attr = {
		.Header = vrn_header(
			NDIS_OBJECT_TYPE_MINIPORT_ADAPTER_REGISTRATION_ATTRIBUTES,
			1, sizeof(attr)),
		.MiniportAdapterContext = a,
		.AttributeFlags = NDIS_MINIPORT_ATTRIBUTES_HARDWARE_DEVICE |
				  NDIS_MINIPORT_ATTRIBUTES_NOT_CO_NDIS |
				  NDIS_MINIPORT_ATTRIBUTES_BUS_MASTER,
		.InterfaceType = NdisInterfacePci,
	};

	return NdisMSetMiniportAttributes(a->miniport, &attr.Header);
}

/* "*NetworkDirect" of the INF; on where nobody says otherwise */
static NDIS_STATUS read_keyword(struct vrn_adapter *a)
{
	static WCHAR text[] = { '*', 'N', 'e', 't', 'w', 'o', 'r', 'k', 'D',
				'i', 'r', 'e', 'c', 't', 0 };
	UNICODE_STRING keyword = { sizeof(text) - sizeof(text[0]), sizeof(text),
				   text };
	NDIS_CONFIGURATION_OBJECT object = {
		.Header = vrn_header(NDIS_OBJECT_TYPE_CONFIGURATION_OBJECT, 1,
				     sizeof(object)),
		.NdisHandle = a->miniport,
	};
	NDIS_CONFIGURATION_PARAMETER *value;
	NDIS_HANDLE handle;
	NDIS_STATUS status = NdisOpenConfigurationEx(&object, &handle);

	if (status != NDIS_STATUS_SUCCESS)
		return status;
	NdisReadConfiguration(&status, &value, handle, &keyword,
			      NdisParameterInteger);
	a->keyword = status != NDIS_STATUS_SUCCESS ||
		     value->ParameterData.IntegerData != 0;
	NdisCloseConfiguration(handle);
	return NDIS_STATUS_SUCCESS;
}

static NDIS_STATUS set_general(struct vrn_adapter *a)
{
	NDIS_MINIPORT_ADAPTER_GENERAL_ATTRIBUTES attr = {
		.Header = vrn_header(
			NDIS_OBJECT_TYPE_MINIPORT_ADAPTER_GENERAL_ATTRIBUTES,
			1, sizeof(attr)),
		.MediaType = NdisMedium802_3,
		.PhysicalMediumType = NdisPhysicalMedium802_3,
		.MtuSize = VRN_MTU,
		.MaxXmitLinkSpeed = VRN_LINK_SPEED,
		.XmitLinkSpeed = VRN_LINK_SPEED,
		.MaxRcvLinkSpeed = VRN_LINK_SPEED,
		.RcvLinkSpeed = VRN_LINK_SPEED,
		.MediaConnectState = MediaConnectStateConnected,
		.MediaDuplexState = MediaDuplexStateFull,
		.LookaheadSize = VRN_LOOKAHEAD,
		.MaxMulticastListSize = VRN_MULTICAST,
		.MacAddressLength = sizeof(a->mac),
		.AccessType = NET_IF_ACCESS_BROADCAST,
		.DirectionType = NET_IF_DIRECTION_SENDRECEIVE,
		.ConnectionType = NET_IF_CONNECTION_DEDICATED,
		.IfType = IF_TYPE_ETHERNET_CSMACD,
		.IfConnectorPresent = TRUE,
		.SupportedOidList = (NDIS_OID *)(uintptr_t)vrn_oids,
		.SupportedOidListLength = vrn_oids_size,
	};

	memcpy(attr.PermanentMacAddress, a->mac, sizeof(a->mac));
	memcpy(attr.CurrentMacAddress, a->mac, sizeof(a->mac));
	return NdisMSetMiniportAttributes(a->miniport, &attr.Header);
}

static NDIS_STATUS make_work(struct vrn_adapter *a)
{
	a->work = NdisAllocateIoWorkItem(a->miniport);
	return a->work ? NDIS_STATUS_SUCCESS : NDIS_STATUS_RESOURCES;
}

static struct vrn_adapter *adapter_new(NDIS_HANDLE miniport)
{
	struct vrn_adapter *a = vrn_alloc(sizeof(*a));

	if (!a)
		return NULL;
	a->ops = device_ops;
	a->miniport = miniport;
	a->state = VRN_PAUSED;
	a->lookahead = VRN_LOOKAHEAD;
	vrn_mutex_init(&a->lock);
	vrn_event_init(&a->no_opens, true);
	vrn_event_init(&a->no_work, true);
	return a;
}

static void adapter_free(struct vrn_adapter *a)
{
	if (a->work)
		NdisFreeIoWorkItem(a->work);
	if (a->device)
		a->ops->destroy(a->device);
	vrn_event_fini(&a->no_work);
	vrn_event_fini(&a->no_opens);
	vrn_mutex_fini(&a->lock);
	vrn_free(a);
}

static NDIS_STATUS make_device(struct vrn_adapter *a,
			       NDIS_MINIPORT_INIT_PARAMETERS *params)
{
	NDIS_STATUS status = a->ops->create(a->miniport, params, &a->device);

	if (status == NDIS_STATUS_SUCCESS)
		a->ops->mac(a->device, a->mac);
	return status;
}

/* NDK's attributes come last: from then on adapters are opened */
static NDIS_STATUS NTAPI initialize(NDIS_HANDLE miniport, NDIS_HANDLE context,
				    NDIS_MINIPORT_INIT_PARAMETERS *params)
{
	struct vrn_adapter *a = adapter_new(miniport);
	NDIS_STATUS status;

	(void)context;
	if (!a)
		return NDIS_STATUS_RESOURCES;
	status = set_registration(a);
	if (status == NDIS_STATUS_SUCCESS)
		status = read_keyword(a);
	if (status == NDIS_STATUS_SUCCESS)
		status = make_device(a, params);
	if (status == NDIS_STATUS_SUCCESS)
		status = make_work(a);
	if (status == NDIS_STATUS_SUCCESS)
		status = vrn_ndk_describe(a);
	if (status == NDIS_STATUS_SUCCESS)
		status = set_general(a);
	if (status == NDIS_STATUS_SUCCESS)
		status = vrn_ndk_set_attributes(a);
	if (status != NDIS_STATUS_SUCCESS)
		adapter_free(a);
	return status;
}

/* --- the rest of an adapter's life ---------------------------------------------------------- */

static void set_state(struct vrn_adapter *a, enum vrn_state state)
{
	vrn_mutex_lock(&a->lock);
	a->state = state;
	vrn_mutex_unlock(&a->lock);
}

static NDIS_STATUS NTAPI pause(NDIS_HANDLE context, PVOID params)
{
	(void)params;
	set_state(context, VRN_PAUSED);
	return NDIS_STATUS_SUCCESS;
}

static NDIS_STATUS NTAPI restart(NDIS_HANDLE context, PVOID params)
{
	(void)params;
	set_state(context, VRN_RUNNING);
	return NDIS_STATUS_SUCCESS;
}

static void lose_device(struct vrn_adapter *a)
{
	bool first;

	vrn_mutex_lock(&a->lock);
	first = !a->gone;
	a->gone = true;
	vrn_mutex_unlock(&a->lock);
	if (first)
		a->ops->gone(a->device);
}

/* NDIS has had all NDK adapters closed; one that is still there, because its
 * consumer waits for the device, ends with the device */
static VOID NTAPI halt(NDIS_HANDLE context, NDIS_HALT_ACTION action)
{
	struct vrn_adapter *a = context;
	bool open;

	vrn_mutex_lock(&a->lock);
	a->state = VRN_HALTING;
	open = a->opens != 0;
	vrn_mutex_unlock(&a->lock);
	if (open || action == NdisHaltDeviceSurpriseRemoved)
		lose_device(a);
	vrn_ndk_end(a);
	adapter_free(a);
}

static VOID NTAPI pnp_event(NDIS_HANDLE context, NET_DEVICE_PNP_EVENT *event)
{
	if (event->DevicePnPEvent == NdisDevicePnPEventSurpriseRemoved)
		lose_device(context);
}

static bool is_gone(struct vrn_adapter *a)
{
	bool gone;

	vrn_mutex_lock(&a->lock);
	gone = a->gone;
	vrn_mutex_unlock(&a->lock);
	return gone;
}

NDIS_STATUS vrn_power(struct vrn_adapter *a, bool on)
{
	return is_gone(a) ? NDIS_STATUS_SUCCESS : a->ops->power(a->device, on);
}

/* It recovers by itself; NDIS resets what it thinks hangs, or was told to */
static BOOLEAN NTAPI check_for_hang(NDIS_HANDLE context)
{
	(void)context;
	return FALSE;
}

static NDIS_STATUS NTAPI reset(NDIS_HANDLE context, BOOLEAN *addressing_reset)
{
	struct vrn_adapter *a = context;
	NDIS_STATUS status;

	*addressing_reset = FALSE;
	status = vrn_power(a, false);
	return status == NDIS_STATUS_SUCCESS ? vrn_power(a, true) : status;
}

static VOID NTAPI shutdown(NDIS_HANDLE context, NDIS_SHUTDOWN_ACTION action)
{
	struct vrn_adapter *a = context;

	/* after a bug check nothing may be waited for */
	if (action == NdisShutdownPowerOff)
		vrn_power(a, false);
}

/* --- frames: there are none --------------------------------------------------------------- */

static VOID NTAPI send(NDIS_HANDLE context, NET_BUFFER_LIST *lists, ULONG port,
		       ULONG flags)
{
	struct vrn_adapter *a = context;
	NET_BUFFER_LIST *l;

	(void)port;
	for (l = lists; l; l = l->Next)
		l->Status = NDIS_STATUS_NOT_SUPPORTED;
	NdisMSendNetBufferListsComplete(a->miniport, lists, flags & 1);
}

/* None was ever indicated */
static VOID NTAPI return_lists(NDIS_HANDLE context, NET_BUFFER_LIST *lists,
			       ULONG flags)
{
	(void)context;
	(void)lists;
	(void)flags;
}

/* A send is over when it returns */
static VOID NTAPI cancel_send(NDIS_HANDLE context, PVOID id)
{
	(void)context;
	(void)id;
}

/* --- the driver --------------------------------------------------------------------------- */

static NDIS_STATUS NTAPI set_options(NDIS_HANDLE driver, NDIS_HANDLE context)
{
	(void)context;
	return vrn_ndk_set_provider(driver);
}

static VOID NTAPI unload(DRIVER_OBJECT *driver)
{
	(void)driver;
	device_ops->unload();
	NdisMDeregisterMiniportDriver(driver_handle);
	driver_handle = NULL;
}

NDIS_HANDLE vrn_driver_handle(void)
{
	return driver_handle;
}

NDIS_STATUS vrn_register(DRIVER_OBJECT *driver, UNICODE_STRING *path,
			 const struct vrn_device_ops *ops)
{
	NDIS_MINIPORT_DRIVER_CHARACTERISTICS c = {
		.Header = vrn_header(
			NDIS_OBJECT_TYPE_MINIPORT_DRIVER_CHARACTERISTICS, 2,
			sizeof(c)),
		.MajorNdisVersion = VRN_NDIS_MAJOR,
		.MinorNdisVersion = VRN_NDIS_MINOR,
		.MajorDriverVersion = VRN_VERSION >> 16,
		.SetOptionsHandler = set_options,
		.InitializeHandlerEx = initialize,
		.HaltHandlerEx = halt,
		.UnloadHandler = unload,
		.PauseHandler = pause,
		.RestartHandler = restart,
		.OidRequestHandler = vrn_oid_request,
		.SendNetBufferListsHandler = send,
		.ReturnNetBufferListsHandler = return_lists,
		.CancelSendHandler = cancel_send,
		.CheckForHangHandlerEx = check_for_hang,
		.ResetHandlerEx = reset,
		.DevicePnPEventNotifyHandler = pnp_event,
		.ShutdownHandlerEx = shutdown,
		.CancelOidRequestHandler = vrn_cancel_oid_request,
		.DirectOidRequestHandler = vrn_direct_oid_request,
		.CancelDirectOidRequestHandler = vrn_cancel_oid_request,
	};

	device_ops = ops;
	return NdisMRegisterMiniportDriver(driver, path, NULL, &c,
					   &driver_handle);
}
