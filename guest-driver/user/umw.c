// SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-or-later
/*
 * umw.c - memory windows of a process
 *
 * DOC: The kernel makes them; the process binds and invalidates by its rings,
 * in its own protection domain, which is what the device checks.
 */
#include <linux/slab.h>

#include "vrlf.h"

struct vrl_mw {
	struct vrl_obj obj;
	NDK_MW *ndk;
};

static struct vrl_mw *to_mw(struct vrl_obj *obj)
{
	return container_of(obj, struct vrl_mw, obj);
}

static void mw_close(struct vrl_obj *obj)
{
	vrl_obj_close_ndk(obj, to_mw(obj)->ndk);
}

static void mw_free(struct vrl_obj *obj)
{
	kfree(to_mw(obj));
}

static const struct vrl_obj_ops mw_ops = {
	.close = mw_close,
	.cancel = vrl_obj_no_op,
	.lost = vrl_obj_no_op,
	.free = mw_free,
};

static NTSTATUS mw_make(struct vrl_mw *mw)
{
	NDK_PD *pd = mw->obj.file->pd;
	struct vrl_sync *s = vrl_sync_new();

	if (!s)
		return STATUS_INSUFFICIENT_RESOURCES;
	return vrl_sync_wait(s, pd->Dispatch->NdkCreateMw(pd, vrl_sync_created,
							  s, &mw->ndk),
			     &mw->ndk);
}

int vrl_ioc_create_mw(struct vrl_file *f, void *arg)
{
	struct vrdma_uapi_create_mw *a = arg;
	struct vrl_mw *mw = kzalloc(sizeof(*mw), GFP_KERNEL_ACCOUNT);
	struct vrdma_mw_layout layout;

	a->status = STATUS_INSUFFICIENT_RESOURCES;
	if (!mw)
		return 0;
	vrl_obj_init(&mw->obj, f, VRL_MW, &mw_ops);
	a->status = mw_make(mw);
	if (a->status == STATUS_SUCCESS && !vrl_obj_publish(&mw->obj))
		a->status = STATUS_INSUFFICIENT_RESOURCES;
	if (a->status != STATUS_SUCCESS) {
		vrl_obj_close(&mw->obj);
		return 0;
	}
	vrdma_mw_layout(mw->ndk, &layout);
	a->id = mw->obj.id;
	a->handle = layout.handle;
	a->token = layout.token;
	return 0;
}
