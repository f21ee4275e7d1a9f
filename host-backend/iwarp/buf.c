/* SPDX-License-Identifier: GPL-2.0-or-later */
/* buf.c - buffers for what lies between a socket and a guest for a while */
#include <stdlib.h>

#include "iw.h"

#define KEEP 64u	/* free ones that are not given back to the system */

struct iw_buf *iw_buf_get(struct iw *iw)
{
	struct iw_buf *b = iw->bufs;

	if (b) {
		iw->bufs = b->next;
		iw->buf_count--;
	} else {
		b = malloc(sizeof(*b));
	}
	if (b) {
		b->next = NULL;
		b->off = 0;
		b->len = 0;
	}
	return b;
}

void iw_buf_put(struct iw *iw, struct iw_buf *b)
{
	if (!b)
		return;
	if (iw->buf_count >= KEEP) {
		free(b);
		return;
	}
	b->next = iw->bufs;
	iw->bufs = b;
	iw->buf_count++;
}

void iw_buf_drop_all(struct iw *iw)
{
	while (iw->bufs) {
		struct iw_buf *b = iw->bufs;

		iw->bufs = b->next;
		free(b);
	}
	iw->buf_count = 0;
}
