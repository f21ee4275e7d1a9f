/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-or-later */
/*
 * ping_endpoint.c - adapter, memory, queue pair of one connection
 */
#include <stdlib.h>
#include <string.h>

#include "ping.h"
#include "tool_os.h"

#define DATA_AREA (64ull << 20)	/* wanted at most, one transfer fits anyway */
#define MSG_SLOTS 8u

/* ------------------------------------------------------------------ adapter */

bool ping_open(struct ping *p, const struct sockaddr *local, ULONG cb)
{
	ULONG size = sizeof(p->info);
	HRESULT hr = NdOpenV2Adapter(local, cb, &p->adapter);

	p->file = INVALID_HANDLE_VALUE;
	if (hr != ND_SUCCESS)
		return tool_status_error("open the adapter", hr,
					 "has it this address? nd_info tells");
	p->info.InfoVersion = ND_VERSION_2;
	hr = p->adapter->lpVtbl->Query(p->adapter, &p->info, &size);
	if (hr == ND_SUCCESS)
		hr = p->adapter->lpVtbl->CreateOverlappedFile(p->adapter,
							      &p->file);
	if (hr != ND_SUCCESS)
		return tool_status_error("ask the adapter", hr,
					 "dmesg may tell why");
	tool_watch(p->file);
	return true;
}

void ping_close(struct ping *p)
{
	if (p->adapter)
		p->adapter->lpVtbl->Release(p->adapter);
	if (p->file != INVALID_HANDLE_VALUE)
		CloseHandle(p->file);
	p->adapter = NULL;
	p->file = INVALID_HANDLE_VALUE;
}

/* ------------------------------------------------------------------- waiting */

bool ping_wait(struct ping *p, void *obj, OVERLAPPED *ov, double seconds,
	       const char *what, HRESULT *hr)
{
	double end = tool_now() + seconds;
	IND2Overlapped *o = obj;

	for (;;) {
		double left = end - tool_now();

		*hr = o->lpVtbl->GetOverlappedResult(o, ov, FALSE);
		if (*hr != ND_PENDING)
			return true;
		if (left <= 0)
			break;
		/* the file stays readable until these results are taken too */
		ping_check_indication(p);
		tool_sleep_on(p->file,
			      left > 1 ? 1000 : (int)(left * 1000) + 1);
	}
	if (what)
		tool_status_error(what, ND_TIMEOUT,
				  "the peer may be gone; -T gives more time");
	return false;
}

/* ---------------------------------------------------------------- dimensions */

static uint32_t clamp(uint64_t v, uint32_t low, uint32_t high)
{
	return v < low ? low : v > high ? high : (uint32_t)v;
}

static uint64_t page_up(uint64_t v)
{
	return (v + 4095) & ~4095ull;
}

/* A data message lands in a receive slot only where data is sent */
static bool data_arrives(const struct ping *p)
{
	return p->wish.op == OP_SEND &&
	       (!p->client || p->wish.test == TEST_LAT);
}

static void dimensions(struct ping *p)
{
	uint64_t size = p->wish.size ? p->wish.size : 1;
	uint64_t msg = sizeof(struct ping_msg);

	p->data_slots = clamp(DATA_AREA / size, 1, p->wish.depth);
	p->recv_size = data_arrives(p) && size > msg ? size : msg;
	p->recv_size = (p->recv_size + 63) & ~63ull;
	p->recv_slots = clamp(DATA_AREA / p->recv_size, 2,
			      p->wish.depth + MSG_SLOTS);
	p->send_slots = MSG_SLOTS;
	p->memory_size = page_up(p->send_slots * msg) +
			 page_up(p->recv_slots * p->recv_size) +
			 p->data_slots * page_up(p->wish.size);
}

/* Requests of one transfer, transfers at once */
static uint32_t requests(const struct ping *p)
{
	uint64_t max = p->info.MaxTransferLength;
	uint32_t window = p->wish.depth < p->data_slots ? p->wish.depth :
							   p->data_slots;

	return window * (uint32_t)((p->wish.size + max - 1) / max +
				   !p->wish.size);
}

static bool dimensions_fit(struct ping *p, uint32_t sends)
{
	if (p->wish.op == OP_SEND && p->wish.size > p->info.MaxTransferLength)
		return tool_error("-S %llu: this adapter sends at most %u bytes "
				  "in one message; use write or read",
				  (unsigned long long)p->wish.size,
				  (unsigned)p->info.MaxTransferLength);
	if (sends > p->info.MaxInitiatorQueueDepth ||
	    p->recv_slots + 1 > p->info.MaxReceiveQueueDepth ||
	    sends + p->recv_slots + 1 > p->info.MaxCompletionQueueDepth)
		return tool_error("-q %u: too deep for this adapter; use less",
				  p->wish.depth);
	return true;
}

/* ------------------------------------------------------------------- objects */

