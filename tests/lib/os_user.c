// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * os_user.c - the core's OS operations on POSIX threads and the test front end
 */
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "os_user.h"
#include "vrdma_ring.h"
#include "vrdma_user.h"

struct tguest {
	struct fe *fe;
	struct vrdma_core *core;
	char *socket;
	struct virtio_rdma_config config;

	/* open: queue events reach the core.  Read-locked while one runs */
	pthread_rwlock_t gate_lock;
	bool gate_open;

	void (*lost)(void *arg);	/* under gate_lock */
	void *lost_arg;

	/* work items, one thread */
	pthread_mutex_t work_lock;
	pthread_cond_t work_cond;	/* something was queued, or ended */
	struct work_item *work_head;
	struct work_item *work_tail;
	struct work_item *work_running;
	pthread_t work_thread;
	bool quit;			/* under work_lock */

	/* recovery, a thread of its own */
	pthread_mutex_t rec_lock;
	pthread_cond_t rec_cond;
	pthread_t rec_thread;
	bool rec_wanted;
	bool rec_off;
	uint32_t recoveries;

	long allocations;		/* atomic */
};

/* --- memory --------------------------------------------------------------- */

static void *os_alloc(void *os, size_t size)
{
	struct tguest *g = os;
	void *p = calloc(1, size);

	if (p)
		__atomic_add_fetch(&g->allocations, 1, __ATOMIC_RELAXED);
	return p;
}

static void os_free(void *os, void *p)
{
	struct tguest *g = os;

	if (p)
		__atomic_sub_fetch(&g->allocations, 1, __ATOMIC_RELAXED);
	free(p);
}

static int os_dma_alloc(void *os, uint32_t pages, struct vrdma_dma *out)
{
	struct tguest *g = os;
	uint64_t *gpa = os_alloc(os, pages * sizeof(*gpa));
	void *va;

	if (!gpa)
		return -ENOMEM;
	va = fe_pages_alloc(g->fe, pages, gpa);
	if (!va) {
		os_free(os, gpa);
		return -ENOMEM;
	}
	*out = (struct vrdma_dma){ .va = va, .pages = gpa, .count = pages,
				   .os_private = gpa };
	return 0;
}

static void os_dma_free(void *os, struct vrdma_dma *dma)
{
	struct tguest *g = os;

	fe_pages_free(g->fe, dma->va, dma->count, dma->pages);
	os_free(os, dma->os_private);
	memset(dma, 0, sizeof(*dma));
}

/* --- locks and events ------------------------------------------------------ */

_Static_assert(sizeof(pthread_mutex_t) <= sizeof(struct vrdma_lock), "lock");

static void os_lock_init(void *os, struct vrdma_lock *l)
{
	(void)os;
	pthread_mutex_init((pthread_mutex_t *)l, NULL);
}

static void os_lock_fini(void *os, struct vrdma_lock *l)
{
	(void)os;
	pthread_mutex_destroy((pthread_mutex_t *)l);
}

static void os_lock(void *os, struct vrdma_lock *l)
{
	(void)os;
	pthread_mutex_lock((pthread_mutex_t *)l);
}

static void os_unlock(void *os, struct vrdma_lock *l)
{
	(void)os;
	pthread_mutex_unlock((pthread_mutex_t *)l);
}

struct event {
	pthread_mutex_t lock;
	pthread_cond_t cond;
	bool set;
};
_Static_assert(sizeof(struct event) <= sizeof(struct vrdma_event), "event");

static void monotonic_cond(pthread_cond_t *c)
{
	pthread_condattr_t a;

	pthread_condattr_init(&a);
	pthread_condattr_setclock(&a, CLOCK_MONOTONIC);
	pthread_cond_init(c, &a);
	pthread_condattr_destroy(&a);
}

static struct timespec deadline(uint32_t ms)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	t.tv_sec += ms / 1000;
	t.tv_nsec += (long)(ms % 1000) * 1000000;
	if (t.tv_nsec >= 1000000000) {
		t.tv_sec++;
		t.tv_nsec -= 1000000000;
	}
	return t;
}

static void os_event_init(void *os, struct vrdma_event *ev)
{
	struct event *e = (struct event *)ev;

	(void)os;
	pthread_mutex_init(&e->lock, NULL);
	monotonic_cond(&e->cond);
	e->set = false;
}

static void os_event_fini(void *os, struct vrdma_event *ev)
{
	struct event *e = (struct event *)ev;

	(void)os;
	/* whoever set it may still be on its way out of the lock */
	pthread_mutex_lock(&e->lock);
	pthread_mutex_unlock(&e->lock);
	pthread_cond_destroy(&e->cond);
	pthread_mutex_destroy(&e->lock);
}

