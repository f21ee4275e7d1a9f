/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-or-later */
/*
 * ping_message.c - control messages and credits
 */
#include <endian.h>
#include <string.h>

#include "ping.h"

static void to_wire(struct ping_msg *w, const struct ping_msg *m)
{
	memset(w, 0, sizeof(*w));
	w->magic = htole32(PING_MAGIC);
	w->type = htole16(m->type);
	w->good = htole16(m->good);
	w->addr = htole64(m->addr);
	w->token = htole32(m->token);
	w->slots = htole32(m->slots);
	w->base = htole64(m->base);
	w->count = htole32(m->count);
	w->credit = htole32(m->credit);
	w->who = htole32(m->who);
}

static void from_wire(struct ping_msg *m, const struct ping_msg *w)
{
	m->magic = le32toh(w->magic);
	m->type = le16toh(w->type);
	m->good = le16toh(w->good);
	m->addr = le64toh(w->addr);
	m->token = le32toh(w->token);
	m->slots = le32toh(w->slots);
	m->base = le64toh(w->base);
	m->count = le32toh(w->count);
	m->credit = le32toh(w->credit);
	m->who = le32toh(w->who);
}

/* ------------------------------------------------------------------ sending */

/* The slots are used in turn, so the oldest message must have gone */
enum ping_rc ping_say(struct ping *p, const struct ping_msg *m)
{
	struct ping_msg *slots = (void *)p->memory, full = *m;
	enum ping_rc rc = PING_OK;
	HRESULT hr;

	if (p->client)
		rc = ping_take_credit(p);
	if (rc == PING_OK && p->send_turn % p->send_slots == 0)
		rc = ping_wait_sends(p, 0);
	if (rc != PING_OK)
		return rc;
	if (!p->client) {
		full.credit = p->owed;
		p->owed = 0;
	}
	to_wire(&slots[p->send_turn % p->send_slots], &full);
	hr = ping_post_send(p, &slots[p->send_turn % p->send_slots],
			    sizeof(full));
	p->send_turn++;
	return ping_posted(p, "Send", hr);
}

/* ---------------------------------------------------------------- receiving */

/* The next message, raw; ping_again() gives its receive back */
enum ping_rc ping_next(struct ping *p, const uint8_t **at, uint32_t *bytes,
		       uint32_t *slot)
{
	struct arrival a;
	enum ping_rc rc = ping_wait_arrival(p, &a);

	if (rc != PING_OK)
		return rc;
	*at = p->recv_area + a.slot * p->recv_size;
	*bytes = a.bytes;
	*slot = a.slot;
	return PING_OK;
}

enum ping_rc ping_again(struct ping *p, uint32_t slot)
{
	p->owed++;
	return ping_posted(p, "Receive", ping_post_receive(p, slot));
}

enum ping_rc ping_hear_any(struct ping *p, struct ping_msg *m)
{
	struct ping_msg w;
	const uint8_t *at;
	uint32_t bytes, slot;
	enum ping_rc rc = ping_next(p, &at, &bytes, &slot);

	if (rc != PING_OK)
		return rc;
	if (bytes != sizeof(w)) {
		tool_error("a message of %u bytes where one of %zu belongs; "
			   "is the peer an nd_ping of this version?", bytes,
			   sizeof(w));
		return PING_FAILED;
	}
	memcpy(&w, at, sizeof(w));
	from_wire(m, &w);
	if (m->magic != PING_MAGIC) {
		tool_error("a message with a wrong mark; is the peer an nd_ping "
			   "of this version?");
		return PING_FAILED;
	}
	p->credits += m->credit;
	return ping_again(p, slot);
}

/* Credits may come in between */
enum ping_rc ping_hear(struct ping *p, enum ping_type want, struct ping_msg *m)
{
	enum ping_rc rc;

	do {
		rc = ping_hear_any(p, m);
	} while (rc == PING_OK && m->type == MSG_CREDIT && want != MSG_CREDIT);
	if (rc == PING_OK && m->type != want) {
		tool_error("message %u where %u belongs", m->type, want);
		return PING_FAILED;
	}
	return rc;
}

enum ping_rc ping_take_credit(struct ping *p)
{
	struct ping_msg m;
	enum ping_rc rc = PING_OK;

	while (rc == PING_OK && !p->credits)
		rc = ping_hear(p, MSG_CREDIT, &m);
	if (rc == PING_OK)
		p->credits--;
	return rc;
}

/* ------------------------------------------------------------ conversations */

static void take_hello(struct ping *p, const struct ping_msg *m)
{
	p->peer_addr = m->addr;
	p->peer_token = m->token;
	if (p->client) {
		p->credits = m->slots;
		p->who = m->who < WHO_COUNT ? (enum ping_who)m->who :
					      WHO_CLIENT;
	}
}

/* The client speaks first: some wires want that of the active side.  The
 * server's answer counts its receives, this first one among them, afresh. */
enum ping_rc ping_hello(struct ping *p)
{
	struct ping_msg theirs, ours = {
		.type = MSG_HELLO,
		.addr = (uintptr_t)p->data,
		.token = p->token,
		.slots = p->recv_slots,
		.who = p->who,
	};
	enum ping_rc rc = PING_OK;

	p->credits = 1;
	if (p->client)
		rc = ping_say(p, &ours);
	if (rc == PING_OK)
		rc = ping_hear(p, MSG_HELLO, &theirs);
	if (rc != PING_OK)
		return rc;
	take_hello(p, &theirs);
	p->owed = 0;
	return p->client ? PING_OK : ping_say(p, &ours);
}

enum ping_rc ping_ask(struct ping *p, enum ping_type type, uint64_t base,
		      uint32_t count, enum ping_type answer, bool *good)
{
	struct ping_msg m = { .type = type, .base = base, .count = count,
			      .good = *good };
	enum ping_rc rc = ping_say(p, &m);

	if (rc == PING_OK)
		rc = ping_hear(p, answer, &m);
	if (rc == PING_OK && !m.good)
		*good = false;
	return rc;
}
