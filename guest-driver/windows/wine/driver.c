/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-or-later */
/*
 * driver.c - DriverEntry under Wine
 *
 * The service's key has a value "Socket": where vrdmad listens for this guest.  When
 * it goes, the driver leaves two there: "LeftBlocks" of pool and "LeftPages" of guest
 * memory that it did not give back, which is none of either.
 */
#include "bottom.h"

char wine_socket[108];
static struct vrl_dev *the_device;
static WCHAR key_text[256];
static UNICODE_STRING key_path = { 0, sizeof(key_text), key_text };

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

static bool open_key(ACCESS_MASK access, HANDLE *key)
{
	OBJECT_ATTRIBUTES oa;

	InitializeObjectAttributes(&oa, &key_path,
				   OBJ_KERNEL_HANDLE | OBJ_CASE_INSENSITIVE,
				   NULL, NULL);
	return NT_SUCCESS(ZwOpenKey(key, access, &oa));
}

static bool read_socket(UNICODE_STRING *path)
{
	HANDLE key;
	bool ok;

	if (path->Length > sizeof(key_text))
		return false;
	memcpy(key_text, path->Buffer, path->Length);
	key_path.Length = path->Length;
	if (!open_key(KEY_READ, &key))
		return false;
	ok = read_value(key);
	ZwClose(key);
	return ok;
}

static void leave_value(HANDLE key, const WCHAR *name, ULONG v)
{
	UNICODE_STRING s;

	RtlInitUnicodeString(&s, name);
	ZwSetValueKey(key, &s, 0, REG_DWORD, &v, sizeof(v));
}

static void tell_what_is_left(void)
{
	HANDLE key;

	if (!open_key(KEY_WRITE, &key))
		return;
	leave_value(key, L"LeftPages", wine_pages_left);
	leave_value(key, L"LeftBlocks", (ULONG)vrw_pool_blocks);
	ZwClose(key);
}

/* --- the control device -------------------------------------------------------------- */

static DRIVER_OBJECT *the_driver;

NTSTATUS wine_device_make(struct vrl_dev *dev)
{
	NTSTATUS status;

	status = IoCreateDevice(the_driver, 0, &dev->device_name,
				FILE_DEVICE_NETWORK, FILE_DEVICE_SECURE_OPEN,
				FALSE, &dev->device);
	if (!NT_SUCCESS(status)) {
		dev->device = NULL;
		return status;
	}
	status = IoCreateSymbolicLink(&dev->link, &dev->device_name);
	if (!NT_SUCCESS(status)) {
		IoDeleteDevice(dev->device);
		dev->device = NULL;
	}
	return status;
}

void wine_device_hide(struct vrl_dev *dev)
{
	IoDeleteSymbolicLink(&dev->link);
}

void wine_device_delete(struct vrl_dev *dev)
{
	IoDeleteDevice(dev->device);
}

/* --- the driver ------------------------------------------------------------------------ */

static VOID NTAPI unload(DRIVER_OBJECT *driver)
{
	(void)driver;
	vrw_device_stop(the_device);
	vrw_driver_fini();
	tell_what_is_left();
}

NTSTATUS NTAPI DriverEntry(DRIVER_OBJECT *driver, UNICODE_STRING *path)
{
	NTSTATUS status;

	if (!read_socket(path))
		return STATUS_INVALID_PARAMETER;
	status = vrw_driver_init();
	if (!NT_SUCCESS(status))
		return status;
	the_driver = driver;
	driver->DriverUnload = unload;
	vrw_driver_dispatch(driver->MajorFunction);
	status = vrw_device_start(&wine_bottom_ops, NULL, &the_device);
	if (!NT_SUCCESS(status))
		vrw_driver_fini();
	return status;
}
