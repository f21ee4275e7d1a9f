/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * work.h - how much code runs, by count
 *
 * The objects under test are compiled so that they call this at each basic block;
 * the test is not.  So a count is that of their own steps, and the same in every
 * run, but for what depends on random numbers.
 */
#ifndef TESTS_WORK_H
#define TESTS_WORK_H

#include <check.h>
#include <stdint.h>
#include <stdio.h>

static uint64_t work_done;

void __sanitizer_cov_trace_pc(void);
void __sanitizer_cov_trace_pc(void)
{
	work_done++;
}

/* The first thousand of many creations, and the last */
struct work {
	const char *what;
	uint32_t n, at;
	uint64_t first, last;
};

/* Before each creation, and behind it */
static inline void work_begin(void)
{
	work_done = 0;
}

static inline void work_end(struct work *w)
{
	if (w->at < 1000)
		w->first += work_done;
	if (w->at >= w->n - 1000)
		w->last += work_done;
	w->at++;
}

/* Now and then a table grows, or a random number is taken: a tenth more is the
 * same; a step for each object that is there would be hundreds of times as many */
static inline void work_expect_level(const struct work *w)
{
	printf("%s: %.1f steps each at first, %.1f with %u there\n", w->what,
	       (double)w->first / 1000, (double)w->last / 1000, w->n);
	ck_assert_uint_eq(w->at, w->n);
	ck_assert_uint_gt(w->first, 1000);
	ck_assert_uint_le(w->last, w->first + w->first / 10);
}

#endif /* TESTS_WORK_H */
