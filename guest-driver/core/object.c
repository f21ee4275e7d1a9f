/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-or-later */
/*
 * object.c - holds, creation and close, the same for every kind of object
 *
 * DOC: See vrc.h for the rules of holds.  A close that can finish at once
 * returns STATUS_SUCCESS and calls nothing; any other returns STATUS_PENDING
 * and the close completion is the object's last callback.
 */
#include "vrc.h"

void vrc_obj_init(struct vrc_obj *obj, struct vrdma_core *c,
		  struct vrc_adapter *owner, const struct vrc_obj_class *cls)
{
	obj->ndk.header.Version.Major = VRDMA_NDK_MAJOR;
	obj->ndk.header.Version.Minor = VRDMA_NDK_MINOR;
	obj->ndk.header.ObjectType = cls->type;
	obj->core = c;
	obj->owner = owner;
	obj->cls = cls;
	obj->holds = 1;
	obj->state = VRC_OBJ_CREATING;
	vrc_cmd_init(&obj->cmd, NULL, NULL);
	vrc_lock(c);
	obj->epoch = owner ? owner->obj.epoch : c->epoch;
	vrc_list_add_tail(&c->objects, &obj->link);
	c->num_objects++;
	vrc_unlock(c);
}

void vrc_obj_hold(struct vrc_obj *obj)
{
	vrc_lock(obj->core);
	obj->holds++;
	vrc_unlock(obj->core);
}

void vrc_obj_parent_locked(struct vrc_obj *obj, struct vrc_obj *parent)
{
	uint32_t i;

	for (i = 0; i < VRC_MAX_PARENTS; i++) {
		if (obj->parents[i])
			continue;
		obj->parents[i] = parent;
		parent->holds++;
		return;
	}
	vrc_log(obj->core, VRDMA_LOG_ERR, "%s: no room for an antecedent",
		obj->cls->name);
}

void vrc_obj_parent(struct vrc_obj *obj, struct vrc_obj *parent)
{
	vrc_lock(obj->core);
	vrc_obj_parent_locked(obj, parent);
	vrc_unlock(obj->core);
}

/* True: it was one, and the caller now has the hold to put */
bool vrc_obj_unparent_locked(struct vrc_obj *obj, struct vrc_obj *parent)
{
	uint32_t i;

	for (i = 0; i < VRC_MAX_PARENTS; i++) {
		if (parent && obj->parents[i] == parent) {
			obj->parents[i] = NULL;
			return true;
		}
	}
	return false;
}

bool vrc_obj_lost_locked(struct vrc_obj *obj)
{
	return !obj->core->alive || obj->epoch != obj->core->epoch;
}

bool vrc_obj_usable_locked(struct vrc_obj *obj)
{
	return obj->state == VRC_OBJ_OPEN && !vrc_obj_lost_locked(obj);
}

bool vrc_obj_usable(struct vrc_obj *obj)
{
	bool ok;

	vrc_lock(obj->core);
	ok = vrc_obj_usable_locked(obj);
	vrc_unlock(obj->core);
	return ok;
}

/* --- the end of an object ------------------------------------------------------ */

static void put_parents(struct vrc_obj *parents[VRC_MAX_PARENTS])
{
	uint32_t i;

	for (i = 0; i < VRC_MAX_PARENTS; i++)
		if (parents[i])
			vrc_obj_put(parents[i]);
}

/* Free it; its callback, if any; then its antecedents */
static void finish(struct vrc_obj *obj, bool let_go, bool callback)
{
	struct vrc_obj *parents[VRC_MAX_PARENTS];
	NDK_FN_CLOSE_COMPLETION *cb = callback ? obj->close_cb : NULL;
	struct vrdma_core *c = obj->core;
	PVOID ctx = obj->cb_context;

	vrc_lock(c);
	memcpy(parents, obj->parents, sizeof(parents));
	vrc_id_drop_locked(c, obj);
	vrc_list_del(&obj->link);
	c->num_objects--;
	vrc_unlock(c);
	obj->cls->release(obj, let_go);
	if (cb)
		cb(ctx);
	put_parents(parents);
}

/* The device let go of it, unless it says otherwise: then what it may still
 * touch is lost for good, which is better than memory that two sides own. */
static void destroy_done(struct vrc_cmd *cmd, uint32_t wire, const void *rsp)
{
	struct vrc_obj *obj = VRC_CONTAINER(cmd, struct vrc_obj, cmd);
	bool let_go = wire == VIRTIO_RDMA_S_OK || wire == VRC_S_DEVICE_LOST;

	(void)rsp;
	if (!let_go && obj->cls->refused && obj->cls->refused(obj, wire))
		return;
	if (!let_go)
		vrc_log_limited(obj->core, VRDMA_LOG_ERR,
				"%s[0x%x]: device refuses to destroy it (status %u), its memory is left to it",
				obj->cls->name, cmd->handle, wire);
	finish(obj, let_go, true);
}

