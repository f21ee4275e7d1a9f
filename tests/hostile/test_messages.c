// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * test_messages.c - a front end that breaks the vhost-user protocol
 *
 * It is hung up on, and may come again; the process lives on and the other
 * guest notices nothing.
 */
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "fe_internal.h"
#include "fixture.h"
#include "raw.h"

#define WAIT_MS 10000
#define FREE_Q	200 /* a queue that the front end has not started */

static struct raw bad, good;

static void setup(void)
{
	struct daemon_opts o = {
		.guests = 2, .guest_section = "num-ceq = 1\nnum-wakeq = 2\n"};

	ck_assert(daemon_start(&fx.daemon, &o));
	raw_start(&bad, fx.daemon.socket[0]);
	raw_start(&good, fx.daemon.socket[1]);
}

static void teardown(void)
{
	raw_stop(&bad);
	raw_stop(&good);
	ck_assert_int_eq(daemon_stop(&fx.daemon), 0);
	daemon_cleanup(&fx.daemon);
}

static void wait_hung_up(void)
{
	int ms;

	for (ms = 0; ms < WAIT_MS && fe_connected(bad.fe); ms++)
		poll(NULL, 0, 1);
	ck_assert_msg(!fe_connected(bad.fe), "the session lives on");
}

/* The daemon took no harm: the other guest works, the port takes a new one */
static void others_are_well(void)
{
	struct raw again;

	ck_assert(daemon_alive(&fx.daemon));
	raw_create_pd(&good);
	raw_start(&again, fx.daemon.socket[0]);
	raw_create_pd(&again);
	raw_stop(&again);
}

/* ------------------------------------------------------------ wrong messages
 */

#define STATE(i, n)                                                            \
	{                                                                      \
		.state = { i, n }                                              \
	}
#define NONE                                                                   \
	{                                                                      \
		.u64 = 0                                                       \
	}

union body {
	uint64_t u64;
	struct vhost_user_vring_state state;
	struct vhost_user_vring_addr addr;
	struct vhost_user_mem_reg reg;
	struct vhost_user_config config;
	uint8_t bytes[512];
};

enum fds { NO_FD, EVENT_FD, TWO_FDS, EIGHT_FDS, NINE_FDS, FILE_FD };

