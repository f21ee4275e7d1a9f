// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * nd_wrong.c - every device control of \\.\vrdma0 given what it must refuse
 *
 * usage: nd_wrong
 *
 * Past the provider, by DeviceIoControl.  Each call has to end with a status, and
 * afterwards the adapter still works.  One line a case; the last is "N passed, N
 * failed".
 */
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <winternl.h>

#include "ndstatus.h"
#include "vrdma_win.h"
#include "vrdma_wine.h"

#define STATUS_BAD_REQUEST	((HRESULT)0xC0000010)
#define STATUS_BAD_SIZE		((HRESULT)0xC0000206)
#define STATUS_BAD_PARAMETER	((HRESULT)0xC000000D)
#define WAIT_MS			20000

static int passed, failed;
static char why[160];

#define EXPECT(got, want)						\
	do {								\
		HRESULT got_ = (got), want_ = (want);			\
		if (got_ != want_ && !why[0])				\
			snprintf(why, sizeof(why),			\
				 "line %d: %s: %08x, not %08x",		\
				 __LINE__, #got, (unsigned)got_,	\
				 (unsigned)want_);			\
	} while (0)

/* --- calls -------------------------------------------------------------------------- */

/* Its IRP's status: what a completion port would say */
static HRESULT call(HANDLE h, ULONG code, void *in, ULONG in_size, void *out,
		    ULONG out_size)
{
	IO_STATUS_BLOCK iosb = { 0 };
	HANDLE event = CreateEventA(NULL, TRUE, FALSE, NULL);
	NTSTATUS status = NtDeviceIoControlFile(h, event, NULL, NULL, &iosb,
						code, in, in_size, out,
						out_size);

	if (status == ND_PENDING) {
		if (WaitForSingleObject(event, WAIT_MS) != WAIT_OBJECT_0) {
			puts("FAIL a call that never ended");
			exit(1);
		}
		status = iosb.Status;
	}
	CloseHandle(event);
	return status;
}

/* The structure's status, where the IRP's is success */
static HRESULT ask(HANDLE h, ULONG code, void *arg, ULONG size)
{
	HRESULT hr = call(h, code, arg, size, arg, size);

	return hr == ND_SUCCESS ? (HRESULT)*(ULONG *)arg : hr;
}

static HANDLE open_device(void)
{
	HANDLE h = CreateFileA("\\\\.\\vrdma0", GENERIC_READ | GENERIC_WRITE,
			       FILE_SHARE_READ | FILE_SHARE_WRITE, NULL,
			       OPEN_EXISTING, FILE_FLAG_OVERLAPPED, NULL);

	if (h == INVALID_HANDLE_VALUE) {
		puts("FAIL no \\\\.\\vrdma0");
		exit(1);
	}
	return h;
}

static HANDLE open_adapter(void)
{
	struct vrdma_uapi_open o = { .version = VRDMA_UAPI_VERSION };
	HANDLE h = open_device();

	EXPECT(ask(h, VRDMA_IOC_OPEN, &o, sizeof(o)), ND_SUCCESS);
	return h;
}

static ULONG create(HANDLE h, ULONG code)
{
	struct vrdma_uapi_create a = { 0 };

	EXPECT(ask(h, code, &a, sizeof(a)), ND_SUCCESS);
	return a.id;
}

static void still_works(HANDLE h)
{
	struct vrdma_uapi_object gone = { .id = create(h, VRDMA_IOC_CREATE_MR) };

	EXPECT(ask(h, VRDMA_IOC_FREE, &gone, sizeof(gone)), ND_SUCCESS);
}

