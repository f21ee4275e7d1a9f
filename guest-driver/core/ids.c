/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-or-later */
/*
 * ids.c - names of objects on the wire
 *
 * DOC: A cookie that the device gives back is looked up, never followed: low
 * half an index + 1, high half a generation.  A stale or invented one finds
 * nothing.
 */
#include "vrc.h"

static struct vrc_id *id_at(struct vrdma_core *c, uint32_t index)
{
	return &c->ids[index / VRC_ID_CHUNK][index % VRC_ID_CHUNK];
}

/* lock held; an index, or -1 when a new chunk is needed first */
static int64_t take_index(struct vrdma_core *c)
{
	if (c->ids_free) {
		uint32_t index = c->ids_free - 1;

		c->ids_free = id_at(c, index)->next_free;
		return index;
	}
	if (c->ids_used < VRC_ID_CHUNK * VRC_ID_CHUNKS &&
	    c->ids[c->ids_used / VRC_ID_CHUNK])
		return c->ids_used++;
	return -1;
}

static int grow(struct vrdma_core *c)
{
	struct vrc_id *chunk = vrc_alloc(c, sizeof(*chunk) * VRC_ID_CHUNK);
	uint32_t at;

	if (!chunk)
		return -VRC_ENOMEM;
	vrc_lock(c);
	at = c->ids_used / VRC_ID_CHUNK;
	if (at < VRC_ID_CHUNKS && !c->ids[at]) {
		c->ids[at] = chunk;
		chunk = NULL;
	}
	vrc_unlock(c);
	vrc_free(c, chunk);	/* another CPU was faster, or the table is full */
	return at < VRC_ID_CHUNKS ? 0 : -VRC_ENOMEM;
}

int vrc_id_new(struct vrdma_core *c, struct vrc_obj *obj)
{
	for (;;) {
		struct vrc_id *id;
		int64_t index;

		vrc_lock(c);
		index = take_index(c);
		if (index >= 0) {
			id = id_at(c, (uint32_t)index);
			id->obj = obj;
			obj->cookie = (uint64_t)id->generation << 32 |
				      (uint32_t)(index + 1);
			vrc_unlock(c);
			return 0;
		}
		vrc_unlock(c);
		if (grow(c) < 0)
			return -VRC_ENOMEM;
	}
}

void vrc_id_drop_locked(struct vrdma_core *c, struct vrc_obj *obj)
{
	uint32_t index = (uint32_t)obj->cookie - 1;
	struct vrc_id *id;

	if (!obj->cookie)
		return;
	id = id_at(c, index);
	id->obj = NULL;
	id->generation++;
	id->next_free = c->ids_free;
	c->ids_free = index + 1;
	obj->cookie = 0;
}

/* A hold on the object, or NULL.  The caller puts it. */
struct vrc_obj *vrc_id_get(struct vrdma_core *c, uint64_t cookie,
			   NDK_OBJECT_TYPE type)
{
	uint32_t index = (uint32_t)cookie - 1;
	struct vrc_obj *obj = NULL;
	struct vrc_id *id;

	vrc_lock(c);
	if ((uint32_t)cookie && index < c->ids_used) {
		id = id_at(c, index);
		if (id->obj && id->generation == cookie >> 32 &&
		    id->obj->cls->type == type && id->obj->holds &&
		    id->obj->state != VRC_OBJ_CREATING) {
			obj = id->obj;
			obj->holds++;
		}
	}
	vrc_unlock(c);
	return obj;
}

void vrc_ids_free(struct vrdma_core *c)
{
	uint32_t i;

	for (i = 0; i < VRC_ID_CHUNKS; i++)
		vrc_free(c, c->ids[i]);
}
