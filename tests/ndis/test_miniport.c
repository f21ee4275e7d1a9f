// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * test_miniport.c - the miniport in the orders that NDIS uses, and those of failure
 */
#include <pthread.h>
#include <string.h>

#include "fixture.h"
#include "standin.h"
#include "transport.h"

static const NDK_VERSION version = { VRDMA_NDK_MAJOR, VRDMA_NDK_MINOR };

/* guest 0 is the miniport's: what the fixture put there makes room */
static void setup(void)
{
	fx_setup();
	tguest_stop(fx.g[0]);
	fx.g[0] = NULL;
	standin_load(test_backend()->daemon(0)->socket[0]);
}

static void teardown(void)
{
	if (ndis.context)
		standin_halt(NdisHaltDeviceDisabled);
	standin_unload();
	fx_teardown();
}

static void start(void)
{
	ck_assert_int_eq(standin_start(), NDIS_STATUS_SUCCESS);
}

static NDK_ADAPTER *open_adapter(void)
{
	NDK_ADAPTER *a;

	assert_status(standin_open(version, &a), STATUS_SUCCESS);
	return a;
}

/* --- a consumer behind the miniport ------------------------------------------------- */

struct consumer {
	struct ep base, ep;		/* base: adapter, PD, CQ, memory */
	struct ep peer;
	struct listener l;
};

static void on_cq(PVOID ctx, NTSTATUS status)
{
	(void)ctx;
	(void)status;
}

static void consumer_open(struct consumer *c)
{
	struct ep_opts own = { .share = &c->base };
	struct ep_opts plain = { 0 };

	memset(c, 0, sizeof(*c));
	c->base.g = standin_guest();
	c->base.adapter = open_adapter();
	c->base.pd = nd_pd(c->base.adapter);
	c->base.cq = nd_cq(c->base.adapter, 64, on_cq, NULL);
	mem_init(&c->base.mem, c->base.g, c->base.pd, 65536, MEM_ALL);
	ep_init(&c->ep, c->base.g, &own);
	ep_init(&c->peer, fx.g[1], &plain);
	listener_start(&c->l, c->peer.adapter, sa_v4(1, 0));
	ep_connect(&c->ep, &c->peer, &c->l, NULL, NULL);
}

static void one_message(struct consumer *c)
{
	assert_status(ep_post_recv(&c->peer, 1, 0, 4096), STATUS_SUCCESS);
	assert_status(ep_post_send(&c->ep, 2, 0, 4096, 0), STATUS_SUCCESS);
	assert_status(ep_next(&c->ep).Status, STATUS_SUCCESS);
	assert_status(ep_next(&c->peer).Status, STATUS_SUCCESS);
}

static void consumer_close(struct consumer *c)
{
	struct op op;
	NTSTATUS st;

	op_init(&op);
	st = nd_close_start(c->l.obj, &op);
	ep_fini(&c->ep);
	mem_fini(&c->base.mem);
	nd_close(c->base.cq);
	nd_close(c->base.pd);
	standin_close(c->base.adapter);
	if (c->peer.conn)
		nd_close(c->peer.conn);
	c->peer.conn = NULL;
	assert_status(op_wait(&op, st), STATUS_SUCCESS);
	ep_fini(&c->peer);
}

/* --- registration ------------------------------------------------------------------- */

START_TEST(registers_all)
{
	void *const *handler = (void *const *)&ndis.chars.SetOptionsHandler;
	void *const *end = (void *const *)(&ndis.chars + 1);

	ck_assert_uint_eq(ndis.chars.Header.Type,
			  NDIS_OBJECT_TYPE_MINIPORT_DRIVER_CHARACTERISTICS);
	ck_assert_uint_eq(ndis.chars.Header.Size, sizeof(ndis.chars));
	ck_assert_uint_eq(ndis.chars.MajorNdisVersion, 6);
	ck_assert_uint_eq(ndis.chars.MinorNdisVersion, 30);
	for (; handler < end; handler++)
		ck_assert_ptr_nonnull(*handler);
	ck_assert_ptr_nonnull(ndis.ndk.OpenNDKAdapterHandler);
	ck_assert_ptr_nonnull(ndis.ndk.CloseNDKAdapterHandler);
}
END_TEST

