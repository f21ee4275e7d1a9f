/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * connector_int.h - what the parts of the connector machine share
 */
#ifndef VRDMA_CONNECTOR_INT_H
#define VRDMA_CONNECTOR_INT_H

#include "connector.h"
#include "log.h"

/* connection management's part of a guest: guest.cm */
struct cm_guest {
	struct ports ports;
};

#define clog(c, level, fmt, ...)                                               \
	glog((c)->guest, level, "connector[%u]: " fmt,                         \
	     (c)->handle &(HANDLE_MAX - 1), ##__VA_ARGS__)

typedef void connector_fn(struct connector *c,
			  const struct connector_event *ev);

/* connector_setup.c: until a connection is there */
connector_fn cn_connect, cn_complete_connect, cn_accept;
connector_fn cn_reject;
connector_fn cn_wire_accepted;	       /* CONNECTING */
connector_fn cn_wire_rejected_active;  /* CONNECTING */
connector_fn cn_wire_unreachable;      /* CONNECTING */
connector_fn cn_wire_aborted_active;   /* CONNECTING */
connector_fn cn_connect_expired;       /* CONNECTING */
connector_fn cn_qp_failed_active;      /* CONNECTING */
connector_fn cn_abandoned;	       /* ACCEPTED, REQUESTED */
connector_fn cn_wire_established;      /* ACCEPTING */
connector_fn cn_wire_early_disconnect; /* ACCEPTING: overtook ESTABLISHED */
connector_fn cn_wire_rejected_passive; /* ACCEPTING */
connector_fn cn_wire_aborted_passive;  /* ACCEPTING */
connector_fn cn_accept_expired;	       /* ACCEPTING */
connector_fn cn_qp_failed_passive;     /* ACCEPTING */

/* connector_end.c: from there to the end */
connector_fn cn_disconnect;	   /* ESTABLISHED */
connector_fn cn_disconnect_reply;  /* PEER_DISCONNECTED */
connector_fn cn_disconnect_broken; /* ABORTED */
connector_fn cn_peer_disconnected; /* ESTABLISHED */
connector_fn cn_broken;		   /* ESTABLISHED: wire or queue pair */
connector_fn cn_notified;	   /* DISCONNECTING: (i) */
connector_fn cn_failed;		   /* DISCONNECTING: wire or queue pair */
connector_fn cn_expired;	   /* DISCONNECTING: deadline */
connector_fn cn_at_rest;	   /* DISCONNECTING: (ii) */
connector_fn cn_stopped;	   /* PEER_DISCONNECTED, ABORTED */
connector_fn cn_close;		   /* any */
connector_fn cn_close_at_rest;	   /* CLOSING */

/* helpers, connector.c */
struct connector *connector_new(struct guest *g);
/* Gives back what it holds and frees it; no command pends any more */
void connector_free(struct connector *c);
/* Ends the command that pends */
void connector_answer(struct connector *c, enum virtio_rdma_status status);
/* The backend's part of it ends */
void connector_drop_conn(struct connector *c, enum virtio_rdma_reason reason);
void connector_release_qp(struct connector *c);
void connector_answered(struct connector *c); /* leaves the backlog */
/* Deadline from now */
void connector_deadline(struct connector *c, uint32_t ms);

/* connector_end.c: as if the guest's machine had been switched off */
void connector_reset(struct connector *c);

/* cm.c */
struct ports *guest_ports(struct guest *g);
/* a's ip becomes the guest's own, or, all-zero, its first of that family */
bool cm_local_ip(const struct guest *g, struct be_addr *a);
struct backend *cm_backend_for(struct guest *g, const struct be_addr *peer);
enum virtio_rdma_status cm_status(int err);
/* INVALID_PARAMETER, BUFFER_SIZE or OK */
enum virtio_rdma_status cm_private_in(struct be_private *to,
				      const struct virtio_rdma_private *from,
				      uint32_t max);
void cm_private_out(struct virtio_rdma_private *to,
		    const struct be_private *from);

#endif /* VRDMA_CONNECTOR_INT_H */
