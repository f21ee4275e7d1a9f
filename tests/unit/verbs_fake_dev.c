/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * verbs_fake_dev.c - devices, domains, regions, completion queues, async events
 *
 * DOC: Destroying waits, as the libraries do, until the events that were
 * fetched are acknowledged; those that were not are dropped with the object.
 * A device that is removed answers EIO to what makes or changes, while
 * destroying works: the kernel has taken the objects back already.
 */
#include <unistd.h>

#include "verbs_fake_int.h"

struct fv_device fv_device;

static const struct fv_device usual = {
	.attr = {
		.max_mr_size = 1ull << 40,
		.max_qp = 256,
		.max_sge = 16,
		.max_sge_rd = 16,
		.max_cqe = 1 << 16,
		.max_mr = 1024,
		.max_qp_rd_atom = 16,
		.max_qp_init_rd_atom = 16,
		.max_mw = 256,
		.max_srq = 8192,
		.max_srq_wr = 4096,
		.max_srq_sge = 16,
		.device_cap_flags = IBV_DEVICE_MEM_WINDOW_TYPE_2B |
				    IBV_DEVICE_MEM_MGT_EXTENSIONS,
		.phys_port_cnt = 1,
	},
	.transport = IBV_TRANSPORT_IB,
	.link_layer = IBV_LINK_LAYER_ETHERNET,
	.max_inline = 256,
	.timeout = 0,
};

void *fk_zalloc(size_t size)
{
	void *p = malloc(size);

	ck_assert_ptr_nonnull(p);
	return memset(p, 0, size);
}

struct fk_device *fk_dev_of(const struct ibv_context *ctx)
{
	return (struct fk_device *)(void *)ctx->device;
}

bool fk_is_gone(const struct ibv_context *ctx)
{
	if (fk_dev_of(ctx)->removed)
		errno = EIO;
	return fk_dev_of(ctx)->removed;
}

void fv_reset(void)
{
	static const char *const names[FK_DEVICES] = { "fake0", "fake1",
						       "other0" };

	fv_check_nothing_lives();
	fk_lock();
	fv_device = usual;
	fv_flush = FV_FLUSH_NOW;
	fv_cm_cut = fv_data_cut = false;
	fv_addr_error = 0;
	memset(fk.dev, 0, sizeof(fk.dev));
	for (unsigned int i = 0; i < FK_DEVICES; i++) {
		fk.dev[i].index = i;
		fk.dev[i].next_qpn = 17;
		strcpy(fk.dev[i].device.name, names[i]);
		fk.dev[i].device.transport_type = IBV_TRANSPORT_IB;
	}
	memset(fk.calls, 0, sizeof(fk.calls));
	memset(fk.hold, 0, sizeof(fk.hold));
	fk.fail_nth = 0;
	fk.fail_err = 0;
	fk.next_key = 1;
	fk_unlock();
}

/* ------------------------------------------------------------------- devices */

static void fill_ops(struct ibv_context_ops *ops);

#undef ibv_get_device_list
struct ibv_device **ibv_get_device_list(int *count)
{
	struct ibv_device **list = fk_fault_null(FV_ibv_get_device_list);

	if (errno)
		return NULL;
	fk_lock();
	list = fk_zalloc((FK_DEVICES + 1) * sizeof(*list));
	for (unsigned int i = 0; i < FK_DEVICES; i++)
		list[i] = &fk.dev[i].device;
	fk_born("device list", 1);
	fk_unlock();
	if (count)
		*count = FK_DEVICES;
	return list;
}

void ibv_free_device_list(struct ibv_device **list)
{
	fk_lock();
	fk_born("device list", -1);
	fk_unlock();
	free(list);
}

const char *ibv_get_device_name(struct ibv_device *device)
{
	return device->name;
}

struct ibv_context *ibv_open_device(struct ibv_device *device)
{
	struct fk_context *c = fk_fault_null(FV_ibv_open_device);

	if (errno)
		return NULL;
	fk_lock();
	c = fk_zalloc(sizeof(*c));
	c->dev = (struct fk_device *)(void *)device;
	c->ctx.device = device;
	device->transport_type = fv_device.transport;
	c->ctx.async_fd = fk_eventfd();
	fill_ops(&c->ctx.ops);
	c->next = fk.contexts;
	fk.contexts = c;
	fk_born("context", 1);
	fk_unlock();
	return &c->ctx;
}

