/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-or-later */
/*
 * seh.h - a call that may raise an exception
 */
#ifndef VRW_SEH_H
#define VRW_SEH_H

#include <stdint.h>

/* sys/seh.S knows where these are */
struct vrw_call {
	void *fn;
	uintptr_t arg[6];
	uintptr_t result;
};

/* fn(arg[0] to arg[5]) into result: STATUS_SUCCESS, or the code of the exception that it
 * raised, and result is as it was.  At whatever level fn may be called */
int32_t vrw_guarded(struct vrw_call *call);

#endif /* VRW_SEH_H */
