// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * test_rings.c - wrong ring entries, tails, tokens: a completion status or a
 * dead queue pair, and never an effect on another one
 */
#include <string.h>

#include "fixture.h"
#include "raw.h"
#include "vrdma_ring.h"

static struct raw ra, rb;
static struct raw_qp qa, qb;
static struct raw_mr ma, mb;

static void setup(void)
{
	struct daemon_opts o = { .guests = 2,
		.guest_section = "disconnect-timeout-ms = 1000\n"
				 "rnr-timeout-ms = 500\n"
				 FX_FEW_QUEUES FX_SMALL };

	ck_assert(daemon_start(&fx.daemon, &o));
	raw_start(&ra, fx.daemon.socket[0]);
	raw_start(&rb, fx.daemon.socket[1]);
	raw_qp_make(&ra, &qa);
	raw_qp_make(&rb, &qb);
	raw_mr_make(&ra, qa.pd, 7 & ~2u, &ma);
	raw_mr_make(&rb, qb.pd, 7, &mb);
	raw_connect(&ra, &qa, &rb, &qb, 1);
}

static void teardown(void)
{
	raw_stop(&ra);
	raw_stop(&rb);
	ck_assert_int_eq(daemon_stop(&fx.daemon), 0);
	daemon_cleanup(&fx.daemon);
}

static struct virtio_rdma_sge *sges(struct virtio_rdma_send_wqe *w)
{
	return (void *)(w + 1);
}

/* A right WRITE of 64 bytes as entry 0; tests spoil one thing */
static struct virtio_rdma_send_wqe *good_write(void)
{
	struct virtio_rdma_send_wqe *w = raw_sqe(&qa, 0);

	memset(w, 0, 128);
	w->wr_id = vr_to_le64(42);
	w->opcode = VIRTIO_RDMA_OP_WRITE;
	w->num_sge = 1;
	w->remote_addr = vr_to_le64(mb.addr);
	w->remote_token = vr_to_le32(mb.remote);
	sges(w)[0] = (struct virtio_rdma_sge){ vr_to_le64(ma.addr),
					       vr_to_le32(64),
					       vr_to_le32(ma.local) };
	return w;
}

static uint32_t result(void)
{
	struct virtio_rdma_cqe e;

	raw_ring(&ra, &qa, 1, 0);
	e = raw_cqe(&qa);
	ck_assert_uint_eq(vr_from_le64(e.wr_id), 42);
	ck_assert_uint_eq(vr_from_le64(e.qp_context), 0x1122334455667788ull);
	ck_assert_uint_eq(vr_from_le32(e.qp), qa.qp);
	return e.status;
}

static uint32_t qp_state(struct raw_qp *q)
{
	struct virtio_rdma_qp_record *rec = (void *)q->qp_buf;

	return vrdma_observe32(&rec->state);
}

START_TEST(the_right_one_works)
{
	good_write();
	memset(ma.va, 0x5a, 64);
	ck_assert_uint_eq(result(), VIRTIO_RDMA_WC_SUCCESS);
	for (int i = 0; i < 64; i++)
		ck_assert_uint_eq(mb.va[i], 0x5a);
	ck_assert_uint_eq(mb.va[64], 0);
	ck_assert_uint_eq(qp_state(&qa), VIRTIO_RDMA_QP_CONNECTED);
}
END_TEST

enum spoil {
	BAD_OPCODE, BAD_OPCODE_BIND, BAD_OPCODE_RECEIVE, BAD_FLAG, BAD_RESERVED,
	BAD_NUM_SGE, BAD_INLINE_LENGTH, INLINE_TOO_LONG, SOLICITED_WRITE,
	BAD_SUM,
	TOKEN_STALE, TOKEN_ZERO, TOKEN_PRIVILEGED, TOKEN_OF_OTHER_PD,
	LOCAL_END, LOCAL_BEFORE, LOCAL_WRAP,
	REMOTE_END, REMOTE_BEFORE, REMOTE_WRAP, REMOTE_TOKEN, REMOTE_TOKEN_ZERO,
	READ_NO_RIGHT, READ_INTO_READ_ONLY, SPOILS
};

