// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * consumer.c - the two consumers: what they call and what they hear
 *
 * DOC: A call is a letter; scenarios are strings of them.  A consumer never
 * uses an object after it called its close, for that has no defined outcome;
 * everything else it may do at the wrong time, too.
 */
#include <string.h>

#include "explorer.h"
#include "qp.h"
#include "worker.h"

/* ------------------------------------------------------------------ helpers */

NTSTATUS ndk_close(void *object, NDK_FN_CLOSE_COMPLETION *cb, void *ctx)
{
	NDK_ADAPTER *any = object; /* header and dispatch are at one place */
	NDK_FN_CLOSE_OBJECT *const *dispatch = (const void *)any->Dispatch;

	return dispatch[0](&any->Header, cb, ctx);
}

uint8_t wr_pattern(const struct side *s, uint32_t i)
{
	return (uint8_t)(0x20 + 0x20 * s->index + i);
}

struct vr_qp *device_qp(const struct side *s)
{
	struct vrdma_qp_layout l;

	if (!s->qp || s->qp_close_done || s->reset)
		return NULL;
	vrdma_qp_layout(s->qp, &l);
	return handle_get(&s->guest->qps, l.handle);
}

static bool has_conn(const struct side *s)
{
	return s->conn && !s->close_called && !s->killed;
}

static bool has_qp(const struct side *s)
{
	return s->qp && !s->qp_close_called && !s->killed;
}

static bool has_both(const struct side *s)
{
	return has_conn(s) && has_qp(s);
}

static bool can_post(const struct side *s)
{
	return has_qp(s) && s->established && s->wrs < MAX_WR;
}

/* -------------------------------------------------------------------- posts */

static NTSTATUS post_now(struct side *s, uint32_t i, char op)
{
	const NDK_QP_DISPATCH *d = s->qp->Dispatch;
	PVOID id = (PVOID)(uintptr_t)(i + 1);
	ULONG flags = s->wr[i].silent ? NDK_OP_FLAG_SILENT_SUCCESS : 0;
	uint64_t to = (uintptr_t)peer_of(s)->data + TARGETS + i * WR_STRIDE;
	uint32_t token = peer_of(s)->remote_token;
	NDK_SGE e = {.VirtualAddress = s->data + i * WR_STRIDE,
		     .Length = WR_BYTES,
		     .MemoryRegionToken = s->local_token};

	switch (op) {
	case 'r':
		return d->NdkReceive(s->qp, id, &e, 1);
	case 's': case 'S':
		return d->NdkSend(s->qp, id, &e, 1, flags);
	case 'g': case 'G':
		return d->NdkRead(s->qp, id, &e, 1, to, token, flags);
	case 'x':
		token ^= 0x5a5a5a5a;
		/* fall through */
	default:
		return d->NdkWrite(s->qp, id, &e, 1, to, token, flags);
	}
}

static void post(struct side *s, char op)
{
	uint32_t i = s->wrs++;
	struct wr *w = &s->wr[i];
	NTSTATUS st;

	*w = (struct wr){.op = op};
	w->silent = op == 'S' || op == 'W' || op == 'G';
	if (!s->sealed && op != 'g' && op != 'G' && op != 'r')
		memset(s->data + i * WR_STRIDE, wr_pattern(s, i), WR_BYTES);
	w->after_error = s->disc_done || s->lost;
	w->after_disc = s->disc_called;
	if (op == 'x')
		world.bad_token = true;
	st = post_now(s, i, op);
	w->posted = st == STATUS_SUCCESS;
	check_misuse(s, "a post", st, STATUS_SUCCESS);
}

/* A send came: whose it was stands in its bytes */
static void note_received(struct side *s, uint32_t i)
{
	uint8_t b = s->data[i * WR_STRIDE];
	uint32_t from = b - wr_pattern(peer_of(s), 0);

	if (!s->sealed && from < MAX_WR)
		peer_of(s)->wr[from].delivered = true;
}

