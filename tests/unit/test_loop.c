// SPDX-License-Identifier: GPL-2.0-or-later
/* test_loop.c - the event loop: order, timers, descriptors that go away */
#include <check.h>
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "log.h"
#include "loop.h"
#include "suite.h"

static struct loop *l;
static int log_of[64], count;

static void setup(void)
{
	count = 0;
	ck_assert_int_eq(loop_create(&l), 0);
}

static void teardown(void)
{
	loop_destroy(l);
}

static void note(void *arg)
{
	if (count < 64)
		log_of[count++] = *(int *)arg;
}

static int one = 1, two = 2, three = 3;

static void post_three(void *arg)
{
	note(arg);
	loop_post(l, note, &three);
}

START_TEST(messages_keep_their_order)
{
	loop_post(l, post_three, &one);
	loop_post(l, note, &two);
	ck_assert_int_eq(loop_run_once(l, 0), 0);
	ck_assert_int_eq(count, 2); /* the third was posted in this round */
	ck_assert_int_eq(loop_run_once(l, 0), 0);
	ck_assert_int_eq(count, 3);
	for (int i = 0; i < 3; i++)
		ck_assert_int_eq(log_of[i], i + 1);
}
END_TEST

START_TEST(work_is_queued_once)
{
	struct loop_work w;

	loop_work_init(&w, note, &one);
	ck_assert(loop_post_work(l, &w));
	ck_assert(!loop_post_work(l, &w));
	loop_run_once(l, 0);
	ck_assert_int_eq(count, 1);
	ck_assert(loop_post_work(l, &w));
	loop_run_once(l, 0);
	ck_assert_int_eq(count, 2);
}
END_TEST

#define TIMERS 40

START_TEST(timers_fire_in_order)
{
	static struct loop_timer t[TIMERS];
	static int id[TIMERS];
	uint64_t now = loop_now_ns();

	for (int i = 0; i < TIMERS; i++) {
		int at = (i * 17 + 5) % TIMERS; /* a permutation */

		id[i] = at;
		loop_timer_init(&t[i], note, &id[i]);
		/* in the past, so one round finds them all due */
		loop_timer_set(l, &t[i], now - 1000000 + (uint64_t)at);
	}
	loop_timer_cancel(l, &t[3]);
	ck_assert(!loop_timer_is_set(&t[3]));
	loop_timer_cancel(l, &t[3]);
	loop_timer_set(l, &t[4], now - 2000000); /* now the first */
	loop_run_once(l, 0);
	ck_assert_int_eq(count, TIMERS - 1);
	ck_assert_int_eq(log_of[0], id[4]);
	for (int i = 2; i < count; i++)
		ck_assert_int_lt(log_of[i - 1], log_of[i]);
}
END_TEST

START_TEST(timer_waits)
{
	struct loop_timer t;
	uint64_t start = loop_now_ns();

	loop_timer_init(&t, note, &one);
	loop_timer_set_ms(l, &t, 30);
	while (!count)
		ck_assert_int_eq(loop_run_once(l, 1000), 0);
	ck_assert_uint_ge(loop_now_ns() - start, 30000000u);
}
END_TEST

static int fds[2][2];

/* Each callback takes the other descriptor away, which is due as well */
static void drop_other(void *arg, int fd, uint32_t events)
{
	int other = fd == fds[0][0] ? fds[1][0] : fds[0][0];

	(void)events;
	note(arg);
	loop_del(l, other);
	loop_del(l, fd);
}

