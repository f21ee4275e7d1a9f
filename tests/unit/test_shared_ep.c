/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test_shared_ep.c - end points that several connectors connect from
 *
 * DOC: The real connectors and ports, over the real local transport, and over a
 * fabric that only counts and may refuse.  The teardown checks that no port, no
 * handle and no reservation is left, whatever the order of the ends.
 */
#include <errno.h>

#include "cm_world.h"

static struct guest *const A = &world.guest[0];
static struct guest *const B = &world.guest[1];

/* ------------------------------------------------------------------- fabric */

static struct {
	unsigned int reserved, live, connects;
	struct be_addr addr; /* of the last reserve() */
	struct be_request request;
	int fail;	    /* what reserve() answers */
	unsigned int times; /* so often */
	int fail_connect;
} fabric;

static int f_reserve(struct backend *be, const struct be_addr *addr,
		     struct be_reserved **out)
{
	(void)be;
	fabric.reserved++;
	fabric.addr = *addr;
	if (fabric.times) {
		fabric.times--;
		return fabric.fail;
	}
	fabric.live++;
	*out = (struct be_reserved *)(void *)&fabric;
	return 0;
}

static void f_unreserve(struct be_reserved *r)
{
	ck_assert_ptr_eq(r, (struct be_reserved *)(void *)&fabric);
	fabric.live--;
}

static int f_connect(struct backend *be, const struct be_request *req,
		     struct be_qp *qp, void *cm, struct be_conn **out)
{
	(void)be;
	(void)qp;
	fabric.request = *req;
	if (fabric.fail_connect)
		return fabric.fail_connect;
	fabric.connects++;
	*out = cm;
	return 0;
}

static void f_abort(struct be_conn *c, enum virtio_rdma_reason reason)
{
	(void)c;
	(void)reason;
	fabric.connects--;
}

static struct backend wire = {
	.name = "wire",
	.limits = BE_LIMITS_NONE,
	.reserve = f_reserve,
	.unreserve = f_unreserve,
	.connect = f_connect,
	.abort = f_abort,
};

/* --------------------------------------------------------------------- rig */

static void setup(void)
{
	memset(&fabric, 0, sizeof(fabric));
	world_setup();
}

static void setup_fabric(void)
{
	setup();
	A->fabric = &wire;
	world.conf[0].local = false;
}

static void teardown(void)
{
	world_teardown();
	ck_assert_uint_eq(fabric.live, 0);
	ck_assert_uint_eq(fabric.connects, 0);
}

static enum virtio_rdma_status create_at(struct guest *g, struct be_addr addr,
					 uint32_t *handle)
{
	struct command *cmd = world_cmd(g, 0);

	addr_to_abi(&addr, &cmd->req.create_endpoint.addr);
	cmd_create_endpoint(cmd);
	*handle = world.handle;
	world_said();
	return world.status;
}

static enum virtio_rdma_status create(const char *ip, uint16_t port,
				      uint32_t *handle)
{
	return create_at(A, world_addr(ip, port), handle);
}

static uint16_t port_given(void)
{
	return vr_from_le16(world.answer.rsp.create_endpoint.addr.port);
}

static void close_endpoint(uint32_t handle)
{
	world_plain(cmd_close_endpoint, A, handle);
	world_expect("OK");
}

/* What CONNECT says from ep to port of B, at once; "" while it is under way */
static const char *connect_from(uint32_t conn, uint32_t qp, uint32_t ep,
				uint16_t port)
{
	struct command *cmd = world_cmd(A, conn);
	struct be_addr peer = world_addr("10.0.0.2", port);

	cmd->req.connect.qp = vr_to_le32(qp);
	cmd->req.connect.endpoint = vr_to_le32(ep);
	addr_to_abi(&peer, &cmd->req.connect.peer);
	cmd_connect(cmd);
	return world_said();
}

#define ports() guest_ports(A)->count

/* ----------------------------------------------------------------- creation */

