/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * posix.h - what the tests of tests/e2e take from the C library, in a kernel
 *
 * DOC: The build makes a link of each name that they include (<pthread.h>,
 * <check.h> and so on) to this file.  It has what they use and no more, with the
 * meaning that they rely on: every wait sleeps, so a test that polls leaves the
 * CPU to what it waits for.
 */
#ifndef TESTS_KERNEL_POSIX_H
#define TESTS_KERNEL_POSIX_H

#include <linux/atomic.h>
#include <linux/completion.h>
#include <linux/delay.h>
#include <linux/in.h>
#include <linux/in6.h>
#include <linux/kernel.h>
#include <linux/sched.h>
#include <linux/slab.h>
#include <linux/socket.h>
#include <linux/spinlock.h>
#include <linux/string.h>
#include <linux/time64.h>
#include <linux/timekeeping.h>
#include <linux/wait.h>

#include "kcheck.h"

/* --- <string.h>, <stdlib.h>, <stdio.h> ------------------------------------- */

#define printf(...) pr_info(__VA_ARGS__)

static inline void *malloc(size_t n)
{
	return kvzalloc(n, GFP_KERNEL);
}

static inline void free(void *p)
{
	kvfree(p);
}

/* No environment: each test has its own default */
static inline const char *getenv(const char *name)
{
	return NULL;
}

static inline int atoi(const char *s)
{
	return simple_strtol(s, NULL, 10);
}

static inline unsigned long long strtoull(const char *s, char **end, int base)
{
	return simple_strtoull(s, end, base);
}

static inline int rand_r(unsigned int *seed)
{
	*seed = *seed * 1103515245u + 12345u;
	return (int)(*seed >> 8 & 0x7fffff);
}

/* --- <netinet/in.h>, <unistd.h>: the host is out of reach ---------------------- */

#define SOCK_STREAM 1

static inline int socket(int family, int type, int protocol)
{
	return -1;
}

static inline int bind(int fd, const void *at, size_t len)
{
	return -1;
}

static inline int listen(int fd, int backlog)
{
	return -1;
}

static inline int close(int fd)
{
	return -1;
}

/* --- <stdatomic.h> ----------------------------------------------------------- */

typedef _Atomic bool atomic_bool;
#define atomic_load(p)	   __atomic_load_n(p, __ATOMIC_SEQ_CST)
#define atomic_store(p, v) __atomic_store_n(p, v, __ATOMIC_SEQ_CST)

/* --- <poll.h>, <sched.h>, <time.h> --------------------------------------------- */

/* Of no files: a nap */
static inline int poll(void *none, int n, int ms)
{
	usleep_range(ms * 1000, ms * 1000 + 200);
	return 0;
}

static inline int sched_yield(void)
{
	usleep_range(20, 60);
	return 0;
}

struct timespec {
	s64 tv_sec;
	long tv_nsec;
};

/* The one clock there is here; what is compared is always read from it */
static inline int clock_gettime(int clock, struct timespec *out)
{
	struct timespec64 t;

	ktime_get_ts64(&t);
	out->tv_sec = t.tv_sec;
	out->tv_nsec = t.tv_nsec;
	return 0;
}

static inline int nanosleep(const struct timespec *t, struct timespec *rest)
{
	unsigned long us =
		t->tv_sec * USEC_PER_SEC + t->tv_nsec / NSEC_PER_USEC;

	usleep_range(us, us + 200);
	return 0;
}

/* --- <pthread.h> ------------------------------------------------------------------ */

/* A callback of NDK may take one, so it is no sleeping lock */
typedef struct {
	spinlock_t lock;
} pthread_mutex_t;

typedef struct {
	wait_queue_head_t waiters;
} pthread_cond_t;

#define pthread_mutex_init(m, attr) spin_lock_init(&(m)->lock)
#define pthread_mutex_lock(m)	    spin_lock(&(m)->lock)
#define pthread_mutex_unlock(m)	    spin_unlock(&(m)->lock)
#define pthread_cond_init(c, attr)  init_waitqueue_head(&(c)->waiters)
#define pthread_cond_broadcast(c)   wake_up_all(&(c)->waiters)
/* 0, or not: the time has come */
int pthread_cond_timedwait(pthread_cond_t *c, pthread_mutex_t *m,
			   const struct timespec *until);

typedef struct kc_thread *pthread_t;
int pthread_create(pthread_t *out, const void *attr, void *(*fn)(void *),
		   void *arg);
void pthread_join(pthread_t t, void **result);

/* For one use.  Whoever owns it joins those who wait before it goes */
typedef struct {
	wait_queue_head_t waiters;
	atomic_t missing;
} pthread_barrier_t;

void pthread_barrier_init(pthread_barrier_t *b, const void *attr, int n);
void pthread_barrier_wait(pthread_barrier_t *b);
#define pthread_barrier_destroy(b) ((void)(b))

#endif /* TESTS_KERNEL_POSIX_H */
