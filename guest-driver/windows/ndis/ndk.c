/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-or-later */
/*
 * ndk.c - NDK's face: capabilities, open and close, on and off
 */
#include "miniport.h"

#include "vrdma_user.h"

/* --- what there is -------------------------------------------------------------------- */

static void fill_caps(struct vrn_adapter *a,
		      const struct virtio_rdma_config *c)
{
	a->caps = (NDIS_NDK_CAPABILITIES){
		.Header = vrn_header(NDIS_OBJECT_TYPE_DEFAULT, 1,
				     sizeof(a->caps)),
		.MaxQpCount = vr_from_le32(c->max_qp),
		.MaxCqCount = vr_from_le32(c->max_cq),
		.MaxMrCount = vr_from_le32(c->max_mr),
		.MaxPdCount = vr_from_le32(c->max_pd),
		/* no limit but that of a queue pair */
		.MaxInboundReadLimit = 0,
		.MaxOutboundReadLimit = 0,
		.MaxMwCount = vr_from_le32(c->max_mw),
		.MaxSrqCount = vr_from_le32(c->max_srq),
		/* the device does not tell us of bytes */
		.MissingCounterMask = 1ull << NDIS_NDK_IN_OCTETS |
				      1ull << NDIS_NDK_OUT_OCTETS |
				      1ull << NDIS_NDK_IN_FRAMES |
				      1ull << NDIS_NDK_OUT_FRAMES,
		.NdkInfo = &a->info,
	};
}

NDIS_STATUS vrn_ndk_describe(struct vrn_adapter *a)
{
	NDK_VERSION version = { VRDMA_NDK_MAJOR, VRDMA_NDK_MINOR };
	struct virtio_rdma_config cfg;
	ULONG size = sizeof(a->info);
	NDK_ADAPTER *ndk;
	NTSTATUS status = vrdma_open_adapter(a->ops->core(a->device), version,
					     0, &ndk);

	if (status != STATUS_SUCCESS)
		return NDIS_STATUS_FAILURE;
	status = ndk->Dispatch->NdkQueryAdapterInfo(ndk, &a->info, &size);
	vrdma_adapter_config(ndk, &cfg);
	vrdma_close_adapter(ndk);
	fill_caps(a, &cfg);
	return status == STATUS_SUCCESS ? NDIS_STATUS_SUCCESS :
					  NDIS_STATUS_FAILURE;
}

/* Always, also where it is not enabled */
NDIS_STATUS vrn_ndk_set_attributes(struct vrn_adapter *a)
{
	NDIS_MINIPORT_ADAPTER_NDK_ATTRIBUTES attr = {
		.Header = vrn_header(
			NDIS_OBJECT_TYPE_MINIPORT_ADAPTER_NDK_ATTRIBUTES, 1,
			sizeof(attr)),
		.Enabled = a->keyword,
		.NdkCapabilities = &a->caps,
	};

	a->ndk_wanted = a->keyword;
	a->ndk = a->keyword ? VRN_NDK_ON : VRN_NDK_OFF;
	return NdisMSetMiniportAttributes(a->miniport, &attr.Header);
}

/* --- open and close ---------------------------------------------------------------------- */

static bool take_open(struct vrn_adapter *a)
{
	bool ok;

	vrn_mutex_lock(&a->lock);
	ok = a->ndk == VRN_NDK_ON && !a->gone && a->state != VRN_HALTING;
	if (ok) {
		a->opens++;
		vrn_event_clear(&a->no_opens);
	}
	vrn_mutex_unlock(&a->lock);
	return ok;
}

static void give_open(struct vrn_adapter *a)
{
	vrn_mutex_lock(&a->lock);
	if (!--a->opens)
		vrn_event_set(&a->no_opens);
	vrn_mutex_unlock(&a->lock);
}

