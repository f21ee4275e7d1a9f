/* SPDX-License-Identifier: GPL-2.0-or-later */
/* loop.c - the control thread's event loop; see loop.h */
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "log.h"
#include "loop.h"

#define EVENTS_PER_ROUND 64

struct loop_fd {
	loop_fd_fn *fn; /* NULL: not watched */
	void *arg;
	uint32_t serial; /* tells an event of an earlier watch */
};

struct loop {
	int epoll_fd;
	int wake_fd;
	atomic_bool stop;
	atomic_bool running;
	atomic_bool woken; /* wake_fd was written and not read since */
	pthread_t thread;

	/* loop thread only */
	struct loop_fd *fds; /* by descriptor */
	int fd_max;
	uint32_t serial;
	struct loop_timer **heap;
	uint32_t heap_len, heap_max;
	uint64_t spin_ns;	/* constant once it runs */
	uint64_t last_work_ns;

	/* any, under lock */
	pthread_mutex_t lock;
	struct loop_work *first;
	struct loop_work **last;
};

/* The few allocations of the control loop are bounded by the limits of the
 * guests; running out of memory for one is the host's failure, not theirs. */
static void *must_realloc(void *old, size_t size)
{
	void *p = realloc(old, size);

	if (!p) {
		vlog(VL_ERROR, "out of memory in the control loop");
		abort();
	}
	return p;
}

int loop_create(struct loop **out)
{
	struct epoll_event ev = {.events = EPOLLIN};
	struct loop *l = calloc(1, sizeof(*l));
	int ret;

	if (!l)
		return -ENOMEM;
	l->last = &l->first;
	pthread_mutex_init(&l->lock, NULL);
	l->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (l->epoll_fd < 0) {
		ret = -errno;
		goto err_free;
	}
	l->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (l->wake_fd < 0) {
		ret = -errno;
		goto err_epoll;
	}
	ev.data.u64 = (uint64_t)(uint32_t)l->wake_fd;
	if (epoll_ctl(l->epoll_fd, EPOLL_CTL_ADD, l->wake_fd, &ev) < 0) {
		ret = -errno;
		goto err_wake;
	}
	*out = l;
	return 0;

err_wake:
	close(l->wake_fd);
err_epoll:
	close(l->epoll_fd);
err_free:
	pthread_mutex_destroy(&l->lock);
	free(l);
	return ret;
}

void loop_destroy(struct loop *l)
{
	struct loop_work *w, *next;

	for (w = l->first; w; w = next) {
		next = w->next;
		if (w->heap)
			free(w);
		else
			atomic_store(&w->queued, false);
	}
	close(l->wake_fd);
	close(l->epoll_fd);
	pthread_mutex_destroy(&l->lock);
	free(l->heap);
	free(l->fds);
	free(l);
}

static void wake(struct loop *l)
{
	uint64_t one = 1;

	/* Behind what the loop shall find.  It lowers the flag before it looks:
	 * who finds the flag up comes in time. */
	if (atomic_exchange(&l->woken, true))
		return;
	/* EAGAIN: it is awake anyway */
	if (write(l->wake_fd, &one, sizeof(one)) < 0)
		return;
}

void loop_stop(struct loop *l)
{
	int saved = errno;

	atomic_store(&l->stop, true);
	wake(l);
	errno = saved;
}

bool loop_in_thread(const struct loop *l)
{
	return !atomic_load(&l->running) ||
	       pthread_equal(l->thread, pthread_self());
}

/* ------------------------------------------------------------- descriptors */

static uint64_t fd_tag(int fd, uint32_t serial)
{
	return (uint64_t)serial << 32 | (uint32_t)fd;
}

static void fds_grow(struct loop *l, int fd)
{
	int max = l->fd_max ? l->fd_max : 64;

	if (fd < l->fd_max)
		return;
	while (max <= fd)
		max *= 2;
	l->fds = must_realloc(l->fds, (size_t)max * sizeof(*l->fds));
	memset(l->fds + l->fd_max, 0,
	       (size_t)(max - l->fd_max) * sizeof(*l->fds));
	l->fd_max = max;
}

int loop_add(struct loop *l, int fd, uint32_t events, loop_fd_fn *fn, void *arg)
{
	struct epoll_event ev = {.events = events};

	if (fd < 0)
		return -EBADF;
	fds_grow(l, fd);
	if (l->fds[fd].fn)
		return -EEXIST;
	/* the wake-up descriptor's serial is 0 */
	if (++l->serial == 0)
		l->serial = 1;
	ev.data.u64 = fd_tag(fd, l->serial);
	if (epoll_ctl(l->epoll_fd, EPOLL_CTL_ADD, fd, &ev) < 0)
		return -errno;
	l->fds[fd] =
		(struct loop_fd){.fn = fn, .arg = arg, .serial = l->serial};
	return 0;
}

