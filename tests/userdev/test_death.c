// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * test_death.c - the end of a process: files closed in any state, calls that are
 * killed as they wait for the device; and what may fail meanwhile: allocations, the
 * device
 *
 * System calls as they are.  The teardown asks for every object, page and block.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/mman.h>

#include "fixture.h"
#include "transport.h"
#include "userdev.h"
#include "vrdma_uapi.h"

#define PAGE 4096u

static uint32_t call(int fd, unsigned long code, void *arg)
{
	ck_assert_int_eq(userdev_ioctl(fd, code, arg), 0);
	return *(uint32_t *)arg;
}
#define CALL(fd, code, arg) call(fd, VRDMA_IOC_##code, &(arg))
#define OK(fd, code, arg)   ck_assert_uint_eq(CALL(fd, code, arg), 0)
#define SAYS(fd, code, arg, status) \
	ck_assert_uint_eq(CALL(fd, code, arg), (uint32_t)(status))

static struct vrdma_uapi_open info; /* of the newest file */

static int open_file(unsigned device)
{
	char path[32];
	int fd;

	snprintf(path, sizeof(path), VRDMA_DEVICE_PATTERN, device);
	fd = userdev_open(path, O_RDWR | O_NONBLOCK);
	ck_assert_int_ge(fd, 0);
	return fd;
}

static int open_device(unsigned device)
{
	int fd = open_file(device);

	info = (struct vrdma_uapi_open){ .version = VRDMA_UAPI_VERSION };
	OK(fd, OPEN, info);
	return fd;
}

static bool maps(int fd, uint64_t offset, uint64_t size)
{
	void *p = userdev_mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED,
			       fd, (off_t)offset);

	if (p != MAP_FAILED)
		munmap(p, size);
	return p != MAP_FAILED;
}

static bool maps_at_all(int fd, uint64_t offset)
{
	for (uint64_t size = PAGE; size <= 8 * PAGE; size += PAGE)
		if (maps(fd, offset, size))
			return true;
	return false;
}

/* --- objects ---------------------------------------------------------------------- */

static struct vrdma_uapi_create_cq make_cq(int fd)
{
	struct vrdma_uapi_create_cq c = { .depth = 16 };

	OK(fd, CREATE_CQ, c);
	return c;
}

static struct vrdma_uapi_create_srq make_srq(int fd, uint32_t threshold)
{
	struct vrdma_uapi_create_srq s = { .depth = 8, .max_sge = 1,
					   .threshold = threshold };

	OK(fd, CREATE_SRQ, s);
	return s;
}

static uint32_t make_qp(int fd, uint32_t cq)
{
	struct vrdma_uapi_create_qp q = {
		.recv_cq = cq, .send_cq = cq, .recv_depth = 4, .send_depth = 4,
		.max_recv_sge = 1, .max_send_sge = 1,
	};

	OK(fd, CREATE_QP, q);
	return q.id;
}

static uint32_t make(int fd, unsigned long code)
{
	struct vrdma_uapi_create a = { 0 };

	ck_assert_uint_eq(call(fd, code, &a), 0);
	return a.id;
}

/* --- two ends ---------------------------------------------------------------------- */

enum request { /* their overlapped values */
	CONNECT = 1, COMPLETE, ACCEPT, ASK, TOLD, DISCONNECT, QUEUE, REGION,
	REQUESTS
};

struct end {
	int fd;
	uint32_t cq, qp, conn, listener;
	struct vrdma_uapi_sockaddr at;
	uint32_t status[REQUESTS]; /* STATUS_PENDING: no event yet */
};

static void end_open(struct end *e, unsigned device)
{
	*e = (struct end){ .fd = open_device(device), .at = info.address[0] };
	e->cq = make_cq(e->fd).id;
	e->qp = make_qp(e->fd, e->cq);
	e->conn = make(e->fd, VRDMA_IOC_CREATE_CONNECTOR);
	for (int i = 0; i < REQUESTS; i++)
		e->status[i] = STATUS_PENDING;
}

