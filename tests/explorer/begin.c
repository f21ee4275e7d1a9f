// SPDX-License-Identifier: GPL-2.0-or-later
/* begin.c - what an order finds: two queue pairs, a connector, a connection */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "explorer.h"

static uint32_t flags_of(const struct side *s)
{
	return scenario ? scenario->flags[s->index] : 0;
}

static VOID on_created(PVOID ctx, NTSTATUS status, NDK_OBJECT_HEADER *obj)
{
	if (status == STATUS_SUCCESS)
		*(void **)ctx = obj;
}

static void make_qp(struct side *s)
{
	struct vrdma_qp_params p = {
		.receive_cq = s->cq, .initiator_cq = s->cq,
		.receive_depth = MAX_WR, .initiator_depth = MAX_WR,
		.max_receive_sge = 1, .max_initiator_sge = 1,
	};

	if (flags_of(s) & F_NDSPI)
		p.flags = VRDMA_QP_FLUSH_ON_PEER_DISCONNECT;
	vrdma_create_qp_ex(s->pd, &p, on_created, &s->qp, NULL);
}

static void forget(struct side *s)
{
	size_t from = offsetof(struct side, qp);

	memset((char *)s + from, 0, offsetof(struct side, dirty) - from);
}

static void must_be(bool ok)
{
	if (ok)
		return;
	fprintf(stderr, "explorer: cannot connect\n%s", trace_text());
	abort();
}

void consumer_begin(bool established)
{
	struct side *a = &world.side[0], *b = &world.side[1];

	for (int i = 0; i < 2; i++) {
		struct side *s = &world.side[i];

		forget(s);
		memset(s->data, 0x60 + i, DATA_SIZE);
		make_qp(s);
	}
	a->adapter->Dispatch->NdkCreateConnector(a->adapter, on_created,
						 &a->conn, NULL);
	world_settle();
	must_be(a->conn && a->qp && b->qp);
	a->state = C_IDLE;
	for (int i = 0; i < 2; i++)
		if (flags_of(&world.side[i]) & F_ARM)
			world.side[i].cq->Dispatch->NdkArmCq(
				world.side[i].cq, NDK_CQ_NOTIFY_ANY);
	if (!established)
		return;
	call_run(a, 'c');
	world_settle();
	must_be(b->state == C_INCOMING);
	call_run(b, 'a');
	world_settle();
	must_be(a->state == C_REPLIED);
	call_run(a, 'm');
	world_settle();
	must_be(a->established && b->established);
}
