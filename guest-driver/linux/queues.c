// SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-or-later
/*
 * queues.c - virtqueues below the core
 *
 * DOC: A queue's lock makes its disappearance safe: whoever wants the
 * virtqueue takes the lock and finds a pointer or NULL.  The interrupt only
 * queues the work item; interrupts stay enabled (with event indices the device
 * sends none until the last chain taken is passed), so no race with re-enabling.
 */
#include <linux/mm.h>
#include <linux/scatterlist.h>
#include <linux/slab.h>
#include <linux/version.h>
#include <linux/virtio_ring.h>

#include "vrl.h"

static void queue_interrupt(struct virtqueue *vq)
{
	struct vrl_dev *dev = vq->vdev->priv;

	if (vq->index < dev->num_queues)
		queue_work(dev->event_wq, &dev->queues[vq->index].work);
}

static void queue_work_fn(struct work_struct *work)
{
	struct vrl_queue *q = container_of(work, struct vrl_queue, work);

	vrdma_core_queue_event(q->dev->core, q->index);
}

int vrl_queues_alloc(struct vrl_dev *dev)
{
	u32 i;

	dev->queues = kcalloc(dev->num_queues, sizeof(*dev->queues), GFP_KERNEL);
	if (!dev->queues)
		return -ENOMEM;
	for (i = 0; i < dev->num_queues; i++) {
		struct vrl_queue *q = &dev->queues[i];

		q->dev = dev;
		q->index = i;
		spin_lock_init(&q->lock);
		INIT_WORK(&q->work, queue_work_fn);
	}
	return 0;
}

static const char *queue_name(struct vrl_dev *dev, u32 i)
{
	if (i == VIRTIO_RDMA_VQ_CONTROL)
		return "control";
	if (i == VIRTIO_RDMA_VQ_EVENT)
		return "event";
	return i < dev->first_wake ? "completion" : "wake";
}

/* A wake-up queue carries no buffers: no callback, no interrupt vector */
static vq_callback_t *queue_callback(struct vrl_dev *dev, u32 i)
{
	return i < dev->first_wake ? queue_interrupt : NULL;
}

#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 11, 0)
static int find_vqs(struct vrl_dev *dev, struct virtqueue **vqs)
{
	struct virtqueue_info *info;
	int err;
	u32 i;

	info = kcalloc(dev->num_queues, sizeof(*info), GFP_KERNEL);
	if (!info)
		return -ENOMEM;
	for (i = 0; i < dev->num_queues; i++) {
		info[i].name = queue_name(dev, i);
		info[i].callback = queue_callback(dev, i);
	}
	err = virtio_find_vqs(dev->vdev, dev->num_queues, vqs, info, NULL);
	kfree(info);
	return err;
}
#else
static int find_vqs(struct vrl_dev *dev, struct virtqueue **vqs)
{
	vq_callback_t **callbacks;
	const char **names;
	int err = -ENOMEM;
	u32 i;

	callbacks = kcalloc(dev->num_queues, sizeof(*callbacks), GFP_KERNEL);
	names = kcalloc(dev->num_queues, sizeof(*names), GFP_KERNEL);
	if (!callbacks || !names)
		goto out;
	for (i = 0; i < dev->num_queues; i++) {
		names[i] = queue_name(dev, i);
		callbacks[i] = queue_callback(dev, i);
	}
	err = virtio_find_vqs(dev->vdev, dev->num_queues, vqs, callbacks, names,
			      NULL);
out:
	kfree(names);
	kfree(callbacks);
	return err;
}
#endif

static void set_queue(struct vrl_queue *q, struct virtqueue *vq)
{
	unsigned long flags;

	spin_lock_irqsave(&q->lock, flags);
	q->vq = vq;
	spin_unlock_irqrestore(&q->lock, flags);
}

int vrl_queues_find(struct vrl_dev *dev)
{
	struct virtqueue **vqs;
	int err;
	u32 i;

	vqs = kcalloc(dev->num_queues, sizeof(*vqs), GFP_KERNEL);
	if (!vqs)
		return -ENOMEM;
	err = find_vqs(dev, vqs);
	for (i = 0; !err && i < dev->num_queues; i++)
		set_queue(&dev->queues[i], vqs[i]);
	kfree(vqs);
	return err;
}

void vrl_queues_hide(struct vrl_dev *dev)
{
	u32 i;

	for (i = 0; i < dev->num_queues; i++)
		set_queue(&dev->queues[i], NULL);
}

void vrl_queues_quiesce(struct vrl_dev *dev)
{
	u32 i;

	for (i = 0; i < dev->num_queues; i++)
		cancel_work_sync(&dev->queues[i].work);
}

/* --- the core's operations ---------------------------------------------------- */

static void buf_to_sg(struct scatterlist *sg, const struct vrdma_buf *buf)
{
	struct page *page = is_vmalloc_addr(buf->va) ?
				    vmalloc_to_page(buf->va) :
				    virt_to_page(buf->va);

	sg_init_table(sg, 1);
	sg_set_page(sg, page, buf->length, offset_in_page(buf->va));
}

/* Any failure is "no room" to the core: it keeps the chain and tries again when
 * one came back, or gives it up when the device is lost */
int vrl_os_queue_add(void *os, u32 queue, const struct vrdma_buf *out,
		     const struct vrdma_buf *in, void *cookie)
{
	struct vrl_dev *dev = os;
	struct vrl_queue *q = &dev->queues[queue];
	struct scatterlist sg[2], *sgs[2];
	unsigned int n_out = 0, n_in = 0;
	int err = -ENOSPC;
	unsigned long flags;

	if (out && out->length) {
		buf_to_sg(&sg[0], out);
		sgs[n_out++] = &sg[0];
	}
	if (in && in->length) {
		buf_to_sg(&sg[1], in);
		sgs[n_out + n_in++] = &sg[1];
	}
	spin_lock_irqsave(&q->lock, flags);
	if (q->vq)
		err = virtqueue_add_sgs(q->vq, sgs, n_out, n_in, cookie,
					GFP_ATOMIC);
	spin_unlock_irqrestore(&q->lock, flags);
	return err ? -ENOSPC : 0;
}

void *vrl_os_queue_get(void *os, u32 queue, u32 *written)
{
	struct vrl_dev *dev = os;
	struct vrl_queue *q = &dev->queues[queue];
	void *cookie = NULL;
	unsigned long flags;

	spin_lock_irqsave(&q->lock, flags);
	if (q->vq)
		cookie = virtqueue_get_buf(q->vq, written);
	spin_unlock_irqrestore(&q->lock, flags);
	return cookie;
}

void vrl_os_queue_kick(void *os, u32 queue)
{
	struct vrl_dev *dev = os;
	struct vrl_queue *q = &dev->queues[queue];
	unsigned long flags;

	spin_lock_irqsave(&q->lock, flags);
	/* Notification suppression looks at buffers, of which a wake-up queue
	 * has none: there a kick is a kick */
	if (q->vq && (queue >= dev->first_wake || virtqueue_kick_prepare(q->vq)))
		virtqueue_notify(q->vq);
	spin_unlock_irqrestore(&q->lock, flags);
}
