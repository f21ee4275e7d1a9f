/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * cm.c - connections through the host's connection manager
 *
 * DOC: Which words there are on the wire, and for what.
 *
 *	REQ	connect()		REP	accept()
 *	RTU	complete()		REJ	reject(), of either side
 *	DREQ	disconnect(), or the end of a connection that nobody disconnected
 *	DREP	disconnect() after the peer's DREQ, or its end
 *
 * The kernel sends no DREP by itself when a DREQ comes: it waits for the
 * consumer, so a DREP is the peer's own notification, as NetworkDirect wants
 * it.  But the manager has one word for every end: a peer that closes, breaks
 * or dies sends DREQ as well, and is heard as a graceful disconnect.  What
 * tells the difference is data: requests that fail, which the worker sees.
 *
 * The order of a disconnect is: DREQ, then the queue pair to ERROR, then wait
 * for what is outstanding, then destroy it, then complete.  DREQ goes first
 * because it is short, and bounds what the peer has to wait for by this
 * side's control thread and not by its data: flushing a deep queue takes time.
 * Nothing is lost by it: what is still sent between the two arrives at a queue
 * pair that is as it was, for the peer's is not moved by a DREQ either.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "vrb.h"

#define RESOLVE_MS	2000	/* the model's own deadline is for the whole */
#define EVENTS_PER_TURN 64
#define REJECT_CONSUMER 28	/* IBTA: rejected by the consumer */

/* ----------------------------------------------------------- what is passed up
 * Each but accepted() and disconnected() is the last for its connection.
 */

static bool is_over(const struct be_conn *c)
{
	return c->cm_state == CM_OVER;
}

void cm_break(struct be_conn *c, enum virtio_rdma_reason reason)
{
	if (is_over(c))
		return;
	cm_set_state(c, CM_OVER);
	c->vrb->ev->aborted(c->cm, reason);
}

static void unreachable(struct be_conn *c, int err)
{
	if (is_over(c))
		return;
	cm_set_state(c, CM_OVER);
	c->vrb->ev->unreachable(c->cm, err);
}

static void rejected(struct be_conn *c, const void *data, size_t length)
{
	struct be_private priv;

	private_get_reject(&priv, data, length);
	cm_set_state(c, CM_OVER);
	c->vrb->ev->rejected(c->cm, &priv);
}

/* ------------------------------------------------------- active: the way there */

static bool is_our_device(const struct be_conn *c)
{
	return c->id->verbs && strcmp(ibv_get_device_name(c->id->verbs->device),
				      c->vrb->device) == 0;
}

static void on_addr_resolved(struct be_conn *c, const struct rdma_cm_event *ev)
{
	int ret;

	(void)ev;
	if (!is_our_device(c)) {
		be_log(BE_WARN, "%s: the way to a peer goes through %s; the "
		       "guest's address must be one of %s's network interface",
		       c->vrb->name,
		       c->id->verbs ? ibv_get_device_name(c->id->verbs->device)
				    : "no RDMA device", c->vrb->device);
		unreachable(c, -ENETUNREACH);
		return;
	}
	ret = conn_create_qp(c, c->want);
	if (ret)
		unreachable(c, ret == -ENOMEM ? ret : -ENETUNREACH);
	else if (rdma_resolve_route(c->id, RESOLVE_MS))
		unreachable(c, -EHOSTUNREACH);
}

static void on_route_resolved(struct be_conn *c, const struct rdma_cm_event *ev)
{
	uint8_t data[PRIVATE_REQ];
	struct rdma_conn_param param = {
		.private_data = data,
		.private_data_len = sizeof(data),
		.responder_resources = (uint8_t)c->limits.inbound,
		.initiator_depth = (uint8_t)c->limits.outbound,
		.flow_control = 1,
		.retry_count = 7,
		.rnr_retry_count = 7,
		.srq = c->shared,
		.qp_num = c->qp->qp_num,
	};

	(void)ev;
	private_put(data, sizeof(data), &c->priv);
	cm_set_state(c, CM_REQUESTED);
	if (rdma_connect(c->id, &param))
		unreachable(c, -EHOSTUNREACH);
}

static void on_resolve_error(struct be_conn *c, const struct rdma_cm_event *ev)
{
	int err = ev->status;

	unreachable(c, err == -ENETUNREACH || err == -EADDRNOTAVAIL
			       ? -ENETUNREACH : -EHOSTUNREACH);
}

