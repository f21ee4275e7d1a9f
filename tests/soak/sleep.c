// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * sleep.c - no wake-up is lost, however the two sides fall asleep
 *
 * A worker that sleeps as soon as it has nothing to do, and a driver that waits for
 * the event of each completion: the driver's own code (vrdma_ring.h) posts, rings
 * and kicks by a descriptor, arms, looks again and waits.  It dawdles at random
 * between any two of these, so each meets each step of the other's.  Whoever waits
 * for longer than BOUND_MS has lost a wake-up.
 *
 * What is counted is what the kernel says (voluntary context switches of either
 * thread): a wait that found its wake-up there already is no sleep.  Several such
 * pairs run at a time, each a process, so that no CPU is ever idle and they sleep
 * and wake at the price of a context switch.
 *
 * First two drivers that break a rule show that a loss is found.
 */
#include <stdio.h>
#include <unistd.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include <check.h>
#include <sched.h>
#include <stdlib.h>

#include "give_up.h"
#include "../unit/data_rig.h"
#include "vrdma_ring.h"

#define BOUND_MS	60000	/* others may need the machine, too */
#define FOUND_MS	200	/* for one that is lost for certain */
#define SLOT		70u
#define MOST_ROW	3u	/* requests that are posted at a time */
#define MOST_SPINS	600u	/* some microseconds */
#define MAX_PAIRS	64u

static struct rig r;

struct driver {
	struct vrdma_wq sq;
	struct vrdma_cqring cq;
	struct virtio_rdma_context_page *page;
	int kick;
	uint32_t out;		/* posted and not completed */
	uint32_t events;	/* that are due */
	uint64_t dice;
};

/* What one pair has come to; shared by all pairs and the process that waits */
struct score {
	uint64_t worker_sleeps;
	uint64_t driver_sleeps;
	uint64_t requests;
	uint64_t kicks;
	uint64_t events;
};

static uint32_t dice(struct driver *d, uint32_t n)
{
	d->dice ^= d->dice << 13;
	d->dice ^= d->dice >> 7;
	d->dice ^= d->dice << 17;
	return (uint32_t)(d->dice >> 20) % n;
}

/* Mostly not for long, as most steps are short */
static void dawdle(struct driver *d)
{
	uint32_t n = dice(d, 16) ? dice(d, 16) : dice(d, MOST_SPINS);

	while (n--)
		__asm__ volatile("pause");
}

/* ------------------------------------------------------------------- driver */

static void fill_entry(struct driver *d)
{
	struct virtio_rdma_send_wqe *w = vrdma_wq_next(&d->sq);
	const struct virtio_rdma_sge s = { rig_data(0), 8, r.a.local };

	ck_assert_ptr_nonnull(w);
	*w = (struct virtio_rdma_send_wqe){
		.wr_id = d->sq.tail, .opcode = VIRTIO_RDMA_OP_WRITE,
		.num_sge = 1, .remote_addr = rig_data(0),
		.remote_token = r.b.remote,
	};
	memcpy(w + 1, &s, sizeof(s));
}

static void kick(const struct driver *d)
{
	const uint64_t one = 1;

	ck_assert_int_eq(write(d->kick, &one, sizeof(one)), sizeof(one));
}

static void post(struct driver *d)
{
	fill_entry(d);
	vrdma_wq_post(&d->sq);
	d->out++;
	dawdle(d);
	vrdma_full_fence();
	if (vrdma_qp_is_watched((void *)(r.a.mem + RIG_QP)))
		return;
	dawdle(d);
	if (!vrdma_ring_bell(d->page, SLOT))
		return;
	dawdle(d);
	kick(d);
}

static void take_all(struct driver *d)
{
	struct virtio_rdma_cqe c;

	while (vrdma_cqring_take(&d->cq, &c)) {
		ck_assert_uint_eq(c.status, VIRTIO_RDMA_WC_SUCCESS);
		ck_assert_uint_ne(d->out--, 0);
	}
}

/* The event that an arm brings, and no other.  false: it does not come */
static bool wait_event(struct driver *d, uint32_t ms)
{
	uint64_t end = loop_now_ns() + ms * 1000000ull;

	d->events++;
	while (r.a.cq_events != d->events) {
		ck_assert_uint_eq(r.a.cq_events + 1, d->events);
		if (loop_now_ns() >= end)
			return false;
		loop_run_once(r.loop, (int)ms);
	}
	return true;
}

static void post_some(struct driver *d)
{
	uint32_t n = dice(d, 8) ? 1 : MOST_ROW;

	while (n--) {
		post(d);
		dawdle(d);
	}
}

/* Armed first, as where one thread waits and another posts; or behind the post */
static bool turn(struct driver *d)
{
	bool first = dice(d, 4);

	if (first)
		ck_assert(!vrdma_cqring_arm(&d->cq, VIRTIO_RDMA_ARM_ANY));
	post_some(d);
	if (first && !wait_event(d, BOUND_MS))
		return false;
	while (take_all(d), d->out) {
		dawdle(d);
		if (!vrdma_cqring_arm(&d->cq, VIRTIO_RDMA_ARM_ANY) &&
		    !wait_event(d, BOUND_MS))
			return false;
	}
	return true;
}

