// SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-or-later
/*
 * notify.c - where in the PCI BARs a queue's notification lies
 *
 * DOC: A process may store a notification itself when each queue has a page of
 * its own: virtio 1.2 4.1.4.4, notify_off_multiplier of at least a page.  The
 * kernel's virtio-pci keeps these facts to itself, so the vendor capabilities
 * are read here once more, and queue_notify_off through the common
 * configuration.  That is done in probe only, when nobody else uses
 * queue_select.  Whatever looks odd means: no page, use the KICK ioctl.
 */
#include <linux/io.h>
#include <linux/pci.h>
#include <linux/virtio_pci.h>

#include "vrl.h"

struct vendor_cap {
	int pos;
	u8 bar;
	u32 offset;
	u32 length;
};

static bool find_cap(struct pci_dev *pdev, u8 type, struct vendor_cap *out)
{
	int pos = pci_find_capability(pdev, PCI_CAP_ID_VNDR);
	u8 t, bar;

	for (; pos > 0; pos = pci_find_next_capability(pdev, pos,
						       PCI_CAP_ID_VNDR)) {
		pci_read_config_byte(pdev, pos + VIRTIO_PCI_CAP_CFG_TYPE, &t);
		pci_read_config_byte(pdev, pos + VIRTIO_PCI_CAP_BAR, &bar);
		if (t != type || bar >= PCI_STD_NUM_BARS)
			continue;
		out->pos = pos;
		out->bar = bar;
		pci_read_config_dword(pdev, pos + VIRTIO_PCI_CAP_OFFSET,
				      &out->offset);
		pci_read_config_dword(pdev, pos + VIRTIO_PCI_CAP_LENGTH,
				      &out->length);
		return true;
	}
	return false;
}

/* On every transport but virtio-pci over PCI there is no page */
static struct pci_dev *pci_dev_of(struct virtio_device *vdev)
{
	struct device *parent = vdev->dev.parent;

	return parent && dev_is_pci(parent) ? to_pci_dev(parent) : NULL;
}

static bool notify_window(struct pci_dev *pdev, struct vrl_notify *n,
			  u64 *length)
{
	struct vendor_cap cap;
	resource_size_t size;

	if (!find_cap(pdev, VIRTIO_PCI_CAP_NOTIFY_CFG, &cap))
		return false;
	pci_read_config_dword(pdev, cap.pos + VIRTIO_PCI_NOTIFY_CAP_MULT,
			      &n->multiplier);
	size = pci_resource_len(pdev, cap.bar);
	if (!(pci_resource_flags(pdev, cap.bar) & IORESOURCE_MEM) ||
	    cap.length > size || cap.offset > size - cap.length)
		return false;
	n->base = pci_resource_start(pdev, cap.bar) + cap.offset;
	*length = cap.length;
	return n->multiplier >= PAGE_SIZE &&
	       IS_ALIGNED(n->multiplier, PAGE_SIZE) &&
	       PAGE_ALIGNED(n->base);
}

/* QEMU and every device seen number the pages like the queues; vrl_notify_page
 * relies on it, so it is checked */
static bool offsets_are_indices(struct pci_dev *pdev, struct vrl_dev *dev)
{
	struct virtio_pci_common_cfg __iomem *cfg;
	struct vendor_cap cap;
	bool ok = true;
	u32 i;

	if (!find_cap(pdev, VIRTIO_PCI_CAP_COMMON_CFG, &cap) ||
	    cap.length < sizeof(*cfg))
		return false;
	cfg = pci_iomap_range(pdev, cap.bar, cap.offset, sizeof(*cfg));
	if (!cfg)
		return false;
	for (i = dev->first_wake; ok && i < dev->num_queues; i++) {
		iowrite16(i, &cfg->queue_select);
		ok = ioread16(&cfg->queue_notify_off) == i;
	}
	pci_iounmap(pdev, cfg);
	return ok;
}

void vrl_notify_probe(struct vrl_dev *dev)
{
	struct pci_dev *pdev = pci_dev_of(dev->vdev);
	u64 length;

	dev->notify.usable = false;
	if (!pdev)
		return;
#ifdef VIRTIO_F_NOTIFICATION_DATA
	/* what to store would depend on the ring's state */
	if (virtio_has_feature(dev->vdev, VIRTIO_F_NOTIFICATION_DATA))
		return;
#endif
	if (!notify_window(pdev, &dev->notify, &length) ||
	    length / dev->notify.multiplier < dev->num_queues ||
	    !offsets_are_indices(pdev, dev)) {
		vrl_info(dev, "no notification page per queue: processes notify by system call (page-per-vq=on gives one)\n");
		return;
	}
	dev->notify.usable = true;
}

phys_addr_t vrl_notify_page(struct vrl_dev *dev, u32 queue)
{
	if (!dev->notify.usable || queue < dev->first_wake ||
	    queue >= dev->num_queues)
		return 0;
	return dev->notify.base + (phys_addr_t)queue * dev->notify.multiplier;
}
