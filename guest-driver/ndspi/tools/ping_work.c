/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-or-later */
/*
 * ping_work.c - posting and completions
 *
 * Every request has an entry in p->wrs, so that one that completes twice, or
 * never, is noticed: that is what the line "outstanding" is about.
 */
#include <sched.h>
#include <string.h>

#include "ping.h"
#include "tool_os.h"

#define IDLE_ROUNDS 1024u	/* empty polls before looking at anything else */

/* ----------------------------------------------------------------- requests */

/* The context is the entry's number plus one: 0 would be a lost context */
static VOID *wr_new(struct ping *p, bool receive, uint32_t slot)
{
	uint32_t i;

	if (!p->wr_free_count)
		return NULL;
	i = p->wr_free[--p->wr_free_count];
	p->wrs[i] = (struct wr){ .posted = true, .receive = receive,
				 .slot = slot };
	return (VOID *)(uintptr_t)(i + 1);
}

static void wr_drop(struct ping *p, VOID *context)
{
	uint32_t i = (uint32_t)((uintptr_t)context - 1);

	p->wrs[i].posted = false;
	p->wr_free[p->wr_free_count++] = i;
}

static HRESULT posted(struct ping *p, VOID *context, HRESULT hr)
{
	if (hr == ND_SUCCESS)
		p->posted++;
	else
		wr_drop(p, context);
	return hr;
}

/* A device that went takes its connections along: that is a loss, not a bug */
enum ping_rc ping_posted(struct ping *p, const char *what, HRESULT hr)
{
	if (hr == ND_SUCCESS)
		return PING_OK;
	if (hr == ND_DEVICE_REMOVED) {
		if (p->broken == ND_SUCCESS)
			p->broken = hr;
		return PING_LOST;
	}
	tool_status_error(what, hr, "nd_ping posted what it should not have");
	return PING_FAILED;
}

HRESULT ping_post_receive(struct ping *p, uint32_t slot)
{
	VOID *context = wr_new(p, true, slot);
	ND2_SGE sge = {
		.Buffer = p->recv_area + slot * p->recv_size,
		.BufferLength = (ULONG)p->recv_size,
	};

	if (!context)
		return ND_NO_MORE_ENTRIES;
	sge.MemoryRegionToken = p->mr->lpVtbl->GetLocalToken(p->mr);
	return posted(p, context,
		      p->qp->lpVtbl->Receive(p->qp, context, &sge, 1));
}

HRESULT ping_post_send(struct ping *p, const void *from, uint32_t len)
{
	VOID *context = wr_new(p, false, 0);
	ND2_SGE sge = { .Buffer = (VOID *)(uintptr_t)from,
			.BufferLength = len };
	HRESULT hr;

	if (!context)
		return ND_NO_MORE_ENTRIES;
	sge.MemoryRegionToken = p->mr->lpVtbl->GetLocalToken(p->mr);
	hr = posted(p, context,
		    p->qp->lpVtbl->Send(p->qp, context, &sge, len ? 1 : 0,
					ND_OP_FLAG_SEND_AND_SOLICIT_EVENT));
	if (hr == ND_SUCCESS)
		p->sends++;
	return hr;
}

static HRESULT post_chunk(struct ping *p, uint8_t *local, uint64_t remote,
			  uint32_t len)
{
	VOID *context = wr_new(p, false, 0);
	ND2_SGE sge = { .Buffer = local, .BufferLength = len };
	ULONG n = len ? 1 : 0;
	HRESULT hr;

	if (!context)
		return ND_NO_MORE_ENTRIES;
	sge.MemoryRegionToken = p->mr->lpVtbl->GetLocalToken(p->mr);
	if (p->wish.op == OP_WRITE)
		hr = p->qp->lpVtbl->Write(p->qp, context, &sge, n, remote,
					  p->peer_token, 0);
	else
		hr = p->qp->lpVtbl->Read(p->qp, context, &sge, n, remote,
					 p->peer_token, 0);
	hr = posted(p, context, hr);
	if (hr == ND_SUCCESS)
		p->sends++;
	return hr;
}

