/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * window.c - memory windows of the device, type 2: bound by requests
 *
 * DOC: Creation and destruction are calls of the memory helper, in its order
 * with regions and domains; what a window is bound to is the data path's.  The
 * key's upper 24 bits are the device's, the low 8 change with each bind.
 */
#include <errno.h>
#include <string.h>

#include "vrb.h"

struct vrb_mw {
	struct vrb_object o;		/* first */

	/* the helper, then, when it answered, control and worker */
	struct ibv_mw *ibv;
	uint32_t key;
};

static struct vrb_mw *mw_of(struct vrb_object *o)
{
	return (struct vrb_mw *)(void *)o;	/* the first member */
}

static int make(struct vrb_object *o)
{
	struct vrb_mw *m = mw_of(o);

	m->ibv = ibv_alloc_mw(o->ibv_pd, IBV_MW_TYPE_2);
	if (m->ibv) {
		m->key = m->ibv->rkey;
		return 0;
	}
	be_log(BE_WARN, "%s: cannot create a memory window: %s", o->vrb->name,
	       strerror(errno));
	return -ENOMEM;
}

static void unmake(struct vrb_object *o)
{
	struct vrb_mw *m = mw_of(o);
	int ret = m->ibv ? ibv_dealloc_mw(m->ibv) : 0;

	if (ret)
		be_log(BE_ERROR, "%s: cannot destroy a memory window: %s",
		       o->vrb->name, strerror(ret));
	m->ibv = NULL;
}

static void made(struct vrb_object *o, int err)
{
	struct be_mw *mw = o->model;

	if (err)
		mw->priv = NULL;
	else
		mw->key = mw_of(o)->key;
	mw->done(mw, err);
}

static void unmade(struct vrb_object *o)
{
	struct be_mw *mw = o->model;

	mw->done(mw, 0);
}

static const struct vrb_object_kind window_kind = {
	.size = sizeof(struct vrb_mw),
	.make = make,
	.unmake = unmake,
	.made = made,
	.unmade = unmade,
};

void vrb_mw_create(struct backend *be, struct be_mw *mw)
{
	(void)be;
	mw->priv = object_make(&window_kind, mw->pd, &mw->pd->mws, mw);
}

void vrb_mw_destroy(struct backend *be, struct be_mw *mw)
{
	(void)be;
	object_take_back(mw->priv);
}

struct ibv_mw *window_ibv(const struct be_mw *mw)
{
	const struct vrb_mw *m = mw->priv;

	return m ? m->ibv : NULL;
}
