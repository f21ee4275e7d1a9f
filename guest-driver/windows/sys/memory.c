/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-or-later */
/*
 * memory.c - pages: the core's, in programs, and of programs
 */
#include "sys.h"

/* --- the core's --------------------------------------------------- */

/* Pool of a page or more begins on a page, and of whole pages nothing else is in them */
bool sys_dma_alloc(struct vrl_dev *dev, struct vrw_dma *dma)
{
	size_t size = (size_t)dma->count * PAGE_SIZE;
	u32 i;

	(void)dev;
	dma->va = kzalloc(size, GFP_ATOMIC);
	if (!dma->va)
		return false;
	for (i = 0; i < dma->count; i++)
		dma->pages[i] = (u64)MmGetPhysicalAddress(
			(u8 *)dma->va + (size_t)i * PAGE_SIZE).QuadPart;
	return true;
}

void sys_dma_free(struct vrl_dev *dev, struct vrw_dma *dma)
{
	(void)dev;
	kfree(dma->va);
}

/* --- rings in a program --------------------------------------------------- */

#define MAP_PAGES_MAX	(1u << 19)	/* what an MDL describes */
#define MAP_PRIORITY	(NormalPagePriority | 0x40000000) /* MdlMappingNoExecute */

static NTSTATUS map_into_process(MDL *mdl, void **va)
{
	struct vrw_call call = {
		.fn = (void *)(uintptr_t)MmMapLockedPagesSpecifyCache,
		.arg = { (ULONG_PTR)mdl, UserMode, MmCached, 0, FALSE,
			 MAP_PRIORITY },
	};
	NTSTATUS status = vrw_guarded(&call);

	*va = (void *)call.result;
	if (status != STATUS_SUCCESS || !*va)
		return STATUS_INSUFFICIENT_RESOURCES;
	return STATUS_SUCCESS;
}

NTSTATUS sys_map(struct vrw_map *map, HANDLE pid)
{
	struct vrw_dma *dma = map->dma;
	NTSTATUS status;
	MDL *mdl;

	(void)pid;			/* who calls */
	if (dma->count > MAP_PAGES_MAX)
		return STATUS_INSUFFICIENT_RESOURCES;
	mdl = IoAllocateMdl(dma->va, dma->count * PAGE_SIZE, FALSE, FALSE,
			    NULL);
	if (!mdl)
		return STATUS_INSUFFICIENT_RESOURCES;
	MmBuildMdlForNonPagedPool(mdl);
	status = map_into_process(mdl, &map->va);
	if (status != STATUS_SUCCESS) {
		IoFreeMdl(mdl);
		return status;
	}
	map->bottom[0] = mdl;
	map->bottom[1] = IoGetCurrentProcess();
	ObReferenceObject(map->bottom[1]);
	return STATUS_SUCCESS;
}

/* From elsewhere when the last handle was a copy in another process.  Then this one is
 * alive: its end takes its mappings with it, first */
void sys_unmap(struct vrw_map *map, HANDLE pid)
{
	PEPROCESS process = map->bottom[1];
	bool elsewhere = process != IoGetCurrentProcess();
	struct vrw_apc_state state;

	(void)pid;
	if (elsewhere)
		KeStackAttachProcess(process, &state);
	MmUnmapLockedPages(map->va, map->bottom[0]);
	if (elsewhere)
		KeUnstackDetachProcess(&state);
	ObDereferenceObject(process);
	IoFreeMdl(map->bottom[0]);
}

/* --- a program's buffers --------------------------------------------------- */

#define MDL_BYTES	(1u << 30)

static void unlock_chain(MDL *m)
{
	MDL *next;

	for (; m; m = next) {
		next = vrdma_mdl_next(m);
		MmUnlockPages(m);
		IoFreeMdl(m);
	}
}

static NTSTATUS lock_pages(MDL *mdl, LOCK_OPERATION how)
{
	struct vrw_call call = {
		.fn = (void *)(uintptr_t)MmProbeAndLockPages,
		.arg = { (ULONG_PTR)mdl, UserMode, (ULONG_PTR)how },
	};

	switch (vrw_guarded(&call)) {
	case STATUS_SUCCESS:
		return STATUS_SUCCESS;
	case STATUS_INSUFFICIENT_RESOURCES:
	case STATUS_WORKING_SET_QUOTA:
		return STATUS_INSUFFICIENT_RESOURCES;
	default:
		return STATUS_ACCESS_VIOLATION;
	}
}

/* One piece, at the end of the chain: each but the first begins on a page */
static NTSTATUS add_piece(struct vrl_pin *pin, MDL **last, u64 at, u64 n)
{
	MDL *m = IoAllocateMdl((void *)(ULONG_PTR)at, (ULONG)n, FALSE, FALSE,
			       NULL);
	NTSTATUS status;

	if (!m)
		return STATUS_INSUFFICIENT_RESOURCES;
	status = lock_pages(m, pin->flags & NDK_MR_FLAG_ALLOW_REMOTE_WRITE ||
			       pin->flags & NDK_MR_FLAG_RDMA_READ_SINK ?
				       IoModifyAccess : IoReadAccess);
	if (status != STATUS_SUCCESS) {
		IoFreeMdl(m);
		return status;
	}
	if (*last)
		vrdma_mdl_link(*last, m);
	else
		pin->mdl = m;
	*last = m;
	return STATUS_SUCCESS;
}

NTSTATUS sys_pin(struct vrl_pin *pin, HANDLE pid)
{
	u64 at = pin->address, left = pin->length;
	NTSTATUS status = STATUS_SUCCESS;
	MDL *last = NULL;

	(void)pid;			/* who calls */
	while (left && status == STATUS_SUCCESS) {
		u64 n = min_t(u64, left, MDL_BYTES - at % PAGE_SIZE);

		status = add_piece(pin, &last, at, n);
		at += n;
		left -= n;
	}
	if (status != STATUS_SUCCESS)
		unlock_chain(pin->mdl);
	return status;
}

void sys_unpin(struct vrl_pin *pin)
{
	unlock_chain(pin->mdl);
}

/* --- what the device does not let go of --------------------------------------------------- */

/* A process must not end with locked pages, nor may they be anybody's that the device
 * still writes to: it is reset, and what its other users lose is the price */
void sys_keep(struct vrl_pin *pin)
{
	struct sys_bottom *b = sys_of(pin->dev);
	MDL *last = pin->mdl;
	bool live;

	while (vrdma_mdl_next(last))
		last = vrdma_mdl_next(last);
	mutex_lock(&b->kept_lock);
	live = b->live;
	if (live) {
		vrdma_mdl_link(last, b->kept);
		b->kept = pin->mdl;
		KeClearEvent(&b->let_go.event);
	}
	mutex_unlock(&b->kept_lock);
	if (!live) {
		unlock_chain(pin->mdl);
		return;
	}
	vrw_device_lost(pin->dev);
	wait_for_completion(&b->let_go);
}

void sys_memory_live(struct sys_bottom *b)
{
	mutex_lock(&b->kept_lock);
	b->live = true;
	mutex_unlock(&b->kept_lock);
}

void sys_memory_idle(struct sys_bottom *b)
{
	mutex_lock(&b->kept_lock);
	b->live = false;
	unlock_chain(b->kept);
	b->kept = NULL;
	complete(&b->let_go);
	mutex_unlock(&b->kept_lock);
}
