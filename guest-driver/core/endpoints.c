/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-or-later */
/*
 * endpoints.c - who listens and who is connected, for the system's questions
 */
#include "vrc.h"

static bool is_connected(enum vrc_conn_state s)
{
	return s == VRC_CONN_ESTABLISHED || s == VRC_CONN_INDICATED ||
	       s == VRC_CONN_DISCONNECTING;
}

/* lock held.  false: no end point of its own */
static bool describe(struct vrc_obj *obj, struct vrdma_endpoint *e)
{
	const struct vrc_connector *c = (const void *)obj;
	const struct vrc_listener *l = (const void *)obj;

	memset(e, 0, sizeof(*e));
	if (obj->cls->type != NdkObjectTypeListener &&
	    obj->cls->type != NdkObjectTypeConnector)
		return false;
	e->user = obj->owner->flags & VRDMA_ADAPTER_USER;
	if (obj->cls->type == NdkObjectTypeListener) {
		e->listener = true;
		e->local = l->addr;
		return l->state == VRC_LISTENER_ACTIVE;
	}
	e->local = c->local;
	e->peer = c->peer;
	return is_connected(c->state);
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
