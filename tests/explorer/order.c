// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * order.c - the events of one order, its beginning and its end
 */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "explorer.h"
#include "loop.h"

/* Events by number: who makes them happen */
enum {
	EV_CALL = 0,				/* side * MAX_THREADS + thread */
	EV_COMMAND = EV_CALL + 2 * MAX_THREADS, /* + side: to the device */
	EV_ANSWER = EV_COMMAND + 2,		/* + side: to the driver */
	EV_EVENT = EV_ANSWER + 2,
	EV_CQ_EVENT = EV_EVENT + 2,
	EV_TASK = EV_CQ_EVENT + 2,		/* the driver's work item */
	EV_MESSAGE = EV_TASK + 2,		/* of the control loop */
	EV_WORKER,				/* one turn of a queue pair */
	EV_TIMER,
	EV_COUNT
};

const struct scenario *scenario;
static uint32_t at[2][MAX_THREADS];	/* calls made */
static uint32_t ticks;

/* -------------------------------------------------------------------- trace */

static char text[65536];
static size_t text_len;
static bool tracing;

void trace(const char *fmt, ...)
{
	va_list ap;
	int n;

	if (!tracing || text_len + 300 > sizeof(text))
		return;
	va_start(ap, fmt);
	n = vsnprintf(text + text_len, 298, fmt, ap);
	va_end(ap);
	text_len += n < 298 ? (size_t)n : 297;
	text[text_len++] = '\n';
	text[text_len] = 0;
}

void trace_on(bool on)
{
	tracing = on;
}

void trace_reset(void)
{
	text_len = 0;
	text[0] = 0;
}

const char *trace_text(void)
{
	return text;
}

/* -------------------------------------------------------------- what is next */

static bool call_is_next(int side, int thread, char *op)
{
	const char *calls = scenario->call[side][thread];

	if (!calls)
		return false;
	*op = calls[at[side][thread]];
	if (world.side[side].paused && *op != 'U')
		return false;
	return *op && call_ready(&world.side[side], *op);
}

static uint32_t calls_ready(void)
{
	uint32_t mask = 0;
	char op;

	for (int s = 0; s < 2; s++)
		for (int t = 0; t < MAX_THREADS; t++)
			if (call_is_next(s, t, &op))
				mask |= 1u << (EV_CALL + s * MAX_THREADS + t);
	return mask;
}

static uint32_t side_ready(const struct side *s)
{
	bool device = !s->reset && !s->killed && !s->paused, driver = device && !s->lost;
	uint32_t mask = 0;

	if (device && !fifo_empty(&s->q[VIRTIO_RDMA_VQ_CONTROL].posted))
		mask |= 1u << EV_COMMAND;
	if (driver && !fifo_empty(&s->q[VIRTIO_RDMA_VQ_CONTROL].used))
		mask |= 1u << EV_ANSWER;
	if (driver && !fifo_empty(&s->q[VIRTIO_RDMA_VQ_EVENT].used))
		mask |= 1u << EV_EVENT;
	if (driver && !fifo_empty(&s->q[VIRTIO_RDMA_VQ_CEQ(0)].used))
		mask |= 1u << EV_CQ_EVENT;
	if (s->work && !s->killed && !s->paused)
		mask |= 1u << EV_TASK;
	return mask << s->index;
}

uint32_t events_ready(void)
{
	uint32_t mask = calls_ready();

	mask |= side_ready(&world.side[0]) | side_ready(&world.side[1]);
	if (loop_has_message(world.model.loop))
		mask |= 1u << EV_MESSAGE;
	if (worker_has_work(world.model.worker[0]))
		mask |= 1u << EV_WORKER;
	if (ticks < scenario->ticks &&
	    loop_next_deadline(world.model.loop) != UINT64_MAX)
		mask |= 1u << EV_TIMER;
	return mask;
}

/* ---------------------------------------------------------------- happening */

static void run_call(int ev)
{
	int side = (ev - EV_CALL) / MAX_THREADS;
	int thread = (ev - EV_CALL) % MAX_THREADS;
	char op = scenario->call[side][thread][at[side][thread]++];

	call_run(&world.side[side], op);
}

static void run_timer(void)
{
	uint64_t due = loop_next_deadline(world.model.loop);

	if (due > world.now)
		world.now = due;
	world.timer_fired = true;
	loop_run_timers(world.model.loop);
}

static void run_task(struct side *s)
{
	struct vrdma_work *w = s->work;

	s->work = NULL;
	w->fn(w->arg);
}

