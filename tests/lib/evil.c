// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * evil.c - a front end that may say anything
 */
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "evil.h"

#define TIMEOUT_MS 20000
#define RING_SIZE  16

int evil_memfd(size_t size, unsigned int seals)
{
	int fd = memfd_create("evil", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(ftruncate(fd, (off_t)size), 0);
	ck_assert_int_eq(fcntl(fd, F_ADD_SEALS, seals), 0);
	return fd;
}

void evil_open(struct evil *e, const char *path)
{
	struct sockaddr_un sa = {.sun_family = AF_UNIX};

	e->sock = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	ck_assert_uint_lt(strlen(path), sizeof(sa.sun_path));
	strcpy(sa.sun_path, path);
	ck_assert_int_eq(connect(e->sock, (struct sockaddr *)&sa, sizeof(sa)),
			 0);
	e->mem_fd = evil_memfd(EVIL_MEM, F_SEAL_SHRINK | F_SEAL_GROW);
	e->event_fd = eventfd(0, EFD_CLOEXEC);
}

void evil_close(struct evil *e)
{
	close(e->sock);
	close(e->mem_fd);
	close(e->event_fd);
}

bool evil_send(struct evil *e, struct vhost_user_hdr hdr, const void *payload,
	       size_t len, const int *fds, int nfds)
{
	struct iovec iov[2] = {{&hdr, sizeof(hdr)},
			       {(void *)(uintptr_t)payload, len}};
	union {
		char buf[CMSG_SPACE(EVIL_MAX_FDS * sizeof(int))];
		struct cmsghdr align;
	} control = {0};
	struct msghdr msg = {.msg_iov = iov, .msg_iovlen = 2};

	if (nfds) {
		struct cmsghdr *c;

		msg.msg_control = control.buf;
		msg.msg_controllen = CMSG_SPACE((size_t)nfds * sizeof(int));
		c = CMSG_FIRSTHDR(&msg);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN((size_t)nfds * sizeof(int));
		memcpy(CMSG_DATA(c), fds, (size_t)nfds * sizeof(int));
	}
	return sendmsg(e->sock, &msg, MSG_NOSIGNAL) ==
	       (ssize_t)(sizeof(hdr) + len);
}

bool evil_say(struct evil *e, uint32_t request, const void *payload,
	      uint32_t len, const int *fds, int nfds)
{
	struct vhost_user_hdr hdr = {request, VHOST_USER_VERSION, len};

	return evil_send(e, hdr, payload, len, fds, nfds);
}

/* 1: something came; 0: the end; -1: neither in time */
static int next_bytes(struct evil *e, void *buf, size_t len)
{
	struct pollfd p = {.fd = e->sock, .events = POLLIN};

	if (poll(&p, 1, TIMEOUT_MS) != 1)
		return -1;
	return recv(e->sock, buf, len, 0) > 0;
}

bool evil_hung_up(struct evil *e)
{
	char buf[4096];
	int got;

	do
		got = next_bytes(e, buf, sizeof(buf));
	while (got == 1);
	return got == 0;
}

bool evil_alive(struct evil *e)
{
	struct {
		struct vhost_user_hdr hdr;
		uint64_t v;
	} __attribute__((packed)) r;
	size_t have = 0;

	if (!evil_say(e, VHOST_USER_GET_FEATURES, NULL, 0, NULL, 0))
		return false;
	while (have < sizeof(r)) {
		struct pollfd p = {.fd = e->sock, .events = POLLIN};
		ssize_t n;

		if (poll(&p, 1, TIMEOUT_MS) != 1)
			return false;
		n = recv(e->sock, (char *)&r + have, sizeof(r) - have, 0);
		if (n <= 0)
			return false;
		have += (size_t)n;
	}
	return r.hdr.request == VHOST_USER_GET_FEATURES && (r.v >> 32 & 1);
}

/* --- good steps ------------------------------------------------------ */

bool evil_features(struct evil *e)
{
	uint64_t f = 1ull << 30 | 1ull << 32;
	uint64_t p = 1ull << VHOST_USER_PROTOCOL_F_MQ |
		     1ull << VHOST_USER_PROTOCOL_F_CONFIG |
		     1ull << VHOST_USER_PROTOCOL_F_BACKEND_REQ |
		     1ull << VHOST_USER_PROTOCOL_F_CONFIGURE_MEM_SLOTS;

	return evil_say(e, VHOST_USER_SET_PROTOCOL_FEATURES, &p, sizeof(p),
			NULL, 0) &&
	       evil_say(e, VHOST_USER_SET_FEATURES, &f, sizeof(f), NULL, 0) &&
	       evil_alive(e);
}

bool evil_memory(struct evil *e)
{
	struct vhost_user_mem_reg m = {
		.gpa = EVIL_GPA, .size = EVIL_MEM, .uaddr = EVIL_UADDR};

	return evil_say(e, VHOST_USER_ADD_MEM_REG, &m, sizeof(m), &e->mem_fd,
			1) &&
	       evil_alive(e);
}

bool evil_ring(struct evil *e, uint32_t index)
{
	uint64_t at = EVIL_UADDR + 4096ull * index;
	struct vhost_user_vring_state num = {index, RING_SIZE};
	struct vhost_user_vring_addr a = {
		.index = index,
		.desc = at,
		.avail = at + 1024,
		.used = at + 2048,
	};

	return evil_say(e, VHOST_USER_SET_VRING_NUM, &num, sizeof(num), NULL,
			0) &&
	       evil_say(e, VHOST_USER_SET_VRING_ADDR, &a, sizeof(a), NULL, 0) &&
	       evil_alive(e);
}

bool evil_kick(struct evil *e, uint32_t index)
{
	struct vhost_user_vring_state on = {index, 1};
	uint64_t i = index;

	return evil_say(e, VHOST_USER_SET_VRING_KICK, &i, sizeof(i),
			&e->event_fd, 1) &&
	       evil_say(e, VHOST_USER_SET_VRING_ENABLE, &on, sizeof(on), NULL,
			0) &&
	       evil_alive(e);
}
