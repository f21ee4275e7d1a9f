/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-or-later */
/* sched.h - sched_yield() */
#ifndef ND_WIN_SCHED_H
#define ND_WIN_SCHED_H

#include "nd_win.h"

static inline int sched_yield(void)
{
	SwitchToThread();
	return 0;
}

#endif
