// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * test_many.c - thousands of queue pairs, storms, pools that run dry
 */
#include <poll.h>
#include <stdlib.h>
#include <string.h>

#include "fixture.h"
#include "transport.h"

#define PIECE 64u /* bytes of a transfer */

/* Two guests and n connections between them that share all but the QPs */
struct crowd {
	int n;
	struct ep left, right; /* what they share; not connected */
	struct ep *a, *b;
	struct op *oa, *ob;
	NTSTATUS *sa, *sb;
	struct listener l;
};

static void setup(void)
{
	/* a storm is many disconnects in a row, each with a deadline of its own
	 */
	struct daemon_opts o = {.guests = 2,
				.guest_section =
					"disconnect-timeout-ms = 15000\n"
					"connect-timeout-ms = 15000\n"};

	fx_start(&o, 192u << 20);
}

static void crowd_init(struct crowd *c, int n)
{
	struct ep_opts o = {
		.depth = 4, .sge = 1, .mem = 65536, .cq_depth = 16384};

	*c = (struct crowd){.n = n};
	c->a = calloc((size_t)n, sizeof(*c->a));
	c->b = calloc((size_t)n, sizeof(*c->b));
	c->oa = calloc((size_t)n, sizeof(*c->oa));
	c->ob = calloc((size_t)n, sizeof(*c->ob));
	c->sa = calloc((size_t)n, sizeof(*c->sa));
	c->sb = calloc((size_t)n, sizeof(*c->sb));
	o.mem = (size_t)n * PIECE;
	ep_init(&c->left, fx.g[0], &o);
	ep_init(&c->right, fx.g[1], &o);
	o.share = &c->left;
	for (int i = 0; i < n; i++)
		ep_init(&c->a[i], fx.g[0], &o);
	o.share = &c->right;
	for (int i = 0; i < n; i++)
		ep_init(&c->b[i], fx.g[1], &o);
	ck_assert_ptr_nonnull(c->sb);
}

static void crowd_connect(struct crowd *c)
{
	listener_start(&c->l, c->right.adapter, sa_v4(1, 0));
	for (int i = 0; i < c->n; i++)
		ep_connect(&c->a[i], &c->b[i], &c->l, NULL, NULL);
}

static void crowd_fini(struct crowd *c)
{
	struct op op;
	NTSTATUS st;

	op_init(&op);
	st = nd_close_start(c->l.obj, &op);
	for (int i = 0; i < c->n; i++) {
		ep_fini(&c->a[i]);
		ep_fini(&c->b[i]);
	}
	assert_status(op_wait(&op, st), STATUS_SUCCESS);
	ep_fini(&c->left);
	ep_fini(&c->right);
	free(c->a), free(c->b), free(c->oa), free(c->ob), free(c->sa),
		free(c->sb);
}

static void crowd_transfer(struct crowd *c)
{
	mem_fill(&c->left.mem, 77);
	for (int i = 0; i < c->n; i++)
		assert_status(ep_post_write(&c->a[i], (uint64_t)i,
					    (size_t)i * PIECE, PIECE, &c->b[i],
					    (size_t)i * PIECE, 0),
			      STATUS_SUCCESS);
	for (int i = 0; i < c->n; i++) {
		NDK_RESULT_EX r = ep_next(&c->left);
		size_t k = (uintptr_t)r.RequestContext;

		assert_status(r.Status, STATUS_SUCCESS);
		ck_assert_ptr_eq(r.QPContext, &c->a[k]);
	}
	ck_assert(ep_idle(&c->left));
	ck_assert_int_eq(
		mem_check(c->right.mem.va, (size_t)c->n * PIECE, 77, 0), -1);
}

/* Every connection at once; B in reverse order, so that whoever has the device
 * busy waits for somebody who has not reached it yet */
