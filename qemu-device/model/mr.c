/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * mr.c - memory regions: registration in the control thread, use in the worker
 */
#include <stdlib.h>

#include "guest.h"
#include "mr.h"
#include "worker.h"

#define ACCESS_ALL (VIRTIO_RDMA_ACCESS_LOCAL_WRITE | \
		    VIRTIO_RDMA_ACCESS_REMOTE_READ | \
		    VIRTIO_RDMA_ACCESS_REMOTE_WRITE)
#define ACCESS_REMOTE (VIRTIO_RDMA_ACCESS_REMOTE_READ | \
		       VIRTIO_RDMA_ACCESS_REMOTE_WRITE)

/* ------------------------------------------------------------------ worker */

static struct vr_mr *by_local_token(const struct guest_data *d, uint32_t token)
{
	uint32_t i = handle_index(token);
	struct vr_mr *mr = i < d->max_mr ? d->mr[i] : NULL;

	return mr && mr->local_token == token ? mr : NULL;
}

static enum virtio_rdma_wc_status get_physical(struct guest_data *d,
					       uint64_t addr, uint64_t length,
					       struct vr_mr **out)
{
	if (!d->map || !gmem_translate(d->map, addr, length, NULL))
		return VIRTIO_RDMA_WC_LOCAL_PROTECTION;
	*out = d->phys;
	return VIRTIO_RDMA_WC_SUCCESS;
}

enum virtio_rdma_wc_status mr_get_local(struct guest_data *d,
					const struct vr_pd *pd, uint32_t token,
					uint64_t addr, uint64_t length,
					uint32_t need, struct vr_mr **out)
{
	struct vr_mr *mr;

	if (token == VIRTIO_RDMA_TOKEN_PRIVILEGED &&
	    (pd->flags & VIRTIO_RDMA_PD_PRIVILEGED))
		return get_physical(d, addr, length, out);
	mr = by_local_token(d, token);
	if (!mr || mr->pd != pd ||
	    (mr->access & need) != need ||
	    !range_within(addr - mr->addr, length, mr->length))
		return VIRTIO_RDMA_WC_LOCAL_PROTECTION;
	mr->users++;
	*out = mr;
	return VIRTIO_RDMA_WC_SUCCESS;
}

enum virtio_rdma_wc_status mr_get_remote(struct guest_data *d,
					 const struct vr_pd *pd, uint32_t token,
					 uint64_t addr, uint64_t length,
					 uint32_t need, struct vr_mr **out)
{
	struct vr_mr *mr = token_get(&d->tokens, token);

	if (!mr || mr->pd != pd ||
	    (mr->access & need) != need ||
	    !range_within(addr - mr->addr, length, mr->length))
		return VIRTIO_RDMA_WC_REMOTE_ACCESS;
	mr->users++;
	*out = mr;
	return VIRTIO_RDMA_WC_SUCCESS;
}

static void maybe_free(struct vr_mr *mr)
{
	if (mr->dead && !mr->users)
		loop_post_work(worker_loop(mr->guest->data.worker),
			       &mr->free_work);
}

void mr_put(struct vr_mr *mr)
{
	if (mr->physical)
		return;
	mr->users--;
	maybe_free(mr);
}

/* Translated anew for each piece: the guest's memory may have changed since */
static void *physical_piece(const struct vr_mr *mr, uint64_t gpa, uint64_t max,
			    uint64_t *len)
{
	const struct gmem_map *map = mr->guest->data.map;

	*len = max;
	return map ? gmem_translate(map, gpa, max, NULL) : NULL;
}

void *mr_piece(const struct vr_mr *mr, uint64_t off, uint64_t max,
	       uint64_t *len)
{
	const struct gmem_pages *p = &mr->pages;
	uint64_t size, at, have;
	uint32_t i;

	if (mr->dead)
		return NULL;
	if (mr->physical)
		return physical_piece(mr, off, max, len);
	at = mr->first + off;
	if (p->linear) {
		*len = max;
		return p->linear + at;
	}
	size = 1ull << p->page_shift;
	i = (uint32_t)(at >> p->page_shift);
	have = size - (at & (size - 1));
	/* as far as the pages lie together; max keeps i within the list */
	for (; have < max && p->page[i + 1] == p->page[i] + size; i++)
		have += size;
	*len = have < max ? have : max;
	return gmem_pages_at(p, at);
}

