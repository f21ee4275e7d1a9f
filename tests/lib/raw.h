/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * raw.h - a driver without manners: commands and rings written by hand
 */
#ifndef TESTS_RAW_H
#define TESTS_RAW_H

#include <check.h>
#include <pthread.h>

#include "frontend.h"

struct raw {
	struct fe *fe;
	uint32_t needs_reset;		/* atomic: how often it was raised */
	/* one page each */
	uint8_t *req;
	uint8_t *rsp;
	uint64_t req_gpa, rsp_gpa;
	uint8_t *ev;			/* the event queue's only buffer */
	uint64_t ev_gpa;
};

void raw_start(struct raw *r, const char *socket);
/* A driver that does not know these features (a mask of bits) */
void raw_start_without(struct raw *r, const char *socket, uint64_t features);
void raw_stop(struct raw *r);
/* reset and start again, as a driver does after NEEDS_RESET */
void raw_restart(struct raw *r);
bool raw_wait_needs_reset(struct raw *r);

/* One command, from any structure that begins with a virtio_rdma_cmd; the
 * answer stays in r->rsp.  Returns its status, bounded wait. */
uint32_t raw_cmd(struct raw *r, const void *req, uint32_t len);
/* The same with room for rsp_len bytes of answer */
uint32_t raw_cmd_room(struct raw *r, const void *req, uint32_t len,
		      uint32_t rsp_len);
uint32_t raw_handle(const struct raw *r);	/* of the last answer */
uint32_t raw_simple(struct raw *r, uint16_t opcode, uint32_t handle);

/* A page of guest memory */
void *raw_page(struct raw *r, uint64_t *gpa);

/* A whole set of objects; every field may be changed before use */
struct raw_qp {
	uint32_t context, pd, cq, qp;
	struct virtio_rdma_context_page *ctx_page;
	uint8_t *cq_buf, *qp_buf;
	uint32_t slot;
	uint32_t cq_head;
	struct virtio_rdma_cmd_create_qp create;	/* as it was sent */
};
#define RAW_DEPTH	16
#define RAW_CQ_DEPTH	64
#define RAW_SQ_OFFSET	1024
#define RAW_RQ_OFFSET	(RAW_SQ_OFFSET + RAW_DEPTH * 128)
void raw_qp_make(struct raw *r, struct raw_qp *q);
/* Another one in the same context and domain, with a CQ of its own; its receives
 * come from srq if that is not 0 */
void raw_qp_beside(struct raw *r, struct raw_qp *q, const struct raw_qp *with,
		   uint32_t slot, uint32_t srq);
uint32_t raw_create_pd(struct raw *r);
uint32_t raw_create_cq(struct raw *r, uint8_t **buf);
uint32_t raw_create_context(struct raw *r, struct virtio_rdma_context_page **p);
/* One registered page: local token, remote token, its memory and address */
struct raw_mr {
	uint32_t handle, local, remote;
	uint8_t *va;
	uint64_t addr;
};
void raw_mr_make(struct raw *r, uint32_t pd, uint32_t access, struct raw_mr *m);

struct raw_mw {
	uint32_t handle, token;
};
void raw_mw_make(struct raw *r, uint32_t pd, struct raw_mw *w);

/* A shared receive queue of RAW_DEPTH in one page, like with's objects */
struct raw_srq {
	uint32_t handle, slot;
	uint8_t *buf;
	struct virtio_rdma_context_page *ctx_page;
	struct virtio_rdma_cmd_create_srq create;	/* as it was sent */
};
#define RAW_SRQ_OFFSET	1024
void raw_srq_make(struct raw *r, struct raw_srq *s, const struct raw_qp *with,
		  uint32_t slot);
struct virtio_rdma_recv_wqe *raw_srqe(struct raw_srq *s, uint32_t i);
void raw_srq_ring(struct raw *r, struct raw_srq *s, uint32_t tail);

/* The next event, bounded wait; its buffer is given back unless keep */
struct virtio_rdma_event raw_event(struct raw *r, bool keep);
void raw_give_event_buffer(struct raw *r);

/* Ring entries by index, and the bell */
struct virtio_rdma_send_wqe *raw_sqe(struct raw_qp *q, uint32_t i);
struct virtio_rdma_recv_wqe *raw_rqe(struct raw_qp *q, uint32_t i);
void raw_ring(struct raw *r, struct raw_qp *q, uint32_t sq_tail,
	      uint32_t rq_tail);
/* Next completion, bounded wait */
struct virtio_rdma_cqe raw_cqe(struct raw_qp *q);

/* Connects qa (of ra) to qb (of rb, whose address is 10.0.0.(1+guest)), from a
 * shared end point unless that is 0; the handle of a's connector */
uint32_t raw_connect_from(struct raw *ra, struct raw_qp *qa, struct raw *rb,
			  struct raw_qp *qb, int guest_b, uint32_t endpoint);
void raw_connect(struct raw *ra, struct raw_qp *qa, struct raw *rb,
		 struct raw_qp *qb, int guest_b);
#endif /* TESTS_RAW_H */
