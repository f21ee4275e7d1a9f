/* SPDX-License-Identifier: GPL-2.0-or-later */
/* mw.c - memory windows; see mw.h */
#include <errno.h>
#include <stdlib.h>

#include "guest.h"
#include "mw.h"
#include "qp.h"
#include "worker.h"

#define ACCESS_REMOTE (VIRTIO_RDMA_ACCESS_REMOTE_READ | \
		       VIRTIO_RDMA_ACCESS_REMOTE_WRITE)

/* ------------------------------------------------------------------ worker */

static struct vr_mw *by_handle(const struct guest_data *d, uint32_t handle)
{
	uint32_t i = handle_index(handle);
	struct vr_mw *mw = i < d->max_mw ? d->mw[i] : NULL;

	return mw && mw->handle == handle ? mw : NULL;
}

static bool same_family(uint32_t a, uint32_t b)
{
	return (a | TOKEN_KEY_MASK) == (b | TOKEN_KEY_MASK);
}

/* The entry is well formed: the region's rights and range are what remains to
 * be looked at, which is what a local access does, too */
static enum virtio_rdma_wc_status get_region(struct guest_data *d,
					     const struct vr_pd *pd,
					     const struct virtio_rdma_bind *req,
					     struct vr_mr **out)
{
	enum virtio_rdma_wc_status s;
	uint32_t need = 0;

	/* all of memory is no region */
	if (vr_from_le32(req->token) == VIRTIO_RDMA_TOKEN_PRIVILEGED)
		return VIRTIO_RDMA_WC_LOCAL_PROTECTION;
	if (vr_from_le32(req->access) & VIRTIO_RDMA_ACCESS_REMOTE_WRITE)
		need = VIRTIO_RDMA_ACCESS_LOCAL_WRITE;
	s = mr_get_local(d, pd, vr_from_le32(req->token),
			 vr_from_le64(req->addr), vr_from_le64(req->length),
			 need, out);
	/* nor is one that can be taken away under a window */
	if (s || !(*out)->fast)
		return s;
	mr_put(*out);
	return VIRTIO_RDMA_WC_LOCAL_PROTECTION;
}

enum virtio_rdma_wc_status mw_get_bind(struct guest_data *d,
				       const struct vr_pd *pd,
				       const struct virtio_rdma_bind *req,
				       uint32_t token, struct be_bind *bind)
{
	uint32_t access = vr_from_le32(req->access);
	struct vr_mw *mw = by_handle(d, vr_from_le32(req->mw));
	enum virtio_rdma_wc_status s;
	struct vr_mr *mr;

	if (req->reserved || !access || access & ~ACCESS_REMOTE || !req->length)
		return VIRTIO_RDMA_WC_LOCAL_REQUEST;
	if (!mw || mw->pd != pd || !same_family(token, mw->token))
		return VIRTIO_RDMA_WC_LOCAL_PROTECTION;
	s = get_region(d, pd, req, &mr);
	if (s)
		return s;
	mw->users++;
	mr->windows++;
	*bind = (struct be_bind){
		.mw = &mw->be,
		.mr = &mr->be,
		.addr = vr_from_le64(req->addr),
		.length = vr_from_le64(req->length),
		.access = access,
	};
	return VIRTIO_RDMA_WC_SUCCESS;
}

static struct vr_mw *mw_of(const struct be_bind *bind)
{
	return container_of(bind->mw, struct vr_mw, be);
}

static struct vr_mr *mr_of(const struct be_bind *bind)
{
	return container_of(bind->mr, struct vr_mr, be);
}

static void mr_put_window(struct vr_mr *mr)
{
	mr->windows--;
	mr_put(mr);
}

void mw_put_bind(const struct be_bind *bind)
{
	struct vr_mw *mw = mw_of(bind);

	mr_put_window(mr_of(bind));
	mw->users--;
	if (mw->dead && !mw->users)
		loop_post_work(worker_loop(mw->guest->data.worker),
			       &mw->unnamed_work);
}

