// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * test_frontend.c - wrong vhost-user messages: headers, sizes, descriptors,
 * pieces, floods
 */
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "fixture.h"
#include "siege.h"

/* --- headers, sizes, descriptors ------------------------------------- */

static const struct {
	uint32_t request;
	uint32_t min, max;
	int fds;
} known[] = {
	{VHOST_USER_GET_FEATURES, 0, 0, 0},
	{VHOST_USER_SET_FEATURES, 8, 8, 0},
	{VHOST_USER_SET_OWNER, 0, 0, 0},
	{VHOST_USER_SET_MEM_TABLE, 40, 264, 8},
	{VHOST_USER_SET_VRING_NUM, 8, 8, 0},
	{VHOST_USER_SET_VRING_ADDR, 40, 40, 0},
	{VHOST_USER_SET_VRING_BASE, 8, 8, 0},
	{VHOST_USER_GET_VRING_BASE, 8, 8, 0},
	{VHOST_USER_SET_VRING_KICK, 8, 8, 1},
	{VHOST_USER_SET_VRING_CALL, 8, 8, 1},
	{VHOST_USER_SET_VRING_ERR, 8, 8, 1},
	{VHOST_USER_GET_PROTOCOL_FEATURES, 0, 0, 0},
	{VHOST_USER_SET_PROTOCOL_FEATURES, 8, 8, 0},
	{VHOST_USER_GET_QUEUE_NUM, 0, 0, 0},
	{VHOST_USER_SET_VRING_ENABLE, 8, 8, 0},
	{VHOST_USER_SET_BACKEND_REQ_FD, 0, 0, 1},
	{VHOST_USER_GET_CONFIG, 12, 268, 0},
	{VHOST_USER_SET_CONFIG, 12, 268, 0},
	{VHOST_USER_RESET_DEVICE, 0, 0, 0},
	{VHOST_USER_GET_MAX_MEM_SLOTS, 0, 0, 0},
	{VHOST_USER_ADD_MEM_REG, 40, 40, 1},
	{VHOST_USER_REM_MEM_REG, 40, 40, 1},
	{VHOST_USER_SET_STATUS, 8, 8, 0},
	{VHOST_USER_GET_STATUS, 0, 0, 0},
};
#define KNOWN (int)(sizeof(known) / sizeof(known[0]))

static bool is_known(uint32_t request)
{
	if (request == 4) /* RESET_OWNER, of old front ends */
		return true;
	for (int i = 0; i < KNOWN; i++)
		if (known[i].request == request)
			return true;
	return false;
}

START_TEST(unknown_requests)
{
	static const uint32_t far[] = {100,	   255,	       256,
				       0x7fffffff, 0x80000000, 0xffffffff};

	for (uint32_t r = 0; r < 60; r++) {
		uint32_t req = r < 54 ? r : far[r - 54];

		if (is_known(req))
			continue;
		evil_send(&evil, (struct vhost_user_hdr){req, 1, 0}, NULL, 0,
			  NULL, 0);
		siege_hangup("request", req);
		siege_again();
	}
}
END_TEST

START_TEST(wrong_flags)
{
	static const uint32_t flags[] = {0, 2, 3, 5, 0xffffffff, 0xd};

	for (size_t i = 0; i < sizeof(flags) / sizeof(flags[0]); i++) {
		evil_send(&evil, (struct vhost_user_hdr){1, flags[i], 0}, NULL,
			  0, NULL, 0);
		siege_hangup("flags", flags[i]);
		siege_again();
	}
}
END_TEST

static void wrong_size(int row)
{
	uint32_t req = known[row].request, min = known[row].min;
	const uint32_t sizes[] = {min - 1,    known[row].max + 1, 4096,
				  0x7fffffff, 0x80000000,	  0xffffffff};
	static const uint8_t body[8192];

	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		struct vhost_user_hdr hdr = {req, 1, sizes[i]};

		if (sizes[i] == 0xffffffff && !min && !i)
			continue; /* 0 - 1 */
		evil_send(&evil, hdr, body,
			  sizes[i] < sizeof(body) ? sizes[i] : sizeof(body),
			  NULL, 0);
		siege_hangup("size", sizes[i]);
		siege_again();
	}
}

START_TEST(wrong_sizes)
{
	siege_rows(wrong_size, KNOWN);
}
END_TEST

static void too_many_of_one(int row)
{
	static const uint8_t body[512];
	int fds[EVIL_MAX_FDS];

	for (int n = known[row].fds + 1; n <= EVIL_MAX_FDS; n += 7) {
		for (int i = 0; i < n; i++)
			fds[i] = evil.event_fd;
		evil_say(&evil, known[row].request, body, known[row].min, fds,
			 n);
		siege_hangup("descriptors", (uint32_t)n);
		siege_again();
	}
}

