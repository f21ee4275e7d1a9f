// SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-or-later
/*
 * addr.c - end points as processes, NDK and the wire write them
 */
#include "vrlf.h"

bool vrl_addr_valid(const struct vrdma_uapi_sockaddr *a, bool may_be_none)
{
	if (a->reserved)
		return false;
	if (a->family == VIRTIO_RDMA_AF_NONE)
		return may_be_none;
	return a->family == VIRTIO_RDMA_AF_INET ||
	       a->family == VIRTIO_RDMA_AF_INET6;
}

bool vrl_private_valid(const struct vrdma_uapi_private *p)
{
	return p->length <= sizeof(p->data) && !p->reserved[0] &&
	       !p->reserved[1] && !p->reserved[2];
}

ULONG vrl_addr_to_ndk(const struct vrdma_uapi_sockaddr *a,
		      union vrl_sockaddr *out)
{
	struct virtio_rdma_addr wire = {
		.family = a->family, .port = vr_to_le16(a->port),
		.scope_id = vr_to_le32(a->scope_id),
	};
	ULONG len = sizeof(*out);

	memset(out, 0, sizeof(*out));
	if (a->family == VIRTIO_RDMA_AF_NONE)
		return 0;
	memcpy(wire.ip, a->ip, a->family == VIRTIO_RDMA_AF_INET ? 4 : 16);
	if (vrdma_addr_to_sockaddr(&wire, &out->sa, &len) != STATUS_SUCCESS)
		return 0;
	return len;
}

void vrl_addr_from_wire(const struct virtio_rdma_addr *a,
			struct vrdma_uapi_sockaddr *out)
{
	*out = (struct vrdma_uapi_sockaddr){
		.family = a->family, .port = vr_from_le16(a->port),
		.scope_id = vr_from_le32(a->scope_id),
	};
	memcpy(out->ip, a->ip, sizeof(out->ip));
}

bool vrl_addr_from_ndk(const union vrl_sockaddr *a, ULONG len,
		       struct vrdma_uapi_sockaddr *out)
{
	struct virtio_rdma_addr wire;

	if (vrdma_addr_from_sockaddr(&wire, &a->sa, len) != STATUS_SUCCESS)
		return false;
	vrl_addr_from_wire(&wire, out);
	return true;
}
