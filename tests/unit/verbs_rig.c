/* SPDX-License-Identifier: GPL-2.0-or-later */
/* verbs_rig.c - see verbs_rig.h */
#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <semaphore.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "verbs_rig.h"

#define WATCHES	16
#define WAIT_S	20

struct rig rig;

struct post {
	struct post *next;
	void (*fn)(void *arg);
	void *arg;
};

static struct {
	pthread_mutex_t lock;
	pthread_cond_t posted;
	struct post *first, **last;
	char warnings[16384];
	unsigned int errors;
} shared = { .lock = PTHREAD_MUTEX_INITIALIZER,
	     .posted = PTHREAD_COND_INITIALIZER };

static struct {
	int fd;
	void (*fn)(void *arg);
	void *arg;
} watches[WATCHES];

static uint64_t deeds;			/* what happened, counted */
static bool in_worker;			/* a backend's worker half is running */
static pthread_t test_thread;

static struct vrb *vrb_at(unsigned int host)
{
	return vrb_of(rig.host[host].be);
}

void *rig_alloc(size_t size)
{
	void *p = malloc(size);

	ck_assert_ptr_nonnull(p);
	return memset(p, 0, size);
}

/* --------------------------------------------------- what control offers it */

void be_post(void (*fn)(void *arg), void *arg)
{
	struct post *p = rig_alloc(sizeof(*p));

	p->fn = fn;
	p->arg = arg;
	pthread_mutex_lock(&shared.lock);
	*shared.last = p;
	shared.last = &p->next;
	pthread_cond_signal(&shared.posted);
	pthread_mutex_unlock(&shared.lock);
}

int be_thread_start(pthread_t *thread, const char *name, void *(*fn)(void *arg),
		    void *arg)
{
	(void)name;
	return -pthread_create(thread, NULL, fn, arg);
}

int be_watch(int fd, void (*fn)(void *arg), void *arg)
{
	int err = fv_fault(FV_be_watch);
	unsigned int i = 0;

	if (err)
		return -err;
	while (watches[i].fn)
		ck_assert_uint_lt(++i, WATCHES);
	watches[i].fd = fd;
	watches[i].fn = fn;
	watches[i].arg = arg;
	return 0;
}

void be_unwatch(int fd)
{
	for (unsigned int i = 0; i < WATCHES; i++)
		if (watches[i].fn && watches[i].fd == fd)
			watches[i].fn = NULL;
}

void be_log(enum be_level level, const char *fmt, ...)
{
	char line[512];
	va_list ap;

	if (level > BE_WARN)
		return;
	va_start(ap, fmt);
	vsnprintf(line, sizeof(line), fmt, ap);
	va_end(ap);
	pthread_mutex_lock(&shared.lock);
	if (strlen(shared.warnings) + sizeof(line) + 2 < sizeof(shared.warnings)) {
		strcat(shared.warnings, line);
		strcat(shared.warnings, "\n");
	}
	shared.errors += level == BE_ERROR;
	pthread_mutex_unlock(&shared.lock);
}

bool rig_warned(const char *text)
{
	bool found;

	pthread_mutex_lock(&shared.lock);
	found = strstr(shared.warnings, text);
	if (found)
		shared.warnings[0] = 0;
	pthread_mutex_unlock(&shared.lock);
	return found;
}

void be_qp_attr(const struct be_qp *qp, struct be_qp_attr *out)
{
	*out = qp->attr;
}

/* -------------------------------------------------------------- the upcalls */

static struct rig_conn *new_conn(unsigned int host)
{
	struct rig_conn *c = rig_alloc(sizeof(*c));

	c->host = host;
	c->next = rig.conns;
	rig.conns = c;
	return c;
}

/* Each comes once, and none after the last */
static struct rig_conn *upcall(void *cm, uint32_t *count)
{
	struct rig_conn *c = cm;

	ck_assert_msg(c && c->conn && !c->ended, "an upcall after abort()");
	ck_assert_msg(!c->over, "an upcall after the last one");
	ck_assert_msg(!*count, "an upcall that had come before");
	++*count;
	return c;
}

