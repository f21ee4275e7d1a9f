/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-or-later */
/*
 * vrc.h - the core's inner structures
 *
 * DOC: Locks and lifetime.
 *
 * One spin lock per core, never held while a callback of the consumer runs or
 * the core calls itself.  Posting and polling take no lock.  Functions with
 * the suffix _locked want it held.
 *
 * Every object counts holds: one of the consumer from creation to close, one
 * per successor object, per asynchronous request under way, per callback that
 * runs.  NdkCloseXxx starts what ends the requests and gives up the consumer's
 * hold; whoever gives up the last one destroys the object.  Its antecedents
 * are let go after its close completion has returned, so the close of an
 * antecedent stays pending that long (NDK object lifetime rules) and the close
 * of the adapter returns when no callback runs any more.
 */
#ifndef VRC_H
#define VRC_H

#include "ndk.h"
#include "vrc_base.h"
#include "vrdma_core.h"
#include "vrdma_os.h"
#include "vrdma_ring.h"
#include "vrdma_user.h"

struct vrc_obj;
struct vrc_cmd;

/* A command that the device will never answer, because it is gone.  No value
 * of enum virtio_rdma_status. */
#define VRC_S_DEVICE_LOST	0x10000u

/* --- tasks: run a function soon, outside of whatever runs now --------------- */

struct vrc_task {
	struct vrc_list link;
	void (*fn)(struct vrc_task *t);
	bool queued;
};

/* --- commands ------------------------------------------------------------------
 * Embedded in the object that issues it, so that there is nothing to allocate
 * and nothing that can be reused too early: a command under way holds its
 * object. */

enum vrc_cmd_state {
	VRC_CMD_IDLE,		/* owner may change it */
	VRC_CMD_QUEUED,		/* waits for a slot; may be taken back */
	VRC_CMD_SENT,		/* the device has it; done() will come */
};

/* core lock held; req is zeroed but for its header */
typedef void vrc_fill_fn(struct vrc_cmd *cmd, void *req);
/* no lock held; rsp meaningful when wire is OK (CONNECT: also REFUSED) */
typedef void vrc_done_fn(struct vrc_cmd *cmd, uint32_t wire, const void *rsp);

struct vrc_cmd {
	uint16_t opcode;
	enum vrc_cmd_state state;
	bool ends_soon;			/* a Disconnect that answers the peer's */
	uint32_t handle;
	vrc_fill_fn *fill;		/* NULL: the header is all */
	vrc_done_fn *done;
	struct vrc_list link;
};

/* Kinds of commands, by how long the device may keep one and how large it is.
 * Each kind has its own slots and its own waiting line, so commands that wait
 * for a peer cannot starve those that end by themselves. */
enum vrc_cmd_class {
	VRC_CLASS_SHORT,
	VRC_CLASS_BULKY,
	VRC_CLASS_CONNECT,
	VRC_CLASS_ACCEPT,
	VRC_CLASS_COMPLETE,
	VRC_CLASS_DISCONNECT,
	VRC_CLASS_ANSWER,
	VRC_CLASS_COUNT
};

struct vrc_slot {
	struct vrc_cmd *cmd;
	struct vrc_list link;
	uint8_t *req, *rsp;
	enum vrc_cmd_class cls;
};

struct vrc_cmdq {
	struct vrdma_dma dma;
	struct vrc_slot *slots;
	struct vrc_list free[VRC_CLASS_COUNT];
	struct vrc_list waiting[VRC_CLASS_COUNT];
	struct vrc_list sent;			/* slots, oldest first */
};

/* --- objects --------------------------------------------------------------------- */

enum vrc_obj_state {
	VRC_OBJ_CREATING,	/* the consumer does not know it yet */
	VRC_OBJ_OPEN,
	VRC_OBJ_CLOSING,	/* close was called, holds remain */
	VRC_OBJ_DESTROYING,	/* no holds; the destroy command may be under way */
};

