/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test_data_objects.c - commands that make contexts, domains, regions, CQs and
 * queue pairs: what they refuse and why; rules between objects; deadlines
 */
#include "data_rig.h"
#include "timer_wheel.h"
#include "suite.h"

static struct rig r;

static void setup(void)
{
	rig_start(&r, 50);
}

static void teardown(void)
{
	rig_end(&r);
}

#define S(x) VIRTIO_RDMA_S_##x

/* ------------------------------------------------------------------ regions */

static const struct mr_case {
	uint64_t addr, length;
	uint32_t access;
	uint32_t pages;		/* listed */
	uint8_t shift;
	enum virtio_rdma_status status;
} mr_cases[] = {
	{ 0x1000, 4096, 7, 1, 12, S(OK) },
	{ 0x1fff, 1, 0, 1, 12, S(OK) },
	{ 0x1fff, 2, 0, 2, 12, S(OK) },
	{ 0x1001, 4096, 7, 2, 12, S(OK) },
	{ UINT64_MAX - 4095, 4096, 7, 1, 12, S(OK) },
	{ UINT64_MAX, 1, 7, 1, 12, S(OK) },
	{ 5, 2u << 20, 7, 2, 21, S(OK) },
	{ 0x1000, 4096, 7, 2, 12, S(INVALID_PARAMETER) },
	{ 0x1001, 4096, 7, 1, 12, S(INVALID_PARAMETER) },
	{ 0x1000, 0, 7, 1, 12, S(INVALID_PARAMETER) },
	{ UINT64_MAX, 2, 7, 2, 12, S(INVALID_PARAMETER) },
	{ UINT64_MAX - 4095, 4097, 7, 2, 12, S(INVALID_PARAMETER) },
	{ 0, UINT64_MAX, 7, 1, 12, S(INVALID_PARAMETER) },
	{ 0x1000, 1ull << 40, 7, 1, 12, S(INVALID_PARAMETER) },
	{ 0x1000, 4096, 8, 1, 12, S(INVALID_PARAMETER) },
	{ 0x1000, 4096, 0x100, 1, 12, S(INVALID_PARAMETER) },
	{ 0x1000, 4096, 0x80000000, 1, 12, S(INVALID_PARAMETER) },
	{ 0x1000, 4096, VIRTIO_RDMA_ACCESS_REMOTE_WRITE, 1, 12,
	  S(INVALID_PARAMETER) },
	{ 0x1000, 4096, 7, 1, 13, S(INVALID_PARAMETER) },
	{ 0x1000, 4096, 7, 1, 0, S(INVALID_PARAMETER) },
	{ 0x1000, 4096, 7, 1, 64, S(INVALID_PARAMETER) },
	{ 0x1000, 4096, 7, 1, 255, S(INVALID_PARAMETER) },
};

START_TEST(test_register)
{
	const struct mr_case *c = &mr_cases[_i];
	struct virtio_rdma_page_list l = rig_pages(&r.a, RIG_DATA, c->pages,
						   12, 1);
	uint32_t remote = 0;
	struct rig_answer a;

	if (c->shift == 21)
		l = rig_pages(&r.a, 0x1100000, c->pages, 21, 1);
	l.page_shift = c->shift;
	a = rig_register(&r, &r.a, r.a.pd, c->addr, c->length, c->access, l,
			 &remote);
	ck_assert_uint_eq(a.status, c->status);
	if (a.status)
		return;
	ck_assert_uint_ne(a.handle, VIRTIO_RDMA_TOKEN_PRIVILEGED);
	ck_assert_uint_ne(remote, a.handle);
	ck_assert((c->access & 6) ? remote != 0 : remote == 0);
	ck_assert_uint_eq(rig_simple(&r, &r.a, cmd_deregister_mr,
				     a.handle).status, S(OK));
	ck_assert_uint_eq(rig_simple(&r, &r.a, cmd_deregister_mr,
				     a.handle).status, S(INVALID_HANDLE));
}
END_TEST

