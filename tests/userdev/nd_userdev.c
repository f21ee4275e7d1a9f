// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * nd_userdev.c - two guests of vrdmad in the place of nd_fake.c
 *
 * DOC: What tests/guest/nd_real.c is in a guest: programs of tests/guest, and of
 * tests/unit those that ask for no more than this, are linked with it, too.
 */
#include <arpa/inet.h>
#include <check.h>
#include <string.h>

#include "nd_fake.h"
#include "ndspi.h"
#include "userdev.h"
#include "vrdmad.h"

const unsigned fake_devices = 2;

void fake_install(void)
{
	userdev_setup();
	nd_sys = &userdev_sys;
}

void fake_remove(void)
{
	ck_assert_int_eq(DllCanUnloadNow(), S_OK);
	userdev_teardown();
}

void fake_lose_device(unsigned device)
{
	userdev_lose(device);
}

struct sockaddr_in fake_v4(unsigned device, uint16_t port)
{
	static const uint8_t ip[2][4] = { DAEMON_IPV4(0), DAEMON_IPV4(1) };
	struct sockaddr_in sa = { .sin_family = AF_INET,
				  .sin_port = htons(port) };

	memcpy(&sa.sin_addr, ip[device], sizeof(sa.sin_addr));
	return sa;
}
