// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * nt.c - NT's kernel for the Windows driver: memory, waiting, threads, processes
 */
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "nt_int.h"

pthread_mutex_t nt_lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t moved;

static __thread KIRQL irql;
static __thread struct nt_process *current;
static struct nt_process system_process = { .pid = 4 };
static struct fe *ram;
static PCREATE_PROCESS_NOTIFY_ROUTINE on_process;

void nt_stop(const char *what)
{
	fprintf(stderr, "nt: %s\n", what);
	abort();
}

/* --- what may fail --------------------------------------------------- */

static uint32_t failable, fail_at;	/* atomic */

void nt_fail_at(uint32_t n)
{
	__atomic_store_n(&failable, 0, __ATOMIC_SEQ_CST);
	__atomic_store_n(&fail_at, n, __ATOMIC_SEQ_CST);
}

uint32_t nt_failable(void)
{
	return __atomic_load_n(&failable, __ATOMIC_SEQ_CST);
}

bool nt_fails(void)
{
	uint32_t n = __atomic_add_fetch(&failable, 1, __ATOMIC_SEQ_CST);

	return n == __atomic_load_n(&fail_at, __ATOMIC_SEQ_CST);
}

/* --- levels --------------------------------------------------- */

KIRQL nt_irql(void)
{
	return irql;
}

void nt_at_most(KIRQL most, const char *who)
{
	if (irql <= most)
		return;
	fprintf(stderr, "nt: %s at level %u, at most %u is allowed\n", who, irql,
		most);
	abort();
}

void nt_at(KIRQL level, void (*fn)(void *arg), void *arg)
{
	KIRQL was = irql;

	irql = level;
	fn(arg);
	if (irql != level)
		nt_stop("a routine came back at another level");
	irql = was;
}

/* --- locks --------------------------------------------------- */

_Static_assert(sizeof(pthread_mutex_t) <= sizeof(KSPIN_LOCK), "lock");

VOID KeInitializeSpinLock(KSPIN_LOCK *l)
{
	pthread_mutex_init((pthread_mutex_t *)l, NULL);
}

VOID KeAcquireSpinLock(KSPIN_LOCK *l, KIRQL *was)
{
	nt_at_most(DISPATCH_LEVEL, __func__);
	*was = irql;
	irql = DISPATCH_LEVEL;
	pthread_mutex_lock((pthread_mutex_t *)l);
}

VOID KeReleaseSpinLock(KSPIN_LOCK *l, KIRQL was)
{
	pthread_mutex_unlock((pthread_mutex_t *)l);
	irql = was;
}

VOID ExInitializeFastMutex(FAST_MUTEX *m)
{
	pthread_mutex_init((pthread_mutex_t *)m->opaque, NULL);
}

VOID ExAcquireFastMutex(FAST_MUTEX *m)
{
	KIRQL was = irql;

	nt_at_most(APC_LEVEL, __func__);
	pthread_mutex_lock((pthread_mutex_t *)m->opaque);
	m->irql = was;
	irql = APC_LEVEL;
}

VOID ExReleaseFastMutex(FAST_MUTEX *m)
{
	KIRQL was = m->irql;

	pthread_mutex_unlock((pthread_mutex_t *)m->opaque);
	irql = was;
}

/* --- waiting --------------------------------------------------- */

enum {
	NOTIFICATION = 1,
	SYNCHRONIZATION,
	SEMAPHORE,
	THREAD,
	PROCESS,
};

void nt_wake(void)
{
	pthread_cond_broadcast(&moved);
}

static void set_signals(struct nt_object *o, int signals)
{
	nt_at_most(DISPATCH_LEVEL, __func__);
	pthread_mutex_lock(&nt_lock);
	o->signals = signals;
	nt_wake();
	pthread_mutex_unlock(&nt_lock);
}

VOID KeInitializeEvent(KEVENT *e, int type, BOOLEAN set)
{
	e->object = (struct nt_object){
		.kind = type == NotificationEvent ? NOTIFICATION :
						    SYNCHRONIZATION,
		.signals = set,
	};
}

LONG KeSetEvent(KEVENT *e, LONG increment, BOOLEAN wait)
{
	(void)increment;
	(void)wait;
	set_signals(&e->object, 1);
	return 0;
}

VOID KeClearEvent(KEVENT *e)
{
	set_signals(&e->object, 0);
}

