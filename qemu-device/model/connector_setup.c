/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * connector_setup.c - from a request to an established connection
 */
#include <errno.h>

#include "addr.h"
#include "connector_int.h"
#include "listener.h"
#include "place.h"
#include "qp.h"
#include "shared_ep.h"

static uint32_t min_u32(uint32_t a, uint32_t b)
{
	return a < b ? a : b;
}

/* What both sides grant: what one lets in the other may have out */
static struct be_read_limits agree(const struct be_read_limits *mine,
				   const struct be_read_limits *peer)
{
	return (struct be_read_limits){
		.inbound = min_u32(mine->inbound, peer->outbound),
		.outbound = min_u32(mine->outbound, peer->inbound),
	};
}

static struct be_read_limits capped(const struct guest *g, vr_le32 inbound,
				    vr_le32 outbound)
{
	return (struct be_read_limits){
		.inbound = min_u32(vr_from_le32(inbound),
				   g->conf->max_inbound_reads),
		.outbound = min_u32(vr_from_le32(outbound),
				    g->conf->max_outbound_reads),
	};
}

/* It did not come to a connection: nothing of it stays but the connector */
static void let_go(struct connector *c, enum virtio_rdma_reason reason)
{
	connector_drop_conn(c, reason);
	connector_release_qp(c);
	connector_answered(c);
}

static void established(struct connector *c)
{
	connector_set_state(c, CONN_ESTABLISHED);
	c->attached = true;
	if (c->be == c->guest->model->local)
		c->with = guest_by_addr(c->guest->model, &c->peer);
	place_connected(c->guest, c->with);
	qp_connect(c->qp, c->be, c->conn);
}

/* ----------------------------------------------------------------- CONNECT */

/* The local end point that the guest asks for, or the first that fits */
static enum virtio_rdma_status local_address(const struct guest *g,
					     const struct be_addr *peer,
					     struct be_addr *local)
{
	bool any = addr_ip_is_any(local);

	if (local->family == VIRTIO_RDMA_AF_NONE)
		local->family = peer->family;
	if (local->family != peer->family)
		return VIRTIO_RDMA_S_INVALID_PARAMETER;
	if (cm_local_ip(g, local))
		return VIRTIO_RDMA_S_OK;
	return any ? VIRTIO_RDMA_S_NETWORK_UNREACHABLE
		   : VIRTIO_RDMA_S_INVALID_ADDRESS;
}

/* The shared end point that a request comes from, if it names one */
static enum virtio_rdma_status
find_shared(struct guest *g, const struct virtio_rdma_cmd_connect *req,
	    struct be_addr *local, struct shared_ep **out)
{
	uint32_t handle = vr_from_le32(req->endpoint);

	if (!handle)
		return VIRTIO_RDMA_S_OK;
	if (!(g->features & VIRTIO_RDMA_FEATURE(SHARED_ENDPOINT)) ||
	    local->family != VIRTIO_RDMA_AF_NONE)
		return VIRTIO_RDMA_S_INVALID_PARAMETER;
	*out = shared_ep_find(g, handle);
	if (!*out)
		return VIRTIO_RDMA_S_INVALID_HANDLE;
	*local = (*out)->endpoint->addr;
	return VIRTIO_RDMA_S_OK;
}

static enum virtio_rdma_status
read_connect(struct connector *c, const struct virtio_rdma_cmd_connect *req,
	     struct be_request *out, struct shared_ep **shared)
{
	struct guest *g = c->guest;
	enum virtio_rdma_status status;

	if (addr_from_abi(&req->local, true, &out->local) ||
	    addr_from_abi(&req->peer, false, &out->peer) || !out->peer.port)
		return VIRTIO_RDMA_S_INVALID_PARAMETER;
	if (addr_ip_is_any(&out->peer))
		return VIRTIO_RDMA_S_INVALID_ADDRESS;
	status = find_shared(g, req, &out->local, shared);
	if (status != VIRTIO_RDMA_S_OK)
		return status;
	status = local_address(g, &out->peer, &out->local);
	if (status != VIRTIO_RDMA_S_OK)
		return status;
	c->be = cm_backend_for(g, &out->peer);
	if (!c->be)
		return VIRTIO_RDMA_S_NETWORK_UNREACHABLE;
	out->limits = capped(g, req->inbound_reads, req->outbound_reads);
	return cm_private_in(&out->priv, &req->priv, c->be->limits.caller_data);
}

