/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-or-later */
/*
 * nd_sys.h - the system calls that the library makes, as one table
 *
 * A test puts a device of its own behind it; nothing else in the library talks
 * to the system about the device.  Each returns what the call of its name
 * does, errors as -1 with errno.
 */
#ifndef ND_SYS_H
#define ND_SYS_H

#include <poll.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct nd_sys {
	int (*open)(const char *path, int flags);
	int (*close)(int fd);
	int (*ioctl)(int fd, unsigned long code, void *arg);
	void *(*mmap)(int fd, uint64_t offset, size_t size);
	int (*munmap)(void *va, size_t size);
	ssize_t (*read)(int fd, void *buffer, size_t size);
	int (*poll)(struct pollfd *fds, nfds_t n, int timeout_ms);
};

extern const struct nd_sys nd_sys_linux;
/* set before the first object is made, not changed while one is alive */
extern const struct nd_sys *nd_sys;

#endif /* ND_SYS_H */
