// SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-or-later
/*
 * osmem.c - memory for the core
 *
 * DOC: "Any context" and memory that can only be freed where one may sleep
 *
 * The core may allocate and free with a spin lock held.  preemptible() tells
 * (Debian's kernels count preemption; a kernel that does not makes it false,
 * and then everything is allocated atomically).  What came from vmalloc or was
 * mapped with vmap cannot be given back in such a place: it goes on a list
 * that a work item empties.
 *
 * Rings are mapped into processes page by page with page references, so pages
 * are always separate order-0 pages, even of a contiguous allocation.
 */
#include <linux/gfp.h>
#include <linux/mm.h>
#include <linux/slab.h>
#include <linux/vmalloc.h>

#include "vrl.h"

struct vrl_dma {
	struct llist_node later;
	void *va;
	bool vmapped;
	u32 count;
	struct page **page;	/* only while vmapped */
	u64 addr[];
};

static LLIST_HEAD(late_blocks);		/* vmalloc memory, node at its start */
static LLIST_HEAD(late_dma);

static gfp_t gfp_here(void)
{
	return preemptible() ? GFP_KERNEL_ACCOUNT : GFP_ATOMIC;
}

static void dma_release(struct vrl_dma *d)
{
	u32 i;

	if (d->vmapped) {
		vunmap(d->va);
		for (i = 0; i < d->count; i++)
			__free_page(d->page[i]);
		kvfree(d->page);
	} else if (d->va) {
		/* page by page: a process may still hold some of them */
		for (i = 0; i < d->count; i++)
			__free_page(virt_to_page(d->va + i * PAGE_SIZE));
	}
	kvfree(d);
}

static void free_late(struct work_struct *work)
{
	struct llist_node *n, *next;
	struct vrl_dma *d, *tmp;

	for (n = llist_del_all(&late_blocks); n; n = next) {
		next = n->next;
		vfree(n);
	}
	llist_for_each_entry_safe(d, tmp, llist_del_all(&late_dma), later)
		dma_release(d);
}

static DECLARE_WORK(late_work, free_late);

void vrl_osmem_exit(void)
{
	flush_work(&late_work);
}

void *vrl_os_alloc(void *os, size_t size)
{
	if (preemptible())
		return kvzalloc(size, GFP_KERNEL_ACCOUNT);
	return kzalloc(size, GFP_ATOMIC | __GFP_NOWARN);
}

void vrl_os_free(void *os, void *p)
{
	if (is_vmalloc_addr(p) && !preemptible()) {
		llist_add(p, &late_blocks);
		schedule_work(&late_work);
		return;
	}
	kvfree(p);
}

static bool dma_contiguous(struct vrl_dma *d)
{
	u32 i;

	d->va = alloc_pages_exact((size_t)d->count * PAGE_SIZE,
				  gfp_here() | __GFP_ZERO | __GFP_NOWARN |
				  __GFP_NORETRY);
	if (!d->va)
		return false;
	for (i = 0; i < d->count; i++)
		d->addr[i] = virt_to_phys(d->va + i * PAGE_SIZE);
	return true;
}

/* Page by page, needs a context that may sleep */
static bool dma_scattered(struct vrl_dma *d)
{
	u32 i;

	d->page = kvcalloc(d->count, sizeof(*d->page), GFP_KERNEL_ACCOUNT);
	if (!d->page)
		return false;
	for (i = 0; i < d->count; i++) {
		d->page[i] = alloc_page(GFP_KERNEL_ACCOUNT | __GFP_ZERO);
		if (!d->page[i])
			goto fail;
		d->addr[i] = page_to_phys(d->page[i]);
	}
	d->va = vmap(d->page, d->count, VM_MAP, PAGE_KERNEL);
	if (!d->va)
		goto fail;
	d->vmapped = true;
	return true;
fail:
	while (i--)
		__free_page(d->page[i]);
	kvfree(d->page);
	return false;
}

/* A larger block is as good in pieces: do not press the allocator for it */
#define CONTIGUOUS_MAX	8

int vrl_os_dma_alloc(void *os, u32 pages, struct vrdma_dma *out)
{
	size_t size = struct_size((struct vrl_dma *)NULL, addr, pages);
	struct vrl_dma *d;

	/* the device's page is ours: nothing here is ready for another size */
	BUILD_BUG_ON(PAGE_SHIFT != VIRTIO_RDMA_PAGE_SHIFT);
	if (!pages)
		return -ENOMEM;
	d = vrl_os_alloc(os, size);
	if (!d)
		return -ENOMEM;
	d->count = pages;
	if (!((pages <= CONTIGUOUS_MAX || !preemptible()) && dma_contiguous(d)) &&
	    !(preemptible() && dma_scattered(d))) {
		vrl_os_free(os, d);
		return -ENOMEM;
	}
	*out = (struct vrdma_dma){
		.va = d->va, .pages = (const uint64_t *)d->addr,
		.count = pages, .os_private = d,
	};
	return 0;
}

void vrl_os_dma_free(void *os, struct vrdma_dma *dma)
{
	struct vrl_dma *d = dma->os_private;

	if (!d)
		return;
	memset(dma, 0, sizeof(*dma));
	if (preemptible()) {
		dma_release(d);
		return;
	}
	llist_add(&d->later, &late_dma);
	schedule_work(&late_work);
}
