/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * listener.h - listeners
 *
 * DOC: A listener on every address listens on each address of its guest, so
 * a backend never needs to know whose address is whose.  CLOSE_LISTENER
 * refuses new requests at once; connectors that came in before stay usable
 * and keep the endpoint busy.  Control thread only.
 */
#ifndef VRDMA_LISTENER_H
#define VRDMA_LISTENER_H

#include <stdbool.h>
#include <stdint.h>

#include "../../host-backend/backend.h"
#include "guest.h"
#include "ports.h"

struct connector;

/* Addresses times backends */
#define LISTENER_MAX_PARTS (2 * VIRTIO_RDMA_MAX_ADDRESSES)

struct listener_part {
	struct listener *listener;
	struct backend *be;
	struct be_listener *bl;
};

struct listener {
	struct guest *guest;
	uint32_t handle;
	uint32_t refs;	 /* the guest's, and one per connector */
	uint64_t cookie; /* as the guest gave it, little-endian */
	struct endpoint *endpoint;
	uint32_t backlog;
	uint32_t unanswered; /* connectors neither accepted nor closed */
	bool paused;
	uint32_t parts;
	struct listener_part part[LISTENER_MAX_PARTS];
};

void cmd_listen(struct command *cmd);
void cmd_close_listener(struct command *cmd);
void cmd_control_listener(struct command *cmd);

/* connector.c: be_cm_events.request; lst is a struct listener_part */
int listener_request(void *lst, struct be_conn *conn,
		     const struct be_request *req, void **cm);
struct listener *listener_get(struct listener *l);
void listener_put(struct listener *l);

#endif /* VRDMA_LISTENER_H */
