/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * rx_sink.c - what a segment is for: checks, place, delivery
 *
 * DOC: The checks of RFC 5040 and 5041 that need state, in the order of the
 * headers' fields.  Without a live queue pair nothing is checked or placed:
 * rule D3, no byte moves after the queue pair has left its connected state.
 */
#include <errno.h>

#include "iw.h"

/* A stopped queue pair answers nobody, but the peer may not know why */
static enum iw_open nobody_there(struct be_conn *c)
{
	struct iw_wire *w = &c->w;

	w->rx.sink = IW_SINK_NONE;
	if (!w->qp && !w->fin_wanted && w->rx.h.opcode != RDMAP_TERMINATE) {
		w->asked = true;
		iw_closing(c);
	}
	return IW_OPENED;
}

static enum iw_open refuse(struct be_conn *c, struct rdmap_error e)
{
	iw_fail(c, e);
	return IW_REFUSED;
}

/* ------------------------------------------------------- the peer's accesses */

/* DDP speaks of Writes, RDMAP of Reads (RFC 5040 4.8) */
static struct rdmap_error denial(enum be_refusal why, bool read)
{
	static const struct rdmap_error errors[][2] = {
		[BE_REFUSED_TOKEN] = {{1, 1, 0x00}, {0, 1, 0x00}},
		[BE_REFUSED_RANGE] = {{1, 1, 0x01}, {0, 1, 0x01}},
		[BE_REFUSED_RIGHT] = {{0, 1, 0x02}, {0, 1, 0x02}},
		[BE_REFUSED_OWNER] = {{1, 1, 0x02}, {0, 1, 0x03}},
	};

	return errors[why][read];
}

/* 0: may be reached; 1: not any more, the queue pair is going; -1: refused */
static int may_reach(struct be_conn *c, uint32_t stag, uint64_t to,
		     uint32_t len, bool read)
{
	uint32_t access = read ? VIRTIO_RDMA_ACCESS_REMOTE_READ
			       : VIRTIO_RDMA_ACCESS_REMOTE_WRITE;
	struct be_sg *sg;

	if (len - 1 > UINT64_MAX - to) {
		iw_fail(c, read ? RDMAP_ERR(0, 1, 0x04) : ERR_TO_WRAP);
		return -1;
	}
	switch (be_remote_sg(c->w.qp, stag, to, len, access, &sg)) {
	case VIRTIO_RDMA_WC_SUCCESS:
		be_sg_put(sg);
		return 0;
	case VIRTIO_RDMA_WC_ABORTED:
		return 1;
	default:
		iw_fail(c, denial(be_remote_refusal(c->w.qp, stag, access),
				  read));
		return -1;
	}
}

static enum iw_open open_write(struct be_conn *c)
{
	const struct rdmap_header *h = &c->w.rx.h;
	int r;

	if (!h->payload)
		return IW_OPENED;	/* whatever its STag says */
	r = may_reach(c, h->stag, h->to, h->payload, false);
	if (r < 0)
		return IW_REFUSED;
	c->w.rx.sink = r ? IW_SINK_NONE : IW_SINK_REMOTE;
	return IW_OPENED;
}

static enum iw_open open_read_request(struct be_conn *c)
{
	const struct rdmap_header *h = &c->w.rx.h;

	if (h->msn != c->w.rx.msn_read)
		return refuse(c, ERR_MSN);
	if (!iw_in_room(c))
		return refuse(c, ERR_STREAM);
	if (h->read.size && may_reach(c, h->read.source_stag,
				      h->read.source_to, h->read.size, true) < 0)
		return IW_REFUSED;
	return IW_OPENED;
}

/* ------------------------------------------------------- answers to our Reads */

static enum iw_open open_read_response(struct be_conn *c)
{
	const struct rdmap_header *h = &c->w.rx.h;
	const struct iw_outread *r = iw_out_oldest(c);

	if (!r || h->stag != r->stag)
		return refuse(c, ERR_STAG);
	if (h->to != r->done || h->payload > r->size - r->done)
		return refuse(c, ERR_BOUNDS);
	if (h->last != (h->payload == r->size - r->done))
		return refuse(c, ERR_STREAM);
	if (h->payload)
		c->w.rx.sink = IW_SINK_READ;
	return IW_OPENED;
}

/* ---------------------------------------------------------------------- Sends */

