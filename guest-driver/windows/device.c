/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-or-later */
/*
 * device.c - a control device and the virtio device under it: up, down, back
 *
 * DOC: One way down, one way up, one thread
 *
 * device_thread() alone takes the device up and down.  It is told that the device
 * died, or asks for a reset, by vrw_device_lost(); it tries to bring it back, less
 * and less often, until it works or the driver goes.
 */
#include <stdarg.h>

#include "vrlf.h"

#define RETRY_MIN_MS	100
#define RETRY_MAX_MS	5000

struct workqueue_struct *vrl_teardown_wq;

/* --- messages --------------------------------------------------------------------- */

static void vlog(struct vrl_dev *dev, enum vrdma_log_level level,
		 const char *fmt, va_list args)
{
	static const char *const name[] = { "error", "warning", "info",
					    "debug" };
	char line[256];

	if (level >= VRDMA_LOG_DEBUG)
		return;
	line[sizeof(line) - 1] = 0;
	_vsnprintf(line, sizeof(line) - 1, fmt, args);
	DbgPrint("%s: %s: %s%s", dev->name, name[level], line,
		 strchr(line, '\n') ? "" : "\n");
}

void vrw_log(struct vrl_dev *dev, enum vrdma_log_level level, const char *fmt,
	     ...)
{
	va_list args;

	va_start(args, fmt);
	vlog(dev, level, fmt, args);
	va_end(args);
}

void vrw_os_log(void *os, enum vrdma_log_level level, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	vlog(os, level, fmt, args);
	va_end(args);
}

/* --- references --------------------------------------------------------------------- */

static void dev_unused(struct kref *users)
{
	struct vrl_dev *dev = container_of(users, struct vrl_dev, users);

	complete(&dev->unused);
}

void vrl_dev_get(struct vrl_dev *dev)
{
	kref_get(&dev->users);
}

void vrl_dev_put(struct vrl_dev *dev)
{
	kref_put(&dev->users, dev_unused);
}

/* --- up and down -------------------------------------------------------------------- */

static void dev_down(struct vrl_dev *dev)
{
	WRITE_ONCE(dev->up, false);
	dev->bottom->off(dev);
	vrdma_core_device_lost(dev->core);
	vrl_files_device_lost(dev);
}

static bool dev_up(struct vrl_dev *dev)
{
	int err = dev->bottom->reach(dev);

	if (!err)
		err = dev->bottom->on(dev);
	if (!err)
		err = vrdma_core_start(dev->core);
	if (!err) {
		WRITE_ONCE(dev->up, true);
		return true;
	}
	vrl_warn(dev, "%s: not up (%d)", dev->bottom->name, err);
	dev_down(dev);
	return false;
}

void vrw_device_lost(struct vrl_dev *dev)
{
	KeSetEvent(&dev->wanted, IO_NO_INCREMENT, FALSE);
}

/* true: something is wanted; false: the time is up */
static bool wait_wanted(struct vrl_dev *dev, u32 ms)
{
	LARGE_INTEGER t = { .QuadPart = -10000ll * ms };

	return KeWaitForSingleObject(&dev->wanted, Executive, KernelMode, FALSE,
				     ms ? &t : NULL) == STATUS_SUCCESS;
}

static bool quits(struct vrl_dev *dev)
{
	return __atomic_load_n(&dev->quit, __ATOMIC_ACQUIRE);
}

static void bring_back(struct vrl_dev *dev)
{
	u32 ms = RETRY_MIN_MS;

	while (!quits(dev) && !dev_up(dev)) {
		wait_wanted(dev, ms);
		ms = min_t(u32, ms * 2, RETRY_MAX_MS);
	}
}

static VOID NTAPI device_thread(PVOID arg)
{
	struct vrl_dev *dev = arg;

	dev_up(dev);
	complete(&dev->tried);
	if (!dev->up)
		bring_back(dev);
	for (;;) {
		wait_wanted(dev, 0);
		dev_down(dev);
		if (quits(dev))
			break;
		bring_back(dev);
	}
	PsTerminateSystemThread(STATUS_SUCCESS);
}

/* --- file objects ------------------------------------------------------------------- */

static NTSTATUS NTAPI on_create(DEVICE_OBJECT *device, IRP *irp)
{
	struct vrl_dev *dev = device->DeviceExtension;
	IO_STACK_LOCATION *s = IoGetCurrentIrpStackLocation(irp);
	struct vrw_handle *h;

	h = vrw_handle_new(dev, PsGetProcessId(IoGetRequestorProcess(irp)));
	s->FileObject->FsContext = h;
	return vrw_irp_end(irp, h ? STATUS_SUCCESS :
				    STATUS_INSUFFICIENT_RESOURCES, 0);
}

static NTSTATUS NTAPI on_cleanup(DEVICE_OBJECT *device, IRP *irp)
{
	struct vrw_handle *h =
		IoGetCurrentIrpStackLocation(irp)->FileObject->FsContext;

	(void)device;
	vrw_handle_cleanup(h);
	return vrw_irp_end(irp, STATUS_SUCCESS, 0);
}

