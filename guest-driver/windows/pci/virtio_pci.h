/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-or-later */
/*
 * virtio_pci.h - a virtio device over PCI: finding it, features, queues, reset
 *
 * DOC: virtio 1.2 section 4.1, modern devices only.  Windows has no virtio bus, so
 * the miniport brings its own.  Registers are reached by struct vrp_ops, of NT or of
 * a test; what a device says is checked before it is used, and waiting is bounded.
 *
 * No locks: the device's thread alone calls all but vrp_notify(), which may come from
 * anywhere once the queue is set up.
 */
#ifndef VRP_VIRTIO_PCI_H
#define VRP_VIRTIO_PCI_H

#include <stdbool.h>
#include <stdint.h>

#define VRP_MAX_QUEUES	64u
#define VRP_BARS	6u
#define VRP_NO_VECTOR	0xffffu

/* bits of the device status */
#define VRP_S_ACKNOWLEDGE	1
#define VRP_S_DRIVER		2
#define VRP_S_DRIVER_OK		4
#define VRP_S_FEATURES_OK	8
#define VRP_S_NEEDS_RESET	64
#define VRP_S_FAILED		128

#define VRP_F_VERSION_1		(1ull << 32)
#define VRP_F_ACCESS_PLATFORM	(1ull << 33)

/* errno values, as the core has them */
#define VRP_EIO		5
#define VRP_ENODEV	19
#define VRP_EINVAL	22
#define VRP_EPROTO	71
#define VRP_ETIMEDOUT	110

struct vrp_ops {
	/* PCI configuration space, offset below 256: bytes little-endian */
	uint8_t (*config8)(void *ctx, uint32_t offset);
	uint32_t (*config32)(void *ctx, uint32_t offset);
	/* bytes of a memory BAR that are mapped, 0: none */
	uint64_t (*bar_size)(void *ctx, uint8_t bar);
	/* a register: width 1, 2 or 4, aligned */
	uint32_t (*read)(void *ctx, uint8_t bar, uint32_t offset,
			 uint32_t width);
	void (*write)(void *ctx, uint8_t bar, uint32_t offset, uint32_t width,
		      uint32_t value);
	/* a moment between two looks at a register */
	void (*rest)(void *ctx);
};

struct vrp_window {
	uint8_t bar;
	uint32_t offset;
	uint32_t length;	/* 0: not there */
};

struct vrp {
	const struct vrp_ops *ops;
	void *ctx;
	/* constant after probe */
	struct vrp_window common, notify, isr, device;
	uint32_t notify_multiplier;
	/* of each queue that is set up */
	uint32_t notify_at[VRP_MAX_QUEUES];	/* in notify's bar; 0: not */
};

/* One queue, as the driver made it.  Addresses are physical */
struct vrp_queue {
	uint16_t size;		/* entries, a power of two */
	uint16_t vector;	/* of MSI-X, or VRP_NO_VECTOR */
	uint64_t desc, driver, device;
};

/* Finds the windows.  0, -ENODEV: not a modern virtio device with what is needed,
 * -EINVAL: a capability that lies */
int vrp_probe(struct vrp *p, const struct vrp_ops *ops, void *ctx);
/* 0, or -ETIMEDOUT: the device does not become idle */
int vrp_reset(struct vrp *p);
/* ACKNOWLEDGE, DRIVER, and those of want that the device offers; *got: what was agreed.
 * Without VERSION_1, or with ACCESS_PLATFORM: -EPROTO */
int vrp_negotiate(struct vrp *p, uint64_t want, uint64_t *got);
uint16_t vrp_num_queues(struct vrp *p);
/* The vector for changes of the configuration; -EIO: the device takes none */
int vrp_config_vector(struct vrp *p, uint16_t vector);
/* -EINVAL: no such queue or too small for q; -EIO: its vector was not taken */
int vrp_queue_setup(struct vrp *p, uint16_t index, const struct vrp_queue *q);
void vrp_driver_ok(struct vrp *p);
void vrp_failed(struct vrp *p);
/* any context */
void vrp_notify(struct vrp *p, uint16_t index);
/* The device's own configuration, one consistent state of it.  0, -EINVAL: not so
 * long, -EIO: it changes all the time */
int vrp_config_read(struct vrp *p, uint32_t offset, void *buf, uint32_t len);
uint8_t vrp_status(struct vrp *p);
/* The function is not there any more: every read gives ones */
bool vrp_gone(struct vrp *p);

#endif /* VRP_VIRTIO_PCI_H */
