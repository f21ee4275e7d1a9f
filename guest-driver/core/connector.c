/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-or-later */
/*
 * connector.c - connectors: creation, the indication, close
 *
 * DOC: The indication (DisconnectEvent, rule D4) comes at most once, only out of
 * ESTABLISHED, and never after close began (D5).  Its event may overtake the
 * answer of ACCEPT or COMPLETE_CONNECT, which travels in another queue: then
 * it waits until the consumer has the completion.
 */
#include "vrc.h"
#include "vrdma_plant.h"

static struct vrc_connector *conn_of(struct vrc_obj *obj)
{
	return VRC_CONTAINER(obj, struct vrc_connector, obj);
}

/* --- the indication ----------------------------------------------------------------- */

static void call_event(struct vrc_connector *conn, uint32_t reason)
{
	if (conn->event_ex)
		conn->event_ex(conn->event_context, reason);
	else if (conn->event)
		conn->event(conn->event_context);
}

/* The caller has a hold, so that close waits for the callback */
void vrc_conn_disconnected(struct vrc_connector *conn, uint32_t reason)
{
	bool deliver = false;

	if (reason >= VIRTIO_RDMA_R_COUNT)
		reason = VIRTIO_RDMA_R_NONE;
	vrc_lock(conn->obj.core);
	if (conn->state == VRC_CONN_ACCEPTING ||
	    conn->state == VRC_CONN_COMPLETING) {
		conn->early = true;
		conn->early_reason = reason;
	} else if (conn->state == VRC_CONN_ESTABLISHED) {
		deliver = vrc_conn_set_locked(conn, VRC_CONN_INDICATED);
		conn->obj.core->counters.connection_errors +=
			reason != VIRTIO_RDMA_R_GRACEFUL;
	} else if (conn->state == VRC_CONN_DISCONNECTING) {
		vrc_cmd_ends_soon_locked(conn->obj.core, &conn->disconnect);
	} else if ((PLANTED(6) && conn->state == VRC_CONN_INDICATED) ||
		   (PLANTED(7) && conn->state == VRC_CONN_CLOSING)) {
		deliver = true;
	}
	vrc_unlock(conn->obj.core);
	if (deliver)
		call_event(conn, reason);
}

/* The completion was delivered; now what overtook it */
void vrc_conn_deliver_early(struct vrc_connector *conn)
{
	uint32_t reason;
	bool early;

	vrc_lock(conn->obj.core);
	early = conn->early;
	reason = conn->early_reason;
	conn->early = false;
	vrc_unlock(conn->obj.core);
	if (early)
		vrc_conn_disconnected(conn, reason);
}

/* --- the device's half ------------------------------------------------------------------ */

static void untie(struct vrc_connector *conn, struct vrc_obj *from)
{
	bool mine;

	vrc_lock(conn->obj.core);
	mine = vrc_obj_unparent_locked(&conn->obj, from);
	vrc_unlock(conn->obj.core);
	if (mine)
		vrc_obj_put(from);
}

/* Queue pair and shared endpoint were tied to the connection; an attempt that
 * failed unties them */
void vrc_conn_untie(struct vrc_connector *conn)
{
	struct vrc_shared_endpoint *endpoint;
	struct vrc_qp *qp;

	vrc_lock(conn->obj.core);
	qp = conn->qp;
	endpoint = conn->endpoint;
	conn->qp = NULL;
	conn->endpoint = NULL;
	vrc_unlock(conn->obj.core);
	if (qp)
		untie(conn, &qp->obj);
	if (endpoint)
		untie(conn, &endpoint->obj);
}

static void close_done(struct vrc_cmd *cmd, uint32_t wire, const void *rsp)
{
	struct vrc_connector *conn = VRC_CONTAINER(cmd, struct vrc_connector,
						   close);

	(void)rsp;
	if (wire != VIRTIO_RDMA_S_OK && wire != VRC_S_DEVICE_LOST)
		vrc_log_limited(conn->obj.core, VRDMA_LOG_ERR,
				"connector[0x%x]: close failed (status %u)",
				cmd->handle, wire);
	vrc_lock(conn->obj.core);
	conn->obj.handle = 0;
	vrc_unlock(conn->obj.core);
	vrc_obj_put(&conn->obj);
}

