// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * test_regions.c - protection domains and memory regions: what a registration
 * gives, to whom and until when
 */
#include <string.h>

#include "fixture.h"

#define PAGE 4096u

static NDK_MR *new_mr(NDK_PD *pd)
{
	NDK_MR *mr = NULL;
	struct op op;

	op_init(&op);
	/* inline, always: the device hears of it when memory is registered */
	assert_status(pd->Dispatch->NdkCreateMr(pd, FALSE, op_created, &op,
						&mr),
		      STATUS_SUCCESS);
	return mr;
}

static NTSTATUS register_mr(NDK_MR *mr, MDL *mdl, size_t length, uint32_t flags)
{
	struct op op;

	op_init(&op);
	return op_wait(&op, mr->Dispatch->NdkRegisterMr(mr, mdl, length, flags,
							op_ended, &op));
}

static NTSTATUS deregister(NDK_MR *mr)
{
	struct op op;

	op_init(&op);
	return op_wait(&op, mr->Dispatch->NdkDeregisterMr(mr, op_ended, &op));
}

static UINT32 local_of(NDK_MR *mr)
{
	return mr->Dispatch->NdkGetLocalTokenFromMr(mr);
}

static UINT32 remote_of(NDK_MR *mr)
{
	return mr->Dispatch->NdkGetRemoteTokenFromMr(mr);
}

/* The end of a connection, and of a region of b's that it had */
static void pair_close_mem(struct pair *p, struct mem *m)
{
	mem_fini(m);
	pair_close(p);
}

/* --- transfers by token ----------------------------------------------------- */

static NTSTATUS write_to(struct ep *a, const void *va, uint32_t len,
			 UINT32 token)
{
	NDK_SGE s = ep_sge(a, 0, len);

	assert_status(a->qp->Dispatch->NdkWrite(a->qp, ID(1), &s, 1,
						(uintptr_t)va, token, 0),
		      STATUS_SUCCESS);
	return ep_next(a).Status;
}

static NTSTATUS read_from(struct ep *a, const void *va, uint32_t len,
			  UINT32 token)
{
	NDK_SGE s = ep_sge(a, 0, len);

	assert_status(a->qp->Dispatch->NdkRead(a->qp, ID(2), &s, 1,
					       (uintptr_t)va, token, 0),
		      STATUS_SUCCESS);
	return ep_next(a).Status;
}

/* This side reads from its peer into it */
static NTSTATUS read_into(struct ep *b, void *va, uint32_t len, UINT32 local,
			  struct ep *from)
{
	NDK_SGE s = { .VirtualAddress = va,
		      .Length = len,
		      .MemoryRegionToken = local };

	assert_status(b->qp->Dispatch->NdkRead(b->qp, ID(3), &s, 1,
					       (uintptr_t)from->mem.va,
					       from->mem.remote, 0),
		      STATUS_SUCCESS);
	return ep_next(b).Status;
}

static NTSTATUS send_from(struct ep *b, void *va, uint32_t len, UINT32 local,
			  struct ep *to)
{
	NDK_SGE s = { .VirtualAddress = va,
		      .Length = len,
		      .MemoryRegionToken = local };
	NTSTATUS st;

	assert_status(ep_post_recv(to, 4, 0, len), STATUS_SUCCESS);
	assert_status(b->qp->Dispatch->NdkSend(b->qp, ID(5), &s, 1, 0),
		      STATUS_SUCCESS);
	st = ep_next(b).Status;
	if (st == STATUS_SUCCESS)
		assert_status(ep_next(to).Status, STATUS_SUCCESS);
	return st;
}

/* --- rights --------------------------------------------------------------------- */

