// SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-or-later
/*
 * talk.c - messages between the two ends
 *
 * The wire format is little-endian; so are the machines this is built for.
 */
#include "ping.h"

static enum rc lost_or_failed(struct ping *p, const char *what, NTSTATUS st)
{
	if (st == STATUS_SUCCESS)
		return RC_OK;
	tell_indication(p);
	if (p->told || st == STATUS_CONNECTION_INVALID ||
	    st == STATUS_DEVICE_REMOVED)
		return RC_LOST;
	run_status_error(p->run, what, st, "see dmesg");
	return RC_FAILED;
}

/* One message slot for each send request: the wait keeps one free */
enum rc say(struct ping *p, const struct ping_msg *m)
{
	u32 room = p->wr_count - p->recv_slots;
	enum rc rc = wait_sends(p, room - 1);
	struct ping_msg *slot;
	u32 i;

	if (rc != RC_OK)
		return rc;
	for (i = 0; i < room && p->wrs[p->recv_slots + i].posted; i++)
		;
	slot = (struct ping_msg *)(p->memory + (u64)i * MSG_SIZE);
	*slot = *m;
	slot->magic = PING_MAGIC;
	return lost_or_failed(p, "NdkSend", post_send(p, slot, MSG_SIZE));
}

enum rc again(struct ping *p, u32 slot)
{
	return lost_or_failed(p, "NdkReceive", post_receive(p, slot));
}

enum rc take_message(struct ping *p, u32 slot, u32 bytes, struct ping_msg *m)
{
	memcpy(m, p->recv_area + slot * p->recv_size, sizeof(*m));
	if (bytes == MSG_SIZE && m->magic == PING_MAGIC)
		return again(p, slot);
	run_error(p->run, "a message of %u bytes that is none of the protocol's",
		  bytes);
	return RC_FAILED;
}

enum rc hear(struct ping *p, enum ping_type want, struct ping_msg *m)
{
	u32 slot, bytes;
	enum rc rc = wait_arrival(p, &slot, &bytes);

	if (rc == RC_OK)
		rc = take_message(p, slot, bytes, m);
	if (rc == RC_OK && m->type != want) {
		run_error(p->run, "the peer said %u where %u was expected",
			  m->type, want);
		rc = RC_FAILED;
	}
	return rc;
}

/* The active side speaks first: iWARP wants it so */
enum rc hello(struct ping *p)
{
	struct ping_msg mine = {
		.type = MSG_HELLO, .addr = (uintptr_t)p->data,
		.token = p->remote_token, .who = p->who,
	};
	struct ping_msg m;
	enum rc rc = p->client ? say(p, &mine) : RC_OK;

	if (rc == RC_OK)
		rc = hear(p, MSG_HELLO, &m);
	if (rc == RC_OK && !p->client)
		rc = say(p, &mine);
	if (rc != RC_OK)
		return rc;
	p->peer_addr = m.addr;
	p->peer_token = m.token;
	if (p->client && m.who < WHO_COUNT)
		p->who = m.who;
	return RC_OK;
}
