/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * data_mail.c - what other threads want of the worker
 *
 * DOC: Jobs in a list, and ports that went in a mask; an eventfd makes poll_fd()
 * readable.
 */
#include <errno.h>
#include <unistd.h>

#include "data.h"

static void wake_worker(struct vrb_worker *w)
{
	const uint64_t one = 1;

	atomic_store(&w->has_mail, true);
	if (write(w->mail_fd, &one, sizeof(one)) < 0)
		return;		/* EAGAIN: it is readable already */
}

void data_mail(struct vrb *v, struct slow_job *job)
{
	struct vrb_worker *w = &v->w;

	job->next = NULL;
	pthread_mutex_lock(&w->lock);
	*w->last_mail = job;
	w->last_mail = &job->next;
	pthread_mutex_unlock(&w->lock);
	wake_worker(w);
}

void data_call(struct vrb *v, void (*fn)(void *arg), void *arg)
{
	struct slow_waited w;

	slow_prepare(&w, fn, arg);
	w.job.done = slow_run_waited;
	data_mail(v, &w.job);
	slow_wait(&w);
}

static struct slow_job *take_mail(struct vrb_worker *w)
{
	struct slow_job *mail;
	uint64_t count;

	atomic_store(&w->has_mail, false);
	if (read(w->mail_fd, &count, sizeof(count)) < 0 && errno != EAGAIN)
		return NULL;
	pthread_mutex_lock(&w->lock);
	mail = w->mail;
	w->mail = NULL;
	w->last_mail = &w->mail;
	pthread_mutex_unlock(&w->lock);
	return mail;
}

void data_lose_ports(struct vrb *v, uint64_t ports)
{
	atomic_fetch_or(&v->w.lost_ports, ports);
	wake_worker(&v->w);
}

bool data_read_mail(struct vrb_worker *w)
{
	struct slow_job *job, *next;

	if (!atomic_load_explicit(&w->has_mail, memory_order_acquire))
		return false;
	for (job = take_mail(w); job; job = next) {
		next = job->next;
		job->done(job);
	}
	data_fail_ports(w, atomic_exchange(&w->lost_ports, 0));
	return true;
}

void data_errand_back(void *conn)
{
	conn_errand_back(conn);
}

/* be_post() keeps the order in which the worker speaks */
static void pass_barrier(struct slow_job *job)
{
	struct be_conn *c = be_container(job, struct be_conn, barrier);

	data_poll_all(&c->vrb->w);
	be_post(c->after_barrier, c);
}

void data_barrier(struct be_conn *c, void (*done)(void *c))
{
	c->errands++;
	c->after_barrier = done;
	c->barrier.done = pass_barrier;
	data_mail(c->vrb, &c->barrier);
}
