/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test_connector.c - the connector machine against docs/states.md
 *
 * DOC: Brings a real connector into every row of the document's tables, gives
 * it every input, and compares what happened with the document's cell, word
 * by word: the answers in their order, "> STATE" for a step, "(i)", "(ii)" for
 * a condition that now holds, "!REASON" for each event.  A cell that the
 * document lacks, or has and the machine does not do, fails.  The wire is a
 * fake backend.
 */
#include <errno.h>

#include "cm_world.h"
#include "doc_table.h"

/* ------------------------------------------------------------- fake backend */

static struct {
	unsigned int conns;
	unsigned int connects, accepts, rejects, completes, disconnects;
	unsigned int aborts;
	enum virtio_rdma_reason reason; /* of the last abort */
	struct be_request request;
	struct be_read_limits limits;
	int fail; /* the next op answers this */
	unsigned int fail_more; /* and so many after it */
} wire;

struct be_conn {
	void *cm;
};

static int wire_fail(void)
{
	int err = wire.fail;

	if (wire.fail_more)
		wire.fail_more--;
	else
		wire.fail = 0;
	return err;
}

static struct be_conn *wire_conn(void)
{
	wire.conns++;
	return calloc(1, sizeof(struct be_conn));
}

static int w_start(struct backend *be, const struct be_cm_events *ev)
{
	(void)be;
	(void)ev;
	return 0;
}

static void w_shutdown(struct backend *be)
{
	(void)be;
}

static int w_listen(struct backend *be, const struct be_addr *addr,
		    uint32_t backlog, void *lst, struct be_listener **out)
{
	(void)be;
	(void)addr;
	(void)backlog;
	(void)lst;
	*out = NULL;
	return 0;
}

static void w_unlisten(struct be_listener *l)
{
	(void)l;
}

static int w_connect(struct backend *be, const struct be_request *req,
		     struct be_qp *qp, void *cm, struct be_conn **out)
{
	int err = wire_fail();

	(void)be;
	(void)qp;
	if (err)
		return err;
	wire.connects++;
	wire.request = *req;
	*out = wire_conn();
	(*out)->cm = cm;
	return 0;
}

static int w_accept(struct be_conn *c, const struct be_read_limits *limits,
		    const struct be_private *priv, struct be_qp *qp)
{
	(void)c;
	(void)priv;
	(void)qp;
	wire.accepts++;
	wire.limits = *limits;
	return wire_fail();
}

static int w_reject(struct be_conn *c, const struct be_private *priv)
{
	(void)c;
	(void)priv;
	wire.rejects++;
	return wire_fail();
}

static int w_complete(struct be_conn *c)
{
	(void)c;
	wire.completes++;
	return wire_fail();
}

static int w_disconnect(struct be_conn *c)
{
	(void)c;
	wire.disconnects++;
	return wire_fail();
}

static void w_abort(struct be_conn *c, enum virtio_rdma_reason reason)
{
	wire.aborts++;
	wire.reason = reason;
	wire.conns--;
	free(c);
}

static struct backend fake = {
	.name = "fake",
	.limits = { .caller_data = 64, .callee_data = 64 },
	.start = w_start,
	.shutdown = w_shutdown,
	.listen = w_listen,
	.unlisten = w_unlisten,
	.connect = w_connect,
	.accept = w_accept,
	.reject = w_reject,
	.complete = w_complete,
	.disconnect = w_disconnect,
	.abort = w_abort,
};

/* -------------------------------------------------- one connector, one state
 */

static struct guest *const A = &world.guest[0];
static uint32_t handle; /* of the connector under test */
static uint32_t listener;

#define QP 1

static void setup(void)
{
	world_setup();
	memset(&wire, 0, sizeof(wire));
	world.model.local = &fake;
	handle = 0;
}

static void teardown(void)
{
	world.model.local = &fake;
	world_teardown();
	ck_assert_uint_eq(wire.conns, 0);
}

static struct connector *conn(void)
{
	return world_find(A, handle);
}

static void input(enum connector_input in, const struct connector_event *ev)
{
	connector_input(conn(), in, ev);
}

static const struct be_private hi = {2, "hi"};
static const struct be_read_limits some = {3, 2};

static void wire_accepted(void)
{
	connector_events.accepted(conn(), &some, &hi);
}

