/* SPDX-License-Identifier: GPL-2.0-or-later */
/* log.c - lines on standard error; see log.h */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "log.h"
#include "loop.h"

#define LINE_MAX_LEN 1024

static const char *const level_name[] = {
	[VL_ERROR] = "error",
	[VL_WARN] = "warn",
	[VL_INFO] = "info",
	[VL_DEBUG] = "debug",
};
_Static_assert(sizeof(level_name) / sizeof(level_name[0]) == VL_COUNT,
	       "a name for each level");

_Atomic int vlog_level_max = VL_INFO;

void vlog_set_level(enum vlog_level level)
{
	atomic_store(&vlog_level_max, (int)level);
}

int vlog_level_parse(const char *name, enum vlog_level *out)
{
	for (int i = 0; i < VL_COUNT; i++) {
		if (strcmp(name, level_name[i]) == 0) {
			*out = i;
			return 0;
		}
	}
	return -EINVAL;
}

/* One write() per line, so that lines of two threads do not mix */
static void write_line(enum vlog_level level, const char *name, const char *fmt,
		       va_list ap)
{
	char line[LINE_MAX_LEN];
	struct timespec ts;
	size_t len, max = sizeof(line) - 1;
	int n;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	n = snprintf(line, max, "vrdmad: %lld.%06ld %s: %s%s",
		     (long long)ts.tv_sec, ts.tv_nsec / 1000, level_name[level],
		     name, name[0] ? " " : "");
	len = (size_t)n < max ? (size_t)n : max - 1;
	n = vsnprintf(line + len, max - len, fmt, ap);
	if (n > 0)
		len += (size_t)n < max - len ? (size_t)n : max - len - 1;
	line[len++] = '\n';
	if (write(STDERR_FILENO, line, len) < 0)
		return; /* nobody to tell */
}

void vlog_write(enum vlog_level level, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	write_line(level, "", fmt, ap);
	va_end(ap);
}

void log_limit_init(struct log_limit *l, uint32_t per_second)
{
	l->per_second = per_second;
	atomic_init(&l->second, 0);
	atomic_init(&l->lines, 0);
	atomic_init(&l->dropped, 0);
}

/* Two threads may both see a new second and both reset the count: the limit
 * is then exceeded by a few lines, which is why this needs no lock. */
bool log_limit_pass(struct log_limit *l, uint64_t now_ns, uint32_t *dropped)
{
	uint64_t second = now_ns / 1000000000u + 1;

	*dropped = 0;
	if (atomic_load(&l->second) != second) {
		atomic_store(&l->second, second);
		atomic_store(&l->lines, 0);
	}
	if (atomic_fetch_add(&l->lines, 1) >= l->per_second) {
		atomic_fetch_add(&l->dropped, 1);
		return false;
	}
	*dropped = atomic_exchange(&l->dropped, 0);
	return true;
}

void vlog_limited(struct log_limit *limit, const char *name,
		  enum vlog_level level, const char *fmt, ...)
{
	uint32_t dropped = 0;
	va_list ap;

	/* who asks for debug lines wants them all, and no warning lost to them
	 */
	if (level != VL_DEBUG &&
	    !log_limit_pass(limit, loop_now_ns(), &dropped))
		return;
	if (dropped)
		vlog_write(level, "%s (%u lines left out)", name, dropped);
	va_start(ap, fmt);
	write_line(level, name, fmt, ap);
	va_end(ap);
}
