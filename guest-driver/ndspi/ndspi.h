/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-or-later */
/*
 * ndspi.h - the interfaces of NetworkDirect version 2, user mode
 *
 * DOC: Interfaces as C tables in their documented order: a call is
 * p->lpVtbl->Method(p, ...).  Reference counts and QueryInterface follow COM;
 * there is no COM run time behind them.  A child holds its parent, so releases
 * may come in any order.
 *
 * Overlapped requests: ND_PENDING means that the request was started and that
 * the handle of the object's overlapped file becomes readable when something
 * ended; GetOverlappedResult of any object of the same adapter then tells what.
 * The handle stays readable while an ended request has not been asked for.  An
 * error at once brings no notification.  This library never answers an
 * overlapped call with success at once.
 *
 * Any method may be called from any thread.
 */
#ifndef NDSPI_H
#define NDSPI_H

#include "nd_win.h"
#include "nddef.h"
#include "ndstatus.h"

extern const IID IID_IND2Provider;
extern const IID IID_IND2Adapter;
extern const IID IID_IND2Overlapped;
extern const IID IID_IND2CompletionQueue;
extern const IID IID_IND2SharedReceiveQueue;
extern const IID IID_IND2MemoryWindow;
extern const IID IID_IND2MemoryRegion;
extern const IID IID_IND2QueuePair;
extern const IID IID_IND2Connector;
extern const IID IID_IND2Listener;

#define ND_CALL STDMETHODCALLTYPE

/* the first three slots of every table */
#define ND_UNKNOWN_METHODS(T)                                                  \
	HRESULT(ND_CALL *QueryInterface)(T * self, REFIID iid, VOID **out);    \
	ULONG(ND_CALL *AddRef)(T * self);                                      \
	ULONG(ND_CALL *Release)(T * self)

/* ... and the next two of everything that has overlapped requests */
#define ND_OVERLAPPED_METHODS(T)                                               \
	ND_UNKNOWN_METHODS(T);                                                 \
	HRESULT(ND_CALL *CancelOverlappedRequests)(T * self);                  \
	HRESULT(ND_CALL *GetOverlappedResult)                                  \
	(T * self, OVERLAPPED * ov, BOOL wait)

#define ND_INTERFACE(T)                                                        \
	struct T {                                                             \
		const struct T##Vtbl *lpVtbl;                                  \
	}

typedef struct IND2Provider IND2Provider;
typedef struct IND2Adapter IND2Adapter;
typedef struct IND2Overlapped IND2Overlapped;
typedef struct IND2CompletionQueue IND2CompletionQueue;
typedef struct IND2SharedReceiveQueue IND2SharedReceiveQueue;
typedef struct IND2MemoryWindow IND2MemoryWindow;
typedef struct IND2MemoryRegion IND2MemoryRegion;
typedef struct IND2QueuePair IND2QueuePair;
typedef struct IND2Connector IND2Connector;
typedef struct IND2Listener IND2Listener;

typedef struct IND2ProviderVtbl {
	ND_UNKNOWN_METHODS(IND2Provider);
	HRESULT(ND_CALL *QueryAddressList)
	(IND2Provider *self, SOCKET_ADDRESS_LIST *list, ULONG *cb);
	HRESULT(ND_CALL *ResolveAddress)
	(IND2Provider *self, const struct sockaddr *addr, ULONG cb,
	 UINT64 *adapter_id);
	HRESULT(ND_CALL *OpenAdapter)
	(IND2Provider *self, REFIID iid, UINT64 adapter_id, VOID **adapter);
} IND2ProviderVtbl;
ND_INTERFACE(IND2Provider);

