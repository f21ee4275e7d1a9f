// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * test_frontend.c - a front end that breaks the vhost-user protocol
 *
 * DOC: The front end is hung up on, vrdmad lives, the place is free for the
 * next front end, and the connection of two neighbours moves its bytes.
 */
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "evil.h"
#include "fixture.h"

static struct pair near;	/* guests 0 and 1; guest 2 is the bad one */
static struct evil e;
static uint32_t round_nr;

static void setup(void)
{
	struct daemon_opts o = { .guests = 3,
		.guest_section = FX_FEW_QUEUES FX_SMALL
				 "disconnect-timeout-ms = 2000\n" };

	fx_start(&o, 16u << 20);
	pair_open(&near, 0, 1, NULL);
	evil_open(&e, fx.daemon.socket[2]);
}

static void neighbours_transfer(void)
{
	mem_fill(&near.a.mem, ++round_nr);
	assert_status(ep_post_write(&near.a, 1, 0, 65536, &near.b, 0, 0),
		      STATUS_SUCCESS);
	assert_status(ep_next(&near.a).Status, STATUS_SUCCESS);
	ck_assert_int_eq(mem_check(near.b.mem.va, 65536, round_nr, 0), -1);
}

static void place_is_free(void)
{
	struct tguest *g = tguest_start(fx.daemon.socket[2], 4u << 20);

	ck_assert_ptr_nonnull(g);
	vrdma_close_adapter(nd_open(g));
	tguest_stop(g);
}

static void teardown(void)
{
	neighbours_transfer();
	evil_close(&e);
	place_is_free();
	ck_assert_uint_eq(near.a.indications + near.b.indications, 0);
	ep_disconnect_both(&near.a, &near.b);
	pair_close(&near);
	fx_teardown();
}

static void ready(void)		/* all that can go before goes well */
{
	ck_assert(evil_features(&e));
	ck_assert(evil_memory(&e));
	ck_assert(evil_ring(&e, 0));
}

/* --- headers, sizes, descriptors ------------------------------------------------ */

static const struct {
	uint32_t request;
	uint32_t min, max;
	int fds;
} known[] = {
	{ VHOST_USER_GET_FEATURES, 0, 0, 0 },
	{ VHOST_USER_SET_FEATURES, 8, 8, 0 },
	{ VHOST_USER_SET_OWNER, 0, 0, 0 },
	{ VHOST_USER_SET_MEM_TABLE, 40, 264, 8 },
	{ VHOST_USER_SET_VRING_NUM, 8, 8, 0 },
	{ VHOST_USER_SET_VRING_ADDR, 40, 40, 0 },
	{ VHOST_USER_SET_VRING_BASE, 8, 8, 0 },
	{ VHOST_USER_GET_VRING_BASE, 8, 8, 0 },
	{ VHOST_USER_SET_VRING_KICK, 8, 8, 1 },
	{ VHOST_USER_SET_VRING_CALL, 8, 8, 1 },
	{ VHOST_USER_SET_VRING_ERR, 8, 8, 1 },
	{ VHOST_USER_GET_PROTOCOL_FEATURES, 0, 0, 0 },
	{ VHOST_USER_SET_PROTOCOL_FEATURES, 8, 8, 0 },
	{ VHOST_USER_GET_QUEUE_NUM, 0, 0, 0 },
	{ VHOST_USER_SET_VRING_ENABLE, 8, 8, 0 },
	{ VHOST_USER_SET_BACKEND_REQ_FD, 0, 0, 1 },
	{ VHOST_USER_GET_CONFIG, 12, 268, 0 },
	{ VHOST_USER_SET_CONFIG, 12, 268, 0 },
	{ VHOST_USER_RESET_DEVICE, 0, 0, 0 },
	{ VHOST_USER_GET_MAX_MEM_SLOTS, 0, 0, 0 },
	{ VHOST_USER_ADD_MEM_REG, 40, 40, 1 },
	{ VHOST_USER_REM_MEM_REG, 40, 40, 1 },
	{ VHOST_USER_SET_STATUS, 8, 8, 0 },
	{ VHOST_USER_GET_STATUS, 0, 0, 0 },
};
#define KNOWN (int)(sizeof(known) / sizeof(known[0]))

