/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * timer_wheel.h - deadlines of queue pairs and completion queues
 *
 * A guest can have a deadline per queue, so setting, clearing and firing one must
 * not depend on how many there are.  Who needs fine ticks and long deadlines has
 * two wheels: a deadline that is many laps away is looked at in each lap.
 */
#ifndef VRDMA_TIMER_WHEEL_H
#define VRDMA_TIMER_WHEEL_H

#include <stdbool.h>
#include <stdint.h>

#include "list.h"

#define WHEEL_SLOTS	256
#define WHEEL_MS	1000000u	/* a tick in ns */

struct wheel_timer {
	struct list_head link;
	uint64_t tick;
};

struct timer_wheel {
	uint32_t tick_ns;
	uint64_t tick;			/* the next one to look at */
	uint32_t count;
	struct list_head slot[WHEEL_SLOTS];
};

void wheel_init(struct timer_wheel *w, uint64_t now_ns, uint32_t tick_ns);
void wheel_timer_init(struct wheel_timer *t);
/* Fires not before deadline_ns; replaces an earlier deadline of t */
void wheel_set(struct timer_wheel *w, struct wheel_timer *t,
	       uint64_t deadline_ns);
void wheel_clear(struct timer_wheel *w, struct wheel_timer *t);
/* The same, and if there was one, t is in list until... */
void wheel_take(struct timer_wheel *w, struct wheel_timer *t,
		struct list_head *list);
/* ...all that are there have their deadlines again, in w, whose ticks are as long */
void wheel_give(struct timer_wheel *w, struct list_head *list);
/* Calls fire for each timer whose time has come; fire may set it again */
void wheel_advance(struct timer_wheel *w, uint64_t now_ns,
		   void (*fire)(struct wheel_timer *t));
/* Nanoseconds until something may fire, WHEEL_NEVER: nothing is set */
#define WHEEL_NEVER	UINT64_MAX
uint64_t wheel_timeout(const struct timer_wheel *w, uint64_t now_ns);

#endif /* VRDMA_TIMER_WHEEL_H */
