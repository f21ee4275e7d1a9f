// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * vragent: runs commands inside a test guest for the host, over a serial line or
 * a virtio port.
 *
 * DOC: protocol, one line per message, text up to the newline
 *
 *   host to guest   PING                   answered with HELLO
 *                   RUN <id> <command>     run by sh -c in a session of its own
 *                   KILL <id> <signal>     to the whole process group
 *   guest to host   HELLO <kernel release>
 *                   OUT <id> <text>        one line of stdout or stderr
 *                   END <id> <status>      exit status, or 128 + signal
 *                   ERR <id> <text>        the request could not be carried out
 *
 * Ids are the host's, up to MAX_JOBS run at once. END comes after the command's
 * own process has ended and what it wrote has been passed on; a background
 * child that keeps the pipe open does not hold it back. The agent is process 1
 * of the guest, so it also reaps orphans.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#define MAX_JOBS 32
#define LINE_MAX_LEN 2000	/* longer output lines are cut into several */
#define REQUEST_MAX 4096

struct job {
	unsigned long id;
	pid_t pid;		/* 0: slot is free */
	int fd;			/* read end of the command's output */
	bool ended;
	int status;
	size_t len;
	char line[LINE_MAX_LEN];
};

static struct job jobs[MAX_JOBS];
static int tty;
static bool synced;	/* a whole request was seen; before, only junk of the boot */

static void say(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

static void write_all(const char *p, size_t n)
{
	while (n) {
		ssize_t done = write(tty, p, n);

		if (done < 0 && errno != EINTR && errno != EAGAIN)
			return;
		if (done > 0) {
			p += done;
			n -= (size_t)done;
		}
	}
}

static void say(const char *fmt, ...)
{
	char buf[LINE_MAX_LEN + 64];
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(buf, sizeof(buf) - 1, fmt, ap);
	va_end(ap);
	if (n < 0)
		return;
	if ((size_t)n > sizeof(buf) - 2)
		n = sizeof(buf) - 2;
	buf[n] = '\n';
	write_all(buf, (size_t)n + 1);
}

static struct job *job_by_id(unsigned long id)
{
	for (int i = 0; i < MAX_JOBS; i++)
		if (jobs[i].pid && jobs[i].id == id)
			return &jobs[i];
	return NULL;
}

static struct job *job_by_pid(pid_t pid)
{
	for (int i = 0; i < MAX_JOBS; i++)
		if (jobs[i].pid == pid)
			return &jobs[i];
	return NULL;
}

static struct job *job_free_slot(void)
{
	return job_by_pid(0);
}

static void job_flush_line(struct job *j)
{
	say("OUT %lu %.*s", j->id, (int)j->len, j->line);
	j->len = 0;
}

static void job_take(struct job *j, const char *p, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (p[i] == '\n') {
			job_flush_line(j);
			continue;
		}
		if (p[i] == '\0' || p[i] == '\r')
			continue;
		j->line[j->len++] = p[i];
		if (j->len == sizeof(j->line))
			job_flush_line(j);
	}
}

/* Passes on what is there; false once the pipe is at its end or empty. */
static bool job_read(struct job *j)
{
	char buf[4096];
	ssize_t n = read(j->fd, buf, sizeof(buf));

	if (n > 0) {
		job_take(j, buf, (size_t)n);
		return true;
	}
	if (n == 0) {
		close(j->fd);
		j->fd = -1;
	}
	return false;
}

static void job_finish(struct job *j)
{
	while (j->fd >= 0 && job_read(j))
		;
	if (j->len)
		job_flush_line(j);
	if (j->fd >= 0)
		close(j->fd);
	say("END %lu %d", j->id, j->status);
	memset(j, 0, sizeof(*j));
}

static void child_exec(int out, const char *cmd)
{
	sigset_t none;
	int null = open("/dev/null", O_RDONLY);

	setsid();
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	dup2(null, 0);
	dup2(out, 1);
	dup2(out, 2);
	execl("/bin/sh", "sh", "-c", cmd, (char *)NULL);
	_exit(127);
}

static void do_run(unsigned long id, const char *cmd)
{
	struct job *j = job_free_slot();
	int p[2];
	pid_t pid;

	if (!j || job_by_id(id)) {
		say("ERR %lu %s", id, j ? "id in use" : "too many commands");
		return;
	}
	if (pipe2(p, O_CLOEXEC) < 0) {
		say("ERR %lu pipe: %s", id, strerror(errno));
		return;
	}
	pid = fork();
	if (pid < 0) {
		say("ERR %lu fork: %s", id, strerror(errno));
		close(p[0]);
		close(p[1]);
		return;
	}
	if (pid == 0)
		child_exec(p[1], cmd);
	close(p[1]);
	fcntl(p[0], F_SETFL, O_NONBLOCK);
	*j = (struct job){ .id = id, .pid = pid, .fd = p[0] };
}