static void completed(struct side *s, const NDK_RESULT_EX *r)
{
	uint32_t i = (uint32_t)(uintptr_t)r->RequestContext - 1;

	trace("    %c: request %u completes with %08x", 'A' + s->index, i,
	      (unsigned int)r->Status);
	if (i >= s->wrs || !s->wr[i].posted) {
		violation(7, "%c: a completion for a request never posted",
			  'A' + s->index);
		return;
	}
	s->wr[i].completions++;
	s->wr[i].status = r->Status;
	if (s->wr[i].op == 'r' && r->Status == STATUS_SUCCESS)
		note_received(s, i);
	check_completion(s, &s->wr[i]);
}

void consumer_poll(struct side *s)
{
	NDK_RESULT_EX r;

	while (s->cq->Dispatch->NdkGetCqResultsEx(s->cq, &r, 1))
		completed(s, &r);
}

/* ---------------------------------------------------------------- callbacks */

static VOID on_connector_closed(PVOID ctx)
{
	struct side *s = ctx;

	trace("    %c: connector closed", 'A' + s->index);
	if (s->close_done)
		violation(6, "%c: closed twice", 'A' + s->index);
	s->close_done = true;
	s->state = C_CLOSED;
	if (!s->established)
		return;
	consumer_poll(s); /* what came is looked at before it is painted over */
	seal(s);
}

static VOID on_qp_closed(PVOID ctx)
{
	struct side *s = ctx;

	trace("    %c: queue pair closed", 'A' + s->index);
	if (s->qp_close_done)
		violation(6, "%c: queue pair closed twice", 'A' + s->index);
	s->qp_close_done = true;
}

void close_connector(struct side *s)
{
	NTSTATUS st;

	s->close_called = true;
	if (s->established && s->state != C_OVER)
		s->acted = true;
	st = ndk_close(s->conn, on_connector_closed, s);
	s->close_pending = st == STATUS_PENDING;
	if (st == STATUS_SUCCESS)
		on_connector_closed(s);
	else
		check_misuse(s, "CloseConnector", st, STATUS_PENDING);
}

void close_qp(struct side *s)
{
	NTSTATUS st;

	s->qp_close_called = true;
	st = ndk_close(s->qp, on_qp_closed, s);
	s->qp_close_pending = st == STATUS_PENDING;
	if (st == STATUS_SUCCESS)
		on_qp_closed(s);
	else
		check_misuse(s, "CloseQp", st, STATUS_PENDING);
}

static uint32_t flags_of(const struct side *s)
{
	return scenario ? scenario->flags[s->index] : 0;
}

static VOID on_disconnect_done(PVOID ctx, NTSTATUS status)
{
	struct side *s = ctx;

	trace("    %c: Disconnect completes with %08x", 'A' + s->index,
	      (unsigned int)status);
	check_callback(s, "Disconnect's completion");
	consumer_poll(s);
	check_disconnected(s, status);
	s->disc_done = true;
	s->disc_status = status;
	if (s->state == C_DISCONNECTING)
		s->state = C_OVER;
	seal(s);
	if ((flags_of(s) & F_QP_IN_DISC) && has_qp(s))
		close_qp(s);
	if ((flags_of(s) & F_CLOSE_IN_DISC) && has_conn(s))
		close_connector(s);
}

static void disconnect(struct side *s)
{
	bool over = s->state == C_ESTABLISHED || s->state == C_INDICATED;
	NTSTATUS want = STATUS_CONNECTION_INVALID, st;

	if (s->lost)
		want = STATUS_DEVICE_REMOVED;
	else if (s->state == C_DISCONNECTING)
		want = STATUS_INVALID_DEVICE_STATE;
	else if (over && !s->cancelled)
		want = STATUS_PENDING;
	if (want == STATUS_PENDING) {
		s->disc_behind_indication = s->state == C_INDICATED;
		s->acted = s->disc_called = true;
		s->disc_time = world.now;
		s->state = C_DISCONNECTING;
	}
	st = s->conn->Dispatch->NdkDisconnect(s->conn, on_disconnect_done, s);
	check_misuse(s, "Disconnect", st, want);
}

