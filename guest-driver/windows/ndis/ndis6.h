/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-or-later */
/*
 * ndis6.h - what the miniport uses of NDIS 6.30, of OIDs and of NDK's side of NDIS
 *
 * DOC: Written from NDIS' public documentation, with its names, because mingw-w64's
 * headers have no NDIS 6 miniports.  Only what is used here.  Where the
 * documentation of NDK's structures gives sizes, they are asserted; that the rest has
 * the layout of Microsoft's headers only a build with those can show.
 *
 * Elsewhere than on Windows <ntddk.h> is a stand-in's, on ndk.h's types, so that the
 * driver is compiled and run against it.
 */
#ifndef VRN_NDIS6_H
#define VRN_NDIS6_H

#include <ntddk.h>

#include "ndk.h"

#ifdef _WIN32
#define NDIS_API	__declspec(dllimport) NTAPI
#else
#define NDIS_API
#endif

typedef unsigned int UINT;
typedef PVOID NDIS_HANDLE;
typedef int32_t NDIS_STATUS;
typedef ULONG NDIS_OID;

#define NDIS_STATUS_SUCCESS		((NDIS_STATUS)0)
#define NDIS_STATUS_PENDING		((NDIS_STATUS)0x00000103)
#define NDIS_STATUS_FAILURE		((NDIS_STATUS)0xC0000001u)
#ifndef NDIS_STATUS_RESOURCES
#define NDIS_STATUS_RESOURCES		((NDIS_STATUS)0xC000009Au)
#endif
#define NDIS_STATUS_NOT_SUPPORTED	((NDIS_STATUS)0xC00000BBu)
#define NDIS_STATUS_INVALID_LENGTH	((NDIS_STATUS)0xC0010014u)
#define NDIS_STATUS_INVALID_DATA	((NDIS_STATUS)0xC0010015u)
#define NDIS_STATUS_BUFFER_TOO_SHORT	((NDIS_STATUS)0xC0010016u)
#define NDIS_STATUS_MEDIA_DISCONNECTED	((NDIS_STATUS)0xC001001Fu)

typedef struct {
	UCHAR Type;
	UCHAR Revision;
	USHORT Size;
} NDIS_OBJECT_HEADER;

#define NDIS_OBJECT_TYPE_DEFAULT				0x80
#define NDIS_OBJECT_TYPE_MINIPORT_INTERRUPT			0x84
#define NDIS_OBJECT_TYPE_DEVICE_OBJECT_ATTRIBUTES		0x85
#define NDIS_OBJECT_TYPE_MINIPORT_DRIVER_CHARACTERISTICS	0x8a
#define NDIS_OBJECT_TYPE_MINIPORT_ADAPTER_REGISTRATION_ATTRIBUTES 0x9e
#define NDIS_OBJECT_TYPE_MINIPORT_ADAPTER_GENERAL_ATTRIBUTES	0x9f
#define NDIS_OBJECT_TYPE_CONFIGURATION_OBJECT			0xa9
#define NDIS_OBJECT_TYPE_NDK_PROVIDER_CHARACTERISTICS		0xb2
#define NDIS_OBJECT_TYPE_MINIPORT_ADAPTER_NDK_ATTRIBUTES	0xb3

/* --- OIDs ----------------------------------------------------------------------- */

#define OID_GEN_TRANSMIT_BLOCK_SIZE	0x0001010a
#define OID_GEN_RECEIVE_BLOCK_SIZE	0x0001010b
#define OID_GEN_VENDOR_ID		0x0001010c
#define OID_GEN_VENDOR_DESCRIPTION	0x0001010d
#define OID_GEN_CURRENT_PACKET_FILTER	0x0001010e
#define OID_GEN_CURRENT_LOOKAHEAD	0x0001010f
#define OID_GEN_MAXIMUM_TOTAL_SIZE	0x00010111
#define OID_GEN_VENDOR_DRIVER_VERSION	0x00010116
#define OID_GEN_XMIT_OK			0x00020101
#define OID_GEN_RCV_OK			0x00020102
#define OID_802_3_PERMANENT_ADDRESS	0x01010101
#define OID_802_3_CURRENT_ADDRESS	0x01010102
#define OID_802_3_MULTICAST_LIST	0x01010103
#define OID_802_3_MAXIMUM_LIST_SIZE	0x01010104
#define OID_PNP_SET_POWER		0xfd010101
#define OID_NDK_SET_STATE		0xfc040201
#define OID_NDK_STATISTICS		0xfc040202
#define OID_NDK_CONNECTIONS		0xfc040203
#define OID_NDK_LOCAL_ENDPOINTS		0xfc040204

