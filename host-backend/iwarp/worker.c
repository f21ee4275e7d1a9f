/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * worker.c - sockets of open connections in the worker
 *
 * DOC: The sockets are in an epoll of ours, edge-triggered; readable and
 * writable remember the edges until the socket said EAGAIN.  A queue pair that
 * is at work is only woken: it gets its turn by the worker's rules.  One that
 * was stopped, or has heard the peer's FIN, is seen to in poll().
 *
 * The same epoll holds the mail of the control thread and a timer that ticks
 * while something waits to be closed; its descriptor is what wakes the worker.
 */
#include <errno.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "iw.h"

#define EVENTS_PER_POLL 64

/* ------------------------------------------------------------ begin and end */

static int add_fd(struct iw *iw, int fd, uint32_t events, void *ptr)
{
	struct epoll_event ev = {.events = events, .data.ptr = ptr};

	return epoll_ctl(iw->epoll, EPOLL_CTL_ADD, fd, &ev) ? -errno : 0;
}

int iw_worker_init(struct iw *iw)
{
	int err;

	iw->epoll = epoll_create1(EPOLL_CLOEXEC);
	iw->mail_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	iw->tick_fd = timerfd_create(CLOCK_MONOTONIC,
				     TFD_CLOEXEC | TFD_NONBLOCK);
	if (iw->epoll < 0 || iw->mail_fd < 0 || iw->tick_fd < 0)
		err = -errno;
	else
		err = add_fd(iw, iw->mail_fd, EPOLLIN | EPOLLET, &iw->mail_fd);
	if (!err)
		err = add_fd(iw, iw->tick_fd, EPOLLIN | EPOLLET, &iw->tick_fd);
	if (!err)
		return 0;
	if (iw->epoll >= 0)
		close(iw->epoll);
	if (iw->mail_fd >= 0)
		close(iw->mail_fd);
	if (iw->tick_fd >= 0)
		close(iw->tick_fd);
	return err;
}

static void take_mail(struct iw *iw);

void iw_worker_fini(struct iw *iw)
{
	struct be_conn *c;

	take_mail(iw);
	while ((c = TAILQ_FIRST(&iw->all)))
		iw_forget(c, true);
	iw_buf_drop_all(iw);
	close(iw->tick_fd);
	close(iw->mail_fd);
	close(iw->epoll);
}

/* ---------------------------------------------------------------------- mail */

void iw_mail(struct be_conn *c)
{
	const uint64_t one = 1;
	struct iw *iw = c->iw;
	bool first = false;

	pthread_mutex_lock(&iw->lock);
	if (!c->mailed) {
		c->mailed = true;
		first = STAILQ_EMPTY(&iw->mail);
		iw_conn_get(c);
		STAILQ_INSERT_TAIL(&iw->mail, c, mail);
		atomic_store(&iw->has_mail, true);
	}
	pthread_mutex_unlock(&iw->lock);
	/* full is fine: then it is readable */
	if (first && write(iw->mail_fd, &one, sizeof(one)) < 0)
		return;
}

static struct be_conn *next_mail(struct iw *iw)
{
	struct be_conn *c;

	pthread_mutex_lock(&iw->lock);
	c = STAILQ_FIRST(&iw->mail);
	if (c) {
		STAILQ_REMOVE_HEAD(&iw->mail, mail);
		c->mailed = false;
	}
	atomic_store(&iw->has_mail, !STAILQ_EMPTY(&iw->mail));
	pthread_mutex_unlock(&iw->lock);
	return c;
}

static void admit(struct be_conn *c);

static void take_mail(struct iw *iw)
{
	struct be_conn *c;

	while ((c = next_mail(iw))) {
		admit(c);
		iw_word(c);
		iw_conn_put(c);
	}
}

/* --------------------------------------------------------------- connections */

