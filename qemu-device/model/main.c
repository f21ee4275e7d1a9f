/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * main.c - vrdmad: options, start, end
 *
 * DOC: Stays in the foreground and follows the conventions of QEMU's
 * vhost-user back ends.  A mistake of the operator is one line on standard
 * error and exit status 1; after "ready", nothing that a guest or a front end
 * does ends the process.
 */
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "be_control.h"
#include "connector.h"
#include "fabric.h"
#include "guest.h"
#include "loop.h"
#include "session.h"

#ifndef VRDMAD_VERSION
#define VRDMAD_VERSION "unknown"
#endif

/* Per guest: 256 queues with kick, call and error descriptors, and more */
#define FDS_WANTED	 65536
#define DEFAULT_ADDRESS	 "10.0.0.1"
/* How long consumers may take to act on the end of vrdmad */
#define FAREWELL_MS	 1000
#define FAREWELL_STEP_MS 5
/* How long a fabric may take to give back memory, at the end */
#define FABRIC_ROUNDS	 100
#define FABRIC_ROUND_MS	 100

struct options {
	bool check_only;
	int fd;	     /* --fd, or -1 */
	bool single; /* a guest given by options */
};

struct daemon {
	struct model model;
	struct port *port[CONF_MAX_GUESTS];
	sigset_t signals;
	int signal_fd;
	struct loop_timer farewell;
	uint64_t farewell_end_ns; /* 0: no signal came yet */
};

static void __attribute__((noreturn, format(printf, 1, 2)))
die(const char *fmt, ...)
{
	va_list ap;

	fputs("vrdmad: error: ", stderr);
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputc('\n', stderr);
	exit(EXIT_FAILURE);
}

/* --------------------------------------------------------------------- help */

/* clang-format off */
static void help(void)
{
	printf(
"vrdmad - device model of virtio RDMA devices, for QEMU's vhost-user-rdma-pci\n"
"\n"
"Usage: vrdmad --config FILE [--check-config]\n"
"       vrdmad --socket-path PATH [--address ADDR]... [-o KEY=VALUE]...\n"
"\n"
"  -c, --config FILE        serve the guests that FILE describes\n"
"      --check-config       only say whether the configuration is good\n"
"  -s, --socket-path PATH   serve one guest; QEMU's chardev connects to PATH\n"
"  -f, --fd N               the same on an inherited socket, listening or connected\n"
"  -a, --address ADDR       an RDMA address of that guest (default %s)\n"
"  -o KEY=VALUE             any key below, for that guest or for vrdmad\n"
"  -v                       log more (as log-level = debug)\n"
"      --print-capabilities print a JSON description and exit\n"
"  -V, --version            print the version and exit\n"
"  -h, --help               print this and exit\n"
"\n"
"Guests of one vrdmad reach each other directly, memory to memory, so put only\n"
"guests together that may share a process.  It stays in the foreground; SIGTERM\n"
"or SIGINT end it and remove its sockets: connections end with the reason\n"
"\"administrator\", and their consumers have a second to disconnect.\n"
"\n"
"A configuration file:\n"
"\n"
"  [vrdmad]\n"
"  poll-us = 50\n"
"  [guest web]\n"
"  socket = /run/vrdma/web.sock\n"
"  address = 10.0.0.1, fd00::1\n"
"  [guest db]\n"
"  socket = /run/vrdma/db.sock\n"
"  address = 10.0.0.2\n"
"\n"
"QEMU, for one of them (its memory must be a memfd that is shared):\n"
"\n"
"  -object memory-backend-memfd,id=m,size=1G,share=on -machine q35,memory-backend=m\n"
"  -chardev socket,id=r,path=/run/vrdma/web.sock,reconnect-ms=500\n"
"  -device vhost-user-rdma-pci,chardev=r\n"
"\n"
"Keys, with default and range:\n"
"\n", DEFAULT_ADDRESS);
	conf_print_keys();
}
/* clang-format on */

static void __attribute__((noreturn)) finish(void)
{
	exit(fflush(stdout) || ferror(stdout) ? EXIT_FAILURE : EXIT_SUCCESS);
}

/* ------------------------------------------------------------------ options */

enum { OPT_CHECK = 256, OPT_CAPABILITIES };

