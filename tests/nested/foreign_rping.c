// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * foreign_rping.c - A speaks rping's protocol with rping
 *
 * DOC: A round, of the one who connected (client) and the one who listened:
 *
 *	client					server
 *	says where its source is  ------------>
 *						reads it
 *	<----------------------------  go ahead
 *	says where its sink is	  ------------>
 *						writes there what it has read
 *	<----------------------------  go ahead
 *
 * Each message has 16 bytes, of which a go-ahead means none.  The source begins
 * with "rdma-ping-N: ".  A client with a count disconnects after so many rounds;
 * a server answers its client's disconnect, whatever its count.
 */
#include <endian.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "foreign.h"
#include "transport.h"

#define RPING	"/usr/bin/rping"
#define PORT	7174
#define ROUNDS	3
#define SIZE	64 /* rping's own default */

struct place {
	uint64_t addr; /* big endian, as all of it */
	uint32_t key;
	uint32_t size;
};
_Static_assert(sizeof(struct place) == 16, "as rping has it");

/* A's memory */
#define AT_MESSAGE 0
#define AT_HEARD   64 /* two, for rping sends ahead */
#define AT_SOURCE  1024
#define AT_SINK	   2048

#define ID_RECV 1
#define ID_SEND 2
#define ID_DATA 3

static void next_is(struct ep *a, uintptr_t id)
{
	NDK_RESULT_EX r = ep_next(a);

	assert_status(r.Status, STATUS_SUCCESS);
	ck_assert_uint_eq((uintptr_t)r.RequestContext, id);
	if (id == ID_RECV)
		ck_assert_uint_eq(r.BytesTransferred, sizeof(struct place));
}

static void post_heard(struct ep *a, unsigned int n)
{
	assert_status(ep_post_recv(a, ID_RECV,
				   AT_HEARD + n % 2 * sizeof(struct place),
				   sizeof(struct place)), STATUS_SUCCESS);
}

/* What was heard as number n, and room for the one after the next */
static struct place hear(struct ep *a, unsigned int n)
{
	struct place place;

	memcpy(&place, a->mem.va + AT_HEARD + n % 2 * sizeof(place),
	       sizeof(place));
	post_heard(a, n);
	return place;
}

/* The answer may be here before our own message is known to have gone */
static void say_and_hear(struct ep *a, size_t offset, unsigned int n)
{
	struct place place = { htobe64((uintptr_t)a->mem.va + offset),
			       htobe32(a->mem.remote), htobe32(SIZE) };
	uintptr_t left = ID_SEND + ID_RECV;

	memcpy(a->mem.va + AT_MESSAGE, &place, sizeof(place));
	assert_status(ep_post_send(a, ID_SEND, AT_MESSAGE, sizeof(place), 0),
		      STATUS_SUCCESS);
	while (left) {
		NDK_RESULT_EX r = ep_next(a);

		assert_status(r.Status, STATUS_SUCCESS);
		ck_assert_uint_ge(left, (uintptr_t)r.RequestContext);
		left -= (uintptr_t)r.RequestContext;
	}
	hear(a, n);
}

static void fill_source(struct ep *a, unsigned int round)
{
	char *source = (char *)a->mem.va + AT_SOURCE;
	int n = snprintf(source, SIZE, "rdma-ping-%u: ", round);

	for (; n < SIZE - 1; n++)
		source[n] = (char)('A' + (round + (unsigned int)n) % 26);
	source[n] = '\0';
	memset(a->mem.va + AT_SINK, 0xee, SIZE);
}

static void client_rounds(struct ep *a)
{
	for (unsigned int i = 0; i < ROUNDS; i++) {
		fill_source(a, i);
		say_and_hear(a, AT_SOURCE, 2 * i);
		say_and_hear(a, AT_SINK, 2 * i + 1);
		ck_assert_mem_eq(a->mem.va + AT_SINK, a->mem.va + AT_SOURCE,
				 SIZE);
	}
}

static void check_source(struct ep *a, unsigned int round)
{
	const char *source = (const char *)a->mem.va + AT_SOURCE;
	char want[32];

	snprintf(want, sizeof(want), "rdma-ping-%u: ", round);
	ck_assert_mem_eq(source, want, strlen(want));
	for (size_t i = strlen(want); i < SIZE - 1; i++)
		ck_assert(source[i] >= 'A' && source[i] <= 'z');
	ck_assert_int_eq(source[SIZE - 1], 0);
}

static void go_ahead(struct ep *a)
{
	assert_status(ep_post_send(a, ID_SEND, AT_MESSAGE,
				   sizeof(struct place), 0), STATUS_SUCCESS);
}

/* rping's next message may overtake the completion of our go-ahead */
static struct place place_of_next(struct ep *a, unsigned int n, bool first)
{
	struct place place;
	uintptr_t left = ID_RECV + (first ? 0 : ID_SEND);

	while (left) {
		NDK_RESULT_EX r = ep_next(a);

		assert_status(r.Status, STATUS_SUCCESS);
		ck_assert_uint_ge(left, (uintptr_t)r.RequestContext);
		left -= (uintptr_t)r.RequestContext;
	}
	place = hear(a, n);
	ck_assert_uint_eq(be32toh(place.size), SIZE);
	return place;
}