int loop_mod(struct loop *l, int fd, uint32_t events)
{
	struct epoll_event ev = {.events = events};

	if (fd < 0 || fd >= l->fd_max || !l->fds[fd].fn)
		return -ENOENT;
	ev.data.u64 = fd_tag(fd, l->fds[fd].serial);
	return epoll_ctl(l->epoll_fd, EPOLL_CTL_MOD, fd, &ev) < 0 ? -errno : 0;
}

void loop_del(struct loop *l, int fd)
{
	if (fd < 0 || fd >= l->fd_max || !l->fds[fd].fn)
		return;
	l->fds[fd].fn = NULL;
	epoll_ctl(l->epoll_fd, EPOLL_CTL_DEL, fd, NULL);
}

static void dispatch_fd(struct loop *l, const struct epoll_event *ev)
{
	int fd = (int)(uint32_t)ev->data.u64;
	uint32_t serial = ev->data.u64 >> 32;
	struct loop_fd *f;
	uint64_t count;

	if (serial == 0) {
		if (read(fd, &count, sizeof(count)) < 0)
			count = 0; /* somebody else's wake-up: fine */
		atomic_store(&l->woken, false);
		return;
	}
	f = &l->fds[fd];
	if (f->fn && f->serial == serial)
		f->fn(f->arg, fd, ev->events);
}

/* ---------------------------------------------------------------- messages */

static void queue_work(struct loop *l, struct loop_work *w)
{
	w->next = NULL;
	pthread_mutex_lock(&l->lock);
	*l->last = w;
	l->last = &w->next;
	pthread_mutex_unlock(&l->lock);
	wake(l);
}

void loop_post(struct loop *l, loop_fn *fn, void *arg)
{
	struct loop_work *w = must_realloc(NULL, sizeof(*w));

	loop_work_init(w, fn, arg);
	w->heap = true;
	queue_work(l, w);
}

void loop_work_init(struct loop_work *w, loop_fn *fn, void *arg)
{
	w->next = NULL;
	w->fn = fn;
	w->arg = arg;
	atomic_init(&w->queued, false);
	w->heap = false;
}

bool loop_post_work(struct loop *l, struct loop_work *w)
{
	if (atomic_exchange(&w->queued, true))
		return false;
	queue_work(l, w);
	return true;
}

static void run_message(struct loop_work *w)
{
	loop_fn *fn = w->fn;
	void *arg = w->arg;

	/* from here on the owner may post it again or free it */
	if (w->heap)
		free(w);
	else
		atomic_store(&w->queued, false);
	fn(arg);
}

/* What was posted before this round; later ones wait for the next */
static void run_messages(struct loop *l)
{
	struct loop_work *w, *next;

	pthread_mutex_lock(&l->lock);
	w = l->first;
	l->first = NULL;
	l->last = &l->first;
	pthread_mutex_unlock(&l->lock);

	for (; w; w = next) {
		next = w->next;
		run_message(w);
	}
}

bool loop_has_message(struct loop *l)
{
	bool any;

	pthread_mutex_lock(&l->lock);
	any = l->first;
	pthread_mutex_unlock(&l->lock);
	return any;
}

void loop_run_message(struct loop *l)
{
	struct loop_work *w;

	pthread_mutex_lock(&l->lock);
	w = l->first;
	if (w)
		l->first = w->next;
	if (!l->first)
		l->last = &l->first;
	pthread_mutex_unlock(&l->lock);
	if (w)
		run_message(w);
}

/* ------------------------------------------------------------------ timers */

static uint64_t (*clock_hook)(void);

void loop_set_clock(uint64_t (*now_ns)(void))
{
	clock_hook = now_ns;
}

