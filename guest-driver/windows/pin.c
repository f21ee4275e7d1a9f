/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-or-later */
/*
 * pin.c - memory of a process that the device may touch: the bottom knows how
 */
#include "vrlf.h"

static void let_go(struct vrl_pin *pin)
{
	struct address_space *s = pin->space;

	*pin = (struct vrl_pin){ 0 };
	kref_put(&s->pins, vrw_unpinned);
	vrw_space_put(s);
}

/* The caller is inside of a call, so that there is a pin that is not its own */
NTSTATUS vrl_pin(struct vrl_file *f, struct vrl_pin *pin, u64 address,
		 u64 length, u32 flags)
{
	NTSTATUS status;

	*pin = (struct vrl_pin){
		.dev = f->dev, .space = f->mapping, .address = address, .length = length,
		.flags = flags,
		.count = (unsigned long)((address % PAGE_SIZE + length +
					  PAGE_SIZE - 1) >> PAGE_SHIFT),
	};
	kref_get(&f->mapping->ref);
	kref_get(&f->mapping->pins);
	status = f->dev->bottom->pin(pin, f->mapping->pid);
	if (status != STATUS_SUCCESS)
		let_go(pin);
	return status;
}

void vrl_unpin(struct vrl_pin *pin)
{
	if (!pin->dev)
		return;
	pin->dev->bottom->unpin(pin);
	let_go(pin);
}

void vrl_pin_keep(struct vrl_pin *pin)
{
	if (!pin->dev)
		return;
	pin->dev->bottom->keep(pin);
	let_go(pin);
}

MDL *vrl_pin_mdl(struct vrl_pin *pin)
{
	return pin->mdl;
}
