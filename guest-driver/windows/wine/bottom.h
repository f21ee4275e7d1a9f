/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-or-later */
/*
 * bottom.h - what is under the driver when Wine runs it
 *
 * DOC: One Wine prefix is one guest
 *
 * The driver, in its winedevice process, is the machine: it owns guest memory, a
 * sealed memfd, and speaks to vrdmad as QEMU would, by vhost-user.  A guest
 * physical address is an offset in that file, plus WINE_GPA.
 *
 * Memory of a program becomes guest memory in place: the provider DLL asks for
 * room in the file (share.c), copies the pages there, and maps the file over
 * them.  Only then it registers them.
 *
 * Nothing of this is for Windows.  What it is not: it does not check the DLL
 * beyond what keeps the driver alive, since all of a prefix is one user.
 */
#ifndef VRW_BOTTOM_H
#define VRW_BOTTOM_H

#include "lx.h"
#include "vhost_user.h"
#include "vq.h"
#include "vrl.h"
#include "vrdma_wine.h"

#define WINE_GPA	0x100000000ull
#define WINE_RAM	(16ull << 30)	/* sparse */
#define WINE_CHUNK	65536u		/* unit of allocation and of mapping */
#define WINE_CHUNK_PAGES (WINE_CHUNK / PAGE_SIZE)
#define WINE_CHUNKS	((u32)(WINE_RAM / WINE_CHUNK))
#define WINE_MAX_QUEUES	64u
#define WINE_POLLED	(3 + WINE_MAX_QUEUES)

#define WINE_NEEDS_RESET 0x40u		/* bit of the device status */

struct wine_queue {
	struct vrw_vq vq;
	u64 ring;			/* offset in the file */
	int kick_fd;
	int call_fd;
};

struct wine_bottom {
	struct vrl_dev *dev;
	char socket[108];
	int pid;			/* of this process, as Linux counts */

	/* ram.c; constant but for used and next */
	int ram_fd;
	u8 *ram;
	HANDLE section;
	spinlock_t ram_lock;
	u8 *used;			/* pages in use, per chunk */
	u32 next;			/* where to look first */

	/* vhost.c: the device's thread only, but for what says otherwise */
	int sock;
	int channel;
	u64 features;
	u64 protocol;
	struct mutex sock_lock;		/* one message and its answer at a time */
	u32 num_queues;
	struct wine_queue queue[WINE_MAX_QUEUES];
	struct virtio_rdma_config config;

	/* bottom.c */
	void *thread;			/* waits for calls and the hang-up */
	int wake_fd;
	bool quit;			/* atomic */
	struct mutex gate;		/* held while an event is handed on */
	/* under gate */
	bool open;
	bool gone;			/* the back end, since the last connection */

	/* share.c */
	struct mutex share_lock;
	struct list_head processes;	/* under share_lock */
};

extern const struct vrw_bottom_ops wine_bottom_ops;
extern char wine_socket[108];		/* set before the device is made */
extern u32 wine_pages_left;		/* of guest memory, when it was given up */

/* ram.c: 0 or -errno; offsets are in the file */
int wine_ram_init(struct wine_bottom *b);
void wine_ram_fini(struct wine_bottom *b);
/* Zeroed, of whole chunks; 0: none, for the first chunk is never given */
u64 wine_ram_alloc(struct wine_bottom *b, u64 pages);
void wine_ram_free(struct wine_bottom *b, u64 offset, u64 pages);
bool wine_dma_alloc(struct vrl_dev *dev, struct vrw_dma *dma);
void wine_dma_free(struct vrl_dev *dev, struct vrw_dma *dma);
NTSTATUS wine_map(struct vrw_map *map, HANDLE pid);
void wine_unmap(struct vrw_map *map, HANDLE pid);

/* vhost.c: 0 or -errno */
int wine_vhost_connect(struct wine_bottom *b);
void wine_vhost_hangup(struct wine_bottom *b);
int wine_vhost_start(struct wine_bottom *b);
void wine_vhost_reset(struct wine_bottom *b);
bool wine_vhost_gone(struct wine_bottom *b);
u32 wine_vhost_status(struct wine_bottom *b);
/* A message of the back end is there; true: it asks for a reset */
bool wine_vhost_channel(struct wine_bottom *b);

/* driver.c */
NTSTATUS wine_device_make(struct vrl_dev *dev);
void wine_device_hide(struct vrl_dev *dev);
void wine_device_delete(struct vrl_dev *dev);

/* share.c */
NTSTATUS wine_pin(struct vrl_pin *pin, HANDLE pid);
void wine_unpin(struct vrl_pin *pin);
NTSTATUS wine_ioctl(struct vrl_dev *dev, ULONG code, HANDLE pid, void *buf,
		    ULONG in, ULONG *size);
void wine_share_fini(struct wine_bottom *b);

#endif /* VRW_BOTTOM_H */
