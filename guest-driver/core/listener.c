/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-or-later */
/*
 * listener.c - listeners
 *
 * DOC: IDLE -> STARTING (LISTEN under way) -> ACTIVE, back to IDLE when LISTEN
 * failed; ENDED from any when close begins.  Close ends the listening at once;
 * the object stays until the connectors accepted on it are closed.
 */
#include "vrc.h"

static struct vrc_listener *to_listener(NDK_LISTENER *ndk)
{
	return (struct vrc_listener *)(void *)ndk;
}

static struct vrc_listener *listener_of(struct vrc_obj *obj)
{
	return VRC_CONTAINER(obj, struct vrc_listener, obj);
}

/* --- pause ----------------------------------------------------------------------- */

static void fill_control(struct vrc_cmd *cmd, void *req)
{
	struct vrc_listener *l = VRC_CONTAINER(cmd, struct vrc_listener,
					       control);
	struct virtio_rdma_cmd_control_listener *r = req;

	r->pause = vr_to_le32(l->pause_wanted);
	l->pause_sent = l->pause_wanted;
}

/* One command at a time; the latest wish wins */
static void sync_pause_locked(struct vrc_listener *l)
{
	if (l->state != VRC_LISTENER_ACTIVE || l->close_sent ||
	    l->pause_wanted == l->pause_sent ||
	    l->control.state != VRC_CMD_IDLE)
		return;
	if (!vrc_cmd_submit_locked(l->obj.core, l->obj.epoch, &l->control,
				   VIRTIO_RDMA_CMD_CONTROL_LISTENER,
				   l->obj.handle))
		l->obj.holds++;
}

static void control_done(struct vrc_cmd *cmd, uint32_t wire, const void *rsp)
{
	struct vrc_listener *l = VRC_CONTAINER(cmd, struct vrc_listener,
					       control);

	(void)wire;
	(void)rsp;
	vrc_lock(l->obj.core);
	sync_pause_locked(l);
	vrc_unlock(l->obj.core);
	vrc_obj_put(&l->obj);
}

static VOID control_events(NDK_LISTENER *ndk, BOOLEAN pause)
{
	struct vrc_listener *l = to_listener(ndk);

	vrc_lock(l->obj.core);
	l->pause_wanted = pause;
	sync_pause_locked(l);
	vrc_unlock(l->obj.core);
}

/* --- end of listening ---------------------------------------------------------------- */

static void close_done(struct vrc_cmd *cmd, uint32_t wire, const void *rsp)
{
	struct vrc_listener *l = VRC_CONTAINER(cmd, struct vrc_listener, close);

	(void)rsp;
	if (wire != VIRTIO_RDMA_S_OK && wire != VRC_S_DEVICE_LOST)
		vrc_log_limited(l->obj.core, VRDMA_LOG_ERR,
				"listener[0x%x]: close failed (status %u)",
				cmd->handle, wire);
	vrc_lock(l->obj.core);
	l->obj.handle = 0;
	vrc_unlock(l->obj.core);
	vrc_obj_put(&l->obj);
}

static void send_close_locked(struct vrc_listener *l)
{
	if (!l->obj.handle || l->close_sent)
		return;
	if (vrc_cmd_submit_locked(l->obj.core, l->obj.epoch, &l->close,
				  VIRTIO_RDMA_CMD_CLOSE_LISTENER,
				  l->obj.handle))
		return;
	l->close_sent = true;
	l->obj.holds++;
}

/* A LISTEN under way is followed by the close when it is answered */
static void listener_on_close(struct vrc_obj *obj)
{
	struct vrc_listener *l = listener_of(obj);

	vrc_lock(obj->core);
	l->state = VRC_LISTENER_ENDED;
	send_close_locked(l);
	vrc_unlock(obj->core);
}

static void listener_release(struct vrc_obj *obj, bool let_go)
{
	(void)let_go;
	vrc_free(obj->core, listener_of(obj));
}

static const struct vrc_obj_class listener_class = {
	.type = NdkObjectTypeListener,
	.name = "listener",
	.destroy = VIRTIO_RDMA_CMD_CLOSE_LISTENER,
	.on_close = listener_on_close,
	.release = listener_release,
};

/* --- Listen ---------------------------------------------------------------------------------- */

static void fill_listen(struct vrc_cmd *cmd, void *req)
{
	struct vrc_listener *l = VRC_CONTAINER(cmd, struct vrc_listener, cmd);
	struct virtio_rdma_cmd_listen *r = req;

	r->addr = l->want;
	r->backlog = vr_to_le32(l->backlog);
	r->cookie = vr_to_le64(l->obj.cookie);
}

static void listen_done(struct vrc_cmd *cmd, uint32_t wire, const void *rsp)
{
	struct vrc_listener *l = VRC_CONTAINER(cmd, struct vrc_listener, cmd);
	const struct virtio_rdma_rsp_listen *r = rsp;
	struct vrc_request req = l->req;

	if (wire == VIRTIO_RDMA_S_OK && !r->hdr.handle)
		wire = VIRTIO_RDMA_S_INTERNAL_ERROR;
	vrc_lock(l->obj.core);
	if (wire == VIRTIO_RDMA_S_OK) {
		l->obj.handle = vr_from_le32(r->hdr.handle);
		l->addr = r->addr;
	}
	if (l->state == VRC_LISTENER_ENDED)
		send_close_locked(l);
	else
		l->state = wire == VIRTIO_RDMA_S_OK ? VRC_LISTENER_ACTIVE :
						      VRC_LISTENER_IDLE;
	sync_pause_locked(l);
	vrc_unlock(l->obj.core);
	vrc_request_done(&l->obj, &req, vrdma_status_from_wire(wire));
}

