// SPDX-License-Identifier: GPL-2.0-or-later
/* os.c - the operating system under a guest core: nothing waits */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "explorer.h"

static void *x_alloc(void *os, size_t size)
{
	struct side *s = os;

	s->allocs++;
	return calloc(1, size);
}

static void x_free(void *os, void *p)
{
	struct side *s = os;

	s->allocs--;
	free(p);
}

/* ------------------------------------------------------------------- memory */

static int find_pages(const struct side *s, uint32_t n)
{
	uint32_t run = 0;

	for (uint32_t i = 0; i < MEM_PAGES; i++) {
		run = s->page_used[i] ? 0 : run + 1;
		if (run == n)
			return (int)(i + 1 - n);
	}
	return -1;
}

static int x_dma_alloc(void *os, uint32_t pages, struct vrdma_dma *out)
{
	struct side *s = os;
	int first = find_pages(s, pages);
	uint64_t *list;

	if (first < 0)
		return -12;
	list = calloc(pages, sizeof(*list));
	if (!list)
		return -12;
	for (uint32_t i = 0; i < pages; i++) {
		s->page_used[(uint32_t)first + i] = true;
		list[i] = (uint64_t)((uint32_t)first + i) * 4096u;
	}
	s->pages_used += pages;
	out->va = s->mem + (size_t)first * 4096u;
	out->pages = list;
	out->count = pages;
	memset(out->va, 0, (size_t)pages * 4096u);
	return 0;
}

static void x_dma_free(void *os, struct vrdma_dma *dma)
{
	struct side *s = os;

	for (uint32_t i = 0; i < dma->count; i++)
		s->page_used[dma->pages[i] / 4096u] = false;
	s->pages_used -= dma->count;
	free((void *)(uintptr_t)dma->pages);
	memset(dma, 0, sizeof(*dma));
}

/* --------------------------------------------------- locks, work, events */

static void x_lock_init(void *os, struct vrdma_lock *l)
{
	(void)os;
	(void)l;
}

static void x_lock(void *os, struct vrdma_lock *l)
{
	struct side *s = os;

	(void)l;
	if (s->locked)
		violation(8, "the core takes its lock twice");
	s->locked = true;
}

static void x_unlock(void *os, struct vrdma_lock *l)
{
	struct side *s = os;

	(void)l;
	s->locked = false;
}

static void x_work_init(void *os, struct vrdma_work *w, vrdma_work_fn *fn,
			void *arg)
{
	(void)os;
	w->fn = fn;
	w->arg = arg;
}

/* the core has one */
static void x_work_queue(void *os, struct vrdma_work *w)
{
	struct side *s = os;

	s->work = w;
}

static void x_work_fini(void *os, struct vrdma_work *w)
{
	struct side *s = os;

	if (s->work == w)
		s->work = NULL;
}

static void x_event_init(void *os, struct vrdma_event *e)
{
	(void)os;
	e->opaque[0] = 0;
}

static void x_event_fini(void *os, struct vrdma_event *e)
{
	(void)os;
	(void)e;
}

static void x_event_set(void *os, struct vrdma_event *e)
{
	(void)os;
	e->opaque[0] = 1;
}

/* Passive and blocking calls are made between orders only */
static bool x_event_wait(void *os, struct vrdma_event *e, uint32_t ms)
{
	(void)os;
	(void)ms;
	world_settle();
	if (!e->opaque[0]) {
		fprintf(stderr, "explorer: the core waits for what never comes\n");
		abort();
	}
	return true;
}

/* ------------------------------------------------------------------- queues */

static int x_queue_add(void *os, uint32_t queue, const struct vrdma_buf *out,
		       const struct vrdma_buf *in, void *cookie)
{
	struct side *s = os;
	struct chain c = {
		.cookie = cookie, .out = out->va, .out_len = out->length,
		.in = in->va, .in_len = in->length,
	};

	if (queue >= QUEUES)
		return -28;
	fifo_put(&s->q[queue].posted, &c);
	return 0;
}

static void *x_queue_get(void *os, uint32_t queue, uint32_t *written)
{
	struct side *s = os;
	struct chain c;

	if (!s->budget || !fifo_get(&s->q[queue].used, &c))
		return NULL;
	s->budget--;
	*written = c.in_len;
	return c.cookie;
}

static void x_queue_kick(void *os, uint32_t queue)
{
	(void)os;
	(void)queue;
}

/* session_config.c fills it for the real front end, too */
void session_fill_config(const struct guest *g, uint8_t *out, size_t off,
			 size_t len);

static void x_config_read(void *os, uint32_t offset, void *buf, uint32_t len)
{
	struct side *s = os;

	session_fill_config(s->guest, buf, offset, len);
}

static uint32_t x_features(void *os)
{
	struct side *s = os;

	return s->guest->features;
}

static uint64_t x_now_ms(void *os)
{
	(void)os;
	return world.now / 1000000u;
}

__attribute__((format(printf, 3, 4)))
static void x_log(void *os, enum vrdma_log_level level, const char *fmt, ...)
{
	struct side *s = os;
	char line[200];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(line, sizeof(line), fmt, ap);
	va_end(ap);
	trace("    driver %c: %s", 'A' + s->index, line);
	if (level == VRDMA_LOG_ERR)
		violation(6, "driver %c: %s", 'A' + s->index, line);
}

static void x_relax(void *os)
{
	(void)os;
}

const struct vrdma_os_ops os_ops = {
	.alloc = x_alloc, .free = x_free,
	.dma_alloc = x_dma_alloc, .dma_free = x_dma_free,
	.lock_init = x_lock_init, .lock_fini = x_lock_init,
	.lock = x_lock, .unlock = x_unlock,
	.work_init = x_work_init, .work_queue = x_work_queue,
	.work_fini = x_work_fini,
	.event_init = x_event_init, .event_fini = x_event_fini,
	.event_set = x_event_set, .event_clear = x_event_init,
	.event_wait = x_event_wait,
	.queue_add = x_queue_add, .queue_get = x_queue_get,
	.queue_kick = x_queue_kick, .features = x_features,
	.config_read = x_config_read,
	.now_ms = x_now_ms, .log = x_log, .relax = x_relax,
};
