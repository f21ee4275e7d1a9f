/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * wr.c - from ring entries to requests and from requests to completions
 *
 * DOC: An entry is copied once: its fixed part, then, when that has said how
 * much more there is, the rest.  Only the copy is looked at.  The guest's tail
 * is the one value that is read again and again, each time checked against
 * what was taken before.  Requests end in the order in which they were taken,
 * so one that fails its checks waits, marked bad, for those before it.
 *
 * A queue pair with a shared receive queue (srq.h) has no receive ring.  Its
 * receive queue holds what it took there, and nothing else differs.
 */
#include <stdatomic.h>
#include <string.h>

#include "cq.h"
#include "frmr.h"
#include "guest.h"
#include "mr.h"
#include "mw.h"
#include "qp.h"
#include "srq.h"
#include "worker.h"
#include "vrdma_plant.h"

#define WR_FLAGS (VIRTIO_RDMA_WR_SILENT | VIRTIO_RDMA_WR_READ_FENCE | \
		  VIRTIO_RDMA_WR_SOLICIT | VIRTIO_RDMA_WR_INLINE)

typedef enum virtio_rdma_wc_status
parse_fn(struct vr_qp *qp, struct vr_wr *wr,
	 const struct virtio_rdma_send_wqe *w, const uint8_t *rest);

static parse_fn parse_data, parse_read, parse_bind, parse_fast, parse_nothing;

/* What an opcode may carry.  Opcodes without a row are malformed, as are those
 * of a feature that was not negotiated. */
struct op_rule {
	parse_fn *parse;	/* what is behind the head; NULL: no row */
	bool addr;		/* remote_addr means something */
	bool token;		/* remote_token does */
	uint16_t flags;		/* allowed */
	uint32_t need;		/* right that local memory must give */
	uint32_t feature;	/* VIRTIO_RDMA_FEATURE(), any of them; 0: of
				 * every device */
};

static const struct op_rule op_rules[] = {
	[VIRTIO_RDMA_OP_SEND] = { .parse = parse_data, .flags = WR_FLAGS },
	[VIRTIO_RDMA_OP_SEND_INVALIDATE] = {
		.parse = parse_data, .token = true, .flags = WR_FLAGS,
		.feature = VIRTIO_RDMA_FEATURE(SEND_INVALIDATE),
	},
	[VIRTIO_RDMA_OP_WRITE] = {
		.parse = parse_data, .addr = true, .token = true,
		.flags = WR_FLAGS & ~VIRTIO_RDMA_WR_SOLICIT,
	},
	[VIRTIO_RDMA_OP_READ] = {
		.parse = parse_read, .addr = true, .token = true,
		.flags = VIRTIO_RDMA_WR_SILENT | VIRTIO_RDMA_WR_READ_FENCE |
			 VIRTIO_RDMA_WR_LOCAL_INVALIDATE,
		.need = VIRTIO_RDMA_ACCESS_LOCAL_WRITE,
	},
	[VIRTIO_RDMA_OP_BIND] = {
		.parse = parse_bind, .token = true,
		.flags = VIRTIO_RDMA_WR_SILENT | VIRTIO_RDMA_WR_READ_FENCE,
		.feature = VIRTIO_RDMA_FEATURE(MW),
	},
	[VIRTIO_RDMA_OP_FAST_REGISTER] = {
		.parse = parse_fast, .token = true,
		.flags = VIRTIO_RDMA_WR_SILENT | VIRTIO_RDMA_WR_READ_FENCE,
		.feature = VIRTIO_RDMA_FEATURE(FAST_REGISTER),
	},
	[VIRTIO_RDMA_OP_INVALIDATE] = {
		.parse = parse_nothing, .token = true,
		.flags = VIRTIO_RDMA_WR_SILENT | VIRTIO_RDMA_WR_READ_FENCE,
		.feature = VIRTIO_RDMA_FEATURE(MW) |
			   VIRTIO_RDMA_FEATURE(FAST_REGISTER),
	},
};

static const struct op_rule *rule_of(const struct vr_qp *qp, uint8_t opcode)
{
	const struct op_rule *rule;

	if (opcode >= sizeof(op_rules) / sizeof(op_rules[0]))
		return NULL;
	rule = &op_rules[opcode];
	if (rule->feature && !(rule->feature & qp->features))
		return NULL;
	return rule->parse ? rule : NULL;
}

/* --------------------------------------------------------------- the ring */

