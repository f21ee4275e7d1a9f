// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * test_data.c - send, receive, write, read: sizes, shapes, contents, limits
 */
#include <poll.h>
#include <stdatomic.h>
#include <string.h>

#include "fixture.h"
#include "transport.h"

static const uint32_t sizes[] = { 0, 1, 63, 64, 65, 4095, 4096, 4097, 65536,
				  1u << 20, 16u << 20 };
#define SIZES (int)(sizeof(sizes) / sizeof(sizes[0]))

static void big_setup(void)
{
	struct daemon_opts o = { .guests = 2, .guest_section = FX_SMALL };

	fx_start(&o, 256u << 20);
}

static atomic_bool stop_writing;

static void open_sized(struct pair *p, uint32_t size)
{
	struct ep_opts o = { .mem = size ? size : 1 };

	pair_open(p, 0, 1, &o);
	mem_fill(&p->a.mem, size + 1);
}

START_TEST(send_and_receive)
{
	uint32_t size = sizes[_i];
	struct pair p;
	NDK_RESULT_EX r;

	open_sized(&p, size);
	assert_status(ep_post_recv(&p.b, 7, 0, size), STATUS_SUCCESS);
	assert_status(ep_post_send(&p.a, 8, 0, size, 0), STATUS_SUCCESS);
	r = ep_next(&p.b);
	assert_status(r.Status, STATUS_SUCCESS);
	ck_assert_ptr_eq(r.RequestContext, ID(7));
	ck_assert_ptr_eq(r.QPContext, &p.b);
	ck_assert_uint_eq(r.BytesTransferred, size);
	ck_assert_int_eq(r.Type, NdkOperationTypeReceive);
	ck_assert_int_eq(mem_check(p.b.mem.va, size, size + 1, 0), -1);
	r = ep_next(&p.a);
	assert_status(r.Status, STATUS_SUCCESS);
	ck_assert_int_eq(r.Type, NdkOperationTypeSend);
	ep_disconnect_both(&p.a, &p.b);
	pair_close(&p);
}
END_TEST

START_TEST(write_and_read_back)
{
	uint32_t size = sizes[_i];
	struct pair p;

	open_sized(&p, size);
	assert_status(ep_post_write(&p.a, 1, 0, size, &p.b, 0, 0),
		      STATUS_SUCCESS);
	assert_status(ep_next(&p.a).Status, STATUS_SUCCESS);
	ck_assert_int_eq(mem_check(p.b.mem.va, size, size + 1, 0), -1);
	memset(p.a.mem.va, 0, size);
	assert_status(ep_post_read(&p.a, 2, 0, size, &p.b, 0, 0),
		      STATUS_SUCCESS);
	assert_status(ep_next(&p.a).Status, STATUS_SUCCESS);
	ck_assert_int_eq(mem_check(p.a.mem.va, size, size + 1, 0), -1);
	ck_assert(ep_idle(&p.b));	/* one-sided: B's CQ saw nothing */
	ep_disconnect_both(&p.a, &p.b);
	pair_close(&p);
}
END_TEST

START_TEST(odd_offsets)
{
	struct pair p;

	open_sized(&p, 65536);
	for (uint32_t off = 1; off < 60000; off = off * 3 + 1) {
		assert_status(ep_post_write(&p.a, 1, off, 5000, &p.b, off / 2,
					    0), STATUS_SUCCESS);
		assert_status(ep_next(&p.a).Status, STATUS_SUCCESS);
		ck_assert_int_eq(mem_check(p.b.mem.va + off / 2, 5000, 65537,
					   off), -1);
	}
	ep_disconnect_both(&p.a, &p.b);
	pair_close(&p);
}
END_TEST

