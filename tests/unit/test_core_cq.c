/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test_core_cq.c - completion queues: arms and their callback, polling, close,
 * and what is not offered
 *
 * The test writes completions as a device does and serves arms by hand.
 */
#include "core_fake.h"

struct watch {
	NDK_CQ *cq;
	int calls, nested, deepest;
	NTSTATUS status;
	void (*inside)(struct watch *w);
	struct call closed;
};

struct rig {
	NDK_ADAPTER *a;
	NDK_CQ *cq;
	struct vrdma_cq_layout l;
	struct virtio_rdma_cq_record *rec;
	uint32_t written;
	struct watch w;
};

static VOID on_cq(PVOID ctx, NTSTATUS status)
{
	struct watch *w = ctx;

	ck_assert_msg(!fake.locked, "callback with the lock held");
	w->calls++;
	w->status = status;
	if (++w->nested > w->deepest)
		w->deepest = w->nested;
	if (w->inside)
		w->inside(w);
	w->nested--;
}

static void rig_open(struct rig *r, uint32_t depth, uint32_t adapter_flags)
{
	memset(r, 0, sizeof(*r));
	fake_start();
	fake.cfg.adapter_flags = vr_to_le32(adapter_flags);
	fake_lose();	/* it comes back with these */
	ck_assert_int_eq(vrdma_core_start(fake.core), 0);
	r->a = open_adapter(0);
	r->cq = make_cq(r->a, depth, on_cq, &r->w);
	r->w.cq = r->cq;
	vrdma_cq_layout(r->cq, &r->l);
	r->rec = r->l.buffer->va;
}

static void rig_init(struct rig *r, uint32_t depth)
{
	rig_open(r, depth, 0);
}

static void rig_close(struct rig *r)
{
	if (r->cq)
		close_now(r->cq);
	vrdma_close_adapter(r->a);
	fake_end();
}

static void arm(struct rig *r, ULONG type)
{
	r->cq->Dispatch->NdkArmCq(r->cq, type);
}

static uint32_t armed(const struct rig *r)
{
	return vr_from_le32(r->rec->arm);
}

/* The device ends a request of a queue pair */
static void complete(struct rig *r, uint8_t opcode, uint8_t status)
{
	struct virtio_rdma_cqe *e =
		(void *)((uint8_t *)r->l.buffer->va + r->l.ring_offset +
			 (r->written & (r->l.depth - 1)) * sizeof(*e));
	uint8_t phase = r->written & r->l.depth ? 0 : VIRTIO_RDMA_CQE_PHASE;

	*e = (struct virtio_rdma_cqe){
		.wr_id = vr_to_le64(r->written), .length = vr_to_le32(5),
		.opcode = opcode, .status = status | phase,
	};
	r->written++;
}

/* It takes the arm, if there is one that is content with this */
static void serve(struct rig *r, uint32_t weakest)
{
	if (armed(r) < weakest)
		return;
	r->rec->arm = vr_to_le32(VIRTIO_RDMA_ARM_NONE);
	fake_cq_event(obj_of(r->cq)->cookie, obj_of(r->cq)->handle);
}

static ULONG take(struct rig *r, ULONG n)
{
	NDK_RESULT_EX out[8];

	return r->cq->Dispatch->NdkGetCqResultsEx(r->cq, out, n);
}

/* --- arms ---------------------------------------------------------------------- */

static const struct {
	ULONG type;
	uint32_t word;
} kinds[] = {
	{ NDK_CQ_NOTIFY_ERRORS, VIRTIO_RDMA_ARM_ERRORS },
	{ NDK_CQ_NOTIFY_ANY, VIRTIO_RDMA_ARM_ANY },
	{ NDK_CQ_NOTIFY_SOLICITED, VIRTIO_RDMA_ARM_SOLICITED },
};

START_TEST(arm_kinds)
{
	struct rig r;

	rig_init(&r, 8);
	ck_assert_uint_eq(armed(&r), VIRTIO_RDMA_ARM_NONE);
	arm(&r, kinds[_i].type);
	ck_assert_uint_eq(armed(&r), kinds[_i].word);
	fake_run();
	ck_assert_int_eq(r.w.calls, 0);
	rig_close(&r);
}
END_TEST

/* ANY dominates SOLICITED dominates ERRORS, whichever came first */
START_TEST(arms_merge)
{
	const uint32_t order[] = { 0, 2, 1 };	/* weakest first, of kinds[] */
	uint32_t first = order[_i / 3], second = order[_i % 3];
	uint32_t want = kinds[_i / 3 > _i % 3 ? first : second].word;
	struct rig r;

	rig_init(&r, 8);
	arm(&r, kinds[first].type);
	arm(&r, kinds[second].type);
	ck_assert_uint_eq(armed(&r), want);
	/* one callback for the two */
	serve(&r, VIRTIO_RDMA_ARM_ERRORS);
	serve(&r, VIRTIO_RDMA_ARM_ERRORS);
	ck_assert_int_eq(r.w.calls, 1);
	ck_assert_int_eq(r.w.status, STATUS_SUCCESS);
	rig_close(&r);
}
END_TEST

