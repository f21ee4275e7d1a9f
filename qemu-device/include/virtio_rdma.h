/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-or-later */
/*
 * virtio_rdma.h - the guest-visible interface of the virtio RDMA device (id 42)
 *
 * DOC: The one header that every part shares.
 *
 * Everything is little-endian and of fixed width.  Direction marks, read from
 * the driver's side of the border:
 *
 *	D->d	the driver writes, the device reads
 *	d->D	the device writes, the driver reads
 *	ro	configuration space, the driver reads
 *
 * A reserved field is zero in what the driver writes, and the device checks
 * that it is; the driver ignores reserved fields that the device writes.
 * Each structure is followed by asserts of its size and of the offsets that
 * matter.  docs/protocol.md is the text that goes with this header.
 */
#ifndef VIRTIO_RDMA_H
#define VIRTIO_RDMA_H

#ifdef __KERNEL__
#include <linux/stddef.h>
#include <linux/types.h>
typedef __le16 vr_le16;
typedef __le32 vr_le32;
typedef __le64 vr_le64;
#else
#include <stddef.h>
#include <stdint.h>
typedef uint16_t vr_le16;
typedef uint32_t vr_le32;
typedef uint64_t vr_le64;
#endif

#ifdef __cplusplus
#define VIRTIO_RDMA_ASSERT(e) static_assert(e, #e)
#else
#define VIRTIO_RDMA_ASSERT(e) _Static_assert(e, #e)
#endif
#define VIRTIO_RDMA_SIZE(type, size) \
	VIRTIO_RDMA_ASSERT(sizeof(struct type) == (size))
#define VIRTIO_RDMA_OFFSET(type, field, off) \
	VIRTIO_RDMA_ASSERT(offsetof(struct type, field) == (off))

/* virtio device id: reserved for RDMA, without a device section so far */
#ifndef VIRTIO_ID_RDMA
#define VIRTIO_ID_RDMA			42
#endif

/* Layout version of this header; the driver refuses a device of another one */
#define VIRTIO_RDMA_ABI_VERSION		1

/*
 * ---------------------------------------------------------------- limits
 * What the layout can carry.  The device announces what it gives, which is
 * never more, in its configuration space.
 */
#define VIRTIO_RDMA_PAGE_SHIFT		12	/* unit of every page list */
#define VIRTIO_RDMA_PAGE_SIZE		(1u << VIRTIO_RDMA_PAGE_SHIFT)
#define VIRTIO_RDMA_LARGE_SHIFT		21	/* the other page size of a region */
#define VIRTIO_RDMA_TABLE_ENTRIES	512	/* 64-bit addresses in one page */
#define VIRTIO_RDMA_MAX_LEVELS		3	/* 512^3 pages: more than any region */
#define VIRTIO_RDMA_MAX_PRIVATE		512	/* MPA's limit, the largest of all wires */
#define VIRTIO_RDMA_MAX_SGE		16	/* fits a 512-byte ring entry */
#define VIRTIO_RDMA_MAX_INLINE		256	/* fits a 512-byte ring entry */
#define VIRTIO_RDMA_MAX_DEPTH		16384	/* a 16-bit index stays unambiguous */
#define VIRTIO_RDMA_MAX_CQ_DEPTH	262144
#define VIRTIO_RDMA_MIN_STRIDE		64
#define VIRTIO_RDMA_MAX_STRIDE		512
#define VIRTIO_RDMA_MAX_SLOTS		16384	/* work bits in one context page */
#define VIRTIO_RDMA_MAX_ADDRESSES	16	/* in one answer of QUERY_ADDRESSES */
#define VIRTIO_RDMA_MAX_MODERATION_US	1000000	/* a longer interval counts as this */

/*
 * ---------------------------------------------------------- feature bits
 * Device-specific bits 0..23.  A bit that the device does not offer has its
 * commands and opcodes answered as unknown.
 */
#define VIRTIO_RDMA_F_MW		0	/* memory windows: bind, invalidate */
#define VIRTIO_RDMA_F_SRQ		1	/* shared receive queues */
#define VIRTIO_RDMA_F_SEND_INVALIDATE	2	/* send with invalidate */
#define VIRTIO_RDMA_F_FAST_REGISTER	3	/* fast-register regions */
#define VIRTIO_RDMA_F_CQ_RESIZE		4	/* completion queues change their depth */
#define VIRTIO_RDMA_F_CQ_MODERATION	5	/* completion events may wait for more */
#define VIRTIO_RDMA_F_SHARED_ENDPOINT	6	/* one end point, many connections */
#define VIRTIO_RDMA_F_READ_INVALIDATE	7	/* READ that ends its own target */

/* VIRTIO_RDMA_FEATURE(SRQ): the bit in a mask */
#define VIRTIO_RDMA_FEATURE(f)		(1u << VIRTIO_RDMA_F_##f)
#define VIRTIO_RDMA_FEATURES		0xffffffu	/* the device type's own */

/*
 * ------------------------------------------------------------ virtqueues
 * 0 control, 1 events, then config.num_ceq completion-event queues, then
 * config.num_wakeq wake-up queues, which carry notifications and no buffers.
 */
#define VIRTIO_RDMA_VQ_CONTROL		0
#define VIRTIO_RDMA_VQ_EVENT		1
#define VIRTIO_RDMA_VQ_CEQ(i)		(2u + (i))
#define VIRTIO_RDMA_VQ_WAKE(num_ceq, i)	(2u + (num_ceq) + (i))