START_TEST(tells_true_numbers)
{
	NDIS_NDK_CAPABILITIES *c;
	NDK_ADAPTER_INFO info;
	ULONG size = sizeof(info);
	NDK_ADAPTER *a;

	start();
	c = ndis.ndk_attr.NdkCapabilities;
	ck_assert_uint_eq(ndis.ndk_attr.Enabled, TRUE);
	ck_assert_uint_eq(c->MaxQpCount, 2048);	/* FX_SMALL */
	ck_assert_uint_eq(c->MaxCqCount, 2048);
	ck_assert_uint_ge(c->MaxPdCount, 1);
	ck_assert_uint_eq(c->MissingCounterMask, 0x3c000000);
	a = open_adapter();
	assert_status(a->Dispatch->NdkQueryAdapterInfo(a, &info, &size),
		      STATUS_SUCCESS);
	ck_assert_mem_eq(&info, c->NdkInfo, sizeof(info));
	standin_close(a);
	ck_assert_uint_eq(ndis.general.MacAddressLength, 6);
	ck_assert_uint_eq(ndis.general.PermanentMacAddress[0], 2);
}
END_TEST

/* --- initialize and halt ---------------------------------------------------------------- */

/* Each thing that may fail, one after the other; ASan sees what is left */
START_TEST(initialize_fails_at_each_step)
{
	uint32_t n, steps;

	ndis.failable = 0;
	start();
	steps = ndis.failable;
	standin_halt(NdisHaltDeviceDisabled);
	ck_assert_uint_ge(steps, 6);
	for (n = 1; n <= steps; n++) {
		ndis.fail_at = n;
		ndis.failable = 0;
		ck_assert_int_ne(standin_start(), NDIS_STATUS_SUCCESS);
		ndis.context = NULL;
		ck_assert_int_eq(ndis.work_items, 0);
	}
	ndis.fail_at = 0;
	start();
}
END_TEST

START_TEST(no_device)
{
	ndis.socket = "/nonexistent/vrdma";
	ck_assert_int_ne(standin_start(), NDIS_STATUS_SUCCESS);
	ndis.context = NULL;
}
END_TEST

START_TEST(again_and_again)
{
	static const NDIS_HALT_ACTION why[] = {
		NdisHaltDeviceDisabled, NdisHaltDevicePoweredDown,
		NdisHaltDeviceStopped, NdisHaltDeviceSurpriseRemoved,
	};

	for (size_t i = 0; i < sizeof(why) / sizeof(why[0]); i++) {
		start();
		standin_close(open_adapter());
		standin_halt(why[i]);
	}
}
END_TEST

/* --- NDK adapters ------------------------------------------------------------------------- */

START_TEST(versions)
{
	NDK_ADAPTER *a;

	start();
	assert_status(standin_open((NDK_VERSION){ 3, 0 }, &a),
		      NDIS_STATUS_BAD_VERSION);
	assert_status(standin_open((NDK_VERSION){ VRDMA_NDK_MAJOR,
						  VRDMA_NDK_MINOR + 1 }, &a),
		      NDIS_STATUS_BAD_VERSION);
	a = open_adapter();
	ck_assert_uint_eq(a->Header.Version.Minor, VRDMA_NDK_MINOR);
	standin_close(a);
}
END_TEST

START_TEST(pause_under_a_connection)
{
	static struct consumer c;

	start();
	consumer_open(&c);
	ck_assert_int_eq(ndis.chars.PauseHandler(ndis.context, NULL),
			 NDIS_STATUS_SUCCESS);
	one_message(&c);
	ck_assert_int_eq(ndis.chars.RestartHandler(ndis.context, NULL),
			 NDIS_STATUS_SUCCESS);
	one_message(&c);
	ep_disconnect_both(&c.ep, &c.peer);
	consumer_close(&c);
}
END_TEST

