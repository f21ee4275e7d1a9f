/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-or-later */
/*
 * conn_state.c - the connector's states and who may follow whom
 *
 * DOC: vrc.h says what each state means.  The only writer of
 * vrc_connector.state is below.
 */
#include "vrc.h"

#define S(x)	(1u << VRC_CONN_##x)

/* by source; CLOSING may follow any but itself */
static const uint16_t next_states[VRC_CONN_STATES] = {
	[VRC_CONN_IDLE]		= S(CONNECTING) | S(OVER),
	/* IDLE: failed, may be tried again; OVER: cancelled, device lost */
	[VRC_CONN_CONNECTING]	= S(REPLIED) | S(IDLE) | S(OVER),
	[VRC_CONN_REPLIED]	= S(COMPLETING) | S(OVER),
	[VRC_CONN_COMPLETING]	= S(ESTABLISHED) | S(OVER),
	[VRC_CONN_INCOMING]	= S(ACCEPTING) | S(OVER),
	/* INCOMING: the request was malformed and changed nothing */
	[VRC_CONN_ACCEPTING]	= S(ESTABLISHED) | S(INCOMING) | S(OVER),
	[VRC_CONN_ESTABLISHED]	= S(INDICATED) | S(DISCONNECTING),
	[VRC_CONN_INDICATED]	= S(DISCONNECTING),
	[VRC_CONN_DISCONNECTING] = S(OVER),
	[VRC_CONN_OVER]		= 0,
	[VRC_CONN_CLOSING]	= 0,
};

static const char *const names[VRC_CONN_STATES] = {
	[VRC_CONN_IDLE]		= "idle",
	[VRC_CONN_CONNECTING]	= "connecting",
	[VRC_CONN_REPLIED]	= "replied",
	[VRC_CONN_COMPLETING]	= "completing",
	[VRC_CONN_INCOMING]	= "incoming",
	[VRC_CONN_ACCEPTING]	= "accepting",
	[VRC_CONN_ESTABLISHED]	= "established",
	[VRC_CONN_INDICATED]	= "indicated",
	[VRC_CONN_DISCONNECTING] = "disconnecting",
	[VRC_CONN_OVER]		= "over",
	[VRC_CONN_CLOSING]	= "closing",
};

const char *vrc_conn_name(enum vrc_conn_state s)
{
	return (unsigned int)s < VRC_CONN_STATES ? names[s] : "?";
}

bool vrc_conn_may(enum vrc_conn_state from, enum vrc_conn_state to)
{
	if (to == VRC_CONN_CLOSING)
		return from != VRC_CONN_CLOSING;
	return next_states[from] & 1u << to;
}

/* The peer may have gone, but the consumer has not yet heard the end of it */
bool vrc_conn_is_up(enum vrc_conn_state s)
{
	return s == VRC_CONN_ESTABLISHED || s == VRC_CONN_INDICATED ||
	       s == VRC_CONN_DISCONNECTING;
}

/* INCOMING after ACCEPTING, and REPLIED after CONNECTING, are no end of an attempt */
static bool is_attempt(enum vrc_conn_state s)
{
	return s == VRC_CONN_CONNECTING || s == VRC_CONN_COMPLETING ||
	       s == VRC_CONN_ACCEPTING;
}

static void count_locked(struct vrdma_counters *n, enum vrc_conn_state from,
			 enum vrc_conn_state to)
{
	bool was_up = vrc_conn_is_up(from), is_up = vrc_conn_is_up(to);

	if (is_up && !was_up) {
		n->active++;
		n->connects += from == VRC_CONN_COMPLETING;
		n->accepts += from == VRC_CONN_ACCEPTING;
	} else if (was_up && !is_up) {
		n->active--;
	} else if (is_attempt(from) && (to == VRC_CONN_IDLE ||
					to == VRC_CONN_OVER ||
					to == VRC_CONN_CLOSING)) {
		n->connect_failures++;
	}
}

/* False, and nothing changed, when the transition is not in the table */
bool vrc_conn_set_locked(struct vrc_connector *conn, enum vrc_conn_state next)
{
	if (!vrc_conn_may(conn->state, next))
		return false;
	count_locked(&conn->obj.core->counters, conn->state, next);
	conn->state = next;
	return true;
}
