// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * nt_io.c - NT's I/O manager for the Windows driver: devices, files, requests
 */
#include <poll.h>
#include <stdlib.h>
#include <string.h>

#include "nt_int.h"
#include "os_user.h"

struct device {
	DEVICE_OBJECT object;
	struct device *next;
	char name[32];
	bool hidden, deleted;
	uint32_t files;
	PDRIVER_DISPATCH major[IRP_MJ_MAXIMUM_FUNCTION + 1];
};

struct nt_file {
	struct nt_file *next;
	FILE_OBJECT object;
	struct device *device;
	struct nt_process *owner;
	uint32_t requests;		/* nt_lock */
};

struct nt_io {
	struct nt_file *file;
	void *user;
	ULONG size;
	/* nt_lock */
	IRP *irp;			/* NULL: it ended */
	NTSTATUS status;
};

static struct device *devices;		/* nt_lock */
static struct nt_file *files;		/* nt_lock */
static KSPIN_LOCK cancel_lock = { { 0 } };

/* --- devices --------------------------------------------------- */

static void to_ascii(const UNICODE_STRING *s, char out[32])
{
	size_t i, n = s->Length / sizeof(WCHAR);

	if (n > 31 || s->Buffer[n])
		nt_stop("a name");
	for (i = 0; i <= n; i++)
		out[i] = (char)s->Buffer[i];
}

DEVICE_OBJECT *nt_device_new(const UNICODE_STRING *name, PDRIVER_DISPATCH *majors)
{
	struct device *d = calloc(1, sizeof(*d));

	to_ascii(name, d->name);
	memcpy(d->major, majors, sizeof(d->major));
	pthread_mutex_lock(&nt_lock);
	d->next = devices;
	devices = d;
	pthread_mutex_unlock(&nt_lock);
	return &d->object;
}

/* nt_lock held */
static void free_if_last(struct device *d)
{
	struct device **at = &devices;

	if (!d->deleted || d->files)
		return;
	while (*at != d)
		at = &(*at)->next;
	*at = d->next;
	free(d);
}

void nt_device_delete(DEVICE_OBJECT *device)
{
	struct device *d = (struct device *)device;

	pthread_mutex_lock(&nt_lock);
	d->deleted = true;
	free_if_last(d);
	pthread_mutex_unlock(&nt_lock);
}

uint32_t nt_devices(void)
{
	struct device *d;
	uint32_t n = 0;

	pthread_mutex_lock(&nt_lock);
	for (d = devices; d; d = d->next)
		n++;
	pthread_mutex_unlock(&nt_lock);
	return n;
}

/* Links differ from names in what they begin with */
NTSTATUS IoDeleteSymbolicLink(UNICODE_STRING *name)
{
	struct device *d;
	char text[32];

	nt_at_most(PASSIVE_LEVEL, __func__);
	to_ascii(name, text);
	pthread_mutex_lock(&nt_lock);
	for (d = devices; d; d = d->next)
		if (!strcmp(strrchr(d->name, '\\'), strrchr(text, '\\')))
			d->hidden = true;
	pthread_mutex_unlock(&nt_lock);
	return STATUS_SUCCESS;
}

static struct device *find_device(uint32_t number)
{
	struct device *d;

	pthread_mutex_lock(&nt_lock);
	for (d = devices; d; d = d->next)
		if (d->name[strlen(d->name) - 1] == (char)('0' + number) &&
		    !d->hidden && !d->deleted)
			break;
	if (d)
		d->files++;
	pthread_mutex_unlock(&nt_lock);
	return d;
}

static void put_device(struct device *d)
{
	pthread_mutex_lock(&nt_lock);
	d->files--;
	free_if_last(d);
	pthread_mutex_unlock(&nt_lock);
}

/* --- requests --------------------------------------------------- */

VOID IoCompleteRequest(IRP *irp, int increment)
{
	struct nt_io *io = irp->io;

	(void)increment;
	nt_at_most(DISPATCH_LEVEL, __func__);
	if (irp->IoStatus.Information > io->size)
		nt_stop("more is answered than there is room for");
	pthread_mutex_lock(&nt_lock);
	if (irp->CancelRoutine)
		nt_stop("a request ends with its cancel routine set");
	io->irp = NULL;
	io->status = irp->IoStatus.Status;
	if (irp->IoStatus.Information)
		memcpy(io->user, irp->AssociatedIrp.SystemBuffer,
		       irp->IoStatus.Information);
	if (io->file)
		io->file->requests--;
	nt_wake();
	pthread_mutex_unlock(&nt_lock);
	free(irp->AssociatedIrp.SystemBuffer);
	free(irp);
}

PDRIVER_CANCEL IoSetCancelRoutine(IRP *irp, PDRIVER_CANCEL fn)
{
	return __atomic_exchange_n(&irp->CancelRoutine, fn, __ATOMIC_SEQ_CST);
}

VOID IoAcquireCancelSpinLock(KIRQL *irql)
{
	KeAcquireSpinLock(&cancel_lock, irql);
}

VOID IoReleaseCancelSpinLock(KIRQL irql)
{
	KeReleaseSpinLock(&cancel_lock, irql);
}

static IRP *irp_new(struct nt_file *f, UCHAR major, struct nt_io *io)
{
	IRP *irp = calloc(1, sizeof(*irp));

	irp->stack.MajorFunction = major;
	irp->stack.FileObject = &f->object;
	irp->process = IoGetCurrentProcess();
	irp->io = io;
	io->file = f;
	io->irp = irp;
	pthread_mutex_lock(&nt_lock);
	f->requests++;
	pthread_mutex_unlock(&nt_lock);
	return irp;
}

