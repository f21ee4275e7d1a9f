/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * verbs_fake_cm.c - the connection manager: words between two identifiers
 *
 * DOC: The states and rules are those of the kernel's IB manager with a queue
 * pair made outside of the identifier: no RTU and no DREP by itself, one
 * DISCONNECTED for whatever ends a connection, private data padded to what the
 * word has room for.  What is sent is queued, and arrives by fk_cm_step().
 * Words to an identifier that was destroyed are lost, but for DREQ, which the
 * kernel answers for it.
 */
#include <arpa/inet.h>
#include <unistd.h>

#include "verbs_fake_int.h"

int fv_addr_error;

enum id_state {
	ID_IDLE,
	ID_LISTEN,
	ID_RESOLVED,
	ID_REQ_SENT,
	ID_REQ_RCVD,
	ID_REP_SENT,
	ID_REP_RCVD,
	ID_ESTABLISHED,
	ID_DREQ_SENT,
	ID_DREQ_RCVD,
	ID_OVER,			/* TIMEWAIT, or refused */
};

struct id {
	struct rdma_cm_id id;		/* first */
	struct id *next;
	struct id *peer;
	enum id_state state;
	unsigned int peer_device;
	bool bound;			/* its address is its own */
	bool reuses;			/* ...and of others that say so, too */
	bool said_end;			/* DISCONNECTED was raised */
	uint32_t qpn, peer_qpn;
	unsigned int unacked;
};

struct event {
	struct rdma_cm_event ev;	/* first */
	struct event *next;
	struct id *of;			/* whose events it counts to */
	uint8_t priv[256];
};

struct channel {
	struct rdma_event_channel channel;	/* first */
	struct channel *next;
	struct event *events;
	unsigned int ids;
};

enum word { REQ, REP, RTU, REJ, DREQ, DREP };

static const struct {
	const char *name;
	uint8_t room;
} words[] = {
	[REQ] = { "REQ", 56 },	[REP] = { "REP", 196 }, [RTU] = { "RTU", 224 },
	[REJ] = { "REJ", 148 }, [DREQ] = { "DREQ", 220 }, [DREP] = { "DREP", 224 },
};

struct message {
	struct message *next;
	enum word word;
	struct id *from, *to;		/* NULL: no more */
	unsigned int device;		/* where it goes */
	struct sockaddr_storage dst;	/* REQ */
	int status;			/* REJ */
	struct rdma_conn_param param;
	uint8_t priv[256];
};

static struct id *ids;
static struct channel *channels;
static struct message *on_wire;

static struct id *id_of(struct rdma_cm_id *id)
{
	return (struct id *)(void *)id;
}

static struct channel *channel_of(struct rdma_event_channel *c)
{
	return (struct channel *)(void *)c;
}

static struct fk_device *device_of(const struct id *id)
{
	return id->id.verbs ? fk_dev_of(id->id.verbs) : NULL;
}

/* ------------------------------------------------------------------- events */

static struct event *raise_event(struct id *of, enum rdma_cm_event_type type,
				 int status)
{
	struct event *e = fk_zalloc(sizeof(*e));
	struct channel *c = channel_of(of->id.channel);
	struct event **at = &c->events;

	e->of = of;
	e->ev.id = &of->id;
	e->ev.event = type;
	e->ev.status = status;
	while (*at)
		at = &(*at)->next;
	*at = e;
	fk_level(c->channel.fd, true);
	fk_born("manager's event", 1);
	return e;
}

static void raise_with_data(struct id *of, struct id *listen,
			    enum rdma_cm_event_type type, int status,
			    const struct message *m)
{
	struct event *e = raise_event(of, type, status);

	e->ev.param.conn = m->param;
	/* as the other one sees it */
	e->ev.param.conn.initiator_depth = m->param.responder_resources;
	e->ev.param.conn.responder_resources = m->param.initiator_depth;
	memcpy(e->priv, m->priv, sizeof(e->priv));
	e->ev.param.conn.private_data = e->priv;
	e->ev.param.conn.private_data_len = words[m->word].room;
	if (listen) {
		e->of = listen;
		e->ev.listen_id = &listen->id;
	}
}

static void raise_end(struct id *of, int status)
{
	if (!of->said_end)
		raise_event(of, RDMA_CM_EVENT_DISCONNECTED, status);
	of->said_end = true;
}

