/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * physical.c - the privileged token on a fabric that reaches memory by itself
 *
 * DOC: A kernel consumer may name guest physical addresses.  For the fabric's
 * device each piece of the guest's memory is registered in the consumer's
 * domain, local access only, so all of the guest's memory is pinned while such
 * a domain exists.  The worker has a table of the pieces by address; it is
 * replaced whole when the guest's memory changes: new pieces are in it when
 * they are registered, and those that left are taken back after they are out
 * of it.  The guest's rings are left alone meanwhile.  Control thread.
 */
#include <errno.h>
#include <stdlib.h>

#include "guest.h"
#include "mr.h"
#include "worker.h"

struct swap {
	struct vr_pd *pd;
	struct physical_keys *keys;
};

static void swap_keys(void *arg)
{
	struct swap *s = arg;
	struct physical_keys *old = s->pd->keys;

	s->pd->keys = s->keys;
	s->keys = old;
}

/* The worker uses keys from now on, and no older ones */
static void set_keys(struct vr_pd *pd, struct physical_keys *keys)
{
	struct swap s = {pd, keys};

	worker_call(pd->guest->data.worker, swap_keys, &s);
	free(s.keys);
}

static struct vr_mr *piece_of(const struct vr_pd *pd,
			      const struct gmem_region *r)
{
	struct list_head *pos;

	list_for_each(pos, &pd->memory) {
		struct vr_mr *mr = container_of(pos, struct vr_mr, link);

		if (mr->pages.region[0] == r)
			return mr;
	}
	return NULL;
}

static bool in_map(const struct gmem_map *map, const struct vr_mr *mr)
{
	for (uint32_t i = 0; map && i < map->count; i++)
		if (map->region[i] == mr->pages.region[0])
			return true;
	return false;
}

/* The pieces of the map that are registered; the map is sorted by address */
static struct physical_keys *make_keys(const struct vr_pd *pd)
{
	const struct gmem_map *map = pd->guest->map;
	uint32_t max = map ? map->count : 0;
	struct physical_keys *keys =
		calloc(1, sizeof(*keys) + max * sizeof(keys->mr[0]));

	for (uint32_t i = 0; keys && i < max; i++) {
		struct vr_mr *mr = piece_of(pd, map->region[i]);

		if (mr && mr->phase == MR_READY && mr->be.pd)
			keys->mr[keys->count++] = mr;
	}
	return keys;
}

static void drop_piece(struct vr_mr *mr)
{
	list_del(&mr->link);
	mr_end(mr);
}

/* Memory that was plugged in is the guest's at once: what names it waits until
 * the fabric knows it, and with it all that is posted */
static void hold(struct vr_pd *pd, bool on)
{
	if (pd->holds == on)
		return;
	pd->holds = on;
	guest_data_pause(pd->guest, on);
}

/* Nothing is being registered: what the worker may use is known */
static void settle(struct vr_pd *pd)
{
	struct physical_keys *keys = make_keys(pd);
	struct list_head *pos, *tmp;
	int err = pd->memory_err;

	if (!keys)
		err = -ENOMEM;
	set_keys(pd, keys);
	list_for_each_safe(pos, tmp, &pd->memory) {
		struct vr_mr *mr = container_of(pos, struct vr_mr, link);

		if (mr->phase != MR_READY || !in_map(pd->guest->map, mr))
			drop_piece(mr);
	}
	pd->memory_err = 0;
	hold(pd, false);
	pd_memory_ready(pd, err);
}

static void piece_registered(struct vr_mr *mr, int err)
{
	struct vr_pd *pd = mr->pd;

	if (err && !pd->memory_err)
		pd->memory_err = err;
	mr->phase = err ? MR_NEW : MR_READY;
	if (!--pd->starting)
		settle(pd);
}

static int add_piece(struct vr_pd *pd, struct gmem_region *r)
{
	struct vr_mr *mr = mr_new(pd->guest, pd);

	if (!mr)
		return -ENOMEM;
	if (gmem_pages_of_region(r, &mr->pages)) {
		mr_discard(mr);
		return -ENOMEM;
	}
	mr->addr = r->gpa;
	mr->length = r->size;
	mr->access = VIRTIO_RDMA_ACCESS_LOCAL_WRITE;
	mr->registered = piece_registered;
	list_add_tail(&mr->link, &pd->memory);
	mr_start(mr);
	return 0;
}

void physical_sync(struct vr_pd *pd)
{
	const struct gmem_map *map = pd->guest->map;

	/* one more while it is looked at, so that it settles at the end */
	pd->starting++;
	for (uint32_t i = 0; map && i < map->count; i++) {
		if (piece_of(pd, map->region[i]))
			continue;
		pd->starting++;
		if (add_piece(pd, map->region[i])) {
			pd->starting--;
			pd->memory_err = -ENOMEM;
		}
	}
	if (!--pd->starting)
		settle(pd);
	else if (!pd->cmd)
		hold(pd, true);
}

void physical_end(struct vr_pd *pd)
{
	struct list_head *pos, *tmp;

	hold(pd, false);
	if (pd->keys)
		set_keys(pd, NULL);
	list_for_each_safe(pos, tmp, &pd->memory)
		drop_piece(container_of(pos, struct vr_mr, link));
}
