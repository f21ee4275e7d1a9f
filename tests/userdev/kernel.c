// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * kernel.c - of kernel.h what needs code, but for memory
 */
#include <poll.h>
#include <stdarg.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#include "kernel.h"
#include "os_user.h"
#include "userdev.h"

void ud_warned(const char *what, const char *file, int line)
{
	fprintf(stderr, "userdev: %s:%d: WARN_ON(%s)\n", file, line, what);
	abort();
}

void ud_log(struct device *dev, const char *fmt, ...)
{
	va_list ap;

	(void)dev;
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
}

/* --- memory ---------------------------------------------------------------- */

static long blocks;	 /* atomic */
static unsigned fail_in; /* atomic */

long userdev_blocks(void)
{
	return __atomic_load_n(&blocks, __ATOMIC_RELAXED);
}

unsigned userdev_fail_alloc(unsigned n)
{
	return __atomic_exchange_n(&fail_in, n, __ATOMIC_RELAXED);
}

static bool is_to_fail(void)
{
	unsigned n = __atomic_load_n(&fail_in, __ATOMIC_RELAXED);

	while (n && !__atomic_compare_exchange_n(&fail_in, &n, n - 1, false,
						 __ATOMIC_RELAXED,
						 __ATOMIC_RELAXED))
		;
	return n == 1;
}

void *kzalloc(size_t size, int gfp)
{
	void *p = is_to_fail() ? NULL : calloc(1, size);

	(void)gfp;
	if (p)
		__atomic_add_fetch(&blocks, 1, __ATOMIC_RELAXED);
	return p;
}

void kfree(const void *p)
{
	if (p)
		__atomic_sub_fetch(&blocks, 1, __ATOMIC_RELAXED);
	free((void *)(uintptr_t)p);
}

/* --- locks ----------------------------------------------------------------- */

/* It is not asked who holds it: nobody at all is what a test can see */
void ud_assert_held(struct mutex *l, const char *file, int line)
{
	if (!pthread_mutex_trylock(&l->m))
		ud_warned("the lock is not held", file, line);
}

int mutex_lock_killable(struct mutex *l)
{
	struct timespec t;

	do {
		if (fatal_signal_pending(current))
			return -EINTR;
		clock_gettime(CLOCK_REALTIME, &t);
		t.tv_nsec += 10000000;
		t.tv_sec += t.tv_nsec / 1000000000;
		t.tv_nsec %= 1000000000;
	} while (pthread_mutex_timedlock(&l->m, &t));
	return 0;
}

/* --- processes and waiting --------------------------------------------------- */

/* One for all, so that a completion may go as soon as it is complete */
static pthread_mutex_t wait_lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t wait_cond = PTHREAD_COND_INITIALIZER;

static struct task_struct first_task = {
	.mm = &first_task.own, .memlock = ~0ul, .capable = true,
};
__thread struct task_struct *current = &first_task;
static struct task_struct *processes; /* the test's thread */

bool fatal_signal_pending(struct task_struct *t)
{
	return __atomic_load_n(&t->killed, __ATOMIC_ACQUIRE);
}

struct task_struct *userdev_process(size_t memlock)
{
	struct task_struct *t = calloc(1, sizeof(*t));

	t->mm = &t->own;
	t->memlock = memlock;
	t->capable = !memlock;
	t->next = processes;
	processes = t;
	return t;
}

void ud_processes_free(void)
{
	while (processes) {
		struct task_struct *t = processes;

		processes = t->next;
		free(t);
	}
}

void userdev_enter(struct task_struct *t)
{
	current = t ? t : &first_task;
}

void userdev_kill(struct task_struct *t)
{
	pthread_mutex_lock(&wait_lock);
	__atomic_store_n(&t->killed, true, __ATOMIC_RELEASE);
	pthread_cond_broadcast(&wait_cond);
	pthread_mutex_unlock(&wait_lock);
}

bool userdev_wait_sleepers(struct task_struct *t, unsigned n)
{
	int ms = TEST_TIMEOUT_MS;

	while (__atomic_load_n(&t->sleepers, __ATOMIC_ACQUIRE) != n && ms--)
		poll(NULL, 0, 1);
	return ms >= 0;
}

void init_completion(struct completion *c)
{
	c->done = false;
}

void complete(struct completion *c)
{
	pthread_mutex_lock(&wait_lock);
	c->done = true;
	pthread_cond_broadcast(&wait_cond);
	pthread_mutex_unlock(&wait_lock);
}

static int wait_until_done(struct completion *c, bool killable)
{
	struct task_struct *me = current;
	int err = 0;

	pthread_mutex_lock(&wait_lock);
	__atomic_add_fetch(&me->sleepers, 1, __ATOMIC_RELEASE);
	while (!c->done && !err) {
		if (killable && fatal_signal_pending(me))
			err = -EINTR;
		else
			pthread_cond_wait(&wait_cond, &wait_lock);
	}
	__atomic_sub_fetch(&me->sleepers, 1, __ATOMIC_RELEASE);
	pthread_mutex_unlock(&wait_lock);
	return err;
}

