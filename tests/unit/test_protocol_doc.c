/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test_protocol_doc.c - docs/protocol.md says what virtio_rdma.h says
 *
 * DOC: Every structure's size, every field's offset, every number with a name,
 * in both directions: what the document has must be in the header, and what
 * the header has must be in the document.
 */
#include <check.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "virtio_rdma.h"

struct entry {
	const char *of; /* structure, or the table's second heading */
	const char *name;
	unsigned int number;
	bool seen;
};

#define S(s)                                                                   \
	{                                                                      \
		"", #s, sizeof(struct virtio_rdma_##s), false                  \
	}
#define F(s, f)                                                                \
	{                                                                      \
#s, #f, offsetof(struct virtio_rdma_##s, f), false             \
	}
#define N(table, prefix, n)                                                    \
	{                                                                      \
		table, #n, VIRTIO_RDMA_##prefix##_##n, false                   \
	}

/* clang-format off */
static struct entry entries[] = {
	S(config),
	F(config, abi_version), F(config, num_ceq), F(config, num_wakeq),
	F(config, max_context), F(config, max_pd), F(config, max_cq),
	F(config, max_mr), F(config, max_qp), F(config, max_connector),
	F(config, max_listener), F(config, max_cq_depth),
	F(config, max_send_depth), F(config, max_recv_depth),
	F(config, max_send_sge), F(config, max_recv_sge),
	F(config, max_read_sge), F(config, max_inline),
	F(config, max_transfer), F(config, max_inbound_reads),
	F(config, max_outbound_reads), F(config, max_caller_data),
	F(config, max_callee_data), F(config, adapter_flags),
	F(config, max_mr_size), F(config, rdma_technology),
	F(config, vendor_id), F(config, device_id),
	F(config, disconnect_timeout_ms), F(config, max_srq),
	F(config, max_srq_depth), F(config, max_mw),
	F(config, max_frmr_pages),
	S(status_tail),
	F(status_tail, status), F(status_tail, reserved),
	S(addr),
	F(addr, family), F(addr, reserved), F(addr, port), F(addr, scope_id),
	F(addr, ip),
	S(page_list),
	F(page_list, root), F(page_list, page_count), F(page_list, levels),
	F(page_list, page_shift), F(page_list, reserved),
	S(cmd),
	F(cmd, opcode), F(cmd, reserved), F(cmd, handle),
	S(rsp),
	F(rsp, status), F(rsp, handle),
	S(rsp_query_addresses),
	F(rsp_query_addresses, hdr), F(rsp_query_addresses, count),
	F(rsp_query_addresses, reserved), F(rsp_query_addresses, addr),
	S(cmd_create_context),
	F(cmd_create_context, hdr), F(cmd_create_context, page),
	F(cmd_create_context, wakeq), F(cmd_create_context, reserved),
	S(cmd_create_pd),
	F(cmd_create_pd, hdr), F(cmd_create_pd, flags),
	F(cmd_create_pd, reserved),
	S(cmd_create_cq),
	F(cmd_create_cq, hdr), F(cmd_create_cq, depth), F(cmd_create_cq, ceq),
	F(cmd_create_cq, ring_offset), F(cmd_create_cq, reserved),
	F(cmd_create_cq, cookie), F(cmd_create_cq, buffer),
	S(cmd_resize_cq),
	F(cmd_resize_cq, hdr), F(cmd_resize_cq, depth),
	F(cmd_resize_cq, ring_offset), F(cmd_resize_cq, buffer),
	S(cmd_register_mr),
	F(cmd_register_mr, hdr), F(cmd_register_mr, pd),
	F(cmd_register_mr, access), F(cmd_register_mr, addr),
	F(cmd_register_mr, length), F(cmd_register_mr, pages),
	S(rsp_register_mr),
	F(rsp_register_mr, hdr), F(rsp_register_mr, local_token),
	F(rsp_register_mr, remote_token),
	S(cmd_create_mw),
	F(cmd_create_frmr, hdr), F(cmd_create_frmr, pd),
	F(cmd_create_frmr, max_pages), F(cmd_create_frmr, flags),
	F(cmd_create_frmr, reserved),
	S(cmd_create_frmr),
	F(cmd_create_endpoint, hdr), F(cmd_create_endpoint, addr),
	S(cmd_create_endpoint),
	F(rsp_create_endpoint, hdr), F(rsp_create_endpoint, addr),
	S(rsp_create_endpoint),
	S(fast_register),
	F(fast_register, addr), F(fast_register, length),
	F(fast_register, table), F(fast_register, mr),
	F(fast_register, access),
	F(cmd_create_mw, hdr), F(cmd_create_mw, pd), F(cmd_create_mw, reserved),
	S(rsp_create_mw),
	F(rsp_create_mw, hdr), F(rsp_create_mw, token),
	F(rsp_create_mw, reserved),
	S(cmd_create_qp),
	F(cmd_create_qp, hdr), F(cmd_create_qp, pd), F(cmd_create_qp, send_cq),
	F(cmd_create_qp, recv_cq), F(cmd_create_qp, context),
	F(cmd_create_qp, slot), F(cmd_create_qp, flags),
	F(cmd_create_qp, sq_depth), F(cmd_create_qp, rq_depth),
	F(cmd_create_qp, sq_stride), F(cmd_create_qp, rq_stride),
	F(cmd_create_qp, max_send_sge), F(cmd_create_qp, max_recv_sge),
	F(cmd_create_qp, max_inline), F(cmd_create_qp, sq_offset),
	F(cmd_create_qp, rq_offset), F(cmd_create_qp, srq),
	F(cmd_create_qp, qp_context), F(cmd_create_qp, buffer),
	S(cmd_create_srq),
	F(cmd_create_srq, hdr), F(cmd_create_srq, pd),
	F(cmd_create_srq, context), F(cmd_create_srq, slot),
	F(cmd_create_srq, depth), F(cmd_create_srq, stride),
	F(cmd_create_srq, max_sge), F(cmd_create_srq, ring_offset),
	F(cmd_create_srq, threshold), F(cmd_create_srq, reserved),
	F(cmd_create_srq, cookie), F(cmd_create_srq, buffer),
	S(cmd_modify_srq),
	F(cmd_modify_srq, hdr), F(cmd_modify_srq, depth),
	F(cmd_modify_srq, ring_offset), F(cmd_modify_srq, threshold),
	F(cmd_modify_srq, reserved), F(cmd_modify_srq, buffer),
	S(cmd_listen),
	F(cmd_listen, hdr), F(cmd_listen, addr), F(cmd_listen, backlog),
	F(cmd_listen, reserved), F(cmd_listen, cookie),
	S(rsp_listen),
	F(rsp_listen, hdr), F(rsp_listen, addr),
	S(cmd_control_listener),
	F(cmd_control_listener, hdr), F(cmd_control_listener, pause),
	F(cmd_control_listener, reserved),
	S(private),
	F(private, length), F(private, reserved), F(private, data),
	S(cmd_create_connector),
	F(cmd_create_connector, hdr), F(cmd_create_connector, cookie),
	S(cmd_connect),
	F(cmd_connect, hdr), F(cmd_connect, qp), F(cmd_connect, inbound_reads),
	F(cmd_connect, outbound_reads), F(cmd_connect, endpoint),
	F(cmd_connect, local), F(cmd_connect, peer), F(cmd_connect, priv),
	S(rsp_connect),
	F(rsp_connect, hdr), F(rsp_connect, inbound_reads),
	F(rsp_connect, outbound_reads), F(rsp_connect, local),
	F(rsp_connect, peer), F(rsp_connect, priv),
	S(cmd_accept),
	F(cmd_accept, hdr), F(cmd_accept, qp), F(cmd_accept, inbound_reads),
	F(cmd_accept, outbound_reads), F(cmd_accept, reserved),
	F(cmd_accept, cookie), F(cmd_accept, priv),
	S(rsp_accept),
	F(rsp_accept, hdr), F(rsp_accept, inbound_reads),
	F(rsp_accept, outbound_reads), F(rsp_accept, priv),
	S(cmd_reject),
	F(cmd_reject, hdr), F(cmd_reject, priv),
	S(event),
	F(event, type), F(event, reserved), F(event, handle), F(event, cookie),
	F(event, reason), F(event, listener), F(event, inbound_reads),
	F(event, outbound_reads), F(event, local), F(event, peer),
	F(event, priv), F(event, reserved2),
	S(cq_event),
	F(cq_event, cookie), F(cq_event, cq), F(cq_event, reserved),
	S(context_page),
	F(context_page, worker), F(context_page, reserved0),
	F(context_page, summary), F(context_page, reserved1),
	F(context_page, work), F(context_page, reserved2),
	S(qp_record),
	F(qp_record, sq_tail), F(qp_record, rq_tail), F(qp_record, state),
	F(qp_record, watched), F(qp_record, reserved0), F(qp_record, sq_head),
	F(qp_record, rq_head), F(qp_record, reserved1),
	S(srq_record),
	F(srq_record, tail), F(srq_record, reserved0), F(srq_record, head),
	F(srq_record, reserved1),
	S(cq_record),
	F(cq_record, head), F(cq_record, interval), F(cq_record, count),
	F(cq_record, reserved0), F(cq_record, arm), F(cq_record, tail),
	F(cq_record, moved), F(cq_record, reserved1),
	S(sge),
	F(sge, addr), F(sge, length), F(sge, token),
	S(send_wqe),
	F(send_wqe, wr_id), F(send_wqe, opcode), F(send_wqe, num_sge),
	F(send_wqe, flags), F(send_wqe, inline_length),
	F(send_wqe, remote_addr), F(send_wqe, remote_token),
	F(send_wqe, reserved),
	S(bind),
	F(bind, addr), F(bind, length), F(bind, mw), F(bind, token),
	F(bind, access), F(bind, reserved),
	S(recv_wqe),
	F(recv_wqe, wr_id), F(recv_wqe, num_sge), F(recv_wqe, reserved),
	S(cqe),
	F(cqe, wr_id), F(cqe, qp_context), F(cqe, qp), F(cqe, length),
	F(cqe, token), F(cqe, wqe_index), F(cqe, opcode), F(cqe, status),
	N("status", S, OK),
	N("status", S, UNKNOWN_COMMAND),
	N("status", S, INVALID_PARAMETER),
	N("status", S, INVALID_HANDLE),
	N("status", S, NO_RESOURCES),
	N("status", S, NOT_SUPPORTED),
	N("status", S, INVALID_STATE),
	N("status", S, BUSY),
	N("status", S, ACCESS_VIOLATION),
	N("status", S, BUFFER_SIZE),
	N("status", S, ADDRESS_IN_USE),
	N("status", S, INVALID_ADDRESS),
	N("status", S, TOO_MANY_ADDRESSES),
	N("status", S, NETWORK_UNREACHABLE),
	N("status", S, HOST_UNREACHABLE),
	N("status", S, CONNECTION_REFUSED),
	N("status", S, CONNECTION_ABORTED),
	N("status", S, CONNECTION_INVALID),
	N("status", S, CONNECTION_ACTIVE),
	N("status", S, TIMED_OUT),
	N("status", S, CANCELLED),
	N("status", S, INTERNAL_ERROR),
	N("status", S, CONNECTION_EXISTS),
	N("command", CMD, QUERY_ADDRESSES),
	N("command", CMD, CREATE_CONTEXT),
	N("command", CMD, DESTROY_CONTEXT),
	N("command", CMD, CREATE_PD),
	N("command", CMD, DESTROY_PD),
	N("command", CMD, CREATE_CQ),
	N("command", CMD, DESTROY_CQ),
	N("command", CMD, REGISTER_MR),
	N("command", CMD, DEREGISTER_MR),
	N("command", CMD, CREATE_QP),
	N("command", CMD, DESTROY_QP),
	N("command", CMD, FLUSH_QP),
	N("command", CMD, LISTEN),
	N("command", CMD, CLOSE_LISTENER),
	N("command", CMD, CONTROL_LISTENER),
	N("command", CMD, CREATE_CONNECTOR),
	N("command", CMD, CONNECT),
	N("command", CMD, COMPLETE_CONNECT),
	N("command", CMD, ACCEPT),
	N("command", CMD, REJECT),
	N("command", CMD, DISCONNECT),
	N("command", CMD, CLOSE_CONNECTOR),
	N("command", CMD, CREATE_MW),
	N("command", CMD, DESTROY_MW),
	N("command", CMD, CREATE_SRQ),
	N("command", CMD, MODIFY_SRQ),
	N("command", CMD, DESTROY_SRQ),
	N("command", CMD, CREATE_FRMR),
	N("command", CMD, RESIZE_CQ),
	N("command", CMD, CREATE_ENDPOINT),
	N("command", CMD, CLOSE_ENDPOINT),
	N("completion", WC, SUCCESS),
	N("completion", WC, CANCELLED),
	N("completion", WC, LOCAL_LENGTH),
	N("completion", WC, LOCAL_PROTECTION),
	N("completion", WC, LOCAL_REQUEST),
	N("completion", WC, REMOTE_ACCESS),
	N("completion", WC, REMOTE_REQUEST),
	N("completion", WC, REMOTE_OPERATION),
	N("completion", WC, TIMED_OUT),
	N("completion", WC, ABORTED),
	N("completion", WC, INTERNAL),
	N("reason", R, NONE),
	N("reason", R, GRACEFUL),
	N("reason", R, RESET),
	N("reason", R, TIMED_OUT),
	N("reason", R, PEER_GONE),
	N("reason", R, LOCAL_ERROR),
	N("reason", R, ADMINISTRATOR),
	N("reason", R, DEVICE_RESET),
	N("event", EV, CONNECT_REQUEST),
	N("event", EV, DISCONNECTED),
	N("event", EV, CQ_ERROR),
	N("event", EV, SRQ_LIMIT),
	N("event", EV, SRQ_ERROR),
};
/* clang-format on */