static void to_idle(void)
{
	handle = world_connector(A, 5);
}

static void to_connecting(void)
{
	to_idle();
	world_connect(A, handle, QP, "10.0.0.2", 7);
}

static void to_accepted(void)
{
	to_connecting();
	wire_accepted();
}

static void to_requested(void)
{
	struct be_request req = {
		.local = world_addr("10.0.0.1", 7),
		.peer = world_addr("10.0.0.2", 50000),
		.limits = {4, 9},
		.priv = hi,
	};
	void *cm;

	listener = world_listen(A, "10.0.0.1", 7, 0);
	ck_assert_int_eq(listener_request(&((struct listener *)handle_get(
						    &A->listeners, listener))
						   ->part[0],
					  wire_conn(), &req, &cm),
			 0);
	handle = ((struct connector *)cm)->handle;
}

static void to_accepting(void)
{
	to_requested();
	world_accept(A, handle, QP);
}

static void to_established(void)
{
	to_accepted();
	world_plain(cmd_complete_connect, A, handle);
}

static void to_peer_disconnected(void)
{
	to_established();
	connector_events.disconnected(conn());
}

static void to_peer_disconnected_nd(void)
{
	world.qp[QP - 1].qp.flags = VIRTIO_RDMA_QP_FLUSH_ON_PEER_DISCONNECT;
	to_peer_disconnected();
}

static void to_aborted(void)
{
	to_established();
	connector_events.aborted(conn(), VIRTIO_RDMA_R_PEER_GONE);
}

static void to_aborted_rest(void)
{
	to_aborted();
	ck_assert(world_qp_rest(&world.qp[QP - 1]));
}

static void to_disconnecting(void)
{
	to_established();
	world_plain(cmd_disconnect, A, handle);
}

static void to_disconnecting_i(void)
{
	to_disconnecting();
	connector_events.disconnected(conn());
}

static void to_disconnecting_ii(void)
{
	to_disconnecting();
	ck_assert(world_qp_rest(&world.qp[QP - 1]));
}

static void to_abandoned(void)
{
	to_accepted();
	connector_events.aborted(conn(), VIRTIO_RDMA_R_RESET);
}

static void to_disconnected(void)
{
	to_disconnecting_i();
	ck_assert(world_qp_rest(&world.qp[QP - 1]));
}

static void to_closing(void)
{
	to_established();
	world_plain(cmd_close_connector, A, handle);
}

static const struct row {
	const char *name;
	void (*go)(void);
	enum connector_state state;
} rows[] = {
	{"IDLE", to_idle, CONN_IDLE},
	{"CONNECTING", to_connecting, CONN_CONNECTING},
	{"ACCEPTED", to_accepted, CONN_ACCEPTED},
	{"REQUESTED", to_requested, CONN_REQUESTED},
	{"ACCEPTING", to_accepting, CONN_ACCEPTING},
	{"ESTABLISHED", to_established, CONN_ESTABLISHED},
	{"PEER_DISCONNECTED", to_peer_disconnected, CONN_PEER_DISCONNECTED},
	{"PEER_DISCONNECTED, flushing", to_peer_disconnected_nd,
	 CONN_PEER_DISCONNECTED},
	{"ABORTED", to_aborted, CONN_ABORTED},
	{"ABORTED, at rest", to_aborted_rest, CONN_ABORTED},
	{"DISCONNECTING", to_disconnecting, CONN_DISCONNECTING},
	{"DISCONNECTING, (i) holds", to_disconnecting_i, CONN_DISCONNECTING},
	{"DISCONNECTING, (ii) holds", to_disconnecting_ii, CONN_DISCONNECTING},
	{"ABANDONED", to_abandoned, CONN_ABANDONED},
	{"DISCONNECTED", to_disconnected, CONN_DISCONNECTED},
	{"CLOSING", to_closing, CONN_CLOSING},
};

#define ROWS ((int)(sizeof(rows) / sizeof(rows[0])))

