// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * test_verbs_cm.c - connections of the verbs backend: the words, their data,
 * their order
 */
#include "verbs_rig.h"

/* The words come in this order in a host's log, others between them */
static void assert_order(unsigned int host, const char *const words[])
{
	const char *log = fv_log(host), *at = log;

	for (; *words; words++) {
		at = strstr(at, *words);
		ck_assert_msg(at, "no %s in its place: %s", *words, log);
		at += strlen(*words);
	}
}

#define ORDER(host, ...) \
	assert_order(host, (const char *const[]){ __VA_ARGS__, NULL })

static unsigned int count_word(unsigned int host, const char *word)
{
	unsigned int n = 0;

	for (const char *p = fv_log(host); (p = strstr(p, word)); p++)
		n++;
	return n;
}

static void fill(unsigned int host, uint64_t off, size_t length, uint8_t seed)
{
	for (size_t i = 0; i < length; i++)
		rig.host[host].mem[off + i] = (uint8_t)(seed + i * 13);
}

static bool is_filled(unsigned int host, uint64_t off, size_t length,
		      uint8_t seed)
{
	for (size_t i = 0; i < length; i++)
		if (rig.host[host].mem[off + i] != (uint8_t)(seed + i * 13))
			return false;
	return true;
}

/* ------------------------------------------------------------------ the life */

static void talk(struct rig_pair *p)
{
	struct be_qp *a = p->a->qp, *b = p->b->qp;

	fill(0, 0x1000, 5000, 3);
	fill(1, 0x1000, 300, 77);
	rig_post_receive(b, 0x8000, 8192);
	rig_post_receive(a, 0x8000, 8192);
	rig_post(a, VIRTIO_RDMA_OP_SEND, 0x1000, 5000, 0);
	rig_post(b, VIRTIO_RDMA_OP_SEND, 0x1000, 300, 0);
	rig_post(a, VIRTIO_RDMA_OP_WRITE, 0x1000, 5000, 0x20000);
	rig_post(a, VIRTIO_RDMA_OP_READ, 0x30000, 300, 0x1000);
	rig_settle();
	ck_assert_uint_eq(b->rq.wr[0].received, 5000);
	ck_assert(is_filled(1, 0x8000, 5000, 3));
	ck_assert_uint_eq(a->rq.wr[0].received, 300);
	ck_assert(is_filled(0, 0x8000, 300, 77));
	ck_assert(is_filled(1, 0x20000, 5000, 3));
	ck_assert(is_filled(0, 0x30000, 300, 77));
	ck_assert_uint_eq(a->sq.ended, 3);
	ck_assert_uint_eq(b->sq.ended, 1);
	ck_assert(!a->failing && !b->failing);
}

START_TEST(a_life)
{
	struct rig_pair p;

	rig_start_both();
	p = rig_pair(RIG_WINDOW);
	talk(&p);
	rig_part(&p);
	ck_assert_uint_eq(p.a->aborted + p.b->aborted, 0);
	ORDER(0, "REQ", "RTU", "DREQ", "ERR", "destroy", "stopped");
	ORDER(1, "REP", "disconnected", "DREP", "ERR", "destroy", "stopped");
	ck_assert_uint_eq(count_word(0, "DREQ"), 1);
	ck_assert_uint_eq(count_word(1, "DREP"), 1);
	ck_assert_uint_eq(count_word(1, "DREQ"), 0);
}
END_TEST

START_TEST(a_life_over_ipv6)
{
	struct be_addr from = rig_addr(0, true, 0);
	struct be_addr to = rig_addr(1, true, RIG_PORT);
	struct be_private none = rig_private(0);
	struct rig_pair p;

	ck_assert_int_eq(rig_start(0), 0);
	ck_assert_int_eq(rig_start(1), 0);
	ck_assert_int_eq(rig_start_memory(0), 0);
	ck_assert_int_eq(rig_start_memory(1), 0);
	ck_assert_int_eq(rig_listen(1, true), 0);
	p.a = rig_connect_to(rig_qp(0, RIG_WINDOW), &from, &to, &none);
	rig_settle();
	p.b = rig.host[1].newest;
	ck_assert(be_addr_equal(&p.b->request.local, &to));
	from.port = p.b->request.peer.port;
	ck_assert(from.port && be_addr_equal(&p.b->request.peer, &from));
	ck_assert_int_eq(rig_accept(p.b, rig_qp(1, RIG_WINDOW), &none), 0);
	rig_settle();
	ck_assert_int_eq(rig_complete(p.a), 0);
	rig_settle();
	rig_attach(p.b);
	talk(&p);
	rig_part(&p);
}
END_TEST

