/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * qp.h - queue pairs
 *
 * DOC: Who uses what.  The commands and the functions of the first block
 * belong to the control thread.  struct vr_qp says per group of fields which
 * thread may touch it.  A connector borrows a queue pair with qp_reserve()
 * and gives it back with qp_release().
 */
#ifndef VRDMA_QP_H
#define VRDMA_QP_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "../../host-backend/backend.h"
#include "gmem.h"
#include "line.h"
#include "list.h"
#include "loop.h"
#include "mr.h"
#include "sg.h"
#include "timer_wheel.h"

struct command;
struct connector;
struct guest;
struct guest_data;
struct vr_context;
struct vr_cq;
struct vr_pd;
struct vr_qp;
struct vr_srq;
struct worker;

/* -------------------------------------------------- control thread: commands */
void cmd_create_qp(struct command *cmd);
void cmd_destroy_qp(struct command *cmd);
void cmd_flush_qp(struct command *cmd);
/* Part of guest_reset(), after the connectors: takes every queue pair away.
 * No completion is written any more when it returns. */
void qp_reset_all(struct guest *g);
/* Part of guest_reset(), before the connectors: every queue pair is told to
 * stop, writes nothing more to the guest, and is at rest when it returns. */
void qp_halt_all(struct guest *g);

/* ------------------------------------------------- control thread: connector */

/* Borrows an unconnected, unused queue pair for cm.  OK, INVALID_HANDLE,
 * CONNECTION_ACTIVE (another connector has it, or it was connected once) or
 * INVALID_STATE (flushed or failed). */
enum virtio_rdma_status qp_reserve(struct guest *g, uint32_t handle,
				   struct connector *cm, struct vr_qp **out);
/* The connector ended: without a connection (refused, timed out) the queue
 * pair is as new; after one it can only be destroyed.  Stopped before, if it
 * was connected.  Nothing is called for the connector after it. */
void qp_release(struct vr_qp *qp);
/* State CONNECTED; data flows from here on.  A queue pair that broke in the
 * meantime is not attached: connector_qp_failed() follows. */
void qp_connect(struct vr_qp *qp, const struct backend *be,
		struct be_conn *conn);
/* Rule D3.  Stops the transport, state ERROR, flushes both queues.  done(cm)
 * runs in the control thread, never from inside qp_stop(), when no byte moves
 * any more and each cancelled completion is in its CQ.  Any state, any number
 * of times; done may be NULL. */
void qp_stop(struct vr_qp *qp, void (*done)(void *cm), void *cm);
/* done(cm) of an earlier qp_stop() shall not be called */
void qp_stop_cancel(struct vr_qp *qp, void *cm);
/* For a reset.  Stops and writes no completions; true when the transport is
 * at rest already, which with "local" is always, and else after
 * qp_halt_all(). */
bool qp_stop_now(struct vr_qp *qp);
/* The peer disconnected gracefully and this side's queues stay as they are
 * (NDKPI): nothing is sent or failed until qp_stop().  The record says
 * CONNECTED until then. */
void qp_detach_peer(struct vr_qp *qp);
uint32_t qp_handle(const struct vr_qp *qp);
uint32_t qp_flags(const struct vr_qp *qp);	/* VIRTIO_RDMA_QP_xxx */

/* The connector's side: the queue pair of cm broke by itself.  It is flushed
 * or about to be; the transport is stopped.  Control thread, from its loop;
 * at most once, and not after qp_release(). */
void connector_qp_failed(struct connector *cm, enum virtio_rdma_reason reason);

/* ------------------------------------------------------------------- inside */

/*
 * States, all changes by qp_set_state() in the worker.
 *
 *	INIT		rings exist; receives wait, sends wait
 *	CONNECTED	attached to a transport
 *	STOPPING	the transport was told to stop and has not answered
 *	ERROR		at rest; whatever is posted completes cancelled
 *
 *	INIT -> CONNECTED | ERROR, CONNECTED -> STOPPING, STOPPING -> ERROR
 */
enum qp_state {
	QP_INIT,
	QP_CONNECTED,
	QP_STOPPING,
	QP_ERROR,
	QP_STATE_COUNT
};