static uint32_t slot_of(const struct qp_queue *q, uint32_t count)
{
	return count & (q->window - 1);
}

static struct vr_wr *wr_at(const struct qp_queue *q, uint32_t count)
{
	return (struct vr_wr *)(void *)
		(q->wrs + (size_t)slot_of(q, count) * q->wr_size);
}

/* It has no ring of its own */
static bool is_shared(const struct vr_qp *qp, const struct qp_queue *q)
{
	return qp->srq && q == &qp->rq;
}

static const uint8_t *entry_at(const struct vr_qp *qp,
			       const struct qp_queue *q, uint32_t count)
{
	/* strides are powers of two: an entry lies in one page */
	return gmem_pages_at(&qp->pages, q->offset +
			     (uint64_t)(count & (q->depth - 1)) * q->stride);
}

/* Reads the guest's tail.  It may only grow, and by what the ring can hold. */
static bool read_tail(struct vr_qp *qp, struct qp_queue *q)
{
	uint32_t tail = vr_from_le32(atomic_load_explicit(q->tail_le,
						memory_order_acquire));

	if (tail - q->ended > q->depth ||
	    tail - q->ended < q->tail - q->ended) {
		q->broken = true;
		glog(qp->guest, VL_WARN,
		     "qp[%u]: %s tail %u with %u ended and depth %u: queue pair fails",
		     handle_index(qp->handle), q == &qp->sq ? "send" : "receive", tail,
		     q->ended, q->depth);
		return false;
	}
	q->tail = tail;
	return true;
}

/* At a doorbell, so that nonsense is found when it is written and not when a
 * peer happens to need the queue */
void wr_look(struct vr_qp *qp)
{
	/* it comes from the CPU that wrote it, and there are things to do before
	 * it is needed */
	__builtin_prefetch(entry_at(qp, &qp->sq, qp->sq.taken));
	if (!read_tail(qp, &qp->sq) || (!qp->srq && !read_tail(qp, &qp->rq)))
		qp_fail(qp, VIRTIO_RDMA_R_LOCAL_ERROR);
}

static bool tail_moved(const struct qp_queue *q)
{
	return !q->broken && vr_from_le32(atomic_load(q->tail_le)) != q->tail;
}

bool wr_posted(const struct vr_qp *qp)
{
	return tail_moved(&qp->sq) || (!qp->srq && tail_moved(&qp->rq));
}

/* Something to take, and room to keep it */
static bool can_take(struct vr_qp *qp, struct qp_queue *q)
{
	if (q->broken || q->closed || q->taken - q->ended >= q->window)
		return false;
	if (is_shared(qp, q))
		return srq_ready(qp);
	if (q->taken != q->tail)
		return true;
	if (!read_tail(qp, q)) {
		qp_fail(qp, VIRTIO_RDMA_R_LOCAL_ERROR);
		return false;
	}
	return q->taken != q->tail;
}

/* ----------------------------------------------------------- copy and check */

/* The guest may write all the while: what was copied is not loaded again, which
 * a compiler is otherwise free to do */
static inline void copy_once(void *to, const void *from, size_t len)
{
	memcpy(to, from, len);
	__asm__ volatile("" ::: "memory");
}

/* Adds the elements of one entry to wr, each checked */
static enum virtio_rdma_wc_status add_elements(struct guest_data *data,
					       const struct vr_pd *pd,
					       struct vr_wr *wr,
					       const uint8_t *from,
					       uint32_t count, uint32_t need)
{
	for (uint32_t i = 0; i < count; i++) {
		struct virtio_rdma_sge sge;
		enum virtio_rdma_wc_status s;
		struct vr_mr *mr;
		uint64_t addr;
		uint32_t len;

		copy_once(&sge, from + i * sizeof(sge), sizeof(sge));
		if (!i)
			wr->first_token = vr_from_le32(sge.token);
		len = vr_from_le32(sge.length);
		if (!len)
			continue;
		addr = vr_from_le64(sge.addr);
		s = mr_get_local(data, pd, vr_from_le32(sge.token), addr, len,
				 need, &mr);
		if (s)
			return s;
		sg_add(&wr->sg, mr, addr - mr->addr, len);
	}
	wr->be.length = wr->sg.left;
	return VIRTIO_RDMA_WC_SUCCESS;
}

