/* SPDX-License-Identifier: GPL-2.0-or-later */
/* guest.c - a guest's tables and their common end; see guest.h */
#include <errno.h>
#include <stddef.h>
#include <stdlib.h>

#include "addr.h"
#include "cq.h"
#include "fabric.h"
#include "guest.h"
#include "loop.h"
#include "mr.h"
#include "mw.h"
#include "place.h"
#include "qp.h"
#include "session.h"
#include "srq.h"

#define LOG_LINES_PER_SECOND 20

static const struct {
	size_t table; /* in struct guest */
	size_t limit; /* in struct guest_conf */
} tables[] = {
#define T(t, l)                                                                \
	{                                                                      \
		offsetof(struct guest, t), offsetof(struct guest_conf, l)      \
	}
	T(contexts, max_context),
	T(pds, max_pd),
	T(cqs, max_cq),
	T(mrs, max_mr),
	T(mws, max_mw),
	T(qps, max_qp),
	T(srqs, max_srq),
	T(connectors, max_connector),
	T(listeners, max_listener),
	T(endpoints, max_endpoint),
#undef T
};

#define TABLE_COUNT (sizeof(tables) / sizeof(tables[0]))

static struct handle_table *table_of(struct guest *g, size_t i)
{
	return (void *)((char *)g + tables[i].table);
}

static void tables_fini(struct guest *g)
{
	for (size_t i = 0; i < TABLE_COUNT; i++)
		handle_table_fini(table_of(g, i));
	token_table_fini(&g->claims);
}

/* What a guest may have none of keeps an empty table */
static int tables_init(struct guest *g)
{
	uint32_t limit;
	int ret = 0;

	for (size_t i = 0; i < TABLE_COUNT && !ret; i++) {
		limit = *(const uint32_t *)((const char *)g->conf +
					    tables[i].limit);
		if (limit)
			ret = handle_table_init(table_of(g, i), limit);
	}
	if (!ret)
		ret = token_table_init(&g->claims,
				       g->conf->max_mr + g->conf->max_mw);
	if (ret)
		tables_fini(g);
	return ret;
}

int guest_create(struct model *m, const struct guest_conf *conf,
		 struct guest **out)
{
	struct guest *g = calloc(1, sizeof(*g));
	int ret;

	if (!g)
		return -ENOMEM;
	g->name = conf->name;
	g->conf = conf;
	g->model = m;
	g->loop = m->loop;
	g->index = m->guest_count;
	g->fabric = fabric_find(m, conf);
	g->gmem_account.max = conf->max_mr_pages;
	log_limit_init(&g->log_limit, LOG_LINES_PER_SECOND);

	ret = tables_init(g);
	if (ret)
		goto err_free;
	ret = vq_state_init(g);
	if (ret)
		goto err_tables;
	ret = guest_data_init(g, place_guest(m, g->fabric));
	if (ret)
		goto err_vq;
	ret = cm_guest_init(g);
	if (ret)
		goto err_data;
	guest_set_paused(g, true);
	*out = g;
	return 0;

err_data:
	guest_data_fini(g);
err_vq:
	vq_state_fini(g);
err_tables:
	tables_fini(g);
err_free:
	free(g);
	return ret;
}

void guest_destroy(struct guest *g)
{
	guest_reset(g);
	cm_guest_fini(g);
	guest_set_map(g, NULL);
	guest_data_fini(g);
	vq_state_fini(g);
	tables_fini(g);
	free(g);
}

void guest_reset(struct guest *g)
{
	/* first, so that what ends below is answered to nobody */
	g->epoch++;
	/* events, too: each queue would look for its own among all that wait */
	vq_reset(g);
	listener_reset_all(g);
	shared_ep_reset_all(g);
	qp_halt_all(g);
	connector_reset_all(g);
	qp_reset_all(g);
	srq_reset_all(g);
	cq_reset_all(g);
	mw_reset_all(g);
	mr_reset_all(g);
	pd_reset_all(g);
	context_reset_all(g);
	g->broken = false;
}

void guest_set_map(struct guest *g, struct gmem_map *map)
{
	struct gmem_map *old = g->map;

	g->map = map;
	guest_data_set_map(g, map);
	pd_map_changed(g);
	gmem_map_put(old);
}

void guest_set_paused(struct guest *g, bool paused)
{
	if (g->paused == paused)
		return;
	g->paused = paused;
	guest_data_pause(g, paused);
}

/* Completion queues are ours, whatever carries the bytes */
#define OURS	(VIRTIO_RDMA_FEATURE(CQ_RESIZE) | \
		 VIRTIO_RDMA_FEATURE(CQ_MODERATION))

/* What the operator lets the guest have */
static uint32_t configured(const struct guest_conf *conf)
{
	uint32_t mask = VIRTIO_RDMA_FEATURE(SEND_INVALIDATE) | OURS;

	if (conf->max_mw)
		mask |= VIRTIO_RDMA_FEATURE(MW);
	if (conf->max_srq)
		mask |= VIRTIO_RDMA_FEATURE(SRQ);
	if (conf->max_frmr_pages)
		mask |= VIRTIO_RDMA_FEATURE(FAST_REGISTER) |
			VIRTIO_RDMA_FEATURE(READ_INVALIDATE);
	if (conf->max_endpoint)
		mask |= VIRTIO_RDMA_FEATURE(SHARED_ENDPOINT);
	return mask;
}

/* A device that serves shared queues has receives ahead of the messages, which
 * connections of the other kind would miss */
static uint32_t mixed(const struct guest *g)
{
	return g->fabric && g->fabric->srq_create && g->conf->local
		       ? ~VIRTIO_RDMA_FEATURE(SRQ) : UINT32_MAX;
}

static uint32_t carried(const struct backend *be)
{
	return be ? be->features | OURS : UINT32_MAX;
}

uint32_t guest_offered_features(const struct guest *g)
{
	return configured(g->conf) & carried(g->model->local) &
	       carried(g->fabric) & mixed(g);
}

void guest_set_features(struct guest *g, uint32_t negotiated)
{
	g->features = negotiated;
}

struct guest *guest_by_addr(const struct model *m, const struct be_addr *a)
{
	for (uint32_t i = 0; i < m->guest_count; i++) {
		struct guest *g = m->guest[i];

		for (uint32_t j = 0; j < g->conf->naddr; j++)
			if (addr_ip_equal(&g->conf->addr[j], a))
				return g;
	}
	return NULL;
}
