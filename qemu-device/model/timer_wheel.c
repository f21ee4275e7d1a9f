/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * timer_wheel.c - see timer_wheel.h
 */
#include "timer_wheel.h"

void wheel_init(struct timer_wheel *w, uint64_t now_ns, uint32_t tick_ns)
{
	w->tick_ns = tick_ns;
	w->tick = now_ns / tick_ns;
	w->count = 0;
	for (unsigned int i = 0; i < WHEEL_SLOTS; i++)
		list_init(&w->slot[i]);
}

void wheel_timer_init(struct wheel_timer *t)
{
	list_init(&t->link);
	t->tick = 0;
}

void wheel_clear(struct timer_wheel *w, struct wheel_timer *t)
{
	if (list_empty(&t->link))
		return;
	list_del(&t->link);
	w->count--;
}

void wheel_set(struct timer_wheel *w, struct wheel_timer *t,
	       uint64_t deadline_ns)
{
	uint64_t tick = deadline_ns / w->tick_ns;

	/* rounded up: a timer that fires early would be set again at once */
	if (deadline_ns % w->tick_ns)
		tick++;
	wheel_clear(w, t);
	/* a deadline in the past must land where the wheel still comes by */
	t->tick = tick < w->tick ? w->tick : tick;
	list_add_tail(&t->link, &w->slot[t->tick % WHEEL_SLOTS]);
	w->count++;
}

void wheel_take(struct timer_wheel *w, struct wheel_timer *t,
		struct list_head *list)
{
	if (list_empty(&t->link))
		return;
	list_move_tail(&t->link, list);
	w->count--;
}

void wheel_give(struct timer_wheel *w, struct list_head *list)
{
	while (!list_empty(list)) {
		struct wheel_timer *t = list_first(list, struct wheel_timer,
						   link);

		list_del(&t->link);
		wheel_set(w, t, t->tick * w->tick_ns);
	}
}

static void fire_slot(struct timer_wheel *w, struct list_head *slot,
		      uint64_t tick, void (*fire)(struct wheel_timer *t))
{
	struct list_head due, *pos, *tmp;

	list_init(&due);
	list_for_each_safe(pos, tmp, slot) {
		struct wheel_timer *t = container_of(pos, struct wheel_timer,
						     link);

		if (t->tick <= tick)
			list_move_tail(&t->link, &due);
	}
	/* fire may clear or set any timer, those in due included */
	while (!list_empty(&due)) {
		struct wheel_timer *t = list_first(&due, struct wheel_timer,
						   link);

		list_del(&t->link);
		w->count--;
		fire(t);
	}
}

void wheel_advance(struct timer_wheel *w, uint64_t now_ns,
		   void (*fire)(struct wheel_timer *t))
{
	uint64_t now = now_ns / w->tick_ns;
	uint64_t from = w->tick;

	if (now < from)
		return;
	/* After a long sleep one lap meets every slot.  The wheel stands at
	 * the next tick before anything fires, so that what fire sets for
	 * "now" is met on the next call and not a lap later. */
	w->tick = now + 1;
	if (now - from >= WHEEL_SLOTS)
		from = now - (WHEEL_SLOTS - 1);
	for (; w->count && from <= now; from++)
		fire_slot(w, &w->slot[from % WHEEL_SLOTS], now, fire);
}

uint64_t wheel_timeout(const struct timer_wheel *w, uint64_t now_ns)
{
	if (!w->count)
		return WHEEL_NEVER;
	for (unsigned int i = 0; i < WHEEL_SLOTS; i++) {
		uint64_t tick = w->tick + i;

		if (list_empty(&w->slot[tick % WHEEL_SLOTS]))
			continue;
		return tick * w->tick_ns <= now_ns ?
			       0 : tick * w->tick_ns - now_ns;
	}
	return WHEEL_NEVER;
}