static int on_request(void *lst, struct be_conn *conn,
		      const struct be_request *req, void **cm)
{
	struct rig_host *h = lst;
	struct rig_conn *c;

	if (h->refuse)
		return -ECONNREFUSED;
	c = new_conn((unsigned int)(h - rig.host));
	c->conn = conn;
	c->request = *req;
	c->priv = req->priv;
	c->limits = req->limits;
	h->newest = c;
	*cm = c;
	return 0;
}

static void on_accepted(void *cm, const struct be_read_limits *limits,
			const struct be_private *priv)
{
	struct rig_conn *c = upcall(cm, &((struct rig_conn *)cm)->accepted);

	c->limits = *limits;
	c->priv = *priv;
}

static void on_rejected(void *cm, const struct be_private *priv)
{
	struct rig_conn *c = upcall(cm, &((struct rig_conn *)cm)->rejected);

	c->priv = *priv;
	c->over = true;
}

static void on_unreachable(void *cm, int err)
{
	static const int documented[] = { -EHOSTUNREACH, -ENETUNREACH,
					  -ETIMEDOUT,	 -EADDRINUSE,
					  -EADDRNOTAVAIL, -ENOMEM };
	struct rig_conn *c = upcall(cm, &((struct rig_conn *)cm)->unreachable);
	bool known = false;

	for (size_t i = 0; i < sizeof(documented) / sizeof(documented[0]); i++)
		known = known || documented[i] == err;
	ck_assert_msg(known, "unreachable with %d", err);
	c->err = err;
	c->over = true;
}

static void on_established(void *cm)
{
	upcall(cm, &((struct rig_conn *)cm)->established);
}

static void on_disconnected(void *cm)
{
	struct rig_conn *c = upcall(cm, &((struct rig_conn *)cm)->disconnected);

	fv_note(c->host, "disconnected");
	if (!c->qp)
		return;
	c->received = c->qp->rq.ended + c->qp->shared_ended;
	c->qp->detached = true;
}

static void on_aborted(void *cm, enum virtio_rdma_reason reason)
{
	struct rig_conn *c = upcall(cm, &((struct rig_conn *)cm)->aborted);

	c->reason = reason;
	c->over = true;
	if (c->qp)
		c->qp->detached = true;
}

static const struct be_cm_events upcalls = {
	.request = on_request,
	.accepted = on_accepted,
	.rejected = on_rejected,
	.unreachable = on_unreachable,
	.established = on_established,
	.disconnected = on_disconnected,
	.aborted = on_aborted,
};

/* --------------------------------------------------- what workers offer it */

uint64_t be_now(void)
{
	return rig.now_ns;
}

/* A queue pair that may be spoken of: attached, and not at rest */
void rig_assert_live(const struct be_qp *qp)
{
	ck_assert_msg(qp->conn && !qp->stopped,
		      "a word about a queue pair that is at rest");
}

bool be_qp_open(const struct be_qp *qp)
{
	return !qp->failing && !qp->detached && !qp->stopping;
}

bool be_qp_mute(const struct be_qp *qp)
{
	return qp->mute;
}

uint32_t be_qp_rnr_timeout_ms(struct be_qp *qp)
{
	return qp->rnr_ms;
}

void be_qp_wake(struct be_qp *qp)
{
	rig_assert_live(qp);
	qp->woken = true;
}

void be_qp_wake_at(struct be_qp *qp, uint64_t deadline_ns)
{
	rig_assert_live(qp);
	qp->wake_at = deadline_ns;
}

void be_qp_fail(struct be_qp *qp, enum virtio_rdma_reason reason)
{
	rig_assert_live(qp);
	if (qp->failing || qp->stopping)
		return;
	qp->failing = true;
	qp->fails++;
	qp->reason = reason;
}

