/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-or-later */
/*
 * vrdma_os.h - everything the miniport core wants from an operating system
 *
 * DOC: One table, complete, checked once.
 *
 * The core includes no OS header and calls no OS function: it reaches the
 * system through struct vrdma_os_ops.  Every entry is non-NULL;
 * vrdma_core_create() refuses a table with a hole.  The Linux module, the
 * Windows shell and the test harness each bring one.
 *
 * Contexts: "any" may be called with a lock held and at DISPATCH_LEVEL,
 * "passive" may sleep.
 */
#ifndef VRDMA_OS_H
#define VRDMA_OS_H

#include "virtio_rdma.h"

#ifdef __KERNEL__
#include <linux/types.h>
#else
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#endif

/* Page-aligned, zeroed memory that the device may touch, contiguous for the
 * CPU, in 4 KiB pages for the device */
struct vrdma_dma {
	void *va;
	const uint64_t *pages;		/* guest physical address of each page */
	uint32_t count;			/* pages */
	void *os_private;
};

/* Room for the system's own lock, work item and event */
struct vrdma_lock {
	uint64_t opaque[12];
};

typedef void vrdma_work_fn(void *arg);
struct vrdma_work {
	vrdma_work_fn *fn;
	void *arg;
	uint64_t opaque[16];
};

struct vrdma_event {
	uint64_t opaque[16];
};

/* A piece of memory inside one page of a struct vrdma_dma */
struct vrdma_buf {
	void *va;
	uint32_t length;
};

enum vrdma_log_level {
	VRDMA_LOG_ERR,
	VRDMA_LOG_WARN,
	VRDMA_LOG_INFO,
	VRDMA_LOG_DEBUG,
};

struct vrdma_os_ops {
	/* any: zeroed memory, NULL when there is none */
	void *(*alloc)(void *os, size_t size);
	void (*free)(void *os, void *p);
	/* any: 0 or -ENOMEM's value (-12) */
	int (*dma_alloc)(void *os, uint32_t pages, struct vrdma_dma *out);
	void (*dma_free)(void *os, struct vrdma_dma *dma);

	/* any: spin lock, taken at and raising to DISPATCH_LEVEL */
	void (*lock_init)(void *os, struct vrdma_lock *l);
	void (*lock_fini)(void *os, struct vrdma_lock *l);
	void (*lock)(void *os, struct vrdma_lock *l);
	void (*unlock)(void *os, struct vrdma_lock *l);

	/* any: run fn(arg) at passive level, soon; queueing one that is queued
	 * already is once.  work_fini (passive) waits for the last run. */
	void (*work_init)(void *os, struct vrdma_work *w, vrdma_work_fn *fn,
			  void *arg);
	void (*work_queue)(void *os, struct vrdma_work *w);
	void (*work_fini)(void *os, struct vrdma_work *w);

	/* event_set: any; event_wait: passive, true when it was set in time.
	 * A set event stays set until event_clear. */
	void (*event_init)(void *os, struct vrdma_event *e);
	void (*event_fini)(void *os, struct vrdma_event *e);
	void (*event_set)(void *os, struct vrdma_event *e);
	void (*event_clear)(void *os, struct vrdma_event *e);
	bool (*event_wait)(void *os, struct vrdma_event *e, uint32_t timeout_ms);

	/*
	 * any: virtqueues.  queue_add posts one chain, readable out (may be of
	 * length 0) before writable in; 0, or -ENOSPC's value (-28).  The core
	 * serializes calls per queue.  queue_get takes one used chain: its
	 * cookie, NULL when there is none.  queue_kick notifies the device.
	 * When chains were used, the shell calls vrdma_core_queue_event() at
	 * <= DISPATCH_LEVEL, never from inside one of these.
	 */
	int (*queue_add)(void *os, uint32_t queue, const struct vrdma_buf *out,
			 const struct vrdma_buf *in, void *cookie);
	void *(*queue_get)(void *os, uint32_t queue, uint32_t *written);
	void (*queue_kick)(void *os, uint32_t queue);

	/* passive: the device type's own features (bits 0 to 23) as they were
	 * negotiated; not all may be VRDMA_FEATURES, which the shell asks for */
	uint32_t (*features)(void *os);
	/* passive */
	void (*config_read)(void *os, uint32_t offset, void *buf, uint32_t len);
	/* any */
	uint64_t (*now_ms)(void *os);
	void (*log)(void *os, enum vrdma_log_level level, const char *fmt, ...)
		__attribute__((format(printf, 3, 4)));
	/* any: this CPU rests a moment inside a bounded spin */
	void (*relax)(void *os);
};

#endif /* VRDMA_OS_H */