void event_run(int ev)
{
	struct side *s = &world.side[(ev - EV_COMMAND) & 1];

	if (ev < EV_COMMAND)
		run_call(ev);
	else if (ev < EV_ANSWER)
		device_take_command(s);
	else if (ev < EV_EVENT)
		driver_hear(s, VIRTIO_RDMA_VQ_CONTROL);
	else if (ev < EV_CQ_EVENT)
		driver_hear(s, VIRTIO_RDMA_VQ_EVENT);
	else if (ev < EV_TASK)
		driver_hear(s, VIRTIO_RDMA_VQ_CEQ(0));
	else if (ev < EV_MESSAGE)
		run_task(s);
	else if (ev == EV_MESSAGE)
		loop_run_message(world.model.loop);
	else if (ev == EV_WORKER)
		worker_step(world.model.worker[0]);
	else {
		ticks++;
		run_timer();
	}
}

void event_name(int ev, char *out, size_t len)
{
	static const char *const what[] = {
		"the device takes a command of", "the driver hears an answer at",
		"the driver hears an event at", "the driver hears a CQ event at",
		"the driver's work item runs at",
	};
	char side = (char)('A' + ((ev - EV_COMMAND) & 1));

	if (ev < EV_COMMAND) {
		int s = (ev - EV_CALL) / MAX_THREADS;
		int t = (ev - EV_CALL) % MAX_THREADS;

		snprintf(out, len, "%c: %s", 'A' + s,
			 call_name(scenario->call[s][t][at[s][t]]));
	} else if (ev < EV_MESSAGE) {
		snprintf(out, len, "%s %c", what[(ev - EV_COMMAND) / 2], side);
	} else {
		snprintf(out, len, "%s",
			 ev == EV_MESSAGE ? "a message of the control loop" :
			 ev == EV_WORKER  ? "a turn of the worker" :
					    "the next timer");
	}
}

/*
 * Two drivers share nothing, and a driver shares nothing with what the device
 * does for a command of the other guest: its effects on this one travel as
 * messages.  Unless a consumer calls something from its callback, for the
 * checks compare calls of one side with what the other hears.
 */
bool events_independent(int a, int b)
{
	bool da = a >= EV_ANSWER && a < EV_MESSAGE;
	bool db = b >= EV_ANSWER && b < EV_MESSAGE;
	bool ca = a >= EV_COMMAND && a < EV_ANSWER;
	bool cb = b >= EV_COMMAND && b < EV_ANSWER;
	uint32_t in_callbacks = F_CLOSE_IN_DISC | F_CLOSE_IN_IND | F_DISC_IN_IND |
				F_CLOSE_IN_SETUP | F_QP_IN_DISC;

	if ((scenario->flags[0] | scenario->flags[1]) & in_callbacks)
		return false;
	if (((a ^ b) & 1) == 0)
		return false;
	return (da && db) || (da && cb) || (ca && db);
}

/* --------------------------------------------------------- beginning and end */

void order_begin(const struct scenario *sc)
{
	bool was = tracing;

	trace_reset();
	tracing = false;
	memset(&verdict, 0, sizeof(verdict));
	scenario = NULL;
	world_mend();
	check_leaks_begin();
	scenario = sc;
	ticks = 0;
	memset(at, 0, sizeof(at));
	world.timer_fired = world.bad_token = false;
	consumer_begin(!sc->fresh);
	tracing = was;
}

static bool anything_pends(void)
{
	for (int i = 0; i < 2; i++) {
		const struct side *s = &world.side[i];

		if ((s->disc_called && !s->disc_done) || s->request_pending)
			return true;
	}
	return false;
}

/* Every deadline passes, one after the other */
static void let_time_pass(void)
{
	for (int i = 0; i < 8 && anything_pends(); i++) {
		if (loop_next_deadline(world.model.loop) == UINT64_MAX)
			return;
		trace("-- time passes");
		run_timer();
		world_settle();
	}
}

static void close_all(void)
{
	for (int i = 0; i < 2; i++) {
		struct side *s = &world.side[i];

		if (s->reset && !s->lost)
			device_lost(s);
		if (s->conn && !s->close_called)
			close_connector(s);
		if (s->second)
			close_second(s);
	}
	world_settle();
	for (int i = 0; i < 2; i++)
		if (!world.side[i].qp_close_called)
			close_qp(&world.side[i]);
	world_settle();
	for (int i = 0; i < 2; i++)
		consumer_poll(&world.side[i]);
}

void order_end(void)
{
	for (int i = 0; i < 2; i++) {
		if (!world.side[i].paused)
			continue;
		resume_guest(&world.side[i]);
		world_settle();
	}
	check_quiet();
	let_time_pass();
	check_ended();
	trace("-- everything is closed");
	close_all();
	check_closed();
	check_leaks();
}