static VOID on_indication(PVOID ctx, ULONG reason)
{
	struct side *s = ctx;

	trace("    %c: indication, reason %u", 'A' + s->index, reason);
	check_callback(s, "the indication");
	s->indications++;
	s->reason = reason;
	check_indication(s, reason);
	if (s->state == C_ESTABLISHED)
		s->state = C_INDICATED;
	consumer_poll(s);
	if ((flags_of(s) & F_DISC_IN_IND) && has_conn(s))
		disconnect(s);
	if ((flags_of(s) & F_CLOSE_IN_IND) && has_conn(s))
		close_connector(s);
}

/* A request of the handshake ended: the status is one that its cause allows */
static void handshake_ended(struct side *s, const char *what, NTSTATUS status,
			    enum cstate good, enum cstate bad)
{
	bool fine = status == STATUS_SUCCESS;

	trace("    %c: %s completes with %08x", 'A' + s->index, what,
	      (unsigned int)status);
	check_callback(s, what);
	s->request_pending = false;
	if (status == STATUS_CANCELLED)
		fine = s->close_called || s->cancelled;
	else if (status == STATUS_DEVICE_REMOVED)
		fine = s->lost;
	else if (status == STATUS_IO_TIMEOUT)
		fine = world.timer_fired;
	else if (status == STATUS_CONNECTION_REFUSED ||
		 status == STATUS_CONNECTION_ABORTED)
		fine = peer_of(s)->close_called || peer_of(s)->rejected ||
		       peer_of(s)->cancelled || peer_of(s)->reset ||
		       peer_of(s)->refused || s->broken || s->flushed || world.timer_fired;
	else if (status == STATUS_CONNECTION_ACTIVE ||
		 status == STATUS_INVALID_DEVICE_STATE)
		fine = s->flushed || s->qp_close_called;
	if (!fine)
		violation(6, "%c: %s completes with %08x without a cause",
			  'A' + s->index, what, (unsigned int)status);
	if (s->close_called)
		return;
	s->state = status == STATUS_SUCCESS ? good : bad;
	if (s->cancelled || s->lost)
		s->state = C_OVER;
	if (s->state == C_ESTABLISHED)
		s->established = true;
	if ((flags_of(s) & F_CLOSE_IN_SETUP) && has_conn(s))
		close_connector(s);
}

static VOID on_connected(PVOID ctx, NTSTATUS status)
{
	handshake_ended(ctx, "Connect", status, C_REPLIED, C_IDLE);
}

static VOID on_completed(PVOID ctx, NTSTATUS status)
{
	handshake_ended(ctx, "CompleteConnect", status, C_ESTABLISHED, C_OVER);
}

static VOID on_accepted(PVOID ctx, NTSTATUS status)
{
	handshake_ended(ctx, "Accept", status, C_ESTABLISHED, C_OVER);
}

/* -------------------------------------------------------------------- calls */

static NTSTATUS want_in(const struct side *s, enum cstate a, enum cstate b,
			NTSTATUS good)
{
	if (s->lost)
		return STATUS_DEVICE_REMOVED;
	if ((s->state == a || s->state == b) && !s->cancelled)
		return good;
	return STATUS_CONNECTION_INVALID;
}

static void connect(struct side *s)
{
	NTSTATUS want = want_in(s, C_IDLE, C_IDLE, STATUS_PENDING), st;

	st = s->conn->Dispatch->NdkConnect(s->conn, s->qp, NULL, 0,
					   (const void *)listen_address(), 16, 4, 4,
					   NULL, 0, on_connected, s);
	if (st == STATUS_PENDING) {
		s->state = C_CONNECTING;
		s->request_pending = true;
	}
	check_misuse(s, "Connect", st, want);
}

