// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * test_data_fabric.c - regions and domains of a guest whose fabric reaches
 * memory by itself
 *
 * The fabric is the test's: it keeps what it is asked and answers when the test
 * says so.
 */
#include <errno.h>
#include <sys/mman.h>

#include "data_rig.h"

#define PAGE	4096u
#define RW	(VIRTIO_RDMA_ACCESS_LOCAL_WRITE | VIRTIO_RDMA_ACCESS_REMOTE_READ)
#define MAX	16

static struct rig r;

/* ---------------------------------------------------------------- the fabric */

struct be_pd {
	unsigned int regions;
};

static struct {
	unsigned int pds;
	struct be_mr *reg[MAX], *dereg[MAX];	/* asked and not answered */
	unsigned int regs, deregs;
	uint32_t next_key;
	int pd_err;
} f;

static int f_pd_create(struct backend *be, struct be_pd **out)
{
	(void)be;
	if (f.pd_err)
		return f.pd_err;
	*out = calloc(1, sizeof(**out));
	f.pds++;
	return 0;
}

static void f_pd_destroy(struct be_pd *pd)
{
	ck_assert_uint_eq(pd->regions, 0);
	free(pd);
	f.pds--;
}

static void f_register(struct backend *be, struct be_mr *mr)
{
	(void)be;
	ck_assert_uint_lt(f.regs, MAX);
	mr->pd->regions++;
	f.reg[f.regs++] = mr;
}

/* What was asked and not answered is answered no more */
static void forget(struct be_mr *mr)
{
	for (unsigned int i = 0; i < f.regs; i++)
		if (f.reg[i] == mr)
			f.reg[i] = f.reg[--f.regs];
}

static void f_deregister(struct backend *be, struct be_mr *mr)
{
	(void)be;
	forget(mr);
	f.dereg[f.deregs++] = mr;
}

static struct backend fabric = {
	.name = "test",
	.limits = BE_LIMITS_NONE,
	.pd_create = f_pd_create,
	.pd_destroy = f_pd_destroy,
	.mr_register = f_register,
	.mr_deregister = f_deregister,
};

static void answer_register(int err)
{
	struct be_mr *mr = f.reg[--f.regs];

	if (err)
		mr->pd->regions--;
	mr->local_key = 0x1000 + ++f.next_key;
	mr->remote_key = 0x77000000 + (f.next_key << 8);
	mr->done(mr, err);
}

static void answer_deregister(void)
{
	struct be_mr *mr = f.dereg[--f.deregs];

	mr->pd->regions--;
	mr->done(mr, 0);
}

/* -------------------------------------------------------- commands that wait */

struct waiting {
	struct command cmd;
	struct rig_answer answer;
};

static void start(struct waiting *w, void (*fn)(struct command *))
{
	w->cmd.guest = &r.a.g;
	w->cmd.priv = &w->answer;
	w->answer = (struct rig_answer){ 0 };
	fn(&w->cmd);
}

static void start_pd(struct waiting *w, uint32_t flags)
{
	memset(w, 0, sizeof(*w));
	w->cmd.req.create_pd.flags = flags;
	start(w, cmd_create_pd);
}

static uint32_t new_pd(void)
{
	struct waiting w;

	start_pd(&w, 0);
	ck_assert(w.answer.done);
	ck_assert_uint_eq(w.answer.status, VIRTIO_RDMA_S_OK);
	return w.answer.handle;
}

static void start_mr(struct waiting *w, uint32_t pd, uint32_t pages, int step)
{
	memset(w, 0, sizeof(*w));
	w->cmd.req.register_mr.pd = pd;
	w->cmd.req.register_mr.addr = 0x5000;
	w->cmd.req.register_mr.length = (uint64_t)pages * PAGE;
	w->cmd.req.register_mr.access = RW;
	w->cmd.req.register_mr.pages = rig_pages(&r.a, RIG_DATA, pages, 12, step);
	start(w, cmd_register_mr);
}

static void start_handle(struct waiting *w, uint32_t handle,
			 void (*fn)(struct command *))
{
	memset(w, 0, sizeof(*w));
	w->cmd.handle = handle;
	start(w, fn);
}

static enum virtio_rdma_status destroy_pd(uint32_t pd)
{
	struct waiting w;

	start_handle(&w, pd, cmd_destroy_pd);
	ck_assert(w.answer.done);
	return w.answer.status;
}

static void setup(void)
{
	memset(&f, 0, sizeof(f));
	rig_start(&r, 0);
	r.a.g.fabric = &fabric;
	/* rig_end() checks that nothing is charged to the guest any more */
}

