/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test_local_cm.c - two guests, their connectors and the real local transport
 *
 * DOC: Both sides of a connection in one process.  Messages travel when
 * world_deliver() is called, so a test decides what crosses what.  The
 * teardown checks that nothing is left: connectors, ports, pairs, pipes.
 */
#include "cm_world.h"

#include "../../host-backend/local/local.h"

static struct guest *const A = &world.guest[0];
static struct guest *const B = &world.guest[1];
static uint32_t ah, bh; /* the connectors of A and B */
static uint32_t lh;	/* B's listener */
static unsigned int live;

#define QA   1
#define QB   2
#define PORT 4000

static void setup(void)
{
	live = local_live_count();
	world_setup();
	ah = bh = lh = 0;
}

static void teardown(void)
{
	world_teardown();
	ck_assert_uint_eq(local_live_count(), live);
}

static struct connector *ca(void)
{
	return world_find(A, ah);
}

static struct connector *cb(void)
{
	return world_find(B, bh);
}

static bool rest(uint32_t qp)
{
	return world_qp_rest(&world.qp[qp - 1]);
}

static uint32_t request_handle(void)
{
	return vr_from_le32(world.event[world.events - 1].handle);
}

/* A's request is at B */
static void requested(void)
{
	lh = world_listen(B, "10.0.0.2", PORT, 0);
	world_expect("OK");
	ah = world_connector(A, 11);
	world_connect(A, ah, QA, "10.0.0.2", PORT);
	world_deliver();
	world_expect("!REQUEST");
	bh = request_handle();
}

static void accepted(void)
{
	requested();
	world_accept(B, bh, QB);
	world_deliver();
	world_expect("OK");
	ck_assert_int_eq(ca()->state, CONN_ACCEPTED);
}

static void established(void)
{
	accepted();
	world_plain(cmd_complete_connect, A, ah);
	world_deliver();
	world_expect("OK OK");
	ck_assert_int_eq(ca()->state, CONN_ESTABLISHED);
	ck_assert_int_eq(cb()->state, CONN_ESTABLISHED);
}

static void disconnect(struct guest *g, uint32_t h)
{
	world_plain(cmd_disconnect, g, h);
}

static void close_conn(struct guest *g, uint32_t h)
{
	world_plain(cmd_close_connector, g, h);
}

/* ------------------------------------------------------------------- set-up */

START_TEST(request_has_all_facts)
{
	const struct virtio_rdma_event *ev = &world.event[0];
	struct be_addr peer;

	requested();
	ck_assert_ptr_eq(world.event_guest[0], B);
	ck_assert_uint_eq(ev->cookie, 99);
	ck_assert_uint_eq(vr_from_le32(ev->listener), lh);
	ck_assert_uint_eq(vr_from_le16(ev->local.port), PORT);
	ck_assert_uint_eq(ev->local.ip[3], 2);
	ck_assert_uint_eq(ev->peer.ip[3], 1);
	ck_assert_uint_ge(vr_from_le16(ev->peer.port), PORTS_EPHEMERAL_FIRST);
	ck_assert_uint_eq(vr_from_le16(ev->priv.length), 5);
	ck_assert_mem_eq(ev->priv.data, "hello\0\0", 7);
	ck_assert_uint_eq(vr_from_le32(ev->inbound_reads), 4);
	ck_assert_uint_eq(vr_from_le32(ev->outbound_reads), 8);
	ck_assert_int_eq(addr_from_abi(&ev->peer, false, &peer), 0);
}
END_TEST

START_TEST(answer_has_all_facts)
{
	const struct virtio_rdma_rsp_connect *rsp = &world.answer.rsp.connect;

	accepted();
	ck_assert_uint_eq(vr_from_le16(rsp->priv.length), 7);
	ck_assert_mem_eq(rsp->priv.data, "welcome\0", 8);
	ck_assert_uint_eq(vr_from_le16(rsp->peer.port), PORT);
	ck_assert_uint_ge(vr_from_le16(rsp->local.port), PORTS_EPHEMERAL_FIRST);
	ck_assert_uint_eq(vr_from_le32(rsp->inbound_reads), 5);
	ck_assert_uint_eq(vr_from_le32(rsp->outbound_reads), 4);
	ck_assert(!world.qp[QA - 1].connected);
	ck_assert(!world.qp[QB - 1].connected);
}
END_TEST

