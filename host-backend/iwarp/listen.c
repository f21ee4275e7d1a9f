/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * listen.c - listeners
 *
 * DOC: The model's backlog counts requests that its guest knows.  Before that
 * a connection must first say its MPA Request: at most IW_HALF_OPEN of them at
 * a time, each for T_req at most.  Beyond, connections wait in the kernel.
 */
#include <errno.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "iw.h"

#define ACCEPTS_PER_EVENT 16
#define KERNEL_BACKLOG	  1024
#define RETRY_MS	  100

static void listener_event(struct iw_item *item, uint32_t events);

/* ------------------------------------------------------------------ watching */

static void watch(struct be_listener *l)
{
	struct epoll_event ev = {.events = EPOLLIN, .data.ptr = &l->item};

	if (l->watched)
		return;
	l->watched = epoll_ctl(l->iw->ctl_epoll, EPOLL_CTL_ADD, l->fd, &ev) == 0;
}

static void unwatch(struct be_listener *l)
{
	if (l->watched)
		epoll_ctl(l->iw->ctl_epoll, EPOLL_CTL_DEL, l->fd, NULL);
	l->watched = false;
}

static void retry(void *arg)
{
	struct be_listener *l = arg;

	if (l->half_open < IW_HALF_OPEN)
		watch(l);
}

/* ----------------------------------------------------------------- accepting */

static void take(struct be_listener *l, int fd, const struct be_addr *peer)
{
	struct be_conn *c = iw_conn_new(l->iw, true);
	char text[64];

	if (!c) {
		iw_log(l->iw, BE_WARN, "no memory for a connection from %s",
		       iw_addr_text(peer, text));
		iw_sock_init(fd);
		iw_sock_close_reset(fd);
		return;
	}
	c->fd = fd;
	c->s.peer = *peer;
	c->s.listener = l;
	TAILQ_INSERT_TAIL(&l->reading, c, s.link);
	l->half_open++;
	iw_answer_begin(c);
}

static void listener_event(struct iw_item *item, uint32_t events)
{
	struct be_listener *l = be_container(item, struct be_listener, item);
	struct be_addr peer;

	(void)events;
	for (int i = 0; i < ACCEPTS_PER_EVENT; i++) {
		int fd;

		if (l->half_open >= IW_HALF_OPEN) {
			unwatch(l);
			return;
		}
		fd = iw_accept(l->fd, &peer);
		if (fd == -EMFILE || fd == -ENFILE || fd == -ENOMEM ||
		    fd == -ENOBUFS) {
			iw_log(l->iw, BE_WARN,
			       "cannot accept: %s; raise the limit of open files",
			       strerror(-fd));
			unwatch(l);
			be_timer_set(l->retry, RETRY_MS);
			return;
		}
		if (fd == -EAGAIN)
			return;
		if (fd >= 0)
			take(l, fd, &peer);
	}
}

void iw_half_open_done(struct be_conn *c)
{
	struct be_listener *l = c->s.listener;

	if (!l)
		return;
	c->s.listener = NULL;
	TAILQ_REMOVE(&l->reading, c, s.link);
	l->half_open--;
	watch(l);
}

/* -------------------------------------------------------------- begin and end */

static int open_socket(struct iw *iw, const struct be_addr *addr)
{
	int fd = iw_socket(addr->family), err;
	char text[64];

	if (fd < 0)
		return fd;
	err = iw_bind(fd, addr);
	if (!err && listen(fd, KERNEL_BACKLOG))
		err = -errno;
	if (!err)
		return fd;
	close(fd);
	iw_addr_text(addr, text);
	if (err == -EADDRNOTAVAIL)
		iw_log(iw, BE_WARN,
		       "listen on %s: this host has no such address, so nobody "
		       "outside of this vrdmad reaches it; give it to an "
		       "interface (ip address add), or set fabric = none", text);
	else
		iw_log(iw, BE_WARN, "listen on %s: %s%s", text, strerror(-err),
		       err == -EACCES ? "; ports below 1024 need "
					"CAP_NET_BIND_SERVICE" : "");
	return err;
}

int iw_listen(struct backend *be, const struct be_addr *addr, uint32_t backlog,
	      void *lst, struct be_listener **out)
{
	struct iw *iw = iw_of(be);
	struct be_listener *l = calloc(1, sizeof(*l));

	(void)backlog;	/* kept by the model's listener */
	if (!l)
		return -ENOMEM;
	l->iw = iw;
	l->item.event = listener_event;
	l->addr = *addr;
	l->lst = lst;
	TAILQ_INIT(&l->reading);
	l->retry = be_timer_new(retry, l);
	l->fd = l->retry ? open_socket(iw, addr) : -ENOMEM;
	if (l->fd < 0) {
		int err = l->fd;

		be_timer_free(l->retry);
		free(l);
		return err;
	}
	TAILQ_INSERT_TAIL(&iw->listeners, l, link);
	watch(l);
	*out = l;
	return 0;
}

void iw_unlisten(struct be_listener *l)
{
	struct be_conn *c;

	unwatch(l);
	be_timer_free(l->retry);
	/* what waits in the kernel is reset with it */
	close(l->fd);
	while ((c = TAILQ_FIRST(&l->reading))) {
		TAILQ_REMOVE(&l->reading, c, s.link);
		c->s.listener = NULL;
		iw_setup_close(c, false);
		iw_conn_put(c);
	}
	TAILQ_REMOVE(&l->iw->listeners, l, link);
	free(l);
}
