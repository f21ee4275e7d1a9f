/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * worker.c - a thread that moves bytes: its loop and its sleep
 *
 * DOC: A pass takes messages, looks for doorbells, gives each guest that has
 * work a few turns by its weight, and lets deadlines fire.  Guests take turns, and
 * within a guest its queue pairs do, and what a turn does is bounded, so nobody
 * gets more than a share by having more queue pairs or larger requests.
 *
 * Sleep has three phases, as the ABI header says of the driver's side: tell
 * (ASLEEP in each context page, and the flag for worker_call), look once more
 * at everything, wait.  Who comes between is seen by the second look, who
 * comes later sees the flag and kicks.  Kick descriptors are edge-triggered
 * and never read: a count in them says nothing that the rings do not say.
 * Backends that watch something of their own take part the same way: arm(),
 * one more poll(), and a descriptor that wakes.
 */
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "cq.h"
#include "guest.h"
#include "mr.h"
#include "qp.h"
#include "srq.h"
#include "timer_wheel.h"
#include "watch.h"
#include "worker.h"

#define BELLS_PER_ROUND		64	/* words and doorbells of one guest */
#define IDLE_PASSES_PER_LOOK	32	/* the clock costs as much as some passes */
#define PEEKS_PER_IDLE_PASS	16	/* at watched tails; together as long as it */
#define SPIN_FOR_ANSWER		2000	/* worker_call: some 10 us, then sleep */
#define KICKS_PER_WAIT		16
#define LONG_YIELD_NS		500000u	/* no other worker's turn is that long */
#define CROWDED_NS		10000000u	/* doubled each time that it was in vain */
#define MAX_CROWDED_NS		1000000000u
#define FINE_TICK_NS		20000u	/* of completion queues' timers up to */
#define FINE_MAX_NS		5000000u	/* this: less than a lap of them */

struct call {
	struct call *next;
	void (*fn)(void *arg);		/* or NULL, and */
	bool (*until)(void *arg);
	void *arg;
	sem_t done;
};

#define MAX_BACKENDS	CONF_MAX_GUESTS

struct worker {
	/* constant after start */
	pthread_t thread;
	struct worker_conf conf;
	struct loop *loop;
	bool by_hand;			/* no thread: worker_step() */
	int epoll;
	int wake;			/* eventfd, in epoll */

	/* any thread */
	pthread_mutex_t lock;
	struct call *calls;		/* under lock */
	struct call **last_call;	/* under lock */
	atomic_bool has_calls;
	atomic_bool asleep;
	_Atomic uint64_t stat_passes;	/* written by the worker */
	_Atomic uint64_t stat_sleeps;
	_Atomic uint64_t stat_kicks;
	_Atomic uint64_t stat_runs;

	/* worker only */
	bool quit;
	struct list_head contexts;	/* vr_context.link */
	struct list_head runnable;	/* guest_data.runnable */
	struct list_head dying;		/* vr_qp.dying */
	struct list_head touched;	/* vr_cq.touched */
	struct list_head offering;	/* vr_srq.offering */
	struct watch watch;
	struct call *waiting;		/* of worker_call_until() */
	struct backend *backend[MAX_BACKENDS];	/* those with poll() */
	unsigned int backends;
	struct timer_wheel wheel;	/* queue pairs */
	struct timer_wheel cq_wheel[2];	/* completion queues: fine, coarse */
	uint64_t bell_round;
	uint64_t now;			/* of this pass; 0: not asked for yet */
	bool in_vain;			/* a backend's look in this pass was */
	uint64_t crowded_ns;		/* see yield(); 0: it is not */
	uint64_t crowded_until;
	uint32_t idle_passes;
	uint64_t idle_since;
};

static _Thread_local struct worker *current;

static void count(_Atomic uint64_t *stat)
{
	/* one writer: no need for a locked instruction */
	atomic_store_explicit(stat, atomic_load_explicit(stat,
				memory_order_relaxed) + 1,
			      memory_order_relaxed);
}

uint64_t be_now(void)
{
	if (!current)
		return loop_now_ns();
	if (!current->now)
		current->now = loop_now_ns();
	return current->now;
}

void be_looked_in_vain(void)
{
	if (current)
		current->in_vain = true;
}

/* ------------------------------------------------- lists of the other files */

struct loop *worker_loop(struct worker *w)
{
	return w->loop;
}

struct timer_wheel *worker_wheel(struct worker *w)
{
	return &w->wheel;
}

