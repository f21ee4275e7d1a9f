// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * standin.c - NDIS' functions
 */
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "standin.h"

struct standin ndis;

/* --- NDIS ----------------------------------------------------------------------------------- */

NDIS_STATUS NdisMRegisterMiniportDriver(
	DRIVER_OBJECT *driver, UNICODE_STRING *path, NDIS_HANDLE context,
	NDIS_MINIPORT_DRIVER_CHARACTERISTICS *chars, NDIS_HANDLE *handle)
{
	(void)driver;
	(void)path;
	ndis.chars = *chars;
	*handle = &ndis;
	ndis.registered = true;
	return chars->SetOptionsHandler(&ndis, context);
}

VOID NdisMDeregisterMiniportDriver(NDIS_HANDLE handle)
{
	if (handle != &ndis)
		abort();
	ndis.registered = false;
}

NDIS_STATUS NdisSetOptionalHandlers(NDIS_HANDLE handle, NDIS_OBJECT_HEADER *h)
{
	if (handle != &ndis ||
	    h->Type != NDIS_OBJECT_TYPE_NDK_PROVIDER_CHARACTERISTICS)
		abort();
	memcpy(&ndis.ndk, h, sizeof(ndis.ndk));
	return NDIS_STATUS_SUCCESS;
}

/* In NDIS' order: registration, general, the others */
NDIS_STATUS NdisMSetMiniportAttributes(NDIS_HANDLE miniport,
				       NDIS_OBJECT_HEADER *h)
{
	static const UCHAR order[] = {
		NDIS_OBJECT_TYPE_MINIPORT_ADAPTER_REGISTRATION_ATTRIBUTES,
		NDIS_OBJECT_TYPE_MINIPORT_ADAPTER_GENERAL_ATTRIBUTES,
		NDIS_OBJECT_TYPE_MINIPORT_ADAPTER_NDK_ATTRIBUTES,
	};

	if (miniport != &ndis || ndis.attributes >= sizeof(order) ||
	    h->Type != order[ndis.attributes])
		abort();
	if (standin_fails())
		return NDIS_STATUS_FAILURE;
	switch (ndis.attributes++) {
	case 0:
		ndis.context = ((NDIS_MINIPORT_ADAPTER_REGISTRATION_ATTRIBUTES *)
				(void *)h)->MiniportAdapterContext;
		break;
	case 1:
		memcpy(&ndis.general, h, sizeof(ndis.general));
		break;
	default:
		memcpy(&ndis.ndk_attr, h, sizeof(ndis.ndk_attr));
	}
	return NDIS_STATUS_SUCCESS;
}

NDIS_STATUS NdisMNetPnPEvent(NDIS_HANDLE miniport, NET_PNP_EVENT_NOTIFICATION *n)
{
	uint32_t i = ndis.events;

	if (miniport != &ndis || i == STANDIN_EVENTS)
		abort();
	ndis.event[i] = n->NetPnPEvent.NetEvent;
	if (n->NetPnPEvent.NetEvent == NetEventNDKDisable && ndis.on_disable)
		ndis.on_disable();
	ndis.events = i + 1;
	return NDIS_STATUS_SUCCESS;
}

NDIS_STATUS NdisOpenConfigurationEx(NDIS_CONFIGURATION_OBJECT *o, NDIS_HANDLE *h)
{
	if (o->NdisHandle != &ndis)
		abort();
	*h = &ndis.keyword;
	return standin_fails() ? NDIS_STATUS_FAILURE : NDIS_STATUS_SUCCESS;
}

VOID NdisReadConfiguration(NDIS_STATUS *status,
			   NDIS_CONFIGURATION_PARAMETER **value,
			   NDIS_HANDLE handle, UNICODE_STRING *keyword,
			   NDIS_PARAMETER_TYPE type)
{
	static NDIS_CONFIGURATION_PARAMETER p;

	(void)type;
	if (handle != &ndis.keyword || keyword->Length != 28 ||
	    keyword->Buffer[1] != 'N')
		abort();
	p.ParameterData.IntegerData = ndis.keyword;
	*value = &p;
	*status = ndis.no_keyword ? NDIS_STATUS_FAILURE : NDIS_STATUS_SUCCESS;
}

