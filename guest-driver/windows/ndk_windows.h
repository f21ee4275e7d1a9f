/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-or-later */
/*
 * ndk_windows.h - NT's types for ndk.h, from the driver kit's headers
 *
 * DOC: On Windows an MDL is NT's own: what MmProbeAndLockPages made, or what a
 * kernel consumer hands over.  The accessors below are all that the core knows
 * of it.
 */
#ifndef NDK_WINDOWS_H
#define NDK_WINDOWS_H

#include <ntddk.h>
#include <ntstatus.h>

#include "nd_sockaddr.h"

typedef struct nd_sockaddr SOCKADDR, *PSOCKADDR;

#ifndef MAXULONG
#define MAXULONG 0xffffffffu
#endif

/* of the adapter's open handler; the headers here know no miniport */
#define NDIS_STATUS_BAD_VERSION		((NTSTATUS)0xC0010004)
#define NDIS_STATUS_ADAPTER_NOT_READY	((NTSTATUS)0xC0010011)
#define NDIS_STATUS_RESOURCES		STATUS_INSUFFICIENT_RESOURCES

static inline MDL *vrdma_mdl_next(const MDL *m)
{
	return m->Next;
}

static inline void vrdma_mdl_link(MDL *m, MDL *next)
{
	m->Next = next;
}

static inline uint64_t vrdma_mdl_va(const MDL *m)
{
	return (uint64_t)(ULONG_PTR)MmGetMdlVirtualAddress(m);
}

static inline uint64_t vrdma_mdl_length(const MDL *m)
{
	return MmGetMdlByteCount(m);
}

static inline uint64_t vrdma_mdl_page(const MDL *m, uint64_t i)
{
	return (uint64_t)MmGetMdlPfnArray(m)[i] << PAGE_SHIFT;
}

#endif /* NDK_WINDOWS_H */
