// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * test_srq.c - shared receive queues of a guest without manners: each mistake
 * its documented answer, nobody else harmed
 *
 * Guest 1 has the queue and two queue pairs of it, guest 2 the other ends.
 * Guest 0 is the neighbour: after every test it moves data, checked by content.
 */
#include <string.h>

#include "fixture.h"
#include "raw.h"
#include "vrdma_ring.h"

static struct raw bad, peer;
static struct raw_qp first, q[2], p0, p[2];
static struct raw_srq srq;
static struct raw_mr mr, pmr;
static struct pair neighbour;
static uint32_t sent[2];

static void make_objects(void)
{
	raw_qp_make(&bad, &first);
	raw_srq_make(&bad, &srq, &first, 20);
	raw_mr_make(&bad, first.pd, 7, &mr);
	raw_qp_make(&peer, &p0);
	raw_mr_make(&peer, p0.pd, 7, &pmr);
	for (uint32_t i = 0; i < 2; i++) {
		raw_qp_beside(&bad, &q[i], &first, 10 + i, srq.handle);
		raw_qp_beside(&peer, &p[i], &p0, 10 + i, 0);
		raw_connect(&peer, &p[i], &bad, &q[i], 1);
		sent[i] = 0;
	}
}

static void setup(void)
{
	struct daemon_opts o = { .guests = 3,
		/* small: events that may wait are bounded by these */
		.guest_section = "rnr-timeout-ms = 2000\n"
				 "max-qp = 64\nmax-cq = 64\nmax-mr = 64\n"
				 "max-connector = 64\nmax-srq = 8\n"
				 FX_FEW_QUEUES };

	ck_assert(daemon_start(&fx.daemon, &o));
	fx.g[0] = tguest_start(fx.daemon.socket[0], FX_MEM);
	ck_assert_ptr_nonnull(fx.g[0]);
	pair_open(&neighbour, 0, 0, NULL);
	raw_start(&bad, fx.daemon.socket[1]);
	raw_start(&peer, fx.daemon.socket[2]);
	make_objects();
}

static void teardown(void)
{
	struct pair *n = &neighbour;

	mem_fill(&n->a.mem, 77);
	assert_status(ep_post_write(&n->a, 1, 0, 65536, &n->b, 0, 0),
		      STATUS_SUCCESS);
	assert_status(ep_next(&n->a).Status, STATUS_SUCCESS);
	ck_assert_int_eq(mem_check(n->b.mem.va, 65536, 77, 0), -1);
	ck_assert_uint_eq(n->a.indications + n->b.indications, 0);
	ep_disconnect_both(&n->a, &n->b);
	pair_close(n);
	raw_stop(&bad);
	raw_stop(&peer);
	fx_teardown();
}

#define CMD(op, h) { .opcode = vr_to_le16(VIRTIO_RDMA_CMD_##op), \
		     .handle = vr_to_le32(h) }

static struct virtio_rdma_sge *sges(struct virtio_rdma_recv_wqe *w)
{
	return (void *)(w + 1);
}

/* A right entry number i of the shared ring */
static struct virtio_rdma_recv_wqe *good(uint32_t i)
{
	struct virtio_rdma_recv_wqe *w = raw_srqe(&srq, i);

	memset(w, 0, 128);
	w->wr_id = vr_to_le64(i + 1);
	w->num_sge = 1;
	sges(w)[0] = (struct virtio_rdma_sge){ vr_to_le64(mr.addr),
					       vr_to_le32(64),
					       vr_to_le32(mr.local) };
	return w;
}

/* The peer's end i sends 16 bytes */
static void say(uint32_t i)
{
	struct virtio_rdma_send_wqe *w = raw_sqe(&p[i], sent[i]);
	struct virtio_rdma_sge *s = (void *)(w + 1);

	memset(w, 0, 128);
	w->wr_id = vr_to_le64(sent[i]);
	w->opcode = VIRTIO_RDMA_OP_SEND;
	w->num_sge = 1;
	*s = (struct virtio_rdma_sge){ vr_to_le64(pmr.addr), vr_to_le32(16),
				       vr_to_le32(pmr.local) };
	raw_ring(&peer, &p[i], ++sent[i], 0);
}

