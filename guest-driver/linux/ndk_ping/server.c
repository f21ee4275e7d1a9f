// SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-or-later
/*
 * server.c - the server follows: checks, fills, answers
 */
#include <linux/math64.h>

#include "ping.h"

struct served {
	u64 first_ns;
	u64 checked;
	u64 in_batch;		/* data messages since the last CHECK */
	bool good;
};

static u8 *slot_at(struct ping *p, u64 index)
{
	return p->data + (index % p->data_slots) * p->slot_size;
}

static enum rc answer(struct ping *p, enum ping_type type, bool good)
{
	struct ping_msg m = { .type = type, .good = good };

	return say(p, &m);
}

/* Writes lie in the data slots; sends were looked at as they came */
static enum rc on_check(struct ping *p, struct served *s,
			const struct ping_msg *m)
{
	u32 n = min_t(u32, m->count, p->data_slots), i;
	bool good = s->good;

	for (i = 0; i < n && p->wish.op == OP_WRITE; i++)
		good &= pattern_check(slot_at(p, m->base + i), p->wish.size,
				      p->wish.seed, m->base + i);
	if (p->wish.op == OP_SEND)
		good &= s->in_batch == n;
	s->in_batch = 0;
	s->good = good;
	s->checked = m->base + n;
	return answer(p, MSG_CHECKED, good);
}

static enum rc on_fill(struct ping *p, struct served *s,
		       const struct ping_msg *m)
{
	u32 n = min_t(u32, m->count, p->data_slots), i;

	for (i = 0; i < n; i++)
		pattern_fill(slot_at(p, m->base + i), p->wish.size,
			     p->wish.seed, m->base + i);
	s->checked = m->base + n;
	return answer(p, MSG_FILLED, true);
}

static enum rc on_done(struct ping *p, struct served *s,
		       const struct ping_msg *m)
{
	u64 us = div_u64(ktime_get_ns() - s->first_ns, NSEC_PER_USEC);
	enum rc rc;

	/* what was read is the client's to judge */
	if (p->wish.op == OP_READ)
		s->good = m->count;
	if (p->wish.test != TEST_LAT)
		report(p, m->base, us, s->good);
	rc = answer(p, MSG_DONE, s->good);
	if (rc == RC_OK)
		rc = wait_sends(p, 0);
	if (rc == RC_OK && !s->good) {
		run_error(p->run, "contents are wrong");
		rc = RC_FAILED;
	}
	return rc;
}

/* Data and messages share the receive queue; a batch's data come first, so
 * which is which follows from the count */
static bool is_data(struct ping *p, const struct served *s, u32 bytes,
		    const struct ping_msg *m)
{
	u64 left = p->wish.count - s->checked;

	if (p->wish.op != OP_SEND || s->in_batch >= p->data_slots ||
	    s->in_batch >= left)
		return false;
	/* "stop" may end a batch early; the magic tells, the size must fit */
	return bytes != MSG_SIZE || m->magic != PING_MAGIC;
}

static enum rc on_data(struct ping *p, struct served *s, u32 slot, u32 bytes)
{
	u64 index = s->checked + s->in_batch++;

	s->good &= bytes == p->wish.size &&
		   pattern_check(p->recv_area + slot * p->recv_size, bytes,
				 p->wish.seed, index);
	return again(p, slot);
}

static enum rc one(struct ping *p, struct served *s, bool *done)
{
	struct ping_msg m;
	u32 slot, bytes;
	enum rc rc = wait_arrival(p, &slot, &bytes);

	if (rc != RC_OK)
		return rc;
	if (!s->first_ns)
		s->first_ns = ktime_get_ns();
	memcpy(&m, p->recv_area + slot * p->recv_size, sizeof(m));
	if (is_data(p, s, bytes, &m))
		return on_data(p, s, slot, bytes);
	rc = take_message(p, slot, bytes, &m);
	if (rc != RC_OK)
		return rc;
	switch (m.type) {
	case MSG_CHECK:
		return on_check(p, s, &m);
	case MSG_FILL:
		return on_fill(p, s, &m);
	case MSG_DONE:
		*done = true;
		return on_done(p, s, &m);
	default:
		run_error(p->run, "the peer said %u, which is no request", m.type);
		return RC_FAILED;
	}
}

enum rc serve(struct ping *p)
{
	struct served s = { .good = true };
	enum rc rc = RC_OK;
	bool done = false;

	if (p->wish.test == TEST_LAT && p->wish.op == OP_SEND)
		return echo(p);
	while (rc == RC_OK && !done)
		rc = one(p, &s, &done);
	return rc;
}
