/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * verbs_fake.h - RDMA devices and a connection manager that the test drives
 *
 * DOC: The ibv_* and rdma_* calls of host-backend/verbs, linked instead of
 * -libverbs -lrdmacm, for failures that no software device can be made to
 * produce.  Two devices, fake0 and fake1, are hosts of their own, joined by a
 * wire on which nothing moves but by fv_step(): one word of the connection
 * manager, or one request of a queue pair, with its bytes.  Device i has the
 * addresses 10.0.0.(i + 1) and fd00::(i + 1); 10.0.0.9 belongs to a third one
 * that nobody opens.
 *
 * A queue pair with a shared receive queue takes a receive when a message needs
 * it, and says LAST_WQE_REACHED in ERROR.  Memory windows are of type 2B.
 *
 * It is strict where a device would be silent: a completion queue that
 * overflows, an object destroyed under another, a call on one that was
 * destroyed end the test.  Calls may come from any thread.
 */
#ifndef VERBS_FAKE_H
#define VERBS_FAKE_H

#include <infiniband/verbs.h>
#include <rdma/rdma_cma.h>
#include <stdbool.h>
#include <stdint.h>

#define FV_DEVICES	2	/* that can be opened */

/* ------------------------------------------------------------------- faults */

/* Calls that can be made to fail, of the fake and of the C library */
#define FV_CALL_LIST(X)                                                        \
	X(ibv_get_device_list) X(ibv_open_device) X(ibv_query_device)          \
	X(ibv_query_port) X(ibv_alloc_pd) X(ibv_create_comp_channel)           \
	X(ibv_create_cq) X(ibv_resize_cq) X(ibv_create_qp) X(ibv_modify_qp)    \
	X(ibv_reg_mr) X(ibv_dereg_mr) X(ibv_destroy_qp) X(ibv_post_send)       \
	X(ibv_post_recv) X(ibv_create_srq) X(ibv_destroy_srq)                  \
	X(ibv_post_srq_recv) X(ibv_alloc_mw) X(ibv_dealloc_mw)                 \
	X(rdma_create_event_channel) X(rdma_create_id)                         \
	X(rdma_destroy_id) X(rdma_set_option) X(rdma_bind_addr) X(rdma_listen) \
	X(rdma_resolve_addr) X(rdma_resolve_route) X(rdma_init_qp_attr)        \
	X(rdma_connect) X(rdma_accept) X(rdma_establish) X(rdma_reject)        \
	X(rdma_disconnect) X(rdma_get_cm_event) X(calloc) X(mmap) X(eventfd)   \
	X(epoll_create1) X(epoll_ctl) X(fcntl) X(pthread_create) X(be_watch)

enum fv_call {
#define FV_ENUM(name) FV_##name,
	FV_CALL_LIST(FV_ENUM)
#undef FV_ENUM
	FV_CALLS
};

extern const char *const fv_call_name[FV_CALLS];

/* The nth call from now (1: the next) fails with err, once */
void fv_fail(enum fv_call call, unsigned int nth, int err);
/* It has; and no fault is set any more */
bool fv_failed(void);
/* Calls since fv_reset() */
unsigned int fv_count(enum fv_call call);
/* In each faultable call: its error, or 0 */
int fv_fault(enum fv_call call);
/* Calls wait inside, until they are let go.  For those that helpers make. */
void fv_hold(enum fv_call call, bool on);
/* ...and the test waits until one does */
void fv_await_held(enum fv_call call);

/* --------------------------------------------------------------- the devices */

/* What a device answers; for all of them, set before it is asked */
struct fv_device {
	struct ibv_device_attr attr;
	enum ibv_transport_type transport;
	uint8_t link_layer;
	uint32_t max_inline;
	uint8_t timeout;		/* of a path: 4096 ns << timeout */
};

