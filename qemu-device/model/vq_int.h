/* SPDX-License-Identifier: GPL-2.0-or-later */
/* vq_int.h - what the two directions of the virtqueues share */
#ifndef VRDMA_VQ_INT_H
#define VRDMA_VQ_INT_H

#include <sys/uio.h>

#include "guest.h"
#include "vu.h"
#include "loop.h"
#include "session.h"

/* Pieces of an answer's buffer that are used; the rest of a longer list is
 * not needed for any answer that a driver has reason to cut up. */
#define VQ_MAX_SEGS 8

struct vq_seg {
	uint8_t *host;
	uint32_t len;
	struct gmem_region *region; /* holds host */
};

#define VQ_MAX_PARTS	1024	/* the longest queue that a front end may set */

/* A buffer that the driver made available, as its descriptors were when they
 * were copied: readable parts, then writable ones, all in guest memory. */
struct vq_part {
	uint64_t addr;
	uint32_t len;
};

struct vq_chain {
	unsigned int index;
	unsigned int out_num;
	unsigned int in_num;
	struct vq_part part[VQ_MAX_PARTS];
};

/* A command and where its answer goes.  The command is the first member. */
struct vq_answer {
	struct command cmd;
	struct list_head link; /* in vq_state.done when done */
	uint32_t epoch;	       /* of the guest when it came */
	unsigned int index;    /* of the chain */
	uint32_t len;	       /* bytes of rsp to write, when done */
	uint32_t room;	       /* in seg[] */
	uint32_t seg_count;
	struct vq_seg seg[VQ_MAX_SEGS];
};

struct pending_event {
	struct list_head link;
	struct virtio_rdma_event ev;
};

struct pending_cq_event {
	struct list_head link;
	struct virtio_rdma_cq_event ev;
};

struct vq_state {
	struct list_head done;	 /* vq_answer, the queue was stopped */
	struct list_head events; /* pending_event */
	uint32_t event_count;
	uint64_t *cq_waiting;  /* bit per CQ index: it has an event in ceq[] */
	uint64_t *srq_waiting; /* the same for SRQ_LIMIT in events */
	struct list_head *ceq; /* pending_cq_event, per queue */
	struct loop_timer again; /* the control queue's next turn */
};

/* True when the queue has a buffer and makes sense.  A ring index out of
 * range is needs-reset. */
bool vq_has_buffer(struct guest *g, VuVirtq *vq, unsigned int qidx);
/* Adds the writable parts of a chain to a: our own pointers into the map, with
 * references.  -EFAULT */
int vq_hold(struct guest *g, struct vq_answer *a, const struct vq_chain *c);
/* Copies len bytes into a's buffer */
void vq_copy_out(struct vq_answer *a, const void *src, uint32_t len);
void vq_drop_segs(struct vq_answer *a);

/* vq_chain.c: the next buffer; there is one.  Not 0: the device is broken */
int vq_pop(struct guest *g, VuVirtq *vq, unsigned int qidx, struct vq_chain *c);

/* vq_event.c */
void vq_flush_events(struct guest *g);
void vq_flush_cq_events(struct guest *g, unsigned int ceq);
int vq_events_init(struct guest *g, struct vq_state *v);
void vq_events_fini(struct guest *g, struct vq_state *v);
void vq_events_reset(struct guest *g, struct vq_state *v);

#endif /* VRDMA_VQ_INT_H */
