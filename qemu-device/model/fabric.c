/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * fabric.c - the backends of this process: by name, their start and their limits
 */
#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "../../host-backend/iwarp/iwarp.h"
#include "../../host-backend/local/local.h"
#include "../../host-backend/verbs/verbs.h"
#include "connector.h"
#include "fabric.h"

/* A kind of wire, by the first part of its name in the configuration */
static const struct kind {
	const char *prefix;
	/* rest: what follows.  NULL with one line in err */
	struct backend *(*create)(const char *name, const char *rest, char *err,
				  size_t err_size);
	void (*destroy)(struct backend *be);
	bool divides; /* a guest may have one of its own */
} kinds[] = {
	{"iwarp", iwarp_create, iwarp_destroy, true},
	{"verbs:", verbs_backend, verbs_backend_free, false},
	{NULL, NULL, NULL, false},
};

static const struct kind *kind_of(const char *name)
{
	const struct kind *k = kinds;

	while (k->prefix && strncmp(name, k->prefix, strlen(k->prefix)) != 0)
		k++;
	return k->prefix ? k : NULL;
}

static bool backend_complete(const struct backend *be)
{
	bool memory = be->pd_create && be->pd_destroy && be->mr_register &&
		      be->mr_deregister;
	bool no_memory = !be->pd_create && !be->pd_destroy &&
			 !be->mr_register && !be->mr_deregister;
	bool windows = be->mw_create && be->mw_destroy && memory;
	bool no_windows = !be->mw_create && !be->mw_destroy;
	bool polls = be->poll && be->arm && be->poll_fd;
	bool reserves = !be->reserve == !be->unreserve;
	bool shares = be->srq_create && be->srq_destroy && be->srq_posted;

	return be->start && be->shutdown && be->listen && be->unlisten &&
	       be->connect && be->accept && be->reject && be->complete &&
	       be->disconnect && be->abort && be->attach && be->absent &&
	       be->run && be->stop && (memory || no_memory) &&
	       (windows || no_windows) && reserves &&
	       (polls || !be->poll) && (shares || !be->srq_create);
}

static void forget(struct model *m, struct backend *be)
{
	for (uint32_t i = 0; i < m->worker_count; i++)
		worker_del_backend(m->worker[i], be);
}

static int make_known(struct model *m, struct backend *be)
{
	int ret = 0;

	for (uint32_t i = 0; i < m->worker_count && !ret; i++)
		ret = worker_add_backend(m->worker[i], be);
	if (ret)
		forget(m, be);
	return ret;
}

static int start_one(struct model *m, struct backend *be, struct worker *w)
{
	int ret;

	if (!backend_complete(be))
		return -ENOSYS;
	ret = be->start(be, &connector_events);
	if (ret)
		return ret;
	ret = make_known(m, be);
	if (ret)
		be->shutdown(be);
	else
		worker_begin_polls(w, be);
	return ret;
}

struct backend *fabric_find(const struct model *m, const struct guest_conf *conf)
{
	for (uint32_t i = 0; i < m->fabric_count; i++) {
		const struct fabric *f = &m->fabric[i];

		if ((!f->only || f->only == conf) &&
		    strcmp(f->be->name, conf->fabric) == 0)
			return f->be;
	}
	return NULL;
}

/* As far as fabrics go, guests are dealt out */
static struct worker *next_worker(const struct model *m)
{
	return m->worker[m->fabric_count % m->worker_count];
}

static int start_fabric(struct model *m, const struct guest_conf *g,
			char err[CONF_ERR_LEN])
{
	const struct kind *k = kind_of(g->fabric);
	struct worker *w = next_worker(m);
	struct backend *be;
	int ret;

	if (strcmp(g->fabric, "none") == 0 || fabric_find(m, g))
		return 0;
	if (!k) {
		snprintf(err, CONF_ERR_LEN,
			 "fabric %s: this vrdmad has no such fabric", g->fabric);
		return -EINVAL;
	}
	be = k->create(g->fabric, g->fabric + strlen(k->prefix), err,
		       CONF_ERR_LEN);
	if (!be)
		return -ENODEV;
	ret = start_one(m, be, w);
	if (ret) {
		snprintf(err, CONF_ERR_LEN, "fabric %s: cannot start: %s",
			 g->fabric, strerror(-ret));
		k->destroy(be);
		return ret;
	}
	m->fabric[m->fabric_count++] = (struct fabric){
		.be = be,
		.only = k->divides && m->worker_count > 1 ? g : NULL,
		.worker = w,
	};
	return 0;
}