enum fv_flush {
	FV_FLUSH_NOW,
	FV_FLUSH_LOST,			/* what is outstanding never completes */
	FV_FLUSH_HELD,			/* ...or when the test says so */
	/* LAST_WQE_REACHED is the test's to say with both */
};

extern struct fv_device fv_device;
extern enum fv_flush fv_flush;
extern bool fv_cm_cut, fv_data_cut;	/* nothing of that kind moves */
extern int fv_addr_error;		/* the next address does not resolve */

/* Everything as at the start; fails if anything is there */
void fv_reset(void);
/* Objects, and events not acknowledged */
unsigned int fv_live(void);
/* ...and fails, with their names, unless there are none */
void fv_check_nothing_lives(void);
unsigned int fv_live_qps(void);
bool fv_qp_lives(unsigned int device, uint32_t qpn);

/* The number of the next queue pair; from there it counts up */
void fv_set_next_qpn(unsigned int device, uint32_t qpn);
/* The device's context is open */
bool fv_is_open(unsigned int device);
/* ...and the manager's own: from the first identifier that has the device until
 * it looks which devices there are, and this one is gone */
bool fv_manager_holds(unsigned int device);
/* Completions of this queue pair that wait to be polled */
unsigned int fv_unpolled(unsigned int device, uint32_t qpn);
/* The first packet of a longer message came: qp has the oldest receive of its
 * shared queue.  No more of it comes. */
void fv_begin_message(struct ibv_qp *qp);
/* ...which is over, so; FLUSH_ERR: the device does not say yet why */
void fv_break_receive(struct ibv_qp *qp, enum ibv_wc_status status);
/* Receives of all shared queues of a device that no message has used */
unsigned int fv_shared_receives(unsigned int device);
/* This token of the device is one of a window that is bound */
bool fv_window_is_bound(unsigned int device, uint32_t token);
/* The newest region of a device */
struct fv_region {
	void *addr;
	uint64_t length, iova;
	int access;
};
struct fv_region fv_newest_region(unsigned int device);

/* One thing moves; false: there is none */
bool fv_step(void);
/* Flush completions that were held come, those of destroyed queue pairs too.
 * How many */
unsigned int fv_release_flushes(void);

/* The newest queue pair of a device that is connected, NULL: none */
struct ibv_qp *fv_newest_qp(unsigned int device);
/* The oldest request of qp was repeated often enough */
void fv_expire(struct ibv_qp *qp);
/* A completion as if the device had found this error by itself */
void fv_break_request(struct ibv_qp *qp, enum ibv_wc_status status);
/* It goes to ERROR, all but COMM_EST and LAST_WQE_REACHED */
void fv_qp_event(struct ibv_qp *qp, enum ibv_event_type type);
/* ...and says nothing of it */
void fv_qp_silent_error(struct ibv_qp *qp);
void fv_port_event(unsigned int device, enum ibv_event_type type);
/* The device broke: DEVICE_FATAL, and calls answer EIO */
void fv_device_fatal(unsigned int device);
/* The host removes it: DEVICE_REMOVAL at each identifier, calls answer EIO */
void fv_device_removal(unsigned int device);
void fv_cq_error(unsigned int device);
/* Calls work again, words arrive; nobody is told */
void fv_revive(unsigned int device);

/* --------------------------------------------------------------- the manager */

/* The words that wait on the wire */
unsigned int fv_words(void);
/* The first of them is lost */
void fv_drop_word(void);
/* The newest identifier of a device that is connected with another */
struct rdma_cm_id *fv_newest_id(unsigned int device);
/* The manager's retries of id are over: UNREACHABLE, or DISCONNECTED with
 * -ETIMEDOUT */
void fv_cm_timeout(struct rdma_cm_id *id);

/* What happened at a device: words that left, queue pairs' ends.  The rig adds
 * its own. */
void fv_note(unsigned int device, const char *word);
const char *fv_log(unsigned int device);

#endif /* VERBS_FAKE_H */
