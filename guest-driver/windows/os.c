/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-or-later */
/*
 * os.c - the core's table of OS operations
 *
 * DOC: Small adapters between vrdma_os.h and NT; what concerns the device, and
 * memory that it touches, goes to the bottom.
 */
#include "vrl.h"

_Static_assert(sizeof(spinlock_t) <= sizeof(struct vrdma_lock), "lock");
_Static_assert(sizeof(struct completion) <= sizeof(struct vrdma_event), "event");
_Static_assert(sizeof(struct work_struct) <=
	       sizeof(((struct vrdma_work *)0)->opaque), "work");

/* --- memory -------------------------------------------------------------------- */

static void *os_alloc(void *os, size_t size)
{
	(void)os;
	return kzalloc(size, GFP_ATOMIC);
}

static void os_free(void *os, void *p)
{
	(void)os;
	kfree(p);
}

static void dma_last(struct kref *ref)
{
	struct vrw_dma *d = container_of(ref, struct vrw_dma, ref);

	d->dev->bottom->dma_free(d->dev, d);
	kfree(d);
}

struct vrw_dma *vrw_dma_of(const struct vrdma_dma *dma)
{
	return dma->os_private;
}

void vrw_dma_get(struct vrw_dma *dma)
{
	kref_get(&dma->ref);
}

void vrw_dma_put(struct vrw_dma *dma)
{
	kref_put(&dma->ref, dma_last);
}

static int os_dma_alloc(void *os, u32 pages, struct vrdma_dma *out)
{
	struct vrl_dev *dev = os;
	struct vrw_dma *d;

	if (!pages)
		return -ENOMEM;
	d = kzalloc(sizeof(*d) + (size_t)pages * sizeof(d->pages[0]),
		    GFP_ATOMIC);
	if (!d)
		return -ENOMEM;
	kref_init(&d->ref);
	d->dev = dev;
	d->count = pages;
	if (!dev->bottom->dma_alloc(dev, d)) {
		kfree(d);
		return -ENOMEM;
	}
	*out = (struct vrdma_dma){
		.va = d->va, .pages = d->pages, .count = pages, .os_private = d,
	};
	return 0;
}

static void os_dma_free(void *os, struct vrdma_dma *dma)
{
	struct vrw_dma *d = dma->os_private;

	(void)os;
	memset(dma, 0, sizeof(*dma));
	if (d)
		vrw_dma_put(d);
}

/* --- locks, work, events ---------------------------------------------------------- */

static void os_lock_init(void *os, struct vrdma_lock *l)
{
	(void)os;
	spin_lock_init((spinlock_t *)l->opaque);
}

static void os_lock_fini(void *os, struct vrdma_lock *l)
{
	(void)os;
	(void)l;
}

static void os_lock(void *os, struct vrdma_lock *l)
{
	(void)os;
	spin_lock_irq((spinlock_t *)l->opaque);
}

static void os_unlock(void *os, struct vrdma_lock *l)
{
	(void)os;
	spin_unlock_irq((spinlock_t *)l->opaque);
}

static struct work_struct *work_of(struct vrdma_work *w)
{
	return (struct work_struct *)w->opaque;
}

static void work_run(struct work_struct *work)
{
	struct vrdma_work *w = container_of(work, struct vrdma_work, opaque);

	w->fn(w->arg);		/* w may be gone now */
}

static void os_work_init(void *os, struct vrdma_work *w, vrdma_work_fn *fn,
			 void *arg)
{
	(void)os;
	w->fn = fn;
	w->arg = arg;
	INIT_WORK(work_of(w), work_run);
}

static void os_work_queue(void *os, struct vrdma_work *w)
{
	struct vrl_dev *dev = os;

	queue_work(dev->work_wq, work_of(w));
}

static void os_work_fini(void *os, struct vrdma_work *w)
{
	(void)os;
	flush_work(work_of(w));
}

static KEVENT *event_of(struct vrdma_event *e)
{
	struct completion *c = (void *)e->opaque;

	return &c->event;
}

static void os_event_init(void *os, struct vrdma_event *e)
{
	(void)os;
	KeInitializeEvent(event_of(e), NotificationEvent, FALSE);
}

static void os_event_fini(void *os, struct vrdma_event *e)
{
	(void)os;
	(void)e;
}

static void os_event_set(void *os, struct vrdma_event *e)
{
	(void)os;
	KeSetEvent(event_of(e), IO_NO_INCREMENT, FALSE);
}

static void os_event_clear(void *os, struct vrdma_event *e)
{
	(void)os;
	KeClearEvent(event_of(e));
}

static bool os_event_wait(void *os, struct vrdma_event *e, u32 timeout_ms)
{
	LARGE_INTEGER t = { .QuadPart = -10000ll * timeout_ms };

	(void)os;
	return KeWaitForSingleObject(event_of(e), Executive, KernelMode, FALSE,
				     timeout_ms == U32_MAX ? NULL : &t) ==
	       STATUS_SUCCESS;
}

/* --- the device ------------------------------------------------------------------- */

static int os_queue_add(void *os, u32 queue, const struct vrdma_buf *out,
			const struct vrdma_buf *in, void *cookie)
{
	struct vrl_dev *dev = os;

	return dev->bottom->queue_add(dev, queue, out, in, cookie);
}

static void *os_queue_get(void *os, u32 queue, u32 *written)
{
	struct vrl_dev *dev = os;

	return dev->bottom->queue_get(dev, queue, written);
}

static void os_queue_kick(void *os, u32 queue)
{
	struct vrl_dev *dev = os;

	dev->bottom->queue_kick(dev, queue);
}

static u32 os_features(void *os)
{
	struct vrl_dev *dev = os;

	return dev->bottom->features(dev);
}

static void os_config_read(void *os, u32 offset, void *buf, u32 len)
{
	struct vrl_dev *dev = os;

	dev->bottom->config_read(dev, offset, buf, len);
}

/* --- the rest ----------------------------------------------------------------------- */

static u64 os_now_ms(void *os)
{
	(void)os;
	return KeQueryInterruptTime() / 10000;
}

static void os_relax(void *os)
{
	(void)os;
	YieldProcessor();
}

const struct vrdma_os_ops vrw_os_ops = {
	.alloc = os_alloc,
	.free = os_free,
	.dma_alloc = os_dma_alloc,
	.dma_free = os_dma_free,
	.lock_init = os_lock_init,
	.lock_fini = os_lock_fini,
	.lock = os_lock,
	.unlock = os_unlock,
	.work_init = os_work_init,
	.work_queue = os_work_queue,
	.work_fini = os_work_fini,
	.event_init = os_event_init,
	.event_fini = os_event_fini,
	.event_set = os_event_set,
	.event_clear = os_event_clear,
	.event_wait = os_event_wait,
	.queue_add = os_queue_add,
	.queue_get = os_queue_get,
	.queue_kick = os_queue_kick,
	.features = os_features,
	.config_read = os_config_read,
	.now_ms = os_now_ms,
	.log = vrw_os_log,
	.relax = os_relax,
};