/* --------------------------------------------------- configuration space */
struct virtio_rdma_config {
	vr_le32 abi_version;		/* ro  VIRTIO_RDMA_ABI_VERSION */
	vr_le16 num_ceq;		/* ro  1..  */
	vr_le16 num_wakeq;		/* ro  1..  */
	vr_le32 max_context;		/* ro  contexts */
	vr_le32 max_pd;			/* ro  protection domains */
	vr_le32 max_cq;			/* ro  completion queues */
	vr_le32 max_mr;			/* ro  memory regions */
	vr_le32 max_qp;			/* ro  queue pairs */
	vr_le32 max_connector;		/* ro  connectors, incoming ones included */
	vr_le32 max_listener;		/* ro  listeners */
	vr_le32 max_cq_depth;		/* ro  entries */
	vr_le32 max_send_depth;		/* ro  entries */
	vr_le32 max_recv_depth;		/* ro  entries */
	vr_le32 max_send_sge;		/* ro  <= VIRTIO_RDMA_MAX_SGE */
	vr_le32 max_recv_sge;		/* ro  <= VIRTIO_RDMA_MAX_SGE */
	vr_le32 max_read_sge;		/* ro  <= max_send_sge */
	vr_le32 max_inline;		/* ro  bytes, <= VIRTIO_RDMA_MAX_INLINE */
	vr_le32 max_transfer;		/* ro  bytes in one request */
	vr_le32 max_inbound_reads;	/* ro  per queue pair */
	vr_le32 max_outbound_reads;	/* ro  per queue pair */
	vr_le32 max_caller_data;	/* ro  bytes of private data, CONNECT */
	vr_le32 max_callee_data;	/* ro  bytes of private data, ACCEPT, REJECT */
	vr_le32 adapter_flags;		/* ro  NDK_ADAPTER_FLAG_xxx values */
	vr_le64 max_mr_size;		/* ro  bytes */
	vr_le32 rdma_technology;	/* ro  NDK_RDMA_TECHNOLOGY values */
	vr_le32 vendor_id;		/* ro */
	vr_le32 device_id;		/* ro */
	vr_le32 disconnect_timeout_ms;	/* ro  deadline of DISCONNECT */
	vr_le32 max_srq;		/* ro  shared receive queues; 0: no F_SRQ */
	vr_le32 max_srq_depth;		/* ro  entries; 0: no F_SRQ */
	vr_le32 max_mw;			/* ro  memory windows; 0: no F_MW */
	vr_le32 max_frmr_pages;		/* ro  pages of a fast-register region, up to
					 *     TABLE_ENTRIES; 0: no F_FAST_REGISTER */
};
VIRTIO_RDMA_SIZE(virtio_rdma_config, 128);
VIRTIO_RDMA_OFFSET(virtio_rdma_config, max_mr_size, 88);
VIRTIO_RDMA_OFFSET(virtio_rdma_config, max_srq, 112);
VIRTIO_RDMA_OFFSET(virtio_rdma_config, max_mw, 120);

#define VIRTIO_RDMA_CONFIG_SIZE		128

/*
 * Behind the configuration space the back end keeps this word for the front
 * end in QEMU; the guest never sees it.  vhost-user has no message by which a
 * back end can raise VIRTIO_CONFIG_S_NEEDS_RESET.
 */
struct virtio_rdma_status_tail {
	vr_le32 status;			/* back end -> QEMU, bit 0x40: needs reset */
	vr_le32 reserved;
};
VIRTIO_RDMA_SIZE(virtio_rdma_status_tail, 8);

/* -------------------------------------------------------- shared pieces */

/* An end point.  ip[] in network order; an IPv4 address uses ip[0..3] */
#define VIRTIO_RDMA_AF_NONE		0	/* all other fields zero */
#define VIRTIO_RDMA_AF_INET		4
#define VIRTIO_RDMA_AF_INET6		6
struct virtio_rdma_addr {
	uint8_t family;
	uint8_t reserved;
	vr_le16 port;			/* number, 0: the device picks one */
	vr_le32 scope_id;		/* IPv6 link-local only, else 0 */
	uint8_t ip[16];
};
VIRTIO_RDMA_SIZE(virtio_rdma_addr, 24);

/*
 * Guest memory as a list of pages.  levels 0: root is the address of the only
 * page.  levels 1..3: root is the address of a table page of up to 512
 * addresses, of pages (1) or of further table pages (2, 3), all but the last
 * table of a level full.  Table pages are always 4 KiB, aligned; the pages
 * listed are of 1 << page_shift bytes, aligned.  The device copies the tables
 * while it runs the command and does not look at them afterwards.
 */
struct virtio_rdma_page_list {
	vr_le64 root;			/* D->d  guest physical address */
	vr_le32 page_count;		/* D->d  pages listed, >= 1 */
	uint8_t levels;			/* D->d  0..VIRTIO_RDMA_MAX_LEVELS */
	uint8_t page_shift;		/* D->d  12; for a region also 21 */
	vr_le16 reserved;
};
VIRTIO_RDMA_SIZE(virtio_rdma_page_list, 16);

/* ------------------------------------------------------ command statuses */
enum virtio_rdma_status {
	VIRTIO_RDMA_S_OK			= 0,
	VIRTIO_RDMA_S_UNKNOWN_COMMAND		= 1,
	VIRTIO_RDMA_S_INVALID_PARAMETER		= 2,	/* also: reserved field not zero */
	VIRTIO_RDMA_S_INVALID_HANDLE		= 3,	/* stale, foreign or never given */
	VIRTIO_RDMA_S_NO_RESOURCES		= 4,
	VIRTIO_RDMA_S_NOT_SUPPORTED		= 5,
	VIRTIO_RDMA_S_INVALID_STATE		= 6,
	VIRTIO_RDMA_S_BUSY			= 7,	/* something still uses the object */
	VIRTIO_RDMA_S_ACCESS_VIOLATION		= 8,	/* page outside guest memory */
	VIRTIO_RDMA_S_BUFFER_SIZE		= 9,	/* private data too long */
	VIRTIO_RDMA_S_ADDRESS_IN_USE		= 10,
	VIRTIO_RDMA_S_INVALID_ADDRESS		= 11,	/* not one of this adapter's */
	VIRTIO_RDMA_S_TOO_MANY_ADDRESSES	= 12,	/* no ephemeral port left */
	VIRTIO_RDMA_S_NETWORK_UNREACHABLE	= 13,
	VIRTIO_RDMA_S_HOST_UNREACHABLE		= 14,
	VIRTIO_RDMA_S_CONNECTION_REFUSED	= 15,	/* no listener, backlog, rejected */
	VIRTIO_RDMA_S_CONNECTION_ABORTED	= 16,
	VIRTIO_RDMA_S_CONNECTION_INVALID	= 17,	/* never connected, or over */
	VIRTIO_RDMA_S_CONNECTION_ACTIVE		= 18,	/* queue pair or connector in use */
	VIRTIO_RDMA_S_TIMED_OUT			= 19,
	VIRTIO_RDMA_S_CANCELLED			= 20,	/* a close overtook the command */
	VIRTIO_RDMA_S_INTERNAL_ERROR		= 21,
	VIRTIO_RDMA_S_CONNECTION_EXISTS		= 22,	/* between these end points */
	VIRTIO_RDMA_S_COUNT
};

