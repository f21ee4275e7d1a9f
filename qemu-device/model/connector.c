/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * connector.c - the connector machine: its table, its states, its life
 */
#include <stdlib.h>

#include "connector_int.h"
#include "listener.h"
#include "place.h"
#include "qp.h"
#include "shared_ep.h"
#include "vrdma_plant.h"

const char *const connector_state_name[CONN_STATE_COUNT] = {
	[CONN_IDLE] = "IDLE",
	[CONN_CONNECTING] = "CONNECTING",
	[CONN_ACCEPTED] = "ACCEPTED",
	[CONN_REQUESTED] = "REQUESTED",
	[CONN_ACCEPTING] = "ACCEPTING",
	[CONN_ESTABLISHED] = "ESTABLISHED",
	[CONN_DISCONNECTING] = "DISCONNECTING",
	[CONN_PEER_DISCONNECTED] = "PEER_DISCONNECTED",
	[CONN_ABORTED] = "ABORTED",
	[CONN_ABANDONED] = "ABANDONED",
	[CONN_DISCONNECTED] = "DISCONNECTED",
	[CONN_CLOSING] = "CLOSING",
};

const char *const connector_input_name[CIN_COUNT] = {
	[CIN_CONNECT] = "CONNECT",
	[CIN_COMPLETE_CONNECT] = "COMPLETE_CONNECT",
	[CIN_ACCEPT] = "ACCEPT",
	[CIN_REJECT] = "REJECT",
	[CIN_DISCONNECT] = "DISCONNECT",
	[CIN_CLOSE] = "CLOSE",
	[CIN_WIRE_ACCEPTED] = "wire accepted",
	[CIN_WIRE_REJECTED] = "wire rejected",
	[CIN_WIRE_UNREACHABLE] = "wire unreachable",
	[CIN_WIRE_ESTABLISHED] = "wire established",
	[CIN_WIRE_DISCONNECTED] = "wire disconnected",
	[CIN_WIRE_ABORTED] = "wire aborted",
	[CIN_QP_FAILED] = "qp failed",
	[CIN_QP_STOPPED] = "qp stopped",
	[CIN_DEADLINE] = "deadline",
};

#define STEP(s) (1u << CONN_##s)

/* CLOSING is allowed from everywhere */
static const uint32_t steps[CONN_STATE_COUNT] = {
	[CONN_IDLE] = STEP(CONNECTING),
	[CONN_CONNECTING] = STEP(ACCEPTED) | STEP(IDLE),
	[CONN_ACCEPTED] =
		STEP(ESTABLISHED) | STEP(ABANDONED) | STEP(DISCONNECTED),
	[CONN_REQUESTED] =
		STEP(ACCEPTING) | STEP(ABANDONED) | STEP(DISCONNECTED),
	[CONN_ACCEPTING] = STEP(ESTABLISHED) | STEP(DISCONNECTED),
	[CONN_ESTABLISHED] =
		STEP(DISCONNECTING) | STEP(PEER_DISCONNECTED) | STEP(ABORTED),
	[CONN_DISCONNECTING] = STEP(DISCONNECTED),
	[CONN_PEER_DISCONNECTED] = STEP(DISCONNECTING),
	[CONN_ABORTED] = STEP(DISCONNECTING),
};

bool connector_step_allowed(enum connector_state from, enum connector_state to)
{
	if (to == CONN_CLOSING)
		return from != CONN_CLOSING;
	return steps[from] & (1u << to);
}

bool connector_set_state(struct connector *c, enum connector_state to)
{
	if (!connector_step_allowed(c->state, to)) {
		clog(c, VL_ERROR, "no step from %s to %s",
		     connector_state_name[c->state], connector_state_name[to]);
		return false;
	}
	clog(c, VL_DEBUG, "%s -> %s", connector_state_name[c->state],
	     connector_state_name[to]);
	c->state = to;
	return true;
}

