// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * test_causes.c - whatever ends a connection, each side that did not do it is
 * told once and why (D4), its Disconnect says how it ended, and every request
 * ends once
 */
#include <signal.h>
#include <string.h>

#include "transport.h"
#include "fixture.h"

enum { RECEIVES = 4 };
#define SHORT	32		/* bytes of each receive */
#define BAD	0x7fffffff	/* a token that nothing has */

struct scene {
	struct pair p;
	struct op b_op;
	NTSTATUS b_st;
	bool b_called;			/* Disconnect */
};

/* --- what happens: to A, or done by B ------------------------------------------- */

static void b_disconnects(struct scene *s)
{
	s->b_st = ep_disconnect_start(&s->p.b, &s->b_op);
	s->b_called = true;
}

static void b_closes(struct scene *s)
{
	nd_close(s->p.b.conn);
	s->p.b.conn = NULL;
}

static void b_is_killed(struct scene *s)
{
	(void)s;
	tguest_kill(fx.g[1]);
}

static void b_resets(struct scene *s)
{
	(void)s;
	tguest_reset(fx.g[1]);
	ck_assert(tguest_wait_recoveries(fx.g[1], 1));
}

static void a_names_bad_memory(struct scene *s)
{
	NDK_SGE sge = ep_sge(&s->p.a, 0, 64);

	sge.MemoryRegionToken = BAD;
	assert_status(s->p.a.qp->Dispatch->NdkWrite(
			      s->p.a.qp, ID(100), &sge, 1,
			      (uintptr_t)s->p.b.mem.va, s->p.b.mem.remote, 0),
		      STATUS_SUCCESS);
}

static void a_names_bad_remote_memory(struct scene *s)
{
	NDK_SGE sge = ep_sge(&s->p.a, 0, 64);

	assert_status(s->p.a.qp->Dispatch->NdkWrite(
			      s->p.a.qp, ID(100), &sge, 1,
			      (uintptr_t)s->p.b.mem.va, BAD, 0),
		      STATUS_SUCCESS);
}

/* B's receive is too short: both of them failed */
static void a_sends_too_much(struct scene *s)
{
	assert_status(ep_post_send(&s->p.a, 100, 0, 2 * SHORT, 0),
		      STATUS_SUCCESS);
}

/* One more than B has receives for */
static void b_never_receives(struct scene *s)
{
	for (uint64_t i = 0; i <= RECEIVES; i++)
		assert_status(ep_post_send(&s->p.a, 100 + i, 0, SHORT, 0),
			      STATUS_SUCCESS);
}

/* The CQ has room for the receives and no more */
static void a_does_not_poll(struct scene *s)
{
	for (uint64_t i = 0; i < 16; i++)
		assert_status(ep_post_write(&s->p.a, 100 + i, 0, 8, &s->p.b, 0,
					    0),
			      STATUS_SUCCESS);
}

static void administrator(struct scene *s)
{
	(void)s;
	for (int i = 0; i < 2; i++)
		if (!i || !test_backend()->one_daemon)
			kill(test_backend()->daemon(i)->pid, SIGTERM);
}

static void vrdmad_dies(struct scene *s)
{
	(void)s;
	daemon_kill(test_backend()->daemon(0));
}

/* --- what comes of it --------------------------------------------------------------- */

#define NOBODY VIRTIO_RDMA_R_NONE

/* Which transports a row speaks of */
enum where { ANYWHERE, ONE_VRDMAD, TWO_VRDMADS };

