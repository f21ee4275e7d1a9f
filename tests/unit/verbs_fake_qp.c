/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * verbs_fake_qp.c - queue pairs, and requests that really move bytes
 *
 * DOC: A request is executed whole in one step, at the head of its queue, when
 * both ends are ready: else it waits, as on a wire where each repetition goes
 * unanswered, until fv_expire().  The checks are a device's: keys, domains,
 * ranges and rights at both ends.
 */
#include "verbs_fake_int.h"

enum fv_flush fv_flush;
bool fv_cm_cut, fv_data_cut;

static struct fk_qp *qp_of(struct ibv_qp *qp)
{
	return (struct fk_qp *)(void *)qp;
}

static struct fk_wqe *head(struct fk_queue *q)
{
	return &q->wqe[q->got % q->size];
}

static void take(struct fk_queue *q)
{
	q->got++;
	q->count--;
}

static struct fk_queue *queue_of(struct fk_qp *qp, bool send)
{
	if (send)
		return &qp->sq;
	return qp->srq ? &qp->srq->q : &qp->rq;
}

struct fk_qp *fk_qp_by_number(uint32_t dev, uint32_t qpn)
{
	struct fk_qp *qp = fk.qps;

	while (qp && (qp->dev->index != dev || qp->qp.qp_num != qpn))
		qp = qp->next;
	return qp;
}

/* ------------------------------------------------------------- completions */

static void push(struct fk_qp *qp, bool send, struct ibv_wc wc)
{
	wc.qp_num = qp->qp.qp_num;
	fk_cq_push(send ? qp->qp.send_cq : qp->qp.recv_cq, &wc);
}

static void complete(struct fk_qp *qp, bool send, enum ibv_wc_status status,
		     uint32_t bytes)
{
	struct fk_queue *q = queue_of(qp, send);
	const struct ibv_wc wc = {
		.wr_id = head(q)->wr_id,
		.status = status,
		.byte_len = bytes,
	};

	take(q);
	push(qp, send, wc);
}

/* A message has filled the oldest receive, and says of w what that one cannot */
static void receive(struct fk_qp *qp, const struct fk_wqe *w, uint64_t bytes)
{
	struct fk_queue *q = queue_of(qp, false);
	const bool inv = w->opcode == IBV_WR_SEND_WITH_INV;
	const struct ibv_wc wc = {
		.wr_id = head(q)->wr_id,
		.byte_len = (uint32_t)bytes,
		.wc_flags = inv ? IBV_WC_WITH_INV : 0,
		.invalidated_rkey = inv ? w->rkey : 0,
	};

	take(q);
	push(qp, false, wc);
}

static void hold(struct fk_qp *qp, bool send, uint64_t wr_id)
{
	struct fk_held *h = fk_zalloc(sizeof(*h)), **at = &fk.held;

	h->cq = send ? qp->qp.send_cq : qp->qp.recv_cq;
	h->wc.wr_id = wr_id;
	h->wc.status = IBV_WC_WR_FLUSH_ERR;
	h->wc.qp_num = qp->qp.qp_num;
	while (*at)
		at = &(*at)->next;
	*at = h;
	fk_born("held completion", 1);
}

static void flush(struct fk_qp *qp, bool send)
{
	struct fk_queue *q = send ? &qp->sq : &qp->rq;

	while (q->count) {
		if (fv_flush == FV_FLUSH_NOW) {
			complete(qp, send, IBV_WC_WR_FLUSH_ERR, 0);
			continue;
		}
		if (fv_flush == FV_FLUSH_HELD)
			hold(qp, send, head(q)->wr_id);
		take(q);
	}
}

unsigned int fv_release_flushes(void)
{
	unsigned int n = 0;
	struct fk_held *h;

	fk_lock();
	for (; (h = fk.held); n++) {
		fk.held = h->next;
		fk_cq_push(h->cq, &h->wc);
		free(h);
		fk_born("held completion", -1);
	}
	fk_unlock();
	return n;
}

static void raise_event(struct fk_qp *qp, enum ibv_event_type type)
{
	const struct ibv_async_event ev = { .event_type = type,
					    .element.qp = &qp->qp };

	fk_async((struct fk_context *)(void *)qp->qp.context, &ev);
}