static void refused(const char *ip, uint16_t port)
{
	ah = world_connector(A, 1);
	world_connect(A, ah, QA, ip, port);
	world_expect("");
	world_deliver();
	world_expect("CONNECTION_REFUSED");
	ck_assert_int_eq(ca()->state, CONN_IDLE);
}

START_TEST(nobody_listens)
{
	refused("10.0.0.2", PORT);
}
END_TEST

START_TEST(wrong_port)
{
	world_listen(B, "10.0.0.2", PORT, 0);
	world_said();
	refused("10.0.0.2", PORT + 1);
}
END_TEST

START_TEST(any_address_and_family)
{
	world_listen(B, "::", PORT, 0);
	world_said();
	refused("10.0.0.2", PORT);
	world_connect(A, ah, QA, "fd00::2", PORT);
	world_deliver();
	world_expect("!REQUEST");
	/* the listener of every address is B's own affair: A has none */
	world_connect(B, world_connector(B, 1), 5, "fd00::1", PORT);
	world_deliver();
	world_expect("CONNECTION_REFUSED");
}
END_TEST

START_TEST(listen_port_zero)
{
	const struct virtio_rdma_rsp_listen *rsp = &world.answer.rsp.listen;

	lh = world_listen(B, "0.0.0.0", 0, 0);
	world_expect("OK");
	ck_assert_uint_ge(vr_from_le16(rsp->addr.port), PORTS_EPHEMERAL_FIRST);
	ah = world_connector(A, 1);
	world_connect(
		A, ah, QA, "10.0.0.2",
		handle_get(&B->listeners, lh)
			? ((struct listener *)handle_get(&B->listeners, lh))
				  ->endpoint->addr.port
			: 0);
	world_deliver();
	world_expect("!REQUEST");
}
END_TEST

/* A guest may connect to itself */
START_TEST(loopback)
{
	lh = world_listen(A, "10.0.0.1", PORT, 0);
	ah = world_connector(A, 1);
	world_connect(A, ah, QA, "10.0.0.1", PORT);
	world_deliver();
	bh = request_handle();
	world_accept(A, bh, QB);
	world_deliver();
	world_plain(cmd_complete_connect, A, ah);
	world_deliver();
	world_said();
	disconnect(A, ah);
	world_deliver();
	world_expect("!GRACEFUL");
	disconnect(A, bh);
	rest(QB);
	world_deliver();
	rest(QA);
	world_expect("OK OK");
}
END_TEST

START_TEST(reject_with_data)
{
	requested();
	world_reject(B, bh, "full");
	world_expect("OK");
	world_deliver();
	world_expect("CONNECTION_REFUSED");
	ck_assert_uint_eq(vr_from_le16(world.answer.rsp.connect.priv.length),
			  4);
	ck_assert_mem_eq(world.answer.rsp.connect.priv.data, "full", 5);
	ck_assert_int_eq(ca()->state, CONN_IDLE);
	ck_assert_int_eq(cb()->state, CONN_DISCONNECTED);
}
END_TEST

START_TEST(active_side_rejects)
{
	accepted();
	world_reject(A, ah, "changed my mind");
	world_expect("OK");
	world_deliver();
	world_expect("CONNECTION_REFUSED");
	ck_assert_int_eq(cb()->state, CONN_DISCONNECTED);
}
END_TEST

START_TEST(close_is_reject_passive)
{
	requested();
	close_conn(B, bh);
	world_expect("OK");
	world_deliver();
	world_expect("CONNECTION_REFUSED");
	ck_assert_ptr_null(cb());
}
END_TEST

START_TEST(close_is_reject_active)
{
	accepted();
	close_conn(A, ah);
	world_expect("OK");
	world_deliver();
	world_expect("CONNECTION_REFUSED");
}
END_TEST

START_TEST(close_while_connecting)
{
	requested();
	close_conn(A, ah);
	world_expect("CANCELLED OK");
	world_deliver();
	world_expect("");
	ck_assert_int_eq(cb()->state, CONN_ABANDONED);
	world_accept(B, bh, QB);
	world_expect("CONNECTION_ABORTED");
}
END_TEST

