// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * test_siw_perf.c - ib_send_bw, ib_write_bw and ib_read_bw -R against a guest
 *
 * DOC: perftest on siw1 is B; A speaks its protocol through NDK.  There are two
 * connections, one after the other to the same port: one to talk over, then one to
 * measure.  To talk is to swap: who connected sends a message and hears one, who
 * listened hears and answers.  Swapped are, of perftest 6.06:
 *
 *	version		16 bytes of text
 *	buffer, line	4 bytes each, of a buffer and of a cache line
 *	MTU		2 bytes of text
 *	place		a handshake: struct place.  Behind the first one the second
 *			connection is made, behind some more data goes from who
 *			connected to who listened, or is read there; one more is
 *			the end
 *
 *	report		5 times 8 bytes, behind a write's or read's data
 *
 * Then who listened disconnects the second one.  Where sends are measured over iWARP,
 * the receiver writes to the sender's place, now and then, how many it has had.
 */
#include <endian.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "foreign.h"

#define KNOWN	   "6.06"
#define PORT	 18515
#define SIZE	 65536u
#define COUNT	 100u
#define STEP	 25u
#define RECEIVES 128u /* -r, and ours */
#define DEPTH	 16u  /* of A's requests at a time */

/* What one has at the other; big endian */
struct place {
	uint32_t lid, reads, qpn, psn, key, pad;
	uint64_t addr;
	uint8_t gid[16];
	uint32_t srqn, gid_index;
};
_Static_assert(sizeof(struct place) == 56, "as perftest has it");

/* A's memory */
#define AT_HEARD  0
#define AT_SAID	  256
#define AT_COUNT  512
#define AT_CREDIT 1024
#define AT_DATA	  65536
#define MEMORY	  (AT_DATA + 2 * SIZE)

enum id { HEARD = 1, SAID, DATA, RECEIVED };

enum verb { SEND, WRITE, READ };

static const struct tool {
	const char *path;
	enum verb verb;
	int before;	/* so many handshakes come before the data */
	int reports;	/* behind it and another one */
} tools[] = {
	{ "/usr/bin/ib_send_bw", SEND, 6, 0 },
	{ "/usr/bin/ib_write_bw", WRITE, 5, 5 },
	{ "/usr/bin/ib_read_bw", READ, 5, 5 },
};
#define TOOLS ((int)(sizeof(tools) / sizeof(tools[0])))

static struct {
	const struct tool *tool;
	bool listens;			/* A does */
	struct child b;
	struct listener l;
	struct ep talk, data;		/* that shares all with the other */
	uint32_t ended[RECEIVED + 1];	/* requests, by id */
	uint32_t length;		/* of what was heard last */
	struct place theirs;
} t;

/* --- completions ---------------------------------------------------------------- */

static void take_one(void)
{
	NDK_RESULT_EX r = ep_next(&t.talk);
	uintptr_t id = (uintptr_t)r.RequestContext;

	assert_status(r.Status, STATUS_SUCCESS);
	ck_assert(id >= HEARD && id <= RECEIVED);
	t.ended[id]++;
	if (id == HEARD)
		t.length = r.BytesTransferred;
	if (id == RECEIVED)
		ck_assert_uint_eq(r.BytesTransferred, SIZE);
}

static void wait_for(enum id id, uint32_t n)
{
	while (t.ended[id] < n)
		take_one();
}

/* --- talking ----------------------------------------------------------------------- */

static void post_heard(void)
{
	assert_status(ep_post_recv(&t.talk, HEARD, AT_HEARD,
				   sizeof(struct place)), STATUS_SUCCESS);
}

static void say(const void *what, uint32_t length)
{
	uint32_t said = t.ended[SAID];

	memcpy(t.talk.mem.va + AT_SAID, what, length);
	assert_status(ep_post_send(&t.talk, SAID, AT_SAID, length, 0),
		      STATUS_SUCCESS);
	wait_for(SAID, said + 1);
}

static void hear(uint32_t n, void *what, uint32_t length)
{
	wait_for(HEARD, n);
	ck_assert_uint_eq(t.length, length);
	memcpy(what, t.talk.mem.va + AT_HEARD, length);
	post_heard();
}

