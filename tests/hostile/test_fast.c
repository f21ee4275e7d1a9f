// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * test_fast.c - fast-register regions with each thing wrong; above all by a
 * process, which may write any bytes into the rings of its queue pair, and has no
 * right to name guest memory
 */
#include <string.h>

#include "fixture.h"
#include "raw.h"

static struct raw ra, rb;
static struct raw_qp process, kernel, peer;	/* a's, a's and b's */

static uint32_t privileged_pd(struct raw *r)
{
	struct virtio_rdma_cmd_create_pd c = {
		.hdr.opcode = vr_to_le16(VIRTIO_RDMA_CMD_CREATE_PD),
		.flags = vr_to_le32(VIRTIO_RDMA_PD_PRIVILEGED),
	};

	ck_assert_uint_eq(raw_cmd(r, &c, sizeof(c)), VIRTIO_RDMA_S_OK);
	return raw_handle(r);
}

static void setup(void)
{
	struct daemon_opts o = { .guests = 2,
		.guest_section = "disconnect-timeout-ms = 1000\n"
				 "max-frmr-pages = 8\n"
				 "max-mr-pages = 4096\n"
				 FX_FEW_QUEUES FX_SMALL };
	struct raw_qp with;

	ck_assert(daemon_start(&fx.daemon, &o));
	raw_start(&ra, fx.daemon.socket[0]);
	raw_start(&rb, fx.daemon.socket[1]);
	raw_qp_make(&ra, &process);
	with = process;
	with.pd = privileged_pd(&ra);
	with.create.pd = vr_to_le32(with.pd);
	raw_qp_beside(&ra, &kernel, &with, 9, 0);
	raw_qp_make(&rb, &peer);
}

static void teardown(void)
{
	raw_stop(&ra);
	raw_stop(&rb);
	ck_assert_int_eq(daemon_stop(&fx.daemon), 0);
	daemon_cleanup(&fx.daemon);
}

/* --- commands ------------------------------------------------------------------ */

static struct virtio_rdma_cmd_create_frmr right_one(void)
{
	return (struct virtio_rdma_cmd_create_frmr){
		.hdr.opcode = vr_to_le16(VIRTIO_RDMA_CMD_CREATE_FRMR),
		.pd = vr_to_le32(kernel.pd), .max_pages = vr_to_le32(8),
		.flags = vr_to_le32(VIRTIO_RDMA_FRMR_REMOTE),
	};
}

static uint32_t tell(const struct virtio_rdma_cmd_create_frmr *c)
{
	return raw_cmd(&ra, c, sizeof(*c));
}

struct frmr {
	uint32_t handle, token;
};

static struct frmr frmr_make(void)
{
	struct virtio_rdma_cmd_create_frmr c = right_one();
	const struct virtio_rdma_rsp_register_mr *r = (void *)ra.rsp;
	struct frmr f;

	ck_assert_uint_eq(tell(&c), VIRTIO_RDMA_S_OK);
	f.handle = raw_handle(&ra);
	f.token = vr_from_le32(r->remote_token);
	ck_assert_uint_eq(vr_from_le32(r->local_token), f.handle);
	return f;
}

START_TEST(wrong_commands)
{
	struct virtio_rdma_cmd_create_frmr c;

#define WRONG(field, value, want) do { \
	c = right_one(); \
	c.field = vr_to_le32(value); \
	ck_assert_uint_eq(tell(&c), VIRTIO_RDMA_S_##want); \
} while (0)
	WRONG(pd, 0, INVALID_HANDLE);
	WRONG(pd, kernel.cq, INVALID_HANDLE);
	WRONG(pd, process.pd, INVALID_PARAMETER);	/* no right to memory */
	WRONG(max_pages, 0, INVALID_PARAMETER);
	WRONG(max_pages, 9, INVALID_PARAMETER);
	WRONG(max_pages, 0xffffffff, INVALID_PARAMETER);
	WRONG(flags, 2, INVALID_PARAMETER);
	WRONG(flags, 0x80000001, INVALID_PARAMETER);
	WRONG(reserved, 1, INVALID_PARAMETER);
#undef WRONG
	frmr_make();
}
END_TEST

