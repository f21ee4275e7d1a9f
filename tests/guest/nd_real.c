/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * nd_real.c - the guest's own device in the place of nd_fake.c
 *
 * DOC: Programs of tests/unit that only ask for what is here (nd_fake.h) are linked
 * with it, too, and run in a guest through /dev/vrdma0.
 */
#include <arpa/inet.h>
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "nd_fake.h"
#include "nd_vrdma.h"
#include "ndutil.h"

const unsigned fake_devices = 1;

void fake_install(void)
{
}

void fake_remove(void)
{
	ck_assert_int_eq(DllCanUnloadNow(), S_OK);
}

static bool first_v4(struct sockaddr_in *out)
{
	SOCKET_ADDRESS_LIST *list;
	IND2Provider *p = NULL;
	bool found = false;
	ULONG cb = 0;

	DllGetClassObject(NULL, &IID_IND2Provider, (VOID **)&p);
	p->lpVtbl->QueryAddressList(p, NULL, &cb);
	list = calloc(1, cb);
	ck_assert_int_eq(p->lpVtbl->QueryAddressList(p, list, &cb), ND_SUCCESS);
	for (int i = 0; i < list->iAddressCount && !found; i++) {
		const struct sockaddr *a = list->Address[i].lpSockaddr;

		found = a->sa_family == AF_INET;
		if (found)
			memcpy(out, a, sizeof(*out));
	}
	free(list);
	p->lpVtbl->Release(p);
	return found;
}

/* Both ends are on the one device */
struct sockaddr_in fake_v4(unsigned device, uint16_t port)
{
	struct sockaddr_in sa;

	(void)device;
	ck_assert_msg(first_v4(&sa), "no device has an IPv4 address");
	sa.sin_port = htons(port);
	return sa;
}
