/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test_data_share.c - who gets how much of a busy worker, by counts of requests: a
 * guest's share is its weight, whatever it has posted on however many queue pairs
 */
#define RIG_DEPTH	512u
#define RIG_CQ_DEPTH	2048u
#define RIG_STRIDE	128u
#define RIG_INLINE	0u
#define RIG_SGE		4u
#define RIG_QUEUES	1024u
#define RIG_REGIONS	1024u
#include "data_rig.h"
#include "suite.h"

#define CROWD		1000u	/* busy queue pairs of one guest */
#define CROWD_QP	(RIG_QP + 0x200000u)	/* their record and rings */
#define TURN_REQUESTS	64u	/* a queue pair's turn, at most; or */
#define TURN_BYTES	(1u << 20)
#define ROUND		(TURNS_PER_WEIGHT * TURN_REQUESTS)	/* per weight */

static struct rig r;

/* Pairs of queue pairs of one guest that write to each other.  All of a guest's
 * use the same rings in its memory: what stands there is a request of each. */
struct crowd {
	struct rig_guest *x;
	uint32_t count;
	struct be_conn conn[CROWD];
	struct vr_qp *qp[CROWD];
};

static struct crowd many, few;

static void setup(void)
{
	rig_by_hand = true;
	rig_start(&r, 0);
	memset(&many, 0, sizeof(many));
	memset(&few, 0, sizeof(few));
}

static void crowd_end(struct crowd *c)
{
	for (uint32_t i = 0; i < c->count; i += 2) {
		local_pipe_put(c->conn[i].pipe);
		local_pipe_put(c->conn[i].pipe);
	}
}

static void teardown(void)
{
	rig_end(&r);
	crowd_end(&many);
	crowd_end(&few);
}

static void fill_ring(struct rig_guest *x)
{
	const struct virtio_rdma_send_wqe w = {
		.opcode = VIRTIO_RDMA_OP_WRITE,
		.num_sge = 1,
		.flags = VIRTIO_RDMA_WR_SILENT,
		.remote_addr = rig_data(4096),
		.remote_token = x->remote,
	};
	const struct virtio_rdma_sge s = { rig_data(0), 64, x->local };

	struct virtio_rdma_qp_record *rec = (void *)(x->mem + CROWD_QP);
	uint8_t *ring = x->mem + CROWD_QP + 4096;

	for (uint32_t i = 0; i < RIG_DEPTH; i++) {
		memcpy(ring + i * RIG_STRIDE, &w, sizeof(w));
		memcpy(ring + i * RIG_STRIDE + sizeof(w), &s, sizeof(s));
	}
	__atomic_store_n(&rec->sq_tail, RIG_DEPTH, __ATOMIC_RELEASE);
}

static void join(struct crowd *c, uint32_t i)
{
	struct vr_qp *qp;

	ck_assert_uint_eq(qp_reserve(&c->x->g, c->qp[i]->handle,
				     (struct connector *)(void *)c->x, &qp),
			  VIRTIO_RDMA_S_OK);
	c->conn[i].pipe = i % 2 ? c->conn[i - 1].pipe : local_pipe_new();
	ck_assert_ptr_nonnull(c->conn[i].pipe);
	c->conn[i].side = i % 2;
	qp_connect(qp, &rig_backend, &c->conn[i]);
}

/* Each of count queue pairs has a whole ring to do */
static void crowd_start(struct crowd *c, struct rig_guest *x, uint32_t count)
{
	struct command cmd = { 0 };
	struct rig_answer a;

	c->x = x;
	rig_qp_request(x, &cmd.req.create_qp);
	cmd.req.create_qp.buffer = rig_pages(
		x, CROWD_QP, 1 + 2 * RIG_DEPTH * RIG_STRIDE / 4096, 12, 1);
	for (c->count = 0; c->count < count; c->count++) {
		cmd.req.create_qp.slot = 100 + c->count;
		a = rig_command(&r, x, cmd_create_qp, &cmd);
		ck_assert_uint_eq(a.status, VIRTIO_RDMA_S_OK);
		c->qp[c->count] = handle_get(&x->g.qps, a.handle);
	}
	fill_ring(x);
	for (uint32_t i = 0; i < count; i++)
		join(c, i);
}

/* Requests that were executed for it so far */
static uint32_t served(const struct crowd *c)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < c->count; i++)
		n += c->qp[i]->sq.ended;
	return n;
}

/* ------------------------------------------------------------------ waiting */

static const uint32_t weights[] = { 1, 4 };

/* Half a million requests of a neighbour's thousand queue pairs: what is posted
 * now is served in this round, with a round of his beside it and not more */