static void expect(uint32_t i, uint64_t id, uint8_t status)
{
	struct virtio_rdma_cqe e = raw_cqe(&q[i]);

	ck_assert_uint_eq(vr_from_le64(e.wr_id), id);
	ck_assert_uint_eq(e.status, status);
	ck_assert_uint_eq(vr_from_le32(e.qp), q[i].qp);
}

static uint32_t state(const struct raw_qp *qp)
{
	struct virtio_rdma_qp_record *rec = (void *)qp->qp_buf;

	return vrdma_observe32(&rec->state);
}

/* The next event but for the ends of connections */
static struct virtio_rdma_event srq_event(void)
{
	struct virtio_rdma_event ev;

	do
		ev = raw_event(&bad, false);
	while (vr_from_le16(ev.type) == VIRTIO_RDMA_EV_DISCONNECTED);
	ck_assert_uint_eq(vr_from_le32(ev.handle), srq.handle);
	ck_assert_uint_eq(vr_from_le64(ev.cookie), 0x5c5c5c5c5c5c5c5cull);
	return ev;
}

/* --- entries ---------------------------------------------------------------------- */

enum spoil {
	NUM_SGE, NUM_SGE_BY_ONE, RESERVED, TOKEN_ZERO, TOKEN_STALE,
	TOKEN_PRIVILEGED, TOKEN_OF_OTHER_PD, TOKEN_OF_OTHER_GUEST, NO_RIGHT,
	BEYOND, BEFORE, WRAP, TOO_SHORT, SPOILS
};

static uint8_t spoil(enum spoil how, struct virtio_rdma_recv_wqe *w)
{
	struct virtio_rdma_sge *s = sges(w);
	struct raw_mr m;

	switch (how) {
	case NUM_SGE:
		w->num_sge = 255;
		return VIRTIO_RDMA_WC_LOCAL_REQUEST;
	case NUM_SGE_BY_ONE:
		w->num_sge = 5;
		return VIRTIO_RDMA_WC_LOCAL_REQUEST;
	case RESERVED:
		w->reserved[4] = 1;
		return VIRTIO_RDMA_WC_LOCAL_REQUEST;
	case TOKEN_ZERO:
		s->token = 0;
		break;
	case TOKEN_STALE:
		s->token = vr_to_le32(mr.local ^ 0x5500000);
		break;
	case TOKEN_PRIVILEGED:
		s->token = vr_to_le32(VIRTIO_RDMA_TOKEN_PRIVILEGED);
		break;
	case TOKEN_OF_OTHER_PD:
		raw_mr_make(&bad, raw_create_pd(&bad), 7, &m);
		s->token = vr_to_le32(m.local);
		break;
	case TOKEN_OF_OTHER_GUEST:
		s->token = vr_to_le32(pmr.local);
		break;
	case NO_RIGHT:
		raw_mr_make(&bad, first.pd, 0, &m);
		s->token = vr_to_le32(m.local);
		break;
	case BEYOND:
		s->addr = vr_to_le64(mr.addr + 4096 - 63);
		break;
	case BEFORE:
		s->addr = vr_to_le64(mr.addr - 1);
		break;
	case WRAP:
		s->addr = vr_to_le64(UINT64_MAX - 8);
		break;
	case TOO_SHORT:
		s->length = vr_to_le32(15);
		return VIRTIO_RDMA_WC_LOCAL_LENGTH;
	case SPOILS:
		break;
	}
	return VIRTIO_RDMA_WC_LOCAL_PROTECTION;
}

/* Breaks the connection that took it, and no other one of the queue */
START_TEST(wrong_entry)
{
	uint8_t want;

	memset(mr.va, 0x11, 4096);
	want = spoil((enum spoil)_i, good(0));
	good(1);
	raw_srq_ring(&bad, &srq, 2);
	say(0);
	expect(0, 1, want);
	ck_assert(mem_is(mr.va, 4096, 0x11));
	ck_assert_uint_eq(state(&q[0]), VIRTIO_RDMA_QP_ERROR);
	say(1);
	expect(1, 2, VIRTIO_RDMA_WC_SUCCESS);
	ck_assert_uint_eq(state(&q[1]), VIRTIO_RDMA_QP_CONNECTED);
}
END_TEST

