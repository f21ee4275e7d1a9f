// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * run.c - run a program to its end and keep what it said
 */
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "run.h"
#include "vrdmad.h"

#define TIMEOUT_MS 20000

static void __attribute__((noreturn))
child(const char *path, const char *const args[], int out, int err)
{
	char *argv[RUN_MAX_ARGS + 2] = {(char *)(uintptr_t)path};

	for (int i = 0; i < RUN_MAX_ARGS && args[i]; i++)
		argv[i + 1] = (char *)(uintptr_t)args[i];
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	dup2(open("/dev/null", O_RDONLY), STDIN_FILENO);
	dup2(out, STDOUT_FILENO);
	dup2(err, STDERR_FILENO);
	execv(path, argv);
	_exit(127);
}

/* More than there is room for is read and forgotten.  0: the end */
static ssize_t take(int fd, char *buf, size_t *used)
{
	char rest[1024];
	size_t room = RUN_OUT - 1 - *used;
	ssize_t n = room ? read(fd, buf + *used, room)
			 : read(fd, rest, sizeof(rest));

	if (n > 0 && room)
		*used += (size_t)n;
	return n;
}

/* True: both ends were closed in time */
static bool collect(struct ran *r, int out, int err)
{
	struct pollfd p[2] = {{.fd = out, .events = POLLIN},
			      {.fd = err, .events = POLLIN}};
	char *buf[2] = {r->out, r->err};
	size_t used[2] = {0};

	while (p[0].fd >= 0 || p[1].fd >= 0) {
		if (poll(p, 2, TIMEOUT_MS) < 1)
			return false;
		for (int i = 0; i < 2; i++)
			if (p[i].revents &&
			    take(p[i].fd, buf[i], &used[i]) <= 0)
				p[i].fd = -1;
	}
	return true;
}

static int lines(const char *s)
{
	int n = 0;

	for (; *s; s++)
		n += *s == '\n';
	return n;
}

void run_program(struct ran *r, const char *path, const char *const args[])
{
	int out[2], err[2], status = -1;
	pid_t pid;

	memset(r, 0, sizeof(*r));
	r->status = -1;
	if (pipe2(out, O_CLOEXEC) || pipe2(err, O_CLOEXEC))
		return;
	pid = fork();
	if (!pid)
		child(path, args, out[1], err[1]);
	close(out[1]);
	close(err[1]);
	if (!collect(r, out[0], err[0]))
		kill(pid, SIGKILL);
	waitpid(pid, &status, 0);
	close(out[0]);
	close(err[0]);
	if (WIFEXITED(status))
		r->status = WEXITSTATUS(status);
	r->err_lines = lines(r->err);
}

void run_vrdmad(struct ran *r, const char *const args[])
{
	run_program(r, daemon_binary(), args);
}

void run_tool(struct ran *r, const char *name, const char *const args[])
{
	char path[512];
	const char *slash = strrchr(daemon_binary(), '/');
	int dir = slash ? (int)(slash - daemon_binary()) + 1 : 0;

	snprintf(path, sizeof(path), "%.*s%s", dir, daemon_binary(), name);
	run_program(r, path, args);
}
