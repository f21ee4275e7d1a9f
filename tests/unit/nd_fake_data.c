/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * nd_fake_data.c - the fake device's rings: completions, and the engine that
 * serves them
 */
#include "nd_fake_int.h"

static pthread_t engine;
static bool engine_ends;
bool fake_spoil;

/* ----------------------------------------------------------------- events */

void fk_event(struct file *f, uint64_t overlapped, uint32_t status,
		       uint64_t a, uint64_t b)
{
	struct vrdma_uapi_event e = { .overlapped = overlapped,
				      .status = status, .data = { a, b } };

	if (f->open && f->fds[1] >= 0)
		ck_assert_int_eq(write(f->fds[1], &e, sizeof(e)), sizeof(e));
}

void fk_end_notifies(struct object *cq, uint32_t status)
{
	for (unsigned i = 0; i < cq->notifies; i++)
		fk_event(cq->file, cq->notify[i], status, 0, 0);
	cq->notifies = 0;
}

void fk_end_request(struct object *c, HRESULT status)
{
	if (c->request)
		fk_event(c->file, c->request, (uint32_t)status, 0, 0);
	c->request = 0;
}

/* ------------------------------------------------------------ completions */

void fk_write_cqe(struct object *cq, const struct virtio_rdma_cqe *in)
{
	struct virtio_rdma_cqe *e = (void *)((char *)cq->buffer + RING_AT);
	struct virtio_rdma_cq_record *rec = cq->buffer;
	uint8_t phase = cq->written & cq->depth ? 0 : VIRTIO_RDMA_CQE_PHASE;
	uint8_t status = in->status | phase;

	ck_assert_uint_lt(cq->written - vrdma_observe32(&rec->head), cq->depth);
	e += cq->written & (cq->depth - 1);
	memcpy(e, in, offsetof(struct virtio_rdma_cqe, status));
	__atomic_store_n(&e->status, status, __ATOMIC_RELEASE);
	cq->written++;
	if (__atomic_exchange_n(&rec->arm, VIRTIO_RDMA_ARM_NONE,
				__ATOMIC_SEQ_CST) >= VIRTIO_RDMA_ARM_SOLICITED)
		fk_end_notifies(cq, 0);
}

static void complete(struct object *qp, bool recv, uint64_t wr_id,
		     uint8_t opcode, uint8_t status, uint32_t length)
{
	const struct virtio_rdma_cqe e = {
		.wr_id = wr_id, .qp_context = qp->qp.qp_context,
		.opcode = opcode, .status = status, .length = length,
	};

	fk_write_cqe(recv ? qp->recv_cq : qp->send_cq, &e);
}

/* ----------------------------------------------------------------- engine */

static struct object *token(uint32_t t)
{
	uint32_t i = (t >> 1) - 1;

	return i < MAX_OBJECTS && fk.objects[i].kind == MR && fk.objects[i].length ?
		       &fk.objects[i] : NULL;
}

static void *reach(struct file *f, uint64_t addr, uint64_t len, uint32_t t,
		   uint32_t right)
{
	struct object *mr = token(t);

	if (!mr || (f && mr->file != f) || (mr->flags & right) != right ||
	    addr < mr->addr || len > mr->length ||
	    addr - mr->addr > mr->length - len)
		return NULL;
	return (void *)(uintptr_t)addr;
}

static uint8_t *entry(struct object *qp, bool recv, uint32_t count)
{
	uint32_t depth = recv ? qp->qp.recv_depth : qp->qp.send_depth;

	return (uint8_t *)qp->buffer + (recv ? RECV_AT : RING_AT) +
	       (count & (depth - 1)) * STRIDE;
}

static void cancel_queue(struct object *qp, bool recv)
{
	struct virtio_rdma_qp_record *rec = qp->buffer;
	vr_le32 *head = recv ? &rec->rq_head : &rec->sq_head;
	uint32_t h = *head;
	uint32_t tail = vrdma_observe32(recv ? &rec->rq_tail : &rec->sq_tail);

	for (; h != tail; h++) {
		uint8_t *e = entry(qp, recv, h);

		complete(qp, recv, *(uint64_t *)(void *)e,
			 recv ? VIRTIO_RDMA_OP_RECEIVE :
				((struct virtio_rdma_send_wqe *)(void *)e)->opcode,
			 VIRTIO_RDMA_WC_CANCELLED, 0);
		vrdma_publish32(head, h + 1);
	}
}

void fk_flush(struct object *qp)
{
	struct virtio_rdma_qp_record *rec = qp->buffer;

	if (qp->kind != QP)
		return;
	vrdma_publish32(&rec->state, VIRTIO_RDMA_QP_ERROR);
	cancel_queue(qp, false);
	if (!qp->the_srq)
		cancel_queue(qp, true);
}

static struct virtio_rdma_recv_wqe *next_receive(struct object *qp)
{
	struct virtio_rdma_qp_record *rec = qp->buffer;

	if (qp->the_srq)
		return fk_srq_next(qp->the_srq);
	if (rec->rq_head == vrdma_observe32(&rec->rq_tail))
		return NULL;
	return (void *)entry(qp, true, rec->rq_head);
}

static void took_receive(struct object *qp)
{
	struct virtio_rdma_qp_record *rec = qp->buffer;

	vrdma_publish32(&rec->rq_head, rec->rq_head + 1);
	if (qp->the_srq)
		fk_srq_took(qp->the_srq);
}