/* -------------------------------------------------------- control queue */
enum virtio_rdma_command {
	VIRTIO_RDMA_CMD_QUERY_ADDRESSES		= 1,
	VIRTIO_RDMA_CMD_CREATE_CONTEXT		= 2,
	VIRTIO_RDMA_CMD_DESTROY_CONTEXT		= 3,
	VIRTIO_RDMA_CMD_CREATE_PD		= 4,
	VIRTIO_RDMA_CMD_DESTROY_PD		= 5,
	VIRTIO_RDMA_CMD_CREATE_CQ		= 6,
	VIRTIO_RDMA_CMD_DESTROY_CQ		= 7,
	VIRTIO_RDMA_CMD_REGISTER_MR		= 8,
	VIRTIO_RDMA_CMD_DEREGISTER_MR		= 9,
	VIRTIO_RDMA_CMD_CREATE_QP		= 10,
	VIRTIO_RDMA_CMD_DESTROY_QP		= 11,
	VIRTIO_RDMA_CMD_FLUSH_QP		= 12,
	VIRTIO_RDMA_CMD_LISTEN			= 13,
	VIRTIO_RDMA_CMD_CLOSE_LISTENER		= 14,
	VIRTIO_RDMA_CMD_CONTROL_LISTENER	= 15,
	VIRTIO_RDMA_CMD_CREATE_CONNECTOR	= 16,
	VIRTIO_RDMA_CMD_CONNECT			= 17,
	VIRTIO_RDMA_CMD_COMPLETE_CONNECT	= 18,
	VIRTIO_RDMA_CMD_ACCEPT			= 19,
	VIRTIO_RDMA_CMD_REJECT			= 20,
	VIRTIO_RDMA_CMD_DISCONNECT		= 21,
	VIRTIO_RDMA_CMD_CLOSE_CONNECTOR		= 22,
	VIRTIO_RDMA_CMD_CREATE_MW		= 23,	/* F_MW */
	VIRTIO_RDMA_CMD_DESTROY_MW		= 24,	/* F_MW */
	VIRTIO_RDMA_CMD_CREATE_SRQ		= 25,	/* F_SRQ */
	VIRTIO_RDMA_CMD_MODIFY_SRQ		= 26,	/* F_SRQ */
	VIRTIO_RDMA_CMD_DESTROY_SRQ		= 27,	/* F_SRQ */
	VIRTIO_RDMA_CMD_CREATE_FRMR		= 28,	/* F_FAST_REGISTER */
	VIRTIO_RDMA_CMD_RESIZE_CQ		= 29,	/* F_CQ_RESIZE */
	VIRTIO_RDMA_CMD_CREATE_ENDPOINT		= 30,	/* F_SHARED_ENDPOINT */
	VIRTIO_RDMA_CMD_CLOSE_ENDPOINT		= 31,	/* F_SHARED_ENDPOINT */
	VIRTIO_RDMA_CMD_COUNT
};

/*
 * A request is the readable part of the chain, exactly as long as its
 * structure; the answer is the writable part, at least as long as its
 * structure.  A chain that cannot even carry a struct virtio_rdma_rsp is a
 * broken queue (needs reset); any other mistake is answered with a status,
 * and then only the header of the answer is meaningful.
 */
struct virtio_rdma_cmd {
	vr_le16 opcode;			/* D->d  enum virtio_rdma_command */
	vr_le16 reserved;
	vr_le32 handle;			/* D->d  object the command acts on, or 0 */
};
VIRTIO_RDMA_SIZE(virtio_rdma_cmd, 8);

struct virtio_rdma_rsp {
	vr_le32 status;			/* d->D  enum virtio_rdma_status */
	vr_le32 handle;			/* d->D  object created, else 0 */
};
VIRTIO_RDMA_SIZE(virtio_rdma_rsp, 8);

/* QUERY_ADDRESSES: request struct virtio_rdma_cmd, handle 0 */
struct virtio_rdma_rsp_query_addresses {
	struct virtio_rdma_rsp hdr;
	vr_le32 count;			/* d->D  <= VIRTIO_RDMA_MAX_ADDRESSES */
	vr_le32 reserved;
	struct virtio_rdma_addr addr[VIRTIO_RDMA_MAX_ADDRESSES];	/* port 0 */
};
VIRTIO_RDMA_SIZE(virtio_rdma_rsp_query_addresses, 16 + 24 * 16);

/* CREATE_CONTEXT: answer struct virtio_rdma_rsp.  handle 0 in the request */
struct virtio_rdma_cmd_create_context {
	struct virtio_rdma_cmd hdr;
	vr_le64 page;			/* D->d  address of a virtio_rdma_context_page */
	vr_le32 wakeq;			/* D->d  < config.num_wakeq */
	vr_le32 reserved;
};
VIRTIO_RDMA_SIZE(virtio_rdma_cmd_create_context, 24);

/* DESTROY_xxx, DEREGISTER_MR, FLUSH_QP, CLOSE_xxx, COMPLETE_CONNECT and
 * DISCONNECT have no fields of their own: struct virtio_rdma_cmd with the
 * object's handle, answered by struct virtio_rdma_rsp */

#define VIRTIO_RDMA_PD_PRIVILEGED	0x1	/* VIRTIO_RDMA_TOKEN_PRIVILEGED works */
struct virtio_rdma_cmd_create_pd {
	struct virtio_rdma_cmd hdr;
	vr_le32 flags;			/* D->d  VIRTIO_RDMA_PD_xxx */
	vr_le32 reserved;
};
VIRTIO_RDMA_SIZE(virtio_rdma_cmd_create_pd, 16);

