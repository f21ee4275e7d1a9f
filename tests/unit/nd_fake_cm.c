/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * nd_fake_cm.c - the fake device's objects and connections
 *
 * The disconnect scheme in short: the first Disconnect indicates the peer and
 * waits, the second ends both; a queue pair is flushed when its side is told.
 */
#include <arpa/inet.h>

#include "nd_fake_int.h"
#include "nddef.h"

/* ---------------------------------------------------------------- objects */

static void *new_buffer(struct object *o, uint64_t size)
{
	o->size = size;
	o->buffer = aligned_alloc(PAGE, size);
	ck_assert_ptr_nonnull(o->buffer);
	memset(o->buffer, 0, size);
	return o->buffer;
}

uint32_t fk_power_of_two(uint32_t n)
{
	uint32_t p = 1;

	while (p < n)
		p *= 2;
	return p;
}

static uint32_t create_cq(struct file *f, struct vrdma_uapi_create_cq *a)
{
	struct object *cq = fk_make(f, CQ);

	cq->depth = fk_power_of_two(a->depth);
	new_buffer(cq, (RING_AT + cq->depth * 32 + PAGE - 1) / PAGE * PAGE);
	a->depth = cq->depth;
	a->id = cq->id;
	a->ring_offset = RING_AT;
	a->buffer_offset = (uint64_t)cq->id << 32;
	a->buffer_size = cq->size;
	return 0;
}

/* The device's move, at once; what is mapped of the old ring stays until the
 * library lets go of it */
static void move_cq(struct object *cq, uint32_t depth)
{
	struct object *old = fk_make(cq->file, GONE);
	struct virtio_rdma_cq_record *from = cq->buffer, *to;

	old->buffer = cq->buffer;
	old->size = cq->size;
	old->old_ring = true;
	fake_old_rings++;
	cq->depth = depth;
	to = new_buffer(cq, (RING_AT + depth * 32 + PAGE - 1) / PAGE * PAGE);
	from->tail = cq->written;
	cq->written = 0;
	to->arm = __atomic_exchange_n(&from->arm, 0, __ATOMIC_SEQ_CST);
	__atomic_store_n(&from->moved, 1, __ATOMIC_RELEASE);
}

uint32_t fk_resize_cq(struct file *f, struct vrdma_uapi_resize_cq *a)
{
	struct object *cq = fk_find(f, a->id, CQ);
	uint32_t depth = fk_power_of_two(a->depth);

	ck_assert_ptr_nonnull(cq);
	if (!(fake_features & VIRTIO_RDMA_FEATURE(CQ_RESIZE)))
		return (uint32_t)ND_NOT_SUPPORTED;
	ck_assert(a->depth && depth <= 4096);
	if (depth != cq->depth)
		move_cq(cq, depth);
	a->depth = depth;
	a->ring_offset = RING_AT;
	a->buffer_size = cq->size;
	/* it answers, and is lost behind that */
	return fake_lost_in_resize ? (uint32_t)ND_DEVICE_REMOVED : 0;
}

static uint32_t create_qp(struct file *f, struct vrdma_uapi_create_qp *a)
{
	struct object *qp = fk_make(f, QP);

	qp->recv_cq = fk_find(f, a->recv_cq, CQ);
	qp->send_cq = fk_find(f, a->send_cq, CQ);
	ck_assert(qp->recv_cq && qp->send_cq);
	qp->the_srq = fk_find(f, a->srq, SRQ);
	if (a->srq)
		ck_assert(qp->the_srq && !a->recv_depth && !a->max_recv_sge);
	ck_assert_uint_eq(a->handle, 0);
	a->id = a->slot = qp->id;
	a->handle = FAKE_HANDLE + qp->id;
	a->recv_depth = a->srq ? 0 : fk_power_of_two(a->recv_depth);
	a->send_depth = fk_power_of_two(a->send_depth);
	ck_assert_uint_le(a->recv_depth * STRIDE, QP_BUFFER - RECV_AT);
	ck_assert_uint_le(a->send_depth * STRIDE, RECV_AT - RING_AT);
	a->send_stride = a->recv_stride = STRIDE;
	a->send_offset = RING_AT;
	a->recv_offset = RECV_AT;
	a->buffer_offset = (uint64_t)qp->id << 32;
	a->buffer_size = QP_BUFFER;
	new_buffer(qp, QP_BUFFER);
	qp->qp = *a;
	return 0;
}

