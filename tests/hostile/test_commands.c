// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * test_commands.c - wrong commands: each its documented status, no effect on
 * anyone else
 *
 * After every test the other guest moves data and checks it by content, and
 * the daemon ends cleanly (a sanitizer's report would be an exit status).
 */
#include <string.h>

#include "fixture.h"
#include "raw.h"

static struct raw bad;		/* guest 1 misbehaves, guest 0 is the neighbour */
static struct pair neighbour;

static void setup(void)
{
	struct daemon_opts o = { .guests = 3,
		.guest_section = FX_FEW_QUEUES FX_SMALL };

	ck_assert(daemon_start(&fx.daemon, &o));
	fx.g[0] = tguest_start(fx.daemon.socket[0], FX_MEM);
	ck_assert_ptr_nonnull(fx.g[0]);
	pair_open(&neighbour, 0, 0, NULL);
	raw_start(&bad, fx.daemon.socket[1]);
}

static void teardown(void)
{
	struct pair *p = &neighbour;

	mem_fill(&p->a.mem, 77);
	assert_status(ep_post_write(&p->a, 1, 0, 65536, &p->b, 0, 0),
		      STATUS_SUCCESS);
	assert_status(ep_next(&p->a).Status, STATUS_SUCCESS);
	ck_assert_int_eq(mem_check(p->b.mem.va, 65536, 77, 0), -1);
	ck_assert_uint_eq(p->a.indications + p->b.indications, 0);
	ep_disconnect_both(&p->a, &p->b);
	pair_close(p);
	raw_stop(&bad);
	fx_teardown();
}

#define CMD(op, h) { .opcode = vr_to_le16(VIRTIO_RDMA_CMD_##op), \
		     .handle = vr_to_le32(h) }

/* --- every command, by a table ---------------------------------------------- */

