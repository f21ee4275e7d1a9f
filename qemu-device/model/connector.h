/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * connector.h - connectors: what the wire did, and what may happen next
 *
 * DOC: A connector hears inputs of three kinds: commands of the guest, upcalls
 * of the backend, and what becomes of its queue pair and deadline.  The table
 * in connector.c has a cell for each state and input and is the only place
 * where they meet; connector_set_state() is the only writer of the state and
 * checks the step.  docs/states.md shows both tables and a test compares them.
 *
 * Rules D1..D10 are those of the NetworkDirect disconnect scheme, restated in
 * docs/states.md.  Control thread only, all of it.
 */
#ifndef VRDMA_CONNECTOR_H
#define VRDMA_CONNECTOR_H

#include <stdbool.h>
#include <stdint.h>

#include "../../host-backend/backend.h"
#include "guest.h"
#include "loop.h"
#include "ports.h"

struct listener;
struct shared_ep;
struct vr_qp;

enum connector_state {
	/* Made by CREATE_CONNECTOR, or a CONNECT that failed and may be tried
	 * again.  No queue pair, no connection.  -> CONNECTING */
	CONN_IDLE,
	/* CONNECT pends: the request is out, deadline set.
	 * -> ACCEPTED, IDLE (refused, timed out) */
	CONN_CONNECTING,
	/* The peer accepted, CONNECT was answered; COMPLETE_CONNECT or REJECT
	 * is next.  -> ESTABLISHED, ABANDONED, DISCONNECTED */
	CONN_ACCEPTED,
	/* Incoming, its event is out; ACCEPT or REJECT is next.
	 * -> ACCEPTING, ABANDONED, DISCONNECTED */
	CONN_REQUESTED,
	/* ACCEPT pends until the peer's COMPLETE_CONNECT, deadline set.
	 * -> ESTABLISHED, DISCONNECTED */
	CONN_ACCEPTING,
	/* Data flows.  -> DISCONNECTING, PEER_DISCONNECTED, ABORTED */
	CONN_ESTABLISHED,
	/* DISCONNECT pends until conditions (i) and (ii) of D2 hold, deadline
	 * set.  -> DISCONNECTED */
	CONN_DISCONNECTING,
	/* The peer's notification came and was indicated; this side has not
	 * acted.  -> DISCONNECTING */
	CONN_PEER_DISCONNECTED,
	/* The connection broke and that was indicated; DISCONNECT will fail,
	 * once.  -> DISCONNECTING */
	CONN_ABORTED,
	/* The peer gave up before it was established, with no command of ours
	 * pending that could tell: the next ones say CONNECTION_ABORTED. */
	CONN_ABANDONED,
	/* Over, and this side knows; no reuse (D8, D9). */
	CONN_DISCONNECTED,
	/* CLOSE_CONNECTOR pends until the queue pair is at rest; every state
	 * leads here. */
	CONN_CLOSING,
	CONN_STATE_COUNT
};

enum connector_input {
	/* commands */
	CIN_CONNECT,
	CIN_COMPLETE_CONNECT,
	CIN_ACCEPT,
	CIN_REJECT,
	CIN_DISCONNECT,
	CIN_CLOSE,
	/* the backend's upcalls */
	CIN_WIRE_ACCEPTED,
	CIN_WIRE_REJECTED,
	CIN_WIRE_UNREACHABLE,
	CIN_WIRE_ESTABLISHED,
	CIN_WIRE_DISCONNECTED,
	CIN_WIRE_ABORTED,
	/* this side's own */
	CIN_QP_FAILED,
	CIN_QP_STOPPED,
	CIN_DEADLINE,
	CIN_COUNT
};

/* What comes with an input; which fields count depends on the input */
struct connector_event {
	struct command *cmd;		     /* CIN_CONNECT..CIN_CLOSE */
	enum virtio_rdma_reason reason;	     /* ABORTED, QP_FAILED */
	enum virtio_rdma_status status;	     /* UNREACHABLE */
	const struct be_read_limits *limits; /* ACCEPTED */
	const struct be_private *priv;	     /* ACCEPTED, REJECTED */
};

struct connector {
	/* constant after create */
	struct guest *guest;
	uint32_t handle;
	bool incoming;

	enum connector_state state;
	uint64_t cookie;	   /* as the guest gave it, little-endian */
	struct listener *listener; /* incoming: a reference, until closed */
	bool unanswered;	   /* counts in the listener's backlog */
	struct endpoint *endpoint; /* until closed */
	struct shared_ep *shared;  /* in place of one: a reference */
	struct list_head by_peer;  /* in shared, while there is conn */
	struct be_addr local;
	struct be_addr peer;
	struct be_read_limits peer_limits; /* incoming: the request's */
	struct be_read_limits limits;	   /* asked for, then in effect */

	struct backend *be;
	struct be_conn *conn; /* until its abort() */
	struct guest *with;   /* attached: a guest of ours, or NULL; place.h */

	struct vr_qp *qp; /* borrowed, until qp_release() */
	bool attached;	  /* qp_connect() was called */
	bool stopping;	  /* qp_stop() was called */
	bool stopped;	  /* condition (ii) */

	struct command *pending;	 /* CONNECT, ACCEPT or DISCONNECT */
	struct command *closing;	 /* CLOSE_CONNECTOR */
	bool peer_done;			 /* condition (i), or its failure */
	enum virtio_rdma_status outcome; /* of DISCONNECT, by (i) */
	enum virtio_rdma_reason broken;	 /* why; NONE: it did not break */
	struct loop_timer deadline;
};

/* Commands: rows of the command table */
void cmd_create_connector(struct command *cmd);
void cmd_connect(struct command *cmd);
void cmd_complete_connect(struct command *cmd);
void cmd_accept(struct command *cmd);
void cmd_reject(struct command *cmd);
void cmd_disconnect(struct command *cmd);
void cmd_close_connector(struct command *cmd);

/* The upcalls, for struct backend.start().  Requests go to listener.c */
extern const struct be_cm_events connector_events;
/* listener.c: a connector in state REQUESTED for a request that came in on l.
 * 0, -ECONNREFUSED (no room) or -ENOMEM */
int connector_incoming(struct listener *l, struct backend *be,
		       struct be_conn *conn, const struct be_request *req,
		       struct connector **out);

/* Everything that can happen goes through here.  c may be gone afterwards. */
void connector_input(struct connector *c, enum connector_input in,
		     const struct connector_event *ev);
/* The only writer of c->state; a step that is not in the rules beside the
 * enum is a bug of ours and is logged and refused */
bool connector_set_state(struct connector *c, enum connector_state to);
bool connector_step_allowed(enum connector_state from, enum connector_state to);

extern const char *const connector_state_name[CONN_STATE_COUNT];
extern const char *const connector_input_name[CIN_COUNT];

/* What a cell of the table does: a function, or a status for the command; an
 * input that has neither is ignored */
struct connector_cell {
	void (*fn)(struct connector *c, const struct connector_event *ev);
	enum virtio_rdma_status status;
};

extern const struct connector_cell connector_table[CONN_STATE_COUNT][CIN_COUNT];

#endif /* VRDMA_CONNECTOR_H */
