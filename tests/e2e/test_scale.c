// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * test_scale.c - as many objects as a guest may have, the largest region, the
 * deepest queues; one more is refused, and nothing is left half-made
 *
 * The times are printed and decide nothing: that a creation costs the same however
 * many there are is what unit/test_work_device and unit/test_work_core count.
 */
#include <fcntl.h>
#include <linux/memfd.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "fixture.h"
#include "raw.h"
#include "transport.h"

#define QPS	16384u
#define CQS	16384u
#define REGIONS	65536u
#define DEEP	262144u		/* entries of a completion queue */
#define LARGE	(64ull << 30)	/* bytes of a region */

/* --- many calls at once --------------------------------------------------------- */

struct made {
	void *obj;
	NTSTATUS status;
};

static _Atomic uint32_t ended;
static _Atomic uint32_t closed;

static void on_made(PVOID ctx, NTSTATUS status, NDK_OBJECT_HEADER *obj)
{
	struct made *m = ctx;

	m->obj = obj;
	m->status = status;
	ended++;
}

static void on_ended(PVOID ctx, NTSTATUS status)
{
	((struct made *)ctx)->status = status;
	ended++;
}

static void on_closed(PVOID ctx)
{
	(void)ctx;
	closed++;
}

struct scene {
	struct tguest *g;
	NDK_ADAPTER *a;
	NDK_PD *pd;
	NDK_CQ *one;
	struct mem mem;
};

typedef NTSTATUS make_fn(struct scene *s, struct made *m);

static NTSTATUS make_cq(struct scene *s, struct made *m)
{
	return s->a->Dispatch->NdkCreateCq(s->a, 1, NULL, NULL, NULL, on_made, m,
					   (NDK_CQ **)&m->obj);
}

static NTSTATUS make_qp(struct scene *s, struct made *m)
{
	return s->pd->Dispatch->NdkCreateQp(s->pd, s->one, s->one, NULL, 1, 1, 1,
					    1, 0, on_made, m, (NDK_QP **)&m->obj);
}

/* All of them are of the same page */
static NTSTATUS make_mr(struct scene *s, struct made *m)
{
	NDK_MR *mr = NULL;
	NTSTATUS st = s->pd->Dispatch->NdkCreateMr(s->pd, FALSE, on_made, m, &mr);

	assert_status(st, STATUS_SUCCESS);
	m->obj = mr;
	return mr->Dispatch->NdkRegisterMr(mr, &s->mem.mdl, 4096, MEM_ALL,
					   on_ended, m);
}

static void print_thousand(const char *what, uint32_t n, uint64_t ms)
{
	printf("%s %u to %u: %lu ms\n", what, n - 999, n, (unsigned long)ms);
}

static void make_all(struct scene *s, const char *what, make_fn *fn,
		     struct made *m, uint32_t n)
{
	uint64_t from = tguest_ops()->now_ms(s->g);

	ended = 0;
	for (uint32_t i = 0; i < n; i++) {
		assert_status(fn(s, &m[i]), STATUS_PENDING);
		if ((i + 1) % 1000 && i + 1 < n)
			continue;
		ck_assert_msg(wait_count(&ended, i + 1, TEST_TIMEOUT_MS),
			      "%s: %u of %u", what, ended, i + 1);
		if (i + 1 == 1000 || i + 1 == n / 1000 * 1000)
			print_thousand(what, i + 1,
				       tguest_ops()->now_ms(s->g) - from);
		from = tguest_ops()->now_ms(s->g);
	}
	for (uint32_t i = 0; i < n; i++)
		if (m[i].status != STATUS_SUCCESS)
			ck_abort_msg("%s %u: status %x", what, i, m[i].status);
}

static void close_all(struct made *m, uint32_t n)
{
	uint32_t inline_ones = 0;

	closed = 0;
	for (uint32_t i = 0; i < n; i++) {
		NDK_CQ *any = m[i].obj;	/* the first slot of every table */

		if (any->Dispatch->NdkCloseCq(&any->Header, on_closed, NULL) !=
		    STATUS_PENDING)
			inline_ones++;
	}
	ck_assert(wait_count(&closed, n - inline_ones, TEST_TIMEOUT_MS));
}

/* One that is refused, by driver or device, and is gone */
static void refused(struct scene *s, make_fn *fn)
{
	uint32_t before = vrdma_core_object_count(tguest_core(s->g));
	struct made m = {0};
	NTSTATUS st;

	ended = 0;
	st = fn(s, &m);
	if (st == STATUS_PENDING) {
		ck_assert(wait_count(&ended, 1, TEST_TIMEOUT_MS));
		st = m.status;
	}
	assert_status(st, STATUS_INSUFFICIENT_RESOURCES);
	if (fn == make_mr)
		nd_close(m.obj);
	ck_assert_uint_eq(vrdma_core_object_count(tguest_core(s->g)), before);
}