static void teardown(void)
{
	rig_settle(&r);
	ck_assert_uint_eq(f.pds, 0);
	ck_assert_uint_eq(f.regs, 0);
	ck_assert_uint_eq(f.deregs, 0);
	ck_assert_uint_eq(r.model.pending, 0);
	rig_end(&r);
}

/* --------------------------------------------------------------------- tests */

START_TEST(registered_when_the_fabric_has_it)
{
	struct waiting w, d;
	uint32_t pd = new_pd();

	start_mr(&w, pd, 4, 1);
	ck_assert(!w.answer.done);
	ck_assert_uint_eq(f.reg[0]->addr, 0x5000);
	ck_assert_uint_eq(f.reg[0]->length, 4 * PAGE);
	ck_assert_uint_eq(f.reg[0]->access, RW);
	ck_assert_uint_eq(destroy_pd(pd), VIRTIO_RDMA_S_BUSY);
	answer_register(0);
	ck_assert(w.answer.done);
	ck_assert_uint_eq(w.answer.status, VIRTIO_RDMA_S_OK);
	ck_assert_uint_eq(w.cmd.rsp.register_mr.remote_token, 0x77000100);

	start_handle(&d, w.answer.handle, cmd_deregister_mr);
	ck_assert_msg(!d.answer.done, "answered while the device has it");
	ck_assert_uint_eq(destroy_pd(pd), VIRTIO_RDMA_S_BUSY);
	answer_deregister();
	ck_assert(d.answer.done);
	ck_assert_uint_eq(d.answer.status, VIRTIO_RDMA_S_OK);
	ck_assert_uint_eq(destroy_pd(pd), VIRTIO_RDMA_S_OK);
}
END_TEST

static const struct {
	int err;
	enum virtio_rdma_status status;
} failures[] = {
	{ -ENOMEM, VIRTIO_RDMA_S_NO_RESOURCES },
	{ -EINVAL, VIRTIO_RDMA_S_NOT_SUPPORTED },
	{ -EIO, VIRTIO_RDMA_S_INTERNAL_ERROR },
};

START_TEST(a_failure_is_the_answer)
{
	struct waiting w;
	uint32_t pd = new_pd();

	start_mr(&w, pd, 4, 1);
	answer_register(failures[_i].err);
	ck_assert(w.answer.done);
	ck_assert_uint_eq(w.answer.status, failures[_i].status);
	ck_assert_uint_eq(w.answer.handle, 0);
	ck_assert_uint_eq(destroy_pd(pd), VIRTIO_RDMA_S_OK);
}
END_TEST

/* The device was removed: the local path goes on, with a token of our own */
START_TEST(without_the_device)
{
	struct waiting w, d;
	uint32_t pd = new_pd();

	start_mr(&w, pd, 4, 1);
	answer_register(-ENODEV);
	ck_assert_uint_eq(w.answer.status, VIRTIO_RDMA_S_OK);
	ck_assert_uint_ne(w.cmd.rsp.register_mr.remote_token, 0);
	start_handle(&d, w.answer.handle, cmd_deregister_mr);
	ck_assert(d.answer.done);
	ck_assert_uint_eq(destroy_pd(pd), VIRTIO_RDMA_S_OK);

	f.pd_err = -ENODEV;
	pd = new_pd();
	start_mr(&w, pd, 4, 1);
	ck_assert(w.answer.done);
	start_handle(&d, w.answer.handle, cmd_deregister_mr);
	ck_assert(d.answer.done);
	ck_assert_uint_eq(destroy_pd(pd), VIRTIO_RDMA_S_OK);
}
END_TEST

START_TEST(no_domain_no_resources)
{
	struct waiting w;

	f.pd_err = -ENOMEM;
	start_pd(&w, 0);
	ck_assert(w.answer.done);
	ck_assert_uint_eq(w.answer.status, VIRTIO_RDMA_S_NO_RESOURCES);
}
END_TEST

/* Two regions that the device gave one key cannot both be told apart */
START_TEST(a_key_is_given_once)
{
	struct waiting w, again, d;
	uint32_t pd = new_pd();

	start_mr(&w, pd, 1, 1);
	answer_register(0);
	f.next_key = 0;
	start_mr(&again, pd, 1, 1);
	answer_register(0);
	ck_assert(!again.answer.done);
	answer_deregister();
	ck_assert_uint_eq(again.answer.status, VIRTIO_RDMA_S_INTERNAL_ERROR);
	start_handle(&d, w.answer.handle, cmd_deregister_mr);
	answer_deregister();
	ck_assert_uint_eq(destroy_pd(pd), VIRTIO_RDMA_S_OK);
}
END_TEST