#define ENTRIES (sizeof(entries) / sizeof(entries[0]))

static FILE *open_doc(void)
{
	const char *slash = strrchr(__FILE__, '/');
	char path[512];
	FILE *f;

	snprintf(path, sizeof(path), "%.*s/../../docs/protocol.md",
		 (int)(slash - __FILE__), __FILE__);
	f = fopen(path, "r");
	ck_assert_msg(f, "cannot open %s", path);
	return f;
}

static void meet(const char *of, const char *name, unsigned int number,
		 unsigned int line)
{
	for (size_t i = 0; i < ENTRIES; i++) {
		struct entry *e = &entries[i];

		if (strcmp(e->of, of) || strcmp(e->name, name))
			continue;
		ck_assert_msg(e->number == number,
			      "protocol.md:%u: %s %s is %u, not %u", line, of,
			      name, e->number, number);
		e->seen = true;
		return;
	}
	ck_abort_msg("protocol.md:%u: the header has no %s %s", line, of, name);
}

/* "| value | status | ..." and its like: which numbers follow */
static bool heading(const char *line, char of[64])
{
	char first[16], second[64], third[16];

	if (sscanf(line, "| %15s | %63s | %15s", first, second, third) != 3)
		return false;
	if (strcmp(first, "value") && strcmp(first, "opcode") &&
	    strcmp(first, "type"))
		return false;
	if (strcmp(second, "status") == 0 && strcmp(third, "meaning") == 0)
		strcpy(of, "completion");
	else
		strcpy(of, second);
	return true;
}

