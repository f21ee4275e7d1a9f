/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * rx.c - from the socket to the guest's memory
 *
 * DOC: A stream of FPDUs that may stop after any byte.  Three states say what
 * the next byte is: of a header, of payload, or of pad and CRC.  Short ones
 * are parsed from a buffer.  The payload of a long one is read straight to its
 * place: one readv() for the guest's pieces and, behind them, a bit of buffer
 * for the trailer and the next header.
 *
 * Bounds are checked before a byte is placed, the CRC before anything is
 * delivered: until then the guest's memory is undefined (RFC 5040 5.5).  The
 * guest may scribble over what lies there before the CRC is taken; that ends
 * its own connection and nobody else's.
 *
 * No pointer into guest memory lives longer than one step: each asks again
 * (rx_sink.c), so memory that is deregistered between two of them is safe.
 */
#include <errno.h>
#include <sys/socket.h>

#include "iw.h"

#define DIRECT_MIN 512u		/* less is copied */
#define LONG	   4096u	/* payload that makes a stream one of long FPDUs */
#define READ_SMALL 1024u	/* how much to read ahead of the next header */
#define READ_LARGE 16384u
#define TAIL	   64u		/* trailer and header behind a long payload */
#define PIECES	   256u

enum verdict {
	V_MORE,		/* bytes are missing */
	V_HELD,
	V_OVER,		/* nothing of the peer's counts any more */
};

/* --------------------------------------------------------------------- parse */

/* Starts the FPDU in the buffer, if its header is there.  V_MORE with
 * *started: it is */
static enum verdict parse_header(struct be_conn *c, bool *started)
{
	struct iw_rx *rx = &c->w.rx;
	const uint8_t *p = rx->buf->data + rx->buf->off;
	struct rdmap_error e;
	size_t size;

	*started = false;
	if (rx->buf->len < RDMAP_FIRST)
		return V_MORE;
	size = rdmap_header_size(p);
	if (rx->buf->len < size)
		return V_MORE;
	memcpy(rx->raw, p, size);
	if (!rdmap_decode(p, &rx->h, &e)) {
		iw_fail(c, e);
		return V_OVER;
	}
	switch (iw_sink_open(c)) {
	case IW_HELD:
		return V_HELD;
	case IW_REFUSED:
		return V_OVER;
	default:
		break;
	}
	rx->held = false;
	rx->buf->off += (uint32_t)size;
	rx->buf->len -= (uint32_t)size;
	rx->done = 0;
	rx->bulk = rx->h.payload > LONG;
	rx->crc = c->w.crc ? crc32c_update(CRC32C_INIT, rx->raw, size) : 0;
	rx->state = IW_RX_PAYLOAD;
	*started = true;
	return V_MORE;
}

/* To its place, as far as it has one */
static void place(struct be_conn *c, const uint8_t *p, size_t len)
{
	struct iovec *iov = c->iw->pieces;

	while (len) {
		uint32_t count = PIECES;
		size_t n = iw_sink_pieces(c, len, iov, &count);

		if (!n)
			return;
		for (uint32_t i = 0; i < count; i++) {
			memcpy(iov[i].iov_base, p, iov[i].iov_len);
			p += iov[i].iov_len;
		}
		c->w.rx.done += (uint32_t)n;
		len -= n;
	}
}

static void keep_terminate(struct iw_rx *rx, const uint8_t *p, size_t len)
{
	size_t room = rx->done < sizeof(rx->term) ?
			      sizeof(rx->term) - rx->done : 0;

	memcpy(rx->term + (room ? rx->done : 0), p, len < room ? len : room);
}

static void parse_payload(struct be_conn *c)
{
	struct iw_rx *rx = &c->w.rx;
	uint32_t rest = rx->h.payload - rx->done;
	uint32_t n = rest < rx->buf->len ? rest : rx->buf->len;
	uint32_t end = rx->done + n;
	const uint8_t *p = rx->buf->data + rx->buf->off;

	if (c->w.crc)
		rx->crc = crc32c_update(rx->crc, p, n);
	if (rx->h.opcode == RDMAP_TERMINATE)
		keep_terminate(rx, p, n);
	else if (rx->sink != IW_SINK_NONE)
		place(c, p, n);
	rx->done = end;	/* what had no place was thrown away */
	rx->buf->off += n;
	rx->buf->len -= n;
	if (rx->done == rx->h.payload)
		rx->state = IW_RX_TRAILER;
}

static enum verdict parse_trailer(struct be_conn *c)
{
	struct iw_rx *rx = &c->w.rx;
	uint32_t pad = rdmap_pad(rx->h.ulpdu);
	const uint8_t *p = rx->buf->data + rx->buf->off;

	if (rx->buf->len < pad + RDMAP_CRC)
		return V_MORE;
	if (c->w.crc &&
	    crc32c_update(rx->crc, p, pad) != crc32c_load(p + pad)) {
		iw_fail(c, ERR_CRC);
		return V_OVER;
	}
	rx->buf->off += pad + RDMAP_CRC;
	rx->buf->len -= pad + RDMAP_CRC;
	rx->state = IW_RX_HEADER;
	rx->any = true;
	iw_sink_deliver(c);
	return c->w.dead ? V_OVER : V_MORE;
}

/* As far as the buffer goes */
static enum verdict parse(struct be_conn *c)
{
	struct iw_rx *rx = &c->w.rx;