int rdma_get_cm_event(struct rdma_event_channel *channel,
		      struct rdma_cm_event **ev)
{
	struct channel *c = channel_of(channel);
	int err = fv_fault(FV_rdma_get_cm_event);
	struct event *e;

	if (err) {
		errno = err;
		return -1;
	}
	fk_lock();
	e = c->events;
	if (e) {
		c->events = e->next;
		e->of->unacked++;
		fk_level(channel->fd, c->events);
		*ev = &e->ev;
	}
	fk_unlock();
	errno = EAGAIN;
	return e ? 0 : -1;
}

int rdma_ack_cm_event(struct rdma_cm_event *ev)
{
	struct event *e = (struct event *)(void *)ev;

	fk_lock();
	e->of->unacked--;
	pthread_cond_broadcast(&fk.changed);
	fk_born("manager's event", -1);
	fk_unlock();
	free(e);
	return 0;
}

const char *rdma_event_str(enum rdma_cm_event_type type)
{
	return type == RDMA_CM_EVENT_DISCONNECTED ? "disconnected" : "event";
}

struct rdma_event_channel *rdma_create_event_channel(void)
{
	struct channel *c = fk_fault_null(FV_rdma_create_event_channel);

	if (errno)
		return NULL;
	fk_lock();
	c = fk_zalloc(sizeof(*c));
	c->channel.fd = fk_eventfd();
	c->next = channels;
	channels = c;
	fk_born("event channel", 1);
	fk_unlock();
	return &c->channel;
}

void rdma_destroy_event_channel(struct rdma_event_channel *channel)
{
	struct channel *c = channel_of(channel), **at = &channels;

	fk_lock();
	ck_assert_msg(!c->ids, "a channel was destroyed under %u identifiers",
		      c->ids);
	while (*at != c)
		at = &(*at)->next;
	*at = c->next;
	fk_born("event channel", -1);
	fk_unlock();
	close(channel->fd);
	free(c);
}

/* ------------------------------------------------------------------ devices */

struct ibv_context **rdma_get_devices(int *count)
{
	struct ibv_context **list;

	ck_assert_ptr_null(count);
	fk_lock();
	for (unsigned int i = 0; i < FK_DEVICES; i++)
		fk.dev[i].held = fk.dev[i].held && !fk.dev[i].removed;
	list = fk_zalloc(sizeof(*list));
	fk_born("manager's list", 1);
	fk_unlock();
	return list;
}

void rdma_free_devices(struct ibv_context **list)
{
	fk_lock();
	fk_born("manager's list", -1);
	fk_unlock();
	free(list);
}

bool fv_manager_holds(unsigned int device)
{
	bool held;

	fk_lock();
	held = fk.dev[device].held;
	fk_unlock();
	return held;
}

/* ---------------------------------------------------------------- addresses */

static const struct {
	const char *ip;
	unsigned int device;
} addresses[] = {
	{ "10.0.0.1", 0 }, { "fd00::1", 0 }, { "10.0.0.2", 1 },
	{ "fd00::2", 1 },  { "10.0.0.9", 2 },
};

static const void *ip_of(const struct sockaddr *sa)
{
	if (sa->sa_family == AF_INET)
		return &((const struct sockaddr_in *)(const void *)sa)->sin_addr;
	return &((const struct sockaddr_in6 *)(const void *)sa)->sin6_addr;
}

static uint16_t *port_of(struct sockaddr *sa)
{
	if (sa->sa_family == AF_INET)
		return &((struct sockaddr_in *)(void *)sa)->sin_port;
	return &((struct sockaddr_in6 *)(void *)sa)->sin6_port;
}

/* -1: nobody's */
static int device_at(const struct sockaddr *sa)
{
	char text[INET6_ADDRSTRLEN];

	inet_ntop(sa->sa_family, ip_of(sa), text, sizeof(text));
	for (size_t i = 0; i < sizeof(addresses) / sizeof(addresses[0]); i++)
		if (strcmp(addresses[i].ip, text) == 0)
			return (int)addresses[i].device;
	return -1;
}

static bool same_end(struct sockaddr *a, struct sockaddr *b)
{
	return a->sa_family == b->sa_family && *port_of(a) == *port_of(b) &&
	       memcmp(ip_of(a), ip_of(b), a->sa_family == AF_INET ? 4 : 16) == 0;
}

static void copy_address(struct sockaddr_storage *to, const struct sockaddr *sa)
{
	memset(to, 0, sizeof(*to));
	memcpy(to, sa, sa->sa_family == AF_INET ? sizeof(struct sockaddr_in)
						: sizeof(struct sockaddr_in6));
}

