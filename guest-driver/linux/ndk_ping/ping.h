/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-or-later */
/*
 * ping.h - ndk_ping: a kernel-mode NetworkDirect consumer to test with
 *
 * DOC: An open file is a run; a run is a thread
 *
 * The tool writes its arguments, one a line, in one write; the thread does the
 * run and its output is read from the same file.  "stop" ends a -K run in an
 * orderly way; closing the file ends any run at once.  The last line is
 * "exit N"; lines that begin with "!" belong on standard error.
 *
 * Only the thread touches a struct ping.  NDK's callbacks set flags and fields
 * that the thread waits for, and wake it.  Everything a callback touches lives
 * until the adapter is closed, which waits for all callbacks.
 *
 * DOC: What the two ends say to each other
 *
 * The client's private data is a struct ping_wish and the user's text; the
 * server's a mark and its text.  Both then send HELLO with address and token of
 * their data area.  The client leads:
 *
 *	send	a batch of data messages, CHECK; answered CHECKED
 *	write	a batch of writes, CHECK; answered CHECKED
 *	read	FILL; answered FILLED; then a batch of reads
 *
 * DONE ends it and is answered.  Receives are posted again before an answer
 * goes out, and a batch is no longer than they are many: a send always finds
 * one.
 */
#ifndef NDK_PING_H
#define NDK_PING_H

#include <linux/kthread.h>
#include <linux/ktime.h>
#include <linux/list.h>
#include <linux/mutex.h>
#include <linux/spinlock.h>
#include <linux/wait.h>

#include "vrdma_ndk.h"
#include "virtio_rdma.h"

enum ping_op { OP_SEND, OP_WRITE, OP_READ, OP_COUNT };
enum ping_test { TEST_VERIFY, TEST_BW, TEST_LAT, TEST_COUNT };
enum ping_who { WHO_CLIENT, WHO_SERVER, WHO_BOTH, WHO_COUNT };

extern const char *const ping_op_names[OP_COUNT];

union ping_addr {
	SOCKADDR sa;
	struct nd_sockaddr_in in;
	struct nd_sockaddr_in6 in6;
};

struct options {
	bool server;
	union ping_addr peer;		/* client */
	char which[48];			/* -a: address text, or empty */
	u16 port;
	u32 connections;
	char text[VIRTIO_RDMA_MAX_PRIVATE + 1];
	enum ping_op op;
	enum ping_test test;
	u64 size;
	u32 count;
	u32 depth;
	bool wait;			/* sleep for completions at once */
	u32 timeout_ms;
	bool verbose;
	bool who_given;
	enum ping_who who;
	u32 hold_ms;
	char hold_file[256];
	bool late;
	bool keep;
	bool shared;			/* client: connect from a shared endpoint */
};

struct run;

/* options.c: 0, or the exit status after it said why */
int ping_options(struct run *run, char *args, size_t len, struct options *o);
bool ping_addr_parse(const char *text, u16 port, union ping_addr *out);
ULONG ping_addr_len(const union ping_addr *a);

/* --- run: misc.c ------------------------------------------------------------------- */

struct run {
	struct options o;
	struct task_struct *thread;
	struct mutex lock;		/* start and stop */

	spinlock_t slock;
	struct list_head lines;		/* output, under slock */
	u32 queued;			/* under slock */
	bool finished;			/* under slock: no more lines */

	wait_queue_head_t readers;
	wait_queue_head_t wait;		/* the thread's */
	bool abort;			/* the file is closed */
	bool stop;			/* end in an orderly way */

	/* the thread's */
	NDK_ADAPTER *adapter;
	NDK_ADAPTER_INFO info;
	NDK_LISTENER *listener;
	struct list_head incoming;	/* struct incoming, under slock */
	u32 incoming_count;
};

void run_line(struct run *run, const char *fmt, ...) __printf(2, 3);
/* "<time> ndk_ping ..." */
void run_event(struct run *run, const char *fmt, ...) __printf(2, 3);
/* false, always: what, where, how to mend, for standard error */
bool run_error(struct run *run, const char *fmt, ...) __printf(2, 3);
bool run_status_error(struct run *run, const char *what, NTSTATUS status,
		      const char *mend);
const char *status_name(NTSTATUS status, char *buf, size_t len);
struct status_text { char s[24]; };
#define STATUS_NAME(st) \
	status_name(st, (struct status_text){ "" }.s, sizeof(struct status_text))

int run_main(struct run *run);		/* connect.c: the exit status */

/* --- asynchronous calls: call.c ------------------------------------------------------ */

struct call {
	struct run *run;
	bool done;
	bool abandoned;
	NTSTATUS status;
	NDK_OBJECT_HEADER *object;
};