static uint8_t do_send(struct object *qp, const struct virtio_rdma_send_wqe *w)
{
	const struct virtio_rdma_sge *from = (const void *)(w + 1), *to;
	struct object *other = qp->connector->peer->the_qp;
	uint32_t len = w->num_sge ? from->length : 0;
	struct virtio_rdma_recv_wqe *r = next_receive(other);
	uint64_t wr_id;

	if (!r)
		return VIRTIO_RDMA_WC_TIMED_OUT;
	wr_id = r->wr_id;
	to = (const void *)(r + 1);
	if (len && !reach(qp->file, from->addr, len, from->token, 0))
		return VIRTIO_RDMA_WC_LOCAL_PROTECTION;
	if (len > (r->num_sge ? to->length : 0))
		return VIRTIO_RDMA_WC_REMOTE_REQUEST;
	if (len && !reach(other->file, to->addr, len, to->token, 1))
		return VIRTIO_RDMA_WC_REMOTE_REQUEST;
	if (len)
		memcpy((void *)(uintptr_t)to->addr,
		       (void *)(uintptr_t)from->addr, len);
	took_receive(other);
	complete(other, true, wr_id, VIRTIO_RDMA_OP_RECEIVE, 0, len);
	return VIRTIO_RDMA_WC_SUCCESS;
}

static uint8_t do_rdma(struct object *qp, const struct virtio_rdma_send_wqe *w)
{
	const struct virtio_rdma_sge *sge = (const void *)(w + 1);
	struct file *other = qp->connector->peer->file;
	bool write = w->opcode == VIRTIO_RDMA_OP_WRITE;
	uint32_t len = w->num_sge ? sge->length : 0;
	void *near, *far;

	if (!len)
		return VIRTIO_RDMA_WC_SUCCESS;
	near = reach(qp->file, sge->addr, len, sge->token, write ? 0 : 1);
	far = reach(other, w->remote_addr, len, w->remote_token,
		    write ? 4 : 2);
	if (!near)
		return VIRTIO_RDMA_WC_LOCAL_PROTECTION;
	if (!far)
		return VIRTIO_RDMA_WC_REMOTE_ACCESS;
	memcpy(write ? far : near, write ? near : far, len);
	if (write && fake_spoil)
		((uint8_t *)far)[len / 2] ^= 1;
	return VIRTIO_RDMA_WC_SUCCESS;
}

static bool run_one(struct object *qp)
{
	struct virtio_rdma_qp_record *rec = qp->buffer;
	const struct virtio_rdma_send_wqe *w;
	uint8_t status;

	if (rec->sq_head == vrdma_observe32(&rec->sq_tail))
		return false;
	w = (void *)entry(qp, false, rec->sq_head);
	status = w->opcode == VIRTIO_RDMA_OP_SEND ? do_send(qp, w) :
						    do_rdma(qp, w);
	vrdma_publish32(&rec->sq_head, rec->sq_head + 1);
	complete(qp, false, w->wr_id, w->opcode, status, 0);
	if (status) {
		fk_indicate(qp->connector, VIRTIO_RDMA_R_LOCAL_ERROR);
		fk_indicate(qp->connector->peer, VIRTIO_RDMA_R_RESET);
	}
	return true;
}

static bool run_qp(struct object *qp)
{
	struct virtio_rdma_qp_record *rec = qp->buffer;
	bool any = false;

	if (qp->file->lost)
		return false;
	if (rec->state == VIRTIO_RDMA_QP_ERROR)
		fk_flush(qp);
	while (rec->state == VIRTIO_RDMA_QP_CONNECTED && run_one(qp))
		any = true;
	return any;
}

/* The bits tell where work is; a ring without its bit is not looked at */
static bool take_bit(struct object *qp)
{
	struct virtio_rdma_context_page *c = qp->file->context;
	uint32_t w = qp->qp.slot / 64;
	uint64_t bit = 1ull << (qp->qp.slot % 64);

	__atomic_fetch_and(&c->summary[w / 64], ~(1ull << (w % 64)),
			   __ATOMIC_SEQ_CST);
	return __atomic_fetch_and(&c->work[w], ~bit, __ATOMIC_SEQ_CST) & bit;
}

static bool run_all(void)
{
	bool any = false;

	for (unsigned i = 0; i < MAX_OBJECTS; i++)
		if (fk.objects[i].kind == QP && fk.objects[i].file->open &&
		    take_bit(&fk.objects[i])) {
			run_qp(&fk.objects[i]);
			any = true;
		}
	return any;
}

static void set_worker(uint32_t state)
{
	for (unsigned i = 0; i < MAX_FILES; i++)
		if (fk.files[i].open)
			__atomic_store_n(&fk.files[i].context->worker, state,
					 __ATOMIC_SEQ_CST);
}

static void *engine_main(void *arg)
{
	pthread_mutex_lock(&fk.lock);
	while (!engine_ends) {
		set_worker(VIRTIO_RDMA_WORKER_AWAKE);
		while (run_all())
			;
		set_worker(VIRTIO_RDMA_WORKER_ASLEEP);
		if (!run_all())
			pthread_cond_wait(&fk.kicked, &fk.lock);
	}
	pthread_mutex_unlock(&fk.lock);
	return arg;
}

void fake_engine_start(void)
{
	engine_ends = false;
	ck_assert_int_eq(pthread_create(&engine, NULL, engine_main, NULL), 0);
}

void fake_engine_stop(void)
{
	pthread_mutex_lock(&fk.lock);
	engine_ends = true;
	pthread_cond_broadcast(&fk.kicked);
	pthread_mutex_unlock(&fk.lock);
	pthread_join(engine, NULL);
}

