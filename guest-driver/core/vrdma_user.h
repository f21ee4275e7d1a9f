/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-or-later */
/*
 * vrdma_user.h - what a shell needs to serve user-mode consumers
 *
 * DOC: A user-mode object is an NDK object.  The shell calls the same dispatch
 * functions as a kernel consumer; here is only what NDK does not offer: rings
 * that a process maps, policy flags, NDSPI's back log and cancelling.
 *
 * Mapped memory.  The buffers below go back to dma_free() at the moment the
 * object is closed; a shell that mapped their pages into a process makes the
 * pages outlive that (by page references), never the other way round.
 *
 * The process posts and polls by vrdma_ring.h.  After it posted on a queue pair
 * whose record says VIRTIO_RDMA_QP_ERROR (read behind a full fence, after the
 * tail was published) it has the shell call NdkFlush: a dead device cannot see
 * the post, the core then completes it as cancelled.
 */
#ifndef VRDMA_USER_H
#define VRDMA_USER_H

#include "vrdma_core.h"

/* --- the adapter's context ------------------------------------------------- */

struct vrdma_context_info {
	const struct vrdma_dma *page;	/* struct virtio_rdma_context_page */
	uint32_t wake_queue;		/* virtqueue number to notify */
};
void vrdma_adapter_context(NDK_ADAPTER *adapter,
			   struct vrdma_context_info *out);

/* The device under the adapter is gone: every call fails, close it */
bool vrdma_adapter_lost(NDK_ADAPTER *adapter);

/* The device's limits as it announced them, of the adapter's epoch */
void vrdma_adapter_config(NDK_ADAPTER *adapter,
			  struct virtio_rdma_config *out);

/* VIRTIO_RDMA_FEATURE() of what is in use, of the adapter's epoch */
uint32_t vrdma_adapter_features(NDK_ADAPTER *adapter);

/* --- completion queues ------------------------------------------------------ */

#define VRDMA_CQ_USER	0x1	/* the process polls; GetCqResults is not used */

struct vrdma_cq_params {
	uint32_t depth;			/* entries, rounded up to a power of two */
	uint32_t flags;			/* VRDMA_CQ_xxx */
	NDK_FN_CQ_NOTIFICATION_CALLBACK *notify;
	PVOID notify_context;
};
/* Statuses and completion as NdkCreateCq */
NTSTATUS vrdma_create_cq_ex(NDK_ADAPTER *adapter,
			    const struct vrdma_cq_params *params,
			    NDK_FN_CREATE_COMPLETION *cc, PVOID ctx,
			    NDK_CQ **out);

/*
 * Changes when NdkResizeCq gives it another depth, from that call until its
 * completion: then the buffer may be another one, and the process, which polls
 * the old one empty before it, has that for itself.
 */
struct vrdma_cq_layout {
	const struct vrdma_dma *buffer;	/* cq_record at 0 */
	uint32_t ring_offset;
	uint32_t depth;			/* entries, a power of two */
	uint32_t handle;		/* the device's, as in completions */
};
void vrdma_cq_layout(NDK_CQ *cq, struct vrdma_cq_layout *out);

/* Let go of an arm: the callback armed before will not come, unless it runs
 * already.  For a process that cancels its Notify. */
void vrdma_cq_disarm(NDK_CQ *cq);

/* --- memory ----------------------------------------------------------------- */

/* *kept becomes true before the close completion if the device refused to let
 * go of the memory.  Before NdkCloseMr */
void vrdma_mr_kept(NDK_MR *mr, bool *kept);

struct vrdma_mw_layout {
	uint32_t handle;		/* the device's, for struct virtio_rdma_bind */
	uint32_t token;			/* the key of it is the poster's to choose */
};
/* Of a window to which the process binds by itself */
void vrdma_mw_layout(NDK_MW *mw, struct vrdma_mw_layout *out);

/* --- queue pairs ------------------------------------------------------------ */