typedef struct IND2AdapterVtbl {
	ND_UNKNOWN_METHODS(IND2Adapter);
	HRESULT(ND_CALL *CreateOverlappedFile)
	(IND2Adapter *self, HANDLE *file);
	HRESULT(ND_CALL *Query)
	(IND2Adapter *self, ND2_ADAPTER_INFO *info, ULONG *cb);
	HRESULT(ND_CALL *QueryAddressList)
	(IND2Adapter *self, SOCKET_ADDRESS_LIST *list, ULONG *cb);
	HRESULT(ND_CALL *CreateCompletionQueue)
	(IND2Adapter *self, REFIID iid, HANDLE file, ULONG depth, USHORT group,
	 KAFFINITY affinity, VOID **cq);
	HRESULT(ND_CALL *CreateMemoryRegion)
	(IND2Adapter *self, REFIID iid, HANDLE file, VOID **mr);
	HRESULT(ND_CALL *CreateMemoryWindow)
	(IND2Adapter *self, REFIID iid, VOID **mw);
	HRESULT(ND_CALL *CreateSharedReceiveQueue)
	(IND2Adapter *self, REFIID iid, HANDLE file, ULONG depth, ULONG max_sge,
	 ULONG threshold, USHORT group, KAFFINITY affinity, VOID **srq);
	HRESULT(ND_CALL *CreateQueuePair)
	(IND2Adapter *self, REFIID iid, IUnknown *receive_cq,
	 IUnknown *initiator_cq, VOID *context, ULONG receive_depth,
	 ULONG initiator_depth, ULONG max_receive_sge, ULONG max_initiator_sge,
	 ULONG inline_size, VOID **qp);
	HRESULT(ND_CALL *CreateQueuePairWithSrq)
	(IND2Adapter *self, REFIID iid, IUnknown *receive_cq,
	 IUnknown *initiator_cq, IUnknown *srq, VOID *context,
	 ULONG initiator_depth, ULONG max_initiator_sge, ULONG inline_size,
	 VOID **qp);
	HRESULT(ND_CALL *CreateConnector)
	(IND2Adapter *self, REFIID iid, HANDLE file, VOID **connector);
	HRESULT(ND_CALL *CreateListener)
	(IND2Adapter *self, REFIID iid, HANDLE file, VOID **listener);
} IND2AdapterVtbl;
ND_INTERFACE(IND2Adapter);

typedef struct IND2OverlappedVtbl {
	ND_OVERLAPPED_METHODS(IND2Overlapped);
} IND2OverlappedVtbl;
ND_INTERFACE(IND2Overlapped);

typedef struct IND2CompletionQueueVtbl {
	ND_OVERLAPPED_METHODS(IND2CompletionQueue);
	HRESULT(ND_CALL *GetNotifyAffinity)
	(IND2CompletionQueue *self, USHORT *group, KAFFINITY *affinity);
	/* depth: entries.  When it returns, the queue has it; completions are where
	 * they were, and a Notify that pends goes along.  Any thread may poll
	 * meanwhile.  ND_INVALID_PARAMETER: 0, above MaxCompletionQueueDepth;
	 * ND_BUFFER_OVERFLOW: fewer than are queued; ND_INSUFFICIENT_RESOURCES;
	 * ND_NOT_SUPPORTED without CQ_RESIZE_SUPPORTED; ND_DEVICE_REMOVED */
	HRESULT(ND_CALL *Resize)(IND2CompletionQueue *self, ULONG depth);
	HRESULT(ND_CALL *Notify)
	(IND2CompletionQueue *self, ULONG type, OVERLAPPED *ov);
	ULONG(ND_CALL *GetResults)
	(IND2CompletionQueue *self, ND2_RESULT results[], ULONG n);
} IND2CompletionQueueVtbl;
ND_INTERFACE(IND2CompletionQueue);

typedef struct IND2SharedReceiveQueueVtbl {
	ND_OVERLAPPED_METHODS(IND2SharedReceiveQueue);
	HRESULT(ND_CALL *GetNotifyAffinity)
	(IND2SharedReceiveQueue *self, USHORT *group, KAFFINITY *affinity);
	HRESULT(ND_CALL *Modify)
	(IND2SharedReceiveQueue *self, ULONG depth, ULONG threshold);
	HRESULT(ND_CALL *Notify)(IND2SharedReceiveQueue *self, OVERLAPPED *ov);
	HRESULT(ND_CALL *Receive)
	(IND2SharedReceiveQueue *self, VOID *context, const ND2_SGE sge[],
	 ULONG num_sge);
} IND2SharedReceiveQueueVtbl;
ND_INTERFACE(IND2SharedReceiveQueue);

typedef struct IND2MemoryWindowVtbl {
	ND_UNKNOWN_METHODS(IND2MemoryWindow);
	UINT32(ND_CALL *GetRemoteToken)(IND2MemoryWindow *self);
} IND2MemoryWindowVtbl;
ND_INTERFACE(IND2MemoryWindow);

typedef struct IND2MemoryRegionVtbl {
	ND_OVERLAPPED_METHODS(IND2MemoryRegion);
	HRESULT(ND_CALL *Register)
	(IND2MemoryRegion *self, const VOID *buffer, SIZE_T cb, ULONG flags,
	 OVERLAPPED *ov);
	HRESULT(ND_CALL *Deregister)(IND2MemoryRegion *self, OVERLAPPED *ov);
	UINT32(ND_CALL *GetLocalToken)(IND2MemoryRegion *self);
	UINT32(ND_CALL *GetRemoteToken)(IND2MemoryRegion *self);
} IND2MemoryRegionVtbl;
ND_INTERFACE(IND2MemoryRegion);

