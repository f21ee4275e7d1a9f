/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * core_fake.h - an operating system and a device for tests of the guest core
 *
 * DOC: One thread, nothing happens by itself.  The test is the device: chains
 * that the core posts pile up, fake_run() answers the commands among them, in
 * order, with the status the test set for their opcode, except those it holds
 * back.  Bus addresses are host addresses.  The lock checks that nobody takes
 * it twice, or calls a consumer with it held.
 */
#ifndef CORE_FAKE_H
#define CORE_FAKE_H

#include <check.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "vrc.h"

#define FAKE_QUEUES	8
#define FAKE_CHAINS	1024

struct fake_chain {
	void *cookie;
	struct virtio_rdma_cmd *req;
	uint8_t *rsp;
	uint32_t rsp_size, written;
};

struct fake_queue {
	struct fake_chain posted[FAKE_CHAINS];
	struct fake_chain used[FAKE_CHAINS];
	uint32_t num_posted, num_used, kicks;
};

static struct fake {
	struct vrdma_core *core;
	struct virtio_rdma_config cfg;
	uint32_t features;
	struct fake_queue q[FAKE_QUEUES];
	bool hold[VIRTIO_RDMA_CMD_COUNT];
	uint32_t status[VIRTIO_RDMA_CMD_COUNT];
	uint32_t seen[VIRTIO_RDMA_CMD_COUNT];
	uint8_t last[VIRTIO_RDMA_CMD_COUNT][640] __attribute__((aligned(8)));
	uint32_t next_handle;
	uint32_t queue_room;
	int locked;
	int allocs, dmas;
	int fail_alloc_after;		/* -1: never */
	struct vrdma_work *work[16];
	uint32_t num_work;
	uint64_t now;
	bool set;			/* one event is waited for at a time */
} fake;

__attribute__((unused)) static void fake_run(void);

static bool fake_fails(void)
{
	return fake.fail_alloc_after >= 0 && fake.fail_alloc_after-- == 0;
}

static void *f_alloc(void *os, size_t size)
{
	(void)os;
	if (fake_fails())
		return NULL;
	fake.allocs++;
	return calloc(1, size);
}

static void f_free(void *os, void *p)
{
	(void)os;
	fake.allocs--;
	free(p);
}

static int f_dma_alloc(void *os, uint32_t pages, struct vrdma_dma *out)
{
	uint64_t *list;
	uint32_t i;

	(void)os;
	if (fake_fails())
		return -12;
	out->va = aligned_alloc(4096, (size_t)pages * 4096);
	memset(out->va, 0, (size_t)pages * 4096);
	list = calloc(pages, sizeof(*list));
	for (i = 0; i < pages; i++)
		list[i] = (uintptr_t)out->va + (uint64_t)i * 4096;
	out->pages = list;
	out->count = pages;
	fake.dmas++;
	return 0;
}

static void f_dma_free(void *os, struct vrdma_dma *dma)
{
	(void)os;
	free(dma->va);
	free((void *)(uintptr_t)dma->pages);
	fake.dmas--;
}

static void f_lock_init(void *os, struct vrdma_lock *l) { (void)os; (void)l; }

static void f_lock(void *os, struct vrdma_lock *l)
{
	(void)os;
	(void)l;
	ck_assert_msg(!fake.locked, "the lock is taken twice");
	fake.locked = 1;
}

static void f_unlock(void *os, struct vrdma_lock *l)
{
	(void)os;
	(void)l;
	ck_assert(fake.locked);
	fake.locked = 0;
}

static void f_work_init(void *os, struct vrdma_work *w, vrdma_work_fn *fn,
			void *arg)
{
	(void)os;
	w->fn = fn;
	w->arg = arg;
}

static void f_work_queue(void *os, struct vrdma_work *w)
{
	uint32_t i;

	(void)os;
	for (i = 0; i < fake.num_work; i++)
		if (fake.work[i] == w)
			return;
	ck_assert_uint_lt(fake.num_work, 16);
	fake.work[fake.num_work++] = w;
}

static void f_work_fini(void *os, struct vrdma_work *w) { (void)os; (void)w; }
static void f_event_init(void *os, struct vrdma_event *e) { (void)os; (void)e; }

static void f_event_set(void *os, struct vrdma_event *e)
{
	(void)os;
	(void)e;
	fake.set = true;
}

