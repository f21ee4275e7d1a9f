/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * connector_end.c - disconnect, abort, close, reset
 *
 * DOC: The NetworkDirect disconnect scheme, from the device's side.
 *
 * DISCONNECT pends until (i) the peer's own notification came, or an error or
 * the deadline took its place, and (ii) the queue pair is at rest (D2, D3).
 * The two come in any order; try_end() is where they meet.  qp_stop() answers
 * after the last cancelled completion is in its CQ, so the command's answer
 * is behind all of them.
 *
 * The event goes out for every cause but this side's own act (D4, D5), and
 * cn_peer_disconnected() and cn_broken() are the only ones that send it; both
 * leave ESTABLISHED, which nothing enters twice: one event at most.
 *
 * The backend is told the end only when the queue pair is at rest, since a
 * connection may not be freed under it.
 */
#include <string.h>

#include "connector_int.h"
#include "qp.h"
#include "vrdma_plant.h"

static void indicate(struct connector *c, enum virtio_rdma_reason reason)
{
	struct virtio_rdma_event ev;

	memset(&ev, 0, sizeof(ev));
	ev.type = vr_to_le16(VIRTIO_RDMA_EV_DISCONNECTED);
	ev.handle = vr_to_le32(c->handle);
	ev.cookie = c->cookie;
	ev.reason = vr_to_le32(reason);
	guest_post_event(c->guest, &ev);
}

static void at_rest(void *cm)
{
	struct connector *c = cm;

	c->stopped = true;
	connector_input(c, CIN_QP_STOPPED, &(struct connector_event){0});
}

static void stop_qp(struct connector *c)
{
	if (c->stopping) {
		/* It may be at rest since before its consumer acted: what was
		 * posted in between ends, too (D3). */
		qp_stop(c->qp, NULL, NULL);
		return;
	}
	c->stopping = true;
	qp_stop(c->qp, at_rest, c);
}

/* -------------------------------------------------------------- DISCONNECT */

static enum virtio_rdma_reason farewell(enum virtio_rdma_status outcome)
{
	if (outcome == VIRTIO_RDMA_S_OK)
		return VIRTIO_RDMA_R_NONE;
	if (outcome == VIRTIO_RDMA_S_TIMED_OUT)
		return VIRTIO_RDMA_R_TIMED_OUT;
	return VIRTIO_RDMA_R_LOCAL_ERROR;
}

static void try_end(struct connector *c)
{
	if (PLANTED(2) && !c->peer_done && c->stopped)
		c->peer_done = true;
	if (PLANTED(1) && c->peer_done && !c->stopped) {
		connector_set_state(c, CONN_DISCONNECTED);
		connector_answer(c, c->outcome);
	}
	if (!c->peer_done || !c->stopped)
		return;
	connector_drop_conn(c, farewell(c->outcome));
	connector_set_state(c, CONN_DISCONNECTED);
	connector_answer(c, c->outcome);
}

/* (i): the first word counts, whatever comes later */
static void peer_part(struct connector *c, enum virtio_rdma_status outcome)
{
	if (!c->peer_done) {
		c->peer_done = true;
		c->outcome = outcome;
	}
	try_end(c);
}

static void start_disconnect(struct connector *c,
			     const struct connector_event *ev)
{
	c->pending = ev->cmd;
	connector_set_state(c, CONN_DISCONNECTING);
	if (!PLANTED(4))
		connector_deadline(c, c->guest->conf->disconnect_timeout_ms);
	if (!PLANTED(1))
		stop_qp(c);
}

/* D1: our notification, then wait for theirs */
void cn_disconnect(struct connector *c, const struct connector_event *ev)
{
	int err = c->be->disconnect(c->conn);

	start_disconnect(c, ev);
	if (err)
		peer_part(c, VIRTIO_RDMA_S_CONNECTION_ABORTED);
}

/* The peer's notification is here and ours completes the handshake.  If it
 * cannot be sent any more, nobody waits for it. */
void cn_disconnect_reply(struct connector *c, const struct connector_event *ev)
{
	(void)c->be->disconnect(c->conn);
	start_disconnect(c, ev);
	peer_part(c, VIRTIO_RDMA_S_OK);
}

/* D2 (i), second half: a failure, and final as any end (D9) */
static enum virtio_rdma_status failure(enum virtio_rdma_reason reason)
{
	return reason == VIRTIO_RDMA_R_TIMED_OUT
		       ? VIRTIO_RDMA_S_TIMED_OUT
		       : VIRTIO_RDMA_S_CONNECTION_ABORTED;
}

void cn_disconnect_broken(struct connector *c, const struct connector_event *ev)
{
	start_disconnect(c, ev);
	peer_part(c, failure(c->broken));
}

void cn_notified(struct connector *c, const struct connector_event *ev)
{
	(void)ev;
	peer_part(c, PLANTED(5) ? VIRTIO_RDMA_S_CONNECTION_ABORTED
				: VIRTIO_RDMA_S_OK);
}

