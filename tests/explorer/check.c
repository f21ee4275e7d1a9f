// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * check.c - the rules, as predicates over what was called, heard and done
 *
 * DOC: docs/explorer.md lists them.  A check knows what the consumers called
 * and what was broken on purpose, and the memory; never why the device did
 * something.  It looks into the model in two places: whether a queue pair is
 * at rest, and how many objects there are.
 */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "connector_int.h"
#include "explorer.h"
#include "local.h"
#include "loop.h"
#include "qp.h"

struct verdict verdict;

void violation(int rule, const char *fmt, ...)
{
	va_list ap;

	world.failed = true;
	if (verdict.rule)
		return;
	verdict.rule = rule;
	va_start(ap, fmt);
	vsnprintf(verdict.text, sizeof(verdict.text), fmt, ap);
	va_end(ap);
	trace("*** rule %d: %s", rule, verdict.text);
}

static char name_of(const struct side *s)
{
	return (char)('A' + s->index);
}

/* ------------------------------------------------------------------- causes */

/* s ended the connection without asking its peer */
static bool gave_up(const struct side *s)
{
	return s->close_called || s->cancelled || s->rejected;
}

static bool broke(const struct side *s)
{
	return s->broken || s->reset || world.bad_token;
}

/* Something other than two consumers that disconnect */
static bool abortive(const struct side *s)
{
	return gave_up(peer_of(s)) || broke(s) || broke(peer_of(s)) ||
	       world.timer_fired;
}

/* ------------------------------------------------------------------- rule 6 */

void check_misuse(const struct side *s, const char *what, NTSTATUS got,
		  NTSTATUS want)
{
	trace("    %c: %s returns %08x", name_of(s), what, (unsigned int)got);
	if (got != want && !s->killed)
		violation(6, "%c: %s returns %08x, not %08x", name_of(s), what,
			  (unsigned int)got, (unsigned int)want);
}

void check_callback(const struct side *s, const char *what)
{
	if (s->close_done)
		violation(6, "%c: %s behind the close completion", name_of(s),
			  what);
}

/* ---------------------------------------------------------------- rules 1, 2 */

static void check_success(const struct side *s)
{
	const struct side *p = peer_of(s);

	if (p->disc_called || gave_up(p))
		return;
	/* without (i); and if its peer's device had heard of it, then somebody
	 * answered in the consumer's name, or nobody did: that cannot be told */
	if (!verdict.rule && p->heard_graceful)
		verdict.also = 2;
	violation(1, "%c: Disconnect succeeds though %c's consumer did nothing",
		  name_of(s), name_of(p));
}

static bool timed_out_rightly(const struct side *s)
{
	/* its own deadline, or its peer's told to it, of Accept too */
	return world.timer_fired &&
	       (world.now - s->disc_time >= TIMEOUT_MS * 1000000ull ||
		peer_of(s)->disc_called || scenario->fresh);
}

static void check_failure(const struct side *s, NTSTATUS status)
{
	bool fine = false;

	if (status == STATUS_IO_TIMEOUT)
		fine = timed_out_rightly(s);
	else if (status == STATUS_CONNECTION_ABORTED)
		fine = gave_up(peer_of(s)) || broke(s) || broke(peer_of(s));
	else if (status == STATUS_CANCELLED)
		fine = gave_up(s);
	else if (status == STATUS_DEVICE_REMOVED)
		fine = s->lost;
	if (!fine)
		violation(peer_of(s)->disc_called ? 3 : 1,
			  "%c: Disconnect fails with %08x without a cause",
			  name_of(s), (unsigned int)status);
}

static void check_at_rest(const struct side *s)
{
	const struct vr_qp *qp = device_qp(s);

	if (qp && qp->state != QP_ERROR)
		violation(1, "%c: Disconnect completes, its queue pair is not at rest",
			  name_of(s));
	for (uint32_t i = 0; i < s->wrs; i++) {
		const struct wr *w = &s->wr[i];

		if (w->posted && !w->silent && !w->after_disc &&
		    !w->completions)
			violation(1, "%c: Disconnect completes before request %u has",
				  name_of(s), i);
	}
}

void check_disconnected(struct side *s, NTSTATUS status)
{
	if (s->killed)
		return;
	if (s->disc_done)
		violation(6, "%c: Disconnect completes twice", name_of(s));
	check_at_rest(s);
	if (status == STATUS_SUCCESS)
		check_success(s);
	else
		check_failure(s, status);
}

/* ---------------------------------------------------------------- rules 4, 5 */

