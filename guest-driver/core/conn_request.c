/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-or-later */
/*
 * conn_request.c - Connect, CompleteConnect, Accept, Reject, Disconnect
 *
 * DOC: A connector has one establishing request at a time (conn->cmd) and at
 * most one Disconnect.  A request takes a hold and a state; its completion
 * sets the next state by what the device said, calls the consumer, and gives
 * up the hold.
 */
#include "vrc.h"
#include "vrdma_plant.h"

static struct vrc_connector *to_conn(NDK_CONNECTOR *ndk)
{
	return (struct vrc_connector *)(void *)ndk;
}

/* --- common parts ------------------------------------------------------------------ */

/* The device did nothing: the same request may come again, mended */
static bool harmless(uint32_t wire)
{
	switch (wire) {
	case VIRTIO_RDMA_S_UNKNOWN_COMMAND:
	case VIRTIO_RDMA_S_INVALID_PARAMETER:
	case VIRTIO_RDMA_S_INVALID_HANDLE:
	case VIRTIO_RDMA_S_NO_RESOURCES:
	case VIRTIO_RDMA_S_NOT_SUPPORTED:
	case VIRTIO_RDMA_S_BUFFER_SIZE:
	case VIRTIO_RDMA_S_CONNECTION_ACTIVE:
		return true;
	default:
		return false;
	}
}

/* What a request ties to the connector: usable, and of the same adapter */
static bool may_tie_locked(const struct vrc_connector *conn,
			   struct vrc_obj *obj)
{
	return vrc_obj_usable_locked(obj) && obj->owner == conn->obj.owner;
}

/* Take conn from one state to the next, with a hold, and tie qp and endpoint,
 * where there are any, to it */
static NTSTATUS begin(struct vrc_connector *conn, enum vrc_conn_state from,
		      enum vrc_conn_state to, struct vrc_qp *qp,
		      struct vrc_shared_endpoint *endpoint)
{
	NTSTATUS st = STATUS_SUCCESS;

	vrc_lock(conn->obj.core);
	if (vrc_obj_lost_locked(&conn->obj)) {
		st = STATUS_DEVICE_REMOVED;
	} else if (conn->obj.state != VRC_OBJ_OPEN || conn->state != from ||
		   conn->close_sent || conn->cmd.state != VRC_CMD_IDLE) {
		st = STATUS_CONNECTION_INVALID;
	} else if ((qp && !may_tie_locked(conn, &qp->obj)) ||
		   (endpoint && !may_tie_locked(conn, &endpoint->obj))) {
		st = STATUS_INVALID_PARAMETER;
	} else {
		vrc_conn_set_locked(conn, to);
		conn->obj.holds++;
		if (qp) {
			conn->qp = qp;
			vrc_obj_parent_locked(&conn->obj, &qp->obj);
		}
		if (endpoint) {
			conn->endpoint = endpoint;
			vrc_obj_parent_locked(&conn->obj, &endpoint->obj);
		}
	}
	vrc_unlock(conn->obj.core);
	return st;
}

static NTSTATUS submit(struct vrc_connector *conn, struct vrc_cmd *cmd,
		       uint16_t opcode)
{
	struct vrc_obj *obj = &conn->obj;

	if (!vrc_cmd_submit(obj->core, obj->epoch, cmd, opcode, obj->handle))
		return STATUS_PENDING;
	/* lost since begin(): nothing reached the device */
	vrc_lock(obj->core);
	vrc_conn_set_locked(conn, VRC_CONN_OVER);
	vrc_unlock(obj->core);
	vrc_conn_untie(conn);
	vrc_obj_put(obj);
	return STATUS_DEVICE_REMOVED;
}

static NTSTATUS set_private(struct vrc_private *out, const VOID *data,
			    ULONG length, uint32_t max)
{
	if (length > max || length > VIRTIO_RDMA_MAX_PRIVATE)
		return STATUS_INVALID_BUFFER_SIZE;
	if (length && !data)
		return STATUS_INVALID_PARAMETER;
	out->length = (uint16_t)length;
	if (length)
		memcpy(out->data, data, length);
	return STATUS_SUCCESS;
}

