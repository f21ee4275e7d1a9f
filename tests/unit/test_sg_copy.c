// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * test_sg_copy.c - be_sg_copy() over segments of any kind and alignment, beside a
 * copy byte by byte
 */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "mr.h"
#include "sg.h"
#include "suite.h"

#define SPAN	(8u << 20)	/* of each side's memory */
#define PAGES	(SPAN >> 12)
#define MOST	(1u << 20)	/* bytes of a request */
#define SEGS	8u

/* Memory whose pages lie in any order, and a region that is all of it */
struct side {
	uint8_t *mem;
	uint8_t *page[PAGES];
	struct vr_mr mr;
	struct sg_seg seg[SEGS];
	struct be_sg sg;
	uint64_t total;
};

static struct side to, from;
static uint8_t *want;		/* what to.mem is to hold */
static unsigned int seed;

static uint32_t below(uint32_t n)
{
	return (uint32_t)rand_r(&seed) % n;
}

/* Runs of pages that follow each other, and single ones; run 0: all in one */
static void scatter(struct side *s, unsigned int shift, uint32_t run)
{
	uint32_t n = SPAN >> shift, i, j;
	uint8_t *t;

	for (i = 0; i < n; i++)
		s->page[i] = s->mem + ((size_t)i << shift);
	for (i = n - 1; run && i; i--) {
		j = below(i + 1) / run * run;
		if (i % run || j + run > n || i + run > n)
			continue;
		for (uint32_t k = 0; k < run; k++) {
			t = s->page[i + k];
			s->page[i + k] = s->page[j + k];
			s->page[j + k] = t;
		}
	}
	s->mr = (struct vr_mr){ .length = SPAN };
	s->mr.pages.page_shift = shift;
	s->mr.pages.count = n;
	if (run)
		s->mr.pages.page = s->page;
	else
		s->mr.pages.linear = s->mem;
}

static uint8_t *byte_at(struct side *s, uint64_t off)
{
	unsigned int shift = s->mr.pages.page_shift;

	return s->page[off >> shift] + (off & ((1ull << shift) - 1));
}

static void new_request(struct side *s)
{
	uint32_t n = 1 + below(SEGS);

	s->sg.seg = s->seg;
	sg_reset(&s->sg);
	for (uint32_t i = 0; i < n; i++) {
		uint64_t len = below(4) ? below(MOST / n) : below(3);
		uint64_t off = below((uint32_t)(SPAN - len));

		if (below(3) == 0)	/* as consumers do */
			off &= ~4095ull;
		sg_add(&s->sg, &s->mr, off, len);
	}
	s->total = s->sg.left;
}

/* The n-th byte of a request */
static uint8_t *nth(struct side *s, uint64_t n)
{
	uint32_t i = 0;

	while (n >= s->seg[i].len)
		n -= s->seg[i++].len;
	return byte_at(s, s->seg[i].off + n);
}

static void copy_in_steps(uint64_t all)
{
	uint64_t done = 0, max;
	bool bad;

	while (done < all) {
		int64_t n;

		max = below(2) ? all : 1 + below(MOST);
		n = be_sg_copy(&to.sg, &from.sg, max, &bad);
		ck_assert_int_eq(n, (int64_t)(max < all - done ? max : all - done));
		done += (uint64_t)n;
		ck_assert_uint_eq(be_sg_left(&to.sg), to.total - done);
		ck_assert_uint_eq(be_sg_left(&from.sg), from.total - done);
	}
	ck_assert_int_eq(be_sg_copy(&to.sg, &from.sg, 0, &bad), 0);
}

static void setup(void)
{
	for (struct side *s = &to; s; s = s == &to ? &from : NULL) {
		s->mem = malloc(SPAN);
		for (uint32_t i = 0; i < SPAN; i++)
			s->mem[i] = (uint8_t)(i * 7 + (i >> 12) * 13 + (s == &to));
	}
	want = malloc(SPAN);
	memcpy(want, to.mem, SPAN);
}

static void teardown(void)
{
	free(to.mem);
	free(from.mem);
	free(want);
}

static const struct {
	unsigned int to_shift, from_shift;
	uint32_t to_run, from_run;	/* pages that lie together; 0: all */
} shapes[] = {
	{ 12, 12, 1, 1 }, { 12, 12, 4, 1 }, { 12, 12, 1, 512 }, { 12, 12, 0, 1 },
	{ 12, 12, 1, 0 }, { 12, 12, 0, 0 }, { 21, 12, 1, 1 }, { 12, 21, 2, 1 },
	{ 21, 21, 1, 1 },
};

START_TEST(any_shape)
{
	seed = (unsigned int)_i;
	scatter(&to, shapes[_i].to_shift, shapes[_i].to_run);
	scatter(&from, shapes[_i].from_shift, shapes[_i].from_run);
	for (int round = 0; round < 20; round++) {
		uint64_t all;

		new_request(&to);
		new_request(&from);
		all = to.total < from.total ? to.total : from.total;
		for (uint64_t i = 0; i < all; i++)
			want[nth(&to, i) - to.mem] = *nth(&from, i);
		copy_in_steps(all);
		ck_assert_msg(!memcmp(to.mem, want, SPAN), "round %d", round);
	}
}
END_TEST

/* Whose memory went is told, and what was before it was copied */
START_TEST(memory_goes)
{
	struct vr_mr gone = { .dead = true, .length = SPAN };
	struct side *s = _i ? &from : &to, *other = _i ? &to : &from;
	bool bad = !_i;

	scatter(&to, 12, 1);
	scatter(&from, 12, 1);
	s->sg.seg = s->seg;
	other->sg.seg = other->seg;
	sg_reset(&s->sg);
	sg_reset(&other->sg);
	sg_add(&s->sg, &s->mr, 0, 5000);
	sg_add(&s->sg, &gone, 0, 5000);
	sg_add(&other->sg, &other->mr, 0, 10000);
	ck_assert_int_lt(be_sg_copy(&to.sg, &from.sg, 10000, &bad), 0);
	ck_assert_int_eq(bad, !_i);
	ck_assert_int_eq(*byte_at(&to, 4999), *byte_at(&from, 4999));
	ck_assert_int_ne(*byte_at(&to, 5000), *byte_at(&from, 5000));
}
END_TEST

int main(void)
{
	Suite *s = suite_create("sg-copy");
	TCase *tc = tcase_create("copy");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_loop_test(tc, any_shape, 0,
			    (int)(sizeof(shapes) / sizeof(shapes[0])));
	tcase_add_loop_test(tc, memory_goes, 0, 2);
	suite_add_tcase(s, tc);
	return suite_run(s);
}