int fabric_start_local(struct model *m)
{
	struct backend *local = local_backend();
	int ret = start_one(m, local, m->worker[0]);

	if (!ret)
		m->local = local;
	return ret;
}

int fabric_start_all(struct model *m, char err[CONF_ERR_LEN])
{
	int ret = fabric_start_local(m);

	if (ret) {
		snprintf(err, CONF_ERR_LEN, "cannot start the local backend: %s",
			 strerror(-ret));
		return ret;
	}
	for (uint32_t i = 0; i < m->conf->guest_count && !ret; i++)
		ret = start_fabric(m, &m->conf->guest[i], err);
	if (ret)
		fabric_stop_all(m);
	return ret;
}

bool fabric_is_busy(const struct model *m)
{
	bool busy = m->pending;

	for (uint32_t i = 0; i < m->fabric_count && !busy; i++) {
		const struct backend *be = m->fabric[i].be;

		busy = be->busy && be->busy(be);
	}
	return busy;
}

static void stop_one(struct model *m, struct backend *be, struct worker *w)
{
	worker_end_polls(w, be);
	forget(m, be);
	be->shutdown(be);
}

void fabric_stop_all(struct model *m)
{
	while (m->fabric_count) {
		struct fabric *f = &m->fabric[--m->fabric_count];

		stop_one(m, f->be, f->worker);
		kind_of(f->be->name)->destroy(f->be);
	}
	if (m->local)
		stop_one(m, m->local, m->worker[0]);
	m->local = NULL;
}

/* ------------------------------------------------------------------- limits */

static const struct cap {
	const char *key;
	size_t conf;  /* in struct guest_conf */
	size_t limit; /* in struct be_limits */
	bool wide;    /* 64 bit, else 32 */
} caps[] = {
#define CAP(key, c, l)                                                         \
	{                                                                      \
		key, offsetof(struct guest_conf, c),                           \
			offsetof(struct be_limits, l),                         \
			sizeof(((struct be_limits *)NULL)->l) == 8             \
	}
	CAP("max-qp", max_qp, qp),
	CAP("max-mr", max_mr, mr),
	CAP("max-mw", max_mw, mw),
	CAP("max-send-sge", max_send_sge, send_sge),
	CAP("max-recv-sge", max_recv_sge, recv_sge),
	CAP("max-read-sge", max_read_sge, read_sge),
	CAP("max-inline", max_inline, inline_data),
	CAP("max-transfer", max_transfer, transfer),
	CAP("max-inbound-reads", max_inbound_reads, inbound_reads),
	CAP("max-outbound-reads", max_outbound_reads, outbound_reads),
	CAP("max-mr-size", max_mr_size, mr_size),
#undef CAP
};

static uint64_t load(const void *base, size_t off, bool wide)
{
	const char *p = (const char *)base + off;
	uint32_t narrow;
	uint64_t v;

	if (wide) {
		memcpy(&v, p, sizeof(v));
		return v;
	}
	memcpy(&narrow, p, sizeof(narrow));
	return narrow;
}

static void store(void *base, size_t off, bool wide, uint64_t v)
{
	const uint32_t narrow = (uint32_t)v;

	if (wide)
		memcpy((char *)base + off, &v, sizeof(v));
	else
		memcpy((char *)base + off, &narrow, sizeof(narrow));
}

void fabric_cap(const struct model *m, struct guest_conf *conf)
{
	const struct backend *be = fabric_find(m, conf);

	if (!be)
		return;
	for (size_t i = 0; i < sizeof(caps) / sizeof(caps[0]); i++) {
		const struct cap *c = &caps[i];
		uint64_t want = load(conf, c->conf, c->wide);
		uint64_t can = load(&be->limits, c->limit, c->wide);

		if (want <= can)
			continue;
		vlog(VL_INFO, "guest %s: %s lowered from %llu to %llu, all that %s has",
		     conf->name, c->key, (unsigned long long)want,
		     (unsigned long long)can, be->name);
		store(conf, c->conf, c->wide, can);
	}
}
