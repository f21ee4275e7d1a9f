/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * token.h - what a peer may call a piece of a guest's memory
 *
 * DOC: A remote token is 32 bits that may have any value but 0 (no token) and
 * VIRTIO_RDMA_TOKEN_PRIVILEGED: this device picks random ones, a host's RDMA
 * device dictates its own.  The upper 24 bits belong to one object for as
 * long as it lives; the low 8 are a key, which a memory window changes at
 * each bind.
 *
 * So there are two tables of the same make for a guest.  The control thread's
 * says whose the upper 24 bits are, and with them a place in the other one is
 * reserved: what is claimed here fits there.  The worker's says what a token
 * gives at this moment; it is what a peer's access looks into.
 *
 * The table is a hash of a size that never changes, at most half full, with
 * linear probing: a find reads one cache line nearly always.  A removal moves
 * what follows back, so nothing is left behind that lengthens later searches.
 * The multiplier is random: a guest that picks its keys cannot pick chains.
 */
#ifndef VRDMA_TOKEN_H
#define VRDMA_TOKEN_H

#include <stdint.h>

#define TOKEN_KEY_MASK 0xffu

struct token_slot {
	void *obj;
	uint32_t token; /* 0: free */
	uint32_t reserved;
};

struct token_table {
	struct token_slot *slot;
	uint64_t factor;
	uint32_t mask; /* slots, a power of two, less one */
	uint8_t shift;
	uint32_t max;
	uint32_t used;
};

/* max: 1..2^24 entries; 0, -EINVAL, -ENOMEM.  Belongs to one thread from then
 * on. */
int token_table_init(struct token_table *t, uint32_t max);
void token_table_fini(struct token_table *t);
/* The object, or NULL: 0, stale, foreign, never given */
void *token_get(const struct token_table *t, uint32_t token);
/* token is neither 0 nor in the table, and the table has room: see above */
void token_insert(struct token_table *t, uint32_t token, void *obj);
/* Takes it out and returns it, or NULL */
void *token_remove(struct token_table *t, uint32_t token);

/* Control thread, in its table: the 256 tokens that differ from this one in
 * the key at most are obj's.  0, -EINVAL (0, privileged), -EEXIST (another
 * object's) or -ENOSPC (max objects have one) */
int token_claim(struct token_table *claims, uint32_t token, void *obj);
/* The same with random ones, and the key random as well; -EIO without
 * randomness */
int token_claim_any(struct token_table *claims, void *obj, uint32_t *token);
/* Given back: nothing of it is in the worker's table any more */
void token_unclaim(struct token_table *claims, uint32_t token);

#endif /* VRDMA_TOKEN_H */
