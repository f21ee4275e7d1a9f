/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-or-later */
/*
 * vrc_base.h - small things that the core needs and no OS header gives it
 *
 * DOC: Prefix vrc_ for what stays inside the core, vrdma_ for what a shell sees.
 */
#ifndef VRC_BASE_H
#define VRC_BASE_H

#ifdef __KERNEL__
#include <linux/stddef.h>
#include <linux/string.h>
#include <linux/types.h>
#else
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#endif

/* errno values, the same on every system that has them */
#define VRC_ENOMEM	12
#define VRC_ENODEV	19
#define VRC_EINVAL	22
#define VRC_ENOSPC	28
#define VRC_EPROTO	71
#define VRC_ETIMEDOUT	110

#define VRC_ARRAY_SIZE(a)	(sizeof(a) / sizeof((a)[0]))
#define VRC_CONTAINER(p, type, member) \
	((type *)(void *)((uint8_t *)(p) - offsetof(type, member)))

/* --- doubly linked list --------------------------------------------------- */

struct vrc_list {
	struct vrc_list *next, *prev;
};

static inline void vrc_list_init(struct vrc_list *l)
{
	l->next = l->prev = l;
}

static inline bool vrc_list_empty(const struct vrc_list *l)
{
	return l->next == l;
}

static inline void vrc_list_add_tail(struct vrc_list *head, struct vrc_list *e)
{
	e->prev = head->prev;
	e->next = head;
	head->prev->next = e;
	head->prev = e;
}

static inline void vrc_list_add_head(struct vrc_list *head, struct vrc_list *e)
{
	vrc_list_add_tail(head->next, e);
}

static inline void vrc_list_del(struct vrc_list *e)
{
	e->prev->next = e->next;
	e->next->prev = e->prev;
	vrc_list_init(e);
}

/* All of from, which is empty then, behind what is in to */
static inline void vrc_list_move(struct vrc_list *from, struct vrc_list *to)
{
	while (!vrc_list_empty(from)) {
		struct vrc_list *e = from->next;

		vrc_list_del(e);
		vrc_list_add_tail(to, e);
	}
}

/* --- numbers ---------------------------------------------------------------- */

/* [off, off + len) inside [0, size): by subtraction, nothing can wrap */
static inline bool vrc_range_within(uint64_t off, uint64_t len, uint64_t size)
{
	return off <= size && len <= size - off;
}

static inline bool vrc_is_pow2(uint32_t v)
{
	return v && !(v & (v - 1));
}

/* 0 for v above 2^31 */
static inline uint32_t vrc_roundup_pow2(uint32_t v)
{
	uint32_t r = 1;

	while (r < v && r)
		r <<= 1;
	return r;
}

static inline uint32_t vrc_rounddown_pow2(uint32_t v)
{
	return v ? 1u << (31 - __builtin_clz(v)) : 0;
}

static inline uint32_t vrc_align(uint32_t v, uint32_t a)
{
	return (v + a - 1) & ~(a - 1);
}

static inline uint32_t vrc_min(uint32_t a, uint32_t b)
{
	return a < b ? a : b;
}

#endif /* VRC_BASE_H */
