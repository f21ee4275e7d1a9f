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

/* --- the driver's devices ----------------------------------------------------------- */

static struct mutex table_lock;
static struct vrl_dev *table[VRW_MAX_DEVICES];	/* under table_lock */
static struct kref alive;			/* devices, and the driver's own */
static struct completion none_left;

static void all_gone(struct kref *ref)
{
	(void)ref;
	complete(&none_left);
}

NTSTATUS vrw_driver_init(void)
{
	mutex_init(&table_lock);
	kref_init(&alive);
	init_completion(&none_left);
	vrl_teardown_wq = vrw_workqueue_new(4);
	return vrl_teardown_wq ? STATUS_SUCCESS : STATUS_INSUFFICIENT_RESOURCES;
}

void vrw_driver_fini(void)
{
	kref_put(&alive, all_gone);
	wait_for_completion(&none_left);
	vrw_workqueue_free(vrl_teardown_wq);
	vrl_teardown_wq = NULL;
}

static bool take_number(struct vrl_dev *dev)
{
	u32 i;

	mutex_lock(&table_lock);
	for (i = 0; i < VRW_MAX_DEVICES && table[i]; i++)
		;
	if (i < VRW_MAX_DEVICES) {
		table[i] = dev;
		dev->number = i;
		kref_get(&alive);
	}
	mutex_unlock(&table_lock);
	return i < VRW_MAX_DEVICES;
}

static void give_number(struct vrl_dev *dev)
{
	mutex_lock(&table_lock);
	table[dev->number] = NULL;
	mutex_unlock(&table_lock);
	kref_put(&alive, all_gone);
}

/* With a reference, or NULL: it takes no files, or not any more */
static struct vrl_dev *dev_of(const DEVICE_OBJECT *device)
{
	struct vrl_dev *dev = NULL;
	u32 i;

	mutex_lock(&table_lock);
	for (i = 0; i < VRW_MAX_DEVICES; i++)
		if (table[i] && table[i]->device == device &&
		    !table[i]->stopped)
			dev = table[i];
	if (dev)
		vrl_dev_get(dev);
	mutex_unlock(&table_lock);
	return dev;
}

static void dev_free(struct vrl_dev *dev)
{
	if (dev->device)
		dev->bottom->device_delete(dev);
	if (dev->core)
		vrdma_core_destroy(dev->core);
	vrw_workqueue_free(dev->work_wq);
	dev->bottom->fini(dev);
	give_number(dev);
	kfree(dev);
}

static void free_work(struct work_struct *work)
{
	dev_free(container_of(work, struct vrl_dev, free_work));
}

static void dev_unused_here(struct kref *users)
{
	dev_free(container_of(users, struct vrl_dev, users));
}

static void dev_unused(struct kref *users)
{
	struct vrl_dev *dev = container_of(users, struct vrl_dev, users);

	queue_work(vrl_teardown_wq, &dev->free_work);
}

void vrl_dev_get(struct vrl_dev *dev)
{
	kref_get(&dev->users);
}

void vrl_dev_put(struct vrl_dev *dev)
{
	kref_put(&dev->users, dev_unused);
}

/* The n-th that is there, with a reference */
static struct vrl_dev *dev_at(u32 n)
{
	struct vrl_dev *dev;

	mutex_lock(&table_lock);
	dev = table[n];
	/* one that is being freed has no reference to give */
	if (dev && !vrw_kref_get_unless_zero(&dev->users))
		dev = NULL;
	mutex_unlock(&table_lock);
	return dev;
}

