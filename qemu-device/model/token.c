/* SPDX-License-Identifier: GPL-2.0-or-later */
/* token.c - what a peer may call a piece of a guest's memory; see token.h */
#include <errno.h>
#include <stdlib.h>
#include <sys/random.h>

#include "../include/virtio_rdma.h"
#include "token.h"

#define MAX_ENTRIES (1u << 24)

/* Half full at most */
static uint32_t bits_for(uint32_t max)
{
	uint32_t bits = 1;

	while ((1u << bits) / 2 < max)
		bits++;
	return bits;
}

int token_table_init(struct token_table *t, uint32_t max)
{
	uint32_t bits;

	if (max == 0 || max > MAX_ENTRIES)
		return -EINVAL;
	bits = bits_for(max);
	*t = (struct token_table){
		.mask = (1u << bits) - 1,
		.shift = (uint8_t)(64 - bits),
		.max = max,
	};
	t->slot = calloc(1ull << bits, sizeof(*t->slot));
	if (!t->slot)
		return -ENOMEM;
	if (getrandom(&t->factor, sizeof(t->factor), GRND_NONBLOCK) < 0)
		t->factor = (uintptr_t)t->slot * 0x9e3779b97f4a7c15u;
	t->factor |= 1;
	return 0;
}

void token_table_fini(struct token_table *t)
{
	free(t->slot);
	*t = (struct token_table){ 0 };
}

/* Where the search for a token begins: the product's high bits depend on all
 * of the token's */
static uint32_t home(const struct token_table *t, uint32_t token)
{
	return (uint32_t)(t->factor * token >> t->shift);
}

/* Its slot, or the free one where it would go */
static uint32_t find(const struct token_table *t, uint32_t token)
{
	uint32_t i = home(t, token);

	while (t->slot[i].token && t->slot[i].token != token)
		i = (i + 1) & t->mask;
	return i;
}

void *token_get(const struct token_table *t, uint32_t token)
{
	const struct token_slot *s = &t->slot[find(t, token)];

	/* a search for 0 ends at a free slot */
	return token && s->token ? s->obj : NULL;
}

void token_insert(struct token_table *t, uint32_t token, void *obj)
{
	struct token_slot *s = &t->slot[find(t, token)];

	s->obj = obj;
	s->token = token;
	t->used++;
}

/* Slot i is free now, and a search that passed it shall not end there: moves
 * into it whatever comes after and began at it or before */
static void close_gap(struct token_table *t, uint32_t i)
{
	for (uint32_t j = (i + 1) & t->mask; t->slot[j].token;
	     j = (j + 1) & t->mask) {
		uint32_t way = (j - home(t, t->slot[j].token)) & t->mask;

		if (way < ((j - i) & t->mask))
			continue;
		t->slot[i] = t->slot[j];
		i = j;
	}
	t->slot[i] = (struct token_slot){ 0 };
}

void *token_remove(struct token_table *t, uint32_t token)
{
	uint32_t i = find(t, token);
	void *obj = t->slot[i].obj;

	if (!token || !t->slot[i].token)
		return NULL;
	t->used--;
	close_gap(t, i);
	return obj;
}

/* ------------------------------------------------------------------ claims */

/* All tokens of one object are one entry; not 0 for any */
static uint32_t family(uint32_t token)
{
	return token | TOKEN_KEY_MASK;
}

int token_claim(struct token_table *claims, uint32_t token, void *obj)
{
	if (!token || token == VIRTIO_RDMA_TOKEN_PRIVILEGED)
		return -EINVAL;
	if (token_get(claims, family(token)))
		return -EEXIST;
	if (claims->used == claims->max)
		return -ENOSPC;
	token_insert(claims, family(token), obj);
	return 0;
}

int token_claim_any(struct token_table *claims, void *obj, uint32_t *token)
{
	int ret;

	/* ends soon: there are 16 times more of them than objects at most */
	do {
		if (getrandom(token, sizeof(*token), 0) !=
		    (ssize_t)sizeof(*token))
			return -EIO;
		/* the first 256 numbers are what a guest's mistake looks like */
		ret = *token > TOKEN_KEY_MASK ?
			      token_claim(claims, *token, obj) :
			      -EEXIST;
	} while (ret == -EEXIST);
	return ret;
}

void token_unclaim(struct token_table *claims, uint32_t token)
{
	token_remove(claims, family(token));
}