struct be_qp {
	struct worker *worker;
};

/* Somebody waits for a queue pair to be at rest */
struct qp_stop_req {
	struct vr_qp *qp;
	void (*done)(void *arg);	/* NULL: nobody any more; control thread */
	void *arg;
	struct list_head link;		/* vr_qp.stops; control thread */
	struct list_head waiting;	/* vr_qp.waiting_stops; worker */
	struct loop_work work;
};

/* Requests that a backend holds at the same time, per queue */
#define QP_WINDOW	32
/* Accesses of the peer that are in work at the same time */
#define QP_REMOTE_SGS	32	/* bits of vr_qp.remote_free */

struct vr_wr {
	struct be_wr be;
	uint64_t wr_id;
	uint16_t index;			/* low half of its entry's count */
	uint8_t bad;			/* wc_status found by the checks, 0: none */
	uint32_t first_token;		/* of its first element, if there is one */
	struct vr_mr *fast;		/* what a FAST_REGISTER makes, or a READ
					 * takes away; or NULL */
	struct be_sg sg;		/* its segments follow the structure; a
					 * BIND has a struct be_bind there */
};

/* One of the two queues: a cache line.  Counts run freely like those of the record */
struct qp_queue {
	/* constant after create */
	uint32_t depth;
	uint32_t offset;		/* of the ring in the buffer */
	uint16_t stride;
	uint16_t max_sge;
	uint16_t window;		/* power of two */
	uint16_t wr_size;
	uint8_t *wrs;			/* window entries of wr_size */
	const _Atomic uint32_t *tail_le;	/* in guest memory */
	_Atomic uint32_t *head_le;		/* in guest memory */
	struct vr_cq *cq;

	/* worker only */
	uint32_t tail;			/* last value read and checked */
	uint32_t taken;			/* read from the ring */
	uint32_t ended;
	bool broken;			/* the guest's tail made no sense */
	bool closed;			/* an entry failed its checks: take no more */
};

/* Begins with a cache line (line.h).  What each request needs is in its first one,
 * the third, and that of its queue. */
struct vr_qp {
	/* constant after create, but for the backend: worker only */
	struct be_qp be;
	struct guest_data *data;	/* the guest's */
	struct vr_pd *pd;
	struct vr_srq *srq;		/* in place of a receive ring, or NULL; not
					 * looked into after qp_worker_leave() */
	const struct backend *backend;
	struct be_conn *conn;
	struct list_head run;		/* in guest_data.run; worker only */

	struct qp_queue sq;

	/* worker only */
	enum qp_state state;
	bool failing;			/* to be stopped by the worker's loop */
	bool detached;			/* the peer is gone, see qp_detach_peer() */
	bool mute;			/* reset: no completion is written */
	uint32_t remote_free;		/* bit per entry of remote[] */
	struct remote_sg *remote;

	/* constant after create */
	uint32_t handle;
	uint32_t max_inline;
	uint64_t qp_context;		/* as the guest gave it, little-endian */
	struct gmem_pages pages;	/* record and rings */

	struct bell bell;
	struct guest *guest;
	uint32_t flags;
	uint32_t features;		/* VIRTIO_RDMA_FEATURE(), negotiated */
	uint32_t slot;
	struct vr_context *context;
	uint8_t *inline_copy;		/* sq.window entries of max_inline, or NULL */
	_Atomic uint32_t *state_le;	/* in guest memory */
	_Atomic uint32_t *watched_le;	/* in guest memory */

	/* control thread only */
	struct connector *connector;
	bool used;			/* connected once */
	bool stopped;			/* by qp_stop(), or it broke */
	struct list_head stops;		/* struct qp_stop_req */
	struct list_head moving;	/* qp_halt_all() */
	struct list_head of_guest;	/* guest_data.qps, until it is freed */