static bool reason_true(const struct side *s, uint32_t reason)
{
	const struct side *p = peer_of(s);

	switch (reason) {
	case VIRTIO_RDMA_R_GRACEFUL:
		return p->disc_called;
	case VIRTIO_RDMA_R_RESET:
		return gave_up(p) || p->broken || s->broken || world.bad_token;
	case VIRTIO_RDMA_R_TIMED_OUT:
		return world.timer_fired;
	case VIRTIO_RDMA_R_PEER_GONE:
		return p->reset;
	case VIRTIO_RDMA_R_LOCAL_ERROR:
		return s->broken || world.bad_token;
	case VIRTIO_RDMA_R_DEVICE_RESET:
		return s->lost;
	default:
		return false;
	}
}

void check_indication(struct side *s, uint32_t reason)
{
	if (s->killed)
		return;
	if (s->indications > 1)
		violation(4, "%c: a second indication", name_of(s));
	else if (s->close_called)
		violation(4, "%c: an indication after close began", name_of(s));
	else if (!s->established)
		violation(4, "%c: an indication without a connection",
			  name_of(s));
	else if (!reason_true(s, reason))
		violation(4, "%c: an indication with reason %u, which is not so",
			  name_of(s), reason);
}

/* Nothing more happens: who did not end the connection itself was told */
static void check_told(const struct side *s)
{
	const struct side *p = peer_of(s);
	bool act = p->disc_called || gave_up(p);
	bool death = s->broken || p->broken || p->reset || s->lost;

	if (!s->established || s->killed || (s->reset && !s->lost) ||
	    s->disc_called || gave_up(s) || (!act && !death))
		return;
	if (s->indications != 1)
		violation(death ? 5 : 4, "%c: %u indications of the end",
			  name_of(s), s->indications);
}

void check_quiet(void)
{
	check_told(&world.side[0]);
	check_told(&world.side[1]);
}

/* ---------------------------------------------------------- rules 4 and 7: CQ */

/* NDKPI: what is outstanding stays until this side acts or the connection
 * breaks.  NDSPI: it is flushed, behind the indication. */
static void check_flushed(const struct side *s)
{
	bool ndspi = scenario && scenario->flags[s->index] & F_NDSPI;

	if (s->acted || gave_up(s) || s->qp_close_called || s->flushed ||
	    s->lost || abortive(s))
		return;
	if (!ndspi)
		violation(4, "%c: flushed though its consumer did nothing",
			  name_of(s));
	else if (!s->event_posted)
		violation(4, "%c: flushed before the indication", name_of(s));
}

void check_completion(struct side *s, struct wr *w)
{
	if (w->completions > 1)
		violation(7, "%c: request %u completes twice", name_of(s),
			  (unsigned int)(w - s->wr));
	else if (w->silent && w->status == STATUS_SUCCESS)
		violation(7, "%c: a silent success is not silent", name_of(s));
	else if (w->after_error && w->status != STATUS_CANCELLED)
		violation(7, "%c: posted after the end, completes with %08x",
			  name_of(s), (unsigned int)w->status);
	else if (w->status == STATUS_CANCELLED)
		check_flushed(s);
	else if (w->op == 'x' ? w->status != STATUS_ACCESS_VIOLATION :
				w->status != STATUS_SUCCESS &&
					!world.bad_token)
		violation(7, "%c: request %u completes with %08x", name_of(s),
			  (unsigned int)(w - s->wr), (unsigned int)w->status);
	if (w->op == 'x' && w->status == STATUS_ACCESS_VIOLATION)
		s->broken = true;
}

/* ------------------------------------------------------------------- memory */

static uint8_t poison(const struct side *s)
{
	return (uint8_t)(0xa0 + s->index);
}

static bool all_are(const uint8_t *p, size_t len, uint8_t v)
{
	return p[0] == v && !memcmp(p, p + 1, len - 1);
}

/* Silent requests say nothing when they succeed; their bytes do */
static void look_for_silent(struct side *s)
{
	struct side *p = peer_of(s);

	for (uint32_t i = 0; i < p->wrs; i++)
		if (p->wr[i].op == 'W' &&
		    all_are(s->data + TARGETS + i * WR_STRIDE, WR_BYTES,
			    wr_pattern(p, i)))
			p->wr[i].delivered = true;
	for (uint32_t i = 0; i < s->wrs; i++)
		if (s->wr[i].op == 'G' &&
		    all_are(s->data + i * WR_STRIDE, WR_BYTES,
			    (uint8_t)(0x60 + p->index)))
			s->wr[i].delivered = true;
}

void seal(struct side *s)
{
	if (s->sealed)
		return;
	look_for_silent(s);
	s->sealed = true;
	memset(s->data, poison(s), DATA_SIZE);
}