/* Sizes of all calls, 0: takes none, or is not there */
struct control {
	ULONG code;
	ULONG size;
	bool request;			/* no output */
};
#define C(code, type)	{ code, sizeof(struct type), false }
#define R(code, type)	{ code, sizeof(struct type), true }
static const struct control controls[] = {
	C(VRDMA_IOC_OPEN, vrdma_uapi_open),
	C(VRDMA_IOC_CREATE_CQ, vrdma_uapi_create_cq),
	C(VRDMA_IOC_RESIZE_CQ, vrdma_uapi_resize_cq),
	C(VRDMA_IOC_CREATE_QP, vrdma_uapi_create_qp),
	C(VRDMA_IOC_CREATE_SRQ, vrdma_uapi_create_srq),
	C(VRDMA_IOC_MODIFY_SRQ, vrdma_uapi_modify_srq),
	R(VRDMA_IOC_SRQ_NOTIFY, vrdma_uapi_request),
	C(VRDMA_IOC_CREATE_MR, vrdma_uapi_create),
	C(VRDMA_IOC_CREATE_MW, vrdma_uapi_create_mw),
	C(VRDMA_IOC_CREATE_CONNECTOR, vrdma_uapi_create),
	C(VRDMA_IOC_CREATE_LISTENER, vrdma_uapi_create),
	C(VRDMA_IOC_FREE, vrdma_uapi_object),
	R(VRDMA_IOC_REGISTER, vrdma_uapi_register),
	R(VRDMA_IOC_DEREGISTER, vrdma_uapi_request),
	C(VRDMA_IOC_FLUSH, vrdma_uapi_object),
	R(VRDMA_IOC_CQ_NOTIFY, vrdma_uapi_request),
	C(VRDMA_IOC_BIND, vrdma_uapi_bind),
	R(VRDMA_IOC_CONNECT, vrdma_uapi_connect),
	R(VRDMA_IOC_COMPLETE_CONNECT, vrdma_uapi_request),
	R(VRDMA_IOC_ACCEPT, vrdma_uapi_connect),
	C(VRDMA_IOC_REJECT, vrdma_uapi_reject),
	C(VRDMA_IOC_GET_CONNECTION, vrdma_uapi_connection),
	R(VRDMA_IOC_NOTIFY_DISCONNECT, vrdma_uapi_request),
	R(VRDMA_IOC_DISCONNECT, vrdma_uapi_request),
	C(VRDMA_IOC_LISTEN, vrdma_uapi_bind),
	R(VRDMA_IOC_GET_REQUEST, vrdma_uapi_get_request),
	C(VRDMA_IOC_CANCEL, vrdma_uapi_object),
	C(VRDMA_WIN_COOKIE, vrdma_win_cookie),
	C(VRDMA_WIN_ATTACH, vrdma_win_cookie),
	C(VRDMA_WIN_MAP, vrdma_win_map),
	C(VRDMA_WIN_UNMAP, vrdma_win_unmap),
	C(VRDMA_WIN_QUERY_MR, vrdma_win_mr),
	C(VRDMA_WIN_CQ_REPORT, vrdma_uapi_object),
	C(VRDMA_WIN_ABANDON, vrdma_uapi_object),
	C(VRDMA_WINE_RAM, vrdma_wine_ram),
	C(VRDMA_WINE_SHARE, vrdma_wine_share),
};
#define N_CONTROLS (sizeof(controls) / sizeof(controls[0]))

/* --- cases -------------------------------------------------------------------------- */

static void sizes(void)
{
	static uint8_t room[8192];
	HANDLE h = open_adapter();
	size_t i;

	for (i = 0; i < N_CONTROLS; i++) {
		ULONG code = controls[i].code, n = controls[i].size;

		EXPECT(call(h, code, NULL, 0, NULL, 0), STATUS_BAD_SIZE);
		EXPECT(call(h, code, room, 1, room, n), STATUS_BAD_SIZE);
		EXPECT(call(h, code, room, n - 1, room, n), STATUS_BAD_SIZE);
		EXPECT(call(h, code, room, n + 1, room, n + 1),
		       STATUS_BAD_SIZE);
		if (controls[i].request)
			continue;
		EXPECT(call(h, code, room, n, NULL, 0), STATUS_BAD_SIZE);
		EXPECT(call(h, code, room, n, room, n - 1), STATUS_BAD_SIZE);
	}
	still_works(h);
	CloseHandle(h);
}

