/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * worker.h - a thread that moves bytes
 *
 * DOC: A guest belongs to one worker, with every object of its data path:
 * contexts, queue pairs, completion queues, memory regions.  Which one is
 * place.h's to say.  The control thread creates them, hands them over and takes
 * them back, all by worker_call(): fn runs in the worker while the control thread
 * waits.  The worker never waits for the control
 * thread; it speaks to it with loop_post(), whose order is that of the calls.
 * So a structure that was taken back is freed by one more loop_post(): each
 * message that names it was delivered before.
 */
#ifndef VRDMA_WORKER_H
#define VRDMA_WORKER_H

#include <stdbool.h>
#include <stdint.h>

#include "list.h"
#include "token.h"

struct backend;
struct gmem_map;
struct guest;
struct loop;
struct vr_context;
struct vr_mr;
struct vr_mw;
struct vr_qp;
struct vr_srq;
struct worker;

#define TURNS_PER_WEIGHT 4	/* queue pairs of a guest in one pass */

struct worker_conf {
	uint32_t poll_us;	/* spin so long without work before sleeping */
};

/* What happened, for the log and the tests.  Read with worker_stats() */
struct worker_stats {
	uint64_t passes;
	uint64_t sleeps;
	uint64_t kicks;
	uint64_t runs;
};

/* Control thread.  0 or -errno.  The thread runs when it returns. */
int worker_start(const struct worker_conf *conf, struct loop *loop,
		 struct worker **out);
/* Ends the thread.  Every guest was reset before. */
void worker_stop(struct worker *w);
/* Runs fn(arg) in the worker and returns when it has run */
void worker_call(struct worker *w, void (*fn)(void *arg), void *arg);
/* Runs fn(arg) in the worker, now and after each pass, until it says true */
void worker_call_until(struct worker *w, bool (*fn)(void *arg), void *arg);
/* One of the workers calls be->poll() and arm() and is woken by its poll_fd();
 * the others know of it, so that it can become one of them's without anything
 * that could fail.  0 or -errno.  Nothing to do in any of these for a backend
 * without poll(). */
int worker_add_backend(struct worker *w, struct backend *be);
void worker_del_backend(struct worker *w, struct backend *be);
/* From now on w calls them; and no more when it returns */
void worker_begin_polls(struct worker *w, struct backend *be);
void worker_end_polls(struct worker *w, struct backend *be);
void worker_stats(struct worker *w, struct worker_stats *out);
struct loop *worker_loop(struct worker *w);

/*
 * The same without a thread, for a program that decides itself what comes
 * next: worker_call() runs fn where it is called, and worker_step() does what
 * a pass does, but for one turn of one queue pair.  Instead of worker_start();
 * worker_stop() ends this one too.
 */
int worker_create(const struct worker_conf *conf, struct loop *loop,
		  struct worker **out);
/* A doorbell was rung, a queue pair waits for its turn, a deadline passed */
bool worker_has_work(struct worker *w);
void worker_step(struct worker *w);
/* The same with as many turns as a pass gives: TURNS_PER_WEIGHT times its weight
 * to each guest that has work */
void worker_round(struct worker *w);

/* Kick descriptors of the wake-up queues.  Each worker knows them all, for the
 * reason above, and is woken by those of its guests (mine).  The worker reads fd
 * and keeps no duplicate: close it after worker_del_kick() returned. */
int worker_add_kick(struct worker *w, int fd, bool mine);
void worker_set_kick(struct worker *w, int fd, bool mine);
void worker_del_kick(struct worker *w, int fd);

/*
 * The worker's part of a guest; struct guest embeds one as "data".
 * guest_data_init/fini: control thread, at the start and the end of a guest.
 */
struct guest_data {
	/* changed by move.c while no worker has the guest */
	struct worker *worker;

	/* constant after init */
	uint32_t max_mr;
	uint32_t max_mw;
	uint32_t max_transfer;
	uint32_t max_read_sge;
	uint32_t rnr_timeout_ms;	/* 0: wait for a receive without end */
	uint32_t weight;		/* turns of TURNS_PER_WEIGHT in a round */

	/* control thread only */
	struct list_head qps;		/* vr_qp.of_guest: until they are freed */

	/* worker only */
	struct gmem_map *map;		/* for the privileged token; a reference */
	struct vr_mr **mr;		/* by index of the local token, max_mr entries */
	struct vr_mw **mw;		/* by index of the handle, max_mw entries */
	struct token_table tokens;	/* struct vr_grant, by remote token */
	struct list_head run;		/* queue pairs with work */
	struct list_head runnable;	/* in the worker's round of guests */
	uint64_t bell_round;		/* the one that bells_left is of */
	uint32_t bells_left;
	uint32_t pauses;		/* who wants them left alone */
	bool paused;			/* any: rings are left alone */
};

int guest_data_init(struct guest *g, struct worker *w);
void guest_data_fini(struct guest *g);
/* The guest's memory changed; map may be NULL.  When it returns the worker
 * uses the old map no more, except through regions and rings, which hold
 * references of their own. */
void guest_data_set_map(struct guest *g, struct gmem_map *map);
/* The session's rings stop or go on; state is kept */
/* Each caller undoes its own: the rings go on when nobody wants them left alone */
void guest_data_pause(struct guest *g, bool pause);

/* ------------------------------------------------------------------- inside
 * For the other files of the data path.  Worker thread.
 */
struct timer_wheel;
struct wheel_timer;
struct vr_cq;

void worker_add_context(struct worker *w, struct vr_context *ctx);
void worker_del_context(struct worker *w, struct vr_context *ctx);
/* qp has work; d is its guest's */
void worker_enqueue(struct worker *w, struct guest_data *d, struct vr_qp *qp);
/* qp rang: its tails are looked at from now on (watch.h), and no more */
void worker_watch(struct worker *w, struct vr_qp *qp);
void worker_unwatch(struct worker *w, struct vr_qp *qp);
/* qp failed; it is buried when nothing of it is on the stack */
void worker_mourn(struct worker *w, struct vr_qp *qp);
/* srq was posted to and has hungry queue pairs; see srq.h */
void worker_offer(struct worker *w, struct vr_srq *srq);
/* cq got an entry; its arm word is looked at when the batch is over */
void worker_touch_cq(struct worker *w, struct vr_cq *cq);
/* The batch is over */
void worker_notify_cqs(struct worker *w);
struct timer_wheel *worker_wheel(struct worker *w);
/* worker_cq_due(t) is called ns from now at the latest; answers the wheel that t
 * is in until then */
struct timer_wheel *worker_set_cq_timer(struct worker *w, struct wheel_timer *t,
					uint64_t ns);
void worker_cq_due(struct wheel_timer *t);	/* cq_hold.c */

#endif /* VRDMA_WORKER_H */
