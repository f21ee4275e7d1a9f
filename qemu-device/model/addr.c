/* SPDX-License-Identifier: GPL-2.0-or-later */
/* addr.c - end points: parse, print, compare, convert */
#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "addr.h"

static size_t ip_len(uint8_t family)
{
	switch (family) {
	case VIRTIO_RDMA_AF_INET:
		return 4;
	case VIRTIO_RDMA_AF_INET6:
		return 16;
	default:
		return 0;
	}
}

static bool all_zero(const void *p, size_t len)
{
	const uint8_t *b = p;

	for (size_t i = 0; i < len; i++)
		if (b[i])
			return false;
	return true;
}

int addr_parse(const char *text, struct be_addr *out)
{
	memset(out, 0, sizeof(*out));
	if (inet_pton(AF_INET, text, out->ip) == 1) {
		out->family = VIRTIO_RDMA_AF_INET;
		return 0;
	}
	if (inet_pton(AF_INET6, text, out->ip) == 1) {
		out->family = VIRTIO_RDMA_AF_INET6;
		return 0;
	}
	return -EINVAL;
}

const char *addr_format(const struct be_addr *a, char buf[ADDR_STRLEN])
{
	char ip[INET6_ADDRSTRLEN] = "none";
	bool v6 = a->family == VIRTIO_RDMA_AF_INET6;

	if (ip_len(a->family))
		inet_ntop(v6 ? AF_INET6 : AF_INET, a->ip, ip, sizeof(ip));
	if (!a->port)
		snprintf(buf, ADDR_STRLEN, "%s", ip);
	else
		snprintf(buf, ADDR_STRLEN, v6 ? "[%s]:%u" : "%s:%u", ip,
			 a->port);
	return buf;
}

bool addr_ip_equal(const struct be_addr *a, const struct be_addr *b)
{
	return a->family == b->family && a->scope_id == b->scope_id &&
	       memcmp(a->ip, b->ip, ip_len(a->family)) == 0;
}

bool addr_ip_is_any(const struct be_addr *a)
{
	return all_zero(a->ip, sizeof(a->ip));
}

bool addr_equal(const struct be_addr *a, const struct be_addr *b)
{
	return a->port == b->port && addr_ip_equal(a, b);
}

int addr_from_abi(const struct virtio_rdma_addr *in, bool allow_none,
		  struct be_addr *out)
{
	size_t len = ip_len(in->family);

	memset(out, 0, sizeof(*out));
	if (in->family == VIRTIO_RDMA_AF_NONE)
		return allow_none && all_zero(in, sizeof(*in)) ? 0 : -EINVAL;
	if (!len || in->reserved ||
	    !all_zero(in->ip + len, sizeof(in->ip) - len))
		return -EINVAL;
	if (in->family != VIRTIO_RDMA_AF_INET6 && in->scope_id)
		return -EINVAL;
	out->family = in->family;
	out->port = vr_from_le16(in->port);
	out->scope_id = vr_from_le32(in->scope_id);
	memcpy(out->ip, in->ip, sizeof(out->ip));
	return 0;
}

void addr_to_abi(const struct be_addr *in, struct virtio_rdma_addr *out)
{
	memset(out, 0, sizeof(*out));
	out->family = in->family;
	out->port = vr_to_le16(in->port);
	out->scope_id = vr_to_le32(in->scope_id);
	memcpy(out->ip, in->ip, sizeof(out->ip));
}