START_TEST(surprise_under_a_disconnect)
{
	NET_DEVICE_PNP_EVENT e = {
		.DevicePnPEvent = NdisDevicePnPEventSurpriseRemoved,
	};
	static struct consumer c;
	NDK_ADAPTER *a;
	struct op op;
	NTSTATUS st;

	start();
	consumer_open(&c);
	op_init(&op);
	st = ep_disconnect_start(&c.ep, &op);
	assert_status(st, STATUS_PENDING);	/* the peer does not answer */
	ndis.chars.DevicePnPEventNotifyHandler(ndis.context, &e);
	ck_assert(op_wait(&op, st) != STATUS_SUCCESS);
	assert_status(standin_open(version, &a), NDIS_STATUS_ADAPTER_NOT_READY);
	/* NDIS says it once more, and asks for what it still may */
	ndis.chars.DevicePnPEventNotifyHandler(ndis.context, &e);
	ck_assert_int_eq(ndis.chars.CheckForHangHandlerEx(ndis.context), FALSE);
	consumer_close(&c);
	standin_halt(NdisHaltDeviceSurpriseRemoved);
}
END_TEST

static void *close_it(void *a)
{
	/* its consumer only learns from the device's end: command by command */
	standin_close(a);
	return NULL;
}

/* What NDIS does not do: the miniport waits for it all the same */
START_TEST(halt_over_an_open_adapter)
{
	NDK_ADAPTER *a;
	pthread_t t;

	start();
	a = open_adapter();
	pthread_create(&t, NULL, close_it, a);
	standin_halt(NdisHaltDeviceDisabled);
	pthread_join(t, NULL);
}
END_TEST

/* --- on and off ------------------------------------------------------------------------------ */

static NDIS_STATUS set_state(BOOLEAN on)
{
	NDIS_OID_REQUEST r;

	return standin_oid(NdisRequestSetInformation, OID_NDK_SET_STATE, &on,
			   sizeof(on), &r);
}

static NDK_ADAPTER *to_close;

static void close_in_the_event(void)
{
	NDK_ADAPTER *a;

	/* off already for everybody else */
	ck_assert_int_eq(standin_open(version, &a),
			 NDIS_STATUS_ADAPTER_NOT_READY);
	if (to_close)
		standin_close(to_close);
	to_close = NULL;
}

START_TEST(off_and_on)
{
	NDK_ADAPTER *a;

	start();
	ndis.on_disable = close_in_the_event;
	to_close = open_adapter();
	ck_assert_int_eq(set_state(TRUE), NDIS_STATUS_SUCCESS);	/* it is */
	ck_assert_int_eq(set_state(FALSE), NDIS_STATUS_SUCCESS);
	ck_assert(standin_wait_events(1));
	ck_assert_int_eq(ndis.event[0], NetEventNDKDisable);
	ck_assert_ptr_null(to_close);
	ck_assert_int_eq(standin_open(version, &a),
			 NDIS_STATUS_ADAPTER_NOT_READY);
	ck_assert_int_eq(set_state(TRUE), NDIS_STATUS_SUCCESS);
	ck_assert(standin_wait_events(2));
	ck_assert_int_eq(ndis.event[1], NetEventNDKEnable);
	standin_close(open_adapter());
}
END_TEST

static void *toggle(void *arg)
{
	for (int i = 0; i < 200; i++)
		set_state((BOOLEAN)(i & 1));
	return arg;
}

