// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * test_fast.c - fast registration: memory that a request names and another takes
 * away, by every way in which it can end
 */
#include <string.h>

#include "fixture.h"

#define PAGE 4096u
#define TAKES_BY_READ NDK_ADAPTER_FLAG_RDMA_READ_LOCAL_INVALIDATE_SUPPORTED

/* A fast-register region of e, and guest memory of its own for it */
struct fast {
	struct ep *e;
	NDK_MR *mr;
	struct vrdma_dma dma;
	uint8_t *va;
	uint32_t pages;
};

static NDK_MR *new_mr(NDK_PD *pd)
{
	NDK_MR *mr = NULL;
	struct op op;
	NTSTATUS st;

	op_init(&op);
	st = pd->Dispatch->NdkCreateMr(pd, TRUE, op_created, &op, &mr);
	assert_status(op_wait(&op, st), STATUS_SUCCESS);
	return st == STATUS_PENDING ? (NDK_MR *)op.object : mr;
}

static NTSTATUS initialize(NDK_MR *mr, uint32_t pages, bool remote)
{
	struct op op;

	op_init(&op);
	return op_wait(&op, mr->Dispatch->NdkInitializeFastRegisterMr(
				    mr, pages, remote, op_ended, &op));
}

static void fast_open(struct fast *f, struct ep *e, uint32_t pages, bool remote)
{
	f->e = e;
	f->pages = pages;
	ck_assert_int_eq(tguest_ops()->dma_alloc(e->g, pages, &f->dma), 0);
	f->va = f->dma.va;
	f->mr = new_mr(e->pd);
	assert_status(initialize(f->mr, pages, remote), STATUS_SUCCESS);
}

static void fast_close(struct fast *f)
{
	if (f->mr)
		nd_close(f->mr);
	tguest_ops()->dma_free(f->e->g, &f->dma);
}

/* Memory from byte at on; it answers to the address of its place in va */
static NTSTATUS post_fast(struct fast *f, struct ep *by, uint64_t id, size_t at,
			  size_t length, ULONG flags)
{
	NDK_LOGICAL_ADDRESS list[512];
	size_t first = at / PAGE, end = (at + length + PAGE - 1) / PAGE;

	for (size_t i = first; i < end; i++)
		list[i - first].QuadPart = (int64_t)f->dma.pages[i];
	return by->qp->Dispatch->NdkFastRegister(
		by->qp, ID(id), f->mr, (ULONG)(end - first), list, at % PAGE,
		length, f->va + at, flags);
}

#define LOCAL NDK_OP_FLAG_ALLOW_LOCAL_WRITE
#define ALL   (NDK_OP_FLAG_ALLOW_REMOTE_READ | NDK_OP_FLAG_ALLOW_REMOTE_WRITE)

static void end_well(struct ep *e, NTSTATUS posted, NDK_OPERATION_TYPE type)
{
	NDK_RESULT_EX r;

	assert_status(posted, STATUS_SUCCESS);
	r = ep_next(e);
	assert_status(r.Status, STATUS_SUCCESS);
	ck_assert_int_eq(r.Type, type);
}

static void register_all(struct fast *f, ULONG flags)
{
	end_well(f->e, post_fast(f, f->e, 77, 0, (size_t)f->pages * PAGE, flags),
		 NdkOperationTypeFastRegister);
}

static NTSTATUS post_invalidate(struct fast *f, struct ep *by, uint64_t id)
{
	return by->qp->Dispatch->NdkInvalidate(by->qp, ID(id), &f->mr->Header,
					       0);
}

static void invalidate(struct fast *f)
{
	end_well(f->e, post_invalidate(f, f->e, 78),
		 NdkOperationTypeInvalidate);
}

static UINT32 remote_of(struct fast *f)
{
	return f->mr->Dispatch->NdkGetRemoteTokenFromMr(f->mr);
}

/* The peer's transfers, to or from the beginning of its own memory */
static NTSTATUS write_to(struct ep *a, struct fast *f, UINT32 token, size_t at,
			 uint32_t len)
{
	NDK_SGE s = ep_sge(a, 0, len);

	assert_status(a->qp->Dispatch->NdkWrite(a->qp, ID(5), &s, 1,
						(uintptr_t)f->va + at, token,
						0), STATUS_SUCCESS);
	return ep_next(a).Status;
}

static NTSTATUS read_from(struct ep *a, struct fast *f, UINT32 token, size_t at,
			  uint32_t len)
{
	NDK_SGE s = ep_sge(a, 0, len);

	assert_status(a->qp->Dispatch->NdkRead(a->qp, ID(6), &s, 1,
					       (uintptr_t)f->va + at, token, 0),
		      STATUS_SUCCESS);
	return ep_next(a).Status;
}

struct scene {
	struct pair p;
	struct fast f;		/* b's */
};

