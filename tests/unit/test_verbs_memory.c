// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * test_verbs_memory.c - regions of the verbs backend: scattered pages side by
 * side, and what a host refuses
 */
#include <errno.h>
#include <stdio.h>

#include "verbs_rig.h"

#define UNIT	(2u << 20)		/* of huge pages */
#define UNIT_PAGES (UNIT / RIG_PAGE)

static void register_at(struct rig_mr *m, const uint32_t *page, uint64_t first,
			uint64_t length)
{
	*m = (struct rig_mr){ .host = 1, .page = page, .first = first };
	m->mr.addr = 0x123450000000ull + first % RIG_PAGE;
	m->mr.length = length;
	rig_register(m);
	rig_settle();
	ck_assert_uint_eq(m->answers, 1);
}

static void take_back(struct rig_mr *m)
{
	rig_deregister(m);
	rig_settle();
	ck_assert_uint_eq(m->answers, 2);
	ck_assert_int_eq(m->err, 0);
}

/* Mappings of the rig's memory in this process */
static unsigned int count_mappings(void)
{
	FILE *f = fopen("/proc/self/maps", "r");
	unsigned int n = 0;
	char line[512];

	ck_assert_ptr_nonnull(f);
	while (fgets(line, sizeof(line), f))
		n += strstr(line, "memfd:rig") != NULL;
	fclose(f);
	return n;
}

/* The peer writes to each byte of the region; they must be at their pages */
static void write_through(const struct rig_mr *m)
{
	struct rig_pair p = rig_pair(8);
	struct rig_wr *w;

	for (uint64_t i = 0; i < m->mr.length; i++)
		rig.host[0].mem[i] = (uint8_t)(i * 7 + i / 251);
	rig_post(p.a->qp, VIRTIO_RDMA_OP_WRITE, 0, m->mr.length, 0);
	w = &p.a->qp->sq.wr[0];
	w->wr.remote_addr = m->mr.addr;
	w->wr.remote_token = m->mr.remote_key;
	rig_settle();
	rig_assert_ended(&p.a->qp->sq, 0, VIRTIO_RDMA_WC_SUCCESS);
	for (uint64_t i = 0; i < m->mr.length; i++) {
		uint64_t at = m->first + i;

		if (rig.host[1].mem[m->page[at / RIG_PAGE] * RIG_PAGE +
				    at % RIG_PAGE] !=
		    (uint8_t)(i * 7 + i / 251))
			ck_abort_msg("byte %lu is not at its place",
				     (unsigned long)i);
	}
	rig_part(&p);
}

/* What lies together is registered where it is, at the guest's address */
START_TEST(together)
{
	struct fv_region r;
	unsigned int maps;
	struct rig_mr m;

	rig_start_both();
	maps = fv_count(FV_mmap);
	register_at(&m, NULL, 5 * RIG_PAGE + 123, 3 * RIG_PAGE);
	ck_assert_int_eq(m.err, 0);
	ck_assert_uint_eq(fv_count(FV_mmap), maps);
	r = fv_newest_region(1);
	ck_assert_ptr_eq(r.addr, rig.host[1].mem + 5 * RIG_PAGE + 123);
	ck_assert_uint_eq(r.length, 3 * RIG_PAGE);
	ck_assert_uint_eq(r.iova, m.mr.addr);
	take_back(&m);
}
END_TEST

START_TEST(scattered)
{
	static const uint32_t page[] = { 900, 3, 4, 5, 1023, 7, 6, 0 };
	const uint64_t first = _i % 2 ? 1 : 0, less = _i / 2 ? 4095 : 0;
	unsigned int before;
	struct fv_region r;
	struct rig_mr m;

	rig_start_both();
	before = count_mappings();
	register_at(&m, page, first, 8 * RIG_PAGE - first - less);
	ck_assert_int_eq(m.err, 0);
	r = fv_newest_region(1);
	ck_assert_uint_eq(r.iova, m.mr.addr);
	ck_assert_uint_eq(r.length, m.mr.length);
	ck_assert_uint_gt(count_mappings(), before);
	write_through(&m);
	take_back(&m);
	ck_assert_uint_eq(count_mappings(), before);
}
END_TEST

