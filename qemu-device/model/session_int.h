/* SPDX-License-Identifier: GPL-2.0-or-later */
/* session_int.h - what the parts of a session share.  Control thread only. */
#ifndef VRDMA_SESSION_INT_H
#define VRDMA_SESSION_INT_H

#include <stdint.h>

#include "guest.h"
#include "vu.h"
#include "loop.h"
#include "session.h"

/* The front end's messages name queues with 8 bits, and QEMU names all that
 * its device has, also those that this device does not use. */
#define SESSION_MAX_QUEUES 256
#define SESSION_MAX_FDS	   VHOST_MEMORY_BASELINE_NREGIONS

/* Requests and features that the library has no names for */
#define VU_RESET_DEVICE	   34
#define VU_SET_STATUS	   39
#define VU_GET_STATUS	   40
#define VU_PF_MQ	   0
#define VU_PF_REPLY_ACK	   3
#define VU_PF_BACKEND_REQ  5
#define VU_PF_CONFIG	   9
#define VU_PF_RESET_DEVICE 13
#define VU_PF_MEM_SLOTS	   15
#define VU_PF_STATUS	   16

struct session_queue {
	struct session *session;
	unsigned int index;
	int kick_fd; /* watched by our loop, -1: none */
	int wake_fd; /* a duplicate, watched by the worker, -1: none */
};

/* A message while it arrives */
struct session_rx {
	VhostUserMsg msg;
	size_t have;   /* bytes of header and payload */
	bool complete; /* read_msg() may hand it over */
};

struct session {
	VuDev dev; /* the first member */
	struct guest *guest;
	struct loop *loop;
	struct port *port;
	struct session_rx rx;
	bool in_message; /* a panic is the front end's fault */
	bool closing;
	uint8_t status; /* as SET_STATUS gave it */
	struct session_queue queue[SESSION_MAX_QUEUES];
};

static inline struct session *session_of(VuDev *dev)
{
	return (struct session *)(void *)dev;
}

/* The front end broke the protocol: log it and hang up after this message */
void session_violation(struct session *s, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

/* session_rx.c: reads what is there.  1: rx holds a whole message, 0: wait
 * for more, -errno: hang up (-ENOTCONN: the front end closed it). */
int session_rx_read(struct session *s);
void session_rx_reset(struct session_rx *rx);
/* Closes the descriptors that came with the message */
void session_rx_drop_fds(VhostUserMsg *msg);

/* session_msg.c */
/* May a message with this header come?  Logs if not.  -EPROTO */
int session_check_header(struct session *s, const VhostUserMsg *msg);
/* The whole message, with its descriptors.  -EPROTO */
int session_check_message(struct session *s, const VhostUserMsg *msg);
/* The library's process_msg: what we answer ourselves, and what we have to do
 * before it acts.  Nonzero: the library shall leave it alone. */
int session_process_msg(VuDev *dev, VhostUserMsg *msg, int *do_reply);
/* After the library acted */
void session_after_message(struct session *s, const VhostUserMsg *msg);
/* Takes the driver's reset */
void session_reset_device(struct session *s);

/* session.c: SET_VRING_ADDR has to come again before the next start */
void session_forget_ring(VuVirtq *vq);

/* session_config.c */
void session_fill_config(const struct guest *g, uint8_t *out, size_t off,
			 size_t len);
size_t session_config_size(void);

#endif /* VRDMA_SESSION_INT_H */