VOID KeInitializeSemaphore(KSEMAPHORE *s, LONG count, LONG limit)
{
	(void)limit;
	s->object = (struct nt_object){ .kind = SEMAPHORE, .signals = count };
}

LONG KeReleaseSemaphore(KSEMAPHORE *s, LONG increment, LONG n, BOOLEAN wait)
{
	(void)increment;
	(void)wait;
	nt_at_most(DISPATCH_LEVEL, __func__);
	pthread_mutex_lock(&nt_lock);
	s->object.signals += n;
	nt_wake();
	pthread_mutex_unlock(&nt_lock);
	return 0;
}

static struct timespec after(int64_t ns)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	t.tv_sec += ns / 1000000000;
	t.tv_nsec += ns % 1000000000;
	if (t.tv_nsec >= 1000000000) {
		t.tv_sec++;
		t.tv_nsec -= 1000000000;
	}
	return t;
}

/* nt_lock held; false: the time is up */
bool nt_sleep(const struct timespec *until)
{
	if (until)
		return pthread_cond_timedwait(&moved, &nt_lock, until) !=
		       ETIMEDOUT;
	pthread_cond_wait(&moved, &nt_lock);
	return true;
}

NTSTATUS KeWaitForSingleObject(PVOID object, int reason, int mode,
			       BOOLEAN alertable, LARGE_INTEGER *timeout)
{
	struct nt_object *o = object;
	struct timespec until;
	bool got, more = true;

	(void)reason;
	(void)mode;
	(void)alertable;
	nt_at_most(timeout && !timeout->QuadPart ? DISPATCH_LEVEL : APC_LEVEL,
		   __func__);
	if (timeout)
		until = after(-timeout->QuadPart * 100);
	pthread_mutex_lock(&nt_lock);
	while (!o->signals && more)
		more = nt_sleep(timeout ? &until : NULL);
	got = o->signals != 0;
	if (got && (o->kind == SYNCHRONIZATION || o->kind == SEMAPHORE))
		o->signals--;
	pthread_mutex_unlock(&nt_lock);
	return got ? STATUS_SUCCESS : STATUS_TIMEOUT;
}

uint64_t KeQueryInterruptTime(VOID)
{
	struct timespec t = after(0);

	return (uint64_t)t.tv_sec * 10000000 + (uint64_t)t.tv_nsec / 100;
}

VOID KeStallExecutionProcessor(ULONG us)
{
	(void)us;
	sched_yield();
}

/* --- threads and objects --------------------------------------------------- */

struct thread {
	struct nt_object object;
	PKSTART_ROUTINE fn;
	PVOID arg;
};

static void put_object(struct nt_object *o)
{
	int left;

	pthread_mutex_lock(&nt_lock);
	left = --o->refs;
	pthread_mutex_unlock(&nt_lock);
	if (left < 0)
		nt_stop("an object is given back too often");
	if (!left)
		free(o);
}

static void *run_thread(void *arg)
{
	struct thread *t = arg;

	t->fn(t->arg);
	if (irql)
		nt_stop("a thread ends at a raised level");
	set_signals(&t->object, 1);
	put_object(&t->object);
	return NULL;
}

NTSTATUS PsCreateSystemThread(HANDLE *out, ULONG access, void *attributes,
			      HANDLE process, void *client, PKSTART_ROUTINE fn,
			      PVOID arg)
{
	struct thread *t;
	pthread_t id;

	(void)access;
	(void)attributes;
	(void)process;
	(void)client;
	nt_at_most(PASSIVE_LEVEL, __func__);
	if (nt_fails())
		return STATUS_INSUFFICIENT_RESOURCES;
	t = calloc(1, sizeof(*t));
	/* the handle's and its own */
	t->object = (struct nt_object){ .kind = THREAD, .refs = 2 };
	t->fn = fn;
	t->arg = arg;
	if (pthread_create(&id, NULL, run_thread, t))
		nt_stop("no thread");
	pthread_detach(id);
	*out = t;
	return STATUS_SUCCESS;
}

NTSTATUS PsTerminateSystemThread(NTSTATUS status)
{
	nt_at_most(PASSIVE_LEVEL, __func__);
	return status;
}