static bool is_known(uint32_t request)
{
	if (request == 4)	/* RESET_OWNER, of old front ends */
		return true;
	for (int i = 0; i < KNOWN; i++)
		if (known[i].request == request)
			return true;
	return false;
}

static void expect_hangup(const char *what, uint32_t v)
{
	ck_assert_msg(evil_hung_up(&e), "%s %u: not hung up on", what, v);
	ck_assert_msg(daemon_alive(&fx.daemon), "%s %u: vrdmad died", what, v);
}

static void again(void)
{
	evil_close(&e);
	evil_open(&e, fx.daemon.socket[2]);
}

/* One vrdmad for all rows of a table: a start each takes longer than the row */
static void every_row(void (*fn)(int row), int rows)
{
	for (int i = 0; i < rows; i++) {
		fn(i);
		neighbours_transfer();
		again();
	}
}

START_TEST(unknown_requests)
{
	static const uint32_t far[] = { 100, 255, 256, 0x7fffffff, 0x80000000,
					0xffffffff };

	for (uint32_t r = 0; r < 60; r++) {
		uint32_t req = r < 54 ? r : far[r - 54];

		if (is_known(req))
			continue;
		evil_send(&e, (struct vhost_user_hdr){ req, 1, 0 }, NULL, 0,
			  NULL, 0);
		expect_hangup("request", req);
		again();
	}
}
END_TEST

START_TEST(wrong_flags)
{
	static const uint32_t flags[] = { 0, 2, 3, 5, 0xffffffff, 0xd };

	for (size_t i = 0; i < sizeof(flags) / sizeof(flags[0]); i++) {
		evil_send(&e, (struct vhost_user_hdr){ 1, flags[i], 0 }, NULL, 0,
			  NULL, 0);
		expect_hangup("flags", flags[i]);
		again();
	}
}
END_TEST

static void wrong_size(int row)
{
	uint32_t req = known[row].request, min = known[row].min;
	const uint32_t sizes[] = { min - 1, known[row].max + 1, 4096, 0x7fffffff,
				   0x80000000, 0xffffffff };
	static const uint8_t body[8192];

	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		struct vhost_user_hdr hdr = { req, 1, sizes[i] };

		if (sizes[i] == 0xffffffff && !min && !i)
			continue;	/* 0 - 1 */
		evil_send(&e, hdr, body,
			  sizes[i] < sizeof(body) ? sizes[i] : sizeof(body),
			  NULL, 0);
		expect_hangup("size", sizes[i]);
		again();
	}
}

START_TEST(wrong_sizes)
{
	every_row(wrong_size, KNOWN);
}
END_TEST

static void too_many_of_one(int row)
{
	static const uint8_t body[512];
	int fds[EVIL_MAX_FDS];

	for (int n = known[row].fds + 1; n <= EVIL_MAX_FDS; n += 7) {
		for (int i = 0; i < n; i++)
			fds[i] = e.event_fd;
		evil_say(&e, known[row].request, body, known[row].min, fds, n);
		expect_hangup("descriptors", (uint32_t)n);
		again();
	}
}

START_TEST(too_many_descriptors)
{
	every_row(too_many_of_one, KNOWN);
}
END_TEST

START_TEST(missing_descriptors)
{
	static const uint32_t req[] = { VHOST_USER_SET_MEM_TABLE,
		VHOST_USER_ADD_MEM_REG, VHOST_USER_SET_BACKEND_REQ_FD,
		VHOST_USER_SET_VRING_KICK, VHOST_USER_SET_VRING_CALL,
		VHOST_USER_SET_VRING_ERR };
	static const uint8_t body[64];

	for (size_t i = 0; i < sizeof(req) / sizeof(req[0]); i++) {
		uint32_t size = req[i] < VHOST_USER_SET_VRING_NUM ? 40 :
				req[i] == VHOST_USER_ADD_MEM_REG ? 40 :
				req[i] == VHOST_USER_SET_BACKEND_REQ_FD ? 0 : 8;

		evil_say(&e, req[i], body, size, NULL, 0);
		expect_hangup("request", req[i]);
		again();
	}
}
END_TEST