/* In the middle of everything; nothing is answered twice or left behind */
START_TEST(reset_at_each_step)
{
	struct waiting w, d, p;
	uint32_t pd = new_pd();

	start_mr(&w, pd, 4, 1);
	if (_i >= 1)
		answer_register(0);
	if (_i >= 2)
		start_handle(&d, w.answer.handle, cmd_deregister_mr);
	start_pd(&p, VIRTIO_RDMA_PD_PRIVILEGED);
	if (_i >= 3)
		answer_register(0);
	qp_reset_all(&r.a.g);
	cq_reset_all(&r.a.g);
	mr_reset_all(&r.a.g);
	pd_reset_all(&r.a.g);
	ck_assert(w.answer.done && p.answer.done);
	while (f.deregs)
		answer_deregister();
	if (_i == 2)
		ck_assert(d.answer.done);
	ck_assert_uint_eq(f.pds, 0);
}
END_TEST

/* What the pieces say, mapped side by side, is what the region holds */
START_TEST(pieces_are_the_region)
{
	enum { PAGES = 40 };
	struct waiting w, d;
	uint32_t pd = new_pd(), pieces = 0;
	uint8_t *map = mmap(NULL, PAGES * PAGE, PROT_NONE,
			    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct be_piece p;

	for (uint32_t i = 0; i < PAGES; i++)
		memset(r.a.mem + RIG_DATA + i * PAGE, (int)i + 1, PAGE);
	start_mr(&w, pd, PAGES, _i ? 1 : -1);
	for (uint64_t off = 0; off < PAGES * PAGE; off += p.length, pieces++) {
		be_mr_piece(f.reg[0], off, &p);
		ck_assert_uint_gt(p.length, 0);
		ck_assert_ptr_ne(mmap(map + off, p.length, PROT_READ,
				      MAP_SHARED | MAP_FIXED, p.fd,
				      (off_t)p.fd_offset), MAP_FAILED);
	}
	ck_assert_uint_eq(pieces, _i ? 1 : PAGES);
	for (uint32_t i = 0; i < PAGES; i++)
		ck_assert_uint_eq(map[i * PAGE + 7], _i ? i + 1 : PAGES - i);
	munmap(map, PAGES * PAGE);
	answer_register(0);
	start_handle(&d, w.answer.handle, cmd_deregister_mr);
	answer_deregister();
	ck_assert_uint_eq(destroy_pd(pd), VIRTIO_RDMA_S_OK);
}
END_TEST

/* --- the privileged token ----------------------------------------------------- */

static void with_key(void *arg)
{
	struct be_key *k = arg;
	struct vr_pd *pd = pd_find(&r.a.g, (uint32_t)k->length);

	if (mr_key(pd->physical, k->addr, 100, k) < 0)
		k->key = 0;
}

/* What the device calls the byte at gpa; 0: it does not know it */
static uint32_t key_at(uint32_t pd, uint64_t gpa)
{
	struct be_key k = { .addr = gpa, .length = pd };

	worker_call(r.worker, with_key, &k);
	return k.key;
}

START_TEST(privileged_domain_waits_for_memory)
{
	struct waiting w;

	start_pd(&w, VIRTIO_RDMA_PD_PRIVILEGED);
	ck_assert(!w.answer.done);
	ck_assert_uint_eq(f.regs, 1);
	ck_assert_uint_eq(f.reg[0]->addr, r.a.gpa);
	ck_assert_uint_eq(f.reg[0]->length, RIG_MEM);
	ck_assert_uint_eq(f.reg[0]->access, VIRTIO_RDMA_ACCESS_LOCAL_WRITE);
	answer_register(0);
	ck_assert_uint_eq(w.answer.status, VIRTIO_RDMA_S_OK);
	ck_assert_uint_eq(key_at(w.answer.handle, r.a.gpa + 5), 0x1001);
	ck_assert_uint_eq(key_at(w.answer.handle, r.a.gpa - 1), 0);
	ck_assert_uint_eq(key_at(w.answer.handle, r.a.gpa + RIG_MEM), 0);
	ck_assert_uint_eq(destroy_pd(w.answer.handle), VIRTIO_RDMA_S_OK);
	ck_assert_uint_eq(f.pds, 1);
	answer_deregister();
	ck_assert_uint_eq(f.pds, 0);
}
END_TEST

START_TEST(privileged_domain_without_memory)
{
	struct waiting w;

	start_pd(&w, VIRTIO_RDMA_PD_PRIVILEGED);
	answer_register(-ENOMEM);
	ck_assert_uint_eq(w.answer.status, VIRTIO_RDMA_S_NO_RESOURCES);
	ck_assert_uint_eq(f.pds, 0);
}
END_TEST

static void plug(uint64_t gpa)
{
	const struct gmem_region_desc d = {
		.gpa = gpa, .size = RIG_MEM, .fd = r.a.fd,
	};
	struct gmem_map *map;

	ck_assert_int_eq(gmem_map_add(r.a.g.map, &d, true, &map), 0);
	gmem_map_put(r.a.g.map);
	r.a.g.map = map;
	guest_data_set_map(&r.a.g, map);
	pd_map_changed(&r.a.g);
}

static void unplug(uint64_t gpa)
{
	struct gmem_map *map;

	ck_assert_int_eq(gmem_map_remove(r.a.g.map, gpa, RIG_MEM, &map), 0);
	gmem_map_put(r.a.g.map);
	r.a.g.map = map;
	guest_data_set_map(&r.a.g, map);
	pd_map_changed(&r.a.g);
}

START_TEST(memory_is_plugged_and_pulled)
{
	uint64_t more = r.a.gpa + 4ull * RIG_MEM;
	struct waiting w;
	uint32_t pd;

	start_pd(&w, VIRTIO_RDMA_PD_PRIVILEGED);
	answer_register(0);
	pd = w.answer.handle;
	ck_assert(!r.a.g.data.paused);
	plug(more);
	ck_assert_uint_eq(f.regs, 1);
	ck_assert_uint_eq(key_at(pd, more), 0);
	/* what the guest posts for it waits until the device knows it */
	ck_assert(r.a.g.data.paused);
	answer_register(_i ? -ENOMEM : 0);
	ck_assert(!r.a.g.data.paused);
	ck_assert_uint_eq(key_at(pd, more), _i ? 0 : 0x1002);
	ck_assert_uint_eq(key_at(pd, r.a.gpa), 0x1001);
	unplug(more);
	ck_assert_uint_eq(key_at(pd, more), 0);
	if (!_i)
		answer_deregister();
	ck_assert_uint_eq(key_at(pd, r.a.gpa), 0x1001);
	ck_assert_uint_eq(destroy_pd(pd), VIRTIO_RDMA_S_OK);
	answer_deregister();
}
END_TEST

/* The machine is paused and the domain goes while memory is on its way */
START_TEST(rings_go_on_once)
{
	struct waiting w;
	uint32_t pd;

	start_pd(&w, VIRTIO_RDMA_PD_PRIVILEGED);
	answer_register(0);
	pd = w.answer.handle;
	plug(r.a.gpa + 4ull * RIG_MEM);
	guest_data_pause(&r.a.g, true);
	if (_i)
		ck_assert_uint_eq(destroy_pd(pd), VIRTIO_RDMA_S_OK);
	else
		answer_register(0);
	ck_assert(r.a.g.data.paused);
	guest_data_pause(&r.a.g, false);
	ck_assert(!r.a.g.data.paused);
	if (!_i)
		ck_assert_uint_eq(destroy_pd(pd), VIRTIO_RDMA_S_OK);
	answer_deregister();
	answer_deregister();
}
END_TEST

int main(void)
{
	const int n = sizeof(failures) / sizeof(failures[0]);
	Suite *s = suite_create("memory of a fabric");
	TCase *tc = tcase_create("fabric");
	SRunner *sr = srunner_create(s);
	int failed;

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, registered_when_the_fabric_has_it);
	tcase_add_loop_test(tc, a_failure_is_the_answer, 0, n);
	tcase_add_test(tc, without_the_device);
	tcase_add_test(tc, no_domain_no_resources);
	tcase_add_test(tc, a_key_is_given_once);
	tcase_add_loop_test(tc, reset_at_each_step, 0, 4);
	tcase_add_loop_test(tc, pieces_are_the_region, 0, 2);
	tcase_add_test(tc, privileged_domain_waits_for_memory);
	tcase_add_test(tc, privileged_domain_without_memory);
	tcase_add_loop_test(tc, memory_is_plugged_and_pulled, 0, 2);
	tcase_add_loop_test(tc, rings_go_on_once, 0, 2);
	suite_add_tcase(s, tc);
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