/* Inputs as they come from outside; a refused command needs sane contents */
static void give(enum connector_input in)
{
	switch (in) {
	case CIN_CONNECT:
		world_connect(A, handle, QP, "10.0.0.2", 7);
		break;
	case CIN_COMPLETE_CONNECT:
		world_plain(cmd_complete_connect, A, handle);
		break;
	case CIN_ACCEPT:
		world_accept(A, handle, QP);
		break;
	case CIN_REJECT:
		world_reject(A, handle, "no");
		break;
	case CIN_DISCONNECT:
		world_plain(cmd_disconnect, A, handle);
		break;
	case CIN_CLOSE:
		world_plain(cmd_close_connector, A, handle);
		break;
	case CIN_WIRE_ACCEPTED:
		wire_accepted();
		break;
	case CIN_WIRE_REJECTED:
		connector_events.rejected(conn(), &hi);
		break;
	case CIN_WIRE_UNREACHABLE:
		connector_events.unreachable(conn(), -EHOSTUNREACH);
		break;
	case CIN_WIRE_ESTABLISHED:
		connector_events.established(conn());
		break;
	case CIN_WIRE_DISCONNECTED:
		connector_events.disconnected(conn());
		break;
	case CIN_WIRE_ABORTED:
		connector_events.aborted(conn(), VIRTIO_RDMA_R_RESET);
		break;
	case CIN_QP_FAILED:
		connector_qp_failed(conn(), VIRTIO_RDMA_R_LOCAL_ERROR);
		break;
	case CIN_QP_STOPPED:
		if (!world_qp_rest(&world.qp[QP - 1]))
			input(in, &(struct connector_event){0});
		break;
	case CIN_DEADLINE:
		input(in, &(struct connector_event){0});
		break;
	case CIN_COUNT:
		break;
	}
}

/* A step, or a condition of D2 that became true and is remembered */
static void name_step(char *step, size_t size, const struct connector *before)
{
	const struct connector *c = conn();

	step[0] = 0;
	if (!c)
		snprintf(step, size, " > gone");
	else if (c->state != before->state)
		snprintf(step, size, " > %s", connector_state_name[c->state]);
	else if (c->peer_done && !before->peer_done)
		snprintf(step, size, " (i): %s", world_status_name[c->outcome]);
	else if (c->stopped && !before->stopped)
		snprintf(step, size, " (ii)");
}

/* What the machine did, in the document's words */
static const char *outcome(const struct connector *before)
{
	static char text[512];
	const char *said = world_said();
	const char *mark = strchr(said, '!');
	int words = mark ? (int)(mark - said) : (int)strlen(said);
	char step[64];

	name_step(step, sizeof(step), before);
	while (words && said[words - 1] == ' ')
		words--;
	snprintf(text, sizeof(text), "%.*s%s%s%s", words, said, step,
		 mark ? " " : "", mark ? mark : "");
	if (!text[0])
		return "-";
	return text[0] == ' ' ? text + 1 : text;
}

/* ---------------------------------------------------------- the document */

static int column_input(const char *name)
{
	for (int in = 0; in < CIN_COUNT; in++)
		if (strcmp(name, connector_input_name[in]) == 0)
			return in;
	return -1;
}

static int row_index(const char *name)
{
	for (int i = 0; i < ROWS; i++)
		if (strcmp(rows[i].name, name) == 0)
			return i;
	return -1;
}

static char doc[16][CIN_COUNT][96];

/* Tables whose first column is "state", up to the model's last one */
static void read_doc(void)
{
	FILE *f = fopen(doc_path(), "r");
	char line[1024];
	int columns[MAX_COLUMNS] = {0};
	bool in_table = false;
	char *cell[MAX_COLUMNS];

	ck_assert_msg(f, "cannot open %s", doc_path());
	memset(doc, 0, sizeof(doc));
	while (fgets(line, sizeof(line), f)) {
		int n = split_row(line, cell);

		if (!n) {
			in_table = false;
		} else if (strcmp(cell[0], "state") == 0) {
			in_table = true;
			for (int i = 1; i < n; i++)
				columns[i] = column_input(cell[i]);
		} else if (in_table && row_index(cell[0]) >= 0) {
			for (int i = 1; i < n; i++)
				if (columns[i] >= 0)
					snprintf(doc[row_index(cell[0])]
						    [columns[i]],
						 sizeof(doc[0][0]), "%s",
						 cell[i]);
		}
	}
	fclose(f);
}

/* VRDMA_PRINT_TABLE=1: what the document ought to say */
static void print_cell(int row, int in, const char *text)
{
	if (!getenv("VRDMA_PRINT_TABLE"))
		return;
	printf("CELL\t%s\t%s\t%s\n", rows[row].name, connector_input_name[in],
	       text);
	fflush(stdout);
}

