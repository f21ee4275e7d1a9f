/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * srq.h - shared receive queues
 *
 * DOC: One ring of receives, any number of queue pairs.  A queue pair takes an
 * entry when a message needs it, and not before: what it holds is missed by the
 * others.  From then on the request is the queue pair's: its copy, its
 * completion, its flush.  The ring's place is free again, and the ring knows
 * nothing of what became of it.  So a flush of a queue pair does not touch the
 * ring, and what nobody took when the queue is destroyed has no completion.
 *
 * Who finds the ring empty is noted as hungry.  When something was posted, the
 * worker offers it: in each of its passes as many of the hungry get a turn as
 * there are receives, the longest waiting first, until the ring is empty or all
 * had one.  A turn is not a promise.  Whoever comes first takes the receive, and
 * who was offered one need not want it any more.  One that came too late keeps
 * its place among those who wait, by its ticket.
 *
 * A fabric whose device serves shared queues is lent receives ahead of the
 * messages (srq_fabric.c); then nobody else takes from the ring.
 */
#ifndef VRDMA_SRQ_H
#define VRDMA_SRQ_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "../include/virtio_rdma.h"
#include "gmem.h"
#include "list.h"
#include "loop.h"
#include "mr.h"

struct command;
struct guest;
struct guest_data;
struct vr_qp;

/* The ring, which MODIFY_SRQ may replace */
struct srq_ring {
	uint32_t depth;
	uint32_t offset;		/* in the buffer */
	struct gmem_pages pages;	/* record and ring */
	const _Atomic uint32_t *tail_le;	/* in guest memory */
	_Atomic uint32_t *head_le;		/* in guest memory */
};

struct vr_srq {
	struct bell bell;

	/* constant after create */
	struct guest *guest;
	struct guest_data *data;	/* the guest's */
	uint32_t handle;
	uint32_t slot;
	uint16_t stride;
	uint16_t max_sge;
	uint64_t cookie;		/* as the guest gave it, little-endian */
	struct vr_pd *pd;
	struct vr_context *context;
	bool lends;			/* to the fabric, which has it */
	struct be_srq be;

	/* control thread only */
	uint32_t users;			/* queue pairs */
	bool gone;			/* destroyed or reset, awaits its free */

	/* worker only */
	struct srq_ring ring;
	uint32_t tail;			/* last value read and checked */
	uint32_t taken;
	uint32_t threshold;
	bool armed;			/* SRQ_LIMIT when fewer are left */
	bool dead;			/* the guest's tail made no sense */
	struct list_head qps;		/* vr_qp.on_srq */
	struct list_head hungry;	/* vr_qp.hungry, by ticket */
	uint64_t tickets;		/* ever given */
	struct list_head offering;	/* in the worker's list */
	struct srq_loans *loans;	/* srq_fabric.c; NULL without lends */

	/* worker to control */
	struct loop_work limit_work;
	struct loop_work error_work;
	struct loop_work free_work;
};

/* control thread */
void cmd_create_srq(struct command *cmd);
void cmd_modify_srq(struct command *cmd);
void cmd_destroy_srq(struct command *cmd);
void srq_reset_all(struct guest *g);

/* worker */

/* qp, which is open, could take a receive now; if not, it has a turn when there
 * is one.  Nonsense in the ring fails the queue and all its queue pairs. */
bool srq_ready(struct vr_qp *qp);
/* The entry that is next, after srq_ready(), and that it was copied */
const uint8_t *srq_entry(const struct vr_srq *srq);
void srq_took(struct vr_qp *qp);
/* qp wants none any more */
void srq_forget(struct vr_qp *qp);
/* One round of turns for the hungry; true: somebody got one */
bool srq_offer(struct vr_srq *srq);
/* Something is there; the event when too little is left */
bool srq_has_entry(struct vr_srq *srq);
void srq_check_limit(struct vr_srq *srq);
/* A malformed entry that no queue pair can be blamed for */
void srq_fail(struct vr_srq *srq, const char *why);
/* The entry was copied: its place is free */
void srq_show_head(struct vr_srq *srq);
void srq_advance(struct vr_srq *srq);

/* srq_fabric.c, control thread: with the guest's fabric, if that serves shared
 * queues.  0, or -ENOMEM */
int srq_lend(struct vr_srq *srq);
/* No queue pair uses it, the worker does not hear of posts any more */
void srq_reclaim(struct vr_srq *srq);
/* srq_fabric.c, worker: how many receives the fabric has */
uint32_t srq_lent(const struct vr_srq *srq);

#endif /* VRDMA_SRQ_H */
