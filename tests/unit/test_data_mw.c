/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test_data_mw.c - memory windows: what a BIND may ask for, what a window gives
 * to the peer and until when, send with invalidate, and a fabric whose device
 * does the binding
 */
#include <errno.h>

#include "data_rig.h"
#include "suite.h"

static struct rig r;

/* Guest b has the windows, guest a is the peer that uses them */
static void setup(void)
{
	rig_features = VIRTIO_RDMA_FEATURES;
	rig_start(&r, 50);
	rig_connect(&r);
}

static void teardown(void)
{
	rig_end(&r);
}

#define OK		VIRTIO_RDMA_WC_SUCCESS
#define REQUEST		VIRTIO_RDMA_WC_LOCAL_REQUEST
#define PROTECTION	VIRTIO_RDMA_WC_LOCAL_PROTECTION
#define REMOTE		VIRTIO_RDMA_WC_REMOTE_ACCESS
#define S(x)		VIRTIO_RDMA_S_##x
#define RR		VIRTIO_RDMA_ACCESS_REMOTE_READ
#define RW		VIRTIO_RDMA_ACCESS_REMOTE_WRITE
#define WIN_OFF		8192u
#define WIN_LEN		4096u

struct window {
	uint32_t handle;
	uint32_t token;		/* CREATE_MW's, or of the last bind */
};

static struct rig_answer create_in(struct rig_guest *x, uint32_t pd,
				   struct window *w)
{
	struct command cmd = { 0 };
	struct rig_answer a;

	cmd.req.create_mw.pd = pd;
	a = rig_command(&r, x, cmd_create_mw, &cmd);
	w->handle = a.handle;
	w->token = cmd.rsp.create_mw.token;
	return a;
}

static struct window create(void)
{
	struct window w;

	ck_assert_uint_eq(create_in(&r.b, r.b.pd, &w).status, S(OK));
	return w;
}

static uint32_t next_key(uint32_t token)
{
	return (token & ~VIRTIO_RDMA_TOKEN_KEY) |
	       ((token + 1) & VIRTIO_RDMA_TOKEN_KEY);
}

static struct virtio_rdma_bind bind_body(const struct window *w)
{
	return (struct virtio_rdma_bind){
		.addr = rig_data(WIN_OFF), .length = WIN_LEN,
		.mw = w->handle, .token = r.b.local, .access = RR | RW,
	};
}

static void post_bind(uint64_t id, struct window *w,
		      const struct virtio_rdma_bind *body)
{
	struct virtio_rdma_send_wqe e = {
		.wr_id = id, .opcode = VIRTIO_RDMA_OP_BIND,
		.remote_token = next_key(w->token),
	};

	w->token = e.remote_token;
	rig_post_raw(&r, &r.b, &e, body, sizeof(*body));
}

static void bind_as(struct window *w, uint32_t access)
{
	struct virtio_rdma_bind body = bind_body(w);
	struct virtio_rdma_cqe c;

	body.access = access;
	post_bind(500, w, &body);
	c = rig_expect(&r, &r.b, 500, OK);
	ck_assert_uint_eq(c.opcode, VIRTIO_RDMA_OP_BIND);
	ck_assert_uint_eq(c.length, 0);
	ck_assert_uint_eq(c.token, 0);
}

static void post_invalidate(uint64_t id, uint32_t token)
{
	struct virtio_rdma_send_wqe e = {
		.wr_id = id, .opcode = VIRTIO_RDMA_OP_INVALIDATE,
		.remote_token = token,
	};

	rig_post_raw(&r, &r.b, &e, NULL, 0);
}

static void invalidate(uint32_t token, uint8_t status)
{
	post_invalidate(501, token);
	ck_assert_uint_eq(rig_expect(&r, &r.b, 501, status).opcode,
			  VIRTIO_RDMA_OP_INVALIDATE);
}

/* The peer's access to the window's range */
static void access_as(uint8_t opcode, uint64_t off, uint32_t len,
		      uint32_t token, uint8_t status)
{
	rig_post(&r, &r.a, 600, opcode, 0, 0, len, rig_data(off), token);
	rig_expect(&r, &r.a, 600, status);
}

static enum virtio_rdma_status deregister(uint32_t token)
{
	return rig_simple(&r, &r.b, cmd_deregister_mr, token).status;
}

static enum virtio_rdma_status destroy(const struct window *w)
{
	return rig_simple(&r, &r.b, cmd_destroy_mw, w->handle).status;
}

/* ----------------------------------------------------------------- binding */

START_TEST(test_bind)
{
	struct window w = create();
	uint32_t first = w.token;

	ck_assert_uint_ne(first >> 8, 0);
	memset(r.a.mem + RIG_DATA, 0x77, WIN_LEN);
	bind_as(&w, RR | RW);
	ck_assert_uint_eq(w.token >> 8, first >> 8);
	ck_assert_uint_ne(w.token, first);
	access_as(VIRTIO_RDMA_OP_WRITE, WIN_OFF, WIN_LEN, w.token, OK);
	ck_assert_mem_eq(r.b.mem + RIG_DATA + WIN_OFF, r.a.mem + RIG_DATA,
			 WIN_LEN);
	ck_assert_uint_eq(r.b.mem[RIG_DATA + WIN_OFF - 1], 0);
	ck_assert_uint_eq(r.b.mem[RIG_DATA + WIN_OFF + WIN_LEN], 0);
	r.b.mem[RIG_DATA + WIN_OFF + WIN_LEN - 1] = 0x5a;
	access_as(VIRTIO_RDMA_OP_READ, WIN_OFF + WIN_LEN - 1, 1, w.token, OK);
	ck_assert_uint_eq(r.a.mem[RIG_DATA], 0x5a);
	/* the region's own token is not touched by any of it */
	access_as(VIRTIO_RDMA_OP_WRITE, 0, 64, r.b.remote, OK);
}
END_TEST