static const struct {
	uint16_t opcode;
	uint32_t size;		/* of the request */
	bool handle;		/* acts on an object */
} commands[] = {
	{ VIRTIO_RDMA_CMD_QUERY_ADDRESSES, sizeof(struct virtio_rdma_cmd), false },
	{ VIRTIO_RDMA_CMD_CREATE_CONTEXT,
	  sizeof(struct virtio_rdma_cmd_create_context), false },
	{ VIRTIO_RDMA_CMD_DESTROY_CONTEXT, sizeof(struct virtio_rdma_cmd), true },
	{ VIRTIO_RDMA_CMD_CREATE_PD, sizeof(struct virtio_rdma_cmd_create_pd),
	  false },
	{ VIRTIO_RDMA_CMD_DESTROY_PD, sizeof(struct virtio_rdma_cmd), true },
	{ VIRTIO_RDMA_CMD_CREATE_CQ, sizeof(struct virtio_rdma_cmd_create_cq),
	  false },
	{ VIRTIO_RDMA_CMD_DESTROY_CQ, sizeof(struct virtio_rdma_cmd), true },
	{ VIRTIO_RDMA_CMD_REGISTER_MR, sizeof(struct virtio_rdma_cmd_register_mr),
	  false },
	{ VIRTIO_RDMA_CMD_DEREGISTER_MR, sizeof(struct virtio_rdma_cmd), true },
	{ VIRTIO_RDMA_CMD_CREATE_MW, sizeof(struct virtio_rdma_cmd_create_mw),
	  false },
	{ VIRTIO_RDMA_CMD_DESTROY_MW, sizeof(struct virtio_rdma_cmd), true },
	{ VIRTIO_RDMA_CMD_CREATE_QP, sizeof(struct virtio_rdma_cmd_create_qp),
	  false },
	{ VIRTIO_RDMA_CMD_DESTROY_QP, sizeof(struct virtio_rdma_cmd), true },
	{ VIRTIO_RDMA_CMD_FLUSH_QP, sizeof(struct virtio_rdma_cmd), true },
	{ VIRTIO_RDMA_CMD_LISTEN, sizeof(struct virtio_rdma_cmd_listen), false },
	{ VIRTIO_RDMA_CMD_CLOSE_LISTENER, sizeof(struct virtio_rdma_cmd), true },
	{ VIRTIO_RDMA_CMD_CONTROL_LISTENER,
	  sizeof(struct virtio_rdma_cmd_control_listener), true },
	{ VIRTIO_RDMA_CMD_CREATE_CONNECTOR,
	  sizeof(struct virtio_rdma_cmd_create_connector), false },
	{ VIRTIO_RDMA_CMD_CONNECT, sizeof(struct virtio_rdma_cmd_connect), true },
	{ VIRTIO_RDMA_CMD_COMPLETE_CONNECT, sizeof(struct virtio_rdma_cmd), true },
	{ VIRTIO_RDMA_CMD_ACCEPT, sizeof(struct virtio_rdma_cmd_accept), true },
	{ VIRTIO_RDMA_CMD_REJECT, sizeof(struct virtio_rdma_cmd_reject), true },
	{ VIRTIO_RDMA_CMD_DISCONNECT, sizeof(struct virtio_rdma_cmd), true },
	{ VIRTIO_RDMA_CMD_CLOSE_CONNECTOR, sizeof(struct virtio_rdma_cmd), true },
	{ VIRTIO_RDMA_CMD_CREATE_SRQ, sizeof(struct virtio_rdma_cmd_create_srq),
	  false },
	{ VIRTIO_RDMA_CMD_MODIFY_SRQ, sizeof(struct virtio_rdma_cmd_modify_srq),
	  true },
	{ VIRTIO_RDMA_CMD_DESTROY_SRQ, sizeof(struct virtio_rdma_cmd), true },
	{ VIRTIO_RDMA_CMD_CREATE_FRMR, sizeof(struct virtio_rdma_cmd_create_frmr),
	  false },
	{ VIRTIO_RDMA_CMD_RESIZE_CQ, sizeof(struct virtio_rdma_cmd_resize_cq),
	  true },
	{ VIRTIO_RDMA_CMD_CREATE_ENDPOINT,
	  sizeof(struct virtio_rdma_cmd_create_endpoint), false },
	{ VIRTIO_RDMA_CMD_CLOSE_ENDPOINT, sizeof(struct virtio_rdma_cmd), true },
};
#define COMMANDS (int)(sizeof(commands) / sizeof(commands[0]))
_Static_assert(sizeof(commands) / sizeof(commands[0]) ==
	       VIRTIO_RDMA_CMD_COUNT - 1, "every command");

static uint8_t buf[1024];

static struct virtio_rdma_cmd *fresh(int i)
{
	struct virtio_rdma_cmd *c = (void *)buf;

	memset(buf, 0, sizeof(buf));
	c->opcode = vr_to_le16(commands[i].opcode);
	return c;
}

START_TEST(wrong_size)
{
	uint32_t size = commands[_i].size;

	fresh(_i);
	ck_assert_uint_eq(raw_cmd(&bad, buf, size - 1),
			  VIRTIO_RDMA_S_INVALID_PARAMETER);
	fresh(_i);
	ck_assert_uint_eq(raw_cmd(&bad, buf, size + 1),
			  VIRTIO_RDMA_S_INVALID_PARAMETER);
}
END_TEST

START_TEST(reserved_header_field)
{
	struct virtio_rdma_cmd *c = fresh(_i);

	c->reserved = vr_to_le16(1);
	ck_assert_uint_eq(raw_cmd(&bad, buf, commands[_i].size),
			  VIRTIO_RDMA_S_INVALID_PARAMETER);
}
END_TEST

