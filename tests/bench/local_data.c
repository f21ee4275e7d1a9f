// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * local_data.c - messages between two guests: how long, how many, how much
 *
 * DOC: One thread is both consumers, so that it and the worker have a CPU each
 * where there are two.  A lane is one connection; all lanes share memory and
 * completion queues, so one look finds the completions of all.
 *
 * Streams and copies take turns in slices (measure.h); with large messages less
 * is on its way, or a slice would be long.
 */
#include <errno.h>
#include <semaphore.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "fixture.h"
#include "local.h"
#include "measure.h"

#define DEPTH	  128
#define RECEIVES  (DEPTH / 2)	/* of a lane; a place is free a little after its
				 * receive was seen to end */
#define BURST	  16		/* posts of a lane before the next has its turn */
#define SILENT	  64		/* one in so many has a completion */
#define WINDOW	  (8u << 20)	/* bytes of a lane on their way, or 4 messages */
#define MIN_TRIPS 100
#define MAX_TRIPS 500000
#define BOUND_NS  10000000000ull
#define MANY_LOOKS (1u << 20)
#define PAGE	  4096u
#define BATCH	  64		/* completions taken at a time */
#define NAP_US	  100		/* a worker that has nothing to do is asleep by then */

struct lane {
	struct ep *a, *b;
	size_t at;			/* its part of both memories */
	uint64_t posted;
	uint32_t unheard;		/* sends that B has not received */
};

static const struct local_wish *w;
static struct pair first;
static struct ep more[LOCAL_MAX_QPS][2];	/* but for the first */
static struct lane lane[LOCAL_MAX_QPS];
static uint32_t cq_depth;
static sem_t told;

/* --- set up and down ------------------------------------------------------------ */

static void on_event(struct ep *e)
{
	(void)e;
	sem_post(&told);
}

static void post_receive(const struct lane *l)
{
	local_must(ep_post_recv(l->b, (uint64_t)(l - lane), l->at, w->size) ==
		   STATUS_SUCCESS, "a receive was not taken");
}

static void add_lane(uint32_t i, struct ep_opts o)
{
	struct lane *l = &lane[i];

	*l = (struct lane){ &first.a, &first.b, (size_t)i * w->size, 0,
			       0 };
	if (i) {
		l->a = &more[i][0];
		l->b = &more[i][1];
		o.share = &first.a;
		ep_init(l->a, fx.g[0], &o);
		o.share = &first.b;
		ep_init(l->b, fx.g[1], &o);
		ep_connect(l->a, l->b, &first.l, NULL, NULL);
	}
	for (int n = 0; w->op == LOCAL_SEND && n < RECEIVES; n++)
		post_receive(l);
}

static void start(void)
{
	struct daemon_opts o = {
		.guests = 2, .guest_section = FX_SMALL,
		.vrdmad_section = w->sleeping ? "poll-us = 0\n" : NULL,
	};
	struct ep_opts big = {
		.depth = DEPTH, .sge = 1, .mem = (size_t)w->size * w->qps,
		.on_event = on_event,
	};

	cq_depth = big.cq_depth = 2 * DEPTH * w->qps;
	sem_init(&told, 0, 0);
	fe_mem_contiguous(w->contiguous);
	fx_start(&o, 2 * FX_MEM);
	pair_open(&first, 0, 1, &big);
	for (uint32_t i = 0; i < w->qps; i++)
		add_lane(i, big);
	if (!w->sleeping)
		local_pin();
}

static void end(void)
{
	for (uint32_t i = 0; i < w->qps; i++)
		ep_disconnect_both(lane[i].a, lane[i].b);
	for (uint32_t i = 1; i < w->qps; i++) {
		ep_fini(lane[i].a);
		ep_fini(lane[i].b);
	}
	pair_close(&first);
	fx_teardown();
}

/* --- one message ------------------------------------------------------------------ */

static bool post(struct lane *l, uint32_t flags)
{
	uint64_t id = (uint64_t)(l - lane);
	NTSTATUS st;

	switch (w->op) {
	case LOCAL_WRITE:
		st = ep_post_write(l->a, id, l->at, w->size, l->b, l->at, flags);
		break;
	case LOCAL_READ:
		st = ep_post_read(l->a, id, l->at, w->size, l->b, l->at, flags);
		break;
	default:
		st = ep_post_send(l->a, id, l->at, w->size, flags);
		l->unheard += st == STATUS_SUCCESS;
		break;
	}
	return st == STATUS_SUCCESS;
}

