/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-or-later */
/*
 * map.c - rings and the context page in a process
 *
 * DOC: A mapping holds the pages: an object may be closed under it, and what the
 * process then writes lands in memory that nobody uses.  It ends by UNMAP or with
 * the adapter's handle.
 */
#include "vrdma_win.h"
#include "vrlf.h"

/* NULL: nothing to map at this offset */
static const struct vrdma_dma *find_dma(struct vrl_file *f, u64 offset)
{
	return offset == VRDMA_MMAP_CONTEXT ? f->context.page :
					      vrl_find_buffer(f, offset);
}

static void map_free(struct vrw_map *m)
{
	vrw_dma_put(m->dma);
	kfree(m);
}

static NTSTATUS map_dma(struct address_space *s, const struct vrdma_dma *dma,
			struct vrw_map **out)
{
	struct vrw_map *m = kzalloc(sizeof(*m), GFP_KERNEL);
	NTSTATUS status;

	if (!m)
		return STATUS_INSUFFICIENT_RESOURCES;
	m->dma = vrw_dma_of(dma);
	vrw_dma_get(m->dma);
	mutex_lock(&s->lock);
	status = s->sealed ? STATUS_INVALID_DEVICE_STATE :
			     m->dma->dev->bottom->map(m, s->pid);
	if (status == STATUS_SUCCESS)
		list_add_tail(&m->node, &s->maps);
	mutex_unlock(&s->lock);
	if (status != STATUS_SUCCESS) {
		map_free(m);
		return status;
	}
	*out = m;
	return STATUS_SUCCESS;
}

int vrw_ioc_map(struct vrl_file *f, struct vrdma_win_map *a)
{
	const struct vrdma_dma *dma = find_dma(f, a->offset);
	struct vrw_map *m;

	if (a->reserved || !dma || a->size != (u64)dma->count * PAGE_SIZE)
		return -EINVAL;
	a->status = (u32)map_dma(f->mapping, dma, &m);
	if (a->status == STATUS_SUCCESS)
		a->address = (ULONG_PTR)m->va;
	return 0;
}

int vrw_ioc_unmap(struct vrl_file *f, struct vrdma_win_unmap *a)
{
	struct address_space *s = f->mapping;
	struct vrw_map *m, *found = NULL;

	if (a->reserved)
		return -EINVAL;
	mutex_lock(&s->lock);
	list_for_each_entry(m, &s->maps, node)
		if ((ULONG_PTR)m->va == a->address)
			found = m;
	if (found) {
		list_del(&found->node);
		found->dma->dev->bottom->unmap(found, s->pid);
	}
	mutex_unlock(&s->lock);
	a->status = found ? STATUS_SUCCESS : (u32)STATUS_INVALID_ADDRESS;
	if (found)
		map_free(found);
	return 0;
}

/* The lock is held until all are gone: a process does not end under one */
void vrw_unmap_all(struct address_space *s)
{
	struct vrw_map *m, *next;

	mutex_lock(&s->lock);
	s->sealed = true;
	list_for_each_entry_safe(m, next, &s->maps, node) {
		list_del(&m->node);
		m->dma->dev->bottom->unmap(m, s->pid);
		map_free(m);
	}
	mutex_unlock(&s->lock);
}
