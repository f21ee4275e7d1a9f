/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-or-later */
/*
 * tool_windows.h - what the nd_* tools want of Windows
 *
 * DOC: Every overlapped file is tied to one completion port, whose packets wake
 * the one thread that a tool has.  What ended it asks GetOverlappedResult.
 */
#ifndef ND_TOOL_WINDOWS_H
#define ND_TOOL_WINDOWS_H

#include <stdbool.h>
#include <stdint.h>
#include <unistd.h>

#include "nd_win.h"

uint64_t tool_clock(bool wall);
void tool_rest(int ms);
void tool_watch(HANDLE file);
void tool_sleep_on(HANDLE file, int ms);
void *tool_pages(size_t size);
void tool_pages_free(void *p, size_t size);
void tool_on_stop(void (*fn)(int sig));

/* scopes are numbers here */
#define if_nametoindex(name) ((void)(name), 0u)

#endif /* ND_TOOL_WINDOWS_H */