/* gone before anybody was asked: B never hears of it */
START_TEST(close_before_request_arrives)
{
	world_listen(B, "10.0.0.2", PORT, 0);
	ah = world_connector(A, 1);
	world_said();
	world_connect(A, ah, QA, "10.0.0.2", PORT);
	close_conn(A, ah);
	world_deliver();
	world_expect("CANCELLED OK");
	ck_assert_uint_eq(world.events, 0);
}
END_TEST

/* B's answer and A's giving up cross */
START_TEST(accept_crosses_timeout)
{
	requested();
	world_accept(B, bh, QB);
	ck_assert(world_expire(&ca()->deadline));
	world_expect("TIMED_OUT");
	world_deliver();
	world_expect("TIMED_OUT");
	ck_assert_int_eq(ca()->state, CONN_IDLE);
	ck_assert_int_eq(cb()->state, CONN_DISCONNECTED);
}
END_TEST

START_TEST(complete_crosses_timeout)
{
	accepted();
	ck_assert(world_expire(&cb()->deadline));
	world_plain(cmd_complete_connect, A, ah);
	world_expect("TIMED_OUT OK");
	world_deliver();
	world_expect("!TIMED_OUT");
	ck_assert_int_eq(ca()->state, CONN_ABORTED);
}
END_TEST

/* --------------------------------------------------------------- listeners */

static uint32_t extra(uint32_t qp)
{
	uint32_t h = world_connector(A, 1);

	world_connect(A, h, qp, "10.0.0.2", PORT);
	world_deliver();
	return h;
}

START_TEST(backlog)
{
	lh = world_listen(B, "10.0.0.2", PORT, 2);
	world_said();
	extra(3);
	world_expect("!REQUEST");
	bh = request_handle();
	extra(4);
	world_expect("!REQUEST");
	extra(5);
	world_expect("CONNECTION_REFUSED");
	/* an answer makes room; one that was given up does not, until closed */
	world_accept(B, bh, QB);
	world_deliver();
	world_said();
	extra(6);
	world_expect("!REQUEST");
	bh = request_handle();
	extra(7);
	world_expect("CONNECTION_REFUSED");
	close_conn(B, bh);
	world_deliver();
	world_said();
	extra(8);
	world_expect("!REQUEST");
}
END_TEST

START_TEST(backlog_of_device)
{
	world_listen(B, "10.0.0.2", PORT, 0);
	world_said();
	for (uint32_t i = 0; i < B->conf->max_backlog; i++)
		extra(3 + i);
	world_expect("!REQUEST !REQUEST !REQUEST !REQUEST");
	extra(20);
	world_expect("CONNECTION_REFUSED");
}
END_TEST

START_TEST(no_connector_left)
{
	B->conf = &world.conf[1];
	world.conf[1].max_backlog = 64;
	world_listen(B, "10.0.0.2", PORT, 64);
	for (int i = 0; i < 16; i++)
		world_connector(B, 1);
	world_said();
	extra(3);
	world_expect("CONNECTION_REFUSED");
}
END_TEST

static void control(uint32_t pause, uint32_t reserved, const char *expect)
{
	struct command *cmd = world_cmd(B, lh);

	cmd->req.control_listener.pause = vr_to_le32(pause);
	cmd->req.control_listener.reserved = vr_to_le32(reserved);
	cmd_control_listener(cmd);
	world_expect(expect);
}

START_TEST(pause_and_go_on)
{
	lh = world_listen(B, "10.0.0.2", PORT, 0);
	world_said();
	control(1, 0, "OK");
	extra(3);
	world_expect("CONNECTION_REFUSED");
	control(2, 0, "INVALID_PARAMETER");
	control(0, 1, "INVALID_PARAMETER");
	control(0, 0, "OK");
	extra(4);
	world_expect("!REQUEST");
	lh++;
	control(0, 0, "INVALID_HANDLE");
}
END_TEST

