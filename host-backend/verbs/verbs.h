/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * verbs.h - connections over an RDMA device of the host
 */
#ifndef VRDMA_VERBS_H
#define VRDMA_VERBS_H

#include "../backend.h"

/*
 * The backend of one device, not started.  name: what it is called in the
 * configuration; device: as ibv_devices lists it.  NULL with one line in err:
 * what is wrong and how to mend it.  Control thread.
 */
struct backend *verbs_backend(const char *name, const char *device, char *err,
			      size_t err_size);
/* One that was shut down, or never started */
void verbs_backend_free(struct backend *be);

#endif /* VRDMA_VERBS_H */
