/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test_core_cq_resize.c - completion queues with several rings, and moderation
 *
 * The test is the device: it writes to the ring that it has moved to, and moves
 * when it likes.
 */
#include "core_fake.h"

#define BOTH	(VIRTIO_RDMA_FEATURE(CQ_RESIZE) | \
		 VIRTIO_RDMA_FEATURE(CQ_MODERATION))

/* A ring as the device has it */
struct ring {
	struct vrdma_cq_layout l;
	struct vrdma_dma buffer;	/* a copy: the layout's may be another */
	struct virtio_rdma_cq_record *rec;
	uint32_t tail;
};

struct rig {
	NDK_ADAPTER *a;
	NDK_PD *pd;
	NDK_CQ *cq;
	struct ring at;			/* where the device writes */
	struct virtio_rdma_cq_record *before;	/* and did before */
	uint64_t written, taken;
	int calls;
	NTSTATUS status;
};

static VOID on_cq(PVOID ctx, NTSTATUS status)
{
	struct rig *r = ctx;

	ck_assert_msg(!fake.locked, "callback with the lock held");
	r->calls++;
	r->status = status;
}

static void look(struct rig *r, struct ring *ring)
{
	vrdma_cq_layout(r->cq, &ring->l);
	ring->buffer = *ring->l.buffer;
	ring->rec = ring->buffer.va;
	ring->tail = 0;
}

static void rig_open(struct rig *r, uint32_t features)
{
	memset(r, 0, sizeof(*r));
	fake_start_with(features);
	fake.cfg.adapter_flags = vr_to_le32(0xffffffff);
	fake_lose();
	ck_assert_int_eq(vrdma_core_start(fake.core), 0);
	r->a = open_adapter(0);
	r->pd = make_pd(r->a);
	r->cq = make_cq(r->a, 8, on_cq, r);
	look(r, &r->at);
}

static void rig_close(struct rig *r)
{
	if (r->cq)
		close_now(r->cq);
	close_now(r->pd);
	vrdma_close_adapter(r->a);
	fake_end();
}

static void write_entry(struct rig *r)
{
	struct ring *at = &r->at;
	struct virtio_rdma_cqe *e =
		(void *)((uint8_t *)at->buffer.va + at->l.ring_offset);

	e += at->tail & (at->l.depth - 1);
	*e = (struct virtio_rdma_cqe){
		.wr_id = vr_to_le64(r->written++), .opcode = VIRTIO_RDMA_OP_SEND,
		.status = at->tail & at->l.depth ? 0 : VIRTIO_RDMA_CQE_PHASE,
	};
	at->rec->tail = vr_to_le32(++at->tail);
}

/* The device does as RESIZE_CQ says; the ring is the newest one */
static void move(struct rig *r)
{
	vr_le32 arm;

	r->before = r->at.rec;
	look(r, &r->at);
	r->before->moved = vr_to_le32(1);
	arm = r->before->arm;
	r->before->arm = 0;
	r->at.rec->arm = arm;
}

static void expect_results(struct rig *r, uint32_t n)
{
	NDK_RESULT_EX out[16];
	ULONG got = r->cq->Dispatch->NdkGetCqResultsEx(r->cq, out, 16);

	ck_assert_uint_eq(got, n);
	for (ULONG i = 0; i < got; i++)
		ck_assert_ptr_eq(out[i].RequestContext,
				 (void *)(uintptr_t)r->taken++);
}

static NTSTATUS resize(struct rig *r, ULONG depth, struct call *c)
{
	*c = (struct call){ 0 };
	return r->cq->Dispatch->NdkResizeCq(r->cq, depth, on_request, c);
}

static void resize_now(struct rig *r, ULONG depth)
{
	struct call c;

	fake.hold[VIRTIO_RDMA_CMD_RESIZE_CQ] = true;
	ck_assert_int_eq(resize(r, depth, &c), STATUS_PENDING);
	move(r);
	fake_release(VIRTIO_RDMA_CMD_RESIZE_CQ, VIRTIO_RDMA_S_OK);
	fake.hold[VIRTIO_RDMA_CMD_RESIZE_CQ] = false;
	ck_assert_int_eq(c.calls, 1);
	ck_assert_int_eq(c.status, STATUS_SUCCESS);
}

