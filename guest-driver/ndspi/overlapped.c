/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-or-later */
/*
 * overlapped.c - overlapped requests: start, end, wait, cancel
 *
 * The scheme is told in nd_file.h.
 */
#include "nd_file.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "nd_sys.h"

/* values of OVERLAPPED.InternalHigh */
enum {
	OV_QUIET,	/* ended inline, or its result has been asked for */
	OV_PENDING,
	OV_READY,	/* ended, counted in file->ready */
};

static void signal_fd(int fd)
{
	uint64_t one = 1;
	ssize_t r = write(fd, &one, sizeof(one));

	(void)r; /* a full counter is readable: all that is wanted */
}

static void clear_fd(int fd)
{
	uint64_t count;
	ssize_t r = read(fd, &count, sizeof(count));

	(void)r;
}

/* ------------------------------------------------------------- OVERLAPPED */

static HRESULT ov_status(const OVERLAPPED *ov)
{
	return (HRESULT)(uint32_t)__atomic_load_n(&ov->Internal,
						  __ATOMIC_ACQUIRE);
}

static void ov_set(OVERLAPPED *ov, HRESULT status, ULONG_PTR mark)
{
	ov->InternalHigh = mark;
	__atomic_store_n(&ov->Internal, (ULONG_PTR)(uint32_t)status,
			 __ATOMIC_RELEASE);
}

void nd_overlapped_begin(OVERLAPPED *ov)
{
	ov_set(ov, ND_PENDING, OV_PENDING);
}

void nd_overlapped_end(struct nd_file *file, OVERLAPPED *ov, HRESULT status)
{
	ov_set(ov, status, OV_READY);
	if (!file->ready++)
		signal_fd(file->ready_fd);
	pthread_cond_broadcast(&file->ended);
	if (file->leader)
		signal_fd(file->wake_fd);
}

static HRESULT ov_collect(struct nd_file *file, OVERLAPPED *ov)
{
	if (ov->InternalHigh == OV_READY) {
		ov->InternalHigh = OV_QUIET;
		if (!--file->ready)
			clear_fd(file->ready_fd);
	}
	return ov_status(ov);
}

/* ------------------------------------------------------- table of requests */

static bool table_grow(struct nd_file *file)
{
	uint32_t i, capacity = file->capacity ? file->capacity * 2 : 64;
	struct nd_request *t =
		realloc(file->requests, capacity * sizeof(*file->requests));

	if (!t)
		return false;
	for (i = file->capacity; i < capacity; i++)
		t[i] = (struct nd_request){
			.next_free = i + 1 < capacity ? i + 2 : 0,
		};
	file->free_head = file->capacity + 1;
	file->requests = t;
	file->capacity = capacity;
	return true;
}

/* Returns the number that goes to the kernel, 0 without memory */
static uint64_t request_new(struct nd_owner *owner, OVERLAPPED *ov,
			    nd_end_fn end)
{
	struct nd_request *r;
	uint32_t i;

	if (!owner->file->free_head && !table_grow(owner->file))
		return 0;
	i = owner->file->free_head - 1;
	r = &owner->file->requests[i];
	owner->file->free_head = r->next_free;
	r->used = true;
	r->ov = ov;
	r->owner = owner;
	r->end = end;
	owner->pending++;
	return (uint64_t)r->generation << 32 | (i + 1);
}

static struct nd_request *request_find(struct nd_file *file, uint64_t number)
{
	uint32_t i = (uint32_t)number;
	struct nd_request *r;

	if (!i || i > file->capacity)
		return NULL;
	r = &file->requests[i - 1];
	return r->used && r->generation == number >> 32 ? r : NULL;
}

/* The entry is free before end runs, which may start another request */
static struct nd_request request_take(struct nd_file *file,
				      struct nd_request *r)
{
	struct nd_request copy = *r;

	r->used = false;
	r->generation++;
	r->next_free = file->free_head;
	file->free_head = (uint32_t)(r - file->requests) + 1;
	if (copy.owner)
		copy.owner->pending--;
	return copy;
}

static void request_end(struct nd_file *file, struct nd_request *r,
			HRESULT status, const uint64_t data[2])
{
	struct nd_request q = request_take(file, r);

	if (q.end && q.owner)
		q.end(q.owner, status, data);
	if (q.ov)
		nd_overlapped_end(file, q.ov, status);
}

static void end_everything(struct nd_file *file, HRESULT status)
{
	static const uint64_t none[2];
	uint32_t i;

	for (i = 0; i < file->capacity; i++)
		if (file->requests[i].used)
			request_end(file, &file->requests[i], status, none);
}

/* ----------------------------------------------------------------- events */

