/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-or-later */
/*
 * ndk.h - NDKPI 2.1: types, constants, functions, dispatch tables
 *
 * DOC: The kernel-mode NetworkDirect interface, written from its public
 * documentation, with NT's names so that a reader of that documentation finds
 * everything.  The order of fields and of dispatch slots is the binary
 * interface.
 *
 * Every function: may be called at <= DISPATCH_LEVEL, except
 * NdkQueryAdapterInfo and adapter open and close (PASSIVE_LEVEL).  Callbacks
 * run at <= DISPATCH_LEVEL with no lock of the provider held.
 *
 * Asynchronous functions return STATUS_PENDING and call the completion later
 * (maybe before they return), or return the final status and never call it.
 * A creation stores the object through its out pointer only with
 * STATUS_SUCCESS; with STATUS_PENDING it comes through the completion.
 */
#ifndef VRDMA_NDK_H
#define VRDMA_NDK_H

#include "nd_sockaddr.h"
#include "nd_status.h"

#ifdef __KERNEL__
#include <linux/stddef.h>
#include <linux/types.h>
#else
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#endif

/* --- NT's scalar types -------------------------------------------------- */
#ifndef _WIN32
typedef void VOID;
typedef void *PVOID;
typedef uint8_t BOOLEAN;
typedef uint16_t USHORT;
typedef uint32_t ULONG;
typedef uint32_t UINT32;
typedef uint64_t UINT64;
typedef uintptr_t ULONG_PTR;
typedef uintptr_t SIZE_T;
#ifndef TRUE
#define TRUE	1
#define FALSE	0
#endif
#define MAXULONG	0xffffffffu

typedef struct nd_guid {
	uint32_t Data1;
	uint16_t Data2;
	uint16_t Data3;
	uint8_t Data4[8];
} GUID;

typedef union {
	int64_t QuadPart;
} PHYSICAL_ADDRESS;

typedef struct {
	ULONG_PTR Mask;
	USHORT Group;
	USHORT Reserved[3];
} GROUP_AFFINITY;

/*
 * A locked buffer.  va is its address as work requests will name it (an
 * index, never dereferenced), pages the bus addresses of the 4 KiB pages it
 * touches: (va % 4096 + length + 4095) / 4096 of them.  A chain is one
 * buffer: all but the last piece end, all but the first begin on a page.
 */
struct vrdma_mdl {
	struct vrdma_mdl *next;
	uint64_t va;
	uint64_t length;		/* bytes */
	const uint64_t *pages;
};
typedef struct vrdma_mdl MDL;

static inline MDL *vrdma_mdl_next(const MDL *m) { return m->next; }
static inline void vrdma_mdl_link(MDL *m, MDL *next) { m->next = next; }
static inline uint64_t vrdma_mdl_va(const MDL *m) { return m->va; }
static inline uint64_t vrdma_mdl_length(const MDL *m) { return m->length; }
static inline uint64_t vrdma_mdl_page(const MDL *m, uint64_t i)
{
	return m->pages[i];
}
#else
#include "ndk_windows.h"	/* of the Windows shell: types, MDL accessors */
#endif

/* --- constants ------------------------------------------------------------ */

typedef enum {
	NdkObjectTypeUndefined		= 0,
	NdkObjectTypeAdapter		= 1,
	NdkObjectTypeQp			= 2,
	NdkObjectTypeCq			= 3,
	NdkObjectTypeMr			= 4,
	NdkObjectTypeMw			= 5,
	NdkObjectTypePd			= 6,
	NdkObjectTypeSharedEndpoint	= 7,
	NdkObjectTypeConnector		= 8,
	NdkObjectTypeListener		= 9,
	NdkObjectTypeSrq		= 10,
	NdkObjectTypeMax		= 11,
} NDK_OBJECT_TYPE;

typedef enum {
	NdkOperationTypeReceive			= 1,
	NdkOperationTypeReceiveAndInvalidate	= 0x8001,
	NdkOperationTypeSend			= 2,
	NdkOperationTypeFastRegister		= 4,
	NdkOperationTypeBind			= 8,
	NdkOperationTypeInvalidate		= 16,
	NdkOperationTypeRead			= 32,
	NdkOperationTypeWrite			= 64,
} NDK_OPERATION_TYPE;

#define NDK_CQ_NOTIFY_ERRORS			0
#define NDK_CQ_NOTIFY_ANY			1
#define NDK_CQ_NOTIFY_SOLICITED			2

