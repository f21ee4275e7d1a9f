// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * fuzz_iwarp_stream.c - an open connection that reads anything
 *
 * Input: 4 bytes of settings, 8 of requests of ours, then the peer's stream.
 * How it is cut into pieces follows from the settings.
 */
#include <sys/socket.h>
#include <unistd.h>

#include "fake_model.h"
#include "iwarp.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define HEAD 12

static struct be_conn *open_conn(struct iw *iw, const uint8_t *head, int fd)
{
	struct be_conn *c = iw_conn_new(iw, head[0] & 1);

	c->fd = fd;
	c->s.cm = &fake;
	c->s.step = IW_OPEN;
	c->w.crc = head[0] & 2;
	c->w.ours = head[0] & 4;
	c->w.large = head[0] & 8;
	c->w.ird = 1 + (head[1] & 3);
	c->w.ord = head[1] >> 2 & 3;
	c->w.confirm = c->w.ord && (head[0] & 16);
	must(!iw_conn_rings(c, &fake.qp));
	return c;
}

static void post(const uint8_t *head)
{
	static const uint8_t kinds[] = {VIRTIO_RDMA_OP_SEND,
					VIRTIO_RDMA_OP_WRITE,
					VIRTIO_RDMA_OP_READ,
					VIRTIO_RDMA_OP_READ,
					VIRTIO_RDMA_OP_SEND_INVALIDATE,
					VIRTIO_RDMA_OP_INVALIDATE,
					VIRTIO_RDMA_OP_WRITE,
					VIRTIO_RDMA_OP_SEND};

	fake.qp.open = true;
	fake.qp.recvs = head[2] & 7;
	fake.qp.sends = head[2] >> 3 & 7;
	for (int i = 0; i < 8; i++) {
		fake.qp.send_kind[i] = kinds[head[4 + i] & 7];
		fake.qp.lengths[i] = (uint32_t)(head[4 + i] >> 3) * 101;
	}
}

/* The worker's part, and the burial of a queue pair that failed */
static void turn(struct iw *iw, struct be_conn *c)
{
	for (int i = 0; i < 4; i++) {
		bool more = false;

		if (!fake.qp.stopped && fake.qp.open)
			more = iw_run(c);
		if (fake.qp.failed && !fake.qp.stopped)
			iw_stop(c);
		more |= iw_poll(&iw->be);
		if (!more)
			break;
	}
}

static void drain(int fd)
{
	uint8_t sink[65536];

	while (recv(fd, sink, sizeof(sink), MSG_DONTWAIT) > 0)
		;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char err[100];
	struct backend *be;
	struct be_conn *c;
	struct iw *iw;
	uint32_t x;
	int fd[2];

	if (size < HEAD)
		return 0;
	fake_begin();
	post(data);
	x = data[3];
	be = iwarp_create("iwarp", "", err, sizeof(err));
	iw = iw_of(be);
	must(!be->start(be, &fake_events));
	must(!socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fd));
	c = open_conn(iw, data, fd[0]);
	iw_attach(c, &fake.qp);
	for (size_t at = HEAD; at < size;) {
		size_t n = 1 + (x >> 16) % ((data[3] & 1) ? 8 : 4000);

		x = x * 1103515245u + 12345u;
		if (n > size - at)
			n = size - at;
		if (send(fd[1], data + at, n, MSG_NOSIGNAL) != (ssize_t)n)
			break;
		at += n;
		turn(iw, c);
		drain(fd[1]);
		if ((data[3] & 6) == 6 && at > size / 2)
			fake.gone = true;
		if ((data[3] & 24) == 24 && at > size / 2)
			fake.now += 1000000000ull;	/* nobody posts */
	}
	if (data[3] & 32)
		shutdown(fd[1], SHUT_WR);
	turn(iw, c);
	fake_loop();
	if ((data[3] & 64) && !fake.aborted)
		(void)iw_disconnect(c);
	if (!fake.qp.stopped)
		iw_stop(c);
	turn(iw, c);
	iw_abort(c, data[3] & 128 ? VIRTIO_RDMA_R_RESET : VIRTIO_RDMA_R_NONE);
	turn(iw, c);
	fake_loop();
	be->shutdown(be);
	fake_loop();
	iwarp_destroy(be);
	close(fd[1]);
	fake_end();
	return 0;
}