START_TEST(test_register_elsewhere)
{
	struct virtio_rdma_page_list l = rig_pages(&r.a, RIG_MEM, 1, 12, 1);

	ck_assert_uint_eq(rig_register(&r, &r.a, r.a.pd, 0, 4096, 7, l,
				       NULL).status, S(ACCESS_VIOLATION));
	l = rig_pages(&r.a, RIG_DATA, 1, 12, 1);
	/* another guest's domain is nobody's here */
	ck_assert_uint_eq(rig_register(&r, &r.a, r.a.cq, 0, 4096, 7, l,
				       NULL).status, S(INVALID_HANDLE));
}
END_TEST

/* ------------------------------------------------------------ lookup, ranges */

START_TEST(test_ranges)
{
	const uint64_t base = UINT64_MAX - 8191, len = 8192;
	static const struct {
		uint64_t addr, len;
		bool ok;
	} t[] = {
		{ UINT64_MAX - 8191, 8192, true },
		{ UINT64_MAX, 1, true },
		{ UINT64_MAX - 99, 100, true },
		{ UINT64_MAX - 99, 101, false },	/* would wrap to 0 */
		{ UINT64_MAX, 2, false },
		{ 0, 1, false },
		{ UINT64_MAX - 8192, 1, false },
		{ UINT64_MAX - 8191, 8193, false },
		{ UINT64_MAX - 8191, UINT64_MAX, false },
		{ 0, UINT64_MAX, false },
	};
	struct guest_data d = { .max_mr = 16 };
	struct vr_pd pd = { 0 }, other = { 0 };
	struct vr_qp qp = { .data = &d, .pd = &pd }, far = qp, foreign = qp;
	struct vr_mr mr = {
		.pd = &pd, .addr = base, .length = len, .access = 7,
		.local_token = 5u << 20 | 3, .remote_token = 0x12345678,
		.grant = {
			.pd = &pd, .mr = &mr, .addr = base, .length = len,
			.access = 7,
		},
	};
	struct vr_mr *table[16] = { [3] = &mr }, *out;
	const struct vr_grant *grant;

	foreign.pd = &other;
	d.mr = table;
	ck_assert_int_eq(token_table_init(&d.tokens, 16), 0);
	token_insert(&d.tokens, mr.remote_token, &mr.grant);
	for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		ck_assert_uint_eq(mr_get_local(&d, &pd, mr.local_token,
					       t[i].addr, t[i].len, 1, &out),
				  t[i].ok ? VIRTIO_RDMA_WC_SUCCESS :
					    VIRTIO_RDMA_WC_LOCAL_PROTECTION);
		ck_assert_uint_eq(mr_get_remote(&qp, mr.remote_token,
						t[i].addr, t[i].len, 4, &grant),
				  t[i].ok ? VIRTIO_RDMA_WC_SUCCESS :
					    VIRTIO_RDMA_WC_REMOTE_ACCESS);
	}
	ck_assert_uint_eq(mr.users, 6);
	ck_assert_uint_ne(mr_get_local(&d, &other, mr.local_token, base, 1, 0,
				       &out), 0);
	ck_assert_uint_ne(mr_get_local(&d, &pd, mr.remote_token, base, 1, 0,
				       &out), 0);
	ck_assert_uint_ne(mr_get_remote(&qp, mr.local_token, base, 1, 0,
					&grant), 0);
	ck_assert_uint_ne(mr_get_local(&d, &pd, 5u << 20 | 16, base, 1, 0,
				       &out), 0);
	ck_assert_uint_ne(mr_get_local(&d, &pd, UINT32_MAX, base, 1, 0, &out),
			  0);
	ck_assert_uint_ne(mr_get_remote(&qp, mr.remote_token ^ 1, base, 1, 0,
					&grant), 0);
	ck_assert_uint_ne(mr_get_remote(&foreign, mr.remote_token, base, 1, 0,
					&grant), 0);
	ck_assert_uint_ne(mr_get_remote(&qp, 0, base, 1, 0, &grant), 0);
	ck_assert_uint_eq(mr.users, 6);
	/* a window's grant is one queue pair's */
	mr.grant.qp = &far;
	ck_assert_uint_ne(mr_get_remote(&qp, mr.remote_token, base, 1, 0,
					&grant), 0);
	ck_assert_uint_eq(mr_get_remote(&far, mr.remote_token, base, 1, 0,
					&grant), 0);
	ck_assert_ptr_eq(grant, &mr.grant);
	token_remove(&d.tokens, mr.remote_token);
	ck_assert_uint_ne(mr_get_remote(&far, mr.remote_token, base, 1, 0,
					&grant), 0);
	ck_assert_uint_eq(mr.users, 7);
	token_table_fini(&d.tokens);
}
END_TEST