START_TEST(requests_before_the_peer_is_attached_wait)
{
	struct be_private none = rig_private(0);
	struct rig_pair p;

	rig_start_both();
	p.a = rig_connect(rig_qp(0, RIG_WINDOW), &none);
	rig_settle();
	p.b = rig.host[1].newest;
	ck_assert_int_eq(rig_accept(p.b, rig_qp(1, RIG_WINDOW), &none), 0);
	rig_settle();
	ck_assert_int_eq(rig_complete(p.a), 0);
	fill(0, 0, 100, 1);
	rig_post(p.a->qp, VIRTIO_RDMA_OP_SEND, 0, 100, 0);
	rig_settle();
	ck_assert_uint_eq(p.a->qp->sq.ended, 0);
	rig_attach(p.b);
	rig_post_receive(p.b->qp, 0x1000, 100);
	rig_settle();
	rig_assert_ended(&p.a->qp->sq, 0, VIRTIO_RDMA_WC_SUCCESS);
	ck_assert(is_filled(1, 0x1000, 100, 1));
	rig_part(&p);
}
END_TEST

/* ------------------------------------------------------------- private data */

static void assert_private(const struct be_private *is, size_t length)
{
	struct be_private want = rig_private(length);

	ck_assert_uint_eq(is->length, length);
	ck_assert_int_eq(memcmp(is->data, want.data, length), 0);
}

/* Each length there is, in REQ and REP, and in REJ of either side */
START_TEST(private_data_has_its_length)
{
	const uint32_t caller = PRIVATE_REQ - PRIVATE_TRAILER;
	const uint32_t callee = PRIVATE_REJ - PRIVATE_TRAILER;

	rig_start_both();
	ck_assert_uint_eq(rig.host[0].be->limits.caller_data, caller);
	ck_assert_uint_eq(rig.host[0].be->limits.callee_data, callee);
	for (size_t n = 0; n <= callee; n++) {
		struct be_private up = rig_private(n < caller ? n : caller);
		struct be_private down = rig_private(n);
		struct rig_conn *a, *b;

		a = rig_connect(rig_qp(0, 4), &up);
		rig_settle();
		b = rig.host[1].newest;
		assert_private(&b->priv, up.length);
		if (n % 3 == 0) {
			ck_assert_int_eq(rig.host[1].be->reject(b->conn, &down),
					 0);
			rig_settle();
			ck_assert_uint_eq(a->rejected, 1);
			assert_private(&a->priv, n);
		} else {
			ck_assert_int_eq(rig_accept(b, rig_qp(1, 4), &down), 0);
			rig_settle();
			ck_assert_uint_eq(a->accepted, 1);
			assert_private(&a->priv, n);
		}
		if (n % 3 == 1) {
			ck_assert_int_eq(rig.host[0].be->reject(a->conn, &down),
					 0);
			rig_settle();
			ck_assert_uint_eq(b->rejected, 1);
			assert_private(&b->priv, n);
		}
		rig_down();
		rig_start_both();
	}
}
END_TEST

