// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * test_iwarp_relay.c - a hostile wire between two vrdmads: a relay at 10.0.0.9
 * that cuts at any byte, delays, resets, or falls silent
 *
 * Whatever it does, each side is told once, every request ends once, a
 * Disconnect ends within its deadline, and both live on.
 */
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "iwpeer.h"
#include "netns.h"
#include "transport.h"
#include "fixture.h"

#define RELAY_HOST 9

enum harm { CUT, RESET, SILENCE, SLOW };

/* Passes bytes both ways until limit of one direction, then does its harm */
struct relay {
	enum harm harm;
	int direction;		/* 0: from A, the one who connects */
	size_t limit;
	int listener;
	uint16_t port, to;
	pthread_t thread;
	bool quit;		/* atomic */
	size_t passed[2];	/* atomic, after start-up and all */
};

static void harm_done(struct relay *r, struct iwpeer side[2])
{
	if (r->harm == SILENCE || r->harm == SLOW)
		return;
	for (int i = 0; i < 2; i++) {
		if (r->harm == RESET)
			iwpeer_reset(&side[i]);
		else
			iwpeer_close(&side[i]);
	}
}

/* Bytes from side i; false: its end */
static bool pass(struct relay *r, struct iwpeer side[2], int i)
{
	uint8_t b[4096];
	bool marked = r->direction == i && r->harm != SLOW;
	size_t room = marked ? r->limit - r->passed[i] : sizeof(b);
	ssize_t n;

	if (r->harm == SLOW)
		room = 1 + r->passed[i] * 7 % 300;	/* odd pieces */
	n = recv(side[i].fd, b, room < sizeof(b) ? room : sizeof(b), 0);
	if (n < 0)
		iwpeer_reset(&side[!i]);
	if (n == 0 && side[!i].fd >= 0)
		shutdown(side[!i].fd, SHUT_WR);
	if (n <= 0)
		return false;
	if (send(side[!i].fd, b, (size_t)n, MSG_NOSIGNAL) != n)
		return false;
	__atomic_fetch_add(&r->passed[i], (size_t)n, __ATOMIC_RELEASE);
	if (r->harm == SLOW)
		poll(NULL, 0, 1);
	return true;
}

static bool over(const struct relay *r)
{
	return r->harm != SLOW && r->passed[r->direction] >= r->limit;
}

static void *relay_main(void *arg)
{
	struct relay *r = arg;
	struct iwpeer side[2];
	bool open[2] = {true, true};

	iwpeer_accept(&side[0], r->listener);
	iwpeer_connect(&side[1], 2, r->to);
	while (!__atomic_load_n(&r->quit, __ATOMIC_ACQUIRE)) {
		struct pollfd p[2] = {
			{.fd = open[0] ? side[0].fd : -1, .events = POLLIN},
			{.fd = open[1] ? side[1].fd : -1, .events = POLLIN}};

		if (over(r)) {
			harm_done(r, side);
			break;
		}
		poll(p, 2, 10);
		for (int i = 0; i < 2 && !over(r); i++)
			if (p[i].revents)
				open[i] = pass(r, side, i);
	}
	while (!__atomic_load_n(&r->quit, __ATOMIC_ACQUIRE))
		poll(NULL, 0, 5);
	iwpeer_close(&side[0]);
	iwpeer_close(&side[1]);
	return NULL;
}

static void relay_start(struct relay *r, uint16_t to)
{
	r->to = to;
	r->port = iwpeer_listen(&r->listener, RELAY_HOST);
	ck_assert_int_eq(pthread_create(&r->thread, NULL, relay_main, r), 0);
}

static void relay_stop(struct relay *r)
{
	__atomic_store_n(&r->quit, true, __ATOMIC_RELEASE);
	pthread_join(r->thread, NULL);
	close(r->listener);
}

/* --- two guests, joined through it ------------------------------------------------- */

struct world {
	struct ep a, b;
	struct listener l;
	struct relay r;
	bool up;	/* the connection was established */
};

#define DEPTH 8

static bool somebody_came(struct listener *l)
{
	bool came;

	pthread_mutex_lock(&l->lock);
	came = l->head != l->tail;
	pthread_mutex_unlock(&l->lock);
	return came;
}