/* Where it was full, one goes and another one comes */
static void one_for_one(struct scene *s, make_fn *fn, struct made *last)
{
	nd_close(last->obj);
	ended = 0;
	assert_status(fn(s, last), STATUS_PENDING);
	ck_assert(wait_count(&ended, 1, TEST_TIMEOUT_MS));
	assert_status(last->status, STATUS_SUCCESS);
}

static void scene_open(struct scene *s, struct tguest *g)
{
	s->g = g;
	s->a = nd_open(g);
	s->pd = nd_pd(s->a);
	s->one = nd_cq(s->a, 16, NULL, NULL);
	mem_init(&s->mem, g, s->pd, 4096, MEM_ALL);
}

static void scene_close(struct scene *s)
{
	mem_fini(&s->mem);
	nd_close(s->one);
	nd_close(s->pd);
	vrdma_close_adapter(s->a);
}

/* --- objects ---------------------------------------------------------------------- */

static void setup(void)
{
	struct daemon_opts o = {.guests = 1};	/* the limits are the defaults */

	fx_start(&o, 256u << 20);
}

/* One of the queues and one of the regions are the scene's own */
START_TEST(all_objects_at_once)
{
	struct made *cq = calloc(CQS, sizeof(*cq));
	struct made *qp = calloc(QPS, sizeof(*qp));
	struct made *mr = calloc(REGIONS, sizeof(*mr));
	struct scene s, other;

	scene_open(&s, fx.g[0]);
	make_all(&s, "completion queues", make_cq, cq, CQS - 1);
	make_all(&s, "queue pairs", make_qp, qp, QPS);
	make_all(&s, "regions", make_mr, mr, REGIONS - 1);
	refused(&s, make_cq);
	refused(&s, make_qp);
	refused(&s, make_mr);
	one_for_one(&s, make_cq, &cq[CQS / 2]);
	one_for_one(&s, make_qp, &qp[QPS / 2]);
	one_for_one(&s, make_mr, &mr[REGIONS / 2]);
	refused(&s, make_mr);
	/* a context with work bits of its own: now it is the device that refuses */
	nd_close(cq[0].obj);
	other = s;
	other.a = nd_open(fx.g[0]);
	other.pd = nd_pd(other.a);
	other.one = nd_cq(other.a, 16, NULL, NULL);
	refused(&other, make_qp);
	nd_close(other.one);
	nd_close(other.pd);
	vrdma_close_adapter(other.a);
	close_all(qp, QPS);
	close_all(cq + 1, CQS - 2);
	close_all(mr, REGIONS - 1);
	scene_close(&s);
	free(cq);
	free(qp);
	free(mr);
}
END_TEST

/* --- depth ------------------------------------------------------------------------ */

/* Queue pairs of the greatest depth fill a completion queue of the greatest depth;
 * it is drained in order, and a greater one is refused */