/* clang-format off */
static const struct {
	const char *what;
	uint32_t request, flags, size;
	union body body;
	enum fds fds;
} wrong[] = {
	{ "request 0", 0, 1, 0, NONE, NO_FD },
	{ "unknown request", 4711, 1, 0, NONE, NO_FD },
	{ "negative request", 0xffffffff, 1, 0, NONE, NO_FD },
	{ "in-flight buffers", 31, 1, 24, NONE, NO_FD },
	{ "log base", 6, 1, 16, NONE, EVENT_FD },
	{ "post-copy", 28, 1, 0, NONE, NO_FD },
	{ "version 2", VHOST_USER_GET_FEATURES, 2, 0, NONE, NO_FD },
	{ "a reply", VHOST_USER_GET_FEATURES, 5, 0, NONE, NO_FD },
	{ "huge size", VHOST_USER_SET_OWNER, 1, 0xffffffff, NONE, NO_FD },
	{ "too long", VHOST_USER_SET_FEATURES, 1, 9, NONE, NO_FD },
	{ "too short", VHOST_USER_SET_FEATURES, 1, 4, NONE, NO_FD },
	{ "descriptor not wanted", VHOST_USER_SET_FEATURES, 1, 8,
	  { .u64 = 1ull << 32 }, EVENT_FD },
	{ "feature not offered", VHOST_USER_SET_FEATURES, 1, 8,
	  { .u64 = 1ull << 32 | 1ull << 26 }, NO_FD },
	{ "no VERSION_1", VHOST_USER_SET_FEATURES, 1, 8, NONE, NO_FD },
	{ "protocol feature not offered", VHOST_USER_SET_PROTOCOL_FEATURES, 1, 8,
	  { .u64 = 1ull << 12 }, NO_FD },
	{ "queue 256", VHOST_USER_SET_VRING_NUM, 1, 8, STATE(256, 64), NO_FD },
	{ "queue -1", VHOST_USER_SET_VRING_ENABLE, 1, 8, STATE(~0u, 1), NO_FD },
	{ "queue 256, base", VHOST_USER_GET_VRING_BASE, 1, 8, STATE(256, 0), NO_FD },
	{ "size 0", VHOST_USER_SET_VRING_NUM, 1, 8, STATE(FREE_Q, 0), NO_FD },
	{ "size 48", VHOST_USER_SET_VRING_NUM, 1, 8, STATE(FREE_Q, 48), NO_FD },
	{ "size 2048", VHOST_USER_SET_VRING_NUM, 1, 8, STATE(FREE_Q, 2048), NO_FD },
	{ "size of a started one", VHOST_USER_SET_VRING_NUM, 1, 8, STATE(0, 64), NO_FD },
	{ "index of a started one", VHOST_USER_SET_VRING_BASE, 1, 8, STATE(0, 1), NO_FD },
	{ "index of 17 bits", VHOST_USER_SET_VRING_BASE, 1, 8, STATE(FREE_Q, 65536), NO_FD },
	{ "enable 2", VHOST_USER_SET_VRING_ENABLE, 1, 8, STATE(0, 2), NO_FD },
	{ "ring without a size", VHOST_USER_SET_VRING_ADDR, 1, 40,
	  { .addr = { .index = FREE_Q } }, NO_FD },
	{ "ring of a started queue", VHOST_USER_SET_VRING_ADDR, 1, 40,
	  { .addr = { .index = 0 } }, NO_FD },
	{ "kick of a queue without rings", VHOST_USER_SET_VRING_KICK, 1, 8,
	  { .u64 = FREE_Q }, EVENT_FD },
	{ "kick of a started queue", VHOST_USER_SET_VRING_KICK, 1, 8,
	  { .u64 = 0 }, EVENT_FD },
	{ "kick without descriptor", VHOST_USER_SET_VRING_KICK, 1, 8,
	  { .u64 = FREE_Q }, NO_FD },
	{ "kick by polling", VHOST_USER_SET_VRING_KICK, 1, 8,
	  { .u64 = FREE_Q | VHOST_USER_VRING_NOFD }, NO_FD },
	{ "call with bits above", VHOST_USER_SET_VRING_CALL, 1, 8,
	  { .u64 = 0x200 }, EVENT_FD },
	{ "call with two", VHOST_USER_SET_VRING_CALL, 1, 8, NONE, TWO_FDS },
	{ "call with eight", VHOST_USER_SET_VRING_CALL, 1, 8, NONE, EIGHT_FDS },
	{ "call with nine", VHOST_USER_SET_VRING_CALL, 1, 8, NONE, NINE_FDS },
	{ "call that says none and has one", VHOST_USER_SET_VRING_CALL, 1, 8,
	  { .u64 = VHOST_USER_VRING_NOFD }, EVENT_FD },
	{ "memory without descriptor", VHOST_USER_ADD_MEM_REG, 1, 40,
	  { .reg = { 0, 1ull << 40, 4096, 1ull << 40, 0 } }, NO_FD },
	{ "memory on an eventfd", VHOST_USER_ADD_MEM_REG, 1, 40,
	  { .reg = { 0, 1ull << 40, 4096, 1ull << 40, 0 } }, EVENT_FD },
	{ "unsealed memory", VHOST_USER_ADD_MEM_REG, 1, 40,
	  { .reg = { 0, 1ull << 40, 4096, 1ull << 40, 0 } }, FILE_FD },
	{ "region that is not there", VHOST_USER_REM_MEM_REG, 1, 40,
	  { .reg = { 0, 1ull << 40, 4096, 1ull << 40, 0 } }, NO_FD },
	{ "empty memory table", VHOST_USER_SET_MEM_TABLE, 1, 8, NONE, NO_FD },
	{ "memory table of 200", VHOST_USER_SET_MEM_TABLE, 1, 40,
	  { .u64 = 200 }, EVENT_FD },
	{ "configuration of another size", VHOST_USER_GET_CONFIG, 1, 12,
	  { .config = { 0, 128, 0, { 0 } } }, NO_FD },
	{ "channel without descriptor", VHOST_USER_SET_BACKEND_REQ_FD, 1, 0, NONE,
	  NO_FD },
};
/* clang-format on */

#define COUNT ((int)(sizeof(wrong) / sizeof(wrong[0])))

