/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-or-later */
/*
 * nd_sockaddr.h - socket addresses without an OS header
 *
 * DOC: The layout that Windows and Linux share: 16-bit family in host order,
 * port in network order.  AF_INET is 2 on both; AF_INET6 differs (10 on
 * Linux, 23 on Windows) and ND_AF_INET6 is the one of the system that this is
 * built for.  A struct sockaddr_in or sockaddr_in6 of that system may be
 * passed by cast.
 */
#ifndef ND_SOCKADDR_H
#define ND_SOCKADDR_H

#ifdef __KERNEL__
#include <linux/types.h>
#else
#include <stdint.h>
#endif

#define ND_AF_INET	2
#ifdef _WIN32
#define ND_AF_INET6	23
#else
#define ND_AF_INET6	10
#endif

struct nd_sockaddr {
	uint16_t family;	/* ND_AF_xxx */
	uint8_t data[14];
};

struct nd_sockaddr_in {
	uint16_t family;	/* ND_AF_INET */
	uint8_t port[2];	/* network order */
	uint8_t addr[4];
	uint8_t zero[8];
};

struct nd_sockaddr_in6 {
	uint16_t family;	/* ND_AF_INET6 */
	uint8_t port[2];	/* network order */
	uint32_t flowinfo;
	uint8_t addr[16];
	uint32_t scope_id;	/* host order */
};

_Static_assert(sizeof(struct nd_sockaddr_in) == 16, "sockaddr_in");
_Static_assert(sizeof(struct nd_sockaddr_in6) == 28, "sockaddr_in6");

#ifndef _WIN32
typedef struct nd_sockaddr SOCKADDR, *PSOCKADDR;
#endif

#endif /* ND_SOCKADDR_H */
