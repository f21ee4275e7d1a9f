// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * iwpeer.c - an iWARP peer without manners
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "iwpeer.h"

#define TIMEOUT_MS 20000

/* --- the socket ----------------------------------------------------------------- */

static struct sockaddr_in address(int host, uint16_t port)
{
	return (struct sockaddr_in){
		.sin_family = AF_INET,
		.sin_port = htons(port),
		.sin_addr.s_addr = htonl(0x0a000000u + (uint32_t)host),
	};
}

static int tcp(void)
{
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), one = 1;

	ck_assert_int_ge(fd, 0);
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	return fd;
}

void iwpeer_connect(struct iwpeer *p, int host, uint16_t port)
{
	struct sockaddr_in sa = address(host, port);

	*p = (struct iwpeer){.fd = tcp(), .crc = true};
	ck_assert_int_eq(connect(p->fd, (struct sockaddr *)&sa, sizeof(sa)), 0);
}

uint16_t iwpeer_listen(int *fd, int host)
{
	struct sockaddr_in sa = address(host, 0);
	socklen_t len = sizeof(sa);

	*fd = tcp();
	ck_assert_int_eq(bind(*fd, (struct sockaddr *)&sa, sizeof(sa)), 0);
	ck_assert_int_eq(listen(*fd, 16), 0);
	ck_assert_int_eq(getsockname(*fd, (struct sockaddr *)&sa, &len), 0);
	return ntohs(sa.sin_port);
}

static bool readable(int fd, int ms)
{
	struct pollfd q = {.fd = fd, .events = POLLIN};

	return poll(&q, 1, ms) == 1;
}

void iwpeer_accept(struct iwpeer *p, int listener)
{
	int one = 1;

	ck_assert_msg(readable(listener, TIMEOUT_MS), "nobody connects");
	*p = (struct iwpeer){.fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC),
			     .crc = true};
	ck_assert_int_ge(p->fd, 0);
	setsockopt(p->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
}

void iwpeer_close(struct iwpeer *p)
{
	if (p->fd >= 0)
		close(p->fd);
	p->fd = -1;
}

void iwpeer_reset(struct iwpeer *p)
{
	const struct linger l = {.l_onoff = 1};

	setsockopt(p->fd, SOL_SOCKET, SO_LINGER, &l, sizeof(l));
	iwpeer_close(p);
}

void iwpeer_finish(struct iwpeer *p)
{
	ck_assert_int_eq(shutdown(p->fd, SHUT_WR), 0);
}

/* --- bytes ------------------------------------------------------------------------- */

static size_t unhex(const char *text, uint8_t *out, size_t max)
{
	size_t n = 0;

	for (; *text; text += *text == ' ' ? 1 : 2) {
		char two[3] = {text[0], text[0] == ' ' ? 0 : text[1], 0};

		if (*text == ' ')
			continue;
		ck_assert_uint_lt(n, max);
		out[n++] = (uint8_t)strtoul(two, NULL, 16);
	}
	return n;
}

void iwpeer_send(struct iwpeer *p, const void *bytes, size_t len)
{
	const uint8_t *at = bytes;

	while (len) {
		ssize_t n = send(p->fd, at, len, MSG_NOSIGNAL);

		ck_assert_msg(n > 0, "send: %s", strerror(errno));
		at += n;
		len -= (size_t)n;
	}
}

void iwpeer_hex(struct iwpeer *p, const char *text)
{
	uint8_t b[1024];

	iwpeer_send(p, b, unhex(text, b, sizeof(b)));
}

void iwpeer_read(struct iwpeer *p, void *to, size_t len)
{
	uint8_t *at = to;

	while (len) {
		ssize_t n;

		ck_assert_msg(readable(p->fd, TIMEOUT_MS),
			      "%zu bytes did not come", len);
		n = recv(p->fd, at, len, 0);
		ck_assert_msg(n > 0, "%zu bytes before the end: %s", len,
			      n ? strerror(errno) : "FIN");
		at += n;
		len -= (size_t)n;
	}
}

void iwpeer_expect_hex(struct iwpeer *p, const char *text)
{
	uint8_t want[1024], got[1024];
	size_t n = unhex(text, want, sizeof(want));

	iwpeer_read(p, got, n);
	ck_assert_mem_eq(got, want, n);
}

void iwpeer_expect_eof(struct iwpeer *p)
{
	uint8_t b;
	ssize_t n;

	ck_assert_msg(readable(p->fd, TIMEOUT_MS), "no FIN");
	n = recv(p->fd, &b, 1, 0);
	ck_assert_msg(n == 0, "%s instead of FIN",
		      n < 0 ? strerror(errno) : "data");
}

