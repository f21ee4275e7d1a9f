/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-or-later */
/*
 * ioctl.h - the calls of vrdma_uapi.h as Windows' device control codes
 *
 * DOC: FILE_DEVICE_NETWORK, a number of our own range, METHOD_BUFFERED,
 * FILE_ANY_ACCESS.  The size is not part of such a code; the driver's table has
 * it.
 */
#ifndef VRW_LINUX_IOCTL_H
#define VRW_LINUX_IOCTL_H

#define VRW_CTL(nr)		(0x12ul << 16 | (0x800ul + (nr)) << 2)
#define VRW_CTL_NR(code)	(((code) >> 2 & 0xfff) - 0x800)

#undef _IO
#undef _IOWR
#define _IOWR(magic, nr, type)	VRW_CTL(nr)
#define _IO(magic, nr)		VRW_CTL(nr)

#endif
