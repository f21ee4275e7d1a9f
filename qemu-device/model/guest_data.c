/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * guest_data.c - the worker's part of a guest.  Called by the control thread.
 */
#include <errno.h>
#include <stdlib.h>

#include "guest.h"
#include "mr.h"
#include "qp.h"
#include "worker.h"

int guest_data_init(struct guest *g, struct worker *w)
{
	struct guest_data *d = &g->data;
	int ret;

	d->worker = w;
	d->max_mr = g->conf->max_mr;
	d->max_mw = g->conf->max_mw;
	d->max_transfer = g->conf->max_transfer;
	d->max_read_sge = g->conf->max_read_sge;
	d->rnr_timeout_ms = g->conf->rnr_timeout_ms;
	d->map = NULL;
	d->pauses = 0;
	d->paused = false;
	d->weight = g->conf->weight;
	list_init(&d->qps);
	list_init(&d->run);
	list_init(&d->runnable);
	d->mr = calloc(d->max_mr, sizeof(*d->mr));
	if (!d->mr)
		return -ENOMEM;
	ret = -ENOMEM;
	d->mw = calloc(d->max_mw ? d->max_mw : 1, sizeof(*d->mw));
	if (!d->mw)
		goto err_mr;
	ret = token_table_init(&d->tokens, d->max_mr + d->max_mw);
	if (ret)
		goto err_mw;
	return 0;

err_mw:
	free(d->mw);
err_mr:
	free(d->mr);
	return ret;
}

void guest_data_fini(struct guest *g)
{
	guest_data_set_map(g, NULL);
	token_table_fini(&g->data.tokens);
	free(g->data.mw);
	free(g->data.mr);
	g->data.mw = NULL;
	g->data.mr = NULL;
}

struct set_map {
	struct guest_data *data;
	struct gmem_map *map;
};

static void swap_map(void *arg)
{
	struct set_map *s = arg;
	struct gmem_map *old = s->data->map;

	s->data->map = s->map;
	s->map = old;
}

void guest_data_set_map(struct guest *g, struct gmem_map *map)
{
	struct set_map s = { &g->data, map ? gmem_map_get(map) : NULL };

	worker_call(g->data.worker, swap_map, &s);
	gmem_map_put(s.map);
}

struct set_paused {
	struct guest_data *data;
	bool pause;
};

static void set_paused(void *arg)
{
	struct set_paused *s = arg;
	struct guest_data *d = s->data;

	if (s->pause)
		d->pauses++;
	else
		d->pauses--;
	d->paused = d->pauses > 0;
	if (d->paused)
		list_del(&d->runnable);
	else if (!list_empty(&d->run))
		worker_enqueue(d->worker, d, list_first(&d->run, struct vr_qp,
							run));
}

void guest_data_pause(struct guest *g, bool pause)
{
	struct set_paused s = { &g->data, pause };

	worker_call(g->data.worker, set_paused, &s);
}