NTSTATUS ObReferenceObjectByHandle(HANDLE h, ACCESS_MASK access, void *type,
				   int mode, PVOID *out, void *info)
{
	(void)access;
	(void)type;
	(void)mode;
	(void)info;
	nt_at_most(PASSIVE_LEVEL, __func__);
	ObReferenceObject(h);
	*out = h;
	return STATUS_SUCCESS;
}

VOID ObReferenceObject(PVOID object)
{
	struct nt_object *o = object;

	nt_at_most(DISPATCH_LEVEL, __func__);
	pthread_mutex_lock(&nt_lock);
	o->refs++;
	pthread_mutex_unlock(&nt_lock);
}

VOID ObDereferenceObject(PVOID object)
{
	nt_at_most(DISPATCH_LEVEL, __func__);
	put_object(object);
}

NTSTATUS ZwClose(HANDLE h)
{
	nt_at_most(PASSIVE_LEVEL, __func__);
	put_object(h);
	return STATUS_SUCCESS;
}

/* --- the machine's memory --------------------------------------------------- */

struct piece {				/* of whole pages, nt_lock */
	struct piece *next;
	uint8_t *va;
	uint32_t pages;
	uint64_t gpa[];
};
static struct piece *pool;

static struct piece *piece_new(uint32_t pages)
{
	struct piece *p = malloc(sizeof(*p) + pages * sizeof(p->gpa[0]));

	p->pages = pages;
	p->va = fe_pages_alloc(ram, pages, p->gpa);
	if (p->va)
		return p;
	free(p);
	return NULL;
}

static void piece_free(struct piece *p)
{
	fe_pages_free(ram, p->va, p->pages, p->gpa);
	free(p);
}

static struct piece **piece_at(struct piece **at, const void *va)
{
	while (*at && (*at)->va != va)
		at = &(*at)->next;
	return at;
}

PVOID ExAllocatePoolWithTag(POOL_TYPE type, SIZE_T size, ULONG tag)
{
	struct piece *p;

	(void)tag;
	nt_at_most(DISPATCH_LEVEL, __func__);
	if (type != 512)
		nt_stop("pool that could be executed");
	if (nt_fails())
		return NULL;
	if (!size || size % PAGE_SIZE)
		return malloc(size);
	p = piece_new((uint32_t)(size / PAGE_SIZE));
	if (!p)
		return NULL;
	memset(p->va, 0xa5, size);
	pthread_mutex_lock(&nt_lock);
	p->next = pool;
	pool = p;
	pthread_mutex_unlock(&nt_lock);
	return p->va;
}

VOID ExFreePoolWithTag(PVOID va, ULONG tag)
{
	struct piece **at, *p;

	(void)tag;
	nt_at_most(DISPATCH_LEVEL, __func__);
	pthread_mutex_lock(&nt_lock);
	at = piece_at(&pool, va);
	p = *at;
	if (p)
		*at = p->next;
	pthread_mutex_unlock(&nt_lock);
	if (p)
		piece_free(p);
	else
		free(va);
}

/* Of memory of the heap: there is none, the front end's assertion tells */
PHYSICAL_ADDRESS MmGetPhysicalAddress(PVOID va)
{
	return (PHYSICAL_ADDRESS){ .QuadPart = (int64_t)fe_gpa(ram, va) };
}

/* --- MDLs --------------------------------------------------- */

struct mdl {
	MDL mdl;
	struct nt_process *locked;	/* whose pages these are */
	bool mapped, built;
	uint64_t gpa[];
};

static __thread jmp_buf *catcher;

/* As the exception that NT raises */
static __attribute__((noreturn)) void raise_status(NTSTATUS status)
{
	if (!catcher)
		nt_stop("an exception that nobody catches");
	longjmp(*catcher, (int)status);
}

NTSTATUS vrw_guarded(struct vrw_call *c)
{
	ULONG_PTR (*fn)(ULONG_PTR a, ULONG_PTR b, ULONG_PTR d, ULONG_PTR e,
			ULONG_PTR f, ULONG_PTR g);
	jmp_buf *volatile outer = catcher;
	jmp_buf here;
	int status;

	memcpy(&fn, &c->fn, sizeof(fn));
	status = setjmp(here);
	if (!status) {
		catcher = &here;
		c->result = fn(c->arg[0], c->arg[1], c->arg[2], c->arg[3],
			       c->arg[4], c->arg[5]);
	}
	catcher = outer;
	return status;
}

