// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * test_daemon.c - what vrdmad says to a wrong command line, configuration file
 * or socket: one line with what and where, and exit status 1
 */
#include <fcntl.h>
#include <linux/capability.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fixture.h"
#include "run.h"

static char dir[64]; /* of this test, removed with what it holds */
static char sock[96], file[96];

static void setup(void)
{
	const char *tmp = getenv("TMPDIR");

	snprintf(dir, sizeof(dir), "%.40s/vrdma-test-XXXXXX",
		 tmp && strlen(tmp) < 40 ? tmp : "/tmp");
	ck_assert_ptr_nonnull(mkdtemp(dir));
	snprintf(sock, sizeof(sock), "%s/s", dir);
	snprintf(file, sizeof(file), "%s/conf", dir);
}

static void teardown(void)
{
	unlink(sock);
	unlink(file);
	ck_assert_int_eq(rmdir(dir), 0); /* nothing else was left there */
}

/* One line that begins as all do and names what is wrong and how to mend it */
static void expect_error(const struct ran *r, const char *says)
{
	ck_assert_msg(r->status == 1, "exit status %d for: %s", r->status,
		      says);
	ck_assert_msg(r->err_lines == 1, "not one line: %s", r->err);
	ck_assert_msg(!strncmp(r->err, "vrdmad: error: ", 15), "%s", r->err);
	ck_assert_msg(strstr(r->err, says), "'%s' is not in: %s", says, r->err);
	ck_assert_str_eq(r->out, "");
}

/* --- options --------------------------------------------------------- */

#define S "-s", sock
static const struct {
	const char *const args[8];
	const char *says;
} wrong[] = {
	{{NULL}, "no guest: give --config"},
	{{"--bogus"}, "--bogus: no such option"},
	{{"-Z"}, "-Z: no such option"},
	{{"extra"}, "'extra': no such argument"},
	{{"-c"}, "-c: needs a value"},
	{{"--socket-path"}, "--socket-path: needs a value"},
	{{"--version=3"}, "--version=3"},
	{{"-c", "/nonexistent/f"}, "/nonexistent/f: cannot read: No such"},
	{{"-c", "/"}, "/: cannot read"},
	{{"-c", ""}, "cannot read"},
	{{"-c", "/dev/null", "-c", "/dev/null"}, "given twice"},
	{{"-c", "/dev/null"}, "no guest"},
	{{"-c", "/dev/null", S}, "--config goes without --socket-path"},
	{{"-c", "/dev/null", "-a", "10.0.0.1"}, "--config goes without"},
	{{S, S}, "one socket per guest"},
	{{S, "-f", "3"}, "one of --socket-path PATH and --fd N"},
	{{"-a", "10.0.0.1"}, "one of --socket-path PATH and --fd N"},
	{{"-s", ""}, "give a path of 1 to"},
	{{"-s", "/nonexistent/s"}, "/nonexistent/s: No such file"},
	{{"-s", "/"}, "/: "},
	{{"-f", ""}, "--fd : give the number"},
	{{"-f", "x"}, "--fd x: give the number"},
	{{"-f", "-1"}, "--fd -1: give the number"},
	{{"-f", "99999999999999999999"}, "give the number"},
	{{"-f", "77"}, "--fd 77: Bad file descriptor"},
	{{"-f", "0"}, "--fd 0: Socket operation on non-socket"},
	{{S, "-a", "10.0.0.256"}, "10.0.0.256: not an IPv4"},
	{{S, "-a", "10.0.0.1:80"}, "10.0.0.1:80: not an IPv4"},
	{{S, "-a", "fd00::1/64"}, "fd00::1/64: not an IPv4"},
	{{S, "-a", "host"}, "host: not an IPv4"},
	{{S, "-a", ""}, "address: empty"},
	{{S, "-a", "0.0.0.0"}, "unspecified address"},
	{{S, "-a", "::"}, "unspecified address"},
	{{S, "-a", "10.0.0.1", "-a", "10.0.0.1"}, "given twice"},
	{{S, "-o", "max-qp"}, "-o max-qp: give KEY=VALUE"},
	{{S, "-o", "=1"}, "-o =1: give KEY=VALUE"},
	{{S, "-o", "no-such-key=1"}, "no-such-key: unknown key"},
	{{S, "-o", "max-qp="}, "max-qp = : not a number"},
	{{S, "-o", "max-qp=many"}, "max-qp = many: not a number"},
	{{S, "-o", "max-qp=-1"}, "max-qp = -1: not a number"},
	{{S, "-o", "max-qp=5x"}, "max-qp = 5x: not a number"},
	{{S, "-o", "max-qp=0"}, "max-qp = 0: out of range"},
	{{S, "-o", "max-qp=18446744073709551617"}, "out of range"},
	{{S, "-o", "max-cq-depth=100"}, "not a power of two"},
	{{S, "-o", "num-ceq=65"}, "num-ceq = 65: out of range"},
	{{S, "-o", "disconnect-timeout-ms=0"}, "out of range"},
	{{S, "-o", "connect-timeout-ms=0"}, "out of range"},
	{{S, "-o", "disconnect-timeout-ms=3600001"}, "out of range"},
	{{S, "-o", "max-send-sge=2", "-o", "max-read-sge=3"},
	 "max-read-sge 3 is more than"},
	{{S, "-o", "allow-unsealed-memory=1"}, "give yes or no"},
	{{S, "-o", "log-level=loud"}, "log-level = loud: give error"},
	{{S, "-o", "poll-us=1000001"}, "poll-us = 1000001: out of range"},
	{{S, "-o", "workers=0"}, "workers = 0: out of range"},
	{{S, "-o", "workers=65"}, "workers = 65: out of range"},
	{{S, "-o", "weight=65"}, "weight = 65: out of range"},
};
#define WRONG (int)(sizeof(wrong) / sizeof(wrong[0]))