/* One transfer may be more requests than one */
enum ping_rc ping_post_rdma(struct ping *p, uint8_t *local, uint64_t remote,
			    uint64_t len)
{
	uint64_t done = 0;

	do {
		uint64_t n = len - done;
		HRESULT hr;

		if (n > p->info.MaxTransferLength)
			n = p->info.MaxTransferLength;
		hr = post_chunk(p, local + done, remote + done, (uint32_t)n);
		if (hr != ND_SUCCESS)
			return ping_posted(p, ping_op_names[p->wish.op], hr);
		done += n;
	} while (done < len);
	return PING_OK;
}

/* -------------------------------------------------------------- completions */

static void count_status(struct ping *p, HRESULT status)
{
	if (status == ND_SUCCESS) {
		p->completed++;
		return;
	}
	if (status == ND_CANCELED)
		p->cancelled++;
	else
		p->failed++;
	if (p->broken == ND_SUCCESS)
		p->broken = status;
}

static void arrive(struct ping *p, uint32_t slot, uint32_t bytes)
{
	uint32_t ring = p->recv_slots + 2;

	p->arrivals[p->arrival_tail % ring] = (struct arrival){ slot, bytes };
	p->arrival_tail++;
}

static void finish(struct ping *p, const ND2_RESULT *r)
{
	uintptr_t n = (uintptr_t)r->RequestContext;
	struct wr *w;

	if (!n || n > p->wr_count || !p->wrs[n - 1].posted ||
	    r->QueuePairContext != p) {
		p->miscounted = true;
		tool_error("a completion of nothing that was posted: context "
			   "%#lx, %s", (unsigned long)n,
			   tool_status(r->Status));
		return;
	}
	w = &p->wrs[n - 1];
	if (!w->receive)
		p->sends--;
	count_status(p, r->Status);
	if (w->receive && r->Status == ND_SUCCESS)
		arrive(p, w->slot, r->BytesTransferred);
	if (p->o->verbose && r->Status != ND_SUCCESS)
		tool_error("%s ended %s", w->receive ? "receive" : "request",
			   tool_status(r->Status));
	wr_drop(p, r->RequestContext);
}

bool ping_poll(struct ping *p)
{
	ND2_RESULT r[16];
	ULONG i, n = p->cq->lpVtbl->GetResults(p->cq, r, 16);

	for (i = 0; i < n; i++)
		finish(p, &r[i]);
	return n > 0;
}

/* ------------------------------------------------------- sleeping, watching */

static const char *const reasons[VIRTIO_RDMA_R_COUNT] = {
	[VIRTIO_RDMA_R_NONE] = "none",
	[VIRTIO_RDMA_R_GRACEFUL] = "graceful",
	[VIRTIO_RDMA_R_RESET] = "reset",
	[VIRTIO_RDMA_R_TIMED_OUT] = "timed-out",
	[VIRTIO_RDMA_R_PEER_GONE] = "peer-gone",
	[VIRTIO_RDMA_R_LOCAL_ERROR] = "local-error",
	[VIRTIO_RDMA_R_ADMINISTRATOR] = "administrator",
	[VIRTIO_RDMA_R_DEVICE_RESET] = "device-reset",
};

static const char *reason(struct ping *p, HRESULT status)
{
	IVrdmaConnector *extra;
	ULONG r = VIRTIO_RDMA_R_NONE;

	if (p->connector->lpVtbl->QueryInterface(p->connector,
						 &IID_IVrdmaConnector,
						 (VOID **)&extra) == S_OK) {
		extra->lpVtbl->GetDisconnectReason(extra, &r);
		extra->lpVtbl->Release(extra);
	}
	if (r == VIRTIO_RDMA_R_NONE && status == ND_DEVICE_REMOVED)
		r = VIRTIO_RDMA_R_DEVICE_RESET;
	return r < VIRTIO_RDMA_R_COUNT ? reasons[r] : "unknown";
}

