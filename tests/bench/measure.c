// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * measure.c - arguments, clock and median of the programs that take one figure
 */
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "measure.h"

static bool knows(const char *known, const char *what)
{
	const char *at = strstr(known, what);
	size_t len = strlen(what);

	return len && at && (at == known || at[-1] == ' ') && at[len] == ' ';
}

bool measure_args(int argc, char **argv, const char *known,
		  struct measure *out)
{
	out->what = argc == 3 ? argv[1] : "";
	out->size = argc == 3 ? (uint32_t)strtoul(argv[2], NULL, 10) : 0;
	if (out->size && out->size <= MEASURE_MAX_SIZE &&
	    knows(known, out->what))
		return true;
	fprintf(stderr, "usage: %s WHAT SIZE\nWHAT: one of: %s\n"
		"SIZE: bytes, 1..%u\n", argv[0], known, MEASURE_MAX_SIZE);
	return false;
}

bool measure_is(const struct measure *m, const char *what)
{
	return !strcmp(m->what, what);
}

void measure_print(const struct measure *m, double value)
{
	printf("%s %u %.3f\n", m->what, m->size, value);
}

uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static int by_value(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

uint64_t measure_ns(void)
{
	static uint64_t ns;
	const char *ms = ns ? NULL : getenv("BENCH_MS");
	unsigned long n = ms ? strtoul(ms, NULL, 10) : 0;

	if (!ns)
		ns = n && n < 60000 ? n * 1000000 : 1000000000;
	return ns;
}

void measure_pin(int tid, int n)
{
	static cpu_set_t all;
	cpu_set_t one;

	if (!CPU_COUNT(&all))
		sched_getaffinity(0, sizeof(all), &all);
	if (CPU_COUNT(&all) < 2)
		return;
	CPU_ZERO(&one);
	for (int cpu = 0; cpu < CPU_SETSIZE; cpu++)
		if (CPU_ISSET(cpu, &all) && n-- == 0)
			CPU_SET(cpu, &one);
	/* a thread that has just ended needs no CPU */
	(void)sched_setaffinity(tid, sizeof(one), &one);
}

struct dist distribution(uint64_t *v, size_t n)
{
	double sum = 0;

	if (!n)
		return (struct dist){ 0 };
	for (size_t i = 0; i < n; i++)
		sum += (double)v[i];
	return (struct dist){
		.p50 = median(v, n) / 1000,
		.p99 = (double)v[n * 99 / 100] / 1000,
		.p999 = (double)v[n * 999 / 1000] / 1000,
		.mean = sum / (double)n / 1000,
	};
}

void dist_print(const struct dist *d)
{
	printf(" p50=%.3f p99=%.3f p999=%.3f mean=%.3f", d->p50, d->p99,
	       d->p999, d->mean);
}

double mega_rate(uint64_t done, uint64_t ns)
{
	return ns ? (double)done * 1000 / (double)ns : 0;
}

static int by_size(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return x < y ? -1 : x > y;
}

double slices_value(double v[MEASURE_SLICES])
{
	qsort(v, MEASURE_SLICES, sizeof(*v), by_size);
	return v[MEASURE_SLICES * 3 / 4];
}

double median(uint64_t *v, size_t n)
{
	qsort(v, n, sizeof(*v), by_value);
	return n ? (double)v[n / 2] : 0;
}
