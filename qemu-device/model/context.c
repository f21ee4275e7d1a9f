/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * context.c - a consumer's page of doorbells
 */
#include <stdlib.h>

#include "guest.h"
#include "mr.h"
#include "worker.h"

/* ------------------------------------------------------------------- bells */

bool context_slot_taken(const struct vr_context *ctx, uint32_t slot)
{
	return ctx->slots_used[slot / 64] & 1ull << (slot % 64);
}

bool bell_hook_init(struct bell_hook *h, struct vr_context *ctx,
		    uint32_t slot, struct bell *bell)
{
	*h = (struct bell_hook){ ctx, slot, bell, calloc(64, sizeof(*h->row)) };
	if (!h->row)
		return false;
	ctx->slots_used[slot / 64] |= 1ull << (slot % 64);
	ctx->users++;
	return true;
}

void bell_hook_fini(struct bell_hook *h)
{
	free(h->row);
}

void context_give_slot(struct vr_context *ctx, uint32_t slot)
{
	ctx->slots_used[slot / 64] &= ~(1ull << (slot % 64));
	ctx->users--;
}

void bell_hang(struct bell_hook *h)
{
	struct bell ***row = &h->context->slot[h->slot / 64];

	if (!*row) {
		*row = h->row;
		h->row = NULL;
	}
	(*row)[h->slot % 64] = h->bell;
}

void bell_take_down(struct vr_context *ctx, uint32_t slot)
{
	ctx->slot[slot / 64][slot % 64] = NULL;
}

/* ---------------------------------------------------------- control thread */

static void join(void *arg)
{
	struct vr_context *ctx = arg;

	worker_add_context(ctx->guest->data.worker, ctx);
}

static void leave(void *arg)
{
	struct vr_context *ctx = arg;

	worker_del_context(ctx->guest->data.worker, ctx);
}

static void context_free(struct vr_context *ctx)
{
	for (unsigned int i = 0; i < VIRTIO_RDMA_MAX_SLOTS / 64; i++)
		free(ctx->slot[i]);
	gmem_pages_put(&ctx->pages);
	free(ctx);
}

/* The page, as a list of one */
static int map_page(struct guest *g, struct vr_context *ctx, uint64_t gpa)
{
	const struct virtio_rdma_page_list list = {
		.root = vr_to_le64(gpa),
		.page_count = vr_to_le32(1),
		.page_shift = VIRTIO_RDMA_PAGE_SHIFT,
	};
	int ret;

	ret = gmem_read_page_list(g->map, &list, 1, GMEM_SHIFT_4K,
				  &g->gmem_account, &ctx->pages);
	if (ret)
		return ret;
	ctx->page = gmem_pages_at(&ctx->pages, 0);
	return 0;
}

void cmd_create_context(struct command *cmd)
{
	const struct virtio_rdma_cmd_create_context *req =
		&cmd->req.create_context;
	enum virtio_rdma_status status;
	struct guest *g = cmd->guest;
	struct vr_context *ctx;
	int ret;

	status = VIRTIO_RDMA_S_INVALID_PARAMETER;
	if (req->reserved || vr_from_le32(req->wakeq) >= g->conf->num_wakeq)
		goto err;
	status = VIRTIO_RDMA_S_NO_RESOURCES;
	ctx = calloc(1, sizeof(*ctx));
	if (!ctx)
		goto err;
	ctx->guest = g;
	list_init(&ctx->link);
	ret = map_page(g, ctx, vr_from_le64(req->page));
	if (ret) {
		status = gmem_status(ret);
		goto err_free;
	}
	if (handle_alloc(&g->contexts, ctx, &ctx->handle))
		goto err_free;
	worker_call(g->data.worker, join, ctx);
	command_done(cmd, VIRTIO_RDMA_S_OK, ctx->handle);
	return;

err_free:
	context_free(ctx);
err:
	command_done(cmd, status, 0);
}

static void context_remove(struct guest *g, struct vr_context *ctx)
{
	handle_free(&g->contexts, ctx->handle);
	worker_call(g->data.worker, leave, ctx);
	context_free(ctx);
}

void cmd_destroy_context(struct command *cmd)
{
	struct vr_context *ctx = handle_get(&cmd->guest->contexts, cmd->handle);

	if (!ctx) {
		command_done(cmd, VIRTIO_RDMA_S_INVALID_HANDLE, 0);
		return;
	}
	if (ctx->users) {
		command_done(cmd, VIRTIO_RDMA_S_BUSY, 0);
		return;
	}
	context_remove(cmd->guest, ctx);
	command_done(cmd, VIRTIO_RDMA_S_OK, 0);
}

void context_reset_all(struct guest *g)
{
	uint32_t pos = 0;
	struct vr_context *ctx;

	while ((ctx = handle_next(&g->contexts, &pos)))
		context_remove(g, ctx);
}