struct virtio_rdma_cmd_create_cq {
	struct virtio_rdma_cmd hdr;
	vr_le32 depth;			/* D->d  entries, a power of two */
	vr_le32 ceq;			/* D->d  < config.num_ceq */
	vr_le32 ring_offset;		/* D->d  in the buffer, a multiple of 32 */
	vr_le32 reserved;
	vr_le64 cookie;			/* D->d  comes back in completion events */
	struct virtio_rdma_page_list buffer; /* D->d  record at 0, then the ring */
};
VIRTIO_RDMA_SIZE(virtio_rdma_cmd_create_cq, 48);

/*
 * RESIZE_CQ: the queue goes on in another buffer, zeroed as for CREATE_CQ but for
 * the moderation words, where both count from 0.  The device says in the old
 * record that it has moved, and leaves that buffer alone from then on; what is in
 * it the driver takes before it turns to the new one.
 */
struct virtio_rdma_cmd_resize_cq {
	struct virtio_rdma_cmd hdr;
	vr_le32 depth;			/* D->d  entries, a power of two */
	vr_le32 ring_offset;		/* D->d  in the buffer, a multiple of 32 */
	struct virtio_rdma_page_list buffer; /* D->d  record at 0, then the ring */
};
VIRTIO_RDMA_SIZE(virtio_rdma_cmd_resize_cq, 32);

/* values of NDK_MR_FLAG_xxx; bit 8 (read sink) needs nothing here */
#define VIRTIO_RDMA_ACCESS_LOCAL_WRITE	0x1
#define VIRTIO_RDMA_ACCESS_REMOTE_READ	0x2
#define VIRTIO_RDMA_ACCESS_REMOTE_WRITE	0x4	/* only together with LOCAL_WRITE */
struct virtio_rdma_cmd_register_mr {
	struct virtio_rdma_cmd hdr;
	vr_le32 pd;			/* D->d */
	vr_le32 access;			/* D->d  VIRTIO_RDMA_ACCESS_xxx */
	vr_le64 addr;			/* D->d  address used in requests; its low
					 *       bits are the offset in the first page */
	vr_le64 length;			/* D->d  bytes, >= 1 */
	struct virtio_rdma_page_list pages; /* D->d  exactly what addr, length need */
};
VIRTIO_RDMA_SIZE(virtio_rdma_cmd_register_mr, 48);

struct virtio_rdma_rsp_register_mr {
	struct virtio_rdma_rsp hdr;
	vr_le32 local_token;		/* d->D */
	vr_le32 remote_token;		/* d->D  0 without a remote right */
};
VIRTIO_RDMA_SIZE(virtio_rdma_rsp_register_mr, 16);

/*
 * CREATE_FRMR: a region without memory, which FAST_REGISTER requests give it, by
 * guest physical addresses: the domain is one with PD_PRIVILEGED.
 * The answer is a struct virtio_rdma_rsp_register_mr: the local token is for
 * good, the remote one is the first of the 256 that are the region's own.
 * DEREGISTER_MR ends it.
 */
#define VIRTIO_RDMA_FRMR_REMOTE		0x1	/* peers may be given rights */
struct virtio_rdma_cmd_create_frmr {
	struct virtio_rdma_cmd hdr;
	vr_le32 pd;			/* D->d */
	vr_le32 max_pages;		/* D->d  1..config.max_frmr_pages */
	vr_le32 flags;			/* D->d  VIRTIO_RDMA_FRMR_xxx */
	vr_le32 reserved;
};
VIRTIO_RDMA_SIZE(virtio_rdma_cmd_create_frmr, 24);

/* CREATE_MW: a window that is bound to nothing */
struct virtio_rdma_cmd_create_mw {
	struct virtio_rdma_cmd hdr;
	vr_le32 pd;			/* D->d */
	vr_le32 reserved;
};
VIRTIO_RDMA_SIZE(virtio_rdma_cmd_create_mw, 16);

/* Each BIND gives the window a token: this one with a low byte (the key) that
 * the driver chooses, another one than that of the time before.  So does each
 * FAST_REGISTER to its region. */
#define VIRTIO_RDMA_TOKEN_KEY		0xffu
struct virtio_rdma_rsp_create_mw {
	struct virtio_rdma_rsp hdr;
	vr_le32 token;			/* d->D */
	vr_le32 reserved;
};
VIRTIO_RDMA_SIZE(virtio_rdma_rsp_create_mw, 16);

/* In a PD made with PD_PRIVILEGED: sge.addr is a guest physical address */
#define VIRTIO_RDMA_TOKEN_PRIVILEGED	1u

/*
 * NDSPI: a peer's disconnect is indicated and then the queues are flushed.
 * Without it (NDKPI) they stay until this side disconnects, flushes or closes.
 */
#define VIRTIO_RDMA_QP_FLUSH_ON_PEER_DISCONNECT	0x1
struct virtio_rdma_cmd_create_qp {
	struct virtio_rdma_cmd hdr;
	vr_le32 pd;			/* D->d */
	vr_le32 send_cq;		/* D->d  initiator CQ */
	vr_le32 recv_cq;		/* D->d */
	vr_le32 context;		/* D->d  where its work bit is */
	vr_le32 slot;			/* D->d  < VIRTIO_RDMA_MAX_SLOTS, free in context */
	vr_le32 flags;			/* D->d  VIRTIO_RDMA_QP_xxx */
	vr_le32 sq_depth;		/* D->d  entries, a power of two */
	vr_le32 rq_depth;		/* D->d  entries, a power of two */
	vr_le16 sq_stride;		/* D->d  bytes, power of two, 64..512 */
	vr_le16 rq_stride;		/* D->d  bytes, power of two, 64..512 */
	vr_le16 max_send_sge;		/* D->d */
	vr_le16 max_recv_sge;		/* D->d */
	vr_le32 max_inline;		/* D->d  bytes */
	vr_le32 sq_offset;		/* D->d  in the buffer, a multiple of the stride */
	vr_le32 rq_offset;		/* D->d  in the buffer, a multiple of the stride */
	vr_le32 srq;			/* D->d  F_SRQ: where its receives come from;
					 *       then all of its own rq_ and
					 *       max_recv_sge are 0.  0: none */
	vr_le64 qp_context;		/* D->d  comes back in each completion */
	struct virtio_rdma_page_list buffer; /* D->d  record at 0, then the rings */
};
VIRTIO_RDMA_SIZE(virtio_rdma_cmd_create_qp, 88);

