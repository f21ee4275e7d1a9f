/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * teardown.c - the end of a connection in the worker
 *
 * DOC: After stop() the socket goes on alone: what was under way is written to
 * the end of its FPDU, then comes FIN, with a Terminate before it if it is no
 * good end.  What the peer still sends is read, checked and thrown away until
 * its own FIN, which is its notification.  When the model has let go and both
 * have been, or the peer is dead, or nothing came for IW_LINGER_MS, the socket
 * is closed.
 *
 *	eof	the peer's FIN came between two FPDUs
 *	dead	nothing that the peer sends counts any more: Terminate came or
 *		went, or its stream makes no sense
 *	lost	TCP itself is over
 */
#include <errno.h>
#include <sys/socket.h>

#include "iw.h"

#define MS 1000000ull

/* ------------------------------------------------------------- what went wrong */

static void tell(struct be_conn *c, enum virtio_rdma_reason reason)
{
	if (c->w.qp)	/* nothing, where it failed already */
		be_qp_fail(c->w.qp, reason);
	else
		iw_tell_ended(c, reason);
}

static void put_terminate(struct be_conn *c, const struct rdmap_terminate *t)
{
	uint8_t frame[IW_MAX_FRAME];

	if (c->w.term_sent || c->w.fin_sent)
		return;
	c->w.term_sent = true;
	/* siw may have overlooked our first frame, see setup.c */
	if (c->w.active && c->w.maybe_siw && !c->w.rx.any)
		(void)iw_tx_put(c, frame, iw_frame_write(frame, c->w.crc));
	(void)iw_tx_put(c, frame, iw_frame_terminate(frame, t, c->w.crc));
}

static void fail_with(struct be_conn *c, const struct rdmap_terminate *t)
{
	if (c->w.dead)
		return;
	iw_log(c->iw, BE_INFO, "connection fails: %s",
	       rdmap_error_name(&t->error));
	iw_tx_release(c);
	c->w.dead = true;
	c->w.fin_wanted = true;
	put_terminate(c, t);
	tell(c, VIRTIO_RDMA_R_RESET);
}

void iw_fail(struct be_conn *c, struct rdmap_error e)
{
	struct rdmap_terminate t;

	rdmap_terminate_at(&t, e, c->w.rx.raw);
	fail_with(c, &t);
}

void iw_fail_plain(struct be_conn *c, struct rdmap_error e)
{
	const struct rdmap_terminate t = {.error = e};

	fail_with(c, &t);
}

void iw_peer_closed(struct be_conn *c)
{
	c->w.eof = true;
	iw_tell_disconnected(c);
}

static enum virtio_rdma_reason reason_of(int err)
{
	switch (err) {
	case ETIMEDOUT:
	case EHOSTUNREACH:
	case ENETUNREACH:
		return VIRTIO_RDMA_R_TIMED_OUT;
	case ENOMEM:
		return VIRTIO_RDMA_R_LOCAL_ERROR;
	default:
		return VIRTIO_RDMA_R_RESET;
	}
}

void iw_peer_lost(struct be_conn *c, int err)
{
	c->w.lost = true;
	c->w.readable = false;
	if (c->w.dead)
		return;
	c->w.dead = true;
	iw_tell_ended(c, reason_of(err));
}

void iw_peer_terminated(struct be_conn *c, size_t len)
{
	struct rdmap_terminate t;
	struct iw_wire *w = &c->w;

	if (len > sizeof(w->rx.term))
		len = sizeof(w->rx.term);
	(void)rdmap_terminate_decode(w->rx.term, len, &t);
	if (t.error.layer || t.error.type)
		iw_log(c->iw, BE_INFO, "the peer terminates: %s",
		       rdmap_error_name(&t.error));
	w->fin_wanted = true;
	if (!iw_sq_blamed(c, &t))
		iw_tell_terminated(c, t.error.layer || t.error.type
					      ? 0 : t.error.code);
	w->dead = true;
}

/* ------------------------------------------------------------------- last words */

void iw_forget(struct be_conn *c, bool gently)
{
	struct iw_wire *w = &c->w;
	struct iw *iw = c->iw;

	if (w->is_busy)
		TAILQ_REMOVE(&iw->busy, c, w.busy);
	if (w->is_closing)
		TAILQ_REMOVE(&iw->closing, c, w.closing);
	w->is_busy = w->is_closing = false;
	iw_tx_unhold(c);
	TAILQ_REMOVE(&iw->all, c, w.all);
	iw->watched--;
	if (gently)
		iw_sock_close_gently(c->fd);
	else
		iw_sock_close_reset(c->fd);
	c->fd = -1;
	w->closed = true;
	iw_buf_put(iw, w->rx.buf);
	iw_buf_put(iw, w->tx.out);
	w->rx.buf = w->tx.out = NULL;
	iw_conn_put(c);
}

