/* SPDX-License-Identifier: GPL-2.0-or-later */
/* frmr.c - fast-register regions; see frmr.h */
#include <errno.h>
#include <stdlib.h>

#include "frmr.h"
#include "guest.h"
#include "worker.h"

#define ACCESS_REMOTE (VIRTIO_RDMA_ACCESS_REMOTE_READ | \
		       VIRTIO_RDMA_ACCESS_REMOTE_WRITE)
#define ACCESS_ALL (VIRTIO_RDMA_ACCESS_LOCAL_WRITE | ACCESS_REMOTE)

/* ------------------------------------------------------------------ worker */

static struct vr_mr **place_of(const struct vr_frmr *f)
{
	return &f->guest->data.mr[handle_index(f->handle)];
}

static struct vr_frmr *by_handle(const struct guest_data *d, uint32_t handle)
{
	uint32_t i = handle_index(handle);
	struct vr_mr *mr = i < d->max_mr ? d->mr[i] : NULL;

	return mr && mr->local_token == handle ? mr->fast : NULL;
}

static struct vr_mr *free_body(struct vr_frmr *f)
{
	for (int i = 0; i < FRMR_BODIES; i++)
		if (!f->body[i].users && &f->body[i] != f->now)
			return &f->body[i];
	return NULL;
}

/* Numbers that make sense, whatever they name */
static bool well_formed(const struct virtio_rdma_fast_register *req)
{
	uint32_t access = vr_from_le32(req->access);
	uint64_t length = vr_from_le64(req->length);

	return !(access & ~ACCESS_ALL) &&
	       (!(access & VIRTIO_RDMA_ACCESS_REMOTE_WRITE) ||
		access & VIRTIO_RDMA_ACCESS_LOCAL_WRITE) &&
	       length && length - 1 <= UINT64_MAX - vr_from_le64(req->addr) &&
	       !(vr_from_le64(req->table) & (VIRTIO_RDMA_PAGE_SIZE - 1));
}

/* How many, or 0: more than it can have */
static uint32_t pages_of(const struct vr_frmr *f, uint64_t first,
			 uint64_t length)
{
	uint64_t room = (uint64_t)f->max_pages << VIRTIO_RDMA_PAGE_SHIFT;

	if (!range_within(first, length, room))
		return 0;
	return (uint32_t)((first + length + VIRTIO_RDMA_PAGE_SIZE - 1) >>
			  VIRTIO_RDMA_PAGE_SHIFT);
}

/* Each page is looked at once more when it is used */
static bool copy_table(const struct guest_data *d, struct vr_mr *body,
		       uint64_t table, uint32_t count)
{
	if (!d->map || gmem_copy_in(d->map, body->gpa, table,
				    count * sizeof(body->gpa[0])))
		return false;
	for (uint32_t i = 0; i < count; i++) {
		uint64_t gpa = vr_from_le64((vr_le64)body->gpa[i]);

		if (gpa & (VIRTIO_RDMA_PAGE_SIZE - 1) ||
		    !gmem_translate(d->map, gpa, VIRTIO_RDMA_PAGE_SIZE, NULL))
			return false;
		body->gpa[i] = gpa;
	}
	return true;
}

enum virtio_rdma_wc_status
frmr_get(struct guest_data *d, const struct vr_pd *pd,
	 const struct virtio_rdma_fast_register *req, uint32_t token,
	 struct vr_mr **out)
{
	struct vr_frmr *f = by_handle(d, vr_from_le32(req->mr));
	uint64_t addr = vr_from_le64(req->addr);
	uint64_t length = vr_from_le64(req->length);
	uint64_t first = addr & (VIRTIO_RDMA_PAGE_SIZE - 1);
	uint32_t access = vr_from_le32(req->access), count;
	struct vr_mr *body;

	if (!well_formed(req))
		return VIRTIO_RDMA_WC_LOCAL_REQUEST;
	if (!f || f->pd != pd || (access & ACCESS_REMOTE && !f->remote) ||
	    (token | TOKEN_KEY_MASK) != (f->token | TOKEN_KEY_MASK))
		return VIRTIO_RDMA_WC_LOCAL_PROTECTION;
	count = pages_of(f, first, length);
	body = free_body(f);
	if (!count || !body ||
	    !copy_table(d, body, vr_from_le64(req->table), count))
		return VIRTIO_RDMA_WC_LOCAL_PROTECTION;
	body->users = 1;
	body->dead = false;
	body->addr = addr;
	body->length = length;
	body->first = first;
	body->access = access;
	body->remote_token = token;
	*out = body;
	return VIRTIO_RDMA_WC_SUCCESS;
}

enum virtio_rdma_wc_status frmr_register(struct vr_mr *body)
{
	struct vr_frmr *f = body->fast;

	if (f->leaving || f->now)
		return VIRTIO_RDMA_WC_LOCAL_PROTECTION;
	f->now = body;
	body->grant = (struct vr_grant){
		.pd = f->pd,
		.mr = body,
		.addr = body->addr,
		.length = body->length,
		.access = body->access,
	};
	*place_of(f) = body;
	token_insert(&f->guest->data.tokens, body->remote_token, &body->grant);
	return VIRTIO_RDMA_WC_SUCCESS;
}

void frmr_invalidate(struct vr_frmr *f)
{
	token_remove(&f->guest->data.tokens, f->now->remote_token);
	*place_of(f) = &f->none;
	f->now->dead = true;
	f->now = NULL;
}

enum virtio_rdma_wc_status frmr_get_now(struct guest_data *d,
					const struct vr_pd *pd, uint32_t token,
					struct vr_mr **out)
{
	struct vr_frmr *f = by_handle(d, token);