START_TEST(every_pair)
{
	int row = _i / CIN_COUNT;
	enum connector_input in = (enum connector_input)(_i % CIN_COUNT);
	struct connector before;
	const char *got;

	read_doc();
	rows[row].go();
	(void)world_said();
	ck_assert_int_eq(conn()->state, rows[row].state);
	before = *conn();
	give(in);
	got = outcome(&before);
	print_cell(row, (int)in, got);
	ck_assert_msg(strcmp(got, doc[row][in]) == 0,
		      "%s in %s: the machine: \"%s\", the document: \"%s\"",
		      connector_input_name[in], rows[row].name, got,
		      doc[row][in]);
	/* whatever it was, a close works after it, and is the last word */
	if (conn() && !conn()->closing) {
		world_plain(cmd_close_connector, A, handle);
		world_qp_rest(&world.qp[QP - 1]);
	} else {
		world_qp_rest(&world.qp[QP - 1]);
	}
	ck_assert_ptr_null(conn());
	ck_assert_uint_eq(wire.conns, 0);
	ck_assert(!world.qp[QP - 1].reserved);
}
END_TEST

/* Every state is entered by a step of the rules only */
START_TEST(steps_are_checked)
{
	struct connector c = {.guest = A, .state = CONN_IDLE};

	log_limit_init(&A->log_limit, 0);
	for (int from = 0; from < CONN_STATE_COUNT; from++) {
		for (int to = 0; to < CONN_STATE_COUNT; to++) {
			bool ok = connector_step_allowed(
				(enum connector_state)from,
				(enum connector_state)to);

			c.state = (enum connector_state)from;
			ck_assert(connector_set_state(
					  &c, (enum connector_state)to) == ok);
			ck_assert_int_eq((int)c.state, ok ? to : from);
		}
	}
	ck_assert(!connector_step_allowed(CONN_DISCONNECTED, CONN_ESTABLISHED));
	ck_assert(!connector_step_allowed(CONN_ABORTED, CONN_ESTABLISHED));
	ck_assert(connector_step_allowed(CONN_ESTABLISHED, CONN_DISCONNECTING));
}
END_TEST

/* -------------------------------------------------------- single statements */

/* D2: neither condition alone */
START_TEST(disconnect_needs_both)
{
	to_disconnecting_i();
	ck_assert_uint_eq(world.commands_out, 1);
	world_said();
	world_qp_rest(&world.qp[QP - 1]);
	world_expect("OK");
	ck_assert_int_eq(wire.reason, VIRTIO_RDMA_R_NONE);
	ck_assert_uint_eq(wire.disconnects, 1);
}
END_TEST

START_TEST(deadline_still_waits_for_rest)
{
	to_disconnecting();
	world_said();
	ck_assert(world_expire(&conn()->deadline));
	ck_assert_uint_eq(world.commands_out, 1);
	world_qp_rest(&world.qp[QP - 1]);
	world_expect("TIMED_OUT");
	ck_assert_int_eq(wire.reason, VIRTIO_RDMA_R_TIMED_OUT);
}
END_TEST

START_TEST(notification_then_abort_is_success)
{
	to_disconnecting_i();
	world_said();
	connector_events.aborted(conn(), VIRTIO_RDMA_R_RESET);
	world_qp_rest(&world.qp[QP - 1]);
	world_expect("OK");
}
END_TEST

/* D9, (e): a failure is as final as a success, and comes once */
START_TEST(broken_fails_once)
{
	to_aborted_rest();
	world_said();
	world_plain(cmd_disconnect, A, handle);
	world_expect("CONNECTION_ABORTED");
	world_plain(cmd_disconnect, A, handle);
	world_expect("CONNECTION_INVALID");
}
END_TEST

START_TEST(broken_by_timeout_says_so)
{
	to_established();
	connector_events.aborted(conn(), VIRTIO_RDMA_R_TIMED_OUT);
	world_qp_rest(&world.qp[QP - 1]);
	world_said();
	world_plain(cmd_disconnect, A, handle);
	world_expect("TIMED_OUT");
}
END_TEST