static bool is_of_qp(const struct ibv_async_event *ev)
{
	return ev->event_type == IBV_EVENT_QP_LAST_WQE_REACHED ||
	       (ev->event_type != IBV_EVENT_CQ_ERR &&
		ev->event_type <= IBV_EVENT_COMM_EST);
}

/* Those of qp, of cq, or all: nobody fetches them any more */
static void drop_events(struct fk_context *c, const struct ibv_qp *qp,
			const struct ibv_cq *cq)
{
	struct fk_async **at = &c->events;

	while (*at) {
		struct fk_async *a = *at;
		bool of_qp = is_of_qp(&a->ev);
		bool of_cq = a->ev.event_type == IBV_EVENT_CQ_ERR;

		if ((qp && of_qp && a->ev.element.qp == qp) ||
		    (cq && of_cq && a->ev.element.cq == cq) || (!qp && !cq)) {
			*at = a->next;
			free(a);
			fk_born("async event", -1);
		} else {
			at = &a->next;
		}
	}
	fk_level(c->ctx.async_fd, c->events);
}

void fk_drop_qp_events(struct fk_qp *qp)
{
	drop_events((struct fk_context *)(void *)qp->qp.context, &qp->qp, NULL);
}

int ibv_close_device(struct ibv_context *ctx)
{
	struct fk_context *c = (struct fk_context *)(void *)ctx;
	struct fk_context **at = &fk.contexts;

	fk_lock();
	ck_assert_msg(!c->objects, "a device was closed under %u objects",
		      c->objects);
	drop_events(c, NULL, NULL);
	while (*at != c)
		at = &(*at)->next;
	*at = c->next;
	fk_born("context", -1);
	fk_unlock();
	close(ctx->async_fd);
	free(c);
	return 0;
}

int ibv_query_device(struct ibv_context *ctx, struct ibv_device_attr *attr)
{
	int err = fv_fault(FV_ibv_query_device);

	(void)ctx;
	*attr = fv_device.attr;
	return err;
}

#undef ibv_query_port
int ibv_query_port(struct ibv_context *ctx, uint8_t port,
		   struct _compat_ibv_port_attr *attr)
{
	struct ibv_port_attr *a = (void *)attr;
	int err = fv_fault(FV_ibv_query_port);

	(void)ctx;
	ck_assert_uint_eq(port, 1);
	a->state = IBV_PORT_ACTIVE;
	a->max_msg_sz = 1u << 31;
	a->link_layer = fv_device.link_layer;
	return err;
}

struct fk_context *fk_context_of(const struct fk_device *dev)
{
	struct fk_context *c = fk.contexts;

	while (c && c->dev != dev)
		c = c->next;
	return c;
}

/* ------------------------------------------------------- domains and regions */

struct ibv_pd *ibv_alloc_pd(struct ibv_context *ctx)
{
	struct fk_pd *pd = fk_fault_null(FV_ibv_alloc_pd);

	if (errno)
		return NULL;
	fk_lock();
	if (!fk_is_gone(ctx)) {
		pd = fk_zalloc(sizeof(*pd));
		pd->pd.context = ctx;
		fk_born_in(ctx, "domain", 1);
	}
	fk_unlock();
	return pd ? &pd->pd : NULL;
}

int ibv_dealloc_pd(struct ibv_pd *pd)
{
	struct fk_pd *p = (struct fk_pd *)(void *)pd;

	fk_lock();
	ck_assert_msg(!p->users, "a domain was destroyed under %u objects",
		      p->users);
	fk_born_in(pd->context, "domain", -1);
	fk_unlock();
	free(p);
	return 0;
}

