/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-or-later */
/*
 * ping_client.c - the client's part of the tests verify and bw
 *
 * Transfer i uses data slot i % data_slots.  verify: its contents are pattern
 * i, a batch is as many transfers as there are slots, and each batch is checked
 * before the next.  bw: the contents are the slot's, all transfers are one
 * batch, and the slots are checked at the end.
 */
#include "ping.h"

atomic_bool ping_stop;

static uint8_t *slot_at(const struct ping *p, uint64_t i)
{
	return p->data + i % p->data_slots *
	       ((p->wish.size + 4095) & ~4095ull);
}

static uint64_t peer_slot(const struct ping *p, uint64_t i)
{
	return p->peer_addr + (uint64_t)(slot_at(p, i) - p->data);
}

static uint64_t pattern(const struct ping *p, uint64_t i)
{
	return p->wish.test == TEST_BW ? i % p->data_slots : i;
}

static void fill(struct ping *p, uint64_t base, uint32_t n)
{
	uint32_t i;

	for (i = 0; i < n; i++)
		tool_fill(slot_at(p, base + i), p->wish.size, p->wish.seed,
			  pattern(p, base + i));
}

static bool check(struct ping *p, uint64_t base, uint32_t n)
{
	uint32_t i;

	for (i = 0; i < n; i++) {
		uint64_t at = tool_check(slot_at(p, base + i), p->wish.size,
					 p->wish.seed, pattern(p, base + i));

		if (at == p->wish.size)
			continue;
		return tool_error("transfer %llu: wrong from byte %llu on",
				  (unsigned long long)base + i,
				  (unsigned long long)at);
	}
	return true;
}

static enum ping_rc post(struct ping *p, uint64_t i)
{
	enum ping_rc rc;

	if (p->wish.op != OP_SEND)
		return ping_post_rdma(p, slot_at(p, i), peer_slot(p, i),
				      p->wish.size);
	rc = ping_take_credit(p);
	if (rc != PING_OK)
		return rc;
	return ping_posted(p, "Send",
			   ping_post_send(p, slot_at(p, i),
					  (uint32_t)p->wish.size));
}

/* depth transfers at once, no slot twice where its contents matter */
static enum ping_rc transfer(struct ping *p, uint64_t base, uint32_t n)
{
	uint32_t i, window = p->wish.depth;
	enum ping_rc rc = PING_OK;

	if (window > p->data_slots)
		window = p->data_slots;
	for (i = 0; rc == PING_OK && i < n; i++) {
		rc = ping_wait_sends(p, window - 1);
		if (rc == PING_OK)
			rc = post(p, base + i);
	}
	return rc == PING_OK ? ping_wait_sends(p, 0) : rc;
}

static uint32_t slots_used(const struct ping *p, uint32_t n)
{
	return n < p->data_slots ? n : p->data_slots;
}

static enum ping_rc write_batch(struct ping *p, uint64_t base, uint32_t n,
				double *seconds, bool *good)
{
	enum ping_rc rc;
	double t;

	fill(p, base, slots_used(p, n));
	t = tool_now();
	rc = transfer(p, base, n);
	*seconds += tool_now() - t;
	if (rc != PING_OK)
		return rc;
	return ping_ask(p, MSG_CHECK, base, slots_used(p, n), MSG_CHECKED,
			good);
}

static enum ping_rc read_batch(struct ping *p, uint64_t base, uint32_t n,
			       double *seconds, bool *good)
{
	enum ping_rc rc = ping_ask(p, MSG_FILL, base, slots_used(p, n),
				   MSG_FILLED, good);
	double t = tool_now();

	if (rc == PING_OK)
		rc = transfer(p, base, n);
	*seconds += tool_now() - t;
	if (rc == PING_OK && !check(p, base, slots_used(p, n)))
		*good = false;
	return rc;
}

static enum ping_rc send_batch(struct ping *p, uint64_t base, uint32_t n,
			       double *seconds, bool *good)
{
	enum ping_rc rc;
	double t;

	(void)good; /* the server looks at each message and tells in DONE */
	fill(p, base, slots_used(p, n));
	t = tool_now();
	rc = transfer(p, base, n);
	*seconds += tool_now() - t;
	return rc;
}

typedef enum ping_rc (*batch_fn)(struct ping *p, uint64_t base, uint32_t n,
				 double *seconds, bool *good);
static const batch_fn batches[OP_COUNT] = {
	[OP_SEND] = send_batch,
	[OP_WRITE] = write_batch,
	[OP_READ] = read_batch,
};

static uint32_t batch_size(const struct ping *p, uint64_t done)
{
	uint64_t left = p->wish.count - done;

	if (p->wish.keep)
		return p->data_slots;
	if (p->wish.test == TEST_BW || left < p->data_slots)
		return (uint32_t)left;
	return p->data_slots;
}

static bool more(const struct ping *p, uint64_t done)
{
	return p->wish.keep ? !atomic_load(&ping_stop) : done < p->wish.count;
}

enum ping_rc ping_drive(struct ping *p)
{
	enum ping_rc rc = PING_OK;
	double seconds = 0;
	uint64_t done = 0;
	bool good = true;

	if (p->wish.test == TEST_LAT)
		return ping_latency(p);
	while (rc == PING_OK && good && more(p, done)) {
		uint32_t n = batch_size(p, done);

		rc = batches[p->wish.op](p, done, n, &seconds, &good);
		if (rc != PING_OK)
			break;
		if (p->wish.keep && !done)
			tool_event("transferring op=write size=%llu",
				   (unsigned long long)p->wish.size);
		done += n;
	}
	if (rc == PING_OK)
		rc = ping_ask(p, MSG_DONE, done, 0, MSG_DONE, &good);
	ping_report(p, done, seconds, good);
	return rc;
}

void ping_report(struct ping *p, uint64_t count, double seconds, bool good)
{
	double bytes = (double)count * (double)p->wish.size;

	p->wrong = p->wrong || !good;
	tool_event("transfer op=%s size=%llu count=%llu bytes=%.0f "
		   "seconds=%.6f MBps=%.1f verify=%s",
		   ping_op_names[p->wish.op], (unsigned long long)p->wish.size,
		   (unsigned long long)count, bytes, seconds,
		   seconds > 0 ? bytes / seconds / 1e6 : 0,
		   good ? "ok" : "FAILED");
}