typedef struct IND2QueuePairVtbl {
	ND_UNKNOWN_METHODS(IND2QueuePair);
	HRESULT(ND_CALL *Flush)(IND2QueuePair *self);
	HRESULT(ND_CALL *Send)
	(IND2QueuePair *self, VOID *context, const ND2_SGE sge[], ULONG num_sge,
	 ULONG flags);
	HRESULT(ND_CALL *Receive)
	(IND2QueuePair *self, VOID *context, const ND2_SGE sge[],
	 ULONG num_sge);
	HRESULT(ND_CALL *Bind)
	(IND2QueuePair *self, VOID *context, IUnknown *mr, IUnknown *mw,
	 const VOID *buffer, SIZE_T cb, ULONG flags);
	HRESULT(ND_CALL *Invalidate)
	(IND2QueuePair *self, VOID *context, IUnknown *mw, ULONG flags);
	HRESULT(ND_CALL *Read)
	(IND2QueuePair *self, VOID *context, const ND2_SGE sge[], ULONG num_sge,
	 UINT64 remote_address, UINT32 remote_token, ULONG flags);
	HRESULT(ND_CALL *Write)
	(IND2QueuePair *self, VOID *context, const ND2_SGE sge[], ULONG num_sge,
	 UINT64 remote_address, UINT32 remote_token, ULONG flags);
} IND2QueuePairVtbl;
ND_INTERFACE(IND2QueuePair);

typedef struct IND2ConnectorVtbl {
	ND_OVERLAPPED_METHODS(IND2Connector);
	HRESULT(ND_CALL *Bind)
	(IND2Connector *self, const struct sockaddr *addr, ULONG cb);
	HRESULT(ND_CALL *Connect)
	(IND2Connector *self, IUnknown *qp, const struct sockaddr *dest,
	 ULONG cb_dest, ULONG inbound_reads, ULONG outbound_reads,
	 const VOID *private_data, ULONG cb_private, OVERLAPPED *ov);
	HRESULT(ND_CALL *CompleteConnect)(IND2Connector *self, OVERLAPPED *ov);
	HRESULT(ND_CALL *Accept)
	(IND2Connector *self, IUnknown *qp, ULONG inbound_reads,
	 ULONG outbound_reads, const VOID *private_data, ULONG cb_private,
	 OVERLAPPED *ov);
	HRESULT(ND_CALL *Reject)
	(IND2Connector *self, const VOID *private_data, ULONG cb_private);
	HRESULT(ND_CALL *GetReadLimits)
	(IND2Connector *self, ULONG *inbound, ULONG *outbound);
	HRESULT(ND_CALL *GetPrivateData)
	(IND2Connector *self, VOID *private_data, ULONG *cb);
	HRESULT(ND_CALL *GetLocalAddress)
	(IND2Connector *self, struct sockaddr *addr, ULONG *cb);
	HRESULT(ND_CALL *GetPeerAddress)
	(IND2Connector *self, struct sockaddr *addr, ULONG *cb);
	HRESULT(ND_CALL *NotifyDisconnect)(IND2Connector *self, OVERLAPPED *ov);
	HRESULT(ND_CALL *Disconnect)(IND2Connector *self, OVERLAPPED *ov);
} IND2ConnectorVtbl;
ND_INTERFACE(IND2Connector);

typedef struct IND2ListenerVtbl {
	ND_OVERLAPPED_METHODS(IND2Listener);
	HRESULT(ND_CALL *Bind)
	(IND2Listener *self, const struct sockaddr *addr, ULONG cb);
	HRESULT(ND_CALL *Listen)(IND2Listener *self, ULONG backlog);
	HRESULT(ND_CALL *GetLocalAddress)
	(IND2Listener *self, struct sockaddr *addr, ULONG *cb);
	HRESULT(ND_CALL *GetConnectionRequest)
	(IND2Listener *self, IUnknown *connector, OVERLAPPED *ov);
} IND2ListenerVtbl;
ND_INTERFACE(IND2Listener);

/*
 * Ways in.  Both IID_IND2Provider and IID_IClassFactory are answered, whatever
 * the class id.  DllCanUnloadNow: S_FALSE while any object is alive.
 */
HRESULT DllGetClassObject(REFCLSID clsid, REFIID iid, VOID **out);
HRESULT DllCanUnloadNow(VOID);

#endif /* NDSPI_H */
