// SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-or-later
/*
 * finish.c - the end of a connection, by the disconnect scheme
 *
 * One end disconnects and its request pends until the other end, told by its
 * indication, disconnects too.  NDK does not flush at the indication: what is
 * outstanding comes back when this end disconnects.
 */
#include <linux/delay.h>
#include <linux/namei.h>

#include "ping.h"

#define PENDING_AFTER_MS	200
#define EXIT_LOST		3

void disconnect_event(void *ping, ULONG reason)
{
	struct ping *p = ping;

	WRITE_ONCE(p->reason, reason);
	smp_store_release(&p->indications, p->indications + 1);
	wake_up(&p->run->wait);
}

/* --- disconnect -------------------------------------------------------------------------- */

/* In pieces, to tell an indication that crosses; keeps waiting for the call as
 * long as -T says, then lets the close of the connector end it */
static NTSTATUS wait_disconnect(struct ping *p, struct call *c)
{
	u64 end = ktime_get_ns() + (u64)p->o->timeout_ms * NSEC_PER_MSEC;
	NTSTATUS st = call_wait(c, STATUS_PENDING, PENDING_AFTER_MS, NULL);

	if (st == STATUS_TIMEOUT)
		run_event(p->run, "disconnect-pending");
	while (st == STATUS_TIMEOUT && ktime_get_ns() < end &&
	       !READ_ONCE(p->run->abort)) {
		tell_indication(p);
		st = call_wait(c, STATUS_PENDING, 50, NULL);
	}
	if (st == STATUS_TIMEOUT)
		run_status_error(p->run, "NdkDisconnect", st,
				 "it should have failed by its own deadline");
	return st;
}

static NTSTATUS disconnect(struct ping *p)
{
	u64 start = ktime_get_ns();
	struct call *c = call_new(p->run);
	NTSTATUS st;

	run_event(p->run, "disconnect-called");
	st = p->conn->Dispatch->NdkDisconnect(p->conn, call_done, c);
	if (st == STATUS_PENDING)
		st = wait_disconnect(p, c);
	else
		call_wait(c, st, 0, NULL);
	tell_indication(p);
	run_event(p->run, "disconnect-completed status=%s after_ms=%llu",
		  STATUS_NAME(st),
		  (ktime_get_ns() - start) / NSEC_PER_MSEC);
	return st;
}

static bool file_exists(const char *name)
{
	struct path path;

	if (kern_path(name, LOOKUP_FOLLOW, &path))
		return false;
	path_put(&path);
	return true;
}

static void nap(struct ping *p, u32 ms)
{
	wait_event_timeout(p->run->wait, READ_ONCE(p->run->abort),
			   msecs_to_jiffies(ms));
}

/* Before the answer to the peer's disconnect: a time, a file, or neither */
static bool hold(struct ping *p)
{
	u32 ms = p->o->hold_ms;
	u64 end;

	if (!p->client && p->wish.hold_ms > ms)
		ms = p->wish.hold_ms;
	if (ms)
		nap(p, ms);
	end = ktime_get_ns() + (u64)p->o->timeout_ms * NSEC_PER_MSEC;
	while (p->o->hold_file[0] && !file_exists(p->o->hold_file)) {
		if (ktime_get_ns() > end || READ_ONCE(p->run->abort))
			return run_error(p->run, "-H %s: never came; -T gives more time",
					 p->o->hold_file);
		nap(p, 50);
	}
	return true;
}

static bool goes_first(const struct ping *p)
{
	return p->who == WHO_BOTH ||
	       p->who == (p->client ? WHO_CLIENT : WHO_SERVER);
}

static bool end_gracefully(struct ping *p)
{
	if (!goes_first(p)) {
		if (!wait_indication(p, p->o->timeout_ms))
			return run_status_error(p->run, "wait for the peer's disconnect",
						STATUS_TIMEOUT,
						"did the peer crash?");
		if (!hold(p))
			return false;
	}
	return disconnect(p) == STATUS_SUCCESS;
}

/* A request may fail before the reason is told */
static void end_lost(struct ping *p)
{
	if (!wait_indication(p, p->o->timeout_ms))
		run_error(p->run, "a request ended %s and no indication came",
			  STATUS_NAME(p->broken));
	disconnect(p);
}

/* --- late posts ----------------------------------------------------------------------------- */

static const char *how_it_ended(struct ping *p, u64 completed, u64 cancelled,
				char *buf, size_t len)
{
	if (!drain(p))
		return "never";
	if (p->completed > completed)
		return "SUCCESS";
	return p->cancelled > cancelled ? "CANCELLED" :
					  status_name(p->broken, buf, len);
}

static void late_post(struct ping *p, bool receive)
{
	u64 completed = p->completed, cancelled = p->cancelled;
	struct status_text text;
	const char *how = "none";
	NTSTATUS st;

	p->broken = STATUS_SUCCESS;
	st = receive ? post_receive(p, 0) : post_send(p, p->memory, MSG_SIZE);
	if (st == STATUS_SUCCESS)
		how = how_it_ended(p, completed, cancelled, text.s,
				   sizeof(text.s));
	run_event(p->run, "late-post op=%s posted=%s completed=%s",
		  receive ? "receive" : "send", STATUS_NAME(st), how);
}

/* --- count ------------------------------------------------------------------------------------ */

static bool count(struct ping *p)
{
	bool all = drain(p);

	run_event(p->run, "outstanding posted=%llu completed=%llu cancelled=%llu failed=%llu",
		  p->posted, p->completed, p->cancelled, p->failed);
	return all && !p->miscounted;
}

/* The exit status */
int finish(struct ping *p, enum rc rc)
{
	bool ok = rc == RC_OK;

	if (READ_ONCE(p->run->abort))
		return 1;
	if (rc == RC_OK)
		ok = end_gracefully(p);
	else if (rc == RC_LOST)
		end_lost(p);
	else
		p->qp->Dispatch->NdkFlush(p->qp);
	/* first alone: a late post must not be what it waits for */
	if (rc != RC_FAILED && !drain(p))
		ok = false;
	if (p->o->late && rc != RC_FAILED) {
		late_post(p, false);
		late_post(p, true);
	}
	if (!count(p))
		return 1;
	if (rc == RC_LOST)
		return EXIT_LOST;
	return ok ? 0 : 1;
}