/* Whatever the order, off and on alternate and the last word counts */
START_TEST(toggled_by_many)
{
	pthread_t t[3];
	NDK_ADAPTER *a;
	NDIS_STATUS st;
	uint32_t i;

	start();
	ndis.on_disable = close_in_the_event;
	for (i = 0; i < 3; i++)
		pthread_create(&t[i], NULL, toggle, NULL);
	for (i = 0; i < 3; i++)
		pthread_join(t[i], NULL);
	set_state(TRUE);
	for (i = 0; i < 20000; i++) {
		st = standin_open(version, &a);
		if (st == NDIS_STATUS_SUCCESS)
			break;
		set_state(TRUE);
	}
	ck_assert_int_eq(st, NDIS_STATUS_SUCCESS);
	standin_close(a);
	for (i = 0; i < ndis.events; i++)
		ck_assert_int_eq(ndis.event[i], i % 2 ? NetEventNDKEnable :
							NetEventNDKDisable);
}
END_TEST

START_TEST(keyword_off)
{
	NDK_ADAPTER *a;

	ndis.keyword = 0;
	start();
	ck_assert_uint_eq(ndis.ndk_attr.Enabled, FALSE);
	ck_assert_int_eq(standin_open(version, &a),
			 NDIS_STATUS_ADAPTER_NOT_READY);
	ck_assert_int_eq(set_state(TRUE), NDIS_STATUS_NOT_SUPPORTED);
	ck_assert_int_eq(set_state(FALSE), NDIS_STATUS_SUCCESS);
	standin_halt(NdisHaltDeviceDisabled);
	ndis.no_keyword = true;		/* not in the registry: on */
	start();
	ck_assert_uint_eq(ndis.ndk_attr.Enabled, TRUE);
}
END_TEST

/* --- power, reset, frames ------------------------------------------------------------------- */

static NDIS_STATUS set_power(NDIS_DEVICE_POWER_STATE state)
{
	NDIS_OID_REQUEST r;

	return standin_oid(NdisRequestSetInformation, OID_PNP_SET_POWER, &state,
			   sizeof(state), &r);
}

START_TEST(sleeps_and_wakes)
{
	static struct consumer c;
	NDK_ADAPTER *a;

	start();
	consumer_open(&c);
	ck_assert_int_eq(set_power(NdisDeviceStateD3), NDIS_STATUS_SUCCESS);
	ck_assert(wait_count(&c.ep.indications, 1, TEST_TIMEOUT_MS));
	ck_assert_int_eq(standin_open(version, &a),
			 NDIS_STATUS_ADAPTER_NOT_READY);
	consumer_close(&c);
	ck_assert_int_eq(set_power(NdisDeviceStateD0), NDIS_STATUS_SUCCESS);
	consumer_open(&c);
	one_message(&c);
	ep_disconnect_both(&c.ep, &c.peer);
	consumer_close(&c);
	ck_assert_int_eq(set_power(99), NDIS_STATUS_INVALID_DATA);
}
END_TEST

START_TEST(reset_ends_and_begins)
{
	static struct consumer c;
	BOOLEAN addressing = TRUE;

	start();
	consumer_open(&c);
	ck_assert_int_eq(ndis.chars.ResetHandlerEx(ndis.context, &addressing),
			 NDIS_STATUS_SUCCESS);
	ck_assert_uint_eq(addressing, FALSE);
	ck_assert(wait_count(&c.ep.indications, 1, TEST_TIMEOUT_MS));
	consumer_close(&c);
	standin_close(open_adapter());
	ndis.chars.ShutdownHandlerEx(ndis.context, NdisShutdownBugCheck);
	standin_close(open_adapter());
	ndis.chars.ShutdownHandlerEx(ndis.context, NdisShutdownPowerOff);
}
END_TEST

START_TEST(frames_come_back)
{
	NET_BUFFER_LIST l[2] = { { .Next = &l[1] }, { 0 } };

	start();
	ndis.chars.SendNetBufferListsHandler(ndis.context, l, 0, 0);
	ck_assert_uint_eq(ndis.sends_done, 2);
	ck_assert_int_eq(ndis.send_status, NDIS_STATUS_NOT_SUPPORTED);
	ndis.chars.CancelSendHandler(ndis.context, NULL);
	ndis.chars.PauseHandler(ndis.context, NULL);
	ndis.chars.SendNetBufferListsHandler(ndis.context, &l[1], 0, 1);
	ck_assert_uint_eq(ndis.sends_done, 3);
}
END_TEST

