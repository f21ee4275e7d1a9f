/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-or-later */
/*
 * ndk_ping - hands its arguments to the kernel consumer and copies its output
 *
 * The test runs in ndk_ping.ko.  Lines that begin with "!" are for standard
 * error; the last line is "exit N".
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define DEVICE "/dev/ndk_ping"

static const char usage[] =
	"usage: ndk_ping -s [-a LOCAL_ADDRESS] [-n CONNECTIONS] [options]\n"
	"       ndk_ping -c PEER_ADDRESS [-a LOCAL_ADDRESS] [options]\n"
	"\n"
	"Moves data between two RDMA adapters, checks it byte by byte and\n"
	"disconnects gracefully: nd_ping's test, by a consumer inside the kernel\n"
	"(module ndk_ping) that uses only the NDK interface.  Both ends have to be\n"
	"ndk_ping.  Start the server first.\n"
	"\n"
	"Which end\n"
	"  -s            server: listen and serve\n"
	"  -c ADDRESS    client: connect to ADDRESS (IPv4 or IPv6)\n"
	"  -a ADDRESS    use the adapter with this address\n"
	"  -p PORT       port of the server (18515)\n"
	"  -n N          server: end after N connections (1)\n"
	"  -P TEXT       private data to send with the connection\n"
	"  -e            client: connect from a shared endpoint\n"
	"\n"
	"What to do; the client decides\n"
	"  -m OP         send, write or read (send)\n"
	"  -t TEST       verify: every byte of every transfer; bw: the last batch\n"
	"                of writes and reads only; lat: one at a time, half of a\n"
	"                round trip for send, post to completion for write and\n"
	"                read (verify)\n"
	"  -S SIZE       bytes of one transfer, suffix K, M, G (64K)\n"
	"  -C COUNT      transfers (16)\n"
	"  -q DEPTH      transfers under way at once, 1 to 256 (16)\n"
	"  -K            keep writing and checking until SIGTERM or until the\n"
	"                connection ends\n"
	"\n"
	"How, each end for itself\n"
	"  -w poll|wait  poll for a moment before sleeping, or sleep at once (poll)\n"
	"  -T SECONDS    longest wait for anything (30)\n"
	"  -v            say more\n"
	"\n"
	"The end\n"
	"  -D WHO        who disconnects first: client, server, both; or\n"
	"                hold=SECONDS: the client does, the server answers that\n"
	"                much later (client)\n"
	"  -H FILE       answer the peer's disconnect only once FILE exists\n"
	"  -L            post a send and a receive after the disconnect and tell\n"
	"                how they end\n"
	"\n"
	"Exit status: 0 fine, 1 failed, 2 usage, 3 the connection was lost.\n"
	"\n"
	"  ndk_ping -s                              on one machine, then\n"
	"  ndk_ping -c 192.0.2.1 -m write -S 64M    on another\n";

static int device = -1;

/* Ask for an orderly end; a second signal ends at once, as does SIGKILL */
static void on_signal(int sig)
{
	static const char stop[] = "stop\n";
	ssize_t n = write(device, stop, sizeof(stop) - 1);

	(void)n;
	signal(sig, SIG_DFL);
}

/* One argument a line, one write */
static int hand_over(int argc, char **argv)
{
	char buf[4096];
	size_t len = 0;
	int i;

	for (i = 1; i < argc; i++) {
		size_t n = strlen(argv[i]);

		if (strchr(argv[i], '\n') || len + n + 1 > sizeof(buf)) {
			fprintf(stderr, "ndk_ping: arguments are too long or "
					"contain a line break\n");
			return 2;
		}
		memcpy(buf + len, argv[i], n);
		len += n;
		buf[len++] = '\n';
	}
	if (write(device, buf, len) == (ssize_t)len)
		return 0;
	fprintf(stderr, "ndk_ping: write to " DEVICE ": %s\n", strerror(errno));
	return 1;
}

static int copy_output(void)
{
	FILE *in = fdopen(device, "r");
	char *line = NULL;
	size_t room = 0;
	int rc = -1;

	if (!in)
		return 1;
	while (getline(&line, &room, in) > 0) {
		if (sscanf(line, "exit %d", &rc) == 1)
			break;
		if (line[0] == '!')
			fputs(line + 1, stderr);
		else
			fputs(line, stdout);
	}
	free(line);
	if (rc < 0) {
		fprintf(stderr, "ndk_ping: the output ended without a status; "
				"see dmesg\n");
		rc = 1;
	}
	return rc;
}

int main(int argc, char **argv)
{
	/* restart: reading goes on after the request to stop */
	struct sigaction sa = { .sa_handler = on_signal,
				.sa_flags = SA_RESTART };
	int i, rc;

	for (i = 1; i < argc; i++) {
		if (!strcmp(argv[i], "-h") || !strcmp(argv[i], "--help")) {
			fputs(usage, stdout);
			return 0;
		}
	}
	if (argc < 2) {
		fputs(usage, stderr);
		return 2;
	}
	setvbuf(stdout, NULL, _IOLBF, 0);
	device = open(DEVICE, O_RDWR | O_CLOEXEC);
	if (device < 0) {
		fprintf(stderr, "ndk_ping: " DEVICE ": %s; modprobe ndk_ping "
				"and be root\n", strerror(errno));
		return 1;
	}
	rc = hand_over(argc, argv);
	if (rc)
		return rc;
	sigaction(SIGTERM, &sa, NULL);
	sigaction(SIGINT, &sa, NULL);
	return copy_output();
}
