/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ntddk.h - as much of NT's kernel as the Windows driver uses, as it sees it
 *
 * DOC: A stand-in, on threads of Linux: nt.c.  Each function checks the interrupt level
 * that NT's documentation allows it at, of the thread that calls: spin locks raise it,
 * fast mutexes raise it to APC_LEVEL, an interrupt's DPC runs at DISPATCH_LEVEL.
 * Structures have the fields that are used, and MDLs are those of ndk.h.
 */
#ifndef TESTS_NT_NTDDK_H
#define TESTS_NT_NTDDK_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "ndk.h"

#define NTAPI
#define NTKERNELAPI
#define __cdecl

typedef uint8_t UCHAR;
typedef int32_t LONG;
typedef uint64_t ULONG64;
typedef uint16_t WCHAR;
typedef UCHAR KIRQL;
typedef void *HANDLE;
typedef ULONG ACCESS_MASK;
typedef union {
	int64_t QuadPart;
} LARGE_INTEGER;

typedef struct {
	USHORT Length, MaximumLength;	/* bytes */
	WCHAR *Buffer;
} UNICODE_STRING;

#define MAXLONG			0x7fffffff
#define PAGE_SHIFT		12
#define PAGE_SIZE		4096u
#define NT_SUCCESS(s)		((NTSTATUS)(s) >= 0)
#define STATUS_WORKING_SET_QUOTA ((NTSTATUS)0xC00000A1u)

#define PASSIVE_LEVEL		0
#define APC_LEVEL		1
#define DISPATCH_LEVEL		2

/* --- memory --------------------------------------------------- */

typedef int POOL_TYPE;
/* Whole pages are of the machine's memory, all else is the heap's */
PVOID ExAllocatePoolWithTag(POOL_TYPE type, SIZE_T size, ULONG tag);
VOID ExFreePoolWithTag(PVOID p, ULONG tag);
PHYSICAL_ADDRESS MmGetPhysicalAddress(PVOID va);

enum { KernelMode, UserMode };
enum { MmCached = 1 };
enum { NormalPagePriority = 16 };
typedef enum { IoReadAccess, IoWriteAccess, IoModifyAccess } LOCK_OPERATION;

MDL *IoAllocateMdl(PVOID va, ULONG length, BOOLEAN secondary, BOOLEAN quota,
		   void *irp);
VOID IoFreeMdl(MDL *mdl);
VOID MmBuildMdlForNonPagedPool(MDL *mdl);
VOID MmProbeAndLockPages(MDL *mdl, ULONG_PTR mode, ULONG_PTR how);
VOID MmUnlockPages(MDL *mdl);
PVOID MmMapLockedPagesSpecifyCache(MDL *mdl, ULONG_PTR mode, ULONG_PTR cache,
				   PVOID want, ULONG_PTR bug_check,
				   ULONG_PTR priority);
VOID MmUnmapLockedPages(PVOID va, MDL *mdl);

UCHAR READ_REGISTER_UCHAR(PVOID at);
USHORT READ_REGISTER_USHORT(PVOID at);
ULONG READ_REGISTER_ULONG(PVOID at);
VOID WRITE_REGISTER_UCHAR(PVOID at, UCHAR v);
VOID WRITE_REGISTER_USHORT(PVOID at, USHORT v);
VOID WRITE_REGISTER_ULONG(PVOID at, ULONG v);

/* --- locks, events, threads --------------------------------------------------- */

#define InterlockedIncrement(p)	__atomic_add_fetch((p), 1, __ATOMIC_SEQ_CST)
#define InterlockedDecrement(p)	__atomic_sub_fetch((p), 1, __ATOMIC_SEQ_CST)
#define YieldProcessor()	((void)0)

typedef struct {
	uint64_t opaque[5];
} KSPIN_LOCK;
VOID KeInitializeSpinLock(KSPIN_LOCK *l);
VOID KeAcquireSpinLock(KSPIN_LOCK *l, KIRQL *irql);
VOID KeReleaseSpinLock(KSPIN_LOCK *l, KIRQL irql);

typedef struct {
	uint64_t opaque[5];
	KIRQL irql;
} FAST_MUTEX;
VOID ExInitializeFastMutex(FAST_MUTEX *m);
VOID ExAcquireFastMutex(FAST_MUTEX *m);
VOID ExReleaseFastMutex(FAST_MUTEX *m);

/* What can be waited for begins with this one */
struct nt_object {
	int kind;
	int signals;
	int refs;			/* of those that are counted */
};
typedef struct {
	struct nt_object object;
} KEVENT;
typedef struct {
	struct nt_object object;
} KSEMAPHORE;
typedef struct nt_process *PEPROCESS;

enum { NotificationEvent, SynchronizationEvent };
enum { Executive };
#define IO_NO_INCREMENT		0
#define THREAD_ALL_ACCESS	0x1fffff
#define SYNCHRONIZE		0x100000
#define OBJ_KERNEL_HANDLE	0

