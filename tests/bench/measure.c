// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * measure.c - arguments, clock and median of the programs that take one figure
 */
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

double median(uint64_t *v, size_t n)
{
	qsort(v, n, sizeof(*v), by_value);
	return n ? (double)v[n / 2] : 0;
}
