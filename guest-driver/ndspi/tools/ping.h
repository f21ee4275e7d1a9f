/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-or-later */
/*
 * ping.h - nd_ping: options, one connection's end point, its messages
 *
 * DOC: What the two ends say to each other
 *
 * The client's private data carries what it wants to do (struct ping_wish) and
 * the user's text; the server's carries a mark and its text.  After the
 * connection stands both exchange HELLO messages with the address and token of
 * their data area.  Then the client leads:
 *
 *	send	COUNT data messages, then DONE; the server answers DONE
 *	write	writes a batch, CHECK; the server checks it and answers CHECKED
 *	read	FILL; the server fills its area, FILLED; the client reads and checks
 *
 * DONE ends the test, BYE the conversation, both are answered in kind.  A
 * receive is posted again as soon as its message has been looked at, and every
 * message from the server gives the client credit for as many more as it has
 * posted again since; so a send never finds no receive.  All of it is
 * little-endian.
 */
#ifndef ND_PING_H
#define ND_PING_H

#include <stdatomic.h>

#include "nd_vrdma.h"
#include "tool.h"

enum ping_op { OP_SEND, OP_WRITE, OP_READ, OP_COUNT };
enum ping_test { TEST_VERIFY, TEST_BW, TEST_LAT, TEST_COUNT };
enum ping_who { WHO_CLIENT, WHO_SERVER, WHO_BOTH, WHO_COUNT };

extern const char *const ping_op_names[OP_COUNT];

struct options {
	bool server;
	bool have_addr;
	struct sockaddr_storage addr;	/* client: peer.  server: own */
	ULONG addr_cb;
	bool have_local;		/* client's own */
	struct sockaddr_storage local;
	ULONG local_cb;
	uint16_t port;
	uint32_t connections;
	const char *text;		/* private data */
	enum ping_op op;
	enum ping_test test;
	uint64_t size;
	uint32_t count;
	uint32_t depth;
	bool wait;			/* for completions: arm and sleep */
	double timeout;			/* seconds, of every wait */
	bool verbose;
	bool who_given;
	enum ping_who who;		/* disconnects first */
	uint32_t hold_ms;		/* before answering a disconnect */
	const char *hold_file;
	bool late;
	bool keep;
};

/* < 0: options taken; else the exit status */
int ping_options(int argc, char **argv, struct options *o);

/* ---------------------------------------------------------------- messages */

#define PING_MAGIC 0x3147504eu	/* "NPG1" */
#define PING_MAX_DEPTH 256u

struct ping_wish {
	uint32_t magic;
	uint8_t op;
	uint8_t test;
	uint8_t who;
	uint8_t keep;
	uint64_t size;
	uint32_t count;
	uint32_t seed;
	uint32_t hold_ms;
	uint16_t depth;
	uint16_t reserved;
};
_Static_assert(sizeof(struct ping_wish) == 32, "wire format");

enum ping_type {
	MSG_HELLO = 1,
	MSG_CREDIT,
	MSG_CHECK,
	MSG_CHECKED,
	MSG_FILL,
	MSG_FILLED,
	MSG_DONE,
	MSG_BYE,
};

struct ping_msg {
	uint32_t magic;
	uint16_t type;
	uint16_t good;		/* CHECKED, DONE: contents were right */
	uint64_t addr;		/* HELLO */
	uint32_t token;		/* HELLO */
	uint32_t slots;		/* HELLO: receives posted */
	uint64_t base;		/* CHECK, FILL: number of the first transfer */
	uint32_t count;		/* CHECK, FILL: how many; DONE: in all */
	uint32_t credit;	/* receives posted again since */
	uint32_t who;		/* HELLO of the server: who disconnects */
	uint32_t reserved[5];
};
_Static_assert(sizeof(struct ping_msg) == 64, "wire format");

/* --------------------------------------------------------------- end point */

/* Every function below that returns enum ping_rc stops at the first that is
 * not PING_OK and has said why. */
enum ping_rc {
	PING_OK,
	PING_FAILED,
	PING_LOST,		/* the connection is over: see ping->indicated */
};

struct wr {
	bool posted;		/* and has not completed */
	bool receive;
	uint32_t slot;
};

struct arrival {
	uint32_t slot;
	uint32_t bytes;
};

struct ping {
	const struct options *o;
	struct ping_wish wish;	/* of the client, known to both */
	bool client;
	enum ping_who who;