void be_qp_stopped(struct be_qp *qp)
{
	rig_assert_live(qp);
	ck_assert(qp->stopping);
	ck_assert_msg(!fv_qp_lives(qp->host, qp->qpn),
		      "at rest, and the device may still move its bytes");
	/* or the room in the completion queue is another's before they went */
	ck_assert_uint_eq(fv_unpolled(qp->host, qp->qpn), 0);
	fv_note(qp->host, "stopped");
	qp->stopped = true;
}

static struct be_wr *next_wr(struct be_qp *qp, struct rig_queue *q,
			     uint32_t window)
{
	rig_assert_live(qp);
	if (!be_qp_open(qp) || q->taken == q->posted ||
	    q->taken - q->ended >= window)
		return NULL;
	return &q->wr[q->taken++].wr;
}

struct be_wr *be_sq_next(struct be_qp *qp)
{
	return next_wr(qp, &qp->sq, qp->attr.sq_window);
}

struct be_wr *be_rq_next(struct be_qp *qp)
{
	return next_wr(qp, &qp->rq, qp->attr.rq_window);
}

static struct rig_wr *end_wr(struct be_qp *qp, struct rig_queue *q,
			     struct be_wr *wr, enum virtio_rdma_wc_status status)
{
	struct rig_wr *w = &q->wr[q->ended];

	rig_assert_live(qp);
	ck_assert_msg(q->ended < q->taken && &w->wr == wr, "out of order");
	ck_assert_msg(!qp->failing, "a request ended behind one that failed");
	w->ended = true;
	w->status = status;
	q->ended++;
	if (status != VIRTIO_RDMA_WC_SUCCESS) {
		ck_assert_msg(be_qp_open(qp), "a failure that is nobody's news");
		qp->failing = true;
	}
	return w;
}

void be_sq_complete(struct be_qp *qp, struct be_wr *wr,
		    enum virtio_rdma_wc_status status)
{
	end_wr(qp, &qp->sq, wr, status);
}

void be_rq_complete(struct be_qp *qp, struct be_wr *wr,
		    enum virtio_rdma_wc_status status, uint32_t length,
		    bool solicited)
{
	(void)solicited;
	end_wr(qp, &qp->rq, wr, status)->received = length;
}

/* One element each; be_sg is the request itself */
int be_sg_key(struct be_sg *sg, struct be_key *out)
{
	struct rig_wr *w = (struct rig_wr *)(void *)sg;

	if (w->given || !w->length)
		return 0;
	w->given = true;
	if (w->mr && !w->mr->mr.priv)
		return -EACCES;
	*out = (struct be_key){
		.addr = w->mr ? w->addr : (uintptr_t)w->bytes,
		.length = w->length,
		.key = w->mr ? w->mr->mr.local_key : 0,
		.is_bytes = !w->mr,
	};
	return 1;
}

/* ------------------------------------------------------------------- memory */

void be_mr_piece(const struct be_mr *mr, uint64_t off, struct be_piece *out)
{
	const struct rig_mr *m = (const struct rig_mr *)(const void *)mr;
	uint64_t at = m->first + off, i = at / RIG_PAGE, in = at % RIG_PAGE;
	uint64_t page = m->page ? m->page[i] : i;
	uint64_t length = RIG_PAGE - in, left = mr->length - off;

	while (length < left && (!m->page || m->page[i + 1] == m->page[i] + 1)) {
		length += RIG_PAGE;
		i++;
	}
	*out = (struct be_piece){
		.host = rig.host[m->host].mem + page * RIG_PAGE + in,
		.length = length < left ? length : left,
		.fd = rig.host[m->host].fd,
		.fd_offset = page * RIG_PAGE + in,
		.unit = m->unit ? m->unit : RIG_PAGE,
	};
}

static void mr_done(struct be_mr *mr, int err)
{
	struct rig_mr *m = (struct rig_mr *)(void *)mr;

	ck_assert_msg(!err || err == -ENOMEM || err == -EINVAL || err == -ENODEV,
		      "a region's answer is %d", err);
	m->answers++;
	m->err = err;
}

