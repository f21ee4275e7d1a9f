// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * memory.c - memory for the tests, and the time
 */
#include <linux/atomic.h>
#include <linux/gfp.h>
#include <linux/io.h>
#include <linux/ktime.h>
#include <linux/mm.h>
#include <linux/slab.h>
#include <linux/vmalloc.h>

#include "ndk_test.h"
#include "os_user.h"

static atomic_t buffers; /* allocated */

int kc_buffers(void)
{
	return atomic_read(&buffers);
}

struct scattered {
	struct page **page;
	u64 *addr;
	u32 count;
};

static void scattered_free(struct scattered *s)
{
	while (s->count)
		__free_page(s->page[--s->count]);
	kvfree(s->page);
	kvfree(s->addr);
	kfree(s);
}

static struct scattered *scattered_alloc(u32 pages)
{
	struct scattered *s = kzalloc(sizeof(*s), GFP_KERNEL | __GFP_NOFAIL);

	s->page = kvcalloc(pages, sizeof(*s->page), GFP_KERNEL);
	s->addr = kvcalloc(pages, sizeof(*s->addr), GFP_KERNEL);
	for (; s->page && s->addr && s->count < pages; s->count++) {
		s->page[s->count] = alloc_page(GFP_KERNEL | __GFP_ZERO);
		if (!s->page[s->count])
			break;
		s->addr[s->count] = page_to_phys(s->page[s->count]);
	}
	if (s->count == pages)
		return s;
	scattered_free(s);
	return NULL;
}

/* Single pages, in one piece for the test and in 4 KiB ones for the device */
static int memory_alloc(void *os, uint32_t pages, struct vrdma_dma *out)
{
	struct scattered *s = scattered_alloc(pages);
	void *va;

	if (!s)
		return -ENOMEM;
	va = vmap(s->page, pages, VM_MAP, PAGE_KERNEL);
	if (!va) {
		scattered_free(s);
		return -ENOMEM;
	}
	*out = (struct vrdma_dma){
		.va = va,
		.pages = (const uint64_t *)s->addr,
		.count = pages,
		.os_private = s,
	};
	atomic_inc(&buffers);
	return 0;
}

static void memory_free(void *os, struct vrdma_dma *dma)
{
	vunmap(dma->va);
	scattered_free(dma->os_private);
	memset(dma, 0, sizeof(*dma));
	atomic_dec(&buffers);
}

static uint64_t now_ms(void *os)
{
	return ktime_get_ns() / NSEC_PER_MSEC;
}

const struct vrdma_os_ops *tguest_ops(void)
{
	static const struct vrdma_os_ops ops = {
		.dma_alloc = memory_alloc,
		.dma_free = memory_free,
		.now_ms = now_ms,
	};

	return &ops;
}