/* --------------------------------------------------------- privileged token */

static uint8_t privileged_write(uint32_t pd_flags, uint64_t gpa, uint32_t len)
{
	struct virtio_rdma_send_wqe w = {
		.wr_id = 1, .opcode = VIRTIO_RDMA_OP_WRITE, .num_sge = 1,
		.remote_addr = rig_data(0), .remote_token = r.b.remote,
	};
	struct virtio_rdma_sge s = { gpa, len, VIRTIO_RDMA_TOKEN_PRIVILEGED };
	struct virtio_rdma_cqe c;
	struct command cmd = { 0 };

	rig_simple(&r, &r.a, cmd_destroy_qp, r.a.qp);
	r.a.pd = rig_new_pd(&r, &r.a, pd_flags);
	rig_qp_request(&r.a, &cmd.req.create_qp);
	r.a.qp = rig_command(&r, &r.a, cmd_create_qp, &cmd).handle;
	rig_connect(&r);
	rig_post_raw(&r, &r.a, &w, &s, sizeof(s));
	rig_until(&r, rig_poll(&r.a, RIG_CQ_DEPTH, &c));
	return c.status;
}

START_TEST(test_privileged)
{
	static const struct {
		uint32_t flags;
		uint64_t off;
		uint32_t len;
		uint8_t status;
	} t[] = {
		{ VIRTIO_RDMA_PD_PRIVILEGED, RIG_DATA, 100, 0 },
		{ VIRTIO_RDMA_PD_PRIVILEGED, RIG_MEM - 100, 100, 0 },
		{ 0, RIG_DATA, 100, VIRTIO_RDMA_WC_LOCAL_PROTECTION },
		{ VIRTIO_RDMA_PD_PRIVILEGED, RIG_MEM - 99, 100,
		  VIRTIO_RDMA_WC_LOCAL_PROTECTION },
		{ VIRTIO_RDMA_PD_PRIVILEGED, (uint64_t)-0x100001, 100,
		  VIRTIO_RDMA_WC_LOCAL_PROTECTION },
	};

	memset(r.a.mem + RIG_DATA, 0x77, 100);
	ck_assert_uint_eq(privileged_write(t[_i].flags, r.a.gpa + t[_i].off,
					   t[_i].len), t[_i].status);
	if (!_i)
		ck_assert_mem_eq(r.b.mem + RIG_DATA, r.a.mem + RIG_DATA, 100);
}
END_TEST

/* A region registered before keeps its memory when the map goes, the
 * privileged token does not */
START_TEST(test_map_gone)
{
	struct virtio_rdma_cqe c;

	rig_connect(&r);
	guest_data_set_map(&r.a.g, NULL);
	rig_post(&r, &r.a, 1, VIRTIO_RDMA_OP_WRITE, 0, 0, 64, rig_data(0),
		 r.b.remote);
	rig_until(&r, rig_poll(&r.a, RIG_CQ_DEPTH, &c));
	ck_assert_uint_eq(c.status, 0);
}
END_TEST

START_TEST(test_map_gone_privileged)
{
	guest_data_set_map(&r.a.g, NULL);
	ck_assert_uint_eq(privileged_write(VIRTIO_RDMA_PD_PRIVILEGED,
					   r.a.gpa + RIG_DATA, 64),
			  VIRTIO_RDMA_WC_LOCAL_PROTECTION);
}
END_TEST

/* ------------------------------------------------------------- CQ, QP checks */

