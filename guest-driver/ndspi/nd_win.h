/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-or-later */
/*
 * nd_win.h - the few Windows types that NetworkDirect's interfaces need
 *
 * DOC: On Windows the real headers are included.  Elsewhere a HANDLE is a file
 * descriptor: what IND2Adapter::CreateOverlappedFile gives can be handed to
 * poll(), select() or epoll, and is closed with CloseHandle() or close().
 */
#ifndef ND_WIN_H
#define ND_WIN_H

#ifdef _WIN32

#define CONST_VTABLE
#include <winsock2.h>
#include <ws2tcpip.h>
#include <unknwn.h>

#else

#include <netinet/in.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

typedef void VOID;
typedef void *PVOID;
typedef int BOOL;
typedef int INT;
typedef int32_t HRESULT;
typedef uint8_t UINT8;
typedef uint16_t USHORT;
typedef uint16_t UINT16;
typedef uint32_t ULONG;		/* 32 bits, as on Windows, whatever long is */
typedef uint32_t UINT32;
typedef uint32_t DWORD;
typedef uint64_t UINT64;
typedef size_t SIZE_T;
typedef uintptr_t ULONG_PTR;
typedef uintptr_t KAFFINITY;
typedef int HANDLE;

#define INVALID_HANDLE_VALUE (-1)
#define TRUE		     1
#define FALSE		     0

#define S_OK			  ((HRESULT)0)
#define S_FALSE			  ((HRESULT)1)
#define E_NOINTERFACE		  ((HRESULT)0x80004002)
#define E_POINTER		  ((HRESULT)0x80004003)
#define CLASS_E_NOAGGREGATION	  ((HRESULT)0x80040110)
#define CLASS_E_CLASSNOTAVAILABLE ((HRESULT)0x80040111)
#define SUCCEEDED(hr)		  ((HRESULT)(hr) >= 0)
#define FAILED(hr)		  ((HRESULT)(hr) < 0)

#define STDMETHODCALLTYPE

typedef struct GUID {
	uint32_t Data1;
	uint16_t Data2;
	uint16_t Data3;
	uint8_t Data4[8];
} GUID;
typedef GUID IID;
typedef GUID CLSID;
typedef const IID *REFIID;
typedef const CLSID *REFCLSID;

/*
 * Internal: the status, ND_PENDING until the request ended.  InternalHigh: the
 * library's own mark.  The other fields are not looked at.  The structure
 * belongs to the library from the call that answers ND_PENDING until
 * GetOverlappedResult answers something else.
 */
typedef struct OVERLAPPED {
	ULONG_PTR Internal;
	ULONG_PTR InternalHigh;
	union {
		struct {
			DWORD Offset;
			DWORD OffsetHigh;
		};
		PVOID Pointer;
	};
	HANDLE hEvent;
} OVERLAPPED;

typedef struct SOCKET_ADDRESS {
	struct sockaddr *lpSockaddr;
	INT iSockaddrLength;
} SOCKET_ADDRESS;

typedef struct SOCKET_ADDRESS_LIST {
	INT iAddressCount;
	SOCKET_ADDRESS Address[1];
} SOCKET_ADDRESS_LIST;

typedef struct IUnknown IUnknown;
typedef struct IUnknownVtbl {
	HRESULT (*QueryInterface)(IUnknown *self, REFIID iid, VOID **out);
	ULONG (*AddRef)(IUnknown *self);
	ULONG (*Release)(IUnknown *self);
} IUnknownVtbl;
struct IUnknown {
	const IUnknownVtbl *lpVtbl;
};

typedef struct IClassFactory IClassFactory;
typedef struct IClassFactoryVtbl {
	HRESULT (*QueryInterface)(IClassFactory *self, REFIID iid, VOID **out);
	ULONG (*AddRef)(IClassFactory *self);
	ULONG (*Release)(IClassFactory *self);
	HRESULT (*CreateInstance)(IClassFactory *self, IUnknown *outer,
				  REFIID iid, VOID **out);
	HRESULT (*LockServer)(IClassFactory *self, BOOL lock);
} IClassFactoryVtbl;
struct IClassFactory {
	const IClassFactoryVtbl *lpVtbl;
};

extern const IID IID_IUnknown;
extern const IID IID_IClassFactory;

BOOL CloseHandle(HANDLE handle);

#endif /* _WIN32 */
#endif /* ND_WIN_H */
