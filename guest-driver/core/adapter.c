/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-or-later */
/*
 * adapter.c - NDK_ADAPTER: one per consumer, with its context on the device
 */
#include "vrc.h"

#define WAIT_SLICE_MS	10000

/* --- what it can do ------------------------------------------------------------ */

/* Of the device's flags those that this driver makes good on */
#define KNOWN_FLAGS	(NDK_ADAPTER_FLAG_IN_ORDER_DMA_SUPPORTED | \
			 NDK_ADAPTER_FLAG_RDMA_READ_SINK_NOT_REQUIRED | \
			 NDK_ADAPTER_FLAG_CQ_INTERRUPT_MODERATION_SUPPORTED | \
			 NDK_ADAPTER_FLAG_CQ_RESIZE_SUPPORTED | \
			 NDK_ADAPTER_FLAG_RDMA_READ_LOCAL_INVALIDATE_SUPPORTED | \
			 NDK_ADAPTER_FLAG_LOOPBACK_CONNECTIONS_SUPPORTED)

/* Above this a registered buffer costs less than a copy into one */
#define LARGE_REQUEST	65536

static SIZE_T clamp_size(uint64_t v)
{
	return v > (SIZE_T)-1 ? (SIZE_T)-1 : (SIZE_T)v;
}

static void fill_info(const struct virtio_rdma_config *cfg,
		      NDK_ADAPTER_INFO *info)
{
	memset(info, 0, sizeof(*info));
	info->Version.Major = VRDMA_NDK_MAJOR;
	info->Version.Minor = VRDMA_NDK_MINOR;
	info->VendorId = VRC_CFG32(cfg, vendor_id);
	info->DeviceId = VRC_CFG32(cfg, device_id);
	info->MaxRegistrationSize = clamp_size(vr_from_le64(cfg->max_mr_size));
	if (VRC_CFG32(cfg, max_mw))
		info->MaxWindowSize = info->MaxRegistrationSize;
	info->FRMRPageCount = VRC_CFG32(cfg, max_frmr_pages);
	info->MaxInitiatorRequestSge = VRC_CFG32(cfg, max_send_sge);
	info->MaxReceiveRequestSge = VRC_CFG32(cfg, max_recv_sge);
	info->MaxReadRequestSge = VRC_CFG32(cfg, max_read_sge);
	info->MaxTransferLength = VRC_CFG32(cfg, max_transfer);
	info->MaxInlineDataSize = VRC_CFG32(cfg, max_inline);
	info->MaxInboundReadLimit = VRC_CFG32(cfg, max_inbound_reads);
	info->MaxOutboundReadLimit = VRC_CFG32(cfg, max_outbound_reads);
	/* rings are powers of two, so a limit that is none is out of reach */
	info->MaxReceiveQueueDepth =
		vrc_rounddown_pow2(VRC_CFG32(cfg, max_recv_depth));
	info->MaxInitiatorQueueDepth =
		vrc_rounddown_pow2(VRC_CFG32(cfg, max_send_depth));
	if (vrc_srq_offered(cfg))
		info->MaxSrqDepth =
			vrc_rounddown_pow2(VRC_CFG32(cfg, max_srq_depth));
	info->MaxCqDepth = vrc_rounddown_pow2(VRC_CFG32(cfg, max_cq_depth));
	info->LargeRequestThreshold = LARGE_REQUEST;
	info->MaxCallerData = VRC_CFG32(cfg, max_caller_data);
	info->MaxCalleeData = VRC_CFG32(cfg, max_callee_data);
	info->AdapterFlags = VRC_CFG32(cfg, adapter_flags) & KNOWN_FLAGS;
	info->RdmaTechnology =
		(NDK_RDMA_TECHNOLOGY)VRC_CFG32(cfg, rdma_technology);
}

static struct vrc_adapter *to_adapter(NDK_ADAPTER *ndk)
{
	return (struct vrc_adapter *)(void *)ndk;
}

static NTSTATUS query_info(NDK_ADAPTER *ndk, NDK_ADAPTER_INFO *info,
			   ULONG *size)
{
	ULONG room;

	if (!size)
		return STATUS_INVALID_PARAMETER;
	room = *size;
	*size = sizeof(*info);
	if (!info || room < sizeof(*info))
		return STATUS_BUFFER_TOO_SMALL;
	fill_info(&to_adapter(ndk)->cfg, info);
	return STATUS_SUCCESS;
}