static uint64_t pages_of(const MDL *m)
{
	return (m->va % PAGE_SIZE + m->length + PAGE_SIZE - 1) / PAGE_SIZE;
}

MDL *IoAllocateMdl(PVOID va, ULONG length, BOOLEAN secondary, BOOLEAN quota,
		   void *irp)
{
	MDL plain = { .va = (uintptr_t)va, .length = length };
	struct mdl *m;

	(void)secondary;
	(void)quota;
	(void)irp;
	nt_at_most(DISPATCH_LEVEL, __func__);
	if (nt_fails())
		return NULL;
	m = calloc(1, sizeof(*m) + pages_of(&plain) * sizeof(m->gpa[0]));
	m->mdl = plain;
	m->mdl.pages = m->gpa;
	return &m->mdl;
}

static struct mdl *to_mdl(MDL *m)
{
	return (struct mdl *)m;
}

VOID IoFreeMdl(MDL *mdl)
{
	nt_at_most(DISPATCH_LEVEL, __func__);
	if (to_mdl(mdl)->locked || to_mdl(mdl)->mapped)
		nt_stop("an MDL is freed with pages locked or mapped");
	free(mdl);
}

static void fill_pages(MDL *mdl)
{
	uint8_t *va = (uint8_t *)(uintptr_t)(mdl->va & ~(uint64_t)(PAGE_SIZE - 1));
	uint64_t i, n = pages_of(mdl);

	for (i = 0; i < n; i++)
		to_mdl(mdl)->gpa[i] = fe_gpa(ram, va + i * PAGE_SIZE);
}

VOID MmBuildMdlForNonPagedPool(MDL *mdl)
{
	nt_at_most(DISPATCH_LEVEL, __func__);
	fill_pages(mdl);
	to_mdl(mdl)->built = true;
}

static bool is_users(struct nt_process *p, const MDL *m, bool write)
{
	const struct nt_range *r;
	bool found = false;

	pthread_mutex_lock(&nt_lock);
	for (r = p->ranges; r; r = r->next)
		if (m->va >= (uintptr_t)r->va &&
		    m->va + m->length <= (uintptr_t)r->va +
						 (uint64_t)r->pages * PAGE_SIZE)
			found = !write || !r->read_only;
	if (found)
		p->locked += (uint32_t)pages_of(m);
	pthread_mutex_unlock(&nt_lock);
	return found;
}

VOID MmProbeAndLockPages(MDL *mdl, ULONG_PTR mode, ULONG_PTR how)
{
	nt_at_most(APC_LEVEL, __func__);
	if (mode != UserMode || to_mdl(mdl)->locked)
		nt_stop("MmProbeAndLockPages");
	if (nt_fails())
		raise_status(STATUS_WORKING_SET_QUOTA);
	if (!is_users(IoGetCurrentProcess(), mdl, how != IoReadAccess))
		raise_status(STATUS_ACCESS_VIOLATION);
	fill_pages(mdl);
	to_mdl(mdl)->locked = IoGetCurrentProcess();
}

VOID MmUnlockPages(MDL *mdl)
{
	struct nt_process *p = to_mdl(mdl)->locked;

	nt_at_most(DISPATCH_LEVEL, __func__);
	if (!p)
		nt_stop("pages are unlocked that are not locked");
	pthread_mutex_lock(&nt_lock);
	p->locked -= (uint32_t)pages_of(mdl);
	pthread_mutex_unlock(&nt_lock);
	to_mdl(mdl)->locked = NULL;
}

/* A process sees the pool where it is */
PVOID MmMapLockedPagesSpecifyCache(MDL *mdl, ULONG_PTR mode, ULONG_PTR cache,
				   PVOID want, ULONG_PTR bug_check,
				   ULONG_PTR priority)
{
	(void)want;
	nt_at_most(APC_LEVEL, __func__);
	if (mode != UserMode || cache != MmCached || bug_check ||
	    !(priority & 0x40000000) || !to_mdl(mdl)->built ||
	    to_mdl(mdl)->mapped)
		nt_stop("MmMapLockedPagesSpecifyCache");
	if (nt_fails())
		raise_status(STATUS_INSUFFICIENT_RESOURCES);
	pthread_mutex_lock(&nt_lock);
	IoGetCurrentProcess()->views++;
	pthread_mutex_unlock(&nt_lock);
	to_mdl(mdl)->mapped = true;
	return (PVOID)(uintptr_t)mdl->va;
}

