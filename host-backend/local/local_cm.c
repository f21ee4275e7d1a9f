/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * local_cm.c - connection management between two guests of this process
 *
 * DOC: A connection is a pair of ends.  What one end says travels to the other
 * as a message through the control thread's loop, never as a call, so neither
 * connector is entered while it is in the middle of something.  Each kind of
 * message is said at most once by an end and has its place in the pair:
 * nothing that happens after connect() can fail for lack of memory.
 *
 * An end is live from the moment its connector knows it until abort().  A
 * message to an end that is not live, or that was told its last word, is
 * dropped.  The pair goes with its last live end and its last message.
 *
 * The worker is given the pipe of a pair, between attach() and stop().  Both
 * ends were stopped before the last abort(), so the pipe goes with the pair.
 */
#include <errno.h>
#include <stdlib.h>

#include "local.h"
#include "local_data.h"

enum word {
	WORD_REQUEST,
	WORD_ACCEPT,
	WORD_REJECT,
	WORD_COMPLETE,
	WORD_DISCONNECT,
	WORD_ABORT,
	WORD_COUNT
};

struct message {
	struct local_pair *pair;
	uint8_t to; /* index of the end that hears it */
	uint8_t word;
};

struct be_conn {
	/* constant after create */
	struct local_pair *pair;
	struct local_pipe *pipe; /* the pair's */
	unsigned int side;	 /* 0 active, 1 passive */

	/* control thread only */
	void *cm;
	bool live;
	bool last_heard;		/* no upcall any more */
	bool last_said;			/* rejected: abort() adds nothing */
	bool disconnected;		/* said WORD_DISCONNECT */
	enum virtio_rdma_reason reason; /* of its WORD_ABORT */
	struct be_read_limits limits;
	struct be_private priv;
	struct message said[WORD_COUNT];
};

struct local_pair {
	unsigned int refs; /* live ends and messages under way */
	struct local_pipe *pipe;
	struct be_addr addr[2];
	struct be_conn end[2];
};

struct be_listener {
	struct be_listener *next;
	struct be_addr addr;
	void *lst;
};

static struct {
	const struct be_cm_events *ev;
	struct be_listener *listeners;
	unsigned int live;
} local;

/* ------------------------------------------------------------------ pairs */

static void pair_put(struct local_pair *p)
{
	if (--p->refs)
		return;
	local_pipe_put(p->pipe);
	local_pipe_put(p->pipe);
	free(p);
	local.live--;
}

static void end_init(struct local_pair *p, unsigned int side)
{
	struct be_conn *c = &p->end[side];

	c->pair = p;
	c->pipe = p->pipe;
	c->side = side;
	for (unsigned int w = 0; w < WORD_COUNT; w++)
		c->said[w] = (struct message){p, !side, (uint8_t)w};
}

static struct local_pair *pair_new(const struct be_request *req, void *cm)
{
	struct local_pair *p = calloc(1, sizeof(*p));

	if (!p)
		return NULL;
	p->pipe = local_pipe_new();
	if (!p->pipe) {
		free(p);
		return NULL;
	}
	end_init(p, 0);
	end_init(p, 1);
	p->addr[0] = req->local;
	p->addr[1] = req->peer;
	p->end[0].cm = cm;
	p->end[0].live = true;
	p->end[0].limits = req->limits;
	p->end[0].priv = req->priv;
	p->refs = 1;
	local.live++;
	return p;
}

static struct be_conn *other(struct be_conn *c)
{
	return &c->pair->end[!c->side];
}

/* --------------------------------------------------------------- listeners */

static struct be_listener *find_listener(const struct be_addr *addr)
{
	struct be_listener *l = local.listeners;

	while (l && !be_addr_equal(&l->addr, addr))
		l = l->next;
	return l;
}

static int local_listen(struct backend *be, const struct be_addr *addr,
			uint32_t backlog, void *lst, struct be_listener **out)
{
	struct be_listener *l;

	(void)be;
	(void)backlog; /* kept by the model's listener */
	if (find_listener(addr))
		return -EADDRINUSE;
	l = calloc(1, sizeof(*l));
	if (!l)
		return -ENOMEM;
	l->addr = *addr;
	l->lst = lst;
	l->next = local.listeners;
	local.listeners = l;
	local.live++;
	*out = l;
	return 0;
}

static void local_unlisten(struct be_listener *l)
{
	struct be_listener **at = &local.listeners;

	while (*at != l)
		at = &(*at)->next;
	*at = l->next;
	free(l);
	local.live--;
}

/* ---------------------------------------------------------------- messages */

static void hear_request(struct be_conn *to)
{
	struct be_conn *from = other(to);
	struct be_request req = {
		.local = to->pair->addr[1],
		.peer = to->pair->addr[0],
		.limits = from->limits,
		.priv = from->priv,
	};
	struct be_listener *l;
	const struct be_private none = {0};

	if (!from->live)
		return; /* gave up before anyone was asked */
	to->live = true;
	to->pair->refs++;
	l = find_listener(&req.local);
	if (l && local.ev->request(l->lst, to, &req, &to->cm) == 0)
		return;
	to->live = false;
	to->pair->refs--;
	from->last_heard = true;
	local.ev->rejected(from->cm, &none);
}