/* A tick early, since a wheel is up to a tick late */
struct timer_wheel *worker_set_cq_timer(struct worker *w, struct wheel_timer *t,
					uint64_t ns)
{
	struct timer_wheel *wheel = &w->cq_wheel[ns > FINE_MAX_NS];

	if (ns > wheel->tick_ns)
		ns -= wheel->tick_ns;
	wheel_set(wheel, t, be_now() + ns);
	return wheel;
}

static void tell(struct vr_context *ctx, uint32_t what)
{
	__atomic_store_n(&ctx->page->worker, vr_to_le32(what),
			 __ATOMIC_SEQ_CST);
}

void worker_add_context(struct worker *w, struct vr_context *ctx)
{
	tell(ctx, VIRTIO_RDMA_WORKER_AWAKE);
	list_add_tail(&ctx->link, &w->contexts);
}

void worker_del_context(struct worker *w, struct vr_context *ctx)
{
	(void)w;
	list_del(&ctx->link);
}

void worker_enqueue(struct worker *w, struct guest_data *d, struct vr_qp *qp)
{
	if (list_empty(&qp->run))
		list_add_tail(&qp->run, &d->run);
	if (list_empty(&d->runnable) && !d->paused)
		list_add_tail(&d->runnable, &w->runnable);
}

static uint64_t passes(struct worker *w)
{
	return atomic_load_explicit(&w->stat_passes, memory_order_relaxed);
}

/* One step at a time and by hand nobody looks between two of them */
void worker_watch(struct worker *w, struct vr_qp *qp)
{
	if (!w->by_hand)
		watch_add(&w->watch, qp, passes(w));
}

void worker_unwatch(struct worker *w, struct vr_qp *qp)
{
	watch_del(&w->watch, qp);
}

void worker_mourn(struct worker *w, struct vr_qp *qp)
{
	if (list_empty(&qp->dying))
		list_add_tail(&qp->dying, &w->dying);
}

void worker_offer(struct worker *w, struct vr_srq *srq)
{
	if (list_empty(&srq->offering))
		list_add_tail(&srq->offering, &w->offering);
}

void worker_touch_cq(struct worker *w, struct vr_cq *cq)
{
	list_add_tail(&cq->touched, &w->touched);
}

void worker_notify_cqs(struct worker *w)
{
	while (!list_empty(&w->touched)) {
		struct vr_cq *cq = list_first(&w->touched, struct vr_cq,
					      touched);

		list_del(&cq->touched);
		cq_notify(cq);
	}
}

/* One at a time: each has whole rings flushed, and thousands may share a
 * completion queue that died.  They do nothing while they wait. */
static void bury_one(struct worker *w)
{
	struct vr_qp *qp;

	if (list_empty(&w->dying))
		return;
	qp = list_first(&w->dying, struct vr_qp, dying);
	list_del(&qp->dying);
	qp_bury(qp);
}

/* The batch of one queue pair, or of one message, is over */
static void settle(struct worker *w)
{
	bury_one(w);
	worker_notify_cqs(w);
}

/* --------------------------------------------------------------- doorbells */

static void ring_word(struct vr_context *ctx, uint32_t word, uint32_t *left)
{
	uint64_t bits = vr_from_le64(__atomic_exchange_n(
				&ctx->page->work[word], 0, __ATOMIC_SEQ_CST));
	struct bell **row = ctx->slot[word];

	--*left;
	if (!row)
		return;
	for (; bits; bits &= bits - 1) {
		struct bell *bell = row[__builtin_ctzll(bits)];

		if (!bell)
			continue;
		bell->rung(bell);
		if (*left)
			--*left;
	}
}

/* What is left over goes back and is met in the next round */
static void ring_summary(struct vr_context *ctx, uint32_t i, uint32_t *left)
{
	vr_le64 *summary = &ctx->page->summary[i];
	uint64_t bits = vr_from_le64(__atomic_exchange_n(summary, 0,
							 __ATOMIC_SEQ_CST));

	for (; bits && *left; bits &= bits - 1)
		ring_word(ctx, i * 64 + (uint32_t)__builtin_ctzll(bits), left);
	if (bits)
		__atomic_fetch_or(summary, vr_to_le64(bits), __ATOMIC_SEQ_CST);
}

