/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * pcidev.h - the virtio RDMA function on a PCI bus that NDIS gives to the driver
 *
 * DOC: QEMU's part between the registers and vrdmad, in the order in which the driver
 * writes them: what it sees is laid out as QEMU lays it out, and behind it is the front end
 * of tests/lib.  The driver's own virtqueues are handed to vrdmad.
 */
#ifndef TESTS_PCIDEV_H
#define TESTS_PCIDEV_H

#include "frontend.h"
#include "ndis6.h"

/* A machine with the device plugged in; its memory; and without it */
struct fe *pcidev_plug(const char *socket, size_t mem_size);
void pcidev_pull(void);			/* by surprise: registers read ones */
void pcidev_free(void);
CM_PARTIAL_RESOURCE_LIST *pcidev_resources(void);

/* Messages that the system has for it, 0: a line only.  Before initialize */
void pcidev_set_messages(uint32_t n);
/* What the driver left: mapped, an interrupt, queues that vrdmad serves */
bool pcidev_in_use(void);
/* It asks for a reset, for no reason */
void pcidev_needs_reset(void);
/* It takes no reset any more, until told otherwise */
void pcidev_hang(bool hangs);
bool pcidev_is_master(void);
uint32_t pcidev_resets(void);

#endif /* TESTS_PCIDEV_H */