static ULONG take(struct ep *e, NDK_RESULT_EX *r, ULONG n)
{
	n = e->cq->Dispatch->NdkGetCqResultsEx(e->cq, r, n);
	for (ULONG i = 0; i < n; i++)
		local_must(r[i].Status == STATUS_SUCCESS, "a request failed");
	return n;
}

/* Messages that B has received; each receive is posted again */
static ULONG receive(ULONG most)
{
	NDK_RESULT_EX r[BATCH];
	ULONG n = take(&first.b, r, most);

	for (ULONG i = 0; i < n; i++) {
		struct lane *l = &lane[(uintptr_t)r[i].RequestContext];

		l->unheard--;
		post_receive(l);
	}
	return n;
}

/* A look in vain: not for ever.  The clock is looked at when it takes long */
static void in_vain(uint64_t *looks)
{
	static uint64_t give_up;

	if (++*looks % MANY_LOOKS)
		return;
	if (*looks == MANY_LOOKS)
		give_up = now_ns() + BOUND_NS;
	local_must(now_ns() < give_up, "something did not arrive");
}

static void take_one(struct ep *e)
{
	NDK_RESULT_EX r;
	uint64_t looks = 0;

	while (!take(e, &r, 1))
		in_vain(&looks);
}

static void receive_one(void)
{
	uint64_t looks = 0;

	while (!receive(1))
		in_vain(&looks);
}

static void wait_told(void)
{
	struct timespec t;

	clock_gettime(CLOCK_REALTIME, &t);
	t.tv_sec += BOUND_NS / 1000000000;
	while (sem_timedwait(&told, &t))
		local_must(errno == EINTR, "no event came");
}

static void arm(struct ep *e)
{
	e->cq->Dispatch->NdkArmCq(e->cq, NDK_CQ_NOTIFY_ANY);
}

/* --- latency ------------------------------------------------------------------------ */

static uint64_t polled_trip(void)
{
	volatile uint8_t *last = first.b.mem.va + w->size - 1;
	uint8_t mark = (uint8_t)(*last + 1);
	uint64_t begin = now_ns(), looks = 0, ns;

	if (w->op != LOCAL_READ)
		first.a.mem.va[w->size - 1] = mark;
	local_must(post(&lane[0], 0), "a request was not taken");
	switch (w->op) {
	case LOCAL_WRITE:
		while (*last != mark)
			in_vain(&looks);
		break;
	case LOCAL_READ:
		take_one(&first.a);
		return now_ns() - begin;
	default:
		receive_one();
		break;
	}
	ns = now_ns() - begin;
	take_one(&first.a);
	return ns;
}

/* What the last trip left is taken first, so that the event is this one's */
static uint64_t sleeping_trip(void)
{
	bool by_receive = w->op == LOCAL_SEND;
	uint64_t begin;

	while (!sem_trywait(&told))
		;
	arm(by_receive ? &first.b : &first.a);
	nanosleep(&(struct timespec){ 0, NAP_US * 1000 }, NULL);
	begin = now_ns();
	local_must(post(&lane[0], 0), "a request was not taken");
	wait_told();
	begin = now_ns() - begin;
	if (by_receive)
		receive_one();
	take_one(&first.a);
	return begin;
}

static struct dist latency(uint64_t ns)
{
	static uint64_t v[MAX_TRIPS];
	uint64_t stop = now_ns() + ns;
	size_t n = 0;

	while (n < MAX_TRIPS && (n < MIN_TRIPS || now_ns() < stop))
		v[n++] = w->sleeping ? sleeping_trip() : polled_trip();
	return distribution(v, n);
}

/* --- streams -------------------------------------------------------------------------- */

struct stream {
	uint32_t every;			/* one in so many has a completion */
	bool on;
	uint64_t most;			/* on their way */
	uint64_t posted, asked;		/* in all; completions asked for */
	uint64_t ended, received;
};

/* Messages of a lane on their way */
static uint32_t window(void)
{
	uint32_t n = WINDOW / w->size;

	return n < 4 ? 4 : n < DEPTH ? n : DEPTH;
}

static uint32_t silent(void)
{
	return window() / 2 < SILENT ? window() / 2 : SILENT;
}

/* Ends with a completion, so that all can be known to have ended.  No more
 * are asked for than the queue takes: an overrun would end it all.  A send waits
 * here for its receive, not in the worker */
static bool post_burst(struct stream *s, struct lane *l)
{
	bool some = false;

	for (int i = 0; i < BURST; i++) {
		bool quiet = (l->posted + 1) % s->every;

		if ((!s->on && l->posted % s->every == 0) ||
		    s->asked - s->ended >= cq_depth || l->unheard == RECEIVES ||
		    s->posted - s->ended * s->every >= s->most ||
		    !post(l, quiet ? NDK_OP_FLAG_SILENT_SUCCESS : 0))
			return some;
		l->posted++;
		s->posted++;
		s->asked += !quiet;
		some = true;
	}
	return some;
}