static const struct option long_options[] = {
	{"config", required_argument, NULL, 'c'},
	{"check-config", no_argument, NULL, OPT_CHECK},
	{"socket-path", required_argument, NULL, 's'},
	{"fd", required_argument, NULL, 'f'},
	{"address", required_argument, NULL, 'a'},
	{"print-capabilities", no_argument, NULL, OPT_CAPABILITIES},
	{"version", no_argument, NULL, 'V'},
	{"help", no_argument, NULL, 'h'},
	{NULL, 0, NULL, 0},
};

/* The guest that options describe, made by the first of them */
static struct guest_conf *single_guest(struct conf *c, struct options *o)
{
	struct guest_conf *g = &c->guest[0];

	if (!o->single) {
		o->single = true;
		c->guest_count = 1;
		guest_conf_defaults(g);
		strcpy(g->name, "vm0");
	}
	return g;
}

static void set_option(struct conf *c, struct guest_conf *g, const char *key,
		       const char *value)
{
	char err[CONF_ERR_LEN];

	if (conf_set(c, g, key, value, err))
		die("%s", err);
}

/* A key is either vrdmad's or a guest's; -o takes both */
static void set_pair(struct conf *c, struct options *o, const char *pair)
{
	char key[64], err[CONF_ERR_LEN];
	const char *eq = strchr(pair, '=');

	if (!eq || eq == pair || (size_t)(eq - pair) >= sizeof(key))
		die("-o %s: give KEY=VALUE; vrdmad -h lists the keys", pair);
	memcpy(key, pair, (size_t)(eq - pair));
	key[eq - pair] = '\0';
	if (conf_key_is_global(key)) {
		if (conf_set(c, NULL, key, eq + 1, err))
			die("-o %s", err);
	} else if (conf_set(c, single_guest(c, o), key, eq + 1, err)) {
		die("-o %s", err);
	}
}

static int parse_fd(const char *text)
{
	char *end;
	long v;

	errno = 0;
	v = strtol(text, &end, 10);
	if (errno || end == text || *end || v < 0 || v > 1 << 20)
		die("--fd %s: give the number of an inherited socket", text);
	return (int)v;
}

static void parse_options(int argc, char **argv, struct conf *c,
			  struct options *o)
{
	const char *config = NULL;
	char err[CONF_ERR_LEN];
	bool verbose = false;
	const char *arg;
	int opt;

	opterr = 0;
	while ((opt = getopt_long(argc, argv, ":c:s:f:a:o:vVh", long_options,
				  NULL)) != -1) {
		arg = optarg ? optarg : "";
		switch (opt) {
		case 'c':
			if (config)
				die("--config %s: given twice; join the files",
				    arg);
			config = arg;
			break;
		case 's':
			set_option(c, single_guest(c, o), "socket", arg);
			break;
		case 'f':
			single_guest(c, o);
			o->fd = parse_fd(arg);
			break;
		case 'a':
			set_option(c, single_guest(c, o), "address", arg);
			break;
		case 'o':
			set_pair(c, o, arg);
			break;
		case 'v':
			verbose = true;
			break;
		case OPT_CHECK:
			o->check_only = true;
			break;
		case OPT_CAPABILITIES:
			printf("{\n  \"type\": \"rdma\",\n  \"features\": "
			       "[]\n}\n");
			finish();
		case 'V':
			printf("vrdmad %s, device interface %d\n",
			       VRDMAD_VERSION, VIRTIO_RDMA_ABI_VERSION);
			finish();
		case 'h':
			help();
			finish();
		case ':':
			die("%s: needs a value; see vrdmad -h",
			    argv[optind - 1]);
		default:
			die("%s: no such option, or a value it does not take; "
			    "see "
			    "vrdmad -h",
			    argv[optind - 1]);
		}
	}
	if (optind < argc)
		die("'%s': no such argument; see vrdmad -h", argv[optind]);
	if (config && o->single)
		die("--config goes without --socket-path, --fd, --address and "
		    "guest "
		    "keys of -o; put them into %s",
		    config);
	if (config && conf_read(c, config, err))
		die("%s", err);
	if (verbose)
		c->log_level = VL_DEBUG;
}