uint64_t loop_now_ns(void)
{
	struct timespec ts;

	if (clock_hook)
		return clock_hook();
	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

void loop_timer_init(struct loop_timer *t, loop_fn *fn, void *arg)
{
	*t = (struct loop_timer){.fn = fn, .arg = arg};
}

bool loop_timer_is_set(const struct loop_timer *t)
{
	return t->slot != 0;
}

static void heap_put(struct loop *l, uint32_t i, struct loop_timer *t)
{
	l->heap[i] = t;
	t->slot = i + 1;
}

static void heap_up(struct loop *l, uint32_t i, struct loop_timer *t)
{
	while (i && l->heap[(i - 1) / 2]->deadline_ns > t->deadline_ns) {
		heap_put(l, i, l->heap[(i - 1) / 2]);
		i = (i - 1) / 2;
	}
	heap_put(l, i, t);
}

static void heap_down(struct loop *l, uint32_t i, struct loop_timer *t)
{
	for (;;) {
		uint32_t c = 2 * i + 1;

		if (c >= l->heap_len)
			break;
		if (c + 1 < l->heap_len &&
		    l->heap[c + 1]->deadline_ns < l->heap[c]->deadline_ns)
			c++;
		if (l->heap[c]->deadline_ns >= t->deadline_ns)
			break;
		heap_put(l, i, l->heap[c]);
		i = c;
	}
	heap_put(l, i, t);
}

void loop_timer_set(struct loop *l, struct loop_timer *t, uint64_t deadline_ns)
{
	loop_timer_cancel(l, t);
	if (l->heap_len == l->heap_max) {
		l->heap_max = l->heap_max ? l->heap_max * 2 : 64;
		l->heap = must_realloc(l->heap, l->heap_max * sizeof(void *));
	}
	t->deadline_ns = deadline_ns;
	heap_up(l, l->heap_len++, t);
}

void loop_timer_set_ms(struct loop *l, struct loop_timer *t, uint64_t ms)
{
	loop_timer_set(l, t, loop_now_ns() + ms * 1000000u);
}

void loop_timer_cancel(struct loop *l, struct loop_timer *t)
{
	struct loop_timer *moved;
	uint32_t i;

	if (!t->slot)
		return;
	i = t->slot - 1;
	t->slot = 0;
	moved = l->heap[--l->heap_len];
	if (moved == t)
		return;
	if (i && l->heap[(i - 1) / 2]->deadline_ns > moved->deadline_ns)
		heap_up(l, i, moved);
	else
		heap_down(l, i, moved);
}

uint64_t loop_next_deadline(const struct loop *l)
{
	return l->heap_len ? l->heap[0]->deadline_ns : UINT64_MAX;
}

void loop_run_timers(struct loop *l)
{
	uint64_t now = loop_now_ns();

	while (l->heap_len && l->heap[0]->deadline_ns <= now) {
		struct loop_timer *t = l->heap[0];

		loop_timer_cancel(l, t);
		t->fn(t->arg);
	}
}

static int next_timeout(const struct loop *l, int timeout_ms)
{
	uint64_t now, ms;

	if (!l->heap_len)
		return timeout_ms;
	now = loop_now_ns();
	if (l->heap[0]->deadline_ns <= now)
		return 0;
	ms = (l->heap[0]->deadline_ns - now + 999999u) / 1000000u;
	if (ms > 3600000u)
		ms = 3600000u;
	return timeout_ms >= 0 && (uint64_t)timeout_ms < ms ? timeout_ms
							    : (int)ms;
}

/* --------------------------------------------------------------------- run */

/* Descriptors that had something, or -errno */
static int round_of(struct loop *l, int timeout_ms)
{
	struct epoll_event ev[EVENTS_PER_ROUND];
	int n;

	n = epoll_wait(l->epoll_fd, ev, EVENTS_PER_ROUND,
		       next_timeout(l, timeout_ms));
	if (n < 0)
		return errno == EINTR ? 0 : -errno;
	for (int i = 0; i < n; i++)
		dispatch_fd(l, &ev[i]);
	run_messages(l);
	loop_run_timers(l);
	return n;
}

int loop_run_once(struct loop *l, int timeout_ms)
{
	int n = round_of(l, timeout_ms);

	return n < 0 ? n : 0;
}

void loop_set_spin(struct loop *l, uint32_t us)
{
	l->spin_ns = us * 1000ull;
}

/* What a guest does next often follows from the answer that it just had, and to
 * wake up takes longer than all the rest */
static bool spins(struct loop *l, bool found)
{
	if (!l->spin_ns)
		return false;
	if (found)
		l->last_work_ns = loop_now_ns();
	return found || loop_now_ns() - l->last_work_ns < l->spin_ns;
}

int loop_run(struct loop *l)
{
	int n = 0;

	l->thread = pthread_self();
	atomic_store(&l->running, true);
	while (!atomic_load(&l->stop) && n >= 0)
		n = round_of(l, spins(l, n > 0) ? 0 : -1);
	atomic_store(&l->running, false);
	return n < 0 ? n : 0;
}
