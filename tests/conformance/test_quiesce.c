// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * test_quiesce.c - rule D3 under fire: once NdDisconnect has completed, no byte
 * of this side's memory moves and no access of the peer's succeeds
 *
 * B floods A with writes and reads from a thread of its own, and goes on when
 * A has disconnected.  The moment A's Disconnect completes A paints its memory;
 * when B's last request has ended the paint must be whole.
 */
#include <sched.h>
#include <stdlib.h>
#include <string.h>

#include "fixture.h"

#define PAINT 0xee
#define REGION (64u << 10)

struct flood {
	struct pair *p;
	bool over;		/* atomic: A's Disconnect has completed */
	uint32_t late;		/* posted after that */
	uint32_t late_ok;	/* and succeeded: must stay 0 */
	uint32_t posted, ended;
	NTSTATUS disconnect;
};

/* Requests posted when A was done already have this bit in their context */
#define LATE (1ull << 32)

/* False: the queue is full */
static bool post_one(struct flood *f)
{
	static const uint32_t size[] = { 64, 4096, 300, REGION, 1 };
	uint32_t n = f->posted, len = size[n % 5];
	bool late = __atomic_load_n(&f->over, __ATOMIC_ACQUIRE);
	uint64_t id = n | (late ? LATE : 0);
	NTSTATUS st;

	if (n % 3 == 0)
		st = ep_post_read(&f->p->b, id, 0, len, &f->p->a, 0, 0);
	else
		st = ep_post_write(&f->p->b, id, 0, len, &f->p->a, 0, 0);
	if (st != STATUS_SUCCESS)
		return false;
	f->posted++;
	f->late += late;
	return true;
}

static void reap(struct flood *f)
{
	NDK_RESULT_EX r[16];
	NDK_CQ *cq = f->p->b.cq;
	uint32_t n = cq->Dispatch->NdkGetCqResultsEx(cq, r, 16);

	for (uint32_t i = 0; i < n; i++) {
		uint64_t id = (uintptr_t)r[i].RequestContext;

		ck_assert_uint_eq((uint32_t)id, f->ended++);
		if ((id & LATE) && r[i].Status == STATUS_SUCCESS)
			f->late_ok++;
	}
}

static void *flood_main(void *arg)
{
	struct flood *f = arg;
	struct op op;
	bool called = false;
	NTSTATUS st = STATUS_PENDING;

	while (!__atomic_load_n(&f->over, __ATOMIC_ACQUIRE) || f->late < 20) {
		if (!post_one(f))
			sched_yield();	/* a kernel may not be preempted */
		reap(f);
		if (!called && f->p->b.indications) {
			called = true;
			st = ep_disconnect_start(&f->p->b, &op);
		}
	}
	f->disconnect = op_wait(&op, st);
	while (f->ended < f->posted) {
		reap(f);
		sched_yield();
	}
	return NULL;
}

static void one_cycle(struct pair *p, uint32_t seed)
{
	struct flood f = { .p = p };
	struct op op;
	pthread_t t;
	NTSTATUS st;

	ep_connect(&p->a, &p->b, &p->l, NULL, NULL);
	pthread_create(&t, NULL, flood_main, &f);
	for (volatile uint32_t spin = seed % 20000; spin; spin--)
		;
	st = ep_disconnect_start(&p->a, &op);
	assert_status(op_wait(&op, st), STATUS_SUCCESS);
	memset(p->a.mem.va, PAINT, REGION);
	__atomic_store_n(&f.over, true, __ATOMIC_RELEASE);
	pthread_join(t, NULL);
	assert_status(f.disconnect, STATUS_SUCCESS);
	ck_assert_uint_ge(f.late, 20);
	ck_assert_uint_eq(f.late_ok, 0);
	ck_assert_uint_eq(p->b.indications, 1);
	for (uint32_t i = 0; i < REGION; i++)
		if (p->a.mem.va[i] != PAINT)
			ck_abort_msg("seed %u: byte %u moved after completion",
				     seed, i);
}

static uint32_t cycles(void)
{
	const char *n = getenv("VRDMA_QUIESCE_CYCLES");

	return n ? (uint32_t)atoi(n) : 2000;
}

static void setup(void)
{
	struct daemon_opts o = { .guests = 2 };

	fx_start(&o, FX_MEM);
}

static void quiesce(uint32_t policy)
{
	struct ep_opts o = { .depth = 64, .mem = REGION, .qp_flags = policy };
	struct pair p;
	uint32_t seed = 12345;

	ep_init(&p.a, fx.g[0], &o);
	ep_init(&p.b, fx.g[1], &o);
	listener_start(&p.l, p.b.adapter, sa_v4(1, 0));
	for (uint32_t i = 0; i < cycles() / 2; i++) {
		seed = seed * 1103515245 + 12345;
		one_cycle(&p, seed >> 8);
		ep_renew(&p.a);
		ep_renew(&p.b);
	}
	listener_stop(&p.l);
	ep_fini(&p.a);
	ep_fini(&p.b);
}

START_TEST(ndk_policy)
{
	quiesce(0);
}
END_TEST

START_TEST(ndspi_policy)
{
	quiesce(VRDMA_QP_FLUSH_ON_PEER_DISCONNECT);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("quiesce");
	TCase *tc = add_case(s, "flood", 300);

	tcase_add_checked_fixture(tc, setup, fx_teardown);
	tcase_add_test(tc, ndk_policy);
	tcase_add_test(tc, ndspi_policy);
	return run_suite(s);
}
