/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * siege.h - fixture of tests with a front end that breaks the protocol
 *
 * DOC: The front end is hung up on, vrdmad lives, the place is free for the
 * next front end, and the connection of two neighbours moves its bytes: the
 * teardown asserts the last three.
 */
#ifndef TESTS_SIEGE_H
#define TESTS_SIEGE_H

#include "evil.h"

extern struct evil evil; /* guest 2's front end; the neighbours are 0 and 1 */

void siege_setup(void);
void siege_teardown(void);
/* All that can go before goes well: features, memory, ring 0 */
void siege_ready(void);
/* A new connection in place of the old one */
void siege_again(void);
void siege_hangup(const char *what, uint32_t v);
void siege_neighbours(void);
void siege_rows(void (*fn)(int row), int rows);

#endif /* TESTS_SIEGE_H */