static void check_options(struct conf *c, const struct options *o)
{
	char err[CONF_ERR_LEN];

	if (!c->guest_count)
		die("no guest: give --config FILE or --socket-path PATH; see "
		    "vrdmad -h");
	if (o->single && c->guest[0].naddr == 0)
		set_option(c, &c->guest[0], "address", DEFAULT_ADDRESS);
	if (o->single && (o->fd >= 0) == (c->guest[0].socket[0] != '\0'))
		die("give one of --socket-path PATH and --fd N");
	for (uint32_t i = 0; i < c->guest_count; i++)
		if (o->fd < 0 && !c->guest[i].socket[0])
			die("guest %s has no socket; add a line like 'socket = "
			    "/run/vrdma/%s.sock'",
			    c->guest[i].name, c->guest[i].name);
	if (conf_check(c, err))
		die("%s", err);
}

/* -------------------------------------------------------------------- start */

static void raise_fd_limit(void)
{
	struct rlimit r;

	if (getrlimit(RLIMIT_NOFILE, &r) || r.rlim_cur >= FDS_WANTED)
		return;
	r.rlim_cur = r.rlim_max < FDS_WANTED ? r.rlim_max : FDS_WANTED;
	if (setrlimit(RLIMIT_NOFILE, &r))
		vlog(VL_WARN, "cannot raise the limit of open files: %s",
		     strerror(errno));
}

/* ----------------------------------------------------------------- farewell
 * Every connection is ended with reason ADMINISTRATOR while the guests can
 * still hear it: without this they would only see a device that is gone.  Then
 * their consumers get a moment to disconnect, which ends at once where none has
 * to.
 */
static void wait_for_consumers(void *arg)
{
	struct daemon *d = arg;
	bool waiting = false;

	for (uint32_t i = 0; i < d->model.guest_count; i++)
		waiting =
			waiting || connector_shut_down_waits(d->model.guest[i]);
	if (waiting && loop_now_ns() < d->farewell_end_ns)
		loop_timer_set_ms(d->model.loop, &d->farewell,
				  FAREWELL_STEP_MS);
	else
		loop_stop(d->model.loop);
}

static void say_farewell(struct daemon *d)
{
	d->farewell_end_ns = loop_now_ns() + FAREWELL_MS * 1000000ull;
	for (uint32_t i = 0; i < d->model.guest_count; i++)
		connector_shut_down(d->model.guest[i]);
	loop_timer_init(&d->farewell, wait_for_consumers, d);
	wait_for_consumers(d);
}

/* A second signal cuts the farewell short */
static void on_signal(void *arg, int fd, uint32_t events)
{
	struct daemon *d = arg;
	struct signalfd_siginfo si = {0};

	(void)events;
	if (read(fd, &si, sizeof(si)) != (ssize_t)sizeof(si))
		return;
	vlog(VL_INFO, "ending: signal %u", si.ssi_signo);
	if (d->farewell_end_ns)
		loop_stop(d->model.loop);
	else
		say_farewell(d);
}

/* Before the workers start, so that their threads inherit the mask */
static void block_signals(struct daemon *d)
{
	sigemptyset(&d->signals);
	sigaddset(&d->signals, SIGTERM);
	sigaddset(&d->signals, SIGINT);
	pthread_sigmask(SIG_BLOCK, &d->signals, NULL);
	signal(SIGPIPE, SIG_IGN);
}

static void start_workers(struct model *m)
{
	const struct worker_conf wc = {.poll_us = m->conf->poll_us};

	while (m->worker_count < m->conf->workers) {
		int ret = worker_start(&wc, m->loop,
				       &m->worker[m->worker_count]);

		if (ret)
			die("cannot start worker %" PRIu32 " of %" PRIu32 ": %s",
			    m->worker_count + 1, m->conf->workers,
			    strerror(-ret));
		m->worker_count++;
	}
}

static void start_model(struct daemon *d, struct conf *c)
{
	struct model *m = &d->model;
	char err[CONF_ERR_LEN];
	int ret;

	m->conf = c;
	ret = loop_create(&m->loop);
	if (ret)
		die("cannot start the event loop: %s", strerror(-ret));
	loop_set_spin(m->loop, c->poll_us);
	d->signal_fd = signalfd(-1, &d->signals, SFD_CLOEXEC | SFD_NONBLOCK);
	if (d->signal_fd < 0 ||
	    loop_add(m->loop, d->signal_fd, EPOLLIN, on_signal, d))
		die("cannot watch signals: %s", strerror(errno));
	start_workers(m);
	be_control_set_loop(m->loop);
	if (fabric_start_all(m, err))
		die("%s", err);
}