static void arm(struct rig *r, ULONG type)
{
	r->cq->Dispatch->NdkArmCq(r->cq, type);
}

/* --- the command ----------------------------------------------------------------- */

START_TEST(what_is_asked)
{
	struct virtio_rdma_cmd_resize_cq *cmd =
		(void *)fake.last[VIRTIO_RDMA_CMD_RESIZE_CQ];
	struct call c;
	struct rig r;

	rig_open(&r, BOTH);
	ck_assert_int_eq(resize(&r, 0, &c), STATUS_INVALID_PARAMETER);
	ck_assert_int_eq(resize(&r, 1025, &c), STATUS_INVALID_PARAMETER);
	ck_assert_int_eq(resize(&r, 0x80000001, &c), STATUS_INVALID_PARAMETER);
	ck_assert_int_eq(r.cq->Dispatch->NdkResizeCq(r.cq, 16, NULL, NULL),
			 STATUS_INVALID_PARAMETER);
	/* what it has: 5 to 8 are the same ring */
	ck_assert_int_eq(resize(&r, 5, &c), STATUS_SUCCESS);
	fake_run();
	ck_assert_int_eq(c.calls, 0);
	ck_assert_uint_eq(fake.seen[VIRTIO_RDMA_CMD_RESIZE_CQ], 0);
	ck_assert_int_eq(resize(&r, 600, &c), STATUS_PENDING);
	fake_run();
	ck_assert_int_eq(c.status, STATUS_SUCCESS);
	ck_assert_uint_eq(vr_from_le32(cmd->hdr.handle), obj_of(r.cq)->handle);
	ck_assert_uint_eq(vr_from_le32(cmd->depth), 1024);
	ck_assert_uint_eq(vr_from_le32(cmd->ring_offset),
			  sizeof(struct virtio_rdma_cq_record));
	ck_assert_uint_eq(vr_from_le32(cmd->buffer.page_count),
			  1 + 1024 * 32 / 4096);
	rig_close(&r);
}
END_TEST

/* Refused: it stays with the old ring, and nothing is left behind */
START_TEST(refused)
{
	static const struct {
		uint32_t wire;
		NTSTATUS status;
	} t[] = {
		{ VIRTIO_RDMA_S_NO_RESOURCES, STATUS_INSUFFICIENT_RESOURCES },
		{ VIRTIO_RDMA_S_INVALID_STATE, STATUS_INVALID_DEVICE_STATE },
		{ VIRTIO_RDMA_S_INVALID_PARAMETER, STATUS_INVALID_PARAMETER },
	};
	struct call c;
	struct rig r;

	rig_open(&r, BOTH);
	write_entry(&r);
	fake.status[VIRTIO_RDMA_CMD_RESIZE_CQ] = t[_i].wire;
	ck_assert_int_eq(resize(&r, 64, &c), STATUS_PENDING);
	write_entry(&r);
	fake_run();
	ck_assert_int_eq(c.status, t[_i].status);
	write_entry(&r);
	expect_results(&r, 3);
	fake.status[VIRTIO_RDMA_CMD_RESIZE_CQ] = 0;
	resize_now(&r, 64);
	write_entry(&r);
	expect_results(&r, 1);
	rig_close(&r);
}
END_TEST

/* A broken device keeps the memory that it may still write to */
START_TEST(refused_by_a_broken_device)
{
	struct vrdma_dma left;
	struct call c;
	struct rig r;
	int dmas;

	rig_open(&r, BOTH);
	dmas = fake.dmas;
	fake.status[VIRTIO_RDMA_CMD_RESIZE_CQ] = VIRTIO_RDMA_S_INTERNAL_ERROR;
	ck_assert_int_eq(resize(&r, 64, &c), STATUS_PENDING);
	left = vrc_cq_of(r.cq)->last->buffer;
	fake_run();
	ck_assert_int_eq(c.status, STATUS_INTERNAL_ERROR);
	ck_assert_int_eq(fake.dmas, dmas + 1);
	f_dma_free(NULL, &left);
	write_entry(&r);
	expect_results(&r, 1);
	rig_close(&r);
}
END_TEST