static uint32_t create_plain(struct file *f, struct vrdma_uapi_create *a,
			     enum kind kind)
{
	a->id = fk_make(f, kind)->id;
	return 0;
}

static uint32_t do_register(struct file *f, struct vrdma_uapi_register *a)
{
	struct object *mr = fk_find(f, a->id, MR);

	ck_assert_ptr_nonnull(mr);
	if (mr->length)
		return (uint32_t)ND_INVALID_DEVICE_STATE;
	mr->addr = a->address;
	mr->length = a->length;
	mr->flags = a->flags;
	fk_event(f, a->overlapped, 0, mr->id << 1, mr->id << 1 | 1);
	return ND_PENDING;
}

static uint32_t deregister(struct file *f, struct vrdma_uapi_request *a)
{
	struct object *mr = fk_find(f, a->id, MR);

	if (!mr || !mr->length)
		return (uint32_t)ND_INVALID_DEVICE_STATE;
	mr->length = 0;
	fk_event(f, a->overlapped, 0, 0, 0);
	return ND_PENDING;
}

static uint32_t cq_notify(struct file *f, struct vrdma_uapi_request *a)
{
	struct object *cq = fk_find(f, a->id, CQ);

	ck_assert_ptr_nonnull(cq);
	ck_assert_uint_lt(cq->notifies, MAX_PENDING);
	if (fake_in_notify)
		fake_in_notify();
	cq->notify[cq->notifies++] = fk.last_overlapped = a->overlapped;
	return ND_PENDING;
}

/* ------------------------------------------------------------- connecting */

void fk_indicate(struct object *c, uint32_t reason)
{
	if (!c || c->kind != CONNECTOR || c->indicated ||
	    (c->state != UP && c->state != CLOSING))
		return;
	if (c->state == UP) {
		c->indicated = true;
		c->reason = reason;
		fk_end_notifies(c, (uint32_t)ND_SUCCESS);
	}
	fk_flush(c->the_qp);
	/* broken under a pending disconnect: it fails */
	if (c->state == CLOSING && reason != VIRTIO_RDMA_R_GRACEFUL) {
		fk_end_request(c, ND_CONNECTION_ABORTED);
		c->state = OVER;
	}
}

static struct object *listener_at(const struct vrdma_uapi_sockaddr *a)
{
	for (unsigned i = 0; i < MAX_OBJECTS; i++)
		if (fk.objects[i].kind == LISTENER && fk.objects[i].state == UP &&
		    !memcmp(&fk.objects[i].local, a, sizeof(*a)))
			return &fk.objects[i];
	return NULL;
}

static void match(struct object *l)
{
	while (l->queued && l->asks) {
		struct object *from = l->backlog[0];
		struct object *c = fk_find(l->file, l->asked[0].connector,
					CONNECTOR);

		ck_assert_ptr_nonnull(c);
		c->peer = from;
		from->peer = c;
		c->priv = from->priv;
		c->inbound = from->outbound;
		c->outbound = from->inbound;
		c->local = from->remote;
		c->remote = from->local;
		fk_event(l->file, l->asked[0].overlapped, 0, 0, 0);
		l->queued--;
		l->asks--;
		memmove(l->backlog, l->backlog + 1,
			l->queued * sizeof(l->backlog[0]));
		memmove(l->asked, l->asked + 1, l->asks * sizeof(l->asked[0]));
	}
}

static void use_qp(struct object *c, uint32_t id)
{
	c->the_qp = fk_find(c->file, id, QP);
	ck_assert_ptr_nonnull(c->the_qp);
	c->the_qp->connector = c;
}

static uint32_t do_connect(struct file *f, struct vrdma_uapi_connect *a)
{
	struct object *c = fk_find(f, a->id, CONNECTOR);
	struct object *l = listener_at(&a->addr);

	ck_assert_ptr_nonnull(c);
	use_qp(c, a->qp);
	if (!l || l->queued == MAX_PENDING) {
		fk_event(f, a->overlapped, (uint32_t)ND_CONNECTION_REFUSED, 0,
			   0);
		return ND_PENDING;
	}
	c->state = CONNECTING;
	c->remote = a->addr;
	c->priv = a->priv;
	c->inbound = a->inbound_reads;
	c->outbound = a->outbound_reads;
	c->request = a->overlapped;
	l->backlog[l->queued++] = c;
	match(l);
	return ND_PENDING;
}