START_TEST(test_create_cq)
{
	static const struct {
		uint32_t depth, offset, ceq, reserved, pages;
		enum virtio_rdma_status status;
	} t[] = {
		{ 128, 4096, 0, 0, 2, S(OK) },
		{ 1, 128, 0, 0, 1, S(OK) },
		{ 124, 128, 0, 0, 1, S(INVALID_PARAMETER) },
		{ 0, 4096, 0, 0, 2, S(INVALID_PARAMETER) },
		{ 1u << 31, 4096, 0, 0, 2, S(INVALID_PARAMETER) },
		{ 131072, 4096, 0, 0, 1025, S(INVALID_PARAMETER) },
		{ 128, 96, 0, 0, 2, S(INVALID_PARAMETER) },
		{ 128, 4097, 0, 0, 2, S(INVALID_PARAMETER) },
		{ 128, 4128, 0, 0, 2, S(INVALID_PARAMETER) },
		{ 256, 4096, 0, 0, 2, S(INVALID_PARAMETER) },
		{ 128, 0xffffffe0, 0, 0, 2, S(INVALID_PARAMETER) },
		{ 128, 4096, 4, 0, 2, S(INVALID_PARAMETER) },
		{ 128, 4096, 0, 1, 2, S(INVALID_PARAMETER) },
	};
	struct command cmd = { 0 };
	struct virtio_rdma_cmd_create_cq *q = &cmd.req.create_cq;
	struct rig_answer a;

	q->depth = t[_i].depth;
	q->ring_offset = t[_i].offset;
	q->ceq = t[_i].ceq;
	q->reserved = t[_i].reserved;
	q->buffer = rig_pages(&r.a, RIG_DATA, 2, 12, 1);
	q->buffer.page_count = t[_i].pages;
	if (t[_i].pages == 1)
		q->buffer = rig_pages(&r.a, RIG_DATA, 1, 12, 1);
	a = rig_command(&r, &r.a, cmd_create_cq, &cmd);
	ck_assert_uint_eq(a.status, t[_i].status);
	if (!a.status)
		ck_assert_uint_eq(rig_simple(&r, &r.a, cmd_destroy_cq,
					     a.handle).status, S(OK));
}
END_TEST

/* One field of a good request changed each */
#define QP_FIELD(f, v, s) { offsetof(struct virtio_rdma_cmd_create_qp, f), \
	sizeof(((struct virtio_rdma_cmd_create_qp *)0)->f), v, S(s) }

START_TEST(test_create_qp)
{
	static const struct {
		size_t offset, size;
		uint32_t value;
		enum virtio_rdma_status status;
	} t[] = {
		QP_FIELD(slot, 71, OK),
		QP_FIELD(max_inline, 0, OK),
		QP_FIELD(max_send_sge, 0, OK),
		QP_FIELD(slot, 70, BUSY),
		QP_FIELD(slot, VIRTIO_RDMA_MAX_SLOTS, INVALID_PARAMETER),
		QP_FIELD(slot, 0xffffffff, INVALID_PARAMETER),
		QP_FIELD(pd, 0, INVALID_HANDLE),
		QP_FIELD(send_cq, 1, INVALID_HANDLE),
		QP_FIELD(recv_cq, 0x100001, INVALID_HANDLE),
		QP_FIELD(context, 0xffffffff, INVALID_HANDLE),
		QP_FIELD(flags, 2, INVALID_PARAMETER),
		QP_FIELD(srq, 1, INVALID_PARAMETER),
		QP_FIELD(sq_depth, 0, INVALID_PARAMETER),
		QP_FIELD(sq_depth, 63, INVALID_PARAMETER),
		QP_FIELD(rq_depth, 0, INVALID_PARAMETER),
		QP_FIELD(rq_depth, 128, INVALID_PARAMETER),	/* too long */
		QP_FIELD(rq_depth, 1u << 31, INVALID_PARAMETER),
		QP_FIELD(sq_stride, 32, INVALID_PARAMETER),
		QP_FIELD(sq_stride, 0, INVALID_PARAMETER),
		QP_FIELD(sq_stride, 96, INVALID_PARAMETER),
		QP_FIELD(sq_stride, 1024, INVALID_PARAMETER),
		QP_FIELD(sq_stride, 256, INVALID_PARAMETER),	/* 32 + 256 */
		QP_FIELD(rq_stride, 128, INVALID_PARAMETER),
		QP_FIELD(max_send_sge, 17, INVALID_PARAMETER),
		QP_FIELD(max_recv_sge, 17, INVALID_PARAMETER),
		QP_FIELD(max_recv_sge, 0xffff, INVALID_PARAMETER),
		QP_FIELD(max_inline, 257, INVALID_PARAMETER),
		QP_FIELD(max_inline, 0xffffffff, INVALID_PARAMETER),
		QP_FIELD(sq_offset, 0, INVALID_PARAMETER),
		QP_FIELD(sq_offset, 4096 + 64, INVALID_PARAMETER),
		QP_FIELD(rq_offset, 0xfffffe00, INVALID_PARAMETER),
		QP_FIELD(rq_offset, 4096 * 10, INVALID_PARAMETER),
	};
	struct command cmd = { 0 };
	struct virtio_rdma_cmd_create_qp *q = &cmd.req.create_qp;

	rig_qp_request(&r.a, q);
	q->slot = t[_i].offset == offsetof(struct virtio_rdma_cmd_create_qp,
					   slot) ? 70 : 71;
	memcpy((uint8_t *)q + t[_i].offset, &t[_i].value, t[_i].size);
	ck_assert_uint_eq(rig_command(&r, &r.a, cmd_create_qp, &cmd).status,
			  t[_i].status);
}
END_TEST

