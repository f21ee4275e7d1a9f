/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * os_user.h - the miniport core running in a test process
 *
 * DOC: A tguest is a guest without a kernel: the real core of guest-driver/core
 * on the OS operations of this file, in front of the real vrdmad.  Like the
 * Linux module it recovers by itself when the device needs a reset or the back
 * end hangs up.
 */
#ifndef TESTS_OS_USER_H
#define TESTS_OS_USER_H

#include "frontend.h"
#include "vrdma_core.h"

struct tguest;

/* Connects to the socket, starts core and device.  NULL: stderr says why */
struct tguest *tguest_start(const char *socket, size_t mem_size);
/* Driver unload: every adapter is closed.  Frees all */
void tguest_stop(struct tguest *g);

/* QEMU is killed: the socket closes, nothing is reset, no recovery follows.
 * Objects may be closed afterwards, then tguest_stop(). */
void tguest_kill(struct tguest *g);

/* The driver resets its device and starts it again, as after NEEDS_RESET */
void tguest_reset(struct tguest *g);

/* The driver resets its device and leaves it so; and starts it again: 0 or -errno */
void tguest_down(struct tguest *g);
int tguest_up(struct tguest *g);

/* Called whenever the core has been told that its device is lost, from the thread
 * that told it.  NULL: nobody */
void tguest_on_lost(struct tguest *g, void (*fn)(void *arg), void *arg);

struct vrdma_core *tguest_core(struct tguest *g);
struct fe *tguest_fe(struct tguest *g);
const struct vrdma_os_ops *tguest_ops(void);

/* How often the device came back; waits until it is at least n, false: 20 s
 * passed */
uint32_t tguest_recoveries(struct tguest *g);
bool tguest_wait_recoveries(struct tguest *g, uint32_t n);
/* Sends, writes, reads of it that have not ended, by what its rings say */
uint32_t tguest_sends_left(NDK_QP *qp);
/* Allocations of the core that are alive, for leak checks */
long tguest_allocations(struct tguest *g);

/* Bounded waits: 20 s, times VRDMA_PATIENCE where the machine is emulated */
int test_timeout_ms(void);
#define TEST_TIMEOUT_MS test_timeout_ms()

#endif /* TESTS_OS_USER_H */
