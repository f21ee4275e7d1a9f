/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * guest.h - a guest, and the process that serves several
 */
#ifndef VRDMA_GUEST_H
#define VRDMA_GUEST_H

#include <stdbool.h>
#include <stdint.h>

#include "conf.h"
#include "gmem.h"
#include "handle.h"
#include "list.h"
#include "log.h"
#include "token.h"
#include "vq.h"
#include "worker.h"

struct backend;
struct loop;
struct session;
struct worker;

/* A wire */
struct fabric {
	struct backend *be;
	const struct guest_conf *only; /* whose it is; NULL: of all that name it */
	struct worker *worker;	       /* polls it; place.h may change it */
};

/* The whole process.  Constant after start but for what guests hold. */
struct model {
	struct conf *conf;
	struct loop *loop;
	struct worker *worker[CONF_MAX_WORKERS];
	uint32_t worker_count;
	struct backend *local;	/* guests of this process */
	struct fabric fabric[CONF_MAX_GUESTS];
	uint32_t fabric_count;
	uint32_t pending; /* regions and windows that fabrics have yet to give back */
	uint32_t guest_count;
	struct guest *guest[CONF_MAX_GUESTS];
};

struct guest {
	/* constant after start */
	const char *name;
	const struct guest_conf *conf;
	struct model *model;
	struct loop *loop;
	uint32_t index;			  /* in the model */
	struct backend *fabric;		  /* to everybody else, or NULL */
	struct log_limit log_limit;	  /* any thread */
	struct gmem_account gmem_account; /* any thread */

	/* control thread: session and memory */
	struct session *session; /* NULL without a front end */
	struct gmem_map *map;	 /* NULL without memory */
	struct vq_state *vq;
	uint32_t epoch; /* counts resets */
	uint32_t features; /* VIRTIO_RDMA_FEATURE(), as negotiated */
	bool broken;	   /* NEEDS_RESET */
	bool paused;

	/* control thread: objects by handle */
	struct handle_table contexts;	/* struct vr_context */
	struct handle_table pds;	/* struct vr_pd */
	struct handle_table cqs;	/* struct vr_cq */
	struct handle_table mrs;	/* struct vr_mr, by local token */
	struct handle_table mws;	/* struct vr_mw */
	struct handle_table qps;	/* struct vr_qp */
	struct handle_table srqs;	/* struct vr_srq */
	struct handle_table connectors; /* struct connector */
	struct handle_table listeners;	/* struct listener */
	struct handle_table endpoints;	/* struct shared_ep */
	struct token_table claims;	/* struct vr_mr and vr_mw, by remote token */

	/* place.h: connections, and of them the local ones, by the other end's
	 * index.  Control thread; only counted where there are several workers. */
	uint32_t connections;
	uint32_t tied[CONF_MAX_GUESTS];

	/* data path: see worker.h */
	struct guest_data data;

	/* connection management: connector.c, listener.c, ports.c */
	void *cm;
};

int guest_create(struct model *m, const struct guest_conf *conf,
		 struct guest **out);
void guest_destroy(struct guest *g);
/*
 * Takes every object down: listeners, connectors (their peers see PEER_GONE),
 * queue pairs, completion queues and regions, domains, contexts; then what
 * the queues hold.  Any state, any number of times.  Nothing of before is
 * answered after it.
 */
void guest_reset(struct guest *g);
/* The memory table changed.  Takes map over. */
void guest_set_map(struct guest *g, struct gmem_map *map);
/* The front end stopped the rings (a paused machine) or goes on */
void guest_set_paused(struct guest *g, bool paused);
/* VIRTIO_RDMA_FEATURE() of what the guest's configuration and its backends
 * give, and what of it the driver took.  A guest that hangs up takes it back. */
uint32_t guest_offered_features(const struct guest *g);
void guest_set_features(struct guest *g, uint32_t features);
/* The guest of this process that has the address (port ignored), or NULL */
struct guest *guest_by_addr(const struct model *m, const struct be_addr *a);

/* Implemented beside connectors and listeners, called by guest_create(),
 * guest_destroy() and guest_reset() in the order above */
int cm_guest_init(struct guest *g);
void cm_guest_fini(struct guest *g);
void listener_reset_all(struct guest *g);
void shared_ep_reset_all(struct guest *g);
void connector_reset_all(struct guest *g);
/* The administrator ends vrdmad: ends every connection with that reason; true:
 * a consumer has yet to act on it, or a queue pair to come to rest */
void connector_shut_down(struct guest *g);
bool connector_shut_down_waits(struct guest *g);

#endif /* VRDMA_GUEST_H */
