// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * test_property.c - random requests on two end points against a shadow model
 *
 * DOC: The model knows what NetworkDirect promises of a connection: each
 * request completes exactly once, those of a queue in the order of posting, a
 * send meets the oldest receive, bytes are where they belong, and after the end
 * of the connection all that is left is cancelled.  The seed is in every
 * message; VRDMA_SEED=N runs that one.
 */
#include <stdlib.h>
#include <string.h>

#include "fixture.h"

#define DEPTH 32u
#define AREA  (1u << 20) /* registered memory of a side */
#define RING  65536u	 /* requests of a run at most */
#define STEPS 1500

enum kind { A_SEND, A_WRITE, A_READ, A_RECV };

struct request {
	enum kind kind;
	uint32_t off, remote, len;
	bool silent;
};

/* One queue of one side: requests are numbered from 0 */
struct shadow_queue {
	struct request r[RING];
	uint32_t posted;
	uint32_t ended; /* all below have completed or were silent */
};

struct side {
	struct ep *e;
	struct side *peer;
	struct shadow_queue sq, rq;
	uint32_t sends;			   /* posted */
	uint32_t sends_ended, recvs_ended; /* with success */
	uint32_t sent[RING];		   /* length of send n */
	uint8_t *image;			   /* what the memory holds */
};

static struct side left, right;
static uint64_t seed, state;
static struct pair p;

static uint32_t rnd(uint32_t n)
{
	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return (uint32_t)(state >> 20) % n;
}

#define must(cond, ...)                                                        \
	do {                                                                   \
		if (!(cond))                                                   \
			ck_abort_msg("seed %llu: " #cond,                      \
				     (unsigned long long)seed);                \
	} while (0)

/* --- memory ---------------------------------------------------------- */

/* A side's memory in thirds: what it sends from, what it reads and receives
 * into, what the peer writes to.  Only the first is read by others, so a byte
 * has one writer and the image can be exact at rest. */
#define THIRD (AREA / 4)
enum area { SOURCE, SINK, TARGET };

static uint32_t place(enum area a, uint32_t slot)
{
	return (uint32_t)a * THIRD + slot % DEPTH * (THIRD / DEPTH);
}

/* --- posting --------------------------------------------------------- */

static struct request pick(enum kind kind, uint32_t n)
{
	static const uint32_t sizes[] = {0,    1,    63,   64,		 65,
					 1000, 4096, 5000, THIRD / DEPTH};
	struct request r = {.kind = kind, .len = sizes[rnd(9)]};

	r.off = place(kind == A_SEND || kind == A_WRITE ? SOURCE : SINK, n);
	/* receives and reads of one side must not share a place */
	if (kind == A_RECV)
		r.off = 3 * THIRD + n % DEPTH * (THIRD / DEPTH);
	r.remote = place(kind == A_READ ? SOURCE : TARGET, n);
	r.silent = kind != A_RECV && rnd(4) == 0;
	if (kind == A_RECV)
		r.len = THIRD / DEPTH; /* any send fits */
	return r;
}

static NTSTATUS post(struct side *s, const struct request *r, uint64_t id)
{
	uint32_t flags = r->silent ? NDK_OP_FLAG_SILENT_SUCCESS : 0;

	switch (r->kind) {
	case A_SEND:
		return ep_post_send(s->e, id, r->off, r->len, flags);
	case A_WRITE:
		return ep_post_write(s->e, id, r->off, r->len, s->peer->e,
				     r->remote, flags);
	case A_READ:
		return ep_post_read(s->e, id, r->off, r->len, s->peer->e,
				    r->remote, flags);
	default:
		return ep_post_recv(s->e, id, r->off, r->len);
	}
}

#define ID_RECV (1ull << 40)

