// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * test_in_flight.c - A's Disconnect pends, B was told, and then something else
 * happens: A hears within its deadline, B's own calls end, nothing is left
 */
#include <signal.h>
#include <string.h>
#include <time.h>

#include "fixture.h"
#include "transport.h"

enum { DEADLINE_MS = 1000, RECEIVES = 4 };

struct scene {
	struct pair p;
	struct op op;		/* A's Disconnect */
	NTSTATUS st;
	uint64_t since;		/* when it was called */
	bool stopped;		/* B's guest is away */
};

static uint64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

/* --- what happens ---------------------------------------------------------------- */

static void b_is_killed(struct scene *s)
{
	(void)s;
	tguest_kill(fx.g[1]);
}

static void b_resets(struct scene *s)
{
	(void)s;
	tguest_reset(fx.g[1]);
}

/* What a kernel does for a process that dies, and a driver for itself */
static void b_closes_all(struct scene *s)
{
	/* the adapter's close waits for the listener, too */
	struct op listener;
	NTSTATUS st;

	op_init(&listener);
	st = nd_close_start(s->p.l.obj, &listener);
	nd_close(s->p.b.conn);
	s->p.b.conn = NULL;
	assert_status(op_wait(&listener, st), STATUS_SUCCESS);
	ep_fini(&s->p.b);
}

static void b_unloads_its_driver(struct scene *s)
{
	b_closes_all(s);
	tguest_stop(fx.g[1]);
	fx.g[1] = NULL;
	s->stopped = true;
}

static void b_is_paused(struct scene *s)
{
	fe_pause(tguest_fe(fx.g[1]));
	s->stopped = true;
}

static void a_is_killed(struct scene *s)
{
	(void)s;
	tguest_kill(fx.g[0]);
}

static void a_resets(struct scene *s)
{
	(void)s;
	tguest_reset(fx.g[0]);
}

static void vrdmad_dies(struct scene *s)
{
	(void)s;
	daemon_kill(test_backend()->daemon(0));
}

static void administrator(struct scene *s)
{
	(void)s;
	kill(test_backend()->daemon(0)->pid, SIGTERM);
}

static void nothing(struct scene *s)
{
	(void)s;
}

/* --- what comes of it --------------------------------------------------------------- */

/* B is not asked: its Disconnect has nothing to call it on */
#define UNASKED ((NTSTATUS)1)
/* B's end of a vrdmad that says good-bye, or that is gone already: either way
 * an end */
#define ENDS ((NTSTATUS)2)

static const struct event {
	const char *name;
	void (*happens)(struct scene *s);
	NTSTATUS a, b;		/* how the Disconnects end */
} events[] = {
	{ "nothing", nothing, STATUS_IO_TIMEOUT, STATUS_SUCCESS },
	{ "B is killed", b_is_killed, STATUS_CONNECTION_ABORTED,
	  STATUS_DEVICE_REMOVED },
	{ "B resets its device", b_resets, STATUS_CONNECTION_ABORTED,
	  STATUS_DEVICE_REMOVED },
	/* a close is B's notification (D2) */
	{ "B's process dies", b_closes_all, STATUS_SUCCESS, UNASKED },
	{ "B unloads its driver", b_unloads_its_driver, STATUS_SUCCESS,
	  UNASKED },
	{ "B is paused", b_is_paused, STATUS_IO_TIMEOUT, STATUS_SUCCESS },
	/* B has A's notification, which nothing takes back: the first word */
	{ "A is killed", a_is_killed, STATUS_DEVICE_REMOVED, STATUS_SUCCESS },
	{ "A resets its device", a_resets, STATUS_DEVICE_REMOVED,
	  STATUS_SUCCESS },
	{ "vrdmad is killed", vrdmad_dies, STATUS_DEVICE_REMOVED, ENDS },
	{ "vrdmad is ended", administrator, STATUS_CONNECTION_ABORTED, ENDS },
};
#define EVENTS (int)(sizeof(events) / sizeof(events[0]))

static void open_scene(struct scene *s)
{
	memset(s, 0, sizeof(*s));
	pair_open(&s->p, 0, 1, NULL);
	for (uint64_t i = 0; i < RECEIVES; i++)
		assert_status(ep_post_recv(&s->p.a, i, 0, 64), STATUS_SUCCESS);
	s->since = now_ms();
	s->st = ep_disconnect_start(&s->p.a, &s->op);
	assert_status(s->st, STATUS_PENDING);
	ck_assert(wait_count(&s->p.b.indications, 1, TEST_TIMEOUT_MS));
	ck_assert_uint_eq(s->p.b.reason, VIRTIO_RDMA_R_GRACEFUL);
}

/* A's Disconnect ends as it should, in time, behind its cancelled work */
static void check_a(const struct event *e, struct scene *s)
{
	NTSTATUS st = op_wait(&s->op, s->st);
	uint64_t took = now_ms() - s->since;
	/* a wire that has one word for all ends says that B has answered */
	bool answered = !test_backend()->tells_aborts &&
			e->a == STATUS_CONNECTION_ABORTED &&
			st == STATUS_SUCCESS;

	ck_assert_msg(st == e->a || answered,
		      "%s: A's Disconnect says 0x%x, not 0x%x", e->name,
		      (uint32_t)st, (uint32_t)e->a);
	/* the deadline, and what a busy machine takes to say so */
	ck_assert_msg(took < DEADLINE_MS + 3000, "%s: A waited %lu ms", e->name,
		      (unsigned long)took);
	ck_assert(st != STATUS_IO_TIMEOUT || took >= DEADLINE_MS - 1);
	for (uint64_t i = 0; i < RECEIVES; i++) {
		NDK_RESULT_EX r;

		ck_assert_uint_eq(s->p.a.cq->Dispatch->NdkGetCqResultsEx(
					  s->p.a.cq, &r, 1), 1);
		ck_assert_ptr_eq(r.RequestContext, ID(i));
		assert_status(r.Status, STATUS_CANCELLED);
	}
	ck_assert(ep_idle(&s->p.a));
	ck_assert_uint_eq(s->p.a.indications, 0);	/* D4, D5 */
}