/* A request still in the waiting line would reach the device behind the close */
static void cancel_waiting(struct vrc_connector *conn, struct vrc_cmd *cmd)
{
	static const struct virtio_rdma_rsp_connect nothing;
	bool mine;

	vrc_lock(conn->obj.core);
	mine = vrc_cmd_take_back_locked(conn->obj.core, cmd);
	vrc_unlock(conn->obj.core);
	if (mine)
		cmd->done(cmd, VIRTIO_RDMA_S_CANCELLED, &nothing);
}

/*
 * Have the device close its connector, once: it ends the requests under way as
 * cancelled, tells the peer, and answers when no byte can move any more.
 * Behind a REJECT that has not been answered, so that its data goes out.
 */
void vrc_conn_send_close(struct vrc_connector *conn)
{
	struct vrc_obj *obj = &conn->obj;

	cancel_waiting(conn, &conn->cmd);
	cancel_waiting(conn, &conn->disconnect);
	vrc_lock(obj->core);
	if (conn->reject.state != VRC_CMD_IDLE) {
		conn->close_wanted = true;
	} else if (obj->handle && !conn->close_sent &&
		   !vrc_cmd_submit_locked(obj->core, obj->epoch, &conn->close,
					  VIRTIO_RDMA_CMD_CLOSE_CONNECTOR,
					  obj->handle)) {
		conn->close_sent = true;
		obj->holds++;
	}
	vrc_unlock(obj->core);
}

void vrdma_connector_cancel(NDK_CONNECTOR *ndk)
{
	struct vrc_connector *conn = (struct vrc_connector *)(void *)ndk;
	bool under_way;

	vrc_lock(conn->obj.core);
	under_way = conn->cmd.state != VRC_CMD_IDLE ||
		    conn->disconnect.state != VRC_CMD_IDLE;
	vrc_unlock(conn->obj.core);
	if (under_way)
		vrc_conn_send_close(conn);
}

/* --- creation and close ---------------------------------------------------------------------- */

static void conn_on_close(struct vrc_obj *obj)
{
	struct vrc_connector *conn = conn_of(obj);

	vrc_lock(obj->core);
	vrc_conn_set_locked(conn, VRC_CONN_CLOSING);
	vrc_unlock(obj->core);
	vrc_conn_send_close(conn);
}

static void conn_release(struct vrc_obj *obj, bool let_go)
{
	(void)let_go;
	vrc_free(obj->core, conn_of(obj));
}

/* destroy: for one whose close was not sent, which does not happen while the
 * device lives */
static const struct vrc_obj_class conn_class = {
	.type = NdkObjectTypeConnector,
	.name = "connector",
	.destroy = VIRTIO_RDMA_CMD_CLOSE_CONNECTOR,
	.on_close = conn_on_close,
	.release = conn_release,
};

static const NDK_CONNECTOR_DISPATCH conn_dispatch = {
	.NdkCloseConnector = vrc_obj_close,
	.NdkQueryExtension = vrc_query_extension,
	.NdkConnect = vrc_conn_connect,
	.NdkConnectWithSharedEndpoint = vrc_conn_connect_shared,
	.NdkCompleteConnect = vrc_conn_complete,
	.NdkAccept = vrc_conn_accept,
	.NdkReject = vrc_conn_reject,
	.NdkGetConnectionData = vrc_conn_get_data,
	.NdkGetLocalAddress = vrc_conn_get_local,
	.NdkGetPeerAddress = vrc_conn_get_peer,
	.NdkDisconnect = vrc_conn_disconnect,
	.NdkCompleteConnectEx = vrc_conn_complete_ex,
	.NdkAcceptEx = vrc_conn_accept_ex,
};

static void fill_create(struct vrc_cmd *cmd, void *req)
{
	struct vrc_connector *conn = VRC_CONTAINER(cmd, struct vrc_connector,
						   obj.cmd);
	struct virtio_rdma_cmd_create_connector *r = req;

	r->cookie = vr_to_le64(conn->obj.cookie);
}

static struct vrc_connector *conn_alloc(struct vrc_adapter *a)
{
	struct vrdma_core *c = a->obj.core;
	struct vrc_connector *conn = vrc_alloc(c, sizeof(*conn));