static void hear_accept(struct be_conn *to)
{
	local.ev->accepted(to->cm, &other(to)->limits, &other(to)->priv);
}

static void hear_reject(struct be_conn *to)
{
	to->last_heard = true;
	local.ev->rejected(to->cm, &other(to)->priv);
}

static void hear_complete(struct be_conn *to)
{
	local.ev->established(to->cm);
}

static void hear_disconnect(struct be_conn *to)
{
	local.ev->disconnected(to->cm);
}

/*
 * A consumer that closes instead of disconnecting has notified a peer that
 * waits for exactly that (D2); to one that does not wait it is an abort.
 */
static void hear_abort(struct be_conn *to)
{
	struct be_conn *from = other(to);

	to->last_heard = true;
	if (from->reason != VIRTIO_RDMA_R_RESET || !to->disconnected)
		local.ev->aborted(to->cm,
				  from->reason == VIRTIO_RDMA_R_LOCAL_ERROR
					  ? VIRTIO_RDMA_R_RESET
					  : from->reason);
	else if (!from->disconnected)
		local.ev->disconnected(to->cm);
}

static void (*const hear[WORD_COUNT])(struct be_conn *to) = {
	[WORD_REQUEST] = hear_request,	     [WORD_ACCEPT] = hear_accept,
	[WORD_REJECT] = hear_reject,	     [WORD_COMPLETE] = hear_complete,
	[WORD_DISCONNECT] = hear_disconnect, [WORD_ABORT] = hear_abort,
};

static void deliver(void *arg)
{
	struct message *m = arg;
	struct local_pair *p = m->pair;
	struct be_conn *to = &p->end[m->to];

	if (m->word == WORD_REQUEST || (to->live && !to->last_heard))
		hear[m->word](to);
	pair_put(p);
}

static void say(struct be_conn *from, enum word word)
{
	from->pair->refs++;
	be_post(deliver, &from->said[word]);
}

/* --------------------------------------------------------------------- ops */

static int local_connect(struct backend *be, const struct be_request *req,
			 struct be_qp *qp, void *cm, struct be_conn **out)
{
	struct local_pair *p = pair_new(req, cm);

	(void)be;
	(void)qp;
	if (!p)
		return -ENOMEM;
	*out = &p->end[0];
	say(&p->end[0], WORD_REQUEST);
	return 0;
}

static int local_accept(struct be_conn *c, const struct be_read_limits *limits,
			const struct be_private *priv, struct be_qp *qp)
{
	(void)qp;
	if (c->last_heard)
		return -ECONNABORTED;
	c->limits = *limits;
	c->priv = *priv;
	say(c, WORD_ACCEPT);
	return 0;
}

static int local_reject(struct be_conn *c, const struct be_private *priv)
{
	if (c->last_heard)
		return -ECONNABORTED;
	c->priv = *priv;
	c->last_said = true;
	say(c, WORD_REJECT);
	return 0;
}

static int local_complete(struct be_conn *c)
{
	if (c->last_heard)
		return -ECONNABORTED;
	say(c, WORD_COMPLETE);
	return 0;
}

static int local_disconnect(struct be_conn *c)
{
	if (c->last_heard)
		return -ECONNABORTED;
	c->disconnected = true;
	say(c, WORD_DISCONNECT);
	return 0;
}

static void local_abort(struct be_conn *c, enum virtio_rdma_reason reason)
{
	struct local_pair *p = c->pair;

	c->live = false;
	c->cm = NULL;
	c->reason = reason;
	if (reason != VIRTIO_RDMA_R_NONE && !c->last_said && !c->last_heard)
		say(c, WORD_ABORT);
	pair_put(p);
}

static void local_attach(struct be_conn *c, struct be_qp *qp)
{
	local_data_attach(c->pipe, c->side, qp);
}

static void local_absent(struct be_conn *c)
{
	local_data_absent(c->pipe, c->side);
}

static bool local_run(struct be_conn *c)
{
	return local_data_run(c->pipe, c->side);
}

static void local_stop(struct be_conn *c)
{
	local_data_stop(c->pipe, c->side);
}

static int local_start(struct backend *be, const struct be_cm_events *ev)
{
	(void)be;
	local.ev = ev;
	return 0;
}

static void local_shutdown(struct backend *be)
{
	(void)be;
}

unsigned int local_live_count(void)
{
	return local.live;
}

struct backend *local_backend(void)
{
	static struct backend be = {
		.name = "local",
		.limits = BE_LIMITS_NONE,
		.features = VIRTIO_RDMA_FEATURE(SRQ) | VIRTIO_RDMA_FEATURE(MW) |
			    VIRTIO_RDMA_FEATURE(SEND_INVALIDATE) |
			    VIRTIO_RDMA_FEATURE(FAST_REGISTER) |
			    VIRTIO_RDMA_FEATURE(SHARED_ENDPOINT) |
			    VIRTIO_RDMA_FEATURE(READ_INVALIDATE),
		.start = local_start,
		.shutdown = local_shutdown,
		.listen = local_listen,
		.unlisten = local_unlisten,
		.connect = local_connect,
		.accept = local_accept,
		.reject = local_reject,
		.complete = local_complete,
		.disconnect = local_disconnect,
		.abort = local_abort,
		.attach = local_attach,
		.absent = local_absent,
		.run = local_run,
		.stop = local_stop,
	};

	return &be;
}