	while (rx->buf && !c->w.dead) {
		enum iw_rx_state was = rx->state;
		uint32_t had = rx->buf->len;
		enum verdict v = V_MORE;
		bool started;

		if (was == IW_RX_HEADER)
			v = parse_header(c, &started);
		else if (was == IW_RX_PAYLOAD)
			parse_payload(c);
		else
			v = parse_trailer(c);
		if (v != V_MORE)
			return v;
		if (rx->state == was && rx->buf->len == had)
			return V_MORE;
	}
	return c->w.dead ? V_OVER : V_MORE;
}

/* ---------------------------------------------------------------------- read */

static bool have_buf(struct be_conn *c)
{
	struct iw_rx *rx = &c->w.rx;

	if (!rx->buf)
		rx->buf = iw_buf_get(c->iw);
	if (!rx->buf) {
		iw_peer_lost(c, ENOMEM);
		return false;
	}
	if (!rx->buf->len)
		rx->buf->off = 0;
	/* what is left is part of a header or a trailer, or waits for long */
	if (rx->buf->off + rx->buf->len > IW_BUF_SIZE / 2) {
		memmove(rx->buf->data, rx->buf->data + rx->buf->off,
			rx->buf->len);
		rx->buf->off = 0;
	}
	return true;
}

static void drop_buf(struct be_conn *c)
{
	struct iw_rx *rx = &c->w.rx;

	if (!rx->buf || (rx->buf->len && !c->w.dead))
		return;
	iw_buf_put(c->iw, rx->buf);
	rx->buf = NULL;
}

static void add_crc(struct be_conn *c, const struct iovec *iov, uint32_t count,
		    size_t len)
{
	for (uint32_t i = 0; i < count && len && c->w.crc; i++) {
		size_t n = iov[i].iov_len < len ? iov[i].iov_len : len;

		c->w.rx.crc = crc32c_update(c->w.rx.crc, iov[i].iov_base, n);
		len -= n;
	}
}

/* Straight to the guest; payload is due and the buffer empty */
static ssize_t read_direct(struct be_conn *c, size_t *asked)
{
	struct iw_rx *rx = &c->w.rx;
	struct iovec *iov = c->iw->pieces;
	uint32_t count = PIECES, rest = rx->h.payload - rx->done;
	size_t want = 0, placed;
	ssize_t n;

	if (rx->sink != IW_SINK_NONE)
		want = iw_sink_pieces(c, rest, iov, &count);
	if (c->w.dead)
		return -1;
	if (!want) {
		want = rest < sizeof(c->iw->trash) ? rest : sizeof(c->iw->trash);
		iov[0] = (struct iovec){c->iw->trash, want};
		count = 1;
	}
	iov[count] = (struct iovec){rx->buf->data, TAIL};
	*asked = want + (want == rest ? TAIL : 0);
	n = readv(c->fd, iov, (int)(count + (want == rest)));
	placed = n > 0 ? (size_t)n : 0;
	if (placed > want)
		placed = want;
	if (rx->sink != IW_SINK_NONE)
		iw_sink_unused(c, want - placed);
	add_crc(c, iov, count, placed);
	rx->done += (uint32_t)placed;
	if (n > 0)
		rx->buf->len = (uint32_t)((size_t)n - placed);
	if (rx->done == rx->h.payload)
		rx->state = IW_RX_TRAILER;
	return n;
}

static ssize_t read_buffered(struct be_conn *c, size_t *asked)
{
	struct iw_rx *rx = &c->w.rx;
	ssize_t n;

	*asked = rx->bulk ? READ_SMALL : READ_LARGE;
	n = recv(c->fd, rx->buf->data + rx->buf->off + rx->buf->len, *asked,
		 MSG_DONTWAIT);
	if (n > 0)
		rx->buf->len += (uint32_t)n;
	return n;
}

static ssize_t read_some(struct be_conn *c)
{
	const struct iw_rx *rx = &c->w.rx;
	size_t asked = 0;
	ssize_t n;

	if (rx->state == IW_RX_PAYLOAD && !rx->buf->len &&
	    rx->h.opcode != RDMAP_TERMINATE &&
	    rx->h.payload - rx->done >= DIRECT_MIN)
		n = read_direct(c, &asked);
	else
		n = read_buffered(c, &asked);
	/* Less than asked for is all there was, and what comes later is an edge
	 * again.  But an edge that told of the end is not told twice. */
	if (n > 0 && (size_t)n < asked && !c->w.ending)
		c->w.readable = false;
	return n;
}

/* The stream's end, or an error.  False: read on */
static bool ended(struct be_conn *c, ssize_t n)
{
	const struct iw_rx *rx = &c->w.rx;

	if (n > 0 || (n < 0 && errno == EINTR))
		return false;
	if (n < 0 && errno == EAGAIN)
		c->w.readable = false;
	else if (n < 0)
		iw_peer_lost(c, errno);
	else if (rx->state == IW_RX_HEADER && !rx->buf->len && !c->w.tx.failed)
		iw_peer_closed(c);
	else
		iw_peer_lost(c, 0);
	return true;
}

bool iw_rx_turn(struct be_conn *c)
{
	size_t budget = IW_TURN_BYTES;
	bool more = false;

	for (;;) {
		ssize_t n;

		if (parse(c) != V_MORE || !c->w.readable)
			break;
		if (!budget) {
			more = true;
			break;
		}
		if (!have_buf(c))
			break;
		errno = EAGAIN;
		n = read_some(c);
		if (c->w.dead || ended(c, n))
			break;
		if (n > 0)
			budget -= (size_t)n < budget ? (size_t)n : budget;
	}
	drop_buf(c);
	return more;
}
