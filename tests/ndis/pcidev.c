// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * pcidev.c - see pcidev.h
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "nt.h"
#include "pcidev.h"
#include "standin.h"
#include "virtio_pci.h"

#define BAR		4
#define BAR_AT		0x380000000000ull	/* above 4 GiB, as QEMU has it */
#define BAR_SIZE	0x80000u
#define COMMON		0x0000u
#define ISR		0x1000u
#define DEVICE		0x2000u
#define NOTIFY		0x3000u
#define PAGE		4096u			/* one for each queue's notification */
#define QUEUES		FE_MAX_QUEUES
#define OTHER_AT	0xfebf0000ull		/* of MSI-X's table */

struct queue {
	uint16_t size, enable;
	uint16_t vector;		/* atomic */
	uint64_t addr[3];
};

static struct {
	struct fe *fe;
	const char *socket;
	uint8_t config[256];
	uint8_t *base;			/* of the bar, mapped; never touched */
	CM_PARTIAL_RESOURCE_LIST resources;
	/* the driver's thread */
	uint32_t dev_select, drv_select;
	uint64_t agreed;
	uint16_t select;
	struct queue q[QUEUES];
	struct virtio_rdma_config space;
	/* atomic */
	uint16_t config_vector;
	uint32_t status;
	bool gone, hangs;
	uint32_t resets;
	/* interrupts */
	uint32_t messages;
	pthread_mutex_t lock;		/* held while one is served */
	bool registered;
	NDIS_MINIPORT_INTERRUPT_CHARACTERISTICS chars;
	NDIS_HANDLE context;
	IO_INTERRUPT_MESSAGE_INFO info;
} d;

static __attribute__((noreturn)) void stop(const char *what)
{
	fprintf(stderr, "pcidev: %s\n", what);
	abort();
}

/* --- interrupts --------------------------------------------------- */

struct message {
	ULONG id;
	BOOLEAN dpc;
};

static void run_isr(void *arg)
{
	struct message *m = arg;
	ULONG processors = 0;

	if (!d.chars.MessageInterruptHandler(d.context, m->id, &m->dpc,
					     &processors))
		stop("a message that the driver does not know");
}

static void run_dpc(void *arg)
{
	struct message *m = arg;

	d.chars.MessageInterruptDpcHandler(d.context, m->id, NULL, NULL, NULL);
}

static void interrupt(uint16_t vector)
{
	struct message m = { .id = vector };

	if (vector == VRP_NO_VECTOR || !pcidev_is_master())
		return;
	pthread_mutex_lock(&d.lock);
	if (d.registered) {
		nt_at(5, run_isr, &m);
		if (m.dpc)
			nt_at(DISPATCH_LEVEL, run_dpc, &m);
	}
	pthread_mutex_unlock(&d.lock);
}

NDIS_STATUS NdisMRegisterInterruptEx(NDIS_HANDLE miniport, NDIS_HANDLE context,
				     NDIS_MINIPORT_INTERRUPT_CHARACTERISTICS *c,
				     NDIS_HANDLE *handle)
{
	nt_at_most(PASSIVE_LEVEL, __func__);
	if (miniport != &ndis || d.registered || c->Header.Type != 0x84 ||
	    !c->MsiSupported || !c->InterruptHandler || !c->InterruptDpcHandler)
		stop("NdisMRegisterInterruptEx");
	if (nt_fails())
		return NDIS_STATUS_FAILURE;
	d.info.MessageCount = d.messages;
	c->InterruptType = d.messages ? NDIS_CONNECT_MESSAGE_BASED :
					NDIS_CONNECT_LINE_BASED;
	c->MessageInfoTable = d.messages ? &d.info : NULL;
	pthread_mutex_lock(&d.lock);
	d.chars = *c;
	d.context = context;
	d.registered = true;
	pthread_mutex_unlock(&d.lock);
	*handle = &d.chars;
	return NDIS_STATUS_SUCCESS;
}

VOID NdisMDeregisterInterruptEx(NDIS_HANDLE handle)
{
	nt_at_most(PASSIVE_LEVEL, __func__);
	if (handle != &d.chars || !d.registered)
		stop("NdisMDeregisterInterruptEx");
	pthread_mutex_lock(&d.lock);
	d.registered = false;
	pthread_mutex_unlock(&d.lock);
}

