/* SPDX-License-Identifier: GPL-2.0-or-later */
/* session.c - front ends come and go; see session.h */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <fcntl.h>

#include "place.h"
#include "session_int.h"
#include "session_port.h"

/* ------------------------------------------------------------------ queues */

static bool is_wake_queue(const struct guest *g, unsigned int q)
{
	unsigned int first = VIRTIO_RDMA_VQ_WAKE(g->conf->num_ceq, 0);

	return q >= first && q - first < g->conf->num_wakeq;
}

static bool has_buffers(const struct guest *g, unsigned int q)
{
	return q < VIRTIO_RDMA_VQ_WAKE(g->conf->num_ceq, 0);
}

/* Edge-triggered and never read, as in the worker: its count says nothing that
 * the ring does not say, and the front end, who shares the file description,
 * could make a read of it wait. */
static void on_kick(void *arg, int fd, uint32_t events)
{
	struct session_queue *q = arg;

	if (events & (EPOLLHUP | EPOLLERR)) {
		loop_del(q->session->loop, fd);
		q->kick_fd = -1;
		return;
	}
	vq_process(q->session->guest, q->index);
}

static void queue_stop(struct session *s, struct session_queue *q)
{
	if (q->kick_fd >= 0)
		loop_del(s->loop, q->kick_fd);
	q->kick_fd = -1;
	if (q->wake_fd >= 0) {
		place_del_kick(s->guest, q->wake_fd);
		close(q->wake_fd);
	}
	q->wake_fd = -1;
}

static int queue_start(struct session *s, struct session_queue *q, int kick_fd)
{
	int ret;

	if (has_buffers(s->guest, q->index)) {
		ret = loop_add(s->loop, kick_fd, EPOLLIN | EPOLLET, on_kick,
			       q);
		if (!ret)
			q->kick_fd = kick_fd;
		return ret;
	}
	if (!is_wake_queue(s->guest, q->index))
		return 0;
	q->wake_fd = fcntl(kick_fd, F_DUPFD_CLOEXEC, 3);
	if (q->wake_fd < 0)
		return -errno;
	ret = place_add_kick(s->guest, q->wake_fd);
	if (ret) {
		close(q->wake_fd);
		q->wake_fd = -1;
	}
	return ret;
}

void session_set_kicks(struct session *s, struct worker *w, bool mine)
{
	for (unsigned int i = 0; i < SESSION_MAX_QUEUES; i++)
		if (s->queue[i].wake_fd >= 0)
			worker_set_kick(w, s->queue[i].wake_fd, mine);
}

void session_forget_ring(VuVirtq *vq)
{
	vq->vring.desc = NULL;
	vq->vring.avail = NULL;
	vq->vring.used = NULL;
	memset(&vq->vra, 0, sizeof(vq->vra));
}

/* The library's call, from inside SET_VRING_KICK and GET_VRING_BASE */
static void queue_set_started(VuDev *dev, int index, bool started)
{
	struct session *s = session_of(dev);
	struct session_queue *q = &s->queue[index];
	int ret;

	queue_stop(s, q);
	if (!started) {
		session_forget_ring(&dev->vq[index]);
		/* a paused machine; state stays until RESET_DEVICE */
		if (index == VIRTIO_RDMA_VQ_CONTROL)
			guest_set_paused(s->guest, true);
		return;
	}
	ret = queue_start(s, q, dev->vq[index].kick_fd);
	if (ret)
		session_violation(s, "queue %d: cannot watch its kicks: %s",
				  index, strerror(-ret));
}

VuVirtq *session_queue(struct session *s, unsigned int qidx)
{
	VuVirtq *vq;

	if (!s || s->closing || s->dev.broken || qidx >= SESSION_MAX_QUEUES)
		return NULL;
	vq = &s->dev.vq[qidx];
	return vq->started && vq->enable && vq->vring.desc ? vq : NULL;
}

VuDev *session_dev(struct session *s)
{
	return &s->dev;
}

/* ----------------------------------------------------- the library's callbacks
 */

static void on_panic(VuDev *dev, const char *err)
{
	struct session *s = session_of(dev);

	if (s->in_message)
		session_violation(s, "%s", err ? err : "broken message");
	else
		guest_needs_reset(s->guest, "broken queue: %s",
				  err ? err : "?");
}