START_TEST(where_it_is)
{
	static const struct {
		const char *ip;
		uint16_t port;
		enum virtio_rdma_status status;
		uint8_t last; /* of the address given */
	} t[] = {
		{ "10.0.0.1", 7, VIRTIO_RDMA_S_OK, 1 },
		{ "0.0.0.0", 7, VIRTIO_RDMA_S_OK,
		  1 }, /* the first of its kind */
		{ "10.0.0.2", 7, VIRTIO_RDMA_S_INVALID_ADDRESS, 0 },
		{ "10.0.0.1", 0, VIRTIO_RDMA_S_OK, 1 },
		{ "fd00::1", 7, VIRTIO_RDMA_S_OK, 0 },
		{ "::", 7, VIRTIO_RDMA_S_OK, 0 },
	};
	uint32_t ep;

	for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		ck_assert_int_eq(create(t[i].ip, t[i].port, &ep), t[i].status);
		ck_assert_uint_eq(ports(), t[i].status == VIRTIO_RDMA_S_OK);
		if (t[i].status)
			continue;
		ck_assert_uint_eq(world.answer.rsp.create_endpoint.addr.ip[3],
				  t[i].last);
		if (t[i].port)
			ck_assert_uint_eq(port_given(), t[i].port);
		else
			ck_assert_uint_ge(port_given(), PORTS_EPHEMERAL_FIRST);
		close_endpoint(ep);
		ck_assert_uint_eq(ports(), 0);
	}
	ck_assert_int_eq(create_at(A, (struct be_addr){ 0 }, &ep),
			 VIRTIO_RDMA_S_INVALID_PARAMETER);
}
END_TEST

/* Listeners, connectors and other end points all share one set of ports */
START_TEST(taken)
{
	struct be_addr local = world_addr("10.0.0.1", 7);
	struct be_addr peer = world_addr("10.0.0.2", 9);
	uint32_t ep, other, conn = world_connector(A, 1);
	struct command *cmd = world_cmd(A, conn);

	ck_assert_int_eq(create("10.0.0.1", 7, &ep), VIRTIO_RDMA_S_OK);
	ck_assert_int_eq(create("10.0.0.1", 7, &other),
			 VIRTIO_RDMA_S_ADDRESS_IN_USE);
	world_listen(A, "10.0.0.1", 7, 0);
	world_expect("ADDRESS_IN_USE");
	world_listen(A, "0.0.0.0", 7, 0);
	world_expect("ADDRESS_IN_USE");
	cmd->req.connect.qp = vr_to_le32(1);
	addr_to_abi(&local, &cmd->req.connect.local);
	addr_to_abi(&peer, &cmd->req.connect.peer);
	cmd_connect(cmd);
	world_expect("ADDRESS_IN_USE");
	close_endpoint(ep);
	world_listen(A, "10.0.0.1", 7, 0);
	world_expect("OK");
	ck_assert_int_eq(create("10.0.0.1", 7, &other),
			 VIRTIO_RDMA_S_ADDRESS_IN_USE);
}
END_TEST

START_TEST(as_many_as_there_may_be)
{
	uint32_t ep[4], more;

	for (int i = 0; i < 4; i++)
		ck_assert_int_eq(create("10.0.0.1", 0, &ep[i]),
				 VIRTIO_RDMA_S_OK);
	ck_assert_int_eq(create("10.0.0.1", 0, &more),
			 VIRTIO_RDMA_S_NO_RESOURCES);
	ck_assert_uint_eq(ports(), 4);
	close_endpoint(ep[2]);
	ck_assert_int_eq(create("10.0.0.1", 0, &more), VIRTIO_RDMA_S_OK);
	/* a handle of before, another type's, another guest's */
	world_plain(cmd_close_endpoint, A, ep[2]);
	world_plain(cmd_close_endpoint, A, 0);
	world_plain(cmd_close_endpoint, B, more);
	world_expect("INVALID_HANDLE INVALID_HANDLE INVALID_HANDLE");
}
END_TEST

