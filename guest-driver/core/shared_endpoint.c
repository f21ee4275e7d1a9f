/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-or-later */
/*
 * shared_endpoint.c - NDK shared endpoints
 *
 * DOC: Not offered.  The device keeps one reference per (address, port) and
 * connector; an endpoint that several connectors share, and that holds its
 * port while none exists, has no command.  NDSPI has no such object and the
 * known NDK consumers connect without one.
 */
#include "vrc.h"

NTSTATUS vrc_create_shared_endpoint(NDK_ADAPTER *adapter, const SOCKADDR *addr,
				    ULONG len, NDK_FN_CREATE_COMPLETION *cc,
				    PVOID ctx, NDK_SHARED_ENDPOINT **out)
{
	(void)adapter;
	(void)addr;
	(void)len;
	(void)cc;
	(void)ctx;
	(void)out;
	return STATUS_NOT_SUPPORTED;
}
