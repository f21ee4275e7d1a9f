/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * data.c - the completion queue of a device: polls, start and end
 */
#include <errno.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "data.h"

#define FIRST_CQ_SIZE	1024
#define ACK_BATCH	64

/* --------------------------------------------------------------------- polls */

static void ack_events(struct vrb_worker *w)
{
	if (w->events_unacked)
		ibv_ack_cq_events(w->cq, w->events_unacked);
	w->events_unacked = 0;
}

/* Takes what woke us, so that the descriptor is quiet again */
static void drain_channel(struct vrb_worker *w)
{
	struct ibv_cq *cq;
	void *context;

	while (!ibv_get_cq_event(w->channel, &cq, &context))
		w->events_unacked++;
	if (w->events_unacked >= ACK_BATCH)
		ack_events(w);
	w->armed = false;
}

bool vrb_poll(struct backend *be)
{
	struct vrb_worker *w = &vrb_of(be)->w;
	struct ibv_wc wc[POLL_BATCH];
	bool found = data_read_mail(w);
	int n;

	if (!w->cq)
		return found;
	if (w->armed)
		drain_channel(w);
	n = ibv_poll_cq(w->cq, POLL_BATCH, wc);
	for (int i = 0; i < n; i++)
		data_complete(w, &wc[i]);
	if (w->flushed)
		data_blame_flushed(w);
	if (w->draining && data_drain(w))
		found = true;
	return found || n > 0;
}

void vrb_arm(struct backend *be)
{
	struct vrb_worker *w = &vrb_of(be)->w;

	if (!w->cq)
		return;
	w->armed = true;
	ibv_req_notify_cq(w->cq, 0);
}

int vrb_poll_fd(const struct backend *be)
{
	return ((const struct vrb *)be)->w.epoll;
}

/* ------------------------------------------------------------- start and end */

static int watch(int epoll, int fd)
{
	struct epoll_event ev = {.events = EPOLLIN};

	return epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &ev) ? -errno : 0;
}

static int open_slots(struct vrb_worker *w, uint32_t slots)
{
	w->slots = slots;
	w->slot = calloc(slots, sizeof(*w->slot));
	w->generation = calloc(slots, sizeof(*w->generation));
	w->next_free = calloc(slots, sizeof(*w->next_free));
	if (!w->slot || !w->generation || !w->next_free)
		return -ENOMEM;
	for (uint32_t i = 0; i < slots; i++)
		w->next_free[i] = i + 1;
	return 0;
}

static int open_cq(struct vrb *v)
{
	struct vrb_worker *w = &v->w;

	w->size = FIRST_CQ_SIZE;
	if (w->size > (uint32_t)v->attr.max_cqe)
		w->size = (uint32_t)v->attr.max_cqe;
	w->channel = ibv_create_comp_channel(v->ctx);
	if (!w->channel)
		return -errno;
	if (set_nonblocking(w->channel->fd))
		return -errno;
	w->cq = ibv_create_cq(v->ctx, (int)w->size, NULL, w->channel, 0);
	return w->cq ? 0 : -errno;
}

int data_start(struct vrb *v)
{
	struct vrb_worker *w = &v->w;
	int ret;

	pthread_mutex_init(&w->lock, NULL);
	w->last_mail = &w->mail;
	w->mail_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (w->mail_fd < 0)
		return -errno;
	w->epoll = epoll_create1(EPOLL_CLOEXEC);
	if (w->epoll < 0)
		return -errno;
	ret = open_slots(w, v->be.limits.qp);
	if (!ret)
		ret = open_cq(v);
	if (!ret)
		ret = watch(w->epoll, w->mail_fd);
	if (!ret)
		ret = watch(w->epoll, w->channel->fd);
	return ret;
}

static void close_cq(struct vrb_worker *w)
{
	if (w->cq) {
		ack_events(w);
		ibv_destroy_cq(w->cq);
	}
	w->cq = NULL;
	if (w->channel)
		ibv_destroy_comp_channel(w->channel);
	w->channel = NULL;
}

static void cq_closed(void *arg)
{
	struct vrb *v = arg;

	v->cq_closed(v);
}

/* In the worker, which would poll it */
static void close_cq_job(struct slow_job *job)
{
	struct vrb *v = be_container(job, struct vrb, closing);

	close_cq(&v->w);
	be_post(cq_closed, v);
}

void data_close_cq(struct vrb *v, void (*done)(struct vrb *v))
{
	v->cq_closed = done;
	v->closing.done = close_cq_job;
	data_mail(v, &v->closing);
}

void data_stop(struct vrb *v)
{
	struct vrb_worker *w = &v->w;

	close_cq(w);
	if (w->mail_fd >= 0)
		close(w->mail_fd);
	if (w->epoll >= 0)
		close(w->epoll);
	shared_stop(w);
	free(w->slot);
	free(w->generation);
	free(w->next_free);
	pthread_mutex_destroy(&w->lock);
}