static void scene_open(struct scene *s, uint32_t pages, bool remote)
{
	struct ep_opts o = {.mem = (size_t)pages * PAGE};

	pair_open(&s->p, 0, 1, &o);
	mem_fill(&s->p.a.mem, 3);
	fast_open(&s->f, &s->p.b, pages, remote);
}

static void scene_close(struct scene *s)
{
	fast_close(&s->f);
	pair_close(&s->p);
}

static void scene_end(struct scene *s)
{
	ep_disconnect_both(&s->p.a, &s->p.b);
	ck_assert(ep_idle(&s->p.a));
	ck_assert(ep_idle(&s->p.b));
	scene_close(s);
}

/* --- what it gives ---------------------------------------------------------- */

START_TEST(offered)
{
	NDK_ADAPTER_INFO info;
	NDK_ADAPTER *a = nd_open(fx.g[0]);
	NDK_PD *pd = nd_pd(a);
	NDK_MR *mr = new_mr(pd);

	info = nd_info(a);
	ck_assert_uint_eq(info.FRMRPageCount, 512);
	ck_assert_uint_ne(info.AdapterFlags & TAKES_BY_READ, 0);
	assert_status(initialize(mr, 513, false), STATUS_IMPLEMENTATION_LIMIT);
	assert_status(initialize(mr, 0, false), STATUS_INVALID_PARAMETER);
	assert_status(initialize(mr, 512, false), STATUS_SUCCESS);
	assert_status(initialize(mr, 1, false), STATUS_INVALID_DEVICE_STATE);
	ck_assert_uint_ne(mr->Dispatch->NdkGetLocalTokenFromMr(mr), 0);
	nd_close(mr);
	nd_close(pd);
	vrdma_close_adapter(a);
}
END_TEST

/* All of it, in scattered pages, and back */
START_TEST(write_and_read_through)
{
	static const uint32_t pages[] = {1, 2, 17, 512};
	uint32_t n = pages[_i], bytes = n * PAGE;
	struct scene s;

	scene_open(&s, n, true);
	register_all(&s.f, ALL);
	assert_status(write_to(&s.p.a, &s.f, remote_of(&s.f), 0, bytes),
		      STATUS_SUCCESS);
	ck_assert_int_eq(mem_check(s.f.va, bytes, 3, 0), -1);
	memset(s.p.a.mem.va, 0, bytes);
	assert_status(read_from(&s.p.a, &s.f, remote_of(&s.f), 0, bytes),
		      STATUS_SUCCESS);
	ck_assert_int_eq(mem_check(s.p.a.mem.va, bytes, 3, 0), -1);
	invalidate(&s.f);
	scene_end(&s);
}
END_TEST

/* A part that begins and ends within pages: not one byte beside it */
START_TEST(part_of_the_pages)
{
	enum { PAGES = 4, AT = PAGE + 100, LENGTH = PAGE + 7 };
	struct scene s;

	scene_open(&s, PAGES, true);
	memset(s.f.va, 0xaa, PAGES * PAGE);
	end_well(&s.p.b, post_fast(&s.f, &s.p.b, 1, AT, LENGTH, ALL),
		 NdkOperationTypeFastRegister);
	assert_status(write_to(&s.p.a, &s.f, remote_of(&s.f), AT, LENGTH),
		      STATUS_SUCCESS);
	ck_assert(mem_is(s.f.va, AT, 0xaa));
	ck_assert_int_eq(mem_check(s.f.va + AT, LENGTH, 3, 0), -1);
	ck_assert(mem_is(s.f.va + AT + LENGTH, PAGES * PAGE - AT - LENGTH,
			 0xaa));
	assert_status(write_to(&s.p.a, &s.f, remote_of(&s.f), AT + 1, LENGTH),
		      STATUS_ACCESS_VIOLATION);
	ck_assert_int_eq(mem_check(s.f.va + AT, LENGTH, 3, 0), -1);
	scene_close(&s);
}
END_TEST

/* Its local token serves this side: a send from it, a receive into it, a read
 * into it; posted behind the registration without waiting for that */