static const struct cause {
	const char *name;
	void (*happens)(struct scene *s);
	uint32_t told[2];	/* A, B: reason of the indication */
	NTSTATUS then[2];	/* and what Disconnect says */
	uint32_t a_posts;	/* requests beside the receives */
	uint32_t cq_depth;
	bool overrun;		/* A's completions are lost with its CQ */
	enum where where;
} causes[] = {
	{ "B disconnects", b_disconnects,
	  { VIRTIO_RDMA_R_GRACEFUL, NOBODY },
	  { STATUS_SUCCESS, STATUS_SUCCESS }, 0, 0, false, ANYWHERE },
	{ "B closes", b_closes,
	  { VIRTIO_RDMA_R_RESET, NOBODY },
	  { STATUS_CONNECTION_ABORTED, STATUS_SUCCESS }, 0, 0, false, ANYWHERE },
	{ "B's guest is killed", b_is_killed,
	  { VIRTIO_RDMA_R_PEER_GONE, VIRTIO_RDMA_R_DEVICE_RESET },
	  { STATUS_CONNECTION_ABORTED, STATUS_DEVICE_REMOVED }, 0, 0, false, ANYWHERE },
	{ "B resets its device", b_resets,
	  { VIRTIO_RDMA_R_PEER_GONE, VIRTIO_RDMA_R_DEVICE_RESET },
	  { STATUS_CONNECTION_ABORTED, STATUS_DEVICE_REMOVED }, 0, 0, false, ANYWHERE },
	/* the queue pair dies and the wire says nothing */
	{ "A's request names bad memory", a_names_bad_memory,
	  { VIRTIO_RDMA_R_LOCAL_ERROR, VIRTIO_RDMA_R_RESET },
	  { STATUS_CONNECTION_ABORTED, STATUS_CONNECTION_ABORTED }, 1, 0,
	  false, ANYWHERE },
	{ "A's request names bad remote memory", a_names_bad_remote_memory,
	  { VIRTIO_RDMA_R_LOCAL_ERROR, VIRTIO_RDMA_R_RESET },
	  { STATUS_CONNECTION_ABORTED, STATUS_CONNECTION_ABORTED }, 1, 0,
	  false, ANYWHERE },
	{ "A sends too much", a_sends_too_much,
	  { VIRTIO_RDMA_R_LOCAL_ERROR, VIRTIO_RDMA_R_LOCAL_ERROR },
	  { STATUS_CONNECTION_ABORTED, STATUS_CONNECTION_ABORTED }, 1, 0,
	  false, ANYWHERE },
	{ "B never receives", b_never_receives,
	  { VIRTIO_RDMA_R_TIMED_OUT, VIRTIO_RDMA_R_RESET },
	  { STATUS_IO_TIMEOUT, STATUS_CONNECTION_ABORTED }, RECEIVES + 1, 0,
	  false, ANYWHERE },
	{ "A's CQ overruns", a_does_not_poll,
	  { VIRTIO_RDMA_R_LOCAL_ERROR, VIRTIO_RDMA_R_RESET },
	  { STATUS_CONNECTION_ABORTED, STATUS_CONNECTION_ABORTED }, 16, 4,
	  true, ANYWHERE },
	{ "SIGTERM", administrator,
	  { VIRTIO_RDMA_R_ADMINISTRATOR, VIRTIO_RDMA_R_ADMINISTRATOR },
	  { STATUS_CONNECTION_ABORTED, STATUS_CONNECTION_ABORTED }, 0, 0,
	  false, ANYWHERE },
	{ "vrdmad is killed", vrdmad_dies,
	  { VIRTIO_RDMA_R_DEVICE_RESET, VIRTIO_RDMA_R_DEVICE_RESET },
	  { STATUS_DEVICE_REMOVED, STATUS_DEVICE_REMOVED }, 0, 0, false,
	  ONE_VRDMAD },
	/* its kernel resets what it had open: no death is a notification */
	{ "A's vrdmad is killed", vrdmad_dies,
	  { VIRTIO_RDMA_R_DEVICE_RESET, VIRTIO_RDMA_R_RESET },
	  { STATUS_DEVICE_REMOVED, STATUS_CONNECTION_ABORTED }, 0, 0, false,
	  TWO_VRDMADS },
};
#define CAUSES (int)(sizeof(causes) / sizeof(causes[0]))

static void check_told(const struct cause *c, const char *who, struct ep *e,
		       uint32_t reason)
{
	uint32_t n = reason != NOBODY;

	ck_assert_msg(wait_count(&e->indications, n, TEST_TIMEOUT_MS),
		      "%s: %s is not told", c->name, who);
	ck_assert_msg(e->indications == n, "%s: %s is told %u times", c->name,
		      who, e->indications);
	ck_assert_msg(!n || ep_was_told(e, reason), "%s: %s is told %u, not %u",
		      c->name, who, e->reason, reason);
}

static void check_disconnect(const struct cause *c, const char *who,
			     struct ep *e, NTSTATUS want)
{
	struct op op;
	NTSTATUS st;

	if (!e->conn)
		return;
	st = op_wait(&op, ep_disconnect_start(e, &op));
	ck_assert_msg(st == want, "%s: %s's Disconnect says 0x%x, not 0x%x",
		      c->name, who, (uint32_t)st, (uint32_t)want);
	/* it is over either way (D9) and stays so */
	st = op_wait(&op, ep_disconnect_start(e, &op));
	ck_assert_msg(st == STATUS_CONNECTION_INVALID ||
		      st == STATUS_DEVICE_REMOVED, "%s: %s's second: 0x%x",
		      c->name, who, (uint32_t)st);
}

/* Everything that was posted is there, once, and nothing else.  Nothing is
 * waited for: the Disconnect, or the close, came behind all of it (D2) */
