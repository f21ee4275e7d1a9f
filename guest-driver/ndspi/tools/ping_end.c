/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-or-later */
/*
 * ping_end.c - the end of a connection
 *
 * One end disconnects and its request stays pending until the other end, told
 * by its indication, disconnects too.  Afterwards every request posted has come
 * back exactly once.
 */
#include "ping.h"
#include "tool_os.h"

#define PENDING_AFTER 0.2	/* seconds */

enum ping_rc ping_start_notify(struct ping *p)
{
	HRESULT hr = p->connector->lpVtbl->NotifyDisconnect(p->connector,
							    &p->ov_notify);

	if (hr == ND_PENDING) {
		p->notify_pending = true;
		return PING_OK;
	}
	tool_status_error("NotifyDisconnect", hr,
			  "the peer may have gone already");
	return PING_FAILED;
}

/* ---------------------------------------------------------------- disconnect */

static HRESULT disconnect(struct ping *p)
{
	double t = tool_now();
	OVERLAPPED ov = { 0 };
	HRESULT hr;

	tool_event("disconnect-called");
	hr = p->connector->lpVtbl->Disconnect(p->connector, &ov);
	if (hr == ND_PENDING &&
	    !ping_wait(p, p->connector, &ov, PENDING_AFTER, NULL, &hr)) {
		tool_event("disconnect-pending");
		if (!ping_wait(p, p->connector, &ov, p->o->timeout,
			       "Disconnect", &hr)) {
			/* the structure must outlive the request */
			p->connector->lpVtbl->CancelOverlappedRequests(
				p->connector);
			ping_wait(p, p->connector, &ov, p->o->timeout,
				  "cancel of Disconnect", &hr);
		}
	}
	tool_event("disconnect-completed status=%s after_ms=%.0f",
		   tool_status(hr), (tool_now() - t) * 1e3);
	return hr;
}

static bool wait_indication(struct ping *p, double seconds)
{
	double end = tool_now() + seconds;

	for (;;) {
		ping_check_indication(p);
		if (p->indicated || !p->notify_pending)
			return p->indicated;
		if (tool_now() > end)
			return false;
		tool_sleep_on(p->file, 100);
	}
}

/* Before the answer to the peer's disconnect: a time, a file, or neither */
static bool hold(struct ping *p)
{
	uint32_t ms = p->o->hold_ms;
	double end;

	if (p->wish.hold_ms > ms && !p->client)
		ms = p->wish.hold_ms;
	end = tool_now() + ms / 1e3;
	while (tool_now() < end) /* nothing to wait for but time */
		tool_rest(10);
	end = tool_now() + p->o->timeout;
	while (p->o->hold_file && access(p->o->hold_file, F_OK)) {
		if (tool_now() > end)
			return tool_error("-H %s: never came; -T gives more "
					  "time", p->o->hold_file);
		tool_rest(50);
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
		if (!wait_indication(p, p->o->timeout))
			return tool_status_error("wait for the peer's "
						 "disconnect", ND_TIMEOUT,
						 "did the peer crash?");
		if (!hold(p))
			return false;
	}
	return disconnect(p) == ND_SUCCESS;
}

/* A request may fail before the reason is told */
static void end_lost(struct ping *p)
{
	wait_indication(p, p->o->timeout);
	if (!p->indicated)
		tool_error("a request ended %s and no indication came",
			   tool_status(p->broken));
	disconnect(p);
}

/* ---------------------------------------------------------------- late posts */

/* Each completes alone: how the counters move tells how */
static const char *how_it_ended(struct ping *p, uint64_t completed,
				uint64_t cancelled)
{
	if (!ping_drain(p))
		return "never";
	if (p->completed > completed)
		return "SUCCESS";
	return p->cancelled > cancelled ? "CANCELLED" : tool_status(p->broken);
}

static void late_post(struct ping *p, bool receive)
{
	uint64_t completed = p->completed, cancelled = p->cancelled;
	HRESULT hr;

	p->broken = ND_SUCCESS;
	hr = receive ? ping_post_receive(p, 0) :
		       ping_post_send(p, p->memory, 64);
	tool_event("late-post op=%s posted=%s completed=%s",
		   receive ? "receive" : "send", tool_status(hr),
		   hr == ND_SUCCESS ? how_it_ended(p, completed, cancelled) :
				      "none");
}

/* --------------------------------------------------------------------- count */

static bool count(struct ping *p)
{
	bool all = ping_drain(p);

	tool_event("outstanding posted=%llu completed=%llu cancelled=%llu "
		   "failed=%llu",
		   (unsigned long long)p->posted,
		   (unsigned long long)p->completed,
		   (unsigned long long)p->cancelled,
		   (unsigned long long)p->failed);
	if (!all)
		return tool_error("%u requests never completed",
				  p->wr_count - p->wr_free_count);
	return !p->miscounted;
}

int ping_end(struct ping *p, enum ping_rc rc)
{
	bool ok = true;

	if (rc == PING_OK) {
		ok = end_gracefully(p);
	} else if (rc == PING_LOST) {
		end_lost(p);
	} else {
		p->qp->lpVtbl->Flush(p->qp);
	}
	/* before the drain, so that a late post is not the only one it waits
	 * for and an early flush shows */
	if (rc != PING_FAILED && !ping_drain(p))
		ok = false;
	if (p->o->late && rc != PING_FAILED) {
		late_post(p, false);
		late_post(p, true);
	}
	if (!count(p))
		return EXIT_FAILED;
	if (rc == PING_LOST)
		return EXIT_LOST;
	return rc == PING_OK && ok && !p->wrong ? EXIT_OK : EXIT_FAILED;
}
