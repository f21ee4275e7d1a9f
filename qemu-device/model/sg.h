/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * sg.h - a walk over the memory of one request
 *
 * DOC: Segments were checked when the request was copied in, and each holds
 * a user of its region.  What can still happen is that the region is
 * deregistered; be_sg_next() finds that and ends the walk.  Host pointers are
 * never kept between two steps.
 */
#ifndef VRDMA_SG_H
#define VRDMA_SG_H

#include <stdint.h>

#include "../../host-backend/backend.h"

struct vr_grant;
struct vr_mr;
struct vr_qp;

struct sg_seg {
	struct vr_mr *mr;	/* NULL: base is host memory (inline bytes) */
	uint8_t *base;		/* NULL as well: taken away */
	uint64_t off;		/* of the segment in the region */
	uint64_t len;
};

struct be_sg {
	uint64_t left;		/* bytes not yet walked */
	uint64_t pos;		/* in the segment cur */
	uint32_t cur;
	uint32_t count;
	struct sg_seg *seg;
};

/* One piece of a region that the peer reads or writes */
struct remote_sg {
	struct be_sg sg;
	struct sg_seg seg;
	struct vr_qp *qp;
	const struct vr_grant *grant;	/* NULL: no length */
};

/* Forgets everything; the segments' array stays */
void sg_reset(struct be_sg *sg);
void sg_add(struct be_sg *sg, struct vr_mr *mr, uint64_t off, uint64_t len);
void sg_add_bytes(struct be_sg *sg, void *base, uint64_t len);
/* The piece that comes next, of at most max bytes, without going on; NULL: it is
 * not there any more.  There are bytes left, and none of cur's segment before pos */
void *sg_peek(const struct be_sg *sg, uint64_t max, uint64_t *len);
/* n: not past the end of cur's segment.  Goes past its end, if that is reached */
void sg_advance(struct be_sg *sg, uint64_t n);
/* Gives the regions back */
void sg_put_all(struct be_sg *sg);
/* Accesses of qp's peer by this grant find no memory any more */
void remote_sg_revoke(struct vr_qp *qp, const struct vr_grant *grant);

#endif /* VRDMA_SG_H */
