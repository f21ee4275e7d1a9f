/* SPDX-License-Identifier: GPL-2.0-or-later */
/* shared_ep.c - end points that several connectors connect from; see
 * shared_ep.h */
#include <errno.h>
#include <stdlib.h>

#include "addr.h"
#include "connector_int.h"
#include "shared_ep.h"

/* -------------------------------------------------------------------- peers */

/* FNV-1a; a guest that looks for collisions makes its own calls slower, by no
 * more than its connectors */
static struct list_head *bucket_of(struct shared_ep *s,
				   const struct be_addr *peer)
{
	uint32_t h = 2166136261u ^ peer->port;

	for (size_t i = 0; i < sizeof(peer->ip); i++)
		h = (h ^ peer->ip[i]) * 16777619u;
	return &s->peers[(h ^ h >> 16) % SHARED_EP_BUCKETS];
}

bool shared_ep_has_peer(struct shared_ep *s, const struct be_addr *peer)
{
	struct list_head *bucket = bucket_of(s, peer), *pos;

	list_for_each(pos, bucket)
		if (addr_equal(
			    &container_of(pos, struct connector, by_peer)->peer,
			    peer))
			return true;
	return false;
}

void shared_ep_join(struct shared_ep *s, struct connector *c)
{
	list_add_tail(&c->by_peer, bucket_of(s, &c->peer));
}

void shared_ep_leave(struct connector *c)
{
	list_del(&c->by_peer);
}

/* --------------------------------------------------------------------- life */

struct shared_ep *shared_ep_find(struct guest *g, uint32_t handle)
{
	return handle_get(&g->endpoints, handle);
}

struct shared_ep *shared_ep_get(struct shared_ep *s)
{
	s->refs++;
	return s;
}

static void give_back(struct shared_ep *s)
{
	if (s->reserved)
		s->guest->fabric->unreserve(s->reserved);
	s->reserved = NULL;
	endpoint_put(s->endpoint);
	s->endpoint = NULL;
}

void shared_ep_put(struct shared_ep *s)
{
	if (!s || --s->refs)
		return;
	give_back(s);
	free(s);
}

static void shared_ep_close(struct shared_ep *s)
{
	handle_free(&s->guest->endpoints, s->handle);
	shared_ep_put(s);
}

static struct shared_ep *shared_ep_new(struct guest *g)
{
	struct shared_ep *s = calloc(1, sizeof(*s));

	if (!s)
		return NULL;
	s->guest = g;
	s->refs = 1;
	for (unsigned int i = 0; i < SHARED_EP_BUCKETS; i++)
		list_init(&s->peers[i]);
	if (handle_alloc(&g->endpoints, s, &s->handle)) {
		free(s);
		return NULL;
	}
	return s;
}

/* ------------------------------------------------------------------ commands */

/* As of a listener: guests of this vrdmad can be reached without the fabric,
 * which has said what is wrong, but a port is one on both */
static enum virtio_rdma_status reserve(struct shared_ep *s)
{
	struct guest *g = s->guest;
	int err;

	if (!g->fabric || !g->fabric->reserve)
		return VIRTIO_RDMA_S_OK;
	err = g->fabric->reserve(g->fabric, &s->endpoint->addr, &s->reserved);
	if (err && err != -EADDRINUSE && g->conf->local)
		return VIRTIO_RDMA_S_OK;
	if (err == -EADDRNOTAVAIL || err == -EACCES)
		return VIRTIO_RDMA_S_INVALID_ADDRESS;
	return cm_status(err);
}

static enum virtio_rdma_status take(struct shared_ep *s,
				    const struct be_addr *addr)
{
	enum virtio_rdma_status status = VIRTIO_RDMA_S_ADDRESS_IN_USE;
	int tries = addr->port ? 1 : PORTS_TRIES, err;

	/* a port that is free for the guest may be taken on the fabric */
	while (tries-- && status == VIRTIO_RDMA_S_ADDRESS_IN_USE) {
		give_back(s);
		err = ports_take(guest_ports(s->guest), addr, &s->endpoint);
		if (err)
			return cm_status(err);
		status = reserve(s);
	}
	return status;
}

void cmd_create_endpoint(struct command *cmd)
{
	struct guest *g = cmd->guest;
	enum virtio_rdma_status status;
	struct shared_ep *s;
	struct be_addr addr;

	if (addr_from_abi(&cmd->req.create_endpoint.addr, false, &addr)) {
		command_done(cmd, VIRTIO_RDMA_S_INVALID_PARAMETER, 0);
		return;
	}
	if (!cm_local_ip(g, &addr)) {
		command_done(cmd, VIRTIO_RDMA_S_INVALID_ADDRESS, 0);
		return;
	}
	s = shared_ep_new(g);
	if (!s) {
		command_done(cmd, VIRTIO_RDMA_S_NO_RESOURCES, 0);
		return;
	}
	status = take(s, &addr);
	if (status == VIRTIO_RDMA_S_OK) {
		addr_to_abi(&s->endpoint->addr, &cmd->rsp.create_endpoint.addr);
		command_done(cmd, status, s->handle);
		return;
	}
	shared_ep_close(s);
	command_done(cmd, status, 0);
}

/* Connectors that came from it keep the pair taken */
void cmd_close_endpoint(struct command *cmd)
{
	struct shared_ep *s = shared_ep_find(cmd->guest, cmd->handle);

	if (s)
		shared_ep_close(s);
	command_done(cmd, s ? VIRTIO_RDMA_S_OK : VIRTIO_RDMA_S_INVALID_HANDLE,
		     0);
}

void shared_ep_reset_all(struct guest *g)
{
	struct shared_ep *s;
	uint32_t pos = 0;

	while ((s = handle_next(&g->endpoints, &pos)))
		shared_ep_close(s);
}
