// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * vrdmad.c - start, kill and stop the daemon under test
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "vrdmad.h"

#define START_TIMEOUT_MS	20000
#define STOP_TIMEOUT_MS		20000

const char *daemon_binary(void)
{
	const char *path = getenv("VRDMAD");

	return path ? path : "build/bin/vrdmad";
}

static bool write_config(struct daemon *d, const struct daemon_opts *o)
{
	const char *workers = getenv("VRDMA_WORKERS");
	FILE *f = fopen(d->config, "w");

	if (!f)
		return false;
	/* a section of the test's own may say it again, and then is right */
	fprintf(f, "[vrdmad]\n");
	if (workers)
		fprintf(f, "workers = %s\n", workers);
	fprintf(f, "%s\n", o->vrdmad_section ? o->vrdmad_section : "");
	for (int i = d->first; i < d->first + d->guests; i++)
		fprintf(f, "[guest g%d]\nsocket = %s\naddress = 10.0.0.%d\n"
			"address = fd00::%d\n%s\n%s\n", i, d->socket[i], 1 + i,
			1 + i, o->guest_section ? o->guest_section : "",
			o->own[i] ? o->own[i] : "");
	return fclose(f) == 0;
}

/* Never leave the daemon behind when a test dies */
static void die_with_parent(void)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() == 1)
		_exit(127);
}

static bool listens(const char *path)
{
	struct sockaddr_un sa = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	bool ok;

	snprintf(sa.sun_path, sizeof(sa.sun_path), "%s", path);
	ok = !connect(fd, (struct sockaddr *)&sa, sizeof(sa));
	close(fd);
	return ok;
}

bool daemon_alive(struct daemon *d)
{
	if (d->pid && waitpid(d->pid, NULL, WNOHANG) == d->pid)
		d->pid = 0;
	return d->pid != 0;
}

static void show_log(const struct daemon *d)
{
	char buf[4096];
	FILE *f = fopen(d->log, "r");
	size_t n;

	if (!f)
		return;
	while ((n = fread(buf, 1, sizeof(buf), f)) > 0)
		fwrite(buf, 1, n, stderr);
	fclose(f);
}

static bool wait_listening(struct daemon *d)
{
	int waited = 0;

	for (int i = d->first; i < d->first + d->guests; waited++) {
		if (listens(d->socket[i])) {
			i++;
			continue;
		}
		if (!daemon_alive(d) || waited > START_TIMEOUT_MS / 10) {
			fprintf(stderr, "vrdmad does not listen on %s:\n",
				d->socket[i]);
			show_log(d);
			return false;
		}
		poll(NULL, 0, 10);
	}
	return true;
}

bool daemon_restart(struct daemon *d)
{
	d->pid = fork();
	if (d->pid < 0)
		return false;
	if (!d->pid) {
		int fd = open(d->log, O_WRONLY | O_CREAT | O_APPEND, 0600);

		die_with_parent();
		dup2(fd, STDOUT_FILENO);
		dup2(fd, STDERR_FILENO);
		execl(daemon_binary(), "vrdmad", "--config", d->config, (char *)NULL);
		fprintf(stderr, "cannot run %s: %s; build it or set VRDMAD\n",
			daemon_binary(), strerror(errno));
		_exit(127);
	}
	return wait_listening(d);
}

bool daemon_start(struct daemon *d, const struct daemon_opts *opts)
{
	const char *tmp = getenv("TMPDIR");

	memset(d, 0, sizeof(*d));
	d->first = opts->first;
	d->guests = opts->guests;
	snprintf(d->dir, sizeof(d->dir), "%.40s/vrdma-test-XXXXXX",
		 tmp && strlen(tmp) < 40 ? tmp : "/tmp");
	if (!mkdtemp(d->dir))
		return false;
	snprintf(d->config, sizeof(d->config), "%s/vrdmad.conf", d->dir);
	snprintf(d->log, sizeof(d->log), "%s/vrdmad.log", d->dir);
	for (int i = d->first; i < d->first + d->guests; i++)
		snprintf(d->socket[i], sizeof(d->socket[i]), "%s/g%d.sock",
			 d->dir, i);
	return write_config(d, opts) && daemon_restart(d);
}

static int reap(struct daemon *d, int timeout_ms)
{
	int fd = (int)syscall(SYS_pidfd_open, d->pid, 0);
	struct pollfd p = { .fd = fd, .events = POLLIN };
	int status = -1;

	if (fd >= 0 && poll(&p, 1, timeout_ms) != 1)
		kill(d->pid, SIGKILL);
	if (fd >= 0)
		close(fd);
	waitpid(d->pid, &status, 0);
	d->pid = 0;
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

void daemon_kill(struct daemon *d)
{
	if (!d->pid)
		return;
	kill(d->pid, SIGKILL);
	reap(d, STOP_TIMEOUT_MS);
}

int daemon_stop(struct daemon *d)
{
	if (!daemon_alive(d))
		return -1;
	kill(d->pid, SIGTERM);
	return daemon_wait(d);
}

int daemon_wait(struct daemon *d)
{
	int status = reap(d, STOP_TIMEOUT_MS);

	if (status)
		show_log(d);	/* a sanitizer's report, for one */
	return status;
}

void daemon_cleanup(struct daemon *d)
{
	if (daemon_alive(d))
		daemon_stop(d);
	for (int i = d->first; i < d->first + d->guests; i++)
		unlink(d->socket[i]);
	unlink(d->config);
	unlink(d->log);
	rmdir(d->dir);
}
