/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * fake_model.h - the model's side of backend.h for a fuzzer, in one thread
 *
 * DOC: It keeps the contract's promises and aborts where the backend breaks
 * one: completions out of order or twice, memory asked for by a queue pair that
 * is not open, upcalls after the last word.
 */
#ifndef FUZZ_FAKE_MODEL_H
#define FUZZ_FAKE_MODEL_H

#include "iw.h"

#define must(cond) do { if (!(cond)) __builtin_trap(); } while (0)

#define FAKE_MEM   4096u
#define FAKE_TOKEN 0x11223344u
#define FAKE_ADDR  0x7000u
#define FAKE_DEPTH 8u

struct fake_wr {
	struct be_wr wr;	/* first */
	struct be_sg *sg;
};

struct be_qp {
	bool open, failed, stopped, mute;
	uint32_t sends, recvs;			/* posted */
	uint32_t sent, received;		/* taken */
	uint32_t send_ends, recv_ends;
	uint8_t send_kind[FAKE_DEPTH];		/* opcodes */
	uint32_t lengths[FAKE_DEPTH];
	uint64_t wake_at;
	bool woken;
};

struct fake {
	struct be_qp qp;
	uint8_t *mem;		/* FAKE_MEM bytes, a heap block of its own */
	uint32_t sgs;		/* of the peer's accesses, not put */
	bool gone;		/* the region was deregistered */
	/* upcalls */
	uint32_t requests, accepted, rejected, unreachable, established;
	uint32_t disconnected, aborted;
	struct be_conn *conn;	/* by request() */
	bool refuse;		/* what request() says */
	uint64_t now;
};
extern struct fake fake;
extern const struct be_cm_events fake_events;

void fake_begin(void);
void fake_end(void);
/* What was posted runs; descriptors that are readable are served */
void fake_loop(void);
/* Each timer that is set fires */
void fake_fire(void);
struct be_listener *fake_listener(struct iw *iw);

#endif /* FUZZ_FAKE_MODEL_H */