START_TEST(deepest_queues)
{
	enum { DEPTH = 16384, PAIRS = DEEP / DEPTH };
	struct ep_opts o = {.depth = DEPTH, .sge = 1, .cq_depth = DEEP};
	static struct ep a[PAIRS], b[PAIRS];
	uint64_t next[PAIRS] = {0};
	struct virtio_rdma_cq_record *rec;
	struct vrdma_cq_layout layout;
	NDK_ADAPTER_INFO info;
	struct listener l;
	struct made m;
	struct op op;
	NTSTATUS st;

	ep_init(&a[0], fx.g[0], &o);
	o.share = &a[0];
	for (int i = 1; i < PAIRS; i++)
		ep_init(&a[i], fx.g[0], &o);
	o = (struct ep_opts){.depth = 1, .sge = 1, .cq_depth = DEEP};
	ep_init(&b[0], fx.g[0], &o);
	o.share = &b[0];
	for (int i = 1; i < PAIRS; i++)
		ep_init(&b[i], fx.g[0], &o);
	listener_start(&l, b[0].adapter, sa_v4(0, 0));
	for (int i = 0; i < PAIRS; i++)
		ep_connect(&a[i], &b[i], &l, NULL, NULL);
	for (uint64_t k = 0; k < DEPTH; k++)
		for (int i = 0; i < PAIRS; i++)
			if (ep_post_write(&a[i], k, 0, 8, &b[i], 0, 0))
				ck_abort_msg("post %lu", (unsigned long)k);
	vrdma_cq_layout(a[0].cq, &layout);
	rec = layout.buffer->va;
	for (int ms = 0; __atomic_load_n(&rec->tail, __ATOMIC_ACQUIRE) != DEEP;
	     ms++) {
		ck_assert_int_lt(ms, TEST_TIMEOUT_MS);
		poll(NULL, 0, 1);
	}
	for (uint32_t n = 0; n < DEEP; n++) {
		NDK_RESULT_EX r = ep_next(&a[0]);
		struct ep *e = r.QPContext;
		int i = (int)(e - a);

		if (r.Status || r.RequestContext != ID(next[i]))
			ck_abort_msg("entry %u: status %x", n, r.Status);
		next[i]++;
	}
	ck_assert(ep_idle(&a[0]));
	ck_assert_uint_eq(a[0].indications, 0);
	info = nd_info(a[0].adapter);
	ck_assert_uint_eq(info.MaxCqDepth, DEEP);
	ck_assert_uint_eq(info.MaxInitiatorQueueDepth, DEPTH);
	ck_assert_uint_eq(info.MaxReceiveQueueDepth, DEPTH);
	ck_assert_uint_eq(info.MaxSrqDepth, DEPTH);
	ck_assert_uint_eq(info.MaxRegistrationSize, LARGE);
	assert_status(a[0].adapter->Dispatch->NdkCreateCq(
			      a[0].adapter, DEEP + 1, NULL, NULL, NULL, on_made,
			      &m, (NDK_CQ **)&m.obj),
		      STATUS_INVALID_PARAMETER);
	assert_status(a[0].pd->Dispatch->NdkCreateQp(
			      a[0].pd, a[0].cq, a[0].cq, NULL, 1, DEPTH + 1, 1, 1,
			      0, on_made, &m, (NDK_QP **)&m.obj),
		      STATUS_INVALID_PARAMETER);
	for (int i = 0; i < PAIRS; i++)
		ep_disconnect_both(&a[i], &b[i]);
	op_init(&op);
	st = nd_close_start(l.obj, &op);
	for (int i = PAIRS - 1; i >= 0; i--) {
		nd_close(a[i].conn);	/* the listener waits for all of them */
		nd_close(b[i].conn);
		a[i].conn = b[i].conn = NULL;
	}
	assert_status(op_wait(&op, st), STATUS_SUCCESS);
	for (int i = PAIRS - 1; i >= 0; i--) {
		ep_fini(&a[i]);
		ep_fini(&b[i]);
	}
}
END_TEST

/* --- a large region ----------------------------------------------------------------- */

#define LARGE_AT	(1ull << 40)	/* where it is plugged in */
#define LARGE_PAGES	(LARGE >> VIRTIO_RDMA_LARGE_SHIFT)
#define TABLES		((uint32_t)LARGE_PAGES / VIRTIO_RDMA_TABLE_ENTRIES)

/* The pages from last to first, so that no two lie together */
static struct virtio_rdma_page_list backwards(struct raw *r)
{
	uint64_t gpa, at = LARGE_AT + LARGE;
	struct virtio_rdma_page_list l = {
		.page_count = vr_to_le32((uint32_t)LARGE_PAGES), .levels = 2,
		.page_shift = VIRTIO_RDMA_LARGE_SHIFT,
	};
	vr_le64 *root = raw_page(r, &gpa);

	l.root = vr_to_le64(gpa);
	for (uint32_t t = 0; t < TABLES; t++) {
		vr_le64 *leaf = raw_page(r, &gpa);

		root[t] = vr_to_le64(gpa);
		for (uint32_t i = 0; i < VIRTIO_RDMA_TABLE_ENTRIES; i++) {
			at -= 1ull << VIRTIO_RDMA_LARGE_SHIFT;
			leaf[i] = vr_to_le64(at);
		}
	}
	return l;
}

static uint64_t physical(uint64_t offset)
{
	const uint64_t page = 1ull << VIRTIO_RDMA_LARGE_SHIFT;

	return LARGE - page - offset / page * page + offset % page;
}