START_TEST(wrong_handle)
{
	static const uint32_t wrong[] = { 0, 1, 0xffffffff, 0x00100001, 77 };
	struct virtio_rdma_cmd *c;
	uint32_t st;

	if (!commands[_i].handle) {
		c = fresh(_i);
		c->handle = vr_to_le32(1);	/* must be 0 */
		ck_assert_uint_eq(raw_cmd(&bad, buf, commands[_i].size),
				  VIRTIO_RDMA_S_INVALID_PARAMETER);
		return;
	}
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		c = fresh(_i);
		c->handle = vr_to_le32(wrong[i]);
		st = raw_cmd(&bad, buf, commands[_i].size);
		ck_assert_msg(st == VIRTIO_RDMA_S_INVALID_HANDLE ||
			      st == VIRTIO_RDMA_S_INVALID_PARAMETER,
			      "command %u, handle %#x: status %u",
			      commands[_i].opcode, wrong[i], st);
	}
}
END_TEST

/* Each byte of each request set to 0xff by itself: some status, no harm */
START_TEST(every_byte_spoilt)
{
	for (uint32_t off = 2; off < commands[_i].size; off++) {
		fresh(_i);
		buf[off] = 0xff;
		raw_cmd(&bad, buf, commands[_i].size);
		if (off >= 80)
			off += 12;	/* private data: any value is right */
	}
}
END_TEST

START_TEST(unknown_command)
{
	static const uint16_t code[] = { 0, VIRTIO_RDMA_CMD_COUNT, 0x7fff,
					 0xffff };

	for (size_t i = 0; i < 4; i++)
		ck_assert_uint_eq(raw_simple(&bad, code[i], 0),
				  VIRTIO_RDMA_S_UNKNOWN_COMMAND);
}
END_TEST

/* What a driver did not negotiate does not exist for it */
START_TEST(features_left_out)
{
	static const struct {
		uint16_t opcode;
		uint32_t feature;
	} t[] = {
		{ VIRTIO_RDMA_CMD_CREATE_MW, VIRTIO_RDMA_FEATURE(MW) },
		{ VIRTIO_RDMA_CMD_DESTROY_MW, VIRTIO_RDMA_FEATURE(MW) },
		{ VIRTIO_RDMA_CMD_CREATE_FRMR,
		  VIRTIO_RDMA_FEATURE(FAST_REGISTER) },
		{ VIRTIO_RDMA_CMD_RESIZE_CQ, VIRTIO_RDMA_FEATURE(CQ_RESIZE) },
		{ VIRTIO_RDMA_CMD_CREATE_ENDPOINT,
		  VIRTIO_RDMA_FEATURE(SHARED_ENDPOINT) },
		{ VIRTIO_RDMA_CMD_CLOSE_ENDPOINT,
		  VIRTIO_RDMA_FEATURE(SHARED_ENDPOINT) },
	};
	struct raw r;

	raw_start_without(&r, fx.daemon.socket[2], t[_i].feature);
	ck_assert_uint_eq(raw_simple(&r, t[_i].opcode, 0),
			  VIRTIO_RDMA_S_UNKNOWN_COMMAND);
	ck_assert_uint_ne(raw_simple(&bad, t[_i].opcode, 0),
			  VIRTIO_RDMA_S_UNKNOWN_COMMAND);
	raw_stop(&r);
}
END_TEST

START_TEST(answer_that_does_not_fit)
{
	struct virtio_rdma_cmd c = CMD(QUERY_ADDRESSES, 0);

	/* room for the header, not for the answer */
	ck_assert_uint_eq(raw_cmd_room(&bad, &c, sizeof(c),
				       sizeof(struct virtio_rdma_rsp)),
			  VIRTIO_RDMA_S_INVALID_PARAMETER);
}
END_TEST

/* --- reserved fields and ranges of the single commands ------------------------- */

#define REJECTED(c) ck_assert_uint_eq(raw_cmd(&bad, &(c), sizeof(c)), \
				      VIRTIO_RDMA_S_INVALID_PARAMETER)