START_TEST(two_thousand_queue_pairs)
{
	struct crowd c;

	crowd_init(&c, 2000);
	crowd_connect(&c);
	crowd_transfer(&c);
	for (int i = 0; i < c.n; i++)
		c.sa[i] = ep_disconnect_start(&c.a[i], &c.oa[i]);
	for (int i = c.n - 1; i >= 0; i--)
		c.sb[i] = ep_disconnect_start(&c.b[i], &c.ob[i]);
	for (int i = 0; i < c.n; i++) {
		assert_status(op_wait(&c.oa[i], c.sa[i]), STATUS_SUCCESS);
		assert_status(op_wait(&c.ob[i], c.sb[i]), STATUS_SUCCESS);
		ck_assert_uint_le(c.a[i].indications, 1);
		ck_assert_uint_le(c.b[i].indications, 1);
	}
	crowd_fini(&c);
}
END_TEST

static void expect_one_each(struct ep *e, int n, uint32_t reason)
{
	for (int i = 0; i < n; i++) {
		ck_assert(wait_count(&e[i].indications, 1, TEST_TIMEOUT_MS));
		ck_assert(ep_was_told(&e[i], reason));
	}
	for (int i = 0; i < n; i++)
		ck_assert_uint_eq(e[i].indications, 1);
}

START_TEST(storm_of_a_killed_guest)
{
	struct crowd c;

	crowd_init(&c, 500);
	crowd_connect(&c);
	for (int i = 0; i < c.n; i++)
		assert_status(ep_post_recv(&c.a[i], (uint64_t)i, 0, PIECE),
			      STATUS_SUCCESS);
	tguest_kill(fx.g[1]);
	expect_one_each(c.a, c.n, VIRTIO_RDMA_R_PEER_GONE);
	expect_one_each(c.b, c.n, VIRTIO_RDMA_R_DEVICE_RESET);
	for (int i = 0; i < c.n; i++)
		c.sa[i] = ep_disconnect_start(&c.a[i], &c.oa[i]);
	for (int i = 0; i < c.n; i++)
		assert_status(op_wait(&c.oa[i], c.sa[i]),
			      ep_end_of(&c.a[i], VIRTIO_RDMA_R_PEER_GONE,
					STATUS_CONNECTION_ABORTED));
	for (int i = 0; i < c.n; i++) /* each receive ends once */
		assert_status(ep_next(&c.left).Status, STATUS_CANCELLED);
	ck_assert(ep_idle(&c.left));
	expect_one_each(c.a, c.n, VIRTIO_RDMA_R_PEER_GONE);
	crowd_fini(&c);
}
END_TEST

START_TEST(storm_of_a_killed_daemon)
{
	struct crowd c;

	crowd_init(&c, 500);
	crowd_connect(&c);
	for (int i = 0; i < 100; i++)
		c.sa[i] = ep_disconnect_start(&c.a[i], &c.oa[i]);
	expect_one_each(c.b, 100, VIRTIO_RDMA_R_GRACEFUL);
	test_daemons_kill();
	for (int i = 0; i < 100; i++) {
		assert_status(op_wait(&c.oa[i], c.sa[i]),
			      STATUS_DEVICE_REMOVED);
		ck_assert_uint_eq(c.a[i].indications, 0);
	}
	expect_one_each(c.a + 100, c.n - 100, VIRTIO_RDMA_R_DEVICE_RESET);
	expect_one_each(c.b + 100, c.n - 100, VIRTIO_RDMA_R_DEVICE_RESET);
	expect_one_each(c.b, 100, VIRTIO_RDMA_R_GRACEFUL);
	crowd_fini(&c);
	ck_assert(test_daemons_restart());
	ck_assert(tguest_wait_recoveries(fx.g[0], 1));
	ck_assert(tguest_wait_recoveries(fx.g[1], 1));
}
END_TEST

/* More requests than the driver can have at the device.  Those in line wait;
 * what creates and closes has its own way */
