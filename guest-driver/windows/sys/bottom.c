/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-or-later */
/*
 * bottom.c - the device comes, works and goes
 */
#include "sys.h"

_Static_assert(offsetof(struct vrw_vq_ring, avail_flags) == PAGE_SIZE &&
	       sizeof(struct vrw_vq_ring) <= 2 * PAGE_SIZE,
	       "no part of a virtqueue crosses a page");
#define RING_PAGES	2u

/* --- the gate --------------------------------------------------- */

bool sys_enter(struct sys_bottom *b)
{
	unsigned long flags;
	bool open;

	spin_lock_irqsave(&b->gate_lock, flags);
	open = b->open;
	b->inside += open;
	spin_unlock_irqrestore(&b->gate_lock, flags);
	return open;
}

void sys_leave(struct sys_bottom *b)
{
	unsigned long flags;

	spin_lock_irqsave(&b->gate_lock, flags);
	if (!--b->inside && !b->open)
		complete(&b->empty);
	spin_unlock_irqrestore(&b->gate_lock, flags);
}

static void open_gate(struct sys_bottom *b)
{
	unsigned long flags;

	spin_lock_irqsave(&b->gate_lock, flags);
	b->open = !sys_is_gone(b);
	if (b->open)
		KeClearEvent(&b->empty.event);
	spin_unlock_irqrestore(&b->gate_lock, flags);
}

static void shut_gate(struct sys_bottom *b)
{
	unsigned long flags;

	spin_lock_irqsave(&b->gate_lock, flags);
	b->open = false;
	if (!b->inside)
		complete(&b->empty);
	spin_unlock_irqrestore(&b->gate_lock, flags);
	wait_for_completion(&b->empty);
}

/* --- queues --------------------------------------------------- */

static u64 phys(void *ctx, const void *va)
{
	(void)ctx;
	return (u64)MmGetPhysicalAddress((void *)(uintptr_t)va).QuadPart;
}

static int setup_queue(struct sys_bottom *b, u32 i)
{
	struct sys_queue *q = &b->queue[i];
	struct vrp_queue p = { .size = VRW_VQ_SIZE,
			       .vector = sys_vector_of(b, i) };

	if (!q->ring)
		q->ring = kmalloc(RING_PAGES * PAGE_SIZE, GFP_KERNEL);
	if (!q->ring)
		return -ENOMEM;
	memset(q->ring, 0, RING_PAGES * PAGE_SIZE);
	vrw_vq_set(&q->vq, q->ring);
	p.desc = phys(NULL, &q->ring->desc);
	p.driver = phys(NULL, &q->ring->avail_flags);
	p.device = phys(NULL, &q->ring->used_flags);
	return vrp_queue_setup(&b->pci, (u16)i, &p);
}

static void hide_queues(struct sys_bottom *b)
{
	u32 i;

	for (i = 0; i < VRP_MAX_QUEUES; i++)
		vrw_vq_set(&b->queue[i].vq, NULL);
}

static int sys_queue_add(struct vrl_dev *dev, u32 queue,
			 const struct vrdma_buf *out,
			 const struct vrdma_buf *in, void *cookie)
{
	return vrw_vq_add(&sys_of(dev)->queue[queue].vq, out, in, cookie, phys,
			  NULL);
}

static void *sys_queue_get(struct vrl_dev *dev, u32 queue, u32 *written)
{
	return vrw_vq_get(&sys_of(dev)->queue[queue].vq, written);
}

static void sys_queue_kick(struct vrl_dev *dev, u32 queue)
{
	struct sys_bottom *b = sys_of(dev);

	if (!sys_enter(b))
		return;
	vrp_notify(&b->pci, (u16)queue);
	sys_leave(b);
}

/* --- up and down --------------------------------------------------- */

static int sys_reach(struct vrl_dev *dev)
{
	struct sys_bottom *b = sys_of(dev);
	int err;

	if (sys_is_gone(b) || vrp_gone(&b->pci))
		return -ENODEV;
	sys_pci_bus_master(b, true);
	err = vrp_reset(&b->pci);
	if (!err)
		err = vrp_negotiate(&b->pci, VRDMA_FEATURES, &b->features);
	return err;
}

static int setup_queues(struct sys_bottom *b)
{
	struct virtio_rdma_config cfg;
	int err = vrp_config_read(&b->pci, 0, &cfg, sizeof(cfg));
	u32 i, n;

	if (err)
		return err;
	n = vrdma_core_num_queues(&cfg);
	if (!n || n > VRP_MAX_QUEUES)
		return -EPROTO;
	for (i = 0; !err && i < n; i++)
		err = setup_queue(b, i);
	b->num_queues = n;
	return err ? err : vrp_config_vector(&b->pci, 0);
}

static int sys_on(struct vrl_dev *dev)
{
	struct sys_bottom *b = sys_of(dev);
	int err = setup_queues(b);

	if (err)
		return err;
	sys_memory_live(b);
	open_gate(b);
	vrp_driver_ok(&b->pci);
	return 0;
}

/* A device that does not end its work when told is cut off from memory */
static void sys_off(struct vrl_dev *dev)
{
	struct sys_bottom *b = sys_of(dev);
	int err;

	shut_gate(b);
	err = sys_is_gone(b) ? 0 : vrp_reset(&b->pci);
	if (err && err != -ENODEV) {
		vrl_err(dev, "the device takes no reset (%d)", err);
		sys_pci_bus_master(b, false);
	}
	hide_queues(b);
	sys_memory_idle(b);
}

