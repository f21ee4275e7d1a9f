/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-or-later */
/*
 * driver.c - DriverEntry under Wine
 *
 * The service's key has a value "Socket": where vrdmad listens for this guest.
 */
#include "bottom.h"

char wine_socket[108];
static struct vrl_dev *the_device;

static bool read_value(HANDLE key)
{
	union {
		KEY_VALUE_PARTIAL_INFORMATION info;
		u8 room[sizeof(KEY_VALUE_PARTIAL_INFORMATION) + 512];
	} v;
	UNICODE_STRING name;
	ULONG size, i;
	WCHAR *text = (WCHAR *)(void *)v.info.Data;

	RtlInitUnicodeString(&name, L"Socket");
	if (!NT_SUCCESS(ZwQueryValueKey(key, &name, KeyValuePartialInformation,
					&v, sizeof(v), &size)) ||
	    v.info.Type != REG_SZ)
		return false;
	for (i = 0; i < v.info.DataLength / sizeof(WCHAR) && text[i]; i++) {
		if (i + 1 >= sizeof(wine_socket) || text[i] > 0x7e)
			return false;
		wine_socket[i] = (char)text[i];
	}
	return i > 0;
}

static bool read_socket(UNICODE_STRING *path)
{
	OBJECT_ATTRIBUTES oa;
	HANDLE key;
	bool ok;

	InitializeObjectAttributes(&oa, path,
				   OBJ_KERNEL_HANDLE | OBJ_CASE_INSENSITIVE,
				   NULL, NULL);
	if (!NT_SUCCESS(ZwOpenKey(&key, KEY_READ, &oa)))
		return false;
	ok = read_value(key);
	ZwClose(key);
	return ok;
}

static VOID NTAPI unload(DRIVER_OBJECT *driver)
{
	(void)driver;
	vrw_device_stop(the_device);
	vrw_workqueue_free(vrl_teardown_wq);
}

NTSTATUS NTAPI DriverEntry(DRIVER_OBJECT *driver, UNICODE_STRING *path)
{
	NTSTATUS status;

	if (!read_socket(path))
		return STATUS_INVALID_PARAMETER;
	vrl_teardown_wq = vrw_workqueue_new(4);
	if (!vrl_teardown_wq)
		return STATUS_INSUFFICIENT_RESOURCES;
	driver->DriverUnload = unload;
	status = vrw_device_start(driver, &wine_bottom_ops, 0, &the_device);
	if (!NT_SUCCESS(status))
		vrw_workqueue_free(vrl_teardown_wq);
	return status;
}
