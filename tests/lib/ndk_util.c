// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * ndk_util.c - calls that wait, memory, addresses, listeners
 */
#include <arpa/inet.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "ndk_util.h"
#include "pattern.h"
#include "vrdmad.h"

static struct timespec in_ms(uint32_t ms)
{
	struct timespec t;

	clock_gettime(CLOCK_REALTIME, &t);
	t.tv_sec += ms / 1000;
	t.tv_nsec += (long)(ms % 1000) * 1000000;
	if (t.tv_nsec >= 1000000000) {
		t.tv_sec++;
		t.tv_nsec -= 1000000000;
	}
	return t;
}

/* --- asynchronous calls --------------------------------------------------- */

void op_init(struct op *op)
{
	memset(op, 0, sizeof(*op));
	pthread_mutex_init(&op->lock, NULL);
	pthread_cond_init(&op->cond, NULL);
}

static void op_finish(struct op *op, NTSTATUS status, NDK_OBJECT_HEADER *obj)
{
	pthread_mutex_lock(&op->lock);
	ck_assert_msg(!op->done, "a request completed twice");
	op->done = true;
	op->status = status;
	op->object = obj;
	pthread_cond_broadcast(&op->cond);
	pthread_mutex_unlock(&op->lock);
}

void op_created(PVOID ctx, NTSTATUS status, NDK_OBJECT_HEADER *obj)
{
	op_finish(ctx, status, obj);
}

void op_ended(PVOID ctx, NTSTATUS status)
{
	op_finish(ctx, status, NULL);
}

void op_closed(PVOID ctx)
{
	op_finish(ctx, STATUS_SUCCESS, NULL);
}

bool op_wait_ms(struct op *op, uint32_t ms)
{
	struct timespec t = in_ms(ms);
	bool done;

	pthread_mutex_lock(&op->lock);
	while (!op->done && !pthread_cond_timedwait(&op->cond, &op->lock, &t))
		;
	done = op->done;
	pthread_mutex_unlock(&op->lock);
	return done;
}

NTSTATUS op_wait(struct op *op, NTSTATUS inline_status)
{
	if (inline_status != STATUS_PENDING)
		return inline_status;
	ck_assert_msg(op_wait_ms(op, TEST_TIMEOUT_MS),
		      "a request did not complete in %d ms", TEST_TIMEOUT_MS);
	return op->status;
}

bool wait_count(const _Atomic uint32_t *counter, uint32_t n, uint32_t ms)
{
	for (uint32_t t = 0; t <= ms; t++) {
		if (*counter >= n)
			return true;
		poll(NULL, 0, 1);
	}
	return false;
}

/* --- objects ---------------------------------------------------------------- */

NTSTATUS nd_close_start(void *object, struct op *op)
{
	NDK_ADAPTER *any = object;	/* header and dispatch are at one place */
	NDK_FN_CLOSE_OBJECT *const *dispatch = (void *)any->Dispatch;

	return dispatch[0](&any->Header, op_closed, op);
}

void nd_close(void *object)
{
	struct op op;

	op_init(&op);
	assert_status(op_wait(&op, nd_close_start(object, &op)), STATUS_SUCCESS);
}

NDK_ADAPTER *nd_open(struct tguest *g)
{
	NDK_VERSION v = { VRDMA_NDK_MAJOR, 1 };
	NDK_ADAPTER *a = NULL;

	assert_status(vrdma_open_adapter(tguest_core(g), v, 0, &a),
		      STATUS_SUCCESS);
	return a;
}

NDK_ADAPTER_INFO nd_info(NDK_ADAPTER *a)
{
	NDK_ADAPTER_INFO info;
	ULONG size = sizeof(info);

	assert_status(a->Dispatch->NdkQueryAdapterInfo(a, &info, &size),
		      STATUS_SUCCESS);
	return info;
}

/* The object of a creation that succeeded, in whichever of the two ways */
static void *created(struct op *op, NTSTATUS st, void *inline_object)
{
	assert_status(op_wait(op, st), STATUS_SUCCESS);
	return st == STATUS_PENDING ? (void *)op->object : inline_object;
}

NDK_CQ *nd_cq(NDK_ADAPTER *a, uint32_t depth,
	      NDK_FN_CQ_NOTIFICATION_CALLBACK *cb, PVOID ctx)
{
	NDK_CQ *cq = NULL;
	struct op op;

	op_init(&op);
	NTSTATUS st = a->Dispatch->NdkCreateCq(a, depth, cb, ctx, NULL,
					       op_created, &op, &cq);

	return created(&op, st, cq);
}

NDK_PD *nd_pd(NDK_ADAPTER *a)
{
	NDK_PD *pd = NULL;
	struct op op;

	op_init(&op);
	NTSTATUS st = a->Dispatch->NdkCreatePd(a, op_created, &op, &pd);

	return created(&op, st, pd);
}

NDK_SRQ *nd_srq(NDK_PD *pd, uint32_t depth, uint32_t threshold,
		NDK_FN_SRQ_NOTIFICATION_CALLBACK *cb, PVOID ctx)
{
	NDK_SRQ *srq = NULL;
	struct op op;

	op_init(&op);
	NTSTATUS st = pd->Dispatch->NdkCreateSrq(pd, depth, 4, threshold, cb,
						 ctx, NULL, op_created, &op,
						 &srq);

	return created(&op, st, srq);
}

NDK_CONNECTOR *nd_connector(NDK_ADAPTER *a)
{
	NDK_CONNECTOR *c = NULL;
	struct op op;

	op_init(&op);
	NTSTATUS st = a->Dispatch->NdkCreateConnector(a, op_created, &op, &c);

	return created(&op, st, c);
}