/* The token that a later SEND carries is good when the peer sees it */
START_TEST(test_bind_then_send)
{
	struct window w = create();
	struct virtio_rdma_bind body = bind_body(&w);

	rig_recv(&r, &r.a, 1, 0, 64);
	guest_data_pause(&r.b.g, true);
	post_bind(2, &w, &body);
	rig_post(&r, &r.b, 3, VIRTIO_RDMA_OP_SEND, 0, 0, 16, 0, 0);
	guest_data_pause(&r.b.g, false);
	rig_expect(&r, &r.a, 1, OK);
	access_as(VIRTIO_RDMA_OP_WRITE, WIN_OFF, 64, w.token, OK);
	rig_expect(&r, &r.b, 2, OK);
	rig_expect(&r, &r.b, 3, OK);
}
END_TEST

START_TEST(test_silent)
{
	struct window w = create();
	struct virtio_rdma_bind body = bind_body(&w);
	struct virtio_rdma_send_wqe e = {
		.wr_id = 1, .opcode = VIRTIO_RDMA_OP_BIND,
		.flags = VIRTIO_RDMA_WR_SILENT | VIRTIO_RDMA_WR_READ_FENCE,
		.remote_token = w.token,
	};

	rig_post_raw(&r, &r.b, &e, &body, sizeof(body));
	rig_until(&r, rig_load(&rig_qp_record(&r.b)->sq_head) == 1);
	access_as(VIRTIO_RDMA_OP_READ, WIN_OFF, 64, w.token, OK);
	e.opcode = VIRTIO_RDMA_OP_INVALIDATE;
	rig_post_raw(&r, &r.b, &e, NULL, 0);
	rig_until(&r, rig_load(&rig_qp_record(&r.b)->sq_head) == 2);
	access_as(VIRTIO_RDMA_OP_READ, WIN_OFF, 64, w.token, REMOTE);
}
END_TEST

/* Each thing that a BIND may have wrong */
enum wrong {
	NOTHING, NUM_SGE, INLINE_LENGTH, REMOTE_ADDR, FLAG_INLINE, FLAG_SOLICIT,
	HEAD_RESERVED, RESERVED, NO_ACCESS, LOCAL_RIGHT, UNKNOWN_RIGHT,
	NO_LENGTH, LAST_REQUEST = NO_LENGTH,
	MW_ZERO, MW_BEYOND, MW_DESTROYED, MW_OTHER_PD, MW_IS_A_REGION,
	TOKEN_ZERO, TOKEN_PRIVILEGED, TOKEN_OF_OTHER_WINDOW, TOKEN_OF_REGION,
	MR_ZERO, MR_PRIVILEGED, MR_REMOTE_TOKEN, MR_OTHER_PD, MR_DEREGISTERED,
	BEFORE, BEYOND, LONGER, WRAPS, READ_ONLY_REGION, BOUND_ALREADY, WRONGS
};

struct entry {
	struct virtio_rdma_send_wqe w;
	struct virtio_rdma_bind b;
};

static uint32_t other_region(uint32_t pd, uint32_t access, uint32_t *remote)
{
	struct rig_answer a = rig_register(&r, &r.b, pd, RIG_DATA, 1u << 20,
					   access,
					   rig_pages(&r.b, RIG_DATA, 256, 12, 1),
					   remote);

	ck_assert_uint_eq(a.status, S(OK));
	return a.handle;
}

static void spoil_head(enum wrong how, struct virtio_rdma_send_wqe *w)
{
	struct window other;
	uint32_t remote;

	switch (how) {
	case NUM_SGE: w->num_sge = 1; break;
	case INLINE_LENGTH: w->inline_length = 32; break;
	case REMOTE_ADDR: w->remote_addr = 1; break;
	case FLAG_INLINE: w->flags = VIRTIO_RDMA_WR_INLINE; break;
	case FLAG_SOLICIT: w->flags = VIRTIO_RDMA_WR_SOLICIT; break;
	case HEAD_RESERVED: w->reserved = 1; break;
	case TOKEN_ZERO: w->remote_token = 0; break;
	case TOKEN_PRIVILEGED:
		w->remote_token = VIRTIO_RDMA_TOKEN_PRIVILEGED;
		break;
	case TOKEN_OF_OTHER_WINDOW:
		other = create();
		w->remote_token = other.token;
		break;
	case TOKEN_OF_REGION:
		other_region(r.b.pd, 7, &remote);
		w->remote_token = remote;
		break;
	default: break;
	}
}

static void spoil_window(enum wrong how, struct virtio_rdma_bind *b)
{
	struct window other;

	switch (how) {
	case MW_ZERO: b->mw = 0; break;
	case MW_BEYOND: b->mw |= HANDLE_MAX - 1; break;
	case MW_DESTROYED:
		rig_simple(&r, &r.b, cmd_destroy_mw, b->mw);
		break;
	case MW_OTHER_PD:
		create_in(&r.b, rig_new_pd(&r, &r.b, 0), &other);
		b->mw = other.handle;
		break;
	case MW_IS_A_REGION: b->mw = r.b.local; break;
	default: break;
	}
}