VOID MmUnmapLockedPages(PVOID va, MDL *mdl)
{
	struct nt_process *p = IoGetCurrentProcess();

	nt_at_most(APC_LEVEL, __func__);
	pthread_mutex_lock(&nt_lock);
	if (!to_mdl(mdl)->mapped || (uintptr_t)va != mdl->va || !p->views)
		nt_stop("unmapped in a process that it was not mapped in");
	p->views--;
	pthread_mutex_unlock(&nt_lock);
	to_mdl(mdl)->mapped = false;
}

/* --- processes --------------------------------------------------- */

PEPROCESS IoGetCurrentProcess(VOID)
{
	return current ? current : &system_process;
}

HANDLE PsGetProcessId(PEPROCESS process)
{
	return (HANDLE)process->pid;
}

VOID KeStackAttachProcess(PEPROCESS process, struct vrw_apc_state *state)
{
	nt_at_most(DISPATCH_LEVEL, __func__);
	if (process->ended)
		nt_stop("attached to a process that is gone");
	state->opaque[0] = (uintptr_t)current;
	current = process;
}

VOID KeUnstackDetachProcess(struct vrw_apc_state *state)
{
	current = (struct nt_process *)state->opaque[0];
}

NTSTATUS PsSetCreateProcessNotifyRoutine(PCREATE_PROCESS_NOTIFY_ROUTINE fn,
					 BOOLEAN remove)
{
	nt_at_most(PASSIVE_LEVEL, __func__);
	if (remove != (on_process == fn))
		nt_stop("PsSetCreateProcessNotifyRoutine");
	if (!remove && nt_fails())
		return STATUS_INVALID_PARAMETER;
	on_process = remove ? NULL : fn;
	return STATUS_SUCCESS;
}

struct nt_process *nt_process_new(void)
{
	static uintptr_t pids = 100;
	struct nt_process *p = calloc(1, sizeof(*p));

	p->object = (struct nt_object){ .kind = PROCESS, .refs = 1 };
	p->pid = __atomic_add_fetch(&pids, 4, __ATOMIC_SEQ_CST);
	return p;
}

void nt_enter(struct nt_process *p)
{
	current = p;
}

uint32_t nt_locked_pages(struct nt_process *p)
{
	uint32_t n;

	pthread_mutex_lock(&nt_lock);
	n = p->locked;
	pthread_mutex_unlock(&nt_lock);
	return n;
}

void *nt_user_alloc(struct nt_process *p, uint32_t pages, bool read_only)
{
	struct nt_range *r = calloc(1, sizeof(*r));

	r->piece = piece_new(pages);
	r->va = r->piece->va;
	r->pages = pages;
	r->read_only = read_only;
	pthread_mutex_lock(&nt_lock);
	r->next = p->ranges;
	p->ranges = r;
	pthread_mutex_unlock(&nt_lock);
	return r->va;
}

void nt_process_exit(struct nt_process *p)
{
	struct nt_process *was = current;
	struct nt_range *r;

	current = p;
	if (on_process)
		on_process(NULL, PsGetProcessId(p), FALSE);
	nt_close_all(p);
	if (p->locked)
		nt_stop("PROCESS_HAS_LOCKED_PAGES");
	if (p->views)
		nt_stop("a process ends with pages of the driver mapped");
	p->ended = true;
	while ((r = p->ranges)) {
		p->ranges = r->next;
		piece_free(r->piece);
		free(r);
	}
	current = was == p ? NULL : was;
	put_object(&p->object);
}

/* --- the machine --------------------------------------------------- */

void nt_boot(struct fe *fe)
{
	pthread_condattr_t a;

	pthread_condattr_init(&a);
	pthread_condattr_setclock(&a, CLOCK_MONOTONIC);
	pthread_cond_init(&moved, &a);
	ram = fe;
	nt_fail_at(0);
}

void nt_halt(void)
{
	if (pool)
		nt_stop("pages of pool are left");
	if (on_process)
		nt_stop("the driver still wants to hear of processes");
	if (nt_devices())
		nt_stop("a device is left");
}

ULONG DbgPrint(const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	vfprintf(stderr, fmt, args);
	va_end(args);
	return 0;
}

int _vsnprintf(char *out, size_t size, const char *fmt, va_list args)
{
	return vsnprintf(out, size, fmt, args);
}
