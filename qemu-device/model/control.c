/* SPDX-License-Identifier: GPL-2.0-or-later */
/* control.c - the table of commands, and the one that has no other home */
#include <errno.h>

#include "addr.h"
#include "connector.h"
#include "control.h"
#include "cq.h"
#include "frmr.h"
#include "guest.h"
#include "listener.h"
#include "mr.h"
#include "mw.h"
#include "qp.h"
#include "shared_ep.h"
#include "srq.h"

static void cmd_query_addresses(struct command *cmd)
{
	const struct guest_conf *conf = cmd->guest->conf;
	struct virtio_rdma_rsp_query_addresses *rsp = &cmd->rsp.query_addresses;

	rsp->count = vr_to_le32(conf->naddr);
	for (uint32_t i = 0; i < conf->naddr; i++)
		addr_to_abi(&conf->addr[i], &rsp->addr[i]);
	command_done(cmd, VIRTIO_RDMA_S_OK, 0);
}

#define REQ(type) sizeof(struct virtio_rdma_cmd_##type)
#define RSP(type) sizeof(struct virtio_rdma_rsp_##type)
#define CMD	  sizeof(struct virtio_rdma_cmd)
#define ANS	  sizeof(struct virtio_rdma_rsp)
/* clang-format off */
#define C(name)		[VIRTIO_RDMA_CMD_##name] = { #name

static const struct command_row rows[] = {
	C(QUERY_ADDRESSES), CMD, RSP(query_addresses), true, cmd_query_addresses },
	C(CREATE_CONTEXT), REQ(create_context), ANS, true, cmd_create_context },
	C(DESTROY_CONTEXT), CMD, ANS, false, cmd_destroy_context },
	C(CREATE_PD), REQ(create_pd), ANS, true, cmd_create_pd },
	C(DESTROY_PD), CMD, ANS, false, cmd_destroy_pd },
	C(CREATE_CQ), REQ(create_cq), ANS, true, cmd_create_cq },
	C(DESTROY_CQ), CMD, ANS, false, cmd_destroy_cq },
	C(RESIZE_CQ), REQ(resize_cq), ANS, false, cmd_resize_cq },
	C(REGISTER_MR), REQ(register_mr), RSP(register_mr), true, cmd_register_mr },
	C(DEREGISTER_MR), CMD, ANS, false, cmd_deregister_mr },
	C(CREATE_FRMR), REQ(create_frmr), RSP(register_mr), true, cmd_create_frmr },
	C(CREATE_MW), REQ(create_mw), RSP(create_mw), true, cmd_create_mw },
	C(DESTROY_MW), CMD, ANS, false, cmd_destroy_mw },
	C(CREATE_QP), REQ(create_qp), ANS, true, cmd_create_qp },
	C(DESTROY_QP), CMD, ANS, false, cmd_destroy_qp },
	C(FLUSH_QP), CMD, ANS, false, cmd_flush_qp },
	C(LISTEN), REQ(listen), RSP(listen), true, cmd_listen },
	C(CLOSE_LISTENER), CMD, ANS, false, cmd_close_listener },
	C(CONTROL_LISTENER), REQ(control_listener), ANS, false, cmd_control_listener },
	C(CREATE_CONNECTOR), REQ(create_connector), ANS, true, cmd_create_connector },
	C(CONNECT), REQ(connect), RSP(connect), false, cmd_connect },
	C(COMPLETE_CONNECT), CMD, ANS, false, cmd_complete_connect },
	C(ACCEPT), REQ(accept), RSP(accept), false, cmd_accept },
	C(REJECT), REQ(reject), ANS, false, cmd_reject },
	C(DISCONNECT), CMD, ANS, false, cmd_disconnect },
	C(CLOSE_CONNECTOR), CMD, ANS, false, cmd_close_connector },
	C(CREATE_SRQ), REQ(create_srq), ANS, true, cmd_create_srq },
	C(MODIFY_SRQ), REQ(modify_srq), ANS, false, cmd_modify_srq },
	C(DESTROY_SRQ), CMD, ANS, false, cmd_destroy_srq },
	C(CREATE_ENDPOINT), REQ(create_endpoint), RSP(create_endpoint), true,
		cmd_create_endpoint },
	C(CLOSE_ENDPOINT), CMD, ANS, false, cmd_close_endpoint },
};
/* clang-format on */
_Static_assert(sizeof(rows) / sizeof(rows[0]) == VIRTIO_RDMA_CMD_COUNT,
	       "a row for each command");

const struct command_row *command_row(uint32_t opcode)
{
	if (opcode >= VIRTIO_RDMA_CMD_COUNT || !rows[opcode].fn)
		return NULL;
	return &rows[opcode];
}

