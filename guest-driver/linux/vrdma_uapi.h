/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-or-later */
/*
 * vrdma_uapi.h - /dev/vrdmaN between the kernel module and user programs
 *
 * DOC: One open file is one NetworkDirect adapter instance.
 *
 * Objects are named by 32-bit ids that mean something only in the file that
 * made them; id 0 is never given.  A call that may take long carries an
 * overlapped value (the caller's, not 0): it is then *started*, the ioctl
 * returns 0 with status STATUS_PENDING, and its end arrives as a struct
 * vrdma_uapi_event that read() returns.  A call that ends at once says so in
 * status and brings no event.  poll() says POLLIN while events wait.
 *
 * ioctl() itself fails only for what no consumer should do: EFAULT, EINVAL
 * (unknown code, wrong size, reserved field not zero), ENODEV (module going).
 * Everything else is an NT status in the structure's first field.
 *
 * Closing the file, by whatever death, tears down all it owned.
 *
 * mmap(): offset = buffer_offset of a CREATE answer, or one of the two fixed
 * offsets; the whole buffer, MAP_SHARED.
 */
#ifndef VRDMA_UAPI_H
#define VRDMA_UAPI_H

#include <linux/ioctl.h>
#include <linux/types.h>

#include "virtio_rdma.h"

#define VRDMA_UAPI_VERSION	1
#define VRDMA_DEVICE_PATTERN	"/dev/vrdma%u"

#define VRDMA_MMAP_CONTEXT	0x0ull			/* context page, 4096 bytes */
#define VRDMA_MMAP_NOTIFY	0x1000ull		/* notification page, 4096 bytes */

struct vrdma_uapi_sockaddr {	/* virtio_rdma_addr in host byte order */
	__u8 family;		/* VIRTIO_RDMA_AF_xxx */
	__u8 reserved;
	__u16 port;
	__u32 scope_id;
	__u8 ip[16];
};

struct vrdma_uapi_private {
	__u16 length;
	__u16 reserved[3];
	__u8 data[VIRTIO_RDMA_MAX_PRIVATE];
};

/* OPEN: first call on a file, exactly once */
struct vrdma_uapi_open {
	__u32 status;
	__u32 version;			/* in: VRDMA_UAPI_VERSION */
	__u32 notify_offset;		/* out: where to store in the notify page */
	__u32 notify_value;		/* out: 16-bit value to store */
	__u32 notify_mapped;		/* out: 0: no page, use the KICK ioctl */
	__u32 address_count;		/* out */
	__u32 features;			/* out: VIRTIO_RDMA_FEATURE() in use */
	__u32 reserved;
	struct virtio_rdma_config config; /* out */
	struct vrdma_uapi_sockaddr address[VIRTIO_RDMA_MAX_ADDRESSES]; /* out */
};

struct vrdma_uapi_create_cq {
	__u32 status;
	__u32 depth;			/* in: wanted; out: entries, power of two */
	__u32 id;			/* out */
	__u32 ring_offset;		/* out: in the buffer */
	__u64 buffer_offset;		/* out: for mmap */
	__u64 buffer_size;		/* out */
};

/*
 * RESIZE_CQ: another depth may be another ring, which is mapped by the same offset,
 * and where the counts begin at 0.  The old mapping has what was written before:
 * it is polled empty first.  Its record's moved says whether there is another ring,
 * whatever the status.  The process does not arm while it is in the call.
 * Statuses: those of NdkResizeCq.
 */
struct vrdma_uapi_resize_cq {
	__u32 status;
	__u32 id;
	__u32 depth;			/* in: wanted; out: entries, power of two */
	__u32 ring_offset;		/* out: in the buffer */
	__u64 buffer_size;		/* out */
};

struct vrdma_uapi_create_qp {
	__u32 status;
	__u32 recv_cq;			/* in */
	__u32 send_cq;			/* in */
	__u32 recv_depth;		/* in: wanted; out: ring entries */
	__u32 send_depth;		/* in: wanted; out: ring entries */
	__u32 max_recv_sge;		/* in */
	__u32 max_send_sge;		/* in */
	__u32 max_inline;		/* in */
	__u32 srq;			/* in: where receives come from, 0: its own
					 * ring; else recv_depth, max_recv_sge 0 */
	__u32 handle;			/* in: 0; out: as in completions */
	__u64 qp_context;		/* in: comes back in completions */
	__u32 id;			/* out */
	__u32 slot;			/* out: bit in the context page */
	__u32 send_offset;		/* out: in the buffer */
	__u32 recv_offset;		/* out */
	__u32 send_stride;		/* out */
	__u32 recv_stride;		/* out */
	__u64 buffer_offset;		/* out: for mmap */
	__u64 buffer_size;		/* out */
};

/* CREATE_SRQ: STATUS_NOT_SUPPORTED where config.max_srq_depth is 0 */
struct vrdma_uapi_create_srq {
	__u32 status;
	__u32 depth;			/* in: wanted; out: ring entries */
	__u32 max_sge;			/* in */
	__u32 threshold;		/* in: for SRQ_NOTIFY; 0: none */
	__u32 id;			/* out */
	__u32 slot;			/* out: bit in the context page */
	__u32 ring_offset;		/* out: in the buffer */
	__u32 stride;			/* out */
	__u64 buffer_offset;		/* out: for mmap */
	__u64 buffer_size;		/* out */
};

