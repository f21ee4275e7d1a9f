// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * test_page_copy.c - page_copy() and page_copy_ahead() beside memmove(): any length,
 * any offset, and overlaps by every distance
 */
#include <check.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "page_copy.h"
#include "suite.h"

#define PAGE	4096u
#define SPAN	(4 * PAGE)
#define ROUNDS	20000

static uint8_t mem[SPAN], want[SPAN];
static const uint8_t *const nowhere = (const uint8_t *)PAGE;
static unsigned int seed;

static uint32_t below(uint32_t n)
{
	return (uint32_t)rand_r(&seed) % n;
}

static void fill(void)
{
	for (uint32_t i = 0; i < SPAN; i++)
		mem[i] = want[i] = (uint8_t)(i * 7 + (i >> 8) * 13 + seed);
}

/* Mostly what is met most: whole blocks and pages */
static uint32_t any_length(void)
{
	switch (below(4)) {
	case 0:
		return PAGE;
	case 1:
		return below(PAGE / 128 + 1) * 128;
	default:
		return below(PAGE + 1);
	}
}

/* As far as mem goes, and near each other every other time */
static void copy_once(bool ahead)
{
	uint32_t n = any_length(), from = below(SPAN - n + 1), to;
	uint32_t near = below(2 * PAGE) + from;

	to = below(2) ? below(SPAN - n + 1) : near < PAGE ? 0 : near - PAGE;
	if (to > SPAN - n)
		to = SPAN - n;
	memmove(want + to, want + from, n);
	if (ahead)	/* what is fetched need not be there */
		page_copy_ahead(mem + to, mem + from, n, mem + below(SPAN),
				nowhere);
	else
		page_copy(mem + to, mem + from, n);
	ck_assert_msg(!memcmp(mem, want, SPAN), "%u bytes from %u to %u", n,
		      from, to);
}

START_TEST(as_memmove)
{
	seed = (unsigned int)_i + 1;
	fill();
	for (int round = 0; round < ROUNDS; round++) {
		if (round % 64 == 0)
			fill();
		copy_once(_i);
	}
}
END_TEST

/* Which half of the overlaps a loop forwards would spoil depends on the direction */
START_TEST(each_distance)
{
	for (uint32_t n = 512; n <= 1024; n += 128) {
		for (uint32_t d = 0; d <= 2 * n; d++) {
			uint32_t from = PAGE, to = PAGE - n + d;

			fill();
			memmove(want + to, want + from, n);
			page_copy(mem + to, mem + from, n);
			ck_assert_msg(!memcmp(mem, want, SPAN),
				      "%u bytes from %u to %u", n, from, to);
		}
	}
}
END_TEST

int main(void)
{
	Suite *s = suite_create("page_copy");
	TCase *tc = tcase_create("all");

	tcase_add_loop_test(tc, as_memmove, 0, 2);
	tcase_add_test(tc, each_distance);
	suite_add_tcase(s, tc);
	return suite_run(s);
}