VOID NdisCloseConfiguration(NDIS_HANDLE handle)
{
	(void)handle;
}

struct item {
	pthread_t thread;
	bool running;			/* or ran, and is not joined */
	NDIS_IO_WORKITEM_FUNCTION *fn;
	PVOID context;
};

NDIS_HANDLE NdisAllocateIoWorkItem(NDIS_HANDLE object)
{
	if (object != &ndis)
		abort();
	if (standin_fails())
		return NULL;
	ndis.work_items++;
	return calloc(1, sizeof(struct item));
}

static void *run_item(void *arg)
{
	struct item *i = arg;

	i->fn(i->context, i);
	return NULL;
}

/* One queueing at a time, which is what the miniport promises */
VOID NdisQueueIoWorkItem(NDIS_HANDLE handle, NDIS_IO_WORKITEM_FUNCTION *fn,
			 PVOID context)
{
	struct item *i = handle;

	if (i->running)
		pthread_join(i->thread, NULL);
	i->fn = fn;
	i->context = context;
	i->running = true;
	pthread_create(&i->thread, NULL, run_item, i);
}

VOID NdisFreeIoWorkItem(NDIS_HANDLE handle)
{
	struct item *i = handle;

	if (i->running)
		pthread_join(i->thread, NULL);
	ndis.work_items--;
	free(i);
}

VOID NdisMSendNetBufferListsComplete(NDIS_HANDLE miniport,
				     NET_BUFFER_LIST *lists, ULONG flags)
{
	(void)flags;
	if (miniport != &ndis)
		abort();
	for (; lists; lists = lists->Next) {
		ndis.send_status = lists->Status;
		ndis.sends_done++;
	}
}

/* --- what a test does with it ------------------------------------------------------------- */

void standin_load(const char *socket)
{
	memset(&ndis, 0, sizeof(ndis));
	ndis.socket = socket;
	ndis.keyword = 1;
	if (standin_register() != NDIS_STATUS_SUCCESS)
		abort();
}

void standin_unload(void)
{
	ndis.chars.UnloadHandler(NULL);
	if (ndis.registered || ndis.work_items)
		abort();
}

NDIS_STATUS standin_start(void)
{
	NDIS_MINIPORT_INIT_PARAMETERS params = {
		.AllocatedResources = ndis.resources,
	};
	NDIS_STATUS status;

	ndis.attributes = 0;
	status = ndis.chars.InitializeHandlerEx(&ndis, NULL, &params);
	if (status == NDIS_STATUS_SUCCESS)
		status = ndis.chars.RestartHandler(ndis.context, NULL);
	return status;
}

void standin_halt(NDIS_HALT_ACTION action)
{
	ndis.chars.PauseHandler(ndis.context, NULL);
	ndis.chars.HaltHandlerEx(ndis.context, action);
	ndis.context = NULL;
}

NDIS_STATUS standin_open(NDK_VERSION version, NDK_ADAPTER **out)
{
	NDIS_OPEN_NDK_ADAPTER_PARAMETERS p = { .Version = version };

	return ndis.ndk.OpenNDKAdapterHandler(ndis.context, &p, out);
}

void standin_close(NDK_ADAPTER *a)
{
	ndis.ndk.CloseNDKAdapterHandler(ndis.context, a);
}

NDIS_STATUS standin_oid(NDIS_REQUEST_TYPE type, NDIS_OID oid, void *buf,
			UINT size, NDIS_OID_REQUEST *r)
{
	*r = (NDIS_OID_REQUEST){ .RequestType = type };
	r->DATA.Oid = oid;
	r->DATA.InformationBuffer = buf;
	r->DATA.InformationBufferLength = size;
	return oid == OID_NDK_STATISTICS ?
		       ndis.chars.DirectOidRequestHandler(ndis.context, r) :
		       ndis.chars.OidRequestHandler(ndis.context, r);
}

bool standin_wait_events(uint32_t n)
{
	int ms;

	for (ms = 0; ndis.events < n && ms < TEST_TIMEOUT_MS; ms++)
		poll(NULL, 0, 1);
	return ndis.events >= n;
}