START_TEST(local_use)
{
	enum { LEN = 2 * PAGE };
	struct scene s;
	UINT32 local;
	NDK_SGE sge;

	scene_open(&s, 2, false);
	local = s.f.mr->Dispatch->NdkGetLocalTokenFromMr(s.f.mr);
	sge = (NDK_SGE){.VirtualAddress = s.f.va, .Length = LEN,
			.MemoryRegionToken = local};
	ck_assert_uint_eq(remote_of(&s.f), 0);
	assert_status(post_fast(&s.f, &s.p.b, 1, 0, LEN, LOCAL),
		      STATUS_SUCCESS);
	assert_status(s.p.b.qp->Dispatch->NdkRead(
			      s.p.b.qp, ID(2), &sge, 1,
			      (uintptr_t)s.p.a.mem.va, s.p.a.mem.remote, 0),
		      STATUS_SUCCESS);
	assert_status(ep_next(&s.p.b).Status, STATUS_SUCCESS);
	assert_status(ep_next(&s.p.b).Status, STATUS_SUCCESS);
	ck_assert_int_eq(mem_check(s.f.va, LEN, 3, 0), -1);
	memset(s.f.va, 0, LEN);
	assert_status(s.p.b.qp->Dispatch->NdkReceive(s.p.b.qp, ID(3), &sge, 1),
		      STATUS_SUCCESS);
	assert_status(ep_post_send(&s.p.a, 4, 0, LEN, 0), STATUS_SUCCESS);
	assert_status(ep_next(&s.p.a).Status, STATUS_SUCCESS);
	assert_status(ep_next(&s.p.b).Status, STATUS_SUCCESS);
	ck_assert_int_eq(mem_check(s.f.va, LEN, 3, 0), -1);
	assert_status(ep_post_recv(&s.p.a, 5, 0, LEN), STATUS_SUCCESS);
	mem_fill(&s.p.a.mem, 99);
	assert_status(s.p.b.qp->Dispatch->NdkSend(s.p.b.qp, ID(6), &sge, 1, 0),
		      STATUS_SUCCESS);
	assert_status(ep_next(&s.p.b).Status, STATUS_SUCCESS);
	assert_status(ep_next(&s.p.a).Status, STATUS_SUCCESS);
	ck_assert_int_eq(mem_check(s.p.a.mem.va, LEN, 3, 0), -1);
	invalidate(&s.f);
	/* and then none */
	assert_status(s.p.b.qp->Dispatch->NdkSend(s.p.b.qp, ID(7), &sge, 1, 0),
		      STATUS_SUCCESS);
	assert_status(ep_next(&s.p.b).Status, STATUS_ACCESS_VIOLATION);
	scene_close(&s);
}
END_TEST

/* --- what it does not ----------------------------------------------------------- */

static const struct {
	ULONG flags;
	bool read, write;
} rights[] = {
	{0, false, false},
	{LOCAL, false, false},
	{NDK_OP_FLAG_ALLOW_REMOTE_READ, true, false},
	{NDK_OP_FLAG_ALLOW_REMOTE_READ | LOCAL, true, false},
	{NDK_OP_FLAG_ALLOW_REMOTE_WRITE, false, true},
	{ALL | NDK_OP_FLAG_RDMA_READ_SINK, true, true},
};
#define RIGHTS (int)(sizeof(rights) / sizeof(rights[0]))

/* The peer has the rights of the request and no other; the first half of the
 * rows asks for the one, the second for the other */
START_TEST(rights_of_the_peer)
{
	int i = _i % RIGHTS;
	bool writes = _i >= RIGHTS;
	bool may = writes ? rights[i].write : rights[i].read;
	struct scene s;
	NTSTATUS st;

	scene_open(&s, 1, true);
	memset(s.f.va, 0x11, PAGE);
	register_all(&s.f, rights[i].flags);
	st = writes ? write_to(&s.p.a, &s.f, remote_of(&s.f), 0, PAGE)
		    : read_from(&s.p.a, &s.f, remote_of(&s.f), 0, PAGE);
	assert_status(st, may ? STATUS_SUCCESS : STATUS_ACCESS_VIOLATION);
	if (!writes || !may)
		ck_assert(mem_is(s.f.va, PAGE, 0x11));
	scene_close(&s);
}
END_TEST

/* A remote right for a region that was not made for it; nonsense: refused at
 * once, and nothing is posted */
