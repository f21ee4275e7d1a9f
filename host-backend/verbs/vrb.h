/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * vrb.h - what the files of the verbs backend share
 *
 * DOC: Four threads meet here.  The control thread speaks with the connection
 * manager, the worker posts and polls, and two helpers run the calls that
 * block: one for queue pairs and identifiers, one for memory, so that a region
 * of many pages delays no disconnect.  A helper's job is handed back to the
 * thread that ordered it.
 *
 * A connection has a half for each of control and worker.  The identifier
 * (rdma_cm_id) is control's, the hardware queue pair is made by control,
 * worked by the worker from attach() on, and destroyed by a helper: ordered by
 * the worker if it was attached, else by abort().
 *
 * Why the queue pair is not the identifier's own: librdmacm would move it to
 * ERROR before it says a word to the peer, answer a REP by itself, and hide
 * the third leg of the handshake that NetworkDirect has as CompleteConnect.
 */
#ifndef VRDMA_VRB_H
#define VRDMA_VRB_H

#include <infiniband/verbs.h>
#include <pthread.h>
#include <rdma/rdma_cma.h>
#include <semaphore.h>
#include <stdatomic.h>

#include "../backend.h"

/* ------------------------------------------------------------------ helpers */

struct vrb;
struct slow;

struct slow_job {
	struct slow_job *next;
	void (*fn)(struct slow_job *job);	/* in the helper */
	/* in the thread it goes back to; NULL: nowhere, fn has freed it */
	void (*done)(struct slow_job *job);
	struct vrb *back_to_worker;		/* NULL: back to control */
};

/* A job that somebody waits for, on his stack */
struct slow_waited {
	struct slow_job job;		/* first */
	void (*fn)(void *arg);
	void *arg;
	sem_t ran;
};

/* slow.c.  slow_run_waited() is its job's fn, or done; then it is sent, and
 * waited for */
void slow_prepare(struct slow_waited *w, void (*fn)(void *arg), void *arg);
void slow_run_waited(struct slow_job *job);
void slow_wait(struct slow_waited *w);

/* slow.c.  0 or -errno */
int slow_start(const char *name, struct slow **out);
/* Runs what is queued, in order of the calls.  Any thread. */
void slow_run(struct slow *s, struct slow_job *job);
/* The same, and waits until fn(arg) has run: behind all that was queued before.
 * Control thread. */
void slow_call(struct slow *s, void (*fn)(void *arg), void *arg);
/* After the last job has run.  NULL is fine. */
void slow_stop(struct slow *s);

/* ------------------------------------------------------------- private data */

/*
 * private.c: the connection manager pads private data to a fixed size, so its
 * exact length travels in the last four bytes of that size, behind the data:
 * a peer that knows nothing of it finds its data where it always is.
 */
#define PRIVATE_TRAILER	4
#define PRIVATE_REQ	56	/* what the manager carries in REQ, REP, REJ */
#define PRIVATE_REP	196
#define PRIVATE_REJ	148

/* Into room bytes at to, room being one of the above; priv fits */
void private_put(uint8_t *to, size_t room, const struct be_private *priv);
/* From what the manager gave; without a trailer all of it is data */
void private_get(struct be_private *priv, const void *from, size_t length);
/* ...of a REJ: zeros are no data */
void private_get_reject(struct be_private *priv, const void *from, size_t length);

/* -------------------------------------------------- queue pair numbers, qpn.c */

/*
 * Numbers that the wire may still have packets for (TIMEWAIT).  The device
 * might hand one out again at once; a new queue pair that gets one is set
 * aside until another came.  Any thread.
 */
#define QPN_RESTING	256

struct qpn_list {
	pthread_mutex_t lock;
	struct {
		uint32_t qpn;
		uint64_t until_ns;
	} entry[QPN_RESTING];
	uint32_t next;
};

void qpn_rest(struct qpn_list *l, uint32_t qpn, uint64_t until_ns);
bool qpn_is_resting(struct qpn_list *l, uint32_t qpn, uint64_t now_ns);

/* ------------------------------------------------------------------- device */

struct be_pd {
	struct vrb *vrb;
	struct ibv_pd *pd;		/* NULL: the device is gone */
	struct be_pd *next;		/* vrb.pds */
	struct vrb_object *mrs;		/* regions: registered, or about to be */
	struct vrb_object *mws;		/* the same of windows */
	struct vrb_srq *srqs;
};

/* Marks in wr_id.  Without one: a send; the rest is the connection's tag. */
#define TAG_RECV	(1ull << 63)
#define TAG_SRQ		(1ull << 62)
#define SRQ_SLOTS	4096		/* shared receive queues of a worker */
#define QPN_BUCKETS	1024

/* What the worker has of a device: one completion queue for all of its queue
 * pairs, with room for everything that they may have outstanding */