/* The peer's REP: from now on it may send, and hears nothing before our RTU */
static void on_response(struct be_conn *c, const struct rdma_cm_event *ev)
{
	const struct rdma_conn_param *p = &ev->param.conn;
	const struct be_read_limits peer = {
		.inbound = p->initiator_depth,
		.outbound = p->responder_resources,
	};
	const struct be_read_limits ours = {
		.inbound = c->limits.inbound < peer.outbound
				   ? c->limits.inbound : peer.outbound,
		.outbound = c->limits.outbound < peer.inbound
				    ? c->limits.outbound : peer.inbound,
	};
	struct be_private priv;
	int ret = conn_connect_qp(c, &ours);

	if (ret) {
		be_log(BE_WARN, "%s: cannot connect a queue pair: %s",
		       c->vrb->name, strerror(-ret));
		rdma_reject(c->id, NULL, 0);
		cm_break(c, VIRTIO_RDMA_R_LOCAL_ERROR);
		return;
	}
	private_get(&priv, p->private_data, p->private_data_len);
	cm_set_state(c, CM_ACCEPTED);
	c->vrb->ev->accepted(c->cm, &peer, &priv);
}

/* ------------------------------------------------------------------ both sides */

static void on_established(struct be_conn *c, const struct rdma_cm_event *ev)
{
	(void)ev;
	if (c->active || c->cm_state != CM_ACCEPTED)
		return;
	cm_set_state(c, CM_ESTABLISHED);
	c->vrb->ev->established(c->cm);
}

/* Whoever has a call pending hears a REJ as the answer to it; to the others it
 * is the end of what they were about to answer */
static bool is_pending(const struct be_conn *c)
{
	return c->cm_state == (c->active ? CM_REQUESTED : CM_ACCEPTED);
}

/* By the peer's consumer, or by its kernel: nobody listens, no resources */
static void on_rejected(struct be_conn *c, const struct rdma_cm_event *ev)
{
	const struct rdma_conn_param *p = &ev->param.conn;
	bool consumer = ev->status == REJECT_CONSUMER;

	if (is_pending(c))
		rejected(c, consumer ? p->private_data : NULL,
			 consumer ? p->private_data_len : 0);
	else
		cm_break(c, VIRTIO_RDMA_R_RESET);
}

static void on_unreachable(struct be_conn *c, const struct rdma_cm_event *ev)
{
	(void)ev;
	if (c->active && c->cm_state == CM_REQUESTED)
		unreachable(c, -ETIMEDOUT);
	else
		cm_break(c, VIRTIO_RDMA_R_TIMED_OUT);
}

static void on_connect_error(struct be_conn *c, const struct rdma_cm_event *ev)
{
	be_log(BE_INFO, "%s: a connection failed: %s", c->vrb->name,
	       strerror(ev->status < 0 ? -ev->status : ev->status));
	cm_break(c, VIRTIO_RDMA_R_RESET);
}

/* Behind what the worker had found by then: a request that failed is the cause
 * of the peer's DREQ, not its consequence, and the queue pair's failure is told
 * to the model when it has come to rest.  The worker is past it: failed may be
 * read. */
static void pass_disconnected(void *arg)
{
	struct be_conn *c = arg;

	if (conn_errand_back(c) && !is_over(c) && !c->failed)
		c->vrb->ev->disconnected(c->cm);
}

/* The peer's DREQ, or the answer to ours.  With a status: nobody answered. */
static void on_disconnected(struct be_conn *c, const struct rdma_cm_event *ev)
{
	if (ev->status) {
		cm_break(c, VIRTIO_RDMA_R_TIMED_OUT);
		return;
	}
	if (c->active && c->cm_state != CM_ESTABLISHED) {
		cm_break(c, VIRTIO_RDMA_R_RESET);
		return;
	}
	if (c->heard_disconnect)
		return;
	c->heard_disconnect = true;
	data_barrier(c, pass_disconnected);
}

typedef void on_event(struct be_conn *c, const struct rdma_cm_event *ev);

static on_event *const on[] = {
	[RDMA_CM_EVENT_ADDR_RESOLVED] = on_addr_resolved,
	[RDMA_CM_EVENT_ADDR_ERROR] = on_resolve_error,
	[RDMA_CM_EVENT_ROUTE_RESOLVED] = on_route_resolved,
	[RDMA_CM_EVENT_ROUTE_ERROR] = on_resolve_error,
	[RDMA_CM_EVENT_CONNECT_RESPONSE] = on_response,
	[RDMA_CM_EVENT_CONNECT_ERROR] = on_connect_error,
	[RDMA_CM_EVENT_UNREACHABLE] = on_unreachable,
	[RDMA_CM_EVENT_REJECTED] = on_rejected,
	[RDMA_CM_EVENT_ESTABLISHED] = on_established,
	[RDMA_CM_EVENT_DISCONNECTED] = on_disconnected,
};

static void handle(struct vrb *v, struct rdma_cm_event *ev)
{
	struct be_conn *c;

	if (ev->event == RDMA_CM_EVENT_CONNECT_REQUEST) {
		listen_request(v, ev);
		return;
	}
	/* the only one that comes for a listener, too */
	if (ev->event == RDMA_CM_EVENT_DEVICE_REMOVAL) {
		device_removed(v);
		return;
	}
	c = ev->id->context;
	if ((size_t)ev->event < sizeof(on) / sizeof(on[0]) && on[ev->event] &&
	    !is_over(c))
		on[ev->event](c, ev);
}

