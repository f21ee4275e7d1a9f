/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-or-later */
/*
 * tool.h - what the nd_* tools share: events, errors, numbers, addresses
 */
#ifndef ND_TOOL_H
#define ND_TOOL_H

#include <stdbool.h>
#include <stdint.h>

#include "ndutil.h"

/* which printf: mingw-w64's own, C99's, by __USE_MINGW_ANSI_STDIO */
#ifdef _WIN32
#define TOOL_PRINTF __attribute__((format(gnu_printf, 1, 2)))
#else
#define TOOL_PRINTF __attribute__((format(printf, 1, 2)))
#endif

/* exit statuses */
enum {
	EXIT_OK = 0,
	EXIT_FAILED = 1,
	EXIT_USAGE = 2,
	EXIT_LOST = 3,		/* the connection was lost */
};

extern const char *tool_name;

/* "<seconds.microseconds> <tool> <text>" on standard output, one line */
TOOL_PRINTF void tool_event(const char *fmt, ...);
/* what failed, where, how to mend; on standard error.  Always false */
TOOL_PRINTF bool tool_error(const char *fmt, ...);
/* the same with a status, and an error event for whoever reads the events */
bool tool_status_error(const char *what, HRESULT hr, const char *mend);

/* name of a status, or its number; the buffer is the thread's own */
const char *tool_status(HRESULT hr);

/* seconds since some start, monotonic */
double tool_now(void);

/* "64K": suffixes K M G of 1024.  false: not a number in the range */
bool tool_parse_size(const char *text, uint64_t min, uint64_t max,
		     uint64_t *out);
/* a literal IPv4 or IPv6 address, IPv6 with %scope too */
bool tool_parse_addr(const char *text, struct sockaddr_storage *out,
		     ULONG *cb);
void tool_set_port(struct sockaddr_storage *addr, uint16_t port);
uint16_t tool_port(const struct sockaddr_storage *addr);
/* "192.0.2.1" or "2001:db8::1"; with port "192.0.2.1:7" or "[2001:db8::1]:7" */
const char *tool_ip(const struct sockaddr_storage *addr);
const char *tool_ip_port(const struct sockaddr_storage *addr);

/* All addresses of all adapters; free() it.  NULL: none, said on stderr */
SOCKET_ADDRESS_LIST *tool_addresses(void);

/* The test pattern: depends on seed, number of the transfer, and place */
void tool_fill(uint8_t *buf, uint64_t len, uint32_t seed, uint64_t index);
/* first wrong byte, or len */
uint64_t tool_check(const uint8_t *buf, uint64_t len, uint32_t seed,
		    uint64_t index);

#endif /* ND_TOOL_H */