/* An entry that is overwritten after it was posted and again after it was
 * taken: what was copied counts */
START_TEST(overwritten)
{
	good(0);
	raw_srq_ring(&bad, &srq, 1);
	say(0);
	expect(0, 1, VIRTIO_RDMA_WC_SUCCESS);
	memset(raw_srqe(&srq, 0), 0xff, 128);
	good(1);
	raw_srq_ring(&bad, &srq, 2);
	say(1);
	expect(1, 2, VIRTIO_RDMA_WC_SUCCESS);
}
END_TEST

/* --- tails ------------------------------------------------------------------------ */

/* Found at the bell (even) or when a message needs a receive (odd).  The queue
 * and its queue pairs are dead; the guest's other objects are not. */
START_TEST(wrong_tail)
{
	static const uint32_t tails[] = { RAW_DEPTH + 2, 0x80000000, 0,
					  0xffffffff };
	struct virtio_rdma_cmd_modify_srq m = { .hdr = CMD(MODIFY_SRQ,
							   srq.handle) };
	struct virtio_rdma_srq_record *rec = (void *)srq.buf;
	struct virtio_rdma_event ev;
	struct raw_srq other;

	good(0);
	raw_srq_ring(&bad, &srq, 1);
	say(0);
	expect(0, 1, VIRTIO_RDMA_WC_SUCCESS);
	if (_i % 2 == 0)
		raw_srq_ring(&bad, &srq, tails[_i / 2]);
	else
		vrdma_publish32(&rec->tail, tails[_i / 2]);
	say(1);
	ev = srq_event();
	ck_assert_uint_eq(vr_from_le16(ev.type), VIRTIO_RDMA_EV_SRQ_ERROR);
	while (state(&q[0]) != VIRTIO_RDMA_QP_ERROR ||
	       state(&q[1]) != VIRTIO_RDMA_QP_ERROR)
		raw_create_pd(&bad);	/* bounded by raw_cmd() */
	ck_assert_uint_eq(state(&first), VIRTIO_RDMA_QP_INIT);
	m.threshold = vr_to_le32(1);
	ck_assert_uint_eq(raw_cmd(&bad, &m, sizeof(m)),
			  VIRTIO_RDMA_S_INVALID_STATE);
	ck_assert_uint_eq(raw_simple(&bad, VIRTIO_RDMA_CMD_DESTROY_SRQ,
				     srq.handle), VIRTIO_RDMA_S_BUSY);
	raw_srq_make(&bad, &other, &first, 21);
	ck_assert_uint_eq(raw_simple(&bad, VIRTIO_RDMA_CMD_DESTROY_SRQ,
				     other.handle), VIRTIO_RDMA_S_OK);
}
END_TEST

/* What the device writes is nothing that it reads back */
START_TEST(wrong_head)
{
	struct virtio_rdma_srq_record *rec = (void *)srq.buf;

	for (uint32_t i = 0; i < 40; i++) {
		good(i);
		vrdma_publish32(&rec->head, 0x13579bdf * i);
		raw_srq_ring(&bad, &srq, i + 1);
		say(i % 2);
		expect(i % 2, i + 1, VIRTIO_RDMA_WC_SUCCESS);
		raw_cqe(&p[i % 2]);
	}
	/* CQs of this size would be full by now if nobody had emptied them */
	ck_assert_uint_eq(state(&q[0]), VIRTIO_RDMA_QP_CONNECTED);
}
END_TEST

/* --- commands --------------------------------------------------------------------- */

static uint32_t make_qp(uint32_t with, uint32_t pd)
{
	struct virtio_rdma_cmd_create_qp c = q[0].create;
	uint64_t gpa;

	raw_page(&bad, &gpa);
	c.slot = vr_to_le32(30);
	c.srq = vr_to_le32(with);
	c.pd = vr_to_le32(pd);
	c.buffer.root = vr_to_le64(gpa);
	return raw_cmd(&bad, &c, sizeof(c));
}

