// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * foreign.c - children that speak, scenes with one, and packets that get lost
 */
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "foreign.h"
#include "run.h"

#define MAX_ARGS 24
#define NFT	 "/usr/sbin/nft"
#define TABLE	 "inet vrdma_foreign"
/* Of A: all of it is pinned for each domain */
#define MEMORY	 (16u << 20)

/* --- a child that speaks --------------------------------------------------- */

static void __attribute__((noreturn))
become(const char *path, const char *const args[], int in, int out)
{
	char *argv[MAX_ARGS + 2] = { (char *)(uintptr_t)path };

	for (int i = 0; i < MAX_ARGS && args[i]; i++)
		argv[i + 1] = (char *)(uintptr_t)args[i];
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	signal(SIGPIPE, SIG_DFL);
	dup2(in, STDIN_FILENO);
	dup2(out, STDOUT_FILENO);
	dup2(out, STDERR_FILENO);
	execv(path, argv);
	_exit(127);
}

void child_start(struct child *c, const char *path, const char *const args[])
{
	int in[2], out[2];

	memset(c, 0, sizeof(*c));
	c->name = path;
	ck_assert(!pipe2(in, O_CLOEXEC) && !pipe2(out, O_CLOEXEC));
	c->pid = fork();
	ck_assert_int_ge(c->pid, 0);
	if (!c->pid)
		become(path, args, in[0], out[1]);
	close(in[0]);
	close(out[1]);
	c->in = in[1];
	c->out = out[0];
	/* B that is gone is no reason for A to go */
	signal(SIGPIPE, SIG_IGN);
}

void child_say(struct child *c, const char *format, ...)
{
	char line[256];
	va_list ap;
	int n;

	va_start(ap, format);
	n = vsnprintf(line, sizeof(line) - 1, format, ap);
	va_end(ap);
	ck_assert_int_lt(n, (int)sizeof(line) - 1);
	line[n++] = '\n';
	ck_assert_int_eq(write(c->in, line, (size_t)n), n);
}

/* A line behind what was waited for, or NULL: it is not whole yet */
static char *next_line(struct child *c)
{
	char *line = c->heard + c->next;
	char *end = memchr(line, '\n', c->used - c->next);

	if (!end)
		return NULL;
	*end = '\0';
	c->next = (size_t)(end + 1 - c->heard);
	return line;
}

/* For who reads the log of a failure: all of it, lines again */
static void show_heard(struct child *c)
{
	for (size_t i = 0; i < c->used; i++)
		if (!c->heard[i])
			c->heard[i] = '\n';
	fprintf(stderr, "%s said:\n%.*s\n", c->name, (int)c->used, c->heard);
}

/* A long story: its beginning is forgotten */
static void make_room(struct child *c)
{
	if (c->used < sizeof(c->heard) || !c->next)
		return;
	memmove(c->heard, c->heard + c->next, c->used - c->next);
	c->used -= c->next;
	c->next = 0;
}

static void read_more(struct child *c, const char *prefix, uint64_t end)
{
	struct pollfd fd = { .fd = c->out, .events = POLLIN };
	uint64_t now = tguest_ops()->now_ms(fx.g[0]);
	int ret = now < end ? poll(&fd, 1, (int)(end - now)) : 0;
	ssize_t n;

	make_room(c);
	n = ret == 1 ? read(c->out, c->heard + c->used,
			    sizeof(c->heard) - c->used) : 0;
	if (n > 0) {
		c->used += (size_t)n;
		return;
	}
	show_heard(c);
	ck_abort_msg("%s did not say `%s`: %s", c->name, prefix,
		     ret == 1 ? "it ended, or said too much"
			      : "time is up");
}

const char *child_hear(struct child *c, const char *prefix)
{
	uint64_t end = tguest_ops()->now_ms(fx.g[0]) + 3 * TEST_TIMEOUT_MS;

	for (;;) {
		char *line = next_line(c);

		if (!line)
			read_more(c, prefix, end);
		else if (!strncmp(line, prefix, strlen(prefix)))
			return line + strlen(prefix);
	}
}

