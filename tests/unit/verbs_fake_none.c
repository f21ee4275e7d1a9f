// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * verbs_fake_none.c - what the fake device lacks
 *
 * It says so (no shared queues, no windows, no send with invalidate), so the
 * backend does not offer them and nothing of this is called.
 */
#include <stdlib.h>

#include <infiniband/verbs.h>

#include "../../host-backend/backend.h"

struct ibv_srq *ibv_create_srq(struct ibv_pd *pd,
			       struct ibv_srq_init_attr *init)
{
	(void)pd;
	(void)init;
	abort();
}

int ibv_destroy_srq(struct ibv_srq *srq)
{
	(void)srq;
	abort();
}

struct be_wr *be_srq_next(struct be_srq *srq)
{
	(void)srq;
	abort();
}

void be_srq_complete(struct be_qp *qp, struct be_srq *srq, struct be_wr *wr,
		     enum virtio_rdma_wc_status status, uint32_t length,
		     bool solicited)
{
	(void)qp;
	(void)srq;
	(void)wr;
	(void)status;
	(void)length;
	(void)solicited;
	abort();
}

enum virtio_rdma_wc_status be_sq_apply(struct be_qp *qp,
				       const struct be_wr *wr)
{
	(void)qp;
	(void)wr;
	abort();
}

enum virtio_rdma_wc_status be_rq_invalidate(struct be_qp *qp, struct be_wr *wr,
					    uint32_t token)
{
	(void)qp;
	(void)wr;
	(void)token;
	abort();
}
