/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test_ndspi_ping.c - nd_ping against itself: server and client in two threads
 * of this process, over the fake devices and their engine, or over real ones
 * (nd_fake.h)
 *
 * What it prints is the contract with the demo, so the lines are looked at.
 */
#define main nd_ping_main
int nd_ping_main(int argc, char **argv);
#include "../../guest-driver/ndspi/tools/nd_ping.c"
#undef main

#include <check.h>
#include <fcntl.h>
#include <getopt.h>
#include <poll.h>
#include <pthread.h>
#include <sys/mman.h>

#include "nd_fake.h"

#define MAX_ARGS 32
#define WAIT 40.0 /* seconds, for anything, on a slow machine */

static int output;

static void setup(void)
{
	fake_install();
	fake_engine_start();
	fflush(stdout);
	output = memfd_create("output", 0);
	ck_assert_int_ge(output, 0);
	ck_assert_int_ge(dup2(output, STDOUT_FILENO), 0);
}

static void teardown(void)
{
	fake_engine_stop();
	fake_remove();
	ck_assert_int_eq(DllCanUnloadNow(), S_OK);
}

/* ------------------------------------------------------------------- output */

static char text[65536];

static const char *printed(void)
{
	ssize_t n = pread(output, text, sizeof(text) - 1, 0);

	text[n > 0 ? n : 0] = 0;
	return text;
}

static unsigned times(const char *what)
{
	const char *at = printed();
	unsigned n = 0;

	while ((at = strstr(at, what)) != NULL) {
		at += strlen(what);
		n++;
	}
	return n;
}

#define PRINTED(n, what) \
	ck_assert_msg(times(what) == (n), "%u times \"%s\" in:\n%s", \
		      times(what), what, printed())

/* a before b */
static void order(const char *a, const char *b)
{
	const char *p = strstr(printed(), a);

	ck_assert_msg(p && strstr(p, b), "no \"%s\" after \"%s\" in:\n%s", b, a,
		      text);
}

static void wait_printed(const char *what)
{
	double end = tool_now() + WAIT;

	while (!times(what)) {
		ck_assert_msg(tool_now() < end, "never printed %s:\n%s", what,
			      printed());
		poll(NULL, 0, 1);
	}
}

/* --------------------------------------------------------------------- runs */

struct run {
	pthread_t thread;
	char line[512];
	char *argv[MAX_ARGS];
	int argc;
	int rc;
};

static void split(struct run *r, const char *args)
{
	char *save, *word;

	snprintf(r->line, sizeof(r->line), "nd_ping %s", args);
	for (word = strtok_r(r->line, " ", &save); word;
	     word = strtok_r(NULL, " ", &save)) {
		ck_assert_int_lt(r->argc, MAX_ARGS - 1);
		r->argv[r->argc++] = word;
	}
}

static void *run_main(void *arg)
{
	struct run *r = arg;

	r->rc = nd_ping_main(r->argc, r->argv);
	return NULL;
}

static void start(struct run *r, const char *args)
{
	split(r, args);
	optind = 0;
	ck_assert_int_eq(pthread_create(&r->thread, NULL, run_main, r), 0);
}

static int finish_run(struct run *r)
{
	pthread_join(r->thread, NULL);
	return r->rc;
}

/* The command line is read before the device is touched, so the second start
 * does not meet the first in getopt() */
static void start_server(struct run *s, const char *args)
{
	start(s, args);
	wait_printed("listening addr=");
}

static void both(const char *server, const char *client)
{
	static struct run s, c;

	start_server(&s, server);
	start(&c, client);
	ck_assert_int_eq(finish_run(&c), 0);
	ck_assert_int_eq(finish_run(&s), 0);
}

/* -------------------------------------------------------------------- tests */

static const char *const transfers[] = {
	/* FEW: of a real device's memory, and of time, there is less */
	"-m send -t lat -S 64 -C 50 -w wait", "-m write -S 5000 -C 100 -q 7",
	"-m read -S 65537 -C 33 -q 256", "-w wait -m send -C 100 -S 3000",
	"-m send", "-m write", "-m read",
	"-m send -S 0", "-m write -S 0", "-m read -S 0",
	"-m send -S 1 -C 100", "-m send -S 64 -C 40", "-m send -S 1M -q 4 -C 9",
	/* longer than one request may be */
	"-m write -S 64M -C 1", "-m read -S 3M -C 5",
	"-m send -t bw -S 8K -C 2000", "-m write -t bw -S 64K -C 500",
	"-m read -t bw -S 64K -C 500 -w wait",
	"-m send -t lat -S 64 -C 200",
	"-m write -t lat -S 8 -C 200", "-m read -t lat -S 100K -C 20",
	"-w wait -m write -C 50",
	"-q 1 -m send -C 20",
};
#define FEW 4

