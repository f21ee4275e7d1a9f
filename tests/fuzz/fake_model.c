// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * fake_model.c - the model's side of backend.h for a fuzzer
 */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>

#include "fake_model.h"

struct fake fake;

/* --------------------------------------------------------- control thread */

static struct {
	void (*fn)(void *arg);
	void *arg;
} posted[256];
static uint32_t post_head, post_tail;

void be_post(void (*fn)(void *arg), void *arg)
{
	must(post_tail - post_head < 256);
	posted[post_tail % 256].fn = fn;
	posted[post_tail++ % 256].arg = arg;
}

static int watched_fd = -1;
static void (*watch_fn)(void *arg);
static void *watch_arg;

int be_watch(int fd, void (*fn)(void *arg), void *arg)
{
	must(watched_fd < 0);
	watched_fd = fd;
	watch_fn = fn;
	watch_arg = arg;
	return 0;
}

void be_unwatch(int fd)
{
	must(fd == watched_fd);
	watched_fd = -1;
}

void fake_loop(void)
{
	for (int i = 0; i < 8; i++) {
		struct pollfd p = {.fd = watched_fd, .events = POLLIN};

		while (post_head != post_tail) {
			uint32_t at = post_head++ % 256;

			posted[at].fn(posted[at].arg);
		}
		if (watched_fd < 0 || poll(&p, 1, 0) != 1)
			return;
		watch_fn(watch_arg);
	}
}

struct be_timer {
	struct be_timer *next;
	void (*fn)(void *arg);
	void *arg;
	bool set;
};

static struct be_timer *timers;

struct be_timer *be_timer_new(void (*fn)(void *arg), void *arg)
{
	struct be_timer *t = calloc(1, sizeof(*t));

	t->fn = fn;
	t->arg = arg;
	t->next = timers;
	timers = t;
	return t;
}

void be_timer_set(struct be_timer *t, uint64_t ms)
{
	(void)ms;
	t->set = true;
}

void be_timer_cancel(struct be_timer *t)
{
	t->set = false;
}

void be_timer_free(struct be_timer *t)
{
	struct be_timer **at = &timers;

	if (!t)
		return;
	while (*at != t)
		at = &(*at)->next;
	*at = t->next;
	free(t);
}

void fake_fire(void)
{
	for (struct be_timer *t = timers; t; t = t->next) {
		if (!t->set)
			continue;
		t->set = false;
		t->fn(t->arg);
		return;		/* the list may have changed */
	}
}

void be_log(enum be_level level, const char *fmt, ...)
{
	(void)level;
	(void)fmt;
}

void be_qp_attr(const struct be_qp *qp, struct be_qp_attr *out)
{
	(void)qp;
	*out = (struct be_qp_attr){.sq_window = FAKE_DEPTH,
				   .rq_window = FAKE_DEPTH};
}

/* ----------------------------------------------------------------- upcalls */

static bool last_word(void)
{
	return fake.rejected || fake.unreachable || fake.aborted;
}

static int on_request(void *lst, struct be_conn *conn,
		      const struct be_request *req, void **cm)
{
	(void)lst;
	must(req->priv.length <= sizeof(req->priv.data));
	fake.requests++;
	if (fake.refuse)
		return -ECONNREFUSED;
	fake.conn = conn;
	*cm = &fake;
	return 0;
}

static void on_accepted(void *cm, const struct be_read_limits *limits,
			const struct be_private *priv)
{
	(void)limits;
	must(cm == &fake && !last_word() && !fake.accepted++);
	must(priv->length <= sizeof(priv->data));
}

static void on_rejected(void *cm, const struct be_private *priv)
{
	must(cm == &fake && !last_word());
	must(priv->length <= sizeof(priv->data));
	fake.rejected++;
}

static void on_unreachable(void *cm, int err)
{
	must(cm == &fake && err && !last_word());
	fake.unreachable++;
}

static void on_established(void *cm)
{
	must(cm == &fake && !last_word() && !fake.established++);
}

static void on_disconnected(void *cm)
{
	must(cm == &fake && !last_word() && !fake.disconnected++);
}

static void on_aborted(void *cm, enum virtio_rdma_reason reason)
{
	must(cm == &fake && reason && !last_word());
	fake.aborted++;
}

const struct be_cm_events fake_events = {
	on_request, on_accepted, on_rejected, on_unreachable, on_established,
	on_disconnected, on_aborted,
};

/* ------------------------------------------------------------------ memory */

struct be_sg {
	uint8_t *base;
	uint64_t left, pos;
	bool remote;
};

/* Small pieces of odd sizes: most walks take several steps */
int be_sg_next(struct be_sg *sg, size_t max, void **ptr, size_t *len)
{
	uint64_t n = 1 + (sg->pos * 13) % 97;

	if (!sg->left || !max)
		return 0;
	if (fake.gone)
		return -EACCES;
	if (n > sg->left)
		n = sg->left;
	if (n > max)
		n = max;
	*ptr = sg->base + sg->pos;
	*len = n;
	sg->pos += n;
	sg->left -= n;
	return 1;
}

void be_sg_back(struct be_sg *sg, uint64_t bytes)
{
	must(bytes <= sg->pos);
	sg->pos -= bytes;
	sg->left += bytes;
}

uint64_t be_sg_left(const struct be_sg *sg)
{
	return sg->left;
}