/* ------------------------------------------------------------------- table */

/* clang-format off */
#define DO(function)	{ .fn = (function) }
#define SAY(name)	{ .status = VIRTIO_RDMA_S_##name }
#define ALL_INVALID				\
	[CIN_CONNECT] = SAY(CONNECTION_INVALID),	\
	[CIN_COMPLETE_CONNECT] = SAY(CONNECTION_INVALID), \
	[CIN_ACCEPT] = SAY(CONNECTION_INVALID),		\
	[CIN_REJECT] = SAY(CONNECTION_INVALID),		\
	[CIN_DISCONNECT] = SAY(CONNECTION_INVALID)
/* From ESTABLISHED on there is a connection, and it is the only one (D8) */
#define SETUP_IS_OVER				\
	[CIN_CONNECT] = SAY(CONNECTION_ACTIVE),		\
	[CIN_COMPLETE_CONNECT] = SAY(CONNECTION_ACTIVE), \
	[CIN_ACCEPT] = SAY(CONNECTION_ACTIVE),		\
	[CIN_REJECT] = SAY(CONNECTION_ACTIVE)

const struct connector_cell connector_table[CONN_STATE_COUNT][CIN_COUNT] = {
	[CONN_IDLE] = {
		[CIN_CONNECT] = DO(cn_connect),
		[CIN_COMPLETE_CONNECT] = SAY(CONNECTION_INVALID),
		[CIN_ACCEPT] = SAY(CONNECTION_INVALID),
		[CIN_REJECT] = SAY(CONNECTION_INVALID),
		[CIN_DISCONNECT] = SAY(CONNECTION_INVALID),
		[CIN_CLOSE] = DO(cn_close),
	},
	[CONN_CONNECTING] = {
		[CIN_CONNECT] = SAY(CONNECTION_ACTIVE),
		[CIN_COMPLETE_CONNECT] = SAY(CONNECTION_INVALID),
		[CIN_ACCEPT] = SAY(CONNECTION_INVALID),
		[CIN_REJECT] = SAY(CONNECTION_INVALID),
		[CIN_DISCONNECT] = SAY(CONNECTION_INVALID),
		[CIN_CLOSE] = DO(cn_close),
		[CIN_WIRE_ACCEPTED] = DO(cn_wire_accepted),
		[CIN_WIRE_REJECTED] = DO(cn_wire_rejected_active),
		[CIN_WIRE_UNREACHABLE] = DO(cn_wire_unreachable),
		[CIN_WIRE_ABORTED] = DO(cn_wire_aborted_active),
		[CIN_QP_FAILED] = DO(cn_qp_failed_active),
		[CIN_DEADLINE] = DO(cn_connect_expired),
	},
	[CONN_ACCEPTED] = {
		[CIN_CONNECT] = SAY(CONNECTION_ACTIVE),
		[CIN_COMPLETE_CONNECT] = DO(cn_complete_connect),
		[CIN_ACCEPT] = SAY(CONNECTION_INVALID),
		[CIN_REJECT] = DO(cn_reject),
		[CIN_DISCONNECT] = SAY(CONNECTION_INVALID),
		[CIN_CLOSE] = DO(cn_close),
		[CIN_WIRE_ABORTED] = DO(cn_abandoned),
		[CIN_QP_FAILED] = DO(cn_abandoned),
	},
	[CONN_REQUESTED] = {
		[CIN_CONNECT] = SAY(CONNECTION_ACTIVE),
		[CIN_COMPLETE_CONNECT] = SAY(CONNECTION_INVALID),
		[CIN_ACCEPT] = DO(cn_accept),
		[CIN_REJECT] = DO(cn_reject),
		[CIN_DISCONNECT] = SAY(CONNECTION_INVALID),
		[CIN_CLOSE] = DO(cn_close),
		[CIN_WIRE_ABORTED] = DO(cn_abandoned),
	},
	[CONN_ACCEPTING] = {
		[CIN_CONNECT] = SAY(CONNECTION_ACTIVE),
		[CIN_COMPLETE_CONNECT] = SAY(CONNECTION_INVALID),
		[CIN_ACCEPT] = SAY(CONNECTION_ACTIVE),
		[CIN_REJECT] = SAY(CONNECTION_ACTIVE),
		[CIN_DISCONNECT] = SAY(CONNECTION_INVALID),
		[CIN_CLOSE] = DO(cn_close),
		[CIN_WIRE_REJECTED] = DO(cn_wire_rejected_passive),
		[CIN_WIRE_ESTABLISHED] = DO(cn_wire_established),
		[CIN_WIRE_DISCONNECTED] = DO(cn_wire_early_disconnect),
		[CIN_WIRE_ABORTED] = DO(cn_wire_aborted_passive),
		[CIN_QP_FAILED] = DO(cn_qp_failed_passive),
		[CIN_DEADLINE] = DO(cn_accept_expired),
	},
	[CONN_ESTABLISHED] = {
		SETUP_IS_OVER,
		[CIN_DISCONNECT] = DO(cn_disconnect),
		[CIN_CLOSE] = DO(cn_close),
		[CIN_WIRE_DISCONNECTED] = DO(cn_peer_disconnected),
		[CIN_WIRE_ABORTED] = DO(cn_broken),
		[CIN_QP_FAILED] = DO(cn_broken),
	},
	[CONN_DISCONNECTING] = {
		SETUP_IS_OVER,
		[CIN_DISCONNECT] = SAY(INVALID_STATE),
		[CIN_CLOSE] = DO(cn_close),
		[CIN_WIRE_DISCONNECTED] = DO(cn_notified),
		[CIN_WIRE_ABORTED] = DO(cn_failed),
		[CIN_QP_FAILED] = DO(cn_failed),
		[CIN_QP_STOPPED] = DO(cn_at_rest),
		[CIN_DEADLINE] = DO(cn_expired),
	},
	[CONN_PEER_DISCONNECTED] = {
		SETUP_IS_OVER,
		[CIN_DISCONNECT] = DO(cn_disconnect_reply),
		[CIN_CLOSE] = DO(cn_close),
		[CIN_QP_STOPPED] = DO(cn_stopped),
	},
	[CONN_ABORTED] = {
		SETUP_IS_OVER,
		[CIN_DISCONNECT] = DO(cn_disconnect_broken),
		[CIN_CLOSE] = DO(cn_close),
		[CIN_QP_STOPPED] = DO(cn_stopped),
	},
	[CONN_ABANDONED] = {
		[CIN_CONNECT] = SAY(CONNECTION_INVALID),
		[CIN_COMPLETE_CONNECT] = SAY(CONNECTION_ABORTED),
		[CIN_ACCEPT] = SAY(CONNECTION_ABORTED),
		[CIN_REJECT] = SAY(CONNECTION_ABORTED),
		[CIN_DISCONNECT] = SAY(CONNECTION_INVALID),
		[CIN_CLOSE] = DO(cn_close),
	},
	[CONN_DISCONNECTED] = {
		ALL_INVALID,
		[CIN_CLOSE] = DO(cn_close),
	},
	[CONN_CLOSING] = {
		[CIN_CONNECT] = SAY(INVALID_STATE),
		[CIN_COMPLETE_CONNECT] = SAY(INVALID_STATE),
		[CIN_ACCEPT] = SAY(INVALID_STATE),
		[CIN_REJECT] = SAY(INVALID_STATE),
		[CIN_DISCONNECT] = SAY(INVALID_STATE),
		[CIN_CLOSE] = SAY(INVALID_STATE),
		[CIN_QP_STOPPED] = DO(cn_close_at_rest),
	},
};
/* clang-format on */

