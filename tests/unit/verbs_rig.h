/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * verbs_rig.h - the device model's part beside the verbs backend
 *
 * DOC: Two hosts, each with a backend on a device of verbs_fake.h.  The rig is
 * what the model is to a backend, the be_xxx() functions, and records what it
 * is told; the test plays the model's decisions and both guests.  Control
 * thread and worker are the test's thread, the backend's helpers are real.
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

struct rig_wr {
	struct be_wr wr;
	struct rig_mr *mr;		/* one element, or inline */
	uint64_t addr, length;
	uint8_t bytes[64];
	bool given;			/* be_sg_key() has told it */
	bool ended;
	enum virtio_rdma_wc_status status;
	uint32_t received;
};

struct rig_queue {
	struct rig_wr *wr;		/* RIG_WRS */
	uint32_t posted, taken, ended;
};

struct be_qp {
	unsigned int host;
	struct be_qp_attr attr;
	struct be_conn *conn;		/* attached */
	struct rig_queue sq, rq;
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
	struct be_qp *qps;
	struct rig_conn *conns;
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

#endif /* VERBS_RIG_H */