/* No event: the consumer has called Disconnect and will hear from that (D4) */
void cn_failed(struct connector *c, const struct connector_event *ev)
{
	if (!c->peer_done)
		c->broken = ev->reason;
	peer_part(c, failure(ev->reason));
}

/* Bounds the wait for (i).  (ii) has no deadline: an answer before the memory
 * is at rest would be a lie. */
void cn_expired(struct connector *c, const struct connector_event *ev)
{
	(void)ev;
	if (!c->peer_done)
		clog(c, VL_INFO, "the peer did not disconnect in %u ms",
		     c->guest->conf->disconnect_timeout_ms);
	peer_part(c, PLANTED(17) ? VIRTIO_RDMA_S_CONNECTION_ABORTED
				 : VIRTIO_RDMA_S_TIMED_OUT);
}

void cn_at_rest(struct connector *c, const struct connector_event *ev)
{
	(void)ev;
	try_end(c);
}

/* -------------------------------------------------------- the peer's doings */

/*
 * A peer's disconnect flushes nothing: the consumer decides when (NDKPI).  A
 * queue pair made for NDSPI is flushed, after the indication.
 */
void cn_peer_disconnected(struct connector *c, const struct connector_event *ev)
{
	(void)ev;
	indicate(c, PLANTED(9) ? VIRTIO_RDMA_R_RESET : VIRTIO_RDMA_R_GRACEFUL);
	if (PLANTED(6))
		indicate(c, VIRTIO_RDMA_R_GRACEFUL);
	if (PLANTED(3))
		(void)c->be->disconnect(c->conn);
	connector_set_state(c, CONN_PEER_DISCONNECTED);
	if (PLANTED(10) ||
	    qp_flags(c->qp) & VIRTIO_RDMA_QP_FLUSH_ON_PEER_DISCONNECT)
		stop_qp(c);
	else
		qp_detach_peer(c->qp);
}

/* Nothing can be sent or received any more, so everything is flushed (D7) */
void cn_broken(struct connector *c, const struct connector_event *ev)
{
	c->broken = ev->reason;
	if (!PLANTED(8) || ev->reason == VIRTIO_RDMA_R_PEER_GONE)
		indicate(c, ev->reason);
	connector_set_state(c, CONN_ABORTED);
	stop_qp(c);
}

/* A broken connection ends for the peer, too, without waiting for our
 * consumer; a graceful one waits for its Disconnect or close.  The peer of a
 * vrdmad that is told to end hears of that: it may be told the same. */
void cn_stopped(struct connector *c, const struct connector_event *ev)
{
	(void)ev;
	if (c->broken == VIRTIO_RDMA_R_ADMINISTRATOR)
		connector_drop_conn(c, c->broken);
	else if (c->broken != VIRTIO_RDMA_R_NONE)
		connector_drop_conn(c, VIRTIO_RDMA_R_LOCAL_ERROR);
}

/* ------------------------------------------------------------------- close */

static void closed(struct connector *c)
{
	struct command *cmd = c->closing;

	connector_drop_conn(c, c->broken != VIRTIO_RDMA_R_NONE
				       ? VIRTIO_RDMA_R_LOCAL_ERROR
				       : VIRTIO_RDMA_R_RESET);
	connector_release_qp(c);
	connector_free(c);
	command_done(cmd, VIRTIO_RDMA_S_OK, 0);
}

/* Before a connection was there: a request that is not wanted is refused, by
 * whichever side */
static void refuse(struct connector *c, enum connector_state was)
{
	static const struct be_private none;

	if (!c->conn || (was != CONN_REQUESTED && was != CONN_ACCEPTED))
		return;
	(void)c->be->reject(c->conn, &none);
	connector_drop_conn(c, VIRTIO_RDMA_R_NONE);
}

/* Never fails.  A command that pends ends first, and no event comes after. */
void cn_close(struct connector *c, const struct connector_event *ev)
{
	enum connector_state was = c->state;

	c->closing = ev->cmd;
	connector_set_state(c, CONN_CLOSING);
	guest_drop_events(c->guest, c->handle, EVENTS_OF_CONNECTOR);
	connector_answer(c, VIRTIO_RDMA_S_CANCELLED);
	refuse(c, was);
	if (c->attached && !c->stopped)
		stop_qp(c);
	else if (!PLANTED(20) || was != CONN_DISCONNECTED)
		closed(c);
}

void cn_close_at_rest(struct connector *c, const struct connector_event *ev)
{
	(void)ev;
	closed(c);
}

/* ------------------------------------------------------------------- reset */

void connector_reset(struct connector *c)
{
	if (c->attached) {
		qp_stop_now(c->qp);
		qp_stop_cancel(c->qp, c);
	}
	connector_drop_conn(c, PLANTED(19) ? VIRTIO_RDMA_R_NONE
					   : VIRTIO_RDMA_R_PEER_GONE);
	connector_release_qp(c);
	connector_answer(c, VIRTIO_RDMA_S_CANCELLED);
	if (c->closing)
		command_done(c->closing, VIRTIO_RDMA_S_CANCELLED, 0);
	connector_free(c);
}
