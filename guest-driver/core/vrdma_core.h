/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-or-later */
/*
 * vrdma_core.h - the miniport core as an OS shell sees it
 *
 * DOC: One struct vrdma_core per device.  Its life:
 *
 *	vrdma_core_create	before the queues exist
 *	vrdma_core_start	after DRIVER_OK, queues up, interrupts delivered
 *	vrdma_core_queue_event	from then on, for each queue with used chains
 *	vrdma_core_device_lost	the device needs a reset, or is gone
 *	vrdma_core_start	the device came back (any number of times)
 *	vrdma_core_destroy	after device_lost, all adapters closed
 *
 * NDK objects belong to the start (the "epoch") in which they were made.  When
 * the device is lost they stay valid for the consumer, fail every call with
 * STATUS_DEVICE_REMOVED, and close locally.  Their work requests, commands and
 * connections have ended, each once, when vrdma_core_device_lost() returns.
 */
#ifndef VRDMA_CORE_H
#define VRDMA_CORE_H

#include "ndk.h"
#include "vrdma_os.h"

struct vrdma_core;

/* The interface version that the core implements */
#define VRDMA_NDK_MAJOR		2
#define VRDMA_NDK_MINOR		1

/**
 * vrdma_core_create - make a core for one device
 * @ops: complete table, must outlive the core
 * @os: passed to every operation
 *
 * Passive.  0, -EINVAL (-22: a hole in @ops) or -ENOMEM (-12).  Touches no
 * device.
 */
int vrdma_core_create(const struct vrdma_os_ops *ops, void *os,
		      struct vrdma_core **out);

/**
 * vrdma_core_start - bring the device into use, first time or again
 *
 * Passive, blocks for one command: vrdma_core_queue_event() must be able to
 * run meanwhile.  Reads the configuration, posts the event and
 * completion-event buffers, asks for the addresses.  0; -EPROTO (-71: layout
 * version or limits that this driver cannot use, the log says which); -ENOMEM;
 * -ENODEV (-19: lost meanwhile); -ETIMEDOUT (-110: no answer for 30 s).  After
 * a failure the shell resets the device and calls vrdma_core_device_lost().
 */
int vrdma_core_start(struct vrdma_core *core);

/**
 * vrdma_core_queue_event - chains were used
 * @queue: virtqueue number
 *
 * <= DISPATCH_LEVEL, never from inside an operation of the OS table.  Runs
 * consumer callbacks, and calls dma_free() when an object's close ends here: a
 * shell whose dma_free() must be able to sleep calls this from a thread.  May
 * run on several CPUs at once, for one queue too.
 * Not after vrdma_core_device_lost() began, until the next start.
 */
void vrdma_core_queue_event(struct vrdma_core *core, uint32_t queue);

/**
 * vrdma_core_device_lost - the device died or was reset
 *
 * Passive.  The shell has reset the device and deleted its queues, so nothing
 * is in flight, and no vrdma_core_queue_event() runs or will.  Ends everything
 * of the epoch: commands with STATUS_DEVICE_REMOVED, posted requests with a
 * cancelled completion in their CQ, connections with a DisconnectEvent of
 * reason VIRTIO_RDMA_R_DEVICE_RESET, armed CQs with their callback.  Harmless
 * when called twice.
 *
 * Posting takes no lock, so a poster may still call queue_kick() for a wake-up
 * queue while and after the queues are deleted: the shell ignores that.
 */
void vrdma_core_device_lost(struct vrdma_core *core);

/**
 * vrdma_core_destroy - free it.  Passive; device lost, no adapter open.
 */
void vrdma_core_destroy(struct vrdma_core *core);

/* VIRTIO_RDMA_FEATURE() of what the core can use: the shell negotiates those
 * that the device offers */