static void f_event_clear(void *os, struct vrdma_event *e)
{
	(void)os;
	(void)e;
	fake.set = false;
}

/* What else could happen while the core waits?  The device works. */
static bool f_event_wait(void *os, struct vrdma_event *e, uint32_t ms)
{
	static int spins;

	(void)os;
	(void)e;
	(void)ms;
	ck_assert(!fake.locked);
	fake_run();
	spins = fake.set ? 0 : spins + 1;
	ck_assert_msg(spins < 100, "the core waits for what never comes");
	return fake.set;
}

static int f_queue_add(void *os, uint32_t queue, const struct vrdma_buf *out,
		       const struct vrdma_buf *in, void *cookie)
{
	struct fake_queue *q = &fake.q[queue];

	(void)os;
	ck_assert_uint_lt(queue, FAKE_QUEUES);
	ck_assert_msg(fake.locked, "queue_add is not serialized");
	if (q->num_posted >= fake.queue_room)
		return -28;
	q->posted[q->num_posted++] = (struct fake_chain){
		.cookie = cookie, .req = out->length ? out->va : NULL,
		.rsp = in->va, .rsp_size = in->length,
	};
	/* "a piece of memory inside one page" */
	ck_assert_uint_le(((uintptr_t)in->va & 4095) + in->length, 4096);
	ck_assert_uint_le(((uintptr_t)out->va & 4095) + out->length, 4096);
	return 0;
}

static void *f_queue_get(void *os, uint32_t queue, uint32_t *written)
{
	struct fake_queue *q = &fake.q[queue];
	void *cookie;

	(void)os;
	if (!q->num_used)
		return NULL;
	cookie = q->used[0].cookie;
	*written = q->used[0].written;
	memmove(q->used, q->used + 1, --q->num_used * sizeof(q->used[0]));
	return cookie;
}

static void f_queue_kick(void *os, uint32_t queue)
{
	(void)os;
	fake.q[queue].kicks++;
}

static void f_config_read(void *os, uint32_t offset, void *buf, uint32_t len)
{
	(void)os;
	memcpy(buf, (uint8_t *)&fake.cfg + offset, len);
}

static uint32_t f_features(void *os)
{
	(void)os;
	return fake.features;
}

static uint64_t f_now(void *os)
{
	(void)os;
	return fake.now;
}

__attribute__((format(printf, 3, 4)))
static void f_log(void *os, enum vrdma_log_level level, const char *fmt, ...)
{
	va_list ap;

	(void)os;
	(void)level;
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputc('\n', stderr);
}

static void f_relax(void *os) { (void)os; }

static const struct vrdma_os_ops fake_ops = {
	.alloc = f_alloc, .free = f_free,
	.dma_alloc = f_dma_alloc, .dma_free = f_dma_free,
	.lock_init = f_lock_init, .lock_fini = f_lock_init,
	.lock = f_lock, .unlock = f_unlock,
	.work_init = f_work_init, .work_queue = f_work_queue,
	.work_fini = f_work_fini,
	.event_init = f_event_init, .event_fini = f_event_init,
	.event_set = f_event_set, .event_clear = f_event_clear,
	.event_wait = f_event_wait,
	.queue_add = f_queue_add, .queue_get = f_queue_get,
	.queue_kick = f_queue_kick, .features = f_features, .config_read = f_config_read,
	.now_ms = f_now, .log = f_log, .relax = f_relax,
};

/* --- the device --------------------------------------------------------------- */

static struct fake_chain fake_take(uint32_t queue, uint32_t index)
{
	struct fake_queue *q = &fake.q[queue];
	struct fake_chain c = q->posted[index];

	ck_assert_uint_lt(index, q->num_posted);
	q->num_posted--;
	memmove(&q->posted[index], &q->posted[index + 1],
		(q->num_posted - index) * sizeof(c));
	return c;
}

static void fake_use(uint32_t queue, struct fake_chain c, uint32_t written)
{
	struct fake_queue *q = &fake.q[queue];

	c.written = written;
	q->used[q->num_used++] = c;
}

