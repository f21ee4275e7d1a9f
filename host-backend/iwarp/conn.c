/* SPDX-License-Identifier: GPL-2.0-or-later */
/* conn.c - the life of a connection's structure */
#include <errno.h>
#include <stdlib.h>

#include "iw.h"

struct be_conn *iw_conn_new(struct iw *iw, bool passive)
{
	struct be_conn *c = calloc(1, sizeof(*c));

	if (!c)
		return NULL;
	c->iw = iw;
	c->passive = passive;
	c->fd = -1;
	atomic_init(&c->refs, 1);
	atomic_init(&c->said, 0);
	c->s.item.event = iw_setup_event;
	c->s.step = IW_OVER;
	c->w.active = !passive;
	return c;
}

struct be_conn *iw_conn_get(struct be_conn *c)
{
	atomic_fetch_add_explicit(&c->refs, 1, memory_order_relaxed);
	return c;
}

void iw_conn_put(struct be_conn *c)
{
	if (atomic_fetch_sub_explicit(&c->refs, 1, memory_order_acq_rel) != 1)
		return;
	free(c->w.sqe);
	free(c->w.out);
	free(c->w.in);
	free(c);
}

uint32_t iw_siw_reads(uint32_t told)
{
	uint32_t n = 1;

	while (n < told)
		n *= 2;
	return n;
}

int iw_conn_rings(struct be_conn *c, const struct be_qp *qp)
{
	struct be_qp_attr attr;

	be_qp_attr(qp, &attr);
	c->w.window = attr.sq_window;
	free(c->w.sqe);
	free(c->w.out);
	free(c->w.in);
	c->w.sqe = calloc(c->w.window, sizeof(*c->w.sqe));
	c->w.out = calloc(c->w.ord + 1, sizeof(*c->w.out));
	c->w.in = calloc(iw_siw_reads(c->w.ird) + 1, sizeof(*c->w.in));
	return c->w.sqe && c->w.out && c->w.in ? 0 : -ENOMEM;
}