START_TEST(several_elements)
{
	struct pair p;
	NDK_SGE out[3], in[2];

	open_sized(&p, 65536);
	out[0] = ep_sge(&p.a, 100, 5000);
	out[1] = ep_sge(&p.a, 5100, 1);
	out[2] = ep_sge(&p.a, 5101, 899);
	in[0] = ep_sge(&p.b, 0, 17);
	in[1] = ep_sge(&p.b, 17, 6000);
	assert_status(p.b.qp->Dispatch->NdkReceive(p.b.qp, ID(1), in, 2),
		      STATUS_SUCCESS);
	assert_status(p.a.qp->Dispatch->NdkSend(p.a.qp, ID(2), out, 3, 0),
		      STATUS_SUCCESS);
	ck_assert_uint_eq(ep_next(&p.b).BytesTransferred, 5900);
	assert_status(ep_next(&p.a).Status, STATUS_SUCCESS);
	ck_assert_int_eq(mem_check(p.b.mem.va, 5900, 65537, 100), -1);
	ep_disconnect_both(&p.a, &p.b);
	pair_close(&p);
}
END_TEST

/* Its owner writes to what the peer reads, and knows nothing of the reads: which
 * bytes come is open, that they come is not */
static void *write_on(void *arg)
{
	const struct mem *m = arg;

	for (uint32_t n = 0; !atomic_load(&stop_writing); n++)
		memset(m->va, (int)n, m->size);
	return NULL;
}

START_TEST(read_while_it_changes)
{
	const uint32_t size = 256u << 10;
	struct ep_opts o = { .mem = size };
	pthread_t writer;
	struct pair p;

	pair_open(&p, 0, 1, &o);
	atomic_store(&stop_writing, false);
	ck_assert(!pthread_create(&writer, NULL, write_on, &p.b.mem));
	for (uint32_t i = 0; i < 200; i++) {
		assert_status(ep_post_read(&p.a, i, 0, size, &p.b, 0, 0),
			      STATUS_SUCCESS);
		assert_status(ep_next(&p.a).Status, STATUS_SUCCESS);
	}
	atomic_store(&stop_writing, true);
	pthread_join(writer, NULL);
	pair_close(&p);
}
END_TEST

START_TEST(inline_data_is_taken_at_once)
{
	struct ep_opts o = { .inline_size = 64 };
	struct pair p;
	char words[] = "inline, token ignored";
	NDK_SGE s = { .VirtualAddress = words, .Length = sizeof(words) };

	pair_open(&p, 0, 1, &o);
	assert_status(ep_post_recv(&p.b, 1, 0, 100), STATUS_SUCCESS);
	assert_status(p.a.qp->Dispatch->NdkSend(p.a.qp, ID(2), &s, 1,
						NDK_OP_FLAG_INLINE),
		      STATUS_SUCCESS);
	memset(words, 0, sizeof(words));
	ck_assert_uint_eq(ep_next(&p.b).BytesTransferred, sizeof(words));
	ck_assert_str_eq((char *)p.b.mem.va, "inline, token ignored");
	assert_status(ep_next(&p.a).Status, STATUS_SUCCESS);
	ep_disconnect_both(&p.a, &p.b);
	pair_close(&p);
}
END_TEST

START_TEST(silent_success_makes_no_completion)
{
	struct pair p;

	open_sized(&p, 4096);
	for (int i = 0; i < 100; i++) {
		NTSTATUS st;

		/* silent ones free their entries too, or this never ends */
		do {
			st = ep_post_write(&p.a, 1, 0, 64, &p.b, 0,
					   NDK_OP_FLAG_SILENT_SUCCESS);
		} while (st == STATUS_NO_MORE_ENTRIES ||
			 st == STATUS_INSUFFICIENT_RESOURCES);
		assert_status(st, STATUS_SUCCESS);
	}
	NTSTATUS st;

	do {
		st = ep_post_write(&p.a, 99, 0, 4096, &p.b, 0, 0);
	} while (st != STATUS_SUCCESS);
	NDK_RESULT_EX r = ep_next(&p.a);

	ck_assert_ptr_eq(r.RequestContext, ID(99));
	ck_assert(ep_idle(&p.a));
	ck_assert_int_eq(mem_check(p.b.mem.va, 4096, 4097, 0), -1);
	ep_disconnect_both(&p.a, &p.b);
	pair_close(&p);
}
END_TEST