static void spoil(enum spoil how, struct virtio_rdma_send_wqe *w)
{
	struct virtio_rdma_sge *s = sges(w);
	struct raw_mr m;

	switch (how) {
	case BAD_OPCODE: w->opcode = 0; break;
	case BAD_OPCODE_BIND: w->opcode = VIRTIO_RDMA_OP_BIND; break;
	case BAD_OPCODE_RECEIVE: w->opcode = VIRTIO_RDMA_OP_RECEIVE; break;
	case BAD_FLAG: w->flags = vr_to_le16(0x8000); break;
	case BAD_RESERVED: w->reserved = vr_to_le32(1); break;
	case BAD_NUM_SGE: w->num_sge = 255; break;
	case BAD_INLINE_LENGTH: w->inline_length = vr_to_le32(8); break;
	case INLINE_TOO_LONG:
		w->flags = vr_to_le16(VIRTIO_RDMA_WR_INLINE);
		w->num_sge = 0;
		w->inline_length = vr_to_le32(65);
		break;
	case SOLICITED_WRITE:
		w->flags = vr_to_le16(VIRTIO_RDMA_WR_SOLICIT);
		break;
	case BAD_SUM:
		w->num_sge = 2;
		s[0].length = s[1].length = vr_to_le32(0xffffffff);
		s[1].token = s[0].token;
		break;
	case TOKEN_STALE:
		ck_assert_uint_eq(raw_simple(&ra, VIRTIO_RDMA_CMD_DEREGISTER_MR,
					     ma.handle), VIRTIO_RDMA_S_OK);
		break;
	case TOKEN_ZERO: s->token = 0; break;
	case TOKEN_PRIVILEGED:
		s->token = vr_to_le32(VIRTIO_RDMA_TOKEN_PRIVILEGED);
		break;
	case TOKEN_OF_OTHER_PD:
		raw_mr_make(&ra, raw_create_pd(&ra), 7, &m);
		s->token = vr_to_le32(m.local);
		break;
	case LOCAL_END: s->addr = vr_to_le64(ma.addr + 4096 - 63); break;
	case LOCAL_BEFORE: s->addr = vr_to_le64(ma.addr - 1); break;
	case LOCAL_WRAP: s->addr = vr_to_le64(UINT64_MAX - 8); break;
	case REMOTE_END:
		w->remote_addr = vr_to_le64(mb.addr + 4096 - 63);
		break;
	case REMOTE_BEFORE: w->remote_addr = vr_to_le64(mb.addr - 1); break;
	case REMOTE_WRAP: w->remote_addr = vr_to_le64(UINT64_MAX - 8); break;
	case REMOTE_TOKEN:
		w->remote_token = vr_to_le32(mb.remote ^ 0x100000);
		break;
	case REMOTE_TOKEN_ZERO: w->remote_token = 0; break;
	case READ_NO_RIGHT:
		raw_mr_make(&rb, qb.pd, 5, &m);
		w->opcode = VIRTIO_RDMA_OP_READ;
		w->remote_token = vr_to_le32(m.remote);
		break;
	case READ_INTO_READ_ONLY:
		raw_mr_make(&ra, qa.pd, 0, &m);
		w->opcode = VIRTIO_RDMA_OP_READ;
		s->token = vr_to_le32(m.local);
		break;
	case SPOILS: break;
	}
}

static uint32_t expected(enum spoil how)
{
	if (how <= SOLICITED_WRITE)
		return VIRTIO_RDMA_WC_LOCAL_REQUEST;
	if (how <= LOCAL_WRAP || how == READ_INTO_READ_ONLY)
		return VIRTIO_RDMA_WC_LOCAL_PROTECTION;
	return VIRTIO_RDMA_WC_REMOTE_ACCESS;
}

START_TEST(one_thing_spoilt)
{
	memset(mb.va, 0x11, 4096);
	spoil((enum spoil)_i, good_write());
	ck_assert_uint_eq(result(), expected((enum spoil)_i));
	ck_assert_uint_eq(qp_state(&qa), VIRTIO_RDMA_QP_ERROR);
	ck_assert(mem_is(mb.va, 4096, 0x11));
}
END_TEST

/* ------------------------------------------------------- memory windows */

/* A right BIND of a window of guest a as entry 0 */
static struct virtio_rdma_bind *good_bind(struct raw_mw *mw)
{
	struct virtio_rdma_send_wqe *w = raw_sqe(&qa, 0);
	struct virtio_rdma_bind *b = (void *)(w + 1);

	raw_mw_make(&ra, qa.pd, mw);
	memset(w, 0, 128);
	w->wr_id = vr_to_le64(42);
	w->opcode = VIRTIO_RDMA_OP_BIND;
	w->remote_token = vr_to_le32(mw->token ^ 0x3);
	*b = (struct virtio_rdma_bind){
		.addr = vr_to_le64(ma.addr + 64), .length = vr_to_le64(128),
		.mw = vr_to_le32(mw->handle), .token = vr_to_le32(ma.local),
		.access = vr_to_le32(VIRTIO_RDMA_ACCESS_REMOTE_READ),
	};
	return b;
}

/* Handles and tokens that are another guest's, or nobody's: the numbers of two
 * guests may be the same by chance, what is behind them never is */
