/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * frmr.h - fast-register regions
 *
 * DOC: A region whose memory is named by a request, FAST_REGISTER, in the order
 * of a queue, and taken away by another, INVALIDATE, or a READ into it that says
 * so, or by the peer's SEND_INVALIDATE.  Any queue pair of its domain may do
 * either.
 *
 * What requests name is one of two struct vr_mr that the region owns: the one
 * of now, or the one of before, which is dead and waits for the last request
 * that names it.  So an access that began before an INVALIDATE finds no memory,
 * never that of the next FAST_REGISTER.  While the region has no memory, its
 * place in the table of local tokens is taken by a third one, of no length.
 *
 * Pages are kept by their guest addresses, and translated at each access: the
 * worker need not hold on to a memory map, or take memory.  A backend that wants
 * keys (be_sg_key()) cannot have them, and does not offer the feature.
 */
#ifndef VRDMA_FRMR_H
#define VRDMA_FRMR_H

#include <stdbool.h>
#include <stdint.h>

#include "mr.h"

struct command;
struct guest_data;
struct vr_qp;

#define FRMR_BODIES 2

struct vr_frmr {
	/* constant after create */
	struct guest *guest;
	struct vr_pd *pd;
	uint32_t handle;		/* the local token, too */
	uint32_t token;			/* one of the 256 that are its own */
	uint32_t max_pages;
	bool remote;			/* peers may be given rights */
	uint64_t *pages;		/* of the bodies */

	/* worker only */
	struct vr_mr *now;		/* what it has, or NULL */
	struct vr_mr none;		/* in the table in its place */
	struct vr_mr body[FRMR_BODIES];
	bool leaving;

	/* worker to control */
	struct loop_work unnamed_work;
};

/* control thread */
void cmd_create_frmr(struct command *cmd);
/* DEREGISTER_MR; cmd NULL: a reset */
void frmr_remove(struct vr_frmr *f, struct command *cmd);

/* worker */

/* Checks what a FAST_REGISTER asks for, of a queue pair in pd, and copies its
 * table: *out has one user more.  A status of the local kind. */
enum virtio_rdma_wc_status
frmr_get(struct guest_data *d, const struct vr_pd *pd,
	 const struct virtio_rdma_fast_register *req, uint32_t token,
	 struct vr_mr **out);
/* Execution of what it gave: SUCCESS or LOCAL_PROTECTION */
enum virtio_rdma_wc_status frmr_register(struct vr_mr *body);
/* What a local token names now, for a request that will take it away: *out has
 * one user more.  SUCCESS or LOCAL_PROTECTION (no such region, or no memory) */
enum virtio_rdma_wc_status frmr_get_now(struct guest_data *d,
					const struct vr_pd *pd, uint32_t token,
					struct vr_mr **out);
/* That request succeeded: what it named is there no more, if it still is */
void frmr_take_away(struct vr_mr *body);
/* The region, which has memory, has none any more */
void frmr_invalidate(struct vr_frmr *f);
/* A request that named a part of it ended */
void frmr_maybe_unnamed(struct vr_frmr *f);

#endif /* VRDMA_FRMR_H */
