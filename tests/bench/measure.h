/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * measure.h - what the programs that take one figure have in common
 *
 * DOC: PROGRAM WHAT SIZE prints "WHAT SIZE FIGURE", one line, after BENCH_MS or
 * so.  The scripts of this folder run them by turns.
 */
#ifndef BENCH_MEASURE_H
#define BENCH_MEASURE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MEASURE_MAX_TRIPS 100000
#define MEASURE_MAX_SIZE  (4u << 20)

struct measure {
	const char *what;
	uint32_t size;
};

/* known: what it can measure, with a blank behind each word.  False: stderr says
 * how it is used */
bool measure_args(int argc, char **argv, const char *known,
		  struct measure *out);
bool measure_is(const struct measure *m, const char *what);
void measure_print(const struct measure *m, double value);

uint64_t now_ns(void);
/* So long a figure is looked at: $BENCH_MS, or a second */
uint64_t measure_ns(void);
/* A thread (0: the caller) stays on the n-th of the CPUs that this process has
 * at its start, where there is more than one */
void measure_pin(int tid, int n);
/* Sorts them */
double median(uint64_t *v, size_t n);

/* Of n readings in ns: us.  Sorts them */
struct dist {
	double p50, p99, p999, mean;
};
struct dist distribution(uint64_t *v, size_t n);
/* " p50=... p99=... p999=... mean=..." */
void dist_print(const struct dist *d);
/* What is set beside each other takes turns in that many short slices.  The
 * quarter of them that something else on the machine disturbed least begins at
 * what slices_value() gives: neither a lucky one nor one in which we did not run.
 * Sorts them. */
#define MEASURE_SLICES 40
double slices_value(double v[MEASURE_SLICES]);

/* Of what was done in ns: million a second */
double mega_rate(uint64_t done, uint64_t ns);

#endif /* BENCH_MEASURE_H */
