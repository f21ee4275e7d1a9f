/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * nd_fake_int.h - what the files of the fake device share
 *
 * nd_fake.c: the system calls.  nd_fake_data.c: the rings.  nd_fake_srq.c: shared
 * receive queues.  nd_fake_cm.c: other objects and connections.  fk.lock is held in all of them.
 */
#ifndef ND_FAKE_INT_H
#define ND_FAKE_INT_H

#include <check.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "nd_fake.h"
#include "ndstatus.h"
#include "vrdma_ring.h"

#define MAX_FILES   16
#define MAX_OBJECTS 256
#define MAX_PENDING 16
#define PAGE	    4096u
#define QP_BUFFER   (1u << 20)
#define RING_AT	    4096u
#define RECV_AT	    (QP_BUFFER / 2)
#define STRIDE	    512u
#define FAKE_HANDLE 0x100000u /* of queue pair 0 */

enum kind { FREE_SLOT, CQ, QP, SRQ, MR, MW, CONNECTOR, LISTENER, GONE };
enum state { NEW, CONNECTING, ACCEPTED, UP, CLOSING, OVER };

struct file;
struct object {
	enum kind kind;
	struct file *file;
	uint32_t id;
	void *buffer;
	uint64_t size;
	/* CQ, SRQ */
	bool old_ring;		/* all that is left of a CQ's ring */
	uint32_t depth, written, threshold;
	uint64_t notify[MAX_PENDING];
	unsigned notifies;
	/* QP */
	struct vrdma_uapi_create_qp qp;
	struct object *send_cq, *recv_cq, *the_srq, *connector;
	/* MR */
	uint64_t addr, length;
	uint32_t flags;
	/* connector */
	enum state state;
	struct object *peer, *the_qp;
	struct vrdma_uapi_sockaddr local, remote;
	struct vrdma_uapi_private priv;
	uint32_t inbound, outbound;	/* reads, as the peer makes possible */
	bool indicated;
	uint32_t reason;
	uint64_t request;	/* CONNECT, ACCEPT or DISCONNECT pending */
	/* listener */
	struct object *backlog[MAX_PENDING];
	unsigned queued;
	struct vrdma_uapi_get_request asked[MAX_PENDING];
	unsigned asks;
};

struct file {
	bool open, lost;
	int fds[2];		/* events come out of [0] */
	unsigned device;
	struct virtio_rdma_context_page *context;
};

struct fake {
	struct file files[MAX_FILES];
	struct object objects[MAX_OBJECTS];
	unsigned newest_file;
	uint64_t last_overlapped;
	uint16_t next_port;
	pthread_mutex_t lock;
	pthread_cond_t kicked;
};
extern struct fake fk;

struct object *fk_find(struct file *f, uint32_t id, enum kind kind);
struct object *fk_make(struct file *f, enum kind kind);
struct object *fk_newest(enum kind kind);

uint32_t fk_power_of_two(uint32_t n);

uint32_t fk_resize_cq(struct file *f, struct vrdma_uapi_resize_cq *a);
uint32_t fk_create_srq(struct file *f, struct vrdma_uapi_create_srq *a);
uint32_t fk_modify_srq(struct file *f, struct vrdma_uapi_modify_srq *a);
uint32_t fk_srq_notify(struct file *f, struct vrdma_uapi_request *a);
/* The oldest receive in it, or NULL; the device took it */
struct virtio_rdma_recv_wqe *fk_srq_next(struct object *srq);
void fk_srq_took(struct object *srq);

void fk_event(struct file *f, uint64_t overlapped, uint32_t status, uint64_t a,
	      uint64_t b);
void fk_end_notifies(struct object *o, uint32_t status);
void fk_end_request(struct object *c, HRESULT status);
void fk_write_cqe(struct object *cq, const struct virtio_rdma_cqe *in);
void fk_flush(struct object *qp);
void fk_indicate(struct object *c, uint32_t reason);
uint32_t fk_dispatch(struct file *f, unsigned long code, void *arg);

#endif /* ND_FAKE_INT_H */
