/* SPDX-License-Identifier: GPL-2.0-or-later */
/* place.c - which worker has which guest; see place.h */
#include <errno.h>

#include "place.h"
#include "worker.h"

_Static_assert(CONF_MAX_GUESTS <= 64, "a bit each");

static uint64_t bit(uint32_t i)
{
	return 1ull << i;
}

/* ------------------------------------------------------------------- groups */

static bool bound(const struct guest *a, const struct guest *b)
{
	return a == b || a->tied[b->index] || b->tied[a->index] ||
	       (a->fabric && a->fabric == b->fabric);
}

/* Those that i is bound to, and not in */
static uint64_t neighbours(const struct model *m, uint32_t i, uint64_t in)
{
	uint64_t found = 0;

	for (uint32_t j = 0; j < m->guest_count; j++)
		if (!(in & bit(j)) && bound(m->guest[i], m->guest[j]))
			found |= bit(j);
	return found;
}

/* Everybody that has to be where g is */
static uint64_t group_of(const struct guest *g)
{
	uint64_t group = bit(g->index), todo = group;

	while (todo) {
		uint32_t i = (uint32_t)__builtin_ctzll(todo);
		uint64_t more = neighbours(g->model, i, group);

		todo = (todo & (todo - 1)) | more;
		group |= more;
	}
	return group;
}

static uint32_t connections(const struct model *m, uint64_t guests)
{
	uint32_t n = 0;

	for (; guests; guests &= guests - 1)
		n += m->guest[__builtin_ctzll(guests)]->connections;
	return n;
}

/* --------------------------------------------------------------------- load */

/* What a worker has, of guests that are not looked for a place for: connections,
 * and where these are equal, guests */
static uint64_t load_of(const struct model *m, const struct worker *w,
			uint64_t except)
{
	uint64_t load = 0;

	for (uint32_t i = 0; i < m->guest_count; i++)
		if (!(except & bit(i)) && m->guest[i]->data.worker == w)
			load += ((uint64_t)m->guest[i]->connections << 32) + 1;
	return load;
}

/* first, if no other has less */
static struct worker *least_loaded(const struct model *m, struct worker *first,
				   uint64_t except)
{
	uint64_t least = load_of(m, first, except);

	for (uint32_t i = 0; i < m->worker_count; i++) {
		uint64_t load = load_of(m, m->worker[i], except);

		if (load < least) {
			least = load;
			first = m->worker[i];
		}
	}
	return first;
}

static struct worker *pick(const struct guest *g, const struct guest *peer,
			   uint64_t mine, uint64_t theirs)
{
	uint32_t n = connections(g->model, mine);
	uint32_t n_peer = connections(g->model, theirs);

	if (!n && !n_peer)
		return least_loaded(g->model, g->data.worker, mine | theirs);
	return n >= n_peer ? g->data.worker : peer->data.worker;
}

static uint32_t number_of(const struct model *m, const struct worker *w)
{
	uint32_t i = 0;

	while (m->worker[i] != w)
		i++;
	return i;
}

/* Where g is, with everybody that has to be there */
static void bring(struct guest *g, uint64_t group, struct worker *to)
{
	if (g->data.worker == to)
		return;
	glog(g, VL_DEBUG, "place: from worker %u to %u, of %d guests",
	     number_of(g->model, g->data.worker), number_of(g->model, to),
	     __builtin_popcountll(group));
	move_guests(g->model, group, to);
}

static void gather(struct guest *g, struct guest *peer)
{
	uint64_t mine = group_of(g), theirs = group_of(peer);
	struct worker *to = pick(g, peer, mine, theirs);

	bring(g, mine, to);
	bring(peer, theirs, to);
}

/* ------------------------------------------------------------------- events */

struct worker *place_guest(const struct model *m, const struct backend *fabric)
{
	for (uint32_t i = 0; i < m->fabric_count; i++)
		if (fabric && m->fabric[i].be == fabric)
			return m->fabric[i].worker;
	return least_loaded(m, m->worker[0], 0);
}

void place_connected(struct guest *g, struct guest *peer)
{
	if (g->model->worker_count < 2)
		return;
	gather(g, peer ? peer : g);
	g->connections++;
	if (peer)
		g->tied[peer->index]++;
}

void place_disconnected(struct guest *g, struct guest *peer)
{
	if (g->model->worker_count < 2)
		return;
	g->connections--;
	if (peer)
		g->tied[peer->index]--;
}

/* -------------------------------------------------------------------- kicks */

int place_add_kick(struct guest *g, int fd)
{
	const struct model *m = g->model;
	int ret = 0;

	for (uint32_t i = 0; i < m->worker_count && !ret; i++)
		ret = worker_add_kick(m->worker[i], fd,
				      m->worker[i] == g->data.worker);
	if (ret)
		place_del_kick(g, fd);
	return ret;
}

void place_del_kick(struct guest *g, int fd)
{
	const struct model *m = g->model;

	for (uint32_t i = 0; i < m->worker_count; i++)
		worker_del_kick(m->worker[i], fd);
}