START_TEST(one_at_a_time)
{
	struct call first, second;
	struct rig r;

	rig_open(&r, BOTH);
	fake.hold[VIRTIO_RDMA_CMD_RESIZE_CQ] = true;
	ck_assert_int_eq(resize(&r, 64, &first), STATUS_PENDING);
	ck_assert_int_eq(resize(&r, 128, &second), STATUS_INSUFFICIENT_RESOURCES);
	move(&r);
	fake_release(VIRTIO_RDMA_CMD_RESIZE_CQ, VIRTIO_RDMA_S_OK);
	fake.hold[VIRTIO_RDMA_CMD_RESIZE_CQ] = false;
	ck_assert_int_eq(first.calls, 1);
	ck_assert_int_eq(second.calls, 0);
	resize_now(&r, 128);
	rig_close(&r);
}
END_TEST

START_TEST(no_memory)
{
	struct call c;
	struct rig r;

	for (int after = 0; after < 4; after++) {
		rig_open(&r, BOTH);
		fake.fail_alloc_after = after;
		ck_assert_int_eq(resize(&r, 1024, &c),
				 STATUS_INSUFFICIENT_RESOURCES);
		ck_assert_int_eq(fake.fail_alloc_after, -1);
		write_entry(&r);
		expect_results(&r, 1);
		resize_now(&r, 64);
		rig_close(&r);
	}
}
END_TEST

/* The close waits for the answer */
START_TEST(closed_meanwhile)
{
	struct call c, closed = { 0 };
	struct rig r;

	rig_open(&r, BOTH);
	fake.hold[VIRTIO_RDMA_CMD_RESIZE_CQ] = true;
	ck_assert_int_eq(resize(&r, 64, &c), STATUS_PENDING);
	ck_assert_int_eq(vrc_obj_close(&r.cq->Header, on_close, &closed),
			 STATUS_PENDING);
	fake_run();
	ck_assert_int_eq(closed.calls, 0);
	fake_release(VIRTIO_RDMA_CMD_RESIZE_CQ, _i ? VIRTIO_RDMA_S_OK :
						VIRTIO_RDMA_S_NO_RESOURCES);
	fake_run();
	ck_assert_int_eq(c.calls, 1);
	ck_assert_int_eq(closed.calls, 1);
	r.cq = NULL;
	rig_close(&r);
}
END_TEST

/* --- polling ------------------------------------------------------------------------ */

/* What was written before the device moved comes first, whenever the answer comes */
START_TEST(polled_in_order)
{
	struct call c;
	struct rig r;
	int dmas;

	rig_open(&r, BOTH);
	for (int i = 0; i < 5; i++)
		write_entry(&r);
	fake.hold[VIRTIO_RDMA_CMD_RESIZE_CQ] = true;
	ck_assert_int_eq(resize(&r, 2, &c), STATUS_PENDING);
	write_entry(&r);
	if (_i)
		expect_results(&r, 6);
	move(&r);
	write_entry(&r);
	write_entry(&r);
	dmas = fake.dmas;
	expect_results(&r, _i ? 2 : 8);
	ck_assert_int_eq(fake.dmas, dmas - 1);	/* the old one is gone */
	fake_release(VIRTIO_RDMA_CMD_RESIZE_CQ, VIRTIO_RDMA_S_OK);
	ck_assert_int_eq(c.status, STATUS_SUCCESS);
	write_entry(&r);
	expect_results(&r, 1);
	rig_close(&r);
}
END_TEST

/* Three rings, and laps over each */
START_TEST(several_rings)
{
	struct rig r;

	rig_open(&r, BOTH);
	write_entry(&r);
	resize_now(&r, 16);
	write_entry(&r);
	resize_now(&r, 2);
	expect_results(&r, 2);
	for (int i = 0; i < 7; i++) {
		write_entry(&r);
		write_entry(&r);
		expect_results(&r, 2);
	}
	resize_now(&r, 4);
	expect_results(&r, 0);
	write_entry(&r);
	expect_results(&r, 1);
	rig_close(&r);
}
END_TEST

