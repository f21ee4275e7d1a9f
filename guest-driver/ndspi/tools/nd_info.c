/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-or-later */
/*
 * nd_info - what an RDMA adapter offers, as lines "key: value"
 */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "nd_vrdma.h"
#include "tool.h"

const char *tool_name = "nd_info";

static const char usage[] =
	"usage: nd_info [-d N | -a ADDRESS]\n"
	"\n"
	"Prints what the RDMA adapters of this machine offer: limits, versions\n"
	"and addresses, one \"key: value\" a line.  Without options: every\n"
	"adapter, with an empty line between two.\n"
	"\n"
	"  -d N        only /dev/vrdmaN\n"
	"  -a ADDRESS  only the adapter that has this IPv4 or IPv6 address\n"
	"  -h          this text\n"
	"\n"
	"Exit status: 0 fine, 1 no such adapter or it did not answer, 2 usage.\n"
	"\n"
	"  nd_info              nd_info -d 0              nd_info -a 192.0.2.1\n";

static const char *technology(uint32_t t)
{
	static const char *const names[] = {
		"undefined", "iWARP", "InfiniBand", "RoCE", "RoCEv2",
	};

	return t < sizeof(names) / sizeof(names[0]) ? names[t] : "unknown";
}

struct row {
	const char *key;
	size_t offset;
};
#define ROW(name) { #name, offsetof(struct virtio_rdma_config, name) }
static const struct row rows[] = {
	ROW(max_context),	ROW(max_pd),
	ROW(max_cq),		ROW(max_mr),
	ROW(max_mw),		ROW(max_srq),
	ROW(max_qp),		ROW(max_connector),
	ROW(max_listener),	ROW(max_cq_depth),
	ROW(max_send_depth),	ROW(max_recv_depth),
	ROW(max_srq_depth),
	ROW(max_send_sge),	ROW(max_recv_sge),
	ROW(max_read_sge),	ROW(max_inline),
	ROW(max_transfer),	ROW(max_inbound_reads),
	ROW(max_outbound_reads), ROW(max_caller_data),
	ROW(max_callee_data),	ROW(disconnect_timeout_ms),
};

static void print_config(const struct virtio_rdma_config *c)
{
	size_t i;

	printf("abi_version: %u\n", vr_from_le32(c->abi_version));
	printf("nd_version: 2\n");
	printf("vendor_id: 0x%04x\n", vr_from_le32(c->vendor_id));
	printf("device_id: 0x%04x\n", vr_from_le32(c->device_id));
	printf("technology: %s\n", technology(vr_from_le32(c->rdma_technology)));
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		vr_le32 v;

		memcpy(&v, (const char *)c + rows[i].offset, sizeof(v));
		printf("%s: %u\n", rows[i].key, vr_from_le32(v));
	}
	printf("max_mr_size: %llu\n",
	       (unsigned long long)vr_from_le64(c->max_mr_size));
	printf("num_ceq: %u\n", vr_from_le16(c->num_ceq));
	printf("num_wakeq: %u\n", vr_from_le16(c->num_wakeq));
	printf("adapter_flags: 0x%x\n", vr_from_le32(c->adapter_flags));
}

static bool print_addresses(IND2Adapter *a)
{
	SOCKET_ADDRESS_LIST *list;
	ULONG cb = 0;
	HRESULT hr = a->lpVtbl->QueryAddressList(a, NULL, &cb);
	INT i;

	list = hr == ND_BUFFER_OVERFLOW ? calloc(1, cb) : NULL;
	if (list)
		hr = a->lpVtbl->QueryAddressList(a, list, &cb);
	if (!list || hr != ND_SUCCESS) {
		free(list);
		return tool_status_error("QueryAddressList", hr,
					 "the device may be gone, see dmesg");
	}
	for (i = 0; i < list->iAddressCount; i++)
		printf("address: %s\n",
		       tool_ip((void *)list->Address[i].lpSockaddr));
	free(list);
	return true;
}