uint32_t command_feature(uint32_t opcode)
{
	static const uint32_t of[VIRTIO_RDMA_CMD_COUNT] = {
		[VIRTIO_RDMA_CMD_CREATE_MW] = VIRTIO_RDMA_FEATURE(MW),
		[VIRTIO_RDMA_CMD_DESTROY_MW] = VIRTIO_RDMA_FEATURE(MW),
		[VIRTIO_RDMA_CMD_CREATE_SRQ] = VIRTIO_RDMA_FEATURE(SRQ),
		[VIRTIO_RDMA_CMD_MODIFY_SRQ] = VIRTIO_RDMA_FEATURE(SRQ),
		[VIRTIO_RDMA_CMD_DESTROY_SRQ] = VIRTIO_RDMA_FEATURE(SRQ),
		[VIRTIO_RDMA_CMD_CREATE_FRMR] =
			VIRTIO_RDMA_FEATURE(FAST_REGISTER),
		[VIRTIO_RDMA_CMD_RESIZE_CQ] = VIRTIO_RDMA_FEATURE(CQ_RESIZE),
		[VIRTIO_RDMA_CMD_CREATE_ENDPOINT] =
			VIRTIO_RDMA_FEATURE(SHARED_ENDPOINT),
		[VIRTIO_RDMA_CMD_CLOSE_ENDPOINT] =
			VIRTIO_RDMA_FEATURE(SHARED_ENDPOINT),
	};

	return of[opcode];
}

enum virtio_rdma_status command_check(const struct command *cmd, size_t req_len,
				      size_t rsp_room)
{
	const struct command_row *row = command_row(cmd->opcode);

	if (req_len < sizeof(struct virtio_rdma_cmd))
		return VIRTIO_RDMA_S_INVALID_PARAMETER;
	if (!row || (command_feature(cmd->opcode) & ~cmd->guest->features))
		return VIRTIO_RDMA_S_UNKNOWN_COMMAND;
	if (req_len != row->req_size || rsp_room < row->rsp_size ||
	    cmd->req.hdr.reserved || (row->creates && cmd->handle))
		return VIRTIO_RDMA_S_INVALID_PARAMETER;
	return VIRTIO_RDMA_S_OK;
}

void command_dispatch(struct command *cmd, size_t req_len, size_t rsp_room)
{
	const struct command_row *row = command_row(cmd->opcode);
	enum virtio_rdma_status status = command_check(cmd, req_len, rsp_room);

	if (status == VIRTIO_RDMA_S_OK) {
		glog(cmd->guest, VL_DEBUG, "control: %s 0x%x", row->name,
		     cmd->handle);
		row->fn(cmd);
		return;
	}
	glog(cmd->guest, VL_WARN,
	     "control: command %u (%s) of %zu bytes, room "
	     "for %zu: status %d",
	     cmd->opcode, row ? row->name : "unknown", req_len, rsp_room,
	     status);
	command_done(cmd, status, 0);
}

static const struct {
	int err;
	enum virtio_rdma_status status;
} errnos[] = {
	{0, VIRTIO_RDMA_S_OK},
	{EINVAL, VIRTIO_RDMA_S_INVALID_PARAMETER},
	{ENOENT, VIRTIO_RDMA_S_INVALID_HANDLE},
	{ENOMEM, VIRTIO_RDMA_S_NO_RESOURCES},
	{ENOSPC, VIRTIO_RDMA_S_NO_RESOURCES},
	{EMFILE, VIRTIO_RDMA_S_NO_RESOURCES},
	{EOPNOTSUPP, VIRTIO_RDMA_S_NOT_SUPPORTED},
	{EBUSY, VIRTIO_RDMA_S_BUSY},
	{EFAULT, VIRTIO_RDMA_S_ACCESS_VIOLATION},
	{EADDRINUSE, VIRTIO_RDMA_S_ADDRESS_IN_USE},
	{EADDRNOTAVAIL, VIRTIO_RDMA_S_INVALID_ADDRESS},
	{ENETUNREACH, VIRTIO_RDMA_S_NETWORK_UNREACHABLE},
	{EHOSTUNREACH, VIRTIO_RDMA_S_HOST_UNREACHABLE},
	{ECONNREFUSED, VIRTIO_RDMA_S_CONNECTION_REFUSED},
	{ECONNABORTED, VIRTIO_RDMA_S_CONNECTION_ABORTED},
	{ENOTCONN, VIRTIO_RDMA_S_CONNECTION_INVALID},
	{EISCONN, VIRTIO_RDMA_S_CONNECTION_ACTIVE},
	{ETIMEDOUT, VIRTIO_RDMA_S_TIMED_OUT},
	{ECANCELED, VIRTIO_RDMA_S_CANCELLED},
};

enum virtio_rdma_status status_from_errno(int err)
{
	for (size_t i = 0; i < sizeof(errnos) / sizeof(errnos[0]); i++)
		if (errnos[i].err == -err)
			return errnos[i].status;
	return VIRTIO_RDMA_S_INTERNAL_ERROR;
}
