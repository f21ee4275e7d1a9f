/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test_core_states.c - the connector as its consumer sees it, against
 * docs/states.md: every state and call, through the real core
 *
 * DOC: The document's tables whose first column is "core state" are read; each
 * cell is compared with what the core did.  VRDMA_PRINT_TABLE=1 prints what
 * the document ought to say.
 */
#include "core_fake.h"
#include "doc_table.h"

/* --- callbacks, in the order in which they came ----------------------------------- */

struct mark {
	int calls;
	NTSTATUS status;
	int at;			/* its place among all callbacks */
};

static int callbacks;

static void mark(void *ctx, NTSTATUS status)
{
	struct mark *m = ctx;

	ck_assert_msg(!fake.locked, "callback with the lock held");
	m->calls++;
	m->status = status;
	m->at = ++callbacks;
}

static VOID marked(PVOID ctx, NTSTATUS status)
{
	mark(ctx, status);
}

static VOID mark_event(PVOID ctx, ULONG reason)
{
	mark(ctx, (NTSTATUS)reason);
}

static VOID mark_close(PVOID ctx)
{
	mark(ctx, STATUS_SUCCESS);
}

/* --- a rig --------------------------------------------------------------------------- */

static struct rig {
	NDK_ADAPTER *a;
	NDK_PD *pd;
	NDK_CQ *cq;
	NDK_QP *qp;
	NDK_CONNECTOR *conn;
	NDK_LISTENER *listener;
	uint16_t held;		/* opcode of the request under way, or 0 */
	struct mark first, again, event, close, qp_close;
	bool closing, closed, qp_closing;
} r;

static struct nd_sockaddr_in dest = { .family = ND_AF_INET,
				      .port = { 0x12, 0x34 },
				      .addr = { 10, 0, 0, 2 } };

static struct vrc_connector *core_conn(void)
{
	return VRC_CONTAINER(obj_of(r.conn), struct vrc_connector, obj);
}

/* --- calls ----------------------------------------------------------------------------- */

static NTSTATUS connect_with(struct mark *m)
{
	return r.conn->Dispatch->NdkConnect(r.conn, r.qp, NULL, 0,
					    (void *)&dest, sizeof(dest), 1, 1,
					    NULL, 0, marked, m);
}

static NTSTATUS complete_with(struct mark *m)
{
	return r.conn->Dispatch->NdkCompleteConnectEx(r.conn, mark_event,
						      &r.event, marked, m);
}

static NTSTATUS accept_with(struct mark *m)
{
	return r.conn->Dispatch->NdkAcceptEx(r.conn, r.qp, 1, 1, NULL, 0,
					     mark_event, &r.event, marked, m);
}

static NTSTATUS disconnect_with(struct mark *m)
{
	return r.conn->Dispatch->NdkDisconnect(r.conn, marked, m);
}

static NTSTATUS call_connect(void)
{
	return connect_with(&r.again);
}

static NTSTATUS call_complete(void)
{
	return complete_with(&r.again);
}

static NTSTATUS call_accept(void)
{
	return accept_with(&r.again);
}

static NTSTATUS call_disconnect(void)
{
	return disconnect_with(&r.again);
}

static NTSTATUS call_reject(void)
{
	return r.conn->Dispatch->NdkReject(r.conn, NULL, 0);
}

static NTSTATUS call_get_data(void)
{
	ULONG len = 0;

	return r.conn->Dispatch->NdkGetConnectionData(r.conn, NULL, NULL, NULL,
						      &len);
}

/* The device ends what is under way, then answers the close */
static void cancel_held(void)
{
	if (r.held)
		fake_release(r.held, VIRTIO_RDMA_S_CANCELLED);
	r.held = 0;
}

static NTSTATUS call_close(void)
{
	NTSTATUS st = r.conn->Dispatch->NdkCloseConnector(&r.conn->Header,
							  mark_close, &r.close);

	if (r.closing)
		return st;	/* the second */
	r.closing = true;
	r.closed = st == STATUS_SUCCESS;
	cancel_held();
	return st;
}

static NTSTATUS call_close_qp(void)
{
	r.qp_closing = true;
	return r.qp->Dispatch->NdkCloseQp(&r.qp->Header, mark_close,
					  &r.qp_close);
}

#define NO_STATUS ((NTSTATUS)1)

static NTSTATUS call_cancel(void)
{
	bool any = r.held && !r.closing;

	vrdma_connector_cancel(r.conn);
	if (any)
		cancel_held();
	return NO_STATUS;
}