enum virtio_rdma_wc_status be_remote_sg(struct be_qp *qp, uint32_t token,
					uint64_t addr, uint64_t length,
					uint32_t access, struct be_sg **out)
{
	(void)access;
	if (!qp->open)
		return VIRTIO_RDMA_WC_ABORTED;
	if (length && (fake.gone || token != FAKE_TOKEN || length > FAKE_MEM ||
		       addr - FAKE_ADDR > FAKE_MEM - length))
		return VIRTIO_RDMA_WC_REMOTE_ACCESS;
	*out = calloc(1, sizeof(**out));
	(*out)->base = fake.mem + (length ? addr - FAKE_ADDR : 0);
	(*out)->left = length;
	fake.sgs++;
	return VIRTIO_RDMA_WC_SUCCESS;
}

void be_sg_put(struct be_sg *sg)
{
	fake.sgs--;
	free(sg);
}

enum be_refusal be_remote_refusal(const struct be_qp *qp, uint32_t token,
				  uint32_t access)
{
	(void)qp;
	(void)access;
	return token == FAKE_TOKEN ? BE_REFUSED_RANGE : BE_REFUSED_TOKEN;
}

/* ------------------------------------------------------------------ queues */

static struct be_wr send_wr[FAKE_DEPTH], recv_wr[FAKE_DEPTH];
static struct be_sg send_sg[FAKE_DEPTH], recv_sg[FAKE_DEPTH];

struct be_wr *be_sq_next(struct be_qp *qp)
{
	uint32_t i = qp->sent;

	if (!qp->open || i == qp->sends)
		return NULL;
	send_sg[i] = (struct be_sg){.base = fake.mem, .left = qp->lengths[i]};
	send_wr[i] = (struct be_wr){
		.length = qp->lengths[i],
		.opcode = qp->send_kind[i],
		.remote_addr = FAKE_ADDR,
		.remote_token = FAKE_TOKEN,
		.sg = &send_sg[i],
	};
	qp->sent++;
	return &send_wr[i];
}

void be_sq_complete(struct be_qp *qp, struct be_wr *wr,
		    enum virtio_rdma_wc_status status)
{
	must(!qp->stopped && qp->send_ends < qp->sent);
	must(wr == &send_wr[qp->send_ends++]);
	if (status)
		be_qp_fail(qp, VIRTIO_RDMA_R_LOCAL_ERROR);
}

bool be_rq_ready(struct be_qp *qp)
{
	return qp->open && qp->received < qp->recvs;
}

struct be_wr *be_rq_next(struct be_qp *qp)
{
	uint32_t i = qp->received;

	if (!be_rq_ready(qp))
		return NULL;
	recv_sg[i] = (struct be_sg){.base = fake.mem, .left = 64u << i};
	recv_wr[i] = (struct be_wr){.length = 64u << i, .sg = &recv_sg[i]};
	if (recv_wr[i].length > FAKE_MEM)
		recv_wr[i].length = recv_sg[i].left = FAKE_MEM;
	qp->received++;
	return &recv_wr[i];
}

void be_rq_complete(struct be_qp *qp, struct be_wr *wr,
		    enum virtio_rdma_wc_status status, uint32_t length,
		    bool solicited)
{
	(void)solicited;
	must(!qp->stopped && qp->recv_ends < qp->received);
	must(wr == &recv_wr[qp->recv_ends++]);
	must(length <= wr->length);
	if (status)
		be_qp_fail(qp, VIRTIO_RDMA_R_LOCAL_ERROR);
}

enum virtio_rdma_wc_status be_sq_apply(struct be_qp *qp,
				       const struct be_wr *wr)
{
	must(qp->open && wr->opcode == VIRTIO_RDMA_OP_INVALIDATE);
	return wr->length & 1 ? VIRTIO_RDMA_WC_LOCAL_PROTECTION
			      : VIRTIO_RDMA_WC_SUCCESS;
}

enum virtio_rdma_wc_status be_rq_invalidate(struct be_qp *qp, struct be_wr *wr,
					    uint32_t token)
{
	must(qp->open && wr == &recv_wr[qp->recv_ends]);
	return token == FAKE_TOKEN ? VIRTIO_RDMA_WC_SUCCESS
				   : VIRTIO_RDMA_WC_LOCAL_PROTECTION;
}

bool be_qp_open(const struct be_qp *qp)
{
	return qp->open;
}

bool be_qp_mute(const struct be_qp *qp)
{
	return qp->mute;
}

void be_qp_wake(struct be_qp *qp)
{
	qp->woken = true;
}

void be_qp_fail(struct be_qp *qp, enum virtio_rdma_reason reason)
{
	(void)reason;
	must(!qp->stopped);
	qp->open = false;
	qp->failed = true;
}

void be_qp_stopped(struct be_qp *qp)
{
	must(!qp->stopped);
	qp->stopped = true;
	qp->open = false;
}

void be_looked_in_vain(void)
{
}

uint64_t be_now(void)
{
	return fake.now += 1000;
}

void be_qp_wake_at(struct be_qp *qp, uint64_t deadline_ns)
{
	qp->wake_at = deadline_ns;
}

uint32_t be_qp_rnr_timeout_ms(struct be_qp *qp)
{
	(void)qp;
	return 100;
}

/* ------------------------------------------------------------ begin and end */

void fake_begin(void)
{
	memset(&fake, 0, sizeof(fake));
	fake.mem = calloc(1, FAKE_MEM);
	fake.now = 1000000000;
}

void fake_end(void)
{
	must(post_head == post_tail);
	must(!fake.sgs);
	must(!timers);
	free(fake.mem);
}
