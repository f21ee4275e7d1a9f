/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * calls.h - included by the compiler's command line before a program that makes
 * system calls on /dev/vrdmaN: they go to userdev.h
 */
#include <fcntl.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "userdev.h"

#define open(...)  userdev_open(__VA_ARGS__)
#define close(fd)  userdev_close(fd)
#define ioctl(...) userdev_ioctl(__VA_ARGS__)
#define mmap	   userdev_mmap
#define read	   userdev_read
#define fopen	   userdev_fopen
