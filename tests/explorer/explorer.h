/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * explorer.h - every order of the events of a connection's end
 *
 * DOC: Two real guest cores and the real device model in one process and one
 * thread.  What makes them run are events: a call of a consumer, a command
 * that reaches the device, an answer that reaches a driver, a message of the
 * control loop, a turn of the worker, a timer.  The search picks which of the
 * events that can happen now does; when none is left the order is complete.
 * Time is a number that only a timer's event moves.
 *
 * world.c	two guests, the queues between drivers and device
 * os.c		the operating system that the cores see
 * consumer.c	the consumers: their calls and callbacks
 * begin.c	what they have when an order begins
 * check.c	rules 1-8 (docs/explorer.md), on each callback and at the end
 * order.c	one order: its events, its beginning, its end
 * search.c	all orders, or a sample
 * scenario.c	what the consumers do; fuzz.c: the same at random
 * plants.c	faults that must be found
 */
#ifndef EXPLORER_H
#define EXPLORER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "guest.h"
#include "vrdma_user.h"

/* ------------------------------------------------------------------- world */
#define MEM_PAGES	768u
#define DATA_SIZE	4096u
#define MAX_WR		12u
#define WR_BYTES	128u		/* two turns of the worker */
#define WR_STRIDE	160u
#define TARGETS		2048u		/* where the peer's requests point to */
#define RING		2048u
#define QUEUES		4u
#define TIMEOUT_MS	10000u
#define MAX_THREADS	3		/* of one consumer */
#define MAX_CALLS	8		/* of one thread */

struct chain {
	void *cookie;
	uint8_t *out, *in;
	uint32_t out_len, in_len;
};

struct fifo {
	struct chain e[RING];
	uint32_t head, tail;
};

struct vqueue {
	struct fifo posted, used;
};

/* What the consumer of a side knows, told by nothing but its own callbacks */
enum cstate {
	C_NONE, C_IDLE, C_CONNECTING, C_REPLIED, C_COMPLETING, C_INCOMING,
	C_ACCEPTING, C_ESTABLISHED, C_INDICATED, C_DISCONNECTING, C_OVER,
	C_CLOSED,
};

struct wr {
	char op;
	bool posted;
	bool silent;
	bool after_error;	/* posted when the queue pair was in error */
	bool after_disc;	/* posted behind the call of Disconnect */
	bool delivered;		/* its bytes were seen at the peer */
	uint32_t completions;
	NTSTATUS status;
};

struct side {
	int index;
	/* as long as the world, or until a reset */
	struct guest_conf conf;
	struct guest *guest;
	struct vrdma_core *core;
	int fd;
	uint8_t *mem;
	bool page_used[MEM_PAGES];
	uint32_t pages_used, allocs;
	struct vqueue q[QUEUES];
	uint32_t budget;	/* chains that queue_get() gives now */
	struct vrdma_work *work;
	bool locked;
	uint32_t commands;	/* with the device */
	NDK_ADAPTER *adapter;
	NDK_PD *pd;
	NDK_CQ *cq;
	NDK_MR *mr;
	NDK_LISTENER *listener;
	struct vrdma_dma data_dma;
	uint8_t *data;
	uint32_t local_token, remote_token;

	/* one order */
	NDK_QP *qp;
	NDK_CONNECTOR *conn;
	enum cstate state;
	bool established;	/* once */
	bool acted;		/* Disconnect or close of a connection */
	bool disc_called, disc_done;
	NTSTATUS disc_status;
	uint64_t disc_time;
	bool disc_behind_indication;
	bool heard_graceful;	/* its device was told of the peer's notification */
	NDK_CONNECTOR *second;	/* a try to use the queue pair again */
	bool second_called, second_pending, second_closed;
	bool refused;		/* closed a second request */
	bool rejected, cancelled, flushed, broken, reset, lost, killed, paused;
	bool close_called, close_pending, close_done;
	bool qp_close_called, qp_close_pending, qp_close_done;
	bool request_pending;
	uint32_t indications, reason;
	bool event_posted;
	bool sealed;
	struct wr wr[MAX_WR];
	uint32_t wrs;
	bool dirty;		/* cannot be used for another order */
};

struct world {
	struct model model;
	struct side side[2];
	uint64_t now;
	uint32_t local_live;	/* baseline */
	bool timer_fired;
	bool bad_token;		/* a request was posted that breaks both ends */
	bool failed;		/* rebuild */
};

extern struct world world;

static inline struct side *peer_of(const struct side *s)
{
	return &world.side[!s->index];
}

