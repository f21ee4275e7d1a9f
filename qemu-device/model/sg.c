/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * sg.c - a walk over the memory of one request
 */
#include <errno.h>
#include <string.h>

#include "mr.h"
#include "qp.h"
#include "sg.h"

void sg_reset(struct be_sg *sg)
{
	sg->left = 0;
	sg->pos = 0;
	sg->cur = 0;
	sg->count = 0;
}

/* Field by field: a structure built aside and copied stalls on its own stores */
void sg_add(struct be_sg *sg, struct vr_mr *mr, uint64_t off, uint64_t len)
{
	struct sg_seg *seg = &sg->seg[sg->count++];

	seg->mr = mr;
	seg->base = NULL;
	seg->off = off;
	seg->len = len;
	sg->left += len;
}

void sg_add_bytes(struct be_sg *sg, void *base, uint64_t len)
{
	struct sg_seg *seg = &sg->seg[sg->count++];

	seg->mr = NULL;
	seg->base = base;
	seg->off = 0;
	seg->len = len;
	sg->left += len;
}

void sg_put_all(struct be_sg *sg)
{
	for (uint32_t i = 0; i < sg->count; i++) {
		if (sg->seg[i].mr)
			mr_put(sg->seg[i].mr);
	}
	sg_reset(sg);
}

void *sg_peek(const struct be_sg *sg, uint64_t max, uint64_t *len)
{
	const struct sg_seg *seg = &sg->seg[sg->cur];
	uint64_t rest = seg->len - sg->pos;

	if (rest < max)
		max = rest;
	if (seg->mr)
		return mr_piece(seg->mr, seg->off + sg->pos, max, len);
	*len = max;
	return seg->base ? seg->base + sg->pos : NULL;
}

void sg_advance(struct be_sg *sg, uint64_t n)
{
	sg->pos += n;
	sg->left -= n;
	while (sg->cur < sg->count && sg->pos == sg->seg[sg->cur].len) {
		sg->pos = 0;
		sg->cur++;
	}
}

uint64_t be_sg_left(const struct be_sg *sg)
{
	return sg->left;
}

int be_sg_next(struct be_sg *sg, size_t max, void **ptr, size_t *len)
{
	uint64_t n;

	/* goes past leading segments of no length */
	sg_advance(sg, 0);
	if (!sg->left || !max)
		return 0;
	*ptr = sg_peek(sg, max, &n);
	if (!*ptr)
		return -EACCES;
	*len = n;
	sg_advance(sg, n);
	return 1;
}

int be_sg_key(struct be_sg *sg, struct be_key *out)
{
	const struct sg_seg *seg;
	uint64_t rest;
	int ret;

	sg_advance(sg, 0);
	if (!sg->left)
		return 0;
	seg = &sg->seg[sg->cur];
	rest = seg->len - sg->pos;
	if (seg->mr) {
		ret = mr_key(seg->mr, seg->off + sg->pos, rest, out);
		if (ret < 0)
			return ret;
	} else if (!seg->base) {
		return -EACCES;
	} else {
		*out = (struct be_key){
			(uintptr_t)(seg->base + sg->pos), rest, 0, true,
		};
	}
	sg_advance(sg, out->length);
	return 1;
}

void be_sg_back(struct be_sg *sg, uint64_t bytes)
{
	sg->left += bytes;
	while (bytes > sg->pos) {
		bytes -= sg->pos;
		sg->cur--;
		sg->pos = sg->seg[sg->cur].len;
	}
	sg->pos -= bytes;
}

/* ---------------------------------------------------- the peer's accesses */

static struct remote_sg *remote_take(struct vr_qp *qp)
{
	struct remote_sg *r;
	int i;

	if (!qp->remote_free)
		return NULL;
	i = __builtin_ctz(qp->remote_free);
	qp->remote_free &= qp->remote_free - 1;
	r = &qp->remote[i];
	r->qp = qp;
	r->grant = NULL;
	r->sg.seg = &r->seg;
	sg_reset(&r->sg);
	return r;
}

enum virtio_rdma_wc_status be_remote_sg(struct be_qp *be, uint32_t token,
					uint64_t addr, uint64_t length,
					uint32_t access, struct be_sg **out)
{
	struct vr_qp *qp = vr_qp_of(be);
	enum virtio_rdma_wc_status s;
	const struct vr_grant *grant;
	struct remote_sg *r;

	if (!qp_is_open(qp))
		return VIRTIO_RDMA_WC_ABORTED;
	r = remote_take(qp);
	if (!r)
		return VIRTIO_RDMA_WC_ABORTED;
	*out = &r->sg;
	if (!length)	/* nothing is touched, so nothing is asked for */
		return VIRTIO_RDMA_WC_SUCCESS;
	s = mr_get_remote(qp, token, addr, length, access, &grant);
	if (s) {
		be_sg_put(&r->sg);
		return s;
	}
	r->grant = grant;
	sg_add(&r->sg, grant->mr, addr - grant->mr->addr, length);
	return VIRTIO_RDMA_WC_SUCCESS;
}

void remote_sg_revoke(struct vr_qp *qp, const struct vr_grant *grant)
{
	for (uint32_t busy = ~qp->remote_free; busy; busy &= busy - 1) {
		struct remote_sg *r = &qp->remote[__builtin_ctz(busy)];

		if (r->grant != grant)
			continue;
		mr_put(r->seg.mr);
		r->seg.mr = NULL;
		r->grant = NULL;
	}
}

enum be_refusal be_remote_refusal(const struct be_qp *be, uint32_t token,
				  uint32_t access)
{
	const struct vr_qp *qp = vr_qp_of_const(be);

	return mr_refusal(qp, token, access);
}

/* Only what be_remote_sg() gave has an owner to go back to */
void be_sg_put(struct be_sg *sg)
{
	struct remote_sg *r = container_of(sg, struct remote_sg, sg);
	struct vr_qp *qp = r->qp;

	sg_put_all(sg);
	qp->remote_free |= 1u << (r - qp->remote);
}
