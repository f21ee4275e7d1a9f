// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * search.c - all orders of a scenario, or a seeded sample of them
 *
 * DOC: Depth first.  The state is not saved: each order runs from its
 * beginning, along the choices on the stack.  Sleep sets leave out an order
 * that only swaps two neighbours which commute (events_independent()), and no
 * other.  An order's number is its place in this enumeration; orders behind
 * the limit are random walks whose generator is seeded by the number.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "explorer.h"

struct node {
	uint32_t ready;
	uint32_t sleep;		/* need not be explored here */
	uint32_t done;		/* explored */
	int chosen;
};

static struct node stack[MAX_EVENTS];
static uint32_t depth;		/* nodes on the stack */

static int lowest(uint32_t mask)
{
	return __builtin_ctz(mask);
}

/* --------------------------------------------------------------- one order */

static void step(int ev, uint32_t n)
{
	char name[80];

	event_name(ev, name, sizeof(name));
	trace("%3u  %s", n, name);
	event_run(ev);
	check_step();
}

static void too_long(void)
{
	violation(8, "an order of more than %u events", MAX_EVENTS);
}

static void differs(const struct node *n, uint32_t ready)
{
	fprintf(stderr,
		"explorer: %s is not deterministic: %x was ready, now %x\n%s",
		scenario->name, n->ready, ready, trace_text());
	abort();
}

static uint32_t sleep_of_child(const struct node *n)
{
	uint32_t out = 0;

	for (uint32_t m = n->sleep | n->done; m; m &= m - 1)
		if (events_independent(lowest(m), n->chosen))
			out |= 1u << lowest(m);
	return out;
}

static bool node_choose(struct node *n)
{
	uint32_t left = n->ready & ~n->sleep & ~n->done;

	if (!left)
		return false;
	n->chosen = lowest(left);
	return true;
}

/* Along the stack, then always the first choice.  False: some other order has
 * all that follows here. */
static bool run_along(uint32_t *length)
{
	uint32_t i = 0, sleep = 0, ready;
	bool redundant = false;

	while (!verdict.rule && (ready = events_ready())) {
		struct node *n = &stack[i];

		if (i == MAX_EVENTS) {
			too_long();
			break;
		}
		if (i == depth) {
			*n = (struct node){.ready = ready, .sleep = sleep};
			if (!node_choose(n)) {
				redundant = true;
				break;
			}
			depth++;
		} else if (n->ready != ready) {
			differs(n, ready);
		}
		step(n->chosen, i + 1);
		sleep = sleep_of_child(n);
		i++;
	}
	*length = i;
	return !redundant;
}

/* To the next order; false: that was the last */
static bool advance(void)
{
	while (depth) {
		struct node *n = &stack[depth - 1];

		n->done |= 1u << n->chosen;
		if (node_choose(n))
			return true;
		depth--;
	}
	return false;
}

/* ------------------------------------------------------------------ samples */

static uint64_t next_random(uint64_t *x)
{
	uint64_t z = *x += 0x9e3779b97f4a7c15u;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
	z = (z ^ z >> 27) * 0x94d049bb133111ebu;
	return z ^ z >> 31;
}

static int any_of(uint32_t mask, uint64_t *rng)
{
	uint32_t skip = (uint32_t)(next_random(rng) %
				   (uint32_t)__builtin_popcount(mask));

	while (skip--)
		mask &= mask - 1;
	return lowest(mask);
}

/* The event that somebody's random preference puts first: such walks starve
 * one party for long, which fair dice hardly ever do */
static int preferred(uint32_t mask, const uint8_t *rank)
{
	int best = lowest(mask);

	for (uint32_t m = mask; m; m &= m - 1)
		if (rank[lowest(m)] > rank[best])
			best = lowest(m);
	return best;
}

static uint32_t run_random(uint64_t seed)
{
	uint64_t rng = seed;
	bool fair = next_random(&rng) & 1;
	uint32_t i = 0, ready;
	uint8_t rank[32];

	for (int k = 0; k < 32; k++)
		rank[k] = (uint8_t)next_random(&rng);
	while (!verdict.rule && (ready = events_ready())) {
		if (i == MAX_EVENTS) {
			too_long();
			break;
		}
		if (next_random(&rng) % 6 == 0)
			rank[next_random(&rng) % 32] =
				(uint8_t)next_random(&rng);
		step(fair ? any_of(ready, &rng) : preferred(ready, rank), ++i);
	}
	return i;
}

/* ------------------------------------------------------------------- report */

static void report(const struct scenario *sc, const struct search *how,
		   uint64_t number, struct result *out)
{
	if (how->only) {
		printf("%s", trace_text());
		printf("order %llu of %s: %s%s\n",
		       (unsigned long long)number, sc->name,
		       verdict.rule ? "violation: " : "no violation",
		       verdict.rule ? verdict.text : "");
	}
	if (!verdict.rule)
		return;
	out->violations++;
	out->seen[verdict.rule]++;
	out->seen[verdict.also]++;
	if (how->quiet || how->only || out->violations > 3)
		return;
	printf("rule %d broken: %s\n", verdict.rule, verdict.text);
	if (how->limit)
		printf("    again: explorer --scenario %s --order %llu -s %llu -n %llu\n",
		       sc->name,
		       (unsigned long long)number,
		       (unsigned long long)how->seed,
		       (unsigned long long)how->limit);
	else
		printf("    its order %llu\n", (unsigned long long)number);
}

static bool enough(const struct search *how, const struct result *out)
{
	/* a violation costs a world, so a few of the wrong ones will do */
	if (how->stop_at_rule &&
	    (out->seen[how->stop_at_rule] || out->violations >= 30))
		return true;
	return how->only && out->orders >= how->only;
}

static void count_order(const struct scenario *sc, const struct search *how,
			uint32_t length, struct result *out)
{
	out->orders++;
	if (length > out->longest)
		out->longest = length;
	if (!how->only || how->only == out->orders)
		report(sc, how, out->orders, out);
}

static void enumerate(const struct scenario *sc, const struct search *how,
		      struct result *out)
{
	uint32_t length;
	bool more = true;

	depth = 0;
	while (more && out->orders < how->limit && !enough(how, out)) {
		bool whole;

		trace_on(how->only && how->only == out->orders + 1);
		order_begin(sc);
		whole = run_along(&length);
		if (!whole)	/* some order all the same */
			world_settle();
		order_end();
		if (whole || verdict.rule)
			count_order(sc, how, length, out);
		more = advance();
	}
	out->exhaustive = !more;
}

void search_more(const struct scenario *sc, const struct search *how,
		 uint64_t samples, struct result *out)
{
	for (; samples && !enough(how, out); samples--) {
		uint64_t seed = how->seed * 1000003u + out->orders;
		uint32_t length;

		if (how->only && out->orders + 1 < how->only) {
			out->orders++;
			continue;
		}
		trace_on(how->only);
		order_begin(sc);
		length = run_random(seed);
		order_end();
		count_order(sc, how, length, out);
	}
}

void search_run(const struct scenario *sc, const struct search *how,
		struct result *out)
{
	*out = (struct result){0};
	/* an order behind the limit needs nothing of those before it */
	if (how->only > how->limit)
		out->orders = how->limit;
	else
		enumerate(sc, how, out);
	if (!out->exhaustive)
		search_more(sc, how, how->only ? how->only : how->samples, out);
	trace_on(false);
}
