/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * verbs_rig.h - the device model's part beside the verbs backend
 *
 * DOC: Two hosts, each with a backend on a device of verbs_fake.h.  The rig is
 * what the model is to a backend, the be_xxx() functions, and records what it
 * is told; the test plays the model's decisions and both guests.  Control
 * thread and worker are the test's thread, the backend's helpers are real:
 * where control waits for a semaphore, the workers have their turns meanwhile.
 *
 * rig_settle() brings everything forward until nothing moves any more, the
 * helpers' jobs included, so that what must not happen can be looked for after
 * it.  Time stands still (be_now()), but for rig_advance().
 *
 * It asserts what holds always: requests end in order, once, and never after
 * be_qp_stopped(); a queue pair is destroyed by then; each upcall comes once,
 * none after the last one, none after abort().
 */
#ifndef VERBS_RIG_H
#define VERBS_RIG_H

#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "../../host-backend/verbs/verbs.h"
#include "../../host-backend/verbs/vrb.h"
#include "verbs_fake.h"

#define RIG_WINDOW	64u		/* of each queue */
#define RIG_WRS		2048u		/* posted to one queue, ever */
#define RIG_PAGES	2048u		/* of a host's memfd */
#define RIG_PAGE	4096u
#define RIG_VA		0x7000000000ull	/* a guest's address of its page 0 */
#define RIG_PORT	7471

/* Pages of the memfd, in the order of the guest's addresses */
struct rig_mr {
	struct be_mr mr;		/* first */
	unsigned int host;
	const uint32_t *page;		/* NULL: page 0, 1, ... */
	uint64_t first;			/* byte in the first page */
	uint64_t unit;
	uint32_t answers;
	int err;			/* of the last answer */
};

struct rig_mw {
	struct be_mw mw;		/* first */
	unsigned int host;
	uint32_t answers;
	int err;			/* of the last answer */
	uint32_t token;			/* what it is bound to; 0: nothing */
	struct be_qp *qp;		/* on which */
	struct rig_mw *next;
};

struct rig_wr {
	struct be_wr wr;
	struct be_bind bind;
	bool applied;			/* be_sq_apply() */
	struct rig_mr *mr;		/* one element, or inline */
	uint64_t addr, length;
	uint8_t bytes[64];
	bool given;			/* be_sg_key() has told it */
	bool ended;
	enum virtio_rdma_wc_status status;
	uint32_t received;
	struct be_qp *user;		/* of a shared one: who used it */
	uint32_t order;			/* ...as how manieth of that */
};

struct rig_queue {
	struct rig_wr *wr;		/* RIG_WRS */
	uint32_t posted, taken, ended;
};

struct rig_srq {
	struct be_srq srq;		/* first */
	unsigned int host;
	struct rig_wr *wr;		/* RIG_WRS */
	uint32_t posted, taken, ended;
	bool woken;
	struct rig_srq *next;
};

struct be_qp {
	unsigned int host;
	struct be_qp_attr attr;
	struct be_conn *conn;		/* attached */
	struct rig_queue sq, rq;
	uint32_t shared_ended;		/* receives of its shared queue */
	uint32_t rnr_ms;
	bool woken, mute;
	bool failing;			/* be_qp_fail(), or a request failed */
	bool detached;			/* the peer has disconnected */
	bool stopping, stopped;
	uint32_t fails;
	enum virtio_rdma_reason reason;
	uint64_t wake_at;
	uint32_t qpn;
	struct be_qp *next;
};

struct rig_conn {
	unsigned int host;
	struct be_conn *conn;		/* NULL: none, or abort() was called */
	struct be_qp *qp;
	uint32_t accepted, rejected, unreachable, established, disconnected,
		aborted;
	bool over;			/* the last upcall has come */
	bool ended;			/* abort() was called */
	int err;
	enum virtio_rdma_reason reason;
	uint32_t received;		/* when disconnected() came */
	struct be_private priv;		/* of the last upcall that had some */
	struct be_read_limits limits;	/* the peer's */
	struct be_request request;
	struct rig_conn *next;
};

struct rig_host {
	struct backend *be;		/* NULL: not started */
	struct be_pd *pd;
	struct be_listener *listener;
	struct rig_mr mr;		/* all of mem, every right */
	struct rig_srq *srq;		/* with rig.share: of all queue pairs */
	int fd;
	uint8_t *mem;
	struct rig_conn *newest;	/* request() */
	bool refuse;			/* ...says -ECONNREFUSED */
	bool worker_off;		/* the worker does not run */
};

struct rig {
	struct rig_host host[FV_DEVICES];
	uint64_t now_ns;
	bool wire_off;			/* nothing moves on it */
	bool errors_expected;		/* lines of level error */
	bool shared;			/* connects are from reserved ends */
	bool share;			/* receives: rig_start_memory() makes a
					 * queue that rig_qp()'s have, too */
	void (*while_waiting)(void);	/* in control's next wait, once */
	struct be_qp *qps;
	struct rig_conn *conns;
	struct rig_srq *srqs;
	struct rig_mw *mws;
};

extern struct rig rig;

/* -------------------------------------------------------------------- a test */

/* Check's fixtures.  The end takes everything down, in the order that the
 * contract asks for, and fails if anything of a device is left. */
