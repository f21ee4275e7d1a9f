/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * sg_copy.c - from the memory of one request to that of another
 *
 * DOC: Between two guests this is nearly all the work there is.  A guest's memory
 * is scattered page by page, and the copy of one page takes so little (70 ns) that
 * it shows when the next one's address is not at hand: so where both sides stand
 * is kept in registers, from one end of a segment to the other, and goes back into
 * the walks behind that.  What is deregistered is so between two of the worker's
 * steps, not meanwhile.
 */
#include <errno.h>
#include <string.h>

#include "mr.h"
#include "page_copy.h"
#include "sg.h"

#define SHORT	1024u

/* A segment's bytes from where the walk stands */
struct stretch {
	uint8_t *at;
	uint64_t have;			/* bytes that lie together there */
	uint8_t *const *page;		/* the pages behind them... */
	uint64_t page_size;
	uint64_t rest;			/* ...and the bytes in those */
};

static inline uint64_t least(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

static void open_paged(struct stretch *s, const struct sg_seg *seg, uint64_t pos)
{
	const struct gmem_pages *p = &seg->mr->pages;
	uint64_t at = seg->mr->first + seg->off + pos, in;

	s->page_size = 1ull << p->page_shift;
	s->page = &p->page[at >> p->page_shift];
	in = at & (s->page_size - 1);
	s->at = *s->page++ + in;
	s->have = least(s->page_size - in, seg->len - pos);
	s->rest = seg->len - pos - s->have;
}

/* False: the memory is gone */
static bool open_stretch(struct stretch *s, const struct be_sg *sg)
{
	const struct sg_seg *seg = &sg->seg[sg->cur];

	if (seg->mr && mr_is_paged(seg->mr)) {
		open_paged(s, seg, sg->pos);
		return true;
	}
	s->at = sg_peek(sg, sg->left, &s->have);
	s->rest = 0;
	return s->at;
}

/* Takes what comes next along */
static inline void take_page(struct stretch *s)
{
	uint64_t n = least(s->page_size, s->rest);

	s->page++;
	s->have += n;
	s->rest -= n;
}

static inline void widen(struct stretch *s)
{
	while (s->rest && *s->page == s->at + s->have)
		take_page(s);
}

static inline void go_on(struct stretch *s, uint64_t n)
{
	s->at += n;
	s->have -= n;
	if (!s->have && s->rest) {
		s->at = *s->page;
		take_page(s);
	}
}

/* One piece of both.  They may be the same guest's memory, and overlap. */
static void copy_piece(const struct stretch *to, const struct stretch *from,
		       uint64_t n)
{
	if (n > VIRTIO_RDMA_PAGE_SIZE)
		memmove(to->at, from->at, n);
	else if (to->rest && from->rest)
		page_copy_ahead(to->at, from->at, n, *to->page, *from->page);
	else
		page_copy(to->at, from->at, n);
}

/* n: not more than either has */
static void copy_stretch(struct stretch *to, struct stretch *from, uint64_t n)
{
	uint64_t m;

	for (; n; n -= m) {
		widen(to);
		widen(from);
		m = least(least(to->have, from->have), n);
		copy_piece(to, from, m);
		go_on(to, m);
		go_on(from, m);
	}
}

/* What is short mostly lies in one piece.  False: it does not, or is not there */
static bool copy_short(struct be_sg *dst, struct be_sg *src, uint64_t n)
{
	uint64_t to_has, from_has;
	uint8_t *to = sg_peek(dst, n, &to_has);
	const uint8_t *from = sg_peek(src, n, &from_has);

	if (!to || !from || to_has < n || from_has < n)
		return false;
	memmove(to, from, n);
	sg_advance(dst, n);
	sg_advance(src, n);
	return true;
}

int64_t be_sg_copy(struct be_sg *dst, struct be_sg *src, uint64_t max,
		   bool *dst_bad)
{
	uint64_t all = least(max, least(dst->left, src->left)), left, n;

	sg_advance(dst, 0);
	sg_advance(src, 0);
	if (all && all <= SHORT && copy_short(dst, src, all))
		return (int64_t)all;
	for (left = all; left; left -= n) {
		struct stretch to, from;

		*dst_bad = !open_stretch(&to, dst);
		if (*dst_bad || !open_stretch(&from, src))
			return -EACCES;
		n = least(to.have + to.rest, from.have + from.rest);
		n = least(n, left);
		copy_stretch(&to, &from, n);
		sg_advance(dst, n);
		sg_advance(src, n);
	}
	return (int64_t)all;
}