typedef enum {
	NdisRequestQueryInformation = 0,
	NdisRequestSetInformation = 1,
	NdisRequestQueryStatistics = 2,
	NdisRequestMethod = 12,
} NDIS_REQUEST_TYPE;

typedef enum {
	NdisDeviceStateUnspecified = 0,
	NdisDeviceStateD0 = 1,
	NdisDeviceStateD1 = 2,
	NdisDeviceStateD2 = 3,
	NdisDeviceStateD3 = 4,
} NDIS_DEVICE_POWER_STATE;

/* query and set lie alike up to the buffer's length */
typedef struct {
	NDIS_OBJECT_HEADER Header;
	NDIS_REQUEST_TYPE RequestType;
	ULONG PortNumber;
	UINT Timeout;
	PVOID RequestId;
	NDIS_HANDLE RequestHandle;
	struct {
		NDIS_OID Oid;
		PVOID InformationBuffer;
		UINT InformationBufferLength;
		UINT BytesDone;		/* BytesWritten, BytesRead */
		UINT BytesNeeded;
	} DATA;
} NDIS_OID_REQUEST;

/* --- NDK's structures -------------------------------------------------------------- */

typedef struct {
	ULONG64 Counter[30];
} NDIS_NDK_PERFORMANCE_COUNTERS;
enum {
	NDIS_NDK_CONNECT = 0,
	NDIS_NDK_ACCEPT = 1,
	NDIS_NDK_CONNECT_FAILURE = 2,
	NDIS_NDK_CONNECTION_ERROR = 3,
	NDIS_NDK_ACTIVE_CONNECTION = 4,
	NDIS_NDK_CQ_ERROR = 25,
	NDIS_NDK_IN_OCTETS = 26,
	NDIS_NDK_OUT_OCTETS = 27,
	NDIS_NDK_IN_FRAMES = 28,
	NDIS_NDK_OUT_FRAMES = 29,
};

typedef struct {
	NDIS_OBJECT_HEADER Header;
	ULONG Flags;
	ULONG MaxQpCount, MaxCqCount, MaxMrCount, MaxPdCount;
	ULONG MaxInboundReadLimit, MaxOutboundReadLimit;
	ULONG MaxMwCount, MaxSrqCount;
	ULONG64 MissingCounterMask;
	NDK_ADAPTER_INFO *NdkInfo;
} NDIS_NDK_CAPABILITIES;

typedef struct {
	NDIS_OBJECT_HEADER Header;
	ULONG Flags;
	NDIS_NDK_PERFORMANCE_COUNTERS CounterSet;
} NDIS_NDK_STATISTICS_INFO;

typedef union {
	struct nd_sockaddr_in Ipv4;
	struct nd_sockaddr_in6 Ipv6;
} NDIS_SOCKADDR_INET;		/* SOCKADDR_INET */

typedef struct {
	NDIS_SOCKADDR_INET Local, Remote;
	BOOLEAN UserModeOwner;
	ULONG OwnerPid;
} NDIS_NDK_CONNECTION_ENTRY;

typedef struct {
	NDIS_OBJECT_HEADER Header;
	ULONG Flags;
	ULONG Count;
	BOOLEAN NDConnectionsMappedtoTCPConnections;
	NDIS_NDK_CONNECTION_ENTRY Connections[1];
} NDIS_NDK_CONNECTIONS;

typedef struct {
	NDIS_SOCKADDR_INET Local;
	BOOLEAN UserModeOwner;
	BOOLEAN Listener;
	ULONG OwnerPid;
} NDIS_NDK_LOCAL_ENDPOINT_ENTRY;

