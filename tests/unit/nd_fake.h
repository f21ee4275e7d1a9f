/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * nd_fake.h - a /dev/vrdmaN for tests of the NDSPI library, in this process
 *
 * DOC: Two devices behind nd_sys: 0 with 10.0.0.1 and fd00::1, 1 with
 * 10.0.0.2 and fd00::2.  Nothing works in the background unless a test
 * starts the engine, a thread that serves the rings as a device's worker does,
 * sleeping and being woken by the rules of the context page.  A send that finds
 * no receive fails at once: a program that posts its receives too late shows.
 */
#ifndef ND_FAKE_H
#define ND_FAKE_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>

#include "nd_sys.h"
#include "vrdma_uapi.h"

#define FAKE_DEVICES 2

void fake_install(void);	/* before the first object */
void fake_remove(void);		/* everything closed?  else the test fails */

/*
 * Tests that ask for no more than this, and wait for what takes time, run on real
 * devices too, which fake_real says: in a guest (tests/guest/nd_real.c) one, which
 * both ends are on; in two guests in this process (tests/userdev) one for each.
 */
extern const bool fake_real;
extern const unsigned fake_devices;	/* adapters that there are */
void fake_engine_start(void);		/* a real one has its own */
void fake_engine_stop(void);
/* every file of the device is lost, as the kernel does it */
void fake_lose_device(unsigned device);
#define FAKE_TIMEOUT_MS 20000
struct sockaddr_in fake_v4(unsigned device, uint16_t port);

/* ------------------------------------------------------------ without engine */
extern unsigned fake_kicks;		/* KICK ioctls */
extern unsigned fake_ioctls;
extern bool fake_map_notify;		/* offer a notification page */
extern uint16_t fake_notify_page[2048];
extern uint32_t fake_fail_status;	/* the next ioctl says this, if not 0 */
extern unsigned fake_fail_maps;		/* so many mmaps from now on fail */
extern unsigned fake_old_rings;		/* of resized CQs, that are still mapped */
extern uint32_t fake_features;		/* of files opened from now on; all */
extern bool fake_lost_in_resize;		/* RESIZE_CQ moves, and says lost */
/* called inside CQ_NOTIFY, before the kernel has the request */
extern void (*fake_in_notify)(void);

/* newest object of the kind, in newest file */
struct virtio_rdma_qp_record *fake_qp_record(void);
void *fake_qp_buffer(void);
struct vrdma_uapi_create_qp fake_qp_layout(void);
struct virtio_rdma_cq_record *fake_cq_record(void);
struct virtio_rdma_srq_record *fake_srq_record(void);
void *fake_srq_entry(uint32_t count);	/* of the newest */
uint32_t fake_srq_depth(void);
uint32_t fake_srq_slot(void);
void fake_srq_take(void);		/* a queue pair takes the oldest receive */
void fake_report_srq(uint32_t status);	/* ends what is notified of it */
struct virtio_rdma_context_page *fake_context(void);
/* write a completion, then take the arm and report it if there is one */
void fake_complete(uint64_t wr_id, uint8_t opcode, uint8_t status,
		   uint32_t length);
/* the newest queue pair's entry of this count ends; its head is not stored yet */
void fake_end_entry(uint8_t opcode, uint32_t count, uint64_t wr_id);
unsigned fake_notify_requests(void);	/* CQ_NOTIFY that the kernel has */
void fake_report_cq(uint32_t status);	/* ends them */
void fake_event(uint64_t overlapped, uint32_t status);
uint64_t fake_last_overlapped(void);	/* of the last request that pends */
void fake_hang_up(void);		/* the newest file: module going */

/* --------------------------------------------------------------- with engine */
unsigned fake_listeners(void);
extern bool fake_spoil;		/* one wrong byte in every write */

#endif /* ND_FAKE_H */
