/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-or-later */
/*
 * file.c - opening /dev/vrdmaN, calls, mapped pages
 */
#include "nd_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

#include "nd_sys.h"
#include "vrdma_ring.h"

#define ND_PAGE 4096u

static const struct {
	int error;
	HRESULT status;
} errno_table[] = {
	{ EFAULT, ND_ACCESS_VIOLATION },
	{ EINVAL, ND_INVALID_PARAMETER },
	{ ENODEV, ND_DEVICE_REMOVED },
	{ EIO, ND_DEVICE_REMOVED },
	{ ENXIO, ND_DEVICE_REMOVED },
	{ ENOMEM, ND_NO_MEMORY },
	{ ENOENT, ND_INVALID_PARAMETER },
	{ EACCES, ND_ACCESS_VIOLATION },
	{ EPERM, ND_ACCESS_VIOLATION },
	{ EMFILE, ND_INSUFFICIENT_RESOURCES },
	{ ENFILE, ND_INSUFFICIENT_RESOURCES },
	{ EBUSY, ND_DEVICE_BUSY },
};

static HRESULT errno_status(int error)
{
	size_t i;

	for (i = 0; i < sizeof(errno_table) / sizeof(errno_table[0]); i++)
		if (errno_table[i].error == error)
			return errno_table[i].status;
	return ND_INTERNAL_ERROR;
}

HRESULT nd_call(struct nd_file *file, unsigned long code, void *arg)
{
	HRESULT status;
	int r;

	do {
		r = nd_sys->ioctl(file->fd, code, arg);
	} while (r < 0 && errno == EINTR);
	status = r < 0 ? errno_status(errno) : (HRESULT)*(uint32_t *)arg;
	if (status == ND_DEVICE_REMOVED)
		atomic_store(&file->removed, true);
	return status;
}

void *nd_file_map(struct nd_file *file, uint64_t offset, uint64_t size)
{
	void *va;

	if (!size || size > SIZE_MAX)
		return NULL;
	va = nd_sys->mmap(file->fd, offset, (size_t)size);
	return va == MAP_FAILED ? NULL : va;
}

void nd_file_unmap(struct nd_file *file, void *va, uint64_t size)
{
	(void)file;
	if (va)
		nd_sys->munmap(va, (size_t)size);
}

/* The store goes to the device's notification page: no system call, at most an
 * exit of the virtual machine. */
static void kick(struct nd_file *file)
{
	volatile uint16_t *p;

	if (!file->notify) {
		nd_sys->ioctl(file->fd, VRDMA_IOC_KICK, NULL);
		return;
	}
	p = (volatile uint16_t *)(void *)(file->notify +
					  file->info.notify_offset);
	*p = vr_to_le16((uint16_t)file->info.notify_value);
}

void nd_file_bell(struct nd_file *file, uint32_t slot)
{
	if (vrdma_ring_bell(file->context, slot))
		kick(file);
}

static HRESULT map_pages(struct nd_file *file)
{
	file->context = nd_file_map(file, VRDMA_MMAP_CONTEXT, ND_PAGE);
	if (!file->context)
		return ND_INSUFFICIENT_RESOURCES;
	/* without the page the ioctl does: slower, not wrong */
	if (file->info.notify_mapped &&
	    file->info.notify_offset <= ND_PAGE - sizeof(uint16_t) &&
	    file->info.notify_offset % sizeof(uint16_t) == 0)
		file->notify = nd_file_map(file, VRDMA_MMAP_NOTIFY, ND_PAGE);
	return ND_SUCCESS;
}

static void close_fd(int fd)
{
	if (fd >= 0)
		close(fd);
}

void nd_file_close(struct nd_file *file)
{
	nd_file_unmap(file, file->notify, ND_PAGE);
	nd_file_unmap(file, file->context, ND_PAGE);
	if (file->fd >= 0)
		nd_sys->close(file->fd);
	close_fd(file->ready_fd);
	close_fd(file->wake_fd);
	pthread_cond_destroy(&file->ended);
	pthread_mutex_destroy(&file->lock);
	free(file->requests);
	free(file);
}

static HRESULT open_device(struct nd_file *file, unsigned number)
{
	char path[sizeof(VRDMA_DEVICE_PATTERN) + 10];
	HRESULT hr;

	snprintf(path, sizeof(path), VRDMA_DEVICE_PATTERN, number);
	file->fd = nd_sys->open(path, O_RDWR | O_CLOEXEC | O_NONBLOCK);
	if (file->fd < 0)
		return errno_status(errno);
	file->info.version = VRDMA_UAPI_VERSION;
	hr = nd_call(file, VRDMA_IOC_OPEN, &file->info);
	if (hr != ND_SUCCESS)
		return hr;
	if (file->info.address_count > VIRTIO_RDMA_MAX_ADDRESSES)
		file->info.address_count = VIRTIO_RDMA_MAX_ADDRESSES;
	return map_pages(file);
}

HRESULT nd_file_open(unsigned number, struct nd_file **out)
{
	struct nd_file *file = calloc(1, sizeof(*file));
	HRESULT hr = ND_INSUFFICIENT_RESOURCES;

	if (!file)
		return ND_NO_MEMORY;
	pthread_mutex_init(&file->lock, NULL);
	pthread_cond_init(&file->ended, NULL);
	file->fd = -1;
	file->ready_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	file->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (file->ready_fd >= 0 && file->wake_fd >= 0)
		hr = open_device(file, number);
	if (hr != ND_SUCCESS) {
		nd_file_close(file);
		return hr;
	}
	*out = file;
	return ND_SUCCESS;
}

static int epoll_add(int ep, int fd)
{
	struct epoll_event ev = { .events = EPOLLIN };

	return epoll_ctl(ep, EPOLL_CTL_ADD, fd, &ev);
}

HRESULT nd_file_handle(struct nd_file *file, HANDLE *out)
{
	int ep = epoll_create1(EPOLL_CLOEXEC);

	if (ep < 0)
		return ND_INSUFFICIENT_RESOURCES;
	if (epoll_add(ep, file->fd) || epoll_add(ep, file->ready_fd)) {
		close(ep);
		return ND_INSUFFICIENT_RESOURCES;
	}
	*out = ep;
	return ND_SUCCESS;
}

/* It only has to be one: events come by the adapter's own file */
HRESULT nd_handle_check(HANDLE handle)
{
	return fcntl(handle, F_GETFD) < 0 ? ND_INVALID_HANDLE : ND_SUCCESS;
}
