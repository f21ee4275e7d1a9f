/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * measure.h - what the programs that take one figure have in common
 *
 * DOC: PROGRAM WHAT SIZE prints "WHAT SIZE FIGURE", one line, after a second or so.
 * bench_iwarp.py runs them by turns.
 */
#ifndef BENCH_MEASURE_H
#define BENCH_MEASURE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MEASURE_NS	  1000000000ull	/* so long */
#define MEASURE_MAX_TRIPS 100000
#define MEASURE_MAX_SIZE  (1u << 20)

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
/* Sorts them */
double median(uint64_t *v, size_t n);

#endif /* BENCH_MEASURE_H */
