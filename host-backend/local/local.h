/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * local.h - connections between two guests of this process
 */
#ifndef VRDMA_LOCAL_H
#define VRDMA_LOCAL_H

#include "../backend.h"

/* One in a process; start() and shutdown() as for any backend */
struct backend *local_backend(void);
/* Connections and listeners that exist, for tests of leaks */
unsigned int local_live_count(void);

#endif /* VRDMA_LOCAL_H */
