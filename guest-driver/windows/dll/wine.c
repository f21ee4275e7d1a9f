/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-or-later */
/*
 * wine.c - under Wine: make the consumer's memory guest memory, in place
 *
 * DOC: vrdma_wine.h tells the protocol.  The driver's answer to the first call
 * decides: Windows' driver does not know it, and then nothing here does anything.
 *
 * Pages are copied to the file and the file is mapped over them.  What other
 * threads write there meanwhile is lost; a consumer that registers a buffer does
 * not write to it yet.  The calling thread's own stack is written all the time, so
 * a buffer there is done by another thread while this one waits.
 */
#include <stdio.h>

#include "lx.h"
#include "nd_int.h"
#include "vrdma_wine.h"

#define PAGE	4096ull

/* One at a time in the process: see vrdma_wine.h */
static pthread_mutex_t share_lock = PTHREAD_MUTEX_INITIALIZER;

void nd_wine_open(struct nd_file *file)
{
	struct vrdma_wine_ram arg = { 0 };
	char path[64];

	/* what Wine's own library has and Windows' has not, before any system
	 * call of Linux */
	if (!GetProcAddress(GetModuleHandleA("ntdll.dll"), "wine_get_version"))
		return;
	arg.self = (uint32_t)lx(LX_getpid, 0, 0, 0, 0, 0, 0);
	if (nd_call(file, VRDMA_WINE_RAM, &arg) != ND_SUCCESS)
		return;
	snprintf(path, sizeof(path), "/proc/%u/fd/%u", arg.pid, arg.fd);
	file->ram = lx(LX_open, LX_P(path), LX_O_RDWR | LX_CLOEXEC, 0, 0, 0, 0);
}

void nd_wine_close(struct nd_file *file)
{
	if (file->ram >= 0)
		lx(LX_close, file->ram, 0, 0, 0, 0, 0);
}

struct swap {
	int64_t fd;
	uint64_t address, length, offset;
	HRESULT status;
};

static DWORD WINAPI swap_in(void *arg)
{
	struct swap *s = arg;
	uint64_t done = 0;
	int64_t r = 1;

	while (r > 0 && done < s->length) {
		r = lx(LX_pwrite64, s->fd, (int64_t)(s->address + done),
		       (int64_t)(s->length - done), (int64_t)(s->offset + done),
		       0, 0);
		done += r > 0 ? (uint64_t)r : 0;
	}
	if (r > 0)
		r = lx(LX_mmap, (int64_t)s->address, (int64_t)s->length,
		       LX_PROT_RW, LX_MAP_SHARED | LX_MAP_FIXED, s->fd,
		       (int64_t)s->offset);
	s->status = r > 0 || r < -4095 ? ND_SUCCESS : ND_ACCESS_VIOLATION;
	return 0;
}

static bool on_own_stack(const struct swap *s)
{
	ULONG_PTR low, high;

	GetCurrentThreadStackLimits(&low, &high);
	return s->address < high && s->address + s->length > low;
}

static HRESULT do_swap(struct swap *s)
{
	HANDLE t;

	if (!on_own_stack(s)) {
		swap_in(s);
		return s->status;
	}
	t = CreateThread(NULL, 0, swap_in, s, 0, NULL);
	if (!t)
		return ND_INSUFFICIENT_RESOURCES;
	WaitForSingleObject(t, INFINITE);
	CloseHandle(t);
	return s->status;
}

static HRESULT share(struct nd_file *file, uint64_t at, uint64_t end)
{
	HRESULT hr = ND_SUCCESS;

	while (hr == ND_SUCCESS && at < end) {
		struct vrdma_wine_share arg = { .address = at,
						.length = end - at };
		struct swap s = { .fd = file->ram };

		hr = nd_call(file, VRDMA_WINE_SHARE, &arg);
		if (hr != ND_SUCCESS || !arg.length)
			break;
		s.address = arg.address;
		s.length = arg.length;
		s.offset = arg.offset;
		hr = do_swap(&s);
		at = arg.address + arg.length;
	}
	return hr;
}

HRESULT nd_wine_share(struct nd_file *file, uint64_t address, uint64_t length)
{
	if (file->ram < 0)
		return ND_SUCCESS;
	pthread_mutex_lock(&share_lock);
	if (length > UINT64_MAX / 2 - PAGE || address > UINT64_MAX / 2)
		return ND_SUCCESS;	/* the driver says what is wrong */
	return share(file, address & ~(PAGE - 1),
		     (address + length + PAGE - 1) & ~(PAGE - 1));
}

void nd_wine_done(struct nd_file *file)
{
	if (file->ram >= 0)
		pthread_mutex_unlock(&share_lock);
}