struct vrc_obj_class {
	NDK_OBJECT_TYPE type;
	const char *name;
	uint16_t destroy;	/* command that undoes the creation, 0: none */
	/* end what is under way; no lock; optional */
	void (*on_close)(struct vrc_obj *obj);
	/* creation's answer came; no lock; optional.  False: not acceptable */
	bool (*created)(struct vrc_obj *obj, bool ok, const void *rsp);
	/* the device refused to destroy it; no lock; optional.  True: it will be
	 * tried again, by vrc_obj_destroy() */
	bool (*refused)(struct vrc_obj *obj, uint32_t wire);
	/* free what belongs to it, and it.  let_go false: the device refused to
	 * destroy it, so its memory must be left to the device for good. */
	void (*release)(struct vrc_obj *obj, bool let_go);
};

#define VRC_MAX_PARENTS		5

struct vrc_obj {
	union {			/* first: what the consumer points to */
		NDK_OBJECT_HEADER header;
		NDK_ADAPTER adapter;
		NDK_CQ cq;
		NDK_PD pd;
		NDK_MR mr;
		NDK_MW mw;
		NDK_QP qp;
		NDK_SRQ srq;
		NDK_CONNECTOR connector;
		NDK_LISTENER listener;
		NDK_SHARED_ENDPOINT shared_endpoint;
	} ndk;
	/* constant after create */
	struct vrdma_core *core;
	struct vrc_adapter *owner;
	const struct vrc_obj_class *cls;
	uint32_t epoch;
	uint64_t cookie;	/* its name on the wire, 0: none */
	/* under the core's lock */
	struct vrc_list link;
	struct vrc_obj *parents[VRC_MAX_PARENTS];
	uint32_t holds;
	enum vrc_obj_state state;
	uint32_t handle;	/* the device's, 0: none (any more) */
	struct vrc_cmd cmd;	/* creates, later destroys */
	/* of the creation, then of the close */
	NDK_FN_CREATE_COMPLETION *create_cb;
	NDK_FN_CLOSE_COMPLETION *close_cb;
	PVOID cb_context;
};

/* A page list as the wire wants it, with its tables */
struct vrc_pages {
	struct vrdma_dma tables;
	bool has_tables;
	struct virtio_rdma_page_list wire;
};

struct vrc_adapter {
	struct vrc_obj obj;
	/* constant after open */
	struct virtio_rdma_config cfg;
	uint32_t features;			/* negotiated, of VRDMA_FEATURES */
	uint32_t flags;				/* VRDMA_ADAPTER_xxx */
	uint32_t wakeq;				/* < cfg.num_wakeq */
	uint32_t wake_queue;			/* virtqueue number */
	struct vrdma_dma page;
	/* under the core's lock */
	uint64_t slots[VIRTIO_RDMA_MAX_SLOTS / 64];
	uint32_t slot_hint;			/* word */
	bool drained;				/* closing and nothing left */
	struct vrdma_event event;
};

struct vrc_pd {
	struct vrc_obj obj;
	bool privileged;
	/* under the core's lock */
	struct vrc_list busy;		/* closed regions that windows are bound to */
};

enum vrc_mr_state {
	VRC_MR_IDLE,
	VRC_MR_REGISTERING,
	VRC_MR_REGISTERED,
	VRC_MR_DEREGISTERING,
};

struct vrc_request {
	NDK_FN_REQUEST_COMPLETION *cb;
	PVOID context;
};

/* Page lists of a fast-register region that the device may still have to read.
 * As many NdkFastRegister may be under way; consumers wait for each. */
#define VRC_FRMR_TABLES		4

struct vrc_frmr_table {
	uint32_t qp;		/* handle, 0: never used */
	uint32_t count;		/* of its request in that queue pair */
};