START_TEST(windows_of_others)
{
	struct virtio_rdma_send_wqe *w = raw_sqe(&qa, 0);
	struct raw_mw mw, other, far;
	struct virtio_rdma_bind *b = good_bind(&mw);
	uint32_t want = VIRTIO_RDMA_WC_LOCAL_PROTECTION;

	raw_mw_make(&ra, raw_create_pd(&ra), &other);
	raw_mw_make(&rb, qb.pd, &far);
	switch (_i) {
	case 0: b->mw = vr_to_le32(other.handle); break;
	case 1: w->remote_token = vr_to_le32(other.token); break;
	case 2: w->remote_token = vr_to_le32(far.token); break;
	case 3: w->remote_token = vr_to_le32(mb.remote); break;
	case 4: b->token = vr_to_le32(VIRTIO_RDMA_TOKEN_PRIVILEGED); break;
	case 5: b->addr = vr_to_le64(UINT64_MAX - 8); break;
	case 6: b->length = vr_to_le64(UINT64_MAX); break;
	case 7: w->remote_token = 0; break;
	default: want = VIRTIO_RDMA_WC_SUCCESS; break;
	}
	ck_assert_uint_eq(result(), want);
	ck_assert_uint_eq(raw_simple(&rb, VIRTIO_RDMA_CMD_DESTROY_MW,
				     far.handle), VIRTIO_RDMA_S_OK);
	/* a bind that failed binds nothing */
	ck_assert_uint_eq(raw_simple(&ra, VIRTIO_RDMA_CMD_DEREGISTER_MR,
				     ma.handle), want ? VIRTIO_RDMA_S_OK :
							VIRTIO_RDMA_S_BUSY);
}
END_TEST

/* A peer that ends the use of what is not a window of this connection */
START_TEST(invalidations_by_a_liar)
{
	struct virtio_rdma_recv_wqe *rw = raw_rqe(&qb, 0);
	struct virtio_rdma_send_wqe *w;
	struct virtio_rdma_cqe e;
	struct raw_mw mw;
	uint32_t tokens[5];

	raw_mw_make(&rb, qb.pd, &mw);
	tokens[0] = 0;
	tokens[1] = VIRTIO_RDMA_TOKEN_PRIVILEGED;
	tokens[2] = mb.remote;
	tokens[3] = mw.token;
	tokens[4] = 0xffffffff;
	memset(rw, 0, 128);
	rw->wr_id = vr_to_le64(7);
	raw_ring(&rb, &qb, 0, 1);
	w = good_write();
	w->opcode = VIRTIO_RDMA_OP_SEND_INVALIDATE;
	w->num_sge = 0;
	w->remote_addr = 0;
	w->remote_token = vr_to_le32(tokens[_i]);
	ck_assert_uint_eq(result(), VIRTIO_RDMA_WC_REMOTE_ACCESS);
	e = raw_cqe(&qb);
	ck_assert_uint_eq(e.status, VIRTIO_RDMA_WC_LOCAL_PROTECTION);
	ck_assert_uint_eq(e.opcode, VIRTIO_RDMA_OP_RECEIVE);
	/* the region that he named is still there */
	ck_assert_uint_eq(raw_simple(&rb, VIRTIO_RDMA_CMD_DEREGISTER_MR,
				     mb.handle), VIRTIO_RDMA_S_OK);
}
END_TEST

/* More than the ring holds: the queue pair dies, nobody else */
START_TEST(tail_out_of_range)
{
	static const uint32_t tails[] = { RAW_DEPTH + 1, 0x80000000, 0xffffffff };
	uint32_t pd;

	raw_ring(&ra, &qa, _i < 3 ? tails[_i] : 0, _i < 3 ? 0 : tails[_i - 3]);
	while (qp_state(&qa) != VIRTIO_RDMA_QP_ERROR)
		pd = raw_create_pd(&ra);	/* bounded by raw_cmd() */
	pd = raw_create_pd(&ra);
	ck_assert_uint_ne(pd, 0);
}
END_TEST

START_TEST(receive_entries)
{
	struct virtio_rdma_recv_wqe *w = raw_rqe(&qb, 0);
	struct virtio_rdma_sge *s = (void *)(w + 1);
	struct virtio_rdma_cqe e;

	memset(w, 0, 128);
	w->wr_id = vr_to_le64(7);
	w->num_sge = 1;
	*s = (struct virtio_rdma_sge){ vr_to_le64(mb.addr), vr_to_le32(64),
				       vr_to_le32(mb.local) };
	if (_i == 0)
		w->num_sge = 200;
	else if (_i == 1)
		w->reserved[3] = 1;
	else
		s->token = vr_to_le32(ma.local ^ 0x5500000);
	raw_ring(&rb, &qb, 0, 1);
	good_write()->opcode = VIRTIO_RDMA_OP_SEND;
	raw_sqe(&qa, 0)->remote_addr = 0;
	raw_sqe(&qa, 0)->remote_token = 0;
	raw_ring(&ra, &qa, 1, 0);
	e = raw_cqe(&qb);
	ck_assert_uint_eq(vr_from_le64(e.wr_id), 7);
	ck_assert_uint_eq(e.status, _i < 2 ? VIRTIO_RDMA_WC_LOCAL_REQUEST :
			  VIRTIO_RDMA_WC_LOCAL_PROTECTION);
	ck_assert_uint_ne(raw_cqe(&qa).status, VIRTIO_RDMA_WC_SUCCESS);
}
END_TEST

