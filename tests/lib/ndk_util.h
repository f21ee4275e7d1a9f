/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ndk_util.h - NDK for tests: calls that wait, end points, memory
 *
 * DOC: A struct ep is one side of a connection with all it needs, and counts
 * what its callbacks saw.  Calls that may pend take a struct op; op_wait()
 * waits for it with a bound and fails the running Check test when time runs
 * out.
 */
#ifndef TESTS_NDK_UTIL_H
#define TESTS_NDK_UTIL_H

#include <check.h>
#include <netinet/in.h>
#include <pthread.h>

#include "os_user.h"
#include "vrdma_user.h"

/* One asynchronous call */
struct op {
	pthread_mutex_t lock;
	pthread_cond_t cond;
	bool done;
	NTSTATUS status;
	NDK_OBJECT_HEADER *object;
};
void op_init(struct op *op);
void op_created(PVOID ctx, NTSTATUS status, NDK_OBJECT_HEADER *obj);
void op_ended(PVOID ctx, NTSTATUS status);
void op_closed(PVOID ctx);
/* What the call returned; then: its final status */
NTSTATUS op_wait(struct op *op, NTSTATUS inline_status);
/* Ended within ms?  For "is still pending" and for chosen bounds */
bool op_wait_ms(struct op *op, uint32_t ms);

/* waits until *counter is >= n */
bool wait_count(const _Atomic uint32_t *counter, uint32_t n, uint32_t ms);

/* Close any NDK object and wait for its completion */
void nd_close(void *object);
/* Start only: the completion goes to op */
NTSTATUS nd_close_start(void *object, struct op *op);

NDK_ADAPTER *nd_open(struct tguest *g);
NDK_ADAPTER_INFO nd_info(NDK_ADAPTER *a);
NDK_CQ *nd_cq(NDK_ADAPTER *a, uint32_t depth,
	      NDK_FN_CQ_NOTIFICATION_CALLBACK *cb, PVOID ctx);
NDK_PD *nd_pd(NDK_ADAPTER *a);
NDK_CONNECTOR *nd_connector(NDK_ADAPTER *a);
NDK_MW *nd_mw(NDK_PD *pd);
NDK_SRQ *nd_srq(NDK_PD *pd, uint32_t depth, uint32_t threshold,
		NDK_FN_SRQ_NOTIFICATION_CALLBACK *cb, PVOID ctx);

/* Registered memory of the guest */
struct mem {
	struct tguest *g;
	struct vrdma_dma dma;
	uint8_t *va;
	size_t size;
	MDL mdl;
	NDK_MR *mr;
	uint32_t local;
	uint32_t remote;
};
#define MEM_ALL (NDK_MR_FLAG_ALLOW_REMOTE_READ | NDK_MR_FLAG_ALLOW_REMOTE_WRITE)
void mem_init(struct mem *m, struct tguest *g, NDK_PD *pd, size_t size,
	      uint32_t flags);
void mem_fini(struct mem *m);
void mem_fill(struct mem *m, uint32_t seed);
/* -1: all as mem_fill() wrote it, else the offset of the first wrong byte */
int64_t mem_check(const void *p, size_t len, uint32_t seed, size_t start);

/* Every byte is v.  One assertion a byte would take a minute */
bool mem_is(const void *p, size_t len, uint8_t v);

/* Addresses: guest index as in DAEMON_IPV4() */
struct sa {
	union {
		SOCKADDR sa;
		struct sockaddr_in in;
		struct sockaddr_in6 in6;
	};
	ULONG len;
};
struct sa sa_v4(int guest, uint16_t port);
struct sa sa_v6(int guest, uint16_t port);
uint16_t sa_port(const struct sa *sa);

/* Requests that may wait to be taken.  A kernel has less room on its stack */
#ifndef LISTENER_QUEUE
#define LISTENER_QUEUE 4096
#endif

