/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * mr.h - protection domains, memory regions and contexts
 *
 * DOC: A region is found by a token, in tables that belong to the worker: by
 * the local one in an array, by the remote one in a hash (token.h).
 * Deregistration takes it out of both and marks it dead, in the worker
 * and between two of its steps, so nothing touches its memory once the
 * command is answered.  The structure stays until the last request that
 * names it has ended.
 */
#ifndef VRDMA_MR_H
#define VRDMA_MR_H

#include <stdbool.h>
#include <stdint.h>

#include "../include/virtio_rdma.h"
#include "gmem.h"
#include "list.h"
#include "loop.h"

struct command;
struct guest;
struct guest_data;
struct vr_qp;

struct vr_pd {
	struct guest *guest;		/* constant after create */
	uint32_t handle;
	uint32_t flags;			/* VIRTIO_RDMA_PD_xxx */
	uint32_t users;			/* control thread only: regions, queue pairs */
	struct be_pd *be;		/* of the guest's fabric, or NULL */
};

struct vr_mr {
	/* constant after create */
	struct guest *guest;
	struct vr_pd *pd;
	uint32_t local_token;		/* the handle, too */
	uint32_t remote_token;		/* 0 without a remote right */
	uint32_t access;		/* VIRTIO_RDMA_ACCESS_xxx */
	uint64_t addr;			/* of the first byte, in requests */
	uint64_t length;
	uint64_t first;			/* offset of the first byte in its page */
	struct gmem_pages pages;
	bool physical;			/* the privileged token: addr is a gpa */

	/* worker only */
	bool dead;
	uint32_t users;			/* segments that name it */

	/* worker to control */
	struct loop_work free_work;
};

/* One per consumer: the page with its doorbells */
struct vr_context {
	/* constant after create */
	struct guest *guest;
	uint32_t handle;
	struct gmem_pages pages;
	struct virtio_rdma_context_page *page;

	/* control thread only */
	uint32_t users;			/* queue pairs */
	uint64_t slots_used[VIRTIO_RDMA_MAX_SLOTS / 64];

	/* worker only */
	struct list_head link;		/* in the worker's list */
	struct vr_qp **slot[VIRTIO_RDMA_MAX_SLOTS / 64];	/* 64 each, or NULL */
};

/* control thread */
void cmd_create_pd(struct command *cmd);
void cmd_destroy_pd(struct command *cmd);
void pd_reset_all(struct guest *g);
void cmd_register_mr(struct command *cmd);
void cmd_deregister_mr(struct command *cmd);
void mr_reset_all(struct guest *g);
void cmd_create_context(struct command *cmd);
void cmd_destroy_context(struct command *cmd);
void context_reset_all(struct guest *g);
/* What the privileged token means in g; NULL without memory */
struct vr_mr *mr_new_physical(struct guest *g);

/* worker */

/* The region that a request may use, with one user more; else a status of
 * the local kind.  need: VIRTIO_RDMA_ACCESS_LOCAL_WRITE or 0 */
enum virtio_rdma_wc_status mr_get_local(struct guest_data *d,
					const struct vr_pd *pd, uint32_t token,
					uint64_t addr, uint64_t length,
					uint32_t need, struct vr_mr **out);
/* The same for the peer; REMOTE_ACCESS for each failure */
enum virtio_rdma_wc_status mr_get_remote(struct guest_data *d,
					 const struct vr_pd *pd, uint32_t token,
					 uint64_t addr, uint64_t length,
					 uint32_t need, struct vr_mr **out);
void mr_put(struct vr_mr *mr);
/* Up to max bytes at offset off of the region that lie together: the pointer
 * and their number, or NULL when the region is dead.  off was checked. */
void *mr_piece(const struct vr_mr *mr, uint64_t off, uint64_t max,
	       uint64_t *len);

#endif /* VRDMA_MR_H */