/* What looks like our trailer and is none is a stranger's data */
START_TEST(trailers_that_are_none)
{
	static const struct {
		uint8_t trailer[PRIVATE_TRAILER];
		uint8_t before;		/* the byte before it */
		uint16_t want;
	} rows[] = {
		{ { 0xd7, 1, 0, 52 }, 9, 52 },
		{ { 0xd7, 1, 0, 51 }, 0, 51 },
		{ { 0xd7, 1, 0, 51 }, 9, 56 },	/* not padded with zeros */
		{ { 0xd7, 1, 0, 53 }, 0, 56 },	/* longer than there is room */
		{ { 0xd7, 1, 0xff, 0xff }, 0, 56 },
		{ { 0xd7, 2, 0, 52 }, 0, 56 },
		{ { 0xd6, 1, 0, 52 }, 0, 56 },
		{ { 0, 0, 0, 0 }, 0, 56 },
	};
	uint8_t data[PRIVATE_REQ];
	struct be_private got;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		memset(data, 7, sizeof(data));
		data[51] = rows[i].before;
		memcpy(data + 52, rows[i].trailer, PRIVATE_TRAILER);
		private_get(&got, data, sizeof(data));
		ck_assert_uint_eq(got.length, rows[i].want);
		ck_assert_int_eq(memcmp(got.data, data, got.length), 0);
	}
	for (size_t n = 0; n < PRIVATE_TRAILER; n++) {
		private_get(&got, data, n);
		ck_assert_uint_eq(got.length, n);
	}
	private_get(&got, NULL, 10);
	ck_assert_uint_eq(got.length, 0);
}
END_TEST

/* A manager's user that is not ours, at host 1: no backend there */
struct stranger {
	struct rdma_event_channel *channel;
	struct rdma_cm_id *listen, *id;
	struct ibv_context *ctx;
	struct ibv_pd *pd;
	struct ibv_cq *cq;
	struct ibv_qp *qp;
	struct rdma_cm_event *ev;
};

static void stranger_open(struct stranger *s)
{
	struct ibv_device **list = ibv_get_device_list(NULL);

	memset(s, 0, sizeof(*s));
	s->ctx = ibv_open_device(list[1]);
	ibv_free_device_list(list);
	s->pd = ibv_alloc_pd(s->ctx);
	s->cq = ibv_create_cq(s->ctx, 16, NULL, NULL, 0);
	s->channel = rdma_create_event_channel();
}

static void stranger_close(struct stranger *s)
{
	if (s->id)
		rdma_destroy_id(s->id);
	if (s->listen)
		rdma_destroy_id(s->listen);
	rdma_destroy_event_channel(s->channel);
	if (s->qp)
		ibv_destroy_qp(s->qp);
	ibv_destroy_cq(s->cq);
	ibv_dealloc_pd(s->pd);
	ibv_close_device(s->ctx);
}

static void stranger_event(struct stranger *s, enum rdma_cm_event_type type)
{
	rig_settle();
	ck_assert_int_eq(rdma_get_cm_event(s->channel, &s->ev), 0);
	ck_assert_int_eq(s->ev->event, type);
}

START_TEST(a_stranger_without_trailer)
{
	static const uint8_t hello[] = "hello, I am not vRDMA";
	struct be_addr from = rig_addr(0, false, 0);
	struct be_addr to = rig_addr(1, false, RIG_PORT);
	struct be_private priv = rig_private(9);
	struct rdma_conn_param param = { .private_data = hello,
					 .private_data_len = sizeof(hello) };
	struct sockaddr_storage sa;
	struct rig_conn *c;
	struct stranger s;

	ck_assert_int_eq(rig_start(0), 0);
	ck_assert_int_eq(rig_start_memory(0), 0);
	stranger_open(&s);
	addr_to_sockaddr(&to, &sa);
	ck_assert_int_eq(rdma_create_id(s.channel, &s.listen, NULL, RDMA_PS_TCP),
			 0);
	ck_assert_int_eq(rdma_bind_addr(s.listen, (struct sockaddr *)&sa), 0);
	ck_assert_int_eq(rdma_listen(s.listen, 1), 0);
	c = rig_connect_to(rig_qp(0, 4), &from, &to, &priv);
	stranger_event(&s, RDMA_CM_EVENT_CONNECT_REQUEST);
	/* it finds the data where it always is */
	ck_assert_uint_eq(s.ev->param.conn.private_data_len, PRIVATE_REQ);
	ck_assert_int_eq(memcmp(s.ev->param.conn.private_data, priv.data, 9), 0);
	s.id = s.ev->id;
	rdma_ack_cm_event(s.ev);
	param.qp_num = 1;
	ck_assert_int_eq(rdma_accept(s.id, &param), 0);
	rig_settle();
	ck_assert_uint_eq(c->accepted, 1);
	ck_assert_uint_eq(c->priv.length, PRIVATE_REP);
	ck_assert_int_eq(memcmp(c->priv.data, hello, sizeof(hello)), 0);
	ck_assert_uint_eq(c->priv.data[sizeof(hello)], 0);
	ck_assert_int_eq(rig_complete(c), 0);
	stranger_event(&s, RDMA_CM_EVENT_ESTABLISHED);
	rdma_ack_cm_event(s.ev);
	/* one that does not answer a DREQ, and dies */
	ck_assert_int_eq(rig_disconnect(c), 0);
	rig_stop(c->qp);
	stranger_event(&s, RDMA_CM_EVENT_DISCONNECTED);
	rdma_ack_cm_event(s.ev);
	ck_assert_uint_eq(c->disconnected, 0);
	rdma_destroy_id(s.id);
	s.id = NULL;
	rig_settle();
	ck_assert_uint_eq(c->disconnected, 1);
	rig_end(c);
	stranger_close(&s);
}
END_TEST

