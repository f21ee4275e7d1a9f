/* SPDX-License-Identifier: GPL-2.0-or-later */
/* verbs_fake_int.h - what the files of the fake share; see verbs_fake.h */
#ifndef VERBS_FAKE_INT_H
#define VERBS_FAKE_INT_H

#include <check.h>
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "verbs_fake.h"

#define FK_DEVICES	(FV_DEVICES + 1)
#define FK_LOG		8192
#define FK_WAIT_S	20	/* what takes longer is a deadlock */

struct fk_device {
	struct ibv_device device;	/* first */
	unsigned int index;
	bool removed;
	bool held;			/* by the manager */
	uint32_t next_qpn;
	char log[FK_LOG];
};

struct fk_async {
	struct fk_async *next;
	struct ibv_async_event ev;
};

struct fk_context {
	struct ibv_context ctx;		/* first */
	struct fk_context *next;
	struct fk_device *dev;
	struct fk_async *events;	/* not fetched */
	unsigned int objects;
};

struct fk_pd {
	struct ibv_pd pd;		/* first */
	unsigned int users;
};

struct fk_mr {
	struct ibv_mr mr;		/* first */
	struct fk_mr *next;
	uint64_t iova;
	int access;
	unsigned int windows;		/* bound to it */
};

struct fk_mw {
	struct ibv_mw mw;		/* first */
	struct fk_mw *next;
	struct fk_mr *mr;		/* bound to; NULL: not bound */
	struct fk_qp *qp;		/* bound on; NULL: that is gone */
	uint64_t addr, length;
	int access;
};

struct fk_channel {
	struct ibv_comp_channel channel;	/* first */
	struct ibv_cq *fired;			/* an event of it is not fetched */
};

struct fk_cq {
	struct ibv_cq cq;		/* first */
	struct fk_cq *next;
	struct ibv_wc *wc;
	uint32_t capacity, got, count;	/* a ring */
	unsigned int users;
	unsigned int unacked;
	bool armed;
};

#define FK_SGE 32

struct fk_wqe {
	uint64_t wr_id;
	enum ibv_wr_opcode opcode;
	uint32_t nsge;
	struct ibv_sge sge[FK_SGE];
	uint64_t remote_addr;
	uint32_t rkey;			/* or what is bound, invalidated */
	struct fk_mw *mw;
	struct ibv_mw_bind_info bind;
	bool is_inline;
	uint8_t bytes[1024];		/* inline */
};

struct fk_queue {
	struct fk_wqe *wqe;
	uint32_t size, got, count;
};

struct fk_srq {
	struct ibv_srq srq;		/* first */
	struct fk_srq *next;
	struct fk_queue q;
	uint32_t max_sge;
	unsigned int users;
	bool dying;			/* inside of ibv_destroy_srq() */
};

struct fk_qp {
	struct ibv_qp qp;		/* first */
	struct fk_qp *next;
	struct fk_device *dev;
	struct fk_queue sq, rq;
	struct fk_srq *srq;		/* instead of rq, or NULL */
	struct fk_wqe begun;		/* fv_begin_message(): has_begun */
	bool has_begun;
	uint32_t max_sge[2];		/* send, receive */
	uint32_t max_inline;
	uint32_t peer_dev, peer_qpn;
	uint8_t rnr_retry;
	unsigned int unacked;
};

/* A flush completion that waits for fv_release_flushes() */
struct fk_held {
	struct fk_held *next;
	struct ibv_cq *cq;
	struct ibv_wc wc;
};

struct fk {
	pthread_mutex_t lock;		/* over all that the fake has */
	pthread_cond_t changed;
	struct fk_device dev[FK_DEVICES];
	struct fk_context *contexts;
	struct fk_mr *mrs;
	struct fk_mw *mws;
	struct fk_cq *cqs;
	struct fk_srq *srqs;
	struct fk_qp *qps;
	struct fk_held *held;
	uint32_t next_key;

	unsigned int calls[FV_CALLS];
	bool hold[FV_CALLS];
	unsigned int inside[FV_CALLS];
	enum fv_call fail_call;
	unsigned int fail_nth;		/* 0: none is set */
	int fail_err;

	struct { const char *kind; unsigned int live; } kind[16];
	unsigned int kinds;
};

extern struct fk fk;

static inline void fk_lock(void)
{
	pthread_mutex_lock(&fk.lock);
}

static inline void fk_unlock(void)
{
	pthread_mutex_unlock(&fk.lock);
}

/* The following: under the lock */
void fk_born(const char *kind, int by);		/* by: 1, or -1 */
/* ...an object of a context */
static inline void fk_born_in(struct ibv_context *ctx, const char *kind, int by)
{
	((struct fk_context *)(void *)ctx)->objects += (unsigned int)by;
	fk_born(kind, by);
}
void fk_note(const struct fk_device *dev, const char *word);
int fk_eventfd(void);		/* that is no call of the backend's */
/* fd, one of those, is readable, or not */
void fk_level(int fd, bool readable);
/* Sleeps until *count is 0; what: who waits for whom */
void fk_wait_zero(const unsigned int *count, const char *what);
void fk_async(struct fk_context *ctx, const struct ibv_async_event *ev);
struct fk_qp *fk_qp_by_number(uint32_t dev, uint32_t qpn);
void fk_qp_to_error(struct fk_qp *qp);
void fk_cq_push(struct ibv_cq *cq, const struct ibv_wc *wc);
/* of the wire: one word, one request */
bool fk_cm_step(void);
bool fk_data_step(void);
void fk_cm_device_removal(struct fk_device *dev);
struct fk_context *fk_context_of(const struct fk_device *dev);
void fk_drop_qp_events(struct fk_qp *qp);
/* What verbs.h calls through the context */
int fk_post_send(struct ibv_qp *qp, struct ibv_send_wr *wr,
		 struct ibv_send_wr **bad);
int fk_post_recv(struct ibv_qp *qp, struct ibv_recv_wr *wr,
		 struct ibv_recv_wr **bad);
int fk_post_srq_recv(struct ibv_srq *srq, struct ibv_recv_wr *wr,
		     struct ibv_recv_wr **bad);
struct ibv_mw *fk_alloc_mw(struct ibv_pd *pd, enum ibv_mw_type type);
int fk_dealloc_mw(struct ibv_mw *mw);
/* Windows.  0: done, or a status */
enum ibv_wc_status fk_bind(struct fk_qp *qp, const struct fk_wqe *w);
enum ibv_wc_status fk_invalidate(const struct fk_qp *qp, uint32_t token);
/* Bound on qp with this token, or NULL */
struct fk_mw *fk_window(const struct fk_qp *qp, uint32_t token);
void fk_forget_qp_windows(const struct fk_qp *qp);
/* A receive into q, which is a queue pair's own or shared; 0 or an errno */
int fk_put_receive(struct fk_queue *q, const struct ibv_recv_wr *wr,
		   uint32_t max_sge);
/* NULL, with errno set: the fault of this call, if it has one now */
static inline void *fk_fault_null(enum fv_call call)
{
	errno = fv_fault(call);
	return NULL;
}
void *fk_zalloc(size_t size);
/* It has been removed, and errno says so */
bool fk_is_gone(const struct ibv_context *ctx);
struct fk_device *fk_dev_of(const struct ibv_context *ctx);

#endif /* VERBS_FAKE_INT_H */
