/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * log.h - lines on standard error, with a tag and a level
 *
 * DOC: A guest must not be able to fill the host's log.  Whatever a guest or
 * a peer can cause goes through a struct log_limit, a bucket of a few lines
 * per second that also counts what it swallowed; only debug lines, which the
 * operator has to ask for, do not.  Any thread may log.
 */
#ifndef VRDMA_LOG_H
#define VRDMA_LOG_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

enum vlog_level { VL_ERROR, VL_WARN, VL_INFO, VL_DEBUG, VL_COUNT };

extern _Atomic int vlog_level_max;

void vlog_set_level(enum vlog_level level);
/* "error", "warn", "info", "debug"; -EINVAL otherwise */
int vlog_level_parse(const char *name, enum vlog_level *out);

static inline bool vlog_on(enum vlog_level level)
{
	return (int)level <=
	       atomic_load_explicit(&vlog_level_max, memory_order_relaxed);
}

void vlog_write(enum vlog_level level, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

/* For what only the operator can cause */
#define vlog(level, ...)                                                       \
	do {                                                                   \
		if (vlog_on(level))                                            \
			vlog_write(level, __VA_ARGS__);                        \
	} while (0)

/* At most per_second lines in a second, and a count of those left out */
struct log_limit {
	uint32_t per_second;	 /* constant */
	_Atomic uint64_t second; /* the one that lines counts in */
	_Atomic uint32_t lines;
	_Atomic uint32_t dropped;
};

void log_limit_init(struct log_limit *l, uint32_t per_second);
/* True when a line may be written now; *dropped: how many were not before */
bool log_limit_pass(struct log_limit *l, uint64_t now_ns, uint32_t *dropped);

void vlog_limited(struct log_limit *limit, const char *name,
		  enum vlog_level level, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));

/* For what a guest can cause: "NAME <text>"; the text starts with the object,
 * "qp[17]: ..." */
#define glog(g, level, ...)                                                    \
	do {                                                                   \
		if (vlog_on(level))                                            \
			vlog_limited(&(g)->log_limit, (g)->name, level,        \
				     __VA_ARGS__);                             \
	} while (0)

#endif /* VRDMA_LOG_H */
