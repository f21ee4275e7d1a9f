// SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-or-later
/*
 * os.c - the core's table of OS operations
 *
 * DOC: Small adapters between vrdma_os.h and the kernel.  Locks save and
 * restore interrupts: a kernel consumer may call the core from anywhere up to
 * a soft interrupt, and the core knows one kind of lock.
 */
#include <linux/ktime.h>
#include <linux/processor.h>

#include "vrl.h"

struct vrl_lock {
	spinlock_t lock;
	unsigned long flags;		/* of the holder */
};

struct vrl_event {
	struct completion done;
};

static struct vrl_lock *lock_of(struct vrdma_lock *l)
{
	BUILD_BUG_ON(sizeof(struct vrl_lock) > sizeof(l->opaque));
	return (struct vrl_lock *)l->opaque;
}

/* One class for all: which lock nests in which is the core's own order, and
 * it takes no two of one kind */
static void os_lock_init(void *os, struct vrdma_lock *l)
{
	spin_lock_init(&lock_of(l)->lock);
}

static void os_lock_fini(void *os, struct vrdma_lock *l)
{
}

static void os_lock(void *os, struct vrdma_lock *l)
	__acquires(&lock_of(l)->lock)
{
	unsigned long flags;

	spin_lock_irqsave(&lock_of(l)->lock, flags);
	lock_of(l)->flags = flags;
}

static void os_unlock(void *os, struct vrdma_lock *l)
	__releases(&lock_of(l)->lock)
{
	unsigned long flags = lock_of(l)->flags;

	spin_unlock_irqrestore(&lock_of(l)->lock, flags);
}

/* --- work ------------------------------------------------------------------ */

static struct work_struct *work_of(struct vrdma_work *w)
{
	BUILD_BUG_ON(sizeof(struct work_struct) > sizeof(w->opaque));
	return (struct work_struct *)w->opaque;
}

static void work_run(struct work_struct *work)
{
	struct vrdma_work *w = container_of((void *)work, struct vrdma_work,
					    opaque);

	w->fn(w->arg);		/* w may be gone now */
}

static void os_work_init(void *os, struct vrdma_work *w, vrdma_work_fn *fn,
			 void *arg)
{
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
	flush_work(work_of(w));
}

/* --- event ------------------------------------------------------------------ */

static struct completion *done_of(struct vrdma_event *e)
{
	BUILD_BUG_ON(sizeof(struct vrl_event) > sizeof(e->opaque));
	return &((struct vrl_event *)e->opaque)->done;
}

static void os_event_init(void *os, struct vrdma_event *e)
{
	init_completion(done_of(e));
}

static void os_event_fini(void *os, struct vrdma_event *e)
{
}

static void os_event_set(void *os, struct vrdma_event *e)
{
	complete_all(done_of(e));
}

static void os_event_clear(void *os, struct vrdma_event *e)
{
	reinit_completion(done_of(e));
}

static bool os_event_wait(void *os, struct vrdma_event *e, u32 timeout_ms)
{
	unsigned long t = timeout_ms == U32_MAX ? MAX_SCHEDULE_TIMEOUT :
						  msecs_to_jiffies(timeout_ms);

	return wait_for_completion_timeout(done_of(e), t);
}

/* --- the rest ---------------------------------------------------------------- */

static u32 os_features(void *os)
{
	return vrl_features(os);
}

static void os_config_read(void *os, u32 offset, void *buf, u32 len)
{
	struct vrl_dev *dev = os;

	if (dev->vdev)
		virtio_cread_bytes(dev->vdev, offset, buf, len);
	else
		memset(buf, 0, len);
}

static u64 os_now_ms(void *os)
{
	return ktime_get_ns() / NSEC_PER_MSEC;
}

static void __printf(3, 4) os_log(void *os, enum vrdma_log_level level,
				  const char *fmt, ...)
{
	struct vrl_dev *dev = os;
	struct va_format vaf;
	va_list args;

	va_start(args, fmt);
	vaf.fmt = fmt;
	vaf.va = &args;
	switch (level) {
	case VRDMA_LOG_ERR:
		dev_err_ratelimited(dev->log_dev, "%s: %pV\n", dev->name, &vaf);
		break;
	case VRDMA_LOG_WARN:
		dev_warn_ratelimited(dev->log_dev, "%s: %pV\n", dev->name, &vaf);
		break;
	case VRDMA_LOG_INFO:
		dev_info_ratelimited(dev->log_dev, "%s: %pV\n", dev->name, &vaf);
		break;
	default:
		dev_dbg(dev->log_dev, "%s: %pV\n", dev->name, &vaf);
	}
	va_end(args);
}

static void os_relax(void *os)
{
	cpu_relax();
}

const struct vrdma_os_ops vrl_os_ops = {
	.alloc = vrl_os_alloc,
	.free = vrl_os_free,
	.dma_alloc = vrl_os_dma_alloc,
	.dma_free = vrl_os_dma_free,
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
	.queue_add = vrl_os_queue_add,
	.queue_get = vrl_os_queue_get,
	.queue_kick = vrl_os_queue_kick,
	.features = os_features,
	.config_read = os_config_read,
	.now_ms = os_now_ms,
	.log = os_log,
	.relax = os_relax,
};