static int make_fds(enum fds how, int fd[16])
{
	static const int counts[] = {0, 1, 2, 8, 9, 1};
	int n = counts[how];

	for (int i = 0; i < n; i++) {
		fd[i] = how == FILE_FD ? memfd_create("small", 0)
				       : eventfd(0, 0);
		ck_assert_int_ge(fd[i], 0);
	}
	if (how == FILE_FD)
		ck_assert_int_eq(ftruncate(fd[0], 4096), 0);
	return n;
}

/* By hand: fe_send_raw() makes flags and size that fit */
static void send_message(uint32_t request, uint32_t flags, uint32_t says,
			 const void *body, size_t len, const int *fd, int nfds)
{
	uint32_t hdr[3] = {request, flags, says};
	struct iovec iov[2] = {{hdr, sizeof(hdr)}, {(void *)body, len}};
	char control[CMSG_SPACE(16 * sizeof(int))] = {0};
	struct msghdr mh = {.msg_iov = iov, .msg_iovlen = 2};

	if (nfds) {
		struct cmsghdr *c;

		mh.msg_control = control;
		mh.msg_controllen = CMSG_SPACE((size_t)nfds * sizeof(int));
		c = CMSG_FIRSTHDR(&mh);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN((size_t)nfds * sizeof(int));
		memcpy(CMSG_DATA(c), fd, (size_t)nfds * sizeof(int));
	}
	ck_assert_int_gt(sendmsg(bad.fe->sock, &mh, MSG_NOSIGNAL), 0);
}

START_TEST(wrong_message)
{
	uint32_t size = wrong[_i].size;
	size_t len = size < sizeof(wrong[_i].body) ? size : 0;
	int fd[16] = {0}, n = make_fds(wrong[_i].fds, fd);

	send_message(wrong[_i].request, wrong[_i].flags, size, &wrong[_i].body,
		     len, fd, n);
	for (int i = 0; i < n; i++)
		close(fd[i]);
	wait_hung_up();
	others_are_well();
}
END_TEST

/* --------------------------------------------------------- rings and memory */

static void send_addr(uint64_t desc, uint64_t avail, uint64_t used)
{
	struct vhost_user_vring_state num = {FREE_Q, 256};
	struct vhost_user_vring_addr a = {
		.index = FREE_Q, .desc = desc, .avail = avail, .used = used};

	send_message(VHOST_USER_SET_VRING_NUM, 1, sizeof(num), &num,
		     sizeof(num), NULL, 0);
	send_message(VHOST_USER_SET_VRING_ADDR, 1, sizeof(a), &a, sizeof(a),
		     NULL, 0);
}

START_TEST(ring_that_runs_out_of_memory)
{
	const struct fe_region *r = &bad.fe->region[FE_REGIONS - 1];
	uint64_t start = (uintptr_t)r->va, end = start + r->size;

	switch (_i) {
	case 0:
		send_addr(end - 16 * 255, start, start);
		break;
	case 1:
		send_addr(start, end - 512, start);
		break;
	case 2:
		send_addr(start, start, end - 2048);
		break;
	case 3:
		send_addr(start + 8, start, start);
		break;
	case 4:
		send_addr(start, start + 1, start);
		break;
	case 5:
		send_addr(start, start, start + 2);
		break;
	case 6:
		send_addr(UINT64_MAX - 15, start, start);
		break;
	case 7:
		send_addr(0, start, start);
		break;
	}
	wait_hung_up();
	others_are_well();
}
END_TEST

/* Without a complaint, for the test above to mean something */
START_TEST(ring_at_the_end_of_memory)
{
	const struct fe_region *r = &bad.fe->region[FE_REGIONS - 1];
	uint64_t start = (uintptr_t)r->va, end = start + r->size;

	send_addr(end - 16 * 256, start, start + 4096);
	raw_create_pd(&bad);
	ck_assert(fe_connected(bad.fe));
}
END_TEST

/* It would leave the library with pointers into nothing */
START_TEST(region_of_a_started_ring_goes)
{
	for (int i = 0; i < FE_REGIONS; i++) {
		const struct fe_region *r = &bad.fe->region[i];
		struct vhost_user_mem_reg m = {0, r->gpa, r->size,
					       (uintptr_t)r->va, r->offset};

		if (!fe_connected(bad.fe))
			break;
		send_message(VHOST_USER_REM_MEM_REG, 1, sizeof(m), &m,
			     sizeof(m), NULL, 0);
		poll(NULL, 0, 0);
	}
	wait_hung_up();
	others_are_well();
}
END_TEST