static bool print_adapter(IND2Adapter *a)
{
	struct virtio_rdma_config c;
	IVrdmaAdapter *extra;
	HRESULT hr = a->lpVtbl->QueryInterface(a, &IID_IVrdmaAdapter,
					       (VOID **)&extra);

	if (hr != S_OK)
		return tool_status_error("QueryInterface", hr,
					 "not a vRDMA adapter");
	printf("device: /dev/vrdma%u\n",
	       (unsigned)extra->lpVtbl->GetDeviceNumber(extra));
	extra->lpVtbl->GetConfig(extra, &c);
	extra->lpVtbl->Release(extra);
	print_config(&c);
	return print_addresses(a);
}

static bool info_id(IND2Provider *p, UINT64 id)
{
	IND2Adapter *a;
	HRESULT hr = p->lpVtbl->OpenAdapter(p, &IID_IND2Adapter, id,
					    (VOID **)&a);
	bool ok;

	if (hr != ND_SUCCESS)
		return tool_status_error("OpenAdapter", hr,
					 "is /dev/vrdmaN there, is the module "
					 "loaded, may this user open it?");
	ok = print_adapter(a);
	a->lpVtbl->Release(a);
	return ok;
}

static bool info_addr(IND2Provider *p, const struct sockaddr *addr, ULONG cb)
{
	UINT64 id;
	HRESULT hr = p->lpVtbl->ResolveAddress(p, addr, cb, &id);

	if (hr != ND_SUCCESS)
		return tool_status_error("ResolveAddress", hr,
					 "no adapter here has that address; "
					 "plain nd_info lists what there is");
	return info_id(p, id);
}

/* An adapter has several addresses: its number shows once */
static bool info_all(IND2Provider *p)
{
	SOCKET_ADDRESS_LIST *list = tool_addresses();
	UINT64 id, last = 0;
	bool ok = true;
	INT i;

	if (!list)
		return false;
	for (i = 0; i < list->iAddressCount; i++) {
		SOCKET_ADDRESS *s = &list->Address[i];

		if (p->lpVtbl->ResolveAddress(p, s->lpSockaddr,
					      (ULONG)s->iSockaddrLength,
					      &id) != ND_SUCCESS || id == last)
			continue;
		if (last)
			putchar('\n');
		ok = info_id(p, id) && ok;
		last = id;
	}
	free(list);
	return ok && last;
}

struct choice {
	bool all;
	bool by_device;
	uint64_t device;
	struct sockaddr_storage addr;
	ULONG cb;
};

static int not_understood(const char *arg)
{
	tool_error("'%s': give one of -d N and -a ADDRESS, or nothing; "
		   "nd_info -h tells more", arg);
	return EXIT_USAGE;
}

static int parse(int argc, char **argv, struct choice *c)
{
	int o;

	*c = (struct choice){ .all = true };
	opterr = 0;
	while ((o = getopt(argc, argv, ":d:a:h")) != -1) {
		if (o == 'h') {
			fputs(usage, stdout);
			return EXIT_OK;
		}
		if (!c->all || o == '?' || o == ':')
			return not_understood(argv[optind - 1]);
		c->all = false;
		c->by_device = o == 'd';
		if (o == 'd' && !tool_parse_size(optarg, 0, 63, &c->device)) {
			tool_error("-d %s: give a device number, 0 to 63",
				   optarg);
			return EXIT_USAGE;
		}
		if (o == 'a' && !tool_parse_addr(optarg, &c->addr, &c->cb)) {
			tool_error("-a %s: give an IPv4 or IPv6 address",
				   optarg);
			return EXIT_USAGE;
		}
	}
	return optind == argc ? -1 : not_understood(argv[optind]);
}

int main(int argc, char **argv)
{
	IND2Provider *p;
	struct choice c;
	bool ok;
	int rc = parse(argc, argv, &c);

	if (rc >= 0)
		return rc;
	setvbuf(stdout, NULL, _IOLBF, 0);
	if (NdStartup() != ND_SUCCESS ||
	    DllGetClassObject(NULL, &IID_IND2Provider, (VOID **)&p) != S_OK) {
		tool_error("no memory");
		return EXIT_FAILED;
	}
	if (c.all) {
		ok = info_all(p);
	} else if (c.by_device) {
		/* ids count devices from the one of /dev/vrdma0 */
		ok = info_id(p, ND_VRDMA_ADAPTER_ID(c.device));
	} else {
		ok = info_addr(p, (void *)&c.addr, c.cb);
	}
	p->lpVtbl->Release(p);
	NdCleanup();
	return ok ? EXIT_OK : EXIT_FAILED;
}
