/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * setup.c - from a TCP connect to an open connection: what both sides share,
 * and the active one
 *
 * DOC: Control thread.  CONNECT is TCP's handshake and the MPA Request; the
 * Reply is the answer; COMPLETE_CONNECT sends the ready-to-receive frame, a
 * zero-length Write or Read (RFC 6581), which is exactly NetworkDirect's third
 * leg.  How long all that may take is the model's business: its deadlines end
 * in abort().
 *
 * siw gets that frame right behind its Reply.  The kernel of a siw peer does
 * not survive a connection that ends before it (BUG() in iwcm.c's
 * cm_close_handler(), Linux 6.12), and a consumer of ours may die, or reject, at
 * any time.  For the same reason a last frame goes before such an end, in case
 * siw has overlooked the first one, and no Terminate, which it would read in one
 * go with that.
 */
#include <errno.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "iw.h"

const char *const iw_step_name[IW_STEP_COUNT] = {
	[IW_CONNECTING] = "CONNECTING", [IW_WAITING] = "WAITING",
	[IW_REPLIED] = "REPLIED",	[IW_READING] = "READING",
	[IW_REQUESTED] = "REQUESTED",	[IW_FIRST] = "FIRST",
	[IW_OPEN] = "OPEN",		[IW_OVER] = "OVER",
};

/* --------------------------------------------------------------- both sides */

void iw_setup_watch(struct be_conn *c, uint32_t events)
{
	struct epoll_event ev = {.events = events, .data.ptr = &c->s.item};

	if (epoll_ctl(c->iw->ctl_epoll, EPOLL_CTL_MOD, c->fd, &ev) &&
	    errno == ENOENT)
		(void)epoll_ctl(c->iw->ctl_epoll, EPOLL_CTL_ADD, c->fd, &ev);
}

void iw_setup_unwatch(struct be_conn *c)
{
	(void)epoll_ctl(c->iw->ctl_epoll, EPOLL_CTL_DEL, c->fd, NULL);
	be_timer_free(c->s.timer);
	c->s.timer = NULL;
}

void iw_setup_close(struct be_conn *c, bool gently)
{
	c->s.step = IW_OVER;
	if (c->fd < 0)
		return;
	iw_setup_unwatch(c);
	if (gently)
		iw_sock_close_gently(c->fd);
	else
		iw_sock_close_reset(c->fd);
	c->fd = -1;
}

int iw_setup_read(struct be_conn *c, bool reply, struct mpa_frame *out)
{
	struct iw_setup *s = &c->s;

	while (s->got < s->want) {
		ssize_t n = recv(c->fd, s->in + s->got, s->want - s->got,
				 MSG_DONTWAIT);
		int rest;

		if (n < 0)
			return -errno;
		if (!n)
			return -ECONNRESET;
		s->got += (uint32_t)n;
		if (s->got != MPA_HEAD || s->want != MPA_HEAD)
			continue;
		rest = mpa_decode_head(s->in, reply, out);
		if (rest < 0)
			return rest;
		s->want += (uint32_t)rest;
	}
	return mpa_decode_rest(s->in + MPA_HEAD, s->want - MPA_HEAD, out);
}

void iw_setup_ended(struct be_conn *c, enum virtio_rdma_reason reason)
{
	iw_setup_close(c, false);
	c->s.last_heard = true;
	if (!c->s.gone)
		c->iw->ev->aborted(c->s.cm, reason);
}

/* ------------------------------------------------------------- active: begin */

static void refused(struct be_conn *c, const struct be_private *priv)
{
	iw_setup_close(c, true);
	c->s.last_heard = true;
	if (!c->s.gone)
		c->iw->ev->rejected(c->s.cm, priv);
}

static void refused_later(void *arg)
{
	static const struct be_private none;
	struct be_conn *c = arg;

	if (!c->s.gone)
		refused(c, &none);
	iw_conn_put(c);
}

static int bind_error(struct iw *iw, const struct be_addr *a, int err)
{
	char text[64];

	iw_addr_text(a, text);
	if (err == -EADDRNOTAVAIL) {
		iw_log(iw, BE_WARN,
		       "connect from %s: this host has no such address; give it "
		       "to an interface (ip address add), or correct the guest's",
		       text);
		return -ENETUNREACH;
	}
	iw_log(iw, BE_INFO, "connect from %s: %s", text, strerror(-err));
	return err == -EACCES ? -EADDRINUSE : err;
}

/* What connect(2) may say, in the words of the contract */
static int connect_error(int err)
{
	switch (err) {
	case -ENETUNREACH:
	case -EHOSTUNREACH:
	case -ETIMEDOUT:
	case -ENOMEM:
		return err;
	case -EADDRNOTAVAIL:	/* this pair of end points is one, or rests
				 * (TIME_WAIT) */
		return -EEXIST;
	case -EACCES:		/* a firewall */
	case -EPERM:
		return -EHOSTUNREACH;
	default:
		return -ENETUNREACH;
	}
}