/* After the own Disconnect the request ends without being an indication */
void ping_check_indication(struct ping *p)
{
	HRESULT hr;

	if (!p->notify_pending)
		return;
	hr = p->connector->lpVtbl->GetOverlappedResult(p->connector,
						       &p->ov_notify, FALSE);
	if (hr == ND_PENDING)
		return;
	p->notify_pending = false;
	if (hr != ND_SUCCESS && hr != ND_DEVICE_REMOVED)
		return;
	p->indicated++;
	tool_event("indication reason=%s count=%u", reason(p, hr),
		   p->indicated);
}

static void check_cq(struct ping *p)
{
	HRESULT hr;

	if (!p->cq_pending)
		return;
	hr = p->cq->lpVtbl->GetOverlappedResult(p->cq, &p->ov_cq, FALSE);
	if (hr == ND_PENDING)
		return;
	p->cq_pending = false;
	if (hr != ND_SUCCESS)
		p->cq_error = hr;
}

static void arm(struct ping *p)
{
	HRESULT hr;

	if (p->cq_pending || p->cq_error != ND_SUCCESS)
		return;
	hr = p->cq->lpVtbl->Notify(p->cq, ND_CQ_NOTIFY_ANY, &p->ov_cq);
	if (hr == ND_PENDING)
		p->cq_pending = true;
	else
		p->cq_error = hr;
}

/* Sleeps at most a tenth of a second, whatever it waits for */
static void doze(struct ping *p)
{
	arm(p);
	check_cq(p);
	if (p->cq_pending || p->cq_error != ND_SUCCESS)
		tool_sleep_on(p->file, 100);
	check_cq(p);
}

/*
 * One step of every wait.  PING_OK: something may have changed.  What has
 * completed is always handed on before a lost connection is reported.
 */
static enum ping_rc progress(struct ping *p, double end, const char *what)
{
	uint32_t i;

	for (i = 0; i < (p->o->wait ? 1 : IDLE_ROUNDS); i++)
		if (ping_poll(p))
			return PING_OK;
	ping_check_indication(p);
	if (ping_poll(p))
		return PING_OK;
	if (p->indicated || p->broken != ND_SUCCESS)
		return PING_LOST;
	if (tool_now() > end) {
		tool_status_error(what, ND_TIMEOUT,
				  "the peer may be stuck; -T gives more time");
		return PING_FAILED;
	}
	if (p->o->wait)
		doze(p);
	else
		sched_yield();
	return PING_OK;
}

enum ping_rc ping_wait_sends(struct ping *p, uint32_t at_most)
{
	double end = tool_now() + p->o->timeout;
	enum ping_rc rc = PING_OK;

	while (rc == PING_OK && p->sends > at_most)
		rc = progress(p, end, "wait for a request to complete");
	return rc == PING_OK && p->broken != ND_SUCCESS ? PING_LOST : rc;
}

enum ping_rc ping_wait_arrival(struct ping *p, struct arrival *a)
{
	double end = tool_now() + p->o->timeout;
	enum ping_rc rc = PING_OK;

	while (rc == PING_OK && p->arrival_head == p->arrival_tail)
		rc = progress(p, end, "wait for a message of the peer");
	if (rc != PING_OK)
		return rc;
	*a = p->arrivals[p->arrival_head++ % (p->recv_slots + 2)];
	return PING_OK;
}

/* After a disconnect or a flush everything comes back; false: not all did */
bool ping_drain(struct ping *p)
{
	double end = tool_now() + p->o->timeout;

	while (p->wr_free_count < p->wr_count) {
		if (ping_poll(p))
			continue;
		ping_check_indication(p);
		if (tool_now() > end)
			return false;
		if (p->o->wait)
			doze(p);
		else
			sched_yield();
	}
	while (ping_poll(p)) /* one that completes twice shows here */
		;
	return true;
}