static void put_private(struct virtio_rdma_private *to,
			const struct vrc_private *from)
{
	to->length = vr_to_le16(from->length);
	memcpy(to->data, from->data, from->length);
}

static void get_private(struct vrc_private *to,
			const struct virtio_rdma_private *from)
{
	uint32_t n = vrc_min(vr_from_le16(from->length),
			     VIRTIO_RDMA_MAX_PRIVATE);

	to->length = (uint16_t)n;
	memcpy(to->data, from->data, n);
}

/* The next state, unless a close came first; what the consumer is told */
static void ended(struct vrc_connector *conn, enum vrc_conn_state next,
		  bool keeps_ties, uint32_t wire)
{
	struct vrc_request req;

	vrc_lock(conn->obj.core);
	if (conn->close_sent && next != VRC_CONN_OVER)
		next = VRC_CONN_OVER;	/* cancelled: whatever it was, it is over */
	vrc_conn_set_locked(conn, next);
	req = conn->req;
	vrc_unlock(conn->obj.core);
	if (!keeps_ties)
		vrc_conn_untie(conn);
	if (req.cb)
		req.cb(req.context, vrdma_status_from_wire(wire));
	if (next == VRC_CONN_ESTABLISHED)
		vrc_conn_deliver_early(conn);
	vrc_obj_put(&conn->obj);
}

/* --- Connect -------------------------------------------------------------------------- */

static void fill_connect(struct vrc_cmd *cmd, void *req)
{
	struct vrc_connector *conn = VRC_CONTAINER(cmd, struct vrc_connector,
						   cmd);
	struct virtio_rdma_cmd_connect *r = req;

	r->qp = vr_to_le32(conn->qp->obj.handle);
	r->inbound_reads = vr_to_le32(conn->want.inbound);
	r->outbound_reads = vr_to_le32(conn->want.outbound);
	r->local = conn->want.local;
	if (conn->endpoint)
		r->endpoint = vr_to_le32(conn->endpoint->obj.handle);
	r->peer = conn->want.peer;
	put_private(&r->priv, &conn->want.priv);
}

/* What the device tells of the peer: after a success all, after a refusal
 * the private data of the Reject */
static void learn(struct vrc_connector *conn, uint32_t wire,
		  const struct virtio_rdma_rsp_connect *r)
{
	vrc_lock(conn->obj.core);
	if (wire == VIRTIO_RDMA_S_OK) {
		conn->inbound = vr_from_le32(r->inbound_reads);
		conn->outbound = vr_from_le32(r->outbound_reads);
		conn->local = r->local;
		conn->peer = r->peer;
	}
	if (wire == VIRTIO_RDMA_S_OK ||
	    wire == VIRTIO_RDMA_S_CONNECTION_REFUSED) {
		get_private(&conn->in, &r->priv);
		conn->known = true;
	}
	vrc_unlock(conn->obj.core);
}

static void connect_done(struct vrc_cmd *cmd, uint32_t wire, const void *rsp)
{
	struct vrc_connector *conn = VRC_CONTAINER(cmd, struct vrc_connector,
						   cmd);
	bool ok = wire == VIRTIO_RDMA_S_OK;

	learn(conn, wire, rsp);
	if (ok)
		ended(conn, VRC_CONN_REPLIED, true, wire);
	else
		ended(conn, wire == VRC_S_DEVICE_LOST ? VRC_CONN_OVER :
							VRC_CONN_IDLE,
		      false, wire);
}

/* NDK wants a source address; the wildcard without a port leaves the choice to
 * the device */