static enum virtio_rdma_wc_status add_inline(struct vr_qp *qp,
					     struct vr_wr *wr,
					     const uint8_t *from, uint32_t len)
{
	struct qp_queue *q = &qp->sq;
	uint8_t *to;

	if (len > qp->max_inline)
		return VIRTIO_RDMA_WC_LOCAL_REQUEST;
	if (len) {
		to = qp->inline_copy + slot_of(q, q->taken) * qp->max_inline;
		memcpy(to, from, len);
		sg_add_bytes(&wr->sg, to, len);
	}
	wr->be.length = len;
	return VIRTIO_RDMA_WC_SUCCESS;
}

/* The fixed part, apart from what it says about elements */
static bool send_head_ok(const struct virtio_rdma_send_wqe *w,
			 const struct op_rule *rule, uint16_t flags)
{
	return rule && !w->reserved && !(flags & ~rule->flags) &&
	       (rule->addr || !w->remote_addr) &&
	       (rule->token || !w->remote_token);
}

static enum virtio_rdma_wc_status
parse_data(struct vr_qp *qp, struct vr_wr *wr,
	   const struct virtio_rdma_send_wqe *w, const uint8_t *rest)
{
	uint32_t inline_length = vr_from_le32(w->inline_length);
	uint32_t limit = qp->sq.max_sge;
	enum virtio_rdma_wc_status s;

	if (w->opcode == VIRTIO_RDMA_OP_READ && limit > qp->data->max_read_sge)
		limit = qp->data->max_read_sge;
	if (wr->be.flags & VIRTIO_RDMA_WR_INLINE) {
		if (w->num_sge)
			return VIRTIO_RDMA_WC_LOCAL_REQUEST;
		s = add_inline(qp, wr, rest, inline_length);
	} else {
		if (inline_length || w->num_sge > limit)
			return VIRTIO_RDMA_WC_LOCAL_REQUEST;
		s = add_elements(qp->data, qp->pd, wr, rest, w->num_sge,
				 op_rules[w->opcode].need);
	}
	if (!s && wr->be.length > qp->data->max_transfer)
		s = VIRTIO_RDMA_WC_LOCAL_LENGTH;
	return s;
}

/* LOCAL_INVALIDATE: the region of the first element, whatever its length */
static enum virtio_rdma_wc_status
parse_read(struct vr_qp *qp, struct vr_wr *wr,
	   const struct virtio_rdma_send_wqe *w, const uint8_t *rest)
{
	bool drop = wr->be.flags & VIRTIO_RDMA_WR_LOCAL_INVALIDATE;
	enum virtio_rdma_wc_status s;

	if (drop && (!w->num_sge ||
		     !(qp->features & VIRTIO_RDMA_FEATURE(READ_INVALIDATE))))
		return VIRTIO_RDMA_WC_LOCAL_REQUEST;
	s = parse_data(qp, wr, w, rest);
	if (s || !drop)
		return s;
	return frmr_get_now(qp->data, qp->pd, wr->first_token, &wr->fast);
}

static enum virtio_rdma_wc_status
parse_nothing(struct vr_qp *qp, struct vr_wr *wr,
	      const struct virtio_rdma_send_wqe *w, const uint8_t *rest)
{
	(void)qp;
	(void)wr;
	(void)rest;
	return w->num_sge || w->inline_length ? VIRTIO_RDMA_WC_LOCAL_REQUEST :
						VIRTIO_RDMA_WC_SUCCESS;
}

/* The smallest stride has room for it */
static enum virtio_rdma_wc_status
parse_bind(struct vr_qp *qp, struct vr_wr *wr,
	   const struct virtio_rdma_send_wqe *w, const uint8_t *rest)
{
	struct be_bind *bind = (struct be_bind *)(void *)(wr + 1);
	enum virtio_rdma_wc_status s = parse_nothing(qp, wr, w, rest);
	struct virtio_rdma_bind req;

	if (s)
		return s;
	copy_once(&req, rest, sizeof(req));
	s = mw_get_bind(qp->data, qp->pd, &req, wr->be.remote_token, bind);
	if (!s)
		wr->be.bind = bind;
	return s;
}

static enum virtio_rdma_wc_status
parse_fast(struct vr_qp *qp, struct vr_wr *wr,
	   const struct virtio_rdma_send_wqe *w, const uint8_t *rest)
{
	enum virtio_rdma_wc_status s = parse_nothing(qp, wr, w, rest);
	struct virtio_rdma_fast_register req;

	if (s)
		return s;
	copy_once(&req, rest, sizeof(req));
	return frmr_get(qp->data, qp->pd, &req, wr->be.remote_token, &wr->fast);
}