typedef struct {
	NDIS_OBJECT_HEADER Header;
	ULONG Flags;
	ULONG Count;
	BOOLEAN NDLocalEndpointsMappedtoTCPLocalEndpoints;
	NDIS_NDK_LOCAL_ENDPOINT_ENTRY LocalEndpoints[1];
} NDIS_NDK_LOCAL_ENDPOINTS;

typedef struct {
	NDK_VERSION Version;
} NDIS_OPEN_NDK_ADAPTER_PARAMETERS;

typedef NDIS_STATUS NTAPI OPEN_NDK_ADAPTER_HANDLER(
	NDIS_HANDLE MiniportAdapterContext,
	NDIS_OPEN_NDK_ADAPTER_PARAMETERS *Parameters, NDK_ADAPTER **Adapter);
typedef VOID NTAPI CLOSE_NDK_ADAPTER_HANDLER(NDIS_HANDLE MiniportAdapterContext,
					     NDK_ADAPTER *Adapter);

typedef struct {
	NDIS_OBJECT_HEADER Header;
	ULONG Flags;
	OPEN_NDK_ADAPTER_HANDLER *OpenNDKAdapterHandler;
	CLOSE_NDK_ADAPTER_HANDLER *CloseNDKAdapterHandler;
} NDIS_NDK_PROVIDER_CHARACTERISTICS;

typedef struct {
	NDIS_OBJECT_HEADER Header;
	BOOLEAN Enabled;
	NDIS_NDK_CAPABILITIES *NdkCapabilities;
} NDIS_MINIPORT_ADAPTER_NDK_ATTRIBUTES;

#if UINTPTR_MAX > 0xffffffffu || defined(_WIN64)
_Static_assert(sizeof(NDIS_NDK_CAPABILITIES) == 0x38, "capabilities");
_Static_assert(offsetof(NDIS_NDK_CAPABILITIES, MissingCounterMask) == 0x28,
	       "capabilities");
_Static_assert(sizeof(NDIS_NDK_PERFORMANCE_COUNTERS) == 240, "counters");
#endif
_Static_assert(sizeof(NDIS_SOCKADDR_INET) == 28, "SOCKADDR_INET");

/* --- the miniport's handlers ---------------------------------------------------------- */

typedef struct {
	NDIS_OBJECT_HEADER Header;
	ULONG Flags;
	CM_PARTIAL_RESOURCE_LIST *AllocatedResources;
	NDIS_HANDLE IMDeviceInstanceContext;
	NDIS_HANDLE MiniportAddDeviceContext;
	/* more follows that is not looked at */
} NDIS_MINIPORT_INIT_PARAMETERS;

typedef enum {
	NdisHaltDeviceDisabled = 0,
	NdisHaltDeviceInstanceDeInitialized,
	NdisHaltDevicePoweredDown,
	NdisHaltDeviceSurpriseRemoved,
	NdisHaltDeviceFailed,
	NdisHaltDeviceInitializationFailed,
	NdisHaltDeviceStopped,
} NDIS_HALT_ACTION;

typedef enum {
	NdisShutdownPowerOff = 0,
	NdisShutdownBugCheck,
} NDIS_SHUTDOWN_ACTION;

typedef enum {
	NdisDevicePnPEventQueryRemoved = 0,
	NdisDevicePnPEventRemoved,
	NdisDevicePnPEventSurpriseRemoved,
	NdisDevicePnPEventQueryStopped,
	NdisDevicePnPEventStopped,
	NdisDevicePnPEventPowerProfileChanged,
} NDIS_DEVICE_PNP_EVENT;

typedef struct {
	NDIS_OBJECT_HEADER Header;
	ULONG PortNumber;
	NDIS_DEVICE_PNP_EVENT DevicePnPEvent;
	PVOID InformationBuffer;
	ULONG InformationBufferLength;
	UCHAR NdisReserved[2 * sizeof(PVOID)];
} NET_DEVICE_PNP_EVENT;

