/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * frontend.h - a vhost-user front end in user space: QEMU's part, without QEMU
 *
 * DOC: A test is the guest.
 *
 * The front end owns a sealed memfd as guest memory, in two regions as QEMU
 * has them (below and above 4 GiB), split virtqueues in it, and the socket to
 * vrdmad.  Messages go in QEMU's order.  One thread per front end waits for
 * call eventfds, the back end's channel and a hang-up, and tells the owner by
 * the callbacks of struct fe_events.
 */
#ifndef TESTS_FRONTEND_H
#define TESTS_FRONTEND_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "virtio_rdma.h"

#define FE_RING_SIZE	1024	/* QEMU 10.0 gives every queue this many */
#define FE_MAX_QUEUES	64
#define FE_NEEDS_RESET	0x40

struct fe;

/* Called from the front end's thread, without its locks */
struct fe_events {
	void (*queue)(void *arg, uint32_t queue);	/* used entries came */
	void (*needs_reset)(void *arg);	/* raised, or the back end hung up */
};

struct fe_buf {
	void *va;		/* inside guest memory */
	uint32_t length;
};

/* A piece of a descriptor chain, for tests that build wrong ones */
struct fe_desc {
	uint64_t addr;
	uint32_t len;
	uint16_t flags;
	uint16_t next;
};
#define FE_DESC_NEXT		1
#define FE_DESC_WRITE		2
#define FE_DESC_INDIRECT	4

/* Front ends made from now on have memory of huge pages, of 2 MiB, which the host
 * must have free; every fe_pages_alloc() takes whole ones */
void fe_mem_huge(bool on);
/* Front ends made from now on hand out pages in the order of their addresses:
 * what lies together for the guest does so for the device */
void fe_mem_contiguous(bool on);

/* mem_size bytes of guest memory, a multiple of 2 MiB.  NULL: no memory */
struct fe *fe_new(size_t mem_size, const struct fe_events *ev, void *arg);
void fe_free(struct fe *fe);

/* The handshake up to (not with) DRIVER_OK.  0 or -errno */
int fe_connect(struct fe *fe, const char *path);
/* Hang up, as a killed QEMU does; guest memory stays */
void fe_hangup(struct fe *fe);
bool fe_connected(struct fe *fe);

/* DRIVER_OK: features, memory, queues.  0 or -errno */
int fe_start(struct fe *fe);
/* Guest reset or driver unload: stop the queues, RESET_DEVICE */
void fe_reset(struct fe *fe);
/* Drops what is in the queues, of a device that is reset */
void fe_forget(struct fe *fe);
/* vm stop / cont: the queues only, device state stays */
void fe_pause(struct fe *fe);
int fe_resume(struct fe *fe);

uint64_t fe_device_features(struct fe *fe);
/* What fe_start() negotiates: all that the device offers and the front end
 * knows, but not what the driver leaves out; set before fe_start() */
uint64_t fe_features(struct fe *fe);
void fe_leave_out(struct fe *fe, uint64_t features);
int fe_read_config(struct fe *fe, struct virtio_rdma_config *config);
/* the status word behind the configuration space, as QEMU reads it */
uint32_t fe_read_status(struct fe *fe);

/* A memory device is plugged in (its file, from offset 0) or pulled out.  0 or
 * -errno */
int fe_plug(struct fe *fe, uint64_t gpa, uint64_t size, int fd);
int fe_unplug(struct fe *fe, uint64_t gpa, uint64_t size);

/* Guest memory in 4 KiB pages.  fe_pages_alloc() gives scattered physical
 * pages behind contiguous virtual ones; gpa[] gets their addresses. */
void *fe_pages_alloc(struct fe *fe, uint32_t count, uint64_t *gpa);
void fe_pages_free(struct fe *fe, void *va, uint32_t count,
		   const uint64_t *gpa);
/* The page at gpa, once more at va: 0 or -errno.  As an mmap() of the file that no
 * sanitizer hears of */
int fe_map_page(struct fe *fe, void *va, uint64_t gpa, bool writable);
/* Guest physical address of a pointer that fe_pages_alloc() gave */
uint64_t fe_gpa(struct fe *fe, const void *va);
/* Where a guest physical address is: as the device sees it, apart from
 * fe_pages_alloc()'s view.  NULL: no memory there */
void *fe_mem_at(struct fe *fe, uint64_t gpa);
/* The end of guest memory: the first address that is not there */
uint64_t fe_gpa_end(struct fe *fe);

/* Virtqueues: thread-safe.  0, -ENOSPC */
int fe_add(struct fe *fe, uint32_t queue, const struct fe_buf *out,
	   const struct fe_buf *in, void *cookie);
/* A chain written as it is, at descriptors 0..n-1 of an idle queue */
void fe_add_raw(struct fe *fe, uint32_t queue, const struct fe_desc *chain,
		uint32_t n, uint16_t head);
void *fe_get(struct fe *fe, uint32_t queue, uint32_t *written);
void fe_kick(struct fe *fe, uint32_t queue);

/* A vhost-user message as it is, for hostile front ends: 0 or -errno */
int fe_send_raw(struct fe *fe, uint32_t request, uint32_t flags,
		const void *payload, uint32_t size, const int *fds, int nfds);

#endif /* TESTS_FRONTEND_H */