/* --- pieces ----------------------------------------------------------------------- */

/* The first n bytes of a message and then nothing more, or the end */
START_TEST(half_messages)
{
	struct __attribute__((packed)) {
		struct vhost_user_hdr hdr;
		uint64_t v;
	} m = { { VHOST_USER_SET_FEATURES, 1, 8 }, 1ull << 32 };

	for (size_t n = 1; n < 20; n++) {
		ck_assert_int_eq(send(e.sock, &m, n, MSG_NOSIGNAL), (ssize_t)n);
		neighbours_transfer();	/* nobody waits for the rest */
		again();
	}
	/* a byte at a time is slow, not wrong */
	for (size_t n = 0; n < 20; n++)
		ck_assert_int_eq(send(e.sock, (char *)&m + n, 1, MSG_NOSIGNAL),
				 1);
	ck_assert(evil_alive(&e));
}
END_TEST

START_TEST(descriptors_with_each_piece)
{
	uint8_t piece = 1;
	struct iovec iov = { &piece, 1 };
	union {
		char buf[CMSG_SPACE(4 * sizeof(int))];
		struct cmsghdr align;
	} control = { 0 };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1,
			      .msg_control = &control,
			      .msg_controllen = sizeof(control) };
	struct cmsghdr *c = CMSG_FIRSTHDR(&msg);
	int fds[4] = { e.mem_fd, e.mem_fd, e.event_fd, e.event_fd };

	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(sizeof(fds));
	memcpy(CMSG_DATA(c), fds, sizeof(fds));
	for (int i = 0; i < 20; i++)
		if (sendmsg(e.sock, &msg, MSG_NOSIGNAL) != 1)
			break;
	expect_hangup("pieces", 0);
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
	send(e.sock, junk, sizeof(junk), MSG_NOSIGNAL);
	shutdown(e.sock, SHUT_WR);
	expect_hangup("seed", (uint32_t)row);
}

START_TEST(garbage)
{
	every_row(garbage_of, 24);
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
		if (!evil_say(&e, known[k].request, body, known[k].min,
			      &e.mem_fd, known[k].fds == 1 && (x >> 40 & 3)) ||
		    (n % 8 == 7 && !evil_alive(&e))) {
			again();
			if (x >> 33 & 1)
				ready();
		}
	}
	ck_assert(daemon_alive(&fx.daemon));
}
END_TEST

/* --- queues -------------------------------------------------------------------------- */

#define STATE(r, i, n) { VHOST_USER_##r, 8, { (uint64_t)(n) << 32 | (i) } }
#define RING(i, d, a, u) \
	{ VHOST_USER_SET_VRING_ADDR, 40, { (i), (d), (u), (a), 0 } }
