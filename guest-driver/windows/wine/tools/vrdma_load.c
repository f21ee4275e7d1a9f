/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-or-later */
/*
 * vrdma_load - start and stop vrdma.sys under Wine
 *
 *	vrdma_load start DRIVER SOCKET	and stay, until standard input ends
 *	vrdma_load stop
 *
 * Wine ends its services a second after the last program: somebody has to stay.
 * Prints "started" or why not; "stopped", with what the driver did not give back.
 */
#include <stdio.h>
#include <string.h>
#include <windows.h>

static const char key_name[] = "System\\CurrentControlSet\\Services\\vrdma";

static int fail(const char *what)
{
	printf("%s: error %lu\n", what, GetLastError());
	return 1;
}

static SC_HANDLE open_service(SC_HANDLE scm, const char *path)
{
	SC_HANDLE s = OpenServiceA(scm, "vrdma", SERVICE_ALL_ACCESS);

	if (s)
		return s;
	return CreateServiceA(scm, "vrdma", "vrdma", SERVICE_ALL_ACCESS,
			      SERVICE_KERNEL_DRIVER, SERVICE_DEMAND_START,
			      SERVICE_ERROR_NORMAL, path, NULL, NULL, NULL,
			      NULL, NULL);
}

static int set_socket(const char *socket)
{
	HKEY key;
	LONG err = RegCreateKeyA(HKEY_LOCAL_MACHINE, key_name, &key);

	if (!err)
		err = RegSetValueExA(key, "Socket", 0, REG_SZ,
				     (const BYTE *)socket,
				     (DWORD)strlen(socket) + 1);
	SetLastError((DWORD)err);
	return err ? fail("registry") : 0;
}

static DWORD left_value(const char *name, DWORD none)
{
	DWORD v = none, size = sizeof(v);

	RegGetValueA(HKEY_LOCAL_MACHINE, key_name, name, RRF_RT_REG_DWORD, NULL,
		     &v, &size);
	return v;
}

static int start(const char *path, const char *socket)
{
	SC_HANDLE scm = OpenSCManagerA(NULL, NULL, SC_MANAGER_ALL_ACCESS);
	SC_HANDLE s = scm ? open_service(scm, path) : NULL;

	if (!s)
		return fail("service");
	if (set_socket(socket))
		return 1;
	if (!StartServiceA(s, 0, NULL) &&
	    GetLastError() != ERROR_SERVICE_ALREADY_RUNNING)
		return fail("start");
	puts("started");
	fflush(stdout);
	while (getchar() != EOF)
		;
	return 0;
}

static int stop(void)
{
	SC_HANDLE scm = OpenSCManagerA(NULL, NULL, SC_MANAGER_ALL_ACCESS);
	SC_HANDLE s = scm ? OpenServiceA(scm, "vrdma", SERVICE_ALL_ACCESS) :
			    NULL;
	SERVICE_STATUS st;

	if (!s || !ControlService(s, SERVICE_CONTROL_STOP, &st))
		return fail("stop");
	printf("stopped blocks=%lu pages=%lu\n", left_value("LeftBlocks", 9999),
	       left_value("LeftPages", 9999));
	return 0;
}

int main(int argc, char **argv)
{
	if (argc == 4 && !strcmp(argv[1], "start"))
		return start(argv[2], argv[3]);
	if (argc == 2 && !strcmp(argv[1], "stop"))
		return stop();
	puts("usage: vrdma_load start DRIVER SOCKET | stop");
	return 2;
}