START_TEST(requests_complete_in_order)
{
	struct ep_opts o = { .depth = 64, .mem = 65536 };
	struct pair p;

	pair_open(&p, 0, 1, &o);
	for (uint64_t i = 0; i < 64; i++)
		assert_status(ep_post_recv(&p.b, i, i * 64, 64),
			      STATUS_SUCCESS);
	for (uint64_t i = 0; i < 64; i++)
		assert_status(ep_post_send(&p.a, i, i * 64, 64, 0),
			      STATUS_SUCCESS);
	for (uint64_t i = 0; i < 64; i++) {
		ck_assert_ptr_eq(ep_next(&p.b).RequestContext, ID(i));
		ck_assert_ptr_eq(ep_next(&p.a).RequestContext, ID(i));
	}
	ep_disconnect_both(&p.a, &p.b);
	pair_close(&p);
}
END_TEST

START_TEST(a_send_waits_for_its_receive)
{
	struct pair p;

	open_sized(&p, 4096);
	assert_status(ep_post_send(&p.a, 1, 0, 4096, 0), STATUS_SUCCESS);
	ck_assert(ep_idle(&p.a));
	assert_status(ep_post_recv(&p.b, 2, 0, 4096), STATUS_SUCCESS);
	assert_status(ep_next(&p.a).Status, STATUS_SUCCESS);
	assert_status(ep_next(&p.b).Status, STATUS_SUCCESS);
	ep_disconnect_both(&p.a, &p.b);
	pair_close(&p);
}
END_TEST

/* One failed request breaks the connection: both sides learn it once */
static void expect_broken(struct pair *p, NTSTATUS a_status)
{
	struct op op;

	assert_status(ep_next(&p->a).Status, a_status);
	ck_assert(wait_count(&p->b.indications, 1, TEST_TIMEOUT_MS));
	ck_assert_uint_ne(ep_disconnect_start(&p->a, &op), STATUS_SUCCESS);
	ck_assert_uint_eq(p->b.indications, 1);
	pair_close(p);
}

START_TEST(write_with_a_wrong_token)
{
	struct pair p;

	open_sized(&p, 4096);
	p.b.mem.remote ^= 0x00100000;
	assert_status(ep_post_write(&p.a, 1, 0, 64, &p.b, 0, 0),
		      STATUS_SUCCESS);
	expect_broken(&p, STATUS_ACCESS_VIOLATION);
}
END_TEST

START_TEST(write_beyond_the_region)
{
	struct pair p;

	open_sized(&p, 4096);
	assert_status(ep_post_write(&p.a, 1, 0, 64, &p.b, 4096 - 63, 0),
		      STATUS_SUCCESS);
	expect_broken(&p, STATUS_ACCESS_VIOLATION);
}
END_TEST

START_TEST(local_token_that_is_not_ours)
{
	struct pair p;

	open_sized(&p, 4096);
	p.a.mem.local ^= 0x00100000;
	assert_status(ep_post_write(&p.a, 1, 0, 64, &p.b, 0, 0),
		      STATUS_SUCCESS);
	expect_broken(&p, STATUS_ACCESS_VIOLATION);
}
END_TEST

/* The answer to a request that its peer ended the connection for.  On a wire with one
 * word for all ends that may overtake the answer; then it is for the consumer to
 * end the request. */
static NTSTATUS answer_or_end(struct ep *e, NTSTATUS want)
{
	NDK_RESULT_EX r;
	bool told = false;

	for (int ms = 0; ms < TEST_TIMEOUT_MS && !told; ms++) {
		told = !test_backend()->tells_aborts && e->indications;
		if (e->cq->Dispatch->NdkGetCqResultsEx(e->cq, &r, 1))
			return r.Status;
		poll(NULL, 0, 1);
	}
	ck_assert_msg(told, "neither an answer nor an end");
	e->qp->Dispatch->NdkFlush(e->qp);
	assert_status(ep_next(e).Status, STATUS_CANCELLED);
	return want;
}

