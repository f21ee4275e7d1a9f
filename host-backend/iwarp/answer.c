/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * answer.c - the passive side, from an accepted TCP connection to an open one
 *
 * DOC: ACCEPT is the MPA Reply.  It completes with the initiator's first FPDU,
 * which is looked at here with MSG_PEEK and left for the worker: the one that
 * says "ready to receive" (zero-length Write or Read) must be whole and good, a
 * longer one must have a good header.  Where the initiator did not promise such
 * a frame (siw never does), T_first without a word is as good: an application
 * whose server speaks first would wait for ever.  Until then nothing is sent: a
 * siw initiator takes it for an error.
 *
 * The first frame may also be a Terminate: the initiator's consumer has changed
 * its mind, or its machine.
 */
#include <errno.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "iw.h"
#include "wire_bytes.h"

#define ACK_LOOK_MS 10

static void set_low_water(struct be_conn *c, int bytes)
{
	(void)setsockopt(c->fd, SOL_SOCKET, SO_RCVLOWAT, &bytes, sizeof(bytes));
}

/* --------------------------------------------------------------- the Request */

static void drop(struct be_conn *c, bool gently)
{
	iw_half_open_done(c);
	iw_setup_close(c, gently);
	iw_conn_put(c);
}

static void request_timeout(void *arg)
{
	struct be_conn *c = arg;

	iw_log(c->iw, BE_INFO, "no MPA Request within %d ms: hung up",
	       IW_REQUEST_MS);
	drop(c, true);
}

void iw_answer_begin(struct be_conn *c)
{
	iw_sock_init(c->fd);
	c->s.step = IW_READING;
	c->s.want = MPA_HEAD;
	c->s.timer = be_timer_new(request_timeout, c);
	if (!c->s.timer) {
		drop(c, false);
		return;
	}
	be_timer_set(c->s.timer, IW_REQUEST_MS);
	iw_setup_watch(c, EPOLLIN);
}

static void send_reject(struct be_conn *c, const struct be_private *priv)
{
	const struct mpa_frame *req = &c->s.frame;
	struct mpa_frame f = {
		.reply = true,
		.reject = true,
		.crc = true,
		.revision = req->revision,
		.enhanced = req->enhanced,
		.length = priv->length,
	};
	uint8_t frame[MPA_MAX_FRAME];

	memcpy(f.data, priv->data, priv->length);
	(void)iw_sock_send_all(c->fd, frame, mpa_encode(&f, frame));
}

/* RFC 5044 7.1: the Request says M, and we have no markers */
static void refuse_markers(struct be_conn *c)
{
	static const struct be_private none;

	iw_log(c->iw, BE_INFO, "MPA Request wants markers: refused");
	send_reject(c, &none);
	drop(c, true);
}

static uint32_t reads_of(const struct be_conn *c, uint16_t d)
{
	if (!c->s.frame.enhanced || d == MPA_NO_DEPTH)
		return UINT32_MAX;
	return c->w.ours && d ? d - IW_EXTRA_READS : d;
}

static void announce(struct be_conn *c)
{
	const struct mpa_frame *f = &c->s.frame;
	struct be_listener *l = c->s.listener;
	struct be_request req = {
		.limits = {reads_of(c, f->ird), reads_of(c, f->ord)},
		.local = l->addr,
		.peer = c->s.peer,
		.priv = {.length = f->length},
	};
	static const struct be_private none;

	memcpy(req.priv.data, f->data, f->length);
	iw_half_open_done(c);
	c->s.step = IW_REQUESTED;
	/* its end is the only news that counts now */
	iw_setup_watch(c, EPOLLRDHUP);
	be_timer_free(c->s.timer);
	c->s.timer = NULL;
	if (c->iw->ev->request(l->lst, c, &req, &c->s.cm) == 0)
		return;
	send_reject(c, &none);
	iw_setup_close(c, true);
	iw_conn_put(c);
}

static void request_event(struct be_conn *c)
{
	struct mpa_frame *f = &c->s.frame;
	int err = iw_setup_read(c, false, f);
	uint8_t more;

	if (err == -EAGAIN)
		return;
	/* what comes behind a Request before its Reply is no FPDU of anybody's */
	if (!err && recv(c->fd, &more, 1, MSG_PEEK | MSG_DONTWAIT) > 0)
		err = -EPROTO;
	if (err) {
		if (err == -EPROTO)
			iw_log(c->iw, BE_INFO, "not an MPA Request: hung up");
		drop(c, false);
		return;
	}
	if (f->markers) {
		refuse_markers(c);
		return;
	}
	/* siw asks for neither as initiator, hardware does not know 0x08 */
	c->w.ours = f->large && f->rtr_write && f->rtr_read;
	announce(c);
}