static uint8_t data[16];
static const NDK_SGE sge = { .VirtualAddress = data, .Length = sizeof(data),
			     .MemoryRegionToken = 5 };

static NTSTATUS call_send(void)
{
	return r.qp->Dispatch->NdkSend(r.qp, NULL, &sge, 1, 0);
}

static NTSTATUS call_receive(void)
{
	return r.qp->Dispatch->NdkReceive(r.qp, NULL, &sge, 1);
}

/* The device's event; it may be ahead of the answer of the request that sets
 * the callback up */
static NTSTATUS peer_disconnects(void)
{
	struct vrc_obj *o = obj_of(r.conn);
	struct virtio_rdma_event ev = {
		.type = vr_to_le16(VIRTIO_RDMA_EV_DISCONNECTED),
		.handle = vr_to_le32(o->handle),
		.cookie = vr_to_le64(o->cookie),
		.reason = vr_to_le32(VIRTIO_RDMA_R_GRACEFUL),
	};

	fake_event(&ev);
	ck_assert_int_eq(r.first.calls && r.held, 0);
	if (r.held == VIRTIO_RDMA_CMD_ACCEPT ||
	    r.held == VIRTIO_RDMA_CMD_COMPLETE_CONNECT) {
		ck_assert_int_eq(r.event.calls, 0);
		fake.hold[r.held] = false;
		r.held = 0;
	}
	return NO_STATUS;
}

static NTSTATUS device_lost(void)
{
	fake_lose();
	r.held = 0;
	return NO_STATUS;
}

static const struct {
	const char *name;
	NTSTATUS (*call)(void);
} calls[] = {
	{ "Connect", call_connect },
	{ "CompleteConnect", call_complete },
	{ "Accept", call_accept },
	{ "Reject", call_reject },
	{ "GetConnectionData", call_get_data },
	{ "Disconnect", call_disconnect },
	{ "cancel", call_cancel },
	{ "CloseConnector", call_close },
	{ "CloseQp", call_close_qp },
	{ "Send", call_send },
	{ "Receive", call_receive },
	{ "peer disconnects", peer_disconnects },
	{ "device lost", device_lost },
};
#define CALLS (int)VRC_ARRAY_SIZE(calls)

/* --- into each state ----------------------------------------------------------------------- */

static VOID on_connect(PVOID ctx, NDK_CONNECTOR *conn)
{
	(void)ctx;
	r.conn = conn;
}

static void hold(uint16_t opcode)
{
	fake.hold[opcode] = true;
	r.held = opcode;
}

static void go_idle(void)
{
	r.conn = make_connector(r.a);
}

static void go_connecting(void)
{
	go_idle();
	hold(VIRTIO_RDMA_CMD_CONNECT);
	connect_with(&r.first);
	fake_run();
}

static void go_replied(void)
{
	struct mark m = { 0 };

	go_idle();
	connect_with(&m);
	fake_run();
}

static void go_completing(void)
{
	go_replied();
	hold(VIRTIO_RDMA_CMD_COMPLETE_CONNECT);
	complete_with(&r.first);
	fake_run();
}

static void go_incoming(void)
{
	struct virtio_rdma_event ev = {
		.type = vr_to_le16(VIRTIO_RDMA_EV_CONNECT_REQUEST),
		.handle = vr_to_le32(900),
	};
	struct call c = { 0 };

	r.a->Dispatch->NdkCreateListener(r.a, on_connect, NULL, on_create, &c,
					 &r.listener);
	r.listener->Dispatch->NdkListen(r.listener, (void *)&dest, sizeof(dest),
					on_request, &c);
	fake_run();
	ev.cookie = vr_to_le64(obj_of(r.listener)->cookie);
	ev.listener = vr_to_le32(obj_of(r.listener)->handle);
	fake_event(&ev);
	ck_assert_ptr_nonnull(r.conn);
}

static void go_accepting(void)
{
	go_incoming();
	hold(VIRTIO_RDMA_CMD_ACCEPT);
	accept_with(&r.first);
	fake_run();
}

static void go_established(void)
{
	struct mark m = { 0 };

	go_replied();
	complete_with(&m);
	fake_run();
}

static void go_indicated(void)
{
	go_established();
	peer_disconnects();
}

static void go_disconnecting(void)
{
	go_established();
	hold(VIRTIO_RDMA_CMD_DISCONNECT);
	disconnect_with(&r.first);
	fake_run();
}

static void go_over(void)
{
	struct mark m = { 0 };

	go_established();
	disconnect_with(&m);
	fake_run();
}

static void go_closing(void)
{
	go_established();
	call_close();
	hold(VIRTIO_RDMA_CMD_CLOSE_CONNECTOR);
	fake_run();
}

