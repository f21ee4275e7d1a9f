/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-or-later */
/*
 * file.c - opening \\.\vrdmaN, calls, overlapped requests, mapped pages
 */
#include <stdio.h>
#include <stdlib.h>
#include <winternl.h>

#include "nd_int.h"
#include "vrdma_win.h"

#define ND_PAGE		4096u
#define WAIT_SLICE_MS	20	/* an event may be missed, the status never is */

static HRESULT control(HANDLE h, unsigned long code, void *arg, size_t size)
{
	IO_STATUS_BLOCK iosb = { 0 };
	NTSTATUS status = NtDeviceIoControlFile(h, NULL, NULL, NULL, &iosb,
						code, arg, (ULONG)size, arg,
						(ULONG)size);

	return status;
}

HRESULT nd_call_sized(struct nd_file *file, unsigned long code, void *arg,
		      size_t size)
{
	HRESULT status = control(file->device, code, arg, size);

	if (status == ND_SUCCESS)
		status = (HRESULT)*(uint32_t *)arg;
	if (status == ND_DEVICE_REMOVED)
		atomic_store(&file->removed, true);
	return status;
}

/* --------------------------------------------------------- overlapped requests */

static HRESULT ov_status(const OVERLAPPED *ov)
{
	return (HRESULT)(uint32_t)__atomic_load_n(&ov->Internal,
						  __ATOMIC_ACQUIRE);
}

static HANDLE ov_event(const OVERLAPPED *ov)
{
	return (HANDLE)((ULONG_PTR)ov->hEvent & ~(ULONG_PTR)1);
}

static HRESULT start(struct nd_owner *owner, unsigned long code, void *arg,
		     size_t size, OVERLAPPED *ov)
{
	bool to_port = !((ULONG_PTR)ov->hEvent & 1);
	NTSTATUS status;

	ov->InternalHigh = 0;
	__atomic_store_n(&ov->Internal, (ULONG_PTR)ND_PENDING,
			 __ATOMIC_RELEASE);
	status = NtDeviceIoControlFile(owner->handle, ov_event(ov), NULL,
				       to_port ? ov : NULL,
				       (IO_STATUS_BLOCK *)(void *)ov, code, arg,
				       (ULONG)size, NULL, 0);
	if (!FAILED(status))
		return ND_PENDING;
	ov->Internal = (ULONG_PTR)(uint32_t)status;
	return status;
}

/* A request of nobody: the one that is made in passing */
static HRESULT abandon(struct nd_owner *owner, unsigned long code)
{
	struct vrdma_uapi_object arg = { .id = owner->id };

	if (code != VRDMA_IOC_DISCONNECT)
		return ND_INVALID_PARAMETER;
	return nd_call(owner->file, VRDMA_WIN_ABANDON, &arg);
}

HRESULT nd_start_sized(struct nd_owner *owner, unsigned long code, void *arg,
		       size_t size, OVERLAPPED *ov)
{
	const struct vrdma_uapi_register *r = arg;
	HRESULT hr;

	if (!ov)
		return abandon(owner, code);
	if (code == VRDMA_IOC_REGISTER || code == VRDMA_IOC_DEREGISTER) {
		pthread_mutex_lock(&owner->file->lock);
		owner->pending++;	/* see nd_mr_settle() */
		pthread_mutex_unlock(&owner->file->lock);
	}
	if (code != VRDMA_IOC_REGISTER)
		return start(owner, code, arg, size, ov);
	hr = nd_wine_share(owner->file, r->address, r->length);
	if (hr == ND_SUCCESS)
		hr = start(owner, code, arg, size, ov);
	nd_wine_done(owner->file);
	return hr;
}

HRESULT nd_overlapped_result(struct nd_owner *owner, OVERLAPPED *ov, BOOL wait)
{
	HANDLE on;
	HRESULT hr;

	if (!ov)
		return ND_INVALID_PARAMETER_1;
	on = ov_event(ov) ? ov_event(ov) : owner->handle;
	while ((hr = ov_status(ov)) == ND_PENDING && wait)
		WaitForSingleObject(on, WAIT_SLICE_MS);
	if (hr == ND_DEVICE_REMOVED)
		atomic_store(&owner->file->removed, true);
	if (hr == ND_SUCCESS && owner->obj.cls == &nd_cq_class)
		nd_cq_notified(owner);
	return hr;
}

HRESULT nd_overlapped_cancel(struct nd_owner *owner)
{
	struct vrdma_uapi_object arg = { .id = owner->id };

	return nd_call(owner->file, VRDMA_IOC_CANCEL, &arg);
}

void nd_owner_free(struct nd_owner *owner)
{
	struct vrdma_uapi_object arg = { .id = owner->id };

	nd_call(owner->file, VRDMA_IOC_FREE, &arg);
}

