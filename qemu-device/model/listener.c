/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * listener.c - listeners and the requests that come in through them
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "addr.h"
#include "connector_int.h"
#include "listener.h"

struct listener *listener_get(struct listener *l)
{
	l->refs++;
	return l;
}

void listener_put(struct listener *l)
{
	if (--l->refs)
		return;
	endpoint_put(l->endpoint);
	free(l);
}

/* ------------------------------------------------------------------ LISTEN */

static int add_part(struct listener *l, struct backend *be,
		    const struct be_addr *addr)
{
	struct listener_part *part = &l->part[l->parts];
	int err;

	part->listener = l;
	part->be = be;
	err = be->listen(be, addr, l->backlog, part, &part->bl);
	if (!err)
		l->parts++;
	return err;
}

static int add_address(struct listener *l, const struct be_addr *ip)
{
	const struct guest *g = l->guest;
	struct be_addr addr = *ip;
	int err = 0;

	addr.port = l->endpoint->addr.port;
	if (g->conf->local)
		err = add_part(l, g->model->local, &addr);
	if (err || !g->fabric)
		return err;
	err = add_part(l, g->fabric, &addr);
	/* The fabric has said why.  Guests of this vrdmad reach it all the
	 * same, and a port that somebody else has is the consumer's business. */
	if (err && err != -EADDRINUSE && g->conf->local)
		return 0;
	return err;
}

static bool covers(const struct be_addr *bound, const struct be_addr *ip)
{
	if (addr_ip_is_any(bound))
		return bound->family == ip->family;
	return addr_ip_equal(bound, ip);
}

static void stop_listening(struct listener *l)
{
	while (l->parts) {
		struct listener_part *part = &l->part[--l->parts];

		part->be->unlisten(part->bl);
	}
}

static enum virtio_rdma_status start_listening(struct listener *l)
{
	const struct guest_conf *conf = l->guest->conf;
	int err;

	for (uint32_t i = 0; i < conf->naddr; i++) {
		if (!covers(&l->endpoint->addr, &conf->addr[i]))
			continue;
		err = add_address(l, &conf->addr[i]);
		/* an address that is the guest's but not the host's, or a port
		 * that the host does not give: there is no port left to pick */
		if (err == -EADDRNOTAVAIL || err == -EACCES)
			return VIRTIO_RDMA_S_INVALID_ADDRESS;
		if (err)
			return cm_status(err);
	}
	return l->parts ? VIRTIO_RDMA_S_OK : VIRTIO_RDMA_S_INVALID_ADDRESS;
}

static bool is_ours(const struct guest *g, const struct be_addr *addr)
{
	for (uint32_t i = 0; i < g->conf->naddr; i++) {
		if (covers(addr, &g->conf->addr[i]))
			return true;
	}
	return false;
}

/* A port that is free for the guest may be taken on the fabric, by whoever else
 * the host has: then another one does, if the guest wants none in particular */
static enum virtio_rdma_status take_endpoint(struct listener *l,
					     const struct be_addr *addr)
{
	enum virtio_rdma_status status = VIRTIO_RDMA_S_ADDRESS_IN_USE;
	int tries = addr->port ? 1 : PORTS_TRIES, err;

	while (tries-- && status == VIRTIO_RDMA_S_ADDRESS_IN_USE) {
		stop_listening(l);
		endpoint_put(l->endpoint);
		l->endpoint = NULL;
		err = ports_take(guest_ports(l->guest), addr, &l->endpoint);
		if (err)
			return cm_status(err);
		status = start_listening(l);
	}
	return status;
}

static enum virtio_rdma_status open_listener(struct listener *l,
					     const struct be_addr *addr)
{
	struct guest *g = l->guest;

	if (!is_ours(g, addr))
		return VIRTIO_RDMA_S_INVALID_ADDRESS;
	if (handle_alloc(&g->listeners, l, &l->handle))
		return VIRTIO_RDMA_S_NO_RESOURCES;
	return take_endpoint(l, addr);
}

