/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * srq_fabric.c - receives of a shared queue that are lent to a fabric's device
 *
 * DOC: A device that serves a shared queue has receives before there is a
 * message, and says later which queue pair used which.  So these requests belong
 * to the shared queue: a number of places, each free or lent.  One that comes
 * back is completed to the queue pair's completion queue and its place is free.
 * A malformed entry is nobody's fault but the queue's: it dies, as for a tail
 * that makes no sense.
 */
#include <errno.h>
#include <stdlib.h>

#include "guest.h"
#include "qp.h"
#include "srq.h"

#define LOANS	256		/* ahead of the messages, at most */

struct srq_loans {
	/* constant after create */
	uint32_t places;
	size_t wr_size;
	uint8_t *wrs;

	/* worker only */
	uint32_t lent;
	uint32_t frees;			/* places in free[] */
	uint32_t *free;
	bool *out;			/* by place */
};

static struct vr_wr *wr_at(const struct srq_loans *l, uint32_t place)
{
	return (struct vr_wr *)(void *)(l->wrs + place * l->wr_size);
}

static uint32_t place_of(const struct srq_loans *l, const struct vr_wr *wr)
{
	return (uint32_t)(((const uint8_t *)wr - l->wrs) / (ptrdiff_t)l->wr_size);
}

/* ------------------------------------------------------------------ worker */

uint32_t srq_lent(const struct vr_srq *srq)
{
	return srq->loans ? srq->loans->lent : 0;
}

static void give_back(struct srq_loans *l, uint32_t place)
{
	l->out[place] = false;
	l->free[l->frees++] = place;
	l->lent--;
}

struct be_wr *be_srq_next(struct be_srq *be)
{
	struct vr_srq *srq = container_of(be, struct vr_srq, be);
	struct srq_loans *l = srq->loans;
	struct vr_wr *wr;
	uint32_t place;

	if (!l || srq->dead || !l->frees || !srq_has_entry(srq))
		return NULL;
	place = l->free[--l->frees];
	l->lent++;
	l->out[place] = true;
	wr = wr_at(l, place);
	wr_take_lent(srq, wr);
	srq_advance(srq);
	if (!wr->bad)
		return &wr->be;
	wr_put(wr);
	give_back(l, place);
	srq_fail(srq, "a malformed receive");
	return NULL;
}

void be_srq_complete(struct be_qp *qp, struct be_srq *be, struct be_wr *be_wr,
		     enum virtio_rdma_wc_status status, uint32_t length,
		     bool solicited)
{
	struct vr_srq *srq = container_of(be, struct vr_srq, be);
	struct vr_wr *wr = container_of(be_wr, struct vr_wr, be);

	/* first: who sees the completion may post another one */
	give_back(srq->loans, place_of(srq->loans, wr));
	srq_show_head(srq);
	wr_end_lent(vr_qp_of(qp), wr, (uint8_t)status, length, solicited);
	srq_check_limit(srq);
}

/* The device has forgotten them, and no consumer hears of them */
static void drop_lent(void *arg)
{
	struct srq_loans *l = arg;

	for (uint32_t i = 0; i < l->places; i++) {
		if (!l->out[i])
			continue;
		wr_put(wr_at(l, i));
		give_back(l, i);
	}
}

/* ---------------------------------------------------------- control thread */

static void loans_free(struct srq_loans *l)
{
	if (!l)
		return;
	free(l->wrs);
	free(l->free);
	free(l->out);
	free(l);
}

static struct srq_loans *loans_new(const struct vr_srq *srq)
{
	struct srq_loans *l = calloc(1, sizeof(*l));
	uint32_t segments = srq->max_sge ? srq->max_sge : 1;

	if (!l)
		return NULL;
	l->places = srq->ring.depth < LOANS ? srq->ring.depth : LOANS;
	l->wr_size = sizeof(struct vr_wr) + segments * sizeof(struct sg_seg);
	l->wrs = malloc(l->places * l->wr_size);
	l->free = malloc(l->places * sizeof(*l->free));
	l->out = calloc(l->places, sizeof(*l->out));
	if (!l->wrs || !l->free || !l->out) {
		loans_free(l);
		return NULL;
	}
	while (l->frees < l->places) {
		l->free[l->frees] = l->frees;
		l->frees++;
	}
	return l;
}

int srq_lend(struct vr_srq *srq)
{
	struct backend *fabric = srq->guest->fabric;
	int ret;

	if (!fabric || !fabric->srq_create || !srq->pd->be)
		return 0;
	srq->loans = loans_new(srq);
	if (!srq->loans)
		return -ENOMEM;
	srq->be = (struct be_srq){
		.pd = srq->pd->be,
		.window = srq->loans->places,
		.max_sge = srq->max_sge,
	};
	ret = fabric->srq_create(fabric, &srq->be);
	srq->lends = !ret;
	if (ret) {
		loans_free(srq->loans);
		srq->loans = NULL;
	}
	/* the fabric's device is gone: the queue serves the local path */
	return ret == -ENODEV ? 0 : ret;
}

void srq_reclaim(struct vr_srq *srq)
{
	struct backend *fabric = srq->guest->fabric;

	if (!srq->lends)
		return;
	fabric->srq_destroy(fabric, &srq->be);
	worker_call(srq->data->worker, drop_lent, srq->loans);
	loans_free(srq->loans);
	srq->loans = NULL;
	srq->lends = false;
}
