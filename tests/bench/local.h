/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * local.h - what local.c's measurements are asked for, and are
 */
#ifndef BENCH_LOCAL_H
#define BENCH_LOCAL_H

#include <stdbool.h>
#include <stdint.h>

#define LOCAL_MAX_QPS 64

enum local_op { LOCAL_WRITE, LOCAL_READ, LOCAL_SEND, LOCAL_OPS };

struct local_wish {
	enum local_op op;
	uint32_t size;			/* of a message */
	uint32_t qps;			/* on one worker */
	bool sleeping;			/* both sides, see local.c */
	bool contiguous;		/* the guest's memory */
	bool huge_runs;			/* registration: pages lie together */
};

/* Each prints " KEY=FIGURE..." and runs inside run_plain() */
void local_data(const struct local_wish *w);
void local_connect(const struct local_wish *w);
void local_register(const struct local_wish *w);
void local_idle(const struct local_wish *w);

/* Check tells its parent of each assertion that holds, which takes longer than
 * what is measured */
void local_must(bool ok, const char *what);

/* For two that look all the time: this thread has a CPU, vrdmad another one, where
 * there are two */
void local_pin(void);
/* This thread, to its own CPU or to that of vrdmad */
void local_pin_me(bool to_worker);

#endif /* BENCH_LOCAL_H */