static bool ring_context(struct vr_context *ctx, uint32_t *left)
{
	bool found = false;

	for (uint32_t i = 0; i < 4; i++) {
		if (!__atomic_load_n(&ctx->page->summary[i], __ATOMIC_SEQ_CST))
			continue;
		found = true;
		if (*left)
			ring_summary(ctx, i, left);
	}
	return found;
}

/* The guest of ctx may have so much looked at in this round */
static uint32_t *bells_left(const struct worker *w, struct guest_data *d)
{
	if (d->bell_round != w->bell_round) {
		d->bell_round = w->bell_round;
		d->bells_left = BELLS_PER_ROUND;
	}
	return &d->bells_left;
}

static bool ring_all(struct worker *w)
{
	struct list_head *pos, *tmp;
	bool found = false;

	w->bell_round++;
	list_for_each_safe(pos, tmp, &w->contexts) {
		struct vr_context *ctx = container_of(pos, struct vr_context,
						      link);
		struct guest_data *d = &ctx->guest->data;
		uint32_t *left = bells_left(w, d), before = *left;

		if (d->paused || !ring_context(ctx, left))
			continue;
		found = true;
		/* the guest's other contexts come first the next time; met
		 * again in this round, it finds nothing left to spend */
		if (before && !*left)
			list_move_tail(&ctx->link, &w->contexts);
	}
	return found;
}

/* -------------------------------------------------------------------- turns */

static void run_one(struct worker *w, struct guest_data *d)
{
	struct vr_qp *qp = list_first(&d->run, struct vr_qp, run);

	list_del(&qp->run);
	count(&w->stat_runs);
	if (qp_run(qp))
		qp_make_runnable(qp);
	settle(w);
}

static struct guest_data *first_guest(struct list_head *round)
{
	return list_first(round, struct guest_data, runnable);
}

/* At most turns of d, which goes back if it has more to do */
static void run_guest(struct worker *w, struct guest_data *d, uint32_t turns)
{
	list_del(&d->runnable);
	for (; turns && !list_empty(&d->run); turns--)
		run_one(w, d);
	if (!list_empty(&d->run) && list_empty(&d->runnable))
		list_add_tail(&d->runnable, &w->runnable);
}

/* Once round the guests that had work when the round began */
static bool run_guests(struct worker *w)
{
	struct list_head round, *pos, *tmp;

	if (list_empty(&w->runnable))
		return false;
	list_init(&round);
	list_for_each_safe(pos, tmp, &w->runnable)
		list_move_tail(pos, &round);
	while (!list_empty(&round)) {
		struct guest_data *d = first_guest(&round);

		run_guest(w, d, d->weight * TURNS_PER_WEIGHT);
	}
	return true;
}

/* Shared receive queues that were posted to: once round those who wait */
static bool offer_receives(struct worker *w)
{
	struct list_head *pos, *tmp;
	bool any = false;

	list_for_each_safe(pos, tmp, &w->offering)
		any |= srq_offer(container_of(pos, struct vr_srq, offering));
	return any;
}

static void deadline(struct wheel_timer *t)
{
	qp_make_runnable(container_of(t, struct vr_qp, timer));
}

static void run_timers(struct worker *w)
{
	if (w->wheel.count)
		wheel_advance(&w->wheel, be_now(), deadline);
	for (int i = 0; i < 2; i++)
		if (w->cq_wheel[i].count)
			wheel_advance(&w->cq_wheel[i], be_now(), worker_cq_due);
}

static uint64_t next_timer(const struct worker *w)
{
	uint64_t now = loop_now_ns(), next = wheel_timeout(&w->wheel, now);

	for (int i = 0; i < 2; i++) {
		uint64_t ns = wheel_timeout(&w->cq_wheel[i], now);

		if (ns < next)
			next = ns;
	}
	return next;
}

/* ----------------------------------------------------------------- messages */

static struct call *take_calls(struct worker *w)
{
	struct call *c;

	pthread_mutex_lock(&w->lock);
	c = w->calls;
	w->calls = NULL;
	w->last_call = &w->calls;
	atomic_store_explicit(&w->has_calls, false, memory_order_relaxed);
	pthread_mutex_unlock(&w->lock);
	return c;
}

static bool run_calls(struct worker *w)
{
	struct call *c;

	if (!atomic_load_explicit(&w->has_calls, memory_order_acquire))
		return false;
	c = take_calls(w);
	while (c) {
		struct call *next = c->next;

		if (c->until) {
			c->next = w->waiting;
			w->waiting = c;
		} else {
			c->fn(c->arg);
			settle(w);
			sem_post(&c->done);	/* c is the caller's again */
		}
		c = next;
	}
	return true;
}

