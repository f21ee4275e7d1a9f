/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-or-later */
/*
 * vrdma_win.h - \\.\vrdmaN: what Windows has beside vrdma_uapi.h
 *
 * DOC: The calls and structures of vrdma_uapi.h, as device controls with one
 * buffer for both ways.  What differs:
 *
 * A call that may take long is one that the structure's "overlapped" is in; the
 * driver sets that field by itself.  It always pends, and its status is the
 * IRP's, so that failures reach a completion port too.  It has no output.  Those
 * are made through an overlapped file: another file object, made part of the
 * adapter by ATTACH.
 *
 * Every other call ends at once with an NT status in the first field and the
 * IRP's own status SUCCESS, or with an IRP's status that says what no consumer
 * should do: INVALID_PARAMETER, INVALID_BUFFER_SIZE, INVALID_DEVICE_REQUEST.
 *
 * There is no read(), and no mmap() but the MAP call.
 */
#ifndef VRDMA_WIN_H
#define VRDMA_WIN_H

#include "vrdma_uapi.h"

#define VRDMA_WIN_DEVICE	"\\\\.\\vrdma%u"

/* COOKIE: of an adapter, for ATTACH */
struct vrdma_win_cookie {
	__u32 status;
	__u32 reserved;
	__u64 cookie;			/* in: ATTACH; out: COOKIE */
};

/* MAP: offset and size as for mmap() */
struct vrdma_win_map {
	__u32 status;
	__u32 reserved;
	__u64 offset;
	__u64 size;
	__u64 address;			/* out */
};

struct vrdma_win_unmap {
	__u32 status;
	__u32 reserved;
	__u64 address;			/* of a MAP, whole */
};

/* QUERY_MR: what the last Register or Deregister that ended left */
struct vrdma_win_mr {
	__u32 status;			/* STATUS_PENDING: one is under way */
	__u32 id;
	__u64 address;
	__u64 length;			/* 0: not registered */
	__u32 flags;
	__u32 local_token;
	__u32 remote_token;
	__u32 reserved;
};

#define VRDMA_WIN_COOKIE	VRW_CTL(0x81)	/* struct vrdma_win_cookie */
#define VRDMA_WIN_ATTACH	VRW_CTL(0x82)	/* struct vrdma_win_cookie */
#define VRDMA_WIN_MAP		VRW_CTL(0x83)
#define VRDMA_WIN_UNMAP		VRW_CTL(0x84)
#define VRDMA_WIN_QUERY_MR	VRW_CTL(0x85)
/* struct vrdma_uapi_object: end all CQ_NOTIFY of a queue with success, as if the
 * device had reported; for a process that took its arm back */
#define VRDMA_WIN_CQ_REPORT	VRW_CTL(0x86)
/* struct vrdma_uapi_object: DISCONNECT that nobody waits for */
#define VRDMA_WIN_ABANDON	VRW_CTL(0x87)

#endif /* VRDMA_WIN_H */
