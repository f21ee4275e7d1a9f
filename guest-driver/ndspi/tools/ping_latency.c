/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-or-later */
/*
 * ping_latency.c - the test lat
 *
 * send: a message there, its contents back, half of the time of both.  write,
 * read: from the post to the completion.  The contents of the last transfer
 * are checked; checking each would be measured too.
 */
#include <stdlib.h>
#include <string.h>

#include "ping.h"

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return x < y ? -1 : x > y;
}

static void report(struct ping *p, double *us, uint32_t n)
{
	qsort(us, n, sizeof(*us), by_value);
	tool_event("latency size=%llu count=%u min_us=%.2f p50_us=%.2f "
		   "p99_us=%.2f max_us=%.2f",
		   (unsigned long long)p->wish.size, n, us[0], us[n / 2],
		   us[(uint64_t)n * 99 / 100], us[n - 1]);
}

static enum ping_rc post_data(struct ping *p)
{
	return ping_posted(p, "Send",
			   ping_post_send(p, p->data, (uint32_t)p->wish.size));
}

/* The peer's message; keep: into the data area, to be looked at or sent back */
static enum ping_rc take_data(struct ping *p, bool keep)
{
	const uint8_t *at;
	uint32_t bytes, slot;
	enum ping_rc rc = ping_next(p, &at, &bytes, &slot);

	if (rc != PING_OK)
		return rc;
	if (bytes != p->wish.size) {
		tool_error("a message of %u bytes instead of %llu", bytes,
			   (unsigned long long)p->wish.size);
		return PING_FAILED;
	}
	if (keep)
		memcpy(p->data, at, bytes);
	return ping_again(p, slot);
}

static enum ping_rc ping_pong(struct ping *p)
{
	enum ping_rc rc = post_data(p);

	if (rc == PING_OK)
		rc = take_data(p, true);
	return rc == PING_OK ? ping_wait_sends(p, 0) : rc;
}

static enum ping_rc one_rdma(struct ping *p)
{
	enum ping_rc rc = ping_post_rdma(p, p->data, p->peer_addr,
					 p->wish.size);

	return rc == PING_OK ? ping_wait_sends(p, 0) : rc;
}

static enum ping_rc prepare(struct ping *p, bool *good)
{
	if (p->wish.op == OP_READ)
		return ping_ask(p, MSG_FILL, 0, 1, MSG_FILLED, good);
	tool_fill(p->data, p->wish.size, p->wish.seed, 0);
	return PING_OK;
}

static enum ping_rc conclude(struct ping *p, bool *good)
{
	enum ping_rc rc = PING_OK;

	if (p->wish.op == OP_WRITE)
		rc = ping_ask(p, MSG_CHECK, 0, 1, MSG_CHECKED, good);
	else if (tool_check(p->data, p->wish.size, p->wish.seed, 0) !=
		 p->wish.size)
		*good = tool_error("the contents came back wrong");
	if (rc == PING_OK)
		rc = ping_ask(p, MSG_DONE, p->wish.count, 0, MSG_DONE, good);
	return rc;
}

static enum ping_rc measure(struct ping *p, double *us, double *seconds)
{
	double begin = tool_now(), t = begin;
	enum ping_rc rc = PING_OK;
	uint32_t i;

	for (i = 0; rc == PING_OK && i < p->wish.count; i++) {
		double now;

		rc = p->wish.op == OP_SEND ? ping_pong(p) : one_rdma(p);
		now = tool_now();
		us[i] = (now - t) * (p->wish.op == OP_SEND ? 5e5 : 1e6);
		t = now;
	}
	*seconds = t - begin;
	return rc;
}

static enum ping_rc drive(struct ping *p)
{
	double seconds = 0, *us = calloc(p->wish.count, sizeof(*us));
	enum ping_rc rc = PING_FAILED;
	bool good = true;

	if (!us) {
		tool_error("-C %u: no memory for so many readings",
			   p->wish.count);
		return rc;
	}
	rc = prepare(p, &good);
	if (rc == PING_OK)
		rc = measure(p, us, &seconds);
	if (rc == PING_OK)
		rc = conclude(p, &good);
	if (rc == PING_OK) {
		report(p, us, p->wish.count);
		ping_report(p, p->wish.count, seconds, good);
	}
	free(us);
	return rc;
}

/* A round trip acknowledges itself: no credits */
static enum ping_rc echo(struct ping *p)
{
	enum ping_rc rc = PING_OK;
	uint32_t i;

	for (i = 0; rc == PING_OK && i < p->wish.count; i++) {
		rc = take_data(p, true);
		p->owed = 0;
		if (rc == PING_OK)
			rc = post_data(p);
		if (rc == PING_OK)
			rc = ping_wait_sends(p, 0);
	}
	return rc;
}

enum ping_rc ping_latency(struct ping *p)
{
	return p->client ? drive(p) : echo(p);
}
