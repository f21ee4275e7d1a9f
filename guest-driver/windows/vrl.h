/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-or-later */
/*
 * vrl.h - the Windows driver: its device, and what its files call in each other
 *
 * DOC: Who holds whom
 *
 * A struct vrl_dev has a control device, \Device\vrdmaN, which programs open as
 * \\.\vrdmaN.  vrw_device_stop() ends what works on the hardware and lets nobody in
 * any more; the rest lives as long as a file object does, and NT keeps a driver loaded
 * while it has one.
 *
 * A file object is one of two things, by the first call made on it.  OPEN makes
 * it an adapter: it has a struct vrl_file, the objects of guest-driver/user/.
 * ATTACH makes it an overlapped file of an adapter of the same process: requests
 * made through it end in the completion port that the consumer tied to it.
 *
 * What lies under the device, and guest memory, is behind struct vrw_bottom_ops,
 * with two implementations: wine/, and sys/, a PCI device under NDIS.
 *
 * Contexts.  Dispatch routines run in the caller's thread and may wait for the
 * device, for as long as its commands take.  The core's callbacks never sleep.
 */
#ifndef VRL_H
#define VRL_H

#include "compat/kernel.h"

#include "vrdma_core.h"
#include "vrdma_user.h"

struct vrl_dev;
struct vrl_file;
struct vrw_handle;

/* --- bottom: the device, and memory that it may touch ---------------------------- */

/* Where dma memory of the core is seen by a process */
struct vrw_map {
	struct list_head node;		/* in address_space.maps, under its lock */
	void *va;			/* in the process */
	struct vrw_dma *dma;		/* reference */
	void *bottom[2];
};

/* The core's vrdma_dma: the mappings of processes keep it alive, too */
struct vrw_dma {
	struct kref ref;
	struct vrl_dev *dev;
	void *va;
	u32 count;			/* pages */
	uint64_t pages[];
};

/* Memory of a process that the device may touch.  Zeroed: none */
struct vrl_pin {
	struct vrl_dev *dev;		/* NULL: nothing pinned */
	struct address_space *space;	/* counted in its pins */
	u64 address, length;		/* as asked for */
	u32 flags;
	MDL *mdl;			/* chain */
	unsigned long count;		/* pages */
	void *bottom;
};

struct vrw_bottom_ops {
	const char *name;
	/* What of a process the device uses must be let go before the process is gone:
	 * its CLEANUP waits for that */
	bool waits_for_pins;
	/* passive: 0 or -errno; fini undoes what was done, also after a failure.
	 * release, in between: the hardware goes, nothing of it is touched again */
	int (*init)(struct vrl_dev *dev);
	void (*release)(struct vrl_dev *dev);
	void (*fini)(struct vrl_dev *dev);
	/* passive: the control device with its link, into dev->device; device_hide takes
	 * the link away, for good */
	NTSTATUS (*device_make)(struct vrl_dev *dev);
	void (*device_hide)(struct vrl_dev *dev);
	void (*device_delete)(struct vrl_dev *dev);
	/* passive, one at a time: reach the device, so that its configuration can
	 * be read; 0 or -errno.  Then on and off: DRIVER_OK and events, reset and no
	 * event any more.  off may follow on that failed, and off. */
	int (*reach)(struct vrl_dev *dev);
	int (*on)(struct vrl_dev *dev);
	void (*off)(struct vrl_dev *dev);
	/* as in vrdma_os.h */
	u32 (*features)(struct vrl_dev *dev);
	void (*config_read)(struct vrl_dev *dev, u32 offset, void *buf, u32 len);
	int (*queue_add)(struct vrl_dev *dev, u32 queue,
			 const struct vrdma_buf *out,
			 const struct vrdma_buf *in, void *cookie);
	void *(*queue_get)(struct vrl_dev *dev, u32 queue, u32 *written);
	void (*queue_kick)(struct vrl_dev *dev, u32 queue);
	/* any: dma->count zeroed pages, into va and pages */
	bool (*dma_alloc)(struct vrl_dev *dev, struct vrw_dma *dma);
	void (*dma_free)(struct vrl_dev *dev, struct vrw_dma *dma);
	/* passive, in the process' context: into va */
	NTSTATUS (*map)(struct vrw_map *map, HANDLE pid);
	void (*unmap)(struct vrw_map *map, HANDLE pid);
	/* passive, in the process' context: see vrl_pin() */
	NTSTATUS (*pin)(struct vrl_pin *pin, HANDLE pid);
	void (*unpin)(struct vrl_pin *pin);
	/* instead of unpin: the device did not let go of it */
	void (*keep)(struct vrl_pin *pin);
	/* passive: a call of the bottom's own, or STATUS_INVALID_DEVICE_REQUEST.
	 * *size: of buf, out: of the answer */
	NTSTATUS (*ioctl)(struct vrl_dev *dev, ULONG code, HANDLE pid,
			  void *buf, ULONG in, ULONG *size);
};

/* --- device ------------------------------------------------------------------------ */

struct vrl_dev {
	/* constant after start */
	DEVICE_OBJECT *device;
	WCHAR device_text[sizeof("\\Device\\vrdma0")];
	WCHAR link_text[sizeof("\\??\\vrdma0")];
	UNICODE_STRING device_name, link;
	char name[16];
	const struct vrw_bottom_ops *bottom;
	void *bottom_data;
	void *context;			/* of who made it, for the bottom */
	struct vrdma_core *core;
	struct workqueue_struct *work_wq;

	u32 number;			/* in the driver's table */
	bool stopped;			/* under the table's lock: nobody comes in */
	struct kref users;		/* files, and the driver's own */
	struct work_struct free_work;

