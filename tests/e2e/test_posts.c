// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * test_posts.c - queue pairs: limits, each request with each flag, what is refused
 * at once, full queues, flush
 */
#include <string.h>

#include "fixture.h"
#include "transport.h"

#define SGES   4u
#define INLINE 64u
#define DEPTH  16u

static void open_pair(struct pair *p)
{
	struct ep_opts o = { .depth = DEPTH,
			     .sge = SGES,
			     .inline_size = INLINE };

	pair_open(p, 0, 1, &o);
	mem_fill(&p->a.mem, 1);
}

static void end_pair(struct pair *p)
{
	ep_disconnect_both(&p->a, &p->b);
	ck_assert(ep_idle(&p->a));
	ck_assert(ep_idle(&p->b));
	pair_close(p);
}

static void expect(struct ep *e, uint64_t id, NDK_OPERATION_TYPE type,
		   NTSTATUS status)
{
	NDK_RESULT_EX r = ep_next(e);

	ck_assert_ptr_eq(r.RequestContext, ID(id));
	ck_assert_ptr_eq(r.QPContext, e);
	ck_assert_int_eq(r.Type, type);
	assert_status(r.Status, status);
}

/* There is something to invalidate, and a message that does */
static bool invalidates(const struct ep *e)
{
	return nd_info(e->adapter).MaxWindowSize;
}

/* --- creation --------------------------------------------------------------- */

struct shape {
	ULONG receives, initiators, receive_sge, initiator_sge, inline_size;
};

static NTSTATUS create(NDK_PD *pd, NDK_CQ *cq, const struct shape *s,
		       NDK_QP **out)
{
	struct op op;
	NTSTATUS st, end;

	op_init(&op);
	st = pd->Dispatch->NdkCreateQp(pd, cq, cq, NULL, s->receives,
				       s->initiators, s->receive_sge,
				       s->initiator_sge, s->inline_size,
				       op_created, &op, out);
	end = op_wait(&op, st);
	if (st == STATUS_PENDING)
		*out = (NDK_QP *)op.object;
	return end;
}

/* All at the limits that the adapter tells, and each of them by one more */
START_TEST(limits_of_a_queue_pair)
{
	NDK_ADAPTER *a = nd_open(fx.g[0]), *other = nd_open(fx.g[0]);
	NDK_PD *pd = nd_pd(a);
	NDK_CQ *cq = nd_cq(a, 64, NULL, NULL), *theirs;
	NDK_ADAPTER_INFO info;
	struct shape most, s;
	NDK_QP *qp = NULL;

	info = nd_info(a);
	most = (struct shape){
		info.MaxReceiveQueueDepth, info.MaxInitiatorQueueDepth,
		info.MaxReceiveRequestSge, info.MaxInitiatorRequestSge,
		info.MaxInlineDataSize,
	};
	assert_status(create(pd, cq, &most, &qp), STATUS_SUCCESS);
	nd_close(qp);
	for (int i = 0; i < 7; i++) {
		ULONG *field[] = { &s.receives, &s.initiators, &s.receive_sge,
				   &s.initiator_sge, &s.inline_size };

		s = most;
		if (i < 5)
			++*field[i];
		else
			*field[i - 5] = 0; /* queues of nothing */
		assert_status(create(pd, cq, &s, &qp),
			      STATUS_INVALID_PARAMETER);
	}
	theirs = nd_cq(other, 64, NULL, NULL);
	assert_status(create(pd, theirs, &most, &qp), STATUS_INVALID_PARAMETER);
	nd_close(theirs);
	vrdma_close_adapter(other);
	nd_close(cq);
	nd_close(pd);
	vrdma_close_adapter(a);
}
END_TEST

/* --- each request with each flag ------------------------------------------------- */

static const ULONG flags[] = {
	NDK_OP_FLAG_SILENT_SUCCESS,
	NDK_OP_FLAG_READ_FENCE,
	NDK_OP_FLAG_DEFER,
	NDK_OP_FLAG_INLINE,
	NDK_OP_FLAG_SEND_AND_SOLICIT_EVENT,
};
enum {
	ALL_FLAGS = 1 << 5
};

static ULONG set_of(int n)
{
	ULONG f = 0;

	for (int i = 0; i < 5; i++)
		f |= n >> i & 1 ? flags[i] : 0;
	return f;
}