/* What it had taken of the shared queue; the rest stays there for others */
static void flush_shared(struct fk_qp *qp, bool first)
{
	const struct ibv_wc wc = { .wr_id = qp->begun.wr_id,
				   .status = IBV_WC_WR_FLUSH_ERR };

	if (qp->has_begun && fv_flush == FV_FLUSH_NOW)
		push(qp, false, wc);
	else if (qp->has_begun && fv_flush == FV_FLUSH_HELD)
		hold(qp, false, wc.wr_id);
	qp->has_begun = false;
	if (first && fv_flush == FV_FLUSH_NOW)
		raise_event(qp, IBV_EVENT_QP_LAST_WQE_REACHED);
}

/* Those that flush later flush now: the device does nothing else in ERROR */
void fk_qp_to_error(struct fk_qp *qp)
{
	bool first = qp->qp.state != IBV_QPS_ERR;

	if (first)
		fk_note(qp->dev, "ERR");
	qp->qp.state = IBV_QPS_ERR;
	if (qp->dev->removed)
		return;	/* nobody there who could flush */
	flush(qp, true);
	if (qp->srq)
		flush_shared(qp, first);
	else
		flush(qp, false);
}

static void break_at(struct fk_qp *qp, bool send, enum ibv_wc_status status)
{
	complete(qp, send, status, 0);
	fk_qp_to_error(qp);
}

/* ------------------------------------------------------------------ memory */

/* The same of a window that is bound on qp */
static uint8_t *reach_window(const struct fk_mw *w, uint64_t addr,
			     uint64_t length, int access)
{
	if (addr - w->addr > w->length ||
	    length > w->length - (addr - w->addr) ||
	    (w->access & access) != access)
		return NULL;
	return (uint8_t *)w->mr->mr.addr + (addr - w->mr->iova);
}

/* Bytes of [addr, addr + length) in a region of this key; NULL: no access */
static uint8_t *reach(const struct fk_qp *qp, uint32_t key, bool remote,
		      uint64_t addr, uint64_t length, int access)
{
	const struct fk_mw *window = remote ? fk_window(qp, key) : NULL;

	if (window)
		return reach_window(window, addr, length, access);
	for (struct fk_mr *m = fk.mrs; m; m = m->next) {
		if ((remote ? m->mr.rkey : m->mr.lkey) != key ||
		    m->mr.pd != qp->qp.pd)
			continue;
		if (addr - m->iova > m->mr.length ||
		    length > m->mr.length - (addr - m->iova) ||
		    (m->access & access) != access)
			return NULL;
		return (uint8_t *)m->mr.addr + (addr - m->iova);
	}
	return NULL;
}

static uint64_t length_of(const struct fk_wqe *w)
{
	uint64_t n = 0;

	for (uint32_t i = 0; i < w->nsge; i++)
		n += w->sge[i].length;
	return n;
}

/* To or from flat bytes, up to n of them; false: the keys do not allow it */
static bool move(const struct fk_qp *qp, struct fk_wqe *w, uint8_t *flat,
		 uint64_t n, bool into_wqe)
{
	uint64_t inline_at = 0;

	for (uint32_t i = 0; i < w->nsge && n; i++) {
		uint64_t len = w->sge[i].length < n ? w->sge[i].length : n;
		uint8_t *p = w->is_inline
				     ? w->bytes + inline_at
				     : reach(qp, w->sge[i].lkey, false,
					     w->sge[i].addr, w->sge[i].length,
					     into_wqe ? IBV_ACCESS_LOCAL_WRITE : 0);

		if (!p)
			return false;
		memcpy(into_wqe ? p : flat, into_wqe ? flat : p, len);
		inline_at += len;
		flat += len;
		n -= len;
	}
	return true;
}

/* ---------------------------------------------------------------- requests */