START_TEST(message_longer_than_the_receive)
{
	struct pair p;
	NDK_RESULT_EX r;

	open_sized(&p, 4096);
	assert_status(ep_post_recv(&p.b, 1, 0, 63), STATUS_SUCCESS);
	assert_status(ep_post_send(&p.a, 2, 0, 64, 0), STATUS_SUCCESS);
	r = ep_next(&p.b);
	assert_status(r.Status, STATUS_DATA_OVERRUN);
	assert_status(answer_or_end(&p.a, STATUS_DATA_ERROR),
		      STATUS_DATA_ERROR);
	pair_close(&p);
}
END_TEST

START_TEST(no_receive_ever)
{
	struct pair p;

	open_sized(&p, 4096);
	assert_status(ep_post_send(&p.a, 1, 0, 64, 0), STATUS_SUCCESS);
	assert_status(ep_next(&p.a).Status, STATUS_IO_TIMEOUT);
	pair_close(&p);
}
END_TEST

START_TEST(over_ipv6)
{
	struct pair p;

	ep_init(&p.a, fx.g[0], NULL);
	ep_init(&p.b, fx.g[1], NULL);
	listener_start(&p.l, p.b.adapter, sa_v6(1, 0));
	ep_connect(&p.a, &p.b, &p.l, "v6", NULL);
	mem_fill(&p.a.mem, 66);
	assert_status(ep_post_write(&p.a, 1, 0, 65536, &p.b, 0, 0),
		      STATUS_SUCCESS);
	assert_status(ep_next(&p.a).Status, STATUS_SUCCESS);
	ck_assert_int_eq(mem_check(p.b.mem.va, 65536, 66, 0), -1);
	ep_disconnect_both(&p.a, &p.b);
	pair_close(&p);
}
END_TEST

/* Pages by their logical addresses, no region: for the kernel's own buffers */
START_TEST(privileged_token)
{
	enum { PAGES = 3, OFFSET = 100, LENGTH = PAGES * 4096 - 200 };
	uint64_t room[PAGES + 4];
	NDK_LOGICAL_ADDRESS_MAPPING *lam = (void *)room;
	ULONG size = sizeof(room), fbo = 0;
	NDK_SGE sge[PAGES];
	struct pair p;
	uint64_t done = 0;
	struct op op;
	NTSTATUS st;

	open_sized(&p, 65536);
	mem_fill(&p.a.mem, 5);
	MDL mdl = { .va = (uintptr_t)p.a.mem.va + OFFSET, .length = LENGTH,
		    .pages = p.a.mem.dma.pages };

	op_init(&op);
	st = p.a.adapter->Dispatch->NdkBuildLAM(p.a.adapter, &mdl, LENGTH,
						op_ended, &op, lam, &size,
						&fbo);
	assert_status(op_wait(&op, st), STATUS_SUCCESS);
	ck_assert_uint_eq(fbo, OFFSET);
	ck_assert_uint_eq(lam->AdapterPageCount, PAGES);
	for (int i = 0; i < PAGES; i++) {
		uint64_t skip = i ? 0 : fbo;
		uint64_t len = 4096 - skip;

		if (len > LENGTH - done)
			len = LENGTH - done;
		sge[i].LogicalAddress = lam->AdapterPageArray[i];
		sge[i].LogicalAddress.QuadPart += (int64_t)skip;
		sge[i].Length = (ULONG)len;
		p.a.pd->Dispatch->NdkGetPrivilegedMemoryRegionToken(
			p.a.pd, &sge[i].MemoryRegionToken);
		done += len;
	}
	assert_status(p.a.qp->Dispatch->NdkWrite(
			      p.a.qp, ID(1), sge, PAGES,
			      (uintptr_t)p.b.mem.va + OFFSET, p.b.mem.remote,
			      0), STATUS_SUCCESS);
	assert_status(ep_next(&p.a).Status, STATUS_SUCCESS);
	ck_assert_int_eq(mem_check(p.b.mem.va + OFFSET, LENGTH, 5, OFFSET), -1);
	/* it gives the peer no right */
	assert_status(p.b.qp->Dispatch->NdkRead(
			      p.b.qp, ID(2), &(NDK_SGE){
				      .VirtualAddress = p.b.mem.va,
				      .Length = 64,
				      .MemoryRegionToken = p.b.mem.local },
			      1, (uint64_t)sge[0].LogicalAddress.QuadPart,
			      sge[0].MemoryRegionToken, 0), STATUS_SUCCESS);
	assert_status(ep_next(&p.b).Status, STATUS_ACCESS_VIOLATION);
	p.a.adapter->Dispatch->NdkReleaseLAM(p.a.adapter, lam);
	pair_close(&p);
}
END_TEST

