/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * cq.h - completion queues
 *
 * DOC: The worker writes entries and never reads one back.  The guest's head
 * only says how much room there is; a CQ without room is dead (EV_CQ_ERROR)
 * and its queue pairs fail, since an entry that is lost cannot be made good.
 *
 * RESIZE_CQ replaces the ring (cq_resize.c): entries go to the new one from then
 * on, and what is in the old one is the driver's to take.  Nothing is copied.
 *
 * Where the driver asks for moderation (cq_hold.c) an arm that is met stays in its
 * word, as HELD, and its event waits for more entries, or for a timer.
 */
#ifndef VRDMA_CQ_H
#define VRDMA_CQ_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "../include/virtio_rdma.h"
#include "gmem.h"
#include "list.h"
#include "loop.h"
#include "timer_wheel.h"

struct command;
struct guest;
struct guest_conf;
struct worker;

#define CQ_FRESH_ANY		0x1
#define CQ_FRESH_SOLICITED	0x2	/* solicited, or failed */
#define CQ_FRESH_FAILED		0x4

/* Record and entries, which RESIZE_CQ may replace; all pointers: guest memory */
struct cq_ring {
	uint32_t depth;
	uint32_t offset;		/* of the entries, in the buffer */
	struct gmem_pages pages;
	const _Atomic uint32_t *head_le;
	const _Atomic uint32_t *interval_le;
	const _Atomic uint32_t *count_le;
	_Atomic uint32_t *arm_le;
	_Atomic uint32_t *tail_le;
	_Atomic uint32_t *moved_le;
};

/* An event that waits for more entries */
struct cq_hold {
	bool on;
	uint32_t until;			/* tail at which it waits no longer */
	struct wheel_timer timer;
	struct timer_wheel *wheel;	/* that timer is in */
};

struct vr_cq {
	/* constant after create */
	struct guest *guest;
	struct worker *worker;
	uint32_t handle;
	uint32_t ceq;
	uint64_t cookie;		/* as the guest gave it, little-endian */
	bool moderates;			/* F_CQ_MODERATION was negotiated */

	/* control thread only */
	uint32_t users;			/* queue pairs */
	bool gone;			/* destroyed or reset, awaits its free */

	/* worker only */
	struct cq_ring ring;
	uint32_t tail;
	uint32_t head;			/* last value read */
	uint32_t seen;			/* tail when the arm word was last looked at */
	uint32_t fresh;			/* CQ_FRESH_xxx since the arm word was
					 * last looked at */
	bool dead;
	struct cq_hold hold;
	struct list_head touched;	/* in the worker's list */
	struct list_head senders;	/* vr_qp.on_send_cq */
	struct list_head receivers;	/* vr_qp.on_recv_cq */

	/* worker to control */
	struct loop_work event_work;
	struct loop_work error_work;
	struct loop_work free_work;
};

/* control thread */
void cmd_create_cq(struct command *cmd);
void cmd_resize_cq(struct command *cmd);
void cmd_destroy_cq(struct command *cmd);
void cq_reset_all(struct guest *g);

/* An entry before it is in the ring; all in host order but qp_context */
struct cq_entry {
	uint64_t wr_id;
	uint64_t qp_context;
	uint32_t qp;
	uint32_t length;
	uint32_t token;
	uint16_t wqe_index;
	uint8_t opcode;
	uint8_t status;
	bool solicited;
};

/* worker */
void cq_write(struct vr_cq *cq, const struct cq_entry *e);
/* The arm rule; the worker calls it for each touched CQ before it goes on */
void cq_notify(struct vr_cq *cq);
/* True when an arm value asks for an event after such entries */
bool cq_arm_matches(uint32_t arm, uint32_t fresh);

/* ------------------------------------------------------------------- inside
 * For the files of completion queues.
 */
/* A ring of so many entries may be had, and lies behind the record in a buffer of
 * just the pages that it needs */
bool cq_ring_ok(const struct guest_conf *c, uint32_t depth, uint32_t offset,
		const struct virtio_rdma_page_list *list);
enum virtio_rdma_status cq_ring_map(struct guest *g, struct cq_ring *ring,
				    uint32_t depth, uint32_t offset,
				    const struct virtio_rdma_page_list *list);

/* cq_hold.c, worker */
void cq_hold_init(struct cq_hold *h);
void cq_hold_end(struct vr_cq *cq);
/* arm is what the word says, and is met.  True: its event waits */
bool cq_hold_begin(struct vr_cq *cq, uint32_t arm);
/* After new entries, while one waits.  False: nothing is held any more */
bool cq_hold_goes_on(struct vr_cq *cq, uint32_t arm, uint32_t fresh);
/* Its guest goes from one worker to another: the one's clock stops, the other's
 * goes on */
void cq_hold_pause(struct vr_cq *cq);
void cq_hold_resume(struct vr_cq *cq);
/* The ring is another one, which begins at 0 */
void cq_hold_moved(struct vr_cq *cq);
/* To the control thread: one event */
void cq_send_event(struct vr_cq *cq);

#endif /* VRDMA_CQ_H */
