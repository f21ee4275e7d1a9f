/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * qp.c - the requests of a queue pair between its ring and the wire
 *
 * DOC: Requests are taken, sent and ended in the order of the ring; three
 * counts say how far each is.
 *
 *	ended <= sent <= taken
 *
 * When does a Send or Write end?  TCP's word that the bytes have arrived says
 * nothing about their delivery, and RFC 5040 has no acknowledgement.  But it
 * has Reads, which the peer answers only when it has done all that came before:
 * so a Read's answer ends the requests before it, with success.  Where no Read
 * of the consumer follows, a Read of no length is sent, at most one at a time;
 * one more Read than the consumers have is agreed on for that (IW_EXTRA_READS).
 * So a request ends as it would on a local connection: done at the peer, or
 * with the status of what the peer's Terminate says.  Where the peer has no
 * room for such a Read, may be siw, which answers it wrongly (docs/iwarp.md), or
 * the operator says confirm=no, requests end when TCP has their bytes.
 */
#include <string.h>

#include "iw.h"
#include "wire_bytes.h"

static struct iw_sqe *sqe_at(struct iw_wire *w, uint32_t n)
{
	return &w->sqe[n & (w->window - 1)];
}

/* One more than ord: a Read can be our ready-to-receive frame where none else
 * may be asked */
static uint32_t out_size(const struct iw_wire *w)
{
	return w->ord + 1;
}

/* -------------------------------------------------------------- send requests */

struct be_wr *iw_sq_next(struct be_conn *c)
{
	struct iw_wire *w = &c->w;

	if (w->tx.next || w->tx.stuck || w->eof)
		return w->tx.next;
	w->tx.next = be_sq_next(w->qp);
	if (w->tx.next)
		*sqe_at(w, w->taken++) = (struct iw_sqe){.wr = w->tx.next};
	return w->tx.next;
}

static bool reads_outstanding(const struct iw_wire *w)
{
	for (uint32_t i = 0; i < w->out_len; i++)
		if (w->out[(w->out_head + i) % out_size(w)].wr)
			return true;
	return false;
}

bool iw_sq_may_begin(const struct be_conn *c, const struct be_wr *wr)
{
	const struct iw_wire *w = &c->w;

	if ((wr->flags & VIRTIO_RDMA_WR_READ_FENCE) && reads_outstanding(w))
		return false;
	return wr->opcode != VIRTIO_RDMA_OP_READ || w->out_len < w->ord;
}

void iw_sq_number(struct be_conn *c, uint32_t msn)
{
	sqe_at(&c->w, c->w.sent)->msn = msn;
}

void iw_sq_executed(struct be_conn *c, enum virtio_rdma_wc_status status)
{
	struct iw_sqe *e = sqe_at(&c->w, c->w.sent++);

	e->done = true;
	e->status = (uint8_t)status;
	if (status)
		c->w.tx.stuck = true;
}

void iw_sq_sent(struct be_conn *c)
{
	struct iw_wire *w = &c->w;
	struct iw_sqe *e = sqe_at(w, w->sent++);

	if (w->confirm)
		w->unconfirmed++;
	else
		e->done = true;
}

static struct iw_sqe *find(struct iw_wire *w, const struct be_wr *wr,
			   uint32_t *at)
{
	for (uint32_t i = w->ended; i != w->taken; i++) {
		if (sqe_at(w, i)->wr != wr)
			continue;
		*at = i;
		return sqe_at(w, i);
	}
	return NULL;
}

void iw_sq_failed(struct be_conn *c, struct be_wr *wr,
		  enum virtio_rdma_wc_status status)
{
	struct iw_wire *w = &c->w;
	struct iw_sqe *e;
	uint32_t at;

	e = find(w, wr, &at);
	if (!e)
		return;
	e->status = (uint8_t)status;
	e->done = true;
	w->tx.stuck = true;
	/* its answer has begun: those before it are done */
	if (wr->opcode == VIRTIO_RDMA_OP_READ)
		for (uint32_t i = w->ended; i != at; i++)
			sqe_at(w, i)->done = true;
	iw_sq_complete(c);
}

