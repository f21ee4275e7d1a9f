// SPDX-License-Identifier: GPL-2.0-or-later
/* test_token.c - remote tokens: any value, found or not, whatever collides */
#include <check.h>
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "token.h"
#include "virtio_rdma.h"

static struct token_table t;
static int objects[64];

static void teardown(void)
{
	token_table_fini(&t);
}

static uint64_t seed;

static uint32_t next_random(void)
{
	seed = seed * 6364136223846793005u + 1442695040888963407u;
	return (uint32_t)(seed >> 32);
}

START_TEST(limits)
{
	ck_assert_int_eq(token_table_init(&t, 0), -EINVAL);
	ck_assert_int_eq(token_table_init(&t, (1u << 24) + 1), -EINVAL);
	ck_assert_int_eq(token_table_init(&t, 1), 0);
	ck_assert_ptr_null(token_get(&t, 7));
	token_insert(&t, 7, &objects[0]);
	ck_assert_ptr_eq(token_get(&t, 7), &objects[0]);
	ck_assert_ptr_null(token_get(&t, 8));
	ck_assert_ptr_null(token_remove(&t, 8));
	ck_assert_ptr_eq(token_remove(&t, 7), &objects[0]);
	ck_assert_ptr_null(token_get(&t, 7));
	ck_assert_uint_eq(t.used, 0);
}
END_TEST

/* As host devices give them: small numbers, all keys, the greatest */
START_TEST(any_value)
{
	static const uint32_t v[] = {
		2, 3, 0xff, 0x100, 0x101, 0x12345678, 0x12345679, 0x80000000,
		0xffffff00, 0xfffffffe, 0xffffffff,
	};
	const size_t n = sizeof(v) / sizeof(v[0]);

	ck_assert_int_eq(token_table_init(&t, n), 0);
	for (size_t i = 0; i < n; i++)
		token_insert(&t, v[i], &objects[i]);
	for (size_t i = 0; i < n; i++)
		ck_assert_ptr_eq(token_get(&t, v[i]), &objects[i]);
	ck_assert_ptr_null(token_get(&t, 0));
	ck_assert_ptr_null(token_remove(&t, 0));
	ck_assert_ptr_null(token_get(&t, 1));
	ck_assert_ptr_null(token_get(&t, 4));
	for (size_t i = 0; i < n; i++) {
		ck_assert_ptr_eq(token_remove(&t, v[i]), &objects[i]);
		ck_assert_ptr_null(token_get(&t, v[i]));
		for (size_t j = i + 1; j < n; j++)
			ck_assert_ptr_eq(token_get(&t, v[j]), &objects[j]);
	}
}
END_TEST

#define MODEL_MAX	48
#define MODEL_TOKENS	96

/* A full table with few slots, so that chains meet, wrap round the end and
 * lose links everywhere; beside it the plain truth */
START_TEST(against_a_plain_list)
{
	static uint32_t token[MODEL_TOKENS];
	static bool in[MODEL_TOKENS];
	uint32_t used = 0;

	seed = (uint64_t)_i;
	memset(in, 0, sizeof(in));
	ck_assert_int_eq(token_table_init(&t, MODEL_MAX), 0);
	if (_i == 0)	/* all at the same place: one chain, whose end wraps */
		t.factor = 0;
	if (_i == 1)
		t.factor = UINT64_MAX;
	for (uint32_t i = 0; i < MODEL_TOKENS; i++)
		token[i] = next_random() << 8 | (i + 1);
	for (int step = 0; step < 20000; step++) {
		uint32_t i = next_random() % MODEL_TOKENS;

		if (in[i]) {
			ck_assert_ptr_eq(token_remove(&t, token[i]), &token[i]);
			in[i] = false;
			used--;
		} else if (used < MODEL_MAX) {
			token_insert(&t, token[i], &token[i]);
			in[i] = true;
			used++;
		}
		ck_assert_uint_eq(t.used, used);
		i = next_random() % MODEL_TOKENS;
		ck_assert_ptr_eq(token_get(&t, token[i]),
				 in[i] ? &token[i] : NULL);
	}
	for (uint32_t i = 0; i < MODEL_TOKENS; i++)
		ck_assert_ptr_eq(token_get(&t, token[i]),
				 in[i] ? &token[i] : NULL);
}
END_TEST