#define VRDMA_QP_USER				0x1	/* the process posts */
#define VRDMA_QP_FLUSH_ON_PEER_DISCONNECT	0x2	/* NDSPI's policy */

struct vrdma_qp_params {
	NDK_CQ *receive_cq;
	NDK_CQ *initiator_cq;
	NDK_SRQ *srq;			/* or NULL; with one: no receive_depth, no
					 * max_receive_sge, no receive ring */
	uint64_t qp_context;		/* comes back in each completion */
	uint32_t flags;			/* VRDMA_QP_xxx */
	uint32_t receive_depth;		/* entries, >= 1 without srq */
	uint32_t initiator_depth;	/* entries, >= 1 */
	uint32_t max_receive_sge;
	uint32_t max_initiator_sge;
	uint32_t inline_size;		/* bytes */
};
/* Statuses and completion as NdkCreateQp */
NTSTATUS vrdma_create_qp_ex(NDK_PD *pd, const struct vrdma_qp_params *params,
			    NDK_FN_CREATE_COMPLETION *cc, PVOID ctx,
			    NDK_QP **out);

struct vrdma_qp_layout {
	const struct vrdma_dma *buffer;	/* qp_record at 0 */
	uint32_t sq_offset, sq_depth, sq_stride;
	uint32_t rq_offset, rq_depth, rq_stride;
	uint32_t sq_limit, rq_limit;	/* depths asked for */
	uint32_t slot;			/* work bit in the context page */
	uint32_t handle;		/* the device's, as in completions */
};
void vrdma_qp_layout(NDK_QP *qp, struct vrdma_qp_layout *out);

/* --- shared receive queues --------------------------------------------------- */

#define VRDMA_SRQ_USER	0x1	/* the process posts; NdkSrqReceive is not used */

struct vrdma_srq_params {
	uint32_t depth;			/* entries, >= 1 */
	uint32_t max_sge;
	uint32_t threshold;		/* armed from the start; 0: not */
	uint32_t flags;			/* VRDMA_SRQ_xxx */
	NDK_FN_SRQ_NOTIFICATION_CALLBACK *notify;	/* or NULL */
	PVOID notify_context;
};
/* Statuses and completion as NdkCreateSrq */
NTSTATUS vrdma_create_srq_ex(NDK_PD *pd, const struct vrdma_srq_params *params,
			     NDK_FN_CREATE_COMPLETION *cc, PVOID ctx,
			     NDK_SRQ **out);

/*
 * Changes when NdkModifySrq gives it another depth, from that call until its
 * completion: then the buffer may be another one, with what is queued in it.
 * The process neither posts in between nor uses the old buffer after it.
 */
struct vrdma_srq_layout {
	const struct vrdma_dma *buffer;	/* srq_record at 0 */
	uint32_t ring_offset, depth, stride;
	uint32_t slot;			/* work bit in the context page */
	uint32_t handle;		/* the device's */
};
void vrdma_srq_layout(NDK_SRQ *srq, struct vrdma_srq_layout *out);

/* --- connections ------------------------------------------------------------ */

/* NdkListen with a back log; 0: the device's own */
NTSTATUS vrdma_listen_ex(NDK_LISTENER *listener, const SOCKADDR *addr,
			 ULONG len, uint32_t backlog,
			 NDK_FN_REQUEST_COMPLETION *rc, PVOID ctx);

/*
 * Cancel the Connect, CompleteConnect, Accept or Disconnect under way: it
 * completes with STATUS_CANCELLED (unless it was done already) and the
 * connection is over, abortively.  Nothing under way: nothing happens.  The
 * connector stays to be closed.
 */
void vrdma_connector_cancel(NDK_CONNECTOR *connector);

/* Exact length of the peer's private data; STATUS_CONNECTION_INVALID while
 * there is none.  (NdkGetConnectionData tells it too, as required size.) */
NTSTATUS vrdma_connector_private_length(NDK_CONNECTOR *connector, ULONG *out);

#endif /* VRDMA_USER_H */
