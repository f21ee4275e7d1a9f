/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * tx.c - from the guest's memory to the socket
 *
 * DOC: FPDUs are gathered into a batch, header and trailer from scratch memory
 * and payload from where it lies, and go out with one sendmsg().  What the
 * socket does not take is copied, at most a batch: between two turns nothing
 * points into guest memory, so a queue pair can stop at any time and its last
 * FPDU still ends where the peer expects it.
 *
 * The answer to a Read of no length says only that the peer's requests were
 * done (qp.c).  Where our consumer answers the peer's messages with its own, it
 * waits up to IW_HOLD_NS for the next one and goes out with it: one sendmsg()
 * less in the way of each.  What has gone wrong with that decides about the
 * next one.
 *
 * Messages are never mixed.  Between two of them it is decided who is next: a
 * Read that confirms (qp.c), then requests and answers to the peer's Reads by
 * turns.  The receiving half never waits for this one.
 */
#include <errno.h>
#include <sys/socket.h>

#include "iw.h"

/* --------------------------------------------------------------------- batch */

static void batch_reset(struct iw_batch *b)
{
	b->iovs = 0;
	b->fpdus = 0;
	b->bytes = 0;
	b->copied = 0;
}

/* One more FPDU with so much payload, in any number of pieces that still makes
 * progress */
static bool batch_room(const struct iw_batch *b, size_t payload)
{
	return b->fpdus < IW_BATCH_FPDUS && b->iovs + 3 <= IW_BATCH_IOV &&
	       (!b->fpdus || b->bytes + payload + RDMAP_MAX_HEADER +
			RDMAP_MAX_TRAILER <= IW_BATCH_BYTES);
}

/* Pieces of payload behind a place for the header.  Bytes, or -EACCES */
static ssize_t gather(struct iw_batch *b, struct be_sg *sg, size_t len)
{
	uint32_t at = b->iovs + 1;
	size_t total = 0;

	while (total < len && at < IW_BATCH_IOV - 1) {
		void *p;
		size_t n;
		int r = be_sg_next(sg, len - total, &p, &n);

		if (r < 0)
			return r;
		if (!r)
			break;
		b->iov[at++] = (struct iovec){p, n};
		total += n;
	}
	return (ssize_t)total;
}

/* What was gathered last, and is under no consumer's control: who owns memory
 * that a peer reads may write to it at any time, also between its CRC and
 * sendmsg(), and a CRC that is wrong ends the connection */
static void batch_copy(struct iw_batch *b, size_t len)
{
	struct iovec *v = &b->iov[b->iovs + 1];
	uint8_t *to = b->copies + b->copied;

	for (size_t at = 0; at < len; v++) {
		memcpy(to + at, v->iov_base, v->iov_len);
		at += v->iov_len;
	}
	b->iov[b->iovs + 1] = (struct iovec){to, len};
	b->copied += len;
}

/* Header, what was gathered, trailer */
static void batch_add(struct be_conn *c, struct iw_batch *b,
		      const struct rdmap_header *h)
{
	uint8_t *header = b->small[b->fpdus].header;
	uint8_t *trailer = b->small[b->fpdus].trailer;
	size_t size = rdmap_encode(h, header);
	size_t total = size + h->payload, left = total;
	uint32_t pad = rdmap_pad((uint32_t)total - 2), crc = CRC32C_INIT;

	b->iov[b->iovs] = (struct iovec){header, size};
	for (; left; b->iovs++) {
		const struct iovec *v = &b->iov[b->iovs];

		if (c->w.crc)
			crc = crc32c_update(crc, v->iov_base, v->iov_len);
		left -= v->iov_len;
	}
	memset(trailer, 0, pad + RDMAP_CRC);
	if (c->w.crc)
		crc32c_store(crc32c_update(crc, trailer, pad), trailer + pad);
	b->iov[b->iovs++] = (struct iovec){trailer, pad + RDMAP_CRC};
	b->bytes += total + pad + RDMAP_CRC;
	b->fpdus++;
}

/* ------------------------------------------------------------------- sending */

static void broken(struct be_conn *c)
{
	/* Why, the receiving half will see: what the peer said last may be
	 * there, unread.  But a FIN counts for nothing any more. */
	c->w.tx.failed = true;
	c->w.writable = false;
	c->w.readable = true;
	iw_buf_put(c->iw, c->w.tx.out);
	c->w.tx.out = NULL;
}