typedef struct NET_BUFFER_LIST {
	struct NET_BUFFER_LIST *Next;
	PVOID FirstNetBuffer;
	PVOID Context;
	struct NET_BUFFER_LIST *ParentNetBufferList;
	NDIS_HANDLE NdisPoolHandle;
	PVOID NdisReserved[2];
	PVOID ProtocolReserved[4];
	PVOID MiniportReserved[2];
	PVOID Scratch;
	NDIS_HANDLE SourceHandle;
	ULONG NblFlags;
	LONG ChildRefCount;
	ULONG Flags;
	NDIS_STATUS Status;
	/* more follows that is not looked at */
} NET_BUFFER_LIST;

typedef NDIS_STATUS NTAPI MINIPORT_SET_OPTIONS(NDIS_HANDLE driver,
					       NDIS_HANDLE driver_context);
typedef NDIS_STATUS NTAPI MINIPORT_INITIALIZE(
	NDIS_HANDLE miniport, NDIS_HANDLE driver_context,
	NDIS_MINIPORT_INIT_PARAMETERS *params);
typedef VOID NTAPI MINIPORT_HALT(NDIS_HANDLE adapter, NDIS_HALT_ACTION action);
typedef VOID NTAPI MINIPORT_UNLOAD(DRIVER_OBJECT *driver);
typedef NDIS_STATUS NTAPI MINIPORT_PAUSE(NDIS_HANDLE adapter, PVOID params);
typedef NDIS_STATUS NTAPI MINIPORT_RESTART(NDIS_HANDLE adapter, PVOID params);
typedef NDIS_STATUS NTAPI MINIPORT_OID_REQUEST(NDIS_HANDLE adapter,
					       NDIS_OID_REQUEST *request);
typedef VOID NTAPI MINIPORT_SEND_NET_BUFFER_LISTS(NDIS_HANDLE adapter,
						  NET_BUFFER_LIST *lists,
						  ULONG port, ULONG flags);
typedef VOID NTAPI MINIPORT_RETURN_NET_BUFFER_LISTS(NDIS_HANDLE adapter,
						    NET_BUFFER_LIST *lists,
						    ULONG flags);
typedef VOID NTAPI MINIPORT_CANCEL_SEND(NDIS_HANDLE adapter, PVOID id);
typedef BOOLEAN NTAPI MINIPORT_CHECK_FOR_HANG(NDIS_HANDLE adapter);
typedef NDIS_STATUS NTAPI MINIPORT_RESET(NDIS_HANDLE adapter,
					 BOOLEAN *addressing_reset);
typedef VOID NTAPI MINIPORT_DEVICE_PNP_EVENT_NOTIFY(NDIS_HANDLE adapter,
						    NET_DEVICE_PNP_EVENT *event);
typedef VOID NTAPI MINIPORT_SHUTDOWN(NDIS_HANDLE adapter,
				     NDIS_SHUTDOWN_ACTION action);
typedef VOID NTAPI MINIPORT_CANCEL_OID_REQUEST(NDIS_HANDLE adapter, PVOID id);

typedef struct {
	NDIS_OBJECT_HEADER Header;	/* revision 2 */
	UCHAR MajorNdisVersion, MinorNdisVersion;
	UCHAR MajorDriverVersion, MinorDriverVersion;
	ULONG Flags;
	MINIPORT_SET_OPTIONS *SetOptionsHandler;
	MINIPORT_INITIALIZE *InitializeHandlerEx;
	MINIPORT_HALT *HaltHandlerEx;
	MINIPORT_UNLOAD *UnloadHandler;
	MINIPORT_PAUSE *PauseHandler;
	MINIPORT_RESTART *RestartHandler;
	MINIPORT_OID_REQUEST *OidRequestHandler;
	MINIPORT_SEND_NET_BUFFER_LISTS *SendNetBufferListsHandler;
	MINIPORT_RETURN_NET_BUFFER_LISTS *ReturnNetBufferListsHandler;
	MINIPORT_CANCEL_SEND *CancelSendHandler;
	MINIPORT_CHECK_FOR_HANG *CheckForHangHandlerEx;
	MINIPORT_RESET *ResetHandlerEx;
	MINIPORT_DEVICE_PNP_EVENT_NOTIFY *DevicePnPEventNotifyHandler;
	MINIPORT_SHUTDOWN *ShutdownHandlerEx;
	MINIPORT_CANCEL_OID_REQUEST *CancelOidRequestHandler;
	MINIPORT_OID_REQUEST *DirectOidRequestHandler;
	MINIPORT_CANCEL_OID_REQUEST *CancelDirectOidRequestHandler;
} NDIS_MINIPORT_DRIVER_CHARACTERISTICS;

