/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-or-later */
/*
 * endpoints.c - end points in use, and counts, for the system's questions
 */
#include "vrc.h"

static bool of_listener(const struct vrc_listener *l, struct vrdma_endpoint *e)
{
	e->listener = true;
	e->local = l->addr;
	return l->state == VRC_LISTENER_ACTIVE;
}

static bool of_connector(const struct vrc_connector *c, struct vrdma_endpoint *e)
{
	e->connected = true;
	e->local = c->local;
	e->peer = c->peer;
	return vrc_conn_is_up(c->state);
}

static bool of_shared(const struct vrc_shared_endpoint *s,
		      struct vrdma_endpoint *e)
{
	e->local = s->addr;
	return s->obj.state == VRC_OBJ_OPEN;
}

/* lock held.  false: no end point, or none yet, or none any more */
static bool describe(struct vrc_obj *obj, struct vrdma_endpoint *e)
{
	bool is;

	memset(e, 0, sizeof(*e));
	switch (obj->cls->type) {
	case NdkObjectTypeListener:
		is = of_listener((const void *)obj, e);
		break;
	case NdkObjectTypeConnector:
		is = of_connector((const void *)obj, e);
		break;
	case NdkObjectTypeSharedEndpoint:
		is = of_shared((const void *)obj, e);
		break;
	default:
		return false;
	}
	e->user = obj->owner->flags & VRDMA_ADAPTER_USER;
	return is;
}

uint32_t vrdma_core_endpoints(struct vrdma_core *core,
			      struct vrdma_endpoint *out, uint32_t max)
{
	struct vrc_list *l;
	struct vrdma_endpoint e;
	uint32_t n = 0;

	vrc_lock(core);
	for (l = core->objects.next; l != &core->objects; l = l->next) {
		if (!describe(VRC_CONTAINER(l, struct vrc_obj, link), &e))
			continue;
		if (n < max)
			out[n] = e;
		n++;
	}
	vrc_unlock(core);
	return n;
}

void vrdma_core_counters(struct vrdma_core *core, struct vrdma_counters *out)
{
	vrc_lock(core);
	*out = core->counters;
	vrc_unlock(core);
}
