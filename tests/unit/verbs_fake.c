/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * verbs_fake.c - the fake's lock, its plan of faults, its count of what lives
 *
 * DOC: One lock around everything: the backend's helpers and the test meet
 * here, and nothing here is fast.  No calloc() inside: that one can be made to
 * fail, and takes the lock to ask.
 */
#include <fcntl.h>
#include <stdarg.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "verbs_fake_int.h"

const char *const fv_call_name[FV_CALLS] = {
#define FV_NAME(name) #name,
	FV_CALL_LIST(FV_NAME)
#undef FV_NAME
};

struct fk fk = { .lock = PTHREAD_MUTEX_INITIALIZER,
		 .changed = PTHREAD_COND_INITIALIZER };

/* ------------------------------------------------------------------- waiting */

static void wait_changed(const char *what)
{
	struct timespec end;

	clock_gettime(CLOCK_REALTIME, &end);
	end.tv_sec += FK_WAIT_S;
	if (pthread_cond_timedwait(&fk.changed, &fk.lock, &end))
		ck_abort_msg("deadlock: %s for %d s", what, FK_WAIT_S);
}

void fk_wait_zero(const unsigned int *count, const char *what)
{
	while (*count)
		wait_changed(what);
}

/* -------------------------------------------------------------------- faults */

int fv_fault(enum fv_call call)
{
	int err = 0;

	fk_lock();
	fk.calls[call]++;
	fk.inside[call]++;
	pthread_cond_broadcast(&fk.changed);
	while (fk.hold[call])
		wait_changed(fv_call_name[call]);
	fk.inside[call]--;
	if (fk.fail_nth && fk.fail_call == call && !--fk.fail_nth)
		err = fk.fail_err;
	fk_unlock();
	return err;
}

void fv_fail(enum fv_call call, unsigned int nth, int err)
{
	fk_lock();
	fk.fail_call = call;
	fk.fail_nth = nth;
	fk.fail_err = err;
	fk_unlock();
}

bool fv_failed(void)
{
	bool failed;

	fk_lock();
	failed = fk.fail_err && !fk.fail_nth;
	fk.fail_nth = 0;
	fk.fail_err = 0;
	fk_unlock();
	return failed;
}

unsigned int fv_count(enum fv_call call)
{
	unsigned int n;

	fk_lock();
	n = fk.calls[call];
	fk_unlock();
	return n;
}

void fv_hold(enum fv_call call, bool on)
{
	fk_lock();
	fk.hold[call] = on;
	pthread_cond_broadcast(&fk.changed);
	fk_unlock();
}

void fv_await_held(enum fv_call call)
{
	fk_lock();
	while (!fk.inside[call])
		wait_changed("nobody calls what is held");
	fk_unlock();
}

/* ------------------------------------------------------------- the C library
 * Linked with --wrap: what the backend calls comes here first.
 */

static bool fails(enum fv_call call)
{
	int err = fv_fault(call);

	if (err)
		errno = err;
	return err;
}

#define WRAP(type, name, ...)                                                  \
	type __real_##name(__VA_ARGS__);                                       \
	type __wrap_##name(__VA_ARGS__);                                       \
	type __wrap_##name(__VA_ARGS__)

WRAP(void *, calloc, size_t n, size_t size)
{
	return fails(FV_calloc) ? NULL : __real_calloc(n, size);
}

WRAP(void *, mmap, void *at, size_t len, int prot, int flags, int fd, off_t off)
{
	return fails(FV_mmap) ? MAP_FAILED : __real_mmap(at, len, prot, flags, fd, off);
}

WRAP(int, eventfd, unsigned int count, int flags)
{
	return fails(FV_eventfd) ? -1 : __real_eventfd(count, flags);
}

int fk_eventfd(void)
{
	return __real_eventfd(0, EFD_CLOEXEC);
}

WRAP(int, epoll_create1, int flags)
{
	return fails(FV_epoll_create1) ? -1 : __real_epoll_create1(flags);
}

WRAP(int, epoll_ctl, int epoll, int op, int fd, struct epoll_event *ev)
{
	return fails(FV_epoll_ctl) ? -1 : __real_epoll_ctl(epoll, op, fd, ev);
}

WRAP(int, fcntl, int fd, int cmd, ...)
{
	va_list ap;
	int arg;

	va_start(ap, cmd);
	arg = va_arg(ap, int);
	va_end(ap);
	return fails(FV_fcntl) ? -1 : __real_fcntl(fd, cmd, arg);
}

typedef void *thread_fn(void *arg);

WRAP(int, pthread_create, pthread_t *t, const pthread_attr_t *a, thread_fn *fn,
	void *arg)
{
	int err = fv_fault(FV_pthread_create);

	return err ? err : __real_pthread_create(t, a, fn, arg);
}

/* ------------------------------------------------------------ the count, the log */

void fk_born(const char *kind, int by)
{
	unsigned int i = 0;

	while (i < fk.kinds && strcmp(fk.kind[i].kind, kind) != 0)
		i++;
	ck_assert_uint_lt(i, sizeof(fk.kind) / sizeof(fk.kind[0]));
	if (i == fk.kinds)
		fk.kind[fk.kinds++].kind = kind;
	if (by < 0 && !fk.kind[i].live)
		ck_abort_msg("one %s more was destroyed than made", kind);
	fk.kind[i].live += (unsigned int)by;
}

unsigned int fv_live(void)
{
	unsigned int n = 0;

	fk_lock();
	for (unsigned int i = 0; i < fk.kinds; i++)
		n += fk.kind[i].live;
	fk_unlock();
	return n;
}

void fv_check_nothing_lives(void)
{
	char text[512] = "";
	size_t n = 0;

	fk_lock();
	for (unsigned int i = 0; i < fk.kinds; i++)
		if (fk.kind[i].live)
			n += (size_t)snprintf(text + n, sizeof(text) - n, " %u %s",
					      fk.kind[i].live, fk.kind[i].kind);
	fk_unlock();
	ck_assert_msg(!n, "left behind:%s", text);
}

void fk_note(const struct fk_device *dev, const char *word)
{
	char *log = fk.dev[dev->index].log;
	size_t n = strlen(log);

	if (n + strlen(word) + 2 > FK_LOG)
		ck_abort_msg("the log of a device is full");
	sprintf(log + n, "%s%s", n ? " " : "", word);
}

void fv_note(unsigned int device, const char *word)
{
	fk_lock();
	fk_note(&fk.dev[device], word);
	fk_unlock();
}

const char *fv_log(unsigned int device)
{
	static char copy[FK_LOG];

	fk_lock();
	memcpy(copy, fk.dev[device].log, sizeof(copy));
	fk_unlock();
	return copy;
}

void fk_level(int fd, bool readable)
{
	struct { uint64_t n; } v = { 1 };

	/* the reader may have made it blocking or not */
	if (readable)
		ck_assert_int_eq(write(fd, &v.n, sizeof(v.n)), sizeof(v.n));
	else if (write(fd, &v.n, sizeof(v.n)) == sizeof(v.n))
		ck_assert_int_eq(read(fd, &v.n, sizeof(v.n)), sizeof(v.n));
}

/* ------------------------------------------------------------------- the wire */

bool fv_step(void)
{
	bool moved;

	fk_lock();
	moved = fk_cm_step() || fk_data_step();
	fk_unlock();
	return moved;
}