/* In B's own words where it speaks first: it knows nothing better than itself */
static void swap(const void *mine, void *theirs, uint32_t length)
{
	uint32_t n = t.ended[HEARD] + 1;

	if (!t.listens)
		say(mine, length);
	/* it may be here before our own is known to have gone */
	hear(n, theirs, length);
	if (t.listens)
		say(length == sizeof(struct place) ? mine : theirs, length);
}

static void shake_hands(void)
{
	const struct place mine = {
		.reads = htobe32(8),
		.key = htobe32(t.talk.mem.remote),
		.addr = htobe64((uintptr_t)t.talk.mem.va +
				(t.tool->verb == SEND ? AT_CREDIT : AT_DATA)),
	};

	swap(&mine, &t.theirs, sizeof(mine));
}

static void swap_facts(void)
{
	static const char version[16] = KNOWN, mtu[2] = "3";
	const uint32_t buffer = htobe32(4096), line = htobe32(64);
	char theirs[16];

	swap(version, theirs, sizeof(version));
	ck_assert_str_eq(theirs, KNOWN);
	swap(&buffer, theirs, sizeof(buffer));
	swap(&line, theirs, sizeof(line));
	swap(mtu, theirs, sizeof(mtu));
}

/* --- connections --------------------------------------------------------------------- */

static void accept_b(struct ep *e)
{
	struct op op;
	NTSTATUS st = ep_accept_start(e, listener_next(&t.l), NULL, &op);

	assert_status(op_wait(&op, st), STATUS_SUCCESS);
}

/* perftest does not tell when it listens */
static void connect_to_b(struct ep *e)
{
	uint64_t end = tguest_ops()->now_ms(e->g) + TEST_TIMEOUT_MS;
	struct sa to = sa_v4(1, PORT);
	struct op op;
	NTSTATUS st;

	while ((st = op_wait(&op, ep_connect_start(e, to, NULL, &op))) ==
	       STATUS_CONNECTION_REFUSED) {
		ck_assert_msg(tguest_ops()->now_ms(e->g) < end,
			      "%s does not listen", t.tool->path);
		poll(NULL, 0, 20);
	}
	assert_status(st, STATUS_SUCCESS);
	assert_status(ep_complete(e), STATUS_SUCCESS);
}

static void connect_one(struct ep *e)
{
	if (t.listens)
		accept_b(e);
	else
		connect_to_b(e);
}

static void start(const struct tool *tool, bool listens)
{
	struct ep_opts talk = { .depth = RECEIVES, .mem = MEMORY,
				.cq_depth = 1024 };
	struct ep_opts data = { .depth = RECEIVES, .share = &t.talk };
	const char *args[] = {
		"-R", "-d", "siw1", "--source_ip", B_V4, "-F", "-n", "100",
		"-s", "65536", "-p", "18515", tool->verb == SEND ? "-r" : "-t",
		"128", listens ? "10.0.0.1" : NULL, NULL };

	memset(&t, 0, sizeof(t));
	t.tool = tool;
	t.listens = listens;
	ep_init(&t.talk, fx.g[0], &talk);
	ep_init(&t.data, fx.g[0], &data);
	memset(t.talk.mem.va, 0xee, MEMORY);
	if (listens)
		listener_start(&t.l, t.talk.adapter, sa_v4(0, PORT));
	child_start(&t.b, tool->path, args);
	post_heard();
	connect_one(&t.talk);
}

/* --- data ----------------------------------------------------------------------------- */

static void post_data(void)
{
	NDK_SGE sge = ep_sge(&t.talk, AT_DATA, SIZE);
	NDK_QP *qp = t.data.qp;
	uint64_t addr = be64toh(t.theirs.addr);
	uint32_t key = be32toh(t.theirs.key);
	NTSTATUS st;

	if (t.tool->verb == SEND)
		st = qp->Dispatch->NdkSend(qp, ID(DATA), &sge, 1, 0);
	else if (t.tool->verb == WRITE)
		st = qp->Dispatch->NdkWrite(qp, ID(DATA), &sge, 1, addr, key, 0);
	else
		st = qp->Dispatch->NdkRead(qp, ID(DATA), &sge, 1, addr, key, 0);
	assert_status(st, STATUS_SUCCESS);
}