bool iw_tx_flush(struct be_conn *c)
{
	struct iw_tx *tx = &c->w.tx;

	while (tx->out && c->w.writable) {
		ssize_t n = send(c->fd, tx->out->data + tx->out->off,
				 tx->out->len, MSG_NOSIGNAL | MSG_DONTWAIT);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN) {
			c->w.writable = false;
			return false;
		}
		if (n < 0) {
			broken(c);
			return false;
		}
		tx->out->off += (uint32_t)n;
		tx->out->len -= (uint32_t)n;
		if (tx->out->len)
			continue;
		iw_buf_put(c->iw, tx->out);
		tx->out = NULL;
	}
	return !tx->out && !tx->failed;
}

static uint8_t *room_for(struct be_conn *c, size_t len)
{
	struct iw_tx *tx = &c->w.tx;

	if (tx->failed)
		return NULL;
	if (!tx->out)
		tx->out = iw_buf_get(c->iw);
	if (!tx->out)
		return NULL;
	if (tx->out->off + tx->out->len > IW_BUF_SIZE - len) {
		memmove(tx->out->data, tx->out->data + tx->out->off,
			tx->out->len);
		tx->out->off = 0;
	}
	if (tx->out->len > IW_BUF_SIZE - len)
		return NULL;
	return tx->out->data + tx->out->off + tx->out->len;
}

bool iw_tx_put(struct be_conn *c, const void *p, size_t len)
{
	uint8_t *to = room_for(c, len);

	if (!to)
		return false;
	memcpy(to, p, len);
	c->w.tx.out->len += (uint32_t)len;
	(void)iw_tx_flush(c);
	return true;
}

/* Keeps what the socket has left of the batch */
static bool keep_rest(struct be_conn *c, const struct iw_batch *b, size_t sent)
{
	uint8_t *to = room_for(c, b->bytes - sent);

	if (!to) {
		iw_peer_lost(c, ENOMEM);
		return false;
	}
	c->w.tx.out->len += (uint32_t)(b->bytes - sent);
	for (uint32_t i = 0; i < b->iovs; i++) {
		const struct iovec *v = &b->iov[i];
		size_t skip = sent < v->iov_len ? sent : v->iov_len;

		memcpy(to, (const uint8_t *)v->iov_base + skip,
		       v->iov_len - skip);
		to += v->iov_len - skip;
		sent -= skip;
	}
	return true;
}

/* False: the socket is full, or broken */
static bool batch_send(struct be_conn *c, struct iw_batch *b)
{
	struct msghdr m = {.msg_iov = b->iov, .msg_iovlen = b->iovs};
	ssize_t n;

	do {
		n = sendmsg(c->fd, &m, MSG_NOSIGNAL | MSG_DONTWAIT);
	} while (n < 0 && errno == EINTR);
	if (n < 0 && errno != EAGAIN) {
		broken(c);
		return false;
	}
	if (n < 0)
		n = 0;
	if ((size_t)n == b->bytes)
		return true;
	c->w.writable = false;
	keep_rest(c, b, (size_t)n);
	return false;
}

/* ------------------------------------------------------ answers that may wait */

void iw_tx_unhold(struct be_conn *c)
{
	struct iw_tx *tx = &c->w.tx;

	tx->held_until = 0;
	if (!tx->is_holding)
		return;
	tx->is_holding = false;
	TAILQ_REMOVE(&c->iw->holding, c, w.holding);
}

/* The oldest answer is not sent yet */
static bool hold(struct be_conn *c, const struct iw_batch *b)
{
	struct iw_tx *tx = &c->w.tx;

	if (b->fpdus || !tx->replies || c->w.in_len > 1 ||
	    iw_in_oldest(c)->size)
		return false;
	if (!tx->held_until) {
		tx->held_until = be_now() + IW_HOLD_NS;
		tx->is_holding = true;
		TAILQ_INSERT_TAIL(&c->iw->holding, c, w.holding);
	}
	if (tx->is_holding)
		return true;
	tx->replies = false;	/* nobody came */
	return false;
}