START_TEST(wrong_options)
{
	struct ran r;

	run_vrdmad(&r, wrong[_i].args);
	expect_error(&r, wrong[_i].says);
	ck_assert_int_ne(access(sock, F_OK), 0);
}
END_TEST

START_TEST(socket_path_too_long)
{
	char path[200];
	const char *args[] = {"-s", path, NULL};
	struct ran r;

	memset(path, 'x', sizeof(path));
	path[0] = '/';
	path[sizeof(path) - 1] = '\0';
	run_vrdmad(&r, args);
	expect_error(&r, "give a");
}
END_TEST

START_TEST(right_options_that_end)
{
	const char *const help[] = {"-h", NULL};
	const char *const version[] = {"--version", NULL};
	const char *const caps[] = {"--print-capabilities", NULL};
	const char *const check[] = {"--check-config", "-s", sock, NULL};
	struct ran r;

	run_vrdmad(&r, help);
	ck_assert_int_eq(r.status, 0);
	ck_assert_str_eq(r.err, "");
	/* -h teaches: every key of the file, an example, QEMU's line */
	ck_assert_ptr_nonnull(strstr(r.out, "disconnect-timeout-ms"));
	ck_assert_ptr_nonnull(strstr(r.out, "[guest web]"));
	ck_assert_ptr_nonnull(strstr(r.out, "vhost-user-rdma-pci"));
	run_vrdmad(&r, version);
	ck_assert_int_eq(r.status, 0);
	ck_assert(!strncmp(r.out, "vrdmad ", 7));
	/* the convention of QEMU's vhost-user back ends */
	run_vrdmad(&r, caps);
	ck_assert_int_eq(r.status, 0);
	ck_assert_str_eq(r.out,
			 "{\n  \"type\": \"rdma\",\n  \"features\": []\n}\n");
	run_vrdmad(&r, check);
	ck_assert_int_eq(r.status, 0);
	ck_assert_str_eq(r.out, "configuration is good: 1 guest\n");
	ck_assert_int_ne(access(sock, F_OK), 0);
}
END_TEST

/* --- the file -------------------------------------------------------- */

