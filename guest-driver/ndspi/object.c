/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-or-later */
/*
 * object.c - reference counts and QueryInterface, once for all objects
 */
#include "nd_object.h"

#include <string.h>

static atomic_uint alive;

unsigned nd_objects_alive(void)
{
	return atomic_load(&alive);
}

int nd_iid_equal(REFIID a, REFIID b)
{
	return memcmp(a, b, sizeof(*a)) == 0;
}

void nd_object_init(struct nd_object *obj, const struct nd_class *cls,
		    const void *vtbl, struct nd_object *parent)
{
	obj->lpVtbl = vtbl;
	obj->cls = cls;
	obj->parent = parent;
	atomic_init(&obj->refs, 1);
	if (parent)
		nd_object_get(parent);
	atomic_fetch_add(&alive, 1);
}

ULONG nd_object_get(struct nd_object *obj)
{
	return atomic_fetch_add(&obj->refs, 1) + 1;
}

ULONG nd_object_put(struct nd_object *obj)
{
	struct nd_object *parent = obj->parent;
	ULONG left = atomic_fetch_sub(&obj->refs, 1) - 1;

	if (left)
		return left;
	obj->cls->destroy(obj);
	atomic_fetch_sub(&alive, 1);
	if (parent)
		nd_object_put(parent);
	return 0;
}

HRESULT nd_object_query(struct nd_object *obj, REFIID iid, VOID **out)
{
	const struct nd_interface *i = obj->cls->interfaces;

	if (!out)
		return E_POINTER;
	*out = NULL;
	if (!iid)
		return E_NOINTERFACE;
	for (; i->iid; i++) {
		if (!nd_iid_equal(i->iid, iid))
			continue;
		nd_object_get(obj);
		*out = (char *)obj + i->offset;
		return S_OK;
	}
	return E_NOINTERFACE;
}

HRESULT nd_object_hand_out(struct nd_object *obj, REFIID iid, VOID **out)
{
	HRESULT hr = nd_object_query(obj, iid, out);

	nd_object_put(obj);
	return hr;
}