/* qp: what the device writes into the queue pair's record by then */
static const struct {
	const char *name;
	enum vrc_conn_state state;
	void (*go)(void);
	uint32_t qp;
} rows[] = {
#define ROW(name, go, qp) { #name, VRC_CONN_##name, go, VIRTIO_RDMA_QP_##qp }
	ROW(IDLE, go_idle, INIT),
	ROW(CONNECTING, go_connecting, INIT),
	ROW(REPLIED, go_replied, INIT),
	ROW(COMPLETING, go_completing, INIT),
	ROW(INCOMING, go_incoming, INIT),
	ROW(ACCEPTING, go_accepting, INIT),
	ROW(ESTABLISHED, go_established, CONNECTED),
	ROW(INDICATED, go_indicated, CONNECTED),
	ROW(DISCONNECTING, go_disconnecting, CONNECTED),
	ROW(OVER, go_over, ERROR),
	ROW(CLOSING, go_closing, CONNECTED),
#undef ROW
};
#define ROWS (int)VRC_ARRAY_SIZE(rows)

static const char *row_name(enum vrc_conn_state s)
{
	for (int i = 0; i < ROWS; i++)
		if (rows[i].state == s)
			return rows[i].name;
	return "?";
}

static void set_record(uint32_t state)
{
	struct vrdma_qp_layout l;
	struct virtio_rdma_qp_record *record;

	vrdma_qp_layout(r.qp, &l);
	record = l.buffer->va;
	record->state = vr_to_le32(state);
}

static void rig_open(int row)
{
	memset(&r, 0, sizeof(r));
	callbacks = 0;
	fake_start();
	r.a = open_adapter(0);
	r.pd = make_pd(r.a);
	r.cq = make_cq(r.a, 16, NULL, NULL);
	r.qp = make_qp(r.pd, r.cq, 4);
	rows[row].go();
	set_record(rows[row].qp);
	ck_assert_msg(core_conn()->state == rows[row].state, "%s is %s",
		      rows[row].name, vrc_conn_name(core_conn()->state));
}

/* Whatever state it is in, everything closes and nothing is left */
static void rig_close(void)
{
	if (!r.closing)
		call_close();
	memset(fake.hold, 0, sizeof(fake.hold));
	fake_run();
	ck_assert_int_eq(r.close.calls, !r.closed);
	if (!r.qp_closing)
		call_close_qp();
	fake_run();
	if (r.listener)
		close_now(r.listener);
	close_now(r.cq);
	close_now(r.pd);
	vrdma_close_adapter(r.a);
	fake_end();
	ck_assert_int_le(r.event.calls, 1);
	ck_assert_int_le(r.qp_close.calls, 1);
	/* the last callback of the connector */
	if (r.close.calls) {
		ck_assert_int_gt(r.close.at, r.first.at);
		ck_assert_int_gt(r.close.at, r.again.at);
		ck_assert_int_gt(r.close.at, r.event.at);
	}
}

/* --- what it did, in words ---------------------------------------------------------------- */

static const struct {
	NTSTATUS status;
	const char *name;
} names[] = {
#define NAME(s) { STATUS_##s, #s }
	NAME(SUCCESS), NAME(PENDING), NAME(CONNECTION_INVALID),
	NAME(INVALID_DEVICE_STATE), NAME(DEVICE_REMOVED), NAME(CANCELLED),
	NAME(CONNECTION_ACTIVE), NAME(CONNECTION_ABORTED),
#undef NAME
};

static const char *status_name(NTSTATUS st)
{
	for (size_t i = 0; i < VRC_ARRAY_SIZE(names); i++)
		if (names[i].status == st)
			return names[i].name;
	return "?";
}

static void add(char *text, size_t size, const char *fmt, const char *word)
{
	size_t n = strlen(text);

	if (n)
		text[n++] = ' ';
	snprintf(text + n, size - n, fmt, word);
}

static const char *reason_name(NTSTATUS reason)
{
	return reason == (NTSTATUS)VIRTIO_RDMA_R_GRACEFUL ? "!GRACEFUL" :
	       reason == (NTSTATUS)VIRTIO_RDMA_R_DEVICE_RESET ?
							    "!DEVICE_RESET" :
							    "!?";
}

/* "PENDING" is followed by what the completion said; "(...)" is the request
 * that was under way; "closed" is a close that has ended */