/* How it ended, within bounds */
static uint32_t ended(struct end *e, enum request what)
{
	struct pollfd p = { .fd = e->fd, .events = POLLIN };
	struct vrdma_uapi_event ev;

	while (e->status[what] == STATUS_PENDING) {
		ck_assert_int_eq(poll(&p, 1, TEST_TIMEOUT_MS), 1);
		ck_assert_int_eq(userdev_read(e->fd, &ev, sizeof(ev)),
				 sizeof(ev));
		ck_assert_uint_lt(ev.overlapped, REQUESTS);
		e->status[ev.overlapped] = ev.status;
	}
	return e->status[what];
}

static void begin(struct end *e, unsigned long code, uint32_t id,
		  enum request what)
{
	struct vrdma_uapi_request r = { .id = id, .overlapped = what };

	ck_assert_uint_eq(call(e->fd, code, &r), (uint32_t)STATUS_PENDING);
}

static void listen_up(struct end *s)
{
	struct vrdma_uapi_bind b = { .addr = s->at };

	s->listener = b.id = make(s->fd, VRDMA_IOC_CREATE_LISTENER);
	OK(s->fd, BIND, b);
	OK(s->fd, LISTEN, b);
	s->at = b.addr;
}

static void ask(struct end *s)
{
	struct vrdma_uapi_get_request g = { .listener = s->listener,
					    .connector = s->conn,
					    .overlapped = ASK };

	SAYS(s->fd, GET_REQUEST, g, STATUS_PENDING);
}

static void connect_to(struct end *c, const struct end *s)
{
	struct vrdma_uapi_connect a = { .id = c->conn, .qp = c->qp,
					.addr = s->at, .overlapped = CONNECT };

	SAYS(c->fd, CONNECT, a, STATUS_PENDING);
}

static void accept_it(struct end *s)
{
	struct vrdma_uapi_connect a = { .id = s->conn, .qp = s->qp,
					.overlapped = ACCEPT };

	SAYS(s->fd, ACCEPT, a, STATUS_PENDING);
}

/* How far two ends come before one of them is closed */
enum stage {
	LISTENING, ASKING, CONNECTING, ASKED, ACCEPTING, COMPLETING, CONNECTED,
	WAITING, PARTING, STAGES
};

static void advance(struct end *c, struct end *s, enum stage to)
{
	switch (to) {
	case LISTENING:
		listen_up(s);
		break;
	case ASKING:
		ask(s);
		break;
	case CONNECTING:
		connect_to(c, s);
		break;
	case ASKED:
		ck_assert_uint_eq(ended(s, ASK), 0);
		break;
	case ACCEPTING:
		accept_it(s);
		break;
	case COMPLETING:
		ck_assert_uint_eq(ended(c, CONNECT), 0);
		begin(c, VRDMA_IOC_COMPLETE_CONNECT, c->conn, COMPLETE);
		break;
	case CONNECTED:
		ck_assert_uint_eq(ended(c, COMPLETE), 0);
		ck_assert_uint_eq(ended(s, ACCEPT), 0);
		break;
	case WAITING:
		begin(c, VRDMA_IOC_NOTIFY_DISCONNECT, c->conn, TOLD);
		begin(s, VRDMA_IOC_NOTIFY_DISCONNECT, s->conn, TOLD);
		begin(c, VRDMA_IOC_CQ_NOTIFY, c->cq, QUEUE);
		break;
	default:
		begin(c, VRDMA_IOC_DISCONNECT, c->conn, DISCONNECT);
	}
}

static void both(struct end *c, struct end *s, enum stage to)
{
	end_open(c, 0);
	end_open(s, 1);
	for (int i = 0; i <= (int)to; i++)
		advance(c, s, i);
}

/* --- files that are closed ----------------------------------------------------------- */