START_TEST(no_port_left)
{
	static struct endpoint
		*e[PORTS_EPHEMERAL_LAST - PORTS_EPHEMERAL_FIRST + 1];
	const struct be_addr any = world_addr("10.0.0.1", 0);
	uint32_t ep, i, n = sizeof(e) / sizeof(e[0]);

	for (i = 0; i < n && !ports_take(guest_ports(A), &any, &e[i]); i++)
		;
	ck_assert_uint_eq(i, n);
	ck_assert_int_eq(create("10.0.0.1", 0, &ep),
			 VIRTIO_RDMA_S_TOO_MANY_ADDRESSES);
	ck_assert_int_eq(create("fd00::1", 0, &ep), VIRTIO_RDMA_S_OK);
	endpoint_put(e[77]);
	ck_assert_int_eq(create("10.0.0.1", 0, &ep), VIRTIO_RDMA_S_OK);
	ck_assert_uint_eq(port_given(), PORTS_EPHEMERAL_FIRST + 77);
	for (i = 0; i < n; i++)
		if (i != 77)
			endpoint_put(e[i]);
}
END_TEST

/* ----------------------------------------------------------------- connects */

START_TEST(two_peers)
{
	uint32_t ep, c[3];

	for (int i = 0; i < 3; i++)
		c[i] = world_connector(A, (uint64_t)i);
	world_listen(B, "10.0.0.2", 100, 0);
	world_listen(B, "10.0.0.2", 101, 0);
	world_said();
	ck_assert_int_eq(create("10.0.0.1", 7, &ep), VIRTIO_RDMA_S_OK);
	ck_assert_str_eq(connect_from(c[0], 1, ep, 100), "");
	ck_assert_str_eq(connect_from(c[1], 2, ep, 101), "");
	/* between these two there is one */
	ck_assert_str_eq(connect_from(c[2], 3, ep, 100), "CONNECTION_EXISTS");
	ck_assert(!world.qp[2].reserved);
	world_deliver();
	world_expect("!REQUEST !REQUEST");
	for (int i = 0; i < 2; i++) {
		ck_assert_uint_eq(vr_from_le16(world.event[i].peer.port), 7);
		ck_assert_uint_eq(world.event[i].peer.ip[3], 1);
		world_accept(B, vr_from_le32(world.event[i].handle),
			     (uint32_t)(10 + i));
		world_deliver();
		world_expect("OK");
		ck_assert_uint_eq(
			vr_from_le16(world.answer.rsp.connect.local.port), 7);
	}
	ck_assert_str_eq(connect_from(c[2], 3, ep, 100), "CONNECTION_EXISTS");
	/* the first one is given up: the pair is free again */
	world_plain(cmd_close_connector, A, c[0]);
	world_expect("OK");
	ck_assert_str_eq(connect_from(c[2], 3, ep, 100), "");
	world_deliver();
}
END_TEST

/* The port is taken until the last one is closed, in any order: _i says who
 * goes first, 1: the end point */
START_TEST(counted)
{
	uint32_t ep, other, c[2];

	world_listen(B, "10.0.0.2", 100, 0);
	world_listen(B, "10.0.0.2", 101, 0);
	for (int i = 0; i < 2; i++)
		c[i] = world_connector(A, (uint64_t)i);
	world_said();
	ck_assert_int_eq(create("10.0.0.1", 7, &ep), VIRTIO_RDMA_S_OK);
	ck_assert_str_eq(connect_from(c[0], 1, ep, 100), "");
	ck_assert_str_eq(connect_from(c[1], 2, ep, 101), "");
	world_deliver();
	world_said();
	if (_i)
		close_endpoint(ep);
	ck_assert_int_eq(create("10.0.0.1", 7, &other),
			 VIRTIO_RDMA_S_ADDRESS_IN_USE);
	world_plain(cmd_close_connector, A, c[0]);
	world_said();
	ck_assert_int_eq(create("10.0.0.1", 7, &other),
			 VIRTIO_RDMA_S_ADDRESS_IN_USE);
	world_plain(cmd_close_connector, A, c[1]);
	world_said();
	if (!_i) {
		ck_assert_int_eq(create("10.0.0.1", 7, &other),
				 VIRTIO_RDMA_S_ADDRESS_IN_USE);
		close_endpoint(ep);
	}
	ck_assert_uint_eq(ports(), 0);
	ck_assert_int_eq(create("10.0.0.1", 7, &other), VIRTIO_RDMA_S_OK);
}
END_TEST

