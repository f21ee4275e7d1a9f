// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * posix.c - condition variables and threads, out of the kernel's
 */
#include <linux/err.h>
#include <linux/errno.h>
#include <linux/jiffies.h>
#include <linux/kthread.h>

#include "posix.h"

static long jiffies_until(const struct timespec *until)
{
	struct timespec now;
	s64 ns;

	clock_gettime(0, &now);
	ns = (until->tv_sec - now.tv_sec) * NSEC_PER_SEC + until->tv_nsec -
	     now.tv_nsec;
	return ns <= 0 ? 0 : (long)nsecs_to_jiffies64(ns) + 1;
}

int pthread_cond_timedwait(pthread_cond_t *c, pthread_mutex_t *m,
			   const struct timespec *until)
{
	long left = jiffies_until(until);
	DEFINE_WAIT(wait);

	if (!left)
		return ETIMEDOUT;
	prepare_to_wait(&c->waiters, &wait, TASK_IDLE);
	pthread_mutex_unlock(m);
	schedule_timeout(left);
	finish_wait(&c->waiters, &wait);
	pthread_mutex_lock(m);
	return 0;
}

void pthread_barrier_init(pthread_barrier_t *b, const void *attr, int n)
{
	init_waitqueue_head(&b->waiters);
	atomic_set(&b->missing, n);
}

void pthread_barrier_wait(pthread_barrier_t *b)
{
	if (atomic_dec_and_test(&b->missing))
		wake_up_all(&b->waiters);
	else
		wait_event(b->waiters, !atomic_read(&b->missing));
}

struct kc_thread {
	void *(*fn)(void *);
	void *arg;
	struct completion ended;
};

static int thread_main(void *arg)
{
	struct kc_thread *t = arg;

	t->fn(t->arg);
	/* the module's text is not left behind: this does not return to it */
	kthread_complete_and_exit(&t->ended, 0);
}

int pthread_create(pthread_t *out, const void *attr, void *(*fn)(void *),
		   void *arg)
{
	struct kc_thread *t = kzalloc(sizeof(*t), GFP_KERNEL);
	struct task_struct *task;

	if (!t)
		return ENOMEM;
	t->fn = fn;
	t->arg = arg;
	init_completion(&t->ended);
	task = kthread_run(thread_main, t, "ndk_test");
	if (IS_ERR(task)) {
		kfree(t);
		return -PTR_ERR(task);
	}
	*out = t;
	return 0;
}

void pthread_join(pthread_t t, void **result)
{
	wait_for_completion(&t->ended);
	kfree(t);
}