static void check_work(const struct cause *c, struct ep *e, uint32_t posts)
{
	bool seen[128] = { false };
	NDK_RESULT_EX r;

	for (uint32_t i = 0; i < RECEIVES + posts; i++) {
		uintptr_t id;

		ck_assert_msg(e->cq->Dispatch->NdkGetCqResultsEx(e->cq, &r, 1),
			      "%s: %u of %u requests have ended", c->name, i,
			      RECEIVES + posts);
		id = (uintptr_t)r.RequestContext;
		ck_assert_uint_lt(id, 128);
		ck_assert(!seen[id]);
		seen[id] = true;
	}
	ck_assert(ep_idle(e));
}

static void open_scene(struct scene *s, const struct cause *c)
{
	struct ep_opts o = { .cq_depth = c->cq_depth };

	memset(s, 0, sizeof(*s));
	pair_open(&s->p, 0, 1, c->cq_depth ? &o : NULL);
	for (uint64_t i = 0; i < RECEIVES && !c->overrun; i++) {
		assert_status(ep_post_recv(&s->p.a, i, 0, SHORT),
			      STATUS_SUCCESS);
		assert_status(ep_post_recv(&s->p.b, i, 0, SHORT),
			      STATUS_SUCCESS);
	}
}

static void close_scene(struct scene *s)
{
	if (s->p.b.conn) {
		pair_close(&s->p);
		return;
	}
	listener_stop(&s->p.l);
	ep_fini(&s->p.a);
	ep_fini(&s->p.b);
}

START_TEST(every_cause)
{
	const struct cause *c = &causes[_i];
	struct scene s;

	if (c->where && (c->where == ONE_VRDMAD) != test_backend()->one_daemon)
		return;
	open_scene(&s, c);
	c->happens(&s);
	check_told(c, "A", &s.p.a, c->told[0]);
	check_told(c, "B", &s.p.b, c->told[1]);
	check_disconnect(c, "A", &s.p.a,
			 ep_end_of(&s.p.a, c->told[0], c->then[0]));
	if (s.b_called)
		assert_status(op_wait(&s.b_op, s.b_st), c->then[1]);
	else
		check_disconnect(c, "B", &s.p.b,
				 ep_end_of(&s.p.b, c->told[1], c->then[1]));
	if (!c->overrun) {
		check_work(c, &s.p.a, c->a_posts);
		check_work(c, &s.p.b, 0);
	}
	close_scene(&s);
	ck_assert_uint_eq(s.p.a.indications, c->told[0] != NOBODY);
	ck_assert_uint_eq(s.p.b.indications, c->told[1] != NOBODY);
}
END_TEST

/* NDSPI's policy: the flush is behind the indication, whoever caused it */
START_TEST(flushed_behind_the_indication)
{
	struct ep_opts o = { .qp_flags = VRDMA_QP_FLUSH_ON_PEER_DISCONNECT };
	struct op op;
	struct pair p;
	NTSTATUS st;

	pair_open(&p, 0, 1, &o);
	assert_status(ep_post_recv(&p.b, 1, 0, 64), STATUS_SUCCESS);
	st = ep_disconnect_start(&p.a, &op);
	assert_status(ep_next(&p.b).Status, STATUS_CANCELLED);
	ck_assert(wait_count(&p.b.indications, 1, TEST_TIMEOUT_MS));
	/* what comes later is cancelled as well, B need not have acted */
	assert_status(ep_post_recv(&p.b, 2, 0, 64), STATUS_SUCCESS);
	assert_status(ep_post_send(&p.b, 3, 0, 64, 0), STATUS_SUCCESS);
	assert_status(ep_next(&p.b).Status, STATUS_CANCELLED);
	assert_status(ep_next(&p.b).Status, STATUS_CANCELLED);
	ck_assert(!op_wait_ms(&op, 50));	/* a flush is no answer */
	check_disconnect(&causes[0], "B", &p.b, STATUS_SUCCESS);
	assert_status(op_wait(&op, st), STATUS_SUCCESS);
	pair_close(&p);
}
END_TEST

static void setup(void)
{
	struct daemon_opts o = {
		.guests = 2,
		.guest_section = "disconnect-timeout-ms = 5000\n"
				 "rnr-timeout-ms = 100\n" FX_SMALL,
	};

	fx_start(&o, FX_MEM);
}

int main(void)
{
	Suite *s = suite_create("causes");
	TCase *tc = add_case(s, "causes", 60);

	tcase_add_checked_fixture(tc, setup, fx_teardown);
	tcase_add_loop_test(tc, every_cause, 0, CAUSES);
	tcase_add_test(tc, flushed_behind_the_indication);
	return run_suite(s);
}