/* However many completions come: one callback for one arm, none without */
START_TEST(once_per_arm)
{
	struct rig r;

	rig_init(&r, 8);
	complete(&r, VIRTIO_RDMA_OP_SEND, 0);
	serve(&r, VIRTIO_RDMA_ARM_SOLICITED);
	ck_assert_int_eq(r.w.calls, 0);
	ck_assert_uint_eq(take(&r, 8), 1);
	for (int i = 1; i <= 3; i++) {
		arm(&r, NDK_CQ_NOTIFY_ANY);
		for (int j = 0; j < 3; j++) {
			complete(&r, VIRTIO_RDMA_OP_SEND, 0);
			serve(&r, VIRTIO_RDMA_ARM_ANY);
		}
		fake_run();
		ck_assert_int_eq(r.w.calls, i);
		ck_assert_uint_eq(armed(&r), VIRTIO_RDMA_ARM_NONE);
		ck_assert_uint_eq(take(&r, 8), 3);
	}
	rig_close(&r);
}
END_TEST

/* A completion that came before the arm: at once, but never inside the call;
 * an arm for errors is content with no completion */
START_TEST(completion_before_the_arm)
{
	struct rig r;

	rig_init(&r, 8);
	complete(&r, VIRTIO_RDMA_OP_RECEIVE, 0);
	arm(&r, kinds[_i].type);
	ck_assert_int_eq(r.w.calls, 0);
	fake_run();
	ck_assert_int_eq(r.w.calls, kinds[_i].type != NDK_CQ_NOTIFY_ERRORS);
	ck_assert_uint_eq(armed(&r), kinds[_i].type == NDK_CQ_NOTIFY_ERRORS ?
					     VIRTIO_RDMA_ARM_ERRORS :
					     VIRTIO_RDMA_ARM_NONE);
	rig_close(&r);
}
END_TEST

static void overrun(struct rig *r)
{
	struct virtio_rdma_event ev = {
		.type = vr_to_le16(VIRTIO_RDMA_EV_CQ_ERROR),
		.cookie = vr_to_le64(obj_of(r->cq)->cookie),
		.handle = vr_to_le32(obj_of(r->cq)->handle),
	};

	fake_event(&ev);
}

/* Each kind of arm hears of an overrun, once */
START_TEST(error_fires_every_kind)
{
	struct vrdma_counters n;
	struct rig r;

	rig_init(&r, 8);
	arm(&r, kinds[_i].type);
	overrun(&r);
	ck_assert_int_eq(r.w.calls, 1);
	ck_assert_int_eq(r.w.status, STATUS_BUFFER_OVERFLOW);
	overrun(&r);	/* nobody armed */
	fake_run();
	ck_assert_int_eq(r.w.calls, 1);
	vrdma_core_counters(obj_of(r.cq)->core, &n);
	ck_assert_uint_eq(n.cq_errors, 2);
	/* what was there before can still be taken */
	complete(&r, VIRTIO_RDMA_OP_SEND, 0);
	ck_assert_uint_eq(take(&r, 8), 1);
	rig_close(&r);
}
END_TEST

/* --- the callback ---------------------------------------------------------------- */

static void arm_again(struct watch *w)
{
	struct rig *r = VRC_CONTAINER(w, struct rig, w);

	if (w->calls > 4)
		return;
	complete(r, VIRTIO_RDMA_OP_SEND, 0);
	/* fires at once, and the event of it is handled while this runs */
	arm(r, NDK_CQ_NOTIFY_ANY);
	fake_run();
}

/* One at a time, even if its own arm fires while it runs */
START_TEST(callbacks_in_turn)
{
	struct rig r;

	rig_init(&r, 8);
	r.w.inside = arm_again;
	arm(&r, NDK_CQ_NOTIFY_ANY);
	complete(&r, VIRTIO_RDMA_OP_SEND, 0);
	serve(&r, VIRTIO_RDMA_ARM_ANY);
	ck_assert_int_eq(r.w.calls, 5);
	ck_assert_int_eq(r.w.deepest, 1);
	ck_assert_uint_eq(take(&r, 8), 5);
	rig_close(&r);
}
END_TEST

static void close_it(struct watch *w)
{
	ck_assert_int_eq(w->cq->Dispatch->NdkCloseCq(&w->cq->Header, on_close,
						     &w->closed),
			 STATUS_PENDING);
	fake_run();
	/* its own callback runs: it cannot be over */
	ck_assert_int_eq(w->closed.calls, 0);
	w->inside = NULL;
}

START_TEST(closed_inside_its_callback)
{
	struct rig r;

	rig_init(&r, 8);
	r.w.inside = close_it;
	arm(&r, NDK_CQ_NOTIFY_ANY);
	serve(&r, VIRTIO_RDMA_ARM_ANY);
	fake_run();
	ck_assert_int_eq(r.w.closed.calls, 1);
	ck_assert_int_eq(r.w.calls, 1);
	r.cq = NULL;
	rig_close(&r);
}
END_TEST

