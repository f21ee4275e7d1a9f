/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-or-later */
/*
 * vrlf.h - an open /dev/vrdmaN, its objects and its requests
 *
 * DOC: For more than one kernel
 *
 * What is in this folder is the same wherever a process reaches the miniport by
 * ioctls.  A kernel's own shell brings vrl.h (its device, struct vrl_pin), the
 * dispatcher, request.c and pin.c; the few primitives used here (kref, list,
 * mutex, spinlock, xarray, work_struct) go by Linux' names, and another kernel
 * gives them in headers of those names.
 *
 * DOC: Locks and lives
 *
 *	file->lock (mutex)	one ioctl of a file at a time, so that no object
 *				is closed under a call on it (a promise that NDK
 *				wants of its consumer).  User memory is never
 *				touched under it: mmap takes it inside mmap_lock.
 *	file->slock (spin)	request lists, the event queue, the small
 *				states that callbacks change.  Leaf.
 *
 * An object is in its file's table until FREE (or the teardown of a dead
 * process' file) takes it out and begins to close the NDK object; the table's
 * reference goes with the close completion.  A request refers to its object,
 * an object to its file, a file to its device: nothing a late callback touches
 * is gone.
 */
#ifndef VRLF_H
#define VRLF_H

#include <linux/wait.h>
#include <linux/xarray.h>

#include "vrl.h"
#include "vrdma_uapi.h"

#define VRL_MAX_OBJECTS		(1u << 20)	/* per file; the device's limits are tighter */
#define VRL_MAX_REQUESTS	32768		/* per file, events not yet read included */

struct vrl_file {
	struct kref ref;
	struct vrl_dev *dev;		/* reference */
	struct list_head node;		/* in dev->files */
	struct address_space *mapping;	/* of the inode, while open */
	struct work_struct teardown;

	struct mutex lock;
	/* under lock, set once by OPEN */
	NDK_ADAPTER *adapter;
	NDK_PD *pd;
	struct vrdma_context_info context;
	struct xarray objs;
	u32 next_id;			/* ids come back late */

	spinlock_t slock;
	/* under slock */
	bool dead;			/* no one will read events any more */
	u32 requests;
	struct list_head events;	/* struct vrl_req, in order */
	wait_queue_head_t wait;
};

enum vrl_type {
	VRL_CQ = 1,
	VRL_QP,
	VRL_SRQ,
	VRL_MR,
	VRL_MW,
	VRL_CONNECTOR,
	VRL_LISTENER,
	VRL_TYPE_COUNT
};

struct vrl_obj;
struct vrl_obj_ops {
	/* file->lock held, once: begin to close; vrl_obj_put() at the end */
	void (*close)(struct vrl_obj *obj);
	/* file->lock held: end what is pending with STATUS_CANCELLED */
	void (*cancel)(struct vrl_obj *obj);
	/* file->lock held: the device was lost and the core ended its part */
	void (*lost)(struct vrl_obj *obj);
	/* any context: the memory itself, and what only it holds */
	void (*free)(struct vrl_obj *obj);
};

struct vrl_obj {
	struct kref ref;
	struct vrl_file *file;		/* reference */
	const struct vrl_obj_ops *ops;
	enum vrl_type type;
	u32 id;				/* 0 while not in the table */
	bool closed;			/* under file->lock */
	struct list_head pending;	/* requests held back here; slock */
};

struct vrl_req {
	struct list_head node;		/* obj->pending or file->events; slock */
	struct vrl_obj *obj;		/* reference */
	struct vrl_obj *target;		/* reference, or NULL; GET_REQUEST's connector */
	struct vrdma_uapi_event event;
};

/* --- file.c ------------------------------------------------------------------- */

struct vrl_file *vrl_file_new(struct vrl_dev *dev);
void vrl_file_get(struct vrl_file *f);
void vrl_file_put(struct vrl_file *f);			/* any context */
void vrl_file_close(struct vrl_file *f);		/* consumes the reference */
NTSTATUS vrl_file_open(struct vrl_file *f);		/* f->lock held */