struct vrc_mr {
	struct vrc_obj obj;
	/* constant after create */
	bool fast;			/* made for NdkFastRegister */
	/* constant after NdkInitializeFastRegisterMr */
	uint32_t max_pages;
	bool remote;
	struct vrdma_dma tables;
	/* the poster's */
	struct vrc_frmr_table table[VRC_FRMR_TABLES];
	uint32_t fast_token;		/* of the last NdkFastRegister */
	/* under the core's lock */
	enum vrc_mr_state state;
	uint32_t local_token, remote_token;
	struct vrc_cmd cmd;
	struct vrc_request req;
	struct vrc_pages pages;
	struct vrc_pd *pd;
	uint32_t access;
	uint64_t addr, length;
	struct vrc_list busy_link;	/* in pd->busy */
	bool *kept;			/* see vrdma_mr_kept() */
};

struct vrc_mw {
	struct vrc_obj obj;
	struct vrc_pd *pd;
	/* the poster's: the token that the last Bind gave it */
	uint32_t token;
};

/* Memory of a completion queue.  One that is resized has several, in the order in
 * which they are to be polled. */
struct vrc_cq_ring {
	struct vrdma_cqring poll;	/* the consumer's poller only; next: see
					 * vrc_cq.first */
	struct vrdma_dma buffer;
	uint32_t number;		/* counts the rings of this queue */
};

/* Where a completion is */
struct vrc_cq_place {
	uint32_t ring, pos;
};

struct vrc_cq {
	struct vrc_obj obj;
	/* constant after create */
	bool user;
	uint32_t ceq;
	struct vrc_pages pages;		/* for the creation */
	NDK_FN_CQ_NOTIFICATION_CALLBACK *notify;
	PVOID notify_context;
	/* changed under the core's lock; read by the poller without, who alone
	 * moves first on, but for a process's queue */
	struct vrc_cq_ring *first;
	/* under the core's lock */
	struct vrc_cq_ring *last;
	bool resizing;			/* a RESIZE_CQ is under way */
	struct vrc_task task;
	bool task_runs_notify;
	bool notifying;			/* callback runs */
	bool notify_again;
	NTSTATUS notify_status;
	NTSTATUS error;			/* SUCCESS, or why the CQ is dead */
	/* the device is gone and the core writes completions in its place */
	struct vrc_cq_ring *produce;	/* there, or NULL */
	uint32_t produce_pos;
};

/* Memory of a shared receive queue, which a change of its depth replaces */
struct vrc_srq_ring {
	uint32_t depth;			/* entries, a power of two */
	uint32_t offset;		/* in the buffer; the record is at 0 */
	struct vrdma_dma buffer;
};

struct vrc_srq {
	struct vrc_obj obj;
	/* constant after create */
	bool user;
	struct vrc_pd *pd;
	uint32_t slot, stride, max_sge;
	uint32_t threshold;		/* of the creation */
	struct vrc_pages pages;		/* for the creation */
	NDK_FN_SRQ_NOTIFICATION_CALLBACK *notify;
	PVOID notify_context;
	/* under post_lock, which is never held together with the core's */
	struct vrdma_lock post_lock;
	struct vrdma_wq wq;
	struct vrc_srq_ring ring;
	bool moving;			/* its depth is being changed */
	uint32_t old_limit;		/* if that fails */
	bool lost;
	/* under the core's lock */
	bool failed;			/* and the consumer was told */
};

enum vrc_dir {
	VRC_SQ,
	VRC_RQ,
};

/* What the CQ's ring tells about the newest completion of one direction */
struct vrc_seen {
	bool any;
	uint16_t index;
	uint64_t wr_id;
};

struct vrc_qp {
	struct vrc_obj obj;
	/* constant after create */
	bool user;
	struct vrc_pd *pd;
	struct vrc_cq *cq[2];		/* by enum vrc_dir */
	struct vrc_srq *srq;		/* then nothing of VRC_RQ but cq[]; or NULL */
	uint64_t qp_context;
	uint32_t flags;			/* VRDMA_QP_xxx */
	uint32_t slot;
	uint32_t offset[2], depth[2], stride[2], limit[2], max_sge[2];
	uint32_t max_inline, max_read_sge;
	struct vrdma_dma buffer;
	struct vrc_pages pages;
	struct virtio_rdma_context_page *ctx_page;
	/* one poster per queue */
	struct vrdma_wq wq[2];
	bool deferred[2];		/* posted without a bell */
	/* under the core's lock */
	bool lost;			/* read without lock behind a fence */
	uint32_t flushed[2];		/* by the core, after lost */
	struct vrc_seen seen[2];
	struct vrc_cq_place born[2];	/* in cq[], where our first may be */
	struct vrc_cmd flush;
	struct vrc_list hash_link;
};

