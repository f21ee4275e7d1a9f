// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * local_control.c - what connections, regions and doing nothing cost
 */
#include <poll.h>
#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "fixture.h"
#include "local.h"
#include "measure.h"

#define MAX_READINGS 10000
#define GIB	     (1ull << 30)
#define PAGE	     4096u
#define RUN	     512u	/* pages of 2 MiB */
#define IDLE_MS	     1000
#define SETTLE_MS    10000
#define TRIPS	     20000

static void start(void)
{
	struct daemon_opts o = { .guests = 2 };

	fx_start(&o, 128u << 20);
}

/* --- connections ------------------------------------------------------------------ */

/* Both consumers answer from within their callbacks, and wait for the end only */
static struct meeting {
	struct pair p;
	sem_t over;		/* twice: Accept and CompleteConnect */
} meeting;

static void part_over(PVOID ctx, NTSTATUS status)
{
	(void)ctx;
	local_must(status == STATUS_SUCCESS, "a connect failed");
	sem_post(&meeting.over);
}

static void ended(PVOID ctx, ULONG reason)
{
	(void)ctx;
	(void)reason;
}

static void replied(PVOID ctx, NTSTATUS status)
{
	NDK_CONNECTOR *c = meeting.p.a.conn;

	local_must(status == STATUS_SUCCESS, "a connect failed");
	status = c->Dispatch->NdkCompleteConnectEx(c, ended, NULL, part_over,
						   ctx);
	if (status != STATUS_PENDING)
		part_over(ctx, status);
}

static void requested(struct listener *l, NDK_CONNECTOR *c)
{
	struct ep *b = &meeting.p.b;
	NTSTATUS status;

	b->conn = c;
	status = c->Dispatch->NdkAcceptEx(c, b->qp, 8, 8, NULL, 0, ended, NULL,
					  part_over, l);
	if (status != STATUS_PENDING)
		part_over(l, status);
}

static uint64_t connect_once(void)
{
	struct ep *a = &meeting.p.a;
	const struct sa *to = &meeting.p.l.addr;
	NTSTATUS status;
	uint64_t t;

	a->conn = nd_connector(a->adapter);
	t = now_ns();
	status = a->conn->Dispatch->NdkConnect(a->conn, a->qp, NULL, 0, &to->sa,
					       to->len, 8, 8, NULL, 0, replied,
					       NULL);
	if (status != STATUS_PENDING)
		replied(NULL, status);
	for (int i = 0; i < 2; i++)
		while (sem_wait(&meeting.over))
			;
	return now_ns() - t;
}

static uint64_t disconnect_once(struct pair *p)
{
	uint64_t t = now_ns();

	ep_disconnect_both(&p->a, &p->b);
	return now_ns() - t;
}

void local_connect(const struct local_wish *w)
{
	static uint64_t up[MAX_READINGS], down[MAX_READINGS];
	struct pair *p = &meeting.p;
	uint64_t begin, stop, off = 0;
	struct dist d;
	size_t n = 0;

	(void)w;
	start();
	sem_init(&meeting.over, 0, 0);
	pair_open(p, 0, 1, NULL);
	ep_disconnect_both(&p->a, &p->b);
	p->l.on_request = requested;
	begin = now_ns();
	stop = begin + measure_ns() / 2;
	while (n < MAX_READINGS && (n < 2 || now_ns() < stop)) {
		uint64_t t = now_ns();

		/* fresh queue pairs are not what is measured */
		ep_renew(&p->a);
		ep_renew(&p->b);
		off += now_ns() - t;
		up[n] = connect_once();
		down[n++] = disconnect_once(p);
	}
	off = now_ns() - begin - off;
	pair_close(p);
	fx_teardown();
	d = distribution(up, n);
	dist_print(&d);
	printf(" rate=%.4f disconnect=%.3f\n", mega_rate(n, off) * 1000,
	       median(down, n) / 1000);
}

/* --- regions ------------------------------------------------------------------------ */

/* 1 GiB of pages out of the 64 MiB at the guest's end, which is what costs here:
 * looking each up, not having them */
static void list_pages(uint64_t *page, bool runs)
{
	uint64_t base = fe_gpa_end(tguest_fe(fx.g[0])) - (64u << 20);

	for (uint64_t i = 0; i < GIB / PAGE; i++) {
		uint64_t at = runs ? i / RUN * 7 % 31 * RUN + i % RUN
				   : i * 7919 % 16000;

		page[i] = base + at * PAGE;
	}
}