/* --- OIDs --------------------------------------------------------------------------------- */

START_TEST(each_oid_and_each_length)
{
	const NDIS_OID *oid;
	NDIS_OID_REQUEST r;
	uint8_t buf[4096];
	size_t i, n;
	UINT size;

	start();
	oid = ndis.general.SupportedOidList;
	n = ndis.general.SupportedOidListLength / sizeof(*oid);
	for (i = 0; i < n; i++) {
		NDIS_STATUS q = standin_oid(NdisRequestQueryInformation, oid[i],
					    buf, sizeof(buf), &r);

		if (q == NDIS_STATUS_NOT_SUPPORTED)
			continue;	/* one that is only set */
		ck_assert_int_eq(q, NDIS_STATUS_SUCCESS);
		size = r.DATA.BytesDone;
		ck_assert_uint_gt(size, 0);
		ck_assert_int_eq(standin_oid(NdisRequestQueryStatistics, oid[i],
					     buf, size, &r),
				 NDIS_STATUS_SUCCESS);
		ck_assert_int_eq(standin_oid(NdisRequestQueryInformation,
					     oid[i], buf, size - 1, &r),
				 NDIS_STATUS_BUFFER_TOO_SHORT);
		ck_assert_uint_eq(r.DATA.BytesNeeded, size);
		ck_assert_uint_eq(r.DATA.BytesDone, 0);
	}
	ck_assert_int_eq(standin_oid(NdisRequestQueryInformation, 0x12345678,
				     buf, 4, &r), NDIS_STATUS_NOT_SUPPORTED);
	ck_assert_int_eq(standin_oid(NdisRequestMethod, oid[0], buf, 4, &r),
			 NDIS_STATUS_NOT_SUPPORTED);
	ck_assert_int_eq(standin_oid(NdisRequestSetInformation,
				     OID_GEN_VENDOR_ID, buf, 4, &r),
			 NDIS_STATUS_NOT_SUPPORTED);
	ck_assert_int_eq(standin_oid(NdisRequestSetInformation,
				     OID_NDK_SET_STATE, buf, 0, &r),
			 NDIS_STATUS_INVALID_LENGTH);
}
END_TEST

START_TEST(what_is_set_is_told)
{
	NDIS_OID_REQUEST r;
	uint8_t list[33 * 6] = { 0 };
	ULONG v = 0xb, got = 0;

	start();
	ck_assert_int_eq(standin_oid(NdisRequestSetInformation,
				     OID_GEN_CURRENT_PACKET_FILTER, &v, 4, &r),
			 NDIS_STATUS_SUCCESS);
	standin_oid(NdisRequestQueryInformation, OID_GEN_CURRENT_PACKET_FILTER,
		    &got, 4, &r);
	ck_assert_uint_eq(got, v);
	ck_assert_int_eq(standin_oid(NdisRequestSetInformation,
				     OID_802_3_MULTICAST_LIST, list, 32 * 6,
				     &r), NDIS_STATUS_SUCCESS);
	ck_assert_int_eq(standin_oid(NdisRequestSetInformation,
				     OID_802_3_MULTICAST_LIST, list, 33 * 6,
				     &r), NDIS_STATUS_INVALID_LENGTH);
	ck_assert_int_eq(standin_oid(NdisRequestSetInformation,
				     OID_802_3_MULTICAST_LIST, list, 7, &r),
			 NDIS_STATUS_INVALID_LENGTH);
}
END_TEST

#define ROOM 2048

/* Both answers have their count at the same place */
static uint32_t count_of(NDIS_OID oid, void *room)
{
	NDIS_NDK_CONNECTIONS *c = room;
	NDIS_OID_REQUEST r;

	ck_assert_int_eq(standin_oid(NdisRequestQueryInformation, oid, room,
				     ROOM, &r), NDIS_STATUS_SUCCESS);
	return c->Count;
}