void rig_register(struct rig_mr *m)
{
	struct rig_host *h = &rig.host[m->host];

	m->mr.pd = h->pd;
	m->mr.done = mr_done;
	if (!m->mr.access)
		m->mr.access = VIRTIO_RDMA_ACCESS_LOCAL_WRITE |
			       VIRTIO_RDMA_ACCESS_REMOTE_READ |
			       VIRTIO_RDMA_ACCESS_REMOTE_WRITE;
	h->be->mr_register(h->be, &m->mr);
}

void rig_deregister(struct rig_mr *m)
{
	struct rig_host *h = &rig.host[m->host];

	h->be->mr_deregister(h->be, &m->mr);
}

/* --------------------------------------------------------------- the threads */

static struct post *take_posts(void)
{
	struct post *first;

	pthread_mutex_lock(&shared.lock);
	first = shared.first;
	shared.first = NULL;
	shared.last = &shared.first;
	pthread_mutex_unlock(&shared.lock);
	return first;
}

static void turn_control(void)
{
	struct post *p, *next;

	for (p = take_posts(); p; p = next) {
		next = p->next;
		p->fn(p->arg);
		free(p);
		deeds++;
	}
	for (unsigned int i = 0; i < WATCHES; i++) {
		struct pollfd pfd = { .fd = watches[i].fd, .events = POLLIN };

		if (!watches[i].fn || poll(&pfd, 1, 0) <= 0)
			continue;
		watches[i].fn(watches[i].arg);
		deeds++;
	}
}

static bool is_due(const struct be_qp *qp)
{
	return qp->woken || (qp->wake_at && qp->wake_at <= rig.now_ns);
}

static void turn_qp(struct be_qp *qp)
{
	struct backend *be = rig.host[qp->host].be;

	if (!qp->conn || qp->stopped)
		return;
	if (is_due(qp)) {
		qp->woken = false;
		if (qp->wake_at <= rig.now_ns)
			qp->wake_at = 0;
		deeds++;
		if (be->run(qp->conn))
			qp->woken = true;
	}
	/* as the model does with one that failed, outside of any call */
	if (qp->failing && !qp->stopping)
		rig_stop(qp);
}

static void turn_srqs(unsigned int host)
{
	struct backend *be = rig.host[host].be;

	for (struct rig_srq *s = rig.srqs; s; s = s->next) {
		if (s->host != host || !s->woken)
			continue;
		s->woken = false;
		deeds++;
		be->srq_posted(be, &s->srq);
	}
}

static void turn_worker(unsigned int host)
{
	struct rig_host *h = &rig.host[host];

	if (!h->be || h->worker_off)
		return;
	in_worker = true;
	if (h->be->poll(h->be))
		deeds++;
	turn_srqs(host);
	for (struct be_qp *qp = rig.qps; qp; qp = qp->next)
		if (qp->host == host)
			turn_qp(qp);
	in_worker = false;
}

void rig_run_workers(void)
{
	uint64_t before;

	do {
		before = deeds;
		for (unsigned int i = 0; i < FV_DEVICES; i++)
			turn_worker(i);
	} while (deeds != before);
}

/* Linked with --wrap.  Control waits for the worker, or for a helper: the
 * workers, which are the same thread here, go on meanwhile. */
int __real_sem_wait(sem_t *s);
int __wrap_sem_wait(sem_t *s);
int __wrap_sem_wait(sem_t *s)
{
	void (*hook)(void) = rig.while_waiting;
	struct timespec end;

	if (!pthread_equal(pthread_self(), test_thread))
		return __real_sem_wait(s);
	ck_assert_msg(!in_worker, "the worker waits");
	rig.while_waiting = NULL;
	if (hook)
		hook();
	rig_run_workers();
	clock_gettime(CLOCK_REALTIME, &end);
	end.tv_sec += WAIT_S;
	ck_assert_msg(!sem_timedwait(s, &end), "control waits for nobody");
	return 0;
}

