/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * sock.c - TCP sockets as connections need them
 *
 * DOC: A socket is set to reset on close from its first moment.  So a vrdmad
 * that is killed aborts its connections instead of closing them in good order:
 * nobody takes a death for a notification.  Only the gentle close turns that
 * off, when all has been said.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <linux/sockios.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "iw.h"

union sa {
	struct sockaddr sa;
	struct sockaddr_in in;
	struct sockaddr_in6 in6;
};

static socklen_t to_sa(const struct be_addr *a, union sa *out)
{
	memset(out, 0, sizeof(*out));
	if (a->family == VIRTIO_RDMA_AF_INET) {
		out->in.sin_family = AF_INET;
		out->in.sin_port = htons(a->port);
		memcpy(&out->in.sin_addr, a->ip, 4);
		return sizeof(out->in);
	}
	out->in6.sin6_family = AF_INET6;
	out->in6.sin6_port = htons(a->port);
	out->in6.sin6_scope_id = a->scope_id;
	memcpy(&out->in6.sin6_addr, a->ip, 16);
	return sizeof(out->in6);
}

static void from_sa(const union sa *sa, struct be_addr *out)
{
	memset(out, 0, sizeof(*out));
	if (sa->sa.sa_family == AF_INET) {
		out->family = VIRTIO_RDMA_AF_INET;
		out->port = ntohs(sa->in.sin_port);
		memcpy(out->ip, &sa->in.sin_addr, 4);
		return;
	}
	out->family = VIRTIO_RDMA_AF_INET6;
	out->port = ntohs(sa->in6.sin6_port);
	out->scope_id = sa->in6.sin6_scope_id;
	memcpy(out->ip, &sa->in6.sin6_addr, 16);
}

static void set(int fd, int level, int name, int value)
{
	/* each is a hint or a bound; none is missing on Linux */
	(void)setsockopt(fd, level, name, &value, sizeof(value));
}

int iw_socket(uint8_t family)
{
	int fd = socket(family == VIRTIO_RDMA_AF_INET ? AF_INET : AF_INET6,
			SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return -errno;
	set(fd, SOL_SOCKET, SO_REUSEADDR, 1);
	if (family != VIRTIO_RDMA_AF_INET)
		set(fd, IPPROTO_IPV6, IPV6_V6ONLY, 1);
	return fd;
}

int iw_bind(int fd, const struct be_addr *a)
{
	union sa sa;
	socklen_t len = to_sa(a, &sa);

	return bind(fd, &sa.sa, len) ? -errno : 0;
}

int iw_connect_to(int fd, const struct be_addr *a)
{
	union sa sa;
	socklen_t len = to_sa(a, &sa);

	return connect(fd, &sa.sa, len) ? -errno : 0;
}

int iw_accept(int listener, struct be_addr *peer)
{
	union sa sa = {.sa.sa_family = AF_INET};
	socklen_t len = sizeof(sa);
	int fd = accept4(listener, &sa.sa, &len, SOCK_NONBLOCK | SOCK_CLOEXEC);

	if (fd < 0)
		return -errno;
	from_sa(&sa, peer);
	return fd;
}

void iw_local_addr(int fd, struct be_addr *out)
{
	union sa sa = {.sa.sa_family = AF_INET};
	socklen_t len = sizeof(sa);

	(void)getsockname(fd, &sa.sa, &len);
	from_sa(&sa, out);
}

static void set_linger(int fd, bool reset)
{
	const struct linger l = {.l_onoff = reset};

	(void)setsockopt(fd, SOL_SOCKET, SO_LINGER, &l, sizeof(l));
}

void iw_sock_init(int fd)
{
	set_linger(fd, true);
	set(fd, IPPROTO_TCP, TCP_NODELAY, 1);
	set(fd, SOL_SOCKET, SO_KEEPALIVE, 1);
	set(fd, IPPROTO_TCP, TCP_KEEPIDLE, 5);
	set(fd, IPPROTO_TCP, TCP_KEEPINTVL, 1);
	set(fd, IPPROTO_TCP, TCP_KEEPCNT, 5);
}

void iw_sock_user_timeout(int fd, uint32_t ms)
{
	set(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, (int)ms);
}

void iw_sock_close_reset(int fd)
{
	close(fd);
}

void iw_sock_close_gently(int fd)
{
	uint8_t trash[4096];

	/* data that nobody read would turn the close into a reset */
	for (int i = 0; i < 64; i++)
		if (recv(fd, trash, sizeof(trash), MSG_DONTWAIT) <= 0)
			break;
	set_linger(fd, false);
	close(fd);
}

uint32_t iw_sock_unacked(int fd)
{
	int n = 0;

	return ioctl(fd, SIOCOUTQ, &n) == 0 && n > 0 ? (uint32_t)n : 0;
}

uint32_t iw_sock_mss(int fd)
{
	struct tcp_info info = {0};
	socklen_t len = sizeof(info);

	if (getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &len) ||
	    info.tcpi_snd_mss < 512)
		return 512;
	return info.tcpi_snd_mss;
}

int iw_sock_send_all(int fd, const void *p, size_t len)
{
	ssize_t n = send(fd, p, len, MSG_NOSIGNAL | MSG_DONTWAIT);

	if (n < 0)
		return -errno;
	return (size_t)n == len ? 0 : -ENOBUFS;
}

bool iw_sock_is_down(int fd)
{
	struct pollfd p = {.fd = fd, .events = POLLRDHUP};

	return poll(&p, 1, 0) == 1;
}

const char *iw_addr_text(const struct be_addr *a, char buf[64])
{
	char ip[INET6_ADDRSTRLEN];

	if (a->family == VIRTIO_RDMA_AF_INET) {
		inet_ntop(AF_INET, a->ip, ip, sizeof(ip));
		snprintf(buf, 64, "%s:%u", ip, a->port);
	} else {
		inet_ntop(AF_INET6, a->ip, ip, sizeof(ip));
		snprintf(buf, 64, "[%s]:%u", ip, a->port);
	}
	return buf;
}