void vrl_obj_init(struct vrl_obj *obj, struct vrl_file *f, enum vrl_type type,
		  const struct vrl_obj_ops *ops);
void vrl_obj_put(struct vrl_obj *obj);			/* any context */
bool vrl_obj_publish(struct vrl_obj *obj);		/* gives it its id */
struct vrl_obj *vrl_obj_find(struct vrl_file *f, u32 id, enum vrl_type type);
void vrl_obj_close(struct vrl_obj *obj);
void vrl_obj_no_op(struct vrl_obj *obj);
/* Part of ops->close: the NDK object's end is the object's; NULL: there is none */
void vrl_obj_close_ndk(struct vrl_obj *obj, void *ndk);

/* --- pin.c of the kernel's shell ------------------------------------------------ */

/*
 * Make a range of the calling process stay where it is, for the device to read,
 * and to write unless only local reading was asked for (flags: NDK_MR_FLAG_xxx).
 * No lock held; may sleep.  STATUS_SUCCESS, or nothing is pinned:
 * STATUS_ACCESS_VIOLATION, STATUS_INSUFFICIENT_RESOURCES, STATUS_CANCELLED.
 */
NTSTATUS vrl_pin(struct vrl_file *f, struct vrl_pin *pin, u64 address,
		 u64 length, u32 flags);
/* May sleep, from any process; nothing pinned: nothing happens */
void vrl_unpin(struct vrl_pin *pin);
/* Instead: the device did not let go of the pages, so nobody else may get them */
void vrl_pin_keep(struct vrl_pin *pin);
MDL *vrl_pin_mdl(struct vrl_pin *pin);

/* --- request.c of the kernel's shell --------------------------------------------- */

/* NULL: out of memory or over the file's limit */
struct vrl_req *vrl_req_new(struct vrl_obj *obj, u64 overlapped);
void vrl_req_drop(struct vrl_req *req);			/* it ended inline */
void vrl_req_complete(struct vrl_req *req, NTSTATUS status);

ssize_t vrl_events_read(struct vrl_file *f, char __user *buf, size_t count,
			bool nonblock);
bool vrl_events_wait(struct vrl_file *f);		/* any there? */

/* --- pending.c -------------------------------------------------------------------- */

/* every request in obj->pending */
void vrl_req_complete_all(struct vrl_obj *obj, NTSTATUS status);
/* as NDK_FN_REQUEST_COMPLETION, context: the request */
void vrl_req_done(void *req, NTSTATUS status);
/* NDK call's return value: PENDING leaves the request, all else drops it */
NTSTATUS vrl_req_started(struct vrl_req *req, NTSTATUS status);
/* An ioctl whose request waits in obj->pending, if status(obj), under slock, says
 * PENDING; else that is its answer.  What the ioctl returns; f->lock held */
int vrl_req_wait(struct vrl_file *f, struct vrdma_uapi_request *a,
		 enum vrl_type type, NTSTATUS (*status)(struct vrl_obj *obj));

/* --- wait.c --------------------------------------------------------------------- */

/*
 * Wait for a creation or request that the ioctl does at once.  A killed
 * process does not wait: STATUS_CANCELLED, and what is created late is closed.
 */
struct vrl_sync;
struct vrl_sync *vrl_sync_new(void);
void vrl_sync_created(void *sync, NTSTATUS status, NDK_OBJECT_HEADER *obj);
void vrl_sync_done(void *sync, NTSTATUS status);
NTSTATUS vrl_sync_wait(struct vrl_sync *sync, NTSTATUS status, void *object_out);

/* NdkCloseXxx of any object but an adapter: the first slot of its table */
NTSTATUS vrl_ndk_close(void *object, NDK_FN_CLOSE_COMPLETION *done, void *ctx);
/* close and forget */
void vrl_ndk_discard(void *object);

/* --- ioctls, each in the file of its object; f->lock held unless noted ----------- */

