// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * test_endpoints.c - shared end points by a driver without manners: wrong
 * addresses, others' handles, ends in the wrong order, more than there are
 */
#include <string.h>

#include "fixture.h"
#include "raw.h"

#define MOST 16

static struct raw ra, rb;
static struct raw_qp qa, qb;

static void setup(void)
{
	struct daemon_opts o = {
		.guests = 2,
		.guest_section = "disconnect-timeout-ms = 1000\n"
				 "max-endpoint = 16\n" FX_FEW_QUEUES FX_SMALL
	};

	ck_assert(daemon_start(&fx.daemon, &o));
	raw_start(&ra, fx.daemon.socket[0]);
	raw_start(&rb, fx.daemon.socket[1]);
	raw_qp_make(&ra, &qa);
	raw_qp_make(&rb, &qb);
}

static void teardown(void)
{
	raw_stop(&ra);
	raw_stop(&rb);
	ck_assert_int_eq(daemon_stop(&fx.daemon), 0);
	daemon_cleanup(&fx.daemon);
}

static struct virtio_rdma_cmd_create_endpoint right_one(uint16_t port)
{
	return (struct virtio_rdma_cmd_create_endpoint){
		.hdr.opcode = vr_to_le16(VIRTIO_RDMA_CMD_CREATE_ENDPOINT),
		.addr = { .family = VIRTIO_RDMA_AF_INET,
			  .port = vr_to_le16(port),
			  .ip = { 10, 0, 0, 1 } },
	};
}

static uint32_t create(uint16_t port)
{
	struct virtio_rdma_cmd_create_endpoint c = right_one(port);

	return raw_cmd(&ra, &c, sizeof(c));
}

static uint32_t made(uint16_t port)
{
	ck_assert_uint_eq(create(port), VIRTIO_RDMA_S_OK);
	return raw_handle(&ra);
}

static uint32_t close_it(struct raw *r, uint32_t handle)
{
	return raw_simple(r, VIRTIO_RDMA_CMD_CLOSE_ENDPOINT, handle);
}

static uint32_t connector(struct raw *r)
{
	struct virtio_rdma_cmd_create_connector c = {
		.hdr.opcode = vr_to_le16(VIRTIO_RDMA_CMD_CREATE_CONNECTOR)
	};

	ck_assert_uint_eq(raw_cmd(r, &c, sizeof(c)), VIRTIO_RDMA_S_OK);
	return raw_handle(r);
}

/* To a port where nobody listens */
static struct virtio_rdma_cmd_connect request(uint32_t ep)
{
	return (struct virtio_rdma_cmd_connect){
		.hdr.opcode = vr_to_le16(VIRTIO_RDMA_CMD_CONNECT),
		.hdr.handle = vr_to_le32(connector(&ra)),
		.qp = vr_to_le32(qa.qp),
		.endpoint = vr_to_le32(ep),
		.peer = { .family = VIRTIO_RDMA_AF_INET,
			  .port = vr_to_le16(4711),
			  .ip = { 10, 0, 0, 2 } },
	};
}

