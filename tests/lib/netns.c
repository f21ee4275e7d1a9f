// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * netns.c - a network of the test's own
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "netns.h"

/* linux/ipv6.h has it, but not beside netinet/in.h */
struct in6_request {
	struct in6_addr addr;
	uint32_t prefix;
	int ifindex;
};

static bool write_file(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	bool ok = fd >= 0 && write(fd, text, strlen(text)) ==
				     (ssize_t)strlen(text);

	if (fd >= 0)
		close(fd);
	return ok;
}

static bool leave(void)
{
	unsigned int uid = getuid(), gid = getgid();
	char map[64];

	if (!unshare(CLONE_NEWNET))
		return true;
	if (errno != EPERM || unshare(CLONE_NEWUSER | CLONE_NEWNET))
		return false;
	(void)write_file("/proc/self/setgroups", "deny");
	snprintf(map, sizeof(map), "%u %u 1", uid, uid);
	if (!write_file("/proc/self/uid_map", map))
		return false;
	snprintf(map, sizeof(map), "%u %u 1", gid, gid);
	return write_file("/proc/self/gid_map", map);
}

static bool add_v4(int fd, int host)
{
	struct ifreq r = {0};
	struct sockaddr_in sa = {.sin_family = AF_INET};

	snprintf(r.ifr_name, sizeof(r.ifr_name), "lo:%d", host);
	sa.sin_addr.s_addr = htonl(0x0a000000u + (uint32_t)host);
	memcpy(&r.ifr_addr, &sa, sizeof(sa));
	if (ioctl(fd, SIOCSIFADDR, &r))
		return false;
	sa.sin_addr.s_addr = 0xffffffffu;
	memcpy(&r.ifr_netmask, &sa, sizeof(sa));
	return !ioctl(fd, SIOCSIFNETMASK, &r);
}

static bool add_v6(int fd, int host)
{
	struct in6_request r = {.prefix = 128, .ifindex = 1};

	r.addr.s6_addr[0] = 0xfd;
	r.addr.s6_addr[15] = (uint8_t)host;
	return !ioctl(fd, SIOCSIFADDR, &r);
}

static bool set_up(int v4, int v6)
{
	struct ifreq r = {.ifr_name = "lo", .ifr_flags = IFF_UP | IFF_LOOPBACK};

	if (v4 < 0 || v6 < 0 || ioctl(v4, SIOCSIFFLAGS, &r))
		return false;
	for (int i = 1; i <= NETNS_HOSTS; i++)
		if (!add_v4(v4, i) || !add_v6(v6, i))
			return false;
	return true;
}

bool netns_enter(void)
{
	int v4, v6;
	bool ok;

	if (!leave()) {
		fprintf(stderr, "no network namespace: %s; run as root, or allow "
			"user namespaces\n", strerror(errno));
		return false;
	}
	v4 = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	v6 = socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	ok = set_up(v4, v6);
	if (!ok)
		fprintf(stderr, "addresses of the test's network: %s\n",
			strerror(errno));
	if (v4 >= 0)
		close(v4);
	if (v6 >= 0)
		close(v6);
	return ok;
}