static const struct {
	const char *text;
	const char *says; /* begins with the line's number */
} files[] = {
	{"socket = /s\n", "conf:1: a key before the first section"},
	{"[guest a]\nwhat\n", "conf:2: neither [section] nor key"},
	{"\n# c\n[host a]\nx = 1\n", "conf:4: [host a]: unknown section"},
	{"[guest]\nx = 1\n", "conf:2: [guest]: unknown section"},
	{"[guest a\n", "conf:1: neither [section] nor key"},
	{"[guest a/b]\nx = 1\n", "conf:2: 'a/b' is no name"},
	{"[guest a]\nmax-qp = 1\n[vrdmad]\npoll-us = 1\n[guest a]\nmax-qp = 1\n",
	 "conf:6: guest a is there already"},
	{"[guest a]\nnope = 1\n", "conf:2: nope: unknown key"},
	{"[guest a]\npoll-us = 1\n", "conf:2: poll-us: belongs into"},
	{"[vrdmad]\nmax-qp = 1\n", "conf:2: max-qp: belongs into"},
	{"[vrdmad]\npoll-us = x\n", "conf:2: poll-us = x: not a number"},
	{"[guest a]\ndisconnect-timeout-ms = 0\n", "conf:2: disconnect"},
	{"[guest a]\naddress = 10.0.0.1, 10.0.0\n",
	 "conf:2: address = 10.0.0:"},
	{"[guest a]\nsocket = /a\nsocket = /b\n", "conf:3: socket = /b"},
	{"[guest a]\naddress = 10.0.0.1\n", "guest a has no socket"},
	{"[guest a]\nsocket = /nowhere/a\n", "guest a has no address"},
	{"[guest a]\nsocket = /nowhere/a\naddress = 10.0.0.1\n"
	 "[guest b]\nsocket = /nowhere/a\naddress = 10.0.0.2\n",
	 "same socket /nowhere/a"},
	{"[guest a]\nsocket = /nowhere/a\naddress = fd00::1\n"
	 "[guest b]\nsocket = /nowhere/b\naddress = fd00:0::1\n",
	 "same address fd00::1"},
};
#define FILES (int)(sizeof(files) / sizeof(files[0]))

static void write_file(const char *path, const char *text, size_t len)
{
	FILE *f = fopen(path, "w");

	ck_assert_ptr_nonnull(f);
	ck_assert_uint_eq(fwrite(text, 1, len, f), len);
	ck_assert_int_eq(fclose(f), 0);
}

START_TEST(wrong_files)
{
	const char *const args[] = {"--config", file, NULL};
	const char *const check[] = {"--check-config", "--config", file, NULL};
	struct ran r;

	write_file(file, files[_i].text, strlen(files[_i].text));
	run_vrdmad(&r, args);
	expect_error(&r, files[_i].says);
	run_vrdmad(&r, check); /* finds the same without starting */
	expect_error(&r, files[_i].says);
}
END_TEST

START_TEST(a_line_without_end)
{
	const char *const args[] = {"--config", file, NULL};
	static char text[100000];
	struct ran r;

	memset(text, 'x', sizeof(text));
	write_file(file, text, sizeof(text));
	run_vrdmad(&r, args);
	expect_error(&r, "conf:1: the line is longer");
}
END_TEST

/* Bytes of all kinds: an error or not, but an end, and no signal */
START_TEST(random_files)
{
	const char *const args[] = {"--check-config", "--config", file, NULL};
	static const char *const piece[] = {
		"[guest ", "]",	       "\n",	 "=", "vrdmad", "socket",
		"address", "10.0.0.1", "max-qp", " ", "#",	"\xff",
		"0x10",	   ",",	       "[",	 "a"};
	uint32_t x = 12345 + (uint32_t)_i;
	struct ran r;

	for (int n = 0; n < 5; n++) {
		char text[1024] = "[guest a]\n";
		size_t used = 10;

		while (used < 900) {
			const char *p = piece[(x >> 16) % 16];

			x = x * 1103515245 + 12345;
			memcpy(text + used, p, strlen(p));
			used += strlen(p);
		}
		write_file(file, text, used);
		run_vrdmad(&r, args);
		ck_assert_msg(r.status == 0 || r.status == 1,
			      "seed %d: status %d", _i, r.status);
		if (r.status == 1)
			expect_error(&r, "conf:");
	}
}
END_TEST

/* --- sockets --------------------------------------------------------- */

static int listen_on(const char *path)
{
	struct sockaddr_un sa = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	strcpy(sa.sun_path, path);
	ck_assert_int_eq(bind(fd, (struct sockaddr *)&sa, sizeof(sa)), 0);
	ck_assert_int_eq(listen(fd, 1), 0);
	return fd;
}

START_TEST(a_live_vrdmad_keeps_its_socket)
{
	struct daemon_opts o = {.guests = 1};
	const char *args[] = {"-s", NULL, NULL};
	struct daemon d;
	struct ran r;

	ck_assert(daemon_start(&d, &o));
	args[1] = d.socket[0];
	run_vrdmad(&r, args);
	expect_error(&r, "Address already in use");
	ck_assert_ptr_nonnull(strstr(r.err, d.socket[0]));
	/* and still serves */
	fx.g[0] = tguest_start(d.socket[0], FX_MEM);
	ck_assert_ptr_nonnull(fx.g[0]);
	tguest_stop(fx.g[0]);
	fx.g[0] = NULL;
	ck_assert_int_eq(daemon_stop(&d), 0);
	ck_assert_int_ne(access(d.socket[0], F_OK), 0);
	daemon_cleanup(&d);
}
END_TEST