/* ---------------------------------------------------------- control thread */

static void mr_free(void *arg)
{
	struct vr_mr *mr = arg;

	gmem_pages_put(&mr->pages);
	free(mr);
}

static struct vr_mr *mr_new(struct guest *g)
{
	struct vr_mr *mr = calloc(1, sizeof(*mr));

	if (!mr)
		return NULL;
	mr->guest = g;
	loop_work_init(&mr->free_work, mr_free, mr);
	return mr;
}

struct vr_mr *mr_new_physical(struct guest *g)
{
	struct vr_mr *mr = mr_new(g);

	if (mr) {
		mr->physical = true;
		mr->length = UINT64_MAX;
		mr->access = VIRTIO_RDMA_ACCESS_LOCAL_WRITE;
	}
	return mr;
}

static void join(void *arg)
{
	struct vr_mr *mr = arg;

	struct guest_data *d = &mr->guest->data;

	d->mr[handle_index(mr->local_token)] = mr;
	if (mr->remote_token)
		token_insert(&d->tokens, mr->remote_token, mr);
}

static void leave(void *arg)
{
	struct vr_mr *mr = arg;

	struct guest_data *d = &mr->guest->data;

	d->mr[handle_index(mr->local_token)] = NULL;
	token_remove(&d->tokens, mr->remote_token);
	mr->dead = true;
	maybe_free(mr);
}

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
		return -1;
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
		return ret == -1 ? VIRTIO_RDMA_S_INVALID_PARAMETER :
				   gmem_status(ret);
	if (handle_alloc(&g->mrs, mr, &mr->local_token))
		return VIRTIO_RDMA_S_NO_RESOURCES;
	/* random: a peer that was given one token can tell no other from it */
	if ((mr->access & ACCESS_REMOTE) &&
	    token_claim_any(&g->claims, mr, &mr->remote_token)) {
		handle_free(&g->mrs, mr->local_token);
		mr->remote_token = 0;
		return VIRTIO_RDMA_S_INTERNAL_ERROR;
	}
	return VIRTIO_RDMA_S_OK;
}

void cmd_register_mr(struct command *cmd)
{
	const struct virtio_rdma_cmd_register_mr *req = &cmd->req.register_mr;
	enum virtio_rdma_status status;
	struct guest *g = cmd->guest;
	struct vr_pd *pd;
	struct vr_mr *mr;

	status = VIRTIO_RDMA_S_INVALID_HANDLE;
	pd = handle_get(&g->pds, vr_from_le32(req->pd));
	if (!pd)
		goto err;
	status = VIRTIO_RDMA_S_INVALID_PARAMETER;
	if (!register_ok(g->conf, req))
		goto err;
	status = VIRTIO_RDMA_S_NO_RESOURCES;
	mr = mr_new(g);
	if (!mr)
		goto err;
	mr->pd = pd;
	status = mr_setup(g, mr, req);
	if (status)
		goto err_free;
	pd->users++;
	worker_call(g->data.worker, join, mr);
	cmd->rsp.register_mr.local_token = vr_to_le32(mr->local_token);
	cmd->rsp.register_mr.remote_token = vr_to_le32(mr->remote_token);
	command_done(cmd, VIRTIO_RDMA_S_OK, mr->local_token);
	return;

err_free:
	mr_free(mr);
err:
	command_done(cmd, status, 0);
}

static void mr_remove(struct guest *g, struct vr_mr *mr)
{
	uint32_t remote_token = mr->remote_token;

	handle_free(&g->mrs, mr->local_token);
	mr->pd->users--;
	worker_call(g->data.worker, leave, mr);
	if (remote_token)
		token_unclaim(&g->claims, remote_token);
}

void cmd_deregister_mr(struct command *cmd)
{
	struct vr_mr *mr = handle_get(&cmd->guest->mrs, cmd->handle);

	if (!mr) {
		command_done(cmd, VIRTIO_RDMA_S_INVALID_HANDLE, 0);
		return;
	}
	mr_remove(cmd->guest, mr);
	command_done(cmd, VIRTIO_RDMA_S_OK, 0);
}

void mr_reset_all(struct guest *g)
{
	uint32_t pos = 0;
	struct vr_mr *mr;

	while ((mr = handle_next(&g->mrs, &pos)))
		mr_remove(g, mr);
}