static void transfer(void)
{
	for (uint32_t i = 0; i < COUNT; i++) {
		if (i >= DEPTH)
			wait_for(DATA, i + 1 - DEPTH);
		post_data();
	}
	wait_for(DATA, COUNT);
}

static void post_receives_for_data(void)
{
	NDK_SGE sge = ep_sge(&t.talk, AT_DATA, SIZE);

	for (uint32_t i = 0; i < COUNT; i++)
		assert_status(t.data.qp->Dispatch->NdkReceive(
				      t.data.qp, ID(RECEIVED), &sge, 1),
			      STATUS_SUCCESS);
}

/* The sender goes on when it knows of so many that have arrived */
static void receive_data(void)
{
	for (uint32_t n = STEP; n <= COUNT; n += STEP) {
		NDK_SGE sge = ep_sge(&t.talk, AT_COUNT, sizeof(n));
		uint32_t said = t.ended[DATA];

		wait_for(RECEIVED, n);
		memcpy(t.talk.mem.va + AT_COUNT, &n, sizeof(n));
		assert_status(t.data.qp->Dispatch->NdkWrite(
				      t.data.qp, ID(DATA), &sge, 1,
				      be64toh(t.theirs.addr),
				      be32toh(t.theirs.key), 0),
			      STATUS_SUCCESS);
		wait_for(DATA, said + 1);
	}
}

/* perftest's bytes are random, and as many as it was told */
static void check_data(bool came)
{
	const uint8_t *p = t.talk.mem.va + AT_DATA;

	ck_assert_int_eq(mem_is(p, SIZE, 0xee), !came);
	ck_assert(mem_is(p + SIZE, SIZE, 0xee));
}

/* --- all of it --------------------------------------------------------------------------- */

static void end(void)
{
	struct op op;

	if (!t.listens) {
		ck_assert(wait_count(&t.data.indications, 1, TEST_TIMEOUT_MS));
		ck_assert_uint_eq(t.data.reason, VIRTIO_RDMA_R_GRACEFUL);
	}
	assert_status(op_wait(&op, ep_disconnect_start(&t.data, &op)),
		      STATUS_SUCCESS);
	/* a write's end is not known before that of its connection */
	check_data(t.listens == (t.tool->verb != READ));
	ck_assert_int_eq(child_wait(&t.b), 0);
	/* the talk's end is that of perftest */
	ck_assert(wait_count(&t.talk.indications, 1, TEST_TIMEOUT_MS));
	op_wait(&op, ep_disconnect_start(&t.talk, &op));
	for (int i = 0; i < 2; i++) {
		struct ep *e = i ? &t.talk : &t.data;

		nd_close(e->conn);
		e->conn = NULL;
	}
	if (t.listens)
		listener_stop(&t.l);
	ep_fini(&t.data);
	ep_fini(&t.talk);
}

START_TEST(measured)
{
	const struct tool *tool = &tools[_i / 2];
	bool listens = _i % 2;
	uint64_t none = 0, report;

	start(tool, listens);
	swap_facts();
	shake_hands();
	if (listens && tool->verb == SEND)
		post_receives_for_data();
	connect_one(&t.data);
	for (int i = 1; i < tool->before; i++)
		shake_hands();
	if (!listens)
		transfer();
	else if (tool->verb == SEND)
		receive_data();
	if (tool->reports)
		shake_hands();
	for (int i = 0; i < tool->reports; i++)
		swap(&none, &report, sizeof(report));
	shake_hands();
	end();
}
END_TEST

/* Another version may swap other things */
static bool is_known(const char *path)
{
	char command[64], said[64] = "";
	FILE *f;

	snprintf(command, sizeof(command), "%s --version 2>&1", path);
	f = popen(command, "r");
	if (!f)
		return false;
	while (fgets(said, sizeof(said), f) && !strstr(said, KNOWN))
		;
	pclose(f);
	return strstr(said, KNOWN);
}

int main(void)
{
	Suite *s = suite_create("siw, perftest");
	TCase *tc = siw_case(s, "perftest", 60);

	siw_needed();
	if (!is_known(tools[0].path)) {
		fprintf(stderr, "%s is missing, or is not version " KNOWN
			", whose protocol is known here\n", tools[0].path);
		return 2;
	}
	tcase_add_loop_test(tc, measured, 0, 2 * TOOLS);
	return run_suite(s);
}
