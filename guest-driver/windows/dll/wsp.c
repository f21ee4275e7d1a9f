/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-or-later */
/*
 * wsp.c - what Winsock finds when it takes a NetworkDirect provider for one of its
 * own: a provider that never starts
 */
#include "nd_win.h"
#include <ws2spi.h>

int WSPAPI WSPStartup(WORD version, LPWSPDATA data, LPWSAPROTOCOL_INFOW info,
		      WSPUPCALLTABLE up, LPWSPPROC_TABLE table)
{
	(void)version;
	(void)data;
	(void)info;
	(void)up;
	(void)table;
	return WSASYSNOTREADY;
}
