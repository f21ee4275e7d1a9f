/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * shared_ep.h - end points that several connectors connect from
 *
 * DOC: NDKPI's shared endpoint: one reference of the guest's, from
 * CREATE_ENDPOINT to CLOSE_ENDPOINT, and one of each connector from its CONNECT
 * until it is closed.  The pair of address and port is taken, here and on the
 * guest's fabric, until the last of them is given back.  Which peers are
 * connected is known by connector: the same pair of end points twice is no
 * connection that a wire could tell from the other.  Control thread only.
 */
#ifndef VRDMA_SHARED_EP_H
#define VRDMA_SHARED_EP_H

#include <stdbool.h>
#include <stdint.h>

#include "../../host-backend/backend.h"
#include "list.h"

struct command;
struct connector;
struct endpoint;
struct guest;

#define SHARED_EP_BUCKETS 64

struct shared_ep {
	struct guest *guest;
	uint32_t handle;
	uint32_t refs;
	struct endpoint *endpoint;
	struct be_reserved *reserved; /* on the guest's fabric, or NULL */
	struct list_head peers[SHARED_EP_BUCKETS]; /* struct connector by_peer */
};

/* Commands: rows of the command table */
void cmd_create_endpoint(struct command *cmd);
void cmd_close_endpoint(struct command *cmd);

/* NULL: no such handle */
struct shared_ep *shared_ep_find(struct guest *g, uint32_t handle);
struct shared_ep *shared_ep_get(struct shared_ep *s);
void shared_ep_put(struct shared_ep *s); /* NULL is fine */
bool shared_ep_has_peer(struct shared_ep *s, const struct be_addr *peer);
/* c has a reference and a connection, to c->peer, until shared_ep_leave() */
void shared_ep_join(struct shared_ep *s, struct connector *c);
void shared_ep_leave(struct connector *c); /* twice is fine */

#endif /* VRDMA_SHARED_EP_H */