/* Queue pairs with what is no queue, or not theirs */
START_TEST(wrong_queue)
{
	struct raw_srq theirs;

	raw_srq_make(&peer, &theirs, &p0, 20);
	ck_assert_uint_ne(theirs.handle, srq.handle);
	ck_assert_uint_eq(make_qp(theirs.handle, first.pd),
			  VIRTIO_RDMA_S_INVALID_HANDLE);
	ck_assert_uint_eq(make_qp(srq.handle ^ 0x100000, first.pd),
			  VIRTIO_RDMA_S_INVALID_HANDLE);
	ck_assert_uint_eq(make_qp(srq.handle, raw_create_pd(&bad)),
			  VIRTIO_RDMA_S_INVALID_PARAMETER);
	ck_assert_uint_eq(make_qp(srq.handle, first.pd), VIRTIO_RDMA_S_OK);
}
END_TEST

/* What is in use is not destroyed, whatever the order that is tried */
START_TEST(destroyed_in_use)
{
	const struct {
		uint16_t opcode;
		uint32_t handle;
	} t[] = {
		{ VIRTIO_RDMA_CMD_DESTROY_SRQ, srq.handle },
		{ VIRTIO_RDMA_CMD_DESTROY_PD, first.pd },
		{ VIRTIO_RDMA_CMD_DESTROY_CONTEXT, first.context },
		{ VIRTIO_RDMA_CMD_DESTROY_QP, q[0].qp },	/* connected */
	};

	for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++)
		ck_assert_uint_eq(raw_simple(&bad, t[i].opcode, t[i].handle),
				  VIRTIO_RDMA_S_BUSY);
	good(0);
	raw_srq_ring(&bad, &srq, 1);
	say(0);
	expect(0, 1, VIRTIO_RDMA_WC_SUCCESS);
}
END_TEST

/* A refused change leaves the queue as it was */
START_TEST(refused_change)
{
	struct virtio_rdma_cmd_modify_srq m = { .hdr = CMD(MODIFY_SRQ,
							   srq.handle) };
	struct virtio_rdma_srq_record *rec;
	uint64_t gpa;

	rec = raw_page(&bad, &gpa);
	good(0);
	good(1);
	raw_srq_ring(&bad, &srq, 2);
	m.depth = vr_to_le32(16);
	m.ring_offset = vr_to_le32(RAW_SRQ_OFFSET);
	m.threshold = vr_to_le32(100);
	m.buffer = srq.create.buffer;
	m.buffer.root = vr_to_le64(gpa);
#define WRONG(change, status) do {					\
		struct virtio_rdma_cmd_modify_srq c = m;		\
		change;							\
		ck_assert_uint_eq(raw_cmd(&bad, &c, sizeof(c)),		\
				  VIRTIO_RDMA_S_##status);		\
	} while (0)
	WRONG(c.buffer.root = vr_to_le64(fe_gpa_end(bad.fe)), ACCESS_VIOLATION);
	WRONG(c.buffer.root = vr_to_le64(gpa + 8), INVALID_PARAMETER);
	WRONG(c.buffer.page_count = vr_to_le32(2), INVALID_PARAMETER);
	WRONG(c.depth = vr_to_le32(15), INVALID_PARAMETER);
	WRONG(c.depth = vr_to_le32(1u << 31), INVALID_PARAMETER);
	WRONG(c.ring_offset = vr_to_le32(0xffffff80), INVALID_PARAMETER);
	WRONG(c.reserved = vr_to_le32(1), INVALID_PARAMETER);
	WRONG(c.hdr.handle = vr_to_le32(first.qp), INVALID_HANDLE);
	/* tails that make no sense there */
	rec->tail = vr_to_le32(17);
	WRONG((void)c, INVALID_PARAMETER);
	rec->tail = vr_to_le32(1);
	WRONG((void)c, INVALID_PARAMETER);
	rec->tail = vr_to_le32(0xffffffff);
	WRONG((void)c, INVALID_PARAMETER);
	for (uint32_t i = 0; i < 2; i++) {
		say(i);
		expect(i, i + 1, VIRTIO_RDMA_WC_SUCCESS);
	}
	/* none of them armed it */
	ck_assert_uint_eq(raw_simple(&bad, VIRTIO_RDMA_CMD_QUERY_ADDRESSES, 0),
			  VIRTIO_RDMA_S_OK);
	ck_assert(!fe_get(bad.fe, VIRTIO_RDMA_VQ_EVENT, NULL));
}
END_TEST