static void check_b(const struct event *e, struct scene *s)
{
	struct op op;
	NTSTATUS st;

	if (s->stopped && fx.g[1])
		ck_assert_int_eq(fe_resume(tguest_fe(fx.g[1])), 0);
	ck_assert_msg(s->p.b.indications == 1, "%s: B is told %u times",
		      e->name, s->p.b.indications);
	if (!s->p.b.conn)
		return;
	st = op_wait(&op, ep_disconnect_start(&s->p.b, &op));
	if (e->b == ENDS)
		ck_assert_msg(st == STATUS_DEVICE_REMOVED ||
			      st == STATUS_SUCCESS,
			      "%s: B's Disconnect says 0x%x", e->name,
			      (uint32_t)st);
	else
		ck_assert_msg(st == e->b, "%s: B's Disconnect says 0x%x",
			      e->name, (uint32_t)st);
}

static void close_scene(struct scene *s)
{
	if (s->p.b.conn)
		pair_close(&s->p);
	else
		ep_fini(&s->p.a);
}

/* The same two places, whoever lives there now, connect again */
static void check_life(void)
{
	struct pair p;

	if (!daemon_alive(test_backend()->daemon(0)))
		ck_assert(daemon_restart(test_backend()->daemon(0)));
	for (int i = 0; i < 2; i++)
		fx_new_guest(i);
	pair_open(&p, 0, 1, NULL);
	ep_disconnect_both(&p.a, &p.b);
	pair_close(&p);
}

START_TEST(every_event)
{
	const struct event *e = &events[_i];
	struct scene s;

	open_scene(&s);
	e->happens(&s);
	check_a(e, &s);
	check_b(e, &s);
	close_scene(&s);
	ck_assert_uint_le(s.p.b.indications, 1);
	if (e->happens == administrator)
		ck_assert_int_eq(daemon_wait(test_backend()->daemon(0)), 0);
	check_life();
}
END_TEST

/* A is paused while B answers: A hears when it goes on */
START_TEST(a_is_paused)
{
	struct scene s;
	struct op op;

	open_scene(&s);
	fe_pause(tguest_fe(fx.g[0]));
	assert_status(op_wait(&op, ep_disconnect_start(&s.p.b, &op)),
		      STATUS_SUCCESS);
	ck_assert(!op_wait_ms(&s.op, 20));
	ck_assert_int_eq(fe_resume(tguest_fe(fx.g[0])), 0);
	assert_status(op_wait(&s.op, s.st), STATUS_SUCCESS);
	for (uint64_t i = 0; i < RECEIVES; i++)
		assert_status(ep_next(&s.p.a).Status, STATUS_CANCELLED);
	ck_assert(ep_idle(&s.p.a));
	pair_close(&s.p);
}
END_TEST

/* --- the deadline -------------------------------------------------------------------- */

enum { SHORT_MS = 200, LONG_MS = 600 };

/* It is the guest's own, not the peer's and not the daemon's */
START_TEST(deadline_of_each_guest)
{
	struct pair p[2];
	struct op op[2];
	NTSTATUS st[2];
	uint64_t since = now_ms();

	for (int i = 0; i < 2; i++)
		pair_open(&p[i], i, !i, NULL);
	since = now_ms();
	for (int i = 0; i < 2; i++)
		st[i] = ep_disconnect_start(&p[i].a, &op[i]);
	assert_status(op_wait(&op[0], st[0]), STATUS_IO_TIMEOUT);
	ck_assert_uint_ge(now_ms() - since, SHORT_MS - 1);
	ck_assert(!op_wait_ms(&op[1], 0));
	assert_status(op_wait(&op[1], st[1]), STATUS_IO_TIMEOUT);
	ck_assert_uint_ge(now_ms() - since, LONG_MS - 1);
	for (int i = 0; i < 2; i++) {
		ck_assert_uint_eq(p[i].b.indications, 1);
		/* D9: final, though the peer comes at last */
		assert_status(op_wait(&op[i],
				      ep_disconnect_start(&p[i].a, &op[i])),
			      STATUS_CONNECTION_INVALID);
		pair_close(&p[i]);
	}
}
END_TEST

static void setup(void)
{
	struct daemon_opts o = {
		.guests = 2,
		.guest_section = "disconnect-timeout-ms = 1000\n" FX_SMALL,
	};

	fx_start(&o, FX_MEM);
}

static void setup_deadlines(void)
{
	struct daemon_opts o = {
		.guests = 2,
		.guest_section = FX_SMALL,
		.own = { "disconnect-timeout-ms = 200\n",
			 "disconnect-timeout-ms = 600\n" },
	};

	fx_start(&o, FX_MEM);
}

int main(void)
{
	Suite *s = suite_create("in-flight");
	TCase *tc = add_case(s, "in flight", 60);

	tcase_add_checked_fixture(tc, setup, fx_teardown);
	tcase_add_loop_test(tc, every_event, 0, EVENTS);
	tcase_add_test(tc, a_is_paused);
	tc = add_case(s, "deadline", 60);
	tcase_add_checked_fixture(tc, setup_deadlines, fx_teardown);
	tcase_add_test(tc, deadline_of_each_guest);
	return run_suite(s);
}
