// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * standin.c - NDIS' functions, the miniport's system, and its device
 */
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "standin.h"

struct standin ndis;

static bool fails(void)
{
	return ++ndis.failable == ndis.fail_at;
}

/* --- the system ----------------------------------------------------------------------- */

void *vrn_alloc(size_t size)
{
	return fails() ? NULL : calloc(1, size);
}

void vrn_free(void *p)
{
	free(p);
}

_Static_assert(sizeof(pthread_mutex_t) <= sizeof(struct vrn_mutex), "mutex");

void vrn_mutex_init(struct vrn_mutex *m)
{
	pthread_mutex_init((pthread_mutex_t *)m, NULL);
}

void vrn_mutex_fini(struct vrn_mutex *m)
{
	pthread_mutex_destroy((pthread_mutex_t *)m);
}

void vrn_mutex_lock(struct vrn_mutex *m)
{
	pthread_mutex_lock((pthread_mutex_t *)m);
}

void vrn_mutex_unlock(struct vrn_mutex *m)
{
	pthread_mutex_unlock((pthread_mutex_t *)m);
}

struct event {
	pthread_mutex_t lock;
	pthread_cond_t cond;
	bool set;
};
_Static_assert(sizeof(struct event) <= sizeof(struct vrn_event), "event");

void vrn_event_init(struct vrn_event *ev, bool set)
{
	struct event *e = (struct event *)ev;

	pthread_mutex_init(&e->lock, NULL);
	pthread_cond_init(&e->cond, NULL);
	e->set = set;
}

void vrn_event_fini(struct vrn_event *ev)
{
	struct event *e = (struct event *)ev;

	pthread_mutex_lock(&e->lock);
	pthread_mutex_unlock(&e->lock);
	pthread_cond_destroy(&e->cond);
	pthread_mutex_destroy(&e->lock);
}

static void event_put(struct vrn_event *ev, bool set)
{
	struct event *e = (struct event *)ev;

	pthread_mutex_lock(&e->lock);
	e->set = set;
	pthread_cond_broadcast(&e->cond);
	pthread_mutex_unlock(&e->lock);
}

void vrn_event_set(struct vrn_event *e)
{
	event_put(e, true);
}

void vrn_event_clear(struct vrn_event *e)
{
	event_put(e, false);
}

void vrn_event_wait(struct vrn_event *ev)
{
	struct event *e = (struct event *)ev;

	pthread_mutex_lock(&e->lock);
	while (!e->set)
		pthread_cond_wait(&e->cond, &e->lock);
	pthread_mutex_unlock(&e->lock);
}

/* --- the device ------------------------------------------------------------------------- */

struct vrn_device {
	struct tguest *g;
};

static NDIS_STATUS device_create(NDIS_HANDLE miniport,
				 NDIS_MINIPORT_INIT_PARAMETERS *params,
				 struct vrn_device **out)
{
	struct vrn_device *d;

	(void)miniport;
	(void)params;
	if (fails())
		return NDIS_STATUS_FAILURE;
	d = calloc(1, sizeof(*d));
	d->g = tguest_start(ndis.socket, 64u << 20);
	if (!d->g) {
		free(d);
		return NDIS_STATUS_FAILURE;
	}
	*out = d;
	return NDIS_STATUS_SUCCESS;
}

static void device_destroy(struct vrn_device *d)
{
	tguest_stop(d->g);
	free(d);
}

static void device_gone(struct vrn_device *d)
{
	tguest_kill(d->g);
}

static NDIS_STATUS device_power(struct vrn_device *d, bool on)
{
	if (!on)
		tguest_down(d->g);
	else if (tguest_up(d->g))
		return NDIS_STATUS_FAILURE;
	return NDIS_STATUS_SUCCESS;
}

static struct vrdma_core *device_core(struct vrn_device *d)
{
	return tguest_core(d->g);
}

static void device_mac(struct vrn_device *d, UCHAR mac[6])
{
	(void)d;
	memcpy(mac, "\x02\x72\x64\x6d\x61\x01", 6);
}

static const struct vrn_device_ops device_ops = {
	.create = device_create,
	.destroy = device_destroy,
	.gone = device_gone,
	.power = device_power,
	.core = device_core,
	.mac = device_mac,
};

struct tguest *standin_guest(void)
{
	return ndis.context->device->g;
}

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
	if (fails())
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
	return fails() ? NDIS_STATUS_FAILURE : NDIS_STATUS_SUCCESS;
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
	if (fails())
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
	if (vrn_register(NULL, NULL, &device_ops) != NDIS_STATUS_SUCCESS)
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
	NDIS_MINIPORT_INIT_PARAMETERS params = { 0 };
	NDIS_STATUS status;

	ndis.attributes = 0;
	ndis.failable = 0;
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