/* --- attributes ------------------------------------------------------------------------ */

#define NDIS_MINIPORT_ATTRIBUTES_HARDWARE_DEVICE	0x00000001
#define NDIS_MINIPORT_ATTRIBUTES_NOT_CO_NDIS		0x00000004
#define NDIS_MINIPORT_ATTRIBUTES_BUS_MASTER		0x00000010

typedef enum {
	NdisInterfacePci = 5,
} NDIS_INTERFACE_TYPE;

typedef struct {
	NDIS_OBJECT_HEADER Header;
	NDIS_HANDLE MiniportAdapterContext;
	ULONG AttributeFlags;
	UINT CheckForHangTimeInSeconds;
	NDIS_INTERFACE_TYPE InterfaceType;
} NDIS_MINIPORT_ADAPTER_REGISTRATION_ATTRIBUTES;

#define NDIS_MAX_PHYS_ADDRESS_LENGTH	32
enum { NdisMedium802_3 = 0 };
enum { NdisPhysicalMedium802_3 = 14 };
enum { MediaConnectStateConnected = 1 };
enum { MediaDuplexStateFull = 2 };
enum { NET_IF_ACCESS_BROADCAST = 2 };
enum { NET_IF_DIRECTION_SENDRECEIVE = 0 };
enum { NET_IF_CONNECTION_DEDICATED = 1 };
enum { IF_TYPE_ETHERNET_CSMACD = 6 };

typedef struct {
	NDIS_OBJECT_HEADER Header;
	ULONG Flags;
	ULONG MediaType;
	ULONG PhysicalMediumType;
	ULONG MtuSize;
	ULONG64 MaxXmitLinkSpeed, XmitLinkSpeed;
	ULONG64 MaxRcvLinkSpeed, RcvLinkSpeed;
	ULONG MediaConnectState, MediaDuplexState;
	ULONG LookaheadSize;
	PVOID PowerManagementCapabilities;
	ULONG MacOptions;
	ULONG SupportedPacketFilters;
	ULONG MaxMulticastListSize;
	USHORT MacAddressLength;
	UCHAR PermanentMacAddress[NDIS_MAX_PHYS_ADDRESS_LENGTH];
	UCHAR CurrentMacAddress[NDIS_MAX_PHYS_ADDRESS_LENGTH];
	PVOID RecvScaleCapabilities;
	ULONG AccessType, DirectionType, ConnectionType;
	USHORT IfType;
	BOOLEAN IfConnectorPresent;
	ULONG SupportedStatistics, SupportedPauseFunctions;
	ULONG DataBackFillSize, ContextBackFillSize;
	NDIS_OID *SupportedOidList;
	ULONG SupportedOidListLength;	/* bytes */
	ULONG AutoNegotiationFlags;
} NDIS_MINIPORT_ADAPTER_GENERAL_ATTRIBUTES;

/* --- network PnP events ------------------------------------------------------------------- */

typedef enum {
	NetEventNDKEnable = 13,
	NetEventNDKDisable = 14,
} NET_PNP_EVENT_CODE;

typedef struct {
	NET_PNP_EVENT_CODE NetEvent;
	PVOID Buffer;
	ULONG BufferLength;
	ULONG_PTR NdisReserved[4];
	ULONG_PTR TransportReserved[4];
	ULONG_PTR TdiReserved[4];
	ULONG_PTR TdiClientReserved[4];
} NET_PNP_EVENT;