static bool creates(uint16_t opcode)
{
	switch (opcode) {
	case VIRTIO_RDMA_CMD_CREATE_CONTEXT:
	case VIRTIO_RDMA_CMD_CREATE_PD:
	case VIRTIO_RDMA_CMD_CREATE_CQ:
	case VIRTIO_RDMA_CMD_CREATE_QP:
	case VIRTIO_RDMA_CMD_REGISTER_MR:
	case VIRTIO_RDMA_CMD_CREATE_MW:
	case VIRTIO_RDMA_CMD_CREATE_FRMR:
	case VIRTIO_RDMA_CMD_CREATE_SRQ:
	case VIRTIO_RDMA_CMD_LISTEN:
	case VIRTIO_RDMA_CMD_CREATE_CONNECTOR:
	case VIRTIO_RDMA_CMD_CREATE_ENDPOINT:
		return true;
	default:
		return false;
	}
}

/* Answer the index-th chain in the control queue */
static void fake_answer(uint32_t index, uint32_t status)
{
	struct fake_chain c = fake_take(VIRTIO_RDMA_VQ_CONTROL, index);
	uint16_t opcode = vr_from_le16(c.req->opcode);
	struct virtio_rdma_rsp *rsp = (void *)c.rsp;

	memset(c.rsp, 0, c.rsp_size);
	rsp->status = vr_to_le32(status);
	if (status == VIRTIO_RDMA_S_OK && creates(opcode))
		rsp->handle = vr_to_le32(++fake.next_handle);
	if (opcode == VIRTIO_RDMA_CMD_REGISTER_MR) {
		struct virtio_rdma_rsp_register_mr *r = (void *)c.rsp;

		r->local_token = vr_to_le32(fake.next_handle + 0x1000);
		r->remote_token = vr_to_le32(fake.next_handle + 0x2000);
	}
	if (opcode == VIRTIO_RDMA_CMD_CREATE_FRMR) {
		struct virtio_rdma_rsp_register_mr *r = (void *)c.rsp;

		r->local_token = r->hdr.handle;
		r->remote_token = vr_to_le32(fake.next_handle << 8 | 0xfe);
	}
	if (opcode == VIRTIO_RDMA_CMD_CREATE_MW) {
		struct virtio_rdma_rsp_create_mw *r = (void *)c.rsp;

		r->token = vr_to_le32(fake.next_handle << 8 | 0xfd);
	}
	if (opcode == VIRTIO_RDMA_CMD_LISTEN) {
		struct virtio_rdma_rsp_listen *r = (void *)c.rsp;

		r->addr = ((struct virtio_rdma_cmd_listen *)c.req)->addr;
	}
	if (opcode == VIRTIO_RDMA_CMD_CREATE_ENDPOINT) {
		struct virtio_rdma_rsp_create_endpoint *r = (void *)c.rsp;

		r->addr = ((struct virtio_rdma_cmd_create_endpoint *)c.req)
				  ->addr;
		if (!r->addr.port)
			r->addr.port = vr_to_le16(50001);
	}
	if (opcode == VIRTIO_RDMA_CMD_CONNECT) {
		struct virtio_rdma_rsp_connect *r = (void *)c.rsp;
		struct virtio_rdma_cmd_connect *q = (void *)c.req;

		r->peer = q->peer;
		r->local = q->peer;
		r->inbound_reads = vr_to_le32(3);
		r->outbound_reads = vr_to_le32(4);
		r->priv.length = vr_to_le16(5);
		memcpy(r->priv.data, "hello", 5);
	}
	fake_use(VIRTIO_RDMA_VQ_CONTROL, c, c.rsp_size);
}

/* Index of the first command of that opcode that the device has, or -1 */
__attribute__((unused)) static int fake_find(uint16_t opcode)
{
	struct fake_queue *q = &fake.q[VIRTIO_RDMA_VQ_CONTROL];
	uint32_t i;

	for (i = 0; i < q->num_posted; i++)
		if (vr_from_le16(q->posted[i].req->opcode) == opcode)
			return (int)i;
	return -1;
}

static void fake_deliver(void)
{
	uint32_t i;

	for (i = 0; i < FAKE_QUEUES; i++)
		if (fake.q[i].num_used)
			vrdma_core_queue_event(fake.core, i);
	while (fake.num_work) {
		struct vrdma_work *w = fake.work[--fake.num_work];

		w->fn(w->arg);
	}
}