START_TEST(transfer_kinds)
{
	char client[256];

	snprintf(client, sizeof(client), "-c 10.0.0.2 -a 10.0.0.1 -T 30 -P hello %s",
		 transfers[_i]);
	both("-s -a 10.0.0.2 -T 30 -P welcome", client);
	PRINTED(2, " transfer op=");
	PRINTED(2, "verify=ok");
	PRINTED(1, "connect-request peer=10.0.0.1:");
	PRINTED(2, "private=\"hello\"");
	PRINTED(1, "private=\"welcome\"");
	PRINTED(1, "listening addr=10.0.0.2 port=18515");
	PRINTED(1, "indication reason=graceful count=1");
	PRINTED(2, "disconnect-completed status=SUCCESS");
	PRINTED(2, " failed=0");
	PRINTED(2, " done");
	PRINTED(strstr(transfers[_i], "lat") ? 1 : 0, " latency size=");
}
END_TEST

START_TEST(ipv6_and_two_connections)
{
	static struct run s, c, d;

	start_server(&s, "-s -a fd00::2 -p 7 -n 2 -T 30");
	start(&c, "-c fd00::2 -p 7 -a fd00::1 -T 30");
	ck_assert_int_eq(finish_run(&c), 0);
	start(&d, "-c fd00::2 -p 7 -a fd00::1 -m read -T 30");
	ck_assert_int_eq(finish_run(&d), 0);
	ck_assert_int_eq(finish_run(&s), 0);
	PRINTED(2, "connected local=[fd00::2]:7 peer=[fd00::1]:");
	PRINTED(2, "op=read");
	PRINTED(4, "verify=ok");
}
END_TEST

/* A's Disconnect stays pending until B, which holds back, has called its own */
START_TEST(client_first_server_holds)
{
	static struct run s, c;
	char file[] = "/tmp/nd_hold.XXXXXX", args[128];
	int fd = mkstemp(file);

	ck_assert_int_ge(fd, 0);
	close(fd);
	unlink(file);
	snprintf(args, sizeof(args), "-s -a 10.0.0.2 -T 30 -H %s", file);
	start_server(&s, args);
	start(&c, "-c 10.0.0.2 -a 10.0.0.1 -T 30 -L");
	wait_printed("disconnect-pending");
	PRINTED(1, "indication reason=graceful count=1");
	PRINTED(1, "disconnect-called");
	PRINTED(0, "disconnect-completed");
	fd = open(file, O_CREAT | O_RDWR, 0600);
	ck_assert_int_ge(fd, 0);
	close(fd);
	ck_assert_int_eq(finish_run(&c), 0);
	ck_assert_int_eq(finish_run(&s), 0);
	unlink(file);
	PRINTED(2, "disconnect-called");
	PRINTED(1, "disconnect-pending");
	PRINTED(2, "disconnect-completed status=SUCCESS");
	PRINTED(1, "late-post op=send posted=SUCCESS completed=CANCELLED");
	PRINTED(1, "late-post op=receive posted=SUCCESS completed=CANCELLED");
	order("disconnect-called", "indication");
	order("late-post", "outstanding");
}
END_TEST

static const struct {
	const char *server;
	const char *client;
	unsigned indications;	/* 2: at most so many, they may cross */
} ends[] = {
	{ "", "-D client", 1 },
	{ "", "-D server", 1 },
	{ "-D server", "", 1 },
	{ "-D both", "", 2 },
	{ "", "-D hold=1", 1 },
};

START_TEST(who_disconnects)
{
	char server[128], client[128];
	unsigned seen;

	snprintf(server, sizeof(server), "-s -a 10.0.0.2 -T 30 %s",
		 ends[_i].server);
	snprintf(client, sizeof(client), "-c 10.0.0.2 -a 10.0.0.1 -T 30 %s",
		 ends[_i].client);
	both(server, client);
	PRINTED(2, "disconnect-completed status=SUCCESS");
	seen = times("indication reason=graceful");
	ck_assert_uint_le(seen, ends[_i].indications);
	ck_assert(ends[_i].indications == 2 || seen == 1);
}
END_TEST

