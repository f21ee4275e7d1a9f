/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-or-later */
/*
 * pin.c - memory of a process that the device may touch: the bottom knows how
 */
#include "vrlf.h"

NTSTATUS vrl_pin(struct vrl_file *f, struct vrl_pin *pin, u64 address,
		 u64 length, u32 flags)
{
	NTSTATUS status;

	*pin = (struct vrl_pin){
		.dev = f->dev, .address = address, .length = length,
		.flags = flags,
		.count = (unsigned long)((address % PAGE_SIZE + length +
					  PAGE_SIZE - 1) >> PAGE_SHIFT),
	};
	status = f->dev->bottom->pin(pin, f->mapping->pid);
	if (status != STATUS_SUCCESS)
		*pin = (struct vrl_pin){ 0 };
	return status;
}

void vrl_unpin(struct vrl_pin *pin)
{
	if (pin->dev)
		pin->dev->bottom->unpin(pin);
	*pin = (struct vrl_pin){ 0 };
}

MDL *vrl_pin_mdl(struct vrl_pin *pin)
{
	return pin->mdl;
}
