/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-or-later */
/*
 * sys.h - what is under the driver on a Windows machine: a virtio PCI function, NDIS, MDLs
 *
 * DOC: Memory
 *
 * What the core shares with the device is non-paged pool in whole pages: it may be had
 * and given back at DISPATCH_LEVEL, as the core wants it, its pages stay where they are,
 * and the device takes lists of pages, so that nothing must be contiguous.  Of a
 * virtqueue each of the three parts lies within a page.  Physical addresses are used as
 * they are: the device is refused where it asks for more (VIRTIO_F_ACCESS_PLATFORM).
 *
 * A program's buffer is a chain of MDLs, locked.  Rings are mapped into a program by an
 * MDL over the pool.  The two calls that raise exceptions are made by vrw_guarded()
 * (seh.h).
 *
 * DOC: The gate
 *
 * Whoever touches the device's registers or hands on an event, at any level, is inside
 * of the gate: sys_enter(), sys_leave().  sys_off() shuts it and waits until nobody is
 * inside.  The device's own thread needs no gate: it is who shuts it.
 */
#ifndef VRW_SYS_H
#define VRW_SYS_H

#include "miniport.h"
#include "virtio_pci.h"
#include "vq.h"
#include "vrl.h"

/* Of vrw_device_start(): looked at by init only */
struct sys_start {
	NDIS_HANDLE miniport;
	const CM_PARTIAL_RESOURCE_LIST *resources;
};

struct sys_bar {
	void *va;			/* NULL: not memory, or not mapped */
	u32 length;
};

struct sys_queue {
	struct vrw_vq vq;
	struct vrw_vq_ring *ring;
};

struct sys_bottom {
	/* constant after init */
	struct vrl_dev *dev;
	NDIS_HANDLE miniport;
	struct sys_bar bar[VRP_BARS];
	NDIS_HANDLE interrupt;
	u32 messages;
	NDIS_HANDLE control;		/* after device_make */

	/* the device's thread, and who is inside of the gate */
	struct vrp pci;
	u64 features;
	u32 num_queues;
	struct sys_queue queue[VRP_MAX_QUEUES];

	bool gone;			/* atomic, for good */
	spinlock_t gate_lock;
	/* under gate_lock */
	bool open;
	u32 inside;
	struct completion empty;	/* shut, and nobody is inside */

	struct mutex kept_lock;
	/* under kept_lock */
	bool live;			/* the device may touch memory */
	MDL *kept;			/* locked until it may not */
	struct completion let_go;	/* set while there are none */
};

static inline struct sys_bottom *sys_of(struct vrl_dev *dev)
{
	return dev->bottom_data;
}

/* bottom.c */
extern const struct vrw_bottom_ops sys_bottom_ops;
bool sys_enter(struct sys_bottom *b);		/* false: shut */
void sys_leave(struct sys_bottom *b);
bool sys_is_gone(struct sys_bottom *b);
/* passive: the function was pulled out.  Everything ends */
void sys_gone(struct sys_bottom *b);

/* pci.c: 0 or -errno; fini undoes what was done */
int sys_pci_init(struct sys_bottom *b, const CM_PARTIAL_RESOURCE_LIST *r);
void sys_pci_fini(struct sys_bottom *b);
void sys_pci_bus_master(struct sys_bottom *b, bool on);

/* interrupt.c */
int sys_interrupt_init(struct sys_bottom *b);
void sys_interrupt_fini(struct sys_bottom *b);
u16 sys_vector_of(const struct sys_bottom *b, u32 queue);

/* memory.c */
bool sys_dma_alloc(struct vrl_dev *dev, struct vrw_dma *dma);
void sys_dma_free(struct vrl_dev *dev, struct vrw_dma *dma);
NTSTATUS sys_map(struct vrw_map *map, HANDLE pid);
void sys_unmap(struct vrw_map *map, HANDLE pid);
NTSTATUS sys_pin(struct vrl_pin *pin, HANDLE pid);
void sys_unpin(struct vrl_pin *pin);
void sys_keep(struct vrl_pin *pin);
/* The device begins to touch memory; it does not any more */
void sys_memory_live(struct sys_bottom *b);
void sys_memory_idle(struct sys_bottom *b);

#endif /* VRW_SYS_H */