#define NDK_MR_FLAG_ALLOW_LOCAL_READ		0x0
#define NDK_MR_FLAG_ALLOW_LOCAL_WRITE		0x1
#define NDK_MR_FLAG_ALLOW_REMOTE_READ		0x2
#define NDK_MR_FLAG_ALLOW_REMOTE_WRITE		0x5
#define NDK_MR_FLAG_RDMA_READ_SINK		0x8

#define NDK_OP_FLAG_SILENT_SUCCESS		0x001
#define NDK_OP_FLAG_READ_FENCE			0x002
#define NDK_OP_FLAG_SEND_AND_SOLICIT_EVENT	0x004
#define NDK_OP_FLAG_ALLOW_REMOTE_READ		0x008
#define NDK_OP_FLAG_ALLOW_LOCAL_WRITE		0x010
#define NDK_OP_FLAG_ALLOW_REMOTE_WRITE		0x030
#define NDK_OP_FLAG_INLINE			0x040
#define NDK_OP_FLAG_RDMA_READ_SINK		0x080
#define NDK_OP_FLAG_RDMA_READ_LOCAL_INVALIDATE	0x100
#define NDK_OP_FLAG_DEFER			0x200

#define NDK_ADAPTER_FLAG_IN_ORDER_DMA_SUPPORTED			0x1
#define NDK_ADAPTER_FLAG_RDMA_READ_SINK_NOT_REQUIRED		0x2
#define NDK_ADAPTER_FLAG_CQ_INTERRUPT_MODERATION_SUPPORTED	0x4
#define NDK_ADAPTER_FLAG_MULTI_ENGINE_SUPPORTED			0x8
#define NDK_ADAPTER_FLAG_RDMA_READ_LOCAL_INVALIDATE_SUPPORTED	0x10
#define NDK_ADAPTER_FLAG_CQ_RESIZE_SUPPORTED			0x100
#define NDK_ADAPTER_FLAG_LOOPBACK_CONNECTIONS_SUPPORTED		0x10000

typedef enum {
	NdkUndefined	= 0,
	NdkiWarp	= 1,
	NdkInfiniBand	= 2,
	NdkRoCE		= 3,
	NdkRoCEv2	= 4,
	NdkMaxTechnology = 5,
} NDK_RDMA_TECHNOLOGY;

/* --- structures ----------------------------------------------------------- */

typedef struct {
	USHORT Major;
	USHORT Minor;
} NDK_VERSION;

typedef struct {
	PVOID rf[4];		/* the OS layer's; zero at creation */
} NDK_OBJECT_HEADER_RESERVED_BLOCK;

typedef struct {
	NDK_VERSION Version;	/* the provider's */
	NDK_OBJECT_TYPE ObjectType;
	NDK_OBJECT_HEADER_RESERVED_BLOCK NdkReserved;
} NDK_OBJECT_HEADER;

typedef struct {
	NTSTATUS Status;
	ULONG BytesTransferred;	/* receives only */
	PVOID QPContext;
	PVOID RequestContext;
} NDK_RESULT;

typedef struct {
	NTSTATUS Status;
	ULONG BytesTransferred;	/* receives only */
	PVOID QPContext;
	PVOID RequestContext;
	NDK_OPERATION_TYPE Type;
	ULONG ProviderErrorCode;	/* 0, or enum virtio_rdma_wc_status */
	ULONG_PTR TypeSpecificCompletionOutput;	/* token of ReceiveAndInvalidate */
} NDK_RESULT_EX;

typedef PHYSICAL_ADDRESS NDK_LOGICAL_ADDRESS;

typedef struct {
	union {
		PVOID VirtualAddress;
		NDK_LOGICAL_ADDRESS LogicalAddress;	/* privileged token */
	};
	ULONG Length;
	UINT32 MemoryRegionToken;
} NDK_SGE;

typedef struct {
	PVOID AdapterContext;
	ULONG AdapterPageCount;
	NDK_LOGICAL_ADDRESS AdapterPageArray[1];
} NDK_LOGICAL_ADDRESS_MAPPING;

typedef struct {
	const VOID *Dispatch;
} NDK_EXTENSION_INTERFACE;

