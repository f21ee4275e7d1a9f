/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * mr_register.c - memory regions from REGISTER_MR to their end
 *
 * DOC: A region is published to the worker when it is usable on every path that
 * its guest has.  Without a fabric, or with one that reaches memory through the
 * worker, that is at once.  A fabric whose device reaches memory by itself
 * registers it first, which takes time (each page is pinned), so the command
 * waits and its answer carries the token that the device chose.
 *
 * Deregistration goes the other way: the worker forgets the region, the device
 * does, then the command is answered.  The structure stays until both the
 * device and the last request that names it have let go.  Control thread only.
 */
#include <errno.h>
#include <stdlib.h>

#include "frmr.h"
#include "guest.h"
#include "mr.h"
#include "worker.h"

#define ACCESS_ALL (VIRTIO_RDMA_ACCESS_LOCAL_WRITE | \
		    VIRTIO_RDMA_ACCESS_REMOTE_READ | \
		    VIRTIO_RDMA_ACCESS_REMOTE_WRITE)
#define ACCESS_REMOTE (VIRTIO_RDMA_ACCESS_REMOTE_READ | \
		       VIRTIO_RDMA_ACCESS_REMOTE_WRITE)

/* --------------------------------------------------------------------- life */

static void mr_free(struct vr_mr *mr)
{
	gmem_pages_put(&mr->pages);
	free(mr);
}

static void free_if_done(struct vr_mr *mr)
{
	if (mr->phase == MR_GONE && mr->unnamed)
		mr_free(mr);
}

/* The last request that named it has ended */
static void unnamed(void *arg)
{
	struct vr_mr *mr = arg;

	mr->unnamed = true;
	free_if_done(mr);
}

struct vr_mr *mr_new(struct guest *g, struct vr_pd *pd)
{
	struct vr_mr *mr = line_alloc(sizeof(*mr));

	if (!mr)
		return NULL;
	mr->guest = g;
	mr->pd = pd;
	mr->unnamed = true; /* until it is published */
	loop_work_init(&mr->unnamed_work, unnamed, mr);
	return mr;
}

void mr_discard(struct vr_mr *mr)
{
	mr_free(mr);
}

/* ------------------------------------------------------------------- fabric */

static void mr_registered(struct be_mr *be, int err);
static void mr_deregistered(struct be_mr *be, int err);

/* mr->registered follows, from inside where there is no fabric */
void mr_start(struct vr_mr *mr)
{
	struct backend *fabric = mr->guest->fabric;

	pd_get(mr->pd);
	mr->phase = MR_REGISTERING;
	if (!mr->pd->be) {
		mr->registered(mr, 0);
		return;
	}
	mr->be = (struct be_mr){
		.pd = mr->pd->be,
		.addr = mr->addr,
		.length = mr->length,
		.access = mr->access,
		.done = mr_registered,
	};
	fabric->mr_register(fabric, &mr->be);
}

static void mr_registered(struct be_mr *be, int err)
{
	struct vr_mr *mr = container_of(be, struct vr_mr, be);

	if (err)
		be->pd = NULL; /* nothing to take back */
	/* the fabric's device is gone: the region serves the local path */
	mr->registered(mr, err == -ENODEV ? 0 : err);
}

static void gone(struct vr_mr *mr)
{
	struct command *cmd = mr->cmd;

	mr->phase = MR_GONE;
	mr->cmd = NULL;
	if (mr->local_token)
		mr->pd->users--;
	pd_put(mr->pd);
	if (cmd)
		command_done(cmd, mr->answer, 0);
	free_if_done(mr);
}

static void mr_deregistered(struct be_mr *be, int err)
{
	struct vr_mr *mr = container_of(be, struct vr_mr, be);

	(void)err;
	mr->guest->model->pending--;
	gone(mr);
}

void mr_end(struct vr_mr *mr)
{
	struct backend *fabric = mr->guest->fabric;

	mr->phase = MR_LEAVING;
	if (!mr->be.pd) {
		gone(mr);
		return;
	}
	mr->be.done = mr_deregistered;
	mr->guest->model->pending++;
	fabric->mr_deregister(fabric, &mr->be);
}

