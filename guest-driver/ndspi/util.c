/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-or-later */
/*
 * util.c - NdStartup and friends: find an adapter by address
 */
#include "ndutil.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "nd_int.h"

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static unsigned started;
static IND2Provider *provider;

HRESULT NdStartup(VOID)
{
	HRESULT hr = ND_SUCCESS;

	pthread_mutex_lock(&lock);
	if (!started)
		hr = DllGetClassObject(NULL, &IID_IND2Provider,
				       (VOID **)&provider);
	if (hr == ND_SUCCESS)
		started++;
	pthread_mutex_unlock(&lock);
	return hr;
}

HRESULT NdCleanup(VOID)
{
	HRESULT hr = ND_SUCCESS;

	pthread_mutex_lock(&lock);
	if (!started) {
		hr = ND_DEVICE_NOT_READY;
	} else if (!--started) {
		provider->lpVtbl->Release(provider);
		provider = NULL;
	}
	pthread_mutex_unlock(&lock);
	return hr;
}

/* Nothing is cached: every question looks at the devices */
VOID NdFlushProviders(VOID)
{
}

/* A reference, so that NdCleanup may run beside the call */
static IND2Provider *hold_provider(void)
{
	IND2Provider *p;

	pthread_mutex_lock(&lock);
	p = provider;
	if (p)
		p->lpVtbl->AddRef(p);
	pthread_mutex_unlock(&lock);
	return p;
}

HRESULT NdQueryAddressList(ULONG flags, SOCKET_ADDRESS_LIST *list, ULONG *cb)
{
	IND2Provider *p = hold_provider();
	HRESULT hr;

	if (!p)
		return ND_DEVICE_NOT_READY;
	if (flags & ND_QUERY_EXCLUDE_NDv2_ADDRESSES)
		hr = nd_addr_list(NULL, 0, list, cb);
	else
		hr = p->lpVtbl->QueryAddressList(p, list, cb);
	p->lpVtbl->Release(p);
	return hr;
}

static HRESULT resolve(IND2Provider *p, const struct sockaddr *addr, ULONG cb,
		       UINT64 *id)
{
	return p->lpVtbl->ResolveAddress(p, addr, cb, id);
}

HRESULT NdCheckAddress(const struct sockaddr *addr, ULONG cb)
{
	IND2Provider *p = hold_provider();
	UINT64 id;
	HRESULT hr;

	if (!p)
		return ND_DEVICE_NOT_READY;
	hr = resolve(p, addr, cb, &id);
	p->lpVtbl->Release(p);
	return hr;
}

HRESULT NdOpenAdapter(REFIID iid, const struct sockaddr *addr, ULONG cb,
		      VOID **adapter)
{
	IND2Provider *p = hold_provider();
	UINT64 id;
	HRESULT hr;

	if (!p)
		return ND_DEVICE_NOT_READY;
	hr = resolve(p, addr, cb, &id);
	if (hr == ND_SUCCESS)
		hr = p->lpVtbl->OpenAdapter(p, iid, id, adapter);
	p->lpVtbl->Release(p);
	return hr;
}

HRESULT NdOpenV2Adapter(const struct sockaddr *addr, ULONG cb,
			IND2Adapter **adapter)
{
	return NdOpenAdapter(&IID_IND2Adapter, addr, cb, (VOID **)adapter);
}

/* ---------------------------------------------------------- best local address */

struct best {
	struct vrdma_uapi_sockaddr remote;
	struct vrdma_uapi_sockaddr local;
	int bits;		/* of common prefix, -1: none found */
};

static int common_bits(const uint8_t *a, const uint8_t *b, int bytes)
{
	int i;

	for (i = 0; i < bytes; i++)
		if (a[i] != b[i])
			return i * 8 + __builtin_clz((unsigned)(a[i] ^ b[i])) -
			       24;
	return bytes * 8;
}

static bool rate(void *ctx, unsigned number, struct nd_file *file)
{
	struct best *best = ctx;
	int bytes = best->remote.family == VIRTIO_RDMA_AF_INET ? 4 : 16;
	uint32_t i;

	(void)number;
	for (i = 0; i < file->info.address_count; i++) {
		const struct vrdma_uapi_sockaddr *a = &file->info.address[i];
		int bits = common_bits(a->ip, best->remote.ip, bytes);

		if (a->family != best->remote.family || bits <= best->bits)
			continue;
		best->bits = bits;
		best->local = *a;
	}
	return true;
}

static HRESULT best_local(const struct sockaddr *remote, ULONG cb_remote,
			  struct sockaddr *local, ULONG *cb_local)
{
	struct best best = { .bits = -1 };
	HRESULT hr = nd_addr_from_sockaddr(&best.remote, remote, cb_remote);

	if (hr != ND_SUCCESS)
		return hr;
	nd_scan(rate, &best);
	if (best.bits < 0)
		return ND_NETWORK_UNREACHABLE;
	best.local.port = 0;
	return nd_addr_copy_out(&best.local, local, cb_local);
}

HRESULT NdResolveAddress(const struct sockaddr *remote, ULONG cb_remote,
			 struct sockaddr *local, ULONG *cb_local)
{
	IND2Provider *p = hold_provider();
	HRESULT hr;

	if (!p)
		return ND_DEVICE_NOT_READY;
	hr = best_local(remote, cb_remote, local, cb_local);
	p->lpVtbl->Release(p);
	return hr;
}