void wait_for_completion(struct completion *c)
{
	wait_until_done(c, false);
}

int wait_for_completion_killable(struct completion *c)
{
	return wait_until_done(c, true);
}

void ud_wake(wait_queue_head_t *w)
{
	uint64_t one = 1;

	if (w->fd >= 0 && write(w->fd, &one, sizeof(one)) != sizeof(one))
		ud_warned("write to an eventfd", __FILE__, __LINE__);
}

int ud_sleep(wait_queue_head_t *w)
{
	struct pollfd p = { .fd = w->fd, .events = POLLIN };

	poll(&p, 1, 10);
	return fatal_signal_pending(current) ? -EINTR : 0;
}

/* --- memory of the process: as the system would, and -EFAULT as it would -------- */

static unsigned long left_of(size_t n, ssize_t done)
{
	return done < 0 ? n : n - (size_t)done;
}

unsigned long copy_from_user(void *to, const void *from, size_t n)
{
	struct iovec here = { to, n }, there = { (void *)(uintptr_t)from, n };

	return n ? left_of(n, process_vm_readv(getpid(), &here, 1, &there, 1,
					       0)) : 0;
}

unsigned long copy_to_user(void *to, const void *from, size_t n)
{
	struct iovec here = { (void *)(uintptr_t)from, n }, there = { to, n };

	return n ? left_of(n, process_vm_writev(getpid(), &here, 1, &there, 1,
						0)) : 0;
}

/* --- work ------------------------------------------------------------------ */

#define WORKERS 4 /* one may wait for a device */

struct workqueue_struct {
	pthread_mutex_t lock;
	pthread_cond_t moved; /* an item came, or one ended */
	struct list_head queue;
	struct work_struct *running[WORKERS];
	unsigned started;
	bool stop;
	pthread_t thread[WORKERS];
};

static bool is_running(const struct workqueue_struct *wq,
		       const struct work_struct *w)
{
	for (int i = 0; i < WORKERS; i++)
		if (wq->running[i] == w)
			return true;
	return false;
}

/* lock held.  An item never runs twice at a time */
static struct work_struct *pick(struct workqueue_struct *wq)
{
	struct work_struct *w;

	list_for_each_entry(w, &wq->queue, node) {
		if (is_running(wq, w))
			continue;
		list_del_init(&w->node);
		w->queued = false;
		return w;
	}
	return NULL;
}

static void *worker(void *arg)
{
	struct workqueue_struct *wq = arg;
	struct work_struct *w;

	pthread_mutex_lock(&wq->lock);
	unsigned me = wq->started++;

	for (;;) {
		w = pick(wq);
		if (!w && wq->stop && list_empty(&wq->queue))
			break;
		if (!w) {
			pthread_cond_wait(&wq->moved, &wq->lock);
			continue;
		}
		wq->running[me] = w;
		pthread_mutex_unlock(&wq->lock);
		w->fn(w); /* w may be gone now */
		pthread_mutex_lock(&wq->lock);
		wq->running[me] = NULL;
		pthread_cond_broadcast(&wq->moved);
	}
	pthread_mutex_unlock(&wq->lock);
	return NULL;
}

struct workqueue_struct *ud_workqueue_new(void)
{
	struct workqueue_struct *wq = calloc(1, sizeof(*wq));

	pthread_mutex_init(&wq->lock, NULL);
	pthread_cond_init(&wq->moved, NULL);
	INIT_LIST_HEAD(&wq->queue);
	for (int i = 0; i < WORKERS; i++)
		pthread_create(&wq->thread[i], NULL, worker, wq);
	return wq;
}

void ud_workqueue_free(struct workqueue_struct *wq)
{
	pthread_mutex_lock(&wq->lock);
	wq->stop = true;
	pthread_cond_broadcast(&wq->moved);
	pthread_mutex_unlock(&wq->lock);
	for (int i = 0; i < WORKERS; i++)
		pthread_join(wq->thread[i], NULL);
	pthread_cond_destroy(&wq->moved);
	pthread_mutex_destroy(&wq->lock);
	free(wq);
}

bool queue_work(struct workqueue_struct *wq, struct work_struct *w)
{
	bool fresh;

	pthread_mutex_lock(&wq->lock);
	fresh = !w->queued;
	if (fresh) {
		w->queued = true;
		w->wq = wq;
		list_add_tail(&w->node, &wq->queue);
		pthread_cond_broadcast(&wq->moved);
	}
	pthread_mutex_unlock(&wq->lock);
	return fresh;
}

void flush_work(struct work_struct *w)
{
	struct workqueue_struct *wq = w->wq;

	if (!wq)
		return;
	pthread_mutex_lock(&wq->lock);
	while (w->queued || is_running(wq, w))
		pthread_cond_wait(&wq->moved, &wq->lock);
	pthread_mutex_unlock(&wq->lock);
}