PEPROCESS IoGetRequestorProcess(IRP *irp)
{
	return irp->process;
}

/* What the dispatch routine says is what the request ended with, or it pends */
static NTSTATUS call(struct nt_file *f, IRP *irp, struct nt_io *io)
{
	PDRIVER_DISPATCH fn = f->device->major[irp->stack.MajorFunction];
	NTSTATUS status = fn(&f->device->object, irp);

	if (nt_irql())
		nt_stop("a dispatch routine came back at a raised level");
	if (status != STATUS_PENDING && (io->irp || io->status != status))
		nt_stop("a dispatch routine says what did not happen");
	return status;
}

static NTSTATUS call_plain(struct nt_file *f, UCHAR major)
{
	struct nt_io io = { 0 };

	return call(f, irp_new(f, major, &io), &io);
}

struct nt_io *nt_begin(struct nt_file *f, ULONG code, void *buf, ULONG size)
{
	struct nt_io *io = calloc(1, sizeof(*io));
	IRP *irp = irp_new(f, IRP_MJ_DEVICE_CONTROL, io);

	io->user = buf;
	io->size = size;
	irp->stack.Parameters.DeviceIoControl.IoControlCode = code;
	irp->stack.Parameters.DeviceIoControl.InputBufferLength = size;
	irp->stack.Parameters.DeviceIoControl.OutputBufferLength = size;
	irp->AssociatedIrp.SystemBuffer = malloc(size ? size : 1);
	if (size)
		memcpy(irp->AssociatedIrp.SystemBuffer, buf, size);
	call(f, irp, io);
	return io;
}

bool nt_io_done(struct nt_io *io)
{
	bool done;

	pthread_mutex_lock(&nt_lock);
	done = !io->irp;
	pthread_mutex_unlock(&nt_lock);
	return done;
}

NTSTATUS nt_io_wait(struct nt_io *io)
{
	NTSTATUS status;
	int ms;

	for (ms = 0; !nt_io_done(io) && ms < TEST_TIMEOUT_MS; ms++)
		poll(NULL, 0, 1);
	if (!nt_io_done(io))
		nt_stop("a request does not end");
	status = io->status;
	free(io);
	return status;
}

NTSTATUS nt_ioctl(struct nt_file *f, ULONG code, void *buf, ULONG size)
{
	struct nt_io *io = nt_begin(f, code, buf, size);

	return nt_io_wait(io);
}

/* A routine that is taken out here is one whose request nobody has ended */
void nt_io_cancel(struct nt_io *io)
{
	PDRIVER_CANCEL fn = NULL;
	DEVICE_OBJECT *device = &io->file->device->object;
	KIRQL irql;
	IRP *irp;

	IoAcquireCancelSpinLock(&irql);
	pthread_mutex_lock(&nt_lock);
	irp = io->irp;
	if (irp) {
		irp->Cancel = TRUE;
		fn = IoSetCancelRoutine(irp, NULL);
	}
	pthread_mutex_unlock(&nt_lock);
	if (!fn) {
		IoReleaseCancelSpinLock(irql);
		return;
	}
	irp->CancelIrql = irql;
	fn(device, irp);
}

/* --- files --------------------------------------------------- */

struct nt_file *nt_open(uint32_t number, NTSTATUS *status)
{
	struct device *d = find_device(number);
	struct nt_file *f;

	*status = STATUS_INVALID_HANDLE;	/* no such name */
	if (!d)
		return NULL;
	f = calloc(1, sizeof(*f));
	f->device = d;
	f->owner = IoGetCurrentProcess();
	*status = call_plain(f, IRP_MJ_CREATE);
	if (*status != STATUS_SUCCESS) {
		put_device(d);
		free(f);
		return NULL;
	}
	pthread_mutex_lock(&nt_lock);
	f->next = files;
	files = f;
	pthread_mutex_unlock(&nt_lock);
	return f;
}

static bool has_requests(struct nt_file *f)
{
	bool has;

	pthread_mutex_lock(&nt_lock);
	has = f->requests != 0;
	pthread_mutex_unlock(&nt_lock);
	return has;
}

/* CLOSE comes when the last request has ended */
void nt_close(struct nt_file *f)
{
	struct nt_file **at;
	int ms;

	pthread_mutex_lock(&nt_lock);
	for (at = &files; *at != f; at = &(*at)->next)
		;
	*at = f->next;
	pthread_mutex_unlock(&nt_lock);
	call_plain(f, IRP_MJ_CLEANUP);
	for (ms = 0; has_requests(f) && ms < TEST_TIMEOUT_MS; ms++)
		poll(NULL, 0, 1);
	if (has_requests(f))
		nt_stop("requests do not end after CLEANUP");
	call_plain(f, IRP_MJ_CLOSE);
	put_device(f->device);
	free(f);
}

void nt_give(struct nt_file *f, struct nt_process *to)
{
	pthread_mutex_lock(&nt_lock);
	f->owner = to;
	pthread_mutex_unlock(&nt_lock);
}

static struct nt_file *file_of(struct nt_process *p)
{
	struct nt_file *f;

	pthread_mutex_lock(&nt_lock);
	for (f = files; f && f->owner != p; f = f->next)
		;
	pthread_mutex_unlock(&nt_lock);
	return f;
}

void nt_close_all(struct nt_process *p)
{
	struct nt_file *f;

	while ((f = file_of(p)))
		nt_close(f);
}