/* Each right is the one that the guest gave, and no more */
START_TEST(rights)
{
	static const struct {
		uint32_t from;
		int to;
	} rows[] = {
		{ VIRTIO_RDMA_ACCESS_LOCAL_WRITE, IBV_ACCESS_LOCAL_WRITE },
		{ VIRTIO_RDMA_ACCESS_REMOTE_READ, IBV_ACCESS_REMOTE_READ },
		{ VIRTIO_RDMA_ACCESS_LOCAL_WRITE | VIRTIO_RDMA_ACCESS_REMOTE_WRITE,
		  IBV_ACCESS_LOCAL_WRITE | IBV_ACCESS_REMOTE_WRITE },
	};
	struct rig_mr m;

	rig_start_both();
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		m = (struct rig_mr){ .host = 1 };
		m.mr.addr = RIG_VA;
		m.mr.length = 100;
		m.mr.access = rows[i].from;
		rig_register(&m);
		rig_settle();
		ck_assert_int_eq(m.err, 0);
		/* and a window may be bound to each */
		ck_assert_int_eq(fv_newest_region(1).access,
				 rows[i].to | IBV_ACCESS_MW_BIND);
		rig_deregister(&m);
		rig_settle();
	}
}
END_TEST

/* ----------------------------------------------------------------- huge units */

static void fill_units(uint32_t *page, const uint32_t *unit, uint32_t n)
{
	for (uint32_t i = 0; i < n * UNIT_PAGES; i++)
		page[i] = unit[i / UNIT_PAGES] * UNIT_PAGES + i % UNIT_PAGES;
}

static void register_units(struct rig_mr *m, const uint32_t *page,
			   uint64_t first, uint64_t length)
{
	*m = (struct rig_mr){ .host = 1, .page = page, .first = first,
			      .unit = UNIT };
	m->mr.addr = 0x123440000000ull + first;
	m->mr.length = length;
	rig_register(m);
	rig_settle();
	ck_assert_uint_eq(m->answers, 1);
}

START_TEST(whole_huge_pages)
{
	static const uint32_t unit[] = { 3, 0, 2 };
	static uint32_t page[3 * UNIT_PAGES + 1];
	struct rig_mr m;

	rig_start_both();
	fill_units(page, unit, 3);
	register_units(&m, page, 0x3456, 3 * UNIT - 0x3456 - 0x777);
	ck_assert_int_eq(m.err, 0);
	write_through(&m);
	take_back(&m);
}
END_TEST

/* Pages scattered inside of huge pages cannot be mapped side by side */
START_TEST(parts_of_huge_pages)
{
	static const uint32_t unit[] = { 3, 0 };
	static uint32_t page[2 * UNIT_PAGES + 1];
	unsigned int before;
	struct rig_mr m;

	rig_start_both();
	fill_units(page, unit, 2);
	/* an exchange in the first unit, in the last, or a hole between them */
	if (_i < 2) {
		page[_i * UNIT_PAGES + 7] = page[_i * UNIT_PAGES + 9];
		page[_i * UNIT_PAGES + 9] = 2 * UNIT_PAGES;
	} else {
		memmove(page + UNIT_PAGES - 1, page + UNIT_PAGES,
			UNIT_PAGES * sizeof(*page));
	}
	before = count_mappings();
	register_units(&m, page, 0, 2 * UNIT - 2 * RIG_PAGE);
	ck_assert_int_eq(m.err, -EINVAL);
	ck_assert(rig_warned("scattered inside of huge pages"));
	ck_assert_uint_eq(count_mappings(), before);
}
END_TEST

/* ------------------------------------------------------------------- refusals */

static const uint32_t five[] = { 10, 8, 6, 4, 2, 0 };

/* The reserve, and each piece in it */
START_TEST(no_mapping)
{
	static const struct {
		int err, answer;
		const char *says;
	} rows[] = {
		{ ENOMEM, -ENOMEM, "vm.max_map_count" },
		{ EPERM, -EINVAL, "Operation not permitted" },
	};
	unsigned int before;
	struct rig_mr m;

	rig_start_both();
	before = count_mappings();
	for (unsigned int nth = 1; nth <= 6; nth++) {
		fv_fail(FV_mmap, nth, rows[_i].err);
		register_at(&m, five, 0, 5 * RIG_PAGE);
		ck_assert(fv_failed());
		ck_assert_int_eq(m.err, rows[_i].answer);
		ck_assert(rig_warned(rows[_i].says));
		ck_assert_uint_eq(count_mappings(), before);
	}
	register_at(&m, five, 0, 5 * RIG_PAGE);
	ck_assert_int_eq(m.err, 0);
	take_back(&m);
}
END_TEST