bool iw_tx_end_holds(struct iw *iw, bool all)
{
	struct be_conn *c;
	bool any = false;

	while ((c = TAILQ_FIRST(&iw->holding)) &&
	       (all || be_now() >= c->w.tx.held_until)) {
		TAILQ_REMOVE(&iw->holding, c, w.holding);
		c->w.tx.is_holding = false;
		be_qp_wake(c->w.qp);
		any = true;
	}
	return any;
}

void iw_tx_release(struct be_conn *c)
{
	uint8_t frame[IW_MAX_FRAME];
	struct iw_wire *w = &c->w;
	bool held = w->tx.held_until;
	struct iw_inread *r;

	iw_tx_unhold(c);
	/* not into the middle of a message */
	if (!held || w->dead || w->lost || w->tx.wr || w->tx.answering)
		return;
	while ((r = iw_in_oldest(c)) && !r->size) {
		(void)iw_tx_put(c, frame, iw_frame_answer(frame, r->sink_stag,
							  r->sink_to, w->crc));
		iw_in_done(c);
	}
}

/* It has gone, with others or alone */
static void answered(struct be_conn *c, bool alone)
{
	iw_tx_unhold(c);
	c->w.tx.alone_at = alone ? be_now() : 0;
}

/* A request of ours: could the last answer have gone with it? */
static void followed(struct be_conn *c)
{
	struct iw_tx *tx = &c->w.tx;

	if (!tx->alone_at)
		return;
	tx->replies = be_now() - tx->alone_at < IW_HOLD_NS;
	tx->alone_at = 0;
}

/* --------------------------------------------------------- what to send next */

static uint8_t send_opcode(const struct be_wr *wr)
{
	bool solicit = wr->flags & VIRTIO_RDMA_WR_SOLICIT;

	if (wr->opcode == VIRTIO_RDMA_OP_SEND_INVALIDATE)
		return solicit ? RDMAP_SEND_SE_INV : RDMAP_SEND_INV;
	return solicit ? RDMAP_SEND_SE : RDMAP_SEND;
}

static void request_failed(struct be_conn *c, struct be_wr *wr,
			   enum virtio_rdma_wc_status status)
{
	c->w.tx.wr = NULL;
	iw_sq_failed(c, wr, status);
}

/* The next segment of a Send or Write */
static bool add_segment(struct be_conn *c, struct iw_batch *b)
{
	struct iw_tx *tx = &c->w.tx;
	struct be_wr *wr = tx->wr;
	uint64_t rest = wr->length - tx->off;
	size_t want = rest < c->w.payload ? (size_t)rest : c->w.payload;
	struct rdmap_header h = {0};
	ssize_t n;

	if (!batch_room(b, want))
		return false;
	n = gather(b, wr->sg, want);
	if (n < 0 || (!n && want)) {
		request_failed(c, wr, VIRTIO_RDMA_WC_LOCAL_PROTECTION);
		return false;
	}
	h.payload = (uint32_t)n;
	h.last = (uint64_t)n == rest;
	if (wr->opcode == VIRTIO_RDMA_OP_WRITE) {
		h.opcode = RDMAP_WRITE;
		h.stag = iw_stag(wr->remote_token);
		h.to = wr->remote_addr + tx->off;
	} else {
		h.opcode = send_opcode(wr);
		if (wr->opcode == VIRTIO_RDMA_OP_SEND_INVALIDATE)
			h.stag = wr->remote_token;
		h.msn = tx->msn_send;
		h.mo = tx->off;
	}
	batch_add(c, b, &h);
	tx->off += h.payload;
	if (!h.last)
		return true;
	if (wr->opcode != VIRTIO_RDMA_OP_WRITE)
		tx->msn_send++;
	tx->wr = NULL;
	iw_sq_sent(c);
	return true;
}

static void add_read(struct be_conn *c, struct iw_batch *b,
		     const struct iw_outread *r, const struct be_wr *wr)
{
	struct rdmap_header h = {
		.opcode = RDMAP_READ_REQUEST,
		.last = true,
		.msn = c->w.tx.msn_read++,
		.read.sink_stag = r->stag,
		.read.size = r->size,
		.read.source_stag = iw_stag(wr ? wr->remote_token : 0),
		.read.source_to = wr ? wr->remote_addr : 0,
	};

	batch_add(c, b, &h);
}

/* Windows and regions are the model's.  What was sent before is in TCP's hands, which is
 * all that a request without READ_FENCE may rely on. */