/* --- work bits --------------------------------------------------------------------- */

/* Two halves: 32-bit kernels have no helper for the 64-bit builtin */
static uint32_t lowest_clear(uint64_t word)
{
	uint32_t low = ~(uint32_t)word;

	return low ? (uint32_t)__builtin_ctz(low) :
		     32 + (uint32_t)__builtin_ctz(~(uint32_t)(word >> 32));
}

int vrc_slot_get(struct vrc_adapter *a, uint32_t *slot)
{
	const uint32_t words = VRC_ARRAY_SIZE(a->slots);
	struct vrdma_core *c = a->obj.core;
	int err = -VRC_ENOSPC;
	uint32_t i;

	vrc_lock(c);
	for (i = 0; i < words; i++) {
		uint32_t w = (a->slot_hint + i) % words;
		uint32_t bit;

		if (!~a->slots[w])
			continue;
		bit = lowest_clear(a->slots[w]);
		a->slots[w] |= 1ull << bit;
		a->slot_hint = w;
		*slot = w * 64 + bit;
		err = 0;
		break;
	}
	vrc_unlock(c);
	return err;
}

void vrc_slot_put(struct vrc_adapter *a, uint32_t slot)
{
	vrc_lock(a->obj.core);
	a->slots[slot / 64] &= ~(1ull << (slot % 64));
	vrc_unlock(a->obj.core);
}

/* --- open and close -------------------------------------------------------------------- */

static const NDK_ADAPTER_DISPATCH adapter_dispatch = {
	.NdkQueryExtension = vrc_query_extension,
	.NdkQueryAdapterInfo = query_info,
	.NdkCreateCq = vrc_create_cq,
	.NdkCreatePd = vrc_create_pd,
	.NdkCreateSharedEndpoint = vrc_create_shared_endpoint,
	.NdkCreateConnector = vrc_create_connector,
	.NdkCreateListener = vrc_create_listener,
	.NdkBuildLAM = vrc_build_lam,
	.NdkReleaseLAM = vrc_release_lam,
};

/* The closer waits and frees; see wait_drained() */
static void adapter_release(struct vrc_obj *obj, bool let_go)
{
	struct vrc_adapter *a = VRC_CONTAINER(obj, struct vrc_adapter, obj);
	struct vrdma_core *c = obj->core;

	vrc_lock(c);
	if (!let_go)
		memset(&a->page, 0, sizeof(a->page));
	a->drained = true;
	c->ops->event_set(c->os, &a->event);
	vrc_unlock(c);
}

static const struct vrc_obj_class adapter_class = {
	.type = NdkObjectTypeAdapter,
	.name = "adapter",
	.destroy = VIRTIO_RDMA_CMD_DESTROY_CONTEXT,
	.release = adapter_release,
};

/* The setter holds the lock around event_set, so that the event is not freed
 * under its hands: whoever saw the flag with the lock held may free it. */
static void wait_drained(struct vrc_adapter *a)
{
	struct vrdma_core *c = a->obj.core;
	bool done = false;

	while (!done) {
		if (!c->ops->event_wait(c->os, &a->event, WAIT_SLICE_MS))
			vrc_log(c, VRDMA_LOG_WARN,
				"adapter close waits for %u objects",
				vrdma_core_object_count(c));
		vrc_lock(c);
		done = a->drained;
		vrc_unlock(c);
	}
}

static void adapter_free(struct vrc_adapter *a)
{
	struct vrdma_core *c = a->obj.core;

	if (a->page.va)
		c->ops->dma_free(c->os, &a->page);
	c->ops->event_fini(c->os, &a->event);
	vrc_free(c, a);
}

static void fill_create(struct vrc_cmd *cmd, void *req)
{
	struct vrc_adapter *a = VRC_CONTAINER(cmd, struct vrc_adapter, obj.cmd);
	struct virtio_rdma_cmd_create_context *r = req;

	r->page = vr_to_le64(a->page.pages[0]);
	r->wakeq = vr_to_le32(a->wakeq);
}

struct opening {
	struct vrc_adapter *a;
	NTSTATUS status;
	bool done;
};