static void free_endpoint(struct connector *c)
{
	endpoint_put(c->endpoint);
	c->endpoint = NULL;
	shared_ep_put(c->shared);
	c->shared = NULL;
}

/* A port that is free for the guest may be taken on the fabric, or the pair of
 * end points may rest there */
static int connect_alone(struct connector *c, struct be_request *req)
{
	int tries = req->local.port ? 1 : PORTS_TRIES, err = -EADDRINUSE;
	const struct be_addr asked = req->local;

	while (tries-- && (err == -EADDRINUSE || err == -EEXIST)) {
		free_endpoint(c);
		err = ports_take(guest_ports(c->guest), &asked, &c->endpoint);
		if (err)
			break;
		req->local = c->endpoint->addr;
		err = c->be->connect(c->be, req, &c->qp->be, c, &c->conn);
	}
	return err;
}

static int connect_shared(struct connector *c, struct shared_ep *shared,
			  struct be_request *req)
{
	int err;

	if (shared_ep_has_peer(shared, &req->peer))
		return -EEXIST;
	c->shared = shared_ep_get(shared);
	req->shared = true;
	err = c->be->connect(c->be, req, &c->qp->be, c, &c->conn);
	if (err)
		return err;
	c->peer = req->peer;
	shared_ep_join(shared, c);
	return 0;
}

/* Takes what a request needs; undone by let_go() and free_endpoint() */
static enum virtio_rdma_status start_connect(struct connector *c, uint32_t qp,
					     struct shared_ep *shared,
					     struct be_request *req)
{
	enum virtio_rdma_status status;

	status = qp_reserve(c->guest, qp, c, &c->qp);
	if (status != VIRTIO_RDMA_S_OK)
		return status;
	return cm_status(shared ? connect_shared(c, shared, req)
				: connect_alone(c, req));
}

void cn_connect(struct connector *c, const struct connector_event *ev)
{
	const struct virtio_rdma_cmd_connect *cmd = &ev->cmd->req.connect;
	struct shared_ep *shared = NULL;
	struct be_request req = {0};
	enum virtio_rdma_status status = read_connect(c, cmd, &req, &shared);

	if (status == VIRTIO_RDMA_S_OK) {
		status = start_connect(c, vr_from_le32(cmd->qp), shared, &req);
		if (status != VIRTIO_RDMA_S_OK) {
			let_go(c, VIRTIO_RDMA_R_NONE);
			free_endpoint(c);
		}
	}
	if (status != VIRTIO_RDMA_S_OK) {
		command_done(ev->cmd, status, 0);
		return;
	}
	c->local = req.local;
	c->peer = req.peer;
	c->limits = req.limits;
	c->pending = ev->cmd;
	connector_set_state(c, CONN_CONNECTING);
	connector_deadline(c, c->guest->conf->connect_timeout_ms);
}

static void fill_connect_rsp(struct connector *c, const struct be_private *priv)
{
	struct virtio_rdma_rsp_connect *rsp = &c->pending->rsp.connect;

	rsp->inbound_reads = vr_to_le32(c->limits.inbound);
	rsp->outbound_reads = vr_to_le32(c->limits.outbound);
	addr_to_abi(&c->local, &rsp->local);
	addr_to_abi(&c->peer, &rsp->peer);
	cm_private_out(&rsp->priv, priv);
}

void cn_wire_accepted(struct connector *c, const struct connector_event *ev)
{
	c->limits = agree(&c->limits, ev->limits);
	fill_connect_rsp(c, ev->priv);
	connector_set_state(c, CONN_ACCEPTED);
	connector_answer(c, VIRTIO_RDMA_S_OK);
}

