/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-or-later */
/*
 * vrdma_wine.h - how a program's memory becomes guest memory under Wine
 *
 * DOC: Calls that only the bottom for Wine answers; on Windows they are
 * STATUS_INVALID_DEVICE_REQUEST, and the provider does without.
 *
 * RAM tells where the file is: /proc/PID/fd/FD.  SHARE asks for room for the first
 * pages of a range that are not shared by a registration: the caller copies them
 * to the file at offset and maps the file over them, then asks again behind
 * them, until done.  One thread of a process at a time, from the first SHARE to the
 * end of its REGISTER call.
 */
#ifndef VRDMA_WINE_H
#define VRDMA_WINE_H

#include "vrdma_win.h"

struct vrdma_wine_ram {
	__u32 status;
	__u32 fd;
	__u32 pid;			/* Linux' */
	__u32 self;			/* in: the caller's own, Linux' */
};

struct vrdma_wine_share {
	__u32 status;
	__u32 reserved;
	__u64 address;			/* in, out: of whole pages */
	__u64 length;			/* in, out; out 0: all is shared */
	__u64 offset;			/* out */
};

#define VRDMA_WINE_RAM		VRW_CTL(0xc1)
#define VRDMA_WINE_SHARE	VRW_CTL(0xc2)

#endif /* VRDMA_WINE_H */