static void os_event_set(void *os, struct vrdma_event *ev)
{
	struct event *e = (struct event *)ev;

	(void)os;
	pthread_mutex_lock(&e->lock);
	e->set = true;
	pthread_cond_broadcast(&e->cond);
	pthread_mutex_unlock(&e->lock);
}

static void os_event_clear(void *os, struct vrdma_event *ev)
{
	struct event *e = (struct event *)ev;

	(void)os;
	pthread_mutex_lock(&e->lock);
	e->set = false;
	pthread_mutex_unlock(&e->lock);
}

static bool os_event_wait(void *os, struct vrdma_event *ev, uint32_t ms)
{
	struct event *e = (struct event *)ev;
	struct timespec t = deadline(ms);
	bool set;

	(void)os;
	pthread_mutex_lock(&e->lock);
	while (!e->set && !pthread_cond_timedwait(&e->cond, &e->lock, &t))
		;
	set = e->set;
	pthread_mutex_unlock(&e->lock);
	return set;
}

/* --- work items ------------------------------------------------------------- */

struct work_item {
	struct work_item *next;
	struct vrdma_work *work;
	bool queued;
};
_Static_assert(sizeof(struct work_item) <=
	       sizeof(((struct vrdma_work *)0)->opaque), "work");

static struct work_item *item(struct vrdma_work *w)
{
	return (struct work_item *)w->opaque;
}

static void os_work_init(void *os, struct vrdma_work *w, vrdma_work_fn *fn,
			 void *arg)
{
	(void)os;
	w->fn = fn;
	w->arg = arg;
	*item(w) = (struct work_item){ .work = w };
}

static void os_work_queue(void *os, struct vrdma_work *w)
{
	struct tguest *g = os;
	struct work_item *i = item(w);

	pthread_mutex_lock(&g->work_lock);
	if (!i->queued) {
		i->queued = true;
		i->next = NULL;
		if (g->work_tail)
			g->work_tail->next = i;
		else
			g->work_head = i;
		g->work_tail = i;
		pthread_cond_broadcast(&g->work_cond);
	}
	pthread_mutex_unlock(&g->work_lock);
}

static void os_work_fini(void *os, struct vrdma_work *w)
{
	struct tguest *g = os;

	pthread_mutex_lock(&g->work_lock);
	while (item(w)->queued || g->work_running == item(w))
		pthread_cond_wait(&g->work_cond, &g->work_lock);
	pthread_mutex_unlock(&g->work_lock);
}

static void *work_main(void *arg)
{
	struct tguest *g = arg;

	pthread_mutex_lock(&g->work_lock);
	while (!g->quit || g->work_head) {
		struct work_item *i = g->work_head;
		struct vrdma_work *w;

		if (!i) {
			pthread_cond_wait(&g->work_cond, &g->work_lock);
			continue;
		}
		g->work_head = i->next;
		if (!g->work_head)
			g->work_tail = NULL;
		i->queued = false;
		g->work_running = i;
		w = i->work;
		pthread_mutex_unlock(&g->work_lock);
		w->fn(w->arg);	/* may free w */
		pthread_mutex_lock(&g->work_lock);
		g->work_running = NULL;
		pthread_cond_broadcast(&g->work_cond);
	}
	pthread_mutex_unlock(&g->work_lock);
	return NULL;
}

/* --- queues, configuration, the rest ----------------------------------------- */

static int os_queue_add(void *os, uint32_t queue, const struct vrdma_buf *out,
			const struct vrdma_buf *in, void *cookie)
{
	struct tguest *g = os;
	struct fe_buf o = { 0 }, i = { 0 };

	if (out)
		o = (struct fe_buf){ out->va, out->length };
	if (in)
		i = (struct fe_buf){ in->va, in->length };
	return fe_add(g->fe, queue, &o, &i, cookie);
}

static void *os_queue_get(void *os, uint32_t queue, uint32_t *written)
{
	struct tguest *g = os;

	return fe_get(g->fe, queue, written);
}

static void os_queue_kick(void *os, uint32_t queue)
{
	struct tguest *g = os;

	fe_kick(g->fe, queue);
}

static uint32_t os_features(void *os)
{
	struct tguest *g = os;

	return (uint32_t)fe_features(g->fe) & VIRTIO_RDMA_FEATURES;
}

static void os_config_read(void *os, uint32_t offset, void *buf, uint32_t len)
{
	struct tguest *g = os;

	memcpy(buf, (uint8_t *)&g->config + offset, len);
}