static void server_rounds(struct ep *a)
{
	NDK_SGE sge = ep_sge(a, AT_SOURCE, SIZE);
	struct place at;

	for (unsigned int i = 0; i < ROUNDS; i++) {
		at = place_of_next(a, 2 * i, i == 0);
		assert_status(a->qp->Dispatch->NdkRead(
				      a->qp, ID(ID_DATA), &sge, 1,
				      be64toh(at.addr), be32toh(at.key), 0),
			      STATUS_SUCCESS);
		next_is(a, ID_DATA);
		check_source(a, i);
		go_ahead(a);
		at = place_of_next(a, 2 * i + 1, false);
		assert_status(a->qp->Dispatch->NdkWrite(
				      a->qp, ID(ID_DATA), &sge, 1,
				      be64toh(at.addr), be32toh(at.key), 0),
			      STATUS_SUCCESS);
		next_is(a, ID_DATA);
		go_ahead(a);
	}
}

/* --- connections --------------------------------------------------------------- */

static const char *const count[] = { "-C", "3", NULL };
static const char *const no_count[] = { NULL };

static void start_rping(struct child *b, const char *const first[],
			const char *const more[])
{
	const char *args[16] = { NULL };
	int n = 0;

	for (int i = 0; first[i]; i++)
		args[n++] = first[i];
	for (int i = 0; more[i]; i++)
		args[n++] = more[i];
	child_start(b, RPING, args);
}

/* rping does not tell when it listens; a refused connector may connect again */
static void connect_when_it_listens(struct ep *a, struct sa to)
{
	uint64_t end = tguest_ops()->now_ms(a->g) + TEST_TIMEOUT_MS;
	struct op op;
	NTSTATUS st;

	while ((st = op_wait(&op, ep_connect_start(a, to, NULL, &op))) ==
	       STATUS_CONNECTION_REFUSED) {
		ck_assert_msg(tguest_ops()->now_ms(a->g) < end,
			      "rping does not listen");
		poll(NULL, 0, 20);
	}
	assert_status(st, STATUS_SUCCESS);
}

static void open_to_rping(struct scene *s, bool v6, const char *const more[])
{
	char port[8];

	memset(s, 0, sizeof(*s));
	snprintf(port, sizeof(port), "%d", PORT);
	ep_init(&s->a, fx.g[0], NULL);
	start_rping(&s->b, OPTIONS("-s", "-a", v6 ? B_V6 : B_V4, "-p", port),
		    more);
	post_heard(&s->a, 0);
	post_heard(&s->a, 1);
	connect_when_it_listens(&s->a, v6 ? sa_v6(1, PORT) : sa_v4(1, PORT));
	assert_status(ep_complete(&s->a), STATUS_SUCCESS);
}

static void open_from_rping(struct scene *s, bool v6, const char *const more[])
{
	char port[8];
	struct op op;
	NTSTATUS st;

	memset(s, 0, sizeof(*s));
	ep_init(&s->a, fx.g[0], NULL);
	listener_start(&s->l, s->a.adapter, v6 ? sa_v6(0, 0) : sa_v4(0, 0));
	s->listens = true;
	snprintf(port, sizeof(port), "%u", sa_port(&s->l.addr));
	start_rping(&s->b, OPTIONS("-c", "-a", v6 ? "fd00::1" : "10.0.0.1",
				   "-I", v6 ? B_V6 : B_V4, "-p", port, "-V"),
		    more);
	post_heard(&s->a, 0);
	post_heard(&s->a, 1);
	st = ep_accept_start(&s->a, listener_next(&s->l), NULL, &op);
	assert_status(op_wait(&op, st), STATUS_SUCCESS);
}

/* Rows: who connects, IP version, who disconnects first */
static const struct {
	void (*open)(struct scene *s, bool v6, const char *const more[]);
	void (*rounds)(struct ep *a);
	bool v6, rping_first;
} rows[] = {
	{ open_to_rping, client_rounds, false, false },
	{ open_to_rping, client_rounds, true, false },
	{ open_from_rping, server_rounds, false, true },
	{ open_from_rping, server_rounds, true, true },
	{ open_from_rping, server_rounds, false, false },
};

/* A client's thread for completions then waits for one that is flushed, and over
 * siw it may wait for ever */
static void rping_is_told(struct child *b)
{
	const char *word = child_hear(b, "");

	while (strcmp(word, "client DISCONNECT EVENT...") &&
	       strcmp(word, "server DISCONNECT EVENT..."))
		word = child_hear(b, "");
	if (!strcmp(test_backend()->name, "iwarp"))
		child_signal(b, SIGKILL);
}

START_TEST(rounds)
{
	bool rping_first = rows[_i].rping_first;
	struct scene s;
	struct op op;
	int status;

	rows[_i].open(&s, rows[_i].v6, rping_first ? count : no_count);
	rows[_i].rounds(&s.a);
	if (rping_first)
		ck_assert(wait_count(&s.a.indications, 1, TEST_TIMEOUT_MS));
	assert_status(op_wait(&op, ep_disconnect_start(&s.a, &op)),
		      STATUS_SUCCESS);
	ck_assert_uint_le(s.a.indications, 1);
	if (rping_first)
		ck_assert_uint_eq(s.a.reason, VIRTIO_RDMA_R_GRACEFUL);
	else
		rping_is_told(&s.b);
	status = child_wait(&s.b);
	/* one that is interrupted in its rounds calls that a failure */
	if (rping_first)
		ck_assert_int_eq(status, 0);
	scene_close(&s);
}
END_TEST

static void setup(void)
{
	foreign_setup(10000, 5000);
}

void add_rping_tests(Suite *s)
{
	TCase *tc = add_case(s, "rping", 60);

	tcase_add_checked_fixture(tc, setup, fx_teardown);
	tcase_add_loop_test(tc, rounds, 0,
			    (int)(sizeof(rows) / sizeof(rows[0])));
}
