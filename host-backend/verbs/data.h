/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * data.h - what the files of the worker half share
 *
 *	data_post.c	requests to the device
 *	data_complete.c	its completions
 *	data_shared.c	those of shared receives
 *	data_rest.c	a queue pair's start and end
 *	data_mail.c	what other threads want
 *	data.c		the completion queue: polls, start, end
 *
 * DOC: Every request is signalled, and each queue keeps in order what is with
 * the device: counting is what proves that nothing is outstanding, since the
 * last resort of others, a marker posted in ERROR, is never completed by some
 * devices.  The first request that fails is completed with its status.  Those
 * behind it come back flushed, are counted and not completed: they are the
 * model's again, which ends them cancelled.
 *
 * A completion finds its connection by slot and generation in wr_id, so one
 * that is left over from a queue pair that was cut short finds nobody.
 */
#ifndef VRDMA_VRB_DATA_H
#define VRDMA_VRB_DATA_H

#include "vrb.h"

#define POLL_BATCH	32
#define NS_PER_MS	1000000u
#define TAG_SLOT_BITS	24	/* of wr_id; the generation is above */

/* -------------------------------------------------------------------- fifos */

static inline uint32_t fifo_used(const struct wr_fifo *f)
{
	return f->put - f->got;
}

static inline struct fifo_entry *fifo_first(struct wr_fifo *f)
{
	return &f->entry[f->got & (f->size - 1)];
}

/* What was never posted is the newest, and the model's again */
static inline void fifo_drop_bad(struct wr_fifo *f)
{
	while (fifo_used(f) && f->entry[(f->put - 1) & (f->size - 1)].bad)
		f->put--;
	f->dead = true;
}

/* ---------------------------------------------------------- data_complete.c */

enum virtio_rdma_wc_status data_status(enum ibv_wc_status from);
enum virtio_rdma_wc_status data_receive_status(enum ibv_wc_status from);
/* The oldest of f ended so.  Nothing after the first failure is completed. */
void data_report(struct be_conn *c, struct wr_fifo *f,
		 enum virtio_rdma_wc_status status, uint32_t length);
/* Those that were never posted, when their turn has come */
void data_end_bad(struct be_conn *c, struct wr_fifo *f);
/* Flushed, and not by us.  The request that was the cause may be told of by a
 * later completion of the same batch: data_blame_flushed() comes behind it. */
void data_note_flushed(struct be_conn *c, struct wr_fifo *f);
void data_blame_flushed(struct vrb_worker *w);
void data_complete(struct vrb_worker *w, const struct ibv_wc *wc);
/* Everything that is in the completion queue now */
void data_poll_all(struct vrb_worker *w);

/* ------------------------------------------------------------ data_shared.c */

/* A completion of a shared receive */
void shared_handle(struct vrb_worker *w, const struct ibv_wc *wc);
/* Those of c that wait */
void shared_tell(struct vrb_worker *w, struct be_conn *c);
/* The end: nobody is told */
void shared_stop(struct vrb_worker *w);

/* -------------------------------------------------------------- data_rest.c */

/* Those whose queues are empty, or whose time is up, leave; true: one did */
bool data_drain(struct vrb_worker *w);
/* The queue pairs of these ports fail */
void data_fail_ports(struct vrb_worker *w, uint64_t ports);

/* -------------------------------------------------------------- data_mail.c */

bool data_read_mail(struct vrb_worker *w);
/* be_post()'s: an errand of a connection is back */
void data_errand_back(void *conn);

#endif /* VRDMA_VRB_DATA_H */