static enum virtio_rdma_wc_status parse_send(struct vr_qp *qp,
					     struct vr_wr *wr,
					     const uint8_t *entry)
{
	struct virtio_rdma_send_wqe w;
	const struct op_rule *rule;

	copy_once(&w, entry, sizeof(w));
	wr->wr_id = vr_from_le64(w.wr_id);
	wr->be.opcode = w.opcode;
	wr->be.flags = vr_from_le16(w.flags);
	wr->be.remote_addr = vr_from_le64(w.remote_addr);
	wr->be.remote_token = vr_from_le32(w.remote_token);
	rule = rule_of(qp, w.opcode);
	if (!send_head_ok(&w, rule, wr->be.flags))
		return VIRTIO_RDMA_WC_LOCAL_REQUEST;
	return rule->parse(qp, wr, &w, entry + sizeof(w));
}

static enum virtio_rdma_wc_status
parse_recv_for(struct guest_data *data, const struct vr_pd *pd,
	       uint32_t max_sge, struct vr_wr *wr, const uint8_t *entry)
{
	static const uint8_t zero[sizeof(((struct virtio_rdma_recv_wqe *)
					  NULL)->reserved)];
	struct virtio_rdma_recv_wqe w;

	copy_once(&w, entry, sizeof(w));
	wr->wr_id = vr_from_le64(w.wr_id);
	wr->be.opcode = VIRTIO_RDMA_OP_RECEIVE;
	if (w.num_sge > max_sge || memcmp(w.reserved, zero, sizeof(zero)))
		return VIRTIO_RDMA_WC_LOCAL_REQUEST;
	return add_elements(data, pd, wr, entry + sizeof(w), w.num_sge,
			    VIRTIO_RDMA_ACCESS_LOCAL_WRITE);
}

static enum virtio_rdma_wc_status parse_recv(struct vr_qp *qp,
					     struct vr_wr *wr,
					     const uint8_t *entry)
{
	return parse_recv_for(qp->data, qp->pd, qp->rq.max_sge, wr, entry);
}

static void wr_init(struct vr_wr *wr)
{
	wr->be.length = 0;
	wr->be.remote_addr = 0;
	wr->be.remote_token = 0;
	wr->be.flags = 0;
	wr->be.opcode = 0;
	wr->be.bind = NULL;
	wr->be.priv = NULL;
	wr->bad = 0;
	wr->fast = NULL;
	wr->be.sg = &wr->sg;
	wr->sg.seg = (struct sg_seg *)(void *)(wr + 1);
	sg_reset(&wr->sg);
}

/* What it held, it holds no more */
void wr_put(struct vr_wr *wr)
{
	sg_put_all(&wr->sg);
	if (wr->be.bind)
		mw_put_bind(wr->be.bind);
	wr->be.bind = NULL;
	if (wr->fast)
		mr_put(wr->fast);
	wr->fast = NULL;
}

/* Copies and checks the next entry, which is there */
static void take_own(struct vr_qp *qp, struct qp_queue *q, struct vr_wr *wr,
		     enum virtio_rdma_wc_status (*parse)(struct vr_qp *,
							 struct vr_wr *,
							 const uint8_t *))
{
	wr->index = (uint16_t)q->taken;
	wr->bad = (uint8_t)parse(qp, wr, entry_at(qp, q, q->taken));
}

/* One that is bad is the fault of whoever took it: the ring goes on */
static void take_shared(struct vr_qp *qp, struct vr_wr *wr)
{
	wr->index = (uint16_t)qp->srq->taken;
	wr->bad = (uint8_t)parse_recv(qp, wr, srq_entry(qp->srq));
	srq_took(qp);
}

void wr_take_lent(struct vr_srq *srq, struct vr_wr *wr)
{
	wr_init(wr);
	wr->index = (uint16_t)srq->taken;
	wr->bad = (uint8_t)parse_recv_for(srq->data, srq->pd, srq->max_sge, wr,
					  srq_entry(srq));
}