static void spoil_region(enum wrong how, struct virtio_rdma_bind *b)
{
	switch (how) {
	case MR_ZERO: b->token = 0; break;
	case MR_PRIVILEGED: b->token = VIRTIO_RDMA_TOKEN_PRIVILEGED; break;
	case MR_REMOTE_TOKEN: b->token = r.b.remote; break;
	case MR_OTHER_PD:
		b->token = other_region(rig_new_pd(&r, &r.b, 0), 7, NULL);
		break;
	case MR_DEREGISTERED:
		b->token = other_region(r.b.pd, 7, NULL);
		ck_assert_uint_eq(deregister(b->token), S(OK));
		break;
	case BEFORE: b->addr = RIG_DATA - 1; break;
	case BEYOND: b->addr = RIG_MEM; break;
	case LONGER: b->length = RIG_MEM - RIG_DATA - WIN_OFF + 1; break;
	case WRAPS: b->length = UINT64_MAX - 64; break;
	case READ_ONLY_REGION:
		b->token = other_region(r.b.pd, RR, NULL);
		break;
	default: break;
	}
}

static void spoil_body(enum wrong how, struct virtio_rdma_bind *b)
{
	switch (how) {
	case RESERVED: b->reserved = 1; break;
	case NO_ACCESS: b->access = 0; break;
	case LOCAL_RIGHT: b->access |= VIRTIO_RDMA_ACCESS_LOCAL_WRITE; break;
	case UNKNOWN_RIGHT: b->access |= 0x8; break;
	case NO_LENGTH: b->length = 0; break;
	default: break;
	}
}

START_TEST(test_wrong_bind)
{
	enum wrong how = (enum wrong)_i;
	struct window w = create();
	struct entry e = { .b = bind_body(&w) };
	uint8_t want = how == NOTHING ? OK : how <= LAST_REQUEST ? REQUEST :
								   PROTECTION;

	if (how == BOUND_ALREADY)
		bind_as(&w, RR);
	e.w = (struct virtio_rdma_send_wqe){
		.wr_id = 1, .opcode = VIRTIO_RDMA_OP_BIND,
		.remote_token = next_key(w.token),
	};
	spoil_head(how, &e.w);
	spoil_window(how, &e.b);
	spoil_region(how, &e.b);
	spoil_body(how, &e.b);
	rig_post_raw(&r, &r.b, &e.w, &e.b, sizeof(e.b));
	ck_assert_uint_eq(rig_expect(&r, &r.b, 1, want).opcode,
			  VIRTIO_RDMA_OP_BIND);
	rig_settle(&r);
	ck_assert_uint_eq(r.b.qp_failures, want != OK);
	/* a bind that failed holds nothing back */
	if (how != NOTHING && how != BOUND_ALREADY)
		ck_assert_uint_eq(deregister(r.b.local), S(OK));
}
END_TEST

/* A region without remote rights is as good, and reading needs no local write */
START_TEST(test_rights_of_the_region)
{
	struct window w = create();
	struct virtio_rdma_bind body = bind_body(&w);
	uint32_t remote;

	body.token = other_region(r.b.pd, 0, &remote);
	body.access = RR;
	ck_assert_uint_eq(remote, 0);
	post_bind(1, &w, &body);
	rig_expect(&r, &r.b, 1, OK);
	access_as(VIRTIO_RDMA_OP_READ, WIN_OFF, WIN_LEN, w.token, OK);
}
END_TEST

START_TEST(test_wrong_access)
{
	static const struct {
		uint32_t access;
		uint8_t opcode;
		int64_t off;
		uint32_t len, wrong;
	} t[] = {
		{ RR | RW, VIRTIO_RDMA_OP_WRITE, -1, 2, 0 },
		{ RR | RW, VIRTIO_RDMA_OP_WRITE, WIN_LEN - 1, 2, 0 },
		{ RR | RW, VIRTIO_RDMA_OP_READ, WIN_LEN, 1, 0 },
		{ RR | RW, VIRTIO_RDMA_OP_READ, 0, WIN_LEN + 1, 0 },
		{ RR | RW, VIRTIO_RDMA_OP_WRITE, INT64_MIN, 1, 0 },
		{ RR, VIRTIO_RDMA_OP_WRITE, 0, 1, 0 },
		{ RW, VIRTIO_RDMA_OP_READ, 0, 1, 0 },
		{ RR | RW, VIRTIO_RDMA_OP_WRITE, 0, 1, 1 },	/* another key */
		{ RR | RW, VIRTIO_RDMA_OP_WRITE, 0, 1, 0x100 },
	};
	struct window w = create();

	bind_as(&w, t[_i].access);
	memset(r.a.mem + RIG_DATA, 0x99, WIN_LEN + 1);
	access_as(t[_i].opcode, WIN_OFF + (uint64_t)t[_i].off, t[_i].len,
		  w.token ^ t[_i].wrong, REMOTE);
	for (uint32_t i = 0; i < 3 * WIN_LEN; i++)
		ck_assert_uint_eq(r.b.mem[RIG_DATA + WIN_OFF - WIN_LEN + i], 0);
	rig_until(&r, r.b.qp_failures == 1);
	ck_assert_uint_eq(r.b.qp_reason, VIRTIO_RDMA_R_RESET);
}
END_TEST

/* ---------------------------------------------------------- invalidating */

START_TEST(test_invalidate)
{
	struct window w = create();
	uint32_t old;

	bind_as(&w, RR | RW);
	old = w.token;
	access_as(VIRTIO_RDMA_OP_WRITE, WIN_OFF, 64, old, OK);
	invalidate(old, OK);
	bind_as(&w, RR | RW);
	ck_assert_uint_ne(w.token, old);
	access_as(VIRTIO_RDMA_OP_WRITE, WIN_OFF, 64, w.token, OK);
	access_as(VIRTIO_RDMA_OP_WRITE, WIN_OFF, 64, old, REMOTE);
}
END_TEST