/* What the other end sees, if it had begun anything with the one that is gone */
static void survives(struct end *e, bool client, enum stage stage)
{
	if (client && stage >= CONNECTING && stage <= ACCEPTING) {
		/* it may have been answered just before */
		ck_assert_uint_ne(ended(e, CONNECT), (uint32_t)STATUS_PENDING);
	} else if (!client && stage >= ACCEPTING && stage <= COMPLETING) {
		ck_assert_uint_ne(ended(e, ACCEPT), (uint32_t)STATUS_PENDING);
	} else if (stage == CONNECTED) {
		begin(e, VRDMA_IOC_DISCONNECT, e->conn, DISCONNECT);
		ended(e, DISCONNECT);
	} else if (stage == WAITING) {
		ck_assert_uint_eq(ended(e, TOLD), 0);
	} else if (stage == PARTING && client) {
		ck_assert_uint_eq(ended(e, DISCONNECT), 0);
	} else if (stage == PARTING) {
		ck_assert_uint_eq(ended(e, TOLD), 0);
		begin(e, VRDMA_IOC_DISCONNECT, e->conn, DISCONNECT);
		ended(e, DISCONNECT);
	}
}

static void end_in_peace(void)
{
	struct end c, s;

	both(&c, &s, PARTING);
	ck_assert_uint_eq(ended(&s, TOLD), 0);
	begin(&s, VRDMA_IOC_DISCONNECT, s.conn, DISCONNECT);
	ck_assert_uint_eq(ended(&s, DISCONNECT), 0);
	ck_assert_uint_eq(ended(&c, DISCONNECT), 0);
	userdev_close(c.fd);
	userdev_close(s.fd);
}

START_TEST(closed_in_any_state)
{
	enum stage stage = (enum stage)_i;
	struct end c, s;

	for (int client = 0; client < 2; client++) {
		both(&c, &s, stage);
		userdev_close(client ? s.fd : c.fd);
		survives(client ? &c : &s, client, stage);
		userdev_close(client ? c.fd : s.fd);
	}
	/* both at once */
	both(&c, &s, stage);
	userdev_close(c.fd);
	userdev_close(s.fd);
	end_in_peace();
}
END_TEST