/* What is in use cannot be destroyed, and then it can */
START_TEST(test_users)
{
	const struct {
		void (*fn)(struct command *);
		uint32_t handle;
	} t[] = {
		{ cmd_destroy_cq, r.a.cq },
		{ cmd_destroy_context, r.a.context },
		{ cmd_destroy_pd, r.a.pd },
	};

	for (int i = 0; i < 3; i++)
		ck_assert_uint_eq(rig_simple(&r, &r.a, t[i].fn,
					     t[i].handle).status, S(BUSY));
	rig_simple(&r, &r.a, cmd_destroy_qp, r.a.qp);
	rig_simple(&r, &r.a, cmd_deregister_mr, r.a.local);
	for (int i = 0; i < 3; i++)
		ck_assert_uint_eq(rig_simple(&r, &r.a, t[i].fn,
					     t[i].handle).status, S(OK));
	for (int i = 0; i < 3; i++)
		ck_assert_uint_eq(rig_simple(&r, &r.a, t[i].fn,
					     t[i].handle).status,
				  S(INVALID_HANDLE));
}
END_TEST

START_TEST(test_context)
{
	static const struct {
		uint64_t off;
		uint32_t wakeq, reserved;
		enum virtio_rdma_status status;
	} t[] = {
		{ 0x8000, 0, 0, S(OK) },
		{ 0x8000, 15, 0, S(OK) },
		{ 0x8000, 16, 0, S(INVALID_PARAMETER) },
		{ 0x8000, 0, 1, S(INVALID_PARAMETER) },
		{ 0x8010, 0, 0, S(INVALID_PARAMETER) },
		{ RIG_MEM, 0, 0, S(ACCESS_VIOLATION) },
	};
	struct command cmd = { 0 };

	cmd.req.create_context.page = r.a.gpa + t[_i].off;
	cmd.req.create_context.wakeq = t[_i].wakeq;
	cmd.req.create_context.reserved = t[_i].reserved;
	ck_assert_uint_eq(rig_command(&r, &r.a, cmd_create_context,
				      &cmd).status, t[_i].status);
}
END_TEST

/* A limit of the guest's, and nothing is left behind by what was refused */
START_TEST(test_limits)
{
	uint32_t pd[8], n = 0;
	struct command cmd;
	struct rig_answer a;

	for (;;) {
		memset(&cmd, 0, sizeof(cmd));
		a = rig_command(&r, &r.a, cmd_create_pd, &cmd);
		if (a.status)
			break;
		ck_assert_uint_lt(n, 8);
		pd[n++] = a.handle;
	}
	ck_assert_uint_eq(a.status, S(NO_RESOURCES));
	ck_assert_uint_eq(n, 7);
	for (uint32_t i = 0; i < n; i++)
		ck_assert_uint_eq(rig_simple(&r, &r.a, cmd_destroy_pd,
					     pd[i]).status, S(OK));
}
END_TEST

START_TEST(test_pages_account)
{
	uint64_t before = atomic_load(&r.a.g.gmem_account.used);

	r.a.g.gmem_account.max = before + 3;
	ck_assert_uint_eq(rig_register(&r, &r.a, r.a.pd, 0, 4 * 4096, 7,
				       rig_pages(&r.a, RIG_DATA, 4, 12, 1),
				       NULL).status, S(NO_RESOURCES));
	ck_assert_uint_eq(atomic_load(&r.a.g.gmem_account.used), before);
}
END_TEST

/* ----------------------------------------------------------- arms, deadlines */