/*
 * Connector, what the consumer may call.  vrc_conn_set() in conn_state.c is
 * the only writer and holds the table of transitions.
 *
 * IDLE		made by the consumer, or a connect that may be tried again
 *		ended: Connect
 * CONNECTING	CONNECT under way: nothing but close and cancel
 * REPLIED	the peer accepted: CompleteConnect, Reject, GetConnectionData
 * COMPLETING	COMPLETE_CONNECT under way
 * INCOMING	came with a connect event: Accept, Reject, GetConnectionData
 * ACCEPTING	ACCEPT under way
 * ESTABLISHED	data flows: Disconnect
 * INDICATED	the peer, or the wire, ended it and the consumer was told
 *		(D4): Disconnect
 * DISCONNECTING DISCONNECT under way; no indication any more (D4, D6)
 * OVER		rejected, failed for good, or disconnected: nothing (D8, D9)
 * CLOSING	close was called: nothing; no event from here on
 */
enum vrc_conn_state {
	VRC_CONN_IDLE,
	VRC_CONN_CONNECTING,
	VRC_CONN_REPLIED,
	VRC_CONN_COMPLETING,
	VRC_CONN_INCOMING,
	VRC_CONN_ACCEPTING,
	VRC_CONN_ESTABLISHED,
	VRC_CONN_INDICATED,
	VRC_CONN_DISCONNECTING,
	VRC_CONN_OVER,
	VRC_CONN_CLOSING,
	VRC_CONN_STATES
};

struct vrc_private {
	uint16_t length;
	uint8_t data[VIRTIO_RDMA_MAX_PRIVATE];
};

/* What the consumer asked for, from the call until the command is built */
struct vrc_want {
	struct virtio_rdma_addr local, peer;
	uint32_t inbound, outbound;
	struct vrc_private priv;
};

struct vrc_shared_endpoint {
	struct vrc_obj obj;
	/* constant after create: wanted, then as the device took it */
	struct virtio_rdma_addr addr;
};

struct vrc_connector {
	struct vrc_obj obj;
	/* under the core's lock */
	enum vrc_conn_state state;
	/* parents while connecting and after */
	struct vrc_qp *qp;
	struct vrc_shared_endpoint *endpoint;	/* or NULL: one of its own */
	bool known;			/* addresses, limits, in are the peer's */
	struct virtio_rdma_addr local, peer;
	uint32_t inbound, outbound;
	struct vrc_private in;
	/* request under way */
	struct vrc_cmd cmd;		/* CONNECT, COMPLETE_CONNECT, ACCEPT */
	struct vrc_cmd disconnect;
	struct vrc_cmd reject;
	struct vrc_cmd close;
	struct vrc_request req, disconnect_req;
	struct vrc_want want;
	/* the indication */
	NDK_FN_DISCONNECT_EVENT_CALLBACK *event;
	NDK_FN_DISCONNECT_EVENT_CALLBACK_EX *event_ex;
	PVOID event_context;
	bool early;			/* it overtook the completion */
	uint32_t early_reason;
	/* the device's half */
	bool close_sent;
	bool close_wanted;		/* behind the REJECT under way */
};

enum vrc_listener_state {
	VRC_LISTENER_IDLE,
	VRC_LISTENER_STARTING,
	VRC_LISTENER_ACTIVE,
	VRC_LISTENER_ENDED,
};