/* 0 or an errno */
static int bind_id(struct id *id, const struct sockaddr *sa)
{
	static uint16_t next_port = 40000;
	struct rdma_addr *a = &id->id.route.addr;
	int device = device_at(sa);

	if (device < 0)
		return EADDRNOTAVAIL;
	copy_address(&a->src_storage, sa);
	if (!*port_of(&a->src_addr))
		*port_of(&a->src_addr) = htons(next_port++);
	for (struct id *i = ids; i; i = i->next)
		if (i != id && i->bound && !(i->reuses && id->reuses) &&
		    same_end(&i->id.route.addr.src_addr, &a->src_addr))
			return EADDRINUSE;
	id->bound = true;
	if (!id->id.verbs) {
		struct fk_context *c = fk_context_of(&fk.dev[device]);
		static struct ibv_context other;

		other.device = &fk.dev[FV_DEVICES].device;
		if (fk.dev[device].removed || (device < FV_DEVICES && !c))
			return ENODEV;
		id->id.verbs = c ? &c->ctx : &other;
		fk.dev[device].held = true;
		id->id.port_num = 1;
	}
	return 0;
}

/* --------------------------------------------------------------- identifiers */

static struct id *new_id(struct rdma_event_channel *channel, void *context)
{
	struct id *id = fk_zalloc(sizeof(*id));

	id->id.channel = channel;
	id->id.context = context;
	id->id.ps = RDMA_PS_TCP;
	id->next = ids;
	ids = id;
	channel_of(channel)->ids++;
	fk_born("identifier", 1);
	return id;
}

static int failed(int err)
{
	errno = err;
	return err ? -1 : 0;
}

int rdma_create_id(struct rdma_event_channel *channel, struct rdma_cm_id **id,
		   void *context, enum rdma_port_space ps)
{
	int err = fv_fault(FV_rdma_create_id);

	ck_assert_int_eq(ps, RDMA_PS_TCP);
	if (err)
		return failed(err);
	fk_lock();
	*id = &new_id(channel, context)->id;
	fk_unlock();
	return 0;
}

static struct message *say(struct id *from, struct id *to, enum word word)
{
	struct message *m = fk_zalloc(sizeof(*m)), **at = &on_wire;

	m->word = word;
	m->from = from;
	m->to = to;
	m->device = from ? from->peer_device : device_of(to)->index;
	while (*at)
		at = &(*at)->next;
	*at = m;
	fk_born("word", 1);
	if (from)
		fk_note(device_of(from), words[word].name);
	return m;
}

static void free_word(struct message **at)
{
	struct message *m = *at;

	*at = m->next;
	free(m);
	fk_born("word", -1);
}

static void put_data(struct message *m, const void *data, uint8_t length)
{
	ck_assert_uint_le(length, words[m->word].room);
	if (length)
		memcpy(m->priv, data, length);
}

/* What the end of an identifier says, if nobody has */
static void last_word(struct id *id)
{
	switch (id->state) {
	case ID_REQ_SENT:
	case ID_REQ_RCVD:
	case ID_REP_SENT:
	case ID_REP_RCVD:
		if (id->peer)
			say(id, id->peer, REJ)->status =
				id->state == ID_REQ_SENT ? 4 : 28;
		return;
	case ID_ESTABLISHED:
		say(id, id->peer, DREQ);
		return;
	case ID_DREQ_RCVD:
		say(id, id->peer, DREP);
		return;
	default:
		return;
	}
}

/* The kernel answers a DREQ for one that it does not know any more */
static void forget_words(struct id *id)
{
	struct message **at = &on_wire;

	while (*at) {
		struct message *m = *at;

		if (m->from == id)
			m->from = NULL;
		if (m->to == id)
			m->to = NULL;
		if ((m->word == REQ && !m->from) ||
		    (m->word != REQ && m->word != DREQ && !m->to))
			free_word(at);
		else
			at = &m->next;
	}
}

static void destroy_id(struct id *id);

static void forget_events(struct id *id)
{
	struct channel *c = channel_of(id->id.channel);
	struct event **at = &c->events, *e;

	while ((e = *at)) {
		if (e->of != id) {
			at = &e->next;
			continue;
		}
		*at = e->next;
		/* a request that nobody has seen */
		if (e->ev.event == RDMA_CM_EVENT_CONNECT_REQUEST)
			destroy_id(id_of(e->ev.id));
		free(e);
		fk_born("manager's event", -1);
		at = &c->events;
	}
	fk_level(c->channel.fd, c->events);
}

