/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-or-later */
/*
 * tool_os.h - what the nd_* tools want of a system, beside the library
 */
#ifndef ND_TOOL_OS_H
#define ND_TOOL_OS_H

#ifdef _WIN32
#include "tool_windows.h"	/* of guest-driver/windows/tools */
#else

#include <arpa/inet.h>
#include <net/if.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "nd_win.h"

/* nanoseconds: of the wall clock, or since some start */
static inline uint64_t tool_clock(bool wall)
{
	struct timespec t;

	clock_gettime(wall ? CLOCK_REALTIME : CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static inline void tool_rest(int ms)
{
	poll(NULL, 0, ms);
}

/* Before the first sleep on an overlapped file */
static inline void tool_watch(HANDLE file)
{
	(void)file;
}

/* Until a request of the file has ended that nobody has asked for, or later; at
 * most so long */
static inline void tool_sleep_on(HANDLE file, int ms)
{
	struct pollfd fd = { .fd = file, .events = POLLIN };

	poll(&fd, 1, ms);
}

static inline void *tool_pages(size_t size)
{
	void *p = mmap(NULL, size, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	return p == MAP_FAILED ? NULL : p;
}

static inline void tool_pages_free(void *p, size_t size)
{
	munmap(p, size);
}

/* fn is called when the user or the system asks the program to end */
static inline void tool_on_stop(void (*fn)(int sig))
{
	struct sigaction sa = { .sa_handler = fn };

	sigaction(SIGTERM, &sa, NULL);
	sigaction(SIGINT, &sa, NULL);
}

#endif /* _WIN32 */
#endif /* ND_TOOL_OS_H */