void cm_events(void *arg)
{
	struct vrb *v = arg;
	struct rdma_cm_event *ev;

	for (int i = 0; i < EVENTS_PER_TURN; i++) {
		if (rdma_get_cm_event(v->cm, &ev))
			return;
		be_log(BE_DEBUG, "%s: %s, status %d", v->name,
		       rdma_event_str(ev->event), ev->status);
		v->in_event = true;
		handle(v, ev);
		v->in_event = false;
		rdma_ack_cm_event(ev);
	}
}

/* ------------------------------------------------------------------------ ops */

static const struct {
	int from, to;
} errors[] = {
	{ EADDRINUSE, -EADDRINUSE },
	{ EHOSTUNREACH, -EHOSTUNREACH },
	{ ENOMEM, -ENOMEM },
	{ EAGAIN, -ENOMEM },
	{ EMFILE, -ENOMEM },
	{ ENFILE, -ENOMEM },
	{ ENOSPC, -ENOMEM },
};

int cm_error(const struct vrb *v, const char *what, int err)
{
	for (size_t i = 0; i < sizeof(errors) / sizeof(errors[0]); i++)
		if (errors[i].from == err)
			return errors[i].to;
	be_log(BE_INFO, "%s: cannot %s: %s", v->name, what, strerror(err));
	return -ENETUNREACH;
}

static int start_connect(struct be_conn *c, const struct be_request *req)
{
	struct sockaddr_storage from, to;

	addr_to_sockaddr(&req->local, &from);
	addr_to_sockaddr(&req->peer, &to);
	if (rdma_create_id(c->vrb->cm, &c->id, c, RDMA_PS_TCP) ||
	    (req->shared && id_share_port(c->id)) ||
	    rdma_resolve_addr(c->id, (struct sockaddr *)&from,
			      (struct sockaddr *)&to, RESOLVE_MS))
		return cm_error(c->vrb, "connect", errno);
	return 0;
}

int vrb_connect(struct backend *be, const struct be_request *req,
		struct be_qp *qp, void *cm, struct be_conn **out)
{
	struct vrb *v = vrb_of(be);
	struct be_conn *c;
	int ret;

	if (v->gone)
		return -ENETUNREACH;
	c = conn_new(v, cm);
	if (!c)
		return -ENOMEM;
	c->active = true;
	c->want = qp;
	c->priv = req->priv;
	c->limits = req->limits;
	ret = start_connect(c, req);
	if (ret)
		conn_end(c);
	else
		*out = c;
	return ret;
}

int vrb_accept(struct be_conn *c, const struct be_read_limits *limits,
	       const struct be_private *priv, struct be_qp *qp)
{
	uint8_t data[PRIVATE_REP];
	struct rdma_conn_param param = {
		.private_data = data,
		.private_data_len = sizeof(data),
		.responder_resources = (uint8_t)limits->inbound,
		.initiator_depth = (uint8_t)limits->outbound,
		.flow_control = 1,
		.rnr_retry_count = 7,
	};
	int ret;

	if (is_over(c))
		return -ECONNABORTED;
	ret = conn_create_qp(c, qp);
	if (!ret)
		ret = conn_connect_qp(c, limits);
	if (ret == -ENOMEM && !c->qp)
		return -ENOMEM;
	if (ret) {
		be_log(BE_WARN, "%s: cannot accept: %s", c->vrb->name,
		       strerror(-ret));
		return -ECONNABORTED;
	}
	private_put(data, sizeof(data), priv);
	param.srq = c->shared;
	param.qp_num = c->qp->qp_num;
	if (rdma_accept(c->id, &param))
		return -ECONNABORTED;
	cm_set_state(c, CM_ACCEPTED);
	return 0;
}

int vrb_reject(struct be_conn *c, const struct be_private *priv)
{
	uint8_t data[PRIVATE_REJ];

	if (is_over(c))
		return -ECONNABORTED;
	private_put(data, sizeof(data), priv);
	if (rdma_reject(c->id, data, sizeof(data)))
		return -ECONNABORTED;
	cm_set_state(c, CM_OVER);
	return 0;
}

int vrb_complete(struct be_conn *c)
{
	if (is_over(c) || rdma_establish(c->id))
		return -ECONNABORTED;
	cm_set_state(c, CM_ESTABLISHED);
	return 0;
}

int vrb_disconnect(struct be_conn *c)
{
	if (is_over(c))
		return -ECONNABORTED;
	c->said_disconnect = true;
	return rdma_disconnect(c->id) ? -ECONNABORTED : 0;
}

/* The identifier's end says DREQ, DREP or REJ where one is due */
void vrb_abort(struct be_conn *c, enum virtio_rdma_reason reason)
{
	(void)reason;
	conn_end(c);
}
