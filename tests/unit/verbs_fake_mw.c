/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * verbs_fake_mw.c - memory windows of type 2B
 *
 * DOC: A window is bound on a queue pair, once, and reaches memory through that
 * one only; when the queue pair is gone it reaches nothing, and still keeps its
 * region.  A region cannot go under a window (see ibv_dereg_mr()).
 */
#include "verbs_fake_int.h"

struct ibv_mw *fk_alloc_mw(struct ibv_pd *pd, enum ibv_mw_type type)
{
	struct fk_mw *w = fk_fault_null(FV_ibv_alloc_mw);

	if (errno)
		return NULL;
	ck_assert_int_eq(type, IBV_MW_TYPE_2);
	fk_lock();
	if (!fk_is_gone(pd->context)) {
		w = fk_zalloc(sizeof(*w));
		w->mw.context = pd->context;
		w->mw.pd = pd;
		w->mw.type = type;
		w->mw.rkey = fk.next_key++ << 8;
		w->next = fk.mws;
		fk.mws = w;
		((struct fk_pd *)(void *)pd)->users++;
		fk_born_in(pd->context, "window", 1);
	}
	fk_unlock();
	return w ? &w->mw : NULL;
}

static void unbind(struct fk_mw *w)
{
	if (w->mr)
		w->mr->windows--;
	w->mr = NULL;
	w->qp = NULL;
}

int fk_dealloc_mw(struct ibv_mw *mw)
{
	struct fk_mw *w = (struct fk_mw *)(void *)mw, **at = &fk.mws;
	int err = fv_fault(FV_ibv_dealloc_mw);

	if (err)
		return err;
	fk_lock();
	unbind(w);
	while (*at != w)
		at = &(*at)->next;
	*at = w->next;
	((struct fk_pd *)(void *)mw->pd)->users--;
	fk_born_in(mw->context, "window", -1);
	fk_unlock();
	free(w);
	return 0;
}

struct fk_mw *fk_window(const struct fk_qp *qp, uint32_t token)
{
	struct fk_mw *w = fk.mws;

	while (w && (!w->mr || w->qp != qp || w->mw.rkey != token))
		w = w->next;
	return w;
}

static struct fk_mr *region(const struct ibv_mr *mr)
{
	struct fk_mr *m = fk.mrs;

	while (m && &m->mr != mr)
		m = m->next;
	return m;
}

static bool can_bind(const struct fk_qp *qp, const struct fk_wqe *w,
		     const struct fk_mr *mr)
{
	const struct ibv_mw_bind_info *b = &w->bind;
	const unsigned int write = IBV_ACCESS_REMOTE_WRITE;

	if (w->mw->mr || w->mw->mw.pd != qp->qp.pd || mr->mr.pd != qp->qp.pd ||
	    (w->rkey ^ w->mw->mw.rkey) >> 8 || w->rkey == w->mw->mw.rkey ||
	    !(mr->access & IBV_ACCESS_MW_BIND))
		return false;
	if ((b->mw_access_flags & write) && !(mr->access & IBV_ACCESS_LOCAL_WRITE))
		return false;
	return b->addr - mr->iova <= mr->mr.length &&
	       b->length <= mr->mr.length - (b->addr - mr->iova);
}

enum ibv_wc_status fk_bind(struct fk_qp *qp, const struct fk_wqe *w)
{
	struct fk_mr *mr = region(w->bind.mr);

	if (!mr || !can_bind(qp, w, mr))
		return IBV_WC_MW_BIND_ERR;
	w->mw->mr = mr;
	w->mw->qp = qp;
	w->mw->addr = w->bind.addr;
	w->mw->length = w->bind.length;
	w->mw->access = (int)w->bind.mw_access_flags;
	w->mw->mw.rkey = w->rkey;
	mr->windows++;
	return IBV_WC_SUCCESS;
}

enum ibv_wc_status fk_invalidate(const struct fk_qp *qp, uint32_t token)
{
	struct fk_mw *w = fk_window(qp, token);

	if (!w)
		return IBV_WC_LOC_QP_OP_ERR;
	unbind(w);
	return IBV_WC_SUCCESS;
}

void fk_forget_qp_windows(const struct fk_qp *qp)
{
	for (struct fk_mw *w = fk.mws; w; w = w->next)
		if (w->qp == qp)
			w->qp = NULL;
}

bool fv_window_is_bound(unsigned int device, uint32_t token)
{
	struct fk_mw *w;

	fk_lock();
	for (w = fk.mws; w; w = w->next)
		if (fk_dev_of(w->mw.context)->index == device && w->mr &&
		    w->mw.rkey == token)
			break;
	fk_unlock();
	return w;
}