/* The connector is as new: Connect may be tried again after these errors */
static void connect_failed(struct connector *c, enum virtio_rdma_reason reason,
			   enum virtio_rdma_status status)
{
	let_go(c, reason);
	free_endpoint(c);
	connector_set_state(c, CONN_IDLE);
	connector_answer(c, status);
}

void cn_wire_rejected_active(struct connector *c,
			     const struct connector_event *ev)
{
	fill_connect_rsp(c, ev->priv);
	connect_failed(c, VIRTIO_RDMA_R_NONE, VIRTIO_RDMA_S_CONNECTION_REFUSED);
}

void cn_wire_unreachable(struct connector *c, const struct connector_event *ev)
{
	connect_failed(c, VIRTIO_RDMA_R_NONE, ev->status);
}

void cn_wire_aborted_active(struct connector *c,
			    const struct connector_event *ev)
{
	connect_failed(c, VIRTIO_RDMA_R_NONE,
		       ev->reason == VIRTIO_RDMA_R_TIMED_OUT
			       ? VIRTIO_RDMA_S_TIMED_OUT
			       : VIRTIO_RDMA_S_CONNECTION_REFUSED);
}

void cn_connect_expired(struct connector *c, const struct connector_event *ev)
{
	(void)ev;
	connect_failed(c, VIRTIO_RDMA_R_TIMED_OUT, VIRTIO_RDMA_S_TIMED_OUT);
}

void cn_qp_failed_active(struct connector *c, const struct connector_event *ev)
{
	(void)ev;
	connect_failed(c, VIRTIO_RDMA_R_LOCAL_ERROR,
		       VIRTIO_RDMA_S_CONNECTION_ABORTED);
}

void cn_complete_connect(struct connector *c, const struct connector_event *ev)
{
	if (c->be->complete(c->conn)) {
		let_go(c, VIRTIO_RDMA_R_NONE);
		connector_set_state(c, CONN_DISCONNECTED);
		command_done(ev->cmd, VIRTIO_RDMA_S_CONNECTION_ABORTED, 0);
		return;
	}
	established(c);
	command_done(ev->cmd, VIRTIO_RDMA_S_OK, 0);
}

/* ---------------------------------------------------------------- incoming */

int connector_incoming(struct listener *l, struct backend *be,
		       struct be_conn *conn, const struct be_request *req,
		       struct connector **out)
{
	const struct guest_conf *conf = l->guest->conf;
	const struct be_read_limits max = {conf->max_inbound_reads,
					   conf->max_outbound_reads};
	struct connector *c = connector_new(l->guest);

	if (!c)
		return -ECONNREFUSED;
	c->incoming = true;
	/* the first state of its life, not a step */
	c->state = CONN_REQUESTED;
	c->be = be;
	c->conn = conn;
	c->local = req->local;
	c->peer = req->peer;
	c->peer_limits = req->limits;
	c->limits = agree(&max, &req->limits);
	c->listener = listener_get(l);
	c->endpoint = endpoint_get(l->endpoint);
	c->unanswered = true;
	l->unanswered++;
	*out = c;
	return 0;
}

static enum virtio_rdma_status
start_accept(struct connector *c, const struct virtio_rdma_cmd_accept *req)
{
	struct be_read_limits mine =
		capped(c->guest, req->inbound_reads, req->outbound_reads);
	struct be_private priv;
	enum virtio_rdma_status status;

	if (req->reserved)
		return VIRTIO_RDMA_S_INVALID_PARAMETER;
	status = cm_private_in(&priv, &req->priv, c->be->limits.callee_data);
	if (status != VIRTIO_RDMA_S_OK)
		return status;
	status = qp_reserve(c->guest, vr_from_le32(req->qp), c, &c->qp);
	if (status != VIRTIO_RDMA_S_OK)
		return status;
	c->limits = agree(&mine, &c->peer_limits);
	switch (c->be->accept(c->conn, &c->limits, &priv, &c->qp->be)) {
	case 0:
		return VIRTIO_RDMA_S_OK;
	case -ENOMEM:
		connector_release_qp(c); /* it may try again */
		return VIRTIO_RDMA_S_NO_RESOURCES;
	default:
		return VIRTIO_RDMA_S_CONNECTION_ABORTED;
	}
}

