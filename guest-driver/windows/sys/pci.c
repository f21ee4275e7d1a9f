/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-or-later */
/*
 * pci.c - the function's configuration space and its memory
 */
#include "sys.h"

#define PCI_COMMAND		0x04
#define PCI_COMMAND_MASTER	0x0004
#define PCI_BAR			0x10
#define PCI_BAR_IO		0x1
#define PCI_BAR_64		0x4
#define PCI_CONFIG_SPACE	0	/* PCI_WHICHSPACE_CONFIG */
#define MAX_BAR			(16u << 20)

/* --- what virtio_pci.c asks for --------------------------------------------------- */

/* A read that fails gives ones, as one of a function that is not there */
static u8 config8(void *ctx, u32 offset)
{
	struct sys_bottom *b = ctx;
	u8 v = 0xff;

	if (sys_is_gone(b) || NdisMGetBusData(b->miniport, PCI_CONFIG_SPACE,
					      offset, &v, 1) != 1)
		return 0xff;
	return v;
}

static u32 config32(void *ctx, u32 offset)
{
	struct sys_bottom *b = ctx;
	u32 v = U32_MAX;

	if (sys_is_gone(b) || NdisMGetBusData(b->miniport, PCI_CONFIG_SPACE,
					      offset, &v, 4) != 4)
		return U32_MAX;
	return v;
}

static u64 bar_size(void *ctx, u8 bar)
{
	struct sys_bottom *b = ctx;

	return b->bar[bar].va ? b->bar[bar].length : 0;
}

/* virtio_pci.c stays inside of bar_size() */
static u32 reg_read(void *ctx, u8 bar, u32 offset, u32 width)
{
	struct sys_bottom *b = ctx;
	u8 *at = (u8 *)b->bar[bar].va + offset;

	if (sys_is_gone(b))
		return U32_MAX >> (32 - 8 * width);
	switch (width) {
	case 1:
		return READ_REGISTER_UCHAR((void *)at);
	case 2:
		return READ_REGISTER_USHORT((void *)at);
	default:
		return READ_REGISTER_ULONG((void *)at);
	}
}

static void reg_write(void *ctx, u8 bar, u32 offset, u32 width, u32 value)
{
	struct sys_bottom *b = ctx;
	u8 *at = (u8 *)b->bar[bar].va + offset;

	if (sys_is_gone(b))
		return;
	switch (width) {
	case 1:
		WRITE_REGISTER_UCHAR((void *)at, (UCHAR)value);
		return;
	case 2:
		WRITE_REGISTER_USHORT((void *)at, (USHORT)value);
		return;
	default:
		WRITE_REGISTER_ULONG((void *)at, value);
	}
}

static void rest(void *ctx)
{
	(void)ctx;
	KeStallExecutionProcessor(10);
}

static const struct vrp_ops pci_ops = {
	.config8 = config8,
	.config32 = config32,
	.bar_size = bar_size,
	.read = reg_read,
	.write = reg_write,
	.rest = rest,
};

void sys_pci_bus_master(struct sys_bottom *b, bool on)
{
	u16 command;

	if (sys_is_gone(b) ||
	    NdisMGetBusData(b->miniport, PCI_CONFIG_SPACE, PCI_COMMAND,
			    &command, sizeof(command)) != sizeof(command))
		return;
	command = on ? command | PCI_COMMAND_MASTER :
		       command & (u16)~PCI_COMMAND_MASTER;
	NdisMSetBusData(b->miniport, PCI_CONFIG_SPACE, PCI_COMMAND, &command,
			sizeof(command));
}

/* --- resources --------------------------------------------------- */

/* Which BAR begins there; VRP_BARS: none */
static u32 bar_at(struct sys_bottom *b, u64 start)
{
	u32 i;

	for (i = 0; i < VRP_BARS; i++) {
		u32 low = config32(b, PCI_BAR + 4 * i);
		u64 at = low & ~15u;

		if (low & PCI_BAR_IO)
			continue;
		if (low & PCI_BAR_64 && i + 1 < VRP_BARS)
			at |= (u64)config32(b, PCI_BAR + 4 * i + 4) << 32;
		if (at == start)
			return i;
		i += !!(low & PCI_BAR_64);
	}
	return VRP_BARS;
}

static int map_bar(struct sys_bottom *b,
		   const CM_PARTIAL_RESOURCE_DESCRIPTOR *r)
{
	u32 i = bar_at(b, (u64)r->u.Memory.Start.QuadPart);
	u32 length = min_t(u32, r->u.Memory.Length, MAX_BAR);

	if (i == VRP_BARS || b->bar[i].va)
		return 0;		/* nothing that we would use */
	if (NdisMMapIoSpace(&b->bar[i].va, b->miniport, r->u.Memory.Start,
			    length) != NDIS_STATUS_SUCCESS) {
		b->bar[i].va = NULL;
		return -ENOMEM;
	}
	b->bar[i].length = length;
	return 0;
}

int sys_pci_init(struct sys_bottom *b, const CM_PARTIAL_RESOURCE_LIST *r)
{
	int err = 0;
	u32 i;

	for (i = 0; r && !err && i < r->Count; i++)
		if (r->PartialDescriptors[i].Type == CmResourceTypeMemory)
			err = map_bar(b, &r->PartialDescriptors[i]);
	return err ? err : vrp_probe(&b->pci, &pci_ops, b);
}

void sys_pci_fini(struct sys_bottom *b)
{
	u32 i;

	for (i = 0; i < VRP_BARS; i++) {
		if (b->bar[i].va)
			NdisMUnmapIoSpace(b->miniport, b->bar[i].va,
					  b->bar[i].length);
		b->bar[i].va = NULL;
	}
}