/* ------------------------------------------------------------------ refusals */

START_TEST(nobody_listens)
{
	struct be_private none = rig_private(0);
	struct rig_conn *c;

	rig_start_both();
	rig.host[1].be->unlisten(rig.host[1].listener);
	rig.host[1].listener = NULL;
	rig_settle();
	c = rig_connect(rig_qp(0, 4), &none);
	rig_settle();
	ck_assert_uint_eq(c->rejected, 1);
	ck_assert_uint_eq(c->priv.length, 0);
}
END_TEST

START_TEST(the_model_refuses)
{
	struct be_private none = rig_private(0);
	struct rig_conn *c;

	rig_start_both();
	rig.host[1].refuse = true;
	c = rig_connect(rig_qp(0, 4), &none);
	rig_settle();
	ck_assert_uint_eq(c->rejected, 1);
	ck_assert_uint_eq(c->priv.length, 0);
	ck_assert_uint_eq(count_word(1, "REJ"), 1);
}
END_TEST

START_TEST(a_request_meets_the_end_of_its_listener)
{
	struct be_private none = rig_private(0);
	struct rig_conn *c;

	rig_start_both();
	rig.wire_off = true;
	c = rig_connect(rig_qp(0, 4), &none);
	rig_settle();
	ck_assert_uint_eq(fv_words(), 1);
	fv_step();	/* the REQ is there, and nobody has looked */
	rig.host[1].be->unlisten(rig.host[1].listener);
	rig.host[1].listener = NULL;
	rig.wire_off = false;
	rig_settle();
	ck_assert_ptr_null(rig.host[1].newest);
	ck_assert_uint_eq(c->rejected, 1);
}
END_TEST

static void assert_listen(const struct be_addr *a, int want, const char *why)
{
	struct be_listener *l = NULL;

	ck_assert_int_eq(rig.host[0].be->listen(rig.host[0].be, a, 1,
						&rig.host[0], &l), want);
	ck_assert(!why || rig_warned(why));
}

START_TEST(addresses_that_are_not_the_devices)
{
	struct be_addr other = rig_addr(8, false, 1), none = rig_addr(40, false, 1);
	struct be_addr to = rig_addr(1, false, RIG_PORT);
	struct be_private priv = rig_private(0);
	struct rig_conn *c;

	rig_start_both();
	assert_listen(&other, -ENETUNREACH, "other0");
	assert_listen(&none, -ENETUNREACH, "address must be one of fake0's");
	other.port = none.port = 0;
	c = rig_connect_to(rig_qp(0, 4), &none, &to, &priv);
	ck_assert_int_eq(c->err, -ENETUNREACH);
	c = rig_connect_to(rig_qp(0, 4), &other, &to, &priv);
	rig_settle();
	ck_assert_int_eq(c->err, -ENETUNREACH);
	ck_assert(rig_warned("other0"));
	/* a peer that is nowhere */
	to = rig_addr(40, false, RIG_PORT);
	other = rig_addr(0, false, 0);
	c = rig_connect_to(rig_qp(0, 4), &other, &to, &priv);
	rig_settle();
	ck_assert_int_eq(c->err, -EHOSTUNREACH);
}
END_TEST

