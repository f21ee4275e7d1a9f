// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * foreign_death.c - B's program is killed, with nothing under way and with much
 */
#include <inttypes.h>
#include <signal.h>

#include "foreign.h"

static void (*a_is_told)(struct scene *s);

static void b_is_killed(struct scene *s, struct tally *t, bool with_traffic)
{
	child_signal(&s->b, SIGKILL);
	if (with_traffic)
		traffic(t, s, UINT32_MAX, post_write);
	ck_assert_int_eq(child_wait(&s->b), 128 + SIGKILL);
	ck_assert(wait_count(&s->a.indications, 1, TEST_TIMEOUT_MS));
	a_is_told(s);
	tally_close(t, &s->a);
	ck_assert(ep_idle(&s->a));
	ck_assert_uint_eq(s->a.indications, 1);
	scene_close(s);
}

START_TEST(b_killed_when_idle)
{
	struct tally t = { 0 };
	struct scene s;

	scene_open(&s, (enum who)_i, NULL, NO_OPTIONS);
	post_receives(&t, &s.a, 4);
	b_is_killed(&s, &t, false);
}
END_TEST

START_TEST(b_killed_with_traffic)
{
	struct ep_opts o = { .mem = MIB };
	struct tally t = { 0 };
	struct scene s;

	scene_open(&s, (enum who)_i, &o, NO_OPTIONS);
	post_receives(&t, &s.a, 4);
	child_say(&s.b, "storm " A_MEMORY " %u", A_MEMORY_ARGS(&s), 65536);
	child_hear_line(&s.b, "storm");
	traffic(&t, &s, 100, post_write);
	assert_status(t.failure, STATUS_SUCCESS);
	b_is_killed(&s, &t, true);
}
END_TEST

void add_death_tests(TCase *tc, void (*is_told)(struct scene *s))
{
	a_is_told = is_told;
	tcase_add_loop_test(tc, b_killed_when_idle, 0, 2);
	tcase_add_loop_test(tc, b_killed_with_traffic, 0, 2);
}
