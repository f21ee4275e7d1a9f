// SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-or-later
/*
 * endpoint.c - what a connection needs: memory, region, CQ, queue pair
 *
 * The memory is from vmalloc, so its pages lie anywhere, as a real consumer's
 * would, and the region's address is the kernel's.
 */
#include <linux/io.h>
#include <linux/mm.h>
#include <linux/slab.h>
#include <linux/vmalloc.h>

#include "ping.h"

static void cq_notify(void *ctx, NTSTATUS status)
{
	struct ping *p = ctx;

	if (status != STATUS_SUCCESS && p->broken == STATUS_SUCCESS)
		WRITE_ONCE(p->broken, status);
	WRITE_ONCE(p->cq_event, true);
	wake_up(&p->run->wait);
}

static bool made(struct ping *p, const char *what, NTSTATUS status)
{
	return status == STATUS_SUCCESS ||
	       run_status_error(p->run, what, status,
				"the adapter's limits may be reached");
}

static bool make_cq(struct ping *p)
{
	NDK_ADAPTER *a = p->run->adapter;
	struct call *c = call_new(p->run);
	NTSTATUS st = a->Dispatch->NdkCreateCq(a, p->wr_count, cq_notify, p,
					       NULL, call_created, c, &p->cq);

	return made(p, "NdkCreateCq",
		    call_wait(c, st, p->o->timeout_ms, &p->cq));
}

static bool make_pd(struct ping *p)
{
	NDK_ADAPTER *a = p->run->adapter;
	struct call *c = call_new(p->run);
	NTSTATUS st = a->Dispatch->NdkCreatePd(a, call_created, c, &p->pd);

	return made(p, "NdkCreatePd",
		    call_wait(c, st, p->o->timeout_ms, &p->pd));
}

static bool make_qp(struct ping *p)
{
	u32 sends = p->wr_count - p->recv_slots;
	struct call *c = call_new(p->run);
	NTSTATUS st = p->pd->Dispatch->NdkCreateQp(p->pd, p->cq, p->cq, p,
						   p->recv_slots, sends, 1, 1,
						   0, call_created, c, &p->qp);

	return made(p, "NdkCreateQp",
		    call_wait(c, st, p->o->timeout_ms, &p->qp));
}

static bool make_mr(struct ping *p)
{
	struct call *c = call_new(p->run);
	NTSTATUS st = p->pd->Dispatch->NdkCreateMr(p->pd, FALSE, call_created, c,
						   &p->mr);

	return made(p, "NdkCreateMr",
		    call_wait(c, st, p->o->timeout_ms, &p->mr));
}

static bool register_memory(struct ping *p)
{
	MDL mdl = {
		.va = (uintptr_t)p->memory, .length = p->memory_size,
		.pages = (const uint64_t *)p->pages,
	};
	const u32 access = NDK_MR_FLAG_ALLOW_REMOTE_WRITE |
			   NDK_MR_FLAG_ALLOW_REMOTE_READ |
			   NDK_MR_FLAG_RDMA_READ_SINK;
	struct call *c = call_new(p->run);
	NTSTATUS st = p->mr->Dispatch->NdkRegisterMr(p->mr, &mdl,
						     p->memory_size, access,
						     call_done, c);

	/* the MDL is on this stack: wait as long as it takes */
	while (st == STATUS_PENDING || st == STATUS_TIMEOUT)
		st = call_wait(c, STATUS_PENDING, 1000, NULL);
	p->registered = st == STATUS_SUCCESS;
	if (p->registered) {
		p->token = p->mr->Dispatch->NdkGetLocalTokenFromMr(p->mr);
		p->remote_token =
			p->mr->Dispatch->NdkGetRemoteTokenFromMr(p->mr);
	}
	return made(p, "NdkRegisterMr", st);
}

/* How much of everything, from the client's wish */
static bool lay_out(struct ping *p)
{
	const struct ping_wish *w = &p->wish;
	u32 depth = w->depth;
	bool big = w->op == OP_SEND;

	p->slot_size = ALIGN(max_t(u64, w->size, MSG_SIZE), 64);
	while (depth > 1 && p->slot_size * depth * 2 > MAX_MEMORY)
		depth /= 2;
	p->wish.depth = depth;
	p->recv_slots = depth + EXTRA_RECEIVES;
	p->recv_size = big ? p->slot_size : MSG_SIZE;
	p->data_slots = depth;
	p->wr_count = p->recv_slots + depth + EXTRA_RECEIVES;
	p->memory_size = (u64)(depth + EXTRA_RECEIVES) * MSG_SIZE +
			 p->recv_slots * p->recv_size +
			 p->data_slots * p->slot_size;
	p->memory_size = PAGE_ALIGN(p->memory_size);
	if (w->size > p->run->info.MaxTransferLength)
		return run_error(p->run, "-S: this adapter transfers %u bytes at most",
				 p->run->info.MaxTransferLength);
	return p->memory_size <= MAX_MEMORY * 4;
}

static bool get_memory(struct ping *p)
{
	u64 pages = p->memory_size >> PAGE_SHIFT, i;

	p->memory = vzalloc(p->memory_size);
	p->pages = kvcalloc(pages, sizeof(*p->pages), GFP_KERNEL);
	p->wrs = kvcalloc(p->wr_count, sizeof(*p->wrs), GFP_KERNEL);
	p->arrived = kvcalloc(p->recv_slots, sizeof(*p->arrived), GFP_KERNEL);
	p->arrived_bytes = kvcalloc(p->recv_slots, sizeof(*p->arrived_bytes),
				    GFP_KERNEL);
	if (!p->memory || !p->pages || !p->wrs || !p->arrived ||
	    !p->arrived_bytes)
		return run_error(p->run, "no memory for %llu bytes; give a smaller -S or -q",
				 p->memory_size);
	for (i = 0; i < pages; i++)
		p->pages[i] = page_to_phys(vmalloc_to_page(p->memory +
							   i * PAGE_SIZE));
	p->recv_area = p->memory + (p->wr_count - p->recv_slots) * MSG_SIZE;
	p->data = p->recv_area + p->recv_slots * p->recv_size;
	return true;
}

/* The iWARP rule: the passive side's receives are there before it accepts */
static bool post_receives(struct ping *p)
{
	NTSTATUS st = STATUS_SUCCESS;
	u32 i;

	for (i = 0; i < p->recv_slots && st == STATUS_SUCCESS; i++)
		st = post_receive(p, i);
	return made(p, "NdkReceive", st);
}

bool ping_prepare(struct ping *p)
{
	return lay_out(p) && get_memory(p) && make_cq(p) && make_pd(p) &&
	       make_mr(p) && register_memory(p) && make_qp(p) &&
	       post_receives(p);
}

static void deregister(struct ping *p)
{
	struct call *c;
	NTSTATUS st;

	if (!p->registered)
		return;
	c = call_new(p->run);
	st = p->mr->Dispatch->NdkDeregisterMr(p->mr, call_done, c);
	if (st != STATUS_PENDING)
		kfree(c);
	/* closing waits for it */
}

void ping_release(struct ping *p)
{
	close_object(p->run, p->conn);
	close_object(p->run, p->shared);
	close_object(p->run, p->qp);
	deregister(p);
	close_object(p->run, p->mr);
	close_object(p->run, p->pd);
	close_object(p->run, p->cq);
	kvfree(p->arrived_bytes);
	kvfree(p->arrived);
	kvfree(p->wrs);
	kvfree(p->pages);
	vfree(p->memory);
}