/* The peer hears of a queue pair that broke, whatever our consumer does */
START_TEST(broken_qp_tells_the_peer)
{
	to_established();
	connector_qp_failed(conn(), VIRTIO_RDMA_R_LOCAL_ERROR);
	ck_assert_uint_eq(wire.aborts, 0);
	world_qp_rest(&world.qp[QP - 1]);
	ck_assert_uint_eq(wire.aborts, 1);
	ck_assert_int_eq(wire.reason, VIRTIO_RDMA_R_LOCAL_ERROR);
}
END_TEST

/* NDKPI keeps the queues, NDSPI flushes after the indication */
START_TEST(policy_of_peer_disconnect)
{
	to_peer_disconnected();
	ck_assert(world.qp[QP - 1].detached);
	ck_assert_ptr_null(world.qp[QP - 1].done);
	ck_assert_uint_eq(world.events, 1);
	ck_assert_uint_eq(world.event[0].cookie, 5);
	ck_assert_uint_eq(vr_from_le32(world.event[0].handle), handle);
}
END_TEST

START_TEST(policy_of_peer_disconnect_nd)
{
	to_peer_disconnected_nd();
	ck_assert(!world.qp[QP - 1].detached);
	ck_assert_ptr_nonnull(world.qp[QP - 1].done);
}
END_TEST

START_TEST(early_disconnect_establishes_first)
{
	to_accepting();
	world_said();
	connector_events.disconnected(conn());
	world_expect("OK !GRACEFUL");
	ck_assert(world.qp[QP - 1].connected);
}
END_TEST

START_TEST(close_drops_events)
{
	to_aborted();
	world_said();
	world_plain(cmd_close_connector, A, handle);
	ck_assert_uint_eq(world.dropped, 1);
	world_expect("");
	world_qp_rest(&world.qp[QP - 1]);
	world_expect("OK");
}
END_TEST

START_TEST(backend_errors)
{
	static const struct {
		int err;
		const char *said;
	} cases[] = {
		{-ENETUNREACH, "NETWORK_UNREACHABLE"},
		{-EHOSTUNREACH, "HOST_UNREACHABLE"},
		{-EADDRINUSE, "ADDRESS_IN_USE"},
		{-EEXIST, "CONNECTION_EXISTS"},
		{-ENOMEM, "NO_RESOURCES"},
		{-ECONNREFUSED, "CONNECTION_REFUSED"},
		{-EIO, "INTERNAL_ERROR"},
	};

	to_idle();
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		wire.fail = cases[i].err;
		if (cases[i].err == -EADDRINUSE || cases[i].err == -EEXIST)
			wire.fail_more = PORTS_TRIES - 1;
		world_connect(A, handle, QP, "10.0.0.2", 7);
		world_expect(cases[i].said);
		ck_assert_int_eq(conn()->state, CONN_IDLE);
		ck_assert(!world.qp[QP - 1].reserved);
		ck_assert_uint_eq(guest_ports(A)->count, 0);
	}
	world_connect(A, handle, QP, "10.0.0.2", 7);
	ck_assert_int_eq(conn()->state, CONN_CONNECTING);
}
END_TEST

/* A port that the guest has free and the fabric not: the next one, unless the
 * consumer wants this one */
START_TEST(ports_of_the_fabric)
{
	struct command *cmd;
	struct be_addr local = world_addr("10.0.0.1", 4000);
	struct be_addr peer = world_addr("10.0.0.2", 7);

	to_idle();
	wire.fail = -EADDRINUSE;
	wire.fail_more = 2;
	world_connect(A, handle, QP, "10.0.0.2", 7);
	ck_assert_int_eq(conn()->state, CONN_CONNECTING);
	ck_assert_uint_eq(wire.request.local.port, PORTS_EPHEMERAL_FIRST + 3);
	ck_assert_uint_eq(guest_ports(A)->count, 1);

	handle = world_connector(A, 5);
	wire.fail = -EADDRINUSE;
	cmd = world_cmd(A, handle);
	cmd->req.connect.qp = vr_to_le32(QP + 1);
	addr_to_abi(&local, &cmd->req.connect.local);
	addr_to_abi(&peer, &cmd->req.connect.peer);
	cmd_connect(cmd);
	world_expect("ADDRESS_IN_USE");
	ck_assert_uint_eq(guest_ports(A)->count, 1);
}
END_TEST