struct vrb_worker {
	/* constant between start and shutdown */
	struct ibv_cq *cq;
	struct ibv_comp_channel *channel;
	int epoll;			/* channel and mail: poll_fd() */
	int mail_fd;			/* eventfd */

	/* control thread only */
	uint32_t credits;		/* entries of cq that queue pairs may need */
	uint32_t size;			/* of cq */

	/* any thread, under lock */
	pthread_mutex_t lock;
	struct slow_job *mail;		/* jobs that helpers gave back */
	struct slow_job **last_mail;

	/* any thread */
	atomic_bool has_mail;
	_Atomic uint64_t lost_ports;	/* bit per port: its queue pairs fail */

	/* worker only */
	struct be_conn **slot;		/* those attached, by slot */
	uint32_t *generation;		/* by slot: tells stale completions */
	uint32_t slots, first_free;
	uint32_t *next_free;
	struct vrb_srq *srq[SRQ_SLOTS];
	uint32_t srq_generation[SRQ_SLOTS];
	struct be_conn *by_qpn[QPN_BUCKETS];	/* those with a shared queue */
	struct kept *kept;		/* shared receives that cannot be told yet */
	struct be_conn *draining;
	struct be_conn *flushed;	/* found without a cause in this poll */
	bool armed;
	uint32_t events_unacked;
};

struct vrb {
	struct backend be;		/* first */
	char name[80];
	char device[64];

	/* constant between start and shutdown */
	struct ibv_context *ctx;
	struct ibv_device_attr attr;
	struct rdma_event_channel *cm;
	struct slow *qp_helper;
	struct slow *mr_helper;
	const struct be_cm_events *ev;
	int bind_right;			/* of regions, when there are windows */

	/* control thread only */
	bool gone;			/* the device was removed */
	bool losing;			/* ...and the last steps have begun */
	bool closed;			/* ...and nothing of it is held any more */
	bool data_started;
	bool in_event;			/* of the manager's, not acknowledged */
	struct be_conn *conns;
	struct be_listener *listeners;
	struct be_pd *pds;
	uint32_t leaving;		/* listeners' identifiers being destroyed */
	bool srq_used[SRQ_SLOTS];	/* vrb_worker.srq */
	struct slow_job closing;	/* data_close_cq() */
	void (*cq_closed)(struct vrb *v);

	struct qpn_list resting;	/* any thread */
	struct vrb_worker w;
};

static inline struct vrb *vrb_of(const struct backend *be)
{
	return (struct vrb *)be;	/* the first member */
}

/* ------------------------------------------------------------- connections */

/*
 * The control half, what the connection manager has said.  One setter,
 * cm_set_state().
 *
 *	RESOLVING	active: address, then route
 *	REQUESTED	active: REQ is out.  passive: REQ is in, unanswered
 *	ACCEPTED	active: REP is in.  passive: REP is out
 *	ESTABLISHED	RTU is out, or in
 *	OVER		the last upcall was made, or abort() called
 */
enum cm_state {
	CM_RESOLVING,
	CM_REQUESTED,
	CM_ACCEPTED,
	CM_ESTABLISHED,
	CM_OVER,
	CM_STATE_COUNT
};

/*
 * The worker half, one setter, data_set_state().
 *
 *	APART		not attached
 *	OPEN		posts and completes
 *	ERRING		stop(): on its way to ERROR
 *	DRAINING	in ERROR; waits for what is outstanding
 *	LEAVING		being destroyed
 */
enum data_state {
	DATA_APART,
	DATA_OPEN,
	DATA_ERRING,
	DATA_DRAINING,
	DATA_LEAVING,
	DATA_STATE_COUNT
};

/* Requests that are with the device, oldest first; counts run freely */
struct wr_fifo {
	struct fifo_entry {
		struct be_wr *wr;
		uint8_t bad;		/* wc_status: was never posted; 0: was */
	} *entry;
	uint32_t size;			/* a power of two */
	uint32_t put, got;
	bool dead;			/* one failed: no later one is completed */
};

struct be_conn {
	struct vrb *vrb;
	struct be_conn *next;		/* vrb.conns; control */

	/* control thread */
	enum cm_state cm_state;
	bool active;
	struct rdma_cm_id *id;
	void *cm;			/* the model's */
	bool said_disconnect;		/* disconnect() was called */
	bool heard_disconnect;		/* DISCONNECTED came */
	unsigned int errands;		/* barrier and the like, on their way */
	bool ended;			/* conn_end() has done all but free it */
	struct be_qp *want;		/* active: who will be attached */
	struct be_private priv;		/* active: for the REQ */
	struct be_read_limits limits;
	uint32_t credits;		/* of the completion queue */
	uint64_t rest_ns;		/* how long the number rests after it */
	uint8_t port;			/* of the device */
	bool shared;			/* its receives are in a shared queue */

