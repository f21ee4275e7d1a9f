/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * srq.c - shared receive queues of the device
 *
 * DOC: The device is given receives ahead of the messages and says in each
 * completion which queue pair used which: wr_id names the queue and the place,
 * the number of the queue pair finds the connection.  Room in the completion
 * queue is kept by the shared queue, once, whoever uses its receives.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "vrb.h"

#define POST_BATCH	16

struct vrb_srq {
	/* constant after create */
	struct vrb *vrb;
	struct be_srq *srq;		/* the model's */
	struct ibv_srq *ibv;
	uint32_t slot;			/* in vrb_worker.srq */
	uint32_t size;
	uint32_t credits;		/* of the completion queue */
	struct vrb_srq *next;		/* be_pd.srqs; control */

	/* worker only */
	bool left;			/* the device is losing it */
	struct be_wr **wr;		/* by place; NULL: free */
	struct ibv_sge *sge;		/* by place, max_sge each */
	uint8_t *num_sge;		/* by place */
	uint32_t max_sge;
	uint32_t *free;
	uint32_t frees;
};

/* wr_id of a place: a mark, the queue's generation, its slot, the place */
static uint64_t tag_of(const struct vrb_srq *s, uint32_t place)
{
	uint64_t generation = s->vrb->w.srq_generation[s->slot] & 0xffffff;

	return TAG_SRQ | generation << 32 | (uint64_t)s->slot << 16 | place;
}

static struct vrb_srq *by_tag(const struct vrb_worker *w, uint64_t wr_id,
			      uint32_t *place)
{
	uint32_t slot = wr_id >> 16 & 0xffff;
	struct vrb_srq *s = slot < SRQ_SLOTS ? w->srq[slot] : NULL;

	*place = wr_id & 0xffff;
	return s && *place < s->size && tag_of(s, *place) == wr_id ? s : NULL;
}

/* ------------------------------------------------------------------ worker */

/* A refusal ends the queue's use: its queue pairs find no receive and say so */
static void refused(struct vrb_srq *s, struct ibv_recv_wr *bad, int err)
{
	be_log(BE_ERROR, "%s: a shared receive was refused: %s", s->vrb->name,
	       strerror(err));
	for (; bad; bad = bad->next) {
		s->wr[bad->wr_id & 0xffff] = NULL;
		s->free[s->frees++] = bad->wr_id & 0xffff;
	}
}

/* Memory that is gone since the check is a receive that no message can use: the
 * device finds that by itself */
static void keep_elements(struct vrb_srq *s, uint32_t place, struct be_wr *be)
{
	struct ibv_sge sge[VIRTIO_RDMA_MAX_SGE];
	bool bytes;
	int count = data_gather(be, sge, &bytes);

	if (count < 0 || (uint32_t)count > s->max_sge)
		count = 0;
	memcpy(&s->sge[place * s->max_sge], sge,
	       (size_t)count * sizeof(sge[0]));
	s->num_sge[place] = (uint8_t)count;
	s->wr[place] = be;
}

static void fill(const struct vrb_srq *s, uint32_t place,
		 struct ibv_recv_wr *out)
{
	*out = (struct ibv_recv_wr){
		.wr_id = tag_of(s, place),
		.sg_list = &s->sge[place * s->max_sge],
		.num_sge = s->num_sge[place],
	};
}

static unsigned int post_some(struct vrb_srq *s)
{
	struct ibv_recv_wr wr[POST_BATCH], *bad = NULL;
	unsigned int n = 0;
	struct be_wr *be;
	int ret;

	while (n < POST_BATCH && s->frees && (be = be_srq_next(s->srq))) {
		uint32_t place = s->free[--s->frees];

		keep_elements(s, place, be);
		fill(s, place, &wr[n]);
		if (n)
			wr[n - 1].next = &wr[n];
		n++;
	}
	ret = n ? ibv_post_srq_recv(s->ibv, wr, &bad) : 0;
	if (ret)
		refused(s, bad, ret);
	return ret ? 0 : n;
}

void vrb_srq_posted(struct backend *be, struct be_srq *srq)
{
	struct vrb_srq *s = srq->priv;

	(void)be;
	while (s && !s->left && post_some(s) == POST_BATCH)
		;
}

void srq_repost(struct vrb_worker *w, uint64_t wr_id)
{
	struct ibv_recv_wr wr, *bad = NULL;
	uint32_t place;
	struct vrb_srq *s = by_tag(w, wr_id, &place);
	int ret;

	if (!s || !s->wr[place])
		return;
	fill(s, place, &wr);
	ret = ibv_post_srq_recv(s->ibv, &wr, &bad);
	if (ret)
		refused(s, bad, ret);
}

struct be_wr *srq_take(struct vrb_worker *w, uint64_t wr_id,
		       struct be_srq **srq)
{
	uint32_t place;
	struct vrb_srq *s = by_tag(w, wr_id, &place);
	struct be_wr *wr = s ? s->wr[place] : NULL;

