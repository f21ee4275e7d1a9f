/*
 * vhost-user-rdma-pci: the virtio RDMA device on PCI
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "hw/pci/pci.h"
#include "hw/qdev-properties.h"
#include "hw/virtio/vhost-user-rdma.h"
#include "hw/virtio/virtio-pci.h"

#define TYPE_VHOST_USER_RDMA_PCI "vhost-user-rdma-pci-base"
OBJECT_DECLARE_SIMPLE_TYPE(VHostUserRDMAPCI, VHOST_USER_RDMA_PCI)

struct VHostUserRDMAPCI {
    VirtIOPCIProxy parent_obj;
    VHostUserRDMA vdev;
};

static const Property rdma_pci_properties[] = {
    DEFINE_PROP_UINT32("vectors", VirtIOPCIProxy, nvectors,
                       DEV_NVECTORS_UNSPECIFIED),
};

static void rdma_pci_realize(VirtIOPCIProxy *proxy, Error **errp)
{
    VHostUserRDMAPCI *s = VHOST_USER_RDMA_PCI(proxy);

    /* one for each queue and one for the configuration */
    if (proxy->nvectors == DEV_NVECTORS_UNSPECIFIED) {
        proxy->nvectors = s->vdev.num_vqs + 1;
    }
    qdev_realize(DEVICE(&s->vdev), BUS(&proxy->bus), errp);
}

static void rdma_pci_class_init(ObjectClass *klass, void *data)
{
    DeviceClass *dc = DEVICE_CLASS(klass);
    VirtioPCIClass *k = VIRTIO_PCI_CLASS(klass);
    PCIDeviceClass *pci = PCI_DEVICE_CLASS(klass);

    device_class_set_props(dc, rdma_pci_properties);
    dc->desc = "virtio RDMA (vhost-user)";
    set_bit(DEVICE_CATEGORY_NETWORK, dc->categories);
    k->realize = rdma_pci_realize;
    pci->vendor_id = PCI_VENDOR_ID_REDHAT_QUMRANET;
    pci->device_id = 0; /* virtio-pci makes it 0x1040 + the virtio id */
    pci->revision = 0;
    pci->class_id = PCI_CLASS_NETWORK_OTHER;
}

static void rdma_pci_instance_init(Object *obj)
{
    VHostUserRDMAPCI *s = VHOST_USER_RDMA_PCI(obj);

    /*
     * A page for each queue's notification, so that the guest can give one
     * to a process and no other with it.  Here and not in realize, where the
     * BAR is laid out already; page-per-vq=off still wins.
     */
    VIRTIO_PCI(obj)->flags |= VIRTIO_PCI_FLAG_PAGE_PER_VQ;
    virtio_instance_init_common(obj, &s->vdev, sizeof(s->vdev),
                                TYPE_VHOST_USER_RDMA);
}

/* Only this name is registered: it makes the device modern and nothing else. */
static const VirtioPCIDeviceTypeInfo rdma_pci_info = {
    .base_name = TYPE_VHOST_USER_RDMA_PCI,
    .non_transitional_name = "vhost-user-rdma-pci",
    .instance_size = sizeof(VHostUserRDMAPCI),
    .instance_init = rdma_pci_instance_init,
    .class_init = rdma_pci_class_init,
};

static void rdma_pci_register_types(void)
{
    virtio_pci_types_register(&rdma_pci_info);
}

type_init(rdma_pci_register_types)