START_TEST(refused_at_once)
{
	NDK_LOGICAL_ADDRESS list[3] = {{0}};
	const NDK_QP_DISPATCH *d;
	struct scene s;
	uint8_t *va;

	scene_open(&s, 2, false);
	d = s.p.b.qp->Dispatch;
	va = s.f.va;
	assert_status(post_fast(&s.f, &s.p.b, 1, 0, PAGE, ALL),
		      STATUS_ACCESS_VIOLATION);
	list[0].QuadPart = (int64_t)s.f.dma.pages[0];
	list[1].QuadPart = (int64_t)s.f.dma.pages[1];
#define TRY(n, pages, fbo, length, at, flags) \
	d->NdkFastRegister(s.p.b.qp, ID(1), s.f.mr, n, pages, fbo, length, at, \
			   flags)
	assert_status(TRY(3, list, 0, PAGE, va, LOCAL),
		      STATUS_INVALID_PARAMETER);	/* more than it has */
	assert_status(TRY(0, list, 0, PAGE, va, LOCAL),
		      STATUS_INVALID_PARAMETER);
	assert_status(TRY(1, NULL, 0, PAGE, va, LOCAL),
		      STATUS_INVALID_PARAMETER);
	assert_status(TRY(1, list, 0, 0, va, LOCAL), STATUS_INVALID_PARAMETER);
	assert_status(TRY(1, list, 0, PAGE + 1, va, LOCAL),
		      STATUS_INVALID_PARAMETER);	/* than the pages */
	assert_status(TRY(1, list, 8, PAGE - 8, va, LOCAL),
		      STATUS_INVALID_PARAMETER);	/* not the address */
	assert_status(TRY(1, list, PAGE, 1, va, LOCAL),
		      STATUS_INVALID_PARAMETER);
	assert_status(TRY(1, list, 0, PAGE, va, 0x20),
		      STATUS_INVALID_PARAMETER);	/* half a right */
	assert_status(TRY(1, list, 0, PAGE, va, NDK_OP_FLAG_INLINE),
		      STATUS_INVALID_PARAMETER);
	list[0].QuadPart += 8;
	assert_status(TRY(1, list, 0, PAGE, va, LOCAL),
		      STATUS_INVALID_PARAMETER);
	/* the other kind of region */
	assert_status(d->NdkFastRegister(s.p.b.qp, ID(1), s.p.b.mem.mr, 1, list,
					 0, PAGE, va, LOCAL),
		      STATUS_INVALID_PARAMETER);
	assert_status(d->NdkInvalidate(s.p.b.qp, ID(1),
				       &s.p.b.mem.mr->Header, 0),
		      STATUS_INVALID_PARAMETER);
	register_all(&s.f, LOCAL);
	scene_end(&s);
}
END_TEST

/* Pages that the guest does not have: the request fails, and its connection */
START_TEST(no_such_page)
{
	NDK_LOGICAL_ADDRESS list[1] = {{.QuadPart = 1ll << 46}};
	struct scene s;

	scene_open(&s, 1, true);
	assert_status(s.p.b.qp->Dispatch->NdkFastRegister(
			      s.p.b.qp, ID(1), s.f.mr, 1, list, 0, PAGE, s.f.va,
			      ALL), STATUS_SUCCESS);
	assert_status(ep_next(&s.p.b).Status, STATUS_ACCESS_VIOLATION);
	ck_assert(wait_count(&s.p.b.indications, 1, TEST_TIMEOUT_MS));
	scene_close(&s);
}
END_TEST

/* --- how it ends ------------------------------------------------------------------ */

/* By this side: the peer has no access, and the next registration is another's */
START_TEST(until_invalidated)
{
	struct scene s;
	UINT32 first;

	scene_open(&s, 1, true);
	register_all(&s.f, ALL);
	first = remote_of(&s.f);
	assert_status(write_to(&s.p.a, &s.f, first, 0, PAGE), STATUS_SUCCESS);
	invalidate(&s.f);
	memset(s.f.va, 0x22, PAGE);
	if (_i) {	/* whoever kept the token has none */
		register_all(&s.f, ALL);
		ck_assert_uint_ne(remote_of(&s.f), first);
	}
	assert_status(write_to(&s.p.a, &s.f, first, 0, PAGE),
		      STATUS_ACCESS_VIOLATION);
	ck_assert(mem_is(s.f.va, PAGE, 0x22));
	scene_close(&s);
}
END_TEST

/* By the peer, whose message says so */
START_TEST(invalidated_by_the_peer)
{
	struct scene s;
	NDK_RESULT_EX r;
	UINT32 token;
	NDK_SGE sge;

	scene_open(&s, 1, true);
	sge = ep_sge(&s.p.a, 0, 8);
	register_all(&s.f, ALL);
	token = remote_of(&s.f);
	assert_status(ep_post_recv(&s.p.b, 9, 0, 64), STATUS_SUCCESS);
	assert_status(s.p.a.qp->Dispatch->NdkSendAndInvalidate(
			      s.p.a.qp, ID(1), &sge, 1, 0, token),
		      STATUS_SUCCESS);
	assert_status(ep_next(&s.p.a).Status, STATUS_SUCCESS);
	r = ep_next(&s.p.b);
	assert_status(r.Status, STATUS_SUCCESS);
	ck_assert_int_eq(r.Type, NdkOperationTypeReceiveAndInvalidate);
	ck_assert_uint_eq(r.TypeSpecificCompletionOutput, token);
	/* free for the next one */
	register_all(&s.f, ALL);
	assert_status(write_to(&s.p.a, &s.f, remote_of(&s.f), 0, PAGE),
		      STATUS_SUCCESS);
	assert_status(write_to(&s.p.a, &s.f, token, 0, PAGE),
		      STATUS_ACCESS_VIOLATION);
	scene_close(&s);
}
END_TEST