/* 0: the device's own, which is also the most */
static uint32_t backlog_of(const struct guest *g, vr_le32 wanted)
{
	uint32_t n = vr_from_le32(wanted);

	return n && n < g->conf->max_backlog ? n : g->conf->max_backlog;
}

static void close_listener(struct listener *l)
{
	stop_listening(l);
	handle_free(&l->guest->listeners, l->handle);
	listener_put(l);
}

void cmd_listen(struct command *cmd)
{
	const struct virtio_rdma_cmd_listen *req = &cmd->req.listen;
	enum virtio_rdma_status status;
	struct be_addr addr;
	struct listener *l;

	if (cmd->handle || req->reserved ||
	    addr_from_abi(&req->addr, false, &addr)) {
		command_done(cmd, VIRTIO_RDMA_S_INVALID_PARAMETER, 0);
		return;
	}
	l = calloc(1, sizeof(*l));
	if (!l) {
		command_done(cmd, VIRTIO_RDMA_S_NO_RESOURCES, 0);
		return;
	}
	l->guest = cmd->guest;
	l->refs = 1;
	l->cookie = req->cookie;
	l->backlog = backlog_of(cmd->guest, req->backlog);
	status = open_listener(l, &addr);
	if (status == VIRTIO_RDMA_S_OK) {
		addr_to_abi(&l->endpoint->addr, &cmd->rsp.listen.addr);
		command_done(cmd, status, l->handle);
		return;
	}
	close_listener(l);
	command_done(cmd, status, 0);
}

void cmd_close_listener(struct command *cmd)
{
	struct listener *l = handle_get(&cmd->guest->listeners, cmd->handle);

	if (l)
		close_listener(l);
	command_done(cmd, l ? VIRTIO_RDMA_S_OK : VIRTIO_RDMA_S_INVALID_HANDLE,
		     0);
}

void cmd_control_listener(struct command *cmd)
{
	const struct virtio_rdma_cmd_control_listener *req =
		&cmd->req.control_listener;
	struct listener *l = handle_get(&cmd->guest->listeners, cmd->handle);
	uint32_t pause = vr_from_le32(req->pause);

	if (!l) {
		command_done(cmd, VIRTIO_RDMA_S_INVALID_HANDLE, 0);
		return;
	}
	if (req->reserved || pause > 1) {
		command_done(cmd, VIRTIO_RDMA_S_INVALID_PARAMETER, 0);
		return;
	}
	l->paused = pause;
	command_done(cmd, VIRTIO_RDMA_S_OK, 0);
}

/* ---------------------------------------------------------------- requests */

static void announce(struct listener *l, const struct connector *c,
		     const struct be_private *priv)
{
	struct virtio_rdma_event ev;

	memset(&ev, 0, sizeof(ev));
	ev.type = vr_to_le16(VIRTIO_RDMA_EV_CONNECT_REQUEST);
	ev.handle = vr_to_le32(c->handle);
	ev.cookie = l->cookie;
	ev.listener = vr_to_le32(l->handle);
	ev.inbound_reads = vr_to_le32(c->limits.inbound);
	ev.outbound_reads = vr_to_le32(c->limits.outbound);
	addr_to_abi(&c->local, &ev.local);
	addr_to_abi(&c->peer, &ev.peer);
	cm_private_out(&ev.priv, priv);
	guest_post_event(l->guest, &ev);
}

int listener_request(void *lst, struct be_conn *conn,
		     const struct be_request *req, void **cm)
{
	struct listener_part *part = lst;
	struct listener *l = part->listener;
	struct connector *c;
	int err;

	if (l->paused || l->unanswered >= l->backlog) {
		glog(l->guest, VL_INFO, "listener[%u]: refused, %s",
		     handle_index(l->handle),
		     l->paused ? "paused" : "backlog full");
		return -ECONNREFUSED;
	}
	err = connector_incoming(l, part->be, conn, req, &c);
	if (err)
		return err;
	*cm = c;
	announce(l, c, &req->priv);
	return 0;
}

/* ------------------------------------------------------------------- reset */

void listener_reset_all(struct guest *g)
{
	struct listener *l;
	uint32_t pos = 0;

	while ((l = handle_next(&g->listeners, &pos)))
		close_listener(l);
}
