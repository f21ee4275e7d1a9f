/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-or-later */
/*
 * ping_server.c - the server's part of the tests
 */
#include <string.h>

#include "ping.h"

struct served {
	uint64_t count;		/* transfers seen */
	double first;		/* after the greeting */
	double last;		/* when one was last seen */
	bool good;
};

static uint8_t *slot_at(const struct ping *p, uint64_t i)
{
	return p->data + i % p->data_slots *
	       ((p->wish.size + 4095) & ~4095ull);
}

static uint64_t pattern(const struct ping *p, uint64_t i)
{
	return p->wish.test == TEST_BW ? i % p->data_slots : i;
}

static void seen(struct served *s, uint64_t n)
{
	s->last = tool_now();
	s->count += n;
}

static bool right(struct ping *p, const uint8_t *at, uint64_t i)
{
	uint64_t wrong = tool_check(at, p->wish.size, p->wish.seed,
				    pattern(p, i));

	if (wrong == p->wish.size)
		return true;
	return tool_error("transfer %llu: wrong from byte %llu on",
			  (unsigned long long)i, (unsigned long long)wrong);
}

/* -------------------------------------------------------- messages with data */

/* In bw the ends of most messages and the whole of the last are looked at, or
 * looking would be what is measured.  A pattern's word depends on its place, so
 * a short prefix is a pattern too. */
static bool right_message(struct ping *p, const uint8_t *at, uint32_t bytes,
			  uint64_t i)
{
	if (bytes != p->wish.size)
		return tool_error("message %llu: %u bytes instead of %llu",
				  (unsigned long long)i, bytes,
				  (unsigned long long)p->wish.size);
	if (p->wish.test != TEST_BW || i + 1 == p->wish.count || bytes < 64)
		return right(p, at, i);
	return tool_check(at, 64, p->wish.seed, pattern(p, i)) == 64;
}

/* Half of the receives are back: tell, before the client runs dry */
static enum ping_rc give_credit(struct ping *p)
{
	const struct ping_msg m = { .type = MSG_CREDIT };

	return p->owed * 2 < p->recv_slots ? PING_OK : ping_say(p, &m);
}

static enum ping_rc receive_data(struct ping *p, struct served *s)
{
	enum ping_rc rc = PING_OK;

	while (rc == PING_OK && s->count < p->wish.count) {
		const uint8_t *at;
		uint32_t bytes, slot;

		rc = ping_next(p, &at, &bytes, &slot);
		if (rc != PING_OK)
			break;
		if (!right_message(p, at, bytes, s->count))
			s->good = false;
		seen(s, 1);
		rc = ping_again(p, slot);
		if (rc == PING_OK)
			rc = give_credit(p);
	}
	return rc;
}

/* ------------------------------------------------------------------ requests */

static enum ping_rc serve_check(struct ping *p, const struct ping_msg *m,
				struct served *s)
{
	struct ping_msg answer = { .type = MSG_CHECKED, .good = 1 };
	uint32_t i;

	for (i = 0; i < m->count && i < p->data_slots; i++)
		if (!right(p, slot_at(p, m->base + i), m->base + i))
			answer.good = 0;
	s->good = s->good && answer.good;
	seen(s, m->count);
	return ping_say(p, &answer);
}

static enum ping_rc serve_fill(struct ping *p, const struct ping_msg *m,
			       struct served *s)
{
	const struct ping_msg answer = { .type = MSG_FILLED, .good = 1 };
	uint32_t i;

	for (i = 0; i < m->count && i < p->data_slots; i++)
		tool_fill(slot_at(p, m->base + i), p->wish.size, p->wish.seed,
			  pattern(p, m->base + i));
	seen(s, m->count);
	return ping_say(p, &answer);
}

/* DONE counts the transfers, which is more than the checks saw in bw */
static enum ping_rc serve_done(struct ping *p, const struct ping_msg *m,
			       struct served *s)
{
	struct ping_msg answer = { .type = MSG_DONE };

	s->good = s->good && m->good;
	if (p->wish.op == OP_SEND && m->base != s->count)
		s->good = tool_error("%llu messages instead of %llu",
				     (unsigned long long)s->count,
				     (unsigned long long)m->base);
	s->count = m->base;
	s->last = tool_now();
	answer.good = s->good;
	ping_report(p, s->count, s->last - s->first, s->good);
	return ping_say(p, &answer);
}

static enum ping_rc serve_request(struct ping *p, const struct ping_msg *m,
				  struct served *s)
{
	switch (m->type) {
	case MSG_CHECK:
		return serve_check(p, m, s);
	case MSG_FILL:
		return serve_fill(p, m, s);
	case MSG_DONE:
		return serve_done(p, m, s);
	default:
		tool_error("message %u in the middle of a test", m->type);
		return PING_FAILED;
	}
}

enum ping_rc ping_serve(struct ping *p)
{
	double now = tool_now();
	struct served s = { .good = true, .first = now, .last = now };
	struct ping_msg m = { 0 };
	enum ping_rc rc = PING_OK;

	if (p->wish.test == TEST_LAT && p->wish.op == OP_SEND)
		rc = ping_latency(p);
	else if (p->wish.op == OP_SEND)
		rc = receive_data(p, &s);
	if (p->wish.test == TEST_LAT && p->wish.op == OP_SEND)
		s.count = p->wish.count;
	while (rc == PING_OK && m.type != MSG_DONE) {
		rc = ping_hear_any(p, &m);
		if (rc == PING_OK)
			rc = serve_request(p, &m, &s);
	}
	if (rc == PING_LOST)
		ping_report(p, s.count, s.last - s.first, s.good);
	return rc;
}