static void check_sealed(const struct side *s)
{
	const struct side *p = peer_of(s);

	if (!s->sealed || s->killed)
		return;
	if (!all_are(s->data, DATA_SIZE, poison(s)))
		violation(1, "%c: its memory was written after the end",
			  name_of(s));
	if (!p->sealed && memchr(p->data, poison(s), DATA_SIZE))
		violation(1, "%c: its memory was read after the end",
			  name_of(s));
}

void check_step(void)
{
	check_sealed(&world.side[0]);
	check_sealed(&world.side[1]);
}

/* ------------------------------------------------------------------ the end */

/* Time has passed, too */
void check_ended(void)
{
	const struct side *a = &world.side[0], *b = &world.side[1];

	for (int i = 0; i < 2; i++) {
		const struct side *s = &world.side[i];

		if (s->killed || (s->reset && !s->lost))
			continue;
		if (s->disc_called && !s->disc_done)
			violation(2, "%c: Disconnect never ends", name_of(s));
		if (s->request_pending)
			violation(8, "%c: a request of the handshake never ends",
				  name_of(s));
	}
	if (a->disc_called && b->disc_called && !abortive(a) && !abortive(b) &&
	    !gave_up(a) && !gave_up(b) &&
	    (a->disc_status != STATUS_SUCCESS ||
	     b->disc_status != STATUS_SUCCESS))
		violation(3, "both disconnect, %08x and %08x",
			  (unsigned int)a->disc_status,
			  (unsigned int)b->disc_status);
}

static void check_request(const struct side *s, uint32_t i)
{
	const struct wr *w = &s->wr[i];
	bool may_be_silent = w->silent && (w->delivered || peer_of(s)->reset ||
					   peer_of(s)->killed);

	if (!w->posted || w->completions == 1 || may_be_silent)
		return;
	violation(7, "%c: %srequest %u has %u completions", name_of(s),
		  w->silent ? "silent " : "", i, w->completions);
}

/* Everything is closed */
void check_closed(void)
{
	for (int i = 0; i < 2; i++)
		if (!world.side[i].sealed)
			look_for_silent(&world.side[i]);
	for (int i = 0; i < 2; i++) {
		struct side *s = &world.side[i];

		if (s->killed)
			continue;
		if (s->close_called && !s->close_done)
			violation(6, "%c: CloseConnector never ends",
				  name_of(s));
		if (s->qp_close_called && !s->qp_close_done)
			violation(6, "%c: CloseQp never ends", name_of(s));
		if (s->second && !s->second_closed)
			violation(6, "%c: the second connector never closes",
				  name_of(s));
		for (uint32_t w = 0; w < s->wrs; w++)
			check_request(s, w);
	}
}

/* -------------------------------------------------------------------- leaks */

struct counts {
	uint32_t v[13];
};

static void count(struct side *s, struct counts *c)
{
	const struct guest *g = s->guest;
	const uint32_t v[] = {
		g->contexts.used, g->pds.used, g->cqs.used, g->mrs.used,
		g->qps.used, g->connectors.used, g->listeners.used,
		guest_ports(s->guest)->count, s->commands,
		vrdma_core_object_count(s->core), s->allocs, s->pages_used,
		local_live_count(),
	};

	memcpy(c->v, v, sizeof(v));
}

static const char *const count_name[13] = {
	"contexts", "PDs", "CQs", "MRs", "QPs", "connectors", "listeners",
	"ports", "commands", "objects of the driver", "driver allocations",
	"driver pages", "local connections and listeners",
};

static struct counts baseline[2];

/* What an order may leave: what there was */
void check_leaks_begin(void)
{
	for (int i = 0; i < 2; i++)
		count(&world.side[i], &baseline[i]);
}

void check_leaks(void)
{
	for (int i = 0; i < 2; i++) {
		struct side *s = &world.side[i];
		struct counts now;

		count(s, &now);
		for (int k = 0; k < 13; k++) {
			/* the objects of a device that was reset are gone */
			bool gone = k < 8 && s->reset;
			uint32_t want = gone ? 0 : baseline[i].v[k];

			if (k == 12 && world.side[1].reset)
				want--;	/* B's listener */
			if (k >= 8 && k < 12 && s->killed)
				continue;
			if (now.v[k] != want)
				violation(8, "%c: %u %s, not %u", name_of(s),
					  now.v[k], count_name[k], want);
		}
	}
	if (loop_has_message(world.model.loop))
		violation(8, "messages are left");
	if (loop_next_deadline(world.model.loop) != UINT64_MAX)
		violation(8, "a timer is left");
}