void iw_sq_complete(struct be_conn *c)
{
	struct iw_wire *w = &c->w;

	while (w->ended != w->taken && w->qp) {
		struct iw_sqe *e = sqe_at(w, w->ended);

		if (!e->done)
			return;
		w->ended++;
		be_sq_complete(w->qp, e->wr,
			       (enum virtio_rdma_wc_status)e->status);
		if (e->status)
			return;	/* the model flushes the rest */
	}
}

/* ------------------------------------------------------------------ our Reads */

static struct iw_outread *out_add(struct be_conn *c, struct be_wr *wr)
{
	struct iw_wire *w = &c->w;
	struct iw_outread *r = &w->out[(w->out_head + w->out_len++) % out_size(w)];

	/* any will do that is not the last one's; the peer only says it back */
	c->iw->stag += 0x9e3779b1u;
	*r = (struct iw_outread){
		.wr = wr,
		.upto = w->sent,
		.stag = c->iw->stag ? c->iw->stag : 1,
		.size = wr ? (uint32_t)wr->length : 0,
	};
	w->unconfirmed = 0;
	return r;
}

struct iw_outread *iw_sq_asked(struct be_conn *c, struct be_wr *wr)
{
	struct iw_wire *w = &c->w;
	struct iw_outread *r = out_add(c, wr);

	sqe_at(w, w->sent++)->msn = w->tx.msn_read;
	return r;
}

bool iw_sq_wants_confirm(const struct be_conn *c)
{
	const struct iw_wire *w = &c->w;

	return w->unconfirmed && !w->confirming && w->out_len < w->ord &&
	       !w->eof;
}

struct iw_outread *iw_sq_confirm(struct be_conn *c)
{
	c->w.confirming = true;
	return out_add(c, NULL);
}

struct iw_outread *iw_out_oldest(struct be_conn *c)
{
	return c->w.out_len ? &c->w.out[c->w.out_head] : NULL;
}

void iw_out_done(struct be_conn *c)
{
	struct iw_wire *w = &c->w;
	struct iw_outread r = w->out[w->out_head];
	uint32_t upto = r.upto + (r.wr ? 1 : 0);

	w->out_head = (w->out_head + 1) % out_size(w);
	w->out_len--;
	if (!r.wr)
		w->confirming = false;
	/* what has ended already is behind us: compare by distance */
	for (uint32_t i = w->ended; (int32_t)(upto - i) > 0; i++)
		sqe_at(w, i)->done = true;
	iw_sq_complete(c);
}

/* ------------------------------------------------------------ the peer's Reads */

bool iw_in_room(const struct be_conn *c)
{
	return c->w.in_len < c->w.ird;
}

void iw_in_add(struct be_conn *c, const struct rdmap_header *h)
{
	struct iw_wire *w = &c->w;

	w->in[(w->in_head + w->in_len++) % w->ird] = (struct iw_inread){
		.sink_stag = h->read.sink_stag,
		.sink_to = h->read.sink_to,
		.size = h->read.size,
		.stag = h->read.source_stag,
		.to = h->read.source_to,
	};
}

struct iw_inread *iw_in_oldest(struct be_conn *c)
{
	return c->w.in_len ? &c->w.in[c->w.in_head] : NULL;
}

void iw_in_done(struct be_conn *c)
{
	c->w.in_head = (c->w.in_head + 1) % c->w.ird;
	c->w.in_len--;
}

/* ----------------------------------------------------------------------- blame */

/* Which errors say that a request was wrong, and how it ends */
static const struct blame {
	struct rdmap_error e;
	uint8_t status;
} blames[] = {
	{{0, 1, 0x00}, VIRTIO_RDMA_WC_REMOTE_ACCESS},
	{{0, 1, 0x01}, VIRTIO_RDMA_WC_REMOTE_ACCESS},
	{{0, 1, 0x02}, VIRTIO_RDMA_WC_REMOTE_ACCESS},
	{{0, 1, 0x03}, VIRTIO_RDMA_WC_REMOTE_ACCESS},
	{{0, 1, 0x04}, VIRTIO_RDMA_WC_REMOTE_ACCESS},
	{{0, 1, 0x09}, VIRTIO_RDMA_WC_REMOTE_ACCESS},
	{{0, 1, 0xff}, VIRTIO_RDMA_WC_REMOTE_ACCESS},
	{{0, 2, 0x09}, VIRTIO_RDMA_WC_REMOTE_ACCESS},
	{{1, 1, 0x00}, VIRTIO_RDMA_WC_REMOTE_ACCESS},
	{{1, 1, 0x01}, VIRTIO_RDMA_WC_REMOTE_ACCESS},
	{{1, 1, 0x02}, VIRTIO_RDMA_WC_REMOTE_ACCESS},
	{{1, 1, 0x03}, VIRTIO_RDMA_WC_REMOTE_ACCESS},
	{{1, 2, 0x02}, VIRTIO_RDMA_WC_TIMED_OUT},
	{{1, 2, 0x05}, VIRTIO_RDMA_WC_REMOTE_REQUEST},
	{{1, 0, 0x00}, VIRTIO_RDMA_WC_REMOTE_OPERATION},
};