/* What was deferred starts with it, and it is heard of behind what is silent */
static void bell(struct pair *p)
{
	assert_status(ep_post_write(&p->a, 99, 0, 0, &p->b, 0, 0),
		      STATUS_SUCCESS);
}

static void heard(struct pair *p, NDK_OPERATION_TYPE type, ULONG f)
{
	if (!(f & NDK_OP_FLAG_SILENT_SUCCESS))
		expect(&p->a, 7, type, STATUS_SUCCESS);
	expect(&p->a, 99, NdkOperationTypeWrite, STATUS_SUCCESS);
}

/* The event of an arm for solicited ones comes with those that say so */
START_TEST(flags_of_a_send)
{
	struct pair p;
	uint32_t events = 0;

	open_pair(&p);
	for (int n = 0; n < ALL_FLAGS; n++) {
		ULONG f = set_of(n);

		memset(p.b.mem.va, 0, INLINE);
		p.b.cq->Dispatch->NdkArmCq(p.b.cq, NDK_CQ_NOTIFY_SOLICITED);
		assert_status(ep_post_recv(&p.b, 5, 0, INLINE), STATUS_SUCCESS);
		assert_status(ep_post_send(&p.a, 7, (size_t)n, INLINE, f),
			      STATUS_SUCCESS);
		bell(&p);
		expect(&p.b, 5, NdkOperationTypeReceive, STATUS_SUCCESS);
		heard(&p, NdkOperationTypeSend, f);
		ck_assert_int_eq(mem_check(p.b.mem.va, INLINE, 1, (size_t)n),
				 -1);
		if (f & NDK_OP_FLAG_SEND_AND_SOLICIT_EVENT ||
		    !test_backend()->tells_solicited)
			events++;
		ck_assert(wait_count(&p.b.cq_events, events, TEST_TIMEOUT_MS));
		ck_assert_uint_eq(p.b.cq_events, events);
	}
	end_pair(&p);
}
END_TEST

START_TEST(flags_of_a_write)
{
	struct pair p;

	open_pair(&p);
	for (int n = 0; n < ALL_FLAGS; n++) {
		ULONG f = set_of(n);
		bool ok = !(f & NDK_OP_FLAG_SEND_AND_SOLICIT_EVENT);

		memset(p.b.mem.va, 0, INLINE);
		assert_status(ep_post_write(&p.a, 7, (size_t)n, INLINE, &p.b, 0,
					    f),
			      ok ? STATUS_SUCCESS : STATUS_INVALID_PARAMETER);
		if (!ok)
			continue;
		bell(&p);
		heard(&p, NdkOperationTypeWrite, f);
		ck_assert_int_eq(mem_check(p.b.mem.va, INLINE, 1, (size_t)n),
				 -1);
	}
	end_pair(&p);
}
END_TEST

START_TEST(flags_of_a_read)
{
	const ULONG no =
		NDK_OP_FLAG_SEND_AND_SOLICIT_EVENT | NDK_OP_FLAG_INLINE;
	struct pair p;

	open_pair(&p);
	mem_fill(&p.b.mem, 2);
	for (int n = 0; n < ALL_FLAGS; n++) {
		ULONG f = set_of(n);

		memset(p.a.mem.va, 0, INLINE);
		assert_status(
			ep_post_read(&p.a, 7, 0, INLINE, &p.b, (size_t)n, f),
			f & no ? STATUS_INVALID_PARAMETER : STATUS_SUCCESS);
		if (f & no)
			continue;
		bell(&p);
		heard(&p, NdkOperationTypeRead, f);
		ck_assert_int_eq(mem_check(p.a.mem.va, INLINE, 2, (size_t)n),
				 -1);
	}
	end_pair(&p);
}
END_TEST

