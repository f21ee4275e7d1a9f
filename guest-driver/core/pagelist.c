/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-or-later */
/*
 * pagelist.c - page lists as the wire wants them
 *
 * DOC: All table pages of one list lie in one piece of memory: the leaf tables
 * first, then the tables of the next level, the root last.  So the n-th entry
 * of a level is found without walking: the levels are flat arrays.
 */
#include "vrc.h"

struct shape {
	uint64_t tables[VIRTIO_RDMA_MAX_LEVELS];	/* of each level, leaf first */
	uint8_t levels;
	uint64_t total;
};

static bool shape_of(struct shape *s, uint64_t count)
{
	uint64_t n = count;

	memset(s, 0, sizeof(*s));
	if (count <= 1)
		return count == 1;
	do {
		if (s->levels == VIRTIO_RDMA_MAX_LEVELS)
			return false;
		n = (n + VIRTIO_RDMA_TABLE_ENTRIES - 1) /
		    VIRTIO_RDMA_TABLE_ENTRIES;
		s->tables[s->levels++] = n;
		s->total += n;
	} while (n > 1);
	return true;
}

/* Entries of the levels above the leaves: the pages of the level below */
static void link_levels(const struct shape *s, const struct vrdma_dma *dma)
{
	vr_le64 *table = dma->va;
	uint64_t below = 0, at = s->tables[0], i;
	uint8_t level;

	for (level = 1; level < s->levels; level++) {
		vr_le64 *entry = table + at * VIRTIO_RDMA_TABLE_ENTRIES;

		for (i = 0; i < s->tables[level - 1]; i++)
			entry[i] = vr_to_le64(dma->pages[below + i]);
		below = at;
		at += s->tables[level];
	}
}

int vrc_pages_build(struct vrdma_core *c, struct vrc_pages *out,
		    vrc_page_fn *page, const void *source, uint64_t count)
{
	struct shape s;
	vr_le64 *entry;
	uint64_t i;
	int err;

	memset(out, 0, sizeof(*out));
	if (!shape_of(&s, count) || count > UINT32_MAX || s.total > UINT32_MAX)
		return -VRC_EINVAL;
	out->wire.page_count = vr_to_le32((uint32_t)count);
	out->wire.levels = s.levels;
	out->wire.page_shift = VIRTIO_RDMA_PAGE_SHIFT;
	if (!s.levels) {
		out->wire.root = vr_to_le64(page(source, 0));
		return 0;
	}
	err = c->ops->dma_alloc(c->os, (uint32_t)s.total, &out->tables);
	if (err)
		return err;
	out->has_tables = true;
	entry = out->tables.va;
	for (i = 0; i < count; i++)
		entry[i] = vr_to_le64(page(source, i));
	link_levels(&s, &out->tables);
	out->wire.root = vr_to_le64(out->tables.pages[s.total - 1]);
	return 0;
}

static uint64_t dma_page(const void *source, uint64_t index)
{
	return ((const struct vrdma_dma *)source)->pages[index];
}

int vrc_pages_of_dma(struct vrdma_core *c, struct vrc_pages *out,
		     const struct vrdma_dma *dma)
{
	return vrc_pages_build(c, out, dma_page, dma, dma->count);
}

void vrc_pages_free(struct vrdma_core *c, struct vrc_pages *p)
{
	if (p->has_tables)
		c->ops->dma_free(c->os, &p->tables);
	p->has_tables = false;
}