static bool is_known(ULONG code)
{
	size_t i;

	for (i = 0; i < N_CONTROLS; i++)
		if (controls[i].code == code)
			return true;
	return code == VRDMA_IOC_KICK;
}

static void unknown_codes(void)
{
	uint8_t room[64] = { 0 };
	HANDLE h = open_adapter();
	ULONG nr;

	for (nr = 0; nr < 0x140; nr++)
		if (!is_known(VRW_CTL(nr)))
			EXPECT(call(h, VRW_CTL(nr), room, sizeof(room), room,
				    sizeof(room)), STATUS_BAD_REQUEST);
	/* of another device type, and another method of a known one */
	EXPECT(call(h, 0x220004, room, 8, room, 8), STATUS_BAD_REQUEST);
	EXPECT(call(h, VRDMA_IOC_FREE | 1, room, 8, room, 8),
	       STATUS_BAD_REQUEST);
	still_works(h);
	CloseHandle(h);
}

/* A file object that is no adapter, or is one already */
static void before_and_after_open(void)
{
	static uint8_t room[8192];
	HANDLE h = open_device();
	size_t i;

	for (i = 0; i < N_CONTROLS; i++) {
		HRESULT hr;

		if (controls[i].code == VRDMA_IOC_OPEN ||
		    controls[i].code == VRDMA_WINE_RAM)
			continue;
		memset(room, 0, sizeof(room));
		hr = ask(h, controls[i].code, room, controls[i].size);
		EXPECT(FAILED(hr) ? ND_SUCCESS : hr, ND_SUCCESS);
		if (!FAILED(hr) && !why[0])
			snprintf(why, sizeof(why), "code %08x: %08x",
				 (unsigned)controls[i].code, (unsigned)hr);
	}
	EXPECT(call(h, VRDMA_IOC_KICK, NULL, 0, NULL, 0),
	       ND_INVALID_DEVICE_STATE);
	CloseHandle(h);
	h = open_adapter();
	memset(room, 0, sizeof(room));
	((struct vrdma_uapi_open *)(void *)room)->version = VRDMA_UAPI_VERSION;
	EXPECT(ask(h, VRDMA_IOC_OPEN, room, sizeof(struct vrdma_uapi_open)),
	       STATUS_BAD_PARAMETER);
	still_works(h);
	CloseHandle(h);
}

static void versions(void)
{
	struct vrdma_uapi_open o = { .version = VRDMA_UAPI_VERSION + 1 };
	HANDLE h = open_device();

	EXPECT(ask(h, VRDMA_IOC_OPEN, &o, sizeof(o)), ND_NOT_SUPPORTED);
	o.version = VRDMA_UAPI_VERSION;
	EXPECT(ask(h, VRDMA_IOC_OPEN, &o, sizeof(o)), ND_SUCCESS);
	CloseHandle(h);
}