typedef struct {
	NDK_VERSION Version;
	UINT32 VendorId;
	UINT32 DeviceId;
	SIZE_T MaxRegistrationSize;
	SIZE_T MaxWindowSize;
	ULONG FRMRPageCount;
	ULONG MaxInitiatorRequestSge;
	ULONG MaxReceiveRequestSge;
	ULONG MaxReadRequestSge;
	ULONG MaxTransferLength;
	ULONG MaxInlineDataSize;
	ULONG MaxInboundReadLimit;
	ULONG MaxOutboundReadLimit;
	ULONG MaxReceiveQueueDepth;
	ULONG MaxInitiatorQueueDepth;
	ULONG MaxSrqDepth;
	ULONG MaxCqDepth;
	ULONG LargeRequestThreshold;
	ULONG MaxCallerData;
	ULONG MaxCalleeData;
	ULONG AdapterFlags;
	NDK_RDMA_TECHNOLOGY RdmaTechnology;
} NDK_ADAPTER_INFO;

#if UINTPTR_MAX > 0xffffffffu || defined(_WIN64) || defined(CONFIG_64BIT)
_Static_assert(sizeof(NDK_OBJECT_HEADER) == 40, "NDK_OBJECT_HEADER");
_Static_assert(sizeof(NDK_RESULT) == 24, "NDK_RESULT");
_Static_assert(sizeof(NDK_RESULT_EX) == 40, "NDK_RESULT_EX");
_Static_assert(sizeof(NDK_ADAPTER_INFO) == 104, "NDK_ADAPTER_INFO");
_Static_assert(offsetof(NDK_ADAPTER_INFO, RdmaTechnology) == 96, "info");
#endif
_Static_assert(sizeof(NDK_SGE) == 16, "NDK_SGE");

/* --- objects ---------------------------------------------------------------
 * A provider's object begins with this; its own data follow.  The consumer, or
 * the OS layer, may replace Dispatch: the provider sets it once. */
#define NDK_OBJECT(NAME)						\
	typedef struct _NDK_##NAME##_DISPATCH NDK_##NAME##_DISPATCH;	\
	typedef struct _NDK_##NAME {					\
		NDK_OBJECT_HEADER Header;				\
		const NDK_##NAME##_DISPATCH *Dispatch;			\
	} NDK_##NAME

NDK_OBJECT(ADAPTER);
NDK_OBJECT(CQ);
NDK_OBJECT(PD);
NDK_OBJECT(MR);
NDK_OBJECT(MW);
NDK_OBJECT(SRQ);
NDK_OBJECT(QP);
NDK_OBJECT(SHARED_ENDPOINT);
NDK_OBJECT(CONNECTOR);
NDK_OBJECT(LISTENER);

/* --- callbacks ------------------------------------------------------------ */

typedef VOID NDK_FN_CREATE_COMPLETION(PVOID Context, NTSTATUS Status,
				      NDK_OBJECT_HEADER *pNdkObject);
typedef VOID NDK_FN_REQUEST_COMPLETION(PVOID Context, NTSTATUS Status);
/* the object's last callback */
typedef VOID NDK_FN_CLOSE_COMPLETION(PVOID Context);
/* once per arm; SUCCESS, BUFFER_OVERFLOW (overrun) or INTERNAL_ERROR (fatal) */
typedef VOID NDK_FN_CQ_NOTIFICATION_CALLBACK(PVOID CqNotificationContext,
					     NTSTATUS CqStatus);
typedef VOID NDK_FN_SRQ_NOTIFICATION_CALLBACK(PVOID SrqNotificationContext,
					      NTSTATUS SrqStatus);
/* the connector is the consumer's from here on: accept, reject or close it */
typedef VOID NDK_FN_CONNECT_EVENT_CALLBACK(PVOID ConnectEventContext,
					   NDK_CONNECTOR *pNdkConnector);
typedef VOID NDK_FN_DISCONNECT_EVENT_CALLBACK(PVOID DisconnectEventContext);
/* reason: enum virtio_rdma_reason */
typedef VOID NDK_FN_DISCONNECT_EVENT_CALLBACK_EX(PVOID DisconnectEventContext,
						 ULONG ProviderDisconnectReason);

/* --- functions common to all objects ---------------------------------------- */

/* never fails: SUCCESS or PENDING; CloseCompletion must not be NULL */
typedef NTSTATUS NDK_FN_CLOSE_OBJECT(NDK_OBJECT_HEADER *pNdkObject,
				     NDK_FN_CLOSE_COMPLETION *CloseCompletion,
				     PVOID RequestContext);
typedef NTSTATUS NDK_FN_QUERY_EXTENSION_INTERFACE(
	NDK_OBJECT_HEADER *pNdkObject, const GUID *ExtensionInterfaceID,
	NDK_VERSION ExtensionInterfaceVersion,
	NDK_EXTENSION_INTERFACE *pExtensionInterface);

/* --- adapter ----------------------------------------------------------------- */