START_TEST(late_legs_fail)
{
	to_accepted();
	world_said();
	wire.fail = -ECONNABORTED;
	world_plain(cmd_complete_connect, A, handle);
	world_expect("CONNECTION_ABORTED");
	ck_assert_int_eq(conn()->state, CONN_DISCONNECTED);
	ck_assert(!world.qp[QP - 1].reserved);
}
END_TEST

START_TEST(late_accept_fails)
{
	to_requested();
	world_said();
	wire.fail = -ECONNABORTED;
	world_accept(A, handle, QP);
	world_expect("CONNECTION_ABORTED");
	ck_assert_int_eq(conn()->state, CONN_DISCONNECTED);
}
END_TEST

/* Connect may be tried again, and the queue pair is as new */
START_TEST(retry_after_refusal)
{
	to_connecting();
	connector_events.rejected(conn(), &hi);
	world_expect("CONNECTION_REFUSED");
	ck_assert_uint_eq(vr_from_le16(world.answer.rsp.connect.priv.length),
			  2);
	ck_assert_mem_eq(world.answer.rsp.connect.priv.data, "hi", 3);
	ck_assert_int_eq(wire.reason, VIRTIO_RDMA_R_NONE);
	world_connect(A, handle, QP, "10.0.0.2", 7);
	ck_assert_int_eq(conn()->state, CONN_CONNECTING);
}
END_TEST

START_TEST(reset_in_every_row)
{
	rows[_i].go();
	listener_reset_all(A);
	connector_reset_all(A);
	ck_assert_uint_eq(A->connectors.used, 0);
	ck_assert_uint_eq(world.commands_out, 0);
	ck_assert_uint_eq(wire.conns, 0);
	ck_assert_uint_eq(guest_ports(A)->count, 0);
	/* and the queue pair's answer, still under way, finds nobody */
	ck_assert(!world_qp_rest(&world.qp[QP - 1]));
}
END_TEST

/* ------------------------------------------------------------- bad requests */

static struct command *bad_connect(void)
{
	struct command *cmd = world_cmd(A, handle);
	struct be_addr peer = world_addr("10.0.0.2", 7);

	cmd->req.connect.qp = vr_to_le32(QP);
	addr_to_abi(&peer, &cmd->req.connect.peer);
	return cmd;
}

#define BAD(change, text)                                                      \
	do {                                                                   \
		struct command *cmd = bad_connect();                           \
		struct virtio_rdma_cmd_connect *r = &cmd->req.connect;         \
									\
		change;                                                        \
		cmd_connect(cmd);                                              \
		world_expect(text);                                            \
		ck_assert_int_eq(conn()->state, CONN_IDLE);                    \
		ck_assert_uint_eq(guest_ports(A)->count, 0);                   \
		ck_assert(!world.qp[QP - 1].reserved);                         \
	} while (0)

START_TEST(bad_connects)
{
	to_idle();
	BAD(r->endpoint = vr_to_le32(1), "INVALID_HANDLE");
	BAD(r->qp = vr_to_le32(4000), "INVALID_HANDLE");
	BAD(r->peer.family = 5, "INVALID_PARAMETER");
	BAD(r->peer.family = 0, "INVALID_PARAMETER");
	BAD(memset(&r->peer, 0, sizeof(r->peer)), "INVALID_PARAMETER");
	BAD(r->peer.reserved = 1, "INVALID_PARAMETER");
	BAD(r->peer.ip[4] = 1, "INVALID_PARAMETER");
	BAD(r->peer.port = 0, "INVALID_PARAMETER");
	BAD(memset(r->peer.ip, 0, 16), "INVALID_ADDRESS");
	BAD(r->peer.ip[0] = 9, "NETWORK_UNREACHABLE");
	BAD(r->local.port = 1, "INVALID_PARAMETER");
	BAD(r->local.family = VIRTIO_RDMA_AF_INET6, "INVALID_PARAMETER");
	BAD((r->local = r->peer, r->local.port = 0), "INVALID_ADDRESS");
	BAD(r->priv.reserved[2] = 1, "INVALID_PARAMETER");
	BAD(r->priv.length = vr_to_le16(65), "BUFFER_SIZE");
	BAD(r->priv.length = vr_to_le16(0xffff), "BUFFER_SIZE");
	world_plain(cmd_connect, A, handle + 1);
	world_expect("INVALID_HANDLE");
	world_plain(cmd_connect, &world.guest[1], handle);
	world_expect("INVALID_HANDLE");
}
END_TEST