static void wire_event(struct iw_item *item, uint32_t events)
{
	struct iw_wire *w = be_container(item, struct iw_wire, item);
	struct be_conn *c = iw_conn_of(w);

	if (events & (EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR))
		w->readable = true;
	if (events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR))
		w->ending = true;
	if (events & (EPOLLOUT | EPOLLHUP | EPOLLERR))
		w->writable = true;
	if (w->qp && be_qp_open(w->qp))
		be_qp_wake(w->qp);
	else
		iw_drain(c);
}

static uint32_t payload_for(const struct iw_wire *w, int fd)
{
	uint32_t mss;

	if (w->large)
		return IW_LARGE;
	mss = iw_sock_mss(fd);
	/* RFC 5044 5.1, with the largest header and without markers */
	mss -= 6 + mss % 4 + RDMAP_UNTAGGED - 2;
	return mss < RDMAP_MAX_PAYLOAD ? mss : RDMAP_MAX_PAYLOAD;
}

/* The socket is the worker's from here on */
static void admit(struct be_conn *c)
{
	struct iw_wire *w = &c->w;

	if (w->known)
		return;
	w->known = true;
	w->item.event = wire_event;
	w->readable = w->writable = true;
	w->payload = payload_for(w, c->fd);
	w->rx.msn_send = w->rx.msn_read = 1;
	w->tx.msn_send = 1;
	w->tx.msn_read++;
	iw_conn_get(c);
	TAILQ_INSERT_TAIL(&c->iw->all, c, w.all);
	c->iw->watched++;
	if (add_fd(c->iw, c->fd, EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET,
		   &w->item))
		iw_peer_lost(c, ENOMEM);
}

/* siw may forget to look at what came while it set itself up: one more frame
 * reminds it.  Ours do not need that. */
static const uint32_t kick_ms[] = {20, 100, 500};

#define KICKS (sizeof(kick_ms) / sizeof(kick_ms[0]))
#define MS    1000000ull

static void kick_next(struct iw_wire *w, uint64_t since)
{
	w->kick_at = w->kicks < KICKS ? since + kick_ms[w->kicks] * MS : 0;
	if (w->kick_at)
		be_qp_wake_at(w->qp, w->kick_at);
}

static void kick(struct be_conn *c)
{
	uint8_t frame[IW_MAX_FRAME];
	struct iw_wire *w = &c->w;
	uint64_t now = be_now();

	if (!w->kick_at)
		return;
	if (w->rx.any) {
		w->kick_at = 0;
		return;
	}
	if (now < w->kick_at) {
		be_qp_wake_at(w->qp, w->kick_at);
		return;
	}
	(void)iw_tx_put(c, frame, iw_frame_write(frame, w->crc));
	w->kicks++;
	kick_next(w, now);
}

void iw_attach(struct be_conn *c, struct be_qp *qp)
{
	struct iw_wire *w = &c->w;
	uint32_t rnr_ms = be_qp_rnr_timeout_ms(qp);

	w->qp = qp;
	admit(c);
	/* a peer without a receive holds us up for a while, and may */
	iw_sock_user_timeout(c->fd, rnr_ms ? IW_DEAD_MS + rnr_ms : 0);
	if (w->active && !w->ours)
		kick_next(w, be_now());
}

void iw_absent(struct be_conn *c)
{
	admit(c);
	iw_drain(c);
}

bool iw_run(struct be_conn *c)
{
	struct iw_wire *w = &c->w;
	bool more = false;

	if (!w->qp || w->dead)
		return false;
	if (!w->eof)
		more = iw_rx_turn(c);
	/* the queue pair may have failed, or the wire ended, in there */
	if (!w->qp || w->dead || !be_qp_open(w->qp))
		return false;
	if (iw_tx_turn(c))
		more = true;
	if (!w->dead && be_qp_open(w->qp))
		kick(c);
	return more;
}

