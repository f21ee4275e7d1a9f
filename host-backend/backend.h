/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * backend.h - the contract between the device model and a transport
 *
 * DOC: Two halves, two threads.
 *
 * A backend carries connections (control thread) and moves the bytes of
 * queue pairs (worker thread).  Each function here belongs to exactly one of
 * the two; a crossing is by message only.  The model owns queues, memory
 * checks, completions and the NetworkDirect rules; a backend owns its wire.
 *
 *	control thread			worker thread
 *	--------------			-------------
 *	ops: listen connect accept	ops: attach absent run stop poll arm
 *	     reject complete
 *	     disconnect abort
 *	     pd_* mr_* mw_*
 *	upcalls: struct be_cm_events,	upcalls: the be_sq_, be_rq_, be_sg_ and
 *	     be_mr.done, be_mw.done	be_qp_ functions below
 *
 * A backend may have threads of its own for calls that block.  They reach the
 * control thread by be_post() and the worker through the descriptor that
 * poll() looks at.
 *
 * What each end of a connection sees, in this order:
 *
 *	active				passive
 *	ops->connect		->	ev->request
 *	ev->accepted		<-	ops->accept
 *	ops->complete		->	ev->established
 *	ops->disconnect		->	ev->disconnected	(graceful)
 *	ev->disconnected	<-	ops->disconnect
 *
 * or, from any state, ev->rejected or ev->aborted, after which nothing more
 * comes.  An upcall is never made from inside an ops function of the same
 * connection: it arrives later, from the control thread's loop.
 */
#ifndef VRDMA_BACKEND_H
#define VRDMA_BACKEND_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "virtio_rdma.h"

/* The structure that ptr is the named member of */
#define be_container(ptr, type, member) \
	((type *)(void *)((char *)(ptr) - offsetof(type, member)))

struct be_conn;		/* a backend's part of a connection */
struct be_listener;	/* a backend's part of a listener */
struct be_pd;		/* a backend's part of a protection domain */
struct be_reserved;	/* a backend's part of a shared end point */
struct be_qp;		/* the model's queue pair, opaque to a backend */

/* Private data with its exact length */
struct be_private {
	uint16_t length;
	uint8_t data[VIRTIO_RDMA_MAX_PRIVATE];
};

/* An end point.  ip[] beyond an IPv4 address is zero; see be_addr_equal() */
struct be_addr {
	uint8_t family;		/* VIRTIO_RDMA_AF_xxx */
	uint16_t port;		/* host byte order */
	uint32_t scope_id;
	uint8_t ip[16];		/* network byte order */
};

struct be_read_limits {
	uint32_t inbound;
	uint32_t outbound;
};

struct be_request {
	struct be_addr local;
	struct be_addr peer;
	struct be_read_limits limits;	/* of the side that sends it */
	struct be_private priv;
	bool shared;			/* connect(): local is a reserved one, and
					 * other connections may come from it */
};

/* Upcalls of connection management.  Control thread; cm is the pointer that
 * the model gave with connect() or set with accept(); lst that of listen(). */
struct be_cm_events {
	/* Return 0 and set *cm to take it, -errno to have it refused
	 * (-ECONNREFUSED: backlog full or paused), conn being no more then.
	 * limits and priv of req are what the peer sent. */
	int (*request)(void *lst, struct be_conn *conn,
		       const struct be_request *req, void **cm);
	void (*accepted)(void *cm, const struct be_read_limits *limits,
			 const struct be_private *priv);
	void (*rejected)(void *cm, const struct be_private *priv);
	/* Instead of either: there is no way to the peer.  err: -EHOSTUNREACH,
	 * -ENETUNREACH, -ETIMEDOUT, -EADDRINUSE, -EADDRNOTAVAIL, -ENOMEM */
	void (*unreachable)(void *cm, int err);
	void (*established)(void *cm);
	void (*disconnected)(void *cm);	/* the peer's graceful notification */
	void (*aborted)(void *cm, enum virtio_rdma_reason reason);
};