enum virtio_rdma_wc_status mw_bind(struct vr_qp *qp, uint32_t token,
				   const struct be_bind *bind)
{
	struct vr_mw *mw = mw_of(bind);
	struct vr_mr *mr = mr_of(bind);

	if (mw->dead || mr->dead || mw->bound)
		return VIRTIO_RDMA_WC_LOCAL_PROTECTION;
	mr->users++;
	mr->windows++;
	mw->bound = token;
	mw->grant = (struct vr_grant){
		.pd = mw->pd,
		.qp = qp,
		.mr = mr,
		.addr = bind->addr,
		.length = bind->length,
		.access = bind->access,
	};
	token_insert(&qp->data->tokens, token, &mw->grant);
	list_add_tail(&mw->on_qp, &qp->windows);
	return VIRTIO_RDMA_WC_SUCCESS;
}

/* Nobody gets at the memory by it from here on, nor goes on with what he began */
static void shut(struct vr_mw *mw)
{
	struct vr_qp *qp = mw->grant.qp;

	if (!qp)
		return;
	token_remove(&qp->data->tokens, mw->bound);
	list_del(&mw->on_qp);
	remote_sg_revoke(qp, &mw->grant);
	mw->grant.qp = NULL;
}

static void unbind(struct vr_mw *mw)
{
	shut(mw);
	mw->bound = 0;
	mr_put_window(mw->grant.mr);
}

enum virtio_rdma_wc_status mw_invalidate(struct vr_qp *qp, uint32_t token)
{
	struct vr_grant *grant = token_get(&qp->data->tokens, token);

	/* a region's is no queue pair's own */
	if (!grant || grant->qp != qp)
		return VIRTIO_RDMA_WC_LOCAL_PROTECTION;
	unbind(container_of(grant, struct vr_mw, grant));
	return VIRTIO_RDMA_WC_SUCCESS;
}

void mw_forget_qp(struct vr_qp *qp)
{
	while (!list_empty(&qp->windows))
		shut(list_first(&qp->windows, struct vr_mw, on_qp));
}

static void join(void *arg)
{
	struct vr_mw *mw = arg;

	mw->guest->data.mw[handle_index(mw->handle)] = mw;
}

struct leave_args {
	struct vr_mw *mw;
	bool named;		/* the answer: unnamed() will follow */
};

static void leave(void *arg)
{
	struct leave_args *a = arg;
	struct vr_mw *mw = a->mw;

	mw->guest->data.mw[handle_index(mw->handle)] = NULL;
	if (mw->bound)
		unbind(mw);
	mw->dead = true;
	a->named = mw->users;
}

/* ---------------------------------------------------------- control thread */

static void gone(struct vr_mw *mw)
{
	struct command *cmd = mw->cmd;

	mw->pd->users--;
	pd_put(mw->pd);
	if (cmd)
		command_done(cmd, mw->answer, 0);
	free(mw);
}

static void destroyed(struct be_mw *be, int err)
{
	struct vr_mw *mw = container_of(be, struct vr_mw, be);

	(void)err;
	mw->guest->model->pending--;
	gone(mw);
}

/* Nothing names it any more: the fabric lets go of it, too */
static void mw_end(struct vr_mw *mw)
{
	struct backend *fabric = mw->guest->fabric;

	if (!mw->be.pd) {
		gone(mw);
		return;
	}
	mw->be.done = destroyed;
	mw->guest->model->pending++;
	fabric->mw_destroy(fabric, &mw->be);
}

static void unnamed(void *arg)
{
	mw_end(arg);
}

/* The fabric's own, or one that tells nothing of others */
static int claim_token(struct vr_mw *mw)
{
	struct token_table *claims = &mw->guest->claims;

	if (!mw->be.pd)
		return token_claim_any(claims, mw, &mw->token);
	mw->token = mw->be.key;
	return token_claim(claims, mw->token, mw);
}