/* 0: twice; 1: never bound; 2: a region's; 3: 0; 4: another key of a bound one;
 * 5: elements; 6: an address; 7: a flag */
START_TEST(test_wrong_invalidate)
{
	struct window w = create();
	struct virtio_rdma_send_wqe e = {
		.wr_id = 1, .opcode = VIRTIO_RDMA_OP_INVALIDATE,
		.remote_token = w.token,
	};

	if (_i != 1) {
		bind_as(&w, RR | RW);
		e.remote_token = w.token;
	}
	if (_i == 0)
		invalidate(w.token, OK);
	else if (_i == 2)
		e.remote_token = r.b.remote;
	else if (_i == 3)
		e.remote_token = 0;
	else if (_i == 4)
		e.remote_token = next_key(w.token);
	else if (_i == 5)
		e.num_sge = 1;
	else if (_i == 6)
		e.remote_addr = 1;
	else if (_i == 7)
		e.flags = VIRTIO_RDMA_WR_SOLICIT;
	rig_post_raw(&r, &r.b, &e, NULL, 0);
	rig_expect(&r, &r.b, 1, _i < 5 ? PROTECTION : REQUEST);
	rig_until(&r, r.b.qp_failures == 1);
	if (_i == 2)
		ck_assert_uint_eq(destroy(&w), S(OK));
}
END_TEST

/* Without the feature these are opcodes like any other that does not exist */
START_TEST(test_not_negotiated)
{
	static const uint8_t opcode[] = {
		VIRTIO_RDMA_OP_BIND, VIRTIO_RDMA_OP_INVALIDATE,
		VIRTIO_RDMA_OP_SEND_INVALIDATE,
	};
	struct virtio_rdma_send_wqe e = {
		.wr_id = 1, .opcode = opcode[_i], .remote_token = 0x12345,
	};
	struct virtio_rdma_bind body = { 0 };

	rig_end(&r);
	/* the other's bit does not help */
	rig_features = _i < 2 ? VIRTIO_RDMA_FEATURE(SEND_INVALIDATE) :
				VIRTIO_RDMA_FEATURE(MW);
	rig_start(&r, 50);
	rig_connect(&r);
	rig_post_raw(&r, &r.b, &e, &body, sizeof(body));
	ck_assert_uint_eq(rig_expect(&r, &r.b, 1, REQUEST).opcode, opcode[_i]);
}
END_TEST

/* ------------------------------------------------------ send, invalidate */

static void post_send_invalidate(uint64_t id, uint32_t len, uint32_t token)
{
	rig_post(&r, &r.a, id, VIRTIO_RDMA_OP_SEND_INVALIDATE, 0, 0, len, 0,
		 token);
}

START_TEST(test_send_invalidate)
{
	struct window w = create();
	struct virtio_rdma_cqe c;

	bind_as(&w, RR | RW);
	memset(r.a.mem + RIG_DATA, 0x31, 100);
	rig_recv(&r, &r.b, 1, 0, 200);
	post_send_invalidate(2, 100, w.token);
	c = rig_expect(&r, &r.b, 1, OK);
	ck_assert_uint_eq(c.opcode, VIRTIO_RDMA_OP_RECEIVE_INVALIDATE);
	ck_assert_uint_eq(c.length, 100);
	ck_assert_uint_eq(c.token, w.token);
	c = rig_expect(&r, &r.a, 2, OK);
	ck_assert_uint_eq(c.opcode, VIRTIO_RDMA_OP_SEND_INVALIDATE);
	ck_assert_uint_eq(c.token, 0);
	ck_assert_mem_eq(r.b.mem + RIG_DATA, r.a.mem + RIG_DATA, 100);
	/* a receive after it is a plain one */
	rig_recv(&r, &r.b, 3, 0, 200);
	rig_post(&r, &r.a, 4, VIRTIO_RDMA_OP_SEND, 0, 0, 10, 0, 0);
	c = rig_expect(&r, &r.b, 3, OK);
	ck_assert_uint_eq(c.opcode, VIRTIO_RDMA_OP_RECEIVE);
	ck_assert_uint_eq(c.token, 0);
	rig_expect(&r, &r.a, 4, OK);
	/* unbound: it can be bound anew, and the token of before is nobody's */
	invalidate(w.token, PROTECTION);
}
END_TEST

START_TEST(test_send_invalidate_frees)
{
	struct window w = create();
	uint32_t old;

	bind_as(&w, RR | RW);
	old = w.token;
	ck_assert_uint_eq(deregister(r.b.local), S(BUSY));
	rig_recv(&r, &r.b, 1, 0, 0);
	post_send_invalidate(2, 0, old);
	rig_expect(&r, &r.b, 1, OK);
	rig_expect(&r, &r.a, 2, OK);
	bind_as(&w, RR);
	access_as(VIRTIO_RDMA_OP_READ, WIN_OFF, 8, w.token, OK);
	access_as(VIRTIO_RDMA_OP_READ, WIN_OFF, 8, old, REMOTE);
}
END_TEST

START_TEST(test_send_invalidate_inline)
{
	struct virtio_rdma_send_wqe e = {
		.wr_id = 2, .opcode = VIRTIO_RDMA_OP_SEND_INVALIDATE,
		.flags = VIRTIO_RDMA_WR_INLINE | VIRTIO_RDMA_WR_SOLICIT,
		.inline_length = 7,
	};
	struct window w = create();

	bind_as(&w, RR | RW);
	e.remote_token = w.token;
	rig_recv(&r, &r.b, 1, 0, 64);
	rig_post_raw(&r, &r.a, &e, "sevenby", 7);
	ck_assert_uint_eq(rig_expect(&r, &r.b, 1, OK).token, w.token);
	rig_expect(&r, &r.a, 2, OK);
	ck_assert_mem_eq(r.b.mem + RIG_DATA, "sevenby", 7);
}
END_TEST