/* A send behind a fence has what the read before it brought */
START_TEST(fence)
{
	enum {
		ROUNDS = 200,
		SIZE = 16384
	};
	struct pair p;

	open_pair(&p);
	for (uint32_t n = 0; n < ROUNDS; n++) {
		uint8_t *heard_at = p.b.mem.va + SIZE;

		mem_fill(&p.b.mem, n);
		memset(heard_at, 0, SIZE);
		assert_status(ep_post_recv(&p.b, n, SIZE, SIZE),
			      STATUS_SUCCESS);
		assert_status(ep_post_read(&p.a, 1, 0, SIZE, &p.b, 0,
					   NDK_OP_FLAG_DEFER),
			      STATUS_SUCCESS);
		assert_status(ep_post_send(&p.a, 2, 0, SIZE,
					   NDK_OP_FLAG_READ_FENCE),
			      STATUS_SUCCESS);
		expect(&p.b, n, NdkOperationTypeReceive, STATUS_SUCCESS);
		expect(&p.a, 1, NdkOperationTypeRead, STATUS_SUCCESS);
		expect(&p.a, 2, NdkOperationTypeSend, STATUS_SUCCESS);
		ck_assert_int_eq(mem_check(heard_at, SIZE, n, 0), -1);
	}
	end_pair(&p);
}
END_TEST

/* Inline data from several places of no region, up to the limit */
START_TEST(inline_pieces)
{
	char one[40], two[40];
	NDK_SGE s[3] = {
		{ .VirtualAddress = one, .Length = 40, .MemoryRegionToken = 9 },
		{ .VirtualAddress = two, .Length = 0 },
		{ .VirtualAddress = two, .Length = INLINE - 40 },
	};
	const NDK_QP_DISPATCH *d;
	struct pair p;

	open_pair(&p);
	d = p.a.qp->Dispatch;
	memset(one, 'x', sizeof(one));
	memset(two, 'y', sizeof(two));
	assert_status(ep_post_recv(&p.b, 1, 0, INLINE), STATUS_SUCCESS);
	assert_status(d->NdkSend(p.a.qp, ID(2), s, 3, NDK_OP_FLAG_INLINE),
		      STATUS_SUCCESS);
	expect(&p.b, 1, NdkOperationTypeReceive, STATUS_SUCCESS);
	expect(&p.a, 2, NdkOperationTypeSend, STATUS_SUCCESS);
	ck_assert(mem_is(p.b.mem.va, 40, 'x'));
	ck_assert(mem_is(p.b.mem.va + 40, INLINE - 40, 'y'));
	s[2].Length++;
	assert_status(d->NdkSend(p.a.qp, ID(3), s, 3, NDK_OP_FLAG_INLINE),
		      STATUS_INVALID_PARAMETER);
	s[2].Length = 0xffffffff;
	assert_status(d->NdkWrite(p.a.qp, ID(3), s, 3, 0, 0,
				  NDK_OP_FLAG_INLINE),
		      STATUS_INVALID_PARAMETER);
	end_pair(&p);
}
END_TEST

/* --- refused ------------------------------------------------------------------------ */

START_TEST(refused_at_once)
{
	NDK_SGE s[SGES + 1];
	const NDK_QP_DISPATCH *d;
	struct pair p;
	NDK_QP *qp;

	open_pair(&p);
	qp = p.a.qp;
	d = qp->Dispatch;
	for (uint32_t i = 0; i < SGES + 1; i++)
		s[i] = ep_sge(&p.a, 64 * (size_t)i, 64);
	/* more elements than asked for at its creation */
	assert_status(d->NdkSend(qp, ID(1), s, SGES + 1, 0),
		      STATUS_INVALID_PARAMETER);
	assert_status(d->NdkWrite(qp, ID(1), s, SGES + 1, 0, 0, 0),
		      STATUS_INVALID_PARAMETER);
	assert_status(d->NdkRead(qp, ID(1), s, SGES + 1, 0, 0, 0),
		      STATUS_INVALID_PARAMETER);
	assert_status(d->NdkReceive(qp, ID(1), s, SGES + 1),
		      STATUS_INVALID_PARAMETER);
	assert_status(d->NdkSendAndInvalidate(qp, ID(1), s, SGES + 1, 0, 1),
		      invalidates(&p.a) ? STATUS_INVALID_PARAMETER
					: STATUS_NOT_SUPPORTED);
	/* none where some are counted */
	assert_status(d->NdkSend(qp, ID(1), NULL, 1, 0),
		      STATUS_INVALID_PARAMETER);
	assert_status(d->NdkReceive(qp, ID(1), NULL, 1),
		      STATUS_INVALID_PARAMETER);
	/* no such flag */
	assert_status(d->NdkSend(qp, ID(1), s, 1, 0x1000),
		      STATUS_INVALID_PARAMETER);
	assert_status(d->NdkInvalidate(qp, ID(1), NULL, 0),
		      invalidates(&p.a) ? STATUS_INVALID_PARAMETER
					: STATUS_NOT_SUPPORTED);
	/* nothing of it was posted; nothing is a message, too */
	assert_status(d->NdkReceive(p.b.qp, ID(4), NULL, 0), STATUS_SUCCESS);
	assert_status(d->NdkSend(qp, ID(5), NULL, 0, 0), STATUS_SUCCESS);
	expect(&p.b, 4, NdkOperationTypeReceive, STATUS_SUCCESS);
	expect(&p.a, 5, NdkOperationTypeSend, STATUS_SUCCESS);
	end_pair(&p);
}
END_TEST