static bool do_send(struct fk_qp *qp, struct fk_qp *peer, uint8_t *bytes,
		    uint64_t length)
{
	struct fk_queue *rq = queue_of(peer, false);
	struct fk_wqe *w = head(&qp->sq);

	if (peer->has_begun)
		return false;	/* that message has no end */
	if (!rq->count) {
		if (qp->rnr_retry == 7)
			return false;
		break_at(qp, true, IBV_WC_RNR_RETRY_EXC_ERR);
		return true;
	}
	if (!move(qp, w, bytes, length, false)) {
		break_at(qp, true, IBV_WC_LOC_PROT_ERR);
		return true;
	}
	if (length > length_of(head(rq))) {
		break_at(peer, false, IBV_WC_LOC_LEN_ERR);
		break_at(qp, true, IBV_WC_REM_INV_REQ_ERR);
	} else if (!move(peer, head(rq), bytes, length, true)) {
		break_at(peer, false, IBV_WC_LOC_PROT_ERR);
		break_at(qp, true, IBV_WC_REM_OP_ERR);
	} else if (w->opcode == IBV_WR_SEND_WITH_INV &&
		   fk_invalidate(peer, w->rkey)) {
		break_at(peer, false, IBV_WC_REM_INV_REQ_ERR);
		break_at(qp, true, IBV_WC_REM_INV_REQ_ERR);
	} else {
		receive(peer, w, length);
		complete(qp, true, IBV_WC_SUCCESS, 0);
	}
	return true;
}

static bool do_rdma(struct fk_qp *qp, struct fk_qp *peer, uint8_t *bytes,
		    uint64_t length, bool write)
{
	struct fk_wqe *w = head(&qp->sq);
	uint8_t *there = reach(peer, w->rkey, true, w->remote_addr, length,
			       write ? IBV_ACCESS_REMOTE_WRITE
				     : IBV_ACCESS_REMOTE_READ);
	bool ok;

	if (length && !there) {
		raise_event(peer, IBV_EVENT_QP_ACCESS_ERR);
		fk_qp_to_error(peer);
		break_at(qp, true, IBV_WC_REM_ACCESS_ERR);
		return true;
	}
	if (!write && length)
		memcpy(bytes, there, length);
	ok = move(qp, w, bytes, length, !write);
	if (ok && write && length)
		memcpy(there, bytes, length);
	if (ok)
		complete(qp, true, IBV_WC_SUCCESS, 0);
	else
		break_at(qp, true, IBV_WC_LOC_PROT_ERR);
	return true;
}

/* What has no message */
static bool do_local(struct fk_qp *qp)
{
	const struct fk_wqe *w = head(&qp->sq);
	enum ibv_wc_status status = w->opcode == IBV_WR_BIND_MW ?
					    fk_bind(qp, w) :
					    fk_invalidate(qp, w->rkey);

	if (status)
		break_at(qp, true, status);
	else
		complete(qp, true, IBV_WC_SUCCESS, 0);
	return true;
}

static bool is_local(const struct fk_wqe *w)
{
	return w->opcode == IBV_WR_BIND_MW || w->opcode == IBV_WR_LOCAL_INV;
}

static bool is_send(const struct fk_wqe *w)
{
	return w->opcode == IBV_WR_SEND || w->opcode == IBV_WR_SEND_WITH_INV;
}

static bool is_ready(const struct fk_qp *peer)
{
	return peer && !peer->dev->removed &&
	       (peer->qp.state == IBV_QPS_RTR || peer->qp.state == IBV_QPS_RTS);
}

static bool execute(struct fk_qp *qp)
{
	struct fk_qp *peer = fk_qp_by_number(qp->peer_dev, qp->peer_qpn);
	struct fk_wqe *w = head(&qp->sq);
	uint64_t length = length_of(w);
	uint8_t *bytes;
	bool moved;

	if (qp->qp.state != IBV_QPS_RTS || !qp->sq.count || qp->dev->removed)
		return false;
	if (is_local(w))
		return do_local(qp);
	if (!is_ready(peer))
		return false;
	bytes = fk_zalloc(length + 1);
	if (is_send(w))
		moved = do_send(qp, peer, bytes, length);
	else
		moved = do_rdma(qp, peer, bytes, length,
				w->opcode == IBV_WR_RDMA_WRITE);
	free(bytes);
	return moved;
}

bool fk_data_step(void)
{
	bool moved = false;

	for (struct fk_qp *qp = fk.qps; qp && !fv_data_cut && !moved;
	     qp = qp->next)
		moved = execute(qp);
	return moved;
}

static void fill(struct fk_wqe *w, const struct ibv_sge *sge, int n)
{
	ck_assert_int_le(n, FK_SGE);
	w->nsge = (uint32_t)n;
	if (n)
		memcpy(w->sge, sge, (size_t)n * sizeof(*sge));
}