#define AT(x) (EVIL_UADDR + (x))
static const struct {
	uint32_t request, size;
	uint64_t body[5];
} queue_lies[] = {
	STATE(SET_VRING_NUM, 256, 16),
	STATE(SET_VRING_NUM, 0xffffffff, 16),
	STATE(SET_VRING_NUM, 0, 0),
	STATE(SET_VRING_NUM, 0, 3),
	STATE(SET_VRING_NUM, 0, 2048),
	STATE(SET_VRING_NUM, 0, 0x80000000),
	STATE(SET_VRING_BASE, 256, 0),
	STATE(SET_VRING_BASE, 0, 65536),
	STATE(GET_VRING_BASE, 256, 0),
	STATE(GET_VRING_BASE, 0x80000000, 0),
	STATE(SET_VRING_ENABLE, 256, 1),
	STATE(SET_VRING_ENABLE, 0, 2),
	RING(256, AT(0), AT(1024), AT(2048)),
	RING(0xffffffff, AT(0), AT(1024), AT(2048)),
	RING(0, AT(8), AT(1024), AT(2048)),
	RING(0, AT(0), AT(1025), AT(2048)),
	RING(0, AT(0), AT(1024), AT(2050)),
	RING(0, AT(EVIL_MEM - 16), AT(1024), AT(2048)),
	RING(0, AT(0), AT(EVIL_MEM - 2), AT(2048)),
	RING(0, AT(0), AT(1024), AT(EVIL_MEM - 4)),
	RING(0, AT(EVIL_MEM), AT(1024), AT(2048)),
	RING(0, EVIL_UADDR - 16, AT(1024), AT(2048)),
	RING(0, 0, 0, 0),
	RING(0, ~0ull - 15, AT(1024), AT(2048)),
	RING(1, AT(0), AT(1024), AT(2048)),		/* no size was set */
	{ VHOST_USER_SET_VRING_KICK, 8, { 0x100 } },	/* NOFD */
	{ VHOST_USER_SET_VRING_KICK, 8, { 0x200 } },
	{ VHOST_USER_SET_VRING_CALL, 8, { 1ull << 63 | 0x100 } },
	{ VHOST_USER_SET_FEATURES, 8, { 1ull << 30 } },	/* no VERSION_1 */
	{ VHOST_USER_SET_FEATURES, 8, { 1ull << 32 | 1ull << 34 } },
	{ VHOST_USER_SET_PROTOCOL_FEATURES, 8, { 1ull << 12 } },  /* in-flight */
	{ VHOST_USER_SET_PROTOCOL_FEATURES, 8, { ~0ull } },
	{ VHOST_USER_GET_CONFIG, 12, { 8ull << 32 } },	/* 8 bytes, 0 sent */
};
#define LIES (int)(sizeof(queue_lies) / sizeof(queue_lies[0]))

static void value_that_cannot_be(int row)
{
	ready();
	evil_say(&e, queue_lies[row].request, queue_lies[row].body,
		 queue_lies[row].size, NULL, 0);
	expect_hangup("row", (uint32_t)row);
}

START_TEST(values_that_cannot_be)
{
	every_row(value_that_cannot_be, LIES);
}
END_TEST

START_TEST(a_started_queue_stays_as_it_is)
{
	static const int rows[] = { 0, 1, 2, 3, 4 };
	struct vhost_user_vring_state num = { 0, 32 };
	struct vhost_user_vring_addr a = { .desc = AT(4096), .avail = AT(8192),
					   .used = AT(12288) };
	struct vhost_user_mem_reg m = { .gpa = EVIL_GPA, .size = EVIL_MEM,
					.uaddr = EVIL_UADDR };
	uint64_t zero = 0;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		ready();
		ck_assert(evil_kick(&e, 0));
		if (i == 0)
			evil_say(&e, VHOST_USER_SET_VRING_NUM, &num, 8, NULL, 0);
		else if (i == 1)
			evil_say(&e, VHOST_USER_SET_VRING_ADDR, &a, 40, NULL, 0);
		else if (i == 2)
			evil_say(&e, VHOST_USER_SET_VRING_BASE, &num, 8, NULL, 0);
		else if (i == 3)
			evil_say(&e, VHOST_USER_SET_VRING_KICK, &zero, 8,
				 &e.event_fd, 1);
		else	/* its memory goes */
			evil_say(&e, VHOST_USER_REM_MEM_REG, &m, sizeof(m), NULL,
				 0);
		expect_hangup("step", (uint32_t)i);
		again();
	}
}
END_TEST

START_TEST(kick_without_rings)
{
	uint64_t zero = 0;

	ck_assert(evil_features(&e));
	evil_say(&e, VHOST_USER_SET_VRING_KICK, &zero, 8, &e.event_fd, 1);
	expect_hangup("kick", 0);
}
END_TEST