	if (!f || f->pd != pd || !f->now)
		return VIRTIO_RDMA_WC_LOCAL_PROTECTION;
	f->now->users++;
	*out = f->now;
	return VIRTIO_RDMA_WC_SUCCESS;
}

/* Meanwhile it may have been invalidated, and the region have other memory */
void frmr_take_away(struct vr_mr *body)
{
	if (body->fast->now == body)
		frmr_invalidate(body->fast);
}

static uint32_t users_of(const struct vr_frmr *f)
{
	uint32_t users = 0;

	for (int i = 0; i < FRMR_BODIES; i++)
		users += f->body[i].users;
	return users;
}

void frmr_maybe_unnamed(struct vr_frmr *f)
{
	if (f->leaving && !users_of(f))
		loop_post_work(worker_loop(f->guest->data.worker),
			       &f->unnamed_work);
}

static void join(void *arg)
{
	struct vr_frmr *f = arg;

	*place_of(f) = &f->none;
}

static void leave(void *arg)
{
	struct vr_frmr *f = arg;

	if (f->now)
		frmr_invalidate(f);
	*place_of(f) = NULL;
	f->leaving = true;
	frmr_maybe_unnamed(f);
}

/* ---------------------------------------------------------- control thread */

static void frmr_free(struct vr_frmr *f)
{
	if (f->pages)
		gmem_uncharge(&f->guest->gmem_account,
			      (uint64_t)FRMR_BODIES * f->max_pages);
	free(f->pages);
	free(f);
}

/* The last request that named it has ended */
static void unnamed(void *arg)
{
	struct vr_frmr *f = arg;

	pd_put(f->pd);
	frmr_free(f);
}

static void body_init(struct vr_frmr *f, struct vr_mr *mr, uint64_t *gpa)
{
	mr->guest = f->guest;
	mr->pd = f->pd;
	mr->local_token = f->handle;
	mr->fast = f;
	mr->gpa = gpa;
}

static bool pages_alloc(struct vr_frmr *f)
{
	uint64_t count = (uint64_t)FRMR_BODIES * f->max_pages;

	if (gmem_charge(&f->guest->gmem_account, count))
		return false;
	f->pages = calloc(count, sizeof(f->pages[0]));
	if (!f->pages)
		gmem_uncharge(&f->guest->gmem_account, count);
	return f->pages;
}

static struct vr_frmr *frmr_new(struct guest *g, struct vr_pd *pd,
				const struct virtio_rdma_cmd_create_frmr *req)
{
	struct vr_frmr *f = calloc(1, sizeof(*f));

	if (!f)
		return NULL;
	f->guest = g;
	f->pd = pd;
	f->max_pages = vr_from_le32(req->max_pages);
	f->remote = vr_from_le32(req->flags) & VIRTIO_RDMA_FRMR_REMOTE;
	loop_work_init(&f->unnamed_work, unnamed, f);
	if (!pages_alloc(f))
		goto err;
	if (handle_alloc(&g->mrs, &f->none, &f->handle))
		goto err;
	if (token_claim_any(&g->claims, f, &f->token))
		goto err_handle;
	body_init(f, &f->none, NULL);
	f->none.phase = MR_READY;
	for (uint32_t i = 0; i < FRMR_BODIES; i++)
		body_init(f, &f->body[i],
			  f->pages + (uint64_t)i * f->max_pages);
	return f;

err_handle:
	handle_free(&g->mrs, f->handle);
err:
	frmr_free(f);
	return NULL;
}

/* Its requests name memory by guest physical addresses: not for a process */
static bool create_frmr_ok(const struct guest_conf *c, const struct vr_pd *pd,
			   const struct virtio_rdma_cmd_create_frmr *req)
{
	uint32_t pages = vr_from_le32(req->max_pages);

	return pd->flags & VIRTIO_RDMA_PD_PRIVILEGED && !req->reserved &&
	       pages && pages <= c->max_frmr_pages &&
	       !(vr_from_le32(req->flags) & ~VIRTIO_RDMA_FRMR_REMOTE);
}

void cmd_create_frmr(struct command *cmd)
{
	const struct virtio_rdma_cmd_create_frmr *req = &cmd->req.create_frmr;
	struct guest *g = cmd->guest;
	struct vr_pd *pd = pd_find(g, vr_from_le32(req->pd));
	struct vr_frmr *f;

	if (!pd || !create_frmr_ok(g->conf, pd, req)) {
		command_done(cmd, pd ? VIRTIO_RDMA_S_INVALID_PARAMETER :
				       VIRTIO_RDMA_S_INVALID_HANDLE, 0);
		return;
	}
	f = frmr_new(g, pd, req);
	if (!f) {
		command_done(cmd, VIRTIO_RDMA_S_NO_RESOURCES, 0);
		return;
	}
	pd->users++;
	pd_get(pd);
	worker_call(g->data.worker, join, f);
	cmd->rsp.register_mr.local_token = vr_to_le32(f->handle);
	cmd->rsp.register_mr.remote_token = vr_to_le32(f->token);
	command_done(cmd, VIRTIO_RDMA_S_OK, f->handle);
}

/* Nothing touches its memory once this is answered; unnamed() may follow */
void frmr_remove(struct vr_frmr *f, struct command *cmd)
{
	struct guest *g = f->guest;

	handle_free(&g->mrs, f->handle);
	token_unclaim(&g->claims, f->token);
	f->pd->users--;
	worker_call(g->data.worker, leave, f);
	if (cmd)
		command_done(cmd, VIRTIO_RDMA_S_OK, 0);
}