void iw_stop(struct be_conn *c)
{
	struct be_qp *qp = c->w.qp;

	/* Nothing here names the guest's memory between two turns: what the
	 * socket did not take was copied (tx.c), what it has not given is
	 * thrown away from now on (rx.c). */
	iw_tx_release(c);
	c->w.qp = NULL;
	c->w.rx.sink = IW_SINK_NONE;
	c->w.rx.rwr = NULL;
	c->w.rx.held = false;
	if (qp) {
		uint32_t ms = be_qp_rnr_timeout_ms(qp);

		c->w.patience = ms ? be_now() + ms * MS : 0;
		be_qp_stopped(qp);
	}
	iw_word(c);
}

/* ---------------------------------------------------------------------- poll */

void iw_busy(struct be_conn *c)
{
	if (c->w.is_busy)
		return;
	c->w.is_busy = true;
	TAILQ_INSERT_TAIL(&c->iw->busy, c, w.busy);
}

static void tick_every(struct iw *iw, bool on)
{
	const struct timespec t = {.tv_nsec = on ? IW_TICK_MS * (long)MS : 0};
	const struct itimerspec its = {t, t};

	iw->ticking = on;
	(void)timerfd_settime(iw->tick_fd, 0, &its, NULL);
}

void iw_closing(struct be_conn *c)
{
	if (c->w.is_closing)
		return;
	c->w.is_closing = true;
	TAILQ_INSERT_TAIL(&c->iw->closing, c, w.closing);
	if (!c->iw->ticking)
		tick_every(c->iw, true);
}

static void tick(struct iw *iw)
{
	struct iw_conns round = TAILQ_HEAD_INITIALIZER(round);
	struct be_conn *c;

	TAILQ_CONCAT(&round, &iw->closing, w.closing);
	while ((c = TAILQ_FIRST(&round))) {
		TAILQ_REMOVE(&round, c, w.closing);
		c->w.is_closing = false;
		iw_tick(c);
	}
	if (TAILQ_EMPTY(&iw->closing))
		tick_every(iw, false);
}

static void run_busy(struct iw *iw)
{
	struct iw_conns round = TAILQ_HEAD_INITIALIZER(round);
	struct be_conn *c;

	TAILQ_CONCAT(&round, &iw->busy, w.busy);
	while ((c = TAILQ_FIRST(&round))) {
		TAILQ_REMOVE(&round, c, w.busy);
		c->w.is_busy = false;
		iw_drain(c);
	}
}

static void swallow(int fd)
{
	uint64_t n;

	if (read(fd, &n, sizeof(n)) < 0)
		return;	/* edge-triggered: nothing depends on it */
}

/* True: the tick.  It may drop connections that later events of the same round
 * name, so it comes behind them. */
static bool event(struct iw *iw, const struct epoll_event *ev)
{
	struct iw_item *item = ev->data.ptr;

	if (ev->data.ptr == &iw->mail_fd) {
		swallow(iw->mail_fd);
		return false;
	}
	if (ev->data.ptr == &iw->tick_fd) {
		swallow(iw->tick_fd);
		return true;
	}
	item->event(item, ev->events);
	return false;
}

bool iw_poll(struct backend *be)
{
	struct iw *iw = iw_of(be);
	struct epoll_event ev[EVENTS_PER_POLL];
	bool found = false, ticked = false;
	int n;

	if (atomic_load_explicit(&iw->has_mail, memory_order_relaxed)) {
		take_mail(iw);
		found = true;
	}
	if (!TAILQ_EMPTY(&iw->busy)) {
		run_busy(iw);
		found = true;
	}
	found |= iw_tx_end_holds(iw, iw->hold_none);
	iw->hold_none = false;
	if (!iw->watched)
		return found;
	n = epoll_wait(iw->epoll, ev, EVENTS_PER_POLL, 0);
	if (n < 1)
		be_looked_in_vain();
	for (int i = 0; i < n; i++)
		ticked |= event(iw, &ev[i]);
	if (ticked)
		tick(iw);
	return found || n > 0;
}

void iw_arm(struct backend *be)
{
	/* the descriptor wakes at any time, but not for an answer that waits */
	iw_of(be)->hold_none = true;
}

int iw_poll_fd(const struct backend *be)
{
	return ((const struct iw *)(const void *)be)->epoll;
}