static void end_bad(struct vr_qp *qp, struct qp_queue *q);
static struct be_wr *take(struct vr_qp *qp, struct qp_queue *q,
			  enum virtio_rdma_wc_status (*parse)(struct vr_qp *,
							      struct vr_wr *,
							      const uint8_t *))
{
	struct vr_wr *wr;

	if (!qp_is_open(qp) || !can_take(qp, q))
		return NULL;
	wr = wr_at(q, q->taken);
	wr_init(wr);
	if (is_shared(qp, q))
		take_shared(qp, wr);
	else
		take_own(qp, q, wr, parse);
	q->taken++;
	/* the next one comes while this one's bytes move */
	if (!is_shared(qp, q) && q->taken != q->tail)
		__builtin_prefetch(entry_at(qp, q, q->taken));
	if (!wr->bad)
		return &wr->be;
	q->closed = true;
	end_bad(qp, q);
	return NULL;
}

struct be_wr *be_sq_next(struct be_qp *be)
{
	struct vr_qp *qp = vr_qp_of(be);

	return take(qp, &qp->sq, parse_send);
}

struct be_wr *be_rq_next(struct be_qp *be)
{
	struct vr_qp *qp = vr_qp_of(be);

	return take(qp, &qp->rq, parse_recv);
}

enum virtio_rdma_wc_status be_sq_apply(struct be_qp *be,
				       const struct be_wr *wr)
{
	struct vr_qp *qp = vr_qp_of(be);

	if (wr->opcode == VIRTIO_RDMA_OP_BIND)
		return mw_bind(qp, wr->remote_token, wr->bind);
	if (wr->opcode == VIRTIO_RDMA_OP_FAST_REGISTER)
		return frmr_register(container_of(wr, const struct vr_wr,
						  be)->fast);
	return mr_invalidate(qp, wr->remote_token, false);
}

enum virtio_rdma_wc_status be_rq_invalidate(struct be_qp *be, struct be_wr *wr,
					    uint32_t token)
{
	struct vr_qp *qp = vr_qp_of(be);
	enum virtio_rdma_wc_status s = VIRTIO_RDMA_WC_LOCAL_PROTECTION;

	/* else this side's driver could not make sense of the completion */
	if (qp->features & VIRTIO_RDMA_FEATURE(SEND_INVALIDATE))
		s = mr_invalidate(qp, token, true);
	if (!s) {
		wr->opcode = VIRTIO_RDMA_OP_RECEIVE_INVALIDATE;
		wr->remote_token = token;
	}
	return s;
}

bool be_rq_ready(struct be_qp *be)
{
	struct vr_qp *qp = vr_qp_of(be);

	return qp_is_open(qp) && can_take(qp, &qp->rq);
}

/* -------------------------------------------------------------- completion */

/* One entry ended.  The head follows the completion: a driver that sees the
 * head and not the entry may conclude that the entry was silent. */
static void end_entry(struct vr_qp *qp, struct qp_queue *q,
		      const struct cq_entry *e)
{
	q->ended++;
	if (qp->mute)
		return;
	if (e)
		cq_write(q->cq, e);
	atomic_store_explicit(q->head_le, vr_to_le32(q->ended),
			      memory_order_release);
}

static void end_wr(struct vr_qp *qp, struct qp_queue *q, struct vr_wr *wr,
		   uint8_t status, uint32_t length, bool solicited)
{
	const struct cq_entry e = {
		.wr_id = wr->wr_id,
		.qp_context = qp->qp_context,
		.qp = qp->handle,
		.length = length,
		.token = wr->be.opcode == VIRTIO_RDMA_OP_RECEIVE_INVALIDATE ?
				 wr->be.remote_token : 0,
		.wqe_index = wr->index,
		.opcode = wr->be.opcode,
		.status = status,
		.solicited = solicited,
	};
	bool silent = !status && (wr->be.flags & VIRTIO_RDMA_WR_SILENT);

	if (PLANTED(13) && (wr->be.flags & VIRTIO_RDMA_WR_SILENT))
		silent = true;
	wr_put(wr);
	end_entry(qp, q, silent ? NULL : &e);
}

/* The oldest request is one that failed its checks: its turn has come */
static void end_bad(struct vr_qp *qp, struct qp_queue *q)
{
	struct vr_wr *wr = wr_at(q, q->ended);

	if (q->ended == q->taken || !wr->bad)
		return;
	glog(qp->guest, VL_INFO,
	     "qp[%u]: %s entry %u, opcode %u: refused with completion status %u",
	     handle_index(qp->handle), q == &qp->sq ? "send" : "receive", q->ended,
	     wr->be.opcode, wr->bad);
	/* first the state: who sees the completion sees that, too */
	qp_fail(qp, VIRTIO_RDMA_R_LOCAL_ERROR);
	end_wr(qp, q, wr, wr->bad, 0, false);
}