void cn_accept(struct connector *c, const struct connector_event *ev)
{
	const struct virtio_rdma_cmd_accept *req = &ev->cmd->req.accept;
	enum virtio_rdma_status status = start_accept(c, req);

	if (status == VIRTIO_RDMA_S_CONNECTION_ABORTED) {
		let_go(c, VIRTIO_RDMA_R_NONE);
		connector_set_state(c, CONN_DISCONNECTED);
	}
	if (status != VIRTIO_RDMA_S_OK) {
		command_done(ev->cmd, status, 0);
		return;
	}
	c->cookie = req->cookie;
	c->pending = ev->cmd;
	connector_answered(c);
	connector_set_state(c, CONN_ACCEPTING);
	connector_deadline(c, c->guest->conf->connect_timeout_ms);
}

void cn_wire_established(struct connector *c, const struct connector_event *ev)
{
	struct virtio_rdma_rsp_accept *rsp = &c->pending->rsp.accept;

	(void)ev;
	rsp->inbound_reads = vr_to_le32(c->limits.inbound);
	rsp->outbound_reads = vr_to_le32(c->limits.outbound);
	established(c);
	connector_answer(c, VIRTIO_RDMA_S_OK);
}

/* A wire may lose its third leg; what follows on it proves that it was said */
void cn_wire_early_disconnect(struct connector *c,
			      const struct connector_event *ev)
{
	cn_wire_established(c, ev);
	cn_peer_disconnected(c, ev);
}

/* The connector is finished; its queue pair was never connected */
static void accept_failed(struct connector *c, enum virtio_rdma_reason reason,
			  enum virtio_rdma_status status)
{
	let_go(c, reason);
	connector_set_state(c, CONN_DISCONNECTED);
	connector_answer(c, status);
}

void cn_wire_rejected_passive(struct connector *c,
			      const struct connector_event *ev)
{
	cm_private_out(&c->pending->rsp.accept.priv, ev->priv);
	accept_failed(c, VIRTIO_RDMA_R_NONE, VIRTIO_RDMA_S_CONNECTION_REFUSED);
}

void cn_wire_aborted_passive(struct connector *c,
			     const struct connector_event *ev)
{
	accept_failed(c, VIRTIO_RDMA_R_NONE,
		      ev->reason == VIRTIO_RDMA_R_TIMED_OUT
			      ? VIRTIO_RDMA_S_TIMED_OUT
			      : VIRTIO_RDMA_S_CONNECTION_ABORTED);
}

void cn_accept_expired(struct connector *c, const struct connector_event *ev)
{
	(void)ev;
	accept_failed(c, VIRTIO_RDMA_R_TIMED_OUT, VIRTIO_RDMA_S_TIMED_OUT);
}

void cn_qp_failed_passive(struct connector *c, const struct connector_event *ev)
{
	(void)ev;
	accept_failed(c, VIRTIO_RDMA_R_LOCAL_ERROR,
		      VIRTIO_RDMA_S_CONNECTION_ABORTED);
}

/* -------------------------------------------------- giving up before the end
 */

void cn_reject(struct connector *c, const struct connector_event *ev)
{
	struct be_private priv;
	enum virtio_rdma_status status;

	status = cm_private_in(&priv, &ev->cmd->req.reject.priv,
			       c->be->limits.callee_data);
	if (status != VIRTIO_RDMA_S_OK) {
		command_done(ev->cmd, status, 0);
		return;
	}
	if (c->be->reject(c->conn, &priv))
		status = VIRTIO_RDMA_S_CONNECTION_ABORTED;
	let_go(c, VIRTIO_RDMA_R_NONE);
	connector_set_state(c, CONN_DISCONNECTED);
	command_done(ev->cmd, status, 0);
}

void cn_abandoned(struct connector *c, const struct connector_event *ev)
{
	connector_drop_conn(c, ev->reason);
	connector_release_qp(c);
	connector_set_state(c, CONN_ABANDONED);
}