	if (!conn)
		return NULL;
	vrc_obj_init(&conn->obj, c, a, &conn_class);
	conn->obj.ndk.connector.Dispatch = &conn_dispatch;
	vrc_cmd_init(&conn->close, NULL, close_done);
	vrc_conn_init_requests(conn);
	vrc_obj_parent(&conn->obj, &a->obj);
	if (vrc_id_new(c, &conn->obj)) {
		vrc_obj_abandon(&conn->obj);
		return NULL;
	}
	return conn;
}

NTSTATUS vrc_create_connector(NDK_ADAPTER *ndk, NDK_FN_CREATE_COMPLETION *cc,
			      PVOID ctx, NDK_CONNECTOR **out)
{
	struct vrc_adapter *a = (struct vrc_adapter *)(void *)ndk;
	struct vrc_connector *conn;

	(void)out;
	if (!cc)
		return STATUS_INVALID_PARAMETER;
	if (!vrc_obj_usable(&a->obj))
		return STATUS_DEVICE_REMOVED;
	conn = conn_alloc(a);
	if (!conn)
		return STATUS_INSUFFICIENT_RESOURCES;
	return vrc_obj_create(&conn->obj, VIRTIO_RDMA_CMD_CREATE_CONNECTOR,
			      fill_create, cc, ctx);
}

static void copy_private(struct vrc_private *to,
			 const struct virtio_rdma_private *from)
{
	uint32_t n = vrc_min(vr_from_le16(from->length),
			     VIRTIO_RDMA_MAX_PRIVATE);

	to->length = (uint16_t)n;
	memcpy(to->data, from->data, n);
}

/* A connector that came with an event.  NULL: no memory. */
struct vrc_connector *vrc_conn_incoming(struct vrc_listener *l,
					const struct virtio_rdma_event *ev)
{
	struct vrc_connector *conn = conn_alloc(l->obj.owner);

	if (!conn)
		return NULL;
	vrc_lock(l->obj.core);
	vrc_obj_parent_locked(&conn->obj, &l->obj);
	conn->obj.handle = vr_from_le32(ev->handle);
	conn->state = VRC_CONN_INCOMING;	/* its first */
	conn->known = true;
	conn->local = ev->local;
	conn->peer = ev->peer;
	conn->inbound = vr_from_le32(ev->inbound_reads);
	conn->outbound = vr_from_le32(ev->outbound_reads);
	copy_private(&conn->in, &ev->priv);
	conn->obj.state = VRC_OBJ_OPEN;
	vrc_unlock(l->obj.core);
	return conn;
}

/* --- connectors that nobody takes */

static void orphan_next_locked(struct vrdma_core *c)
{
	if (!c->num_orphans || c->orphan_cmd.state != VRC_CMD_IDLE)
		return;
	if (!vrc_cmd_submit_locked(c, c->epoch, &c->orphan_cmd,
				   VIRTIO_RDMA_CMD_CLOSE_CONNECTOR,
				   c->orphans[c->num_orphans - 1]))
		c->num_orphans--;
}

static void orphan_done(struct vrc_cmd *cmd, uint32_t wire, const void *rsp)
{
	struct vrdma_core *c = VRC_CONTAINER(cmd, struct vrdma_core,
					     orphan_cmd);

	(void)wire;
	(void)rsp;
	vrc_lock(c);
	orphan_next_locked(c);
	vrc_unlock(c);
}

void vrc_orphan_init(struct vrdma_core *c)
{
	vrc_cmd_init(&c->orphan_cmd, NULL, orphan_done);
}

/* Its listener is closing, or there is no memory for it: refuse it */
void vrc_orphan(struct vrdma_core *c, uint32_t handle)
{
	bool full;

	vrc_lock(c);
	full = c->num_orphans == VRC_MAX_ORPHANS;
	if (!full)
		c->orphans[c->num_orphans++] = handle;
	orphan_next_locked(c);
	vrc_unlock(c);
	if (full)
		vrc_log_limited(c, VRDMA_LOG_WARN,
				"connector[0x%x]: cannot be refused now, the peer waits for its time-out",
				handle);
}