/* A CQ that nobody empties is an error of its owner's */
START_TEST(completion_queue_overrun)
{
	struct virtio_rdma_cq_record *rec = (void *)qa.cq_buf;
	uint32_t tail = 0;

	good_write();
	for (uint32_t i = 1; i < RAW_DEPTH; i++)
		memcpy(raw_sqe(&qa, i), raw_sqe(&qa, 0), 128);
	while (qp_state(&qa) != VIRTIO_RDMA_QP_ERROR) {
		struct virtio_rdma_qp_record *q = (void *)qa.qp_buf;

		if (tail - vrdma_observe32(&q->sq_head) < RAW_DEPTH)
			raw_ring(&ra, &qa, ++tail, 0);
		ck_assert_uint_le(tail, 10 * RAW_CQ_DEPTH);
	}
	ck_assert_uint_eq(vrdma_observe32(&rec->head), 0);
	raw_create_pd(&ra);
}
END_TEST

/* The consumer's index is the guest's: any value */
START_TEST(completion_queue_head_is_nonsense)
{
	struct virtio_rdma_cq_record *rec = (void *)qa.cq_buf;
	struct virtio_rdma_qp_record *q = (void *)qa.qp_buf;

	vrdma_publish32(&rec->head, 0x12345678);
	good_write();
	for (uint32_t i = 1; i < RAW_DEPTH; i++)
		memcpy(raw_sqe(&qa, i), raw_sqe(&qa, 0), 128);
	for (uint32_t tail = 0; tail < 5 * RAW_CQ_DEPTH &&
	     qp_state(&qa) != VIRTIO_RDMA_QP_ERROR;)
		if (tail - vrdma_observe32(&q->sq_head) < RAW_DEPTH)
			raw_ring(&ra, &qa, ++tail, 0);
	raw_create_pd(&ra);
}
END_TEST

/* All bits of a context page, with one queue pair behind them */
START_TEST(bells_of_nobody)
{
	for (uint32_t s = 0; s < VIRTIO_RDMA_MAX_SLOTS; s++)
		vrdma_ring_bell(qa.ctx_page, s);
	good_write();
	ck_assert_uint_eq(result(), VIRTIO_RDMA_WC_SUCCESS);
}
END_TEST

static uint64_t seed;

static uint32_t rnd(void)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return (uint32_t)(seed >> 16);
}

/* Random bytes over right entries; both guests answer commands to the end */
START_TEST(mutations)
{
	seed = 0x9e3779b97f4a7c15ull + (uint64_t)_i;
	for (uint32_t n = 0; n < 25; n++) {
		uint8_t *e;

		if (n) {	/* the last one's queue pair is dead */
			raw_restart(&ra);
			raw_restart(&rb);
			raw_qp_make(&ra, &qa);
			raw_qp_make(&rb, &qb);
			raw_mr_make(&ra, qa.pd, 5, &ma);
			raw_mr_make(&rb, qb.pd, 7, &mb);
			raw_connect(&ra, &qa, &rb, &qb, 1);
		}
		if (rnd() % 2) {
			struct raw_mw mw;

			good_bind(&mw);
			e = (void *)raw_sqe(&qa, 0);
		} else {
			e = (void *)good_write();
		}
		for (uint32_t k = rnd() % 6; k; k--)
			e[rnd() % 80] = (uint8_t)rnd();
		raw_ring(&ra, &qa, 1 + (rnd() % 8 == 0), rnd() % 16 == 0);
		raw_create_pd(&ra);
		raw_create_pd(&rb);
	}
}
END_TEST

int main(void)
{
	Suite *s = suite_create("hostile rings");
	TCase *tc = add_case(s, "rings", 60);

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, the_right_one_works);
	tcase_add_loop_test(tc, one_thing_spoilt, 0, SPOILS);
	tcase_add_loop_test(tc, windows_of_others, 0, 9);
	tcase_add_loop_test(tc, invalidations_by_a_liar, 0, 5);
	tcase_add_loop_test(tc, tail_out_of_range, 0, 6);
	tcase_add_loop_test(tc, receive_entries, 0, 3);
	tcase_add_test(tc, completion_queue_overrun);
	tcase_add_test(tc, completion_queue_head_is_nonsense);
	tcase_add_test(tc, bells_of_nobody);
	tcase_add_loop_test(tc, mutations, 0, 8);
	return run_suite(s);
}