/* One that came to nothing lets go of it, and may try again, from elsewhere */
START_TEST(refused_and_again)
{
	uint32_t ep, c = world_connector(A, 1);

	ck_assert_int_eq(create("10.0.0.1", 7, &ep), VIRTIO_RDMA_S_OK);
	ck_assert_str_eq(connect_from(c, 1, ep, 100), "");
	world_deliver(); /* nobody listens */
	world_expect("CONNECTION_REFUSED");
	ck_assert_ptr_null(world_find(A, c)->shared);
	world_listen(B, "10.0.0.2", 100, 0);
	world_said();
	ck_assert_str_eq(connect_from(c, 1, ep, 100), "");
	world_deliver();
	world_expect("!REQUEST");
	world_reject(B, vr_from_le32(world.event[0].handle), "no");
	world_deliver();
	world_expect("OK CONNECTION_REFUSED");
	close_endpoint(ep);
	ck_assert_uint_eq(ports(), 0);
	ck_assert_str_eq(connect_from(c, 1, ep, 100), "INVALID_HANDLE");
	world_connect(A, c, 1, "10.0.0.2", 100);
	world_deliver();
	world_expect("!REQUEST");
}
END_TEST

START_TEST(wrong_words)
{
	struct be_addr local = world_addr("10.0.0.1", 0);
	struct be_addr six = world_addr("fd00::2", 9);
	uint32_t ep, c = world_connector(A, 1);
	struct command *cmd;

	ck_assert_int_eq(create("10.0.0.1", 7, &ep), VIRTIO_RDMA_S_OK);
	/* two local end points */
	cmd = world_cmd(A, c);
	cmd->req.connect.qp = vr_to_le32(1);
	cmd->req.connect.endpoint = vr_to_le32(ep);
	addr_to_abi(&local, &cmd->req.connect.local);
	addr_to_abi(&six, &cmd->req.connect.peer);
	cmd_connect(cmd);
	world_expect("INVALID_PARAMETER");
	/* another family */
	cmd = world_cmd(A, c);
	cmd->req.connect.qp = vr_to_le32(1);
	cmd->req.connect.endpoint = vr_to_le32(ep);
	addr_to_abi(&six, &cmd->req.connect.peer);
	cmd_connect(cmd);
	world_expect("INVALID_PARAMETER");
	ck_assert_str_eq(connect_from(c, 1, ep + 1, 9), "INVALID_HANDLE");
	ck_assert_str_eq(connect_from(c, 1, c, 9), "INVALID_HANDLE");
	ck_assert_str_eq(connect_from(c, 99, ep, 9), "INVALID_HANDLE");
	ck_assert_ptr_null(world_find(A, c)->shared);
	/* for a driver without the feature the field is a reserved one */
	A->features &= ~VIRTIO_RDMA_FEATURE(SHARED_ENDPOINT);
	ck_assert_str_eq(connect_from(c, 1, ep, 9), "INVALID_PARAMETER");
}
END_TEST

/* A guest that is reset while requests are under way, and in every order */
START_TEST(reset)
{
	uint32_t ep, c = world_connector(A, 1);

	world_listen(B, "10.0.0.2", 100, 0);
	ck_assert_int_eq(create("10.0.0.1", 7, &ep), VIRTIO_RDMA_S_OK);
	ck_assert_str_eq(connect_from(c, 1, ep, 100), "");
	if (_i)
		world_deliver();
	shared_ep_reset_all(A);
	ck_assert_uint_eq(ports(), 1); /* the connector's */
	connector_reset_all(A);
	ck_assert_uint_eq(ports(), 0);
}
END_TEST

/* ---------------------------------------------------------------- the fabric */