/* Answer one held command now */
__attribute__((unused)) static void fake_release(uint16_t opcode,
						 uint32_t status)
{
	int i = fake_find(opcode);

	ck_assert_msg(i >= 0, "the device has no command %u", opcode);
	fake_answer((uint32_t)i, status);
	fake_deliver();
}

static bool fake_answer_next(void)
{
	struct fake_queue *q = &fake.q[VIRTIO_RDMA_VQ_CONTROL];
	uint32_t i;

	for (i = 0; i < q->num_posted; i++) {
		uint16_t opcode = vr_from_le16(q->posted[i].req->opcode);

		ck_assert_uint_lt(opcode, VIRTIO_RDMA_CMD_COUNT);
		if (fake.hold[opcode])
			continue;
		fake.seen[opcode]++;
		memcpy(fake.last[opcode], q->posted[i].req, 128);
		fake_answer(i, fake.status[opcode]);
		return true;
	}
	return false;
}

static void fake_run(void)
{
	do {
		fake_deliver();
	} while (fake_answer_next() || fake.q[0].num_used || fake.num_work);
}

__attribute__((unused)) static void
fake_event(const struct virtio_rdma_event *ev)
{
	struct fake_chain c = fake_take(VIRTIO_RDMA_VQ_EVENT, 0);

	memcpy(c.rsp, ev, sizeof(*ev));
	fake_use(VIRTIO_RDMA_VQ_EVENT, c, sizeof(*ev));
	fake_deliver();
}

__attribute__((unused)) static void fake_cq_event(uint64_t cookie, uint32_t cq)
{
	struct virtio_rdma_cq_event ev = { .cookie = vr_to_le64(cookie),
					   .cq = vr_to_le32(cq) };
	struct fake_chain c = fake_take(VIRTIO_RDMA_VQ_CEQ(0), 0);

	memcpy(c.rsp, &ev, sizeof(ev));
	fake_use(VIRTIO_RDMA_VQ_CEQ(0), c, sizeof(ev));
	fake_deliver();
}

/* --- life ------------------------------------------------------------------------ */

static void fake_config(void)
{
	struct virtio_rdma_config *c = &fake.cfg;

	c->abi_version = vr_to_le32(VIRTIO_RDMA_ABI_VERSION);
	c->num_ceq = vr_to_le16(1);
	c->num_wakeq = vr_to_le16(2);
	c->max_context = vr_to_le32(16);
	c->max_cq_depth = vr_to_le32(1024);
	c->max_send_depth = vr_to_le32(256);
	c->max_recv_depth = vr_to_le32(256);
	c->max_send_sge = vr_to_le32(4);
	c->max_recv_sge = vr_to_le32(4);
	c->max_read_sge = vr_to_le32(2);
	c->max_inline = vr_to_le32(128);
	c->max_transfer = vr_to_le32(1u << 30);
	c->max_caller_data = vr_to_le32(56);
	c->max_callee_data = vr_to_le32(148);
	c->max_mr_size = vr_to_le64(1ull << 40);
	c->max_mw = vr_to_le32(16);
	c->max_srq = vr_to_le32(16);
	c->max_srq_depth = vr_to_le32(300);
	c->max_frmr_pages = vr_to_le32(8);
	c->adapter_flags = vr_to_le32(0x12);
}

static void fake_start_with(uint32_t features)
{
	memset(&fake, 0, sizeof(fake));
	fake.features = features;
	fake.fail_alloc_after = -1;
	fake.queue_room = FAKE_CHAINS;
	fake_config();
	ck_assert_int_eq(vrdma_core_create(&fake_ops, NULL, &fake.core), 0);
	ck_assert_int_eq(vrdma_core_start(fake.core), 0);
}

__attribute__((unused)) static void fake_start(void)
{
	fake_start_with(0);
}

/* What a shell does when the device died */
static void fake_lose(void)
{
	uint32_t i;

	for (i = 0; i < FAKE_QUEUES; i++)
		fake.q[i].num_posted = fake.q[i].num_used = 0;
	vrdma_core_device_lost(fake.core);
	while (fake.num_work) {
		struct vrdma_work *w = fake.work[--fake.num_work];

		w->fn(w->arg);
	}
}