bool rig_turn(void)
{
	uint64_t before = deeds;

	turn_control();
	for (unsigned int i = 0; i < FV_DEVICES; i++)
		turn_worker(i);
	if (!rig.wire_off && fv_step())
		deeds++;
	return deeds != before;
}

void rig_run_dry(void)
{
	while (rig_turn())
		;
}

struct barrier {
	struct slow_job job;
	bool back;
};

static void nothing(struct slow_job *job)
{
	(void)job;
}

static void barrier_back(struct slow_job *job)
{
	((struct barrier *)(void *)job)->back = true;
	deeds--;	/* not one of the backend's */
}

static void wait_post(void)
{
	struct timespec end;
	int ret = 0;

	clock_gettime(CLOCK_REALTIME, &end);
	end.tv_sec += WAIT_S;
	pthread_mutex_lock(&shared.lock);
	while (!shared.first && !ret)
		ret = pthread_cond_timedwait(&shared.posted, &shared.lock, &end);
	pthread_mutex_unlock(&shared.lock);
	ck_assert_msg(!ret, "a helper is stuck");
}

/* What the helper had in work is done, and told */
static void pass_barrier(struct slow *helper)
{
	struct barrier b = { .job = { .fn = nothing, .done = barrier_back } };

	if (!helper)
		return;
	slow_run(helper, &b.job);
	while (!b.back)
		if (!rig_turn() && !b.back)
			wait_post();
}

void rig_settle(void)
{
	uint64_t before;

	do {
		before = deeds;
		rig_run_dry();
		for (unsigned int i = 0; i < FV_DEVICES; i++) {
			if (!rig.host[i].be)
				continue;
			pass_barrier(vrb_at(i)->qp_helper);
			pass_barrier(vrb_at(i)->mr_helper);
		}
		rig_run_dry();
	} while (deeds != before);
}

void rig_wait_worker(unsigned int host)
{
	struct backend *be = rig.host[host].be;
	struct pollfd p = { .fd = be->poll_fd(be), .events = POLLIN };

	ck_assert_msg(poll(&p, 1, WAIT_S * 1000) == 1, "nothing for the worker");
}

void rig_advance(uint64_t ms)
{
	rig.now_ns += ms * 1000000u;
}

/* ------------------------------------------------------------------ the hosts */

static void open_memory(struct rig_host *h)
{
	h->fd = memfd_create("rig", MFD_CLOEXEC);
	ck_assert_int_ge(h->fd, 0);
	ck_assert_int_eq(ftruncate(h->fd, RIG_PAGES * RIG_PAGE), 0);
	h->mem = mmap(NULL, RIG_PAGES * RIG_PAGE, PROT_READ | PROT_WRITE,
		      MAP_SHARED, h->fd, 0);
	ck_assert_ptr_ne(h->mem, MAP_FAILED);
}

void rig_setup(void)
{
	fv_reset();
	memset(&rig, 0, sizeof(rig));
	shared.last = &shared.first;
	shared.warnings[0] = 0;
	shared.errors = 0;
	rig.now_ns = 1000000000u;
	test_thread = pthread_self();
	in_worker = false;
	for (unsigned int i = 0; i < FV_DEVICES; i++)
		open_memory(&rig.host[i]);
}

int rig_start(unsigned int host)
{
	static const char *const device[] = { "fake0", "fake1" };
	struct rig_host *h = &rig.host[host];
	char err[256] = "";
	int ret;

	h->be = verbs_backend("verbs:fake", device[host], err, sizeof(err));
	if (!h->be) {
		ck_assert_uint_gt(strlen(err), 20);
		return -ENODEV;
	}
	ret = h->be->start(h->be, &upcalls);
	if (ret) {
		verbs_backend_free(h->be);
		h->be = NULL;
	}
	return ret;
}

