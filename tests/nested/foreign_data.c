// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * foreign_data.c - messages, writes and reads in both directions, by content
 */
#include <inttypes.h>
#include <string.h>

#include "foreign.h"
#include "pattern.h"

void expect(struct ep *e, uint64_t id, uint32_t bytes)
{
	NDK_RESULT_EX r = ep_next(e);

	assert_status(r.Status, STATUS_SUCCESS);
	ck_assert_uint_eq((uintptr_t)r.RequestContext, id);
	ck_assert_uint_eq(r.BytesTransferred, bytes);
}

/* One at a time: B's number n and pattern n go together */
void messages_to_b(struct scene *s, const uint32_t *length, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++) {
		pattern_fill(s->a.mem.va, length[i], i);
		assert_status(ep_post_send(&s->a, i, 0, length[i], 0),
			      STATUS_SUCCESS);
		assert_status(ep_next(&s->a).Status, STATUS_SUCCESS);
		child_hear_line(&s->b, "received %u %u ok", i, length[i]);
	}
}

void messages_from_b(struct scene *s, const uint32_t *length, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++) {
		memset(s->a.mem.va, 0xee, 4096);
		assert_status(ep_post_recv(&s->a, i, 0, 4096), STATUS_SUCCESS);
		child_say(&s->b, "send %u 1", length[i]);
		expect(&s->a, i, length[i]);
		ck_assert_int_eq(mem_check(s->a.mem.va, length[i], i, 0), -1);
		ck_assert(mem_is(s->a.mem.va + length[i], 4096 - length[i],
				 0xee));
		child_hear_line(&s->b, "sent 1");
	}
}

/* More than either has receives for at a time, none is lost or torn */
static void burst_from_b(struct scene *s, uint32_t before)
{
	const uint32_t depth = 16, n = 200, len = 4000;

	for (uint32_t i = 0; i < depth; i++)
		assert_status(ep_post_recv(&s->a, i, i * 4096, len),
			      STATUS_SUCCESS);
	child_say(&s->b, "send %u %u", len, n);
	for (uint32_t i = 0; i < n; i++) {
		size_t at = i % depth * 4096;

		expect(&s->a, i % depth, len);
		ck_assert_int_eq(mem_check(s->a.mem.va + at, len, before + i, 0),
				 -1);
		if (i + depth < n)
			assert_status(ep_post_recv(&s->a, i % depth, at, len),
				      STATUS_SUCCESS);
	}
	child_hear_line(&s->b, "sent %u", n);
}

START_TEST(sends_both_ways)
{
	static const uint32_t length[] = { 1, 0, 7, 4096, 4095, 64, 3000 };
	const uint32_t n = sizeof(length) / sizeof(length[0]);
	struct scene s;

	scene_open(&s, (enum who)_i, NULL, NO_OPTIONS);
	messages_to_b(&s, length, n);
	messages_from_b(&s, length, n);
	burst_from_b(&s, n);
	child_say(&s.b, "count");
	child_hear_line(&s.b, "counted %u 0", n);
	scene_disconnect(&s);
	scene_close(&s);
}
END_TEST

static const uint32_t sizes[] = { 1, 4095, 4097, 100000, MIB };
#define SIZES (sizeof(sizes) / sizeof(sizes[0]))

/* B's write is over for B when TCP has it, on iWARP; a message behind it is not
 * delivered before it is */
static void b_writes(struct scene *s, uint32_t length, uint32_t seed)
{
	memset(s->a.mem.va, 0xee, MIB);
	assert_status(ep_post_recv(&s->a, seed, MIB, 1), STATUS_SUCCESS);
	child_say(&s->b, "write " A_MEMORY " %u %u", A_MEMORY_ARGS(s), length,
		  seed);
	child_hear_line(&s->b, "written %u", length);
	child_say(&s->b, "send 1 1");
	expect(&s->a, seed, 1);
	ck_assert_int_eq(mem_check(s->a.mem.va, length, seed, 0), -1);
	ck_assert(mem_is(s->a.mem.va + length, MIB - length, 0xee));
	child_hear_line(&s->b, "sent 1");
}

START_TEST(writes_both_ways)
{
	struct ep_opts o = { .mem = MIB + 4096 };
	struct scene s;

	scene_open(&s, (enum who)_i, &o, NO_OPTIONS);
	for (uint32_t i = 0; i < SIZES; i++) {
		mem_fill(&s.a.mem, i);
		assert_status(scene_write(&s, i, sizes[i]), STATUS_SUCCESS);
		assert_status(ep_next(&s.a).Status, STATUS_SUCCESS);
		child_say(&s.b, "check %u %u", sizes[i], i);
		child_hear_line(&s.b, "check %u ok", sizes[i]);

		b_writes(&s, sizes[i], 100 + i);
	}
	scene_disconnect(&s);
	scene_close(&s);
}
END_TEST

START_TEST(reads_both_ways)
{
	struct ep_opts o = { .mem = MIB };
	struct scene s;

	scene_open(&s, (enum who)_i, &o, NO_OPTIONS);
	for (uint32_t i = 0; i < SIZES; i++) {
		child_say(&s.b, "fill %u %u", sizes[i], i);
		child_hear_line(&s.b, "filled %u", sizes[i]);
		memset(s.a.mem.va, 0xee, MIB);
		assert_status(scene_read(&s, i, sizes[i]), STATUS_SUCCESS);
		assert_status(ep_next(&s.a).Status, STATUS_SUCCESS);
		ck_assert_int_eq(mem_check(s.a.mem.va, sizes[i], i, 0), -1);
		ck_assert(mem_is(s.a.mem.va + sizes[i], MIB - sizes[i], 0xee));

		mem_fill(&s.a.mem, 100 + i);
		child_say(&s.b, "read " A_MEMORY " %u %u", A_MEMORY_ARGS(&s),
			  sizes[i], 100 + i);
		child_hear_line(&s.b, "read %u ok", sizes[i]);
	}
	scene_disconnect(&s);
	scene_close(&s);
}
END_TEST

void add_transfer_tests(Suite *s, void (*setup)(void))
{
	TCase *tc = add_case(s, "transfers", 120);

	tcase_add_checked_fixture(tc, setup, fx_teardown);
	tcase_add_loop_test(tc, sends_both_ways, 0, 2);
	tcase_add_loop_test(tc, writes_both_ways, 0, 2);
	tcase_add_loop_test(tc, reads_both_ways, 0, 2);
}
