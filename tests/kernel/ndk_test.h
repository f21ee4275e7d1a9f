/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ndk_test.h - the module's parameters and tables
 */
#ifndef TESTS_KERNEL_NDK_TEST_H
#define TESTS_KERNEL_NDK_TEST_H

#include <linux/types.h>

/* Bounds are planned for a machine that is not emulated: times this */
extern int kc_patience;
/* Names of tests to run, with wildcards */
extern char *kc_only;

/* Tests that need what a guest's kernel does not have: another configuration of
 * vrdmad, its death, a reset of the device.  Ends with a NULL */
struct kc_elsewhere {
	const char *suite, *test, *why;
};
extern const struct kc_elsewhere kc_elsewhere[];

/* The device's own addresses, as each guest of a test has them; false: there is
 * no device */
bool kc_host_init(void);

/* Pieces of memory that the tests have now */
int kc_buffers(void);

#endif /* TESTS_KERNEL_NDK_TEST_H */
