// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * foreign_tally.c - requests of A, each of which ends once
 */
#include <inttypes.h>

#include "foreign.h"

uint64_t tally_id(struct tally *t)
{
	ck_assert_uint_lt(t->posted, TALLY);
	return t->posted++;
}

/* False: there is none */
static bool tally_take(struct tally *t, struct ep *e)
{
	NDK_RESULT_EX r;
	uintptr_t id;

	if (!e->cq->Dispatch->NdkGetCqResultsEx(e->cq, &r, 1))
		return false;
	id = (uintptr_t)r.RequestContext;
	ck_assert_uint_lt(id, t->posted);
	ck_assert_msg(!t->seen[id], "request %" PRIuPTR " ended twice", id);
	t->seen[id] = true;
	t->ended++;
	if (r.Status != STATUS_SUCCESS && t->failure == STATUS_SUCCESS)
		t->failure = r.Status;
	return true;
}

void tally_close(struct tally *t, struct ep *e)
{
	while (tally_take(t, e))
		;
	ck_assert_uint_eq(t->ended, t->posted);
}

void post_receives(struct tally *t, struct ep *e, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++)
		assert_status(ep_post_recv(e, tally_id(t), 0, 64),
			      STATUS_SUCCESS);
}

void traffic(struct tally *t, struct scene *s, uint32_t n,
		    NTSTATUS (*post)(struct scene *s, uint64_t id))
{
	uint64_t end = tguest_ops()->now_ms(s->a.g) + 2 * TEST_TIMEOUT_MS;
	uint32_t out = 0, from = t->ended;

	while (t->failure == STATUS_SUCCESS && !s->a.indications &&
	       t->ended - from < n) {
		ck_assert_msg(tguest_ops()->now_ms(s->a.g) < end,
			      "%u of %u requests have ended", t->ended,
			      t->posted);
		if (out < 8) {
			assert_status(post(s, tally_id(t)), STATUS_SUCCESS);
			out++;
		} else if (tally_take(t, &s->a)) {
			out--;
		}
	}
}

NTSTATUS post_write(struct scene *s, uint64_t id)
{
	return scene_write(s, id, 16384);
}

NTSTATUS post_message(struct scene *s, uint64_t id)
{
	return ep_post_send(&s->a, id, 0, 1024, 0);
}
