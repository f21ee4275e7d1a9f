/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-or-later */
/*
 * bottom.c - the bottom for Wine: the device comes, works and goes
 *
 * DOC: Two threads
 *
 * The device's own thread connects and resets.  A second one, while connected,
 * sleeps in poll(): used chains go to the core from there, a hang-up or a wish for
 * a reset to the device's thread.  The gate between them is what off() closes.
 */
#include "bottom.h"

#define RING_PAGES	((sizeof(struct vrw_vq_ring) + PAGE_SIZE - 1) / PAGE_SIZE)

static struct wine_bottom *bottom_of(struct vrl_dev *dev)
{
	return dev->bottom_data;
}

/* --- the thread that polls ---------------------------------------------------------- */

static void drain(int fd)
{
	u64 v;

	lx(LX_read, fd, LX_P(&v), sizeof(v), 0, 0, 0);
}

static void hand_on(struct wine_bottom *b, u32 queue)
{
	drain(b->queue[queue].call_fd);
	mutex_lock(&b->gate);
	if (b->open)
		vrdma_core_queue_event(b->dev->core, queue);
	mutex_unlock(&b->gate);
}

/* true: the back end is gone */
static bool serve(struct wine_bottom *b, const struct lx_pollfd *p)
{
	u32 i;

	if (p[2].revents & LX_POLLIN && wine_vhost_channel(b))
		vrw_device_lost(b->dev);
	for (i = 0; i < b->num_queues; i++)
		if (p[3 + i].revents & LX_POLLIN)
			hand_on(b, i);
	return p[1].revents & (LX_POLLHUP | LX_POLLRDHUP | LX_POLLERR) &&
	       wine_vhost_gone(b);
}

static void set_gate(struct wine_bottom *b, bool open)
{
	mutex_lock(&b->gate);
	b->open = open && !b->gone;
	mutex_unlock(&b->gate);
}

static void hide_queues(struct wine_bottom *b)
{
	u32 i;

	for (i = 0; i < WINE_MAX_QUEUES; i++)
		vrw_vq_set(&b->queue[i].vq, NULL);
}

/*
 * The device's thread may be inside a start that waits for an answer: it ends when
 * the core learns here that none will come.  Events come from this thread only, so
 * none runs.
 */
static void back_end_gone(struct wine_bottom *b)
{
	mutex_lock(&b->gate);
	b->open = false;
	b->gone = true;
	mutex_unlock(&b->gate);
	hide_queues(b);
	vrdma_core_device_lost(b->dev->core);
	vrw_device_lost(b->dev);
}

static VOID NTAPI poll_thread(PVOID arg)
{
	struct wine_bottom *b = arg;
	struct lx_pollfd p[WINE_POLLED];
	bool gone = false;
	u32 i;

	while (!__atomic_load_n(&b->quit, __ATOMIC_ACQUIRE)) {
		p[0] = (struct lx_pollfd){ .fd = b->wake_fd,
					   .events = LX_POLLIN };
		p[1] = (struct lx_pollfd){ .fd = gone ? -1 : b->sock,
					   .events = LX_POLLRDHUP };
		p[2] = (struct lx_pollfd){ .fd = gone ? -1 : b->channel,
					   .events = LX_POLLIN };
		for (i = 0; i < b->num_queues; i++)
			p[3 + i] = (struct lx_pollfd){
				.fd = b->queue[i].call_fd,
				.events = LX_POLLIN };
		if (lx(LX_poll, LX_P(p), 3 + b->num_queues, -1, 0, 0, 0) <= 0 ||
		    !serve(b, p))
			continue;
		gone = true;
		back_end_gone(b);
	}
	PsTerminateSystemThread(STATUS_SUCCESS);
}

static int start_thread(struct wine_bottom *b)
{
	int64_t fd = lx(LX_eventfd2, 0, LX_CLOEXEC, 0, 0, 0, 0);

	if (fd < 0)
		return (int)fd;
	b->wake_fd = (int)fd;
	b->quit = false;
	b->thread = vrw_thread_start(poll_thread, b);
	return b->thread ? 0 : -ENOMEM;
}

static void stop_thread(struct wine_bottom *b)
{
	u64 one = 1;

	if (b->thread) {
		__atomic_store_n(&b->quit, true, __ATOMIC_RELEASE);
		lx(LX_write, b->wake_fd, LX_P(&one), sizeof(one), 0, 0, 0);
		vrw_thread_join(b->thread);
		b->thread = NULL;
	}
	if (b->wake_fd >= 0)
		lx(LX_close, b->wake_fd, 0, 0, 0, 0, 0);
	b->wake_fd = -1;
}

/* --- operations ---------------------------------------------------------------------- */

static int wine_reach(struct vrl_dev *dev)
{
	struct wine_bottom *b = bottom_of(dev);
	int err;

	if (b->sock >= 0)
		return 0;
	b->gone = false;		/* no thread polls now */
	err = wine_vhost_connect(b);
	if (!err)
		err = start_thread(b);
	return err;
}

static int wine_on(struct vrl_dev *dev)
{
	struct wine_bottom *b = bottom_of(dev);

	set_gate(b, true);
	return wine_vhost_start(b);
}