struct ibv_mr *ibv_reg_mr_iova2(struct ibv_pd *pd, void *addr, size_t length,
				uint64_t iova, unsigned int access)
{
	struct fk_mr *m = fk_fault_null(FV_ibv_reg_mr);
	const int remote = IBV_ACCESS_REMOTE_WRITE;

	if (errno)
		return NULL;
	/* as devices do */
	if (!length || ((uintptr_t)addr - iova) % 4096 ||
	    ((access & remote) && !(access & IBV_ACCESS_LOCAL_WRITE))) {
		errno = EINVAL;
		return NULL;
	}
	fk_lock();
	if (!fk_is_gone(pd->context)) {
		m = fk_zalloc(sizeof(*m));
		m->mr.context = pd->context;
		m->mr.pd = pd;
		m->mr.addr = addr;
		m->mr.length = length;
		m->mr.lkey = fk.next_key++ << 8 | 0x11;
		m->mr.rkey = m->mr.lkey ^ 0xff;
		m->iova = iova;
		m->access = (int)access;
		m->next = fk.mrs;
		fk.mrs = m;
		((struct fk_pd *)(void *)pd)->users++;
		fk_born_in(pd->context, "region", 1);
	}
	fk_unlock();
	return m ? &m->mr : NULL;
}

#undef ibv_reg_mr_iova
struct ibv_mr *ibv_reg_mr_iova(struct ibv_pd *pd, void *addr, size_t length,
			       uint64_t iova, int access)
{
	return ibv_reg_mr_iova2(pd, addr, length, iova, (unsigned int)access);
}

int ibv_dereg_mr(struct ibv_mr *mr)
{
	struct fk_mr *m = (struct fk_mr *)(void *)mr, **at = &fk.mrs;
	int err = fv_fault(FV_ibv_dereg_mr);

	if (err)
		return err;
	fk_lock();
	ck_assert_msg(!m->windows, "a region was taken back under %u windows",
		      m->windows);
	while (*at != m)
		at = &(*at)->next;
	*at = m->next;
	((struct fk_pd *)(void *)mr->pd)->users--;
	fk_born_in(mr->context, "region", -1);
	fk_unlock();
	free(m);
	return 0;
}

/* --------------------------------------------------------- completion queues */

struct ibv_comp_channel *ibv_create_comp_channel(struct ibv_context *ctx)
{
	struct fk_channel *c = fk_fault_null(FV_ibv_create_comp_channel);

	if (errno)
		return NULL;
	fk_lock();
	if (!fk_is_gone(ctx)) {
		c = fk_zalloc(sizeof(*c));
		c->channel.context = ctx;
		c->channel.fd = fk_eventfd();
		fk_born_in(ctx, "completion channel", 1);
	}
	fk_unlock();
	return c ? &c->channel : NULL;
}

int ibv_destroy_comp_channel(struct ibv_comp_channel *channel)
{
	fk_lock();
	ck_assert_msg(!channel->refcnt, "a channel was destroyed under its queue");
	fk_born_in(channel->context, "completion channel", -1);
	fk_unlock();
	close(channel->fd);
	free(channel);
	return 0;
}

static struct fk_cq *cq_of(const struct ibv_cq *cq)
{
	return (struct fk_cq *)(void *)(uintptr_t)cq;
}

struct ibv_cq *ibv_create_cq(struct ibv_context *ctx, int cqe, void *context,
			     struct ibv_comp_channel *channel, int vector)
{
	struct fk_cq *q = fk_fault_null(FV_ibv_create_cq);

	(void)vector;
	if (errno)
		return NULL;
	fk_lock();
	if (cqe <= 0 || cqe > fv_device.attr.max_cqe) {
		errno = EINVAL;
	} else if (!fk_is_gone(ctx)) {
		q = fk_zalloc(sizeof(*q));
		q->cq.context = ctx;
		q->cq.channel = channel;
		q->cq.cq_context = context;
		q->cq.cqe = cqe;
		q->capacity = (uint32_t)cqe;
		q->wc = fk_zalloc(q->capacity * sizeof(*q->wc));
		if (channel)
			channel->refcnt++;
		q->next = fk.cqs;
		fk.cqs = q;
		fk_born_in(ctx, "completion queue", 1);
	}
	fk_unlock();
	return q ? &q->cq : NULL;
}