START_TEST(an_address_in_use)
{
	struct be_addr at = rig_addr(0, false, 99);
	struct be_addr to = rig_addr(1, false, RIG_PORT);
	struct be_private none = rig_private(0);
	struct be_listener *l, *again = NULL;
	struct backend *be;

	rig_start_both();
	be = rig.host[0].be;
	ck_assert_int_eq(be->listen(be, &at, 1, &rig.host[0], &l), 0);
	ck_assert_int_eq(be->listen(be, &at, 1, &rig.host[0], &again),
			 -EADDRINUSE);
	ck_assert_int_eq(rig_connect_to(rig_qp(0, 4), &at, &to, &none)->err,
			 -EADDRINUSE);
	be->unlisten(l);
	rig_settle();
	ck_assert_int_eq(be->listen(be, &at, 1, &rig.host[0], &l), 0);
	be->unlisten(l);
}
END_TEST

/* Connections from a reserved end point are bound beside it, and beside one
 * another; nobody else is */
START_TEST(a_shared_end_point)
{
	struct be_addr at = rig_addr(0, false, 99);
	struct be_addr to = rig_addr(1, false, RIG_PORT);
	struct be_private none = rig_private(0);
	struct be_reserved *r = NULL;
	struct be_listener *l = NULL;
	struct rig_conn *a[2];
	struct backend *be;

	rig_start_both();
	be = rig.host[0].be;
	ck_assert(be->features & VIRTIO_RDMA_FEATURE(SHARED_ENDPOINT));
	ck_assert_int_eq(be->reserve(be, &at, &r), 0);
	ck_assert_int_eq(be->listen(be, &at, 1, &rig.host[0], &l), -EADDRINUSE);
	ck_assert_int_eq(rig_connect_to(rig_qp(0, 4), &at, &to, &none)->err,
			 -EADDRINUSE);
	rig.shared = true;
	for (int i = 0; i < 2; i++) {
		a[i] = rig_connect_to(rig_qp(0, 4), &at, &to, &none);
		ck_assert_int_eq(a[i]->err, 0);
		rig_settle();
		ck_assert_uint_eq(rig.host[1].newest->request.peer.port, 99);
		ck_assert_int_eq(rig_accept(rig.host[1].newest, rig_qp(1, 4),
					    &none), 0);
		rig_settle();
		ck_assert_uint_eq(a[i]->accepted, 1);
	}
	/* it goes, they stay */
	be->unreserve(r);
	rig_settle();
	for (int i = 0; i < 2; i++)
		ck_assert_int_eq(rig_complete(a[i]), 0);
	ck_assert_int_eq(be->listen(be, &at, 1, &rig.host[0], &l), -EADDRINUSE);
}
END_TEST

START_TEST(no_shared_end_point)
{
	static const struct {
		unsigned int who; /* of the addresses */
		enum fv_call call;
		int err, want;
	} t[] = {
		{ 0, FV_rdma_create_id, EMFILE, -ENOMEM },
		{ 0, FV_rdma_set_option, EIO, -EADDRNOTAVAIL },
		{ 0, FV_rdma_bind_addr, EADDRINUSE, -EADDRINUSE },
		{ 0, FV_rdma_bind_addr, ENODEV, -EADDRNOTAVAIL },
		{ 0, FV_calloc, ENOMEM, -ENOMEM },
		{ 8, FV_CALLS, 0, -EADDRNOTAVAIL },
		{ 40, FV_CALLS, 0, -EADDRNOTAVAIL },
	};
	struct be_reserved *r = NULL;
	struct backend *be;

	rig_start_both();
	be = rig.host[0].be;
	for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		struct be_addr at = rig_addr(t[i].who, false, 99);

		if (t[i].call != FV_CALLS)
			fv_fail(t[i].call, 1, t[i].err);
		ck_assert_int_eq(be->reserve(be, &at, &r), t[i].want);
		ck_assert_ptr_null(r);
	}
	/* and a connection that cannot share says so, and leaves nothing */
	rig.shared = true;
	fv_fail(FV_rdma_set_option, 1, ENOMEM);
	{
		struct be_private none = rig_private(0);

		ck_assert_int_eq(rig_connect(rig_qp(0, 4), &none)->err,
				 -ENOMEM);
	}
}
END_TEST

