/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-or-later */
/*
 * sys.c - nd_sys on Linux
 */
#include "nd_sys.h"

#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "nd_win.h"

static int sys_open(const char *path, int flags)
{
	return open(path, flags);
}

static int sys_ioctl(int fd, unsigned long code, void *arg)
{
	return ioctl(fd, code, arg);
}

static void *sys_mmap(int fd, uint64_t offset, size_t size)
{
	return mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd,
		    (off_t)offset);
}

const struct nd_sys nd_sys_linux = {
	.open = sys_open,
	.close = close,
	.ioctl = sys_ioctl,
	.mmap = sys_mmap,
	.munmap = munmap,
	.read = read,
	.poll = poll,
};

const struct nd_sys *nd_sys = &nd_sys_linux;

BOOL CloseHandle(HANDLE handle)
{
	return close(handle) == 0;
}
