/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-or-later */
/*
 * nd_install - the provider's entry in the Winsock catalog
 *
 * NetworkDirect programs find providers there: an entry whose flags say so, and by
 * its path the DLL.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <wchar.h>

#include "nd_win.h"
#include <ws2spi.h>

#ifndef PFL_NETWORKDIRECT_PROVIDER
#define PFL_NETWORKDIRECT_PROVIDER 0x10
#endif

#define DEFAULT_PATH L"%SystemRoot%\\System32\\vrdmand.dll"

static const char usage[] =
	"usage: nd_install install [PATH] | remove | list | show\n"
	"\n"
	"  install  register the NetworkDirect provider; PATH of vrdmand.dll, default\n"
	"           %SystemRoot%\\System32\\vrdmand.dll\n"
	"  remove   take the entry out again\n"
	"  list     NetworkDirect providers of this machine\n"
	"  show     the entry that install makes\n"
	"\n"
	"install and remove need an administrator.\n"
	"Exit status: 0 fine, 1 failed, 2 usage.\n";

/* made for this project: what the entry is found by */
static GUID provider_id = { 0x6f1d2b64, 0x30ac, 0x4c0e,
	{ 0x9a, 0x57, 0xe1, 0x42, 0x2a, 0x75, 0xd0, 0x10 } };

/* What Microsoft's library for programs looks for, value by value */
static const WSAPROTOCOL_INFOW entry = {
	.dwServiceFlags1 = XP1_GUARANTEED_DELIVERY | XP1_GUARANTEED_ORDER |
			   XP1_MESSAGE_ORIENTED | XP1_CONNECT_DATA,
	.dwProviderFlags = PFL_HIDDEN | PFL_NETWORKDIRECT_PROVIDER,
	.ProtocolChain = { .ChainLen = 1 },
	.iVersion = 0x20000,
	.iAddressFamily = AF_INET6,
	.iMaxSockAddr = sizeof(struct sockaddr_in6),
	.iMinSockAddr = sizeof(struct sockaddr_in),
	.iSocketType = -1,
	.szProtocol = L"vRDMA NetworkDirect provider",
};

static void print(const WSAPROTOCOL_INFOW *p)
{
	printf("%ls: service_flags=0x%lx provider_flags=0x%lx version=0x%x "
	       "family=%d socket_type=%d protocol=%d\n", p->szProtocol,
	       p->dwServiceFlags1, p->dwProviderFlags, (unsigned)p->iVersion,
	       p->iAddressFamily, p->iSocketType, p->iProtocol);
}

static int fail(const char *what, int error)
{
	fprintf(stderr, "nd_install: %s: error %d%s\n", what, error,
		error == WSAEACCES || error == WSANO_RECOVERY ?
			"; run as administrator" : "");
	return 1;
}

static int install(const WCHAR *path)
{
	WSAPROTOCOL_INFOW e = entry;
	int error = 0;

	e.ProviderId = provider_id;
	if (WSCInstallProvider(&provider_id, path, &e, 1, &error))
		return fail("WSCInstallProvider", error);
	printf("installed: %ls\n", path);
	return 0;
}

static int take_out(void)
{
	int error = 0;

	if (WSCDeinstallProvider(&provider_id, &error))
		return fail("WSCDeinstallProvider", error);
	puts("removed");
	return 0;
}

static int list(void)
{
	WSAPROTOCOL_INFOW *all;
	DWORD size = 0;
	int n, i, error = 0;

	n = WSCEnumProtocols(NULL, NULL, &size, &error);
	all = n == SOCKET_ERROR && error == WSAENOBUFS ? malloc(size) : NULL;
	if (all)
		n = WSCEnumProtocols(NULL, all, &size, &error);
	if (n == SOCKET_ERROR) {
		free(all);
		return fail("WSCEnumProtocols", error);
	}
	for (i = 0; i < n && all; i++)
		if (all[i].dwProviderFlags & PFL_NETWORKDIRECT_PROVIDER)
			print(&all[i]);
	free(all);
	return 0;
}

int main(int argc, char **argv)
{
	WCHAR path[MAX_PATH];
	const char *what = argc > 1 ? argv[1] : "";

	if (argc == 2 && !strcmp(what, "install"))
		return install(DEFAULT_PATH);
	if (argc == 3 && !strcmp(what, "install") &&
	    MultiByteToWideChar(CP_ACP, 0, argv[2], -1, path, MAX_PATH))
		return install(path);
	if (argc == 2 && !strcmp(what, "remove"))
		return take_out();
	if (argc == 2 && !strcmp(what, "list"))
		return list();
	if (argc == 2 && !strcmp(what, "show")) {
		print(&entry);
		return 0;
	}
	fputs(usage, argc == 2 && !strcmp(what, "-h") ? stdout : stderr);
	return argc == 2 && !strcmp(what, "-h") ? 0 : 2;
}