void iwpeer_expect_reset(struct iwpeer *p)
{
	uint8_t b[256];
	ssize_t n;

	do {
		ck_assert_msg(readable(p->fd, TIMEOUT_MS), "no RST");
		n = recv(p->fd, b, sizeof(b), 0);
	} while (n > 0);
	ck_assert_msg(n < 0 && errno == ECONNRESET, "FIN instead of RST");
}

void iwpeer_expect_silence(struct iwpeer *p, int ms)
{
	ck_assert_msg(!readable(p->fd, ms), "it speaks");
}

/* --- FPDUs ---------------------------------------------------------------------------- */

static uint32_t crc32c(const uint8_t *p, size_t len)
{
	uint32_t crc = 0xffffffffu;

	while (len--) {
		crc ^= *p++;
		for (int i = 0; i < 8; i++)
			crc = crc >> 1 ^ (crc & 1 ? 0x82f63b78u : 0);
	}
	return ~crc;
}

static void put(uint8_t *p, uint64_t v, int bytes)
{
	while (bytes--) {
		p[bytes] = (uint8_t)v;
		v >>= 8;
	}
}

uint32_t iwpeer_get32(const uint8_t *p)
{
	return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 |
	       (uint32_t)p[2] << 8 | p[3];
}

uint64_t iwpeer_get64(const uint8_t *p)
{
	return (uint64_t)iwpeer_get32(p) << 32 | iwpeer_get32(p + 4);
}

size_t iwpeer_seal(const struct iwpeer *p, uint8_t *out, const void *head,
		   size_t head_len, const void *payload, size_t len)
{
	size_t n = head_len + len;
	uint32_t crc;

	memcpy(out, head, head_len);
	if (len)
		memcpy(out + head_len, payload, len);
	if (!out[0] && !out[1])
		put(out, n - 2, 2);
	while (n % 4)
		out[n++] = 0;
	crc = p->crc ? crc32c(out, n) : 0;
	for (int i = 0; i < 4; i++)
		out[n++] = (uint8_t)(crc >> 8 * i);
	return n;
}

void iwpeer_fpdu(struct iwpeer *p, const void *head, size_t head_len,
		 const void *payload, size_t len)
{
	uint8_t *b = malloc(head_len + len + 64);

	ck_assert_ptr_nonnull(b);
	iwpeer_send(p, b, iwpeer_seal(p, b, head, head_len, payload, len));
	free(b);
}

size_t iwpeer_tagged(uint8_t *head, uint16_t control, uint32_t stag,
		     uint64_t to)
{
	put(head, 0, 2);
	put(head + 2, control, 2);
	put(head + 4, stag, 4);
	put(head + 8, to, 8);
	return 16;
}

size_t iwpeer_untagged(uint8_t *head, uint16_t control, uint32_t qn,
		       uint32_t msn, uint32_t mo)
{
	put(head, 0, 2);
	put(head + 2, control, 2);
	put(head + 4, 0, 4);
	put(head + 8, qn, 4);
	put(head + 12, msn, 4);
	put(head + 16, mo, 4);
	return 20;
}

size_t iwpeer_read_request(uint8_t *head, uint32_t msn, uint32_t sink,
			   uint32_t size, uint32_t stag, uint64_t to)
{
	iwpeer_untagged(head, 0x4141, 1, msn, 0);
	put(head + 20, sink, 4);
	put(head + 24, 0, 8);
	put(head + 32, size, 4);
	put(head + 36, stag, 4);
	put(head + 40, to, 8);
	return 48;
}

void iwpeer_rtr(struct iwpeer *p)
{
	uint8_t head[16];

	iwpeer_fpdu(p, head, iwpeer_tagged(head, 0xc140, 1, 0), NULL, 0);
}

size_t iwpeer_next(struct iwpeer *p, uint8_t *out, size_t max)
{
	uint32_t got, crc;
	size_t n, whole;

	iwpeer_read(p, out, 2);
	n = 2 + ((size_t)out[0] << 8 | out[1]);
	whole = (n + 3) / 4 * 4 + 4;
	ck_assert_uint_le(whole, max);
	iwpeer_read(p, out + 2, whole - 2);
	got = (uint32_t)out[whole - 4] | (uint32_t)out[whole - 3] << 8 |
	      (uint32_t)out[whole - 2] << 16 | (uint32_t)out[whole - 1] << 24;
	crc = p->crc ? crc32c(out, whole - 4) : 0;
	ck_assert_uint_eq(got, crc);
	for (size_t i = n; i < whole - 4; i++)
		ck_assert_uint_eq(out[i], 0);
	return n;
}