/* Who waits for something that a pass brings about */
static void answer_waiting(struct worker *w)
{
	struct call **at = &w->waiting;

	while (*at) {
		struct call *c = *at;

		if (!c->until(c->arg)) {
			at = &c->next;
			continue;
		}
		*at = c->next;
		sem_post(&c->done);
	}
}

static void wake_worker(struct worker *w)
{
	const uint64_t one = 1;
	ssize_t n;

	/* pairs with fall_asleep(): the flag, then a look at has_calls */
	if (!atomic_load(&w->asleep))
		return;
	do {
		n = write(w->wake, &one, sizeof(one));
	} while (n < 0 && errno == EINTR);
}

static void wait_done(struct call *c)
{
	for (int i = 0; i < SPIN_FOR_ANSWER; i++) {
		if (!sem_trywait(&c->done))
			return;
		__builtin_ia32_pause();
	}
	while (sem_wait(&c->done) && errno == EINTR)
		;
}

static void call_and_wait(struct worker *w, struct call *c)
{
	sem_init(&c->done, 0, 0);
	pthread_mutex_lock(&w->lock);
	*w->last_call = c;
	w->last_call = &c->next;
	atomic_store(&w->has_calls, true);
	pthread_mutex_unlock(&w->lock);
	wake_worker(w);
	wait_done(c);
	sem_destroy(&c->done);
}

void worker_call(struct worker *w, void (*fn)(void *arg), void *arg)
{
	struct call c = { .fn = fn, .arg = arg };

	if (w->by_hand) {
		fn(arg);
		settle(w);
		return;
	}
	call_and_wait(w, &c);
}

void worker_call_until(struct worker *w, bool (*fn)(void *arg), void *arg)
{
	struct call c = { .until = fn, .arg = arg };

	if (!w->by_hand) {
		call_and_wait(w, &c);
		return;
	}
	while (!fn(arg))
		worker_step(w);
}

/* ----------------------------------------------------------------- backends */

static bool poll_backends(struct worker *w)
{
	bool found = false;

	for (unsigned int i = 0; i < w->backends; i++) {
		if (w->backend[i]->poll(w->backend[i]))
			found = true;
	}
	return found;
}

static void arm_backends(struct worker *w)
{
	for (unsigned int i = 0; i < w->backends; i++)
		w->backend[i]->arm(w->backend[i]);
}

struct backend_args {
	struct worker *worker;
	struct backend *be;
};

static void add_backend(void *arg)
{
	struct backend_args *a = arg;

	a->worker->backend[a->worker->backends++] = a->be;
}

static void del_backend(void *arg)
{
	struct backend_args *a = arg;
	struct worker *w = a->worker;
	unsigned int i = 0;

	while (i < w->backends && w->backend[i] != a->be)
		i++;
	if (i < w->backends)
		w->backend[i] = w->backend[--w->backends];
}

int worker_add_backend(struct worker *w, struct backend *be)
{
	return be->poll ? worker_add_kick(w, be->poll_fd(be), false) : 0;
}

void worker_begin_polls(struct worker *w, struct backend *be)
{
	struct backend_args a = { w, be };

	if (!be->poll)
		return;
	worker_set_kick(w, be->poll_fd(be), true);
	worker_call(w, add_backend, &a);
}

void worker_end_polls(struct worker *w, struct backend *be)
{
	struct backend_args a = { w, be };

	if (!be->poll)
		return;
	worker_call(w, del_backend, &a);
	worker_set_kick(w, be->poll_fd(be), false);
}

void worker_del_backend(struct worker *w, struct backend *be)
{
	if (be->poll)
		worker_del_kick(w, be->poll_fd(be));
}

/* -------------------------------------------------------------------- sleep */

static void tell_all(struct worker *w, uint32_t what)
{
	struct list_head *pos;

	list_for_each(pos, &w->contexts)
		tell(container_of(pos, struct vr_context, link), what);
}

static int wait_for_kick(struct worker *w)
{
	struct epoll_event ev[KICKS_PER_WAIT];
	uint64_t ns = next_timer(w);
	struct timespec t = { .tv_sec = (time_t)(ns / 1000000000u),
			      .tv_nsec = (long)(ns % 1000000000u) };

	return epoll_pwait2(w->epoll, ev, KICKS_PER_WAIT,
			    ns == WHEEL_NEVER ? NULL : &t, NULL);
}