static bool make_memory(struct ping *p)
{
	uint64_t msgs = page_up(p->send_slots * sizeof(struct ping_msg));

	p->memory = tool_pages(p->memory_size);
	if (!p->memory)
		return tool_error("no %llu bytes of memory; use a smaller -S "
				  "or -q",
				  (unsigned long long)p->memory_size);
	p->recv_area = p->memory + msgs;
	p->data = p->recv_area + page_up(p->recv_slots * p->recv_size);
	return true;
}

static bool register_memory(struct ping *p)
{
	OVERLAPPED ov = { 0 };
	HRESULT hr = p->adapter->lpVtbl->CreateMemoryRegion(
		p->adapter, &IID_IND2MemoryRegion, p->file, (VOID **)&p->mr);

	if (hr != ND_SUCCESS)
		return tool_status_error("CreateMemoryRegion", hr,
					 "nd_info tells how many there may be");
	hr = p->mr->lpVtbl->Register(p->mr, p->memory, p->memory_size,
				     ND_MR_FLAG_ALLOW_LOCAL_WRITE |
				     ND_MR_FLAG_ALLOW_REMOTE_READ |
				     ND_MR_FLAG_ALLOW_REMOTE_WRITE |
				     ND_MR_FLAG_RDMA_READ_SINK, &ov);
	if (hr == ND_PENDING &&
	    !ping_wait(p, p->mr, &ov, p->o->timeout, "Register", &hr))
		return false;
	if (hr != ND_SUCCESS)
		return tool_status_error("Register", hr,
					 "raise the limit of locked memory "
					 "(ulimit -l) or use a smaller -S");
	p->token = p->mr->lpVtbl->GetRemoteToken(p->mr);
	return true;
}

static bool make_queues(struct ping *p, uint32_t sends)
{
	HRESULT hr = p->adapter->lpVtbl->CreateCompletionQueue(
		p->adapter, &IID_IND2CompletionQueue, p->file,
		sends + p->recv_slots + 1, 0, 0, (VOID **)&p->cq);

	if (hr != ND_SUCCESS)
		return tool_status_error("CreateCompletionQueue", hr,
					 "use a smaller -q");
	hr = p->adapter->lpVtbl->CreateQueuePair(
		p->adapter, &IID_IND2QueuePair, (IUnknown *)p->cq,
		(IUnknown *)p->cq, p, p->recv_slots + 1, sends, 1, 1, 0,
		(VOID **)&p->qp);
	if (hr != ND_SUCCESS)
		return tool_status_error("CreateQueuePair", hr,
					 "use a smaller -q");
	return true;
}

static bool make_tables(struct ping *p, uint32_t sends)
{
	uint32_t i;

	p->wr_count = sends + p->recv_slots + 1;
	p->wrs = calloc(p->wr_count, sizeof(*p->wrs));
	p->wr_free = calloc(p->wr_count, sizeof(*p->wr_free));
	p->arrivals = calloc(p->recv_slots + 2, sizeof(*p->arrivals));
	if (!p->wrs || !p->wr_free || !p->arrivals)
		return tool_error("no memory");
	for (i = 0; i < p->wr_count; i++)
		p->wr_free[p->wr_free_count++] = i;
	return true;
}

static bool post_receives(struct ping *p)
{
	uint32_t i;

	for (i = 0; i < p->recv_slots; i++) {
		HRESULT hr = ping_post_receive(p, i);

		if (hr != ND_SUCCESS)
			return tool_status_error("Receive", hr,
						 "the device may be gone, "
						 "see dmesg");
	}
	return true;
}

bool ping_prepare(struct ping *p)
{
	uint32_t sends;

	dimensions(p);
	/* one for the late post */
	sends = requests(p) + p->send_slots + 1;
	return dimensions_fit(p, sends) && make_memory(p) &&
	       register_memory(p) && make_queues(p, sends) &&
	       make_tables(p, sends) && post_receives(p);
}

static void deregister(struct ping *p)
{
	OVERLAPPED ov = { 0 };
	HRESULT hr = p->mr->lpVtbl->Deregister(p->mr, &ov);

	if (hr == ND_PENDING)
		ping_wait(p, p->mr, &ov, p->o->timeout, "Deregister", &hr);
}

#define RELEASE(x)                                    \
	do {                                          \
		if (x)                                \
			(x)->lpVtbl->Release(x);      \
		(x) = NULL;                           \
	} while (0)

void ping_release(struct ping *p)
{
	RELEASE(p->connector);
	RELEASE(p->qp);
	p->notify_pending = false;
	if (p->mr && p->token)
		deregister(p);
	RELEASE(p->mr);
	RELEASE(p->cq);
	if (p->memory)
		tool_pages_free(p->memory, p->memory_size);
	free(p->wrs);
	free(p->wr_free);
	free(p->arrivals);
	p->memory = NULL;
	p->wrs = NULL;
	p->wr_free = NULL;
	p->arrivals = NULL;
}