/*
 * MODIFY_SRQ: the process does not post while it is in the call.  After a depth
 * other than 0 the ring may be another one, with what is queued in it at the
 * places of their counts: then it is mapped anew, by the same offset, and the
 * old mapping means nothing any more.  Statuses: those of NdkModifySrq.
 */
struct vrdma_uapi_modify_srq {
	__u32 status;
	__u32 id;
	__u32 depth;			/* in: wanted, 0: as it is; out: ring entries */
	__u32 threshold;		/* in: for the SRQ_NOTIFYs that wait, too; 0: as
					 * it is */
	__u32 ring_offset;		/* out: in the buffer */
	__u32 reserved;
	__u64 buffer_size;		/* out */
};

/* CREATE_MR, CREATE_CONNECTOR, CREATE_LISTENER */
struct vrdma_uapi_create {
	__u32 status;
	__u32 id;			/* out */
};

/* CREATE_MW: with handle and token the process binds by itself: struct
 * virtio_rdma_bind, VIRTIO_RDMA_TOKEN_KEY.  STATUS_NOT_SUPPORTED where
 * config.max_mw is 0.  A region that is freed with windows bound to it stays
 * registered, and pinned, until they are freed. */
struct vrdma_uapi_create_mw {
	__u32 status;
	__u32 id;			/* out */
	__u32 handle;			/* out: the device's */
	__u32 token;			/* out */
};

/* FREE (any object; returns when it is gone from the file; a device object
 * may live on until its successors are freed), FLUSH (QP) */
struct vrdma_uapi_object {
	__u32 status;
	__u32 id;
};

/* REGISTER: event data[0] local token, data[1] remote token */
struct vrdma_uapi_register {
	__u32 status;
	__u32 id;
	__u64 address;
	__u64 length;
	__u32 flags;			/* ND_MR_FLAG_xxx */
	__u32 reserved;
	__u64 overlapped;
};

/* DEREGISTER (STATUS_DEVICE_BUSY: a window is bound to it), COMPLETE_CONNECT,
 * NOTIFY_DISCONNECT, DISCONNECT (connector), CQ_NOTIFY: all that are pending end
 * when the device next reports the CQ.  The caller arms the ring after this call
 * returned STATUS_PENDING: a report with nobody waiting is dropped.
 * SRQ_NOTIFY: arms the queue, and all that are pending end when it has fewer
 * receives than its threshold, which may be at once; without a threshold only an
 * error ends them. */
struct vrdma_uapi_request {
	__u32 status;
	__u32 id;
	__u64 overlapped;
};

/* BIND of a connector or a listener, then LISTEN of a listener (backlog; addr
 * out: with the port it got) */
struct vrdma_uapi_bind {
	__u32 status;
	__u32 id;
	struct vrdma_uapi_sockaddr addr; /* in; out: with the port given */
	__u32 backlog;
	__u32 reserved;
};

/* CONNECT (addr: destination), ACCEPT (addr ignored) */
struct vrdma_uapi_connect {
	__u32 status;
	__u32 id;
	__u32 qp;
	__u32 inbound_reads;
	__u32 outbound_reads;
	__u32 reserved;
	struct vrdma_uapi_sockaddr addr;
	__u64 overlapped;
	struct vrdma_uapi_private priv;
};

struct vrdma_uapi_reject {
	__u32 status;
	__u32 id;
	struct vrdma_uapi_private priv;
};

/* GET_CONNECTION_REQUEST: a connector (fresh, of CREATE_CONNECTOR) takes the
 * next request of the listener */
struct vrdma_uapi_get_request {
	__u32 status;
	__u32 listener;
	__u32 connector;
	__u32 reserved;
	__u64 overlapped;
};

struct vrdma_uapi_connection {	/* GET_CONNECTION */
	__u32 status;
	__u32 id;
	__u32 inbound_reads;		/* out, valid per valid */
	__u32 outbound_reads;
	__u32 valid;			/* out: VRDMA_CONN_xxx */
	__u32 reason;			/* out: enum virtio_rdma_reason, 0: none yet */
	struct vrdma_uapi_sockaddr local;
	struct vrdma_uapi_sockaddr peer;
	struct vrdma_uapi_private priv;
};
#define VRDMA_CONN_LOCAL	0x1
#define VRDMA_CONN_PEER		0x2
#define VRDMA_CONN_DATA		0x4	/* priv and read limits */