	if (!wr)
		return NULL;
	s->wr[place] = NULL;
	s->free[s->frees++] = place;
	*srq = s->srq;
	return wr;
}

/* ---------------------------------------------------------- control thread */

/* In the worker: its table is its own */
static void join(void *arg)
{
	struct vrb_srq *s = arg;

	s->vrb->w.srq[s->slot] = s;
}

static void leave(void *arg)
{
	struct vrb_srq *s = arg;

	s->left = true;
	s->vrb->w.srq[s->slot] = NULL;
	s->vrb->w.srq_generation[s->slot]++;
}

static bool take_slot(struct vrb *v, uint32_t *slot)
{
	for (uint32_t i = 0; i < SRQ_SLOTS; i++) {
		if (v->srq_used[i])
			continue;
		v->srq_used[i] = true;
		*slot = i;
		return true;
	}
	be_log(BE_WARN, "%s: %u shared receive queues are all there can be",
	       v->name, SRQ_SLOTS);
	return false;
}

static void free_srq(struct vrb_srq *s)
{
	free(s->wr);
	free(s->sge);
	free(s->num_sge);
	free(s->free);
	free(s);
}

static struct vrb_srq *new_srq(struct vrb *v, struct be_srq *srq)
{
	struct vrb_srq *s = calloc(1, sizeof(*s));

	if (!s)
		return NULL;
	s->vrb = v;
	s->srq = srq;
	s->size = srq->window;
	s->wr = calloc(s->size, sizeof(*s->wr));
	s->free = calloc(s->size, sizeof(*s->free));
	s->max_sge = srq->max_sge ? srq->max_sge : 1;
	s->sge = calloc((size_t)s->size * s->max_sge, sizeof(*s->sge));
	s->num_sge = calloc(s->size, sizeof(*s->num_sge));
	if (!s->wr || !s->free || !s->sge || !s->num_sge) {
		free_srq(s);
		return NULL;
	}
	while (s->frees < s->size) {
		s->free[s->frees] = s->frees;
		s->frees++;
	}
	return s;
}

static int create(struct vrb_srq *s)
{
	struct ibv_srq_init_attr init = {
		.attr = {
			.max_wr = s->size,
			.max_sge = s->srq->max_sge ? s->srq->max_sge : 1,
		},
	};

	s->ibv = ibv_create_srq(s->srq->pd->pd, &init);
	if (s->ibv)
		return 0;
	be_log(BE_WARN, "%s: cannot create a shared receive queue: %s",
	       s->vrb->name, strerror(errno));
	return -ENOMEM;
}

int vrb_srq_create(struct backend *be, struct be_srq *srq)
{
	struct vrb *v = vrb_of(be);
	struct vrb_srq *s;

	if (v->gone || !srq->pd->pd)
		return -ENODEV;
	s = new_srq(v, srq);
	if (!s)
		return -ENOMEM;
	if (!take_slot(v, &s->slot))
		goto err_free;
	if (cq_take_credits(v, s->size, &s->credits))
		goto err_slot;
	if (create(s))
		goto err_credits;
	srq->priv = s;
	s->next = srq->pd->srqs;
	srq->pd->srqs = s;
	data_call(v, join, s);
	return 0;

err_credits:
	v->w.credits -= s->credits;
err_slot:
	v->srq_used[s->slot] = false;
err_free:
	free_srq(s);
	return -ENOMEM;
}

/* Behind the queue pairs that are on their way out */
static void destroy_ibv(void *arg)
{
	struct vrb_srq *s = arg;
	int ret = s->ibv ? ibv_destroy_srq(s->ibv) : 0;

	if (ret)
		be_log(BE_ERROR, "%s: cannot destroy a shared receive queue: %s",
		       s->vrb->name, strerror(ret));
	s->ibv = NULL;
}

void vrb_srq_destroy(struct backend *be, struct be_srq *srq)
{
	struct vrb *v = vrb_of(be);
	struct vrb_srq *s = srq->priv, **at = &srq->pd->srqs;

	while (*at != s)
		at = &(*at)->next;
	*at = s->next;
	data_call(v, leave, s);
	slow_call(v->qp_helper, destroy_ibv, s);
	v->w.credits -= s->credits;
	v->srq_used[s->slot] = false;
	srq->priv = NULL;
	free_srq(s);
}

struct ibv_srq *srq_ibv(const struct be_srq *srq)
{
	const struct vrb_srq *s = srq->priv;

	return s ? s->ibv : NULL;
}

/* The device goes, and no queue pair is left that could use them */
void srq_lose_all(struct be_pd *pd)
{
	for (struct vrb_srq *s = pd->srqs; s; s = s->next) {
		data_call(s->vrb, leave, s);
		slow_call(s->vrb->qp_helper, destroy_ibv, s);
	}
}
