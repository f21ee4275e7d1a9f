/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-or-later */
/*
 * kernel.h - on NT, the kernel primitives that guest-driver/user/ uses
 *
 * DOC: The dozen things that the objects of a process want of a kernel, by the
 * names that they have in Linux: so that source is the same in both.  Only what
 * is used there is here.  The headers in linux/ beside this one all mean it.
 *
 * Everything but what says "passive" may be called at <= DISPATCH_LEVEL.
 */
#ifndef VRW_KERNEL_H
#define VRW_KERNEL_H

#include <ntddk.h>

#include "../nt.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <linux/types.h>

#include "portable.h"

#define VRW_TAG			0x616d6472u	/* "rdma" */
#define lockdep_assert_held(l)	((void)(l))
#define WARN_ON_ONCE(c)		(c)

/* --- memory ---------------------------------------------------------------- */

#define GFP_KERNEL		0
#define GFP_KERNEL_ACCOUNT	0
#define GFP_ATOMIC		0

/* Blocks that are alive, of the whole driver: workqueue.c */
extern LONG vrw_pool_blocks;

static inline void *kmalloc(size_t size, int gfp)
{
	void *p = ExAllocatePoolWithTag(NonPagedPool, size, VRW_TAG);

	(void)gfp;
	if (p)
		InterlockedIncrement(&vrw_pool_blocks);
	return p;
}

static inline void *kzalloc(size_t size, int gfp)
{
	void *p = kmalloc(size, gfp);

	if (p)
		memset(p, 0, size);
	return p;
}

static inline void kfree(const void *p)
{
	if (!p)
		return;
	InterlockedDecrement(&vrw_pool_blocks);
	ExFreePoolWithTag((void *)(uintptr_t)p, VRW_TAG);
}

/* --- locks ------------------------------------------------------------------------ */

typedef struct {
	KSPIN_LOCK lock;
	KIRQL irql;			/* of the holder, where it kept none */
} spinlock_t;

static inline void spin_lock_init(spinlock_t *l)
{
	KeInitializeSpinLock(&l->lock);
}

#define spin_lock_irqsave(l, flags)				\
	do {							\
		KIRQL irql_;					\
		KeAcquireSpinLock(&(l)->lock, &irql_);		\
		(flags) = irql_;				\
	} while (0)
#define spin_unlock_irqrestore(l, flags) \
	KeReleaseSpinLock(&(l)->lock, (KIRQL)(flags))

static inline void spin_lock_irq(spinlock_t *l)
{
	KIRQL irql;

	KeAcquireSpinLock(&l->lock, &irql);
	l->irql = irql;
}

static inline void spin_unlock_irq(spinlock_t *l)
{
	KIRQL irql = l->irql;

	KeReleaseSpinLock(&l->lock, irql);
}

/* passive; not across anything that needs APCs */
struct mutex {
	FAST_MUTEX m;
};

static inline void mutex_init(struct mutex *m)
{
	ExInitializeFastMutex(&m->m);
}

static inline void mutex_lock(struct mutex *m)
{
	ExAcquireFastMutex(&m->m);
}

static inline void mutex_unlock(struct mutex *m)
{
	ExReleaseFastMutex(&m->m);
}

/* --- waiting ---------------------------------------------------------------------- */

struct completion {
	KEVENT event;
};

static inline void init_completion(struct completion *c)
{
	KeInitializeEvent(&c->event, NotificationEvent, FALSE);
}

static inline void complete(struct completion *c)
{
	KeSetEvent(&c->event, IO_NO_INCREMENT, FALSE);
}

/* passive */
static inline void wait_for_completion(struct completion *c)
{
	KeWaitForSingleObject(&c->event, Executive, KernelMode, FALSE, NULL);
}

/* A thread that is to end waits all the same: every wait here is bounded by the
 * device's deadlines */
static inline int wait_for_completion_killable(struct completion *c)
{
	wait_for_completion(c);
	return 0;
}

/* Where Linux has readers of events that wait */
typedef struct {
	char none;
} wait_queue_head_t;

static inline void init_waitqueue_head(wait_queue_head_t *w)
{
	(void)w;
}

/* --- work: workqueue.c ------------------------------------------------------------ */

struct workqueue_struct;
struct work_struct {
	void (*fn)(struct work_struct *w);
	struct workqueue_struct *wq;	/* that it was queued on last */
	struct list_head node;
	bool queued;
};

#define INIT_WORK(w, f) \
	((void)(*(w) = (struct work_struct){ .fn = (f) }))

#define VRW_MAX_WORKERS	8
/* passive.  NULL: no memory or no threads */
struct workqueue_struct *vrw_workqueue_new(unsigned int threads);
/* passive: all that is queued runs before it returns */
void vrw_workqueue_free(struct workqueue_struct *wq);
/* false: was queued already.  One item never runs twice at a time */
bool queue_work(struct workqueue_struct *wq, struct work_struct *w);
/* passive: neither queued nor running when it returns */
void flush_work(struct work_struct *w);

/* --- threads --------------------------------------------------------------------- */

/* passive.  The thread object, referenced: for vrw_thread_join().  NULL: none */
void *vrw_thread_start(PKSTART_ROUTINE fn, void *arg);
void vrw_thread_join(void *thread);

/* errno values are those of the core: of the system's own some differ */
#undef EPROTO
#undef ETIMEDOUT
#define EIO		5
#define ENOMEM		12
#define EFAULT		14
#define ENODEV		19
#define EINVAL		22
#define ENOSPC		28
#define EPROTO		71
#define ETIMEDOUT	110

#endif /* VRW_KERNEL_H */