/* What cannot be watched for kicks */
START_TEST(kick_with_a_strange_descriptor)
{
	int fd = _i == 0 ? open("/dev/null", O_RDWR | O_CLOEXEC) :
		 _i == 1 ? open("/", O_RDONLY | O_CLOEXEC) : dup(e.mem_fd);
	uint64_t zero = 0;

	ready();
	evil_say(&e, VHOST_USER_SET_VRING_KICK, &zero, 8, &fd, 1);
	expect_hangup("kind", (uint32_t)_i);
	close(fd);
}
END_TEST

/* A descriptor at its end, or always ready: the loop must not spin or block */
START_TEST(kick_that_is_always_ready)
{
	uint64_t zero = 0;
	int p[2];

	ready();
	ck_assert_int_eq(pipe2(p, O_CLOEXEC), 0);
	close(p[1]);
	ck_assert(evil_say(&e, VHOST_USER_SET_VRING_KICK, &zero, 8, &p[0], 1));
	close(p[0]);
	ck_assert(evil_alive(&e));
	neighbours_transfer();
}
END_TEST

/* --- memory ----------------------------------------------------------------------------- */

static const struct {
	struct vhost_user_mem_reg m;
	enum { SEALED, UNSEALED, NO_FILE, READ_ONLY } file;
} regions[] = {
	{ { 0, EVIL_GPA, 0, EVIL_UADDR, 0 }, SEALED },
	{ { 0, EVIL_GPA + 1, 4096, EVIL_UADDR, 0 }, SEALED },
	{ { 0, EVIL_GPA, 4097, EVIL_UADDR, 0 }, SEALED },
	{ { 0, EVIL_GPA, 4096, EVIL_UADDR, 1 }, SEALED },
	{ { 0, EVIL_GPA, EVIL_MEM + 4096, EVIL_UADDR, 0 }, SEALED },
	{ { 0, EVIL_GPA, 4096, EVIL_UADDR, EVIL_MEM }, SEALED },
	{ { 0, EVIL_GPA, EVIL_MEM, EVIL_UADDR, 4096 }, SEALED },
	{ { 0, EVIL_GPA, 4096, EVIL_UADDR, ~0ull - 4095 }, SEALED },
	{ { 0, EVIL_GPA, 8192, EVIL_UADDR, ~0ull - 4095 }, SEALED },
	{ { 0, EVIL_GPA, 1ull << 63, EVIL_UADDR, 0 }, SEALED },
	{ { 0, ~0ull - 4095, 8192, EVIL_UADDR, 0 }, SEALED },
	{ { 0, EVIL_GPA, 8192, ~0ull - 4095, 0 }, SEALED },
	{ { 0, EVIL_GPA, EVIL_MEM, EVIL_UADDR, 0 }, UNSEALED },
	{ { 0, EVIL_GPA, 4096, EVIL_UADDR, 0 }, NO_FILE },
	{ { 0, EVIL_GPA, 4096, EVIL_UADDR, 0 }, READ_ONLY },
};

#define REGIONS (int)(sizeof(regions) / sizeof(regions[0]))

static int region_fd(int file)
{
	char path[64];
	int fd;

	if (file == UNSEALED)
		return evil_memfd(EVIL_MEM, F_SEAL_GROW);
	if (file == NO_FILE)
		return dup(e.event_fd);
	if (file == SEALED)
		return dup(e.mem_fd);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", e.mem_fd);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	ck_assert_int_ge(fd, 0);
	return fd;
}

/* The same by ADD_MEM_REG and by a table of one */
static void region_that_cannot_be(int row)
{
	struct {
		uint32_t n, pad;
		uint64_t gpa, size, uaddr, offset;
	} t = { 1, 0, regions[row].m.gpa, regions[row].m.size,
		regions[row].m.uaddr, regions[row].m.mmap_offset };
	int fd = region_fd(regions[row].file);

	ck_assert(evil_features(&e));
	evil_say(&e, VHOST_USER_ADD_MEM_REG, &regions[row].m,
		 sizeof(regions[row].m), &fd, 1);
	expect_hangup("region", (uint32_t)row);
	again();
	evil_say(&e, VHOST_USER_SET_MEM_TABLE, &t, sizeof(t), &fd, 1);
	expect_hangup("table", (uint32_t)row);
	close(fd);
}