/* The device goes with all that holds it; what was reserved is given back after */
START_TEST(a_shared_end_point_without_device)
{
	struct be_addr at = rig_addr(0, false, 99);
	struct be_reserved *before = NULL, *after = NULL;
	struct backend *be;

	rig_start_both();
	be = rig.host[0].be;
	ck_assert_int_eq(be->reserve(be, &at, &before), 0);
	fv_device_removal(0);
	rig_settle();
	ck_assert_int_eq(be->reserve(be, &at, &after), 0);
	be->unreserve(before);
	be->unreserve(after);
	rig_settle();
}
END_TEST

START_TEST(a_peer_that_never_answers)
{
	struct be_private none = rig_private(0);
	struct rig_conn *c;

	rig_start_both();
	fv_cm_cut = true;
	c = rig_connect(rig_qp(0, 4), &none);
	rig_settle();
	fv_drop_word();
	fv_cm_timeout(fv_newest_id(0));
	rig_settle();
	ck_assert_uint_eq(c->unreachable, 1);
	ck_assert_int_eq(c->err, -ETIMEDOUT);
}
END_TEST

START_TEST(a_lost_rtu)
{
	struct be_private none = rig_private(0);
	struct rig_pair p;

	rig_start_both();
	p.a = rig_connect(rig_qp(0, 4), &none);
	rig_settle();
	p.b = rig.host[1].newest;
	ck_assert_int_eq(rig_accept(p.b, rig_qp(1, 4), &none), 0);
	rig_settle();
	fv_cm_cut = true;
	ck_assert_int_eq(rig_complete(p.a), 0);
	fv_drop_word();
	fv_cm_cut = false;
	rig_settle();
	ck_assert_uint_eq(p.b->established, 0);
	if (_i) {
		/* data that came stands for it */
		fv_qp_event(fv_newest_qp(1), IBV_EVENT_COMM_EST);
		rig_settle();
		ck_assert_uint_eq(p.b->established, 1);
		rig_attach(p.b);
		rig_part(&p);
	} else {
		fv_cm_timeout(fv_newest_id(1));
		rig_settle();
		ck_assert_uint_eq(p.b->aborted, 1);
		ck_assert_int_eq(p.b->reason, VIRTIO_RDMA_R_TIMED_OUT);
	}
}
END_TEST

/* --------------------------------------------------------------------- ends */

START_TEST(both_disconnect_at_once)
{
	struct rig_pair p;

	rig_start_both();
	p = rig_pair(4);
	rig.wire_off = true;
	ck_assert_int_eq(rig_disconnect(p.a), 0);
	ck_assert_int_eq(rig_disconnect(p.b), 0);
	rig_stop(p.a->qp);
	rig_stop(p.b->qp);
	rig_settle();
	ck_assert_uint_eq(fv_words(), 2);
	ck_assert_uint_eq(p.a->disconnected + p.b->disconnected, 0);
	rig.wire_off = false;
	rig_settle();
	ck_assert_uint_eq(p.a->disconnected, 1);
	ck_assert_uint_eq(p.b->disconnected, 1);
	ck_assert(p.a->qp->stopped && p.b->qp->stopped);
	rig_end(p.a);
	rig_end(p.b);
	ck_assert_uint_eq(count_word(0, "DREQ"), 1);
	ck_assert_uint_eq(count_word(1, "DREQ"), 1);
	ck_assert_uint_eq(p.a->aborted + p.b->aborted, 0);
}
END_TEST

/* The active side completed, and disconnects before its RTU has arrived */
START_TEST(disconnected_before_established)
{
	struct be_private none = rig_private(0);
	struct rig_pair p;

	rig_start_both();
	p.a = rig_connect(rig_qp(0, 4), &none);
	rig_settle();
	p.b = rig.host[1].newest;
	ck_assert_int_eq(rig_accept(p.b, rig_qp(1, 4), &none), 0);
	rig_settle();
	fv_cm_cut = true;
	ck_assert_int_eq(rig_complete(p.a), 0);
	fv_drop_word();
	ck_assert_int_eq(rig_disconnect(p.a), 0);
	rig_stop(p.a->qp);
	fv_cm_cut = false;
	rig_settle();
	ck_assert_uint_eq(p.b->established, 0);
	ck_assert_uint_eq(p.b->disconnected, 1);
	ck_assert_int_eq(rig_disconnect(p.b), 0);
	rig_settle();
	ck_assert_uint_eq(p.a->disconnected, 1);
}
END_TEST

