/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-or-later */
/*
 * system.c - what the miniport wants of the system
 */
#include "sys.h"

_Static_assert(sizeof(struct mutex) <= sizeof(struct vrn_mutex), "mutex");
_Static_assert(sizeof(struct completion) <= sizeof(struct vrn_event), "event");

void *vrn_alloc(size_t size)
{
	return kzalloc(size, GFP_ATOMIC);
}

void vrn_free(void *p)
{
	kfree(p);
}

static struct mutex *mutex_of(struct vrn_mutex *m)
{
	return (struct mutex *)m->opaque;
}

void vrn_mutex_init(struct vrn_mutex *m)
{
	mutex_init(mutex_of(m));
}

void vrn_mutex_fini(struct vrn_mutex *m)
{
	(void)m;
}

void vrn_mutex_lock(struct vrn_mutex *m)
{
	mutex_lock(mutex_of(m));
}

void vrn_mutex_unlock(struct vrn_mutex *m)
{
	mutex_unlock(mutex_of(m));
}

static struct completion *event_of(struct vrn_event *e)
{
	return (struct completion *)e->opaque;
}

void vrn_event_init(struct vrn_event *e, bool set)
{
	init_completion(event_of(e));
	if (set)
		complete(event_of(e));
}

void vrn_event_fini(struct vrn_event *e)
{
	(void)e;
}

void vrn_event_set(struct vrn_event *e)
{
	complete(event_of(e));
}

void vrn_event_clear(struct vrn_event *e)
{
	KeClearEvent(&event_of(e)->event);
}

void vrn_event_wait(struct vrn_event *e)
{
	wait_for_completion(event_of(e));
}
