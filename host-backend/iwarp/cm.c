/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * cm.c - an open connection as the control thread sees it
 *
 * DOC: Which word means what, on the wire between two of us:
 *
 *	ops->disconnect		FIN behind the last whole FPDU
 *	ops->abort(reason)	Terminate, RDMA local catastrophic error, code
 *				IW_CODE_REASON(reason), then FIN; a reset when a
 *				FIN was sent before
 *
 * A consumer that closes (RESET) has notified a peer that waits for exactly
 * that, so the one who hears it decides.  Terminate of anybody else, and any
 * other end of TCP than FIN between two FPDUs, is an abort.
 */
#include <errno.h>

#include "iw.h"

/* ----------------------------------------------------------- down to the wire */

int iw_disconnect(struct be_conn *c)
{
	if (c->s.last_heard || c->s.step != IW_OPEN)
		return -ECONNABORTED;
	c->s.disconnect_said = true;
	atomic_fetch_or(&c->said, IW_SAID_DISCONNECT);
	iw_mail(c);
	return 0;
}

void iw_abort(struct be_conn *c, enum virtio_rdma_reason reason)
{
	c->s.gone = true;
	c->s.cm = NULL;
	if (c->s.step == IW_OPEN) {
		atomic_fetch_or(&c->said,
				IW_SAID_ABORT | IW_SAID_REASON(reason));
		iw_mail(c);
	} else {
		iw_setup_kick(c);
		iw_setup_close(c, false);
	}
	iw_conn_put(c);
}

/* ----------------------------------------------------------- up from the wire */

static void hear_disconnect(struct be_conn *c)
{
	if (c->s.gone || c->s.last_heard || c->s.disconnect_heard)
		return;
	c->s.disconnect_heard = true;
	c->iw->ev->disconnected(c->s.cm);
}

static void hear_end(struct be_conn *c, enum virtio_rdma_reason reason)
{
	if (c->s.gone || c->s.last_heard)
		return;
	c->s.last_heard = true;
	c->iw->ev->aborted(c->s.cm, reason);
}

static void hear_terminate(struct be_conn *c, uint8_t code)
{
	static const uint8_t reasons[] = {
		VIRTIO_RDMA_R_TIMED_OUT,
		VIRTIO_RDMA_R_PEER_GONE,
		VIRTIO_RDMA_R_ADMINISTRATOR,
	};

	if (code == IW_CODE_REASON(VIRTIO_RDMA_R_RESET) &&
	    c->s.disconnect_said) {
		hear_disconnect(c);
		return;
	}
	for (size_t i = 0; i < sizeof(reasons); i++) {
		if (code == IW_CODE_REASON(reasons[i])) {
			hear_end(c, (enum virtio_rdma_reason)reasons[i]);
			return;
		}
	}
	hear_end(c, VIRTIO_RDMA_R_RESET);
}

static void deliver_disconnect(void *arg)
{
	struct be_conn *c = arg;

	hear_disconnect(c);
	iw_conn_put(c);
}

static void deliver_end(void *arg)
{
	struct be_conn *c = arg;

	if (c->ending.by_terminate)
		hear_terminate(c, c->ending.code);
	else
		hear_end(c, c->ending.reason);
	iw_conn_put(c);
}

/* ------------------------------------------------------------------- worker */

void iw_tell_disconnected(struct be_conn *c)
{
	if (c->disconnect_posted || c->ending_posted)
		return;
	c->disconnect_posted = true;
	be_post(deliver_disconnect, iw_conn_get(c));
}

static void tell_end(struct be_conn *c, struct iw_ending e)
{
	if (c->ending_posted)
		return;
	c->ending_posted = true;
	c->ending = e;
	be_post(deliver_end, iw_conn_get(c));
}

void iw_tell_ended(struct be_conn *c, enum virtio_rdma_reason reason)
{
	tell_end(c, (struct iw_ending){.reason = reason});
}

void iw_tell_terminated(struct be_conn *c, uint8_t code)
{
	tell_end(c, (struct iw_ending){.by_terminate = true, .code = code});
}