/* What it keeps for them is bounded, by number and by pages, and given back */
START_TEST(as_many_as_there_may_be)
{
	struct virtio_rdma_cmd_create_frmr c = right_one();
	uint32_t n = 0, first = 0, status;

	for (int round = 0; round < 2; round++) {
		uint32_t made = 0;

		while (!(status = tell(&c))) {
			if (!made)
				first = raw_handle(&ra);
			made++;
		}
		ck_assert_uint_eq(status, VIRTIO_RDMA_S_NO_RESOURCES);
		/* two times 8 of 4096 each, less what rings take */
		ck_assert_uint_gt(made, round ? 0 : 200);
		ck_assert_uint_le(made, 256);
		n += made;
		ck_assert_uint_eq(raw_simple(&ra, VIRTIO_RDMA_CMD_DEREGISTER_MR,
					     first), VIRTIO_RDMA_S_OK);
		ck_assert_uint_eq(raw_simple(&ra, VIRTIO_RDMA_CMD_DEREGISTER_MR,
					     first),
				  VIRTIO_RDMA_S_INVALID_HANDLE);
	}
	ck_assert_uint_gt(n, 200);
}
END_TEST

START_TEST(domain_waits)
{
	struct virtio_rdma_cmd_create_frmr c = right_one();
	uint32_t pd = privileged_pd(&ra), frmr;

	c.pd = vr_to_le32(pd);
	ck_assert_uint_eq(tell(&c), VIRTIO_RDMA_S_OK);
	frmr = raw_handle(&ra);
	ck_assert_uint_eq(raw_simple(&ra, VIRTIO_RDMA_CMD_DESTROY_PD, pd),
			  VIRTIO_RDMA_S_BUSY);
	ck_assert_uint_eq(raw_simple(&ra, VIRTIO_RDMA_CMD_DEREGISTER_MR, frmr),
			  VIRTIO_RDMA_S_OK);
	ck_assert_uint_eq(raw_simple(&ra, VIRTIO_RDMA_CMD_DESTROY_PD, pd),
			  VIRTIO_RDMA_S_OK);
}
END_TEST

/* --- requests --------------------------------------------------------------------- */

static vr_le64 *table;		/* of 8 good pages */
static uint64_t table_gpa;

/* A right FAST_REGISTER as entry 0 of q */
static struct virtio_rdma_fast_register *good(struct raw_qp *q, struct frmr f)
{
	struct virtio_rdma_send_wqe *w = raw_sqe(q, 0);
	struct virtio_rdma_fast_register *r = (void *)(w + 1);
	uint64_t gpa;

	table = raw_page(&ra, &table_gpa);
	for (int i = 0; i < 8; i++) {
		raw_page(&ra, &gpa);
		table[i] = vr_to_le64(gpa);
	}
	memset(w, 0, 128);
	w->wr_id = vr_to_le64(42);
	w->opcode = VIRTIO_RDMA_OP_FAST_REGISTER;
	w->remote_token = vr_to_le32(f.token ^ 0x3);
	*r = (struct virtio_rdma_fast_register){
		.addr = vr_to_le64(0x7000100), .length = vr_to_le64(0x7f00),
		.table = vr_to_le64(table_gpa), .mr = vr_to_le32(f.handle),
		.access = vr_to_le32(7),
	};
	return r;
}

static uint8_t result(struct raw_qp *q, uint32_t tail)
{
	struct virtio_rdma_cqe e;

	raw_ring(&ra, q, tail, 0);
	e = raw_cqe(q);
	ck_assert_uint_eq(vr_from_le64(e.wr_id), 42);
	return e.status & (uint8_t)~VIRTIO_RDMA_CQE_PHASE;
}

