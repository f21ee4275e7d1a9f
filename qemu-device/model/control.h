/* SPDX-License-Identifier: GPL-2.0-or-later */
/* control.h - the table of commands */
#ifndef VRDMA_CONTROL_H
#define VRDMA_CONTROL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "vq.h"

struct command_row {
	const char *name;
	uint32_t req_size; /* exactly */
	uint32_t rsp_size; /* at least */
	bool creates;	   /* handle of the request is 0 */
	void (*fn)(struct command *cmd);
};

/* NULL: unknown */
const struct command_row *command_row(uint32_t opcode);
/* VIRTIO_RDMA_FEATURE() that a command belongs to, 0: of every device.  One
 * that was not negotiated is unknown. */
uint32_t command_feature(uint32_t opcode);
/* The checks that every command shares: opcode, sizes, header.  req_len: what
 * the guest sent, also when it is more than fits; rsp_room: what it offers. */
enum virtio_rdma_status command_check(const struct command *cmd, size_t req_len,
				      size_t rsp_room);
/* Checks and runs it; the answer comes by command_done() */
void command_dispatch(struct command *cmd, size_t req_len, size_t rsp_room);

#endif /* VRDMA_CONTROL_H */
