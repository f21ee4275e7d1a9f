/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-or-later */
/*
 * driver.c - DriverEntry on a Windows machine, and the miniport's device
 *
 * DOC: A struct vrn_device is a struct vrl_dev: what the miniport shows to kernel
 * consumers and what programs open as \\.\vrdmaN have one core.  The device outlives
 * the adapter's halt while a program has it open; all that is left of it then answers
 * that it was removed.
 */
#include "sys.h"

static struct vrl_dev *dev_of(struct vrn_device *d)
{
	return (struct vrl_dev *)(void *)d;
}

static NDIS_STATUS device_create(NDIS_HANDLE miniport,
				 NDIS_MINIPORT_INIT_PARAMETERS *params,
				 struct vrn_device **out)
{
	struct sys_start start = { miniport, params->AllocatedResources };
	struct vrl_dev *dev;
	NTSTATUS status = vrw_device_start(&sys_bottom_ops, &start, &dev);

	if (status != STATUS_SUCCESS)
		return status == STATUS_INSUFFICIENT_RESOURCES ?
			       NDIS_STATUS_RESOURCES : NDIS_STATUS_FAILURE;
	*out = (struct vrn_device *)(void *)dev;
	return NDIS_STATUS_SUCCESS;
}

static void device_destroy(struct vrn_device *d)
{
	vrw_device_stop(dev_of(d));
}

static void device_gone(struct vrn_device *d)
{
	sys_gone(sys_of(dev_of(d)));
}

static NDIS_STATUS device_power(struct vrn_device *d, bool on)
{
	return vrw_device_hold(dev_of(d), !on) ? NDIS_STATUS_SUCCESS :
						 NDIS_STATUS_FAILURE;
}

static struct vrdma_core *device_core(struct vrn_device *d)
{
	return dev_of(d)->core;
}

/* Of nobody else on its network: administered here, and made of its first address */
static void device_mac(struct vrn_device *d, UCHAR mac[6])
{
	struct virtio_rdma_addr a = { 0 };

	vrdma_core_addresses(dev_of(d)->core, &a, 1);
	mac[0] = 0x02;
	mac[1] = 0x72;
	memcpy(mac + 2, a.ip + (a.family == VIRTIO_RDMA_AF_INET ? 0 : 12), 4);
}

/* A process that ends: before its memory does */
static VOID NTAPI on_process(HANDLE parent, HANDLE pid, BOOLEAN begins)
{
	(void)parent;
	if (!begins)
		vrw_process_gone(pid);
}

static void driver_unload(void)
{
	PsSetCreateProcessNotifyRoutine(on_process, TRUE);
	vrw_driver_fini();
}

static const struct vrn_device_ops device_ops = {
	.create = device_create,
	.destroy = device_destroy,
	.gone = device_gone,
	.power = device_power,
	.unload = driver_unload,
	.core = device_core,
	.mac = device_mac,
};

NTSTATUS NTAPI DriverEntry(DRIVER_OBJECT *driver, UNICODE_STRING *path)
{
	NTSTATUS status = vrw_driver_init();

	if (status != STATUS_SUCCESS)
		return status;
	status = PsSetCreateProcessNotifyRoutine(on_process, FALSE);
	if (status != STATUS_SUCCESS)
		goto err_fini;
	status = vrn_register(driver, path, &device_ops);
	if (status == NDIS_STATUS_SUCCESS)
		return STATUS_SUCCESS;
	PsSetCreateProcessNotifyRoutine(on_process, TRUE);
err_fini:
	vrw_driver_fini();
	return status;
}