static uint64_t register_once(NDK_PD *pd, MDL *mdl)
{
	struct op op;
	NDK_MR *mr = NULL;
	uint64_t t;
	NTSTATUS st;

	op_init(&op);
	st = pd->Dispatch->NdkCreateMr(pd, FALSE, op_created, &op, &mr);
	assert_status(op_wait(&op, st), STATUS_SUCCESS);
	if (st == STATUS_PENDING)
		mr = (NDK_MR *)op.object;
	op_init(&op);
	t = now_ns();
	st = mr->Dispatch->NdkRegisterMr(mr, mdl, mdl->length, MEM_ALL, op_ended,
					 &op);
	assert_status(op_wait(&op, st), STATUS_SUCCESS);
	t = now_ns() - t;
	op_init(&op);
	st = mr->Dispatch->NdkDeregisterMr(mr, op_ended, &op);
	assert_status(op_wait(&op, st), STATUS_SUCCESS);
	nd_close(mr);
	return t;
}

void local_register(const struct local_wish *w)
{
	static uint64_t page[GIB / PAGE], v[MAX_READINGS];
	MDL mdl = { .va = 0x7f0000000000, .length = GIB, .pages = page };
	uint64_t stop;
	NDK_ADAPTER *a;
	NDK_PD *pd;
	size_t n = 0;
	double ns;

	/* a guest has its memory mapped; this one maps what it allocates, each
	 * piece by a call, which is not what is measured */
	fe_mem_contiguous(true);
	start();
	a = nd_open(fx.g[0]);
	pd = nd_pd(a);
	list_pages(page, w->huge_runs);
	stop = now_ns() + measure_ns() / 2;
	while (n < MAX_READINGS && (n < 3 || now_ns() < stop))
		v[n++] = register_once(pd, &mdl);
	nd_close(pd);
	vrdma_close_adapter(a);
	fx_teardown();
	ns = median(v, n);
	printf(" ms=%.3f page_ns=%.2f\n", ns / 1e6, ns / (double)(GIB / PAGE));
}

/* --- nothing ------------------------------------------------------------------------- */

static uint64_t cpu_ns(pid_t pid)
{
	struct timespec t;
	clockid_t clock;

	local_must(!clock_getcpuclockid(pid, &clock) && !clock_gettime(clock, &t),
		   "vrdmad's CPU time cannot be read");
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

/* Until a while has passed in which it did next to nothing */
static void wait_asleep(pid_t pid)
{
	uint64_t give_up = now_ns() + SETTLE_MS * 1000000ull, before, used;

	do {
		local_must(now_ns() < give_up, "vrdmad does not come to rest");
		before = cpu_ns(pid);
		poll(NULL, 0, 20);
		used = cpu_ns(pid) - before;
	} while (used > 1000000);
}

static double idle_percent(void)
{
	pid_t pid = fx.daemon.pid;
	uint64_t cpu, begin;

	wait_asleep(pid);
	begin = now_ns();
	cpu = cpu_ns(pid);
	poll(NULL, 0, IDLE_MS);
	return (double)(cpu_ns(pid) - cpu) * 100 / (double)(now_ns() - begin);
}

static struct dist write_latency(struct pair *p)
{
	static uint64_t v[TRIPS];
	volatile uint8_t *last = p->b.mem.va + 63;
	NDK_RESULT_EX r;

	for (size_t i = 0; i < TRIPS; i++) {
		uint64_t begin = now_ns(), looks = 0;

		p->a.mem.va[63] = (uint8_t)(i + 1);
		ep_post_write(&p->a, i, 0, 64, &p->b, 0, 0);
		while (*last != (uint8_t)(i + 1))
			local_must(++looks < 10000000000ull, "it got lost");
		v[i] = now_ns() - begin;
		while (!p->a.cq->Dispatch->NdkGetCqResultsEx(p->a.cq, &r, 1))
			;
	}
	return distribution(v, TRIPS);
}

static void add_idle(struct pair *p, struct ep *e)
{
	struct ep_opts o = { .depth = 4, .sge = 1 };

	o.share = &p->a;
	ep_init(&e[0], fx.g[0], &o);
	o.share = &p->b;
	ep_init(&e[1], fx.g[1], &o);
	ep_connect(&e[0], &e[1], &p->l, NULL, NULL);
}

static void drop_idle(struct ep *e)
{
	ep_disconnect_both(&e[0], &e[1]);
	ep_fini(&e[0]);
	ep_fini(&e[1]);
}

void local_idle(const struct local_wish *w)
{
	struct daemon_opts o = { .guests = 2 };
	struct ep(*idle)[2] = calloc(w->qps, sizeof(*idle));
	struct pair p;
	struct dist d;
	double cpu;

	local_must(idle != NULL, "no memory");
	fx_start(&o, FX_MEM + (size_t)w->qps * 4 * PAGE / (2u << 20) * (2u << 20));
	pair_open(&p, 0, 1, NULL);
	for (uint32_t i = 0; i < w->qps; i++)
		add_idle(&p, idle[i]);
	local_pin();
	d = write_latency(&p);
	cpu = idle_percent();
	for (uint32_t i = 0; i < w->qps; i++)
		drop_idle(idle[i]);
	ep_disconnect_both(&p.a, &p.b);
	pair_close(&p);
	fx_teardown();
	free(idle);
	dist_print(&d);
	printf(" cpu=%.4f\n", cpu);
}
