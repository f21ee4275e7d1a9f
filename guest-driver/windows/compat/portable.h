/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-or-later */
/*
 * portable.h - what guest-driver/user/ wants of a kernel and that needs no kernel
 *
 * DOC: Lists, counts and the table of ids, by the names that they have in Linux.
 * Whoever includes it has u32, and for xarray.c kzalloc() and kfree(): NT (kernel.h),
 * and a process of the tests (tests/userdev).
 */
#ifndef VRW_PORTABLE_H
#define VRW_PORTABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

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

static inline void list_move_tail(struct list_head *e, struct list_head *head)
{
	list_del(e);
	list_add_tail(e, head);
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

typedef struct {
	int counter;
} atomic_t;

static inline int atomic_cmpxchg(atomic_t *a, int old, int new)
{
	__atomic_compare_exchange_n(&a->counter, &old, new, false,
				    __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);
	return old;
}

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

#endif /* VRW_PORTABLE_H */