START_TEST(connects_beyond_the_command_pool)
{
	enum { N = 100, KEEP = 40 };
	struct crowd c;

	crowd_init(&c, N);
	listener_start(&c.l, c.right.adapter, sa_v4(1, 0));
	for (int i = 0; i < N; i++) {
		c.sa[i] = ep_connect_start(&c.a[i], c.l.addr, NULL, &c.oa[i]);
		assert_status(c.sa[i], STATUS_PENDING);
	}
	for (int i = 0; i < 5; i++)
		nd_close(nd_connector(c.left.adapter));
	/* the last never reached the device, the first did */
	nd_close(c.a[N - 1].conn);
	nd_close(c.a[0].conn);
	c.a[0].conn = c.a[N - 1].conn = NULL;
	assert_status(op_wait(&c.oa[0], c.sa[0]), STATUS_CANCELLED);
	assert_status(op_wait(&c.oa[N - 1], c.sa[N - 1]), STATUS_CANCELLED);
	for (int i = KEEP; i < N - 1; i++) {
		nd_close(c.a[i].conn);
		c.a[i].conn = NULL;
		assert_status(op_wait(&c.oa[i], c.sa[i]), STATUS_CANCELLED);
	}
	/* requests 1 to KEEP - 1 are still good, in their order */
	nd_close(listener_next(&c.l)); /* that of 0 */
	for (int i = 1; i < KEEP; i++) {
		c.sb[i] = ep_accept_start(&c.b[i], listener_next(&c.l), NULL,
					  &c.ob[i]);
		assert_status(op_wait(&c.oa[i], c.sa[i]), STATUS_SUCCESS);
		assert_status(ep_complete(&c.a[i]), STATUS_SUCCESS);
		assert_status(op_wait(&c.ob[i], c.sb[i]), STATUS_SUCCESS);
	}
	for (int i = 1; i < KEEP; i++)
		ep_disconnect_both(&c.a[i], &c.b[i]);
	/* what came in of the others was abandoned by its peer */
	while (c.l.head != __atomic_load_n(&c.l.tail, __ATOMIC_ACQUIRE))
		nd_close(listener_next(&c.l));
	crowd_fini(&c);
}
END_TEST

START_TEST(backlog_full)
{
	enum { BACKLOG = 4, N = BACKLOG + 2 };
	struct sa addr = sa_v4(1, 7000);
	struct crowd c;
	struct op op;

	crowd_init(&c, N);
	listener_create(&c.l, c.right.adapter);
	op_init(&op);
	assert_status(op_wait(&op, vrdma_listen_ex(c.l.obj, &addr.sa, addr.len,
						   BACKLOG, op_ended, &op)),
		      STATUS_SUCCESS);
	for (int i = 0; i < BACKLOG; i++)
		c.sa[i] = ep_connect_start(&c.a[i], addr, NULL, &c.oa[i]);
	for (int i = BACKLOG; i < N; i++) {
		c.sa[i] = ep_connect_start(&c.a[i], addr, NULL, &c.oa[i]);
		assert_status(op_wait(&c.oa[i], c.sa[i]),
			      STATUS_CONNECTION_REFUSED);
	}
	for (int i = 0; i < BACKLOG; i++) {
		c.sb[i] = ep_accept_start(&c.b[i], listener_next(&c.l), NULL,
					  &c.ob[i]);
		assert_status(op_wait(&c.oa[i], c.sa[i]), STATUS_SUCCESS);
		assert_status(ep_complete(&c.a[i]), STATUS_SUCCESS);
		assert_status(op_wait(&c.ob[i], c.sb[i]), STATUS_SUCCESS);
	}
	/* answered ones do not count: the refused may come again */
	c.l.addr = addr;
	for (int i = BACKLOG; i < N; i++)
		ep_connect(&c.a[i], &c.b[i], &c.l, NULL, NULL);
	for (int i = 0; i < N; i++)
		ep_disconnect_both(&c.a[i], &c.b[i]);
	crowd_fini(&c);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("many");
	TCase *tc = add_case(s, "many", 60);

	tcase_add_checked_fixture(tc, setup, fx_teardown);
	tcase_add_test(tc, two_thousand_queue_pairs);
	tcase_add_test(tc, storm_of_a_killed_guest);
	tcase_add_test(tc, storm_of_a_killed_daemon);
	tcase_add_test(tc, connects_beyond_the_command_pool);
	tcase_add_test(tc, backlog_full);
	return run_suite(s);
}