START_TEST(test_one_among_thousand)
{
	uint32_t before;

	r.a.g.data.weight = weights[_i];
	rig_connect(&r);
	worker_round(r.worker);	/* the two had their first turns */
	crowd_start(&many, &r.a, CROWD);
	for (uint32_t i = 0; i < 50; i++) {
		rig_post(&r, &r.b, i, VIRTIO_RDMA_OP_WRITE, 0, 0, 64,
			 rig_data(0), r.a.remote);
		before = served(&many);
		worker_round(r.worker);
		rig_expect(&r, &r.b, i, VIRTIO_RDMA_WC_SUCCESS);
		ck_assert_uint_eq(served(&many) - before, ROUND * weights[_i]);
	}
}
END_TEST

/* ...and none of the thousand waits for longer than it takes to come round */
START_TEST(test_none_of_thousand)
{
	uint32_t rounds = CROWD / TURNS_PER_WEIGHT;

	crowd_start(&many, &r.a, CROWD);
	for (uint32_t i = 0; i < rounds; i++)
		worker_round(r.worker);
	for (uint32_t i = 0; i < CROWD; i++)
		ck_assert_uint_eq(many.qp[i]->sq.ended, TURN_REQUESTS);
}
END_TEST

/* ------------------------------------------------------------------- shares */

static const struct {
	uint32_t a, b;
} shares[] = { { 1, 1 }, { 1, 3 }, { 5, 2 } };

/* A guest with a thousand and one with eight that want all they can get */
START_TEST(test_by_weight)
{
	uint32_t a = shares[_i].a, b = shares[_i].b;

	r.a.g.data.weight = a;
	r.b.g.data.weight = b;
	crowd_start(&many, &r.a, CROWD);
	crowd_start(&few, &r.b, 8);
	for (uint32_t i = 1; i <= 4; i++) {
		worker_round(r.worker);
		ck_assert_uint_eq(served(&many), i * a * ROUND);
		ck_assert_uint_eq(served(&few), i * b * ROUND);
	}
}
END_TEST

/* What one does not need goes to the other */
START_TEST(test_nothing_is_kept_back)
{
	r.a.g.data.weight = 1;
	r.b.g.data.weight = 64;
	crowd_start(&few, &r.b, 2);
	crowd_start(&many, &r.a, 2);
	while (served(&many) != 2 * RIG_DEPTH) {
		ck_assert(worker_has_work(r.worker));
		worker_round(r.worker);
	}
	ck_assert_uint_eq(served(&few), 2 * RIG_DEPTH);
}
END_TEST

/* -------------------------------------------------------------------- turns */

/* A queue pair's turn, in requests... */
START_TEST(test_turn_of_requests)
{
	crowd_start(&few, &r.a, 2);
	for (uint32_t i = 1; i <= 2 * RIG_DEPTH / TURN_REQUESTS; i++) {
		worker_step(r.worker);
		ck_assert_uint_eq(served(&few), i * TURN_REQUESTS);
	}
}
END_TEST

/* ...and in bytes: a large request is done in pieces, with others between */
START_TEST(test_turn_of_bytes)
{
	const uint32_t pieces = 8, at = 16u << 20;
	const uint8_t *to = r.b.mem + RIG_DATA + at;

	memset(r.a.mem + RIG_DATA, 0x5a, pieces * TURN_BYTES);
	rig_connect(&r);
	rig_post(&r, &r.a, 1, VIRTIO_RDMA_OP_WRITE, 0, 0, pieces * TURN_BYTES,
		 rig_data(at), r.b.remote);
	worker_step(r.worker);	/* the one that is attached has nothing to do */
	for (uint32_t i = 0; i < pieces; i++) {
		uint64_t have = (uint64_t)i * TURN_BYTES;

		while (to[have] != 0x5a)
			worker_step(r.worker);
		ck_assert_uint_eq(to[have + TURN_BYTES - 1], 0x5a);
		ck_assert_uint_eq(to[have + TURN_BYTES], 0);
	}
	rig_expect(&r, &r.a, 1, VIRTIO_RDMA_WC_SUCCESS);
}
END_TEST

static Suite *suite(void)
{
	Suite *s = suite_create("shares");
	TCase *c = tcase_create("by hand");

	tcase_set_timeout(c, 60);
	tcase_add_checked_fixture(c, setup, teardown);
	tcase_add_loop_test(c, test_one_among_thousand, 0, 2);
	tcase_add_test(c, test_none_of_thousand);
	tcase_add_loop_test(c, test_by_weight, 0, 3);
	tcase_add_test(c, test_nothing_is_kept_back);
	tcase_add_test(c, test_turn_of_requests);
	tcase_add_test(c, test_turn_of_bytes);
	suite_add_tcase(s, c);
	return s;
}

int main(void)
{
	return suite_run(suite());
}
