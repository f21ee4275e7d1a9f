/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-or-later */
/*
 * nd_file.h - one open /dev/vrdmaN: calls, overlapped requests, mapped pages
 *
 * DOC: Overlapped requests
 *
 * A request that the kernel starts has an entry in the file's table; the
 * number of the entry, with a generation, travels through the kernel as the
 * request's "overlapped" value.  A pointer would do until the first event that
 * comes after its object is gone.
 *
 * Whoever asks for a result takes the events of the whole file and ends the
 * requests they belong to.  Of several threads that wait one, the leader,
 * sleeps in poll() and the others on a condition; wake_fd fetches the leader
 * when somebody else has taken its event.
 *
 * ready_fd is readable while a request has ended and its result has not been
 * asked for.  The handle that CreateOverlappedFile gives is an epoll descriptor
 * over the device file and ready_fd.  The device file alone would not do: one
 * thread asking after request 1 may take the event of request 2, and a loop
 * around poll() would then wait for an event that is no longer there.
 *
 * file->lock covers the table, every OVERLAPPED and the members marked so.  It
 * is never held across an ioctl that may start something.
 */
#ifndef ND_FILE_H
#define ND_FILE_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>

#include "nd_object.h"
#include "vrdma_uapi.h"

struct nd_owner;

/* Runs under file->lock when the kernel's answer is there */
typedef void (*nd_end_fn)(struct nd_owner *owner, HRESULT status,
			  const uint64_t data[2]);

#ifdef _WIN32
#include "nd_file_windows.h"	/* of the Windows provider: struct nd_file */
#else
struct nd_request {
	uint32_t generation;
	bool used;
	uint32_t next_free;
	OVERLAPPED *ov;		/* NULL: nobody waits for it */
	struct nd_owner *owner;	/* NULL: the object is gone */
	nd_end_fn end;		/* may be NULL */
};

struct nd_file {
	/* constant after open */
	int fd;
	int ready_fd;
	int wake_fd;
	struct vrdma_uapi_open info;
	struct virtio_rdma_context_page *context;
	uint8_t *notify;	/* page, or NULL: use the ioctl */

	pthread_mutex_t lock;
	pthread_cond_t ended;	/* some request ended, or the leader left */
	/* under lock */
	struct nd_request *requests;
	uint32_t capacity;
	uint32_t free_head;	/* index + 1, 0: none */
	uint32_t ready;		/* ended, result not asked for */
	bool leader;

	atomic_bool removed;	/* the kernel said so once: it stays so */
};
#endif

/* What overlapped objects have in common; obj first */
struct nd_owner {
	struct nd_object obj;
	struct nd_file *file;
	uint32_t id;		/* in the file */
	HANDLE handle;		/* overlapped file that it was made with, if any */
	uint32_t pending;	/* under file->lock: entries in its table */
};

HRESULT nd_file_open(unsigned number, struct nd_file **out);
void nd_file_close(struct nd_file *file);
HRESULT nd_file_handle(struct nd_file *file, HANDLE *out);
/* Of a handle that a consumer gave for such a file */
HRESULT nd_handle_check(HANDLE handle);

/* An ioctl whose argument begins with a status.  Arguments are pointers to their
 * own type: on Windows both are macros that take the size from it. */
HRESULT (nd_call)(struct nd_file *file, unsigned long code, void *arg);
/*
 * One that may stay pending.  overlapped: the field of arg that carries the
 * request's number.  ov may be NULL.  Success at once becomes ND_PENDING with
 * a notification, so that a consumer has one road only.
 */
HRESULT (nd_start)(struct nd_owner *owner, unsigned long code, void *arg,
		   __u64 *overlapped, OVERLAPPED *ov, nd_end_fn end);

/* file->lock held: ov becomes pending; ov ends and is announced */
void nd_overlapped_begin(OVERLAPPED *ov);
void nd_overlapped_end(struct nd_file *file, OVERLAPPED *ov, HRESULT status);

HRESULT nd_overlapped_result(struct nd_owner *owner, OVERLAPPED *ov, BOOL wait);
HRESULT nd_overlapped_cancel(struct nd_owner *owner);

/* FREE in the kernel, then end what is still pending as cancelled */
void nd_owner_free(struct nd_owner *owner);

void *nd_file_map(struct nd_file *file, uint64_t offset, uint64_t size);
void nd_file_unmap(struct nd_file *file, void *va, uint64_t size);
/* Tell the device that the ring of a queue pair has work */
void nd_file_bell(struct nd_file *file, uint32_t slot);

#define ND_OVERLAPPED_IMPL(prefix, T)                                          \
	ND_UNKNOWN_IMPL(prefix, T)                                             \
	static HRESULT prefix##_CancelOverlappedRequests(T *self)              \
	{                                                                      \
		return nd_overlapped_cancel((struct nd_owner *)self);          \
	}                                                                      \
	static HRESULT prefix##_GetOverlappedResult(T *self, OVERLAPPED *ov,   \
						    BOOL wait)                 \
	{                                                                      \
		return nd_overlapped_result((struct nd_owner *)self, ov,       \
					    wait);                             \
	}
#define ND_OVERLAPPED_SLOTS(prefix)                                            \
	ND_UNKNOWN_SLOTS(prefix),                                              \
		.CancelOverlappedRequests = prefix##_CancelOverlappedRequests, \
		.GetOverlappedResult = prefix##_GetOverlappedResult

#endif /* ND_FILE_H */