static uint16_t get_vector(const uint16_t *at)
{
	return __atomic_load_n(at, __ATOMIC_SEQ_CST);
}

static void set_vector(uint16_t *at, uint32_t v)
{
	__atomic_store_n(at, v < d.messages ? v : VRP_NO_VECTOR,
			 __ATOMIC_SEQ_CST);
}

static void on_queue(void *arg, uint32_t queue)
{
	(void)arg;
	interrupt(get_vector(&d.q[queue].vector));
}

static void on_needs_reset(void *arg)
{
	(void)arg;
	__atomic_fetch_or(&d.status, VRP_S_NEEDS_RESET, __ATOMIC_SEQ_CST);
	interrupt(get_vector(&d.config_vector));
}

static const struct fe_events events = {
	.queue = on_queue,
	.needs_reset = on_needs_reset,
};

/* --- what the driver writes into the status --------------------------------------------------- */

static void do_reset(void)
{
	if (__atomic_load_n(&d.hangs, __ATOMIC_SEQ_CST))
		return;
	__atomic_add_fetch(&d.resets, 1, __ATOMIC_SEQ_CST);
	if (!fe_connected(d.fe))
		fe_connect(d.fe, d.socket);
	else
		fe_reset(d.fe);
	for (uint32_t i = 0; i < QUEUES; i++) {
		d.q[i].size = FE_RING_SIZE;
		d.q[i].enable = 0;
		memset(d.q[i].addr, 0, sizeof(d.q[i].addr));
		set_vector(&d.q[i].vector, VRP_NO_VECTOR);
	}
	set_vector(&d.config_vector, VRP_NO_VECTOR);
	d.agreed = 0;
	__atomic_store_n(&d.status, 0, __ATOMIC_SEQ_CST);
}

static uint64_t offered(void)
{
	return fe_connected(d.fe) ? fe_device_features(d.fe) & ~(1ull << 30) : 0;
}

static void start_queues(void)
{
	if (!pcidev_is_master())
		stop("started without being bus master");
	for (uint32_t i = 0; i < QUEUES; i++)
		if (d.q[i].enable)
			fe_place_queue(d.fe, i, d.q[i].size, d.q[i].addr[0],
				       d.q[i].addr[1], d.q[i].addr[2]);
	fe_leave_out(d.fe, ~d.agreed & 0xffffff);
	if (!fe_connected(d.fe) || fe_start(d.fe))
		on_needs_reset(NULL);
}

static void set_status(uint32_t v)
{
	uint32_t was = __atomic_load_n(&d.status, __ATOMIC_SEQ_CST);

	if (!v) {
		do_reset();
		return;
	}
	if (v & VRP_S_FEATURES_OK &&
	    (d.agreed & ~offered() || fe_read_config(d.fe, &d.space)))
		v &= ~(uint32_t)VRP_S_FEATURES_OK;
	__atomic_fetch_or(&d.status, v, __ATOMIC_SEQ_CST);
	if (v & VRP_S_DRIVER_OK && !(was & VRP_S_DRIVER_OK))
		start_queues();
}

/* --- registers --------------------------------------------------- */

static uint32_t common_read(uint32_t reg)
{
	struct queue *q = &d.q[d.select];

	switch (reg) {
	case 4:
		return (uint32_t)(offered() >> 32 * (d.dev_select & 1));
	case 16:
		return d.config_vector;
	case 18:
		return QUEUES;
	case 20:
		return __atomic_load_n(&d.status, __ATOMIC_SEQ_CST);
	case 21:
		return 0;
	case 24:
		return q->size;
	case 26:
		return q->vector;
	case 28:
		return q->enable;
	case 30:
		return d.select;
	default:
		stop("a register is read that has no meaning");
	}
}

static void common_write(uint32_t reg, uint32_t v)
{
	struct queue *q = &d.q[d.select];

	switch (reg) {
	case 0:
		d.dev_select = v;
		return;
	case 8:
		d.drv_select = v;
		return;
	case 12:
		d.agreed |= (uint64_t)v << 32 * (d.drv_select & 1);
		return;
	case 16:
		set_vector(&d.config_vector, v);
		return;
	case 20:
		set_status(v);
		return;
	case 22:
		if (v >= QUEUES)
			stop("a queue that there is not");
		d.select = (uint16_t)v;
		return;
	case 24:
		q->size = (uint16_t)v;
		return;
	case 26:
		set_vector(&q->vector, v);
		return;
	case 28:
		q->enable = (uint16_t)v;
		return;
	default:
		if (reg < 32 || reg >= 56)
			stop("a register is written that has no meaning");
		q->addr[(reg - 32) / 8] |= (uint64_t)v << 8 * (reg % 8);
	}
}

