/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * mr.c - memory regions as the worker uses them; registration: mr_register.c
 */
#include <errno.h>

#include "frmr.h"
#include "guest.h"
#include "mr.h"
#include "mw.h"
#include "qp.h"
#include "worker.h"

static struct vr_mr *by_local_token(const struct guest_data *d, uint32_t token)
{
	uint32_t i = handle_index(token);
	struct vr_mr *mr = i < d->max_mr ? d->mr[i] : NULL;

	return mr && mr->local_token == token ? mr : NULL;
}

static enum virtio_rdma_wc_status get_physical(struct guest_data *d,
					       const struct vr_pd *pd,
					       uint64_t addr, uint64_t length,
					       struct vr_mr **out)
{
	if (!d->map || !gmem_translate(d->map, addr, length, NULL))
		return VIRTIO_RDMA_WC_LOCAL_PROTECTION;
	*out = pd->physical;
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
		return get_physical(d, pd, addr, length, out);
	mr = by_local_token(d, token);
	if (!mr || mr->pd != pd ||
	    (mr->access & need) != need ||
	    !range_within(addr - mr->addr, length, mr->length))
		return VIRTIO_RDMA_WC_LOCAL_PROTECTION;
	mr->users++;
	*out = mr;
	return VIRTIO_RDMA_WC_SUCCESS;
}

enum virtio_rdma_wc_status mr_get_remote(const struct vr_qp *qp, uint32_t token,
					 uint64_t addr, uint64_t length,
					 uint32_t need,
					 const struct vr_grant **out)
{
	const struct vr_grant *g = token_get(&qp->data->tokens, token);

	if (!g || g->pd != qp->pd || (g->qp && g->qp != qp) ||
	    (g->access & need) != need ||
	    !range_within(addr - g->addr, length, g->length))
		return VIRTIO_RDMA_WC_REMOTE_ACCESS;
	g->mr->users++;
	*out = g;
	return VIRTIO_RDMA_WC_SUCCESS;
}

enum virtio_rdma_wc_status mr_invalidate(struct vr_qp *qp, uint32_t token,
					 bool by_peer)
{
	const struct vr_grant *g = token_get(&qp->data->tokens, token);

	/* a window's names its queue pair */
	if (!g || g->qp || !g->mr->fast)
		return mw_invalidate(qp, token);
	if (g->pd != qp->pd || (by_peer && !g->mr->fast->remote))
		return VIRTIO_RDMA_WC_LOCAL_PROTECTION;
	frmr_invalidate(g->mr->fast);
	return VIRTIO_RDMA_WC_SUCCESS;
}

enum be_refusal mr_refusal(const struct vr_qp *qp, uint32_t token,
			   uint32_t need)
{
	const struct vr_grant *g = token_get(&qp->data->tokens, token);

	if (!g)
		return BE_REFUSED_TOKEN;
	if (g->pd != qp->pd || (g->qp && g->qp != qp))
		return BE_REFUSED_OWNER;
	if ((g->access & need) != need)
		return BE_REFUSED_RIGHT;
	return BE_REFUSED_RANGE;
}

void mr_maybe_unnamed(struct vr_mr *mr)
{
	if (mr->dead && !mr->users)
		loop_post_work(worker_loop(mr->guest->data.worker),
			       &mr->unnamed_work);
}

void mr_put(struct vr_mr *mr)
{
	if (mr->physical)
		return;
	mr->users--;
	if (mr->fast)
		frmr_maybe_unnamed(mr->fast);
	else
		mr_maybe_unnamed(mr);
}

/* Translated anew for each piece: the guest's memory may have changed since */
static void *physical_piece(const struct vr_mr *mr, uint64_t gpa, uint64_t max,
			    uint64_t *len)
{
	const struct gmem_map *map = mr->guest->data.map;

	*len = max;
	return map ? gmem_translate(map, gpa, max, NULL) : NULL;
}

/* Pages that lie together for the guest may not do so here */
static void *fast_piece(const struct vr_mr *mr, uint64_t at, uint64_t max,
			uint64_t *len)
{
	const uint64_t size = VIRTIO_RDMA_PAGE_SIZE;
	uint64_t in = at & (size - 1), have = size - in;
	const uint64_t *page = &mr->gpa[at >> VIRTIO_RDMA_PAGE_SHIFT];
	void *all;

	if (max <= have)
		return physical_piece(mr, *page + in, max, len);
	/* as far as they do; max keeps it within the list */
	for (uint32_t i = 0; have < max && page[i + 1] == page[i] + size; i++)
		have += size;
	all = physical_piece(mr, *page + in, have < max ? have : max, len);
	return all ? all : physical_piece(mr, *page + in, size - in, len);
}

void *mr_piece(const struct vr_mr *mr, uint64_t off, uint64_t max,
	       uint64_t *len)
{
	if (mr->dead)
		return NULL;
	if (mr->physical)
		return physical_piece(mr, off, max, len);
	if (mr->fast)
		return fast_piece(mr, mr->first + off, max, len);
	return mr_pages_piece(&mr->pages, mr->first + off, max, len);
}

uint8_t *mr_pages_piece(const struct gmem_pages *p, uint64_t at, uint64_t max,
			uint64_t *len)
{
	uint64_t size, have;
	uint32_t i;

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

/* -------------------------------------------------- keys of a host's device */

/* Where the memory at gpa is to the fabric, as far as it lies in one region */
static int physical_key(const struct vr_mr *mr, uint64_t gpa, uint64_t max,
			struct be_key *out)
{
	const struct physical_keys *keys = mr->pd->keys;
	uint32_t lo = 0, hi = keys ? keys->count : 0;

	while (lo < hi) {
		uint32_t mid = lo + (hi - lo) / 2;
		const struct be_mr *be = &keys->mr[mid]->be;

		if (gpa < be->addr) {
			hi = mid;
		} else if (gpa - be->addr >= be->length) {
			lo = mid + 1;
		} else {
			if (!range_within(gpa - be->addr, max, be->length))
				max = be->length - (gpa - be->addr);
			*out = (struct be_key){ gpa, max, be->local_key, false };
			return 1;
		}
	}
	return -EACCES;
}

int mr_key(const struct vr_mr *mr, uint64_t off, uint64_t max,
	   struct be_key *out)
{
	if (mr->physical)
		return physical_key(mr, off, max, out);
	if (mr->dead || !mr->be.pd)
		return -EACCES;
	*out = (struct be_key){ mr->addr + off, max, mr->be.local_key, false };
	return 1;
}
