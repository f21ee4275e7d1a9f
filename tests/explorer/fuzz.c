// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * fuzz.c - scenarios that nobody thought of
 *
 * DOC: Random letters for both consumers, random policies, a few random orders
 * of each.  Scenario K of a seed is always the same.
 */
#include <stdio.h>
#include <string.h>

#include "explorer.h"

static char calls[2][MAX_THREADS][MAX_CALLS];
static char what[120];

static uint64_t next_random(uint64_t *x)
{
	uint64_t z = *x += 0x9e3779b97f4a7c15u;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
	z = (z ^ z >> 27) * 0x94d049bb133111ebu;
	return z ^ z >> 31;
}

static uint32_t below(uint64_t *rng, uint32_t n)
{
	return (uint32_t)(next_random(rng) % n);
}

/* Ends of connections more often than their accidents */
static const char usual[] = "rsSwWgGrswgDDDDCQFnxuXPURLKcamj";
static const char handshake[] = "ccmmaajDDCnXFrswRLPU";

static void thread_of(uint64_t *rng, char *out, bool fresh, int side)
{
	const char *from = fresh ? handshake : usual;
	uint32_t n = below(rng, MAX_CALLS - 3), i = 0;

	if (fresh && below(rng, 4))
		i = (uint32_t)snprintf(out, MAX_CALLS, "%s",
				       side ? "a" : "cm");
	for (n += i; i < n; i++)
		out[i] = from[below(rng, (uint32_t)strlen(from))];
	out[i] = 0;
}

void fuzz_scenario(uint64_t seed, uint64_t number, struct scenario *out)
{
	uint64_t rng = seed * 0x100000001b3u + number;

	memset(out, 0, sizeof(*out));
	out->name = "random";
	out->what = what;
	out->fresh = below(&rng, 4) == 0;
	out->ticks = below(&rng, 4) ? 0 : 1 + below(&rng, 2);
	for (int s = 0; s < 2; s++) {
		/* callbacks that call are rare, or nothing else is left */
		if (below(&rng, 3) == 0)
			out->flags[s] = 1u << below(&rng, 7);
		if (!out->fresh)
			out->flags[s] &= ~(uint32_t)F_CLOSE_IN_SETUP;
		thread_of(&rng, calls[s][0], out->fresh, s);
		thread_of(&rng, calls[s][1], false, s);
		for (int t = 0; t < 2; t++)
			out->call[s][t] = calls[s][t];
	}
	snprintf(what, sizeof(what), "A \"%s\" \"%s\" 0x%x, B \"%s\" \"%s\" 0x%x, ticks %u%s",
		 calls[0][0], calls[0][1], out->flags[0], calls[1][0],
		 calls[1][1], out->flags[1], out->ticks,
		 out->fresh ? ", not connected" : "");
}