START_TEST(too_many_descriptors)
{
	siege_rows(too_many_of_one, KNOWN);
}
END_TEST

START_TEST(missing_descriptors)
{
	static const uint32_t req[] = {
		VHOST_USER_SET_MEM_TABLE,      VHOST_USER_ADD_MEM_REG,
		VHOST_USER_SET_BACKEND_REQ_FD, VHOST_USER_SET_VRING_KICK,
		VHOST_USER_SET_VRING_CALL,     VHOST_USER_SET_VRING_ERR};
	static const uint8_t body[64];

	for (size_t i = 0; i < sizeof(req) / sizeof(req[0]); i++) {
		uint32_t size = req[i] < VHOST_USER_SET_VRING_NUM	  ? 40
				: req[i] == VHOST_USER_ADD_MEM_REG	  ? 40
				: req[i] == VHOST_USER_SET_BACKEND_REQ_FD ? 0
									  : 8;

		evil_say(&evil, req[i], body, size, NULL, 0);
		siege_hangup("request", req[i]);
		siege_again();
	}
}
END_TEST

/* --- pieces ---------------------------------------------------------- */

/* The first n bytes of a message and then nothing more, or the end */
START_TEST(half_messages)
{
	struct __attribute__((packed)) {
		struct vhost_user_hdr hdr;
		uint64_t v;
	} m = {{VHOST_USER_SET_FEATURES, 1, 8}, 1ull << 32};

	for (size_t n = 1; n < 20; n++) {
		ck_assert_int_eq(send(evil.sock, &m, n, MSG_NOSIGNAL),
				 (ssize_t)n);
		siege_neighbours(); /* nobody waits for the rest */
		siege_again();
	}
	/* a byte at a time is slow, not wrong */
	for (size_t n = 0; n < 20; n++)
		ck_assert_int_eq(
			send(evil.sock, (char *)&m + n, 1, MSG_NOSIGNAL), 1);
	ck_assert(evil_alive(&evil));
}
END_TEST

START_TEST(descriptors_with_each_piece)
{
	uint8_t piece = 1;
	struct iovec iov = {&piece, 1};
	union {
		char buf[CMSG_SPACE(4 * sizeof(int))];
		struct cmsghdr align;
	} control = {0};
	struct msghdr msg = {.msg_iov = &iov,
			     .msg_iovlen = 1,
			     .msg_control = &control,
			     .msg_controllen = sizeof(control)};
	struct cmsghdr *c = CMSG_FIRSTHDR(&msg);
	int fds[4] = {evil.mem_fd, evil.mem_fd, evil.event_fd, evil.event_fd};

	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(sizeof(fds));
	memcpy(CMSG_DATA(c), fds, sizeof(fds));
	for (int i = 0; i < 20; i++)
		if (sendmsg(evil.sock, &msg, MSG_NOSIGNAL) != 1)
			break;
	siege_hangup("pieces", 0);
}
END_TEST

static void garbage_of(int row)
{
	static uint32_t junk[16384];
	uint32_t x = 2463534242u + (uint32_t)row;

	for (size_t i = 0; i < sizeof(junk) / sizeof(junk[0]); i++) {
		x ^= x << 13;
		x ^= x >> 17;
		x ^= x << 5;
		junk[i] = x;
	}
	/* even turns begin as a message does */
	if (!(row & 1)) {
		junk[0] = known[row % KNOWN].request;
		junk[1] = 1;
		junk[2] = known[row % KNOWN].min;
	}
	send(evil.sock, junk, sizeof(junk), MSG_NOSIGNAL);
	shutdown(evil.sock, SHUT_WR);
	siege_hangup("seed", (uint32_t)row);
}

START_TEST(garbage)
{
	siege_rows(garbage_of, 24);
}
END_TEST

/* Good messages in any order with any values: no crash.  Seeded by _i */
START_TEST(random_messages)
{
	uint64_t x = 0x2545f4914f6cdd1dull + (uint64_t)_i * 77;

	for (int n = 0; n < 400; n++) {
		uint64_t body[34];
		int k;

		for (size_t i = 0; i < 34; i++) {
			x ^= x << 13;
			x ^= x >> 7;
			x ^= x << 17;
			body[i] = x >> 60 ? x % 4 : x;
			if (x >> 58 & 1)
				body[i] &= 0x1ff000;
		}
		k = (int)((x >> 20) % (uint64_t)KNOWN);
		if (!evil_say(&evil, known[k].request, body, known[k].min,
			      &evil.mem_fd,
			      known[k].fds == 1 && (x >> 40 & 3)) ||
		    (n % 8 == 7 && !evil_alive(&evil))) {
			siege_again();
			if (x >> 33 & 1)
				siege_ready();
		}
	}
	ck_assert(daemon_alive(&fx.daemon));
}
END_TEST

