/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * standin.h - as much of NDIS as the miniport sees, and a device under it
 *
 * DOC: The test is NDIS: it calls the handlers in the orders that NDIS uses.  What the
 * driver calls is recorded here and can be made to fail.  Two things can be under it:
 *
 *	standin_guest.c		the miniport alone, with a guest of a real vrdmad
 *				(os_user.h) as its device, without its recovery's help
 *	pcidev.h, nt.h		the whole driver, on a PCI function and NT's kernel
 */
#ifndef TESTS_STANDIN_H
#define TESTS_STANDIN_H

#include "miniport.h"
#include "os_user.h"

#define STANDIN_EVENTS	4096

struct standin {
	/* what the driver registered */
	bool registered;
	NDIS_MINIPORT_DRIVER_CHARACTERISTICS chars;
	NDIS_NDK_PROVIDER_CHARACTERISTICS ndk;
	/* of the adapter */
	uint32_t attributes;		/* how often they were set */
	struct vrn_adapter *context;
	NDIS_MINIPORT_ADAPTER_GENERAL_ATTRIBUTES general;
	NDIS_MINIPORT_ADAPTER_NDK_ATTRIBUTES ndk_attr;
	NET_PNP_EVENT_CODE event[STANDIN_EVENTS];
	_Atomic uint32_t events;
	_Atomic uint32_t sends_done;
	NDIS_STATUS send_status;
	_Atomic int work_items;		/* alive */
	/* what the test wants */
	const char *socket;
	ULONG keyword;			/* its value */
	bool no_keyword;
	CM_PARTIAL_RESOURCE_LIST *resources;
	/* standin_guest.c: the n-th call that may fail does; 0: none */
	uint32_t fail_at;
	uint32_t failable;		/* such calls so far */
	/* inside a NetEventNDKDisable, as consumers: close what is open */
	void (*on_disable)(void);
};
extern struct standin ndis;

/* Of what is under it: whether a call fails; the driver's entry; the guest */
bool standin_fails(void);
NDIS_STATUS standin_register(void);
struct tguest *standin_guest(void);

/* A fresh NDIS with the driver loaded */
void standin_load(const char *socket);
void standin_unload(void);
/* initialize, and what NDIS does behind it */
NDIS_STATUS standin_start(void);
void standin_halt(NDIS_HALT_ACTION action);
NDIS_STATUS standin_open(NDK_VERSION version, NDK_ADAPTER **out);
void standin_close(NDK_ADAPTER *a);
NDIS_STATUS standin_oid(NDIS_REQUEST_TYPE type, NDIS_OID oid, void *buf,
			UINT size, NDIS_OID_REQUEST *r);
/* at least n events so far, within the test's patience */
bool standin_wait_events(uint32_t n);

#endif /* TESTS_STANDIN_H */