static void device_gone(struct nd_file *file)
{
	atomic_store(&file->removed, true);
	end_everything(file, ND_DEVICE_REMOVED);
}

static void take_event(struct nd_file *file, const struct vrdma_uapi_event *e)
{
	struct nd_request *r = request_find(file, e->overlapped);
	uint64_t data[2] = { e->data[0], e->data[1] };

	if ((HRESULT)e->status == ND_DEVICE_REMOVED)
		atomic_store(&file->removed, true);
	if (r)
		request_end(file, r, (HRESULT)e->status, data);
}

/* All events that wait, without waiting.  lock held */
static void drain(struct nd_file *file)
{
	struct vrdma_uapi_event e[16];
	ssize_t n, i;

	for (;;) {
		n = nd_sys->read(file->fd, e, sizeof(e));
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN)
			return;
		if (n <= 0) {
			device_gone(file);
			return;
		}
		for (i = 0; i < n / (ssize_t)sizeof(e[0]); i++)
			take_event(file, &e[i]);
		if (n < (ssize_t)sizeof(e))
			return;
	}
}

/* lock held, dropped while asleep */
static void lead(struct nd_file *file)
{
	struct pollfd p[2] = {
		{ .fd = file->fd, .events = POLLIN },
		{ .fd = file->wake_fd, .events = POLLIN },
	};
	int n;

	file->leader = true;
	pthread_mutex_unlock(&file->lock);
	n = nd_sys->poll(p, 2, -1);
	pthread_mutex_lock(&file->lock);
	file->leader = false;
	clear_fd(file->wake_fd);
	drain(file);
	if (n > 0 && p[0].revents & (POLLERR | POLLHUP | POLLNVAL))
		device_gone(file);
	pthread_cond_broadcast(&file->ended);
}

HRESULT nd_overlapped_result(struct nd_owner *owner, OVERLAPPED *ov, BOOL wait)
{
	struct nd_file *file = owner->file;
	HRESULT hr;

	if (!ov)
		return ND_INVALID_PARAMETER_1;
	pthread_mutex_lock(&file->lock);
	if (ov_status(ov) == ND_PENDING)
		drain(file);
	while (ov_status(ov) == ND_PENDING && wait) {
		if (file->leader)
			pthread_cond_wait(&file->ended, &file->lock);
		else
			lead(file);
	}
	hr = ov_collect(file, ov);
	pthread_mutex_unlock(&file->lock);
	return hr;
}

/* ------------------------------------------------------ start, cancel, free */

HRESULT nd_start(struct nd_owner *owner, unsigned long code, void *arg,
		 __u64 *overlapped, OVERLAPPED *ov, nd_end_fn end)
{
	static const uint64_t none[2];
	struct nd_file *file = owner->file;
	struct nd_request *r;
	uint64_t number;
	HRESULT hr;

	pthread_mutex_lock(&file->lock);
	number = request_new(owner, ov, end);
	if (number && ov)
		nd_overlapped_begin(ov);
	pthread_mutex_unlock(&file->lock);
	if (!number)
		return ND_NO_MEMORY;
	*overlapped = number;
	hr = nd_call(file, code, arg);
	if (hr == ND_PENDING)
		return hr; /* may have ended already, in another thread */
	pthread_mutex_lock(&file->lock);
	r = request_find(file, number);
	if (!r) { /* another thread found the device gone meanwhile */
		hr = ND_PENDING;
	} else if (!FAILED(hr)) {
		request_end(file, r, hr, none);
		hr = ND_PENDING;
	} else {
		request_take(file, r);
		if (ov)
			ov_set(ov, hr, OV_QUIET);
	}
	pthread_mutex_unlock(&file->lock);
	return hr;
}

HRESULT nd_overlapped_cancel(struct nd_owner *owner)
{
	struct vrdma_uapi_object arg = { .id = owner->id };

	return nd_call(owner->file, VRDMA_IOC_CANCEL, &arg);
}

void nd_owner_free(struct nd_owner *owner)
{
	struct vrdma_uapi_object arg = { .id = owner->id };
	struct nd_file *file = owner->file;
	uint32_t i;

	nd_call(file, VRDMA_IOC_FREE, &arg);
	pthread_mutex_lock(&file->lock);
	if (owner->pending)
		drain(file);
	for (i = 0; owner->pending && i < file->capacity; i++) {
		struct nd_request *r = &file->requests[i];

		if (!r->used || r->owner != owner)
			continue;
		r->end = NULL;
		request_end(file, r, ND_CANCELED, (uint64_t[2]){ 0, 0 });
	}
	pthread_mutex_unlock(&file->lock);
}