static bool is_gone(void)
{
	return __atomic_load_n(&d.gone, __ATOMIC_SEQ_CST);
}

static uint32_t offset_of(void *at, uint32_t width)
{
	uint64_t offset = (uint64_t)((uint8_t *)at - d.base);

	if (!d.base || offset > BAR_SIZE - width || offset % width)
		stop("outside of the bar");
	return (uint32_t)offset;
}

static uint32_t reg_read(void *at, uint32_t width)
{
	uint32_t offset = offset_of(at, width);

	if (is_gone())
		return UINT32_MAX;
	if (offset >= DEVICE && offset < DEVICE + sizeof(d.space))
		return ((uint8_t *)&d.space)[offset - DEVICE];
	return common_read(offset);
}

static void reg_write(void *at, uint32_t width, uint32_t v)
{
	uint32_t offset = offset_of(at, width);

	if (is_gone())
		return;
	if (offset < NOTIFY) {
		common_write(offset, v);
		return;
	}
	if ((offset - NOTIFY) % PAGE || (offset - NOTIFY) / PAGE != v)
		stop("a notification that names another queue");
	fe_kick(d.fe, v);
}

UCHAR READ_REGISTER_UCHAR(PVOID at)
{
	return (UCHAR)reg_read(at, 1);
}

USHORT READ_REGISTER_USHORT(PVOID at)
{
	return (USHORT)reg_read(at, 2);
}

ULONG READ_REGISTER_ULONG(PVOID at)
{
	return reg_read(at, 4);
}

VOID WRITE_REGISTER_UCHAR(PVOID at, UCHAR v)
{
	reg_write(at, 1, v);
}

VOID WRITE_REGISTER_USHORT(PVOID at, USHORT v)
{
	reg_write(at, 2, v);
}

VOID WRITE_REGISTER_ULONG(PVOID at, ULONG v)
{
	reg_write(at, 4, v);
}

/* --- what NDIS gives of a function --------------------------------------------------- */

NDIS_STATUS NdisMMapIoSpace(PVOID *va, NDIS_HANDLE miniport, PHYSICAL_ADDRESS at,
			    UINT length)
{
	nt_at_most(PASSIVE_LEVEL, __func__);
	if (miniport != &ndis || (uint64_t)at.QuadPart != BAR_AT ||
	    length != BAR_SIZE || d.base)
		stop("NdisMMapIoSpace");
	if (nt_fails())
		return NDIS_STATUS_RESOURCES;
	d.base = mmap(NULL, BAR_SIZE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS,
		      -1, 0);
	*va = d.base;
	return NDIS_STATUS_SUCCESS;
}

VOID NdisMUnmapIoSpace(NDIS_HANDLE miniport, PVOID va, UINT length)
{
	nt_at_most(PASSIVE_LEVEL, __func__);
	if (miniport != &ndis || va != d.base || length != BAR_SIZE)
		stop("NdisMUnmapIoSpace");
	munmap(d.base, BAR_SIZE);
	d.base = NULL;
}

ULONG NdisMGetBusData(NDIS_HANDLE miniport, ULONG space, ULONG offset, PVOID buf,
		      ULONG length)
{
	nt_at_most(DISPATCH_LEVEL, __func__);
	if (miniport != &ndis || space || offset > 256 - length)
		stop("NdisMGetBusData");
	if (is_gone())
		memset(buf, 0xff, length);
	else
		memcpy(buf, d.config + offset, length);
	return length;
}

ULONG NdisMSetBusData(NDIS_HANDLE miniport, ULONG space, ULONG offset, PVOID buf,
		      ULONG length)
{
	nt_at_most(DISPATCH_LEVEL, __func__);
	if (miniport != &ndis || space || offset != 4 || length != 2)
		stop("NdisMSetBusData");
	__atomic_store_n(&d.config[4], *(uint8_t *)buf, __ATOMIC_SEQ_CST);
	return length;
}

/* --- the control device --------------------------------------------------- */