struct listener {
	NDK_LISTENER *obj;
	pthread_mutex_t lock;
	pthread_cond_t cond;
	NDK_CONNECTOR *queue[LISTENER_QUEUE];
	uint32_t head, tail;
	struct sa addr;
	/* takes each request, in the thread that brings it; NULL: they queue up */
	void (*on_request)(struct listener *l, NDK_CONNECTOR *c);
};
void listener_start(struct listener *l, NDK_ADAPTER *a, struct sa addr);
void listener_create(struct listener *l, NDK_ADAPTER *a);	/* not listening */
NTSTATUS listener_try(struct listener *l, NDK_ADAPTER *a, struct sa addr);
NDK_CONNECTOR *listener_next(struct listener *l);
void listener_stop(struct listener *l);

struct ep;
struct ep_opts {
	uint32_t depth;			/* both queues, default 16 */
	uint32_t sge;			/* default 4 */
	uint32_t inline_size;
	size_t mem;			/* bytes, default 64 KiB */
	uint32_t qp_flags;		/* VRDMA_QP_FLUSH_ON_PEER_DISCONNECT */
	uint32_t cq_depth;		/* default 4 * depth */
	struct ep *share;		/* uses its adapter, PD, CQ and memory */
	NDK_SRQ *srq;			/* of that PD: receives come from there */
	/* behind each event of the CQ, in the thread that brings it, or NULL */
	void (*on_event)(struct ep *e);
};

struct ep {
	struct tguest *g;
	bool shares;			/* all but QP and connector is another's */
	NDK_ADAPTER *adapter;
	NDK_PD *pd;
	NDK_CQ *cq;
	NDK_QP *qp;
	NDK_CONNECTOR *conn;
	struct mem mem;
	struct ep_opts opts;
	/* by callbacks */
	_Atomic uint32_t indications;
	_Atomic uint32_t reason;	/* of the last one */
	_Atomic uint32_t cq_events;
	NTSTATUS cq_status;
};
void ep_init(struct ep *e, struct tguest *g, const struct ep_opts *o);
void ep_fini(struct ep *e);
/* After a connection's end: a fresh queue pair, as nothing is reused (D8) */
void ep_renew(struct ep *e);
/* a connects to b through l; both established.  priv may be NULL */
void ep_connect(struct ep *a, struct ep *b, struct listener *l,
		const char *a_says, const char *b_says);
NTSTATUS ep_accept_start(struct ep *b, NDK_CONNECTOR *conn, const char *says,
			 struct op *op);
NTSTATUS ep_connect_start(struct ep *a, struct sa to, const char *says,
			  struct op *op);
NTSTATUS ep_complete(struct ep *a);
/* Both sides disconnect, both succeed */
void ep_disconnect_both(struct ep *a, struct ep *b);
NTSTATUS ep_disconnect_start(struct ep *e, struct op *op);

void ep_arm(struct ep *e, ULONG kind);	/* NDK_CQ_NOTIFY_xxx */
/* So many callbacks of its queue, bounded, none of them for an error */
void ep_expect_events(struct ep *e, uint32_t n);
/* One completion, bounded */
NDK_RESULT_EX ep_next(struct ep *e);
/*
 * What e was told is this reason, or, where the wire has one word for all ends of the
 * peer, that one; and what a Disconnect behind it then ends with: that of a graceful
 * end, or want
 */
bool ep_was_told(const struct ep *e, uint32_t reason);
NTSTATUS ep_end_of(const struct ep *e, uint32_t reason, NTSTATUS want);
/* No completion is there */
bool ep_idle(struct ep *e);
NDK_SGE ep_sge(struct ep *e, size_t offset, uint32_t len);
NTSTATUS ep_post_recv(struct ep *e, uint64_t id, size_t offset, uint32_t len);
NTSTATUS ep_post_send(struct ep *e, uint64_t id, size_t offset, uint32_t len,
		      uint32_t flags);
NTSTATUS ep_post_write(struct ep *e, uint64_t id, size_t offset, uint32_t len,
		       struct ep *to, size_t to_offset, uint32_t flags);
NTSTATUS ep_post_read(struct ep *e, uint64_t id, size_t offset, uint32_t len,
		      struct ep *from, size_t from_offset, uint32_t flags);

#define ID(n) ((PVOID)(uintptr_t)(n))
#define assert_status(got, want) ck_assert_uint_eq((uint32_t)(got), (uint32_t)(want))

#endif /* TESTS_NDK_UTIL_H */