static NDK_SHARED_ENDPOINT *shared_endpoint(NDK_ADAPTER *a)
{
	struct sa sa = sa_v4(0, 0);
	NDK_SHARED_ENDPOINT *e = NULL;
	NTSTATUS st;
	struct op op;

	op_init(&op);
	st = a->Dispatch->NdkCreateSharedEndpoint(a, &sa.sa, sa.len, op_created,
						  &op, &e);
	assert_status(op_wait(&op, st), STATUS_SUCCESS);
	return st == STATUS_PENDING ? (NDK_SHARED_ENDPOINT *)op.object : e;
}

START_TEST(connections_and_listeners)
{
	uint64_t room[ROOM / 8];
	NDIS_NDK_CONNECTIONS *conns = (void *)room;
	NDIS_NDK_LOCAL_ENDPOINTS *ends = (void *)room;
	static struct consumer c;
	NDK_SHARED_ENDPOINT *e;
	struct listener l;

	start();
	ck_assert_uint_eq(count_of(OID_NDK_CONNECTIONS, room), 0);
	consumer_open(&c);
	ck_assert_uint_eq(count_of(OID_NDK_CONNECTIONS, room), 1);
	ck_assert_uint_eq(conns->Connections[0].Local.Ipv4.addr[3], 1);
	ck_assert_uint_eq(conns->Connections[0].Remote.Ipv4.addr[3], 2);
	ck_assert_uint_eq(conns->Connections[0].UserModeOwner, FALSE);
	ck_assert_uint_eq(count_of(OID_NDK_LOCAL_ENDPOINTS, room), 0);
	listener_start(&l, c.base.adapter, sa_v4(0, 0));
	ck_assert_uint_eq(count_of(OID_NDK_LOCAL_ENDPOINTS, room), 1);
	ck_assert_uint_eq(ends->LocalEndpoints[0].Listener, TRUE);
	ck_assert_uint_eq(ends->LocalEndpoints[0].Local.Ipv4.addr[3], 1);
	listener_stop(&l);
	e = shared_endpoint(c.base.adapter);
	ck_assert_uint_eq(count_of(OID_NDK_LOCAL_ENDPOINTS, room), 1);
	ck_assert_uint_eq(ends->LocalEndpoints[0].Listener, FALSE);
	ck_assert_uint_eq(ends->LocalEndpoints[0].Local.Ipv4.addr[3], 1);
	nd_close(e);
	ck_assert_uint_eq(count_of(OID_NDK_LOCAL_ENDPOINTS, room), 0);
	ep_disconnect_both(&c.ep, &c.peer);
	ck_assert_uint_eq(count_of(OID_NDK_CONNECTIONS, room), 0);
	consumer_close(&c);
}
END_TEST

/* --- counters ---------------------------------------------------------------------------- */

struct counts {
	uint64_t connects, accepts, failures, errors, active;
};

/* The others are 0, whatever happens */
static void counts_are(struct counts want)
{
	const uint64_t first[] = { want.connects, want.accepts, want.failures,
				   want.errors, want.active };
	NDIS_NDK_STATISTICS_INFO s;
	NDIS_OID_REQUEST r;

	ck_assert_int_eq(standin_oid(NdisRequestQueryInformation,
				     OID_NDK_STATISTICS, &s, sizeof(s), &r),
			 NDIS_STATUS_SUCCESS);
	for (size_t i = 0; i < 30; i++)
		ck_assert_msg(s.CounterSet.Counter[i] ==
				      (i < 5 ? first[i] : 0),
			      "counter %zu is %llu", i,
			      (unsigned long long)s.CounterSet.Counter[i]);
}

static void renew_both(struct consumer *c)
{
	ep_renew(&c->ep);
	ep_renew(&c->peer);
}