typedef NTSTATUS NDK_FN_QUERY_ADAPTER_INFO(NDK_ADAPTER *pNdkAdapter,
					   NDK_ADAPTER_INFO *pInfo,
					   ULONG *pBufferSize);
typedef NTSTATUS NDK_FN_CREATE_CQ(
	NDK_ADAPTER *pNdkAdapter, ULONG CqDepth,
	NDK_FN_CQ_NOTIFICATION_CALLBACK *CqNotification,
	PVOID CqNotificationContext, GROUP_AFFINITY *Affinity,
	NDK_FN_CREATE_COMPLETION *CreateCompletion, PVOID RequestContext,
	NDK_CQ **ppNdkCq);
typedef NTSTATUS NDK_FN_CREATE_PD(NDK_ADAPTER *pNdkAdapter,
				  NDK_FN_CREATE_COMPLETION *CreateCompletion,
				  PVOID RequestContext, NDK_PD **ppNdkPd);
typedef NTSTATUS NDK_FN_CREATE_SHARED_ENDPOINT(
	NDK_ADAPTER *pNdkAdapter, const SOCKADDR *pAddress,
	ULONG AddressLength, NDK_FN_CREATE_COMPLETION *CreateCompletion,
	PVOID RequestContext, NDK_SHARED_ENDPOINT **ppNdkSharedEndpoint);
typedef NTSTATUS NDK_FN_CREATE_CONNECTOR(
	NDK_ADAPTER *pNdkAdapter, NDK_FN_CREATE_COMPLETION *CreateCompletion,
	PVOID RequestContext, NDK_CONNECTOR **ppNdkConnector);
typedef NTSTATUS NDK_FN_CREATE_LISTENER(
	NDK_ADAPTER *pNdkAdapter, NDK_FN_CONNECT_EVENT_CALLBACK *ConnectEvent,
	PVOID ConnectEventContext, NDK_FN_CREATE_COMPLETION *CreateCompletion,
	PVOID RequestContext, NDK_LISTENER **ppNdkListener);
typedef NTSTATUS NDK_FN_BUILD_LAM(
	NDK_ADAPTER *pNdkAdapter, MDL *Mdl, SIZE_T Length,
	NDK_FN_REQUEST_COMPLETION *RequestCompletion, PVOID RequestContext,
	NDK_LOGICAL_ADDRESS_MAPPING *pNdkLAM, ULONG *pLAMSize, ULONG *pFBO);
typedef VOID NDK_FN_RELEASE_LAM(NDK_ADAPTER *pNdkAdapter,
				NDK_LOGICAL_ADDRESS_MAPPING *pNdkLAM);

struct _NDK_ADAPTER_DISPATCH {
	NDK_FN_QUERY_EXTENSION_INTERFACE *NdkQueryExtension;
	NDK_FN_QUERY_ADAPTER_INFO *NdkQueryAdapterInfo;
	NDK_FN_CREATE_CQ *NdkCreateCq;
	NDK_FN_CREATE_PD *NdkCreatePd;
	NDK_FN_CREATE_SHARED_ENDPOINT *NdkCreateSharedEndpoint;
	NDK_FN_CREATE_CONNECTOR *NdkCreateConnector;
	NDK_FN_CREATE_LISTENER *NdkCreateListener;
	NDK_FN_BUILD_LAM *NdkBuildLAM;
	NDK_FN_RELEASE_LAM *NdkReleaseLAM;
};

/* --- completion queue ---------------------------------------------------------
 * GetCqResults, GetCqResultsEx, ArmCq: the consumer serializes them per CQ */

/* CqDepth: entries, rounded up to a power of two; it may be less than is queued,
 * and nothing of that is lost.  INVALID_PARAMETER: 0, above MaxCqDepth;
 * INSUFFICIENT_RESOURCES: no memory, or another NdkResizeCq is under way;
 * INVALID_DEVICE_STATE: the queue is dead; NOT_SUPPORTED without CQ_RESIZE_SUPPORTED.
 * Polling and arming may go on meanwhile. */
typedef NTSTATUS NDK_FN_RESIZE_CQ(NDK_CQ *pNdkCq, ULONG CqDepth,
				  NDK_FN_REQUEST_COMPLETION *RequestCompletion,
				  PVOID RequestContext);
typedef VOID NDK_FN_ARM_CQ(NDK_CQ *pNdkCq, ULONG TriggerType);
typedef ULONG NDK_FN_GET_CQ_RESULTS(NDK_CQ *pNdkCq, NDK_RESULT Results[],
				    ULONG nResults);