static NTSTATUS NTAPI on_close(DEVICE_OBJECT *device, IRP *irp)
{
	struct vrw_handle *h =
		IoGetCurrentIrpStackLocation(irp)->FileObject->FsContext;

	(void)device;
	vrw_handle_cleanup(h);
	vrw_handle_put(h);
	return vrw_irp_end(irp, STATUS_SUCCESS, 0);
}

/* --- start and stop ------------------------------------------------------------------- */

static bool alloc_parts(struct vrl_dev *dev)
{
	if (dev->bottom->init(dev))
		return false;
	dev->work_wq = vrw_workqueue_new(2);
	if (!dev->work_wq || vrdma_core_create(&vrw_os_ops, dev, &dev->core))
		return false;
	dev->thread = vrw_thread_start(device_thread, dev);
	return dev->thread != NULL;
}

static void dev_init(struct vrl_dev *dev, DEVICE_OBJECT *device,
		     const struct vrw_bottom_ops *bottom, u32 number)
{
	memset(dev, 0, sizeof(*dev));
	dev->device = device;
	dev->bottom = bottom;
	memcpy(dev->name, "vrdma0", 7);
	dev->name[5] = (char)('0' + number % 10);
	kref_init(&dev->users);
	init_completion(&dev->unused);
	init_completion(&dev->tried);
	KeInitializeEvent(&dev->wanted, SynchronizationEvent, FALSE);
	mutex_init(&dev->files_lock);
	INIT_LIST_HEAD(&dev->files);
}

/* Prefix and number, cut where they do not fit */
static void make_name(WCHAR *out, size_t max, const char *prefix, u32 number)
{
	size_t n, i;

	for (n = 0; prefix[n] && n + 2 < max; n++)
		;
	for (i = 0; i < n; i++)
		out[i] = (WCHAR)prefix[i];
	out[n] = (WCHAR)('0' + number);
	out[n + 1] = 0;
}

static NTSTATUS make_device(DRIVER_OBJECT *driver,
			    const struct vrw_bottom_ops *bottom, u32 number,
			    struct vrl_dev **out)
{
	DEVICE_OBJECT *device;
	UNICODE_STRING name;
	struct vrl_dev *dev;
	NTSTATUS status;
	WCHAR text[24];

	make_name(text, ARRAY_SIZE(text), "\\Device\\vrdma", number);
	RtlInitUnicodeString(&name, text);
	status = IoCreateDevice(driver, sizeof(struct vrl_dev), &name,
				FILE_DEVICE_NETWORK, FILE_DEVICE_SECURE_OPEN,
				FALSE, &device);
	if (!NT_SUCCESS(status))
		return status;
	dev = device->DeviceExtension;
	dev_init(dev, device, bottom, number);
	make_name(dev->link_text, ARRAY_SIZE(dev->link_text), "\\??\\vrdma",
		  number);
	RtlInitUnicodeString(&dev->link, dev->link_text);
	status = IoCreateSymbolicLink(&dev->link, &name);
	if (!NT_SUCCESS(status))
		IoDeleteDevice(device);
	*out = dev;
	return status;
}

NTSTATUS vrw_device_start(DRIVER_OBJECT *driver,
			  const struct vrw_bottom_ops *bottom, u32 number,
			  struct vrl_dev **out)
{
	struct vrl_dev *dev;
	NTSTATUS status;

	if (number > 9)
		return STATUS_INVALID_PARAMETER;
	driver->MajorFunction[IRP_MJ_CREATE] = on_create;
	driver->MajorFunction[IRP_MJ_CLEANUP] = on_cleanup;
	driver->MajorFunction[IRP_MJ_CLOSE] = on_close;
	driver->MajorFunction[IRP_MJ_DEVICE_CONTROL] = vrw_device_control;
	status = make_device(driver, bottom, number, &dev);
	if (!NT_SUCCESS(status))
		return status;
	if (!alloc_parts(dev)) {
		vrw_device_stop(dev);
		return STATUS_INSUFFICIENT_RESOURCES;
	}
	/* a device that works is there when the driver has been started */
	wait_for_completion(&dev->tried);
	dev->device->Flags &= ~DO_DEVICE_INITIALIZING;
	*out = dev;
	return STATUS_SUCCESS;
}

/* No handle is open; files of dead processes may still be closing */
void vrw_device_stop(struct vrl_dev *dev)
{
	IoDeleteSymbolicLink(&dev->link);
	if (dev->thread) {
		__atomic_store_n(&dev->quit, true, __ATOMIC_RELEASE);
		KeSetEvent(&dev->wanted, IO_NO_INCREMENT, FALSE);
		vrw_thread_join(dev->thread);
	}
	vrl_dev_put(dev);
	wait_for_completion(&dev->unused);
	if (dev->core)
		vrdma_core_destroy(dev->core);
	vrw_workqueue_free(dev->work_wq);
	dev->bottom->fini(dev);
	IoDeleteDevice(dev->device);
}