START_TEST(memory_that_cannot_be)
{
	every_row(region_that_cannot_be, REGIONS);
}
END_TEST

START_TEST(overlapping_memory)
{
	static const uint64_t gpa[] = { EVIL_GPA, EVIL_GPA - 4096,
					EVIL_GPA + EVIL_MEM - 4096 };
	struct vhost_user_mem_reg m = { .gpa = gpa[_i], .size = 8192,
					.uaddr = EVIL_UADDR - (1u << 30) };

	ready();
	evil_say(&e, VHOST_USER_ADD_MEM_REG, &m, sizeof(m), &e.mem_fd, 1);
	expect_hangup("overlap", (uint32_t)_i);
}
END_TEST

START_TEST(memory_that_is_not_there_is_removed)
{
	struct vhost_user_mem_reg m = { .gpa = EVIL_GPA + 4096,
					.size = EVIL_MEM - 4096,
					.uaddr = EVIL_UADDR + 4096 };

	ready();
	evil_say(&e, VHOST_USER_REM_MEM_REG, &m, sizeof(m), NULL, 0);
	expect_hangup("region", 0);
}
END_TEST

START_TEST(tables_that_do_not_add_up)
{
	struct {
		uint32_t n, pad;
		uint64_t region[8][4];
	} t = { .n = 2, .region = { { EVIL_GPA, 4096, EVIL_UADDR, 0 },
				    { EVIL_GPA, 4096, EVIL_UADDR, 0 } } };
	int fds[3] = { e.mem_fd, e.mem_fd, e.mem_fd };
	static const struct { uint32_t n, size; int fds; } row[] = {
		{ 2, 40, 2 }, { 2, 72, 1 }, { 1, 72, 2 }, { 0, 40, 1 },
		{ 9, 264, 3 }, { 0xffffffff, 264, 3 },
		{ 2, 72, 2 },	/* counts are right, regions overlap */
	};

	for (size_t i = 0; i < sizeof(row) / sizeof(row[0]); i++) {
		t.n = row[i].n;
		evil_say(&e, VHOST_USER_SET_MEM_TABLE, &t, row[i].size, fds,
			 row[i].fds);
		expect_hangup("row", (uint32_t)i);
		again();
	}
}
END_TEST

/* As many regions as the device says it takes, and one more */
START_TEST(too_many_regions)
{
	uint32_t n = 0;

	ck_assert(evil_features(&e));
	for (; n < 600; n++) {
		struct vhost_user_mem_reg m = { .gpa = EVIL_GPA + n * 8192ull,
			.size = 4096, .uaddr = EVIL_UADDR + n * 8192ull };

		if (!evil_say(&e, VHOST_USER_ADD_MEM_REG, &m, sizeof(m),
			      &e.mem_fd, 1))
			break;
		if (n < 500)
			ck_assert_msg(n % 50 || evil_alive(&e), "after %u", n);
	}
	expect_hangup("regions", n);
}
END_TEST

/* --- patience ------------------------------------------------------------------------------ */

START_TEST(answers_are_not_read)
{
	int flags = fcntl(e.sock, F_GETFL);
	uint32_t n = 0;

	fcntl(e.sock, F_SETFL, flags | O_NONBLOCK);
	for (; n < 200000; n++)
		if (!evil_say(&e, VHOST_USER_GET_FEATURES, NULL, 0, NULL, 0))
			break;
	neighbours_transfer();
	fcntl(e.sock, F_SETFL, flags);
	expect_hangup("messages", n);
}
END_TEST