/* The message that session_rx.c collected and checked */
static bool read_msg(VuDev *dev, int sock, VhostUserMsg *out)
{
	struct session *s = session_of(dev);

	(void)sock;
	if (!s->rx.complete)
		return false;
	*out = s->rx.msg;
	session_rx_reset(&s->rx);
	return true;
}

static bool in_order(VuDev *dev, int index)
{
	(void)dev;
	(void)index;
	return false; /* commands end in any order */
}

/* Kicks are watched by queue_set_started(): the library takes a spurious
 * one for a panic, and gets no queue handlers. */
static void no_set_watch(VuDev *dev, int fd, int condition, vu_watch_cb cb,
			 void *data)
{
	(void)dev;
	(void)fd;
	(void)condition;
	(void)cb;
	(void)data;
}

static void remove_watch(VuDev *dev, int fd)
{
	struct session *s = session_of(dev);

	for (unsigned int i = 0; i < SESSION_MAX_QUEUES; i++)
		if (s->queue[i].kick_fd == fd)
			queue_stop(s, &s->queue[i]);
}

static const VuDevIface iface = {
	.process_msg = session_process_msg,
	.queue_set_started = queue_set_started,
	.queue_is_processed_in_order = in_order,
};

/* ------------------------------------------------------------------ messages
 */

/* A front end that does not read its answers must not stop the process: the
 * library's write blocks. */
static bool can_write(int fd)
{
	struct pollfd p = {.fd = fd, .events = POLLOUT};

	return poll(&p, 1, 0) == 1 && (p.revents & POLLOUT);
}

void session_config_changed(struct session *s)
{
	if (!s || s->closing || s->dev.backend_fd < 0)
		return;
	if (!can_write(s->dev.backend_fd)) {
		session_violation(s, "the front end does not read its channel");
		return;
	}
	vu_config_change_msg(&s->dev);
}

static void handle_message(struct session *s)
{
	VhostUserMsg copy = s->rx.msg;

	if (!can_write(s->dev.sock)) {
		session_violation(s, "the front end does not read its answers");
		session_rx_drop_fds(&s->rx.msg);
		return;
	}
	s->in_message = true;
	if (!vu_dispatch(&s->dev))
		s->closing = true;
	s->in_message = false;
	if (!s->closing)
		session_after_message(s, &copy);
}

static void on_socket(void *arg, int fd, uint32_t events)
{
	struct session *s = arg;
	int ret;

	(void)fd;
	(void)events;
	ret = session_rx_read(s);
	if (ret > 0)
		handle_message(s);
	else if (ret < 0)
		s->closing = true;
	if (s->closing)
		session_close(s);
}

/* ---------------------------------------------------------------- life cycle
 */

int session_open(struct port *p, struct guest *g, struct loop *l, int fd)
{
	struct session *s = calloc(1, sizeof(*s));
	int ret;

	if (!s)
		return -ENOMEM;
	s->guest = g;
	s->loop = l;
	s->port = p;
	for (unsigned int i = 0; i < SESSION_MAX_QUEUES; i++)
		s->queue[i] = (struct session_queue){s, i, -1, -1};
	if (!vu_init(&s->dev, SESSION_MAX_QUEUES, fd, on_panic, read_msg,
		     no_set_watch, remove_watch, &iface)) {
		free(s);
		return -ENOMEM;
	}
	ret = loop_add(l, fd, EPOLLIN, on_socket, s);
	if (ret) {
		s->dev.sock = -1; /* stays the caller's */
		vu_deinit(&s->dev);
		free(s);
		return ret;
	}
	g->session = s;
	glog(g, VL_INFO, "session: front end connected");
	return 0;
}

bool session_hung_up(const struct session *s)
{
	struct pollfd p = {.fd = s->dev.sock, .events = POLLRDHUP};

	return poll(&p, 1, 0) == 1 &&
	       (p.revents & (POLLRDHUP | POLLHUP | POLLERR));
}

void session_close(struct session *s)
{
	struct guest *g = s->guest;
	struct port *p = s->port;

	s->closing = true;
	loop_del(s->loop, s->dev.sock);
	for (unsigned int i = 0; i < SESSION_MAX_QUEUES; i++)
		queue_stop(s, &s->queue[i]);
	guest_reset(g);
	guest_set_features(g, 0);
	guest_set_map(g, NULL);
	guest_set_paused(g, true);
	g->session = NULL;
	session_rx_drop_fds(&s->rx.msg);
	vu_deinit(&s->dev);
	free(s);
	glog(g, VL_INFO, "session: front end gone");
	port_session_ended(p);
}