int rig_start_memory(unsigned int host)
{
	struct rig_host *h = &rig.host[host];
	int ret = h->be->pd_create(h->be, &h->pd);

	if (ret) {
		h->pd = NULL;
		return ret;
	}
	h->mr = (struct rig_mr){ .host = host };
	h->mr.mr.addr = RIG_VA;
	h->mr.mr.length = RIG_PAGES * RIG_PAGE;
	rig_register(&h->mr);
	rig_settle();
	ck_assert_uint_eq(h->mr.answers, 1);
	ret = h->mr.err;
	if (!ret && rig.share)
		ret = rig_srq_create(host, RIG_WINDOW, &h->srq);
	return ret;
}

void rig_start_both(void)
{
	for (unsigned int i = 0; i < FV_DEVICES; i++) {
		ck_assert_int_eq(rig_start(i), 0);
		ck_assert_int_eq(rig_start_memory(i), 0);
	}
	ck_assert_int_eq(rig_listen(1, false), 0);
}

static void stop_memory(struct rig_host *h)
{
	if (h->mr.mr.priv) {
		uint32_t answers = h->mr.answers;

		rig_deregister(&h->mr);
		rig_settle();
		ck_assert_uint_eq(h->mr.answers, answers + 1);
		h->mr.mr.priv = NULL;
	}
	if (h->pd)
		h->be->pd_destroy(h->pd);
	h->pd = NULL;
}

static void stop_host(struct rig_host *h)
{
	if (!h->be)
		return;
	if (h->listener)
		h->be->unlisten(h->listener);
	h->listener = NULL;
	rig_stop_shared((unsigned int)(h - rig.host));
	stop_memory(h);
	rig_settle();
	ck_assert_msg(!h->be->busy(h->be), "busy with what has ended");
	h->be->shutdown(h->be);
	verbs_backend_free(h->be);
	h->be = NULL;
}

static void forget(void)
{
	struct rig_conn *c;
	struct be_qp *qp;

	while ((c = rig.conns)) {
		rig.conns = c->next;
		free(c);
	}
	while ((qp = rig.qps)) {
		rig.qps = qp->next;
		free(qp->sq.wr);
		free(qp->rq.wr);
		free(qp);
	}
	rig_forget_shared();
	for (unsigned int i = 0; i < FV_DEVICES; i++)
		rig.host[i].newest = NULL;
}

void rig_down(void)
{
	fv_cm_cut = fv_data_cut = false;
	rig.wire_off = false;
	rig.while_waiting = NULL;
	for (unsigned int i = 0; i < FV_DEVICES; i++)
		rig.host[i].worker_off = false;
	for (struct rig_conn *c = rig.conns; c; c = c->next)
		rig_end(c);
	for (unsigned int i = 0; i < FV_DEVICES; i++)
		stop_host(&rig.host[i]);
	rig_settle();
	for (unsigned int i = 0; i < WATCHES; i++)
		ck_assert_ptr_null(watches[i].fn);
	fv_check_nothing_lives();
	ck_assert_msg(rig.errors_expected || !shared.errors, "%s",
		      shared.warnings);
	forget();
}

void rig_teardown(void)
{
	rig_down();
	for (unsigned int i = 0; i < FV_DEVICES; i++) {
		munmap(rig.host[i].mem, RIG_PAGES * RIG_PAGE);
		close(rig.host[i].fd);
	}
}

int rig_run_tests(const char *name, const struct rig_test *tests, size_t n)
{
	Suite *s = suite_create(name);
	SRunner *r;
	int failed;

	for (size_t i = 0; i < n; i++) {
		TCase *tc = tcase_create(tests[i].name);

		tcase_set_timeout(tc, 60);
		tcase_add_checked_fixture(tc, rig_setup, rig_teardown);
		tcase_add_loop_test(tc, tests[i].test, 0, tests[i].rounds);
		suite_add_tcase(s, tc);
	}
	r = srunner_create(s);
	srunner_run_all(r, CK_NORMAL);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}

/* ---------------------------------------------------------------- connections */

struct be_addr rig_addr(unsigned int host, bool v6, uint16_t port)
{
	struct be_addr a = { .family = v6 ? VIRTIO_RDMA_AF_INET6
					  : VIRTIO_RDMA_AF_INET,
			     .port = port };
	char text[32];