/* ---------------------------------------------------------- start and score */

static void driver_start(struct driver *d, uint64_t seed)
{
	rig_start(&r, 0);
	rig_connect(&r);
	*d = (struct driver){
		.page = (void *)(r.a.mem + RIG_CONTEXT),
		.kick = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC),
		.dice = (seed + 1) * 0x9e3779b97f4a7c15ull,
	};
	vrdma_sq_init(&d->sq, r.a.mem + RIG_QP, 4096, RIG_DEPTH, RIG_STRIDE,
		      RIG_DEPTH);
	vrdma_cqring_init(&d->cq, r.a.mem + RIG_CQ, 4096, RIG_CQ_DEPTH);
	ck_assert_int_ge(d->kick, 0);
	ck_assert_int_eq(worker_add_kick(r.worker, d->kick, true), 0);
}

static void driver_end(struct driver *d)
{
	worker_del_kick(r.worker, d->kick);
	close(d->kick);
	rig_end(&r);
}

static void count_sleeps(void *arg)
{
	uint64_t *n = arg;
	struct rusage u;

	getrusage(RUSAGE_THREAD, &u);
	*n = (uint64_t)u.ru_nvcsw;
}

static void keep_score(struct driver *d, struct score *s)
{
	struct worker_stats stats;

	worker_stats(r.worker, &stats);
	worker_call(r.worker, count_sleeps, &s->worker_sleeps);
	count_sleeps(&s->driver_sleeps);
	s->kicks = stats.kicks;
	s->requests = d->sq.tail;
	s->events = d->events;
}

/* How a pair's threads run.  Who is patient lets the one he woke wait until he
 * sleeps himself; elsewhere that one comes at once, in the middle of what he does.
 * A driver whose worker has another CPU mostly finds its event there already and
 * does not sleep; with one CPU for both and patience each wait is a sleep. */
static const struct manner {
	bool patient, one_cpu;
} manners[] = { { false, false }, { true, true }, { true, false }, { true, true } };

static void set_manner(uint64_t seed)
{
	const struct manner *m = &manners[seed % 4];
	const struct sched_param none = { 0 };
	cpu_set_t set;

	if (m->patient)
		(void)sched_setscheduler(0, SCHED_BATCH, &none);
	if (!m->one_cpu)
		return;
	CPU_ZERO(&set);
	CPU_SET(seed / 2 % (uint64_t)sysconf(_SC_NPROCESSORS_ONLN), &set);
	(void)sched_setaffinity(0, sizeof(set), &set);
}

/* What all pairs have come to.  Each writes its own, now and then. */
static struct score sum(const struct score *score, uint32_t pairs)
{
	struct score all = { 0 };

	for (uint32_t i = 0; i < pairs; i++) {
		all.worker_sleeps += score[i].worker_sleeps;
		all.driver_sleeps += score[i].driver_sleeps;
		all.requests += score[i].requests;
		all.kicks += score[i].kicks;
		all.events += score[i].events;
	}
	return all;
}

/* Some pairs sleep more often than others: it is together that they reach it */
static bool slept(const struct score *score, uint32_t pairs, uint64_t sleeps)
{
	struct score all = sum(score, pairs);

	return all.worker_sleeps >= sleeps && all.driver_sleeps >= sleeps;
}

/* Until both sides have slept so often.  Of a loss it says whose it was. */
static int run_pair(struct score *score, uint32_t pairs, uint32_t i,
		    uint64_t sleeps, uint64_t seed)
{
	struct driver d;

	set_manner(seed);
	driver_start(&d, seed);
	do {
		for (int n = 0; n < 4096; n++) {
			if (turn(&d))
				continue;
			fprintf(stderr, "sleep: seed %llu: nothing in %d s after %u requests, arm %u, worker word %u\n",
				(unsigned long long)seed, BOUND_MS / 1000,
				d.sq.tail, rig_load(&d.cq.rec->arm),
				rig_load(&d.page->worker));
			return EXIT_FAILURE;
		}
		keep_score(&d, &score[i]);
	} while (!slept(score, pairs, sleeps));
	ck_assert_uint_eq(r.a.cq_events, d.events);
	driver_end(&d);
	return EXIT_SUCCESS;
}

/* ------------------------------------------------------- that losses are found */

static bool asleep(const struct driver *d)
{
	return rig_load(&d->page->worker) == VIRTIO_RDMA_WORKER_ASLEEP;
}

/* Looks whether the worker sleeps before it has posted, not behind it */
static bool looks_too_early(struct driver *d)
{
	rig_until(&r, asleep(d));
	fill_entry(d);
	vrdma_wq_post(&d->sq);
	d->out++;
	(void)vrdma_ring_bell(d->page, SLOT);
	vrdma_cqring_raise_arm(&d->cq, VIRTIO_RDMA_ARM_ANY);
	return wait_event(d, FOUND_MS);
}