NDK_MW *nd_mw(NDK_PD *pd)
{
	NDK_MW *mw = NULL;
	struct op op;

	op_init(&op);
	NTSTATUS st = pd->Dispatch->NdkCreateMw(pd, op_created, &op, &mw);

	return created(&op, st, mw);
}

/* --- memory ------------------------------------------------------------------ */

static NDK_MR *new_mr(NDK_PD *pd)
{
	NDK_MR *mr = NULL;
	struct op op;

	op_init(&op);
	NTSTATUS st = pd->Dispatch->NdkCreateMr(pd, FALSE, op_created, &op, &mr);

	return created(&op, st, mr);
}

void mem_init(struct mem *m, struct tguest *g, NDK_PD *pd, size_t size,
	      uint32_t flags)
{
	struct op op;
	NTSTATUS st;

	memset(m, 0, sizeof(*m));
	m->g = g;
	m->size = size;
	ck_assert_int_eq(tguest_ops()->dma_alloc(g, (uint32_t)((size + 4095) /
							       4096), &m->dma), 0);
	m->va = m->dma.va;
	m->mdl = (MDL){ .va = (uintptr_t)m->va, .length = size,
			.pages = m->dma.pages };
	m->mr = new_mr(pd);
	op_init(&op);
	st = m->mr->Dispatch->NdkRegisterMr(m->mr, &m->mdl, size, flags,
					    op_ended, &op);
	assert_status(op_wait(&op, st), STATUS_SUCCESS);
	m->local = m->mr->Dispatch->NdkGetLocalTokenFromMr(m->mr);
	m->remote = m->mr->Dispatch->NdkGetRemoteTokenFromMr(m->mr);
}

void mem_fini(struct mem *m)
{
	struct op op;
	NTSTATUS st;

	op_init(&op);
	st = m->mr->Dispatch->NdkDeregisterMr(m->mr, op_ended, &op);
	op_wait(&op, st);
	nd_close(m->mr);
	tguest_ops()->dma_free(m->g, &m->dma);
}

void mem_fill(struct mem *m, uint32_t seed)
{
	pattern_fill(m->va, m->size, seed);
}

int64_t mem_check(const void *p, size_t len, uint32_t seed, size_t start)
{
	return pattern_check(p, len, seed, start);
}

bool mem_is(const void *p, size_t len, uint8_t v)
{
	const uint8_t *b = p;

	return !len || (b[0] == v && !memcmp(b, b + 1, len - 1));
}

/* --- addresses ------------------------------------------------------------------ */

struct sa sa_v4(int guest, uint16_t port)
{
	const uint8_t ip[] = DAEMON_IPV4(guest);
	struct sa a = { .len = sizeof(a.in) };

	a.in.sin_family = AF_INET;
	a.in.sin_port = htons(port);
	memcpy(&a.in.sin_addr, ip, sizeof(ip));
	return a;
}

struct sa sa_v6(int guest, uint16_t port)
{
	const uint8_t ip[] = DAEMON_IPV6(guest);
	struct sa a = { .len = sizeof(a.in6) };

	a.in6.sin6_family = AF_INET6;
	a.in6.sin6_port = htons(port);
	memcpy(&a.in6.sin6_addr, ip, sizeof(ip));
	return a;
}

uint16_t sa_port(const struct sa *sa)
{
	return ntohs(sa->in.sin_port);	/* at the same place in both families */
}

/* --- listeners -------------------------------------------------------------------- */

static void on_request(PVOID ctx, NDK_CONNECTOR *c)
{
	struct listener *l = ctx;

	if (l->on_request) {
		l->on_request(l, c);
		return;
	}
	pthread_mutex_lock(&l->lock);
	l->queue[l->tail++ % LISTENER_QUEUE] = c;
	pthread_cond_broadcast(&l->cond);
	pthread_mutex_unlock(&l->lock);
}

void listener_create(struct listener *l, NDK_ADAPTER *a)
{
	struct op op;
	NTSTATUS st;

	memset(l, 0, sizeof(*l));
	pthread_mutex_init(&l->lock, NULL);
	pthread_cond_init(&l->cond, NULL);
	op_init(&op);
	st = a->Dispatch->NdkCreateListener(a, on_request, l, op_created, &op,
					    &l->obj);
	l->obj = created(&op, st, l->obj);
}

NTSTATUS listener_try(struct listener *l, NDK_ADAPTER *a, struct sa addr)
{
	struct op op;
	NTSTATUS st;

	listener_create(l, a);
	op_init(&op);
	st = op_wait(&op, l->obj->Dispatch->NdkListen(l->obj, &addr.sa, addr.len,
						      op_ended, &op));
	if (st != STATUS_SUCCESS) {
		nd_close(l->obj);
		return st;
	}
	l->addr.len = sizeof(l->addr.in6);
	assert_status(l->obj->Dispatch->NdkGetLocalAddress(l->obj, &l->addr.sa,
							   &l->addr.len),
		      STATUS_SUCCESS);
	return STATUS_SUCCESS;
}

void listener_start(struct listener *l, NDK_ADAPTER *a, struct sa addr)
{
	assert_status(listener_try(l, a, addr), STATUS_SUCCESS);
}

NDK_CONNECTOR *listener_next(struct listener *l)
{
	struct timespec t = in_ms(TEST_TIMEOUT_MS);
	NDK_CONNECTOR *c = NULL;

	pthread_mutex_lock(&l->lock);
	while (l->head == l->tail &&
	       !pthread_cond_timedwait(&l->cond, &l->lock, &t))
		;
	if (l->head != l->tail)
		c = l->queue[l->head++ % LISTENER_QUEUE];
	pthread_mutex_unlock(&l->lock);
	ck_assert_msg(c != NULL, "no connection request came");
	return c;
}

void listener_stop(struct listener *l)
{
	nd_close(l->obj);
}