typedef struct {
	NDIS_OBJECT_HEADER Header;
	ULONG PortNumber;
	NET_PNP_EVENT NetPnPEvent;
	ULONG Flags;
} NET_PNP_EVENT_NOTIFICATION;

/* --- configuration ----------------------------------------------------------------------- */

typedef struct {
	NDIS_OBJECT_HEADER Header;
	NDIS_HANDLE NdisHandle;
	ULONG Flags;
} NDIS_CONFIGURATION_OBJECT;

typedef enum {
	NdisParameterInteger = 0,
} NDIS_PARAMETER_TYPE;

typedef struct {
	NDIS_PARAMETER_TYPE ParameterType;
	union {
		ULONG IntegerData;
		UNICODE_STRING StringData;
	} ParameterData;
} NDIS_CONFIGURATION_PARAMETER;

/* --- interrupts ------------------------------------------------------------------------------ */

/* At the device's level: only say what is to run later */
typedef BOOLEAN NTAPI MINIPORT_ISR(NDIS_HANDLE context, BOOLEAN *queue_dpc,
				   ULONG *processors);
typedef VOID NTAPI MINIPORT_INTERRUPT_DPC(NDIS_HANDLE context, PVOID dpc_context,
					  PVOID throttle, PVOID reserved);
typedef VOID NTAPI MINIPORT_SWITCH_INTERRUPT(NDIS_HANDLE context);
typedef BOOLEAN NTAPI MINIPORT_MESSAGE_INTERRUPT(NDIS_HANDLE context,
						 ULONG message,
						 BOOLEAN *queue_dpc,
						 ULONG *processors);
typedef VOID NTAPI MINIPORT_MESSAGE_INTERRUPT_DPC(NDIS_HANDLE context,
						  ULONG message,
						  PVOID dpc_context,
						  PVOID throttle,
						  PVOID reserved);
typedef VOID NTAPI MINIPORT_SWITCH_MESSAGE(NDIS_HANDLE context, ULONG message);

typedef enum {
	NDIS_CONNECT_LINE_BASED = 1,
	NDIS_CONNECT_MESSAGE_BASED = 2,
} NDIS_INTERRUPT_TYPE;

typedef struct {
	NDIS_OBJECT_HEADER Header;
	MINIPORT_ISR *InterruptHandler;
	MINIPORT_INTERRUPT_DPC *InterruptDpcHandler;
	MINIPORT_SWITCH_INTERRUPT *DisableInterruptHandler;
	MINIPORT_SWITCH_INTERRUPT *EnableInterruptHandler;
	BOOLEAN MsiSupported;
	BOOLEAN MsiSyncWithAllMessages;
	MINIPORT_MESSAGE_INTERRUPT *MessageInterruptHandler;
	MINIPORT_MESSAGE_INTERRUPT_DPC *MessageInterruptDpcHandler;
	MINIPORT_SWITCH_MESSAGE *DisableMessageInterruptHandler;
	MINIPORT_SWITCH_MESSAGE *EnableMessageInterruptHandler;
	NDIS_INTERRUPT_TYPE InterruptType;		/* out */
	IO_INTERRUPT_MESSAGE_INFO *MessageInfoTable;	/* out */
} NDIS_MINIPORT_INTERRUPT_CHARACTERISTICS;

#if UINTPTR_MAX > 0xffffffffu || defined(_WIN64)
_Static_assert(sizeof(NDIS_MINIPORT_INTERRUPT_CHARACTERISTICS) == 0x60,
	       "interrupt");
_Static_assert(offsetof(NDIS_MINIPORT_INTERRUPT_CHARACTERISTICS,
			MessageInterruptHandler) == 0x30, "interrupt");
_Static_assert(offsetof(NDIS_MINIPORT_ADAPTER_GENERAL_ATTRIBUTES,
			MacAddressLength) == 0x5c, "general attributes");
#endif

/* --- a control device ------------------------------------------------------------------------ */

