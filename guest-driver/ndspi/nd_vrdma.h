/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-or-later */
/*
 * nd_vrdma.h - three interfaces of our own, reached by QueryInterface
 *
 * NetworkDirect has no place for the device's limits on objects, nor for why
 * a connection ended, and in its user mode no send with invalidate.  Programs
 * that only know NetworkDirect never see these.
 */
#ifndef ND_VRDMA_H
#define ND_VRDMA_H

#include "ndspi.h"
#include "virtio_rdma.h"

/* AdapterId of /dev/vrdmaN */
#define ND_VRDMA_ADAPTER_ID(n) (0x7672646d00000000ull + 1 + (n))

extern const IID IID_IVrdmaAdapter;
extern const IID IID_IVrdmaConnector;
extern const IID IID_IVrdmaQueuePair;

typedef struct IVrdmaAdapter IVrdmaAdapter;
typedef struct IVrdmaAdapterVtbl {
	ND_UNKNOWN_METHODS(IVrdmaAdapter);
	/* the device's configuration space, little-endian as it stands there */
	HRESULT(ND_CALL *GetConfig)
	(IVrdmaAdapter *self, struct virtio_rdma_config *config);
	/* N of /dev/vrdmaN */
	ULONG(ND_CALL *GetDeviceNumber)(IVrdmaAdapter *self);
} IVrdmaAdapterVtbl;
ND_INTERFACE(IVrdmaAdapter);

typedef struct IVrdmaConnector IVrdmaConnector;
typedef struct IVrdmaConnectorVtbl {
	ND_UNKNOWN_METHODS(IVrdmaConnector);
	/* enum virtio_rdma_reason, VIRTIO_RDMA_R_NONE before the indication */
	HRESULT(ND_CALL *GetDisconnectReason)
	(IVrdmaConnector *self, ULONG *reason);
} IVrdmaConnectorVtbl;
ND_INTERFACE(IVrdmaConnector);

typedef struct IVrdmaQueuePair IVrdmaQueuePair;
typedef struct IVrdmaQueuePairVtbl {
	ND_UNKNOWN_METHODS(IVrdmaQueuePair);
	/*
	 * IND2QueuePair::Send, which ends the use of a window of the peer's, too:
	 * its statuses and flags; completes as Nd2RequestTypeSend.  ND_NOT_SUPPORTED
	 * where the device has no such request.  The peer's Receive completes as
	 * any other; a token that is no window of this connection fails both with
	 * ND_ACCESS_VIOLATION.
	 */
	HRESULT(ND_CALL *SendAndInvalidate)
	(IVrdmaQueuePair *self, VOID *context, const ND2_SGE sge[],
	 ULONG num_sge, ULONG flags, UINT32 remote_token);
} IVrdmaQueuePairVtbl;
ND_INTERFACE(IVrdmaQueuePair);

#endif /* ND_VRDMA_H */