START_TEST(wrong_addresses)
{
	struct virtio_rdma_cmd_create_endpoint c;

#define WRONG(change, want)                                    \
	do {                                                   \
		c = right_one(7);                              \
		change;                                        \
		ck_assert_uint_eq(raw_cmd(&ra, &c, sizeof(c)), \
				  VIRTIO_RDMA_S_##want);       \
	} while (0)
	WRONG(memset(&c.addr, 0, sizeof(c.addr)), INVALID_PARAMETER);
	WRONG(c.addr.family = VIRTIO_RDMA_AF_NONE, INVALID_PARAMETER);
	WRONG(c.addr.family = 5, INVALID_PARAMETER);
	WRONG(c.addr.family = 0xff, INVALID_PARAMETER);
	WRONG(c.addr.reserved = 1, INVALID_PARAMETER);
	WRONG(c.addr.ip[4] = 1, INVALID_PARAMETER);
	WRONG(c.addr.scope_id = vr_to_le32(1), INVALID_PARAMETER);
	WRONG(c.addr.ip[3] = 2, INVALID_ADDRESS); /* the neighbour's */
	WRONG(c.addr.ip[0] = 127, INVALID_ADDRESS);
	WRONG(c.addr.family = VIRTIO_RDMA_AF_INET6, INVALID_ADDRESS);
	WRONG(c.hdr.handle = vr_to_le32(1), INVALID_PARAMETER);
#undef WRONG
	made(7);
}
END_TEST

/* Bounded, and what was given back is there again */
START_TEST(as_many_as_there_may_be)
{
	uint32_t ep[MOST];

	for (int round = 0; round < 3; round++) {
		for (int i = 0; i < MOST; i++)
			ep[i] = made(0);
		ck_assert_uint_eq(create(0), VIRTIO_RDMA_S_NO_RESOURCES);
		for (int i = 0; i < MOST; i++) {
			ck_assert_uint_eq(close_it(&ra, ep[i]),
					  VIRTIO_RDMA_S_OK);
			ck_assert_uint_eq(close_it(&ra, ep[i]),
					  VIRTIO_RDMA_S_INVALID_HANDLE);
		}
	}
}
END_TEST

START_TEST(handles_of_others)
{
	uint32_t ep = made(7), gone = made(8);
	struct virtio_rdma_cmd_connect c;

	ck_assert_uint_eq(close_it(&ra, gone), VIRTIO_RDMA_S_OK);
	ck_assert_uint_eq(close_it(&rb, ep), VIRTIO_RDMA_S_INVALID_HANDLE);
	ck_assert_uint_eq(close_it(&ra, qa.qp), VIRTIO_RDMA_S_INVALID_HANDLE);
#define WRONG(change, want)                                    \
	do {                                                   \
		c = request(ep);                               \
		change;                                        \
		ck_assert_uint_eq(raw_cmd(&ra, &c, sizeof(c)), \
				  VIRTIO_RDMA_S_##want);       \
	} while (0)
	WRONG(c.endpoint = vr_to_le32(gone), INVALID_HANDLE);
	WRONG(c.endpoint = vr_to_le32(qa.qp), INVALID_HANDLE);
	WRONG(c.endpoint = vr_to_le32(0xffffffff), INVALID_HANDLE);
	WRONG(c.local = right_one(7).addr, INVALID_PARAMETER);
	WRONG(c.local.port = vr_to_le16(7), INVALID_PARAMETER);
	WRONG(c.peer.family = VIRTIO_RDMA_AF_INET6, INVALID_PARAMETER);
	WRONG(c.qp = vr_to_le32(ep), INVALID_HANDLE);
	WRONG((void)0, CONNECTION_REFUSED);
#undef WRONG
	/* of a's, b knows none */
	c = request(ep);
	c.hdr.handle = vr_to_le32(connector(&rb));
	c.qp = vr_to_le32(qb.qp);
	c.peer.ip[3] = 1;
	ck_assert_uint_eq(raw_cmd(&rb, &c, sizeof(c)),
			  VIRTIO_RDMA_S_INVALID_HANDLE);
	ck_assert_uint_eq(create(7), VIRTIO_RDMA_S_ADDRESS_IN_USE);
	ck_assert_uint_eq(close_it(&ra, ep), VIRTIO_RDMA_S_OK);
	made(7); /* none of those kept it */
}
END_TEST

/* Closed under its connection, which goes on; the port is its until the end */
START_TEST(closed_under_a_connection)
{
	uint32_t ep = made(7), conn;
	struct virtio_rdma_send_wqe *w;

	conn = raw_connect_from(&ra, &qa, &rb, &qb, 1, ep);
	ck_assert_uint_eq(close_it(&ra, ep), VIRTIO_RDMA_S_OK);
	ck_assert_uint_eq(create(7), VIRTIO_RDMA_S_ADDRESS_IN_USE);
	raw_rqe(&qb, 0)->wr_id = vr_to_le64(5);
	raw_ring(&rb, &qb, 0, 1);
	w = raw_sqe(&qa, 0);
	w->opcode = VIRTIO_RDMA_OP_SEND;
	raw_ring(&ra, &qa, 1, 0);
	ck_assert_uint_eq(raw_cqe(&qa).status & ~VIRTIO_RDMA_CQE_PHASE,
			  VIRTIO_RDMA_WC_SUCCESS);
	ck_assert_uint_eq(raw_cqe(&qb).wr_id, 5);
	ck_assert_uint_eq(raw_simple(&ra, VIRTIO_RDMA_CMD_CLOSE_CONNECTOR,
				     conn),
			  VIRTIO_RDMA_S_OK);
	made(7);
}
END_TEST

/* A driver that goes in the middle leaves nothing behind */
START_TEST(reset_under_a_connection)
{
	for (int round = 0; round < 3; round++) {
		uint32_t ep = made(7);

		raw_connect_from(&ra, &qa, &rb, &qb, 1, ep);
		if (round == 1)
			ck_assert_uint_eq(close_it(&ra, ep), VIRTIO_RDMA_S_OK);
		raw_restart(&ra);
		raw_restart(&rb);
		raw_qp_make(&ra, &qa);
		raw_qp_make(&rb, &qb);
		ck_assert_uint_eq(close_it(&ra, ep),
				  VIRTIO_RDMA_S_INVALID_HANDLE);
	}
	for (int i = 0; i < MOST; i++)
		made((uint16_t)(7 + i));
}
END_TEST

int main(void)
{
	Suite *s = suite_create("hostile endpoints");
	TCase *tc = add_case(s, "endpoints", 60);

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, wrong_addresses);
	tcase_add_test(tc, as_many_as_there_may_be);
	tcase_add_test(tc, handles_of_others);
	tcase_add_test(tc, closed_under_a_connection);
	tcase_add_test(tc, reset_under_a_connection);
	return run_suite(s);
}