static void start_guest(struct daemon *d, struct guest_conf *conf)
{
	struct model *m = &d->model;
	int ret;

	fabric_cap(m, conf);
	ret = guest_create(m, conf, &m->guest[m->guest_count]);
	if (ret)
		die("guest %s: cannot set up its tables: %s; lower its limits",
		    conf->name, strerror(-ret));
	m->guest_count++;
}

static void front_end_gone(void *arg)
{
	loop_stop(arg);
}

static void close_ports(struct daemon *d);

static void open_port(struct daemon *d, uint32_t i, const struct options *o)
{
	struct guest *g = d->model.guest[i];
	char err[SESSION_ERR_LEN];
	int ret;

	if (o->fd >= 0)
		ret = port_adopt(g, d->model.loop, o->fd, front_end_gone,
				 d->model.loop, &d->port[i], err);
	else
		ret = port_listen(g, d->model.loop, g->conf->socket,
				  &d->port[i], err);
	if (ret) {
		close_ports(d); /* leave no socket behind */
		die("guest %s: %s", g->name, err);
	}
	printf("ready %s %s\n", g->name, o->fd >= 0 ? "fd" : g->conf->socket);
	fflush(stdout);
}

/* ---------------------------------------------------------------------- end */

static void close_ports(struct daemon *d)
{
	for (uint32_t i = 0; i < CONF_MAX_GUESTS; i++) {
		if (d->port[i])
			port_close(d->port[i]);
		d->port[i] = NULL;
	}
}

/* What the workers posted last, and what that posts: structures to be freed */
static void run_out(struct loop *l)
{
	for (int i = 0; i < 8; i++)
		loop_run_once(l, 0);
}

/* Registered memory is given back before the guests that it is of are freed,
 * and wires have taken down what these had */
static void wait_for_fabrics(struct model *m)
{
	for (int i = 0; i < FABRIC_ROUNDS && fabric_is_busy(m); i++)
		loop_run_once(m->loop, FABRIC_ROUND_MS);
	if (fabric_is_busy(m))
		vlog(VL_ERROR, "the host's device has not given everything back; "
		     "%u memory regions are with it", m->pending);
	run_out(m->loop);
}

static void no_call(void *arg)
{
	(void)arg;
}

static void stop_model(struct daemon *d)
{
	struct model *m = &d->model;

	close_ports(d);
	for (uint32_t i = 0; i < m->guest_count; i++)
		guest_reset(m->guest[i]);
	for (uint32_t i = 0; i < m->worker_count; i++)
		worker_call(m->worker[i], no_call, NULL);
	run_out(m->loop);
	wait_for_fabrics(m);
	for (uint32_t i = 0; i < m->guest_count; i++)
		guest_destroy(m->guest[i]);
	m->guest_count = 0;
	fabric_stop_all(m);
	for (uint32_t i = 0; i < m->worker_count; i++)
		worker_stop(m->worker[i]);
	run_out(m->loop);
	if (d->farewell_end_ns)
		loop_timer_cancel(m->loop, &d->farewell);
	loop_del(m->loop, d->signal_fd);
	close(d->signal_fd);
	loop_destroy(m->loop);
}

int main(int argc, char **argv)
{
	static struct conf conf;
	static struct daemon d;
	struct options o = {.fd = -1};
	int ret;

	conf_defaults(&conf);
	parse_options(argc, argv, &conf, &o);
	check_options(&conf, &o);
	if (o.check_only) {
		printf("configuration is good: %" PRIu32 " guest%s\n",
		       conf.guest_count, conf.guest_count == 1 ? "" : "s");
		finish();
	}
	vlog_set_level(conf.log_level);
	raise_fd_limit();
	block_signals(&d);
	start_model(&d, &conf);
	for (uint32_t i = 0; i < conf.guest_count; i++)
		start_guest(&d, &conf.guest[i]);
	for (uint32_t i = 0; i < conf.guest_count; i++)
		open_port(&d, i, &o);
	ret = loop_run(d.model.loop);
	if (ret)
		vlog(VL_ERROR, "event loop: %s", strerror(-ret));
	stop_model(&d);
	return ret ? EXIT_FAILURE : EXIT_SUCCESS;
}