struct vrc_listener {
	struct vrc_obj obj;
	NDK_FN_CONNECT_EVENT_CALLBACK *event;
	PVOID event_context;
	/* under the core's lock */
	enum vrc_listener_state state;
	struct virtio_rdma_addr want, addr;
	uint32_t backlog;
	struct vrc_cmd cmd;		/* LISTEN */
	struct vrc_cmd control;
	struct vrc_cmd close;
	struct vrc_request req;
	bool pause_wanted, pause_sent, close_sent;
};

/* --- the core ---------------------------------------------------------------------- */

#define VRC_QP_BUCKETS		1024
#define VRC_ID_CHUNK		256
#define VRC_ID_CHUNKS		1024
#define VRC_MAX_ORPHANS		64
#define VRC_MAX_QUEUES		1024	/* virtio's own limit */

struct vrc_id {
	struct vrc_obj *obj;
	uint32_t generation;
	uint32_t next_free;		/* index + 1 */
};

struct vrc_evbuf {
	void *va;
	uint32_t queue;
	uint32_t size;
};

/* One thread at a time reads a queue; the others leave a note */
struct vrc_gate {
	bool busy, again;
};

struct vrdma_core {
	const struct vrdma_os_ops *ops;
	void *os;
	struct vrdma_lock lock;

	/* constant while alive */
	struct virtio_rdma_config cfg;
	uint32_t features;		/* negotiated, of VRDMA_FEATURES */
	uint32_t num_ceq, num_wakeq;
	struct vrdma_dma event_dma;
	struct vrc_evbuf *evbufs;
	uint32_t num_evbufs;

	/* under the lock */
	bool alive;
	uint32_t epoch;
	struct vrdma_counters counters;
	struct vrc_gate *gates;		/* queues 0 .. 1 + num_ceq */
	struct vrc_cmdq cmdq;
	struct vrc_list objects;
	uint32_t num_objects;
	struct vrc_list qp_hash[VRC_QP_BUCKETS];
	struct vrc_id *ids[VRC_ID_CHUNKS];
	uint32_t ids_used;		/* indices ever given */
	uint32_t ids_free;		/* index + 1, 0: none */
	uint32_t next_ceq, next_wakeq;
	struct virtio_rdma_addr addrs[VIRTIO_RDMA_MAX_ADDRESSES];
	uint32_t num_addrs;

	/* incoming connectors that nobody takes */
	uint32_t orphans[VRC_MAX_ORPHANS];
	uint32_t num_orphans;
	struct vrc_cmd orphan_cmd;

	/* commands that start() waits for */
	struct vrc_cmd query;
	struct vrdma_event query_event;
	bool query_done;
	uint32_t query_status;

	struct vrc_list tasks;
	struct vrdma_work work;
	bool has_buffers;

	/* guest- or device-triggered log lines */
	uint64_t log_window;
	uint32_t log_count;
};

#define VRC_CFG32(cfgp, field)	vr_from_le32((cfgp)->field)

static inline void vrc_lock(struct vrdma_core *c)
{
	c->ops->lock(c->os, &c->lock);
}

static inline void vrc_unlock(struct vrdma_core *c)
{
	c->ops->unlock(c->os, &c->lock);
}

static inline void *vrc_alloc(struct vrdma_core *c, size_t size)
{
	return c->ops->alloc(c->os, size);
}

static inline void vrc_free(struct vrdma_core *c, void *p)
{
	if (p)
		c->ops->free(c->os, p);
}

#define vrc_log(core, level, ...) \
	((core)->ops->log((core)->os, level, __VA_ARGS__))
/* for what a device or a consumer can cause at will */
#define vrc_log_limited(core, level, ...) \
	do { \
		if (vrc_log_allowed(core)) \
			vrc_log(core, level, __VA_ARGS__); \
	} while (0)
bool vrc_log_allowed(struct vrdma_core *c);

/* core.c */
void vrc_task_init(struct vrc_task *t, void (*fn)(struct vrc_task *));
bool vrc_task_queue_locked(struct vrdma_core *c, struct vrc_task *t);

