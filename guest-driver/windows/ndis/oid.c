/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-or-later */
/*
 * oid.c - what NDIS asks and sets
 *
 * DOC: One row per OID: what it may be asked for, how long the answer is at least,
 * and what gives it: a number, a field of the adapter, or a function.  The
 * dispatcher checks lengths and counts bytes.
 */
#include "miniport.h"

typedef NDIS_STATUS oid_fn(struct vrn_adapter *a, void *buf, UINT length,
			   UINT *used, UINT *needed);

struct oid_row {
	NDIS_OID oid;
	UINT least;			/* bytes; of a number or field, exactly */
	oid_fn *query;
	oid_fn *set;
	ULONG number;			/* without query: the answer, unless */
	UINT field;			/* offset in struct vrn_adapter, else 0 */
	bool settable;			/* the field */
};

static void put(void *buf, const void *data, UINT size, UINT *used)
{
	memcpy(buf, data, size);
	*used = size;
}

static NDIS_STATUS get_description(struct vrn_adapter *a, void *buf,
				   UINT length, UINT *used, UINT *needed)
{
	static const char text[] = "vRDMA NetworkDirect adapter";

	(void)a;
	*needed = sizeof(text);
	if (length < sizeof(text))
		return NDIS_STATUS_BUFFER_TOO_SHORT;
	put(buf, text, sizeof(text), used);
	return NDIS_STATUS_SUCCESS;
}

static NDIS_STATUS set_multicast(struct vrn_adapter *a, void *buf, UINT length,
				 UINT *used, UINT *needed)
{
	(void)a;
	(void)buf;
	(void)needed;
	if (length % 6 || length / 6 > VRN_MULTICAST)
		return NDIS_STATUS_INVALID_LENGTH;
	*used = length;
	return NDIS_STATUS_SUCCESS;
}

/* --- power ----------------------------------------------------------------------------- */

static NDIS_STATUS set_power(struct vrn_adapter *a, void *buf, UINT length,
			     UINT *used, UINT *needed)
{
	NDIS_DEVICE_POWER_STATE state;
	NDIS_STATUS status;

	(void)length;
	(void)needed;
	memcpy(&state, buf, sizeof(state));
	if (state < NdisDeviceStateD0 || state > NdisDeviceStateD3)
		return NDIS_STATUS_INVALID_DATA;
	status = vrn_power(a, state == NdisDeviceStateD0);
	if (status == NDIS_STATUS_SUCCESS)
		*used = sizeof(state);
	return status;
}

/* --- NDK --------------------------------------------------------------------------------- */

static NDIS_STATUS set_ndk(struct vrn_adapter *a, void *buf, UINT length,
			   UINT *used, UINT *needed)
{
	bool on = *(const UCHAR *)buf != 0;

	(void)length;
	(void)needed;
	if (on && !a->keyword)
		return NDIS_STATUS_NOT_SUPPORTED;
	*used = sizeof(BOOLEAN);
	vrn_ndk_want(a, on);
	return NDIS_STATUS_SUCCESS;
}

/* Those that the capabilities do not call missing */
static NDIS_STATUS get_statistics(struct vrn_adapter *a, void *buf, UINT length,
				  UINT *used, UINT *needed)
{
	NDIS_NDK_STATISTICS_INFO s = {
		.Header = vrn_header(NDIS_OBJECT_TYPE_DEFAULT, 1, sizeof(s)),
	};

	struct vrdma_counters c;
	ULONG64 *n = s.CounterSet.Counter;

	(void)length;
	(void)needed;
	vrdma_core_counters(a->ops->core(a->device), &c);
	n[NDIS_NDK_CONNECT] = c.connects;
	n[NDIS_NDK_ACCEPT] = c.accepts;
	n[NDIS_NDK_CONNECT_FAILURE] = c.connect_failures;
	n[NDIS_NDK_CONNECTION_ERROR] = c.connection_errors;
	n[NDIS_NDK_ACTIVE_CONNECTION] = c.active;
	n[NDIS_NDK_CQ_ERROR] = c.cq_errors;
	put(buf, &s, sizeof(s), used);
	return NDIS_STATUS_SUCCESS;
}

static void to_inet(const struct virtio_rdma_addr *addr, NDIS_SOCKADDR_INET *out)
{
	ULONG size = sizeof(*out);

	vrdma_addr_to_sockaddr(addr, (SOCKADDR *)(void *)out, &size);
}

/* All that there are, and how many; NULL: no memory.  More may come meanwhile */
static struct vrdma_endpoint *endpoints(struct vrn_adapter *a, uint32_t *n)
{
	struct vrdma_core *core = a->ops->core(a->device);
	uint32_t room = vrdma_core_endpoints(core, NULL, 0) + 16;
	struct vrdma_endpoint *e = vrn_alloc(room * sizeof(*e));

	*n = e ? vrdma_core_endpoints(core, e, room) : 0;
	if (*n > room)
		*n = room;
	return e;
}

