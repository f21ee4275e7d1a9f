/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * userdev.h - /dev/vrdmaN inside of a test's process
 *
 * DOC: How the device file fits into a process
 *
 *	test ---- NDSPI ----> guest-driver/ndspi		or ioctls, as they are
 *	                        |  struct nd_sys, or calls.h
 *	                      device.c	    files, their descriptors
 *	                      guest-driver/linux   cdev.c, request.c, pin.c
 *	                      guest-driver/user
 *	                        |  kernel.h, pages.c	   Linux, as far as they see it
 *	                      guest-driver/core, os_user.c, frontend.c, vrdmad
 *
 * A device is a guest of tests/lib/os_user.h.  Its file descriptors are eventfds that
 * are readable while events wait, so that poll() and epoll are the system's.  What
 * a consumer registers becomes guest memory where it is: pages.c.
 *
 * The thread that calls is in a process, by default all in the same one; a process
 * can be killed, which here ends no thread, but what it waits for as a kill does.
 */
#ifndef TESTS_USERDEV_H
#define TESTS_USERDEV_H

#include <poll.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/types.h>

#include "nd_sys.h"

#define USERDEV_MAX 2

struct tguest;
/* /dev/vrdma<number> is this guest from now on */
void userdev_add(unsigned number, struct tguest *g);
/* The device is reset, which every file is lost by */
void userdev_lose(unsigned number);
/* Every file is closed, and nothing is left of it: else the test fails */
void userdev_remove(unsigned number);

extern const struct nd_sys userdev_sys;

/* As the calls of those names; of other paths and descriptors the system's */
int userdev_open(const char *path, int flags, ...);
int userdev_close(int fd);
int userdev_ioctl(int fd, unsigned long code, ...);
ssize_t userdev_read(int fd, void *buf, size_t n);
void *userdev_mmap(void *at, size_t size, int prot, int flags, int fd,
		   off_t offset);
/* /proc/self/status: with the memory that is pinned for the caller's process */
FILE *userdev_fopen(const char *path, const char *mode);

/* --- processes --------------------------------------------------------------- */

struct task_struct;
/* memlock: bytes that it may have pinned; 0: any number.  It goes with the last
 * device: what it had pinned counts until then */
struct task_struct *userdev_process(size_t memlock);
/* The calling thread is in it from now on; NULL: in the one of before */
void userdev_enter(struct task_struct *t);
void userdev_kill(struct task_struct *t);
/* Until so many threads wait in calls for the device; false: 20 s passed */
bool userdev_wait_sleepers(struct task_struct *t, unsigned n);

/* The n-th allocation from now on fails, one time; 0: none.  Returns what was left */
unsigned userdev_fail_alloc(unsigned n);
/* Blocks that are alive */
long userdev_blocks(void);

/* fx_setup() with these devices, and its end */
void userdev_setup(void);
void userdev_teardown(void);

#endif /* TESTS_USERDEV_H */