START_TEST(reserved_there)
{
	uint32_t ep, c = world_connector(A, 1);

	ck_assert_int_eq(create("10.0.0.1", 7, &ep), VIRTIO_RDMA_S_OK);
	ck_assert_uint_eq(fabric.live, 1);
	ck_assert_uint_eq(fabric.addr.port, 7);
	ck_assert_str_eq(connect_from(c, 1, ep, 100), "");
	ck_assert(fabric.request.shared);
	ck_assert_uint_eq(fabric.request.local.port, 7);
	close_endpoint(ep);
	ck_assert_uint_eq(fabric.live, 1);
	world_plain(cmd_close_connector, A, c);
	ck_assert_uint_eq(fabric.live, 0);
	/* one of its own is not shared */
	world_said();
	c = world_connector(A, 1);
	world_connect(A, c, 2, "10.0.0.2", 100);
	ck_assert(!fabric.request.shared);
}
END_TEST

START_TEST(refused_there)
{
	static const struct {
		int err;
		enum virtio_rdma_status alone; /* and with local = yes */
		enum virtio_rdma_status local;
	} t[] = {
		{ -EADDRINUSE, VIRTIO_RDMA_S_ADDRESS_IN_USE,
		  VIRTIO_RDMA_S_ADDRESS_IN_USE },
		{ -EADDRNOTAVAIL, VIRTIO_RDMA_S_INVALID_ADDRESS,
		  VIRTIO_RDMA_S_OK },
		{ -EACCES, VIRTIO_RDMA_S_INVALID_ADDRESS, VIRTIO_RDMA_S_OK },
		{ -ENOMEM, VIRTIO_RDMA_S_NO_RESOURCES, VIRTIO_RDMA_S_OK },
	};
	uint32_t ep;

	for (size_t i = 0; i < 2 * sizeof(t) / sizeof(t[0]); i++) {
		world.conf[0].local = i % 2;
		fabric.fail = t[i / 2].err;
		fabric.times = 1;
		ck_assert_int_eq(create("10.0.0.1", 7, &ep),
				 i % 2 ? t[i / 2].local : t[i / 2].alone);
		ck_assert_uint_eq(ports(), world.status == VIRTIO_RDMA_S_OK);
		if (world.status == VIRTIO_RDMA_S_OK)
			close_endpoint(ep);
	}
	/* the guest wants none in particular: the next one */
	fabric.fail = -EADDRINUSE;
	fabric.times = 3;
	fabric.reserved = 0;
	ck_assert_int_eq(create("10.0.0.1", 0, &ep), VIRTIO_RDMA_S_OK);
	ck_assert_uint_eq(fabric.reserved, 4);
	ck_assert_uint_eq(ports(), 1);
	fabric.times = PORTS_TRIES;
	ck_assert_int_eq(create("10.0.0.1", 0, &ep),
			 VIRTIO_RDMA_S_ADDRESS_IN_USE);
	ck_assert_uint_eq(ports(), 1);
}
END_TEST

/* The wire remembers a pair of end points longer than we do */
START_TEST(rests_there)
{
	uint32_t ep, c = world_connector(A, 1);

	ck_assert_int_eq(create("10.0.0.1", 7, &ep), VIRTIO_RDMA_S_OK);
	fabric.fail_connect = -EEXIST;
	ck_assert_str_eq(connect_from(c, 1, ep, 100), "CONNECTION_EXISTS");
	ck_assert(!world.qp[0].reserved);
	fabric.fail_connect = 0;
	ck_assert_str_eq(connect_from(c, 1, ep, 100), "");
}
END_TEST

int main(void)
{
	Suite *s = suite_create("shared_ep");
	TCase *t = tcase_create("local");
	TCase *f = tcase_create("fabric");
	SRunner *r;
	int failed;

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, where_it_is);
	tcase_add_test(t, taken);
	tcase_add_test(t, as_many_as_there_may_be);
	tcase_add_test(t, no_port_left);
	tcase_add_test(t, two_peers);
	tcase_add_loop_test(t, counted, 0, 2);
	tcase_add_test(t, refused_and_again);
	tcase_add_test(t, wrong_words);
	tcase_add_loop_test(t, reset, 0, 2);
	suite_add_tcase(s, t);
	tcase_add_checked_fixture(f, setup_fabric, teardown);
	tcase_add_test(f, reserved_there);
	tcase_add_test(f, refused_there);
	tcase_add_test(f, rests_there);
	suite_add_tcase(s, f);
	r = srunner_create(s);
	srunner_run_all(r, CK_NORMAL);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