	/* made by control, destroyed by a helper */
	struct ibv_qp *qp;		/* NULL before and after */
	struct slow_job end;		/* abort() */
	struct slow_job barrier;	/* data_barrier() */
	struct slow_job last;		/* data_last_wqe() */
	struct slow_job forget;		/* shared_forget() */
	bool last_sent;
	void (*after_barrier)(void *c);

	/* worker */
	enum data_state data_state;
	struct be_qp *model_qp;
	uint32_t slot;
	uint64_t tag;			/* of wr_id: slot and generation */
	struct wr_fifo sq, rq;
	bool last_wqe;			/* it takes no shared receive any more */
	bool failed;			/* the model was told of a failure */
	bool in_flushed;		/* in vrb_worker.flushed */
	struct be_conn *next_flushed;
	uint64_t progress_ns;		/* of sq: last completion, or first post since */
	uint64_t timer_ns;		/* be_qp_wake_at() is set for then; 0: no */
	struct be_conn *next_by_qpn;	/* in vrb_worker.by_qpn */
	uint32_t qpn;
	uint64_t drain_until_ns;
	struct be_conn *next_draining;
	struct slow_job job;		/* to ERROR, then destruction */
};

/* conn.c, a helper */
void conn_destroy_qp(struct be_conn *c);
/* conn.c, control thread */
struct be_conn *conn_new(struct vrb *v, void *cm);
/* Frees it, with all that it has; no upcall for it any more */
void conn_end(struct be_conn *c);
/* An errand is back; false: c was waiting for nothing else and is gone */
bool conn_errand_back(struct be_conn *c);
void cm_set_state(struct be_conn *c, enum cm_state to);
/* The hardware queue pair, in INIT.  -ENOMEM: no resources; -ENODEV */
int conn_create_qp(struct be_conn *c, struct be_qp *qp);
/* Room in the completion queue; 0 or -ENOMEM */
int cq_take_credits(struct vrb *v, uint32_t wanted, uint32_t *got);
/* From INIT to where it may be posted to and hear the peer.  0 or -errno */
int conn_connect_qp(struct be_conn *c, const struct be_read_limits *limits);

/* data_rest.c, worker */
void vrb_attach(struct be_conn *c, struct be_qp *qp);
void vrb_absent(struct be_conn *c);
void vrb_stop(struct be_conn *c);
/* data_post.c, worker */
bool vrb_run(struct be_conn *c);
/* Elements of one request; count or -EACCES */
int data_gather(struct be_wr *wr, struct ibv_sge *sge, bool *bytes);
/* data.c, worker */
bool vrb_poll(struct backend *be);
void vrb_arm(struct backend *be);
int vrb_poll_fd(const struct backend *be);
/* data.c, control thread: before the first and after the last connection */
int data_start(struct vrb *v);
void data_stop(struct vrb *v);
/* No queue pair is left, the device goes: done(v) runs in the control thread
 * when the worker polls nothing of it any more */
void data_close_cq(struct vrb *v, void (*done)(struct vrb *v));

/* data_mail.c, any thread: the queue pairs of these ports fail */
void data_lose_ports(struct vrb *v, uint64_t ports);
/* data_mail.c, any thread: the job goes to the worker, which calls job->done() */
void data_mail(struct vrb *v, struct slow_job *job);
/* data_mail.c, control thread: fn(arg) runs in the worker, and has when it
 * returns */
void data_call(struct vrb *v, void (*fn)(void *arg), void *arg);
/* data_mail.c, control thread: done(c) runs there, too, behind everything that
 * the worker finds in the completion queue now */
void data_barrier(struct be_conn *c, void (*done)(void *c));
/* data_rest.c, control thread, once: the device says that a queue pair in ERROR
 * takes no shared receive any more */
void data_last_wqe(struct be_conn *c);
/* data_shared.c, control thread: c, with a shared queue, has its queue pair, which
 * hears nobody yet; from here on the number is that of c */
void shared_enter(struct be_conn *c);
/* ...and it was destroyed.  If it never was attached, the receives that its
 * messages took are there for others.  c is an errand longer. */
void shared_forget(struct be_conn *c);

/* srq.c, control thread */
int vrb_srq_create(struct backend *be, struct be_srq *srq);
void vrb_srq_destroy(struct backend *be, struct be_srq *srq);
struct ibv_srq *srq_ibv(const struct be_srq *srq);
/* Of one domain, as the device goes */
void srq_lose_all(struct be_pd *pd);
/* srq.c, worker */
void vrb_srq_posted(struct backend *be, struct be_srq *srq);
/* The receive that a completion names, which is the device's no more; NULL: it
 * is stale */
struct be_wr *srq_take(struct vrb_worker *w, uint64_t wr_id,
		       struct be_srq **srq);