/* notify_mapped: 0, the shell knows better */
int vrl_ioc_open(struct vrl_file *f, void *arg);
int vrl_ioc_free(struct vrl_file *f, void *arg);
int vrl_ioc_cancel(struct vrl_file *f, void *arg);
int vrl_ioc_create_cq(struct vrl_file *f, void *arg);
int vrl_ioc_resize_cq(struct vrl_file *f, void *arg);
int vrl_ioc_cq_notify(struct vrl_file *f, void *arg);
int vrl_ioc_create_qp(struct vrl_file *f, void *arg);
int vrl_ioc_create_srq(struct vrl_file *f, void *arg);
int vrl_ioc_modify_srq(struct vrl_file *f, void *arg);
int vrl_ioc_srq_notify(struct vrl_file *f, void *arg);
int vrl_ioc_flush(struct vrl_file *f, void *arg);
int vrl_ioc_create_mr(struct vrl_file *f, void *arg);
int vrl_ioc_register(struct vrl_file *f, void *arg);	/* takes f->lock */
int vrl_ioc_deregister(struct vrl_file *f, void *arg);
int vrl_ioc_create_mw(struct vrl_file *f, void *arg);
int vrl_ioc_create_connector(struct vrl_file *f, void *arg);
int vrl_ioc_connect(struct vrl_file *f, void *arg);
int vrl_ioc_complete_connect(struct vrl_file *f, void *arg);
int vrl_ioc_accept(struct vrl_file *f, void *arg);
int vrl_ioc_reject(struct vrl_file *f, void *arg);
int vrl_ioc_get_connection(struct vrl_file *f, void *arg);
int vrl_ioc_notify_disconnect(struct vrl_file *f, void *arg);
int vrl_ioc_disconnect(struct vrl_file *f, void *arg);
int vrl_ioc_create_listener(struct vrl_file *f, void *arg);
int vrl_ioc_bind(struct vrl_file *f, void *arg);
int vrl_ioc_listen(struct vrl_file *f, void *arg);
int vrl_ioc_get_request(struct vrl_file *f, void *arg);

/* The buffer that a process may map; f->lock held.  NULL: none now */
const struct vrdma_dma *vrl_cq_buffer(struct vrl_obj *obj);
const struct vrdma_dma *vrl_qp_buffer(struct vrl_obj *obj);
const struct vrdma_dma *vrl_srq_buffer(struct vrl_obj *obj);
NDK_CQ *vrl_cq_ndk(struct vrl_obj *obj);
NDK_QP *vrl_qp_ndk(struct vrl_obj *obj);
NDK_SRQ *vrl_srq_ndk(struct vrl_obj *obj);

/* A region's memory if it is registered, else NULL; busy: a Register or Deregister
 * is under way.  f->lock held */
const struct vrl_pin *vrl_mr_registered(struct vrl_obj *obj, NDK_MR **ndk,
					bool *busy);

/* An object's buffer for mmap: far apart, no two the same, never the fixed ones */
#define VRL_MMAP_SHIFT		32
static inline u64 vrl_mmap_offset(const struct vrl_obj *obj)
{
	return (u64)obj->id << VRL_MMAP_SHIFT;
}
/* calls.c: what lies there, or NULL: nothing, or nothing now.  f->lock held */
const struct vrdma_dma *vrl_find_buffer(struct vrl_file *f, u64 offset);

/* calls.c: after the core said that everything ended, what only the files know of */
void vrl_files_device_lost(struct vrl_dev *dev);

/* --- addr.c --------------------------------------------------------------------- */

union vrl_sockaddr {
	SOCKADDR sa;
	struct nd_sockaddr_in in;
	struct nd_sockaddr_in6 in6;
};
/* false: reserved field set or unknown family */
bool vrl_addr_valid(const struct vrdma_uapi_sockaddr *a, bool may_be_none);
ULONG vrl_addr_to_ndk(const struct vrdma_uapi_sockaddr *a, union vrl_sockaddr *out);
void vrl_addr_from_wire(const struct virtio_rdma_addr *a,
			struct vrdma_uapi_sockaddr *out);
bool vrl_addr_from_ndk(const union vrl_sockaddr *a, ULONG len,
		       struct vrdma_uapi_sockaddr *out);
bool vrl_private_valid(const struct vrdma_uapi_private *p);

#endif /* VRLF_H */
