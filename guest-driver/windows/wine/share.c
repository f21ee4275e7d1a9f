/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-or-later */
/*
 * share.c - which pages of a program are in guest memory
 *
 * DOC: The life of a shared page
 *
 * A page has an entry from the SHARE that gave it room until its process is
 * gone: nobody tells when a program gives memory back to the system, and as long as
 * it has not, its page is the file's.  So room is not given away while the
 * process lives, but for this: a page that no registration pins is given new
 * room by the next SHARE, since what is at its address may be other memory by
 * now; the old room is free when the registration that follows is made, for
 * then the new room has been mapped over it.
 */
#include "bottom.h"

#define BUCKETS	4096u

struct shared_page {
	struct shared_page *next;
	u64 number;			/* address / PAGE_SIZE */
	u64 offset;			/* of its room */
	u64 old;			/* room to free, 0: none */
	u32 pins;
};

struct shared_process {
	struct list_head node;
	HANDLE pid;
	int linux_pid;
	struct shared_page *bucket[BUCKETS];
	struct shared_page *limbo;	/* room that may still be mapped */
};

/* --- processes --------------------------------------------------------------------- */

static void pages_free(struct wine_bottom *b, struct shared_page *page)
{
	struct shared_page *next;

	for (; page; page = next) {
		next = page->next;
		wine_ram_free(b, page->offset, 1);
		if (page->old)
			wine_ram_free(b, page->old, 1);
		kfree(page);
	}
}

static void process_free(struct wine_bottom *b, struct shared_process *p)
{
	u32 i;

	list_del(&p->node);
	for (i = 0; i < BUCKETS; i++)
		pages_free(b, p->bucket[i]);
	pages_free(b, p->limbo);
	kfree(p);
}

static bool is_gone(const struct shared_process *p)
{
	return lx(LX_kill, p->linux_pid, 0, 0, 0, 0, 0) == -3;	/* ESRCH */
}

static bool is_pinned(const struct shared_process *p)
{
	const struct shared_page *page;
	u32 i;

	for (i = 0; i < BUCKETS; i++)
		for (page = p->bucket[i]; page; page = page->next)
			if (page->pins)
				return true;
	return false;
}

/* The dead go when their registrations have */
static void sweep(struct wine_bottom *b)
{
	struct shared_process *p, *next;

	list_for_each_entry_safe(p, next, &b->processes, node)
		if (is_gone(p) && !is_pinned(p))
			process_free(b, p);
}

static struct shared_process *find_process(struct wine_bottom *b, HANDLE pid)
{
	struct shared_process *p;

	list_for_each_entry(p, &b->processes, node)
		if (p->pid == pid && !is_gone(p))
			return p;
	return NULL;
}

static bool add_process(struct wine_bottom *b, HANDLE pid, u32 linux_pid)
{
	struct shared_process *p;

	sweep(b);
	if (find_process(b, pid))
		return true;
	p = kzalloc(sizeof(*p), GFP_KERNEL);
	if (!p)
		return false;
	p->pid = pid;
	p->linux_pid = (int)linux_pid;
	list_add_tail(&p->node, &b->processes);
	return true;
}

void wine_share_fini(struct wine_bottom *b)
{
	struct shared_process *p, *next;

	list_for_each_entry_safe(p, next, &b->processes, node)
		process_free(b, p);
}

/* --- pages -------------------------------------------------------------------------- */

static struct shared_page **page_slot(struct shared_process *p, u64 number)
{
	struct shared_page **at = &p->bucket[number % BUCKETS];

	while (*at && (*at)->number != number)
		at = &(*at)->next;
	return at;
}

static bool has_pin(struct shared_process *p, u64 number)
{
	struct shared_page *page = *page_slot(p, number);

	return page && page->pins;
}

/* Room that is free only when the process is gone */
static void keep_in_limbo(struct shared_process *p, struct shared_page *page)
{
	page->next = p->limbo;
	p->limbo = page;
}

/*
 * A SHARE that no registration followed leaves three rooms, of which only the
 * process knows which one it has mapped.
 */
static bool give_room(struct shared_process *p, u64 number, u64 offset)
{
	struct shared_page **slot = page_slot(p, number), *page = *slot;
	struct shared_page *spare = NULL;

	if (!page || page->old) {
		spare = kzalloc(sizeof(*spare), GFP_KERNEL);
		if (!spare)
			return false;
	}
	if (!page) {
		page = *slot = spare;
		page->number = number;
	} else if (page->old) {
		spare->offset = page->old;
		keep_in_limbo(p, spare);
	}
	page->old = page->offset;
	page->offset = offset;
	return true;
}

/* --- SHARE ------------------------------------------------------------------------- */

#define SHARE_MAX	16384u		/* pages of one answer */

/* The first run of pages from *first on, before end, that nothing pins */
static u64 unpinned_run(struct shared_process *p, u64 *first, u64 end)
{
	u64 n = 0;

	while (*first < end && has_pin(p, *first))
		++*first;
	while (*first + n < end && n < SHARE_MAX && !has_pin(p, *first + n))
		n++;
	return n;
}

static NTSTATUS share_run(struct wine_bottom *b, struct shared_process *p,
			  struct vrdma_wine_share *a, u64 end)
{
	u64 first = a->address / PAGE_SIZE;
	u64 n = unpinned_run(p, &first, end);
	u64 i, room = n ? wine_ram_alloc(b, n) : 0;

	a->address = first * PAGE_SIZE;
	a->length = n * PAGE_SIZE;
	a->offset = room;
	if (!n)
		return STATUS_SUCCESS;
	for (i = 0; room && i < n; i++)
		if (!give_room(p, first + i, room + i * PAGE_SIZE))
			break;
	if (room && i == n)
		return STATUS_SUCCESS;
	/* what has entries is kept with them */
	if (room)
		wine_ram_free(b, room + i * PAGE_SIZE, n - i);
	return STATUS_INSUFFICIENT_RESOURCES;
}