void connector_input(struct connector *c, enum connector_input in,
		     const struct connector_event *ev)
{
	const struct connector_cell *cell = &connector_table[c->state][in];

	clog(c, VL_DEBUG, "%s in %s", connector_input_name[in],
	     connector_state_name[c->state]);
	if (cell->fn)
		cell->fn(c, ev);
	else if (ev->cmd)
		command_done(ev->cmd, cell->status, 0);
}

/* -------------------------------------------------------------------- life */

static void deadline_over(void *arg)
{
	connector_input(arg, CIN_DEADLINE, &(struct connector_event){0});
}

struct connector *connector_new(struct guest *g)
{
	struct connector *c = calloc(1, sizeof(*c));

	if (!c)
		return NULL;
	c->guest = g;
	list_init(&c->by_peer);
	loop_timer_init(&c->deadline, deadline_over, c);
	if (handle_alloc(&g->connectors, c, &c->handle)) {
		free(c);
		return NULL;
	}
	return c;
}

void connector_free(struct connector *c)
{
	struct guest *g = c->guest;

	loop_timer_cancel(g->loop, &c->deadline);
	connector_answered(c);
	if (c->listener)
		listener_put(c->listener);
	if (!PLANTED(18))
		endpoint_put(c->endpoint);
	shared_ep_put(c->shared);
	handle_free(&g->connectors, c->handle);
	free(c);
}