static uint32_t count(const struct vrdma_endpoint *e, uint32_t n, bool connected)
{
	uint32_t i, sum = 0;

	for (i = 0; i < n; i++)
		sum += e[i].connected == connected;
	return sum;
}

static void fill_connections(NDIS_NDK_CONNECTIONS *c, ULONG size,
			     const struct vrdma_endpoint *e, uint32_t n)
{
	NDIS_NDK_CONNECTION_ENTRY *to = c->Connections;
	uint32_t i;

	memset(c, 0, size);
	c->Header = vrn_header(NDIS_OBJECT_TYPE_DEFAULT, 1,
			       offsetof(NDIS_NDK_CONNECTIONS, Connections));
	for (i = 0; i < n; i++) {
		if (!e[i].connected)
			continue;
		to_inet(&e[i].local, &to->Local);
		to_inet(&e[i].peer, &to->Remote);
		to->UserModeOwner = e[i].user;
		to++;
		c->Count++;
	}
}

static NDIS_STATUS get_connections(struct vrn_adapter *a, void *buf,
				   UINT length, UINT *used, UINT *needed)
{
	NDIS_STATUS status = NDIS_STATUS_BUFFER_TOO_SHORT;
	struct vrdma_endpoint *e;
	uint32_t n;

	e = endpoints(a, &n);
	if (!e)
		return NDIS_STATUS_RESOURCES;
	*needed = (UINT)(offsetof(NDIS_NDK_CONNECTIONS, Connections) +
			 count(e, n, true) *
				 sizeof(NDIS_NDK_CONNECTION_ENTRY));
	if (length >= *needed) {
		fill_connections(buf, *needed, e, n);
		*used = *needed;
		status = NDIS_STATUS_SUCCESS;
	}
	vrn_free(e);
	return status;
}

static void fill_local(NDIS_NDK_LOCAL_ENDPOINTS *l, ULONG size,
			   const struct vrdma_endpoint *e, uint32_t n)
{
	NDIS_NDK_LOCAL_ENDPOINT_ENTRY *to = l->LocalEndpoints;
	uint32_t i;

	memset(l, 0, size);
	l->Header = vrn_header(NDIS_OBJECT_TYPE_DEFAULT, 1,
			       offsetof(NDIS_NDK_LOCAL_ENDPOINTS,
					LocalEndpoints));
	for (i = 0; i < n; i++) {
		if (e[i].connected)
			continue;
		to_inet(&e[i].local, &to->Local);
		to->UserModeOwner = e[i].user;
		to->Listener = e[i].listener;
		to++;
		l->Count++;
	}
}

static NDIS_STATUS get_local(struct vrn_adapter *a, void *buf, UINT length,
				 UINT *used, UINT *needed)
{
	NDIS_STATUS status = NDIS_STATUS_BUFFER_TOO_SHORT;
	struct vrdma_endpoint *e;
	uint32_t n;

	e = endpoints(a, &n);
	if (!e)
		return NDIS_STATUS_RESOURCES;
	*needed = (UINT)(offsetof(NDIS_NDK_LOCAL_ENDPOINTS, LocalEndpoints) +
			 count(e, n, false) *
				 sizeof(NDIS_NDK_LOCAL_ENDPOINT_ENTRY));
	if (length >= *needed) {
		fill_local(buf, *needed, e, n);
		*used = *needed;
		status = NDIS_STATUS_SUCCESS;
	}
	vrn_free(e);
	return status;
}

/* --- dispatch ----------------------------------------------------------------------------- */

#define NUMBER(oid, n)	{ oid, sizeof(ULONG), .number = (n) }
#define FIELD(oid, member, may_be_set)					\
	{ oid, sizeof(((struct vrn_adapter *)NULL)->member),		\
	  .field = offsetof(struct vrn_adapter, member),		\
	  .settable = (may_be_set) }
static const struct oid_row rows[] = {
	NUMBER(OID_GEN_TRANSMIT_BLOCK_SIZE, VRN_FRAME),
	NUMBER(OID_GEN_RECEIVE_BLOCK_SIZE, VRN_FRAME),
	NUMBER(OID_GEN_VENDOR_ID, 0xffffff),	/* no IEEE number */
	{ OID_GEN_VENDOR_DESCRIPTION, 0, .query = get_description },
	FIELD(OID_GEN_CURRENT_PACKET_FILTER, filter, true),
	FIELD(OID_GEN_CURRENT_LOOKAHEAD, lookahead, true),
	NUMBER(OID_GEN_MAXIMUM_TOTAL_SIZE, VRN_FRAME),
	NUMBER(OID_GEN_VENDOR_DRIVER_VERSION, VRN_VERSION),
	NUMBER(OID_GEN_XMIT_OK, 0),		/* frames, of which there are none */
	NUMBER(OID_GEN_RCV_OK, 0),
	FIELD(OID_802_3_PERMANENT_ADDRESS, mac, false),
	FIELD(OID_802_3_CURRENT_ADDRESS, mac, false),
	{ OID_802_3_MULTICAST_LIST, 0, .set = set_multicast },
	NUMBER(OID_802_3_MAXIMUM_LIST_SIZE, VRN_MULTICAST),
	{ OID_PNP_SET_POWER, 4, .set = set_power },
	{ OID_NDK_SET_STATE, 1, .set = set_ndk },
	{ OID_NDK_CONNECTIONS, 0, .query = get_connections },
	{ OID_NDK_LOCAL_ENDPOINTS, 0, .query = get_local },
};

