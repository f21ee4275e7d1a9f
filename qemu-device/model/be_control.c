/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * be_control.c - what backends are given of the control thread's loop
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "../../host-backend/backend.h"
#include "be_control.h"
#include "log.h"
#include "loop.h"

/* A backend's functions have no place for a loop, and there is one */
static struct loop *the_loop;

void be_control_set_loop(struct loop *loop)
{
	the_loop = loop;
}

void be_post(void (*fn)(void *arg), void *arg)
{
	loop_post(the_loop, fn, arg);
}

/* -------------------------------------------------------------- descriptors */

struct watch {
	struct watch *next;
	int fd;
	void (*fn)(void *arg);
	void *arg;
};

static struct watch *watches;

static void readable(void *arg, int fd, uint32_t events)
{
	struct watch *w = arg;

	(void)fd;
	(void)events;
	w->fn(w->arg);
}

int be_watch(int fd, void (*fn)(void *arg), void *arg)
{
	struct watch *w = malloc(sizeof(*w));
	int ret;

	if (!w)
		return -ENOMEM;
	*w = (struct watch){watches, fd, fn, arg};
	ret = loop_add(the_loop, fd, EPOLLIN, readable, w);
	if (ret) {
		free(w);
		return ret;
	}
	watches = w;
	return 0;
}

void be_unwatch(int fd)
{
	struct watch **at = &watches, *w;

	while (*at && (*at)->fd != fd)
		at = &(*at)->next;
	w = *at;
	if (!w)
		return;
	*at = w->next;
	loop_del(the_loop, fd);
	free(w);
}

/* ------------------------------------------------------------------- timers */

struct be_timer {
	struct loop_timer timer;
};

struct be_timer *be_timer_new(void (*fn)(void *arg), void *arg)
{
	struct be_timer *t = malloc(sizeof(*t));

	if (t)
		loop_timer_init(&t->timer, fn, arg);
	return t;
}

void be_timer_set(struct be_timer *t, uint64_t ms)
{
	loop_timer_set_ms(the_loop, &t->timer, ms);
}

void be_timer_cancel(struct be_timer *t)
{
	loop_timer_cancel(the_loop, &t->timer);
}

void be_timer_free(struct be_timer *t)
{
	if (t)
		be_timer_cancel(t);
	free(t);
}

/* --------------------------------------------------------------------- log */

void be_log(enum be_level level, const char *fmt, ...)
{
	static const enum vlog_level levels[] = {
		[BE_ERROR] = VL_ERROR,
		[BE_WARN] = VL_WARN,
		[BE_INFO] = VL_INFO,
		[BE_DEBUG] = VL_DEBUG,
	};
	char line[512];
	va_list ap;

	if (!vlog_on(levels[level]))
		return;
	va_start(ap, fmt);
	vsnprintf(line, sizeof(line), fmt, ap);
	va_end(ap);
	vlog_write(levels[level], "%s", line);
}