static NTSTATUS set_local(struct vrc_want *want, const SOCKADDR *sa, ULONG len)
{
	static const uint8_t any[16];
	struct virtio_rdma_addr addr = { 0 };
	NTSTATUS st = STATUS_SUCCESS;

	if (sa && len)
		st = vrdma_addr_from_sockaddr(&addr, sa, len);
	if (st == STATUS_SUCCESS && !addr.port &&
	    !memcmp(addr.ip, any, sizeof(any)))
		memset(&addr, 0, sizeof(addr));
	want->local = addr;
	return st;
}

/* What is the same wherever it comes from; want->local is set */
struct connect_args {
	NDK_QP *qp;
	struct vrc_shared_endpoint *endpoint;
	const SOCKADDR *dest;
	ULONG dest_len;
	const VOID *data;
	ULONG data_len;
	struct vrc_request req;
};

static NTSTATUS connect(struct vrc_connector *conn, struct vrc_want *want,
			const struct connect_args *a)
{
	NTSTATUS st;

	st = vrdma_addr_from_sockaddr(&want->peer, a->dest, a->dest_len);
	if (st == STATUS_SUCCESS)
		st = set_private(&want->priv, a->data, a->data_len,
				 VRC_CFG32(&conn->obj.owner->cfg,
					   max_caller_data));
	if (st == STATUS_SUCCESS)
		st = begin(conn, VRC_CONN_IDLE, VRC_CONN_CONNECTING,
			   (struct vrc_qp *)(void *)a->qp, a->endpoint);
	if (st != STATUS_SUCCESS)
		return st;
	conn->want = *want;
	conn->req = a->req;
	vrc_cmd_init(&conn->cmd, fill_connect, connect_done);
	return submit(conn, &conn->cmd, VIRTIO_RDMA_CMD_CONNECT);
}

NTSTATUS vrc_conn_connect(NDK_CONNECTOR *ndk, NDK_QP *qp, const SOCKADDR *src,
			  ULONG src_len, const SOCKADDR *dest, ULONG dest_len,
			  ULONG inbound, ULONG outbound, const VOID *data,
			  ULONG data_len, NDK_FN_REQUEST_COMPLETION *rc,
			  PVOID ctx)
{
	struct vrc_want want = { .inbound = inbound, .outbound = outbound };
	struct connect_args a = {
		.qp = qp, .dest = dest, .dest_len = dest_len, .data = data,
		.data_len = data_len, .req = { .cb = rc, .context = ctx },
	};
	NTSTATUS st;

	if (!qp || !rc)
		return STATUS_INVALID_PARAMETER;
	st = set_local(&want, src, src_len);
	return st == STATUS_SUCCESS ? connect(to_conn(ndk), &want, &a) : st;
}

/* The device has the local address with the endpoint: none is named */
NTSTATUS vrc_conn_connect_shared(NDK_CONNECTOR *ndk, NDK_QP *qp,
				 NDK_SHARED_ENDPOINT *endpoint,
				 const SOCKADDR *dest, ULONG dest_len,
				 ULONG inbound, ULONG outbound,
				 const VOID *data, ULONG data_len,
				 NDK_FN_REQUEST_COMPLETION *rc, PVOID ctx)
{
	struct vrc_want want = { .inbound = inbound, .outbound = outbound };
	struct connect_args a = {
		.qp = qp, .dest = dest, .dest_len = dest_len, .data = data,
		.data_len = data_len, .req = { .cb = rc, .context = ctx },
		.endpoint = (struct vrc_shared_endpoint *)(void *)endpoint,
	};

	if (!vrc_shared_offered(to_conn(ndk)->obj.owner))
		return STATUS_NOT_SUPPORTED;
	if (!qp || !endpoint || !rc)
		return STATUS_INVALID_PARAMETER;
	return connect(to_conn(ndk), &want, &a);
}

/* --- CompleteConnect ----------------------------------------------------------------------- */

struct event_args {
	NDK_FN_DISCONNECT_EVENT_CALLBACK *event;
	NDK_FN_DISCONNECT_EVENT_CALLBACK_EX *event_ex;
	PVOID context;
};