/* A request (no object) whose end was not waited for is never freed: a leak of
 * a few bytes against a write into freed memory, and its run failed anyhow. */
struct call *call_new(struct run *run);
void call_created(void *call, NTSTATUS status, NDK_OBJECT_HEADER *object);
void call_done(void *call, NTSTATUS status);
void call_closed(void *call);
/* Frees the call unless time was up: STATUS_TIMEOUT, ask again */
NTSTATUS call_wait(struct call *call, NTSTATUS returned, u32 ms, void *object_out);
/* NdkCloseXxx and wait for its end; NULL is nothing to close */
void close_object(struct run *run, void *object);

/* --- one connection -------------------------------------------------------------------- */

#define PING_MAGIC	0x4b444e50u	/* "PNDK" */
#define PING_MAX_DEPTH	256u
#define MSG_SIZE	64u
#define EXTRA_RECEIVES	4u		/* for what is not data */
#define MAX_MEMORY	(256ull << 20)

struct ping_wish {
	u32 magic;
	u8 op, test, who, keep;
	u64 size;
	u32 count, seed, hold_ms;
	u16 depth;
	u16 reserved;
};

enum ping_type {
	MSG_HELLO = 1,
	MSG_CHECK,
	MSG_CHECKED,
	MSG_FILL,
	MSG_FILLED,
	MSG_DONE,
};

struct ping_msg {
	u32 magic;
	u16 type;
	u16 good;
	u64 addr;
	u32 token;
	u32 count;
	u64 base;
	u32 who;
	u32 reserved[7];
};
static_assert(sizeof(struct ping_msg) == MSG_SIZE);

enum rc {
	RC_OK,
	RC_FAILED,
	RC_LOST,		/* the connection is over */
};

struct wr {
	bool posted;
	bool receive;
	u32 slot;
};

struct ping {
	struct run *run;
	const struct options *o;
	struct ping_wish wish;
	bool client;
	enum ping_who who;

	NDK_CQ *cq;
	NDK_PD *pd;
	NDK_MR *mr;
	NDK_QP *qp;
	NDK_CONNECTOR *conn;
	NDK_SHARED_ENDPOINT *shared;	/* -e, or NULL */

	/* memory: message slots, receive slots, data slots */
	u8 *memory;
	u64 memory_size;
	u64 *pages;
	bool registered;
	u32 token;
	u32 remote_token;
	u32 recv_slots;
	u64 recv_size;
	u8 *recv_area;
	u8 *data;
	u32 data_slots;
	u64 slot_size;

	u64 peer_addr;
	u32 peer_token;

	struct wr *wrs;			/* receive slots, then sends */
	u32 wr_count;
	u32 sends;			/* initiator requests outstanding */
	u32 *arrived;			/* ring of receive slots in order */
	u32 *arrived_bytes;
	u32 arrived_head, arrived_tail;	/* free running */

	u64 posted, completed, cancelled, failed;
	bool miscounted;
	NTSTATUS broken;		/* of the first request that failed */

	/* set by callbacks */
	bool cq_event;
	u32 indications;
	u32 reason;
	u32 told;			/* indications printed */
};

/* endpoint.c */
bool ping_prepare(struct ping *p);
void ping_release(struct ping *p);

/* work.c */
NTSTATUS post_receive(struct ping *p, u32 slot);
NTSTATUS post_send(struct ping *p, const void *from, u32 len);
NTSTATUS post_rdma(struct ping *p, u8 *local, u64 remote);
enum rc wait_sends(struct ping *p, u32 at_most);
enum rc wait_arrival(struct ping *p, u32 *slot, u32 *bytes);
bool drain(struct ping *p);		/* false: said that time is up */
void tell_indication(struct ping *p);
bool wait_indication(struct ping *p, u32 ms);

/* talk.c */
enum rc say(struct ping *p, const struct ping_msg *m);
enum rc hear(struct ping *p, enum ping_type want, struct ping_msg *m);
enum rc take_message(struct ping *p, u32 slot, u32 bytes, struct ping_msg *m);
enum rc again(struct ping *p, u32 slot);
enum rc hello(struct ping *p);

/* pattern.c */
void pattern_fill(void *at, u64 len, u32 seed, u64 index);
bool pattern_check(const void *at, u64 len, u32 seed, u64 index);

/* client.c, server.c, latency.c */
enum rc drive(struct ping *p);
enum rc serve(struct ping *p);
enum rc latency(struct ping *p);
enum rc echo(struct ping *p);
void report(struct ping *p, u64 count, u64 us, bool good);

/* finish.c */
void disconnect_event(void *ping, ULONG reason);
int finish(struct ping *p, enum rc rc);

#endif /* NDK_PING_H */
