/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * verbs_fake_srq.c - shared receive queues
 *
 * DOC: A receive is any queue pair's until a message needs it; who uses it is in
 * the completion.  See verbs_fake_qp.c for that.
 */
#include "verbs_fake_int.h"

static struct fk_srq *srq_of(struct ibv_srq *srq)
{
	return (struct fk_srq *)(void *)srq;
}

struct ibv_srq *ibv_create_srq(struct ibv_pd *pd, struct ibv_srq_init_attr *init)
{
	struct fk_srq *s = fk_fault_null(FV_ibv_create_srq);

	if (errno)
		return NULL;
	if (!init->attr.max_wr || !init->attr.max_sge ||
	    init->attr.max_wr > (uint32_t)fv_device.attr.max_srq_wr ||
	    init->attr.max_sge > (uint32_t)fv_device.attr.max_srq_sge) {
		errno = EINVAL;
		return NULL;
	}
	fk_lock();
	if (!fk_is_gone(pd->context)) {
		s = fk_zalloc(sizeof(*s));
		s->srq.context = pd->context;
		s->srq.pd = pd;
		s->max_sge = init->attr.max_sge;
		s->q.size = init->attr.max_wr;
		s->q.wqe = fk_zalloc(s->q.size * sizeof(*s->q.wqe));
		s->next = fk.srqs;
		fk.srqs = s;
		((struct fk_pd *)(void *)pd)->users++;
		fk_born_in(pd->context, "shared queue", 1);
	}
	fk_unlock();
	return s ? &s->srq : NULL;
}

static void set_dying(struct fk_srq *s, bool dying)
{
	fk_lock();
	s->dying = dying;
	fk_unlock();
}

int ibv_destroy_srq(struct ibv_srq *srq)
{
	struct fk_srq *s = srq_of(srq), **at = &fk.srqs;
	int err;

	set_dying(s, true);
	err = fv_fault(FV_ibv_destroy_srq);
	if (err) {
		set_dying(s, false);
		return err;
	}
	fk_lock();
	ck_assert_msg(!s->users, "a shared queue was destroyed under %u queue "
		      "pairs", s->users);
	while (*at != s)
		at = &(*at)->next;
	*at = s->next;
	((struct fk_pd *)(void *)srq->pd)->users--;
	fk_born_in(srq->context, "shared queue", -1);
	fk_unlock();
	free(s->q.wqe);
	free(s);
	return 0;
}

int fk_post_srq_recv(struct ibv_srq *srq, struct ibv_recv_wr *wr,
		     struct ibv_recv_wr **bad)
{
	struct fk_srq *s = srq_of(srq);
	int err = 0;

	for (; wr && !err; wr = err ? wr : wr->next) {
		err = fv_fault(FV_ibv_post_srq_recv);
		fk_lock();
		ck_assert_msg(!s->dying, "a receive for a shared queue that is "
			      "being destroyed");
		if (!err)
			err = fk_put_receive(&s->q, wr, s->max_sge);
		fk_unlock();
	}
	*bad = wr;
	return err;
}

unsigned int fv_shared_receives(unsigned int device)
{
	unsigned int n = 0;

	fk_lock();
	for (struct fk_srq *s = fk.srqs; s; s = s->next)
		if (fk_dev_of(s->srq.context)->index == device)
			n += s->q.count;
	fk_unlock();
	return n;
}
