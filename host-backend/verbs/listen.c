/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * listen.c - listeners on the host's addresses, and the requests they get; shared
 * end points
 *
 * DOC: A shared end point is an identifier that is bound and never listens.  The
 * connections from it are bound beside it, which the kernel allows where all have
 * RDMA_OPTION_ID_REUSEADDR.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "vrb.h"

struct be_listener {
	struct be_listener *next;	/* vrb.listeners */
	struct vrb *vrb;
	struct rdma_cm_id *id;		/* NULL: the device is gone */
	void *lst;			/* the model's */
};

struct be_reserved {
	struct be_listener l;		/* first; without lst */
};

/* An identifier on its way out; what it was for is gone already */
struct leaving {
	struct slow_job job;
	struct vrb *vrb;
	struct rdma_cm_id *id;
	struct be_listener *free_too;
};

static void leave(struct slow_job *job)
{
	struct leaving *l = (struct leaving *)(void *)job;

	rdma_destroy_id(l->id);
}

static void left(struct slow_job *job)
{
	struct leaving *l = (struct leaving *)(void *)job;
	struct vrb *v = l->vrb;

	v->leaving--;
	free(l->free_too);
	free(l);
	device_check_gone(v);
}

/* Destroying waits until events that were delivered are acknowledged, which
 * this thread does: so not here while there is one */
static void destroy_id(struct vrb *v, struct rdma_cm_id *id,
		       struct be_listener *free_too)
{
	struct leaving *l = calloc(1, sizeof(*l));

	if (!l)
		abort();	/* an address that is never free again */
	l->vrb = v;
	l->id = id;
	l->free_too = free_too;
	l->job.fn = leave;
	l->job.done = left;
	v->leaving++;
	slow_run(v->qp_helper, &l->job);
}

/* ---------------------------------------------------------------- listeners */

static int bind_to(struct be_listener *l, const struct be_addr *addr,
		   const char *what)
{
	struct vrb *v = l->vrb;
	struct sockaddr_storage sa;
	char text[VRB_ADDR_LEN];
	int err;

	addr_to_sockaddr(addr, &sa);
	if (rdma_bind_addr(l->id, (struct sockaddr *)&sa)) {
		err = cm_error(v, what, errno);
		if (err == -ENETUNREACH)
			be_log(BE_WARN, "%s: cannot %s on %s: the guest's "
			       "address must be one of %s's network interface",
			       v->name, what, addr_text(addr, text), v->device);
		return err;
	}
	if (!l->id->verbs ||
	    strcmp(ibv_get_device_name(l->id->verbs->device), v->device) != 0) {
		be_log(BE_WARN, "%s: cannot %s on %s: the address belongs to "
		       "%s", v->name, what, addr_text(addr, text),
		       l->id->verbs ? ibv_get_device_name(l->id->verbs->device)
				    : "no RDMA device");
		return -ENETUNREACH;
	}
	return 0;
}

static int open_listener(struct be_listener *l, const struct be_addr *addr,
			 uint32_t backlog)
{
	struct vrb *v = l->vrb;
	int err;

	if (rdma_create_id(v->cm, &l->id, l, RDMA_PS_TCP))
		return cm_error(v, "listen", errno);
	err = bind_to(l, addr, "listen");
	if (err)
		return err;
	return rdma_listen(l->id, (int)backlog) ? cm_error(v, "listen", errno)
						: 0;
}

/* Into v's list, or not: no event can be out yet, and l goes at once */
static int opened(struct be_listener *l, int err)
{
	struct vrb *v = l->vrb;

	if (err) {
		if (l->id)
			rdma_destroy_id(l->id);
		free(l);
		return err;
	}
	l->next = v->listeners;
	v->listeners = l;
	return 0;
}

int vrb_listen(struct backend *be, const struct be_addr *addr, uint32_t backlog,
	       void *lst, struct be_listener **out)
{
	struct vrb *v = vrb_of(be);
	struct be_listener *l = calloc(1, sizeof(*l));
	int ret;

	if (!l)
		return -ENOMEM;
	l->vrb = v;
	l->lst = lst;
	/* without a device there is nothing to hear, and no error either: the
	 * guest's other paths are there */
	ret = opened(l, v->gone ? 0 : open_listener(l, addr, backlog));
	if (!ret)
		*out = l;
	return ret;
}

static void unlink_listener(struct be_listener *l)
{
	struct be_listener **at = &l->vrb->listeners;

	while (*at != l)
		at = &(*at)->next;
	*at = l->next;
}

void vrb_unlisten(struct be_listener *l)
{
	unlink_listener(l);
	l->lst = NULL;
	if (l->id && l->vrb->in_event) {
		destroy_id(l->vrb, l->id, l);
		return;
	}
	/* its port is free when the guest hears that it is closed */
	if (l->id)
		rdma_destroy_id(l->id);
	free(l);
}

/* ------------------------------------------------------- shared end points */

int id_share_port(struct rdma_cm_id *id)
{
	int yes = 1;

	return rdma_set_option(id, RDMA_OPTION_ID, RDMA_OPTION_ID_REUSEADDR,
			       &yes, sizeof(yes));
}

static int open_shared(struct be_listener *l, const struct be_addr *addr)
{
	struct vrb *v = l->vrb;

	if (rdma_create_id(v->cm, &l->id, l, RDMA_PS_TCP) ||
	    id_share_port(l->id))
		return cm_error(v, "share an end point", errno);
	return bind_to(l, addr, "share an end point");
}

int vrb_reserve(struct backend *be, const struct be_addr *addr,
		struct be_reserved **out)
{
	struct vrb *v = vrb_of(be);
	struct be_reserved *r = calloc(1, sizeof(*r));
	int ret;

	if (!r)
		return -ENOMEM;
	r->l.vrb = v;
	/* as a listener, where there is no device */
	ret = opened(&r->l, v->gone ? 0 : open_shared(&r->l, addr));
	if (!ret)
		*out = r;
	return ret == -ENETUNREACH ? -EADDRNOTAVAIL : ret;
}

void vrb_unreserve(struct be_reserved *r)
{
	vrb_unlisten(&r->l);
}

void listen_lose_all(struct vrb *v)
{
	for (struct be_listener *l = v->listeners; l; l = l->next) {
		if (l->id)
			destroy_id(v, l->id, NULL);
		l->id = NULL;
	}
}

/* ----------------------------------------------------------------- requests */

/* What the peer lets us have out is what it lets in, and the other way round */
static void request_of(const struct rdma_cm_event *ev, struct be_request *req)
{
	const struct rdma_conn_param *p = &ev->param.conn;

	addr_from_sockaddr(&req->local, rdma_get_local_addr(ev->id));
	addr_from_sockaddr(&req->peer, rdma_get_peer_addr(ev->id));
	req->limits.inbound = p->initiator_depth;
	req->limits.outbound = p->responder_resources;
	private_get(&req->priv, p->private_data, p->private_data_len);
}

void listen_request(struct vrb *v, struct rdma_cm_event *ev)
{
	struct be_listener *l = ev->listen_id->context;
	struct be_conn *c = l->lst && !v->gone ? conn_new(v, NULL) : NULL;
	struct be_request req;

	if (!c) {
		rdma_reject(ev->id, NULL, 0);
		destroy_id(v, ev->id, NULL);
		return;
	}
	c->id = ev->id;
	c->id->context = c;
	cm_set_state(c, CM_REQUESTED);
	request_of(ev, &req);
	c->limits = req.limits;
	if (v->ev->request(l->lst, c, &req, &c->cm)) {
		rdma_reject(c->id, NULL, 0);
		conn_end(c);
	}
}