void rig_setup(void);
void rig_teardown(void);
/* ...the same in the middle of a test, for one that goes round */
void rig_down(void);

struct rig_test {
	const char *name;		/* of its case: CK_RUN_CASE */
	const TTest *test;
	int rounds;			/* _i counts them */
};
/* Between these two; main()'s result */
int rig_run_tests(const char *name, const struct rig_test *tests, size_t n);

/* 0 or the backend's -errno; domain and region come with the second */
int rig_start(unsigned int host);
int rig_start_memory(unsigned int host);
void rig_start_both(void);		/* must work; host 1 listens */

/* One turn of control thread, workers and wire; false: nothing happened */
bool rig_turn(void);
/* ...until nothing happens, with what helpers have in work */
void rig_settle(void);
/* ...until nothing happens; a helper may be held */
void rig_run_dry(void);
/* ...only the workers; for rig.while_waiting */
void rig_run_workers(void);
void rig_advance(uint64_t ms);
/* Until a worker has something to look at */
void rig_wait_worker(unsigned int host);

/* A warning of the backend since the last look had this text */
bool rig_warned(const char *text);

/* ---------------------------------------------------------------- connections */

struct be_addr rig_addr(unsigned int host, bool v6, uint16_t port);
struct be_private rig_private(size_t length);
int rig_listen(unsigned int host, bool v6);

struct be_qp *rig_qp(unsigned int host, uint32_t window);
/* Starts one from host 0 to host 1's listener.  With ->err if not. */
struct rig_conn *rig_connect(struct be_qp *qp, const struct be_private *priv);
struct rig_conn *rig_connect_to(struct be_qp *qp, const struct be_addr *from,
				const struct be_addr *to,
				const struct be_private *priv);
int rig_accept(struct rig_conn *c, struct be_qp *qp,
	       const struct be_private *priv);
int rig_complete(struct rig_conn *c);	/* and attaches its queue pair */
void rig_attach(struct rig_conn *c);	/* the passive one, when established */
int rig_disconnect(struct rig_conn *c);
void rig_stop(struct be_qp *qp);
/* What the model does with one that is not wanted any more: stop, with the
 * drain's deadline if need be, then abort() */
void rig_end(struct rig_conn *c);
void rig_abort(struct rig_conn *c);	/* only that */

struct rig_pair {
	struct rig_conn *a, *b;
};
/* An established one, its queue pairs attached */
struct rig_pair rig_pair(uint32_t window);
struct rig_pair rig_pair_of(struct be_qp *a, struct be_qp *b);
/* ...but only accepted, a not told of it yet by its guest */
struct rig_pair rig_half_pair(struct be_qp *a, struct be_qp *b);
/* a disconnects, b answers, both end */
void rig_part(struct rig_pair *p);

/* ----------------------------------------------------------------------- data */

/* Page 0 of a host's memory is byte 0 */
void rig_post(struct be_qp *qp, enum virtio_rdma_opcode op, uint64_t off,
	      uint64_t length, uint64_t remote_off);
void rig_post_inline(struct be_qp *qp, const void *bytes, uint64_t length);
void rig_post_receive(struct be_qp *qp, uint64_t off, uint64_t length);
/* The request of this number has ended so, and the queue no further */
#define rig_assert_ended(queue, n, want)                                       \
	do {                                                                   \
		ck_assert_uint_eq((queue)->ended, (n) + 1u);                   \
		ck_assert_int_eq((queue)->wr[n].status, want);                 \
	} while (0)

void rig_register(struct rig_mr *m);	/* the answer comes to it */
void rig_deregister(struct rig_mr *m);

/* Shared receive queues.  0 or the backend's -errno; the end takes it down */
int rig_srq_create(unsigned int host, uint32_t window, struct rig_srq **out);
struct rig_srq *rig_srq(unsigned int host, uint32_t window);	/* must work */
void rig_srq_destroy(struct rig_srq *s);
void rig_srq_post(struct rig_srq *s, uint64_t off, uint64_t length);
/* Receive n ended so, with a message for qp, its how manieth */
void rig_assert_shared(const struct rig_srq *s, uint32_t n,
		       const struct be_qp *qp, uint32_t order,
		       enum virtio_rdma_wc_status want);

/* Windows.  The answer comes to it; the end takes it down */
struct rig_mw *rig_mw_create(unsigned int host);
struct rig_mw *rig_mw(unsigned int host);	/* must work */
void rig_mw_destroy(struct rig_mw *m);
void rig_post_bind(struct be_qp *qp, struct rig_mw *m, uint32_t token,
		   uint64_t off, uint64_t length, uint32_t access);
void rig_post_invalidate(struct be_qp *qp, uint32_t token);
void rig_post_send_invalidate(struct be_qp *qp, uint64_t off, uint64_t length,
			      uint32_t token);

/* verbs_rig*.c to each other */
void *rig_alloc(size_t size);
void rig_assert_live(const struct be_qp *qp);
struct rig_wr *rig_fill_wr(struct rig_wr *w, unsigned int host, uint64_t off,
			   uint64_t length);
struct rig_wr *rig_post_to(struct be_qp *qp, struct rig_queue *q, uint64_t off,
			   uint64_t length);
void rig_stop_shared(unsigned int host);	/* its queues, its windows */
void rig_forget_shared(void);

#endif /* VERBS_RIG_H */