int test_timeout_ms(void)
{
	const char *patience = getenv("VRDMA_PATIENCE");
	long factor = patience ? strtol(patience, NULL, 10) : 1;

	return factor >= 1 && factor <= 1000 ? 20000 * (int)factor : 20000;
}

static uint64_t os_now_ms(void *os)
{
	struct timespec t;

	(void)os;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

__attribute__((format(printf, 3, 4)))
static void os_log(void *os, enum vrdma_log_level level, const char *fmt, ...)
{
	static const char *const name[] = { "error", "warning", "info", "debug" };
	va_list ap;
	char line[512];

	(void)os;
	if (level >= VRDMA_LOG_INFO && !getenv("VRDMA_TEST_VERBOSE"))
		return;
	va_start(ap, fmt);
	vsnprintf(line, sizeof(line), fmt, ap);
	va_end(ap);
	fprintf(stderr, "core: %s: %s\n", name[level], line);
}

static void os_relax(void *os)
{
	(void)os;
	sched_yield();
}

static const struct vrdma_os_ops user_ops = {
	.alloc = os_alloc,
	.free = os_free,
	.dma_alloc = os_dma_alloc,
	.dma_free = os_dma_free,
	.lock_init = os_lock_init,
	.lock_fini = os_lock_fini,
	.lock = os_lock,
	.unlock = os_unlock,
	.work_init = os_work_init,
	.work_queue = os_work_queue,
	.work_fini = os_work_fini,
	.event_init = os_event_init,
	.event_fini = os_event_fini,
	.event_set = os_event_set,
	.event_clear = os_event_clear,
	.event_wait = os_event_wait,
	.queue_add = os_queue_add,
	.queue_get = os_queue_get,
	.queue_kick = os_queue_kick,
	.features = os_features,
	.config_read = os_config_read,
	.now_ms = os_now_ms,
	.log = os_log,
	.relax = os_relax,
};

const struct vrdma_os_ops *tguest_ops(void)
{
	return &user_ops;
}

/* --- the device comes and goes ------------------------------------------------ */

static void on_queue(void *arg, uint32_t queue)
{
	struct tguest *g = arg;

	pthread_rwlock_rdlock(&g->gate_lock);
	if (g->gate_open)
		vrdma_core_queue_event(g->core, queue);
	pthread_rwlock_unlock(&g->gate_lock);
}

static void set_gate(struct tguest *g, bool open)
{
	pthread_rwlock_wrlock(&g->gate_lock);
	g->gate_open = open;
	pthread_rwlock_unlock(&g->gate_lock);
}

static void on_needs_reset(void *arg)
{
	struct tguest *g = arg;

	pthread_mutex_lock(&g->rec_lock);
	g->rec_wanted = true;
	pthread_cond_broadcast(&g->rec_cond);
	pthread_mutex_unlock(&g->rec_lock);
}

void tguest_reset(struct tguest *g)
{
	on_needs_reset(g);
}

static const struct fe_events events = { on_queue, on_needs_reset };

static int device_up(struct tguest *g)
{
	int err = fe_connected(g->fe) ? 0 : fe_connect(g->fe, g->socket);

	if (!err)
		err = fe_read_config(g->fe, &g->config);
	if (!err)
		err = fe_start(g->fe);
	if (err)
		return err;
	set_gate(g, true);
	return vrdma_core_start(g->core);
}

void tguest_on_lost(struct tguest *g, void (*fn)(void *arg), void *arg)
{
	pthread_rwlock_wrlock(&g->gate_lock);
	g->lost = fn;
	g->lost_arg = arg;
	pthread_rwlock_unlock(&g->gate_lock);
}

static void tell_lost(struct tguest *g)
{
	vrdma_core_device_lost(g->core);
	pthread_rwlock_rdlock(&g->gate_lock);
	if (g->lost)
		g->lost(g->lost_arg);
	pthread_rwlock_unlock(&g->gate_lock);
}

static void device_down(struct tguest *g)
{
	set_gate(g, false);
	fe_reset(g->fe);
	tell_lost(g);
	/* what a core that did not know yet put there in between: a driver
	 * deletes its queues and makes new ones */
	fe_forget(g->fe);
}

void tguest_down(struct tguest *g)
{
	device_down(g);
}

int tguest_up(struct tguest *g)
{
	return device_up(g);
}

static bool recovery_off(struct tguest *g)
{
	bool off;

	pthread_mutex_lock(&g->rec_lock);
	off = g->rec_off;
	pthread_mutex_unlock(&g->rec_lock);
	return off;
}

static bool bring_back(struct tguest *g)
{
	uint64_t end = os_now_ms(g) + TEST_TIMEOUT_MS;

	while (!recovery_off(g) && os_now_ms(g) < end) {
		if (!fe_connected(g->fe))
			fe_hangup(g->fe);
		if (!device_up(g))
			return true;
		device_down(g);
		poll(NULL, 0, 10);	/* the back end is not there yet */
	}
	return false;
}

static void *recovery_main(void *arg)
{
	struct tguest *g = arg;

	pthread_mutex_lock(&g->rec_lock);
	while (!g->rec_off) {
		if (!g->rec_wanted) {
			pthread_cond_wait(&g->rec_cond, &g->rec_lock);
			continue;
		}
		g->rec_wanted = false;
		pthread_mutex_unlock(&g->rec_lock);
		device_down(g);
		bool ok = bring_back(g);

		pthread_mutex_lock(&g->rec_lock);
		g->recoveries += ok;
		pthread_cond_broadcast(&g->rec_cond);
	}
	pthread_mutex_unlock(&g->rec_lock);
	return NULL;
}

uint32_t tguest_recoveries(struct tguest *g)
{
	uint32_t n;

	pthread_mutex_lock(&g->rec_lock);
	n = g->recoveries;
	pthread_mutex_unlock(&g->rec_lock);
	return n;
}

bool tguest_wait_recoveries(struct tguest *g, uint32_t n)
{
	struct timespec t = deadline(TEST_TIMEOUT_MS);
	bool ok;

	pthread_mutex_lock(&g->rec_lock);
	while (g->recoveries < n &&
	       !pthread_cond_timedwait(&g->rec_cond, &g->rec_lock, &t))
		;
	ok = g->recoveries >= n;
	pthread_mutex_unlock(&g->rec_lock);
	return ok;
}

static void recovery_stop(struct tguest *g)
{
	pthread_mutex_lock(&g->rec_lock);
	bool was_off = g->rec_off;

	g->rec_off = true;
	pthread_cond_broadcast(&g->rec_cond);
	pthread_mutex_unlock(&g->rec_lock);
	if (!was_off)
		pthread_join(g->rec_thread, NULL);
}

static struct tguest *guest_new(const char *socket, size_t mem_size)
{
	struct tguest *g = calloc(1, sizeof(*g));

	if (!g)
		return NULL;
	g->socket = strdup(socket);
	pthread_rwlock_init(&g->gate_lock, NULL);
	pthread_mutex_init(&g->work_lock, NULL);
	pthread_cond_init(&g->work_cond, NULL);
	pthread_mutex_init(&g->rec_lock, NULL);
	monotonic_cond(&g->rec_cond);
	g->fe = fe_new(mem_size, &events, g);
	if (!g->fe || !g->socket)
		abort();	/* out of memory in a test */
	pthread_create(&g->work_thread, NULL, work_main, g);
	pthread_create(&g->rec_thread, NULL, recovery_main, g);
	return g;
}

struct tguest *tguest_start(const char *socket, size_t mem_size)
{
	struct tguest *g = guest_new(socket, mem_size);
	int err;

	if (!g)
		return NULL;
	err = vrdma_core_create(&user_ops, g, &g->core);
	if (!err)
		err = device_up(g);
	if (!err)
		return g;
	fprintf(stderr, "tguest: %s: %s\n", socket, strerror(-err));
	tguest_stop(g);
	return NULL;
}

void tguest_kill(struct tguest *g)
{
	recovery_stop(g);
	set_gate(g, false);
	fe_hangup(g->fe);
	tell_lost(g);
}

void tguest_stop(struct tguest *g)
{
	recovery_stop(g);
	if (g->core) {
		device_down(g);
		vrdma_core_destroy(g->core);
	}
	pthread_mutex_lock(&g->work_lock);
	g->quit = true;
	pthread_cond_broadcast(&g->work_cond);
	pthread_mutex_unlock(&g->work_lock);
	pthread_join(g->work_thread, NULL);
	fe_free(g->fe);
	free(g->socket);
	free(g);
}

struct vrdma_core *tguest_core(struct tguest *g)
{
	return g->core;
}

struct fe *tguest_fe(struct tguest *g)
{
	return g->fe;
}

long tguest_allocations(struct tguest *g)
{
	return __atomic_load_n(&g->allocations, __ATOMIC_RELAXED);
}

uint32_t tguest_sends_left(NDK_QP *qp)
{
	const struct virtio_rdma_qp_record *rec;
	struct vrdma_qp_layout l;

	vrdma_qp_layout(qp, &l);
	rec = l.buffer->va;
	return vrdma_observe32(&rec->sq_tail) - vrdma_observe32(&rec->sq_head);
}