/* Armed over and over without a buffer for the event: one waits, no more */
START_TEST(arms_without_end)
{
	struct virtio_rdma_cmd_modify_srq m = { .hdr = CMD(MODIFY_SRQ,
							   srq.handle) };
	struct virtio_rdma_event ev;

	m.threshold = vr_to_le32(5);
	ck_assert_uint_eq(raw_cmd(&bad, &m, sizeof(m)), VIRTIO_RDMA_S_OK);
	ev = raw_event(&bad, true);
	ck_assert_uint_eq(vr_from_le16(ev.type), VIRTIO_RDMA_EV_SRQ_LIMIT);
	for (int i = 0; i < 500; i++)
		ck_assert_uint_eq(raw_cmd(&bad, &m, sizeof(m)),
				  VIRTIO_RDMA_S_OK);
	raw_give_event_buffer(&bad);
	ev = raw_event(&bad, false);
	ck_assert_uint_eq(vr_from_le16(ev.type), VIRTIO_RDMA_EV_SRQ_LIMIT);
	raw_create_pd(&bad);
	raw_create_pd(&bad);
	ck_assert(!fe_get(bad.fe, VIRTIO_RDMA_VQ_EVENT, NULL));
	ck_assert_uint_eq(__atomic_load_n(&bad.needs_reset, __ATOMIC_ACQUIRE),
			  0);
}
END_TEST

/* Its event waits for a buffer when the queue goes: nobody hears of it */
START_TEST(event_of_a_destroyed_queue)
{
	struct virtio_rdma_cmd_modify_srq m = { .hdr = CMD(MODIFY_SRQ, 0) };
	struct raw_srq s;

	raw_srq_make(&bad, &s, &first, 21);
	m.threshold = vr_to_le32(5);
	m.hdr.handle = vr_to_le32(s.handle);
	ck_assert_uint_eq(raw_cmd(&bad, &m, sizeof(m)), VIRTIO_RDMA_S_OK);
	raw_event(&bad, true);
	ck_assert_uint_eq(raw_cmd(&bad, &m, sizeof(m)), VIRTIO_RDMA_S_OK);
	raw_create_pd(&bad);
	ck_assert_uint_eq(raw_simple(&bad, VIRTIO_RDMA_CMD_DESTROY_SRQ,
				     s.handle), VIRTIO_RDMA_S_OK);
	raw_give_event_buffer(&bad);
	raw_create_pd(&bad);
	raw_create_pd(&bad);
	ck_assert(!fe_get(bad.fe, VIRTIO_RDMA_VQ_EVENT, NULL));
}
END_TEST

/* Receives that nobody takes, in memory that is the guest's again */
START_TEST(reset_with_receives)
{
	for (uint32_t i = 0; i < RAW_DEPTH; i++)
		good(i);
	raw_srq_ring(&bad, &srq, RAW_DEPTH);
	raw_restart(&bad);
	ck_assert_uint_eq(raw_simple(&bad, VIRTIO_RDMA_CMD_DESTROY_SRQ,
				     srq.handle),
			  VIRTIO_RDMA_S_INVALID_HANDLE);
	raw_restart(&peer);
	make_objects();
	good(0);
	raw_srq_ring(&bad, &srq, 1);
	say(1);
	expect(1, 1, VIRTIO_RDMA_WC_SUCCESS);
}
END_TEST

/* --- without the feature ------------------------------------------------------------ */