/* --- arms ----------------------------------------------------------------------------- */

START_TEST(arm_with_two_rings)
{
	struct rig r;

	rig_open(&r, BOTH);
	write_entry(&r);
	resize_now(&r, 16);
	/* something is left in the old ring */
	arm(&r, NDK_CQ_NOTIFY_ANY);
	fake_run();
	ck_assert_int_eq(r.calls, 1);
	ck_assert_uint_eq(r.at.rec->arm, 0);
	arm(&r, NDK_CQ_NOTIFY_SOLICITED);
	fake_run();
	ck_assert_int_eq(r.calls, 2);
	arm(&r, NDK_CQ_NOTIFY_ERRORS);
	fake_run();
	ck_assert_int_eq(r.calls, 2);
	ck_assert_uint_eq(r.before->arm, 0);
	ck_assert_uint_eq(r.at.rec->arm, VIRTIO_RDMA_ARM_ERRORS);
	expect_results(&r, 1);
	/* nothing is left, and nothing new is there */
	arm(&r, NDK_CQ_NOTIFY_ANY);
	fake_run();
	ck_assert_int_eq(r.calls, 2);
	ck_assert_uint_eq(r.at.rec->arm, VIRTIO_RDMA_ARM_ANY);
	write_entry(&r);
	arm(&r, NDK_CQ_NOTIFY_ANY);
	fake_run();
	ck_assert_int_eq(r.calls, 3);
	ck_assert_uint_eq(r.at.rec->arm, 0);
	rig_close(&r);
}
END_TEST

/* Moved, but not known to the poller, who arms: something may be in the new ring */
START_TEST(arm_behind_the_move)
{
	struct rig r;

	rig_open(&r, BOTH);
	resize_now(&r, 16);
	if (_i)
		write_entry(&r);
	arm(&r, NDK_CQ_NOTIFY_ANY);
	fake_run();
	ck_assert_int_eq(r.calls, _i);
	ck_assert_uint_eq(r.before->arm, 0);
	ck_assert_uint_eq(r.at.rec->arm, _i ? 0 : VIRTIO_RDMA_ARM_ANY);
	rig_close(&r);
}
END_TEST

/* An overrun finds the arm wherever it is */
START_TEST(error_with_two_rings)
{
	struct virtio_rdma_event ev = {
		.type = vr_to_le16(VIRTIO_RDMA_EV_CQ_ERROR),
	};
	struct rig r;

	rig_open(&r, BOTH);
	arm(&r, NDK_CQ_NOTIFY_ERRORS);
	if (_i)
		resize_now(&r, 16);
	ev.cookie = vr_to_le64(obj_of(r.cq)->cookie);
	ev.handle = vr_to_le32(obj_of(r.cq)->handle);
	fake_event(&ev);
	fake_run();
	ck_assert_int_eq(r.calls, 1);
	ck_assert_int_eq(r.status, STATUS_BUFFER_OVERFLOW);
	rig_close(&r);
}
END_TEST

/* --- the device is lost ------------------------------------------------------------------ */

/* The core goes on where the device stopped: before or behind its move, with the
 * arm in the old record or the new one */