/* Never PENDING.  ModerationInterval: microseconds, of which the device counts a
 * million at most; 0, or a count of 0 or 1: none.  The callback comes when so many
 * completions are there or the interval is over; at once when one has failed.  The
 * latest call counts, for the next arm that is met.  INVALID_PARAMETER_MIX: both
 * without end, the count also if it is above the depth; NOT_SUPPORTED without
 * CQ_INTERRUPT_MODERATION_SUPPORTED. */
typedef NTSTATUS NDK_FN_CONTROL_CQ_INTERRUPT_MODERATION(
	NDK_CQ *pNdkCq, ULONG ModerationInterval, ULONG ModerationCount);
typedef ULONG NDK_FN_GET_CQ_RESULTS_EX(NDK_CQ *pNdkCq, NDK_RESULT_EX Results[],
				       ULONG nResults);

struct _NDK_CQ_DISPATCH {
	NDK_FN_CLOSE_OBJECT *NdkCloseCq;
	NDK_FN_QUERY_EXTENSION_INTERFACE *NdkQueryExtension;
	NDK_FN_RESIZE_CQ *NdkResizeCq;
	NDK_FN_ARM_CQ *NdkArmCq;
	NDK_FN_GET_CQ_RESULTS *NdkGetCqResults;
	NDK_FN_CONTROL_CQ_INTERRUPT_MODERATION *NdkControlCqInterruptModeration;
	NDK_FN_GET_CQ_RESULTS_EX *NdkGetCqResultsEx;
};

/* --- protection domain -------------------------------------------------------- */

typedef NTSTATUS NDK_FN_CREATE_MR(NDK_PD *pNdkPd, BOOLEAN FastRegister,
				  NDK_FN_CREATE_COMPLETION *CreateCompletion,
				  PVOID RequestContext, NDK_MR **ppNdkMr);
typedef NTSTATUS NDK_FN_CREATE_MW(NDK_PD *pNdkPd,
				  NDK_FN_CREATE_COMPLETION *CreateCompletion,
				  PVOID RequestContext, NDK_MW **ppNdkMw);
typedef NTSTATUS NDK_FN_CREATE_SRQ(
	NDK_PD *pNdkPd, ULONG SrqDepth, ULONG MaxReceiveRequestSge,
	ULONG NotifyThreshold,
	NDK_FN_SRQ_NOTIFICATION_CALLBACK *SrqNotification,
	PVOID SrqNotificationContext, GROUP_AFFINITY *Affinity,
	NDK_FN_CREATE_COMPLETION *CreateCompletion, PVOID RequestContext,
	NDK_SRQ **ppNdkSrq);
typedef NTSTATUS NDK_FN_CREATE_QP(
	NDK_PD *pNdkPd, NDK_CQ *pReceiveCq, NDK_CQ *pInitiatorCq,
	PVOID QPContext, ULONG ReceiveQueueDepth, ULONG InitiatorQueueDepth,
	ULONG MaxReceiveRequestSge, ULONG MaxInitiatorRequestSge,
	ULONG InlineDataSize, NDK_FN_CREATE_COMPLETION *CreateCompletion,
	PVOID RequestContext, NDK_QP **ppNdkQp);
typedef NTSTATUS NDK_FN_CREATE_QP_WITH_SRQ(
	NDK_PD *pNdkPd, NDK_CQ *pReceiveCq, NDK_CQ *pInitiatorCq,
	NDK_SRQ *pSrq, PVOID QPContext, ULONG InitiatorQueueDepth,
	ULONG MaxInitiatorRequestSge, ULONG InlineDataSize,
	NDK_FN_CREATE_COMPLETION *CreateCompletion, PVOID RequestContext,
	NDK_QP **ppNdkQp);
typedef VOID NDK_FN_GET_PRIVILEGED_MEMORY_REGION_TOKEN(NDK_PD *pNdkPd,
						       UINT32 *pToken);

struct _NDK_PD_DISPATCH {
	NDK_FN_CLOSE_OBJECT *NdkClosePd;
	NDK_FN_QUERY_EXTENSION_INTERFACE *NdkQueryExtension;
	NDK_FN_CREATE_MR *NdkCreateMr;
	NDK_FN_CREATE_MW *NdkCreateMw;
	NDK_FN_CREATE_SRQ *NdkCreateSrq;
	NDK_FN_CREATE_QP *NdkCreateQp;
	NDK_FN_CREATE_QP_WITH_SRQ *NdkCreateQpWithSrq;
	NDK_FN_GET_PRIVILEGED_MEMORY_REGION_TOKEN
		*NdkGetPrivilegedMemoryRegionToken;
};