/* Arms, and does not look again at what came meanwhile */
static bool arms_too_late(struct driver *d)
{
	post(d);
	rig_until(&r, vrdma_cqring_ready(&d->cq));
	rig_until(&r, asleep(d));
	vrdma_cqring_raise_arm(&d->cq, VIRTIO_RDMA_ARM_ANY);
	return wait_event(d, FOUND_MS);
}

static int loses(bool (*wrong)(struct driver *d))
{
	struct driver d;
	int fine;

	driver_start(&d, 1);
	fine = wrong(&d);
	driver_end(&d);
	return fine;
}

static int run_child(int (*fn)(void *arg), void *arg)
{
	pid_t pid = fork();
	int status = -1;

	if (!pid)
		_exit(fn(arg));
	waitpid(pid, &status, 0);
	return !WIFEXITED(status) || WEXITSTATUS(status);
}

static int child_loses(void *arg)
{
	bool (**wrong)(struct driver *d) = arg;

	return loses(*wrong);
}

/* 0, or how many wrong drivers lost nothing */
static int check_detector(void)
{
	static bool (*const wrong[])(struct driver *d) = { looks_too_early,
							   arms_too_late };
	int missed = 0;

	for (unsigned int i = 0; i < 2; i++)
		missed += run_child(child_loses, (void *)(uintptr_t)&wrong[i]);
	if (missed)
		fprintf(stderr, "sleep: %d of 2 planted losses were not found\n",
			missed);
	return missed;
}

/* ------------------------------------------------------------------ processes */

static volatile sig_atomic_t interrupted;

static void on_signal(int sig)
{
	interrupted = sig;
}

/* Who wants to know how far it is ends it */
static void end_by_signal(void)
{
	const struct sigaction end = { .sa_handler = on_signal };

	sigaction(SIGINT, &end, NULL);
	sigaction(SIGTERM, &end, NULL);
}

static void start_pairs(uint32_t pairs, uint64_t sleeps, uint64_t seed,
			struct score *score)
{
	for (uint32_t i = 0; i < pairs; i++) {
		pid_t pid = fork();

		if (pid < 0)
			exit(EXIT_FAILURE);
		if (pid)
			continue;
		signal(SIGINT, SIG_DFL);
		signal(SIGTERM, SIG_DFL);
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		_exit(run_pair(score, pairs, i, sleeps, seed + i));
	}
}

static int wait_pairs(void)
{
	int status, failed = 0;

	/* What a terminal interrupts dies with us, and is no failure */
	while (wait(&status) > 0 && !interrupted)
		failed += !WIFEXITED(status) || WEXITSTATUS(status);
	return failed;
}

static void say(const struct score *score, uint32_t pairs, uint64_t ns)
{
	struct score all = sum(score, pairs);

	printf("sleep: %u pairs, %.1f s: sleeps of workers %llu, of drivers %llu; requests %llu, wake-ups of workers by a kick %llu, events %llu\n",
	       pairs, (double)ns / 1e9, (unsigned long long)all.worker_sleeps,
	       (unsigned long long)all.driver_sleeps,
	       (unsigned long long)all.requests, (unsigned long long)all.kicks,
	       (unsigned long long)all.events);
}

static void usage(FILE *f)
{
	fprintf(f, "usage: sleep [-n SLEEPS] [-j PAIRS] [-s SEED]\n"
		   "  -n  sleeps of workers, and of drivers, at least (20000)\n"
		   "  -j  workers with a driver each at the same time (8)\n"
		   "  -s  of the dice (1)\n");
}

int main(int argc, char **argv)
{
	uint64_t sleeps = 20000, seed = 1, from;
	struct score *score;
	uint32_t pairs = 8;
	int opt, failed;

	while ((opt = getopt(argc, argv, "hn:j:s:")) != -1) {
		switch (opt) {
		case 'n':
			sleeps = strtoull(optarg, NULL, 10);
			break;
		case 'j':
			pairs = (uint32_t)strtoul(optarg, NULL, 10);
			break;
		case 's':
			seed = strtoull(optarg, NULL, 10);
			break;
		default:
			usage(opt == 'h' ? stdout : stderr);
			return opt == 'h' ? EXIT_SUCCESS : 2;
		}
	}
	if (!pairs || pairs > MAX_PAIRS)
		pairs = 1;
	score = mmap(NULL, MAX_PAIRS * sizeof(*score), PROT_READ | PROT_WRITE,
		     MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (score == MAP_FAILED)
		return EXIT_FAILURE;
	failed = check_detector();
	from = loop_now_ns();
	end_by_signal();
	start_pairs(pairs, sleeps, seed, score);
	failed += wait_pairs();
	if (interrupted)
		printf("sleep: ended by signal %d, none was lost so far: %d\n",
		       (int)interrupted, !failed);
	say(score, pairs, loop_now_ns() - from);
	printf("%d%%: Checks: 3, Failures: %d, Errors: 0\n", failed ? 0 : 100,
	       failed ? 1 : 0);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