/* False: the relay was faster */
static bool connect_through(struct world *w)
{
	struct sa to = sa_v4(RELAY_HOST - 1, w->r.port);
	struct op con, acc;
	NTSTATUS cs, as = STATUS_CONNECTION_ABORTED;
	bool asked = false;

	cs = ep_connect_start(&w->a, to, "hello", &con);
	for (int ms = 0; !asked && ms < TEST_TIMEOUT_MS; ms++) {
		asked = somebody_came(&w->l);
		if (!asked && op_wait_ms(&con, 1))
			break;
	}
	if (asked)
		as = ep_accept_start(&w->b, listener_next(&w->l), "hi", &acc);
	if (op_wait(&con, cs) != STATUS_SUCCESS)
		goto failed;
	if (ep_complete(&w->a) != STATUS_SUCCESS)
		goto failed;
	if (op_wait(&acc, as) == STATUS_SUCCESS)
		return true;
	/* A has a connection whose other end there is not */
	ck_assert(wait_count(&w->a.indications, 1, TEST_TIMEOUT_MS));
	return false;

failed:
	if (asked)
		ck_assert_uint_ne((uint32_t)op_wait(&acc, as), STATUS_SUCCESS);
	return false;
}

static void work(struct world *w)
{
	for (uint64_t i = 0; i < DEPTH; i++) {
		assert_status(ep_post_recv(&w->b, i, 0, 512), STATUS_SUCCESS);
		assert_status(ep_post_recv(&w->a, i, 0, 512), STATUS_SUCCESS);
	}
	for (uint64_t i = 0; i < DEPTH; i++) {
		struct ep *from = i & 1 ? &w->b : &w->a;
		struct ep *to = i & 1 ? &w->a : &w->b;
		NTSTATUS st;

		if (i % 4 < 2)
			st = ep_post_send(from, 100 + i, 4096, 300, 0);
		else if (i % 8 < 4)
			st = ep_post_write(from, 100 + i, 4096, 3000, to, 8192,
					   0);
		else
			st = ep_post_read(from, 100 + i, 16384, 3000, to, 4096,
					  0);
		assert_status(st, STATUS_SUCCESS);
	}
}

/* Each ends once, in order within its queue */
static void reap(struct ep *e, uint32_t sends)
{
	uint64_t recv = 0, last = 0;

	for (uint32_t i = 0; i < DEPTH + sends; i++) {
		uint64_t id = (uintptr_t)ep_next(e).RequestContext;

		if (id < 100) {
			ck_assert_uint_eq(id, recv);
			recv++;
		} else {
			ck_assert_uint_gt(id, last);
			last = id;
		}
	}
	ck_assert(ep_idle(e));
}

static void disconnect(struct world *w)
{
	struct op oa, ob;
	NTSTATUS sa = ep_disconnect_start(&w->a, &oa);
	NTSTATUS sb = ep_disconnect_start(&w->b, &ob);

	/* how they end is the relay's doing; that they do is ours */
	op_wait(&oa, sa);
	op_wait(&ob, sb);
	ck_assert_uint_le(w->a.indications, 1);
	ck_assert_uint_le(w->b.indications, 1);
}

static void world_open(struct world *w)
{
	struct ep_opts o = {.depth = 16, .mem = 65536};

	ep_init(&w->a, fx.g[0], &o);
	ep_init(&w->b, fx.g[1], &o);
	listener_start(&w->l, w->b.adapter, sa_v4(1, 0));
	relay_start(&w->r, sa_port(&w->l.addr));
}

static void close_conn(struct ep *e)
{
	if (e->conn)
		nd_close(e->conn);
	e->conn = NULL;
}

/* A request may come in though nobody waits for it any more */
static void close_listener(struct listener *l)
{
	struct op op;
	NTSTATUS st;

	op_init(&op);
	st = nd_close_start(l->obj, &op);
	for (int ms = 0; st == STATUS_PENDING && ms < TEST_TIMEOUT_MS &&
	     !op_wait_ms(&op, 1); ms++)
		if (somebody_came(l))
			nd_close(listener_next(l));
	assert_status(op_wait(&op, st), STATUS_SUCCESS);
}