static const struct {
	uint32_t flags;
	bool peer_reads, peer_writes, reads_into;
} rights[] = {
	{ NDK_MR_FLAG_ALLOW_LOCAL_READ, false, false, false },
	{ NDK_MR_FLAG_ALLOW_LOCAL_WRITE, false, false, true },
	{ NDK_MR_FLAG_ALLOW_REMOTE_READ, true, false, false },
	{ NDK_MR_FLAG_ALLOW_REMOTE_WRITE, false, true, true },
	{ MEM_ALL | NDK_MR_FLAG_RDMA_READ_SINK, true, true, true },
};
enum {
	RIGHTS = sizeof(rights) / sizeof(rights[0]),
	USES = 4
};

/* Each kind of use of a region with each set of rights */
START_TEST(rights_of_a_region)
{
	int row = _i / USES;
	bool may = true;
	struct mem m;
	struct pair p;
	NTSTATUS st;

	pair_open(&p, 0, 1, NULL);
	mem_init(&m, p.b.g, p.b.pd, PAGE, rights[row].flags);
	memset(m.va, 0x11, PAGE);
	switch (_i % USES) {
	case 0:
		may = rights[row].peer_reads;
		st = read_from(&p.a, m.va, PAGE, m.remote);
		break;
	case 1:
		may = rights[row].peer_writes;
		st = write_to(&p.a, m.va, PAGE, m.remote);
		break;
	case 2:
		may = rights[row].reads_into;
		st = read_into(&p.b, m.va, PAGE, m.local, &p.a);
		break;
	default: /* any region may be sent from */
		st = send_from(&p.b, m.va, PAGE, m.local, &p.a);
	}
	assert_status(st, may ? STATUS_SUCCESS : STATUS_ACCESS_VIOLATION);
	if (!may)
		ck_assert(mem_is(m.va, PAGE, 0x11));
	pair_close_mem(&p, &m);
}
END_TEST

/* --- states ----------------------------------------------------------------------- */

START_TEST(states_of_a_region)
{
	NDK_ADAPTER *a = nd_open(fx.g[0]);
	NDK_PD *pd = nd_pd(a);
	NDK_MR *mr = new_mr(pd);
	struct vrdma_dma dma;
	struct op op;
	UINT32 first;
	MDL mdl;

	ck_assert_int_eq(tguest_ops()->dma_alloc(fx.g[0], 2, &dma), 0);
	mdl = (MDL){ .va = (uintptr_t)dma.va + 5,
		     .length = PAGE,
		     .pages = dma.pages };
	assert_status(deregister(mr), STATUS_INVALID_DEVICE_STATE);
	/* nonsense is refused at once, and nothing has begun */
	assert_status(register_mr(mr, &mdl, 0, MEM_ALL),
		      STATUS_INVALID_PARAMETER);
	assert_status(register_mr(mr, NULL, PAGE, MEM_ALL),
		      STATUS_INVALID_PARAMETER);
	assert_status(register_mr(mr, &mdl, PAGE + 1, MEM_ALL),
		      STATUS_INVALID_PARAMETER);
	assert_status(register_mr(mr, &mdl, PAGE, 0x10),
		      STATUS_INVALID_PARAMETER);
	assert_status(register_mr(mr, &mdl, PAGE, 0x4), /* half of a right */
		      STATUS_INVALID_PARAMETER);
	assert_status(mr->Dispatch->NdkRegisterMr(mr, &mdl, PAGE, MEM_ALL, NULL,
						  NULL),
		      STATUS_INVALID_PARAMETER);
	assert_status(register_mr(mr, &mdl, PAGE, MEM_ALL), STATUS_SUCCESS);
	assert_status(register_mr(mr, &mdl, PAGE, MEM_ALL),
		      STATUS_INVALID_DEVICE_STATE);
	op_init(&op);
	assert_status(mr->Dispatch->NdkInitializeFastRegisterMr(mr, 1, FALSE,
								op_ended, &op),
		      nd_info(a).FRMRPageCount ? STATUS_INVALID_DEVICE_REQUEST
					       : STATUS_NOT_SUPPORTED);
	first = remote_of(mr);
	ck_assert_uint_ne(first, 0);
	ck_assert_uint_ne(local_of(mr), 0);
	ck_assert_uint_ne(local_of(mr), first);
	assert_status(deregister(mr), STATUS_SUCCESS);
	assert_status(deregister(mr), STATUS_INVALID_DEVICE_STATE);
	/* less than there is; and a new name */
	assert_status(register_mr(mr, &mdl, 100, MEM_ALL), STATUS_SUCCESS);
	ck_assert_uint_ne(remote_of(mr), first);
	nd_close(mr); /* as it is */
	tguest_ops()->dma_free(fx.g[0], &dma);
	nd_close(pd);
	vrdma_close_adapter(a);
}
END_TEST

