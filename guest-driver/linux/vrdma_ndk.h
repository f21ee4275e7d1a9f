/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-or-later */
/*
 * vrdma_ndk.h - how another kernel module reaches the NDK interface
 *
 * A consumer opens an adapter and from there uses only the dispatch tables of
 * ndk.h.  While it has one open this module cannot be unloaded.
 */
#ifndef VRDMA_NDK_ENTRY_H
#define VRDMA_NDK_ENTRY_H

#include "ndk.h"

/**
 * vrdma_ndk_open_adapter - open an adapter for a kernel consumer
 * @which: "vrdma0", or one of the adapter's addresses ("10.0.0.1", "fd00::1"),
 *	or NULL for the first device
 * @version: major, and the lowest minor the consumer can live with
 *
 * May sleep.  STATUS_SUCCESS; STATUS_INVALID_ADDRESS (no such device);
 * STATUS_INSUFFICIENT_RESOURCES; or as vrdma_open_adapter().
 */
NTSTATUS vrdma_ndk_open_adapter(const char *which, NDK_VERSION version,
				NDK_ADAPTER **adapter);

/**
 * vrdma_ndk_close_adapter - close it
 *
 * Sleeps until every object made from the adapter is closed and every callback
 * has returned: afterwards the consumer's code may be unloaded.
 */
void vrdma_ndk_close_adapter(NDK_ADAPTER *adapter);

/**
 * vrdma_ndk_addresses - the adapter's own addresses, port 0
 *
 * How many there are; up to max are stored.
 */
struct virtio_rdma_addr;
unsigned int vrdma_ndk_addresses(NDK_ADAPTER *adapter,
				 struct virtio_rdma_addr *out, unsigned int max);

#endif /* VRDMA_NDK_ENTRY_H */