/* True: nothing to wait for, the caller finishes it */
static bool destroy(struct vrc_obj *obj)
{
	if (!obj->handle || !obj->cls->destroy)
		return true;
	vrc_cmd_init(&obj->cmd, NULL, destroy_done);
	return vrc_cmd_submit(obj->core, obj->epoch, &obj->cmd,
			      obj->cls->destroy, obj->handle) != 0;
}

/* Nobody holds it any more: once more, after cls->refused() */
void vrc_obj_destroy(struct vrc_obj *obj)
{
	if (destroy(obj))
		finish(obj, true, true);
}

static bool drop_locked(struct vrc_obj *obj, uint32_t holds)
{
	obj->holds -= holds;
	if (obj->holds)
		return false;
	obj->state = VRC_OBJ_DESTROYING;
	return true;
}

void vrc_obj_put(struct vrc_obj *obj)
{
	bool last;

	vrc_lock(obj->core);
	last = drop_locked(obj, 1);
	vrc_unlock(obj->core);
	if (last)
		vrc_obj_destroy(obj);
}

NTSTATUS vrc_obj_close(NDK_OBJECT_HEADER *h, NDK_FN_CLOSE_COMPLETION *cb,
		       PVOID ctx)
{
	struct vrc_obj *obj = (struct vrc_obj *)(void *)h;
	bool last;

	vrc_lock(obj->core);
	if (obj->state != VRC_OBJ_OPEN) {
		vrc_unlock(obj->core);
		vrc_log(obj->core, VRDMA_LOG_ERR, "%s: closed twice",
			obj->cls->name);
		return STATUS_SUCCESS;
	}
	obj->state = VRC_OBJ_CLOSING;
	obj->close_cb = cb;
	obj->cb_context = ctx;
	obj->holds++;		/* this call's own */
	vrc_unlock(obj->core);

	if (obj->cls->on_close)
		obj->cls->on_close(obj);

	vrc_lock(obj->core);
	last = drop_locked(obj, 2);
	vrc_unlock(obj->core);
	if (!last || !destroy(obj))
		return STATUS_PENDING;
	finish(obj, true, false);
	return STATUS_SUCCESS;
}

/* A creation that failed: the consumer never had it */
void vrc_obj_abandon(struct vrc_obj *obj)
{
	finish(obj, true, false);
}

/* --- creation -------------------------------------------------------------------- */

void vrc_obj_opened(struct vrc_obj *obj)
{
	vrc_lock(obj->core);
	obj->state = VRC_OBJ_OPEN;
	vrc_unlock(obj->core);
}

static void create_failed(struct vrc_obj *obj, NTSTATUS status)
{
	NDK_FN_CREATE_COMPLETION *cc = obj->create_cb;
	PVOID ctx = obj->cb_context;

	/* antecedents go after the callback returned, as in a close */
	cc(ctx, status, NULL);
	vrc_obj_abandon(obj);
}

static void create_done(struct vrc_cmd *cmd, uint32_t wire, const void *rsp)
{
	struct vrc_obj *obj = VRC_CONTAINER(cmd, struct vrc_obj, cmd);
	const struct virtio_rdma_rsp *hdr = rsp;
	bool ok = wire == VIRTIO_RDMA_S_OK && hdr->handle;

	if (ok) {
		vrc_lock(obj->core);
		obj->handle = vr_from_le32(hdr->handle);
		vrc_unlock(obj->core);
	}
	if (obj->cls->created && !obj->cls->created(obj, ok, rsp))
		ok = false;
	if (!ok) {
		create_failed(obj, wire == VIRTIO_RDMA_S_OK ?
					   STATUS_INTERNAL_ERROR :
					   vrdma_status_from_wire(wire));
		return;
	}
	vrc_obj_opened(obj);
	obj->create_cb(obj->cb_context, STATUS_SUCCESS, &obj->ndk.header);
}

/*
 * Have the device create it.  PENDING, or an inline failure after which the
 * object is gone.
 */
NTSTATUS vrc_obj_create(struct vrc_obj *obj, uint16_t opcode,
			vrc_fill_fn *fill, NDK_FN_CREATE_COMPLETION *cc,
			PVOID ctx)
{
	vrc_cmd_init(&obj->cmd, fill, create_done);
	obj->create_cb = cc;
	obj->cb_context = ctx;
	if (!vrc_cmd_submit(obj->core, obj->epoch, &obj->cmd, opcode, 0))
		return STATUS_PENDING;
	if (obj->cls->created)
		obj->cls->created(obj, false, NULL);
	vrc_obj_abandon(obj);
	return STATUS_DEVICE_REMOVED;
}

NTSTATUS vrc_query_extension(NDK_OBJECT_HEADER *h, const GUID *id,
			     NDK_VERSION version, NDK_EXTENSION_INTERFACE *out)
{
	(void)h;
	(void)id;
	(void)version;
	(void)out;
	return STATUS_NOT_SUPPORTED;	/* none is defined */
}

/* The end of an asynchronous request: its completion, then its hold */
void vrc_request_done(struct vrc_obj *obj, const struct vrc_request *req,
		      NTSTATUS status)
{
	if (req->cb)
		req->cb(req->context, status);
	vrc_obj_put(obj);
}