static void set_event(struct vrc_connector *conn, const struct event_args *e)
{
	conn->event = e->event;
	conn->event_ex = e->event_ex;
	conn->event_context = e->context;
	conn->early = false;
}

static void complete_done(struct vrc_cmd *cmd, uint32_t wire, const void *rsp)
{
	struct vrc_connector *conn = VRC_CONTAINER(cmd, struct vrc_connector,
						   cmd);

	(void)rsp;
	/* a failure finishes the connector; the queue pair goes at its close */
	ended(conn, wire == VIRTIO_RDMA_S_OK ? VRC_CONN_ESTABLISHED :
					       VRC_CONN_OVER, true, wire);
}

static NTSTATUS complete(struct vrc_connector *conn,
			 const struct event_args *e,
			 NDK_FN_REQUEST_COMPLETION *rc, PVOID ctx)
{
	NTSTATUS st;

	if (!rc)
		return STATUS_INVALID_PARAMETER;
	st = begin(conn, VRC_CONN_REPLIED, VRC_CONN_COMPLETING, NULL,
		   NULL);
	if (st != STATUS_SUCCESS)
		return st;
	set_event(conn, e);
	conn->req = (struct vrc_request){ .cb = rc, .context = ctx };
	vrc_cmd_init(&conn->cmd, NULL, complete_done);
	return submit(conn, &conn->cmd, VIRTIO_RDMA_CMD_COMPLETE_CONNECT);
}

NTSTATUS vrc_conn_complete(NDK_CONNECTOR *ndk,
			   NDK_FN_DISCONNECT_EVENT_CALLBACK *event,
			   PVOID event_context, NDK_FN_REQUEST_COMPLETION *rc,
			   PVOID ctx)
{
	struct event_args e = { .event = event, .context = event_context };

	return complete(to_conn(ndk), &e, rc, ctx);
}

NTSTATUS vrc_conn_complete_ex(NDK_CONNECTOR *ndk,
			      NDK_FN_DISCONNECT_EVENT_CALLBACK_EX *event,
			      PVOID event_context,
			      NDK_FN_REQUEST_COMPLETION *rc, PVOID ctx)
{
	struct event_args e = { .event_ex = event, .context = event_context };

	return complete(to_conn(ndk), &e, rc, ctx);
}

/* --- Accept */

static void fill_accept(struct vrc_cmd *cmd, void *req)
{
	struct vrc_connector *conn = VRC_CONTAINER(cmd, struct vrc_connector,
						   cmd);
	struct virtio_rdma_cmd_accept *r = req;

	r->qp = vr_to_le32(conn->qp->obj.handle);
	r->inbound_reads = vr_to_le32(conn->want.inbound);
	r->outbound_reads = vr_to_le32(conn->want.outbound);
	r->cookie = vr_to_le64(conn->obj.cookie);
	put_private(&r->priv, &conn->want.priv);
}

/* In place of what the peer said with its Connect */
static void learn_reject(struct vrc_connector *conn,
			 const struct virtio_rdma_private *priv)
{
	vrc_lock(conn->obj.core);
	get_private(&conn->in, priv);
	vrc_unlock(conn->obj.core);
}

static void accept_done(struct vrc_cmd *cmd, uint32_t wire, const void *rsp)
{
	struct vrc_connector *conn = VRC_CONTAINER(cmd, struct vrc_connector,
						   cmd);
	const struct virtio_rdma_rsp_accept *r = rsp;

	if (wire == VIRTIO_RDMA_S_OK) {
		vrc_lock(conn->obj.core);
		conn->inbound = vr_from_le32(r->inbound_reads);
		conn->outbound = vr_from_le32(r->outbound_reads);
		vrc_unlock(conn->obj.core);
		ended(conn, VRC_CONN_ESTABLISHED, true, wire);
	} else if (harmless(wire)) {
		ended(conn, VRC_CONN_INCOMING, false, wire);
	} else {
		if (wire == VIRTIO_RDMA_S_CONNECTION_REFUSED)
			learn_reject(conn, &r->priv);
		ended(conn, VRC_CONN_OVER, true, wire);
	}
}

