/* SPDX-License-Identifier: GPL-2.0-or-later */
/* fe_internal.h - what the front end's files share */
#ifndef TESTS_FE_INTERNAL_H
#define TESTS_FE_INTERNAL_H

#include <pthread.h>

#include "frontend.h"
#include "vhost_user.h"

#define FE_PAGE		4096u
#define FE_HUGE_PAGE	(2u << 20)
#define FE_REGIONS	2
#define FE_HIGH_GPA	0x100000000ull	/* the second region: above 4 GiB */
#define FE_LOW_GPA	0x100000ull	/* not 0, so that 0 is a wrong address */
#define FE_WINDOW_PAGES	(4ull << 20)	/* 16 GiB, never handed out twice */

struct fe_ring_desc {
	uint64_t addr;
	uint32_t len;
	uint16_t flags;
	uint16_t next;
};

struct fe_used_elem {
	uint32_t id;
	uint32_t len;
};

struct fe_ring {	/* split virtqueue, virtio 1.2 section 2.7 */
	struct fe_ring_desc desc[FE_RING_SIZE];
	uint16_t avail_flags;
	uint16_t avail_idx;
	uint16_t avail[FE_RING_SIZE];
	uint16_t avail_event;
	uint16_t pad;
	_Alignas(4) uint16_t used_flags;
	uint16_t used_idx;
	struct fe_used_elem used[FE_RING_SIZE];
	uint16_t used_event;
};

struct fe_vq {
	struct {			/* see fe_place_queue() */
		uint16_t size;		/* 0: it is in ring */
		uintptr_t desc, driver, device;
	} placed;
	uint16_t paused_at;	/* the device's index when it was paused */
	struct fe_ring *ring;
	uint64_t *gpa;			/* of the ring's pages */
	int kick_fd;
	int call_fd;
	uint16_t free_head;
	uint16_t num_free;
	uint16_t last_used;
	void *cookie[FE_RING_SIZE];
};

struct fe_region {
	uint64_t gpa;
	uint64_t size;
	uint64_t offset;		/* in the memfd */
	uint8_t *va;
};

struct fe {
	const struct fe_events *ev;
	void *arg;

	int mem_fd;
	uint64_t mem_size;
	uint32_t unit_pages;		/* what is handed out together */
	struct fe_region region[FE_REGIONS];

	pthread_mutex_t mem_lock;	/* the fields below, but for gpa_of[] */
	uint32_t *free_unit;		/* stack of unit numbers, shuffled */
	uint32_t num_free;
	uint64_t window_next;		/* first page of the window never used */
	uint8_t *window;		/* address space for fe_pages_alloc() */
	uint64_t *gpa_of;		/* per page of the window, its owner's */

	pthread_mutex_t sock_lock;	/* one message and its answer at a time */
	int sock;
	int channel;			/* the back end's requests come here */
	uint64_t features;
	uint64_t left_out;		/* see fe_leave_out() */
	uint64_t protocol;
	uint32_t num_queues;
	bool started;
	bool mem_sent;

	pthread_mutex_t vq_lock;	/* all virtqueues */
	struct fe_vq vq[FE_MAX_QUEUES];

	pthread_t thread;
	int wake_fd;
	bool quit;			/* atomic */
	bool dead;			/* atomic: the socket is gone */
};

/* fe_mem.c */
int fe_mem_init(struct fe *fe, size_t size);
void fe_mem_fini(struct fe *fe);

/* fe_vq.c */
int fe_vq_init(struct fe *fe, uint32_t index);
void fe_vq_fini(struct fe *fe, uint32_t index);
void fe_vq_clear(struct fe_vq *vq);

#endif /* TESTS_FE_INTERNAL_H */