static void complete(struct side *s)
{
	NTSTATUS want = want_in(s, C_REPLIED, C_REPLIED, STATUS_PENDING), st;

	st = s->conn->Dispatch->NdkCompleteConnectEx(s->conn, on_indication, s,
						     on_completed, s);
	if (st == STATUS_PENDING) {
		s->state = C_COMPLETING;
		s->request_pending = true;
	}
	check_misuse(s, "CompleteConnect", st, want);
}

static void accept(struct side *s)
{
	NTSTATUS want = want_in(s, C_INCOMING, C_INCOMING, STATUS_PENDING), st;

	st = s->conn->Dispatch->NdkAcceptEx(s->conn, s->qp, 4, 4, NULL, 0,
					    on_indication, s, on_accepted, s);
	if (st == STATUS_PENDING) {
		s->state = C_ACCEPTING;
		s->request_pending = true;
	}
	check_misuse(s, "Accept", st, want);
}

static void reject(struct side *s)
{
	NTSTATUS want = want_in(s, C_INCOMING, C_REPLIED, STATUS_SUCCESS), st;

	st = s->conn->Dispatch->NdkReject(s->conn, NULL, 0);
	if (st == STATUS_SUCCESS) {
		s->state = C_OVER;
		s->rejected = true;
	}
	check_misuse(s, "Reject", st, want);
}

static void cancel(struct side *s)
{
	if (s->state == C_CONNECTING || s->state == C_COMPLETING ||
	    s->state == C_ACCEPTING || s->state == C_DISCONNECTING)
		s->cancelled = !s->lost;
	vrdma_connector_cancel(s->conn);
}

static void flush(struct side *s)
{
	s->flushed = true;
	s->qp->Dispatch->NdkFlush(s->qp);
}

/* ---------------------------------------------------- the queue pair again */

/* D8: once connected it is never connected again, whoever asks */
static VOID on_second_connected(PVOID ctx, NTSTATUS status)
{
	struct side *s = ctx;
	bool fine = status == STATUS_CONNECTION_ACTIVE ||
		    status == STATUS_CANCELLED ||
		    (status == STATUS_DEVICE_REMOVED && s->lost);

	trace("    %c: the second Connect completes with %08x", 'A' + s->index,
	      (unsigned int)status);
	s->second_pending = false;
	if (!fine && !s->killed)
		violation(6, "%c: Connect on a used queue pair completes with %08x",
			  'A' + s->index, (unsigned int)status);
}

static VOID on_second_made(PVOID ctx, NTSTATUS status, NDK_OBJECT_HEADER *obj)
{
	struct side *s = ctx;
	NTSTATUS st;

	if (status != STATUS_SUCCESS)
		return;
	s->second = (NDK_CONNECTOR *)(void *)obj;
	if (s->qp_close_called || s->killed)
		return;
	st = s->second->Dispatch->NdkConnect(s->second, s->qp, NULL, 0,
					     (const void *)listen_address(), 16,
					     4, 4, NULL, 0, on_second_connected,
					     s);
	s->second_pending = st == STATUS_PENDING;
	check_misuse(s, "the second Connect", st,
		     s->lost ? STATUS_DEVICE_REMOVED : STATUS_PENDING);
}

static void connect_again(struct side *s)
{
	s->second_called = true;
	s->adapter->Dispatch->NdkCreateConnector(s->adapter, on_second_made, s,
						 NULL);
}

static VOID on_second_closed(PVOID ctx)
{
	struct side *s = ctx;

	if (s->second_pending && !s->killed)
		violation(6, "%c: closed with a request under way",
			  'A' + s->index);
	s->second_closed = true;
}

void close_second(struct side *s)
{
	if (ndk_close(s->second, on_second_closed, s) == STATUS_SUCCESS)
		on_second_closed(s);
}

