/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * local_data.h - bytes between two queue pairs of this process
 *
 * DOC: A pipe has two ends, one per connection.  The worker only ever looks
 * at the pipe, never at the other end's connection, so the control thread may
 * free that at any time; the pipe lives until both connections have dropped
 * their reference.  An end whose queue pair is not there yet, or was stopped,
 * makes the other one wait: how that ends is connection management's business,
 * but a request does not wait for a stopped end longer than for a receive.
 */
#ifndef VRDMA_LOCAL_DATA_H
#define VRDMA_LOCAL_DATA_H

#include <stdatomic.h>
#include <stdbool.h>

#include "../backend.h"

struct local_end {
	/* worker only */
	struct be_qp *qp;		/* NULL before attach and after stop */
	bool met;			/* was attached once */
	struct be_wr *wr;		/* request in work */
	struct be_wr *rwr;		/* receive of the peer that it fills */
	struct be_sg *remote;		/* peer's memory that it reads or writes */
	bool waiting;			/* for the peer to take the request */
	uint64_t deadline;		/* of that wait; 0: not set */
};

struct local_pipe {
	atomic_uint refs;
	struct local_end end[2];
};

/* Control thread: two references, one for each connection, or NULL */
struct local_pipe *local_pipe_new(void);
void local_pipe_put(struct local_pipe *p);

/* Worker: the data half of struct backend, given the end by its connection */
void local_data_attach(struct local_pipe *p, unsigned int side,
		       struct be_qp *qp);
/* One that was there and is gone: the other end does not wait for it */
void local_data_absent(struct local_pipe *p, unsigned int side);
bool local_data_run(struct local_pipe *p, unsigned int side);
void local_data_stop(struct local_pipe *p, unsigned int side);

/* How much one turn of a queue pair does at most; before any of it runs.  Tests
 * make it small, so that a transfer takes many. */
void local_data_set_turn(uint64_t bytes, unsigned int requests);

#endif /* VRDMA_LOCAL_DATA_H */