/* ----------------------------------------------------------------- the Reply */

static void negotiate(struct be_conn *c, const struct be_read_limits *limits)
{
	const struct iw_opts *o = &c->iw->opts;
	const struct mpa_frame *f = &c->s.frame;
	struct iw_wire *w = &c->w;

	w->crc = f->crc || o->crc;
	w->large = o->large == IW_LARGE_ALWAYS ||
		   (o->large == IW_LARGE_AUTO && f->large);
	w->ird = limits->inbound + IW_EXTRA_READS;
	w->ord = limits->outbound;
	if (!f->enhanced)
		return;
	w->ord += IW_EXTRA_READS;
	if (f->ird < w->ord)
		w->ord = f->ird;
	/* siw asks for no ready-to-receive frame */
	w->maybe_siw = !f->peer_to_peer;
	w->confirm = o->confirm && w->ord > 0 && !w->maybe_siw;
}

static void make_reply(const struct be_conn *c, const struct be_private *priv,
		       struct mpa_frame *out)
{
	const struct mpa_frame *f = &c->s.frame;

	*out = (struct mpa_frame){
		.reply = true,
		.revision = f->revision,
		.crc = c->w.crc,
		.large = f->large && c->iw->opts.large != IW_LARGE_NEVER,
		.enhanced = f->enhanced,
		.peer_to_peer = f->peer_to_peer,
		/* whichever it offers; what it can always do if it offers none */
		.rtr_write = f->peer_to_peer && (f->rtr_write || !f->rtr_read),
		.rtr_read = f->peer_to_peer && f->rtr_read,
		.ird = (uint16_t)c->w.ird,
		.ord = (uint16_t)c->w.ord,
		.length = priv->length,
	};
	memcpy(out->data, priv->data, priv->length);
}

static void established(struct be_conn *c)
{
	set_low_water(c, 1);
	iw_setup_unwatch(c);
	c->s.step = IW_OPEN;
	c->iw->ev->established(c->s.cm);
}

/* T_first, counted from when the Reply has arrived */
static void first_timer(void *arg)
{
	struct be_conn *c = arg;

	if (c->s.reply_acked) {
		established(c);
		return;
	}
	c->s.reply_acked = !iw_sock_unacked(c->fd);
	be_timer_set(c->s.timer, c->s.reply_acked ? IW_FIRST_MS : ACK_LOOK_MS);
}

int iw_answer(struct be_conn *c, const struct be_read_limits *limits,
	      const struct be_private *priv, struct be_qp *qp)
{
	uint8_t frame[MPA_MAX_FRAME];
	struct mpa_frame f;

	if (c->s.step != IW_REQUESTED || iw_sock_is_down(c->fd))
		return -ECONNABORTED;
	negotiate(c, limits);
	if (iw_conn_rings(c, qp))
		return -ENOMEM;
	if (!c->s.frame.peer_to_peer) {
		c->s.timer = be_timer_new(first_timer, c);
		if (!c->s.timer)
			return -ENOMEM;
		be_timer_set(c->s.timer, ACK_LOOK_MS);
	}
	make_reply(c, priv, &f);
	if (c->w.maybe_siw)
		c->w.ird = iw_siw_reads(c->w.ird);
	if (iw_sock_send_all(c->fd, frame, mpa_encode(&f, frame))) {
		c->s.last_heard = true;
		iw_setup_close(c, false);
		return -ECONNABORTED;
	}
	c->s.step = IW_FIRST;
	set_low_water(c, RDMAP_FIRST);
	iw_setup_watch(c, EPOLLIN | EPOLLRDHUP);
	return 0;
}

/* Either side's consumer does not want it.  The active one has no frame for
 * that but the one that ends connections. */
