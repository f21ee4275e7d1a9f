/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * nt.h - the stand-in for NT's kernel, as a test sees it: a machine, programs, files
 *
 * DOC: The machine's memory is a front end's (frontend.h): what the driver allocates in
 * whole pages, and what programs allocate here, is there for vrdmad.  A program that ends
 * with locked or mapped pages is what NT stops the machine for: the test is aborted.
 */
#ifndef TESTS_NT_H
#define TESTS_NT_H

#include <ntddk.h>

#include "frontend.h"

/* The machine: before anything of the driver, and after */
void nt_boot(struct fe *fe);
void nt_halt(void);			/* nothing may be left */

/* The n-th call from now on that may fail does; 0: none.  How many such calls there were
 * since */
void nt_fail_at(uint32_t n);
uint32_t nt_failable(void);
bool nt_fails(void);

/* The interrupt level of this thread; what runs at one */
KIRQL nt_irql(void);
void nt_at(KIRQL irql, void (*fn)(void *arg), void *arg);
void nt_at_most(KIRQL irql, const char *who);

/* Programs.  A thread is in one, or in the system */
struct nt_process *nt_process_new(void);
void nt_enter(struct nt_process *p);	/* NULL: the system */
/* Ends: its handles are closed */
void nt_process_exit(struct nt_process *p);
uint32_t nt_locked_pages(struct nt_process *p);
void *nt_user_alloc(struct nt_process *p, uint32_t pages, bool read_only);

/* A device that was made: by NdisRegisterDeviceEx() */
DEVICE_OBJECT *nt_device_new(const UNICODE_STRING *name, PDRIVER_DISPATCH *majors);
void nt_device_delete(DEVICE_OBJECT *device);
uint32_t nt_devices(void);

/* Files of the program that this thread is in.  NULL: *status says why */
struct nt_file;
struct nt_file *nt_open(uint32_t number, NTSTATUS *status);
void nt_close(struct nt_file *f);
/* The handle goes to another process, as by DuplicateHandle() and the end of the first */
void nt_give(struct nt_file *f, struct nt_process *to);

/* A device control: one that ends at once, its IRP's status; one that pends */
NTSTATUS nt_ioctl(struct nt_file *f, ULONG code, void *buf, ULONG size);
struct nt_io *nt_begin(struct nt_file *f, ULONG code, void *buf, ULONG size);
bool nt_io_done(struct nt_io *io);
NTSTATUS nt_io_wait(struct nt_io *io);	/* bounded; frees it */
void nt_io_cancel(struct nt_io *io);

#endif /* TESTS_NT_H */