/* False: there was nothing to do */
static bool turn(struct stream *s)
{
	NDK_RESULT_EX r[BATCH];
	bool some = false;
	ULONG n;

	for (uint32_t i = 0; i < w->qps; i++)
		some |= post_burst(s, &lane[i]);
	n = take(&first.a, r, BATCH);
	s->ended += n;
	some |= n;
	if (w->op == LOCAL_SEND) {
		n = receive(BATCH);
		s->received += n;
		some |= n;
	}
	return some;
}

static bool under_way(const struct stream *s)
{
	if (s->on || s->ended < s->asked)
		return true;
	for (uint32_t i = 0; i < w->qps; i++)
		if (lane[i].posted % s->every)
			return true;
	return w->op == LOCAL_SEND && s->received < s->posted;
}

static void nothing_to_do(uint64_t *looks)
{
	if (!w->sleeping) {
		in_vain(looks);
		return;
	}
	arm(&first.a);
	if (w->op == LOCAL_SEND)
		arm(&first.b);
	wait_told();
}

/* Every queue kept full for ns: M/s */
static double stream(uint32_t every, uint64_t ns)
{
	struct stream s = { .every = every, .on = true,
			    .most = (uint64_t)window() * w->qps };
	uint64_t begin = now_ns(), looks = 0;

	for (uint32_t i = 0; i < w->qps; i++)
		lane[i].posted = 0;
	while (under_way(&s)) {
		if (turn(&s))
			looks = 0;
		else
			nothing_to_do(&looks);
		if (s.on && now_ns() - begin >= ns)
			s.on = false;
	}
	return mega_rate(s.posted, now_ns() - begin);
}

/* --- memcpy beside it ------------------------------------------------------------------- */

static void copy_whole(void)
{
	memcpy(first.b.mem.va, first.a.mem.va, w->size);
}

/* Where the device finds a page of a region */
static uint8_t *page(const struct ep *e, uint32_t i)
{
	return fe_mem_at(tguest_fe(e->g), e->mem.dma.pages[i]);
}

static void copy_pages(void)
{
	static uint8_t *to[MEASURE_MAX_SIZE / PAGE], *from[MEASURE_MAX_SIZE / PAGE];
	uint32_t whole = w->size / PAGE;

	if (!to[0])
		for (uint32_t i = 0; i <= (w->size - 1) / PAGE; i++) {
			to[i] = page(&first.b, i);
			from[i] = page(&first.a, i);
		}
	for (uint32_t i = 0; i < whole; i++)
		memcpy(to[i], from[i], PAGE);
	if (w->size % PAGE)
		memcpy(to[whole], from[whole], w->size % PAGE);
}

/* GB/s, by the CPU that the worker has at other times: two are not always equally
 * fast, and what lies in one's caches does not in the other's */
static double copies(void (*copy)(void), uint64_t ns)
{
	uint64_t begin, n = 0;

	if (!w->sleeping)
		local_pin_me(true);
	begin = now_ns();
	do {
		copy();
		__asm__ volatile("" ::: "memory");
		n++;
	} while (now_ns() - begin < ns);
	ns = now_ns() - begin;
	if (!w->sleeping)
		local_pin_me(false);
	return mega_rate(n, ns) * w->size / 1000;
}

/* --- all of it ----------------------------------------------------------------------------- */

void local_data(const struct local_wish *wish)
{
	static double rate[MEASURE_SLICES], quiet[MEASURE_SLICES],
		whole[MEASURE_SLICES], pages[MEASURE_SLICES];
	uint64_t ns = measure_ns() / 4 / MEASURE_SLICES;
	struct dist d;

	w = wish;
	start();
	d = latency(measure_ns() / 4);
	for (int i = 0; i < MEASURE_SLICES; i++) {
		whole[i] = copies(copy_whole, ns);
		rate[i] = stream(1, ns);
		pages[i] = copies(copy_pages, ns);
		quiet[i] = stream(silent(), ns);
	}
	end();
	dist_print(&d);
	printf(" rate=%.4f silent=%.4f", slices_value(rate), slices_value(quiet));
	printf(" bw=%.3f", slices_value(rate) * w->size / 1000);
	printf(" memcpy=%.3f pages=%.3f\n", slices_value(whole),
	       slices_value(pages));
}