START_TEST(arm_fires_once)
{
	struct pair p;

	open_sized(&p, 4096);
	ep_arm(&p.b, NDK_CQ_NOTIFY_ANY);
	for (int i = 0; i < 3; i++) {
		assert_status(ep_post_recv(&p.b, 1, 0, 64), STATUS_SUCCESS);
		assert_status(ep_post_send(&p.a, 1, 0, 64, 0), STATUS_SUCCESS);
		assert_status(ep_next(&p.a).Status, STATUS_SUCCESS);
		assert_status(ep_next(&p.b).Status, STATUS_SUCCESS);
	}
	ck_assert(wait_count(&p.b.cq_events, 1, TEST_TIMEOUT_MS));
	ep_disconnect_both(&p.a, &p.b);
	ck_assert_uint_eq(p.b.cq_events, 1);
	pair_close(&p);
}
END_TEST

START_TEST(arm_solicited_waits_for_a_solicited_one)
{
	struct pair p;

	open_sized(&p, 4096);
	ep_arm(&p.b, NDK_CQ_NOTIFY_SOLICITED);
	assert_status(ep_post_recv(&p.b, 1, 0, 64), STATUS_SUCCESS);
	assert_status(ep_post_recv(&p.b, 2, 0, 64), STATUS_SUCCESS);
	assert_status(ep_post_send(&p.a, 1, 0, 64, 0), STATUS_SUCCESS);
	assert_status(ep_next(&p.b).Status, STATUS_SUCCESS);
	ck_assert_uint_eq(p.b.cq_events, 0);
	assert_status(ep_post_send(&p.a, 2, 0, 64,
				   NDK_OP_FLAG_SEND_AND_SOLICIT_EVENT),
		      STATUS_SUCCESS);
	ck_assert(wait_count(&p.b.cq_events, 1, TEST_TIMEOUT_MS));
	assert_status(ep_next(&p.b).Status, STATUS_SUCCESS);
	ep_disconnect_both(&p.a, &p.b);
	pair_close(&p);
}
END_TEST

START_TEST(arm_with_a_completion_waiting)
{
	struct pair p;

	open_sized(&p, 4096);
	assert_status(ep_post_write(&p.a, 1, 0, 64, &p.b, 0, 0), STATUS_SUCCESS);
	assert_status(ep_next(&p.a).Status, STATUS_SUCCESS);
	assert_status(ep_post_write(&p.a, 2, 0, 64, &p.b, 0, 0), STATUS_SUCCESS);
	/* whether it ends before or after the arm, the callback comes */
	ep_arm(&p.a, NDK_CQ_NOTIFY_ANY);
	ck_assert(wait_count(&p.a.cq_events, 1, TEST_TIMEOUT_MS));
	assert_status(ep_next(&p.a).Status, STATUS_SUCCESS);
	ep_disconnect_both(&p.a, &p.b);
	pair_close(&p);
}
END_TEST