/* The model's consumer closed; the wire has one word for each end */
START_TEST(a_close_says_dreq)
{
	struct rig_pair p;

	rig_start_both();
	p = rig_pair(4);
	rig_end(p.a);
	ck_assert_uint_eq(p.b->disconnected, 1);
	ck_assert_uint_eq(count_word(0, "DREQ"), 1);
	ORDER(0, "destroy", "DREQ");
	rig_end(p.b);
}
END_TEST

/* abort() at each step of the setting up: the other side hears one end */
START_TEST(closed_during_setup)
{
	struct be_private none = rig_private(0);
	struct rig_conn *a, *b;

	rig_start_both();
	a = rig_connect(rig_qp(0, 4), &none);
	if (_i == 0) {
		rig_abort(a);
		rig_settle();
		ck_assert_ptr_null(rig.host[1].newest);
		return;
	}
	rig_settle();
	b = rig.host[1].newest;
	if (_i == 1) {
		rig_abort(a);	/* the manager tells b when it answers */
		rig_settle();
		return;
	}
	if (_i == 2) {
		rig_abort(b);
		rig_settle();
		ck_assert_uint_eq(a->rejected, 1);
		ck_assert_uint_eq(a->priv.length, 0);
		return;
	}
	ck_assert_int_eq(rig_accept(b, rig_qp(1, 4), &none), 0);
	rig_settle();
	rig_abort(_i == 3 ? a : b);
	rig_settle();
	if (_i == 3)
		ck_assert_uint_eq(b->rejected, 1);
	else
		ck_assert_uint_eq(a->aborted, 1);
}
END_TEST

START_TEST(no_answer_to_dreq)
{
	struct rig_pair p;

	rig_start_both();
	p = rig_pair(4);
	fv_cm_cut = true;
	ck_assert_int_eq(rig_disconnect(p.a), 0);
	rig_stop(p.a->qp);
	rig_settle();
	ck_assert(p.a->qp->stopped);
	ck_assert_uint_eq(p.a->disconnected, 0);
	fv_cm_timeout(fv_newest_id(0));
	rig_settle();
	ck_assert_uint_eq(p.a->disconnected, 0);
	ck_assert_uint_eq(p.a->aborted, 1);
	ck_assert_int_eq(p.a->reason, VIRTIO_RDMA_R_TIMED_OUT);
}
END_TEST

int main(void)
{
	const struct rig_test tests[] = {
		{ "life", a_life, 1 },
		{ "life6", a_life_over_ipv6, 1 },
		{ "attach", requests_before_the_peer_is_attached_wait, 1 },
		{ "private", private_data_has_its_length, 1 },
		{ "trailer", trailers_that_are_none, 1 },
		{ "stranger", a_stranger_without_trailer, 1 },
		{ "nobody", nobody_listens, 1 },
		{ "refuse", the_model_refuses, 1 },
		{ "unlisten", a_request_meets_the_end_of_its_listener, 1 },
		{ "address", addresses_that_are_not_the_devices, 1 },
		{ "in use", an_address_in_use, 1 },
		{ "shared", a_shared_end_point, 1 },
		{ "not shared", no_shared_end_point, 1 },
		{ "shared, gone", a_shared_end_point_without_device, 1 },
		{ "silence", a_peer_that_never_answers, 1 },
		{ "rtu", a_lost_rtu, 2 },
		{ "cross", both_disconnect_at_once, 1 },
		{ "early", disconnected_before_established, 1 },
		{ "close", a_close_says_dreq, 1 },
		{ "setup", closed_during_setup, 5 },
		{ "dreq", no_answer_to_dreq, 1 },
	};

	return rig_run_tests("verbs_cm", tests, sizeof(tests) / sizeof(tests[0]));
}
