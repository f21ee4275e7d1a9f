/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-or-later */
/*
 * interrupt.c - MSI-X messages
 *
 * DOC: Message 0 is the configuration's, the others are the queues' in turn; with only
 * one it is everybody's.  A message may come at any time, of a device that is reset as
 * well: what it does is inside of the gate.
 */
#include "sys.h"

/* A line is never ours: without messages there is no start */
static BOOLEAN NTAPI line_isr(NDIS_HANDLE context, BOOLEAN *queue_dpc,
			      ULONG *processors)
{
	(void)context;
	*queue_dpc = FALSE;
	*processors = 0;
	return FALSE;
}

static VOID NTAPI line_dpc(NDIS_HANDLE context, PVOID dpc_context,
			   PVOID throttle, PVOID reserved)
{
	(void)context;
	(void)dpc_context;
	(void)throttle;
	(void)reserved;
}

static BOOLEAN NTAPI message_isr(NDIS_HANDLE context, ULONG message,
				 BOOLEAN *queue_dpc, ULONG *processors)
{
	(void)context;
	(void)message;
	*queue_dpc = TRUE;
	*processors = 0;
	return TRUE;
}

static void serve(struct sys_bottom *b, u32 message)
{
	u32 i;

	if (!message && vrp_status(&b->pci) & VRP_S_NEEDS_RESET)
		vrw_device_lost(b->dev);
	for (i = 0; i < b->num_queues; i++)
		if (sys_vector_of(b, i) == message)
			vrdma_core_queue_event(b->dev->core, i);
}

static VOID NTAPI message_dpc(NDIS_HANDLE context, ULONG message,
			      PVOID dpc_context, PVOID throttle, PVOID reserved)
{
	struct sys_bottom *b = context;

	(void)dpc_context;
	(void)throttle;
	(void)reserved;
	if (!sys_enter(b))
		return;
	serve(b, message);
	sys_leave(b);
}

u16 sys_vector_of(const struct sys_bottom *b, u32 queue)
{
	return b->messages > 1 ? (u16)(1 + queue % (b->messages - 1)) : 0;
}

int sys_interrupt_init(struct sys_bottom *b)
{
	NDIS_MINIPORT_INTERRUPT_CHARACTERISTICS c = {
		.Header = vrn_header(NDIS_OBJECT_TYPE_MINIPORT_INTERRUPT, 1,
				     sizeof(c)),
		.InterruptHandler = line_isr,
		.InterruptDpcHandler = line_dpc,
		.MsiSupported = TRUE,
		.MessageInterruptHandler = message_isr,
		.MessageInterruptDpcHandler = message_dpc,
	};

	if (NdisMRegisterInterruptEx(b->miniport, b, &c, &b->interrupt) !=
	    NDIS_STATUS_SUCCESS) {
		b->interrupt = NULL;
		return -EIO;
	}
	if (c.InterruptType != NDIS_CONNECT_MESSAGE_BASED ||
	    !c.MessageInfoTable || !c.MessageInfoTable->MessageCount) {
		vrl_err(b->dev, "no message-signalled interrupts");
		return -EIO;
	}
	b->messages = c.MessageInfoTable->MessageCount;
	return 0;
}

void sys_interrupt_fini(struct sys_bottom *b)
{
	if (b->interrupt)
		NdisMDeregisterInterruptEx(b->interrupt);
	b->interrupt = NULL;
}
