/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-or-later */
/*
 * nt.h - kernel functions that mingw-w64's driver headers lack or get wrong
 */
#ifndef VRW_NT_H
#define VRW_NT_H

#include <ntddk.h>
#include <stdarg.h>
#include <stddef.h>

#include "seh.h"

NTKERNELAPI PEPROCESS NTAPI IoGetRequestorProcess(IRP *irp);
NTSTATUS NTAPI DriverEntry(DRIVER_OBJECT *driver, UNICODE_STRING *path);
int __cdecl _vsnprintf(char *out, size_t size, const char *fmt, va_list args);
int __cdecl _snprintf(char *out, size_t size, const char *fmt, ...);
NTKERNELAPI PEPROCESS NTAPI IoGetCurrentProcess(VOID);

/* Room for NT's own */
struct vrw_apc_state {
	ULONG_PTR opaque[8];
};
NTKERNELAPI VOID NTAPI KeStackAttachProcess(PEPROCESS process,
					    struct vrw_apc_state *state);
NTKERNELAPI VOID NTAPI KeUnstackDetachProcess(struct vrw_apc_state *state);

#endif /* VRW_NT_H */
