/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * mw.h - memory windows
 *
 * DOC: A window lends a part of a region to the peer of one queue pair.  What
 * it is bound to belongs to the worker, which executes BIND and INVALIDATE in
 * the order of their queue (or hears from a fabric whose device executed them).
 * A bound window is in the worker's table of tokens, in its queue pair's list,
 * and counted in its region, which cannot be deregistered meanwhile.  When it
 * ceases to be bound, accesses of the peer that are in work lose the memory at
 * once: they are all of one queue pair, so they are found.
 *
 * A queue pair that ends takes the tokens of its windows out of the table, but
 * a window stays bound, as it does in a host's RDMA device: only DESTROY_MW
 * follows.
 */
#ifndef VRDMA_MW_H
#define VRDMA_MW_H

#include <stdbool.h>
#include <stdint.h>

#include "../../host-backend/backend.h"
#include "list.h"
#include "loop.h"
#include "mr.h"

struct command;
struct guest;
struct guest_data;
struct vr_qp;

struct vr_mw {
	/* constant after create */
	struct guest *guest;
	struct vr_pd *pd;
	uint32_t handle;
	uint32_t token;			/* one of the 256 that are its own */
	struct be_mw be;		/* pd NULL: not with a fabric */

	/* control thread only */
	bool ready;			/* the guest knows it */
	struct command *cmd;		/* CREATE_MW or DESTROY_MW that waits */
	enum virtio_rdma_status answer;	/* to DESTROY_MW, or a creation undone */

	/* worker only */
	uint32_t bound;			/* the token of now, 0: unbound */
	struct vr_grant grant;		/* what it gives while bound */
	struct list_head on_qp;		/* in vr_qp.windows */
	bool dead;
	uint32_t users;			/* BINDs in work */

	/* worker to control */
	struct loop_work unnamed_work;
};

/* control thread */
void cmd_create_mw(struct command *cmd);
void cmd_destroy_mw(struct command *cmd);
void mw_reset_all(struct guest *g);

/* worker */

/* Checks what a BIND asks for, of a queue pair in pd, and fills bind: until
 * mw_put_bind() the window stays and the region is not deregistered.  A status
 * of the local kind. */
enum virtio_rdma_wc_status mw_get_bind(struct guest_data *d,
				       const struct vr_pd *pd,
				       const struct virtio_rdma_bind *req,
				       uint32_t token, struct be_bind *bind);
void mw_put_bind(const struct be_bind *bind);
/* Execution: SUCCESS or LOCAL_PROTECTION */
enum virtio_rdma_wc_status mw_bind(struct vr_qp *qp, uint32_t token,
				   const struct be_bind *bind);
enum virtio_rdma_wc_status mw_invalidate(struct vr_qp *qp, uint32_t token);
/* qp is about to go: nobody reaches its windows any more */
void mw_forget_qp(struct vr_qp *qp);

#endif /* VRDMA_MW_H */
