/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-or-later */
/*
 * addr.c - socket addresses to the wire's form and back
 */
#include "vrc.h"

static vr_le16 port_to_wire(const uint8_t port[2])
{
	return vr_to_le16((uint16_t)(port[0] << 8 | port[1]));
}

static void port_from_wire(uint8_t out[2], vr_le16 port)
{
	uint16_t p = vr_from_le16(port);

	out[0] = (uint8_t)(p >> 8);
	out[1] = (uint8_t)p;
}

static NTSTATUS from_in(struct virtio_rdma_addr *out, const SOCKADDR *sa,
			ULONG len)
{
	struct nd_sockaddr_in in;

	if (len < sizeof(in))
		return STATUS_INVALID_ADDRESS;
	memcpy(&in, sa, sizeof(in));
	out->family = VIRTIO_RDMA_AF_INET;
	out->port = port_to_wire(in.port);
	memcpy(out->ip, in.addr, sizeof(in.addr));
	return STATUS_SUCCESS;
}

/* The wire allows a scope with link-local addresses only */
static bool is_link_local(const uint8_t ip[16])
{
	return ip[0] == 0xfe && (ip[1] & 0xc0) == 0x80;
}

static NTSTATUS from_in6(struct virtio_rdma_addr *out, const SOCKADDR *sa,
			 ULONG len)
{
	struct nd_sockaddr_in6 in6;

	if (len < sizeof(in6))
		return STATUS_INVALID_ADDRESS;
	memcpy(&in6, sa, sizeof(in6));
	out->family = VIRTIO_RDMA_AF_INET6;
	out->port = port_to_wire(in6.port);
	memcpy(out->ip, in6.addr, sizeof(in6.addr));
	if (is_link_local(in6.addr))
		out->scope_id = vr_to_le32(in6.scope_id);
	return STATUS_SUCCESS;
}

NTSTATUS vrdma_addr_from_sockaddr(struct virtio_rdma_addr *out,
				  const SOCKADDR *sa, ULONG len)
{
	uint16_t family;

	memset(out, 0, sizeof(*out));
	if (!sa || len < sizeof(family))
		return STATUS_INVALID_ADDRESS;
	memcpy(&family, sa, sizeof(family));
	if (family == ND_AF_INET)
		return from_in(out, sa, len);
	if (family == ND_AF_INET6)
		return from_in6(out, sa, len);
	return STATUS_INVALID_ADDRESS;
}

static NTSTATUS give(SOCKADDR *sa, ULONG *len, const void *value, ULONG size)
{
	ULONG room = *len;

	*len = size;
	if (!sa || room < size)
		return STATUS_BUFFER_TOO_SMALL;
	memcpy(sa, value, size);
	return STATUS_SUCCESS;
}

static NTSTATUS to_in(const struct virtio_rdma_addr *addr, SOCKADDR *sa,
		      ULONG *len)
{
	struct nd_sockaddr_in in = { .family = ND_AF_INET };

	port_from_wire(in.port, addr->port);
	memcpy(in.addr, addr->ip, sizeof(in.addr));
	return give(sa, len, &in, sizeof(in));
}

static NTSTATUS to_in6(const struct virtio_rdma_addr *addr, SOCKADDR *sa,
		       ULONG *len)
{
	struct nd_sockaddr_in6 in6 = { .family = ND_AF_INET6 };

	port_from_wire(in6.port, addr->port);
	memcpy(in6.addr, addr->ip, sizeof(in6.addr));
	in6.scope_id = vr_from_le32(addr->scope_id);
	return give(sa, len, &in6, sizeof(in6));
}

NTSTATUS vrdma_addr_to_sockaddr(const struct virtio_rdma_addr *addr,
				SOCKADDR *sa, ULONG *len)
{
	if (!len)
		return STATUS_INVALID_PARAMETER;
	if (addr->family == VIRTIO_RDMA_AF_INET)
		return to_in(addr, sa, len);
	if (addr->family == VIRTIO_RDMA_AF_INET6)
		return to_in6(addr, sa, len);
	return STATUS_CONNECTION_INVALID;
}