/* Nothing may be left */
static void fake_end(void)
{
	fake_lose();
	ck_assert_uint_eq(vrdma_core_object_count(fake.core), 0);
	vrdma_core_destroy(fake.core);
	ck_assert_int_eq(fake.allocs, 0);
	ck_assert_int_eq(fake.dmas, 0);
}

/* --- a consumer -------------------------------------------------------------------- */

/* One asynchronous call */
struct call {
	int calls;
	NTSTATUS status;
	NDK_OBJECT_HEADER *object;
};

__attribute__((unused)) static VOID on_create(PVOID ctx, NTSTATUS status,
					      NDK_OBJECT_HEADER *object)
{
	struct call *c = ctx;

	ck_assert_msg(!fake.locked, "callback with the lock held");
	c->calls++;
	c->status = status;
	c->object = object;
}

__attribute__((unused)) static VOID on_request(PVOID ctx, NTSTATUS status)
{
	struct call *c = ctx;

	ck_assert_msg(!fake.locked, "callback with the lock held");
	c->calls++;
	c->status = status;
}

__attribute__((unused)) static VOID on_close(PVOID ctx)
{
	struct call *c = ctx;

	ck_assert_msg(!fake.locked, "callback with the lock held");
	c->calls++;
}

__attribute__((unused)) static VOID on_event_ex(PVOID ctx, ULONG reason)
{
	struct call *c = ctx;

	ck_assert_msg(!fake.locked, "callback with the lock held");
	c->calls++;
	c->status = (NTSTATUS)reason;
}

__attribute__((unused)) static NDK_ADAPTER *open_adapter(uint32_t flags)
{
	NDK_VERSION v = { 2, 1 };
	NDK_ADAPTER *a = NULL;

	ck_assert_int_eq(vrdma_open_adapter(fake.core, v, flags, &a),
			 STATUS_SUCCESS);
	return a;
}

__attribute__((unused)) static NDK_PD *make_pd(NDK_ADAPTER *a)
{
	struct call c = { 0 };

	ck_assert_int_eq(a->Dispatch->NdkCreatePd(a, on_create, &c, NULL),
			 STATUS_PENDING);
	fake_run();
	ck_assert_int_eq(c.calls, 1);
	ck_assert_int_eq(c.status, STATUS_SUCCESS);
	return (NDK_PD *)(void *)c.object;
}

__attribute__((unused)) static NDK_CQ *
make_cq(NDK_ADAPTER *a, uint32_t depth, NDK_FN_CQ_NOTIFICATION_CALLBACK *fn,
	void *ctx)
{
	struct call c = { 0 };

	ck_assert_int_eq(a->Dispatch->NdkCreateCq(a, depth, fn, ctx, NULL,
						  on_create, &c, NULL),
			 STATUS_PENDING);
	fake_run();
	ck_assert_int_eq(c.status, STATUS_SUCCESS);
	return (NDK_CQ *)(void *)c.object;
}

__attribute__((unused)) static NDK_QP *make_qp(NDK_PD *pd, NDK_CQ *cq,
					       uint32_t depth)
{
	struct call c = { 0 };

	ck_assert_int_eq(pd->Dispatch->NdkCreateQp(pd, cq, cq, (void *)0x77,
						   depth, depth, 2, 4, 64,
						   on_create, &c, NULL),
			 STATUS_PENDING);
	fake_run();
	ck_assert_int_eq(c.status, STATUS_SUCCESS);
	return (NDK_QP *)(void *)c.object;
}

__attribute__((unused)) static NDK_CONNECTOR *make_connector(NDK_ADAPTER *a)
{
	struct call c = { 0 };

	ck_assert_int_eq(a->Dispatch->NdkCreateConnector(a, on_create, &c,
							 NULL),
			 STATUS_PENDING);
	fake_run();
	ck_assert_int_eq(c.status, STATUS_SUCCESS);
	return (NDK_CONNECTOR *)(void *)c.object;
}

__attribute__((unused)) static struct vrc_obj *obj_of(void *ndk)
{
	return ndk;
}

/* Close and see that it ends */
__attribute__((unused)) static void close_now(void *ndk)
{
	struct call c = { 0 };
	NTSTATUS st = vrc_obj_close(ndk, on_close, &c);

	fake_run();
	ck_assert_int_eq(c.calls, st == STATUS_PENDING ? 1 : 0);
}

#endif /* CORE_FAKE_H */