START_TEST(lost)
{
	bool moved = _i & 1, late_arm = _i & 2;
	struct call c;
	NDK_QP *qp;
	struct rig r;
	NDK_SGE sge = { .Length = 8 };
	NDK_RESULT_EX out[8];

	rig_open(&r, BOTH);
	qp = make_qp(r.pd, r.cq, 4);
	for (uintptr_t i = 0; i < 3; i++)
		ck_assert_int_eq(qp->Dispatch->NdkReceive(qp, (void *)i, &sge, 1),
				 STATUS_SUCCESS);
	arm(&r, NDK_CQ_NOTIFY_ERRORS);
	fake.hold[VIRTIO_RDMA_CMD_RESIZE_CQ] = true;
	ck_assert_int_eq(resize(&r, 16, &c), STATUS_PENDING);
	if (moved)
		move(&r);
	if (moved && late_arm) {	/* it died before it took the arm */
		r.before->arm = r.at.rec->arm;
		r.at.rec->arm = 0;
	}
	fake_lose();
	ck_assert_int_eq(c.calls, 1);
	ck_assert_int_eq(c.status, STATUS_DEVICE_REMOVED);
	ck_assert_int_eq(r.calls, 1);
	ck_assert_int_eq(r.status, STATUS_SUCCESS);
	ck_assert_uint_eq(r.cq->Dispatch->NdkGetCqResultsEx(r.cq, out, 8), 3);
	for (uintptr_t i = 0; i < 3; i++) {
		ck_assert_ptr_eq(out[i].RequestContext, (void *)i);
		ck_assert_int_eq(out[i].Status, STATUS_CANCELLED);
	}
	ck_assert_uint_eq(r.cq->Dispatch->NdkGetCqResultsEx(r.cq, out, 8), 0);
	ck_assert_int_eq(resize(&r, 64, &c), STATUS_DEVICE_REMOVED);
	close_now(qp);
	rig_close(&r);
}
END_TEST

/* --- a process's queue --------------------------------------------------------------------- */

/* The kernel gives up the old ring with the answer, whoever polls it */
START_TEST(of_a_process)
{
	struct vrdma_cq_params p = { .depth = 8, .flags = VRDMA_CQ_USER,
				     .notify = on_cq };
	struct call c = { 0 };
	struct rig r;
	int dmas;

	rig_open(&r, BOTH);
	close_now(r.cq);
	p.notify_context = &r;
	ck_assert_int_eq(vrdma_create_cq_ex(r.a, &p, on_create, &c, NULL),
			 STATUS_PENDING);
	fake_run();
	r.cq = (NDK_CQ *)(void *)c.object;
	look(&r, &r.at);
	write_entry(&r);
	r.at.rec->interval = vr_to_le32(77);	/* the process did that */
	dmas = fake.dmas;
	fake.hold[VIRTIO_RDMA_CMD_RESIZE_CQ] = true;
	ck_assert_int_eq(resize(&r, 64, &c), STATUS_PENDING);
	if (!_i)
		move(&r);
	if (_i == 2)	/* it lies; the device still writes to the old one */
		r.at.rec->moved = vr_to_le32(1);
	fake_release(VIRTIO_RDMA_CMD_RESIZE_CQ, _i ? VIRTIO_RDMA_S_NO_RESOURCES :
						     VIRTIO_RDMA_S_OK);
	ck_assert_int_eq(fake.dmas, dmas);
	if (_i)
		write_entry(&r);
	look(&r, &r.at);
	ck_assert_uint_eq(r.at.l.depth, _i ? 8 : 64);
	ck_assert_uint_eq(vr_from_le32(r.at.rec->interval), 77);
	rig_close(&r);
}
END_TEST

/* --- moderation ------------------------------------------------------------------------------ */

