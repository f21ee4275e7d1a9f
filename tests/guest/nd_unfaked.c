// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * nd_unfaked.c - what of the fake (nd_fake.h) no real device can do
 */
#include <check.h>
#include <stddef.h>

#include "nd_fake.h"

const bool fake_real = true;
uint32_t fake_features; /* what the device has, it has */
bool fake_spoil;

void fake_engine_start(void)
{
}

void fake_engine_stop(void)
{
}

/* --- of tests that do not run there ------------------------------------------ */

struct virtio_rdma_qp_record *fake_qp_record(void)
{
	ck_abort_msg("not on a real device");
	return NULL;
}

struct virtio_rdma_context_page *fake_context(void)
{
	ck_abort_msg("not on a real device");
	return NULL;
}

void fake_complete(uint64_t wr_id, uint8_t opcode, uint8_t status,
		   uint32_t length)
{
	(void)wr_id;
	(void)opcode;
	(void)status;
	(void)length;
	ck_abort_msg("not on a real device");
}
