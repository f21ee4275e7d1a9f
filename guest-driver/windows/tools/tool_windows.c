/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-or-later */
/*
 * tool_windows.c - see tool_os.h
 */
#include "tool_windows.h"

#define TICKS_1601_TO_1970 116444736000000000ull	/* of 100 ns */

static uint64_t wall_clock(void)
{
	FILETIME t;

	GetSystemTimePreciseAsFileTime(&t);
	return (((uint64_t)t.dwHighDateTime << 32 | t.dwLowDateTime) -
		TICKS_1601_TO_1970) * 100;
}

uint64_t tool_clock(bool wall)
{
	LARGE_INTEGER now, hz;

	if (wall)
		return wall_clock();
	QueryPerformanceCounter(&now);
	QueryPerformanceFrequency(&hz);
	return (uint64_t)((double)now.QuadPart * 1e9 / (double)hz.QuadPart);
}

void tool_rest(int ms)
{
	Sleep((DWORD)ms);
}

static HANDLE port;

void tool_watch(HANDLE file)
{
	HANDLE p = CreateIoCompletionPort(file, port, 0, 0);

	if (p)
		port = p;
}

void tool_sleep_on(HANDLE file, int ms)
{
	OVERLAPPED *ov;
	ULONG_PTR key;
	DWORD bytes;

	(void)file;
	if (port)
		GetQueuedCompletionStatus(port, &bytes, &key, &ov, (DWORD)ms);
	else
		Sleep((DWORD)ms);
}

void *tool_pages(size_t size)
{
	return VirtualAlloc(NULL, size, MEM_RESERVE | MEM_COMMIT,
			    PAGE_READWRITE);
}

void tool_pages_free(void *p, size_t size)
{
	(void)size;
	VirtualFree(p, 0, MEM_RELEASE);
}

static void (*on_stop)(int sig);

static BOOL WINAPI stop_asked(DWORD event)
{
	on_stop((int)event);
	return TRUE;
}

void tool_on_stop(void (*fn)(int sig))
{
	on_stop = fn;
	SetConsoleCtrlHandler(stop_asked, TRUE);
}