static void do_kill(unsigned long id, int sig)
{
	struct job *j = job_by_id(id);

	if (!j)
		return;		/* it ended by itself, END is on its way */
	/* setsid() in the child may not have run yet, so the pid as well */
	if (kill(-j->pid, sig) < 0)
		kill(j->pid, sig);
}

static void do_ping(void)
{
	struct utsname u;

	uname(&u);
	say("HELLO %s", u.release);
}

static void handle(char *line)
{
	unsigned long id;
	int sig, off = 0;

	if (!strcmp(line, "PING")) {
		synced = true;
		do_ping();
	} else if (sscanf(line, "RUN %lu %n", &id, &off) == 1 && off) {
		do_run(id, line + off);
	} else if (sscanf(line, "KILL %lu %d", &id, &sig) == 2) {
		do_kill(id, sig);
	} else if (*line && synced) {
		say("ERR 0 not understood: %.200s", line);
	}
}

static void read_requests(void)
{
	static char buf[REQUEST_MAX];
	static size_t len;
	ssize_t n = read(tty, buf + len, sizeof(buf) - len);
	char *nl;

	if (n <= 0)
		return;
	len += (size_t)n;
	while ((nl = memchr(buf, '\n', len))) {
		size_t used = (size_t)(nl - buf) + 1;

		*nl = '\0';
		handle(buf);
		memmove(buf, nl + 1, len - used);
		len -= used;
	}
	if (len == sizeof(buf)) {
		say("ERR 0 request longer than %d bytes", REQUEST_MAX);
		len = 0;
	}
}

static void reap(int sigfd)
{
	struct signalfd_siginfo si;
	int st;
	pid_t pid;

	while (read(sigfd, &si, sizeof(si)) > 0)
		;
	while ((pid = waitpid(-1, &st, WNOHANG)) > 0) {
		struct job *j = job_by_pid(pid);

		if (!j)
			continue;
		j->status = WIFEXITED(st) ? WEXITSTATUS(st) : 128 + WTERMSIG(st);
		j->ended = true;
	}
	for (int i = 0; i < MAX_JOBS; i++)
		if (jobs[i].pid && jobs[i].ended)
			job_finish(&jobs[i]);
}

static int open_tty(const char *path)
{
	struct termios t;
	int fd = open(path, O_RDWR | O_NOCTTY | O_CLOEXEC);

	if (fd < 0)
		return -1;
	if (tcgetattr(fd, &t) < 0)
		return errno == ENOTTY || errno == EINVAL ? fd : -1;
	cfmakeraw(&t);
	cfsetspeed(&t, B115200);
	t.c_cflag |= CLOCAL;
	if (tcsetattr(fd, TCSAFLUSH, &t) < 0)
		return -1;
	return fd;
}

static int open_sigchld(void)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGCHLD);
	sigprocmask(SIG_BLOCK, &set, NULL);
	return signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
}

static void loop_once(int sigfd)
{
	struct pollfd pfd[2 + MAX_JOBS] = {
		{ .fd = tty, .events = POLLIN },
		{ .fd = sigfd, .events = POLLIN },
	};

	for (int i = 0; i < MAX_JOBS; i++) {
		/* a negative fd is ignored by poll */
		pfd[2 + i].fd = jobs[i].pid ? jobs[i].fd : -1;
		pfd[2 + i].events = POLLIN;
	}
	if (poll(pfd, 2 + MAX_JOBS, -1) < 0)
		return;
	for (int i = 0; i < MAX_JOBS; i++)
		if (pfd[2 + i].fd >= 0 && pfd[2 + i].revents)
			job_read(&jobs[i]);
	if (pfd[1].revents)
		reap(sigfd);
	if (pfd[0].revents & POLLIN)
		read_requests();
	else if (pfd[0].revents & POLLHUP)
		poll(NULL, 0, 100);	/* a port whose host end is closed */
}

int main(int argc, char **argv)
{
	int sigfd;

	if (argc != 2) {
		fprintf(stderr, "usage: vragent TTY\n");
		return 2;
	}
	tty = open_tty(argv[1]);
	if (tty < 0) {
		fprintf(stderr, "vragent: %s: %s\n", argv[1], strerror(errno));
		return 1;
	}
	sigfd = open_sigchld();
	if (sigfd < 0) {
		perror("vragent: signalfd");
		return 1;
	}
	do_ping();
	for (;;)
		loop_once(sigfd);
}
