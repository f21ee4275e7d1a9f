// SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-or-later
/*
 * work.c - posting, completions, and the count of both
 *
 * Every request has a struct wr; its address is the request context.  A
 * completion for one that is not posted, or a second one, shows here.
 */
#include <linux/sched.h>

#include "ping.h"

#define SPIN_NS		(100 * NSEC_PER_USEC)	/* -w poll: before it sleeps */

/* --- posting ---------------------------------------------------------------------------- */

static NTSTATUS account(struct ping *p, struct wr *wr, NTSTATUS status)
{
	if (status != STATUS_SUCCESS) {
		wr->posted = false;
		return status;
	}
	p->posted++;
	p->sends += !wr->receive;
	return status;
}

NTSTATUS post_receive(struct ping *p, u32 slot)
{
	struct wr *wr = &p->wrs[slot];
	NDK_SGE sge = {
		.VirtualAddress = p->recv_area + slot * p->recv_size,
		.Length = p->recv_size, .MemoryRegionToken = p->token,
	};

	*wr = (struct wr){ .posted = true, .receive = true, .slot = slot };
	return account(p, wr, p->qp->Dispatch->NdkReceive(p->qp, wr, &sge, 1));
}

static struct wr *free_send(struct ping *p)
{
	u32 i;

	for (i = p->recv_slots; i < p->wr_count; i++)
		if (!p->wrs[i].posted)
			return &p->wrs[i];
	return NULL;
}

NTSTATUS post_send(struct ping *p, const void *from, u32 len)
{
	struct wr *wr = free_send(p);
	NDK_SGE sge = {
		.VirtualAddress = (void *)from, .Length = len,
		.MemoryRegionToken = p->token,
	};

	if (!wr)
		return STATUS_NO_MORE_ENTRIES;
	*wr = (struct wr){ .posted = true };
	return account(p, wr, p->qp->Dispatch->NdkSend(p->qp, wr, &sge, 1, 0));
}

NTSTATUS post_rdma(struct ping *p, u8 *local, u64 remote)
{
	const NDK_QP_DISPATCH *d = p->qp->Dispatch;
	struct wr *wr = free_send(p);
	NDK_SGE sge = {
		.VirtualAddress = local, .Length = p->wish.size,
		.MemoryRegionToken = p->token,
	};

	if (!wr)
		return STATUS_NO_MORE_ENTRIES;
	*wr = (struct wr){ .posted = true };
	return account(p, wr, p->wish.op == OP_READ ?
				      d->NdkRead(p->qp, wr, &sge, 1, remote,
						 p->peer_token, 0) :
				      d->NdkWrite(p->qp, wr, &sge, 1, remote,
						  p->peer_token, 0));
}

/* --- completions -------------------------------------------------------------------------- */

static void arrival(struct ping *p, u32 slot, u32 bytes)
{
	u32 at = p->arrived_tail++ % p->recv_slots;

	p->arrived[at] = slot;
	p->arrived_bytes[at] = bytes;
}

static void take_result(struct ping *p, const NDK_RESULT_EX *r)
{
	struct wr *wr = r->RequestContext;
	bool known = wr >= p->wrs && wr < p->wrs + p->wr_count;

	if (!known || !wr->posted || r->QPContext != p) {
		p->miscounted = true;
		run_error(p->run, "a completion for a request that was not outstanding (%s)",
			  STATUS_NAME(r->Status));
		return;
	}
	wr->posted = false;
	p->sends -= !wr->receive;
	if (r->Status == STATUS_SUCCESS) {
		p->completed++;
		if (wr->receive)
			arrival(p, wr->slot, r->BytesTransferred);
		return;
	}
	if (r->Status == STATUS_CANCELLED)
		p->cancelled++;
	else
		p->failed++;
	if (p->broken == STATUS_SUCCESS)
		p->broken = r->Status;
}

static bool poll_cq(struct ping *p)
{
	NDK_RESULT_EX r[16];
	u32 i, n = p->cq->Dispatch->NdkGetCqResultsEx(p->cq, r, ARRAY_SIZE(r));

	for (i = 0; i < n; i++)
		take_result(p, &r[i]);
	return n;
}

