// SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-or-later
/*
 * call.c - waiting for NDK's completions
 */
#include <linux/sched.h>
#include <linux/slab.h>

#include "ping.h"

static void discarded(void *ctx)
{
}

/* NdkCloseXxx is the first slot of every table; headers lie alike in all */
static NDK_FN_CLOSE_OBJECT *close_slot(void *object)
{
	NDK_PD *any = object;
	NDK_FN_CLOSE_OBJECT *const *slot = (const void *)any->Dispatch;

	return slot[0];
}

struct call *call_new(struct run *run)
{
	struct call *c = kzalloc(sizeof(*c), GFP_KERNEL | __GFP_NOFAIL);

	c->run = run;
	return c;
}

void call_created(void *call, NTSTATUS status, NDK_OBJECT_HEADER *object)
{
	struct call *c = call;
	struct run *run = c->run;

	unsigned long flags;
	bool abandoned;

	c->status = status;
	c->object = object;
	/* under the queue's lock: the waiter may free it as soon as it saw this */
	spin_lock_irqsave(&run->wait.lock, flags);
	abandoned = c->abandoned;
	c->done = true;
	wake_up_locked(&run->wait);
	spin_unlock_irqrestore(&run->wait.lock, flags);
	if (!abandoned)
		return;
	if (status == STATUS_SUCCESS && object)
		close_slot(object)(object, discarded, NULL);
	kfree(c);
}

void call_done(void *call, NTSTATUS status)
{
	call_created(call, status, NULL);
}

void call_closed(void *call)
{
	call_created(call, STATUS_SUCCESS, NULL);
}

static bool is_done(struct call *c)
{
	bool done;

	spin_lock_irq(&c->run->wait.lock);
	done = c->done;
	spin_unlock_irq(&c->run->wait.lock);
	return done;
}

/* A creation that nobody waits for any more closes what it creates */
static bool abandon(struct call *c)
{
	bool done;

	spin_lock_irq(&c->run->wait.lock);
	done = c->done;
	c->abandoned = !done;
	spin_unlock_irq(&c->run->wait.lock);
	return !done;
}

NTSTATUS call_wait(struct call *c, NTSTATUS returned, u32 ms, void *object_out)
{
	struct run *run = c->run;
	NTSTATUS status = returned;

	if (returned == STATUS_PENDING) {
		wait_event_timeout(run->wait, is_done(c) || READ_ONCE(run->abort),
				   msecs_to_jiffies(ms));
		if (object_out ? abandon(c) : !is_done(c))
			return STATUS_TIMEOUT;
		status = c->status;
		if (object_out && status == STATUS_SUCCESS)
			*(void **)object_out = c->object;
	}
	kfree(c);
	return status;
}

/* No time limit: the provider promises that a close ends, and what follows
 * frees memory that it may use until then */
void close_object(struct run *run, void *object)
{
	struct call *c;

	if (!object)
		return;
	c = call_new(run);
	if (close_slot(object)(object, call_closed, c) == STATUS_PENDING)
		wait_event(run->wait, is_done(c));
	kfree(c);
}
