/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-or-later */
/*
 * nd_int.h - the objects of the library
 *
 * Each begins with struct nd_object or struct nd_owner, so that the interface
 * pointer is the object.  One file per object has its methods.
 */
#ifndef ND_INT_H
#define ND_INT_H

#include "nd_file.h"
#include "nd_vrdma.h"
#include "vrdma_ring.h"

#define ND_MAX_DEVICES 64	/* device numbers looked at */

/* 64 bit, nothing added that could wrap */
static inline bool nd_range_within(uint64_t off, uint64_t len, uint64_t size)
{
	return len <= size && off <= size - len;
}

/*
 * Held for a few dozen instructions around a ring.  NetworkDirect allows any
 * thread to post, the rings want one at a time.
 */
struct nd_spin {
	atomic_flag flag;
};
void nd_spin_wait(void);
static inline void nd_spin_lock(struct nd_spin *s)
{
	while (atomic_flag_test_and_set_explicit(&s->flag,
						 memory_order_acquire))
		nd_spin_wait();
}
static inline void nd_spin_unlock(struct nd_spin *s)
{
	atomic_flag_clear_explicit(&s->flag, memory_order_release);
}

struct nd_adapter {
	struct nd_object obj;
	IVrdmaAdapter extra;
	struct nd_file *file;
	unsigned number;
	struct virtio_rdma_config config;	/* of OPEN, checked */
	pthread_mutex_t link_lock;	/* queue pair <-> connector */
};

struct nd_waiter;

/* A ring of a completion queue, mapped */
struct nd_cq_ring {
	struct vrdma_cqring poll;
	void *buffer;
	uint64_t size;
};

struct nd_cq {
	struct nd_owner own;
	USHORT group;
	KAFFINITY affinity;
	uint64_t offset;	/* for mmap */
	uint32_t max_depth;	/* of the adapter; 0: no Resize */

	struct nd_spin ring_lock;
	/* ring_lock */
	struct nd_cq_ring *first;	/* is polled */
	struct nd_cq_ring *last;	/* the newest one that is mapped */
	struct vrdma_uapi_resize_cq owed; /* the one behind it; buffer_size 0: none */
	uint32_t taken;		/* entries, ever */
	uint32_t signalled;	/* entries before it made an event */
	uint32_t armed_end;	/* Windows: the ring's end when it was armed last */

	pthread_mutex_t notify_lock;	/* one Notify or Resize at a time */
	/* file->lock */
	struct nd_waiter *waiters;
	bool asked;		/* the kernel has a CQ_NOTIFY of this CQ */
	HRESULT dead;		/* overrun or fatal: no more events */
};

/* What Register was asked for */
struct nd_range {
	uint64_t address;
	uint64_t length;	/* 0: nothing */
	ULONG flags;		/* ND_MR_FLAG_xxx */
};

struct nd_mr {
	struct nd_owner own;
	struct nd_range wish;	/* file->lock: of the Register under way */
	/* file->lock writes; read by the consumer after the request ended */
	struct nd_range range;
	uint32_t local_token;
	uint32_t remote_token;
};

struct nd_mw {
	struct nd_owner own;
	uint32_t handle;		/* the device's */
	_Atomic uint32_t token;		/* of the last Bind */
};

struct nd_ring {
	uint32_t offset;		/* in the buffer */
	uint32_t depth;
	uint32_t stride;
};

struct nd_srq {
	struct nd_owner own;
	USHORT group;
	KAFFINITY affinity;
	uint32_t slot;
	uint32_t max_sge;
	uint32_t max_transfer;
	uint64_t offset;		/* for mmap */
	pthread_mutex_t post_lock;	/* one that waits for the device may hold it */
	/* post_lock */
	struct nd_ring ring;
	uint64_t size;			/* of the buffer */
	void *buffer;			/* NULL: is to be mapped */
	struct vrdma_wq wq;
};

struct nd_connector;

struct nd_qp {
	struct nd_owner own;
	struct nd_cq *recv_cq;		/* references */
	struct nd_cq *send_cq;
	struct nd_srq *srq;		/* then there is no rq; or NULL */
	void *buffer;
	uint64_t size;
	struct virtio_rdma_qp_record *record;
	uint32_t slot;
	uint32_t max_send_sge;
	uint32_t max_recv_sge;
	uint32_t max_read_sge;
	uint32_t max_inline;
	uint32_t max_transfer;
	struct nd_spin send_lock;
	struct vrdma_wq sq;		/* send_lock */
	struct nd_spin recv_lock;
	struct vrdma_wq rq;		/* recv_lock */
	struct nd_connector *connector;	/* link_lock; no reference */
	IVrdmaQueuePair extra;
};

struct nd_connector {
	struct nd_owner own;
	IVrdmaConnector extra;
	struct nd_qp *qp;		/* link_lock; no reference */
};

static inline struct nd_adapter *nd_adapter_of(struct nd_owner *owner)
{
	return (struct nd_adapter *)owner->obj.parent;
}

/* Each leaves one reference with *out through iid */
HRESULT nd_provider_create(REFIID iid, VOID **out);
HRESULT nd_adapter_open(unsigned number, REFIID iid, VOID **out);
HRESULT nd_cq_create(struct nd_adapter *a, REFIID iid, HANDLE handle,
		     ULONG depth, USHORT group, KAFFINITY affinity, VOID **out);