/* What a backend can carry, known after start().  A guest's limits are lowered
 * to it before the guest sees them. */
struct be_limits {
	uint32_t caller_data;		/* bytes of private data */
	uint32_t callee_data;
	uint32_t qp;			/* these: UINT32_MAX where there is none */
	uint32_t mr;
	uint32_t mw;
	uint32_t send_sge;
	uint32_t recv_sge;
	uint32_t read_sge;
	uint32_t inline_data;		/* bytes */
	uint32_t transfer;		/* bytes */
	uint32_t inbound_reads;
	uint32_t outbound_reads;
	uint64_t mr_size;		/* bytes */
	uint32_t technology;		/* NDK_RDMA_TECHNOLOGY */
};

#define BE_LIMITS_NONE {						\
	.caller_data = VIRTIO_RDMA_MAX_PRIVATE,				\
	.callee_data = VIRTIO_RDMA_MAX_PRIVATE,				\
	.qp = UINT32_MAX, .mr = UINT32_MAX, .mw = UINT32_MAX,		\
	.send_sge = UINT32_MAX, .recv_sge = UINT32_MAX,			\
	.read_sge = UINT32_MAX,						\
	.inline_data = UINT32_MAX, .transfer = UINT32_MAX,		\
	.inbound_reads = UINT32_MAX, .outbound_reads = UINT32_MAX,	\
	.mr_size = UINT64_MAX, .technology = 1 /* iWARP */ }

/*
 * Memory that a host's RDMA device shall reach by itself.  The model embeds one
 * in each region of a guest whose backend has mr_register(); it fills the first
 * block and keeps the memory mapped until the region is deregistered.
 */
struct be_mr {
	struct be_pd *pd;
	uint64_t addr;			/* of the first byte, as requests name it */
	uint64_t length;
	uint32_t access;		/* VIRTIO_RDMA_ACCESS_xxx */
	/* The answer to mr_register() or mr_deregister(), later, from the
	 * control thread's loop.  err: 0, -ENOMEM (a limit of the host, which
	 * the backend logged), -EINVAL (pages that cannot be mapped side by
	 * side, logged), -ENODEV.  Deregistering does not fail. */
	void (*done)(struct be_mr *mr, int err);

	/* the backend's: valid after a registration that succeeded */
	uint32_t local_key;
	uint32_t remote_key;		/* the token that peers use */
	void *priv;
};

/*
 * A memory window that a host's RDMA device shall bind by itself.  The model
 * embeds one in each window of a guest whose backend has mw_create().
 */
struct be_mw {
	struct be_pd *pd;
	/* The answer to mw_create() or mw_destroy(), later, from the control
	 * thread's loop.  err: 0, -ENOMEM, -ENODEV.  Destroying does not fail. */
	void (*done)(struct be_mw *mw, int err);

	/* the backend's: valid after a creation that succeeded */
	uint32_t key;			/* the upper 24 bits are the window's, the
					 * low 8 of each BIND the guest's choice */
	void *priv;
};

/* What a BIND binds, beside the new token in be_wr.remote_token.  All checked:
 * one domain, within the region, the token one of the window's, remote write
 * only where the region has local write. */
struct be_bind {
	struct be_mw *mw;
	struct be_mr *mr;
	uint64_t addr;
	uint64_t length;
	uint32_t access;		/* VIRTIO_RDMA_ACCESS_REMOTE_xxx */
};

/*
 * A shared receive queue that a host's RDMA device shall serve by itself.  The
 * model embeds one in each of a guest whose backend has srq_create(); it fills
 * the first block.  The device holds receives ahead of the messages that need
 * them, so such a guest's queue pairs are all of this backend.
 */
struct be_srq {
	struct be_pd *pd;
	uint32_t window;		/* receives taken and not completed, at most */
	uint32_t max_sge;

	void *priv;			/* the backend's own */
};

/* Bytes of a region that lie together in this process and in a file */
struct be_piece {
	uint8_t *host;
	uint64_t length;
	int fd;				/* the model's; mmap() it, do not keep it */
	uint64_t fd_offset;		/* of host in fd */
	uint64_t unit;			/* what mmap() of fd wants multiples of */
};