	snprintf(text, sizeof(text), v6 ? "fd00::%u" : "10.0.0.%u", host + 1);
	ck_assert_int_eq(inet_pton(v6 ? AF_INET6 : AF_INET, text, a.ip), 1);
	return a;
}

struct be_private rig_private(size_t length)
{
	struct be_private p = { .length = (uint16_t)length };

	for (size_t i = 0; i < length; i++)
		p.data[i] = (uint8_t)(length + i * 7 + 1);
	return p;
}

int rig_listen(unsigned int host, bool v6)
{
	struct rig_host *h = &rig.host[host];
	struct be_addr a = rig_addr(host, v6, RIG_PORT);
	struct be_listener *l = NULL;
	int ret = h->be->listen(h->be, &a, 8, h, &l);

	if (!ret)
		h->listener = l;
	return ret;
}

struct be_qp *rig_qp(unsigned int host, uint32_t window)
{
	struct be_qp *qp = rig_alloc(sizeof(*qp));

	qp->host = host;
	qp->attr = (struct be_qp_attr){
		.pd = rig.host[host].pd,
		.sq_window = window,
		.rq_window = window,
		.send_sge = 4,
		.recv_sge = 4,
		.inline_data = 64,
	};
	if (rig.host[host].srq)
		qp->attr.srq = &rig.host[host].srq->srq;
	qp->sq.wr = rig_alloc(RIG_WRS * sizeof(*qp->sq.wr));
	qp->rq.wr = rig_alloc(RIG_WRS * sizeof(*qp->rq.wr));
	qp->next = rig.qps;
	rig.qps = qp;
	return qp;
}

struct rig_conn *rig_connect_to(struct be_qp *qp, const struct be_addr *from,
				const struct be_addr *to,
				const struct be_private *priv)
{
	struct backend *be = rig.host[qp->host].be;
	struct rig_conn *c = new_conn(qp->host);
	struct be_request req = { .local = *from,
				  .peer = *to,
				  .limits = { .inbound = 8, .outbound = 4 },
				  .priv = *priv,
				  .shared = rig.shared };

	c->err = be->connect(be, &req, qp, c, &c->conn);
	if (!c->err)
		c->qp = qp;
	return c;
}

struct rig_conn *rig_connect(struct be_qp *qp, const struct be_private *priv)
{
	struct be_addr from = rig_addr(0, false, 0);
	struct be_addr to = rig_addr(1, false, RIG_PORT);

	return rig_connect_to(qp, &from, &to, priv);
}

int rig_accept(struct rig_conn *c, struct be_qp *qp,
	       const struct be_private *priv)
{
	const struct be_read_limits limits = { .inbound = 4, .outbound = 8 };
	struct backend *be = rig.host[c->host].be;
	int ret = be->accept(c->conn, &limits, priv, qp);

	if (!ret)
		c->qp = qp;
	return ret;
}

void rig_attach(struct rig_conn *c)
{
	ck_assert_ptr_null(c->qp->conn);
	c->qp->conn = c->conn;
	c->qp->qpn = c->conn->qp->qp_num;
	c->qp->woken = true;
	rig.host[c->host].be->attach(c->conn, c->qp);
}

int rig_complete(struct rig_conn *c)
{
	int ret = rig.host[c->host].be->complete(c->conn);

	if (!ret)
		rig_attach(c);
	return ret;
}

int rig_disconnect(struct rig_conn *c)
{
	return rig.host[c->host].be->disconnect(c->conn);
}

void rig_stop(struct be_qp *qp)
{
	ck_assert(qp->conn && !qp->stopping);
	qp->stopping = true;
	rig.host[qp->host].be->stop(qp->conn);
}

void rig_abort(struct rig_conn *c)
{
	struct be_conn *conn = c->conn;

	ck_assert(conn && !c->ended);
	c->ended = true;
	c->conn = NULL;
	rig.host[c->host].be->abort(conn, VIRTIO_RDMA_R_RESET);
}

