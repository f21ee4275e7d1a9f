/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * vq_chain.c - takes a buffer from a virtqueue
 *
 * DOC: The library's own walk reads a descriptor's length twice, and a driver
 * that changes it in between makes the library read past an indirect table's
 * end, and past the memory it lies in.  So the walk is ours: each descriptor
 * is copied once, whole, and only the copy is looked at.  A chain that makes
 * no sense breaks the device, as section 9 of the protocol says.
 */
#include <linux/virtio_ring.h>

#include "vq_int.h"

struct walk {
	struct guest *g;
	unsigned int qidx;
	const struct vring_desc *table;	/* shared, or a copy */
	unsigned int size;		/* of the table */
	unsigned int limit;		/* of the chain: the queue's size */
};

static int nonsense(const struct walk *w, const char *what)
{
	guest_needs_reset(w->g, "queue %u: %s", w->qidx, what);
	return -1;
}

static struct vring_desc load_desc(const struct vring_desc *from)
{
	const uint64_t *word = (const uint64_t *)(const void *)from;
	union {
		uint64_t word[2];
		struct vring_desc desc;
	} copy = {
		{ __atomic_load_n(&word[0], __ATOMIC_RELAXED),
		  __atomic_load_n(&word[1], __ATOMIC_RELAXED) },
	};

	return copy.desc;
}

static int add_part(const struct walk *w, struct vq_chain *c,
		    const struct vring_desc *d)
{
	struct vq_part part = { vr_from_le64(d->addr), vr_from_le32(d->len) };
	bool writable = vr_from_le16(d->flags) & VRING_DESC_F_WRITE;

	if (c->out_num + c->in_num == w->limit)
		return nonsense(w, "a chain longer than the queue");
	if (!writable && c->in_num)
		return nonsense(w, "a readable part behind a writable one");
	if (!part.len || !gmem_covers(w->g->map, part.addr, part.len))
		return nonsense(w, "a descriptor outside memory");
	c->part[c->out_num + c->in_num] = part;
	if (writable)
		c->in_num++;
	else
		c->out_num++;
	return 0;
}

static int walk_table(const struct walk *w, struct vq_chain *c, unsigned int i)
{
	struct vring_desc d;

	do {
		if (i >= w->size)
			return nonsense(w, "a descriptor beyond its table");
		d = load_desc(&w->table[i]);
		if (vr_from_le16(d.flags) & VRING_DESC_F_INDIRECT)
			return nonsense(w, "an indirect table in a chain");
		if (add_part(w, c, &d))
			return -1;
		i = vr_from_le16(d.next);
	} while (vr_from_le16(d.flags) & VRING_DESC_F_NEXT);
	return 0;
}

static int walk_indirect(const struct walk *w, struct vq_chain *c,
			 const struct vring_desc *d)
{
	struct vring_desc copy[VQ_MAX_PARTS];
	struct walk inner = *w;
	uint32_t len = vr_from_le32(d->len);

	if (!len || len % sizeof(copy[0]) || len > w->limit * sizeof(copy[0]))
		return nonsense(w, "an indirect table of a wrong size");
	if (gmem_copy_in(w->g->map, copy, vr_from_le64(d->addr), len))
		return nonsense(w, "an indirect table outside memory");
	inner.table = copy;
	inner.size = len / sizeof(copy[0]);
	return walk_table(&inner, c, 0);
}

static int walk_chain(struct walk *w, struct vq_chain *c)
{
	struct vring_desc d;

	if (c->index >= w->size)
		return nonsense(w, "a head beyond the ring");
	d = load_desc(&w->table[c->index]);
	/* if it changes behind our back, the walk meets it and refuses it */
	if (vr_from_le16(d.flags) & VRING_DESC_F_INDIRECT)
		return walk_indirect(w, c, &d);
	return walk_table(w, c, c->index);
}

/* virtio 1.2 2.7.10: kick when the available index passes this one */
static void ask_for_kick(VuDev *dev, VuVirtq *vq)
{
	uint16_t *event = (uint16_t *)(void *)&vq->vring.used->ring[vq->vring.num];

	if (dev->features >> VIRTIO_RING_F_EVENT_IDX & 1)
		__atomic_store_n(event, vr_to_le16(vq->last_avail_idx),
				 __ATOMIC_RELAXED);
}

int vq_pop(struct guest *g, VuVirtq *vq, unsigned int qidx, struct vq_chain *c)
{
	struct walk w = {
		.g = g,
		.qidx = qidx,
		.table = vq->vring.desc,
		.size = vq->vring.num,
		.limit = vq->vring.num,
	};
	unsigned int at = vq->last_avail_idx % vq->vring.num;

	c->out_num = 0;
	c->in_num = 0;
	if (vq->inuse >= vq->vring.num)
		return nonsense(&w, "more chains than the ring has entries");
	c->index = vr_from_le16(__atomic_load_n(&vq->vring.avail->ring[at],
						__ATOMIC_RELAXED));
	vq->last_avail_idx++;
	ask_for_kick(session_dev(g->session), vq);
	if (walk_chain(&w, c))
		return -1;
	vq->inuse++;
	return 0;
}