/* What has memory gets no other; what has none gives none */
START_TEST(twice)
{
	struct scene s;

	scene_open(&s, 1, true);
	register_all(&s.f, ALL);
	if (_i) {
		invalidate(&s.f);
		assert_status(post_invalidate(&s.f, &s.p.b, 2),
			      STATUS_SUCCESS);
	} else {
		assert_status(post_fast(&s.f, &s.p.b, 2, 0, PAGE, ALL),
			      STATUS_SUCCESS);
	}
	assert_status(ep_next(&s.p.b).Status, STATUS_ACCESS_VIOLATION);
	scene_close(&s);
}
END_TEST

/* Chains of registration, transfer and invalidation without a wait in between,
 * each time other pages and other bytes; the keys come round more than once */
START_TEST(many_times)
{
	enum { TIMES = 600, PAGES = 8 };
	NDK_SGE sge = {.Length = PAGE};
	struct scene s;

	scene_open(&s, PAGES, true);
	sge.MemoryRegionToken = s.f.mr->Dispatch->NdkGetLocalTokenFromMr(
		s.f.mr);
	for (uint32_t i = 0; i < TIMES; i++) {
		size_t at = i % (PAGES - 1) * PAGE + i % 50;

		mem_fill(&s.p.a.mem, i);
		sge.VirtualAddress = s.f.va + at;
		assert_status(post_fast(&s.f, &s.p.b, 1, at, PAGE, LOCAL),
			      STATUS_SUCCESS);
		assert_status(s.p.b.qp->Dispatch->NdkRead(
				      s.p.b.qp, ID(2), &sge, 1,
				      (uintptr_t)s.p.a.mem.va,
				      s.p.a.mem.remote, 0), STATUS_SUCCESS);
		assert_status(s.p.b.qp->Dispatch->NdkInvalidate(
				      s.p.b.qp, ID(3), &s.f.mr->Header,
				      NDK_OP_FLAG_READ_FENCE), STATUS_SUCCESS);
		for (uintptr_t id = 1; id <= 3; id++) {
			NDK_RESULT_EX r = ep_next(&s.p.b);

			assert_status(r.Status, STATUS_SUCCESS);
			ck_assert_ptr_eq(r.RequestContext, ID(id));
		}
		ck_assert_int_eq(mem_check(s.f.va + at, PAGE, i, 0), -1);
	}
	scene_end(&s);
}
END_TEST

/* Silent requests make no completion; of a chain all but the last */
START_TEST(silent)
{
	struct scene s;
	NDK_RESULT_EX r;

	scene_open(&s, 1, true);
	for (int i = 0; i < 10; i++) {
		assert_status(post_fast(&s.f, &s.p.b, 1, 0, PAGE,
					ALL | NDK_OP_FLAG_SILENT_SUCCESS |
						NDK_OP_FLAG_DEFER),
			      STATUS_SUCCESS);
		assert_status(post_invalidate(&s.f, &s.p.b, 2), STATUS_SUCCESS);
		r = ep_next(&s.p.b);
		assert_status(r.Status, STATUS_SUCCESS);
		ck_assert_ptr_eq(r.RequestContext, ID(2));
	}
	scene_end(&s);
}
END_TEST

/* Any queue pair of the domain may use it and take it away; of another not */
START_TEST(of_its_domain)
{
	struct ep_opts o = {.mem = PAGE};
	struct listener l;
	struct scene s;
	struct ep a2, b2;

	scene_open(&s, 1, true);
	if (!_i)
		o.share = &s.p.b;
	ep_init(&b2, fx.g[1], &o);
	o.share = NULL;
	ep_init(&a2, fx.g[0], &o);
	listener_start(&l, b2.adapter, sa_v4(1, 0));
	ep_connect(&a2, &b2, &l, NULL, NULL);
	register_all(&s.f, ALL);
	mem_fill(&a2.mem, 44);
	if (_i) {
		assert_status(post_invalidate(&s.f, &b2, 1), STATUS_SUCCESS);
		assert_status(ep_next(&b2).Status, STATUS_ACCESS_VIOLATION);
		ck_assert(wait_count(&a2.indications, 1, TEST_TIMEOUT_MS));
		assert_status(write_to(&s.p.a, &s.f, remote_of(&s.f), 0, PAGE),
			      STATUS_SUCCESS);
	} else {
		assert_status(write_to(&a2, &s.f, remote_of(&s.f), 0, PAGE),
			      STATUS_SUCCESS);
		ck_assert_int_eq(mem_check(s.f.va, PAGE, 44, 0), -1);
		assert_status(post_invalidate(&s.f, &b2, 1), STATUS_SUCCESS);
		assert_status(ep_next(&b2).Status, STATUS_SUCCESS);
		assert_status(write_to(&s.p.a, &s.f, remote_of(&s.f), 0, PAGE),
			      STATUS_ACCESS_VIOLATION);
	}
	ep_fini(&a2);
	nd_close(b2.conn);
	b2.conn = NULL;
	listener_stop(&l);
	ep_fini(&b2);
	scene_close(&s);
}
END_TEST