static int begin(struct be_conn *c, const struct be_request *req)
{
	int err;

	c->fd = iw_socket(req->local.family);
	if (c->fd < 0)
		return c->fd == -EMFILE || c->fd == -ENFILE ? -ENOMEM : c->fd;
	iw_sock_init(c->fd);
	err = iw_bind(c->fd, &req->local);
	if (err)
		return bind_error(c->iw, &req->local, err);
	err = iw_connect_to(c->fd, &req->peer);
	if (err == -ECONNREFUSED) {
		be_post(refused_later, iw_conn_get(c));
		return 0;
	}
	if (err && err != -EINPROGRESS)
		return connect_error(err);
	c->s.step = IW_CONNECTING;
	iw_setup_watch(c, EPOLLOUT);
	return 0;
}

static uint16_t depth(uint32_t reads)
{
	return (uint16_t)((reads < IW_MAX_READS ? reads : IW_MAX_READS) +
			  IW_EXTRA_READS);
}

static void make_request(struct be_conn *c, const struct be_request *req)
{
	const struct iw_opts *o = &c->iw->opts;
	struct mpa_frame *f = &c->s.frame;

	f->revision = o->revision;
	f->crc = o->crc;
	f->large = o->large != IW_LARGE_NEVER;
	f->enhanced = o->revision >= 2;
	f->peer_to_peer = f->rtr_write = f->rtr_read = f->enhanced;
	f->ird = depth(req->limits.inbound);
	f->ord = depth(req->limits.outbound);
	f->length = req->priv.length;
	memcpy(f->data, req->priv.data, req->priv.length);
	c->w.ird = f->ird;
	c->w.ord = f->ord;
}

int iw_connect(struct backend *be, const struct be_request *req,
	       struct be_qp *qp, void *cm, struct be_conn **out)
{
	struct be_conn *c = iw_conn_new(iw_of(be), false);
	int err;

	if (!c)
		return -ENOMEM;
	c->s.cm = cm;
	c->s.limits = req->limits;
	make_request(c, req);
	err = iw_conn_rings(c, qp);
	if (!err)
		err = begin(c, req);
	if (err) {
		iw_setup_close(c, false);
		iw_conn_put(c);
		return err;
	}
	*out = c;
	return 0;
}

/* ----------------------------------------------------------- active: events */

static void connected(struct be_conn *c, uint32_t events)
{
	uint8_t frame[MPA_MAX_FRAME];
	socklen_t len = sizeof(int);
	int err = 0;

	(void)events;
	(void)getsockopt(c->fd, SOL_SOCKET, SO_ERROR, &err, &len);
	if (!err)
		err = -iw_sock_send_all(c->fd, frame,
					mpa_encode(&c->s.frame, frame));
	/* nobody listens; or did, until a moment ago */
	if (err == ECONNREFUSED || err == ECONNRESET || err == EPIPE) {
		static const struct be_private none;

		refused(c, &none);
		return;
	}
	if (err) {
		iw_setup_close(c, false);
		c->s.last_heard = true;
		c->iw->ev->unreachable(c->s.cm, connect_error(-err));
		return;
	}
	c->s.step = IW_WAITING;
	c->s.want = MPA_HEAD;
	iw_setup_watch(c, EPOLLIN);
}

/* What the peer's Reply must be to be one to our Request */
static const char *reply_flaw(const struct mpa_frame *ours,
			      const struct mpa_frame *r)
{
	if (r->revision != ours->revision || r->enhanced != ours->enhanced)
		return "it is of another MPA revision";
	if (r->markers)
		return "it wants markers, which we do not send";
	if (r->enhanced && !r->peer_to_peer)
		return "it refuses the peer-to-peer model";
	return NULL;
}

static void say_error(struct be_conn *c, struct rdmap_error e, bool crc)
{
	const struct rdmap_terminate t = {.error = e};
	uint8_t frame[IW_MAX_FRAME];

	(void)iw_sock_send_all(c->fd, frame, iw_frame_terminate(frame, &t, crc));
}

/* RFC 6581 9: the Reply has no way that we offered, or more reads than we take */
static bool agree(struct be_conn *c, const struct mpa_frame *r)
{
	struct iw_wire *w = &c->w;

	w->crc = c->s.frame.crc || r->crc;
	w->large = c->iw->opts.large == IW_LARGE_ALWAYS ||
		   (c->iw->opts.large == IW_LARGE_AUTO && r->large);
	if (!r->enhanced)
		return true;
	if (!r->rtr_write && !r->rtr_read) {
		say_error(c, ERR_RTR, w->crc);
		return false;
	}
	if (r->ord != MPA_NO_DEPTH && r->ord > w->ird) {
		say_error(c, ERR_IRD, w->crc);
		return false;
	}
	/* siw picks one kind, we leave the choice; and gives 0x08 back */
	w->ours = r->large && r->rtr_write && r->rtr_read;
	w->maybe_siw = (r->large || !c->s.frame.large) &&
		       !(r->rtr_write && r->rtr_read);
	if (w->maybe_siw)
		w->ird = iw_siw_reads(w->ird);
	if (r->ird < w->ord)
		w->ord = r->ird;
	w->confirm = c->iw->opts.confirm && w->ord > 0 && !w->maybe_siw;
	return true;
}