static uint32_t do_accept(struct file *f, struct vrdma_uapi_connect *a)
{
	struct object *c = fk_find(f, a->id, CONNECTOR);

	if (!c || !c->peer || c->state != NEW)
		return (uint32_t)ND_CONNECTION_INVALID;
	use_qp(c, a->qp);
	c->state = ACCEPTED;
	c->request = a->overlapped;
	c->peer->priv = a->priv;
	fk_end_request(c->peer, ND_SUCCESS);
	return ND_PENDING;
}

static void set_qp_state(struct object *qp, uint32_t state)
{
	vrdma_publish32(&((struct virtio_rdma_qp_record *)qp->buffer)->state,
			state);
}

static uint32_t complete_connect(struct file *f, struct vrdma_uapi_request *a)
{
	struct object *c = fk_find(f, a->id, CONNECTOR);

	if (!c || !c->peer || c->peer->state != ACCEPTED)
		return (uint32_t)ND_CONNECTION_INVALID;
	c->state = c->peer->state = UP;
	set_qp_state(c->the_qp, VIRTIO_RDMA_QP_CONNECTED);
	set_qp_state(c->peer->the_qp, VIRTIO_RDMA_QP_CONNECTED);
	fk_event(f, a->overlapped, 0, 0, 0);
	fk_end_request(c->peer, ND_SUCCESS);
	return ND_PENDING;
}

static uint32_t do_reject(struct file *f, struct vrdma_uapi_reject *a)
{
	struct object *c = fk_find(f, a->id, CONNECTOR);

	if (!c || !c->peer || c->state != NEW)
		return (uint32_t)ND_CONNECTION_INVALID;
	c->state = OVER;
	c->peer->state = OVER;
	c->peer->priv = a->priv;
	fk_end_request(c->peer, ND_CONNECTION_REFUSED);
	return 0;
}

static uint32_t get_connection(struct file *f, struct vrdma_uapi_connection *a)
{
	struct object *c = fk_find(f, a->id, CONNECTOR);

	if (!c)
		return (uint32_t)ND_INVALID_HANDLE;
	a->local = c->local;
	a->peer = c->remote;
	a->priv = c->priv;
	a->reason = c->reason;
	a->inbound_reads = c->inbound;
	a->outbound_reads = c->outbound;
	a->valid = c->peer ? VRDMA_CONN_LOCAL | VRDMA_CONN_PEER |
			     VRDMA_CONN_DATA : 0;
	return 0;
}

static uint32_t notify_disconnect(struct file *f, struct vrdma_uapi_request *a)
{
	struct object *c = fk_find(f, a->id, CONNECTOR);

	ck_assert_ptr_nonnull(c);
	if (c->indicated)
		return 0;
	if (c->state != UP && c->state != ACCEPTED)
		return (uint32_t)ND_CONNECTION_INVALID;
	c->notify[c->notifies++] = a->overlapped;
	return ND_PENDING;
}

static uint32_t do_disconnect(struct file *f, struct vrdma_uapi_request *a)
{
	struct object *c = fk_find(f, a->id, CONNECTOR);
	struct object *p = c ? c->peer : NULL;

	if (!c || c->state != UP)
		return (uint32_t)ND_CONNECTION_INVALID;
	fk_end_notifies(c, (uint32_t)ND_X_CONNECTION_DISCONNECTED);
	c->request = a->overlapped;
	c->state = CLOSING;
	if (p->state == CLOSING) {
		fk_flush(c->the_qp);
		fk_flush(p->the_qp);
		fk_end_request(c, ND_SUCCESS);
		fk_end_request(p, ND_SUCCESS);
		c->state = p->state = OVER;
	} else if (p->state == UP && p->kind == CONNECTOR && !c->indicated) {
		fk_indicate(p, VIRTIO_RDMA_R_GRACEFUL);
	} else {
		fk_flush(c->the_qp);
		fk_end_request(c, ND_CONNECTION_ABORTED);
		c->state = OVER;
	}
	return ND_PENDING;
}

