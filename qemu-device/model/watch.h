/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * watch.h - queue pairs whose tails the worker looks at by itself
 *
 * DOC: A doorbell costs both sides: two locked words that their CPUs take from
 * each other.  So a queue pair that rang is watched for as long as it is used:
 * each pass looks at its tails, and its record says so to the driver, which rings
 * no more.  Only a few are: whoever has not posted for IDLE_PASSES gives its place
 * to the next one that rings, and all do before the worker sleeps.
 *
 * Nothing is lost when watching ends, by the same argument as with sleep: the
 * word is taken back, a full barrier, then the tails are looked at once more; the
 * driver stores a tail, a full barrier, then reads the word.  One of the two sees
 * what the other wrote.
 *
 * All of it: worker.
 */
#ifndef VRDMA_WATCH_H
#define VRDMA_WATCH_H

#include <stdbool.h>
#include <stdint.h>

struct vr_qp;

#define WATCH_QPS 16

struct watch {
	uint32_t count;
	struct {
		struct vr_qp *qp;
		uint64_t worked;	/* pass that last found something */
	} place[WATCH_QPS];
};

/* qp, which is open or not yet connected, rang in this pass.  Does nothing where
 * no place is free or qp has one. */
void watch_add(struct watch *w, struct vr_qp *qp, uint64_t pass);
/* It is watched no more, if it was.  What was posted to it meanwhile is treated as
 * if it had rung, as below. */
void watch_del(struct watch *w, struct vr_qp *qp);
/* Whoever was posted to is treated as if it had rung; true: any */
bool watch_look(struct watch *w, uint64_t pass);
/* The same look without any consequence, and so a quick one */
bool watch_peek(const struct watch *w);
/* None is watched any more: before sleep.  True as above */
bool watch_end(struct watch *w);

#endif /* VRDMA_WATCH_H */