/* The ready-to-receive frame */
static int say_ready(struct be_conn *c)
{
	uint8_t frame[IW_MAX_FRAME];
	size_t len;

	if (c->s.frame.rtr_write) {
		len = iw_frame_write(frame, c->w.crc);
	} else {
		len = iw_frame_read(frame, 1, 1, c->w.crc);
		c->w.out[0] = (struct iw_outread){.stag = 1};
		c->w.out_len = 1;
		c->w.tx.msn_read = 1;
	}
	c->s.ready_said = true;
	return iw_sock_send_all(c->fd, frame, len);
}

void iw_setup_kick(struct be_conn *c)
{
	uint8_t frame[IW_MAX_FRAME];

	if (c->s.step == IW_REPLIED && c->s.ready_said)
		(void)iw_sock_send_all(c->fd, frame,
				       iw_frame_write(frame, c->w.crc));
}

/* The peer's side of a depth as the model shall know it */
static uint32_t reads_of(const struct mpa_frame *r, uint16_t d, bool ours)
{
	if (!r->enhanced || d == MPA_NO_DEPTH)
		return UINT32_MAX;
	return ours && d ? d - IW_EXTRA_READS : d;
}

static void replied(struct be_conn *c, const struct mpa_frame *r)
{
	struct be_private priv = {.length = r->length};
	const char *flaw = reply_flaw(&c->s.frame, r);
	struct be_read_limits limits;

	memcpy(priv.data, r->data, r->length);
	if (r->reject) {
		refused(c, &priv);
		return;
	}
	if (flaw || !agree(c, r)) {
		iw_log(c->iw, BE_INFO, "MPA Reply refused: %s",
		       flaw ? flaw : "no agreement on RTR or read depth");
		iw_setup_close(c, !flaw);
		iw_setup_ended(c, VIRTIO_RDMA_R_RESET);
		return;
	}
	limits.inbound = reads_of(r, r->ird, c->w.ours);
	limits.outbound = reads_of(r, r->ord, c->w.ours);
	c->s.frame.rtr_write = !r->enhanced || r->rtr_write;
	if (c->w.maybe_siw && say_ready(c)) {
		iw_setup_ended(c, VIRTIO_RDMA_R_RESET);
		return;
	}
	c->s.step = IW_REPLIED;
	/* it stays silent until our first frame: only its end is news */
	iw_setup_watch(c, EPOLLRDHUP);
	c->iw->ev->accepted(c->s.cm, &limits, &priv);
}

static void reply_event(struct be_conn *c, uint32_t events)
{
	struct mpa_frame r = {0};
	int err;

	(void)events;
	/* it lives in the bytes: the head is decoded again with each piece */
	err = c->s.got >= MPA_HEAD ? mpa_decode_head(c->s.in, true, &r) : 0;
	if (err >= 0)
		err = iw_setup_read(c, true, &r);
	if (err == -EAGAIN)
		return;
	if (err) {
		if (err == -EPROTO)
			iw_log(c->iw, BE_INFO, "not an MPA Reply: hung up");
		iw_setup_ended(c, VIRTIO_RDMA_R_RESET);
		return;
	}
	replied(c, &r);
}

static void replied_event(struct be_conn *c, uint32_t events)
{
	(void)events;
	iw_setup_ended(c, VIRTIO_RDMA_R_RESET);
}

static void no_event(struct be_conn *c, uint32_t events)
{
	(void)events;
	be_log(BE_ERROR, "%s: an event in step %s", c->iw->name,
	       iw_step_name[c->s.step]);
	iw_setup_unwatch(c);
}

void iw_setup_event(struct iw_item *item, uint32_t events)
{
	static void (*const on[IW_STEP_COUNT])(struct be_conn *, uint32_t) = {
		[IW_CONNECTING] = connected,
		[IW_WAITING] = reply_event,
		[IW_REPLIED] = replied_event,
		[IW_READING] = iw_answer_event,
		[IW_REQUESTED] = iw_answer_event,
		[IW_FIRST] = iw_answer_event,
		[IW_OPEN] = no_event,
		[IW_OVER] = no_event,
	};
	struct be_conn *c = be_container(item, struct be_conn, s.item);

	iw_conn_get(c);
	on[c->s.step](c, events);
	iw_conn_put(c);
}

/* ----------------------------------------------------------- active: the end */

int iw_complete(struct be_conn *c)
{
	if (c->s.step != IW_REPLIED)
		return -ECONNABORTED;
	if (iw_sock_is_down(c->fd) || (!c->s.ready_said && say_ready(c))) {
		c->s.last_heard = true;
		iw_setup_close(c, false);
		return -ECONNABORTED;
	}
	iw_setup_unwatch(c);
	c->s.step = IW_OPEN;
	return 0;
}