static void every_id_wrong(HANDLE h, ULONG id)
{
	struct vrdma_uapi_object o = { .id = id };
	struct vrdma_uapi_request r = { .id = id };
	struct vrdma_uapi_register reg = { .id = id, .address = 4096,
					   .length = 4096 };
	struct vrdma_uapi_get_request g = { .listener = id, .connector = id };
	struct vrdma_uapi_connect c = { .id = id, .qp = id };
	struct vrdma_win_mr mr = { .id = id };
	struct vrdma_uapi_create_qp qp = { .recv_cq = id, .send_cq = id,
					   .recv_depth = 1, .send_depth = 1 };
	static const ULONG objects[] = {
		VRDMA_IOC_FREE, VRDMA_IOC_CANCEL, VRDMA_IOC_FLUSH,
		VRDMA_WIN_CQ_REPORT, VRDMA_WIN_ABANDON,
	};
	static const ULONG requests[] = {
		VRDMA_IOC_CQ_NOTIFY, VRDMA_IOC_SRQ_NOTIFY,
		VRDMA_IOC_DEREGISTER, VRDMA_IOC_COMPLETE_CONNECT,
		VRDMA_IOC_NOTIFY_DISCONNECT, VRDMA_IOC_DISCONNECT,
	};
	size_t i;

	for (i = 0; i < sizeof(objects) / sizeof(objects[0]); i++)
		EXPECT(ask(h, objects[i], &o, sizeof(o)), ND_INVALID_HANDLE);
	for (i = 0; i < sizeof(requests) / sizeof(requests[0]); i++)
		EXPECT(call(h, requests[i], &r, sizeof(r), NULL, 0),
		       ND_INVALID_HANDLE);
	EXPECT(call(h, VRDMA_IOC_REGISTER, &reg, sizeof(reg), NULL, 0),
	       ND_INVALID_HANDLE);
	EXPECT(call(h, VRDMA_IOC_GET_REQUEST, &g, sizeof(g), NULL, 0),
	       ND_INVALID_HANDLE);
	c.addr.family = VIRTIO_RDMA_AF_INET;
	EXPECT(call(h, VRDMA_IOC_CONNECT, &c, sizeof(c), NULL, 0),
	       ND_INVALID_HANDLE);
	EXPECT(call(h, VRDMA_IOC_ACCEPT, &c, sizeof(c), NULL, 0),
	       ND_INVALID_HANDLE);
	EXPECT(ask(h, VRDMA_WIN_QUERY_MR, &mr, sizeof(mr)), ND_INVALID_HANDLE);
	EXPECT(ask(h, VRDMA_IOC_CREATE_QP, &qp, sizeof(qp)),
	       ND_INVALID_HANDLE);
}

static void handles(void)
{
	HANDLE h = open_adapter(), other = open_adapter();
	ULONG theirs = 0;
	int i;

	/* numbers begin alike: only the other one has so many */
	for (i = 0; i < 8; i++)
		theirs = create(other, VRDMA_IOC_CREATE_LISTENER);
	every_id_wrong(h, 0);
	every_id_wrong(h, 0xffffffff);
	every_id_wrong(h, 1u << 20);
	every_id_wrong(h, theirs);
	still_works(other);
	CloseHandle(other);
	still_works(h);
	CloseHandle(h);
}

static void wrong_kinds(void)
{
	HANDLE h = open_adapter();
	ULONG mr = create(h, VRDMA_IOC_CREATE_MR);
	struct vrdma_uapi_request r = { .id = mr };
	struct vrdma_uapi_object o = { .id = create(h,
					VRDMA_IOC_CREATE_CONNECTOR) };

	EXPECT(call(h, VRDMA_IOC_CQ_NOTIFY, &r, sizeof(r), NULL, 0),
	       ND_INVALID_HANDLE);
	EXPECT(call(h, VRDMA_IOC_DISCONNECT, &r, sizeof(r), NULL, 0),
	       ND_INVALID_HANDLE);
	EXPECT(ask(h, VRDMA_IOC_FLUSH, &o, sizeof(o)), ND_INVALID_HANDLE);
	EXPECT(ask(h, VRDMA_WIN_CQ_REPORT, &o, sizeof(o)), ND_INVALID_HANDLE);
	EXPECT(ask(h, VRDMA_IOC_FREE, &o, sizeof(o)), ND_SUCCESS);
	EXPECT(ask(h, VRDMA_IOC_FREE, &o, sizeof(o)), ND_INVALID_HANDLE);
	still_works(h);
	CloseHandle(h);
}