HRESULT nd_mr_create(struct nd_adapter *a, REFIID iid, HANDLE h, VOID **out);
HRESULT nd_mw_create(struct nd_adapter *a, REFIID iid, VOID **out);
HRESULT nd_connector_create(struct nd_adapter *a, REFIID iid, HANDLE h,
			    VOID **out);
HRESULT nd_listener_create(struct nd_adapter *a, REFIID iid, HANDLE h,
			   VOID **out);

struct nd_srq_wish {
	HANDLE handle;
	ULONG depth;
	ULONG max_sge;
	ULONG threshold;
	USHORT group;
	KAFFINITY affinity;
};
HRESULT nd_srq_create(struct nd_adapter *a, REFIID iid,
		      const struct nd_srq_wish *wish, VOID **out);

struct nd_qp_wish {
	IUnknown *recv_cq;
	IUnknown *send_cq;
	IUnknown *srq;		/* if shared, which has no recv_xxx */
	bool shared;
	VOID *context;
	ULONG recv_depth;
	ULONG send_depth;
	ULONG max_recv_sge;
	ULONG max_send_sge;
	ULONG inline_size;
};
HRESULT nd_qp_create(struct nd_adapter *a, REFIID iid,
		     const struct nd_qp_wish *wish, VOID **out);

/* The steps that every overlapped object's creation shares */
HRESULT nd_owner_create(struct nd_adapter *a, HANDLE handle,
			unsigned long code, size_t size,
			const struct nd_class *cls, const void *vtbl,
			struct nd_owner **out);

/* A pointer that a consumer gave as IUnknown: ours, of this class, of this
 * file, or NULL.  No reference. */
struct nd_owner *nd_owner_cast(IUnknown *unknown, const struct nd_class *cls,
			       struct nd_file *file);
extern const struct nd_class nd_cq_class;
extern const struct nd_class nd_mr_class;
extern const struct nd_class nd_mw_class;
extern const struct nd_class nd_srq_class;
extern const struct nd_class nd_qp_class;
extern const struct nd_class nd_connector_class;

/* Release of a queue pair under a live connection: disconnect in passing */
void nd_connector_abandon(struct nd_connector *c);

/* What every post checks: a status for the consumer */
HRESULT nd_check_sgl(const struct nd_file *file, const ND2_SGE *sge, ULONG n,
		     uint32_t max_sge, uint64_t max_length);
void nd_fill_receive(void *entry, VOID *context, const ND2_SGE *sge, ULONG n);
uint64_t nd_receive_size(uint32_t max_sge);
/* The kernel's answer: a ring of such entries that lies in the buffer, behind
 * its record */
bool nd_ring_fits(const struct nd_ring *r, uint64_t entry, uint64_t record,
		  uint64_t size);

/* What a Bind of part of mr asks of the device, but for the window; a status of
 * IND2QueuePair::Bind where that is no part of it, or not with these rights */
HRESULT nd_mr_part(struct nd_mr *mr, const VOID *buffer, SIZE_T cb,
		   ULONG flags, struct virtio_rdma_bind *out);

/* Bring range and tokens up to date, where the end of a Register or Deregister is
 * not told to the library */
#ifdef _WIN32
void nd_mr_settle(struct nd_mr *mr);
#else
static inline void nd_mr_settle(struct nd_mr *mr)
{
	(void)mr;
}
#endif

/* cq.c.  ring_lock held: one past the newest completion that is there */
uint32_t nd_cq_ring_end(const struct nd_cq *cq);
/* true: what waits is to end now, the device will not say so.  *end: the ring's, when
 * it had been armed */
bool nd_cq_arm(struct nd_cq *cq, uint8_t kind, uint32_t *end);
/* cq_notify.c, or the Windows provider's: a Notify of a kind of arm; the end of
 * those that wait, when the queue goes */
HRESULT nd_cq_notify(struct nd_cq *cq, uint8_t kind, OVERLAPPED *ov);
void nd_cq_notify_end(struct nd_cq *cq);

/* wire -> ND; total: an unknown value is an internal error */
HRESULT nd_wc_status(uint8_t status);

/* sockaddr.c */
HRESULT nd_addr_from_sockaddr(struct vrdma_uapi_sockaddr *out,
			      const struct sockaddr *in, ULONG cb);
/* 0: no address */
ULONG nd_addr_to_sockaddr(struct sockaddr_storage *out,
			  const struct vrdma_uapi_sockaddr *in);
/* ND's convention: *cb in and out, ND_BUFFER_OVERFLOW when too small */
HRESULT nd_addr_copy_out(const struct vrdma_uapi_sockaddr *in,
			 struct sockaddr *out, ULONG *cb);
HRESULT nd_addr_list(const struct vrdma_uapi_sockaddr *addrs, ULONG count,
		     SOCKET_ADDRESS_LIST *list, ULONG *cb);
bool nd_addr_same_ip(const struct vrdma_uapi_sockaddr *a,
		     const struct vrdma_uapi_sockaddr *b);

/* For each device that opens: fn until it answers false */
typedef bool (*nd_scan_fn)(void *ctx, unsigned number, struct nd_file *file);
void nd_scan(nd_scan_fn fn, void *ctx);

#endif /* ND_INT_H */