START_TEST(reserved_fields)
{
	struct virtio_rdma_cmd_create_context ctx = { .hdr = CMD(CREATE_CONTEXT, 0) };
	struct virtio_rdma_cmd_create_pd pd = { .hdr = CMD(CREATE_PD, 0) };
	struct virtio_rdma_cmd_listen l = { .hdr = CMD(LISTEN, 0) };
	struct virtio_rdma_cmd_create_mw w = { .hdr = CMD(CREATE_MW, 0) };
	struct raw_qp q;
	uint64_t gpa;

	raw_page(&bad, &gpa);
	ctx.page = vr_to_le64(gpa);
	ctx.reserved = vr_to_le32(1);
	REJECTED(ctx);
	pd.reserved = vr_to_le32(1);
	REJECTED(pd);
	pd.reserved = 0;
	pd.flags = vr_to_le32(0x2);
	REJECTED(pd);
	l.addr.family = VIRTIO_RDMA_AF_INET;
	l.reserved = vr_to_le32(1);
	REJECTED(l);
	l.reserved = 0;
	l.addr.reserved = 1;
	REJECTED(l);
	w.pd = vr_to_le32(raw_create_pd(&bad));
	w.reserved = vr_to_le32(1);
	REJECTED(w);
	raw_qp_make(&bad, &q);
	q.create.slot = vr_to_le32(6);
	q.create.srq = vr_to_le32(1);	/* with a receive ring of its own */
	REJECTED(q.create);
	q.create.srq = 0;
	q.create.flags = vr_to_le32(0x80);
	REJECTED(q.create);
	q.create.flags = 0;
	q.create.buffer.reserved = vr_to_le16(1);
	REJECTED(q.create);
}
END_TEST

START_TEST(queue_pair_shapes)
{
	struct raw_qp q;
	struct virtio_rdma_cmd_create_qp c;

	raw_qp_make(&bad, &q);
#define WRONG(field, value) do {					\
		c = q.create;						\
		c.slot = vr_to_le32(6);					\
		c.field = (value);					\
		ck_assert_uint_ne(raw_cmd(&bad, &c, sizeof(c)),		\
				  VIRTIO_RDMA_S_OK);			\
	} while (0)
	WRONG(slot, vr_to_le32(q.slot));		/* taken */
	WRONG(slot, vr_to_le32(VIRTIO_RDMA_MAX_SLOTS));
	WRONG(sq_depth, vr_to_le32(0));
	WRONG(sq_depth, vr_to_le32(15));
	WRONG(sq_depth, vr_to_le32(1u << 31));
	WRONG(rq_depth, vr_to_le32(1024));		/* beyond the buffer */
	WRONG(sq_stride, vr_to_le16(32));
	WRONG(sq_stride, vr_to_le16(96));
	WRONG(sq_stride, vr_to_le16(1024));
	WRONG(rq_stride, vr_to_le16(0));
	WRONG(max_send_sge, vr_to_le16(17));
	WRONG(max_send_sge, vr_to_le16(7));		/* not in the stride */
	WRONG(max_inline, vr_to_le32(97));
	WRONG(sq_offset, vr_to_le32(64));		/* over the record */
	WRONG(sq_offset, vr_to_le32(1000));
	WRONG(sq_offset, vr_to_le32(0xffffff80));
	WRONG(pd, vr_to_le32(0));
	WRONG(send_cq, vr_to_le32(q.pd));
	WRONG(recv_cq, vr_to_le32(0xffffffff));
	WRONG(context, vr_to_le32(0));
	WRONG(buffer.page_count, vr_to_le32(0));
	WRONG(buffer.page_count, vr_to_le32(1));
	WRONG(buffer.page_count, vr_to_le32(0xffffffff));
	WRONG(buffer.levels, 4);
	WRONG(buffer.levels, 0);
	WRONG(buffer.page_shift, 13);
	WRONG(buffer.root, vr_to_le64(fe_gpa_end(bad.fe)));
	WRONG(buffer.root, vr_to_le64(0x123));
	WRONG(buffer.root, vr_to_le64(0xfffffffffffff000ull));
#undef WRONG
}
END_TEST