bool sys_is_gone(struct sys_bottom *b)
{
	return __atomic_load_n(&b->gone, __ATOMIC_ACQUIRE);
}

/*
 * The device's thread may be inside of a start that waits for an answer: it ends when
 * the core learns here that none will come.
 */
void sys_gone(struct sys_bottom *b)
{
	__atomic_store_n(&b->gone, true, __ATOMIC_RELEASE);
	shut_gate(b);
	hide_queues(b);
	vrdma_core_device_lost(b->dev->core);
	vrw_device_hold(b->dev, true);
}

static u32 sys_features(struct vrl_dev *dev)
{
	return (u32)sys_of(dev)->features & 0xffffff;
}

/* What cannot be read is zero, which the core refuses */
static void sys_config_read(struct vrl_dev *dev, u32 offset, void *buf, u32 len)
{
	if (vrp_config_read(&sys_of(dev)->pci, offset, buf, len))
		memset(buf, 0, len);
}

/* --- the control device --------------------------------------------------- */

/* Everybody may open it, as everybody may open a socket */
static const char everybody[] =
	"D:P(A;;GA;;;SY)(A;;GA;;;BA)(A;;GRGW;;;WD)(A;;GR;;;RC)";

static NTSTATUS sys_device_make(struct vrl_dev *dev)
{
	struct sys_bottom *b = sys_of(dev);
	PDRIVER_DISPATCH majors[IRP_MJ_MAXIMUM_FUNCTION + 1] = { NULL };
	WCHAR text[sizeof(everybody)];
	UNICODE_STRING sddl = {
		.Length = sizeof(text) - sizeof(WCHAR),
		.MaximumLength = sizeof(text),
		.Buffer = text,
	};
	NDIS_DEVICE_OBJECT_ATTRIBUTES attr = {
		.Header = vrn_header(NDIS_OBJECT_TYPE_DEVICE_OBJECT_ATTRIBUTES,
				     1, sizeof(attr)),
		.DeviceName = &dev->device_name,
		.SymbolicName = &dev->link,
		.MajorFunctions = majors,
		.DefaultSDDLString = &sddl,
	};
	NTSTATUS status;
	size_t i;

	for (i = 0; i < sizeof(everybody); i++)
		text[i] = (WCHAR)everybody[i];
	vrw_driver_dispatch(majors);
	status = NdisRegisterDeviceEx(vrn_driver_handle(), &attr, &dev->device,
				      &b->control);
	if (status != NDIS_STATUS_SUCCESS)
		dev->device = NULL;
	return status;
}

static void sys_device_hide(struct vrl_dev *dev)
{
	IoDeleteSymbolicLink(&dev->link);
}

static void sys_device_delete(struct vrl_dev *dev)
{
	NdisDeregisterDeviceEx(sys_of(dev)->control);
}

/* --- life --------------------------------------------------- */

static void sys_release(struct vrl_dev *dev)
{
	struct sys_bottom *b = sys_of(dev);

	if (!b)
		return;
	sys_interrupt_fini(b);
	sys_pci_fini(b);
}

static void sys_fini(struct vrl_dev *dev)
{
	struct sys_bottom *b = sys_of(dev);
	u32 i;

	for (i = 0; b && i < VRP_MAX_QUEUES; i++)
		kfree(b->queue[i].ring);
	kfree(b);
}

static int sys_init(struct vrl_dev *dev)
{
	const struct sys_start *start = dev->context;
	struct sys_bottom *b = kzalloc(sizeof(*b), GFP_KERNEL);
	int err;
	u32 i;

	if (!b)
		return -ENOMEM;
	dev->bottom_data = b;
	b->dev = dev;
	b->miniport = start->miniport;
	spin_lock_init(&b->gate_lock);
	init_completion(&b->empty);
	complete(&b->empty);
	mutex_init(&b->kept_lock);
	init_completion(&b->let_go);
	complete(&b->let_go);
	for (i = 0; i < VRP_MAX_QUEUES; i++)
		vrw_vq_init(&b->queue[i].vq);
	err = sys_pci_init(b, start->resources);
	return err ? err : sys_interrupt_init(b);
}

static NTSTATUS sys_ioctl(struct vrl_dev *dev, ULONG code, HANDLE pid, void *buf,
			  ULONG in, ULONG *size)
{
	(void)dev;
	(void)code;
	(void)pid;
	(void)buf;
	(void)in;
	*size = 0;
	return STATUS_INVALID_DEVICE_REQUEST;
}

const struct vrw_bottom_ops sys_bottom_ops = {
	.name = "virtio-pci",
	.waits_for_pins = true,
	.init = sys_init,
	.release = sys_release,
	.fini = sys_fini,
	.device_make = sys_device_make,
	.device_hide = sys_device_hide,
	.device_delete = sys_device_delete,
	.reach = sys_reach,
	.on = sys_on,
	.off = sys_off,
	.features = sys_features,
	.config_read = sys_config_read,
	.queue_add = sys_queue_add,
	.queue_get = sys_queue_get,
	.queue_kick = sys_queue_kick,
	.dma_alloc = sys_dma_alloc,
	.dma_free = sys_dma_free,
	.map = sys_map,
	.unmap = sys_unmap,
	.pin = sys_pin,
	.unpin = sys_unpin,
	.keep = sys_keep,
	.ioctl = sys_ioctl,
};