int ibv_resize_cq(struct ibv_cq *cq, int cqe)
{
	struct fk_cq *q = cq_of(cq);
	int err = fv_fault(FV_ibv_resize_cq);
	struct ibv_wc *wc;

	if (err || cqe > fv_device.attr.max_cqe)
		return err ? err : EINVAL;
	fk_lock();
	if (fk_is_gone(cq->context)) {
		fk_unlock();
		return EIO;
	}
	ck_assert_uint_le(q->count, (uint32_t)cqe);
	wc = fk_zalloc((uint32_t)cqe * sizeof(*wc));
	for (uint32_t i = 0; i < q->count; i++)
		wc[i] = q->wc[(q->got + i) % q->capacity];
	free(q->wc);
	q->wc = wc;
	q->got = 0;
	q->capacity = (uint32_t)cqe;
	cq->cqe = cqe;
	fk_unlock();
	return 0;
}

int ibv_destroy_cq(struct ibv_cq *cq)
{
	struct fk_cq *q = cq_of(cq), **at = &fk.cqs;
	struct fk_channel *c = (struct fk_channel *)(void *)cq->channel;

	fk_lock();
	ck_assert_msg(!q->users, "a completion queue was destroyed under %u queue "
		      "pairs", q->users);
	if (c && c->fired == cq) {
		c->fired = NULL;
		fk_level(c->channel.fd, false);
	}
	if (c)
		c->channel.refcnt--;
	drop_events((struct fk_context *)(void *)cq->context, NULL, cq);
	fk_wait_zero(&q->unacked, "a completion queue waits for its events");
	while (*at != q)
		at = &(*at)->next;
	*at = q->next;
	fk_born_in(cq->context, "completion queue", -1);
	fk_unlock();
	free(q->wc);
	free(q);
	return 0;
}

void fk_cq_push(struct ibv_cq *cq, const struct ibv_wc *wc)
{
	struct fk_cq *q = cq_of(cq);
	struct fk_channel *c = (struct fk_channel *)(void *)cq->channel;

	ck_assert_msg(q->count < q->capacity,
		      "the completion queue of %u entries overran", q->capacity);
	q->wc[(q->got + q->count++) % q->capacity] = *wc;
	if (!q->armed || !c)
		return;
	q->armed = false;
	c->fired = cq;
	fk_level(c->channel.fd, true);
}

static int poll_cq(struct ibv_cq *cq, int max, struct ibv_wc *wc)
{
	struct fk_cq *q = cq_of(cq);
	int n = 0;

	fk_lock();
	for (; n < max && q->count; n++, q->count--) {
		wc[n] = q->wc[q->got];
		q->got = (q->got + 1) % q->capacity;
	}
	fk_unlock();
	return n;
}

static int req_notify_cq(struct ibv_cq *cq, int solicited_only)
{
	(void)solicited_only;
	fk_lock();
	cq_of(cq)->armed = true;
	fk_unlock();
	return 0;
}

int ibv_get_cq_event(struct ibv_comp_channel *channel, struct ibv_cq **cq,
		     void **context)
{
	struct fk_channel *c = (struct fk_channel *)(void *)channel;
	struct ibv_cq *fired;

	fk_lock();
	fired = c->fired;
	if (fired) {
		c->fired = NULL;
		fk_level(channel->fd, false);
		cq_of(fired)->unacked++;
		*cq = fired;
		*context = fired->cq_context;
	}
	fk_unlock();
	errno = EAGAIN;
	return fired ? 0 : -1;
}

void ibv_ack_cq_events(struct ibv_cq *cq, unsigned int count)
{
	fk_lock();
	ck_assert_uint_le(count, cq_of(cq)->unacked);
	cq_of(cq)->unacked -= count;
	pthread_cond_broadcast(&fk.changed);
	fk_unlock();
}

static void fill_ops(struct ibv_context_ops *ops)
{
	ops->poll_cq = poll_cq;
	ops->req_notify_cq = req_notify_cq;
	ops->post_send = fk_post_send;
	ops->post_recv = fk_post_recv;
	ops->post_srq_recv = fk_post_srq_recv;
	ops->alloc_mw = fk_alloc_mw;
	ops->dealloc_mw = fk_dealloc_mw;
}

/* -------------------------------------------------------- asynchronous events */