void connector_answer(struct connector *c, enum virtio_rdma_status status)
{
	struct command *cmd = c->pending;

	loop_timer_cancel(c->guest->loop, &c->deadline);
	c->pending = NULL;
	if (cmd)
		command_done(cmd, status, 0);
}

void connector_drop_conn(struct connector *c, enum virtio_rdma_reason reason)
{
	struct be_conn *conn = c->conn;

	c->conn = NULL;
	shared_ep_leave(c);
	if (conn)
		c->be->abort(conn, reason);
	if (conn && c->attached)
		place_disconnected(c->guest, c->with);
}

void connector_release_qp(struct connector *c)
{
	struct vr_qp *qp = c->qp;

	c->qp = NULL;
	if (qp)
		qp_release(qp);
}

void connector_answered(struct connector *c)
{
	if (c->unanswered)
		c->listener->unanswered--;
	c->unanswered = false;
}

void connector_deadline(struct connector *c, uint32_t ms)
{
	loop_timer_set_ms(c->guest->loop, &c->deadline, ms);
}

/* ---------------------------------------------------------------- commands */

static void command_input(struct command *cmd, enum connector_input in)
{
	struct connector *c = handle_get(&cmd->guest->connectors, cmd->handle);

	if (c)
		connector_input(c, in, &(struct connector_event){.cmd = cmd});
	else
		command_done(cmd, VIRTIO_RDMA_S_INVALID_HANDLE, 0);
}

void cmd_create_connector(struct command *cmd)
{
	struct connector *c;

	if (cmd->handle) {
		command_done(cmd, VIRTIO_RDMA_S_INVALID_PARAMETER, 0);
		return;
	}
	c = connector_new(cmd->guest);
	if (!c) {
		command_done(cmd, VIRTIO_RDMA_S_NO_RESOURCES, 0);
		return;
	}
	c->cookie = cmd->req.create_connector.cookie;
	command_done(cmd, VIRTIO_RDMA_S_OK, c->handle);
}

void cmd_connect(struct command *cmd)
{
	command_input(cmd, CIN_CONNECT);
}

void cmd_complete_connect(struct command *cmd)
{
	command_input(cmd, CIN_COMPLETE_CONNECT);
}

void cmd_accept(struct command *cmd)
{
	command_input(cmd, CIN_ACCEPT);
}

void cmd_reject(struct command *cmd)
{
	command_input(cmd, CIN_REJECT);
}

void cmd_disconnect(struct command *cmd)
{
	command_input(cmd, CIN_DISCONNECT);
}

void cmd_close_connector(struct command *cmd)
{
	command_input(cmd, CIN_CLOSE);
}
