/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * netns.h - a network of the test's own, with the guests' addresses in it
 */
#ifndef TESTS_NETNS_H
#define TESTS_NETNS_H

#include <stdbool.h>

#define NETNS_HOSTS 16	/* 10.0.0.1 and fd00::1 up to so many */

/* The calling thread, and what it starts from here on, are in a new network
 * namespace whose loopback has those addresses.  Works without privilege where
 * user namespaces do.  False: stderr says why */
bool netns_enter(void);

#endif /* TESTS_NETNS_H */