static bool known_table(const char *of)
{
	for (size_t i = 0; i < ENTRIES; i++)
		if (strcmp(entries[i].of, of) == 0)
			return true;
	return false;
}

START_TEST(both_ways)
{
	FILE *f = open_doc();
	char line[512], name[64], of[64] = "";
	unsigned int number, no = 0;

	while (fgets(line, sizeof(line), f)) {
		no++;
		if (sscanf(line, "`struct virtio_rdma_%63[a-z0-9_]`, %u bytes",
			   name, &number) == 2) {
			meet("", name, number, no);
			strcpy(of, name);
		} else if (line[0] != '|') {
			/* a field table follows its structure by a blank */
			if (line[0] != '\n')
				of[0] = 0;
		} else if (heading(line, of)) {
			if (!known_table(of))
				of[0] = 0;
		} else if (of[0] && (sscanf(line, "| %u | `%63[a-z0-9_]`",
					    &number, name) == 2 ||
				     sscanf(line, "| %u | %63[A-Z0-9_]",
					    &number, name) == 2)) {
			meet(of, name, number, no);
		}
	}
	fclose(f);
	for (size_t i = 0; i < ENTRIES; i++)
		ck_assert_msg(entries[i].seen, "protocol.md lacks %s %s",
			      entries[i].of, entries[i].name);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("protocol_doc");
	TCase *t = tcase_create("all");
	SRunner *r;
	int failed;

	tcase_add_test(t, both_ways);
	suite_add_tcase(s, t);
	r = srunner_create(s);
	srunner_run_all(r, CK_NORMAL);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
