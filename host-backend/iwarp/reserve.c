/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * reserve.c - end points that several connections come from
 *
 * DOC: The port of a connection is its TCP port, so a reservation is a socket
 * that is bound and does nothing.  Those of the connections are bound beside it:
 * with SO_REUSEADDR, which all of ours have, the kernel lets them, as long as
 * none of them listens and no two have the same peer.  Control thread.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "iw.h"

struct be_reserved {
	int fd;
};

static int bound_socket(struct iw *iw, const struct be_addr *addr)
{
	int fd = iw_socket(addr->family), err;
	char text[64];

	if (fd < 0)
		return fd == -EMFILE || fd == -ENFILE ? -ENOMEM : fd;
	err = iw_bind(fd, addr);
	if (!err)
		return fd;
	close(fd);
	iw_log(iw, BE_INFO, "shared end point %s: %s", iw_addr_text(addr, text),
	       strerror(-err));
	return err;
}

int iw_reserve(struct backend *be, const struct be_addr *addr,
	       struct be_reserved **out)
{
	struct be_reserved *r = malloc(sizeof(*r));
	int err;

	if (!r)
		return -ENOMEM;
	r->fd = bound_socket(iw_of(be), addr);
	if (r->fd < 0) {
		err = r->fd;
		free(r);
		return err;
	}
	*out = r;
	return 0;
}

void iw_unreserve(struct be_reserved *r)
{
	close(r->fd);
	free(r);
}