/* Under the lock; waits for acknowledgements */
static void destroy_id(struct id *id)
{
	struct id **at = &ids;

	if (!device_of(id) || !device_of(id)->removed)
		last_word(id);
	forget_events(id);
	fk_wait_zero(&id->unacked, "an identifier waits for its events");
	forget_events(id);
	forget_words(id);
	for (struct id *i = ids; i; i = i->next)
		if (i->peer == id)
			i->peer = NULL;
	while (*at != id)
		at = &(*at)->next;
	*at = id->next;
	channel_of(id->id.channel)->ids--;
	fk_born("identifier", -1);
	free(id);
}

int rdma_destroy_id(struct rdma_cm_id *id)
{
	(void)fv_fault(FV_rdma_destroy_id);	/* may be held, never fails */
	fk_lock();
	destroy_id(id_of(id));
	fk_unlock();
	return 0;
}

/* The device that id uses is there; else errno */
static int present(const struct id *id)
{
	return device_of(id) && device_of(id)->removed ? ENODEV : 0;
}

int rdma_set_option(struct rdma_cm_id *id, int level, int optname,
		    void *optval, size_t optlen)
{
	int err = fv_fault(FV_rdma_set_option), value;

	ck_assert_int_eq(level, RDMA_OPTION_ID);
	ck_assert_int_eq(optname, RDMA_OPTION_ID_REUSEADDR);
	ck_assert_uint_eq(optlen, sizeof(value));
	memcpy(&value, optval, sizeof(value));
	fk_lock();
	/* the kernel looks at it when it binds */
	ck_assert(!id_of(id)->bound);
	if (!err)
		id_of(id)->reuses = value;
	fk_unlock();
	return failed(err);
}

int rdma_bind_addr(struct rdma_cm_id *id, struct sockaddr *sa)
{
	int err = fv_fault(FV_rdma_bind_addr);

	fk_lock();
	if (!err)
		err = bind_id(id_of(id), sa);
	fk_unlock();
	return failed(err);
}

int rdma_listen(struct rdma_cm_id *id, int backlog)
{
	int err = fv_fault(FV_rdma_listen);

	(void)backlog;
	fk_lock();
	if (!err)
		id_of(id)->state = ID_LISTEN;
	fk_unlock();
	return failed(err);
}

int rdma_resolve_addr(struct rdma_cm_id *id, struct sockaddr *src,
		      struct sockaddr *dst, int timeout_ms)
{
	int err = fv_fault(FV_rdma_resolve_addr);

	(void)timeout_ms;
	fk_lock();
	if (!err)
		err = bind_id(id_of(id), src);
	if (!err) {
		int status = fv_addr_error ? fv_addr_error
			     : device_at(dst) < 0 ? -EHOSTUNREACH : 0;

		copy_address(&id->route.addr.dst_storage, dst);
		if (!status)
			id_of(id)->peer_device = (unsigned int)device_at(dst);
		fv_addr_error = 0;
		raise_event(id_of(id), status ? RDMA_CM_EVENT_ADDR_ERROR
					      : RDMA_CM_EVENT_ADDR_RESOLVED,
			    status);
	}
	fk_unlock();
	return failed(err);
}

int rdma_resolve_route(struct rdma_cm_id *id, int timeout_ms)
{
	int err = fv_fault(FV_rdma_resolve_route);

	(void)timeout_ms;
	fk_lock();
	if (!err)
		err = present(id_of(id));
	if (!err) {
		id_of(id)->state = ID_RESOLVED;
		raise_event(id_of(id), RDMA_CM_EVENT_ROUTE_RESOLVED, 0);
	}
	fk_unlock();
	return failed(err);
}