static void world_close(struct world *w)
{
	relay_stop(&w->r);
	close_conn(&w->a);
	close_conn(&w->b);
	close_listener(&w->l);
	ep_fini(&w->a);
	ep_fini(&w->b);
}

static void check_life(void)
{
	struct pair p;

	pair_open(&p, 0, 1, NULL);
	ep_disconnect_both(&p.a, &p.b);
	pair_close(&p);
}

static void one_run(enum harm harm, int direction, size_t limit)
{
	static struct world w;

	memset(&w, 0, sizeof(w));
	w.r.harm = harm;
	w.r.direction = direction;
	w.r.limit = limit;
	world_open(&w);
	if (connect_through(&w)) {
		work(&w);
		if (harm == CUT || harm == RESET) {
			ck_assert(wait_count(&w.a.indications, 1,
					     TEST_TIMEOUT_MS));
			ck_assert(wait_count(&w.b.indications, 1,
					     TEST_TIMEOUT_MS));
		}
		disconnect(&w);
		reap(&w.a, DEPTH / 2);
		reap(&w.b, DEPTH / 2);
	}
	world_close(&w);
}

/* From the first byte of the MPA exchange on, then in strides through the work */
static size_t limit_of(int i)
{
	return (size_t)i < 120 ? (size_t)i : 120 + ((size_t)i - 120) * 37;
}

#define PER_TEST 10

START_TEST(cut)
{
	for (int i = 0; i < PER_TEST; i++)
		one_run(CUT, _i & 1, limit_of(_i / 2 * PER_TEST + i));
	check_life();
}
END_TEST

START_TEST(reset)
{
	for (int i = 0; i < PER_TEST; i++)
		one_run(RESET, _i & 1, limit_of(_i / 2 * PER_TEST + i));
	check_life();
}
END_TEST

/* It falls silent: deadlines end it */
START_TEST(silence)
{
	static const size_t limits[] = {0, 10, 25, 50, 300, 2000};

	one_run(SILENCE, _i & 1, limits[_i / 2]);
	check_life();
}
END_TEST

/* It is only slow, in odd pieces: everything works */
START_TEST(slow)
{
	static struct world w;
	struct op oa, ob;
	NTSTATUS sa, sb;

	memset(&w, 0, sizeof(w));
	w.r.harm = SLOW;
	world_open(&w);
	ck_assert(connect_through(&w));
	mem_fill(&w.a.mem, 1);
	mem_fill(&w.b.mem, 2);
	work(&w);
	/* half of the requests each, and the receives of two Sends */
	for (int i = 0; i < DEPTH / 2 + 2; i++) {
		assert_status(ep_next(&w.a).Status, STATUS_SUCCESS);
		assert_status(ep_next(&w.b).Status, STATUS_SUCCESS);
	}
	sa = ep_disconnect_start(&w.a, &oa);
	ck_assert(wait_count(&w.b.indications, 1, TEST_TIMEOUT_MS));
	ck_assert_uint_eq(w.b.reason, VIRTIO_RDMA_R_GRACEFUL);
	sb = ep_disconnect_start(&w.b, &ob);
	assert_status(op_wait(&oa, sa), STATUS_SUCCESS);
	assert_status(op_wait(&ob, sb), STATUS_SUCCESS);
	world_close(&w);
}
END_TEST

static void setup(void)
{
	struct daemon_opts o = {
		.guests = 2,
		.guest_section = "disconnect-timeout-ms = 500\n"
				 "connect-timeout-ms = 500\n"
				 "rnr-timeout-ms = 500\n" FX_SMALL
				 FX_FEW_QUEUES,
	};

	setenv("VRDMA_BACKEND", "iwarp", 1);
	fx_start(&o, FX_MEM);
}

int main(void)
{
	Suite *s = suite_create("iwarp relay");
	TCase *tc = add_case(s, "relay", 120);

	tcase_add_checked_fixture(tc, setup, fx_teardown);
	tcase_add_loop_test(tc, cut, 0, 40);
	tcase_add_loop_test(tc, reset, 0, 20);
	tcase_add_loop_test(tc, silence, 0, 12);
	tcase_add_test(tc, slow);
	return run_suite(s);
}