/* The piece at offset off < mr->length, as long as it gets.  Any thread, until
 * mr_deregister() was answered. */
void be_mr_piece(const struct be_mr *mr, uint64_t off, struct be_piece *out);

struct backend {
	const char *name;
	struct be_limits limits;
	/* VIRTIO_RDMA_FEATURE() of what it can carry: a guest is offered what
	 * all its backends can */
	uint32_t features;

	/* control thread; 0 or -errno */
	int (*start)(struct backend *be, const struct be_cm_events *ev);
	/* Something that the model has let go is still being taken down; it goes
	 * by itself, by the loop.  NULL: never */
	bool (*busy)(const struct backend *be);
	/* Every connection, listener, region and domain is gone, and busy()
	 * says no */
	void (*shutdown)(struct backend *be);
	int (*listen)(struct backend *be, const struct be_addr *addr,
		      uint32_t backlog, void *lst, struct be_listener **out);
	void (*unlisten)(struct be_listener *l);
	/* control thread; both or none.  Takes addr, whose port is not 0, until
	 * unreserve(), so that several connect() may come from it and a port
	 * that this host uses for something else is found now.  -EADDRINUSE,
	 * -EADDRNOTAVAIL and -EACCES (not for us), -ENOMEM.  NULL: nothing is
	 * taken on this wire. */
	int (*reserve)(struct backend *be, const struct be_addr *addr,
		       struct be_reserved **out);
	void (*unreserve)(struct be_reserved *r);
	/* Starts a request; the outcome is an upcall.  -EHOSTUNREACH,
	 * -ENETUNREACH, -EADDRINUSE, -EEXIST (between the two end points there
	 * is a connection, or the wire still remembers one) may come at once,
	 * without a connection.
	 * qp is the one that will be attached: be_qp_attr() tells about it. */
	int (*connect)(struct backend *be, const struct be_request *req,
		       struct be_qp *qp, void *cm, struct be_conn **out);
	/* -ENOMEM: no resources, the request still waits for an answer */
	int (*accept)(struct be_conn *c, const struct be_read_limits *limits,
		      const struct be_private *priv, struct be_qp *qp);
	int (*reject)(struct be_conn *c, const struct be_private *priv);
	int (*complete)(struct be_conn *c);
	/* Graceful notification; the peer's arrives as ev->disconnected */
	int (*disconnect)(struct be_conn *c);
	/* The end of c, exactly once for each connection, the broken and the
	 * finished ones too: frees c, no upcall for it after.  Its QP was
	 * stopped before, if it was attached.  What the peer learns, if it
	 * does not know already, by reason:
	 *	NONE		nothing
	 *	RESET		the consumer closed: ev->disconnected when
	 *			ops->disconnect was called there, else RESET
	 *	LOCAL_ERROR	this side's QP broke: RESET
	 *	others		the same reason
	 * A wire that has fewer words says the nearest; the backend's folder
	 * says which. */
	void (*abort)(struct be_conn *c, enum virtio_rdma_reason reason);

	/* control thread; all four or none.  A backend that has them reaches
	 * registered memory by itself (be_sg_key()), one that has not is given
	 * pointers (be_sg_next()). */
	int (*pd_create)(struct backend *be, struct be_pd **out);
	void (*pd_destroy)(struct be_pd *pd);	/* its regions are gone */
	void (*mr_register)(struct backend *be, struct be_mr *mr);
	/* No access of this backend reaches the memory when it is answered;
	 * requests that try fail.  Also for one whose answer has not come yet,
	 * and then does not come. */
	void (*mr_deregister)(struct backend *be, struct be_mr *mr);

	/* control thread; both or none, and only with mr_register().  A backend
	 * that has them executes BIND and INVALIDATE by its device, one that has
	 * not lets the model do it: see be_sq_apply(). */
	void (*mw_create)(struct backend *be, struct be_mw *mw);
	/* No request names it any more.  Takes it out of whatever it is bound
	 * to.  Also for one whose creation was not answered yet, and then is
	 * not. */
	void (*mw_destroy)(struct backend *be, struct be_mw *mw);