/*
 * CANCEL: every pending request of the object ends STATUS_CANCELLED, with its
 * event.  NOTIFY_DISCONNECT, CQ_NOTIFY and SRQ_NOTIFY are cancelled without a trace; a
 * pending CONNECT, ACCEPT, COMPLETE_CONNECT or DISCONNECT takes the connection
 * with it: the connector is then good for FREE only.  FREE does the same to
 * what is pending.
 *
 * When the device was lost under an open file, every call but FREE, CANCEL,
 * FLUSH and GET_CONNECTION says STATUS_DEVICE_REMOVED; open the device anew.
 * What was posted before the loss is in the CQs as cancelled.  What is posted
 * on a QP whose record says VIRTIO_RDMA_QP_ERROR (read behind a full fence,
 * after the tail was published) needs a FLUSH: a dead device sees no post.
 * Receives in an SRQ have no completion then.
 */

struct vrdma_uapi_event {
	__u64 overlapped;		/* the request's, or the CQ_NOTIFY's */
	__u32 status;			/* NT status */
	__u32 id;			/* object the request was made on */
	__u64 data[2];
};

#define VRDMA_IOC_MAGIC			0xd7
#define VRDMA_IOC_OPEN			_IOWR(VRDMA_IOC_MAGIC, 1, struct vrdma_uapi_open)
#define VRDMA_IOC_CREATE_CQ		_IOWR(VRDMA_IOC_MAGIC, 2, struct vrdma_uapi_create_cq)
#define VRDMA_IOC_CREATE_QP		_IOWR(VRDMA_IOC_MAGIC, 3, struct vrdma_uapi_create_qp)
#define VRDMA_IOC_CREATE_MR		_IOWR(VRDMA_IOC_MAGIC, 4, struct vrdma_uapi_create)
#define VRDMA_IOC_CREATE_CONNECTOR	_IOWR(VRDMA_IOC_MAGIC, 5, struct vrdma_uapi_create)
#define VRDMA_IOC_CREATE_LISTENER	_IOWR(VRDMA_IOC_MAGIC, 6, struct vrdma_uapi_create)
#define VRDMA_IOC_FREE			_IOWR(VRDMA_IOC_MAGIC, 7, struct vrdma_uapi_object)
#define VRDMA_IOC_REGISTER		_IOWR(VRDMA_IOC_MAGIC, 8, struct vrdma_uapi_register)
#define VRDMA_IOC_DEREGISTER		_IOWR(VRDMA_IOC_MAGIC, 9, struct vrdma_uapi_request)
#define VRDMA_IOC_FLUSH			_IOWR(VRDMA_IOC_MAGIC, 10, struct vrdma_uapi_object)
#define VRDMA_IOC_CQ_NOTIFY		_IOWR(VRDMA_IOC_MAGIC, 11, struct vrdma_uapi_request)
#define VRDMA_IOC_BIND			_IOWR(VRDMA_IOC_MAGIC, 12, struct vrdma_uapi_bind)
#define VRDMA_IOC_CONNECT		_IOWR(VRDMA_IOC_MAGIC, 13, struct vrdma_uapi_connect)
#define VRDMA_IOC_COMPLETE_CONNECT	_IOWR(VRDMA_IOC_MAGIC, 14, struct vrdma_uapi_request)
#define VRDMA_IOC_ACCEPT		_IOWR(VRDMA_IOC_MAGIC, 15, struct vrdma_uapi_connect)
#define VRDMA_IOC_REJECT		_IOWR(VRDMA_IOC_MAGIC, 16, struct vrdma_uapi_reject)
#define VRDMA_IOC_GET_CONNECTION	_IOWR(VRDMA_IOC_MAGIC, 17, struct vrdma_uapi_connection)
#define VRDMA_IOC_NOTIFY_DISCONNECT	_IOWR(VRDMA_IOC_MAGIC, 18, struct vrdma_uapi_request)
#define VRDMA_IOC_DISCONNECT		_IOWR(VRDMA_IOC_MAGIC, 19, struct vrdma_uapi_request)
#define VRDMA_IOC_LISTEN		_IOWR(VRDMA_IOC_MAGIC, 20, struct vrdma_uapi_bind)
#define VRDMA_IOC_GET_REQUEST		_IOWR(VRDMA_IOC_MAGIC, 21, struct vrdma_uapi_get_request)
#define VRDMA_IOC_CANCEL		_IOWR(VRDMA_IOC_MAGIC, 22, struct vrdma_uapi_object)
#define VRDMA_IOC_KICK			_IO(VRDMA_IOC_MAGIC, 23)
#define VRDMA_IOC_CREATE_MW		_IOWR(VRDMA_IOC_MAGIC, 24, struct vrdma_uapi_create_mw)
#define VRDMA_IOC_CREATE_SRQ		_IOWR(VRDMA_IOC_MAGIC, 25, struct vrdma_uapi_create_srq)
#define VRDMA_IOC_MODIFY_SRQ		_IOWR(VRDMA_IOC_MAGIC, 26, struct vrdma_uapi_modify_srq)
#define VRDMA_IOC_SRQ_NOTIFY		_IOWR(VRDMA_IOC_MAGIC, 27, struct vrdma_uapi_request)
#define VRDMA_IOC_RESIZE_CQ		_IOWR(VRDMA_IOC_MAGIC, 28, struct vrdma_uapi_resize_cq)

#endif /* VRDMA_UAPI_H */