START_TEST(bad_accepts)
{
	struct command *cmd;

	to_requested();
	world_said();
	cmd = world_cmd(A, handle);
	cmd->req.accept.reserved = 1;
	cmd_accept(cmd);
	world_expect("INVALID_PARAMETER");
	cmd = world_cmd(A, handle);
	cmd->req.accept.priv.length = vr_to_le16(65);
	cmd_accept(cmd);
	world_expect("BUFFER_SIZE");
	cmd = world_cmd(A, handle);
	cmd_accept(cmd);
	world_expect("INVALID_HANDLE");
	cmd = world_cmd(A, handle);
	cmd->req.reject.priv.length = vr_to_le16(65);
	cmd_reject(cmd);
	world_expect("BUFFER_SIZE");
	/* none of it hurt */
	world_accept(A, handle, QP);
	connector_events.established(conn());
	world_expect("OK");
}
END_TEST

/* in effect = the least of mine, the adapter's and what the peer gives */
START_TEST(read_limits_passive)
{
	to_requested();
	ck_assert_uint_eq(vr_from_le32(world.event[0].inbound_reads), 9);
	ck_assert_uint_eq(vr_from_le32(world.event[0].outbound_reads), 4);
	world_accept(A, handle, QP); /* asks for 6, 5 */
	ck_assert_uint_eq(wire.limits.inbound, 6);
	ck_assert_uint_eq(wire.limits.outbound, 4);
	connector_events.established(conn());
	ck_assert_uint_eq(vr_from_le32(world.answer.rsp.accept.inbound_reads),
			  6);
	ck_assert_uint_eq(vr_from_le32(world.answer.rsp.accept.outbound_reads),
			  4);
}
END_TEST

START_TEST(read_limits_active)
{
	A->conf = &world.conf[0];
	world.conf[0].max_inbound_reads = 7;
	to_connecting(); /* asks for 8, 4 */
	ck_assert_uint_eq(wire.request.limits.inbound, 7);
	ck_assert_uint_eq(wire.request.limits.outbound, 4);
	wire_accepted(); /* peer: in 3, out 2 */
	ck_assert_uint_eq(vr_from_le32(world.answer.rsp.connect.inbound_reads),
			  2);
	ck_assert_uint_eq(vr_from_le32(world.answer.rsp.connect.outbound_reads),
			  3);
}
END_TEST

START_TEST(connector_limit)
{
	for (int i = 0; i < 16; i++)
		world_connector(A, 1);
	world_plain(cmd_create_connector, A, 0);
	world_expect("NO_RESOURCES");
	world_plain(cmd_create_connector, A, 7);
	world_expect("INVALID_PARAMETER");
}
END_TEST

int main(void)
{
	Suite *s = suite_create("connector");
	TCase *t = tcase_create("table");
	SRunner *r;
	int failed;

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_loop_test(t, every_pair, 0, ROWS * CIN_COUNT);
	tcase_add_test(t, steps_are_checked);
	suite_add_tcase(s, t);
	t = tcase_create("rules");
	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, disconnect_needs_both);
	tcase_add_test(t, deadline_still_waits_for_rest);
	tcase_add_test(t, notification_then_abort_is_success);
	tcase_add_test(t, broken_fails_once);
	tcase_add_test(t, broken_by_timeout_says_so);
	tcase_add_test(t, broken_qp_tells_the_peer);
	tcase_add_test(t, policy_of_peer_disconnect);
	tcase_add_test(t, policy_of_peer_disconnect_nd);
	tcase_add_test(t, early_disconnect_establishes_first);
	tcase_add_test(t, close_drops_events);
	tcase_add_test(t, backend_errors);
	tcase_add_test(t, ports_of_the_fabric);
	tcase_add_test(t, late_legs_fail);
	tcase_add_test(t, late_accept_fails);
	tcase_add_test(t, retry_after_refusal);
	tcase_add_loop_test(t, reset_in_every_row, 0, ROWS);
	tcase_add_test(t, bad_connects);
	tcase_add_test(t, bad_accepts);
	tcase_add_test(t, read_limits_passive);
	tcase_add_test(t, read_limits_active);
	tcase_add_test(t, connector_limit);
	suite_add_tcase(s, t);
	r = srunner_create(s);
	srunner_run_all(r, CK_NORMAL);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