	/* control thread; all three or none.  0, -ENOMEM or -ENODEV: the queue
	 * serves no connection of this backend, then. */
	int (*srq_create)(struct backend *be, struct be_srq *srq);
	/* No queue pair uses it.  What it took is the model's again when it
	 * returns. */
	void (*srq_destroy)(struct backend *be, struct be_srq *srq);
	/* worker thread: receives were posted to it, be_srq_next() has them */
	void (*srq_posted)(struct backend *be, struct be_srq *srq);

	/* worker thread */
	/* Data may flow between qp and the connection.  Inbound data can come
	 * before the peer's queue pair is attached, and waits. */
	void (*attach)(struct be_conn *c, struct be_qp *qp);
	/* Instead of attach(): the queue pair died before, none will come */
	void (*absent)(struct be_conn *c);
	/* The send queue has work, or the receive queue got some.  Does a
	 * bounded piece of it; true: call again, false: wait for the next
	 * be_qp_wake() or post. */
	bool (*run)(struct be_conn *c);
	/* No byte of the QP's memory moves after be_qp_stopped(), which may be
	 * called from inside, or later.  Until then requests may still be
	 * completed; those taken and not completed are the model's again after
	 * it.  Comes to rest in bounded time by the worker and the backend's own
	 * threads: the control thread may be waiting for it. */
	void (*stop)(struct be_conn *c);
	/* Looks at what the backend watches by itself; true: something happened.
	 * In each pass of the worker; NULL: nothing to watch. */
	bool (*poll)(struct backend *be);
	/* The worker is about to sleep: from now on poll_fd() becomes readable
	 * when there is something to poll.  poll() is called once more after. */
	void (*arm)(struct backend *be);
	/* any thread; constant between start() and shutdown() */
	int (*poll_fd)(const struct backend *be);
};

/* ---------------------------------------------------------------------
 * What the model offers to a backend's control half.  Control thread only,
 * but for be_post() and be_log().
 */

/* fn(arg) runs later, from the control thread's loop, in the order of calls.
 * Any thread. */
void be_post(void (*fn)(void *arg), void *arg);

/* A thread of the backend's own, which signals do not meet.  0 or -errno */
int be_thread_start(pthread_t *thread, const char *name, void *(*fn)(void *arg),
		    void *arg);

/* fn(arg) runs from the loop whenever fd is readable.  0 or -errno */
int be_watch(int fd, void (*fn)(void *arg), void *arg);
/* fn does not run any more; call before close() */
void be_unwatch(int fd);

struct be_timer;
/* NULL: no memory */
struct be_timer *be_timer_new(void (*fn)(void *arg), void *arg);
/* fires once, ms from now; replaces an earlier deadline */
void be_timer_set(struct be_timer *t, uint64_t ms);
void be_timer_cancel(struct be_timer *t);
void be_timer_free(struct be_timer *t);	/* NULL is fine */

