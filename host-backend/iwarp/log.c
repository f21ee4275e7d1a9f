/* SPDX-License-Identifier: GPL-2.0-or-later */
/* log.c - lines that a guest or a peer can cause */
#include <stdarg.h>
#include <stdio.h>
#include <time.h>

#include "iw.h"

#define LINES_PER_SECOND 20u

static bool may_say(struct iw *iw)
{
	struct timespec t;
	bool may;

	clock_gettime(CLOCK_MONOTONIC, &t);
	pthread_mutex_lock(&iw->lock);
	if ((uint64_t)t.tv_sec != iw->log_second) {
		iw->log_second = (uint64_t)t.tv_sec;
		iw->log_lines = 0;
	}
	may = iw->log_lines++ < LINES_PER_SECOND;
	pthread_mutex_unlock(&iw->lock);
	return may;
}

void iw_log(struct iw *iw, enum be_level level, const char *fmt, ...)
{
	char line[400];
	va_list ap;

	if (!may_say(iw))
		return;
	va_start(ap, fmt);
	vsnprintf(line, sizeof(line), fmt, ap);
	va_end(ap);
	be_log(level, "%s: %s", iw->name, line);
}
