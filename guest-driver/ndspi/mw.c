/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-or-later */
/*
 * mw.c - IND2MemoryWindow
 *
 * The kernel makes it; binding and invalidating are requests in the ring of a
 * queue pair (qp.c), which nobody here follows: a peer may have invalidated it.
 */
#include <stdlib.h>

#include "nd_int.h"

ND_UNKNOWN_IMPL(mw, IND2MemoryWindow)

static UINT32 mw_GetRemoteToken(IND2MemoryWindow *self)
{
	return atomic_load_explicit(&((struct nd_mw *)self)->token,
				    memory_order_relaxed);
}

static const IND2MemoryWindowVtbl mw_vtbl = {
	ND_UNKNOWN_SLOTS(mw),
	.GetRemoteToken = mw_GetRemoteToken,
};

static void mw_destroy(struct nd_object *obj)
{
	nd_owner_free((struct nd_owner *)obj);
	free(obj);
}

static const struct nd_interface mw_interfaces[] = {
	{ &IID_IND2MemoryWindow, 0 },
	{ &IID_IUnknown, 0 },
	{ NULL, 0 },
};

const struct nd_class nd_mw_class = {
	.name = "mw",
	.interfaces = mw_interfaces,
	.destroy = mw_destroy,
};

HRESULT nd_mw_create(struct nd_adapter *a, REFIID iid, VOID **out)
{
	struct vrdma_uapi_create_mw arg = { 0 };
	struct nd_mw *mw = calloc(1, sizeof(*mw));
	HRESULT hr;

	if (!mw)
		return ND_NO_MEMORY;
	hr = nd_call(a->file, VRDMA_IOC_CREATE_MW, &arg);
	if (hr != ND_SUCCESS) {
		free(mw);
		return hr;
	}
	mw->own.file = a->file;
	mw->own.id = arg.id;
	mw->handle = arg.handle;
	atomic_init(&mw->token, arg.token);
	nd_object_init(&mw->own.obj, &nd_mw_class, &mw_vtbl, &a->obj);
	return nd_object_hand_out(&mw->own.obj, iid, out);
}