typedef struct {
	NDIS_OBJECT_HEADER Header;
	UNICODE_STRING *DeviceName;
	UNICODE_STRING *SymbolicName;
	PDRIVER_DISPATCH *MajorFunctions;	/* IRP_MJ_MAXIMUM_FUNCTION + 1 */
	ULONG ExtensionSize;
	const UNICODE_STRING *DefaultSDDLString;
	const GUID *DeviceClassGuid;
} NDIS_DEVICE_OBJECT_ATTRIBUTES;

/* --- functions ----------------------------------------------------------------------------- */

typedef VOID NTAPI NDIS_IO_WORKITEM_FUNCTION(PVOID context, NDIS_HANDLE item);

NDIS_STATUS NDIS_API NdisMRegisterMiniportDriver(
	DRIVER_OBJECT *driver, UNICODE_STRING *path, NDIS_HANDLE context,
	NDIS_MINIPORT_DRIVER_CHARACTERISTICS *chars, NDIS_HANDLE *handle);
VOID NDIS_API NdisMDeregisterMiniportDriver(NDIS_HANDLE handle);
NDIS_STATUS NDIS_API NdisSetOptionalHandlers(NDIS_HANDLE handle,
					     NDIS_OBJECT_HEADER *handlers);
NDIS_STATUS NDIS_API NdisMSetMiniportAttributes(NDIS_HANDLE miniport,
						NDIS_OBJECT_HEADER *attributes);
NDIS_STATUS NDIS_API NdisMNetPnPEvent(NDIS_HANDLE miniport,
				      NET_PNP_EVENT_NOTIFICATION *event);
NDIS_STATUS NDIS_API NdisOpenConfigurationEx(NDIS_CONFIGURATION_OBJECT *object,
					     NDIS_HANDLE *handle);
VOID NDIS_API NdisReadConfiguration(NDIS_STATUS *status,
				    NDIS_CONFIGURATION_PARAMETER **value,
				    NDIS_HANDLE handle, UNICODE_STRING *keyword,
				    NDIS_PARAMETER_TYPE type);
VOID NDIS_API NdisCloseConfiguration(NDIS_HANDLE handle);
NDIS_HANDLE NDIS_API NdisAllocateIoWorkItem(NDIS_HANDLE object);
VOID NDIS_API NdisQueueIoWorkItem(NDIS_HANDLE item,
				  NDIS_IO_WORKITEM_FUNCTION *fn, PVOID context);
VOID NDIS_API NdisFreeIoWorkItem(NDIS_HANDLE item);
NDIS_STATUS NDIS_API NdisMRegisterInterruptEx(
	NDIS_HANDLE miniport, NDIS_HANDLE context,
	NDIS_MINIPORT_INTERRUPT_CHARACTERISTICS *chars, NDIS_HANDLE *interrupt);
VOID NDIS_API NdisMDeregisterInterruptEx(NDIS_HANDLE interrupt);
NDIS_STATUS NDIS_API NdisMMapIoSpace(PVOID *va, NDIS_HANDLE miniport,
				     PHYSICAL_ADDRESS at, UINT length);
VOID NDIS_API NdisMUnmapIoSpace(NDIS_HANDLE miniport, PVOID va, UINT length);
/* The bytes that were moved; space 0: PCI configuration */
ULONG NDIS_API NdisMGetBusData(NDIS_HANDLE miniport, ULONG space, ULONG offset,
			       PVOID buf, ULONG length);
ULONG NDIS_API NdisMSetBusData(NDIS_HANDLE miniport, ULONG space, ULONG offset,
			       PVOID buf, ULONG length);
/* driver: what NdisMRegisterMiniportDriver() gave */
NDIS_STATUS NDIS_API NdisRegisterDeviceEx(NDIS_HANDLE driver,
					  NDIS_DEVICE_OBJECT_ATTRIBUTES *attr,
					  DEVICE_OBJECT **device,
					  NDIS_HANDLE *handle);
VOID NDIS_API NdisDeregisterDeviceEx(NDIS_HANDLE handle);
VOID NDIS_API NdisMSendNetBufferListsComplete(NDIS_HANDLE miniport,
					      NET_BUFFER_LIST *lists,
					      ULONG flags);

#endif /* VRN_NDIS6_H */