/* --- full queues ---------------------------------------------------------------------- */

/* As many as asked for and no more; each that ends makes room for one */
START_TEST(full)
{
	struct pair p;

	open_pair(&p);
	for (uint64_t i = 0; i < DEPTH; i++)
		assert_status(ep_post_send(&p.a, i, i * 64, 64, 0),
			      STATUS_SUCCESS);
	assert_status(ep_post_send(&p.a, 99, 0, 64, 0),
		      STATUS_INSUFFICIENT_RESOURCES);
	assert_status(ep_post_write(&p.a, 99, 0, 64, &p.b, 0, 0),
		      STATUS_INSUFFICIENT_RESOURCES);
	for (uint64_t i = 0; i < DEPTH; i++)
		assert_status(ep_post_recv(&p.a, i, 0, 64), STATUS_SUCCESS);
	assert_status(ep_post_recv(&p.a, 99, 0, 64),
		      STATUS_INSUFFICIENT_RESOURCES);
	for (uint64_t i = 0; i < DEPTH; i++)
		assert_status(ep_post_recv(&p.b, i, i * 64, 64),
			      STATUS_SUCCESS);
	for (uint64_t i = 0; i < DEPTH; i++) {
		expect(&p.b, i, NdkOperationTypeReceive, STATUS_SUCCESS);
		expect(&p.a, i, NdkOperationTypeSend, STATUS_SUCCESS);
	}
	ck_assert_int_eq(mem_check(p.b.mem.va, DEPTH * 64, 1, 0), -1);
	assert_status(ep_post_recv(&p.b, 1, 0, 64), STATUS_SUCCESS);
	assert_status(ep_post_send(&p.a, 2, 0, 64, 0), STATUS_SUCCESS);
	expect(&p.b, 1, NdkOperationTypeReceive, STATUS_SUCCESS);
	expect(&p.a, 2, NdkOperationTypeSend, STATUS_SUCCESS);
	p.a.qp->Dispatch->NdkFlush(p.a.qp);
	for (uint64_t i = 0; i < DEPTH; i++)
		expect(&p.a, i, NdkOperationTypeReceive, STATUS_CANCELLED);
	ck_assert(ep_idle(&p.a));
	ck_assert(ep_idle(&p.b));
	pair_close(&p);
}
END_TEST

/* Both keep their queue full, and post as soon as they see a completion: there is room
 * for that, however far behind it the device's head is */
START_TEST(full_all_the_time)
{
	enum {
		ROUNDS = 20000
	};
	struct pair p;

	open_pair(&p);
	for (uint64_t i = 0; i < DEPTH; i++)
		assert_status(ep_post_recv(&p.b, i, i * 64, 64),
			      STATUS_SUCCESS);
	for (uint64_t i = 0; i < DEPTH; i++)
		assert_status(ep_post_send(&p.a, i, i * 64, 64, 0),
			      STATUS_SUCCESS);
	for (uint64_t i = 0; i < ROUNDS; i++) {
		expect(&p.b, i, NdkOperationTypeReceive, STATUS_SUCCESS);
		assert_status(ep_post_recv(&p.b, i + DEPTH, i % DEPTH * 64, 64),
			      STATUS_SUCCESS);
		expect(&p.a, i, NdkOperationTypeSend, STATUS_SUCCESS);
		assert_status(ep_post_send(&p.a, i + DEPTH, i % DEPTH * 64, 64,
					   0),
			      STATUS_SUCCESS);
	}
	for (uint64_t i = ROUNDS; i < ROUNDS + DEPTH; i++) {
		expect(&p.b, i, NdkOperationTypeReceive, STATUS_SUCCESS);
		expect(&p.a, i, NdkOperationTypeSend, STATUS_SUCCESS);
	}
	ck_assert_int_eq(mem_check(p.b.mem.va, DEPTH * 64, 1, 0), -1);
	end_pair(&p);
}
END_TEST

