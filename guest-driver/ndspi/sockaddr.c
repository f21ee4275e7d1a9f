/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-or-later */
/*
 * sockaddr.c - socket addresses to the kernel interface's and back
 */
#include <string.h>

#include "nd_int.h"

HRESULT nd_addr_from_sockaddr(struct vrdma_uapi_sockaddr *out,
			      const struct sockaddr *in, ULONG cb)
{
	const struct sockaddr_in6 *v6 = (const void *)in;
	const struct sockaddr_in *v4 = (const void *)in;

	memset(out, 0, sizeof(*out));
	if (!in || cb < sizeof(in->sa_family))
		return ND_INVALID_ADDRESS;
	if (in->sa_family == AF_INET && cb >= sizeof(*v4)) {
		out->family = VIRTIO_RDMA_AF_INET;
		out->port = ntohs(v4->sin_port);
		memcpy(out->ip, &v4->sin_addr, sizeof(v4->sin_addr));
		return ND_SUCCESS;
	}
	if (in->sa_family == AF_INET6 && cb >= sizeof(*v6)) {
		out->family = VIRTIO_RDMA_AF_INET6;
		out->port = ntohs(v6->sin6_port);
		if (IN6_IS_ADDR_LINKLOCAL(&v6->sin6_addr))
			out->scope_id = v6->sin6_scope_id;
		memcpy(out->ip, &v6->sin6_addr, sizeof(v6->sin6_addr));
		return ND_SUCCESS;
	}
	return ND_INVALID_ADDRESS;
}

ULONG nd_addr_to_sockaddr(struct sockaddr_storage *out,
			  const struct vrdma_uapi_sockaddr *in)
{
	struct sockaddr_in6 *v6 = (void *)out;
	struct sockaddr_in *v4 = (void *)out;

	memset(out, 0, sizeof(*out));
	if (in->family == VIRTIO_RDMA_AF_INET) {
		v4->sin_family = AF_INET;
		v4->sin_port = htons(in->port);
		memcpy(&v4->sin_addr, in->ip, sizeof(v4->sin_addr));
		return sizeof(*v4);
	}
	if (in->family == VIRTIO_RDMA_AF_INET6) {
		v6->sin6_family = AF_INET6;
		v6->sin6_port = htons(in->port);
		v6->sin6_scope_id = in->scope_id;
		memcpy(&v6->sin6_addr, in->ip, sizeof(v6->sin6_addr));
		return sizeof(*v6);
	}
	return 0;
}

HRESULT nd_addr_copy_out(const struct vrdma_uapi_sockaddr *in,
			 struct sockaddr *out, ULONG *cb)
{
	struct sockaddr_storage ss;
	ULONG have, need = nd_addr_to_sockaddr(&ss, in);

	if (!cb)
		return ND_INVALID_PARAMETER;
	have = *cb;
	*cb = need;
	if (!out || have < need)
		return ND_BUFFER_OVERFLOW;
	memcpy(out, &ss, need);
	return ND_SUCCESS;
}

bool nd_addr_same_ip(const struct vrdma_uapi_sockaddr *a,
		     const struct vrdma_uapi_sockaddr *b)
{
	size_t n = a->family == VIRTIO_RDMA_AF_INET ? 4 : sizeof(a->ip);

	return a->family == b->family && a->scope_id == b->scope_id &&
	       memcmp(a->ip, b->ip, n) == 0;
}

/*
 * The structure, then the addresses that it points to.  Even an empty list
 * needs the structure: consumers ask with no buffer first and expect an
 * overflow.
 */
HRESULT nd_addr_list(const struct vrdma_uapi_sockaddr *addrs, ULONG count,
		     SOCKET_ADDRESS_LIST *list, ULONG *cb)
{
	size_t head = sizeof(*list) +
		      (count > 1 ? count - 1 : 0) * sizeof(list->Address[0]);
	size_t need = head + count * sizeof(struct sockaddr_storage);
	struct sockaddr_storage *ss;
	ULONG i, have;

	if (!cb)
		return ND_INVALID_PARAMETER;
	have = *cb;
	need = (need + 7) & ~(size_t)7;
	*cb = (ULONG)need;
	if (!list || have < need)
		return ND_BUFFER_OVERFLOW;
	memset(list, 0, need);
	list->iAddressCount = (INT)count;
	ss = (void *)((char *)list + head);
	for (i = 0; i < count; i++) {
		list->Address[i].iSockaddrLength =
			(INT)nd_addr_to_sockaddr(&ss[i], &addrs[i]);
		list->Address[i].lpSockaddr = (struct sockaddr *)&ss[i];
	}
	return ND_SUCCESS;
}
