/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-or-later */
/*
 * conn_query.c - what a connector knows of its peer
 */
#include "vrc.h"

static struct vrc_connector *to_conn(NDK_CONNECTOR *ndk)
{
	return (struct vrc_connector *)(void *)ndk;
}

/* As the page of NdkGetConnectionData has it: NULL with length 0 asks for the
 * size; otherwise as much as fits, and the size in any case. */
static NTSTATUS give_private(const struct vrc_private *p, VOID *out,
			     ULONG *length)
{
	ULONG room = *length;

	if (!out && room)
		return STATUS_INVALID_PARAMETER;
	*length = p->length;
	if (!out)
		return STATUS_SUCCESS;
	memcpy(out, p->data, vrc_min(room, p->length));
	return room >= p->length ? STATUS_SUCCESS : STATUS_BUFFER_TOO_SMALL;
}

NTSTATUS vrc_conn_get_data(NDK_CONNECTOR *ndk, ULONG *inbound, ULONG *outbound,
			   VOID *data, ULONG *length)
{
	struct vrc_connector *conn = to_conn(ndk);
	NTSTATUS st = STATUS_CONNECTION_INVALID;

	vrc_lock(conn->obj.core);
	if (conn->known) {
		if (inbound)
			*inbound = conn->inbound;
		if (outbound)
			*outbound = conn->outbound;
		st = length ? give_private(&conn->in, data, length) :
			      STATUS_SUCCESS;
	}
	vrc_unlock(conn->obj.core);
	return st;
}

NTSTATUS vrdma_connector_private_length(NDK_CONNECTOR *ndk, ULONG *out)
{
	*out = 0;
	return vrc_conn_get_data(ndk, NULL, NULL, NULL, out);
}

static NTSTATUS give_address(struct vrc_connector *conn,
			     const struct virtio_rdma_addr *which,
			     SOCKADDR *sa, ULONG *len)
{
	struct virtio_rdma_addr addr;

	vrc_lock(conn->obj.core);
	addr = *which;
	vrc_unlock(conn->obj.core);
	/* family NONE, CONNECTION_INVALID, while there is none */
	return vrdma_addr_to_sockaddr(&addr, sa, len);
}

NTSTATUS vrc_conn_get_local(NDK_CONNECTOR *ndk, SOCKADDR *sa, ULONG *len)
{
	return give_address(to_conn(ndk), &to_conn(ndk)->local, sa, len);
}

NTSTATUS vrc_conn_get_peer(NDK_CONNECTOR *ndk, SOCKADDR *sa, ULONG *len)
{
	return give_address(to_conn(ndk), &to_conn(ndk)->peer, sa, len);
}
