/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * addr.h - end points: parse, print, compare, convert
 */
#ifndef VRDMA_ADDR_H
#define VRDMA_ADDR_H

#include <stdbool.h>
#include <stddef.h>

#include "../../host-backend/backend.h"

#define ADDR_STRLEN 64

/* "10.0.0.1", "fd00::1", without a port; 0 or -EINVAL */
int addr_parse(const char *text, struct be_addr *out);
/* "10.0.0.1:7" or "[fd00::1]:7"; port 0 is left out.  Returns buf. */
const char *addr_format(const struct be_addr *a, char buf[ADDR_STRLEN]);
bool addr_ip_equal(const struct be_addr *a, const struct be_addr *b);
bool addr_ip_is_any(const struct be_addr *a);
bool addr_equal(const struct be_addr *a,
		const struct be_addr *b); /* and port */
/* Checks the guest's form: family known, reserved and unused bytes zero.
 * -EINVAL.  AF_NONE is allowed when allow_none. */
int addr_from_abi(const struct virtio_rdma_addr *in, bool allow_none,
		  struct be_addr *out);
void addr_to_abi(const struct be_addr *in, struct virtio_rdma_addr *out);

#endif /* VRDMA_ADDR_H */