START_TEST(page_lists_outside_memory)
{
	struct virtio_rdma_cmd_register_mr c = { .hdr = CMD(REGISTER_MR, 0) };
	uint32_t pd = raw_create_pd(&bad);
	uint64_t gpa, end = fe_gpa_end(bad.fe);
	vr_le64 *table = raw_page(&bad, &gpa);

	c.pd = vr_to_le32(pd);
	c.access = vr_to_le32(VIRTIO_RDMA_ACCESS_LOCAL_WRITE);
	c.addr = vr_to_le64(0x10000);
	c.length = vr_to_le64(3 * 4096);
	c.pages = (struct virtio_rdma_page_list){
		.root = vr_to_le64(gpa), .page_count = vr_to_le32(3),
		.levels = 1, .page_shift = 12 };
	table[0] = table[1] = vr_to_le64(end - 4096);
	static const uint64_t wrong[] = { 0, 0xfffffffffffff000ull, 1ull << 63,
					  0x80000000ull };
	for (size_t i = 0; i < 4; i++) {
		table[2] = vr_to_le64(wrong[i]);
		ck_assert_uint_eq(raw_cmd(&bad, &c, sizeof(c)),
				  VIRTIO_RDMA_S_ACCESS_VIOLATION);
	}
	table[2] = vr_to_le64(end);		/* first byte that is not there */
	ck_assert_uint_eq(raw_cmd(&bad, &c, sizeof(c)),
			  VIRTIO_RDMA_S_ACCESS_VIOLATION);
	table[2] = vr_to_le64(end - 4095);	/* not a page's address */
	ck_assert_uint_ne(raw_cmd(&bad, &c, sizeof(c)), VIRTIO_RDMA_S_OK);
	table[2] = vr_to_le64(end - 4096);
	ck_assert_uint_eq(raw_cmd(&bad, &c, sizeof(c)), VIRTIO_RDMA_S_OK);
}
END_TEST

START_TEST(regions_that_do_not_add_up)
{
	struct virtio_rdma_cmd_register_mr c = { .hdr = CMD(REGISTER_MR, 0) };
	uint64_t gpa;

	raw_page(&bad, &gpa);
	c.pd = vr_to_le32(raw_create_pd(&bad));
	c.pages = (struct virtio_rdma_page_list){
		.root = vr_to_le64(gpa), .page_count = vr_to_le32(1),
		.page_shift = 12 };
	static const struct {
		uint64_t addr, length;
		uint32_t access;
	} row[] = {
		{ 0x1000, 0, 1 },
		{ 0x1000, 4097, 1 },
		{ 0x1001, 4096, 1 },
		{ 0xfffffffffffff800ull, 0x1000, 1 },	/* wraps */
		{ 0x1000, 0xffffffffffffffffull, 1 },
		{ 0x1000, 4096, VIRTIO_RDMA_ACCESS_REMOTE_WRITE },
		{ 0x1000, 4096, 0x10 },
	};
	for (size_t i = 0; i < sizeof(row) / sizeof(row[0]); i++) {
		c.addr = vr_to_le64(row[i].addr);
		c.length = vr_to_le64(row[i].length);
		c.access = vr_to_le32(row[i].access);
		REJECTED(c);
	}
}
END_TEST

/* --- handles ------------------------------------------------------------------- */