/* --- pieces -------------------------------------------------------------------------- */

/* A buffer of three pieces whose pages lie anywhere, begins and ends within pages:
 * one region, and not one byte beside it */
START_TEST(chain_of_pieces)
{
	enum {
		PAGES = 6,
		BEFORE = 777,
		AFTER = 100
	};
	const size_t length = PAGES * PAGE - BEFORE - AFTER;
	struct ep_opts o = { .mem = PAGES * PAGE };
	MDL piece[3];
	uint64_t page[PAGES];
	struct vrdma_dma dma;
	struct pair p;
	uint8_t *va;
	NDK_MR *mr;

	pair_open(&p, 0, 1, &o);
	mem_fill(&p.a.mem, 8);
	ck_assert_int_eq(tguest_ops()->dma_alloc(p.b.g, PAGES, &dma), 0);
	va = dma.va;
	memset(va, 0xaa, PAGES * PAGE);
	memcpy(page, dma.pages, sizeof(page));
	piece[0] = (MDL){ .next = &piece[1],
			  .va = (uintptr_t)va + BEFORE,
			  .length = 2 * PAGE - BEFORE,
			  .pages = page };
	piece[1] = (MDL){ .next = &piece[2],
			  .va = (uintptr_t)va + 2 * PAGE,
			  .length = PAGE,
			  .pages = page + 2 };
	piece[2] = (MDL){ .va = (uintptr_t)va + 3 * PAGE,
			  .length = 3 * PAGE - AFTER,
			  .pages = page + 3 };
	mr = new_mr(p.b.pd);
	assert_status(register_mr(mr, piece, length, MEM_ALL), STATUS_SUCCESS);
	assert_status(write_to(&p.a, va + BEFORE, (uint32_t)length,
			       remote_of(mr)),
		      STATUS_SUCCESS);
	ck_assert(mem_is(va, BEFORE, 0xaa));
	ck_assert_int_eq(mem_check(va + BEFORE, length, 8, 0), -1);
	ck_assert(mem_is(va + BEFORE + length, AFTER, 0xaa));
	memset(p.a.mem.va, 0, p.a.mem.size);
	assert_status(read_from(&p.a, va + BEFORE, (uint32_t)length,
				remote_of(mr)),
		      STATUS_SUCCESS);
	ck_assert_int_eq(mem_check(p.a.mem.va, length, 8, 0), -1);
	/* one byte before, one behind */
	assert_status(_i ? write_to(&p.a, va + BEFORE - 1, 2, remote_of(mr))
			 : write_to(&p.a, va + BEFORE + 1, (uint32_t)length,
				    remote_of(mr)),
		      STATUS_ACCESS_VIOLATION);
	ck_assert(mem_is(va, BEFORE, 0xaa));
	ck_assert(mem_is(va + BEFORE + length, AFTER, 0xaa));
	nd_close(mr);
	tguest_ops()->dma_free(p.b.g, &dma);
	pair_close(&p);
}
END_TEST

