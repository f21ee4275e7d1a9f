/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * cq.h - completion queues
 *
 * DOC: The worker writes entries and never reads one back.  The guest's head
 * only says how much room there is; a CQ without room is dead (EV_CQ_ERROR)
 * and its queue pairs fail, since an entry that is lost cannot be made good.
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

struct command;
struct guest;
struct worker;

#define CQ_FRESH_ANY		0x1
#define CQ_FRESH_SOLICITED	0x2	/* solicited, or failed */

struct vr_cq {
	/* constant after create */
	struct guest *guest;
	struct worker *worker;
	uint32_t handle;
	uint32_t depth;
	uint32_t ring_offset;
	uint32_t ceq;
	uint64_t cookie;		/* as the guest gave it, little-endian */
	struct gmem_pages pages;	/* record and ring */
	const _Atomic uint32_t *head_le;	/* in guest memory */
	_Atomic uint32_t *arm_le;		/* in guest memory */
	_Atomic uint32_t *tail_le;		/* in guest memory */

	/* control thread only */
	uint32_t users;			/* queue pairs */
	bool gone;			/* destroyed or reset, awaits its free */

	/* worker only */
	uint32_t tail;
	uint32_t head;			/* last value read */
	uint32_t fresh;			/* CQ_FRESH_xxx since the arm word was
					 * last looked at */
	bool dead;
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

#endif /* VRDMA_CQ_H */