void fk_async(struct fk_context *c, const struct ibv_async_event *ev)
{
	struct fk_async *a = fk_zalloc(sizeof(*a)), **at = &c->events;

	a->ev = *ev;
	while (*at)
		at = &(*at)->next;
	*at = a;
	fk_born("async event", 1);
	fk_level(c->ctx.async_fd, true);
}

static unsigned int *unacked_of(const struct ibv_async_event *ev)
{
	if (is_of_qp(ev))
		return &((struct fk_qp *)(void *)ev->element.qp)->unacked;
	if (ev->event_type == IBV_EVENT_CQ_ERR)
		return &cq_of(ev->element.cq)->unacked;
	return NULL;
}

int ibv_get_async_event(struct ibv_context *ctx, struct ibv_async_event *ev)
{
	struct fk_context *c = (struct fk_context *)(void *)ctx;
	struct fk_async *a;

	fk_lock();
	a = c->events;
	if (a) {
		c->events = a->next;
		*ev = a->ev;
		if (unacked_of(ev))
			++*unacked_of(ev);
		free(a);
		fk_level(ctx->async_fd, c->events);
	}
	fk_unlock();
	errno = EAGAIN;
	return a ? 0 : -1;
}

void ibv_ack_async_event(struct ibv_async_event *ev)
{
	fk_lock();
	fk_born("async event", -1);
	if (unacked_of(ev))
		--*unacked_of(ev);
	pthread_cond_broadcast(&fk.changed);
	fk_unlock();
}

const char *ibv_event_type_str(enum ibv_event_type type)
{
	return type == IBV_EVENT_DEVICE_FATAL ? "device fatal" : "event";
}

static void raise_event(unsigned int device, struct ibv_async_event ev)
{
	struct fk_context *c = fk_context_of(&fk.dev[device]);

	if (c)
		fk_async(c, &ev);
}

void fv_port_event(unsigned int device, enum ibv_event_type type)
{
	fk_lock();
	raise_event(device, (struct ibv_async_event){
				    .event_type = type, .element.port_num = 1 });
	fk_unlock();
}

void fv_device_fatal(unsigned int device)
{
	fk_lock();
	fk.dev[device].removed = true;
	raise_event(device, (struct ibv_async_event){
				    .event_type = IBV_EVENT_DEVICE_FATAL });
	fk_unlock();
}

void fv_revive(unsigned int device)
{
	fk_lock();
	fk.dev[device].removed = false;
	fk_unlock();
}

void fv_device_removal(unsigned int device)
{
	fk_lock();
	fk.dev[device].removed = true;
	fk_cm_device_removal(&fk.dev[device]);
	fk_unlock();
}

void fv_cq_error(unsigned int device)
{
	struct fk_cq *q;

	fk_lock();
	for (q = fk.cqs; q && fk_dev_of(q->cq.context)->index != device; q = q->next)
		;
	if (q)
		raise_event(device, (struct ibv_async_event){
					    .event_type = IBV_EVENT_CQ_ERR,
					    .element.cq = &q->cq });
	fk_unlock();
}

/* ---------------------------------------------------------- what a test asks */

bool fv_is_open(unsigned int device)
{
	bool is_open;

	fk_lock();
	is_open = fk_context_of(&fk.dev[device]);
	fk_unlock();
	return is_open;
}

unsigned int fv_unpolled(unsigned int device, uint32_t qpn)
{
	unsigned int n = 0;

	fk_lock();
	for (struct fk_cq *q = fk.cqs; q; q = q->next)
		for (uint32_t i = 0; i < q->count; i++)
			n += fk_dev_of(q->cq.context)->index == device &&
			     q->wc[(q->got + i) % q->capacity].qp_num == qpn;
	fk_unlock();
	return n;
}

struct fv_region fv_newest_region(unsigned int device)
{
	struct fv_region r = { 0 };
	struct fk_mr *m;

	fk_lock();
	for (m = fk.mrs; m && fk_dev_of(m->mr.context)->index != device;
	     m = m->next)
		;
	if (m)
		r = (struct fv_region){ m->mr.addr, m->mr.length, m->iova,
					m->access };
	fk_unlock();
	return r;
}