/* The peer connects to us.  The listener's end is when its connectors are closed */
static NTSTATUS accept_one(struct consumer *c, struct op *listener_ends)
{
	static struct listener l;

	renew_both(c);
	listener_start(&l, c->base.adapter, sa_v4(0, 0));
	ep_connect(&c->peer, &c->ep, &l, NULL, NULL);
	op_init(listener_ends);
	return nd_close_start(l.obj, listener_ends);
}

static void refused_one(struct consumer *c)
{
	struct op op;
	NTSTATUS st;

	op_init(&op);
	st = ep_connect_start(&c->ep, sa_v4(1, 1), NULL, &op);
	ck_assert(op_wait(&op, st) != STATUS_SUCCESS);
}

START_TEST(counts_connections)
{
	static struct consumer c;
	struct op op;
	NTSTATUS st;

	start();
	counts_are((struct counts){ 0 });
	consumer_open(&c);
	counts_are((struct counts){ .connects = 1, .active = 1 });
	ep_disconnect_both(&c.ep, &c.peer);
	counts_are((struct counts){ .connects = 1 });
	st = accept_one(&c, &op);
	counts_are((struct counts){ .connects = 1, .accepts = 1, .active = 1 });
	ep_disconnect_both(&c.ep, &c.peer);
	renew_both(&c);
	assert_status(op_wait(&op, st), STATUS_SUCCESS);
	refused_one(&c);
	counts_are((struct counts){ .connects = 1, .accepts = 1,
				    .failures = 1 });
	renew_both(&c);
	ep_connect(&c.ep, &c.peer, &c.l, NULL, NULL);
	/* the peer's consumer lets go without a word */
	nd_close(c.peer.conn);
	c.peer.conn = NULL;
	ck_assert(wait_count(&c.ep.indications, 1, TEST_TIMEOUT_MS));
	ck_assert_uint_eq(c.ep.reason, VIRTIO_RDMA_R_RESET);
	counts_are((struct counts){ .connects = 2, .accepts = 1, .failures = 1,
				    .errors = 1, .active = 1 });
	consumer_close(&c);
	counts_are((struct counts){ .connects = 2, .accepts = 1, .failures = 1,
				    .errors = 1 });
}
END_TEST

/* The device goes under a connection and comes back: counts go on */
START_TEST(counts_what_a_reset_ends)
{
	static struct consumer c;
	BOOLEAN addressing;

	start();
	consumer_open(&c);
	ndis.chars.ResetHandlerEx(ndis.context, &addressing);
	ck_assert(wait_count(&c.ep.indications, 1, TEST_TIMEOUT_MS));
	counts_are((struct counts){ .connects = 1, .errors = 1, .active = 1 });
	consumer_close(&c);
	counts_are((struct counts){ .connects = 1, .errors = 1 });
	consumer_open(&c);
	counts_are((struct counts){ .connects = 2, .errors = 1, .active = 1 });
	ep_disconnect_both(&c.ep, &c.peer);
	consumer_close(&c);
	counts_are((struct counts){ .connects = 2, .errors = 1 });
}
END_TEST

int main(void)
{
	Suite *s = suite_create("miniport");
	TCase *tc;

#define CASE(name)							\
	tc = add_case(s, #name, 60);					\
	tcase_add_checked_fixture(tc, setup, teardown);			\
	tcase_add_test(tc, name)
	CASE(registers_all);
	CASE(tells_true_numbers);
	CASE(initialize_fails_at_each_step);
	CASE(no_device);
	CASE(again_and_again);
	CASE(versions);
	CASE(pause_under_a_connection);
	CASE(surprise_under_a_disconnect);
	CASE(halt_over_an_open_adapter);
	CASE(off_and_on);
	CASE(toggled_by_many);
	CASE(keyword_off);
	CASE(sleeps_and_wakes);
	CASE(reset_ends_and_begins);
	CASE(frames_come_back);
	CASE(each_oid_and_each_length);
	CASE(what_is_set_is_told);
	CASE(connections_and_listeners);
	CASE(counts_connections);
	CASE(counts_what_a_reset_ends);
	return run_suite(s);
}