START_TEST(region_twice)
{
	const struct fe_region *r = &bad.fe->region[0];
	struct vhost_user_mem_reg m = {0, r->gpa, r->size, (uintptr_t)r->va,
				       r->offset};

	send_message(VHOST_USER_ADD_MEM_REG, 1, sizeof(m), &m, sizeof(m),
		     &bad.fe->mem_fd, 1);
	wait_hung_up();
	others_are_well();
}
END_TEST

/* --------------------------------------------------------------------- pace */

/* A half message stops nobody but its sender */
START_TEST(half_a_message)
{
	uint32_t hdr[3] = {VHOST_USER_SET_FEATURES, 1, 8};
	size_t len = (size_t)_i;

	if (len <= sizeof(hdr)) {
		ck_assert_int_eq(send(bad.fe->sock, hdr, len, 0), (ssize_t)len);
	} else {
		ck_assert_int_eq(send(bad.fe->sock, hdr, sizeof(hdr), 0), 12);
		ck_assert_int_eq(send(bad.fe->sock, "123", len - 12, 0),
				 (ssize_t)len - 12);
	}
	raw_create_pd(&good);
	raw_create_pd(&bad); /* its queues are alive, too */
	fe_hangup(bad.fe);
	others_are_well();
}
END_TEST

/* Byte by byte it is a message as any other */
START_TEST(message_in_pieces)
{
	uint32_t msg[5] = {VHOST_USER_GET_CONFIG, 1, 12, 0, 0};
	uint8_t bytes[24] = {0}, answer[24];

	memcpy(bytes, msg, 12);
	bytes[16] = 0; /* offset 0, size 0 */
	for (int i = 0; i < 24; i++)
		ck_assert_int_eq(send(bad.fe->sock, bytes + i, 1, 0), 1);
	ck_assert_int_eq(recv(bad.fe->sock, answer, 24, MSG_WAITALL), 24);
	ck_assert_int_eq(answer[0], VHOST_USER_GET_CONFIG);
	raw_create_pd(&bad);
}
END_TEST

/* A front end that never reads its answers */
START_TEST(answers_not_read)
{
	uint32_t hdr[3] = {VHOST_USER_GET_FEATURES, 1, 0};
	ssize_t n = 12;

	for (int i = 0; i < 100000 && n == 12; i++) {
		struct pollfd p = {.fd = bad.fe->sock, .events = POLLOUT};

		ck_assert_int_eq(poll(&p, 1, WAIT_MS), 1);
		n = send(bad.fe->sock, hdr, 12, MSG_NOSIGNAL | MSG_DONTWAIT);
	}
	ck_assert_int_eq(n, -1); /* hung up on, not waited for */
	ck_assert(errno == EPIPE || errno == ECONNRESET);
	others_are_well();
}
END_TEST

START_TEST(second_front_end)
{
	struct sockaddr_un sa = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);
	char c;

	strcpy(sa.sun_path, fx.daemon.socket[0]);
	ck_assert_int_eq(connect(fd, (struct sockaddr *)&sa, sizeof(sa)), 0);
	ck_assert_int_eq(recv(fd, &c, 1, 0), 0); /* refused at once */
	close(fd);
	raw_create_pd(&bad);
}
END_TEST

START_TEST(comes_and_goes)
{
	for (int i = 0; i < 50; i++) {
		raw_stop(&bad);
		raw_start(&bad, fx.daemon.socket[0]);
		raw_create_pd(&bad);
	}
}
END_TEST

int main(void)
{
	Suite *s = suite_create("hostile messages");
	TCase *tc = add_case(s, "messages", 60);

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_loop_test(tc, wrong_message, 0, COUNT);
	tcase_add_loop_test(tc, ring_that_runs_out_of_memory, 0, 8);
	tcase_add_test(tc, ring_at_the_end_of_memory);
	tcase_add_test(tc, region_of_a_started_ring_goes);
	tcase_add_test(tc, region_twice);
	tcase_add_loop_test(tc, half_a_message, 1, 16);
	tcase_add_test(tc, message_in_pieces);
	tcase_add_test(tc, answers_not_read);
	tcase_add_test(tc, second_front_end);
	tcase_add_test(tc, comes_and_goes);
	return run_suite(s);
}