/* Runs the creation to its end: opening is a passive, blocking call */
static VOID open_done(PVOID context, NTSTATUS status, NDK_OBJECT_HEADER *h)
{
	struct opening *o = context;
	struct vrdma_core *c = o->a->obj.core;

	(void)h;
	vrc_lock(c);
	o->status = status;
	o->done = true;
	/* a failed creation is abandoned next, and that sets the event */
	if (NT_SUCCESS(status))
		c->ops->event_set(c->os, &o->a->event);
	vrc_unlock(c);
}

static NTSTATUS create_context(struct vrc_adapter *a)
{
	struct vrdma_core *c = a->obj.core;
	struct opening o = { .a = a };
	bool done = false;
	NTSTATUS st;

	st = vrc_obj_create(&a->obj, VIRTIO_RDMA_CMD_CREATE_CONTEXT,
			    fill_create, open_done, &o);
	if (st != STATUS_PENDING)
		return NDIS_STATUS_ADAPTER_NOT_READY;
	while (!done) {
		if (!c->ops->event_wait(c->os, &a->event, WAIT_SLICE_MS))
			vrc_log(c, VRDMA_LOG_WARN,
				"adapter open waits for the device");
		vrc_lock(c);
		done = a->drained || (o.done && NT_SUCCESS(o.status));
		vrc_unlock(c);
	}
	c->ops->event_clear(c->os, &a->event);
	return o.status;
}

static struct vrc_adapter *adapter_alloc(struct vrdma_core *c, uint32_t flags)
{
	struct vrc_adapter *a = vrc_alloc(c, sizeof(*a));

	if (!a)
		return NULL;
	if (c->ops->dma_alloc(c->os, 1, &a->page)) {
		vrc_free(c, a);
		return NULL;
	}
	c->ops->event_init(c->os, &a->event);
	a->flags = flags;
	vrc_obj_init(&a->obj, c, NULL, &adapter_class);
	a->obj.owner = a;
	a->obj.ndk.adapter.Dispatch = &adapter_dispatch;
	vrc_lock(c);
	a->cfg = c->cfg;
	a->features = c->features;
	/* contexts beyond the number of wake-up queues share them */
	a->wakeq = c->next_wakeq++ % c->num_wakeq;
	a->wake_queue = VIRTIO_RDMA_VQ_WAKE(c->num_ceq, a->wakeq);
	vrc_unlock(c);
	return a;
}

NTSTATUS vrdma_open_adapter(struct vrdma_core *c, NDK_VERSION version,
			    uint32_t flags, NDK_ADAPTER **out)
{
	struct vrc_adapter *a;
	NTSTATUS st;

	if (version.Major != VRDMA_NDK_MAJOR ||
	    version.Minor > VRDMA_NDK_MINOR)
		return NDIS_STATUS_BAD_VERSION;
	if (!vrdma_core_alive(c))
		return NDIS_STATUS_ADAPTER_NOT_READY;
	a = adapter_alloc(c, flags);
	if (!a)
		return STATUS_INSUFFICIENT_RESOURCES;
	st = create_context(a);
	if (!NT_SUCCESS(st)) {
		adapter_free(a);
		return st == STATUS_DEVICE_REMOVED ?
			       NDIS_STATUS_ADAPTER_NOT_READY : st;
	}
	*out = &a->obj.ndk.adapter;
	return STATUS_SUCCESS;
}

static VOID closed(PVOID context)
{
	(void)context;
}

void vrdma_close_adapter(NDK_ADAPTER *ndk)
{
	struct vrc_adapter *a = to_adapter(ndk);

	vrc_obj_close(&a->obj.ndk.header, closed, NULL);
	wait_drained(a);
	adapter_free(a);
}

/* --- for shells -------------------------------------------------------------------------- */

void vrdma_adapter_context(NDK_ADAPTER *ndk, struct vrdma_context_info *out)
{
	struct vrc_adapter *a = to_adapter(ndk);

	out->page = &a->page;
	out->wake_queue = a->wake_queue;
}

bool vrdma_adapter_lost(NDK_ADAPTER *ndk)
{
	return !vrc_obj_usable(&to_adapter(ndk)->obj);
}

void vrdma_adapter_config(NDK_ADAPTER *ndk, struct virtio_rdma_config *out)
{
	*out = to_adapter(ndk)->cfg;
}

uint32_t vrdma_adapter_features(NDK_ADAPTER *ndk)
{
	return to_adapter(ndk)->features;
}
