/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-or-later */
/*
 * xarray.c - a table of ids: leaves of pointers, made as they are needed
 */
#include <linux/slab.h>
#include <linux/xarray.h>

#define LEAF	1024u			/* entries of a leaf */
#define LEAVES	1025u			/* ids 0 to 2^20, and some */

static void **slot_of(struct xarray *xa, unsigned long index, bool make)
{
	void ***leaf;

	if (index / LEAF >= LEAVES)
		return NULL;
	if (!xa->leaf && make)
		xa->leaf = kzalloc(LEAVES * sizeof(*xa->leaf), GFP_KERNEL);
	if (!xa->leaf)
		return NULL;
	leaf = &xa->leaf[index / LEAF];
	if (!*leaf && make)
		*leaf = kzalloc(LEAF * sizeof(**leaf), GFP_KERNEL);
	return *leaf ? *leaf + index % LEAF : NULL;
}

void xa_destroy(struct xarray *xa)
{
	unsigned int i;

	for (i = 0; xa->leaf && i < LEAVES; i++)
		kfree(xa->leaf[i]);
	kfree(xa->leaf);
	xa->leaf = NULL;
}

void *xa_load(struct xarray *xa, unsigned long index)
{
	void **slot = slot_of(xa, index, false);

	return slot ? *slot : NULL;
}

void *xa_erase(struct xarray *xa, unsigned long index)
{
	void **slot = slot_of(xa, index, false);
	void *was = slot ? *slot : NULL;

	if (slot)
		*slot = NULL;
	return was;
}

int xa_alloc_cyclic(struct xarray *xa, u32 *id, void *entry,
		    struct xa_limit limit, u32 *next, int gfp)
{
	u32 n, at = *next, count = limit.max - limit.min + 1;

	(void)gfp;
	for (n = 0; n < count; n++, at++) {
		void **slot;

		if (at < limit.min || at > limit.max)
			at = limit.min;
		slot = slot_of(xa, at, true);
		if (!slot)
			return -ENOMEM;
		if (*slot)
			continue;
		*slot = entry;
		*id = at;
		*next = at + 1;
		return 0;
	}
	return -ENOSPC;
}

void *vrw_xa_next(struct xarray *xa, unsigned long *index)
{
	for (; xa->leaf && *index / LEAF < LEAVES; (*index)++) {
		void **leaf = xa->leaf[*index / LEAF];

		if (!leaf)
			*index |= LEAF - 1;	/* the last of it */
		else if (leaf[*index % LEAF])
			return leaf[*index % LEAF];
	}
	return NULL;
}