/* No more than DEPTH unreaped: a place in memory is used once at a time */
static bool try_post(struct side *s, enum kind kind)
{
	struct shadow_queue *q = kind == A_RECV ? &s->rq : &s->sq;
	struct request r;
	NTSTATUS st;

	if (q->posted - q->ended >= DEPTH || q->posted == RING)
		return false;
	/* a send without a receive would fill the queue: keep it rare */
	if (kind == A_SEND && s->sends >= s->peer->rq.posted && rnd(8))
		return false;
	r = pick(kind, q->posted);
	st = post(s, &r, q->posted | (kind == A_RECV ? ID_RECV : 0));
	if (st == STATUS_NO_MORE_ENTRIES || st == STATUS_INSUFFICIENT_RESOURCES)
		return false; /* silent ones that were not yet seen to end */
	must(st == STATUS_SUCCESS);
	q->r[q->posted++] = r;
	if (kind == A_SEND)
		s->sent[s->sends++] = r.len;
	return true;
}

/* --- completions ----------------------------------------------------- */

static void apply(struct side *s, const struct request *r)
{
	if (r->kind == A_WRITE)
		memcpy(s->peer->image + r->remote, s->image + r->off, r->len);
	else if (r->kind == A_READ)
		memcpy(s->image + r->off, s->peer->image + r->remote, r->len);
}

/* Silent ones before it succeeded, or they would have a completion */
static void ended_up_to(struct side *s, uint32_t n)
{
	struct shadow_queue *q = &s->sq;

	must(n < q->posted && n >= q->ended);
	for (; q->ended < n; q->ended++) {
		must(q->r[q->ended].silent);
		apply(s, &q->r[q->ended]);
		s->sends_ended += q->r[q->ended].kind == A_SEND;
	}
	q->ended++;
}

static void sq_result(struct side *s, const NDK_RESULT_EX *r, uint32_t n)
{
	static const NDK_OPERATION_TYPE type[] = {NdkOperationTypeSend,
						  NdkOperationTypeWrite,
						  NdkOperationTypeRead};
	const struct request *q = &s->sq.r[n];

	ended_up_to(s, n);
	must(r->Status == STATUS_SUCCESS);
	must(!q->silent);
	must(r->Type == type[q->kind]);
	apply(s, q);
	s->sends_ended += q->kind == A_SEND;
}

/* The receive's bytes are those of the send with the same number */
static void rq_result(struct side *s, const NDK_RESULT_EX *r, uint32_t n)
{
	uint32_t len = s->peer->sent[n], k = 0, i = 0;
	const struct shadow_queue *q = &s->peer->sq;

	must(n == s->rq.ended && n < s->peer->sends);
	must(r->Status == STATUS_SUCCESS);
	must(r->BytesTransferred == len);
	must(r->Type == NdkOperationTypeReceive);
	for (; q->r[i].kind != A_SEND || k++ < n; i++)
		;
	memcpy(s->image + s->rq.r[n].off, s->peer->image + q->r[i].off, len);
	s->rq.ended++;
	s->recvs_ended++;
}

static uint32_t reap(struct side *s)
{
	NDK_RESULT_EX r[8];
	uint32_t n =
		s->e->cq->Dispatch->NdkGetCqResultsEx(s->e->cq, r, 1 + rnd(8));

	for (uint32_t i = 0; i < n; i++) {
		uint64_t id = (uintptr_t)r[i].RequestContext;

		must(r[i].QPContext == s->e);
		if (id & ID_RECV)
			rq_result(s, &r[i], (uint32_t)id);
		else
			sq_result(s, &r[i], (uint32_t)id);
	}
	return n;
}

/* --- a run ----------------------------------------------------------- */

static void side_init(struct side *s, struct ep *e, struct side *peer)
{
	memset(s, 0, sizeof(*s));
	s->e = e;
	s->peer = peer;
	s->image = malloc(AREA);
	ck_assert_ptr_nonnull(s->image);
	mem_fill(&e->mem, (uint32_t)seed + (s == &right));
	memcpy(s->image, e->mem.va, AREA);
}

static void step(struct side *s)
{
	switch (rnd(6)) {
	case 0:
		try_post(s, A_SEND);
		break;
	case 1:
		try_post(s, A_WRITE);
		break;
	case 2:
		try_post(s, A_READ);
		break;
	case 3:
		try_post(s, A_RECV);
		break;
	default:
		reap(s);
	}
}