static uint32_t do_listen(struct file *f, struct vrdma_uapi_bind *a)
{
	struct object *l = fk_find(f, a->id, LISTENER);

	if (!l->local.family)
		return (uint32_t)ND_INVALID_DEVICE_STATE;
	if (listener_at(&l->local))
		return (uint32_t)ND_SHARING_VIOLATION;
	a->addr = l->local;
	l->state = UP;
	return 0;
}

static uint32_t do_bind(struct file *f, struct vrdma_uapi_bind *a)
{
	struct object *o = fk_find(f, a->id, CONNECTOR);

	if (!o)
		o = fk_find(f, a->id, LISTENER);
	if (o->local.family)
		return (uint32_t)ND_X_ADDRESS_ALREADY_ASSOCIATED;
	if (!a->addr.port)
		a->addr.port = (uint16_t)(49152 + fk.next_port++);
	o->local = a->addr;
	return 0;
}

static uint32_t get_request(struct file *f, struct vrdma_uapi_get_request *a)
{
	struct object *l = fk_find(f, a->listener, LISTENER);

	ck_assert_ptr_nonnull(l);
	fk.last_overlapped = a->overlapped;
	l->asked[l->asks++] = *a;
	match(l);
	return ND_PENDING;
}

static void cancel_all_of(struct object *o)
{
	fk_end_notifies(o, (uint32_t)ND_CANCELED);
	fk_end_request(o, ND_CANCELED);
	for (unsigned i = 0; i < o->asks; i++)
		fk_event(o->file, o->asked[i].overlapped,
			   (uint32_t)ND_CANCELED, 0, 0);
	o->asks = 0;
}

static uint32_t cancel(struct file *f, struct vrdma_uapi_object *a)
{
	if (!a->id || a->id > MAX_OBJECTS || fk.objects[a->id - 1].file != f)
		return (uint32_t)ND_INVALID_HANDLE;
	cancel_all_of(&fk.objects[a->id - 1]);
	return 0;
}

static uint32_t do_free(struct file *f, struct vrdma_uapi_object *a)
{
	struct object *o;

	if (!a->id || a->id > MAX_OBJECTS || fk.objects[a->id - 1].file != f ||
	    fk.objects[a->id - 1].kind == GONE)
		return (uint32_t)ND_INVALID_HANDLE;
	o = &fk.objects[a->id - 1];
	for (unsigned i = 0; i < MAX_OBJECTS; i++)
		ck_assert(fk.objects[i].kind != QP ||
			  fk.objects[i].the_srq != o);
	cancel_all_of(o);
	if (o->kind == QP)
		fk_flush(o);
	if (o->kind == CONNECTOR && o->state != OVER && o->peer) {
		if (o->the_qp)
			fk_flush(o->the_qp);
		else	/* a request that nobody answered: refused */
			fk_end_request(o->peer, ND_CONNECTION_REFUSED);
		fk_indicate(o->peer, VIRTIO_RDMA_R_RESET);
	}
	o->kind = GONE;
	o->local.family = 0;
	return 0;
}

/* The key begins at the end, so that it comes round soon */
static uint32_t create_mw(struct file *f, struct vrdma_uapi_create_mw *a)
{
	struct object *o;

	if (!(fake_features & VIRTIO_RDMA_FEATURE(MW)))
		return (uint32_t)ND_NOT_SUPPORTED;
	o = fk_make(f, MW);
	a->id = o->id;
	a->handle = 0x100000 + o->id;
	a->token = o->id << 8 | 0xfe;
	return 0;
}

static uint32_t do_flush(struct file *f, struct vrdma_uapi_object *a)
{
	struct object *qp = fk_find(f, a->id, QP);

	if (!qp)
		return (uint32_t)ND_INVALID_HANDLE;
	fk_flush(qp);
	return 0;
}

static void addresses(struct file *f, struct vrdma_uapi_open *a)
{
	a->address[0].family = VIRTIO_RDMA_AF_INET;
	memcpy(a->address[0].ip, (uint8_t[]){ 10, 0, 0,
					      (uint8_t)(f->device + 1) }, 4);
	a->address[1].family = VIRTIO_RDMA_AF_INET6;
	inet_pton(AF_INET6, "fd00::", a->address[1].ip);
	a->address[1].ip[15] = (uint8_t)(f->device + 1);
	a->address_count = 2;
}