START_TEST(stale_and_foreign_handles)
{
	struct raw other;
	uint32_t pd = raw_create_pd(&bad), again, foreign;
	struct raw_mw w;

	ck_assert_uint_eq(raw_simple(&bad, VIRTIO_RDMA_CMD_DESTROY_PD, pd),
			  VIRTIO_RDMA_S_OK);
	ck_assert_uint_eq(raw_simple(&bad, VIRTIO_RDMA_CMD_DESTROY_PD, pd),
			  VIRTIO_RDMA_S_INVALID_HANDLE);
	again = raw_create_pd(&bad);
	ck_assert_uint_ne(again, pd);
	raw_mw_make(&bad, again, &w);
	ck_assert_uint_eq(raw_simple(&bad, VIRTIO_RDMA_CMD_DESTROY_MW, pd),
			  VIRTIO_RDMA_S_INVALID_HANDLE);
	ck_assert_uint_eq(raw_simple(&bad, VIRTIO_RDMA_CMD_DESTROY_MW, w.handle),
			  VIRTIO_RDMA_S_OK);
	ck_assert_uint_eq(raw_simple(&bad, VIRTIO_RDMA_CMD_DESTROY_MW, w.handle),
			  VIRTIO_RDMA_S_INVALID_HANDLE);
	ck_assert_uint_eq(raw_simple(&bad, VIRTIO_RDMA_CMD_DESTROY_PD, pd),
			  VIRTIO_RDMA_S_INVALID_HANDLE);
	raw_start(&other, fx.daemon.socket[2]);
	do {	/* a handle that the other guest has not given out by chance */
		foreign = raw_create_pd(&bad);
	} while (foreign == raw_create_pd(&other));
	ck_assert_uint_eq(raw_simple(&other, VIRTIO_RDMA_CMD_DESTROY_PD,
				     foreign), VIRTIO_RDMA_S_INVALID_HANDLE);
	/* still alive where it belongs */
	ck_assert_uint_eq(raw_simple(&bad, VIRTIO_RDMA_CMD_DESTROY_PD, foreign),
			  VIRTIO_RDMA_S_OK);
	raw_stop(&other);
}
END_TEST

START_TEST(parents_stay_while_children_live)
{
	struct raw_qp q;
	struct raw_mw w;
	uint32_t pd = raw_create_pd(&bad);

	raw_mw_make(&bad, pd, &w);
	ck_assert_uint_eq(raw_simple(&bad, VIRTIO_RDMA_CMD_DESTROY_PD, pd),
			  VIRTIO_RDMA_S_BUSY);
	ck_assert_uint_eq(raw_simple(&bad, VIRTIO_RDMA_CMD_DESTROY_MW, w.handle),
			  VIRTIO_RDMA_S_OK);
	ck_assert_uint_eq(raw_simple(&bad, VIRTIO_RDMA_CMD_DESTROY_PD, pd),
			  VIRTIO_RDMA_S_OK);
	raw_qp_make(&bad, &q);
	ck_assert_uint_eq(raw_simple(&bad, VIRTIO_RDMA_CMD_DESTROY_PD, q.pd),
			  VIRTIO_RDMA_S_BUSY);
	ck_assert_uint_eq(raw_simple(&bad, VIRTIO_RDMA_CMD_DESTROY_CQ, q.cq),
			  VIRTIO_RDMA_S_BUSY);
	ck_assert_uint_eq(raw_simple(&bad, VIRTIO_RDMA_CMD_DESTROY_CONTEXT,
				     q.context), VIRTIO_RDMA_S_BUSY);
	ck_assert_uint_eq(raw_simple(&bad, VIRTIO_RDMA_CMD_DESTROY_QP, q.qp),
			  VIRTIO_RDMA_S_OK);
	ck_assert_uint_eq(raw_simple(&bad, VIRTIO_RDMA_CMD_DESTROY_CQ, q.cq),
			  VIRTIO_RDMA_S_OK);
}
END_TEST

/* A guest takes all it can get, and gives nothing back */
START_TEST(limits_are_statuses)
{
	struct virtio_rdma_cmd_create_pd pd = { .hdr = CMD(CREATE_PD, 0) };
	struct virtio_rdma_cmd_create_mw w = { .hdr = CMD(CREATE_MW, 0) };
	struct virtio_rdma_cmd_create_connector k = { .hdr = CMD(CREATE_CONNECTOR, 0) };
	struct virtio_rdma_config cfg;
	uint32_t n = 0, st;

	ck_assert_int_eq(fe_read_config(bad.fe, &cfg), 0);
	w.pd = vr_to_le32(raw_create_pd(&bad));
	while ((st = raw_cmd(&bad, &w, sizeof(w))) == VIRTIO_RDMA_S_OK)
		n++;
	ck_assert_uint_eq(st, VIRTIO_RDMA_S_NO_RESOURCES);
	ck_assert_uint_eq(n, vr_from_le32(cfg.max_mw));
	n = 1;
	while ((st = raw_cmd(&bad, &pd, sizeof(pd))) == VIRTIO_RDMA_S_OK)
		n++;
	ck_assert_uint_eq(st, VIRTIO_RDMA_S_NO_RESOURCES);
	ck_assert_uint_eq(n, vr_from_le32(cfg.max_pd));
	for (n = 0; n < 300; n++)
		raw_cmd(&bad, &k, sizeof(k));
}
END_TEST

