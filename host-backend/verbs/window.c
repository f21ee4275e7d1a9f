/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * window.c - memory windows of the device, type 2: bound by requests
 *
 * DOC: Creation and destruction are calls of the memory helper, in its order
 * with regions and domains; what a window is bound to is the data path's.  The
 * key's upper 24 bits are the device's, the low 8 change with each bind.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "vrb.h"

struct vrb_mw {
	struct slow_job job;		/* creation */
	struct slow_job back;		/* the way back */
	struct slow_job lose;		/* the device is removed */
	struct vrb *vrb;
	struct vrb_mw *next;		/* be_pd.mws; control */
	struct be_pd *pd;
	struct ibv_pd *ibv_pd;		/* NULL: the device was gone already */
	struct be_mw *mw;		/* the model's */

	/* control */
	bool leaving;			/* mw_destroy() was called */
	bool losing;			/* the job lose is on its way */
	bool failed;			/* answered, waits for lose */

	/* the helper, then, when it answered, control and worker */
	struct ibv_mw *ibv;
	uint32_t key;
	int err;
};

static void create_job(struct slow_job *job)
{
	struct vrb_mw *m = be_container(job, struct vrb_mw, job);

	if (!m->ibv_pd) {
		m->err = -ENODEV;
		return;
	}
	m->ibv = ibv_alloc_mw(m->ibv_pd, IBV_MW_TYPE_2);
	if (m->ibv) {
		m->key = m->ibv->rkey;
		return;
	}
	m->err = -ENOMEM;
	be_log(BE_WARN, "%s: cannot create a memory window: %s", m->vrb->name,
	       strerror(errno));
}

static void free_mw(struct vrb_mw *m)
{
	int ret = m->ibv ? ibv_dealloc_mw(m->ibv) : 0;

	if (ret)
		be_log(BE_ERROR, "%s: cannot destroy a memory window: %s",
		       m->vrb->name, strerror(ret));
	m->ibv = NULL;
}

static void unlink_mw(struct vrb_mw *m)
{
	struct vrb_mw **at = &m->pd->mws;

	while (*at != m)
		at = &(*at)->next;
	*at = m->next;
}

static void create_done(struct slow_job *job)
{
	struct vrb_mw *m = be_container(job, struct vrb_mw, job);
	struct be_mw *mw = m->mw;
	int err = m->err && m->vrb->gone ? -ENODEV : m->err;

	if (m->leaving)
		return;		/* the job that takes it back is on its way */
	if (err) {
		unlink_mw(m);
		mw->priv = NULL;
		m->failed = true;
		if (!m->losing)
			free(m);
	} else {
		mw->key = m->key;
	}
	mw->done(mw, err);
}

void vrb_mw_create(struct backend *be, struct be_mw *mw)
{
	struct vrb *v = vrb_of(be);
	struct vrb_mw *m = calloc(1, sizeof(*m));

	if (!m)
		abort();	/* the host is out of memory, for bytes */
	mw->priv = m;
	m->vrb = v;
	m->pd = mw->pd;
	m->ibv_pd = mw->pd->pd;
	m->mw = mw;
	m->next = mw->pd->mws;
	mw->pd->mws = m;
	m->job.fn = create_job;
	m->job.done = create_done;
	slow_run(v->mr_helper, &m->job);
}

static void destroy_job(struct slow_job *job)
{
	free_mw(be_container(job, struct vrb_mw, back));
}

static void destroy_done(struct slow_job *job)
{
	struct vrb_mw *m = be_container(job, struct vrb_mw, back);
	struct be_mw *mw = m->mw;
	struct vrb *v = m->vrb;

	unlink_mw(m);
	free(m);
	mw->done(mw, 0);
	device_check_gone(v);
}

void vrb_mw_destroy(struct backend *be, struct be_mw *mw)
{
	struct vrb_mw *m = mw->priv;

	m->leaving = true;
	m->back.fn = destroy_job;
	m->back.done = destroy_done;
	slow_run(vrb_of(be)->mr_helper, &m->back);
}

struct ibv_mw *window_ibv(const struct be_mw *mw)
{
	const struct vrb_mw *m = mw->priv;

	return m ? m->ibv : NULL;
}

/* ------------------------------------------------------------------- removal */

static void lose_job(struct slow_job *job)
{
	free_mw(be_container(job, struct vrb_mw, lose));
}

static void lost(struct slow_job *job)
{
	struct vrb_mw *m = be_container(job, struct vrb_mw, lose);

	m->losing = false;
	if (m->failed)
		free(m);
}

void window_lose_all(struct vrb *v, struct be_pd *pd)
{
	for (struct vrb_mw *m = pd->mws; m; m = m->next) {
		if (m->leaving || m->losing)
			continue;
		m->losing = true;
		m->lose.fn = lose_job;
		m->lose.done = lost;
		slow_run(v->mr_helper, &m->lose);
	}
}