START_TEST(no_registration)
{
	static const struct {
		int err, answer;
		const char *says;
	} rows[] = {
		{ ENOMEM, -ENOMEM, "RLIMIT_MEMLOCK" },
		{ EAGAIN, -ENOMEM, "RLIMIT_MEMLOCK" },
		{ EPERM, -ENOMEM, "RLIMIT_MEMLOCK" },
		{ EFAULT, -EINVAL, "Bad address" },
	};
	unsigned int before;
	struct rig_mr m;

	rig_start_both();
	before = count_mappings();
	for (unsigned int i = 0; i < 2; i++) {
		fv_fail(FV_ibv_reg_mr, 1, rows[_i].err);
		register_at(&m, i ? five : NULL, 0, 5 * RIG_PAGE);
		ck_assert(fv_failed());
		ck_assert_int_eq(m.err, rows[_i].answer);
		ck_assert(rig_warned(rows[_i].says));
		ck_assert_uint_eq(count_mappings(), before);
	}
}
END_TEST

/* Taken back before it was answered: one answer, to that */
START_TEST(taken_back_at_once)
{
	unsigned int before;
	struct rig_mr m = { .host = 1, .page = five };

	rig_start_both();
	before = count_mappings();
	m.mr.addr = RIG_VA;
	m.mr.length = 5 * RIG_PAGE;
	fv_hold(FV_ibv_reg_mr, true);
	if (_i)
		fv_fail(FV_ibv_reg_mr, 1, ENOMEM);
	rig_register(&m);
	fv_await_held(FV_ibv_reg_mr);
	rig_deregister(&m);
	rig_run_dry();
	ck_assert_uint_eq(m.answers, 0);
	fv_hold(FV_ibv_reg_mr, false);
	rig_settle();
	ck_assert_uint_eq(m.answers, 1);
	ck_assert_int_eq(m.err, 0);
	ck_assert_uint_eq(count_mappings(), before);
}
END_TEST

/* A region goes under a request: the device ends it, and the queue pair */
START_TEST(taken_back_in_flight)
{
	struct rig_pair p;
	struct rig_mr m;

	rig_start_both();
	register_at(&m, five, 0, 5 * RIG_PAGE);
	p = rig_pair(8);
	fv_data_cut = true;
	rig_post(p.b->qp, VIRTIO_RDMA_OP_WRITE, 0, 100, 0);
	p.b->qp->sq.wr[0].mr = &m;
	p.b->qp->sq.wr[0].addr = m.mr.addr;
	rig_settle();
	ck_assert_uint_eq(p.b->qp->sq.taken, 1);
	take_back(&m);
	fv_data_cut = false;
	rig_settle();
	rig_assert_ended(&p.b->qp->sq, 0, VIRTIO_RDMA_WC_LOCAL_PROTECTION);
}
END_TEST

/* Many at once, answered each, in the order of the calls */
START_TEST(many)
{
	static struct rig_mr m[64];

	rig_start_both();
	for (unsigned int i = 0; i < 64; i++) {
		m[i] = (struct rig_mr){ .host = 1, .page = five };
		m[i].mr.addr = RIG_VA;
		m[i].mr.length = 5 * RIG_PAGE;
		rig_register(&m[i]);
		if (i % 3 == 0)
			rig_deregister(&m[i]);
	}
	rig_settle();
	for (unsigned int i = 0; i < 64; i++) {
		ck_assert_uint_eq(m[i].answers, 1);
		if (i % 3)
			rig_deregister(&m[i]);
	}
	rig_settle();
	for (unsigned int i = 0; i < 64; i++)
		ck_assert_uint_eq(m[i].answers, i % 3 ? 2 : 1);
}
END_TEST

int main(void)
{
	const struct rig_test tests[] = {
		{ "together", together, 1 },
		{ "scattered", scattered, 4 },
		{ "rights", rights, 1 },
		{ "huge", whole_huge_pages, 1 },
		{ "parts", parts_of_huge_pages, 3 },
		{ "mapping", no_mapping, 2 },
		{ "registration", no_registration, 4 },
		{ "early", taken_back_at_once, 2 },
		{ "flight", taken_back_in_flight, 1 },
		{ "many", many, 1 },
	};

	return rig_run_tests("verbs_memory", tests,
			     sizeof(tests) / sizeof(tests[0]));
}
