/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-or-later */
/*
 * vrdma_status.h - how a request ended, in NT's words
 *
 * DOC: The one table, for the kernel and for the library, whose names for the
 * values differ: an HRESULT of NDSPI has the NTSTATUS's number.  As the
 * NetworkDirect providers of InfiniBand hardware report it: a receive that is
 * too short is a data overrun, what a peer refuses a data error.
 */
#ifndef VRDMA_STATUS_H
#define VRDMA_STATUS_H

#include "virtio_rdma.h"

/* Total: a value that no version of the ABI defines is an internal error */
static inline int32_t vrdma_wc_nt(uint32_t wc)
{
	static const uint32_t nt[VIRTIO_RDMA_WC_COUNT] = {
		[VIRTIO_RDMA_WC_SUCCESS]	  = 0x00000000u,
		[VIRTIO_RDMA_WC_CANCELLED]	  = 0xC0000120u, /* CANCELLED */
		[VIRTIO_RDMA_WC_LOCAL_LENGTH]	  = 0xC000003Cu, /* DATA_OVERRUN */
		[VIRTIO_RDMA_WC_LOCAL_PROTECTION] = 0xC0000005u, /* ACCESS_VIOLATION */
		[VIRTIO_RDMA_WC_LOCAL_REQUEST]	  = 0xC00000E5u, /* INTERNAL_ERROR */
		[VIRTIO_RDMA_WC_REMOTE_ACCESS]	  = 0xC0000005u, /* ACCESS_VIOLATION */
		[VIRTIO_RDMA_WC_REMOTE_REQUEST]	  = 0xC000003Eu, /* DATA_ERROR */
		[VIRTIO_RDMA_WC_REMOTE_OPERATION] = 0xC000003Eu, /* DATA_ERROR */
		[VIRTIO_RDMA_WC_TIMED_OUT]	  = 0xC00000B5u, /* IO_TIMEOUT */
		[VIRTIO_RDMA_WC_ABORTED]	  = 0xC0000240u, /* REQUEST_ABORTED */
		[VIRTIO_RDMA_WC_INTERNAL]	  = 0xC00000E5u, /* INTERNAL_ERROR */
	};

	return (int32_t)(wc < VIRTIO_RDMA_WC_COUNT ?
				 nt[wc] : nt[VIRTIO_RDMA_WC_INTERNAL]);
}

#endif /* VRDMA_STATUS_H */