static void forget_feature(void *qp)
{
	((struct vr_qp *)qp)->features = VIRTIO_RDMA_FEATURE(MW);
}

/* 0: a region's token; 1: 0; 2: unbound; 3: another key; 4: made up; 5: a
 * driver that would not know what the completion means */
START_TEST(test_wrong_send_invalidate)
{
	struct window w = create();
	uint32_t token = 0xabcdef00;
	struct virtio_rdma_cqe c;

	bind_as(&w, RR | RW);
	if (_i == 0)
		token = r.b.remote;
	else if (_i == 1)
		token = 0;
	else if (_i == 2 || _i == 5)
		token = w.token;
	else if (_i == 3)
		token = next_key(w.token);
	if (_i == 2)
		invalidate(w.token, OK);
	if (_i == 5)
		worker_call(r.worker, forget_feature, rig_qp(&r.b));
	rig_recv(&r, &r.b, 1, 0, 200);
	post_send_invalidate(2, 100, token);
	c = rig_expect(&r, &r.b, 1, PROTECTION);
	ck_assert_uint_eq(c.opcode, VIRTIO_RDMA_OP_RECEIVE);
	rig_expect(&r, &r.a, 2, REMOTE);
	rig_until(&r, r.a.qp_failures && r.b.qp_failures);
	/* what it could not take stays as it was */
	if (_i != 2)
		ck_assert_uint_eq(deregister(r.b.local), S(BUSY));
	ck_assert_uint_eq(destroy(&w), S(OK));
}
END_TEST

/* ------------------------------------------------- accesses in the middle */

enum way { BY_INVALIDATE, BY_DESTROY, BY_QUEUE_PAIR, WAYS };

static struct be_sg *open_sg;
static struct window open_window;
static int piece[2];

/* As a wire's receive path does it: a first piece, and later the rest */
static void begin_access(void *arg)
{
	size_t len;
	void *p;

	(void)arg;
	ck_assert_uint_eq(be_remote_sg(&rig_qp(&r.b)->be, open_window.token,
				       rig_data(WIN_OFF), 64, RW, &open_sg), OK);
	piece[0] = be_sg_next(open_sg, 16, &p, &len);
}

static void go_on(void *arg)
{
	size_t len;
	void *p;

	(void)arg;
	piece[1] = be_sg_next(open_sg, 16, &p, &len);
}

static void forget_qp(void *qp)
{
	mw_forget_qp(qp);
}

static void end_access(void *arg)
{
	(void)arg;
	be_sg_put(open_sg);
}

START_TEST(test_access_in_the_middle)
{
	struct window other = create();
	struct vr_mr *mr = handle_get(&r.b.g.mrs, r.b.local);
	struct vr_qp *qp = rig_qp(&r.b);

	open_window = create();
	bind_as(&open_window, RR | RW);
	bind_as(&other, RR | RW);
	worker_call(r.worker, begin_access, NULL);
	/* another window's end is none of its business */
	invalidate(other.token, OK);
	worker_call(r.worker, go_on, NULL);
	ck_assert_int_eq(piece[0], 1);
	ck_assert_int_eq(piece[1], 1);
	if (_i == BY_INVALIDATE)
		invalidate(open_window.token, OK);
	else if (_i == BY_DESTROY)
		ck_assert_uint_eq(destroy(&open_window), S(OK));
	else
		worker_call(r.worker, forget_qp, qp);
	worker_call(r.worker, go_on, NULL);
	ck_assert_int_eq(piece[1], -EACCES);
	worker_call(r.worker, end_access, NULL);
	ck_assert_uint_eq(qp->remote_free, UINT32_MAX);
	ck_assert_uint_eq(mr->users, _i == BY_QUEUE_PAIR);
	ck_assert_uint_eq(mr->windows, _i == BY_QUEUE_PAIR);
}
END_TEST

/* ------------------------------------------------------------------- order */

START_TEST(test_order_of_the_end)
{
	struct window w = create();

	bind_as(&w, RR | RW);
	ck_assert_uint_eq(deregister(r.b.local), S(BUSY));
	/* the answer changed nothing */
	access_as(VIRTIO_RDMA_OP_WRITE, WIN_OFF, 64, w.token, OK);
	ck_assert_uint_eq(rig_simple(&r, &r.b, cmd_destroy_pd,
				     r.b.pd).status, S(BUSY));
	ck_assert_uint_eq(destroy(&w), S(OK));
	ck_assert_uint_eq(destroy(&w), S(INVALID_HANDLE));
	ck_assert_uint_eq(deregister(r.b.local), S(OK));
	access_as(VIRTIO_RDMA_OP_WRITE, WIN_OFF, 64, w.token, REMOTE);
}
END_TEST

START_TEST(test_invalidate_then_deregister)
{
	struct window w = create();

	bind_as(&w, RR | RW);
	invalidate(w.token, OK);
	ck_assert_uint_eq(deregister(r.b.local), S(OK));
	ck_assert_uint_eq(destroy(&w), S(OK));
}
END_TEST