static NDIS_STATUS NTAPI open_ndk(NDIS_HANDLE context,
				  NDIS_OPEN_NDK_ADAPTER_PARAMETERS *params,
				  NDK_ADAPTER **out)
{
	struct vrn_adapter *a = context;
	NTSTATUS status;

	if (!take_open(a))
		return NDIS_STATUS_ADAPTER_NOT_READY;
	status = vrdma_open_adapter(a->ops->core(a->device), params->Version,
				    0, out);
	if (status != STATUS_SUCCESS)
		give_open(a);
	return status;
}

static VOID NTAPI close_ndk(NDIS_HANDLE context, NDK_ADAPTER *adapter)
{
	struct vrn_adapter *a = context;

	vrdma_close_adapter(adapter);
	give_open(a);
}

NDIS_STATUS vrn_ndk_set_provider(NDIS_HANDLE driver)
{
	NDIS_NDK_PROVIDER_CHARACTERISTICS c = {
		.Header = vrn_header(
			NDIS_OBJECT_TYPE_NDK_PROVIDER_CHARACTERISTICS, 1,
			sizeof(c)),
		.OpenNDKAdapterHandler = open_ndk,
		.CloseNDKAdapterHandler = close_ndk,
	};

	return NdisSetOptionalHandlers(driver, &c.Header);
}

/* --- on and off --------------------------------------------------------------------------- */

static void tell_ndis(struct vrn_adapter *a, NET_PNP_EVENT_CODE code)
{
	NET_PNP_EVENT_NOTIFICATION n = {
		.Header = vrn_header(NDIS_OBJECT_TYPE_DEFAULT, 1, sizeof(n)),
		.NetPnPEvent.NetEvent = code,
	};

	NdisMNetPnPEvent(a->miniport, &n);
}

/* The next change, or false: all is as wanted */
static bool next_change(struct vrn_adapter *a, NET_PNP_EVENT_CODE *code)
{
	bool any = true;

	vrn_mutex_lock(&a->lock);
	if (a->state == VRN_HALTING || a->gone) {
		any = false;
	} else if (a->ndk_wanted && a->ndk == VRN_NDK_OFF) {
		a->ndk = VRN_NDK_ON;
		*code = NetEventNDKEnable;
	} else if (!a->ndk_wanted && a->ndk == VRN_NDK_ON) {
		a->ndk = VRN_NDK_STOPPING;
		*code = NetEventNDKDisable;
	} else {
		any = false;
	}
	if (!any) {
		a->working = false;
		vrn_event_set(&a->no_work);
	}
	vrn_mutex_unlock(&a->lock);
	return any;
}

/* The event is over when every adapter is closed: consumers do that in it */
static void change(struct vrn_adapter *a, NET_PNP_EVENT_CODE code)
{
	tell_ndis(a, code);
	if (code == NetEventNDKEnable)
		return;
	vrn_event_wait(&a->no_opens);
	vrn_mutex_lock(&a->lock);
	a->ndk = VRN_NDK_OFF;
	vrn_mutex_unlock(&a->lock);
}

static VOID NTAPI work(PVOID context, NDIS_HANDLE item)
{
	struct vrn_adapter *a = context;
	NET_PNP_EVENT_CODE code;

	(void)item;
	while (next_change(a, &code))
		change(a, code);
}

void vrn_ndk_want(struct vrn_adapter *a, bool on)
{
	bool queue;

	vrn_mutex_lock(&a->lock);
	a->ndk_wanted = on;
	queue = !a->working && a->state != VRN_HALTING && !a->gone;
	if (queue) {
		a->working = true;
		vrn_event_clear(&a->no_work);
	}
	vrn_mutex_unlock(&a->lock);
	if (queue)
		NdisQueueIoWorkItem(a->work, work, a);
}

void vrn_ndk_end(struct vrn_adapter *a)
{
	vrn_event_wait(&a->no_opens);
	vrn_event_wait(&a->no_work);
	/* whoever set them may still be on its way out of the lock */
	vrn_mutex_lock(&a->lock);
	vrn_mutex_unlock(&a->lock);
}