/* The second of two cannot be had: the first is not left behind */
START_TEST(half_a_start_leaves_nothing)
{
	char text[512], other[128];
	const char *const args[] = {"--config", file, NULL};
	struct ran r;
	int fd;

	snprintf(other, sizeof(other), "%s/t", dir);
	snprintf(text, sizeof(text),
		 "[guest a]\nsocket = %s\naddress = 10.0.0.1\n"
		 "[guest b]\nsocket = %s\naddress = 10.0.0.2\n",
		 sock, other);
	write_file(file, text, strlen(text));
	fd = listen_on(other);
	run_vrdmad(&r, args);
	ck_assert_int_eq(r.status, 1);
	ck_assert_int_eq(r.err_lines, 1);
	ck_assert_ptr_nonnull(strstr(r.err, "guest b"));
	ck_assert_int_ne(access(sock, F_OK), 0);
	ck_assert_int_eq(access(other, F_OK), 0);
	close(fd);
	unlink(other);
}
END_TEST

START_TEST(a_file_that_is_no_socket_stays)
{
	const char *const args[] = {"-s", sock, NULL};
	struct ran r;

	write_file(sock, "precious", 8);
	run_vrdmad(&r, args);
	expect_error(&r, "no socket");
	ck_assert_int_eq(access(sock, F_OK), 0);
}
END_TEST

static pid_t start(const char *const args[], int *out)
{
	int p[2];
	pid_t pid;

	ck_assert_int_eq(pipe(p), 0);
	pid = fork();
	if (!pid) {
		dup2(p[1], STDOUT_FILENO);
		close(p[0]);
		close(p[1]);
		execv(daemon_binary(), (char *const *)(uintptr_t)args);
		_exit(127);
	}
	close(p[1]);
	*out = p[0];
	return pid;
}

/* "ready" comes when the sockets listen, not before */
static void wait_ready(int out)
{
	char line[256] = "";
	size_t n = 0;

	while (n < sizeof(line) - 1 && !strchr(line, '\n'))
		if (read(out, line + n++, 1) != 1)
			break;
	ck_assert_msg(!strncmp(line, "ready ", 6), "said '%s'", line);
}

static int end(pid_t pid, int sig)
{
	int status;

	if (sig)
		kill(pid, sig);
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert(WIFEXITED(status));
	return WEXITSTATUS(status);
}

/* SIGTERM (0) or SIGINT (1): status 0 and no socket, a front end or none */
START_TEST(signals_end_it_well)
{
	const char *args[] = {"vrdmad", "-s", sock, NULL};
	int out, stale = listen_on(sock); /* as a dead process leaves it */
	struct tguest *g = NULL;
	pid_t pid;

	close(stale);
	pid = start(args, &out);
	wait_ready(out);
	if (_i < 2)
		g = tguest_start(sock, FX_MEM);
	ck_assert_int_eq(end(pid, _i % 2 ? SIGINT : SIGTERM), 0);
	ck_assert_int_ne(access(sock, F_OK), 0);
	if (g)
		tguest_kill(g), tguest_stop(g);
	close(out);
}
END_TEST

static void expect_socket(mode_t mode, gid_t gid)
{
	struct stat st;

	ck_assert_int_eq(lstat(sock, &st), 0);
	ck_assert_msg((st.st_mode & 07777) == mode, "mode is %o, not %o",
		      st.st_mode & 07777, mode);
	ck_assert_uint_eq(st.st_gid, gid);
}

/* Modes and groups: by umask and folder, or as the configuration says */
START_TEST(socket_permissions)
{
	static const struct {
		const char *key;
		mode_t umask, want;
	} row[] = {
		{NULL, 0022, 0755},
		{NULL, 0007, 0770},
		{"socket-mode=0660", 0777, 0660},
		{"socket-mode=666", 0077, 0666},
	};
	const char *args[] = {"vrdmad", "-s", sock, NULL, NULL, NULL};
	int out;
	pid_t pid;

	if (row[_i].key) {
		args[3] = "-o";
		args[4] = row[_i].key;
	}
	umask(row[_i].umask);
	pid = start(args, &out);
	umask(0022);
	wait_ready(out);
	expect_socket(row[_i].want, getegid());
	ck_assert_int_eq(end(pid, SIGTERM), 0);
	ck_assert_int_ne(access(sock, F_OK), 0);
	close(out);
}
END_TEST