/* The close is the last word: no callback of an arm that was left */
START_TEST(none_after_close)
{
	struct call c = { 0 };
	uint64_t cookie;
	uint32_t handle;
	struct rig r;

	rig_init(&r, 8);
	cookie = obj_of(r.cq)->cookie;
	handle = obj_of(r.cq)->handle;
	arm(&r, NDK_CQ_NOTIFY_ANY);
	fake.hold[VIRTIO_RDMA_CMD_DESTROY_CQ] = true;
	ck_assert_int_eq(r.cq->Dispatch->NdkCloseCq(&r.cq->Header, on_close,
						    &c), STATUS_PENDING);
	fake_cq_event(cookie, handle);
	fake_run();
	ck_assert_int_eq(c.calls, 0);
	fake_release(VIRTIO_RDMA_CMD_DESTROY_CQ, VIRTIO_RDMA_S_OK);
	fake_cq_event(cookie, handle);
	fake_run();
	ck_assert_int_eq(c.calls, 1);
	ck_assert_int_eq(r.w.calls, 0);
	r.cq = NULL;
	rig_close(&r);
}
END_TEST

/* --- polling ----------------------------------------------------------------------- */

/* Both calls take from one queue, in pieces of any size, in order */
START_TEST(taken_in_pieces)
{
	const NDK_CQ_DISPATCH *d;
	NDK_RESULT plain[3];
	NDK_RESULT_EX ex[3];
	struct rig r;
	uintptr_t want = 0;

	rig_init(&r, 8);
	d = r.cq->Dispatch;
	for (int lap = 0; lap < 5; lap++) {
		for (int i = 0; i < 7; i++)
			complete(&r, i % 2 ? VIRTIO_RDMA_OP_RECEIVE :
					     VIRTIO_RDMA_OP_WRITE, 0);
		ck_assert_uint_eq(d->NdkGetCqResults(r.cq, plain, 0), 0);
		ck_assert_uint_eq(d->NdkGetCqResults(r.cq, plain, 3), 3);
		ck_assert_uint_eq(d->NdkGetCqResultsEx(r.cq, ex, 3), 3);
		for (int i = 0; i < 3; i++) {
			ck_assert_uint_eq((uintptr_t)plain[i].RequestContext,
					  want + (uintptr_t)i);
			ck_assert_uint_eq((uintptr_t)ex[i].RequestContext,
					  want + 3 + (uintptr_t)i);
			/* of receives only */
			ck_assert_uint_eq(plain[i].BytesTransferred,
					  i % 2 ? 5 : 0);
		}
		ck_assert_uint_eq(d->NdkGetCqResults(r.cq, plain, 3), 1);
		ck_assert_uint_eq(d->NdkGetCqResultsEx(r.cq, ex, 3), 0);
		want += 7;
	}
	rig_close(&r);
}
END_TEST

/* --- what is not offered ------------------------------------------------------------- */

START_TEST(no_resize_no_moderation)
{
	NDK_ADAPTER_INFO info;
	ULONG size = sizeof(info);
	struct call c = { 0 };
	struct rig r;

	rig_open(&r, 8, 0xffffffff);	/* even if the device offers both */
	ck_assert_int_eq(r.a->Dispatch->NdkQueryAdapterInfo(r.a, &info, &size),
			 STATUS_SUCCESS);
	ck_assert_uint_eq(info.AdapterFlags &
			  (NDK_ADAPTER_FLAG_CQ_RESIZE_SUPPORTED |
			   NDK_ADAPTER_FLAG_CQ_INTERRUPT_MODERATION_SUPPORTED),
			  0);
	ck_assert_int_eq(r.cq->Dispatch->NdkResizeCq(r.cq, 16, on_request, &c),
			 STATUS_NOT_SUPPORTED);
	ck_assert_int_eq(r.cq->Dispatch->NdkControlCqInterruptModeration(
				 r.cq, 10, 4), STATUS_NOT_SUPPORTED);
	fake_run();
	ck_assert_int_eq(c.calls, 0);
	/* nothing happened to it */
	complete(&r, VIRTIO_RDMA_OP_SEND, 0);
	ck_assert_uint_eq(take(&r, 8), 1);
	rig_close(&r);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("core-cq");
	TCase *tc = tcase_create("cq");
	SRunner *sr;
	int failed;

	tcase_set_timeout(tc, 30);
	tcase_add_loop_test(tc, arm_kinds, 0, 3);
	tcase_add_loop_test(tc, arms_merge, 0, 9);
	tcase_add_test(tc, once_per_arm);
	tcase_add_loop_test(tc, completion_before_the_arm, 0, 3);
	tcase_add_loop_test(tc, error_fires_every_kind, 0, 3);
	tcase_add_test(tc, callbacks_in_turn);
	tcase_add_test(tc, closed_inside_its_callback);
	tcase_add_test(tc, none_after_close);
	tcase_add_test(tc, taken_in_pieces);
	tcase_add_test(tc, no_resize_no_moderation);
	suite_add_tcase(s, tc);
	sr = srunner_create(s);
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