static NTSTATUS share(struct wine_bottom *b, HANDLE pid,
		      struct vrdma_wine_share *a)
{
	struct shared_process *p;
	NTSTATUS status = STATUS_INVALID_DEVICE_STATE;

	if (a->reserved || a->address % PAGE_SIZE || a->length % PAGE_SIZE ||
	    !a->address || a->length > (u64)MAXLONG_PTR ||
	    a->address > (u64)MAXLONG_PTR - a->length)
		return STATUS_INVALID_PARAMETER;
	mutex_lock(&b->share_lock);
	p = find_process(b, pid);
	if (p)
		status = share_run(b, p, a,
				   (a->address + a->length) / PAGE_SIZE);
	mutex_unlock(&b->share_lock);
	return status;
}

static NTSTATUS tell_ram(struct wine_bottom *b, HANDLE pid,
			 struct vrdma_wine_ram *a)
{
	bool ok;

	mutex_lock(&b->share_lock);
	ok = add_process(b, pid, a->self);
	mutex_unlock(&b->share_lock);
	a->pid = (u32)b->pid;
	a->fd = (u32)b->ram_fd;
	return ok ? STATUS_SUCCESS : STATUS_INSUFFICIENT_RESOURCES;
}

NTSTATUS wine_ioctl(struct vrl_dev *dev, ULONG code, HANDLE pid, void *buf,
		    ULONG in, ULONG *size)
{
	struct wine_bottom *b = dev->bottom_data;
	ULONG want = code == VRDMA_WINE_RAM ? sizeof(struct vrdma_wine_ram) :
		     code == VRDMA_WINE_SHARE ? sizeof(struct vrdma_wine_share) :
						0;

	if (!want)
		return STATUS_INVALID_DEVICE_REQUEST;
	if (in != want || *size < want)
		return STATUS_INVALID_BUFFER_SIZE;
	*size = want;
	*(u32 *)buf = (u32)(code == VRDMA_WINE_RAM ? tell_ram(b, pid, buf) :
						     share(b, pid, buf));
	return STATUS_SUCCESS;
}

/* --- registration ---------------------------------------------------------------------- */

#define MDL_MAX	(1ull << 30)		/* bytes that one describes */

static MDL *mdl_new(u64 address, u64 length)
{
	u64 pages = (address % PAGE_SIZE + length + PAGE_SIZE - 1) / PAGE_SIZE;
	MDL *m = kzalloc(sizeof(*m) + pages * sizeof(PFN_NUMBER), GFP_KERNEL);

	if (!m)
		return NULL;
	m->Size = sizeof(*m);
	m->StartVa = (PVOID)(ULONG_PTR)(address & ~(u64)(PAGE_SIZE - 1));
	m->ByteOffset = address % PAGE_SIZE;
	m->ByteCount = (ULONG)length;
	return m;
}

/* As many as it takes, each but the first from a page's start on */
static bool mdl_chain(struct vrl_pin *pin)
{
	u64 at = pin->address, left = pin->length;
	MDL **next = &pin->mdl;

	while (left) {
		u64 n = min_t(u64, left, MDL_MAX - at % PAGE_SIZE);

		*next = mdl_new(at, n);
		if (!*next)
			return false;
		next = &(*next)->Next;
		at += n;
		left -= n;
	}
	return true;
}

static void mdl_free(MDL *m)
{
	MDL *next;

	for (; m; m = next) {
		next = m->Next;
		kfree(m);
	}
}

/* false: not all of it was shared */
static bool pin_pages(struct wine_bottom *b, struct shared_process *p,
		      struct vrl_pin *pin)
{
	u64 number = pin->address / PAGE_SIZE, i;
	struct shared_page *page;
	MDL *m = pin->mdl;
	u64 k = 0, here;

	for (i = 0; i < pin->count; i++)
		if (!*page_slot(p, number + i))
			return false;
	for (i = 0; i < pin->count; i++) {
		page = *page_slot(p, number + i);
		page->pins++;
		if (page->old)
			wine_ram_free(b, page->old, 1);
		page->old = 0;
		MmGetMdlPfnArray(m)[k++] = (WINE_GPA + page->offset) /
					   PAGE_SIZE;
		here = (m->ByteOffset + (u64)m->ByteCount + PAGE_SIZE - 1) /
		       PAGE_SIZE;
		if (k == here) {
			m = m->Next;
			k = 0;
		}
	}
	return true;
}

NTSTATUS wine_pin(struct vrl_pin *pin, HANDLE pid)
{
	struct wine_bottom *b = pin->dev->bottom_data;
	struct shared_process *p;
	bool ok = false;

	if (!mdl_chain(pin)) {
		mdl_free(pin->mdl);
		return STATUS_INSUFFICIENT_RESOURCES;
	}
	mutex_lock(&b->share_lock);
	p = find_process(b, pid);
	if (p)
		ok = pin_pages(b, p, pin);
	pin->bottom = p;
	mutex_unlock(&b->share_lock);
	if (ok)
		return STATUS_SUCCESS;
	mdl_free(pin->mdl);
	return STATUS_ACCESS_VIOLATION;
}

void wine_unpin(struct vrl_pin *pin)
{
	struct wine_bottom *b = pin->dev->bottom_data;
	struct shared_process *p = pin->bottom;
	u64 number = pin->address / PAGE_SIZE, i;

	mutex_lock(&b->share_lock);
	for (i = 0; i < pin->count; i++)
		(*page_slot(p, number + i))->pins--;
	mutex_unlock(&b->share_lock);
	mdl_free(pin->mdl);
}