int rdma_init_qp_attr(struct rdma_cm_id *id, struct ibv_qp_attr *attr, int *mask)
{
	struct id *i = id_of(id);
	int err = fv_fault(FV_rdma_init_qp_attr);

	fk_lock();
	if (!err)
		err = present(i);
	if (!err && attr->qp_state != IBV_QPS_INIT && !i->peer)
		err = EINVAL;
	fk_unlock();
	if (err)
		return failed(err);
	attr->port_num = 1;
	attr->timeout = fv_device.timeout;
	*mask = IBV_QP_STATE;
	switch (attr->qp_state) {
	case IBV_QPS_INIT:
		/* what the kernel proposes once there are reads */
		attr->qp_access_flags = IBV_ACCESS_REMOTE_WRITE |
					IBV_ACCESS_REMOTE_READ |
					IBV_ACCESS_REMOTE_ATOMIC;
		*mask |= IBV_QP_PKEY_INDEX | IBV_QP_PORT | IBV_QP_ACCESS_FLAGS;
		break;
	case IBV_QPS_RTR:
		attr->ah_attr.dlid = (uint16_t)device_of(i->peer)->index;
		attr->dest_qp_num = i->peer_qpn;
		*mask |= IBV_QP_AV | IBV_QP_PATH_MTU | IBV_QP_DEST_QPN |
			 IBV_QP_RQ_PSN | IBV_QP_MAX_DEST_RD_ATOMIC |
			 IBV_QP_MIN_RNR_TIMER;
		break;
	default:
		*mask |= IBV_QP_TIMEOUT | IBV_QP_RETRY_CNT | IBV_QP_RNR_RETRY |
			 IBV_QP_SQ_PSN | IBV_QP_MAX_QP_RD_ATOMIC;
		break;
	}
	return 0;
}

/* A call that sends a word from one of the states in the mask */
static int call(enum fv_call fault, struct rdma_cm_id *rdma, unsigned int from,
		enum id_state to, enum word word,
		const struct rdma_conn_param *param)
{
	struct id *id = id_of(rdma);
	int err = fv_fault(fault);
	struct message *m;

	fk_lock();
	if (!err)
		err = present(id);
	if (!err && !(from & 1u << id->state))
		err = EINVAL;
	if (!err) {
		m = say(id, id->peer, word);
		if (param) {
			m->param = *param;
			put_data(m, param->private_data, param->private_data_len);
			id->qpn = param->qp_num;
		}
		m->dst = rdma->route.addr.dst_storage;
		m->status = 28;		/* REJ: by the consumer */
		id->state = to;
	}
	fk_unlock();
	return failed(err);
}

int rdma_connect(struct rdma_cm_id *id, struct rdma_conn_param *param)
{
	return call(FV_rdma_connect, id, 1u << ID_RESOLVED, ID_REQ_SENT, REQ,
		    param);
}

int rdma_accept(struct rdma_cm_id *id, struct rdma_conn_param *param)
{
	return call(FV_rdma_accept, id, 1u << ID_REQ_RCVD, ID_REP_SENT, REP,
		    param);
}

int rdma_establish(struct rdma_cm_id *id)
{
	return call(FV_rdma_establish, id, 1u << ID_REP_RCVD, ID_ESTABLISHED,
		    RTU, NULL);
}

int rdma_reject(struct rdma_cm_id *id, const void *data, uint8_t length)
{
	const struct rdma_conn_param param = { .private_data = data,
					       .private_data_len = length };

	return call(FV_rdma_reject, id, 1u << ID_REQ_RCVD | 1u << ID_REP_RCVD,
		    ID_OVER, REJ, &param);
}

int rdma_disconnect(struct rdma_cm_id *id)
{
	bool reply = id_of(id)->state == ID_DREQ_RCVD;

	return call(FV_rdma_disconnect, id,
		    1u << ID_ESTABLISHED | 1u << ID_DREQ_RCVD,
		    reply ? ID_OVER : ID_DREQ_SENT, reply ? DREP : DREQ, NULL);
}

/* COMM_EST: what would have come with the RTU */
int rdma_notify(struct rdma_cm_id *rdma, enum ibv_event_type type)
{
	struct id *id = id_of(rdma);

	ck_assert_int_eq(type, IBV_EVENT_COMM_EST);
	fk_lock();
	if (id->state == ID_REP_SENT) {
		id->state = ID_ESTABLISHED;
		raise_event(id, RDMA_CM_EVENT_ESTABLISHED, 0);
	}
	fk_unlock();
	return 0;
}

/* -------------------------------------------------------------------- arrival */

static void refuse(struct message *m, int status)
{
	if (m->from)
		say(NULL, m->from, REJ)->status = status;
}

