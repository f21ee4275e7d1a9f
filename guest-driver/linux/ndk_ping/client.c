// SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-or-later
/*
 * client.c - the client leads through the test
 */
#include <linux/math64.h>

#include "ping.h"

static u8 *slot_at(struct ping *p, u64 index)
{
	return p->data + (index % p->data_slots) * p->slot_size;
}

static enum rc post_one(struct ping *p, u64 index)
{
	u64 remote = p->peer_addr + (index % p->data_slots) * p->slot_size;
	NTSTATUS st = p->wish.op == OP_SEND ?
			      post_send(p, slot_at(p, index), p->wish.size) :
			      post_rdma(p, slot_at(p, index), remote);

	if (st == STATUS_SUCCESS)
		return RC_OK;
	tell_indication(p);
	if (p->told || p->broken != STATUS_SUCCESS ||
	    st == STATUS_DEVICE_REMOVED)
		return RC_LOST;
	run_status_error(p->run, "post a transfer", st, "see dmesg");
	return RC_FAILED;
}

static enum rc ask(struct ping *p, enum ping_type type, u64 base, u32 count,
		   enum ping_type answer, bool *good)
{
	struct ping_msg m = { .type = type, .base = base, .count = count };
	enum rc rc = say(p, &m);

	if (rc == RC_OK)
		rc = hear(p, answer, &m);
	if (rc == RC_OK && good)
		*good &= m.good;
	return rc;
}

static enum rc post_batch(struct ping *p, u64 base, u32 n)
{
	enum rc rc = RC_OK;
	u32 i;

	for (i = 0; i < n && rc == RC_OK; i++)
		rc = post_one(p, base + i);
	return rc == RC_OK ? wait_sends(p, 0) : rc;
}

static void fill_batch(struct ping *p, u64 base, u32 n)
{
	u32 i;

	for (i = 0; i < n; i++)
		pattern_fill(slot_at(p, base + i), p->wish.size, p->wish.seed,
			     base + i);
}

static bool check_batch(struct ping *p, u64 base, u32 n)
{
	u32 i;

	for (i = 0; i < n; i++)
		if (!pattern_check(slot_at(p, base + i), p->wish.size,
				   p->wish.seed, base + i))
			return false;
	return true;
}

/* A batch, checked by whoever received it */
static enum rc checked_batch(struct ping *p, u64 base, u32 n, bool *good)
{
	enum rc rc;

	if (p->wish.op == OP_READ) {
		rc = ask(p, MSG_FILL, base, n, MSG_FILLED, NULL);
		if (rc == RC_OK)
			rc = post_batch(p, base, n);
		if (rc == RC_OK)
			*good &= check_batch(p, base, n);
		return rc;
	}
	fill_batch(p, base, n);
	rc = post_batch(p, base, n);
	return rc == RC_OK ? ask(p, MSG_CHECK, base, n, MSG_CHECKED, good) : rc;
}

/* Sends are always checked batch by batch: the server has to look at them to
 * post their receives again */
static bool unchecked(struct ping *p, u64 left)
{
	return p->wish.test == TEST_BW && p->wish.op != OP_SEND &&
	       left > p->data_slots;
}

static enum rc all_batches(struct ping *p, u64 *done, bool *good)
{
	u64 count = p->wish.count;
	enum rc rc = RC_OK;
	u32 n;

	while (rc == RC_OK && *good && (p->wish.keep || *done < count)) {
		if (READ_ONCE(p->run->stop))
			break;
		if (p->wish.keep && *done == 1)
			run_event(p->run, "transferring op=%s size=%llu",
				  ping_op_names[p->wish.op], p->wish.size);
		n = p->wish.keep ? 1 : min_t(u64, count - *done, p->data_slots);
		if (unchecked(p, count - *done))
			rc = post_batch(p, *done, n);
		else
			rc = checked_batch(p, *done, n, good);
		*done += n;
	}
	return rc;
}

void report(struct ping *p, u64 count, u64 us, bool good)
{
	u64 bytes = count * p->wish.size;
	u64 hundredths = div64_u64(bytes * 100, us ?: 1);
	u32 us_rest = do_div(us, USEC_PER_SEC);
	u32 rest = do_div(hundredths, 100);

	run_event(p->run, "transfer op=%s size=%llu count=%llu bytes=%llu seconds=%llu.%06u MBps=%llu.%02u verify=%s",
		  ping_op_names[p->wish.op], p->wish.size, count, bytes, us,
		  us_rest, hundredths, rest, good ? "ok" : "FAILED");
}

static enum rc transfers(struct ping *p)
{
	u64 start = ktime_get_ns(), done = 0;
	bool good = true;
	enum rc rc = all_batches(p, &done, &good);

	if (rc != RC_OK)
		return rc;
	report(p, done, div_u64(ktime_get_ns() - start, NSEC_PER_USEC), good);
	if (!good)
		run_error(p->run, "contents are wrong");
	rc = ask(p, MSG_DONE, done, good, MSG_DONE, NULL);
	return good ? rc : RC_FAILED;
}

enum rc drive(struct ping *p)
{
	if (p->wish.test == TEST_LAT)
		return latency(p);
	return transfers(p);
}
