// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * soak.c - connect and disconnect for ever, with kills and resets in between
 *
 * Every cycle connects two user-space guests through the real vrdmad, moves
 * data both ways, and ends the connection in one of the ways of enum ending, by
 * a seeded dice.  A round begins with a fresh daemon; objects, descriptors and
 * memory at its end must be what they were when the daemon was warm.
 */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "fixture.h"

enum ending {
	BOTH,			/* crossing Disconnects */
	A_THEN_B,		/* B waits for its indication */
	A_CLOSES,		/* abortive */
	B_CLOSES_AFTER_A,	/* a close answers a pending Disconnect */
	WITH_WORK,		/* receives outstanding on both sides */
	ENDINGS
};

static uint64_t dice_state;

static uint32_t dice(uint32_t n)
{
	dice_state ^= dice_state << 13;
	dice_state ^= dice_state >> 7;
	dice_state ^= dice_state << 17;
	return (uint32_t)(dice_state >> 20) % n;
}

struct counts {
	uint32_t objects;	/* NDK objects of both guests */
	long allocations;	/* of both cores */
	int fds;		/* the daemon's */
	int own_fds;
	long anon_kib;		/* the daemon's */
};

static int count_fds(pid_t pid)
{
	char path[64];
	DIR *d;
	int n = 0;

	snprintf(path, sizeof(path), "/proc/%d/fd", (int)pid);
	d = opendir(path);
	while (d && readdir(d))
		n++;
	if (d)
		closedir(d);
	return n;
}

static long anonymous_kib(pid_t pid)
{
	char path[64], line[128];
	long kib = -1;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/smaps_rollup", (int)pid);
	f = fopen(path, "r");
	while (f && fgets(line, sizeof(line), f))
		sscanf(line, "Anonymous: %ld", &kib);
	if (f)
		fclose(f);
	return kib;
}

static struct counts take_counts(void)
{
	struct counts c = { 0 };

	for (int i = 0; i < 2; i++) {
		c.objects += vrdma_core_object_count(tguest_core(fx.g[i]));
		c.allocations += tguest_allocations(fx.g[i]);
	}
	c.fds = count_fds(fx.daemon.pid);
	c.own_fds = count_fds(getpid());
	c.anon_kib = anonymous_kib(fx.daemon.pid);
	return c;
}

static void print_counts(const char *when, const struct counts *c)
{
	printf("soak: %-12s objects %u, core allocations %ld, descriptors %d "
	       "(own %d), daemon memory %ld KiB\n", when, c->objects,
	       c->allocations, c->fds, c->own_fds, c->anon_kib);
	fflush(stdout);
}

/* --- one cycle ------------------------------------------------------------- */

static void both_write(struct pair *p)
{
	assert_status(ep_post_write(&p->a, 1, 0, 512, &p->b, 0, 0),
		      STATUS_SUCCESS);
	assert_status(ep_post_write(&p->b, 2, 512, 512, &p->a, 512, 0),
		      STATUS_SUCCESS);
	assert_status(ep_next(&p->a).Status, STATUS_SUCCESS);
	assert_status(ep_next(&p->b).Status, STATUS_SUCCESS);
}

static void close_conn(struct ep *e)
{
	nd_close(e->conn);
	e->conn = NULL;
}

static void b_waits(struct pair *p)
{
	struct op oa, ob;
	NTSTATUS sa = ep_disconnect_start(&p->a, &oa);

	ck_assert(wait_count(&p->b.indications, 1, TEST_TIMEOUT_MS));
	assert_status(op_wait(&ob, ep_disconnect_start(&p->b, &ob)),
		      STATUS_SUCCESS);
	assert_status(op_wait(&oa, sa), STATUS_SUCCESS);
}

static void b_closes(struct pair *p)
{
	struct op oa;
	NTSTATUS sa = ep_disconnect_start(&p->a, &oa);

	close_conn(&p->b);
	assert_status(op_wait(&oa, sa), STATUS_SUCCESS);
}

static void end_connection(struct pair *p, enum ending how)
{
	switch (how) {
	case A_THEN_B:
		b_waits(p);
		break;
	case A_CLOSES:
		close_conn(&p->a);
		ck_assert(wait_count(&p->b.indications, 1, TEST_TIMEOUT_MS));
		break;
	case B_CLOSES_AFTER_A:
		b_closes(p);
		break;
	case WITH_WORK:
		for (uint64_t i = 0; i < 4; i++) {
			ep_post_recv(&p->a, i, 0, 64);
			ep_post_recv(&p->b, i, 0, 64);
		}
		ep_disconnect_both(&p->a, &p->b);
		for (int i = 0; i < 4; i++) {
			assert_status(ep_next(&p->a).Status, STATUS_CANCELLED);
			assert_status(ep_next(&p->b).Status, STATUS_CANCELLED);
		}
		break;
	default:
		ep_disconnect_both(&p->a, &p->b);
		break;
	}
	ck_assert_uint_le(p->a.indications, 1);
	ck_assert_uint_le(p->b.indications, 1);
}

static void open_pair(struct pair *p)
{
	struct ep_opts o = { .depth = 8, .mem = 4096 };

	ep_init(&p->a, fx.g[0], &o);
	ep_init(&p->b, fx.g[1], &o);
	listener_start(&p->l, p->b.adapter, sa_v4(1, 0));
}

