// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * fuzz_iwarp_setup.c - how a connection begins, with a peer that says anything
 *
 * Input: 2 bytes of settings, then the peer's bytes: an MPA Request and a first
 * frame, or a Reply.
 */
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "fake_model.h"
#include "iwarp.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct be_listener *listener(struct iw *iw)
{
	struct be_listener *l = calloc(1, sizeof(*l));

	l->iw = iw;
	l->addr.family = VIRTIO_RDMA_AF_INET;
	TAILQ_INIT(&l->reading);
	l->watched = true;	/* there is nothing to watch */
	return l;
}

static struct be_conn *passive(struct iw *iw, struct be_listener *l, int fd)
{
	struct be_conn *c = iw_conn_new(iw, true);

	c->fd = fd;
	c->s.listener = l;
	TAILQ_INSERT_TAIL(&l->reading, c, s.link);
	l->half_open++;
	iw_answer_begin(c);
	return c;
}

static struct be_conn *active(struct iw *iw, int fd)
{
	struct be_conn *c = iw_conn_new(iw, false);

	c->fd = fd;
	c->s.cm = &fake;
	c->s.step = IW_WAITING;
	c->s.want = MPA_HEAD;
	c->s.frame = (struct mpa_frame){
		.revision = 2, .enhanced = true, .peer_to_peer = true,
		.rtr_write = true, .rtr_read = true, .ird = 9, .ord = 9};
	c->w.ird = c->w.ord = 9;
	must(!iw_conn_rings(c, &fake.qp));
	iw_setup_watch(c, EPOLLIN);
	fake.conn = c;
	return c;
}

static bool over(void)
{
	return fake.rejected || fake.aborted || fake.unreachable;
}

/* What a consumer would do next */
static void act(const uint8_t *head, bool *answered)
{
	const struct be_read_limits limits = {4, 4};
	const struct be_private priv = {.length = head[1], .data = "p"};

	if (!fake.conn || over() || *answered)
		return;
	if (fake.conn->passive) {
		*answered = true;
		if (head[0] & 4)
			(void)iw_refuse(fake.conn, &priv);
		else
			(void)iw_answer(fake.conn, &limits, &priv, &fake.qp);
	} else if (fake.accepted) {
		*answered = true;
		if (head[0] & 4)
			(void)iw_refuse(fake.conn, &priv);
		else
			(void)iw_complete(fake.conn);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	bool answered = false;
	char err[100], trash[4096];
	struct be_listener *l;
	struct backend *be;
	struct iw *iw;
	int fd[2];

	if (size < 2)
		return 0;
	fake_begin();
	fake.refuse = data[0] & 2;
	be = iwarp_create("iwarp", "", err, sizeof(err));
	iw = iw_of(be);
	must(!be->start(be, &fake_events));
	must(!socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fd));
	l = listener(iw);
	if (data[0] & 1)
		active(iw, fd[0]);
	else
		passive(iw, l, fd[0]);
	for (size_t at = 2; at < size;) {
		size_t n = 1 + ((data[0] >> 3) * 37 + at * 7) % 64;

		if (n > size - at)
			n = size - at;
		if (send(fd[1], data + at, n, MSG_NOSIGNAL) != (ssize_t)n)
			break;
		at += n;
		fake_loop();
		act(data, &answered);
		fake_loop();
		while (recv(fd[1], trash, sizeof(trash), MSG_DONTWAIT) > 0)
			;
	}
	if (data[0] & 128)
		shutdown(fd[1], SHUT_WR);
	for (int i = 0; i < 4; i++) {
		fake_loop();
		act(data, &answered);
		fake_fire();
	}
	if (fake.conn)
		iw_abort(fake.conn, VIRTIO_RDMA_R_RESET);
	while (!TAILQ_EMPTY(&l->reading))
		fake_fire();
	be->shutdown(be);
	fake_loop();
	iwarp_destroy(be);
	free(l);
	close(fd[1]);
	fake_end();
	return 0;
}