START_TEST(removed_descriptor_is_silent)
{
	for (int i = 0; i < 2; i++) {
		ck_assert_int_eq(pipe(fds[i]), 0);
		ck_assert_int_eq(write(fds[i][1], "x", 1), 1);
		ck_assert_int_eq(
			loop_add(l, fds[i][0], EPOLLIN, drop_other, &one), 0);
		ck_assert_int_eq(
			loop_add(l, fds[i][0], EPOLLIN, drop_other, &one),
			-EEXIST);
	}
	loop_run_once(l, 0);
	loop_run_once(l, 0);
	ck_assert_int_eq(count, 1);
	ck_assert_int_eq(loop_mod(l, fds[0][0], EPOLLIN), -ENOENT);
	ck_assert_int_eq(loop_add(l, -1, EPOLLIN, drop_other, &one), -EBADF);
	for (int i = 0; i < 2; i++) {
		close(fds[i][0]);
		close(fds[i][1]);
	}
}
END_TEST

#define POSTS 10000
static int posted_seen;

static void count_post(void *arg)
{
	if (++posted_seen == 2 * POSTS)
		loop_stop(arg);
}

static void *poster(void *arg)
{
	for (int i = 0; i < POSTS; i++)
		loop_post(arg, count_post, arg);
	return NULL;
}

START_TEST(threads_post)
{
	pthread_t t[2];

	posted_seen = 0;
	for (int i = 0; i < 2; i++)
		pthread_create(&t[i], NULL, poster, l);
	ck_assert_int_eq(loop_run(l), 0);
	for (int i = 0; i < 2; i++)
		pthread_join(t[i], NULL);
	ck_assert_int_eq(posted_seen, 2 * POSTS);
}
END_TEST

/* The kernel's letter for what a thread of this process does */
static char state_of(pid_t tid)
{
	char path[64], state = 0;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/self/task/%d/stat", (int)tid);
	f = fopen(path, "re");
	ck_assert_ptr_nonnull(f);
	ck_assert_int_eq(fscanf(f, "%*d %*s %c", &state), 1);
	fclose(f);
	return state;
}

static _Atomic pid_t loop_tid;
static atomic_int seen;

static void note_tid(void *arg)
{
	(void)arg;
	loop_tid = (pid_t)syscall(SYS_gettid);
	seen++;
}

static void *run_loop(void *arg)
{
	ck_assert_int_eq(loop_run(arg), 0);
	return NULL;
}

static void post_and_wait(int n)
{
	loop_post(l, note_tid, NULL);
	while (seen != n)	/* or Check's own time is over */
		sched_yield();
}

/* For an hour, for some time, not at all: what comes is taken, then it sleeps,
 * but for the hour */
START_TEST(looks_for_more)
{
	static const uint32_t spin_us[] = { 3600000000u, 200, 0 };
	pthread_t t;

	seen = 0;
	loop_set_spin(l, spin_us[_i]);
	pthread_create(&t, NULL, run_loop, l);
	for (int n = 1; n <= 100; n++) {
		post_and_wait(n);
		while (_i && n % 10 == 0 && state_of(loop_tid) != 'S')
			sched_yield();
	}
	loop_stop(l);
	pthread_join(t, NULL);
}
END_TEST

START_TEST(log_limit)
{
	struct log_limit lim;
	uint32_t dropped;
	int passed = 0;

	log_limit_init(&lim, 3);
	for (int i = 0; i < 10; i++)
		passed += log_limit_pass(&lim, 5000000000u, &dropped);
	ck_assert_int_eq(passed, 3);
	ck_assert(log_limit_pass(&lim, 6000000000u, &dropped));
	ck_assert_uint_eq(dropped, 7);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("loop");
	TCase *t = tcase_create("loop");

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_set_timeout(t, 30);
	tcase_add_test(t, messages_keep_their_order);
	tcase_add_test(t, work_is_queued_once);
	tcase_add_test(t, timers_fire_in_order);
	tcase_add_test(t, timer_waits);
	tcase_add_test(t, removed_descriptor_is_silent);
	tcase_add_test(t, threads_post);
	tcase_add_loop_test(t, looks_for_more, 0, 3);
	tcase_add_test(t, log_limit);
	suite_add_tcase(s, t);
	return suite_run(s);
}