/* --- descriptor chains ------------------------------------------------------------ */

static void chain(const struct fe_desc *d, uint32_t n, uint16_t head)
{
	fe_add_raw(bad.fe, VIRTIO_RDMA_VQ_CONTROL, d, n, head);
	fe_kick(bad.fe, VIRTIO_RDMA_VQ_CONTROL);
	ck_assert(raw_wait_needs_reset(&bad));
	raw_restart(&bad);
	/* and it works again */
	raw_create_pd(&bad);
}

START_TEST(broken_chains)
{
	uint64_t end = fe_gpa_end(bad.fe);
	struct fe_desc loop[2] = {
		{ bad.req_gpa, 8, FE_DESC_NEXT, 1 },
		{ bad.req_gpa, 8, FE_DESC_NEXT, 0 } };
	struct fe_desc outside[2] = {
		{ end, 8, FE_DESC_NEXT, 1 },
		{ bad.rsp_gpa, 64, FE_DESC_WRITE, 0 } };
	struct fe_desc far_next[1] = {
		{ bad.req_gpa, 8, FE_DESC_NEXT, 60000 } };
	struct fe_desc order[2] = {
		{ bad.rsp_gpa, 64, FE_DESC_WRITE | FE_DESC_NEXT, 1 },
		{ bad.req_gpa, 8, 0, 0 } };
	struct fe_desc no_answer[1] = { { bad.req_gpa, 8, 0, 0 } };
	struct fe_desc small[2] = {
		{ bad.req_gpa, 8, FE_DESC_NEXT, 1 },
		{ bad.rsp_gpa, 7, FE_DESC_WRITE, 0 } };
	struct fe_desc indirect[1] = {
		{ bad.req_gpa, 17, FE_DESC_INDIRECT, 0 } };
	struct fe_desc one = no_answer[0];

	memset(bad.req, 0, 4096);
	chain(loop, 2, 0);
	chain(outside, 2, 0);
	chain(far_next, 1, 0);
	chain(order, 2, 0);
	chain(no_answer, 1, 0);
	chain(small, 2, 0);
	chain(indirect, 1, 0);
	chain(&one, 1, 5000);	/* head beyond the ring */
}
END_TEST

int main(void)
{
	Suite *s = suite_create("hostile commands");
	TCase *tc = add_case(s, "table", 60);

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_loop_test(tc, wrong_size, 0, COMMANDS);
	tcase_add_loop_test(tc, reserved_header_field, 0, COMMANDS);
	tcase_add_loop_test(tc, wrong_handle, 0, COMMANDS);
	tcase_add_loop_test(tc, every_byte_spoilt, 0, COMMANDS);
	tc = add_case(s, "single", 60);
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, unknown_command);
	tcase_add_loop_test(tc, features_left_out, 0, 6);
	tcase_add_test(tc, answer_that_does_not_fit);
	tcase_add_test(tc, reserved_fields);
	tcase_add_test(tc, queue_pair_shapes);
	tcase_add_test(tc, page_lists_outside_memory);
	tcase_add_test(tc, regions_that_do_not_add_up);
	tcase_add_test(tc, stale_and_foreign_handles);
	tcase_add_test(tc, parents_stay_while_children_live);
	tcase_add_test(tc, limits_are_statuses);
	tcase_add_test(tc, broken_chains);
	return run_suite(s);
}
