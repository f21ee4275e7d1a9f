/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-or-later */
/*
 * uconn.h - what connectors and listeners of a process know of each other
 */
#ifndef UCONN_H
#define UCONN_H

#include "vrlf.h"

enum conn_state {
	CONN_NEW,		/* nothing, or a Connect under way */
	CONN_OPENING,		/* CompleteConnect or Accept under way */
	CONN_UP,
	CONN_CLOSING,		/* this side's Disconnect under way */
	CONN_OVER,
};

struct vrl_conn {
	struct vrl_obj obj;		/* pending: NotifyDisconnects */
	NDK_CONNECTOR *ndk;		/* file->lock; or slock, by a listener */
	struct vrdma_uapi_sockaddr bound; /* file->lock; family NONE: not */
	/* under slock */
	enum conn_state state;
	bool was_up;
	bool indicated;
	u32 reason;			/* enum virtio_rdma_reason */
	struct vrl_req *request;	/* GET_REQUEST that will fill this one */
};

static inline struct vrl_conn *to_conn(struct vrl_obj *obj)
{
	return container_of(obj, struct vrl_conn, obj);
}

/* The connector goes: cancel the GET_REQUEST that waits to fill it */
void vrl_listener_forget(struct vrl_conn *c);
struct vrdma_uapi_sockaddr *vrl_listener_bound(struct vrl_obj *obj);

#endif /* UCONN_H */
