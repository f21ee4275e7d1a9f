/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * mr.h - protection domains, memory regions and contexts
 *
 * DOC: A region is found by a token, in tables that belong to the worker: by
 * the local one in an array, by the remote one in a hash (token.h).
 * Deregistration takes it out of both and marks it dead, in the worker
 * and between two of its steps, so nothing touches its memory once the
 * command is answered.  The structure stays until the last request that
 * names it has ended.  Where the guest's fabric reaches memory by itself, the
 * region is registered there before it is published and taken back before
 * DEREGISTER_MR is answered.
 */
#ifndef VRDMA_MR_H
#define VRDMA_MR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "../../host-backend/backend.h"
#include "../include/virtio_rdma.h"
#include "gmem.h"
#include "line.h"
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
	struct be_pd *be;		/* of the guest's fabric, or NULL */
	struct vr_mr *physical;		/* what the privileged token means here */

	/* control thread only */
	uint32_t users;			/* regions, queues */
	uint32_t refs;			/* of the structure: the handle, and what
					 * the fabric has yet to give back */
	struct list_head memory;	/* physical.c: struct vr_mr by link */
	uint32_t starting;		/* of them, those being registered */
	int memory_err;			/* of the first that failed */
	bool holds;			/* the guest's rings, until they are */
	struct command *cmd;		/* CREATE_PD that waits for them */

	/* worker only */
	struct physical_keys *keys;	/* physical.c */
};

/* The guest's memory as the fabric knows it in one domain, by address */
struct physical_keys {
	uint32_t count;
	struct vr_mr *mr[];
};

/* What a remote token gives, and to whom */
struct vr_grant {
	struct vr_pd *pd;
	struct vr_qp *qp;		/* a window's: the only one.  A region's:
					 * NULL, any of pd */
	struct vr_mr *mr;
	uint64_t addr;
	uint64_t length;
	uint32_t access;		/* VIRTIO_RDMA_ACCESS_xxx */
};

/* Where a region is on its way through the fabric; mr_register.c */
enum mr_phase {
	MR_NEW,
	MR_REGISTERING,
	MR_READY,
	MR_LEAVING,
	MR_GONE,
};

struct vr_frmr;

struct vr_mr {
	/* constant after create, but for what the worker counts: the first line, and
	 * the pages in the second (line.h) */
	struct vr_pd *pd;
	uint64_t addr;			/* of the first byte, in requests */
	uint64_t length;
	uint64_t first;			/* offset of the first byte in its page */
	uint32_t local_token;		/* the handle, too */
	uint32_t access;		/* VIRTIO_RDMA_ACCESS_xxx */
	uint32_t users;			/* worker: segments and windows that name it */
	bool dead;			/* worker */
	bool physical;			/* the privileged token: addr is a gpa */
	struct vr_frmr *fast;		/* it is a part of that (frmr.h), or NULL */
	struct guest *guest;
	struct gmem_pages pages;
	uint32_t remote_token;		/* 0 without a remote right */
	uint32_t windows;		/* worker: bound to it, or being bound */
	struct vr_grant grant;		/* worker: what remote_token gives; a line */

	uint64_t *gpa;			/* with fast: its pages, 4 KiB each */
	void (*registered)(struct vr_mr *mr, int err);
	struct be_mr be;		/* pd NULL: not with a fabric */

	/* control thread only */
	enum mr_phase phase;
	bool unnamed;			/* no request names it (any more) */
	struct command *cmd;		/* REGISTER_MR or DEREGISTER_MR that waits */
	enum virtio_rdma_status answer;	/* to that, at the end */
	struct list_head link;		/* physical.c: in vr_pd.memory */

	/* worker to control */
	struct loop_work unnamed_work;
};
_Static_assert(offsetof(struct vr_mr, pages) == CACHE_LINE, "its second line");
_Static_assert(offsetof(struct vr_mr, grant) == 2 * CACHE_LINE, "its third");

/* What a bit of a context's page stands for.  rung: worker, the driver set it */
struct bell {
	void (*rung)(struct bell *bell);
};

/* One per consumer: the page with its doorbells */
struct vr_context {
	/* constant after create */
	struct guest *guest;
	uint32_t handle;
	struct gmem_pages pages;
	struct virtio_rdma_context_page *page;

	/* control thread only */
	uint32_t users;			/* bells */
	uint64_t slots_used[VIRTIO_RDMA_MAX_SLOTS / 64];