/* ids.c */
int vrc_id_new(struct vrdma_core *c, struct vrc_obj *obj);
void vrc_id_drop_locked(struct vrdma_core *c, struct vrc_obj *obj);
struct vrc_obj *vrc_id_get(struct vrdma_core *c, uint64_t cookie,
			   NDK_OBJECT_TYPE type);
void vrc_ids_free(struct vrdma_core *c);

/* cmdq.c */
int vrc_cmdq_init(struct vrdma_core *c);
void vrc_cmdq_fini(struct vrdma_core *c);
void vrc_cmd_init(struct vrc_cmd *cmd, vrc_fill_fn *fill, vrc_done_fn *done);
int vrc_cmd_submit(struct vrdma_core *c, uint32_t epoch, struct vrc_cmd *cmd,
		   uint16_t opcode, uint32_t handle);
int vrc_cmd_submit_locked(struct vrdma_core *c, uint32_t epoch,
			  struct vrc_cmd *cmd, uint16_t opcode,
			  uint32_t handle);
bool vrc_cmd_take_back_locked(struct vrdma_core *c, struct vrc_cmd *cmd);
void vrc_cmd_ends_soon_locked(struct vrdma_core *c, struct vrc_cmd *cmd);
void vrc_cmdq_event(struct vrdma_core *c);
void vrc_cmdq_lost(struct vrdma_core *c);

/* events.c */
int vrc_events_init(struct vrdma_core *c);
void vrc_events_fini(struct vrdma_core *c);
void vrc_events_post(struct vrdma_core *c);
void vrc_event_queue(struct vrdma_core *c, uint32_t queue);

/* object.c */
void vrc_obj_init(struct vrc_obj *obj, struct vrdma_core *c,
		  struct vrc_adapter *owner, const struct vrc_obj_class *cls);
void vrc_obj_hold(struct vrc_obj *obj);
void vrc_obj_put(struct vrc_obj *obj);
void vrc_obj_parent(struct vrc_obj *obj, struct vrc_obj *parent);
void vrc_obj_parent_locked(struct vrc_obj *obj, struct vrc_obj *parent);
bool vrc_obj_unparent_locked(struct vrc_obj *obj, struct vrc_obj *parent);
bool vrc_obj_usable_locked(struct vrc_obj *obj);
bool vrc_obj_usable(struct vrc_obj *obj);
bool vrc_obj_lost_locked(struct vrc_obj *obj);
void vrc_obj_abandon(struct vrc_obj *obj);
void vrc_obj_destroy(struct vrc_obj *obj);
NTSTATUS vrc_obj_create(struct vrc_obj *obj, uint16_t opcode,
			vrc_fill_fn *fill, NDK_FN_CREATE_COMPLETION *cc,
			PVOID ctx);
void vrc_obj_opened(struct vrc_obj *obj);
NTSTATUS vrc_obj_close(NDK_OBJECT_HEADER *h, NDK_FN_CLOSE_COMPLETION *cb,
		       PVOID ctx);
NTSTATUS vrc_query_extension(NDK_OBJECT_HEADER *h, const GUID *id,
			     NDK_VERSION version, NDK_EXTENSION_INTERFACE *out);
void vrc_request_done(struct vrc_obj *obj, const struct vrc_request *req,
		      NTSTATUS status);

/* pagelist.c */
typedef uint64_t vrc_page_fn(const void *source, uint64_t index);
int vrc_pages_build(struct vrdma_core *c, struct vrc_pages *out,
		    vrc_page_fn *page, const void *source, uint64_t count);
int vrc_pages_of_dma(struct vrdma_core *c, struct vrc_pages *out,
		     const struct vrdma_dma *dma);
void vrc_pages_free(struct vrdma_core *c, struct vrc_pages *p);