void be_mr_piece(const struct be_mr *be, uint64_t off, struct be_piece *out)
{
	const struct vr_mr *mr = container_of(be, const struct vr_mr, be);
	uint64_t len, left = mr->length - off, in;
	const struct gmem_region *r;

	out->host = mr_pages_piece(&mr->pages, mr->first + off, left, &len);
	/* pages that lie together may be of two regions, side by side */
	r = gmem_pages_region(&mr->pages, out->host);
	in = (uint64_t)(out->host - r->host);
	if (!range_within(in, len, r->size))
		len = r->size - in;
	out->length = len;
	out->fd = r->fd;
	out->fd_offset = r->fd_offset + in;
	out->unit = r->unit;
}

/* ------------------------------------------------------------------- worker */

static void join(void *arg)
{
	struct vr_mr *mr = arg;
	struct guest_data *d = &mr->guest->data;

	d->mr[handle_index(mr->local_token)] = mr;
	mr->grant = (struct vr_grant){
		.pd = mr->pd,
		.mr = mr,
		.addr = mr->addr,
		.length = mr->length,
		.access = mr->access,
	};
	if (mr->remote_token)
		token_insert(&d->tokens, mr->remote_token, &mr->grant);
}

struct leave_args {
	struct vr_mr *mr;
	bool bound;		/* the answer: windows keep it, it has not left */
};

static void leave(void *arg)
{
	struct leave_args *a = arg;
	struct vr_mr *mr = a->mr;
	struct guest_data *d = &mr->guest->data;

	a->bound = mr->windows;
	if (a->bound)
		return;
	d->mr[handle_index(mr->local_token)] = NULL;
	token_remove(&d->tokens, mr->remote_token);
	mr->dead = true;
	mr_maybe_unnamed(mr);
}

/* -------------------------------------------------------------- REGISTER_MR */

static bool register_ok(const struct guest_conf *c,
			const struct virtio_rdma_cmd_register_mr *req)
{
	uint32_t access = vr_from_le32(req->access);
	uint64_t length = vr_from_le64(req->length);

	if (access & ~ACCESS_ALL)
		return false;
	if ((access & VIRTIO_RDMA_ACCESS_REMOTE_WRITE) &&
	    !(access & VIRTIO_RDMA_ACCESS_LOCAL_WRITE))
		return false;
	/* the last byte has an address, too */
	return length && length <= c->max_mr_size &&
	       length - 1 <= UINT64_MAX - vr_from_le64(req->addr) &&
	       (req->pages.page_shift == VIRTIO_RDMA_PAGE_SHIFT ||
		req->pages.page_shift == VIRTIO_RDMA_LARGE_SHIFT);
}

static int read_pages(struct guest *g, struct vr_mr *mr,
		      const struct virtio_rdma_page_list *list)
{
	uint64_t size = 1ull << list->page_shift;
	uint64_t pages;

	mr->first = mr->addr & (size - 1);
	/* length is bounded by max_mr_size: this does not wrap */
	pages = (mr->first + mr->length + size - 1) >> list->page_shift;
	if (pages > UINT32_MAX)
		return -EINVAL;
	return gmem_read_page_list(g->map, list, (uint32_t)pages,
				   GMEM_SHIFT_4K | GMEM_SHIFT_2M,
				   &g->gmem_account, &mr->pages);
}

static enum virtio_rdma_status mr_setup(struct guest *g, struct vr_mr *mr,
				const struct virtio_rdma_cmd_register_mr *req)
{
	int ret;

	mr->access = vr_from_le32(req->access);
	mr->addr = vr_from_le64(req->addr);
	mr->length = vr_from_le64(req->length);
	ret = read_pages(g, mr, &req->pages);
	if (ret)
		return gmem_status(ret);
	if (handle_alloc(&g->mrs, mr, &mr->local_token))
		return VIRTIO_RDMA_S_NO_RESOURCES;
	return VIRTIO_RDMA_S_OK;
}

/* The device's own, which peers use on the wire; without one, random: a peer
 * that was given one token can tell no other from it */
static int claim_remote_token(struct vr_mr *mr)
{
	struct token_table *claims = &mr->guest->claims;
	int ret;

	if (!(mr->access & ACCESS_REMOTE))
		return 0;
	if (!mr->be.pd)
		return token_claim_any(claims, mr, &mr->remote_token);
	ret = token_claim(claims, mr->be.remote_key, mr);
	if (!ret)
		mr->remote_token = mr->be.remote_key;
	return ret;
}

