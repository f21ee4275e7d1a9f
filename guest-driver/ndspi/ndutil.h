/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-or-later */
/*
 * ndutil.h - helpers over the provider, for programs that only have addresses
 */
#ifndef NDUTIL_H
#define NDUTIL_H

#include "ndspi.h"

#define ND_QUERY_EXCLUDE_EMULATOR_ADDRESSES 0x1
#define ND_QUERY_EXCLUDE_NDv1_ADDRESSES	    0x2
#define ND_QUERY_EXCLUDE_NDv2_ADDRESSES	    0x4

/* Counted: as many NdCleanup as NdStartup.  ND_DEVICE_NOT_READY from the
 * other calls outside the pair. */
HRESULT NdStartup(VOID);
HRESULT NdCleanup(VOID);
VOID NdFlushProviders(VOID);

/* *cb: in the size of list, out what is needed.  ND_BUFFER_OVERFLOW: too small */
HRESULT NdQueryAddressList(ULONG flags, SOCKET_ADDRESS_LIST *list, ULONG *cb);

/* The local address from which a remote one is best reached: the one of the
 * same family with the longest common prefix. */
HRESULT NdResolveAddress(const struct sockaddr *remote, ULONG cb_remote,
			 struct sockaddr *local, ULONG *cb_local);

/* ND_SUCCESS: an adapter of this machine has the address */
HRESULT NdCheckAddress(const struct sockaddr *addr, ULONG cb);

/* The adapter that has the address; the port is not looked at */
HRESULT NdOpenAdapter(REFIID iid, const struct sockaddr *addr, ULONG cb,
		      VOID **adapter);
HRESULT NdOpenV2Adapter(const struct sockaddr *addr, ULONG cb,
			IND2Adapter **adapter);

/* "SUCCESS", "IO_TIMEOUT", ...; NULL for a value without a name */
const char *NdStatusName(HRESULT hr);

#endif /* NDUTIL_H */
