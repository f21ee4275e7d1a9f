/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * loop.h - the control thread's event loop
 *
 * DOC: One thread runs the loop: descriptors, timers, messages.  Only
 * loop_post(), loop_post_work() and loop_stop() may be called from elsewhere.
 * Messages run in the order in which they were posted, each from the loop
 * itself, never from inside another callback; one that is posted by a message
 * runs in the next round, after descriptors had their turn.
 */
#ifndef VRDMA_LOOP_H
#define VRDMA_LOOP_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/epoll.h>

struct loop;

typedef void loop_fn(void *arg);
typedef void loop_fd_fn(void *arg, int fd, uint32_t events);

int loop_create(struct loop **out);
/* No thread may post any more.  Messages left over are not run. */
void loop_destroy(struct loop *l);
/* Runs until loop_stop(); 0 or -errno */
int loop_run(struct loop *l);
/* Before it runs: how long after its last work it looks for more without waiting
 * for it; 0 at first */
void loop_set_spin(struct loop *l, uint32_t us);
/* One round, waits at most timeout_ms (-1: for something).  For tests. */
int loop_run_once(struct loop *l, int timeout_ms);
/* Async-signal-safe, any thread */
void loop_stop(struct loop *l);
/* True in the thread that runs the loop, or before it runs */
bool loop_in_thread(const struct loop *l);

/* ------------------------------------------------------------- descriptors */
/* events: EPOLLIN..., level-triggered without EPOLLET.  The descriptor stays
 * the caller's. */
int loop_add(struct loop *l, int fd, uint32_t events, loop_fd_fn *fn,
	     void *arg);
int loop_mod(struct loop *l, int fd, uint32_t events);
/* fn is not called any more, not even for what this round already found.
 * Call before close(). */
void loop_del(struct loop *l, int fd);

/* ---------------------------------------------------------------- messages */
/* Any thread: fn(arg) shall run in the loop */
void loop_post(struct loop *l, loop_fn *fn, void *arg);

/* The same without an allocation, for the data path; at most once in the
 * queue.  The work's owner keeps it until fn has begun. */
struct loop_work {
	struct loop_work *next;
	loop_fn *fn;
	void *arg;
	_Atomic bool queued;
	bool heap;
};

void loop_work_init(struct loop_work *w, loop_fn *fn, void *arg);
/* False when it was queued already; then fn still runs after this call */
bool loop_post_work(struct loop *l, struct loop_work *w);

/* ------------------------------------------------------------------ timers */
struct loop_timer {
	uint64_t deadline_ns;
	loop_fn *fn;
	void *arg;
	uint32_t slot; /* place in the heap + 1; 0: not set */
};

/* Monotonic */
uint64_t loop_now_ns(void);
void loop_timer_init(struct loop_timer *t, loop_fn *fn, void *arg);
/* Fires once, not before deadline_ns; replaces an earlier deadline */
void loop_timer_set(struct loop *l, struct loop_timer *t, uint64_t deadline_ns);
/* The same, ms from now */
void loop_timer_set_ms(struct loop *l, struct loop_timer *t, uint64_t ms);
void loop_timer_cancel(struct loop *l, struct loop_timer *t);
bool loop_timer_is_set(const struct loop_timer *t);

/* ------------------------------------------------------------ driven by hand
 * For a program that decides itself what comes next: instead of loop_run(), in
 * the loop's thread.  Nothing of it waits.
 */
/* What loop_now_ns() asks, NULL: the system.  Before there is any loop. */
void loop_set_clock(uint64_t (*now_ns)(void));
bool loop_has_message(struct loop *l);
/* Runs the oldest message, if there is one */
void loop_run_message(struct loop *l);
/* UINT64_MAX: no timer is set */
uint64_t loop_next_deadline(const struct loop *l);
/* Fires the timers whose time has come */
void loop_run_timers(struct loop *l);

#endif /* VRDMA_LOOP_H */