/* Busy until the listener and all that came in through it are closed */
START_TEST(endpoint_stays_busy)
{
	established();
	world_plain(cmd_close_listener, B, lh);
	world_expect("OK");
	world_plain(cmd_close_listener, B, lh);
	world_expect("INVALID_HANDLE");
	world_listen(B, "10.0.0.2", PORT, 0);
	world_expect("ADDRESS_IN_USE");
	world_listen(B, "0.0.0.0", PORT, 0);
	world_expect("ADDRESS_IN_USE");
	ah = world_connector(A, 1);
	world_connect(A, ah, 3, "10.0.0.2", PORT);
	world_deliver();
	world_expect("CONNECTION_REFUSED");
	close_conn(B, bh);
	rest(QB);
	world_deliver();
	world_said();
	world_listen(B, "10.0.0.2", PORT, 0);
	world_expect("OK");
}
END_TEST

START_TEST(listener_closes_with_requests)
{
	requested();
	world_plain(cmd_close_listener, B, lh);
	world_expect("OK");
	/* what was announced may still be accepted */
	world_accept(B, bh, QB);
	world_deliver();
	world_plain(cmd_complete_connect, A, ah);
	world_deliver();
	world_expect("OK OK OK");
}
END_TEST

/* closed between the request's start and its arrival */
START_TEST(listener_closes_before_arrival)
{
	lh = world_listen(B, "10.0.0.2", PORT, 0);
	ah = world_connector(A, 1);
	world_connect(A, ah, QA, "10.0.0.2", PORT);
	world_plain(cmd_close_listener, B, lh);
	world_deliver();
	world_expect("OK OK CONNECTION_REFUSED");
}
END_TEST

START_TEST(bad_listens)
{
	struct command *cmd;

	world_listen(B, "10.0.0.1", PORT, 0);
	world_expect("INVALID_ADDRESS");
	cmd = world_cmd(B, 1);
	cmd_listen(cmd);
	world_expect("INVALID_PARAMETER");
	cmd = world_cmd(B, 0);
	cmd_listen(cmd);
	world_expect("INVALID_PARAMETER");
	cmd = world_cmd(B, 0);
	cmd->req.listen.addr.family = VIRTIO_RDMA_AF_INET;
	cmd->req.listen.reserved = 1;
	cmd_listen(cmd);
	world_expect("INVALID_PARAMETER");
	for (uint16_t i = 0; i < 8; i++) {
		world_listen(B, "10.0.0.2", (uint16_t)(PORT + i), 0);
		world_expect("OK");
	}
	world_listen(B, "10.0.0.2", PORT + 8, 0);
	world_expect("NO_RESOURCES");
	/* and left nothing behind */
	ck_assert_uint_eq(guest_ports(B)->count, 8);
}
END_TEST

/* -------------------------------------------------------------- disconnect */

/* Demo step 4, and rule (a): the peer's consumer, not its transport, answers */
START_TEST(graceful)
{
	established();
	disconnect(A, ah);
	rest(QA);
	world_deliver();
	world_expect("!GRACEFUL");
	ck_assert_uint_eq(world.commands_out, 1);
	ck_assert_ptr_eq(world.event_guest[1], B);
	ck_assert_uint_eq(world.event[1].cookie, 77);
	disconnect(B, bh);
	world_expect("");
	rest(QB);
	world_expect("OK");
	world_deliver();
	world_expect("OK");
	ck_assert_int_eq(ca()->state, CONN_DISCONNECTED);
	ck_assert_int_eq(cb()->state, CONN_DISCONNECTED);
	disconnect(A, ah);
	world_expect("CONNECTION_INVALID");
	world_connect(A, ah, QA, "10.0.0.2", PORT);
	world_expect("CONNECTION_INVALID");
	world_connect(A, world_connector(A, 1), QA, "10.0.0.2", PORT);
	world_expect("CONNECTION_ACTIVE");
}
END_TEST

/* (d): both at the same time, and no indication */
START_TEST(crossing)
{
	established();
	disconnect(A, ah);
	disconnect(B, bh);
	world_deliver();
	world_expect("");
	rest(QA);
	world_expect("OK");
	rest(QB);
	world_expect("OK");
	ck_assert_uint_eq(world.events, 1); /* the request */
}
END_TEST

START_TEST(peer_closes_instead)
{
	established();
	disconnect(A, ah);
	rest(QA);
	world_deliver();
	world_said();
	close_conn(B, bh);
	rest(QB);
	world_deliver();
	world_expect("OK OK");
}
END_TEST