/* A connection is made anew for each time up: what vrdmad kept of the old one goes
 * with it */
static void wine_off(struct vrl_dev *dev)
{
	struct wine_bottom *b = bottom_of(dev);

	set_gate(b, false);
	hide_queues(b);
	stop_thread(b);
	if (b->sock >= 0 && !wine_vhost_gone(b))
		wine_vhost_reset(b);
	wine_vhost_hangup(b);
}

static u32 wine_features(struct vrl_dev *dev)
{
	return (u32)bottom_of(dev)->features & 0xffffff;
}

static void wine_config_read(struct vrl_dev *dev, u32 offset, void *buf,
			     u32 len)
{
	struct wine_bottom *b = bottom_of(dev);

	memset(buf, 0, len);
	if (offset <= sizeof(b->config) && len <= sizeof(b->config) - offset)
		memcpy(buf, (u8 *)&b->config + offset, len);
}

static uint64_t phys(void *ctx, const void *va)
{
	struct wine_bottom *b = ctx;

	return WINE_GPA + (u64)((const u8 *)va - b->ram);
}

static int wine_queue_add(struct vrl_dev *dev, u32 queue,
			  const struct vrdma_buf *out,
			  const struct vrdma_buf *in, void *cookie)
{
	struct wine_bottom *b = bottom_of(dev);

	return vrw_vq_add(&b->queue[queue].vq, out, in, cookie, phys, b);
}

static void *wine_queue_get(struct vrl_dev *dev, u32 queue, u32 *written)
{
	return vrw_vq_get(&bottom_of(dev)->queue[queue].vq, written);
}

static void wine_queue_kick(struct vrl_dev *dev, u32 queue)
{
	struct wine_bottom *b = bottom_of(dev);
	u64 one = 1;

	if (queue < WINE_MAX_QUEUES)
		lx(LX_write, b->queue[queue].kick_fd, LX_P(&one), sizeof(one),
		   0, 0, 0);
}

/* off() left nothing to release */
static void wine_release(struct vrl_dev *dev)
{
	(void)dev;
}

/* The room is the file's, and stays taken */
static void wine_keep(struct vrl_pin *pin)
{
	(void)pin;
}

static void wine_fini(struct vrl_dev *dev)
{
	struct wine_bottom *b = bottom_of(dev);
	u32 i;

	if (!b)
		return;
	wine_share_fini(b);
	for (i = 0; i < WINE_MAX_QUEUES; i++) {
		lx(LX_close, b->queue[i].kick_fd, 0, 0, 0, 0, 0);
		lx(LX_close, b->queue[i].call_fd, 0, 0, 0, 0, 0);
		if (b->queue[i].ring)
			wine_ram_free(b, b->queue[i].ring, RING_PAGES);
	}
	wine_ram_fini(b);
	kfree(b);
}

static int init_queues(struct wine_bottom *b)
{
	u32 i;

	for (i = 0; i < WINE_MAX_QUEUES; i++) {
		struct wine_queue *q = &b->queue[i];

		vrw_vq_init(&q->vq);
		q->ring = wine_ram_alloc(b, RING_PAGES);
		q->kick_fd = (int)lx(LX_eventfd2, 0, LX_CLOEXEC | LX_NONBLOCK,
				     0, 0, 0, 0);
		q->call_fd = (int)lx(LX_eventfd2, 0, LX_CLOEXEC | LX_NONBLOCK,
				     0, 0, 0, 0);
		if (!q->ring || q->kick_fd < 0 || q->call_fd < 0)
			return -ENOMEM;
	}
	return 0;
}

static int wine_init(struct vrl_dev *dev)
{
	struct wine_bottom *b = kzalloc(sizeof(*b), GFP_KERNEL);
	int err;

	if (!b)
		return -ENOMEM;
	dev->bottom_data = b;
	b->dev = dev;
	b->sock = b->channel = b->wake_fd = -1;
	memcpy(b->socket, wine_socket, sizeof(b->socket));
	mutex_init(&b->sock_lock);
	mutex_init(&b->gate);
	mutex_init(&b->share_lock);
	INIT_LIST_HEAD(&b->processes);
	err = wine_ram_init(b);
	return err ? err : init_queues(b);
}

const struct vrw_bottom_ops wine_bottom_ops = {
	.name = "vhost-user",
	.init = wine_init,
	.release = wine_release,
	.device_make = wine_device_make,
	.device_hide = wine_device_hide,
	.device_delete = wine_device_delete,
	.reach = wine_reach,
	.on = wine_on,
	.off = wine_off,
	.fini = wine_fini,
	.features = wine_features,
	.config_read = wine_config_read,
	.queue_add = wine_queue_add,
	.queue_get = wine_queue_get,
	.queue_kick = wine_queue_kick,
	.dma_alloc = wine_dma_alloc,
	.dma_free = wine_dma_free,
	.map = wine_map,
	.unmap = wine_unmap,
	.pin = wine_pin,
	.unpin = wine_unpin,
	.keep = wine_keep,
	.ioctl = wine_ioctl,
};
