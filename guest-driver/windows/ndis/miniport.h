/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-or-later */
/*
 * miniport.h - the NDIS miniport: an adapter, and what is under it
 *
 * DOC: The miniport is the core with NDIS' face: it hands out the core's dispatch
 * tables unchanged.  It carries no Ethernet frames: the RDMA port's addresses are
 * configured on it so that NetworkDirect finds it, and what is sent is dropped.
 *
 * States that NDIS drives: PAUSED after initialize, RUNNING between restart and
 * pause, HALTING.  They concern frames; NDK does not stop with a pause.
 *
 * NDK is OFF, ON or STOPPING.  It changes only in the work item, which tells NDIS: an
 * OID request may not wait for that.  STOPPING: consumers are told, no adapter can be
 * opened, and those that are open will be closed.
 */
#ifndef VRN_MINIPORT_H
#define VRN_MINIPORT_H

#include <string.h>

#include "ndis6.h"
#include "vrdma_core.h"

#define VRN_NDIS_MAJOR		6
#define VRN_NDIS_MINOR		30
#define VRN_VERSION		0x00010000	/* of the driver, as an OID says it */
#define VRN_MTU			1500u
#define VRN_FRAME		(VRN_MTU + 14u)
#define VRN_LINK_SPEED		10000000000ull	/* bits a second, as good as any */
#define VRN_LOOKAHEAD		VRN_MTU
#define VRN_MULTICAST		32u

/* --- the system and the device, of Windows or of a test ------------------------------ */

struct vrn_mutex {
	uint64_t opaque[12];
};

struct vrn_event {
	uint64_t opaque[16];
};

/* All passive but alloc, free and event_set */
void *vrn_alloc(size_t size);			/* zeroed, or NULL */
void vrn_free(void *p);
void vrn_mutex_init(struct vrn_mutex *m);
void vrn_mutex_fini(struct vrn_mutex *m);
void vrn_mutex_lock(struct vrn_mutex *m);
void vrn_mutex_unlock(struct vrn_mutex *m);
void vrn_event_init(struct vrn_event *e, bool set);
void vrn_event_fini(struct vrn_event *e);
void vrn_event_set(struct vrn_event *e);
void vrn_event_clear(struct vrn_event *e);
void vrn_event_wait(struct vrn_event *e);	/* without bound */

/* The virtio device under an adapter.  All passive */
struct vrn_device;
struct vrn_device_ops {
	/* started, with its core alive.  RESOURCES, FAILURE */
	NDIS_STATUS (*create)(NDIS_HANDLE miniport,
			      NDIS_MINIPORT_INIT_PARAMETERS *params,
			      struct vrn_device **out);
	/* reset and freed; no NDK adapter is open */
	void (*destroy)(struct vrn_device *device);
	/* it is not there any more: everything ends, nothing is touched again */
	void (*gone)(struct vrn_device *device);
	/* false: reset, everything ends; true: started again */
	NDIS_STATUS (*power)(struct vrn_device *device, bool on);
	/* the last call, when the driver goes */
	void (*unload)(void);
	struct vrdma_core *(*core)(struct vrn_device *device);
	void (*mac)(struct vrn_device *device, UCHAR mac[6]);
};

/* --- an adapter --------------------------------------------------------------------------- */

enum vrn_state {
	VRN_PAUSED,
	VRN_RUNNING,
	VRN_HALTING,
};

enum vrn_ndk {
	VRN_NDK_OFF,
	VRN_NDK_ON,
	VRN_NDK_STOPPING,
};

struct vrn_adapter {
	/* constant after initialize */
	const struct vrn_device_ops *ops;
	NDIS_HANDLE miniport;
	struct vrn_device *device;
	UCHAR mac[6];
	bool keyword;			/* *NetworkDirect */
	NDK_ADAPTER_INFO info;
	NDIS_NDK_CAPABILITIES caps;
	NDIS_HANDLE work;

	struct vrn_mutex lock;
	/* under lock */
	enum vrn_state state;
	enum vrn_ndk ndk;
	bool ndk_wanted;
	bool working;			/* the work item is queued, or runs */
	bool gone;
	uint32_t opens;			/* NDK adapters */
	struct vrn_event no_opens;	/* set while there are none */
	struct vrn_event no_work;
	ULONG filter;
	ULONG lookahead;
};

/* miniport.c: from DriverEntry.  The ops outlive the driver */
NDIS_STATUS vrn_register(DRIVER_OBJECT *driver, UNICODE_STRING *path,
			 const struct vrn_device_ops *ops);

/* What NdisMRegisterMiniportDriver() gave: inside of unload(), too */
NDIS_HANDLE vrn_driver_handle(void);

/* The device's power, if it is there */
NDIS_STATUS vrn_power(struct vrn_adapter *a, bool on);

/* ndk.c */
NDIS_STATUS vrn_ndk_describe(struct vrn_adapter *a);	/* info, caps */
NDIS_STATUS vrn_ndk_set_provider(NDIS_HANDLE driver);
NDIS_STATUS vrn_ndk_set_attributes(struct vrn_adapter *a);
void vrn_ndk_want(struct vrn_adapter *a, bool on);
void vrn_ndk_end(struct vrn_adapter *a);	/* halt: wait for opens and work */

/* oid.c */
MINIPORT_OID_REQUEST vrn_oid_request;
MINIPORT_OID_REQUEST vrn_direct_oid_request;
MINIPORT_CANCEL_OID_REQUEST vrn_cancel_oid_request;
extern const NDIS_OID vrn_oids[];
extern const ULONG vrn_oids_size;		/* bytes */

static inline NDIS_OBJECT_HEADER vrn_header(UCHAR type, UCHAR revision,
					    size_t size)
{
	return (NDIS_OBJECT_HEADER){ type, revision, (USHORT)size };
}

#endif /* VRN_MINIPORT_H */