/* CREATE_SRQ: the domain is that of each queue pair which will use it */
struct virtio_rdma_cmd_create_srq {
	struct virtio_rdma_cmd hdr;
	vr_le32 pd;			/* D->d */
	vr_le32 context;		/* D->d  where its work bit is */
	vr_le32 slot;			/* D->d  < VIRTIO_RDMA_MAX_SLOTS, free in context */
	vr_le32 depth;			/* D->d  entries, a power of two */
	vr_le16 stride;			/* D->d  bytes, power of two, 64..512 */
	vr_le16 max_sge;		/* D->d  <= config.max_recv_sge */
	vr_le32 ring_offset;		/* D->d  in the buffer, a multiple of the stride */
	vr_le32 threshold;		/* D->d  armed for SRQ_LIMIT; 0: not armed */
	vr_le32 reserved;
	vr_le64 cookie;			/* D->d  comes back in SRQ_LIMIT, SRQ_ERROR */
	struct virtio_rdma_page_list buffer; /* D->d  record at 0, then the ring */
};
VIRTIO_RDMA_SIZE(virtio_rdma_cmd_create_srq, 64);

/*
 * MODIFY_SRQ.  depth 0 leaves ring and buffer as they are, and then ring_offset
 * and buffer are zero.  Otherwise the driver has copied the entries from head
 * to tail into the new ring, each to the place of its count, and set the new
 * record's tail; it posts to the new ring from then on, and leaves the old one
 * alone until the answer.
 */
struct virtio_rdma_cmd_modify_srq {
	struct virtio_rdma_cmd hdr;
	vr_le32 depth;			/* D->d  entries, a power of two, or 0 */
	vr_le32 ring_offset;		/* D->d  in the new buffer */
	vr_le32 threshold;		/* D->d  armed anew; 0: stays as it is */
	vr_le32 reserved;
	struct virtio_rdma_page_list buffer; /* D->d  record at 0, then the ring */
};
VIRTIO_RDMA_SIZE(virtio_rdma_cmd_modify_srq, 40);

/* LISTEN creates: handle 0 in the request, the listener's in the answer */
struct virtio_rdma_cmd_listen {
	struct virtio_rdma_cmd hdr;
	struct virtio_rdma_addr addr;	/* D->d  all-zero ip: every address */
	vr_le32 backlog;		/* D->d  requests not yet answered, 0: device's */
	vr_le32 reserved;
	vr_le64 cookie;			/* D->d  comes back in CONNECT_REQUEST */
};
VIRTIO_RDMA_SIZE(virtio_rdma_cmd_listen, 48);

struct virtio_rdma_rsp_listen {
	struct virtio_rdma_rsp hdr;
	struct virtio_rdma_addr addr;	/* d->D  with the port given */
};
VIRTIO_RDMA_SIZE(virtio_rdma_rsp_listen, 32);

struct virtio_rdma_cmd_control_listener {
	struct virtio_rdma_cmd hdr;
	vr_le32 pause;			/* D->d  1: refuse, 0: listen again */
	vr_le32 reserved;
};
VIRTIO_RDMA_SIZE(virtio_rdma_cmd_control_listener, 16);

/*
 * CREATE_ENDPOINT: takes a local end point, which several connectors may then
 * connect from.  It stays taken until it and all of them are closed.
 */
struct virtio_rdma_cmd_create_endpoint {
	struct virtio_rdma_cmd hdr;
	struct virtio_rdma_addr addr;	/* D->d  all-zero ip: the device picks */
};
VIRTIO_RDMA_SIZE(virtio_rdma_cmd_create_endpoint, 32);

struct virtio_rdma_rsp_create_endpoint {
	struct virtio_rdma_rsp hdr;
	struct virtio_rdma_addr addr;	/* d->D  with address and port given */
};
VIRTIO_RDMA_SIZE(virtio_rdma_rsp_create_endpoint, 32);

struct virtio_rdma_private {
	vr_le16 length;			/* bytes that count, the rest is zero */
	vr_le16 reserved[3];
	uint8_t data[VIRTIO_RDMA_MAX_PRIVATE];
};
VIRTIO_RDMA_SIZE(virtio_rdma_private, 520);

/* CREATE_CONNECTOR: an active connector; incoming ones come with an event */
struct virtio_rdma_cmd_create_connector {
	struct virtio_rdma_cmd hdr;
	vr_le64 cookie;			/* D->d  comes back in DISCONNECTED */
};
VIRTIO_RDMA_SIZE(virtio_rdma_cmd_create_connector, 16);

/* CONNECT ends when the peer accepts, rejects, or never answers */
struct virtio_rdma_cmd_connect {
	struct virtio_rdma_cmd hdr;	/* handle: the connector */
	vr_le32 qp;			/* D->d */
	vr_le32 inbound_reads;		/* D->d  capped, not refused */
	vr_le32 outbound_reads;		/* D->d  capped, not refused */
	vr_le32 endpoint;		/* D->d  F_SHARED_ENDPOINT: where from; then
					 *       local is AF_NONE.  0: none */
	struct virtio_rdma_addr local;	/* D->d  AF_NONE: the device picks */
	struct virtio_rdma_addr peer;	/* D->d */
	struct virtio_rdma_private priv; /* D->d */
};
VIRTIO_RDMA_SIZE(virtio_rdma_cmd_connect, 592);

