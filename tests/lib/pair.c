// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * pair.c - a connected pair of end points, in user space and in a guest's kernel
 */
#include "fixture.h"

void pair_open(struct pair *p, int i, int j, const struct ep_opts *o)
{
	ep_init(&p->a, fx.g[i], o);
	ep_init(&p->b, fx.g[j], o);
	listener_start(&p->l, p->b.adapter, sa_v4(j, 0));
	ep_connect(&p->a, &p->b, &p->l, NULL, NULL);
}

void pair_close(struct pair *p)
{
	struct op op;
	NTSTATUS st;

	/* the listener ends when its last connector has */
	op_init(&op);
	st = nd_close_start(p->l.obj, &op);
	ep_fini(&p->a);
	nd_close(p->b.conn);
	p->b.conn = NULL;
	assert_status(op_wait(&op, st), STATUS_SUCCESS);
	ep_fini(&p->b);
}