/* Of B's listener, a struct sockaddr_in */
const uint8_t *listen_address(void);
void world_start(void);
/* Repairs what a reset left behind, or makes all of it new after a violation */
void world_mend(void);
void side_start(struct side *s);
void side_end(struct side *s);
/* Lets everything happen that can, but for timers */
void world_settle(void);
void device_take_command(struct side *s);
/* One used chain of a queue to its driver */
void driver_hear(struct side *s, uint32_t queue);
void queues_clear(struct side *s);
bool fifo_empty(const struct fifo *f);
void fifo_put(struct fifo *f, const struct chain *c);
bool fifo_get(struct fifo *f, struct chain *c);
/* The order's first violation; rule 1..8 */
void violation(int rule, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

/* os.c */
extern const struct vrdma_os_ops os_ops;

/* ---------------------------------------------------------------- consumers */
/* fault letters and calls: see the table in consumer.c */
bool call_known(char op);
const char *call_name(char op);
bool call_ready(const struct side *s, char op);
void call_run(struct side *s, char op);
void consumer_poll(struct side *s);
/* Before an order: objects, and with established a connection */
void consumer_begin(bool established);
/* What request i of s sends is made of this byte */
uint8_t wr_pattern(const struct side *s, uint32_t i);
/* The device's queue pair, NULL: there is none */
struct vr_qp *device_qp(const struct side *s);
void device_lost(struct side *s);
void resume_guest(struct side *s);
void close_connector(struct side *s);
void close_qp(struct side *s);
void close_second(struct side *s);
NTSTATUS ndk_close(void *object, NDK_FN_CLOSE_COMPLETION *cb, void *ctx);

/* ------------------------------------------------------------------- checks */
void check_misuse(const struct side *s, const char *what, NTSTATUS got,
		  NTSTATUS want);
void check_disconnected(struct side *s, NTSTATUS status);
void check_indication(struct side *s, uint32_t reason);
void check_callback(const struct side *s, const char *what);
void check_completion(struct side *s, struct wr *w);
void check_step(void);
void check_quiet(void);
void check_ended(void);
void check_closed(void);
void check_leaks_begin(void);
void check_leaks(void);
/* The memory is the consumer's alone from here on */
void seal(struct side *s);

/* ---------------------------------------------------------------- scenarios */
#define F_NDSPI		0x1	/* policy: flush behind the indication */
#define F_CLOSE_IN_DISC	0x2	/* close inside Disconnect's completion */
#define F_CLOSE_IN_IND	0x4	/* close inside the indication */
#define F_DISC_IN_IND	0x8	/* Disconnect inside the indication */
#define F_CLOSE_IN_SETUP 0x20	/* close inside the handshake's completions */
#define F_QP_IN_DISC	0x40	/* CloseQp inside Disconnect's completion */
#define F_ARM		0x10	/* the CQ is armed at the start */

struct scenario {
	const char *name;
	const char *what;
	bool fresh;		/* not connected at the start */
	uint32_t ticks;		/* timers that may fire as events */
	uint32_t flags[2];
	const char *call[2][MAX_THREADS];
};

extern const struct scenario scenarios[];
extern const unsigned int scenario_count;
extern const struct scenario *scenario;	/* the one that runs */

/* ------------------------------------------------------------------- orders */
#define MAX_EVENTS	400	/* of one order */

/* Which of the events can happen now, bit per event */
uint32_t events_ready(void);
void event_run(int ev);
void event_name(int ev, char *out, size_t len);
/* They commute, whatever the state: the drivers of two guests */
bool events_independent(int a, int b);
void order_begin(const struct scenario *sc);
void order_end(void);
void trace(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void trace_on(bool on);
void trace_reset(void);
const char *trace_text(void);

struct verdict {
	int rule;		/* 0: none */
	int also;		/* another that the same breaks, or 0 */
	char text[300];
};
extern struct verdict verdict;

/* ------------------------------------------------------------------- search */
struct result {
	uint64_t orders;
	uint64_t violations;
	uint64_t seen[9];	/* by rule */
	uint32_t longest;
	bool exhaustive;
};

struct search {
	uint64_t limit;		/* orders to enumerate before it samples */
	uint64_t samples;
	uint64_t seed;
	uint64_t only;		/* this order with a trace; 0: all */
	int stop_at_rule;	/* 0: never */
	bool quiet;
};
void search_run(const struct scenario *sc, const struct search *how,
		struct result *out);
/* More samples of one that was not exhausted */
void search_more(const struct scenario *sc, const struct search *how,
		 uint64_t samples, struct result *out);

/* Random scenario number of a seed; good until the next call */
void fuzz_scenario(uint64_t seed, uint64_t number, struct scenario *out);

/* ------------------------------------------------------------------- plants */
struct plant {
	int number;
	int rule;
	const char *what;
};
extern const struct plant plants[];
extern const unsigned int plant_count;

#endif /* EXPLORER_H */