static uint32_t do_open(struct file *f, struct vrdma_uapi_open *a)
{
	ck_assert_uint_eq(a->version, VRDMA_UAPI_VERSION);
	a->config = (struct virtio_rdma_config){
		.abi_version = 1, .num_ceq = 2, .num_wakeq = 2,
		.max_context = 8, .max_pd = 8, .max_cq = 64, .max_mr = 64,
		.max_qp = 64, .max_connector = 64, .max_listener = 8,
		.max_cq_depth = 4096, .max_send_depth = 512,
		.max_recv_depth = 512, .max_send_sge = 4, .max_recv_sge = 3,
		.max_read_sge = 2, .max_inline = 200, .max_transfer = 1u << 20,
		.max_inbound_reads = 16, .max_outbound_reads = 16,
		.max_caller_data = 128, .max_callee_data = 100,
		.adapter_flags = 0x10001, .max_mr_size = 1ull << 30,
		.rdma_technology = 1, .vendor_id = 0x1af4, .device_id = 42,
		.disconnect_timeout_ms = 1000, .max_mw = fake_features & 1 ? 16 : 0,
	};
	if (fake_features & VIRTIO_RDMA_FEATURE(SRQ)) {
		a->config.max_srq = 16;
		a->config.max_srq_depth = 512;
	}
	if (fake_features & VIRTIO_RDMA_FEATURE(CQ_RESIZE))
		a->config.adapter_flags |= ND_ADAPTER_FLAG_CQ_RESIZE_SUPPORTED;
	if (fake_features & VIRTIO_RDMA_FEATURE(CQ_MODERATION))
		a->config.adapter_flags |=
			ND_ADAPTER_FLAG_CQ_INTERRUPT_MODERATION_SUPPORTED;
	a->features = fake_features;
	addresses(f, a);
	a->notify_mapped = fake_map_notify;
	a->notify_offset = 16;
	a->notify_value = 0x1234;
	return 0;
}

/* ------------------------------------------------------------------ table */

uint32_t fk_dispatch(struct file *f, unsigned long code, void *arg)
{
	switch (code) {
	case VRDMA_IOC_OPEN: return do_open(f, arg);
	case VRDMA_IOC_CREATE_CQ: return create_cq(f, arg);
	case VRDMA_IOC_RESIZE_CQ: return fk_resize_cq(f, arg);
	case VRDMA_IOC_CREATE_QP: return create_qp(f, arg);
	case VRDMA_IOC_CREATE_MR: return create_plain(f, arg, MR);
	case VRDMA_IOC_CREATE_MW: return create_mw(f, arg);
	case VRDMA_IOC_CREATE_SRQ: return fk_create_srq(f, arg);
	case VRDMA_IOC_MODIFY_SRQ: return fk_modify_srq(f, arg);
	case VRDMA_IOC_SRQ_NOTIFY: return fk_srq_notify(f, arg);
	case VRDMA_IOC_CREATE_CONNECTOR: return create_plain(f, arg, CONNECTOR);
	case VRDMA_IOC_CREATE_LISTENER: return create_plain(f, arg, LISTENER);
	case VRDMA_IOC_FREE: return do_free(f, arg);
	case VRDMA_IOC_REGISTER: return do_register(f, arg);
	case VRDMA_IOC_DEREGISTER: return deregister(f, arg);
	case VRDMA_IOC_FLUSH: return do_flush(f, arg);
	case VRDMA_IOC_CQ_NOTIFY: return cq_notify(f, arg);
	case VRDMA_IOC_BIND: return do_bind(f, arg);
	case VRDMA_IOC_CONNECT: return do_connect(f, arg);
	case VRDMA_IOC_COMPLETE_CONNECT: return complete_connect(f, arg);
	case VRDMA_IOC_ACCEPT: return do_accept(f, arg);
	case VRDMA_IOC_REJECT: return do_reject(f, arg);
	case VRDMA_IOC_GET_CONNECTION: return get_connection(f, arg);
	case VRDMA_IOC_NOTIFY_DISCONNECT: return notify_disconnect(f, arg);
	case VRDMA_IOC_DISCONNECT: return do_disconnect(f, arg);
	case VRDMA_IOC_LISTEN: return do_listen(f, arg);
	case VRDMA_IOC_GET_REQUEST: return get_request(f, arg);
	case VRDMA_IOC_CANCEL: return cancel(f, arg);
	}
	ck_abort_msg("an ioctl that is none: %#lx", code);
	return 0;
}