/* One front end at a time; those who come too many are told at once */
START_TEST(floods_of_connections)
{
	struct evil more[64];

	ready();
	for (int round = 0; round < 4; round++) {
		for (int i = 0; i < 64; i++)
			evil_open(&more[i], fx.daemon.socket[2]);
		for (int i = 0; i < 64; i++) {
			ck_assert(evil_hung_up(&more[i]));
			evil_close(&more[i]);
		}
	}
	ck_assert(evil_alive(&e));	/* who was there is not disturbed */
	for (int i = 0; i < 300; i++)
		again();
}
END_TEST

/* Refusals that are answers, not the end */
START_TEST(configuration_out_of_range)
{
	struct {
		uint32_t offset, size, flags;
		uint8_t region[256];
	} c = { .offset = 4096, .size = 16 };
	struct vhost_user_hdr r;

	ck_assert(evil_features(&e));
	ck_assert(evil_say(&e, VHOST_USER_GET_CONFIG, &c, 12 + 16, NULL, 0));
	ck_assert_int_eq(recv(e.sock, &r, sizeof(r), MSG_WAITALL), sizeof(r));
	ck_assert_uint_eq(r.request, VHOST_USER_GET_CONFIG);
	ck_assert_uint_eq(r.size, 0);
	c.offset = 0;	/* nothing there can be written */
	ck_assert(evil_say(&e, VHOST_USER_SET_CONFIG, &c, 12 + 16, NULL, 0));
	ck_assert(evil_alive(&e));
}
END_TEST

/* The channel for our own messages leads nowhere, and then it is needed */
START_TEST(channel_that_leads_nowhere)
{
	struct __attribute__((packed)) ring {
		struct { uint64_t addr; uint32_t len; uint16_t flags, next; } d[64];
		uint16_t avail_flags, idx, head[16];
	} *ring;
	uint64_t kick = 1;
	int sv[2];

	ready();
	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, sv), 0);
	if (_i)		/* nobody reads, or nobody is there */
		close(sv[0]);
	ck_assert(evil_say(&e, VHOST_USER_SET_BACKEND_REQ_FD, NULL, 0, &sv[1],
			   1));
	ring = mmap(NULL, EVIL_MEM, PROT_READ | PROT_WRITE, MAP_SHARED, e.mem_fd,
		    0);
	ring->d[0].addr = ~0ull;	/* outside memory: the device breaks */
	ring->d[0].len = 16;
	ring->idx = 1;
	ck_assert(evil_kick(&e, 0));
	ck_assert_int_eq(write(e.event_fd, &kick, 8), 8);
	neighbours_transfer();
	munmap(ring, EVIL_MEM);
	close(sv[1]);
	if (!_i)
		close(sv[0]);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("hostile front end");
	TCase *tc = add_case(s, "front end", 60);

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, unknown_requests);
	tcase_add_test(tc, wrong_flags);
	tcase_add_test(tc, wrong_sizes);
	tcase_add_test(tc, too_many_descriptors);
	tcase_add_test(tc, missing_descriptors);
	tcase_add_test(tc, half_messages);
	tcase_add_test(tc, descriptors_with_each_piece);
	tcase_add_test(tc, garbage);
	tcase_add_loop_test(tc, random_messages, 0, 6);
	tcase_add_test(tc, values_that_cannot_be);
	tcase_add_test(tc, a_started_queue_stays_as_it_is);
	tcase_add_test(tc, kick_without_rings);
	tcase_add_loop_test(tc, kick_with_a_strange_descriptor, 0, 3);
	tcase_add_test(tc, kick_that_is_always_ready);
	tcase_add_test(tc, memory_that_cannot_be);
	tcase_add_loop_test(tc, overlapping_memory, 0, 3);
	tcase_add_test(tc, memory_that_is_not_there_is_removed);
	tcase_add_test(tc, tables_that_do_not_add_up);
	tcase_add_test(tc, too_many_regions);
	tcase_add_test(tc, answers_are_not_read);
	tcase_add_test(tc, floods_of_connections);
	tcase_add_test(tc, configuration_out_of_range);
	tcase_add_loop_test(tc, channel_that_leads_nowhere, 0, 2);
	return run_suite(s);
}