void child_hear_line(struct child *c, const char *format, ...)
{
	char want[512];
	const char *rest;
	va_list ap;

	va_start(ap, format);
	vsnprintf(want, sizeof(want), format, ap);
	va_end(ap);
	rest = child_hear(c, want);
	ck_assert_msg(!*rest, "%s said `%s%s`, not `%s`", c->name, want, rest,
		      want);
}

void child_signal(struct child *c, int number)
{
	ck_assert(!kill(c->pid, number));
}

int child_wait(struct child *c)
{
	int fd = (int)syscall(SYS_pidfd_open, c->pid, 0);
	struct pollfd p = { .fd = fd, .events = POLLIN };
	int status, ended = poll(&p, 1, TEST_TIMEOUT_MS);

	if (ended != 1)
		kill(c->pid, SIGKILL);
	waitpid(c->pid, &status, 0);
	close(fd);
	close(c->in);
	close(c->out);
	c->pid = 0;
	ck_assert_msg(ended == 1, "%s does not end", c->name);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

void child_quit(struct child *c)
{
	close(c->in);
	c->in = -1;
	ck_assert_int_eq(child_wait(c), 0);
}

/* --- scenes ------------------------------------------------------------------ */

static const char *peer_path(void)
{
	static char path[4096];
	ssize_t n = readlink("/proc/self/exe", path, sizeof(path) - 16);

	ck_assert_int_gt(n, 0);
	path[n] = '\0';
	strcpy(strrchr(path, '/') + 1, "peer");
	return path;
}

static void start_peer(struct child *c, const char *const first[],
		       const char *const options[])
{
	const char *args[MAX_ARGS + 1] = { NULL };
	int n = 0;

	for (int i = 0; first[i]; i++)
		args[n++] = first[i];
	for (int i = 0; options[i] && n < MAX_ARGS; i++)
		args[n++] = options[i];
	child_start(c, peer_path(), args);
}

static bool is_v6(const char *address)
{
	return strchr(address, ':');
}

static struct sa address_of(const char *address, int guest, uint16_t port)
{
	return is_v6(address) ? sa_v6(guest, port) : sa_v4(guest, port);
}

struct sa scene_server(struct scene *s, const char *address,
		       const struct ep_opts *o, const char *const options[])
{
	uint16_t port;

	memset(s, 0, sizeof(*s));
	start_peer(&s->b, OPTIONS("-s", "-a", address), options);
	port = (uint16_t)strtoul(child_hear(&s->b, "listening "), NULL, 10);
	ep_init(&s->a, fx.g[0], o);
	return address_of(address, 1, port);
}

NDK_CONNECTOR *scene_client(struct scene *s, const char *address,
			    const struct ep_opts *o,
			    const char *const options[])
{
	char port[8];

	memset(s, 0, sizeof(*s));
	ep_init(&s->a, fx.g[0], o);
	listener_start(&s->l, s->a.adapter, address_of(address, 0, 0));
	s->listens = true;
	snprintf(port, sizeof(port), "%u", sa_port(&s->l.addr));
	start_peer(&s->b, OPTIONS("-c", "-a", is_v6(address) ? "fd00::1"
							     : "10.0.0.1",
				  "-l", address, "-p", port), options);
	return listener_next(&s->l);
}

static void hear_buffer(struct scene *s)
{
	ck_assert_int_eq(sscanf(child_hear(&s->b, "buffer "),
				"%" SCNx64 " %x", &s->b_addr, &s->b_key), 2);
}

static void connect_to_b(struct scene *s, const struct ep_opts *o,
			 const char *const options[])
{
	struct sa to = scene_server(s, B_V4, o, options);
	struct op op;

	assert_status(op_wait(&op, ep_connect_start(&s->a, to, NULL, &op)),
		      STATUS_SUCCESS);
	assert_status(ep_complete(&s->a), STATUS_SUCCESS);
}

static void accept_b(struct scene *s, const struct ep_opts *o,
		     const char *const options[])
{
	NDK_CONNECTOR *in = scene_client(s, B_V4, o, options);
	struct op op;

	assert_status(op_wait(&op, ep_accept_start(&s->a, in, NULL, &op)),
		      STATUS_SUCCESS);
}

void scene_open(struct scene *s, enum who who, const struct ep_opts *o,
		const char *const options[])
{
	if (who == A_CONNECTS)
		connect_to_b(s, o, options);
	else
		accept_b(s, o, options);
	hear_buffer(s);
	child_hear_line(&s->b, "established");
}

void scene_close(struct scene *s)
{
	if (s->b.pid)
		child_quit(&s->b);
	if (s->a.conn)
		nd_close(s->a.conn);
	s->a.conn = NULL;
	if (s->listens)
		listener_stop(&s->l);
	ep_fini(&s->a);
}

void scene_disconnect(struct scene *s)
{
	struct op op;

	assert_status(op_wait(&op, ep_disconnect_start(&s->a, &op)),
		      STATUS_SUCCESS);
	child_hear_line(&s->b, "closed");
}

NTSTATUS scene_write(struct scene *s, uint64_t id, uint32_t len)
{
	NDK_SGE sge = ep_sge(&s->a, 0, len);

	return s->a.qp->Dispatch->NdkWrite(s->a.qp, ID(id), &sge, 1, s->b_addr,
					   s->b_key, 0);
}

NTSTATUS scene_read(struct scene *s, uint64_t id, uint32_t len)
{
	NDK_SGE sge = ep_sge(&s->a, 0, len);

	return s->a.qp->Dispatch->NdkRead(s->a.qp, ID(id), &sge, 1, s->b_addr,
					  s->b_key, 0);
}

void check_padded(NDK_CONNECTOR *c, const char *text, uint32_t length)
{
	uint8_t buf[VIRTIO_RDMA_MAX_PRIVATE], want[VIRTIO_RDMA_MAX_PRIVATE] = {
		0
	};
	ULONG len = sizeof(buf);

	memcpy(want, text, strlen(text));
	assert_status(c->Dispatch->NdkGetConnectionData(c, NULL, NULL, buf,
							&len), STATUS_SUCCESS);
	ck_assert_uint_eq(len, length);
	ck_assert_mem_eq(buf, want, len);
}

/* --- vrdmad and packets -------------------------------------------------------- */

void foreign_setup(unsigned int disconnect_ms, unsigned int rnr_ms)
{
	char section[512];
	struct daemon_opts o = { .guests = 1, .guest_section = section };

	packets_pass(); /* what a test that failed has left */
	snprintf(section, sizeof(section),
		 "disconnect-timeout-ms = %u\nrnr-timeout-ms = %u\n" FX_SMALL,
		 disconnect_ms, rnr_ms);
	fx_start(&o, MEMORY);
}

static bool nft(struct ran *r, const char *words)
{
	run_program(r, NFT, OPTIONS(words));
	return r->status == 0;
}

/* Where a datagram has come in: its sender knows nothing of it */
void packets_drop(int side, int percent)
{
	char words[512];
	struct ran r;

	if (!percent)
		return;
	snprintf(words, sizeof(words),
		 "add table " TABLE ";"
		 "add chain " TABLE " in { type filter hook input priority 0; };"
		 "add rule " TABLE " in iifname rx%d udp dport 4791 "
		 "numgen random mod 100 <= %d counter drop", side, percent - 1);
	ck_assert_msg(nft(&r, words), "nft %s: %s", words, r.err);
}

bool packets_pass(void)
{
	struct ran r;

	return nft(&r, "delete table " TABLE);
}

unsigned long packets_dropped(void)
{
	static const char mark[] = "counter packets ";
	unsigned long n = 0;
	const char *at;
	struct ran r;

	ck_assert_msg(nft(&r, "list table " TABLE), "nft: %s", r.err);
	for (at = strstr(r.out, mark); at; at = strstr(at, mark)) {
		at += strlen(mark);
		n += strtoul(at, NULL, 10);
	}
	return n;
}
