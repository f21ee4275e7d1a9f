/* SPDX-License-Identifier: GPL-2.0-or-later */
/* nt_int.h - what the stand-in's files share */
#ifndef TESTS_NT_INT_H
#define TESTS_NT_INT_H

#include <pthread.h>

#include "nt.h"

#include "../../guest-driver/windows/nt.h"

struct nt_range {
	struct nt_range *next;
	uint8_t *va;
	uint32_t pages;
	bool read_only;
	struct piece *piece;
};

struct nt_process {
	struct nt_object object;
	uintptr_t pid;
	bool ended;
	/* nt_lock */
	struct nt_range *ranges;
	uint32_t locked;		/* pages */
	uint32_t views;			/* mappings of the driver's pages */
};

extern pthread_mutex_t nt_lock;
void nt_wake(void);			/* nt_lock held */
bool nt_sleep(const struct timespec *until);
__attribute__((noreturn)) void nt_stop(const char *what);
void nt_close_all(struct nt_process *p);

#endif /* TESTS_NT_INT_H */