	IND2Adapter *adapter;
	HANDLE file;
	ND2_ADAPTER_INFO info;
	IND2CompletionQueue *cq;
	IND2MemoryRegion *mr;
	IND2QueuePair *qp;
	IND2Connector *connector;

	/* memory: message slots to send from, receive slots, data area */
	uint8_t *memory;
	uint64_t memory_size;
	uint32_t send_slots;
	uint32_t recv_slots;
	uint64_t recv_size;	/* bytes in one receive slot */
	uint8_t *recv_area;
	uint8_t *data;
	uint32_t data_slots;
	uint32_t token;

	/* the peer, from its HELLO */
	uint64_t peer_addr;
	uint32_t peer_token;

	struct wr *wrs;
	uint32_t wr_count;
	uint32_t *wr_free;
	uint32_t wr_free_count;
	uint32_t sends;		/* initiator requests outstanding */
	uint32_t send_turn;	/* message slot to use next */
	uint32_t credits;	/* messages the peer can take */
	uint32_t owed;		/* receives posted again, peer not told */

	struct arrival *arrivals;	/* ring of recv_slots + 1 */
	uint32_t arrival_head;
	uint32_t arrival_tail;

	/* what the "outstanding" line tells */
	uint64_t posted;
	uint64_t completed;
	uint64_t cancelled;
	uint64_t failed;
	bool miscounted;
	bool wrong;		/* contents: the connection ends well, not we */
	HRESULT broken;		/* status of the first request that failed */

	OVERLAPPED ov_notify;
	bool notify_pending;
	uint32_t indicated;
	OVERLAPPED ov_cq;
	bool cq_pending;
	HRESULT cq_error;
};

/* ping_endpoint.c: adapter, objects, memory */
bool ping_open(struct ping *p, const struct sockaddr *local, ULONG cb);
bool ping_prepare(struct ping *p);	/* CQ, memory, QP; receives posted */
void ping_release(struct ping *p);	/* all but adapter and file */
void ping_close(struct ping *p);
/* waits for an overlapped request of obj.  false: said that time is up */
bool ping_wait(struct ping *p, void *obj, OVERLAPPED *ov, double seconds,
	       const char *what, HRESULT *hr);

/* ping_work.c: posting and completions, each request counted */
/* what a post that answered hr means for the test; says it if it failed */
enum ping_rc ping_posted(struct ping *p, const char *what, HRESULT hr);
HRESULT ping_post_receive(struct ping *p, uint32_t slot);
HRESULT ping_post_send(struct ping *p, const void *from, uint32_t len);
enum ping_rc ping_post_rdma(struct ping *p, uint8_t *local, uint64_t remote,
			    uint64_t len);
enum ping_rc ping_wait_sends(struct ping *p, uint32_t at_most);
enum ping_rc ping_wait_arrival(struct ping *p, struct arrival *a);
bool ping_poll(struct ping *p);		/* something completed */
bool ping_drain(struct ping *p);	/* until nothing is outstanding */
void ping_check_indication(struct ping *p);

/* ping_message.c */
enum ping_rc ping_say(struct ping *p, const struct ping_msg *m);
enum ping_rc ping_hear(struct ping *p, enum ping_type want, struct ping_msg *m);
enum ping_rc ping_hear_any(struct ping *p, struct ping_msg *m);
enum ping_rc ping_next(struct ping *p, const uint8_t **at, uint32_t *bytes,
		       uint32_t *slot);
enum ping_rc ping_again(struct ping *p, uint32_t slot);
enum ping_rc ping_hello(struct ping *p);
enum ping_rc ping_take_credit(struct ping *p);
enum ping_rc ping_ask(struct ping *p, enum ping_type type, uint64_t base,
		      uint32_t count, enum ping_type answer, bool *good);

/* ping_client.c, ping_server.c, ping_latency.c: the tests */
extern atomic_bool ping_stop;	/* asked by a signal to end -K */
enum ping_rc ping_drive(struct ping *p);
enum ping_rc ping_serve(struct ping *p);
enum ping_rc ping_latency(struct ping *p);
/* the line "transfer"; notes wrong contents */
void ping_report(struct ping *p, uint64_t count, double seconds, bool good);

/* ping_end.c: both ends' disconnect, late posts, the count; exit status */
enum ping_rc ping_start_notify(struct ping *p);
int ping_end(struct ping *p, enum ping_rc rc);

#endif /* ND_PING_H */