	/* recovery's thread */
	void *thread;
	KEVENT wanted;			/* come back, or stop */
	struct completion tried;	/* a way up, whatever came of it */
	struct completion rests;	/* it is down, because of held */
	bool held;			/* atomic: down, until told otherwise */
	bool quit;			/* atomic */
	bool up;			/* atomic: as far as we know */

	struct mutex files_lock;
	struct list_head files;		/* struct vrl_file, under files_lock */
	u64 next_cookie;		/* under files_lock */
};

/* The process' side of a struct vrl_file */
struct address_space {
	struct kref ref;		/* handles */
	struct vrl_file *file;		/* reference */
	HANDLE pid;
	u64 cookie;			/* what ATTACH names */
	struct kref users;		/* calls that run, and the owner: the file
					 * is closed when nobody is in it */
	bool closing;			/* dev->files_lock */
	struct kref pins;		/* and one while calls may come */
	struct completion unpinned;
	struct mutex lock;
	/* under lock */
	struct list_head maps;		/* struct vrw_map */
	bool sealed;			/* no more of them */
};

extern struct workqueue_struct *vrl_teardown_wq;	/* may block for long */

/* device.c */
/* The driver: before any device, after all.  fini waits until their files are gone */
NTSTATUS vrw_driver_init(void);
void vrw_driver_fini(void);
/* The dispatch routines, into a table of IRP_MJ_MAXIMUM_FUNCTION + 1 */
void vrw_driver_dispatch(PDRIVER_DISPATCH *table);
/* Its process ends, or the last of its threads does */
void vrw_process_gone(HANDLE pid);

#define VRW_MAX_DEVICES	10		/* one digit */
/* Under the first number that is free.  A device that does not work yet is tried again
 * later: its core tells */
NTSTATUS vrw_device_start(const struct vrw_bottom_ops *bottom, void *context,
			  struct vrl_dev **out);
void vrw_device_stop(struct vrl_dev *dev);
/* passive, one at a time: down, and it stays so; or up: false, not at the first try */
bool vrw_device_hold(struct vrl_dev *dev, bool down);
void vrl_dev_get(struct vrl_dev *dev);
void vrl_dev_put(struct vrl_dev *dev);		/* any context */
/* any: the device died or asks for a reset */
void vrw_device_lost(struct vrl_dev *dev);
__attribute__((format(printf, 3, 4)))
void vrw_log(struct vrl_dev *dev, enum vrdma_log_level level, const char *fmt,
	     ...);

/* the core's */
__attribute__((format(printf, 3, 4)))
void vrw_os_log(void *os, enum vrdma_log_level level, const char *fmt, ...);

#define vrl_info(dev, ...)	vrw_log(dev, VRDMA_LOG_INFO, __VA_ARGS__)
#define vrl_warn(dev, ...)	vrw_log(dev, VRDMA_LOG_WARN, __VA_ARGS__)
#define vrl_err(dev, ...)	vrw_log(dev, VRDMA_LOG_ERR, __VA_ARGS__)

/* os.c */
extern const struct vrdma_os_ops vrw_os_ops;
struct vrw_dma *vrw_dma_of(const struct vrdma_dma *dma);
void vrw_dma_get(struct vrw_dma *dma);
void vrw_dma_put(struct vrw_dma *dma);

/* handle.c: IRP_MJ_CREATE, CLEANUP, CLOSE */
struct vrw_handle {
	struct kref ref;		/* the file object, requests */
	struct vrl_dev *dev;		/* reference */
	HANDLE pid;			/* who opened it */
	/* dev->files_lock; set once, by OPEN or ATTACH */
	struct address_space *space;	/* reference */
	bool owner;			/* OPEN made it here */
	bool clean;			/* CLEANUP was, or CLOSE without it */
	/* file->slock */
	struct list_head requests;	/* struct vrw_req, issued through it */
};

struct vrw_handle *vrw_handle_new(struct vrl_dev *dev, HANDLE pid);
NTSTATUS vrw_handle_own(struct vrw_handle *h);		/* before OPEN */
NTSTATUS vrw_handle_attach(struct vrw_handle *h, u64 cookie);
void vrw_handle_cleanup(struct vrw_handle *h);		/* idempotent */
void vrw_handle_put(struct vrw_handle *h);		/* any context */
/* The file that a call of this process may run on, until leave; NULL: it has
 * none, or it is being closed */
struct vrl_file *vrw_handle_enter(struct vrw_handle *h, HANDLE pid);
void vrw_handle_leave(struct vrw_handle *h);
void vrw_space_put(struct address_space *s);
void vrw_unpinned(struct kref *pins);			/* the last of s->pins */
/* All of a process on this device ends, as if it had closed its handles */
void vrw_files_process_gone(struct vrl_dev *dev, HANDLE pid);

/* map.c */
struct vrdma_win_map;
struct vrdma_win_unmap;
int vrw_ioc_map(struct vrl_file *f, struct vrdma_win_map *a);
int vrw_ioc_unmap(struct vrl_file *f, struct vrdma_win_unmap *a);
void vrw_unmap_all(struct address_space *space);

/* irp.c */
NTSTATUS NTAPI vrw_device_control(DEVICE_OBJECT *device, IRP *irp);
NTSTATUS vrw_irp_end(IRP *irp, NTSTATUS status, ULONG_PTR information);

/* request.c: cancel what was issued through it */
void vrw_requests_cancel(struct vrw_handle *h);
/* The value of "overlapped" for a request of nobody */
#define VRW_NO_IRP	1ull

#endif /* VRL_H */