static const struct {
	uint32_t offset, size;	/* in the entry */
	uint64_t value;
	uint8_t want;
} fields[] = {
#define HEAD(f, v, w) \
	{ offsetof(struct virtio_rdma_send_wqe, f), \
	  sizeof(((struct virtio_rdma_send_wqe *)0)->f), v, \
	  VIRTIO_RDMA_WC_LOCAL_##w }
#define FAST(f, v, w) \
	{ 32 + offsetof(struct virtio_rdma_fast_register, f), \
	  sizeof(((struct virtio_rdma_fast_register *)0)->f), v, \
	  VIRTIO_RDMA_WC_LOCAL_##w }
	HEAD(num_sge, 1, REQUEST),
	HEAD(flags, VIRTIO_RDMA_WR_INLINE, REQUEST),
	HEAD(flags, VIRTIO_RDMA_WR_SOLICIT, REQUEST),
	HEAD(inline_length, 1, REQUEST),
	HEAD(remote_addr, 1, REQUEST),
	HEAD(reserved, 1, REQUEST),
	HEAD(remote_token, 0, PROTECTION),
	HEAD(remote_token, 0x12345678, PROTECTION),
	FAST(access, 8, REQUEST),
	FAST(access, 4, REQUEST),	/* remote write without local write */
	FAST(length, 0, REQUEST),
	FAST(length, UINT64_MAX, REQUEST),
	FAST(addr, UINT64_MAX - 8, REQUEST),
	FAST(length, 0x7f01, PROTECTION),	/* one page too many */
	FAST(length, 1ull << 60, PROTECTION),
	FAST(table, 8, REQUEST),
	FAST(table, UINT64_MAX, REQUEST),
	FAST(table, 1ull << 46, PROTECTION),
	FAST(table, 0xfffffffffffff000, PROTECTION),
	FAST(mr, 0, PROTECTION),
	FAST(mr, 0xffffffff, PROTECTION),
	FAST(mr, VIRTIO_RDMA_TOKEN_PRIVILEGED, PROTECTION),
#undef FAST
#undef HEAD
};
#define FIELDS (int)(sizeof(fields) / sizeof(fields[0]))

START_TEST(wrong_requests)
{
	struct frmr f = frmr_make();
	uint8_t *entry = (uint8_t *)raw_sqe(&kernel, 0);

	raw_connect(&ra, &kernel, &rb, &peer, 1);
	good(&kernel, f);
	if (_i < FIELDS)
		memcpy(entry + fields[_i].offset, &fields[_i].value,
		       fields[_i].size);
	ck_assert_uint_eq(result(&kernel, 1), _i < FIELDS ? fields[_i].want :
						VIRTIO_RDMA_WC_SUCCESS);
	ck_assert_uint_eq(raw_simple(&ra, VIRTIO_RDMA_CMD_DEREGISTER_MR,
				     f.handle), VIRTIO_RDMA_S_OK);
}
END_TEST

static const uint64_t bad_pages[] = {
	8, 0xfffffffffffff000, 1ull << 46, UINT64_MAX,
};
#define PAGES (int)(sizeof(bad_pages) / sizeof(bad_pages[0]))

/* The last of the list, and none behind the list is looked at */
START_TEST(wrong_pages)
{
	struct frmr f = frmr_make();
	struct virtio_rdma_fast_register *r;

	raw_connect(&ra, &kernel, &rb, &peer, 1);
	r = good(&kernel, f);
	table[7] = vr_to_le64(bad_pages[_i % PAGES]);
	if (_i >= PAGES)
		r->length = vr_to_le64(0x6f00);
	ck_assert_uint_eq(result(&kernel, 1),
			  _i >= PAGES ? VIRTIO_RDMA_WC_SUCCESS :
					VIRTIO_RDMA_WC_LOCAL_PROTECTION);
}
END_TEST

/* A process that knows the handle and the token of a kernel's region: its domain
 * is another one.  Nor can it take the memory away. */
START_TEST(by_a_process)
{
	struct frmr f = frmr_make();
	struct virtio_rdma_send_wqe *w = raw_sqe(&process, 0);

	raw_connect(&ra, &process, &rb, &peer, 1);
	good(&process, f);
	if (_i) {
		memset(w, 0, 128);
		w->wr_id = vr_to_le64(42);
		w->opcode = VIRTIO_RDMA_OP_INVALIDATE;
		w->remote_token = vr_to_le32(f.token);
	}
	ck_assert_uint_eq(result(&process, 1), VIRTIO_RDMA_WC_LOCAL_PROTECTION);
}
END_TEST

/* The list changes, and a page of it goes, after the request: what was copied
 * counts, and each access looks for the memory anew */
START_TEST(list_changed_afterwards)
{
	struct virtio_rdma_send_wqe *w = raw_sqe(&kernel, 1);
	struct virtio_rdma_sge *sge = (void *)(w + 1);
	struct frmr f = frmr_make();

	raw_connect(&ra, &kernel, &rb, &peer, 1);
	good(&kernel, f);
	ck_assert_uint_eq(result(&kernel, 1), VIRTIO_RDMA_WC_SUCCESS);
	memset(table, 0xff, 64);
	memset(raw_rqe(&peer, 0), 0, 128);	/* a receive of no bytes */
	raw_ring(&rb, &peer, 0, 1);
	memset(w, 0, 128);
	w->wr_id = vr_to_le64(42);
	w->opcode = VIRTIO_RDMA_OP_SEND;
	w->num_sge = 1;
	*sge = (struct virtio_rdma_sge){ vr_to_le64(0x7000100),
					 vr_to_le32(0x7f00),
					 vr_to_le32(f.handle) };
	/* too long for the receive, which shows that the memory was found */
	ck_assert_uint_eq(result(&kernel, 2), VIRTIO_RDMA_WC_REMOTE_REQUEST);
}
END_TEST

/* Beyond what it was given, in either direction */
START_TEST(beyond)
{
	static const struct {
		uint64_t addr;
		uint32_t length;
	} t[] = {
		{ 0x70000ff, 1 }, { 0x7000100, 0x7f01 }, { 0x7008000, 1 },
		{ 0, 1 }, { UINT64_MAX, 1 }, { 0x7000101, 0x7f00 },
	};
	struct virtio_rdma_send_wqe *w = raw_sqe(&kernel, 1);
	struct virtio_rdma_sge *sge = (void *)(w + 1);
	struct frmr f = frmr_make();

	raw_connect(&ra, &kernel, &rb, &peer, 1);
	good(&kernel, f);
	ck_assert_uint_eq(result(&kernel, 1), VIRTIO_RDMA_WC_SUCCESS);
	memset(w, 0, 128);
	w->wr_id = vr_to_le64(42);
	w->opcode = VIRTIO_RDMA_OP_SEND;
	w->num_sge = 1;
	*sge = (struct virtio_rdma_sge){ vr_to_le64(t[_i].addr),
					 vr_to_le32(t[_i].length),
					 vr_to_le32(f.handle) };
	ck_assert_uint_eq(result(&kernel, 2), VIRTIO_RDMA_WC_LOCAL_PROTECTION);
}
END_TEST

/* --- a READ that takes a region's memory away -------------------------------------- */

enum wrong { NOTHING, NO_ELEMENT, ALL_OF_MEMORY, OF_NONE, OTHER_OPCODE, WRONGS };

static const uint8_t answers[WRONGS] = {
	[NOTHING] = VIRTIO_RDMA_WC_REMOTE_ACCESS, /* as the peer's token is none */
	[NO_ELEMENT] = VIRTIO_RDMA_WC_LOCAL_REQUEST,
	[ALL_OF_MEMORY] = VIRTIO_RDMA_WC_LOCAL_PROTECTION,
	[OF_NONE] = VIRTIO_RDMA_WC_LOCAL_PROTECTION,
	[OTHER_OPCODE] = VIRTIO_RDMA_WC_LOCAL_REQUEST,
};

static void put_read(struct raw_qp *q, uint32_t at, uint32_t token)
{
	struct virtio_rdma_send_wqe *w = raw_sqe(q, at);
	struct virtio_rdma_sge *sge = (void *)(w + 1);

	memset(w, 0, 128);
	w->wr_id = vr_to_le64(42);
	w->opcode = VIRTIO_RDMA_OP_READ;
	w->flags = vr_to_le16(VIRTIO_RDMA_WR_LOCAL_INVALIDATE);
	w->num_sge = 1;
	w->remote_token = vr_to_le32(0x1234567);
	*sge = (struct virtio_rdma_sge){ vr_to_le64(0x7000100), vr_to_le32(8),
					 vr_to_le32(token) };
}

START_TEST(wrong_reads)
{
	struct virtio_rdma_send_wqe *w = raw_sqe(&kernel, 1);
	struct virtio_rdma_sge *sge = (void *)(w + 1);
	struct frmr f = frmr_make();

	raw_connect(&ra, &kernel, &rb, &peer, 1);
	good(&kernel, f);
	ck_assert_uint_eq(result(&kernel, 1), VIRTIO_RDMA_WC_SUCCESS);
	put_read(&kernel, 1, f.handle);
	if (_i == NO_ELEMENT)
		w->num_sge = 0;
	if (_i == ALL_OF_MEMORY) {
		sge->addr = vr_to_le64(table_gpa);
		sge->token = vr_to_le32(VIRTIO_RDMA_TOKEN_PRIVILEGED);
	}
	if (_i == OF_NONE) {
		sge->length = 0;
		sge->token = vr_to_le32(f.handle ^ 0x80000000);
	}
	if (_i == OTHER_OPCODE)
		w->opcode = VIRTIO_RDMA_OP_WRITE;
	ck_assert_uint_eq(result(&kernel, 2), answers[_i]);
	ck_assert_uint_eq(raw_simple(&ra, VIRTIO_RDMA_CMD_DEREGISTER_MR,
				     f.handle), VIRTIO_RDMA_S_OK);
}
END_TEST

/* A process takes nothing of a kernel's, even by an element of no length; _i: 1,
 * one of its own that is registered for good */
START_TEST(read_by_a_process)
{
	struct virtio_rdma_send_wqe *w = raw_sqe(&process, 0);
	struct virtio_rdma_sge *sge = (void *)(w + 1);
	struct frmr f = frmr_make();
	struct raw_mr own;

	raw_connect(&ra, &process, &rb, &peer, 1);
	raw_mr_make(&ra, process.pd, VIRTIO_RDMA_ACCESS_LOCAL_WRITE, &own);
	put_read(&process, 0, _i ? own.local : f.handle);
	sge->addr = vr_to_le64(own.addr);
	if (!_i)
		sge->length = 0;
	ck_assert_uint_eq(result(&process, 1), VIRTIO_RDMA_WC_LOCAL_PROTECTION);
}
END_TEST

/* For a driver that did not negotiate it the flag is none */
START_TEST(read_flag_left_out)
{
	struct raw_mr own;

	raw_stop(&ra);
	raw_start_without(&ra, fx.daemon.socket[0],
			  VIRTIO_RDMA_FEATURE(READ_INVALIDATE));
	raw_qp_make(&ra, &process);
	raw_connect(&ra, &process, &rb, &peer, 1);
	raw_mr_make(&ra, process.pd, VIRTIO_RDMA_ACCESS_LOCAL_WRITE, &own);
	put_read(&process, 0, own.local);
	ck_assert_uint_eq(result(&process, 1), VIRTIO_RDMA_WC_LOCAL_REQUEST);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("hostile fast");
	TCase *tc = add_case(s, "fast", 60);

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, wrong_commands);
	tcase_add_test(tc, as_many_as_there_may_be);
	tcase_add_test(tc, domain_waits);
	tcase_add_loop_test(tc, wrong_requests, 0, FIELDS + 1);
	tcase_add_loop_test(tc, wrong_pages, 0, 2 * PAGES);
	tcase_add_loop_test(tc, by_a_process, 0, 2);
	tcase_add_test(tc, list_changed_afterwards);
	tcase_add_loop_test(tc, beyond, 0, 6);
	tcase_add_loop_test(tc, wrong_reads, 0, WRONGS);
	tcase_add_loop_test(tc, read_by_a_process, 0, 2);
	tcase_add_test(tc, read_flag_left_out);
	return run_suite(s);
}
