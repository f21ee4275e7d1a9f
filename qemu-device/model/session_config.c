/* SPDX-License-Identifier: GPL-2.0-or-later */
/* session_config.c - the configuration space and the word behind it */
#include <string.h>
#include <linux/virtio_config.h>

#include "fabric.h"
#include "session_int.h"

/* NDK_ADAPTER_FLAG_xxx that hold for every backend: a read needs no special
 * target, a guest may connect to itself.  Not in-order DMA: a copy of many
 * bytes may end in any order, so nobody may wait for its last byte. */
#define ADAPTER_FLAGS	 (0x2 | 0x10000)
/* And those that a feature brings */
static const struct {
	uint32_t feature, flag;
} feature_flags[] = {
	{ VIRTIO_RDMA_FEATURE(CQ_MODERATION), 0x4 },
	{ VIRTIO_RDMA_FEATURE(READ_INVALIDATE), 0x10 },
	{ VIRTIO_RDMA_FEATURE(CQ_RESIZE), 0x100 },
};
#define VENDOR_ID	 0x1af4
#define DEVICE_ID	 (0x1040 + VIRTIO_ID_RDMA)

struct config_space {
	struct virtio_rdma_config config;
	struct virtio_rdma_status_tail tail;
};
_Static_assert(sizeof(struct config_space) <= VHOST_USER_MAX_CONFIG_SIZE,
	       "one GET_CONFIG carries it");

size_t session_config_size(void)
{
	return sizeof(struct config_space);
}

static void fill_objects(const struct guest *guest,
			 struct virtio_rdma_config *out)
{
	const struct guest_conf *g = guest->conf;

	out->max_context = vr_to_le32(g->max_context);
	out->max_pd = vr_to_le32(g->max_pd);
	out->max_cq = vr_to_le32(g->max_cq);
	out->max_mr = vr_to_le32(g->max_mr);
	if (guest_offered_features(guest) & VIRTIO_RDMA_FEATURE(MW))
		out->max_mw = vr_to_le32(g->max_mw);
	out->max_qp = vr_to_le32(g->max_qp);
	out->max_connector = vr_to_le32(g->max_connector);
	out->max_listener = vr_to_le32(g->max_listener);
	out->max_mr_size = vr_to_le64(g->max_mr_size);
}

static void fill_queues(const struct guest_conf *g,
			struct virtio_rdma_config *out)
{
	out->num_ceq = vr_to_le16((uint16_t)g->num_ceq);
	out->num_wakeq = vr_to_le16((uint16_t)g->num_wakeq);
	out->max_cq_depth = vr_to_le32(g->max_cq_depth);
	out->max_send_depth = vr_to_le32(g->max_send_depth);
	out->max_recv_depth = vr_to_le32(g->max_recv_depth);
	out->max_send_sge = vr_to_le32(g->max_send_sge);
	out->max_recv_sge = vr_to_le32(g->max_recv_sge);
	out->max_read_sge = vr_to_le32(g->max_read_sge);
	out->max_inline = vr_to_le32(g->max_inline);
	out->max_transfer = vr_to_le32(g->max_transfer);
}

/* Zero for what is not offered */
static void fill_features(const struct guest *g, struct virtio_rdma_config *out)
{
	if (guest_offered_features(g) & VIRTIO_RDMA_FEATURE(SRQ)) {
		out->max_srq = vr_to_le32(g->conf->max_srq);
		out->max_srq_depth = vr_to_le32(g->conf->max_srq_depth);
	}
	if (guest_offered_features(g) & VIRTIO_RDMA_FEATURE(FAST_REGISTER))
		out->max_frmr_pages = vr_to_le32(g->conf->max_frmr_pages);
}

/* Guests of one vrdmad may get "local", so what that cannot carry is not
 * promised; what the fabric cannot was taken away at start (fabric.c) */
static void fill_connections(const struct guest *g,
			     struct virtio_rdma_config *out)
{
	const struct be_limits *wire = &fabric_of(g)->limits;

	out->max_caller_data = vr_to_le32(wire->caller_data);
	out->max_callee_data = vr_to_le32(wire->callee_data);
	out->rdma_technology = vr_to_le32(wire->technology);
	out->max_inbound_reads = vr_to_le32(g->conf->max_inbound_reads);
	out->max_outbound_reads = vr_to_le32(g->conf->max_outbound_reads);
	out->disconnect_timeout_ms = vr_to_le32(g->conf->disconnect_timeout_ms);
}

static uint32_t adapter_flags(const struct guest *g)
{
	uint32_t flags = ADAPTER_FLAGS, offered = guest_offered_features(g);
	const size_t n = sizeof(feature_flags) / sizeof(feature_flags[0]);

	for (size_t i = 0; i < n; i++)
		if (offered & feature_flags[i].feature)
			flags |= feature_flags[i].flag;
	return flags;
}

void session_fill_config(const struct guest *g, uint8_t *out, size_t off,
			 size_t len)
{
	struct config_space all;
	struct virtio_rdma_config *cfg = &all.config;

	memset(&all, 0, sizeof(all));
	cfg->abi_version = vr_to_le32(VIRTIO_RDMA_ABI_VERSION);
	fill_objects(g, cfg);
	fill_queues(g->conf, cfg);
	fill_connections(g, cfg);
	fill_features(g, cfg);
	cfg->adapter_flags = vr_to_le32(adapter_flags(g));
	cfg->vendor_id = vr_to_le32(VENDOR_ID);
	cfg->device_id = vr_to_le32(DEVICE_ID);
	if (g->broken)
		all.tail.status = vr_to_le32(VIRTIO_CONFIG_S_NEEDS_RESET);
	memcpy(out, (uint8_t *)&all + off, len);
}
