/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-or-later */
/*
 * cq_notify.c - IND2CompletionQueue::Notify
 *
 * DOC: Notify
 *
 * Any number of Notify requests may be outstanding; one event of the device
 * ends them all, so they hang in a list here and the kernel sees at most one
 * CQ_NOTIFY per CQ.  It must have it before the ring is armed: an event that
 * finds no request is dropped there.
 *
 * After arming the ring is looked at again, because a completion may have come
 * between the consumer's last GetResults and the arming.  If one is there and
 * the device has not taken the arm yet, it is taken back and the requests end
 * here; the kernel's request stays for the next Notify.  If the device was
 * first, its event ends them.
 */
#include <stdlib.h>

#include "nd_int.h"

struct nd_waiter {
	OVERLAPPED *ov;
	struct nd_waiter *next;
};

/* file->lock held.  An event: everybody's request ends */
static void end_waiters(struct nd_cq *cq, HRESULT status)
{
	struct nd_waiter *w = cq->waiters;

	nd_spin_lock(&cq->ring_lock);
	cq->signalled = nd_cq_ring_end(cq);
	nd_spin_unlock(&cq->ring_lock);
	cq->waiters = NULL;
	while (w) {
		struct nd_waiter *next = w->next;

		nd_overlapped_end(cq->own.file, w->ov, status);
		free(w);
		w = next;
	}
}

static void notify_ended(struct nd_owner *owner, HRESULT status,
			 const uint64_t data[2])
{
	struct nd_cq *cq = (struct nd_cq *)owner;

	(void)data;
	cq->asked = false;
	if (status == ND_BUFFER_OVERFLOW || status == ND_INTERNAL_ERROR)
		cq->dead = status;
	end_waiters(cq, status);
}

static HRESULT add_waiter(struct nd_cq *cq, OVERLAPPED *ov, bool *ask)
{
	struct nd_waiter *w = malloc(sizeof(*w));
	HRESULT hr;

	if (!w)
		return ND_NO_MEMORY;
	pthread_mutex_lock(&cq->own.file->lock);
	hr = cq->dead;
	if (hr == ND_SUCCESS) {
		*w = (struct nd_waiter){ .ov = ov, .next = cq->waiters };
		cq->waiters = w;
		nd_overlapped_begin(ov);
		*ask = !cq->asked;
		cq->asked = true;
	}
	pthread_mutex_unlock(&cq->own.file->lock);
	if (hr != ND_SUCCESS)
		free(w);
	return hr;
}

/* notify_lock keeps any other waiter from having come on top */
static void drop_waiter(struct nd_cq *cq, HRESULT status)
{
	struct nd_waiter *w;

	pthread_mutex_lock(&cq->own.file->lock);
	cq->asked = false;
	w = cq->waiters;
	if (w) {
		cq->waiters = w->next;
		w->ov->Internal = (ULONG_PTR)(uint32_t)status;
		w->ov->InternalHigh = 0;
	}
	pthread_mutex_unlock(&cq->own.file->lock);
	free(w);
}

static HRESULT ask_kernel(struct nd_cq *cq)
{
	struct vrdma_uapi_request arg = { .id = cq->own.id };

	return nd_start(&cq->own, VRDMA_IOC_CQ_NOTIFY, &arg, &arg.overlapped,
			NULL, notify_ended);
}

static HRESULT notify_locked(struct nd_cq *cq, uint8_t kind, OVERLAPPED *ov)
{
	bool ask = false;
	uint32_t end;
	HRESULT hr = add_waiter(cq, ov, &ask);

	if (hr != ND_SUCCESS)
		return hr;
	if (ask) {
		hr = ask_kernel(cq);
		if (FAILED(hr)) {
			drop_waiter(cq, hr);
			return hr;
		}
	}
	if (nd_cq_arm(cq, kind, &end)) {
		pthread_mutex_lock(&cq->own.file->lock);
		end_waiters(cq, ND_SUCCESS);
		pthread_mutex_unlock(&cq->own.file->lock);
	}
	return ND_PENDING;
}

HRESULT nd_cq_notify(struct nd_cq *cq, uint8_t kind, OVERLAPPED *ov)
{
	HRESULT hr;

	pthread_mutex_lock(&cq->notify_lock);
	hr = notify_locked(cq, kind, ov);
	pthread_mutex_unlock(&cq->notify_lock);
	return hr;
}

void nd_cq_notify_end(struct nd_cq *cq)
{
	pthread_mutex_lock(&cq->own.file->lock);
	end_waiters(cq, ND_CANCELED);
	pthread_mutex_unlock(&cq->own.file->lock);
}
