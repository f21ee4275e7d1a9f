/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-or-later */
/*
 * virtio_pci.c - see virtio_pci.h
 */
#include "virtio_pci.h"

#include <stddef.h>
#include <string.h>

/* PCI configuration space */
#define PCI_VENDOR		0x00
#define PCI_STATUS		0x06
#define PCI_STATUS_CAPS		0x10
#define PCI_CAPS		0x34
#define PCI_CAP_VENDOR		0x09
#define PCI_CAPS_MAX		48	/* more do not fit: the list goes in circles */

/* struct virtio_pci_cap */
#define CAP_NEXT		1
#define CAP_LENGTH		2
#define CAP_TYPE		3
#define CAP_BAR			4
#define CAP_AT			8
#define CAP_SIZE		12
#define CAP_MULTIPLIER		16
#define CAP_MIN			16

enum {
	CAP_COMMON = 1,
	CAP_NOTIFY = 2,
	CAP_ISR = 3,
	CAP_DEVICE = 4,
};

/* struct virtio_pci_common_cfg */
enum {
	C_DEVICE_FEATURE_SELECT = 0,
	C_DEVICE_FEATURE = 4,
	C_DRIVER_FEATURE_SELECT = 8,
	C_DRIVER_FEATURE = 12,
	C_CONFIG_VECTOR = 16,
	C_NUM_QUEUES = 18,
	C_STATUS = 20,
	C_GENERATION = 21,
	C_QUEUE_SELECT = 22,
	C_QUEUE_SIZE = 24,
	C_QUEUE_VECTOR = 26,
	C_QUEUE_ENABLE = 28,
	C_QUEUE_NOTIFY_OFF = 30,
	C_QUEUE_DESC = 32,
	C_QUEUE_DRIVER = 40,
	C_QUEUE_DEVICE = 48,
	C_SIZE = 56,
};

#define RESET_LOOKS	100000u
#define CONFIG_TRIES	1000u

/* --- registers -------------------------------------------------------------------- */

static uint32_t get(struct vrp *p, uint32_t reg, uint32_t width)
{
	return p->ops->read(p->ctx, p->common.bar, p->common.offset + reg,
			    width);
}

static void put(struct vrp *p, uint32_t reg, uint32_t width, uint32_t v)
{
	p->ops->write(p->ctx, p->common.bar, p->common.offset + reg, width, v);
}

static void put64(struct vrp *p, uint32_t reg, uint64_t v)
{
	put(p, reg, 4, (uint32_t)v);
	put(p, reg + 4, 4, (uint32_t)(v >> 32));
}

/* --- finding the windows --------------------------------------------------------------- */

static struct vrp_window *window_of(struct vrp *p, uint8_t type)
{
	switch (type) {
	case CAP_COMMON:
		return &p->common;
	case CAP_NOTIFY:
		return &p->notify;
	case CAP_ISR:
		return &p->isr;
	case CAP_DEVICE:
		return &p->device;
	default:
		return NULL;
	}
}

/* by subtraction: nothing can wrap */
static bool in_bar(struct vrp *p, const struct vrp_window *w)
{
	uint64_t size = w->bar < VRP_BARS ?
				p->ops->bar_size(p->ctx, w->bar) : 0;

	return w->length && w->length <= size && w->offset <= size - w->length;
}

/* The first of a type is the preferred one (4.1.4.1).  A bar of a number that does
 * not exist is to be ignored, one that is too short is a lie. */
static int take_cap(struct vrp *p, uint32_t at)
{
	struct vrp_window *w =
		window_of(p, p->ops->config8(p->ctx, at + CAP_TYPE));
	struct vrp_window found;
	uint8_t length = p->ops->config8(p->ctx, at + CAP_LENGTH);

	if (!w || w->length)
		return 0;
	found.bar = p->ops->config8(p->ctx, at + CAP_BAR);
	if (found.bar >= VRP_BARS)
		return 0;
	if (length < CAP_MIN || at + length > 256 ||
	    (w == &p->notify && length < CAP_MULTIPLIER + 4))
		return -VRP_EINVAL;
	found.offset = p->ops->config32(p->ctx, at + CAP_AT);
	found.length = p->ops->config32(p->ctx, at + CAP_SIZE);
	if (!in_bar(p, &found) || found.offset % 4)
		return -VRP_EINVAL;
	if (w == &p->notify)
		p->notify_multiplier =
			p->ops->config32(p->ctx, at + CAP_MULTIPLIER);
	*w = found;
	return 0;
}

static int walk_caps(struct vrp *p)
{
	uint32_t at = p->ops->config8(p->ctx, PCI_CAPS) & ~3u, n;
	int err = 0;

	for (n = 0; !err && at >= 0x40 && n < PCI_CAPS_MAX; n++) {
		if (at + CAP_MIN > 256)
			break;
		if (p->ops->config8(p->ctx, at) == PCI_CAP_VENDOR)
			err = take_cap(p, at);
		at = p->ops->config8(p->ctx, at + CAP_NEXT) & ~3u;
	}
	return n == PCI_CAPS_MAX ? -VRP_EINVAL : err;
}

int vrp_probe(struct vrp *p, const struct vrp_ops *ops, void *ctx)
{
	int err;

	memset(p, 0, sizeof(*p));
	p->ops = ops;
	p->ctx = ctx;
	if (!(ops->config8(ctx, PCI_STATUS) & PCI_STATUS_CAPS))
		return -VRP_ENODEV;
	err = walk_caps(p);
	if (err)
		return err;
	return p->common.length >= C_SIZE && p->notify.length >= 2 &&
	       p->device.length ? 0 : -VRP_ENODEV;
}

/* --- status ------------------------------------------------------------------------------ */