/* --- ends ------------------------------------------------------------------------------- */

/* One fails: what was before it has succeeded, all behind it is cancelled, in order,
 * the silent ones too; what comes later as well */
START_TEST(behind_a_failure)
{
	struct pair p;

	open_pair(&p);
	for (uint64_t i = 0; i < 3; i++)
		assert_status(ep_post_write(&p.a, i, 0, 64, &p.b, 0,
					    NDK_OP_FLAG_DEFER),
			      STATUS_SUCCESS);
	p.b.mem.remote ^= 0x00100000;
	assert_status(ep_post_write(&p.a, 3, 0, 64, &p.b, 0, NDK_OP_FLAG_DEFER),
		      STATUS_SUCCESS);
	p.b.mem.remote ^= 0x00100000;
	for (uint64_t i = 4; i < 8; i++)
		assert_status(
			ep_post_write(&p.a, i, 0, 64, &p.b, 64,
				      i == 7 ? 0
					     : NDK_OP_FLAG_SILENT_SUCCESS |
						       NDK_OP_FLAG_DEFER),
			STATUS_SUCCESS);
	for (uint64_t i = 0; i < 3; i++)
		expect(&p.a, i, NdkOperationTypeWrite, STATUS_SUCCESS);
	expect(&p.a, 3, NdkOperationTypeWrite, STATUS_ACCESS_VIOLATION);
	for (uint64_t i = 4; i < 8; i++)
		expect(&p.a, i, NdkOperationTypeWrite, STATUS_CANCELLED);
	ck_assert(mem_is(p.b.mem.va + 64, 64, 0));
	assert_status(ep_post_send(&p.a, 8, 0, 64, 0), STATUS_SUCCESS);
	assert_status(ep_post_recv(&p.a, 9, 0, 64), STATUS_SUCCESS);
	assert_status(ep_next(&p.a).Status, STATUS_CANCELLED);
	assert_status(ep_next(&p.a).Status, STATUS_CANCELLED);
	ck_assert(ep_idle(&p.a));
	pair_close(&p);
}
END_TEST

/* Both queues are emptied, each in its order, once */
START_TEST(flush)
{
	struct pair p;

	open_pair(&p);
	for (uint64_t i = 0; i < 5; i++) {
		assert_status(ep_post_send(&p.a, i, 0, 64, 0), STATUS_SUCCESS);
		assert_status(ep_post_recv(&p.a, 10 + i, 0, 64),
			      STATUS_SUCCESS);
	}
	p.a.qp->Dispatch->NdkFlush(p.a.qp);
	p.a.qp->Dispatch->NdkFlush(p.a.qp);
	for (uint64_t sends = 0, receives = 0; sends + receives < 10;) {
		NDK_RESULT_EX r = ep_next(&p.a);
		bool sent = r.Type == NdkOperationTypeSend;

		assert_status(r.Status, STATUS_CANCELLED);
		ck_assert_ptr_eq(r.RequestContext,
				 sent ? ID(sends) : ID(10 + receives));
		sends += sent;
		receives += !sent;
		ck_assert_uint_le(sends, 5);
		ck_assert_uint_le(receives, 5);
	}
	ck_assert(ep_idle(&p.a));
	pair_close(&p);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("posts");
	TCase *tc = add_case(s, "posts", 60);

	tcase_add_checked_fixture(tc, fx_setup, fx_teardown);
	tcase_add_test(tc, limits_of_a_queue_pair);
	tcase_add_test(tc, flags_of_a_send);
	tcase_add_test(tc, flags_of_a_write);
	tcase_add_test(tc, flags_of_a_read);
	tcase_add_test(tc, fence);
	tcase_add_test(tc, inline_pieces);
	tcase_add_test(tc, refused_at_once);
	tcase_add_test(tc, full);
	tcase_add_test(tc, full_all_the_time);
	tcase_add_test(tc, behind_a_failure);
	tcase_add_test(tc, flush);
	return run_suite(s);
}