static void fall_asleep(struct worker *w)
{

	tell_all(w, VIRTIO_RDMA_WORKER_ASLEEP);
	arm_backends(w);
	atomic_store(&w->asleep, true);
	/* sequentially consistent stores above, such loads below */
	if (!watch_end(&w->watch) && !ring_all(w) &&
	    !atomic_load(&w->has_calls) && !poll_backends(w)) {
		count(&w->stat_sleeps);
		if (wait_for_kick(w) > 0)
			count(&w->stat_kicks);
	}
	atomic_store(&w->asleep, false);
	tell_all(w, VIRTIO_RDMA_WORKER_AWAKE);
	w->idle_passes = 0;
}

static bool is_crowded(const struct worker *w)
{
	return w->crowded_ns && be_now() < w->crowded_until;
}

/*
 * After a look in vain: whoever is about to bring work may need this CPU for it.
 * One that gives it back at once, like another worker, is the better for it.  But
 * one that spins on, like a guest's CPU, keeps it for a whole slice, and nobody
 * kicks a worker that is awake: then the way is to sleep at once, for a while, as
 * a kick brings the CPU back at once.
 */
static void yield(struct worker *w)
{
	uint64_t from = loop_now_ns();

	sched_yield();
	w->now = loop_now_ns();
	if (w->now - from >= LONG_YIELD_NS) {
		w->crowded_ns = w->crowded_ns ? 2 * w->crowded_ns : CROWDED_NS;
		if (w->crowded_ns > MAX_CROWDED_NS)
			w->crowded_ns = MAX_CROWDED_NS;
		w->crowded_until = w->now + w->crowded_ns;
	} else if (w->now - w->crowded_until > w->crowded_ns) {
		w->crowded_ns = 0;
	}
}

/* Between two passes in vain: most of what comes, comes here first */
static void peek(const struct worker *w)
{
	for (uint32_t n = 0; n < PEEKS_PER_IDLE_PASS && !watch_peek(&w->watch);)
		n += w->watch.count ? w->watch.count : PEEKS_PER_IDLE_PASS;
}

/* Nothing to do in this pass: spin on, or sleep */
static void idle(struct worker *w)
{
	if (w->in_vain && is_crowded(w)) {
		fall_asleep(w);
		return;
	}
	if (!w->in_vain)
		peek(w);
	/* a pass that let others go first may have been a long one */
	if (w->idle_passes++ % IDLE_PASSES_PER_LOOK && !w->in_vain)
		return;
	if (w->idle_passes == 1) {
		w->idle_since = be_now();
		if (w->conf.poll_us)
			return;
	}
	if (be_now() - w->idle_since >= (uint64_t)w->conf.poll_us * 1000u)
		fall_asleep(w);
}

static void pass(struct worker *w)
{
	bool busy;

	w->now = 0;
	w->in_vain = false;
	busy = run_calls(w);
	count(&w->stat_passes);
	/* what is known is done before more is looked for: the next look is near */
	if (watch_look(&w->watch, passes(w)))
		busy = true;
	if (run_guests(w))
		busy = true;
	if (ring_all(w))
		busy = true;
	if (offer_receives(w))
		busy = true;
	/* what takes a system call comes behind what the guests ask for */
	if (poll_backends(w))
		busy = true;
	settle(w);
	answer_waiting(w);
	run_timers(w);
	if (w->in_vain && list_empty(&w->runnable) && list_empty(&w->dying) &&
	    !is_crowded(w))
		yield(w);
	if (busy || !list_empty(&w->runnable) || !list_empty(&w->dying))
		w->idle_passes = 0;
	else
		idle(w);
}

/* ------------------------------------------------------------------ by hand */

static bool bell_rung(const struct vr_context *ctx)
{
	for (uint32_t i = 0; i < 4; i++)
		if (__atomic_load_n(&ctx->page->summary[i], __ATOMIC_SEQ_CST))
			return !ctx->guest->data.paused;
	return false;
}

bool worker_has_work(struct worker *w)
{
	struct list_head *pos;

	if (!list_empty(&w->runnable) || !list_empty(&w->dying) ||
	    next_timer(w) == 0)
		return true;
	list_for_each(pos, &w->offering) {
		if (!container_of(pos, struct vr_srq, offering)->data->paused)
			return true;
	}
	list_for_each(pos, &w->contexts) {
		if (bell_rung(container_of(pos, struct vr_context, link)))
			return true;
	}
	return false;
}