/* --- memory regions and windows -------------------------------------------------
 * The consumer leaves the MDL and its memory alone until deregistered */

typedef NTSTATUS NDK_FN_REGISTER_MR(
	NDK_MR *pNdkMr, MDL *Mdl, SIZE_T Length, ULONG Flags,
	NDK_FN_REQUEST_COMPLETION *RequestCompletion, PVOID RequestContext);
typedef NTSTATUS NDK_FN_DEREGISTER_MR(
	NDK_MR *pNdkMr, NDK_FN_REQUEST_COMPLETION *RequestCompletion,
	PVOID RequestContext);
typedef NTSTATUS NDK_FN_INITIALIZE_FAST_REGISTER_MR(
	NDK_MR *pNdkMr, ULONG AdapterPageCount, BOOLEAN RemoteAccess,
	NDK_FN_REQUEST_COMPLETION *RequestCompletion, PVOID RequestContext);
typedef UINT32 NDK_FN_GET_REMOTE_TOKEN_FROM_MR(NDK_MR *pNdkMr);
typedef UINT32 NDK_FN_GET_LOCAL_TOKEN_FROM_MR(NDK_MR *pNdkMr);
typedef UINT32 NDK_FN_GET_REMOTE_TOKEN_FROM_MW(NDK_MW *pNdkMw);

struct _NDK_MR_DISPATCH {
	NDK_FN_CLOSE_OBJECT *NdkCloseMr;
	NDK_FN_QUERY_EXTENSION_INTERFACE *NdkQueryExtension;
	NDK_FN_REGISTER_MR *NdkRegisterMr;
	NDK_FN_DEREGISTER_MR *NdkDeregisterMr;
	NDK_FN_INITIALIZE_FAST_REGISTER_MR *NdkInitializeFastRegisterMr;
	NDK_FN_GET_REMOTE_TOKEN_FROM_MR *NdkGetRemoteTokenFromMr;
	NDK_FN_GET_LOCAL_TOKEN_FROM_MR *NdkGetLocalTokenFromMr;
};

struct _NDK_MW_DISPATCH {
	NDK_FN_CLOSE_OBJECT *NdkCloseMw;
	NDK_FN_QUERY_EXTENSION_INTERFACE *NdkQueryExtension;
	NDK_FN_GET_REMOTE_TOKEN_FROM_MW *NdkGetRemoteTokenFromMw;
};

/* --- shared receive queue --------------------------------------------------------- */

typedef NTSTATUS NDK_FN_MODIFY_SRQ(NDK_SRQ *pNdkSrq, ULONG SrqDepth,
				   ULONG NotifyThreshold,
				   NDK_FN_REQUEST_COMPLETION *RequestCompletion,
				   PVOID RequestContext);
typedef NTSTATUS NDK_FN_SRQ_RECEIVE(NDK_SRQ *pNdkSrq, PVOID RequestContext,
				    const NDK_SGE *pSgl, ULONG nSge);

struct _NDK_SRQ_DISPATCH {
	NDK_FN_CLOSE_OBJECT *NdkCloseSrq;
	NDK_FN_QUERY_EXTENSION_INTERFACE *NdkQueryExtension;
	NDK_FN_MODIFY_SRQ *NdkModifySrq;
	NDK_FN_SRQ_RECEIVE *NdkSrqReceive;
};

/* --- queue pair -----------------------------------------------------------------
 * Posting: SUCCESS means exactly one completion later (silent success: at most
 * one), a failure means none.  One poster per queue; NdkFlush may race. */

typedef VOID NDK_FN_FLUSH(NDK_QP *pNdkQp);
typedef NTSTATUS NDK_FN_SEND(NDK_QP *pNdkQp, PVOID RequestContext,
			     const NDK_SGE *pSgl, ULONG nSge, ULONG Flags);
typedef NTSTATUS NDK_FN_RECEIVE(NDK_QP *pNdkQp, PVOID RequestContext,
				const NDK_SGE *pSgl, ULONG nSge);
typedef NTSTATUS NDK_FN_BIND(NDK_QP *pNdkQp, PVOID RequestContext,
			     NDK_MR *pMr, NDK_MW *pMw, PVOID VirtualAddress,
			     SIZE_T Length, ULONG Flags);
typedef NTSTATUS NDK_FN_FAST_REGISTER(
	NDK_QP *pNdkQp, PVOID RequestContext, NDK_MR *pMr,
	ULONG AdapterPageCount, const NDK_LOGICAL_ADDRESS *AdapterPageArray,
	ULONG FBO, SIZE_T Length, PVOID BaseVirtualAddress, ULONG Flags);
