/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-or-later */
/*
 * provider.c - the way in: DllGetClassObject, class factory, IND2Provider
 */
#include <stdlib.h>
#include <string.h>

#include "nd_int.h"

struct nd_provider {
	struct nd_object obj;
};

void nd_scan(nd_scan_fn fn, void *ctx)
{
	struct nd_file *file;
	unsigned n;
	bool more = true;

	for (n = 0; more && n < ND_MAX_DEVICES; n++) {
		if (nd_file_open(n, &file) != ND_SUCCESS)
			continue;
		more = fn(ctx, n, file);
		nd_file_close(file);
	}
}

/* ------------------------------------------------------------ IND2Provider */

ND_UNKNOWN_IMPL(provider, IND2Provider)

#define MAX_LIST (ND_MAX_DEVICES * VIRTIO_RDMA_MAX_ADDRESSES)

struct collection {
	struct vrdma_uapi_sockaddr *addrs;
	ULONG count;
};

static bool collect(void *ctx, unsigned number, struct nd_file *file)
{
	struct collection *c = ctx;
	ULONG n = file->info.address_count;

	(void)number;
	memcpy(&c->addrs[c->count], file->info.address,
	       n * sizeof(file->info.address[0]));
	c->count += n;
	return true;
}

static HRESULT provider_QueryAddressList(IND2Provider *self,
					 SOCKET_ADDRESS_LIST *list, ULONG *cb)
{
	struct collection c = { .addrs = calloc(MAX_LIST, sizeof(*c.addrs)) };
	HRESULT hr;

	(void)self;
	if (!c.addrs)
		return ND_NO_MEMORY;
	nd_scan(collect, &c);
	hr = nd_addr_list(c.addrs, c.count, list, cb);
	free(c.addrs);
	return hr;
}

struct search {
	struct vrdma_uapi_sockaddr addr;
	int found;
};

static bool match(void *ctx, unsigned number, struct nd_file *file)
{
	struct search *s = ctx;
	uint32_t i;

	for (i = 0; i < file->info.address_count; i++)
		if (nd_addr_same_ip(&s->addr, &file->info.address[i]))
			s->found = (int)number;
	return s->found < 0;
}

static HRESULT provider_ResolveAddress(IND2Provider *self,
				       const struct sockaddr *addr, ULONG cb,
				       UINT64 *adapter_id)
{
	struct search s = { .found = -1 };
	HRESULT hr = nd_addr_from_sockaddr(&s.addr, addr, cb);

	(void)self;
	if (hr != ND_SUCCESS)
		return hr;
	if (!adapter_id)
		return ND_INVALID_PARAMETER;
	nd_scan(match, &s);
	if (s.found < 0)
		return ND_INVALID_ADDRESS;
	*adapter_id = ND_VRDMA_ADAPTER_ID((unsigned)s.found);
	return ND_SUCCESS;
}

static HRESULT provider_OpenAdapter(IND2Provider *self, REFIID iid,
				    UINT64 adapter_id, VOID **adapter)
{
	UINT64 number = adapter_id - ND_VRDMA_ADAPTER_ID(0);

	(void)self;
	if (!adapter)
		return E_POINTER;
	*adapter = NULL;
	if (number >= ND_MAX_DEVICES)
		return ND_INVALID_PARAMETER;
	return nd_adapter_open((unsigned)number, iid, adapter);
}

static const IND2ProviderVtbl provider_vtbl = {
	ND_UNKNOWN_SLOTS(provider),
	.QueryAddressList = provider_QueryAddressList,
	.ResolveAddress = provider_ResolveAddress,
	.OpenAdapter = provider_OpenAdapter,
};

static const struct nd_interface provider_interfaces[] = {
	{ &IID_IND2Provider, 0 },
	{ &IID_IUnknown, 0 },
	{ NULL, 0 },
};

static void provider_destroy(struct nd_object *obj)
{
	free(obj);
}

static const struct nd_class provider_class = {
	.name = "provider",
	.interfaces = provider_interfaces,
	.destroy = provider_destroy,
};

HRESULT nd_provider_create(REFIID iid, VOID **out)
{
	struct nd_provider *p = calloc(1, sizeof(*p));

	if (!p)
		return ND_NO_MEMORY;
	nd_object_init(&p->obj, &provider_class, &provider_vtbl, NULL);
	return nd_object_hand_out(&p->obj, iid, out);
}

/* ----------------------------------------------------------- class factory */

/* One for all, never freed: its counts mean nothing */
static HRESULT factory_QueryInterface(IClassFactory *self, REFIID iid,
				      VOID **out)
{
	if (!out)
		return E_POINTER;
	*out = NULL;
	if (!nd_iid_equal(iid, &IID_IClassFactory) &&
	    !nd_iid_equal(iid, &IID_IUnknown))
		return E_NOINTERFACE;
	*out = self;
	return S_OK;
}

static ULONG factory_count(IClassFactory *self)
{
	(void)self;
	return 1;
}

static HRESULT factory_CreateInstance(IClassFactory *self, IUnknown *outer,
				      REFIID iid, VOID **out)
{
	(void)self;
	if (!out)
		return E_POINTER;
	*out = NULL;
	return outer ? CLASS_E_NOAGGREGATION : nd_provider_create(iid, out);
}

static atomic_int server_locks;

static HRESULT factory_LockServer(IClassFactory *self, BOOL lock)
{
	(void)self;
	atomic_fetch_add(&server_locks, lock ? 1 : -1);
	return S_OK;
}

static const IClassFactoryVtbl factory_vtbl = {
	.QueryInterface = factory_QueryInterface,
	.AddRef = factory_count,
	.Release = factory_count,
	.CreateInstance = factory_CreateInstance,
	.LockServer = factory_LockServer,
};

static IClassFactory factory = { .lpVtbl = &factory_vtbl };

HRESULT DllGetClassObject(REFCLSID clsid, REFIID iid, VOID **out)
{
	(void)clsid; /* the catalogue's provider id, whatever it is there */
	if (!out)
		return E_POINTER;
	*out = NULL;
	if (!iid)
		return E_NOINTERFACE;
	if (nd_iid_equal(iid, &IID_IND2Provider))
		return nd_provider_create(iid, out);
	return factory_QueryInterface(&factory, iid, out);
}

HRESULT DllCanUnloadNow(VOID)
{
	return nd_objects_alive() || atomic_load(&server_locks) ? S_FALSE :
								  S_OK;
}