static bool can_post(const struct fk_queue *q, int nsge, uint32_t max_sge)
{
	return q->count < q->size && nsge >= 0 && (uint32_t)nsge <= max_sge;
}

static void put_send(struct fk_qp *qp, const struct ibv_send_wr *wr)
{
	struct fk_queue *q = &qp->sq;
	struct fk_wqe *w = &q->wqe[(q->got + q->count++) % q->size];

	*w = (struct fk_wqe){
		.wr_id = wr->wr_id,
		.opcode = wr->opcode,
		.remote_addr = wr->wr.rdma.remote_addr,
		.rkey = wr->wr.rdma.rkey,
		.is_inline = wr->send_flags & IBV_SEND_INLINE,
	};
	if (wr->opcode == IBV_WR_SEND_WITH_INV || wr->opcode == IBV_WR_LOCAL_INV)
		w->rkey = wr->invalidate_rkey;
	if (wr->opcode == IBV_WR_BIND_MW) {
		w->rkey = wr->bind_mw.rkey;
		w->mw = (struct fk_mw *)(void *)wr->bind_mw.mw;
		w->bind = wr->bind_mw.bind_info;
	}
	ck_assert_msg(wr->send_flags & IBV_SEND_SIGNALED, "not signalled");
	fill(w, wr->sg_list, wr->num_sge);
	for (uint32_t i = 0, at = 0; w->is_inline && i < w->nsge; i++) {
		ck_assert_uint_le(at + w->sge[i].length, qp->max_inline);
		memcpy(w->bytes + at, (void *)(uintptr_t)w->sge[i].addr,
		       w->sge[i].length);
		at += w->sge[i].length;
	}
}

int fk_post_send(struct ibv_qp *ibv, struct ibv_send_wr *wr,
		 struct ibv_send_wr **bad)
{
	struct fk_qp *qp = qp_of(ibv);
	int err = 0;

	for (; wr && !err; wr = err ? wr : wr->next) {
		err = fv_fault(FV_ibv_post_send);
		fk_lock();
		if (ibv->state != IBV_QPS_RTS && ibv->state != IBV_QPS_ERR)
			err = EINVAL;
		else if (!can_post(&qp->sq, wr->num_sge, qp->max_sge[0]))
			err = ENOMEM;
		if (!err)
			put_send(qp, wr);
		if (!err && ibv->state == IBV_QPS_ERR)
			fk_qp_to_error(qp);
		fk_unlock();
	}
	*bad = wr;
	return err;
}

int fk_put_receive(struct fk_queue *q, const struct ibv_recv_wr *wr,
		   uint32_t max_sge)
{
	struct fk_wqe *w = &q->wqe[(q->got + q->count) % q->size];

	if (!can_post(q, wr->num_sge, max_sge))
		return ENOMEM;
	q->count++;
	*w = (struct fk_wqe){ .wr_id = wr->wr_id };
	fill(w, wr->sg_list, wr->num_sge);
	return 0;
}

int fk_post_recv(struct ibv_qp *ibv, struct ibv_recv_wr *wr,
		 struct ibv_recv_wr **bad)
{
	struct fk_qp *qp = qp_of(ibv);
	int err = 0;

	ck_assert_msg(!qp->srq, "a receive for a queue pair with a shared queue");

	for (; wr && !err; wr = err ? wr : wr->next) {
		err = fv_fault(FV_ibv_post_recv);
		fk_lock();
		if (ibv->state == IBV_QPS_RESET)
			err = EINVAL;
		if (!err)
			err = fk_put_receive(&qp->rq, wr, qp->max_sge[1]);
		if (!err && ibv->state == IBV_QPS_ERR)
			fk_qp_to_error(qp);
		fk_unlock();
	}
	*bad = wr;
	return err;
}

/* -------------------------------------------------------------------- life */

/* A device has no number twice at a time */
static uint32_t new_number(struct fk_device *dev)
{
	while (fk_qp_by_number(dev->index, dev->next_qpn))
		dev->next_qpn++;
	return dev->next_qpn++;
}

struct ibv_qp *ibv_create_qp(struct ibv_pd *pd, struct ibv_qp_init_attr *init)
{
	struct fk_qp *qp = fk_fault_null(FV_ibv_create_qp);