#define VRDMA_FEATURES		(VIRTIO_RDMA_FEATURE(SRQ) | \
				 VIRTIO_RDMA_FEATURE(MW) | \
				 VIRTIO_RDMA_FEATURE(SEND_INVALIDATE) | \
				 VIRTIO_RDMA_FEATURE(FAST_REGISTER) | \
				 VIRTIO_RDMA_FEATURE(CQ_RESIZE) | \
				 VIRTIO_RDMA_FEATURE(CQ_MODERATION) | \
				 VIRTIO_RDMA_FEATURE(SHARED_ENDPOINT) | \
				 VIRTIO_RDMA_FEATURE(READ_INVALIDATE))

/* How many virtqueues the device's configuration asks for, from a copy of its
 * configuration space; 0: not a configuration we can use */
uint32_t vrdma_core_num_queues(const struct virtio_rdma_config *cfg);

/* --- adapters ------------------------------------------------------------- */

#define VRDMA_ADAPTER_USER	0x1	/* on behalf of a process: its PDs have
					 * no privileged token */

/**
 * vrdma_open_adapter - OpenNDKAdapterHandler
 *
 * Passive, blocks for one command.  STATUS_SUCCESS, NDIS_STATUS_BAD_VERSION
 * (major differs, or minor above ours), NDIS_STATUS_ADAPTER_NOT_READY (device
 * lost or not started), STATUS_INSUFFICIENT_RESOURCES, or the status of the
 * device.
 */
NTSTATUS vrdma_open_adapter(struct vrdma_core *core, NDK_VERSION version,
			    uint32_t flags, NDK_ADAPTER **out);

/**
 * vrdma_close_adapter - CloseNDKAdapterHandler
 *
 * Passive, blocks until every descendant is closed and every callback has
 * returned.  Not from inside a callback.
 */
void vrdma_close_adapter(NDK_ADAPTER *adapter);

/* Addresses of the adapter, port 0: how many, and up to max of them.  <= DISPATCH */
uint32_t vrdma_core_addresses(struct vrdma_core *core,
			      struct virtio_rdma_addr *out, uint32_t max);

/* Connections, listeners and shared endpoints: how many there are, and up to max of
 * them.  <= DISPATCH */
struct vrdma_endpoint {
	struct virtio_rdma_addr local;
	struct virtio_rdma_addr peer;	/* of a connection */
	bool connected;			/* a connection */
	bool listener;			/* a listener; neither: shared */
	bool user;			/* of a process */
};
uint32_t vrdma_core_endpoints(struct vrdma_core *core,
			      struct vrdma_endpoint *out, uint32_t max);

/* What happened since the core was made; the device's resets do not end it.  Of
 * connections, not of their bytes, which pass the core by.  <= DISPATCH */
struct vrdma_counters {
	uint64_t connects;		/* established from here */
	uint64_t accepts;		/* established from elsewhere */
	uint64_t connect_failures;	/* attempts of both kinds */
	uint64_t connection_errors;	/* ended otherwise than by the peer's
					 * Disconnect, before our own */
	uint64_t active;		/* established, now */
	uint64_t cq_errors;
};
void vrdma_core_counters(struct vrdma_core *core, struct vrdma_counters *out);

/* The device is in use: started and not lost */
bool vrdma_core_alive(struct vrdma_core *core);

/* Live NDK objects, adapters included: for leak checks and debug output */
uint32_t vrdma_core_object_count(struct vrdma_core *core);

/* Total: any value of the wire gives a defined NTSTATUS */
NTSTATUS vrdma_status_from_wire(uint32_t wire);		/* enum virtio_rdma_status */
NTSTATUS vrdma_status_from_wc(uint32_t wc_status);	/* enum virtio_rdma_wc_status */

/* SOCKADDR <-> wire.  from: STATUS_SUCCESS, STATUS_INVALID_ADDRESS.  to: as the
 * NDK address queries (BUFFER_TOO_SMALL and the length needed in *len). */
NTSTATUS vrdma_addr_from_sockaddr(struct virtio_rdma_addr *out,
				  const SOCKADDR *sa, ULONG len);
NTSTATUS vrdma_addr_to_sockaddr(const struct virtio_rdma_addr *addr,
				SOCKADDR *sa, ULONG *len);

#endif /* VRDMA_CORE_H */