/* The queue pair ends first: the window is bound, and nobody's */
START_TEST(test_queue_pair_goes)
{
	struct window w = create();
	struct vr_qp *qp = rig_qp(&r.b);

	bind_as(&w, RR | RW);
	ck_assert(qp_stop_now(qp));
	qp_release(qp);
	ck_assert_uint_eq(rig_simple(&r, &r.b, cmd_destroy_qp,
				     r.b.qp).status, S(OK));
	rig_settle(&r);
	ck_assert_uint_eq(r.b.g.data.tokens.used, 1);	/* the region's */
	ck_assert_uint_eq(deregister(r.b.local), S(BUSY));
	ck_assert_uint_eq(destroy(&w), S(OK));
	ck_assert_uint_eq(deregister(r.b.local), S(OK));
}
END_TEST

START_TEST(test_limits)
{
	struct window w[RIG_WINDOWS + 1];
	struct rig_answer a;

	for (uint32_t i = 0; i < RIG_WINDOWS; i++) {
		ck_assert_uint_eq(create_in(&r.b, r.b.pd, &w[i]).status, S(OK));
		for (uint32_t j = 0; j < i; j++)
			ck_assert_uint_ne(w[i].token >> 8, w[j].token >> 8);
		ck_assert_uint_ne(w[i].token >> 8, r.b.remote >> 8);
	}
	a = create_in(&r.b, r.b.pd, &w[RIG_WINDOWS]);
	ck_assert_uint_eq(a.status, S(NO_RESOURCES));
	ck_assert_uint_eq(destroy(&w[3]), S(OK));
	ck_assert_uint_eq(create_in(&r.b, r.b.pd, &w[3]).status, S(OK));
	a = create_in(&r.b, r.b.cq, &w[RIG_WINDOWS]);
	ck_assert_uint_eq(a.status, S(INVALID_HANDLE));
}
END_TEST

/* Everything goes at once, whatever is bound (the teardown counts) */
START_TEST(test_reset)
{
	struct window w[3];

	for (int i = 0; i < 3; i++) {
		w[i] = create();
		bind_as(&w[i], RR);
	}
	invalidate(w[1].token, OK);
}
END_TEST

/* ------------------------------- a fabric whose device does the binding */

static struct be_qp *wire_qp;
static struct be_mw *wire_mw;
static uint32_t wire_creates, wire_destroys;

static void wire_attach(struct be_conn *c, struct be_qp *qp)
{
	(void)c;
	wire_qp = qp;
}

static bool wire_run(struct be_conn *c)
{
	(void)c;
	return false;
}

static bool wire_is_slow;	/* to stop: the test says when */

static void wire_stop(struct be_conn *c)
{
	(void)c;
	if (!wire_is_slow)
		be_qp_stopped(wire_qp);
}

static int wire_pd_create(struct backend *be, struct be_pd **out)
{
	static int any;

	(void)be;
	*out = (struct be_pd *)&any;
	return 0;
}

static void wire_pd_destroy(struct be_pd *pd)
{
	(void)pd;
}

static void wire_mr(struct backend *be, struct be_mr *mr)
{
	(void)be;
	mr->local_key = 0x77;
	mr->remote_key = 0x5500;
	mr->done(mr, 0);
}

static void wire_mw_create(struct backend *be, struct be_mw *mw)
{
	(void)be;
	wire_mw = mw;
	wire_creates++;
}

static void wire_mw_destroy(struct backend *be, struct be_mw *mw)
{
	(void)be;
	wire_mw = mw;
	wire_destroys++;
}

static struct backend wire = {
	.name = "wire",
	.attach = wire_attach, .run = wire_run, .stop = wire_stop,
	.pd_create = wire_pd_create, .pd_destroy = wire_pd_destroy,
	.mr_register = wire_mr, .mr_deregister = wire_mr,
	.mw_create = wire_mw_create, .mw_destroy = wire_mw_destroy,
};

static uint32_t wire_pd;

static void wire_setup(void)
{
	rig_features = VIRTIO_RDMA_FEATURES;
	rig_start(&r, 50);
	r.b.g.fabric = &wire;
	wire_creates = wire_destroys = 0;
	wire_is_slow = false;
	wire_pd = rig_new_pd(&r, &r.b, 0);
}

static void wire_teardown(void)
{
	rig_end(&r);
}

/* A command that waits for the device */
struct slow {
	struct command cmd;
	struct rig_answer answer;
};

static void slow_start(struct slow *s, void (*fn)(struct command *))
{
	s->cmd.guest = &r.b.g;
	s->cmd.priv = &s->answer;
	fn(&s->cmd);
	rig_settle(&r);
}

static void slow_create(struct slow *s)
{
	s->cmd.req.create_mw.pd = wire_pd;
	slow_start(s, cmd_create_mw);
	ck_assert(!s->answer.done);
}

static struct window wire_window(uint32_t key)
{
	struct slow s = { 0 };

	slow_create(&s);
	wire_mw->key = key;
	wire_mw->done(wire_mw, 0);
	ck_assert(s.answer.done);
	ck_assert_uint_eq(s.answer.status, S(OK));
	ck_assert_uint_eq(s.cmd.rsp.create_mw.token, key);
	return (struct window){ s.answer.handle, key };
}

static void wire_destroy(const struct window *w)
{
	struct slow s = { .cmd.handle = w->handle };

	slow_start(&s, cmd_destroy_mw);
	ck_assert(!s.answer.done);
	ck_assert_uint_eq(wire_destroys, 1);
	wire_mw->done(wire_mw, 0);
	ck_assert(s.answer.done);
	ck_assert_uint_eq(s.answer.status, S(OK));
}