struct accept_args {
	ULONG inbound, outbound;
	const VOID *data;
	ULONG length;
};

static NTSTATUS accept(struct vrc_connector *conn, NDK_QP *qp,
		       const struct accept_args *a, const struct event_args *e,
		       NDK_FN_REQUEST_COMPLETION *rc, PVOID ctx)
{
	struct vrc_want want = { .inbound = a->inbound,
				 .outbound = a->outbound };
	NTSTATUS st;

	if (!qp || !rc)
		return STATUS_INVALID_PARAMETER;
	st = set_private(&want.priv, a->data, a->length,
			 VRC_CFG32(&conn->obj.owner->cfg, max_callee_data));
	if (st == STATUS_SUCCESS)
		st = begin(conn, VRC_CONN_INCOMING, VRC_CONN_ACCEPTING,
			   (struct vrc_qp *)(void *)qp, NULL);
	if (st != STATUS_SUCCESS)
		return st;
	conn->want = want;
	set_event(conn, e);
	conn->req = (struct vrc_request){ .cb = rc, .context = ctx };
	vrc_cmd_init(&conn->cmd, fill_accept, accept_done);
	return submit(conn, &conn->cmd, VIRTIO_RDMA_CMD_ACCEPT);
}

NTSTATUS vrc_conn_accept(NDK_CONNECTOR *ndk, NDK_QP *qp, ULONG inbound,
			 ULONG outbound, const VOID *data, ULONG length,
			 NDK_FN_DISCONNECT_EVENT_CALLBACK *event,
			 PVOID event_context, NDK_FN_REQUEST_COMPLETION *rc,
			 PVOID ctx)
{
	struct event_args e = { .event = event, .context = event_context };
	struct accept_args a = { inbound, outbound, data, length };

	return accept(to_conn(ndk), qp, &a, &e, rc, ctx);
}

NTSTATUS vrc_conn_accept_ex(NDK_CONNECTOR *ndk, NDK_QP *qp, ULONG inbound,
			    ULONG outbound, const VOID *data, ULONG length,
			    NDK_FN_DISCONNECT_EVENT_CALLBACK_EX *event,
			    PVOID event_context, NDK_FN_REQUEST_COMPLETION *rc,
			    PVOID ctx)
{
	struct event_args e = { .event_ex = event, .context = event_context };
	struct accept_args a = { inbound, outbound, data, length };

	return accept(to_conn(ndk), qp, &a, &e, rc, ctx);
}

/* --- Reject */

static void fill_reject(struct vrc_cmd *cmd, void *req)
{
	struct vrc_connector *conn = VRC_CONTAINER(cmd, struct vrc_connector,
						   reject);
	struct virtio_rdma_cmd_reject *r = req;

	put_private(&r->priv, &conn->want.priv);
}

static void reject_done(struct vrc_cmd *cmd, uint32_t wire, const void *rsp)
{
	struct vrc_connector *conn = VRC_CONTAINER(cmd, struct vrc_connector,
						   reject);
	bool close;

	(void)wire;	/* the peer may have given up first: over all the same */
	(void)rsp;
	vrc_lock(conn->obj.core);
	close = conn->close_wanted;
	conn->close_wanted = false;
	vrc_unlock(conn->obj.core);
	if (close)
		vrc_conn_send_close(conn);
	vrc_obj_put(&conn->obj);
}

/* Synchronous in NDK: the connector is over when this returns, the device's
 * answer has nothing to add */
