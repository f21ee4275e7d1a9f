# SPDX-License-Identifier: GPL-2.0-or-later
#
# Devices of the minimal system emulator: what a q35 guest, libvirt's default
# domain and our tests ask for.  isa-serial, ahci, i8042 and fw_cfg come with
# Q35.

CONFIG_Q35=y
CONFIG_VIRTIO_PCI=y
# libvirt puts its root ports into every q35 domain
CONFIG_PCIE_PORT=y
# libvirt adds a balloon unless told not to
CONFIG_VIRTIO_BALLOON=y
CONFIG_VIRTIO_BLK=y
CONFIG_VIRTIO_NET=y
CONFIG_VIRTIO_RNG=y
CONFIG_VIRTIO_SERIAL=y
CONFIG_USB_XHCI_PCI=y
# `default y` does not count with --without-default-devices
CONFIG_VHOST_USER_RDMA=y