static const char *outcome(int row, int call)
{
	static char text[128];
	struct rig before = r;
	NTSTATUS st;

	text[0] = 0;
	st = calls[call].call();
	fake_run();
	if (st != NO_STATUS)
		add(text, sizeof(text), "%s", status_name(st));
	if (r.first.calls != before.first.calls)
		add(text, sizeof(text), "(%s)", status_name(r.first.status));
	if (r.again.calls)
		add(text, sizeof(text), "%s", status_name(r.again.status));
	if (r.event.calls != before.event.calls)
		add(text, sizeof(text), "%s", reason_name(r.event.status));
	if (r.close.calls != before.close.calls || r.qp_close.calls)
		add(text, sizeof(text), "%s", "closed");
	if (!r.close.calls && !r.closed &&
	    core_conn()->state != rows[row].state)
		add(text, sizeof(text), "> %s",
		    row_name(core_conn()->state));
	return text[0] ? text : "-";
}

/* --- the document */

/* The cell of a "core state" table, or NULL */
static const char *documented(const char *row, const char *column)
{
	static char line[1024];
	char *cell[MAX_COLUMNS];
	FILE *f = fopen(doc_path(), "r");
	const char *found = NULL;
	int at = 0;

	ck_assert_msg(f, "cannot open %s", doc_path());
	while (!found && fgets(line, sizeof(line), f)) {
		int n = split_row(line, cell);

		if (!n)
			at = 0;
		if (n && !strcmp(cell[0], "core state"))
			for (int i = 1; i < n; i++)
				at = strcmp(cell[i], column) ? at : i;
		else if (at && n > at && !strcmp(cell[0], row))
			found = cell[at];
	}
	fclose(f);
	return found;
}

START_TEST(every_state_and_call)
{
	int row = _i / CALLS, call = _i % CALLS;
	const char *want = documented(rows[row].name, calls[call].name);
	const char *got;

	rig_open(row);
	got = outcome(row, call);
	if (getenv("VRDMA_PRINT_TABLE"))
		printf("CELL\t%s\t%s\t%s\n", rows[row].name, calls[call].name,
		       got);
	ck_assert_msg(want && !strcmp(got, want),
		      "%s in %s: the core: \"%s\", the document: \"%s\"",
		      calls[call].name, rows[row].name, got,
		      want ? want : "nothing");
	rig_close();
}
END_TEST

/* The steps of the document are those of the code, and the other way round */
START_TEST(every_step)
{
	const char *doc = documented(rows[_i].name, "may become");
	char text[256] = "";

	ck_assert_int_eq(ROWS, VRC_CONN_STATES);
	for (int to = 0; to < ROWS; to++)
		if (vrc_conn_may(rows[_i].state, rows[to].state))
			add(text, sizeof(text), "%s", rows[to].name);
	ck_assert_msg(doc && !strcmp(text[0] ? text : "-", doc),
		      "%s: the code: \"%s\", the document: \"%s\"",
		      rows[_i].name, text, doc ? doc : "nothing");
}
END_TEST

/* Of a device that is gone nothing pends: a call fails at once, a close ends */
START_TEST(every_call_after_the_device)
{
	int row = _i / CALLS, call = _i % CALLS;
	bool getter = calls[call].call == call_get_data ||
		      calls[call].call == call_send ||
		      calls[call].call == call_receive;
	NTSTATUS st;

	rig_open(row);
	device_lost();
	if (r.close.calls || calls[call].call == peer_disconnects) {
		rig_close();	/* it ended with the device; or: who would say it */
		return;
	}
	st = calls[call].call();
	if (calls[call].call == call_close)
		ck_assert(r.closed || r.close.calls == 1);
	else if (calls[call].call == call_close_qp)
		ck_assert(st == STATUS_SUCCESS || st == STATUS_PENDING);
	else if (st != NO_STATUS && !getter)
		ck_assert_msg(st == STATUS_DEVICE_REMOVED ||
			      st == STATUS_CONNECTION_INVALID,
			      "%s in %s: 0x%x", calls[call].name,
			      rows[row].name, (uint32_t)st);
	ck_assert_int_eq(r.again.calls, 0);
	rig_close();
}
END_TEST

int main(void)
{
	Suite *s = suite_create("core-states");
	TCase *tc = tcase_create("states");
	SRunner *sr;
	int failed;

	tcase_set_timeout(tc, 30);
	tcase_add_loop_test(tc, every_state_and_call, 0, ROWS * CALLS);
	tcase_add_loop_test(tc, every_step, 0, ROWS);
	tcase_add_loop_test(tc, every_call_after_the_device, 0, ROWS * CALLS);
	suite_add_tcase(s, tc);
	sr = srunner_create(s);
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