/* Nothing that was removed costs later searches anything */
START_TEST(leaves_no_trace)
{
	ck_assert_int_eq(token_table_init(&t, 32), 0);
	for (int round = 0; round < 1000; round++) {
		uint32_t v[32];

		for (int i = 0; i < 32; i++) {
			v[i] = next_random() << 8 | (uint32_t)(i + 1);
			token_insert(&t, v[i], &objects[i]);
		}
		for (int i = 0; i < 32; i++)
			token_remove(&t, v[i]);
	}
	for (uint32_t i = 0; i <= t.mask; i++) {
		ck_assert_uint_eq(t.slot[i].token, 0);
		ck_assert_ptr_null(t.slot[i].obj);
	}
}
END_TEST

/* Device numbers come in a row, and so do the tokens made of them: a find
 * looks at few slots */
START_TEST(short_searches)
{
	uint64_t looked = 0;

	ck_assert_int_eq(token_table_init(&t, 65536), 0);
	/* not by chance: a factor with nothing special about it */
	t.factor = 0x9e3779b97f4a7c15u;
	for (uint32_t i = 1; i <= 65536; i++)
		token_insert(&t, i << 8 | 0x5a, &objects[0]);
	for (uint32_t i = 1; i <= 65536; i++) {
		uint32_t at = (uint32_t)(t.factor * (i << 8 | 0x5a) >> t.shift);

		for (looked++; t.slot[at].token != (i << 8 | 0x5a); looked++)
			at = (at + 1) & t.mask;
	}
	ck_assert_uint_le(looked, 2u * 65536);
}
END_TEST

START_TEST(claims)
{
	ck_assert_int_eq(token_table_init(&t, 3), 0);
	ck_assert_int_eq(token_claim(&t, 0, &objects[0]), -EINVAL);
	ck_assert_int_eq(token_claim(&t, VIRTIO_RDMA_TOKEN_PRIVILEGED,
				     &objects[0]), -EINVAL);
	ck_assert_int_eq(token_claim(&t, 0x1234500, &objects[0]), 0);
	/* the key is not what tells objects apart */
	ck_assert_int_eq(token_claim(&t, 0x12345ff, &objects[1]), -EEXIST);
	ck_assert_int_eq(token_claim(&t, 0x1234600, &objects[1]), 0);
	ck_assert_int_eq(token_claim(&t, 2, &objects[2]), 0);
	ck_assert_int_eq(token_claim(&t, 0x99999999, &objects[3]), -ENOSPC);
	token_unclaim(&t, 0x12345aa);
	ck_assert_int_eq(token_claim(&t, 0x99999999, &objects[3]), 0);
	ck_assert_int_eq(token_claim(&t, 0x99999998, &objects[3]), -EEXIST);
}
END_TEST

START_TEST(random_claims)
{
	uint32_t token[64];

	ck_assert_int_eq(token_table_init(&t, 64), 0);
	for (int i = 0; i < 64; i++) {
		ck_assert_int_eq(token_claim_any(&t, &objects[i], &token[i]), 0);
		ck_assert_uint_gt(token[i], TOKEN_KEY_MASK);
		for (int j = 0; j < i; j++)
			ck_assert_uint_ne(token[i] >> 8, token[j] >> 8);
	}
	ck_assert_int_eq(token_claim_any(&t, &objects[0], &token[0]), -ENOSPC);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("token");
	TCase *c = tcase_create("table");
	SRunner *r;
	int failed;

	tcase_add_checked_fixture(c, NULL, teardown);
	tcase_add_test(c, limits);
	tcase_add_test(c, any_value);
	tcase_add_loop_test(c, against_a_plain_list, 0, 8);
	tcase_add_test(c, leaves_no_trace);
	tcase_add_test(c, short_searches);
	tcase_add_test(c, claims);
	tcase_add_test(c, random_claims);
	suite_add_tcase(s, c);
	r = srunner_create(s);
	srunner_run_all(r, CK_NORMAL);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