static enum virtio_rdma_status fabric_status(int err)
{
	switch (err) {
	case 0:
		return VIRTIO_RDMA_S_OK;
	case -ENOMEM:
		return VIRTIO_RDMA_S_NO_RESOURCES;
	case -EINVAL:
		return VIRTIO_RDMA_S_NOT_SUPPORTED;
	default:
		return VIRTIO_RDMA_S_INTERNAL_ERROR;
	}
}

static void publish(struct vr_mr *mr, int err)
{
	struct command *cmd = mr->cmd;
	enum virtio_rdma_status status = fabric_status(err);

	if (!err && claim_remote_token(mr))
		status = VIRTIO_RDMA_S_INTERNAL_ERROR;
	if (status) {
		handle_free(&mr->guest->mrs, mr->local_token);
		mr->answer = status;
		mr_end(mr);
		return;
	}
	mr->phase = MR_READY;
	mr->cmd = NULL;
	mr->unnamed = false;
	worker_call(mr->guest->data.worker, join, mr);
	cmd->rsp.register_mr.local_token = vr_to_le32(mr->local_token);
	cmd->rsp.register_mr.remote_token = vr_to_le32(mr->remote_token);
	command_done(cmd, VIRTIO_RDMA_S_OK, mr->local_token);
}

void cmd_register_mr(struct command *cmd)
{
	const struct virtio_rdma_cmd_register_mr *req = &cmd->req.register_mr;
	enum virtio_rdma_status status;
	struct guest *g = cmd->guest;
	struct vr_pd *pd;
	struct vr_mr *mr;

	status = VIRTIO_RDMA_S_INVALID_HANDLE;
	pd = pd_find(g, vr_from_le32(req->pd));
	if (!pd)
		goto err;
	status = VIRTIO_RDMA_S_INVALID_PARAMETER;
	if (!register_ok(g->conf, req))
		goto err;
	status = VIRTIO_RDMA_S_NO_RESOURCES;
	mr = mr_new(g, pd);
	if (!mr)
		goto err;
	status = mr_setup(g, mr, req);
	if (status)
		goto err_free;
	pd->users++;
	mr->cmd = cmd;
	mr->registered = publish;
	mr_start(mr);
	return;

err_free:
	mr_free(mr);
err:
	command_done(cmd, status, 0);
}

/* ------------------------------------------------------------ DEREGISTER_MR */

/* True: the worker has none of it.  False: windows are bound to it. */
static bool mr_left(struct guest *g, struct vr_mr *mr)
{
	struct leave_args args = { .mr = mr };

	if (mr->phase == MR_READY)
		worker_call(g->data.worker, leave, &args);
	return !args.bound;
}

static void mr_remove(struct guest *g, struct vr_mr *mr, struct command *cmd)
{
	handle_free(&g->mrs, mr->local_token);
	if (mr->remote_token)
		token_unclaim(&g->claims, mr->remote_token);
	/* a REGISTER_MR that a reset ends is answered to nobody */
	if (mr->cmd)
		command_done(mr->cmd, VIRTIO_RDMA_S_CANCELLED, 0);
	mr->cmd = cmd;
	mr->answer = VIRTIO_RDMA_S_OK;
	mr_end(mr);
}

void cmd_deregister_mr(struct command *cmd)
{
	struct vr_mr *mr = handle_get(&cmd->guest->mrs, cmd->handle);

	/* one that is being registered has no handle that the guest could know */
	if (!mr || mr->phase != MR_READY) {
		command_done(cmd, VIRTIO_RDMA_S_INVALID_HANDLE, 0);
		return;
	}
	if (mr->fast) {
		frmr_remove(mr->fast, cmd);
		return;
	}
	if (!mr_left(cmd->guest, mr)) {
		command_done(cmd, VIRTIO_RDMA_S_BUSY, 0);
		return;
	}
	mr_remove(cmd->guest, mr, cmd);
}

void mr_reset_all(struct guest *g)
{
	uint32_t pos = 0;
	struct vr_mr *mr;

	/* queue pairs and windows went before: nothing can hold one back */
	while ((mr = handle_next(&g->mrs, &pos))) {
		if (mr->fast) {
			frmr_remove(mr->fast, NULL);
			continue;
		}
		mr_left(g, mr);
		mr_remove(g, mr, NULL);
	}
}
