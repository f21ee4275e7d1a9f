/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * vrdmad.h - the daemon under a guest, which its kernel cannot touch
 *
 * DOC: Takes the place of tests/lib/vrdmad.h.  Both guests of a test are this
 * one, so each has its addresses; any higher number is a neighbour in its
 * network that does not exist.
 */
#ifndef TESTS_VRDMAD_H
#define TESTS_VRDMAD_H

#include <linux/types.h>

#define DAEMON_MAX_GUESTS 2

struct daemon_opts {
	int first;
	int guests;
	const char *vrdmad_section;
	const char *guest_section;
	const char *own[DAEMON_MAX_GUESTS];
};

struct daemon {
	int first;
};

extern u8 kc_ipv4[4], kc_ipv6[16];
#define KC_LAST(own, i) ((u8)((i) < 2 ? (own) : (own) + 77))
#define DAEMON_IPV4(i) \
	{ kc_ipv4[0], kc_ipv4[1], kc_ipv4[2], KC_LAST(kc_ipv4[3], i) }
#define DAEMON_IPV6(i)							\
	{ kc_ipv6[0], kc_ipv6[1], kc_ipv6[2], kc_ipv6[3], kc_ipv6[4],	\
	  kc_ipv6[5], kc_ipv6[6], kc_ipv6[7], kc_ipv6[8], kc_ipv6[9],	\
	  kc_ipv6[10], kc_ipv6[11], kc_ipv6[12], kc_ipv6[13],		\
	  kc_ipv6[14], KC_LAST(kc_ipv6[15], i) }

#endif /* TESTS_VRDMAD_H */
