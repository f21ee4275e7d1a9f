// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * test_workers.c - guests of several workers: where they are, and that what they do
 * goes on while they are brought together
 */
#include <stdio.h>
#include <string.h>

#include "fixture.h"
#include "transport.h"

#define GUESTS	4
#define SIZE	4096u

static struct pair first, second, third;

static void start(void)
{
	const struct daemon_opts o = {
		.guests = GUESTS, .guest_section = FX_SMALL FX_FEW_QUEUES,
		.vrdmad_section = "workers = 2\nlog-level = debug\n",
	};

	fx_start(&o, FX_MEM);
	for (int i = 2; i < GUESTS; i++)
		fx_new_guest(i);
}

/* How often the daemon has said so */
static uint32_t said(const char *what)
{
	FILE *f = fopen(test_backend()->daemon(0)->log, "r");
	char line[512];
	uint32_t n = 0;

	ck_assert_ptr_nonnull(f);
	while (fgets(line, sizeof(line), f))
		n += strstr(line, what) != NULL;
	fclose(f);
	return n;
}

/* Where guest 0 is another host's there is less to move */
static void expect_said(const char *what, uint32_t n)
{
	if (test_backend()->one_daemon)
		ck_assert_uint_eq(said(what), n);
}

static void write_both_ways(struct pair *p)
{
	static uint32_t seed = 1;
	struct ep *from = &p->a, *to = &p->b;

	for (int i = 0; i < 2; i++) {
		struct ep *was = from;

		mem_fill(&from->mem, ++seed);
		assert_status(ep_post_write(from, seed, 0, SIZE, to, 0, 0),
			      STATUS_SUCCESS);
		assert_status(ep_next(from).Status, STATUS_SUCCESS);
		ck_assert_int_eq(mem_check(to->mem.va, SIZE, seed, 0), -1);
		from = to;
		to = was;
	}
}

/* Two pairs have a worker each */
START_TEST(pairs_spread)
{
	pair_open(&first, 0, 1, NULL);
	expect_said("place: from worker 1 to 0, of 1 guests", 1);
	pair_open(&second, 2, 3, NULL);
	expect_said("place: from worker 0 to 1, of 1 guests", 1);
	expect_said("place: from", 2);
	write_both_ways(&first);
	write_both_ways(&second);
	ep_disconnect_both(&first.a, &first.b);
	ep_disconnect_both(&second.a, &second.b);
	pair_close(&first);
	pair_close(&second);
}
END_TEST

/* What two pairs have in flight goes on when a connection between them makes them
 * one group: receives that wait, sends that wait for a receive, an armed queue */
START_TEST(join_under_way)
{
	pair_open(&first, 0, 1, NULL);
	pair_open(&second, 2, 3, NULL);
	assert_status(ep_post_send(&second.a, 7, 0, SIZE, 0), STATUS_SUCCESS);
	assert_status(ep_post_recv(&first.b, 8, 0, SIZE), STATUS_SUCCESS);
	ep_arm(&second.b, NDK_CQ_NOTIFY_ANY);
	write_both_ways(&first);
	pair_open(&third, 0, 2, NULL);
	expect_said("of 2 guests", 1);
	assert_status(ep_post_recv(&second.b, 9, 0, SIZE), STATUS_SUCCESS);
	ep_expect_events(&second.b, 1);
	assert_status(ep_next(&second.b).Status, STATUS_SUCCESS);
	assert_status(ep_next(&second.a).Status, STATUS_SUCCESS);
	assert_status(ep_post_send(&first.a, 10, 0, SIZE, 0), STATUS_SUCCESS);
	assert_status(ep_next(&first.a).Status, STATUS_SUCCESS);
	assert_status(ep_next(&first.b).Status, STATUS_SUCCESS);
	write_both_ways(&first);
	write_both_ways(&second);
	write_both_ways(&third);
	ep_disconnect_both(&third.a, &third.b);
	ep_disconnect_both(&first.a, &first.b);
	ep_disconnect_both(&second.a, &second.b);
	pair_close(&third);
	pair_close(&first);
	pair_close(&second);
}
END_TEST

/* Again and again, with nothing left that binds them in between: whoever connects
 * first stays, and the others go where there is room */
START_TEST(again_and_again)
{
	for (int i = 0; i < 20; i++) {
		int peer = 1 + i % 3, rest = peer == 1 ? 2 : 1;

		pair_open(&first, 0, peer, NULL);
		pair_open(&second, rest, 6 - peer - rest, NULL);
		write_both_ways(&first);
		write_both_ways(&second);
		ep_disconnect_both(&first.a, &first.b);
		ep_disconnect_both(&second.a, &second.b);
		pair_close(&first);
		pair_close(&second);
	}
	if (!test_backend()->one_daemon)
		return;
	ck_assert_uint_gt(said("place: from worker 1 to 0"), 5);
	ck_assert_uint_gt(said("place: from worker 0 to 1"), 5);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("workers");
	TCase *tc = add_case(s, "two", 60);

	tcase_add_checked_fixture(tc, start, fx_teardown);
	tcase_add_test(tc, pairs_spread);
	tcase_add_test(tc, join_under_way);
	tcase_add_test(tc, again_and_again);
	return run_suite(s);
}