/* What is no buffer in one piece is none */
START_TEST(pieces_that_do_not_meet)
{
	NDK_ADAPTER *a = nd_open(fx.g[0]);
	NDK_PD *pd = nd_pd(a);
	NDK_MR *mr = new_mr(pd);
	struct vrdma_dma dma;
	MDL piece[2];

	ck_assert_int_eq(tguest_ops()->dma_alloc(fx.g[0], 4, &dma), 0);
	piece[0] = (MDL){ .next = &piece[1],
			  .va = (uintptr_t)dma.va,
			  .length = PAGE,
			  .pages = dma.pages };
	piece[1] = (MDL){ .va = (uintptr_t)dma.va + 2 * PAGE,
			  .length = PAGE,
			  .pages = dma.pages + 2 };
	assert_status(register_mr(mr, piece, 2 * PAGE, MEM_ALL),
		      STATUS_INVALID_PARAMETER); /* a hole */
	piece[1].va = (uintptr_t)dma.va + PAGE - 8;
	piece[0].length = PAGE - 8;
	assert_status(register_mr(mr, piece, 2 * PAGE - 8, MEM_ALL),
		      STATUS_INVALID_PARAMETER); /* within a page */
	nd_close(mr);
	tguest_ops()->dma_free(fx.g[0], &dma);
	nd_close(pd);
	vrdma_close_adapter(a);
}
END_TEST

/* --- until when, and whose ------------------------------------------------------------- */

/* Deregistered (0), deregistered and registered anew (1), closed as it was (2) */
START_TEST(old_token)
{
	struct pair p;
	struct mem m;
	UINT32 old;

	pair_open(&p, 0, 1, NULL);
	mem_init(&m, p.b.g, p.b.pd, PAGE, MEM_ALL);
	old = m.remote;
	assert_status(write_to(&p.a, m.va, 64, old), STATUS_SUCCESS);
	if (_i < 2)
		assert_status(deregister(m.mr), STATUS_SUCCESS);
	if (_i == 1)
		assert_status(register_mr(m.mr, &m.mdl, PAGE, MEM_ALL),
			      STATUS_SUCCESS);
	if (_i == 2) {
		nd_close(m.mr);
		m.mr = new_mr(p.b.pd);
	}
	memset(m.va, 0x22, PAGE);
	assert_status(write_to(&p.a, m.va, 64, old), STATUS_ACCESS_VIOLATION);
	ck_assert(mem_is(m.va, PAGE, 0x22));
	pair_close_mem(&p, &m);
}
END_TEST

/* A region serves the queue pairs of its domain: its local token on another's (0),
 * its remote token through another's (1) */
START_TEST(of_its_domain)
{
	struct pair p;
	struct mem m;
	NDK_PD *other;

	pair_open(&p, 0, 1, NULL);
	other = nd_pd(p.b.adapter);
	mem_init(&m, p.b.g, other, PAGE, MEM_ALL);
	memset(m.va, 0x33, PAGE);
	assert_status(_i ? write_to(&p.a, m.va, 64, m.remote)
			 : read_into(&p.b, m.va, 64, m.local, &p.a),
		      STATUS_ACCESS_VIOLATION);
	ck_assert(mem_is(m.va, PAGE, 0x33));
	mem_fini(&m);
	nd_close(other);
	pair_close(&p);
}
END_TEST

/* Tokens are not each other's: a local one gives the peer nothing (0), a remote one
 * this side nothing (1) */
START_TEST(other_kind_of_token)
{
	struct pair p;

	pair_open(&p, 0, 1, NULL);
	memset(p.b.mem.va, 0x44, PAGE);
	assert_status(_i ? read_into(&p.b, p.b.mem.va, 64, p.b.mem.remote, &p.a)
			 : write_to(&p.a, p.b.mem.va, 64, p.b.mem.local),
		      STATUS_ACCESS_VIOLATION);
	ck_assert(mem_is(p.b.mem.va, PAGE, 0x44));
	pair_close(&p);
}
END_TEST

/* Many at a time, over the same page: each has a name of its own, and each name its
 * own rights */
