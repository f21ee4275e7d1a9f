// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * tcp.c - plain TCP as a peer of the iWARP backend: what a message costs there
 *
 * DOC: Two processes on the loopback of a network of their own, as two vrdmad
 * are in bench's runs, and the same socket options.  No frame, no check, nobody
 * who asks for the bytes.
 *
 *	bandwidth SIZE		MB/s of messages of that size, one way; waits in
 *				send() and recv()
 *	latency SIZE		us, half a round trip, the median; looks until
 *				the message is there, as guests.c and vrdmad do
 *	waiting SIZE		the same, but waits in recv()
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "measure.h"
#include "netns.h"

static uint8_t buf[MEASURE_MAX_SIZE];

static void die(const char *doing)
{
	perror(doing);
	exit(1);
}

/* Those of host-backend/iwarp/sock.c that may cost something */
static void like_ours(int fd)
{
	const int on = 1;

	if (setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)) ||
	    setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on)))
		die("setsockopt");
}

static void all_out(int fd, size_t len)
{
	for (size_t done = 0; done < len;) {
		ssize_t n = send(fd, buf + done, len - done, MSG_NOSIGNAL);

		if (n <= 0)
			die("send");
		done += (size_t)n;
	}
}

/* False: the stream's end.  Without wait: looks, and gives the CPU away, until
 * all is there */
static bool all_in(int fd, size_t len, bool wait)
{
	for (size_t done = 0; done < len;) {
		ssize_t n = recv(fd, buf + done, len - done,
				 wait ? 0 : MSG_DONTWAIT);

		if (n < 0 && errno == EAGAIN) {
			sched_yield();
			continue;
		}
		if (n < 0)
			die("recv");
		if (n == 0)
			return false;
		done += (size_t)n;
	}
	return true;
}

static double bandwidth(int fd, size_t size)
{
	uint64_t start = now_ns(), sent = 0;
	uint8_t word;

	while (now_ns() - start < measure_ns()) {
		all_out(fd, size);
		sent += size;
	}
	/* it has all */
	shutdown(fd, SHUT_WR);
	if (recv(fd, &word, 1, 0) != 1)
		die("recv");
	return (double)sent * 1000 / (double)(now_ns() - start);
}

static double latency(int fd, const struct measure *m)
{
	static uint64_t v[MEASURE_MAX_TRIPS];
	uint64_t start = now_ns();
	size_t n = 0;

	while (n < MEASURE_MAX_TRIPS && now_ns() - start < measure_ns()) {
		uint64_t begin = now_ns();

		all_out(fd, m->size);
		if (!all_in(fd, m->size, measure_is(m, "waiting")))
			die("recv");
		v[n++] = now_ns() - begin;
	}
	return median(v, n) / 2000;
}

static void __attribute__((noreturn))
serve(int fd, const struct measure *m)
{
	bool echo = !measure_is(m, "bandwidth");

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	while (all_in(fd, m->size, !measure_is(m, "latency")))
		if (echo)
			all_out(fd, m->size);
	if (!echo && send(fd, buf, 1, MSG_NOSIGNAL) != 1)
		die("send");
	exit(0);
}

static void connected(int fd[2])
{
	struct sockaddr_in sa = { .sin_family = AF_INET };
	socklen_t len = sizeof(sa);
	int l = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	inet_pton(AF_INET, "10.0.0.1", &sa.sin_addr);
	if (l < 0 || bind(l, (struct sockaddr *)&sa, len) || listen(l, 1) ||
	    getsockname(l, (struct sockaddr *)&sa, &len))
		die("listen");
	fd[0] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd[0] < 0 || connect(fd[0], (struct sockaddr *)&sa, len))
		die("connect");
	fd[1] = accept(l, NULL, NULL);
	if (fd[1] < 0)
		die("accept");
	close(l);
	like_ours(fd[0]);
	like_ours(fd[1]);
}

int main(int argc, char **argv)
{
	struct measure m;
	double value;
	int fd[2];

	if (!measure_args(argc, argv, "bandwidth latency waiting ", &m))
		return 2;
	if (!netns_enter())
		return 1;
	memset(buf, 1, sizeof(buf));
	connected(fd);
	fflush(stdout);
	if (!fork()) {
		close(fd[0]);
		serve(fd[1], &m);
	}
	close(fd[1]);
	value = measure_is(&m, "bandwidth") ? bandwidth(fd[0], m.size)
					    : latency(fd[0], &m);
	close(fd[0]);
	wait(NULL);
	measure_print(&m, value);
	return 0;
}