/* Also meaningful with CONNECTION_REFUSED: priv is then the REJECT's */
struct virtio_rdma_rsp_connect {
	struct virtio_rdma_rsp hdr;
	vr_le32 inbound_reads;		/* d->D  in effect */
	vr_le32 outbound_reads;		/* d->D  in effect */
	struct virtio_rdma_addr local;	/* d->D */
	struct virtio_rdma_addr peer;	/* d->D */
	struct virtio_rdma_private priv; /* d->D */
};
VIRTIO_RDMA_SIZE(virtio_rdma_rsp_connect, 584);

/* ACCEPT ends when the peer's COMPLETE_CONNECT came, or it gave up.
 * The cookie replaces the one that an incoming connector lacks. */
struct virtio_rdma_cmd_accept {
	struct virtio_rdma_cmd hdr;	/* handle: connector of a CONNECT_REQUEST */
	vr_le32 qp;			/* D->d */
	vr_le32 inbound_reads;		/* D->d */
	vr_le32 outbound_reads;		/* D->d */
	vr_le32 reserved;
	vr_le64 cookie;			/* D->d  comes back in DISCONNECTED */
	struct virtio_rdma_private priv; /* D->d */
};
VIRTIO_RDMA_SIZE(virtio_rdma_cmd_accept, 552);

/* Also meaningful with CONNECTION_REFUSED: priv is then the REJECT's of a peer
 * that rejected instead of completing; with OK it is empty */
struct virtio_rdma_rsp_accept {
	struct virtio_rdma_rsp hdr;
	vr_le32 inbound_reads;		/* d->D  in effect */
	vr_le32 outbound_reads;		/* d->D  in effect */
	struct virtio_rdma_private priv; /* d->D */
};
VIRTIO_RDMA_SIZE(virtio_rdma_rsp_accept, 536);

struct virtio_rdma_cmd_reject {
	struct virtio_rdma_cmd hdr;	/* handle: the connector, either side's */
	struct virtio_rdma_private priv; /* D->d */
};
VIRTIO_RDMA_SIZE(virtio_rdma_cmd_reject, 528);

/* ---------------------------------------------------------- event queue */
enum virtio_rdma_event_type {
	VIRTIO_RDMA_EV_CONNECT_REQUEST	= 1,
	VIRTIO_RDMA_EV_DISCONNECTED	= 2,	/* NdDisconnectIndication */
	VIRTIO_RDMA_EV_CQ_ERROR		= 3,	/* overrun: the CQ and its QPs are dead */
	VIRTIO_RDMA_EV_SRQ_LIMIT	= 4,	/* fewer receives than the threshold */
	VIRTIO_RDMA_EV_SRQ_ERROR	= 5,	/* a wrong tail: it and its QPs are dead */
};

/* why a connection ended, in EV_DISCONNECTED */
enum virtio_rdma_reason {
	VIRTIO_RDMA_R_NONE		= 0,
	VIRTIO_RDMA_R_GRACEFUL		= 1,	/* the peer's consumer disconnected */
	VIRTIO_RDMA_R_RESET		= 2,	/* the peer or the wire aborted */
	VIRTIO_RDMA_R_TIMED_OUT		= 3,
	VIRTIO_RDMA_R_PEER_GONE		= 4,	/* the peer's device or guest is gone */
	VIRTIO_RDMA_R_LOCAL_ERROR	= 5,	/* a request of this side broke the QP */
	VIRTIO_RDMA_R_ADMINISTRATOR	= 6,
	VIRTIO_RDMA_R_DEVICE_RESET	= 7,	/* made by the driver, never by a device */
	VIRTIO_RDMA_R_COUNT
};

/* The driver keeps writable buffers of this size in the event queue.  The
 * facts of a connection request are all here: there is nothing to ask for. */
struct virtio_rdma_event {
	vr_le16 type;			/* d->D  enum virtio_rdma_event_type */
	vr_le16 reserved;
	vr_le32 handle;			/* d->D  connector (1, 2), CQ (3), SRQ (4, 5) */
	vr_le64 cookie;			/* d->D  the listener's (1) or the object's */
	vr_le32 reason;			/* d->D  2: enum virtio_rdma_reason */
	vr_le32 listener;		/* d->D  1 */
	vr_le32 inbound_reads;		/* d->D  1: what the peer allows */
	vr_le32 outbound_reads;		/* d->D  1 */
	struct virtio_rdma_addr local;	/* d->D  1 */
	struct virtio_rdma_addr peer;	/* d->D  1 */
	struct virtio_rdma_private priv; /* d->D  1: exactly what the peer sent */
	uint8_t reserved2[40];
};
VIRTIO_RDMA_SIZE(virtio_rdma_event, 640);
VIRTIO_RDMA_OFFSET(virtio_rdma_event, priv, 80);

/* Completion-event queues: writable buffers of this size, one event per arm */
struct virtio_rdma_cq_event {
	vr_le64 cookie;			/* d->D  the CQ's */
	vr_le32 cq;			/* d->D */
	vr_le32 reserved;
};
VIRTIO_RDMA_SIZE(virtio_rdma_cq_event, 16);

/* --------------------------------------------- rings and pages in memory */

/*
 * One page per context (a kernel consumer, a process).  To post: write the
 * ring entry, then the tail (release), set the queue's bit in work[slot / 64],
 * then the word's bit in summary[] (both atomic, full barriers), then read
 * worker; if it is ASLEEP, notify the context's wake-up queue.  The worker:
 * set ASLEEP (full barrier), look through every context once more, then wait.
 * It takes bits with an atomic exchange: summary word first, then work word.
 * A queue pair that the worker watches needs no bit: see its record.
 */
#define VIRTIO_RDMA_WORKER_AWAKE	0
#define VIRTIO_RDMA_WORKER_ASLEEP	1
struct virtio_rdma_context_page {
	vr_le32 worker;			/* d->D  VIRTIO_RDMA_WORKER_xxx */
	vr_le32 reserved0[15];
	vr_le64 summary[4];		/* both  bit w % 64 of [w / 64]: work[w] != 0 */
	vr_le64 reserved1[4];
	vr_le64 work[256];		/* both  bit slot % 64 of [slot / 64] */
	uint8_t reserved2[1920];
};
VIRTIO_RDMA_SIZE(virtio_rdma_context_page, 4096);
VIRTIO_RDMA_OFFSET(virtio_rdma_context_page, summary, 64);
VIRTIO_RDMA_OFFSET(virtio_rdma_context_page, work, 128);