static void *pages(size_t n)
{
	void *p = mmap(NULL, n * PAGE, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	ck_assert_ptr_ne(p, MAP_FAILED);
	return p;
}

static uint32_t start_register(int fd, uint32_t id, const void *at, size_t n)
{
	struct vrdma_uapi_register r = { .id = id, .address = (uintptr_t)at,
					 .length = n * PAGE, .flags = 7,
					 .overlapped = REGION };

	return CALL(fd, REGISTER, r);
}

/* A region that is registered, one that is being, and one that is given back */
START_TEST(closed_with_regions)
{
	struct end e;
	char *p = pages(12);
	uint32_t id[3];

	end_open(&e, 0);
	for (int i = 0; i < 3; i++) {
		id[i] = make(e.fd, VRDMA_IOC_CREATE_MR);
		ck_assert_uint_eq(start_register(e.fd, id[i],
						 p + i * 4 * PAGE, 4),
				  (uint32_t)STATUS_PENDING);
		e.status[REGION] = STATUS_PENDING;
		if (i < 2)
			ck_assert_uint_eq(ended(&e, REGION), 0);
	}
	begin(&e, VRDMA_IOC_DEREGISTER, id[0], REGION);
	userdev_close(e.fd);
	munmap(p, 12 * PAGE);
}
END_TEST

struct neighbour {
	volatile uint64_t count;
	atomic_bool stop;
	uint64_t stored;
};

static void *store(void *arg)
{
	struct neighbour *n = arg;

	while (!atomic_load(&n->stop))
		n->count = ++n->stored;
	return NULL;
}

/* What lies beside a region in its page goes on being the process' */
START_TEST(a_page_is_shared)
{
	struct neighbour *n = pages(1);
	pthread_t thread;
	struct end e;
	uint32_t id;

	end_open(&e, 0);
	id = make(e.fd, VRDMA_IOC_CREATE_MR);
	pthread_create(&thread, NULL, store, n);
	for (int i = 0; i < 100; i++) {
		start_register(e.fd, id, n, 1);
		e.status[REGION] = STATUS_PENDING;
		ck_assert_uint_eq(ended(&e, REGION), 0);
		begin(&e, VRDMA_IOC_DEREGISTER, id, REGION);
		e.status[REGION] = STATUS_PENDING;
		ck_assert_uint_eq(ended(&e, REGION), 0);
	}
	atomic_store(&n->stop, true);
	pthread_join(thread, NULL);
	ck_assert_uint_eq(n->count, n->stored);
	ck_assert_uint_gt(n->count, 100);
	userdev_close(e.fd);
	munmap(n, PAGE);
}
END_TEST

/* --- calls that are killed ------------------------------------------------------------ */

static void freeze(bool on)
{
	kill(test_backend()->daemon(0)->pid, on ? SIGSTOP : SIGCONT);
}

struct doomed {
	pthread_t thread;
	struct task_struct *process;
	const struct row *row;
	int fd;
	uint32_t cq, srq;
	uint32_t status;
	int ret;
};

/* What waits in the call for the device, and may be killed: OPEN may not */
static void do_cq(struct doomed *d)
{
	struct vrdma_uapi_create_cq c = { .depth = 16 };

	d->status = CALL(d->fd, CREATE_CQ, c);
}

static void do_qp(struct doomed *d)
{
	struct vrdma_uapi_create_qp q = {
		.recv_cq = d->cq, .send_cq = d->cq, .recv_depth = 4,
		.send_depth = 4, .max_recv_sge = 1, .max_send_sge = 1,
	};

	d->status = CALL(d->fd, CREATE_QP, q);
}

static void do_srq(struct doomed *d)
{
	struct vrdma_uapi_create_srq s = { .depth = 8, .max_sge = 1 };

	d->status = CALL(d->fd, CREATE_SRQ, s);
}

static void do_mw(struct doomed *d)
{
	struct vrdma_uapi_create_mw w = { 0 };

	d->status = CALL(d->fd, CREATE_MW, w);
}

static void do_listen(struct doomed *d)
{
	struct vrdma_uapi_bind b = { .addr = info.address[0] };

	b.id = make(d->fd, VRDMA_IOC_CREATE_LISTENER);
	OK(d->fd, BIND, b);
	d->status = CALL(d->fd, LISTEN, b);
}

static void do_resize(struct doomed *d)
{
	struct vrdma_uapi_resize_cq z = { .id = d->cq, .depth = 64 };

	d->status = CALL(d->fd, RESIZE_CQ, z);
}

static void do_modify(struct doomed *d)
{
	struct vrdma_uapi_modify_srq m = { .id = d->srq, .depth = 64 };

	d->status = CALL(d->fd, MODIFY_SRQ, m);
}

static const struct row {
	const char *name;
	void (*run)(struct doomed *d);
} rows[] = {
	{ "CREATE_CQ", do_cq },	  { "CREATE_QP", do_qp },
	{ "CREATE_SRQ", do_srq }, { "CREATE_MW", do_mw },
	{ "LISTEN", do_listen },  { "RESIZE_CQ", do_resize },
	{ "MODIFY_SRQ", do_modify },
};
#define ROWS (sizeof(rows) / sizeof(rows[0]))

static void *run_doomed(void *arg)
{
	struct doomed *d = arg;

	userdev_enter(d->process);
	d->row->run(d);
	return NULL;
}

/* Killed in the call, and the device still says nothing */
static void die_in(struct doomed *d, void (*run)(struct doomed *d))
{
	for (d->row = rows; d->row->run != run; d->row++)
		;
	d->process = userdev_process(0);
	freeze(true);
	ck_assert(!pthread_create(&d->thread, NULL, run_doomed, d));
	ck_assert_msg(userdev_wait_sleepers(d->process, 1),
		      "%s does not wait for the device", d->row->name);
	userdev_kill(d->process);
	pthread_join(d->thread, NULL);
	ck_assert_uint_eq(d->status, (uint32_t)STATUS_CANCELLED);
}

START_TEST(killed_in_a_call)
{
	struct doomed d = { 0 };

	d.fd = open_device(0);
	d.cq = make_cq(d.fd).id;
	d.srq = make_srq(d.fd, 0).id;
	die_in(&d, rows[_i].run);
	/* closed before the device has answered */
	userdev_close(d.fd);
	freeze(false);
	end_in_peace();
}
END_TEST

/* The file lives on in another process: the ring that changes hands is nobody's to
 * map, then and later; all else of the file goes on */
START_TEST(shared_and_killed_in_resize)
{
	struct doomed d = { .fd = open_device(0) };
	struct vrdma_uapi_create_cq c = make_cq(d.fd), other = make_cq(d.fd);
	struct vrdma_uapi_resize_cq z = { .id = c.id, .depth = 32 };
	struct vrdma_uapi_request q = { .id = c.id, .overlapped = 9 };
	struct vrdma_uapi_object o = { .id = c.id };

	d.cq = c.id;
	ck_assert(maps(d.fd, c.buffer_offset, c.buffer_size));
	die_in(&d, do_resize);
	ck_assert(!maps_at_all(d.fd, c.buffer_offset));
	SAYS(d.fd, RESIZE_CQ, z, STATUS_DEVICE_BUSY);
	freeze(false);
	/* the device answers what it was told before it is told this */
	make_qp(d.fd, c.id);
	ck_assert(!maps_at_all(d.fd, c.buffer_offset));
	SAYS(d.fd, RESIZE_CQ, z, STATUS_DEVICE_BUSY);
	SAYS(d.fd, CQ_NOTIFY, q, STATUS_PENDING);
	ck_assert(maps(d.fd, other.buffer_offset, other.buffer_size));
	OK(d.fd, FREE, o);
	ck_assert(!maps_at_all(d.fd, c.buffer_offset));
	userdev_close(d.fd);
}
END_TEST

START_TEST(shared_and_killed_in_modify)
{
	struct doomed d = { .fd = open_device(0) };
	struct vrdma_uapi_create_srq s = make_srq(d.fd, 2);
	struct vrdma_uapi_modify_srq m = { .id = s.id, .depth = 32 };
	struct vrdma_uapi_request q = { .id = s.id, .overlapped = 9 };

	d.srq = s.id;
	die_in(&d, do_modify);
	ck_assert(!maps_at_all(d.fd, s.buffer_offset));
	freeze(false);
	make_cq(d.fd);
	ck_assert(!maps_at_all(d.fd, s.buffer_offset));
	SAYS(d.fd, MODIFY_SRQ, m, STATUS_DEVICE_BUSY);
	SAYS(d.fd, SRQ_NOTIFY, q, STATUS_PENDING);
	userdev_close(d.fd);
}
END_TEST

/* --- reading ------------------------------------------------------------------------- */

static void *read_one(void *arg)
{
	struct vrdma_uapi_event ev;
	struct doomed *d = arg;

	userdev_enter(d->process);
	d->ret = (int)userdev_read(d->fd, &ev, sizeof(ev));
	d->status = ev.status;
	return NULL;
}

/* One that waits for an event gets it; one that is killed goes without */
START_TEST(a_read_waits)
{
	struct doomed d = { .fd = userdev_open("/dev/vrdma0", O_RDWR) };
	struct vrdma_uapi_request q = { .overlapped = 9 };
	struct vrdma_uapi_object o;

	info = (struct vrdma_uapi_open){ .version = VRDMA_UAPI_VERSION };
	OK(d.fd, OPEN, info);
	o.id = q.id = make_cq(d.fd).id;
	SAYS(d.fd, CQ_NOTIFY, q, STATUS_PENDING);
	d.process = userdev_process(0);
	ck_assert(!pthread_create(&d.thread, NULL, read_one, &d));
	OK(d.fd, CANCEL, o);
	pthread_join(d.thread, NULL);
	ck_assert_int_eq(d.ret, sizeof(struct vrdma_uapi_event));
	ck_assert_uint_eq(d.status, (uint32_t)STATUS_CANCELLED);
	ck_assert(!pthread_create(&d.thread, NULL, read_one, &d));
	userdev_kill(d.process);
	pthread_join(d.thread, NULL);
	ck_assert_int_eq(d.ret, -1);
	userdev_close(d.fd);
}
END_TEST

/* --- memory runs out -------------------------------------------------------------------- */

static bool some_failed;

/* 0 or pending; else it must be for want of memory, or of what that cost before */
static bool went(int fd, unsigned long code, void *arg)
{
	uint32_t status;

	if (userdev_ioctl(fd, code, arg)) {
		ck_assert_int_eq(errno, ENOMEM);
		some_failed = true;
		return false;
	}
	status = *(uint32_t *)arg;
	if (!status || status == STATUS_PENDING)
		return true;
	ck_assert_uint_eq(status, (uint32_t)STATUS_INSUFFICIENT_RESOURCES);
	some_failed = true;
	return false;
}

static void use_queues(int fd)
{
	struct vrdma_uapi_create_cq c = { .depth = 16 };
	struct vrdma_uapi_resize_cq z = { .depth = 32 };
	struct vrdma_uapi_create_qp q = {
		.recv_depth = 4, .send_depth = 4, .max_recv_sge = 1,
		.max_send_sge = 1,
	};
	struct vrdma_uapi_request r = { .overlapped = 1 };

	if (!went(fd, VRDMA_IOC_CREATE_CQ, &c))
		return;
	z.id = r.id = q.recv_cq = q.send_cq = c.id;
	went(fd, VRDMA_IOC_RESIZE_CQ, &z);
	went(fd, VRDMA_IOC_CQ_NOTIFY, &r);
	went(fd, VRDMA_IOC_CREATE_QP, &q);
}

static void use_shared(int fd)
{
	struct vrdma_uapi_create_srq s = { .depth = 8, .max_sge = 1,
					   .threshold = 2 };
	struct vrdma_uapi_request r = { .overlapped = 1 };
	struct vrdma_uapi_modify_srq m = { .depth = 32 };

	if (!went(fd, VRDMA_IOC_CREATE_SRQ, &s))
		return;
	m.id = r.id = s.id;
	went(fd, VRDMA_IOC_SRQ_NOTIFY, &r);
	went(fd, VRDMA_IOC_MODIFY_SRQ, &m);
}

static void use_memory(int fd, void *at)
{
	struct vrdma_uapi_create a = { 0 };
	struct vrdma_uapi_create_mw w = { 0 };
	struct vrdma_uapi_register r = { .address = (uintptr_t)at,
					 .length = 2 * PAGE, .flags = 7,
					 .overlapped = 1 };

	went(fd, VRDMA_IOC_CREATE_MW, &w);
	if (!went(fd, VRDMA_IOC_CREATE_MR, &a))
		return;
	r.id = a.id;
	went(fd, VRDMA_IOC_REGISTER, &r);
}

static void use_connections(int fd)
{
	struct vrdma_uapi_bind b = { .addr = info.address[0] };
	struct vrdma_uapi_get_request g = { .overlapped = 1 };
	struct vrdma_uapi_create l = { 0 }, c = { 0 };

	if (!went(fd, VRDMA_IOC_CREATE_LISTENER, &l))
		return;
	b.id = g.listener = l.id;
	OK(fd, BIND, b);
	if (!went(fd, VRDMA_IOC_LISTEN, &b) ||
	    !went(fd, VRDMA_IOC_CREATE_CONNECTOR, &c))
		return;
	g.connector = c.id;
	went(fd, VRDMA_IOC_GET_REQUEST, &g);
}

/* Each allocation once, wherever it comes, and nothing stays half-made */
START_TEST(no_memory)
{
	void *p = pages(2);
	unsigned n = 0, failures = 0;

	info = (struct vrdma_uapi_open){ .version = VRDMA_UAPI_VERSION };
	do {
		int fd;

		some_failed = false;
		userdev_fail_alloc(++n);
		fd = userdev_open("/dev/vrdma0", O_RDWR | O_NONBLOCK);
		if (fd >= 0 && went(fd, VRDMA_IOC_OPEN, &info)) {
			use_queues(fd);
			use_shared(fd);
			use_memory(fd, p);
			use_connections(fd);
		}
		some_failed |= fd < 0;
		failures += some_failed;
		if (fd >= 0)
			userdev_close(fd);
	} while (!userdev_fail_alloc(0));
	ck_assert_uint_ge(failures, 20);
	munmap(p, 2 * PAGE);
	end_in_peace();
}
END_TEST

/* RLIMIT_MEMLOCK is a process', of all its files and both devices */
START_TEST(memory_limit)
{
	struct task_struct *t = userdev_process(16 * PAGE);
	struct end a, b;
	char *p = pages(20);
	uint32_t x, y;

	userdev_enter(t);
	end_open(&a, 0);
	end_open(&b, 1);
	x = make(a.fd, VRDMA_IOC_CREATE_MR);
	y = make(b.fd, VRDMA_IOC_CREATE_MR);
	ck_assert_uint_eq(start_register(a.fd, x, p, 17),
			  (uint32_t)STATUS_INSUFFICIENT_RESOURCES);
	ck_assert_uint_eq(start_register(a.fd, x, p, 12),
			  (uint32_t)STATUS_PENDING);
	ck_assert_uint_eq(ended(&a, REGION), 0);
	ck_assert_uint_eq(start_register(b.fd, y, p + 12 * PAGE, 5),
			  (uint32_t)STATUS_INSUFFICIENT_RESOURCES);
	ck_assert_uint_eq(start_register(b.fd, y, p + 12 * PAGE, 4),
			  (uint32_t)STATUS_PENDING);
	ck_assert_uint_eq(ended(&b, REGION), 0);
	/* what is freed counts no more once its event has come */
	begin(&a, VRDMA_IOC_DEREGISTER, x, REGION);
	a.status[REGION] = STATUS_PENDING;
	ck_assert_uint_eq(ended(&a, REGION), 0);
	ck_assert_uint_eq(start_register(a.fd, x, p, 12),
			  (uint32_t)STATUS_PENDING);
	userdev_enter(NULL);
	userdev_close(a.fd);
	userdev_close(b.fd);
	munmap(p, 20 * PAGE);
}
END_TEST

/* --- the device goes ---------------------------------------------------------------------- */

/* Under open files, with everything pending: each request ends once, and the file is
 * good for what it is said to be */
START_TEST(device_lost)
{
	struct vrdma_uapi_create_cq c = { .depth = 16 };
	struct vrdma_uapi_object o;
	struct end a, b;

	both(&a, &b, PARTING);
	userdev_lose(0);
	ck_assert(tguest_wait_recoveries(fx.g[0], 1));
	ck_assert_uint_eq(ended(&a, QUEUE), (uint32_t)STATUS_DEVICE_REMOVED);
	ck_assert_uint_ne(ended(&a, DISCONNECT), 0);
	ended(&b, TOLD);
	SAYS(a.fd, CREATE_CQ, c, STATUS_DEVICE_REMOVED);
	o.id = a.qp;
	OK(a.fd, FLUSH, o);
	o.id = a.conn;
	OK(a.fd, CANCEL, o);
	OK(a.fd, FREE, o);
	userdev_close(a.fd);
	userdev_close(b.fd);
	end_in_peace();
}
END_TEST

int main(void)
{
	Suite *s = suite_create("death");
	TCase *tc = add_case(s, "closed", 60);

	tcase_add_checked_fixture(tc, userdev_setup, userdev_teardown);
	tcase_add_loop_test(tc, closed_in_any_state, 0, STAGES);
	tcase_add_test(tc, closed_with_regions);
	tcase_add_test(tc, a_page_is_shared);
	tc = add_case(s, "killed", 60);
	tcase_add_checked_fixture(tc, userdev_setup, userdev_teardown);
	tcase_add_loop_test(tc, killed_in_a_call, 0, ROWS);
	tcase_add_test(tc, shared_and_killed_in_resize);
	tcase_add_test(tc, shared_and_killed_in_modify);
	tcase_add_test(tc, a_read_waits);
	tc = add_case(s, "failing", 60);
	tcase_add_checked_fixture(tc, userdev_setup, userdev_teardown);
	tcase_add_test(tc, no_memory);
	tcase_add_test(tc, memory_limit);
	tcase_add_test(tc, device_lost);
	return run_suite(s);
}