static void close_pair(struct pair *p)
{
	listener_stop(&p->l);
	ep_fini(&p->a);
	ep_fini(&p->b);
}

static void cycles(struct pair *p, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++) {
		ep_connect(&p->a, &p->b, &p->l, NULL, NULL);
		both_write(p);
		end_connection(p, (enum ending)dice(ENDINGS));
		ep_renew(&p->a);
		ep_renew(&p->b);
	}
}

/* --- one round: disasters and cycles ------------------------- */

enum disaster { GUEST_KILLED, GUEST_RESET, DAEMON_KILLED };

static void kill_guest(void)
{
	tguest_kill(fx.g[1]);
}

static void new_guest(void)
{
	tguest_stop(fx.g[1]);
	fx.g[1] = tguest_start(fx.daemon.socket[1], FX_MEM);
	ck_assert_ptr_nonnull(fx.g[1]);
}

static void disaster(enum disaster what)
{
	uint32_t n[2] = { tguest_recoveries(fx.g[0]),
			  tguest_recoveries(fx.g[1]) };
	struct pair p;

	open_pair(&p);
	ep_connect(&p.a, &p.b, &p.l, NULL, NULL);
	both_write(&p);
	if (what == GUEST_KILLED)
		kill_guest();
	else if (what == GUEST_RESET)
		tguest_reset(fx.g[1]);
	else
		daemon_kill(&fx.daemon);
	ck_assert(wait_count(&p.a.indications, 1, TEST_TIMEOUT_MS));
	ck_assert(wait_count(&p.b.indications, 1, TEST_TIMEOUT_MS));
	close_conn(&p.a);
	close_conn(&p.b);
	close_pair(&p);
	if (what == GUEST_KILLED)
		new_guest();
	if (what == DAEMON_KILLED) {
		ck_assert(daemon_restart(&fx.daemon));
		ck_assert(tguest_wait_recoveries(fx.g[0], n[0] + 1));
	}
	if (what != GUEST_KILLED)
		ck_assert(tguest_wait_recoveries(fx.g[1], n[1] + 1));
}

static bool same(const struct counts *a, const struct counts *b)
{
	/* an allocator may keep a page more or less; a leak of anything per
	 * cycle is far beyond this */
#if defined(__SANITIZE_THREAD__) || defined(__SANITIZE_ADDRESS__)
	const long slack_kib = 16384;	/* the sanitizer's own books */
#else
	const long slack_kib = 256;
#endif

	return a->objects == b->objects && a->allocations == b->allocations &&
	       a->fds == b->fds && a->own_fds == b->own_fds &&
	       labs(a->anon_kib - b->anon_kib) <= slack_kib;
}

static void some_cycles(uint32_t n)
{
	struct pair p;

	open_pair(&p);
	cycles(&p, n);
	close_pair(&p);
}

/* A fresh daemon warms up; what it holds then it holds after the rest */
static struct counts round_of(uint32_t n)
{
	struct counts before, after;

	disaster(DAEMON_KILLED);
	some_cycles(n / 10);
	before = take_counts();
	for (int i = 0; i < 3; i++) {
		disaster(GUEST_KILLED);
		some_cycles(n * 3 / 20);
		disaster(GUEST_RESET);
		some_cycles(n * 3 / 20);
	}
	after = take_counts();
	print_counts("warm", &before);
	print_counts("then", &after);
	ck_assert_msg(same(&before, &after), "something was left behind");
	return after;
}

/* A short one; `make soak` asks for a million */
static unsigned long total = 2000;

static void soak(void)
{
	enum { ROUNDS = 10 };
	struct daemon_opts o = { .guests = 2 };
	struct counts first, last;

	fx_start(&o, FX_MEM);
	first = round_of((uint32_t)(total / ROUNDS));
	for (int i = 1; i < ROUNDS; i++)
		last = round_of((uint32_t)(total / ROUNDS));
	ck_assert_msg(same(&first, &last), "something was left behind");
	fx_teardown();
}

static void usage(FILE *f)
{
	fputs("usage: soak [-h] [-n CYCLES] [-s SEED]\n"
	      "\n"
	      "  -n CYCLES  connect-disconnect cycles (default 2000)\n"
	      "  -s SEED    of the dice (default 1)\n"
	      "\n"
	      "Exit status 0: every cycle ended as the scheme says, and objects,\n"
	      "descriptors and memory are what they were.  VRDMAD names the daemon.\n",
	      f);
}

int main(int argc, char **argv)
{
	int opt, failed;

	dice_state = 1;
	while ((opt = getopt(argc, argv, "hn:s:")) != -1) {
		switch (opt) {
		case 'n':
			total = strtoul(optarg, NULL, 10);
			break;
		case 's':
			dice_state = strtoul(optarg, NULL, 10) | 1;
			break;
		case 'h':
			usage(stdout);
			return EXIT_SUCCESS;
		default:
			usage(stderr);
			return 2;
		}
	}
	dice_state *= 0x9e3779b97f4a7c15ull;
	failed = run_plain("soak", soak);
	printf("soak: %lu cycles\n%d passed, %d failed\n", total, !failed,
	       !!failed);
	return failed;
}