#define VIRTIO_RDMA_QP_INIT		0	/* receives may be posted */
#define VIRTIO_RDMA_QP_CONNECTED	1
#define VIRTIO_RDMA_QP_ERROR		2	/* what is posted completes cancelled */
/*
 * At offset 0 of a QP's buffer.  Counts run freely and wrap at 2^32.  While the
 * worker looks at the tails by itself it says so in watched: a driver that stored
 * a tail and then (full barrier) reads WATCHED has told it enough.  The worker
 * takes the word back (full barrier), then looks at the tails once more.  What is
 * written with each entry has a cache line of its own.
 */
#define VIRTIO_RDMA_QP_WATCHED	1
struct virtio_rdma_qp_record {
	vr_le32 sq_tail;		/* D->d  entries ever posted */
	vr_le32 rq_tail;		/* D->d  entries ever posted */
	vr_le32 state;			/* d->D  VIRTIO_RDMA_QP_xxx */
	vr_le32 watched;		/* d->D  0, or VIRTIO_RDMA_QP_WATCHED */
	vr_le32 reserved0[12];
	vr_le32 sq_head;		/* d->D  entries ended, the silent ones too */
	vr_le32 rq_head;		/* d->D  entries ended, shared ones too */
	vr_le32 reserved1[14];
};
VIRTIO_RDMA_SIZE(virtio_rdma_qp_record, 128);
VIRTIO_RDMA_OFFSET(virtio_rdma_qp_record, sq_head, 64);
VIRTIO_RDMA_OFFSET(virtio_rdma_qp_record, watched, 12);

/* At offset 0 of an SRQ's buffer.  An entry is free again when a queue pair
 * took it; its completion comes later, in that queue pair's receive CQ. */
struct virtio_rdma_srq_record {
	vr_le32 tail;			/* D->d  entries ever posted */
	vr_le32 reserved0[15];
	vr_le32 head;			/* d->D  entries ever taken */
	vr_le32 reserved1[15];
};
VIRTIO_RDMA_SIZE(virtio_rdma_srq_record, 128);
VIRTIO_RDMA_OFFSET(virtio_rdma_srq_record, head, 64);

/* values of arm, in the order in which one dominates another */
#define VIRTIO_RDMA_ARM_NONE		0
#define VIRTIO_RDMA_ARM_ERRORS		1	/* CQ errors only: EV_CQ_ERROR */
#define VIRTIO_RDMA_ARM_SOLICITED	2	/* solicited or failed completions */
#define VIRTIO_RDMA_ARM_ANY		3
#define VIRTIO_RDMA_ARM_HELD		4	/* the device's: met, its event is due
						 * within the interval */
/* At offset 0 of a CQ's buffer */
struct virtio_rdma_cq_record {
	vr_le32 head;			/* D->d  entries ever taken */
	vr_le32 interval;		/* D->d  F_CQ_MODERATION: us, 0: none */
	vr_le32 count;			/* D->d  F_CQ_MODERATION: entries, 0, 1: none */
	vr_le32 reserved0[13];
	vr_le32 arm;			/* both  driver raises, device takes (exchange) */
	vr_le32 tail;			/* d->D  entries ever written; a hint */
	vr_le32 moved;			/* d->D  F_CQ_RESIZE: 1: nothing comes here any
					 *       more; tail is what was written */
	vr_le32 reserved1[13];
};
VIRTIO_RDMA_SIZE(virtio_rdma_cq_record, 128);
VIRTIO_RDMA_OFFSET(virtio_rdma_cq_record, interval, 4);
VIRTIO_RDMA_OFFSET(virtio_rdma_cq_record, arm, 64);
VIRTIO_RDMA_OFFSET(virtio_rdma_cq_record, moved, 72);

struct virtio_rdma_sge {
	vr_le64 addr;			/* D->d */
	vr_le32 length;			/* D->d */
	vr_le32 token;			/* D->d */
};
VIRTIO_RDMA_SIZE(virtio_rdma_sge, 16);

enum virtio_rdma_opcode {
	VIRTIO_RDMA_OP_SEND		= 1,
	VIRTIO_RDMA_OP_SEND_INVALIDATE	= 2,	/* F_SEND_INVALIDATE */
	VIRTIO_RDMA_OP_WRITE		= 3,
	VIRTIO_RDMA_OP_READ		= 4,
	VIRTIO_RDMA_OP_BIND		= 5,	/* F_MW */
	VIRTIO_RDMA_OP_FAST_REGISTER	= 6,	/* F_FAST_REGISTER */
	VIRTIO_RDMA_OP_INVALIDATE	= 7,	/* F_MW or F_FAST_REGISTER */
	VIRTIO_RDMA_OP_RECEIVE		= 16,	/* completions only */
	VIRTIO_RDMA_OP_RECEIVE_INVALIDATE = 17,	/* completions only */
};

#define VIRTIO_RDMA_WR_SILENT		0x1	/* no completion on success */
#define VIRTIO_RDMA_WR_READ_FENCE	0x2	/* after all earlier reads */
#define VIRTIO_RDMA_WR_SOLICIT		0x4	/* SEND: a solicited event */
#define VIRTIO_RDMA_WR_INLINE		0x8	/* SEND, WRITE: data in the entry */
#define VIRTIO_RDMA_WR_LOCAL_INVALIDATE	0x10	/* READ: its success ends what the
						 * first element names */

/* Ring entry of the send (initiator) queue; num_sge elements, or
 * inline_length bytes, follow at offset 32 */
struct virtio_rdma_send_wqe {
	vr_le64 wr_id;			/* D->d  comes back in the completion */
	uint8_t opcode;			/* D->d  enum virtio_rdma_opcode */
	uint8_t num_sge;		/* D->d */
	vr_le16 flags;			/* D->d  VIRTIO_RDMA_WR_xxx */
	vr_le32 inline_length;		/* D->d  0 without WR_INLINE */
	vr_le64 remote_addr;		/* D->d  WRITE, READ; else 0 */
	vr_le32 remote_token;		/* D->d  WRITE, READ, SEND_INVALIDATE: the
					 *       peer's; BIND, FAST_REGISTER,
					 *       INVALIDATE: an own one; else 0 */
	vr_le32 reserved;
};
VIRTIO_RDMA_SIZE(virtio_rdma_send_wqe, 32);