VOID KeInitializeEvent(KEVENT *e, int type, BOOLEAN set);
LONG KeSetEvent(KEVENT *e, LONG increment, BOOLEAN wait);
VOID KeClearEvent(KEVENT *e);
VOID KeInitializeSemaphore(KSEMAPHORE *s, LONG count, LONG limit);
LONG KeReleaseSemaphore(KSEMAPHORE *s, LONG increment, LONG n, BOOLEAN wait);
NTSTATUS KeWaitForSingleObject(PVOID object, int reason, int mode,
			       BOOLEAN alertable, LARGE_INTEGER *timeout);
uint64_t KeQueryInterruptTime(VOID);
VOID KeStallExecutionProcessor(ULONG us);

typedef VOID (*PKSTART_ROUTINE)(PVOID arg);
NTSTATUS PsCreateSystemThread(HANDLE *out, ULONG access, void *attributes,
			      HANDLE process, void *client, PKSTART_ROUTINE fn,
			      PVOID arg);
NTSTATUS PsTerminateSystemThread(NTSTATUS status);	/* last of all */
NTSTATUS ObReferenceObjectByHandle(HANDLE h, ACCESS_MASK access, void *type,
				   int mode, PVOID *out, void *info);
VOID ObReferenceObject(PVOID object);
VOID ObDereferenceObject(PVOID object);
NTSTATUS ZwClose(HANDLE h);

/* --- processes --------------------------------------------------- */

PEPROCESS IoGetCurrentProcess(VOID);
HANDLE PsGetProcessId(PEPROCESS process);
typedef VOID (*PCREATE_PROCESS_NOTIFY_ROUTINE)(HANDLE parent, HANDLE pid,
					       BOOLEAN begins);
NTSTATUS PsSetCreateProcessNotifyRoutine(PCREATE_PROCESS_NOTIFY_ROUTINE fn,
					 BOOLEAN remove);

/* --- devices, files and requests --------------------------------------------------- */

#define IRP_MJ_CREATE			0x00
#define IRP_MJ_CLOSE			0x02
#define IRP_MJ_DEVICE_CONTROL		0x0e
#define IRP_MJ_CLEANUP			0x12
#define IRP_MJ_MAXIMUM_FUNCTION		0x1b
#define DO_DEVICE_INITIALIZING		0x80

typedef struct nt_irp IRP;
typedef struct {
	ULONG Flags;
} DEVICE_OBJECT;
typedef NTSTATUS (*PDRIVER_DISPATCH)(DEVICE_OBJECT *device, IRP *irp);
typedef struct {
	int none;
} DRIVER_OBJECT;
typedef struct {
	PVOID FsContext;
} FILE_OBJECT;

typedef struct {
	UCHAR MajorFunction;
	FILE_OBJECT *FileObject;
	struct {
		struct {
			ULONG OutputBufferLength;
			ULONG InputBufferLength;
			ULONG IoControlCode;
		} DeviceIoControl;
	} Parameters;
} IO_STACK_LOCATION;

typedef VOID (*PDRIVER_CANCEL)(DEVICE_OBJECT *device, IRP *irp);
struct nt_irp {
	struct {
		NTSTATUS Status;
		ULONG_PTR Information;
	} IoStatus;
	struct {
		PVOID SystemBuffer;
	} AssociatedIrp;
	BOOLEAN Cancel;
	KIRQL CancelIrql;
	PDRIVER_CANCEL CancelRoutine;
	struct {
		struct {
			PVOID DriverContext[4];
		} Overlay;
	} Tail;
	/* the stand-in's */
	IO_STACK_LOCATION stack;
	PEPROCESS process;
	bool pending;
	struct nt_io *io;
};

static inline IO_STACK_LOCATION *IoGetCurrentIrpStackLocation(IRP *irp)
{
	return &irp->stack;
}

static inline VOID IoMarkIrpPending(IRP *irp)
{
	irp->pending = true;
}

VOID IoCompleteRequest(IRP *irp, int increment);
PDRIVER_CANCEL IoSetCancelRoutine(IRP *irp, PDRIVER_CANCEL fn);
VOID IoAcquireCancelSpinLock(KIRQL *irql);
VOID IoReleaseCancelSpinLock(KIRQL irql);
NTSTATUS IoDeleteSymbolicLink(UNICODE_STRING *name);

/* --- resources --------------------------------------------------- */

#define CmResourceTypeMemory	3
typedef struct {
	UCHAR Type;
	union {
		struct {
			PHYSICAL_ADDRESS Start;
			ULONG Length;
		} Memory;
	} u;
} CM_PARTIAL_RESOURCE_DESCRIPTOR;
typedef struct {
	ULONG Count;
	CM_PARTIAL_RESOURCE_DESCRIPTOR PartialDescriptors[4];
} CM_PARTIAL_RESOURCE_LIST;
typedef struct {
	ULONG MessageCount;
} IO_INTERRUPT_MESSAGE_INFO;

ULONG DbgPrint(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

#endif /* TESTS_NT_NTDDK_H */