/* mdl.c */
uint64_t vrc_mdl_pages(const MDL *mdl, uint64_t length);
struct vrc_mdl_cursor {
	const MDL *mdl;
	uint64_t first;		/* index of mdl's first page in the buffer */
};
uint64_t vrc_mdl_page(struct vrc_mdl_cursor *cur, uint64_t index);
NDK_FN_BUILD_LAM vrc_build_lam;
NDK_FN_RELEASE_LAM vrc_release_lam;

/* cq.c */
NDK_FN_CREATE_CQ vrc_create_cq;
void vrc_cq_event(struct vrc_cq *cq);
void vrc_cq_failed(struct vrc_cq *cq, NTSTATUS status);
struct vrc_cq *vrc_cq_of(NDK_CQ *ndk);
struct vrc_cq_ring *vrc_cq_ring_new(struct vrdma_core *c, uint32_t depth,
				    struct vrc_pages *pages);
void vrc_cq_ring_free(struct vrdma_core *c, struct vrc_cq_ring *r, bool let_go);
#define VRC_CQ_RING_OFFSET ((uint32_t)sizeof(struct virtio_rdma_cq_record))
/* Where the queue goes on, for the device too; NULL: it does not */
struct vrc_cq_ring *vrc_cq_next(const struct vrc_cq_ring *r);
/* cq_resize.c */
NDK_FN_RESIZE_CQ vrc_resize_cq;
/* The poller turns to the next ring when it is through with the first.  True: it
 * has */
bool vrc_cq_advance(struct vrc_cq *cq);
/* cq_lost.c */
void vrc_cq_lost(struct vrc_cq *cq);
/* Place of the first completion that is not there yet */
struct vrc_cq_place vrc_cq_end(struct vrc_cq *cq);
bool vrc_cq_produce_locked(struct vrc_cq *cq, const struct virtio_rdma_cqe *e);
void vrc_cq_produced_locked(struct vrc_cq *cq);
void vrc_cq_lost_notify(struct vrc_cq *cq);
void vrc_cq_notify(struct vrc_cq *cq, NTSTATUS status);
void vrc_cq_notify_soon_locked(struct vrc_cq *cq, NTSTATUS status);

/* pd.c mr.c frmr.c mw.c qp.c qp_post.c qp_lost.c */
NDK_FN_CREATE_PD vrc_create_pd;
void vrc_pd_retry(struct vrc_pd *pd);
NDK_FN_CREATE_MR vrc_create_mr;
NDK_FN_CREATE_MW vrc_create_mw;
NTSTATUS vrc_mr_begin(struct vrc_mr *mr, enum vrc_mr_state from,
		      enum vrc_mr_state to);
NTSTATUS vrc_mr_undo(struct vrc_mr *mr, enum vrc_mr_state back,
		     NTSTATUS status);
void vrc_mr_registered(struct vrc_mr *mr, uint32_t wire,
		       const struct virtio_rdma_rsp_register_mr *r,
		       uint32_t *remote);
NDK_FN_INITIALIZE_FAST_REGISTER_MR vrc_frmr_initialize;
bool vrc_frmr_offered(const struct vrc_pd *pd);
void *vrc_frmr_table(struct vrc_mr *mr, uint32_t *index);
uint32_t vrc_next_token(uint32_t token);
NDK_FN_CREATE_QP vrc_create_qp;
extern const NDK_QP_DISPATCH vrc_qp_dispatch;
NDK_FN_FLUSH vrc_qp_flush;
NDK_FN_SEND vrc_qp_send;
NDK_FN_RECEIVE vrc_qp_receive;
NDK_FN_READ vrc_qp_read;
NDK_FN_WRITE vrc_qp_write;
NDK_FN_BIND vrc_qp_bind;
NDK_FN_FAST_REGISTER vrc_qp_fast_register;
NDK_FN_INVALIDATE vrc_qp_invalidate;
NDK_FN_SEND_AND_INVALIDATE vrc_qp_send_and_invalidate;
struct vrc_qp *vrc_qp_find_locked(struct vrdma_core *c, uint32_t handle);
void vrc_qp_lost(struct vrc_qp *qp);
void vrc_qp_flush_lost(struct vrc_qp *qp);