/* B closed before it could know of A's disconnect */
START_TEST(close_crosses_disconnect)
{
	established();
	close_conn(B, bh);
	rest(QB);
	world_expect("OK");
	disconnect(A, ah);
	rest(QA);
	world_deliver();
	world_expect("OK");
	ck_assert_uint_eq(world.events, 1);
}
END_TEST

START_TEST(close_is_a_reset)
{
	established();
	close_conn(B, bh);
	rest(QB);
	world_deliver();
	world_expect("OK !RESET");
	disconnect(A, ah);
	rest(QA);
	world_expect("CONNECTION_ABORTED");
}
END_TEST

START_TEST(close_with_disconnect_pending)
{
	established();
	disconnect(A, ah);
	world_deliver();
	world_said();
	close_conn(A, ah);
	world_expect("CANCELLED");
	rest(QA);
	world_expect("OK");
	world_deliver();
	disconnect(B, bh);
	rest(QB);
	world_expect("OK");
	ck_assert_uint_eq(world.events, 2);
}
END_TEST

/* The deadline, with a peer that stays silent: B has had its indication */
START_TEST(silent_peer)
{
	established();
	disconnect(A, ah);
	rest(QA);
	world_deliver();
	world_expect("!GRACEFUL");
	ck_assert(world_expire(&ca()->deadline));
	world_expect("TIMED_OUT");
	world_deliver();
	world_expect("");
	disconnect(B, bh);
	rest(QB);
	world_expect("OK");
	world_deliver();
	world_expect("");
}
END_TEST

START_TEST(peer_guest_gone)
{
	established();
	connector_reset_all(B);
	world_deliver();
	world_expect("!PEER_GONE");
	disconnect(A, ah);
	rest(QA);
	world_expect("CONNECTION_ABORTED");
}
END_TEST

START_TEST(peer_guest_gone_while_pending)
{
	established();
	disconnect(A, ah);
	rest(QA);
	connector_reset_all(B);
	world_deliver();
	world_expect("CONNECTION_ABORTED");
	ck_assert_uint_eq(world.events, 1);
}
END_TEST

START_TEST(broken_queue_pair)
{
	established();
	connector_qp_failed(ca(), VIRTIO_RDMA_R_LOCAL_ERROR);
	world_expect("!LOCAL_ERROR");
	rest(QA);
	world_deliver();
	world_expect("!RESET");
	rest(QB);
	world_deliver();
	world_expect("");
}
END_TEST

/* Broken at B under A's pending Disconnect is not the notification */
START_TEST(broken_peer_is_no_notification)
{
	established();
	connector_qp_failed(cb(), VIRTIO_RDMA_R_LOCAL_ERROR);
	rest(QB);
	disconnect(A, ah);
	rest(QA);
	world_said();
	world_deliver();
	world_expect("CONNECTION_ABORTED");
}
END_TEST

START_TEST(broken_then_closed_is_no_notification)
{
	established();
	connector_qp_failed(cb(), VIRTIO_RDMA_R_LOCAL_ERROR);
	close_conn(B, bh);
	rest(QB);
	disconnect(A, ah);
	rest(QA);
	world_said();
	world_deliver();
	world_expect("CONNECTION_ABORTED");
}
END_TEST

/* Port and queue pairs serve again after both are closed */
START_TEST(again_after_close)
{
	established();
	close_conn(A, ah);
	rest(QA);
	world_deliver();
	close_conn(B, bh);
	rest(QB);
	world_deliver();
	world_said();
	ah = world_connector(A, 1);
	world_connect(A, ah, 3, "10.0.0.2", PORT);
	world_deliver();
	world_expect("!REQUEST");
}
END_TEST

/* ------------------------------------------------------- every interleaving */

/*
 * Both sides disconnect, and one closes if it likes: in every order of the
 * calls, the deliveries and the two rests, both calls end, once each, well,
 * with at most one indication per side.
 */
static void interleave(unsigned int order)
{
	bool done[5] = {false};

	for (unsigned int left = 5; left; left--) {
		unsigned int pick = order % left;
		unsigned int i = 0;

		order /= left;
		for (;; i++)
			if (!done[i] && !pick--)
				break;
		done[i] = true;
		if (i == 0)
			disconnect(A, ah);
		else if (i == 1)
			disconnect(B, bh);
		else if (i == 2)
			rest(QA);
		else if (i == 3)
			rest(QB);
		else
			world_deliver();
	}
	for (int i = 0; i < 3; i++) {
		world_deliver();
		rest(QA);
		rest(QB);
	}
}