/* <= DISPATCH, and beside any other request */
static const struct oid_row direct_rows[] = {
	{ OID_NDK_STATISTICS, sizeof(NDIS_NDK_STATISTICS_INFO),
	  .query = get_statistics },
};

const NDIS_OID vrn_oids[] = {
	OID_GEN_TRANSMIT_BLOCK_SIZE, OID_GEN_RECEIVE_BLOCK_SIZE,
	OID_GEN_VENDOR_ID, OID_GEN_VENDOR_DESCRIPTION,
	OID_GEN_CURRENT_PACKET_FILTER, OID_GEN_CURRENT_LOOKAHEAD,
	OID_GEN_MAXIMUM_TOTAL_SIZE, OID_GEN_VENDOR_DRIVER_VERSION,
	OID_GEN_XMIT_OK, OID_GEN_RCV_OK, OID_802_3_PERMANENT_ADDRESS,
	OID_802_3_CURRENT_ADDRESS, OID_802_3_MULTICAST_LIST,
	OID_802_3_MAXIMUM_LIST_SIZE, OID_PNP_SET_POWER, OID_NDK_SET_STATE,
	OID_NDK_STATISTICS, OID_NDK_CONNECTIONS, OID_NDK_LOCAL_ENDPOINTS,
};
const ULONG vrn_oids_size = sizeof(vrn_oids);

static bool has_value(const struct oid_row *row)
{
	return !row->query && !row->set;
}

static bool allows(const struct oid_row *row, bool set)
{
	if (has_value(row))
		return !set || row->settable;
	return set ? row->set : row->query;
}

/* A number or a field, which the buffer has room for */
static NDIS_STATUS move_value(struct vrn_adapter *a, const struct oid_row *row,
			      bool set, void *buf, UINT *used)
{
	uint8_t *field = (uint8_t *)a + row->field;

	if (set)
		memcpy(field, buf, row->least);
	else
		memcpy(buf, row->field ? field : (const void *)&row->number,
		       row->least);
	*used = row->least;
	return NDIS_STATUS_SUCCESS;
}

static NDIS_STATUS run(struct vrn_adapter *a, const struct oid_row *row,
		       NDIS_OID_REQUEST *r)
{
	bool set = r->RequestType == NdisRequestSetInformation;
	void *buf = r->DATA.InformationBuffer;
	UINT length = r->DATA.InformationBufferLength;

	if (!allows(row, set))
		return NDIS_STATUS_NOT_SUPPORTED;
	r->DATA.BytesNeeded = row->least;
	if (length < row->least)
		return set ? NDIS_STATUS_INVALID_LENGTH :
			     NDIS_STATUS_BUFFER_TOO_SHORT;
	if (has_value(row))
		return move_value(a, row, set, buf, &r->DATA.BytesDone);
	return (set ? row->set : row->query)(a, buf, length,
					     &r->DATA.BytesDone,
					     &r->DATA.BytesNeeded);
}

static NDIS_STATUS dispatch(struct vrn_adapter *a, NDIS_OID_REQUEST *r,
			    const struct oid_row *table, size_t n)
{
	size_t i;

	r->DATA.BytesDone = 0;
	r->DATA.BytesNeeded = 0;
	if (r->RequestType != NdisRequestQueryInformation &&
	    r->RequestType != NdisRequestQueryStatistics &&
	    r->RequestType != NdisRequestSetInformation)
		return NDIS_STATUS_NOT_SUPPORTED;
	for (i = 0; i < n; i++)
		if (table[i].oid == r->DATA.Oid)
			return run(a, &table[i], r);
	return NDIS_STATUS_NOT_SUPPORTED;
}

NDIS_STATUS NTAPI vrn_oid_request(NDIS_HANDLE context, NDIS_OID_REQUEST *r)
{
	return dispatch(context, r, rows, sizeof(rows) / sizeof(rows[0]));
}

NDIS_STATUS NTAPI vrn_direct_oid_request(NDIS_HANDLE context,
					 NDIS_OID_REQUEST *r)
{
	return dispatch(context, r, direct_rows,
			sizeof(direct_rows) / sizeof(direct_rows[0]));
}

/* Every request is over when its call returns */
VOID NTAPI vrn_cancel_oid_request(NDIS_HANDLE context, PVOID id)
{
	(void)context;
	(void)id;
}
