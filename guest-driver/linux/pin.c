// SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-or-later
/*
 * pin.c - memory of a process that the device may touch
 *
 * DOC: Pinned pages are charged to the process' RLIMIT_MEMLOCK.  The mm is only
 * held (mmgrab) for that account: the pages do not depend on it.
 */
#include <linux/mm.h>
#include <linux/sched/mm.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>
#include <linux/version.h>
#include <linux/vmalloc.h>

#include "vrlf.h"

#define PIN_BATCH	4096	/* pages between two looks at signals */

static bool charge(struct vrl_pin *pin)
{
	unsigned long limit = rlimit(RLIMIT_MEMLOCK) >> PAGE_SHIFT;
	struct mm_struct *mm = current->mm;

	if (atomic64_add_return(pin->count, &mm->pinned_vm) > limit &&
	    !capable(CAP_IPC_LOCK)) {
		atomic64_sub(pin->count, &mm->pinned_vm);
		return false;
	}
	mmgrab(mm);
	pin->mm = mm;
	return true;
}

static void uncharge(struct vrl_pin *pin)
{
	if (!pin->mm)
		return;
	atomic64_sub(pin->count, &pin->mm->pinned_vm);
	mmdrop(pin->mm);
	pin->mm = NULL;
}

static void unpin(struct vrl_pin *pin, unsigned long pinned)
{
	if (pinned)
		unpin_user_pages_dirty_lock(pin->page, pinned, pin->writable);
	kvfree(pin->page);
	kvfree(pin->dma);
	pin->page = NULL;
	pin->dma = NULL;
	uncharge(pin);
}

static NTSTATUS pin_status(long err)
{
	if (err == -ENOMEM)
		return STATUS_INSUFFICIENT_RESOURCES;
	return err == -EINTR ? STATUS_CANCELLED : STATUS_ACCESS_VIOLATION;
}

static long pin_batch(struct vrl_pin *pin, unsigned long start, unsigned long done)
{
	int n = min_t(unsigned long, pin->count - done, PIN_BATCH);
	unsigned int flags = FOLL_LONGTERM | (pin->writable ? FOLL_WRITE : 0);
	long got;

	if (fatal_signal_pending(current))
		return -EINTR;
	got = pin_user_pages_fast(start + done * PAGE_SIZE, n, flags,
				  pin->page + done);
	cond_resched();
	return got ?: -EFAULT;
}

/*
 * Pages are asked for as writable even for a region that the device only reads:
 * that breaks copy-on-write now, so that device and process keep seeing the
 * same page.  Memory mapped read-only is taken as it is where the kernel makes
 * such pins reliable (6.2).
 */
static bool may_pin_read_only(const struct vrl_pin *pin, u32 flags, long err,
			      unsigned long done)
{
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 2, 0)
	return pin->writable && !done && err == -EFAULT &&
	       !(flags & NDK_MR_FLAG_ALLOW_LOCAL_WRITE);
#else
	return false;
#endif
}

static NTSTATUS pin_pages(struct vrl_pin *pin, u64 address, u32 flags)
{
	unsigned long start = address & PAGE_MASK;
	unsigned long done = 0;
	long got;

	pin->writable = true;
	while (done < pin->count) {
		got = pin_batch(pin, start, done);
		if (got > 0) {
			done += got;
		} else if (may_pin_read_only(pin, flags, got, done)) {
			pin->writable = false;
		} else {
			unpin(pin, done);
			return pin_status(got);
		}
	}
	return STATUS_SUCCESS;
}

NTSTATUS vrl_pin(struct vrl_file *f, struct vrl_pin *pin, u64 address,
		 u64 length, u32 flags)
{
	NTSTATUS status;
	unsigned long i;

	pin->count = ((address & ~PAGE_MASK) + length + PAGE_SIZE - 1) >>
		     PAGE_SHIFT;
	if (!charge(pin))
		return STATUS_INSUFFICIENT_RESOURCES;
	pin->page = kvmalloc_array(pin->count, sizeof(*pin->page),
				   GFP_KERNEL_ACCOUNT);
	pin->dma = kvmalloc_array(pin->count, sizeof(*pin->dma),
				  GFP_KERNEL_ACCOUNT);
	if (!pin->page || !pin->dma) {
		unpin(pin, 0);
		return STATUS_INSUFFICIENT_RESOURCES;
	}
	status = pin_pages(pin, address, flags);
	if (status != STATUS_SUCCESS)
		return status;
	for (i = 0; i < pin->count; i++)
		pin->dma[i] = page_to_phys(pin->page[i]);
	pin->mdl = (MDL){
		.va = address, .length = length, .pages = pin->dma,
	};
	return STATUS_SUCCESS;
}

/* A process may end under pages that are pinned: they stay so */
void vrl_pin_keep(struct vrl_pin *pin)
{
	(void)pin;
}

void vrl_unpin(struct vrl_pin *pin)
{
	if (pin->page)
		unpin(pin, pin->count);
}

MDL *vrl_pin_mdl(struct vrl_pin *pin)
{
	return &pin->mdl;
}