static void put_reason(struct be_conn *c, enum virtio_rdma_reason reason)
{
	const struct rdmap_terminate t = {
		.error = ERR_CATASTROPHIC(IW_CODE_REASON(reason)),
	};

	if (!c->w.dead)
		put_terminate(c, &t);
}

/* The model lets go, and says why */
static void last_words(struct be_conn *c, unsigned int said)
{
	enum virtio_rdma_reason reason = said >> 8;
	struct iw_wire *w = &c->w;

	w->aborted = true;
	if (reason != VIRTIO_RDMA_R_NONE && reason != VIRTIO_RDMA_R_RESET) {
		if (!w->fin_sent)
			put_reason(c, reason);
		else if (!w->term_sent && !w->dead)
			w->lost = true;	/* only a reset can say it now */
	} else if (reason == VIRTIO_RDMA_R_RESET && !w->eof &&
		   !(said & IW_SAID_DISCONNECT)) {
		put_reason(c, reason);
	}
	w->fin_wanted = true;
	w->linger_until = be_now() + IW_LINGER_MS * MS;
	w->linger_end = be_now() + IW_DEAD_MS * MS;
	iw_closing(c);
}

void iw_word(struct be_conn *c)
{
	unsigned int said = atomic_load(&c->said);
	struct iw_wire *w = &c->w;

	if (w->qp || w->closed)
		return;		/* stop() comes first, and looks again */
	if (said & IW_SAID_DISCONNECT)
		w->fin_wanted = true;
	if ((said & IW_SAID_ABORT) && !w->aborted)
		last_words(c, said);
	iw_drain(c);
}

/* ----------------------------------------------------------------- on its own */

/* siw may throw away what it has not looked at when a FIN comes behind it, so
 * with a peer that could be one FIN waits for the acknowledgement */
static bool may_finish(struct be_conn *c)
{
	struct iw_wire *w = &c->w;

	if (!w->fin_wanted || w->fin_sent || w->tx.out || w->tx.failed ||
	    w->lost)
		return false;
	if (w->ours || w->aborted || !iw_sock_unacked(c->fd))
		return true;
	iw_closing(c);
	return false;
}

/* Bytes that no longer make frames */
static bool read_raw(struct be_conn *c)
{
	struct iw *iw = c->iw;
	size_t total = 0;

	while (c->w.readable && total < IW_TURN_BYTES) {
		ssize_t n = recv(c->fd, iw->trash, sizeof(iw->trash),
				 MSG_DONTWAIT);

		if (n > 0) {
			total += (size_t)n;
			continue;
		}
		if (n < 0 && errno == EINTR)
			continue;
		c->w.readable = false;
		if (n < 0 && errno == EAGAIN)
			break;
		if (n == 0)
			c->w.eof = true;
		else
			c->w.lost = true;
	}
	return c->w.readable;
}

static bool is_over(const struct be_conn *c)
{
	const struct iw_wire *w = &c->w;

	return w->aborted &&
	       (w->lost || w->tx.failed || (w->eof && w->fin_sent));
}

void iw_drain(struct be_conn *c)
{
	struct iw_wire *w = &c->w;
	bool more = false;

	(void)iw_tx_flush(c);
	if (may_finish(c)) {
		w->fin_sent = true;
		if (shutdown(c->fd, SHUT_WR))
			iw_peer_lost(c, errno);
	}
	if (!w->eof && !w->lost)
		more = w->dead ? read_raw(c) : iw_rx_turn(c);
	if (is_over(c)) {
		iw_forget(c, w->eof && !w->lost && !w->tx.failed);
		return;
	}
	/* the turn may have ended the frames, and what is left is raw */
	if (more || (w->dead && !w->eof && !w->lost && w->readable))
		iw_busy(c);
}

/* The peer wants something of a queue pair that its consumer has flushed, and
 * nobody has told it.  As with a receive that never comes (rx_sink.c). */
static void lose_patience(struct be_conn *c)
{
	struct iw_wire *w = &c->w;

	if (w->asked && w->patience && !w->dead && !w->fin_wanted &&
	    be_now() >= w->patience)
		iw_fail_plain(c, ERR_NO_BUFFER);
}

/* A peer that takes what we have to say gets more time for it */
static bool lingered(struct be_conn *c)
{
	struct iw_wire *w = &c->w;
	uint32_t unacked = iw_sock_unacked(c->fd);
	uint64_t now = be_now();

	if (unacked != w->unacked)
		w->linger_until = now + IW_LINGER_MS * MS;
	w->unacked = unacked;
	return now >= w->linger_until || now >= w->linger_end;
}

void iw_tick(struct be_conn *c)
{
	struct iw_wire *w = &c->w;

	if (w->linger_until && lingered(c)) {
		iw_forget(c, false);
		return;
	}
	lose_patience(c);
	if (w->linger_until || (w->asked && w->patience && !w->dead))
		iw_closing(c);
	iw_drain(c);
}
