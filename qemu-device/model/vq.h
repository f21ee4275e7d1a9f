/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * vq.h - the virtqueues: commands in, events out.  Control thread only.
 */
#ifndef VRDMA_VQ_H
#define VRDMA_VQ_H

#include <stdbool.h>
#include <stdint.h>

#include "../../host-backend/backend.h"
#include "../include/virtio_rdma.h"
#include "list.h"

struct guest;
struct session;
struct vq_state;

/*
 * DOC: The life of a command.  The request was copied in, once; its size was
 * checked against its row of the command table; its generic header too.  The
 * handler checks the rest, fills rsp (zeroed before) behind the header and
 * calls command_done() exactly once, now or later, in any order.  cmd is gone
 * then.  The answer is dropped when the device was reset meanwhile, so a
 * handler needs no case for it; it only has to call command_done() in the end.
 */
#define COMMAND_MAX_REQ sizeof(struct virtio_rdma_cmd_connect)
#define COMMAND_MAX_RSP sizeof(struct virtio_rdma_rsp_connect)

struct command {
	struct guest *guest;
	uint16_t opcode;
	uint32_t handle; /* of the request, host order */
	union {		 /* by opcode; as the guest sent it, little-endian */
		struct virtio_rdma_cmd hdr;
		struct virtio_rdma_cmd_create_context create_context;
		struct virtio_rdma_cmd_create_pd create_pd;
		struct virtio_rdma_cmd_create_cq create_cq;
		struct virtio_rdma_cmd_register_mr register_mr;
		struct virtio_rdma_cmd_create_frmr create_frmr;
		struct virtio_rdma_cmd_create_mw create_mw;
		struct virtio_rdma_cmd_create_qp create_qp;
		struct virtio_rdma_cmd_create_srq create_srq;
		struct virtio_rdma_cmd_modify_srq modify_srq;
		struct virtio_rdma_cmd_resize_cq resize_cq;
		struct virtio_rdma_cmd_listen listen;
		struct virtio_rdma_cmd_control_listener control_listener;
		struct virtio_rdma_cmd_create_endpoint create_endpoint;
		struct virtio_rdma_cmd_create_connector create_connector;
		struct virtio_rdma_cmd_connect connect;
		struct virtio_rdma_cmd_accept accept;
		struct virtio_rdma_cmd_reject reject;
		uint8_t bytes[COMMAND_MAX_REQ];
	} req;
	union { /* by opcode; the handler writes little-endian */
		struct virtio_rdma_rsp hdr; /* command_done() fills it */
		struct virtio_rdma_rsp_query_addresses query_addresses;
		struct virtio_rdma_rsp_register_mr register_mr;
		struct virtio_rdma_rsp_create_mw create_mw;
		struct virtio_rdma_rsp_listen listen;
		struct virtio_rdma_rsp_create_endpoint create_endpoint;
		struct virtio_rdma_rsp_connect connect;
		struct virtio_rdma_rsp_accept accept;
		uint8_t bytes[COMMAND_MAX_RSP];
	} rsp;

	/* for whoever holds the command while it waits */
	struct list_head link;
	void *priv;

	/* vq.c's own */
	struct vq_answer *answer;
};

/* handle: of the object created, else 0.  The body of rsp goes to the guest
 * with OK, and with CONNECTION_REFUSED (a reject's private data). */
void command_done(struct command *cmd, enum virtio_rdma_status status,
		  uint32_t handle);
/* -errno to status, for the common cases; INTERNAL_ERROR otherwise */
enum virtio_rdma_status status_from_errno(int err);

/* ------------------------------------------------------------------ events */
/* Copied.  Queued while the driver has no buffer posted; the number that can
 * be queued is bounded by what can cause one: backlogs, connectors, CQs, SRQs.
 * At most one SRQ_LIMIT waits per SRQ. */
void guest_post_event(struct guest *g, const struct virtio_rdma_event *ev);
/* One completion event.  cookie as the guest gave it, little-endian.  At most
 * one waits per CQ. */
void guest_post_cq_event(struct guest *g, uint32_t ceq, uint64_t cookie,
			 uint32_t cq_handle);
/* The object is gone: events of it that still wait are dropped.  Handles of
 * different types may be equal. */
enum events_of {
	EVENTS_OF_CONNECTOR,
	EVENTS_OF_CQ,		/* completion events, too */
	EVENTS_OF_SRQ,
};
void guest_drop_events(struct guest *g, uint32_t handle, enum events_of type);

/* The device is broken until the driver resets it: no command is answered any
 * more, the status tail says so.  fmt: why, for the log. */
void guest_needs_reset(struct guest *g, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

/* ----------------------------------------------- for session.c and guest.c */
int vq_state_init(struct guest *g);
void vq_state_fini(struct guest *g);
/* Forgets commands in work and events that wait */
void vq_reset(struct guest *g);
/* The driver kicked, or the queue was started: look at it */
void vq_process(struct guest *g, unsigned int qidx);

#endif /* VRDMA_VQ_H */