/* Until something completes, or happens, or a moment passed.  What came before
 * the arming need not be reported: look again behind it. */
static void idle(struct ping *p)
{
	u64 end = ktime_get_ns() + SPIN_NS;
	u32 i;

	/* a guest's clock may cost more than many looks at the queue */
	while (!p->o->wait && ktime_get_ns() < end) {
		for (i = 0; i < 64; i++) {
			if (poll_cq(p))
				return;
			cpu_relax();
		}
		cond_resched();
	}
	WRITE_ONCE(p->cq_event, false);
	p->cq->Dispatch->NdkArmCq(p->cq, NDK_CQ_NOTIFY_ANY);
	if (poll_cq(p))
		return;
	wait_event_timeout(p->run->wait,
			   READ_ONCE(p->cq_event) || READ_ONCE(p->run->abort) ||
				   READ_ONCE(p->indications) != p->told,
			   msecs_to_jiffies(50));
}

void tell_indication(struct ping *p)
{
	static const char *const reasons[VIRTIO_RDMA_R_COUNT] = {
		"none", "graceful", "reset", "timed-out", "peer-gone",
		"local-error", "administrator", "device-reset",
	};
	u32 n = READ_ONCE(p->indications);
	u32 reason = READ_ONCE(p->reason);

	if (n == p->told)
		return;
	p->told = n;
	run_event(p->run, "indication reason=%s count=%u",
		  reason < VIRTIO_RDMA_R_COUNT ? reasons[reason] : "none", n);
}

/* --- waiting -------------------------------------------------------------------------------- */

static enum rc over_yet(struct ping *p, u64 end, const char *what)
{
	tell_indication(p);
	if (READ_ONCE(p->run->abort))
		return RC_FAILED;
	if (p->told || p->broken != STATUS_SUCCESS)
		return RC_LOST;
	if (ktime_get_ns() < end)
		return RC_OK;
	run_status_error(p->run, what, STATUS_TIMEOUT,
			 "-T gives more time; does the peer still run?");
	return RC_FAILED;
}

static u64 deadline(struct ping *p)
{
	return ktime_get_ns() + (u64)p->o->timeout_ms * NSEC_PER_MSEC;
}

enum rc wait_sends(struct ping *p, u32 at_most)
{
	u64 end = deadline(p);
	enum rc rc;

	while (poll_cq(p), p->sends > at_most) {
		rc = over_yet(p, end, "wait for requests to complete");
		if (rc != RC_OK)
			return rc;
		idle(p);
	}
	return p->broken == STATUS_SUCCESS ? RC_OK : RC_LOST;
}

enum rc wait_arrival(struct ping *p, u32 *slot, u32 *bytes)
{
	u64 end = deadline(p);
	enum rc rc;
	u32 at;

	while (p->arrived_head == p->arrived_tail) {
		if (poll_cq(p))
			continue;
		rc = over_yet(p, end, "wait for a message");
		if (rc != RC_OK)
			return rc;
		idle(p);
	}
	at = p->arrived_head++ % p->recv_slots;
	*slot = p->arrived[at];
	*bytes = p->arrived_bytes[at];
	return RC_OK;
}

static bool outstanding(struct ping *p)
{
	u32 i;

	for (i = 0; i < p->wr_count; i++)
		if (p->wrs[i].posted)
			return true;
	return false;
}

bool drain(struct ping *p)
{
	u64 end = deadline(p);

	while (poll_cq(p), outstanding(p)) {
		if (ktime_get_ns() > end || READ_ONCE(p->run->abort))
			return run_error(p->run, "requests are still outstanding after %u ms",
					 p->o->timeout_ms);
		idle(p);
	}
	return true;
}

bool wait_indication(struct ping *p, u32 ms)
{
	u64 end = ktime_get_ns() + (u64)ms * NSEC_PER_MSEC;

	while (tell_indication(p), !p->told) {
		if (ktime_get_ns() > end || READ_ONCE(p->run->abort))
			return false;
		wait_event_timeout(p->run->wait,
				   READ_ONCE(p->indications) ||
					   READ_ONCE(p->run->abort),
				   msecs_to_jiffies(100));
	}
	return true;
}