/* Writes to both ends of it, in the other guest, and reads back from the middle */
START_TEST(largest_region)
{
	int fd = memfd_create("dimm", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	struct virtio_rdma_cmd_register_mr c = {
		.hdr.opcode = vr_to_le16(VIRTIO_RDMA_CMD_REGISTER_MR),
		.access = vr_to_le32(7), .addr = vr_to_le64(0x40000000),
	};
	const struct daemon *daemon;
	static const uint64_t offsets[] = {0, LARGE / 2 + 12288, LARGE - 8};
	struct virtio_rdma_rsp_register_mr rsp;
	struct raw a, b;
	struct raw_qp qa, qb;
	struct raw_mr m;
	uint32_t tail = 0;

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(ftruncate(fd, (off_t)LARGE), 0);
	ck_assert_int_eq(fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK), 0);
	daemon = test_backend()->daemon(2);
	raw_start(&a, daemon->socket[2]);
	raw_start(&b, daemon->socket[3]);
	ck_assert_int_eq(fe_plug(b.fe, LARGE_AT, LARGE, fd), 0);
	raw_qp_make(&a, &qa);
	raw_qp_make(&b, &qb);
	raw_mr_make(&a, qa.pd, 7, &m);
	c.pd = vr_to_le32(qb.pd);
	c.pages = backwards(&b);
	c.length = vr_to_le64(LARGE + 1);	/* one more */
	ck_assert_uint_eq(raw_cmd(&b, &c, sizeof(c)),
			  VIRTIO_RDMA_S_INVALID_PARAMETER);
	c.length = vr_to_le64(LARGE);
	ck_assert_uint_eq(raw_cmd(&b, &c, sizeof(c)), VIRTIO_RDMA_S_OK);
	memcpy(&rsp, b.rsp, sizeof(rsp));
	raw_connect(&a, &qa, &b, &qb, 3);
	for (int i = 0; i < 3; i++) {
		uint64_t said = 0x1234567890 + (uint64_t)i, heard = 0;
		struct virtio_rdma_send_wqe *w = raw_sqe(&qa, tail);
		struct virtio_rdma_sge *sge = (void *)(w + 1);

		memcpy(m.va, &said, sizeof(said));
		*w = (struct virtio_rdma_send_wqe){
			.opcode = VIRTIO_RDMA_OP_WRITE, .num_sge = 1,
			.remote_addr = vr_to_le64(0x40000000 + offsets[i]),
			.remote_token = rsp.remote_token,
		};
		*sge = (struct virtio_rdma_sge){
			vr_to_le64(m.addr), vr_to_le32(8), vr_to_le32(m.local)
		};
		raw_ring(&a, &qa, ++tail, 0);
		ck_assert_uint_eq(raw_cqe(&qa).status, VIRTIO_RDMA_WC_SUCCESS);
		ck_assert_int_eq(pread(fd, &heard, 8,
				       (off_t)physical(offsets[i])), 8);
		ck_assert_uint_eq(heard, said);
	}
	ck_assert_uint_eq(raw_simple(&b, VIRTIO_RDMA_CMD_DEREGISTER_MR,
				     vr_from_le32(rsp.hdr.handle)),
			  VIRTIO_RDMA_S_OK);
	raw_stop(&a);
	raw_stop(&b);
	close(fd);
}
END_TEST

/* --- what the operator sets ------------------------------------------------------------ */

static void setup_large(void)
{
	struct daemon_opts o = {.guests = 4, .guest_section = FX_SMALL};

	fx_start(&o, FX_MEM);
}

static void setup_small(void)
{
	struct daemon_opts o = {
		.guests = 1,
		.guest_section = "max-qp = 3\nmax-cq = 3\nmax-mr = 3\n"
				 "max-cq-depth = 32\nmax-send-depth = 8\n"
				 "max-recv-depth = 4\nmax-srq-depth = 2\n"
				 "max-mr-size = 8192\n",
	};

	fx_start(&o, FX_MEM);
}

START_TEST(as_configured)
{
	struct made cq[2] = {{0}}, qp[3] = {{0}}, mr[2] = {{0}}, m;
	NDK_ADAPTER_INFO info;
	struct scene s;

	scene_open(&s, fx.g[0]);
	info = nd_info(s.a);
	ck_assert_uint_eq(info.MaxCqDepth, 32);
	ck_assert_uint_eq(info.MaxInitiatorQueueDepth, 8);
	ck_assert_uint_eq(info.MaxReceiveQueueDepth, 4);
	ck_assert_uint_eq(info.MaxSrqDepth, 2);
	ck_assert_uint_eq(info.MaxRegistrationSize, 8192);
	make_all(&s, "completion queues", make_cq, cq, 2);
	make_all(&s, "queue pairs", make_qp, qp, 3);
	make_all(&s, "regions", make_mr, mr, 2);
	refused(&s, make_cq);
	refused(&s, make_qp);
	refused(&s, make_mr);
	assert_status(s.pd->Dispatch->NdkCreateQp(s.pd, s.one, s.one, NULL, 5, 8,
						  1, 1, 0, on_made, &m,
						  (NDK_QP **)&m.obj),
		      STATUS_INVALID_PARAMETER);
	close_all(qp, 3);
	close_all(cq, 2);
	close_all(mr, 2);
	scene_close(&s);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("scale");
	TCase *tc = add_case(s, "defaults", 120);

	tcase_add_checked_fixture(tc, setup, fx_teardown);
	tcase_add_test(tc, all_objects_at_once);
	tcase_add_test(tc, deepest_queues);
	tc = add_case(s, "a large region", 60);
	tcase_add_checked_fixture(tc, setup_large, fx_teardown);
	tcase_add_test(tc, largest_region);
	tc = add_case(s, "configured", 60);
	tcase_add_checked_fixture(tc, setup_small, fx_teardown);
	tcase_add_test(tc, as_configured);
	return run_suite(s);
}
