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

#define VRW_TAG			0x616d6472u	/* "rdma" */
#define VRW_POOL		((POOL_TYPE)512)	/* NonPagedPoolNx */

#define U32_MAX			UINT32_MAX
#define U64_MAX			UINT64_MAX
#define __user
#define BIT(n)			(1u << (n))
#define ARRAY_SIZE(a)		(sizeof(a) / sizeof((a)[0]))
#define container_of(p, type, member) \
	((type *)(void *)((char *)(p) - offsetof(type, member)))
#define min_t(type, a, b)	((type)(a) < (type)(b) ? (type)(a) : (type)(b))
#define READ_ONCE(x)		__atomic_load_n(&(x), __ATOMIC_RELAXED)
#define WRITE_ONCE(x, v)	__atomic_store_n(&(x), (v), __ATOMIC_RELAXED)
#define smp_store_release(p, v)	__atomic_store_n((p), (v), __ATOMIC_RELEASE)
#define smp_load_acquire(p)	__atomic_load_n((p), __ATOMIC_ACQUIRE)
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
	void *p = ExAllocatePoolWithTag(VRW_POOL, size, VRW_TAG);

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

/* --- lists ------------------------------------------------------------------- */

struct list_head {
	struct list_head *next, *prev;
};

#define LIST_HEAD_INIT(name)	{ &(name), &(name) }
#define LIST_HEAD(name)		struct list_head name = LIST_HEAD_INIT(name)

static inline void INIT_LIST_HEAD(struct list_head *l)
{
	l->next = l->prev = l;
}

static inline bool list_empty(const struct list_head *l)
{
	return l->next == l;
}

static inline void list_add(struct list_head *e, struct list_head *head)
{
	e->next = head->next;
	e->prev = head;
	head->next->prev = e;
	head->next = e;
}

static inline void list_add_tail(struct list_head *e, struct list_head *head)
{
	list_add(e, head->prev);
}

static inline void list_del(struct list_head *e)
{
	e->prev->next = e->next;
	e->next->prev = e->prev;
}

static inline void list_del_init(struct list_head *e)
{
	list_del(e);
	INIT_LIST_HEAD(e);
}

/* all of from, which is empty then, in front of what is in to */
static inline void list_splice_init(struct list_head *from,
				    struct list_head *to)
{
	if (list_empty(from))
		return;
	from->next->prev = to;
	from->prev->next = to->next;
	to->next->prev = from->prev;
	to->next = from->next;
	INIT_LIST_HEAD(from);
}

#define list_entry(p, type, member)	container_of(p, type, member)
#define list_first_entry_or_null(head, type, member) \
	(list_empty(head) ? NULL : list_entry((head)->next, type, member))
#define list_for_each_entry(e, head, member)				\
	for (e = list_entry((head)->next, __typeof__(*e), member);	\
	     &e->member != (head);					\
	     e = list_entry(e->member.next, __typeof__(*e), member))
#define list_for_each_entry_safe(e, n, head, member)			\
	for (e = list_entry((head)->next, __typeof__(*e), member),	\
	    n = list_entry(e->member.next, __typeof__(*e), member);	\
	     &e->member != (head);					\
	     e = n, n = list_entry(n->member.next, __typeof__(*n), member))

/* --- counts -------------------------------------------------------------------- */

struct kref {
	int refs;
};

static inline void kref_init(struct kref *k)
{
	k->refs = 1;
}

static inline void kref_get(struct kref *k)
{
	__atomic_add_fetch(&k->refs, 1, __ATOMIC_RELAXED);
}

static inline int kref_put(struct kref *k, void (*last)(struct kref *k))
{
	if (__atomic_sub_fetch(&k->refs, 1, __ATOMIC_ACQ_REL))
		return 0;
	last(k);
	return 1;
}

/* false: nobody holds it any more */
static inline bool vrw_kref_get_unless_zero(struct kref *k)
{
	int refs = __atomic_load_n(&k->refs, __ATOMIC_RELAXED);

	while (refs && !__atomic_compare_exchange_n(&k->refs, &refs, refs + 1,
						    false, __ATOMIC_ACQUIRE,
						    __ATOMIC_RELAXED))
		;
	return refs != 0;
}

typedef struct {
	int counter;
} atomic_t;

static inline int atomic_cmpxchg(atomic_t *a, int old, int new)
{
	__atomic_compare_exchange_n(&a->counter, &old, new, false,
				    __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);
	return old;
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

/* --- ids: xarray.c.  The user's lock covers it ------------------------------------- */

struct xarray {
	void ***leaf;
};

#define XA_FLAGS_ALLOC1		0
struct xa_limit {
	u32 min, max;
};
#define XA_LIMIT(lo, hi)	((struct xa_limit){ (lo), (hi) })

static inline void xa_init_flags(struct xarray *xa, int flags)
{
	(void)flags;
	xa->leaf = NULL;
}

void xa_destroy(struct xarray *xa);
void *xa_load(struct xarray *xa, unsigned long index);
void *xa_erase(struct xarray *xa, unsigned long index);
/* From *next on, round the end: >= 0, or < 0 without memory or a free id */
int xa_alloc_cyclic(struct xarray *xa, u32 *id, void *entry,
		    struct xa_limit limit, u32 *next, int gfp);
/* The first entry from *index on, or NULL */
void *vrw_xa_next(struct xarray *xa, unsigned long *index);

#define xa_for_each(xa, index, entry) \
	for (index = 0; (entry = vrw_xa_next(xa, &index)) != NULL; index++)

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
