// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * test_iwarp_answers.c - answers that wait for a message to go out with
 *
 * A raw peer writes a byte and asks with a Read of no length whether it is there.
 * Where the guest writes back each time, the answer goes behind what it writes;
 * where it does not, the answer comes all the same, and before FIN.
 */
#include <poll.h>
#include <sched.h>
#include <string.h>
#include <time.h>

#include "iwscene.h"

static struct iwscene s;
static uint32_t asked;		/* MSN of the peer's last Read */
static uint8_t mark;

#define SINK 5u

static void write_and_ask(void)
{
	uint8_t fpdus[256], head[64];
	size_t n;

	mark++;
	n = iwpeer_seal(&s.p, fpdus, head,
			iwpeer_tagged(head, 0xc140, s.e.mem.remote,
				      (uintptr_t)s.e.mem.va), &mark, 1);
	n += iwpeer_seal(&s.p, fpdus + n, head,
			 iwpeer_read_request(head, ++asked, SINK, 0, 1, 0),
			 NULL, 0);
	iwpeer_send(&s.p, fpdus, n);
}

static void wait_mark(void)
{
	const volatile uint8_t *p = s.e.mem.va;
	uint64_t end = tguest_ops()->now_ms(s.e.g) + TEST_TIMEOUT_MS;

	while (*p != mark) {
		ck_assert_msg(tguest_ops()->now_ms(s.e.g) < end,
			      "the peer's write did not arrive");
		sched_yield();
	}
}

/* The guest's own write, to memory of which the peer knows nothing */
static void guest_writes(void)
{
	struct ep to = { .mem = { .remote = 77 } };

	assert_status(ep_post_write(&s.e, 1, 0, 8, &to, 0, 0), STATUS_SUCCESS);
}

static void take_completions(void)
{
	while (!ep_idle(&s.e))
		;
}

/* Opcode of the next FPDU; the guest's Reads are answered at once */
static uint8_t next(void)
{
	uint8_t f[256], head[16];

	iwpeer_next(&s.p, f, sizeof(f));
	if (f[3] == 0x41)
		iwpeer_fpdu(&s.p, head,
			    iwpeer_tagged(head, 0xc142, iwpeer_get32(f + 20), 0),
			    NULL, 0);
	if (f[3] == 0x42)
		ck_assert_uint_eq(iwpeer_get32(f + 4), SINK);
	return f[3];
}

/* One round; true: the answer came behind the guest's write */
static bool round_trip(void)
{
	bool answered = false, written = false, asks = false, behind = false;

	write_and_ask();
	wait_mark();
	guest_writes();
	while (!answered || !written || !asks) {
		uint8_t op = next();

		behind |= op == 0x42 && written;
		answered |= op == 0x42;
		written |= op == 0x40;
		asks |= op == 0x41;
	}
	take_completions();
	return behind;
}

/* The guest's habit is seen; false: it was not, which takes a slow machine */
static bool make_it_wait(int rounds)
{
	for (int i = 0; i < rounds; i++)
		if (round_trip())
			return true;
	return false;
}

START_TEST(goes_along)
{
	uint32_t behind = 0;

	iwscene_passive(&s, NULL);
	asked = 0;
	ck_assert(make_it_wait(20000));
	for (int i = 0; i < 1000; i++)
		behind += round_trip();
	ck_assert_msg(behind > 0, "no answer waited for its company again");
	iwscene_end(&s);
	iwscene_close(&s);
}
END_TEST

/* Each time after it was made to believe that a write would come */
START_TEST(does_not_wait_for_ever)
{
	iwscene_passive(&s, NULL);
	asked = 0;
	for (int i = 0; i < 50; i++) {
		(void)make_it_wait(200);
		write_and_ask();
		ck_assert_uint_eq(next(), 0x42);
	}
	iwscene_end(&s);
	iwscene_close(&s);
}
END_TEST

/* A message that the guest has seen was delivered, whatever it does next */
START_TEST(comes_before_fin)
{
	struct op op;
	NTSTATUS st;

	for (int i = 0; i < 20; i++) {
		iwscene_passive(&s, NULL);
		asked = 0;
		(void)make_it_wait(200);
		write_and_ask();
		wait_mark();
		st = ep_disconnect_start(&s.e, &op);
		ck_assert_uint_eq(next(), 0x42);
		iwpeer_expect_eof(&s.p);
		iwpeer_finish(&s.p);
		assert_status(op_wait(&op, st), STATUS_SUCCESS);
		iwscene_close(&s);
	}
}
END_TEST

/* A worker that does not spin, and so would sleep before the time is over */
static void setup_asleep(void)
{
	iwscene_setup_poll(0);
}

static void setup_awake(void)
{
	iwscene_setup_poll(1000);
}

int main(void)
{
	Suite *su = suite_create("iwarp answers");
	TCase *tc = add_case(su, "spins", 60);

	tcase_add_checked_fixture(tc, setup_awake, iwscene_teardown);
	tcase_add_test(tc, goes_along);
	tcase_add_test(tc, does_not_wait_for_ever);
	tcase_add_test(tc, comes_before_fin);
	tc = add_case(su, "sleeps", 60);
	tcase_add_checked_fixture(tc, setup_asleep, iwscene_teardown);
	tcase_add_test(tc, does_not_wait_for_ever);
	tcase_add_test(tc, comes_before_fin);
	return run_suite(su);
}