static void publish(struct vr_mw *mw, enum virtio_rdma_status status)
{
	struct guest *g = mw->guest;
	struct command *cmd = mw->cmd;

	if (!status && claim_token(mw))
		status = VIRTIO_RDMA_S_INTERNAL_ERROR;
	if (status) {
		handle_free(&g->mws, mw->handle);
		mw->answer = status;
		mw_end(mw);
		return;
	}
	mw->ready = true;
	mw->cmd = NULL;
	worker_call(g->data.worker, join, mw);
	cmd->rsp.create_mw.token = vr_to_le32(mw->token);
	command_done(cmd, VIRTIO_RDMA_S_OK, mw->handle);
}

static void created(struct be_mw *be, int err)
{
	struct vr_mw *mw = container_of(be, struct vr_mw, be);

	if (err)
		be->pd = NULL; /* nothing to take back */
	/* the fabric's device is gone: the window serves the local path */
	publish(mw, err && err != -ENODEV ? VIRTIO_RDMA_S_NO_RESOURCES :
					    VIRTIO_RDMA_S_OK);
}

static struct vr_mw *mw_new(struct guest *g, struct vr_pd *pd)
{
	struct vr_mw *mw = calloc(1, sizeof(*mw));

	if (!mw || handle_alloc(&g->mws, mw, &mw->handle)) {
		free(mw);
		return NULL;
	}
	mw->guest = g;
	mw->pd = pd;
	list_init(&mw->on_qp);
	loop_work_init(&mw->unnamed_work, unnamed, mw);
	pd->users++;
	pd_get(pd);
	return mw;
}

void cmd_create_mw(struct command *cmd)
{
	const struct virtio_rdma_cmd_create_mw *req = &cmd->req.create_mw;
	struct guest *g = cmd->guest;
	struct backend *fabric = g->fabric;
	struct vr_pd *pd = pd_find(g, vr_from_le32(req->pd));
	struct vr_mw *mw;

	if (!pd || req->reserved) {
		command_done(cmd, pd ? VIRTIO_RDMA_S_INVALID_PARAMETER :
				       VIRTIO_RDMA_S_INVALID_HANDLE, 0);
		return;
	}
	mw = mw_new(g, pd);
	if (!mw) {
		command_done(cmd, VIRTIO_RDMA_S_NO_RESOURCES, 0);
		return;
	}
	mw->cmd = cmd;
	if (!pd->be || !fabric->mw_create) {
		publish(mw, VIRTIO_RDMA_S_OK);
		return;
	}
	mw->be = (struct be_mw){ .pd = pd->be, .done = created };
	fabric->mw_create(fabric, &mw->be);
}

static void mw_remove(struct guest *g, struct vr_mw *mw, struct command *cmd)
{
	struct leave_args args = { .mw = mw };

	handle_free(&g->mws, mw->handle);
	/* a CREATE_MW that a reset ends is answered to nobody */
	if (mw->cmd)
		command_done(mw->cmd, VIRTIO_RDMA_S_CANCELLED, 0);
	mw->cmd = cmd;
	mw->answer = VIRTIO_RDMA_S_OK;
	if (mw->ready) {
		worker_call(g->data.worker, leave, &args);
		token_unclaim(&g->claims, mw->token);
	}
	if (!args.named)
		mw_end(mw);
}

void cmd_destroy_mw(struct command *cmd)
{
	struct vr_mw *mw = handle_get(&cmd->guest->mws, cmd->handle);

	/* one that is being created has no handle that the guest could know */
	if (!mw || !mw->ready) {
		command_done(cmd, VIRTIO_RDMA_S_INVALID_HANDLE, 0);
		return;
	}
	mw_remove(cmd->guest, mw, cmd);
}

void mw_reset_all(struct guest *g)
{
	uint32_t pos = 0;
	struct vr_mw *mw;

	while ((mw = handle_next(&g->mws, &pos)))
		mw_remove(g, mw, NULL);
}
