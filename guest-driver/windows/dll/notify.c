/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-or-later */
/*
 * notify.c - IND2CompletionQueue::Notify, each an IRP of its own
 *
 * DOC: The driver holds every Notify that waits and ends all of them when the
 * device reports.  After arming, a completion may be found in the ring that came
 * before: then the arm is taken back, and the driver is told to end them.
 *
 * The library does not see the device's report.  A solicited Notify is not to be
 * content with a completion that an earlier event has covered, but with none too
 * few: when a consumer collects the result of a Notify, at least the first
 * completion behind the ring's end of that time is covered.
 */
#include "nd_int.h"
#include "vrdma_win.h"

static void report(struct nd_cq *cq)
{
	struct vrdma_uapi_object arg = { .id = cq->own.id };

	nd_spin_lock(&cq->ring_lock);
	cq->signalled = nd_cq_ring_end(cq);
	nd_spin_unlock(&cq->ring_lock);
	nd_call(cq->own.file, VRDMA_WIN_CQ_REPORT, &arg);
}

HRESULT nd_cq_notify(struct nd_cq *cq, uint8_t kind, OVERLAPPED *ov)
{
	struct vrdma_uapi_request arg = { .id = cq->own.id };
	HRESULT hr;

	pthread_mutex_lock(&cq->notify_lock);
	hr = nd_start(&cq->own, VRDMA_IOC_CQ_NOTIFY, &arg, &arg.overlapped, ov,
		      NULL);
	if (hr == ND_PENDING && nd_cq_arm(cq, kind, &cq->armed_end))
		report(cq);
	pthread_mutex_unlock(&cq->notify_lock);
	return hr;
}

void nd_cq_notified(struct nd_owner *owner)
{
	struct nd_cq *cq = (struct nd_cq *)owner;

	nd_spin_lock(&cq->ring_lock);
	if ((int32_t)(cq->armed_end - cq->signalled) >= 0 &&
	    (int32_t)(nd_cq_ring_end(cq) - cq->armed_end) > 0)
		cq->signalled = cq->armed_end + 1;
	nd_spin_unlock(&cq->ring_lock);
}

/* The driver did: FREE cancels what waits */
void nd_cq_notify_end(struct nd_cq *cq)
{
	(void)cq;
}