/* The server's device dies in mid-transfer */
START_TEST(peer_lost)
{
	static struct run s, c;

	start_server(&s, "-s -a 10.0.0.2 -T 30");
	start(&c, "-c 10.0.0.2 -a 10.0.0.1 -T 30 -K -S 4K");
	wait_printed("transferring op=write");
	fake_lose_device(1);
	ck_assert_int_eq(finish_run(&c), 3);
	ck_assert_int_eq(finish_run(&s), 3);
	PRINTED(1, "indication reason=peer-gone count=1");
	PRINTED(1, "indication reason=device-reset count=1");
	PRINTED(0, "status=SUCCESS");
	PRINTED(2, "disconnect-completed status=");
	PRINTED(2, "outstanding posted=");
	PRINTED(0, " done");
}
END_TEST

START_TEST(keep_until_told)
{
	static struct run s, c;

	start_server(&s, "-s -a 10.0.0.2 -T 30");
	start(&c, "-c 10.0.0.2 -a 10.0.0.1 -T 30 -K -S 4K");
	wait_printed("transferring op=write");
	raise(SIGTERM);
	ck_assert_int_eq(finish_run(&c), 0);
	ck_assert_int_eq(finish_run(&s), 0);
	PRINTED(2, "verify=ok");
	PRINTED(2, "disconnect-completed status=SUCCESS");
}
END_TEST

/* The checking must be able to fail: bytes go wrong behind the program's back */
START_TEST(wrong_contents_are_seen)
{
	static struct run s, c;

	fake_spoil = true;
	start_server(&s, "-s -a 10.0.0.2 -T 30");
	start(&c, "-c 10.0.0.2 -a 10.0.0.1 -T 30 -m write -S 1000 -C 1");
	ck_assert_int_eq(finish_run(&c), 1);
	ck_assert_int_eq(finish_run(&s), 1);
	PRINTED(2, "verify=FAILED");
}
END_TEST

START_TEST(nobody_listens)
{
	static struct run c;

	start(&c, "-c 10.0.0.2 -a 10.0.0.1 -T 30");
	ck_assert_int_eq(finish_run(&c), 1);
	PRINTED(1, "error what=\"Connect\" status=CONNECTION_REFUSED");
}
END_TEST

START_TEST(nobody_comes)
{
	static struct run s;

	start(&s, "-s -T 1");
	ck_assert_int_eq(finish_run(&s), 1);
	PRINTED(1, "error what=\"wait for a connection\" status=TIMEOUT");
}
END_TEST

static const char *const wrong[] = {
	"", "-s -c 10.0.0.1", "-c nowhere", "-s -S 5X", "-s -S -1", "-s -q 0",
	"-s -q 257", "-s -m dance", "-s -t x", "-s -w x", "-s -D me",
	"-s -D hold=x", "-s -p 65536", "-s -C 0", "-s -Z", "-s more", "-s -T 0",
};

START_TEST(wrong_options)
{
	static struct run r;

	start(&r, wrong[_i]);
	ck_assert_int_eq(finish_run(&r), 2);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("ndspi_ping");
	TCase *t = tcase_create("ping");
	SRunner *r;
	int failed;

	tcase_set_timeout(t, 100);
	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_loop_test(t, transfer_kinds, 0,
			    fake_real ? FEW : sizeof(transfers) /
						      sizeof(transfers[0]));
	tcase_add_test(t, ipv6_and_two_connections);
	tcase_add_test(t, client_first_server_holds);
	tcase_add_loop_test(t, who_disconnects, 0,
			    sizeof(ends) / sizeof(ends[0]));
	tcase_add_test(t, peer_lost);
	tcase_add_test(t, keep_until_told);
	tcase_add_test(t, nobody_listens);
	tcase_add_test(t, nobody_comes);
	if (!fake_real) { /* the device does wrong, or is not there */
		tcase_add_test(t, wrong_contents_are_seen);
		tcase_add_loop_test(t, wrong_options, 0,
				    sizeof(wrong) / sizeof(wrong[0]));
	}
	suite_add_tcase(s, t);
	r = srunner_create(s);
	srunner_run_all(r, CK_ENV);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed != 0;
}