typedef NTSTATUS NDK_FN_INVALIDATE(NDK_QP *pNdkQp, PVOID RequestContext,
				   NDK_OBJECT_HEADER *pNdkMrOrMw, ULONG Flags);
typedef NTSTATUS NDK_FN_READ(NDK_QP *pNdkQp, PVOID RequestContext,
			     const NDK_SGE *pSgl, ULONG nSge,
			     UINT64 RemoteAddress, UINT32 RemoteToken,
			     ULONG Flags);
typedef NTSTATUS NDK_FN_WRITE(NDK_QP *pNdkQp, PVOID RequestContext,
			      const NDK_SGE *pSgl, ULONG nSge,
			      UINT64 RemoteAddress, UINT32 RemoteToken,
			      ULONG Flags);
typedef NTSTATUS NDK_FN_SEND_AND_INVALIDATE(NDK_QP *pNdkQp,
					    PVOID RequestContext,
					    const NDK_SGE *pSgl, ULONG nSge,
					    ULONG Flags, UINT32 RemoteToken);

struct _NDK_QP_DISPATCH {
	NDK_FN_CLOSE_OBJECT *NdkCloseQp;
	NDK_FN_QUERY_EXTENSION_INTERFACE *NdkQueryExtension;
	NDK_FN_FLUSH *NdkFlush;
	NDK_FN_SEND *NdkSend;
	NDK_FN_RECEIVE *NdkReceive;
	NDK_FN_BIND *NdkBind;
	NDK_FN_FAST_REGISTER *NdkFastRegister;
	NDK_FN_INVALIDATE *NdkInvalidate;
	NDK_FN_READ *NdkRead;
	NDK_FN_WRITE *NdkWrite;
	NDK_FN_SEND_AND_INVALIDATE *NdkSendAndInvalidate;
};

/* --- shared endpoint --------------------------------------------------------------- */

typedef NTSTATUS NDK_FN_GET_SHARED_ENDPOINT_LOCAL_ADDRESS(
	NDK_SHARED_ENDPOINT *pNdkSharedEndpoint, SOCKADDR *pAddress,
	ULONG *pAddressLength);

struct _NDK_SHARED_ENDPOINT_DISPATCH {
	NDK_FN_CLOSE_OBJECT *NdkCloseSharedEndpoint;
	NDK_FN_QUERY_EXTENSION_INTERFACE *NdkQueryExtension;
	NDK_FN_GET_SHARED_ENDPOINT_LOCAL_ADDRESS *NdkGetLocalAddress;
};

/* --- connector ------------------------------------------------------------------------ */

typedef NTSTATUS NDK_FN_CONNECT(
	NDK_CONNECTOR *pNdkConnector, NDK_QP *pNdkQp,
	const SOCKADDR *pSrcAddress, ULONG SrcAddressLength,
	const SOCKADDR *pDestAddress, ULONG DestAddressLength,
	ULONG InboundReadLimit, ULONG OutboundReadLimit,
	const VOID *pPrivateData, ULONG PrivateDataLength,
	NDK_FN_REQUEST_COMPLETION *RequestCompletion, PVOID RequestContext);
typedef NTSTATUS NDK_FN_CONNECT_WITH_SHARED_ENDPOINT(
	NDK_CONNECTOR *pNdkConnector, NDK_QP *pNdkQp,
	NDK_SHARED_ENDPOINT *pNdkSharedEndpoint, const SOCKADDR *pDestAddress,
	ULONG DestAddressLength, ULONG InboundReadLimit,
	ULONG OutboundReadLimit, const VOID *pPrivateData,
	ULONG PrivateDataLength, NDK_FN_REQUEST_COMPLETION *RequestCompletion,
	PVOID RequestContext);
typedef NTSTATUS NDK_FN_COMPLETE_CONNECT(
	NDK_CONNECTOR *pNdkConnector,
	NDK_FN_DISCONNECT_EVENT_CALLBACK *DisconnectEvent,
	PVOID DisconnectEventContext,
	NDK_FN_REQUEST_COMPLETION *RequestCompletion, PVOID RequestContext);
typedef NTSTATUS NDK_FN_ACCEPT(
	NDK_CONNECTOR *pNdkConnector, NDK_QP *pNdkQp, ULONG InboundReadLimit,
	ULONG OutboundReadLimit, const VOID *pPrivateData,
	ULONG PrivateDataLength,
	NDK_FN_DISCONNECT_EVENT_CALLBACK *DisconnectEvent,
	PVOID DisconnectEventContext,
	NDK_FN_REQUEST_COMPLETION *RequestCompletion, PVOID RequestContext);