START_TEST(not_negotiated)
{
	struct virtio_rdma_cmd_create_qp c;
	uint64_t gpa;

	fe_leave_out(bad.fe, VIRTIO_RDMA_FEATURE(SRQ));
	raw_restart(&bad);
	ck_assert_uint_eq(raw_cmd(&bad, &srq.create, sizeof(srq.create)),
			  VIRTIO_RDMA_S_UNKNOWN_COMMAND);
	ck_assert_uint_eq(raw_simple(&bad, VIRTIO_RDMA_CMD_MODIFY_SRQ, 0),
			  VIRTIO_RDMA_S_UNKNOWN_COMMAND);
	ck_assert_uint_eq(raw_simple(&bad, VIRTIO_RDMA_CMD_DESTROY_SRQ,
				     srq.handle),
			  VIRTIO_RDMA_S_UNKNOWN_COMMAND);
	/* the field is a reserved one then */
	raw_qp_make(&bad, &first);
	c = first.create;
	raw_page(&bad, &gpa);
	c.slot = vr_to_le32(9);
	c.srq = vr_to_le32(srq.handle);
	c.rq_depth = c.rq_offset = 0;
	c.rq_stride = c.max_recv_sge = 0;
	c.buffer = srq.create.buffer;
	c.buffer.root = vr_to_le64(gpa);
	ck_assert_uint_eq(raw_cmd(&bad, &c, sizeof(c)),
			  VIRTIO_RDMA_S_INVALID_PARAMETER);
}
END_TEST

/* --- anything at all ------------------------------------------------------------------ */

static uint64_t seed;

static uint32_t rnd(void)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return (uint32_t)(seed >> 16);
}

/* Random bytes in entries, record and commands while messages come in */
START_TEST(mutations)
{
	seed = 0x2545f4914f6cdd1dull + (uint64_t)_i;
	for (uint32_t n = 0; n < 12; n++) {
		struct virtio_rdma_cmd_modify_srq m = { .hdr = CMD(MODIFY_SRQ,
								   0) };
		uint32_t tail = 0;

		if (n) {	/* the last ones are dead, as likely as not */
			raw_restart(&bad);
			raw_restart(&peer);
			make_objects();
		}
		for (uint32_t k = 0; k < 12; k++) {
			uint8_t *e = (uint8_t *)good(tail);

			if (rnd() % 3 == 0)
				e[rnd() % 48] = (uint8_t)rnd();
			tail += rnd() % 8 ? 1 : rnd() % 40;
			raw_srq_ring(&bad, &srq, tail);
			say(k % 2);
			if (rnd() % 4 == 0)
				srq.buf[rnd() % 128] = (uint8_t)rnd();
			m.hdr.handle = vr_to_le32(srq.handle);
			m.depth = rnd() % 2 ? 0 : vr_to_le32(16);
			m.threshold = vr_to_le32(rnd() % 20);
			m.ring_offset = m.depth ? srq.create.ring_offset : 0;
			if (m.depth)
				m.buffer = srq.create.buffer;
			else
				memset(&m.buffer, 0, sizeof(m.buffer));
			raw_cmd(&bad, &m, sizeof(m));
		}
		raw_create_pd(&bad);
		raw_create_pd(&peer);
	}
}
END_TEST

int main(void)
{
	Suite *s = suite_create("hostile shared receive queues");
	TCase *tc = add_case(s, "srq", 90);

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_loop_test(tc, wrong_entry, 0, SPOILS);
	tcase_add_test(tc, overwritten);
	tcase_add_loop_test(tc, wrong_tail, 0, 8);
	tcase_add_test(tc, wrong_head);
	tcase_add_test(tc, wrong_queue);
	tcase_add_test(tc, destroyed_in_use);
	tcase_add_test(tc, refused_change);
	tcase_add_test(tc, arms_without_end);
	tcase_add_test(tc, event_of_a_destroyed_queue);
	tcase_add_test(tc, reset_with_receives);
	tcase_add_test(tc, not_negotiated);
	tcase_add_loop_test(tc, mutations, 0, 4);
	return run_suite(s);
}
