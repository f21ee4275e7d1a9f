/* SPDX-License-Identifier: GPL-2.0-or-later */
/* watch.c - queue pairs whose tails the worker looks at by itself; see watch.h */
#include "qp.h"
#include "watch.h"
#include "worker.h"

#define IDLE_PASSES 4096	/* some hundred microseconds of nothing else */

static void say(struct vr_qp *qp, uint32_t what)
{
	qp->watched = what;
	/* sequentially consistent, as is the look behind it */
	atomic_store(qp->watched_le, vr_to_le32(what));
}

/* True: it was posted to and may be run */
static bool look(struct vr_qp *qp)
{
	if (!qp_takes_posts(qp) || !wr_posted(qp))
		return false;
	if (!qp->data->paused) {
		qp_look(qp);
		return true;
	}
	/* in the guest's list, for when its rings go on */
	qp_make_runnable(qp);
	return false;
}

static bool give_up(struct watch *w, uint32_t i)
{
	struct vr_qp *qp = w->place[i].qp;

	w->place[i] = w->place[--w->count];
	say(qp, 0);
	return look(qp);
}

static uint32_t oldest(const struct watch *w)
{
	uint32_t at = 0;

	for (uint32_t i = 1; i < w->count; i++)
		if (w->place[i].worked < w->place[at].worked)
			at = i;
	return at;
}

void watch_add(struct watch *w, struct vr_qp *qp, uint64_t pass)
{
	if (qp->watched)
		return;
	if (w->count == WATCH_QPS) {
		uint32_t i = oldest(w);

		if (pass - w->place[i].worked < IDLE_PASSES)
			return;
		give_up(w, i);
	}
	w->place[w->count].qp = qp;
	w->place[w->count++].worked = pass;
	say(qp, VIRTIO_RDMA_QP_WATCHED);
}

void watch_del(struct watch *w, struct vr_qp *qp)
{
	for (uint32_t i = 0; i < w->count; i++) {
		if (w->place[i].qp == qp) {
			give_up(w, i);
			return;
		}
	}
}

bool watch_look(struct watch *w, uint64_t pass)
{
	bool found = false;

	for (uint32_t i = 0; i < w->count; i++) {
		struct vr_qp *qp = w->place[i].qp;

		if (qp->data->paused || !look(qp))
			continue;
		w->place[i].worked = pass;
		found = true;
	}
	return found;
}

bool watch_peek(const struct watch *w)
{
	for (uint32_t i = 0; i < w->count; i++)
		if (wr_posted(w->place[i].qp))
			return true;
	return false;
}

bool watch_end(struct watch *w)
{
	bool found = false;

	while (w->count)
		found |= give_up(w, w->count - 1);
	return found;
}