static void arrive_req(struct message *m)
{
	struct sockaddr *dst = (struct sockaddr *)&m->dst;
	struct id *l = ids, *id;

	while (l && (l->state != ID_LISTEN ||
		     !same_end(&l->id.route.addr.src_addr, dst)))
		l = l->next;
	if (!l || present(l)) {
		refuse(m, 8);	/* nobody listens */
		return;
	}
	id = new_id(l->id.channel, l->id.context);
	id->id.verbs = l->id.verbs;
	id->id.port_num = 1;
	id->id.route.addr.src_storage = m->dst;
	id->id.route.addr.dst_storage = m->from->id.route.addr.src_storage;
	id->state = ID_REQ_RCVD;
	id->peer = m->from;
	id->peer_qpn = m->param.qp_num;
	m->from->peer = id;
	id->peer_device = device_of(m->from)->index;
	raise_with_data(id, l, RDMA_CM_EVENT_CONNECT_REQUEST, 0, m);
}

static void arrive_rep(struct message *m)
{
	struct id *id = m->to;

	if (id->state != ID_REQ_SENT)
		return;
	id->state = ID_REP_RCVD;
	id->peer_qpn = m->param.qp_num;
	raise_with_data(id, NULL, RDMA_CM_EVENT_CONNECT_RESPONSE, 0, m);
}

static void arrive_rtu(struct message *m)
{
	if (m->to->state != ID_REP_SENT)
		return;
	m->to->state = ID_ESTABLISHED;
	raise_event(m->to, RDMA_CM_EVENT_ESTABLISHED, 0);
}

static void arrive_rej(struct message *m)
{
	enum id_state s = m->to->state;

	if (s != ID_REQ_SENT && s != ID_REP_RCVD && s != ID_REP_SENT)
		return;
	m->to->state = ID_OVER;
	raise_with_data(m->to, NULL, RDMA_CM_EVENT_REJECTED, m->status, m);
}

static void arrive_dreq(struct message *m)
{
	struct id *id = m->to;

	if (!id || id->state == ID_OVER) {
		if (m->from)
			say(NULL, m->from, DREP);
		return;
	}
	if (id->state != ID_REP_SENT && id->state != ID_ESTABLISHED &&
	    id->state != ID_DREQ_SENT)
		return;
	id->state = ID_DREQ_RCVD;
	raise_end(id, 0);
}

static void arrive_drep(struct message *m)
{
	if (m->to->state != ID_DREQ_SENT && m->to->state != ID_DREQ_RCVD)
		return;
	m->to->state = ID_OVER;
	raise_end(m->to, 0);
}

static void (*const arrive[])(struct message *m) = {
	[REQ] = arrive_req, [REP] = arrive_rep,	  [RTU] = arrive_rtu,
	[REJ] = arrive_rej, [DREQ] = arrive_dreq, [DREP] = arrive_drep,
};

bool fk_cm_step(void)
{
	struct message *m = on_wire;

	if (!m || fv_cm_cut)
		return false;
	/* an answer to nobody is lost; nothing comes to a device that is gone */
	if (!fk.dev[m->device].removed &&
	    (m->to || m->word == REQ || m->word == DREQ))
		arrive[m->word](m);
	free_word(&on_wire);
	return true;
}

/* ---------------------------------------------------------- what a test asks */

unsigned int fv_words(void)
{
	unsigned int n = 0;

	fk_lock();
	for (struct message *m = on_wire; m; m = m->next)
		n++;
	fk_unlock();
	return n;
}

void fv_drop_word(void)
{
	fk_lock();
	ck_assert_ptr_nonnull(on_wire);
	free_word(&on_wire);
	fk_unlock();
}

struct rdma_cm_id *fv_newest_id(unsigned int device)
{
	struct id *id;

	fk_lock();
	for (id = ids; id && (id->state < ID_REQ_SENT || !device_of(id) ||
			      device_of(id)->index != device);
	     id = id->next)
		;
	fk_unlock();
	return id ? &id->id : NULL;
}

void fv_cm_timeout(struct rdma_cm_id *rdma)
{
	struct id *id = id_of(rdma);

	fk_lock();
	ck_assert(id->state == ID_REQ_SENT || id->state == ID_REP_SENT ||
		  id->state == ID_DREQ_SENT);
	if (id->state == ID_DREQ_SENT)
		raise_end(id, -ETIMEDOUT);
	else
		raise_event(id, RDMA_CM_EVENT_UNREACHABLE, -ETIMEDOUT);
	id->state = ID_OVER;
	fk_unlock();
}

void fk_cm_device_removal(struct fk_device *dev)
{
	for (struct id *id = ids; id; id = id->next)
		if (device_of(id) == dev)
			raise_event(id, RDMA_CM_EVENT_DEVICE_REMOVAL, 0);
}