static bool execute(struct be_conn *c, const struct be_wr *wr)
{
	iw_sq_executed(c, be_sq_apply(c->w.qp, wr));
	iw_sq_complete(c);
	return true;
}

static bool begin_request(struct be_conn *c, struct iw_batch *b)
{
	struct iw_tx *tx = &c->w.tx;
	struct be_wr *wr = iw_sq_next(c);

	if (!wr || tx->stuck)
		return false;
	if (wr->opcode == VIRTIO_RDMA_OP_READ && !c->w.ord) {
		/* the peer lets nobody read */
		request_failed(c, wr, VIRTIO_RDMA_WC_LOCAL_REQUEST);
		return false;
	}
	if (!iw_sq_may_begin(c, wr))
		return false;
	tx->next = NULL;
	if (be_wr_is_local(wr))
		return execute(c, wr);
	followed(c);
	if (wr->opcode == VIRTIO_RDMA_OP_READ) {
		add_read(c, b, iw_sq_asked(c, wr), wr);
		return true;
	}
	tx->wr = wr;
	tx->off = 0;
	if (iw_is_send(wr))
		iw_sq_number(c, tx->msn_send);
	return true;
}

/* The next segment of the answer to the peer's oldest Read */
static bool add_answer(struct be_conn *c, struct iw_batch *b)
{
	struct iw_inread *r = iw_in_oldest(c);
	uint32_t rest = r->size - r->done;
	size_t want = rest < c->w.payload ? rest : c->w.payload;
	struct rdmap_header h = {
		.opcode = RDMAP_READ_RESPONSE,
		.stag = r->sink_stag,
		.to = r->sink_to + r->done,
	};
	struct be_sg *sg;
	ssize_t n = 0;

	if (!batch_room(b, want))
		return false;
	if (want) {
		switch (be_remote_sg(c->w.qp, r->stag, r->to + r->done, want,
				     VIRTIO_RDMA_ACCESS_REMOTE_READ, &sg)) {
		case VIRTIO_RDMA_WC_SUCCESS:
			break;
		case VIRTIO_RDMA_WC_ABORTED:
			return false;
		default:	/* it was good when it was asked for */
			iw_fail_plain(c, ERR_READ_STAG);
			return false;
		}
		n = gather(b, sg, want);
		be_sg_put(sg);
		if (n <= 0) {
			iw_fail_plain(c, ERR_READ_STAG);
			return false;
		}
		if (c->w.crc)
			batch_copy(b, (size_t)n);
	}
	h.payload = (uint32_t)n;
	h.last = h.payload == rest;
	batch_add(c, b, &h);
	r->done += h.payload;
	c->w.tx.answering = !h.last;
	if (!h.last)
		return true;
	iw_in_done(c);
	answered(c, b->fpdus == 1);
	return true;
}

static bool begin_answer(struct be_conn *c, struct iw_batch *b)
{
	return iw_in_oldest(c) && !hold(c, b) && add_answer(c, b);
}

/* Between two messages */
static bool add_next(struct be_conn *c, struct iw_batch *b)
{
	struct iw_tx *tx = &c->w.tx;

	if (!batch_room(b, RDMAP_READ))
		return false;
	if (iw_sq_wants_confirm(c)) {
		add_read(c, b, iw_sq_confirm(c), NULL);
		return true;
	}
	tx->turn = !tx->turn;
	if (tx->turn)
		return begin_answer(c, b) || begin_request(c, b);
	return begin_request(c, b) || begin_answer(c, b);
}

static bool add(struct be_conn *c, struct iw_batch *b)
{
	if (!iw_is_live(c))
		return false;
	if (c->w.tx.answering)
		return add_answer(c, b);
	if (c->w.tx.wr)
		return add_segment(c, b);
	return add_next(c, b);
}

bool iw_tx_turn(struct be_conn *c)
{
	size_t budget = IW_TURN_BYTES;
	struct iw_batch *b = &c->iw->batch;

	if (!iw_tx_flush(c) || c->w.eof)
		return c->w.tx.failed;
	while (budget) {
		bool all;

		batch_reset(b);
		while (add(c, b))
			;
		if (!b->fpdus)
			return false;
		all = batch_send(c, b);
		iw_sq_complete(c);
		if (!all)
			return c->w.tx.failed;
		if (!iw_is_live(c))
			return false;
		budget -= b->bytes < budget ? b->bytes : budget;
	}
	return true;
}