	if (errno)
		return NULL;
	if (init->cap.max_inline_data > fv_device.max_inline ||
	    init->cap.max_send_sge > (uint32_t)fv_device.attr.max_sge ||
	    init->cap.max_recv_sge > (uint32_t)fv_device.attr.max_sge) {
		errno = EINVAL;
		return NULL;
	}
	fk_lock();
	if (!fk_is_gone(pd->context)) {
		qp = fk_zalloc(sizeof(*qp));
		qp->dev = fk_dev_of(pd->context);
		qp->qp.context = pd->context;
		qp->qp.qp_context = init->qp_context;
		qp->qp.pd = pd;
		qp->qp.send_cq = init->send_cq;
		qp->qp.recv_cq = init->recv_cq;
		qp->qp.state = IBV_QPS_RESET;
		qp->qp.qp_type = init->qp_type;
		qp->qp.qp_num = new_number(qp->dev);
		qp->sq.size = init->cap.max_send_wr;
		qp->rq.size = init->cap.max_recv_wr;
		qp->srq = (struct fk_srq *)(void *)init->srq;
		if (qp->srq)
			qp->srq->users++;
		ck_assert(!qp->srq || init->srq->pd == pd);
		qp->sq.wqe = fk_zalloc(qp->sq.size * sizeof(struct fk_wqe));
		qp->rq.wqe = fk_zalloc(qp->rq.size * sizeof(struct fk_wqe));
		qp->max_sge[0] = init->cap.max_send_sge;
		qp->max_sge[1] = init->cap.max_recv_sge;
		qp->max_inline = init->cap.max_inline_data;
		((struct fk_pd *)(void *)pd)->users++;
		((struct fk_cq *)(void *)init->send_cq)->users++;
		((struct fk_cq *)(void *)init->recv_cq)->users++;
		qp->next = fk.qps;
		fk.qps = qp;
		fk_born_in(pd->context, "queue pair", 1);
	}
	fk_unlock();
	return qp ? &qp->qp : NULL;
}

int ibv_destroy_qp(struct ibv_qp *ibv)
{
	struct fk_qp *qp = qp_of(ibv), **at = &fk.qps;
	int err = fv_fault(FV_ibv_destroy_qp);

	if (err)
		return err;
	fk_lock();
	fk_drop_qp_events(qp);
	fk_wait_zero(&qp->unacked, "a queue pair waits for its events");
	while (*at != qp)
		at = &(*at)->next;
	*at = qp->next;
	((struct fk_pd *)(void *)ibv->pd)->users--;
	((struct fk_cq *)(void *)ibv->send_cq)->users--;
	((struct fk_cq *)(void *)ibv->recv_cq)->users--;
	if (qp->srq)
		qp->srq->users--;
	fk_forget_qp_windows(qp);
	if (ibv->state != IBV_QPS_RESET)
		fk_note(qp->dev, "destroy");
	fk_born_in(ibv->context, "queue pair", -1);
	fk_unlock();
	free(qp->sq.wqe);
	free(qp->rq.wqe);
	free(qp);
	return 0;
}

#define NEEDS_INIT (IBV_QP_STATE | IBV_QP_PKEY_INDEX | IBV_QP_PORT | \
		    IBV_QP_ACCESS_FLAGS)
#define NEEDS_RTR (IBV_QP_STATE | IBV_QP_AV | IBV_QP_PATH_MTU | \
		   IBV_QP_DEST_QPN | IBV_QP_RQ_PSN |             \
		   IBV_QP_MAX_DEST_RD_ATOMIC | IBV_QP_MIN_RNR_TIMER)
#define NEEDS_RTS (IBV_QP_STATE | IBV_QP_TIMEOUT | IBV_QP_RETRY_CNT | \
		   IBV_QP_RNR_RETRY | IBV_QP_SQ_PSN | IBV_QP_MAX_QP_RD_ATOMIC)

static const struct {
	enum ibv_qp_state from, to;
	int needs;
} moves[] = {
	{ IBV_QPS_RESET, IBV_QPS_INIT, NEEDS_INIT },
	{ IBV_QPS_INIT, IBV_QPS_RTR, NEEDS_RTR },
	{ IBV_QPS_RTR, IBV_QPS_RTS, NEEDS_RTS },
};