START_TEST(test_arm_rules)
{
	const uint32_t any = CQ_FRESH_ANY, sol = any | CQ_FRESH_SOLICITED;

	ck_assert(!cq_arm_matches(VIRTIO_RDMA_ARM_NONE, sol));
	ck_assert(!cq_arm_matches(VIRTIO_RDMA_ARM_ERRORS, sol));
	ck_assert(!cq_arm_matches(VIRTIO_RDMA_ARM_SOLICITED, any));
	ck_assert(cq_arm_matches(VIRTIO_RDMA_ARM_SOLICITED, sol));
	ck_assert(cq_arm_matches(VIRTIO_RDMA_ARM_ANY, any));
	ck_assert(cq_arm_matches(VIRTIO_RDMA_ARM_ANY, sol));
	ck_assert(!cq_arm_matches(VIRTIO_RDMA_ARM_ANY, 0));
	ck_assert(!cq_arm_matches(0xffffffff, sol));
}
END_TEST

static struct timer_wheel wheel;
static uint64_t now_ms;
static uint32_t fired;

static struct timer {
	struct wheel_timer t;
	uint64_t due, at;
} timers[1000];

static void on_fire(struct wheel_timer *t)
{
	struct timer *x = container_of(t, struct timer, t);

	ck_assert_uint_eq(x->at, 0);
	x->at = now_ms;
	fired++;
}

/* Each once, not early, and at the first look that is late enough */
START_TEST(test_wheel)
{
	static const uint32_t step[] = { 1, 7, 255, 256, 1000, 5000 };
	uint32_t wrong = 0;
	uint64_t prev;

	now_ms = 5;
	fired = 0;
	wheel_init(&wheel, now_ms * 1000000, WHEEL_MS);
	for (uint32_t i = 0; i < 1000; i++) {
		wheel_timer_init(&timers[i].t);
		timers[i].at = 0;
		timers[i].due = 6 + (uint64_t)i * i % 3000;
		wheel_set(&wheel, &timers[i].t, timers[i].due * 1000000);
	}
	ck_assert_uint_le(wheel_timeout(&wheel, now_ms * 1000000), 1000000);
	for (uint32_t i = 0; i < 1000; i += 3)
		wheel_clear(&wheel, &timers[i].t);
	for (prev = now_ms; now_ms < 4000;) {
		now_ms += step[_i];
		wheel_advance(&wheel, now_ms * 1000000 + 999, on_fire);
		for (uint32_t i = 0; i < 1000; i++) {
			bool due = i % 3 && timers[i].due <= now_ms;

			/* an assertion each would take seconds */
			wrong += due != (timers[i].at != 0);
			wrong += timers[i].at == now_ms && timers[i].due <= prev;
		}
		ck_assert_uint_eq(wrong, 0);
		prev = now_ms;
	}
	ck_assert_uint_eq(fired, 666);
	ck_assert_uint_eq(wheel_timeout(&wheel, now_ms * 1000000), WHEEL_NEVER);
}
END_TEST

static Suite *suite(void)
{
	Suite *s = suite_create("objects of the data path");
	TCase *c = tcase_create("objects"), *pure = tcase_create("rules");

	tcase_add_checked_fixture(c, setup, teardown);
	tcase_set_timeout(c, 60);
	tcase_add_loop_test(c, test_register, 0,
			    sizeof(mr_cases) / sizeof(mr_cases[0]));
	tcase_add_test(c, test_register_elsewhere);
	tcase_add_loop_test(c, test_privileged, 0, 5);
	tcase_add_test(c, test_map_gone);
	tcase_add_test(c, test_map_gone_privileged);
	tcase_add_loop_test(c, test_create_cq, 0, 13);
	tcase_add_loop_test(c, test_create_qp, 0, 32);
	tcase_add_test(c, test_users);
	tcase_add_loop_test(c, test_context, 0, 6);
	tcase_add_test(c, test_limits);
	tcase_add_test(c, test_pages_account);
	suite_add_tcase(s, c);
	tcase_add_test(pure, test_ranges);
	tcase_add_test(pure, test_arm_rules);
	tcase_add_loop_test(pure, test_wheel, 0, 6);
	suite_add_tcase(s, pure);
	return s;
}

int main(void)
{
	return suite_run(suite());
}