void vrw_process_gone(HANDLE pid)
{
	struct vrl_dev *dev;
	u32 i;

	for (i = 0; i < VRW_MAX_DEVICES; i++) {
		dev = dev_at(i);
		if (!dev)
			continue;
		vrw_files_process_gone(dev, pid);
		vrl_dev_put(dev);
	}
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

static bool is_held(struct vrl_dev *dev)
{
	return __atomic_load_n(&dev->held, __ATOMIC_ACQUIRE);
}

static VOID NTAPI device_thread(PVOID arg)
{
	struct vrl_dev *dev = arg;
	u32 ms = RETRY_MIN_MS;

	while (!quits(dev)) {
		if (is_held(dev)) {
			complete(&dev->rests);
			wait_wanted(dev, 0);
			continue;
		}
		if (dev_up(dev)) {
			ms = RETRY_MIN_MS;
			complete(&dev->tried);
			wait_wanted(dev, 0);
			dev_down(dev);
		} else {
			complete(&dev->tried);
			wait_wanted(dev, ms);
			ms = min_t(u32, ms * 2, RETRY_MAX_MS);
		}
	}
	PsTerminateSystemThread(STATUS_SUCCESS);
}

bool vrw_device_hold(struct vrl_dev *dev, bool down)
{
	struct completion *c = down ? &dev->rests : &dev->tried;

	KeClearEvent(&c->event);
	__atomic_store_n(&dev->held, down, __ATOMIC_RELEASE);
	vrw_device_lost(dev);
	wait_for_completion(c);
	return down || __atomic_load_n(&dev->up, __ATOMIC_ACQUIRE);
}

/* --- file objects ------------------------------------------------------------------- */

static NTSTATUS NTAPI on_create(DEVICE_OBJECT *device, IRP *irp)
{
	IO_STACK_LOCATION *s = IoGetCurrentIrpStackLocation(irp);
	struct vrl_dev *dev = dev_of(device);
	struct vrw_handle *h;

	if (!dev)
		return vrw_irp_end(irp, STATUS_DEVICE_REMOVED, 0);
	h = vrw_handle_new(dev, PsGetProcessId(IoGetRequestorProcess(irp)));
	vrl_dev_put(dev);
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

void vrw_driver_dispatch(PDRIVER_DISPATCH *majors)
{
	majors[IRP_MJ_CREATE] = on_create;
	majors[IRP_MJ_CLEANUP] = on_cleanup;
	majors[IRP_MJ_CLOSE] = on_close;
	majors[IRP_MJ_DEVICE_CONTROL] = vrw_device_control;
}

/* --- start and stop ------------------------------------------------------------------- */

/* Prefix and number; the room is the prefix' own and one more */
static void make_name(UNICODE_STRING *name, WCHAR *out, const char *prefix,
		      u32 number)
{
	size_t n;

	for (n = 0; prefix[n]; n++)
		out[n] = (WCHAR)prefix[n];
	out[n++] = (WCHAR)('0' + number);
	out[n] = 0;
	name->Buffer = out;
	name->Length = (USHORT)(n * sizeof(WCHAR));
	name->MaximumLength = (USHORT)((n + 1) * sizeof(WCHAR));
}

static struct vrl_dev *dev_new(const struct vrw_bottom_ops *bottom,
			       void *context)
{
	struct vrl_dev *dev = kzalloc(sizeof(*dev), GFP_KERNEL);

	if (!dev || !take_number(dev)) {
		kfree(dev);
		return NULL;
	}
	dev->bottom = bottom;
	dev->context = context;
	memcpy(dev->name, "vrdma0", 7);
	dev->name[5] = (char)('0' + dev->number);
	make_name(&dev->device_name, dev->device_text, "\\Device\\vrdma",
		  dev->number);
	make_name(&dev->link, dev->link_text, "\\??\\vrdma", dev->number);
	kref_init(&dev->users);
	INIT_WORK(&dev->free_work, free_work);
	init_completion(&dev->tried);
	init_completion(&dev->rests);
	KeInitializeEvent(&dev->wanted, SynchronizationEvent, FALSE);
	mutex_init(&dev->files_lock);
	INIT_LIST_HEAD(&dev->files);
	return dev;
}

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

NTSTATUS vrw_device_start(const struct vrw_bottom_ops *bottom, void *context,
			  struct vrl_dev **out)
{
	struct vrl_dev *dev = dev_new(bottom, context);
	NTSTATUS status = STATUS_INSUFFICIENT_RESOURCES;

	if (!dev)
		return status;
	if (alloc_parts(dev))
		status = bottom->device_make(dev);
	if (!NT_SUCCESS(status)) {
		vrw_device_stop(dev);
		return status;
	}
	/* a device that works is there when the driver has been started */
	wait_for_completion(&dev->tried);
	dev->device->Flags &= ~DO_DEVICE_INITIALIZING;
	*out = dev;
	return STATUS_SUCCESS;
}

void vrw_device_stop(struct vrl_dev *dev)
{
	mutex_lock(&table_lock);
	dev->stopped = true;
	mutex_unlock(&table_lock);
	if (dev->device)
		dev->bottom->device_hide(dev);
	if (dev->thread) {
		__atomic_store_n(&dev->quit, true, __ATOMIC_RELEASE);
		vrw_device_lost(dev);
		vrw_thread_join(dev->thread);
	}
	dev->bottom->release(dev);
	/* nothing open: its number is free when this returns */
	kref_put(&dev->users, dev_unused_here);
}
