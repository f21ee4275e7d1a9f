/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * os_user.h - the guest that a test runs in, as if it were one of two
 *
 * DOC: Takes the place of tests/lib/os_user.h.  The core's own entry points that
 * the tests use are made of what vrdma.ko exports.
 */
#ifndef TESTS_OS_USER_H
#define TESTS_OS_USER_H

#include "vrdma_core.h"

struct tguest;
struct fe;

struct vrdma_core *tguest_core(struct tguest *g);
/* dma_alloc, dma_free and now_ms of it */
const struct vrdma_os_ops *tguest_ops(void);

int test_timeout_ms(void);
#define TEST_TIMEOUT_MS test_timeout_ms()

/* The rings are the core's.  0: here all of a queue pair's requests have ended whose
 * peer has a message that was posted behind them */
uint32_t tguest_sends_left(NDK_QP *qp);

/* Of tests that do not run here: they fail */
struct fe *tguest_fe(struct tguest *g);
void tguest_kill(struct tguest *g);
void tguest_reset(struct tguest *g);
bool tguest_wait_recoveries(struct tguest *g, uint32_t n);
void fe_leave_out(struct fe *fe, uint32_t features);
uint32_t fe_device_features(struct fe *fe);
uint64_t fe_gpa_end(struct fe *fe);

#endif /* TESTS_OS_USER_H */