static void memory(void)
{
	static const struct {
		uint64_t address, length;
		ULONG flags;
		HRESULT want;
	} row[] = {
		{ 0, 4096, 1, ND_ACCESS_VIOLATION },
		{ 4096, 0, 1, ND_INVALID_BUFFER_SIZE },
		{ 0x10000, 4096, 1, ND_ACCESS_VIOLATION },	/* not mapped */
		{ 0x7fffffff0000, 1 << 20, 1, ND_ACCESS_VIOLATION },
		{ 0xffff800000000000, 4096, 1, ND_ACCESS_VIOLATION },
		{ 0xfffffffffffff000, 8192, 1, ND_ACCESS_VIOLATION },
		{ 4096, 1ull << 40, 1, ND_INVALID_PARAMETER },
		{ 4096, 0x7fffffffffffffff, 1, ND_INVALID_PARAMETER },
		{ 0x10000, 4096, 0x40, ND_INVALID_PARAMETER },
	};
	HANDLE h = open_adapter();
	ULONG mr = create(h, VRDMA_IOC_CREATE_MR);
	struct vrdma_uapi_request r = { .id = mr };
	size_t i;

	for (i = 0; i < sizeof(row) / sizeof(row[0]); i++) {
		struct vrdma_uapi_register a = {
			.id = mr, .address = row[i].address,
			.length = row[i].length, .flags = row[i].flags,
		};

		EXPECT(call(h, VRDMA_IOC_REGISTER, &a, sizeof(a), NULL, 0),
		       row[i].want);
	}
	EXPECT(call(h, VRDMA_IOC_DEREGISTER, &r, sizeof(r), NULL, 0),
	       ND_INVALID_DEVICE_STATE);
	still_works(h);
	CloseHandle(h);
}

static void maps(void)
{
	static const struct {
		uint64_t offset, size;
	} row[] = {
		{ 0, 0 }, { 0, 8192 }, { 0, 4095 }, { 0x1000, 4096 },
		{ 1, 4096 }, { 1ull << 32, 4096 }, { ~0ull, 4096 },
		{ 0xffffffffull << 32, 4096 }, { (1ull << 32) + 4096, 4096 },
	};
	HANDLE h = open_adapter();
	struct vrdma_win_map m = { .size = 4096 };
	struct vrdma_win_unmap u = { .address = 0x1234000 };
	size_t i;

	for (i = 0; i < sizeof(row) / sizeof(row[0]); i++) {
		struct vrdma_win_map bad = { .offset = row[i].offset,
					     .size = row[i].size };

		EXPECT(ask(h, VRDMA_WIN_MAP, &bad, sizeof(bad)),
		       STATUS_BAD_PARAMETER);
	}
	EXPECT(ask(h, VRDMA_WIN_UNMAP, &u, sizeof(u)), ND_INVALID_ADDRESS);
	EXPECT(ask(h, VRDMA_WIN_MAP, &m, sizeof(m)), ND_SUCCESS);
	u.address = m.address + 1;
	EXPECT(ask(h, VRDMA_WIN_UNMAP, &u, sizeof(u)), ND_INVALID_ADDRESS);
	u.address = m.address;
	EXPECT(ask(h, VRDMA_WIN_UNMAP, &u, sizeof(u)), ND_SUCCESS);
	EXPECT(ask(h, VRDMA_WIN_UNMAP, &u, sizeof(u)), ND_INVALID_ADDRESS);
	still_works(h);
	CloseHandle(h);
}

static void attaching(void)
{
	struct vrdma_win_cookie c = { 0 };
	HANDLE h = open_adapter(), file = open_device();

	EXPECT(ask(h, VRDMA_WIN_COOKIE, &c, sizeof(c)), ND_SUCCESS);
	c.cookie += 1000;
	EXPECT(ask(file, VRDMA_WIN_ATTACH, &c, sizeof(c)), ND_INVALID_HANDLE);
	c.cookie -= 1000;
	EXPECT(ask(h, VRDMA_WIN_ATTACH, &c, sizeof(c)),
	       ND_INVALID_DEVICE_STATE);
	EXPECT(ask(file, VRDMA_WIN_ATTACH, &c, sizeof(c)), ND_SUCCESS);
	EXPECT(ask(file, VRDMA_WIN_ATTACH, &c, sizeof(c)),
	       ND_INVALID_DEVICE_STATE);
	still_works(file);
	/* the adapter goes first: what is attached has nothing any more */
	CloseHandle(h);
	EXPECT(ask(file, VRDMA_WIN_COOKIE, &c, sizeof(c)),
	       ND_INVALID_DEVICE_STATE);
	CloseHandle(file);
}