/* --- by a read into it -------------------------------------------------------------- */

#define DROP NDK_OP_FLAG_RDMA_READ_LOCAL_INVALIDATE

/* All of the region, as an element of this side's requests */
static NDK_SGE local_sge(struct fast *f, uint32_t len)
{
	return (NDK_SGE){
		.VirtualAddress = f->va,
		.Length = len,
		.MemoryRegionToken =
			f->mr->Dispatch->NdkGetLocalTokenFromMr(f->mr),
	};
}

/* b reads from the beginning of a's memory */
static NTSTATUS post_read(struct scene *s, uint64_t id, const NDK_SGE *sgl,
			  ULONG n, UINT32 token, ULONG flags)
{
	return s->p.b.qp->Dispatch->NdkRead(s->p.b.qp, ID(id), sgl, n,
					    (uintptr_t)s->p.a.mem.va, token,
					    flags);
}

static void read_and_drop(struct scene *s, uint32_t len)
{
	NDK_SGE sge = local_sge(&s->f, len);

	end_well(&s->p.b, post_read(s, 60, &sge, 1, s->p.a.mem.remote, DROP),
		 NdkOperationTypeRead);
}

/* All of the data is there, and neither side reaches it any more: _i says who
 * tries, the peer by the token it had, this side by an element */
START_TEST(taken_by_a_read)
{
	enum { PAGES = 17, BYTES = PAGES * PAGE };
	struct scene s;
	NDK_SGE sge;
	UINT32 token;

	scene_open(&s, PAGES, true);
	sge = local_sge(&s.f, 64);
	register_all(&s.f, ALL);
	token = remote_of(&s.f);
	read_and_drop(&s, BYTES);
	ck_assert_int_eq(mem_check(s.f.va, BYTES, 3, 0), -1);
	memset(s.f.va, 0x33, BYTES);
	if (_i) {
		assert_status(s.p.b.qp->Dispatch->NdkSend(s.p.b.qp, ID(1), &sge,
							  1, 0),
			      STATUS_SUCCESS);
		assert_status(ep_next(&s.p.b).Status, STATUS_ACCESS_VIOLATION);
	} else {
		assert_status(write_to(&s.p.a, &s.f, token, 0, PAGE),
			      STATUS_ACCESS_VIOLATION);
	}
	ck_assert(mem_is(s.f.va, BYTES, 0x33));
	scene_close(&s);
}
END_TEST

/* Registered, read into and taken, again and again, on one connection; without
 * waiting in between, where a fence says so; silent ones, too */
START_TEST(read_by_read)
{
	struct scene s;
	NDK_SGE sge;

	scene_open(&s, 2, true);
	sge = local_sge(&s.f, 2 * PAGE);
	for (uint32_t i = 0; i < 20; i++) {
		mem_fill(&s.p.a.mem, i);
		register_all(&s.f, ALL);
		read_and_drop(&s, 2 * PAGE);
		ck_assert_int_eq(mem_check(s.f.va, 2 * PAGE, i, 0), -1);
	}
	for (uint32_t i = 20; i < 40; i++) {
		mem_fill(&s.p.a.mem, i);
		assert_status(post_fast(&s.f, &s.p.b, 1, 0, 2 * PAGE,
					ALL | NDK_OP_FLAG_SILENT_SUCCESS |
						NDK_OP_FLAG_READ_FENCE),
			      STATUS_SUCCESS);
		assert_status(post_read(&s, 2, &sge, 1, s.p.a.mem.remote,
					DROP | NDK_OP_FLAG_SILENT_SUCCESS),
			      STATUS_SUCCESS);
		assert_status(post_fast(&s.f, &s.p.b, 3, 0, 2 * PAGE,
					ALL | NDK_OP_FLAG_READ_FENCE),
			      STATUS_SUCCESS);
		end_well(&s.p.b, STATUS_SUCCESS, NdkOperationTypeFastRegister);
		ck_assert_int_eq(mem_check(s.f.va, 2 * PAGE, i, 0), -1);
		assert_status(post_invalidate(&s.f, &s.p.b, 4), STATUS_SUCCESS);
		end_well(&s.p.b, STATUS_SUCCESS, NdkOperationTypeInvalidate);
	}
	scene_end(&s);
}
END_TEST

