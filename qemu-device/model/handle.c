/* SPDX-License-Identifier: GPL-2.0-or-later */
/* handle.c - what a guest calls an object; see handle.h */
#include <errno.h>
#include <stdlib.h>
#include <sys/random.h>

#include "handle.h"

#define NO_SLOT	    UINT32_MAX
#define GENERATIONS ((1u << (32 - HANDLE_INDEX_BITS)) - 1) /* 1..4095 */

int handle_table_init(struct handle_table *t, uint32_t max)
{
	if (max == 0 || max > HANDLE_MAX)
		return -EINVAL;
	*t = (struct handle_table){.max = max, .last_free = max - 1};
	t->slot = calloc(max, sizeof(*t->slot));
	if (!t->slot)
		return -ENOMEM;
	for (uint32_t i = 0; i < max; i++)
		t->slot[i].next = i + 1 < max ? i + 1 : NO_SLOT;
	if (getrandom(&t->seed, sizeof(t->seed), GRND_NONBLOCK) < 0)
		t->seed = (uintptr_t)t->slot;
	return 0;
}

void handle_table_fini(struct handle_table *t)
{
	free(t->slot);
	*t = (struct handle_table){0};
}

/* splitmix64: not a secret, only unlikely to repeat */
static uint64_t next_random(uint64_t *seed)
{
	uint64_t z = *seed += 0x9e3779b97f4a7c15u;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
	z = (z ^ z >> 27) * 0x94d049bb133111ebu;
	return z ^ z >> 31;
}

/* Any of 1..4095 but the one before: a handle just given back stays stale */
static uint16_t new_generation(struct handle_table *t, uint16_t old)
{
	uint32_t step =
		1 + (uint32_t)(next_random(&t->seed) % (GENERATIONS - 1));

	if (!old)
		return (uint16_t)step;
	return (uint16_t)((old - 1 + step) % GENERATIONS + 1);
}

int handle_alloc(struct handle_table *t, void *obj, uint32_t *handle)
{
	uint32_t i = t->first_free;
	struct handle_slot *s;

	if (t->used == t->max)
		return -ENOSPC;
	s = &t->slot[i];
	t->first_free = s->next;
	s->generation = new_generation(t, s->generation);
	s->obj = obj;
	t->used++;
	*handle = (uint32_t)s->generation << HANDLE_INDEX_BITS | i;
	return 0;
}

static struct handle_slot *find(const struct handle_table *t, uint32_t handle)
{
	uint32_t i = handle_index(handle);
	struct handle_slot *s;

	if (i >= t->max)
		return NULL;
	s = &t->slot[i];
	if (!s->obj || s->generation != handle >> HANDLE_INDEX_BITS)
		return NULL;
	return s;
}

void *handle_get(const struct handle_table *t, uint32_t handle)
{
	struct handle_slot *s = find(t, handle);

	return s ? s->obj : NULL;
}

void *handle_free(struct handle_table *t, uint32_t handle)
{
	struct handle_slot *s = find(t, handle);
	uint32_t i = handle_index(handle);
	void *obj;

	if (!s)
		return NULL;
	obj = s->obj;
	s->obj = NULL;
	s->next = NO_SLOT;
	if (t->used == t->max)
		t->first_free = i;
	else
		t->slot[t->last_free].next = i;
	t->last_free = i;
	t->used--;
	return obj;
}

void *handle_next(const struct handle_table *t, uint32_t *pos)
{
	while (*pos < t->max) {
		struct handle_slot *s = &t->slot[(*pos)++];

		if (s->obj)
			return s->obj;
	}
	return NULL;
}