START_TEST(test_wire_create)
{
	struct window w = wire_window(0x1234500);

	ck_assert_uint_eq(wire_creates, 1);
	ck_assert_ptr_nonnull(wire_mw->pd);
	wire_destroy(&w);
	ck_assert_uint_eq(rig_simple(&r, &r.b, cmd_destroy_pd,
				     wire_pd).status, S(OK));
}
END_TEST

/* 0: no memory; 1: the device is gone, the local path is left; 2: a number that
 * is another window's, which no device gives */
START_TEST(test_wire_create_fails)
{
	struct window w;
	struct slow s = { 0 };

	if (_i == 2)
		w = wire_window(0x1234500);
	slow_create(&s);
	wire_mw->key = 0x12345ff;
	wire_mw->done(wire_mw, _i == 0 ? -ENOMEM : _i == 1 ? -ENODEV : 0);
	if (_i == 2)	/* taken back from the device first */
		wire_mw->done(wire_mw, 0);
	ck_assert(s.answer.done);
	ck_assert_uint_eq(s.answer.status, _i == 0 ? S(NO_RESOURCES) :
			  _i == 1 ? S(OK) : S(INTERNAL_ERROR));
	if (_i == 1) {
		ck_assert_uint_ne(s.cmd.rsp.create_mw.token, 0x12345ff);
		ck_assert_uint_eq(rig_simple(&r, &r.b, cmd_destroy_mw,
					     s.answer.handle).status, S(OK));
		ck_assert_uint_eq(wire_destroys, 0);
	}
	if (_i == 2) {
		wire_destroys = 0;
		wire_destroy(&w);
	}
}
END_TEST

/* A reset while the device makes one, and while it destroys one */
START_TEST(test_wire_reset)
{
	struct slow s = { 0 };
	struct window w;

	if (_i == 0) {
		slow_create(&s);
	} else {
		w = wire_window(0x1234500);
		s.cmd.handle = w.handle;
		slow_start(&s, cmd_destroy_mw);
	}
	ck_assert(!s.answer.done);
	mw_reset_all(&r.b.g);
	ck_assert_uint_eq(wire_destroys, 1);
	ck_assert_uint_eq(r.model.pending, 1);
	wire_mw->done(wire_mw, 0);
	ck_assert_uint_eq(r.model.pending, 0);
	ck_assert(s.answer.done);
	ck_assert_uint_eq(s.answer.status, _i ? S(OK) : S(CANCELLED));
}
END_TEST

static struct be_wr *wire_wr;
static enum virtio_rdma_wc_status wire_status;

static void wire_take(void *arg)
{
	(void)arg;
	wire_wr = be_sq_next(wire_qp);
}

static void wire_complete(void *arg)
{
	(void)arg;
	wire_status = be_sq_apply(wire_qp, wire_wr);
	be_sq_complete(wire_qp, wire_wr, wire_status);
}

static void wire_connect(void)
{
	struct command cmd = { 0 };
	struct vr_qp *qp;

	rig_simple(&r, &r.b, cmd_destroy_qp, r.b.qp);
	r.b.pd = wire_pd;
	r.b.local = other_region(wire_pd, 7, &r.b.remote);
	rig_qp_request(&r.b, &cmd.req.create_qp);
	r.b.qp = rig_command(&r, &r.b, cmd_create_qp, &cmd).handle;
	ck_assert_uint_eq(qp_reserve(&r.b.g, r.b.qp,
				     (struct connector *)(void *)&r.b, &qp),
			  S(OK));
	qp_connect(qp, &wire, NULL);
}

/* The device executes; until its answer nothing is bound, and nothing goes */
START_TEST(test_wire_bind)
{
	struct slow s = { 0 };
	struct virtio_rdma_bind body;
	struct window w;

	wire_connect();
	ck_assert_uint_eq(r.b.remote, 0x5500);
	w = wire_window(0x1234500);
	body = bind_body(&w);
	post_bind(1, &w, &body);
	worker_call(r.worker, wire_take, NULL);
	ck_assert_ptr_nonnull(wire_wr);
	ck_assert_uint_eq(wire_wr->opcode, VIRTIO_RDMA_OP_BIND);
	ck_assert_uint_eq(wire_wr->remote_token, 0x1234501);
	ck_assert_ptr_eq(wire_wr->bind->mw, wire_mw);
	ck_assert_uint_eq(wire_wr->bind->mr->local_key, 0x77);
	ck_assert_uint_eq(wire_wr->bind->addr, rig_data(WIN_OFF));
	ck_assert_uint_eq(wire_wr->bind->length, WIN_LEN);
	ck_assert_uint_eq(wire_wr->bind->access, RR | RW);
	ck_assert_uint_eq(deregister(r.b.local), S(BUSY));
	s.cmd.handle = w.handle;
	if (_i)
		slow_start(&s, cmd_destroy_mw);
	ck_assert_uint_eq(wire_destroys, 0);
	worker_call(r.worker, wire_complete, NULL);
	/* a window that was destroyed under its request */
	rig_expect(&r, &r.b, 1, _i ? PROTECTION : OK);
	rig_settle(&r);
	ck_assert_uint_eq(wire_destroys, _i);
	if (_i) {
		wire_mw->done(wire_mw, 0);
		ck_assert(s.answer.done);
	} else {
		ck_assert_uint_eq(deregister(r.b.local), S(BUSY));
		post_invalidate(2, w.token);
		worker_call(r.worker, wire_take, NULL);
		ck_assert_ptr_null(wire_wr->bind);
		ck_assert_uint_eq(wire_wr->remote_token, w.token);
		worker_call(r.worker, wire_complete, NULL);
		rig_expect(&r, &r.b, 2, OK);
		wire_destroy(&w);
	}
}
END_TEST

