/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * cm.c - what ties connection management to backends, guests and the loop
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "addr.h"
#include "connector_int.h"
#include "listener.h"
#include "qp.h"

/* ----------------------------------------------------------------- upcalls */

static void wire_accepted(void *cm, const struct be_read_limits *limits,
			  const struct be_private *priv)
{
	connector_input(
		cm, CIN_WIRE_ACCEPTED,
		&(struct connector_event){.limits = limits, .priv = priv});
}

static void wire_rejected(void *cm, const struct be_private *priv)
{
	connector_input(cm, CIN_WIRE_REJECTED,
			&(struct connector_event){.priv = priv});
}

static void wire_unreachable(void *cm, int err)
{
	connector_input(cm, CIN_WIRE_UNREACHABLE,
			&(struct connector_event){.status = cm_status(err)});
}

static void wire_established(void *cm)
{
	connector_input(cm, CIN_WIRE_ESTABLISHED, &(struct connector_event){0});
}

static void wire_disconnected(void *cm)
{
	connector_input(cm, CIN_WIRE_DISCONNECTED,
			&(struct connector_event){0});
}

static void wire_aborted(void *cm, enum virtio_rdma_reason reason)
{
	connector_input(cm, CIN_WIRE_ABORTED,
			&(struct connector_event){.reason = reason});
}

const struct be_cm_events connector_events = {
	.request = listener_request,
	.accepted = wire_accepted,
	.rejected = wire_rejected,
	.unreachable = wire_unreachable,
	.established = wire_established,
	.disconnected = wire_disconnected,
	.aborted = wire_aborted,
};

void connector_qp_failed(struct connector *cm, enum virtio_rdma_reason reason)
{
	connector_input(cm, CIN_QP_FAILED,
			&(struct connector_event){.reason = reason});
}

/* ---------------------------------------------------------------- backends */

bool cm_local_ip(const struct guest *g, struct be_addr *a)
{
	bool any = addr_ip_is_any(a);
	uint16_t port = a->port;

	for (uint32_t i = 0; i < g->conf->naddr; i++) {
		const struct be_addr *own = &g->conf->addr[i];

		if (any ? own->family != a->family : !addr_ip_equal(own, a))
			continue;
		*a = *own;
		a->port = port;
		return true;
	}
	return false;
}

/* Memory to memory where both guests are ours and neither was told to take the
 * wire */
struct backend *cm_backend_for(struct guest *g, const struct be_addr *peer)
{
	const struct guest *to = guest_by_addr(g->model, peer);

	if (to && g->conf->local && to->conf->local)
		return g->model->local;
	return g->fabric;
}

/* ------------------------------------------------------------------ guests */

int cm_guest_init(struct guest *g)
{
	struct cm_guest *cm = calloc(1, sizeof(*cm));

	if (!cm)
		return -ENOMEM;
	ports_init(&cm->ports);
	g->cm = cm;
	return 0;
}

/* After a reset, so nothing is in it */
void cm_guest_fini(struct guest *g)
{
	free(g->cm);
	g->cm = NULL;
}

struct ports *guest_ports(struct guest *g)
{
	struct cm_guest *cm = g->cm;

	return &cm->ports;
}

void connector_reset_all(struct guest *g)
{
	struct connector *c;
	uint32_t pos = 0;

	while ((c = handle_next(&g->connectors, &pos)))
		connector_reset(c);
}

/* As if the queue pair had broken: a pending command ends, a connection is
 * indicated and flushed, and both ends of it hear the same reason */
void connector_shut_down(struct guest *g)
{
	struct connector *c;
	uint32_t pos = 0;

	while ((c = handle_next(&g->connectors, &pos)))
		connector_qp_failed(c, VIRTIO_RDMA_R_ADMINISTRATOR);
}

bool connector_shut_down_waits(struct guest *g)
{
	struct connector *c;
	uint32_t pos = 0;

	while ((c = handle_next(&g->connectors, &pos)))
		if (c->state == CONN_ABORTED || c->state == CONN_DISCONNECTING ||
		    c->state == CONN_CLOSING)
			return true;
	return false;
}

/* ---------------------------------------------------------- wire and errors */

static const struct {
	int err;
	enum virtio_rdma_status status;
} statuses[] = {
	{0, VIRTIO_RDMA_S_OK},
	{EADDRINUSE, VIRTIO_RDMA_S_ADDRESS_IN_USE},
	{EEXIST, VIRTIO_RDMA_S_CONNECTION_EXISTS},
	{EADDRNOTAVAIL, VIRTIO_RDMA_S_TOO_MANY_ADDRESSES},
	{ENETUNREACH, VIRTIO_RDMA_S_NETWORK_UNREACHABLE},
	{EHOSTUNREACH, VIRTIO_RDMA_S_HOST_UNREACHABLE},
	{ECONNREFUSED, VIRTIO_RDMA_S_CONNECTION_REFUSED},
	{ECONNABORTED, VIRTIO_RDMA_S_CONNECTION_ABORTED},
	{ECONNRESET, VIRTIO_RDMA_S_CONNECTION_ABORTED},
	{ETIMEDOUT, VIRTIO_RDMA_S_TIMED_OUT},
	{ENOMEM, VIRTIO_RDMA_S_NO_RESOURCES},
	{ENOSPC, VIRTIO_RDMA_S_NO_RESOURCES},
	{EMFILE, VIRTIO_RDMA_S_NO_RESOURCES},
};

enum virtio_rdma_status cm_status(int err)
{
	for (size_t i = 0; i < sizeof(statuses) / sizeof(statuses[0]); i++) {
		if (statuses[i].err == -err)
			return statuses[i].status;
	}
	return VIRTIO_RDMA_S_INTERNAL_ERROR;
}

enum virtio_rdma_status cm_private_in(struct be_private *to,
				      const struct virtio_rdma_private *from,
				      uint32_t max)
{
	uint16_t length = vr_from_le16(from->length);

	if (from->reserved[0] || from->reserved[1] || from->reserved[2])
		return VIRTIO_RDMA_S_INVALID_PARAMETER;
	if (length > max || length > VIRTIO_RDMA_MAX_PRIVATE)
		return VIRTIO_RDMA_S_BUFFER_SIZE;
	memset(to, 0, sizeof(*to));
	to->length = length;
	memcpy(to->data, from->data, length);
	return VIRTIO_RDMA_S_OK;
}

void cm_private_out(struct virtio_rdma_private *to,
		    const struct be_private *from)
{
	memset(to, 0, sizeof(*to));
	to->length = vr_to_le16(from->length);
	memcpy(to->data, from->data, from->length);
}
