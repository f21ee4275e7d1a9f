// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * pages.c - memory of the process that becomes guest memory
 *
 * DOC: A page that is pinned is replaced, where it is, by a page of the guest's file
 * with the same content.  Whoever stores into it meanwhile faults and waits for the
 * end of that.  It stays the file's when it is unpinned, since nobody tells when the
 * process gives it back to the system; and because what is at its address may be
 * other memory by then, it is replaced anew by the next pin, and its room is free
 * then.  What a consumer registers may not be on its caller's stack.
 */
#include <signal.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include "frontend.h"
#include "kernel.h"

#define BUCKETS 4096u

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct page *bucket[BUCKETS]; /* by address; lock */

__thread unsigned ud_device;

struct page *pfn_to_page(u64 pfn)
{
	static __thread struct page it;

	it = (struct page){ .device = ud_device, .gpa = pfn << PAGE_SHIFT };
	return &it;
}

int vm_insert_page(struct vm_area_struct *vma, unsigned long at,
		   struct page *page)
{
	(void)vma;
	return fe_map_page(ud_fe(page->device), (void *)at, page->gpa, true);
}

/* --- stores that come while a page is replaced ---------------------------------- */

#define NOTHING 1ul
static unsigned long guarded = NOTHING; /* atomic: the page that is replaced */
static unsigned replaced;     /* atomic: how many were */
static struct sigaction before;

static void on_fault(int sig, siginfo_t *info, void *context)
{
	static __thread unsigned seen;
	unsigned now = __atomic_load_n(&replaced, __ATOMIC_ACQUIRE);
	unsigned long at = (unsigned long)info->si_addr & PAGE_MASK;

	(void)context;
	while (__atomic_load_n(&guarded, __ATOMIC_ACQUIRE) == at)
		;
	/* it may have ended since the fault; a fault of another kind comes back */
	if (seen == now && now == __atomic_load_n(&replaced, __ATOMIC_ACQUIRE))
		sigaction(sig, &before, NULL);
	seen = now;
}

void ud_pages_init(void)
{
	struct sigaction sa = { .sa_sigaction = on_fault,
				.sa_flags = SA_SIGINFO };

	if (!before.sa_handler && !before.sa_flags)
		sigaction(SIGSEGV, &sa, &before);
}

/* --- one page ------------------------------------------------------------------ */

/* Not by memcpy(): a sanitizer has an opinion about what lies between objects */
static bool copy_page(void *to, unsigned long from)
{
	struct iovec here = { to, PAGE_SIZE };
	struct iovec there = { (void *)from, PAGE_SIZE };

	return process_vm_readv(getpid(), &here, 1, &there, 1, 0) ==
	       (ssize_t)PAGE_SIZE;
}

static bool replace(struct fe *fe, struct page *p)
{
	bool ok;

	__atomic_store_n(&guarded, p->at, __ATOMIC_RELEASE);
	/* also where it was no sanitizer's business that it changes */
	ok = !p->writable ||
	     !syscall(SYS_mprotect, p->at, PAGE_SIZE, PROT_READ);
	ok = ok && copy_page(p->room, p->at) &&
	     !fe_map_page(fe, (void *)p->at, p->gpa, p->writable);
	__atomic_add_fetch(&replaced, 1, __ATOMIC_RELEASE);
	__atomic_store_n(&guarded, NOTHING, __ATOMIC_RELEASE);
	return ok;
}

static void refuse_stack(unsigned long at)
{
	unsigned long here = (unsigned long)__builtin_frame_address(0);

	if ((here & PAGE_MASK) == at)
		ud_warned("memory on the stack is registered", __FILE__,
			  __LINE__);
}

static struct page **slot_of(unsigned long at)
{
	struct page **p = &bucket[at / PAGE_SIZE % BUCKETS];

	while (*p && (*p)->at != at)
		p = &(*p)->next;
	return p;
}

static void give_back(struct page *p)
{
	fe_pages_free(ud_fe(p->device), p->room, 1, &p->gpa);
}

/* 0: it is in guest memory now */
static int take(struct page *p, unsigned long at, bool write)
{
	struct fe *fe = ud_fe(ud_device);
	struct page now = { .device = ud_device, .at = at, .writable = write,
			    .next = p->next };

	/* as the system's own pinning: mapped, and with that right */
	if (madvise((void *)at, PAGE_SIZE,
		    write ? MADV_POPULATE_WRITE : MADV_POPULATE_READ))
		return -EFAULT;
	now.room = fe_pages_alloc(fe, 1, &now.gpa);
	if (!now.room)
		return -ENOMEM;
	if (!replace(fe, &now)) {
		give_back(&now);
		return -EFAULT;
	}
	if (p->room)
		give_back(p);
	*p = now;
	return 0;
}

static struct page *pin_one(unsigned long at, bool write, int *err)
{
	struct page **slot = slot_of(at), *p = *slot;

	refuse_stack(at);
	*err = 0;
	if (p && p->pins) {
		/* another guest's memory it cannot be at the same time */
		if (p->device != ud_device || (write && !p->writable))
			*err = -EFAULT;
	} else {
		if (!p)
			p = calloc(1, sizeof(*p));
		*err = take(p, at, write);
		if (!*slot && *err)
			free(p);
		else
			*slot = p;
	}
	if (*err)
		return NULL;
	p->pins++;
	return p;
}

/* --- what pin.c calls ------------------------------------------------------------ */

long pin_user_pages_fast(unsigned long start, int n, unsigned int flags,
			 struct page **page)
{
	int i, err = 0;

	pthread_mutex_lock(&lock);
	for (i = 0; i < n; i++, start += PAGE_SIZE) {
		page[i] = pin_one(start, flags & FOLL_WRITE, &err);
		if (err)
			break;
	}
	pthread_mutex_unlock(&lock);
	return i ? i : err;
}

void unpin_user_pages_dirty_lock(struct page **page, unsigned long n, bool dirty)
{
	(void)dirty;
	pthread_mutex_lock(&lock);
	while (n--)
		if (!page[n]->pins--)
			ud_warned("unpinned twice", __FILE__, __LINE__);
	pthread_mutex_unlock(&lock);
}

bool ud_pages_forget(unsigned device)
{
	bool ok = true;

	pthread_mutex_lock(&lock);
	for (unsigned i = 0; i < BUCKETS; i++) {
		struct page **at = &bucket[i], *p;

		while ((p = *at)) {
			if (p->device != device) {
				at = &p->next;
				continue;
			}
			ok &= !p->pins;
			*at = p->next;
			give_back(p);
			free(p);
		}
	}
	pthread_mutex_unlock(&lock);
	return ok;
}