/* What the driver says counts, unless a request was made while it said so */
void nd_mr_settle(struct nd_mr *mr)
{
	struct vrdma_win_mr arg = { .id = mr->own.id };
	pthread_mutex_t *lock = &mr->own.file->lock;
	uint32_t asked;

	pthread_mutex_lock(lock);
	asked = mr->own.pending;
	pthread_mutex_unlock(lock);
	if (!asked || nd_call(mr->own.file, VRDMA_WIN_QUERY_MR, &arg) !=
			      ND_SUCCESS)
		return;
	pthread_mutex_lock(lock);
	mr->range = (struct nd_range){ arg.address, arg.length, arg.flags };
	mr->local_token = arg.local_token;
	mr->remote_token = arg.remote_token;
	if (mr->own.pending == asked)
		mr->own.pending = 0;
	pthread_mutex_unlock(lock);
}

/* ------------------------------------------------------------------- pages */

void *nd_file_map(struct nd_file *file, uint64_t offset, uint64_t size)
{
	struct vrdma_win_map arg = { .offset = offset, .size = size };

	if (nd_call(file, VRDMA_WIN_MAP, &arg) != ND_SUCCESS)
		return NULL;
	return (void *)(uintptr_t)arg.address;
}

void nd_file_unmap(struct nd_file *file, void *va, uint64_t size)
{
	struct vrdma_win_unmap arg = { .address = (uintptr_t)va };

	(void)size;
	if (va)
		nd_call(file, VRDMA_WIN_UNMAP, &arg);
}

void nd_file_bell(struct nd_file *file, uint32_t slot)
{
	if (vrdma_ring_bell(file->context, slot))
		control(file->device, VRDMA_IOC_KICK, NULL, 0);
}

/* -------------------------------------------------------------- open, close */

static HANDLE open_device(unsigned number, DWORD flags)
{
	char path[sizeof(VRDMA_WIN_DEVICE) + 10];

	snprintf(path, sizeof(path), VRDMA_WIN_DEVICE, number);
	return CreateFileA(path, GENERIC_READ | GENERIC_WRITE,
			   FILE_SHARE_READ | FILE_SHARE_WRITE, NULL,
			   OPEN_EXISTING, flags, NULL);
}

static HRESULT open_adapter(struct nd_file *file)
{
	struct vrdma_win_cookie cookie = { 0 };
	HRESULT hr;

	file->info.version = VRDMA_UAPI_VERSION;
	hr = nd_call(file, VRDMA_IOC_OPEN, &file->info);
	if (hr == ND_SUCCESS)
		hr = nd_call(file, VRDMA_WIN_COOKIE, &cookie);
	if (hr != ND_SUCCESS)
		return hr;
	file->cookie = cookie.cookie;
	if (file->info.address_count > VIRTIO_RDMA_MAX_ADDRESSES)
		file->info.address_count = VIRTIO_RDMA_MAX_ADDRESSES;
	file->context = nd_file_map(file, VRDMA_MMAP_CONTEXT, ND_PAGE);
	return file->context ? ND_SUCCESS : ND_INSUFFICIENT_RESOURCES;
}

HRESULT nd_file_open(unsigned number, struct nd_file **out)
{
	struct nd_file *file = calloc(1, sizeof(*file));
	HRESULT hr;

	if (!file)
		return ND_NO_MEMORY;
	pthread_mutex_init(&file->lock, NULL);
	file->number = number;
	file->ram = -1;
	file->device = open_device(number, 0);
	if (file->device == INVALID_HANDLE_VALUE) {
		free(file);
		return ND_INVALID_PARAMETER;
	}
	hr = open_adapter(file);
	if (hr != ND_SUCCESS) {
		nd_file_close(file);
		return hr;
	}
	nd_wine_open(file);
	*out = file;
	return ND_SUCCESS;
}

void nd_file_close(struct nd_file *file)
{
	nd_file_unmap(file, file->context, ND_PAGE);
	CloseHandle(file->device);
	nd_wine_close(file);
	pthread_mutex_destroy(&file->lock);
	free(file);
}

/* The driver ends the call at once, so nothing is waited for */
static HRESULT attach(struct nd_file *file, HANDLE h)
{
	struct vrdma_win_cookie arg = { .cookie = file->cookie };
	HRESULT hr = control(h, VRDMA_WIN_ATTACH, &arg, sizeof(arg));

	return hr == ND_SUCCESS ? (HRESULT)arg.status : hr;
}

HRESULT nd_file_handle(struct nd_file *file, HANDLE *out)
{
	HANDLE h = open_device(file->number, FILE_FLAG_OVERLAPPED);
	HRESULT hr;

	if (h == INVALID_HANDLE_VALUE)
		return ND_INSUFFICIENT_RESOURCES;
	hr = attach(file, h);
	if (hr == ND_SUCCESS &&
	    !SetFileCompletionNotificationModes(
		    h, FILE_SKIP_COMPLETION_PORT_ON_SUCCESS))
		hr = ND_INSUFFICIENT_RESOURCES;
	if (hr != ND_SUCCESS) {
		CloseHandle(h);
		return hr;
	}
	*out = h;
	return ND_SUCCESS;
}

/* Whose it is, the driver knows: an object's number means something only there */
HRESULT nd_handle_check(HANDLE handle)
{
	DWORD flags;

	return GetHandleInformation(handle, &flags) ? ND_SUCCESS :
						      ND_INVALID_HANDLE;
}