/* RFC 5041 7.1 lets a receiver wait "in a ULP-transparent way" for the
 * consumer: we leave TCP alone for so long. */
static enum iw_open no_receive(struct be_conn *c)
{
	struct iw_rx *rx = &c->w.rx;
	uint64_t now = be_now();

	if (!be_qp_open(c->w.qp))
		return nobody_there(c);
	if (!rx->held) {
		uint32_t ms = be_qp_rnr_timeout_ms(c->w.qp);

		rx->held = true;
		rx->held_until = ms ? now + ms * 1000000ull : 0;
	}
	if (!rx->held_until)
		return IW_HELD;
	if (now >= rx->held_until)
		return refuse(c, ERR_NO_BUFFER);
	be_qp_wake_at(c->w.qp, rx->held_until);
	return IW_HELD;
}

static enum iw_open too_long(struct be_conn *c)
{
	struct iw_rx *rx = &c->w.rx;
	struct be_wr *wr = rx->rwr;

	rx->rwr = NULL;
	be_rq_complete(c->w.qp, wr, VIRTIO_RDMA_WC_LOCAL_LENGTH, 0, false);
	return refuse(c, ERR_TOO_LONG);
}

static enum iw_open open_send(struct be_conn *c)
{
	struct iw_rx *rx = &c->w.rx;
	const struct rdmap_header *h = &rx->h;

	if (h->msn != rx->msn_send)
		return refuse(c, ERR_MSN);
	if (h->mo != rx->mo)
		return refuse(c, ERR_MO);
	if (rx->rwr && h->opcode != rx->send_opcode)
		return refuse(c, ERR_OPCODE);
	if (!rx->rwr) {
		rx->rwr = be_rq_next(c->w.qp);
		if (!rx->rwr)
			return no_receive(c);
		rx->send_opcode = h->opcode;
	}
	if (h->payload > rx->rwr->length - h->mo)
		return too_long(c);
	if (h->payload)
		rx->sink = IW_SINK_RECV;
	return IW_OPENED;
}

static enum iw_open open_terminate(struct be_conn *c)
{
	(void)c;
	return IW_OPENED;
}

enum iw_open iw_sink_open(struct be_conn *c)
{
	static enum iw_open (*const on[RDMAP_OPCODE_COUNT])(struct be_conn *) = {
		[RDMAP_WRITE] = open_write,
		[RDMAP_READ_REQUEST] = open_read_request,
		[RDMAP_READ_RESPONSE] = open_read_response,
		[RDMAP_SEND] = open_send,
		[RDMAP_SEND_INV] = open_send,
		[RDMAP_SEND_SE] = open_send,
		[RDMAP_SEND_SE_INV] = open_send,
		[RDMAP_TERMINATE] = open_terminate,
	};

	c->w.rx.sink = IW_SINK_NONE;
	if (!iw_is_live(c))
		return nobody_there(c);
	return on[c->w.rx.h.opcode](c);
}

/* -------------------------------------------------------------------- pieces */

/* 0: at the end, or -EACCES; *count: in, room; out, used */
static int collect(struct be_sg *sg, size_t max, struct iovec *iov,
		   uint32_t *count, size_t *total)
{
	uint32_t room = *count;
	int r = 1;

	*count = 0;
	*total = 0;
	while (*count < room && *total < max) {
		void *p;
		size_t n;

		r = be_sg_next(sg, max - *total, &p, &n);
		if (r != 1)
			break;
		iov[(*count)++] = (struct iovec){p, n};
		*total += n;
	}
	return r < 0 ? r : 0;
}

static int remote_pieces(struct be_conn *c, size_t max, struct iovec *iov,
			 uint32_t *count, size_t *total)
{
	const struct rdmap_header *h = &c->w.rx.h;
	uint64_t to = h->to + c->w.rx.done;
	struct be_sg *sg;
	int err;

	/* anew, as the region may have gone since the last piece */
	switch (be_remote_sg(c->w.qp, h->stag, to, max,
			     VIRTIO_RDMA_ACCESS_REMOTE_WRITE, &sg)) {
	case VIRTIO_RDMA_WC_SUCCESS:
		break;
	case VIRTIO_RDMA_WC_ABORTED:
		c->w.rx.sink = IW_SINK_NONE;
		return 0;
	default:
		return -EACCES;
	}
	err = collect(sg, max, iov, count, total);
	be_sg_put(sg);
	return err;
}

