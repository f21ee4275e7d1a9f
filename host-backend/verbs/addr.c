/* SPDX-License-Identifier: GPL-2.0-or-later */
/* addr.c - end points for the socket calls */
#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

#include "vrb.h"

socklen_t addr_to_sockaddr(const struct be_addr *a, struct sockaddr_storage *out)
{
	struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)out;
	struct sockaddr_in *v4 = (struct sockaddr_in *)out;

	memset(out, 0, sizeof(*out));
	if (a->family == VIRTIO_RDMA_AF_INET) {
		v4->sin_family = AF_INET;
		v4->sin_port = htons(a->port);
		memcpy(&v4->sin_addr, a->ip, sizeof(v4->sin_addr));
		return sizeof(*v4);
	}
	v6->sin6_family = AF_INET6;
	v6->sin6_port = htons(a->port);
	v6->sin6_scope_id = a->scope_id;
	memcpy(&v6->sin6_addr, a->ip, sizeof(v6->sin6_addr));
	return sizeof(*v6);
}

void addr_from_sockaddr(struct be_addr *a, const struct sockaddr *sa)
{
	const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)(const void *)sa;
	const struct sockaddr_in *v4 = (const struct sockaddr_in *)(const void *)sa;

	memset(a, 0, sizeof(*a));
	if (sa->sa_family == AF_INET) {
		a->family = VIRTIO_RDMA_AF_INET;
		a->port = ntohs(v4->sin_port);
		memcpy(a->ip, &v4->sin_addr, sizeof(v4->sin_addr));
		return;
	}
	a->family = VIRTIO_RDMA_AF_INET6;
	a->port = ntohs(v6->sin6_port);
	a->scope_id = v6->sin6_scope_id;
	memcpy(a->ip, &v6->sin6_addr, sizeof(v6->sin6_addr));
}

const char *addr_text(const struct be_addr *a, char text[VRB_ADDR_LEN])
{
	char ip[INET6_ADDRSTRLEN];
	int family = a->family == VIRTIO_RDMA_AF_INET ? AF_INET : AF_INET6;

	inet_ntop(family, a->ip, ip, sizeof(ip));
	snprintf(text, VRB_ADDR_LEN, family == AF_INET ? "%s:%u" : "[%s]:%u", ip,
		 a->port);
	return text;
}