static const struct blame *blame_of(const struct rdmap_error *e)
{
	for (size_t i = 0; i < sizeof(blames) / sizeof(blames[0]); i++)
		if (rdmap_error_is(e, blames[i].e))
			return &blames[i];
	return NULL;
}

/* By the sink, which each Read has for itself, if the peer sent it back: siw has
 * the MSN wrong */
static bool read_is_meant(const struct iw_wire *w, const struct iw_sqe *e,
			  const struct rdmap_terminate *t)
{
	if (!t->has_read)
		return get32(t->header + 10) == e->msn;
	for (uint32_t i = 0; i < w->out_len; i++) {
		const struct iw_outread *r =
			&w->out[(w->out_head + i) % out_size(w)];

		if (r->wr == e->wr)
			return r->stag == get32(t->read);
	}
	return false;
}

/* Is this the request whose header the peer sent back?  Without a header: could
 * it be? */
static bool is_meant(const struct iw_wire *w, const struct iw_sqe *e,
		     const struct rdmap_terminate *t)
{
	const uint8_t *h = t->header;
	uint8_t op = e->wr->opcode;

	if (be_wr_is_local(e->wr))
		return false;
	if (!t->has_header)
		return (t->error.layer == 1 && t->error.type == 2) ==
		       iw_is_send(e->wr);
	switch (h[1] & 0xf) {
	case RDMAP_WRITE:
		return op == VIRTIO_RDMA_OP_WRITE &&
		       get32(h + 2) == iw_stag(e->wr->remote_token) &&
		       get64(h + 6) - e->wr->remote_addr <= e->wr->length;
	case RDMAP_READ_REQUEST:
		return op == VIRTIO_RDMA_OP_READ && read_is_meant(w, e, t);
	case RDMAP_READ_RESPONSE:
		return false;
	default:
		return iw_is_send(e->wr) && get32(h + 10) == e->msn;
	}
}

/* Up to the one that is begun but not sent whole */
static bool find_meant(struct iw_wire *w, const struct rdmap_terminate *t,
		       uint32_t *at)
{
	uint32_t end = w->sent + (w->tx.wr ? 1 : 0);

	for (*at = w->ended; *at != end; ++*at)
		if (is_meant(w, sqe_at(w, *at), t))
			return true;
	return false;
}

/* The peer did all before it, but Reads it may have left unanswered */
static void end_at(struct be_conn *c, uint32_t at, uint8_t status)
{
	struct iw_wire *w = &c->w;

	for (uint32_t i = w->ended; i != at; i++) {
		struct iw_sqe *e = sqe_at(w, i);

		if (!e->done && e->wr->opcode == VIRTIO_RDMA_OP_READ)
			return;
		e->done = true;
	}
	sqe_at(w, at)->done = true;
	sqe_at(w, at)->status = status;
}

bool iw_sq_blamed(struct be_conn *c, const struct rdmap_terminate *t)
{
	const struct blame *b = blame_of(&t->error);
	struct iw_wire *w = &c->w;
	uint32_t at;

	if (!b || !w->qp || !be_qp_open(w->qp))
		return false;
	w->tx.stuck = true;
	if (find_meant(w, t, &at))
		end_at(c, at, b->status);
	iw_sq_complete(c);
	/* nothing, where a completion has done it already */
	be_qp_fail(w->qp, b->status == VIRTIO_RDMA_WC_TIMED_OUT
				  ? VIRTIO_RDMA_R_TIMED_OUT
				  : VIRTIO_RDMA_R_LOCAL_ERROR);
	return true;
}
