/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-or-later */
/*
 * tool.c - what the nd_* tools share
 */
#include "tool.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tool_os.h"

/* ------------------------------------------------------------------ output */

void tool_event(const char *fmt, ...)
{
	uint64_t us = tool_clock(true) / 1000;
	va_list ap;

	printf("%llu.%06u %s ", (unsigned long long)(us / 1000000),
	       (unsigned)(us % 1000000), tool_name);
	va_start(ap, fmt);
	vprintf(fmt, ap);
	va_end(ap);
	putchar('\n');
	fflush(stdout);
}

bool tool_error(const char *fmt, ...)
{
	va_list ap;

	fprintf(stderr, "%s: ", tool_name);
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputc('\n', stderr);
	return false;
}

const char *tool_status(HRESULT hr)
{
	static __thread char text[16];
	const char *name = NdStatusName(hr);

	if (name)
		return name;
	snprintf(text, sizeof(text), "0x%08x", (unsigned)hr);
	return text;
}

bool tool_status_error(const char *what, HRESULT hr, const char *mend)
{
	tool_event("error what=\"%s\" status=%s", what, tool_status(hr));
	return tool_error("%s: %s; %s", what, tool_status(hr), mend);
}

double tool_now(void)
{
	return (double)tool_clock(false) / 1e9;
}

/* ----------------------------------------------------- numbers, addresses */

static int suffix_shift(const char *s)
{
	if (!*s)
		return 0;
	if (s[1])
		return -1;
	switch (*s) {
	case 'k':
	case 'K':
		return 10;
	case 'm':
	case 'M':
		return 20;
	case 'g':
	case 'G':
		return 30;
	default:
		return -1;
	}
}

bool tool_parse_size(const char *text, uint64_t min, uint64_t max,
		     uint64_t *out)
{
	unsigned long long v;
	char *end;
	int shift;

	if (*text < '0' || *text > '9')
		return false;
	errno = 0;
	v = strtoull(text, &end, 10);
	shift = suffix_shift(end);
	if (errno || shift < 0 || v > UINT64_MAX >> shift)
		return false;
	v <<= shift;
	if (v < min || v > max)
		return false;
	*out = v;
	return true;
}

static bool parse_v6(const char *text, struct sockaddr_in6 *v6)
{
	char host[64];
	const char *scope = strchr(text, '%');
	size_t n = scope ? (size_t)(scope - text) : strlen(text);

	if (n >= sizeof(host))
		return false;
	memcpy(host, text, n);
	host[n] = 0;
	if (inet_pton(AF_INET6, host, &v6->sin6_addr) != 1)
		return false;
	v6->sin6_family = AF_INET6;
	if (scope) {
		v6->sin6_scope_id = if_nametoindex(scope + 1);
		if (!v6->sin6_scope_id)
			v6->sin6_scope_id = (uint32_t)strtoul(scope + 1, NULL,
							      10);
	}
	return true;
}

bool tool_parse_addr(const char *text, struct sockaddr_storage *out, ULONG *cb)
{
	struct sockaddr_in *v4 = (void *)out;

	memset(out, 0, sizeof(*out));
	if (inet_pton(AF_INET, text, &v4->sin_addr) == 1) {
		v4->sin_family = AF_INET;
		*cb = sizeof(*v4);
		return true;
	}
	*cb = sizeof(struct sockaddr_in6);
	return parse_v6(text, (void *)out);
}

void tool_set_port(struct sockaddr_storage *addr, uint16_t port)
{
	if (addr->ss_family == AF_INET)
		((struct sockaddr_in *)addr)->sin_port = htons(port);
	else
		((struct sockaddr_in6 *)addr)->sin6_port = htons(port);
}

uint16_t tool_port(const struct sockaddr_storage *addr)
{
	return ntohs(addr->ss_family == AF_INET ?
			     ((const struct sockaddr_in *)addr)->sin_port :
			     ((const struct sockaddr_in6 *)addr)->sin6_port);
}

const char *tool_ip(const struct sockaddr_storage *addr)
{
	static __thread char text[INET6_ADDRSTRLEN];
	const void *ip = addr->ss_family == AF_INET ?
		(const void *)&((const struct sockaddr_in *)addr)->sin_addr :
		(const void *)&((const struct sockaddr_in6 *)addr)->sin6_addr;

	return inet_ntop(addr->ss_family, ip, text, sizeof(text)) ? text : "?";
}

const char *tool_ip_port(const struct sockaddr_storage *addr)
{
	static __thread char text[2][INET6_ADDRSTRLEN + 10];
	static __thread unsigned turn;
	char *t = text[turn++ % 2]; /* two of them in one line of output */

	snprintf(t, sizeof(text[0]),
		 addr->ss_family == AF_INET ? "%s:%u" : "[%s]:%u",
		 tool_ip(addr), tool_port(addr));
	return t;
}

SOCKET_ADDRESS_LIST *tool_addresses(void)
{
	SOCKET_ADDRESS_LIST *list = NULL;
	ULONG cb = 0;
	HRESULT hr;

	hr = NdQueryAddressList(0, NULL, &cb);
	if (hr == ND_BUFFER_OVERFLOW) {
		list = calloc(1, cb);
		hr = list ? NdQueryAddressList(0, list, &cb) : ND_NO_MEMORY;
	}
	if (hr == ND_SUCCESS && list && list->iAddressCount)
		return list;
	free(list);
	tool_status_error("no adapter with an address",
			  hr == ND_SUCCESS ? ND_DEVICE_NOT_READY : hr,
			  "is the vrdma module loaded, is /dev/vrdma0 there and "
			  "open to this user?");
	return NULL;
}

/* ----------------------------------------------------------------- pattern */

#define GOLDEN 0x9e3779b97f4a7c15ull

static uint64_t start(uint32_t seed, uint64_t index)
{
	uint64_t x = (index + 1) * GOLDEN ^ ((uint64_t)seed << 32 | seed);

	x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9ull;
	x = (x ^ x >> 27) * 0x94d049bb133111ebull;
	return x ^ x >> 31;
}

void tool_fill(uint8_t *buf, uint64_t len, uint32_t seed, uint64_t index)
{
	uint64_t x = start(seed, index), at = 0;

	for (; len - at >= sizeof(x); at += sizeof(x), x += GOLDEN)
		memcpy(buf + at, &x, sizeof(x));
	memcpy(buf + at, &x, len - at);
}

static uint64_t first_wrong(const uint8_t *buf, const uint8_t *want, uint64_t n)
{
	uint64_t i = 0;

	while (i < n && buf[i] == want[i])
		i++;
	return i;
}

uint64_t tool_check(const uint8_t *buf, uint64_t len, uint32_t seed,
		    uint64_t index)
{
	uint64_t x = start(seed, index), at = 0;

	for (; len - at >= sizeof(x); at += sizeof(x), x += GOLDEN)
		if (memcmp(buf + at, &x, sizeof(x)))
			return at + first_wrong(buf + at, (uint8_t *)&x,
						sizeof(x));
	return at + first_wrong(buf + at, (uint8_t *)&x, len - at);
}