/* It is the first element's region that goes, and no other of the request */
START_TEST(first_element)
{
	struct scene s;
	struct fast g;
	NDK_SGE sgl[3];

	scene_open(&s, 1, true);
	fast_open(&g, &s.p.b, 1, true);
	register_all(&s.f, ALL);
	register_all(&g, ALL);
	sgl[0] = local_sge(&s.f, 100);
	sgl[1] = local_sge(&g, 200);
	sgl[2] = ep_sge(&s.p.b, 0, 300);
	end_well(&s.p.b, post_read(&s, 1, sgl, 3, s.p.a.mem.remote, DROP),
		 NdkOperationTypeRead);
	ck_assert_int_eq(mem_check(s.f.va, 100, 3, 0), -1);
	ck_assert_int_eq(mem_check(g.va, 200, 3, 100), -1);
	ck_assert_int_eq(mem_check(s.p.b.mem.va, 300, 3, 300), -1);
	/* the second has its memory, the first can have some again */
	assert_status(write_to(&s.p.a, &g, remote_of(&g), 0, PAGE),
		      STATUS_SUCCESS);
	register_all(&s.f, ALL);
	/* an element of no length names a region all the same */
	sgl[0].Length = 0;
	end_well(&s.p.b, post_read(&s, 1, sgl, 2, s.p.a.mem.remote, DROP),
		 NdkOperationTypeRead);
	register_all(&s.f, ALL);
	assert_status(write_to(&s.p.a, &g, remote_of(&g), 0, PAGE),
		      STATUS_SUCCESS);
	fast_close(&g);
	scene_end(&s);
}
END_TEST

/* What such a read cannot name; nothing is read */
START_TEST(no_region_to_take)
{
	struct scene s;
	NDK_SGE sge;
	ULONG n = 1;

	scene_open(&s, 1, true);
	memset(s.f.va, 0x55, PAGE);
	memset(s.p.b.mem.va, 0x55, PAGE);
	if (_i == 0)	/* one that is registered for good */
		sge = ep_sge(&s.p.b, 0, 64);
	else		/* one without memory */
		sge = local_sge(&s.f, _i == 1 ? 64 : 0);
	assert_status(post_read(&s, 1, &sge, 0, s.p.a.mem.remote, DROP),
		      STATUS_INVALID_PARAMETER);
	assert_status(post_read(&s, 1, &sge, n, s.p.a.mem.remote, DROP),
		      STATUS_SUCCESS);
	assert_status(ep_next(&s.p.b).Status, STATUS_ACCESS_VIOLATION);
	ck_assert(mem_is(s.p.b.mem.va, PAGE, 0x55));
	ck_assert(mem_is(s.f.va, PAGE, 0x55));
	scene_close(&s);
}
END_TEST

/* One that fails: whatever became of the region, it closes, and no byte moves */
START_TEST(read_that_fails)
{
	struct scene s;
	NDK_SGE sge;

	scene_open(&s, 1, true);
	sge = local_sge(&s.f, 64);
	register_all(&s.f, ALL);
	memset(s.f.va, 0x66, PAGE);
	assert_status(post_read(&s, 1, &sge, 1, s.p.a.mem.remote ^ 0x100, DROP),
		      STATUS_SUCCESS);
	assert_status(ep_next(&s.p.b).Status, STATUS_ACCESS_VIOLATION);
	ck_assert(mem_is(s.f.va, PAGE, 0x66));
	scene_close(&s);
}
END_TEST

/* --- under a transfer -------------------------------------------------------------- */

enum taken { INVALIDATED, CLOSED, TAKEN };

/* The peer writes and writes; when the request or the close that took the memory
 * has ended, not one byte of it moves any more */
START_TEST(taken_under_writes)
{
	/* more than a worker copies in one turn */
	enum { PAGES = 512, BYTES = PAGES * PAGE, DEPTH = 15 };
	struct scene s;

	scene_open(&s, PAGES, true);
	register_all(&s.f, ALL);
	for (uint64_t i = 0; i < DEPTH; i++) {
		NDK_SGE sge = ep_sge(&s.p.a, 0, BYTES);

		assert_status(s.p.a.qp->Dispatch->NdkWrite(
				      s.p.a.qp, ID(i), &sge, 1,
				      (uintptr_t)s.f.va, remote_of(&s.f), 0),
			      STATUS_SUCCESS);
	}
	assert_status(ep_next(&s.p.a).Status, STATUS_SUCCESS);
	if (_i % TAKEN == INVALIDATED) {
		assert_status(post_invalidate(&s.f, &s.p.b, 1),
			      STATUS_SUCCESS);
		assert_status(ep_next(&s.p.b).Status, STATUS_SUCCESS);
	} else {
		nd_close(s.f.mr);
		s.f.mr = NULL;
	}
	memset(s.f.va, 0xee, BYTES);
	for (uint64_t i = 1; i < DEPTH; i++)
		ep_next(&s.p.a);
	ck_assert(mem_is(s.f.va, BYTES, 0xee));
	scene_close(&s);
}
END_TEST

/* --- the device ---------------------------------------------------------------------- */