static void wire_receive(void *arg)
{
	struct be_wr *wr = be_rq_next(wire_qp);

	ck_assert_ptr_nonnull(wr);
	wire_status = be_rq_invalidate(wire_qp, wr, *(uint32_t *)arg);
	be_rq_complete(wire_qp, wr, wire_status, wire_status ? 0 : 12, false);
}

START_TEST(test_wire_receive_invalidate)
{
	struct virtio_rdma_bind body;
	struct virtio_rdma_cqe c;
	struct window w;

	wire_connect();
	w = wire_window(0x1234500);
	body = bind_body(&w);
	post_bind(1, &w, &body);
	rig_recv(&r, &r.b, 2, 0, 64);
	rig_settle(&r);
	worker_call(r.worker, wire_take, NULL);
	worker_call(r.worker, wire_complete, NULL);
	rig_expect(&r, &r.b, 1, OK);
	worker_call(r.worker, wire_receive, &w.token);
	c = rig_expect(&r, &r.b, 2, OK);
	ck_assert_uint_eq(c.opcode, VIRTIO_RDMA_OP_RECEIVE_INVALIDATE);
	ck_assert_uint_eq(c.token, w.token);
	ck_assert_uint_eq(c.length, 12);
	wire_destroy(&w);
}
END_TEST

/* A request that the device never finished is dropped with its queue pair */
START_TEST(test_wire_bind_is_cut_off)
{
	struct virtio_rdma_bind body;
	struct window w;

	wire_connect();
	w = wire_window(0x1234500);
	body = bind_body(&w);
	post_bind(1, &w, &body);
	worker_call(r.worker, wire_take, NULL);
	ck_assert_ptr_nonnull(wire_wr);
	qp_stop(rig_qp(&r.b), NULL, NULL);
	rig_expect(&r, &r.b, 1, VIRTIO_RDMA_WC_CANCELLED);
	ck_assert_uint_eq(deregister(r.b.local), S(OK));
	wire_destroy(&w);
}
END_TEST

static void wire_apply_and_stop(void *arg)
{
	(void)arg;
	wire_status = be_sq_apply(wire_qp, wire_wr);
	be_qp_stopped(wire_qp);
}

/* ...or it did, and was stopped: the request ends cancelled, the window is bound.
 * 1: nobody waits for the queue pair, which goes as it comes to rest */
START_TEST(test_wire_bind_is_told_late)
{
	struct virtio_rdma_bind body;
	struct window w;

	wire_connect();
	w = wire_window(0x1234500);
	body = bind_body(&w);
	post_bind(1, &w, &body);
	worker_call(r.worker, wire_take, NULL);
	ck_assert_ptr_nonnull(wire_wr);
	wire_is_slow = true;
	qp_stop(rig_qp(&r.b), NULL, NULL);
	if (_i) {
		qp_release(rig_qp(&r.b));
		ck_assert_uint_eq(rig_simple(&r, &r.b, cmd_destroy_qp,
					     r.b.qp).status, S(OK));
	}
	worker_call(r.worker, wire_apply_and_stop, NULL);
	ck_assert_uint_eq(wire_status, OK);
	rig_settle(&r);
	if (!_i)
		rig_expect(&r, &r.b, 1, VIRTIO_RDMA_WC_CANCELLED);
	ck_assert_uint_eq(deregister(r.b.local), S(BUSY));
	wire_destroy(&w);
	ck_assert_uint_eq(deregister(r.b.local), S(OK));
}
END_TEST

static Suite *suite(void)
{
	Suite *s = suite_create("memory windows");
	TCase *c = tcase_create("windows"), *w = tcase_create("wire");

	tcase_add_checked_fixture(c, setup, teardown);
	tcase_set_timeout(c, 60);
	tcase_add_test(c, test_bind);
	tcase_add_test(c, test_bind_then_send);
	tcase_add_test(c, test_silent);
	tcase_add_loop_test(c, test_wrong_bind, 0, WRONGS);
	tcase_add_test(c, test_rights_of_the_region);
	tcase_add_loop_test(c, test_wrong_access, 0, 9);
	tcase_add_test(c, test_invalidate);
	tcase_add_loop_test(c, test_wrong_invalidate, 0, 8);
	tcase_add_loop_test(c, test_not_negotiated, 0, 3);
	tcase_add_test(c, test_send_invalidate);
	tcase_add_test(c, test_send_invalidate_frees);
	tcase_add_test(c, test_send_invalidate_inline);
	tcase_add_loop_test(c, test_wrong_send_invalidate, 0, 6);
	tcase_add_loop_test(c, test_access_in_the_middle, 0, WAYS);
	tcase_add_test(c, test_order_of_the_end);
	tcase_add_test(c, test_invalidate_then_deregister);
	tcase_add_test(c, test_queue_pair_goes);
	tcase_add_test(c, test_limits);
	tcase_add_test(c, test_reset);
	suite_add_tcase(s, c);

	tcase_add_checked_fixture(w, wire_setup, wire_teardown);
	tcase_set_timeout(w, 60);
	tcase_add_test(w, test_wire_create);
	tcase_add_loop_test(w, test_wire_create_fails, 0, 3);
	tcase_add_loop_test(w, test_wire_reset, 0, 2);
	tcase_add_loop_test(w, test_wire_bind, 0, 2);
	tcase_add_test(w, test_wire_receive_invalidate);
	tcase_add_test(w, test_wire_bind_is_cut_off);
	tcase_add_loop_test(w, test_wire_bind_is_told_late, 0, 2);
	suite_add_tcase(s, w);
	return s;
}

int main(void)
{
	return suite_run(suite());
}