static void reserved_fields(void)
{
	HANDLE h = open_adapter();
	struct vrdma_uapi_register reg = {
		.id = create(h, VRDMA_IOC_CREATE_MR), .address = 0x10000,
		.length = 4096, .reserved = 1,
	};
	struct vrdma_uapi_create_qp qp = { .handle = 1 };
	struct vrdma_uapi_modify_srq srq = { .reserved = 1 };
	struct vrdma_uapi_bind b = { .reserved = 1 };
	struct vrdma_uapi_connect c = { .reserved = 1 };
	struct vrdma_uapi_reject rej = { .priv = { .length = 65535 } };
	struct vrdma_win_map m = { .size = 4096, .reserved = 1 };

	EXPECT(call(h, VRDMA_IOC_REGISTER, &reg, sizeof(reg), NULL, 0),
	       STATUS_BAD_PARAMETER);
	EXPECT(ask(h, VRDMA_IOC_CREATE_QP, &qp, sizeof(qp)),
	       STATUS_BAD_PARAMETER);
	EXPECT(ask(h, VRDMA_IOC_MODIFY_SRQ, &srq, sizeof(srq)),
	       STATUS_BAD_PARAMETER);
	EXPECT(ask(h, VRDMA_IOC_BIND, &b, sizeof(b)), STATUS_BAD_PARAMETER);
	EXPECT(ask(h, VRDMA_IOC_LISTEN, &b, sizeof(b)), STATUS_BAD_PARAMETER);
	EXPECT(call(h, VRDMA_IOC_CONNECT, &c, sizeof(c), NULL, 0),
	       STATUS_BAD_PARAMETER);
	EXPECT(call(h, VRDMA_IOC_ACCEPT, &c, sizeof(c), NULL, 0),
	       STATUS_BAD_PARAMETER);
	EXPECT(ask(h, VRDMA_IOC_REJECT, &rej, sizeof(rej)),
	       STATUS_BAD_PARAMETER);
	EXPECT(ask(h, VRDMA_WIN_MAP, &m, sizeof(m)), STATUS_BAD_PARAMETER);
	still_works(h);
	CloseHandle(h);
}

/* Bytes that nobody thought of, the same in each run */
static void mutations(void)
{
	static uint8_t room[8192];
	uint64_t x = 88172645463325252ull;
	HANDLE h = open_adapter();
	size_t i, k;
	int round;

	for (round = 0; round < 40; round++) {
		for (i = 0; i < N_CONTROLS; i++) {
			for (k = 0; k < controls[i].size; k++) {
				x ^= x << 13;
				x ^= x >> 7;
				x ^= x << 17;
				/* mostly zeros: so that some get further */
				room[k] = x % 5 ? 0 : (uint8_t)(x >> 32);
			}
			if (controls[i].code == VRDMA_WINE_RAM ||
			    controls[i].code == VRDMA_WINE_SHARE ||
			    controls[i].code == VRDMA_IOC_CQ_NOTIFY ||
			    controls[i].code == VRDMA_IOC_SRQ_NOTIFY ||
			    controls[i].code == VRDMA_IOC_GET_REQUEST)
				continue;	/* may rightly wait */
			call(h, controls[i].code, room, controls[i].size, room,
			     controls[i].request ? 0 : controls[i].size);
		}
	}
	still_works(h);
	CloseHandle(h);
}

static const struct {
	const char *name;
	void (*fn)(void);
} cases[] = {
	{ "sizes", sizes },
	{ "unknown-codes", unknown_codes },
	{ "before-and-after-open", before_and_after_open },
	{ "versions", versions },
	{ "handles", handles },
	{ "wrong-kinds", wrong_kinds },
	{ "memory", memory },
	{ "maps", maps },
	{ "attaching", attaching },
	{ "reserved-fields", reserved_fields },
	{ "mutations", mutations },
};

int main(void)
{
	size_t i;

	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		why[0] = 0;
		cases[i].fn();
		if (why[0])
			failed++;
		else
			passed++;
		printf("%s %s%s%s\n", why[0] ? "FAIL" : "ok  ", cases[i].name,
		       why[0] ? ": " : "", why);
		fflush(stdout);
	}
	printf("%d passed, %d failed\n", passed, failed);
	return failed ? 1 : 0;
}