/* --- patience -------------------------------------------------------- */

START_TEST(answers_are_not_read)
{
	int flags = fcntl(evil.sock, F_GETFL);
	uint32_t n = 0;

	fcntl(evil.sock, F_SETFL, flags | O_NONBLOCK);
	for (; n < 200000; n++)
		if (!evil_say(&evil, VHOST_USER_GET_FEATURES, NULL, 0, NULL, 0))
			break;
	siege_neighbours();
	fcntl(evil.sock, F_SETFL, flags);
	siege_hangup("messages", n);
}
END_TEST

/* One front end at a time; those who come too many are told at once */
START_TEST(floods_of_connections)
{
	struct evil more[64];

	siege_ready();
	for (int round = 0; round < 4; round++) {
		for (int i = 0; i < 64; i++)
			evil_open(&more[i], fx.daemon.socket[2]);
		for (int i = 0; i < 64; i++) {
			ck_assert(evil_hung_up(&more[i]));
			evil_close(&more[i]);
		}
	}
	ck_assert(evil_alive(&evil)); /* who was there is not disturbed */
	for (int i = 0; i < 300; i++)
		siege_again();
}
END_TEST

/* Refusals that are answers, not the end */
START_TEST(configuration_out_of_range)
{
	struct {
		uint32_t offset, size, flags;
		uint8_t region[256];
	} c = {.offset = 4096, .size = 16};
	struct vhost_user_hdr r;

	ck_assert(evil_features(&evil));
	ck_assert(evil_say(&evil, VHOST_USER_GET_CONFIG, &c, 12 + 16, NULL, 0));
	ck_assert_int_eq(recv(evil.sock, &r, sizeof(r), MSG_WAITALL),
			 sizeof(r));
	ck_assert_uint_eq(r.request, VHOST_USER_GET_CONFIG);
	ck_assert_uint_eq(r.size, 0);
	c.offset = 0; /* nothing there can be written */
	ck_assert(evil_say(&evil, VHOST_USER_SET_CONFIG, &c, 12 + 16, NULL, 0));
	ck_assert(evil_alive(&evil));
}
END_TEST

/* The channel for our own messages leads nowhere, and then it is needed */
START_TEST(channel_that_leads_nowhere)
{
	struct __attribute__((packed)) ring {
		struct {
			uint64_t addr;
			uint32_t len;
			uint16_t flags, next;
		} d[64];
		uint16_t avail_flags, idx, head[16];
	} * ring;
	uint64_t kick = 1;
	int sv[2];

	siege_ready();
	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, sv), 0);
	if (_i) /* nobody reads, or nobody is there */
		close(sv[0]);
	ck_assert(evil_say(&evil, VHOST_USER_SET_BACKEND_REQ_FD, NULL, 0,
			   &sv[1], 1));
	ring = mmap(NULL, EVIL_MEM, PROT_READ | PROT_WRITE, MAP_SHARED,
		    evil.mem_fd, 0);
	ring->d[0].addr = ~0ull; /* outside memory: the device breaks */
	ring->d[0].len = 16;
	ring->idx = 1;
	ck_assert(evil_kick(&evil, 0));
	ck_assert_int_eq(write(evil.event_fd, &kick, 8), 8);
	siege_neighbours();
	munmap(ring, EVIL_MEM);
	close(sv[1]);
	if (!_i)
		close(sv[0]);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("hostile front end");
	TCase *tc = add_case(s, "messages", 60);

	tcase_add_checked_fixture(tc, siege_setup, siege_teardown);
	tcase_add_test(tc, unknown_requests);
	tcase_add_test(tc, wrong_flags);
	tcase_add_test(tc, wrong_sizes);
	tcase_add_test(tc, too_many_descriptors);
	tcase_add_test(tc, missing_descriptors);
	tcase_add_test(tc, half_messages);
	tcase_add_test(tc, descriptors_with_each_piece);
	tcase_add_test(tc, garbage);
	tcase_add_loop_test(tc, random_messages, 0, 6);
	tcase_add_test(tc, answers_are_not_read);
	tcase_add_test(tc, floods_of_connections);
	tcase_add_test(tc, configuration_out_of_range);
	tcase_add_loop_test(tc, channel_that_leads_nowhere, 0, 2);
	return run_suite(s);
}