/* Memory that this side's consumer named is gone */
static void own_memory_gone(struct be_conn *c)
{
	struct iw_rx *rx = &c->w.rx;
	struct be_wr *wr = rx->rwr;

	if (rx->sink == IW_SINK_READ) {
		iw_sq_failed(c, iw_out_oldest(c)->wr,
			     VIRTIO_RDMA_WC_LOCAL_PROTECTION);
	} else {
		rx->rwr = NULL;
		be_rq_complete(c->w.qp, wr, VIRTIO_RDMA_WC_LOCAL_PROTECTION, 0,
			       false);
	}
}

static void pieces_failed(struct be_conn *c)
{
	enum iw_sink sink = c->w.rx.sink;

	if (sink != IW_SINK_REMOTE)
		own_memory_gone(c);
	c->w.rx.sink = IW_SINK_NONE;
	iw_fail(c, sink == IW_SINK_REMOTE ? ERR_STAG : ERR_DDP_LOCAL);
}

size_t iw_sink_pieces(struct be_conn *c, size_t max, struct iovec *iov,
		      uint32_t *count)
{
	struct iw_rx *rx = &c->w.rx;
	size_t total = 0;
	int err = 0;

	if (!iw_is_live(c)) {
		rx->sink = IW_SINK_NONE;
		return 0;
	}
	switch (rx->sink) {
	case IW_SINK_REMOTE:
		err = remote_pieces(c, max, iov, count, &total);
		break;
	case IW_SINK_RECV:
		err = collect(rx->rwr->sg, max, iov, count, &total);
		break;
	case IW_SINK_READ:
		err = collect(iw_out_oldest(c)->wr->sg, max, iov, count, &total);
		break;
	default:
		break;
	}
	if (!err)
		return total;
	pieces_failed(c);
	return 0;
}

void iw_sink_unused(struct be_conn *c, size_t bytes)
{
	struct iw_rx *rx = &c->w.rx;

	if (!bytes)
		return;
	if (rx->sink == IW_SINK_RECV)
		be_sg_back(rx->rwr->sg, bytes);
	else if (rx->sink == IW_SINK_READ)
		be_sg_back(iw_out_oldest(c)->wr->sg, bytes);
}

/* ------------------------------------------------------------------ delivery */

static bool solicits(uint8_t opcode)
{
	return opcode == RDMAP_SEND_SE || opcode == RDMAP_SEND_SE_INV;
}

static bool invalidates(uint8_t opcode)
{
	return opcode == RDMAP_SEND_INV || opcode == RDMAP_SEND_SE_INV;
}

static void deliver_send(struct be_conn *c)
{
	enum virtio_rdma_wc_status s = VIRTIO_RDMA_WC_SUCCESS;
	struct iw_rx *rx = &c->w.rx;
	struct be_wr *wr = rx->rwr;
	uint32_t length;

	rx->mo += rx->h.payload;
	if (!rx->h.last)
		return;
	length = rx->mo;
	rx->rwr = NULL;
	rx->mo = 0;
	rx->msn_send++;
	/* the last that the message does is to end the use of a token */
	if (invalidates(rx->h.opcode))
		s = be_rq_invalidate(c->w.qp, wr, rx->h.stag);
	be_rq_complete(c->w.qp, wr, s, s ? 0 : length,
		       !s && solicits(rx->h.opcode));
	if (s)
		iw_fail(c, ERR_INVALIDATE);
}

static void deliver_read_request(struct be_conn *c)
{
	c->w.rx.msn_read++;
	iw_in_add(c, &c->w.rx.h);
}

static void deliver_read_response(struct be_conn *c)
{
	iw_out_oldest(c)->done += c->w.rx.h.payload;
	if (c->w.rx.h.last)
		iw_out_done(c);
}

void iw_sink_deliver(struct be_conn *c)
{
	const struct rdmap_header *h = &c->w.rx.h;

	if (h->opcode == RDMAP_TERMINATE) {
		iw_peer_terminated(c, h->payload);
		return;
	}
	if (!iw_is_live(c))
		return;
	switch (h->opcode) {
	case RDMAP_READ_REQUEST:
		deliver_read_request(c);
		return;
	case RDMAP_READ_RESPONSE:
		deliver_read_response(c);
		return;
	case RDMAP_WRITE:
		return;
	default:
		deliver_send(c);
		return;
	}
}