/* ------------------------------------------------------------------- faults */

static void break_qp(void *arg)
{
	be_qp_fail(arg, VIRTIO_RDMA_R_RESET);
}

static void transport_fails(struct side *s)
{
	struct vr_qp *qp = device_qp(s);

	if (qp->state != QP_CONNECTED || qp->failing)
		return;
	s->broken = true;
	worker_call(s->guest->data.worker, break_qp, qp);
}

/* The driver, or QEMU, resets the device; whoever drives it learns of it with
 * device_lost(), or never */
static void device_reset(struct side *s)
{
	s->reset = s->dirty = true;
	guest_reset(s->guest);
	queues_clear(s);
}

static void kill_guest(struct side *s)
{
	s->killed = true;
	device_reset(s);
}

void device_lost(struct side *s)
{
	queues_clear(s);
	s->lost = true;
	vrdma_core_device_lost(s->core);
	seal(s);
}

/* The machine stands still, with what is in its queues; time does not */
static void pause_guest(struct side *s)
{
	s->paused = true;
	guest_set_paused(s->guest, true);
}

void resume_guest(struct side *s)
{
	s->paused = false;
	guest_set_paused(s->guest, false);
}

static bool can_resume(const struct side *s)
{
	return s->paused;
}

static bool can_break(const struct side *s)
{
	return has_qp(s) && s->established && device_qp(s);
}

static bool can_reset(const struct side *s)
{
	return !s->reset && !s->killed;
}

static bool can_lose(const struct side *s)
{
	return s->reset && !s->lost && !s->killed;
}

static bool can_again(const struct side *s)
{
	return has_qp(s) && s->established && !s->second_called && !s->reset;
}

static bool has_reply(const struct side *s)
{
	return has_conn(s) && s->state > C_CONNECTING;
}

static const struct call {
	char op;
	const char *name;
	bool (*ready)(const struct side *s);
	void (*run)(struct side *s);	/* NULL: a post */
} calls[] = {
	{'r', "Receive", can_post, NULL},
	{'s', "Send", can_post, NULL},
	{'S', "Send, silent", can_post, NULL},
	{'w', "Write", can_post, NULL},
	{'W', "Write, silent", can_post, NULL},
	{'g', "Read", can_post, NULL},
	{'G', "Read, silent", can_post, NULL},
	{'x', "Write with a wrong token", can_post, NULL},
	{'D', "Disconnect", has_conn, disconnect},
	{'C', "CloseConnector", has_conn, close_connector},
	{'Q', "CloseQp", has_qp, close_qp},
	{'F', "Flush", has_qp, flush},
	{'c', "Connect", has_both, connect},
	{'a', "Accept", has_both, accept},
	{'m', "CompleteConnect", has_reply, complete},
	{'j', "Reject", has_reply, reject},
	{'n', "cancel what pends", has_conn, cancel},
	{'u', "Connect with another connector", can_again, connect_again},
	{'X', "its transport fails", can_break, transport_fails},
	{'R', "its device is reset", can_reset, device_reset},
	{'L', "its driver learns of the reset", can_lose, device_lost},
	{'P', "its machine is paused", can_reset, pause_guest},
	{'U', "its machine goes on", can_resume, resume_guest},
	{'K', "its machine is killed", can_reset, kill_guest},
};

static const struct call *call_of(char op)
{
	for (size_t i = 0; i < sizeof(calls) / sizeof(calls[0]); i++)
		if (calls[i].op == op)
			return &calls[i];
	return NULL;
}

bool call_known(char op)
{
	return call_of(op);
}

const char *call_name(char op)
{
	return call_of(op)->name;
}

bool call_ready(const struct side *s, char op)
{
	return call_of(op)->ready(s);
}

void call_run(struct side *s, char op)
{
	const struct call *c = call_of(op);

	if (c->run)
		c->run(s);
	else
		post(s, op);
}