uint8_t vrp_status(struct vrp *p)
{
	return (uint8_t)get(p, C_STATUS, 1);
}

bool vrp_gone(struct vrp *p)
{
	return p->ops->config32(p->ctx, PCI_VENDOR) == 0xffffffff;
}

static void add_status(struct vrp *p, uint8_t bit)
{
	put(p, C_STATUS, 1, vrp_status(p) | bit);
}

int vrp_reset(struct vrp *p)
{
	uint32_t n;

	memset(p->notify_at, 0, sizeof(p->notify_at));
	put(p, C_STATUS, 1, 0);
	for (n = 0; n < RESET_LOOKS; n++) {
		if (!vrp_status(p))
			return 0;
		if (vrp_gone(p))
			return -VRP_ENODEV;
		p->ops->rest(p->ctx);
	}
	return -VRP_ETIMEDOUT;
}

void vrp_driver_ok(struct vrp *p)
{
	add_status(p, VRP_S_DRIVER_OK);
}

void vrp_failed(struct vrp *p)
{
	add_status(p, VRP_S_FAILED);
}

/* --- features ------------------------------------------------------------------------------ */

static uint64_t offered(struct vrp *p)
{
	uint64_t v;

	put(p, C_DEVICE_FEATURE_SELECT, 4, 1);
	v = (uint64_t)get(p, C_DEVICE_FEATURE, 4) << 32;
	put(p, C_DEVICE_FEATURE_SELECT, 4, 0);
	return v | get(p, C_DEVICE_FEATURE, 4);
}

static void agree(struct vrp *p, uint64_t v)
{
	put(p, C_DRIVER_FEATURE_SELECT, 4, 0);
	put(p, C_DRIVER_FEATURE, 4, (uint32_t)v);
	put(p, C_DRIVER_FEATURE_SELECT, 4, 1);
	put(p, C_DRIVER_FEATURE, 4, (uint32_t)(v >> 32));
}

int vrp_negotiate(struct vrp *p, uint64_t want, uint64_t *got)
{
	uint64_t have;

	add_status(p, VRP_S_ACKNOWLEDGE);
	add_status(p, VRP_S_DRIVER);
	have = offered(p);
	/* behind an IOMMU addresses would not be physical ones */
	if (!(have & VRP_F_VERSION_1) || have & VRP_F_ACCESS_PLATFORM)
		return -VRP_EPROTO;
	*got = (want | VRP_F_VERSION_1) & have;
	agree(p, *got);
	add_status(p, VRP_S_FEATURES_OK);
	return vrp_status(p) & VRP_S_FEATURES_OK ? 0 : -VRP_EPROTO;
}

/* --- queues --------------------------------------------------------------------------------- */

uint16_t vrp_num_queues(struct vrp *p)
{
	return (uint16_t)get(p, C_NUM_QUEUES, 2);
}

int vrp_config_vector(struct vrp *p, uint16_t vector)
{
	put(p, C_CONFIG_VECTOR, 2, vector);
	return get(p, C_CONFIG_VECTOR, 2) == vector ? 0 : -VRP_EIO;
}

/* Where the selected queue is notified, in the bar; 0: outside of the window */
static uint32_t notify_place(struct vrp *p)
{
	uint64_t at = (uint64_t)get(p, C_QUEUE_NOTIFY_OFF, 2) *
		      p->notify_multiplier;

	if (at % 2 || at > p->notify.length - 2)
		return 0;
	/* offset 0 of a bar is a place, too: kept by one more */
	return p->notify.offset + (uint32_t)at + 1;
}

int vrp_queue_setup(struct vrp *p, uint16_t index, const struct vrp_queue *q)
{
	uint32_t place, max;

	if (index >= VRP_MAX_QUEUES || index >= vrp_num_queues(p))
		return -VRP_EINVAL;
	put(p, C_QUEUE_SELECT, 2, index);
	max = get(p, C_QUEUE_SIZE, 2);
	place = notify_place(p);
	if (!place || !q->size || q->size & (q->size - 1) || q->size > max ||
	    get(p, C_QUEUE_ENABLE, 2))
		return -VRP_EINVAL;
	put(p, C_QUEUE_SIZE, 2, q->size);
	put(p, C_QUEUE_VECTOR, 2, q->vector);
	if (get(p, C_QUEUE_VECTOR, 2) != q->vector)
		return -VRP_EIO;
	put64(p, C_QUEUE_DESC, q->desc);
	put64(p, C_QUEUE_DRIVER, q->driver);
	put64(p, C_QUEUE_DEVICE, q->device);
	put(p, C_QUEUE_ENABLE, 2, 1);
	p->notify_at[index] = place;
	return 0;
}

void vrp_notify(struct vrp *p, uint16_t index)
{
	if (index < VRP_MAX_QUEUES && p->notify_at[index])
		p->ops->write(p->ctx, p->notify.bar, p->notify_at[index] - 1, 2,
			      index);
}

/* --- configuration ------------------------------------------------------------ */

static void read_bytes(struct vrp *p, uint32_t offset, uint8_t *buf,
		       uint32_t len)
{
	uint32_t i;

	for (i = 0; i < len; i++)
		buf[i] = (uint8_t)p->ops->read(p->ctx, p->device.bar,
					       p->device.offset + offset + i,
					       1);
}

int vrp_config_read(struct vrp *p, uint32_t offset, void *buf, uint32_t len)
{
	uint32_t n, before;

	if (len > p->device.length || offset > p->device.length - len)
		return -VRP_EINVAL;
	for (n = 0; n < CONFIG_TRIES; n++) {
		before = get(p, C_GENERATION, 1);
		read_bytes(p, offset, buf, len);
		if (get(p, C_GENERATION, 1) == before)
			return 0;
	}
	return -VRP_EIO;
}