	/* worker only */
	struct list_head link;		/* in the worker's list */
	struct bell **slot[VIRTIO_RDMA_MAX_SLOTS / 64];	/* 64 each, or NULL */
};

/* A bell on its way to its place, from the one thread to the other and back */
struct bell_hook {
	struct vr_context *context;
	uint32_t slot;
	struct bell *bell;
	struct bell **row;		/* for the context, if it has none */
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
bool context_slot_taken(const struct vr_context *ctx, uint32_t slot);
/* Takes the slot, which is free; false: no memory.  Then bell_hang() in the
 * worker, then bell_hook_fini(). */
bool bell_hook_init(struct bell_hook *h, struct vr_context *ctx,
		    uint32_t slot, struct bell *bell);
void bell_hook_fini(struct bell_hook *h);
/* After bell_take_down() in the worker, or before it */
void context_give_slot(struct vr_context *ctx, uint32_t slot);

/* pd.c: a domain that may be used, or NULL */
struct vr_pd *pd_find(const struct guest *g, uint32_t handle);
void pd_get(struct vr_pd *pd);
void pd_put(struct vr_pd *pd);
/* CREATE_PD goes on: the fabric has the guest's memory, or err says why not */
void pd_memory_ready(struct vr_pd *pd, int err);
/* The guest's memory changed */
void pd_map_changed(struct guest *g);

/* mr_register.c: a region in the making, NULL without memory */
struct vr_mr *mr_new(struct guest *g, struct vr_pd *pd);
/* One that was not started */
void mr_discard(struct vr_mr *mr);
/* Registers it with the fabric, if there is one; mr->registered() follows, and
 * either uses it or ends it */
void mr_start(struct vr_mr *mr);
/* Takes it back from the fabric; the worker has forgotten it.  Then answers
 * mr->cmd, and frees it when nothing names it. */
void mr_end(struct vr_mr *mr);

/* physical.c: what VIRTIO_RDMA_TOKEN_PRIVILEGED means to a fabric */
/* Brings what the fabric knows of the guest's memory in line with g->map;
 * pd_memory_ready() follows */
void physical_sync(struct vr_pd *pd);
/* The fabric forgets it; no queue pair is left in pd */
void physical_end(struct vr_pd *pd);

/* worker */
void bell_hang(struct bell_hook *h);
void bell_take_down(struct vr_context *ctx, uint32_t slot);

/* The region that a request may use, with one user more; else a status of
 * the local kind.  need: VIRTIO_RDMA_ACCESS_LOCAL_WRITE or 0 */
enum virtio_rdma_wc_status mr_get_local(struct guest_data *d,
					const struct vr_pd *pd, uint32_t token,
					uint64_t addr, uint64_t length,
					uint32_t need, struct vr_mr **out);
/* What the peer of qp may use; REMOTE_ACCESS for each failure.  The region has
 * one user more. */
enum virtio_rdma_wc_status mr_get_remote(const struct vr_qp *qp, uint32_t token,
					 uint64_t addr, uint64_t length,
					 uint32_t need,
					 const struct vr_grant **out);
/* INVALIDATE: a window of qp, or a fast-register region of its domain, has no
 * memory any more.  by_peer: only what the peer may have rights to.  SUCCESS or
 * LOCAL_PROTECTION */
enum virtio_rdma_wc_status mr_invalidate(struct vr_qp *qp, uint32_t token,
					 bool by_peer);
/* Why it said REMOTE_ACCESS: be_remote_refusal() */
enum be_refusal mr_refusal(const struct vr_qp *qp, uint32_t token,
			   uint32_t need);
void mr_put(struct vr_mr *mr);
/* Up to max bytes at offset off of the region that lie together: the pointer
 * and their number, or NULL when the region is dead.  off was checked. */
void *mr_piece(const struct vr_mr *mr, uint64_t off, uint64_t max,
	       uint64_t *len);
/* It is there, and its bytes are those of pages.page[] */
static inline bool mr_is_paged(const struct vr_mr *mr)
{
	return !mr->dead && !mr->physical && !mr->fast && mr->pages.page;
}
/* The same for the guest's fabric: 1, or -EACCES */
int mr_key(const struct vr_mr *mr, uint64_t off, uint64_t max,
	   struct be_key *out);
/* It is dead and the last request that named it ended: control hears of it */
void mr_maybe_unnamed(struct vr_mr *mr);

/* any thread: bytes from at on that lie together, max of them at most */
uint8_t *mr_pages_piece(const struct gmem_pages *p, uint64_t at, uint64_t max,
			uint64_t *len);

#endif /* VRDMA_MR_H */