enum be_level { BE_ERROR, BE_WARN, BE_INFO, BE_DEBUG };
void be_log(enum be_level level, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

/* What a queue pair was made for.  Constant; control thread and worker */
struct be_qp_attr {
	struct be_pd *pd;		/* NULL without pd_create() */
	struct be_srq *srq;		/* where its receives are, or NULL */
	uint32_t sq_window;		/* requests taken and not completed, at most */
	uint32_t rq_window;
	uint32_t send_sge;
	uint32_t recv_sge;
	uint32_t inline_data;		/* bytes */
};
void be_qp_attr(const struct be_qp *qp, struct be_qp_attr *out);

static inline bool be_addr_equal(const struct be_addr *a,
				 const struct be_addr *b)
{
	size_t len = a->family == VIRTIO_RDMA_AF_INET ? 4 : sizeof(a->ip);

	return a->family == b->family && a->port == b->port &&
	       a->scope_id == b->scope_id && memcmp(a->ip, b->ip, len) == 0;
}

/* ---------------------------------------------------------------------
 * What the model offers to a backend's worker half.  Worker thread only.
 */

/* A walk over registered memory or inline bytes, made and checked by the model.
 * It holds references; a region that is deregistered in between ends it. */
struct be_sg;

/* Next piece of at most max bytes: 1 and a pointer, 0 at the end, -EACCES
 * when the memory is no longer registered.  The pointer is good until the
 * backend returns to the worker's loop. */
int be_sg_next(struct be_sg *sg, size_t max, void **ptr, size_t *len);
/* The last bytes that it gave were not used: they come once more.  A socket
 * takes and gives less than it was offered. */
void be_sg_back(struct be_sg *sg, uint64_t bytes);
/* The same for a backend with mr_register(): where the next element is to the
 * host's device.  1, 0 at the end, or -EACCES (no longer registered, or not
 * with this backend).  is_bytes: inline bytes, addr is a pointer. */
struct be_key {
	uint64_t addr;
	uint64_t length;
	uint32_t key;
	bool is_bytes;
};
int be_sg_key(struct be_sg *sg, struct be_key *out);
uint64_t be_sg_left(const struct be_sg *sg);
/* Copies min(left, left, max) bytes; bytes copied, or -EACCES with *dst_bad
 * telling whose memory failed. */
int64_t be_sg_copy(struct be_sg *dst, struct be_sg *src, uint64_t max,
		   bool *dst_bad);

struct be_wr {
	uint64_t length;		/* bytes of all its elements */
	uint64_t remote_addr;		/* WRITE, READ */
	uint32_t remote_token;		/* WRITE, READ, SEND_INVALIDATE: the peer's;
					 * BIND, INVALIDATE: this side's; of a
					 * receive be_rq_invalidate()'s */
	uint16_t flags;			/* VIRTIO_RDMA_WR_xxx; LOCAL_INVALIDATE is
					 * the model's, be_sq_complete() does it */
	uint8_t opcode;			/* enum virtio_rdma_opcode */
	struct be_sg *sg;		/* local memory, the right one for opcode */
	const struct be_bind *bind;	/* BIND, else NULL */
	void *priv;			/* the backend's own, NULL at first */
};

/* Takes the next send request, checked; NULL: none, or the queue is stopped.
 * A request that fails its checks never gets here: the model fails the QP. */
struct be_wr *be_sq_next(struct be_qp *qp);
/* Ends one, in the order in which they were taken.  A status other than
 * SUCCESS puts the queue pair in error (be_qp_fail is implied). */
void be_sq_complete(struct be_qp *qp, struct be_wr *wr,
		    enum virtio_rdma_wc_status status);

/* The same for a receive.  length: bytes placed.  Several queue pairs may share
 * the queue that it comes from, so a backend takes one when it has a message
 * for it and not before.  NULL for want of a receive: run() is called when one
 * was posted, which another queue pair may have taken by then. */
struct be_wr *be_rq_next(struct be_qp *qp);
void be_rq_complete(struct be_qp *qp, struct be_wr *wr,
		    enum virtio_rdma_wc_status status, uint32_t length,
		    bool solicited);

/* For a backend with srq_create(): the next receive of the shared queue, for
 * whichever queue pair's message will need it; NULL: none now */
struct be_wr *be_srq_next(struct be_srq *srq);
/* It was qp's.  In any order; otherwise as be_rq_complete(). */
void be_srq_complete(struct be_qp *qp, struct be_srq *srq, struct be_wr *wr,
		     enum virtio_rdma_wc_status status, uint32_t length,
		     bool solicited);

/*
 * Memory windows and fast-register regions.
 *
 * BIND, FAST_REGISTER and INVALIDATE come by be_sq_next() and end by
 * be_sq_complete(), in the order of their queue, and have no message.
 * be_sq_apply() makes one true in the model: which tokens there are for
 * requests and for be_remote_sg(), and which regions may not be deregistered.
 *
 *	without mw_create()	The backend calls it when the request's turn has
 *				come: all before it were executed (with
 *				READ_FENCE, ended), none behind it.
 *	with mw_create()	The backend has its device execute the request and
 *				calls it when the device says that it succeeded,
 *				also of one that it does not complete (stop()).
 *
 * In both it completes the request with what be_sq_apply() says.  SUCCESS, or
 * LOCAL_PROTECTION: the window is bound already, the region has memory already,
 * or either was destroyed; the token is not that of a window bound on this queue
 * pair, or of a region of its domain.  Once for a request at most.
 */
static inline bool be_wr_is_local(const struct be_wr *wr)
{
	return wr->opcode == VIRTIO_RDMA_OP_BIND ||
	       wr->opcode == VIRTIO_RDMA_OP_FAST_REGISTER ||
	       wr->opcode == VIRTIO_RDMA_OP_INVALIDATE;
}
enum virtio_rdma_wc_status be_sq_apply(struct be_qp *qp,
				       const struct be_wr *wr);
/*
 * The message that fills wr, a receive taken and not completed, is a
 * SEND_INVALIDATE of token, and all of its data is placed.  SUCCESS: wr may be
 * completed, and tells the consumer of it.  LOCAL_PROTECTION: no such token,
 * which is an error for both sides; wr is completed with that status, and the
 * peer's request with REMOTE_ACCESS if the wire can tell it so.  A backend with
 * mw_create() calls it, too, after its device did the same; the BINDs that its
 * device executed before were applied before.
 */
enum virtio_rdma_wc_status be_rq_invalidate(struct be_qp *qp, struct be_wr *wr,
					    uint32_t token);

/* A receive could be taken now; false as be_rq_next()'s NULL */
bool be_rq_ready(struct be_qp *qp);
/* Requests may be taken and memory reached.  False from the peer's disconnect
 * on, when a request that fails must not be completed (the consumer has not
 * acted): it stays taken until stop(). */
bool be_qp_open(const struct be_qp *qp);
/* Nobody will read its completions: stop() need not wait for them */
bool be_qp_mute(const struct be_qp *qp);

/* One-sided access by the peer: the range behind a remote token of qp's PD.
 * access: VIRTIO_RDMA_ACCESS_REMOTE_xxx.  Released by be_sg_put(). */
enum virtio_rdma_wc_status be_remote_sg(struct be_qp *qp, uint32_t token,
					uint64_t addr, uint64_t length,
					uint32_t access, struct be_sg **out);
void be_sg_put(struct be_sg *sg);
/* Why be_remote_sg() has just said REMOTE_ACCESS to the same question, for a
 * wire that has words for it */
enum be_refusal {
	BE_REFUSED_TOKEN,	/* nothing has it */
	BE_REFUSED_OWNER,	/* another domain's, or queue pair's */
	BE_REFUSED_RIGHT,
	BE_REFUSED_RANGE,
};
enum be_refusal be_remote_refusal(const struct be_qp *qp, uint32_t token,
				  uint32_t access);

/* run() shall be called soon, as after a post */
void be_qp_wake(struct be_qp *qp);
/* The transport under qp broke.  The model puts it in error, flushes it and
 * indicates.  Legal from anywhere in the worker. */
void be_qp_fail(struct be_qp *qp, enum virtio_rdma_reason reason);
/* Answer to stop(): nothing of qp is in motion any more */
void be_qp_stopped(struct be_qp *qp);
/* poll() had to ask the kernel, and there was nothing.  If the worker has no other
 * work either, who else needs its CPU goes first: beside the look that costs
 * little, and where there are fewer CPUs than spinners it is a guest or a peer
 * that is about to bring work. */
void be_looked_in_vain(void);
/* Monotonic nanoseconds of the worker's loop, and: run() no later than then */
uint64_t be_now(void);
void be_qp_wake_at(struct be_qp *qp, uint64_t deadline_ns);
uint32_t be_qp_rnr_timeout_ms(struct be_qp *qp);

#endif /* VRDMA_BACKEND_H */
