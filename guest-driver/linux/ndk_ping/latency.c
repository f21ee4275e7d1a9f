// SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-or-later
/*
 * latency.c - one transfer at a time
 *
 * Send: half of a round trip, the server echoes.  Write and read: from posting
 * to the completion.
 */
#include <linux/math64.h>
#include <linux/mm.h>
#include <linux/slab.h>
#include <linux/sort.h>

#include "ping.h"

#define MAX_SAMPLES	1000000u

static int compare(const void *a, const void *b)
{
	u32 x = *(const u32 *)a, y = *(const u32 *)b;

	return x < y ? -1 : x > y;
}

static void tell(struct ping *p, u32 *ns, u32 n)
{
	u32 at[] = { 0, n / 2, n - n / 100 - 1, n - 1 };
	u32 i;

	sort(ns, n, sizeof(*ns), compare, NULL);
	for (i = 0; i < ARRAY_SIZE(at); i++)
		at[i] = ns[at[i]];
	run_event(p->run, "latency size=%llu count=%u min_us=%u.%03u p50_us=%u.%03u p99_us=%u.%03u max_us=%u.%03u",
		  p->wish.size, n, at[0] / 1000, at[0] % 1000, at[1] / 1000,
		  at[1] % 1000, at[2] / 1000, at[2] % 1000, at[3] / 1000,
		  at[3] % 1000);
}

static enum rc failed(struct ping *p, const char *what, NTSTATUS st)
{
	tell_indication(p);
	if (p->told || p->broken != STATUS_SUCCESS)
		return RC_LOST;
	run_status_error(p->run, what, st, "see dmesg");
	return RC_FAILED;
}

static enum rc round_trip(struct ping *p)
{
	NTSTATUS st = post_send(p, p->data, p->wish.size);
	u32 slot, bytes;
	enum rc rc;

	if (st != STATUS_SUCCESS)
		return failed(p, "NdkSend", st);
	rc = wait_arrival(p, &slot, &bytes);
	if (rc == RC_OK)
		rc = again(p, slot);
	return rc == RC_OK ? wait_sends(p, 0) : rc;
}

static enum rc transfer(struct ping *p)
{
	NTSTATUS st = post_rdma(p, p->data, p->peer_addr);

	return st == STATUS_SUCCESS ? wait_sends(p, 0) :
				      failed(p, "post a transfer", st);
}

static enum rc sample(struct ping *p, u32 *ns, u32 n)
{
	bool send = p->wish.op == OP_SEND;
	enum rc rc = RC_OK;
	u64 start, took;
	u32 i;

	for (i = 0; i < n && rc == RC_OK; i++) {
		start = ktime_get_ns();
		rc = send ? round_trip(p) : transfer(p);
		took = ktime_get_ns() - start;
		ns[i] = min_t(u64, send ? took / 2 : took, U32_MAX);
	}
	return rc;
}

enum rc latency(struct ping *p)
{
	struct ping_msg m = { .type = MSG_DONE, .base = p->wish.count,
			      .good = 1, .count = 1 };
	u32 n = min(p->wish.count, MAX_SAMPLES);
	u32 *ns = kvcalloc(n, sizeof(*ns), GFP_KERNEL);
	enum rc rc = RC_FAILED;

	if (!ns) {
		run_error(p->run, "no memory for %u samples", n);
		return RC_FAILED;
	}
	rc = sample(p, ns, n);
	if (rc == RC_OK) {
		tell(p, ns, n);
		rc = say(p, &m);
	}
	if (rc == RC_OK)
		rc = hear(p, MSG_DONE, &m);
	kvfree(ns);
	return rc;
}

/* The server's part of a send test: as many echoes, then DONE */
enum rc echo(struct ping *p)
{
	u32 n = min(p->wish.count, MAX_SAMPLES), i, slot, bytes;
	struct ping_msg m;
	enum rc rc = RC_OK;
	NTSTATUS st;

	for (i = 0; i < n && rc == RC_OK; i++) {
		rc = wait_arrival(p, &slot, &bytes);
		if (rc == RC_OK)
			rc = again(p, slot);
		if (rc != RC_OK)
			break;
		st = post_send(p, p->data, p->wish.size);
		rc = st == STATUS_SUCCESS ? wait_sends(p, 0) :
					    failed(p, "NdkSend", st);
	}
	if (rc == RC_OK)
		rc = hear(p, MSG_DONE, &m);
	m = (struct ping_msg){ .type = MSG_DONE, .good = 1 };
	if (rc == RC_OK)
		rc = say(p, &m);
	return rc == RC_OK ? wait_sends(p, 0) : rc;
}
