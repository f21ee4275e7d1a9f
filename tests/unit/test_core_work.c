/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test_core_work.c - the driver's work for a creation, however many objects there
 * are: counted, as many as a guest may have
 */
#include "core_fake.h"
#include "work.h"

static NDK_ADAPTER *a;
static NDK_PD *pd;
static NDK_CQ *cq;

static void setup(void)
{
	fake_start_with(VRDMA_FEATURES);
	a = open_adapter(0);
	pd = make_pd(a);
	cq = make_cq(a, 1000, NULL, NULL);
}

static void *made(struct work *w, const struct call *c)
{
	fake_run();
	work_end(w);
	if (c->calls != 1 || c->status)
		ck_abort_msg("%s %u: status %x", w->what, w->at, c->status);
	return c->object;
}

static void close_all(void **obj, uint32_t n)
{
	while (n--)
		close_now(obj[n]);
	free(obj);
	close_now(cq);
	close_now(pd);
	vrdma_close_adapter(a);
	fake_end();
}

START_TEST(completion_queues)
{
	struct work w = { .what = "NdkCreateCq", .n = 16384 };
	void **obj = calloc(w.n, sizeof(*obj));

	setup();
	for (uint32_t i = 0; i < w.n; i++) {
		struct call c = { 0 };

		work_begin();
		a->Dispatch->NdkCreateCq(a, 1, NULL, NULL, NULL, on_create, &c,
					 NULL);
		obj[i] = made(&w, &c);
	}
	work_expect_level(&w);
	close_all(obj, w.n);
}
END_TEST

/* The completion queue has something in it */
START_TEST(queue_pairs)
{
	struct work w = { .what = "NdkCreateQp", .n = 16384 };
	void **obj = calloc(w.n, sizeof(*obj));
	struct virtio_rdma_cq_record *rec;
	struct vrdma_cq_layout l;

	setup();
	vrdma_cq_layout(cq, &l);
	rec = l.buffer->va;
	for (uint32_t i = 0; i < w.n; i++) {
		struct call c = { 0 };

		if (i < 900) {	/* the device has completed one more */
			struct virtio_rdma_cqe *e =
				(void *)((uint8_t *)l.buffer->va + l.ring_offset);

			e[i].status = VIRTIO_RDMA_CQE_PHASE;
			rec->tail = vr_to_le32(i + 1);
		}
		work_begin();
		pd->Dispatch->NdkCreateQp(pd, cq, cq, NULL, 1, 1, 1, 1, 0,
					  on_create, &c, NULL);
		obj[i] = made(&w, &c);
	}
	work_expect_level(&w);
	close_all(obj, w.n);
}
END_TEST

START_TEST(regions)
{
	static const uint64_t pages[] = { 0x1000 };
	MDL mdl = { .va = 0x5000, .length = 0x1000, .pages = pages };
	struct work w = { .what = "NdkCreateMr, NdkRegisterMr", .n = 65536 };
	void **obj = calloc(w.n, sizeof(*obj));

	setup();
	for (uint32_t i = 0; i < w.n; i++) {
		struct call c = { 0 };
		NDK_MR *mr = NULL;

		work_begin();
		pd->Dispatch->NdkCreateMr(pd, FALSE, on_create, &c, &mr);
		mr->Dispatch->NdkRegisterMr(mr, &mdl, 0x1000, 0, on_request, &c);
		made(&w, &c);
		obj[i] = mr;
	}
	work_expect_level(&w);
	close_all(obj, w.n);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("work of the driver");
	TCase *tc = tcase_create("work");
	SRunner *sr;
	int failed;

	tcase_set_timeout(tc, 120);
	tcase_add_test(tc, completion_queues);
	tcase_add_test(tc, queue_pairs);
	tcase_add_test(tc, regions);
	suite_add_tcase(s, tc);
	sr = srunner_create(s);
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