/* It was used for nothing and is the device's again */
void srq_repost(struct vrb_worker *w, uint64_t wr_id);

/* listen.c, cm.c: control thread */
int vrb_listen(struct backend *be, const struct be_addr *addr, uint32_t backlog,
	       void *lst, struct be_listener **out);
void vrb_unlisten(struct be_listener *l);
int vrb_reserve(struct backend *be, const struct be_addr *addr,
		struct be_reserved **out);
void vrb_unreserve(struct be_reserved *r);
/* Others that said the same may be bound where id will be.  0, or -1 and errno */
int id_share_port(struct rdma_cm_id *id);
/* The device is going: the identifiers let go of it */
void listen_lose_all(struct vrb *v);
struct rdma_cm_event;
void listen_request(struct vrb *v, struct rdma_cm_event *ev);
int vrb_connect(struct backend *be, const struct be_request *req,
		struct be_qp *qp, void *cm, struct be_conn **out);
int vrb_accept(struct be_conn *c, const struct be_read_limits *limits,
	       const struct be_private *priv, struct be_qp *qp);
int vrb_reject(struct be_conn *c, const struct be_private *priv);
int vrb_complete(struct be_conn *c);
int vrb_disconnect(struct be_conn *c);
void vrb_abort(struct be_conn *c, enum virtio_rdma_reason reason);
/* The event channel is readable */
void cm_events(void *vrb);
/* What the manager could not do, in the contract's words; logged, if those say
 * less */
int cm_error(const struct vrb *v, const char *what, int err);
/* Ends c for the model, which has not heard the end yet */
void cm_break(struct be_conn *c, enum virtio_rdma_reason reason);

/*
 * object.c: what the memory helper makes of a domain's device, a region or a
 * window.  Embedded as the first member.
 */
struct vrb_object {
	struct slow_job make;		/* first; control's, then helper's */
	struct slow_job back;		/* the way back */
	struct slow_job lose;		/* the device is removed */
	const struct vrb_object_kind *kind;
	void *model;			/* the model's structure */
	struct vrb *vrb;
	struct ibv_pd *ibv_pd;		/* NULL: the device was gone already */

	/* control */
	struct vrb_object **list, *next;	/* of be_pd */
	bool leaving;			/* object_take_back() was called */
	bool losing;			/* the job lose is on its way */
	bool failed;			/* answered, waits for lose */

	/* the helper, then, when it answered, control */
	int err;
};

struct vrb_object_kind {
	size_t size;			/* of the structure around it */
	/* the helper: 0 or -errno; and its undoing, also of what was made half,
	 * or undone before */
	int (*make)(struct vrb_object *o);
	void (*unmake)(struct vrb_object *o);
	/* control: answers the model, with err, or that it was taken back */
	void (*made)(struct vrb_object *o, int err);
	void (*unmade)(struct vrb_object *o);
};

/* Control thread.  Into the list, and made */
void *object_make(const struct vrb_object_kind *kind, struct be_pd *pd,
		  struct vrb_object **list, void *model);
/* Also of one that is not answered yet, and then is not */
void object_take_back(struct vrb_object *o);
/* The device is removed: what it has of them goes, the structures stay */
void object_lose_all(struct vrb_object *list);

/* memory.c: control thread */
int vrb_pd_create(struct backend *be, struct be_pd **out);
void vrb_pd_destroy(struct be_pd *pd);
void vrb_mr_register(struct backend *be, struct be_mr *mr);
void vrb_mr_deregister(struct backend *be, struct be_mr *mr);
/* memory.c, worker: the device's, of a region that is ready */
struct ibv_mr *memory_mr(const struct be_mr *mr);
/* The device is gone: it forgets every region and domain, in the helper, and
 * then done(v) runs in the control thread */
void memory_lose_all(struct vrb *v, void (*done)(struct vrb *v));

/* window.c: control thread */
void vrb_mw_create(struct backend *be, struct be_mw *mw);
void vrb_mw_destroy(struct backend *be, struct be_mw *mw);
/* window.c, worker: the device's, of a window that is ready */
struct ibv_mw *window_ibv(const struct be_mw *mw);

/* verbs.c: control thread */
/* The device was removed: everything that holds it lets go.  May be called
 * again. */
void device_removed(struct vrb *v);
/* ...and has it?  Something of the device was given back. */
void device_check_gone(struct vrb *v);
uint64_t vrb_now_ns(void);
int set_nonblocking(int fd);

/* addr.c */
socklen_t addr_to_sockaddr(const struct be_addr *a, struct sockaddr_storage *out);
void addr_from_sockaddr(struct be_addr *a, const struct sockaddr *sa);
#define VRB_ADDR_LEN 64
const char *addr_text(const struct be_addr *a, char text[VRB_ADDR_LEN]);

#endif /* VRDMA_VRB_H */
