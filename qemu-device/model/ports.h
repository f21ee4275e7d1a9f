/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ports.h - which (address, port) pairs of a guest are taken
 *
 * DOC: An endpoint is counted: a listener holds one reference and each
 * connector that came in through it another, so the pair stays busy until the
 * last of them is closed, as NDKPI asks.  A connector that connects has an
 * endpoint of its own, or its part of a shared one (shared_ep.h).  Control
 * thread only.
 */
#ifndef VRDMA_PORTS_H
#define VRDMA_PORTS_H

#include <stdbool.h>
#include <stdint.h>

#include "../../host-backend/backend.h"
#include "list.h"

#define PORTS_BUCKETS	      256
#define PORTS_EPHEMERAL_FIRST 49152u
#define PORTS_EPHEMERAL_LAST  65535u
#define PORTS_TRIES	      64 /* of those, where a fabric has its own idea */

struct ports {
	struct list_head bucket[PORTS_BUCKETS]; /* by port */
	uint32_t next; /* ephemeral port to try first */
	uint32_t count;
};

struct endpoint {
	struct list_head link;
	struct ports *ports;
	struct be_addr addr;
	uint32_t refs;
};

void ports_init(struct ports *p);

/*
 * Takes addr; port 0: a free one of the ephemeral range, put into the
 * endpoint.  An all-zero ip stands for every address of its family and
 * conflicts with each of them on the same port.
 * 0, -EADDRINUSE, -EADDRNOTAVAIL (no ephemeral port left) or -ENOMEM
 */
int ports_take(struct ports *p, const struct be_addr *addr,
	       struct endpoint **out);
struct endpoint *endpoint_get(struct endpoint *e);
void endpoint_put(struct endpoint *e); /* NULL is fine */

#endif /* VRDMA_PORTS_H */
