/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * session_rx.c - reads vhost-user messages without ever waiting
 *
 * A front end that sends half a message must not stop the other guests, so
 * the pieces are collected here, byte counts exact: header, then payload.
 */
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "session_int.h"

#define HDR_SIZE offsetof(VhostUserMsg, payload)

void session_rx_drop_fds(VhostUserMsg *msg)
{
	for (int i = 0; i < msg->fd_num; i++)
		close(msg->fds[i]);
	msg->fd_num = 0;
}

void session_rx_reset(struct session_rx *rx)
{
	memset(rx, 0, sizeof(*rx));
}

/* More descriptors than a message may have are closed at once; the check of
 * the message then finds the count too high. */
static void take_fds(VhostUserMsg *msg, struct msghdr *mh)
{
	struct cmsghdr *cm;
	int fds[SESSION_MAX_FDS];

	for (cm = CMSG_FIRSTHDR(mh); cm; cm = CMSG_NXTHDR(mh, cm)) {
		size_t n;

		if (cm->cmsg_level != SOL_SOCKET || cm->cmsg_type != SCM_RIGHTS)
			continue;
		n = (cm->cmsg_len - CMSG_LEN(0)) / sizeof(int);
		memcpy(fds, CMSG_DATA(cm), n * sizeof(int));
		for (size_t i = 0; i < n; i++) {
			if (msg->fd_num < SESSION_MAX_FDS)
				msg->fds[msg->fd_num++] = fds[i];
			else
				close(fds[i]);
		}
	}
}

/* Up to want bytes into the message; bytes read, 0: later, -errno */
static ssize_t read_piece(struct session *s, size_t want)
{
	union {
		struct cmsghdr align;
		char buf[CMSG_SPACE(SESSION_MAX_FDS * sizeof(int))];
	} control;
	struct iovec iov = {
		.iov_base = (char *)&s->rx.msg + s->rx.have,
		.iov_len = want,
	};
	struct msghdr mh = {
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = &control,
		.msg_controllen = sizeof(control),
	};
	ssize_t n;

	n = recvmsg(s->dev.sock, &mh, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
	if (n < 0)
		return errno == EAGAIN || errno == EINTR ? 0 : -errno;
	take_fds(&s->rx.msg, &mh);
	if (mh.msg_flags & MSG_CTRUNC) {
		session_violation(s, "more than %d descriptors in a message",
				  SESSION_MAX_FDS);
		return -EPROTO;
	}
	return n ? n : -ENOTCONN;
}

int session_rx_read(struct session *s)
{
	struct session_rx *rx = &s->rx;
	ssize_t n;
	int ret;

	for (;;) {
		size_t whole = HDR_SIZE;

		if (rx->have >= HDR_SIZE)
			whole += rx->msg.size;
		if (rx->have == whole && rx->have > HDR_SIZE)
			break;
		if (rx->have == HDR_SIZE) {
			ret = session_check_header(s, &rx->msg);
			if (ret)
				return ret;
			if (!rx->msg.size)
				break;
		}
		n = read_piece(s, whole - rx->have);
		if (n <= 0)
			return (int)n;
		rx->have += (size_t)n;
	}
	ret = session_check_message(s, &rx->msg);
	if (ret)
		return ret;
	rx->complete = true;
	return 1;
}