START_TEST(moderation)
{
	NDK_ADAPTER_INFO info;
	ULONG size = sizeof(info);
	const NDK_CQ_DISPATCH *d;
	struct call c;
	struct rig r;

	rig_open(&r, BOTH);
	d = r.cq->Dispatch;
	ck_assert_int_eq(r.a->Dispatch->NdkQueryAdapterInfo(r.a, &info, &size),
			 STATUS_SUCCESS);
	ck_assert(info.AdapterFlags &
		  NDK_ADAPTER_FLAG_CQ_INTERRUPT_MODERATION_SUPPORTED);
	ck_assert(info.AdapterFlags & NDK_ADAPTER_FLAG_CQ_RESIZE_SUPPORTED);
	ck_assert_int_eq(d->NdkControlCqInterruptModeration(r.cq, 10, 4),
			 STATUS_SUCCESS);
	ck_assert_uint_eq(vr_from_le32(r.at.rec->interval), 10);
	ck_assert_uint_eq(vr_from_le32(r.at.rec->count), 4);
	ck_assert_int_eq(d->NdkControlCqInterruptModeration(r.cq, MAXULONG, 9),
			 STATUS_INVALID_PARAMETER_MIX);
	ck_assert_int_eq(d->NdkControlCqInterruptModeration(r.cq, MAXULONG,
							    MAXULONG),
			 STATUS_INVALID_PARAMETER_MIX);
	ck_assert_uint_eq(vr_from_le32(r.at.rec->interval), 10);
	ck_assert_int_eq(d->NdkControlCqInterruptModeration(r.cq, MAXULONG, 8),
			 STATUS_SUCCESS);
	ck_assert_int_eq(d->NdkControlCqInterruptModeration(r.cq, 20, MAXULONG),
			 STATUS_SUCCESS);
	/* it goes along to another ring, also if said while that is under way */
	fake.hold[VIRTIO_RDMA_CMD_RESIZE_CQ] = true;
	ck_assert_int_eq(resize(&r, 16, &c), STATUS_PENDING);
	if (_i)
		d->NdkControlCqInterruptModeration(r.cq, 30, 3);
	move(&r);
	fake_release(VIRTIO_RDMA_CMD_RESIZE_CQ, VIRTIO_RDMA_S_OK);
	ck_assert_uint_eq(vr_from_le32(r.at.rec->interval), _i ? 30 : 20);
	ck_assert_uint_eq(vr_from_le32(r.at.rec->count), _i ? 3 : MAXULONG);
	ck_assert_int_eq(d->NdkControlCqInterruptModeration(r.cq, 0, 0),
			 STATUS_SUCCESS);
	ck_assert_uint_eq(r.at.rec->interval, 0);
	rig_close(&r);
}
END_TEST

/* An arm that the device holds dominates all, and can be taken back */
START_TEST(held)
{
	struct rig r;

	rig_open(&r, BOTH);
	r.at.rec->arm = vr_to_le32(VIRTIO_RDMA_ARM_HELD);
	arm(&r, NDK_CQ_NOTIFY_ANY);
	fake_run();
	ck_assert_int_eq(r.calls, 0);
	ck_assert_uint_eq(vr_from_le32(r.at.rec->arm), VIRTIO_RDMA_ARM_HELD);
	write_entry(&r);
	arm(&r, NDK_CQ_NOTIFY_ANY);
	fake_run();
	ck_assert_int_eq(r.calls, 1);
	ck_assert_uint_eq(r.at.rec->arm, 0);
	/* and its device may be lost */
	r.at.rec->arm = vr_to_le32(VIRTIO_RDMA_ARM_HELD);
	fake_lose();
	ck_assert_int_eq(r.calls, 2);
	ck_assert_int_eq(r.status, STATUS_SUCCESS);
	expect_results(&r, 1);
	rig_close(&r);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("core-cq-resize");
	TCase *tc = tcase_create("resize");
	SRunner *sr;
	int failed;

	tcase_set_timeout(tc, 30);
	tcase_add_test(tc, what_is_asked);
	tcase_add_loop_test(tc, refused, 0, 3);
	tcase_add_test(tc, refused_by_a_broken_device);
	tcase_add_test(tc, one_at_a_time);
	tcase_add_test(tc, no_memory);
	tcase_add_loop_test(tc, closed_meanwhile, 0, 2);
	tcase_add_loop_test(tc, polled_in_order, 0, 2);
	tcase_add_test(tc, several_rings);
	tcase_add_test(tc, arm_with_two_rings);
	tcase_add_loop_test(tc, arm_behind_the_move, 0, 2);
	tcase_add_loop_test(tc, error_with_two_rings, 0, 2);
	tcase_add_loop_test(tc, lost, 0, 4);
	tcase_add_loop_test(tc, of_a_process, 0, 3);
	tcase_add_loop_test(tc, moderation, 0, 2);
	tcase_add_test(tc, held);
	suite_add_tcase(s, tc);
	sr = srunner_create(s);
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