/* A peer that did not answer is no error of ours: the indication says so */
static enum virtio_rdma_reason reason_of(uint8_t status)
{
	return status == VIRTIO_RDMA_WC_TIMED_OUT ? VIRTIO_RDMA_R_TIMED_OUT
						  : VIRTIO_RDMA_R_LOCAL_ERROR;
}

static void complete(struct vr_qp *qp, struct qp_queue *q, struct be_wr *be,
		     uint8_t status, uint32_t length, bool solicited)
{
	struct vr_wr *wr = wr_at(q, q->ended);

	if (q->ended == q->taken || &wr->be != be) {
		/* A backend's mistake.  Nothing is completed for it: the flush
		 * that follows ends what is taken, once each. */
		glog(qp->guest, VL_ERROR,
		     "qp[%u]: transport completed out of order",
		     handle_index(qp->handle));
		qp_fail(qp, VIRTIO_RDMA_R_LOCAL_ERROR);
		return;
	}
	if (status)	/* before the completion, see end_bad() */
		qp_fail(qp, reason_of(status));
	else if (wr->be.flags & VIRTIO_RDMA_WR_LOCAL_INVALIDATE)
		frmr_take_away(wr->fast);
	end_wr(qp, q, wr, status, length, solicited);
	if (!status && q->closed)
		end_bad(qp, q);
}

void wr_end_lent(struct vr_qp *qp, struct vr_wr *wr, uint8_t status,
		 uint32_t length, bool solicited)
{
	if (status)	/* before the completion, see end_bad() */
		qp_fail(qp, reason_of(status));
	qp->rq.taken++;
	end_wr(qp, &qp->rq, wr, status, length, solicited);
}

void be_sq_complete(struct be_qp *be, struct be_wr *wr,
		    enum virtio_rdma_wc_status status)
{
	struct vr_qp *qp = vr_qp_of(be);

	complete(qp, &qp->sq, wr, (uint8_t)status, 0, false);
}

void be_rq_complete(struct be_qp *be, struct be_wr *wr,
		    enum virtio_rdma_wc_status status, uint32_t length,
		    bool solicited)
{
	struct vr_qp *qp = vr_qp_of(be);

	complete(qp, &qp->rq, wr, (uint8_t)status, length, solicited);
}

/* ------------------------------------------------------------------- flush */

static void flush_taken(struct vr_qp *qp, struct qp_queue *q)
{
	while (q->ended != q->taken) {
		struct vr_wr *wr = wr_at(q, q->ended);
		uint8_t status = wr->bad;

		if (!status)
			status = VIRTIO_RDMA_WC_CANCELLED;
		end_wr(qp, q, wr, status, 0, false);
	}
}

/* An entry that nobody took: all that counts is whose it is */
static void flush_entry(struct vr_qp *qp, struct qp_queue *q)
{
	const uint8_t *entry = entry_at(qp, q, q->taken);
	struct cq_entry e = {
		.qp_context = qp->qp_context,
		.qp = qp->handle,
		.wqe_index = (uint16_t)q->taken,
		.opcode = VIRTIO_RDMA_OP_RECEIVE,
		.status = VIRTIO_RDMA_WC_CANCELLED,
	};
	vr_le64 wr_id;

	memcpy(&wr_id, entry, sizeof(wr_id));
	e.wr_id = vr_from_le64(wr_id);
	if (q == &qp->sq)
		e.opcode = entry[offsetof(struct virtio_rdma_send_wqe, opcode)];
	q->taken++;
	if (PLANTED(14))
		cq_write(q->cq, &e);
	end_entry(qp, q, &e);
}

bool wr_flush_some(struct vr_qp *qp, struct qp_queue *q, uint32_t max)
{
	flush_taken(qp, q);
	if (is_shared(qp, q) || q->broken || !read_tail(qp, q))
		return false;
	for (; q->taken != q->tail && max; max--)
		flush_entry(qp, q);
	return q->taken != q->tail;
}

void wr_flush(struct vr_qp *qp, struct qp_queue *q)
{
	wr_flush_some(qp, q, UINT32_MAX);
}

void wr_drop(struct qp_queue *q)
{
	for (; q->ended != q->taken; q->ended++)
		wr_put(wr_at(q, q->ended));
}