	/* worker only */
	struct qp_queue rq;
	uint32_t watched;		/* 0 or VIRTIO_RDMA_QP_WATCHED; watch.h */
	bool free_at_rest;
	bool broke;			/* by itself: the connector must hear */
	enum virtio_rdma_reason reason;
	struct list_head dying;		/* in the worker's list */
	struct list_head on_send_cq;	/* in vr_cq.senders */
	struct list_head on_recv_cq;	/* in vr_cq.receivers */
	struct list_head on_srq;	/* in vr_srq.qps */
	struct list_head hungry;	/* in vr_srq.hungry */
	uint64_t ticket;		/* since it wants a receive, 0: it does not */
	struct list_head waiting_stops;	/* struct qp_stop_req */
	struct wheel_timer timer;
	struct list_head windows;	/* struct vr_mw that its peer reaches */

	/* worker to control */
	struct loop_work failed_work;
	struct loop_work free_work;
};
_Static_assert(sizeof(struct qp_queue) == CACHE_LINE, "a line");
_Static_assert(offsetof(struct vr_qp, sq) == CACHE_LINE, "its second line");
_Static_assert(offsetof(struct vr_qp, state) == 2 * CACHE_LINE &&
	       offsetof(struct vr_qp, pages.count) < 3 * CACHE_LINE, "its third");

static inline struct vr_qp *vr_qp_of(struct be_qp *be)
{
	return (struct vr_qp *)be;	/* the first member */
}

static inline const struct vr_qp *vr_qp_of_const(const struct be_qp *be)
{
	return (const struct vr_qp *)be;
}

/* Requests may be taken from it and memory reached through it */
static inline bool qp_is_open(const struct vr_qp *qp)
{
	return qp->state == QP_CONNECTED && !qp->failing && !qp->detached;
}

/* What is posted is looked at when it is posted */
static inline bool qp_takes_posts(const struct vr_qp *qp)
{
	return qp->state == QP_INIT || qp_is_open(qp);
}

/* Worker: the guest posted, and rang or was watched; the timer ended, or the
 * transport asked */
void qp_rung(struct bell *bell);
void qp_look(struct vr_qp *qp);
void qp_make_runnable(struct vr_qp *qp);
/* Worker: one turn of the transport; true: it wants another */
bool qp_run(struct vr_qp *qp);
/* Worker, outside of any backend function: a queue pair that failed stops */
void qp_bury(struct vr_qp *qp);
/* Worker, anywhere: it shall fail as soon as the backend has returned */
void qp_fail(struct vr_qp *qp, enum virtio_rdma_reason reason);

/* qp_run.c, each by worker_call().  arg: the queue pair unless it says more */
struct qp_join_args {
	struct vr_qp *qp;
	struct bell_hook hook;
};
struct qp_connect_args {
	struct vr_qp *qp;
	const struct backend *backend;
	struct be_conn *conn;
};
struct qp_mute_args {
	struct vr_qp *qp;
	bool at_rest;			/* the answer */
};
void qp_worker_join(void *args);	/* struct qp_join_args */
void qp_worker_connect(void *args);	/* struct qp_connect_args */
void qp_worker_stop(void *req);		/* struct qp_stop_req */
void qp_worker_halt(void *qp);
void qp_worker_mute(void *args);	/* struct qp_mute_args */
bool qp_worker_is_at_rest(void *qp);	/* for worker_call_until() */
void qp_worker_detach_peer(void *qp);
void qp_worker_leave(void *qp);

/* wr.c, worker */
/* Reads what the guest posted; nonsense fails the queue pair */
void wr_look(struct vr_qp *qp);
/* It posted since a tail was read */
bool wr_posted(const struct vr_qp *qp);
/* Ends everything that is taken or posted, cancelled */
void wr_flush(struct vr_qp *qp, struct qp_queue *q);
/* The same for at most max of what is posted; true: there is more */
bool wr_flush_some(struct vr_qp *qp, struct qp_queue *q, uint32_t max);
/* The same without a word to the guest */
void wr_drop(struct qp_queue *q);
/* Copies and checks the next receive of srq, which is there, for nobody yet */
void wr_take_lent(struct vr_srq *srq, struct vr_wr *wr);
/* ...and it was qp's in the end */
void wr_end_lent(struct vr_qp *qp, struct vr_wr *wr, uint8_t status,
		 uint32_t length, bool solicited);
/* What wr holds is given back, without a word */
void wr_put(struct vr_wr *wr);

#endif /* VRDMA_QP_H */
