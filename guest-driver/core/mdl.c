/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-or-later */
/*
 * mdl.c - locked buffers: their shape, their pages, logical address maps
 */
#include "vrc.h"

#define PAGE_MASK64	((uint64_t)VIRTIO_RDMA_PAGE_SIZE - 1)

static uint64_t pages_of(uint64_t va, uint64_t length)
{
	uint64_t offset = va & PAGE_MASK64;

	return (length >> VIRTIO_RDMA_PAGE_SHIFT) +
	       (((length & PAGE_MASK64) + offset + PAGE_MASK64) >>
		VIRTIO_RDMA_PAGE_SHIFT);
}

/*
 * Pages that the first length bytes of the chain touch, or 0 when it is not
 * one contiguous buffer of that length (NdkRegisterMr: INVALID_PARAMETER).
 */
uint64_t vrc_mdl_pages(const MDL *mdl, uint64_t length)
{
	uint64_t left = length, at, count = 0;

	if (!mdl || !length)
		return 0;
	at = vrdma_mdl_va(mdl);
	if (!vrc_range_within(at, length, UINT64_MAX))
		return 0;
	for (; mdl; mdl = vrdma_mdl_next(mdl)) {
		uint64_t n = vrdma_mdl_length(mdl);

		if (vrdma_mdl_va(mdl) != at)
			return 0;
		if (n >= left)
			return count + pages_of(at, left);
		/* a piece that others follow fills its last page */
		if (!n || ((at + n) & PAGE_MASK64))
			return 0;
		count += pages_of(at, n);
		at += n;
		left -= n;
	}
	return 0;
}

/* index only grows between calls; the chain was checked by vrc_mdl_pages() */
uint64_t vrc_mdl_page(struct vrc_mdl_cursor *cur, uint64_t index)
{
	for (;;) {
		uint64_t n = pages_of(vrdma_mdl_va(cur->mdl),
				      vrdma_mdl_length(cur->mdl));

		if (index - cur->first < n)
			return vrdma_mdl_page(cur->mdl, index - cur->first);
		cur->first += n;
		cur->mdl = vrdma_mdl_next(cur->mdl);
	}
}

/* Inline always: the pages' addresses are known already */
NTSTATUS vrc_build_lam(NDK_ADAPTER *adapter, MDL *mdl, SIZE_T length,
		       NDK_FN_REQUEST_COMPLETION *rc, PVOID ctx,
		       NDK_LOGICAL_ADDRESS_MAPPING *lam, ULONG *size,
		       ULONG *fbo)
{
	uint64_t count = vrc_mdl_pages(mdl, length), need, i;
	NDK_LOGICAL_ADDRESS *page;
	struct vrc_mdl_cursor cur = { .mdl = mdl };
	ULONG room;

	(void)adapter;
	(void)rc;
	(void)ctx;
	if (!count || !size || !fbo)
		return STATUS_INVALID_PARAMETER;
	need = sizeof(*lam) + (count - 1) * sizeof(lam->AdapterPageArray[0]);
	if (need > MAXULONG)
		return STATUS_INSUFFICIENT_RESOURCES;
	room = *size;
	*size = (ULONG)need;
	if (!lam || room < need)
		return STATUS_BUFFER_TOO_SMALL;
	lam->AdapterContext = NULL;
	lam->AdapterPageCount = (ULONG)count;
	/* the array is declared with one entry and has as many as it needs */
	page = (NDK_LOGICAL_ADDRESS *)((uint8_t *)lam +
		offsetof(NDK_LOGICAL_ADDRESS_MAPPING, AdapterPageArray));
	for (i = 0; i < count; i++)
		page[i].QuadPart = (int64_t)vrc_mdl_page(&cur, i);
	*fbo = (ULONG)(vrdma_mdl_va(mdl) & PAGE_MASK64);
	return STATUS_SUCCESS;
}

/* Nothing was taken when it was built */
VOID vrc_release_lam(NDK_ADAPTER *adapter, NDK_LOGICAL_ADDRESS_MAPPING *lam)
{
	(void)adapter;
	(void)lam;
}