static bool settled(const struct side *s)
{
	uint32_t loud = s->sq.posted;

	while (loud > s->sq.ended && s->sq.r[loud - 1].silent)
		loud--;
	return loud == s->sq.ended;
}

/* A receive for every send, then all loud requests end.  A loud write last
 * tells that the silent ones before it have */
static void settle(void)
{
	uint64_t end = tguest_ops()->now_ms(left.e->g) + TEST_TIMEOUT_MS;
	struct side *s[2] = {&left, &right};
	bool sealed[2] = {false};

	for (;;) {
		bool busy = false;

		for (int i = 0; i < 2; i++) {
			if (s[i]->rq.posted < s[i]->peer->sends)
				try_post(s[i], A_RECV);
			if (!sealed[i] && try_post(s[i], A_WRITE)) {
				struct request *r =
					&s[i]->sq.r[s[i]->sq.posted - 1];
				sealed[i] = !r->silent;
			}
			while (reap(s[i]))
				;
			busy |= !sealed[i] || !settled(s[i]) ||
				s[i]->recvs_ended != s[i]->peer->sends;
		}
		if (!busy)
			break;
		must(tguest_ops()->now_ms(left.e->g) < end);
	}
}

static void check_memory(struct side *s)
{
	for (uint32_t i = 0; i < AREA; i++)
		if (s->e->mem.va[i] != s->image[i])
			ck_abort_msg("seed %llu: %s side: byte 0x%x differs",
				     (unsigned long long)seed,
				     s == &left ? "left" : "right", i);
}

/* What is left is cancelled, each once and in order, silent ones too */
static void check_rest(struct side *s)
{
	while (s->sq.ended < s->sq.posted || s->rq.ended < s->rq.posted) {
		NDK_RESULT_EX r = ep_next(s->e);
		uint64_t id = (uintptr_t)r.RequestContext;
		struct shadow_queue *q = id & ID_RECV ? &s->rq : &s->sq;

		must(r.Status == STATUS_CANCELLED);
		must((uint32_t)id == q->ended);
		q->ended++;
	}
	must(ep_idle(s->e));
}

static void run(bool rest_first)
{
	struct side *s[2] = {&left, &right};

	for (int i = 0; i < STEPS; i++)
		step(s[rnd(2)]);
	settle();
	check_memory(&left);
	check_memory(&right);
	/* receives that nobody will meet */
	for (int i = 0; i < 5; i++)
		try_post(s[rnd(2)], A_RECV);
	if (rest_first) {
		ep_disconnect_both(&p.a, &p.b);
	} else {
		struct op op;

		nd_close(p.b.conn); /* an abort */
		p.b.conn = NULL;
		ck_assert(wait_count(&p.a.indications, 1, TEST_TIMEOUT_MS));
		assert_status(op_wait(&op, ep_disconnect_start(&p.a, &op)),
			      ep_end_of(&p.a, VIRTIO_RDMA_R_RESET,
					STATUS_CONNECTION_ABORTED));
	}
	check_rest(&left);
	check_rest(&right);
	check_memory(&left);
	check_memory(&right);
}

static uint64_t first_seed(int i)
{
	const char *given = getenv("VRDMA_SEED");

	return given ? strtoull(given, NULL, 0) : 20240 + (uint64_t)i;
}

START_TEST(every_request_ends_once_and_right)
{
	struct ep_opts o = {.depth = DEPTH, .mem = AREA, .cq_depth = 4 * DEPTH};

	seed = first_seed(_i);
	state = seed * 0x9e3779b97f4a7c15ull;
	pair_open(&p, 0, _i & 1, &o); /* a loop-back every other time */
	side_init(&left, &p.a, &right);
	side_init(&right, &p.b, &left);
	run(rnd(2));
	free(left.image);
	free(right.image);
	if (p.b.conn) {
		pair_close(&p);
		return;
	}
	listener_stop(&p.l);
	ep_fini(&p.a);
	ep_fini(&p.b);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("property");
	TCase *tc = add_case(s, "shadow", 60);

	tcase_add_checked_fixture(tc, fx_setup, fx_teardown);
	tcase_add_loop_test(tc, every_request_ends_once_and_right, 0, 24);
	return run_suite(s);
}