void rig_end(struct rig_conn *c)
{
	struct be_qp *qp = c->qp;

	if (!c->conn)
		return;
	if (qp && qp->conn && !qp->stopping)
		rig_stop(qp);
	if (qp && qp->conn && !qp->stopped) {
		rig_settle();
		rig_advance(60000);
		rig_settle();
		ck_assert_msg(qp->stopped, "does not come to rest");
	}
	rig_abort(c);
	rig_settle();
}

struct rig_pair rig_half_pair(struct be_qp *a, struct be_qp *b)
{
	struct be_private none = rig_private(0);
	struct rig_pair p;

	p.a = rig_connect(a, &none);
	ck_assert_int_eq(p.a->err, 0);
	rig_settle();
	p.b = rig.host[1].newest;
	ck_assert_int_eq(rig_accept(p.b, b, &none), 0);
	rig_settle();
	ck_assert_uint_eq(p.a->accepted, 1);
	return p;
}

struct rig_pair rig_pair_of(struct be_qp *a, struct be_qp *b)
{
	struct rig_pair p = rig_half_pair(a, b);

	ck_assert_int_eq(rig_complete(p.a), 0);
	rig_settle();
	ck_assert_uint_eq(p.b->established, 1);
	rig_attach(p.b);
	rig_settle();
	return p;
}

struct rig_pair rig_pair(uint32_t window)
{
	return rig_pair_of(rig_qp(0, window), rig_qp(1, window));
}

void rig_part(struct rig_pair *p)
{
	ck_assert_int_eq(rig_disconnect(p->a), 0);
	rig_stop(p->a->qp);
	rig_settle();
	ck_assert_uint_eq(p->b->disconnected, 1);
	ck_assert_int_eq(rig_disconnect(p->b), 0);
	rig_stop(p->b->qp);
	rig_settle();
	ck_assert_uint_eq(p->a->disconnected, 1);
	ck_assert(p->a->qp->stopped && p->b->qp->stopped);
	rig_end(p->a);
	rig_end(p->b);
}

/* ----------------------------------------------------------------------- data */

struct rig_wr *rig_fill_wr(struct rig_wr *w, unsigned int host, uint64_t off,
			   uint64_t length)
{
	w->wr.length = length;
	w->wr.sg = (struct be_sg *)(void *)w;
	w->mr = &rig.host[host].mr;
	w->addr = RIG_VA + off;
	w->length = length;
	return w;
}

struct rig_wr *rig_post_to(struct be_qp *qp, struct rig_queue *q, uint64_t off,
			   uint64_t length)
{
	ck_assert_uint_lt(q->posted, RIG_WRS);
	qp->woken = true;
	return rig_fill_wr(&q->wr[q->posted++], qp->host, off, length);
}

void rig_post(struct be_qp *qp, enum virtio_rdma_opcode op, uint64_t off,
	      uint64_t length, uint64_t remote_off)
{
	struct rig_wr *w = rig_post_to(qp, &qp->sq, off, length);

	w->wr.opcode = (uint8_t)op;
	w->wr.remote_addr = RIG_VA + remote_off;
	w->wr.remote_token = rig.host[!qp->host].mr.mr.remote_key;
}

void rig_post_receive(struct be_qp *qp, uint64_t off, uint64_t length)
{
	if (qp->attr.srq)
		rig_srq_post((struct rig_srq *)(void *)qp->attr.srq, off,
			     length);
	else
		rig_post_to(qp, &qp->rq, off, length);
}

void rig_post_inline(struct be_qp *qp, const void *bytes, uint64_t length)
{
	struct rig_wr *w = rig_post_to(qp, &qp->sq, 0, length);

	ck_assert_uint_le(length, sizeof(w->bytes));
	memcpy(w->bytes, bytes, length);
	w->mr = NULL;
	w->wr.opcode = VIRTIO_RDMA_OP_SEND;
}
