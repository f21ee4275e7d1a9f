/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-or-later */
/*
 * vrl.h - the Linux module: its device, and what its files call in each other
 *
 * DOC: Who holds whom
 *
 * A struct vrl_dev lives as long as anybody refers to it: the virtio binding
 * (from probe to remove), each open file, each adapter of a kernel consumer.
 * When the virtio device goes, dev->vdev becomes NULL, the queues vanish from
 * under their locks, and the OS operations turn into no-ops; the core then
 * fails everything by itself.
 *
 * Contexts.  Queue interrupts only queue a work item; the core runs in process
 * context, on a high-priority workqueue.  Its callbacks are written as if at
 * DISPATCH_LEVEL all the same: they take spin locks and never sleep.
 *
 * probe, remove, freeze, restore and the recovery never overlap: the first
 * four hold the device lock, the recovery is a freezable work item that remove
 * cancels first.
 */
#ifndef VRL_H
#define VRL_H

#include <linux/completion.h>
#include <linux/kref.h>
#include <linux/llist.h>
#include <linux/miscdevice.h>
#include <linux/mutex.h>
#include <linux/spinlock.h>
#include <linux/virtio.h>
#include <linux/virtio_config.h>
#include <linux/workqueue.h>

#include "vrdma_core.h"
#include "vrdma_user.h"

struct vrl_dev;

/* One virtqueue.  vq is NULL while the device is down. */
struct vrl_queue {
	struct vrl_dev *dev;		/* constant */
	u32 index;			/* constant */
	spinlock_t lock;		/* leaf; guards vq and calls on it */
	struct virtqueue *vq;		/* under lock */
	struct work_struct work;	/* runs vrdma_core_queue_event() */
};

/* Where a wake-up queue's notification can be stored from user space */
struct vrl_notify {
	bool usable;
	phys_addr_t base;		/* of queue_notify_off 0 */
	u32 multiplier;
};

struct vrl_dev {
	struct kref ref;
	struct list_head node;		/* in vrl_devices, under its mutex */
	int id;				/* N of /dev/vrdmaN */
	char name[16];
	struct device *log_dev;		/* held; for messages */

	/* probe, remove, freeze, restore, recovery: see above */
	struct virtio_device *vdev;	/* NULL after remove */
	bool up;			/* started, as far as we know */
	u32 retry_ms;
	struct vrl_notify notify;
	struct mutex notify_lock;	/* page faults against removal */

	/* constant after probe */
	u32 num_queues;
	u32 first_wake;			/* queues from here on carry no buffers */
	struct vrl_queue *queues;
	struct vrdma_core *core;
	struct workqueue_struct *event_wq;
	struct workqueue_struct *work_wq;
	struct miscdevice misc;

	/* any context */
	bool removing;
	struct delayed_work recover;
	struct work_struct abort;	/* give up a start that waits */
	struct mutex start_lock;	/* the next two, and the reset of an abort */
	bool starting;
	bool aborted;

	struct mutex files_lock;
	struct list_head files;		/* under files_lock */
};

/* --- pin.c ------------------------------------------------------------------ */

/* Zeroed: nothing is pinned */
struct vrl_pin {
	struct mm_struct *mm;		/* mmgrab, charged with count pages */
	struct page **page;
	u64 *dma;			/* their addresses */
	unsigned long count;
	bool writable;
	MDL mdl;
};

/* --- main.c: devices ----------------------------------------------------- */

extern struct workqueue_struct *vrl_teardown_wq;	/* may block for long */

void vrl_dev_get(struct vrl_dev *dev);
void vrl_dev_put(struct vrl_dev *dev);		/* may sleep */

/* What was negotiated, as a mask.  probe, freeze, restore and recovery */
u32 vrl_features(struct vrl_dev *dev);

/* NULL: any device; else "vrdmaN" or one of its addresses as text.  A
 * reference, or NULL. */
struct vrl_dev *vrl_dev_find(const char *what);

/* --- queues.c ------------------------------------------------------------ */

int vrl_queues_alloc(struct vrl_dev *dev);
int vrl_queues_find(struct vrl_dev *dev);
void vrl_queues_hide(struct vrl_dev *dev);	/* no operation reaches them */
void vrl_queues_quiesce(struct vrl_dev *dev);	/* wait for running events */

/* --- notify.c ------------------------------------------------------------ */

void vrl_notify_probe(struct vrl_dev *dev);
/* physical address of a queue's page; 0: user space cannot have it */
phys_addr_t vrl_notify_page(struct vrl_dev *dev, u32 queue);

/* --- os.c, osmem.c -------------------------------------------------------- */

extern const struct vrdma_os_ops vrl_os_ops;

void *vrl_os_alloc(void *os, size_t size);
void vrl_os_free(void *os, void *p);
int vrl_os_dma_alloc(void *os, u32 pages, struct vrdma_dma *out);
void vrl_os_dma_free(void *os, struct vrdma_dma *dma);
int vrl_os_queue_add(void *os, u32 queue, const struct vrdma_buf *out,
		     const struct vrdma_buf *in, void *cookie);
void *vrl_os_queue_get(void *os, u32 queue, u32 *written);
void vrl_os_queue_kick(void *os, u32 queue);
void vrl_osmem_exit(void);

static inline struct page *vrl_dma_page(const struct vrdma_dma *dma, u32 i)
{
	return pfn_to_page(dma->pages[i] >> VIRTIO_RDMA_PAGE_SHIFT);
}

/* --- cdev.c ---------------------------------------------------------------- */

int vrl_cdev_init(void);
void vrl_cdev_exit(void);
int vrl_cdev_add(struct vrl_dev *dev);
void vrl_cdev_remove(struct vrl_dev *dev);
/* The BAR goes: point mapped notification pages elsewhere */
void vrl_files_unmap_notify(struct vrl_dev *dev);

#define vrl_info(dev, fmt, ...) \
	dev_info((dev)->log_dev, "%s: " fmt, (dev)->name, ##__VA_ARGS__)
#define vrl_warn(dev, fmt, ...) \
	dev_warn_ratelimited((dev)->log_dev, "%s: " fmt, (dev)->name, ##__VA_ARGS__)
#define vrl_err(dev, fmt, ...) \
	dev_err((dev)->log_dev, "%s: " fmt, (dev)->name, ##__VA_ARGS__)

#endif /* VRL_H */