uint32_t vrc_stride_for(uint32_t header, uint32_t sge, uint32_t inline_size);
void vrc_put_receive(struct virtio_rdma_recv_wqe *w, PVOID ctx,
		     const NDK_SGE *sgl, ULONG n);

/* srq.c srq_modify.c */
NDK_FN_CREATE_SRQ vrc_create_srq;
NDK_FN_CREATE_QP_WITH_SRQ vrc_create_qp_with_srq;
NDK_FN_MODIFY_SRQ vrc_modify_srq;
void vrc_srq_lock(struct vrc_srq *srq);
void vrc_srq_unlock(struct vrc_srq *srq);
void vrc_srq_ring_bell(struct vrc_srq *srq);
void vrc_srq_notify(struct vrc_srq *srq, NTSTATUS status);
void vrc_srq_lost(struct vrc_srq *srq);
bool vrc_srq_depth_ok(const struct virtio_rdma_config *cfg, uint32_t depth);
int vrc_srq_ring_alloc(const struct vrc_srq *srq, uint32_t depth,
		       struct vrc_srq_ring *out, struct vrc_pages *pages);
void vrc_srq_ring_free(struct vrdma_core *c, struct vrc_srq_ring *ring);
static inline bool vrc_srq_offered(const struct virtio_rdma_config *cfg)
{
	return cfg->max_srq_depth;
}

/* connector.c conn_request.c conn_state.c conn_query.c */
NDK_FN_CREATE_CONNECTOR vrc_create_connector;
bool vrc_conn_set_locked(struct vrc_connector *conn, enum vrc_conn_state next);
bool vrc_conn_may(enum vrc_conn_state from, enum vrc_conn_state to);
bool vrc_conn_is_up(enum vrc_conn_state s);
const char *vrc_conn_name(enum vrc_conn_state s);
struct vrc_connector *vrc_conn_incoming(struct vrc_listener *l,
					const struct virtio_rdma_event *ev);
void vrc_conn_disconnected(struct vrc_connector *conn, uint32_t reason);
void vrc_conn_deliver_early(struct vrc_connector *conn);
void vrc_conn_send_close(struct vrc_connector *conn);
void vrc_conn_untie(struct vrc_connector *conn);
void vrc_conn_init_requests(struct vrc_connector *conn);
void vrc_orphan(struct vrdma_core *c, uint32_t handle);
void vrc_orphan_init(struct vrdma_core *c);
NDK_FN_CONNECT vrc_conn_connect;
NDK_FN_CONNECT_WITH_SHARED_ENDPOINT vrc_conn_connect_shared;
NDK_FN_COMPLETE_CONNECT vrc_conn_complete;
NDK_FN_ACCEPT vrc_conn_accept;
NDK_FN_REJECT vrc_conn_reject;
NDK_FN_DISCONNECT vrc_conn_disconnect;
NDK_FN_COMPLETE_CONNECT_EX vrc_conn_complete_ex;
NDK_FN_ACCEPT_EX vrc_conn_accept_ex;
NDK_FN_GET_CONNECTION_DATA vrc_conn_get_data;
NDK_FN_GET_LOCAL_ADDRESS vrc_conn_get_local;
NDK_FN_GET_PEER_ADDRESS vrc_conn_get_peer;

/* listener.c */
NDK_FN_CREATE_LISTENER vrc_create_listener;
void vrc_listener_request(struct vrc_listener *l,
			  const struct virtio_rdma_event *ev);

/* shared_endpoint.c */
NDK_FN_CREATE_SHARED_ENDPOINT vrc_create_shared_endpoint;
bool vrc_shared_offered(const struct vrc_adapter *a);

/* adapter.c */
int vrc_slot_get(struct vrc_adapter *a, uint32_t *slot);
void vrc_slot_put(struct vrc_adapter *a, uint32_t slot);

#endif /* VRC_H */