START_TEST(all_orders_of_disconnect)
{
	unsigned int answers;

	established();
	answers = world.answers;
	interleave((unsigned int)_i);
	ck_assert_uint_eq(world.answers, answers + 2);
	ck_assert_ptr_null(strstr(world.said, "CONNECTION"));
	ck_assert_ptr_null(strstr(world.said, "TIMED"));
	ck_assert_uint_le(world.events, 2);
	ck_assert_int_eq(ca()->state, CONN_DISCONNECTED);
	ck_assert_int_eq(cb()->state, CONN_DISCONNECTED);
}
END_TEST

/* Either guest goes at any point of the road: nothing is left of it */
static void (*const road[])(void) = {requested, accepted, established};

START_TEST(reset_on_the_road)
{
	struct guest *gone = _i % 2 ? A : B;

	road[_i / 2]();
	listener_reset_all(gone);
	connector_reset_all(gone);
	world_deliver();
	rest(QA);
	rest(QB);
	ck_assert_uint_eq(gone->connectors.used, 0);
	ck_assert_uint_eq(world.commands_out, 0);
}
END_TEST

static void add_setup_tests(TCase *t)
{
	tcase_add_test(t, request_has_all_facts);
	tcase_add_test(t, answer_has_all_facts);
	tcase_add_test(t, nobody_listens);
	tcase_add_test(t, wrong_port);
	tcase_add_test(t, any_address_and_family);
	tcase_add_test(t, listen_port_zero);
	tcase_add_test(t, loopback);
	tcase_add_test(t, reject_with_data);
	tcase_add_test(t, active_side_rejects);
	tcase_add_test(t, close_is_reject_passive);
	tcase_add_test(t, close_is_reject_active);
	tcase_add_test(t, close_while_connecting);
	tcase_add_test(t, close_before_request_arrives);
	tcase_add_test(t, accept_crosses_timeout);
	tcase_add_test(t, complete_crosses_timeout);
}

static void add_listener_tests(TCase *t)
{
	tcase_add_test(t, backlog);
	tcase_add_test(t, backlog_of_device);
	tcase_add_test(t, no_connector_left);
	tcase_add_test(t, pause_and_go_on);
	tcase_add_test(t, endpoint_stays_busy);
	tcase_add_test(t, listener_closes_with_requests);
	tcase_add_test(t, listener_closes_before_arrival);
	tcase_add_test(t, bad_listens);
}

static void add_disconnect_tests(TCase *t)
{
	tcase_add_test(t, graceful);
	tcase_add_test(t, crossing);
	tcase_add_test(t, peer_closes_instead);
	tcase_add_test(t, close_crosses_disconnect);
	tcase_add_test(t, close_is_a_reset);
	tcase_add_test(t, close_with_disconnect_pending);
	tcase_add_test(t, silent_peer);
	tcase_add_test(t, peer_guest_gone);
	tcase_add_test(t, peer_guest_gone_while_pending);
	tcase_add_test(t, broken_queue_pair);
	tcase_add_test(t, broken_peer_is_no_notification);
	tcase_add_test(t, broken_then_closed_is_no_notification);
	tcase_add_test(t, again_after_close);
	tcase_add_loop_test(t, all_orders_of_disconnect, 0, 120);
	tcase_add_loop_test(t, reset_on_the_road, 0, 6);
}

int main(void)
{
	static void (*const groups[])(TCase *) = {
		add_setup_tests,
		add_listener_tests,
		add_disconnect_tests,
	};
	static const char *const names[] = {"set-up", "listener", "disconnect"};
	Suite *s = suite_create("local_cm");
	SRunner *r;
	int failed;

	for (int i = 0; i < 3; i++) {
		TCase *t = tcase_create(names[i]);

		tcase_add_checked_fixture(t, setup, teardown);
		groups[i](t);
		suite_add_tcase(s, t);
	}
	r = srunner_create(s);
	srunner_run_all(r, CK_NORMAL);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
