/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * handle.h - what a guest calls an object
 *
 * DOC: Low 20 bits an index, high 12 bits a random generation that is never
 * 0, so a handle is at least 1 << 20 and no small number a guest may make up
 * is one.  A handle that was given back is found no more; its index is reused
 * last, with another generation.  One table per type and guest: a handle of
 * another guest, or of another type, is a miss (or, once in 4095 guesses,
 * another object of the same guest).  A table belongs to one thread.
 */
#ifndef VRDMA_HANDLE_H
#define VRDMA_HANDLE_H

#include <stddef.h>
#include <stdint.h>

#define HANDLE_INDEX_BITS 20
#define HANDLE_MAX	  (1u << HANDLE_INDEX_BITS)

struct handle_slot {
	void *obj;     /* NULL: free */
	uint32_t next; /* free list */
	uint16_t generation;
};

struct handle_table {
	uint32_t max; /* slots */
	uint32_t used;
	uint32_t first_free;
	uint32_t last_free;
	uint64_t seed;
	struct handle_slot *slot;
};

static inline uint32_t handle_index(uint32_t handle)
{
	return handle & (HANDLE_MAX - 1);
}

/* max: 1..HANDLE_MAX objects; 0, -EINVAL, -ENOMEM */
int handle_table_init(struct handle_table *t, uint32_t max);
void handle_table_fini(struct handle_table *t);
/* 0 and *handle, or -ENOSPC (NO_RESOURCES) */
int handle_alloc(struct handle_table *t, void *obj, uint32_t *handle);
/* The object, or NULL: stale, foreign, never given */
void *handle_get(const struct handle_table *t, uint32_t handle);
/* Takes it out and returns it, or NULL */
void *handle_free(struct handle_table *t, uint32_t handle);
/* Walks the live ones: start with *pos = 0; NULL at the end.  Objects may be
 * freed during the walk. */
void *handle_next(const struct handle_table *t, uint32_t *pos);

#endif /* VRDMA_HANDLE_H */