START_TEST(many_regions)
{
	enum {
		N = 300
	};
	static UINT32 token[N];
	static NDK_MR *mr[N];
	struct pair p;

	pair_open(&p, 0, 1, NULL);
	for (int i = 0; i < N; i++) {
		mr[i] = new_mr(p.b.pd);
		assert_status(register_mr(mr[i], &p.b.mem.mdl, PAGE, MEM_ALL),
			      STATUS_SUCCESS);
		token[i] = remote_of(mr[i]);
		for (int k = 0; k < i; k++)
			if (token[k] == token[i])
				ck_abort_msg("%d and %d have one token", k, i);
	}
	for (int i = 0; i < N; i++) {
		p.a.mem.va[0] = (uint8_t)i;
		assert_status(write_to(&p.a, p.b.mem.va, 1, token[i]),
			      STATUS_SUCCESS);
		ck_assert_uint_eq(p.b.mem.va[0], (uint8_t)i);
	}
	for (int i = 0; i < N; i += 2)
		nd_close(mr[i]);
	for (int i = 1; i < N; i += 2)
		assert_status(write_to(&p.a, p.b.mem.va, 1, token[i]),
			      STATUS_SUCCESS);
	assert_status(write_to(&p.a, p.b.mem.va, 1, token[0]),
		      STATUS_ACCESS_VIOLATION);
	for (int i = 1; i < N; i += 2)
		nd_close(mr[i]);
	pair_close(&p);
}
END_TEST

/* --- domains ----------------------------------------------------------------------------- */

/* The close of a domain ends when all that was made of it has: _i tells which of
 * them is last */
START_TEST(domain_is_closed_first)
{
	enum {
		REGION,
		WINDOW,
		SHARED,
		PAIR,
		KINDS
	};
	NDK_ADAPTER *a = nd_open(fx.g[0]);
	NDK_PD *pd = nd_pd(a);
	NDK_CQ *cq = nd_cq(a, 16, NULL, NULL);
	const NDK_ADAPTER_INFO info = nd_info(a);
	void *object[KINDS];
	struct op op, qp;
	NTSTATUS st, qs;

	object[REGION] = new_mr(pd);
	object[WINDOW] = info.MaxWindowSize ? nd_mw(pd) : NULL;
	object[SHARED] = info.MaxSrqDepth ? nd_srq(pd, 4, 0, NULL, NULL) : NULL;
	op_init(&qp);
	object[PAIR] = NULL;
	qs = pd->Dispatch->NdkCreateQp(pd, cq, cq, NULL, 4, 4, 1, 1, 0,
				       op_created, &qp,
				       (NDK_QP **)&object[PAIR]);
	assert_status(op_wait(&qp, qs), STATUS_SUCCESS);
	if (qs == STATUS_PENDING)
		object[PAIR] = qp.object;
	op_init(&op);
	st = nd_close_start(pd, &op);
	assert_status(st, STATUS_PENDING);
	for (int i = 1; i <= KINDS; i++) {
		if (!object[(_i + i) % KINDS])
			continue; /* is not offered */
		ck_assert(!op_wait_ms(&op, 0));
		nd_close(object[(_i + i) % KINDS]);
	}
	assert_status(op_wait(&op, st), STATUS_SUCCESS);
	nd_close(cq);
	vrdma_close_adapter(a);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("regions");
	TCase *tc = add_case(s, "regions", 60);

	tcase_add_checked_fixture(tc, fx_setup, fx_teardown);
	tcase_add_loop_test(tc, rights_of_a_region, 0, RIGHTS * USES);
	tcase_add_test(tc, states_of_a_region);
	tcase_add_loop_test(tc, chain_of_pieces, 0, 2);
	tcase_add_test(tc, pieces_that_do_not_meet);
	tcase_add_loop_test(tc, old_token, 0, 3);
	tcase_add_loop_test(tc, of_its_domain, 0, 2);
	tcase_add_loop_test(tc, other_kind_of_token, 0, 2);
	tcase_add_test(tc, many_regions);
	tcase_add_loop_test(tc, domain_is_closed_first, 0, 4);
	return run_suite(s);
}