START_TEST(posting_before_connecting)
{
	struct ep e;

	ep_init(&e, fx.g[0], NULL);
	assert_status(ep_post_send(&e, 1, 0, 64, 0), STATUS_CONNECTION_INVALID);
	assert_status(ep_post_recv(&e, 2, 0, 64), STATUS_SUCCESS);
	ck_assert(ep_idle(&e));
	e.qp->Dispatch->NdkFlush(e.qp);
	NDK_RESULT_EX r = ep_next(&e);

	assert_status(r.Status, STATUS_CANCELLED);
	ck_assert_ptr_eq(r.RequestContext, ID(2));
	ep_fini(&e);
}
END_TEST

START_TEST(a_gigabyte_of_scattered_pages_registers)
{
	enum { PAGES = 262144 };
	struct daemon_opts o = { .guests = 1, .guest_section = FX_SMALL };
	struct op op;

	fx_start(&o, 1100u << 20);
	struct fe *fe = tguest_fe(fx.g[0]);
	uint64_t base = fe_gpa_end(fe) - (512u << 20);
	static uint64_t page[PAGES];
	MDL mdl = { .va = 0x7f0000000123, .length = (1ull << 30) - 0x123,
		    .pages = page };

	/* any guest page may be listed, any number of times */
	for (uint32_t i = 0; i < PAGES; i++)
		page[i] = base + (uint64_t)((i * 7919u) % 120000) * 4096;
	NDK_ADAPTER *a = nd_open(fx.g[0]);
	NDK_PD *pd = nd_pd(a);
	NDK_MR *mr = NULL;

	op_init(&op);
	NTSTATUS st = pd->Dispatch->NdkCreateMr(pd, FALSE, op_created, &op, &mr);

	assert_status(op_wait(&op, st), STATUS_SUCCESS);
	if (st == STATUS_PENDING)
		mr = (NDK_MR *)op.object;
	op_init(&op);
	st = mr->Dispatch->NdkRegisterMr(mr, &mdl, mdl.length, MEM_ALL,
					 op_ended, &op);
	if (test_backend()->limits_pieces) {
		assert_status(op_wait(&op, st), STATUS_INSUFFICIENT_RESOURCES);
		goto end;
	}
	assert_status(op_wait(&op, st), STATUS_SUCCESS);
	op_init(&op);
	st = mr->Dispatch->NdkDeregisterMr(mr, op_ended, &op);
	assert_status(op_wait(&op, st), STATUS_SUCCESS);
end:
	nd_close(mr);
	nd_close(pd);
	vrdma_close_adapter(a);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("data");
	TCase *tc = add_case(s, "sizes", 60);

	tcase_add_checked_fixture(tc, big_setup, fx_teardown);
	tcase_add_loop_test(tc, send_and_receive, 0, SIZES);
	tcase_add_loop_test(tc, write_and_read_back, 0, SIZES);
	tc = add_case(s, "shapes", 60);
	tcase_add_checked_fixture(tc, fx_setup, fx_teardown);
	tcase_add_test(tc, odd_offsets);
	tcase_add_test(tc, several_elements);
	tcase_add_test(tc, read_while_it_changes);
	tcase_add_test(tc, inline_data_is_taken_at_once);
	tcase_add_test(tc, silent_success_makes_no_completion);
	tcase_add_test(tc, requests_complete_in_order);
	tcase_add_test(tc, a_send_waits_for_its_receive);
	tcase_add_test(tc, write_with_a_wrong_token);
	tcase_add_test(tc, write_beyond_the_region);
	tcase_add_test(tc, local_token_that_is_not_ours);
	tcase_add_test(tc, message_longer_than_the_receive);
	tcase_add_test(tc, no_receive_ever);
	tcase_add_test(tc, over_ipv6);
	tcase_add_test(tc, privileged_token);
	tcase_add_test(tc, arm_fires_once);
	tcase_add_test(tc, arm_solicited_waits_for_a_solicited_one);
	tcase_add_test(tc, arm_with_a_completion_waiting);
	tcase_add_test(tc, posting_before_connecting);
	tc = add_case(s, "memory", 60);
	tcase_add_checked_fixture(tc, NULL, fx_teardown);
	tcase_add_test(tc, a_gigabyte_of_scattered_pages_registers);
	return run_suite(s);
}