NDIS_STATUS NdisRegisterDeviceEx(NDIS_HANDLE driver,
				 NDIS_DEVICE_OBJECT_ATTRIBUTES *a,
				 DEVICE_OBJECT **device, NDIS_HANDLE *handle)
{
	nt_at_most(PASSIVE_LEVEL, __func__);
	if (driver != &ndis || a->Header.Type != 0x85 || !a->SymbolicName ||
	    !a->DefaultSDDLString || a->DefaultSDDLString->Buffer[0] != 'D')
		stop("NdisRegisterDeviceEx");
	if (nt_fails())
		return NDIS_STATUS_FAILURE;
	*device = nt_device_new(a->DeviceName, a->MajorFunctions);
	*handle = *device;
	return NDIS_STATUS_SUCCESS;
}

VOID NdisDeregisterDeviceEx(NDIS_HANDLE handle)
{
	nt_at_most(PASSIVE_LEVEL, __func__);
	nt_device_delete(handle);
}

/* --- the machine --------------------------------------------------- */

static void put32(uint32_t at, uint32_t v)
{
	for (uint32_t i = 0; i < 4; i++)
		d.config[at + i] = (uint8_t)(v >> 8 * i);
}

/* As in QEMU: a common, an isr, a device and a notify structure, in one bar */
static void make_config(void)
{
	static const uint32_t caps[][3] = {
		{ 1, COMMON, PAGE }, { 3, ISR, PAGE }, { 4, DEVICE, PAGE },
		{ 2, NOTIFY, QUEUES * PAGE },
	};
	uint32_t at = 0x40;

	put32(0x00, 0x106a1af4);
	d.config[0x06] = 0x10;
	put32(0x14, OTHER_AT);		/* bar 1 */
	put32(0x20, (uint32_t)BAR_AT | 0xc);
	put32(0x24, (uint32_t)(BAR_AT >> 32));
	d.config[0x34] = 0x40;
	for (size_t i = 0; i < 4; i++, at += 0x14) {
		d.config[at] = 9;
		d.config[at + 1] = i < 3 ? (uint8_t)(at + 0x14) : 0;
		d.config[at + 2] = 0x14;
		d.config[at + 3] = (uint8_t)caps[i][0];
		d.config[at + 4] = BAR;
		put32(at + 8, caps[i][1]);
		put32(at + 12, caps[i][2]);
		put32(at + 16, PAGE);
	}
}

struct fe *pcidev_plug(const char *socket, size_t mem_size)
{
	memset(&d, 0, sizeof(d));
	pthread_mutex_init(&d.lock, NULL);
	d.socket = socket;
	d.messages = 8;
	make_config();
	d.resources = (CM_PARTIAL_RESOURCE_LIST){ .Count = 2 };
	d.resources.PartialDescriptors[0].Type = 2;	/* the interrupt's */
	d.resources.PartialDescriptors[1].Type = CmResourceTypeMemory;
	d.resources.PartialDescriptors[1].u.Memory.Start.QuadPart =
		(int64_t)BAR_AT;
	d.resources.PartialDescriptors[1].u.Memory.Length = BAR_SIZE;
	d.fe = fe_new(mem_size, &events, NULL);
	return d.fe;
}

void pcidev_pull(void)
{
	__atomic_store_n(&d.gone, true, __ATOMIC_SEQ_CST);
	fe_hangup(d.fe);
}

void pcidev_free(void)
{
	fe_free(d.fe);
}

CM_PARTIAL_RESOURCE_LIST *pcidev_resources(void)
{
	return &d.resources;
}

void pcidev_set_messages(uint32_t n)
{
	d.messages = n;
}

bool pcidev_in_use(void)
{
	return d.base || d.registered ||
	       (!is_gone() && __atomic_load_n(&d.status, __ATOMIC_SEQ_CST));
}

void pcidev_needs_reset(void)
{
	on_needs_reset(NULL);
}

void pcidev_hang(bool hangs)
{
	__atomic_store_n(&d.hangs, hangs, __ATOMIC_SEQ_CST);
}

bool pcidev_is_master(void)
{
	return __atomic_load_n(&d.config[4], __ATOMIC_SEQ_CST) & 4;
}

uint32_t pcidev_resets(void)
{
	return __atomic_load_n(&d.resets, __ATOMIC_SEQ_CST);
}