/* BIND: what follows at offset 32.  The window is open to the peer of this
 * queue pair, under remote_token, from when the request is executed. */
struct virtio_rdma_bind {
	vr_le64 addr;			/* D->d  of the first byte, as requests to
					 *       the region name it */
	vr_le64 length;			/* D->d  bytes, >= 1 */
	vr_le32 mw;			/* D->d  window */
	vr_le32 token;			/* D->d  the region's local one */
	vr_le32 access;			/* D->d  VIRTIO_RDMA_ACCESS_REMOTE_xxx, >= 1 */
	vr_le32 reserved;
};
VIRTIO_RDMA_SIZE(virtio_rdma_bind, 32);

/* FAST_REGISTER: what follows at offset 32.  The region has memory, under its
 * local token and remote_token, from when the request is executed until an
 * INVALIDATE of remote_token is. */
struct virtio_rdma_fast_register {
	vr_le64 addr;			/* D->d  address used in requests; its low
					 *       12 bits are the offset in the
					 *       first page */
	vr_le64 length;			/* D->d  bytes, >= 1 */
	vr_le64 table;			/* D->d  address of a page that lists the
					 *       4 KiB pages which addr and length
					 *       need, read when it is executed at
					 *       the latest */
	vr_le32 mr;			/* D->d  region of CREATE_FRMR */
	vr_le32 access;			/* D->d  VIRTIO_RDMA_ACCESS_xxx */
};
VIRTIO_RDMA_SIZE(virtio_rdma_fast_register, 32);

/* Ring entry of a receive queue, shared or not; num_sge elements follow at
 * offset 16 */
struct virtio_rdma_recv_wqe {
	vr_le64 wr_id;			/* D->d */
	uint8_t num_sge;		/* D->d */
	uint8_t reserved[7];
};
VIRTIO_RDMA_SIZE(virtio_rdma_recv_wqe, 16);

enum virtio_rdma_wc_status {
	VIRTIO_RDMA_WC_SUCCESS		= 0,
	VIRTIO_RDMA_WC_CANCELLED	= 1,	/* flushed */
	VIRTIO_RDMA_WC_LOCAL_LENGTH	= 2,	/* message longer than the receive, or
						 * request longer than max_transfer */
	VIRTIO_RDMA_WC_LOCAL_PROTECTION	= 3,	/* token, PD, range or right of an SGE */
	VIRTIO_RDMA_WC_LOCAL_REQUEST	= 4,	/* malformed ring entry */
	VIRTIO_RDMA_WC_REMOTE_ACCESS	= 5,	/* remote token, range or right */
	VIRTIO_RDMA_WC_REMOTE_REQUEST	= 6,	/* peer could not take the message */
	VIRTIO_RDMA_WC_REMOTE_OPERATION	= 7,
	VIRTIO_RDMA_WC_TIMED_OUT	= 8,	/* no receive posted, peer silent */
	VIRTIO_RDMA_WC_ABORTED		= 9,	/* connection lost under the request */
	VIRTIO_RDMA_WC_INTERNAL		= 10,
	VIRTIO_RDMA_WC_COUNT
};

/*
 * Completion.  An entry is valid when its phase bit differs from the lap
 * before: 1 on the first lap over the zeroed ring, 0 on the second...
 * wqe_index is what tells a driver, after the device died, whether an entry
 * of the send or receive queue had ended.
 */
#define VIRTIO_RDMA_CQE_PHASE		0x80
struct virtio_rdma_cqe {
	vr_le64 wr_id;			/* d->D */
	vr_le64 qp_context;		/* d->D  CREATE_QP's */
	vr_le32 qp;			/* d->D */
	vr_le32 length;			/* d->D  bytes, receives only */
	vr_le32 token;			/* d->D  RECEIVE_INVALIDATE: the one invalidated */
	vr_le16 wqe_index;		/* d->D  low half of the entry's count, in the
					 *       queue that it was posted to */
	uint8_t opcode;			/* d->D  enum virtio_rdma_opcode */
	uint8_t status;			/* d->D  enum virtio_rdma_wc_status | PHASE */
};
VIRTIO_RDMA_SIZE(virtio_rdma_cqe, 32);

/*
 * Handles and local tokens: low 20 bits a number, high 12 bits a generation,
 * never 0.  Remote tokens: any number but 0 and TOKEN_PRIVILEGED.  How they
 * are made is the device's own affair; a driver must not take them apart.
 */

/* ------------------------------------------------------- byte order, ranges */
#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
#define VR_SWAP16(x) __builtin_bswap16(x)
#define VR_SWAP32(x) __builtin_bswap32(x)
#define VR_SWAP64(x) __builtin_bswap64(x)
#else
#define VR_SWAP16(x) (x)
#define VR_SWAP32(x) (x)
#define VR_SWAP64(x) (x)
#endif
#ifdef __CHECKER__
#define VR_FORCE __attribute__((force))
#else
#define VR_FORCE
#endif

static inline uint16_t vr_from_le16(vr_le16 v) { return VR_SWAP16((VR_FORCE uint16_t)v); }
static inline uint32_t vr_from_le32(vr_le32 v) { return VR_SWAP32((VR_FORCE uint32_t)v); }
static inline uint64_t vr_from_le64(vr_le64 v) { return VR_SWAP64((VR_FORCE uint64_t)v); }
static inline vr_le16 vr_to_le16(uint16_t v) { return (VR_FORCE vr_le16)VR_SWAP16(v); }
static inline vr_le32 vr_to_le32(uint32_t v) { return (VR_FORCE vr_le32)VR_SWAP32(v); }
static inline vr_le64 vr_to_le64(uint64_t v) { return (VR_FORCE vr_le64)VR_SWAP64(v); }

#endif /* VIRTIO_RDMA_H */
