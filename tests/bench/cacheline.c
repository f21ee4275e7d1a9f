// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * cacheline.c - how long a cache line takes from one CPU to another and back
 *
 * DOC: No message is faster than that, one way.  "cacheline 8 p50=US..." of the
 * round trip, each the mean of TRIPS, as one is as short as a look at the clock.
 */
#include <pthread.h>
#include <stdio.h>

#include "measure.h"

#define TRIPS	   100
#define MAX_GROUPS 100000
#define QUIT	   UINT64_MAX

static struct {
	_Alignas(64) uint64_t there;
	_Alignas(64) uint64_t back;
} line;

static void *echo(void *arg)
{
	uint64_t seen = 0, now;

	(void)arg;
	measure_pin(0, 1);
	while ((now = __atomic_load_n(&line.there, __ATOMIC_ACQUIRE)) != QUIT) {
		if (now != seen)
			__atomic_store_n(&line.back, seen = now,
					 __ATOMIC_RELEASE);
	}
	return NULL;
}

static void trip(uint64_t n)
{
	__atomic_store_n(&line.there, n, __ATOMIC_RELEASE);
	while (__atomic_load_n(&line.back, __ATOMIC_ACQUIRE) != n)
		;
}

int main(void)
{
	static uint64_t v[MAX_GROUPS];
	uint64_t stop = now_ns() + measure_ns() / 4, n = 0;
	size_t groups = 0;
	struct dist d;
	pthread_t t;

	measure_pin(0, 0);
	if (pthread_create(&t, NULL, echo, NULL))
		return 1;
	while (groups < MAX_GROUPS && now_ns() < stop) {
		uint64_t start = now_ns();

		for (int i = 0; i < TRIPS; i++)
			trip(++n);
		v[groups++] = (now_ns() - start) / TRIPS;
	}
	__atomic_store_n(&line.there, QUIT, __ATOMIC_RELEASE);
	pthread_join(t, NULL);
	d = distribution(v, groups);
	printf("cacheline 8");
	dist_print(&d);
	printf("\n");
	return 0;
}