typedef NTSTATUS NDK_FN_REJECT(NDK_CONNECTOR *pNdkConnector,
			       const VOID *pPrivateData,
			       ULONG PrivateDataLength);
typedef NTSTATUS NDK_FN_GET_CONNECTION_DATA(NDK_CONNECTOR *pNdkConnector,
					    ULONG *pInboundReadLimit,
					    ULONG *pOutboundReadLimit,
					    VOID *pPrivateData,
					    ULONG *pPrivateDataLength);
typedef NTSTATUS NDK_FN_GET_LOCAL_ADDRESS(NDK_CONNECTOR *pNdkConnector,
					  SOCKADDR *pAddress,
					  ULONG *pAddressLength);
typedef NTSTATUS NDK_FN_GET_PEER_ADDRESS(NDK_CONNECTOR *pNdkConnector,
					 SOCKADDR *pAddress,
					 ULONG *pAddressLength);
typedef NTSTATUS NDK_FN_DISCONNECT(
	NDK_CONNECTOR *pNdkConnector,
	NDK_FN_REQUEST_COMPLETION *RequestCompletion, PVOID RequestContext);
typedef NTSTATUS NDK_FN_COMPLETE_CONNECT_EX(
	NDK_CONNECTOR *pNdkConnector,
	NDK_FN_DISCONNECT_EVENT_CALLBACK_EX *DisconnectEvent,
	PVOID DisconnectEventContext,
	NDK_FN_REQUEST_COMPLETION *RequestCompletion, PVOID RequestContext);
typedef NTSTATUS NDK_FN_ACCEPT_EX(
	NDK_CONNECTOR *pNdkConnector, NDK_QP *pNdkQp, ULONG InboundReadLimit,
	ULONG OutboundReadLimit, const VOID *pPrivateData,
	ULONG PrivateDataLength,
	NDK_FN_DISCONNECT_EVENT_CALLBACK_EX *DisconnectEvent,
	PVOID DisconnectEventContext,
	NDK_FN_REQUEST_COMPLETION *RequestCompletion, PVOID RequestContext);

struct _NDK_CONNECTOR_DISPATCH {
	NDK_FN_CLOSE_OBJECT *NdkCloseConnector;
	NDK_FN_QUERY_EXTENSION_INTERFACE *NdkQueryExtension;
	NDK_FN_CONNECT *NdkConnect;
	NDK_FN_CONNECT_WITH_SHARED_ENDPOINT *NdkConnectWithSharedEndpoint;
	NDK_FN_COMPLETE_CONNECT *NdkCompleteConnect;
	NDK_FN_ACCEPT *NdkAccept;
	NDK_FN_REJECT *NdkReject;
	NDK_FN_GET_CONNECTION_DATA *NdkGetConnectionData;
	NDK_FN_GET_LOCAL_ADDRESS *NdkGetLocalAddress;
	NDK_FN_GET_PEER_ADDRESS *NdkGetPeerAddress;
	NDK_FN_DISCONNECT *NdkDisconnect;
	NDK_FN_COMPLETE_CONNECT_EX *NdkCompleteConnectEx;
	NDK_FN_ACCEPT_EX *NdkAcceptEx;
};

/* --- listener --------------------------------------------------------------------------- */

typedef NTSTATUS NDK_FN_LISTEN(NDK_LISTENER *pNdkListener,
			       const SOCKADDR *pAddress, ULONG AddressLength,
			       NDK_FN_REQUEST_COMPLETION *RequestCompletion,
			       PVOID RequestContext);
typedef NTSTATUS NDK_FN_GET_LISTENER_LOCAL_ADDRESS(NDK_LISTENER *pNdkListener,
						   SOCKADDR *pAddress,
						   ULONG *pAddressLength);
typedef VOID NDK_FN_CONTROL_CONNECT_EVENTS(NDK_LISTENER *pNdkListener,
					   BOOLEAN Pause);

struct _NDK_LISTENER_DISPATCH {
	NDK_FN_CLOSE_OBJECT *NdkCloseListener;
	NDK_FN_QUERY_EXTENSION_INTERFACE *NdkQueryExtension;
	NDK_FN_LISTEN *NdkListen;
	NDK_FN_GET_LISTENER_LOCAL_ADDRESS *NdkGetLocalAddress;
	NDK_FN_CONTROL_CONNECT_EVENTS *NdkControlConnectEvents;
};

#endif /* VRDMA_NDK_H */