NTSTATUS vrc_conn_reject(NDK_CONNECTOR *ndk, const VOID *data, ULONG length)
{
	struct vrc_connector *conn = to_conn(ndk);
	struct vrc_want want = { 0 };
	enum vrc_conn_state from;
	NTSTATUS st;
	bool lost;

	vrc_lock(conn->obj.core);
	from = conn->state;
	lost = vrc_obj_lost_locked(&conn->obj);
	vrc_unlock(conn->obj.core);
	if (lost)
		return STATUS_DEVICE_REMOVED;
	if (from != VRC_CONN_INCOMING && from != VRC_CONN_REPLIED)
		return STATUS_CONNECTION_INVALID;
	st = set_private(&want.priv, data, length,
			 VRC_CFG32(&conn->obj.owner->cfg, max_callee_data));
	if (st == STATUS_SUCCESS)
		st = begin(conn, from, VRC_CONN_OVER, NULL, NULL);
	if (st != STATUS_SUCCESS)
		return st;
	conn->want = want;
	vrc_cmd_init(&conn->reject, fill_reject, reject_done);
	st = submit(conn, &conn->reject, VIRTIO_RDMA_CMD_REJECT);
	return st == STATUS_PENDING ? STATUS_SUCCESS : st;
}

/* --- Disconnect */

static void disconnect_done(struct vrc_cmd *cmd, uint32_t wire,
			    const void *rsp)
{
	struct vrc_connector *conn = VRC_CONTAINER(cmd, struct vrc_connector,
						   disconnect);
	struct vrc_request req;

	(void)rsp;
	vrc_lock(conn->obj.core);
	vrc_conn_set_locked(conn, VRC_CONN_OVER);	/* D9: either way */
	req = conn->disconnect_req;
	vrc_unlock(conn->obj.core);
	vrc_request_done(&conn->obj, &req, vrdma_status_from_wire(wire));
}

/* A second Disconnect while one is under way is a mistake of the consumer,
 * different from one on a connection that is not */
static NTSTATUS may_disconnect_locked(struct vrc_connector *conn)
{
	if (vrc_obj_lost_locked(&conn->obj))
		return STATUS_DEVICE_REMOVED;
	if (conn->obj.state != VRC_OBJ_OPEN)
		return STATUS_CONNECTION_INVALID;
	if (conn->state == VRC_CONN_DISCONNECTING)
		return PLANTED(16) ? STATUS_CONNECTION_INVALID :
				     STATUS_INVALID_DEVICE_STATE;
	if (!vrc_conn_may(conn->state, VRC_CONN_DISCONNECTING) ||
	    conn->close_sent)
		return STATUS_CONNECTION_INVALID;
	return STATUS_SUCCESS;
}

NTSTATUS vrc_conn_disconnect(NDK_CONNECTOR *ndk, NDK_FN_REQUEST_COMPLETION *rc,
			     PVOID ctx)
{
	struct vrc_connector *conn = to_conn(ndk);
	struct vrc_obj *obj = &conn->obj;
	bool answers;
	NTSTATUS st;

	if (!rc)
		return STATUS_INVALID_PARAMETER;
	vrc_lock(obj->core);
	st = may_disconnect_locked(conn);
	if (st == STATUS_SUCCESS) {
		answers = conn->state == VRC_CONN_INDICATED;
		vrc_conn_set_locked(conn, VRC_CONN_DISCONNECTING);
		conn->disconnect_req =
			(struct vrc_request){ .cb = rc, .context = ctx };
		vrc_cmd_init(&conn->disconnect, NULL, disconnect_done);
		conn->disconnect.ends_soon = answers;
		obj->holds++;
		/* alive was checked under the same lock: this cannot fail */
		vrc_cmd_submit_locked(obj->core, obj->epoch, &conn->disconnect,
				      VIRTIO_RDMA_CMD_DISCONNECT, obj->handle);
		st = STATUS_PENDING;
	}
	vrc_unlock(obj->core);
	return st;
}

void vrc_conn_init_requests(struct vrc_connector *conn)
{
	vrc_cmd_init(&conn->cmd, NULL, connect_done);
	vrc_cmd_init(&conn->disconnect, NULL, disconnect_done);
	vrc_cmd_init(&conn->reject, fill_reject, reject_done);
}