#define FOREIGN_GID "65533" /* nobody's who runs this */

START_TEST(socket_group)
{
	char group[32];
	const char *args[] = {"vrdmad",	      "-s", sock, "-o",
			      "socket-mode=0660", "-o", group, NULL};
	/* root may give it to any group, others to their own */
	gid_t gid = geteuid() ? getegid() : (gid_t)atoi(FOREIGN_GID);
	pid_t pid;
	int out;

	snprintf(group, sizeof(group), "socket-group=%u", gid);
	pid = start(args, &out);
	wait_ready(out);
	expect_socket(0660, gid);
	ck_assert_int_eq(end(pid, SIGTERM), 0);
	close(out);
}
END_TEST

/* A group that vrdmad's user is not in, and no socket left behind */
START_TEST(socket_of_a_foreign_group)
{
	const char *const args[] = {"-s", sock, "-o",
				    "socket-group=" FOREIGN_GID, NULL};
	struct ran r;

	if (geteuid() == 0)
		ck_assert_int_eq(prctl(PR_CAPBSET_DROP, CAP_CHOWN), 0);
	run_vrdmad(&r, args);
	expect_error(&r, "put vrdmad's user into that group");
	ck_assert_ptr_nonnull(strstr(r.err, sock));
	ck_assert_int_ne(access(sock, F_OK), 0);
}
END_TEST

/* A listening socket that a supervisor made */
START_TEST(fd_that_listens)
{
	char num[16];
	const char *args[] = {"vrdmad", "--fd", num, NULL};
	int out, fd = listen_on(sock);
	struct tguest *g;
	pid_t pid;

	fcntl(fd, F_SETFD, 0);
	snprintf(num, sizeof(num), "%d", fd);
	pid = start(args, &out);
	wait_ready(out);
	for (int i = 0; i < 2; i++) { /* front ends come and go */
		g = tguest_start(sock, FX_MEM);
		ck_assert_ptr_nonnull(g);
		tguest_stop(g);
	}
	ck_assert_int_eq(end(pid, SIGTERM), 0);
	ck_assert_int_eq(access(sock, F_OK), 0); /* not ours to remove */
	close(fd);
	close(out);
}
END_TEST

/* A connected one: the daemon lives as long as the connection */
START_TEST(fd_that_is_connected)
{
	char num[16];
	const char *args[] = {"vrdmad", "--fd", num, NULL};
	int out, sv[2];
	pid_t pid;

	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, sv), 0);
	fcntl(sv[0], F_SETFD, FD_CLOEXEC);
	snprintf(num, sizeof(num), "%d", sv[1]);
	pid = start(args, &out);
	close(sv[1]);
	wait_ready(out);
	close(sv[0]);
	ck_assert_int_eq(end(pid, 0), 0);
	close(out);
}
END_TEST

/* No stream of a family that vhost-user does not speak */
START_TEST(fd_of_another_kind)
{
	char num[16];
	const char *args[] = {"--fd", num, NULL};
	int fd = socket(_i ? AF_INET : AF_UNIX, _i ? SOCK_STREAM : SOCK_DGRAM,
			0);
	struct ran r;

	snprintf(num, sizeof(num), "%d", fd);
	run_vrdmad(&r, args);
	expect_error(&r, "Protocol wrong type for socket");
	close(fd);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("vrdmad");
	TCase *tc = add_case(s, "words", 60);

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_loop_test(tc, wrong_options, 0, WRONG);
	tcase_add_test(tc, socket_path_too_long);
	tcase_add_test(tc, right_options_that_end);
	tcase_add_loop_test(tc, wrong_files, 0, FILES);
	tcase_add_test(tc, a_line_without_end);
	tcase_add_loop_test(tc, random_files, 0, 4);
	tcase_add_test(tc, a_live_vrdmad_keeps_its_socket);
	tcase_add_test(tc, half_a_start_leaves_nothing);
	tcase_add_test(tc, a_file_that_is_no_socket_stays);
	tcase_add_loop_test(tc, signals_end_it_well, 0, 4);
	tcase_add_loop_test(tc, socket_permissions, 0, 4);
	tcase_add_test(tc, socket_group);
	tcase_add_test(tc, socket_of_a_foreign_group);
	tcase_add_test(tc, fd_that_listens);
	tcase_add_test(tc, fd_that_is_connected);
	tcase_add_loop_test(tc, fd_of_another_kind, 0, 2);
	return run_suite(s);
}