START_TEST(device_is_reset)
{
	struct scene s;

	scene_open(&s, 4, true);
	register_all(&s.f, ALL);
	tguest_reset(fx.g[1]);
	ck_assert(tguest_wait_recoveries(fx.g[1], 1));
	ck_assert(wait_count(&s.p.a.indications, 1, TEST_TIMEOUT_MS));
	scene_close(&s);
	scene_open(&s, 4, true);
	register_all(&s.f, ALL);
	assert_status(write_to(&s.p.a, &s.f, remote_of(&s.f), 0, PAGE),
		      STATUS_SUCCESS);
	scene_end(&s);
}
END_TEST

/* Windows are for regions that stay */
START_TEST(no_window_over_it)
{
	struct scene s;
	NDK_MW *mw;

	scene_open(&s, 1, true);
	register_all(&s.f, ALL);
	mw = nd_mw(s.p.b.pd);
	assert_status(s.p.b.qp->Dispatch->NdkBind(
			      s.p.b.qp, ID(1), s.f.mr, mw, s.f.va, PAGE,
			      NDK_OP_FLAG_ALLOW_REMOTE_READ),
		      STATUS_INVALID_PARAMETER);
	nd_close(mw);
	scene_end(&s);
}
END_TEST

/* --- not offered ------------------------------------------------------------------------ */

static void without(void)
{
	struct daemon_opts o = {
		.guests = 2,
		.guest_section = "max-frmr-pages = 0\n" FX_SMALL,
	};

	fx_start(&o, FX_MEM);
}

START_TEST(none_are_offered)
{
	NDK_LOGICAL_ADDRESS page = {0};
	NDK_ADAPTER_INFO info;
	NDK_MR *mr = NULL;
	struct pair p;
	NDK_SGE sge;

	pair_open(&p, 0, 1, NULL);
	info = nd_info(p.a.adapter);
	ck_assert_uint_eq(info.FRMRPageCount, 0);
	ck_assert_uint_eq(info.AdapterFlags & TAKES_BY_READ, 0);
	/* the flag is ignored then, as documented: the region stays */
	for (int i = 0; i < 2; i++) {
		sge = ep_sge(&p.a, 0, 64);
		assert_status(p.a.qp->Dispatch->NdkRead(
				      p.a.qp, ID(1), &sge, 1,
				      (uintptr_t)p.b.mem.va, p.b.mem.remote,
				      DROP), STATUS_SUCCESS);
		assert_status(ep_next(&p.a).Status, STATUS_SUCCESS);
	}
	assert_status(p.a.pd->Dispatch->NdkCreateMr(p.a.pd, TRUE, op_created,
						    NULL, &mr),
		      STATUS_NOT_SUPPORTED);
	ck_assert_ptr_null(mr);
	assert_status(initialize(p.a.mem.mr, 1, false), STATUS_NOT_SUPPORTED);
	assert_status(p.a.qp->Dispatch->NdkFastRegister(
			      p.a.qp, NULL, p.a.mem.mr, 1, &page, 0, PAGE, NULL,
			      LOCAL), STATUS_NOT_SUPPORTED);
	ep_disconnect_both(&p.a, &p.b);
	pair_close(&p);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("fast");
	TCase *tc = add_case(s, "fast", 60);

	tcase_add_checked_fixture(tc, fx_setup, fx_teardown);
	tcase_add_test(tc, offered);
	tcase_add_loop_test(tc, write_and_read_through, 0, 4);
	tcase_add_test(tc, part_of_the_pages);
	tcase_add_test(tc, local_use);
	tcase_add_loop_test(tc, rights_of_the_peer, 0, 2 * RIGHTS);
	tcase_add_test(tc, refused_at_once);
	tcase_add_test(tc, no_such_page);
	tcase_add_loop_test(tc, until_invalidated, 0, 2);
	tcase_add_test(tc, invalidated_by_the_peer);
	tcase_add_loop_test(tc, twice, 0, 2);
	tcase_add_test(tc, many_times);
	tcase_add_test(tc, silent);
	tcase_add_loop_test(tc, of_its_domain, 0, 2);
	tcase_add_loop_test(tc, taken_by_a_read, 0, 2);
	tcase_add_test(tc, read_by_read);
	tcase_add_test(tc, first_element);
	tcase_add_loop_test(tc, no_region_to_take, 0, 3);
	tcase_add_test(tc, read_that_fails);
	tcase_add_loop_test(tc, taken_under_writes, 0, 4 * TAKEN);
	tcase_add_test(tc, device_is_reset);
	tcase_add_test(tc, no_window_over_it);
	tc = add_case(s, "not offered", 60);
	tcase_add_checked_fixture(tc, without, fx_teardown);
	tcase_add_test(tc, none_are_offered);
	return run_suite(s);
}