void worker_step(struct worker *w)
{
	ring_all(w);
	offer_receives(w);
	if (!list_empty(&w->runnable))
		run_guest(w, first_guest(&w->runnable), 1);
	settle(w);
	run_timers(w);
}

void worker_round(struct worker *w)
{
	ring_all(w);
	offer_receives(w);
	run_guests(w);
	settle(w);
	run_timers(w);
}

static void *worker_main(void *arg)
{
	struct worker *w = arg;

	current = w;
	while (!w->quit)
		pass(w);
	return NULL;
}

/* ------------------------------------------------------------ start and end */

static int watch(struct worker *w, int op, int fd, bool mine)
{
	struct epoll_event ev = { .events = mine ? EPOLLIN | EPOLLET : EPOLLET,
				  .data.fd = fd };

	return epoll_ctl(w->epoll, op, fd, &ev) ? -errno : 0;
}

/* epoll is safe to change while the worker waits in it */
int worker_add_kick(struct worker *w, int fd, bool mine)
{
	return watch(w, EPOLL_CTL_ADD, fd, mine);
}

/* Of one that is there this takes no memory, so it does not fail */
void worker_set_kick(struct worker *w, int fd, bool mine)
{
	(void)watch(w, EPOLL_CTL_MOD, fd, mine);
}

void worker_del_kick(struct worker *w, int fd)
{
	epoll_ctl(w->epoll, EPOLL_CTL_DEL, fd, NULL);
}

static int open_fds(struct worker *w)
{
	int ret;

	w->epoll = epoll_create1(EPOLL_CLOEXEC);
	if (w->epoll < 0)
		return -errno;
	w->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (w->wake < 0) {
		ret = -errno;
		goto err_epoll;
	}
	ret = watch(w, EPOLL_CTL_ADD, w->wake, true);
	if (ret)
		goto err_wake;
	return 0;

err_wake:
	close(w->wake);
err_epoll:
	close(w->epoll);
	return ret;
}

int worker_create(const struct worker_conf *conf, struct loop *loop,
		  struct worker **out)
{
	struct worker *w = calloc(1, sizeof(*w));
	int ret;

	if (!w)
		return -ENOMEM;
	w->conf = *conf;
	w->loop = loop;
	w->last_call = &w->calls;
	pthread_mutex_init(&w->lock, NULL);
	list_init(&w->contexts);
	list_init(&w->runnable);
	list_init(&w->dying);
	list_init(&w->touched);
	list_init(&w->offering);
	wheel_init(&w->wheel, loop_now_ns(), WHEEL_MS);
	wheel_init(&w->cq_wheel[0], loop_now_ns(), FINE_TICK_NS);
	wheel_init(&w->cq_wheel[1], loop_now_ns(), WHEEL_MS);
	w->by_hand = true;
	ret = open_fds(w);
	if (ret) {
		pthread_mutex_destroy(&w->lock);
		free(w);
		return ret;
	}
	*out = w;
	return 0;
}

static void worker_free(struct worker *w)
{
	close(w->wake);
	close(w->epoll);
	pthread_mutex_destroy(&w->lock);
	free(w);
}

int worker_start(const struct worker_conf *conf, struct loop *loop,
		 struct worker **out)
{
	struct worker *w;
	int ret;

	ret = worker_create(conf, loop, &w);
	if (ret)
		return ret;
	w->by_hand = false;
	ret = be_thread_start(&w->thread, "vrdma-worker", worker_main, w);
	if (ret) {
		worker_free(w);
		return ret;
	}
	*out = w;
	return 0;
}

static void quit(void *arg)
{
	struct worker *w = arg;

	w->quit = true;
}

void worker_stop(struct worker *w)
{
	worker_call(w, quit, w);
	if (!w->by_hand)
		pthread_join(w->thread, NULL);
	worker_free(w);
}

void worker_stats(struct worker *w, struct worker_stats *out)
{
	out->passes = passes(w);
	out->sleeps = atomic_load_explicit(&w->stat_sleeps,
					   memory_order_relaxed);
	out->kicks = atomic_load_explicit(&w->stat_kicks,
					  memory_order_relaxed);
	out->runs = atomic_load_explicit(&w->stat_runs, memory_order_relaxed);
}