static int move_state(struct fk_qp *qp, const struct ibv_qp_attr *a, int mask)
{
	for (size_t i = 0; i < sizeof(moves) / sizeof(moves[0]); i++) {
		if (moves[i].from != qp->qp.state || moves[i].to != a->qp_state)
			continue;
		if ((mask & moves[i].needs) != moves[i].needs)
			return EINVAL;
		qp->qp.state = a->qp_state;
		return 0;
	}
	return EINVAL;
}

int ibv_modify_qp(struct ibv_qp *ibv, struct ibv_qp_attr *attr, int mask)
{
	struct fk_qp *qp = qp_of(ibv);
	int err = fv_fault(FV_ibv_modify_qp);

	if (err)
		return err;
	fk_lock();
	if (qp->dev->removed) {
		err = EIO;
	} else if (attr->qp_state == IBV_QPS_ERR) {
		fk_qp_to_error(qp);
	} else {
		err = move_state(qp, attr, mask);
		if (!err && attr->qp_state == IBV_QPS_INIT)
			/* ours to offer are none */
			ck_assert(!(attr->qp_access_flags &
				    IBV_ACCESS_REMOTE_ATOMIC));
		if (!err && attr->qp_state == IBV_QPS_RTR) {
			qp->peer_dev = attr->ah_attr.dlid;
			qp->peer_qpn = attr->dest_qp_num;
		}
		if (!err && attr->qp_state == IBV_QPS_RTS)
			qp->rnr_retry = attr->rnr_retry;
	}
	fk_unlock();
	return err;
}

/* ---------------------------------------------------------- what a test asks */

struct ibv_qp *fv_newest_qp(unsigned int device)
{
	struct fk_qp *qp;

	fk_lock();
	for (qp = fk.qps; qp && qp->dev->index != device; qp = qp->next)
		;
	fk_unlock();
	return qp ? &qp->qp : NULL;
}

unsigned int fv_live_qps(void)
{
	unsigned int n = 0;

	fk_lock();
	for (struct fk_qp *qp = fk.qps; qp; qp = qp->next)
		n++;
	fk_unlock();
	return n;
}

void fv_break_request(struct ibv_qp *ibv, enum ibv_wc_status status)
{
	struct fk_qp *qp = qp_of(ibv);

	fk_lock();
	ck_assert_uint_gt(qp->sq.count, 0);
	break_at(qp, true, status);
	fk_unlock();
}

void fv_expire(struct ibv_qp *qp)
{
	fv_break_request(qp, IBV_WC_RETRY_EXC_ERR);
}

void fv_qp_event(struct ibv_qp *ibv, enum ibv_event_type type)
{
	fk_lock();
	raise_event(qp_of(ibv), type);
	if (type != IBV_EVENT_COMM_EST && type != IBV_EVENT_QP_LAST_WQE_REACHED)
		fk_qp_to_error(qp_of(ibv));
	fk_unlock();
}

void fv_begin_message(struct ibv_qp *ibv)
{
	struct fk_qp *qp = qp_of(ibv);

	fk_lock();
	ck_assert(qp->srq && qp->srq->q.count && !qp->has_begun);
	qp->begun = *head(&qp->srq->q);
	qp->has_begun = true;
	take(&qp->srq->q);
	fk_unlock();
}

void fv_break_receive(struct ibv_qp *ibv, enum ibv_wc_status status)
{
	struct fk_qp *qp = qp_of(ibv);
	const struct ibv_wc wc = { .wr_id = qp->begun.wr_id, .status = status };

	fk_lock();
	ck_assert(qp->has_begun);
	qp->has_begun = false;
	push(qp, false, wc);
	if (status != IBV_WC_WR_FLUSH_ERR)
		fk_qp_to_error(qp);
	fk_unlock();
}

bool fv_qp_lives(unsigned int device, uint32_t qpn)
{
	bool lives;

	fk_lock();
	lives = fk_qp_by_number(device, qpn);
	fk_unlock();
	return lives;
}

void fv_qp_silent_error(struct ibv_qp *qp)
{
	fk_lock();
	fk_qp_to_error(qp_of(qp));
	fk_unlock();
}

void fv_set_next_qpn(unsigned int device, uint32_t qpn)
{
	fk_lock();
	fk.dev[device].next_qpn = qpn;
	fk_unlock();
}