static NTSTATUS begin_locked(struct vrc_listener *l)
{
	if (!vrc_obj_usable_locked(&l->obj))
		return STATUS_DEVICE_REMOVED;
	if (l->state != VRC_LISTENER_IDLE)
		return STATUS_INVALID_DEVICE_STATE;
	l->state = VRC_LISTENER_STARTING;
	l->obj.holds++;
	return STATUS_SUCCESS;
}

NTSTATUS vrdma_listen_ex(NDK_LISTENER *ndk, const SOCKADDR *sa, ULONG len,
			 uint32_t backlog, NDK_FN_REQUEST_COMPLETION *rc,
			 PVOID ctx)
{
	struct vrc_listener *l = to_listener(ndk);
	struct virtio_rdma_addr addr;
	NTSTATUS st;

	if (!rc)
		return STATUS_INVALID_PARAMETER;
	st = vrdma_addr_from_sockaddr(&addr, sa, len);
	if (st != STATUS_SUCCESS)
		return st;
	vrc_lock(l->obj.core);
	st = begin_locked(l);
	if (st == STATUS_SUCCESS) {
		l->want = addr;
		l->backlog = backlog;
		l->req = (struct vrc_request){ .cb = rc, .context = ctx };
		vrc_cmd_init(&l->cmd, fill_listen, listen_done);
		/* alive was checked under the same lock: this cannot fail */
		vrc_cmd_submit_locked(l->obj.core, l->obj.epoch, &l->cmd,
				      VIRTIO_RDMA_CMD_LISTEN, 0);
		st = STATUS_PENDING;
	}
	vrc_unlock(l->obj.core);
	return st;
}

static NTSTATUS listen(NDK_LISTENER *ndk, const SOCKADDR *sa, ULONG len,
		       NDK_FN_REQUEST_COMPLETION *rc, PVOID ctx)
{
	return vrdma_listen_ex(ndk, sa, len, 0, rc, ctx);
}

static NTSTATUS get_local(NDK_LISTENER *ndk, SOCKADDR *sa, ULONG *len)
{
	struct vrc_listener *l = to_listener(ndk);
	struct virtio_rdma_addr addr;

	vrc_lock(l->obj.core);
	addr = l->addr;
	vrc_unlock(l->obj.core);
	if (addr.family == VIRTIO_RDMA_AF_NONE)
		return STATUS_INVALID_DEVICE_STATE;	/* not listening */
	return vrdma_addr_to_sockaddr(&addr, sa, len);
}

/* --- connection requests */

/* The event may overtake the answer of LISTEN, so STARTING counts too */
static bool takes_requests(struct vrc_listener *l, uint32_t handle)
{
	bool ok;

	vrc_lock(l->obj.core);
	ok = (l->state == VRC_LISTENER_ACTIVE && l->obj.handle == handle) ||
	     l->state == VRC_LISTENER_STARTING;
	vrc_unlock(l->obj.core);
	return ok;
}

/* The caller has a hold on the listener, so its close waits for the callback */
void vrc_listener_request(struct vrc_listener *l,
			  const struct virtio_rdma_event *ev)
{
	struct vrc_connector *conn = NULL;

	if (takes_requests(l, vr_from_le32(ev->listener)))
		conn = vrc_conn_incoming(l, ev);
	if (!conn) {
		vrc_orphan(l->obj.core, vr_from_le32(ev->handle));
		return;
	}
	l->event(l->event_context, &conn->obj.ndk.connector);
}

/* --- creation */

static const NDK_LISTENER_DISPATCH listener_dispatch = {
	.NdkCloseListener = vrc_obj_close,
	.NdkQueryExtension = vrc_query_extension,
	.NdkListen = listen,
	.NdkGetLocalAddress = get_local,
	.NdkControlConnectEvents = control_events,
};

/* Inline: the device hears of it with Listen */
NTSTATUS vrc_create_listener(NDK_ADAPTER *ndk,
			     NDK_FN_CONNECT_EVENT_CALLBACK *event,
			     PVOID event_context, NDK_FN_CREATE_COMPLETION *cc,
			     PVOID ctx, NDK_LISTENER **out)
{
	struct vrc_adapter *a = (struct vrc_adapter *)(void *)ndk;
	struct vrdma_core *c = a->obj.core;
	struct vrc_listener *l;

	(void)cc;
	(void)ctx;
	if (!event)
		return STATUS_INVALID_PARAMETER;
	if (!vrc_obj_usable(&a->obj))
		return STATUS_DEVICE_REMOVED;
	l = vrc_alloc(c, sizeof(*l));
	if (!l)
		return STATUS_INSUFFICIENT_RESOURCES;
	l->event = event;
	l->event_context = event_context;
	vrc_cmd_init(&l->cmd, fill_listen, listen_done);
	vrc_cmd_init(&l->control, fill_control, control_done);
	vrc_cmd_init(&l->close, NULL, close_done);
	vrc_obj_init(&l->obj, c, a, &listener_class);
	l->obj.ndk.listener.Dispatch = &listener_dispatch;
	vrc_obj_parent(&l->obj, &a->obj);
	if (vrc_id_new(c, &l->obj)) {
		vrc_obj_abandon(&l->obj);
		return STATUS_INSUFFICIENT_RESOURCES;
	}
	vrc_obj_opened(&l->obj);
	*out = &l->obj.ndk.listener;
	return STATUS_SUCCESS;
}