int iw_refuse(struct be_conn *c, const struct be_private *priv)
{
	struct rdmap_terminate t = {
		.error = ERR_CATASTROPHIC(IW_CODE_REJECT),
		.extra_length = priv->length,
	};
	uint8_t frame[IW_MAX_FRAME];

	if (c->s.step == IW_REQUESTED) {
		send_reject(c, priv);
	} else if (c->s.step == IW_REPLIED && !iw_sock_is_down(c->fd) &&
		   c->s.ready_said) {
		iw_setup_kick(c);
	} else if (c->s.step == IW_REPLIED && !iw_sock_is_down(c->fd)) {
		memcpy(t.extra, priv->data, priv->length);
		(void)iw_sock_send_all(c->fd, frame,
				       iw_frame_terminate(frame, &t, c->w.crc));
	} else {
		return -ECONNABORTED;
	}
	iw_setup_close(c, true);
	return 0;
}

/* ----------------------------------------------------------- the first frame */

static bool crc_is_good(const struct be_conn *c, const uint8_t *p, size_t len)
{
	return !c->w.crc || crc32c_update(CRC32C_INIT, p, len - RDMAP_CRC) ==
				    crc32c_load(p + len - RDMAP_CRC);
}

static void first_is_wrong(struct be_conn *c, struct rdmap_error e,
			   const uint8_t *p)
{
	struct rdmap_terminate t;
	uint8_t frame[IW_MAX_FRAME];

	iw_log(c->iw, BE_INFO, "first frame: %s", rdmap_error_name(&e));
	rdmap_terminate_at(&t, e, p);
	(void)iw_sock_send_all(c->fd, frame,
			       iw_frame_terminate(frame, &t, c->w.crc));
	iw_setup_close(c, true);
	iw_setup_ended(c, VIRTIO_RDMA_R_RESET);
}

static void first_is_the_last(struct be_conn *c, const uint8_t *payload,
			      size_t len)
{
	struct be_private priv = {0};
	struct rdmap_terminate t;

	if (!rdmap_terminate_decode(payload, len, &t) ||
	    !rdmap_error_is(&t.error, ERR_CATASTROPHIC(IW_CODE_REJECT))) {
		iw_setup_ended(c, VIRTIO_RDMA_R_RESET);
		return;
	}
	priv.length = t.extra_length;
	memcpy(priv.data, t.extra, t.extra_length);
	iw_setup_close(c, true);
	c->s.last_heard = true;
	c->iw->ev->rejected(c->s.cm, &priv);
}

/* Bytes of the frame that begins with p which must be there to judge it: the
 * header, and all of it where that is all it has to say */
static size_t first_needs(const uint8_t p[RDMAP_FIRST])
{
	size_t ulpdu = get16(p), size = rdmap_header_size(p);

	if (size == RDMAP_FIRST ||
	    (ulpdu + 2 > size && (p[3] & 0xf) != RDMAP_TERMINATE))
		return size;
	return ulpdu + 2 + rdmap_pad((uint32_t)ulpdu) + RDMAP_CRC;
}

static void first_is_there(struct be_conn *c, const uint8_t *p, size_t need)
{
	struct rdmap_header h;
	struct rdmap_error e;

	if (!rdmap_decode(p, &h, &e))
		first_is_wrong(c, e, p);
	else if (need > rdmap_header_size(p) && !crc_is_good(c, p, need))
		first_is_wrong(c, ERR_CRC, p);
	else if (h.opcode == RDMAP_TERMINATE)
		first_is_the_last(c, p + RDMAP_UNTAGGED, h.payload);
	else
		established(c);
}

static void first_event(struct be_conn *c, uint32_t events)
{
	bool no_more = events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR);
	uint8_t p[IW_MAX_FRAME];
	ssize_t n = recv(c->fd, p, sizeof(p), MSG_PEEK | MSG_DONTWAIT);
	size_t need;

	if (n < 0 && errno == EAGAIN)
		return;
	need = n >= RDMAP_FIRST ? first_needs(p) : RDMAP_FIRST;
	if (n >= 0 && (size_t)n >= need)
		first_is_there(c, p, need);
	else if (n <= 0 || no_more || need > sizeof(p))
		iw_setup_ended(c, VIRTIO_RDMA_R_RESET);
	else
		set_low_water(c, (int)need);
}

void iw_answer_event(struct be_conn *c, uint32_t events)
{
	switch (c->s.step) {
	case IW_READING:
		request_event(c);
		return;
	case IW_REQUESTED:
		iw_setup_ended(c, VIRTIO_RDMA_R_RESET);
		return;
	default:
		first_event(c, events);
		return;
	}
}
